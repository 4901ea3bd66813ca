//! Recorded operations.

use std::sync::Arc;

use super::{HistoryIx, NodeIx, RscIx, Task};

/// `transition-key`: `ACTION:TRANSITION:TARGETRC:UUID` (I-124).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransitionKey {
    /// Number of the action in its graph.
    pub action: i64,
    /// Number of the transition.
    pub transition: i64,
    /// The expected result.
    pub target_rc: i32,
    /// Who made the graph.
    pub uuid: Arc<str>,
}

/// One `lrm_rsc_op`. Owner: input.
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
    /// `rc-code` as recorded.
    pub rc: i32,
    /// `op-status` as recorded; −2 if absent.
    pub status: i32,
    /// `transition-key`
    pub transition_key: Option<TransitionKey>,
    /// Parsed `transition-magic` is readable, with its key.
    pub magic: Option<TransitionKey>,
    /// `on_node`
    pub on_node: Option<Arc<str>>,
    /// `crm_feature_set`
    pub feature_set: Option<Arc<str>>,
    /// `exit-reason` (shown only).
    pub exit_reason: Option<Arc<str>>,
    /// `last-rc-change`, epoch seconds.
    pub last_change: Option<i64>,
    /// `exec-time`, ms (shown only).
    pub exec_time: Option<i64>,
    /// `queue-time`, ms (shown only).
    pub queue_time: Option<i64>,
    /// `op-digest`
    pub digest: Option<Arc<str>>,
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
    /// The result was expired and must look changed (I-142): compare as "restart".
    pub expired_recurring: bool,
}

impl HistoryOp {
    /// The expected result; −1 if unknown (I-124).
    pub fn target_rc(&self) -> i32 {
        self.transition_key.as_ref().map_or(-1, |k| k.target_rc)
    }

    /// A `monitor` with interval 0.
    pub fn is_probe(&self) -> bool {
        self.task == Some(Task::Monitor) && self.interval == 0
    }
}

/// One `lrm_resource` of one node.
#[derive(Clone, Debug)]
pub struct History {
    /// Where.
    pub node: NodeIx,
    /// The resource it belongs to, once known (I-130).
    pub rsc: Option<RscIx>,
    /// `id` as recorded.
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
