//! Histories: which are read when, and what they make of resources (sections 10 to 14).

mod entry;
mod find;
mod migration;
mod outcome;
pub(super) mod parse;
mod running;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cib::Element;
use crate::scheduler::actions;
use crate::scheduler::model::{
    Cluster, Fact, Ground, History, HistoryIx, HistoryOp, NodeIx, OnFail, Remark, Role, RscIx, Task,
};

use super::doc::Document;
use super::state;
pub use parse::{Recorded, Recorder};

/// What reading histories needs besides the cluster.
pub(super) struct Reader<'a> {
    /// Histories of each node, in document order.
    by_node: BTreeMap<NodeIx, Vec<HistoryIx>>,
    /// Resource by the name its history is recorded under (I-130).
    names: BTreeMap<Arc<str>, RscIx>,
    /// Containers of bundles to be stopped once all nodes are read (I-159).
    stop_later: Vec<(RscIx, Ground)>,
    /// Node states in document order, with their node once it is known.
    states: Vec<(&'a Element, Option<NodeIx>)>,
    /// Histories that are not in the document any more.
    recorded: Option<&'a Recorded>,
    recorder: Recorder,
}

impl Reader<'_> {
    /// The history of a resource on a node, as recorded.
    fn find<'c>(&self, cluster: &'c Cluster, id: &str, node: NodeIx) -> Option<&'c History> {
        // Only migrations look here, so a search costs less than an index would.
        let mut recorded = self.by_node.get(&node)?.iter().map(|h| &cluster[*h]);
        recorded.find(|h| *h.id == *id)
    }
}

/// One entry being interpreted.
#[derive(Clone, Copy)]
struct Entry {
    rsc: RscIx,
    node: NodeIx,
    history: HistoryIx,
    at: usize,
}

impl Entry {
    fn op(self, cluster: &Cluster) -> &HistoryOp {
        &cluster[self.history].ops[self.at]
    }

    /// The entry as what something follows from.
    fn ground(self, remark: Remark) -> Ground {
        Ground::Operation(self.history, u32::try_from(self.at).unwrap_or(u32::MAX), remark)
    }

    /// Its failure decides about `rsc`, itself or what it is in, on the node.
    fn note_failure(self, cluster: &mut Cluster, rsc: RscIx) {
        let ground = self.ground(Remark::Failed);
        cluster.journal.resource(rsc, Fact::FailedOn(self.node), ground);
    }
}

/// Reads all histories, in passes (I-122). An orphaned connection makes a node known (I-61), so
/// each pass looks again at the states of nodes that were not.
pub fn load<'a>(cluster: &mut Cluster, doc: &Document<'a>, states: &[&'a Element]) {
    let mut reader = Reader {
        by_node: BTreeMap::new(),
        names: BTreeMap::new(),
        stop_later: Vec::new(),
        states: states.iter().map(|s| (*s, None)).collect(),
        recorded: doc.recorded,
        recorder: Recorder::default(),
    };
    while reader.pass(cluster, doc, false) {}
    let all = cluster.options.fencing;
    reader.pass(cluster, doc, all);
    for (container, ground) in std::mem::take(&mut reader.stop_later).into_iter().rev() {
        if let Some(node) = cluster.current_node(container) {
            let stop = actions::op(cluster, container, Task::Stop, 0, Some(node), false);
            cluster.journal.needed(stop, ground);
        }
    }
}

impl<'a> Reader<'a> {
    /// Parses the states of nodes that became known.
    fn look(&mut self, cluster: &mut Cluster) {
        for (at, (element, node)) in self.states.iter_mut().enumerate() {
            if node.is_some() {
                continue;
            }
            let Some(found) = state::find_node(cluster, element) else { continue };
            *node = Some(found);
            let records = match self.recorded {
                Some(recorded) if parse::list(element).is_some() => recorded.of_state(at).to_vec(),
                // The list is gone: an injected event made the node forget.
                Some(_) => Vec::new(),
                None => self.recorder.state(element),
            };
            for record in records {
                let ix = HistoryIx::next(cluster.histories.len());
                cluster.histories.push(History { node: found, rsc: None, record });
                self.by_node.entry(found).or_default().push(ix);
            }
        }
    }

    /// One pass over the node states; true if something was read.
    fn pass(&mut self, cluster: &mut Cluster, doc: &Document<'a>, all: bool) -> bool {
        let mut any = false;
        for at in 0..self.states.len() {
            self.look(cluster);
            let (element, Some(node)) = self.states[at] else { continue };
            if cluster[node].history_read || !(all || ready(cluster, node)) {
                continue;
            }
            any = true;
            cluster[node].history_read = true;
            if cluster[node].is_remote() {
                state::remote_online(cluster, node);
                state::remote_attributes(cluster, doc, node, element);
            }
            self.node(cluster, node);
        }
        any
    }

    fn node(&mut self, cluster: &mut Cluster, node: NodeIx) {
        let histories = self.by_node.get(&node).cloned().unwrap_or_default();
        let mut orphans = Vec::new();
        for history in histories {
            if let Some(rsc) = self.resource(cluster, node, history)
                && cluster[rsc].orphan
                && cluster[history].container.is_some()
            {
                orphans.push((rsc, history));
            }
        }
        for (rsc, history) in orphans {
            let container = cluster[history].container.clone();
            let container = container.and_then(|id| cluster.resource(&id));
            if let Some(container) = container.filter(|c| *c != rsc)
                && cluster[container].is_primitive()
                && !cluster[container].fillers.contains(&rsc)
            {
                cluster[rsc].container = Some(container);
                cluster[container].fillers.push(rsc);
            }
        }
    }

    /// Interprets one history (sections 11 to 14).
    fn resource(
        &mut self,
        cluster: &mut Cluster,
        node: NodeIx,
        history: HistoryIx,
    ) -> Option<RscIx> {
        let empty = cluster[history].ops.is_empty();
        if empty && !cluster.options.shutdown_lock {
            return None;
        }
        let rsc = match self.find_resource(cluster, node, history) {
            find::Found::Resource(rsc) => rsc,
            find::Found::Nothing if empty => return None,
            find::Found::Nothing => find::orphan(cluster, history)?,
        };
        cluster[history].rsc = Some(rsc);
        cluster[rsc].histories.push(history);
        shutdown_lock(cluster, rsc, node, history);
        let role_before = cluster[rsc].role;
        cluster[rsc].role = Role::Unknown;
        let mut on_fail = OnFail::Ignore;
        let mut last_failure = None;
        for at in 0..cluster[history].ops.len() {
            let entry = Entry { rsc, node, history, at };
            self.entry(cluster, entry, &mut last_failure, &mut on_fail);
        }
        recurring(cluster, rsc, node, history);
        self.settle(cluster, rsc, node, history, on_fail);
        apply_goal(cluster, rsc);
        if role_before > cluster[rsc].role {
            cluster[rsc].role = role_before;
        }
        Some(rsc)
    }
}

/// Whether a node's history may be read in an ordinary pass (I-122).
fn ready(cluster: &Cluster, node: NodeIx) -> bool {
    let options = &cluster.options;
    if cluster[node].is_remote() {
        let Some(connection) = cluster[node].connection else { return false };
        if cluster.is_guest(node) {
            return state::guest_is_up(cluster, connection);
        }
        return options.shutdown_lock || cluster[connection].role == Role::Started;
    }
    options.fencing || options.shutdown_lock || cluster[node].online
}

/// I-213
fn shutdown_lock(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, history: HistoryIx) {
    let since = cluster[history].shutdown_lock;
    if !cluster.options.shutdown_lock || since == 0 {
        return;
    }
    let limit = cluster.options.shutdown_lock_limit;
    if limit > 0 && cluster.now.epoch > since + limit {
        let delete = actions::op(cluster, rsc, Task::LrmDelete, 0, Some(node), false);
        cluster.journal.needed(delete, Ground::History(history, Remark::Unlocked));
    } else {
        cluster[rsc].lock = Some((node, since));
    }
}

/// Recurring operations that run now (I-129).
fn recurring(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, history: HistoryIx) {
    if !cluster[node].online {
        return;
    }
    let (start, stop) = (cluster[history].last_start, cluster[history].last_stop);
    for at in 0..cluster[history].ops.len() {
        let stopped = start < stop && Some(at) <= stop;
        let before_start = (start >= stop) && Some(at) < start;
        let op = &cluster[history].ops[at];
        if stopped || before_start || op.interval == 0 || op.status == -1 {
            continue;
        }
        if let Some(task) = op.task.clone() {
            let interval = op.interval;
            actions::recurring_found(cluster, rsc, node, task, interval);
        }
    }
}

/// I-166
fn apply_goal(cluster: &mut Cluster, rsc: RscIx) {
    let r = &mut cluster[rsc];
    if let Some(goal) = r.goal
        && (r.next_role == Role::Unknown || r.next_role > goal)
    {
        r.next_role = goal;
    }
}
