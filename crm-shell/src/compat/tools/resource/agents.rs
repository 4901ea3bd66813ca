//! Agents: which there are, what they say of themselves, and running them past the cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crm_core::cib::{Child, Element};
use crm_lrm::operation::{AgentName, ExecutionStatus, Operation};
use crm_lrm::schedule::RunEnd;

use super::super::super::exit::Exit;
use super::super::{Done, Failure, Run, milliseconds, usage};
use super::show::{names, performing};
use super::{NAME, asked, resource};
use crate::agents::{Agents, Installed};
use crate::render::status::{result_text, status_text};

/// How long an agent may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(20);

fn installed(run: &Run<'_>) -> Installed {
    Installed::new(run.carried)
}

/// `--list-standards`.
pub(super) fn standards(run: &mut Run<'_>) -> Done {
    let here = |path: &str| Path::new(path).is_dir();
    let optional = [("systemd", "/run/systemd/system"), ("heartbeat", "/etc/ha.d/resource.d")];
    let mut all: Vec<String> = ["ocf", "lsb", "service"].map(str::to_string).to_vec();
    all.extend(optional.iter().filter(|(_, path)| here(path)).map(|(name, _)| (*name).to_string()));
    all.push("stonith".into());
    names(run, "standards", None, &all);
    Ok(Exit::OK)
}

/// `--list-ocf-providers` and `--list-ocf-alternatives`.
pub(super) fn providers(run: &mut Run<'_>) -> Done {
    let mut agents = installed(run);
    let agent = run.options.last("list-ocf-alternatives").map(str::to_string);
    let found = match &agent {
        Some(agent) => agents.providers(agent),
        None => agents.all_providers(),
    };
    if found.is_empty() {
        let what = agent.map(|a| format!(" for {a}")).unwrap_or_default();
        let text = format!(
            "{NAME}: No OCF providers found{what}\nError performing operation: No such object"
        );
        return Err(Failure::new(Exit::NO_SUCH, text));
    }
    names(run, "providers", None, &found);
    Ok(Exit::OK)
}

/// `--list-agents`.
pub(super) fn list(run: &mut Run<'_>) -> Done {
    let asked = run.options.last("list-agents").unwrap_or_default().to_string();
    let (class, provider) = match asked.split_once(':') {
        Some((class, provider)) => (class, Some(provider)),
        None => (asked.as_str(), None),
    };
    let found = installed(run).list(class, provider);
    if found.is_empty() {
        let and = provider.map(|p| format!(" and provider '{p}'")).unwrap_or_default();
        let text = format!(
            "{NAME}: No agents found for standard '{class}'{and}\n\
             Error performing operation: Error occurred"
        );
        return Err(Failure::new(Exit::ERROR, text));
    }
    names(run, "agents", None, &found);
    Ok(Exit::OK)
}

/// `--show-metadata`.
pub(super) fn metadata(run: &mut Run<'_>) -> Done {
    let asked = run.options.last("show-metadata").unwrap_or_default().to_string();
    let wrong = |text: String| {
        let text = format!("{NAME}: {text}\nError performing operation: No such object");
        Failure::new(Exit::NO_SUCH, text)
    };
    let name = Some(&asked)
        .filter(|name| name.contains(':'))
        .and_then(|name| AgentName::parse(name))
        .ok_or_else(|| wrong(format!("'{asked}' is not a valid agent specification")))?;
    let text = installed(run).description(&name).ok_or_else(|| {
        wrong(format!("Metadata query for {asked} failed: No such device or address"))
    })?;
    run.say(text.trim_end());
    Ok(Exit::OK)
}

/// What an operation is run with.
struct Subject {
    /// The resource, if there is one.
    id: Option<String>,
    agent: AgentName,
    params: BTreeMap<String, String>,
}

/// The resource that `-r` names, as this node would run it.
fn configured_subject(run: &mut Run<'_>) -> Result<Subject, Failure> {
    let cib = run.access.cib()?;
    let local = run.local_node()?;
    let (cluster, rsc, _) = asked(run, &cib)?;
    let id = resource(run)?;
    if !cluster[rsc].is_primitive() {
        return Err(performing(Exit(3)));
    }
    let of = &cluster[rsc].agent;
    let agent = AgentName {
        class: of.class.to_string(),
        provider: of.provider.as_deref().map(str::to_string),
        kind: of.kind.to_string(),
    };
    let params = cluster.params(rsc, cluster.node_named(&local));
    let params = params.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    Ok(Subject { id: Some(id), agent, params })
}

/// The agent that `--class`, `--provider` and `--agent` name.
fn described_subject(run: &Run<'_>) -> Result<Subject, Failure> {
    let text = |name: &str| run.options.last(name).map(str::to_string);
    let mut params = BTreeMap::new();
    for option in run.options.values("option") {
        let (name, value) =
            option.split_once('=').ok_or_else(|| usage(NAME, "Error parsing option --option"))?;
        params.insert(name.to_string(), value.to_string());
    }
    let (class, provider, kind) = (text("class"), text("provider"), text("agent"));
    if class.is_none() && provider.is_none() && kind.is_none() {
        return Err(usage(NAME, "Must supply a resource id with -r"));
    }
    let shown = [&class, &provider, &kind].map(|part| part.clone().unwrap_or_default()).join(":");
    let unknown = || Failure::new(Exit::USAGE, format!("{NAME}: {shown} is not a known resource"));
    let (Some(class), Some(kind)) = (class, kind) else { return Err(unknown()) };
    // Only this class has providers, and no agent without one.
    let agent = AgentName { provider: provider.filter(|_| class == "ocf"), class, kind };
    let whole = agent.provider.is_some() == (agent.class == "ocf");
    if !whole || installed(run).standalone().catalog.resolve(&agent).is_err() {
        return Err(unknown());
    }
    Ok(Subject { id: None, agent, params })
}

/// `--validate`.
pub(super) fn validate(run: &mut Run<'_>) -> Done {
    let subject = match run.options.has("resource") {
        true => configured_subject(run)?,
        false => described_subject(run)?,
    };
    let level = run.options.last("validate").map(str::to_string);
    perform(run, subject, "validate", "validate-all", level)
}

/// `--force-start` and its kin.
pub(super) fn force(run: &mut Run<'_>) -> Done {
    let actions = [
        ("force-start", "start"),
        ("force-stop", "stop"),
        ("force-promote", "promote"),
        ("force-demote", "demote"),
        ("force-check", "monitor"),
    ];
    let asked = actions.iter().find(|(option, _)| run.options.has(option));
    let (option, action) = asked.ok_or_else(|| usage(NAME, "Must supply a command"))?;
    let level = run.options.last("force-check").map(str::to_string);
    let subject = configured_subject(run)?;
    perform(run, subject, option, action, level)
}

fn perform(
    run: &mut Run<'_>,
    mut subject: Subject,
    shown: &str,
    action: &str,
    level: Option<String>,
) -> Done {
    if let Some(level) = level {
        subject.params.insert("OCF_CHECK_LEVEL".into(), level);
    }
    let timeout = run.options.last("timeout").and_then(milliseconds).map(Duration::from_millis);
    let operation = Operation {
        resource: subject.id.clone().unwrap_or_else(|| "test".into()),
        agent: subject.agent.clone(),
        action: action.to_string(),
        params: std::mem::take(&mut subject.params),
        interval: Duration::ZERO,
        timeout: timeout.unwrap_or(TIMEOUT),
        start_delay: Duration::ZERO,
        key: String::new(),
    };
    let standalone = installed(run).standalone();
    let secrets = std::env::var_os("CRM_STATE_DIR")
        .map_or_else(|| PathBuf::from("/var/lib/crm"), PathBuf::from)
        .join("secrets");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Exit(71), format!("{NAME}: {e}")))?;
    let end = runtime.block_on(standalone.run(&operation, &secrets));
    let exit = Exit(u8::try_from(end.exit.0).unwrap_or(Exit::ERROR.0));
    tell(run, &subject, shown, &end);
    if exit == Exit::OK { Ok(exit) } else { Err(performing(exit)) }
}

/// What came of an operation, and what the agent printed.
fn tell(run: &mut Run<'_>, subject: &Subject, shown: &str, end: &RunEnd) {
    let of = subject.id.as_ref().map(|id| format!(" for {id}")).unwrap_or_default();
    let (code, status) = (end.exit.0, end.status as i32);
    let why = Some(&end.exit_reason).filter(|reason| !reason.is_empty());
    let because = why.map(|reason| format!(": {reason}")).unwrap_or_default();
    let operation = format!("Operation {shown}{of} ({})", subject.agent);
    if end.status == ExecutionStatus::Done {
        let word = result_text(code);
        run.out.info(&format!("{operation} returned {code} ({word}{because})"));
    } else if !run.out.is_xml() {
        let word = status_text(status);
        run.out.error(&format!("{operation} could not be executed ({word}{because})"));
    }
    let mut state = Element::new("agent-status").with("code", code.to_string());
    state.set_attr("message", result_text(code));
    state.set_attr("execution_code", status.to_string());
    state.set_attr("execution_message", status_text(status));
    if let Some(reason) = why {
        state.set_attr("reason", reason);
    }
    let mut element = Element::new("resource-agent-action").with("action", shown);
    element.set_attr("class", &subject.agent.class);
    element.set_attr("type", &subject.agent.kind);
    let optional = [("rsc", &subject.id), ("provider", &subject.agent.provider)];
    for (name, value) in optional {
        if let Some(value) = value {
            element.set_attr(name, value);
        }
    }
    element.push(Element::new("overrides"));
    element.push(state);
    let mut command = Element::new("command").with("code", code.to_string());
    for (source, said) in [("stdout", &end.stdout), ("stderr", &end.stderr)] {
        if said.is_empty() {
            continue;
        }
        let said = String::from_utf8_lossy(said).into_owned();
        run.say(&said);
        let mut output = Element::new("output").with("source", source);
        output.nodes_mut().push(Child::Text(said.into()));
        command.push(output);
    }
    if !command.nodes().is_empty() {
        element.push(command);
    }
    run.out.element(element);
}
