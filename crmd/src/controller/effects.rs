//! What goes into the controller, and what comes out.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use crm_core::cib::{Element, Version};
use crm_core::transition::Graph;
use crm_lrm::operation::{Operation, OperationResult};
use crm_lrm::secrets::Secret;
use crm_messaging::group::{NodeId, View};
use crm_messaging::proto;
use crm_messaging::proto::peer::{Finding, Inquiry, Step};

use super::alerts::AlertNews;
use super::clients::{Request, RequestId};
use super::replica::LogEntry;

/// The time, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Since the daemon started; never jumps. All intervals are measured by it.
    pub mono: Duration,
    /// Milliseconds of the epoch; for records and date rules only.
    pub wall_ms: u64,
}

/// One thing that has happened.
#[derive(Debug)]
pub enum Input {
    /// The ring has a new membership.
    View(View),
    /// The ring delivered a message.
    Message {
        /// Its sender.
        from: NodeId,
        /// Its content.
        data: Bytes,
    },
    /// An agent ended.
    Operation(Box<OperationResult>),
    /// A local client wants something.
    Client {
        /// Names the request in the reply.
        id: RequestId,
        /// What.
        request: Request,
    },
    /// The disk has everything up to this version, or failed.
    Stored(Result<Version, String>),
    /// The scheduler has run.
    Planned(Planned),
    /// A fencing device has answered.
    FenceDone {
        /// The job of the order.
        job: u64,
        /// The device.
        device: String,
        /// What it said.
        verdict: FenceVerdict,
    },
    /// What was to be looked up on this machine has been found.
    Found(Box<Finding>),
    /// SIGTERM, or a client's request to stop.
    Stop,
    /// A client's request to end and come back; services go on.
    Restart {
        /// After this time the node counts as lost.
        within: Duration,
    },
    /// Time has passed.
    Tick,
}

/// A plan.
#[derive(Debug)]
pub struct Planned {
    /// Of the [`Effect::Plan`] it answers.
    pub generation: u64,
    /// What to do; none if the scheduler failed.
    pub graph: Result<Graph, String>,
}

/// Why a transition's input is kept; the names are those of Pacemaker's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    /// `pe-input`: there was something to do.
    Input,
    /// `pe-warn`: a node had to be fenced.
    Warn,
    /// `pe-error`: no plan could be made.
    Error,
}

impl Series {
    /// Every one.
    pub const ALL: [Series; 3] = [Series::Input, Series::Warn, Series::Error];

    /// What the names of its inputs begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Series::Input => "pe-input",
            Series::Warn => "pe-warn",
            Series::Error => "pe-error",
        }
    }

    /// The name of an input.
    pub fn name(self, number: u64) -> String {
        format!("{}-{number}", self.prefix())
    }

    /// Series and number of an input of this name.
    pub fn parse(name: &str) -> Option<(Series, u64)> {
        let (prefix, number) = name.rsplit_once('-')?;
        let series = Series::ALL.into_iter().find(|s| s.prefix() == prefix)?;
        let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        Some((series, number.parse().ok().filter(|_| plain)?))
    }
}

/// What came of asking a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceVerdict {
    /// The device says that it is done (R3: nothing else counts).
    Done,
    /// It failed or said nothing in time.
    Failed(String),
    /// It does not know the target.
    NotMine,
}

/// A device to be run on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceTask {
    /// Names the task in its outcome.
    pub job: u64,
    /// The resource that configures the device.
    pub device: String,
    /// Its agent, without the class.
    pub kind: String,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// The node that is fenced.
    pub target: String,
    /// That is this node.
    pub own: bool,
    /// `off`, `on` or `reboot`.
    pub action: String,
    /// Ask the device for its hosts first.
    pub check: bool,
    /// Before anything is done.
    pub delay: Duration,
    /// For the whole.
    pub timeout: Duration,
}

/// One thing to do.
#[derive(Debug)]
pub enum Effect {
    /// To every member, in order.
    Send(Bytes),
    /// Run an agent.
    Execute(Box<Operation>),
    /// End a recurring operation.
    Cancel {
        /// The resource.
        resource: String,
        /// The operation.
        action: String,
        /// Its interval.
        interval: Duration,
    },
    /// End all recurring operations of a resource: its history is forgotten.
    CancelAll {
        /// The resource.
        resource: String,
    },
    /// Kill every agent that runs: the lease is over.
    KillAll,
    /// Run a fencing device.
    Fence(FenceTask),
    /// Look something up on this machine, or read cluster.conf again.
    LookUp {
        /// The member that asks.
        to: NodeId,
        /// What.
        inquiry: Inquiry,
    },
    /// A node is known to be off: the ring need not wait for it.
    DeclareDead(NodeId),
    /// Write a secret to the disk, or remove it.
    KeepSecret(Secret),
    /// Append a commit to the log.
    Store(Box<LogEntry>),
    /// Write the whole configuration, as the replica has it: it was taken from another member.
    Snapshot,
    /// Run the scheduler.
    Plan {
        /// Comes back with the plan.
        generation: u64,
        /// On this document.
        cib: Element,
        /// At this time, in seconds of the epoch.
        now_s: u64,
    },
    /// Answer a client.
    Reply(RequestId, Reply),
    /// Something that people may want to see.
    Event {
        /// membership, quorum, dc, transition, operation, fencing, commit, attribute
        kind: &'static str,
        /// The node concerned.
        node: String,
        /// The resource concerned.
        resource: String,
        /// One line.
        text: String,
        /// It tells of a failure.
        failed: bool,
        /// The step of a transition that it tells of.
        step: Option<Box<Step>>,
    },
    /// Keep the document that a plan was made from.
    KeepInput {
        /// Of the plan.
        generation: u64,
        /// Why it is kept.
        series: Series,
        /// The number of the transition.
        number: u64,
    },
    /// Something that alert agents may want to hear.
    Alert(AlertNews),
    /// Something that goes to the log only.
    Warn(String),
    /// Leave the ring and end: everything has been handed over.
    Leave,
}

/// Why a client is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Made from an older configuration.
    Stale,
    /// Not now: no quorum, joining, no coordinator, disk broken.
    NotNow,
    /// Not a thing that can be done.
    Invalid,
    /// No such node or resource.
    NotFound,
}

/// An answer to a client.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The document, for `QueryCib`.
    Cib {
        /// A section of it.
        cib: Element,
        /// Its version.
        version: Version,
        /// Whether the partition has quorum.
        quorate: bool,
    },
    /// The version after a commit.
    Committed(Version),
    /// Done, nothing to tell.
    Done,
    /// Attributes.
    Attributes(Vec<proto::Attribute>),
    /// What was cleaned.
    Cleaned(Vec<String>),
    /// How fencing ended.
    Fence(proto::FenceReply),
    /// The state.
    State(Box<proto::StateReply>),
    /// A file as members have it.
    Files(Vec<proto::FileCopy>),
    /// What came of reading cluster.conf again.
    Reloaded(Vec<proto::NodeReload>),
    /// No.
    Refused(Refusal, String),
}
