//! Statements that define constraints, and their resource sets.

use crm_core::cib::Element;
use nom::Parser;
use nom::combinator::opt;

use super::attributes::{
    numeric_score, role_attribute, role_in_schema, rules, score_attribute, score_word,
};
use super::input::{Class, Expect, Input, Res, fail, fail_at, keyword, must, word};
use super::resource::{action, bad_suffix, with_suffix};
use super::statement::{Reference, References, Statement, new_id, reference, resource_name};
use super::token::Word;
use super::vocabulary::{ACTIONS, Kind, ORDER_KINDS, ROLES, boolean, canonical, nearest};

/// What may stand after the colon of a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Qualifier {
    Role,
    Action,
}

impl Qualifier {
    fn attribute(self) -> &'static str {
        match self {
            Qualifier::Role => "role",
            Qualifier::Action => "action",
        }
    }

    fn words(self) -> &'static [&'static str] {
        match self {
            Qualifier::Role => ROLES,
            Qualifier::Action => ACTIONS,
        }
    }

    /// The right spelling of a qualifier in the schema in force.
    fn read(self, input: &Input<'_>, word: &str) -> Option<&'static str> {
        match self {
            Qualifier::Role => canonical(role_in_schema(input, canonical(word, ROLES)?), ROLES),
            Qualifier::Action => action(word),
        }
    }
}

fn id(input: Input<'_>) -> Res<'_, Word> {
    must(new_id, |_| "expected a name (no '=', not empty)".to_string())(input)
}

/// `location <id> <what> [attribute=value] {<score>: <node> | rule ...}`
pub fn location<'a>(refs: &References) -> impl FnMut(Input<'a>) -> Res<'a, Statement> + use<'a> {
    let refs = refs.clone();
    move |input| {
        let (input, name) = id(input)?;
        let mut out = Element::new("rsc_location").with("id", &name.text);
        let mut references = Vec::new();
        let (mut input, sets) = located(input, &mut out, &mut references)?;
        while let Ok((rest, (key, value))) = plain_attribute(input) {
            let value = if key == "role" { role_in_schema(&input, value) } else { value };
            out.set_attr(key, value);
            input = rest;
        }
        let (mut input, score) = opt(score_word).parse(input)?;
        if let Some(score) = score {
            let (key, value) = score_attribute(score);
            out.set_attr(key, value);
            let (rest, node) = must(node_name, |_| "expected a node".to_string())(input)?;
            out.set_attr("node", &node.text);
            input = rest;
            if out.attr("role").is_none()
                && let Ok((rest, role)) = role_attribute(input)
            {
                out.set_attr("role", role_in_schema(&input, role));
                input = rest;
            }
        }
        sets.into_iter().for_each(|s| out.push(s));
        if score.is_none() {
            let (rest, rules) = rules(&refs)(input)?;
            if rules.is_empty() {
                return fail(input, "expected <score>: <node> or rule ...");
            }
            rules.into_iter().for_each(|r| out.push(r));
            input = rest;
        }
        let mut statement = Statement::new(Kind::Location, out).named(&name);
        statement.references = references;
        Ok((input, statement))
    }
}

/// The resource, the pattern or the sets of a location.
fn located<'a>(
    input: Input<'a>,
    out: &mut Element,
    references: &mut Vec<Reference>,
) -> Res<'a, Vec<Element>> {
    let pattern = word(Expect::Value("/pattern/"), Class::Reference, |w| {
        let inner = w.text.strip_prefix('/')?.strip_suffix('/')?;
        (!inner.is_empty()).then_some(inner)
    });
    if let Ok((rest, pattern)) = pattern(input) {
        out.set_attr("rsc-pattern", pattern);
        return Ok((rest, Vec::new()));
    }
    if let Ok((rest, _)) = keyword("{")(input) {
        let close = rest.rest().iter().position(|w| w.text == "}");
        let Some(close) = close else {
            let end = rest.rest().last().map_or(rest.here(), |w| w.span.clone());
            return fail_at(end.end..end.end, "expected '}' to close the set", vec!["}".into()]);
        };
        if close == 0 {
            return fail(rest, "a resource set may not be empty");
        }
        let (after, inside) = nom::Input::take_split(&rest, close);
        let (_, sets) = resource_sets(Qualifier::Role, references)(inside)?;
        let (after, _) = keyword("}")(after)?;
        return Ok((after, sets));
    }
    let (rest, resource) =
        must(resource_name, |_| "expected a resource, /pattern/ or { set }".to_string())(input)?;
    out.set_attr("rsc", &resource.text);
    references.push(reference(resource));
    Ok((rest, Vec::new()))
}

fn plain_attribute(input: Input<'_>) -> Res<'_, (&str, &str)> {
    word(Expect::Value("role= or resource-discovery="), Class::Attribute, |w| {
        let (key, value) = w.text.split_once('=')?;
        Some((key.strip_prefix('$').unwrap_or(key), value)).filter(|(k, _)| !k.is_empty())
    })(input)
}

fn node_name(input: Input<'_>) -> Res<'_, &Word> {
    word(Expect::Node, Class::Reference, |w| {
        (!w.text.is_empty() && !w.text.contains('=')).then_some(w)
    })(input)
}

/// Takes an attribute off the end of the line, where these statements have it.
fn tail<'a>(input: Input<'a>, key: &str) -> (Input<'a>, Option<&'a str>) {
    let last = input.rest().last();
    let value = last.and_then(|w| {
        let (k, v) = w.text.split_once('=')?;
        k.eq_ignore_ascii_case(key).then_some(v)
    });
    match value {
        Some(v) => (input.without_last(), Some(v)),
        None => (input, None),
    }
}

/// `colocation <id> <score>: ...`
pub fn colocation(input: Input<'_>) -> Res<'_, Statement> {
    let (input, name) = id(input)?;
    let (input, score) = must(score_word, |i| {
        let found = i.peek().map_or("the end of the line", |w| &w.text);
        format!("expected <score>: (such as inf: or 100:), found '{found}'")
    })(input)?;
    let (key, value) = score_attribute(score);
    let mut out = Element::new("rsc_colocation").with("id", &name.text).with(key, value);
    let (short, attribute) = tail(input, "node-attribute");
    if let Some(attribute) = attribute.filter(|a| !a.is_empty()) {
        out.set_attr("node-attribute", attribute);
    }
    members(short, out, Qualifier::Role, &["rsc", "with-rsc"], Kind::Colocation, &name)
}

/// `order <id> [kind:] ...`
pub fn order(input: Input<'_>) -> Res<'_, Statement> {
    let (input, name) = id(input)?;
    let mut out = Element::new("rsc_order").with("id", &name.text);
    input.want(Expect::Kind);
    let (rest, kind) = opt(score_word).parse(input)?;
    if let Some(kind) = kind {
        let known = canonical(kind, ORDER_KINDS).map(str::to_string).or_else(|| {
            let score = numeric_score(kind)?;
            Some(if score == "0" { "Optional" } else { "Mandatory" }.to_string())
        });
        match known {
            Some(known) => out.set_attr("kind", known),
            None => {
                let near = nearest(kind, ORDER_KINDS.iter().copied());
                let near = near.map(|n| format!(" (did you mean '{n}:'?)")).unwrap_or_default();
                let message = format!(
                    "Invalid kind '{kind}'{near}; expected Mandatory:, Optional:, Serialize: or a score"
                );
                return fail(input, message);
            }
        }
    }
    let (rest, symmetrical) = tail(rest, "symmetrical");
    if let Some(value) = symmetrical {
        match boolean(value) {
            Some(value) => out.set_attr("symmetrical", value.to_string()),
            None => {
                return fail(rest, format!("expected symmetrical=true or false, not '{value}'"));
            }
        }
    }
    members(rest, out, Qualifier::Action, &["first", "then"], Kind::Order, &name)
}

/// `rsc_ticket <id> <ticket>: ...`
pub fn ticket(input: Input<'_>) -> Res<'_, Statement> {
    let (input, name) = id(input)?;
    let (input, ticket) = must(score_word, |_| "expected <ticket>:".to_string())(input)?;
    let mut out = Element::new("rsc_ticket").with("id", &name.text).with("ticket", ticket);
    let (mut rest, policy) = tail(input, "loss-policy");
    match policy {
        Some(policy @ ("stop" | "demote" | "fence" | "freeze")) => {
            out.set_attr("loss-policy", policy);
        }
        Some(_) => rest = input,
        None => {}
    }
    members(rest, out, Qualifier::Role, &["rsc"], Kind::Ticket, &name)
}

/// The members: as many plain ones as there are `names`, or resource sets.
fn members<'a>(
    input: Input<'a>,
    mut out: Element,
    qualifier: Qualifier,
    names: &[&str],
    kind: Kind,
    id: &Word,
) -> Res<'a, Statement> {
    let mut references = Vec::new();
    let mut rest = input;
    if input.rest().len() == names.len() && !input.rest().iter().any(|w| is_bracket(&w.text)) {
        for name in names {
            rest = member(rest, &mut out, qualifier, name, &mut references)?.0;
        }
        // More of them would be read as sets.
        rest.want(Expect::Resource);
    } else {
        let (after, sets) = resource_sets(qualifier, &mut references)(input)?;
        if sets.is_empty() {
            let form = format!("<rsc>[:<{}>]", qualifier.attribute());
            let forms = vec![form; names.len()].join(" ");
            return fail(input, format!("expected {forms} or resource sets"));
        }
        sets.into_iter().for_each(|s| out.push(s));
        rest = after;
    }
    let mut statement = Statement::new(kind, out).named(id);
    statement.references = references;
    Ok((rest, statement))
}

fn is_bracket(text: &str) -> bool {
    matches!(text, "(" | ")" | "[" | "]")
}

/// One plain member: `rsc[:role]`, `rsc[:action]` or `rsc:<instance>`.
fn member<'a>(
    input: Input<'a>,
    out: &mut Element,
    qualifier: Qualifier,
    name: &str,
    references: &mut Vec<Reference>,
) -> Res<'a, ()> {
    let (rest, found) = with_suffix(input, Expect::Resource)?;
    out.set_attr(name, &found.name);
    references.push(Reference { id: found.name.clone(), span: found.word.span.clone() });
    if let Some(suffix) = &found.suffix {
        match qualifier.read(&input, suffix) {
            Some(word) => out.set_attr(&format!("{name}-{}", qualifier.attribute()), word),
            None if suffix.bytes().all(|b| b.is_ascii_digit()) => {
                out.set_attr(&format!("{name}-instance"), suffix);
            }
            None => return bad_suffix(&found, qualifier.attribute(), qualifier.words()),
        }
    }
    Ok((rest, ()))
}

// === resource sets ===

struct SetBuilder<'r> {
    qualifier: Qualifier,
    references: &'r mut Vec<Reference>,
    sets: Vec<Element>,
    current: Element,
    current_qualifier: Option<&'static str>,
    sequential: bool,
    require_all: bool,
    open: Option<(char, std::ops::Range<usize>)>,
}

impl SetBuilder<'_> {
    fn close(&mut self) {
        if self.current.nodes().is_empty() {
            return;
        }
        let mut set = std::mem::replace(&mut self.current, Element::new("resource_set"));
        if !self.require_all {
            set.set_attr("require-all", "false");
        }
        if !self.sequential {
            set.set_attr("sequential", "false");
        }
        if let Some(q) = self.current_qualifier.take() {
            set.set_attr(self.qualifier.attribute(), q);
        }
        self.sets.push(set);
    }

    fn bracket(&mut self, c: char, span: std::ops::Range<usize>) -> Result<(), String> {
        if matches!(c, '(' | '[') {
            self.close();
            if self.open.is_some() {
                return Err("resource sets cannot be nested; parsing stops here".into());
            }
            self.sequential = false;
            self.require_all = c != '[';
            self.open = Some((c, span));
            return Ok(());
        }
        if self.current.nodes().is_empty() {
            return Err("a resource set may not be empty; expected a resource".into());
        }
        self.close();
        match self.open.take() {
            None => Err(format!("Unmatched '{c}': no set is open")),
            Some(('(', _)) if c != ')' => Err(format!("Mismatched '{c}': expected ')'")),
            Some(('[', _)) if c != ']' => Err(format!("Mismatched '{c}': expected ']'")),
            Some(_) => {
                self.sequential = true;
                self.require_all = true;
                Ok(())
            }
        }
    }

    fn attribute(&mut self, text: &str) -> Result<(), String> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let target = match key {
            "sequential" => &mut self.sequential,
            "require-all" => &mut self.require_all,
            _ => {
                return Err(format!(
                    "'{key}' is no attribute of a set; expected sequential= or require-all="
                ));
            }
        };
        match boolean(value) {
            Some(v) => *target = v,
            None => return Err(format!("Not a boolean: expected {key}=true or {key}=false")),
        }
        Ok(())
    }

    fn member(&mut self, input: &Input<'_>, word: &Word, text: &str) -> Result<(), String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (name, qualifier) = match *parts {
            [name] => (name, None),
            [name, q] => match self.qualifier.read(input, q) {
                Some(known) => (name, Some(known)),
                None => {
                    return Err(format!(
                        "Invalid {} '{q}' for '{name}'; expected {}",
                        self.qualifier.attribute(),
                        self.qualifier.words().join(", ")
                    ));
                }
            },
            _ => return Err(format!("expected <rsc>[:<{}>]", self.qualifier.attribute())),
        };
        if qualifier != self.current_qualifier {
            self.close();
        }
        self.current_qualifier = qualifier;
        self.current.push(Element::new("resource_ref").with("id", name));
        self.references.push(Reference { id: name.to_string(), span: word.span.clone() });
        Ok(())
    }
}

/// `a ( b c ) [ d e ] ...` up to the end of the line.
fn resource_sets<'a, 'r>(
    qualifier: Qualifier,
    references: &'r mut Vec<Reference>,
) -> impl FnMut(Input<'a>) -> Res<'a, Vec<Element>> + use<'a, 'r> {
    let mut builder = SetBuilder {
        qualifier,
        references,
        sets: Vec::new(),
        current: Element::new("resource_set"),
        current_qualifier: None,
        sequential: true,
        require_all: true,
        open: None,
    };
    move |input| {
        let mut rest = input;
        while let Some(w) = rest.peek() {
            let step = set_word(&mut builder, &rest, w);
            if let Err(message) = step {
                return fail(rest, message);
            }
            rest = nom::Input::take_from(&rest, 1);
        }
        rest.want(Expect::Resource);
        ["(", "["].into_iter().for_each(|b| rest.want(Expect::Keyword(b)));
        if let Some((c, span)) = &builder.open {
            return fail_at(
                span.clone(),
                format!("Unmatched '{c}': the set is never closed"),
                Vec::new(),
            );
        }
        builder.close();
        Ok((rest, std::mem::take(&mut builder.sets)))
    }
}

/// One word of resource sets; brackets may cling to a name.
fn set_word(builder: &mut SetBuilder<'_>, input: &Input<'_>, w: &Word) -> Result<(), String> {
    let mut text = w.text.as_str();
    if text == "_rsc_set_" {
        return Ok(());
    }
    input.classify(if is_bracket(text) { Class::Keyword } else { Class::Reference });
    if let Some(c) = text.chars().next().filter(|c| matches!(c, '(' | '[')) {
        builder.bracket(c, w.span.clone())?;
        text = &text[1..];
    }
    let close = text.chars().next_back().filter(|c| matches!(c, ')' | ']'));
    if close.is_some() {
        text = &text[..text.len() - 1];
    }
    if text.contains('=') {
        builder.attribute(text)?;
    } else if !text.is_empty() {
        builder.member(input, w, text)?;
    }
    match close {
        Some(c) => builder.bracket(c, w.span.clone()),
        None => Ok(()),
    }
}
