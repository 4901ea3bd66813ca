//! Blocks of name/value pairs, parsed but not yet combined (part 1, section 7).

use std::sync::Arc;

use crate::Score;
use crate::rules::Rule;

/// One block: a score, rules and pairs, references already followed.
#[derive(Clone, Debug)]
pub struct Block {
    /// `id`
    pub id: Arc<str>,
    /// `score`
    pub score: Score,
    /// Counts if one of them passes, or if there is none (I-66).
    pub rules: Vec<Rule>,
    /// In document order; repetitions possible.
    pub pairs: Vec<(Arc<str>, Arc<str>)>,
}

/// Blocks in the order in which they are combined (I-64): the first value of a name wins.
pub type Blocks = Arc<Vec<Block>>;

/// Combined pairs, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pairs: Vec<(Arc<str>, Arc<str>)>,
}

impl Table {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).ok().map(|i| &*self.pairs[i].1)
    }

    /// All pairs, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (&**n, &**v))
    }

    /// True if there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Sets a value, replacing one that is there.
    pub fn set(&mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) {
        let name = name.into();
        match self.find(&name) {
            Ok(i) => self.pairs[i].1 = value.into(),
            Err(i) => self.pairs.insert(i, (name, value.into())),
        }
    }

    /// Sets a value unless there is one; false if there was.
    pub fn set_default(&mut self, name: &Arc<str>, value: &Arc<str>) -> bool {
        match self.find(name) {
            Ok(_) => false,
            Err(i) => {
                self.pairs.insert(i, (name.clone(), value.clone()));
                true
            }
        }
    }

    /// Removes a value.
    pub fn remove(&mut self, name: &str) -> Option<Arc<str>> {
        self.find(name).ok().map(|i| self.pairs.remove(i).1)
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.pairs.binary_search_by(|(n, _)| (**n).cmp(name))
    }
}

impl Table {
    /// Keeps only the pairs whose name satisfies `keep`.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.pairs.retain(|(name, _)| keep(name));
    }

    /// All pairs with their shared texts, sorted by name.
    pub fn pairs(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.pairs
    }
}
