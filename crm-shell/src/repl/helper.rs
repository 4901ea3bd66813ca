//! What the line editor asks for: completion, colours, hints, and whether a line is complete.

use std::borrow::Cow;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Result};

use crate::language::{Class, Kind, NoWorld, Notes, continues, parse, words};
use crate::table::{Action, Argument, Found, Level, find};

use super::complete::candidates;
use super::facts::Facts;

/// State of the prompt that the line editor asks.
pub struct Helper {
    /// Where the prompt is.
    pub level: Level,
    /// What completion knows.
    pub facts: Facts,
    colour: bool,
}

impl Helper {
    /// A prompt at the root.
    pub fn new(colour: bool, facts: Facts) -> Helper {
        Helper { level: Level::Root, facts, colour }
    }
}

impl rustyline::Helper for Helper {}

impl Completer for Helper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let before = line.get(..pos).unwrap_or(line);
        let (start, found) = candidates(self.level, before, &self.facts);
        let pairs = found
            .into_iter()
            .map(|c| {
                let ends = c.text.ends_with(['=', ':', '/']);
                let replacement = if ends { c.text.clone() } else { format!("{} ", c.text) };
                let display = if c.note.is_empty() {
                    c.text
                } else {
                    let note: String = c.note.chars().take(60).collect();
                    format!("{:24} {note}", c.text)
                };
                Pair { display, replacement }
            })
            .collect();
        Ok((start, pairs))
    }
}

impl Hinter for Helper {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        if pos < line.len() || line.trim().is_empty() {
            return None;
        }
        let last = line.rsplit([' ', '\t']).next().unwrap_or_default();
        if last.is_empty() {
            return usage_hint(self.level, line);
        }
        let (start, found) = candidates(self.level, line, &self.facts);
        match found.as_slice() {
            [one] => one.text.get(line.len() - start..).map(str::to_string),
            _ => None,
        }
    }
}

/// How the command goes on, once its name is there.
fn usage_hint(level: Level, line: &str) -> Option<String> {
    let all = words(line, 0).ok()?;
    let mut here = level;
    for (at, word) in all.iter().enumerate() {
        let Found::Exact(command) = find(here, &word.text, false) else { return None };
        if let Action::Level(next) = command.action {
            here = next;
            continue;
        }
        if at + 1 < all.len() {
            return None;
        }
        return command.usage.split_once(' ').map(|(_, rest)| rest.to_string());
    }
    None
}

const RESET: &str = "\x1b[0m";

fn code(class: Class) -> &'static str {
    match class {
        Class::Keyword => "\x1b[1;36m",
        Class::Id => "\x1b[1m",
        Class::Reference => "\x1b[32m",
        Class::Attribute => "\x1b[33m",
        Class::Score => "\x1b[35m",
        Class::Agent => "\x1b[34m",
        Class::Plain => "",
    }
}

impl Highlighter for Helper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.colour { Cow::Owned(paint(self.level, line)) } else { Cow::Borrowed(line) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colour { Cow::Owned(format!("\x1b[2m{hint}{RESET}")) } else { Cow::Borrowed(hint) }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.colour && kind != CmdKind::MoveCursor
    }
}

/// A line with colours: commands, and in statements what the grammar made of each word.
pub fn paint(level: Level, line: &str) -> String {
    let Ok(all) = words(line, 0) else { return line.to_string() };
    let mut classes: Vec<Option<&'static str>> = vec![None; all.len()];
    let mut here = level;
    for (at, word) in all.iter().enumerate() {
        let command = match find(here, &word.text, true) {
            Found::Exact(c) | Found::Old(c) | Found::Guess(c) => c,
            Found::None(_) => {
                classes[at] = Some("\x1b[31m");
                break;
            }
        };
        classes[at] = Some("\x1b[1;36m");
        match command.action {
            Action::Level(next) => here = next,
            _ => {
                if matches!(
                    command.complete.first(),
                    Some(Argument::Statement(Kind::Primitive | Kind::Node))
                ) {
                    let mut statement = all[at..].to_vec();
                    statement[0].text = command.name.to_string();
                    let notes = Notes::default();
                    let _ = parse(&statement, &NoWorld, &notes);
                    for (index, class) in notes.classes() {
                        if let Some(slot) = classes.get_mut(at + index) {
                            *slot = Some(code(class));
                        }
                    }
                }
                break;
            }
        }
    }
    let mut out = String::new();
    let mut last = 0;
    for (word, class) in all.iter().zip(classes) {
        out.push_str(&line[last..word.span.start]);
        let text = &line[word.span.clone()];
        match class.filter(|c| !c.is_empty()) {
            Some(code) => out.push_str(&format!("{code}{text}{RESET}")),
            None => out.push_str(text),
        }
        last = word.span.end;
    }
    out.push_str(&line[last..]);
    out
}

impl Validator for Helper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        Ok(if continues(context.input()) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_leave_the_text_alone() {
        let line = "  primitive vip IPaddr2 params ip=\"1 2\"  op monitor";
        let painted = paint(Level::Configure, line);
        let mut plain = String::new();
        let mut inside = false;
        for c in painted.chars() {
            match c {
                '\x1b' => inside = true,
                'm' if inside => inside = false,
                c if !inside => plain.push(c),
                _ => {}
            }
        }
        assert_eq!(plain, line);
        assert!(!painted.contains("\x1b[31m"));
        assert!(paint(Level::Root, "nosuch x").contains("\x1b[31m"));
    }

    #[test]
    fn a_command_shows_how_it_goes_on() {
        assert_eq!(usage_hint(Level::Root, "resource stop ").as_deref(), Some("<rsc> [<rsc> ...]"));
        assert_eq!(usage_hint(Level::Root, "resource stop a "), None);
    }
}
