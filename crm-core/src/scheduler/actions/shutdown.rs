//! Shutting a node down: after everything on it has stopped.

use crate::scheduler::model::{
    ActionIx, Cluster, Ground, Key, Marks, NodeFact, NodeIx, OrderFlags, OrderRule, OrderSide, Task,
};

use super::orderings::order_by;
use super::request::node_action;

/// The shutdown of a node, with the stops it waits for.
pub(super) fn plan(cluster: &mut Cluster, node: NodeIx) -> ActionIx {
    let key = Key::Shutdown(node);
    let shutdown = node_action(cluster, key, Task::Shutdown, Some(node), false);
    cluster[shutdown].add_meta("op_no_wait", "true");
    let ground = Ground::Node(node, NodeFact::Shutdown);
    cluster.journal.needed(shutdown, ground);
    let stops: Vec<ActionIx> = (0..cluster.actions.len())
        .rev()
        .map(ActionIx::next)
        .filter(|&a| {
            let action = &cluster[a];
            let Some(rsc) = action.rsc else { return false };
            let rsc = &cluster[rsc];
            action.task == Task::Stop
                && action.node == Some(node)
                && !rsc.maintenance
                && !cluster[node].maintenance
                && (rsc.managed || rsc.blocked)
        })
        .collect();
    for stop in stops {
        cluster[stop].marks.clear(Marks::OPTIONAL);
        cluster.journal.needed(stop, ground);
        let flags = OrderFlags::ORDER | OrderFlags::FIRST_RUNNABLE;
        let (stop, shutdown) = (OrderSide::Action(stop), OrderSide::Action(shutdown));
        order_by(cluster, OrderRule::Shutdown, stop, shutdown, flags);
    }
    shutdown
}
