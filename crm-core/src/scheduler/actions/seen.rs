//! The marks of a collective's action, as its parts make them.

use crate::scheduler::model::{
    ActionIx, Cluster, Fact, Ground, Key, Marks, NodeIx, OrderRule, Relation, RscIx, Task, Variant,
};

use super::request::first_of_task;

/// A completed form as the task that it completes; other tasks as they are.
pub(super) fn basic(task: &Task) -> Task {
    match task {
        Task::Running => Task::Start,
        Task::Stopped => Task::Stop,
        Task::Promoted => Task::Promote,
        Task::Demoted => Task::Demote,
        other => other.clone(),
    }
}

/// True for tasks of collectives that the reference relates to those of their parts. It has no
/// number for the others (moving above all), and finds no part that does them.
fn is_shared(task: &Task) -> bool {
    matches!(
        task,
        Task::Start
            | Task::Running
            | Task::Stop
            | Task::Stopped
            | Task::Promote
            | Task::Promoted
            | Task::Demote
            | Task::Demoted
            | Task::Monitor
            | Task::Notify
            | Task::Notified
            | Task::Fence
            | Task::Shutdown
    )
}

/// Changes that seeing makes: marks that are written back to the collective's own action, and the
/// part's action that they come from.
pub(super) type WrittenBack = Vec<(ActionIx, Marks, Option<ActionIx>)>;

/// The marks of an action as an ordering sees it from a place.
pub(super) fn for_ordering(
    cluster: &Cluster,
    ix: ActionIx,
    node: Option<NodeIx>,
    back: &mut WrittenBack,
) -> Marks {
    let Some(rsc) = cluster[ix].rsc else { return cluster[ix].marks };
    let everywhere = marks(cluster, ix, None, back);
    if node.is_none() || cluster[rsc].clone_data().is_none() {
        return everywhere;
    }
    let mut there = marks(cluster, ix, node, back);
    if everywhere.runnable() {
        there.set(Marks::RUNNABLE);
    }
    there
}

/// The marks of an action: its own for a primitive's, its parts' for a collective's.
pub(super) fn marks(
    cluster: &Cluster,
    ix: ActionIx,
    node: Option<NodeIx>,
    back: &mut WrittenBack,
) -> Marks {
    let action = &cluster[ix];
    let Some(rsc) = action.rsc else { return action.marks };
    match &cluster[rsc].variant {
        Variant::Primitive => action.marks,
        Variant::Group(_) => group(cluster, ix, rsc, node, back),
        Variant::Clone(_) => parts(cluster, ix, &cluster[rsc].children, node, back),
        Variant::Bundle(bundle) => {
            let inner = bundle.clone.filter(|_| {
                matches!(
                    action.task,
                    Task::Promote
                        | Task::Promoted
                        | Task::Demote
                        | Task::Demoted
                        | Task::Notify
                        | Task::Notified
                )
            });
            match inner {
                Some(inner) => parts(cluster, ix, &cluster[inner].children, node, back),
                None => {
                    let containers: Vec<_> = bundle.replicas.iter().map(|r| r.container).collect();
                    parts(cluster, ix, &containers, node, back)
                }
            }
        }
    }
}

/// Whether no instance of a clone has to do what the clone's action is about, on whatever node. If
/// any of them can do it, the action then looks from each node as it does from nowhere.
/// Never said of clones of groups.
pub(super) fn is_even(cluster: &Cluster, ix: ActionIx) -> bool {
    let Some(rsc) = cluster[ix].rsc else { return false };
    let instances = &cluster[rsc].children;
    let task = part_task(cluster, ix, instances.first().copied());
    let rests = |part: ActionIx| cluster[part].task != task || cluster[part].marks.optional();
    instances.iter().all(|&instance| {
        let instance = &cluster[instance];
        instance.is_primitive() && instance.actions.iter().all(|&part| rests(part))
    })
}

fn group(
    cluster: &Cluster,
    ix: ActionIx,
    rsc: RscIx,
    node: Option<NodeIx>,
    back: &mut WrittenBack,
) -> Marks {
    let task = &cluster[ix].task;
    let mut seen = Marks::OPTIONAL | Marks::RUNNABLE | Marks::PSEUDO;
    for &member in &cluster[rsc].children {
        let wanted = basic(task);
        let part = first_of_task(cluster, member, &wanted, node).filter(|_| is_shared(task));
        match part {
            Some(part) => {
                let marks = cluster[part].marks;
                if seen.optional() && marks.required() {
                    seen.clear(Marks::OPTIONAL);
                    back.push((ix, Marks::OPTIONAL, Some(part)));
                }
                if wanted != *task && seen.runnable() && !marks.runnable() {
                    seen.clear(Marks::RUNNABLE);
                    back.push((ix, Marks::RUNNABLE, Some(part)));
                }
            }
            None if !matches!(wanted, Task::Stop | Task::Demote) => seen.clear(Marks::RUNNABLE),
            None => {}
        }
    }
    seen
}

/// The task of the instances that a collective's action is about.
fn part_task(cluster: &Cluster, ix: ActionIx, first_part: Option<RscIx>) -> Task {
    let task = match &cluster[ix].key {
        Key::Notify(_, about) => about,
        _ => &cluster[ix].task,
    };
    match first_part {
        Some(part) if cluster[part].is_primitive() => basic(task),
        _ => task.clone(),
    }
}

fn parts(
    cluster: &Cluster,
    ix: ActionIx,
    instances: &[RscIx],
    node: Option<NodeIx>,
    back: &mut WrittenBack,
) -> Marks {
    let task = part_task(cluster, ix, instances.first().copied());
    let mut seen = Marks::OPTIONAL | Marks::RUNNABLE | Marks::PSEUDO;
    let (mut any_runnable, mut last) = (false, None);
    for &instance in instances {
        let place = node.filter(|_| cluster[instance].children.is_empty());
        let part = first_of_task(cluster, instance, &task, place).filter(|_| is_shared(&task));
        let Some(part) = part else { continue };
        let marks = marks(cluster, part, node, back);
        if seen.optional() && marks.required() {
            seen.clear(Marks::OPTIONAL);
            back.push((ix, Marks::OPTIONAL, Some(part)));
        }
        any_runnable |= marks.runnable();
        last = Some(part);
    }
    if !any_runnable {
        seen.clear(Marks::RUNNABLE);
        if node.is_none() {
            back.push((ix, Marks::RUNNABLE, last));
        }
    }
    seen
}

/// Makes the changes; `changed` hears of each.
pub(super) fn write_back(
    cluster: &mut Cluster,
    back: WrittenBack,
    mut changed: impl FnMut(ActionIx),
) {
    for (ix, mark, part) in back {
        if !cluster[ix].marks.has(mark) {
            continue;
        }
        cluster[ix].marks.clear(mark);
        let ground = match (part, cluster[ix].rsc) {
            (Some(part), _) => Ground::Action(part, part_rule(cluster, ix)),
            (None, Some(rsc)) => Ground::Resource(rsc, Fact::Course),
            (None, None) => continue,
        };
        if mark == Marks::OPTIONAL {
            cluster.journal.needed(ix, ground);
        } else {
            cluster.journal.held(ix, ground);
        }
        changed(ix);
    }
}

/// How a collective's action relates to those of its parts.
pub(super) fn part_rule(cluster: &Cluster, ix: ActionIx) -> Relation {
    Relation::Rule(match cluster[ix].rsc.map(|r| &cluster[r].variant) {
        Some(Variant::Group(_)) => OrderRule::Group,
        Some(Variant::Bundle(_)) => OrderRule::Bundle,
        Some(Variant::Clone(_) | Variant::Primitive) | None => OrderRule::Clone,
    })
}
