//! Containers with what is in them, connections with their nodes (I-45, I-46).

use crate::Score;
use crate::scheduler::input::nodes;
use crate::scheduler::model::{Cluster, Node, NodeIx, NodeKind, RscIx, Severity};

/// Links everything that was unpacked.
pub(super) fn load(cluster: &mut Cluster) {
    for top in cluster.top.clone() {
        for rsc in cluster.leaves(top) {
            container(cluster, rsc);
        }
        if cluster[top].is_remote_connection
            && let Some(node) = cluster.node_named(&cluster[top].id.clone())
        {
            connect(cluster, top, node);
        }
    }
}

fn container(cluster: &mut Cluster, rsc: RscIx) {
    let Some(id) = cluster[rsc].meta.get("container").map(str::to_owned) else { return };
    match cluster.resource(&id) {
        Some(container) if container != rsc => {
            cluster[rsc].container = Some(container);
            if !cluster[container].fillers.contains(&rsc) {
                cluster[container].fillers.push(rsc);
            }
        }
        Some(_) => {}
        None => {
            let text = format!("Resource {}: Unknown resource container ({id})", cluster[rsc].id);
            cluster.say(Severity::Error, text);
        }
    }
}

/// I-46, I-36
pub(super) fn connect(cluster: &mut Cluster, connection: RscIx, node: NodeIx) {
    cluster[node].connection = Some(connection);
    cluster[connection].remote_node = Some(node);
    if cluster[connection].container.is_none() {
        nodes::startup_fencing(cluster, node);
    } else {
        cluster[node].attributes.insert("#kind".into(), "container".into());
    }
}

/// An orphaned connection creates or links its node and marks it as shutting down (I-61).
pub fn orphan_connection(cluster: &mut Cluster, connection: RscIx) {
    let id = cluster[connection].id.clone();
    let node = cluster.node_named(&id).unwrap_or_else(|| {
        nodes::add(cluster, Node::new(id.clone(), id, NodeKind::Remote, Score::ZERO))
    });
    connect(cluster, connection, node);
    cluster[node].shutdown = true;
}
