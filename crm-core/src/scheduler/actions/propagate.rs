//! What orderings mean for what must and what can be done: a fixed point over all links
//! (scheduler reference 3, section 15.2).
//!
//! An explicit stack takes the place of the reference's recursion, in the same order, so that
//! the reasons that are recorded are the same too. An action is only looked at again
//! when something it depends on has changed.

use std::sync::Arc;

use crate::scheduler::model::{
    ActionIx, Cluster, Ground, Key, LinkIx, Marks, NodeIx, NotifyKind, OrderFlags, OrderRule,
    Relation, RscIx, Task, Variant,
};

use super::orderings::link;
use super::probes::assigned_node;
use super::request::with_key;
use super::{notify, seen};

/// Which side of a link changed.
#[derive(Clone, Copy, Default)]
pub(super) struct Changed {
    pub first: bool,
    pub then: bool,
}

impl Changed {
    pub(super) fn merge(&mut self, other: Changed) {
        self.first |= other.first;
        self.then |= other.then;
    }
}

/// Work that is left.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// Look at an action as the second of all its links.
    Update(ActionIx),
    /// Go on looking, from the link at this position downwards.
    Resume { then: ActionIx, position: usize, changed: bool, before: Marks },
    /// Hold what is colocated with something that cannot do this.
    HoldDependents(ActionIx),
    /// Hold this task of a resource and of its parts, for a reason and its ground.
    HoldTask(RscIx, Task, Arc<str>, Ground),
    /// Hold one action, for a reason and its ground.
    Hold(ActionIx, Arc<str>, Ground),
}

/// The state of the propagation.
pub(super) struct Propagation<'a> {
    pub(super) cluster: &'a mut Cluster,
    dirty: Vec<bool>,
    /// For each action how it looks, as far as that is known and has not changed since.
    looks: Vec<Option<Look>>,
    stack: Vec<Job>,
    /// What to do after the current link, in order.
    pub(super) requests: Vec<Job>,
    budget: u64,
    /// How many runs are inside each other.
    depth: u32,
    /// The relation that is being looked at.
    pub(super) by: Relation,
}

/// How the action of a collective looks.
#[derive(Clone, Copy)]
struct Look {
    /// From nowhere in particular.
    everywhere: Marks,
    /// Whether it looks like that from each node too (see [`seen::is_even`]); made when asked for.
    even: Option<bool>,
}

/// How many runs may be inside each other. Only the texts of reasons depend on it.
const MAX_DEPTH: u32 = 100;

/// Everything from resolved links to settled marks.
pub(super) fn settle(cluster: &mut Cluster) {
    let mut propagation = Propagation::new(cluster);
    let all = || (0..propagation.dirty.len()).rev().map(ActionIx::next);
    for ix in all().collect::<Vec<_>>() {
        propagation.requests.push(Job::HoldDependents(ix));
        propagation.run_requests();
    }
    super::probe_order::add(propagation.cluster);
    propagation.dirty.fill(true);
    let all = || (0..propagation.dirty.len()).rev().map(ActionIx::next);
    for ix in all().collect::<Vec<_>>() {
        propagation.requests.push(Job::Update(ix));
        propagation.run_requests();
    }
}

impl<'a> Propagation<'a> {
    fn new(cluster: &'a mut Cluster) -> Propagation<'a> {
        let (actions, links) = (cluster.actions.len(), cluster.links.len());
        Propagation {
            dirty: vec![true; actions],
            looks: vec![None; actions],
            stack: Vec::new(),
            requests: Vec::new(),
            // Marks change a few times each; this bound is only met by a cycle of remapped
            // relations that never settles.
            budget: 1_000 + 400 * (actions as u64 + links as u64),
            depth: 0,
            by: Relation::Rule(OrderRule::Restart),
            cluster,
        }
    }

    /// Does something in the middle of a link, as far as the depth of such things allows; else
    /// right after it.
    pub(super) fn run_now(&mut self, job: Job) {
        if let Job::Update(ix) = job
            && !self.dirty[ix.ix()]
        {
            return;
        }
        if self.depth == MAX_DEPTH {
            self.requests.push(job);
            return;
        }
        self.depth += 1;
        let stack = std::mem::replace(&mut self.stack, vec![job]);
        let (requests, by) = (std::mem::take(&mut self.requests), self.by);
        self.run();
        self.by = by;
        self.stack = stack;
        self.requests = requests;
        self.depth -= 1;
    }

    fn run_requests(&mut self) {
        self.push_requests();
        self.run();
    }

    fn run(&mut self) {
        while let Some(job) = self.stack.pop() {
            if self.budget == 0 {
                self.stack.clear();
                self.requests.clear();
                return;
            }
            match job {
                Job::Update(then) => {
                    if self.dirty[then.ix()] {
                        self.dirty[then.ix()] = false;
                        self.budget -= 1;
                        self.begin(then);
                    }
                }
                Job::Resume { then, position, changed, before } => {
                    self.look_at(then, position, changed, before);
                }
                Job::HoldDependents(ix) => self.hold_dependents(ix),
                Job::HoldTask(rsc, task, reason, ground) => {
                    self.hold_task(rsc, &task, &reason, ground);
                }
                Job::Hold(ix, reason, ground) => self.hold(ix, &reason, ground),
            }
        }
    }

    /// What was asked for first is done first, before anything that was left earlier.
    pub(super) fn push_requests(&mut self) {
        self.stack.extend(self.requests.drain(..).rev());
    }

    ///
    fn begin(&mut self, then: ActionIx) {
        let before = self.cluster[then].marks;
        if before.has(Marks::REQUIRES_ANY) {
            let action = &mut self.cluster[then];
            action.runnable_firsts = 0;
            action.required_firsts = action.required_firsts.max(1);
            action.marks.clear(Marks::RUNNABLE);
            if let Some(&link) = self.cluster[then].before.first() {
                let (first, by) = (self.cluster[link].first, self.cluster.journal.of_link(link));
                self.cluster.journal.held(then, Ground::Action(first, by));
            }
        }
        let position = self.cluster[then].before.len();
        self.look_at(then, position, false, before);
    }

    /// for the links below `position`, newest first, until one of them makes others
    /// worth a look.
    fn look_at(&mut self, then: ActionIx, position: usize, changed: bool, before: Marks) {
        let mut changed = changed;
        for position in (0..position).rev() {
            let link = self.cluster[then].before[position];
            let first = self.cluster[link].first;
            let effect = self.look_at_link(link);
            changed |= effect.then;
            if effect.first {
                self.request_after(first);
                self.requests.push(Job::Update(first));
            }
            if !self.requests.is_empty() {
                self.stack.push(Job::Resume { then, position, changed, before });
                self.push_requests();
                return;
            }
        }
        self.finish(then, changed, before);
    }

    /// and 4.
    fn finish(&mut self, then: ActionIx, changed: bool, before: Marks) {
        let now = self.cluster[then].marks;
        let changed = if now.has(Marks::REQUIRES_ANY) { now != before } else { changed };
        if !changed {
            return;
        }
        if now.has(Marks::REQUIRES_ANY) {
            self.touch(then);
        }
        if before.runnable() && !now.runnable() {
            self.requests.push(Job::HoldDependents(then));
        }
        self.requests.push(Job::Update(then));
        self.request_after(then);
        self.push_requests();
    }

    /// Asks for a look at everything after an action, newest link first.
    pub(super) fn request_after(&mut self, first: ActionIx) {
        for i in (0..self.cluster[first].after.len()).rev() {
            let link = self.cluster[first].after[i];
            self.requests.push(Job::Update(self.cluster[link].then));
        }
    }

    /// One link: conditions, remapping, modifiers.
    fn look_at_link(&mut self, ix: LinkIx) -> Changed {
        let link = self.cluster[ix];
        self.by = self.cluster.journal.of_link(ix);
        let (first, then) = (link.first, link.then);
        let (first_node, then_node) = (self.place(first), self.place(then));
        if link.flags.contains(OrderFlags::SAME_NODE)
            && let (Some(a), Some(b)) = (first_node, then_node)
            && a != b
        {
            self.cluster[ix].flags = OrderFlags::NONE;
            return Changed::default();
        }
        let owner = self.cluster[first].rsc;
        if let Some(owner) = owner
            && link.flags.contains(OrderFlags::THEN_CANCELS)
            && self.cluster[then].marks.required()
        {
            if self.cluster[first].marks.required() {
                self.cluster[first].marks.set(Marks::OPTIONAL);
                self.cluster.journal.not_needed(first);
                self.touch(first);
            }
            if self.cluster[first].task == Task::Reload {
                self.cluster[owner].reload = false;
            }
        }
        let remapped = self.remap(first, then);
        if remapped == first {
            return self.apply_link(ix, first_node, then_node);
        }
        let added = super::orderings::link(self.cluster, self.by, remapped, then, link.flags);
        if added.is_some() {
            self.cluster[ix].flags = OrderFlags::NONE;
            self.dirty[then.ix()] = true;
        }
        Changed { first: false, then: added.is_some() }
    }

    /// The node of an action; a group starts where its members are assigned.
    fn place(&self, ix: ActionIx) -> Option<NodeIx> {
        let action = &self.cluster[ix];
        match action.rsc {
            Some(rsc) if action.task == Task::Start && self.cluster[rsc].group_data().is_some() => {
                assigned_node(self.cluster, rsc)
            }
            _ => action.node,
        }
    }

    /// A-215.2c: what follows a collective's action follows its completion.
    fn remap(&self, first: ActionIx, then: ActionIx) -> ActionIx {
        let (a, b) = (&self.cluster[first], &self.cluster[then]);
        let (Some(a_rsc), Some(b_rsc)) = (a.rsc, b.rsc) else { return first };
        let rsc = &self.cluster[a_rsc];
        let Key::Op(task, 0) = &a.key else { return first };
        if rsc.is_primitive() || a_rsc == b_rsc || self.cluster.is_ancestor(a_rsc, b_rsc) {
            return first;
        }
        let complete = match task {
            Task::Running | Task::Stopped | Task::Promoted | Task::Demoted => task.clone(),
            task => match notify::completed(task) {
                Some(complete) => complete,
                None => return first,
            },
        };
        let in_bundle = |p: RscIx| matches!(self.cluster[p].variant, Variant::Bundle(_));
        let outermost = rsc.parent.is_none_or(|p| rsc.clone_data().is_some() && in_bundle(p));
        let key = if rsc.notify && outermost {
            Key::Notify(NotifyKind::ConfirmedPost, complete)
        } else {
            Key::once(complete)
        };
        with_key(self.cluster, a_rsc, &key).next().unwrap_or(first)
    }

    /// All modifiers of a link in their order.
    fn apply_link(
        &mut self,
        ix: LinkIx,
        first_node: Option<NodeIx>,
        then_node: Option<NodeIx>,
    ) -> Changed {
        let link = self.cluster[ix];
        let (first, then) = (link.first, link.then);
        let first_seen = self.seen(first, then_node);
        let then_seen = self.seen(then, first_node);
        let mut flags = link.flags;
        let mut node = self.cluster[then].node;
        if flags.contains(OrderFlags::THEN_REQ_ON_NODE) {
            flags = flags.without(OrderFlags::THEN_REQ_ON_NODE) | OrderFlags::THEN_REQ;
            self.cluster[ix].flags = flags;
            self.dirty[then.ix()] = true;
            node = self.cluster[first].node;
        }
        let mut changed = Changed::default();
        for modifier in MODIFIERS {
            if !flags.contains(modifier) {
                continue;
            }
            if modifier == OrderFlags::PROBE_RUN {
                let active =
                    self.cluster[first].rsc.is_some_and(|r| !self.cluster[r].active_on.is_empty());
                if !first_seen.runnable() && active {
                    self.cluster[ix].flags = OrderFlags::NONE;
                    continue;
                }
                let modifier = OrderFlags::FIRST_RUNNABLE;
                changed.merge(self.modify(first, then, node, first_seen, modifier));
                continue;
            }
            changed.merge(self.modify(first, then, node, first_seen, modifier));
        }
        self.print(first, then, (first_seen, then_seen), flags);
        changed.merge(self.hold_after_blocked_stop(first, then, flags));
        changed
    }

    /// The marks of an action as seen from a node, written back where they are the parts'.
    ///
    /// Every instance of a clone asks at each of its links how the whole clone looks, so what is
    /// found out is kept until [`Propagation::touch`] says that a part changed.
    pub(super) fn seen(&mut self, ix: ActionIx, node: Option<NodeIx>) -> Marks {
        let Some(rsc) = self.cluster[ix].rsc.filter(|&r| !self.cluster[r].is_primitive()) else {
            return self.cluster[ix].marks;
        };
        let node = node.filter(|_| self.cluster[rsc].clone_data().is_some());
        let mut back = Vec::new();
        if let Some(marks) = self.remembered(ix, node) {
            debug_assert_eq!(marks, seen::for_ordering(self.cluster, ix, node, &mut back));
            return marks;
        }
        let marks = seen::for_ordering(self.cluster, ix, node, &mut back);
        self.write_back(back);
        if node.is_none()
            && let Some(look) = self.looks.get_mut(ix.ix())
        {
            *look = Some(Look { everywhere: marks, even: None });
        }
        marks
    }

    /// What [`Propagation::seen`] found earlier, if that is still so.
    fn remembered(&mut self, ix: ActionIx, node: Option<NodeIx>) -> Option<Marks> {
        let look = self.looks.get_mut(ix.ix())?.as_mut()?;
        if node.is_none() {
            return Some(look.everywhere);
        }
        if !look.everywhere.runnable() {
            return None;
        }
        let even = *look.even.get_or_insert_with(|| seen::is_even(self.cluster, ix));
        even.then_some(look.everywhere)
    }

    /// The marks of an action on a node alone.
    pub(super) fn seen_on(&mut self, ix: ActionIx, node: Option<NodeIx>) -> Marks {
        let mut back = Vec::new();
        let marks = seen::marks(self.cluster, ix, node, &mut back);
        self.write_back(back);
        marks
    }

    fn write_back(&mut self, back: seen::WrittenBack) {
        if back.is_empty() {
            return;
        }
        let mut changed = Vec::new();
        seen::write_back(self.cluster, back, |ix| changed.push(ix));
        changed.into_iter().for_each(|ix| self.touch(ix));
    }

    /// A-219 for actions without a resource; else the resource's variant decides.
    fn modify(
        &mut self,
        first: ActionIx,
        then: ActionIx,
        node: Option<NodeIx>,
        first_seen: Marks,
        modifier: OrderFlags,
    ) -> Changed {
        let by = if modifier == OrderFlags::FIRST_REQ { first } else { then };
        if let Some(rsc) = self.cluster[by].rsc {
            return self.by_variant(rsc, first, then, node, first_seen, modifier);
        }
        let mut changed = Changed::default();
        let then_marks = self.cluster[then].marks;
        if modifier == OrderFlags::THEN_REQ && first_seen.required() && then_marks.optional() {
            self.cluster[then].marks.clear(Marks::OPTIONAL);
            self.cluster.journal.needed(then, Ground::Action(first, self.by));
            changed.then = true;
        } else if modifier == OrderFlags::FIRST_RUNNABLE
            && !first_seen.runnable()
            && then_marks.runnable()
        {
            self.cluster[then].marks.clear(Marks::RUNNABLE);
            self.cluster.journal.held(then, Ground::Action(first, self.by));
            changed.then = true;
        } else if modifier == OrderFlags::ONE_OR_MORE && first_seen.runnable() {
            let action = &mut self.cluster[then];
            action.runnable_firsts += 1;
            let enough = action.runnable_firsts >= action.required_firsts;
            if enough && !action.marks.runnable() {
                action.marks.set(Marks::RUNNABLE);
                changed.then = true;
            }
            return changed;
        } else if modifier == OrderFlags::FIRST_REQ
            && first_seen.required()
            && self.cluster[first].marks.runnable()
        {
            self.cluster[first].marks.clear(Marks::RUNNABLE);
            self.cluster.journal.held(first, Ground::Action(then, self.by));
            self.touch(first);
            changed.first = true;
        }
        if changed.then {
            self.touch(then);
        }
        changed
    }

    /// what is shown although it needs not be done.
    fn print(
        &mut self,
        first: ActionIx,
        then: ActionIx,
        (first_seen, then_seen): (Marks, Marks),
        flags: OrderFlags,
    ) {
        let first_runs = self.cluster[first].marks.runnable() && first_seen.required();
        if flags.contains(OrderFlags::THEN_PRINTED) && first_runs {
            self.cluster[then].marks.set(Marks::PRINT_ALWAYS);
            self.cluster.journal.shown(then, Ground::Action(first, self.by));
        }
        if flags.contains(OrderFlags::FIRST_PRINTED) && then_seen.required() {
            self.cluster[first].marks.set(Marks::PRINT_ALWAYS);
            self.cluster.journal.shown(first, Ground::Action(then, self.by));
        }
    }

    /// nothing follows a stop that is blocked.
    fn hold_after_blocked_stop(
        &mut self,
        first: ActionIx,
        then: ActionIx,
        flags: OrderFlags,
    ) -> Changed {
        let strong = OrderFlags::THEN_REQ | OrderFlags::FIRST_REQ | OrderFlags::RESTART;
        let action = &self.cluster[first];
        let blocked =
            action.rsc.is_some_and(|r| !self.cluster[r].managed && self.cluster[r].blocked);
        let holds = flags.intersects(strong)
            && blocked
            && action.task == Task::Stop
            && !action.marks.runnable();
        if holds && self.cluster[then].marks.runnable() {
            self.cluster[then].marks.clear(Marks::RUNNABLE);
            self.cluster.journal.held(then, Ground::Action(first, self.by));
            self.touch(then);
            return Changed { first: false, then: true };
        }
        Changed::default()
    }

    /// Notes that an action's marks changed: everything that depends on them is worth a look.
    pub(super) fn touch(&mut self, ix: ActionIx) {
        self.touch_with_followers(ix);
        let Some(rsc) = self.cluster[ix].rsc else { return };
        let task = seen::basic(&self.cluster[ix].task);
        let mut above = self.cluster[rsc].parent;
        while let Some(parent) = above {
            for i in 0..self.cluster[parent].actions.len() {
                let own = self.cluster[parent].actions[i];
                let about = match &self.cluster[own].key {
                    Key::Notify(_, about) => seen::basic(about),
                    _ => seen::basic(&self.cluster[own].task),
                };
                if about == task {
                    self.touch_with_followers(own);
                }
            }
            above = self.cluster[parent].parent;
        }
    }

    fn touch_with_followers(&mut self, ix: ActionIx) {
        self.dirty[ix.ix()] = true;
        if let Some(look) = self.looks.get_mut(ix.ix()) {
            *look = None;
        }
        for i in 0..self.cluster[ix].after.len() {
            let link = self.cluster[ix].after[i];
            self.dirty[self.cluster[link].then.ix()] = true;
        }
    }

    /// Removes a mark from an action because of another one, and says so.
    pub(super) fn clear_because(&mut self, ix: ActionIx, mark: Marks, because: ActionIx) {
        if !self.cluster[ix].marks.has(mark) {
            return;
        }
        self.cluster[ix].marks.clear(mark);
        self.touch(ix);
        let ground = Ground::Action(because, self.by);
        if mark == Marks::OPTIONAL {
            self.cluster.journal.needed(ix, ground);
        } else if mark == Marks::RUNNABLE {
            self.cluster.journal.held(ix, ground);
        }
        let cause = &self.cluster[because];
        if cause.rsc == self.cluster[ix].rsc {
            return;
        }
        let change = if mark == Marks::OPTIONAL { "required" } else { "unrunnable" };
        let reason = match cause.rsc {
            Some(rsc) => format!("{change} {} {}", self.cluster[rsc].id, cause.task),
            None => format!("{change} {}", cause.task),
        };
        self.cluster[ix].set_reason(&reason, mark == Marks::MIGRATE_RUNNABLE);
    }

    /// Links two actions during the propagation.
    pub(super) fn add_link(&mut self, first: ActionIx, then: ActionIx, flags: OrderFlags) -> bool {
        let added = link(self.cluster, self.by, first, then, flags).is_some();
        if added {
            self.dirty[then.ix()] = true;
        }
        added
    }
}

/// The modifiers in the order in which they act.
const MODIFIERS: [OrderFlags; 11] = [
    OrderFlags::THEN_REQ,
    OrderFlags::RESTART,
    OrderFlags::FIRST_REQ,
    OrderFlags::PROMOTED_FIRST_REQ,
    OrderFlags::ONE_OR_MORE,
    OrderFlags::PROBE_RUN,
    OrderFlags::FIRST_RUNNABLE,
    OrderFlags::MIGRATE_FIRST,
    OrderFlags::PSEUDO_LEFT,
    OrderFlags::ORDER,
    OrderFlags::ASYMMETRIC,
];
