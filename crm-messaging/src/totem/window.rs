//! The packets of one ring that may still be needed, by their place in the order.

use std::collections::VecDeque;

use bytes::Bytes;

use super::types::Seq;
use crate::group::{NodeId, RingId};

/// How far beyond the first gap packets are kept; more than members may have outstanding.
const MAX_SPAN: u64 = 16_384;

/// A packet as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Whose messages it carries.
    pub sender: NodeId,
    /// Its place in an older ring, if it was sent again from there.
    pub recovered: Option<(RingId, Seq)>,
    /// Chunks of messages.
    pub payload: Bytes,
}

/// The packets from the first that some member may miss to the highest seen.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Everything up to here was discarded, as every member has it.
    base: Seq,
    /// The packets after `base`.
    slots: VecDeque<Option<Slot>>,
    /// Everything up to here was received.
    aru: Seq,
}

impl Window {
    /// Everything up to here was received.
    pub fn aru(&self) -> Seq {
        self.aru
    }

    /// The highest place received.
    pub fn high(&self) -> Seq {
        Seq(self.base.0 + self.slots.len() as u64)
    }

    /// Keeps a packet. `false`: it was there already, or is too far away to be kept.
    pub fn insert(&mut self, seq: Seq, slot: Slot) -> bool {
        if seq <= self.base || seq.0 - self.aru.0.min(seq.0) > MAX_SPAN {
            return false;
        }
        let index = (seq.0 - self.base.0 - 1) as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, None);
        }
        if self.slots[index].is_some() {
            return false;
        }
        self.slots[index] = Some(slot);
        while self.get(self.aru.next()).is_some() {
            self.aru = self.aru.next();
        }
        true
    }

    /// The packet at that place, if it is here.
    pub fn get(&self, seq: Seq) -> Option<&Slot> {
        let index = seq.0.checked_sub(self.base.0 + 1)?;
        self.slots.get(usize::try_from(index).ok()?)?.as_ref()
    }

    /// Forgets everything up to that place, but nothing that was not received.
    pub fn discard(&mut self, through: Seq) {
        while self.base < through.min(self.aru) && self.slots.pop_front().is_some() {
            self.base = self.base.next();
        }
    }

    /// The first `limit` places up to `through` that were not received.
    pub fn missing(&self, through: Seq, limit: usize) -> Vec<Seq> {
        (self.aru.0 + 1..=through.0)
            .map(Seq)
            .filter(|seq| self.get(*seq).is_none())
            .take(limit)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        Slot { sender: NodeId(1), recovered: None, payload: Bytes::new() }
    }

    #[test]
    fn gaps_hold_the_aru_back_and_are_listed() {
        let mut window = Window::default();
        assert!(window.insert(Seq(1), slot()) && window.insert(Seq(4), slot()));
        assert_eq!((window.aru(), window.high()), (Seq(1), Seq(4)));
        assert_eq!(window.missing(Seq(6), 10), [Seq(2), Seq(3), Seq(5), Seq(6)]);
        assert!(window.insert(Seq(3), slot()) && window.insert(Seq(2), slot()));
        assert!(!window.insert(Seq(2), slot()));
        assert_eq!(window.aru(), Seq(4));
    }

    #[test]
    fn nothing_is_discarded_before_it_was_received() {
        let mut window = Window::default();
        window.insert(Seq(1), slot());
        window.insert(Seq(3), slot());
        window.discard(Seq(3));
        assert!(window.get(Seq(1)).is_none() && window.get(Seq(3)).is_some());
        assert!(!window.insert(Seq(1), slot()));
        assert!(window.insert(Seq(2), slot()));
        assert_eq!(window.aru(), Seq(3));
    }

    #[test]
    fn a_place_far_away_costs_nothing() {
        let mut window = Window::default();
        assert!(!window.insert(Seq(u64::MAX), slot()));
        assert!(!window.insert(Seq(MAX_SPAN + 1), slot()));
        assert_eq!(window.high(), Seq(0));
    }
}
