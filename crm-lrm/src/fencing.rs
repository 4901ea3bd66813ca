//! Fencing through a device: the call that the daemon makes when a node has to be cut off.
//!
//! Success means that the device said so within the time. Everything else, silence included, is
//! a failure with a reason for people; the caller must not recover anything on its strength.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::Lrm;
use crate::agents::{Agent, AgentError, Interface};
use crate::operation::{AgentName, ExecutionStatus, ExitCode};
use crate::output::exit_reason;
use crate::process::{self, Command, Ending, Finished};
use crate::secrets::SecretError;
use crate::stonith::{self, FenceAction, HostCheck};

/// How often a device that fails is asked in all, unless `pcmk_*_retries` says otherwise
/// (Pacemaker 2.1); all tries share one time-out.
const TRIES: u32 = 2;

/// A configured STONITH resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceDevice {
    /// The resource.
    pub id: String,
    /// `stonith:external/...` or `stonith:fence_...`.
    pub agent: AgentName,
    /// Its instance attributes, `pcmk_*` included.
    pub params: BTreeMap<String, String>,
}

/// What came of a fencing call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceResult {
    /// The executor's part.
    pub status: ExecutionStatus,
    /// [`ExitCode::OK`] exactly if the device confirmed.
    pub exit: ExitCode,
    /// Why it failed; empty if it did not.
    pub reason: String,
    /// From the call to the answer.
    pub elapsed: Duration,
}

impl FenceResult {
    /// Whether the device confirmed what was asked for.
    pub fn confirmed(&self) -> bool {
        self.status == ExecutionStatus::Done && self.exit == ExitCode::OK
    }
}

/// Why a device was not even asked.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// What a device is asked.
#[derive(Clone, Copy, Debug)]
enum Request<'a> {
    Act(FenceAction, &'a str),
    /// Whether this host is on.
    StatusOf(&'a str),
    Hosts,
}

impl Lrm {
    /// Has a device act on a node, and waits for its word.
    ///
    /// `pcmk_off_timeout` (`_on_`, `_reboot_`) replaces `timeout`; `pcmk_off_retries` is the
    /// number of tries within it.
    pub async fn fence(
        &self,
        device: &FenceDevice,
        action: FenceAction,
        target: &str,
        timeout: Duration,
    ) -> FenceResult {
        let started = Instant::now();
        let own = |suffix: &str| device.params.get(&format!("pcmk_{}_{suffix}", action.as_str()));
        let timeout = own("timeout").and_then(|text| seconds(text)).unwrap_or(timeout);
        let tries = own("retries").and_then(|text| text.parse().ok()).unwrap_or(TRIES).max(1);
        let mut result = FenceResult {
            status: ExecutionStatus::Timeout,
            exit: ExitCode::ERROR,
            reason: format!("{} did not answer within {timeout:?}", device.id),
            elapsed: Duration::ZERO,
        };
        for _ in 0..tries {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
            result = match self.ask(device, Request::Act(action, target), left).await {
                Ok(finished) => judge(device, finished, timeout),
                Err(error) => refused(&error),
            };
            if result.status != ExecutionStatus::Done || result.exit == ExitCode::OK {
                break;
            }
        }
        result.elapsed = started.elapsed();
        result
    }

    /// Whether the device's agent says that this action has to run on the node that it is about,
    /// as unfencing often must.
    pub async fn acts_only_on_target(&self, device: &FenceDevice, action: FenceAction) -> bool {
        let Ok(metadata) = self.metadata(&device.agent).await else { return false };
        let on_target = |a: &crate::metadata::Action| {
            a.name == action.as_str() && a.attributes.get("on_target").is_some_and(|v| is_true(v))
        };
        metadata.actions.iter().any(on_target)
    }

    /// How a device without a word about its hosts is asked for them: by the first of `list` and
    /// `status` that its agent knows, or not at all (Pacemaker 2.1). One that says nothing of itself
    /// is asked for its list.
    async fn host_check(&self, device: &FenceDevice) -> HostCheck {
        let told = stonith::host_check(&device.params);
        if told != HostCheck::DynamicList || device.params.contains_key("pcmk_host_check") {
            return told;
        }
        let metadata = self.metadata(&device.agent).await;
        match metadata {
            _ if device.agent.kind.starts_with("external/") => HostCheck::DynamicList,
            Ok(m) if m.actions.is_empty() || m.has("list") => HostCheck::DynamicList,
            Ok(m) if m.has("status") => HostCheck::Status,
            Ok(_) => HostCheck::None,
            Err(_) => HostCheck::DynamicList,
        }
    }

    /// Whether a device can fence a node, by its parameters or by asking it.
    ///
    /// The error says why the device could not answer; it may still be able to fence.
    pub async fn can_fence(
        &self,
        device: &FenceDevice,
        target: &str,
        timeout: Duration,
    ) -> Result<bool, String> {
        match self.host_check(device).await {
            HostCheck::None => Ok(true),
            HostCheck::StaticList(hosts) => Ok(hosts.iter().any(|host| host == target)),
            HostCheck::DynamicList => {
                let port = stonith::port(&device.params, target);
                let hosts = self.device_hosts(device, timeout).await?;
                Ok(hosts.contains(&port))
            }
            HostCheck::Status => {
                let asked = self.ask(device, Request::StatusOf(target), timeout).await;
                let finished = asked.map_err(|error| error.to_string())?;
                // 0 is on and 2 is off: either way the device knows the host.
                Ok(matches!(finished.ending, Ending::Exited(0 | 2)))
            }
        }
    }

    /// The hosts that a device itself lists, by the device's names.
    pub async fn device_hosts(
        &self,
        device: &FenceDevice,
        timeout: Duration,
    ) -> Result<Vec<String>, String> {
        let asked = self.ask(device, Request::Hosts, timeout).await;
        let finished = asked.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        let result = judge(device, finished, timeout);
        if !result.confirmed() {
            return Err(result.reason);
        }
        Ok(match device.agent.kind.strip_prefix("external/") {
            Some(_) => stonith::words(&text),
            None => listed_ports(&text),
        })
    }

    async fn ask(
        &self,
        device: &FenceDevice,
        request: Request<'_>,
        timeout: Duration,
    ) -> Result<Finished, Refusal> {
        let agent = self.catalog().resolve(&device.agent)?;
        let params = self.shared().secrets_of(&device.id, &device.params)?;
        let device = &FenceDevice { params, ..device.clone() };
        let command = command(&agent, &self.shared().around().environment(), device, request);
        Ok(process::run_unattended(&command, &self.shared().limits(timeout)).await)
    }
}

fn command(
    agent: &Agent,
    environment: &BTreeMap<std::ffi::OsString, std::ffi::OsString>,
    device: &FenceDevice,
    request: Request<'_>,
) -> Command {
    let params = &device.params;
    let mut command = Command {
        program: agent.program.clone(),
        arg0: agent.built_in.then(|| "crm".into()),
        args: agent.args.clone(),
        env: environment.clone(),
        stdin: Vec::new(),
    };
    if agent.interface == Interface::StonithExternal {
        command.env.extend(stonith::external_environment(params));
        match request {
            Request::Act(action, host) => {
                let renamed = params.get(&format!("pcmk_{}_action", action.as_str()));
                let verb = match renamed.map(String::as_str) {
                    Some("reboot") => "reset",
                    Some(verb) => verb,
                    None => action.external_verb(),
                };
                command.args.push(verb.into());
                command.args.push(stonith::port(params, host).into());
            }
            Request::StatusOf(host) => {
                command.args.push("status".into());
                command.args.push(stonith::port(params, host).into());
            }
            Request::Hosts => command.args.push("gethosts".into()),
        }
    } else {
        command.stdin = match request {
            Request::Act(action, host) => stonith::fence_input(params, action.as_str(), Some(host)),
            Request::StatusOf(host) => stonith::fence_input(params, "status", Some(host)),
            Request::Hosts => stonith::fence_input(params, "list", None),
        };
    }
    command
}

fn judge(device: &FenceDevice, finished: Finished, timeout: Duration) -> FenceResult {
    let Finished { ending, stdout, stderr, elapsed } = finished;
    let (status, exit, reason) = match ending {
        Ending::Exited(0) => (ExecutionStatus::Done, ExitCode::OK, String::new()),
        Ending::Exited(code) => {
            let mut said = exit_reason(&stderr);
            if said.is_empty() {
                said = stonith::last_words(&stdout, &stderr);
            }
            let colon = if said.is_empty() { "" } else { ": " };
            let reason = format!("{} failed with exit code {code}{colon}{said}", device.id);
            (ExecutionStatus::Done, ExitCode::ERROR, reason)
        }
        Ending::TimedOut => {
            let reason = format!("{} did not answer within {timeout:?}", device.id);
            (ExecutionStatus::Timeout, ExitCode::ERROR, reason)
        }
        Ending::Signalled(signal) => {
            let reason = format!("{} was ended by signal {signal}", device.id);
            (ExecutionStatus::Error, ExitCode::ERROR, reason)
        }
        Ending::Aborted => (ExecutionStatus::Cancelled, ExitCode::ERROR, "taken back".to_owned()),
        Ending::NotStarted(error) => {
            let reason = format!("{} could not be started: {error}", device.agent);
            (ExecutionStatus::Error, ExitCode::ERROR, reason)
        }
    };
    FenceResult { status, exit, reason, elapsed }
}

fn refused(error: &Refusal) -> FenceResult {
    let status = match error {
        Refusal::Agent(AgentError::Writable(_)) | Refusal::Secret(_) => ExecutionStatus::Error,
        Refusal::Agent(_) => ExecutionStatus::NotInstalled,
    };
    FenceResult {
        status,
        exit: ExitCode::NOT_INSTALLED,
        reason: error.to_string(),
        elapsed: Duration::ZERO,
    }
}

/// The ports in a fence agent's `list`: the part before the comma of each line.
fn listed_ports(text: &str) -> Vec<String> {
    let ports = text.lines().filter_map(|line| line.split(',').next());
    ports.map(str::trim).filter(|port| !port.is_empty()).map(str::to_owned).collect()
}

/// A boolean of XML, as Pacemaker reads it there.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "true")
}

/// `20`, `20s`, `500ms` or `2min`; plain numbers are seconds.
fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "" | "s" | "sec" => Some(Duration::from_secs(number)),
        "ms" | "msec" => Some(Duration::from_millis(number)),
        "m" | "min" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_manager() {
        assert_eq!(seconds("20"), Some(Duration::from_secs(20)));
        assert_eq!(seconds("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(seconds("2 min"), Some(Duration::from_secs(120)));
        assert_eq!(seconds("soon"), None);
    }

    #[test]
    fn the_list_of_a_fence_agent() {
        assert_eq!(listed_ports("1,node1\n2,node2\n\nvm3\n"), ["1", "2", "vm3"]);
    }
}
