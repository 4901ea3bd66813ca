//! Editing the configuration.

use std::io::Write;
use std::process::{Command as Process, Stdio};

use crm_core::cib::Element;
use crm_core::cib::schema::Schema;

use crate::configuration::{Configuration, Object, Removed};
use crate::editor::{self, commit, define, open};
use crate::language::{Kind, Style, xml_lines};
use crate::levels::load;
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command, Level};

const fn statement(
    kind: Kind,
    name: &'static str,
    usage: &'static str,
    about: &'static str,
) -> Command {
    let complete: &'static [Argument] = match kind {
        Kind::Node => &[Argument::Statement(Kind::Node)],
        _ => &[Argument::Statement(Kind::Primitive)],
    };
    Command::new(name, usage, about, (0, None), complete, Action::Run(object))
}

/// Its commands.
pub const COMMANDS: &[Command] = &[
    statement(Kind::Node, "node", "node [<id>:] <name>[:<type>] [attributes n=v ...] [utilization n=v ...]", "define a node, or attributes of one"),
    statement(Kind::Primitive, "primitive", "primitive <id> {[class:[provider:]]type | @template} [params n=v ...] [meta n=v ...] [op <name> n=v ...]", "define a resource")
        .old(&["resource"])
        .help("For example: primitive vip IPaddr2 params ip=192.0.2.10 cidr_netmask=24 op monitor interval=10s timeout=20s"),
    statement(Kind::Template, "rsc_template", "rsc_template <id> [class:[provider:]]type [params n=v ...] [meta n=v ...] [op ...]", "define what several resources have in common"),
    statement(Kind::Group, "group", "group <id> <rsc> [<rsc> ...] [params n=v ...] [meta n=v ...]", "resources that start in this order on one node"),
    statement(Kind::Clone, "clone", "clone <id> <rsc> [params n=v ...] [meta n=v ...]", "run a resource or group on several nodes")
        .help("With 'meta promotable=true' some of the instances are promoted."),
    statement(Kind::Master, "ms", "ms <id> <rsc> [params n=v ...] [meta n=v ...]", "old notation of 'clone ... meta promotable=true'").aliases(&["master"]),
    statement(Kind::Bundle, "bundle", "bundle <id> docker n=v ... [network n=v ...] [storage ...] [primitive <rsc>] [meta n=v ...]", "run a resource in containers"),
    statement(Kind::Location, "location", "location <id> {<rsc> | /pattern/ | { <rsc> ... }} [role=R] {<score>: <node> | rule ...}", "prefer or forbid nodes")
        .help("For example: location web-on-n1 web 50: node1\nScores: a number, inf, -inf. Rules: rule [<score>:] <attribute> eq <value> [and|or ...], defined <attribute>, date spec hours=9-16 ..."),
    statement(Kind::Colocation, "colocation", "colocation <id> <score>: <rsc>[:<role>] <rsc>[:<role>] ...", "keep resources together, or apart with a negative score").old(&["collocation"]),
    statement(Kind::Order, "order", "order <id> [Mandatory:|Optional:|Serialize:] <rsc>[:<action>] <rsc>[:<action>] ... [symmetrical=bool]", "start (or promote, ...) one thing after the other"),
    statement(Kind::Ticket, "rsc_ticket", "rsc_ticket <id> <ticket>: <rsc>[:<role>] ... [loss-policy=P]", "run only where the ticket is"),
    statement(Kind::Monitor, "monitor", "monitor <rsc>[:<role>] <interval>[:<timeout>]", "watch a resource"),
    statement(Kind::Property, "property", "property [<set>:] <name>=<value> ...", "set cluster properties")
        .help("'get_property' lists them with what holds now."),
    statement(Kind::RscDefaults, "rsc_defaults", "rsc_defaults [<set>:] <name>=<value> ...", "set meta attributes of all resources"),
    statement(Kind::OpDefaults, "op_defaults", "op_defaults [<set>:] <name>=<value> ...", "set attributes of all operations"),
    statement(Kind::Fencing, "fencing_topology", "fencing_topology [<node>:] <device>[,<device> ...] ...", "which devices fence a node, and in which order").aliases(&["fencing-topology"]),
    statement(Kind::Role, "role", "role <id> {read|write|deny} {xpath:X | ref:ID | type:TAG [attr:A] | <short form>} ...", "define an access role"),
    statement(Kind::AclTarget, "acl_target", "acl_target <id> <role> [<role> ...]", "grant access roles to a user"),
    statement(Kind::User, "user", "user <id> {role:<role> | <rule>} ...", "old notation of acl_target"),
    statement(Kind::Tag, "tag", "tag <id>: <rsc> [<rsc> ...]", "a name for several resources"),
    statement(Kind::Alert, "alert", "alert <id> <path> [attributes n=v ...] [meta n=v ...] [select ...] [to <recipient>] ...", "run a program when something happens"),
    statement(Kind::Primitive, "xml", "xml '<element .../>'", "define any object as XML"),
    Command::new("show", "show [xml] [ids] [changed] [<id>|<pattern>|type:<T>|tag:<T>|related:<X>|obscure:<P> ...]", "print the configuration, or some objects of it", (0, None), &[Argument::Object], Action::Run(show))
        .help("'ids' keeps every id that is not automatic, so that nothing is lost; 'save' and 'edit' always do."),
    Command::new("edit", "edit [xml] [<id> ...]", "edit objects in $EDITOR", (0, None), &[Argument::Object], Action::Run(load::edit)),
    Command::new("filter", "filter <program> [xml] [<id> ...]", "pass objects as text through a program", (1, None), &[Argument::Any, Argument::Object], Action::Run(load::filter)),
    Command::new("delete", "delete [--force] <id> [<id> ...]", "delete objects", (1, None), &[Argument::Object], Action::Run(delete)).old(&["rm"]),
    Command::new("default-timeouts", "default-timeouts <id> [<id> ...]", "set the time-outs that the agents advise", (1, None), &[Argument::Resource], Action::Run(default_timeouts)).aliases(&["default_timeouts"]),
    Command::new("rename", "rename <old> <new>", "rename an object", (2, Some(2)), &[Argument::Object], Action::Run(rename)),
    Command::new("modgroup", "modgroup <group> {add <rsc> [after|before <rsc>] | remove <rsc>}", "add or remove members of a group", (3, Some(5)), &[Argument::Resource, Argument::OneOf(&["add", "remove"]), Argument::Resource, Argument::OneOf(&["after", "before"]), Argument::Resource], Action::Run(modgroup)),
    Command::new("set", "set <id>.[<operation>.][<interval>.]<name> <value>", "change one value that exists", (2, Some(2)), &[Argument::Object], Action::Run(set)),
    Command::new("get_property", "get_property [--true] [<name> ...]", "print cluster properties", (0, None), &[Argument::Property], Action::Run(get_property)).old(&["get-property"]),
    Command::new("refresh", "refresh", "drop what was changed and read again", (0, Some(0)), &[], Action::Run(refresh)),
    Command::new("erase", "erase [nodes]", "delete everything, or the nodes", (0, Some(1)), &[Argument::OneOf(&["nodes"])], Action::Run(erase)),
    Command::new("load", "load [xml] [--compat] {replace|update|push} <file>", "read objects from a file", (0, Some(4)), &[Argument::OneOf(&["replace", "update", "push", "xml", "--compat"]), Argument::File], Action::Run(load::load))
        .help("With --compat a dump of an older cluster is brought to today's words: ms becomes a promotable clone, Master\nand Slave become Promoted and Unpromoted, properties that are gone move or are dropped; each is named."),
    Command::new("save", "save [xml] [<id> ...] <file>", "write objects to a file", (0, None), &[Argument::File], Action::Run(load::save)),
    Command::new("verify", "verify", "check everything", (0, Some(0)), &[], Action::Run(verify)),
    Command::new("validate-all", "validate-all <rsc>", "let the agent check the parameters of a resource", (1, Some(1)), &[Argument::Resource], Action::Run(validate_all)).aliases(&["validate_all"]),
    Command::new("diff", "diff", "what was changed and is not committed", (0, Some(0)), &[], Action::Run(diff)),
    Command::new("commit", "commit [force] [replace] [--dry-run]", "put the changes in force", (0, Some(3)), &[Argument::OneOf(&["force", "replace", "--dry-run"])], Action::Run(do_commit)),
    Command::new("simulate", "simulate [nograph] [scores] [utilization] [actions]", "what the changes would cause, without committing them", (0, None), &[Argument::OneOf(&["scores", "utilization", "actions", "nograph"])], Action::Run(crate::levels::foresight::uncommitted)).aliases(&["ptest"]),
    Command::new("lint", "lint", "look for classic traps", (0, Some(0)), &[], Action::Run(crate::levels::foresight::lint)),
    Command::new("schema", "schema [<name>]", "print or set the schema", (0, Some(1)), &[], Action::Run(schema)),
    Command::new("upgrade", "upgrade [force]", "move to the newest schema", (0, Some(1)), &[Argument::OneOf(&["force"])], Action::Run(upgrade)),
    Command::new("graph", "graph [dot|svg [<file>]]", "the configuration as a graph", (0, Some(3)), &[Argument::OneOf(&["dot", "svg"]), Argument::File], Action::Run(graph)),
    Command::new("rsctest", "rsctest <rsc> ... [<node> ...]", "start and stop resources to try them", (1, None), &[Argument::Resource], Action::Absent("it runs agents on other nodes behind the cluster's back; use 'ra validate' and a shadow CIB")),
    Command::new("ra", "ra [<command>]", "the agents of this machine", (0, None), &[], Action::Level(Level::Ra)),
    Command::new("template", "template [<command>]", "configurations from wizards, in steps", (0, None), &[], Action::Level(Level::Template)),
    Command::new("assist", "assist [<command>]", "help with larger changes", (0, None), &[], Action::Level(Level::Assist)),
    Command::new("cibstatus", "cibstatus [<command>]", "a status to try the configuration with", (0, None), &[], Action::Level(Level::CibStatus)),
    Command::new("history", "history [<command>]", "what has happened", (0, None), &[], Action::Level(Level::History)),
    Command::new("cib", "cib [<command>]", "copies of the configuration to try things on", (0, None), &[], Action::Level(Level::Cib)),
];

fn object(session: &mut Session, call: &Call<'_>) -> Outcome {
    let mut words = vec![call.name.clone()];
    words[0].text = call.command.name.to_string();
    words.extend_from_slice(call.arguments);
    define(session, &words, call.source)
}

/// The default patterns of parameters whose values are not shown.
pub fn hidden(session: &Session) -> Vec<String> {
    let setting = session.options.settings.get("core.obscure_pattern");
    let pattern = setting.map_or("passw*", String::as_str);
    pattern.split([' ', '|']).filter(|p| !p.is_empty()).map(str::to_string).collect()
}

fn show(session: &mut Session, call: &Call<'_>) -> Outcome {
    let (mut hide, mut xml, mut ids) = (Vec::new(), false, false);
    let mut wanted = Vec::new();
    for word in call.texts() {
        match word.strip_prefix("obscure:") {
            Some(pattern) => hide.push(pattern.to_string()),
            None if word == "xml" => xml = true,
            None if word == "ids" => ids = true,
            None => wanted.push(word),
        }
    }
    if hide.is_empty() {
        hide = hidden(session);
    }
    let json = session.printer.json;
    let editor = open(session)?;
    let style = Style { hidden: hide, ids, ..editor.now.style() };
    let mut strange = Vec::new();
    let text = match editor.now.select(&wanted, &editor.start) {
        Ok(selection) if json => {
            let all = editor.now.listed(&selection.objects, &style);
            return session.printer.print_json(&all);
        }
        Ok(selection) if xml => cib_xml(&editor.base, &editor.now, &selection.objects, &style),
        Ok(selection) => {
            let mut texts = Vec::new();
            for o in &selection.objects {
                let mut faults = Vec::new();
                texts.push(editor.now.show_noting(o, &style, &mut faults));
                strange.extend(
                    faults
                        .into_iter()
                        .map(|f| format!("{} {}: shown as XML; {f}", o.kind.keyword(), o.id)),
                );
            }
            texts.join("\n")
        }
        Err(e) => return Err(Message::error(e.to_string()).at(call.place(0)).into()),
    };
    session.printer.print(&text);
    for text in strange {
        session.printer.say(&Message::error(text));
    }
    Ok(())
}

/// Objects as a `cib` document without status.
pub fn cib_xml(
    base: &Element,
    now: &Configuration,
    objects: &[Object<'_>],
    style: &Style,
) -> String {
    let mut cib = base.clone();
    cib.retain(|c| c.name() == "configuration");
    let mut configuration = now.root().clone();
    let chosen: Vec<&str> = objects.iter().map(|o| o.id).collect();
    let whole = objects.len() == now.objects().len();
    if !whole {
        configuration
            .retain(|s| s.name() != "fencing-topology" || chosen.contains(&"fencing_topology"));
        for section in configuration.children_mut().filter(|s| s.name() != "fencing-topology") {
            section
                .retain(|e| e.descendants().any(|d| d.id().is_some_and(|id| chosen.contains(&id))));
        }
    }
    mask(&mut configuration, style);
    cib.retain(|_| false);
    cib.push(configuration);
    let mut out = String::from("<?xml version=\"1.0\" ?>\n");
    xml_lines(&cib, 0, &mut out);
    out
}

fn mask(e: &mut Element, style: &Style) {
    let hides = e
        .attr("name")
        .is_some_and(|n| style.hidden.iter().any(|p| crate::language::matches_glob(p, n)));
    if e.name() == "nvpair" && hides && e.attr("value").is_some() {
        e.set_attr("value", crate::language::MASK);
    }
    e.children_mut().for_each(|c| mask(c, style));
}

/// Resources that the status says run somewhere.
pub fn running(cib: &Element, id: &str) -> bool {
    let histories = cib.child("status").into_iter().flat_map(Element::descendants);
    histories.filter(|e| e.name() == "lrm_resource").any(|r| {
        let name = r.id().unwrap_or_default();
        let same = name == id || name.split_once(':').is_some_and(|(base, _)| base == id);
        same && last_says_active(r)
    })
}

fn last_says_active(history: &Element) -> bool {
    let call = |o: &Element| o.attr("call-id").and_then(|c| c.parse::<i64>().ok()).unwrap_or(-1);
    let ops = history.children().filter(|o| o.name() == "lrm_rsc_op");
    let Some(last) = ops.max_by_key(|o| call(o)) else { return false };
    let (task, rc) = (last.attr("operation").unwrap_or_default(), last.attr("rc-code"));
    match task {
        "stop" => rc != Some("0"),
        "monitor" => matches!(rc, Some("0" | "8" | "9")),
        "start" | "promote" | "demote" | "migrate_from" => rc == Some("0"),
        _ => false,
    }
}

/// The document as it is now: what runs may have changed since the editing began.
fn status_now(session: &mut Session) -> Result<Element, Failure> {
    if session.access.is_live() && session.shadow.is_none() {
        return Ok(session.access.cib()?);
    }
    Ok(open(session)?.base.clone())
}

fn delete(session: &mut Session, call: &Call<'_>) -> Outcome {
    let force = session.options.force || call.texts().iter().any(|a| a == "-f" || a == "--force");
    let ids: Vec<String> =
        call.texts().into_iter().filter(|a| a != "-f" && a != "--force").collect();
    let status = status_now(session)?;
    let editor = open(session)?;
    let mut known = Vec::new();
    let mut missing = None;
    for (at, id) in ids.iter().enumerate() {
        match editor.now.require(id) {
            Ok(o) if o.kind.is_resource() && running(&status, id) && !force => {
                let text = format!("resource {id} is running, it cannot be deleted");
                return Err(Message::error(text)
                    .at(call.place(at))
                    .help(format!("stop it first ('resource stop {id}'), or use 'delete --force'"))
                    .into());
            }
            Ok(_) => known.push(id.clone()),
            Err(_) if force => {}
            Err(e) => missing = Some(Message::error(e.to_string()).at(call.place(at))),
        }
    }
    if let Some(message) = missing {
        return Err(message.into());
    }
    let report = editor.now.delete(&known)?;
    say_removed(session, &report);
    Ok(())
}

/// Says what else a deletion did.
pub fn say_removed(session: &mut Session, report: &[Removed]) {
    for item in report {
        match item {
            Removed::Hanging(what) => {
                session.note(format!("{what} deleted too, it was left hanging"))
            }
            Removed::Updated(what) => session.note(format!("constraint {what} updated")),
        }
    }
}

fn default_timeouts(session: &mut Session, call: &Call<'_>) -> Outcome {
    open(session)?;
    for id in call.texts() {
        timeouts_of(session, &id)?;
    }
    Ok(())
}

fn timeouts_of(session: &mut Session, id: &str) -> Outcome {
    let Session { editor: Some(editor), agents, .. } = session else { return Ok(()) };
    let object = editor.now.require(id)?;
    if object.kind != Kind::Primitive {
        return Err(format!("{id} is not a primitive").into());
    }
    let resolved = editor.now.resolved(object.element).unwrap_or_else(|| object.element.clone());
    let promotable = object.parent.is_some_and(|p| {
        p.name() == "master" || {
            let id = p.id().unwrap_or_default();
            editor.now.value(id, "meta_attributes", "promotable") == Some("true")
        }
    });
    let own: Vec<Element> = object
        .element
        .children()
        .filter(|c| c.name() == "operations")
        .flat_map(Element::children)
        .cloned()
        .collect();
    let class = resolved.attr("class").unwrap_or("ocf");
    let kind = resolved.attr("type").unwrap_or_default();
    let Some(metadata) = agents.metadata(class, resolved.attr("provider"), kind) else {
        return Err(
            format!("{id}: no such resource agent: {}", crate::language::agent(&resolved)).into()
        );
    };
    let mut implied = vec!["start", "stop"];
    if promotable {
        implied.extend(["promote", "demote"]);
    }
    for op in &own {
        let name = op.attr("name").unwrap_or_default();
        implied.retain(|i| *i != name);
        let advice = metadata.operation(name, op.attr("role"), None);
        if let (Some(timeout), Some(op_id)) = (advice.and_then(|a| a.timeout.clone()), op.id()) {
            editor.now.set_op_attribute(id, op_id, "timeout", &timeout);
        }
    }
    for name in implied {
        let Some(timeout) = metadata.operation(name, None, None).and_then(|a| a.timeout.clone())
        else {
            continue;
        };
        let op =
            Element::new("op").with("name", name).with("timeout", timeout).with("interval", "0");
        editor.now.add_operation(id, op)?;
    }
    Ok(())
}

fn rename(session: &mut Session, call: &Call<'_>) -> Outcome {
    let (old, new) = (call.arguments[0].text.clone(), call.arguments[1].text.clone());
    let status = status_now(session)?;
    let editor = open(session)?;
    if editor.now.find_resource(&old).is_some() && running(&status, &old) {
        return Err(format!("cannot rename {old}: it is running; stop it first").into());
    }
    editor.now.rename(&old, &new)?;
    Ok(())
}

fn modgroup(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let (group, action, member) = (&words[0], words[1].as_str(), &words[2]);
    if !matches!(action, "add" | "remove") {
        let text = format!("modgroup: Unknown command '{action}'; expected add or remove");
        return Err(Message::error(text).at(call.place(1)).into());
    }
    let position = match (words.get(3).map(String::as_str), words.get(4)) {
        (None, _) => None,
        (Some("after"), Some(other)) if action == "add" => Some((1, other)),
        (Some("before"), Some(other)) if action == "add" => Some((0, other)),
        _ => return Err(call.usage()),
    };
    let editor = open(session)?;
    let Some(object) = editor.now.find(group) else {
        return Err(Message::error(format!("group {group} does not exist"))
            .at(call.place(0))
            .into());
    };
    if object.kind != Kind::Group {
        return Err(Message::error(format!("{group} is not a group")).at(call.place(0)).into());
    }
    let mut members: Vec<String> = object
        .element
        .children()
        .filter(|c| crate::language::is_member(c))
        .filter_map(Element::id)
        .map(str::to_string)
        .collect();
    let at = |name: &str| members.iter().position(|m| m == name);
    let no_member = |name: &str, index: usize| {
        Message::error(format!("{name}: not member of {group}")).at(call.place(index))
    };
    if action == "remove" {
        let Some(here) = at(member) else { return Err(no_member(member, 2).into()) };
        members.remove(here);
        if members.is_empty() {
            return Err(
                format!("{member} is the last one in {group}; delete the group instead").into()
            );
        }
    } else {
        let target = match position {
            Some((offset, other)) => match at(other) {
                Some(here) => here + offset,
                None => return Err(no_member(other, 4).into()),
            },
            None => members.len(),
        };
        if editor.now.find_resource(member).is_none() {
            return Err(Message::error(format!("object {member} does not exist"))
                .at(call.place(2))
                .into());
        }
        members.insert(target, member.clone());
    }
    let statement = load::regroup(object.element, &members);
    editor.now.replace(statement, false)?;
    Ok(())
}

fn set(session: &mut Session, call: &Call<'_>) -> Outcome {
    let editor = open(session)?;
    editor
        .now
        .set_path(&call.arguments[0].text, &call.arguments[1].text)
        .map_err(|e| Message::error(e.to_string()).at(call.place(0)))?;
    Ok(())
}

fn get_property(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let truth = words.iter().any(|w| w == "-t" || w == "--true");
    let names: Vec<&String> = words.iter().filter(|w| !w.starts_with('-')).collect();
    let json = session.printer.json;
    let editor = open(session)?;
    if json && !truth {
        let wanted = |name: &str| names.is_empty() || names.iter().any(|n| *n == name);
        let unknown = names
            .iter()
            .find(|n| editor.now.property(n).is_none() && crate::properties::find(n).is_none());
        if let Some(name) = unknown {
            return Err(format!("get_property: {name} not found: it is not set").into());
        }
        let known = crate::properties::PROPERTIES.iter().filter(|p| wanted(p.name)).map(|p| {
            let set = editor.now.property(p.name);
            serde_json::json!({ "name": p.name, "value": set.unwrap_or(p.default),
                "default": p.default, "set": set.is_some(), "about": p.about })
        });
        let own = names.iter().filter(|n| crate::properties::find(n).is_none()).map(|name| {
            serde_json::json!({ "name": name, "value": editor.now.property(name),
                "default": null, "set": true, "about": null })
        });
        let all: Vec<serde_json::Value> = known.chain(own).collect();
        return session.printer.print_json(&all);
    }
    let mut out = String::new();
    if names.is_empty() {
        for p in crate::properties::PROPERTIES {
            let value = editor.now.property(p.name);
            let shown = value.unwrap_or(p.default);
            let from = if value.is_some() { "set" } else { "default" };
            out.push_str(&format!("{:27} {:12} ({from}) {}\n", p.name, shown, p.about));
        }
    }
    for name in names {
        let known = crate::properties::find(name).map(|p| p.default).filter(|d| !d.is_empty());
        match editor.now.property(name).or(known) {
            Some(value) if truth => {
                let yes = crate::language::vocabulary::boolean(value) == Some(true);
                out.push_str(if yes { "true\n" } else { "false\n" });
            }
            Some(value) => out.push_str(&format!("{value}\n")),
            None if truth => out.push_str("false\n"),
            None => return Err(format!("get_property: {name} not found: it is not set").into()),
        }
    }
    session.printer.print(&out);
    Ok(())
}

fn refresh(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let changed = session.editor.as_ref().is_some_and(editor::Editor::is_changed);
    if changed && session.interactive && !session.ask("All changes will be dropped. Go on") {
        return Ok(());
    }
    let pending = session.editor.as_mut().and_then(|e| e.pending.take());
    session.editor = None;
    if let Some(pending) = pending {
        let editor = open(session)?;
        editor.now = pending.clone();
        editor.pending = Some(pending);
    }
    Ok(())
}

fn erase(session: &mut Session, call: &Call<'_>) -> Outcome {
    let force = session.options.force;
    let status = status_now(session)?;
    let editor = open(session)?;
    match call.get(0) {
        Some("nodes") => editor.now.erase_nodes(),
        Some(_) => return Err(call.usage()),
        None => {
            let objects = editor.now.objects();
            let up = objects.iter().find(|o| o.kind == Kind::Primitive && running(&status, o.id));
            if let Some(o) = up.filter(|_| !force) {
                return Err(format!("resource {} is running; nothing was erased", o.id).into());
            }
            // Everything is gone, as it should be, so that this fails nothing.
            for (id, with) in editor.now.erase() {
                let text = format!("object {id} does not exist any more: it went with {with}");
                session.printer.say(&Message::error(text).at(call.place(0)));
            }
        }
    }
    Ok(())
}

fn verify(session: &mut Session, _call: &Call<'_>) -> Outcome {
    verify_all(session)
}

/// Checks everything, changed or not.
pub fn verify_all(session: &mut Session) -> Outcome {
    let verdict = editor::verify(session, true)?;
    if session.printer.json {
        let (shape, other) = (verdict.shape, verdict.other);
        let value = serde_json::json!({ "valid": shape + other == 0, "schema_errors": shape, "errors": other });
        session.printer.print_json(&value)?;
    }
    if verdict.shape + verdict.other > 0 { Err(Failure::Said) } else { Ok(()) }
}

fn validate_all(session: &mut Session, call: &Call<'_>) -> Outcome {
    let id = call.arguments[0].text.clone();
    let editor = open(session)?;
    let object = editor.now.require(&id)?;
    if object.kind != Kind::Primitive {
        return Err(Message::error(format!("Not a primitive: {id}")).at(call.place(0)).into());
    }
    let Some(resolved) = editor.now.resolved(object.element) else {
        return Err(format!("{id}: its template does not exist").into());
    };
    crate::levels::ra::validate_element(session, &id, &resolved)
}

fn diff(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let editor = open(session)?;
    let (start, now) = (editor.start.clone(), editor.now.clone());
    print_changes(session, &start, &now)
}

/// Prints the difference of two configurations.
///
/// # Errors
/// It has no form in JSON.
pub fn print_changes(session: &mut Session, old: &Configuration, new: &Configuration) -> Outcome {
    let hidden = hidden(session);
    if session.printer.json {
        return session.printer.print_json(&crate::diff::changes(old, new, &hidden));
    }
    session.printer.print(&crate::diff::configurations(old, new, &hidden));
    Ok(())
}

fn do_commit(session: &mut Session, call: &Call<'_>) -> Outcome {
    for (at, word) in call.texts().iter().enumerate() {
        if !matches!(word.as_str(), "force" | "replace" | "--dry-run") {
            let text = format!("syntax in commit: unexpected '{word}'; expected force or replace");
            return Err(Message::error(text).at(call.place(at)).into());
        }
    }
    if call.texts().iter().any(|w| w == "--dry-run") {
        return crate::levels::foresight::preview(session);
    }
    let force = call.texts().iter().any(|w| w == "force");
    commit(session, force)
}

fn is_schema(name: &str) -> bool {
    Schema::named(name).is_some_and(|s| s != Schema::Unchecked && s.to_string() == name)
}

fn schema(session: &mut Session, call: &Call<'_>) -> Outcome {
    let editor = open(session)?;
    let Some(name) = call.get(0) else {
        let name = editor.now.schema_name().to_string();
        if session.printer.json {
            return session.printer.print_json(&serde_json::json!({ "schema": name }));
        }
        session.printer.print(&name);
        return Ok(());
    };
    if !is_schema(name) {
        return Err(Message::error(format!("schema {name} does not exist"))
            .at(call.place(0))
            .help("schemas are named pacemaker-1.0 ... pacemaker-3.9")
            .into());
    }
    editor.now.set_schema(name);
    Ok(())
}

fn upgrade(session: &mut Session, call: &Call<'_>) -> Outcome {
    if call.get(0).is_some_and(|w| w != "force") {
        return Err(call.usage());
    }
    let editor = open(session)?;
    if Schema::named(editor.now.schema_name()).is_some_and(|s| s >= Schema::CURRENT) {
        session.note("the schema is the newest one already");
        return Ok(());
    }
    editor.now.upgrade().map_err(|error| Message::error(error.to_string()).into())
}

fn graph(session: &mut Session, call: &Call<'_>) -> Outcome {
    let kind = call.get(0).unwrap_or("dot");
    if !matches!(kind, "dot" | "svg") {
        return Err(Message::error(format!(
            "graph: no output of kind '{kind}'; expected dot or svg"
        ))
        .at(call.place(0))
        .into());
    }
    let editor = open(session)?;
    let mut text = crate::graph::dot(&editor.now);
    if kind == "svg" {
        text = crate::graph::svg(&text)?;
    }
    match call.get(1) {
        None => session.printer.print(&text),
        Some(file) => std::fs::write(file, text)
            .map_err(|e| Failure::from(format!("could not open {file}: {e}")))?,
    }
    Ok(())
}

/// Runs a program of the user's choice with text on its input; the text it prints.
pub fn pipe(program: &str, input: &str) -> Result<String, Failure> {
    let wrong = |e: std::io::Error| Failure::from(format!("filter '{program}': {e}"));
    let mut child = Process::new("/bin/sh")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(wrong)?;
    let mut stdin = child.stdin.take();
    let text = input.to_string();
    let writer = std::thread::spawn(move || {
        if let Some(pipe) = &mut stdin {
            // A filter that does not read its input is not wrong.
            let _ = pipe.write_all(text.as_bytes());
        }
    });
    let out = child.wait_with_output().map_err(wrong)?;
    let _ = writer.join();
    if !out.status.success() {
        return Err(format!("filter '{program}' failed ({})", out.status).into());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
