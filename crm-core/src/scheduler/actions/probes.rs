//! Probes: finding out what runs where nothing is known (scheduler reference 3, section 7).

use crate::scalar::is_true;
use crate::scheduler::model::{
    ActionIx, Cluster, Discovery, Fact, Ground, Key, Marks, NodeIx, OrderFlags, OrderRule,
    OrderSide, Remark, Role, RscIx, Task, Variant,
};

use super::fencing::mark_for_fencing;
use super::history::has_failed;
use super::orderings::{order_by, order_tasks};
use super::remote::{Connection, connection_state};
use super::request::{clear_failcount, node_action, on_node, op};
use super::unfencing;

/// All probes.
pub(super) fn create(cluster: &mut Cluster) {
    if !cluster.options.startup_probes {
        return;
    }
    for node in cluster.node_order.clone() {
        let state = &cluster[node];
        if !state.online {
            let connection = state.connection.filter(|_| cluster.is_plain_remote(node));
            if let Some(connection) = connection
                && connection_state(cluster, node) == Connection::Failed
            {
                let ground = Ground::Resource(connection, Fact::Failed);
                let reason = "the connection is unrecoverable";
                mark_for_fencing(cluster, node, ground, reason, false);
            }
            continue;
        }
        if state.unclean || !state.discovery_enabled {
            continue;
        }
        if state.attr("probe_complete").is_some_and(|v| !is_true(Some(v))) {
            let name = format!("probe_again-{}", state.name);
            let task = Task::Other("probe_again".into());
            let again = node_action(cluster, Key::Named(name.into()), task, Some(node), false);
            cluster[again].add_meta("op_no_wait", "true");
            cluster.journal.needed(again, Ground::Attribute(node, "probe_complete"));
            continue;
        }
        for top in cluster.top.clone() {
            probe(cluster, top, node);
        }
    }
}

/// Probes a resource of any kind on a node. True if a probe was made.
fn probe(cluster: &mut Cluster, rsc: RscIx, node: NodeIx) -> bool {
    match &cluster[rsc].variant {
        Variant::Primitive => probe_primitive(cluster, rsc, node),
        Variant::Group(_) => {
            !excluded(cluster, rsc, node) && probe_all(cluster, cluster[rsc].children.clone(), node)
        }
        Variant::Clone(_) => probe_clone(cluster, rsc, node),
        Variant::Bundle(_) => {
            probe_bundle(cluster, rsc, node);
            false
        }
    }
}

fn probe_all(cluster: &mut Cluster, list: Vec<RscIx>, node: NodeIx) -> bool {
    let mut any = false;
    for rsc in list {
        any |= probe(cluster, rsc, node);
    }
    any
}

/// Rows 2 to 4 of A-72: what never runs on remote and guest nodes.
fn excluded(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> bool {
    let r = &cluster[rsc];
    cluster[node].is_remote()
        && (r.is_fence_device
            || r.is_remote_connection
            || (cluster.is_guest(node) && contains_guest(cluster, rsc)))
}

/// True if the resource is a guest node's container.
pub(super) fn contains_guest(cluster: &Cluster, rsc: RscIx) -> bool {
    cluster.has_remote_nodes()
        && cluster[rsc].fillers.iter().any(|&f| cluster[f].is_remote_connection)
}

/// one instance of an anonymous clone stands for all.
fn probe_clone(cluster: &mut Cluster, rsc: RscIx, node: NodeIx) -> bool {
    super::clone::sort_instances(cluster, rsc);
    if cluster[rsc].exclusive_discovery {
        let outside = |d: Discovery| d != Discovery::Exclusive;
        if cluster[rsc].allowed.get(node).is_some_and(|e| outside(e.discovery)) {
            cluster[rsc].allowed.remove(node);
            return false;
        }
    }
    let children = cluster[rsc].children.clone();
    if cluster[rsc].unique {
        return probe_all(cluster, children, node);
    }
    let known = children.iter().find(|&&c| is_known(cluster, c, node));
    let here = || children.iter().find(|&&c| assigned_node(cluster, c) == Some(node));
    match known.or_else(here).or_else(|| children.first()).copied() {
        Some(instance) => probe(cluster, instance, node),
        None => false,
    }
}

/// Known on the node, itself or any descendant.
fn is_known(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> bool {
    let r = &cluster[rsc];
    r.known_on.contains(&node) || r.children.iter().any(|&c| is_known(cluster, c, node))
}

/// The one node a primitive or a group instance is assigned to.
pub(super) fn assigned_node(cluster: &Cluster, rsc: RscIx) -> Option<NodeIx> {
    let r = &cluster[rsc];
    if r.is_primitive() {
        return r.assigned;
    }
    let mut nodes = r.children.iter().filter_map(|&c| assigned_node(cluster, c));
    let first = nodes.next()?;
    nodes.all(|n| n == first).then_some(first)
}

/// per replica, with the orders that keep containers and connections apart.
fn probe_bundle(cluster: &mut Cluster, rsc: RscIx, node: NodeIx) {
    let Some(bundle) = cluster[rsc].bundle_data() else { return };
    let (replicas, per_host) = (bundle.replicas.clone(), bundle.per_host);
    for replica in &replicas {
        if let Some(ip) = replica.ip {
            probe(cluster, ip, node);
        }
        if let Some(child) = replica.child.filter(|_| replica.node == Some(node)) {
            probe(cluster, child, node);
        }
        if probe(cluster, replica.container, node) && per_host == 1 {
            let first = (replica.container, Task::Monitor);
            for other in replicas.iter().filter(|o| o.number != replica.number) {
                let flags = OrderFlags::ORDER | OrderFlags::SAME_NODE;
                order_tasks(
                    cluster,
                    OrderRule::Probe,
                    first.clone(),
                    (other.container, Task::Start),
                    flags,
                );
            }
        }
        let Some(connection) = replica.connection else { continue };
        if probe(cluster, connection, node) {
            let key = Key::once(Task::Monitor);
            if let Some(probe) = on_node(cluster, connection, &key, node) {
                let first = OrderSide::task(replica.container, Task::Start);
                let then = OrderSide::Action(probe);
                order_by(cluster, OrderRule::Probe, first, then, OrderFlags::PROBE_RUN);
            }
        }
    }
}

///
fn probe_primitive(cluster: &mut Cluster, rsc: RscIx, node: NodeIx) -> bool {
    let top = cluster.top_of(rsc);
    if excluded(cluster, rsc, node) || !is_wanted(cluster, rsc, top, node) {
        return false;
    }
    if cluster.is_guest(node) && guest_is_down(cluster, top, node) {
        return false;
    }
    let probe = op(cluster, rsc, Task::Monitor, 0, Some(node), false);
    cluster[probe].marks.clear(Marks::OPTIONAL);
    cluster.journal.needed(probe, Ground::Unknown(rsc, node));
    unfencing::order_after(cluster, rsc, node, probe, OrderFlags::ORDER);
    expect(cluster, rsc, node, probe);
    let device = cluster[rsc].is_fence_device && cluster.options.unfencing_in_use;
    let cloned = cluster[top].clone_data().is_some();
    let subject = if device || !cloned { rsc } else { top };
    let mut flags = OrderFlags::ORDER;
    let inactive = cluster[rsc].active_on.is_empty();
    if !cluster[probe].marks.runnable() && inactive {
        flags |= OrderFlags::FIRST_RUNNABLE;
    }
    let start = OrderSide::task(subject, Task::Start);
    order_by(cluster, OrderRule::Probe, OrderSide::Action(probe), start, flags);
    let reload = OrderSide::task(subject, Task::Reload);
    order_by(cluster, OrderRule::Probe, OrderSide::Action(probe), reload, OrderFlags::ORDER);
    true
}

/// Rows 5 to 9 of A-72.
fn is_wanted(cluster: &Cluster, rsc: RscIx, top: RscIx, node: NodeIx) -> bool {
    let r = &cluster[rsc];
    let contained = r.container.is_some() && !r.is_remote_connection;
    if contained || r.orphan || r.known_on.contains(&node) {
        return false;
    }
    let discovery = r.allowed.get(node).map(|e| e.discovery);
    if r.exclusive_discovery || cluster[top].exclusive_discovery {
        return discovery == Some(Discovery::Exclusive);
    }
    discovery.unwrap_or_else(|| cluster.initial_discovery(node)) != Discovery::Never
}

/// Rows 10 and 11 of A-72: nothing runs in a guest that is not there.
fn guest_is_down(cluster: &mut Cluster, top: RscIx, node: NodeIx) -> bool {
    let Some(container) = cluster.guest_container(node) else { return false };
    let k = &cluster[container];
    if k.role == Role::Stopped {
        if k.assigned.is_some_and(|n| !k.known_on.contains(&n)) {
            let (first, then) = ((container, Task::Monitor), (top, Task::Start));
            order_tasks(cluster, OrderRule::Probe, first, then, OrderFlags::ORDER);
        }
        return true;
    }
    let moves = k.assigned.is_some_and(|n| !k.active_on.contains(&n));
    let guest = &cluster[node];
    let stops = guest.remote_requires_reset || guest.unclean || k.failed;
    if stops || k.next_role == Role::Stopped || moves {
        let (first, then) = ((container, Task::Stop), (top, Task::Start));
        order_tasks(cluster, OrderRule::Probe, first, then, OrderFlags::ORDER);
        return true;
    }
    false
}

/// The result a probe should have if nothing changed meanwhile.
fn expect(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, probe: ActionIx) {
    let r = &cluster[rsc];
    if !r.active_on.contains(&node) {
        cluster[probe].set_meta("op_target_rc", "7");
    } else if r.role == Role::Promoted {
        cluster[probe].set_meta("op_target_rc", "8");
    }
}

/// Orphans leave no fail counts behind.
pub(super) fn clear_orphans(cluster: &mut Cluster) {
    if !cluster.options.stop_orphans {
        return;
    }
    for rsc in cluster.top.clone() {
        if !cluster[rsc].orphan {
            continue;
        }
        for node in cluster.node_order.clone() {
            if cluster[node].online && has_failed(cluster, rsc, node) {
                let ground = orphan_ground(cluster, rsc);
                let clear = clear_failcount(cluster, rsc, node, ground, false);
                let stop = OrderSide::task(rsc, Task::Stop);
                order_by(
                    cluster,
                    OrderRule::FailCount,
                    OrderSide::Action(clear),
                    stop,
                    OrderFlags::ORDER,
                );
            }
        }
    }
}

/// What tells of an orphan.
fn orphan_ground(cluster: &Cluster, rsc: RscIx) -> Ground {
    let history = cluster[rsc].histories.first().copied();
    history.map_or(Ground::Resource(rsc, Fact::Course), |h| Ground::History(h, Remark::Orphan))
}
