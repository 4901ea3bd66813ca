//! The sequence of one run and of its output (O-40 to O-43).

use crm_core::cib::{Child, Element};
use crm_core::explain;
use crm_core::scheduler::model::Cluster;
use crm_core::scheduler::{self, Input, Recorded, Schedule, ScoreLine};
use crm_core::transition::{AgentRef, Change, Graph, Missing, Simulation, Step, inject, simulate};

use super::input::{self, Clock};
use super::options::{Options, Source};
use super::{NAME, wall_clock};
use crate::compat::exit::Exit;
use crate::compat::output::Output;
use crate::compat::{NOT_VALIDATED, is_unchecked};
use crate::render::report::Part;
use crate::render::status::{
    Detail, View, attribute_items, attributes_element, counts, failure_items, failures_element,
    history_element, nodes_element, operation_items, resources_element, status_part,
};
use crate::render::transition::{
    change_element, change_items, note_lines, score_element, score_text, step_element, step_part,
    summary,
};

/// What a run leaves in memory. A process that is about to end should not take the time to give it
/// back piece by piece: that is as much as placing the resources takes.
#[derive(Default)]
pub struct Remains {
    _snapshot: Option<input::Snapshot>,
    _schedule: Option<Schedule>,
}

/// Runs what the options ask for.
pub fn run(options: &Options, output: &mut Output<'_>) -> (Exit, Remains) {
    match steps(options, output) {
        Ok(done) => done,
        Err((text, exit)) => {
            output.error(&format!("{NAME}: {text}"));
            (exit, Remains::default())
        }
    }
}

fn steps(options: &Options, output: &mut Output<'_>) -> Result<(Exit, Remains), input::Refusal> {
    let wall = wall_clock();
    let snapshot = input::read(&options.source, options.whole())?;
    let (mut cib, recorded) = (snapshot.cib, snapshot.recorded.as_ref());
    if is_unchecked(&cib) {
        output.log(NOT_VALIDATED);
    }
    let clock = input::clock(&cib, options.time.as_deref(), wall)?;
    let mut cluster = scheduler::status(&given(&cib, recorded, &clock, options));
    if let Some(line) = &clock.line {
        output.info(line);
    }
    show_notes(&cluster, output);
    if !output.is_quiet() {
        show_notices(&cluster, output);
        show_status(&cluster, true, options, output);
    }
    if options.injections.any() {
        inject_events(options, &mut cib, &cluster, wall, output)?;
        // There is not to be room for both.
        drop(cluster);
        if let Some(line) = &clock.line {
            output.info(line);
        }
        cluster = scheduler::status(&given(&cib, recorded, &clock, options));
        show_notes(&cluster, output);
    }
    if let Some(path) = &options.save_input {
        match with_expired_marked(&cib, &cluster) {
            Some(marked) => save(path, &marked)?,
            None => save(path, &cib)?,
        }
    }
    let (mut exit, mut decided) = (Exit::OK, None);
    if options.run {
        let schedule = scheduler::decide(cluster, &given(&cib, recorded, &clock, options));
        if options.verbose {
            for message in &schedule.cluster.messages {
                output.log(&message.text);
            }
        }
        show_decisions(&schedule, options, output);
        if !write_graph(&schedule.graph, options, output) {
            exit = Exit::IO;
        }
        if options.simulate {
            exit = pretend(&schedule, &mut cib, options, wall, output)?;
            show_outcome(&cib, &clock, options, output);
        }
        decided = Some(schedule);
    }
    if let Some(path) = target(options) {
        save(path, &cib)?;
    }
    let snapshot = input::Snapshot { cib, recorded: snapshot.recorded };
    Ok((exit, Remains { _snapshot: Some(snapshot), _schedule: decided }))
}

fn given<'a>(
    cib: &'a Element,
    recorded: Option<&'a Recorded>,
    clock: &Clock,
    options: &Options,
) -> Input<'a> {
    Input {
        recorded,
        show_scores: options.scores,
        show_utilization: options.utilization,
        all_actions: options.all_actions,
        record: options.why,
        // A document that was handed over may have had its secrets replaced (I-188).
        sanitized: !matches!(options.source, Source::Live),
        ..Input::new(cib, clock.now)
    }
}

/// The file that holds the outcome (O-20).
fn target(options: &Options) -> Option<&str> {
    match &options.source {
        Source::File(path) if options.in_place => Some(path),
        Source::File(_) | Source::Pipe | Source::Live => options.save_output.as_deref(),
    }
}

fn save(path: &str, cib: &Element) -> Result<(), input::Refusal> {
    std::fs::write(path, cib.to_pretty())
        .map_err(|error| (format!("Could not create '{path}': {error}"), Exit::NO_SUCH))
}

/// The document with a digest that nothing has in recurring operations whose failure expired, if
/// there are any: that is how the reference remembers to schedule them again, and it keeps it in
/// what it saves (I-142).
fn with_expired_marked(cib: &Element, cluster: &Cluster) -> Option<Element> {
    if cluster.expired_recurring.is_empty() {
        return None;
    }
    let mut marked = cib.clone();
    for &(history, op) in &cluster.expired_recurring {
        let history = &cluster[history];
        let (node, resource, op) = (&cluster[history.node].id, &history.id, &history.ops[op].id);
        let is = |name: &'static str, id: &str| {
            let id = id.to_string();
            move |e: &Element| e.name() == name && e.id() == Some(&id)
        };
        let entry = marked
            .child_mut("status")
            .and_then(|status| status.find_child_mut(is("node_state", node)))
            .and_then(|state| state.child_mut("lrm")?.child_mut("lrm_resources"))
            .and_then(|resources| resources.find_child_mut(is("lrm_resource", resource)))
            .and_then(|resource| resource.find_child_mut(is("lrm_rsc_op", op)));
        if let Some(entry) = entry {
            entry.set_attr("op-restart-digest", "calculated-failure-timeout");
        }
    }
    Some(marked)
}

/// What reading noticed about parameters.
fn show_notes(cluster: &Cluster, output: &mut Output<'_>) {
    for line in cluster.notes.iter().flat_map(|note| note_lines(cluster, note)) {
        output.info(&line);
    }
}

/// The notices above the status (O-41).
fn show_notices(cluster: &Cluster, output: &mut Output<'_>) {
    if cluster.options.maintenance {
        output.info("");
        output.info("              *** Resource management is DISABLED ***");
        output.info("  The cluster will not attempt to start, stop or recover services");
        output.info("");
    }
    let counts = counts(cluster);
    if counts.disabled > 0 || counts.blocked > 0 {
        output.info(&format!(
            "{} of {} resource instances DISABLED and {} BLOCKED from further action due to failure",
            counts.disabled, counts.instances, counts.blocked
        ));
        output.info("");
    }
}

/// "Current cluster status", or what it will be.
fn show_status(cluster: &Cluster, current: bool, options: &Options, output: &mut Output<'_>) {
    let view = View::simulate(current);
    let (title, tag) = if current {
        ("Current cluster status", "cluster_status")
    } else {
        ("Revised Cluster Status", "revised_cluster_status")
    };
    output.space();
    if output.is_xml() {
        let mut element = Element::new(tag).with_child(nodes_element(cluster, &view, false));
        if let Some(resources) = resources_element(cluster, &view) {
            element.push(resources);
        }
        let more = [
            attributes_element(cluster, &view).filter(|_| options.attributes),
            history_element(cluster, &view, Detail::Failures).filter(|_| options.failcounts),
            failures_element(cluster, &view).filter(|_| options.failcounts),
        ];
        for part in more.into_iter().flatten() {
            element.push(part);
        }
        output.element(element);
        return;
    }
    let mut more = Vec::new();
    if options.attributes {
        more.push(("Node Attributes", attribute_items(cluster, &view)));
    }
    if options.failcounts {
        more.push(("Migration Summary", operation_items(cluster, &view, Detail::Failures)));
        more.push(("Failed Resource Actions", failure_items(cluster, &view, true)));
    }
    // The title of fail counts stands there if any node could have some.
    let any_online = cluster.nodes.iter().any(|node| node.online && node.has_state);
    more.retain(|(title, items)| {
        !items.is_empty() || (any_online && *title == "Migration Summary")
    });
    output.text(&status_part(title, cluster, &view, more));
}

fn inject_events(
    options: &Options,
    cib: &mut Element,
    cluster: &Cluster,
    wall: i64,
    output: &mut Output<'_>,
) -> Result<(), input::Refusal> {
    let agent_of = |id: &str| {
        let agent = &cluster[cluster.named(id)?].agent;
        Some(AgentRef {
            class: agent.class.to_string(),
            provider: agent.provider.as_ref().map(ToString::to_string),
            kind: agent.kind.to_string(),
        })
    };
    let changes = inject(cib, &options.injections, &agent_of, wall)
        .map_err(|error| (error.to_string(), Exit::ABORTED))?;
    output.space();
    if !output.is_quiet() {
        let items = change_items(&changes);
        output.text(&Part::list("Performing Requested Modifications", items));
        output.element(modifications(&changes));
    }
    for change in &changes {
        if let Change::Refused(text) = change {
            output.error(text);
        }
    }
    Ok(())
}

fn modifications(changes: &[Change]) -> Element {
    let mut list = Element::new("modifications");
    for change in changes {
        match change {
            Change::Quorum(value) => list.set_attr("quorum", value),
            Change::Watchdog(value) => list.set_attr("watchdog", value),
            _ => {
                if let Some(element) = change_element(change) {
                    list.push(element);
                }
            }
        }
    }
    list
}

/// Scores and the transition summary.
fn show_decisions(schedule: &Schedule, options: &Options, output: &mut Output<'_>) {
    let cluster = &schedule.cluster;
    if options.scores || options.utilization {
        let (title, tag) = match (options.scores, options.utilization) {
            (true, true) => {
                ("Allocation Scores and Utilization Information", "allocations_utilizations")
            }
            (true, false) => ("Allocation Scores", "allocations"),
            (false, _) => ("Utilization Information", "utilizations"),
        };
        output.space();
        if output.is_xml() {
            let mut list = Element::new(tag);
            for element in schedule.scores.iter().filter_map(|line| score_element(cluster, line)) {
                list.push(element);
            }
            output.element(list);
        } else {
            let quiet = output.is_quiet();
            let lines = schedule.scores.iter().flat_map(|line| match line {
                ScoreLine::Note(_) if quiet => Vec::new(),
                ScoreLine::Note(note) => {
                    note_lines(cluster, note).into_iter().map(Part::Line).collect()
                }
                line => vec![Part::item(score_text(cluster, line))],
            });
            let list = Part::list(title, lines.collect());
            output.text(&list);
        }
    }
    if options.why {
        show_reasons(cluster, output);
    }
    if !output.is_quiet() {
        let summary = summary(cluster);
        output.space();
        output.text(&Part::list("Transition Summary", summary.items()));
        output.element(summary.element());
    }
}

/// Where every score of every resource comes from, and why nodes are as they are.
fn show_reasons(cluster: &Cluster, output: &mut Output<'_>) {
    let resources = cluster.top.iter().filter(|&&rsc| !cluster[rsc].orphan);
    let resources: Vec<_> = resources.map(|&rsc| explain::resource(cluster, rsc)).collect();
    let nodes: Vec<_> = cluster.node_order.iter().map(|&n| explain::node(cluster, n)).collect();
    output.json(&serde_json::json!({ "nodes": nodes, "resources": resources }));
    let mut list = Element::new("reasons");
    for node in &nodes {
        list.push(explanation("node", &node.node, &node.to_string()));
    }
    for resource in &resources {
        list.push(explanation("resource", &resource.resource, &resource.to_string()));
    }
    let texts = nodes.iter().map(ToString::to_string);
    let texts = texts.chain(resources.iter().map(ToString::to_string));
    output.space();
    for text in texts {
        for line in text.lines() {
            output.text(&Part::Line(line.into()));
        }
    }
    output.element(list);
}

/// One explanation as an element.
fn explanation(tag: &'static str, id: &str, text: &str) -> Element {
    let mut element = Element::new(tag).with("id", id);
    element.nodes_mut().push(Child::Text(text.into()));
    element
}

fn write_graph(graph: &Graph, options: &Options, output: &mut Output<'_>) -> bool {
    let mut write = |path: &Option<String>, text: &dyn Fn() -> String| {
        let Some(path) = path else { return true };
        match std::fs::write(path, text()) {
            Ok(()) => true,
            Err(error) => {
                output.error(&format!("{NAME}: Could not write '{path}': {error}"));
                false
            }
        }
    };
    let wrote_graph = write(&options.save_graph, &|| graph.to_element().to_pretty());
    let wrote_dot =
        write(&options.save_dot, &|| graph.to_dot(options.verbose, options.all_actions));
    wrote_graph && wrote_dot
}

/// Pretends to execute the graph.
fn pretend(
    schedule: &Schedule,
    cib: &mut Element,
    options: &Options,
    wall: i64,
    output: &mut Output<'_>,
) -> Result<Exit, input::Refusal> {
    let missing: Missing<'_> = options.injections.missing();
    let known = |name: &str| schedule.cluster.named(name).is_some();
    let failures = &options.failures;
    let outcome: Simulation = simulate(&schedule.graph, cib, &known, failures, missing, wall)
        .map_err(|error| (error.to_string(), Exit::ABORTED))?;
    output.space();
    if output.is_xml() {
        let mut list = Element::new("transition");
        for element in outcome.steps.iter().filter_map(step_element) {
            list.push(element);
        }
        output.element(list);
    } else if !output.is_quiet() {
        let parts = outcome.steps.iter().filter_map(step_part).collect();
        output.text(&Part::list("Executing Cluster Transition", parts));
    }
    for step in &outcome.steps {
        if let Step::Refused(text) = step {
            output.error(text);
        }
    }
    if outcome.complete {
        return Ok(Exit::OK);
    }
    output.error("Transition failed: terminated");
    output.error("An invalid transition was produced");
    Ok(Exit::ERROR)
}

fn show_outcome(cib: &Element, clock: &Clock, options: &Options, output: &mut Output<'_>) {
    if output.is_quiet() {
        return;
    }
    if let Some(line) = &clock.line {
        output.info(line);
    }
    // By now nobody remembers that the document may have been sanitized.
    let cluster =
        scheduler::status(&Input { sanitized: false, ..given(cib, None, clock, options) });
    show_notes(&cluster, output);
    show_status(&cluster, false, options, output);
}
