//! The output of a compatible command: text, XML, JSON, or nothing (O-1 to O-12).

use std::fs::File;
use std::io::{self, Write};

use crm_core::cib::Element;

use super::console::{Console, Sink, Stream};
use super::exit::Exit;
use crate::render::report::{Part, Style, write_text};

/// The version of the output's schema that we follow.
const API_VERSION: &str = "2.25";

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text(Style),
    /// For programs.
    Xml,
    /// For programs, too: only what has such a form, a line each. None of Pacemaker's.
    Json,
    /// The exit code alone.
    None,
}

/// What a command has said so far.
pub struct Output<'a> {
    console: Console<'a>,
    format: Format,
    /// Information lines are dropped in quiet text output.
    quiet: bool,
    begun: bool,
    children: Vec<Element>,
    errors: Vec<String>,
}

impl<'a> Output<'a> {
    /// Nothing said yet.
    pub fn new(sink: &'a mut dyn Sink, format: Format, quiet: bool) -> Output<'a> {
        Output {
            console: Console::new(sink),
            format,
            quiet,
            begun: false,
            children: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Whether the output is XML.
    pub fn is_xml(&self) -> bool {
        self.format == Format::Xml
    }

    /// Whether nothing but what is essential is to be said.
    pub fn is_quiet(&self) -> bool {
        self.quiet && !self.is_xml()
    }

    /// A line that is never indented and vanishes in quiet mode and XML.
    pub fn info(&mut self, line: &str) {
        if matches!(self.format, Format::Text(_)) && !self.quiet {
            self.console.buffered(line);
            self.console.buffered("\n");
        }
    }

    /// An empty line, before a part that is not the first.
    pub fn space(&mut self) {
        if matches!(self.format, Format::Text(_)) && self.begun {
            self.console.buffered("\n");
        }
        self.begun = true;
    }

    /// A part of a text.
    pub fn text(&mut self, part: &Part) {
        if let Format::Text(style) = self.format {
            self.begun = true;
            let mut text = String::new();
            write_text(&mut text, part, style, 0);
            let has_items = !matches!(part, Part::Line(_) | Part::Space);
            if has_items {
                self.console.item(&text);
            } else {
                self.console.buffered(&text);
            }
        }
    }

    /// A child of the XML document.
    pub fn element(&mut self, element: Element) {
        if self.format == Format::Xml {
            self.children.push(element);
        }
    }

    /// A document in JSON.
    pub fn json(&mut self, value: &serde_json::Value) {
        if self.format == Format::Json {
            self.console.buffered(&format!("{value}\n"));
        }
    }

    /// An error, for standard error or the XML document.
    pub fn error(&mut self, line: &str) {
        match self.format {
            Format::Xml => self.errors.push(line.to_string()),
            Format::Text(_) | Format::Json | Format::None => self.console.error(line),
        }
    }

    /// A line for standard error whatever the format, as the library's log writes it.
    pub fn log(&mut self, line: &str) {
        self.console.error(line);
    }

    /// Ends the output; `request` is the command line of O-10.
    pub fn finish(mut self, request: &str, exit: Exit) -> Exit {
        if self.format == Format::Xml {
            let mut root = Element::new("pacemaker-result")
                .with("api-version", API_VERSION)
                .with("request", request);
            for child in std::mem::take(&mut self.children) {
                root.push(child);
            }
            let mut status = Element::new("status")
                .with("code", exit.0.to_string())
                .with("message", exit.text());
            if !self.errors.is_empty() {
                let mut errors = Element::new("errors");
                for text in &self.errors {
                    let mut error = Element::new("error");
                    error.nodes_mut().push(crm_core::cib::Child::Text(text.as_str().into()));
                    errors.push(error);
                }
                status.push(errors);
            }
            root.push(status);
            self.console.buffered(&root.to_pretty());
        }
        self.console.finish();
        exit
    }
}

/// A command line in one text; words with characters that a shell would touch are quoted.
pub fn request(program: &str, arguments: &[String]) -> String {
    let special = |c: char| c.is_whitespace() || "'\"\\$`&|;<>()[]{}*?!#~".contains(c);
    let mut line = program.to_string();
    for argument in arguments {
        line.push(' ');
        if argument.is_empty() || argument.contains(special) {
            line.push('\'');
            line.push_str(&argument.replace('\'', "'\\''"));
            line.push('\'');
        } else {
            line.push_str(argument);
        }
    }
    line
}

/// Sends standard output to a file (`--output-to`).
pub struct ToFile<'a> {
    file: File,
    errors: &'a mut dyn Sink,
}

impl<'a> ToFile<'a> {
    /// Creates the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: &str, errors: &'a mut dyn Sink) -> io::Result<ToFile<'a>> {
        Ok(ToFile { file: File::create(path)?, errors })
    }
}

impl Sink for ToFile<'_> {
    fn write(&mut self, stream: Stream, text: &str) -> io::Result<()> {
        match stream {
            Stream::Out => self.file.write_all(text.as_bytes()),
            Stream::Err => self.errors.write(stream, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Format, Output, request};
    use crate::compat::console::Collected;
    use crm_core::cib::Element;

    #[test]
    fn xml_ends_with_the_status() {
        let mut all = Collected::default();
        let mut output = Output::new(&mut all, Format::Xml, false);
        output.info("not shown");
        output.element(Element::new("actions"));
        output.error("no");
        output.finish("crm_simulate -x 'a b'", Exit::NO_SUCH);
        assert_eq!(
            all.out,
            "<pacemaker-result api-version=\"2.25\" request=\"crm_simulate -x 'a b'\">\n  \
             <actions/>\n  <status code=\"105\" message=\"No such object\">\n    <errors>\n      \
             <error>no</error>\n    </errors>\n  </status>\n</pacemaker-result>\n"
        );
    }

    #[test]
    fn requests_quote_what_a_shell_would_touch() {
        let words = ["-x".to_string(), "a b".to_string(), "c=1".to_string()];
        assert_eq!(request("crm_simulate", &words), "crm_simulate -x 'a b' c=1");
    }
}
