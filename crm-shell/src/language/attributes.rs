//! Name-value pairs, attribute sets and the rules on them.

use crm_core::cib::Element;
use nom::combinator::{opt, verify};
use nom::multi::many0;
use nom::{IResult, Parser};

use super::input::{Class, Expect, Fault, Input, Res, fail, keyword, must, no, word};
use super::statement::References;
use super::token::Word;
use super::vocabulary::{
    COMPARISON_TYPES, COMPARISONS, DATE_PARTS, SECTION_WORDS, canonical, nearest,
};

/// Which attribute sets a statement has, and where a set ends.
#[derive(Clone, Copy)]
pub struct Sections {
    /// (keyword, element) of each set.
    pub sets: &'static [(&'static str, &'static str)],
    /// The set that pairs without a keyword at the beginning belong to.
    pub implicit: Option<usize>,
    /// Words that end a set.
    pub ends: &'static [&'static str],
}

/// Sets of a primitive or template.
pub const RESOURCE_SECTIONS: Sections = Sections {
    sets: &[
        ("params", "instance_attributes"),
        ("meta", "meta_attributes"),
        ("utilization", "utilization"),
    ],
    implicit: Some(0),
    ends: SECTION_WORDS,
};
/// Sets of a container.
pub const CONTAINER_SECTIONS: Sections = Sections {
    sets: &[("params", "instance_attributes"), ("meta", "meta_attributes")],
    implicit: Some(0),
    ends: SECTION_WORDS,
};
/// Sets of a node.
pub const NODE_SECTIONS: Sections = Sections {
    sets: &[("attributes", "instance_attributes"), ("utilization", "utilization")],
    implicit: Some(0),
    ends: SECTION_WORDS,
};
/// Sets of an operation.
pub const OP_SECTIONS: Sections = Sections {
    sets: &[("op_params", "instance_attributes"), ("op_meta", "meta_attributes")],
    implicit: Some(0),
    ends: SECTION_WORDS,
};

/// `description=text`.
pub fn description(input: Input<'_>) -> Res<'_, Option<&str>> {
    opt(word(Expect::Value("description=<text>"), Class::Attribute, |w| {
        let (name, value) = w.text.split_once('=')?;
        (name.eq_ignore_ascii_case("description") && !value.is_empty()).then_some(value)
    }))
    .parse(input)
}

/// `$id=name` or `$id-ref=name`: (is a reference, the name).
pub fn id_spec(input: Input<'_>) -> Res<'_, (bool, &str)> {
    word(Expect::Value("$id=<id>"), Class::Reference, |w| {
        let (key, value) = w.text.split_once('=')?;
        match key.to_ascii_lowercase().as_str() {
            "$id" => Some((false, value)),
            "$id-ref" => Some((true, value)),
            _ => None,
        }
    })(input)
}

/// `<score>:`, as it was written.
pub fn score_word(input: Input<'_>) -> Res<'_, &str> {
    word(Expect::Score, Class::Score, |w| {
        let score = w.text.strip_suffix(':')?;
        (!score.is_empty() && !score.contains(':')).then_some(score)
    })(input)
}

/// What a score is to the CIB.
pub fn score_attribute(score: &str) -> (&'static str, String) {
    match score.to_ascii_lowercase().as_str() {
        "advisory" => return ("score", "0".into()),
        "mandatory" => return ("score", "INFINITY".into()),
        _ => {}
    }
    match numeric_score(score) {
        Some(value) => ("score", value),
        None => ("score-attribute", score.into()),
    }
}

/// `[+-]N` or `[+-]inf`, with infinity spelled out.
pub fn numeric_score(score: &str) -> Option<String> {
    let (sign, value) = match score.as_bytes().first() {
        Some(b'+' | b'-') => score.split_at(1),
        _ => ("", score),
    };
    if matches!(value, "inf" | "infinity" | "INF" | "INFINITY") {
        return Some(format!("{sign}INFINITY"));
    }
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| score.to_string())
}

fn is_end(w: &Word, ends: &[&str]) -> bool {
    !w.quoted && ends.iter().any(|e| w.text.eq_ignore_ascii_case(e))
}

/// One pair as an `nvpair` element: `n=v`, `$id:n=v`, `@id`, `@id:n`, or a bare `n`.
fn pair<'a>(
    section: &'static str,
    ends: &'static [&'static str],
) -> impl Fn(Input<'a>) -> Res<'a, Element> {
    move |input| {
        word(Expect::Attribute(section), Class::Attribute, |w| {
            if is_end(w, ends) {
                return None;
            }
            read_pair(&w.text, !ends.is_empty())
        })(input)
    }
}

fn read_pair(text: &str, bare: bool) -> Option<Element> {
    if let Some(reference) = text.strip_prefix('@') {
        let (id, name) = match reference.split_once(':') {
            Some((id, name)) if !id.is_empty() && !name.is_empty() => (id, Some(name)),
            Some(_) => return None,
            None if reference.is_empty() => return None,
            None => (reference, None),
        };
        let pair = Element::new("nvpair").with("id-ref", id);
        return Some(name.map_or(pair.clone(), |n| pair.with("name", n)));
    }
    if let Some(named) = text.strip_prefix('$') {
        let (key, value) = named.split_once('=')?;
        let (id, name) = key.split_once(':').unwrap_or((key, key));
        if id.is_empty() || name.is_empty() {
            return None;
        }
        return Some(Element::new("nvpair").with("id", id).with("name", name).with("value", value));
    }
    match text.split_once('=') {
        Some((name, value)) => (!name.is_empty())
            .then(|| Element::new("nvpair").with("name", name).with("value", value)),
        None => (bare && !text.is_empty() && !text.contains(':'))
            .then(|| Element::new("nvpair").with("name", text)),
    }
}

/// Pairs up to the next word that ends the set.
pub fn pairs<'a>(
    section: &'static str,
    ends: &'static [&'static str],
) -> impl Fn(Input<'a>) -> Res<'a, Vec<Element>> {
    move |input| many0(pair(section, ends)).parse(input)
}

/// `name=value` pairs of a set that refuses empty values, unless they are written `""`.
pub fn valued_pairs(section: &'static str) -> impl Fn(Input<'_>) -> Res<'_, Vec<Element>> {
    move |input| {
        let lenient = input.world.lenient();
        let ends: &'static [&'static str] = if lenient { &["rule"] } else { &[] };
        let mut rest = input;
        let mut out = Vec::new();
        while let Some(next) = rest.peek() {
            if next.text.ends_with('=') && !next.quoted && !lenient {
                let name = next.text.trim_end_matches('=');
                return fail(rest, format!("expected a value after '{name}='"));
            }
            match pair(section, ends)(rest) {
                Ok((after, pair)) => {
                    rest = after;
                    out.push(pair);
                }
                Err(nom::Err::Error(_)) => break,
                Err(e) => return Err(e),
            }
        }
        if rest.peek().is_none() {
            rest.want(Expect::Attribute(section));
        }
        Ok((rest, out))
    }
}

/// `[$id=id] [score:] [rule ...] n=v ...` or `$id-ref=id`, after its keyword.
pub fn set<'a>(
    section: &'static str,
    tag: &'static str,
    ends: &'static [&'static str],
    refs: &References,
) -> impl Fn(Input<'a>) -> Res<'a, Element> {
    let refs = refs.clone();
    move |input| {
        let mut element = Element::new(tag);
        let (input, spec) = opt(id_spec).parse(input)?;
        match spec {
            Some((true, id)) => {
                refs.id_ref(id);
                return Ok((input, element.with("id-ref", id)));
            }
            Some((false, id)) => element.set_attr("id", id),
            None => {}
        }
        let (input, score) = opt(score_word).parse(input)?;
        if let Some(score) = score {
            element.set_attr("score", score);
        }
        let (input, rules) = rules(&refs)(input)?;
        let (input, pairs) = pairs(section, ends)(input)?;
        rules.into_iter().chain(pairs).for_each(|c| element.push(c));
        Ok((input, element))
    }
}

/// One set with its keyword.
pub fn section<'a>(
    sections: Sections,
    refs: &References,
) -> impl Fn(Input<'a>) -> Res<'a, Element> {
    let refs = refs.clone();
    move |input| {
        for (name, tag) in sections.sets {
            match keyword(name)(input) {
                Ok((rest, _)) => return set(name, tag, sections.ends, &refs)(rest),
                Err(nom::Err::Error(_)) => {}
                Err(e) => return Err(e),
            }
        }
        no(input)
    }
}

/// The set without a keyword that may begin the sections; nothing if no pair is there.
pub fn implicit<'a>(
    sections: Sections,
    refs: &References,
) -> impl Fn(Input<'a>) -> Res<'a, Element> {
    let refs = refs.clone();
    move |input| {
        let Some((name, tag)) = sections.implicit.and_then(|i| sections.sets.get(i)) else {
            return no(input);
        };
        verify(set(name, tag, sections.ends, &refs), |e: &Element| {
            e.attrs().len() > 0 || !e.nodes().is_empty()
        })
        .parse(input)
    }
}

/// All sets of a statement in the order in which they stand.
pub fn sections<'a>(
    sections: Sections,
    refs: &References,
) -> impl Fn(Input<'a>) -> Res<'a, Vec<Element>> {
    let refs = refs.clone();
    move |input| {
        let explicit = input
            .peek()
            .is_some_and(|w| sections.sets.iter().any(|s| w.text.eq_ignore_ascii_case(s.0)));
        let mut out = Vec::new();
        let mut rest = input;
        if !explicit {
            let (after, first) = opt(implicit(sections, &refs)).parse(rest)?;
            out.extend(first);
            rest = after;
        }
        let (rest, more) = many0(section(sections, &refs)).parse(rest)?;
        out.extend(more);
        Ok((rest, out))
    }
}

// === rules ===

/// Any number of `rule ...`.
pub fn rules<'a>(refs: &References) -> impl Fn(Input<'a>) -> Res<'a, Vec<Element>> {
    let refs = refs.clone();
    move |input| many0(rule(&refs)).parse(input)
}

fn rule<'a>(refs: &References) -> impl Fn(Input<'a>) -> Res<'a, Element> {
    let refs = refs.clone();
    move |input| {
        let (input, _) = keyword("rule")(input)?;
        let mut rule = Element::new("rule");
        let (input, spec) = opt(id_spec).parse(input)?;
        if let Some((is_ref, id)) = spec {
            rule.set_attr(if is_ref { "id-ref" } else { "id" }, id);
            if is_ref {
                refs.id_ref(id);
            }
        }
        let (input, role) = opt(role_attribute).parse(input)?;
        if let Some(role) = role {
            rule.set_attr("role", role_in_schema(&input, role));
        }
        if spec.is_some_and(|(is_ref, _)| is_ref) {
            return Ok((input, rule));
        }
        let (input, score) = opt(score_word).parse(input)?;
        let (name, value) = score.map_or(("score", "INFINITY".into()), score_attribute);
        rule.set_attr(name, value);
        let (input, (joined, expressions)) = expressions(input)?;
        if let Some("or") = joined {
            rule.set_attr("boolean-op", "or");
        }
        expressions.into_iter().for_each(|e| rule.push(e));
        Ok((input, rule))
    }
}

/// `role=R` or `$role=R`.
pub fn role_attribute(input: Input<'_>) -> Res<'_, &str> {
    word(Expect::Value("role=<role>"), Class::Attribute, |w| {
        let (name, value) = w.text.split_once('=')?;
        let name = name.strip_prefix('$').unwrap_or(name);
        (name.eq_ignore_ascii_case("role") && !value.is_empty()).then_some(value)
    })(input)
}

/// A role as the schema in force spells it: old schemas know only Master and Slave.
pub fn role_in_schema<'r>(input: &Input<'_>, role: &'r str) -> &'r str {
    if input.world.schema().has_promoted() {
        return role;
    }
    match role {
        "Promoted" => "Master",
        "Unpromoted" => "Slave",
        other => other,
    }
}

type Joined<'a> = (Option<&'static str>, Vec<Element>);

fn expressions(input: Input<'_>) -> Res<'_, Joined<'_>> {
    let (mut rest, first) = expression(input)?;
    let mut joined = None;
    let mut all = vec![first];
    loop {
        let here = rest;
        let operator: IResult<_, _, _> =
            nom::branch::alt((keyword("and"), keyword("or"))).parse(rest);
        match operator {
            Ok((after, op)) => {
                if joined.is_some_and(|j| j != op) {
                    return fail(here, "one rule cannot mix 'and' with 'or'; parsing stops here");
                }
                joined = Some(op);
                let (after, next) = expression(after)?;
                all.push(next);
                rest = after;
            }
            Err(nom::Err::Error(_)) => return Ok((rest, (joined, all))),
            Err(e) => return Err(e),
        }
    }
}

fn expression(input: Input<'_>) -> Res<'_, Element> {
    if let Ok((rest, _)) = keyword("date")(input) {
        return date(rest);
    }
    let unary: IResult<_, _, Box<Fault>> =
        nom::branch::alt((keyword("defined"), keyword("not_defined"))).parse(input);
    if let Ok((rest, operation)) = unary {
        let (rest, name) = attribute_name(rest)?;
        let expression = Element::new("expression");
        return Ok((rest, expression.with("operation", operation).with("attribute", name)));
    }
    let (rest, name) = attribute_name(input)?;
    let (rest, (kind, operation)) = must(comparison, |i| {
        let found = i.peek().map_or("", |w| &w.text);
        let hint = nearest(found, COMPARISONS.iter().copied());
        let hint = hint.map(|h| format!(" (did you mean '{h}'?)")).unwrap_or_default();
        format!("'{name}' takes [type:] and one of {} behind it{hint}", COMPARISONS.join(", "))
    })(rest)?;
    let (rest, value) =
        must(word(Expect::Value("a value"), Class::Plain, |w| Some(&w.text)), |_| {
            format!("expected a value to compare '{name}' with")
        })(rest)?;
    let mut out = Element::new("expression").with("operation", operation).with("attribute", name);
    if let Some(kind) = kind {
        out.set_attr("type", kind);
    }
    match value.strip_suffix('}').and_then(|v| v.split_once('{')) {
        Some((source, inner)) if !source.is_empty() && !inner.is_empty() => {
            out.set_attr("value", inner);
            out.set_attr("value-source", source);
        }
        _ => out.set_attr("value", value),
    }
    Ok((rest, out))
}

fn attribute_name(input: Input<'_>) -> Res<'_, &str> {
    must(
        word(Expect::NodeAttribute, Class::Attribute, |w| {
            let first = w.text.chars().next()?;
            let good = first.is_ascii_alphanumeric() || "_#$-".contains(first);
            (good && !w.text.contains('=')).then_some(w.text.as_str())
        }),
        |_| "expected an attribute, 'date', 'defined' or 'not_defined'".to_string(),
    )(input)
}

fn comparison(input: Input<'_>) -> Res<'_, (Option<&'static str>, &'static str)> {
    word(Expect::Comparison, Class::Keyword, |w| {
        let (kind, operation) = match w.text.split_once(':') {
            Some((kind, operation)) => (Some(canonical(kind, COMPARISON_TYPES)?), operation),
            None => (None, w.text.as_str()),
        };
        Some((kind, canonical(operation, COMPARISONS)?))
    })(input)
}

fn date(input: Input<'_>) -> Res<'_, Element> {
    let operations = nom::branch::alt((
        keyword("lt"),
        keyword("gt"),
        keyword("in_range"),
        keyword("in"),
        keyword("date_spec"),
        keyword("spec"),
    ));
    let (rest, operation) = must(operations, |_| {
        "'date' takes one of lt, gt, in, in_range, spec, date_spec behind it".to_string()
    })(input)?;
    let out = Element::new("date_expression");
    match operation {
        "lt" | "gt" => {
            let value = word(Expect::Value("a date"), Class::Plain, |w| Some(&w.text));
            let (rest, value) = must(value, |_| "expected a date".to_string())(rest)?;
            let side = if operation == "lt" { "end" } else { "start" };
            Ok((rest, out.with("operation", operation).with(side, value)))
        }
        "in" | "in_range" => {
            let (after, parts) = many0(date_part(true)).parse(rest)?;
            if parts.len() < 2 {
                return fail(after, "'date in' takes start= and end=, or start= and a duration");
            }
            Ok((after, date_element(out.with("operation", "in_range"), "duration", &parts)))
        }
        _ => {
            let (after, parts) = many0(date_part(false)).parse(rest)?;
            if parts.is_empty() {
                return fail(after, format!("'date spec' takes {}=...", DATE_PARTS.join("=, ")));
            }
            Ok((after, date_element(out.with("operation", "date_spec"), "date_spec", &parts)))
        }
    }
}

fn date_part<'a>(range: bool) -> impl Fn(Input<'a>) -> Res<'a, (&'a str, &'a str)> {
    let expect = Expect::Value(if range { "start=, end= or hours= ..." } else { "hours= ..." });
    move |input| {
        word(expect.clone(), Class::Attribute, move |w| {
            let (name, value) = w.text.split_once('=').unwrap_or((&w.text, ""));
            let known = DATE_PARTS.contains(&name) || range && matches!(name, "start" | "end");
            known.then_some((name, value))
        })(input)
    }
}

fn date_element(mut out: Element, tag: &str, parts: &[(&str, &str)]) -> Element {
    let mut inner = Element::new(tag);
    for (name, value) in parts {
        if matches!(*name, "start" | "end") {
            out.set_attr(name, value);
        } else {
            inner.set_attr(name, value);
        }
    }
    if inner.attrs().len() > 0 {
        out.push(inner);
    }
    out
}
