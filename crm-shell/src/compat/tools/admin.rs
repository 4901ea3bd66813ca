//! `crmadmin`, `crm_node`, `stonith_admin`: the daemon's own state, nodes and fencing.

use std::process::ExitCode;
use std::time::Duration;

use crm_core::cib::Element;
use crm_lrm::BuiltIn;
use crm_messaging::proto;

use super::super::exit::Exit;
use super::super::options::{COMMON, Group, Value, opt};
use super::{Done, Failure, IGNORED, Run, Tool, usage};
use crate::render::report::Style;

const CRMADMIN: Tool = Tool {
    name: "crmadmin",
    purpose: "Query the state of the cluster's controller",
    groups: &[
        COMMON,
        Group {
            title: "Commands",
            options: &[
                opt('D', "dc_lookup", Value::None, "Show the name of the coordinator"),
                opt(
                    'S',
                    "status",
                    Value::Required("NODE"),
                    "Show the state of the controller on NODE",
                ),
                opt('P', "pacemakerd", Value::None, "Show the state of the daemon on this node"),
                opt(
                    'N',
                    "nodes",
                    Value::OptionalWord("TYPE"),
                    "List nodes: all, cluster, guest, remote",
                ),
                opt('t', "timeout", Value::Required("MS"), "Time to wait for an answer"),
                opt('B', "bash-export", Value::None, "List nodes as 'export NAME=ID'"),
                opt('i', "ipc-name", Value::Required("NAME"), "Ignored: there is one daemon"),
                opt('q', "quiet", Value::None, "Show only the value"),
            ],
        },
    ],
    style: Style::Plain,
    body: admin,
};

/// Runs `crmadmin` (O-160 to O-162).
pub(super) fn crmadmin(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CRMADMIN.main(arguments, carried)
}

fn admin(run: &mut Run<'_>) -> Done {
    let quiet = run.quiet();
    if run.options.has("nodes") {
        return list_nodes(run);
    }
    if run.options.has("dc_lookup") {
        let dc = run.access.state(None)?.dc;
        match (quiet, dc.is_empty()) {
            (true, true) => {}
            (true, false) => run.say(&dc),
            (false, true) => run.say("Designated Controller is: not yet elected"),
            (false, false) => run.say(&format!("Designated Controller is: {dc}")),
        }
        return Ok(Exit::OK);
    }
    if let Some(node) = run.options.last("status").map(str::to_string) {
        let state = run.access.state(None)?;
        let known = state.members.iter().any(|m| m.name == node && m.online);
        if !known {
            let text = "error: No reply received from controller before timeout (30000ms)";
            return Err(Failure::new(Exit(124), text));
        }
        let controller = if node == state.dc {
            state.dc_controller
        } else if node == state.local_node {
            state.controller
        } else {
            "S_NOT_DC".into()
        };
        let line = format!("Controller on {node} in state {controller}: ok");
        run.say(if quiet { &controller } else { &line });
        return Ok(Exit::OK);
    }
    if run.options.has("pacemakerd") {
        run.access.state(None)?;
        let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let line = format!("Status of pacemakerd: 'Pacemaker is running' (last updated {now})");
        run.say(if quiet { "running" } else { &line });
        return Ok(Exit::OK);
    }
    run.out.error("error: Must specify a command option");
    Ok(CRMADMIN.usage(run))
}

fn list_nodes(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let wanted = run.options.last("nodes").unwrap_or("all").to_string();
    let includes = |kind: &str| wanted.split(',').any(|w| w == "all" || w == kind);
    let mut lines = Vec::new();
    let nodes =
        cib.at(&["configuration", "nodes"]).into_iter().flat_map(|n| n.children_named("node"));
    for node in nodes.filter(|n| n.attr("type") != Some("remote")) {
        let (name, id) = (node.attr("uname").unwrap_or_default(), node.id().unwrap_or_default());
        lines.push(("cluster", name.to_string(), id.to_string()));
    }
    let resources = cib.at(&["configuration", "resources"]);
    let all = || resources.into_iter().flat_map(Element::descendants);
    let guests = all().filter(|e| e.name() == "nvpair" && e.attr("name") == Some("remote-node"));
    lines.extend(guests.filter_map(|p| p.attr("value")).map(|v| ("guest", v.into(), v.into())));
    let remotes = all().filter(|e| {
        e.name() == "primitive"
            && e.attr("provider") == Some("pacemaker")
            && e.attr("type") == Some("remote")
    });
    lines.extend(remotes.filter_map(Element::id).map(|id| ("remote", id.into(), id.into())));
    lines.retain(|(kind, _, _)| includes(kind));
    if lines.is_empty() {
        run.say("No nodes configured");
    }
    let mut list = Element::new("nodes");
    for (kind, name, id) in lines {
        list.push(Element::new("node").with("type", kind).with("name", &name).with("id", &id));
        let line = match (run.options.has("bash-export"), run.quiet()) {
            (true, _) => format!("export {name}={id}"),
            (false, true) => name,
            (false, false) => format!("{kind} node: {name} ({id})"),
        };
        run.say(&line);
    }
    run.out.element(list);
    Ok(Exit::OK)
}

const CRM_NODE: Tool = Tool {
    name: "crm_node",
    purpose: "Query or change what the cluster knows of nodes",
    groups: &[
        COMMON,
        Group {
            title: "Commands",
            options: &[
                opt('i', "cluster-id", Value::None, "Show this node's number"),
                opt('l', "list", Value::None, "List known nodes with number and state"),
                opt('n', "name", Value::None, "Show this node's name"),
                opt('p', "partition", Value::None, "Show the members of this partition"),
                opt('q', "quorum", Value::None, "Show 1 if this partition has quorum, else 0"),
                opt('N', "name-for-id", Value::Required("ID"), "Show the name of a node by number"),
                opt('R', "remove", Value::Required("NAME"), "Forget a stopped node (with --force)"),
                opt('f', "force", Value::None, "Do it although it is dangerous"),
                opt('P', "purge", IGNORED, ""),
            ],
        },
    ],
    style: Style::Plain,
    body: node,
};

/// Runs `crm_node` (O-165).
pub(super) fn crm_node(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CRM_NODE.main(arguments, carried)
}

fn node(run: &mut Run<'_>) -> Done {
    if run.options.has("name") {
        let name = run.local_node()?;
        run.say(&name);
        return Ok(Exit::OK);
    }
    if let Some(name) = run.options.last("remove").map(str::to_string) {
        return remove_node(run, &name);
    }
    let commands = ["cluster-id", "list", "partition", "quorum", "name-for-id"];
    if !commands.iter().any(|c| run.options.has(c)) {
        return Ok(CRM_NODE.usage(run));
    }
    let mut state = run.access.state(None)?;
    state.members.sort_by(|a, b| a.name.cmp(&b.name));
    if run.options.has("cluster-id") {
        let own = state.members.iter().find(|m| m.name == state.local_node);
        run.say(&own.map_or(0, |m| m.id).to_string());
    } else if run.options.has("list") {
        for member in &state.members {
            let standing = if member.online { "member" } else { "lost" };
            run.say(&format!("{} {} {standing}", member.id, member.name));
        }
    } else if run.options.has("partition") {
        let names = state.members.iter().filter(|m| m.online).map(|m| format!("{} ", m.name));
        run.say(&names.collect::<String>());
    } else if let Some(id) = run.options.last("name-for-id") {
        let found = state.members.iter().find(|m| m.id.to_string() == id).map(|m| m.name.clone());
        match found {
            Some(name) => run.say(&name),
            None => return Err(Failure::new(Exit::NO_HOST, "Node is not known to cluster")),
        }
    } else {
        run.say(if state.quorate { "1" } else { "0" });
        return Ok(if state.quorate { Exit::OK } else { Exit(106) });
    }
    Ok(Exit::OK)
}

fn remove_node(run: &mut Run<'_>, name: &str) -> Done {
    if !run.options.has("force") {
        let text = "The supplied command is considered dangerous.  To prevent accidental destruction \
                    of the cluster, the --force flag is required in order to proceed.";
        return Err(Failure::new(Exit::USAGE, text));
    }
    let cib = run.access.cib()?;
    let Some(mut configuration) = cib.child("configuration").cloned() else {
        return Err(Failure::new(Exit::CONFIG, "the CIB has no configuration"));
    };
    if let Some(nodes) = configuration.child_mut("nodes") {
        nodes.retain(|n| n.attr("uname") != Some(name));
    }
    run.access.commit(&cib, &configuration, &format!("crm_node --remove {name}"))?;
    Ok(Exit::OK)
}

const STONITH_ADMIN: Tool = Tool {
    name: "stonith_admin",
    purpose: "Fence nodes, and say that a human has done it",
    groups: &[
        COMMON,
        Group {
            title: "Commands",
            options: &[
                opt('F', "fence", Value::Required("NODE"), "Switch NODE off"),
                opt('U', "unfence", Value::Required("NODE"), "Switch NODE on"),
                opt('B', "reboot", Value::Required("NODE"), "Reboot NODE"),
                opt(
                    'C',
                    "confirm",
                    Value::Required("NODE"),
                    "Confirm that NODE is off: a human has made sure",
                ),
                opt('L', "list-registered", Value::None, "List fencing devices"),
                opt(
                    'H',
                    "history",
                    Value::Required("NODE"),
                    "Show the last fencing of NODE, of all with '*'; with --verbose every attempt",
                ),
                opt('t', "timeout", Value::Required("SECONDS"), "Time for the operation"),
                opt('y', "tolerance", Value::Required("TIME"), ""),
            ],
        },
    ],
    style: Style::Plain,
    body: fence,
};

/// Runs `stonith_admin`.
pub(super) fn stonith_admin(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    STONITH_ADMIN.main(arguments, carried)
}

/// As the cluster has recorded it in the status.
fn fencing_history(run: &mut Run<'_>, node: &str) -> Done {
    let cib = run.access.cib()?;
    let target = Some(node).filter(|n| *n != "*");
    let lines = crate::compat::mon::fencing::told(&cib, target, run.options.has("verbose"));
    if run.quiet() {
        lines.iter().for_each(|line| run.say(line));
        return Ok(Exit::OK);
    }
    if !lines.is_empty() {
        run.say("Fencing history:");
    }
    lines.iter().for_each(|line| run.say(&format!("  * {line}")));
    let events = if lines.len() == 1 { "event" } else { "events" };
    run.say(&format!("{} {events} found", lines.len()));
    Ok(Exit::OK)
}

fn fence(run: &mut Run<'_>) -> Done {
    if run.options.has("list-registered") {
        let cib = run.access.cib()?;
        let devices: Vec<String> = cib
            .at(&["configuration", "resources"])
            .into_iter()
            .flat_map(Element::descendants)
            .filter(|e| e.name() == "primitive" && e.attr("class") == Some("stonith"))
            .filter_map(Element::id)
            .map(str::to_string)
            .collect();
        devices.iter().for_each(|d| run.say(d));
        run.say(&format!("{} fence devices found", devices.len()));
        return Ok(Exit::OK);
    }
    if let Some(node) = run.options.last("history").map(str::to_string) {
        return fencing_history(run, &node);
    }
    let verbs = [
        ("fence", "off", false),
        ("unfence", "on", false),
        ("reboot", "reboot", false),
        ("confirm", "off", true),
    ];
    let chosen = verbs.iter().find_map(|(option, action, confirm)| {
        Some((run.options.last(option)?.to_string(), *action, *confirm))
    });
    let Some((node, action, confirm)) = chosen else {
        return Ok(STONITH_ADMIN.usage(run));
    };
    let seconds = run.options.last("timeout").unwrap_or("120").trim_end_matches('s');
    let seconds: u64 =
        seconds.parse().map_err(|_| usage(run.name, "--timeout takes a number of seconds"))?;
    let limit = Duration::from_secs(seconds);
    let request = proto::FenceRequest {
        node,
        action: action.into(),
        confirm,
        timeout_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
    };
    let message = run.access.fence(&request)?;
    if !message.is_empty() && !run.quiet() {
        run.say(&message);
    }
    Ok(Exit::OK)
}
