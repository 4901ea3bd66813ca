//! Statements about nodes, properties, fencing levels, tags, alerts, and raw XML.

use std::collections::BTreeMap;

use crm_core::cib::{self, Element};
use nom::Parser;
use nom::combinator::opt;

use super::attributes::{
    NODE_SECTIONS, Sections, description, id_spec, rules, sections, valued_pairs,
};
use super::input::{Class, Expect, Input, Res, fail, fail_at, keyword, must, word};
use super::statement::{References, Statement, new_id, reference};
use super::token::Word;
use super::vocabulary::{Kind, OP_ATTRIBUTES};

/// `$id=name`, `name:` in front of what it names.
fn leading_id(input: Input<'_>) -> Res<'_, &str> {
    word(Expect::Value("<id>:"), Class::Id, |w| {
        if let Some((key, value)) = w.text.split_once('=') {
            return key.eq_ignore_ascii_case("$id").then_some(value);
        }
        let id = w.text.strip_suffix(':')?;
        let good = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        (!id.is_empty() && id.chars().all(good)).then_some(id)
    })(input)
}

/// `node [<id>:] <name>[:<type>] ...`
pub fn node<'a>(refs: &References) -> impl FnMut(Input<'a>) -> Res<'a, Statement> + use<'a> {
    let refs = refs.clone();
    move |input| {
        let (input, id) = opt(leading_id).parse(input)?;
        let mut out = Element::new("node");
        if let Some(id) = id {
            out.set_attr("id", id);
        }
        let name = word(Expect::Node, Class::Id, |w| {
            let (name, kind) = w.text.split_once(':').unwrap_or((&w.text, ""));
            let kind = kind.to_ascii_lowercase();
            let known = matches!(&*kind, "" | "normal" | "member" | "ping" | "remote");
            (known && !name.is_empty() && !w.text.ends_with(':')).then_some((w, name, kind))
        });
        let (input, (whole, name, kind)) = must(name, |_| {
            "expected <name>[:<type>] with type normal, member, ping or remote".to_string()
        })(input)?;
        out.set_attr("uname", name);
        if !kind.is_empty() {
            out.set_attr("type", kind);
        }
        let (input, text) = description(input)?;
        if let Some(text) = text {
            out.set_attr("description", text);
        }
        let (input, sets) = sections(NODE_SECTIONS, &refs)(input)?;
        sets.into_iter().for_each(|s| out.push(s));
        let mut named = reference(whole);
        named.id = id.unwrap_or(name).to_string();
        let mut statement = Statement::new(Kind::Node, out);
        statement.id = Some(named);
        Ok((input, statement))
    }
}

/// `property`, `rsc_defaults`, `op_defaults`
pub fn property<'a>(
    kind: Kind,
    refs: &References,
) -> impl FnMut(Input<'a>) -> Res<'a, Statement> + use<'a> {
    let refs = refs.clone();
    move |input| {
        let mut out = Element::new(kind.tag());
        let here = input.here();
        let (mut input, id) = opt(leading_id).parse(input)?;
        if let Some(id) = id {
            out.set_attr("id", id);
        } else if let Ok((rest, (is_ref, id))) = id_spec(input) {
            out.set_attr(if is_ref { "id-ref" } else { "id" }, id);
            if is_ref {
                refs.id_ref(id);
            }
            input = rest;
        }
        let (input, rules) = rules(&refs)(input)?;
        let (input, pairs) = valued_pairs(kind.keyword())(input)?;
        rules.into_iter().chain(pairs).for_each(|c| out.push(c));
        let id = out.id().or(kind.default_id()).unwrap_or_default().to_string();
        let mut statement = Statement::new(kind, out);
        statement.id = Some(super::statement::Reference { id, span: here });
        Ok((input, statement))
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Node(String),
    Pattern(String),
    Attribute(String, String),
}

/// `fencing_topology [target:] devices ...`
pub fn fencing(input: Input<'_>) -> Res<'_, Statement> {
    let mut levels: Vec<(Option<Target>, &Word)> = Vec::new();
    let mut target = None;
    let mut rest = input;
    while let Some(w) = rest.peek() {
        match read_target(&w.text) {
            Some(found) => {
                rest.classify(Class::Keyword);
                target = Some(found);
            }
            None => {
                rest.classify(Class::Reference);
                levels.push((target.clone(), w));
            }
        }
        rest = nom::Input::take_from(&rest, 1);
    }
    rest.want(Expect::Resource);
    rest.want(Expect::Value("<node>:"));
    let everywhere: Vec<Target> = input.world.nodes().into_iter().map(Target::Node).collect();
    let mut out = Element::new("fencing-topology");
    let mut next: BTreeMap<Target, u32> = BTreeMap::new();
    let mut add = |target: &Target, devices: &str| {
        let index = next.entry(target.clone()).or_insert(0);
        *index += 1;
        let level = Element::new("fencing-level");
        let level = match target {
            Target::Node(name) => level.with("target", name),
            Target::Pattern(_) | Target::Attribute(..) => level,
        };
        let level = level.with("index", index.to_string()).with("devices", devices);
        out.push(match target {
            Target::Node(_) => level,
            Target::Pattern(p) => level.with("target-pattern", p),
            Target::Attribute(n, v) => level.with("target-attribute", n).with("target-value", v),
        });
    };
    if levels.first().is_some_and(|(t, _)| t.is_none()) {
        for node in &everywhere {
            levels.iter().for_each(|(_, devices)| add(node, &devices.text));
        }
    } else {
        for (target, devices) in &levels {
            if let Some(target) = target {
                add(target, &devices.text);
            }
        }
    }
    let mut statement = Statement::new(Kind::Fencing, out);
    statement.references = levels.iter().map(|(_, w)| reference(w)).collect();
    Ok((rest, statement))
}

fn read_target(text: &str) -> Option<Target> {
    if let Some((name, value)) = text.strip_prefix("attr:").and_then(|t| t.split_once('=')) {
        return Some(Target::Attribute(name.into(), value.into()));
    }
    if let Some(pattern) = text.strip_prefix("pattern:").filter(|p| !p.is_empty()) {
        return Some(Target::Pattern(pattern.into()));
    }
    let name = text.strip_suffix(':')?;
    (!name.is_empty() && !name.contains(':')).then(|| Target::Node(name.into()))
}

/// `tag <id>[:] <rsc> ...`
pub fn tag(input: Input<'_>) -> Res<'_, Statement> {
    let name = word(Expect::NewId, Class::Id, |w| {
        let name = w.text.strip_suffix(':').unwrap_or(&w.text);
        let first = name.chars().next()?;
        let good = (first.is_ascii_alphabetic() || first == '_')
            && !name.chars().any(|c| c.is_whitespace() || c == ':');
        good.then(|| Word { text: name.to_string(), ..w.clone() })
    });
    let (input, name) = must(name, |_| "expected the name of a tag".to_string())(input)?;
    let mut out = Element::new("tag").with("id", &name.text);
    let mut references = Vec::new();
    let mut rest = input;
    while rest.peek().is_some() {
        let (after, member) = must(
            word(Expect::Object, Class::Reference, |w| {
                (!w.text.is_empty() && !w.text.contains('=')).then_some(w)
            }),
            |_| "expected a resource".to_string(),
        )(rest)?;
        out.push(Element::new("obj_ref").with("id", &member.text));
        references.push(reference(member));
        rest = after;
    }
    rest.want(Expect::Object);
    if references.is_empty() {
        return fail(rest, "expected at least one resource");
    }
    let mut statement = Statement::new(Kind::Tag, out).named(&name);
    statement.references = references;
    Ok((rest, statement))
}

const ALERT_ENDS: &[&str] = &["attributes", "meta", "to", "select", "}"];
const ALERT_SECTIONS: Sections = Sections {
    sets: &[("attributes", "instance_attributes"), ("meta", "meta_attributes")],
    implicit: None,
    ends: ALERT_ENDS,
};

/// `alert <id> <path> ...`
pub fn alert<'a>(refs: &References) -> impl FnMut(Input<'a>) -> Res<'a, Statement> + use<'a> {
    let refs = refs.clone();
    move |input| {
        let (input, name) = must(new_id, |_| "expected a name".to_string())(input)?;
        let path = word(Expect::Value("<path>"), Class::Plain, |w| Some(&w.text));
        let (input, path) = must(path, |_| "expected the path of a program".to_string())(input)?;
        let mut out = Element::new("alert").with("id", &name.text).with("path", path);
        let (mut rest, text) = description(input)?;
        if let Some(text) = text {
            out.set_attr("description", text);
        }
        let mut recipients = 0;
        while rest.peek().is_some() {
            if let Ok((after, _)) = keyword("select")(rest) {
                let (after, select) = select(after)?;
                out.push(select);
                rest = after;
                continue;
            }
            if let Ok((after, _)) = keyword("to")(rest) {
                recipients += 1;
                let id = format!("{}-recipient-{recipients}", name.text);
                let (after, recipient) = recipient(after, &id, &refs)?;
                out.push(recipient);
                rest = after;
                continue;
            }
            let (after, sets) = sections(ALERT_SECTIONS, &refs)(rest)?;
            if sets.is_empty() {
                break;
            }
            sets.into_iter().for_each(|s| out.push(s));
            rest = after;
        }
        ["to", "select", "attributes", "meta"]
            .into_iter()
            .for_each(|k| rest.want(Expect::Keyword(k)));
        Ok((rest, Statement::new(Kind::Alert, out).named(&name)))
    }
}

fn select(input: Input<'_>) -> Res<'_, Element> {
    let mut out = Element::new("select");
    let mut rest = input;
    loop {
        if let Ok((after, _)) = keyword("attributes")(rest)
            && let Ok((mut after, _)) = keyword("{")(after)
        {
            let mut names = Element::new("select_attributes");
            while after.peek().is_some_and(|w| w.text != "}") {
                let name = word(Expect::NodeAttribute, Class::Attribute, |w| Some(&w.text));
                let (next, name) = name(after)?;
                names.push(Element::new("attribute").with("name", name));
                after = next;
            }
            let (after, _) = must(keyword("}"), |_| "expected '}'".to_string())(after)?;
            out.push(names);
            rest = after;
            continue;
        }
        let simple = nom::branch::alt((keyword("nodes"), keyword("fencing"), keyword("resources")))
            .parse(rest);
        match simple {
            Ok((after, what)) => {
                out.push(Element::new(format!("select_{what}")));
                rest = after;
            }
            Err(nom::Err::Error(_)) => return Ok((rest, out)),
            Err(e) => return Err(e),
        }
    }
}

fn recipient<'a>(input: Input<'a>, id: &str, refs: &References) -> Res<'a, Element> {
    let (input, brace) = opt(keyword("{")).parse(input)?;
    let value = word(Expect::Value("<recipient>"), Class::Plain, |w| Some(&w.text));
    let (input, value) =
        must(value, |_| "expected a recipient, found the end of the line".to_string())(input)?;
    let mut out = Element::new("recipient").with("id", id).with("value", value);
    let (input, text) = description(input)?;
    if let Some(text) = text {
        out.set_attr("description", text);
    }
    let (mut input, sets) = sections(ALERT_SECTIONS, refs)(input)?;
    sets.into_iter().for_each(|s| out.push(s));
    if brace.is_some() {
        input = must(keyword("}"), |_| "expected '}'".to_string())(input)?.0;
    }
    Ok((input, out))
}

/// Which defaults a set belongs to that stands alone: those of operations if it says something
/// about operations.
fn defaults_kind(set: &Element) -> Kind {
    let names_op = |e: &Element| {
        e.name() == "op_expression"
            || e.name() == "nvpair" && e.attr("name").is_some_and(|n| OP_ATTRIBUTES.contains(&n))
    };
    if set.descendants().any(names_op) { Kind::OpDefaults } else { Kind::RscDefaults }
}

/// `xml <element .../>`
pub fn xml(input: Input<'_>) -> Res<'_, Statement> {
    if input.rest().is_empty() {
        let message = "xml takes at least 1 argument: xml '<element .../>'";
        return fail(input, message);
    }
    let text = input.rest().iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ");
    let first = input.here();
    let span = first.start..input.rest().last().map_or(first.end, |w| w.span.end);
    let end = nom::Input::take_from(&input, input.rest().len());
    let text = text.replace("\\\n", "\n");
    let mut element = match cib::parse(&text) {
        Ok(element) => element,
        Err(e) if text.contains('=') && !text.contains(['"', '\'']) => {
            let message = format!(
                "the XML cannot be parsed: {e}; in a batch all of it stands in single quotes, \
                 'configure load' reads it as it was printed"
            );
            return fail_at(span, message, Vec::new());
        }
        Err(e) => {
            return fail_at(span, format!("the XML cannot be parsed: {e}"), Vec::new());
        }
    };
    let kind = match element.name() {
        tag @ ("rsc_defaults" | "op_defaults") => {
            let kind = if tag == "rsc_defaults" { Kind::RscDefaults } else { Kind::OpDefaults };
            let inner = element.children().next().cloned();
            element = inner.unwrap_or_else(|| Element::new("meta_attributes"));
            Some(kind)
        }
        "meta_attributes" => Some(defaults_kind(&element)),
        tag => Kind::from_element(tag, ""),
    };
    let Some(kind) = kind else {
        let message = format!(
            "element <{}> is not recognized; expected an object of the CIB",
            element.name()
        );
        return fail_at(span, message, Vec::new());
    };
    let mut statement = Statement::new(kind, element.clone());
    let id = element.id().or(kind.default_id()).unwrap_or_default().to_string();
    statement.id = Some(super::statement::Reference { id, span });
    if kind.is_container() {
        let is_member =
            |e: &Element| Kind::from_element(e.name(), "resources").is_some_and(Kind::is_resource);
        statement.embedded = element.children().filter(|c| is_member(c)).cloned().collect();
        statement.element.retain(|c| !is_member(c));
        let here = statement.id.clone().map_or(0..0, |i| i.span);
        statement.members = statement
            .embedded
            .iter()
            .filter_map(|c| c.id())
            .map(|id| super::statement::Reference { id: id.to_string(), span: here.clone() })
            .collect();
    }
    Ok((end, statement))
}
