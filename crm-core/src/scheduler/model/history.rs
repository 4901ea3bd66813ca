//! Recorded operations.

use std::ops::Deref;
use std::sync::Arc;

use super::{HistoryIx, NodeIx, RscIx, Task};

/// What `transition-magic` says about the graph that an entry comes from (I-124).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Number of the action in its graph.
    pub action: u32,
    /// Number of the transition.
    pub transition: i64,
    /// Who made the graph.
    pub uuid: Arc<str>,
}

/// One `lrm_rsc_op`, as recorded. Owner: input.
#[derive(Clone, Debug)]
pub struct HistoryOp {
    /// `id`
    pub id: Arc<str>,
    /// `operation_key`, or the id where it is absent.
    pub key: Arc<str>,
    /// Whether `operation_key` is present; probes without it explain nothing.
    pub has_key: bool,
    /// `operation`; `None` if absent (such an entry decides nothing).
    pub task: Option<Task>,
    /// `interval`, ms.
    pub interval: u32,
    /// `call-id`; −1 = pending or absent.
    pub call: i64,
    /// `rc-code`
    pub rc: i32,
    /// `op-status`; −2 if absent.
    pub status: i32,
    /// The expected result, from `transition-key`; −1 if unknown (I-124).
    pub target_rc: i32,
    /// `transition-magic`, if it is readable.
    pub origin: Option<Origin>,
    /// `on_node`
    pub on_node: Option<Arc<str>>,
    /// `crm_feature_set`
    pub feature_set: Option<Arc<str>>,
    /// Whether `exit-reason` is present, be it empty.
    pub has_exit_reason: bool,
    /// `last-rc-change`, epoch seconds.
    pub last_change: Option<i64>,
    /// `exec-time`, ms (shown only).
    pub exec_time: Option<i64>,
    /// `queue-time`, ms (shown only).
    pub queue_time: Option<i64>,
    /// `op-digest`
    pub digest: Option<Arc<str>>,
    rare: Option<Box<Rare>>,
}

/// What few entries have; apart, since entries are many.
#[derive(Clone, Debug, Default)]
pub struct Rare {
    /// `exit-reason` (shown only).
    pub exit_reason: Option<Arc<str>>,
    /// `op-restart-digest`
    pub restart_digest: Option<Arc<str>>,
    /// `op-secure-digest`
    pub secure_digest: Option<Arc<str>>,
    /// `op-force-restart`
    pub force_restart: Option<Arc<str>>,
    /// `op-secure-params`
    pub secure_params: Option<Arc<str>>,
    /// `migrate_source`
    pub migrate_source: Option<Arc<str>>,
    /// `migrate_target`
    pub migrate_target: Option<Arc<str>>,
}

impl HistoryOp {
    /// A `monitor` with interval 0.
    pub fn is_probe(&self) -> bool {
        self.task == Some(Task::Monitor) && self.interval == 0
    }

    /// What few entries have.
    pub fn rare(&self) -> &Rare {
        static NOTHING: Rare = Rare {
            exit_reason: None,
            restart_digest: None,
            secure_digest: None,
            force_restart: None,
            secure_params: None,
            migrate_source: None,
            migrate_target: None,
        };
        self.rare.as_deref().unwrap_or(&NOTHING)
    }

    /// What few entries have, to set.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// An entry that says nothing.
impl Default for HistoryOp {
    fn default() -> HistoryOp {
        HistoryOp {
            id: Arc::default(),
            key: Arc::default(),
            has_key: false,
            task: None,
            interval: 0,
            call: -1,
            rc: -1,
            status: -2,
            target_rc: -1,
            origin: None,
            on_node: None,
            feature_set: None,
            has_exit_reason: false,
            last_change: None,
            exec_time: None,
            queue_time: None,
            digest: None,
            rare: None,
        }
    }
}

/// One `lrm_resource` of one node, as recorded. Runs on the same document share it.
#[derive(Clone, Debug)]
pub struct Record {
    /// `id`
    pub id: Arc<str>,
    /// `class`
    pub class: Option<Arc<str>>,
    /// `provider`
    pub provider: Option<Arc<str>>,
    /// `type`
    pub kind: Option<Arc<str>>,
    /// `container`
    pub container: Option<Arc<str>>,
    /// `shutdown-lock`, epoch seconds; 0 = none.
    pub shutdown_lock: i64,
    /// Entries, oldest first (I-125, I-126).
    pub ops: Vec<HistoryOp>,
    /// Positions in `ops` of the last effective start and of the last stop (I-128).
    pub last_start: Option<usize>,
    /// See `last_start`.
    pub last_stop: Option<usize>,
}

/// The record of a resource on a node, in a run.
#[derive(Clone, Debug)]
pub struct History {
    /// Where.
    pub node: NodeIx,
    /// The resource it belongs to, once known (I-130).
    pub rsc: Option<RscIx>,
    /// What is recorded.
    pub record: Arc<Record>,
}

impl Deref for History {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

/// An entry that status output lists as failed (I-151).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailedOp {
    /// Which history.
    pub history: HistoryIx,
    /// Which entry of it.
    pub op: usize,
}

/// When a comparison that has to wait for placement matters (A-53, I-177).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CheckKind {
    /// The operation is in force.
    Active,
    /// The operation failed.
    LastFailure,
}

/// A comparison of a recorded operation with its definition that waits for placement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeferredCheck {
    /// The resource.
    pub rsc: RscIx,
    /// Which history.
    pub history: HistoryIx,
    /// Which entry of it.
    pub op: usize,
    /// Why.
    pub kind: CheckKind,
}
