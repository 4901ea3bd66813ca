//! Chains of reasons: from a ground that the scheduler noted back to something named.

use std::sync::Arc;

use serde::Serialize;

use crate::scheduler::model::{
    ActionIx, Cluster, Fact, Ground, HistoryIx, HistoryOp, Key, NodeIx, NotifyKind, OrderOrigin,
    Relation, Remark, RscIx, Task,
};

use super::course::{self, named};
use super::source::Origin;

/// One reason of a chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reason {
    /// One clause.
    pub text: String,
    /// What it names.
    pub origin: Option<Origin>,
}

impl Reason {
    pub(super) fn new(text: impl Into<String>, origin: Origin) -> Reason {
        Reason { text: text.into(), origin: Some(origin) }
    }

    pub(super) fn said(text: impl Into<String>) -> Reason {
        Reason { text: text.into(), origin: None }
    }
}

/// An action, and why it is done or what keeps it from being done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ActionReport {
    /// Its number in the graph.
    pub id: u32,
    /// What it does to what and where, in words.
    pub action: String,
    /// Where.
    pub node: Option<Arc<str>>,
    /// True if it cannot be done now.
    pub held: bool,
    /// Why it is done, or what holds it, from the nearest reason to the event.
    pub because: Vec<Reason>,
}

/// Reports about an action of the graph, or about one that is needed and cannot be done.
pub fn action(cluster: &Cluster, ix: ActionIx) -> ActionReport {
    let held = !cluster.journal.is_in_graph(ix);
    let ground = if held { cluster.journal.of_held(ix) } else { cluster.journal.of_action(ix) };
    let because = chain(cluster, ground, held);
    let node = cluster[ix].node.map(|n| cluster[n].name.clone());
    ActionReport { id: ix.0 + 1, action: describe(cluster, ix), node, held, because }
}

/// Reports about every action of the graph and every one that is needed and cannot be done, in
/// the order of their numbers.
pub fn actions(cluster: &Cluster) -> Vec<ActionReport> {
    let all = (0..cluster.actions.len()).map(ActionIx::next);
    all.filter(|&ix| concerns(cluster, ix)).map(|ix| action(cluster, ix)).collect()
}

/// True if the action is in the graph, or is needed and cannot be done.
pub(super) fn concerns(cluster: &Cluster, ix: ActionIx) -> bool {
    let action = &cluster[ix];
    let managed = action.rsc.is_none_or(|r| cluster[r].managed);
    cluster.journal.is_in_graph(ix)
        || (action.marks.required() && !action.marks.runnable() && managed)
}

/// How many reasons a chain may have.
const LONGEST: usize = 100;

/// Follows grounds to something named. Steps between points of synchronisation are left out:
/// they say nothing to people.
pub(super) fn chain(cluster: &Cluster, start: Option<Ground>, held: bool) -> Vec<Reason> {
    let (mut reasons, mut seen) = (Vec::new(), Vec::new());
    let mut next = start;
    while let Some(ground) = next {
        if seen.contains(&ground) || seen.len() == LONGEST {
            break;
        }
        seen.push(ground);
        let (reason, further) = step(cluster, ground, held);
        let silent = further.is_some() && is_silent(cluster, ground);
        if let Some(reason) = reason.filter(|_| !silent)
            && reasons.last() != Some(&reason)
        {
            reasons.push(reason);
        }
        next = further;
    }
    reasons
}

/// True for points of synchronisation that no constraint leads to.
fn is_silent(cluster: &Cluster, ground: Ground) -> bool {
    match ground {
        Ground::Action(ix, relation) => {
            let internal = match relation {
                Relation::Rule(_) => true,
                Relation::Ordering(o) => matches!(cluster[o].origin, OrderOrigin::Rule(_)),
                Relation::Colocation(_) => false,
            };
            internal && cluster[ix].marks.pseudo() && cluster[ix].node.is_none()
        }
        _ => false,
    }
}

/// A ground in words, and what it follows from.
fn step(cluster: &Cluster, ground: Ground, held: bool) -> (Option<Reason>, Option<Ground>) {
    let journal = &cluster.journal;
    let end = |reason: Reason| (Some(reason), None);
    match ground {
        Ground::Action(ix, relation) => {
            let further = if held {
                let own = cluster[ix].rsc.map(|r| Ground::Resource(r, Fact::Course));
                journal.of_held(ix).or(own)
            } else {
                journal.of_action(ix)
            };
            let (how, origin) = related(cluster, relation);
            let cannot = if held { " cannot be done" } else { "" };
            let text = format!("{}{cannot} ({how})", describe(cluster, ix));
            (Some(Reason::new(text, origin)), further)
        }
        Ground::Resource(rsc, fact) => course::resource(cluster, rsc, fact),
        Ground::Node(node, fact) => course::node(cluster, node, fact),
        Ground::Operation(history, at, remark) => {
            end(operation(cluster, history, at as usize, remark))
        }
        Ground::History(history, remark) => end(whole_history(cluster, history, remark)),
        Ground::Recurs(rsc, at) => end(recurs(cluster, rsc, at as usize)),
        Ground::Unknown(rsc, node) => {
            let name = &cluster[node].name;
            let text = format!("nothing is known of {} on {name} yet", cluster[rsc].id);
            end(Reason::new(text, Origin::Node { node: name.clone() }))
        }
        Ground::Attribute(node, name) => end(attribute(cluster, node, name)),
        Ground::Membership(node, text) => {
            let name = &cluster[node].name;
            let text = format!("{name}: {text}");
            end(Reason::new(text, Origin::Node { node: name.clone() }))
        }
        Ground::Setting(name, text) => {
            end(Reason::new(format!("{text} ({name})"), Origin::Option { name }))
        }
        Ground::Ticket(ticket) => {
            let text = format!("ticket '{}' is not granted", cluster[ticket].id);
            let dependency = cluster.ticket_dependencies.iter().find(|d| d.ticket == ticket);
            end(match dependency {
                Some(d) => Reason::new(text, Origin::Cib { id: d.id.clone() }),
                None => Reason::new(text, Origin::Rule { rule: "P-59" }),
            })
        }
        Ground::Devices(node) => {
            let name = &cluster[node].name;
            let text = format!("the fence devices have changed since {name} was unfenced");
            end(Reason::new(text, Origin::Node { node: name.clone() }))
        }
    }
}

/// Why one action concerns another.
fn related(cluster: &Cluster, relation: Relation) -> (String, Origin) {
    let rule = |rule: crate::scheduler::model::OrderRule| {
        (rule.text().to_string(), Origin::Rule { rule: rule.number() })
    };
    match relation {
        Relation::Ordering(ix) => match &cluster[ix].origin {
            OrderOrigin::Cib(id) => (format!("constraint '{id}'"), Origin::Cib { id: id.clone() }),
            OrderOrigin::Rule(r) => rule(*r),
        },
        Relation::Rule(r) => rule(r),
        Relation::Colocation(ix) => {
            let colocation = &cluster[ix];
            match colocation.internal {
                Some(rule) => (format!("colocation {}", colocation.id), Origin::Rule { rule }),
                None => {
                    let id = colocation.id.clone();
                    (format!("colocation '{id}'"), Origin::Cib { id })
                }
            }
        }
    }
}

/// An action in words: `stop of A on n1`.
pub(super) fn describe(cluster: &Cluster, ix: ActionIx) -> String {
    let action = &cluster[ix];
    let node = action.node.map(|n| &*cluster[n].name);
    let rsc = action.rsc.map(|r| &*cluster[r].id);
    match (&action.task, &action.key, rsc, node) {
        (Task::Fence, Key::Fence(node, how), _, _) if &**how == "on" => {
            format!("unfencing of {}", cluster[*node].name)
        }
        (Task::Fence, Key::Fence(node, how), _, _) => {
            format!("fencing of {} ({how})", cluster[*node].name)
        }
        (Task::Shutdown, _, _, Some(node)) => format!("shutdown of {node}"),
        (Task::ClearFailcount, _, Some(rsc), Some(node)) => {
            format!("clearing of the failures of {rsc} on {node}")
        }
        (Task::LrmDelete | Task::Delete, _, Some(rsc), Some(node)) => {
            format!("clean-up of {rsc} on {node}")
        }
        (Task::Cancel, Key::Op(task, interval), Some(rsc), Some(node)) => {
            format!("end of the {task} every {} of {rsc} on {node}", seconds(*interval))
        }
        (Task::Notify | Task::Notified, Key::Notify(kind, about), Some(rsc), node) => {
            let when = match kind {
                NotifyKind::Pre | NotifyKind::ConfirmedPre => "before",
                NotifyKind::Post | NotifyKind::ConfirmedPost => "after",
            };
            let place = node.map_or_else(String::new, |n| format!(" on {n}"));
            format!("notification of {rsc}{place} {when} {about}")
        }
        (Task::Monitor, Key::Op(_, 0), Some(rsc), Some(node)) => {
            format!("probe of {rsc} on {node}")
        }
        (task, Key::Op(_, interval), Some(rsc), node) => {
            let every = match interval {
                0 => String::new(),
                ms => format!(" every {}", seconds(*ms)),
            };
            let place = node.map_or_else(String::new, |n| format!(" on {n}"));
            format!("{task}{every} of {rsc}{place}")
        }
        (task, _, _, node) => {
            let place = node.map_or_else(String::new, |n| format!(" on {n}"));
            format!("{task}{place}")
        }
    }
}

fn seconds(ms: u32) -> String {
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

/// A recorded operation, and what is to be said of it.
fn operation(cluster: &Cluster, history: HistoryIx, at: usize, remark: Remark) -> Reason {
    let recorded = &cluster[history];
    let node = &cluster[recorded.node].name;
    let rsc = recorded.rsc.map_or(&recorded.id, |r| &cluster[r].id);
    let Some(op) = recorded.ops.get(at) else { return whole_history(cluster, history, remark) };
    let task = op.task.as_ref().map_or("operation", Task::as_str);
    let every = match op.interval {
        0 => String::new(),
        ms => format!(" every {}", seconds(ms)),
    };
    let what = match remark {
        Remark::Failed => format!("failed ({})", result(op)),
        Remark::Pending => "has not ended yet".into(),
        Remark::Expired => "failed so long ago that it counts no more".into(),
        Remark::Changed => "was done with other parameters than are configured now".into(),
        Remark::NotConfigured => "is not configured any more".into(),
        Remark::Maintenance => "is not to be done during maintenance".into(),
        Remark::Migration => "is part of a migration that did not complete".into(),
        Remark::Active => "says that it is active there".into(),
        Remark::OtherAgent => "was done by another agent".into(),
        Remark::Orphan => "is of a resource that is not configured any more".into(),
        Remark::Unlocked => "was locked to its node for longer than allowed".into(),
    };
    let origin = Origin::Operation { id: op.id.clone(), node: node.clone() };
    Reason::new(format!("{task}{every} of {rsc} on {node} {what}"), origin)
}

/// The result of an operation: exit code and what the agent said.
fn result(op: &HistoryOp) -> String {
    match op.rare().exit_reason.as_deref().filter(|r| !r.is_empty()) {
        Some(reason) => format!("rc {}: {reason}", op.rc),
        None if op.rc == 0 && op.status != 0 => format!("status {}", op.status),
        None => format!("rc {}", op.rc),
    }
}

fn whole_history(cluster: &Cluster, history: HistoryIx, remark: Remark) -> Reason {
    let recorded = &cluster[history];
    let node = &cluster[recorded.node].name;
    let rsc = recorded.rsc.map_or(&recorded.id, |r| &cluster[r].id);
    let text = match remark {
        Remark::Orphan => format!("{rsc} was recorded on {node} and is not configured any more"),
        Remark::OtherAgent => format!("{rsc} was run on {node} by another agent"),
        Remark::Unlocked => format!("the shutdown lock of {rsc} on {node} is over"),
        _ => format!("{rsc} is recorded as active on {node}"),
    };
    Reason::new(text, Origin::Operation { id: recorded.id.clone(), node: node.clone() })
}

fn recurs(cluster: &Cluster, rsc: RscIx, at: usize) -> Reason {
    let name = &cluster[rsc].id;
    match cluster[rsc].ops.get(at) {
        Some(op) if cluster[rsc].internal || cluster.bundle_of(rsc).is_some() => {
            let text = format!("the cluster watches over {name} by itself ({})", op.name);
            Reason::new(text, named(cluster, rsc))
        }
        Some(op) => {
            let text = format!("operation '{}' is configured and does not run there", op.id);
            Reason::new(text, Origin::Cib { id: op.id.clone() })
        }
        None => Reason::new(format!("{name} is watched"), named(cluster, rsc)),
    }
}

pub(super) fn attribute(cluster: &Cluster, node: NodeIx, name: &str) -> Reason {
    let n = &cluster[node];
    let text = match n.attr(name) {
        Some(value) => format!("attribute '{name}' of {} is '{value}'", n.name),
        None => format!("attribute '{name}' of {} is not set", n.name),
    };
    Reason::new(text, Origin::Node { node: n.name.clone() })
}

/// What keeps the start of a leaf from being done, if anything does.
pub(super) fn held(cluster: &Cluster, rsc: RscIx) -> Vec<Reason> {
    let stuck = cluster[rsc].actions.iter().copied().find(|&a| {
        let action = &cluster[a];
        action.task == Task::Start && !action.marks.runnable()
    });
    stuck.map_or_else(Vec::new, |a| chain(cluster, cluster.journal.of_held(a), true))
}

/// What keeps a leaf that gets no node from this one.
pub(super) fn of_obstacle(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> Vec<Reason> {
    let (first, next) = course::obstacle(cluster, rsc, node);
    let mut reasons: Vec<Reason> = first.into_iter().collect();
    reasons.extend(chain(cluster, next, false));
    reasons
}

/// The reports about the actions of one resource, or on one node that belong to none.
pub(super) fn of(cluster: &Cluster, list: &[ActionIx]) -> Vec<ActionReport> {
    let list = list.iter().copied().filter(|&ix| concerns(cluster, ix));
    list.map(|ix| action(cluster, ix)).collect()
}

/// The name of a node as an origin.
pub(super) fn of_node(name: &Arc<str>) -> Origin {
    Origin::Node { node: name.clone() }
}
