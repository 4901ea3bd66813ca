//! Fail counts and the history of operations (O-128, O-129).

use crm_core::cib::Element;
use crm_core::scheduler::input::failcount;
use crm_core::scheduler::model::{Cluster, History, HistoryOp, NodeIx, RscIx, Task};

use super::facts::{printable_id, result_text};
use super::when::ctime;
use super::{View, display_name};
use crate::render::report::Part;

/// Which part of the history is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Resources with failures.
    Failures,
    /// All operations.
    Operations,
    /// All operations with their times.
    Timing,
}

/// How often a resource failed on a node, and when last (seconds of the epoch).
pub fn fail_count(cluster: &Cluster, node: NodeIx, rsc: RscIx) -> (i64, Option<i64>) {
    let found = failcount::recorded(cluster, rsc, node);
    let count = i64::from(found.count.value());
    (count, Some(found.last_failure).filter(|last| count > 0 && *last > 0))
}

/// What one history shows.
struct Entry<'a> {
    history: &'a History,
    count: i64,
    last: Option<i64>,
    ops: Vec<&'a HistoryOp>,
}

/// The histories to show, by node in document order.
fn entries<'a>(cluster: &'a Cluster, view: &View, detail: Detail) -> Vec<(NodeIx, Vec<Entry<'a>>)> {
    let mut nodes: Vec<(NodeIx, Vec<Entry<'_>>)> = Vec::new();
    for history in &cluster.histories {
        let node = history.node;
        let wanted = cluster[node].online
            && view.wants_node(node)
            && history.rsc.is_none_or(|rsc| view.wants_resource(cluster, rsc));
        if !wanted {
            continue;
        }
        let found = cluster.named(&history.id);
        let (count, last) = found.map_or((0, None), |rsc| fail_count(cluster, node, rsc));
        let mut ops: Vec<&HistoryOp> = history.ops.iter().filter(|op| is_shown(op)).collect();
        // What is pending has no number yet.
        ops.sort_by_key(|op| (op.call < 0, op.call));
        let empty = match detail {
            Detail::Failures => count == 0,
            Detail::Operations | Detail::Timing => ops.is_empty(),
        };
        if empty {
            continue;
        }
        let entry = Entry { history, count, last, ops };
        match nodes.iter_mut().find(|(n, _)| *n == node) {
            Some((_, list)) => list.push(entry),
            None => nodes.push((node, vec![entry])),
        }
    }
    nodes
}

fn is_shown(op: &HistoryOp) -> bool {
    op.task.as_ref().is_some_and(|task| *task != Task::Notify) && !(op.is_probe() && op.rc == 7)
}

fn task_word(op: &HistoryOp) -> &str {
    if op.is_probe() { "probe" } else { op.task.as_ref().map_or("", |t| t.as_str()) }
}

/// The lists of the nodes with something to show.
pub fn operation_items(cluster: &Cluster, view: &View, detail: Detail) -> Vec<Part> {
    let entry = |entry: &Entry<'_>| {
        let head = heading(cluster, entry, detail);
        if detail == Detail::Failures {
            return Part::item(head);
        }
        let ops = entry.ops.iter().map(|op| Part::item(op_text(op, detail))).collect();
        Part::list(head, ops)
    };
    entries(cluster, view, detail)
        .iter()
        .map(|(node, list)| {
            let title = format!("Node: {}", display_name(cluster, view, *node));
            Part::list(title, list.iter().map(entry).collect())
        })
        .collect()
}

fn heading(cluster: &Cluster, entry: &Entry<'_>, detail: Detail) -> String {
    let Some(rsc) = known(cluster, entry) else {
        return format!("{}: orphan", entry.history.id);
    };
    let threshold = cluster[rsc].migration_threshold.value();
    let id = shown_id(cluster, entry, detail);
    let mut text = format!("{id}: migration-threshold={threshold}");
    if entry.count > 0 || detail == Detail::Failures {
        text.push_str(&format!(" fail-count={}", entry.count));
    }
    if let Some(last) = entry.last.filter(|_| entry.count > 0) {
        text.push_str(&format!(" last-failure='{}'", ctime(last)));
    }
    text
}

fn op_text(op: &HistoryOp, detail: Detail) -> String {
    let mut text = format!("({}) {}", op.call, task_word(op));
    let mut facts = Vec::new();
    if op.interval > 0 {
        facts.push(format!("interval=\"{}ms\"", op.interval));
    }
    if detail == Detail::Timing {
        facts.extend(op.last_change.map(|t| format!("last-rc-change=\"{}\"", ctime(t))));
        facts.extend(op.exec_time.map(|t| format!("exec-time=\"{t}ms\"")));
        facts.extend(op.queue_time.map(|t| format!("queue-time=\"{t}ms\"")));
        let rc = op.rc.max(0);
        facts.push(format!("rc={rc} ({})", result_text(rc)));
    }
    if !facts.is_empty() {
        text.push_str(": ");
        text.push_str(&facts.join(" "));
    }
    text
}

/// The element `node_history`; `None` if there is nothing to show.
pub fn history_element(cluster: &Cluster, view: &View, detail: Detail) -> Option<Element> {
    let mut list = Element::new("node_history");
    for (node, entries) in entries(cluster, view, detail) {
        let mut element = Element::new("node").with("name", &cluster[node].name);
        for entry in entries {
            element.push(entry_element(cluster, &entry, detail));
        }
        list.push(element);
    }
    // It is there even if nothing was done on any node that has a state.
    let known = cluster.nodes.iter().any(|n| n.online && n.has_state);
    (known || !list.nodes().is_empty()).then_some(list)
}

/// The name of a history as lists show it: without the number of an instance that has no name of
/// its own.
fn shown_id<'a>(cluster: &'a Cluster, entry: &'a Entry<'_>, detail: Detail) -> &'a str {
    match known(cluster, entry) {
        Some(rsc) if detail != Detail::Failures => printable_id(&cluster[rsc]),
        Some(_) | None => &entry.history.id,
    }
}

/// The resource of a history: the first of this name.
fn known(cluster: &Cluster, entry: &Entry<'_>) -> Option<RscIx> {
    cluster.named(&entry.history.id)
}

fn entry_element(cluster: &Cluster, entry: &Entry<'_>, detail: Detail) -> Element {
    let mut element = Element::new("resource_history").with("id", shown_id(cluster, entry, detail));
    let known = known(cluster, entry);
    element.set_attr("orphan", if known.is_some() { "false" } else { "true" });
    if let Some(rsc) = known {
        let threshold = cluster[rsc].migration_threshold.value();
        element.set_attr("migration-threshold", threshold.to_string());
        if entry.count > 0 {
            element.set_attr("fail-count", entry.count.to_string());
        }
        if let Some(last) = entry.last.filter(|_| entry.count > 0) {
            element.set_attr("last-failure", ctime(last));
        }
    }
    if detail == Detail::Failures {
        return element;
    }
    for op in &entry.ops {
        let mut history = Element::new("operation_history")
            .with("call", op.call.to_string())
            .with("task", task_word(op))
            .with("rc", op.rc.max(0).to_string())
            .with("rc_text", result_text(op.rc.max(0)));
        if op.interval > 0 {
            history.set_attr("interval", format!("{}ms", op.interval));
        }
        if detail == Detail::Timing {
            let times = [("exec-time", op.exec_time), ("queue-time", op.queue_time)];
            if let Some(time) = op.last_change {
                history.set_attr("last-rc-change", ctime(time));
            }
            for (name, time) in times {
                if let Some(time) = time {
                    history.set_attr(name, format!("{time}ms"));
                }
            }
        }
        element.push(history);
    }
    element
}
