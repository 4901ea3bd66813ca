//! A status to try the configuration with: what nodes, operations and tickets would be like.

use crm_core::cib::{Element, parse};
use crm_core::transition::{Injections, inject};

use crate::editor::open;
use crate::foresee;
use crate::language::vocabulary::boolean;
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command};

const VIEW: &[Argument] = &[Argument::OneOf(&["nograph", "scores", "utilization", "actions"])];

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new("load", "load {<file>|shadow:<cib>|live}", "take a status from somewhere", (1, Some(1)), &[Argument::File], Action::Run(load)),
    Command::new("save", "save {<file>|shadow:<cib>}", "write the configuration with the status", (1, Some(1)), &[Argument::File], Action::Run(save)),
    Command::new("origin", "origin", "where the status comes from", (0, Some(0)), &[], Action::Run(origin)),
    Command::new("show", "show [changed]", "the status, or what was changed in it", (0, Some(1)), &[Argument::OneOf(&["changed"])], Action::Run(show)),
    Command::new("quorum", "quorum <bool>", "set whether there is quorum", (1, Some(1)), &[Argument::OneOf(&["true", "false"])], Action::Run(quorum)),
    Command::new("node", "node <node> {online|offline|unclean}", "set the state of a node", (2, Some(2)), &[Argument::Node, Argument::OneOf(&["online", "offline", "unclean"])], Action::Run(node)),
    Command::new("op", "op <operation>[:<interval>] <rsc> <exit code> [done] [<node>]", "set the result of an operation", (3, Some(5)), &[Argument::OneOf(OPERATIONS), Argument::Resource, Argument::OneOf(CODES), Argument::Node], Action::Run(op))
        .help("For example: op monitor web not_running node1\nExit codes are numbers or names: success, generic, args, unimplemented, perm, installed, configured,\nnot_running, promoted, promoted_failed."),
    Command::new("ticket", "ticket <ticket> {grant|revoke|activate|standby}", "set the state of a ticket", (2, Some(2)), &[Argument::Any, Argument::OneOf(&["grant", "revoke", "activate", "standby"])], Action::Run(ticket)),
    Command::new("run", "run [nograph] [scores] [utilization]", "what the cluster would do with this status", (0, None), VIEW, Action::Run(run)),
    Command::new("simulate", "simulate [nograph] [scores] [utilization]", "the same, and what would come of it", (0, None), VIEW, Action::Run(simulate)),
];

const OPERATIONS: &[&str] = &["start", "stop", "monitor", "promote", "demote"];
const CODES: &[&str] = &[
    "success",
    "generic",
    "args",
    "unimplemented",
    "perm",
    "installed",
    "configured",
    "not_running",
    "promoted",
    "promoted_failed",
];

/// The status that is worked on.
pub struct Trial {
    /// Where it comes from.
    origin: String,
    /// A document with it; its configuration is not used.
    cib: Element,
    /// What was changed in it, in words.
    changes: Vec<String>,
}

/// The trial; begun with the status of what the session works on.
fn trial(session: &mut Session) -> Result<&mut Trial, Failure> {
    if session.trial.is_none() {
        let origin = session.shadow.as_ref().map_or("live".into(), |s| format!("shadow:{s}"));
        let cib = session.access.cib()?;
        session.trial = Some(Trial { origin, cib, changes: Vec::new() });
    }
    session.trial.as_mut().ok_or_else(|| "there is no status".into())
}

/// The configuration that is edited, with the status of the trial.
fn document(session: &mut Session) -> Result<Element, Failure> {
    let editor = open(session)?;
    let (base, configuration) = (editor.base.clone(), editor.now.root().clone());
    let mut cib = foresee::document(&base, &configuration)?;
    let trial = trial(session)?;
    cib.retain(|c| c.name() != "status");
    cib.push(trial.cib.child("status").cloned().unwrap_or_else(|| Element::new("status")));
    for name in ["have-quorum", "dc-uuid", "execution-date"] {
        if let Some(value) = trial.cib.attr(name) {
            cib.set_attr(name, value);
        }
    }
    Ok(cib)
}

fn load(session: &mut Session, call: &Call<'_>) -> Outcome {
    let source = call.arguments[0].text.clone();
    let cib = match source.as_str() {
        "live" => crate::access::open().cib()?,
        other => match other.strip_prefix("shadow:") {
            Some(name) => crate::levels::cib::stored(name)?,
            None => {
                let wrong = |e: String| Failure::from(format!("could not open {other}: {e}"));
                let text = std::fs::read_to_string(other).map_err(|e| wrong(e.to_string()))?;
                parse(&text).map_err(|e| wrong(e.to_string()))?
            }
        },
    };
    session.trial = Some(Trial { origin: source, cib, changes: Vec::new() });
    Ok(())
}

fn save(session: &mut Session, call: &Call<'_>) -> Outcome {
    let target = call.arguments[0].text.clone();
    let cib = document(session)?;
    match target.strip_prefix("shadow:") {
        Some(name) => crate::levels::cib::store(name, &cib).map(drop),
        None => std::fs::write(&target, cib.to_pretty())
            .map_err(|e| format!("could not open {target}: {e}").into()),
    }
}

fn origin(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let origin = trial(session)?.origin.clone();
    session.printer.print(&origin);
    Ok(())
}

fn show(session: &mut Session, call: &Call<'_>) -> Outcome {
    let changed = match call.get(0) {
        None => false,
        Some("changed") => true,
        Some(_) => return Err(call.usage()),
    };
    let trial = trial(session)?;
    let text = if changed {
        trial.changes.join("\n")
    } else {
        trial.cib.child("status").map(Element::to_pretty).unwrap_or_default()
    };
    session.printer.print(&text);
    Ok(())
}

fn change(
    session: &mut Session,
    call: &Call<'_>,
    injections: &Injections,
    what: String,
) -> Outcome {
    let mut cib = document(session)?;
    let agents = foresee::agents(&cib);
    let agent_of = |id: &str| agents.iter().find(|(n, _)| n == id).map(|(_, a)| a.clone());
    let now = jiff::Timestamp::now().as_second();
    inject(&mut cib, injections, &agent_of, now)
        .map_err(|e| Message::error(e.to_string()).at(call.place(0)))?;
    let trial = trial(session)?;
    trial.cib = cib;
    trial.changes.push(what);
    Ok(())
}

fn quorum(session: &mut Session, call: &Call<'_>) -> Outcome {
    let value = boolean(&call.arguments[0].text).ok_or_else(|| call.usage())?;
    let injections = Injections { quorum: Some(value.to_string()), ..Injections::default() };
    change(session, call, &injections, format!("quorum {value}"))
}

fn known_node(session: &mut Session, call: &Call<'_>, at: usize) -> Result<String, Failure> {
    let name = call.arguments[at].text.clone();
    if open(session)?.now.find_node(&name).is_none() {
        let text = format!("node {name} not found");
        return Err(Message::error(text).at(call.place(at)).into());
    }
    Ok(name)
}

fn node(session: &mut Session, call: &Call<'_>) -> Outcome {
    let name = known_node(session, call, 0)?;
    let mut injections = Injections::default();
    let state = call.arguments[1].text.as_str();
    match state {
        "online" => injections.nodes_up.push(name.clone()),
        "offline" => injections.nodes_down.push(name.clone()),
        "unclean" => injections.nodes_fail.push(name.clone()),
        _ => return Err(call.usage()),
    }
    change(session, call, &injections, format!("node {name} {state}"))
}

fn op(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let (operation, interval) = words[0].split_once(':').unwrap_or((&words[0], ""));
    let wrong = |at: usize, text: String| Failure::from(Message::error(text).at(call.place(at)));
    if !OPERATIONS.contains(&operation) {
        let known = OPERATIONS.join(", ");
        return Err(wrong(0, format!("'{operation}' is no operation; expected {known}")));
    }
    let resource = words[1].clone();
    let rc = match words[2].parse::<i32>() {
        Ok(rc) => rc,
        Err(_) => code(&words[2]).ok_or_else(|| {
            wrong(2, format!("'{}' is no exit code; expected {}", words[2], CODES.join(", ")))
        })?,
    };
    let editor = open(session)?;
    let Some(object) = editor.now.find_resource(&resource) else {
        return Err(wrong(1, format!("resource {resource} does not exist")));
    };
    let interval_ms = match (interval, operation) {
        ("", "monitor") => monitor_interval(object.element).unwrap_or(0),
        ("", _) => 0,
        (text, _) => milliseconds(text)
            .ok_or_else(|| wrong(0, format!("'{text}' is no interval (10s, 500ms)")))?,
    };
    let places = crate::places::running(&editor.base, object.element);
    let mut rest: Vec<usize> = (3..words.len()).collect();
    // Only results that came are of any use here; lost and cancelled ones are no results.
    if rest.first().is_some_and(|&at| words[at] == "done") {
        rest.remove(0);
    }
    let node = match rest.as_slice() {
        [] => match places.as_slice() {
            [one] => one.node.clone(),
            _ => return Err(wrong(1, format!("say on which node {resource} has this result"))),
        },
        [at] => known_node(session, call, *at)?,
        _ => return Err(call.usage()),
    };
    let text = format!("{resource}_{operation}_{interval_ms}@{node}={rc}");
    let injections = Injections { operations: vec![text.clone()], ..Injections::default() };
    change(session, call, &injections, format!("op {text}"))
}

/// The names of the OCF's exit codes.
fn code(name: &str) -> Option<i32> {
    let numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    let name = match name {
        "ok" => "success",
        "unknown" | "error" => "generic",
        "master" => "promoted",
        "failed_master" => "promoted_failed",
        other => other,
    };
    CODES.iter().position(|c| *c == name).and_then(|at| numbers.get(at).copied())
}

fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" | "sec" => 1000,
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn monitor_interval(element: &Element) -> Option<u64> {
    let ops = element.descendants().filter(|e| e.name() == "op");
    let monitor =
        ops.filter(|o| o.attr("name") == Some("monitor")).find_map(|o| o.attr("interval"));
    milliseconds(monitor?)
}

fn ticket(session: &mut Session, call: &Call<'_>) -> Outcome {
    let name = call.arguments[0].text.clone();
    let mut injections = Injections::default();
    let state = call.arguments[1].text.as_str();
    let list = match state {
        "grant" => &mut injections.tickets_grant,
        "revoke" => &mut injections.tickets_revoke,
        "activate" => &mut injections.tickets_activate,
        "standby" => &mut injections.tickets_standby,
        _ => return Err(call.usage()),
    };
    list.push(name.clone());
    change(session, call, &injections, format!("ticket {name} {state}"))
}

fn schedule(session: &mut Session, call: &Call<'_>, option: &str) -> Outcome {
    let mut arguments = vec![option.to_string()];
    for (at, word) in call.texts().iter().enumerate() {
        match word.as_str() {
            "scores" => arguments.push("-s".into()),
            "utilization" => arguments.push("-U".into()),
            "nograph" | "actions" => {}
            v if !v.is_empty() && v.chars().all(|c| c == 'v') => arguments.push("-V".into()),
            other => {
                let text = format!("'{other}' is not understood; usage: {}", call.command.usage);
                return Err(Message::error(text).at(call.place(at)).into());
            }
        }
    }
    let cib = document(session)?;
    crate::status::run_simulate(session, &cib, arguments)
}

fn run(session: &mut Session, call: &Call<'_>) -> Outcome {
    schedule(session, call, "-R")
}

fn simulate(session: &mut Session, call: &Call<'_>) -> Outcome {
    schedule(session, call, "-S")
}
