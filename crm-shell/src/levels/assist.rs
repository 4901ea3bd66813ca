//! Help with larger changes of the configuration.

use crm_core::cib::Element;

use crate::editor::open;
use crate::language::{Kind, agent, quote_word};
use crate::levels::load;
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command};

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new("template", "template <rsc> <rsc> [<rsc> ...]", "make a template of what resources have in common", (2, None), &[Argument::Resource], Action::Run(template))
        .help("They must have the same agent. Parameters, meta attributes and operations that all of them have move to\na new template, to which they refer from then on; nothing that runs is touched by it."),
    Command::new("weak-bond", "weak-bond <rsc> <rsc> [<rsc> ...]", "keep resources together without one failing with the other", (2, None), &[Argument::Resource], Action::Run(weak_bond))
        .aliases(&["weak_bond"])
        .help("A colocation makes one resource follow the other, and stop with it. A weak bond binds each of them to a\nresource that does nothing and never fails: they run together, and fail each for itself."),
];

fn primitive(session: &mut Session, call: &Call<'_>, at: usize) -> Result<Element, Failure> {
    let name = &call.arguments[at].text;
    let editor = open(session)?;
    match editor.now.find_resource(name) {
        Some(o) if o.kind == Kind::Primitive => Ok(o.element.clone()),
        Some(_) => Err(Message::error(format!("{name} is no primitive")).at(call.place(at)).into()),
        None => {
            let text = format!("resource {name} does not exist");
            Err(Message::error(text).at(call.place(at)).into())
        }
    }
}

/// What can move to a template: pairs of the sets by name and value, and operations.
fn same(a: &Element, b: &Element) -> bool {
    let plain = |e: &Element| {
        let mut attrs: Vec<(String, String)> = e
            .attrs()
            .filter(|(n, _)| *n != "id")
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect();
        attrs.sort();
        attrs
    };
    a.name() == b.name()
        && plain(a) == plain(b)
        && a.children().count() == b.children().count()
        && a.children().zip(b.children()).all(|(x, y)| same(x, y))
}

const PARTS: &[&str] = &["instance_attributes", "meta_attributes", "utilization", "operations"];

/// The children of a part that every resource has.
fn common(all: &[Element], part: &str) -> Vec<Element> {
    let children = |e: &Element| {
        e.child(part).map(|p| p.children().cloned().collect::<Vec<_>>()).unwrap_or_default()
    };
    let Some((first, rest)) = all.split_first() else { return Vec::new() };
    let mut shared = children(first);
    shared.retain(|c| rest.iter().all(|e| children(e).iter().any(|o| same(c, o))));
    shared
}

fn template(session: &mut Session, call: &Call<'_>) -> Outcome {
    let mut all = Vec::new();
    for at in 0..call.arguments.len() {
        let element = primitive(session, call, at)?;
        if element.attr("template").is_some() {
            let text = format!("{} has a template already", call.arguments[at].text);
            return Err(Message::error(text).at(call.place(at)).into());
        }
        if all.first().is_some_and(|f| agent(f) != agent(&element)) {
            let text = format!("{} has another agent", call.arguments[at].text);
            return Err(Message::error(text).at(call.place(at)).into());
        }
        all.push(element);
    }
    let Some(first) = all.first().cloned() else { return Err(call.usage()) };
    let editor = open(session)?;
    let kind = first.attr("type").unwrap_or("resource").replace('/', "-");
    let free = |id: &String| editor.now.find(id).is_none();
    let names = std::iter::once(format!("{kind}-template"))
        .chain((2..1000).map(|n| format!("{kind}-template-{n}")));
    let name = names.into_iter().find(free).ok_or_else(|| Failure::from("no free name"))?;

    let mut frame = Element::new("template").with("id", &name);
    for attribute in ["class", "provider", "type"] {
        if let Some(value) = first.attr(attribute) {
            frame.set_attr(attribute, value);
        }
    }
    let mut changed = String::new();
    for part in PARTS {
        let shared = common(&all, part);
        if shared.is_empty() {
            continue;
        }
        frame.push(without_ids(&name, part, &shared));
        for element in &mut all {
            if let Some(own) = element.child_mut(part) {
                own.retain(|c| !shared.iter().any(|s| same(s, c)));
            }
            element.retain(|c| c.name() != *part || c.children().count() > 0);
        }
    }
    changed.push_str(&format!("{}\n", frame.to_pretty()));
    for element in &mut all {
        for attribute in ["class", "provider", "type"] {
            element.remove_attr(attribute);
        }
        element.set_attr("template", &name);
        changed.push_str(&element.to_pretty());
    }
    let resources =
        format!("<cib><configuration><resources>{changed}</resources></configuration></cib>");
    load::load_xml(session, &name, &resources)?;
    session.note(format!("{name} has what {} have in common", call.texts().join(", ")));
    Ok(())
}

/// A part of a template, with ids of its own.
fn without_ids(name: &str, part: &str, shared: &[Element]) -> Element {
    let mut out = Element::new(part);
    if part != "operations" {
        out.set_attr("id", format!("{name}-{part}"));
    }
    for child in shared {
        let mut copy = child.clone();
        let about = ["name", "interval"].map(|a| child.attr(a).unwrap_or_default().to_string());
        let id = match part {
            "operations" => format!("{name}-{}-{}", about[0], about[1]),
            _ => format!("{name}-{part}-{}", about[0]),
        };
        copy.set_attr("id", &id);
        rename_inner(&mut copy, &id);
        out.push(copy);
    }
    out
}

fn rename_inner(element: &mut Element, prefix: &str) {
    for (n, child) in element.children_mut().enumerate() {
        if child.id().is_some() {
            let id = format!("{prefix}-{}-{n}", child.name());
            child.set_attr("id", &id);
            rename_inner(child, &id);
        }
    }
}

fn weak_bond(session: &mut Session, call: &Call<'_>) -> Outcome {
    let names = call.texts();
    let editor = open(session)?;
    for (at, name) in names.iter().enumerate() {
        if editor.now.find_resource(name).is_none() {
            let text = format!("resource {name} does not exist");
            return Err(Message::error(text).at(call.place(at)).into());
        }
    }
    let free = |prefix: &str| {
        (0..1000)
            .map(|n| match n {
                0 => format!("{prefix}-{}", names.join("-")),
                n => format!("{prefix}-{}-{n}", names.join("-")),
            })
            .find(|id| editor.now.find(id).is_none())
            .ok_or_else(|| Failure::from("no free name"))
    };
    let (dummy, colocation) = (free("bond")?, free("weak-bond")?);
    let members: Vec<String> = names.iter().map(|n| quote_word(n)).collect();
    let text = format!(
        "primitive {dummy} ocf:heartbeat:Dummy op monitor interval=60s timeout=20s\n\
         colocation {colocation} inf: ( {} ) {dummy}\n",
        members.join(" ")
    );
    load::add_text(session, "weak-bond", text)?;
    session.note(format!("{colocation} keeps {} where {dummy} is", names.join(", ")));
    Ok(())
}
