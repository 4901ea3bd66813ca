//! Which node and which role for every resource (scheduler reference, part 2).
//!
//! Input: a [`Cluster`] whose configuration, state and constraints were read. Two steps:
//! [`prepare`] fills every table from locations, stickiness and failures and adds the implicit
//! colocations (stages S8 and S9); [`assign`] decides (stage S11). Assignment is driven by
//! requests: assigning a resource first assigns what it depends on, everything at most once.
//!
//! One module per constraint kind (`location`, `colocation`, `merge`) and per resource kind
//! (`leaf`, `group`, `clone`, `promotable`, `bundle`). Every change of a score passes through the
//! table of the resource with its cause, and is undone with the table.

mod buckets;
mod bundle;
mod choose;
mod clone;
mod colocation;
mod criteria;
mod group;
mod implicit;
mod instances;
mod leaf;
mod location;
mod merge;
mod promotable;
mod promotion;
mod sort;
mod strategy;
mod utilization;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Score;

use super::model::{
    Cause, Cluster, NodeIx, Note, PlacementStrategy, Role, RscIx, ScoreTable, Variant,
};
pub use choose::best_first;

/// One printed score (P-147) or amount (O-101).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoreLine {
    /// What was noticed at this place.
    Note(Note),
    /// `PREFIX: RESOURCE allocation score on NODE: SCORE`
    Allocation {
        /// The step that printed it, as the reference names it.
        step: &'static str,
        /// The resource.
        rsc: RscIx,
        /// The node.
        node: NodeIx,
        /// The score.
        score: Score,
    },
    /// `INSTANCE promotion score on NODE: SCORE`
    Promotion {
        /// The instance.
        rsc: RscIx,
        /// The node; `None` is printed `none`.
        node: Option<NodeIx>,
        /// The score.
        score: Score,
    },
    /// `Original: NODE capacity: …` or `Remaining: NODE capacity: …`; only with utilization.
    Capacity {
        /// Before (`false`) or after (`true`) everything was assigned.
        remaining: bool,
        /// The node.
        node: NodeIx,
        /// Amounts by name.
        amounts: Vec<(Arc<str>, i64)>,
    },
    /// `pcmk__finalize_assignment: RESOURCE utilization on NODE: …`; only with utilization.
    Utilization {
        /// The resource.
        rsc: RscIx,
        /// The node.
        node: NodeIx,
    },
}

/// Node criteria and implicit colocations (stages S8 and S9).
pub fn prepare(cluster: &mut Cluster) {
    colocation::attach_all(cluster);
    criteria::apply_shutdown_locks(cluster);
    location::apply_all(cluster);
    criteria::apply_stickiness(cluster);
    criteria::apply_failures_and_discovery(cluster);
    implicit::add_all(cluster);
}

/// Assigns every resource (stage S11, P-6); the printed scores in order.
pub fn assign(cluster: &mut Cluster) -> Vec<ScoreLine> {
    let mut placement = Placement::new(cluster);
    if placement.c.options.placement != PlacementStrategy::Default {
        placement.sort_top_resources();
    }
    placement.show_capacities(false);
    let top = placement.c.top.clone();
    if placement.c.has_remote_nodes() {
        for &rsc in &top {
            if placement.c[rsc].is_remote_connection {
                let target = placement.c[rsc].partial_migration.map(|m| m.target);
                placement.assign(rsc, target);
            }
        }
    }
    for &rsc in &top {
        if !placement.c[rsc].is_remote_connection {
            placement.assign(rsc, None);
        }
    }
    placement.show_capacities(true);
    placement.lines
}

/// A placement in progress.
struct Placement<'a> {
    /// The working set: tables, roles and assignments are changed in place.
    c: &'a mut Cluster,
    /// What is printed, in order.
    lines: Vec<ScoreLine>,
    /// Rank of each node by byte order of names (P-9).
    name_rank: Vec<u32>,
    /// The score of the table entry that each leaf was assigned with (P-92).
    assigned_score: Vec<Score>,
    /// Every node has the attributes that hold its id and its name.
    all_named: bool,
    /// For node attributes that colocations name: which nodes have equal values.
    classes: BTreeMap<Arc<str>, Arc<[u32]>>,
}

impl<'a> Placement<'a> {
    fn new(c: &'a mut Cluster) -> Placement<'a> {
        let mut by_name: Vec<usize> = (0..c.nodes.len()).collect();
        by_name.sort_by(|&a, &b| c.nodes[a].name.as_bytes().cmp(c.nodes[b].name.as_bytes()));
        let mut name_rank = vec![0; c.nodes.len()];
        for (rank, node) in (0u32..).zip(by_name) {
            name_rank[node] = rank;
        }
        let assigned_score = vec![Score::ZERO; c.resources.len()];
        let all_named =
            c.nodes.iter().all(|n| n.attr("#id").is_some() && n.attr("#uname").is_some());
        let (lines, classes) = (Vec::new(), BTreeMap::new());
        Placement { c, lines, name_rank, assigned_score, all_named, classes }
    }

    /// Assigns a resource of any kind, and first what it depends on. Returns its node, `None` if
    /// it has none, has several, or is being assigned further up.
    fn assign(&mut self, rsc: RscIx, preferred: Option<NodeIx>) -> Option<NodeIx> {
        match self.c[rsc].variant {
            Variant::Primitive => self.assign_leaf(rsc, preferred),
            Variant::Group(_) => self.assign_group(rsc, preferred),
            Variant::Clone(_) => self.assign_clone(rsc, preferred),
            Variant::Bundle(_) => self.assign_bundle(rsc, preferred),
        }
    }

    /// True if the table has an available node with a score of at least 0.
    fn any_usable(&self, table: &ScoreTable) -> bool {
        table.iter().any(|(n, e)| e.score >= Score::ZERO && !e.unusable && self.c[n].available())
    }

    /// The nodes that a resource or its leaves are assigned to, each once.
    fn locations_of(&self, rsc: RscIx) -> Vec<NodeIx> {
        if self.c[rsc].children.is_empty() {
            return self.c[rsc].assigned.into_iter().collect();
        }
        let mut nodes = Vec::new();
        for &child in &self.c[rsc].children {
            for node in self.locations_of(child) {
                if !nodes.contains(&node) {
                    nodes.push(node);
                }
            }
        }
        nodes
    }

    /// The node of a resource, if it is exactly one.
    fn location_of(&self, rsc: RscIx) -> Option<NodeIx> {
        if self.c[rsc].children.is_empty() {
            return self.c[rsc].assigned;
        }
        match self.locations_of(rsc)[..] {
            [node] => Some(node),
            _ => None,
        }
    }

    /// The next role of a leaf; of a collective the highest next role of its leaves.
    fn next_role_of(&self, rsc: RscIx) -> Role {
        let children = &self.c[rsc].children;
        if children.is_empty() {
            return self.c[rsc].next_role;
        }
        children.iter().map(|&c| self.next_role_of(c)).max().unwrap_or_default()
    }

    /// The current role of a leaf; of a collective the highest role of its leaves.
    fn current_role_of(&self, rsc: RscIx) -> Role {
        let children = &self.c[rsc].children;
        if children.is_empty() {
            return self.c[rsc].role;
        }
        children.iter().map(|&c| self.current_role_of(c)).max().unwrap_or_default()
    }

    /// Notes the table of a resource and of everything below it (P-148, P-149).
    fn show_scores(&mut self, step: &'static str, rsc: RscIx, recursive: bool) {
        if !self.c.show_scores || self.c[rsc].orphan {
            return;
        }
        for &node in &self.c.node_order {
            if let Some(score) = self.c[rsc].allowed.score(node) {
                self.lines.push(ScoreLine::Allocation { step, rsc, node, score });
            }
        }
        if recursive {
            for child in self.c[rsc].children.clone() {
                self.show_scores(step, child, true);
            }
        }
    }

    /// Changes the next role of a resource.
    fn set_next_role(&mut self, rsc: RscIx, role: Role) {
        self.c[rsc].next_role = role;
    }
}

/// Adds −INFINITY on every node of the cluster, dropping an assignment (P-21).
fn ban_everywhere(cluster: &mut Cluster, rsc: RscIx, cause: Cause) {
    cluster.add_score_everywhere(rsc, Score::MINUS_INFINITY, cause);
    cluster[rsc].assigned = None;
}
