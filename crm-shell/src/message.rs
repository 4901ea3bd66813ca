//! Messages to the person at the keyboard: one line that says what is wrong and where, the line of
//! the source with a mark under the word, and what to do next.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::rc::Rc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For information.
    Info,
    /// Suspicious, but carried out.
    Warning,
    /// Not carried out.
    Error,
}

/// A text that statements come from.
#[derive(Debug, Default)]
pub struct Source {
    /// The file, if it has a name worth showing.
    pub name: Option<String>,
    /// Its whole text.
    pub text: String,
}

/// A place in a source, in bytes.
#[derive(Clone, Debug)]
pub struct Place {
    /// The source.
    pub source: Rc<Source>,
    /// The bytes.
    pub span: Range<usize>,
}

impl Place {
    /// Line and column, both from 1; the column counts characters.
    pub fn line_and_column(&self) -> (usize, usize) {
        let text = &self.source.text;
        let mut at = self.span.start.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        (line, column)
    }

    /// The physical line with marks under the place.
    fn drawing(&self) -> Option<String> {
        let (line, column) = self.line_and_column();
        let shown = self.source.text.lines().nth(line - 1)?;
        if shown.trim().is_empty() {
            return None;
        }
        let end = self.span.end.min(self.source.text.len());
        let width = self
            .source
            .text
            .get(self.span.start..end)
            .map_or(1, |t| t.lines().next().map_or(1, |l| l.chars().count()).max(1));
        let lead: String =
            shown.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let marks = "~".repeat(width - 1);
        Some(format!("  {shown}\n  {lead}^{marks}"))
    }
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// How bad it is.
    pub severity: Severity,
    /// What it says, one line.
    pub text: String,
    /// Where, if it is about a text.
    pub place: Option<Place>,
    /// What to do next.
    pub help: Option<String>,
}

impl Message {
    /// An error.
    pub fn error(text: impl Into<String>) -> Message {
        Message { severity: Severity::Error, text: text.into(), place: None, help: None }
    }

    /// A warning.
    pub fn warning(text: impl Into<String>) -> Message {
        Message { severity: Severity::Warning, ..Message::error(text) }
    }

    /// A note.
    pub fn info(text: impl Into<String>) -> Message {
        Message { severity: Severity::Info, ..Message::error(text) }
    }

    /// The same message about a place.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Message {
        self.place = place;
        self
    }

    /// The same message with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Message {
        self.help = Some(help.into());
        self
    }

    /// The message as it is printed.
    pub fn render(&self, colour: bool) -> String {
        let (word, code) = match self.severity {
            Severity::Info => ("INFO", "32"),
            Severity::Warning => ("WARNING", "33"),
            Severity::Error => ("ERROR", "31"),
        };
        let mut out =
            if colour { format!("\x1b[{code}m{word}\x1b[0m: ") } else { format!("{word}: ") };
        if let Some(place) = &self.place
            && let Some(name) = &place.source.name
        {
            let (line, column) = place.line_and_column();
            let _ = write!(out, "{name}:{line}:{column}: ");
        }
        out.push_str(&self.text);
        if self.severity != Severity::Info
            && let Some(drawing) = self.place.as_ref().and_then(Place::drawing)
        {
            let _ = write!(out, "\n{drawing}");
        }
        if let Some(help) = &self.help {
            let _ = write!(out, "\n  help: {help}");
        }
        out
    }

    /// The message as a JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        let mut out = serde_json::json!({
            "severity": match self.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Error => "error",
            },
            "message": self.text,
        });
        if let Some(place) = &self.place {
            let (line, column) = place.line_and_column();
            out["line"] = line.into();
            out["column"] = column.into();
            if let Some(name) = &place.source.name {
                out["file"] = name.as_str().into();
            }
        }
        if let Some(help) = &self.help {
            out["help"] = help.as_str().into();
        }
        out
    }
}

/// Where output and messages go.
#[derive(Default)]
pub struct Printer {
    /// Colours in messages: standard error is a terminal.
    pub colour: bool,
    /// Colours and tables: standard output is a terminal.
    pub fancy: bool,
    /// Standard error is a terminal: long waits say there what they wait for.
    pub terminal: bool,
    /// Messages as JSON, one a line.
    pub json: bool,
    /// What is printed and said instead of written, for callers that want the text.
    pub captured: Option<String>,
    /// With `json`: what the command that runs has printed as text.
    plain: Option<String>,
    last: Option<String>,
    errors: usize,
}

/// How a printer was before its text was diverted.
pub struct Outer {
    json: bool,
    plain: Option<String>,
    captured: Option<String>,
}

impl Printer {
    /// Prints text for standard output; a missing line end is added.
    pub fn print(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let end = if text.ends_with('\n') { "" } else { "\n" };
        if let Some(plain) = &mut self.plain {
            plain.push_str(text);
            plain.push_str(end);
            return;
        }
        if let Some(captured) = &mut self.captured {
            captured.push_str(text);
            captured.push_str(end);
            return;
        }
        let mut out = std::io::stdout().lock();
        // A reader that went away is no reason to complain.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes()));
        let _ = out.flush();
    }

    /// Prints a value as one line of JSON.
    ///
    /// # Errors
    /// It has no form in JSON; nothing was printed.
    pub fn print_json(&mut self, value: &impl serde::Serialize) -> crate::session::Outcome {
        let text = serde_json::to_string(value).map_err(|e| format!("JSON: {e}"))?;
        let plain = self.plain.take();
        self.print(&text);
        self.plain = plain;
        Ok(())
    }

    /// Turns to plain text that goes nowhere but to [`restore`](Printer::restore).
    pub fn divert(&mut self) -> Outer {
        Outer {
            json: std::mem::replace(&mut self.json, false),
            plain: self.plain.take(),
            captured: self.captured.replace(String::new()),
        }
    }

    /// What was printed since [`divert`](Printer::divert); everything is as before it.
    pub fn restore(&mut self, outer: Outer) -> String {
        self.json = outer.json;
        self.plain = outer.plain;
        std::mem::replace(&mut self.captured, outer.captured).unwrap_or_default()
    }

    /// A command begins; with JSON, what it prints as text is kept until [`end`](Printer::end).
    pub fn begin(&mut self) {
        self.plain = self.json.then(String::new);
    }

    /// A command has ended: what it printed as text becomes one object with its lines.
    pub fn end(&mut self, command: &str) {
        let Some(plain) = self.plain.take().filter(|p| !p.is_empty()) else { return };
        let lines: Vec<&str> = plain.lines().collect();
        let object = serde_json::json!({ "command": command, "lines": lines });
        self.print(&object.to_string());
    }

    /// Says something on standard error; the same thing only once in a row.
    pub fn say(&mut self, message: &Message) {
        if message.severity == Severity::Error {
            self.errors += 1;
        }
        let text =
            if self.json { message.to_json().to_string() } else { message.render(self.colour) };
        if self.last.as_ref() == Some(&text) {
            return;
        }
        if let Some(captured) = &mut self.captured {
            captured.push_str(&text);
            captured.push('\n');
            return;
        }
        let mut out = std::io::stderr().lock();
        let _ = writeln!(out, "{text}");
        self.last = Some(text);
    }

    /// How many errors were said so far.
    pub fn errors(&self) -> usize {
        self.errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_json_text_becomes_lines_and_values_stay_as_they_are() {
        let mut printer =
            Printer { json: true, captured: Some(String::new()), ..Printer::default() };
        printer.begin();
        printer.print("a\nb");
        assert!(printer.print_json(&serde_json::json!({ "x": 1 })).is_ok());
        printer.end("node show");
        printer.begin();
        printer.end("node online");
        let expected = "{\"x\":1}\n{\"command\":\"node show\",\"lines\":[\"a\",\"b\"]}\n";
        assert_eq!(printer.captured.as_deref(), Some(expected));
    }

    #[test]
    fn a_message_points_at_the_word() {
        let source =
            Rc::new(Source { name: Some("web.crm".into()), text: "one\n\tlocatin x\n".into() });
        let message = Message::error("no such thing").at(Some(Place { source, span: 5..12 }));
        assert_eq!(
            message.render(false),
            "ERROR: web.crm:2:2: no such thing\n  \tlocatin x\n  \t^~~~~~~"
        );
        assert_eq!(message.to_json()["column"], 2);
    }
}
