//! Sealing, and knowing that a packet is of this start of its sender and of now.
//!
//! Every start of a daemon draws a random session of 16 bytes. Its key is
//! HKDF-SHA256(salt: session, secret: authkey, info: protocol, cluster name, sender), its nonces
//! are a counter: no key and nonce ever come together twice. Packets are sealed with AES-256-GCM;
//! the whole header is authenticated with them.
//!
//! A receiver takes packets of a session only after the session's owner has answered a challenge
//! that the receiver drew at random for it and uses once. So recorded packets of an earlier
//! start, of either side, are refused; recorded packets of this start by their counter.
//!
//! ```text
//! 0  "cR", version, kind    4  cluster   8  sender    12  target (0: all)
//! 16 session (16 bytes)     32 counter   40 content, tag (16 bytes)
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use super::replay::ReplayWindow;
use crate::config::AuthKey;
use crate::group::NodeId;
use crate::totem::{Incarnation, Time};

pub(super) const HEADER: usize = 40;
pub(super) const TAG: usize = 16;
const MAGIC: [u8; 2] = *b"cR";
const VERSION: u8 = 1;
const DATA: u8 = 0;
const HELLO: u8 = 1;
const LINKS: u8 = 2;
/// A hello's content: whether there is a challenge and an answer, and both.
const HELLO_CONTENT: usize = 2 + 2 * NONCE;
const NONCE: usize = 16;
/// How often a peer that has not answered yet is asked, and at most is answered.
const ASK_EVERY: Duration = Duration::from_millis(50);
const ANSWER_EVERY: Duration = Duration::from_millis(5);

/// How many replaced sessions of a peer are remembered.
const PAST: usize = 32;

type Secret = [u8; NONCE];

/// Why a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// It is none of this protocol.
    Foreign,
    /// Another version of it.
    Version(NodeId, u8),
    /// Another cluster's name.
    Cluster(NodeId),
    /// From a node that is not in the list, or for another node.
    Unlisted,
    /// It does not authenticate.
    Unauthentic(NodeId),
    /// It was seen before, or is of a session that has not proved to be of now.
    Replayed,
}

/// A packet that was opened, in place.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// Its sender.
    pub from: NodeId,
    /// The sender's start.
    pub incarnation: Incarnation,
    /// Its content.
    pub content: Content<'a>,
}

/// What was in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A packet of the ring.
    Ring(&'a [u8]),
    /// On which links the sender hears this node.
    Links(u8),
}

struct Session {
    id: Secret,
    key: LessSafeKey,
    window: ReplayWindow,
}

struct Peer {
    /// Sessions that a newer one has replaced. They are over, whoever still speaks in one.
    past: VecDeque<Secret>,
    /// What this peer must answer before a session of it is accepted.
    challenge: Secret,
    accepted: Option<Session>,
    ask_at: Time,
    answered_at: Option<Time>,
}

/// The sessions of this node and its peers.
pub struct Sessions {
    me: NodeId,
    secret: AuthKey,
    cluster: String,
    tag: [u8; 4],
    id: Secret,
    key: LessSafeKey,
    counter: u64,
    random: SystemRandom,
    peers: BTreeMap<NodeId, Peer>,
    /// Sealed handshake packets that wait to be sent.
    hellos: Vec<(NodeId, Vec<u8>)>,
    acquainted: bool,
    /// Nodes of which two machines speak.
    twins: BTreeSet<NodeId>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("me", &self.me).finish_non_exhaustive()
    }
}

struct Header {
    kind: u8,
    from: NodeId,
    session: Secret,
    counter: u64,
}

impl Sessions {
    /// A new session of this node.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn new(
        me: NodeId,
        cluster: &str,
        secret: AuthKey,
        peers: impl Iterator<Item = NodeId>,
    ) -> std::io::Result<Sessions> {
        let random = SystemRandom::new();
        let id = draw(&random)?;
        let key = derive(&secret, cluster, me, &id)
            .ok_or_else(|| std::io::Error::other("the key for packets cannot be derived"))?;
        let mut listed = BTreeMap::new();
        for node in peers.filter(|node| *node != me) {
            let peer = Peer {
                past: VecDeque::new(),
                challenge: draw(&random)?,
                accepted: None,
                ask_at: Time::default(),
                answered_at: None,
            };
            listed.insert(node, peer);
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, cluster.as_bytes());
        let mut tag = [0; 4];
        tag.copy_from_slice(&digest.as_ref()[..4]);
        Ok(Sessions {
            me,
            secret,
            cluster: cluster.to_owned(),
            tag,
            id,
            key,
            counter: 0,
            random,
            peers: listed,
            hellos: Vec::new(),
            acquainted: false,
            twins: BTreeSet::new(),
        })
    }

    /// What this start of the node is called in the ring.
    pub fn incarnation(&self) -> Incarnation {
        incarnation(&self.id)
    }

    /// Whether packets of a node are accepted.
    pub fn knows(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.accepted.is_some())
    }

    /// Appends a sealed packet to `out`.
    pub fn seal(&mut self, to: Option<NodeId>, body: &[u8], out: &mut Vec<u8>) {
        self.seal_kind(DATA, to, body, out);
    }

    /// Appends a sealed packet that says on which links a peer is heard.
    pub fn seal_links(&mut self, to: NodeId, links: u8, out: &mut Vec<u8>) {
        self.seal_kind(LINKS, Some(to), &[links], out);
    }

    fn seal_kind(&mut self, kind: u8, to: Option<NodeId>, body: &[u8], out: &mut Vec<u8>) {
        self.counter += 1;
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, kind]);
        out.extend_from_slice(&self.tag);
        out.extend_from_slice(&self.me.0.to_le_bytes());
        out.extend_from_slice(&to.map_or(0, |node| node.0).to_le_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.counter.to_le_bytes());
        out.extend_from_slice(body);
        let (head, content) = out[start..].split_at_mut(HEADER);
        let sealed =
            self.key.seal_in_place_separate_tag(nonce(self.counter), Aad::from(head), content);
        match sealed {
            Ok(tag) => out.extend_from_slice(tag.as_ref()),
            // Only a content of 64 GiB is too long; nothing unsealed may get out.
            Err(_) => out.truncate(start),
        }
    }

    /// Judges and opens a packet in place. A handshake's packet gives `None`.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn open<'a>(
        &mut self,
        packet: &'a mut [u8],
        now: Time,
    ) -> Result<Option<Opened<'a>>, Reject> {
        let header = self.header(packet)?;
        let Some(peer) = self.peers.get_mut(&header.from) else { return Err(Reject::Unlisted) };
        let (head, content) = packet.split_at_mut(HEADER);
        let aad = Aad::from(&*head);
        if let Some(session) = peer.accepted.as_mut().filter(|s| s.id == header.session) {
            if !session.window.is_new(header.counter) {
                return Err(Reject::Replayed);
            }
            let opened = session.key.open_in_place(nonce(header.counter), aad, content);
            let Ok(body) = opened else { return Err(Reject::Unauthentic(header.from)) };
            session.window.accept(header.counter);
            if header.kind == HELLO {
                self.on_hello(&header, body, None, now);
                return Ok(None);
            }
            let content = match (header.kind, &*body) {
                (LINKS, [links]) => Content::Links(*links),
                _ => Content::Ring(body),
            };
            let incarnation = incarnation(&header.session);
            return Ok(Some(Opened { from: header.from, incarnation, content }));
        }
        let key = derive(&self.secret, &self.cluster, header.from, &header.session)
            .ok_or(Reject::Unauthentic(header.from))?;
        let Ok(body) = key.open_in_place(nonce(header.counter), aad, content) else {
            return Err(Reject::Unauthentic(header.from));
        };
        if header.kind == HELLO {
            self.on_hello(&header, body, Some(key), now);
            return Ok(None);
        }
        // A peer that has started anew, or a recording: it may prove which.
        self.answer(header.from, None, now);
        Err(Reject::Replayed)
    }

    fn header(&self, packet: &[u8]) -> Result<Header, Reject> {
        if packet.len() < HEADER + TAG || packet[..2] != MAGIC {
            return Err(Reject::Foreign);
        }
        let word = |at: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&packet[at..at + 4]);
            u32::from_le_bytes(bytes)
        };
        let from = NodeId(word(8));
        if packet[2] != VERSION {
            return Err(Reject::Version(from, packet[2]));
        }
        if packet[4..8] != self.tag {
            return Err(Reject::Cluster(from));
        }
        let to = word(12);
        if from == self.me || (to != 0 && to != self.me.0) || packet[3] > LINKS {
            return Err(Reject::Unlisted);
        }
        let mut session = [0; NONCE];
        session.copy_from_slice(&packet[16..32]);
        let counter = u64::from(word(32)) | u64::from(word(36)) << 32;
        Ok(Header { kind: packet[3], from, session, counter })
    }

    /// An authentic hello; `key` is its session's, if that is not accepted yet.
    fn on_hello(&mut self, header: &Header, body: &[u8], key: Option<LessSafeKey>, now: Time) {
        if body.len() != HELLO_CONTENT {
            return;
        }
        let secret = |flag: usize, at: usize| {
            let mut secret = [0; NONCE];
            secret.copy_from_slice(&body[at..at + NONCE]);
            (body[flag] == 1).then_some(secret)
        };
        let (theirs, answer) = (secret(0, 2), secret(1, 2 + NONCE));
        let Some(peer) = self.peers.get_mut(&header.from) else { return };
        if peer.past.contains(&header.session) {
            // It answers a challenge of now: this is no recording.
            if answer == Some(peer.challenge) {
                self.twins.insert(header.from);
            }
            self.answer(header.from, None, now);
            return;
        }
        if let (Some(key), Some(answer)) = (key, answer)
            && answer == peer.challenge
            && let Ok(next) = draw(&self.random)
        {
            peer.challenge = next;
            let window = ReplayWindow::after(header.counter);
            self.acquainted = true;
            if let Some(old) = peer.accepted.take() {
                peer.past.truncate(PAST - 1);
                peer.past.push_front(old.id);
            }
            peer.accepted = Some(Session { id: header.session, key, window });
        }
        if let Some(theirs) = theirs {
            let accepted = peer.accepted.as_ref().is_some_and(|s| s.id == header.session);
            let soon = |at: Time| now.since(at) < ANSWER_EVERY;
            if accepted || !peer.answered_at.is_some_and(soon) {
                peer.answered_at = Some(now);
                self.hello(header.from, !accepted, Some(theirs));
            }
        }
    }

    /// Asks a peer to prove itself, not too often.
    fn answer(&mut self, node: NodeId, theirs: Option<Secret>, now: Time) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if peer.answered_at.is_none_or(|at| now.since(at) >= ANSWER_EVERY) {
            peer.answered_at = Some(now);
            self.hello(node, true, theirs);
        }
    }

    fn hello(&mut self, to: NodeId, ask: bool, theirs: Option<Secret>) {
        let Some(peer) = self.peers.get(&to) else { return };
        let mut content = [0; HELLO_CONTENT];
        if ask {
            content[0] = 1;
            content[2..2 + NONCE].copy_from_slice(&peer.challenge);
        }
        if let Some(theirs) = theirs {
            content[1] = 1;
            content[2 + NONCE..].copy_from_slice(&theirs);
        }
        let mut packet = Vec::with_capacity(HEADER + HELLO_CONTENT + TAG);
        self.seal_kind(HELLO, Some(to), &content, &mut packet);
        self.hellos.push((to, packet));
    }

    /// Asks those that are not known yet; when it must be called again.
    pub fn tick(&mut self, now: Time) -> Option<Time> {
        let due: Vec<NodeId> = self
            .peers
            .iter_mut()
            .filter(|(_, peer)| peer.accepted.is_none() && now >= peer.ask_at)
            .map(|(node, peer)| {
                peer.ask_at = now + ASK_EVERY;
                *node
            })
            .collect();
        for node in due {
            self.hello(node, true, None);
        }
        self.peers.values().filter(|peer| peer.accepted.is_none()).map(|peer| peer.ask_at).min()
    }

    /// Whether a session was accepted since this was last asked.
    pub fn take_acquainted(&mut self) -> bool {
        std::mem::take(&mut self.acquainted)
    }

    /// Nodes whose number two machines use at the same time. The one that started first is not
    /// listened to any more.
    pub fn twins(&self) -> &BTreeSet<NodeId> {
        &self.twins
    }

    /// Handshake packets to send now.
    pub fn take_hellos(&mut self) -> Vec<(NodeId, Vec<u8>)> {
        std::mem::take(&mut self.hellos)
    }
}

fn incarnation(session: &Secret) -> Incarnation {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&session[..8]);
    // Zero means: none was heard.
    Incarnation(u64::from_le_bytes(bytes).max(1))
}

fn draw(random: &SystemRandom) -> std::io::Result<Secret> {
    let mut secret = [0; NONCE];
    random.fill(&mut secret).map_err(|_| std::io::Error::other("no random bytes"))?;
    Ok(secret)
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn derive(
    secret: &AuthKey,
    cluster: &str,
    sender: NodeId,
    session: &Secret,
) -> Option<LessSafeKey> {
    let length = (cluster.len() as u64).to_le_bytes();
    let sender = sender.0.to_le_bytes();
    let info = [b"crm ring 1".as_slice(), &length, cluster.as_bytes(), &sender];
    let root = Salt::new(HKDF_SHA256, session).extract(secret.bytes());
    let key = root.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(id: u32, cluster: &str, key: u8) -> Sessions {
        let key = AuthKey::new(vec![key; 32]).unwrap();
        Sessions::new(NodeId(id), cluster, key, [NodeId(1), NodeId(2)].into_iter()).unwrap()
    }

    fn at(millis: u64) -> Time {
        Time::since_start(Duration::from_millis(millis))
    }

    fn sealed(from: &mut Sessions, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        from.seal(None, body, &mut out);
        out
    }

    /// Exchanges hellos until there are none; what was sent.
    fn talk(a: &mut Sessions, b: &mut Sessions, now: Time) -> Vec<Vec<u8>> {
        let mut recorded = Vec::new();
        a.tick(now);
        b.tick(now);
        for _ in 0..6 {
            for (from, to) in [(1, 2), (2, 1)] {
                let hellos = if from == 1 { a.take_hellos() } else { b.take_hellos() };
                for (_, mut packet) in hellos {
                    recorded.push(packet.clone());
                    let receiver = if to == 1 { &mut *a } else { &mut *b };
                    let _ = receiver.open(&mut packet, now);
                }
            }
        }
        recorded
    }

    #[test]
    fn after_the_handshake_packets_are_accepted_once() {
        let (mut a, mut b) = (node(1, "c", 1), node(2, "c", 1));
        let early = sealed(&mut a, b"early");
        assert_eq!(b.open(&mut early.clone(), at(0)), Err(Reject::Replayed));
        talk(&mut a, &mut b, at(100));
        assert!(a.knows(NodeId(2)) && b.knows(NodeId(1)));
        let packet = sealed(&mut a, b"hello");
        assert_eq!(
            b.open(&mut packet.clone(), at(101)).unwrap().unwrap().content,
            Content::Ring(b"hello")
        );
        assert_eq!(b.open(&mut packet.clone(), at(101)), Err(Reject::Replayed));
        assert_eq!(b.open(&mut early.clone(), at(101)), Err(Reject::Replayed));
    }

    #[test]
    fn recordings_of_an_earlier_start_are_refused() {
        let (mut a, mut b) = (node(1, "c", 1), node(2, "c", 1));
        let mut recorded = talk(&mut a, &mut b, at(0));
        recorded.push(sealed(&mut a, b"x"));
        let mut newer = node(1, "c", 1);
        talk(&mut newer, &mut b, at(100));
        let told = sealed(&mut newer, b"new");
        assert!(b.open(&mut told.clone(), at(100)).unwrap().is_some());
        // The sender has started anew: nothing of its past start brings that back.
        for (i, mut packet) in recorded.clone().into_iter().enumerate() {
            assert!(!matches!(b.open(&mut packet, at(200 + i as u64 * 10)), Ok(Some(_))));
        }
        let told = sealed(&mut newer, b"still");
        assert!(b.open(&mut told.clone(), at(900)).unwrap().is_some());
        // The receiver has started anew: recordings do not answer its challenge.
        let mut other = node(2, "c", 1);
        for packet in &mut recorded {
            assert!(!matches!(other.open(packet, at(1000)), Ok(Some(_))));
        }
        assert!(!other.knows(NodeId(1)));
    }

    #[test]
    fn a_lost_last_hello_is_made_up_for() {
        let (mut a, mut b) = (node(1, "c", 1), node(2, "c", 1));
        talk(&mut a, &mut b, at(0));
        let mut newer = node(1, "c", 1);
        newer.tick(at(100));
        for (_, mut packet) in newer.take_hellos() {
            let _ = b.open(&mut packet, at(100));
        }
        for (_, mut packet) in b.take_hellos() {
            let _ = newer.open(&mut packet, at(100));
        }
        newer.take_hellos(); // lost: b knows nothing of the new start
        let mut packet = sealed(&mut newer, b"x");
        assert_eq!(b.open(&mut packet, at(200)), Err(Reject::Replayed));
        talk(&mut newer, &mut b, at(300));
        let mut packet = sealed(&mut newer, b"y");
        assert!(b.open(&mut packet, at(400)).unwrap().is_some());
    }

    #[test]
    fn two_machines_with_one_number_are_noticed_and_the_newer_one_stays() {
        let (mut a, mut b) = (node(1, "c", 1), node(2, "c", 1));
        talk(&mut a, &mut b, at(0));
        let mut clone = node(1, "c", 1);
        talk(&mut clone, &mut b, at(100));
        assert!(b.twins().is_empty());
        for turn in 2..6 {
            let mut packet = sealed(&mut a, b"me too");
            assert_eq!(b.open(&mut packet, at(turn * 100)), Err(Reject::Replayed));
            talk(&mut a, &mut b, at(turn * 100 + 50));
        }
        assert_eq!(*b.twins(), BTreeSet::from([NodeId(1)]));
        let mut packet = sealed(&mut clone, b"x");
        assert!(b.open(&mut packet, at(900)).unwrap().is_some());
    }

    #[test]
    fn what_does_not_belong_here_is_told_apart() {
        let mut b = node(2, "c", 1);
        let mut version = sealed(&mut node(1, "c", 1), b"x");
        version[2] = 9;
        assert_eq!(b.open(&mut version, at(0)), Err(Reject::Version(NodeId(1), 9)));
        let mut cluster = sealed(&mut node(1, "d", 1), b"x");
        assert_eq!(b.open(&mut cluster, at(0)), Err(Reject::Cluster(NodeId(1))));
        let mut key = sealed(&mut node(1, "c", 2), b"x");
        assert_eq!(b.open(&mut key, at(0)), Err(Reject::Unauthentic(NodeId(1))));
        let mut stranger = sealed(&mut node(7, "c", 1), b"x");
        assert_eq!(b.open(&mut stranger, at(0)), Err(Reject::Unlisted));
        assert_eq!(b.open(&mut [0; 200], at(0)), Err(Reject::Foreign));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_change_goes_unseen(
            noise in proptest::collection::vec(any::<u8>(), 0..200), place in 0usize..61, bit in 0u8..8,
        ) {
            let (mut a, mut b) = (node(1, "c", 1), node(2, "c", 1));
            talk(&mut a, &mut b, at(0));
            let _ = b.open(&mut noise.clone(), at(1));
            let mut headed = sealed(&mut a, b"hello");
            headed.truncate(HEADER);
            headed.extend(&noise);
            prop_assert!(b.open(&mut headed, at(1)).is_err());
            let mut packet = sealed(&mut a, b"hello");
            packet[place] ^= 1 << bit;
            prop_assert!(b.open(&mut packet, at(1)).is_err());
        }
    }
}
