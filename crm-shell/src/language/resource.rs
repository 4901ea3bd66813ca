//! Statements that define resources.

use crm_core::cib::Element;
use nom::Parser;
use nom::combinator::opt;
use nom::multi::many0;

use super::attributes::{
    CONTAINER_SECTIONS, OP_SECTIONS, RESOURCE_SECTIONS, Sections, description, id_spec, pairs,
    section, sections,
};
use super::input::{Class, Expect, Input, Res, fail, fail_at, keyword, must, word};
use super::statement::{References, Statement, new_id, reference, resource_name};
use super::token::Word;
use super::vocabulary::{ACTIONS, Kind, OP_ATTRIBUTES, ROLES, SECTION_WORDS, canonical, nearest};

type Rule<'a> = Box<dyn FnMut(Input<'a>) -> Res<'a, Statement> + 'a>;

fn id(input: Input<'_>) -> Res<'_, Word> {
    must(new_id, |_| "expected a name (no '=', not empty)".to_string())(input)
}

/// `primitive <id> {agent | @template} ...`
pub fn primitive<'a>(refs: &References) -> Rule<'a> {
    let refs = refs.clone();
    Box::new(move |input| {
        let (input, name) = id(input)?;
        let element = Element::new("primitive").with("id", &name.text);
        let (input, element, template) = match template_name(input) {
            Ok((rest, t)) => (rest, element.with("template", &t.text[1..]), Some(t)),
            Err(nom::Err::Error(_)) => {
                let (rest, element) = agent(input, element)?;
                (rest, element, None)
            }
            Err(e) => return Err(e),
        };
        let (input, element) = body(input, element, &refs)?;
        let mut statement = Statement::new(Kind::Primitive, element).named(&name);
        statement.references.extend(template.map(|t| {
            let mut r = reference(t);
            r.id.remove(0);
            r
        }));
        Ok((input, statement))
    })
}

/// `rsc_template <id> agent ...`
pub fn template<'a>(refs: &References) -> Rule<'a> {
    let refs = refs.clone();
    Box::new(move |input| {
        let (input, name) = id(input)?;
        let (input, element) = agent(input, Element::new("template").with("id", &name.text))?;
        let (input, element) = body(input, element, &refs)?;
        Ok((input, Statement::new(Kind::Template, element).named(&name)))
    })
}

fn template_name(input: Input<'_>) -> Res<'_, &Word> {
    word(Expect::Template, Class::Reference, |w| {
        (w.text.len() > 1 && w.text.starts_with('@')).then_some(w)
    })(input)
}

/// `[class:[provider:]]type`, put into the element as attributes.
fn agent<'a>(input: Input<'a>, element: Element) -> Res<'a, Element> {
    let Ok((rest, w)) = word(Expect::Agent, Class::Agent, Some)(input) else {
        return fail(input, "expected an agent ([class:[provider:]]type) or @template");
    };
    let parts: Vec<&str> = w.text.split(':').collect();
    let (class, provider, kind) = match *parts {
        [kind] => ("ocf", Some(input.world.provider(kind)), kind),
        ["ocf", kind] => ("ocf", Some(input.world.provider(kind)), kind),
        [class, kind] => (class, None, kind),
        [class, provider, kind] => {
            (class, (!provider.is_empty()).then(|| provider.to_string()), kind)
        }
        _ => ("", None, ""),
    };
    if class.is_empty() || kind.is_empty() {
        let message =
            format!("Unknown resource type: '{}' has not the form [class:[provider:]]type", w.text);
        return fail_at(w.span.clone(), message, Vec::new());
    }
    let mut element = element.with("class", class);
    if let Some(provider) = provider {
        element.set_attr("provider", provider);
    }
    Ok((rest, element.with("type", kind)))
}

/// Description, sets and operations of a primitive or template.
fn body<'a>(input: Input<'a>, mut element: Element, refs: &References) -> Res<'a, Element> {
    let (mut input, text) = description(input)?;
    if let Some(text) = text {
        element.set_attr("description", text);
    }
    let (rest, first) = opt(super::attributes::implicit(RESOURCE_SECTIONS, refs)).parse(input)?;
    if let Some(first) = first {
        element.push(first);
        input = rest;
    }
    loop {
        if let Ok((rest, operations)) = operations(input, refs).map_err(keep_failures)? {
            element.push(operations);
            input = rest;
            continue;
        }
        match section(RESOURCE_SECTIONS, refs)(input) {
            Ok((rest, set)) => {
                element.push(set);
                input = rest;
            }
            Err(nom::Err::Error(_)) => return Ok((input, element)),
            Err(e) => return Err(e),
        }
    }
}

type Step<'a, T> = Result<(Input<'a>, T), ()>;
type Failure = nom::Err<Box<super::input::Fault>>;

/// Splits "not this" (inner error) from "this is wrong" (outer error).
fn keep_failures(e: Failure) -> Failure {
    e
}

fn operations<'a>(input: Input<'a>, refs: &References) -> Result<Step<'a, Element>, Failure> {
    let mut out = Element::new("operations");
    let mut rest = input;
    let mut named = false;
    if let Ok((after, _)) = keyword("operations")(input) {
        let (after, (is_ref, id)) =
            must(id_spec, |_| "expected $id=<id> or $id-ref=<id>".to_string())(after)?;
        out.set_attr(if is_ref { "id-ref" } else { "id" }, id);
        if is_ref {
            refs.id_ref(id);
        }
        rest = after;
        named = true;
    }
    match many0(op(refs)).parse(rest) {
        Ok((_, ops)) if ops.is_empty() && !named => Ok(Err(())),
        Ok((after, ops)) => {
            ops.into_iter().for_each(|o| out.push(o));
            Ok(Ok((after, out)))
        }
        Err(e) => Err(e),
    }
}

/// `op <name> n=v ... [op_params ...] [op_meta ...]`
fn op<'a>(refs: &References) -> impl Fn(Input<'a>) -> Res<'a, Element> {
    let refs = refs.clone();
    move |input| {
        let (input, _) = keyword("op")(input)?;
        let name = word(Expect::Operation, Class::Keyword, |w| {
            (!w.text.contains('=') && !w.text.is_empty()).then_some(&w.text)
        });
        let (input, name) =
            must(name, |_| "expected an operation (monitor, start, stop ...)".to_string())(input)?;
        let (input, given) = pairs("op", SECTION_WORDS)(input)?;
        let mut out = Element::new("op").with("name", name);
        let mut own = Element::new("instance_attributes");
        let old_schema = input.world.schema() < super::input::SchemaVersion(3, 0);
        for pair in given {
            let key = pair.attr("name").unwrap_or_default();
            let native = OP_ATTRIBUTES.contains(&key) || old_schema && key == "requires";
            match pair.attr("value") {
                Some(value) if native => out.set_attr(key, value),
                _ => own.push(pair),
            }
        }
        if out.attr("interval").is_none() {
            out.set_attr("interval", "0");
        }
        if !own.nodes().is_empty() {
            out.push(own);
        }
        let (input, sets) = sections(OP_SECTIONS, &refs)(input)?;
        sets.into_iter().for_each(|s| out.push(s));
        Ok((input, out))
    }
}

/// `group <id> <rsc> ...`
pub fn group<'a>(refs: &References) -> Rule<'a> {
    let refs = refs.clone();
    Box::new(move |input| {
        let (input, name) = id(input)?;
        let member = word(Expect::Resource, Class::Reference, |w| {
            let section = !w.quoted && matches!(&*w.text.to_lowercase(), "params" | "meta");
            (!section && !w.text.is_empty() && !w.text.contains('=')).then_some(w)
        });
        let (rest, members) = many0(member).parse(input)?;
        for (at, m) in members.iter().enumerate() {
            if members[..at].iter().any(|o| o.text == m.text) {
                let message = format!("'{}' is listed more than once in {}", m.text, name.text);
                return fail_at(m.span.clone(), message, Vec::new());
            }
        }
        let element = Element::new("group").with("id", &name.text);
        let (rest, element) = container(rest, element, &refs)?;
        let mut statement = Statement::new(Kind::Group, element).named(&name);
        statement.members = members.into_iter().map(reference).collect();
        Ok((rest, statement))
    })
}

/// `clone <id> <rsc> ...`, `ms <id> <rsc> ...`
pub fn clone<'a>(kind: Kind, refs: &References) -> Rule<'a> {
    let refs = refs.clone();
    Box::new(move |input| {
        let (input, name) = id(input)?;
        let (input, member) = must(resource_name, |_| "expected a resource".to_string())(input)?;
        let element = Element::new(kind.tag()).with("id", &name.text);
        let after = input;
        let (rest, element) = container(input, element, &refs)?;
        let mut statement = Statement::new(kind, element).named(&name);
        statement.members = vec![reference(member)];
        if kind == Kind::Master {
            let used = after.rest().len() - rest.rest().len();
            let tail: Vec<String> =
                after.rest()[..used].iter().map(|w| super::token::quote_word(&w.text)).collect();
            let tail = if tail.iter().any(|w| w == "meta") {
                format!("{} promotable=true", tail.join(" "))
            } else {
                format!("{} meta promotable=true", tail.join(" ")).trim_start().to_string()
            };
            statement.deprecated = Some(format!("clone {} {} {tail}", name.text, member.text));
        }
        Ok((rest, statement))
    })
}

fn container<'a>(input: Input<'a>, mut element: Element, refs: &References) -> Res<'a, Element> {
    let (input, text) = description(input)?;
    if let Some(text) = text {
        element.set_attr("description", text);
    }
    let (input, sets) = sections(CONTAINER_SECTIONS, refs)(input)?;
    sets.into_iter().for_each(|s| element.push(s));
    Ok((input, element))
}

const BUNDLE_ENDS: &[&str] = &["network", "storage", "meta", "primitive"];

/// `bundle <id> docker ... [network ...] [storage ...] [primitive <rsc>] [meta ...]`
pub fn bundle<'a>(refs: &References) -> Rule<'a> {
    let refs = refs.clone();
    Box::new(move |input| {
        let (input, name) = id(input)?;
        let mut element = Element::new("bundle").with("id", &name.text);
        let (mut input, text) = description(input)?;
        if let Some(text) = text {
            element.set_attr("description", text);
        }
        let meta =
            Sections { sets: &[("meta", "meta_attributes")], implicit: None, ends: BUNDLE_ENDS };
        let mut members = Vec::new();
        loop {
            if let Ok((rest, _)) = keyword("primitive")(input) {
                let (rest, member) =
                    must(resource_name, |_| "expected a resource".to_string())(rest)?;
                members.push(reference(member));
                input = rest;
                continue;
            }
            let found = nom::branch::alt((section(meta, &refs), bundle_part)).parse(input);
            match found {
                Ok((rest, part)) => {
                    element.push(part);
                    input = rest;
                }
                Err(nom::Err::Error(_)) => break,
                Err(e) => return Err(e),
            }
        }
        let mut statement = Statement::new(Kind::Bundle, element).named(&name);
        statement.members = members;
        Ok((input, statement))
    })
}

fn bundle_part(input: Input<'_>) -> Res<'_, Element> {
    let (input, tag) = nom::branch::alt((
        keyword("docker"),
        keyword("rkt"),
        keyword("network"),
        keyword("storage"),
    ))
    .parse(input)?;
    let (input, given) = pairs(tag, BUNDLE_ENDS)(input)?;
    let mut out = Element::new(tag);
    let mut mapping: Option<Element> = None;
    for pair in given {
        let (key, value) = (pair.attr("name").unwrap_or_default(), pair.attr("value"));
        match (key, value) {
            ("port-mapping" | "storage-mapping", None) => {
                if let Some(done) = mapping.replace(Element::new(key)) {
                    out.push(done);
                }
            }
            (_, value) => {
                let target = mapping.as_mut().unwrap_or(&mut out);
                target.set_attr(key, value.unwrap_or_default());
            }
        }
    }
    mapping.into_iter().for_each(|m| out.push(m));
    Ok((input, out))
}

/// `monitor <rsc>[:<role>] <interval>[:<timeout>]`
pub fn monitor(input: Input<'_>) -> Res<'_, Statement> {
    let (rest, target) = with_suffix(input, Expect::Resource)?;
    let mut op = Element::new("op").with("name", "monitor");
    if let Some(role) = &target.suffix {
        match canonical(role, ROLES) {
            Some(role) => op.set_attr("role", role),
            None => return bad_suffix(&target, "role", ROLES),
        }
    }
    let (rest, interval) = with_suffix(rest, Expect::Value("<interval>[:<timeout>]"))?;
    op.set_attr("interval", &interval.name);
    if let Some(timeout) = &interval.suffix {
        op.set_attr("timeout", timeout);
    }
    let mut statement = Statement::new(Kind::Monitor, op);
    statement.members = vec![super::statement::Reference {
        id: target.name.clone(),
        span: target.word.span.clone(),
    }];
    Ok((rest, statement))
}

/// `name[:suffix]`.
pub struct Suffixed<'a> {
    /// The word as it stands.
    pub word: &'a Word,
    /// Before the colon.
    pub name: String,
    /// After the colon.
    pub suffix: Option<String>,
}

/// Reads `name[:suffix]`; more than one colon is wrong.
pub fn with_suffix(input: Input<'_>, expect: Expect) -> Res<'_, Suffixed<'_>> {
    let Some(w) = input.peek() else {
        input.want(expect);
        return fail(input, "expected <name>[:<value>], found the end of the line");
    };
    let parts: Vec<&str> = w.text.split(':').collect();
    let (name, suffix) = match *parts {
        [name] => (name, None),
        [name, suffix] => (name, Some(suffix.to_string()).filter(|s| !s.is_empty())),
        _ => return fail(input, format!("expected <name>[:<value>], found '{}'", w.text)),
    };
    let (rest, word) = word(expect, Class::Reference, Some)(input)?;
    Ok((rest, Suffixed { word, name: name.to_string(), suffix }))
}

/// The message for a role or action that is none.
pub fn bad_suffix<'a, T>(
    found: &Suffixed<'_>,
    what: &str,
    list: &'static [&'static str],
) -> Res<'a, T> {
    let suffix = found.suffix.as_deref().unwrap_or_default();
    let start = found.word.span.end.saturating_sub(suffix.len()).max(found.word.span.start);
    let near = nearest(suffix, list.iter().copied());
    let near = near.map(|n| format!(" (did you mean '{n}'?)")).unwrap_or_default();
    let message = format!(
        "Invalid {what} '{suffix}' for '{}'{near}; expected {}",
        found.name,
        list.join(", ")
    );
    fail_at(start..found.word.span.end, message, list.iter().map(|s| s.to_string()).collect())
}

/// The action after a colon, in its right spelling.
pub fn action(suffix: &str) -> Option<&'static str> {
    canonical(suffix, ACTIONS)
}
