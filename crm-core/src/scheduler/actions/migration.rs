//! Live migration (scheduler reference 3, section 5).

use crate::scheduler::model::{
    ActionIx, Cluster, Marks, NodeIx, OrderFlags, OrderRule, OrderSide, RscIx, Task,
};

use super::orderings::{order_by, order_tasks};
use super::request::op;

/// whether the resource may move without being stopped.
pub(super) fn is_possible(cluster: &Cluster, rsc: RscIx, current: Option<NodeIx>) -> bool {
    let r = &cluster[rsc];
    let clean = |node: Option<NodeIx>| node.is_some_and(|n| !cluster[n].unclean);
    r.allow_migrate
        && r.managed
        && !r.failed
        && !r.start_pending
        && clean(current)
        && clean(r.assigned)
}

/// the actions and their order.
pub(super) fn create(cluster: &mut Cluster, rsc: RscIx, current: Option<NodeIx>) {
    let (Some(source), Some(target)) = (current, cluster[rsc].assigned) else { return };
    let partial = cluster[rsc].partial_migration.is_some();
    let start = op(cluster, rsc, Task::Start, 0, Some(target), true);
    let stop = op(cluster, rsc, Task::Stop, 0, Some(source), true);
    let to = (!partial).then(|| op(cluster, rsc, Task::MigrateTo, 0, Some(source), true));
    let from = op(cluster, rsc, Task::MigrateFrom, 0, Some(target), true);
    cluster[start].marks.set(Marks::MIGRATE_RUNNABLE | Marks::PSEUDO);
    cluster[stop].marks.set(Marks::MIGRATE_RUNNABLE);
    cluster[from].marks.set(Marks::MIGRATE_RUNNABLE);
    let needs = cluster[start].needs;
    let tie = OrderFlags::ORDER | OrderFlags::MIGRATE_FIRST;
    let probe = || OrderSide::task(rsc, Task::Monitor);
    if let Some(to) = to {
        cluster[to].marks.set(Marks::MIGRATE_RUNNABLE);
        cluster[to].needs = needs;
        let then = OrderSide::task(rsc, Task::MigrateTo);
        order_by(cluster, OrderRule::Migration, probe(), then, OrderFlags::ORDER);
        order_tasks(
            cluster,
            OrderRule::Migration,
            (rsc, Task::MigrateTo),
            (rsc, Task::MigrateFrom),
            tie,
        );
        add_meta(cluster, to, source, target);
        if !cluster[rsc].is_remote_connection {
            cluster[to].add_meta("record-pending", "true");
        }
    } else {
        cluster[from].needs = needs;
        let then = OrderSide::task(rsc, Task::MigrateFrom);
        order_by(cluster, OrderRule::Migration, probe(), then, OrderFlags::ORDER);
    }
    order_tasks(cluster, OrderRule::Migration, (rsc, Task::MigrateFrom), (rsc, Task::Stop), tie);
    let start_tie = tie | OrderFlags::PSEUDO_LEFT;
    order_tasks(
        cluster,
        OrderRule::Migration,
        (rsc, Task::MigrateFrom),
        (rsc, Task::Start),
        start_tie,
    );
    add_meta(cluster, from, source, target);
}

fn add_meta(cluster: &mut Cluster, ix: ActionIx, source: NodeIx, target: NodeIx) {
    let (source, target) = (cluster[source].name.clone(), cluster[target].name.clone());
    cluster[ix].add_meta("migrate_source", source);
    cluster[ix].add_meta("migrate_target", target);
}
