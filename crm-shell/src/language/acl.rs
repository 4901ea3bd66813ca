//! Statements about access.

use crm_core::cib::Element;
use nom::Parser;
use nom::combinator::opt;
use nom::multi::many0;

use super::attributes::description;
use super::input::{Class, Expect, Input, Res, SchemaVersion, fail, must, word};
use super::statement::{Statement, new_id, reference};
use super::token::Word;
use super::vocabulary::{ACL_OBJECTS, ACL_RIGHTS, ACL_SHORTCUTS, Kind, canonical};

fn id(input: Input<'_>) -> Res<'_, Word> {
    must(new_id, |_| "expected a name (no '=', not empty)".to_string())(input)
}

/// `role <id> [description=] {read|write|deny} ...`
pub fn role(input: Input<'_>) -> Res<'_, Statement> {
    let (input, name) = id(input)?;
    let mut out = Element::new("acl_role").with("id", &name.text);
    let (mut rest, text) = description(input)?;
    if let Some(text) = text {
        out.set_attr("description", text);
    }
    let old = input.world.schema() < SchemaVersion(2, 0);
    while rest.peek().is_some() {
        let (after, made) = if old { old_rule(rest)? } else { permissions(rest)? };
        made.into_iter().for_each(|p| out.push(p));
        rest = after;
    }
    ACL_RIGHTS.iter().for_each(|r| rest.want(Expect::Keyword(r)));
    Ok((rest, Statement::new(Kind::Role, out).named(&name)))
}

fn right(input: Input<'_>) -> Res<'_, &'static str> {
    must(word(Expect::Keyword("read"), Class::Keyword, |w| canonical(&w.text, ACL_RIGHTS)), |_| {
        "expected read, write or deny".to_string()
    })(input)
}

fn permissions(input: Input<'_>) -> Res<'_, Vec<Element>> {
    let (input, right) = right(input)?;
    let mut base = Element::new("acl_permission").with("kind", right);
    let (input, named) = opt(rule_id).parse(input)?;
    if let Some(id) = named {
        base.set_attr("id", id);
    }
    let (mut rest, text) = description(input)?;
    if let Some(text) = text {
        base.set_attr("description", text);
    }
    let mut objects: Vec<(&str, String)> = Vec::new();
    while rest.peek().is_some() {
        match object(rest) {
            Ok((after, (attribute, value))) => {
                objects.retain(|(a, _)| *a != attribute);
                objects.push((attribute, value));
                rest = after;
            }
            Err(nom::Err::Error(_)) => break,
            Err(e) => return Err(e),
        }
    }
    rest.want(Expect::AclObject);
    let get = |name: &str| objects.iter().find(|(a, _)| *a == name).map(|(_, v)| v.as_str());
    let mut out = Vec::new();
    if let Some(xpath) = get("xpath") {
        out.push(base.clone().with("xpath", xpath));
    }
    if let Some(reference) = get("reference") {
        out.push(base.clone().with("reference", reference));
    }
    match (get("object-type"), get("attribute")) {
        (Some(kind), Some(attribute)) => {
            out.push(base.with("object-type", kind).with("attribute", attribute));
        }
        (Some(kind), None) => out.push(base.with("object-type", kind)),
        (None, Some(_)) => {
            return fail(input, "attr: is valid only together with type:; expected both");
        }
        (None, None) => {}
    }
    Ok((rest, out))
}

fn rule_id(input: Input<'_>) -> Res<'_, &str> {
    word(Expect::Value("<id>:"), Class::Id, |w| {
        w.text
            .strip_prefix("$id=")
            .or_else(|| w.text.strip_suffix(':'))
            .filter(|id| !id.is_empty() && !id.contains(':'))
    })(input)
}

/// `xpath:X`, `ref:ID`, `type:T`, `attr:A` or a short form: (attribute of the permission, value).
fn object(input: Input<'_>) -> Res<'_, (&'static str, String)> {
    let (rest, w) = word(Expect::AclObject, Class::Attribute, |w| {
        let key = w.text.split(':').next()?;
        let known = ACL_OBJECTS.iter().any(|(k, _)| *k == key)
            || ACL_SHORTCUTS.iter().any(|(k, _)| *k == key);
        known.then_some(w)
    })(input)?;
    let (key, value) = match w.text.split_once(':') {
        Some((key, value)) => (key, Some(value).filter(|v| !v.is_empty())),
        None => (w.text.as_str(), None),
    };
    if let Some((_, parts)) = ACL_SHORTCUTS.iter().find(|(k, _)| *k == key) {
        return match expand(parts, value) {
            Some(xpath) => Ok((rest, ("xpath", xpath))),
            None => fail(
                input,
                format!("the short form '{key}' wants an argument: expected {key}:<name>"),
            ),
        };
    }
    let attribute = ACL_OBJECTS.iter().find(|(k, _)| *k == key).map_or("xpath", |(_, a)| a);
    match value {
        Some(value) => Ok((rest, (attribute, value.to_string()))),
        None => fail(input, format!("expected {key}:<value>")),
    }
}

/// Writes a short form out; every argument completes the next part that has a place for one.
fn expand(parts: &[&str], arguments: Option<&str>) -> Option<String> {
    let mut parts = parts.iter();
    let Some(arguments) = arguments else {
        let first = parts.next()?;
        return (!first.contains("@@")).then(|| first.to_string());
    };
    let mut out = String::new();
    for argument in arguments.split(':') {
        let mut part = parts.next()?;
        if !part.contains("@@") {
            out.push_str(part);
            part = parts.next()?;
        }
        out.push_str(&part.replace("@@", argument));
    }
    Some(out)
}

/// Finds the short form of an XPath: the word and its arguments.
pub fn shorten(xpath: &str) -> Option<String> {
    for (name, parts) in ACL_SHORTCUTS {
        for used in 1..=parts.len() {
            if let Some(arguments) = match_parts(xpath, &parts[..used]) {
                let mut out = vec![(*name).to_string()];
                out.extend(arguments);
                return Some(out.join(":"));
            }
        }
    }
    None
}

fn match_parts(xpath: &str, parts: &[&str]) -> Option<Vec<String>> {
    let mut rest = xpath;
    let mut arguments = Vec::new();
    let pattern = parts.concat();
    let mut pieces = pattern.split("@@");
    rest = rest.strip_prefix(pieces.next()?)?;
    for piece in pieces {
        let name_len = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_len);
        let first = name.chars().next()?;
        if !(first.is_ascii_alphabetic() || first == '_') {
            return None;
        }
        arguments.push(name.to_string());
        rest = after.strip_prefix(piece)?;
    }
    rest.is_empty().then_some(arguments)
}

/// A rule in the notation of schema 1: `read xpath:/cib`.
fn old_rule(input: Input<'_>) -> Res<'_, Vec<Element>> {
    let (mut rest, right) = right(input)?;
    let mut out = Element::new(right);
    while rest.peek().is_some() {
        match object(rest) {
            Ok((after, (attribute, value))) => {
                let name = match attribute {
                    "reference" => "ref",
                    "object-type" => "tag",
                    other => other,
                };
                out.set_attr(name, value);
                rest = after;
            }
            Err(nom::Err::Error(_)) => break,
            Err(e) => return Err(e),
        }
    }
    Ok((rest, vec![out]))
}

/// `acl_target <id> <role> ...`
pub fn target<'a>(kind: Kind) -> impl FnMut(Input<'a>) -> Res<'a, Statement> {
    move |input| {
        let (input, name) = id(input)?;
        let mut out = Element::new(kind.tag()).with("id", &name.text);
        let role = word(Expect::AclRole, Class::Reference, |w| {
            (!w.text.is_empty() && !w.text.contains('=')).then_some(w)
        });
        let (rest, roles) = many0(role).parse(input)?;
        let mut statement_refs = Vec::new();
        for role in roles {
            out.push(Element::new("role").with("id", &role.text));
            statement_refs.push(reference(role));
        }
        let mut statement = Statement::new(kind, out).named(&name);
        statement.references = statement_refs;
        Ok((rest, statement))
    }
}

/// `user <id> {role:<role> | <rule>} ...`, of schema 1.
pub fn user(input: Input<'_>) -> Res<'_, Statement> {
    let (input, name) = id(input)?;
    let mut out = Element::new("acl_user").with("id", &name.text);
    let mut rest = input;
    while let Some(w) = rest.peek() {
        if let Some(role) = w.text.strip_prefix("role:").filter(|r| !r.is_empty()) {
            rest.classify(Class::Reference);
            out.push(Element::new("role_ref").with("id", role));
            rest = nom::Input::take_from(&rest, 1);
            continue;
        }
        let (after, made) = old_rule(rest)?;
        made.into_iter().for_each(|r| out.push(r));
        rest = after;
    }
    Ok((rest, Statement::new(Kind::User, out).named(&name)))
}
