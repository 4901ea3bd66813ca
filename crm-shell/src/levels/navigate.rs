//! Commands that every level has.

use crate::message::Message;
use crate::session::{Call, Outcome, Session};
use crate::table::{Action, EVERYWHERE, Level};

/// `help`
pub fn help(session: &mut Session, call: &Call<'_>) -> Outcome {
    match crate::help::topic(session.level(), &call.texts()) {
        Some(text) => {
            session.printer.print(&text);
            Ok(())
        }
        None => {
            let what = call.texts().join(" ");
            Err(Message::error(format!("help: Not found: '{what}'"))
                .at(call.place(0))
                .help("'help topics' lists everything there is help for")
                .into())
        }
    }
}

/// `ls`
pub fn list(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let level = session.level();
    let mut names: Vec<String> = level
        .commands()
        .iter()
        .chain(EVERYWHERE)
        .map(|c| match c.action {
            Action::Level(_) => format!("{}/", c.name),
            _ => c.name.to_string(),
        })
        .collect();
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    session.printer.print(&format!("  {}", crate::help::wrap(&names, 76)));
    Ok(())
}

/// `cd`
pub fn change(session: &mut Session, call: &Call<'_>) -> Outcome {
    let path = call.get(0).unwrap_or("..");
    if path.starts_with('/') {
        session.leave_to(1)?;
    }
    for step in path.split('/').filter(|s| !s.is_empty() && *s != ".") {
        if step == ".." {
            let depth = session.levels.len();
            session.leave_to(depth.saturating_sub(1))?;
            continue;
        }
        match Level::from_name(step) {
            Some(level) => session.levels.push(level),
            None => {
                return Err(Message::error(format!("cd: Not found: there is no level '{step}'"))
                    .at(call.place(0))
                    .into());
            }
        }
    }
    Ok(())
}

/// `up`
pub fn up(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let depth = session.levels.len();
    session.leave_to(depth.saturating_sub(1))
}

/// `quit`
pub fn quit(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let outcome = session.leave_to(1);
    if outcome.is_ok() {
        session.quit = true;
    }
    outcome
}
