//! Commands about what would happen, and why things are as they are.

use crate::editor::{self, open};
use crate::foresee::{self, Event, Outcome as Foreseen};
use crate::language::is_member;
use crate::message::Message;
use crate::places::running;
use crate::session::{Call, Failure, Outcome, Session};

/// `why`
pub fn why(session: &mut Session, call: &Call<'_>) -> Outcome {
    explain(session, call, false)
}

/// `node why`
pub fn why_node(session: &mut Session, call: &Call<'_>) -> Outcome {
    explain(session, call, true)
}

fn explain(session: &mut Session, call: &Call<'_>, of_node: bool) -> Outcome {
    editor::settle(session)?;
    session.editor = None;
    let name = call.arguments[0].text.clone();
    let base = session.access.cib()?;
    let on = call.arguments.get(1).map(|a| a.text.as_str());
    let (text, json) = foresee::why(&base, &name, on, of_node)?;
    if session.printer.json {
        return session.printer.print_json(&json);
    }
    session.printer.print(&text);
    Ok(())
}

/// `simulate`
pub fn simulate(session: &mut Session, call: &Call<'_>) -> Outcome {
    editor::settle(session)?;
    session.editor = None;
    let words = call.texts();
    let named: Vec<String> = words[1..].to_vec();
    let event = match (words[0].as_str(), named.as_slice()) {
        ("node-loss", [_, ..]) => Event::NodeLoss(known_nodes(session, &named, call)?),
        ("node-up", [_, ..]) => Event::NodeUp(known_nodes(session, &named, call)?),
        ("quorum-loss", []) => Event::QuorumLoss,
        ("failure", [rsc]) => {
            let (instance, nodes) = place_of(session, rsc, call)?;
            match nodes.as_slice() {
                [node] => Event::Failure(instance, node.clone()),
                [] => return Err(format!("{rsc} runs nowhere, so it cannot fail").into()),
                several => {
                    let text =
                        format!("{rsc} runs on {}; say on which it fails", several.join(", "));
                    return Err(Message::error(text).at(call.place(1)).into());
                }
            }
        }
        ("failure", [rsc, node]) => {
            let (instance, _) = place_of(session, rsc, call)?;
            known_nodes(session, std::slice::from_ref(node), call)?;
            Event::Failure(instance, node.clone())
        }
        _ => return Err(call.usage()),
    };
    let base = session.access.cib()?;
    let outcome = foresee::pretend(&base, &event)?;
    session.editor = None;
    print_outcome(session, &outcome)
}

fn known_nodes(
    session: &mut Session,
    names: &[String],
    call: &Call<'_>,
) -> Result<Vec<String>, Failure> {
    let editor = open(session)?;
    for (at, name) in names.iter().enumerate() {
        if editor.now.find_node(name).is_none() {
            return Err(Message::error(format!("node {name} not found"))
                .at(call.place(at + 1))
                .into());
        }
    }
    Ok(names.to_vec())
}

/// The primitive behind a name, and where it runs.
fn place_of(
    session: &mut Session,
    name: &str,
    call: &Call<'_>,
) -> Result<(String, Vec<String>), Failure> {
    let editor = open(session)?;
    let Some(object) = editor.now.find_resource(name) else {
        return Err(Message::error(format!("resource {name} does not exist"))
            .at(call.place(1))
            .into());
    };
    let mut element = object.element;
    while let Some(first) = element.children().find(|c| is_member(c)) {
        element = first;
    }
    let nodes = running(&editor.base, element).into_iter().map(|p| p.node).collect();
    Ok((element.id().unwrap_or(name).to_string(), nodes))
}

fn print_outcome(session: &mut Session, outcome: &Foreseen) -> Outcome {
    if session.printer.json {
        let json = serde_json::json!({
            "effects": outcome.effects, "before": outcome.before, "after": outcome.after,
        });
        return session.printer.print_json(&json);
    }
    let mut out = String::from("What would happen:\n");
    foresee::write(&outcome.effects, &mut out);
    out.push_str("\nWhere everything would run:\n");
    let width = outcome.before.iter().map(|(r, _)| r.len()).max().unwrap_or(0);
    for (resource, before) in &outcome.before {
        let after = outcome.after.iter().find(|(r, _)| r == resource).map_or("-", |(_, n)| n);
        let arrow = if after == before { before.clone() } else { format!("{before} -> {after}") };
        out.push_str(&format!("  {resource:width$}  {arrow}\n"));
    }
    session.printer.print(&out);
    Ok(())
}

/// `configure simulate`: what the changes would cause.
pub fn uncommitted(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let has = |w: &str| words.iter().any(|x| x == w);
    let editor = open(session)?;
    let cib = foresee::document(&editor.base, editor.now.root())?;
    let mut arguments = vec!["-R".to_string()];
    arguments.extend(has("scores").then(|| "-s".to_string()));
    arguments.extend(has("utilization").then(|| "-U".to_string()));
    crate::status::run_simulate(session, &cib, arguments)
}

/// `commit --dry-run`: the difference and what it would cause.
pub fn preview(session: &mut Session) -> Outcome {
    let verdict = editor::verify(session, false)?;
    let (hidden, json) = (crate::levels::configure::hidden(session), session.printer.json);
    let editor = open(session)?;
    let changes = crate::diff::changes(&editor.start, &editor.now, &hidden);
    let mut out = crate::diff::configurations(&editor.start, &editor.now, &hidden);
    let effects = foresee::of_change(&editor.base, &editor.now)?;
    out.push_str("\nWhat it would cause:\n");
    foresee::write(&effects, &mut out);
    if let (false, Some(editor)) = (session.interactive, &mut session.editor) {
        // The end of a batch must not commit what it only wanted to see.
        editor.now = editor.pending.clone().unwrap_or_else(|| editor.start.clone());
    }
    if json {
        let value = serde_json::json!({ "changes": changes, "effects": effects });
        session.printer.print_json(&value)?;
    } else {
        session.printer.print(&out);
    }
    if verdict.shape + verdict.other > 0 {
        return Err("the checks found errors; a commit would be refused".into());
    }
    Ok(())
}

/// Before a commit at the prompt: shows the difference and its consequences, and asks if
/// something that runs would be touched.
///
/// # Errors
/// The configuration cannot be read.
pub fn agreed(session: &mut Session) -> Result<bool, Failure> {
    let hidden = crate::levels::configure::hidden(session);
    let editor = open(session)?;
    let mut out = crate::diff::configurations(&editor.start, &editor.now, &hidden);
    let effects = foresee::of_change(&editor.base, &editor.now)?;
    if !effects.is_empty() {
        out.push_str("\nThis will cause:\n");
        foresee::write(&effects, &mut out);
    }
    session.printer.print(&out);
    if effects.iter().any(|e| e.disturbs) {
        return Ok(session.ask("Something that runs is touched. Commit"));
    }
    Ok(true)
}

/// `lint`
pub fn lint(session: &mut Session, _call: &Call<'_>) -> Outcome {
    open(session)?;
    let Session { editor: Some(editor), agents, .. } = session else { return Ok(()) };
    let findings = crate::lint::check(&editor.now, agents.as_mut());
    if session.printer.json {
        let all: Vec<serde_json::Value> = findings
            .iter()
            .map(|f| serde_json::json!({ "rule": f.rule, "object": f.object, "message": f.text, "help": f.help }))
            .collect();
        return session.printer.print_json(&all);
    }
    let mut out = String::new();
    for finding in &findings {
        out.push_str(&format!("{}: {} [{}]\n", finding.object, finding.text, finding.rule));
        if !finding.help.is_empty() {
            out.push_str(&format!("  help: {}\n", finding.help));
        }
    }
    if findings.is_empty() {
        out.push_str("nothing to complain about\n");
    }
    session.printer.print(&out);
    Ok(())
}
