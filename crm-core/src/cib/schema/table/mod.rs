//! The table: elements, by the place where they stand.
//!
//! An element ([`Shape`]) has one form or several; it is valid if it is so in one of them. The
//! same tag may have several shapes, because what it may hold depends on what is around it.

mod access;
mod constraints;
mod resources;
mod root;
mod rules;
mod sets;

use super::Schema;
use super::kind::Kind;

pub use root::CIB as ROOT;
pub(in crate::cib) use sets::{GONE_PROPERTIES, GONE_STACKS};

/// From which schema to which something exists, both included.
#[derive(Clone, Copy, Debug)]
pub struct Span(Schema, Schema);

impl Span {
    /// Whether it exists in this one.
    pub fn contains(self, schema: Schema) -> bool {
        self.0 <= schema && schema <= self.1
    }
}

/// In all of them.
const ALWAYS: Span = Span(Schema::OLDEST, Schema::Next);

/// In this one and the later ones.
const fn since(major: u8, minor: u8) -> Span {
    Span(Schema::Release(major, minor), Schema::Next)
}

/// In this one and the earlier ones.
const fn until(major: u8, minor: u8) -> Span {
    Span(Schema::OLDEST, Schema::Release(major, minor))
}

/// Between these, included.
const fn between(from: (u8, u8), to: (u8, u8)) -> Span {
    Span(Schema::Release(from.0, from.1), Schema::Release(to.0, to.1))
}

/// Only in `pacemaker-next`.
const NEXT: Span = Span(Schema::Next, Schema::Next);

/// Whether an attribute may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It may not.
    Must,
    /// It may.
    May,
}

/// An attribute.
#[derive(Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be left out.
    pub need: Need,
    /// Where it exists.
    pub span: Span,
}

const fn must(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, kind, need: Need::Must, span: ALWAYS }
}

const fn may(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, kind, need: Need::May, span: ALWAYS }
}

impl Attribute {
    const fn when(self, span: Span) -> Attribute {
        Attribute { span, ..self }
    }
}

/// Attributes of which not more than one may be given.
#[derive(Debug)]
pub struct Limit {
    /// 1 if one must be given.
    pub least: usize,
    /// The attributes.
    pub names: &'static [&'static str],
}

/// Children of one sort.
#[derive(Debug)]
pub struct Particle {
    /// What each of them may be.
    pub shapes: &'static [&'static Shape],
    /// 1 if there must be one.
    pub least: usize,
    /// Whether there may be several.
    pub many: bool,
    /// Where they exist.
    pub span: Span,
}

const fn any(shapes: &'static [&'static Shape]) -> Particle {
    Particle { shapes, least: 0, many: true, span: ALWAYS }
}

const fn some(shapes: &'static [&'static Shape]) -> Particle {
    Particle { shapes, least: 1, many: true, span: ALWAYS }
}

const fn one(shapes: &'static [&'static Shape]) -> Particle {
    Particle { shapes, least: 1, many: false, span: ALWAYS }
}

const fn maybe(shapes: &'static [&'static Shape]) -> Particle {
    Particle { shapes, least: 0, many: false, span: ALWAYS }
}

impl Particle {
    const fn when(self, span: Span) -> Particle {
        Particle { span, ..self }
    }
}

/// One of the ways to write an element.
#[derive(Debug)]
pub struct Form {
    /// Attributes beside those that all forms have.
    pub attributes: &'static [Attribute],
    /// Attributes that exclude each other.
    pub limits: &'static [(Limit, Span)],
    /// The children.
    pub children: &'static [Particle],
    /// Where this form exists.
    pub span: Span,
}

/// A form with these attributes and children.
const fn form(attributes: &'static [Attribute], children: &'static [Particle]) -> Form {
    Form { attributes, limits: &[], children, span: ALWAYS }
}

/// The only form of what has all its attributes in common.
const PLAIN: &[Form] = &[form(&[], &[])];

impl Form {
    const fn when(self, span: Span) -> Form {
        Form { span, ..self }
    }

    const fn limited(self, limits: &'static [(Limit, Span)]) -> Form {
        Form { limits, ..self }
    }
}

/// An element in its place.
#[derive(Debug)]
pub struct Shape {
    /// Its name.
    pub tag: &'static str,
    /// Attributes in all forms.
    pub attributes: &'static [Attribute],
    /// Attributes that exclude each other, in all forms.
    pub limits: &'static [(Limit, Span)],
    /// The forms.
    pub forms: &'static [Form],
    /// The children come in the order of the table.
    pub ordered: bool,
    /// Nothing inside is looked at.
    pub open: bool,
    /// Where it exists.
    pub span: Span,
}

const fn shape(
    tag: &'static str,
    attributes: &'static [Attribute],
    forms: &'static [Form],
) -> Shape {
    Shape { tag, attributes, limits: &[], forms, ordered: false, open: false, span: ALWAYS }
}

impl Shape {
    const fn when(self, span: Span) -> Shape {
        Shape { span, ..self }
    }

    const fn limited(self, limits: &'static [(Limit, Span)]) -> Shape {
        Shape { limits, ..self }
    }

    const fn in_order(self) -> Shape {
        Shape { ordered: true, ..self }
    }
}

const fn at_most_one(names: &'static [&'static str]) -> Limit {
    Limit { least: 0, names }
}

const fn exactly_one(names: &'static [&'static str]) -> Limit {
    Limit { least: 1, names }
}
