//! Which instances of a promotable clone are promoted (section 19).

use crate::Score;
use crate::scheduler::model::{
    Cause, Colocation, Contribution, Location, NodeIx, Role, RscIx, TicketDependency,
};

use super::colocation::has_influence;
use super::instances::ColocationScores;
use super::promotion::promotion_score;
use super::sort::merge_sort;
use super::{Placement, ScoreLine, ban_everywhere};

impl Placement<'_> {
    /// Adds promotion scores to the instances' tables and priorities, once (P-120).
    pub(super) fn add_promotion_scores(&mut self, clone: RscIx) {
        match &mut self.c[clone].variant {
            super::Variant::Clone(data) if !data.promotion_added => data.promotion_added = true,
            _ => return,
        }
        for instance in self.c[clone].children.clone() {
            let nodes: Vec<NodeIx> = self.c[instance].allowed.iter().map(|(n, _)| n).collect();
            for node in nodes {
                if !self.c[node].available() {
                    continue;
                }
                let score = promotion_score(self.c, instance, node).unwrap_or_default();
                if score > Score::ZERO {
                    self.c[instance].allowed.add(node, score, Cause::PromotionScore);
                }
                let priority = self.c[instance].priority.max(score);
                self.c[instance].priority = priority;
            }
        }
    }

    /// Decides which instances are promoted (P-121 to P-123).
    pub(super) fn choose_roles(&mut self, clone: RscIx) {
        self.c[clone].allowed.reset_counts();
        for instance in self.c[clone].children.clone() {
            self.set_promotion_index(clone, instance);
        }
        self.sort_for_promotion(clone);
        let mut promoted = 0;
        for instance in self.c[clone].children.clone() {
            let node = self.location_of(instance);
            if self.c.show_scores {
                let score = self.c[instance].promotion_index;
                self.lines.push(ScoreLine::Promotion { rsc: instance, node, score });
            }
            self.record_promotion(instance, node);
            if self.is_promoted(clone, instance, promoted) {
                promoted += 1;
                self.promote(instance);
                if let Some(node) = node
                    && let Some(entry) = self.c[clone].allowed.get_mut(node)
                {
                    entry.count = entry.count.saturating_add(1);
                }
            } else {
                self.leave_unpromoted(instance);
            }
        }
    }

    /// Keeps the score that decides about an instance, for the explanation.
    fn record_promotion(&mut self, instance: RscIx, node: Option<NodeIx>) {
        if !self.c.record {
            return;
        }
        let score = self.c[instance].promotion_index;
        let promotion = self.c.promotions.entry(instance).or_default();
        (promotion.node, promotion.score) = (node, score);
    }

    /// The priority of an instance for promotion, and its place in the order (P-121).
    fn set_promotion_index(&mut self, clone: RscIx, instance: RscIx) {
        if self.current_role_of(instance) == Role::Started {
            self.count_as_unpromoted(instance);
        }
        let Some(node) = self.location_of(instance) else { return };
        let next_role = self.next_role_of(instance);
        match next_role {
            Role::Unknown | Role::Started => match promotion_score(self.c, instance, node) {
                Some(score) => self.set_priority(instance, score, Cause::PromotionScore),
                None => self.set_priority(instance, Score::new(-1), Cause::NoPromotionScore),
            },
            Role::Unpromoted | Role::Stopped => {
                self.set_priority(instance, Score::MINUS_INFINITY, Cause::NextRoleStopped);
            }
            Role::Promoted => {
                let priority = self.c[instance].priority;
                self.set_priority(instance, priority, Cause::PromotionScore);
            }
        }
        for owner in [instance, clone] {
            for ix in self.c[owner].locations.clone().into_iter().rev() {
                if let Some(score) = promoted_preference(&self.c[ix], node) {
                    self.add_priority(instance, score, Cause::Location(ix));
                }
            }
        }
        for ix in self.c[instance].this_with.clone() {
            self.apply_this_with(instance, ix);
        }
        if next_role == Role::Promoted {
            self.record_step(instance, Score::INFINITY, true, Cause::Unmanaged);
            self.c[instance].promotion_index = Score::INFINITY;
        } else {
            self.c[instance].promotion_index = self.c[instance].priority;
        }
    }

    /// Replaces the priority of a promotable instance.
    pub(super) fn set_priority(&mut self, instance: RscIx, score: Score, cause: Cause) {
        self.c[instance].priority = score;
        self.record_step(instance, score, true, cause);
    }

    /// Adds to the priority of a promotable instance.
    pub(super) fn add_priority(&mut self, instance: RscIx, score: Score, cause: Cause) {
        self.c[instance].priority = self.c[instance].priority + score;
        self.record_step(instance, score, false, cause);
    }

    /// Keeps a step towards an instance's promotion score, for the explanation.
    fn record_step(&mut self, instance: RscIx, score: Score, set: bool, cause: Cause) {
        if !self.c.record {
            return;
        }
        let Some(node) = self.location_of(instance) else { return };
        let step = Contribution { node, score, set, cause };
        self.c.promotions.entry(instance).or_default().own.push(step);
    }

    /// The role Started of a promotable instance means Unpromoted.
    fn count_as_unpromoted(&mut self, rsc: RscIx) {
        for part in self.c.descendants(rsc) {
            if self.c[part].role == Role::Started {
                self.c[part].role = Role::Unpromoted;
            }
        }
    }

    /// Lets colocations about the Promoted role change the order, and sorts (P-122).
    fn sort_for_promotion(&mut self, clone: RscIx) {
        self.c[clone].merging = true;
        for instance in self.c[clone].children.clone() {
            let index = self.c[instance].promotion_index;
            if let Some(node) = self.location_of(instance).filter(|_| index >= Score::ZERO) {
                self.c[clone].allowed.add(node, index, Cause::PromotionIndex);
            }
        }
        let promoted = |role: Option<Role>| role == Some(Role::Promoted);
        for ix in self.c[clone].this_with.clone() {
            let Colocation { primary, score, dependent_role, .. } = self.c[ix];
            if promoted(dependent_role) {
                let mut how = self.merging(ix);
                how.active = !score.is_infinite();
                self.merge_into(clone, primary, &how);
            }
        }
        for ix in self.c[clone].with_this.clone() {
            let Colocation { dependent, primary, primary_role, .. } = self.c[ix];
            if promoted(primary_role) && has_influence(self.c, ix, primary) {
                let mut how = self.merging(ix);
                (how.active, how.nonneg) = (true, true);
                self.merge_into(clone, dependent, &how);
            }
        }
        self.ban_without_ticket(clone);
        for instance in self.c[clone].children.clone() {
            self.take_index_from_clone(clone, instance);
        }
        self.sort_by_promotion(clone);
        self.c[clone].merging = false;
    }

    /// Without the ticket for the Promoted role no node is good for it (P-60).
    fn ban_without_ticket(&mut self, clone: RscIx) {
        let lost = |d: &&TicketDependency| {
            let ticket = &self.c[d.ticket];
            d.rsc == clone && d.role == Some(Role::Promoted) && (!ticket.granted || ticket.standby)
        };
        let causes: Vec<Cause> = self
            .c
            .ticket_dependencies
            .iter()
            .filter(lost)
            .map(|d| Cause::Ticket(d.ticket))
            .collect();
        for cause in causes {
            ban_everywhere(self.c, clone, cause);
        }
    }

    /// The final index of an instance (P-122 step 6).
    fn take_index_from_clone(&mut self, clone: RscIx, instance: RscIx) {
        // The instance's own next role: of a group that of its first member.
        let r = &self.c[instance];
        if !r.managed && r.next_role == Role::Promoted {
            self.c[instance].promotion_index = Score::INFINITY;
            self.record_step(instance, Score::INFINITY, true, Cause::Unmanaged);
            return;
        }
        let Some(node) = self.location_of(instance) else { return };
        if self.c[instance].promotion_index >= Score::ZERO
            && let Some(score) = self.c[clone].allowed.score(node)
        {
            self.c[instance].promotion_index = score;
            if self.c.record {
                let steps = self.c[clone].allowed.contributions().iter().copied();
                let shared = steps.filter(|step| step.node == node).collect();
                self.c.promotions.entry(instance).or_default().shared = shared;
            }
        }
    }

    fn sort_by_promotion(&mut self, clone: RscIx) {
        let mut instances = self.c[clone].children.clone();
        let mut cache = ColocationScores::new();
        merge_sort(&mut instances, &mut |a, b| {
            let (index_a, index_b) = (self.c[a].promotion_index, self.c[b].promotion_index);
            let (role_a, role_b) = (self.current_role_of(a), self.current_role_of(b));
            index_b
                .cmp(&index_a)
                .then_with(|| role_b.cmp(&role_a))
                .then_with(|| self.compare_instances(a, b, &mut cache))
        });
        self.c[clone].children = instances;
    }

    /// Whether an instance, in its turn, is promoted (P-123).
    fn is_promoted(&self, clone: RscIx, instance: RscIx, promoted: u32) -> bool {
        let Some(data) = self.c[clone].clone_data() else { return false };
        let room = promoted < data.promoted_max || !self.c[clone].managed;
        self.c[instance].promotion_index >= Score::ZERO
            && room
            && self.can_promote(clone, instance)
            && (self.current_role_of(instance) == Role::Promoted || !self.frozen())
    }

    /// Whether an instance and its members could be promoted where they are (P-124).
    fn can_promote(&self, clone: RscIx, rsc: RscIx) -> bool {
        if !self.c[rsc].children.iter().all(|&member| self.can_promote(clone, member)) {
            return false;
        }
        let Some(node) = self.location_of(rsc) else { return false };
        let managed = self.c[rsc].managed;
        if managed {
            if self.c[rsc].priority < Score::ZERO
                || !self.c[node].available()
                || !self.container_is_assigned(node)
            {
                return false;
            }
        } else if self.current_role_of(rsc) != Role::Promoted {
            return false;
        }
        let per_node = self.c[clone].clone_data().map_or(0, |c| c.promoted_node_max);
        let entry = self.c[clone].allowed.get(node);
        entry.is_some_and(|e| !managed || u32::from(e.count) < per_node)
    }

    /// For a guest node, whether its container has exactly one node.
    fn container_is_assigned(&self, node: NodeIx) -> bool {
        let container = self.c.guest_container(node);
        container.is_none_or(|container| self.location_of(container).is_some())
    }

    fn promote(&mut self, instance: RscIx) {
        for part in self.c.descendants(instance) {
            if self.c[part].next_role == Role::Unknown {
                self.set_next_role(part, Role::Promoted);
            }
        }
    }

    fn leave_unpromoted(&mut self, instance: RscIx) {
        for part in self.c.descendants(instance) {
            let assigned = !self.locations_of(part).is_empty();
            let role = if assigned { Role::Unpromoted } else { Role::Stopped };
            self.set_next_role(part, role);
        }
    }
}

/// The score that a location entry has for the Promoted role on a node.
fn promoted_preference(location: &Location, node: NodeIx) -> Option<Score> {
    let entries = location.nodes.iter().filter(|_| location.role == Some(Role::Promoted));
    entries.copied().find(|&(n, _)| n == node).map(|(_, score)| score)
}
