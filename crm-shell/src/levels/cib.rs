//! Shadow CIBs: copies of the configuration to try things on.

use std::path::PathBuf;

use crm_core::cib::{self, Element};

use crate::access::{FileAccess, open};
use crate::configuration::Configuration;
use crate::editor;
use crate::levels::configure::print_changes;
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command, Level};

const SHADOW: &[Argument] = &[Argument::Shadow];

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new(
        "new",
        "new [<name>] [withstatus] [force] [empty]",
        "make a copy and use it",
        (0, Some(4)),
        &[Argument::Any, Argument::OneOf(&["withstatus", "force", "empty"])],
        Action::Run(new),
    ),
    Command::new(
        "use",
        "use [<name>]",
        "work on a copy; without a name on the cluster again",
        (0, Some(2)),
        SHADOW,
        Action::Run(use_shadow),
    ),
    Command::new("list", "list", "the copies there are", (0, Some(0)), &[], Action::Run(list)),
    Command::new(
        "diff",
        "diff",
        "what the copy in use changes",
        (0, Some(0)),
        &[],
        Action::Run(diff),
    ),
    Command::new(
        "commit",
        "commit [<name>]",
        "put a copy in force",
        (0, Some(1)),
        SHADOW,
        Action::Run(commit),
    ),
    Command::new(
        "reset",
        "reset <name>",
        "make a copy equal to the cluster again",
        (1, Some(1)),
        SHADOW,
        Action::Run(reset),
    ),
    Command::new(
        "delete",
        "delete <name>",
        "delete a copy",
        (1, Some(1)),
        SHADOW,
        Action::Run(delete),
    ),
    Command::new(
        "import",
        "import {<file>|<transition>} [<name>]",
        "make a copy of a file, or of what a transition was planned from, and use it",
        (1, Some(2)),
        &[Argument::File, Argument::Any],
        Action::Run(import),
    ),
    Command::new(
        "cibstatus",
        "cibstatus [<command>]",
        "a status to try the configuration with",
        (0, None),
        &[],
        Action::Level(Level::CibStatus),
    ),
];

fn directory() -> Result<PathBuf, Failure> {
    if let Some(dir) = std::env::var_os("CIB_shadow_dir").filter(|d| !d.is_empty()) {
        return Ok(dir.into());
    }
    if let Some(file) = std::env::var_os("CIB_file").filter(|f| !f.is_empty()) {
        let path = PathBuf::from(file);
        return Ok(path.parent().map(std::path::Path::to_path_buf).unwrap_or_default());
    }
    if nix::unistd::geteuid().is_root() {
        let state =
            std::env::var_os("CRM_STATE_DIR").map_or_else(|| "/var/lib/crm".into(), PathBuf::from);
        return Ok(state.join("shadow"));
    }
    let home =
        std::env::var_os("HOME").ok_or_else(|| Failure::from("there is no home directory"))?;
    Ok(PathBuf::from(home).join(".cib"))
}

fn path(name: &str) -> Result<PathBuf, Failure> {
    let good = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
    if !good || name.starts_with('.') {
        return Err(format!(
            "Invalid name '{name}' for a copy; expected letters, digits, '-' and '_'"
        )
        .into());
    }
    Ok(directory()?.join(format!("shadow.{name}")))
}

fn existing(call: &Call<'_>, name: &str) -> Result<PathBuf, Failure> {
    let file = path(name)?;
    if file.is_file() {
        return Ok(file);
    }
    Err(Message::error(format!("shadow CIB {name} does not exist")).at(call.place(0)).into())
}

fn write(file: &PathBuf, cib: &Element) -> Outcome {
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir)
            .map_err(|e| Failure::from(format!("could not open {}: {e}", dir.display())))?;
    }
    std::fs::write(file, cib.to_pretty())
        .map_err(|e| format!("could not open {}: {e}", file.display()).into())
}

/// The copy of this name.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn stored(name: &str) -> Result<Element, Failure> {
    let file = path(name)?;
    let text = std::fs::read_to_string(&file)
        .map_err(|e| Failure::from(format!("could not open {}: {e}", file.display())))?;
    cib::parse(&text).map_err(|e| format!("{}: {e}", file.display()).into())
}

/// Keeps a document as a copy of this name (made fit to be one); the name it got.
///
/// # Errors
/// The name cannot be one, or the file cannot be written.
pub fn store(name: &str, cib: &Element) -> Result<String, Failure> {
    let fit = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.chars().map(fit).collect();
    write(&path(&name)?, cib)?;
    Ok(name)
}

/// Works on a file from now on, or on what the environment says.
pub fn switch(session: &mut Session, name: Option<&str>) -> Outcome {
    editor::settle(session)?;
    session.editor = None;
    match name {
        Some(name) => {
            session.access = Box::new(FileAccess::new(path(name)?));
            session.shadow = Some(name.to_string());
        }
        None => {
            session.access = open();
            session.shadow = None;
        }
    }
    Ok(())
}

fn new(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let has = |w: &str| words.iter().any(|x| x == w);
    let name = words
        .iter()
        .find(|w| !matches!(w.as_str(), "withstatus" | "force" | "empty"))
        .cloned()
        .unwrap_or_else(|| "test".into());
    let file = path(&name)?;
    if file.exists() && !has("force") && !session.options.force {
        return Err(Message::error(format!("shadow CIB {name} already exists"))
            .at(call.place(0))
            .help("use 'force' to replace it, or 'cib use' to go on with it")
            .into());
    }
    let mut cib = open().cib()?;
    if has("empty") {
        cib.retain(|c| c.name() != "status");
        if let Some(configuration) = cib.child_mut("configuration") {
            configuration.children_mut().for_each(|s| s.nodes_mut().clear());
        }
    }
    write(&file, &cib)?;
    switch(session, Some(&name))
}

fn use_shadow(session: &mut Session, call: &Call<'_>) -> Outcome {
    match call.get(0) {
        None | Some("live") => switch(session, None),
        Some(name) => {
            existing(call, name)?;
            switch(session, Some(name))
        }
    }
}

/// The names of all copies.
pub fn names() -> Vec<String> {
    let Ok(dir) = directory() else { return Vec::new() };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|e| e.file_name().into_string().ok())
        .filter_map(|n| n.strip_prefix("shadow.").map(str::to_string))
        .collect();
    names.sort();
    names
}

fn list(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let names = names();
    if session.printer.json {
        return session.printer.print_json(&names);
    }
    session.printer.print(&names.join("\n"));
    Ok(())
}

fn diff(session: &mut Session, _call: &Call<'_>) -> Outcome {
    if session.shadow.is_none() {
        return Err("no copy is in use ('cib use <name>')".into());
    }
    let (live, shadow) = (open().cib()?, session.access.cib()?);
    print_changes(session, &Configuration::new(&live), &Configuration::new(&shadow))
}

fn commit(session: &mut Session, call: &Call<'_>) -> Outcome {
    let Some(name) = call.get(0).map(str::to_string).or(session.shadow.clone()) else {
        return Err("no copy is in use, and none is named".into());
    };
    let file = existing(call, &name)?;
    editor::settle(session)?;
    let text = std::fs::read_to_string(&file)
        .map_err(|e| Failure::from(format!("could not open {}: {e}", file.display())))?;
    let shadow =
        cib::parse(&text).map_err(|e| Failure::from(format!("{}: {e}", file.display())))?;
    let mut live = open();
    let base = live.cib()?;
    let configuration = shadow
        .child("configuration")
        .ok_or_else(|| Failure::from("the copy has no configuration"))?;
    live.commit(&base, configuration, &format!("cib commit {name}"))?;
    Ok(())
}

fn reset(_session: &mut Session, call: &Call<'_>) -> Outcome {
    let name = &call.arguments[0].text;
    let file = existing(call, name)?;
    write(&file, &open().cib()?)
}

fn delete(session: &mut Session, call: &Call<'_>) -> Outcome {
    let name = &call.arguments[0].text;
    if session.shadow.as_deref() == Some(name) {
        return Err(Message::error(format!(
            "shadow CIB {name} is in use; 'cib use' goes back to the cluster"
        ))
        .at(call.place(0))
        .into());
    }
    let file = existing(call, name)?;
    std::fs::remove_file(&file)
        .map_err(|e| format!("could not delete {}: {e}", file.display()).into())
}

fn import(session: &mut Session, call: &Call<'_>) -> Outcome {
    let source = &call.arguments[0].text;
    if source.parse::<i64>().is_ok() && !std::path::Path::new(source).exists() {
        let cib = session.history.document(session.access.as_mut(), Some(source))?;
        let transition = format!("transition-{}", source.trim_start_matches('-'));
        let name = store(call.get(1).unwrap_or(&transition), &cib)?;
        return switch(session, Some(&name));
    }
    let text = std::fs::read_to_string(source)
        .map_err(|e| Message::error(format!("could not open {source}: {e}")).at(call.place(0)))?;
    let cib = cib::parse(&text).map_err(|e| Failure::from(format!("{source}: {e}")))?;
    let stem =
        std::path::Path::new(source).file_stem().and_then(|s| s.to_str()).unwrap_or("import");
    let name = call.get(1).unwrap_or(stem).to_string();
    write(&path(&name)?, &cib)?;
    switch(session, Some(&name))
}
