//! Probes come before what depends on their outcome.

use std::collections::BTreeSet;

use crate::scheduler::model::{
    ActionIx, Cluster, Key, OrderFlags, OrderRule, OrderSide, RscIx, Task, Variant,
};

use super::apply::partner;
use super::orderings::link_by;

/// All orderings of probes that follow from other orderings.
pub(super) fn add(cluster: &mut Cluster) {
    for top in cluster.top.clone() {
        for leaf in cluster.leaves(top) {
            for probe in probes_of(cluster, leaf) {
                for then in followers(cluster, probe) {
                    restart_after(cluster, probe, then);
                }
            }
        }
    }
    for i in 0..cluster.orderings.len() {
        imply(cluster, i);
    }
}

fn probes_of(cluster: &Cluster, rsc: RscIx) -> Vec<ActionIx> {
    let key = Key::once(Task::Monitor);
    cluster[rsc].actions.iter().copied().filter(|&a| cluster[a].key == key).collect()
}

fn followers(cluster: &Cluster, ix: ActionIx) -> Vec<ActionIx> {
    cluster[ix].after.iter().rev().map(|&l| cluster[l].then).collect()
}

/// follows what comes after the probe, so that nothing is restarted before its result.
fn restart_after(cluster: &mut Cluster, probe: ActionIx, start: ActionIx) {
    let mut seen = BTreeSet::new();
    let mut stack = vec![start];
    while let Some(after) = stack.pop() {
        if !seen.insert(after) {
            continue;
        }
        before_restart(cluster, probe, after);
        for &l in cluster[after].after.iter() {
            let l = cluster[l];
            if l.made.contains(OrderFlags::THEN_REQ) || leads_down(cluster, probe, after, l.then) {
                stack.push(l.then);
            }
        }
    }
}

/// The probe comes before the stop that a start of another primitive would need first.
fn before_restart(cluster: &mut Cluster, probe: ActionIx, after: ActionIx) {
    let action = &cluster[after];
    let Some(rsc) = action.rsc.filter(|&r| cluster[r].is_primitive()) else { return };
    if cluster[probe].rsc == Some(rsc) {
        return;
    }
    let task = match action.task {
        Task::Start => Task::Stop,
        Task::Promote => Task::Demote,
        _ => return,
    };
    let key = Key::once(task);
    let undo: Vec<_> = cluster[rsc]
        .actions
        .iter()
        .copied()
        .filter(|&a| cluster[a].key == key && !cluster[a].marks.pseudo())
        .collect();
    for action in undo {
        link_by(cluster, OrderRule::Probe, probe, action, OrderFlags::ORDER);
    }
}

/// True for the step from a collective's action to a part's that the probe concerns.
fn leads_down(cluster: &Cluster, probe: ActionIx, after: ActionIx, next: ActionIx) -> bool {
    let (Some(whole), Some(part)) = (cluster[after].rsc, cluster[next].rsc) else { return false };
    let Some(probed) = cluster[probe].rsc else { return false };
    let simple = |r: RscIx| matches!(cluster[r].variant, Variant::Primitive | Variant::Group(_));
    if cluster[whole].is_primitive()
        || cluster[probed].parent == Some(whole)
        || !simple(part)
        || cluster[part].parent != Some(whole)
    {
        return false;
    }
    !cluster.interleaves(whole) || partner(cluster, probed, whole, false) == Some(part)
}

/// what follows a stop follows the probes that might find something to stop.
fn imply(cluster: &mut Cluster, ordering: usize) {
    let o = &cluster.orderings[ordering];
    let (rsc, stops) = match &o.first {
        OrderSide::Action(ix) => {
            let Some(rsc) = cluster[*ix].rsc else { return };
            (rsc, cluster[*ix].task == Task::Stop)
        }
        OrderSide::Key(rsc, key) => (*rsc, *key == Key::once(Task::Stop)),
    };
    if !stops || o.flags == OrderFlags::NONE {
        return;
    }
    let (then_rsc, then_stops) = match &o.then {
        OrderSide::Action(ix) => (cluster[*ix].rsc, cluster[*ix].task == Task::Stop),
        OrderSide::Key(rsc, key) => (Some(*rsc), *key == Key::once(Task::Stop)),
    };
    let contained = then_rsc.is_some() && cluster[rsc].container == then_rsc;
    if then_rsc == Some(rsc) || (contained && then_stops) {
        return;
    }
    let probes = probes_of(cluster, rsc);
    if probes.is_empty() {
        return;
    }
    let flags = implied_flags(o.flags);
    let thens: Vec<_> = match &o.then {
        OrderSide::Action(ix) => vec![*ix],
        OrderSide::Key(rsc, key) => {
            let actions = cluster[*rsc].actions.iter().copied();
            actions.filter(|&a| cluster[a].key == *key).collect()
        }
    };
    for probe in probes {
        for &then in &thens {
            if is_needed_before(cluster, probe, then) {
                link_by(cluster, OrderRule::Probe, probe, then, flags);
            }
        }
    }
}

fn implied_flags(flags: OrderFlags) -> OrderFlags {
    if flags == OrderFlags::LOAD || flags == OrderFlags::ANTI_COLOC {
        return flags;
    }
    let mut implied = OrderFlags::ORDER;
    for kept in [OrderFlags::ONLY_FIRST_NOT_MIGRATING, OrderFlags::SAME_NODE] {
        if flags.contains(kept) {
            implied |= kept;
        }
    }
    implied
}

fn is_needed_before(cluster: &Cluster, probe: ActionIx, then: ActionIx) -> bool {
    let (probe, then) = (&cluster[probe], &cluster[then]);
    match (&then.task, &then.key) {
        (Task::Fence, Key::Fence(node, operation)) => {
            !(&**operation == "on" && probe.node == Some(*node))
        }
        // One that is nowhere, which stands in for others, might be there.
        (Task::Shutdown, _) => probe.node.is_none() || probe.node == then.node,
        _ => true,
    }
}
