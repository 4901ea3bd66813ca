//! Forgetting a resource on a node, executor included.

use crate::scheduler::model::{Cluster, Ground, NodeIx, OrderFlags, OrderRule, RscIx, Task};

use super::orderings::order_tasks;
use super::request::op;

/// Deletes the history of `rsc` on `node` between its stop and its start there, because of
/// `ground` unless that is optional.
pub(super) fn schedule(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    optional: bool,
    ground: Ground,
) {
    let unusable = cluster[node].unclean || !cluster[node].online;
    if cluster[rsc].failed || unusable {
        return;
    }
    let delete = op(cluster, rsc, Task::Delete, 0, Some(node), optional);
    if !optional {
        cluster.journal.needed(delete, ground);
    }
    let flags = if optional { OrderFlags::THEN_REQ } else { OrderFlags::ORDER };
    order_tasks(cluster, OrderRule::Cleanup, (rsc, Task::Stop), (rsc, Task::Delete), flags);
    order_tasks(cluster, OrderRule::Cleanup, (rsc, Task::Delete), (rsc, Task::Start), flags);
}
