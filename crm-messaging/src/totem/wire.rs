//! The packets of the ring, little-endian, each with its kind in the first byte.
//!
//! Decoding never panics and never allocates more than the input's size asks for: every count is
//! bounded by [`MAX_NODES`] or [`MAX_MISSING`] and by the bytes that follow.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut, TryGetError};

use super::types::{Incarnation, Seq};
use crate::group::{NodeId, RingId};
use crate::quorum::{Ballot, QuorumConfig};

/// The most nodes in a list.
pub const MAX_NODES: usize = 128;
/// The most packets that one token asks for.
pub const MAX_MISSING: usize = 64;
/// What a data packet needs beside its payload.
pub const DATA_OVERHEAD: usize = 1 + 12 + 8 + 4 + 1 + 20;

/// A packet of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// I am here, and this is whom I hear.
    Probe(Probe),
    /// The right to send.
    Token(Token),
    /// A part of the ordered stream.
    Data(Data),
    /// My opinion about the next membership.
    Join(Join),
    /// The agreed membership on its way round.
    Commit(Commit),
    /// To the representative: somebody has something to send, let the token go.
    Wake(RingId),
    /// From the representative: the token of this hop has arrived and rests here.
    Held(RingId, u64),
}

/// See [`Packet::Probe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The sender's installed ring.
    pub ring: RingId,
    /// It works (the sender is not forming another one).
    pub operational: bool,
    /// The members of that ring.
    pub members: BTreeSet<NodeId>,
    /// What the sender knows about the others.
    pub heard: Vec<Heard>,
    /// Bytes without meaning that make the packet as large as packets get.
    pub padding: usize,
}

/// What a node says about one other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The other.
    pub node: NodeId,
    /// When it was last heard; capped at [`Heard::NEVER`].
    pub age: Duration,
    /// It is not in the sender's ring, and the sender would have it there.
    pub wanted: bool,
    /// Its host has said that nothing listens there.
    pub refused: bool,
}

impl Heard {
    /// The largest age that fits: this long ago, or never.
    pub const NEVER: Duration = Duration::from_millis(u32::MAX as u64);
}

/// See [`Packet::Token`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its ring.
    pub ring: RingId,
    /// Grows at every forwarding: tells a repeated token from a new one.
    pub hop: u64,
    /// The highest place given.
    pub seq: Seq,
    /// Every member has everything up to here, as far as this rotation knows.
    pub aru: Seq,
    /// Who lowered `aru`.
    pub aru_by: Option<NodeId>,
    /// Packets sent in the last rotation.
    pub sent: u32,
    /// Packets that wait at all members.
    pub backlog: u32,
    /// A member whose layer above is behind: no new messages.
    pub congested: Option<NodeId>,
    /// Members that have sent all they had to recover.
    pub recovered: u32,
    /// Set when all have: everything up to here must arrive before the ring is installed.
    pub install: Option<Seq>,
    /// Places that somebody misses.
    pub missing: Vec<Seq>,
}

/// See [`Packet::Data`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Its ring.
    pub ring: RingId,
    /// Its place.
    pub seq: Seq,
    /// Whose messages it carries.
    pub sender: NodeId,
    /// It was in an older ring at that place and is sent again for those who missed it.
    pub recovered: Option<(RingId, Seq)>,
    /// Chunks of messages, see [`super::pack`].
    pub payload: Bytes,
}

/// See [`Packet::Join`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Grows whenever the sender's opinion changes.
    pub attempt: u64,
    /// The highest ring number the sender has seen.
    pub ring_seq: u64,
    /// The sender leaves for good.
    pub leaving: bool,
    /// Whom the sender considers.
    pub procs: BTreeSet<NodeId>,
    /// Whom of those it will not have.
    pub failed: BTreeSet<NodeId>,
}

/// See [`Packet::Commit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The ring to be.
    pub ring: RingId,
    /// Grows at every forwarding.
    pub hop: u32,
    /// One for each member, ordered by node.
    pub entries: Vec<CommitEntry>,
}

/// What a member says about itself and its old ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitEntry {
    /// The member.
    pub node: NodeId,
    /// Filled in by the member itself on the first pass.
    pub filled: Option<Filled>,
}

/// See [`CommitEntry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Its start.
    pub incarnation: Incarnation,
    /// The ring it comes from.
    pub old_ring: RingId,
    /// It has everything of that up to here.
    pub aru: Seq,
    /// And something up to here.
    pub high: Seq,
    /// Packets it can take in one rotation.
    pub window: u32,
    /// Its vote.
    pub ballot: Ballot,
}

/// A packet's bytes make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It ends too early.
    #[error("the packet is cut off")]
    Short,
    /// A kind, flag or count is out of range.
    #[error("the packet has an impossible value")]
    Value,
}

impl From<TryGetError> for WireError {
    fn from(_: TryGetError) -> WireError {
        WireError::Short
    }
}

impl Packet {
    /// The packet's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(128);
        match self {
            Packet::Probe(probe) => {
                out.put_u8(1);
                put_ring(&mut out, probe.ring);
                out.put_u8(u8::from(probe.operational));
                put_set(&mut out, &probe.members);
                put_count(&mut out, probe.heard.len());
                for heard in &probe.heard {
                    out.put_u32_le(heard.node.0);
                    out.put_u32_le(u32::try_from(heard.age.as_millis()).unwrap_or(u32::MAX));
                    out.put_u8(u8::from(heard.wanted));
                    out.put_u8(u8::from(heard.refused));
                }
                out.put_bytes(0, probe.padding);
            }
            Packet::Token(token) => put_token(&mut out, token),
            Packet::Data(data) => {
                out.reserve(data.payload.len() + DATA_OVERHEAD);
                out.put_u8(3);
                put_ring(&mut out, data.ring);
                out.put_u64_le(data.seq.0);
                out.put_u32_le(data.sender.0);
                out.put_u8(u8::from(data.recovered.is_some()));
                if let Some((ring, seq)) = data.recovered {
                    put_ring(&mut out, ring);
                    out.put_u64_le(seq.0);
                }
                out.put_slice(&data.payload);
            }
            Packet::Join(join) => {
                out.put_u8(4);
                out.put_u64_le(join.attempt);
                out.put_u64_le(join.ring_seq);
                out.put_u8(u8::from(join.leaving));
                put_set(&mut out, &join.procs);
                put_set(&mut out, &join.failed);
            }
            Packet::Commit(commit) => {
                out.put_u8(5);
                put_ring(&mut out, commit.ring);
                out.put_u32_le(commit.hop);
                put_count(&mut out, commit.entries.len());
                for entry in &commit.entries {
                    put_entry(&mut out, entry);
                }
            }
            Packet::Wake(ring) => {
                out.put_u8(6);
                put_ring(&mut out, *ring);
            }
            Packet::Held(ring, hop) => {
                out.put_u8(7);
                put_ring(&mut out, *ring);
                out.put_u64_le(*hop);
            }
        }
        out.freeze()
    }

    /// Reads a packet. `bytes` may be shared by the payload of the result.
    ///
    /// # Errors
    /// The bytes are no packet.
    pub fn decode(mut bytes: Bytes) -> Result<Packet, WireError> {
        let input = &mut bytes;
        let packet = match input.try_get_u8()? {
            1 => Packet::Probe(Probe {
                ring: get_ring(input)?,
                operational: get_bool(input)?,
                members: get_set(input)?,
                heard: get_list(input, MAX_NODES, |input| {
                    Ok(Heard {
                        node: NodeId(input.try_get_u32_le()?),
                        age: Duration::from_millis(u64::from(input.try_get_u32_le()?)),
                        wanted: get_bool(input)?,
                        refused: get_bool(input)?,
                    })
                })?,
                padding: input.split_to(input.len()).len(),
            }),
            2 => Packet::Token(get_token(input)?),
            3 => {
                let ring = get_ring(input)?;
                let seq = Seq(get_count(input)?);
                let sender = NodeId(input.try_get_u32_le()?);
                let recovered = if get_bool(input)? {
                    Some((get_ring(input)?, Seq(get_count(input)?)))
                } else {
                    None
                };
                let payload = input.split_to(input.len());
                Packet::Data(Data { ring, seq, sender, recovered, payload })
            }
            4 => Packet::Join(Join {
                attempt: get_count(input)?,
                ring_seq: get_count(input)?,
                leaving: get_bool(input)?,
                procs: get_set(input)?,
                failed: get_set(input)?,
            }),
            5 => Packet::Commit(Commit {
                ring: get_ring(input)?,
                hop: get_small(input)?,
                entries: get_list(input, MAX_NODES, get_entry)?,
            }),
            6 => Packet::Wake(get_ring(input)?),
            7 => Packet::Held(get_ring(input)?, get_count(input)?),
            _ => return Err(WireError::Value),
        };
        if input.has_remaining() { Err(WireError::Value) } else { Ok(packet) }
    }
}

fn put_token(out: &mut BytesMut, token: &Token) {
    out.put_u8(2);
    put_ring(out, token.ring);
    out.put_u64_le(token.hop);
    out.put_u64_le(token.seq.0);
    out.put_u64_le(token.aru.0);
    out.put_u32_le(token.aru_by.map_or(0, |node| node.0));
    out.put_u32_le(token.sent);
    out.put_u32_le(token.backlog);
    out.put_u32_le(token.congested.map_or(0, |node| node.0));
    out.put_u32_le(token.recovered);
    out.put_u64_le(token.install.map_or(u64::MAX, |seq| seq.0));
    put_count(out, token.missing.len());
    for seq in &token.missing {
        out.put_u64_le(seq.0);
    }
}

fn get_token(input: &mut Bytes) -> Result<Token, WireError> {
    let node = |id: u32| (id != 0).then_some(NodeId(id));
    Ok(Token {
        ring: get_ring(input)?,
        hop: get_count(input)?,
        seq: Seq(get_count(input)?),
        aru: Seq(get_count(input)?),
        aru_by: node(input.try_get_u32_le()?),
        sent: get_small(input)?,
        backlog: get_small(input)?,
        congested: node(input.try_get_u32_le()?),
        recovered: get_small(input)?,
        install: Some(input.try_get_u64_le()?).filter(|seq| *seq != u64::MAX).map(Seq),
        missing: get_list(input, MAX_MISSING, |input| Ok(Seq(get_count(input)?)))?,
    })
}

fn put_entry(out: &mut BytesMut, entry: &CommitEntry) {
    out.put_u32_le(entry.node.0);
    out.put_u8(u8::from(entry.filled.is_some()));
    let Some(filled) = entry.filled else { return };
    out.put_u64_le(filled.incarnation.0);
    put_ring(out, filled.old_ring);
    out.put_u64_le(filled.aru.0);
    out.put_u64_le(filled.high.0);
    out.put_u32_le(filled.window);
    out.put_u32_le(filled.ballot.votes);
    out.put_u32_le(filled.ballot.config.expected_votes);
    out.put_u8(u8::from(filled.ballot.config.two_node));
    out.put_u8(u8::from(filled.ballot.config.wait_for_all));
    out.put_u8(u8::from(filled.ballot.seen_all));
}

fn get_entry(input: &mut Bytes) -> Result<CommitEntry, WireError> {
    let node = NodeId(input.try_get_u32_le()?);
    if !get_bool(input)? {
        return Ok(CommitEntry { node, filled: None });
    }
    let filled = Filled {
        incarnation: Incarnation(input.try_get_u64_le()?),
        old_ring: get_ring(input)?,
        aru: Seq(get_count(input)?),
        high: Seq(get_count(input)?),
        window: get_small(input)?,
        ballot: Ballot {
            votes: input.try_get_u32_le()?,
            config: QuorumConfig {
                expected_votes: input.try_get_u32_le()?,
                two_node: get_bool(input)?,
                wait_for_all: get_bool(input)?,
            },
            seen_all: get_bool(input)?,
        },
    };
    Ok(CommitEntry { node, filled: Some(filled) })
}

fn put_ring(out: &mut BytesMut, ring: RingId) {
    out.put_u64_le(ring.seq);
    out.put_u32_le(ring.representative.0);
}

fn get_ring(input: &mut Bytes) -> Result<RingId, WireError> {
    Ok(RingId { seq: get_count(input)?, representative: NodeId(input.try_get_u32_le()?) })
}

/// A number that only ever grows by ones: far from the end of its range, so that sums stay in it.
fn get_count(input: &mut Bytes) -> Result<u64, WireError> {
    Some(input.try_get_u64_le()?).filter(|n| *n < 1 << 62).ok_or(WireError::Value)
}

/// As [`get_count`], for small numbers.
fn get_small(input: &mut Bytes) -> Result<u32, WireError> {
    Some(input.try_get_u32_le()?).filter(|n| *n < 1 << 30).ok_or(WireError::Value)
}

fn get_bool(input: &mut Bytes) -> Result<bool, WireError> {
    match input.try_get_u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::Value),
    }
}

fn put_count(out: &mut BytesMut, count: usize) {
    debug_assert!(count <= usize::from(u8::MAX), "lists on the wire are short");
    out.put_u8(count as u8);
}

fn get_list<T>(
    input: &mut Bytes,
    limit: usize,
    get: impl Fn(&mut Bytes) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let count = usize::from(input.try_get_u8()?);
    if count > limit {
        return Err(WireError::Value);
    }
    (0..count).map(|_| get(input)).collect()
}

fn put_set(out: &mut BytesMut, set: &BTreeSet<NodeId>) {
    put_count(out, set.len());
    for node in set {
        out.put_u32_le(node.0);
    }
}

fn get_set(input: &mut Bytes) -> Result<BTreeSet<NodeId>, WireError> {
    let list = get_list(input, MAX_NODES, |input| Ok(NodeId(input.try_get_u32_le()?)))?;
    Ok(list.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count() -> impl Strategy<Value = u64> {
        0u64..1 << 62
    }

    fn node() -> impl Strategy<Value = NodeId> {
        any::<u32>().prop_map(NodeId)
    }

    fn ring() -> impl Strategy<Value = RingId> {
        (count(), node()).prop_map(|(seq, representative)| RingId { seq, representative })
    }

    fn set() -> impl Strategy<Value = BTreeSet<NodeId>> {
        proptest::collection::btree_set(node(), 0..9)
    }

    fn packet() -> impl Strategy<Value = Packet> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..50).prop_map(Bytes::from);
        let heard = (node(), any::<u32>(), any::<bool>()).prop_map(|(node, age, wanted)| Heard {
            node,
            age: Duration::from_millis(u64::from(age)),
            wanted,
            refused: !wanted,
        });
        let heard = proptest::collection::vec(heard, 0..9);
        prop_oneof![
            (ring(), any::<bool>(), set(), heard).prop_map(
                |(ring, operational, members, heard)| {
                    Packet::Probe(Probe { ring, operational, members, heard, padding: 7 })
                }
            ),
            (ring(), count(), proptest::option::of(any::<u32>())).prop_map(|(ring, n, id)| {
                let aru_by = id.filter(|id| *id != 0).map(NodeId);
                let missing = vec![Seq(n), Seq(3)];
                Packet::Token(Token {
                    hop: n,
                    seq: Seq(n),
                    aru_by,
                    missing,
                    ..super::super::token::first(ring)
                })
            }),
            (ring(), count(), node(), proptest::option::of(ring()), bytes()).prop_map(
                |(ring, seq, sender, old, payload)| {
                    let recovered = old.map(|old| (old, Seq(seq)));
                    Packet::Data(Data { ring, seq: Seq(seq), sender, recovered, payload })
                }
            ),
            (count(), any::<bool>(), set(), set()).prop_map(|(n, leaving, procs, failed)| {
                Packet::Join(Join { attempt: n, ring_seq: n, leaving, procs, failed })
            }),
            (ring(), 0u32..1 << 30, any::<bool>()).prop_map(|(ring, n, flag)| {
                let config =
                    QuorumConfig { expected_votes: n, two_node: flag, wait_for_all: !flag };
                let filled = Filled {
                    incarnation: Incarnation(u64::from(n)),
                    old_ring: ring,
                    aru: Seq(1),
                    high: Seq(7),
                    window: n,
                    ballot: Ballot { votes: n, config, seen_all: flag },
                };
                let entry = |filled| CommitEntry { node: NodeId(n), filled };
                Packet::Commit(Commit {
                    ring,
                    hop: n,
                    entries: vec![entry(None), entry(Some(filled))],
                })
            }),
            ring().prop_map(Packet::Wake),
            (ring(), count()).prop_map(|(ring, hop)| Packet::Held(ring, hop)),
        ]
    }

    proptest! {
        #[test]
        fn packets_come_back_as_they_were(packet in packet()) {
            prop_assert_eq!(Packet::decode(packet.encode()), Ok(packet));
        }

        #[test]
        fn cut_or_changed_packets_do_not_panic(
            packet in packet(), keep in 0.0f64..1.0, noise in any::<u8>(),
        ) {
            let bytes = packet.encode();
            let place = (bytes.len() as f64 * keep) as usize;
            let _ = Packet::decode(bytes.slice(..place));
            let mut changed = bytes.to_vec();
            changed[place] = noise;
            let _ = Packet::decode(Bytes::from(changed));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Packet::decode(Bytes::from(bytes));
        }
    }
}
