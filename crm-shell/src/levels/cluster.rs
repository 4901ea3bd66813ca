//! The cluster as a whole, on this node.

use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use crm_core::cib::Element;
use serde_json::json;

use crate::access::AccessError;
use crate::message::Message;
use crate::progress::Progress;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command};

const LATER: &str = "nodes are added and removed in cluster.conf ('corosync edit', then restart) until joining while running is there";

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new(
        "status",
        "status",
        "whether the cluster runs here, and with whom",
        (0, Some(0)),
        &[],
        Action::Run(status),
    ),
    Command::new(
        "start",
        "start",
        "start the cluster on this node",
        (0, None),
        &[],
        Action::Run(start),
    ),
    Command::new(
        "stop",
        "stop",
        "stop the cluster on this node; resources move away first",
        (0, None),
        &[],
        Action::Run(stop),
    ),
    Command::new(
        "restart",
        "restart",
        "restart the daemon of this node; its resources go on meanwhile",
        (0, None),
        &[],
        Action::Run(restart),
    ),
    Command::new(
        "wait_for_startup",
        "wait_for_startup [<seconds>]",
        "wait until the cluster answers and is idle",
        (0, Some(1)),
        &[],
        Action::Run(wait_for_startup),
    ),
    Command::new(
        "wait",
        "wait [<seconds>]",
        "wait until nothing is going on",
        (0, Some(1)),
        &[],
        Action::Run(wait),
    ),
    Command::new(
        "health",
        "health",
        "what would be in the way of the cluster's work",
        (0, None),
        &[],
        Action::Run(health),
    ),
    Command::new(
        "init",
        "init [name=<cluster>] [node=<name>] [address=<ip>]",
        "make a first node: its cluster.conf and its key",
        (0, Some(3)),
        &[],
        Action::Run(crate::levels::init::init),
    ),
    Command::new("join", "join", "join a cluster", (0, None), &[], Action::Absent(LATER)),
    Command::new(
        "delete",
        "delete <node>",
        "remove a node from the cluster",
        (0, None),
        &[],
        Action::Absent(LATER),
    )
    .aliases(&["remove"]),
    Command::new(
        "rename",
        "rename <name>",
        "give the cluster another name",
        (0, None),
        &[],
        Action::Absent(
            "the name is part of the nodes' proof of who they are; change cluster_name in cluster.conf on all nodes while the cluster is stopped",
        ),
    ),
    Command::new(
        "run",
        "run <command>",
        "run a command on all nodes",
        (0, None),
        &[],
        Action::Absent("the cluster gives no remote shell; use ssh"),
    ),
    Command::new(
        "copy",
        "copy <file>",
        "copy a file to all nodes",
        (0, None),
        &[],
        Action::Absent("the cluster gives no remote shell; use scp or rsync"),
    ),
    Command::new(
        "diff",
        "diff <file> [--checksum] [<node> ...]",
        "compare a configuration file of other nodes with that of this one",
        (1, None),
        &[Argument::Any, Argument::Node],
        Action::Run(crate::levels::compare::cluster_diff),
    ),
    Command::new(
        "enable",
        "enable",
        "start the cluster at boot",
        (0, None),
        &[],
        Action::Run(enable),
    ),
    Command::new(
        "disable",
        "disable",
        "do not start the cluster at boot",
        (0, None),
        &[],
        Action::Run(disable),
    ),
    Command::new(
        "geo-init",
        "geo-init",
        "make a cluster of clusters",
        (0, None),
        &[],
        Action::Absent("sites are not joined by this cluster yet"),
    ),
    Command::new(
        "geo-join",
        "geo-join",
        "join a cluster of clusters",
        (0, None),
        &[],
        Action::Absent("sites are not joined by this cluster yet"),
    ),
    Command::new(
        "geo-init-arbitrator",
        "geo-init-arbitrator",
        "make an arbitrator",
        (0, None),
        &[],
        Action::Absent("sites are not joined by this cluster yet"),
    ),
    Command::new(
        "crash_test",
        "crash_test",
        "break the cluster to see what happens",
        (0, None),
        &[],
        Action::Absent("'crm demo' breaks a cluster of its own instead of yours"),
    ),
];

/// How long a change may take to be carried out.
const WAIT: Duration = Duration::from_secs(120);

/// Waits until the cluster is idle.
///
/// # Errors
/// It does not become idle in time, or there is no cluster.
pub fn wait_idle(session: &mut Session) -> Outcome {
    if session.access.is_live() { idle_within(session, WAIT) } else { Ok(()) }
}

/// Waits until the running cluster is idle.
fn idle_within(session: &mut Session, limit: Duration) -> Outcome {
    let line = Progress::begin(&session.printer, "waiting for the cluster");
    if !line.is_shown() {
        session.access.state(Some(limit))?;
        return Ok(());
    }
    // On a terminal the wait is cut into looks, so that something can be said meanwhile.
    let begin = Instant::now();
    loop {
        let left = limit.saturating_sub(begin.elapsed());
        match session.access.state(Some(left.min(Duration::from_millis(300)))) {
            Err(AccessError::TimedOut(_)) if crate::sys::interrupted() => {
                let text = "not waited for any longer; the cluster goes on with it";
                return Err(Message::error(text).help("'status' shows how far it is").into());
            }
            Err(AccessError::TimedOut(_)) if begin.elapsed() < limit => {}
            outcome => return Ok(outcome.map(drop)?),
        }
        let steps = crate::status::look_at(session)?.plan.steps;
        let next = steps.first().map_or(String::new(), |s| format!(", now: {}", s.text));
        line.say(format!("waiting for the cluster: {} steps left{next}", steps.len()));
    }
}

fn status(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let state = session.access.state(None)?;
    if session.printer.json {
        let members: Vec<&str> = state.members.iter().map(|m| m.name.as_str()).collect();
        let value = json!({
            "cluster": state.cluster_name, "node": state.local_node,
            "coordinator": (!state.dc.is_empty()).then_some(&state.dc),
            "state": state.controller, "quorate": state.quorate, "idle": state.idle,
            "members": members, "troubles": state.troubles, "version": state.daemon_version,
        });
        return session.printer.print_json(&value);
    }
    let mut out = format!("cluster {} on {}\n", state.cluster_name, state.local_node);
    let dc = if state.dc.is_empty() { "none yet" } else { &state.dc };
    out.push_str(&format!("coordinator: {dc} ({})\n", state.controller));
    out.push_str(&format!("quorum: {}\n", if state.quorate { "yes" } else { "no" }));
    for trouble in &state.troubles {
        out.push_str(&format!("trouble: {trouble}\n"));
    }
    session.printer.print(&out);
    Ok(())
}

fn start(session: &mut Session, _call: &Call<'_>) -> Outcome {
    if session.access.is_live() && session.access.state(None).is_ok() {
        session.note("the cluster runs here already");
        return Ok(());
    }
    if service("start")? {
        return Ok(());
    }
    let own = std::env::current_exe().map_err(|e| Failure::from(format!("own executable: {e}")))?;
    let spawned = Process::new(own)
        .arg("crmd")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    spawned.map_err(|e| Failure::from(format!("the daemon cannot be started: {e}")))?;
    wait_until_up(session, Duration::from_secs(30))
}

/// Asks the system's service manager, where there is one with a unit for us; true if it did it.
fn service(action: &str) -> Result<bool, Failure> {
    let known = ["/etc/systemd/system/crm.service", "/lib/systemd/system/crm.service"];
    let booted = std::path::Path::new("/run/systemd/system").is_dir();
    if !booted || !known.iter().any(|f| std::path::Path::new(f).is_file()) {
        return Ok(false);
    }
    let status = Process::new("systemctl").args([action, "crm.service"]).status();
    match status {
        Ok(s) if s.success() => Ok(true),
        Ok(s) => Err(format!("systemctl {action} crm.service failed ({s})").into()),
        Err(e) => Err(format!("systemctl {action} crm.service: {e}").into()),
    }
}

fn stop(session: &mut Session, _call: &Call<'_>) -> Outcome {
    session.access.shutdown(None)?;
    Ok(())
}

/// How long the others wait for a daemon that is restarted before they take its node for lost.
const RESTART_WITHIN: Duration = Duration::from_secs(120);

fn restart(session: &mut Session, call: &Call<'_>) -> Outcome {
    let before = session.access.state(None)?.incarnation;
    session.access.shutdown(Some(RESTART_WITHIN))?;
    // What an agent is doing runs to its end first. A supervisor may be faster than this loop.
    let line = Progress::begin(&session.printer, "waiting for the daemon to end");
    let end = Instant::now() + RESTART_WITHIN / 2;
    while session.access.state(None).is_ok_and(|s| s.incarnation == before) {
        if Instant::now() >= end {
            return Err("the daemon has not ended yet: an agent is still at work \
                        (see 'crm status'); it will end when that is done, start it then with \
                        'crm cluster start'"
                .into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(line);
    start(session, call)
}

fn wait_until_up(session: &mut Session, limit: Duration) -> Outcome {
    let _line = Progress::begin(&session.printer, "waiting for the daemon");
    let end = Instant::now() + limit;
    loop {
        match session.access.state(None) {
            Ok(_) => return Ok(()),
            Err(AccessError::NoDaemon { .. })
                if Instant::now() < end && !crate::sys::interrupted() =>
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

fn seconds(call: &Call<'_>, default: u64) -> Result<Duration, Failure> {
    let Some(word) = call.get(0) else { return Ok(Duration::from_secs(default)) };
    word.parse().map(Duration::from_secs).map_err(|_| {
        Message::error(format!("expected a number of seconds, found '{word}'"))
            .at(call.place(0))
            .into()
    })
}

fn wait_for_startup(session: &mut Session, call: &Call<'_>) -> Outcome {
    let limit = seconds(call, 120)?;
    wait_until_up(session, limit)?;
    idle_within(session, limit)
}

fn wait(session: &mut Session, call: &Call<'_>) -> Outcome {
    let limit = seconds(call, 120)?;
    idle_within(session, limit)
}

fn health(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let findings = findings(session)?;
    let healthy = findings.is_empty();
    if session.printer.json {
        session.printer.print_json(&json!({ "healthy": healthy, "findings": findings }))?;
    } else if healthy {
        session.printer.print("nothing is in the way");
    }
    findings.into_iter().for_each(|finding| session.warn(finding));
    if healthy { Ok(()) } else { Err(Failure::Said) }
}

/// What is in the way: the daemon's troubles, members that cannot be reached, names that do not
/// fit, and clocks that differ.
fn findings(session: &mut Session) -> Result<Vec<String>, Failure> {
    let state = session.access.state(None)?;
    let mut all = state.troubles;
    if !state.quorate && !all.iter().any(|t| t.contains("quorum")) {
        all.push("this partition has no quorum".into());
    }
    let reached: Vec<&str> =
        state.members.iter().filter(|m| m.online).map(|m| m.name.as_str()).collect();
    let cib = session.access.cib()?;
    let known = crate::configuration::Configuration::new(&cib);
    // A machine that has no cluster.conf to read still has the names in the CIB.
    let config = crate::levels::corosync::read_config().unwrap_or_default();
    let listed = crate::levels::corosync::node_names(&config);
    for name in &listed {
        if !reached.contains(&name.as_str()) {
            let address = crate::levels::corosync::address_of(&config, name);
            let at = address.map_or(String::new(), |a| format!(" ({a})"));
            all.push(format!("{name}{at} is not reached: it is not in the ring"));
        }
    }
    for node in known.objects().iter().filter(|o| o.kind == crate::language::Kind::Node) {
        let name = node.element.attr("uname").unwrap_or(node.id);
        let member = node.element.attr("type").is_none_or(|t| matches!(t, "normal" | "member"));
        if member && !listed.is_empty() && !listed.iter().any(|l| l == name) {
            all.push(format!("{name} is in the configuration and not in cluster.conf"));
        }
    }
    all.extend(skewed(&cib));
    Ok(all)
}

/// The name of the attribute in which the agent `ocf:crm:ClockSkew` records what is wrong.
const CLOCK_HEALTH: &str = "#health-clock";

/// Nodes whose clocks differ, as their agents have recorded it.
fn skewed(cib: &Element) -> Vec<String> {
    let states = cib.child("status").into_iter().flat_map(|s| s.children_named("node_state"));
    let mut all = Vec::new();
    for state in states {
        let name = state.attr("uname").unwrap_or_default();
        let mut pairs = state.descendants().filter(|e| e.name() == "nvpair");
        let value = pairs.find(|p| p.attr("name") == Some(CLOCK_HEALTH));
        if let Some(colour @ ("red" | "yellow")) = value.and_then(|p| p.attr("value")) {
            all.push(format!("the clock of {name} differs from the others' ({colour})"));
        }
    }
    all
}

fn boot(action: &str) -> Outcome {
    match Process::new("systemctl").args([action, "crm.service"]).status() {
        Ok(s) if s.success() => Ok(()),
        Ok(s) => Err(format!("systemctl {action} crm.service failed ({s})").into()),
        Err(e) => Err(format!("there is no service manager to ask: {e}").into()),
    }
}

fn enable(_session: &mut Session, _call: &Call<'_>) -> Outcome {
    boot("enable")
}

fn disable(_session: &mut Session, _call: &Call<'_>) -> Outcome {
    boot("disable")
}
