//! Bundles: containers with an address, a connection and an instance each.

use crate::scheduler::model::{Cluster, OrderFlags, OrderRule, RscIx, Task};

use super::clone::{COMPLETED, create_around, order_roles};
use super::orderings::order_tasks;
use super::request::pseudo_op;
use super::{create_resource, internal};

/// Internal orderings of a bundle and everything in it.
pub(super) fn order_replicas(cluster: &mut Cluster, bundle: RscIx) {
    let Some(data) = cluster[bundle].bundle_data() else { return };
    let (replicas, inner) = (data.replicas.clone(), data.clone);
    let (first, then) = (OrderFlags::FIRST_PRINTED, OrderFlags::THEN_PRINTED);
    if let Some(inner) = inner {
        tie(cluster, (bundle, Task::Start), (inner, Task::Start), first);
        tie(cluster, (bundle, Task::Stop), (inner, Task::Stop), first);
        tie(cluster, (inner, Task::Running), (bundle, Task::Running), then);
        tie(cluster, (inner, Task::Stopped), (bundle, Task::Stopped), then);
    }
    for replica in &replicas {
        let container = replica.container;
        internal::order_resource(cluster, container);
        let start = OrderFlags::FIRST_RUNNABLE | first;
        tie(cluster, (bundle, Task::Start), (container, Task::Start), start);
        if let Some(child) = replica.child {
            tie(cluster, (bundle, Task::Stop), (child, Task::Stop), first);
        }
        tie(cluster, (bundle, Task::Stop), (container, Task::Stop), first);
        tie(cluster, (container, Task::Start), (bundle, Task::Running), then);
        tie(cluster, (container, Task::Stop), (bundle, Task::Stopped), then);
        if let Some(ip) = replica.ip {
            internal::order_resource(cluster, ip);
            let flags = OrderFlags::FIRST_RUNNABLE | OrderFlags::INTERNAL;
            tie(cluster, (ip, Task::Start), (container, Task::Start), flags);
            let flags = OrderFlags::FIRST_REQ | OrderFlags::INTERNAL;
            tie(cluster, (container, Task::Stop), (ip, Task::Stop), flags);
        }
        if let Some(connection) = replica.connection {
            internal::order_resource(cluster, connection);
        }
    }
    let Some(inner) = inner else { return };
    internal::order_resource(cluster, inner);
    if cluster[inner].promotable {
        order_roles(cluster, bundle);
        tie(cluster, (inner, Task::Demoted), (bundle, Task::Demoted), then);
        tie(cluster, (bundle, Task::Demote), (inner, Task::Demote), first);
        tie(cluster, (inner, Task::Promoted), (bundle, Task::Promoted), then);
        tie(cluster, (bundle, Task::Promote), (inner, Task::Promote), first);
    }
}

/// the replicas' actions, the bundle's own, and those of what runs inside.
pub(super) fn create(cluster: &mut Cluster, bundle: RscIx) {
    let Some(data) = cluster[bundle].bundle_data() else { return };
    let (replicas, inner) = (data.replicas.clone(), data.clone);
    for replica in &replicas {
        let parts = [replica.ip, Some(replica.container), replica.connection];
        for part in parts.into_iter().flatten() {
            create_resource(cluster, part);
        }
    }
    let containers: Vec<_> = replicas.iter().map(|r| r.container).collect();
    create_around(cluster, bundle, &containers);
    let Some(inner) = inner else { return };
    create_resource(cluster, inner);
    if cluster[inner].promotable {
        for (task, done) in [(Task::Promote, Task::Promoted), (Task::Demote, Task::Demoted)] {
            pseudo_op(cluster, bundle, task, true, true);
            let complete = pseudo_op(cluster, bundle, done, true, true);
            cluster[complete].priority = COMPLETED;
        }
    }
}

/// An ordering that relates a bundle and its replicas.
fn tie(cluster: &mut Cluster, first: (RscIx, Task), then: (RscIx, Task), flags: OrderFlags) {
    order_tasks(cluster, OrderRule::Bundle, first, then, flags);
}
