//! One statement of the language: its kinds, its result, and how it is read.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use crm_core::cib::Element;
use nom::Parser;

use super::input::{Class, Expect, Fault, Input, Notes, Res, World, word};
use super::token::Word;
use super::vocabulary::{Kind, nearest};
use super::{acl, constraint, resource, settings};

/// A name that a statement refers to, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name.
    pub id: String,
    /// Where it stands, in bytes of the source.
    pub span: Range<usize>,
}

/// Ids that `$id-ref=` names; shared by the parsers of one statement.
#[derive(Clone, Debug, Default)]
pub struct References(Rc<RefCell<Vec<String>>>);

impl References {
    /// Notes an `$id-ref`.
    pub fn id_ref(&self, id: &str) {
        self.0.borrow_mut().push(id.to_string());
    }

    fn take(&self) -> Vec<String> {
        self.0.borrow_mut().split_off(0)
    }
}

/// What a statement defines. Automatic ids are not in the element yet: see
/// [`assign`](super::ids::assign).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The kind of object.
    pub kind: Kind,
    /// Its name, if the statement gives one.
    pub id: Option<Reference>,
    /// The element, without members.
    pub element: Element,
    /// The resources that a container holds, in order; the resource of a `monitor`.
    pub members: Vec<Reference>,
    /// Members that came with their definition, in an `xml` statement.
    pub embedded: Vec<Element>,
    /// Resources (nodes, roles) that the element refers to.
    pub references: Vec<Reference>,
    /// Ids named by `$id-ref=`.
    pub id_refs: Vec<String>,
    /// Where the statement stands.
    pub span: Range<usize>,
    /// The comment lines directly before it.
    pub comments: Vec<String>,
    /// An old notation that still works, and what to write instead.
    pub deprecated: Option<String>,
}

impl Statement {
    /// A statement with nothing but its element.
    pub fn new(kind: Kind, element: Element) -> Statement {
        Statement {
            kind,
            id: None,
            element,
            members: Vec::new(),
            embedded: Vec::new(),
            references: Vec::new(),
            id_refs: Vec::new(),
            span: 0..0,
            comments: Vec::new(),
            deprecated: None,
        }
    }

    /// The same statement with a name.
    #[must_use]
    pub fn named(mut self, id: &Word) -> Statement {
        self.id = Some(reference(id));
        self
    }
}

/// A word as a reference.
pub fn reference(word: &Word) -> Reference {
    Reference { id: word.text.clone(), span: word.span.clone() }
}

/// The name of an object that is defined here; `id=name` is accepted for it.
pub fn new_id(input: Input<'_>) -> Res<'_, Word> {
    word(Expect::NewId, Class::Id, |w| {
        let name = w.text.strip_prefix("id=").unwrap_or(&w.text);
        is_identifier(name).then(|| Word { text: name.to_string(), ..w.clone() })
    })(input)
}

/// A name in general: no `=`, begins with a letter, a digit or one of `_#$-`.
pub fn is_identifier(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|c| c.is_alphanumeric() || "_#$-".contains(c)) && !name.contains('=')
}

/// The name of a resource that exists.
pub fn resource_name(input: Input<'_>) -> Res<'_, &Word> {
    word(Expect::Resource, Class::Reference, |w| {
        let first = w.text.chars().next()?;
        let good = first.is_alphabetic() || "_#$".contains(first);
        (good && !w.text.contains('=')).then_some(w)
    })(input)
}

/// Reads one statement.
///
/// # Errors
/// The fault that stopped it, with its place and what was expected there.
pub fn parse<'a>(
    words: &'a [Word],
    world: &'a dyn World,
    notes: &'a Notes,
) -> Result<Statement, Fault> {
    let input = Input::new(words, notes, world);
    let refs = References::default();
    let (rest, mut statement) = match dispatch(input, &refs) {
        Ok(done) => done,
        Err(nom::Err::Failure(fault)) => return Err(with_context(*fault, words)),
        Err(nom::Err::Error(fault)) => return Err(unexpected(fault.span, words, notes)),
        Err(nom::Err::Incomplete(_)) => return Err(unexpected(input.here(), words, notes)),
    };
    if rest.peek().is_some() {
        rest.want(Expect::End);
        return Err(leftover(&rest, words));
    }
    statement.id_refs = refs.take();
    let start = words.first().map_or(0, |w| w.span.start);
    statement.span = start..words.last().map_or(start, |w| w.span.end);
    Ok(statement)
}

fn dispatch<'a>(input: Input<'a>, refs: &References) -> Res<'a, Statement> {
    let kinds = Kind::all().map(Kind::keyword);
    kinds.for_each(|k| input.want(Expect::Keyword(k)));
    input.want(Expect::Keyword("xml"));
    let (rest, kind) = word(Expect::Keyword("primitive"), Class::Keyword, |w| {
        let kind = Kind::from_keyword(&w.text);
        kind.map(Some).or_else(|| w.text.eq_ignore_ascii_case("xml").then_some(None))
    })(input)?;
    let Some(kind) = kind else {
        return settings::xml(rest);
    };
    let outcome = one(kind, rest, refs);
    // What each place wanted has been noted by now, so that completion knows it.
    arity(kind, &input)?;
    outcome
}

fn one<'a>(kind: Kind, rest: Input<'a>, refs: &References) -> Res<'a, Statement> {
    match kind {
        Kind::Primitive => resource::primitive(refs).parse(rest),
        Kind::Template => resource::template(refs).parse(rest),
        Kind::Group => resource::group(refs).parse(rest),
        Kind::Clone | Kind::Master => resource::clone(kind, refs).parse(rest),
        Kind::Bundle => resource::bundle(refs).parse(rest),
        Kind::Monitor => resource::monitor(rest),
        Kind::Location => constraint::location(refs).parse(rest),
        Kind::Colocation => constraint::colocation(rest),
        Kind::Order => constraint::order(rest),
        Kind::Ticket => constraint::ticket(rest),
        Kind::Node => settings::node(refs).parse(rest),
        Kind::Property | Kind::RscDefaults | Kind::OpDefaults => {
            settings::property(kind, refs).parse(rest)
        }
        Kind::Fencing => settings::fencing(rest),
        Kind::Tag => settings::tag(rest),
        Kind::Alert => settings::alert(refs).parse(rest),
        Kind::Role => acl::role(rest),
        Kind::AclTarget | Kind::AclGroup => acl::target(kind).parse(rest),
        Kind::User => acl::user(rest),
    }
}

/// How each kind of statement is written.
pub fn synopsis(kind: Kind) -> &'static str {
    match kind {
        Kind::Node => "node [<id>:] <name>[:<type>] [attributes n=v ...] [utilization n=v ...]",
        Kind::Template => {
            "rsc_template <id> [class:[provider:]]type [params n=v ...] [meta n=v ...] [op ...]"
        }
        Kind::Primitive => {
            "primitive <id> {[class:[provider:]]type | @template} [params n=v ...] [meta n=v ...] [utilization n=v ...] [op <name> n=v ...]"
        }
        Kind::Bundle => {
            "bundle <id> {docker|podman|rkt} n=v ... [network n=v ...] [storage ...] [primitive <rsc>] [meta n=v ...]"
        }
        Kind::Group => "group <id> <rsc> [<rsc> ...] [params n=v ...] [meta n=v ...]",
        Kind::Master => "ms <id> <rsc> [params n=v ...] [meta n=v ...]",
        Kind::Clone => "clone <id> <rsc> [params n=v ...] [meta n=v ...]",
        Kind::Tag => "tag <id>: <rsc> [<rsc> ...]",
        Kind::Location => {
            "location <id> {<rsc> | /pattern/ | { <rsc> ... }} [role=R] {<score>: <node> | rule ...}"
        }
        Kind::Colocation => "colocation <id> <score>: <rsc>[:<role>] <rsc>[:<role>] ...",
        Kind::Order => {
            "order <id> [Mandatory:|Optional:|Serialize:] <rsc>[:<action>] <rsc>[:<action>] ... [symmetrical=bool]"
        }
        Kind::Ticket => "rsc_ticket <id> <ticket>: <rsc>[:<role>] ... [loss-policy=P]",
        Kind::Fencing => "fencing_topology [<node>:] <device>[,<device> ...] ...",
        Kind::Property => "property [<set>:] <name>=<value> ...",
        Kind::RscDefaults => "rsc_defaults [<set>:] <name>=<value> ...",
        Kind::OpDefaults => "op_defaults [<set>:] <name>=<value> ...",
        Kind::Role => {
            "role <id> {read|write|deny} {xpath:X | ref:ID | type:TAG [attr:A] | shortcut} ..."
        }
        Kind::AclTarget => "acl_target <id> <role> [<role> ...]",
        Kind::AclGroup => "acl_group <id> <role> [<role> ...]",
        Kind::User => "user <id> {role:<role> | <rule>} ...",
        Kind::Alert => {
            "alert <id> <path> [attributes n=v ...] [meta n=v ...] [select ...] [to <recipient>] ..."
        }
        Kind::Monitor => "monitor <rsc>[:<role>] <interval>[:<timeout>]",
    }
}

/// Refuses a statement that cannot be complete, with its synopsis.
fn arity<'a>(kind: Kind, input: &Input<'a>) -> Result<(), nom::Err<Box<Fault>>> {
    let least = match kind {
        Kind::Node | Kind::Property | Kind::RscDefaults | Kind::OpDefaults => 1,
        Kind::Fencing => 0,
        _ => 2,
    };
    if input.rest().len() > least {
        return Ok(());
    }
    let end = input.rest().last().map_or(0, |w| w.span.end);
    let plural = if least == 1 { "argument" } else { "arguments" };
    Err(nom::Err::Failure(Box::new(Fault {
        span: end..end,
        message: format!("{} takes at least {least} {plural}: {}", kind.keyword(), synopsis(kind)),
        candidates: Vec::new(),
    })))
}

fn with_context(mut fault: Fault, words: &[Word]) -> Fault {
    if !fault.message.contains(" takes at least ") {
        let context = words.first().map_or("statement", |w| &w.text);
        fault.message = format!("syntax in {context}: {}", fault.message);
    }
    fault
}

fn unexpected(span: Range<usize>, words: &[Word], notes: &Notes) -> Fault {
    let index = words.iter().position(|w| w.span == span).unwrap_or(words.len());
    let expected = notes.expected_at(index);
    if index == 0 {
        let found = words.first().map_or("", |w| w.text.as_str());
        let near = nearest(found, Kind::all().map(Kind::keyword));
        let near = near.map(|n| format!("; did you mean '{n}'?")).unwrap_or_default();
        return Fault {
            span,
            message: format!("syntax: Unknown command '{found}'{near}"),
            candidates: Vec::new(),
        };
    }
    let found = words.get(index).map_or("the end of the line".into(), |w| format!("'{}'", w.text));
    with_context(
        Fault {
            span,
            message: format!("expected {}, found {found}", list(&expected)),
            candidates: Vec::new(),
        },
        words,
    )
}

fn leftover(rest: &Input<'_>, words: &[Word]) -> Fault {
    let expected = rest.notes().expected_at(rest.index());
    let found = rest.peek().map_or("", |w| &w.text);
    let keywords: Vec<&str> = expected
        .iter()
        .filter_map(|e| match e {
            Expect::Keyword(k) => Some(*k),
            _ => None,
        })
        .collect();
    let near = nearest(found, keywords).map(|n| format!(" (did you mean '{n}'?)"));
    with_context(
        Fault {
            span: rest.here(),
            message: format!(
                "unexpected '{found}'{}; expected {}",
                near.unwrap_or_default(),
                list(&expected)
            ),
            candidates: Vec::new(),
        },
        words,
    )
}

fn list(expected: &[Expect]) -> String {
    let labels: Vec<String> = expected.iter().map(Expect::label).collect();
    match labels.split_last() {
        None => "something else".into(),
        Some((one, [])) => one.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}
