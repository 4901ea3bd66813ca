//! Which numbers of a sender were seen: each is accepted once, very old ones never.

/// How far back numbers are told apart.
const SPAN: u64 = 4096;
const WORDS: usize = (SPAN / 64) as usize;

/// The numbers seen of one session.
#[derive(Debug)]
pub(super) struct ReplayWindow {
    /// Numbers up to here minus [`SPAN`] are too old.
    highest: u64,
    /// Numbers up to here were not seen but are refused: the session began after them.
    floor: u64,
    seen: Box<[u64; WORDS]>,
}

impl ReplayWindow {
    /// Accepts only numbers after `first`.
    pub(super) fn after(first: u64) -> ReplayWindow {
        ReplayWindow { highest: first, floor: first, seen: Box::new([0; WORDS]) }
    }

    /// Whether the number would be accepted.
    pub(super) fn is_new(&self, number: u64) -> bool {
        if number <= self.floor || number.saturating_add(SPAN) <= self.highest {
            return false;
        }
        number > self.highest || self.seen[index(number)] & bit(number) == 0
    }

    /// Notes a number of an authentic packet. `false`: it was seen or is too old.
    pub(super) fn accept(&mut self, number: u64) -> bool {
        if !self.is_new(number) {
            return false;
        }
        if number > self.highest {
            if number - self.highest >= SPAN {
                self.seen.fill(0);
            } else {
                for skipped in self.highest + 1..number {
                    self.seen[index(skipped)] &= !bit(skipped);
                }
            }
            self.highest = number;
        }
        self.seen[index(number)] |= bit(number);
        true
    }
}

fn index(number: u64) -> usize {
    (number % SPAN / 64) as usize
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn each_number_is_accepted_once_and_recent_ones_are(
            numbers in proptest::collection::vec(1u64..20_000, 0..400)
        ) {
            let mut window = ReplayWindow::after(10);
            let mut seen = BTreeSet::new();
            for number in numbers {
                let highest = seen.last().copied().unwrap_or(10);
                let expected = number > 10 && number + SPAN > highest && !seen.contains(&number);
                prop_assert_eq!(window.accept(number), expected);
                if expected {
                    seen.insert(number);
                }
            }
        }
    }

    #[test]
    fn the_last_number_does_no_harm() {
        let mut window = ReplayWindow::after(0);
        assert!(window.accept(u64::MAX));
        assert!(!window.accept(u64::MAX) && !window.accept(1));
    }
}
