//! Text to tree, with bounds on everything that comes from outside.

use std::collections::BTreeSet;
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::element::{Child, Element};

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
    let mut reader = Reader::from_str(text);
    let mut builder =
        Builder { limits, names: Names::default(), stack: Vec::new(), elements: 0, root: None };
    loop {
        let before = position(&reader);
        let step = match reader.read_event() {
            Ok(Event::Start(tag)) => builder.open(&tag),
            Ok(Event::Empty(tag)) => builder.open(&tag).map(|()| builder.close()),
            Ok(Event::End(_)) => {
                builder.close();
                Ok(())
            }
            Ok(Event::Text(t)) => builder.text(&t),
            Ok(Event::CData(t)) => builder.text(&t),
            Ok(Event::GeneralRef(r)) => match r.resolve_char_ref() {
                Ok(Some(c)) => builder.text(c.encode_utf8(&mut [0; 4])),
                Ok(None) => match quick_xml::escape::resolve_predefined_entity(&r) {
                    Some(s) => builder.text(s),
                    None => Err(format!("unknown entity '&{};'", &*r)),
                },
                Err(e) => Err(e.to_string()),
            },
            Ok(Event::Comment(c)) => {
                builder.add(Child::Comment((&*c).into()));
                Ok(())
            }
            Ok(Event::Decl(_) | Event::PI(_)) => Ok(()),
            Ok(Event::DocType(_)) => Err("document type declarations are not accepted".into()),
            Ok(Event::Eof) => Err(match builder.stack.last() {
                Some(open) => format!("the document ends inside <{}>", open.name()),
                None => "no element found".into(),
            }),
            Err(e) => {
                return Err(locate(text, usize_of(reader.error_position()), e.to_string()));
            }
        };
        match step {
            Ok(()) => {}
            Err(message) => return Err(locate(text, before, message)),
        }
        if let Some(root) = builder.root.take() {
            return expect_end(text, reader, root);
        }
    }
}

fn expect_end(text: &str, mut reader: Reader<&[u8]>, root: Element) -> Result<Element, ParseError> {
    loop {
        let before = position(&reader);
        match reader.read_event() {
            Ok(Event::Eof) => return Ok(root),
            Ok(Event::Comment(_) | Event::PI(_)) => {}
            Ok(Event::Text(t)) if t.trim().is_empty() => {}
            Ok(_) | Err(_) => {
                let message = "unexpected content after the document".to_string();
                return Err(locate(text, before, message));
            }
        }
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize_of(reader.buffer_position())
}

fn usize_of(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn locate(text: &str, offset: usize, message: String) -> ParseError {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    ParseError { line, column, message }
}

/// Names of elements and attributes, each kept once.
#[derive(Default)]
struct Names {
    known: BTreeSet<Arc<str>>,
    /// Names seen lately, by length and last byte: nearly every name of a large document.
    recent: Vec<Option<Arc<str>>>,
}

impl Names {
    const RECENT: usize = 256;

    fn intern(&mut self, name: &str) -> Arc<str> {
        if self.recent.is_empty() {
            self.recent.resize(Names::RECENT, None);
        }
        let last = name.as_bytes().last().copied().unwrap_or_default();
        let first = name.as_bytes().first().copied().unwrap_or_default();
        let hash = name.len() * 31 + usize::from(last) * 7 + usize::from(first);
        let slot = &mut self.recent[hash % Names::RECENT];
        match slot {
            Some(known) if **known == *name => known.clone(),
            _ => {
                let found = self.known.get(name).cloned();
                let kept = found.unwrap_or_else(|| {
                    let new: Arc<str> = name.into();
                    self.known.insert(new.clone());
                    new
                });
                *slot = Some(kept.clone());
                kept
            }
        }
    }
}

struct Builder {
    limits: ParseLimits,
    names: Names,
    stack: Vec<Element>,
    elements: usize,
    root: Option<Element>,
}

impl Builder {
    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        self.elements += 1;
        if self.stack.len() >= self.limits.depth {
            return Err(format!("elements are nested deeper than {}", self.limits.depth));
        }
        if self.elements > self.limits.elements {
            return Err(format!("more than {} elements", self.limits.elements));
        }
        let name = self.names.intern(tag.name().as_ref());
        let quotes = tag.bytes().filter(|&b| b == b'"').count();
        let most = (quotes / 2).min(self.limits.attributes);
        let mut attributes: Vec<(Arc<str>, Box<str>)> = Vec::with_capacity(most);
        let mut unchecked = tag.attributes();
        for attribute in unchecked.with_checks(false) {
            let attribute = attribute.map_err(|e| format!("in <{name}>: {e}"))?;
            if attributes.len() >= self.limits.attributes {
                return Err(format!(
                    "<{name}> has more than {} attributes",
                    self.limits.attributes
                ));
            }
            let key = self.names.intern(attribute.key.as_ref());
            if attributes.iter().any(|(known, _)| Arc::ptr_eq(known, &key)) {
                return Err(format!("<{name}> has the attribute '{key}' twice"));
            }
            let raw = &*attribute.value;
            let value = if raw.bytes().any(|b| matches!(b, b'&' | b'\t' | b'\n' | b'\r')) {
                attribute
                    .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                    .map_err(|e| format!("in <{name} {key}=...>: {e}"))?
                    .into()
            } else {
                raw.into()
            };
            attributes.push((key, value));
        }
        self.stack.push(Element::with_parts(name, attributes));
        Ok(())
    }

    fn close(&mut self) {
        if let Some(done) = self.stack.pop() {
            if self.stack.is_empty() {
                self.root = Some(done);
            } else {
                self.add(Child::Element(Arc::new(done)));
            }
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        let Some(open) = self.stack.last_mut() else {
            return if text.trim().is_empty() {
                Ok(())
            } else {
                Err("text outside the document element".into())
            };
        };
        if let Some(Child::Text(last)) = open.nodes_mut().last_mut() {
            *last = format!("{last}{text}").into();
        } else if !text.trim().is_empty() {
            open.nodes_mut().push(Child::Text(text.into()));
        }
        Ok(())
    }

    fn add(&mut self, child: Child) {
        if let Some(open) = self.stack.last_mut() {
            open.nodes_mut().push(child);
        }
    }
}
