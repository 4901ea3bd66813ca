//! The agents of this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use crm_core::cib::Element;
use crm_lrm::agents::{Agent, Interface};
use crm_lrm::operation::{AgentName, ExecutionStatus, ExitCode, Operation};
use serde_json::{Value, json};

use crate::agents::Metadata;
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command};

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new(
        "classes",
        "classes",
        "classes of agents, and providers",
        (0, Some(0)),
        &[],
        Action::Run(classes),
    ),
    Command::new(
        "list",
        "list <class> [<provider>]",
        "the agents of a class",
        (1, Some(2)),
        &[Argument::Class],
        Action::Run(list),
    ),
    Command::new(
        "providers",
        "providers <type> [<class>]",
        "who provides an agent",
        (1, Some(2)),
        &[Argument::Agent, Argument::Class],
        Action::Run(providers),
    ),
    Command::new(
        "info",
        "info [class:[provider:]]type",
        "what an agent says about itself",
        (1, Some(3)),
        &[Argument::Agent],
        Action::Run(info),
    )
    .old(&["meta"]),
    Command::new(
        "validate",
        "validate [class:[provider:]]type [n=v ...]",
        "let an agent check parameters",
        (1, None),
        &[Argument::Agent],
        Action::Run(validate),
    ),
    Command::new(
        "test",
        "test [class:[provider:]]type [n=v ...]",
        "put an agent through everything that the cluster relies on",
        (1, None),
        &[Argument::Agent],
        Action::Run(test),
    )
    .help("Starts and stops the resource for real, on this node. It must not run already."),
];

/// The classes there are.
pub const CLASSES: &[&str] = &["ocf", "lsb", "systemd", "service", "stonith", "heartbeat"];

/// `class`, `provider` and `type` of a name.
pub fn split(session: &mut Session, name: &str) -> (String, Option<String>, String) {
    let parts: Vec<&str> = name.split(':').collect();
    let best = |session: &mut Session, kind: &str| {
        let all = session.agents.providers(kind);
        let usual = ["heartbeat", "pacemaker"].into_iter().find(|p| all.iter().any(|a| a == p));
        usual.map(str::to_string).or_else(|| all.first().cloned()).unwrap_or("heartbeat".into())
    };
    match *parts {
        [kind] | ["ocf", kind] => ("ocf".into(), Some(best(session, kind)), kind.into()),
        [class, kind] => (class.into(), None, kind.into()),
        [class, provider, kind] => (class.into(), Some(provider.into()), kind.into()),
        _ => (String::new(), None, name.into()),
    }
}

fn classes(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let providers = session.agents.all_providers();
    if session.printer.json {
        let of = |class: &str| if class == "ocf" { providers.clone() } else { Vec::new() };
        let all = CLASSES.iter().map(|c| json!({ "class": c, "providers": of(c) }));
        return session.printer.print_json(&all.collect::<Vec<Value>>());
    }
    let providers = providers.join(" ");
    let mut out = String::new();
    for class in CLASSES {
        match *class {
            "ocf" => out.push_str(&format!("ocf / {providers}\n")),
            other => out.push_str(&format!("{other}\n")),
        }
    }
    session.printer.print(&out);
    Ok(())
}

fn list(session: &mut Session, call: &Call<'_>) -> Outcome {
    let class = call.arguments[0].text.clone();
    if !CLASSES.contains(&class.as_str()) {
        return Err(Message::error(format!(
            "class {class} does not exist; there are {}",
            CLASSES.join(", ")
        ))
        .at(call.place(0))
        .into());
    }
    if let Some(provider) = call.get(1)
        && !session.agents.all_providers().iter().any(|p| p == provider)
    {
        return Err(Message::error(format!("there is no provider '{provider}' for class {class}"))
            .at(call.place(1))
            .into());
    }
    if session.printer.json {
        let providers = match call.get(1) {
            Some(provider) => vec![Some(provider.to_string())],
            None if class == "ocf" => {
                session.agents.all_providers().into_iter().map(Some).collect()
            }
            None => vec![None],
        };
        let mut all: Vec<Value> = Vec::new();
        for provider in providers {
            let types = session.agents.list(&class, provider.as_deref());
            all.extend(
                types.iter().map(|t| json!({ "class": class, "provider": provider, "type": t })),
            );
        }
        return session.printer.print_json(&all);
    }
    let all = session.agents.list(&class, call.get(1));
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    session.printer.print(&crate::help::wrap(&names, 78).replace("\n  ", "\n"));
    Ok(())
}

fn providers(session: &mut Session, call: &Call<'_>) -> Outcome {
    let kind = call.arguments[0].text.clone();
    let all = session.agents.providers(&kind);
    if all.is_empty() {
        return Err(Message::error(format!("no such resource agent: ocf:*:{kind}"))
            .at(call.place(0))
            .into());
    }
    if session.printer.json {
        return session.printer.print_json(&all);
    }
    session.printer.print(&all.join(" "));
    Ok(())
}

fn info(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let name = match words.as_slice() {
        // `info type class provider`, as of old.
        [kind, class] => format!("{class}:{kind}"),
        [kind, class, provider] => format!("{class}:{provider}:{kind}"),
        _ => words[0].clone(),
    };
    let (class, provider, kind) = split(session, &name);
    let agent = AgentName { class, provider, kind };
    let answer = session.agents.standalone().catalog.resolve(&agent);
    let AgentName { class, provider, kind } = agent;
    let Some(metadata) = session.agents.metadata(&class, provider.as_deref(), &kind) else {
        if let Ok(answer) = answer {
            let text = format!("{name}: {} says nothing of itself", place(&answer));
            return Err(Message::error(text).at(call.place(0)).into());
        }
        let all = session.agents.list(&class, None);
        let near = crate::language::vocabulary::nearest(&kind, all.iter().map(String::as_str));
        let mut message =
            Message::error(format!("no such resource agent: {name}")).at(call.place(0));
        message.help = near.map(|n| format!("did you mean '{n}'?"));
        return Err(message.into());
    };
    let full = match &provider {
        Some(p) => format!("{class}:{p}:{kind}"),
        None => format!("{class}:{kind}"),
    };
    if session.printer.json {
        let value = json!({
            "name": full, "class": class, "provider": provider, "type": kind,
            "short": metadata.short, "long": metadata.long,
            "parameters": metadata.parameters, "operations": metadata.operations,
        });
        return session.printer.print_json(&value);
    }
    for problem in &metadata.problems {
        session.printer.say(&Message::warning(format!("the meta-data of {full}: {problem}")));
    }
    let mut text = describe(&full, &metadata);
    if let Ok(answer) = answer {
        text.push_str(&format!("\nAnswered by {}\n", place(&answer)));
    }
    let mut others: Vec<String> = match &provider {
        Some(own) => session.agents.providers(&kind).into_iter().filter(|p| p != own).collect(),
        None => Vec::new(),
    };
    others.iter_mut().for_each(|provider| *provider = format!("ocf:{provider}:{kind}"));
    if !others.is_empty() {
        text.push_str(&format!("There are also {}\n", others.join(", ")));
    }
    session.printer.print(&text);
    Ok(())
}

/// What answers to the name of an agent.
fn place(agent: &Agent) -> String {
    match (agent.built_in, agent.interface) {
        (true, _) => "an agent that is built in".to_owned(),
        (false, Interface::Systemd) => format!("systemd, for {}", agent.program.display()),
        (false, _) => agent.program.display().to_string(),
    }
}

/// What an agent says about itself, for people.
pub fn describe(name: &str, metadata: &Metadata) -> String {
    let mut out = format!("{} ({name})\n\n{}\n", metadata.short, metadata.long);
    if !metadata.parameters.is_empty() {
        out.push_str("\nParameters (*: required, []: default):\n\n");
    }
    for p in &metadata.parameters {
        let required = if p.required { "*" } else { "" };
        let default = p.default.as_ref().map(|d| format!(" [{d}]")).unwrap_or_default();
        let kind = if p.kind == "string" { "string" } else { &p.kind };
        out.push_str(&format!("{}{required} ({kind}{default}): {}\n", p.name, p.short));
        for line in p.long.lines() {
            out.push_str(&format!("    {}\n", line.trim()));
        }
        out.push('\n');
    }
    if !metadata.operations.is_empty() {
        out.push_str("Operations and the advice for them:\n\n");
    }
    for o in metadata
        .operations
        .iter()
        .filter(|o| !matches!(o.name.as_str(), "meta-data" | "validate-all" | "methods" | "usage"))
    {
        let mut line = format!("    {}", o.name);
        for (key, value) in [
            ("role", &o.role),
            ("timeout", &o.timeout),
            ("interval", &o.interval),
            ("depth", &o.depth),
        ] {
            if let Some(value) = value {
                line.push_str(&format!(" {key}={value}"));
            }
        }
        out.push_str(&format!("{line}\n"));
    }
    out
}

fn validate(session: &mut Session, call: &Call<'_>) -> Outcome {
    let (class, provider, kind) = split(session, &call.arguments[0].text);
    let mut element = Element::new("primitive").with("class", &class).with("type", &kind);
    if let Some(provider) = &provider {
        element.set_attr("provider", provider);
    }
    let mut set = Element::new("instance_attributes");
    for (name, value) in parameters(call)? {
        set.push(Element::new("nvpair").with("name", name).with("value", value));
    }
    element.push(set);
    validate_element(session, &call.arguments[0].text.clone(), &element)
}

/// The words `n=v` behind the agent's name.
fn parameters(call: &Call<'_>) -> Result<BTreeMap<String, String>, Failure> {
    let mut all = BTreeMap::new();
    for (at, word) in call.arguments.iter().enumerate().skip(1) {
        let Some((name, value)) = word.text.split_once('=') else {
            return Err(Message::error(format!("expected name=value, found '{}'", word.text))
                .at(call.place(at))
                .into());
        };
        all.insert(name.to_string(), value.to_string());
    }
    Ok(all)
}

/// Runs an agent in a runtime of its own; the shell has none.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|e| Failure::from(format!("agents cannot be run: {e}")))?.block_on(work))
}

fn test(session: &mut Session, call: &Call<'_>) -> Outcome {
    let (class, provider, kind) = split(session, &call.arguments[0].text);
    let name = AgentName { class, provider, kind };
    let params = parameters(call)?;
    let standalone = session.agents.standalone();
    let limit = Duration::from_secs(120);
    let findings = block_on(standalone.trial(&name, &params, limit))?
        .map_err(|error| Failure::from(Message::error(error.to_string()).at(call.place(0))))?;
    let mut out = String::new();
    for finding in &findings {
        let mark = if finding.good { "ok    " } else { "WRONG " };
        out.push_str(&format!("{mark} {}: {}", finding.what, finding.got));
        if !finding.good {
            out.push_str(&format!(" (wanted: {})", finding.wanted));
        }
        out.push('\n');
        for line in finding.said.lines() {
            out.push_str(&format!("           {line}\n"));
        }
    }
    session.printer.print(&out);
    match findings.iter().filter(|finding| !finding.good).count() {
        0 => {
            session.note(format!("{name}: all {} steps are right", findings.len()));
            Ok(())
        }
        wrong => Err(format!("{name}: {wrong} of {} steps are wrong", findings.len()).into()),
    }
}

/// Runs `validate-all` of an OCF agent with the parameters of an element.
///
/// # Errors
/// There is no such agent, or it refuses.
pub fn validate_element(session: &mut Session, name: &str, element: &Element) -> Outcome {
    let class = element.attr("class").unwrap_or("ocf");
    let kind = element.attr("type").unwrap_or_default();
    let provider = element.attr("provider");
    if session.agents.metadata(class, provider, kind).is_none() {
        return Err(
            format!("{name}: no such resource agent: {}", crate::language::agent(element)).into()
        );
    }
    if class != "ocf" {
        return Err(format!("{name}: agents of class {class} cannot check parameters").into());
    }
    let mut params = BTreeMap::new();
    for set in element.children().filter(|c| c.name() == "instance_attributes") {
        for pair in set.children() {
            if let (Some(n), Some(v)) = (pair.attr("name"), pair.attr("value")) {
                params.insert(n.to_string(), v.to_string());
            }
        }
    }
    let operation = Operation {
        resource: name.to_string(),
        agent: AgentName {
            class: class.to_string(),
            provider: provider.map(str::to_string),
            kind: kind.to_string(),
        },
        action: "validate-all".to_string(),
        interval: Duration::ZERO,
        timeout: Duration::from_secs(60),
        start_delay: Duration::ZERO,
        params,
        key: String::new(),
    };
    let standalone = session.agents.standalone();
    let end = block_on(standalone.run(&operation, &crate::levels::secret::directory()))?;
    let said = String::from_utf8_lossy(&end.stderr).into_owned();
    session.printer.print(&said);
    if end.status == ExecutionStatus::Done && end.exit == ExitCode::OK {
        session.note(format!("{name}: the agent is content"));
        return Ok(());
    }
    if end.status != ExecutionStatus::Done {
        return Err(format!("{name}: {}", end.exit_reason).into());
    }
    let code = end.exit.0;
    let meaning = match code {
        2 => "wrong arguments",
        3 => "the agent cannot check",
        4 => "no permission",
        5 => "something it needs is not installed",
        6 => "the parameters are wrong",
        _ => "it failed",
    };
    Err(format!("{name}: the agent refuses: {meaning} (exit code {code})").into())
}
