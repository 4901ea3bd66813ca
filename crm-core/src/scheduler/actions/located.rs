//! Where actions are that nobody gave a node. The reference looks for the actions of each resource
//! by key to write its summary to the log, before it makes the graph, and whatever has no node is
//! taken to be where it looks, from then on (scheduler reference 3, A-8).

use crate::scheduler::model::{ActionIx, Cluster, Key, NodeIx, Role, RscIx, Task};

use super::request::{adopt_on_node, with_key};

/// Gives actions without a node the one where the summary looks for them.
pub(super) fn settle(cluster: &mut Cluster) {
    let primitives: Vec<RscIx> =
        cluster.all_resources().filter(|r| cluster[*r].is_primitive()).collect();
    for rsc in primitives {
        settle_primitive(cluster, rsc);
    }
}

fn settle_primitive(cluster: &mut Cluster, rsc: RscIx) {
    let (current, next) = (cluster.current_node(rsc), cluster[rsc].assigned);
    let r = &cluster[rsc];
    if !r.managed || (current.is_none() && (next.is_none() || r.orphan)) {
        return;
    }
    let role = match r.role {
        Role::Stopped if current.is_some() => Role::Started,
        role => role,
    };
    let (next_role, active_on) = (r.next_role, r.active_on.clone());
    let start = look(cluster, rsc, Task::Start, next);
    let runnable = start.map(|start| cluster[start].marks.runnable());
    let here = current.filter(|_| runnable == Some(true));
    let stop = look(cluster, rsc, Task::Stop, here);
    look(cluster, rsc, Task::Promote, next);
    look(cluster, rsc, Task::Demote, next);
    if role == next_role {
        look(cluster, rsc, Task::MigrateFrom, next);
    } else if stop.is_some() && (next_role == Role::Stopped || runnable == Some(false)) {
        for node in active_on {
            look(cluster, rsc, Task::Stop, Some(node));
        }
    }
}

/// The oldest action with this task on a node, or on any. Those without one are given it.
fn look(cluster: &mut Cluster, rsc: RscIx, task: Task, node: Option<NodeIx>) -> Option<ActionIx> {
    let key = Key::once(task);
    match node {
        Some(node) => adopt_on_node(cluster, rsc, &key, node).last().copied(),
        None => with_key(cluster, rsc, &key).last(),
    }
}
