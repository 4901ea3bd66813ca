//! The order in which the reference walks a table of nodes.
//!
//! The reference keeps its tables of scores in hash tables of GLib and, where several nodes are
//! equally good to a relation that is not transitive (P-136) or that has no last resort (P-139),
//! leaves the decision to the order of the buckets. That order follows from the ids of the nodes
//! alone, and so is a rule like any other: addresses, seeds and time play no part in it.

use std::mem;

/// Bits of the size that every table has at least.
const MIN_SHIFT: u32 = 3;

/// The largest prime below each power of two (1 where there is none), by which hashes are reduced.
/// No cluster has more nodes than the last one has room for; the order beyond is any.
const PRIMES: [u32; 17] =
    [1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521];

/// What is in a bucket: the hash of the id, and the item.
type Bucket<T> = Option<(u32, T)>;

/// Puts `items` in the order of the buckets of a table into which they were put one after the
/// other.
pub(super) fn walk<'a, T: Copy>(items: impl Iterator<Item = (&'a str, T)>) -> Vec<T> {
    let mut table = Table { shift: MIN_SHIFT, buckets: vec![None; 1 << MIN_SHIFT], used: 0 };
    for (id, item) in items {
        table.insert(hash(id), item);
    }
    table.buckets.into_iter().flatten().map(|(_, item)| item).collect()
}

/// Hash of a string: times 31, plus the next character, which is signed. That is the hash of GLib
/// before 2.28, which the reference keeps for the sake of this order.
fn hash(id: &str) -> u32 {
    let add = |sum: u32, byte: &u8| {
        sum.wrapping_mul(31).wrapping_add_signed(i32::from(byte.cast_signed()))
    };
    // 0 and 1 mark buckets that are empty or were emptied.
    let sum = id.as_bytes().iter().fold(0, add);
    if sum < 2 { 2 } else { sum }
}

struct Table<T> {
    shift: u32,
    buckets: Vec<Bucket<T>>,
    used: usize,
}

impl<T: Copy> Table<T> {
    /// The first bucket for a hash of which `taken` does not hold: each step is one longer.
    fn free(&self, hash: u32, taken: impl Fn(usize) -> bool) -> usize {
        let prime = PRIMES[PRIMES.len().min(self.shift as usize + 1) - 1];
        let mut at = (hash.wrapping_mul(11) % prime) as usize;
        let mut step = 0;
        while taken(at) {
            step += 1;
            at = (at + step) % self.buckets.len();
        }
        at
    }

    fn insert(&mut self, hash: u32, item: T) {
        let at = self.free(hash, |at| self.buckets[at].is_some());
        self.buckets[at] = Some((hash, item));
        self.used += 1;
        if self.buckets.len() <= self.used + self.used / 16 {
            self.grow();
        }
    }

    /// Makes room and moves everything in place: what stands where another belongs is moved next.
    fn grow(&mut self) {
        let before = self.buckets.len();
        let wanted = self.used * 1333 / 1000;
        self.shift = MIN_SHIFT.max(usize::BITS - wanted.leading_zeros());
        self.buckets.resize(before.max(1 << self.shift), None);
        let mut settled = vec![false; self.buckets.len()];
        for at in 0..before {
            if settled[at] {
                continue;
            }
            let mut moving = mem::take(&mut self.buckets[at]);
            while let Some((hash, item)) = moving {
                let to = self.free(hash, |at| settled[at]);
                settled[to] = true;
                moving = self.buckets[to].replace((hash, item));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(ids: &[&'static str]) -> Vec<&'static str> {
        walk(ids.iter().map(|id| (*id, *id)))
    }

    // The expected orders are those of the reference's tables with GLib 2.74.

    #[test]
    fn numbers_are_spread_over_the_buckets() {
        assert_eq!(order(&["1", "2", "3", "4", "5"]), ["1", "3", "5", "2", "4"]);
    }

    #[test]
    fn what_finds_its_bucket_taken_goes_on() {
        assert_eq!(
            order(&["extra1", "guest-11", "1", "2", "3", "remote-7"]),
            ["1", "extra1", "3", "remote-7", "guest-11", "2"]
        );
    }

    #[test]
    fn a_table_that_is_full_grows_in_place() {
        let ids = [
            "1", "2", "3", "4", "5", "6", "7", "8", "9", "guest-1", "guest-2", "guest-3", "node-a",
            "node-b", "node-c", "é", "x1", "x2",
        ];
        let wanted = [
            "node-c", "3", "guest-1", "6", "9", "é", "1", "node-a", "4", "x1", "7", "guest-2", "2",
            "node-b", "5", "x2", "guest-3", "8",
        ];
        assert_eq!(order(&ids), wanted);
    }
}
