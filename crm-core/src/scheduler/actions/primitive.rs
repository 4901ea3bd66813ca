//! A primitive's actions: from its current role and nodes to its next role and node
//! (scheduler reference 3, section 4).

use crate::scheduler::model::{
    Cluster, Fact, Ground, Key, Marks, MultipleActive, NodeIx, OrderFlags, OrderRule, Relation,
    Role, RscIx, Task,
};

use super::fencing::fence_op;
use super::orderings::link_by;
use super::request::{on_node, op, requires_fencing, with_key};
use super::{cleanup, migration, recurring, roles, unfencing};

/// What happens to a primitive while its steps are made.
#[derive(Clone, Copy)]
struct Course {
    /// Where it is now.
    current: Option<NodeIx>,
    /// It must be stopped, and started again if it goes on.
    stop: bool,
    /// It must be promoted anew.
    promote: bool,
    /// The node on which a multiply active resource is left alone while it is stopped elsewhere
    ///
    expected: Option<NodeIx>,
    /// It is stopped for running in too many places.
    unexpected: bool,
    /// Why it must be stopped or promoted anew.
    ground: Ground,
}

/// On how many nodes a resource is active: all, and those that are online and clean.
fn count_active(cluster: &Cluster, rsc: RscIx) -> (usize, usize) {
    let active = &cluster[rsc].active_on;
    let clean = |n: &&NodeIx| cluster[**n].online && !cluster[**n].unclean;
    (active.len(), active.iter().filter(clean).count())
}

/// All actions of a primitive.
pub(super) fn create(cluster: &mut Cluster, rsc: RscIx) {
    let assigned = cluster[rsc].assigned;
    if cluster[rsc].next_role == Role::Unknown {
        let next = if assigned.is_some() { Role::Started } else { Role::Stopped };
        cluster[rsc].next_role = next;
    }
    let current = cluster.current_node(rsc);
    let (all, clean) = count_active(cluster, rsc);
    for source in cluster[rsc].dangling.clone() {
        let stop = op(cluster, rsc, Task::Stop, 0, Some(source), false);
        cluster[stop].marks.set(Marks::DANGLE);
        cluster.journal.needed(stop, Ground::Resource(rsc, Fact::Dangling(source)));
        if cluster.options.remove_after_stop {
            let after = Ground::Action(stop, Relation::Rule(OrderRule::Cleanup));
            cleanup::schedule(cluster, rsc, source, false, after);
        }
    }
    let moving = current.is_some()
        && assigned.is_some()
        && current != assigned
        && cluster[rsc].next_role >= Role::Started;
    let mut migrate = moving && migration::is_possible(cluster, rsc, current);
    let mut course = Course {
        current,
        stop: moving,
        promote: false,
        expected: None,
        unexpected: false,
        ground: Ground::Resource(rsc, Fact::Course),
    };
    check_activity(cluster, rsc, (all, clean), &mut migrate, &mut course);
    if cluster[rsc].start_pending {
        let start = op(cluster, rsc, Task::Start, 0, assigned, true);
        cluster[start].marks.set(Marks::PRINT_ALWAYS);
        cluster.journal.shown(start, Ground::Resource(rsc, Fact::StartPending));
    }
    if !moving {
        check_recovery(cluster, rsc, &mut course);
    }
    restart_steps(cluster, rsc, course);
    let ground = Ground::Resource(rsc, Fact::Course);
    course = Course { expected: None, unexpected: false, ground, ..course };
    role_steps(cluster, rsc, course);
    recurring::create(cluster, rsc);
    if migrate {
        migration::create(cluster, rsc, current);
    }
}

/// unfinished migrations, and running in more than one place.
fn check_activity(
    cluster: &mut Cluster,
    rsc: RscIx,
    (all, clean): (usize, usize),
    migrate: &mut bool,
    course: &mut Course,
) {
    let r = &cluster[rsc];
    if let Some(partial) = r.partial_migration {
        let goes_on = *migrate
            && all == 2
            && course.current == Some(partial.source)
            && r.assigned == Some(partial.target);
        if !goes_on {
            course.stop = true;
            course.ground = Ground::Resource(rsc, Fact::PartialMigration);
            *migrate = false;
            cluster[rsc].partial_migration = None;
        }
        return;
    }
    let count = if requires_fencing(cluster, rsc) { all } else { clean };
    if count <= 1 {
        return;
    }
    course.ground = Ground::Resource(rsc, Fact::MultiplyActive);
    match r.multiple_active {
        MultipleActive::StopStart => course.stop = true,
        MultipleActive::StopUnexpected => {
            course.stop = true;
            course.unexpected = true;
            course.expected = r.assigned.filter(|_| r.next_role > Role::Stopped);
            cluster[rsc].stop_unexpected = true;
        }
        MultipleActive::StopOnly | MultipleActive::Block => {}
    }
}

/// what a failure means for a resource that stays where it is.
fn check_recovery(cluster: &mut Cluster, rsc: RscIx, course: &mut Course) {
    let r = &cluster[rsc];
    if r.failed {
        course.ground = Ground::Resource(rsc, Fact::Failed);
        if r.must_stop {
            course.stop = true;
        } else {
            course.promote = r.next_role == Role::Promoted;
        }
    } else if r.blocked {
        course.stop = true;
        course.ground = Ground::Resource(rsc, Fact::Blocked);
    } else if r.role > Role::Started && course.current.is_some() && r.assigned.is_some() {
        let assigned = r.assigned;
        let start = op(cluster, rsc, Task::Start, 0, assigned, true);
        if cluster[start].marks.required() {
            course.stop = true;
            course.ground = Ground::Action(start, Relation::Rule(OrderRule::Restart));
        }
    }
}

/// down to stopped and up to the current role, needed or not, so that others may enforce a
/// restart.
fn restart_steps(cluster: &mut Cluster, rsc: RscIx, course: Course) {
    let mut role = cluster[rsc].role;
    while role != Role::Stopped {
        let next = roles::step(role, Role::Stopped);
        let Some(task) = roles::task(role, next) else { break };
        apply(cluster, rsc, &task, course.current, !course.stop, course);
        role = next;
    }
    loop {
        let r = &cluster[rsc];
        if r.role > r.next_role || role == r.role || r.blocked {
            return;
        }
        let next = roles::step(role, r.role);
        let required = course.stop || (next == Role::Promoted && course.promote);
        let Some(task) = roles::task(role, next) else { return };
        apply(cluster, rsc, &task, r.assigned, !required, course);
        role = next;
    }
}

/// from the current role to the next.
fn role_steps(cluster: &mut Cluster, rsc: RscIx, course: Course) {
    let mut role = cluster[rsc].role;
    while role != cluster[rsc].next_role {
        let next = roles::step(role, cluster[rsc].next_role);
        let Some(task) = roles::task(role, next) else { return };
        let assigned = cluster[rsc].assigned;
        apply(cluster, rsc, &task, assigned, false, course);
        role = next;
    }
}

fn apply(
    cluster: &mut Cluster,
    rsc: RscIx,
    task: &Task,
    node: Option<NodeIx>,
    optional: bool,
    course: Course,
) {
    match (task, node) {
        (Task::Stop, _) => stop(cluster, rsc, optional, course),
        (Task::Demote, _) => demote(cluster, rsc, optional, course),
        (Task::Start, Some(node)) => start(cluster, rsc, node, optional, course),
        (Task::Promote, Some(node)) => promote(cluster, rsc, node, optional, course),
        _ => {}
    }
}

/// a stop on each current node.
fn stop(cluster: &mut Cluster, rsc: RscIx, optional: bool, course: Course) {
    let (mut optional, mut ground) = (optional, course.ground);
    for node in cluster[rsc].active_on.clone() {
        if course.expected == Some(node) {
            continue;
        }
        if let Some(partial) = cluster[rsc].partial_migration {
            if partial.target == node && cluster[rsc].assigned == Some(node) {
                continue;
            }
            optional = false;
            ground = Ground::Resource(rsc, Fact::PartialMigration);
        }
        let stop = op(cluster, rsc, Task::Stop, 0, Some(node), optional);
        if !optional {
            cluster.journal.needed(stop, ground);
        }
        if cluster[rsc].assigned.is_none() {
            cluster[stop].set_reason("node availability", true);
        } else if course.unexpected {
            cluster[stop].set_reason("being multiply active", true);
        }
        if !cluster[rsc].managed {
            cluster[stop].marks.clear(Marks::RUNNABLE);
            cluster.journal.held(stop, Ground::Resource(rsc, Fact::Blocked));
        }
        if cluster.options.remove_after_stop {
            let after = Ground::Action(stop, Relation::Rule(OrderRule::Cleanup));
            cleanup::schedule(cluster, rsc, node, optional, after);
        }
        if unfencing::needs_unfencing(cluster, rsc) {
            let unfence = fence_op(cluster, node, Some("on"), true, None, false);
            link_by(cluster, OrderRule::Unfencing, stop, unfence, OrderFlags::FIRST_REQ);
        }
    }
}

/// a start that cannot be done stays optional.
fn start(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, optional: bool, course: Course) {
    let start = op(cluster, rsc, Task::Start, 0, Some(node), true);
    unfencing::order_after(cluster, rsc, node, start, OrderFlags::THEN_REQ);
    if cluster[start].marks.runnable() && !optional {
        cluster[start].marks.clear(Marks::OPTIONAL);
        cluster.journal.needed(start, course.ground);
    }
    if course.expected == Some(node) {
        cluster[start].marks.set(Marks::PSEUDO);
    }
}

/// a promote needs runnable starts.
fn promote(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, optional: bool, course: Course) {
    let start_key = Key::once(Task::Start);
    let startable = with_key(cluster, rsc, &start_key)
        .filter(|&a| cluster[a].node == Some(node))
        .all(|a| cluster[a].marks.runnable());
    if startable {
        let promote = op(cluster, rsc, Task::Promote, 0, Some(node), optional);
        if !optional {
            cluster.journal.needed(promote, course.ground);
        }
        if course.expected == Some(node) {
            cluster[promote].marks.set(Marks::PSEUDO);
        }
    } else if let Some(promote) = on_node(cluster, rsc, &Key::once(Task::Promote), node) {
        cluster[promote].marks.clear(Marks::RUNNABLE);
        cluster.journal.held(promote, Ground::Resource(rsc, Fact::Course));
    }
}

/// a demote on each current node.
fn demote(cluster: &mut Cluster, rsc: RscIx, optional: bool, course: Course) {
    for node in cluster[rsc].active_on.clone() {
        if course.expected != Some(node) {
            let demote = op(cluster, rsc, Task::Demote, 0, Some(node), optional);
            if !optional {
                cluster.journal.needed(demote, course.ground);
            }
        }
    }
}

/// placement found no node. What was asked for already follows.
pub fn unassigned(cluster: &mut Cluster, rsc: RscIx) {
    for ix in cluster[rsc].actions.clone() {
        let not_running = cluster[ix].meta("op_target_rc") == Some("7");
        let recurs = cluster[ix].interval() > 0;
        let ground = Ground::Resource(rsc, Fact::Course);
        match cluster[ix].task {
            Task::Stop => {
                cluster[ix].marks.clear(Marks::OPTIONAL);
                cluster.journal.needed(ix, ground);
            }
            Task::Start => {
                cluster[ix].marks.clear(Marks::RUNNABLE);
                cluster.journal.held(ix, ground);
            }
            _ if recurs && !not_running => {
                cluster[ix].marks.clear(Marks::RUNNABLE);
                cluster.journal.held(ix, ground);
            }
            _ => {}
        }
    }
}
