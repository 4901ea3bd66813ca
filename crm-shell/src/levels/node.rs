//! Nodes.

use crm_core::cib::Element;
use crm_messaging::proto::{AttributeUpdate, CleanupRequest, FenceRequest};
use serde_json::{Map, Value, json};

use crate::editor::{self, open};
use crate::levels::resource::change;
use crate::message::Message;
use crate::overview::NodeRow;
use crate::progress::Progress;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command};

const NODE: &[Argument] = &[Argument::Node];
const VALUE: &[Argument] =
    &[Argument::Node, Argument::OneOf(&["set", "delete", "show"]), Argument::Any, Argument::Any];

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new(
        "status",
        "status",
        "the nodes as the configuration has them",
        (0, Some(1)),
        NODE,
        Action::Run(status),
    ),
    Command::new(
        "show",
        "show [<node>]",
        "nodes, their ids and attributes",
        (0, Some(1)),
        NODE,
        Action::Run(show),
    )
    .old(&["list"]),
    Command::new(
        "standby",
        "standby [<node> ...] [--all] [reboot|forever]",
        "move everything off a node and keep it off",
        (0, None),
        NODE,
        Action::Run(standby),
    ),
    Command::new(
        "online",
        "online [<node> ...] [--all]",
        "let a node run resources again",
        (0, None),
        NODE,
        Action::Run(online),
    ),
    Command::new(
        "maintenance",
        "maintenance [<node>]",
        "leave everything on a node alone",
        (0, Some(1)),
        NODE,
        Action::Run(maintenance),
    ),
    Command::new(
        "ready",
        "ready [<node>]",
        "end the maintenance of a node",
        (0, Some(1)),
        NODE,
        Action::Run(ready),
    ),
    Command::new(
        "fence",
        "fence <node>",
        "have a node powered off or reset by its fencing device",
        (1, Some(1)),
        NODE,
        Action::Run(fence),
    ),
    Command::new(
        "clearstate",
        "clearstate <node>",
        "say that a node is certainly off (a human looked)",
        (1, Some(1)),
        NODE,
        Action::Run(clearstate),
    ),
    Command::new(
        "delete",
        "delete <node>",
        "remove a node that left for good",
        (1, Some(1)),
        NODE,
        Action::Run(delete),
    ),
    Command::new(
        "attribute",
        "attribute <node> {set <name> <value> | delete <name> | show <name>}",
        "permanent attributes of a node",
        (3, Some(4)),
        VALUE,
        Action::Run(attribute),
    ),
    Command::new(
        "status-attr",
        "status-attr <node> {set <name> <value> | delete <name> | show <name>}",
        "attributes that end with the node's membership",
        (3, Some(4)),
        VALUE,
        Action::Run(transient),
    ),
    Command::new(
        "utilization",
        "utilization <node> {set <name> <value> | delete <name> | show <name>}",
        "what a node has to offer",
        (3, Some(4)),
        VALUE,
        Action::Run(utilization),
    ),
    Command::new(
        "why",
        "why <node>",
        "why a node is in its state, and what its fencing waits for",
        (1, Some(1)),
        NODE,
        Action::Run(crate::levels::foresight::why_node),
    ),
    Command::new(
        "server",
        "server [<node> ...]",
        "addresses of nodes",
        (0, None),
        NODE,
        Action::Run(server),
    ),
];

/// The node a command is about: an argument, or this one.
fn this_node(session: &mut Session) -> Result<String, Failure> {
    if session.access.is_live() {
        return Ok(session.access.state(None)?.local_node);
    }
    let name = nix::unistd::gethostname().map_err(|e| Failure::from(format!("host name: {e}")))?;
    Ok(name.to_string_lossy().into_owned())
}

fn check_node(session: &mut Session, name: &str, what: &str) -> Outcome {
    let editor = open(session)?;
    if editor.now.find_node(name).is_some() {
        return Ok(());
    }
    let names = editor.now.node_names();
    let near = crate::language::vocabulary::nearest(name, names.iter().map(String::as_str));
    let mut message = Message::error(format!("{what}: there is no node '{name}'"));
    message.help = near.map(|n| format!("did you mean '{n}'?"));
    Err(message.into())
}

fn show(session: &mut Session, call: &Call<'_>) -> Outcome {
    editor::settle(session)?;
    session.editor = None;
    let only = call.get(0).map(str::to_string);
    if let Some(name) = &only {
        check_node(session, name, "show")?;
    }
    if session.printer.json {
        let mut nodes = crate::status::look_at(session)?.nodes;
        nodes.retain(|n| only.as_ref().is_none_or(|o| *o == n.name));
        let editor = open(session)?;
        let described = |row: &NodeRow| {
            let found = editor.now.find_node(&row.name);
            let mut value = serde_json::to_value(row).unwrap_or_default();
            if let Some(all) = value.as_object_mut() {
                all.extend(found.map(|o| configured(o.element)).unwrap_or_default());
            }
            value
        };
        let all: Vec<Value> = nodes.iter().map(described).collect();
        session.editor = None;
        return session.printer.print_json(&all);
    }
    let editor = open(session)?;
    let status = editor.base.child("status");
    let mut out = String::new();
    let nodes = editor.now.root().child("nodes").into_iter().flat_map(Element::children);
    for node in nodes {
        let name = node.attr("uname").or(node.id()).unwrap_or_default();
        if only.as_deref().is_some_and(|o| o != name) {
            continue;
        }
        let kind = node.attr("type").filter(|t| *t != "normal").unwrap_or("member");
        let id = node.id().unwrap_or_default();
        let label = if id == name { name.to_string() } else { format!("{name}({id})") };
        let state = status.and_then(|s| s.children().find(|n| n.attr("uname") == Some(name)));
        let online = state
            .is_some_and(|s| s.attr("crmd") == Some("online") && s.attr("join") == Some("member"));
        let offline = if online { "" } else { "(offline)" };
        out.push_str(&format!("{label}: {kind}{offline}\n"));
        let pairs = node.children().flat_map(Element::children).filter(|p| p.name() == "nvpair");
        for pair in pairs {
            let (n, v) =
                (pair.attr("name").unwrap_or_default(), pair.attr("value").unwrap_or_default());
            out.push_str(&format!("\t{n}={v}\n"));
        }
    }
    session.editor = None;
    session.printer.print(&out);
    Ok(())
}

/// What the configuration says of a node, as fields.
fn configured(node: &Element) -> Map<String, Value> {
    let pairs = |tag: &str| -> Map<String, Value> {
        let sets = node.children().filter(|s| s.name() == tag).flat_map(Element::children);
        let all = sets.filter(|p| p.name() == "nvpair");
        all.filter_map(|p| Some((p.attr("name")?.to_string(), p.attr("value")?.into()))).collect()
    };
    let mut out = Map::new();
    out.insert("id".into(), node.id().into());
    out.insert(
        "type".into(),
        node.attr("type").filter(|t| *t != "normal").unwrap_or("member").into(),
    );
    out.insert("attributes".into(), pairs("instance_attributes").into());
    out.insert("utilization".into(), pairs("utilization").into());
    out
}

fn status(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let json = session.printer.json;
    let editor = open(session)?;
    if json {
        let nodes = editor.now.root().child("nodes").into_iter().flat_map(Element::children);
        let named = |node: &Element| {
            let mut value = configured(node);
            value.insert("name".into(), node.attr("uname").or(node.id()).into());
            Value::from(value)
        };
        let all: Vec<Value> = nodes.map(named).collect();
        return session.printer.print_json(&all);
    }
    let nodes = editor.now.root().child("nodes").cloned().unwrap_or_else(|| Element::new("nodes"));
    let text = nodes.to_pretty();
    session.printer.print(&text);
    Ok(())
}

fn targets(session: &mut Session, call: &Call<'_>) -> Result<Vec<String>, Failure> {
    let words = call.texts();
    if words.iter().any(|w| w == "--all") {
        return Ok(open(session)?.now.node_names());
    }
    let names: Vec<String> = words
        .into_iter()
        .filter(|w| !matches!(w.as_str(), "reboot" | "forever") && !w.starts_with('-'))
        .collect();
    if names.is_empty() {
        return Ok(vec![this_node(session)?]);
    }
    Ok(names)
}

fn update(
    session: &mut Session,
    node: &str,
    name: &str,
    value: Option<&str>,
    transient: bool,
) -> Outcome {
    session.access.update_attribute(&AttributeUpdate {
        node: node.to_string(),
        name: name.to_string(),
        value: value.map(str::to_string),
        transient,
        ..AttributeUpdate::default()
    })?;
    session.editor = None;
    Ok(())
}

/// Sets an attribute of several nodes, after all of them are known to exist.
fn on_nodes(
    session: &mut Session,
    nodes: &[String],
    what: &str,
    name: &str,
    value: Option<&str>,
    transient: bool,
) -> Outcome {
    editor::settle(session)?;
    session.editor = None;
    for node in nodes {
        check_node(session, node, what)?;
    }
    for node in nodes {
        update(session, node, name, value, transient)?;
    }
    if session.options.wait {
        crate::levels::cluster::wait_idle(session)?;
    }
    Ok(())
}

fn standby(session: &mut Session, call: &Call<'_>) -> Outcome {
    let nodes = targets(session, call)?;
    let transient = call.texts().iter().any(|w| w == "reboot");
    on_nodes(session, &nodes, "standby", "standby", Some("on"), transient)
}

fn online(session: &mut Session, call: &Call<'_>) -> Outcome {
    let nodes = targets(session, call)?;
    on_nodes(session, &nodes, "online", "standby", None, true)?;
    on_nodes(session, &nodes, "online", "standby", Some("off"), false)
}

fn maintenance(session: &mut Session, call: &Call<'_>) -> Outcome {
    let nodes = targets(session, call)?;
    on_nodes(session, &nodes, "maintenance", "maintenance", Some("true"), false)
}

fn ready(session: &mut Session, call: &Call<'_>) -> Outcome {
    let nodes = targets(session, call)?;
    on_nodes(session, &nodes, "ready", "maintenance", Some("off"), false)
}

fn fence(session: &mut Session, call: &Call<'_>) -> Outcome {
    editor::settle(session)?;
    let node = call.arguments[0].text.clone();
    check_node(session, &node, "fence")?;
    if !session.ask(&format!("Fence {node}, without a clean stop of what runs there")) {
        if !session.interactive && session.options.answer.is_none() {
            return Err(Message::error("fence: not done without a confirmation")
                .help("say so with -F or -y")
                .into());
        }
        return Ok(());
    }
    let line = Progress::begin(&session.printer, format!("waiting for the fencing of {node}"));
    let request = FenceRequest { node, action: "reboot".into(), ..FenceRequest::default() };
    let said = session.access.fence(&request)?;
    drop(line);
    session.printer.print(&said);
    Ok(())
}

fn clearstate(session: &mut Session, call: &Call<'_>) -> Outcome {
    editor::settle(session)?;
    let node = call.arguments[0].text.clone();
    check_node(session, &node, "clearstate")?;
    let question =
        format!("Is {node} off for certain? Whatever runs there may be started elsewhere");
    if !session.ask(&question) {
        return Err("clearstate: not done without a confirmation (-F or -y)".into());
    }
    let request = FenceRequest { node, action: "off".into(), confirm: true, timeout_ms: 0 };
    let said = session.access.fence(&request)?;
    session.printer.print(&said);
    Ok(())
}

fn delete(session: &mut Session, call: &Call<'_>) -> Outcome {
    let node = call.arguments[0].text.clone();
    editor::settle(session)?;
    session.editor = None;
    check_node(session, &node, "delete")?;
    let editor = open(session)?;
    let state = editor
        .base
        .child("status")
        .and_then(|s| s.children().find(|n| n.attr("uname") == Some(&node)));
    if state.is_some_and(|s| s.attr("crmd") == Some("online")) && !session.options.force {
        return Err(Message::error(format!("cannot delete {node}: it is online"))
            .help(format!("stop the cluster on {node} first, or use -F"))
            .into());
    }
    let forget = CleanupRequest { node: node.clone(), ..CleanupRequest::default() };
    // History of a node that is gone is of no use; a file without any is fine.
    let _ = session.access.cleanup(&forget);
    change(session, |session| {
        open(session)?.now.delete(std::slice::from_ref(&node))?;
        Ok(())
    })
}

fn attribute(session: &mut Session, call: &Call<'_>) -> Outcome {
    values(session, call, false)
}

fn transient(session: &mut Session, call: &Call<'_>) -> Outcome {
    values(session, call, true)
}

fn values(session: &mut Session, call: &Call<'_>, transient: bool) -> Outcome {
    let words = call.texts();
    let (node, action, name) = (words[0].clone(), words[1].as_str(), words[2].clone());
    match (action, words.get(3).cloned()) {
        ("set", Some(value)) => {
            on_nodes(session, &[node], "attribute", &name, Some(&value), transient)
        }
        ("delete", None) => on_nodes(session, &[node], "attribute", &name, None, transient),
        ("show", None) => {
            check_node(session, &node, "attribute")?;
            let editor = open(session)?;
            let section = if transient {
                editor.base.child("status")
            } else {
                editor.now.root().child("nodes")
            };
            let owner = section.and_then(|s| s.children().find(|n| n.attr("uname") == Some(&node)));
            let sets = owner.into_iter().flat_map(Element::descendants);
            let value = sets
                .filter(|s| s.name() == "instance_attributes")
                .flat_map(Element::children)
                .find(|p| p.attr("name") == Some(&name))
                .and_then(|p| p.attr("value"))
                .map(str::to_string);
            let Some(value) = value else {
                return Err(Message::error(format!("{node}: {name} not found"))
                    .at(call.place(2))
                    .into());
            };
            let scope = if transient { "status" } else { "nodes" };
            if session.printer.json {
                return session.printer.print_json(
                    &json!({ "node": node, "scope": scope, "name": name, "value": value }),
                );
            }
            session.printer.print(&format!("scope={scope}  name={name} value={value}"));
            Ok(())
        }
        _ => Err(call.usage()),
    }
}

fn utilization(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let (node, action, name) = (words[0].clone(), words[1].as_str(), words[2].clone());
    check_node(session, &node, "utilization")?;
    let id = open(session)?.now.find_node(&node).map(|o| o.id.to_string()).unwrap_or(node.clone());
    match (action, words.get(3).cloned()) {
        ("show", None) => {
            let editor = open(session)?;
            let Some(value) = editor.now.value(&id, "utilization", &name).map(str::to_string)
            else {
                return Err(Message::error(format!("{node}: {name} not found"))
                    .at(call.place(2))
                    .into());
            };
            if session.printer.json {
                return session.printer.print_json(
                    &json!({ "node": node, "scope": "nodes", "name": name, "value": value }),
                );
            }
            session.printer.print(&format!("scope=nodes  name={name} value={value}"));
            Ok(())
        }
        ("set", Some(value)) => {
            change(session, |s| Ok(open(s)?.now.set_value(&id, "utilization", &name, &value)?))
        }
        ("delete", None) => change(session, |s| {
            open(s)?.now.delete_value(&id, "utilization", &name)?;
            Ok(())
        }),
        _ => Err(call.usage()),
    }
}

fn server(session: &mut Session, call: &Call<'_>) -> Outcome {
    let wanted = call.texts();
    let names = if wanted.is_empty() { open(session)?.now.node_names() } else { wanted };
    let config = crate::levels::corosync::read_config()?;
    let address = |name: &String| {
        crate::levels::corosync::address_of(&config, name).unwrap_or_else(|| name.clone())
    };
    if session.printer.json {
        let all = names.iter().map(|n| json!({ "name": n, "address": address(n) }));
        return session.printer.print_json(&all.collect::<Vec<Value>>());
    }
    let mut out = String::new();
    for name in names {
        out.push_str(&format!("{name}: {}\n", address(&name)));
    }
    session.printer.print(&out);
    Ok(())
}
