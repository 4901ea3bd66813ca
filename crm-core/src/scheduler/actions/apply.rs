//! The effect of one modifier on the two actions of a link, by the kind of resource
//!

use std::sync::Arc;

use crate::scheduler::model::{
    ActionIx, Cluster, Fact, Ground, Key, Marks, NodeIx, OrderFlags, Relation, Role, RscIx, Task,
    Variant,
};
use crate::scheduler::placement::best_first;

use super::primitive;
use super::probes::assigned_node;
use super::propagate::{Changed, Job, Propagation};
use super::request::first_of_task;
use super::seen::basic;

impl Propagation<'_> {
    /// through the kind of `by`, on the actions of `then`'s parts too.
    pub(super) fn by_variant(
        &mut self,
        by: RscIx,
        first: ActionIx,
        then: ActionIx,
        node: Option<NodeIx>,
        seen: Marks,
        modifier: OrderFlags,
    ) -> Changed {
        match self.cluster[by].variant {
            Variant::Primitive => self.pair(first, then, seen, modifier),
            Variant::Group(_) => self.through_group(first, then, node, seen, modifier),
            Variant::Clone(_) | Variant::Bundle(_) => {
                if self.cluster[then].rsc.is_none() {
                    return Changed::default();
                }
                if self.interleaves(first, then) {
                    self.through_pairs(first, then, node, modifier)
                } else {
                    self.through_instances(first, then, node, seen, modifier)
                }
            }
        }
    }

    fn through_group(
        &mut self,
        first: ActionIx,
        then: ActionIx,
        node: Option<NodeIx>,
        seen: Marks,
        modifier: OrderFlags,
    ) -> Changed {
        let mut changed = self.pair(first, then, seen, modifier);
        let Some(group) = self.cluster[then].rsc else { return changed };
        let task = self.cluster[then].task.clone();
        for member in self.cluster[group].children.clone() {
            if let Some(part) = first_of_task(self.cluster, member, &task, node) {
                changed.merge(self.by_variant(member, first, part, node, seen, modifier));
            }
        }
        changed
    }

    fn through_instances(
        &mut self,
        first: ActionIx,
        then: ActionIx,
        node: Option<NodeIx>,
        seen: Marks,
        modifier: OrderFlags,
    ) -> Changed {
        let mut changed = self.pair(first, then, seen, modifier);
        let Some(rsc) = self.cluster[then].rsc else { return changed };
        let task = self.cluster[then].task.clone();
        for instance in instances(self.cluster, rsc) {
            let Some(part) = first_of_task(self.cluster, instance, &task, node) else { continue };
            if !self.seen_on(part, node).runnable() {
                continue;
            }
            let effect = self.by_variant(instance, first, part, node, seen, modifier);
            changed.merge(effect);
            if effect.then {
                for i in (0..self.cluster[part].after.len()).rev() {
                    let link = self.cluster[part].after[i];
                    self.run_now(Job::Update(self.cluster[link].then));
                }
            }
        }
        changed
    }

    /// whether instances wait for their partners only.
    fn interleaves(&self, first: ActionIx, then: ActionIx) -> bool {
        let (a, b) = (&self.cluster[first], &self.cluster[then]);
        let (Some(a_rsc), Some(b_rsc)) = (a.rsc, b.rsc) else { return false };
        let many = |r: RscIx| self.cluster[r].variant.is_many();
        let leaving = matches!(b.task, Task::Stop | Task::Demote);
        a_rsc != b_rsc
            && many(a_rsc)
            && many(b_rsc)
            && self.cluster.interleaves(if leaving { a_rsc } else { b_rsc })
    }

    /// each instance of `then` with its partner.
    fn through_pairs(
        &mut self,
        first: ActionIx,
        then: ActionIx,
        node: Option<NodeIx>,
        modifier: OrderFlags,
    ) -> Changed {
        let mut changed = Changed::default();
        let (Some(a_rsc), Some(b_rsc)) = (self.cluster[first].rsc, self.cluster[then].rsc) else {
            return changed;
        };
        let then_task = self.cluster[then].task.clone();
        let first_task = match &self.cluster[first].key {
            Key::Notify(_, about) => about.clone(),
            _ => self.cluster[first].task.clone(),
        };
        let current = matches!(first_task, Task::Stopped | Task::Demoted);
        for instance in instances(self.cluster, b_rsc) {
            let Some(partner) = partner(self.cluster, instance, a_rsc, current) else {
                let needed = OrderFlags::FIRST_RUNNABLE | OrderFlags::THEN_REQ;
                if !current && modifier.intersects(needed) {
                    changed.then |= self.unassign(instance, first);
                }
                continue;
            };
            let before = part_action(self.cluster, partner, &first_task, node);
            let after = part_action(self.cluster, instance, &then_task, node);
            let (Some(before), Some(after)) = (before, after) else { continue };
            if self.add_link(before, after, modifier) {
                changed.merge(Changed { first: true, then: true });
            }
            let seen = self.seen_on(before, node);
            let Some(by) = self.cluster[after].rsc else { continue };
            changed.merge(self.by_variant(by, before, after, node, seen, modifier));
        }
        changed
    }

    /// An instance without a partner does not run.
    fn unassign(&mut self, instance: RscIx, first: ActionIx) -> bool {
        let leaves = self.cluster.leaves(instance);
        let placed = leaves.iter().any(|&l| self.cluster[l].assigned.is_some());
        for leaf in leaves {
            self.cluster[leaf].assigned = None;
            self.cluster[leaf].next_role = Role::Stopped;
            let ground = Ground::Action(first, self.by);
            self.cluster.journal.resource(leaf, Fact::Unassigned, ground);
            primitive::unassigned(self.cluster, leaf);
            for ix in self.cluster[leaf].actions.clone() {
                self.touch(ix);
            }
        }
        placed
    }

    /// the effect on one pair of actions, given the marks `first` is seen with.
    fn pair(
        &mut self,
        first: ActionIx,
        then: ActionIx,
        seen: Marks,
        modifier: OrderFlags,
    ) -> Changed {
        let (a, b) = (self.cluster[first].marks, self.cluster[then].marks);
        match modifier {
            OrderFlags::ASYMMETRIC => self.hold_asymmetric(first, then),
            OrderFlags::FIRST_REQ if b.required() => {
                if seen.required() {
                    self.clear_because(first, Marks::OPTIONAL, then);
                }
                if seen.has(Marks::MIGRATE_RUNNABLE) && !b.has(Marks::MIGRATE_RUNNABLE) {
                    self.clear_because(first, Marks::MIGRATE_RUNNABLE, then);
                }
            }
            OrderFlags::PROMOTED_FIRST_REQ if b.required() && self.leaves_promoted(then) => {
                self.clear_because(first, Marks::OPTIONAL, then);
                if !b.has(Marks::MIGRATE_RUNNABLE) {
                    self.clear_because(first, Marks::MIGRATE_RUNNABLE, then);
                }
            }
            OrderFlags::MIGRATE_FIRST => {
                if !b.has(Marks::MIGRATE_RUNNABLE | Marks::RUNNABLE) {
                    self.clear_because(first, Marks::RUNNABLE, then);
                }
                if b.required() {
                    self.clear_because(first, Marks::OPTIONAL, then);
                }
            }
            OrderFlags::PSEUDO_LEFT if !a.runnable() => {
                self.clear_because(then, Marks::MIGRATE_RUNNABLE, first);
                if b.pseudo() {
                    self.cluster[then].marks.clear(Marks::PSEUDO);
                    self.touch(then);
                }
            }
            OrderFlags::FIRST_RUNNABLE if b.runnable() && !seen.runnable() => {
                self.clear_because(then, Marks::RUNNABLE, first);
                self.clear_because(then, Marks::MIGRATE_RUNNABLE, first);
            }
            OrderFlags::THEN_REQ
                if b.optional() && seen.required() && !a.has(Marks::MIGRATE_RUNNABLE) =>
            {
                self.clear_because(then, Marks::OPTIONAL, first);
            }
            OrderFlags::RESTART => self.restart(first, then),
            _ => {}
        }
        let then_changed = self.cluster[then].marks != b;
        let in_collective =
            self.cluster[then].rsc.is_some_and(|r| self.cluster[r].parent.is_some());
        if then_changed && in_collective {
            self.run_now(Job::Update(then));
        }
        Changed { first: self.cluster[first].marks != a, then: then_changed }
    }

    fn leaves_promoted(&self, then: ActionIx) -> bool {
        self.cluster[then].rsc.is_some_and(|r| self.cluster[r].role == Role::Promoted)
    }

    /// A-222, first row: held, and its optional counterpart may be enforced.
    fn hold_asymmetric(&mut self, first: ActionIx, then: ActionIx) {
        let Some(rsc) = self.cluster[then].rsc else { return };
        if self.cluster[first].marks.runnable() {
            return;
        }
        let (role, action) = (state(self.cluster, rsc), &self.cluster[then]);
        let only_there = || active_only_on(self.cluster, rsc, action.node);
        let unaffected = match action.task {
            Task::Stop => role == Role::Stopped,
            Task::Start => action.marks.optional() && role >= Role::Started && only_there(),
            _ => false,
        };
        if unaffected {
            return;
        }
        self.clear_because(then, Marks::OPTIONAL, first);
        self.clear_because(then, Marks::RUNNABLE, first);
    }

    ///
    fn restart(&mut self, first: ActionIx, then: ActionIx) {
        let (a, b) = (&self.cluster[first], &self.cluster[then]);
        let same = a.rsc == b.rsc;
        let managed = b.rsc.is_some_and(|r| self.cluster[r].managed);
        let cannot_start = !b.marks.runnable() && managed && same;
        if b.marks.optional() && !cannot_start {
            return;
        }
        if a.marks.runnable() || b.marks.required() {
            self.clear_because(first, Marks::OPTIONAL, then);
        }
        if !self.cluster[then].marks.has(Marks::MIGRATE_RUNNABLE) {
            self.clear_because(first, Marks::MIGRATE_RUNNABLE, then);
        }
        let a = self.cluster[first].marks;
        if a.required() && !a.runnable() {
            self.clear_because(then, Marks::RUNNABLE, first);
        }
    }

    /// what must be where something cannot start does not start either.
    pub(super) fn hold_dependents(&mut self, ix: ActionIx) {
        let action = &self.cluster[ix];
        let Some(rsc) = action.rsc else { return };
        let start = action.task == Task::Start;
        if action.marks.runnable() || !(start || action.task == Task::Promote) {
            return;
        }
        let whole = self.cluster.outermost(rsc);
        let possible = self.cluster[whole].children.iter().any(|&c| {
            let part = first_of_task(self.cluster, c, &action.task, None);
            part.is_none_or(|p| self.cluster[p].marks.runnable())
        });
        if possible {
            return;
        }
        let reason: Arc<str> = format!("colocation with {}", self.cluster[rsc].id).into();
        for &colocation in &self.cluster[whole].with_this {
            let c = &self.cluster[colocation];
            if c.score.is_infinite() && (start || c.primary_role == Some(Role::Promoted)) {
                let promoted = c.dependent_role == Some(Role::Promoted);
                let task = if promoted { Task::Promote } else { Task::Start };
                let ground = Ground::Action(ix, Relation::Colocation(colocation));
                self.requests.push(Job::HoldTask(c.dependent, task, reason.clone(), ground));
            }
        }
        self.push_requests();
    }

    /// Holds a task of a resource, then of its parts.
    pub(super) fn hold_task(&mut self, rsc: RscIx, task: &Task, reason: &Arc<str>, ground: Ground) {
        let r = &self.cluster[rsc];
        for &ix in r.actions.iter().rev().filter(|&&a| self.cluster[a].task == *task) {
            self.requests.push(Job::Hold(ix, reason.clone(), ground));
        }
        for &part in &r.children {
            self.requests.push(Job::HoldTask(part, task.clone(), reason.clone(), ground));
        }
        self.push_requests();
    }

    /// Holds one action, then what depends on it.
    pub(super) fn hold(&mut self, ix: ActionIx, reason: &str, ground: Ground) {
        let action = &mut self.cluster[ix];
        if action.marks.runnable() {
            action.marks.clear(Marks::RUNNABLE);
            action.set_reason(reason, false);
            self.cluster.journal.held(ix, ground);
            self.touch(ix);
            self.requests.push(Job::HoldDependents(ix));
            self.requests.push(Job::Update(ix));
            self.push_requests();
        }
    }
}

/// The instances of a clone, or the containers of a bundle.
fn instances(cluster: &Cluster, rsc: RscIx) -> Vec<RscIx> {
    match &cluster[rsc].variant {
        Variant::Bundle(bundle) => bundle.replicas.iter().map(|r| r.container).collect(),
        Variant::Primitive | Variant::Group(_) | Variant::Clone(_) => cluster[rsc].children.clone(),
    }
}

/// The role of a resource now: of a collective, the highest of its parts'. The reference never
/// knows that of a bundle.
pub(super) fn state(cluster: &Cluster, rsc: RscIx) -> Role {
    let r = &cluster[rsc];
    match &r.variant {
        Variant::Primitive => r.role,
        Variant::Group(_) | Variant::Clone(_) => {
            r.children.iter().map(|&c| state(cluster, c)).max().unwrap_or_default()
        }
        Variant::Bundle(_) => Role::Unknown,
    }
}

fn active_only_on(cluster: &Cluster, rsc: RscIx, node: Option<NodeIx>) -> bool {
    let mut nodes: Vec<NodeIx> =
        cluster.leaves(rsc).iter().flat_map(|&l| cluster[l].active_on.clone()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.len() == 1 && nodes.first().copied() == node
}

/// The node of an instance, if it is exactly one: where it is, or where it will be.
fn node_of(cluster: &Cluster, rsc: RscIx, current: bool) -> Option<NodeIx> {
    if !current {
        return assigned_node(cluster, rsc);
    }
    let leaves = cluster.leaves(rsc);
    let mut nodes = leaves.iter().flat_map(|&leaf| cluster[leaf].active_on.iter().copied());
    let first = nodes.next()?;
    nodes.all(|n| n == first).then_some(first)
}

/// The instance of `of` that belongs to `instance`.
pub(super) fn partner(
    cluster: &Cluster,
    instance: RscIx,
    of: RscIx,
    current: bool,
) -> Option<RscIx> {
    let others = instances(cluster, of);
    let on = |node: NodeIx| {
        others
            .iter()
            .copied()
            .find(|&o| !cluster.any_blocked(o) && node_of(cluster, o, current) == Some(node))
    };
    if let Some(node) = node_of(cluster, instance, current) {
        return on(node);
    }
    best_first(cluster, instance).into_iter().find_map(on)
}

/// The action of a part that a collective's task stands for. Of a bundle the containers are
/// asked, also for promotions, which only the inside has: those of bundles are never paired.
fn part_action(
    cluster: &Cluster,
    part: RscIx,
    task: &Task,
    node: Option<NodeIx>,
) -> Option<ActionIx> {
    let basic = basic(task);
    let wanted = if cluster[part].is_primitive() { &basic } else { task };
    first_of_task(cluster, part, wanted, node)
}

#[cfg(test)]
mod tests {
    use crate::cib::parse;
    use crate::rules::Moment;
    use crate::scheduler::model::{Cluster, Key, Task};
    use crate::scheduler::{Input, schedule};

    /// Two promotable bundles that interleave, one instance each, one promoted after the other.
    fn promoted_bundles() -> Cluster {
        let (mut bundles, mut wishes) = (String::new(), String::new());
        for (name, port) in [("b1", 9998), ("b2", 9999)] {
            bundles += &format!(
                "<bundle id='{name}'><meta_attributes id='{name}-m'><nvpair id='{name}-i' \
                 name='interleave' value='true'/></meta_attributes>\
                 <podman image='x' replicas='1' promoted-max='1'/>\
                 <network control-port='{port}'/><primitive id='{name}-p' class='ocf' \
                 provider='pacemaker' type='Stateful'/></bundle>"
            );
            wishes += &format!(
                "<rsc_location id='{name}-l' rsc='{name}' node='{name}-0' role='Promoted' score='9'/>"
            );
        }
        let text = format!(
            "<cib have-quorum='1' crm_feature_set='3.16.1'><configuration><crm_config>\
             <cluster_property_set id='o'><nvpair id='s' name='stonith-enabled' value='false'/>\
             </cluster_property_set></crm_config><nodes><node id='1' uname='n1'/></nodes>\
             <resources>{bundles}</resources><constraints>{wishes}<rsc_order id='o' first='b1' \
             first-action='promote' then='b2' then-action='promote'/></constraints>\
             </configuration><status><node_state id='1' uname='n1' in_ccm='true' crmd='online' \
             join='member' expected='member'/></status></cib>"
        );
        let cib = parse(&text).unwrap();
        schedule(&Input::new(&cib, Moment { epoch: 10_000, offset: 0 })).cluster
    }

    #[test]
    fn promotions_of_bundles_wait_for_the_whole_other_bundle() {
        let cluster = promoted_bundles();
        let promotion = |id: &str| {
            let rsc = cluster.named(id).unwrap();
            let mut actions = cluster[rsc].actions.iter().copied();
            actions.find(|&a| cluster[a].key == Key::once(Task::Promote)).unwrap()
        };
        let follows =
            |first, then| cluster.links.iter().any(|link| link.first == first && link.then == then);
        assert!(follows(promotion("b2"), promotion("b2-master")));
        assert!(!follows(promotion("b1-p:0"), promotion("b2-p:0")), "they are not paired");
    }
}
