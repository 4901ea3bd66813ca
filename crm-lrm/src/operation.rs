//! What is asked of an agent and what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

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
    /// How long the agent may take before its process group is killed.
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
    pub call_id: u64,
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
    /// From the request to the start of the agent.
    pub queue_time: Duration,
    /// From the start of the agent to its end.
    pub exec_time: Duration,
}
