//! Location constraints (section 8), health preferences included.

use crate::Score;
use crate::scheduler::model::{
    Cause, Cluster, Discovery, Location, LocationIx, NodeIx, Role, RscIx, Variant,
};

/// Notes every entry at its resource, then applies all in reverse order of creation (P-52).
pub(super) fn apply_all(cluster: &mut Cluster) {
    for ix in (0..cluster.locations.len()).map(LocationIx::next) {
        let rsc = cluster[ix].rsc;
        cluster[rsc].locations.push(ix);
        if cluster[ix].discovery == Discovery::Exclusive {
            cluster[rsc].exclusive_discovery = true;
        }
    }
    let locations = std::mem::take(&mut cluster.locations);
    for (at, location) in locations.iter().enumerate().rev() {
        apply(cluster, location.rsc, location, LocationIx::next(at));
    }
    cluster.locations = locations;
}

/// Applies an entry to a resource of any kind (P-55, P-56).
fn apply(cluster: &mut Cluster, rsc: RscIx, location: &Location, ix: LocationIx) {
    apply_to_one(cluster, rsc, location, ix, false);
    match &cluster[rsc].variant {
        Variant::Primitive => {}
        Variant::Group(group) => {
            let colocated = group.colocated;
            for (at, member) in cluster[rsc].children.clone().into_iter().enumerate() {
                apply_to_one(cluster, member, location, ix, colocated && at > 0);
            }
        }
        Variant::Clone(_) => {
            for instance in cluster[rsc].children.clone() {
                apply(cluster, instance, location, ix);
            }
        }
        Variant::Bundle(bundle) => {
            let inner = bundle.clone.filter(|_| location.role == Some(Role::Promoted));
            let outside: Vec<RscIx> =
                bundle.replicas.iter().flat_map(|r| [Some(r.container), r.ip]).flatten().collect();
            for part in outside {
                apply_to_one(cluster, part, location, ix, false);
            }
            if let Some(inner) = inner {
                apply(cluster, inner, location, ix);
                cluster[inner].locations.push(ix);
            }
        }
    }
}

/// Applies an entry to one table (P-53, P-54); `zero` makes the nodes known without a preference.
fn apply_to_one(
    cluster: &mut Cluster,
    rsc: RscIx,
    location: &Location,
    ix: LocationIx,
    zero: bool,
) {
    if location.role.is_some_and(|role| role != cluster[rsc].next_role) {
        return;
    }
    for &(node, score) in &location.nodes {
        let score = if zero { Score::ZERO } else { score };
        add_or_insert(cluster, rsc, node, score, Cause::Location(ix));
        if let Some(entry) = cluster[rsc].allowed.get_mut(node)
            && entry.discovery < location.discovery
        {
            entry.discovery = location.discovery;
            if location.discovery == Discovery::Exclusive {
                cluster[rsc].exclusive_discovery = true;
            }
        }
    }
}

fn add_or_insert(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, score: Score, cause: Cause) {
    if !cluster[rsc].allowed.add(node, score, cause) {
        let discovery = cluster.initial_discovery(node);
        cluster[rsc].allowed.insert(node, score, discovery, cause);
    }
}
