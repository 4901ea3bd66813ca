//! The prompt: reading lines with completion, colours, hints and history.

mod complete;
mod facts;
mod helper;

use std::path::PathBuf;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor as LineEditor};

use crate::editor::Editor;
use crate::message::{Message, Source};
use crate::session::{Failure, Session};
use crate::sys::Interrupts;
use crate::table::Level;

pub use complete::{Candidate, candidates};
pub use facts::Facts;
use helper::Helper;

/// Reads and carries out lines until the user leaves; the exit status.
pub fn run(session: &mut Session) -> u8 {
    session.interactive = true;
    let config = Config::builder().auto_add_history(false).max_history_size(2000);
    let config = match config {
        Ok(c) => c.completion_type(rustyline::CompletionType::List).build(),
        Err(_) => Config::default(),
    };
    let mut lines: LineEditor<Helper, FileHistory> = match LineEditor::with_config(config) {
        Ok(lines) => lines,
        Err(e) => {
            session.report(format!("there is no terminal to work on: {e}").into(), None);
            return session.finish();
        }
    };
    lines.set_helper(Some(Helper::new(
        session.printer.colour,
        Facts::new(session.agents.duplicate()),
    )));
    let history = history_file();
    if let Some(file) = &history {
        // A first start has none.
        let _ = lines.load_history(file);
    }
    let names = Names::of(session);
    while !session.quit {
        if let Some(helper) = lines.helper_mut() {
            helper.level = session.level();
            helper.facts.refresh(session);
        }
        match lines.readline(&prompt(session, &names)) {
            Ok(line) => {
                if !line.trim().is_empty() && !holds_secret(&line) {
                    let _ = lines.add_history_entry(line.as_str());
                }
                carry_out(session, line);
            }
            Err(ReadlineError::Interrupted) => interrupted(session),
            Err(ReadlineError::Eof) => {
                if let Err(failure) = session.leave_to(1) {
                    session.report(failure, None);
                }
                break;
            }
            Err(e) => {
                session.report(Failure::from(format!("the terminal is gone: {e}")), None);
                break;
            }
        }
    }
    if let Some(file) = &history {
        save_history(&mut lines, file);
    }
    session.failed = 0;
    session.finish()
}

/// Runs one line. Ctrl-C ends a wait; while changes are not committed, it cannot take them away.
fn carry_out(session: &mut Session, line: String) {
    let guard = session.editor.as_ref().is_some_and(Editor::is_changed);
    let noted = Interrupts::noted(guard);
    session.run_text(Source { name: None, text: line });
    drop(noted);
    if crate::sys::interrupted() {
        interrupted(session);
    }
}

fn interrupted(session: &mut Session) {
    let text = match session.editor.as_ref().map_or(0, Editor::changes) {
        0 => return,
        1 => "1 change is not committed; 'commit', or 'quit' to leave".to_string(),
        n => format!("{n} changes are not committed; 'commit', or 'quit' to leave"),
    };
    session.printer.say(&Message::info(text));
}

/// Where the shell keeps what it may lose: `crm` in the user's cache.
pub fn cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base =
        cache.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")))?;
    Some(base.join("crm"))
}

fn history_file() -> Option<PathBuf> {
    Some(cache()?.join("history"))
}

fn save_history(lines: &mut LineEditor<Helper, FileHistory>, file: &PathBuf) {
    if let Some(dir) = file.parent() {
        // Without a home directory there is no history; nothing else depends on it.
        let _ = std::fs::create_dir_all(dir);
    }
    let _ = lines.save_history(file);
}

/// A line with a password is not kept.
fn holds_secret(line: &str) -> bool {
    line.split_whitespace()
        .any(|w| w.split_once('=').is_some_and(|(name, _)| name.to_lowercase().contains("passw")))
}

/// The cluster and node in the prompt; asked once.
struct Names {
    cluster: String,
    node: String,
}

impl Names {
    fn of(session: &mut Session) -> Names {
        let state = if session.access.is_live() { session.access.state(None).ok() } else { None };
        let host = nix::unistd::gethostname().map(|h| h.to_string_lossy().into_owned());
        let host = host.unwrap_or_else(|_| "localhost".into());
        match state {
            Some(state) => Names {
                cluster: if state.cluster_name.is_empty() {
                    "live".into()
                } else {
                    state.cluster_name
                },
                node: if state.local_node.is_empty() { host } else { state.local_node },
            },
            None => Names { cluster: "live".into(), node: host },
        }
    }
}

fn prompt(session: &Session, names: &Names) -> String {
    let cluster = session.shadow.as_deref().unwrap_or(&names.cluster);
    let levels: Vec<&str> =
        session.levels.iter().filter(|l| **l != Level::Root).map(|l| l.name()).collect();
    let changes = session.editor.as_ref().map_or(0, Editor::changes);
    let mark = if changes > 0 { format!("*{changes}") } else { String::new() };
    format!("crm({cluster}/{}){}{mark}# ", names.node, levels.join(" "))
}
