//! Ordering the instances of a clone or bundle, and distributing them over nodes (section 18).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::Score;
use crate::scheduler::model::{Cause, ColocationIx, Discovery, NodeIx, RscIx, ScoreTable};

use super::Placement;
use super::colocation::{Side, has_influence, insert};
use super::sort::merge_sort;

/// What a distribution has to respect (P-110).
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Instances in all.
    pub max: u32,
    /// Instances on one node.
    pub per_node: u32,
}

/// Colocation scores computed while sorting, by instance (P-109).
pub(super) type ColocationScores = BTreeMap<RscIx, Score>;

impl Placement<'_> {
    /// Sorts instances: those that should keep their place, or be placed first, come first.
    pub(super) fn sort_instances(&mut self, instances: &mut [RscIx]) {
        let mut cache = ColocationScores::new();
        merge_sort(instances, &mut |a, b| self.compare_instances(a, b, &mut cache));
    }

    /// The order of two instances (P-108).
    pub(super) fn compare_instances(
        &mut self,
        a: RscIx,
        b: RscIx,
        cache: &mut ColocationScores,
    ) -> Ordering {
        let (on_a, on_b) = (self.c[a].active_on.len(), self.c[b].active_on.len());
        if on_a > 0 && on_b > 0 && on_a != on_b {
            return on_a.cmp(&on_b);
        }
        let (mut node_a, mut node_b) = (self.c.current_node(a), self.c.current_node(b));
        let (ok_a, ok_b) = (self.keeps_place(a, &mut node_a), self.keeps_place(b, &mut node_b));
        if ok_a != ok_b {
            return ok_b.cmp(&ok_a);
        }
        let by_priority = self.c[b].priority.cmp(&self.c[a].priority);
        if by_priority.is_ne() {
            return by_priority;
        }
        let (node_a, node_b) = match (node_a, node_b) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (Some(node_a), Some(node_b)) => (node_a, node_b),
        };
        let available = self.c[node_b].available().cmp(&self.c[node_a].available());
        if available.is_ne() {
            return available;
        }
        let counts = (self.parent_count(a, node_a), self.parent_count(b, node_b));
        let by_count = match counts {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(count_a), Some(count_b)) => count_a.cmp(&count_b),
        };
        if by_count.is_ne() {
            return by_count;
        }
        let by_failure = self.any_failed(a).cmp(&self.any_failed(b));
        if by_failure.is_ne() {
            return by_failure;
        }
        let score_a = self.colocation_score(a, cache);
        let score_b = self.colocation_score(b, cache);
        score_b.cmp(&score_a).then_with(|| self.instance_number(a).cmp(&self.instance_number(b)))
    }

    /// False for an instance on a node it may not be on, which then counts as inactive
    /// (P-108, key 2).
    fn keeps_place(&self, instance: RscIx, node: &mut Option<NodeIx>) -> bool {
        let Some(at) = *node else { return true };
        let allowed = self.c[instance].allowed.score(at).is_some_and(|score| score >= Score::ZERO);
        if !allowed {
            *node = None;
        }
        allowed
    }

    /// How many instances the parent has placed on a node; `None` if it is not allowed there.
    fn parent_count(&self, instance: RscIx, node: NodeIx) -> Option<u16> {
        let owner = self.c[instance].parent.unwrap_or(instance);
        self.c[owner].allowed.get(node).map(|entry| entry.count)
    }

    fn any_failed(&self, rsc: RscIx) -> bool {
        self.c[rsc].failed || self.c[rsc].children.iter().any(|&c| self.any_failed(c))
    }

    /// The number at the end of an instance's id, after `:` or, for containers, `-`.
    fn instance_number(&self, instance: RscIx) -> u64 {
        let id = &self.c[instance].id;
        let digits = id.rsplit_once(':').or_else(|| id.rsplit_once('-')).map(|(_, n)| n);
        digits.and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// What the parent's colocations say about an instance's current node (P-109).
    fn colocation_score(&mut self, instance: RscIx, cache: &mut ColocationScores) -> Score {
        if let Some(&score) = cache.get(&instance) {
            return score;
        }
        let (Some(node), Some(parent)) = (self.c.current_node(instance), self.c[instance].parent)
        else {
            return Score::ZERO;
        };
        if self.c[parent].this_with.is_empty() && self.c[parent].with_this.is_empty() {
            return self.c[node].score;
        }
        let mut table = ScoreTable::new(false);
        table.insert(node, self.c[node].score, Discovery::Always, Cause::NodeScore);
        for ix in self.c[parent].this_with.clone() {
            let how = self.merging(ix);
            self.merge(self.c[ix].primary, &mut table, &how);
        }
        for ix in self.c[parent].with_this.clone() {
            if has_influence(self.c, ix, instance) {
                let mut how = self.merging(ix);
                how.nonneg = true;
                self.merge(self.c[ix].dependent, &mut table, &how);
            }
        }
        let score = table.score(node).unwrap_or_default();
        cache.insert(instance, score);
        score
    }

    /// Places sorted instances: first those that can stay, then the rest (P-110).
    pub(super) fn distribute(&mut self, parent: RscIx, instances: &[RscIx], limits: Limits) {
        self.c[parent].allowed.reset_counts();
        let table = self.c[parent].allowed.iter();
        let available = table.filter(|&(n, _)| self.c[n].available()).count();
        let available = u32::try_from(available).unwrap_or(u32::MAX);
        let all = limits.max < available;
        let optimal = limits.max.checked_div(available).unwrap_or(1).max(1);
        let mut placed = 0;
        for &instance in instances {
            if placed >= limits.max {
                break;
            }
            if let Some(node) = self.node_to_keep(instance, optimal) {
                placed += u32::from(self.place(instance, Some(node), all, limits.per_node));
            }
        }
        for &instance in instances {
            if self.c[instance].decided {
                continue;
            }
            if placed >= limits.max {
                super::ban_everywhere(self.c, instance, Cause::EnoughInstances);
            } else {
                placed += u32::from(self.place(instance, None, all, limits.per_node));
            }
        }
    }

    /// The node where an instance could stay (P-110 step 2).
    fn node_to_keep(&self, instance: RscIx, optimal: u32) -> Option<NodeIx> {
        if self.c[instance].decided || self.c[instance].failed {
            return None;
        }
        let node = self.c.current_node(instance)?;
        let usable = self.c[node].available() && self.c[node].score >= Score::ZERO;
        let full = self.parent_count(instance, node).is_some_and(|c| u32::from(c) >= optimal);
        (usable && !full).then_some(node)
    }

    /// Places one instance (P-111); true if it counts as placed.
    fn place(
        &mut self,
        instance: RscIx,
        preferred: Option<NodeIx>,
        all: bool,
        per_node: u32,
    ) -> bool {
        if self.c[instance].decided {
            return self.location_of(instance).is_some();
        }
        if self.c[instance].in_progress {
            return false;
        }
        self.copy_parent_colocations(instance, all);
        if let Some(node) = preferred
            && self.c[instance].allowed.score(node).is_none_or(|score| score < Score::ZERO)
        {
            return false;
        }
        self.ban_impossible_nodes(instance, per_node);
        let before = preferred.map(|node| (node, self.c[instance].allowed.clone()));
        let Some(chosen) = self.assign(instance, preferred) else { return false };
        if let Some((wanted, before)) = before
            && chosen != wanted
        {
            self.c[instance].allowed = before;
            self.unassign(instance);
            return false;
        }
        let owner = self.c[instance].parent.unwrap_or(instance);
        if let Some(entry) = self.c[owner].allowed.get_mut(chosen) {
            entry.count = entry.count.saturating_add(1);
        }
        true
    }

    /// Gives an instance the colocations of its parent that bind single instances (P-112).
    fn copy_parent_colocations(&mut self, instance: RscIx, all: bool) {
        let Some(parent) = self.c[instance].parent else { return };
        for ix in self.c[parent].this_with.clone() {
            let score = self.c[ix].score;
            if all || score < Score::ZERO || score.is_infinite() {
                insert(self.c, instance, Side::Dependent, ix);
            }
        }
        for ix in self.c[parent].with_this.clone() {
            let wanted = |ix: ColocationIx| all || self.c[ix].score < Score::ZERO;
            if wanted(ix) && has_influence(self.c, ix, instance) {
                insert(self.c, instance, Side::Primary, ix);
            }
        }
    }

    /// Bans an instance from the nodes where no instance can be (P-113).
    fn ban_impossible_nodes(&mut self, instance: RscIx, per_node: u32) {
        let nodes: Vec<NodeIx> = self.c[instance].allowed.iter().map(|(n, _)| n).collect();
        let parent = self.c[instance].parent.unwrap_or(instance);
        for node in nodes {
            let cause = match self.c[parent].allowed.get(node) {
                _ if !self.c[node].available() => Cause::NodeUnavailable,
                _ if self.c[instance].orphan => Cause::Orphan,
                None => Cause::ParentBanned,
                Some(entry) if entry.score < Score::ZERO => Cause::ParentBanned,
                Some(entry) if u32::from(entry.count) >= per_node => Cause::NodeFull,
                Some(_) => continue,
            };
            self.ban_where_known(instance, node, cause);
        }
    }

    /// Adds −INFINITY to a resource and everything below it that knows the node.
    fn ban_where_known(&mut self, rsc: RscIx, node: NodeIx, cause: Cause) {
        self.c[rsc].allowed.add(node, Score::MINUS_INFINITY, cause);
        for at in 0..self.c[rsc].children.len() {
            let child = self.c[rsc].children[at];
            self.ban_where_known(child, node, cause);
        }
    }
}
