//! A document against the table.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use super::Schema;
use super::kind::{Kind, stripped};
use super::table::{Form, Limit, Need, Particle, Shape};
use crate::cib::{Child, Element};

/// Something that does not fit a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The element: its tag, with its id if it has one.
    pub element: String,
    /// The id of the element or of the nearest one around it that has one.
    pub id: Option<String>,
    /// The attribute or the word that it is about.
    pub about: Option<String>,
    /// What is wrong.
    pub text: String,
    /// It is about a name that is there twice, or that nothing has.
    identity: bool,
}

impl Violation {
    /// How many are listed of one document.
    pub const MOST: usize = 100;

    /// True if it is about an id that is there more than once, or that nothing has.
    pub fn is_identity(&self) -> bool {
        self.identity
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.element, self.text)
    }
}

/// Checks a whole document.
pub fn document(schema: Schema, cib: &Element) -> Vec<Violation> {
    let mut check =
        Check { schema, ids: HashSet::new(), references: Vec::new(), found: Vec::new() };
    let root = &super::table::ROOT;
    if cib.name() == root.tag {
        check.element(root, cib, None);
    } else {
        check.say(cib, None, None, format!("the document is no <{}>", root.tag));
    }
    for (value, id, element) in std::mem::take(&mut check.references) {
        if !check.ids.contains(value) {
            let text = format!("there is no '{value}' to refer to");
            check.add(element, id, Some(value), text, true);
        }
    }
    check.found
}

struct Check<'a> {
    schema: Schema,
    ids: HashSet<&'a str>,
    references: Vec<(&'a str, Option<&'a str>, &'a Element)>,
    found: Vec<Violation>,
}

/// What is wrong with an element in one of its forms.
#[derive(Default)]
struct Misfit<'a> {
    /// The attribute (or tag) that it is about, and what is wrong.
    wrong: Vec<(Option<&'a str>, String)>,
}

impl<'a> Check<'a> {
    fn say(&mut self, at: &Element, id: Option<&str>, about: Option<&str>, text: String) {
        self.add(at, id, about, text, false);
    }

    fn add(
        &mut self,
        at: &Element,
        id: Option<&str>,
        about: Option<&str>,
        text: String,
        identity: bool,
    ) {
        if self.found.len() < Violation::MOST {
            let element = match at.id() {
                Some(id) => format!("<{} id=\"{id}\">", at.name()),
                None => format!("<{}>", at.name()),
            };
            let (id, about) = (at.id().or(id).map(String::from), about.map(String::from));
            self.found.push(Violation { element, id, about, text, identity });
        }
    }

    fn element(&mut self, shape: &'static Shape, e: &'a Element, around: Option<&'a str>) {
        if shape.open {
            return;
        }
        let schema = self.schema;
        let forms = || shape.forms.iter().filter(|f| f.span.contains(schema));
        let mut best: Option<(&'static Form, Misfit<'a>)> = None;
        for form in forms() {
            let misfit = self.fit(shape, form, e);
            let fewer = best.as_ref().is_none_or(|(_, b)| misfit.wrong.len() < b.wrong.len());
            if fewer {
                let fits = misfit.wrong.is_empty();
                best = Some((form, misfit));
                if fits {
                    break;
                }
            }
        }
        let Some((form, misfit)) = best else { return };
        for (about, text) in misfit.wrong {
            self.say(e, around, about, text);
        }
        let around = e.id().or(around);
        self.names(shape, form, e, around);
        for node in e.nodes() {
            match node {
                Child::Element(child) => {
                    // What has no place here has been said already.
                    if let Some(shape) = place(form, child, schema) {
                        self.element(shape, child, around);
                    }
                }
                Child::Text(text) if !text.chars().all(|c| c.is_ascii_whitespace()) => {
                    self.say(e, around, None, "there is text in it".into());
                }
                Child::Text(_) | Child::Comment(_) => {}
            }
        }
    }

    /// Notes ids and references of an element.
    fn names(&mut self, shape: &Shape, form: &Form, e: &'a Element, around: Option<&'a str>) {
        for (name, value) in e.attrs() {
            let Some(kind) = kind_of(shape, form, name, self.schema) else { continue };
            match kind {
                Kind::NewId if !self.ids.insert(stripped(value)) => {
                    let text = format!("the id '{value}' is there more than once");
                    self.add(e, around, Some(value), text, true);
                }
                Kind::IdRef => self.references.push((stripped(value), around, e)),
                _ => {}
            }
        }
    }

    fn fit(&self, shape: &Shape, form: &Form, e: &'a Element) -> Misfit<'a> {
        let mut misfit = Misfit::default();
        self.attributes(shape, form, e, &mut misfit);
        if shape.ordered {
            self.sequence(form, e, &mut misfit);
        } else {
            self.counts(form, e, &mut misfit);
        }
        misfit
    }

    fn attributes(&self, shape: &Shape, form: &Form, e: &'a Element, misfit: &mut Misfit<'a>) {
        for (name, value) in e.attrs() {
            match kind_of(shape, form, name, self.schema) {
                None => misfit.wrong.push((Some(name), format!("there is no '{name}' here"))),
                Some(kind) if !kind.admits(value) => {
                    let text = match kind {
                        Kind::NoneOf(_) => format!("{name}=\"{value}\" is gone from this schema"),
                        _ => format!("{name}=\"{value}\" must be {}", kind.wanted()),
                    };
                    misfit.wrong.push((Some(name), text));
                }
                Some(_) => {}
            }
        }
        let wanted = shape.attributes.iter().chain(form.attributes);
        for a in wanted.filter(|a| a.need == Need::Must && a.span.contains(self.schema)) {
            if e.attr(a.name).is_none() {
                misfit.wrong.push((None, format!("'{}' is missing", a.name)));
            }
        }
        for (limit, span) in shape.limits.iter().chain(form.limits) {
            if !span.contains(self.schema) {
                continue;
            }
            let Limit { least, names } = limit;
            let given = names.iter().filter(|n| e.attr(n).is_some()).count();
            if given > 1 || given < *least {
                let word = if *least == 1 { "exactly" } else { "at most" };
                let text = format!("{word} one of {} may be given", names.join(", "));
                misfit.wrong.push((None, text));
            }
        }
    }

    /// Children in any order.
    fn counts(&self, form: &Form, e: &'a Element, misfit: &mut Misfit<'a>) {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for child in e.children() {
            match self.particle(form, child) {
                Some((at, _)) => *counts.entry(at).or_default() += 1,
                None => misfit.wrong.push((Some(child.name()), no_place(child))),
            }
        }
        for (at, particle) in form.children.iter().enumerate() {
            if particle.span.contains(self.schema) {
                let count = counts.get(&at).copied().unwrap_or(0);
                quantity(particle, count, misfit);
            }
        }
    }

    /// Children in the order of the table.
    fn sequence(&self, form: &Form, e: &'a Element, misfit: &mut Misfit<'a>) {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let mut reached = 0;
        for child in e.children() {
            match self.particle(form, child) {
                Some((at, _)) if at >= reached => {
                    reached = at;
                    *counts.entry(at).or_default() += 1;
                }
                Some(_) => {
                    let text = format!("<{}> comes too late", child.name());
                    misfit.wrong.push((Some(child.name()), text));
                }
                None => misfit.wrong.push((Some(child.name()), no_place(child))),
            }
        }
        for (at, particle) in form.children.iter().enumerate() {
            if particle.span.contains(self.schema) {
                quantity(particle, counts.get(&at).copied().unwrap_or(0), misfit);
            }
        }
    }

    fn particle(&self, form: &Form, child: &Element) -> Option<(usize, &'static Shape)> {
        find(form, child, self.schema)
    }
}

fn no_place(child: &Element) -> String {
    format!("<{}> has no place here", child.name())
}

fn quantity(particle: &Particle, count: usize, misfit: &mut Misfit<'_>) {
    let tags: Vec<String> = particle.shapes.iter().map(|s| format!("<{}>", s.tag)).collect();
    let tags = tags.join(" or ");
    if count < particle.least {
        misfit.wrong.push((None, format!("{tags} is missing")));
    } else if count > 1 && !particle.many {
        misfit.wrong.push((None, format!("there is more than one {tags}")));
    }
}

fn find(form: &Form, child: &Element, schema: Schema) -> Option<(usize, &'static Shape)> {
    form.children.iter().enumerate().filter(|(_, p)| p.span.contains(schema)).find_map(
        |(at, particle)| {
            let shape = particle
                .shapes
                .iter()
                .find(|s| s.tag == child.name() && s.span.contains(schema))?;
            Some((at, *shape))
        },
    )
}

fn place(form: &Form, child: &Element, schema: Schema) -> Option<&'static Shape> {
    find(form, child, schema).map(|(_, shape)| shape)
}

fn kind_of(shape: &Shape, form: &Form, name: &str, schema: Schema) -> Option<Kind> {
    let all = form.attributes.iter().chain(shape.attributes);
    all.filter(|a| a.name == name && a.span.contains(schema)).map(|a| a.kind).next()
}
