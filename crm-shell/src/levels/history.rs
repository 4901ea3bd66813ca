//! What has happened, and what the cluster thought then.

use std::path::{Path, PathBuf};

use crm_core::cib::Element;
use crm_messaging::proto::Event;
use regex::Regex;
use serde_json::json;

use crate::configuration::Configuration;
use crate::history::{self, History, Source, Transition, report};
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command};

const ANY: &[Argument] = &[Argument::Any];

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new("info", "info", "what is known, since when and from where", (0, Some(0)), &[], Action::Run(info)),
    Command::new("latest", "latest", "what the last transition did", (0, Some(0)), &[], Action::Run(latest)),
    Command::new("events", "events", "what matters: members, quorum, fencing, transitions, services started and stopped, failures", (0, Some(0)), &[], Action::Run(events))
        .aliases(&["list"]),
    Command::new("log", "log [<node> ...]", "every event, of all nodes or of some", (0, None), &[Argument::Node], Action::Run(log)),
    Command::new("node", "node <node> [<node> ...]", "what happened to nodes", (1, None), &[Argument::Node], Action::Run(node)),
    Command::new("resource", "resource <rsc> [<rsc> ...]", "what happened to resources", (1, None), &[Argument::Resource], Action::Run(resource)),
    Command::new("transitions", "transitions", "every transition, with what it did", (0, Some(0)), &[], Action::Run(transitions)),
    Command::new("transition", "transition [log|tags|showdot|save] [<number>|<index>|<file>] [nograph] [scores] [utilization] [actions]", "what a transition did and why: the scheduler on its input again", (0, None), &[Argument::OneOf(&["log", "tags", "showdot", "save", "scores", "utilization", "actions"])], Action::Run(transition))
        .help("Without a name: the last one. 0 is the last, -1 the one before; a positive number is the transition's own.\n'transition log' prints the events of it, 'tags' the resources and nodes it was about, 'showdot' its graph,\nand 'save <name>' makes a shadow CIB of its input, to try things on ('cib use <name>')."),
    Command::new("show", "show <transition> [status]", "the configuration, or the status, that a transition was planned from", (1, Some(2)), &[Argument::Any, Argument::OneOf(&["status"])], Action::Run(show)),
    Command::new("diff", "diff <transition> <transition> [status]", "what changed between two transitions; 'live' is now", (2, Some(4)), &[Argument::Any, Argument::Any, Argument::OneOf(&["status"])], Action::Run(diff)),
    Command::new("wdiff", "wdiff <transition> <transition> [status]", "the same, word by word", (2, Some(3)), &[Argument::Any, Argument::Any, Argument::OneOf(&["status"])], Action::Run(wdiff)),
    Command::new("graph", "graph <transition> [dot|svg [<file>]]", "the actions of a transition as a graph", (1, Some(4)), &[Argument::Any, Argument::OneOf(&["dot", "svg"]), Argument::File], Action::Run(graph)),
    Command::new("peinputs", "peinputs [<from>:<to>|<number> ...] [v]", "the kept transition inputs", (0, None), ANY, Action::Run(peinputs)),
    Command::new("source", "source [<directory>|<archive>|live]", "read the past from a report instead of the daemon", (0, Some(1)), &[Argument::File], Action::Run(source)),
    Command::new("limit", "limit [<from> [<to>]]", "look at a period only; without arguments at everything", (0, Some(2)), ANY, Action::Run(limit))
        .aliases(&["timeframe"])
        .help("Times: '2026-11-20 14:30', '14:30', 'yesterday', or how long ago: 2h, 30m, 3d."),
    Command::new("detail", "detail <level>", "0: one line an event; 1: what transitions do as well", (1, Some(1)), &[Argument::OneOf(&["0", "1"])], Action::Run(detail)),
    Command::new("exclude", "exclude [<regex>|clear]", "leave out events that fit; without arguments print what is left out", (0, Some(1)), &[Argument::OneOf(&["clear"])], Action::Run(exclude)),
    Command::new("setnodes", "setnodes [<node> ...]", "look at some nodes only; without arguments at all", (0, None), &[Argument::Node], Action::Run(setnodes)),
    Command::new("refresh", "refresh [force]", "read again", (0, Some(1)), &[], Action::Run(refresh)),
    Command::new("session", "session [save <name>|load <name>|delete <name>|list|update|pack [<name>]]", "keep source, period and filters under a name", (0, Some(2)), &[Argument::OneOf(&["save", "load", "delete", "list", "update", "pack"])], Action::Run(session_command)),
];

/// The history, the access and the printer at a time.
fn past<T>(
    session: &mut Session,
    ask: impl FnOnce(&mut History, &mut dyn crate::access::Access) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let hidden = crate::levels::configure::hidden(session);
    let mut live = session.shadow.is_some().then(crate::access::open);
    let Session { history, access, .. } = session;
    history.secrets = report::secrets(&hidden)?;
    // A copy of the configuration has no past; the cluster it was made of has.
    let access = live.as_mut().unwrap_or(access);
    if history.source == Source::Live && !access.is_live() {
        return Err(Message::error(
            "a file has no past: history needs a running cluster or a report",
        )
        .help("'history source DIRECTORY' reads what 'crm report' has collected")
        .into());
    }
    ask(history, access.as_mut())
}

fn print_events(session: &mut Session, events: &[Event]) -> Outcome {
    if session.printer.json {
        return session.printer.print_json(&events);
    }
    let mut out = String::new();
    for event in events {
        out.push_str(&history::line(event));
        out.push('\n');
        if session.history.detail {
            event.detail.lines().for_each(|l| out.push_str(&format!("{:>40}{l}\n", "")));
        }
    }
    session.printer.print(&out);
    Ok(())
}

/// What changes what people get, and everything that failed.
fn matters(event: &Event) -> bool {
    let done = |what: &str| event.text.starts_with(what);
    match event.kind.as_str() {
        "operation" => {
            event.failed
                || ["start ", "stop ", "promote ", "demote ", "migrate_"].iter().any(|w| done(w))
        }
        "attribute" => false,
        _ => true,
    }
}

fn events(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let mut events = past(session, |h, a| h.events(a))?;
    events.retain(matters);
    print_events(session, &events)
}

fn log(session: &mut Session, call: &Call<'_>) -> Outcome {
    let nodes = call.texts();
    check_nodes(session, call)?;
    let mut events = past(session, |h, a| h.events(a))?;
    events.retain(|e| nodes.is_empty() || nodes.contains(&e.node));
    print_events(session, &events)
}

fn check_nodes(session: &mut Session, call: &Call<'_>) -> Outcome {
    let known = past(session, |h, a| h.known_nodes(a))?;
    for (at, word) in call.arguments.iter().enumerate() {
        if !known.contains(&word.text) {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(Message::error(format!("nothing is known of a node {}", word.text))
                .at(call.place(at))
                .help(format!("known: {}", names.join(", ")))
                .into());
        }
    }
    Ok(())
}

fn node(session: &mut Session, call: &Call<'_>) -> Outcome {
    let nodes = call.texts();
    check_nodes(session, call)?;
    let mut events = past(session, |h, a| h.events(a))?;
    events.retain(|e| e.kind == "quorum" || nodes.contains(&e.node) && matters(e));
    print_events(session, &events)
}

fn resource(session: &mut Session, call: &Call<'_>) -> Outcome {
    let wanted = call.texts();
    let mut names = wanted.clone();
    // A group or clone stands for what is in it.
    if let Ok(cib) = session.access.cib() {
        let configuration = Configuration::new(&cib);
        for name in &wanted {
            let inner = configuration.find_resource(name).map(|o| o.element.clone());
            let inside = inner.iter().flat_map(|e| e.descendants());
            names.extend(
                inside
                    .filter(|e| crate::language::is_member(e))
                    .filter_map(Element::id)
                    .map(str::to_string),
            );
        }
    }
    let base = |id: &str| id.split(':').next().unwrap_or(id).to_string();
    let mut events = past(session, |h, a| h.events(a))?;
    events.retain(|e| names.contains(&base(&e.resource)));
    if events.is_empty() {
        let text = format!("nothing has happened to {} in this period", wanted.join(", "));
        session.note(text);
    }
    print_events(session, &events)
}

fn info(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let events = past(session, |h, a| h.events(a))?;
    let transitions = past(session, |h, a| h.transitions(a))?;
    let inputs = past(session, |h, a| h.inputs(a))?;
    let nodes = past(session, |h, a| h.known_nodes(a))?;
    let source = match &session.history.source {
        Source::Live => "the daemon of this node".to_string(),
        Source::Reports(path) => path.display().to_string(),
    };
    let ends = events.first().zip(events.last()).map(|(a, b)| (a.time_ms, b.time_ms));
    let resources: std::collections::BTreeSet<&str> =
        events.iter().map(|e| e.resource.as_str()).filter(|r| !r.is_empty()).collect();
    let failures = events.iter().filter(|e| e.failed).count();
    if session.printer.json {
        let text = json!({
            "source": source, "from_ms": ends.map(|e| e.0), "to_ms": ends.map(|e| e.1),
            "nodes": nodes, "resources": resources, "events": events.len(),
            "failures": failures, "transitions": transitions.len(), "inputs": inputs.len(),
        });
        return session.printer.print_json(&text);
    }
    let join = |i: &mut dyn Iterator<Item = &str>| i.collect::<Vec<_>>().join(" ");
    let period = match ends {
        Some((a, b)) => format!("{} to {}", history::time(a), history::time(b)),
        None => "no events".into(),
    };
    let text = format!(
        "Source:      {source}\nPeriod:      {period}\nNodes:       {}\nResources:   {}\nEvents:      {} ({failures} of failures)\nTransitions: {} ({} inputs kept)\n",
        join(&mut nodes.iter().map(String::as_str)),
        join(&mut resources.iter().copied()),
        events.len(),
        transitions.len(),
        inputs.len(),
    );
    session.printer.print(&text);
    Ok(())
}

fn latest(session: &mut Session, _call: &Call<'_>) -> Outcome {
    if session.history.source == Source::Live && session.access.is_live() {
        // What is under way belongs to the news.
        session.access.state(Some(std::time::Duration::from_secs(60)))?;
    }
    session.history.refresh();
    let transition = past(session, |h, a| h.transition(a, None))?;
    print_log(session, &transition)
}

/// The events from the beginning of a transition to its end.
fn print_log(session: &mut Session, transition: &Transition) -> Outcome {
    let mut events = past(session, |h, a| h.events(a))?;
    events.retain(|e| {
        e.time_ms >= transition.begun_ms && transition.ended_ms.is_none_or(|end| e.time_ms <= end)
    });
    print_events(session, &events)
}

fn transitions(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let all = past(session, |h, a| h.transitions(a))?;
    if session.printer.json {
        let list: Vec<_> = all
            .iter()
            .map(|t| {
                json!({
                    "number": t.number, "input": t.input, "node": t.node, "begun_ms": t.begun_ms,
                    "ended_ms": t.ended_ms, "end": t.end, "failed": t.failed, "actions": t.actions,
                })
            })
            .collect();
        return session.printer.print_json(&list);
    }
    let mut out = String::new();
    for t in &all {
        let mark = if t.failed { '!' } else { ' ' };
        let end = if t.end.is_empty() { "its end is not known" } else { &t.end };
        let end = end.strip_prefix(&format!("transition {} ", t.number)).unwrap_or(end);
        out.push_str(&format!(
            "{} {mark} {:<13} {:<10} {} actions, {end}\n",
            history::time(t.begun_ms),
            t.input,
            t.node,
            t.actions.len()
        ));
        if session.history.detail {
            t.actions.iter().for_each(|l| out.push_str(&format!("{:>26}{l}\n", "")));
        }
    }
    session.printer.print(&out);
    Ok(())
}

fn transition(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["log", rest @ ..] if rest.len() < 2 => {
            let found = past(session, |h, a| h.transition(a, rest.first().copied()))?;
            print_log(session, &found)
        }
        ["tags", rest @ ..] if rest.len() < 2 => {
            let found = past(session, |h, a| h.transition(a, rest.first().copied()))?;
            let events = past(session, |h, a| h.events(a))?;
            let tags: Vec<String> = found.tags(&events).into_iter().collect();
            session.printer.print(&tags.join(" "));
            Ok(())
        }
        ["showdot", rest @ ..] if rest.len() < 2 => {
            let cib = past(session, |h, a| h.document(a, rest.first().copied()))?;
            let dot = transition_dot(session, &cib)?;
            session.printer.print(&dot);
            Ok(())
        }
        ["save", rest @ ..] if rest.len() < 3 => {
            let (which, name) = match rest {
                [which, name] => (Some(*which), *name),
                [which] => (Some(*which), *which),
                _ => (None, "last"),
            };
            let cib = past(session, |h, a| h.document(a, which))?;
            let shadow = crate::levels::cib::store(name, &cib)?;
            session.note(format!("kept as shadow CIB {shadow} ('cib use {shadow}')"));
            Ok(())
        }
        _ => explain(session, call, &words),
    }
}

/// The scheduler on a transition's input, as it was then.
fn explain(session: &mut Session, call: &Call<'_>, words: &[&str]) -> Outcome {
    let mut arguments = vec!["-R".to_string()];
    let mut which = None;
    for (at, word) in words.iter().enumerate() {
        match *word {
            "scores" => arguments.push("-s".into()),
            "utilization" => arguments.push("-U".into()),
            "nograph" | "actions" => {}
            v if v.chars().all(|c| c == 'v') => arguments.push("-V".into()),
            other if which.is_none() => which = Some(other.to_string()),
            _ => return Err(Message::error("one transition is enough").at(call.place(at)).into()),
        }
    }
    let cib = past(session, |h, a| h.document(a, which.as_deref()))?;
    crate::status::run_simulate(session, &cib, arguments)
}

/// The graph of a transition's actions, by the scheduler.
fn transition_dot(session: &mut Session, cib: &Element) -> Result<String, Failure> {
    let wrong = |e: std::io::Error| Failure::from(format!("temporary file: {e}"));
    let file = tempfile::NamedTempFile::new().map_err(wrong)?;
    let path = file.path().to_string_lossy().into_owned();
    session.text_of(|s| crate::status::run_simulate(s, cib, vec!["-D".into(), path]))?;
    std::fs::read_to_string(file.path()).map_err(wrong)
}

fn graph(session: &mut Session, call: &Call<'_>) -> Outcome {
    let form = match call.get(1) {
        None | Some("dot") => "dot",
        Some("svg") => "svg",
        Some(other) => {
            let text = format!("graph: no output of kind '{other}'; expected dot or svg");
            return Err(Message::error(text).at(call.place(1)).into());
        }
    };
    let cib = past(session, |h, a| h.document(a, call.get(0)))?;
    let dot = transition_dot(session, &cib)?;
    let text = if form == "svg" { crate::graph::svg(&dot)? } else { dot };
    match call.get(2) {
        None => session.printer.print(&text),
        Some(file) => std::fs::write(file, text)
            .map_err(|e| Failure::from(format!("could not open {file}: {e}")))?,
    }
    Ok(())
}

/// A document as people read it: its configuration, or its status.
fn as_text(session: &mut Session, cib: &Element, status: bool) -> Result<String, Failure> {
    if status {
        return session.text_of(|s| crate::status::of_document(s, cib));
    }
    let configuration = Configuration::new(cib);
    let hidden = crate::levels::configure::hidden(session);
    let style = crate::language::Style { hidden, ..configuration.style() };
    let selection = configuration.select(&[], &configuration)?;
    let text: Vec<String> =
        selection.objects.iter().map(|o| configuration.show(o, &style)).collect();
    Ok(text.join("\n") + "\n")
}

fn wants_status(call: &Call<'_>, from: usize) -> Result<bool, Failure> {
    let mut status = false;
    for at in from..call.arguments.len() {
        match call.get(at) {
            Some("status") => status = true,
            Some("html") => {
                let text = "no HTML here: the difference is text with '-' and '+'";
                return Err(Message::error(text).at(call.place(at)).into());
            }
            _ => return Err(Message::error("expected 'status'").at(call.place(at)).into()),
        }
    }
    Ok(status)
}

fn show(session: &mut Session, call: &Call<'_>) -> Outcome {
    let status = wants_status(call, 1)?;
    let cib = past(session, |h, a| h.document(a, call.get(0)))?;
    if session.printer.json && !status {
        let configuration = Configuration::new(&cib);
        let hidden = crate::levels::configure::hidden(session);
        let style = crate::language::Style { hidden, ..configuration.style() };
        let objects = configuration.select(&[], &configuration)?.objects;
        return session.printer.print_json(&configuration.listed(&objects, &style));
    }
    let text = as_text(session, &cib, status)?;
    session.printer.print(&text);
    Ok(())
}

fn two(session: &mut Session, call: &Call<'_>) -> Result<(Element, Element), Failure> {
    let old = past(session, |h, a| h.document(a, call.get(0)))?;
    let new = past(session, |h, a| h.document(a, call.get(1)))?;
    let hidden = crate::levels::configure::hidden(session);
    Ok((report::masked(&old, &hidden), report::masked(&new, &hidden)))
}

fn diff(session: &mut Session, call: &Call<'_>) -> Outcome {
    let status = wants_status(call, 2)?;
    let (old, new) = two(session, call)?;
    let text = if status {
        let (a, b) = (as_text(session, &old, true)?, as_text(session, &new, true)?);
        crate::diff::texts(&a, &b)
    } else {
        let (old, new) = (Configuration::new(&old), Configuration::new(&new));
        // The values are masked already.
        if session.printer.json {
            return session.printer.print_json(&crate::diff::changes(&old, &new, &[]));
        }
        crate::diff::configurations(&old, &new, &[])
    };
    session.printer.print(&text);
    Ok(())
}

fn wdiff(session: &mut Session, call: &Call<'_>) -> Outcome {
    let status = wants_status(call, 2)?;
    let (old, new) = two(session, call)?;
    let (a, b) = (as_text(session, &old, status)?, as_text(session, &new, status)?);
    let text = crate::diff::words(&a, &b);
    session.printer.print(&text);
    Ok(())
}

fn peinputs(session: &mut Session, call: &Call<'_>) -> Outcome {
    let mut ranges = Vec::new();
    let mut verbose = false;
    for (at, word) in call.arguments.iter().enumerate() {
        let text = word.text.as_str();
        let (from, to) = text.split_once(':').unwrap_or((text, text));
        match (text, from.parse::<u64>(), to.parse::<u64>()) {
            ("v", ..) => verbose = true,
            (_, Ok(from), Ok(to)) => ranges.push(from..=to),
            _ => {
                let text = format!("'{text}' is neither a number nor a range such as 3:7");
                return Err(Message::error(text).at(call.place(at)).into());
            }
        }
    }
    let mut inputs = past(session, |h, a| h.inputs(a))?;
    inputs.retain(|i| ranges.is_empty() || ranges.iter().any(|r| r.contains(&i.number)));
    if session.printer.json {
        let list: Vec<_> = inputs
            .iter()
            .map(|i| json!({ "name": i.name, "node": i.node, "time_ms": i.time_ms, "bytes": i.bytes }))
            .collect();
        return session.printer.print_json(&list);
    }
    let mut out = String::new();
    for i in &inputs {
        out.push_str(&match verbose {
            true => format!(
                "{}  {:<13} {:<10} {:>8} bytes\n",
                history::time(i.time_ms),
                i.name,
                i.node,
                i.bytes
            ),
            false => format!("{}\n", i.name),
        });
    }
    session.printer.print(&out);
    Ok(())
}

fn source(session: &mut Session, call: &Call<'_>) -> Outcome {
    match call.get(0) {
        Some(place) => {
            let set = session.history.set_source(place);
            set.map_err(|failure| match failure {
                Failure::Message(m) => (*m).at(call.place(0)).into(),
                Failure::Said => Failure::Said,
            })
        }
        None => {
            let text = match &session.history.source {
                Source::Live => "live".to_string(),
                Source::Reports(path) => path.display().to_string(),
            };
            session.printer.print(&text);
            Ok(())
        }
    }
}

fn limit(session: &mut Session, call: &Call<'_>) -> Outcome {
    let now = jiff::Zoned::now();
    let time = |at: usize| match call.get(at) {
        None | Some("") => Ok(None),
        Some(text) => match history::instant(text, &now) {
            Ok(time) => Ok(Some(time)),
            Err(wrong) => Err(Failure::from(Message::error(wrong).at(call.place(at)))),
        },
    };
    let (from, to) = (time(0)?, time(1)?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Message::error("the period ends before it begins").at(call.place(1)).into());
    }
    (session.history.from_ms, session.history.to_ms) = (from, to);
    Ok(())
}

fn detail(session: &mut Session, call: &Call<'_>) -> Outcome {
    session.history.detail = match call.get(0) {
        Some("0") => false,
        Some(n) if n.parse::<u8>().is_ok() => true,
        _ => return Err(call.usage()),
    };
    Ok(())
}

fn exclude(session: &mut Session, call: &Call<'_>) -> Outcome {
    match call.get(0) {
        None => {
            let all: Vec<&str> = session.history.exclude.iter().map(Regex::as_str).collect();
            session.printer.print(&all.join("\n"));
        }
        Some("clear") => session.history.exclude.clear(),
        Some(pattern) => {
            let wrong = |e: regex::Error| Message::error(e.to_string()).at(call.place(0));
            session.history.exclude.push(Regex::new(pattern).map_err(wrong)?);
        }
    }
    Ok(())
}

fn setnodes(session: &mut Session, call: &Call<'_>) -> Outcome {
    check_nodes(session, call)?;
    session.history.nodes = call.texts().into_iter().collect();
    Ok(())
}

fn refresh(session: &mut Session, _call: &Call<'_>) -> Outcome {
    session.history.refresh();
    Ok(())
}

/// Where named settings of this level are kept.
fn sessions() -> Result<PathBuf, Failure> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let base = base.ok_or_else(|| Failure::from("there is no home directory"))?;
    Ok(base.join("crm").join("history"))
}

fn session_file(name: &str) -> Result<PathBuf, Failure> {
    let good = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    if !good {
        return Err(format!("'{name}': a name has letters, digits, '-' and '_'").into());
    }
    Ok(sessions()?.join(format!("{name}.json")))
}

fn session_command(session: &mut Session, call: &Call<'_>) -> Outcome {
    match (call.get(0).unwrap_or("list"), call.get(1)) {
        ("list", None) => {
            let entries = std::fs::read_dir(sessions()?).into_iter().flatten().flatten();
            let mut names: Vec<String> = entries
                .filter_map(|e| e.file_name().into_string().ok())
                .filter_map(|n| n.strip_suffix(".json").map(str::to_string))
                .collect();
            names.sort();
            session.printer.print(&names.join("\n"));
            Ok(())
        }
        ("save", Some(name)) => save_session(&session.history, &session_file(name)?),
        ("load", Some(name)) => load_session(session, &session_file(name)?),
        ("delete", Some(name)) => {
            let file = session_file(name)?;
            std::fs::remove_file(&file)
                .map_err(|e| format!("could not delete {}: {e}", file.display()).into())
        }
        ("update", None) => refresh(session, call),
        ("pack", name) => match &session.history.source {
            Source::Live => super::report::write(session, name.unwrap_or("crm-history"), &[]),
            Source::Reports(directory) => {
                let archive = format!("{}.tar.gz", name.unwrap_or("crm-history"));
                report::pack(directory, Path::new(&archive))?;
                session.printer.print(&archive);
                Ok(())
            }
        },
        _ => Err(call.usage()),
    }
}

fn save_session(history: &History, file: &Path) -> Outcome {
    let source = match &history.source {
        Source::Live => "live".to_string(),
        Source::Reports(path) => path.display().to_string(),
    };
    let exclude: Vec<&str> = history.exclude.iter().map(Regex::as_str).collect();
    let text = json!({
        "source": source, "from_ms": history.from_ms, "to_ms": history.to_ms,
        "exclude": exclude, "detail": history.detail, "nodes": history.nodes,
    });
    let parent = file.parent().map(Path::to_path_buf).unwrap_or_default();
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(file, text.to_string()))
        .map_err(|e| format!("could not open {}: {e}", file.display()).into())
}

fn load_session(session: &mut Session, file: &Path) -> Outcome {
    let wrong = |e: String| Failure::from(format!("could not open {}: {e}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    let kept: serde_json::Value = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let words = |name: &str| {
        let list = kept[name].as_array().into_iter().flatten();
        list.filter_map(|v| v.as_str()).map(str::to_string).collect::<Vec<String>>()
    };
    let exclude: Result<Vec<Regex>, _> = words("exclude").iter().map(|p| Regex::new(p)).collect();
    let exclude = exclude.map_err(|e| wrong(e.to_string()))?;
    session.history.set_source(kept["source"].as_str().unwrap_or("live"))?;
    let history = &mut session.history;
    (history.from_ms, history.to_ms) = (kept["from_ms"].as_u64(), kept["to_ms"].as_u64());
    history.detail = kept["detail"].as_bool().unwrap_or(false);
    history.nodes = words("nodes").into_iter().collect();
    history.exclude = exclude;
    Ok(())
}
