//! What changed between the history and the configuration, and what follows: restart, reload,
//! new or cancelled recurring operations (scheduler reference 3, section 6).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::scheduler::digest;
use crate::scheduler::input::failcount;
use crate::scheduler::model::{
    CheckKind, Cluster, DeferredCheck, Fact, Ground, HistoryIx, Marks, NodeIx, Note, OrderFlags,
    OrderRule, OrderSide, Remark, RscIx, Task,
};

use super::orderings::order_by;
use super::request::{clear_failcount, op};
use super::{cleanup, recurring, unfencing};

/// The reason shown for what a changed definition causes.
const CHANGED: &str = "resource definition change";

/// Compares all histories of nodes that can act.
pub(super) fn check(cluster: &mut Cluster) {
    let named = Named::new(cluster);
    let mut by_node: BTreeMap<NodeIx, Vec<HistoryIx>> = BTreeMap::new();
    for (i, history) in cluster.histories.iter().enumerate() {
        by_node.entry(history.node).or_default().push(HistoryIx::next(i));
    }
    let mut active_on: BTreeMap<NodeIx, Vec<RscIx>> = BTreeMap::new();
    for rsc in cluster.all_resources().filter(|rsc| cluster[*rsc].is_primitive()) {
        for &node in &cluster[rsc].active_on {
            active_on.entry(node).or_default().push(rsc);
        }
    }
    let mut active = vec![false; cluster.resources.len()];
    for node in cluster.node_order.clone() {
        if !(cluster[node].maintenance || cluster[node].available()) {
            continue;
        }
        let here = active_on.get(&node).map_or(&[][..], Vec::as_slice);
        here.iter().for_each(|rsc| active[rsc.ix()] = true);
        for &history in by_node.get(&node).into_iter().flatten() {
            if cluster[history].ops.is_empty() {
                continue;
            }
            let Some(meant) = named.of(&cluster[history].id) else { continue };
            // Instances are many; only where they are active there is something to compare.
            let idle = meant.alike && !agent_changed(cluster, meant.all[0], history);
            for &rsc in &meant.all {
                if active[rsc.ix()] || !idle {
                    check_resource(cluster, rsc, node, history, active[rsc.ix()]);
                }
            }
        }
        here.iter().for_each(|rsc| active[rsc.ix()] = false);
    }
}

/// The primitives that an id in the history may mean.
struct Meant {
    /// In resource order.
    all: Vec<RscIx>,
    /// None is an orphan, and all have the same agent.
    alike: bool,
}

/// What ids in the history may mean; only to look one up.
struct Named(HashMap<Arc<str>, Meant>);

impl Named {
    fn new(cluster: &Cluster) -> Named {
        let mut named = Named(HashMap::new());
        for &top in &cluster.top {
            for leaf in cluster.leaves(top) {
                let r = &cluster[leaf];
                named.add(cluster, r.id.clone(), leaf);
                if let Some(name) = r.history_name.as_ref().filter(|n| **n != r.id) {
                    named.add(cluster, name.clone(), leaf);
                }
            }
        }
        named
    }

    fn add(&mut self, cluster: &Cluster, id: Arc<str>, rsc: RscIx) {
        let meant = self.0.entry(id).or_insert_with(|| Meant { all: Vec::new(), alike: true });
        let like_first =
            meant.all.first().is_none_or(|first| cluster[*first].agent == cluster[rsc].agent);
        meant.alike &= like_first && !cluster[rsc].orphan;
        meant.all.push(rsc);
    }

    fn of(&self, id: &str) -> Option<&Meant> {
        self.0.get(id)
    }
}

/// for one resource on one node.
fn check_resource(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    history: HistoryIx,
    active: bool,
) {
    if cluster[rsc].orphan {
        let top = cluster.top_of(rsc);
        let anonymous = cluster[top].clone_data().is_some() && !cluster[top].unique;
        if !anonymous {
            let ground = Ground::History(history, Remark::Orphan);
            cleanup::schedule(cluster, rsc, node, false, ground);
        }
        return;
    }
    if agent_changed(cluster, rsc, history) {
        let ground = Ground::History(history, Remark::OtherAgent);
        unfencing::trigger(cluster, rsc, Some(node), ground, "Device definition changed");
        if active {
            let stop = op(cluster, rsc, Task::Stop, 0, Some(node), false);
            cluster.journal.needed(stop, ground);
            cluster[rsc].start_pending = true;
            cluster.journal.resource_first(rsc, Fact::StartPending, ground);
        }
        cleanup::schedule(cluster, rsc, node, false, ground);
    }
    if !active {
        return;
    }
    let (start, stop) = (cluster[history].last_start, cluster[history].last_stop);
    if stop.is_some_and(|stop| start.is_none_or(|start| start < stop)) {
        return;
    }
    for entry in start.unwrap_or(0)..cluster[history].ops.len() {
        check_entry(cluster, rsc, node, history, entry);
    }
}

fn agent_changed(cluster: &Cluster, rsc: RscIx, history: HistoryIx) -> bool {
    let (agent, recorded) = (&cluster[rsc].agent, &cluster[history]);
    recorded.class.as_ref() != Some(&agent.class)
        || recorded.provider != agent.provider
        || recorded.kind.as_ref() != Some(&agent.kind)
}

/// one operation since the last start.
fn check_entry(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, history: HistoryIx, entry: usize) {
    let recorded = &cluster[history].ops[entry];
    let Some(task) = recorded.task.clone() else { return };
    let interval = recorded.interval;
    let maintenance = cluster[rsc].maintenance || cluster[node].maintenance;
    if interval > 0 && maintenance {
        cancel_recorded(cluster, rsc, node, (history, entry), Remark::Maintenance);
        return;
    }
    let compared = matches!(task, Task::Monitor | Task::Start | Task::Promote | Task::MigrateFrom);
    if interval == 0 && !compared {
        return;
    }
    if digest::addressed_by_host(cluster, rsc) {
        cluster.deferred_checks.push(DeferredCheck {
            rsc,
            history,
            op: entry,
            kind: CheckKind::Active,
        });
    } else {
        check_definition(cluster, rsc, node, history, entry);
    }
}

/// The comparisons that had to wait for the placement of containers, the last one first (A-53,
/// I-177).
pub(super) fn check_deferred(cluster: &mut Cluster) {
    for check in std::mem::take(&mut cluster.deferred_checks).into_iter().rev() {
        let DeferredCheck { rsc, history, op, kind } = check;
        let node = cluster[history].node;
        match kind {
            CheckKind::Active => check_definition(cluster, rsc, node, history, op),
            CheckKind::LastFailure => {
                let verdict = digest::compare(cluster, rsc, node, history, op);
                if !matches!(verdict, digest::Verdict::Match | digest::Verdict::Unknown) {
                    let ground = recorded(history, op, Remark::Changed);
                    clear_failcount(cluster, rsc, node, ground, false);
                }
            }
        }
    }
}

/// True if failures on the node count.
pub(super) fn has_failed(cluster: &mut Cluster, rsc: RscIx, node: NodeIx) -> bool {
    failcount::effective(cluster, rsc, node, None).count.value() != 0
}

/// Acts on a changed definition; a failure under the old one is forgotten.
fn check_definition(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    history: HistoryIx,
    entry: usize,
) {
    let changed = definition_changed(cluster, rsc, node, history, entry);
    if changed && has_failed(cluster, rsc, node) {
        let ground = recorded(history, entry, Remark::Changed);
        clear_failcount(cluster, rsc, node, ground, false);
    }
}

/// Something recorded, as a ground.
fn recorded(history: HistoryIx, entry: usize, remark: Remark) -> Ground {
    Ground::Operation(history, u32::try_from(entry).unwrap_or(u32::MAX), remark)
}

/// compares one operation and schedules what a difference asks for.
fn definition_changed(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    history: HistoryIx,
    entry: usize,
) -> bool {
    let recorded = &cluster[history].ops[entry];
    let Some(task) = recorded.task.clone() else { return false };
    let (interval, reloadable) = (recorded.interval, recorded.rare().restart_digest.is_some());
    let configured =
        cluster[rsc].ops.iter().any(|o| o.enabled && o.name == task && o.interval == interval);
    if interval > 0 && !configured {
        if cluster.options.stop_orphan_actions {
            cancel_recorded(cluster, rsc, node, (history, entry), Remark::NotConfigured);
        }
        return true;
    }
    let recorded_as_start =
        interval == 0 && matches!(task, Task::Monitor | Task::MigrateFrom | Task::Promote);
    let task = if recorded_as_start { Task::Start } else { task };
    let verdict = digest::compare(cluster, rsc, node, history, entry);
    if verdict == digest::Verdict::Match {
        return false;
    }
    if digest::only_private_changed(cluster, rsc, node, history, entry) {
        let op = &cluster[history].ops[entry];
        let key = op.origin.as_ref().map_or_else(String::new, |key| {
            format!("{}:{}:{}:{}", key.action, key.transition, op.target_rc, key.uuid)
        });
        let magic = format!("{}:{};{key}", op.status, op.rc);
        cluster.notes.push(Note::PrivateOperation { task, interval, rsc, node, magic });
        return false;
    }
    let ground = self::recorded(history, entry, Remark::Changed);
    if verdict == digest::Verdict::Restart {
        force_restart(cluster, rsc, task, interval, node, ground);
    } else if interval > 0 {
        let reason = "Device parameters changed (reschedule)";
        unfencing::trigger(cluster, rsc, Some(node), ground, reason);
        let again = op(cluster, rsc, task, interval, Some(node), true);
        cluster[again].marks.set(Marks::RESCHEDULE);
        cluster.journal.shown(again, ground);
    } else if reloadable {
        let reason = "Device parameters changed (reload)";
        unfencing::trigger(cluster, rsc, Some(node), ground, reason);
        reload(cluster, rsc, node, ground);
    } else {
        force_restart(cluster, rsc, task, interval, node, ground);
    }
    true
}

/// the action is needed again, wherever it will be done.
fn force_restart(
    cluster: &mut Cluster,
    rsc: RscIx,
    task: Task,
    interval: u32,
    node: NodeIx,
    ground: Ground,
) {
    let required = op(cluster, rsc, task, interval, None, false);
    cluster[required].set_reason(CHANGED, true);
    cluster.journal.needed(required, ground);
    unfencing::trigger(cluster, rsc, Some(node), ground, "Device parameters changed");
}

/// the agent takes new parameters while the resource runs, unless it is stopped anyway.
fn reload(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, ground: Ground) {
    let r = &cluster[rsc];
    if !r.managed || r.failed {
        return;
    }
    if r.start_pending {
        let stop = op(cluster, rsc, Task::Stop, 0, Some(node), false);
        cluster.journal.needed(stop, ground);
        return;
    }
    cluster[rsc].reload = true;
    let reload = op(cluster, rsc, Task::Reload, 0, Some(node), false);
    cluster[reload].set_reason(CHANGED, false);
    cluster.journal.needed(reload, ground);
    for task in [Task::Stop, Task::Demote] {
        let flags = OrderFlags::ORDER | OrderFlags::THEN_CANCELS;
        let then = OrderSide::task(rsc, task);
        order_by(cluster, OrderRule::Reload, OrderSide::Action(reload), then, flags);
    }
}

/// cancels an operation that the history knows.
fn cancel_recorded(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    (history, entry): (HistoryIx, usize),
    remark: Remark,
) {
    let recorded = &cluster[history].ops[entry];
    let Some(task) = recorded.task.clone() else { return };
    let (interval, call) = (recorded.interval, recorded.call);
    let cancel = recurring::cancel(cluster, rsc, task, interval, node);
    cluster.journal.needed(cancel, self::recorded(history, entry, remark));
    cluster[cancel].add_meta("call-id", call.to_string());
    let first = OrderSide::task(rsc, Task::Stop);
    order_by(cluster, OrderRule::Recurring, first, OrderSide::Action(cancel), OrderFlags::ORDER);
}
