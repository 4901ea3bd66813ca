//! Whether an object survives its own text form, and the listing that depends on it.

use crm_core::cib::{Child, Element};

use super::ids::{IdStore, assign};
use super::input::{Notes, SchemaVersion, World};
use super::print::{Style, as_xml, is_member, object};
use super::statement::parse;
use super::token::{Content, lines};
use super::vocabulary::Kind;

struct Reading<'w> {
    world: &'w dyn World,
}

impl World for Reading<'_> {
    fn provider(&self, _agent_type: &str) -> String {
        "heartbeat".into()
    }

    fn nodes(&self) -> Vec<String> {
        self.world.nodes()
    }

    fn lenient(&self) -> bool {
        true
    }

    fn schema(&self) -> SchemaVersion {
        self.world.schema()
    }
}

/// The text of an object: in the language if that gives the same object back, else as XML.
///
/// Where the language itself refuses what the object says, the reason is noted in `faults`.
pub fn text_noting(
    kind: Kind,
    element: &Element,
    style: &Style,
    world: &dyn World,
    faults: &mut Vec<String>,
) -> String {
    let element = &normalized(element);
    let plain = Style { hidden: Vec::new(), ..style.clone() };
    let Some(shown) = object(kind, element, &plain) else { return as_xml(element, style) };
    match gives_back(kind, element, &shown, world) {
        Ok(true) if shown.is_ascii() => {
            if style.hidden.is_empty() {
                shown
            } else {
                object(kind, element, style).unwrap_or(shown)
            }
        }
        Ok(_) => as_xml(element, style),
        Err(fault) => {
            faults.push(fault);
            as_xml(element, style)
        }
    }
}

/// [`text_noting`] without the reasons.
pub fn text(kind: Kind, element: &Element, style: &Style, world: &dyn World) -> String {
    text_noting(kind, element, style, world, &mut Vec::new())
}

/// Removes attributes that only repeat a default, and moves members behind the sets.
pub fn normalized(element: &Element) -> Element {
    let mut out = element.clone();
    let drop = match element.name() {
        "node" => [("type", "normal")].as_slice(),
        "resource_set" => &[("sequential", "true"), ("require-all", "true")],
        "rule" => &[("boolean-op", "and")],
        "expression" => &[("type", "string"), ("value-source", "literal")],
        _ => &[],
    };
    for (name, value) in drop {
        if out.attr(name) == Some(value) {
            out.remove_attr(name);
        }
    }
    if Kind::from_element(element.name(), "").is_some_and(Kind::is_container)
        && element.name() != "bundle"
    {
        let nodes = std::mem::take(out.nodes_mut());
        let member = |c: &Child| matches!(c, Child::Element(e) if is_member(e));
        let (members, others): (Vec<_>, Vec<_>) = nodes.into_iter().partition(member);
        out.nodes_mut().extend(others.into_iter().chain(members));
    }
    let needs = |e: &Element| {
        e.descendants().any(|d| matches!(d.name(), "resource_set" | "rule" | "expression"))
    };
    for child in out.nodes_mut() {
        if let Child::Element(e) = child
            && (needs(e) || is_member(e))
        {
            *e = std::sync::Arc::new(normalized(e));
        }
    }
    out
}

fn gives_back(
    kind: Kind,
    element: &Element,
    shown: &str,
    world: &dyn World,
) -> Result<bool, String> {
    let mut comments = Vec::new();
    let mut statement = None;
    for line in lines(shown) {
        match line.content {
            Content::Comment(c) => comments.push(c),
            Content::Words(words) => {
                let read = parse(&words, &Reading { world }, &Notes::default());
                statement = Some(read.map_err(|f| f.message)?);
            }
            Content::Blank => {}
            Content::OpenQuote(_) => return Ok(false),
        }
    }
    let Some(mut statement) = statement.filter(|s| s.kind == kind) else { return Ok(false) };
    let members = element.children().filter(|c| is_member(c));
    if !statement.members.iter().map(|m| m.id.as_str()).eq(members.filter_map(Element::id)) {
        return Ok(false);
    }
    let mut old = element.clone();
    old.retain(|c| !is_member(c));
    let mut new = std::mem::replace(&mut statement.element, Element::new("x"));
    if let (None, Some(id), false) = (new.id(), old.id(), kind == Kind::Fencing) {
        let assumed = match kind {
            Kind::Node => old.attr("uname") == Some(id),
            _ => kind.default_id() == Some(id),
        };
        if !assumed {
            return Ok(false);
        }
        new.set_attr("id", id);
    }
    for comment in comments.iter().rev() {
        new.nodes_mut().insert(0, Child::Comment(comment.as_str().into()));
    }
    let mut store = IdStore::of(&old);
    assign(&mut new, Some(&old), &mut store);
    Ok(same(&old, &new))
}

/// Equality up to the order of things whose order has no meaning.
pub fn same(a: &Element, b: &Element) -> bool {
    let attributes = |e: &Element| {
        let mut all: Vec<(String, String)> =
            e.attrs().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        all.sort();
        all
    };
    if a.name() != b.name()
        || a.nodes().len() != b.nodes().len()
        || a.attrs().len() != b.attrs().len()
        || attributes(a) != attributes(b)
    {
        return false;
    }
    let in_order = a.name() == "resource_set";
    let key = |c: &Child| match c {
        Child::Element(e) if is_member(e) => e.name().to_string(),
        Child::Element(e) => {
            let mut words: Vec<&str> = e.attrs().flat_map(|(k, v)| [k, v]).collect();
            words.sort_unstable();
            format!("{} {}", e.name(), words.join(" "))
        }
        Child::Comment(c) => c.trim().to_string(),
        Child::Text(t) => t.trim().to_string(),
    };
    let mut left: Vec<&Child> = a.nodes().iter().collect();
    let mut right: Vec<&Child> = b.nodes().iter().collect();
    if !in_order {
        left.sort_by_cached_key(|c| key(c));
        right.sort_by_cached_key(|c| key(c));
    }
    left.iter().zip(&right).all(|(l, r)| match (l, r) {
        (Child::Element(l), Child::Element(r)) => same(l, r),
        (Child::Comment(l), Child::Comment(r)) => l.trim() == r.trim(),
        (Child::Text(l), Child::Text(r)) => l.trim() == r.trim(),
        _ => false,
    })
}
