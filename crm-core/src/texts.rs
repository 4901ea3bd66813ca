//! Texts that occur many times, kept once.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Shares equal texts.
///
/// Documents repeat themselves: names of attributes in every element, ids of resources and of their
/// operations on every node. A table of the texts seen lately finds nearly all of them with one
/// comparison; what it has lost is found in the map, so that nobody can make it slow.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// In the order in which they were first seen.
    all: Vec<Arc<str>>,
    known: BTreeMap<Arc<str>, usize>,
    /// Positions in `all`.
    lately: Vec<Option<usize>>,
}

impl Texts {
    /// Slots of the table at first. It grows with the number of texts.
    const SLOTS: usize = 256;

    /// The one copy of a text.
    pub(crate) fn share(&mut self, text: &str) -> Arc<str> {
        let at = self.position(text);
        self.all[at].clone()
    }

    /// [`share`](Texts::share) for texts that come again in the order of before: the one that
    /// followed then is tried first. It lies beside the others, where a table has to look anywhere.
    pub(crate) fn follow(&mut self, course: &mut Course, text: &str) -> Arc<str> {
        if let Some(&at) = course.after.get(course.latest)
            && let Some(next) = self.all.get(at)
            && **next == *text
        {
            course.latest = at;
            return next.clone();
        }
        let at = self.position(text);
        course.after.resize(self.all.len().max(course.after.len()), usize::MAX);
        if let Some(after) = course.after.get_mut(course.latest) {
            *after = at;
        }
        course.latest = at;
        self.all[at].clone()
    }

    fn position(&mut self, text: &str) -> usize {
        if 4 * self.all.len() >= self.lately.len() {
            let slots = (4 * self.lately.len()).max(Texts::SLOTS);
            self.lately.clear();
            self.lately.resize(slots, None);
        }
        let slot = place(text) & (self.lately.len() - 1);
        if let Some(at) = self.lately[slot].filter(|at| *self.all[*at] == *text) {
            return at;
        }
        let at = self.known.get(text).copied().unwrap_or_else(|| {
            let new: Arc<str> = text.into();
            self.known.insert(new.clone(), self.all.len());
            self.all.push(new);
            self.all.len() - 1
        });
        self.lately[slot] = Some(at);
        at
    }
}

/// An order in which texts come: for each the position of the one that came after it.
#[derive(Debug, Default)]
pub(crate) struct Course {
    after: Vec<usize>,
    latest: usize,
}

/// Where a text is looked for: eight bytes at a time, mixed by multiplication.
fn place(text: &str) -> usize {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().copied().chain([last]).map(u64::from_le_bytes);
    let mixed = words.fold(text.len() as u64, |sum, word| {
        let product = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        product ^ (product >> 32)
    });
    usize::try_from(mixed & 0xffff_ffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Course, Texts};
    use std::sync::Arc;

    #[test]
    fn equal_texts_are_one_whatever_was_seen_between() {
        let mut texts = Texts::default();
        let first = texts.share("monitor");
        let many: Vec<_> = (0..10_000).map(|n| texts.share(&format!("r{n}_start_0"))).collect();
        assert!(Arc::ptr_eq(&first, &texts.share("monitor")));
        assert!(many.iter().all(|text| Arc::ptr_eq(text, &texts.share(text))));
        assert_eq!(&*texts.share(""), "");
    }

    #[test]
    fn what_follows_is_the_same_text_in_any_order() {
        let (mut texts, mut course) = (Texts::default(), Course::default());
        for round in ["abcd", "abcd", "adcb", "xbcda", "abcd"] {
            for letter in round.chars().map(String::from) {
                let followed = texts.follow(&mut course, &letter);
                assert!(*followed == *letter && Arc::ptr_eq(&followed, &texts.share(&letter)));
            }
        }
    }
}
