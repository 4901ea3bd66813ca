//! What the state of nodes and resources does to tables before placement (section 10).

use crate::Score;
use crate::scheduler::input::{failcount, locks};
use crate::scheduler::model::{Cause, Cluster, Discovery, NodeIx, RscIx, Task};

/// A resource locked to a node may not run on any other (P-61, I-215).
pub(super) fn apply_shutdown_locks(cluster: &mut Cluster) {
    for rsc in locks::lockable(cluster) {
        let Some((locked, _)) = cluster[rsc].lock else { continue };
        for node in (0..cluster.nodes.len()).map(NodeIx::next).filter(|&n| n != locked) {
            cluster.add_score(rsc, node, Score::MINUS_INFINITY, Cause::ShutdownLock);
        }
    }
}

/// A leaf that is active on one node would rather stay (P-62).
pub(super) fn apply_stickiness(cluster: &mut Cluster) {
    for rsc in cluster.all_resources() {
        let r = &cluster[rsc];
        let [node] = r.active_on[..] else { continue };
        if !r.is_primitive() || !r.managed || r.stickiness <= Score::ZERO {
            continue;
        }
        if cluster.options.symmetric || r.allowed.get(node).is_some() {
            cluster.add_score(rsc, node, cluster[rsc].stickiness, Cause::Stickiness);
        }
    }
}

/// Bans after too many failures (P-63), and exclusive discovery (P-65).
pub(super) fn apply_failures_and_discovery(cluster: &mut Cluster) {
    let counted = |n: &NodeIx| {
        let names = cluster[*n].attributes.keys();
        names.into_iter().any(|name| name.starts_with("fail-count-"))
    };
    let nodes: Vec<NodeIx> = cluster.node_order.iter().copied().filter(counted).collect();
    for rsc in cluster.all_resources() {
        if cluster[rsc].is_primitive() {
            ban_after_failures(cluster, rsc, &nodes);
        }
    }
    for top in cluster.top.clone() {
        restrict_to_exclusive(cluster, top);
    }
}

/// `nodes` are those that have fail counts at all.
fn ban_after_failures(cluster: &mut Cluster, rsc: RscIx, nodes: &[NodeIx]) {
    for &node in nodes {
        if !clears_fail_count(cluster, rsc, node) && threshold_reached(cluster, rsc, node) {
            let banned = if cluster[rsc].unique { rsc } else { cluster.top_of(rsc) };
            cluster.add_score(banned, node, Score::MINUS_INFINITY, Cause::FailureThreshold);
        }
    }
}

/// True if the fail count is going to be cleared there.
fn clears_fail_count(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> bool {
    let mut actions = cluster[rsc].actions.iter().map(|&a| &cluster[a]);
    actions.any(|a| a.task == Task::ClearFailcount && a.node == Some(node))
}

/// True if the effective fail count has reached `migration-threshold` (I-181).
pub(super) fn threshold_reached(cluster: &mut Cluster, rsc: RscIx, node: NodeIx) -> bool {
    let r = &cluster[rsc];
    let threshold = r.migration_threshold;
    if threshold <= Score::ZERO || r.failure_ignored {
        return false;
    }
    let count = failcount::with_fillers(cluster, rsc, node);
    count > Score::ZERO && count >= threshold
}

/// Nodes that are not marked exclusive are banned for a resource that is (P-65).
fn restrict_to_exclusive(cluster: &mut Cluster, rsc: RscIx) {
    let top = cluster.top_of(rsc);
    if !cluster[rsc].exclusive_discovery && !cluster[top].exclusive_discovery {
        return;
    }
    for child in cluster[rsc].children.clone() {
        restrict_to_exclusive(cluster, child);
    }
    let others: Vec<NodeIx> = {
        let table = cluster[rsc].allowed.iter();
        table.filter(|(_, e)| e.discovery != Discovery::Exclusive).map(|(n, _)| n).collect()
    };
    for node in others {
        cluster[rsc].allowed.set(node, Score::MINUS_INFINITY, Cause::ExclusiveDiscovery);
    }
}
