//! Why a node is in the state it is in.

use std::sync::Arc;

use serde::Serialize;

use crate::scheduler::actions::can_fence;
use crate::scheduler::model::{
    ActionIx, Cluster, Ground, Key, NodeFact, NodeIx, QuorumPolicy, Task,
};

use super::chain::{self, ActionReport, Reason, chain};

/// What is to be known about a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NodeReport {
    /// Its name.
    pub node: Arc<str>,
    /// Whether the cluster can talk to it.
    pub online: bool,
    /// Why it can take no resources now, if so.
    pub unavailable: Option<&'static str>,
    /// Why it can take none, back to the event.
    pub because: Vec<Reason>,
    /// That it has to be fenced, if so.
    pub fencing: Option<FencingReport>,
    /// What is to be done to the node itself, and why.
    pub actions: Vec<ActionReport>,
    /// What is active there.
    pub active: Vec<Arc<str>>,
    /// What will run there.
    pub assigned: Vec<Arc<str>>,
}

/// Why a node is to be fenced, and what that waits for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FencingReport {
    /// Why, back to the event.
    pub because: Vec<Reason>,
    /// False if it cannot be fenced now.
    pub possible: bool,
    /// What it waits for.
    pub waits_for: Vec<String>,
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
        because: if unavailable(cluster, node).is_some() {
            chain(cluster, Some(Ground::Node(node, NodeFact::Unavailable)), false)
        } else {
            Vec::new()
        },
        fencing: fencing(cluster, node),
        actions: chain::of(cluster, &own_actions(cluster, node)),
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

/// The actions that are about the node and no resource.
fn own_actions(cluster: &Cluster, node: NodeIx) -> Vec<ActionIx> {
    let mut list = cluster.other_actions.clone();
    list.retain(|&a| {
        let action = &cluster[a];
        action.node == Some(node) && !matches!(action.key, Key::LoadStopped(_))
    });
    list
}

/// Why the node has to be fenced, if it has.
fn fencing(cluster: &Cluster, node: NodeIx) -> Option<FencingReport> {
    let n = &cluster[node];
    let fact = if n.unclean {
        NodeFact::Unclean
    } else if n.remote_requires_reset && cluster.is_guest(node) {
        NodeFact::Reset
    } else {
        return None;
    };
    let because = chain(cluster, Some(Ground::Node(node, fact)), false);
    let own = own_actions(cluster, node).into_iter();
    let down = |key: &Key| matches!(key, Key::Fence(_, how) if &**how != "on");
    let fencings: Vec<ActionIx> = own
        .filter(|&a| cluster[a].task == Task::Fence && down(&cluster[a].key))
        .filter(|&a| chain::concerns(cluster, a))
        .collect();
    let action = fencings.iter().copied().find(|&a| cluster.journal.is_in_graph(a));
    let waits_for = match (action, fencings.first()) {
        (Some(action), _) => earlier(cluster, action),
        (None, Some(&held)) => {
            let reasons = chain(cluster, cluster.journal.of_held(held), true);
            reasons.into_iter().map(|reason| reason.text).collect()
        }
        (None, None) => impossible(cluster, node),
    };
    Some(FencingReport { because, possible: action.is_some(), waits_for })
}

/// The fencings that come first.
fn earlier(cluster: &Cluster, action: ActionIx) -> Vec<String> {
    let firsts = cluster[action].before.iter().map(|&l| cluster[l].first);
    let firsts = firsts.filter(|&f| cluster[f].task == Task::Fence);
    let firsts = firsts.filter(|&f| cluster.journal.is_in_graph(f));
    firsts.map(|f| format!("{} comes first", chain::describe(cluster, f))).collect()
}

/// What keeps a node from being fenced.
fn impossible(cluster: &Cluster, node: NodeIx) -> Vec<String> {
    let options = &cluster.options;
    let mut list = Vec::new();
    if let container @ Some(_) = cluster.guest_container(node) {
        let hosts = container.map_or(&[][..], |k| &cluster[k].active_on);
        for &host in hosts.iter().filter(|&&h| !can_fence(cluster, h)) {
            list.push(format!(
                "its host {} has to be fenced first and cannot be",
                cluster[host].name
            ));
        }
    }
    if !options.fencing {
        list.push("stonith-enabled is false: nothing is ever fenced".to_string());
    } else if !options.have_fence_device {
        list.push("there is no fence device: configure one".to_string());
    }
    let may = options.have_quorum || options.quorum_policy == QuorumPolicy::Ignore;
    if !may && !cluster[node].online {
        list.push("there is no quorum, and no-quorum-policy is not 'ignore'".to_string());
    }
    if !cluster.resources.iter().any(|r| r.managed) {
        list.push("no resource is managed, so nothing depends on it".to_string());
    }
    list
}
