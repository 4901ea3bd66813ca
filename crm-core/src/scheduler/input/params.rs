//! Instance parameters of a resource on a node (I-75).

use std::sync::Arc;

use crate::rules::Context;
use crate::scheduler::model::{Blocks, Cluster, NodeIx, RscIx, Table};

use super::blocks::combine;

impl Cluster {
    /// The parameters of a resource for a node, or without a node: its own, then its parent's,
    /// and so on, at the top those of `rsc_defaults`; the first value of a name wins (I-75).
    pub fn params(&self, rsc: RscIx, node: Option<NodeIx>) -> Table {
        self.params_until(rsc, node).0
    }

    /// [`params`](Cluster::params), and when they may change by themselves (I-207), in seconds of
    /// the epoch.
    fn params_until(&self, rsc: RscIx, node: Option<NodeIx>) -> (Table, Option<i64>) {
        let attribute = |name: &str| -> Option<Arc<str>> {
            node.and_then(|n| self[n].attributes.get(name).cloned())
        };
        let context = Context {
            now: self.now,
            node: node.is_some().then_some(&attribute),
            ..Context::default()
        };
        let mut table = Table::default();
        let (mut next, mut changes) = (Some(rsc), Vec::new());
        while let Some(r) = next {
            changes.push(combine(&self[r].param_blocks, &context, false, &mut table));
            next = self[r].parent;
        }
        changes.push(combine(&self.rsc_default_params, &context, false, &mut table));
        (table, changes.into_iter().flatten().min())
    }

    /// Remembers when the parameters of a resource may change by themselves (I-207). To be called
    /// where they decide something: comparing digests, and rules of locations.
    pub(crate) fn recheck_params(&mut self, rsc: RscIx, node: Option<NodeIx>) {
        let with_rules = |blocks: &Blocks| blocks.iter().any(|block| !block.rules.is_empty());
        let mut owners = std::iter::successors(Some(rsc), |r| self[*r].parent);
        let vary = owners.any(|r| with_rules(&self[r].param_blocks))
            || with_rules(&self.rsc_default_params);
        if vary && let Some(at) = self.params_until(rsc, node).1 {
            self.recheck(at);
        }
    }
}
