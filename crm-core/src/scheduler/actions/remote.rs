//! Remote and guest nodes: actions there need the connection, and where it is reached
//! (scheduler reference 3, section 10).

use crate::scheduler::model::{
    ActionIx, Cluster, Fact, Ground, NodeIx, OrderFlags, OrderRule, OrderSide, Role, RscIx, Task,
};

use super::fencing::mark_for_fencing;
use super::orderings::order_by;

/// What the connection to a remote node is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Connection {
    /// Nothing is known.
    Unknown,
    /// Up.
    Alive,
    /// Its node is gone, it will be up elsewhere.
    Resting,
    /// It will be closed.
    Stopped,
    /// It cannot be used.
    Failed,
}

///
pub(super) fn connection_state(cluster: &Cluster, node: NodeIx) -> Connection {
    let Some(connection) = cluster[node].connection else { return Connection::Unknown };
    let r = &cluster[connection];
    let current = cluster.current_node(connection);
    if r.next_role == Role::Stopped || r.assigned.is_none() {
        if current.is_some_and(|c| cluster[c].unclean) {
            return Connection::Failed;
        }
        if !r.failed {
            return Connection::Stopped;
        }
        let guest = &cluster[node];
        let reconnects = r.next_role == Role::Stopped && r.reconnect_interval > 0;
        let leaves = guest.attr("shutdown").is_some_and(|time| time != "0");
        if reconnects && guest.remote_was_fenced && !leaves {
            return Connection::Unknown;
        }
        return Connection::Failed;
    }
    let Some(current) = current else { return Connection::Unknown };
    if cluster[current].unclean || !cluster[current].online {
        return Connection::Resting;
    }
    if r.active_on.len() > 1 && r.partial_migration.is_some() {
        return Connection::Resting;
    }
    Connection::Alive
}

/// Phase 8: what runs on a remote or guest node runs while the connection is up.
pub(super) fn order_actions(cluster: &mut Cluster) {
    if !cluster.has_remote_nodes() {
        return;
    }
    for ix in (0..cluster.actions.len()).rev().map(ActionIx::next) {
        let action = &cluster[ix];
        let Some(rsc) = action.rsc else { continue };
        let r = &cluster[rsc];
        if r.is_remote_connection && action.task == Task::ClearFailcount {
            let start = OrderSide::task(rsc, Task::Start);
            order_by(
                cluster,
                OrderRule::FailCount,
                OrderSide::Action(ix),
                start,
                OrderFlags::ORDER,
            );
            continue;
        }
        let Some(node) = action.node.filter(|&n| cluster[n].is_remote()) else { continue };
        let Some(connection) = cluster[node].connection else { continue };
        if action.marks.pseudo() {
            continue;
        }
        if action.task == Task::Start {
            keep_until_connected(cluster, rsc, node, connection);
        }
        if cluster[connection].container.is_some() {
            order_on_guest(cluster, ix, node, connection);
        } else {
            order_on_remote(cluster, ix, node, connection);
        }
    }
}

/// a resource that moves to a remote node stays until the connection is up.
fn keep_until_connected(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, connection: RscIx) {
    for i in (0..cluster[rsc].actions.len()).rev() {
        let stop = cluster[rsc].actions[i];
        let elsewhere = cluster[stop].node != Some(node);
        if elsewhere && cluster[stop].task == Task::Stop {
            let start = OrderSide::task(connection, Task::Start);
            order_by(cluster, OrderRule::Remote, start, OrderSide::Action(stop), OrderFlags::ORDER);
        }
    }
}

fn after_start(cluster: &mut Cluster, rsc: RscIx, then: ActionIx, extra: OrderFlags) {
    let flags = OrderFlags::INTERNAL | OrderFlags::FIRST_RUNNABLE | extra;
    order_by(
        cluster,
        OrderRule::Remote,
        OrderSide::task(rsc, Task::Start),
        OrderSide::Action(then),
        flags,
    );
}

fn before_stop(cluster: &mut Cluster, first: ActionIx, rsc: RscIx, extra: OrderFlags) {
    let flags = OrderFlags::INTERNAL | extra;
    order_by(
        cluster,
        OrderRule::Remote,
        OrderSide::Action(first),
        OrderSide::task(rsc, Task::Stop),
        flags,
    );
}

///
fn order_on_remote(cluster: &mut Cluster, ix: ActionIx, node: NodeIx, connection: RscIx) {
    let state = connection_state(cluster, node);
    let failed_ground = Ground::Resource(connection, Fact::Failed);
    let goes_down = cluster[connection].next_role == Role::Stopped;
    match cluster[ix].task.clone() {
        Task::Start | Task::Promote => {
            let failed = state == Connection::Failed;
            let extra = if failed { OrderFlags::THEN_REQ } else { OrderFlags::NONE };
            after_start(cluster, connection, ix, extra);
        }
        Task::Stop | Task::MigrateTo | Task::MigrateFrom => match state {
            Connection::Failed => {
                let reason = "resources are active but connection is unrecoverable";
                mark_for_fencing(cluster, node, failed_ground, reason, false);
            }
            Connection::Alive => before_stop(cluster, ix, connection, OrderFlags::FIRST_REQ),
            _ if goes_down => before_stop(cluster, ix, connection, OrderFlags::FIRST_REQ),
            _ => after_start(cluster, connection, ix, OrderFlags::NONE),
        },
        Task::Demote => {
            if matches!(state, Connection::Resting | Connection::Unknown) {
                after_start(cluster, connection, ix, OrderFlags::NONE);
            }
        }
        _ if cluster[ix].interval() > 0 => {
            after_start(cluster, connection, ix, OrderFlags::THEN_REQ);
        }
        task => {
            if task == Task::Monitor && state == Connection::Failed {
                let reason = "resources are in unknown state and connection is unrecoverable";
                mark_for_fencing(cluster, node, failed_ground, reason, false);
            }
            let current = cluster.current_node(connection);
            if state == Connection::Stopped && current.is_some() {
                before_stop(cluster, ix, connection, OrderFlags::FIRST_RUNNABLE);
            } else {
                after_start(cluster, connection, ix, OrderFlags::NONE);
            }
        }
    }
}

///
fn order_on_guest(cluster: &mut Cluster, ix: ActionIx, node: NodeIx, connection: RscIx) {
    let Some(container) = cluster[connection].container else { return };
    let failed = cluster[container].failed;
    if failed {
        let ground = Ground::Resource(container, Fact::Failed);
        mark_for_fencing(cluster, node, ground, "container failed", false);
    }
    match cluster[ix].task {
        Task::Start | Task::Promote => {
            after_start(cluster, container, ix, OrderFlags::THEN_REQ);
            after_start(cluster, connection, ix, OrderFlags::NONE);
        }
        Task::Stop | Task::Demote | Task::MigrateTo | Task::MigrateFrom => {
            if !failed {
                before_stop(cluster, ix, connection, OrderFlags::NONE);
            }
        }
        _ if cluster[ix].interval() > 0 => {
            if cluster[ix].task != Task::Cancel {
                after_start(cluster, connection, ix, OrderFlags::THEN_REQ);
            }
        }
        _ => after_start(cluster, connection, ix, OrderFlags::NONE),
    }
}

/// The cluster node through which an action on a remote or guest node goes.
pub(super) fn router(cluster: &Cluster, ix: ActionIx) -> Option<NodeIx> {
    let action = &cluster[ix];
    let node = action.node.filter(|&n| cluster[n].is_remote())?;
    if action.task == Task::Fence {
        return None;
    }
    let connection = cluster[node].connection?;
    let before = cluster.current_node(connection);
    let after = cluster[connection].assigned;
    let (Some(before), Some(after)) = (before, after) else { return before.or(after) };
    if before == after {
        return Some(before);
    }
    let task = if action.task == Task::Notify {
        action.meta("notify_operation").map_or(Task::Notify, Task::parse)
    } else {
        action.task.clone()
    };
    let partial = cluster[connection].partial_migration.is_some();
    let guest = cluster.is_guest(node);
    let early = matches!(
        task,
        Task::Cancel | Task::Stop | Task::Demote | Task::MigrateFrom | Task::MigrateTo
    );
    // A connection that is already half moved is used where it will be.
    Some(if early && (guest || !partial) { before } else { after })
}
