//! Resource agents and STONITH plug-ins in one multi-call program.
//!
//! [`run`] is one call of one agent, as the manager makes it: the action as argument, parameters
//! in the environment, the answer as exit code and, for people, on standard error. Each agent is
//! a module with a declaration ([`declare::Agent`]) and a function.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

mod apache;
mod attribute;
mod clock_skew;
pub mod declare;
mod delay;
mod dummy;
mod filesystem;
mod health;
mod ipaddr2;
mod mailto;
mod nginx;
mod ping;
mod state;
mod stateful;
mod sys;
mod web;

use declare::{Agent, Code, Context, Failure, Outcome};

/// The provider under which all agents of this program are known.
pub const PROVIDER: &str = "crm";

/// Every agent, by name.
pub const AGENTS: &[&Agent] = &[
    &apache::AGENT,
    &clock_skew::AGENT,
    &delay::AGENT,
    &dummy::AGENT,
    &filesystem::AGENT,
    &health::cpu::CPU,
    &health::cpu::IO_WAIT,
    &health::disk::AGENT,
    &health::memory::AGENT,
    &ipaddr2::AGENT,
    &mailto::AGENT,
    &nginx::AGENT,
    &ping::AGENT,
    &stateful::AGENT,
];

/// One call of an agent; the answer is the exit code.
///
/// Parameters come from the environment of this process. Meta-data goes to standard output,
/// reasons of failures to standard error, in the form of OCF.
pub fn run(provider: &str, kind: &str, action: &str) -> u8 {
    let answers = |agent: &&&Agent| {
        agent.name == kind && (provider == PROVIDER || agent.stands_in_for.contains(&provider))
    };
    let Some(agent) = AGENTS.iter().find(answers) else {
        return say(&Failure::new(
            Code::NotInstalled,
            format!("this program carries no agent ocf:{provider}:{kind}"),
        ));
    };
    if action == "meta-data" {
        let _ = std::io::stdout().write_all(declare::metadata(agent).as_bytes());
        return Code::Ok as u8;
    }
    let environment = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match call(agent, action, environment) {
        Ok(code) => code as u8,
        Err(failure) => say(&failure),
    }
}

/// The program `agent PROVIDER TYPE ACTION`.
pub fn main(arguments: &[String]) -> ExitCode {
    match arguments {
        [provider, kind, action] => ExitCode::from(run(provider, kind, action)),
        _ => {
            let _ = writeln!(std::io::stderr(), "usage: crm agent PROVIDER TYPE ACTION");
            ExitCode::from(Code::Args as u8)
        }
    }
}

fn call(agent: &Agent, action: &str, environment: BTreeMap<String, String>) -> Outcome {
    // `status` is the old word for it, and `announce` is how an agent continues on its own.
    let action = if action == "status" { "monitor" } else { action };
    let known = agent.actions.iter().any(|declared| declared.name == action);
    if !known && !matches!(action, "validate-all" | "announce") {
        let reason = format!("{} does not know the action \"{action}\"", agent.name);
        return Err(Failure::new(Code::Unimplemented, reason));
    }
    let outcome =
        Context::new(agent, environment).and_then(|context| (agent.run)(&context, action));
    match outcome {
        // A start refuses these parameters too, so nothing runs with them; and a stop that fails
        // gets the node fenced, for a slip of the pen.
        Err(failure) if action == "stop" && failure.code == Code::NotConfigured => {
            let _ = writeln!(std::io::stderr(), "WARNING: nothing to stop: {}", failure.reason);
            Ok(Code::Ok)
        }
        outcome => outcome,
    }
}

/// Says why, in one line.
fn say(failure: &Failure) -> u8 {
    let reason = failure.reason.replace(['\n', '\r'], " ");
    let _ = writeln!(std::io::stderr(), "ocf-exit-reason:{reason}");
    failure.code as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_is_complete() {
        let mut names: Vec<_> = AGENTS.iter().map(|agent| agent.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), AGENTS.len());
        for agent in AGENTS {
            for action in ["start", "stop", "monitor"] {
                assert!(agent.actions.iter().any(|a| a.name == action), "{}", agent.name);
            }
            for parameter in agent.parameters {
                assert!(!parameter.short.is_empty(), "{} {}", agent.name, parameter.name);
                if let Some(default) = parameter.default.filter(|default| !default.is_empty()) {
                    assert_eq!(parameter.kind.check(default), Ok(()), "{}", parameter.name);
                }
            }
        }
    }

    #[test]
    fn unknown_agents_and_actions_have_their_codes() {
        assert_eq!(run("crm", "Nobody", "start"), Code::NotInstalled as u8);
        assert_eq!(run("linbit", "Dummy", "start"), Code::NotInstalled as u8);
        assert_eq!(run("heartbeat", "Dummy", "dance"), Code::Unimplemented as u8);
    }
}
