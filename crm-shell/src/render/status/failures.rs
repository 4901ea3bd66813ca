//! Failed operations (O-130, O-131).

use crm_core::cib::Element;
use crm_core::scheduler::model::{Cluster, History, HistoryOp, Task};
use crm_core::transition::OpKey;

use super::View;
use super::facts::{is_masked, result_text};
use super::when::{ctime, duration, offset_time};
use crate::render::report::Part;

/// Words for how the executor's part of an operation ended.
pub fn status_text(status: i32) -> &'static str {
    match status {
        -1 => "pending",
        0 => "complete",
        1 => "Cancelled",
        2 => "Timed Out",
        3 => "NOT SUPPORTED",
        4 => "Error",
        5 => "Hard error",
        6 => "Fatal error",
        7 => "Not installed",
        8 => "Internal communication failure",
        9 => "Cannot execute now",
        10 => "No fence device",
        11 => "CIB secrets unavailable",
        _ => "UNKNOWN!",
    }
}

fn failures<'a>(
    cluster: &'a Cluster,
    view: &'a View,
) -> impl Iterator<Item = (&'a History, &'a HistoryOp)> + 'a {
    cluster.failed_ops.iter().filter_map(|failed| {
        let history = &cluster[failed.history];
        let op = history.ops.get(failed.op)?;
        let shown = view.wants_node(history.node)
            && !is_masked(op)
            && history.rsc.is_none_or(|rsc| view.wants_resource(cluster, rsc));
        shown.then_some((history, op))
    })
}

/// The lines; `technical` ones carry every number.
pub fn failure_items(cluster: &Cluster, view: &View, technical: bool) -> Vec<Part> {
    failures(cluster, view)
        .map(|(history, op)| {
            let node = &cluster[history.node].name;
            Part::item(if technical { technical_text(op, node) } else { friendly(op, node) })
        })
        .collect()
}

fn friendly(op: &HistoryOp, node: &str) -> String {
    let key = OpKey::parse(&op.key);
    let resource = key.map_or(&*op.key, |k| k.resource);
    let task = match &op.task {
        Some(Task::Monitor) if op.interval == 0 => "probe",
        Some(task) => task.as_str(),
        None => key.map_or("", |k| k.task),
    };
    let interval = match op.interval {
        0 => String::new(),
        ms => format!("{}-interval ", duration(i64::from(ms))),
    };
    let mut text = format!("{resource} {interval}{task} on {node}");
    let reason = op.rare().exit_reason.as_deref().filter(|r| !r.is_empty());
    if op.status == 0 {
        text.push_str(&format!(" returned '{}'", result_text(op.rc)));
        if let Some(reason) = reason {
            text.push_str(&format!(" ({reason})"));
        }
    } else {
        let reason = reason.map_or(String::new(), |r| format!(": {r}"));
        let status = status_text(op.status);
        text.push_str(&format!(" could not be executed ({status}{reason})"));
    }
    if let Some(time) = op.last_change {
        text.push_str(&format!(" at {}", ctime(time)));
    }
    if let Some(ms) = op.exec_time.filter(|ms| *ms > 0) {
        text.push_str(&format!(" after {}", duration(ms)));
    }
    text
}

fn technical_text(op: &HistoryOp, node: &str) -> String {
    let mut text = format!(
        "{} on {node} '{}' ({}): call={}, status='{}'",
        op.key,
        result_text(op.rc),
        op.rc,
        op.call,
        status_text(op.status)
    );
    if let Some(reason) = op.rare().exit_reason.as_deref().filter(|r| !r.is_empty()) {
        text.push_str(&format!(", exitreason='{reason}'"));
    }
    if let Some(time) = op.last_change {
        text.push_str(&format!(", last-rc-change='{}'", ctime(time)));
        for (name, value) in [("queued", op.queue_time), ("exec", op.exec_time)] {
            text.push_str(&format!(", {name}={}ms", value.unwrap_or(0)));
        }
    }
    text
}

/// The element `failures`; `None` if there are none.
pub fn failures_element(cluster: &Cluster, view: &View) -> Option<Element> {
    let mut list = Element::new("failures");
    for (history, op) in failures(cluster, view) {
        let absent = if op.has_exit_reason { "" } else { "none" };
        let reason = op.rare().exit_reason.as_deref().unwrap_or(absent);
        let mut element = Element::new("failure")
            .with(if op.has_key { "op_key" } else { "id" }, &op.key)
            .with("node", &cluster[history.node].name)
            .with("exitstatus", result_text(op.rc))
            .with("exitreason", reason)
            .with("exitcode", op.rc.to_string())
            .with("call", op.call.to_string())
            .with("status", status_text(op.status));
        if let Some(time) = op.last_change {
            element.set_attr("last-rc-change", offset_time(time));
            element.set_attr("queued", op.queue_time.unwrap_or(0).to_string());
            element.set_attr("exec", op.exec_time.unwrap_or(0).to_string());
            element.set_attr("interval", op.interval.to_string());
            element.set_attr("task", op.task.as_ref().map_or("", |t| t.as_str()));
        }
        list.push(element);
    }
    (!list.nodes().is_empty()).then_some(list)
}
