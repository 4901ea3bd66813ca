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
    for (i, ordering) in std::mem::take(&mut cluster.orderings).into_iter().enumerate() {
        resolve_one(cluster, OrderingIx::next(i), &ordering);
        cluster.orderings.push(ordering);
    }
}

fn resolve_one(cluster: &mut Cluster, ix: OrderingIx, ordering: &Ordering) {
    let firsts = match &ordering.first {
        OrderSide::Action(ix) => vec![*ix],
        OrderSide::Key(rsc, key) => {
            let found = oldest_first(cluster, *rsc, key);
            if found.is_empty() { stand_in(cluster, *rsc, key, &ordering.then) } else { found }
        }
    };
    for first in firsts {
        let (thens, owner) = match &ordering.then {
            OrderSide::Action(ix) => (vec![*ix], cluster[*ix].rsc),
            OrderSide::Key(rsc, key) => (oldest_first(cluster, *rsc, key), Some(*rsc)),
        };
        let action = &cluster[first];
        let mut flags = ordering.flags;
        if owner.is_some() && action.rsc == owner && action.marks.has(Marks::DANGLE) {
            flags = flags.without(OrderFlags::THEN_REQ);
        }
        for then in thens {
            link(cluster, Relation::Ordering(ix), first, then, flags);
        }
    }
}

/// The actions of a resource with this key, oldest first.
fn oldest_first(cluster: &Cluster, rsc: RscIx, key: &Key) -> Vec<ActionIx> {
    cluster[rsc].actions.iter().copied().filter(|&a| cluster[a].key == *key).collect()
}

/// A first side that nobody asked for: made without a node, unless it is beside the point
///
fn stand_in(cluster: &mut Cluster, rsc: RscIx, key: &Key, then: &OrderSide) -> Vec<ActionIx> {
    let then_rsc = match then {
        OrderSide::Action(ix) => cluster[*ix].rsc,
        OrderSide::Key(rsc, _) => Some(*rsc),
    };
    let Key::Op(task, interval) = key else { return Vec::new() };
    let beside = match task {
        Task::Stop => state(cluster, rsc) == Role::Stopped,
        Task::Demote => state(cluster, rsc) == Role::Unpromoted,
        _ => false,
    };
    if then_rsc == Some(rsc) || beside {
        return Vec::new();
    }
    vec![op(cluster, rsc, task.clone(), *interval, None, true)]
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
