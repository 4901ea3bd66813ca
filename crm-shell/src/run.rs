//! The command line of the shell: options, one-shot commands, batches, or a prompt.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use crm_lrm::BuiltIn;

use crate::access;
use crate::agents::Installed;
use crate::language::{quote_word, words};
use crate::levels::{cib, options};
use crate::message::{Message, Printer, Source};
use crate::session::{Options, Session};

/// What the command line asks for.
#[derive(Default)]
struct Line {
    file: Option<String>,
    shadow: Option<String>,
    history: Option<String>,
    colour: Option<String>,
    settings: Vec<(String, String)>,
    options: Options,
    json: bool,
    words: Vec<String>,
}

enum Parsed {
    Go(Box<Line>),
    Print(String),
    Wrong(String),
}

/// The help of the command line.
pub const USAGE: &str = "\
Usage: crm [OPTION ...] [LEVEL ...] [COMMAND [ARGUMENT ...]]

Without a command: a prompt on a terminal, else a batch from standard input.

  -f, --file FILE          carry out the commands in FILE ('-': standard input)
  -F, --force              commit in spite of failed checks; yes to all questions
  -y, --yes / -n, --no     the answer to all questions
  -c, --cib NAME           work on a shadow CIB
  -H, --history SOURCE     the report that 'history' reads (or live)
      --scriptdir DIR      more wizards
  -w, --wait               wait for the cluster after each change
  -D, --display MODE       plain, color, color-always
  -o, --opt NAME=VALUE     set an option of the shell (core.check_mode=relaxed)
      --json               output and messages as JSON, one value a line
  -h, --help               this text; 'crm help' has the levels and commands
      --version            the version

Exit status: 0 done, 1 something failed, 2 wrong usage.
";

/// Runs the shell; `carried` are the agents that are in this executable.
pub fn run(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    let line = match parse(arguments) {
        Parsed::Go(line) => line,
        Parsed::Print(text) => {
            Printer::default().print(&text);
            return ExitCode::SUCCESS;
        }
        Parsed::Wrong(text) => {
            let json = arguments.iter().any(|a| a == "--json");
            let mut printer = Printer::default();
            printer.json = json;
            printer.say(&Message::error(text).help("'crm --help' has all options"));
            return ExitCode::from(2);
        }
    };
    let mut session =
        Session::new(access::open(), Box::new(Installed::new(carried)), line.options.clone());
    options::load(&mut session);
    session.options.force |= line.options.force;
    session.options.answer = line.options.answer;
    session.options.wait |= line.options.wait;
    for (name, value) in &line.settings {
        options::apply(&mut session, name, value);
    }
    session.printer.json = line.json;
    let plain = std::env::var_os("NO_COLOR").is_some();
    let coloured = |terminal: bool| match line.colour.as_deref() {
        Some("color-always") => true,
        Some("plain") => false,
        _ => terminal && !plain,
    };
    session.printer.colour = coloured(std::io::stderr().is_terminal());
    session.printer.terminal = std::io::stderr().is_terminal();
    session.printer.fancy = coloured(std::io::stdout().is_terminal());
    if let Some(name) = &line.shadow
        && let Err(failure) = cib::switch(&mut session, Some(name))
    {
        session.report(failure, None);
        return ExitCode::from(1);
    }
    if let Some(source) = &line.history
        && let Err(failure) = session.history.set_source(source)
    {
        session.report(failure, None);
        return ExitCode::from(1);
    }
    ExitCode::from(go(&mut session, &line))
}

fn go(session: &mut Session, line: &Line) -> u8 {
    if let Some(file) = &line.file {
        if !line.words.is_empty() && !enter(session, &line.words) {
            return session.finish();
        }
        return match read(file) {
            Ok(text) => {
                let name = if file == "-" { "standard input".to_string() } else { file.clone() };
                session.run_text(Source { name: Some(name), text });
                session.finish()
            }
            Err(text) => {
                session.printer.say(&Message::error(text));
                2
            }
        };
    }
    let terminal = std::io::stdin().is_terminal();
    if line.words.is_empty() {
        return if terminal { crate::repl::run(session) } else { batch(session) };
    }
    if !enter(session, &line.words) {
        return session.finish();
    }
    // The words led into a level and named no command of it.
    if terminal { crate::repl::run(session) } else { batch(session) }
}

fn batch(session: &mut Session) -> u8 {
    match read("-") {
        Ok(text) => {
            session.run_text(Source { name: Some("stdin".into()), text: text.clone() });
            let status = session.finish();
            if session.lost && !text.trim().is_empty() {
                keep(session, &text);
            }
            status
        }
        Err(text) => {
            session.printer.say(&Message::error(text));
            2
        }
    }
}

/// A batch that the cluster did not take is written to a file, since it may be nowhere else.
fn keep(session: &mut Session, text: &str) {
    use std::os::unix::fs::OpenOptionsExt as _;

    let directory = crate::repl::cache().unwrap_or_else(std::env::temp_dir);
    let path = directory.join(format!("batch-{}.crm", std::process::id()));
    let mut open = std::fs::OpenOptions::new();
    // It may have passwords in it. A file of that name is of an earlier process with our number.
    let written = std::fs::create_dir_all(&directory).and_then(|()| {
        let _ = std::fs::remove_file(&path);
        let mut file = open.write(true).create_new(true).mode(0o600).open(&path)?;
        std::io::Write::write_all(&mut file, text.as_bytes())
    });
    match written {
        Ok(()) => session.note(format!("the batch is kept in {}", path.display())),
        Err(e) => session.warn(format!("the batch could not be kept in {}: {e}", path.display())),
    }
}

/// Carries out the words of the command line; true if they only led into a level.
fn enter(session: &mut Session, given: &[String]) -> bool {
    let quoted: Vec<String> = given.iter().map(|w| quote_word(w)).collect();
    let text = quoted.join(" ");
    let source = std::rc::Rc::new(Source { name: None, text: text.clone() });
    let depth = session.levels.len();
    match words(&text, 0) {
        Ok(words) => {
            if let Err(failure) = session.execute(&words, &source) {
                let place = words.first().map(|w| crate::message::Place {
                    source: source.clone(),
                    span: w.span.clone(),
                });
                session.report(failure, place);
            }
        }
        Err(_) => session.report("syntax: a quote is never closed".into(), None),
    }
    session.failed == 0 && session.levels.len() > depth && !session.quit
}

fn read(file: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let result = if file == "-" {
        std::io::stdin().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|mut f| f.read_to_end(&mut bytes))
    };
    result.map_err(|e| format!("could not open {file}: {e}"))?;
    String::from_utf8(bytes).map_err(|_| format!("{file} is not UTF-8 text"))
}

fn parse(arguments: &[String]) -> Parsed {
    let mut line = Line::default();
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let (name, attached) = match word.split_once('=') {
            Some((n, v)) if n.starts_with("--") => (n, Some(v.to_string())),
            _ => (word.as_str(), None),
        };
        let mut value = |what: &str| {
            attached
                .clone()
                .or_else(|| rest.next().cloned())
                .ok_or_else(|| format!("usage: {name} wants {what}"))
        };
        let taken: Result<(), String> = match name {
            "-F" | "--force" => {
                line.options.force = true;
                Ok(())
            }
            "-y" | "--yes" | "-n" | "--no" => {
                line.options.answer = Some(name.contains('y'));
                Ok(())
            }
            "-w" | "--wait" => {
                line.options.wait = true;
                Ok(())
            }
            "--json" => {
                line.json = true;
                Ok(())
            }
            "-d" | "--debug" | "-R" | "--regression-tests" => Ok(()),
            "-f" | "--file" => value("a file").map(|v| {
                line.file = Some(v);
            }),
            "-c" | "--cib" => value("the name of a shadow CIB").map(|v| {
                line.shadow = Some(v);
            }),
            "-D" | "--display" => value("a mode").map(|v| {
                line.colour = Some(v);
            }),
            "-H" | "--history" => value("a report, or live").map(|v| {
                line.history = Some(v);
            }),
            "--scriptdir" => value("a directory").map(|v| {
                line.settings.push(("core.script_dir".into(), v));
            }),
            "-X" | "--profile" => value("a value").map(|_| ()),
            "-o" | "--opt" => value("name=value").and_then(|v| match v.split_once('=') {
                Some((n, v)) => {
                    line.settings.push((n.to_string(), v.to_string()));
                    Ok(())
                }
                None => Err(format!("usage: -o wants name=value, not '{v}'")),
            }),
            "-h" | "--help" => return Parsed::Print(USAGE.into()),
            "--version" => {
                return Parsed::Print(format!("crm {}\n", env!("CARGO_PKG_VERSION")));
            }
            other if other.starts_with('-') && other.len() > 1 => {
                Err(format!("usage: no such option: {other}"))
            }
            _ => {
                line.words.push(word.clone());
                line.words.extend(rest.cloned());
                break;
            }
        };
        if let Err(wrong) = taken {
            return Parsed::Wrong(wrong);
        }
    }
    Parsed::Go(Box::new(line))
}
