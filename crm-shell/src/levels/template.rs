//! Wizards in steps: a file with the values is made, edited, looked at and applied.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::levels::load;
use crate::levels::script;
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command};
use crate::wizard::{self, Wizard};

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new("new", "new [<config>] <wizard> [<wizard> ...] [params name=value ...]", "begin a configuration from wizards", (1, None), &[Argument::Any, Argument::Wizard], Action::Run(new))
        .help("The values stand in a file behind '%%'; 'edit' fills them in, 'show' prints what comes of them, and\n'apply' adds that to the configuration that is edited. 'script run' does it in one go."),
    Command::new("load", "load [<config>]", "go on with a configuration", (0, Some(1)), &[Argument::Any], Action::Run(choose)),
    Command::new("edit", "edit [<config>]", "fill the values in, in $EDITOR", (0, Some(1)), &[Argument::Any], Action::Run(edit)),
    Command::new("delete", "delete <config> [force]", "delete a configuration", (1, Some(2)), &[Argument::Any], Action::Run(delete)),
    Command::new("list", "list [configs|templates]", "configurations begun, or the wizards there are", (0, Some(1)), &[Argument::OneOf(&["configs", "templates"])], Action::Run(list)),
    Command::new("apply", "apply [replace|update] [<config>]", "add what comes of a configuration to the one that is edited", (0, Some(2)), &[Argument::OneOf(&["replace", "update"])], Action::Run(apply)),
    Command::new("show", "show [<config>]", "what comes of a configuration", (0, Some(1)), &[Argument::Any], Action::Run(show)),
];

fn directory() -> Result<PathBuf, Failure> {
    let settings = crate::levels::options::settings_file();
    let base = settings.and_then(|f| f.parent().map(std::path::Path::to_path_buf));
    Ok(base.ok_or_else(|| Failure::from("there is no home directory"))?.join("templates"))
}

fn file(name: &str) -> Result<PathBuf, Failure> {
    let good = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    if !good {
        return Err(format!("'{name}': a name has letters, digits, '-' and '_'").into());
    }
    Ok(directory()?.join(name))
}

/// The configuration that is named, or the one that was begun or chosen last.
fn current(session: &Session, name: Option<&str>) -> Result<String, Failure> {
    let name = name.map(str::to_string).or_else(|| session.template.clone());
    name.ok_or_else(|| "no configuration is chosen: name one ('template list')".into())
}

/// The blanks of a wizard with a line each.
fn blank(wizard: &Wizard, values: &BTreeMap<String, String>) -> String {
    let mut out = format!("%wizard {}\n# {}\n", wizard.name, wizard.about);
    for p in &wizard.parameters {
        let required = if p.required { ", required" } else { "" };
        out.push_str(&format!("\n# {} ({}{required})\n", p.about, wizard::word(&p.kind)));
        let value = values.get(&p.name).or(p.default.as_ref()).cloned().unwrap_or_default();
        out.push_str(&format!("%% {} {value}\n", p.name));
    }
    out
}

fn new(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let end = words.iter().position(|w| w == "params").unwrap_or(words.len());
    let values = script::values(call, (end + 1).min(words.len()))?;
    let (name, wizards) = match &words[..end] {
        [] => return Err(call.usage()),
        [one] => (one.clone(), vec![one.clone()]),
        [name, rest @ ..] => (name.clone(), rest.to_vec()),
    };
    let path = file(&name)?;
    if path.exists() {
        return Err(Message::error(format!("the configuration {name} is there already"))
            .help("'template delete' it, or choose another name")
            .into());
    }
    let mut text = String::new();
    let mut known = Vec::new();
    for wizard in &wizards {
        let wizard = script::find(session, wizard)?;
        known.extend(wizard.parameters.iter().map(|p| p.name.clone()));
        text.push_str(&blank(&wizard, &values));
        text.push('\n');
    }
    if let Some(stray) = values.keys().find(|v| !known.contains(v)) {
        return Err(format!("no wizard of these has a parameter '{stray}'").into());
    }
    let write = std::fs::create_dir_all(directory()?).and_then(|()| std::fs::write(&path, text));
    write.map_err(|e| Failure::from(format!("could not open {}: {e}", path.display())))?;
    session.template = Some(name);
    Ok(())
}

fn choose(session: &mut Session, call: &Call<'_>) -> Outcome {
    let Some(name) = call.get(0) else {
        session.template = None;
        return Ok(());
    };
    if !file(name)?.is_file() {
        return Err(missing(name));
    }
    session.template = Some(name.to_string());
    Ok(())
}

fn missing(name: &str) -> Failure {
    Message::error(format!("there is no configuration '{name}'"))
        .help("'template list' has them all; 'template new' begins one")
        .into()
}

fn edit(session: &mut Session, call: &Call<'_>) -> Outcome {
    let name = current(session, call.get(0))?;
    let path = file(&name)?;
    if !path.is_file() {
        return Err(missing(&name));
    }
    if !session.interactive {
        return Err("there is nobody to edit in a batch; give the values to 'new'".into());
    }
    load::in_editor(&path)
}

fn delete(session: &mut Session, call: &Call<'_>) -> Outcome {
    let name = &call.arguments[0].text;
    let path = file(name)?;
    if !path.is_file() {
        return Err(missing(name));
    }
    let force = call.get(1) == Some("force") || session.options.force;
    if session.template.as_ref() == Some(name) && !force {
        return Err(format!("{name} is the one in use; 'delete {name} force' does it").into());
    }
    if session.template.as_ref() == Some(name) {
        session.template = None;
    }
    std::fs::remove_file(&path)
        .map_err(|e| format!("could not delete {}: {e}", path.display()).into())
}

fn list(session: &mut Session, call: &Call<'_>) -> Outcome {
    match call.get(0) {
        Some("templates") => {
            let (all, _) =
                wizard::all(session.options.settings.get("core.script_dir").map(String::as_str));
            let names: Vec<&str> = all.keys().map(String::as_str).collect();
            if session.printer.json {
                return session.printer.print_json(&names);
            }
            session.printer.print(&names.join("\n"));
        }
        None | Some("configs") => {
            let entries = std::fs::read_dir(directory()?).into_iter().flatten().flatten();
            let mut names: Vec<String> =
                entries.filter_map(|e| e.file_name().into_string().ok()).collect();
            names.sort();
            if session.printer.json {
                return session.printer.print_json(&names);
            }
            session.printer.print(&names.join("\n"));
        }
        Some(_) => return Err(call.usage()),
    }
    Ok(())
}

/// What comes of a configuration: every wizard in it with its values.
fn process(session: &mut Session, name: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file(name)?).map_err(|_| missing(name))?;
    let mut parts: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong = |what: &str| Failure::from(format!("{name}, line {}: {what}", at + 1));
        if line.is_empty() || line.starts_with('#') {
        } else if let Some(wizard) = line.strip_prefix("%wizard ") {
            parts.push((wizard.trim().to_string(), BTreeMap::new()));
        } else if let Some(rest) = line.strip_prefix("%%") {
            let (parameter, value) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
            let (_, values) = parts.last_mut().ok_or_else(|| wrong("no %wizard before it"))?;
            values.insert(parameter.to_string(), value.trim().to_string());
        } else {
            return Err(wrong("expected '%% name value', '%wizard name' or a comment"));
        }
    }
    let mut out = String::new();
    for (wizard, values) in parts {
        let wizard = script::find(session, &wizard)?;
        let made = wizard::expand(&wizard, &values);
        out.push_str(&made.map_err(|f| Failure::from(f.join("\n")))?.configuration);
    }
    Ok(out)
}

fn show(session: &mut Session, call: &Call<'_>) -> Outcome {
    let name = current(session, call.get(0))?;
    let text = process(session, &name)?;
    session.printer.print(&text);
    Ok(())
}

fn apply(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let method = words.iter().find(|w| matches!(w.as_str(), "replace" | "update"));
    let name = words.iter().find(|w| !matches!(w.as_str(), "replace" | "update"));
    let name = current(session, name.map(String::as_str))?;
    let text = process(session, &name)?;
    match method.map(String::as_str) {
        None => load::add_text(session, &name, text),
        Some(method) => load::load_text(session, &name, text, method == "replace"),
    }
}
