//! Interpreting one entry (section 12), and what remains after all of them (section 14).

use crate::Score;
use crate::scheduler::actions;
use crate::scheduler::digest::{self, Verdict};
use crate::scheduler::input::failcount;
use crate::scheduler::input::ops::op_config;
use crate::scheduler::model::{
    Cause, CheckKind, Cluster, DeferredCheck, Fact, FailedOp, Ground, HistoryIx, NodeFact, NodeIx,
    OnFail, Remark, Role, RscIx, Severity, Task,
};

use super::running::add_running;
use super::{Entry, Reader};

pub(super) mod status {
    //! `op-status` (I-136).
    pub const PENDING: i32 = -1;
    pub const DONE: i32 = 0;
    pub const CANCELLED: i32 = 1;
    pub const NOT_SUPPORTED: i32 = 3;
    pub const ERROR: i32 = 4;
    pub const HARD: i32 = 5;
    pub const FATAL: i32 = 6;
    pub const NOT_INSTALLED: i32 = 7;
    pub const NOT_CONNECTED: i32 = 8;
    pub const NO_FENCE_DEVICE: i32 = 10;
    pub const NO_SECRETS: i32 = 11;
}

pub(super) mod rc {
    //! `rc-code` (I-137).
    pub const OK: i32 = 0;
    pub const INVALID_PARAM: i32 = 2;
    pub const UNIMPLEMENTED: i32 = 3;
    pub const PRIVILEGES: i32 = 4;
    pub const NOT_INSTALLED: i32 = 5;
    pub const NOT_CONFIGURED: i32 = 6;
    pub const NOT_RUNNING: i32 = 7;
    pub const PROMOTED: i32 = 8;
    pub const FAILED_PROMOTED: i32 = 9;
    pub const DEGRADED: i32 = 190;
    pub const DEGRADED_PROMOTED: i32 = 191;
    pub const PENDING: i32 = 193;
}

/// An entry's result while it is being interpreted.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    pub rc: i32,
    pub status: i32,
}

/// A probe whose failure says that the resource cannot run there (I-139).
pub(super) fn maskable_probe(cluster: &Cluster, entry: Entry) -> bool {
    let op = entry.op(cluster);
    op.is_probe()
        && (matches!(op.rc, rc::INVALID_PARAM | rc::NOT_INSTALLED)
            || op.status == status::NOT_INSTALLED)
        && cluster.bundle_of(entry.rsc).is_none()
}

/// The resource, or what all its interchangeable instances are in.
pub(super) fn shared(cluster: &Cluster, rsc: RscIx) -> RscIx {
    if cluster[rsc].unique { rsc } else { cluster.top_of(rsc) }
}

/// Makes the resource active in the role that is lowest for it (I-145).
pub(super) fn set_active(cluster: &mut Cluster, rsc: RscIx) {
    let promotable = cluster[rsc].promotable;
    cluster[rsc].role = if promotable { Role::Unpromoted } else { Role::Started };
}

/// I-151, I-150.1
pub(super) fn list_failed(cluster: &mut Cluster, entry: Entry) {
    if !cluster[entry.node].online {
        return;
    }
    let key = entry.op(cluster).key.clone();
    let known = cluster
        .failed_ops
        .iter()
        .any(|f| cluster[f.history].node == entry.node && cluster[f.history].ops[f.op].key == key);
    if !known {
        cluster.failed_ops.push(FailedOp { history: entry.history, op: entry.at });
    }
}

impl Reader<'_> {
    /// I-138
    pub(super) fn entry(
        &mut self,
        cluster: &mut Cluster,
        entry: Entry,
        last_failure: &mut Option<usize>,
        on_fail: &mut OnFail,
    ) {
        let op = entry.op(cluster);
        let Some(task) = op.task.clone() else { return };
        let ignored = matches!(&task, Task::Notify)
            || task.as_str() == "meta-data"
            || !(status::PENDING..=status::NO_SECRETS).contains(&op.status);
        if ignored {
            return;
        }
        let mut outcome = Outcome { rc: op.rc, status: op.status };
        let original_rc = op.rc;
        let expired = op.status != status::NOT_INSTALLED && expiry(cluster, entry);
        self.remap(cluster, entry, &mut outcome, on_fail);
        if expired && forget_expired(cluster, entry, outcome, original_rc) {
            return;
        }
        if maskable_probe(cluster, entry) {
            let target = entry.op(cluster).target_rc;
            self.success(cluster, entry, target, *last_failure, on_fail);
            list_failed(cluster, entry);
            let banned = shared(cluster, entry.rsc);
            cluster.add_score(banned, entry.node, Score::MINUS_INFINITY, Cause::Failure);
            entry.note_failure(cluster, banned);
            return;
        }
        match outcome.status {
            status::CANCELLED => {}
            status::PENDING => pending(cluster, entry, &task),
            status::DONE => self.success(cluster, entry, outcome.rc, *last_failure, on_fail),
            _ => self.unsuccessful(cluster, entry, outcome, last_failure, on_fail),
        }
    }

    /// Everything that is neither done nor pending (I-144, I-149).
    fn unsuccessful(
        &mut self,
        cluster: &mut Cluster,
        entry: Entry,
        outcome: Outcome,
        last_failure: &mut Option<usize>,
        on_fail: &mut OnFail,
    ) {
        let Entry { rsc, node, .. } = entry;
        let op = entry.op(cluster);
        let (task, interval) = (op.task.clone().unwrap_or(Task::Monitor), op.interval);
        let config = op_config(cluster, rsc, &task, interval);
        for text in &config.complaints {
            cluster.say(Severity::ConfigError, text.clone());
        }
        let everyone = shared(cluster, rsc);
        let ban = Score::MINUS_INFINITY;
        if outcome.status == status::NOT_INSTALLED {
            if config.on_fail == OnFail::Ignore {
                *on_fail = OnFail::Ban;
            }
            cluster.add_score(everyone, node, ban, Cause::Failure);
            entry.note_failure(cluster, everyone);
            self.failure(cluster, entry, outcome, &config, last_failure, on_fail);
            return;
        }
        if outcome.status == status::NOT_CONNECTED
            && cluster[node].is_remote()
            && let Some(connection) = cluster[node].connection.filter(|c| cluster[*c].managed)
        {
            cluster[connection].failed = true;
            cluster[connection].must_stop = true;
            let ground = entry.ground(Remark::Failed);
            cluster.journal.resource_first(connection, Fact::Failed, ground);
        }
        let container_stop = config.on_fail == OnFail::RestartContainer && task == Task::Stop;
        if config.on_fail == OnFail::Ignore || container_stop {
            let target = entry.op(cluster).target_rc;
            self.success(cluster, entry, target, *last_failure, on_fail);
            cluster[rsc].failure_ignored = true;
            list_failed(cluster, entry);
            if container_stop && *on_fail <= OnFail::Recover {
                *on_fail = OnFail::RestartContainer;
                entry.note_failure(cluster, rsc);
            }
            return;
        }
        self.failure(cluster, entry, outcome, &config, last_failure, on_fail);
        match outcome.status {
            status::HARD | status::NO_FENCE_DEVICE | status::NO_SECRETS => {
                cluster.add_score(everyone, node, ban, Cause::Failure);
                entry.note_failure(cluster, everyone);
            }
            status::FATAL => {
                cluster.add_score_everywhere(everyone, ban, Cause::Failure);
                entry.note_failure(cluster, everyone);
            }
            _ => {}
        }
    }

    /// Section 14
    pub(super) fn settle(
        &mut self,
        cluster: &mut Cluster,
        rsc: RscIx,
        node: NodeIx,
        history: HistoryIx,
        on_fail: OnFail,
    ) {
        if cluster[rsc].role != Role::Unknown {
            mark_known(cluster, rsc, node);
        }
        check_down_node(cluster, rsc, node, history);
        let failure = Ground::Resource(rsc, Fact::FailedOn(node));
        let response = if cluster[node].unclean { OnFail::Ignore } else { on_fail };
        self.respond(cluster, rsc, node, response);
        // I-161
        if cluster[rsc].failed
            && cluster[rsc].is_remote_connection
            && let Some(remote) = cluster.node_named(&cluster[rsc].id.clone())
            && cluster[remote].unclean
        {
            cluster[remote].unseen = false;
        }
        if cluster[rsc].role > Role::Stopped {
            if cluster[rsc].orphan {
                let text = format!(
                    "Detected active orphan {} running on {}",
                    cluster[rsc].id, cluster[node].name
                );
                cluster.say(Severity::Warning, text);
            }
            add_running(cluster, rsc, node, on_fail != OnFail::Ignore);
            match response {
                OnFail::Ignore => {}
                OnFail::Demote | OnFail::Block => {
                    cluster[rsc].failed = true;
                    cluster.journal.resource_first(rsc, Fact::Failed, failure);
                }
                _ => fail(cluster, rsc, failure),
            }
        } else if !self.forget_numbered_name(cluster, rsc) {
            actions::make_stops_optional(cluster, rsc, node);
        }
        // I-156
        let r = &mut cluster[rsc];
        let source = r.partial_migration.is_some_and(|p| p.source == node);
        if r.role == Role::Stopped && source && !r.active_on.is_empty() {
            r.role = Role::Started;
        }
    }

    /// I-159
    fn respond(&mut self, cluster: &mut Cluster, rsc: RscIx, node: NodeIx, response: OnFail) {
        let active = cluster[rsc].role > Role::Stopped;
        let failure = Ground::Resource(rsc, Fact::FailedOn(node));
        let stop = |cluster: &mut Cluster, rsc| {
            let stop = actions::op(cluster, rsc, Task::Stop, 0, Some(node), false);
            cluster.journal.needed(stop, failure);
        };
        match response {
            OnFail::Ignore => {}
            OnFail::Demote => {
                cluster[rsc].failed = true;
                cluster.journal.resource_first(rsc, Fact::Failed, failure);
                let demote = actions::op(cluster, rsc, Task::Demote, 0, Some(node), false);
                cluster.journal.needed(demote, failure);
            }
            OnFail::Recover => {
                if active {
                    fail(cluster, rsc, failure);
                    stop(cluster, rsc);
                }
            }
            OnFail::ResetRemote => reset_remote(cluster, rsc, node, active),
            OnFail::RestartContainer => {
                fail(cluster, rsc, failure);
                match cluster[rsc].container {
                    Some(container) if cluster.bundle_of(rsc).is_some() => {
                        self.stop_later.push((container, failure));
                    }
                    Some(container) => stop(cluster, container),
                    None if active => stop(cluster, rsc),
                    None => {}
                }
            }
            OnFail::Ban => {
                cluster.add_score(rsc, node, Score::MINUS_INFINITY, Cause::Failure);
            }
            OnFail::Block => {
                cluster[rsc].managed = false;
                cluster[rsc].blocked = true;
                cluster.journal.resource_first(rsc, Fact::Blocked, failure);
            }
            OnFail::Stop => {
                cluster[rsc].next_role = Role::Stopped;
                cluster.journal.resource(rsc, Fact::NextRole, failure);
            }
            OnFail::Standby => {
                cluster[node].standby = true;
                cluster[node].standby_on_fail = true;
                cluster.journal.node(node, NodeFact::Standby, failure);
            }
            OnFail::Fence => {
                let reason = format!("{} failed there", cluster[rsc].id);
                actions::mark_for_fencing(cluster, node, failure, &reason, false);
            }
        }
    }
}

/// I-159 for the connection of a remote node: the node is fenced, and reached again.
fn reset_remote(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, active: bool) {
    let failure = Ground::Resource(rsc, Fact::FailedOn(node));
    fail(cluster, rsc, failure);
    let remote = cluster.node_named(&cluster[rsc].id.clone());
    if let Some(remote) = remote.filter(|_| cluster.options.fencing)
        && cluster.is_plain_remote(remote)
        && !cluster[remote].remote_was_fenced
    {
        let reason = "remote connection is unrecoverable";
        actions::mark_for_fencing(cluster, remote, failure, reason, false);
    }
    if active {
        let stop = actions::op(cluster, rsc, Task::Stop, 0, Some(node), false);
        cluster.journal.needed(stop, failure);
    }
    if cluster[rsc].reconnect_interval > 0 {
        cluster[rsc].next_role = Role::Stopped;
        cluster.journal.resource(rsc, Fact::NextRole, failure);
    }
}

fn fail(cluster: &mut Cluster, rsc: RscIx, ground: Ground) {
    cluster[rsc].failed = true;
    cluster[rsc].must_stop = true;
    cluster.journal.resource_first(rsc, Fact::Failed, ground);
}

/// I-157
fn mark_known(cluster: &mut Cluster, rsc: RscIx, node: NodeIx) {
    let mut next = Some(rsc);
    while let Some(r) = next {
        if !cluster[r].known_on.contains(&node) {
            cluster[r].known_on.push(node);
        }
        next = if cluster[r].unique { None } else { cluster[r].parent };
    }
}

/// I-158
fn check_down_node(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, history: HistoryIx) {
    let (r, n) = (&cluster[rsc], &cluster[node]);
    if r.role <= Role::Stopped || n.online || n.maintenance || !r.managed {
        return;
    }
    let id = r.id.clone();
    let ground = Ground::History(history, Remark::Active);
    if cluster.is_guest(node) {
        fail(cluster, rsc, ground);
    } else if !cluster.options.fencing {
        return;
    } else if let Some(connection) = cluster[node].connection
        && cluster[node].is_remote()
        && !cluster[connection].failed
    {
        cluster[node].unseen = true;
        let reason = format!(
            "{id} is active there (fencing will be revoked if remote connection can be \
                 re-established elsewhere)"
        );
        actions::mark_for_fencing(cluster, node, ground, &reason, false);
        return;
    }
    let reason = format!("{id} is thought to be active there");
    actions::mark_for_fencing(cluster, node, ground, &reason, false);
}

/// I-145
fn pending(cluster: &mut Cluster, entry: Entry, task: &Task) {
    let Entry { rsc, node, .. } = entry;
    match task {
        Task::Start => {
            cluster[rsc].start_pending = true;
            let ground = entry.ground(Remark::Pending);
            cluster.journal.resource_first(rsc, Fact::StartPending, ground);
            set_active(cluster, rsc);
        }
        Task::Promote => cluster[rsc].role = Role::Promoted,
        Task::MigrateTo if cluster[node].unclean => {
            let target = entry.op(cluster).rare().migrate_target.clone();
            if let Some(target) = target.and_then(|name| cluster.node_named(&name)) {
                let stop = actions::op(cluster, rsc, Task::Stop, 0, Some(target), false);
                cluster.journal.needed(stop, entry.ground(Remark::Pending));
            }
        }
        _ => {}
    }
    if cluster[rsc].pending.is_none() && !entry.op(cluster).is_probe() {
        cluster[rsc].pending = Some((task.clone(), node));
    }
}

/// Whether the entry is older than the failure timeout; clears counts that are over (I-176 to
/// I-179).
fn expiry(cluster: &mut Cluster, entry: Entry) -> bool {
    let Entry { rsc, node, history, at } = entry;
    let op = entry.op(cluster);
    let last_failure = op.id.ends_with("_last_failure_0");
    let result = op.rc;
    let (probe, interval, last_change) = (op.is_probe(), op.interval, op.last_change);
    let timed = op.task == Some(Task::Start) || op.task == Some(Task::Monitor);
    let recurring_monitor = op.task == Some(Task::Monitor) && interval > 0;
    let mut expired = false;
    let mut in_force = Score::ZERO;
    if let Some(changed) = last_change.filter(|_| cluster[rsc].failure_timeout > 0) {
        let now = cluster.now.epoch;
        expired = now >= changed + cluster[rsc].failure_timeout
            && !(recurring_monitor && waits_for_fencing(cluster, rsc));
        in_force = failcount::effective(cluster, rsc, node, Some((history, at))).count;
    }
    let mut clear = false;
    if expired {
        if failcount::recorded(cluster, rsc, node).count > Score::ZERO {
            if in_force == Score::ZERO {
                clear = true;
            } else {
                expired = false;
            }
        } else if last_failure && cluster[rsc].reconnect_interval > 0 {
            clear = true;
        }
    }
    if !expired && last_failure && timed {
        clear |= parameters_changed(cluster, entry);
    }
    if clear {
        let remark = if expired { Remark::Expired } else { Remark::Changed };
        actions::clear_failcount(cluster, rsc, node, entry.ground(remark), true);
    }
    let known_result = matches!(
        result,
        rc::OK | rc::NOT_RUNNING | rc::PROMOTED | rc::DEGRADED | rc::DEGRADED_PROMOTED
    );
    expired && !(probe && known_result)
}

/// Failed monitors of a reconnecting remote node stay until it was fenced (I-176).
fn waits_for_fencing(cluster: &Cluster, rsc: RscIx) -> bool {
    cluster.options.fencing
        && cluster[rsc].reconnect_interval > 0
        && cluster
            .node_named(&cluster[rsc].id)
            .is_some_and(|remote| !cluster[remote].remote_was_fenced)
}

/// I-177; put off where the parameters depend on placement.
fn parameters_changed(cluster: &mut Cluster, entry: Entry) -> bool {
    let Entry { rsc, node, history, at } = entry;
    if digest::addressed_by_host(cluster, rsc) {
        let kind = CheckKind::LastFailure;
        cluster.deferred_checks.push(DeferredCheck { rsc, history, op: at, kind });
        return false;
    }
    let verdict = digest::compare(cluster, rsc, node, history, at);
    !matches!(verdict, Verdict::Match | Verdict::Unknown)
}

/// I-142; true if the entry is done with.
fn forget_expired(cluster: &mut Cluster, entry: Entry, outcome: Outcome, original_rc: i32) -> bool {
    let op = entry.op(cluster);
    let (target, interval) = (op.target_rc, op.interval);
    if maskable_probe(cluster, entry) && original_rc != target {
        if cluster[entry.rsc].role <= Role::Stopped {
            cluster[entry.rsc].role = Role::Unknown;
        }
        return true;
    }
    if outcome.rc == target {
        return false;
    }
    if interval == 0 {
        return true;
    }
    if cluster[entry.node].online && !cluster[entry.node].unclean {
        cluster.expired_recurring.insert((entry.history, entry.at));
        return true;
    }
    false
}
