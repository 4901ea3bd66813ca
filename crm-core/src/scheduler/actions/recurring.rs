//! Recurring operations: scheduled where the role asks for them, cancelled where it does not
//! (scheduler reference 3, section 8).

use crate::scheduler::model::{
    ActionIx, Cluster, Fact, Ground, Key, Marks, NodeFact, NodeIx, OrderFlags, OrderRule,
    OrderSide, Relation, Role, RscIx, Severity, Task,
};

use super::orderings::{link_by, order_by};
use super::request::{adopt_on_node, on_node, op, request, with_key};

/// A configured recurring operation that counts.
struct Recurring {
    task: Task,
    interval: u32,
    role: Role,
    /// Its position among the operations of the resource.
    at: u32,
}

impl Recurring {
    fn key(&self) -> Key {
        Key::Op(self.task.clone(), self.interval)
    }
}

/// All recurring actions of a primitive.
pub(super) fn create(cluster: &mut Cluster, rsc: RscIx) {
    let r = &cluster[rsc];
    if r.blocked || r.maintenance {
        return;
    }
    let recurring = configured(cluster, rsc);
    let r = &cluster[rsc];
    let wanted = r.next_role != Role::Stopped || !r.managed;
    let active = r.assigned.filter(|&n| wanted && !cluster[n].maintenance);
    let start = active.map(|node| (node, op(cluster, rsc, Task::Start, 0, Some(node), true)));
    for operation in recurring {
        if operation.role == Role::Stopped {
            while_stopped(cluster, rsc, &operation);
        } else if let Some((node, start)) = start {
            while_active(cluster, rsc, &operation, node, start);
        }
    }
}

/// The operations that recur, in document order; what is wrong with the others is reported.
fn configured(cluster: &mut Cluster, rsc: RscIx) -> Vec<Recurring> {
    let ops = cluster[rsc].ops.clone();
    let mut found = Vec::new();
    for (at, candidate) in (0..).zip(ops.iter()).filter(|(_, o)| o.interval > 0) {
        let same = |o: &&crate::scheduler::model::OpDef| {
            o.name == candidate.name && o.interval == candidate.interval
        };
        if ops.iter().filter(same).count() > 1 {
            let text = format!(
                "Operation {} is a duplicate of another operation of {} with the same name and \
                 interval",
                candidate.id, cluster[rsc].id
            );
            cluster.say(Severity::ConfigError, text);
            continue;
        }
        let never = matches!(
            candidate.name,
            Task::Start
                | Task::Stop
                | Task::Promote
                | Task::Demote
                | Task::Reload
                | Task::MigrateTo
                | Task::MigrateFrom
        );
        if never {
            let text = format!(
                "Ignoring {} because {} action cannot be recurring",
                candidate.id, candidate.name
            );
            cluster.say(Severity::ConfigError, text);
        } else if candidate.enabled {
            found.push(Recurring {
                task: candidate.name.clone(),
                interval: candidate.interval,
                role: candidate.role.unwrap_or(Role::Unknown),
                at,
            });
        }
    }
    found
}

/// True if the operation runs on the node already and may go on.
fn goes_on(cluster: &Cluster, rsc: RscIx, key: &Key, node: NodeIx, start: ActionIx) -> bool {
    let mut there =
        with_key(cluster, rsc, key).filter(|&a| cluster[a].node == Some(node)).peekable();
    cluster[start].marks.optional()
        && there.peek().is_some()
        && there.all(|a| !cluster[a].marks.has(Marks::RESCHEDULE))
}

/// an operation for a role in which the resource is active.
fn while_active(
    cluster: &mut Cluster,
    rsc: RscIx,
    operation: &Recurring,
    node: NodeIx,
    start: ActionIx,
) {
    let key = operation.key();
    let running = goes_on(cluster, rsc, &key, node, start);
    let (role, next_role) = (cluster[rsc].role, cluster[rsc].next_role);
    let fits = match operation.role {
        Role::Unknown => next_role != Role::Promoted,
        role => next_role == role,
    };
    if !fits {
        if running {
            cancel_for_role(cluster, rsc, operation, node);
        }
        return;
    }
    let action = op(cluster, rsc, operation.task.clone(), operation.interval, Some(node), running);
    if !running {
        cluster.journal.needed(action, Ground::Recurs(rsc, operation.at));
    }
    let unusable = !cluster[node].online || cluster[node].unclean;
    if !cluster[start].marks.runnable() || unusable {
        cluster[action].marks.clear(Marks::RUNNABLE);
        let start = Ground::Action(start, Relation::Rule(OrderRule::Recurring));
        let gone = Ground::Node(node, NodeFact::Unavailable);
        cluster.journal.held(action, if unusable { gone } else { start });
    }
    if next_role == Role::Promoted {
        cluster[action].set_meta("op_target_rc", "8");
    }
    if !cluster[rsc].managed {
        return;
    }
    let implied = OrderFlags::THEN_REQ | OrderFlags::FIRST_RUNNABLE;
    let weak = OrderFlags::ORDER | OrderFlags::FIRST_RUNNABLE;
    let mut after = vec![(Task::Start, implied), (Task::Reload, implied)];
    if next_role == Role::Promoted {
        after.push((Task::Promote, weak));
    } else if role == Role::Promoted {
        after.push((Task::Demote, weak));
    }
    for (task, flags) in after {
        order_by(
            cluster,
            OrderRule::Recurring,
            OrderSide::task(rsc, task),
            OrderSide::Action(action),
            flags,
        );
    }
}

/// the role changes, the operation of the old one ends.
fn cancel_for_role(cluster: &mut Cluster, rsc: RscIx, operation: &Recurring, node: NodeIx) {
    let cancel = cancel(cluster, rsc, operation.task.clone(), operation.interval, node);
    cluster.journal.needed(cancel, Ground::Resource(rsc, Fact::Course));
    let r = &cluster[rsc];
    let then = match (r.role, r.next_role) {
        (Role::Started | Role::Unpromoted, Role::Promoted) => Some(Task::Promote),
        (Role::Started | Role::Unpromoted, Role::Stopped) => Some(Task::Stop),
        (Role::Promoted, _) => Some(Task::Demote),
        _ => None,
    };
    if let Some(then) = then {
        let then = OrderSide::task(rsc, then);
        order_by(
            cluster,
            OrderRule::Recurring,
            OrderSide::Action(cancel),
            then,
            OrderFlags::FIRST_RUNNABLE,
        );
    }
}

/// an operation that watches over the resource staying stopped elsewhere.
fn while_stopped(cluster: &mut Cluster, rsc: RscIx, operation: &Recurring) {
    if !cluster[rsc].unique {
        return;
    }
    let key = operation.key();
    for node in cluster.node_order.clone() {
        let there = on_node(cluster, rsc, &key, node).is_some();
        if cluster[rsc].assigned == Some(node) {
            if there {
                cancel_before_start(cluster, rsc, operation, node);
            }
            continue;
        }
        let (task, interval) = (operation.task.clone(), operation.interval);
        let action = op(cluster, rsc, task, interval, Some(node), there);
        cluster[action].set_meta("op_target_rc", "7");
        if !there {
            cluster.journal.needed(action, Ground::Recurs(rsc, operation.at));
        }
        if cluster[rsc].managed {
            for probe in adopt_on_node(cluster, rsc, &Key::once(Task::Monitor), node) {
                link_by(cluster, OrderRule::Recurring, probe, action, OrderFlags::FIRST_RUNNABLE);
            }
        }
        after_stops(cluster, rsc, node, action);
        if !cluster[node].online || cluster[node].unclean {
            cluster[action].marks.clear(Marks::RUNNABLE);
            cluster.journal.held(action, Ground::Node(node, NodeFact::Unavailable));
        }
    }
}

fn cancel_before_start(cluster: &mut Cluster, rsc: RscIx, operation: &Recurring, node: NodeIx) {
    let cancel = cancel(cluster, rsc, operation.task.clone(), operation.interval, node);
    cluster.journal.needed(cancel, Ground::Resource(rsc, Fact::Course));
    if matches!(cluster[rsc].next_role, Role::Started | Role::Unpromoted) {
        let then = OrderSide::task(rsc, Task::Start);
        order_by(
            cluster,
            OrderRule::Recurring,
            OrderSide::Action(cancel),
            then,
            OrderFlags::FIRST_RUNNABLE,
        );
    }
}

fn after_stops(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, action: ActionIx) {
    let key = Key::once(Task::Stop);
    let stops: Vec<_> =
        with_key(cluster, rsc, &key).filter(|&a| cluster[a].node == Some(node)).collect();
    let managed = cluster[rsc].managed;
    for stop in stops {
        let marks = cluster[stop].marks;
        if marks.required() && cluster[action].marks.required() && !managed {
            cluster[action].marks.set(Marks::OPTIONAL);
            cluster.journal.not_needed(action);
        }
        if !marks.runnable() {
            cluster[action].marks.clear(Marks::RUNNABLE);
            let ground = Ground::Action(stop, Relation::Rule(OrderRule::Recurring));
            cluster.journal.held(action, ground);
        }
        if managed {
            let flags = OrderFlags::THEN_REQ | OrderFlags::FIRST_RUNNABLE;
            order_by(
                cluster,
                OrderRule::Recurring,
                OrderSide::Action(stop),
                OrderSide::Action(action),
                flags,
            );
        }
    }
}

/// ends a recurring operation. The action that stands for the running one is converted.
pub(super) fn cancel(
    cluster: &mut Cluster,
    rsc: RscIx,
    task: Task,
    interval: u32,
    node: NodeIx,
) -> ActionIx {
    let key = Key::Op(task.clone(), interval);
    let ix = request(cluster, rsc, key, Task::Cancel, Some(node), false);
    let action = &mut cluster[ix];
    action.task = Task::Cancel;
    action.add_meta("operation", task.as_str());
    action.add_meta("interval", interval.to_string());
    ix
}
