//! Clones: instances side by side.

use crate::scheduler::model::{
    ActionIx, Cluster, Ground, Marks, OrderFlags, OrderRule, RscIx, Task,
};

use super::orderings::{link_by, order_tasks};
use super::request::pseudo_op;
use super::{create_resource, internal, notify, seen};

/// Synapse priority of what follows completed work.
pub(super) const COMPLETED: i32 = 1_000_000;

/// Internal orderings of a clone and its instances.
pub(super) fn order_instances(cluster: &mut Cluster, clone: RscIx) {
    let Some(data) = cluster[clone].clone_data() else { return };
    let (ordered, promotable) = (data.ordered, data.promotable);
    let runnable = OrderFlags::FIRST_RUNNABLE;
    tie(cluster, (clone, Task::Stopped), (clone, Task::Start), OrderFlags::ORDER);
    tie(cluster, (clone, Task::Start), (clone, Task::Running), runnable);
    tie(cluster, (clone, Task::Stop), (clone, Task::Stopped), runnable);
    if promotable {
        tie(cluster, (clone, Task::Demoted), (clone, Task::Stop), OrderFlags::ORDER);
        tie(cluster, (clone, Task::Running), (clone, Task::Promote), runnable);
    }
    if ordered {
        sort_instances(cluster, clone);
    }
    let mut previous = None;
    for instance in cluster[clone].children.clone() {
        internal::order_resource(cluster, instance);
        order_instance(cluster, clone, instance, previous.filter(|_| ordered));
        previous = Some(instance);
    }
    if promotable {
        order_roles(cluster, clone);
        order_promotions(cluster, clone, ordered);
    }
}

///
fn order_instance(cluster: &mut Cluster, clone: RscIx, instance: RscIx, previous: Option<RscIx>) {
    let (first, then) = (OrderFlags::FIRST_PRINTED, OrderFlags::THEN_PRINTED);
    let start = OrderFlags::FIRST_RUNNABLE | first;
    tie(cluster, (clone, Task::Start), (instance, Task::Start), start);
    tie(cluster, (instance, Task::Start), (clone, Task::Running), then);
    if let Some(previous) = previous {
        let flags = OrderFlags::ORDER;
        tie(cluster, (previous, Task::Start), (instance, Task::Start), flags);
    }
    tie(cluster, (clone, Task::Stop), (instance, Task::Stop), first);
    tie(cluster, (instance, Task::Stop), (clone, Task::Stopped), then);
    if let Some(previous) = previous {
        let flags = OrderFlags::ORDER;
        tie(cluster, (instance, Task::Stop), (previous, Task::Stop), flags);
    }
}

/// A-157, first part; also for bundles.
pub(super) fn order_roles(cluster: &mut Cluster, rsc: RscIx) {
    let pairs = [
        (Task::Stopped, Task::Start),
        (Task::Stopped, Task::Promote),
        (Task::Demoted, Task::Stop),
        (Task::Demoted, Task::Start),
        (Task::Demoted, Task::Promote),
        (Task::Running, Task::Promote),
        (Task::Demote, Task::Demoted),
    ];
    for (first, then) in pairs {
        tie(cluster, (rsc, first), (rsc, then), OrderFlags::ORDER);
    }
}

/// A-157, second part.
fn order_promotions(cluster: &mut Cluster, clone: RscIx, ordered: bool) {
    let mut previous = None;
    let plain = OrderFlags::ORDER;
    for instance in cluster[clone].children.clone() {
        tie(cluster, (instance, Task::Demote), (instance, Task::Promote), plain);
        tie(cluster, (clone, Task::Promote), (instance, Task::Promote), plain);
        tie(cluster, (instance, Task::Promote), (clone, Task::Promoted), plain);
        let before = previous.filter(|_| ordered);
        if let Some(before) = before {
            tie(cluster, (before, Task::Promote), (instance, Task::Promote), plain);
        }
        let printed = OrderFlags::FIRST_PRINTED;
        tie(cluster, (clone, Task::Demote), (instance, Task::Demote), printed);
        let printed = OrderFlags::THEN_PRINTED;
        tie(cluster, (instance, Task::Demote), (clone, Task::Demoted), printed);
        if let Some(before) = before {
            tie(cluster, (instance, Task::Demote), (before, Task::Demote), plain);
        }
        previous = Some(instance);
    }
}

/// Puts the instances in the order of their numbers, for this and all later phases.
pub(super) fn sort_instances(cluster: &mut Cluster, clone: RscIx) {
    let mut children = std::mem::take(&mut cluster[clone].children);
    children.sort_by_key(|&c| cluster[c].instance);
    cluster[clone].children = children;
}

/// What the instances are about to do.
#[derive(Clone, Copy, Default)]
struct Motion {
    active: bool,
    /// A start that will be done.
    starting: Option<ActionIx>,
    /// A stop that will be done.
    stopping: Option<ActionIx>,
    /// One and the same instance stops and starts.
    restarting: bool,
}

/// The instances' actions and then the clone's own.
pub(super) fn create(cluster: &mut Cluster, clone: RscIx) {
    let instances = cluster[clone].children.clone();
    create_around(cluster, clone, &instances);
    let Some(data) = cluster[clone].clone_data() else { return };
    let (ordered, promotable) = (data.ordered, data.promotable);
    if ordered {
        link_in_sequence(cluster, clone);
    }
    if promotable {
        for instance in cluster[clone].children.clone() {
            create_resource(cluster, instance);
        }
        create_roles(cluster, clone);
        let priority = cluster[clone].priority;
        for instance in cluster[clone].children.clone() {
            cluster[instance].priority = priority;
        }
    }
}

/// the actions of a clone around its instances, or of a bundle around its containers.
pub(super) fn create_around(cluster: &mut Cluster, rsc: RscIx, instances: &[RscIx]) {
    let mut all = Motion::default();
    for &instance in instances {
        create_resource(cluster, instance);
        let motion = motion_of(cluster, instance);
        all.active |= motion.active;
        all.starting = all.starting.or(motion.starting);
        all.stopping = all.stopping.or(motion.stopping);
        all.restarting |= motion.starting.is_some() && motion.stopping.is_some();
    }
    let start = around(cluster, rsc, Task::Start, all.starting, true);
    let running = around(cluster, rsc, Task::Running, all.starting, false);
    cluster[running].priority = COMPLETED;
    if all.active || all.starting.is_some() {
        cluster[running].marks.set(Marks::RUNNABLE);
    }
    let cloned = cluster[rsc].clone_data().is_some();
    if cloned {
        notify::create_pseudo(cluster, rsc, start, running, &Task::Start);
    }
    let stop = around(cluster, rsc, Task::Stop, all.stopping, true);
    let stopped = around(cluster, rsc, Task::Stopped, all.stopping, true);
    cluster[stopped].priority = COMPLETED;
    if !all.restarting {
        cluster[stop].marks.set(Marks::MIGRATE_RUNNABLE);
    }
    if cloned {
        notify::create_pseudo(cluster, rsc, stop, stopped, &Task::Stop);
        notify::order_tasks(cluster, rsc, &Task::Stop, &Task::Start);
    }
}

/// A synchronisation point around what instances do, needed if `part` of them is.
fn around(
    cluster: &mut Cluster,
    rsc: RscIx,
    task: Task,
    part: Option<ActionIx>,
    runnable: bool,
) -> ActionIx {
    let ix = pseudo_op(cluster, rsc, task, part.is_none(), runnable);
    if let Some(part) = part {
        let ground = Ground::Action(part, seen::part_rule(cluster, ix));
        cluster.journal.needed(ix, ground);
    }
    ix
}

fn motion_of(cluster: &Cluster, rsc: RscIx) -> Motion {
    let mut motion = Motion::default();
    for leaf in cluster.leaves(rsc) {
        motion.active |= !cluster[leaf].active_on.is_empty();
        for &ix in &cluster[leaf].actions {
            let marks = cluster[ix].marks;
            match cluster[ix].task {
                _ if marks.optional() => {}
                Task::Stop if marks.runnable() || marks.pseudo() => {
                    motion.stopping.get_or_insert(ix);
                }
                Task::Start if marks.runnable() => {
                    motion.starting.get_or_insert(ix);
                }
                _ => {}
            }
        }
    }
    motion
}

/// The one required action of an instance with this task.
fn only_required(cluster: &Cluster, rsc: RscIx, task: &Task) -> Option<ActionIx> {
    let mut found = cluster[rsc]
        .actions
        .iter()
        .copied()
        .filter(|&a| cluster[a].task == *task && cluster[a].marks.required());
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// ordered instances one after the other, each kind of action by itself.
fn link_in_sequence(cluster: &mut Cluster, clone: RscIx) {
    sort_instances(cluster, clone);
    let (mut last_stop, mut last_start) = (None, None);
    for instance in cluster[clone].children.clone() {
        if let Some(stop) = only_required(cluster, instance, &Task::Stop)
            && let Some(last) = last_stop.replace(stop)
        {
            link_by(cluster, OrderRule::Clone, stop, last, OrderFlags::ORDER);
        }
        if let Some(start) = only_required(cluster, instance, &Task::Start)
            && let Some(last) = last_start.replace(start)
        {
            link_by(cluster, OrderRule::Clone, last, start, OrderFlags::ORDER);
        }
    }
}

/// The actions of a promotable clone that change roles.
fn create_roles(cluster: &mut Cluster, clone: RscIx) {
    let changes = |cluster: &Cluster, task: Task| {
        cluster.leaves(clone).iter().find_map(|&leaf| {
            let mut actions = cluster[leaf].actions.iter().copied();
            actions.find(|&a| cluster[a].task == task && cluster[a].marks.required())
        })
    };
    for (task, done) in [(Task::Promote, Task::Promoted), (Task::Demote, Task::Demoted)] {
        let part = changes(cluster, task.clone());
        let first = around(cluster, clone, task.clone(), part, true);
        let complete = around(cluster, clone, done, part, true);
        cluster[complete].priority = COMPLETED;
        notify::create_pseudo(cluster, clone, first, complete, &task);
    }
    notify::order_tasks(cluster, clone, &Task::Stop, &Task::Promote);
    notify::order_tasks(cluster, clone, &Task::Start, &Task::Promote);
    notify::order_tasks(cluster, clone, &Task::Demote, &Task::Promote);
    notify::order_tasks(cluster, clone, &Task::Demote, &Task::Start);
    notify::order_tasks(cluster, clone, &Task::Demote, &Task::Stop);
}

/// An ordering that relates a clone and its instances.
fn tie(cluster: &mut Cluster, first: (RscIx, Task), then: (RscIx, Task), flags: OrderFlags) {
    order_tasks(cluster, OrderRule::Clone, first, then, flags);
}
