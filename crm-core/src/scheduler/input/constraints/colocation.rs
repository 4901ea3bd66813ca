//! `rsc_colocation` (section 12 of part 2).

use std::sync::Arc;

use crate::Score;
use crate::scalar::parse_bool;
use crate::scheduler::actions::order;
use crate::scheduler::model::{
    Cluster, Colocation, OrderFlags, OrderOrigin, OrderSide, Role, RscIx, Task,
};

use super::targets::{Set, Target};
use super::{Reader, complain};

/// One side of a colocation: the resource and the role it is about.
type Party<'s> = (RscIx, Option<&'s str>);

impl Reader<'_, '_> {
    /// Reads the constraint into colocations of two resources each.
    pub(super) fn colocation(&self, cluster: &mut Cluster) {
        let score = self.element.attr("score");
        let score = score.map_or(Score::ZERO, |text| cluster.options.score(text));
        let sets = self.finder.sets(cluster, self.doc, self.element);
        if !sets.is_empty() {
            self.colocate_sets(cluster, &sets, score);
            return;
        }
        let (Some(rsc), Some(with)) = (self.element.attr("rsc"), self.element.attr("with-rsc"))
        else {
            complain(cluster, format!("Ignoring constraint '{}' without resources", self.id));
            return;
        };
        let roles = (self.element.attr("rsc-role"), self.element.attr("with-rsc-role"));
        let targets = (self.finder.target(cluster, rsc), self.finder.target(cluster, with));
        match targets {
            (Target::One(dependent), Target::One(primary)) => {
                let Some(dependent) = self.instance(cluster, dependent, "rsc-instance") else {
                    return;
                };
                let Some(primary) = self.instance(cluster, primary, "with-rsc-instance") else {
                    return;
                };
                let attribute = self.element.attr("node-attribute");
                let sides = ((dependent, roles.0), (primary, roles.1));
                self.colocate(cluster, self.id, score, sides, attribute);
            }
            (Target::Many(_), Target::Many(_)) => {
                let id = self.id;
                complain(cluster, format!("Ignoring constraint '{id}' between two tags"));
            }
            (Target::Unknown, _) => self.unknown(cluster, rsc),
            (_, Target::Unknown) => self.unknown(cluster, with),
            (dependents, primaries) => {
                let sets = [
                    Set::of(rsc, members(dependents), roles.0),
                    Set::of(with, members(primaries), roles.1),
                ];
                self.colocate_sets(cluster, &sets, score);
            }
        }
    }

    fn unknown(&self, cluster: &mut Cluster, id: &str) {
        let text = format!("Ignoring constraint '{}' because '{id}' does not exist", self.id);
        complain(cluster, text);
    }

    /// The instance that the deprecated `…-instance` attributes select (P-72).
    fn instance(&self, cluster: &mut Cluster, rsc: RscIx, attribute: &str) -> Option<RscIx> {
        let Some(number) = self.element.attr(attribute) else { return Some(rsc) };
        let found = cluster[rsc].clone_data().and_then(|_| {
            let wanted =
                |&&i: &&RscIx| cluster[i].instance.is_some_and(|n| n.to_string() == number);
            cluster[rsc].children.iter().find(wanted).copied()
        });
        if found.is_none() {
            let (id, rsc) = (self.id, cluster[rsc].id.clone());
            complain(
                cluster,
                format!("Ignoring constraint '{id}': {rsc} has no instance {number}"),
            );
        }
        found
    }

    /// Inside each set, and between each set and the one before it (P-74, P-75).
    fn colocate_sets(&self, cluster: &mut Cluster, sets: &[Set], score: Score) {
        let mut last: Option<&Set> = None;
        for set in sets {
            if let Some(id) = set.unknown.clone() {
                self.unknown(cluster, &id);
            }
            self.colocate_in_set(cluster, set, set.score_or(cluster, score));
            if let Some(last) = last {
                self.colocate_two_sets(cluster, last, set, score);
            }
            last = Some(set);
        }
    }

    fn colocate_in_set(&self, cluster: &mut Cluster, set: &Set, score: Score) {
        if score == Score::ZERO || !set.sequential {
            return;
        }
        let role = set.role.as_deref();
        if score > Score::ZERO {
            let with_previous = set.ordering.as_deref().is_none_or(|o| o == "group");
            for pair in set.members.windows(2) {
                let (first, second) = ((pair[0], role), (pair[1], role));
                let sides = if with_previous { (second, first) } else { (first, second) };
                self.colocate(cluster, &set.id, score, sides, None);
            }
            return;
        }
        for (at, &member) in set.members.iter().enumerate() {
            for &earlier in set.members[..at].iter().take_while(|&&e| e != member) {
                self.colocate(cluster, &set.id, score, ((member, role), (earlier, role)), None);
            }
        }
    }

    /// The earlier set depends on the later one (P-75).
    fn colocate_two_sets(&self, cluster: &mut Cluster, a: &Set, b: &Set, score: Score) {
        let dependents =
            if a.sequential { &a.members[..a.members.len().min(1)] } else { &a.members };
        let primaries =
            if b.sequential { &b.members[b.members.len().saturating_sub(1)..] } else { &b.members };
        for &dependent in dependents {
            for &primary in primaries {
                let sides = ((dependent, a.role.as_deref()), (primary, b.role.as_deref()));
                self.colocate(cluster, self.id, score, sides, None);
            }
        }
    }

    /// Adds one colocation, and for a prohibition the orderings it implies (P-72, P-73, P-77).
    fn colocate(
        &self,
        cluster: &mut Cluster,
        id: &str,
        score: Score,
        (dependent, primary): (Party<'_>, Party<'_>),
        attribute: Option<&str>,
    ) {
        if score == Score::ZERO {
            return;
        }
        let influence = self.element.attr("influence");
        if influence.is_some_and(|text| parse_bool(text).is_none()) {
            complain(cluster, format!("Ignoring the influence of '{id}': it is no boolean"));
        }
        let influence = influence.and_then(parse_bool);
        let colocation = Colocation {
            id: id.into(),
            dependent: dependent.0,
            primary: primary.0,
            score,
            dependent_role: role_filter(dependent.1),
            primary_role: role_filter(primary.1),
            node_attribute: attribute.map(Into::into),
            influence: influence.unwrap_or(cluster[dependent.0].critical),
            internal: None,
        };
        let (dependent_role, primary_role) = (colocation.dependent_role, colocation.primary_role);
        let origin = colocation.id.clone();
        cluster.colocations.push(colocation);
        if score.is_forbidden() {
            let sides = ((dependent.0, dependent_role), (primary.0, primary_role));
            exclude(cluster, sides.0, sides.1, &origin);
            exclude(cluster, sides.1, sides.0, &origin);
        }
    }
}

fn members(target: Target) -> Vec<Option<RscIx>> {
    match target {
        Target::One(rsc) => vec![Some(rsc)],
        Target::Many(members) => members,
        Target::Unknown => Vec::new(),
    }
}

/// Started means any role (P-72).
fn role_filter(word: Option<&str>) -> Option<Role> {
    let role = Role::parse(word?)?;
    (role != Role::Started && role != Role::Unknown).then_some(role)
}

/// One side loses its role before the other gains its own.
fn exclude(
    cluster: &mut Cluster,
    (loser, old): (RscIx, Option<Role>),
    (winner, new): (RscIx, Option<Role>),
    origin: &Arc<str>,
) {
    let losing: &[Task] = match old {
        Some(Role::Promoted) => &[Task::Demote],
        Some(Role::Unpromoted) => &[Task::Stop, Task::Promote],
        _ => &[Task::Stop],
    };
    let gaining: &[Task] = match new {
        Some(Role::Promoted) => &[Task::Promote],
        Some(Role::Unpromoted) => &[Task::Start, Task::Demote],
        _ => &[Task::Start],
    };
    for lose in losing {
        for gain in gaining {
            let first = OrderSide::task(loser, lose.clone());
            let then = OrderSide::task(winner, gain.clone());
            let origin = OrderOrigin::Cib(origin.clone());
            order(cluster, origin, first, then, OrderFlags::ANTI_COLOC);
        }
    }
}
