//! Choosing a node from a finished table (section 16).

use std::cmp::Ordering;

use crate::Score;
use crate::scheduler::model::{Cluster, NodeIx, PlacementStrategy, RscIx, ScoreTable};

use super::Placement;
use super::buckets;
use super::sort::merge_sort;
use super::utilization::compare_capacity;

impl Placement<'_> {
    /// The nodes of a table, best first (P-97).
    pub(super) fn sorted_nodes(
        &self,
        table: &ScoreTable,
        active: Option<NodeIx>,
    ) -> Vec<(NodeIx, Score)> {
        if self.c.options.placement == PlacementStrategy::Balanced {
            // Comparing capacities is not transitive, so where they start from decides: the
            // reference lists a table from its end.
            let mut nodes = self.walk(table);
            nodes.reverse();
            merge_sort(&mut nodes, &mut |a, b| self.compare_nodes(a, b, active));
            return nodes;
        }
        let mut nodes: Vec<(NodeIx, Score)> =
            table.iter().map(|(node, entry)| (node, entry.score)).collect();
        nodes.sort_by(|&a, &b| self.compare_nodes(a, b, active));
        nodes
    }

    /// The nodes of a table in the order of the reference's buckets.
    pub(super) fn walk(&self, table: &ScoreTable) -> Vec<(NodeIx, Score)> {
        let in_table = |&node: &NodeIx| Some((&*self.c[node].id, (node, table.score(node)?)));
        buckets::walk(self.c.node_order.iter().filter_map(in_table))
    }

    /// The first of [`sorted_nodes`](Self::sorted_nodes).
    fn best_node(&self, table: &ScoreTable, active: Option<NodeIx>) -> Option<(NodeIx, Score)> {
        if self.c.options.placement == PlacementStrategy::Balanced {
            return self.sorted_nodes(table, active).first().copied();
        }
        let nodes = table.iter().map(|(node, entry)| (node, entry.score));
        nodes.min_by(|&a, &b| self.compare_nodes(a, b, active))
    }

    /// Which of two nodes comes first, given the node where the resource is active (P-97).
    pub(super) fn compare_nodes(
        &self,
        a: (NodeIx, Score),
        b: (NodeIx, Score),
        active: Option<NodeIx>,
    ) -> Ordering {
        let by_name = || self.name_rank[a.0.ix()].cmp(&self.name_rank[b.0.ix()]);
        compare(self.c, a, b, active, by_name)
    }

    /// Assigns a leaf whose table is complete to the best node (P-98).
    pub(super) fn choose_node(&mut self, leaf: RscIx, preferred: Option<NodeIx>) {
        let most_free = self.ban_by_capacity(leaf);
        let preferred = preferred.or(most_free);
        let current = self.c.current_node(leaf);
        let Some(best) = self.best_node(&self.c[leaf].allowed, current) else {
            self.finish(leaf, None, false);
            return;
        };
        let liked = preferred.and_then(|node| {
            let score = self.c[leaf].allowed.score(node)?;
            let good = score >= best.1 && score >= Score::ZERO && self.c[node].available();
            good.then_some((node, score))
        });
        let chosen = liked.unwrap_or_else(|| self.stay_if_equal(leaf, best, current));
        self.finish(leaf, Some(chosen), false);
    }

    /// The current node if it is as good as the best, which must be wanted (P-99).
    fn stay_if_equal(
        &self,
        leaf: RscIx,
        best: (NodeIx, Score),
        current: Option<NodeIx>,
    ) -> (NodeIx, Score) {
        let unique_instance = self.c[leaf]
            .parent
            .is_some_and(|parent| self.c[parent].clone_data().is_some() && self.c[parent].unique);
        if unique_instance || best.1 <= Score::ZERO || !self.c[best.0].available() {
            return best;
        }
        let Some(current) = current else { return best };
        if !self.c[current].available() || self.c[current].score < Score::ZERO {
            return best;
        }
        let equal = self.c[leaf].allowed.score(current) == Some(best.1);
        if equal { (current, best.1) } else { best }
    }
}

/// P-97, with a way to compare the names.
fn compare(
    cluster: &Cluster,
    (a, score_a): (NodeIx, Score),
    (b, score_b): (NodeIx, Score),
    active: Option<NodeIx>,
    by_name: impl Fn() -> Ordering,
) -> Ordering {
    let effective = |node: NodeIx, score: Score| {
        if cluster[node].available() { score } else { Score::MINUS_INFINITY }
    };
    let order = effective(b, score_b).cmp(&effective(a, score_a));
    if order.is_ne() {
        return order;
    }
    let strategy = cluster.options.placement;
    if strategy == PlacementStrategy::Minimal {
        return by_name();
    }
    if strategy == PlacementStrategy::Balanced {
        let order = compare_capacity(cluster, a, b);
        if order.is_ne() {
            return order;
        }
    }
    let load = |node: NodeIx| cluster[node].assigned.len();
    let elsewhere = |node: NodeIx| active != Some(node);
    load(a).cmp(&load(b)).then(elsewhere(a).cmp(&elsewhere(b))).then_with(by_name)
}

/// The nodes that a resource may run on, the most wanted first (P-97 for one that runs nowhere).
pub fn best_first(cluster: &Cluster, rsc: RscIx) -> Vec<NodeIx> {
    let known = |&node: &NodeIx| Some((node, cluster[rsc].allowed.score(node)?));
    let mut nodes: Vec<_> = cluster.node_order.iter().filter_map(known).collect();
    merge_sort(&mut nodes, &mut |a, b| {
        let name = |(node, _): (NodeIx, Score)| cluster[node].name.as_bytes();
        compare(cluster, a, b, None, || name(a).cmp(name(b)))
    });
    nodes.into_iter().map(|(node, _)| node).collect()
}
