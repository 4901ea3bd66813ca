//! What the grammar reads: a run of words, and what it notes down while reading.
//!
//! Every parser that looks at a word and does not want it leaves behind what it wanted instead;
//! every word that is taken leaves its class. From the same notes come the message of a syntax
//! error, the candidates of completion and the colours of the interactive prompt.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::iter::Enumerate;
use std::ops::Range;
use std::slice::Iter;

use nom::{IResult, Needed};

use super::token::Word;

/// What a place in a statement wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expect {
    /// This very word.
    Keyword(&'static str),
    /// A new name for an object.
    NewId,
    /// The name of a resource (or tag or template) that exists.
    Resource,
    /// The name of a node.
    Node,
    /// `[class:[provider:]]type`.
    Agent,
    /// `@` and the name of a resource template.
    Template,
    /// `name=value` of the set that this section keyword (`params`, `meta`, ...) opens.
    Attribute(&'static str),
    /// The name of an operation.
    Operation,
    /// A preference followed by a colon.
    Score,
    /// `Mandatory:`, `Optional:` or `Serialize:`.
    Kind,
    /// A role after a colon.
    Role,
    /// An action after a colon.
    Action,
    /// The name of a node attribute in a rule.
    NodeAttribute,
    /// A comparison in a rule.
    Comparison,
    /// The name of an ACL role.
    AclRole,
    /// What an access rule applies to.
    AclObject,
    /// The name of any object.
    Object,
    /// Anything; the text says what it is.
    Value(&'static str),
    /// Nothing more.
    End,
}

impl Expect {
    /// How a message names it.
    pub fn label(&self) -> String {
        match self {
            Expect::Keyword(word) => format!("'{word}'"),
            Expect::NewId => "a name".into(),
            Expect::Resource => "a resource".into(),
            Expect::Node => "a node".into(),
            Expect::Agent => "an agent ([class:[provider:]]type)".into(),
            Expect::Template => "@template".into(),
            Expect::Attribute(_) => "name=value".into(),
            Expect::Operation => "an operation".into(),
            Expect::Score => "<score>:".into(),
            Expect::Kind => "Mandatory:, Optional: or Serialize:".into(),
            Expect::Role => "a role".into(),
            Expect::Action => "an action".into(),
            Expect::NodeAttribute => "an attribute".into(),
            Expect::Comparison => "a comparison (eq, ne, lt, gt, lte, gte)".into(),
            Expect::AclRole => "an ACL role".into(),
            Expect::AclObject => "<type>:<object>".into(),
            Expect::Object => "an object".into(),
            Expect::Value(what) => (*what).into(),
            Expect::End => "the end of the line".into(),
        }
    }
}

/// What a word turned out to be, for highlighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A word of the language.
    Keyword,
    /// The name of the object that is defined.
    Id,
    /// A reference to another object.
    Reference,
    /// `name=value`.
    Attribute,
    /// A score or kind.
    Score,
    /// An agent.
    Agent,
    /// Anything else.
    Plain,
}

/// What the grammar must know of the world; everything has a harmless default.
pub trait World {
    /// The provider of `ocf` agents of this type that an unqualified name means.
    fn provider(&self, agent_type: &str) -> String {
        let _ = agent_type;
        "heartbeat".into()
    }

    /// The names of the nodes, in order; a fencing topology without targets applies to all.
    fn nodes(&self) -> Vec<String> {
        Vec::new()
    }

    /// True while text that was printed from a CIB is read back: empty values are data then.
    fn lenient(&self) -> bool {
        false
    }

    /// The schema in force, as in `validate-with`.
    fn schema(&self) -> SchemaVersion {
        SchemaVersion::default()
    }
}

/// A world of which nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWorld;

impl World for NoWorld {}

/// The version of the CIB schema, as in `validate-with="pacemaker-3.9"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaVersion(pub u32, pub u32);

impl Default for SchemaVersion {
    fn default() -> SchemaVersion {
        SchemaVersion(3, 9)
    }
}

impl SchemaVersion {
    /// Reads `pacemaker-X.Y`; anything else counts as the newest.
    pub fn parse(name: &str) -> SchemaVersion {
        let read = || {
            let (major, minor) = name.strip_prefix("pacemaker-")?.split_once('.')?;
            Some(SchemaVersion(major.parse().ok()?, minor.parse().ok()?))
        };
        read().unwrap_or_default()
    }

    /// True where roles may be called Promoted and Unpromoted.
    pub fn has_promoted(self) -> bool {
        self >= SchemaVersion(3, 7)
    }
}

/// Notes of one parse.
#[derive(Debug, Default)]
pub struct Notes {
    expected: RefCell<BTreeMap<usize, Vec<Expect>>>,
    classes: RefCell<BTreeMap<usize, Class>>,
}

impl Notes {
    /// What was wanted at the word with this index.
    pub fn expected_at(&self, index: usize) -> Vec<Expect> {
        self.expected.borrow().get(&index).cloned().unwrap_or_default()
    }

    /// The class of each word, by index.
    pub fn classes(&self) -> BTreeMap<usize, Class> {
        self.classes.borrow().clone()
    }
}

/// A run of words that is left to read.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    words: &'a [Word],
    index: usize,
    /// Where the statement ends in the source.
    end: usize,
    notes: &'a Notes,
    /// What the grammar knows of the world.
    pub world: &'a dyn World,
}

impl<'a> Input<'a> {
    /// All of a statement.
    pub fn new(words: &'a [Word], notes: &'a Notes, world: &'a dyn World) -> Input<'a> {
        let end = words.last().map_or(0, |w| w.span.end);
        Input { words, index: 0, end, notes, world }
    }

    /// The next word.
    pub fn peek(&self) -> Option<&'a Word> {
        self.words.first()
    }

    /// All words that are left.
    pub fn rest(&self) -> &'a [Word] {
        self.words
    }

    /// The place of the next word, or the end of the statement.
    pub fn here(&self) -> Range<usize> {
        self.peek().map_or(self.end..self.end, |w| w.span.clone())
    }

    /// The index of the next word in the statement.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The same input without its last word.
    pub fn without_last(&self) -> Input<'a> {
        let keep = self.words.len().saturating_sub(1);
        Input { words: &self.words[..keep], ..*self }
    }

    /// Notes what was wanted here.
    pub fn want(&self, expect: Expect) {
        let mut expected = self.notes.expected.borrow_mut();
        let here = expected.entry(self.index).or_default();
        if !here.contains(&expect) {
            here.push(expect);
        }
    }

    /// Notes what the next word is.
    pub fn classify(&self, class: Class) {
        self.notes.classes.borrow_mut().insert(self.index, class);
    }

    /// The notes of this parse.
    pub fn notes(&self) -> &'a Notes {
        self.notes
    }

    fn skip(&self, n: usize) -> Input<'a> {
        let n = n.min(self.words.len());
        Input { words: &self.words[n..], index: self.index + n, ..*self }
    }
}

impl<'a> nom::Input for Input<'a> {
    type Item = &'a Word;
    type Iter = Iter<'a, Word>;
    type IterIndices = Enumerate<Iter<'a, Word>>;

    fn input_len(&self) -> usize {
        self.words.len()
    }

    fn take(&self, index: usize) -> Self {
        Input { words: &self.words[..index.min(self.words.len())], ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        self.skip(index)
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.skip(index), nom::Input::take(self, index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.words.iter().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.words.iter()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.words.iter().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        if count <= self.words.len() {
            Ok(count)
        } else {
            Err(Needed::new(count - self.words.len()))
        }
    }
}

/// Why a parser gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, in bytes of the source.
    pub span: Range<usize>,
    /// What is wrong, without the place.
    pub message: String,
    /// Words that would have been right here.
    pub candidates: Vec<String>,
}

impl<'a> nom::error::ParseError<Input<'a>> for Box<Fault> {
    fn from_error_kind(input: Input<'a>, _kind: nom::error::ErrorKind) -> Self {
        Box::new(Fault { span: input.here(), message: String::new(), candidates: Vec::new() })
    }

    fn append(_input: Input<'a>, _kind: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

/// The result of a parser of the grammar.
pub type Res<'a, T> = IResult<Input<'a>, T, Box<Fault>>;

/// The recoverable "not this".
pub fn no<T>(input: Input<'_>) -> Res<'_, T> {
    Err(nom::Err::Error(Box::new(Fault {
        span: input.here(),
        message: String::new(),
        candidates: Vec::new(),
    })))
}

/// The final "this is wrong".
pub fn fail<T>(input: Input<'_>, message: impl Into<String>) -> Res<'_, T> {
    fail_at(input.here(), message, Vec::new())
}

/// [`fail`] at another place, with the words that would have been right.
pub fn fail_at<'a, T>(
    span: Range<usize>,
    message: impl Into<String>,
    candidates: Vec<String>,
) -> Res<'a, T> {
    Err(nom::Err::Failure(Box::new(Fault { span, message: message.into(), candidates })))
}

/// Takes the next word if `read` makes something of it.
pub fn word<'a, T>(
    expect: Expect,
    class: Class,
    read: impl Fn(&'a Word) -> Option<T>,
) -> impl Fn(Input<'a>) -> Res<'a, T> {
    move |input| match input.peek().and_then(&read) {
        Some(value) => {
            input.classify(class);
            Ok((input.skip(1), value))
        }
        None => {
            input.want(expect.clone());
            no(input)
        }
    }
}

/// Takes a keyword, in any case.
pub fn keyword<'a>(name: &'static str) -> impl Fn(Input<'a>) -> Res<'a, &'static str> {
    word(Expect::Keyword(name), Class::Keyword, move |w| {
        w.text.eq_ignore_ascii_case(name).then_some(name)
    })
}

/// Turns "not this" into the final message `wrong`.
pub fn must<'a, T>(
    mut parser: impl nom::Parser<Input<'a>, Output = T, Error = Box<Fault>>,
    wrong: impl Fn(&Input<'a>) -> String,
) -> impl FnMut(Input<'a>) -> Res<'a, T> {
    move |input| match parser.parse(input) {
        Err(nom::Err::Error(_)) => fail(input, wrong(&input)),
        other => other,
    }
}
