//! Texts that occur many times, kept once.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Shares equal texts.
///
/// Documents repeat themselves: names of attributes in every element, ids of resources and of their
/// operations on every node. A table of the texts seen lately finds nearly all of them with one
/// comparison; what it has lost is found in the set, so that nobody can make it slow.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    known: BTreeSet<Arc<str>>,
    lately: Vec<Option<Arc<str>>>,
}

impl Texts {
    /// Slots of the table at first. It grows with the number of texts.
    const SLOTS: usize = 256;

    /// The one copy of a text.
    pub(crate) fn share(&mut self, text: &str) -> Arc<str> {
        if 4 * self.known.len() >= self.lately.len() {
            let slots = (4 * self.lately.len()).max(Texts::SLOTS);
            self.lately.clear();
            self.lately.resize(slots, None);
        }
        let at = place(text) & (self.lately.len() - 1);
        match &mut self.lately[at] {
            Some(same) if **same == *text => same.clone(),
            slot => {
                let kept = self.known.get(text).cloned().unwrap_or_else(|| {
                    let new: Arc<str> = text.into();
                    self.known.insert(new.clone());
                    new
                });
                slot.insert(kept).clone()
            }
        }
    }
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
    use super::Texts;
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
}
