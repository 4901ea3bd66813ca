//! Forgetting a resource on a node, executor included.

use crate::scheduler::model::{Cluster, NodeIx, OrderFlags, RscIx, Task};

use super::orderings::order_tasks;
use super::request::op;

/// Deletes the history of `rsc` on `node` between its stop and its start there.
pub(super) fn schedule(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, optional: bool) {
    let unusable = cluster[node].unclean || !cluster[node].online;
    if cluster[rsc].failed || unusable {
        return;
    }
    op(cluster, rsc, Task::Delete, 0, Some(node), optional);
    let flags = if optional { OrderFlags::THEN_REQ } else { OrderFlags::ORDER };
    order_tasks(cluster, (rsc, Task::Stop), (rsc, Task::Delete), flags);
    order_tasks(cluster, (rsc, Task::Delete), (rsc, Task::Start), flags);
}
