//! One run of the shell: where it reads and writes, what is being edited, and how far it got.

use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;

use crate::access::{Access, AccessError};
use crate::agents::Agents;
use crate::configuration::EditError;
use crate::editor::Editor;
use crate::history::History;
use crate::language::{Content, Line, Word, lines};
use crate::levels::cibstatus::Trial;
use crate::message::{Message, Place, Printer, Source};
use crate::table::{self, Action, Command, Level};

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Everything has been said already.
    Said,
    /// This is yet to be said.
    Message(Box<Message>),
}

impl From<Message> for Failure {
    fn from(message: Message) -> Failure {
        Failure::Message(Box::new(message))
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Message::error(text).into()
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Failure {
        Message::error(text).into()
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Failure {
        Message::error(error.to_string()).into()
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Failure {
        Message::error(error.to_string()).into()
    }
}

/// The result of a command.
pub type Outcome = Result<(), Failure>;

/// How careful checks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// What agents say is not looked at.
    Never,
    /// Findings are said, and errors do not stop a commit.
    Relaxed,
    /// Errors stop a commit.
    Strict,
}

/// What the command line and the user's settings ask for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Commit in spite of failed checks; delete what runs.
    pub force: bool,
    /// The answer to all questions, if one was given.
    pub answer: Option<bool>,
    /// Wait for the cluster after each change.
    pub wait: bool,
    /// How careful checks are.
    pub checks: Checks,
    /// Everything else that was set, by name.
    pub settings: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            force: false,
            answer: None,
            wait: false,
            checks: Checks::Strict,
            settings: BTreeMap::new(),
        }
    }
}

/// A command and what it was called with.
pub struct Call<'a> {
    /// The entry of the table.
    pub command: &'static Command,
    /// The word it was called by.
    pub name: &'a Word,
    /// The words behind it.
    pub arguments: &'a [Word],
    /// The text they come from.
    pub source: &'a Rc<Source>,
}

impl Call<'_> {
    /// The arguments as text.
    pub fn texts(&self) -> Vec<String> {
        self.arguments.iter().map(|w| w.text.clone()).collect()
    }

    /// The place of an argument, or of the command.
    pub fn place(&self, index: usize) -> Option<Place> {
        let span = self.arguments.get(index).unwrap_or(self.name).span.clone();
        Some(Place { source: self.source.clone(), span })
    }

    /// An argument, if it is there.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.arguments.get(index).map(|w| w.text.as_str())
    }

    /// The refusal that shows how the command is used.
    pub fn usage(&self) -> Failure {
        let found = self.arguments.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ");
        Message::error(format!("usage: {} (found '{found}')", self.command.usage))
            .at(self.place(0))
            .into()
    }
}

/// One line from the terminal, without its end; `None` at the end of the input and after Ctrl-C.
fn answer() -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    // Byte by byte: what follows the line is for the next reader.
    loop {
        match nix::unistd::read(std::io::stdin(), &mut byte) {
            Ok(0) => return None,
            Ok(_) if byte[0] == b'\n' => return Some(String::from_utf8_lossy(&line).into_owned()),
            Ok(_) => line.push(byte[0]),
            Err(nix::errno::Errno::EINTR) if !crate::sys::interrupted() => {}
            Err(_) => return None,
        }
    }
}

/// One run of the shell.
pub struct Session {
    /// The CIB, in a cluster or a file.
    pub access: Box<dyn Access>,
    /// Output and messages.
    pub printer: Printer,
    /// The agents of this machine.
    pub agents: Box<dyn Agents>,
    /// What was asked for.
    pub options: Options,
    /// Somebody types, and can answer.
    pub interactive: bool,
    /// Where the prompt is; the first one is always the root.
    pub levels: Vec<Level>,
    /// The configuration that is being edited.
    pub editor: Option<Editor>,
    /// Errors in this batch so far; a batch with errors commits nothing.
    pub failed: usize,
    /// The name of the shadow CIB in use.
    pub shadow: Option<String>,
    /// The past, as far as it was looked at.
    pub history: History,
    /// The configuration from wizards that was begun or chosen last.
    pub template: Option<String>,
    /// The status that `cibstatus` works on.
    pub trial: Option<Trial>,
    /// The cluster did not take what a batch wanted: it is not there, or went away meanwhile. The
    /// batch goes no further.
    pub lost: bool,
    /// Leave.
    pub quit: bool,
}

impl Session {
    /// A run over a CIB, with these agents to check against.
    pub fn new(access: Box<dyn Access>, agents: Box<dyn Agents>, options: Options) -> Session {
        Session {
            access,
            printer: Printer::default(),
            agents,
            options,
            interactive: false,
            levels: vec![Level::Root],
            editor: None,
            failed: 0,
            shadow: None,
            history: History::default(),
            template: None,
            trial: None,
            lost: false,
            quit: false,
        }
    }

    /// The innermost level.
    pub fn level(&self) -> Level {
        self.levels.last().copied().unwrap_or(Level::Root)
    }

    /// Says why a command failed, and counts it.
    pub fn report(&mut self, failure: Failure, place: Option<Place>) {
        self.failed += 1;
        if let Failure::Message(message) = failure {
            let mut message = *message;
            if message.place.is_none() {
                message.place = place;
            }
            self.printer.say(&message);
        }
    }

    /// What a command prints as text.
    ///
    /// # Errors
    /// Those of the command.
    pub fn text_of(
        &mut self,
        run: impl FnOnce(&mut Session) -> Outcome,
    ) -> Result<String, Failure> {
        let outer = self.printer.divert();
        let outcome = run(self);
        let text = self.printer.restore(outer);
        outcome.map(|()| text)
    }

    /// Says a warning.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.printer.say(&Message::warning(text));
    }

    /// Says a note.
    pub fn note(&mut self, text: impl Into<String>) {
        self.printer.say(&Message::info(text));
    }

    /// Asks a question; without anybody to answer it is a no.
    pub fn ask(&mut self, question: &str) -> bool {
        if let Some(answer) = self.options.answer {
            return answer;
        }
        if self.options.force {
            return true;
        }
        if !self.interactive {
            return false;
        }
        loop {
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "{question} (y/n)? ").and_then(|()| out.flush());
            let Some(line) = answer() else { return false };
            match line.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return true,
                "n" | "no" => return false,
                _ => {}
            }
        }
    }

    /// Carries out a whole text, line by line. With errors nothing is committed in the end.
    pub fn run_text(&mut self, source: Source) {
        let source = Rc::new(source);
        for line in lines(&source.text) {
            let line = line.split(&source.text);
            self.run_line(&source, line);
            if self.quit || (self.lost && !self.interactive) {
                break;
            }
        }
    }

    /// Carries out one logical line.
    pub fn run_line(&mut self, source: &Rc<Source>, line: Line) {
        let place = |span| Some(Place { source: source.clone(), span });
        match line.content {
            Content::Blank => {}
            // Comments are kept by `load`; here they only explain the batch.
            Content::Comment(_) => {}
            Content::OpenQuote(at) => {
                let text = "syntax: the quote that is opened here is never closed";
                self.report(text.into(), place(at..at + 1));
            }
            Content::Words(words) => {
                let whole = words.first().map(|w| w.span.clone()).unwrap_or_default();
                if let Err(failure) = self.execute(&words, source) {
                    self.report(failure, place(whole));
                }
            }
        }
    }

    /// Carries out one line of words, which may lead through levels and back.
    ///
    /// # Errors
    /// The command is not known or failed.
    pub fn execute(&mut self, words: &[Word], source: &Rc<Source>) -> Outcome {
        let depth = self.levels.len();
        let result = self.walk(words, source);
        match result {
            Ok(true) => Ok(()),
            Ok(false) => self.back_out(depth),
            Err(failure) => {
                // What failed does not stop what was done before from being kept or dropped.
                let keep = self.levels.len() > depth;
                if keep && !self.interactive {
                    let _ = self.leave_to(depth);
                } else {
                    self.levels.truncate(depth.max(1));
                }
                Err(failure)
            }
        }
    }

    /// Walks from level to level; true if the line ended in a level, which is then entered.
    fn walk(&mut self, words: &[Word], source: &Rc<Source>) -> Result<bool, Failure> {
        let mut rest = words;
        loop {
            let Some((name, arguments)) = rest.split_first() else { return Ok(true) };
            if name.text == "--help" || name.text == "-h" {
                let text = crate::help::level(self.level());
                self.printer.print(&text);
                return Ok(false);
            }
            let command = self.resolve(name, source)?;
            if let Action::Level(level) = command.action {
                self.levels.push(level);
                rest = arguments;
                continue;
            }
            if matches!(command.action, Action::Navigate(_)) && arguments.is_empty() {
                let call = Call { command, name, arguments, source };
                self.invoke(&call)?;
                return Ok(true);
            }
            let call = Call { command, name, arguments, source };
            self.invoke(&call)?;
            return Ok(matches!(command.action, Action::Navigate(_)));
        }
    }

    fn invoke(&mut self, call: &Call<'_>) -> Outcome {
        if matches!(call.get(0), Some("--help" | "-h")) && call.arguments.len() == 1 {
            let text = crate::help::command(self.level(), call.command);
            self.printer.print(&text);
            return Ok(());
        }
        let (least, most) = call.command.arguments;
        let given = call.arguments.len();
        if given < least || most.is_some_and(|m| given > m) {
            let how_many = match most {
                Some(m) if m == least => format!("exactly {least}"),
                Some(m) if given > m => format!("at most {m}"),
                _ => format!("at least {least}"),
            };
            let plural = if how_many.ends_with(" 1") { "argument" } else { "arguments" };
            let text = format!(
                "{} takes {how_many} {plural}, not {given}; usage: {}",
                call.command.name, call.command.usage
            );
            return Err(Message::error(text).at(call.place(given.saturating_sub(1))).into());
        }
        match call.command.action {
            Action::Run(run) | Action::Navigate(run) => {
                let at = self.level();
                let name = match at {
                    Level::Root => call.command.name.to_string(),
                    _ => format!("{} {}", at.name(), call.command.name),
                };
                self.printer.begin();
                let outcome = run(self, call);
                self.printer.end(&name);
                outcome
            }
            Action::Absent(why) => {
                Err(Message::error(format!("{}: {why}", call.command.name)).into())
            }
            Action::Level(_) => Ok(()),
        }
    }

    fn resolve(&mut self, name: &Word, source: &Rc<Source>) -> Result<&'static Command, Failure> {
        let level = self.level();
        match table::find(level, &name.text, self.interactive) {
            table::Found::Exact(command) => Ok(command),
            table::Found::Old(command) => {
                let text = format!("'{}' is an old name; use '{}'", name.text, command.name);
                self.printer.say(&Message::warning(text));
                Ok(command)
            }
            table::Found::Guess(command) => {
                self.note(format!("'{}' is taken for '{}'", name.text, command.name));
                Ok(command)
            }
            table::Found::None(near) => {
                let at = if level == Level::Root {
                    String::new()
                } else {
                    format!("{}: ", level.name())
                };
                let mut message = Message::error(format!("{at}Unknown command '{}'", name.text))
                    .at(Some(Place { source: source.clone(), span: name.span.clone() }));
                if !near.is_empty() {
                    message = message.help(format!("did you mean {}?", near.join(" or ")));
                }
                Err(message.into())
            }
        }
    }

    /// Goes back to a depth after a line that led through levels.
    fn back_out(&mut self, depth: usize) -> Outcome {
        if self.levels.len() <= depth {
            return Ok(());
        }
        self.leave_levels(depth, false)
    }

    /// Leaves levels down to a depth. Leaving `configure` asks whether to commit what changed; in
    /// a batch it commits.
    ///
    /// # Errors
    /// The commit failed.
    pub fn leave_to(&mut self, depth: usize) -> Outcome {
        self.leave_levels(depth, true)
    }

    fn leave_levels(&mut self, depth: usize, ask: bool) -> Outcome {
        let mut result = Ok(());
        while self.levels.len() > depth.max(1) {
            let left = self.levels.pop();
            if left == Some(Level::Configure) && !self.levels.contains(&Level::Configure) {
                result = crate::editor::leave(self, ask);
            }
        }
        result
    }

    /// Ends a run: commits, or drops everything if there were errors. The exit status.
    pub fn finish(&mut self) -> u8 {
        let outcome = self.leave_to(1).and_then(|()| crate::editor::finish(self));
        if let Err(failure) = outcome {
            self.report(failure, None);
        }
        u8::from(self.failed > 0)
    }
}
