//! Live migration in history (section 13).

use std::cmp::Ordering;
use std::sync::Arc;

use crate::scheduler::model::{
    Cluster, Fact, HistoryOp, NodeIx, PartialMigration, Remark, Role, RscIx, Task,
};

use super::entry::{rc, status};
use super::parse::compare;
use super::running::add_running;
use super::{Entry, Reader};

/// The two ends an entry names.
struct Ends {
    source: Option<NodeIx>,
    target: Option<NodeIx>,
    source_name: Arc<str>,
    target_name: Arc<str>,
}

impl Reader<'_> {
    /// Any start, stop or migration on the node that is newer than `than`.
    fn moved_since(
        &self,
        cluster: &Cluster,
        id: &str,
        node: Option<NodeIx>,
        than: &HistoryOp,
        same_node: bool,
    ) -> bool {
        let history = node.and_then(|n| self.find(cluster, id, n));
        history.is_some_and(|h| {
            h.ops.iter().any(|op| {
                let moves = matches!(
                    op.task,
                    Some(Task::Start | Task::Stop | Task::MigrateTo | Task::MigrateFrom)
                );
                moves && compare(op, than, same_node) == Ordering::Greater
            })
        })
    }

    /// A newer move, or a newer monitor that found the resource not running.
    fn newer_state(
        &self,
        cluster: &Cluster,
        id: &str,
        node: Option<NodeIx>,
        than: &HistoryOp,
        same_node: bool,
    ) -> bool {
        if self.moved_since(cluster, id, node, than, same_node) {
            return true;
        }
        let monitor = self.only(cluster, id, node, |op| op.task == Some(Task::Monitor));
        monitor.is_some_and(|op| {
            op.rc == rc::NOT_RUNNING
                && op.status == status::DONE
                && compare(op, than, same_node) == Ordering::Greater
        })
    }

    /// The entry of a kind on `node`. If there are several, the reference takes none of them.
    fn only<'c>(
        &self,
        cluster: &'c Cluster,
        id: &str,
        node: Option<NodeIx>,
        wanted: impl Fn(&HistoryOp) -> bool,
    ) -> Option<&'c HistoryOp> {
        let history = node.and_then(|n| self.find(cluster, id, n))?;
        let mut found = history.ops.iter().filter(|op| wanted(op));
        found.next().filter(|_| found.next().is_none())
    }

    /// The `migrate_from` that ends a migration between these two, with any result.
    fn arrival(&self, cluster: &Cluster, id: &str, ends: &Ends) -> Option<HistoryOp> {
        let wanted = |op: &HistoryOp| {
            op.task == Some(Task::MigrateFrom)
                && op.rare().migrate_source.as_ref() == Some(&ends.source_name)
        };
        self.only(cluster, id, ends.target, wanted).cloned()
    }

    /// The `migrate_to` that begins a migration between these two, with any result.
    fn departure(&self, cluster: &Cluster, id: &str, ends: &Ends) -> Option<HistoryOp> {
        let wanted = |op: &HistoryOp| {
            op.task == Some(Task::MigrateTo)
                && op.rare().migrate_target.as_ref() == Some(&ends.target_name)
        };
        self.only(cluster, id, ends.source, wanted).cloned()
    }

    /// I-153
    pub(super) fn migrated_to(&mut self, cluster: &mut Cluster, entry: Entry) {
        let Entry { rsc, node, .. } = entry;
        let op = entry.op(cluster).clone();
        let Some(ends) = ends(cluster, &op) else { return };
        if ends.source != Some(node) {
            return;
        }
        let id = cluster[rsc].id.clone();
        let source_moved = self.moved_since(cluster, &id, ends.source, &op, true);
        let from = self.arrival(cluster, &id, &ends);
        if from.is_some() && source_moved {
            return;
        }
        let reference = from.as_ref().unwrap_or(&op);
        let target_newer = self.newer_state(cluster, &id, ends.target, reference, from.is_some());
        if source_moved && target_newer {
            return;
        }
        if from.as_ref().is_some_and(succeeded) {
            cluster[rsc].role = Role::Stopped;
            cluster[rsc].dangling.insert(0, node);
            let ground = entry.ground(Remark::Migration);
            cluster.journal.resource(rsc, Fact::Dangling(node), ground);
            return;
        }
        cluster[rsc].role = Role::Started;
        let target_online = ends.target.filter(|t| cluster[*t].online);
        let active_on_target = target_online.filter(|_| !target_newer);
        let from_failed = from.is_some_and(|f| f.status != status::PENDING);
        // Without any history on the target, somebody has cleaned it up: a probe will tell.
        if !from_failed && target_online.is_some_and(|t| !self.known(cluster, &id, t)) {
            return;
        }
        match active_on_target {
            Some(target) => {
                add_running(cluster, rsc, target, from_failed);
                let source = ends.source.filter(|s| cluster[*s].online);
                if let Some(source) = source.filter(|_| !from_failed) {
                    cluster[rsc].partial_migration = Some(PartialMigration { source, target });
                    let ground = entry.ground(Remark::Migration);
                    cluster.journal.resource(rsc, Fact::PartialMigration, ground);
                }
            }
            None if from_failed || !source_moved => {
                no_longer_migratable(cluster, rsc);
                let ground = entry.ground(Remark::Migration);
                cluster.journal.resource_first(rsc, Fact::Failed, ground);
            }
            None => {}
        }
    }

    /// I-154
    pub(super) fn migrate_to_failed(&mut self, cluster: &mut Cluster, entry: Entry) {
        let Entry { rsc, node, .. } = entry;
        let op = entry.op(cluster).clone();
        let Some(ends) = ends(cluster, &op) else { return };
        if ends.source != Some(node) {
            return;
        }
        let id = cluster[rsc].id.clone();
        cluster[rsc].role = Role::Started;
        // One that failed or is pending is itself newer state.
        let from = self.arrival(cluster, &id, &ends).filter(succeeded);
        let known = ends.target.is_some_and(|t| self.known(cluster, &id, t));
        let reference = from.as_ref().unwrap_or(&op);
        let newer = self.newer_state(cluster, &id, ends.target, reference, from.is_some());
        if known && !newer {
            if let Some(target) = ends.target.filter(|t| cluster[*t].online) {
                add_running(cluster, rsc, target, false);
            }
        } else if !self.moved_since(cluster, &id, ends.source, &op, true) {
            cluster[rsc].dangling.insert(0, node);
            let ground = entry.ground(Remark::Migration);
            cluster.journal.resource(rsc, Fact::Dangling(node), ground);
        }
    }

    /// I-155
    pub(super) fn migrate_from_failed(&mut self, cluster: &mut Cluster, entry: Entry) {
        let Entry { rsc, node, .. } = entry;
        let op = entry.op(cluster).clone();
        let Some(ends) = ends(cluster, &op) else { return };
        if ends.target != Some(node) {
            return;
        }
        let id = cluster[rsc].id.clone();
        cluster[rsc].role = Role::Started;
        let to = self.departure(cluster, &id, &ends).filter(succeeded);
        let known = ends.source.is_some_and(|s| self.known(cluster, &id, s));
        let reference = to.as_ref().unwrap_or(&op);
        let newer = self.newer_state(cluster, &id, ends.source, reference, to.is_some());
        if known
            && !newer
            && let Some(source) = ends.source.filter(|s| cluster[*s].online)
        {
            add_running(cluster, rsc, source, true);
        }
    }

    /// The node has recorded something about the resource that has a result.
    fn known(&self, cluster: &Cluster, id: &str, node: NodeIx) -> bool {
        let history = self.find(cluster, id, node);
        history.is_some_and(|h| h.ops.iter().any(|op| op.rc != rc::PENDING))
    }
}

/// I-152: the entry's nodes; `None` if it does not name both.
fn ends(cluster: &Cluster, op: &HistoryOp) -> Option<Ends> {
    let source_name = op.rare().migrate_source.clone()?;
    let target_name = op.rare().migrate_target.clone()?;
    Some(Ends {
        source: cluster.node_named(&source_name),
        target: cluster.node_named(&target_name),
        source_name,
        target_name,
    })
}

fn succeeded(op: &HistoryOp) -> bool {
    op.rc == rc::OK && op.status == status::DONE
}

fn no_longer_migratable(cluster: &mut Cluster, rsc: RscIx) {
    let r = &mut cluster[rsc];
    r.failed = true;
    r.must_stop = true;
    r.allow_migrate = false;
}
