//! The reference's graphs through our simulator: the order of execution is a function of the
//! graph alone, so it can be checked apart from the scheduler.

use std::collections::{BTreeMap, BTreeSet};

use crm_core::cib::{Element, parse};
use crm_core::rules::Moment;
use crm_core::scheduler::{self, Input};
use crm_core::transition::{
    Action, ActionId, ActionKind, AgentRef, Graph, GraphSettings, Mark, Missing, NodeRef, Presence,
    ResourceRef, simulate,
};
use crm_shell::render::report::{Part, Style, write_text};
use crm_shell::render::status::{View, status_part};
use crm_shell::render::transition::step_part;

/// The wall clock of a replay, in seconds of the epoch.
const NOW: i64 = 1_795_000_000;

/// The sections "Executing Cluster Transition" and "Revised Cluster Status" that `graph` gives
/// for `cib`.
///
/// # Errors
/// Something cannot be read, or names a node that is not there.
pub fn replay(graph: &str, cib: &str) -> Result<[String; 2], String> {
    let graph = read(&parse(graph).map_err(|e| e.to_string())?)?;
    let mut cib = parse(cib).map_err(|e| e.to_string())?;
    let clock = cib.attr("execution-date").and_then(|t| t.parse().ok());
    let now = Moment { epoch: clock.unwrap_or(NOW), offset: 0 };
    cib.child_or_insert("status");
    let recorded = recorded_names(&cib);
    // The numbered names are those of the graph.
    let known = |name: &str| name.contains(':') || recorded.contains(name);
    let outcome = simulate(&graph, &mut cib, &known, &[], Missing::default(), NOW)
        .map_err(|e| e.to_string())?;
    let parts = outcome.steps.iter().filter_map(step_part).collect();
    let mut text = String::new();
    write_text(&mut text, &Part::list("Executing Cluster Transition", parts), Style::Fancy, 0);
    let cluster = scheduler::status(&Input::new(&cib, now));
    let mut after = String::new();
    let part = status_part("Revised Cluster Status", &cluster, &View::simulate(false), Vec::new());
    write_text(&mut after, &part, Style::Fancy, 0);
    Ok([text, after])
}

/// Every name under which the status section has a history.
fn recorded_names(cib: &Element) -> BTreeSet<String> {
    let states = cib.child("status").into_iter().flat_map(|s| s.children_named("node_state"));
    states
        .filter_map(|state| state.at(&["lrm", "lrm_resources"]))
        .flat_map(|resources| resources.children_named("lrm_resource"))
        .filter_map(|r| r.id().map(String::from))
        .collect()
}

fn read(root: &Element) -> Result<Graph, String> {
    let mut graph = Graph::new(GraphSettings::default());
    let mut inputs = Vec::new();
    for synapse in root.children_named("synapse") {
        let element = synapse
            .child("action_set")
            .and_then(|set| set.children().next())
            .ok_or("a synapse without an action")?;
        let ix = graph.add(action(element)?);
        let triggers = synapse.child("inputs").into_iter().flat_map(Element::children);
        for trigger in triggers.flat_map(Element::children) {
            inputs.push((id(trigger)?, ix));
        }
    }
    for (before, then) in inputs {
        let before = graph.find(before).ok_or("a trigger that is no action")?;
        graph.order(before, then, Presence::Trigger);
    }
    Ok(graph)
}

fn id(element: &Element) -> Result<ActionId, String> {
    let id = element.id().and_then(|id| id.parse().ok());
    id.map(ActionId).ok_or_else(|| "an action without a number".to_string())
}

fn action(element: &Element) -> Result<Action, String> {
    let text = |name: &str| element.attr(name).map(String::from);
    let kind = match (element.name(), element.attr("mode")) {
        ("rsc_op", _) => ActionKind::RscOp,
        ("pseudo_event", _) => ActionKind::Pseudo,
        (_, Some("cib")) => ActionKind::CibEvent,
        (_, _) => ActionKind::CrmEvent,
    };
    let attributes: BTreeMap<String, String> = element
        .child("attributes")
        .into_iter()
        .flat_map(|a| a.attrs().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>())
        .collect();
    let resource = element.child("primitive").map(|primitive| ResourceRef {
        id: primitive.id().unwrap_or_default().to_string(),
        long_id: primitive.attr("long-id").map(String::from),
        agent: AgentRef {
            class: primitive.attr("class").unwrap_or_default().to_string(),
            provider: primitive.attr("provider").map(String::from),
            kind: primitive.attr("type").unwrap_or_default().to_string(),
        },
    });
    let node = text("on_node")
        .map(|name| NodeRef { id: text("on_node_uuid").unwrap_or_else(|| name.clone()), name });
    Ok(Action {
        id: id(element)?,
        kind,
        mark: Mark::Included,
        operation: text("operation").unwrap_or_default(),
        key: text("operation_key").unwrap_or_default(),
        internal_key: text("internal_operation_key"),
        node,
        router: text("router_node"),
        shutdown_lock: None,
        owner: resource.as_ref().map(|r| r.id.clone()),
        resource,
        attributes,
        downed: Vec::new(),
        maintenance: Vec::new(),
        priority: 0,
        reason: None,
    })
}
