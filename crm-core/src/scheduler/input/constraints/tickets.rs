//! `rsc_ticket`, and what the loss of a ticket does to tables and nodes (section 9 of part 2).

use crate::Score;
use crate::scheduler::actions::mark_for_fencing;
use crate::scheduler::model::{
    Attributes, Cause, Cluster, Fact, Ground, LossPolicy, Role, RscIx, Ticket, TicketDependency,
    TicketIx,
};

use super::targets::{Set, Target};
use super::{Reader, complain};

impl Reader<'_, '_> {
    /// Reads the constraint into one dependency for each resource, and applies it.
    pub(super) fn ticket(&self, cluster: &mut Cluster) {
        let Some(name) = self.element.attr("ticket") else {
            complain(cluster, format!("Ignoring constraint '{}' without ticket", self.id));
            return;
        };
        let ticket = ticket_named(cluster, name);
        let sets = self.finder.sets(cluster, self.doc, self.element);
        if !sets.is_empty() {
            for set in &sets {
                self.depend_set(cluster, ticket, set);
            }
            return;
        }
        let role = self.element.attr("rsc-role");
        let Some(id) = self.element.attr("rsc") else {
            complain(cluster, format!("Ignoring constraint '{}' without resource", self.id));
            return;
        };
        match self.finder.target(cluster, id) {
            Target::One(rsc) => self.depend(cluster, self.id, ticket, rsc, role),
            Target::Many(members) => {
                self.depend_set(cluster, ticket, &Set::of(id, members, role));
            }
            Target::Unknown => {
                let text =
                    format!("Ignoring constraint '{}' because '{id}' does not exist", self.id);
                complain(cluster, text);
            }
        }
    }

    fn depend_set(&self, cluster: &mut Cluster, ticket: TicketIx, set: &Set) {
        for &rsc in &set.members {
            self.depend(cluster, &set.id, ticket, rsc, set.role.as_deref());
        }
        if let Some(unknown) = &set.unknown {
            let text = format!("'{unknown}' in constraint '{}' does not exist", self.id);
            complain(cluster, text);
        }
    }

    fn depend(
        &self,
        cluster: &mut Cluster,
        id: &str,
        ticket: TicketIx,
        rsc: RscIx,
        role: Option<&str>,
    ) {
        let role = role.and_then(Role::parse).filter(|r| *r > Role::Unknown && *r != Role::Started);
        let policy = self.loss_policy(cluster, role);
        cluster.ticket_dependencies.push(TicketDependency {
            id: id.into(),
            ticket,
            rsc,
            role,
            policy,
        });
        let (granted, standby) = (cluster[ticket].granted, cluster[ticket].standby);
        if !granted || standby {
            for leaf in cluster.leaves(rsc) {
                apply(cluster, leaf, ticket, role, policy);
            }
        }
    }

    /// P-58
    fn loss_policy(&self, cluster: &mut Cluster, role: Option<Role>) -> LossPolicy {
        let word = self.element.attr("loss-policy").unwrap_or_default();
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        if is("fence") {
            if cluster.options.fencing {
                return LossPolicy::Fence;
            }
            let id = self.id;
            let text = format!("Fencing is disabled: '{id}' stops resources without the ticket");
            complain(cluster, text);
            LossPolicy::Stop
        } else if is("freeze") {
            LossPolicy::Freeze
        } else if is("demote") || (!is("stop") && role == Some(Role::Promoted)) {
            LossPolicy::Demote
        } else {
            LossPolicy::Stop
        }
    }
}

/// The ticket with a name; one that was never heard of is not granted (I-63).
fn ticket_named(cluster: &mut Cluster, name: &str) -> TicketIx {
    if let Some(at) = cluster.tickets.iter().position(|t| &*t.id == name) {
        return TicketIx::next(at);
    }
    cluster.tickets.push(Ticket {
        id: name.into(),
        granted: false,
        standby: false,
        last_granted: -1,
        state: Attributes::new(),
    });
    TicketIx::next(cluster.tickets.len() - 1)
}

/// What a ticket that is missing or in standby means for a leaf (P-59).
fn apply(
    cluster: &mut Cluster,
    leaf: RscIx,
    ticket: TicketIx,
    role: Option<Role>,
    policy: LossPolicy,
) {
    let cause = Cause::Ticket(ticket);
    let for_promotion = role == Some(Role::Promoted);
    let role_matches = role.is_none_or(|role| role == cluster[leaf].role);
    let lost = !cluster[ticket].granted && !cluster[leaf].active_on.is_empty();
    let ban = if !lost {
        !for_promotion || policy == LossPolicy::Stop
    } else {
        match policy {
            LossPolicy::Stop => true,
            LossPolicy::Demote => !for_promotion,
            LossPolicy::Fence => role_matches,
            LossPolicy::Freeze => false,
        }
    };
    if ban {
        cluster.add_score_everywhere(leaf, Score::MINUS_INFINITY, cause);
    }
    if lost && role_matches {
        match policy {
            LossPolicy::Fence => {
                for node in cluster[leaf].active_on.clone() {
                    let ground = Ground::Ticket(ticket);
                    let reason = "deadman ticket was lost";
                    mark_for_fencing(cluster, node, ground, reason, false);
                }
            }
            LossPolicy::Freeze => {
                cluster[leaf].managed = false;
                cluster[leaf].blocked = true;
                cluster.journal.resource_first(leaf, Fact::Blocked, Ground::Ticket(ticket));
            }
            LossPolicy::Stop | LossPolicy::Demote => {}
        }
    }
}
