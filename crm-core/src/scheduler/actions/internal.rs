//! What a resource's own actions mean for each other (scheduler reference 3, section 11).

use crate::scheduler::model::{
    Cluster, Ground, Key, Marks, NodeIx, OrderFlags, OrderRule, OrderSide, PlacementStrategy, Role,
    RscIx, Task, Variant,
};

use super::fencing::fence_op;
use super::orderings::{order_by, order_tasks};
use super::request::node_action;
use super::{bundle, clone, group, probes, unfencing};

/// Internal orderings of a resource of any kind and of everything in it.
pub(super) fn order_resource(cluster: &mut Cluster, rsc: RscIx) {
    match &cluster[rsc].variant {
        Variant::Primitive => order_primitive(cluster, rsc),
        Variant::Group(_) => group::order_members(cluster, rsc),
        Variant::Clone(_) => clone::order_instances(cluster, rsc),
        Variant::Bundle(_) => bundle::order_replicas(cluster, rsc),
    }
}

/// Unmanaged primitives have no internal orderings.
fn order_primitive(cluster: &mut Cluster, rsc: RscIx) {
    if !cluster[rsc].managed {
        return;
    }
    let restart = OrderFlags::ORDER | OrderFlags::THEN_REQ | OrderFlags::RESTART;
    order_tasks(cluster, OrderRule::Restart, (rsc, Task::Stop), (rsc, Task::Start), restart);
    let top = cluster.top_of(rsc);
    if cluster[top].promotable || cluster[rsc].role > Role::Unpromoted {
        let flags = OrderFlags::PROMOTED_FIRST_REQ;
        order_tasks(cluster, OrderRule::Restart, (rsc, Task::Demote), (rsc, Task::Stop), flags);
        let flags = OrderFlags::FIRST_RUNNABLE;
        order_tasks(cluster, OrderRule::Restart, (rsc, Task::Start), (rsc, Task::Promote), flags);
    }
    let flags = OrderFlags::SAME_NODE | OrderFlags::THEN_CANCELS;
    order_tasks(cluster, OrderRule::Cleanup, (rsc, Task::LrmDelete), (rsc, Task::Monitor), flags);
    order_unfencing(cluster, rsc);
    order_load(cluster, rsc);
    order_container(cluster, rsc);
}

/// The nodes a resource may know, by name.
fn allowed_by_name(cluster: &Cluster, rsc: RscIx) -> Vec<NodeIx> {
    let allowed = |n: &NodeIx| cluster[rsc].allowed.get(*n).is_some();
    cluster.node_order.iter().copied().filter(allowed).collect()
}

/// A-119b: off a node before it is unfenced, on it after.
fn order_unfencing(cluster: &mut Cluster, rsc: RscIx) {
    let concerned = cluster.options.unfencing_in_use
        && !cluster[rsc].is_fence_device
        && unfencing::needs_unfencing(cluster, rsc);
    if !concerned {
        return;
    }
    for node in allowed_by_name(cluster, rsc) {
        let unfence = fence_op(cluster, node, Some("on"), true, None, false);
        let (stop, start) = (OrderSide::task(rsc, Task::Stop), OrderSide::task(rsc, Task::Start));
        let flags = OrderFlags::ORDER | OrderFlags::SAME_NODE;
        order_by(cluster, OrderRule::Unfencing, stop, OrderSide::Action(unfence), flags);
        let flags = OrderFlags::THEN_REQ_ON_NODE | OrderFlags::SAME_NODE;
        order_by(cluster, OrderRule::Unfencing, OrderSide::Action(unfence), start, flags);
    }
}

/// what leaves a node makes room before something else comes.
fn order_load(cluster: &mut Cluster, rsc: RscIx) {
    let ignored = cluster.options.placement == PlacementStrategy::Default;
    if ignored || cluster[rsc].utilization.is_empty() {
        return;
    }
    for node in cluster[rsc].active_on.clone() {
        let load = load_stopped(cluster, node);
        let stop = OrderSide::task(rsc, Task::Stop);
        order_by(cluster, OrderRule::Load, stop, OrderSide::Action(load), OrderFlags::LOAD);
    }
    for node in allowed_by_name(cluster, rsc) {
        let load = load_stopped(cluster, node);
        for task in [Task::Start, Task::MigrateTo] {
            let then = OrderSide::task(rsc, task);
            order_by(cluster, OrderRule::Load, OrderSide::Action(load), then, OrderFlags::LOAD);
        }
    }
}

fn load_stopped(cluster: &mut Cluster, node: NodeIx) -> crate::scheduler::model::ActionIx {
    let name = format!("load_stopped_{}", cluster[node].name);
    let key = Key::LoadStopped(node);
    let ix = node_action(cluster, key, Task::Other(name.into()), Some(node), false);
    cluster[ix].marks.set(Marks::PSEUDO | Marks::RUNNABLE);
    let ground = Ground::Setting("placement-strategy", "room is made before something comes");
    cluster.journal.needed(ix, ground);
    ix
}

/// a container and what is in it.
fn order_container(cluster: &mut Cluster, rsc: RscIx) {
    let Some(container) = cluster[rsc].container else { return };
    if cluster[rsc].is_remote_connection {
        let (first, then) = ((container, Task::Monitor), (rsc, Task::Stop));
        order_tasks(cluster, OrderRule::Container, first, then, OrderFlags::ORDER);
    } else if cluster[container].is_remote_connection || probes::contains_guest(cluster, container)
    {
        // Forced onto the guest node instead, by placement.
        return;
    }
    let flags = OrderFlags::THEN_REQ | OrderFlags::FIRST_RUNNABLE;
    order_tasks(cluster, OrderRule::Container, (container, Task::Start), (rsc, Task::Start), flags);
    order_tasks(
        cluster,
        OrderRule::Container,
        (rsc, Task::Stop),
        (container, Task::Stop),
        OrderFlags::FIRST_REQ,
    );
}
