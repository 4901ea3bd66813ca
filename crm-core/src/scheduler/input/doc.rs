//! The document: its sections and its references.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::history::Recorded;
use crate::cib::Element;
use crate::rules::Rule;
use crate::scheduler::model::{Block, Blocks, Options};

/// A document being read.
pub struct Document<'a> {
    /// The `cib` element.
    pub root: &'a Element,
    /// Histories that were taken out of it.
    pub recorded: Option<&'a Recorded>,
    ids: OnceCell<BTreeMap<(&'a str, &'a str), &'a Element>>,
}

impl<'a> Document<'a> {
    /// Wraps a document.
    pub fn new(root: &'a Element, recorded: Option<&'a Recorded>) -> Document<'a> {
        Document { root, recorded, ids: OnceCell::new() }
    }

    /// A section by element name, wherever it is (I-14). The status is not searched for parts
    /// of the configuration where they are not expected: it is the bulk of the document.
    pub fn section(&self, name: &str) -> Option<&'a Element> {
        let usual = self.root.child("configuration").and_then(|c| c.child(name));
        usual.or_else(|| self.root.child(name)).or_else(|| {
            let mut parts = self.root.children().filter(|c| c.name() != "status");
            parts.find_map(|part| part.descendants().find(|e| e.name() == name))
        })
    }

    /// The element itself, or the first one of the same tag with the id its `id-ref` names;
    /// `None` if there is none (I-17).
    pub fn resolve(&self, element: &'a Element) -> Option<&'a Element> {
        let Some(id) = element.attr("id-ref") else { return Some(element) };
        let ids = self.ids.get_or_init(|| {
            let mut ids = BTreeMap::new();
            for e in self.root.descendants().filter(|e| e.name() != "lrm_rsc_op") {
                if let Some(id) = e.id() {
                    ids.entry((e.name(), id)).or_insert(e);
                }
            }
            ids
        });
        ids.get(&(element.name(), id)).copied()
    }

    /// The blocks named `tag` under some elements, in the order in which they are combined
    /// (I-64, I-65). Later elements count as later in the document.
    pub fn blocks(
        &self,
        parents: impl Iterator<Item = &'a Element>,
        tag: &str,
        options: &Options,
    ) -> Blocks {
        let mut blocks: Vec<Block> = parents
            .flat_map(Element::children)
            .filter(|c| c.name() == tag)
            .filter_map(|c| self.resolve(c))
            .map(|c| self.block(c, options))
            .collect();
        blocks.reverse();
        blocks.sort_by_key(|b| std::cmp::Reverse(b.score));
        blocks.into()
    }

    fn block(&self, element: &'a Element, options: &Options) -> Block {
        let rules = element
            .children_named("rule")
            .map(|rule| Rule::parse(rule, &|e| self.resolve(e)))
            .collect();
        let holder = element.child("attributes").unwrap_or(element);
        let pairs = holder.children_named("nvpair").filter_map(|pair| {
            let target = self.resolve(pair)?;
            let name = pair.attr("name").or_else(|| target.attr("name"))?;
            Some((name.into(), target.attr("value")?.into()))
        });
        Block {
            id: element.id().unwrap_or_default().into(),
            score: element.attr("score").map_or(crate::Score::ZERO, |s| options.score(s)),
            rules,
            pairs: pairs.collect(),
        }
    }
}
