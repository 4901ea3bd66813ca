//! Text to tree, with bounds on everything that comes from outside.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

use super::element::{Child, Element};
use super::lines::{self, Lines, Place};
use super::tag::{TagAttributes, is_blank};
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
    // The builder knows what is open.
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    let mut builder = Builder {
        limits,
        aside,
        inside: 0,
        names: Texts::default(),
        stack: Vec::new(),
        open: OpenNames::default(),
        elements: 0,
        root: None,
    };
    let mut buffer = Vec::new();
    let mut behind_tag = false;
    loop {
        if behind_tag && builder.root.is_none() && builder.tag_of(reader.get_mut())? {
            continue;
        }
        reader.get_mut().set_mark();
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        behind_tag = matches!(event, Ok(Event::Start(_) | Event::Empty(_) | Event::End(_)));
        let step = match event {
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
    open: OpenNames,
    elements: usize,
    root: Option<Element>,
}

impl Builder<'_> {
    /// Reads the next tag without the help of the library, if the tag is of the common kind and
    /// lies within the piece that was read; else, nothing happens but that blanks are skipped.
    ///
    /// Nearly all of a document is such tags. The library looks at each quotation mark of a tag,
    /// copies the tag and cannot see what is alike in all of them: that takes three times as long.
    /// Only to be used behind a tag, where blanks mean nothing.
    fn tag_of<R: Read>(&mut self, lines: &mut Lines<R>) -> Result<bool, ReadError> {
        let piece = lines.fill_buf()?;
        // Blanks before anything but a tag may be the beginning of a text.
        let blanks = piece.iter().position(|byte| !is_blank(*byte));
        let Some(blanks) = blanks.filter(|at| piece[*at] == b'<') else { return Ok(false) };
        lines.consume(blanks);
        lines.set_mark();
        let Some(tag) = Tag::within(lines.fill_buf()?) else { return Ok(false) };
        let length = tag.length;
        let step = match tag.kind {
            TagKind::End => self.close(tag.name),
            TagKind::Start => self.open(tag.name, tag.attributes),
            TagKind::Empty => {
                self.open(tag.name, tag.attributes).and_then(|()| self.close(tag.name))
            }
        };
        step.map_err(|text| lines.mark().refuse(text))?;
        lines.consume(length);
        Ok(true)
    }

    fn event(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(tag) => self.open(tag.name().into_inner(), tag.attributes_raw())?,
            Event::Empty(tag) => {
                self.open(tag.name().into_inner(), tag.attributes_raw())?;
                self.close(tag.name().into_inner())?;
            }
            Event::End(tag) => self.close(tag.name().into_inner())?,
            Event::Text(text) => self.text(&plain(text))?,
            Event::CData(text) => self.text(&plain(text))?,
            Event::GeneralRef(reference) => self.text(&referenced(reference)?)?,
            Event::Comment(text) => self.add(Child::Comment((**text).into())),
            Event::DocType(_) => return Err("document type declarations are not accepted".into()),
            Event::Decl(_) | Event::PI(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn open(&mut self, name: &str, attributes: &str) -> Result<(), String> {
        self.elements += 1;
        if self.stack.len() + self.inside.saturating_sub(1) >= self.limits.depth {
            return Err(format!("elements are nested deeper than {}", self.limits.depth));
        }
        if self.elements > self.limits.elements {
            return Err(format!("more than {} elements", self.limits.elements));
        }
        let unread = TagAttributes::new(name, attributes, self.limits.attributes);
        self.open.push(name);
        if self.inside > 0 {
            self.inside += 1;
            return self.aside.open(name, unread);
        }
        let quotes = attributes.bytes().filter(|&b| b == b'"').count();
        let mut pairs = Vec::with_capacity((quotes / 2).min(self.limits.attributes));
        for attribute in unread {
            let (name, value) = attribute?;
            pairs.push((self.names.share(name), Box::<str>::from(value)));
        }
        let name: Arc<str> = self.names.share(name);
        self.stack.push(Element::with_parts(name, pairs));
        if self.aside.takes(&self.stack) {
            self.inside = 1;
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), String> {
        self.open.pop(name)?;
        if self.inside > 0 {
            self.inside -= 1;
            if self.inside > 0 {
                self.aside.close();
                return Ok(());
            }
        }
        if let Some(done) = self.stack.pop() {
            if self.stack.is_empty() {
                self.root = Some(done);
            } else {
                self.add(Child::Element(Arc::new(done)));
            }
        }
        Ok(())
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

/// The names of the tags that are open, the outermost first.
#[derive(Default)]
struct OpenNames {
    text: String,
    begins: Vec<usize>,
}

impl OpenNames {
    fn push(&mut self, name: &str) {
        self.begins.push(self.text.len());
        self.text.push_str(name);
    }

    fn pop(&mut self, name: &str) -> Result<(), String> {
        let begin = self.begins.pop().ok_or_else(|| format!("</{name}> ends what never began"))?;
        if self.text[begin..] != *name {
            return Err(format!("</{name}> stands where <{}> has to end", &self.text[begin..]));
        }
        self.text.truncate(begin);
        Ok(())
    }
}

/// A tag within a piece of text.
struct Tag<'a> {
    kind: TagKind,
    name: &'a str,
    /// What stands between name and end.
    attributes: &'a str,
    /// The whole of it, in bytes.
    length: usize,
}

#[derive(Clone, Copy)]
enum TagKind {
    Start,
    End,
    Empty,
}

impl<'a> Tag<'a> {
    /// The tag at the beginning of a piece; `None` if there is something else, if it goes on in
    /// the next piece, or if it takes a closer look to see where it ends.
    fn within(piece: &'a [u8]) -> Option<Tag<'a>> {
        let (b'<', rest) = piece.split_first()? else { return None };
        let end = memchr::memchr(b'>', rest)?;
        let inside = &rest[..end];
        // In quotes it ends nothing.
        let quotes = lines::count(inside, |byte| byte == b'"');
        if quotes % 2 != 0 || lines::count(inside, |byte| byte == b'\'') > 0 {
            return None;
        }
        let length = end + 2;
        let text = std::str::from_utf8(inside).ok()?;
        let first = *text.as_bytes().first()?;
        if matches!(first, b'!' | b'?') || is_blank(first) {
            return None;
        }
        if first == b'/' {
            let name = text[1..].trim_end_matches(|c: char| c.is_ascii() && is_blank(c as u8));
            return Some(Tag { kind: TagKind::End, name, attributes: "", length });
        }
        let (kind, text) = match text.strip_suffix('/') {
            Some(text) => (TagKind::Empty, text),
            None => (TagKind::Start, text),
        };
        let (name, attributes) =
            text.split_at(text.bytes().position(is_blank).unwrap_or(text.len()));
        Some(Tag { kind, name, attributes, length })
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
