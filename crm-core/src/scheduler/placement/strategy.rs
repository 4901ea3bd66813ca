//! The order of assignment under placement strategies other than `default` (P-11).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::Score;
use crate::scheduler::model::{NodeIx, RscIx, ScoreTable};

use super::Placement;
use super::sort::merge_sort;

impl Placement<'_> {
    /// Sorts the top-level resources: priority, then what their current node and the nodes in
    /// general are worth to them and to what they follow.
    pub(super) fn sort_top_resources(&mut self) {
        let mut nodes: Vec<(NodeIx, Score)> =
            self.c.node_order.iter().map(|&n| (n, self.c[n].score)).collect();
        merge_sort(&mut nodes, &mut |a, b| self.compare_nodes(a, b, None));
        let mut top = self.c.top.clone();
        let wishes: BTreeMap<RscIx, ScoreTable> =
            top.iter().map(|&rsc| (rsc, self.preferences(rsc))).collect();
        merge_sort(&mut top, &mut |a, b| {
            let by_priority = self.c[b].priority.cmp(&self.c[a].priority);
            by_priority
                .then_with(|| self.compare_wishes((a, &wishes[&a]), (b, &wishes[&b]), &nodes))
        });
        self.c.top = top;
    }

    fn compare_wishes(
        &self,
        (a, wish_a): (RscIx, &ScoreTable),
        (b, wish_b): (RscIx, &ScoreTable),
        nodes: &[(NodeIx, Score)],
    ) -> Ordering {
        let score = |table: &ScoreTable, node: Option<NodeIx>| {
            node.and_then(|n| table.score(n)).unwrap_or(Score::MINUS_INFINITY)
        };
        let here = |rsc: RscIx, table: &ScoreTable| score(table, self.c.current_node(rsc));
        let by_node = |&(node, _): &(NodeIx, Score)| {
            score(wish_b, Some(node)).cmp(&score(wish_a, Some(node)))
        };
        here(b, wish_b)
            .cmp(&here(a, wish_a))
            .then_with(|| nodes.iter().map(by_node).find(|o| o.is_ne()).unwrap_or(Ordering::Equal))
    }
}
