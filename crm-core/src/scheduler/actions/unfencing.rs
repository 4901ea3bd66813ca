//! Unfencing: enabling a node on its fence devices before anything that needs it.

use std::fmt::Write;

use crate::scheduler::digest::fencing_digests;
use crate::scheduler::model::{
    ActionIx, Cluster, Ground, NodeIx, Note, OrderFlags, OrderRule, Requires, RscIx,
};

use super::fencing::fence_op;
use super::orderings::link_by;

/// orders `action` after the unfencing of its node, and asks for that if the node was
/// never unfenced.
pub(super) fn order_after(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    action: ActionIx,
    flags: OrderFlags,
) {
    let device = cluster[rsc].is_fence_device && cluster.options.unfencing_in_use;
    if !(device || needs_unfencing(cluster, rsc)) {
        return;
    }
    let unfence = fence_op(cluster, node, Some("on"), true, None, false);
    link_by(cluster, OrderRule::Unfencing, unfence, action, flags);
    if !was_unfenced(cluster, node) {
        let reason = format!("required by {} {}", cluster[rsc].id, cluster[action].task);
        let ground = Ground::Attribute(node, "#node-unfenced");
        trigger_on(cluster, node, ground, &reason);
    }
}

/// True if the resource may start only on unfenced nodes (I-81).
pub(super) fn needs_unfencing(cluster: &Cluster, rsc: RscIx) -> bool {
    cluster[rsc].requires == Requires::Unfencing
}

/// True if the node attribute says so.
fn was_unfenced(cluster: &Cluster, node: NodeIx) -> bool {
    !matches!(cluster[node].attr("#node-unfenced"), None | Some("0"))
}

/// A changed fence device has to unfence `node`, or all its nodes, anew; other resources do
/// nothing here.
pub(super) fn trigger(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: Option<NodeIx>,
    ground: Ground,
    reason: &str,
) {
    if !cluster[rsc].is_fence_device {
        return;
    }
    let usable = |cluster: &Cluster, n: NodeIx| {
        let n = &cluster[n];
        n.online && !n.unclean && !n.shutdown
    };
    match node {
        Some(node) if usable(cluster, node) => trigger_on(cluster, node, ground, reason),
        _ => {
            let nodes: Vec<_> = cluster[rsc].allowed.iter().map(|(n, _)| n).collect();
            for node in nodes {
                trigger_on(cluster, node, ground, reason);
            }
        }
    }
}

/// Requires the unfencing of one node, if it can take part now.
fn trigger_on(cluster: &mut Cluster, node: NodeIx, ground: Ground, reason: &str) {
    let n = &cluster[node];
    if !cluster.options.unfencing_in_use || !n.online || n.unclean || n.shutdown {
        return;
    }
    let unfence = fence_op(cluster, node, Some("on"), false, Some(reason), false);
    cluster.journal.needed(unfence, ground);
}

/// what the fence devices were like when the node was unfenced. True if they changed.
pub(super) fn add_digests(cluster: &mut Cluster, unfence: ActionIx, node: NodeIx) -> bool {
    let leaves = cluster.top.iter().flat_map(|&top| cluster.leaves(top));
    let mut devices: Vec<_> =
        leaves.filter(|&r| cluster[r].is_fence_device && cluster[r].provides_unfencing).collect();
    // The nodes know them in the peers' order: the last one first.
    devices.reverse();
    let (mut all, mut secure, mut changed) = (String::new(), String::new(), false);
    for device in devices {
        cluster.recheck_params(device, Some(node));
        let digests = fencing_digests(cluster, device, node);
        let (id, agent) = (&cluster[device].id, &cluster[device].agent.kind);
        // Writing to a String cannot fail.
        let _ = write!(all, "{id}:{agent}:{},", digests.all);
        let _ = write!(secure, "{id}:{agent}:{},", digests.secure);
        if digests.only_private {
            cluster.notes.push(Note::PrivateDevice { device, node });
        }
        if digests.changed {
            let secure = cluster.sanitized.then_some(digests.secure);
            cluster.notes.push(Note::Device { device, node, secure });
        }
        changed |= digests.changed;
    }
    cluster[unfence].add_meta("digests-all", all);
    cluster[unfence].add_meta("digests-secure", secure);
    changed
}
