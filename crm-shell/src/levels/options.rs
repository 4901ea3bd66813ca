//! Settings of the shell.

use crate::message::Message;
use crate::session::{Call, Checks, Outcome, Session};
use crate::table::{Action, Argument, Command};

const YES_NO: &[Argument] = &[Argument::OneOf(&["yes", "no"])];

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new(
        "show",
        "show [<option>]",
        "the settings",
        (0, Some(1)),
        &[Argument::Any],
        Action::Run(show),
    )
    .old(&["list"]),
    Command::new(
        "set",
        "set <option> <value>",
        "change a setting",
        (2, Some(2)),
        &[Argument::Any],
        Action::Run(set),
    ),
    Command::new(
        "wait",
        "wait {yes|no}",
        "wait for the cluster after each change",
        (1, Some(1)),
        YES_NO,
        Action::Run(wait),
    ),
    Command::new(
        "check-frequency",
        "check-frequency {always|on-verify|never}",
        "when agents are asked whether parameters are right",
        (1, Some(1)),
        &[Argument::OneOf(&["always", "on-verify", "never"])],
        Action::Run(frequency),
    )
    .aliases(&["check_frequency"]),
    Command::new(
        "check-mode",
        "check-mode {strict|relaxed}",
        "whether what agents refuse stops a commit",
        (1, Some(1)),
        &[Argument::OneOf(&["strict", "relaxed"])],
        Action::Run(mode),
    )
    .aliases(&["check_mode"]),
    Command::new(
        "editor",
        "editor <program>",
        "the editor for 'edit'",
        (1, Some(1)),
        &[Argument::File],
        Action::Run(named),
    ),
    Command::new(
        "pager",
        "pager <program>",
        "the pager for long output",
        (1, Some(1)),
        &[Argument::File],
        Action::Run(named),
    ),
    Command::new(
        "output",
        "output {plain|color|color-always|uppercase}",
        "colours",
        (1, Some(1)),
        &[Argument::OneOf(&["plain", "color", "color-always", "uppercase"])],
        Action::Run(named),
    ),
    Command::new(
        "colorscheme",
        "colorscheme <colours>",
        "which colours",
        (1, None),
        &[],
        Action::Run(named),
    ),
    Command::new(
        "skill-level",
        "skill-level {operator|administrator|expert}",
        "how much the shell lets you do",
        (1, Some(1)),
        &[Argument::OneOf(&["operator", "administrator", "expert"])],
        Action::Run(named),
    )
    .aliases(&["skill_level"]),
    Command::new(
        "sort-elements",
        "sort-elements {yes|no}",
        "sort listings",
        (1, Some(1)),
        YES_NO,
        Action::Run(named),
    )
    .aliases(&["sort_elements"]),
    Command::new(
        "manage-children",
        "manage-children {ask|always|never}",
        "what happens to the members of a container",
        (1, Some(1)),
        &[Argument::OneOf(&["ask", "always", "never"])],
        Action::Run(named),
    )
    .aliases(&["manage_children"]),
    Command::new(
        "add-quotes",
        "add-quotes {yes|no}",
        "keep arguments with blanks together",
        (1, Some(1)),
        YES_NO,
        Action::Run(named),
    )
    .aliases(&["add_quotes"]),
    Command::new(
        "user",
        "user [<name>]",
        "the user whose rights apply",
        (0, Some(1)),
        &[],
        Action::Absent("the cluster knows you by your login; there is nothing to choose"),
    ),
    Command::new(
        "save",
        "save",
        "keep the settings for the next time",
        (0, Some(0)),
        &[],
        Action::Run(save),
    ),
    Command::new(
        "reset",
        "reset",
        "go back to the defaults",
        (0, Some(0)),
        &[],
        Action::Run(reset),
    ),
];

/// Applies a setting by its full name (`core.check_mode`).
pub fn apply(session: &mut Session, name: &str, value: &str) {
    let short = name.rsplit('.').next().unwrap_or(name).replace('-', "_");
    match (short.as_str(), value) {
        ("check_frequency", "never") => session.options.checks = Checks::Never,
        ("check_mode", "relaxed") => session.options.checks = Checks::Relaxed,
        ("check_frequency", _) | ("check_mode", _) => session.options.checks = Checks::Strict,
        ("force", v) => session.options.force = is_yes(v),
        ("wait", v) => session.options.wait = is_yes(v),
        _ => {}
    }
    session.options.settings.insert(format!("core.{short}"), value.to_string());
}

fn is_yes(value: &str) -> bool {
    crate::language::vocabulary::boolean(value) == Some(true)
}

fn show(session: &mut Session, call: &Call<'_>) -> Outcome {
    let mut all = session.options.settings.clone();
    let checks = match session.options.checks {
        Checks::Never => "never",
        Checks::Relaxed => "relaxed",
        Checks::Strict => "strict",
    };
    all.insert("core.check_mode".into(), checks.into());
    all.insert("core.wait".into(), if session.options.wait { "yes" } else { "no" }.into());
    all.entry("core.obscure_pattern".into()).or_insert("passw*".into());
    let short = |name: &str| name.strip_prefix("core.").unwrap_or(name).to_string();
    all.retain(|name, _| call.get(0).is_none_or(|w| w == short(name) || w == name));
    if all.is_empty() {
        return Err(Message::error("no such option is set").at(call.place(0)).into());
    }
    if session.printer.json {
        let named: std::collections::BTreeMap<String, String> =
            all.into_iter().map(|(name, value)| (short(&name), value)).collect();
        return session.printer.print_json(&named);
    }
    let mut out = String::new();
    for (name, value) in all {
        out.push_str(&format!("{:20} \"{value}\"\n", short(&name)));
    }
    session.printer.print(&out);
    Ok(())
}

fn set(session: &mut Session, call: &Call<'_>) -> Outcome {
    apply(session, &call.arguments[0].text, &call.arguments[1].text);
    Ok(())
}

fn named(session: &mut Session, call: &Call<'_>) -> Outcome {
    let value = call.texts().join(" ");
    apply(session, call.command.name, &value);
    Ok(())
}

fn wait(session: &mut Session, call: &Call<'_>) -> Outcome {
    apply(session, "wait", &call.arguments[0].text);
    Ok(())
}

fn frequency(session: &mut Session, call: &Call<'_>) -> Outcome {
    apply(session, "check_frequency", &call.arguments[0].text);
    Ok(())
}

fn mode(session: &mut Session, call: &Call<'_>) -> Outcome {
    apply(session, "check_mode", &call.arguments[0].text);
    Ok(())
}

/// The user's settings file.
pub fn settings_file() -> Option<std::path::PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(std::path::PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| std::path::Path::new(&h).join(".config")))?;
    Some(base.join("crm").join("crm.conf"))
}

/// Reads the settings file, if there is one: `name = value` lines, sections in brackets.
pub fn load(session: &mut Session) {
    let Some(text) = settings_file().and_then(|f| std::fs::read_to_string(f).ok()) else { return };
    for line in text.lines() {
        if let Some((name, value)) = line.split_once('=') {
            apply(session, name.trim(), value.trim());
        }
    }
}

fn save(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let Some(file) = settings_file() else { return Err("there is no home directory".into()) };
    let mut text = String::from("[core]\n");
    for (name, value) in &session.options.settings {
        text.push_str(&format!("{} = {value}\n", name.strip_prefix("core.").unwrap_or(name)));
    }
    let parent = file.parent().map(std::path::Path::to_path_buf).unwrap_or_default();
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(&file, text))
        .map_err(|e| format!("could not open {}: {e}", file.display()))?;
    Ok(())
}

fn reset(session: &mut Session, _call: &Call<'_>) -> Outcome {
    session.options = crate::session::Options::default();
    Ok(())
}
