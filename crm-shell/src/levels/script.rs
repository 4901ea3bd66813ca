//! Wizards: common configurations from a few values.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};

use serde_json::{Value, json};

use crate::editor::{self, open};
use crate::levels::load;
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command};
use crate::wizard::{self, Expanded, Wizard};

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new(
        "list",
        "list [all|names] [<category>]",
        "the wizards there are",
        (0, Some(2)),
        &[Argument::OneOf(&["all", "names"])],
        Action::Run(list),
    ),
    Command::new(
        "show",
        "show <wizard>",
        "what a wizard makes, and the values it wants",
        (1, Some(2)),
        &[Argument::Wizard],
        Action::Run(show),
    )
    .aliases(&["describe", "info"]),
    Command::new(
        "verify",
        "verify <wizard> [<name>=<value> ...]",
        "the configuration it would make, checked; nothing is changed",
        (1, None),
        &[Argument::Wizard, Argument::Any],
        Action::Run(verify),
    ),
    Command::new(
        "run",
        "run <wizard> [<name>=<value> ...]",
        "make the configuration and commit it",
        (1, None),
        &[Argument::Wizard, Argument::Any],
        Action::Run(run),
    )
    .help(
        "For example: run vip-ipvs ip=192.0.2.10\n             run mysql-drbd drbd_resource=r0 ip=192.0.2.20\n\
         At the prompt values that are missing are asked for. Everything is committed at once or not at all.",
    ),
    Command::new(
        "json",
        "json '[\"list\"]' | '[\"show\", <wizard>]' | '[\"verify\"|\"run\", <wizard>, {<name>: <value>}]'",
        "the same for programs: JSON in, one JSON object a line out",
        (1, Some(1)),
        &[Argument::Any],
        Action::Run(json_command),
    ),
];

/// All wizards; files that cannot be understood are told of.
fn wizards(session: &mut Session) -> BTreeMap<String, Wizard> {
    let directory = session.options.settings.get("core.script_dir").cloned();
    let (found, wrong) = wizard::all(directory.as_deref());
    wrong.into_iter().for_each(|text| session.warn(text));
    found
}

/// A wizard by its name.
///
/// # Errors
/// There is none; the nearest one is named.
pub fn find(session: &mut Session, name: &str) -> Result<Wizard, Failure> {
    let mut all = wizards(session);
    if let Some(found) = all.remove(name) {
        return Ok(found);
    }
    let near = crate::language::vocabulary::nearest(name, all.keys().map(String::as_str));
    let hint = near.map_or("'script list' has them all".into(), |n| format!("did you mean {n}?"));
    Err(Message::error(format!("there is no wizard '{name}'")).help(hint).into())
}

fn list(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let names = words.iter().any(|w| w == "names");
    let wanted = words.iter().find(|w| !matches!(w.as_str(), "names" | "all"));
    let all = wizards(session);
    if session.printer.json {
        let list: Vec<Value> = all.values().map(brief).collect();
        return session.printer.print_json(&list);
    }
    let mut categories: BTreeMap<&str, Vec<&Wizard>> = BTreeMap::new();
    for wizard in all.values() {
        if wanted.is_none_or(|w| w.eq_ignore_ascii_case(&wizard.category)) {
            categories.entry(&wizard.category).or_default().push(wizard);
        }
    }
    let mut out = String::new();
    for (category, wizards) in categories {
        if names {
            wizards.iter().for_each(|w| out.push_str(&format!("{}\n", w.name)));
            continue;
        }
        out.push_str(&format!("{category}:\n"));
        wizards.iter().for_each(|w| out.push_str(&format!("  {:16} {}\n", w.name, w.about)));
        out.push('\n');
    }
    session.printer.print(out.trim_end());
    Ok(())
}

fn brief(wizard: &Wizard) -> Value {
    json!({ "name": wizard.name, "about": wizard.about, "category": wizard.category })
}

fn describe(wizard: &Wizard) -> Value {
    let parameters: Vec<Value> = wizard
        .parameters
        .iter()
        .map(|p| {
            json!({
                "name": p.name, "type": wizard::word(&p.kind), "required": p.required,
                "default": p.default, "about": p.about,
            })
        })
        .collect();
    let mut value = brief(wizard);
    value["help"] = json!(wizard.help);
    value["parameters"] = json!(parameters);
    value
}

fn show(session: &mut Session, call: &Call<'_>) -> Outcome {
    let wizard = find(session, &call.arguments[0].text)?;
    if session.printer.json {
        return session.printer.print_json(&describe(&wizard));
    }
    let mut out = format!("{}: {} ({})\n", wizard.name, wizard.about, wizard.category);
    if !wizard.help.is_empty() {
        out.push_str(&format!("\n{}", wizard.help));
    }
    for (title, required) in [("Wanted", true), ("Optional", false)] {
        let some: Vec<_> = wizard.parameters.iter().filter(|p| p.required == required).collect();
        if some.is_empty() {
            continue;
        }
        out.push_str(&format!("\n{title}:\n"));
        for p in some {
            let default = p.default.as_ref().map(|d| format!(" [{d}]")).unwrap_or_default();
            let named = format!("{}={}", p.name, wizard::word(&p.kind));
            out.push_str(&format!("  {named:28} {}{default}\n", p.about));
        }
    }
    out.push_str("\nIt makes:\n");
    wizard.configure.iter().for_each(|l| out.push_str(&format!("  {l}\n")));
    session.printer.print(&out);
    Ok(())
}

/// Reads `name=value` words, from the second argument on.
///
/// # Errors
/// A word is none.
pub fn values(call: &Call<'_>, from: usize) -> Result<BTreeMap<String, String>, Failure> {
    let mut values = BTreeMap::new();
    for at in from..call.arguments.len() {
        let text = &call.arguments[at].text;
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Message::error(format!("expected name=value, not '{text}'")).at(call.place(at))
        })?;
        values.insert(name.to_string(), value.to_string());
    }
    Ok(values)
}

/// At the prompt: values that are missing are asked for.
fn ask_missing(session: &Session, wizard: &Wizard, values: &mut BTreeMap<String, String>) {
    if !session.interactive {
        return;
    }
    for p in wizard.parameters.iter().filter(|p| p.required) {
        if values.contains_key(&p.name) {
            continue;
        }
        let mut out = std::io::stdout().lock();
        let question = format!("{} ({}): ", p.about, p.name);
        let mut line = String::new();
        let asked = out.write_all(question.as_bytes()).and_then(|()| out.flush());
        if asked.is_err() || std::io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        values.insert(p.name.clone(), line.trim().to_string());
    }
}

fn expand(wizard: &Wizard, values: &BTreeMap<String, String>) -> Result<Expanded, Failure> {
    wizard::expand(wizard, values).map_err(|faults| faults.join("\n").into())
}

/// Adds what a wizard makes to the configuration that is edited, and says what is wrong with it;
/// how many errors there are.
fn try_out(session: &mut Session, name: &str, made: &Expanded) -> Result<usize, Failure> {
    load::add_text(session, name, made.configuration.clone())?;
    let verdict = editor::verify(session, false)?;
    Ok(verdict.shape + verdict.other)
}

fn verify(session: &mut Session, call: &Call<'_>) -> Outcome {
    let wizard = find(session, &call.arguments[0].text)?;
    let mut values = values(call, 1)?;
    ask_missing(session, &wizard, &mut values);
    let made = expand(&wizard, &values)?;
    let before = open(session)?.now.clone();
    let tried = try_out(session, &wizard.name, &made);
    open(session)?.now = before;
    let errors = tried?;
    session.printer.print(&made.configuration);
    if errors > 0 {
        return Err("a commit would be refused".into());
    }
    Ok(())
}

fn run(session: &mut Session, call: &Call<'_>) -> Outcome {
    let wizard = find(session, &call.arguments[0].text)?;
    let mut values = values(call, 1)?;
    ask_missing(session, &wizard, &mut values);
    let made = expand(&wizard, &values)?;
    put_in_force(session, &wizard.name, &made)?;
    session.printer.print(&made.after);
    Ok(())
}

fn put_in_force(session: &mut Session, name: &str, made: &Expanded) -> Outcome {
    if open(session)?.is_changed() {
        return Err("there are changes that are not committed; commit or refresh first".into());
    }
    let before = open(session)?.now.clone();
    let outcome = load::add_text(session, name, made.configuration.clone())
        .and_then(|()| editor::commit(session, false));
    if outcome.is_err() {
        open(session)?.now = before;
    }
    outcome
}

fn json_command(session: &mut Session, call: &Call<'_>) -> Outcome {
    let text = &call.arguments[0].text;
    let wrong = |text: String| Failure::from(Message::error(text).at(call.place(0)));
    let asked: Value = serde_json::from_str(text).map_err(|e| wrong(format!("json: {e}")))?;
    let word = |at: usize| asked[at].as_str().unwrap_or_default();
    match word(0) {
        "list" => {
            let all = wizards(session);
            return all.values().try_for_each(|w| session.printer.print_json(&brief(w)));
        }
        "show" | "verify" | "run" => {}
        other => return Err(wrong(format!("json: '{other}' is none of list, show, verify, run"))),
    }
    let wizard = find(session, word(1))?;
    if word(0) == "show" {
        return session.printer.print_json(&describe(&wizard));
    }
    let mut values = BTreeMap::new();
    for (name, value) in asked[2].as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_string);
        values.insert(name.clone(), value);
    }
    let made = match wizard::expand(&wizard, &values) {
        Ok(made) => made,
        Err(faults) => {
            session.printer.print_json(&json!({ "ok": false, "errors": faults }))?;
            return Err(Failure::Said);
        }
    };
    if word(0) == "run" {
        put_in_force(session, &wizard.name, &made)?;
    } else {
        let before = open(session)?.now.clone();
        let tried = try_out(session, &wizard.name, &made);
        open(session)?.now = before;
        if tried? > 0 {
            return Err("a commit would be refused".into());
        }
    }
    let answer = json!({ "ok": true, "configuration": made.configuration, "after": made.after });
    session.printer.print(&answer.to_string());
    Ok(())
}
