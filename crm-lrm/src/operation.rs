//! What is asked of an agent and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::metadata::Metadata;

/// An agent's name: `class:[provider:]type`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName {
    /// `ocf`, `lsb`, `systemd`, `service`, `heartbeat` or `stonith`.
    pub class: String,
    /// Only for `ocf`.
    pub provider: Option<String>,
    /// The agent, for example `IPaddr2` or `external/ssh`.
    pub kind: String,
}

impl AgentName {
    /// Reads `class:type` or `class:provider:type`; without a class, `ocf:heartbeat` is meant
    /// (as in the crm shell). `None` if a part is empty or there are too many.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        let (class, provider, kind) = match parts.as_slice() {
            [kind] => ("ocf", Some("heartbeat"), *kind),
            ["ocf", kind] => ("ocf", Some("heartbeat"), *kind),
            ["ocf", provider, kind] => ("ocf", Some(*provider), *kind),
            [class, kind] => (*class, None, *kind),
            _ => return None,
        };
        Some(Self {
            class: class.to_owned(),
            provider: provider.map(str::to_owned),
            kind: kind.to_owned(),
        })
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Some(provider) => write!(f, "{}:{provider}:{}", self.class, self.kind),
            None => write!(f, "{}:{}", self.class, self.kind),
        }
    }
}

/// An executor's number for one operation; it never repeats while the executor lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One operation on one resource.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The resource instance, for example `webip` or `disk:1`.
    pub resource: String,
    /// Which agent.
    pub agent: AgentName,
    /// `start`, `stop`, `monitor`, `promote`, `demote`, `notify`, `reload-agent`, ...
    pub action: String,
    /// Zero for an operation that runs once.
    pub interval: Duration,
    /// How long the agent may take before its process group is killed; zero means 20 s, the
    /// default of Pacemaker.
    pub timeout: Duration,
    /// How long to wait before the first run.
    pub start_delay: Duration,
    /// Parameters of the resource, and what the coordinator adds as `CRM_meta_*`.
    pub params: BTreeMap<String, String>,
    /// Opaque to the executor, returned with the result (`transition-key`).
    pub key: String,
}

/// What an agent's exit means, in the numbers of OCF 1.1 and Pacemaker's additions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExitCode(pub i32);

impl ExitCode {
    /// It worked; for a monitor: running (unpromoted, if the resource has roles).
    pub const OK: Self = Self(0);
    /// Failed for a reason that no other code names.
    pub const ERROR: Self = Self(1);
    /// The parameters do not fit this host.
    pub const ARGS: Self = Self(2);
    /// The agent does not know this action.
    pub const UNIMPLEMENTED: Self = Self(3);
    /// The agent may not do this.
    pub const PERMISSION: Self = Self(4);
    /// The agent, or what it runs, is not installed here.
    pub const NOT_INSTALLED: Self = Self(5);
    /// The parameters are wrong on every host.
    pub const NOT_CONFIGURED: Self = Self(6);
    /// Cleanly stopped.
    pub const NOT_RUNNING: Self = Self(7);
    /// Running and promoted.
    pub const RUNNING_PROMOTED: Self = Self(8);
    /// Promoted and failed.
    pub const FAILED_PROMOTED: Self = Self(9);
    /// Running, with less than its full strength (OCF 1.1).
    pub const DEGRADED: Self = Self(190);
    /// Promoted, with less than its full strength (OCF 1.1).
    pub const DEGRADED_PROMOTED: Self = Self(191);

    /// Whether the resource is running as it should, in either role.
    pub fn is_running(self) -> bool {
        [Self::OK, Self::RUNNING_PROMOTED, Self::DEGRADED, Self::DEGRADED_PROMOTED].contains(&self)
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How the executor's own part of an operation ended, in Pacemaker's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionStatus {
    /// The agent ran and its exit code says what happened.
    Done = 0,
    /// Taken back before it ran to its end.
    Cancelled = 1,
    /// Its time was over; its process group was killed.
    Timeout = 2,
    /// This agent does not implement the action.
    NotSupported = 3,
    /// The agent could not be run.
    Error = 4,
    /// There is no such agent here.
    NotInstalled = 7,
}

/// The result of one run of an operation.
#[derive(Clone, Debug)]
pub struct OperationResult {
    /// What was asked.
    pub operation: Operation,
    /// This executor's number for the operation; the same for every run of a recurring one.
    pub call_id: CallId,
    /// The executor's part.
    pub status: ExecutionStatus,
    /// The agent's part.
    pub exit: ExitCode,
    /// What the agent said about a failure (`ocf-exit-reason:`), or what the executor says.
    pub exit_reason: String,
    /// Standard output, capped.
    pub stdout: Vec<u8>,
    /// Standard error, capped.
    pub stderr: Vec<u8>,
    /// What the agent says of itself; only where the executor was set up to ask, and not for
    /// actions whose result nobody compares with the configuration.
    pub metadata: Option<Arc<Metadata>>,
    /// From the request to the start of the agent.
    pub queue_time: Duration,
    /// From the start of the agent to its end.
    pub exec_time: Duration,
}
