//! What to do, in which order (scheduler reference, part 3).
//!
//! [`prepare`] runs before placement, [`plan`] after it. `request` makes actions, `orderings`
//! relates them; the other modules each know one reason for doing something; `resolve`,
//! `propagate` and `apply` settle what must and can be done; `emit` writes the graph.

mod apply;
mod bundle;
mod cleanup;
mod clone;
mod describe;
mod emit;
mod fencing;
mod group;
mod history;
mod internal;
mod located;
mod migration;
mod notify;
mod orderings;
mod primitive;
mod probe_order;
mod probes;
mod propagate;
mod recurring;
mod remote;
mod request;
mod resolve;
mod roles;
mod seen;
mod shutdown;
#[cfg(test)]
mod tests;
mod unfencing;

pub use fencing::{can_fence, mark_for_fencing};
pub use orderings::order;
pub use primitive::unassigned;
pub(crate) use request::NO_QUORUM;
pub use request::{clear_failcount, make_stops_optional, one_or_more, op, recurring_found};

use super::model::{Cluster, RscIx, Variant};
use crate::transition::Graph;

/// Internal orderings and the comparison of history with configuration (phases 4 and 5).
pub fn prepare(cluster: &mut Cluster) {
    for top in cluster.top.clone() {
        internal::order_resource(cluster, top);
    }
    history::check(cluster);
}

/// Actions, their orderings, and the graph of what is left to do (phases 7 to 11).
pub fn plan(cluster: &mut Cluster) -> Graph {
    follow_placement(cluster);
    history::check_deferred(cluster);
    probes::create(cluster);
    probes::clear_orphans(cluster);
    for top in cluster.top.clone() {
        create_resource(cluster, top);
    }
    remote::order_actions(cluster);
    fencing::plan(cluster);
    resolve::resolve(cluster);
    propagate::settle(cluster);
    resolve::disable_invalid(cluster);
    located::settle(cluster);
    emit::graph(cluster)
}

/// actions that exist already follow what placement decided; an instance that it never came
/// to keeps what it has.
fn follow_placement(cluster: &mut Cluster) {
    for rsc in cluster.all_resources() {
        let r = &cluster[rsc];
        if r.is_primitive() && r.decided && r.assigned.is_none() {
            unassigned(cluster, rsc);
        }
    }
}

/// The actions of a resource of any kind, those of its parts first.
fn create_resource(cluster: &mut Cluster, rsc: RscIx) {
    match &cluster[rsc].variant {
        Variant::Primitive => primitive::create(cluster, rsc),
        Variant::Group(_) => group::create(cluster, rsc),
        Variant::Clone(_) => clone::create(cluster, rsc),
        Variant::Bundle(_) => bundle::create(cluster, rsc),
    }
}
