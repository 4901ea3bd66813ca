//! Text to tree, with bounds on everything that comes from outside.

use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::element::{Child, Element};
use super::lines::{Lines, Place};
use super::tag::TagAttributes;
use crate::texts::Texts;

/// What a document may cost before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct ParseLimits {
    /// Nested elements.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
    /// Attributes of one element.
    pub attributes: usize,
}

impl Default for ParseLimits {
    fn default() -> ParseLimits {
        ParseLimits { depth: 128, elements: 8_000_000, attributes: 256 }
    }
}

/// Why a document was refused, and where (line and column count from 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    /// Line of the trouble.
    pub line: usize,
    /// Column of the trouble, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] io::Error),
    /// The document was refused.
    #[error(transparent)]
    Document(#[from] ParseError),
}

/// Takes parts of a document for itself while it is read: what is inside them never becomes
/// elements. The rules for what is well-formed, and the limits, are the same there.
pub trait Aside {
    /// Whether the inside of the element that was just opened is taken. `open` are the elements
    /// that are open, the outermost first, with what they contain so far.
    fn takes(&mut self, open: &[Element]) -> bool;

    /// A tag inside of what is taken.
    ///
    /// # Errors
    /// The first error of `attributes`.
    fn open(&mut self, tag: &str, attributes: TagAttributes<'_>) -> Result<(), String>;

    /// The end of the latest tag that is open.
    fn close(&mut self);
}

/// Takes nothing.
impl Aside for () {
    fn takes(&mut self, _: &[Element]) -> bool {
        false
    }

    fn open(&mut self, _: &str, _: TagAttributes<'_>) -> Result<(), String> {
        Ok(())
    }

    fn close(&mut self) {}
}

/// Parses one document with the default limits.
///
/// # Errors
/// Malformed XML, a document type declaration (no entity is ever expanded but the five
/// predefined ones and character references), or a limit exceeded.
pub fn parse(text: &str) -> Result<Element, ParseError> {
    parse_with_limits(text, ParseLimits::default())
}

/// [`parse`] with other limits.
///
/// # Errors
/// As [`parse`].
pub fn parse_with_limits(text: &str, limits: ParseLimits) -> Result<Element, ParseError> {
    read(text.as_bytes(), limits, &mut ()).map_err(|error| match error {
        ReadError::Document(refused) => refused,
        ReadError::Source(error) => Place::START.refuse(error.to_string()),
    })
}

/// Reads one document piece by piece; `aside` may take parts of it.
///
/// # Errors
/// The source failed, or the document is refused as by [`parse`].
pub fn read(
    source: impl Read,
    limits: ParseLimits,
    aside: &mut dyn Aside,
) -> Result<Element, ReadError> {
    let mut reader = Reader::from_reader(Lines::new(source));
    let mut builder = Builder {
        limits,
        aside,
        inside: 0,
        names: Texts::default(),
        stack: Vec::new(),
        elements: 0,
        root: None,
    };
    let mut buffer = Vec::new();
    loop {
        reader.get_mut().set_mark();
        buffer.clear();
        let step = match reader.read_event_into(&mut buffer) {
            Ok(Event::Eof) => {
                let place = reader.get_ref().mark();
                return Ok(builder.finish().map_err(|text| place.refuse(text))?);
            }
            Err(quick_xml::Error::Io(error)) => {
                return Err(io::Error::new(error.kind(), error).into());
            }
            Ok(event) if builder.root.is_none() => builder.event(&event),
            Ok(Event::Comment(_) | Event::PI(_)) => Ok(()),
            Ok(Event::Text(t)) if t.trim().is_empty() => Ok(()),
            Ok(_) => Err("unexpected content after the document".into()),
            Err(error) => Err(error.to_string()),
        };
        step.map_err(|text| reader.get_ref().mark().refuse(text))?;
    }
}

struct Builder<'a> {
    limits: ParseLimits,
    aside: &'a mut dyn Aside,
    /// Open tags inside of what is taken, the one around them included.
    inside: usize,
    names: Texts,
    stack: Vec<Element>,
    elements: usize,
    root: Option<Element>,
}

impl Builder<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(tag) => self.open(tag)?,
            Event::Empty(tag) => {
                self.open(tag)?;
                self.close();
            }
            Event::End(_) => self.close(),
            Event::Text(text) => self.text(&plain(text))?,
            Event::CData(text) => self.text(&plain(text))?,
            Event::GeneralRef(reference) => self.text(&referenced(reference)?)?,
            Event::Comment(text) => self.add(Child::Comment((**text).into())),
            Event::DocType(_) => return Err("document type declarations are not accepted".into()),
            Event::Decl(_) | Event::PI(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        self.elements += 1;
        if self.stack.len() + self.inside.saturating_sub(1) >= self.limits.depth {
            return Err(format!("elements are nested deeper than {}", self.limits.depth));
        }
        if self.elements > self.limits.elements {
            return Err(format!("more than {} elements", self.limits.elements));
        }
        let unread = TagAttributes::new(tag, self.limits.attributes);
        if self.inside > 0 {
            self.inside += 1;
            return self.aside.open(tag.name().into_inner(), unread);
        }
        let quotes = tag.bytes().filter(|&b| b == b'"').count();
        let mut attributes = Vec::with_capacity((quotes / 2).min(self.limits.attributes));
        for attribute in unread {
            let (name, value) = attribute?;
            attributes.push((self.names.share(name), Box::<str>::from(value)));
        }
        let name: Arc<str> = self.names.share(tag.name().into_inner());
        self.stack.push(Element::with_parts(name, attributes));
        if self.aside.takes(&self.stack) {
            self.inside = 1;
        }
        Ok(())
    }

    fn close(&mut self) {
        if self.inside > 0 {
            self.inside -= 1;
            if self.inside > 0 {
                self.aside.close();
                return;
            }
        }
        if let Some(done) = self.stack.pop() {
            if self.stack.is_empty() {
                self.root = Some(done);
            } else {
                self.add(Child::Element(Arc::new(done)));
            }
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        // As characters or as references to them.
        let control =
            |c: &char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{7f}');
        if let Some(c) = text.chars().find(control) {
            return Err(format!("the character U+{:04X} is not allowed in text", u32::from(c)));
        }
        let Some(open) = self.stack.last_mut() else {
            return if text.trim().is_empty() {
                Ok(())
            } else {
                Err("text outside the document element".into())
            };
        };
        if self.inside > 0 {
            return Ok(());
        }
        if let Some(Child::Text(last)) = open.nodes_mut().last_mut() {
            *last = format!("{last}{text}").into();
        } else if !text.trim().is_empty() {
            open.nodes_mut().push(Child::Text(text.into()));
        }
        Ok(())
    }

    fn add(&mut self, child: Child) {
        if let Some(open) = self.stack.last_mut().filter(|_| self.inside == 0) {
            open.nodes_mut().push(child);
        }
    }

    fn finish(&mut self) -> Result<Element, String> {
        self.root.take().ok_or_else(|| match self.stack.last() {
            Some(open) => format!("the document ends inside <{}>", open.name()),
            None => "no element found".into(),
        })
    }
}

/// Character data with the line ends that XML gives it. What is written later would be read as
/// something else otherwise.
fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        return text.replace("\r\n", "\n").replace('\r', "\n").into();
    }
    text.into()
}

/// What a reference stands for.
fn referenced(reference: &BytesRef<'_>) -> Result<String, String> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Ok(character.to_string()),
        Ok(None) => quick_xml::escape::resolve_predefined_entity(reference)
            .map(str::to_string)
            .ok_or_else(|| format!("unknown entity '&{};'", &**reference)),
        Err(error) => Err(error.to_string()),
    }
}
