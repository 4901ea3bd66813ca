//! Pretending to execute a graph: every action succeeds at once, unless a user asked otherwise.

use std::collections::{BTreeMap, BTreeSet};

use crate::cib::Element;
use crate::scheduler::digest;
use crate::scheduler::model::Table;

use super::graph::{Action, ActionIx, ActionKind, Graph};
use super::history::{Missing, Outcome, StatusEditor, Subject, UnknownNode};
use super::inject::{AttributeChange, Change, count_failure};
use super::opspec::OpSpec;

/// One line of what was done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A point of synchronisation was reached.
    Pseudo {
        /// Its operation key.
        key: String,
        /// Its node, if it has one.
        node: Option<String>,
    },
    /// An agent ran.
    Resource {
        /// The resource as the scheduler names it (O-49).
        resource: String,
        /// What it did.
        task: String,
        /// Milliseconds.
        interval_ms: u64,
        /// Where.
        node: String,
    },
    /// The cluster did something itself.
    Cluster {
        /// What.
        task: String,
        /// About which resource.
        resource: Option<String>,
        /// Where.
        node: String,
    },
    /// A node was fenced or unfenced.
    Fencing {
        /// Which.
        node: String,
        /// `reboot`, `off` or `on`.
        operation: String,
    },
    /// The action just named failed because the user asked for it.
    Pretended {
        /// The action's number.
        id: u32,
        /// The exit code.
        rc: i32,
    },
    /// A failure was counted.
    Attribute(AttributeChange),
    /// A specification of a failure is wrong.
    Refused(String),
}

/// What came of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// False if actions remain that wait for each other for ever (O-60).
    pub complete: bool,
}

/// Executes `graph` against the document `cib`, whose status changes accordingly (section 6 of
/// the reference). `known` tells the names of resources that the scheduler knows, by which
/// instances are shown (O-49). `failures` are specifications of operations that shall fail; `time` is the
/// wall clock in seconds of the epoch; `missing` says what happens to unknown nodes.
///
/// # Errors
/// An action for a node that nobody knows; the actions before it have been applied.
pub fn simulate(
    graph: &Graph,
    cib: &mut Element,
    known: &dyn Fn(&str) -> bool,
    failures: &[String],
    missing: Missing<'_>,
    time: i64,
) -> Result<Simulation, UnknownNode> {
    let mut run = Run {
        graph,
        editor: StatusEditor::new(cib),
        known,
        failures,
        missing,
        time,
        failed: false,
        steps: Vec::new(),
    };
    let complete = run.execute()?;
    Ok(Simulation { steps: run.steps, complete })
}

struct Run<'a> {
    graph: &'a Graph,
    editor: StatusEditor<'a>,
    known: &'a dyn Fn(&str) -> bool,
    failures: &'a [String],
    missing: Missing<'a>,
    time: i64,
    failed: bool,
    steps: Vec<Step>,
}

/// The digest that the executor would record with a result of `action`.
fn digest_of(action: &Action) -> String {
    let mut sent = Table::default();
    for (name, value) in &action.attributes {
        sent.set(name.as_str(), value.as_str());
    }
    let interval = u32::try_from(action.interval_ms()).unwrap_or(u32::MAX);
    digest::recorded(&sent, interval, None, &[]).digest
}

/// How an action ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Success,
    Failure,
}

impl Run<'_> {
    /// Passes over the synapses until one changes nothing (O-45).
    ///
    /// What becomes ready behind the current place fires in this pass, what becomes ready before
    /// it in the next: two sets of places give the order without visiting the rest.
    fn execute(&mut self) -> Result<bool, UnknownNode> {
        let order: Vec<ActionIx> = self.graph.included().map(|(ix, _)| ix).collect();
        let place: BTreeMap<ActionIx, usize> =
            order.iter().enumerate().map(|(at, ix)| (*ix, at)).collect();
        let mut waits: Vec<usize> = order.iter().map(|ix| self.graph.inputs(*ix).len()).collect();
        let mut this_pass: BTreeSet<usize> =
            (0..order.len()).filter(|at| waits[*at] == 0).collect();
        let mut next_pass = BTreeSet::new();
        let mut done = 0usize;
        loop {
            let Some(at) = this_pass.pop_first() else {
                if next_pass.is_empty() {
                    break;
                }
                std::mem::swap(&mut this_pass, &mut next_pass);
                continue;
            };
            let Some(action) = self.graph.get(order[at]) else { continue };
            if self.failed && action.kind != ActionKind::Pseudo && action.priority < 1_000_000 {
                continue;
            }
            let end = self.fire(action)?;
            done += 1;
            for dependent in self.graph.dependents(order[at]) {
                let Some(&then) = place.get(&dependent) else { continue };
                let urgent = self.graph.get(dependent).is_some_and(|a| a.priority >= 1_000_000);
                if end == End::Failure && !urgent {
                    continue;
                }
                waits[then] = waits[then].saturating_sub(1);
                if waits[then] == 0 {
                    if then > at { &mut this_pass } else { &mut next_pass }.insert(then);
                }
            }
        }
        Ok(self.failed || done == order.len())
    }

    fn fire(&mut self, action: &Action) -> Result<End, UnknownNode> {
        let node = action.node.as_ref().map(|n| n.name.clone());
        match (action.kind, action.operation.as_str()) {
            (ActionKind::Pseudo, operation) => {
                // Only fencing that fencing of something else implies is tied to a node.
                let node = node.filter(|_| operation == "stonith");
                self.steps.push(Step::Pseudo { key: action.key.clone(), node });
                Ok(End::Success)
            }
            (ActionKind::CrmEvent, "stonith") => {
                let operation = action.meta("stonith_action").unwrap_or("reboot").to_string();
                let node = node.unwrap_or_default();
                let takes_down = operation != "on";
                self.steps.push(Step::Fencing { node: node.clone(), operation });
                if takes_down {
                    self.editor.node_fenced(&node, self.missing)?;
                }
                Ok(End::Success)
            }
            (ActionKind::CrmEvent | ActionKind::CibEvent, task) => {
                let resource = action.resource.as_ref().map(|r| r.id.clone());
                let (task, node) = (task.to_string(), node.unwrap_or_default());
                self.steps.push(Step::Cluster { task, resource, node });
                Ok(End::Success)
            }
            (ActionKind::RscOp, _) => self.fire_resource(action),
        }
    }

    fn fire_resource(&mut self, action: &Action) -> Result<End, UnknownNode> {
        let task = action.operation.as_str();
        let (Some(resource), Some(node)) = (&action.resource, &action.node) else {
            return Ok(End::Success);
        };
        if task == "probe_again" {
            return Ok(End::Success);
        }
        let shown = match &resource.long_id {
            Some(long) if !(self.known)(&resource.id) && (self.known)(long) => long,
            Some(_) | None => &resource.id,
        };
        self.steps.push(Step::Resource {
            resource: shown.clone(),
            task: task.to_string(),
            interval_ms: action.interval_ms(),
            node: node.name.clone(),
        });
        if matches!(task, "delete" | "meta-data") {
            return Ok(End::Success);
        }
        let id = if action.router.is_some() { &node.name } else { &node.id };
        let missing = Missing { id: Some(id.as_str()), ..self.missing };
        let shown = shown.clone();
        let operations = Some(resource.id.as_str());
        let subject =
            Subject { id: &resource.id, shown: &shown, operations, agent: &resource.agent };
        // A record comes before the attributes that count its failures.
        self.editor.record_of(&node.name, missing, subject)?;
        let pretended = self.pretended_failure(action, [&shown, &resource.id], &node.name);
        let expected = action.expected_rc();
        let (rc, end) = match pretended {
            Some((spec, name)) => {
                self.steps.push(Step::Pretended { id: action.id.0, rc: spec.rc });
                let mut changes = Vec::new();
                let (editor, time) = (&mut self.editor, self.time);
                count_failure(editor, spec, &name, missing, time, &mut changes)?;
                self.steps.extend(changes.into_iter().filter_map(|change| match change {
                    Change::Attribute(attribute) => Some(Step::Attribute(attribute)),
                    _ => None,
                }));
                self.failed = true;
                (spec.rc, End::Failure)
            }
            None => (expected, End::Success),
        };
        let notify = match (action.meta("notify_type"), action.meta("notify_operation")) {
            (Some(kind), Some(operation)) if task == "notify" => Some((kind, operation)),
            _ => None,
        };
        let migration = match (action.meta("migrate_source"), action.meta("migrate_target")) {
            (Some(source), Some(target)) if task.starts_with("migrate_") => Some((source, target)),
            _ => None,
        };
        let outcome = Outcome {
            task,
            interval_ms: action.interval_ms(),
            rc,
            expected_rc: expected,
            exit_reason: "User-injected result",
            notify,
            migration,
            digest: Some(digest_of(action)),
            time: self.time,
        };
        self.editor.record(&node.name, missing, subject, &outcome)?;
        Ok(end)
    }

    /// The first specification that makes this action fail, and under which name (O-54).
    fn pretended_failure<'s>(
        &mut self,
        action: &Action,
        names: [&str; 2],
        node: &str,
    ) -> Option<(OpSpec<'s>, String)>
    where
        Self: 's,
    {
        let failures: &'s [String] = self.failures;
        for spec in failures {
            for name in names {
                let key = format!("{name}_{}_{}", action.operation, action.interval_ms());
                let prefix = format!("{key}@{node}=");
                let Some(head) = spec.get(..prefix.len()) else { continue };
                if !head.eq_ignore_ascii_case(&prefix) {
                    continue;
                }
                if let Ok(parsed) = OpSpec::parse(spec) {
                    return Some((parsed, name.to_string()));
                }
                self.steps.push(Step::Refused(format!(
                    "Invalid failed operation '{spec}' (result code must be integer)"
                )));
                break;
            }
        }
        None
    }
}
