//! Help, made from the table of commands.

use std::path::Path;
use std::process::ExitCode;

use crate::message::{Message, Printer};
use crate::table::{Action, Command, EVERYWHERE, Level, available};

/// The help of a level: its commands, one a line.
pub fn level(level: Level) -> String {
    let mut out = format!("{}\n\n", title(level));
    let width = available(level).map(|c| c.name.len()).max().unwrap_or(0);
    let line = |c: &Command| format!("  {:width$}  {}\n", c.name, c.about);
    let (levels, commands): (Vec<&Command>, Vec<&Command>) =
        level.commands().iter().partition(|c| matches!(c.action, Action::Level(_)));
    if !levels.is_empty() {
        out.push_str("Levels:\n");
        levels.iter().for_each(|c| out.push_str(&line(c)));
        out.push('\n');
    }
    out.push_str("Commands:\n");
    commands.iter().for_each(|c| out.push_str(&line(c)));
    out.push_str("\nEverywhere:\n");
    EVERYWHERE.iter().for_each(|c| out.push_str(&line(c)));
    out.push_str("\n'help COMMAND' says more about one of them; 'COMMAND --help' does the same.\n");
    out
}

fn title(level: Level) -> String {
    match level {
        Level::Root => "crm: the cluster shell".to_string(),
        other => format!("{}: {}", other.name(), other.about()),
    }
}

/// The help of a command.
pub fn command(level: Level, command: &Command) -> String {
    let at = if level == Level::Root { String::new() } else { format!("{} ", level.name()) };
    let mut out =
        format!("{at}{}: {}\n\nUsage:\n  {}\n", command.name, command.about, command.usage);
    if !command.aliases.is_empty() {
        out.push_str(&format!("\nOther names: {}\n", command.aliases.join(", ")));
    }
    if !command.old.is_empty() {
        out.push_str(&format!("\nNames of old, still understood: {}\n", command.old.join(", ")));
    }
    if !command.help.is_empty() {
        out.push_str(&format!("\n{}\n", command.help));
    }
    if let Action::Absent(why) = command.action {
        out.push_str(&format!("\nNot available: {why}\n"));
    }
    out
}

/// The help for some words: a level, a command of this level, or a level and a command.
pub fn topic(here: Level, words: &[String]) -> Option<String> {
    let find = |level: Level, name: &str| {
        available(level)
            .find(|c| c.name == name || c.aliases.contains(&name) || c.old.contains(&name))
    };
    match words {
        [] => Some(level(here)),
        [one] if one == "topics" || one == "overview" => Some(topics()),
        [one] => {
            if let Some(found) = find(here, one).filter(|c| !matches!(c.action, Action::Level(_))) {
                return Some(command(here, found));
            }
            if let Some(found) = Level::from_name(one) {
                return Some(level(found));
            }
            Level::ALL.iter().find_map(|l| find(*l, one).map(|c| command(*l, c)))
        }
        [first, second, ..] => {
            let level = Level::from_name(first)?;
            find(level, second).map(|c| command(level, c))
        }
    }
}

/// Everything there is help for.
pub fn topics() -> String {
    let mut out = String::from("Help is available for:\n");
    for l in Level::ALL {
        let names: Vec<&str> = l.commands().iter().map(|c| c.name).collect();
        let name = if *l == Level::Root { "crm" } else { l.name() };
        out.push_str(&format!("\n{name}: {}\n  {}\n", l.about(), wrap(&names, 76)));
    }
    out
}

/// Names side by side, in lines of a width.
pub fn wrap(names: &[&str], width: usize) -> String {
    let mut out = String::new();
    let mut line = 0;
    for name in names {
        if line > 0 && line + name.len() + 1 > width {
            out.push_str("\n  ");
            line = 0;
        } else if line > 0 {
            out.push(' ');
            line += 1;
        }
        out.push_str(name);
        line += name.len();
    }
    out
}

/// The reference of all levels and commands, in Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# Commands of the crm shell\n\nMade from the table of commands; `crm help` prints the same.\n",
    );
    for l in Level::ALL {
        let name = if *l == Level::Root { "crm".to_string() } else { format!("crm {}", l.name()) };
        out.push_str(&format!("\n## {name}\n\n{}.\n\n", capital(l.about())));
        for c in l.commands() {
            out.push_str(&format!("- `{}`: {}", c.usage, c.about));
            if let Action::Absent(why) = c.action {
                out.push_str(&format!(" (not available: {why})"));
            }
            if !c.help.is_empty() {
                out.push_str(&format!(". {}", c.help));
            }
            out.push('\n');
        }
    }
    out.push_str("\n## Everywhere\n\n");
    for c in EVERYWHERE {
        out.push_str(&format!("- `{}`: {}\n", c.usage, c.about));
    }
    out
}

/// A manual page in troff, for a level; the root page is `crm(8)`. `usage` is the help of the
/// command line.
pub fn manual(level: Level, usage: &str) -> String {
    let name = page_name(level);
    let mut out = format!(
        ".TH {} 8 2026-11 \"crm {}\" \"Cluster administration\"\n.SH NAME\n{name} \\- {}\n",
        name.to_uppercase(),
        env!("CARGO_PKG_VERSION"),
        troff(level.about())
    );
    if level == Level::Root {
        let (synopsis, options) = usage.split_once("\n\n").unwrap_or((usage, ""));
        let synopsis = synopsis.trim_start_matches("Usage: ");
        out.push_str(&format!(".SH SYNOPSIS\n{}\n", troff(synopsis)));
        out.push_str(&format!(".SH OPTIONS\n.nf\n{}\n.fi\n", troff(options.trim_end())));
    } else {
        let word = level.name();
        out.push_str(&format!(".SH SYNOPSIS\ncrm {word} COMMAND [ARGUMENT ...]\n"));
    }
    out.push_str(".SH COMMANDS\n");
    for c in level.commands().iter().chain(EVERYWHERE) {
        out.push_str(&format!(".TP\n.B {}\n{}.\n", troff(c.usage), troff(&capital(c.about))));
        let names: Vec<&str> = c.aliases.iter().chain(c.old).copied().collect();
        if !names.is_empty() {
            out.push_str(&format!("Also: {}.\n", troff(&names.join(", "))));
        }
        if let Action::Absent(why) = c.action {
            out.push_str(&format!("Not available: {}.\n", troff(why)));
        }
        for line in c.help.lines() {
            out.push_str(&format!(".br\n{}\n", troff(line)));
        }
    }
    let others = Level::ALL.iter().filter(|l| **l != level);
    let others: Vec<String> = others.map(|l| format!("{}(8)", page_name(*l))).collect();
    out.push_str(&format!(".SH SEE ALSO\n{}\n", troff(&others.join(", "))));
    out
}

/// The name of the manual page of a level.
pub fn page_name(level: Level) -> String {
    if level == Level::Root { "crm".to_string() } else { format!("crm-{}", level.name()) }
}

/// `crm man DIR`: writes the manual pages `crm.8` and one for every level.
pub fn write_manual(arguments: &[String]) -> ExitCode {
    let mut printer = Printer::default();
    let [directory] = arguments else {
        printer.say(&Message::error("usage: crm man DIR"));
        return ExitCode::from(2);
    };
    for l in Level::ALL {
        let path = Path::new(directory).join(format!("{}.8", page_name(*l)));
        if let Err(e) = std::fs::write(&path, manual(*l, crate::run::USAGE)) {
            printer.say(&Message::error(format!("man: {}: {e}", path.display())));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn troff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    // A dot or quote at the beginning of a line would be a request.
    let line = |l: &str| {
        if l.starts_with(['.', '\'']) { format!("\\&{l}") } else { l.to_string() }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().collect::<String>() + chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_help_for_everything() {
        for l in Level::ALL {
            for c in l.commands() {
                let words = [l.name().to_string(), c.name.to_string()];
                let words = if *l == Level::Root { &words[1..] } else { &words[..] };
                assert!(topic(Level::Root, words).is_some(), "{words:?}");
            }
            let page = manual(*l, "Usage: crm\n\n  -f");
            for c in l.commands() {
                assert!(page.contains(&format!(".B {}\n", troff(c.usage))), "{}", c.name);
            }
        }
        assert!(topic(Level::Root, &["nosuchtopic".into()]).is_none());
    }
}
