//! Shutdown locks (part 1, section 19): found here, applied by placement (P-61).

use crate::scalar::parse_int;
use crate::scheduler::actions;
use crate::scheduler::model::{Cluster, Fact, Ground, RscIx, Task, Variant};

/// Decides which resources are locked, from history and from what runs now (I-214).
pub fn settle(cluster: &mut Cluster) {
    if !cluster.options.shutdown_lock {
        return;
    }
    for top in cluster.top.clone() {
        match cluster[top].variant {
            Variant::Primitive => lock(cluster, top),
            Variant::Group(_) => {
                for member in cluster[top].children.clone() {
                    lock(cluster, member);
                }
            }
            Variant::Clone(_) | Variant::Bundle(_) => {}
        }
    }
}

fn lock(cluster: &mut Cluster, rsc: RscIx) {
    let r = &cluster[rsc];
    if r.agent.class.is_empty() || r.is_fence_device || r.is_remote_connection {
        return;
    }
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
