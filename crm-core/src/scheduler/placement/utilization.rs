//! Capacities of nodes and demands of resources (section 21).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Score;
use crate::scheduler::model::{
    Cause, Cluster, ColocationIx, NodeIx, PlacementStrategy, Role, RscIx, Variant,
};

use super::{Placement, ScoreLine};

/// Amounts by name.
type Demand = BTreeMap<Arc<str>, i64>;

impl Placement<'_> {
    /// Notes the capacities of all nodes, if they are to be shown.
    pub(super) fn show_capacities(&mut self, remaining: bool) {
        if !self.c.show_utilization {
            return;
        }
        for &node in &self.c.node_order {
            let amounts = self.c[node].capacity.iter().map(|(n, &v)| (n.clone(), v)).collect();
            self.lines.push(ScoreLine::Capacity { remaining, node, amounts });
        }
    }

    /// Takes what a leaf needs from a node; what the node does not have becomes 0 (P-135).
    pub(super) fn consume(&mut self, leaf: RscIx, node: NodeIx) {
        for (name, amount) in self.c[leaf].utilization.clone() {
            let capacity = &mut self.c[node].capacity;
            match capacity.get_mut(&name) {
                Some(left) => *left = left.saturating_sub(amount),
                None => drop(capacity.insert(name, 0)),
            }
        }
    }

    /// Gives back what a leaf needed.
    pub(super) fn release(&mut self, leaf: RscIx, node: NodeIx) {
        for (name, amount) in self.c[leaf].utilization.clone() {
            if let Some(left) = self.c[node].capacity.get_mut(&name) {
                *left = left.saturating_add(amount);
            }
        }
    }

    /// Bans a leaf from nodes without room (P-139). If the resources that must be together fit
    /// nowhere, the freest node is returned as a preference.
    pub(super) fn ban_by_capacity(&mut self, leaf: RscIx) -> Option<NodeIx> {
        if self.c.options.placement == PlacementStrategy::Default {
            return None;
        }
        let mut together = Vec::new();
        self.add_together(leaf, leaf, &mut together);
        let mut demand = Demand::new();
        for &rsc in &together {
            self.add_demand(rsc, &together, &mut demand);
        }
        // Of equally free nodes the first in the order of the reference's buckets is taken.
        let mut usable: Vec<(NodeIx, Score)> = self.walk(&self.c[leaf].allowed);
        usable.retain(|&(n, score)| self.c[n].available() && score >= Score::ZERO);
        let mut freest = None;
        let mut fits_together = false;
        for &(node, _) in &usable {
            fits_together |= self.fits(node, &demand);
            if freest.is_none_or(|f| compare_capacity(self.c, node, f).is_lt()) {
                freest = Some(node);
            }
        }
        if !fits_together {
            demand = self.c[leaf].utilization.iter().cloned().collect();
        }
        for &(node, _) in &usable {
            if !self.fits(node, &demand) {
                self.c.add_score(leaf, node, Score::MINUS_INFINITY, Cause::Capacity);
            }
        }
        freest.filter(|_| !fits_together)
    }

    fn fits(&self, node: NodeIx, demand: &Demand) -> bool {
        let capacity = &self.c[node].capacity;
        demand.iter().all(|(name, &need)| need <= capacity.get(name).copied().unwrap_or(0))
    }

    /// Adds a resource and what must be on the same node (P-137).
    fn add_together(&self, rsc: RscIx, origin: RscIx, found: &mut Vec<RscIx>) {
        if let Variant::Group(group) = &self.c[rsc].variant {
            let everyone = group.colocated || self.is_cloned(rsc);
            let members = if everyone { usize::MAX } else { 1 };
            for &member in self.c[rsc].children.iter().take(members) {
                self.add_together(member, origin, found);
            }
        }
        if found.contains(&rsc) {
            return;
        }
        found.push(rsc);
        for &ix in &self.c[rsc].this_with {
            let primary = self.c[ix].primary;
            if primary != origin && self.binds(rsc, primary, ix) {
                self.add_together(primary, origin, found);
            }
        }
        let is_clone = |rsc: RscIx| self.c[rsc].clone_data().is_some();
        for &ix in &self.c[rsc].with_this {
            let dependent = self.c[ix].dependent;
            let unsure = is_clone(rsc) && !is_clone(dependent);
            if dependent != origin && !unsure && self.binds(dependent, rsc, ix) {
                self.add_together(dependent, origin, found);
            }
        }
    }

    fn is_cloned(&self, rsc: RscIx) -> bool {
        self.c[rsc].parent.is_some_and(|p| self.c[p].clone_data().is_some())
    }

    /// True for a mandatory colocation that will decide the dependent's node.
    fn binds(&self, dependent: RscIx, primary: RscIx, ix: ColocationIx) -> bool {
        let colocation = &self.c[ix];
        let about_promotion = colocation.dependent_role.is_some_and(|r| r >= Role::Unpromoted)
            && self.c[dependent].decided
            && self.c[dependent]
                .parent
                .is_some_and(|p| self.c[p].clone_data().is_some_and(|c| c.promotable));
        colocation.score.is_infinite()
            && !about_promotion
            && self.roles_allow(dependent, primary, ix)
    }

    /// Adds what the unassigned parts of a resource need (P-138).
    fn add_demand(&self, rsc: RscIx, together: &[RscIx], demand: &mut Demand) {
        if self.c[rsc].decided {
            return;
        }
        let children = &self.c[rsc].children;
        match &self.c[rsc].variant {
            Variant::Primitive => {
                for (name, amount) in &self.c[rsc].utilization {
                    let sum = demand.entry(name.clone()).or_default();
                    *sum = sum.saturating_add(*amount);
                }
            }
            Variant::Group(group) => {
                let everyone = group.colocated || self.is_cloned(rsc);
                let members = if everyone { usize::MAX } else { 1 };
                for &member in children.iter().take(members) {
                    if !together.contains(&member) {
                        self.add_demand(member, together, demand);
                    }
                }
            }
            Variant::Clone(_) => self.add_clone_demand(children, together, demand),
            Variant::Bundle(bundle) => {
                if let Some(first) = bundle.replicas.first() {
                    self.add_demand(first.container, together, demand);
                }
            }
        }
    }

    fn add_clone_demand(&self, instances: &[RscIx], together: &[RscIx], demand: &mut Demand) {
        let mut found = false;
        for &instance in instances {
            if together.contains(&instance) {
                found = true;
            } else if self.c[instance].children.iter().any(|m| together.contains(m)) {
                self.add_demand(instance, together, demand);
                found = true;
            }
        }
        if let Some(&first) = instances.first().filter(|_| !found) {
            self.add_demand(first, together, demand);
        }
    }
}

/// Which of two nodes has more left: one point for each name (P-136). Less = `a` is freer.
pub(super) fn compare_capacity(cluster: &Cluster, a: NodeIx, b: NodeIx) -> Ordering {
    let (a, b) = (&cluster[a].capacity, &cluster[b].capacity);
    let only_b = b.keys().filter(|name| !a.contains_key(*name));
    let points = |name: &Arc<str>| {
        let of = |c: &Demand| c.get(name).copied().unwrap_or(0);
        of(a).cmp(&of(b)) as i32
    };
    0.cmp(&a.keys().chain(only_b).map(points).sum::<i32>())
}
