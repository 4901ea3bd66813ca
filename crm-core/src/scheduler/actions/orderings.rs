//! Relations between actions: links of two actions, and orderings that become links when all
//! actions are there (scheduler reference 3, sections 5, 12 and 15.1).

use crate::scheduler::model::{
    ActionIx, Cluster, Key, Link, LinkIx, OrderFlags, OrderOrigin, OrderRule, OrderSide, Ordering,
    OrderingIx, Relation, RscIx, Task,
};

/// Links two actions, unless a link of the same pair shares a modifier. Returns the new
/// link.
pub(super) fn link(
    cluster: &mut Cluster,
    relation: Relation,
    first: ActionIx,
    then: ActionIx,
    flags: OrderFlags,
) -> Option<LinkIx> {
    if flags == OrderFlags::NONE || first == then || shares(cluster, first, then, flags) {
        return None;
    }
    let ix = LinkIx::next(cluster.links.len());
    cluster.links.push(Link { first, then, flags, made: flags });
    cluster.journal.linked(relation);
    cluster[first].after.push(ix);
    cluster[then].before.push(ix);
    Some(ix)
}

/// True if the pair has a link that was made with one of these modifiers, even if it is disabled by
/// now. Looks at the shorter list.
fn shares(cluster: &Cluster, first: ActionIx, then: ActionIx, flags: OrderFlags) -> bool {
    let (after, before) = (&cluster[first].after, &cluster[then].before);
    let list = if after.len() < before.len() { after } else { before };
    list.iter().any(|&l| {
        let l = &cluster[l];
        l.first == first && l.then == then && l.made.intersects(flags)
    })
}

/// Adds an ordering, with the equivalents that migration needs.
pub fn order(
    cluster: &mut Cluster,
    origin: OrderOrigin,
    first: OrderSide,
    then: OrderSide,
    flags: OrderFlags,
) -> OrderingIx {
    let ix = OrderingIx::next(cluster.orderings.len());
    let added = migration_equivalents(cluster, &first, &then);
    cluster.orderings.push(Ordering { first, then, flags, origin: origin.clone() });
    for (first, then, flags) in added {
        cluster.orderings.push(Ordering { first, then, flags, origin: origin.clone() });
    }
    ix
}

/// An ordering that follows from a rule.
pub(super) fn order_by(
    cluster: &mut Cluster,
    rule: OrderRule,
    first: OrderSide,
    then: OrderSide,
    flags: OrderFlags,
) {
    order(cluster, OrderOrigin::Rule(rule), first, then, flags);
}

/// A link that follows from a rule.
pub(super) fn link_by(
    cluster: &mut Cluster,
    rule: OrderRule,
    first: ActionIx,
    then: ActionIx,
    flags: OrderFlags,
) {
    link(cluster, Relation::Rule(rule), first, then, flags);
}

/// An ordering of two tasks that run once.
pub(super) fn order_tasks(
    cluster: &mut Cluster,
    rule: OrderRule,
    first: (RscIx, Task),
    then: (RscIx, Task),
    flags: OrderFlags,
) {
    let (first, then) = (OrderSide::task(first.0, first.1), OrderSide::task(then.0, then.1));
    order(cluster, OrderOrigin::Rule(rule), first, then, flags);
}

/// The resource and task of a side.
fn subject(cluster: &Cluster, side: &OrderSide) -> Option<(RscIx, Task)> {
    match side {
        OrderSide::Action(action) => Some((cluster[*action].rsc?, cluster[*action].task.clone())),
        OrderSide::Key(rsc, Key::Op(task, _)) => Some((*rsc, task.clone())),
        OrderSide::Key(..) => None,
    }
}

/// what an ordering of starts and stops means for a move without them.
fn migration_equivalents(
    cluster: &Cluster,
    first: &OrderSide,
    then: &OrderSide,
) -> Vec<(OrderSide, OrderSide, OrderFlags)> {
    let (Some((a, first)), Some((b, then))) = (subject(cluster, first), subject(cluster, then))
    else {
        return Vec::new();
    };
    let (a_moves, b_moves) = (cluster[a].allow_migrate, cluster[b].allow_migrate);
    let related = a == b || cluster.is_ancestor(a, b) || cluster.is_ancestor(b, a);
    if related || !(a_moves || b_moves) {
        return Vec::new();
    }
    let side = OrderSide::task;
    let order = OrderFlags::ORDER;
    let unless_moving = |moves: bool| {
        if moves { order | OrderFlags::ONLY_FIRST_NOT_MIGRATING } else { order }
    };
    let partial = cluster[b].partial_migration.is_some();
    let mut added = Vec::new();
    match (first, then) {
        (Task::Start, Task::Start) if b_moves => {
            if a_moves {
                added.push((side(a, Task::MigrateFrom), side(b, Task::MigrateTo), order));
            }
            let flags = unless_moving(a_moves);
            added.push((side(a, Task::Start), side(b, Task::MigrateTo), flags));
        }
        (Task::Stop, Task::Stop) if b_moves => {
            let flags = unless_moving(a_moves);
            added.push((side(a, Task::Stop), side(b, Task::MigrateTo), flags));
            if partial {
                added.push((side(a, Task::Stop), side(b, Task::MigrateFrom), flags));
            }
        }
        (Task::Promote, Task::Start) if b_moves => {
            added.push((side(a, Task::Promote), side(b, Task::MigrateTo), order));
        }
        (Task::Demote, Task::Stop) if b_moves => {
            added.push((side(a, Task::Demote), side(b, Task::MigrateTo), order));
            if partial {
                added.push((side(a, Task::Demote), side(b, Task::MigrateFrom), order));
            }
        }
        _ => {}
    }
    added
}
