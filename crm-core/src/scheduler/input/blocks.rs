//! Combining blocks of name/value pairs (part 1, section 7).

use std::sync::Arc;

use crate::rules::{Context, any_passes};
use crate::scheduler::model::{Attributes, Block, Table};

/// Something that pairs are collected in.
pub trait Pairs {
    /// Sets a value unless there is one.
    fn put_new(&mut self, name: &Arc<str>, value: &Arc<str>);
    /// Sets a value.
    fn put(&mut self, name: &Arc<str>, value: &Arc<str>);
    /// Removes a value.
    fn take(&mut self, name: &str);
}

impl Pairs for Table {
    fn put_new(&mut self, name: &Arc<str>, value: &Arc<str>) {
        self.set_default(name, value);
    }

    fn put(&mut self, name: &Arc<str>, value: &Arc<str>) {
        self.set(name.clone(), value.clone());
    }

    fn take(&mut self, name: &str) {
        self.remove(name);
    }
}

impl Pairs for Attributes {
    fn put_new(&mut self, name: &Arc<str>, value: &Arc<str>) {
        self.entry(name.clone()).or_insert_with(|| value.clone());
    }

    fn put(&mut self, name: &Arc<str>, value: &Arc<str>) {
        self.insert(name.clone(), value.clone());
    }

    fn take(&mut self, name: &str) {
        self.remove(name);
    }
}

/// Adds the pairs of the blocks whose rules pass to `into`, in order; with `overwrite` later
/// blocks replace earlier ones (I-66 to I-68). Returns when the outcome may change (I-207).
pub fn combine(
    blocks: &[Block],
    context: &Context<'_>,
    overwrite: bool,
    into: &mut impl Pairs,
) -> Option<i64> {
    let mut next_change: Option<i64> = None;
    for block in blocks {
        let outcome = any_passes(&block.rules, context);
        if let Some(at) = outcome.next_change {
            next_change = Some(next_change.map_or(at, |n| n.min(at)));
        }
        if !outcome.holds {
            continue;
        }
        for (name, value) in &block.pairs {
            if value.eq_ignore_ascii_case("#default") {
                into.take(name);
            } else if overwrite {
                into.put(name, value);
            } else {
                into.put_new(name, value);
            }
        }
    }
    next_change
}
