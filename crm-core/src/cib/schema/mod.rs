//! The schemas of the CIB, 1.0 to 3.9: which elements and attributes there are, in which of them,
//! and what they may hold (scheduler reference, I-18 to I-20).
//!
//! One table ([`table`]) says for each element its attributes, what they hold, its content, and
//! from which schema to which each of that exists. Everybody who asks "is this valid?" asks
//! [`Schema::check`]. That the verdicts are those of Pacemaker's own schema files is tested where
//! those are installed.

mod check;
mod kind;
mod table;

use std::fmt;

pub use check::Violation;
pub(super) use table::{GONE_PROPERTIES, GONE_STACKS};

use super::Element;

/// The schemas that there are, oldest first, but for `none`.
const RELEASES: [(u8, u8); 24] = [
    (1, 0),
    (1, 2),
    (1, 3),
    (2, 0),
    (2, 1),
    (2, 2),
    (2, 3),
    (2, 4),
    (2, 5),
    (2, 6),
    (2, 7),
    (2, 8),
    (2, 9),
    (2, 10),
    (3, 0),
    (3, 1),
    (3, 2),
    (3, 3),
    (3, 4),
    (3, 5),
    (3, 6),
    (3, 7),
    (3, 8),
    (3, 9),
];

/// Values of `validate-with` that name no schema of today but are spelled right.
const FORMER: [&str; 4] = ["pacemaker-0.6", "transitional-0.6", "pacemaker-0.7", "pacemaker-1.1"];

/// One schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Schema {
    /// `pacemaker-MAJOR.MINOR`.
    Release(u8, u8),
    /// `pacemaker-next`, where things are tried that no release has.
    Next,
    /// `none`: nothing is checked.
    Unchecked,
}

impl Schema {
    /// The newest one.
    pub const CURRENT: Schema = Schema::Release(3, 9);
    /// The oldest one that the scheduler reads as it is.
    pub const OLDEST_USABLE: Schema = Schema::Release(3, 0);
    /// The oldest one of all.
    pub const OLDEST: Schema = Schema::Release(1, 0);

    /// The schema of this name (upper and lower case are one, as in Pacemaker).
    pub fn named(name: &str) -> Option<Schema> {
        let name = name.to_ascii_lowercase();
        match &*name {
            "none" => return Some(Schema::Unchecked),
            "pacemaker-next" => return Some(Schema::Next),
            _ => {}
        }
        Schema::releases().find(|schema| schema.to_string() == name)
    }

    /// All numbered ones, oldest first.
    pub fn releases() -> impl Iterator<Item = Schema> {
        RELEASES.iter().map(|&(major, minor)| Schema::Release(major, minor))
    }

    /// The numbered one after this one.
    pub fn following(self) -> Option<Schema> {
        Schema::releases().find(|other| *other > self)
    }

    /// What does not fit this schema, in document order; empty if the document is valid.
    ///
    /// No more than [`Violation::MOST`] are listed.
    pub fn check(self, cib: &Element) -> Vec<Violation> {
        if self == Schema::Unchecked { Vec::new() } else { check::document(self, cib) }
    }

    /// True if the document is valid in this schema.
    pub fn accepts(self, cib: &Element) -> bool {
        self.check(cib).is_empty()
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schema::Release(major, minor) => write!(f, "pacemaker-{major}.{minor}"),
            Schema::Next => f.write_str("pacemaker-next"),
            Schema::Unchecked => f.write_str("none"),
        }
    }
}

/// What does not fit the schema that the document names with `validate-with`.
///
/// A document that names none is not checked, as one that names `none`.
///
/// # Errors
/// The name that no schema has.
pub fn validate(cib: &Element) -> Result<Vec<Violation>, String> {
    let Some(name) = cib.attr("validate-with") else { return Ok(Vec::new()) };
    Schema::named(name).map(|schema| schema.check(cib)).ok_or_else(|| name.to_string())
}
