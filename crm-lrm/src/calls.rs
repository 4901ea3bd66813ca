//! From an operation to a command line, and from the end of a program to a result.
//!
//! Both directions are plain functions; the rules are those of OCF 1.1, LSB and Pacemaker 2.1.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agents::{Agent, AgentError, Interface};
use crate::operation::{ExecutionStatus, ExitCode, Operation};
use crate::output::exit_reason;
use crate::process::{Command, Ending, Finished};
use crate::schedule::RunEnd;
use crate::stonith;

/// What every agent's environment has.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// This node.
    pub node_name: String,
    /// Our commands under their peers' names: first in `PATH`, and `HA_SBIN_DIR`.
    pub bin_dir: PathBuf,
    /// `OCF_ROOT`: the directory with `resource.d` and `lib`.
    pub ocf_root: PathBuf,
    /// Further variables.
    pub extra: BTreeMap<String, String>,
}

type Environment = BTreeMap<OsString, OsString>;

/// The command that performs an operation.
pub fn command(agent: &Agent, operation: &Operation, around: &Surroundings) -> Command {
    let mut env = around.environment();
    let mut args = agent.args.clone();
    let mut stdin = Vec::new();
    match agent.interface {
        Interface::Ocf => {
            ocf_environment(&mut env, operation, around);
            args.push(operation.action.clone().into());
        }
        Interface::Lsb => args.push(status_verb(&operation.action).into()),
        Interface::Heartbeat => {
            args.extend(positional(&operation.params));
            args.push(status_verb(&operation.action).into());
        }
        // The unit is asked for over D-Bus; there is no program.
        Interface::Systemd => {}
        Interface::StonithExternal => {
            env.extend(stonith::external_environment(&operation.params));
            args.push("status".into());
        }
        Interface::Fence => stdin = stonith::fence_input(&operation.params, "monitor", None),
    }
    let arg0 = agent.built_in.then(|| OsString::from("crm"));
    Command { program: agent.program.clone(), arg0, args, env, stdin }
}

impl Surroundings {
    /// The environment without anything of a resource.
    pub fn environment(&self) -> Environment {
        let bin = self.bin_dir.display();
        let path = format!("{bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let mut env = Environment::new();
        env.insert("PATH".into(), path.into());
        env.insert("HA_SBIN_DIR".into(), self.bin_dir.clone().into());
        env.insert("HOME".into(), "/root".into());
        env.extend(self.extra.iter().map(|(key, value)| (key.into(), value.into())));
        env
    }
}

/// What OCF 1.1 and Pacemaker promise to an agent.
fn ocf_environment(env: &mut Environment, operation: &Operation, around: &Surroundings) {
    let agent = &operation.agent;
    let provider = agent.provider.as_deref().unwrap_or("heartbeat");
    let mut set = |key: &str, value: &str| {
        env.insert(key.into(), value.into());
    };
    set("OCF_ROOT", &around.ocf_root.to_string_lossy());
    set("OCF_RA_VERSION_MAJOR", "1");
    set("OCF_RA_VERSION_MINOR", "1");
    set("OCF_RESOURCE_INSTANCE", &operation.resource);
    set("OCF_RESOURCE_TYPE", &agent.kind);
    set("OCF_RESOURCE_PROVIDER", provider);
    set("OCF_EXIT_REASON_PREFIX", "ocf-exit-reason:");
    let milliseconds = |time: Duration| time.as_millis().to_string();
    set("OCF_RESKEY_CRM_meta_name", &operation.action);
    set("OCF_RESKEY_CRM_meta_interval", &milliseconds(operation.interval));
    set("OCF_RESKEY_CRM_meta_timeout", &milliseconds(operation.timeout));
    set("OCF_RESKEY_CRM_meta_on_node", &around.node_name);
    for (name, value) in &operation.params {
        if name == "OCF_CHECK_LEVEL" {
            set(name, value);
        } else if is_variable(name) {
            set(&format!("OCF_RESKEY_{name}"), value);
        }
    }
}

/// Whether a parameter's name can stand in an environment at all.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn status_verb(action: &str) -> &str {
    if action == "monitor" { "status" } else { action }
}

/// Parameters of a heartbeat v1 script: those named 1, 2, 3, ..., in this order.
fn positional(params: &BTreeMap<String, String>) -> Vec<OsString> {
    let numbered = params.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value)));
    let ordered: BTreeMap<u32, &String> = numbered.collect();
    ordered.into_values().map(OsString::from).collect()
}

/// What the end of an agent's program means.
pub fn outcome(interface: Interface, operation: &Operation, finished: Finished) -> RunEnd {
    let Finished { ending, stdout, stderr, elapsed } = finished;
    let reason = exit_reason(&stderr);
    let (status, exit, exit_reason) = match ending {
        Ending::Exited(code) => {
            let exit = exit_code(interface, &operation.action, code, &stdout);
            let reason = match (interface, exit) {
                (Interface::StonithExternal | Interface::Fence, ExitCode(1..))
                    if reason.is_empty() =>
                {
                    stonith::last_words(&stdout, &stderr)
                }
                _ => reason,
            };
            (ExecutionStatus::Done, exit, reason)
        }
        Ending::Signalled(signal) => {
            let name = signal_name(signal);
            (ExecutionStatus::Error, ExitCode::ERROR, format!("the agent was ended by {name}"))
        }
        Ending::TimedOut => {
            let limit = effective_timeout(operation);
            let text = format!("{} did not end within {limit:?}", operation.action);
            (ExecutionStatus::Timeout, ExitCode::ERROR, text)
        }
        Ending::Aborted => (ExecutionStatus::Cancelled, ExitCode::ERROR, String::new()),
        Ending::NotStarted(error) => not_started(&error),
    };
    RunEnd { status, exit, exit_reason, stdout, stderr, metadata: None, exec_time: elapsed }
}

/// The result of an operation whose agent was not found, or was refused.
pub fn no_agent(error: &AgentError) -> RunEnd {
    let (status, exit) = match error {
        AgentError::NotInstalled { .. } | AgentError::UnknownClass(_) | AgentError::BadName(_) => {
            (ExecutionStatus::NotInstalled, ExitCode::NOT_INSTALLED)
        }
        AgentError::Writable(_) => (ExecutionStatus::Error, ExitCode::PERMISSION),
    };
    immediate(status, exit, error.to_string())
}

/// A result without a run.
pub fn immediate(status: ExecutionStatus, exit: ExitCode, exit_reason: String) -> RunEnd {
    RunEnd {
        status,
        exit,
        exit_reason,
        stdout: Vec::new(),
        stderr: Vec::new(),
        metadata: None,
        exec_time: Duration::ZERO,
    }
}

/// The time an operation may take: what it says, or Pacemaker's default.
pub fn effective_timeout(operation: &Operation) -> Duration {
    if operation.timeout.is_zero() { Duration::from_secs(20) } else { operation.timeout }
}

/// Why a program did not start, mapped as Pacemaker's executor does: a missing file, a missing
/// interpreter or a part of the path that is no directory is "not installed".
fn not_started(error: &io::Error) -> (ExecutionStatus, ExitCode, String) {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => (
            ExecutionStatus::NotInstalled,
            ExitCode::NOT_INSTALLED,
            "the agent, or the interpreter its first line names, is not there".to_owned(),
        ),
        ErrorKind::PermissionDenied => (
            ExecutionStatus::Error,
            ExitCode::PERMISSION,
            "the agent cannot be executed: permission denied".to_owned(),
        ),
        _ => {
            let text = match error.raw_os_error() {
                Some(nix::libc::ENOEXEC) => {
                    "the agent is no program: its first line names no interpreter".to_owned()
                }
                _ => format!("the agent could not be started: {error}"),
            };
            (ExecutionStatus::Error, ExitCode::ERROR, text)
        }
    }
}

fn exit_code(interface: Interface, action: &str, code: i32, stdout: &[u8]) -> ExitCode {
    match interface {
        Interface::Ocf | Interface::Systemd => ExitCode(code),
        Interface::Lsb if status_verb(action) == "status" => lsb_status(code),
        Interface::Heartbeat if status_verb(action) == "status" => heartbeat_status(stdout),
        Interface::Lsb | Interface::Heartbeat => lsb_action(code),
        Interface::StonithExternal | Interface::Fence => ExitCode(i32::from(code != 0)),
    }
}

/// LSB `status`: dead with a pid or lock file counts as stopped, as in Pacemaker.
fn lsb_status(code: i32) -> ExitCode {
    match code {
        0 => ExitCode::OK,
        1..=3 => ExitCode::NOT_RUNNING,
        _ => ExitCode::ERROR,
    }
}

/// LSB actions use the numbers of OCF up to 7; others have no meaning.
fn lsb_action(code: i32) -> ExitCode {
    if (0..=7).contains(&code) { ExitCode(code) } else { ExitCode::ERROR }
}

/// Heartbeat v1 scripts say it in words; "not running" has to be looked for first.
fn heartbeat_status(stdout: &[u8]) -> ExitCode {
    let text = String::from_utf8_lossy(stdout);
    let lower = text.to_lowercase();
    if lower.contains("stopped") || lower.contains("not running") {
        ExitCode::NOT_RUNNING
    } else if lower.contains("running") || text.contains("OK") {
        ExitCode::OK
    } else {
        ExitCode::NOT_RUNNING
    }
}

fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal)
        .map_or_else(|_| format!("signal {signal}"), |signal| signal.as_str().to_owned())
}

/// The `OCF_ROOT` that belongs to a directory of providers.
pub fn ocf_root(resource_d: &Path) -> PathBuf {
    resource_d.parent().unwrap_or(resource_d).to_path_buf()
}

#[cfg(test)]
#[path = "calls_test.rs"]
mod tests;
