//! The syntax of corosync.conf: nested `section { }` blocks of `key: value` lines.
//!
//! Turns text into a tree with spans and knows no key. Limits: a file of [`MAX_BYTES`], sections
//! [`MAX_DEPTH`] deep.

use std::ops::Range;

use super::Diagnostic;

/// The largest file that is read.
pub const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 8;

/// A `key: value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What stands before the colon.
    pub key: String,
    /// Bytes of the key in the text.
    pub key_span: Range<usize>,
    /// What stands after the colon, trimmed.
    pub value: String,
    /// Bytes of the value in the text; where it is empty, the end of the line.
    pub value_span: Range<usize>,
}

/// A `name { ... }` block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// What stands before the brace; empty for the whole file.
    pub name: String,
    /// Bytes of the name in the text.
    pub span: Range<usize>,
    /// Its settings, in order.
    pub settings: Vec<Setting>,
    /// Its sections, in order.
    pub sections: Vec<Section>,
}

impl Section {
    /// The last setting of that key: a repeated key overrides, as in corosync.
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.key == key)
    }

    /// The sections of that name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Section> + 'a {
        self.sections.iter().filter(move |section| section.name == name)
    }
}

/// Reads a file's text.
///
/// # Errors
/// The first place that is neither a comment, a setting nor a section's begin or end.
pub fn parse(text: &str) -> Result<Section, Diagnostic> {
    if text.len() > MAX_BYTES {
        return Err(Diagnostic::error(0..0, "the file is too large to be a cluster configuration"));
    }
    let mut open = vec![Section::default()];
    let mut offset = 0;
    for raw in text.split_inclusive('\n') {
        let start = offset + (raw.len() - raw.trim_start().len());
        let line = raw.trim();
        offset += raw.len();
        let span = start..start + line.len();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "}" {
            let closed = open.pop();
            match (closed, open.last_mut()) {
                (Some(section), Some(parent)) => parent.sections.push(section),
                _ => {
                    return Err(Diagnostic::error(span, "this brace closes nothing")
                        .help("remove it, or open a section before it"));
                }
            }
        } else if let Some(name) = line.strip_suffix('{') {
            open.push(begin(name.trim_end(), span, open.len())?);
        } else {
            let setting = setting(line, span)?;
            if let Some(section) = open.last_mut() {
                section.settings.push(setting);
            }
        }
    }
    if open.len() > 1 {
        let unclosed = open.pop().unwrap_or_default();
        return Err(Diagnostic::error(
            unclosed.span,
            format!("section `{}` is never closed", unclosed.name),
        )
        .help("add a line with `}` at its end"));
    }
    Ok(open.pop().unwrap_or_default())
}

fn begin(name: &str, span: Range<usize>, depth: usize) -> Result<Section, Diagnostic> {
    if name.is_empty() {
        return Err(Diagnostic::error(span, "a section needs a name before its brace"));
    }
    if name.contains([':', '{', '}']) || name.contains(char::is_whitespace) {
        return Err(Diagnostic::error(span, "this is neither `key: value` nor `section {`"));
    }
    if depth > MAX_DEPTH {
        return Err(Diagnostic::error(span, "sections are nested too deeply"));
    }
    let span = span.start..span.start + name.len();
    Ok(Section { name: name.to_owned(), span, ..Section::default() })
}

fn setting(line: &str, span: Range<usize>) -> Result<Setting, Diagnostic> {
    let Some((key, value)) = line.split_once(':') else {
        return Err(Diagnostic::error(span, "this is neither `key: value` nor `section {`")
            .help("a setting has a colon, a section ends its line with `{`"));
    };
    let key = key.trim_end();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err(Diagnostic::error(span, "a key is one word before the colon"));
    }
    let value = value.trim();
    Ok(Setting {
        key: key.to_owned(),
        key_span: span.start..span.start + key.len(),
        value: value.to_owned(),
        value_span: span.end - value.len()..span.end,
    })
}
