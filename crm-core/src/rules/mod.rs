//! Rules: expressions over node attributes, agents, operations and dates
//! (scheduler reference, part 1, sections 17 and 18). Parsed once, evaluated often.

mod date;
mod eval;
mod flaws;
mod parse;

use std::sync::Arc;

pub use date::{Amounts, DateSpec, Moment, parse_duration};
pub(crate) use eval::expand;
pub use eval::{AgentName, Context, Lookup, Outcome, any_passes};
pub use flaws::{Flaw, flaws};

/// A parsed rule (I-193).
#[derive(Clone, Debug)]
pub struct Rule {
    /// `id`
    pub id: Arc<str>,
    /// True for `boolean-op="or"`.
    pub any: bool,
    /// What is combined, in document order.
    pub parts: Vec<RulePart>,
}

/// A part of a rule (I-195).
#[derive(Clone, Debug)]
pub enum RulePart {
    /// A nested rule.
    Rule(Rule),
    /// `expression` on a node attribute.
    Attribute(AttributeTest),
    /// `expression` on `#role`; only its truth without a role matters (I-200), which is false.
    Role,
    /// `date_expression`
    Date(DateTest),
    /// `rsc_expression` (I-201).
    Agent {
        /// `class`
        class: Option<Arc<str>>,
        /// `provider`
        provider: Option<Arc<str>>,
        /// `type`
        kind: Option<Arc<str>>,
    },
    /// `op_expression` (I-202).
    Operation {
        /// `name`
        name: Option<Arc<str>>,
        /// `interval` in ms, if given; `Some(None)` if it cannot be read.
        interval: Option<Option<u32>>,
    },
    /// Never true: unknown element, missing attribute, dangling reference.
    False,
}

/// Operators of `expression`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `defined`
    Defined,
    /// `not_defined`
    NotDefined,
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `lt`
    Less,
    /// `lte`
    LessEqual,
    /// `gt`
    Greater,
    /// `gte`
    GreaterEqual,
    /// Any other word: never true.
    Unknown,
}

/// How both sides of an `expression` are read (I-199).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueType {
    /// Decided by operator and values.
    Default,
    /// Without case.
    String,
    /// 64 bit.
    Integer,
    /// Double.
    Number,
    /// Dot-separated.
    Version,
    /// Unknown word: always equal.
    Unknown,
}

/// Where the value of an `expression` comes from (I-197).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueSource {
    /// The text itself.
    Literal,
    /// The resource parameter of that name.
    Param,
    /// The meta-attribute of that name.
    Meta,
}

/// `expression` on a node attribute.
#[derive(Clone, Debug)]
pub struct AttributeTest {
    /// The attribute; may contain `%0` to `%9` with patterns (I-196).
    pub attribute: Arc<str>,
    /// Operator.
    pub comparison: Comparison,
    /// Value.
    pub value: Option<Arc<str>>,
    /// Type.
    pub value_type: ValueType,
    /// Source of the value.
    pub source: ValueSource,
}

/// `date_expression` (I-203).
#[derive(Clone, Debug)]
pub enum DateTest {
    /// `in_range`
    InRange {
        /// Lower bound, as written.
        start: Option<Arc<str>>,
        /// Upper bound, as written.
        end: Option<Arc<str>>,
        /// With a start and no end: the end is start + this.
        duration: Option<Amounts>,
    },
    /// `gt`
    After(Option<Arc<str>>),
    /// `lt`
    Before(Option<Arc<str>>),
    /// `date_spec`
    Spec(DateSpec),
    /// Never true.
    False,
}
