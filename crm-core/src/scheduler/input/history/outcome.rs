//! Results: remapping, success and failure (I-140, I-146 to I-150).

use crate::Score;
use crate::scheduler::actions;
use crate::scheduler::input::ops::OpConfig;
use crate::scheduler::model::{Cause, Cluster, Fact, OnFail, Remark, Role, RscIx, Task, Variant};

use super::entry::{Outcome, list_failed, maskable_probe, rc, set_active, status};
use super::running::set_everywhere;
use super::{Entry, Reader};

impl Reader<'_> {
    /// I-140
    pub(super) fn remap(
        &mut self,
        cluster: &mut Cluster,
        entry: Entry,
        outcome: &mut Outcome,
        on_fail: &mut OnFail,
    ) {
        let Entry { rsc, node, .. } = entry;
        let op = entry.op(cluster);
        let (probe, target, interval) = (op.is_probe(), op.target_rc, op.interval);
        let stop = op.task == Some(Task::Stop);
        if op.task == Some(Task::Monitor) {
            let plain = match outcome.rc {
                rc::DEGRADED => rc::OK,
                rc::DEGRADED_PROMOTED => rc::PROMOTED,
                other => other,
            };
            if plain != outcome.rc {
                outcome.rc = plain;
                if !cluster[node].shutdown || cluster[node].online {
                    list_failed(cluster, entry);
                }
            }
        }
        if maskable_probe(cluster, entry) {
            *outcome = Outcome { rc: rc::NOT_RUNNING, status: status::DONE };
        }
        if !matches!(outcome.status, status::DONE | status::ERROR) {
            return;
        }
        outcome.status = if target == outcome.rc { status::DONE } else { status::ERROR };
        match outcome.rc {
            rc::OK if probe && target == rc::NOT_RUNNING => outcome.status = status::DONE,
            rc::NOT_RUNNING if probe || target == outcome.rc || !cluster[rsc].managed => {
                outcome.status = status::DONE;
                cluster[rsc].role = Role::Stopped;
                *on_fail = OnFail::Ignore;
                cluster[rsc].next_role = Role::Unknown;
            }
            rc::OK | rc::NOT_RUNNING => {}
            rc::PROMOTED => {
                if probe && outcome.rc != target {
                    outcome.status = status::DONE;
                }
                cluster[rsc].role = Role::Promoted;
            }
            rc::FAILED_PROMOTED | rc::DEGRADED_PROMOTED => {
                cluster[rsc].role = Role::Promoted;
                outcome.status = status::ERROR;
            }
            rc::NOT_CONFIGURED => outcome.status = status::FATAL,
            rc::UNIMPLEMENTED if interval > 0 => outcome.status = status::NOT_SUPPORTED,
            rc::UNIMPLEMENTED | rc::INVALID_PARAM | rc::PRIVILEGES | rc::NOT_INSTALLED => {
                // I-141
                if stop && !actions::can_fence(cluster, node) {
                    cluster[rsc].managed = false;
                    cluster[rsc].blocked = true;
                    let ground = entry.ground(Remark::Failed);
                    cluster.journal.resource_first(rsc, Fact::Blocked, ground);
                }
                outcome.status = status::HARD;
            }
            _ if outcome.status == status::DONE => outcome.status = status::ERROR,
            _ => {}
        }
    }

    /// I-146
    pub(super) fn success(
        &mut self,
        cluster: &mut Cluster,
        entry: Entry,
        result: i32,
        last_failure: Option<usize>,
        on_fail: &mut OnFail,
    ) {
        let rsc = entry.rsc;
        let op = entry.op(cluster);
        let task = op.task.clone().unwrap_or(Task::Monitor);
        let same_key = last_failure.is_some_and(|at| cluster[entry.history].ops[at].key == op.key);
        let role = cluster[rsc].role;
        let mut clears = true;
        if result == rc::NOT_INSTALLED || maskable_probe(cluster, entry) {
            cluster[rsc].role = Role::Stopped;
            clears = false;
        } else if result != rc::NOT_RUNNING {
            match task {
                Task::Monitor => {
                    clears = same_key;
                    if role < Role::Started {
                        set_active(cluster, rsc);
                    }
                }
                Task::Start | Task::MigrateFrom => cluster[rsc].role = Role::Started,
                Task::Stop => cluster[rsc].role = Role::Stopped,
                Task::Promote => cluster[rsc].role = Role::Promoted,
                Task::Demote => {
                    clears = *on_fail == OnFail::Demote;
                    cluster[rsc].role = Role::Unpromoted;
                }
                Task::MigrateTo => {
                    clears = false;
                    self.migrated_to(cluster, entry);
                }
                _ => {
                    clears = false;
                    if role < Role::Started {
                        set_active(cluster, rsc);
                    }
                }
            }
        }
        if clears {
            clear_past_failure(cluster, rsc, on_fail);
        }
    }

    /// I-150, steps 1 to 6
    pub(super) fn failure(
        &mut self,
        cluster: &mut Cluster,
        entry: Entry,
        outcome: Outcome,
        config: &OpConfig,
        last_failure: &mut Option<usize>,
        on_fail: &mut OnFail,
    ) {
        let Entry { rsc, node, at, .. } = entry;
        let op = entry.op(cluster);
        let (task, probe) = (op.task.clone(), op.is_probe());
        *last_failure = Some(at);
        if outcome.rc != rc::NOT_INSTALLED || cluster.options.symmetric {
            list_failed(cluster, entry);
        }
        if config.on_fail >= *on_fail {
            *on_fail = config.on_fail;
            entry.note_failure(cluster, rsc);
        }
        match task {
            Some(Task::Stop) => {
                cluster.add_score(rsc, node, Score::MINUS_INFINITY, Cause::Failure);
            }
            Some(Task::MigrateTo) => self.migrate_to_failed(cluster, entry),
            Some(Task::MigrateFrom) => self.migrate_from_failed(cluster, entry),
            Some(Task::Promote) => cluster[rsc].role = Role::Promoted,
            Some(Task::Demote) => {
                if config.on_fail == OnFail::Block {
                    cluster[rsc].role = Role::Promoted;
                    cluster[rsc].next_role = Role::Stopped;
                    let ground = entry.ground(Remark::Failed);
                    cluster.journal.resource(rsc, Fact::NextRole, ground);
                } else if outcome.rc == rc::NOT_RUNNING {
                    cluster[rsc].role = Role::Stopped;
                } else {
                    cluster[rsc].role = Role::Unpromoted;
                }
            }
            _ => {}
        }
        if probe && outcome.rc == rc::NOT_INSTALLED {
            cluster[rsc].role = Role::Stopped;
        } else if cluster[rsc].role < Role::Started {
            set_active(cluster, rsc);
        }
        let fail_role = config.fail_role;
        if fail_role != Role::Started && cluster[rsc].next_role < fail_role {
            cluster[rsc].next_role = fail_role;
            cluster.journal.resource(rsc, Fact::NextRole, entry.ground(Remark::Failed));
        }
        if fail_role == Role::Stopped {
            let banned = failed_whole(cluster, rsc);
            set_everywhere(cluster, banned, Score::MINUS_INFINITY, Cause::Failure);
            entry.note_failure(cluster, banned);
        }
    }
}

/// The resource, or the anonymous clone it is an instance of (I-150.6).
fn failed_whole(cluster: &Cluster, rsc: RscIx) -> RscIx {
    let top = cluster.top_of(rsc);
    let anonymous = matches!(cluster[top].variant, Variant::Clone(_)) && !cluster[top].unique;
    if anonymous { top } else { rsc }
}

/// I-148
fn clear_past_failure(cluster: &mut Cluster, rsc: RscIx, on_fail: &mut OnFail) {
    let clear = match on_fail {
        OnFail::Stop | OnFail::Fence | OnFail::Ban | OnFail::Standby => false,
        OnFail::ResetRemote => cluster[rsc].reconnect_interval == 0,
        OnFail::Block
        | OnFail::Ignore
        | OnFail::Demote
        | OnFail::Recover
        | OnFail::RestartContainer => true,
    };
    if clear {
        *on_fail = OnFail::Ignore;
        cluster[rsc].next_role = Role::Unknown;
    }
}
