//! Shutdown locks (part 1, section 19): found here, applied by placement (P-61).

use crate::scalar::parse_int;
use crate::scheduler::actions;
use crate::scheduler::model::{Cluster, Fact, Ground, RscIx, Task, Variant};

/// Decides which resources are locked, from history and from what runs now (I-214).
pub fn settle(cluster: &mut Cluster) {
    for rsc in lockable(cluster) {
        lock(cluster, rsc);
    }
}

/// The resources that a lock keeps on its node, if they have one: with the option, primitives and
/// members of groups that are neither fence devices nor connections of remote nodes (I-214).
/// Connections of guests count. History may note a lock of others; it binds nobody.
pub fn lockable(cluster: &Cluster) -> Vec<RscIx> {
    let with_locks = |&rsc: &RscIx| match cluster[rsc].variant {
        Variant::Primitive | Variant::Group(_) => cluster.options.shutdown_lock,
        Variant::Clone(_) | Variant::Bundle(_) => false,
    };
    let wanted = |&rsc: &RscIx| {
        let r = &cluster[rsc];
        let is_remote = || cluster.node_named(&r.id).is_some_and(|n| cluster.is_plain_remote(n));
        let remote = r.is_remote_connection && is_remote();
        !r.agent.class.is_empty() && !r.is_fence_device && !remote
    };
    let top = cluster.top.iter().copied().filter(with_locks);
    top.flat_map(|rsc| cluster.leaves(rsc)).filter(wanted).collect()
}

fn lock(cluster: &mut Cluster, rsc: RscIx) {
    let r = &cluster[rsc];
    if let Some((node, _)) = r.lock {
        if !r.active_on.is_empty() {
            cluster[rsc].lock = None;
            let delete = actions::op(cluster, rsc, Task::LrmDelete, 0, Some(node), false);
            cluster.journal.needed(delete, Ground::Resource(rsc, Fact::Locked));
        }
    } else if let [node] = r.active_on[..] {
        let n = &cluster[node];
        if n.shutdown && !n.unclean {
            let since = n.attr("shutdown").and_then(parse_int).filter(|s| *s > 0);
            cluster[rsc].lock = Some((node, since.unwrap_or(cluster.now.epoch)));
        }
    }
    let limit = cluster.options.shutdown_lock_limit;
    if let Some((_, since)) = cluster[rsc].lock.filter(|_| limit > 0) {
        cluster.recheck(since + limit + 1);
    }
}
