//! Assigning a leaf: its colocations, its next role, its node (section 15), and what the
//! assignment of a connection means for its node (section 22).

use crate::Score;
use crate::scheduler::actions::{self, NO_QUORUM};
use crate::scheduler::model::{Cause, Fact, NodeIx, QuorumPolicy, Role, RscIx};

use super::colocation::has_influence;
use super::{Placement, ScoreLine, ban_everywhere};

impl Placement<'_> {
    /// Assigns a leaf (P-94).
    pub(super) fn assign_leaf(&mut self, leaf: RscIx, preferred: Option<NodeIx>) -> Option<NodeIx> {
        if let Some(parent) = self.c[leaf].parent.filter(|&p| !self.c[p].in_progress) {
            self.assign(parent, preferred);
        }
        if self.c[leaf].decided {
            return self.c[leaf].assigned;
        }
        if self.c[leaf].in_progress {
            return None;
        }
        self.c[leaf].in_progress = true;
        self.complete_table(leaf);
        self.limit_next_role(leaf);
        self.show_scores("pcmk__primitive_assign", leaf, false);
        self.decide(leaf, preferred);
        self.c[leaf].in_progress = false;
        if self.c[leaf].is_remote_connection {
            self.connection_assigned(leaf);
        }
        self.c[leaf].assigned
    }

    /// Applies what the leaf follows, then merges what follows it (P-94, 3 and 4).
    fn complete_table(&mut self, leaf: RscIx) {
        for ix in self.c[leaf].this_with.clone() {
            let colocation = &self.c[ix];
            let (primary, score) = (colocation.primary, colocation.score);
            let optional = colocation.dependent_role == Some(Role::Promoted)
                || (score < Score::ZERO && !score.is_forbidden());
            let before = optional.then(|| self.c[leaf].allowed.clone());
            self.assign(primary, None);
            self.apply_this_with(leaf, ix);
            if let Some(before) = before
                && !self.any_usable(&self.c[leaf].allowed)
            {
                self.c[leaf].allowed = before;
            }
        }
        for ix in self.c[leaf].with_this.clone() {
            if has_influence(self.c, ix, self.c[ix].primary) {
                let mut how = self.merging(ix);
                how.active = true;
                self.merge_into(leaf, self.c[ix].dependent, &how);
            }
        }
    }

    /// A leaf that is to be stopped may run nowhere; without quorum, `freeze` keeps roles
    /// (P-94 step 5, P-17).
    fn limit_next_role(&mut self, leaf: RscIx) {
        let r = &self.c[leaf];
        if r.next_role == Role::Stopped {
            ban_everywhere(self.c, leaf, Cause::NextRoleStopped);
        } else if r.next_role > r.role && self.frozen() {
            self.set_next_role(leaf, self.c[leaf].role);
            self.c.journal.resource(leaf, Fact::NextRole, NO_QUORUM);
        }
    }

    /// True if there is no quorum and the policy is to keep what runs as it is.
    pub(super) fn frozen(&self) -> bool {
        let options = &self.c.options;
        !options.have_quorum && options.quorum_policy == QuorumPolicy::Freeze
    }

    /// P-94, steps 7 to 10.
    fn decide(&mut self, leaf: RscIx, preferred: Option<NodeIx>) {
        let options = &self.c.options;
        let stop_all = options.stop_all;
        if options.fencing && !options.have_fence_device {
            self.c[leaf].managed = false;
        }
        if !self.c[leaf].managed {
            self.set_next_role(leaf, self.c[leaf].role);
            let stay = self.c.current_node(leaf).map(|node| (node, self.c[node].score));
            self.finish(leaf, stay, true);
        } else if stop_all {
            self.finish(leaf, None, true);
        } else if !self.c[leaf].decided {
            self.choose_node(leaf, preferred);
        }
    }

    /// Makes an assignment final (P-96); `forced` whatever the node is like.
    pub(super) fn finish(&mut self, leaf: RscIx, chosen: Option<(NodeIx, Score)>, forced: bool) {
        let acceptable = |&(node, score): &(NodeIx, Score)| {
            let usable = self.c[node].available() || self.c.is_guest(node);
            forced || (score >= Score::ZERO && usable)
        };
        let chosen = chosen.filter(acceptable);
        self.unassign(leaf);
        self.c[leaf].decided = true;
        let Some((node, score)) = chosen else {
            self.set_next_role(leaf, Role::Stopped);
            actions::unassigned(self.c, leaf);
            return;
        };
        self.c[leaf].assigned = Some(node);
        self.assigned_score[leaf.ix()] = score;
        self.c[node].assigned.push(leaf);
        self.consume(leaf, node);
        if self.c.show_utilization {
            self.lines.push(ScoreLine::Utilization { rsc: leaf, node });
        }
    }

    /// Makes the same assignment final for everything below a resource.
    pub(super) fn finish_everywhere(&mut self, rsc: RscIx, chosen: Option<(NodeIx, Score)>) {
        for leaf in self.c.leaves(rsc) {
            self.finish(leaf, chosen, true);
        }
    }

    /// Undoes an assignment to a node, so that the leaf can be assigned anew.
    pub(super) fn unassign(&mut self, leaf: RscIx) {
        if let Some(node) = self.c[leaf].assigned.take() {
            self.c[leaf].decided = false;
            self.c[node].assigned.retain(|&r| r != leaf);
            self.release(leaf, node);
        }
    }

    /// The node of a connection is expected to come up, or goes down, with it (P-141).
    fn connection_assigned(&mut self, connection: RscIx) {
        let Some(node) = self.c[connection].remote_node else { return };
        let r = &self.c[connection];
        if r.assigned.is_some() && r.next_role != Role::Stopped {
            self.c[node].online = true;
            if self.c[node].unseen {
                self.c[node].unclean = false;
            }
        } else {
            self.c[node].shutdown = true;
        }
    }
}
