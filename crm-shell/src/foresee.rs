//! What the cluster would do: the scheduler asked about a configuration that is not in force, or
//! about an event that did not happen.

use std::time::{SystemTime, UNIX_EPOCH};

use crm_core::cib::{Element, upgrade};
use crm_core::explain::{self, Reason};
use crm_core::rules::Moment;
use crm_core::scheduler::model::{ActionIx, Cluster, NodeIx, Role};
use crm_core::scheduler::{self, Input};
use crm_core::transition::{AgentRef, Injections, inject, simulate};
use serde::Serialize;

use crate::configuration::Configuration;
use crate::render::transition::{Line, RscLine, summary};
use crate::session::Failure;

/// One thing that would happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// `start`, `stop`, `move`, `restart`, `fence (reboot)`, ...
    pub action: String,
    /// The resource or the node.
    pub subject: String,
    /// Where: a node, or from which to which, with roles if there are some.
    pub place: String,
    /// It is needed and cannot be done now.
    pub blocked: bool,
    /// Something that runs would be touched.
    pub disturbs: bool,
    /// Why, from the nearest reason to the event.
    pub because: Vec<Reason>,
}

impl Effect {
    /// True if both are the same thing, whatever the reasons are.
    fn is_like(&self, other: &Effect) -> bool {
        let what = |e: &Effect| (e.action.clone(), e.subject.clone(), e.place.clone(), e.blocked);
        what(self) == what(other)
    }
}

/// Effects as lines, each with its reasons below it; those with the same reasons share them.
pub fn write(effects: &[Effect], out: &mut String) {
    if effects.is_empty() {
        out.push_str("  nothing\n");
    }
    let wide = |of: fn(&Effect) -> &str| effects.iter().map(|e| of(e).len()).max().unwrap_or(0);
    let (verbs, subjects) = (wide(|e| &e.action), wide(|e| &e.subject));
    for (at, effect) in effects.iter().enumerate() {
        let Effect { action, subject, place, .. } = effect;
        let line = format!("  {action:verbs$}  {subject:subjects$}  {place}");
        out.push_str(line.trim_end());
        out.push_str(if effect.blocked { "  cannot be done now\n" } else { "\n" });
        if effects.get(at + 1).is_some_and(|next| next.because == effect.because) {
            continue;
        }
        for reason in &effect.because {
            out.push_str(&format!("      because {reason}\n"));
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A `cib` document with another configuration, in a form the scheduler reads.
///
/// # Errors
/// The document is of a schema that nobody knows.
pub fn document(base: &Element, configuration: &Element) -> Result<Element, Failure> {
    let mut cib = base.clone();
    cib.retain(|c| c.name() != "configuration");
    let child = crm_core::cib::Child::Element(configuration.clone().into());
    cib.nodes_mut().insert(0, child);
    cib.child_or_insert("status");
    upgrade(&cib).map_err(|e| Failure::from(e.to_string()))
}

fn decide(cib: &Element) -> scheduler::Schedule {
    let input = Input {
        record: true,
        show_scores: false,
        ..Input::new(cib, Moment { epoch: now(), offset: 0 })
    };
    scheduler::schedule(&input)
}

/// Everything that a scheduled cluster would do.
fn effects(cluster: &Cluster) -> Vec<Effect> {
    let because = |action: Option<ActionIx>| {
        action.map_or_else(Vec::new, |ix| explain::action(cluster, ix).because)
    };
    let effect = |line: &Line| match line {
        Line::Node(line) => Effect {
            action: line.task.to_lowercase(),
            subject: line.node.clone(),
            place: String::new(),
            blocked: false,
            disturbs: true,
            because: because(Some(line.action)),
        },
        Line::Resource(line) => Effect {
            action: line.verb.to_lowercase(),
            subject: line.resource.clone(),
            place: line.details.clone(),
            blocked: line.blocked,
            disturbs: disturbs(line),
            because: because(line.action),
        },
    };
    summary(cluster).lines.iter().map(effect).collect()
}

/// What is only started or promoted was not in use.
fn disturbs(line: &RscLine) -> bool {
    !matches!(line.verb, "Start" | "Promote")
}

/// What a change of the configuration would cause beyond what is going to happen anyway.
///
/// # Errors
/// See [`document`].
pub fn of_change(base: &Element, new: &Configuration) -> Result<Vec<Effect>, Failure> {
    let old = base.child("configuration").cloned();
    let old = old.unwrap_or_else(|| Element::new("configuration"));
    let foreseen = |configuration: &Element| {
        document(base, configuration).map(|cib| effects(&decide(&cib).cluster))
    };
    let (before, mut after) = (foreseen(&old)?, foreseen(new.root())?);
    after.retain(|effect| !before.iter().any(|other| other.is_like(effect)));
    Ok(after)
}

/// An event to pretend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nodes fail.
    NodeLoss(Vec<String>),
    /// Nodes come up.
    NodeUp(Vec<String>),
    /// A resource fails on a node.
    Failure(String, String),
    /// The partition loses quorum.
    QuorumLoss,
}

/// Where everything runs: (resource, nodes).
pub type Placement = Vec<(String, String)>;

/// What would come of an event.
pub struct Outcome {
    /// What would happen.
    pub effects: Vec<Effect>,
    /// Where everything runs now.
    pub before: Placement,
    /// Where everything would run after it.
    pub after: Placement,
}

/// Pretends an event.
///
/// # Errors
/// A node or resource that nobody knows.
pub fn pretend(base: &Element, event: &Event) -> Result<Outcome, Failure> {
    let configuration = base.child("configuration").cloned();
    let configuration = configuration.unwrap_or_else(|| Element::new("configuration"));
    let mut cib = document(base, &configuration)?;
    let at = now();
    let moment = Moment { epoch: at, offset: 0 };
    let before = placement(&scheduler::status(&Input::new(&cib, moment)));
    let mut injections = Injections::default();
    match event {
        Event::NodeLoss(nodes) => injections.nodes_fail = nodes.clone(),
        Event::NodeUp(nodes) => injections.nodes_up = nodes.clone(),
        Event::Failure(resource, node) => {
            injections.operations = vec![format!("{resource}_monitor_10000@{node}=1")];
        }
        Event::QuorumLoss => injections.quorum = Some("false".into()),
    }
    let agents = agents(&cib);
    let agent_of = |id: &str| agents.iter().find(|(n, _)| n == id).map(|(_, a)| a.clone());
    inject(&mut cib, &injections, &agent_of, at)
        .map_err(|e| Failure::from(format!("simulate: {e}")))?;
    let schedule = decide(&cib);
    let effects = effects(&schedule.cluster);
    let missing = injections.missing();
    let known = |name: &str| schedule.cluster.named(name).is_some();
    simulate(&schedule.graph, &mut cib, &known, &[], missing, at)
        .map_err(|e| Failure::from(format!("simulate: {e}")))?;
    let after = placement(&scheduler::status(&Input::new(&cib, moment)));
    Ok(Outcome { effects, before, after })
}

/// The agent of every primitive of a document.
pub fn agents(cib: &Element) -> Vec<(String, AgentRef)> {
    let configuration = Configuration::new(cib);
    let objects = configuration.objects();
    objects
        .iter()
        .filter(|o| o.kind == crate::language::Kind::Primitive)
        .filter_map(|o| {
            let e = configuration.resolved(o.element)?;
            let agent = AgentRef {
                class: e.attr("class").unwrap_or_default().into(),
                provider: e.attr("provider").map(Into::into),
                kind: e.attr("type").unwrap_or_default().into(),
            };
            Some((o.id.to_string(), agent))
        })
        .collect()
}

fn placement(cluster: &Cluster) -> Placement {
    let mut out = Vec::new();
    for resource in &cluster.resources {
        if !resource.is_primitive() || resource.orphan {
            continue;
        }
        let nodes: Vec<&str> = resource.active_on.iter().map(|&n| &*cluster[n].name).collect();
        let role = if resource.role == Role::Promoted { " (promoted)" } else { "" };
        let place =
            if nodes.is_empty() { "-".to_string() } else { format!("{}{role}", nodes.join(", ")) };
        out.push((resource.id.to_string(), place));
    }
    out
}

/// Why a resource is where it is, on all nodes or on one, or a node in its state; text, and the
/// same as JSON. A connection and its node have one name: `of_node` asks for the node.
///
/// # Errors
/// Nobody knows the name; see [`document`].
pub fn why(
    base: &Element,
    name: &str,
    on: Option<&str>,
    of_node: bool,
) -> Result<(String, serde_json::Value), Failure> {
    let configuration = base.child("configuration").cloned();
    let configuration = configuration.unwrap_or_else(|| Element::new("configuration"));
    let cib = document(base, &configuration)?;
    let cluster = decide(&cib).cluster;
    let json = |r: Result<serde_json::Value, serde_json::Error>| r.unwrap_or_default();
    if let Some(rsc) = cluster.resource(name).filter(|_| !of_node) {
        let mut report = explain::resource(&cluster, rsc);
        if let Some(node) = on {
            let Some(node) = find_node(&cluster, node) else {
                return Err(format!("why: there is no node {node}").into());
            };
            report = report.on_node(&cluster[node].name);
        }
        return Ok((report.to_string(), json(serde_json::to_value(&report))));
    }
    if let Some(node) = find_node(&cluster, name) {
        let report = explain::node(&cluster, node);
        return Ok((report.to_string(), json(serde_json::to_value(&report))));
    }
    let kind = if of_node { "node" } else { "resource or node" };
    Err(format!("why: {name} not found: there is no such {kind}").into())
}

fn find_node(cluster: &Cluster, name: &str) -> Option<NodeIx> {
    cluster.node_order.iter().copied().find(|&n| &*cluster[n].name == name)
}
