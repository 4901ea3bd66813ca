//! Messages in packets: small ones share a packet, large ones are cut.
//!
//! A payload is a row of chunks: flags, length, for the first of several chunks the length of the
//! whole message, then the bytes. A chunk without flags ends the payload; it fills packets up, so
//! that packets of a stream have one size and can be sent in one call.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::group::NodeId;

const FIRST: u8 = 1;
const LAST: u8 = 2;
const LEAVE: u8 = 4;
const HEADER: usize = 3;
const TOTAL: usize = 4;

/// What a chunk's end completes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// A message.
    Message(Bytes),
    /// The sender leaves after this.
    Leave,
}

/// Messages on their way into packets.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Bytes>,
    /// Bytes in `queue`.
    bytes: usize,
    /// How much of the first message is in packets already.
    begun: usize,
    leave: bool,
    left: bool,
}

/// A packet's payload, and what it completes.
#[derive(Debug)]
pub struct Packed {
    /// The chunks.
    pub payload: Bytes,
    /// Messages that end in it.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl Outbox {
    /// Queues a message.
    pub fn push(&mut self, data: Bytes) {
        self.bytes += data.len();
        self.queue.push_back(data);
    }

    /// Says, after everything queued, that this node leaves.
    pub fn leave(&mut self) {
        self.leave = true;
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && (!self.leave || self.left)
    }

    /// About how many packets of that payload wait.
    pub fn packets(&self, size: usize) -> u32 {
        let bytes = self.bytes - self.begun + self.queue.len() * HEADER;
        let leave = usize::from(self.leave && !self.left);
        u32::try_from(bytes.div_ceil(size.max(1)).max(leave)).unwrap_or(u32::MAX)
    }

    /// After a change of members: a message that was only partly sent starts again, because new
    /// members have not seen its begin; so does the word of leaving.
    pub fn rewind(&mut self) {
        self.begun = 0;
        self.left = false;
    }

    /// Fills the next payload, at most `size` bytes.
    pub fn pack(&mut self, size: usize) -> Option<Packed> {
        if self.is_empty() {
            return None;
        }
        let mut payload = BytesMut::with_capacity(size);
        let (mut messages, mut bytes) = (0, 0);
        while let Some(message) = self.queue.front() {
            let room = size - payload.len();
            let rest = message.len() - self.begun;
            let whole = self.begun == 0 && HEADER + rest <= room;
            let header = if self.begun == 0 && !whole { HEADER + TOTAL } else { HEADER };
            // A tiny piece of a message is not worth its header.
            if !whole && room < header + rest.min(16) {
                break;
            }
            let take = rest.min(room - header).min(usize::from(u16::MAX));
            let first = if self.begun == 0 { FIRST } else { 0 };
            let last = if take == rest { LAST } else { 0 };
            payload.put_u8(first | last);
            payload.put_u16_le(take as u16);
            if first != 0 && last == 0 {
                payload.put_u32_le(message.len() as u32);
            }
            payload.put_slice(&message[self.begun..self.begun + take]);
            self.begun += take;
            if last != 0 {
                messages += 1;
                bytes += message.len();
                self.bytes -= message.len();
                self.begun = 0;
                self.queue.pop_front();
            }
        }
        if self.queue.is_empty() {
            if self.leave && !self.left && size - payload.len() >= HEADER {
                payload.put_slice(&[FIRST | LAST | LEAVE, 0, 0]);
                self.left = true;
            }
        } else {
            payload.resize(size, 0);
        }
        Some(Packed { payload: payload.freeze(), messages, bytes })
    }
}

/// Messages on their way out of packets.
#[derive(Debug)]
pub struct Reassembly {
    partial: BTreeMap<NodeId, BytesMut>,
    totals: BTreeMap<NodeId, usize>,
    limit: usize,
}

impl Reassembly {
    /// Accepts messages of at most that size.
    pub fn new(limit: usize) -> Reassembly {
        Reassembly { partial: BTreeMap::new(), totals: BTreeMap::new(), limit }
    }

    /// After a change of members: whoever has begun a message begins again.
    pub fn clear(&mut self) {
        self.partial.clear();
        self.totals.clear();
    }

    /// Reads the chunks of a payload in order. What makes no sense ends it; what came before stays.
    pub fn unpack(&mut self, sender: NodeId, mut payload: Bytes, out: &mut Vec<Unpacked>) {
        while payload.len() >= HEADER {
            let flags = payload.get_u8();
            let length = usize::from(payload.get_u16_le());
            let (first, last) = (flags & FIRST != 0, flags & LAST != 0);
            if flags & LEAVE != 0 {
                out.push(Unpacked::Leave);
                continue;
            }
            if flags == 0 && length == 0 {
                return;
            }
            if first && !last {
                let Ok(total) = payload.try_get_u32_le() else { return };
                self.totals.insert(sender, total as usize);
                self.partial.insert(sender, BytesMut::new());
                if total as usize > self.limit {
                    self.partial.remove(&sender);
                }
            }
            if payload.len() < length {
                return;
            }
            let chunk = payload.split_to(length);
            if first && last {
                out.push(Unpacked::Message(chunk));
            } else {
                self.append(sender, &chunk, last, out);
            }
        }
    }

    fn append(&mut self, sender: NodeId, chunk: &[u8], last: bool, out: &mut Vec<Unpacked>) {
        // Without a begin it is the rest of something that was dropped.
        let Some(buffer) = self.partial.get_mut(&sender) else { return };
        let total = self.totals.get(&sender).copied().unwrap_or(0);
        if buffer.is_empty() {
            buffer.reserve(total);
        }
        if buffer.len() + chunk.len() > total {
            self.partial.remove(&sender);
            return;
        }
        buffer.extend_from_slice(chunk);
        if last
            && let Some(buffer) = self.partial.remove(&sender)
            && buffer.len() == total
        {
            out.push(Unpacked::Message(buffer.freeze()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn roundtrip(messages: &[Vec<u8>], size: usize) -> Vec<Unpacked> {
        let mut outbox = Outbox::default();
        for message in messages {
            outbox.push(Bytes::copy_from_slice(message));
        }
        let mut reassembly = Reassembly::new(1 << 20);
        let mut out = Vec::new();
        while let Some(packed) = outbox.pack(size) {
            assert!(packed.payload.len() <= size);
            reassembly.unpack(NodeId(1), packed.payload, &mut out);
        }
        out
    }

    #[test]
    fn a_message_begins_again_after_a_change_of_members() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from(vec![7; 100]));
        let mut reassembly = Reassembly::new(1000);
        let mut out = Vec::new();
        reassembly.unpack(NodeId(1), outbox.pack(64).unwrap().payload, &mut out);
        outbox.rewind();
        reassembly.clear();
        while let Some(packed) = outbox.pack(64) {
            reassembly.unpack(NodeId(1), packed.payload, &mut out);
        }
        assert_eq!(out, [Unpacked::Message(Bytes::from(vec![7; 100]))]);
    }

    #[test]
    fn leaving_comes_last() {
        let mut outbox = Outbox::default();
        outbox.leave();
        outbox.push(Bytes::from_static(b"x"));
        let mut out = Vec::new();
        Reassembly::new(10).unpack(NodeId(1), outbox.pack(64).unwrap().payload, &mut out);
        assert_eq!(out, [Unpacked::Message(Bytes::from_static(b"x")), Unpacked::Leave]);
        assert!(outbox.is_empty());
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20),
            size in 40usize..400,
        ) {
            let expected: Vec<Unpacked> =
                messages.iter().map(|m| Unpacked::Message(Bytes::copy_from_slice(m))).collect();
            prop_assert_eq!(roundtrip(&messages, size), expected);
        }

        #[test]
        fn no_payload_panics(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            Reassembly::new(1000).unpack(NodeId(1), Bytes::from(payload), &mut out);
        }
    }
}
