//! Rules: expressions over node attributes, agents, operations and dates
//! (scheduler reference, part 1, sections 17 and 18). Parsed once, evaluated often.

mod date;

use std::sync::Arc;

pub use date::Moment;

/// A parsed rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `id`
    pub id: Arc<str>,
    /// True for `boolean-op="or"`.
    pub any: bool,
    /// What is combined, in document order.
    pub parts: Vec<RulePart>,
}

/// A part of a rule.
#[derive(Clone, Debug)]
pub enum RulePart {
    /// A nested rule.
    Rule(Rule),
    /// Never true: unknown element, missing attribute.
    False,
}
