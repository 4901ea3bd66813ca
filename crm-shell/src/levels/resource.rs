//! Starting, stopping, moving and looking at resources.

use crm_core::cib::Element;
use crm_messaging::proto::{AttributeUpdate, CleanupRequest};
use serde_json::json;

use crate::configuration::{Configuration, references};
use crate::editor::{self, open};
use crate::language::{Kind, is_member, vocabulary::boolean};
use crate::levels::secret;
use crate::message::Message;
use crate::places::running;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command};

const SHOW_SET: &[&str] = &["set", "delete", "show"];
const RSC: &[Argument] = &[Argument::Resource];
const RSC_NODE: &[Argument] = &[Argument::Resource, Argument::Node];
const VALUE: &[Argument] =
    &[Argument::Resource, Argument::OneOf(SHOW_SET), Argument::Any, Argument::Any];

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new("status", "status [<rsc> ...]", "where resources run, and what is wrong with them", (0, None), RSC, Action::Run(status)).old(&["show", "list"]),
    Command::new("locate", "locate [<rsc> ...]", "the nodes that resources run on", (0, None), RSC, Action::Run(locate)),
    Command::new("start", "start <rsc> [<rsc> ...]", "let resources run", (0, None), RSC, Action::Run(start)),
    Command::new("stop", "stop <rsc> [<rsc> ...]", "stop resources", (0, None), RSC, Action::Run(stop)),
    Command::new("restart", "restart <rsc> [<rsc> ...]", "stop resources and start them again", (0, None), RSC, Action::Run(restart)),
    Command::new("promote", "promote <rsc>", "let a promotable clone have promoted instances", (1, Some(1)), RSC, Action::Run(promote)),
    Command::new("demote", "demote <rsc>", "demote all instances of a promotable clone", (1, Some(1)), RSC, Action::Run(demote)),
    Command::new("manage", "manage <rsc>", "let the cluster manage a resource again", (1, Some(1)), RSC, Action::Run(manage)),
    Command::new("unmanage", "unmanage <rsc>", "leave a resource as it is", (1, Some(1)), RSC, Action::Run(unmanage)),
    Command::new("maintenance", "maintenance <rsc> [on|off]", "leave a resource alone, monitors too", (1, Some(2)), &[Argument::Resource, Argument::OneOf(&["on", "off"])], Action::Run(maintenance)),
    Command::new("move", "move <rsc> [<node>] [<lifetime>] [force] [--wait]", "move a resource to another node", (1, Some(5)), RSC_NODE, Action::Run(do_move))
        .old(&["migrate"])
        .help("Leaves a constraint (cli-prefer-... or cli-ban-...) until 'clear'. A lifetime such as PT10M lets it expire. --wait waits until the resource runs there and takes the constraint away, unless it would move again without it."),
    Command::new("ban", "ban <rsc> [<node>] [<lifetime>] [force]", "keep a resource off a node", (1, Some(4)), RSC_NODE, Action::Run(ban)),
    Command::new("clear", "clear <rsc> [<node>]", "remove what move and ban left behind", (1, Some(2)), RSC_NODE, Action::Run(clear)).aliases(&["unban"]).old(&["unmove", "unmigrate"]),
    Command::new("cleanup", "cleanup [<rsc>] [<node>] [force]", "forget failures", (0, Some(3)), RSC_NODE, Action::Run(cleanup)),
    Command::new("refresh", "refresh [<rsc>] [<node>] [force]", "forget failures and look again what runs", (0, Some(3)), RSC_NODE, Action::Run(refresh)).old(&["reprobe"]),
    Command::new("failcount", "failcount <rsc> {set <node> <value> | delete <node> | show <node>}", "the number of failures on a node", (3, Some(6)), &[Argument::Resource, Argument::OneOf(SHOW_SET), Argument::Node], Action::Run(failcount)),
    Command::new("meta", "meta <rsc> {set <name> <value> | delete <name> | show <name>}", "meta attributes", (3, Some(4)), VALUE, Action::Run(meta)),
    Command::new("param", "param <rsc> {set <name> <value> | delete <name> | show <name>}", "parameters", (3, Some(4)), VALUE, Action::Run(param)),
    Command::new("utilization", "utilization <rsc> {set <name> <value> | delete <name> | show <name>}", "what a resource needs of a node", (3, Some(4)), VALUE, Action::Run(utilization)),
    Command::new("constraints", "constraints <rsc>", "the constraints that apply to a resource", (1, Some(1)), RSC, Action::Run(constraints)),
    Command::new("why", "why <rsc> [<node>]", "why a resource is where it is, or does not run", (1, Some(2)), RSC_NODE, Action::Run(crate::levels::foresight::why)),
    Command::new("operations", "operations [<rsc>] [<node>]", "what was done to resources", (0, Some(2)), RSC_NODE, Action::Run(operations)),
    Command::new("scores", "scores", "the scores that decide placement", (0, Some(0)), &[], Action::Run(scores)),
    Command::new("trace", "trace <rsc> [<op>] [<interval>]", "let the agent write a trace of what it does", (1, Some(4)), RSC, Action::Run(trace)),
    Command::new("untrace", "untrace <rsc> [<op>] [<interval>]", "end a trace", (1, Some(3)), RSC, Action::Run(untrace)),
    Command::new("secret", "secret <rsc> {set|stash|unstash|delete|show|check|sync} <param> [<value>]", "parameters that are kept out of the configuration", (3, Some(4)), &[Argument::Resource, Argument::OneOf(secret::ACTIONS), Argument::Any], Action::Run(secret::secret))
        .help("The values lie in files that only root can read, the same on every node; the configuration says lrm://. A node that is down gets them when it joins; sync sends this node's value to all."),
];

/// Changes the configuration and commits at once.
pub fn change(session: &mut Session, edit: impl FnOnce(&mut Session) -> Outcome) -> Outcome {
    editor::settle(session)?;
    session.editor = None;
    edit(session)?;
    let Some(editor) = &mut session.editor else { return Ok(()) };
    if editor.is_changed() {
        editor.pending = Some(editor.now.clone());
        editor::flush(session)?;
        session.editor = None;
        if session.options.wait {
            crate::levels::cluster::wait_idle(session)?;
        }
    }
    Ok(())
}

pub(super) fn not_found(id: &str, call: &Call<'_>, at: usize) -> Failure {
    Message::error(format!("resource {id} does not exist")).at(call.place(at)).into()
}

/// The resources that a name means: itself, or what a tag names.
fn named(configuration: &Configuration, id: &str) -> Vec<String> {
    match configuration.find(id) {
        Some(o) if o.kind == Kind::Tag => o
            .element
            .children()
            .filter_map(Element::id)
            .flat_map(|m| named(configuration, m))
            .collect(),
        Some(o) if o.kind.is_resource() => vec![id.to_string()],
        _ => Vec::new(),
    }
}

/// Where a meta attribute of a resource belongs: at the clone around it, but at a group member
/// itself.
fn owner(configuration: &Configuration, id: &str) -> String {
    match configuration.find_resource(id).and_then(|o| o.parent.cloned()) {
        Some(parent) if parent.name() != "group" => {
            owner(configuration, parent.id().unwrap_or_default())
        }
        _ => id.to_string(),
    }
}

fn set_meta(
    session: &mut Session,
    call: &Call<'_>,
    ids: &[String],
    name: &str,
    value: &str,
) -> Outcome {
    change(session, |session| {
        let editor = open(session)?;
        for (at, id) in ids.iter().enumerate() {
            let targets = named(&editor.now, id);
            if targets.is_empty() {
                return Err(not_found(id, call, at));
            }
            for target in targets {
                let owner = owner(&editor.now, &target);
                let below: Vec<String> = editor
                    .now
                    .find_resource(&owner)
                    .into_iter()
                    .flat_map(|o| o.element.descendants().skip(1))
                    .filter(|e| is_member(e))
                    .filter_map(Element::id)
                    .map(str::to_string)
                    .collect();
                editor.now.set_value(&owner, "meta_attributes", name, value)?;
                for member in below {
                    // What the members say would win over what is set here.
                    if editor.now.value(&member, "meta_attributes", name).is_some() {
                        editor.now.delete_value(&member, "meta_attributes", name)?;
                    }
                }
            }
        }
        Ok(())
    })
}

fn at_least_one(call: &Call<'_>) -> Outcome {
    if call.arguments.is_empty() {
        let text =
            format!("{} takes at least 1 argument: {}", call.command.name, call.command.usage);
        return Err(Message::error(text).at(call.place(0)).into());
    }
    Ok(())
}

fn start(session: &mut Session, call: &Call<'_>) -> Outcome {
    at_least_one(call)?;
    set_meta(session, call, &call.texts(), "target-role", "Started")
}

fn stop(session: &mut Session, call: &Call<'_>) -> Outcome {
    at_least_one(call)?;
    set_meta(session, call, &call.texts(), "target-role", "Stopped")
}

fn restart(session: &mut Session, call: &Call<'_>) -> Outcome {
    at_least_one(call)?;
    let live = session.access.is_live();
    set_meta(session, call, &call.texts(), "target-role", "Stopped")?;
    if live {
        crate::levels::cluster::wait_idle(session)?;
    }
    set_meta(session, call, &call.texts(), "target-role", "Started")
}

fn role(session: &mut Session, call: &Call<'_>, role: &str) -> Outcome {
    let id = call.arguments[0].text.clone();
    let editor = open(session)?;
    let Some(object) = editor.now.find_resource(&id) else { return Err(not_found(&id, call, 0)) };
    let promotable = object.kind == Kind::Master
        || object.kind == Kind::Clone
            && editor.now.value(&id, "meta_attributes", "promotable").and_then(boolean)
                == Some(true);
    if !promotable {
        return Err(Message::error(format!("{id} is not a promotable clone"))
            .at(call.place(0))
            .into());
    }
    set_meta(session, call, &[id], "target-role", role)
}

fn promote(session: &mut Session, call: &Call<'_>) -> Outcome {
    role(session, call, "Master")
}

fn demote(session: &mut Session, call: &Call<'_>) -> Outcome {
    role(session, call, "Slave")
}

fn manage(session: &mut Session, call: &Call<'_>) -> Outcome {
    set_meta(session, call, &call.texts(), "is-managed", "true")
}

fn unmanage(session: &mut Session, call: &Call<'_>) -> Outcome {
    set_meta(session, call, &call.texts(), "is-managed", "false")
}

fn maintenance(session: &mut Session, call: &Call<'_>) -> Outcome {
    let on = match call.get(1).map(|w| w.to_lowercase()).as_deref() {
        None | Some("on" | "true") => "true",
        Some("off" | "false") => "false",
        Some(other) => {
            let text = format!("maintenance: expected on or off, found '{other}'");
            return Err(Message::error(text).at(call.place(1)).into());
        }
    };
    set_meta(session, call, &[call.arguments[0].text.clone()], "maintenance", on)
}

// === move, ban, clear ===

struct Moving {
    id: String,
    node: Option<String>,
    lifetime: Option<String>,
    force: bool,
    /// Wait until it runs there, and take the constraint away again.
    wait: bool,
}

fn moving(session: &mut Session, call: &Call<'_>) -> Result<Moving, Failure> {
    let mut words = call.texts();
    let id = words.remove(0);
    let force = session.options.force || words.iter().any(|w| w == "force");
    let wait = words.iter().any(|w| w == "--wait");
    words.retain(|w| w != "force" && w != "--wait");
    let editor = open(session)?;
    if editor.now.find_resource(&id).is_none() {
        return Err(not_found(&id, call, 0));
    }
    let mut out = Moving { id, node: None, lifetime: None, force, wait };
    for (at, word) in words.into_iter().enumerate() {
        let duration =
            word.starts_with('P') && word.len() > 1 && word.chars().any(|c| c.is_ascii_digit());
        if editor.now.find_node(&word).is_some() {
            out.node = Some(word);
        } else if duration || word.contains('-') && word.contains(':') {
            out.lifetime = Some(expiry(&word)?);
        } else {
            let near = crate::language::vocabulary::nearest(
                &word,
                editor.now.node_names().iter().map(String::as_str).collect::<Vec<_>>(),
            )
            .map(str::to_string);
            let mut message =
                Message::error(format!("node {word} not found")).at(call.place(at + 1));
            message.help = near.map(|n| format!("did you mean '{n}'?"));
            return Err(message.into());
        }
    }
    Ok(out)
}

/// The end of a lifetime: an ISO 8601 duration from now, or a date as it is.
fn expiry(text: &str) -> Result<String, Failure> {
    if !text.starts_with('P') {
        return Ok(text.to_string());
    }
    let span: jiff::Span = text
        .parse()
        .map_err(|e| Failure::from(format!("'{text}' is no duration such as PT10M: {e}")))?;
    let end = jiff::Zoned::now()
        .checked_add(span)
        .map_err(|e| Failure::from(format!("'{text}': {e}")))?;
    Ok(end.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
}

/// The constraint that a move or ban leaves.
fn cli_constraint(prefer: bool, moving: &Moving, node: &str) -> Element {
    let (kind, id) = if prefer {
        ("prefer", format!("cli-prefer-{}", moving.id))
    } else {
        ("ban", format!("cli-ban-{}-on-{node}", moving.id))
    };
    let score = if prefer { "INFINITY" } else { "-INFINITY" };
    let base = Element::new("rsc_location")
        .with("id", &id)
        .with("rsc", &moving.id)
        .with("role", "Started");
    let Some(end) = &moving.lifetime else {
        return base.with("node", node).with("score", score);
    };
    let part = |what: &str| format!("cli-{kind}-{what}-{}", moving.id);
    base.with_child(
        Element::new("rule")
            .with("id", part("rule"))
            .with("score", score)
            .with("boolean-op", "and")
            .with_child(
                Element::new("expression")
                    .with("id", part("expr"))
                    .with("attribute", "#uname")
                    .with("operation", "eq")
                    .with("value", node)
                    .with("type", "string"),
            )
            .with_child(
                Element::new("date_expression")
                    .with("id", part("lifetime-end"))
                    .with("operation", "lt")
                    .with("end", end),
            ),
    )
}

fn current_nodes(session: &mut Session, id: &str) -> Result<Vec<String>, Failure> {
    let editor = open(session)?;
    let element = editor.now.find_resource(id).map(|o| o.element.clone());
    let places = element.map(|e| running(&editor.base, &e)).unwrap_or_default();
    Ok(places.into_iter().map(|p| p.node).collect())
}

fn do_move(session: &mut Session, call: &Call<'_>) -> Outcome {
    let moving = moving(session, call)?;
    let Some(node) = moving.node.clone() else {
        return ban_here(session, call, moving, "move");
    };
    let text = format!(
        "{} now prefers {node} (constraint cli-prefer-{}); 'resource clear {}' takes that back",
        moving.id, moving.id, moving.id
    );
    change(session, |session| {
        let editor = open(session)?;
        // A ban on the target would win.
        let ban = format!("cli-ban-{}-on-{node}", moving.id);
        if editor.now.find(&ban).is_some() {
            editor.now.delete(&[ban])?;
        }
        editor.now.put_constraint(cli_constraint(true, &moving, &node));
        Ok(())
    })?;
    if moving.wait && session.access.is_live() {
        return arrive(session, &moving.id, &node);
    }
    session.note(text);
    Ok(())
}

/// Waits until a resource runs where it was sent, and takes the preference away if it stays there
/// without it.
fn arrive(session: &mut Session, id: &str, node: &str) -> Outcome {
    crate::levels::cluster::wait_idle(session)?;
    session.editor = None;
    if current_nodes(session, id)? != [node] {
        let text = format!("{id} does not run on {node}; the constraint cli-prefer-{id} stays");
        let help = format!("'why {id}' has the reason, 'resource clear {id}' takes it back");
        return Err(Message::error(text).help(help).into());
    }
    let editor = open(session)?;
    let mut without = editor.now.clone();
    without.delete(&[format!("cli-prefer-{id}")])?;
    let away = crate::foresee::of_change(&editor.base, &without)?;
    if let Some(effect) = away.iter().find(|e| e.disturbs) {
        session.warn(format!(
            "{id} runs on {node} and stays there only with the constraint cli-prefer-{id} \
             (else: {} {} {}); 'resource clear {id}' takes it back",
            effect.action, effect.subject, effect.place
        ));
        return Ok(());
    }
    let constraint = format!("cli-prefer-{id}");
    change(session, |session| {
        open(session)?.now.delete(&[constraint])?;
        Ok(())
    })?;
    session.note(format!("{id} runs on {node}, and no constraint is left behind"));
    Ok(())
}

fn ban(session: &mut Session, call: &Call<'_>) -> Outcome {
    let moving = moving(session, call)?;
    match moving.node.clone() {
        Some(node) => put_ban(session, &moving, &node),
        None => ban_here(session, call, moving, "ban"),
    }
}

/// Bans a resource from where it runs.
fn ban_here(session: &mut Session, call: &Call<'_>, moving: Moving, what: &str) -> Outcome {
    let nodes = current_nodes(session, &moving.id)?;
    match nodes.as_slice() {
        [node]
            if what == "ban" || moving.force || session.interactive || session.access.is_live() =>
        {
            put_ban(session, &moving, &node.clone())
        }
        [_, _, ..] => Err(Message::error(format!(
            "{} runs on {}; say which node is meant: No target node",
            moving.id,
            nodes.join(", ")
        ))
        .at(call.place(0))
        .into()),
        _ => Err(Message::error(format!("{what}: No target node, and {} runs nowhere", moving.id))
            .at(call.place(0))
            .help(format!("say where: {} {} <node>", what, moving.id))
            .into()),
    }
}

fn put_ban(session: &mut Session, moving: &Moving, node: &str) -> Outcome {
    change(session, |session| {
        let editor = open(session)?;
        let prefer = format!("cli-prefer-{}", moving.id);
        if editor.now.find(&prefer).is_some_and(|o| o.element.attr("node") == Some(node)) {
            editor.now.delete(&[prefer])?;
        }
        editor.now.put_constraint(cli_constraint(false, moving, node));
        Ok(())
    })?;
    session.warn(format!(
        "{} may not run on {node} any more (constraint cli-ban-{}-on-{node}); 'resource clear {}' takes that back",
        moving.id, moving.id, moving.id
    ));
    Ok(())
}

fn clear(session: &mut Session, call: &Call<'_>) -> Outcome {
    let id = call.arguments[0].text.clone();
    let node = call.get(1).map(str::to_string);
    let mut removed = Vec::new();
    change(session, |session| {
        let editor = open(session)?;
        if editor.now.find_resource(&id).is_none() {
            return Err(not_found(&id, call, 0));
        }
        let ours = |name: &str, e: &Element| {
            let prefer = name == format!("cli-prefer-{id}") || name == format!("cli-standby-{id}");
            let ban = name.starts_with(&format!("cli-ban-{id}-on-"));
            let on = e.attr("node").map(str::to_string).or_else(|| {
                e.descendants()
                    .find(|x| x.attr("attribute") == Some("#uname"))?
                    .attr("value")
                    .map(str::to_string)
            });
            (prefer || ban) && (node.is_none() || on == node)
        };
        removed = editor
            .now
            .objects()
            .iter()
            .filter(|o| o.kind == Kind::Location && ours(o.id, o.element))
            .map(|o| o.id.to_string())
            .collect();
        editor.now.delete(&removed)?;
        Ok(())
    })?;
    match removed.as_slice() {
        [] => session.note(format!("there was nothing to clear for {id}")),
        all => session.note(format!("removed {}", all.join(", "))),
    }
    Ok(())
}

// === failures ===

fn forget(session: &mut Session, call: &Call<'_>, failed_only: bool) -> Outcome {
    editor::settle(session)?;
    let words: Vec<String> = call.texts().into_iter().filter(|w| w != "force").collect();
    let editor = open(session)?;
    let mut request = CleanupRequest { failed_only, ..CleanupRequest::default() };
    for (at, word) in words.iter().enumerate() {
        if at == 0 && editor.now.find_resource(word).is_some() {
            request.resource = word.clone();
        } else if editor.now.find_node(word).is_some() {
            request.node = word.clone();
        } else if at == 0 {
            return Err(not_found(word, call, at));
        } else {
            return Err(Message::error(format!("node {word} not found")).at(call.place(at)).into());
        }
    }
    let cleaned = session.access.cleanup(&request)?;
    session.editor = None;
    let mut out = String::new();
    for what in &cleaned {
        out.push_str(&format!("Cleaned up {what}\n"));
    }
    if cleaned.is_empty() {
        session.note("there was nothing to clean up");
    }
    session.printer.print(&out);
    Ok(())
}

fn cleanup(session: &mut Session, call: &Call<'_>) -> Outcome {
    forget(session, call, true)
}

fn refresh(session: &mut Session, call: &Call<'_>) -> Outcome {
    forget(session, call, false)
}

fn failcount(session: &mut Session, call: &Call<'_>) -> Outcome {
    editor::settle(session)?;
    let words = call.texts();
    let (id, action, node) = (&words[0], words[1].as_str(), &words[2]);
    let editor = open(session)?;
    if editor.now.find_resource(id).is_none() {
        return Err(not_found(id, call, 0));
    }
    if editor.now.find_node(node).is_none() {
        return Err(Message::error(format!("node {node} not found")).at(call.place(2)).into());
    }
    match action {
        "show" => {
            let value = fail_count(&editor.base, node, id);
            if session.printer.json {
                let value = json!({ "resource": id, "node": node, "value": value });
                return session.printer.print_json(&value);
            }
            session.printer.print(&format!("scope=status name=fail-count-{id} value={value}"));
            Ok(())
        }
        "delete" => {
            let request = CleanupRequest {
                resource: id.clone(),
                node: node.clone(),
                failed_only: true,
                ..CleanupRequest::default()
            };
            session.access.cleanup(&request)?;
            session.editor = None;
            Ok(())
        }
        "set" => {
            let Some(value) = words.get(3) else { return Err(call.usage()) };
            if crate::language::numeric_score(value).is_none() {
                return Err(Message::error(format!(
                    "failcount: expected a number, found '{value}'"
                ))
                .at(call.place(3))
                .into());
            }
            let operation = words.get(4).map_or("monitor", String::as_str);
            let interval = words.get(5).map_or("10000", String::as_str);
            session.access.update_attribute(&AttributeUpdate {
                node: node.clone(),
                name: format!("fail-count-{id}#{operation}_{interval}"),
                value: Some(value.replace("inf", "INFINITY")),
                transient: true,
                ..AttributeUpdate::default()
            })?;
            session.editor = None;
            Ok(())
        }
        _ => Err(call.usage()),
    }
}

/// The sum of the fail counts of a resource on a node, INFINITY included.
fn fail_count(cib: &Element, node: &str, id: &str) -> String {
    let states = cib.child("status").into_iter().flat_map(Element::children);
    let mine = states.filter(|s| s.attr("uname") == Some(node));
    let prefix = format!("fail-count-{id}");
    let mut sum = 0i64;
    for pair in mine.flat_map(Element::descendants).filter(|e| e.name() == "nvpair") {
        let name = pair.attr("name").unwrap_or_default();
        let rest = name.strip_prefix(&prefix);
        if rest.is_none_or(|r| !r.is_empty() && !r.starts_with('#') && !r.starts_with(':')) {
            continue;
        }
        match pair.attr("value") {
            Some("INFINITY") => return "INFINITY".into(),
            Some(v) => sum += v.parse::<i64>().unwrap_or(0),
            None => {}
        }
    }
    sum.to_string()
}

// === values ===

fn values(session: &mut Session, call: &Call<'_>, tag: &str) -> Outcome {
    let words = call.texts();
    let (id, action, name) = (words[0].clone(), words[1].as_str(), words[2].clone());
    match (action, words.get(3)) {
        ("show", None) => {
            let editor = open(session)?;
            if editor.now.find_resource(&id).is_none() {
                return Err(not_found(&id, call, 0));
            }
            match editor.now.value(&id, tag, &name).map(str::to_string) {
                Some(value) if session.printer.json => {
                    let value = json!({ "resource": id, "name": name, "value": value });
                    return session.printer.print_json(&value);
                }
                Some(value) => session.printer.print(&value),
                None => {
                    return Err(Message::error(format!("{id}: {name} not found"))
                        .at(call.place(2))
                        .into());
                }
            }
            Ok(())
        }
        ("set", Some(value)) => {
            let value = value.clone();
            change(session, |session| {
                let editor = open(session)?;
                if editor.now.find_resource(&id).is_none() {
                    return Err(not_found(&id, call, 0));
                }
                Ok(editor.now.set_value(&id, tag, &name, &value)?)
            })
        }
        ("delete", None) => change(session, |session| {
            let editor = open(session)?;
            if editor.now.find_resource(&id).is_none() {
                return Err(not_found(&id, call, 0));
            }
            editor.now.delete_value(&id, tag, &name)?;
            Ok(())
        }),
        _ => Err(call.usage()),
    }
}

fn meta(session: &mut Session, call: &Call<'_>) -> Outcome {
    values(session, call, "meta_attributes")
}

fn param(session: &mut Session, call: &Call<'_>) -> Outcome {
    values(session, call, "instance_attributes")
}

fn utilization(session: &mut Session, call: &Call<'_>) -> Outcome {
    values(session, call, "utilization")
}

// === looking ===

fn status(session: &mut Session, call: &Call<'_>) -> Outcome {
    if session.printer.json {
        return rows(session, call);
    }
    if call.arguments.is_empty() {
        return crate::status::resources(session);
    }
    locate(session, call)
}

/// The resources of the overview, or those that are named, as JSON.
fn rows(session: &mut Session, call: &Call<'_>) -> Outcome {
    editor::settle(session)?;
    session.editor = None;
    let names = call.texts();
    let mut rows = crate::status::look_at(session)?.resources;
    if let Some(at) = names.iter().position(|n| !rows.iter().any(|r| r.name == *n)) {
        return Err(not_found(&names[at], call, at));
    }
    rows.retain(|r| names.is_empty() || names.contains(&r.name));
    session.printer.print_json(&rows)
}

fn locate(session: &mut Session, call: &Call<'_>) -> Outcome {
    if session.printer.json {
        return rows(session, call);
    }
    editor::settle(session)?;
    session.editor = None;
    let mut ids = call.texts();
    let editor = open(session)?;
    if ids.is_empty() {
        let objects = editor.now.objects();
        let shown = objects.iter().filter(|o| o.kind.is_resource() && o.kind != Kind::Template);
        ids = shown.map(|o| o.id.to_string()).collect();
    }
    let mut out = String::new();
    for (at, id) in ids.iter().enumerate() {
        let Some(object) = editor.now.find_resource(id) else {
            return Err(not_found(id, call, at));
        };
        let places = running(&editor.base, object.element);
        if places.is_empty() {
            out.push_str(&format!("resource {id} is NOT running\n"));
        }
        for place in places {
            let role = if place.promoted { " Promoted" } else { "" };
            out.push_str(&format!("resource {id} is running on: {}{role}\n", place.node));
        }
    }
    session.editor = None;
    session.printer.print(&out);
    Ok(())
}

fn constraints(session: &mut Session, call: &Call<'_>) -> Outcome {
    editor::settle(session)?;
    let id = call.arguments[0].text.clone();
    let json = session.printer.json;
    let editor = open(session)?;
    if editor.now.find_resource(&id).is_none() {
        return Err(not_found(&id, call, 0));
    }
    if json {
        let mut objects = editor.now.objects();
        objects.retain(|o| o.kind.is_constraint() && references(o.element).contains(&id.as_str()));
        let all = editor.now.listed(&objects, &editor.now.style());
        return session.printer.print_json(&all);
    }
    let mut locations = String::new();
    let (mut on_me, mut on_others) = (String::new(), String::new());
    for object in editor.now.objects() {
        let e = object.element;
        let score = e.attr("score").or(e.attr("score-attribute")).unwrap_or_default();
        match object.kind {
            Kind::Location if references(e).contains(&id.as_str()) => {
                let node = e.attr("node").map_or("by rule".to_string(), |n| format!("Node {n}"));
                locations
                    .push_str(&format!("  * {node} (score={score}, id={}, rsc={id})\n", object.id));
            }
            Kind::Colocation => colocation(e, object.id, score, &id, &mut on_me, &mut on_others),
            _ => {}
        }
    }
    let mut out = String::new();
    if !locations.is_empty() {
        out.push_str(&format!("Locations:\n{locations}"));
    }
    if !on_me.is_empty() {
        out.push_str(&format!("Resources colocated with {id}:\n{on_me}"));
    }
    if !on_others.is_empty() {
        out.push_str(&format!("Resources {id} is colocated with:\n{on_others}"));
    }
    session.printer.print(&out);
    Ok(())
}

/// What a colocation says about one resource: who follows it, and whom it follows.
fn colocation(
    e: &Element,
    id: &str,
    score: &str,
    me: &str,
    on_me: &mut String,
    on_others: &mut String,
) {
    if e.attr("with-rsc") == Some(me) {
        on_me.push_str(&format!(
            "  * {} (score={score}, id={id})\n",
            e.attr("rsc").unwrap_or_default()
        ));
    }
    if e.attr("rsc") == Some(me) {
        on_others.push_str(&format!(
            "  * {} (score={score}, id={id})\n",
            e.attr("with-rsc").unwrap_or_default()
        ));
    }
    for set in
        e.children().filter(|c| c.name() == "resource_set" && c.attr("sequential") != Some("false"))
    {
        let members: Vec<&str> = set.children().filter_map(Element::id).collect();
        let set_id = set.id().unwrap_or(id);
        for pair in members.windows(2) {
            if pair[1] == me {
                on_others.push_str(&format!("  * {} (score={score}, id={set_id})\n", pair[0]));
            }
            if pair[0] == me {
                on_me.push_str(&format!("  * {} (score={score}, id={set_id})\n", pair[1]));
            }
        }
    }
}

fn operations(session: &mut Session, call: &Call<'_>) -> Outcome {
    editor::settle(session)?;
    session.editor = None;
    let words = call.texts();
    let editor = open(session)?;
    let mut out = String::new();
    let mut all: Vec<serde_json::Value> = Vec::new();
    let number = |o: &Element, name: &str| o.attr(name).and_then(|v| v.parse::<i64>().ok());
    let states = editor.base.child("status").into_iter().flat_map(Element::children);
    for state in states.filter(|s| s.name() == "node_state") {
        let node = state.attr("uname").or(state.id()).unwrap_or_default();
        if words.get(1).is_some_and(|n| n != node) {
            continue;
        }
        for history in state.descendants().filter(|e| e.name() == "lrm_resource") {
            let name = history.id().unwrap_or_default();
            let base = name.split_once(':').map_or(name, |(b, _)| b);
            if words.first().is_some_and(|w| w != base) {
                continue;
            }
            for op in history.children().filter(|o| o.name() == "lrm_rsc_op") {
                all.push(json!({
                    "resource": name, "node": node, "operation": op.attr("operation"),
                    "interval_ms": number(op, "interval").unwrap_or(0),
                    "exit_code": number(op, "rc-code"), "status": number(op, "op-status"),
                    "reason": op.attr("exit-reason").filter(|r| !r.is_empty()),
                    "time": number(op, "last-rc-change"), "run_ms": number(op, "exec-time"),
                }));
                let rc = op.attr("rc-code").unwrap_or("?");
                let interval =
                    op.attr("interval").filter(|i| *i != "0").map(|i| format!(" every {i} ms"));
                out.push_str(&format!(
                    "{name}: {}{} on {node}: rc={rc}\n",
                    op.attr("operation").unwrap_or_default(),
                    interval.unwrap_or_default()
                ));
            }
        }
    }
    session.editor = None;
    if session.printer.json {
        return session.printer.print_json(&all);
    }
    session.printer.print(&out);
    Ok(())
}

fn scores(session: &mut Session, _call: &Call<'_>) -> Outcome {
    editor::settle(session)?;
    crate::status::scores(session)
}

// === traces ===

fn traced(session: &mut Session, call: &Call<'_>, value: Option<&str>) -> Outcome {
    let words = call.texts();
    let id = words[0].clone();
    change(session, |session| {
        let editor = open(session)?;
        let Some(object) = editor.now.find_resource(&id).filter(|o| o.kind == Kind::Primitive)
        else {
            return Err(not_found(&id, call, 0));
        };
        let wanted = words.get(1).cloned();
        let interval = words.get(2).cloned();
        let existing: Vec<String> = object
            .element
            .children()
            .filter(|c| c.name() == "operations")
            .flat_map(Element::children)
            .filter_map(|o| o.attr("name"))
            .map(str::to_string)
            .collect();
        if value.is_some() {
            let missing: Vec<&str> = match &wanted {
                None => vec!["start", "stop"],
                Some(op) if op != "monitor" => vec![op.as_str()],
                Some(_) => Vec::new(),
            };
            for name in missing.into_iter().filter(|m| !existing.iter().any(|e| e == m)) {
                let op = Element::new("op").with("name", name).with("interval", "0");
                editor.now.add_operation(&id, op)?;
            }
        }
        let Some(object) = editor.now.find_resource(&id) else { return Ok(()) };
        let chosen: Vec<String> = object
            .element
            .children()
            .filter(|c| c.name() == "operations")
            .flat_map(Element::children)
            .filter(|o| wanted.as_deref().is_none_or(|w| o.attr("name") == Some(w)))
            .filter(|o| interval.as_deref().is_none_or(|i| o.attr("interval") == Some(i)))
            .filter_map(Element::id)
            .map(str::to_string)
            .collect();
        for op in chosen {
            editor.now.set_op_parameter(&id, &op, "trace_ra", value);
        }
        Ok(())
    })
}

fn trace(session: &mut Session, call: &Call<'_>) -> Outcome {
    traced(session, call, Some("1"))
}

fn untrace(session: &mut Session, call: &Call<'_>) -> Outcome {
    traced(session, call, None)
}
