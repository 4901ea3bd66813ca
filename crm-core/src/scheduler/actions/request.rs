//! Asking for actions and orderings. Input, placement and actions all come here, so that ids
//! follow the order of requests.

use std::sync::Arc;

use crate::scheduler::model::{
    Action, ActionIx, Cluster, Needs, NodeIx, OnFail, OrderFlags, OrderSide, Ordering, OrderingIx,
    Role, RscIx, Table, Task,
};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ActionRequest {
    /// The resource.
    pub rsc: Option<RscIx>,
    /// The key.
    pub key: Arc<str>,
    /// The task.
    pub task: Task,
    /// Interval, ms.
    pub interval: u32,
    /// The node.
    pub node: Option<NodeIx>,
    /// Need not be done.
    pub optional: bool,
}

/// Finds the action or makes it.
pub fn request(cluster: &mut Cluster, wanted: ActionRequest) -> ActionIx {
    let ix = ActionIx::next(cluster.actions.len());
    if let Some(rsc) = wanted.rsc {
        cluster[rsc].actions.push(ix);
    }
    cluster.actions.push(Action {
        task: wanted.task,
        key: wanted.key,
        rsc: wanted.rsc,
        node: wanted.node,
        interval: wanted.interval,
        optional: wanted.optional,
        runnable: true,
        pseudo: false,
        print_always: false,
        migrate_runnable: false,
        reschedule: false,
        requires_any: false,
        dangle: false,
        implied_by_fencing: false,
        on_dc: false,
        required_firsts: 0,
        runnable_firsts: 0,
        needs: Needs::Nothing,
        on_fail: OnFail::Ignore,
        fail_role: Role::Unknown,
        priority: 0,
        cancelled: None,
        reason: None,
        meta: Table::default(),
        params: None,
        before: Vec::new(),
        after: Vec::new(),
    });
    ix
}

/// Adds an ordering, with the equivalents that migration needs.
pub fn order(
    cluster: &mut Cluster,
    first: OrderSide,
    then: OrderSide,
    flags: OrderFlags,
    origin: Option<Arc<str>>,
) -> OrderingIx {
    let ix = OrderingIx::next(cluster.orderings.len());
    cluster.orderings.push(Ordering { first, then, flags, origin });
    ix
}
