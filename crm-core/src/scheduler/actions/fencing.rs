//! Fencing: marking nodes, the fencing actions, and what they mean for the resources of the node
//! that is fenced (scheduler reference 3, section 9).

use std::sync::Arc;

use crate::scheduler::model::{
    ActionIx, Cluster, Fact, Ground, Key, Marks, Needs, NodeFact, NodeIx, OrderFlags, OrderRule,
    OrderSide, QuorumPolicy, RscIx, Severity, Task,
};

use super::orderings::{link_by, order_by};
use super::request::{adopt_on_node, first_of_task, node_action, requires_fencing};
use super::{notify, shutdown, unfencing};

/// A-19, I-28: whether the cluster is able to fence the node.
pub fn can_fence(cluster: &Cluster, node: NodeIx) -> bool {
    can_fence_within(cluster, node, cluster.nodes.len())
}

/// As [`can_fence`], through at most `depth` guests inside each other: a guest that is recorded to
/// host itself cannot be fenced.
fn can_fence_within(cluster: &Cluster, node: NodeIx, depth: usize) -> bool {
    if cluster.is_guest(node) {
        let hosts = cluster.guest_container(node).map_or(&[][..], |k| &cluster[k].active_on);
        let Some(depth) = depth.checked_sub(1) else { return false };
        return hosts.iter().all(|&h| cluster[h].online || can_fence_within(cluster, h, depth));
    }
    let options = &cluster.options;
    options.fencing
        && options.have_fence_device
        && (options.have_quorum
            || options.quorum_policy == QuorumPolicy::Ignore
            || cluster[node].online)
}

/// Marks a node for fencing (I-56, A-106). The fencing action is made optional now and becomes
/// required in the fencing step; guests are recovered through their container instead.
pub fn mark_for_fencing(
    cluster: &mut Cluster,
    node: NodeIx,
    ground: Ground,
    reason: &str,
    delay: bool,
) {
    let connection = cluster[node].connection.filter(|_| cluster[node].is_remote());
    if let Some(container) = cluster.guest_container(node) {
        if !cluster[container].failed && cluster[container].managed {
            cluster[node].remote_requires_reset = true;
            cluster[container].failed = true;
            cluster[container].must_stop = true;
            let failed = Ground::Node(node, NodeFact::Reset);
            cluster.journal.resource_first(container, Fact::Failed, failed);
            cluster.journal.node(node, NodeFact::Reset, ground);
        }
    } else if connection.is_some_and(|c| is_former_guest(cluster, c)) {
        if let Some(connection) = connection {
            cluster[connection].failed = true;
            cluster[connection].must_stop = true;
            cluster.journal.resource_first(connection, Fact::Failed, ground);
        }
    } else if cluster[node].is_remote() {
        if connection.is_none_or(|c| cluster[c].managed) {
            cluster[node].remote_requires_reset = true;
        }
        cluster[node].unclean = true;
        cluster.journal.node(node, NodeFact::Unclean, ground);
        fence_op(cluster, node, None, true, Some(reason), false);
    } else if !cluster[node].unclean {
        cluster[node].unclean = true;
        cluster.journal.node(node, NodeFact::Unclean, ground);
        fence_op(cluster, node, None, true, Some(reason), delay);
    }
}

/// True for the connection of a guest node whose container is no longer configured.
fn is_former_guest(cluster: &Cluster, connection: RscIx) -> bool {
    cluster[connection].orphan && cluster[connection].container_gone
}

/// The fencing action of a node; `operation` defaults to `stonith-action`.
pub(super) fn fence_op(
    cluster: &mut Cluster,
    node: NodeIx,
    operation: Option<&str>,
    optional: bool,
    reason: Option<&str>,
    delay: bool,
) -> ActionIx {
    let operation: Arc<str> =
        operation.map_or_else(|| cluster.options.fence_action.clone(), Arc::from);
    let key = Key::Fence(node, operation.clone());
    let known = cluster.actions.len();
    let ix = node_action(cluster, key, Task::Fence, Some(node), true);
    let mut optional = optional;
    if ix.ix() == known {
        let (name, id) = (cluster[node].name.clone(), cluster[node].id.clone());
        let action = &mut cluster[ix];
        action.set_meta("on_node", name);
        action.set_meta("on_node_uuid", id);
        action.add_meta("stonith_action", &operation);
        if cluster.options.unfencing_in_use && unfencing::add_digests(cluster, ix, node) {
            optional = false;
            cluster.journal.needed(ix, Ground::Devices(node));
        }
    }
    let delayed = delay || cluster[ix].meta("priority-fencing-delay").is_some();
    if cluster.options.priority_fencing_delay > 0 && delayed {
        let seconds = priority_delay(cluster, node).to_string();
        cluster[ix].set_meta("priority-fencing-delay", seconds);
    }
    if !optional && can_fence(cluster, node) {
        cluster[ix].marks.clear(Marks::OPTIONAL);
    }
    if let Some(reason) = reason {
        cluster[ix].set_reason(reason, false);
    }
    ix
}

/// Seconds by which fencing a node of high priority is delayed for the others' good.
fn priority_delay(cluster: &Cluster, node: NodeIx) -> i64 {
    let members = || cluster.nodes.iter().filter(|n| !n.is_remote());
    let total = members().count();
    let online = members().filter(|n| n.online).count();
    let priorities = || members().map(|n| n.priority);
    let (low, high) = (priorities().min().unwrap_or(0), priorities().max().unwrap_or(0));
    let target = &cluster[node];
    if target.is_remote()
        || target.online
        || online > total / 2
        || low == high
        || target.priority < high
    {
        return 0;
    }
    cluster.options.priority_fencing_delay
}

/// Phase 9: fencing and shutdown actions, and their order.
pub(super) fn plan(cluster: &mut Cluster) {
    let any_managed = cluster.resources.iter().any(|r| r.managed);
    let mut dc_down = None;
    let mut fencings: Vec<ActionIx> = Vec::new();
    let mut shutdowns: Vec<ActionIx> = Vec::new();
    let mut out_of_reach = false;
    for node in cluster.node_order.clone() {
        if cluster.is_guest(node) {
            let reset = cluster[node].remote_requires_reset;
            if reset && any_managed && can_fence(cluster, node) {
                fence_guest(cluster, node);
            }
            continue;
        }
        if cluster[node].unclean && any_managed && can_fence(cluster, node) {
            let ix = fence_op(cluster, node, None, false, Some("node is unclean"), false);
            cluster.journal.needed(ix, Ground::Node(node, NodeFact::Unclean));
            let text = format!("Node {} has to be fenced", cluster[node].name);
            cluster.say(Severity::Warning, text);
            order_resources(cluster, node, ix);
            if cluster[node].is_dc {
                dc_down = Some(ix);
            } else {
                fencings.push(ix);
            }
            continue;
        }
        if cluster[node].online && cluster[node].shutdown && !cluster[node].is_remote() {
            let ix = shutdown::plan(cluster, node);
            if cluster[node].is_dc {
                dc_down = Some(ix);
            } else {
                shutdowns.push(ix);
            }
        }
        if cluster[node].unclean {
            out_of_reach = true;
            let text = format!("Node {} is unclean, and cannot be fenced", cluster[node].name);
            cluster.say(Severity::Warning, text);
        }
    }
    if out_of_reach && !cluster.options.fencing {
        let text = "Without fencing, what runs on unclean nodes may run elsewhere as well";
        cluster.say(Severity::Warning, text);
    }
    if let Some(dc) = dc_down {
        order_dc_last(cluster, dc, &fencings, &shutdowns);
    }
    if !cluster.options.concurrent_fencing {
        for pair in fencings.windows(2) {
            link_by(cluster, OrderRule::Fencing, pair[0], pair[1], OrderFlags::ORDER);
        }
    }
}

/// the coordinator goes last.
fn order_dc_last(
    cluster: &mut Cluster,
    dc: ActionIx,
    fencings: &[ActionIx],
    shutdowns: &[ActionIx],
) {
    if cluster[dc].task == Task::Shutdown {
        for &other in shutdowns {
            link_by(cluster, OrderRule::Fencing, other, dc, OrderFlags::ORDER);
        }
    }
    let concurrent = cluster.options.concurrent_fencing;
    let earlier = if concurrent { fencings } else { &fencings[fencings.len().saturating_sub(1)..] };
    for &other in earlier {
        link_by(cluster, OrderRule::Fencing, other, dc, OrderFlags::ORDER);
    }
}

/// a guest node is fenced by restarting its container.
fn fence_guest(cluster: &mut Cluster, node: NodeIx) {
    let container = cluster.guest_container(node);
    let stop = container.and_then(|k| first_of_task(cluster, k, &Task::Stop, None));
    let start = container.and_then(|k| first_of_task(cluster, k, &Task::Start, None));
    let operation = if start.is_some() { "reboot" } else { "off" };
    let fence = fence_op(cluster, node, Some(operation), false, Some("guest is unclean"), false);
    cluster[fence].marks.clear(Marks::OPTIONAL);
    cluster.journal.needed(fence, Ground::Node(node, NodeFact::Reset));
    cluster[fence].marks.set(Marks::PSEUDO | Marks::RUNNABLE);
    let after = OrderFlags::FIRST_RUNNABLE | OrderFlags::THEN_REQ;
    match stop {
        Some(stop) if cluster[stop].marks.pseudo() => {
            // The host's fencing implies the container's stop.
            if let Some(host) = cluster[stop].node {
                let parent = fence_op(cluster, host, None, false, None, false);
                let guest = cluster.is_guest(host);
                let fact = if guest { NodeFact::Reset } else { NodeFact::Unclean };
                cluster.journal.needed(parent, Ground::Node(host, fact));
                link_by(cluster, OrderRule::Fencing, parent, fence, after);
            }
        }
        Some(stop) => {
            link_by(cluster, OrderRule::Fencing, stop, fence, after);
        }
        None => {
            let connection = cluster[node].connection;
            let stop = connection.and_then(|c| first_of_task(cluster, c, &Task::Stop, None));
            if let Some(stop) = stop {
                link_by(cluster, OrderRule::Fencing, stop, fence, OrderFlags::ORDER);
            }
        }
    }
    order_resources(cluster, node, fence);
}

/// what fencing `node` means for every managed primitive.
fn order_resources(cluster: &mut Cluster, node: NodeIx, fence: ActionIx) {
    for top in cluster.top.clone() {
        for leaf in cluster.leaves(top) {
            if cluster[leaf].managed {
                order_starts(cluster, leaf, node, fence);
                order_stops(cluster, leaf, node, fence);
            }
        }
    }
}

/// starts and promotes wait for fencing as far as they need it.
fn order_starts(cluster: &mut Cluster, rsc: RscIx, target: NodeIx, fence: ActionIx) {
    for i in (0..cluster[rsc].actions.len()).rev() {
        let ix = cluster[rsc].actions[i];
        match cluster[ix].needs {
            Needs::Nothing => {}
            Needs::Fencing => {
                link_by(cluster, OrderRule::Fencing, fence, ix, OrderFlags::ORDER);
            }
            Needs::Quorum => {
                let r = &cluster[rsc];
                let allowed = r.allowed.get(target).is_some();
                let start = cluster[ix].task == Task::Start;
                if start && allowed && !is_known_on(cluster, rsc, target) {
                    link_by(
                        cluster,
                        OrderRule::Fencing,
                        fence,
                        ix,
                        OrderFlags::ORDER | OrderFlags::FIRST_RUNNABLE,
                    );
                }
            }
        }
    }
}

/// Known on the node, itself or (anonymous instances) its parent.
fn is_known_on(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> bool {
    let r = &cluster[rsc];
    if r.known_on.contains(&node) {
        return true;
    }
    match r.parent {
        Some(parent) if cluster[parent].clone_data().is_some() && !r.unique => {
            cluster[parent].known_on.contains(&node)
        }
        _ => false,
    }
}

/// fencing does the stops and demotes on its target.
fn order_stops(cluster: &mut Cluster, rsc: RscIx, target: NodeIx, fence: ActionIx) {
    let top = cluster.top_of(rsc);
    let bundled = cluster.bundle_of(rsc).is_some();
    let implied = requires_fencing(cluster, rsc) || cluster.is_guest(target);
    let top_stop = first_of_task(cluster, top, &Task::Stop, None);
    for stop in adopt_on_node(cluster, rsc, &Key::once(Task::Stop), target) {
        cluster[stop].marks.set(Marks::PSEUDO | Marks::RUNNABLE);
        if implied {
            cluster[stop].marks.set(Marks::IMPLIED_BY_FENCING);
            if !bundled {
                link_by(cluster, OrderRule::Fencing, fence, stop, OrderFlags::INTERNAL);
            }
            if let Some(top_stop) = top_stop {
                link_by(cluster, OrderRule::Fencing, fence, top_stop, OrderFlags::INTERNAL);
            }
        }
        if cluster[rsc].notify {
            notify::after_fencing(cluster, rsc, stop, fence);
        }
    }
    for demote in adopt_on_node(cluster, rsc, &Key::once(Task::Demote), target) {
        let unusable =
            cluster[demote].node.is_some_and(|n| !cluster[n].online || cluster[n].unclean);
        if unusable || cluster[rsc].failed {
            cluster[demote].marks.set(Marks::PSEUDO | Marks::RUNNABLE);
            if !bundled && implied {
                link_by(
                    cluster,
                    OrderRule::Fencing,
                    fence,
                    demote,
                    OrderFlags::INTERNAL | OrderFlags::ORDER,
                );
            }
        }
    }
}

/// A fencing of the remote node comes before its connection's fail count is cleared.
pub(super) fn order_before_clearing(cluster: &mut Cluster, rsc: RscIx, clear: ActionIx) {
    let Some(node) = cluster[rsc].remote_node else { return };
    if cluster.options.fencing && cluster[rsc].reconnect_interval > 0 {
        let fence = fence_op(cluster, node, None, true, None, false);
        let (fence, clear) = (OrderSide::Action(fence), OrderSide::Action(clear));
        order_by(cluster, OrderRule::FailCount, fence, clear, OrderFlags::THEN_REQ);
    }
}
