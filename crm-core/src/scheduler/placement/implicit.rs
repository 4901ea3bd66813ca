//! Colocations and bans that follow from the kinds of resources (section 11).

use crate::Score;
use crate::scheduler::model::{Cause, Cluster, Colocation, NodeIx, RscIx, Variant};

use super::colocation::attach;

/// Adds the implicit constraints of every resource, in list order (P-71).
pub(super) fn add_all(cluster: &mut Cluster) {
    for rsc in cluster.top.clone() {
        add(cluster, rsc);
    }
}

fn add(cluster: &mut Cluster, rsc: RscIx) {
    match &cluster[rsc].variant {
        Variant::Primitive => add_for_leaf(cluster, rsc),
        Variant::Group(_) => add_for_group(cluster, rsc),
        Variant::Clone(_) => {
            for instance in cluster[rsc].children.clone() {
                add(cluster, instance);
            }
        }
        Variant::Bundle(_) => add_for_bundle(cluster, rsc),
    }
}

/// A new colocation without roles, at its place in the lists of both sides.
pub(super) fn colocate(
    cluster: &mut Cluster,
    (id, rule): (&str, &'static str),
    score: Score,
    (dependent, primary): (RscIx, RscIx),
    influence: bool,
) {
    attach(
        cluster,
        Colocation {
            id: id.into(),
            dependent,
            primary,
            score,
            dependent_role: None,
            primary_role: None,
            node_attribute: None,
            influence,
            internal: Some(rule),
        },
    );
}

/// Each member follows the one before it (P-67).
fn add_for_group(cluster: &mut Cluster, group: RscIx) {
    let colocated = cluster[group].group_data().is_some_and(|g| g.colocated);
    let mut previous = None;
    for member in cluster[group].children.clone() {
        add(cluster, member);
        if let Some(previous) = previous.filter(|_| colocated) {
            let critical = cluster[member].critical;
            let pair = (member, previous);
            colocate(
                cluster,
                ("group:internal_colocation", "P-67"),
                Score::INFINITY,
                pair,
                critical,
            );
        }
        previous = Some(member);
    }
}

/// Addresses and connections follow their container (P-70).
fn add_for_bundle(cluster: &mut Cluster, bundle: RscIx) {
    let Some(data) = cluster[bundle].bundle_data() else { return };
    let (replicas, inner) = (data.replicas.clone(), data.clone);
    for replica in replicas {
        add(cluster, replica.container);
        if let Some(ip) = replica.ip {
            add(cluster, ip);
            let pair = (ip, replica.container);
            colocate(cluster, ("ip-with-container", "P-70"), Score::INFINITY, pair, true);
        }
        if let Some(connection) = replica.connection {
            add(cluster, connection);
        }
    }
    if let Some(inner) = inner {
        add(cluster, inner);
    }
}

/// Bans from remote nodes, and what follows from a container (P-66, P-68, P-69).
fn add_for_leaf(cluster: &mut Cluster, rsc: RscIx) {
    if !cluster[rsc].managed {
        return;
    }
    let connection = cluster[rsc].is_remote_connection;
    if let Some(container) = cluster[rsc].container {
        let in_bundle = cluster.bundle_of(rsc).is_some();
        if connection && !in_bundle {
            ban_remote_nodes(cluster, container);
        }
        let guest = if connection { None } else { guest_connection_of(cluster, container) };
        if let Some(guest) = guest {
            restrict_to_guest(cluster, rsc, guest);
        } else {
            let score = if in_bundle { Score::new(10_000) } else { Score::INFINITY };
            colocate(cluster, ("resource-with-container", "P-69"), score, (rsc, container), true);
        }
    }
    if connection || cluster[rsc].is_fence_device {
        ban_remote_nodes(cluster, rsc);
    }
}

/// The guest connection that the container is, or contains.
fn guest_connection_of(cluster: &Cluster, container: RscIx) -> Option<RscIx> {
    if cluster[container].is_remote_connection {
        return Some(container);
    }
    let mut fillers = cluster[container].fillers.iter().copied();
    fillers.find(|&f| cluster.has_remote_nodes() && cluster[f].is_remote_connection)
}

fn restrict_to_guest(cluster: &mut Cluster, rsc: RscIx, guest: RscIx) {
    for node in nodes_where(cluster, rsc, |c, n| c[n].connection != Some(guest)) {
        cluster[rsc].allowed.set(node, Score::MINUS_INFINITY, Cause::Container);
    }
}

fn ban_remote_nodes(cluster: &mut Cluster, rsc: RscIx) {
    for node in nodes_where(cluster, rsc, |c, n| c[n].connection.is_some()) {
        cluster[rsc].allowed.set(node, Score::MINUS_INFINITY, Cause::NotOnRemote);
    }
}

fn nodes_where(
    cluster: &Cluster,
    rsc: RscIx,
    wanted: impl Fn(&Cluster, NodeIx) -> bool,
) -> Vec<NodeIx> {
    cluster[rsc].allowed.iter().map(|(n, _)| n).filter(|&n| wanted(cluster, n)).collect()
}
