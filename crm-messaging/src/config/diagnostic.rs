//! What is wrong with the file, and where.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One remark about the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// Bytes of the text it is about.
    pub span: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether the file is still usable.
    pub warning: bool,
}

impl Diagnostic {
    /// Something that makes the file unusable.
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { message: message.into(), span, help: None, warning: false }
    }

    /// Something that is ignored or doubtful.
    pub fn warning(span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { message: message.into(), span, help: None, warning: true }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The line it is on, counted from 1.
    pub fn line(&self, text: &str) -> usize {
        let upto = self.span.start.min(text.len());
        text.as_bytes()[..upto].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// The remark with its line and a caret under the place.
    pub fn render(&self, path: &str, text: &str) -> String {
        let title = if self.warning { Level::WARNING } else { Level::ERROR };
        let end = self.span.end.min(text.len());
        let snippet = Snippet::source(text)
            .path(path)
            .annotation(AnnotationKind::Primary.span(self.span.start.min(end)..end));
        let mut group = title.primary_title(self.message.as_str()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[group])
    }
}

/// The file cannot be used. Its text form shows every error with line and caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where the text came from.
    pub path: String,
    /// The text itself.
    pub text: String,
    /// At least one.
    pub errors: Vec<Diagnostic>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            f.write_str(&error.render(&self.path, &self.text))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
