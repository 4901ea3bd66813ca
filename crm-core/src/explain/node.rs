//! Why a node is in the state it is in.

use std::sync::Arc;

use serde::Serialize;

use crate::scheduler::model::{Cluster, NodeIx};

/// What is to be known about a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NodeReport {
    /// Its name.
    pub node: Arc<str>,
    /// Whether the cluster can talk to it.
    pub online: bool,
    /// Why it can take no resources now, if so.
    pub unavailable: Option<&'static str>,
    /// Why it has to be fenced, if so.
    pub fencing: Option<Arc<str>>,
    /// What is active there.
    pub active: Vec<Arc<str>>,
    /// What will run there.
    pub assigned: Vec<Arc<str>>,
}

/// Reports about a node.
pub fn node(cluster: &Cluster, node: NodeIx) -> NodeReport {
    let n = &cluster[node];
    let ids = |list: &[crate::scheduler::model::RscIx]| {
        list.iter().map(|&r| cluster[r].id.clone()).collect()
    };
    NodeReport {
        node: n.name.clone(),
        online: n.online,
        unavailable: unavailable(cluster, node),
        fencing: fencing_reason(cluster, node),
        active: ids(&n.running),
        assigned: ids(&n.assigned),
    }
}

/// Why a node can take nothing now (P-13).
pub(super) fn unavailable(cluster: &Cluster, node: NodeIx) -> Option<&'static str> {
    let n = &cluster[node];
    if n.unclean {
        Some("it has to be fenced first")
    } else if !n.online {
        Some("it is offline")
    } else if n.shutdown {
        Some("it is shutting down")
    } else if n.pending {
        Some("it is still joining")
    } else if n.standby_on_fail {
        Some("it is in standby because an operation with on-fail=standby failed")
    } else if n.standby {
        Some("it is in standby")
    } else if n.maintenance {
        Some("it is in maintenance")
    } else {
        None
    }
}

/// The reason of the fencing action of a node.
fn fencing_reason(cluster: &Cluster, node: NodeIx) -> Option<Arc<str>> {
    use crate::scheduler::model::{Marks, Task};
    let mut fencing = cluster
        .actions
        .iter()
        .filter(|a| a.task == Task::Fence && a.node == Some(node) && !a.marks.has(Marks::OPTIONAL));
    let action = fencing.next()?;
    Some(action.reason.clone().unwrap_or_else(|| "it has to be fenced".into()))
}
