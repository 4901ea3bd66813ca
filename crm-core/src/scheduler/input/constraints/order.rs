//! `rsc_order` (section 13.1 of part 3).

use std::sync::Arc;

use crate::scalar::{is_true, parse_int};
use crate::scheduler::actions::{one_or_more, order};
use crate::scheduler::model::{Cluster, OrderFlags, OrderOrigin, OrderSide, RscIx, Severity, Task};

use super::targets::{Set, Target};
use super::{Reader, complain};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mandatory,
    Optional,
    Serialize,
}

/// Which of the orderings of a constraint is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// The only one of an asymmetric constraint.
    Only,
    /// The one that is written, of a symmetric constraint.
    Forward,
    /// The one that follows from it.
    Inverse,
}

///
fn modifiers(kind: Kind, first: &Task, relation: Relation) -> OrderFlags {
    match (kind, relation) {
        (Kind::Optional, _) => OrderFlags::ORDER,
        (Kind::Serialize, _) => OrderFlags::ORDER | OrderFlags::SERIALIZE,
        (Kind::Mandatory, Relation::Only) => OrderFlags::ORDER | OrderFlags::ASYMMETRIC,
        (Kind::Mandatory, Relation::Inverse) => OrderFlags::ORDER | OrderFlags::FIRST_REQ,
        (Kind::Mandatory, Relation::Forward) => {
            let flags = OrderFlags::ORDER | OrderFlags::THEN_REQ;
            match first {
                Task::Start | Task::Promote => flags | OrderFlags::FIRST_RUNNABLE,
                _ => flags,
            }
        }
    }
}

///
fn invert(task: &Task) -> Option<Task> {
    Some(match task {
        Task::Start => Task::Stop,
        Task::Stop => Task::Start,
        Task::Promote => Task::Demote,
        Task::Demote => Task::Promote,
        Task::Promoted => Task::Demoted,
        Task::Demoted => Task::Promoted,
        Task::Running => Task::Stopped,
        Task::Stopped => Task::Running,
        _ => return None,
    })
}

fn action(set: &Set) -> Task {
    set.action.as_deref().map_or(Task::Start, Task::parse)
}

impl Reader<'_, '_> {
    /// Reads the constraint into orderings.
    pub(super) fn ordering(&self, cluster: &mut Cluster) {
        let kind = self.kind(cluster, self.element.attr("kind"), self.element.attr("score"));
        let symmetrical = self.element.attr("symmetrical").map(|v| is_true(Some(v)));
        let symmetric = self.is_symmetric(cluster, kind, symmetrical);
        let sets = self.finder.sets(cluster, self.doc, self.element);
        if !sets.is_empty() {
            self.order_sets(cluster, &sets, kind, symmetric, symmetrical);
            return;
        }
        let (Some(first), Some(then)) = (self.element.attr("first"), self.element.attr("then"))
        else {
            complain(cluster, format!("Ignoring constraint '{}' without resources", self.id));
            return;
        };
        let found = (self.finder.target(cluster, first), self.finder.target(cluster, then));
        let first_action = self.element.attr("first-action").unwrap_or("start");
        let then_action = self.element.attr("then-action").unwrap_or(first_action);
        match found {
            (Target::Unknown, _) => self.no_such(cluster, first),
            (_, Target::Unknown) => self.no_such(cluster, then),
            (Target::One(a), Target::One(b)) => {
                let sides = (
                    self.order_instance(cluster, a, "first-instance"),
                    self.order_instance(cluster, b, "then-instance"),
                );
                if let (Some(a), Some(b)) = sides {
                    let first = (a, Task::parse(first_action));
                    let then = (b, Task::parse(then_action));
                    self.order_two(cluster, first, then, kind, symmetric);
                }
            }
            (a, b) => {
                //
                let mut sets = [Set::of(first, all_of(a), None), Set::of(then, all_of(b), None)];
                sets[0].action = self.element.attr("first-action").map(Arc::from);
                sets[1].action = self.element.attr("then-action").map(Arc::from);
                self.order_sets(cluster, &sets, kind, symmetric, symmetrical);
            }
        }
    }

    ///
    fn kind(&self, cluster: &mut Cluster, kind: Option<&str>, score: Option<&str>) -> Kind {
        match kind.map(str::to_ascii_lowercase).as_deref() {
            None => match score.and_then(parse_int) {
                Some(0) => Kind::Optional,
                Some(_) | None => Kind::Mandatory,
            },
            Some("mandatory") => Kind::Mandatory,
            Some("optional") => Kind::Optional,
            Some("serialize") => Kind::Serialize,
            Some(other) => {
                let text = format!(
                    "Resetting 'kind' for constraint {} to 'Mandatory' because '{other}' is not \
                     valid",
                    self.id
                );
                complain(cluster, text);
                Kind::Mandatory
            }
        }
    }

    ///
    fn is_symmetric(&self, cluster: &mut Cluster, kind: Kind, given: Option<bool>) -> bool {
        match (kind, given) {
            (Kind::Serialize, Some(true)) => {
                let text = format!(
                    "Ignoring 'symmetrical' for constraint {} because not valid with kind \
                     'Serialize'",
                    self.id
                );
                cluster.say(Severity::ConfigWarning, text);
                false
            }
            (Kind::Serialize, _) => false,
            (_, given) => given.unwrap_or(true),
        }
    }

    fn no_such(&self, cluster: &mut Cluster, id: &str) {
        let text =
            format!("Ignoring constraint '{}' because resource '{id}' does not exist", self.id);
        complain(cluster, text);
    }

    /// The instance that a legacy attribute selects.
    fn order_instance(&self, cluster: &mut Cluster, rsc: RscIx, attribute: &str) -> Option<RscIx> {
        let Some(number) = self.element.attr(attribute) else { return Some(rsc) };
        let found = cluster[rsc]
            .children
            .iter()
            .copied()
            .find(|c| cluster[*c].instance.is_some_and(|n| n.to_string() == number));
        if found.is_none() {
            let text = format!(
                "Ignoring constraint '{}' because resource '{}' has no instance '{number}'",
                self.id, cluster[rsc].id
            );
            complain(cluster, text);
        }
        found
    }

    ///
    fn order_two(
        &self,
        cluster: &mut Cluster,
        first: (RscIx, Task),
        then: (RscIx, Task),
        kind: Kind,
        symmetric: bool,
    ) {
        let restart = kind == Kind::Optional && cluster[then.0].restart_type_restart;
        let relation = if symmetric { Relation::Forward } else { Relation::Only };
        let mut flags = modifiers(kind, &first.1, relation);
        if restart {
            flags |= OrderFlags::THEN_REQ;
        }
        let minimum = self.minimum(cluster, first.0);
        if minimum > 0 {
            self.order_minimum(cluster, &first, &then, flags, minimum);
        } else {
            self.add(cluster, task(&first), task(&then), flags);
        }
        if !symmetric {
            return;
        }
        let (Some(undo_first), Some(undo_then)) = (invert(&first.1), invert(&then.1)) else {
            let text =
                format!("Cannot invert constraint '{}' (please specify inverse manually)", self.id);
            cluster.say(Severity::ConfigWarning, text);
            return;
        };
        let mut flags = modifiers(kind, &undo_first, Relation::Inverse);
        if restart {
            flags |= OrderFlags::FIRST_REQ;
        }
        self.add(cluster, task(&(then.0, undo_then)), task(&(first.0, undo_first)), flags);
    }

    fn minimum(&self, cluster: &mut Cluster, first: RscIx) -> u32 {
        let r = &cluster[first];
        if r.clone_data().is_none() {
            return 0;
        }
        if let Some(text) = r.meta.get("clone-min") {
            return crate::scalar::parse_count(Some(text), 0);
        }
        let all = self.element.attr("require-all");
        if all.is_some() {
            let text = "'require-all' of orders is deprecated; clones have 'clone-min'";
            cluster.say_once(Severity::ConfigWarning, text);
        }
        let all = all.and_then(crate::scalar::parse_bool);
        u32::from(all == Some(false))
    }

    ///
    fn order_minimum(
        &self,
        cluster: &mut Cluster,
        first: &(RscIx, Task),
        then: &(RscIx, Task),
        flags: OrderFlags,
        minimum: u32,
    ) {
        let name = format!("clone-one-or-more:{}", self.id);
        let gate = one_or_more(cluster, &name, minimum);
        let into = OrderFlags::ONE_OR_MORE | OrderFlags::THEN_PRINTED;
        for instance in cluster[first.0].children.clone() {
            let side = OrderSide::task(instance, first.1.clone());
            self.add(cluster, side, OrderSide::Action(gate), into);
        }
        let after = flags | OrderFlags::FIRST_RUNNABLE;
        self.add(cluster, OrderSide::Action(gate), task(then), after);
    }

    ///
    fn order_sets(
        &self,
        cluster: &mut Cluster,
        sets: &[Set],
        kind: Kind,
        symmetric: bool,
        given: Option<bool>,
    ) {
        let mut last: Option<&Set> = None;
        for set in sets {
            if let Some(id) = set.unknown.clone() {
                self.no_such(cluster, &id);
                return;
            }
            self.order_in_set(cluster, set, kind, given);
            if let Some(last) = last {
                let relation = if symmetric { Relation::Forward } else { Relation::Only };
                self.order_two_sets(cluster, last, set, kind, relation);
                if symmetric {
                    self.order_two_sets(cluster, set, last, kind, Relation::Inverse);
                }
            }
            last = Some(set);
        }
    }

    fn order_in_set(&self, cluster: &mut Cluster, set: &Set, kind: Kind, given: Option<bool>) {
        let kind = match &set.kind {
            Some(text) => self.kind(cluster, Some(text), None),
            None => kind,
        };
        let symmetric = self.is_symmetric(cluster, kind, set.symmetrical.or(given));
        let action = action(set);
        if set.members.len() < 2 {
            return;
        }
        let relation = if symmetric { Relation::Forward } else { Relation::Only };
        let flags = modifiers(kind, &action, relation);
        let side = |rsc: RscIx, action: &Task| OrderSide::task(rsc, action.clone());
        for (at, &member) in set.members.iter().enumerate() {
            let rest = &set.members[at + 1..];
            let followers = match kind {
                Kind::Serialize => rest,
                _ if set.sequential => &rest[..rest.len().min(1)],
                _ => &[],
            };
            for &follower in followers {
                self.add(cluster, side(member, &action), side(follower, &action), flags);
            }
        }
        if !symmetric || !set.sequential {
            return;
        }
        let Some(undo) = invert(&action) else { return };
        let flags = modifiers(kind, &undo, Relation::Inverse);
        for pair in set.members.windows(2) {
            self.add(cluster, side(pair[1], &undo), side(pair[0], &undo), flags);
        }
    }

    /// A-177; for the inverse, `first` is the set that is written second.
    fn order_two_sets(
        &self,
        cluster: &mut Cluster,
        first: &Set,
        then: &Set,
        kind: Kind,
        relation: Relation,
    ) {
        let inverse = relation == Relation::Inverse;
        let tasks = (action(first), action(then));
        let (first_task, then_task) = if inverse {
            match (invert(&tasks.0), invert(&tasks.1)) {
                (Some(a), Some(b)) => (a, b),
                _ => return,
            }
        } else {
            tasks
        };
        let flags = modifiers(kind, &then_task, relation);
        let require_all = first.require_all || matches!(first_task, Task::Stop | Task::Demote);
        if !require_all {
            let gate = one_or_more(cluster, &format!("one-or-more:{}", first.id), 1);
            let into = OrderFlags::ONE_OR_MORE | OrderFlags::THEN_PRINTED;
            for &rsc in &first.members {
                let side = OrderSide::task(rsc, first_task.clone());
                self.add(cluster, side, OrderSide::Action(gate), into);
            }
            for &rsc in &then.members {
                let side = OrderSide::task(rsc, then_task.clone());
                let after = flags | OrderFlags::FIRST_RUNNABLE;
                self.add(cluster, OrderSide::Action(gate), side, after);
            }
            return;
        }
        let firsts = end_of(first, !inverse);
        let thens = end_of(then, inverse);
        for &a in firsts {
            for &b in thens {
                let sides =
                    (OrderSide::task(a, first_task.clone()), OrderSide::task(b, then_task.clone()));
                self.add(cluster, sides.0, sides.1, flags);
            }
        }
    }

    fn add(&self, cluster: &mut Cluster, first: OrderSide, then: OrderSide, flags: OrderFlags) {
        order(cluster, OrderOrigin::Cib(self.id.into()), first, then, flags);
    }
}

/// The last or the first member of an explicitly sequential set, else all.
fn end_of(set: &Set, last: bool) -> &[RscIx] {
    let members = &set.members;
    if !set.explicitly_sequential {
        members
    } else if last {
        &members[members.len().saturating_sub(1)..]
    } else {
        &members[..members.len().min(1)]
    }
}

fn task(side: &(RscIx, Task)) -> OrderSide {
    OrderSide::task(side.0, side.1.clone())
}

fn all_of(target: Target) -> Vec<Option<RscIx>> {
    match target {
        Target::One(rsc) => vec![Some(rsc)],
        Target::Many(members) => members,
        Target::Unknown => Vec::new(),
    }
}
