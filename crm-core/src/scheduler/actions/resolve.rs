//! From orderings of resources and keys to links of actions (scheduler reference 3,
//! section 15.1), and the links that are taken back (section 16).

use std::collections::BTreeMap;

use crate::scheduler::model::{
    ActionIx, Cluster, Key, LinkIx, Marks, OrderFlags, OrderSide, Ordering, OrderingIx, Relation,
    Role, RscIx, Task,
};

use super::apply::state;
use super::emit;
use super::orderings::link;
use super::request::op;

/// Turns all orderings into links, in order of creation.
pub(super) fn resolve(cluster: &mut Cluster) {
    // No new ordering comes of it, and there are too many of them for a second copy.
    let orderings = std::mem::take(&mut cluster.orderings);
    let mut found = Sides::default();
    for (i, ordering) in orderings.iter().enumerate() {
        resolve_one(cluster, OrderingIx::next(i), ordering, &mut found);
    }
    cluster.orderings = orderings;
}

/// The actions on both sides of one ordering after the other.
#[derive(Default)]
struct Sides {
    firsts: Vec<ActionIx>,
    thens: Vec<ActionIx>,
}

fn resolve_one(cluster: &mut Cluster, ix: OrderingIx, ordering: &Ordering, found: &mut Sides) {
    let Sides { firsts, thens } = found;
    fill(firsts, cluster, &ordering.first);
    if let (OrderSide::Key(rsc, key), true) = (&ordering.first, firsts.is_empty()) {
        firsts.extend(stand_in(cluster, *rsc, key, &ordering.then));
    }
    if firsts.is_empty() {
        return;
    }
    fill(thens, cluster, &ordering.then);
    let owner = owner(cluster, &ordering.then);
    for &first in &*firsts {
        let action = &cluster[first];
        let mut flags = ordering.flags;
        if owner.is_some() && action.rsc == owner && action.marks.has(Marks::DANGLE) {
            flags = flags.without(OrderFlags::THEN_REQ);
        }
        for &then in &*thens {
            link(cluster, Relation::Ordering(ix), first, then, flags);
        }
    }
}

/// Puts the actions that a side means into `found`, those of a key oldest first.
fn fill(found: &mut Vec<ActionIx>, cluster: &Cluster, side: &OrderSide) {
    found.clear();
    match side {
        OrderSide::Action(ix) => found.push(*ix),
        OrderSide::Key(rsc, key) => {
            let actions = cluster[*rsc].actions.iter().copied();
            found.extend(actions.filter(|&a| cluster[a].key == *key));
        }
    }
}

/// The resource that a side belongs to.
fn owner(cluster: &Cluster, side: &OrderSide) -> Option<RscIx> {
    match side {
        OrderSide::Action(ix) => cluster[*ix].rsc,
        OrderSide::Key(rsc, _) => Some(*rsc),
    }
}

/// A first side that nobody asked for: made without a node, unless it is beside the point
///
fn stand_in(cluster: &mut Cluster, rsc: RscIx, key: &Key, then: &OrderSide) -> Option<ActionIx> {
    let Key::Op(task, interval) = key else { return None };
    let beside = match task {
        Task::Stop => state(cluster, rsc) == Role::Stopped,
        Task::Demote => state(cluster, rsc) == Role::Unpromoted,
        _ => false,
    };
    if owner(cluster, then) == Some(rsc) || beside {
        return None;
    }
    Some(op(cluster, rsc, task.clone(), *interval, None, true))
}

/// links that would contradict themselves.
pub(super) fn disable_invalid(cluster: &mut Cluster) {
    for then in (0..cluster.actions.len()).rev().map(ActionIx::next) {
        let Some(rsc) = cluster[then].rsc else { continue };
        for i in (0..cluster[then].before.len()).rev() {
            let ix = cluster[then].before[i];
            let l = cluster[ix];
            let first = &cluster[l.first];
            let guest = first.rsc.and(first.node).and_then(|n| cluster.container_behind(n));
            let user_made = !l.flags.contains(OrderFlags::INTERNAL);
            let inside = user_made && guest == Some(rsc);
            let swap = l.flags == OrderFlags::LOAD
                && cluster[then].task == Task::MigrateTo
                && closes_loop(cluster, then, ix);
            if inside || swap {
                cluster[ix].flags = OrderFlags::NONE;
            }
        }
    }
}

/// True if the action comes before itself over links that would enter the graph. Links that hold
/// on one node only and turn out not to on the way are disabled, like those of an action that
/// enters the graph: a drawing of all actions shows it.
fn closes_loop(cluster: &mut Cluster, goal: ActionIx, start: LinkIx) -> bool {
    // Whether an action that was met is done with; the others are on the path. The goal itself is
    // where a loop ends.
    let mut met: BTreeMap<ActionIx, bool> = BTreeMap::new();
    // The actions from the goal to the link at hand, each with its links still to follow, the next
    // one last.
    let mut path: Vec<(ActionIx, Vec<LinkIx>)> = vec![(goal, vec![start])];
    while let Some((action, links)) = path.last_mut() {
        let Some(ix) = links.pop() else {
            met.insert(*action, true);
            path.pop();
            continue;
        };
        let l = cluster[ix];
        let done = met.get(&l.first).copied();
        if done == Some(false) {
            continue;
        }
        if !emit::is_trigger(cluster, l.first, l.then, l.flags) {
            if l.flags == OrderFlags::LOAD || l.flags == OrderFlags::ANTI_COLOC {
                cluster[ix].flags = OrderFlags::NONE;
            }
            continue;
        }
        if l.first == goal {
            return true;
        }
        if done.is_none() {
            met.insert(l.first, false);
            path.push((l.first, cluster[l.first].before.clone()));
        }
    }
    false
}
