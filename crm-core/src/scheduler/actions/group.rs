//! Groups: members one after the other.

use crate::scheduler::model::{Cluster, OrderFlags, OrderRule, RscIx, Task};

use super::orderings::order_tasks;
use super::request::pseudo_op;
use super::{create_resource, internal};

/// What members need to know of those before them.
#[derive(Clone, Copy)]
struct Previous {
    member: Option<RscIx>,
    last_active: Option<RscIx>,
}

/// Internal orderings of a group and its members.
pub(super) fn order_members(cluster: &mut Cluster, group: RscIx) {
    let runnable = OrderFlags::FIRST_RUNNABLE;
    tie(cluster, (group, Task::Stop), (group, Task::Stopped), runnable);
    tie(cluster, (group, Task::Stopped), (group, Task::Start), OrderFlags::ORDER);
    tie(cluster, (group, Task::Start), (group, Task::Running), runnable);
    let mut previous = Previous { member: None, last_active: None };
    for member in cluster[group].children.clone() {
        internal::order_resource(cluster, member);
        order_in_group(cluster, group, member, previous);
        order_after_previous(cluster, group, member, previous);
        if !cluster[member].active_on.is_empty() {
            previous.last_active = Some(member);
        }
        previous.member = Some(member);
    }
}

fn is_ordered(cluster: &Cluster, group: RscIx) -> bool {
    cluster[group].group_data().is_none_or(|g| g.ordered)
}

fn is_promotable(cluster: &Cluster, rsc: RscIx) -> bool {
    cluster[cluster.top_of(rsc)].promotable
}

/// the group's actions around a member's.
fn order_in_group(cluster: &mut Cluster, group: RscIx, member: RscIx, previous: Previous) {
    let leads = previous.member.is_none() && is_ordered(cluster, group);
    let (down, post_down) = if leads {
        (OrderFlags::FIRST_PRINTED | OrderFlags::ORDER, OrderFlags::THEN_REQ)
    } else {
        (OrderFlags::FIRST_PRINTED, OrderFlags::THEN_PRINTED)
    };
    let up = OrderFlags::FIRST_RUNNABLE | OrderFlags::THEN_REQ | OrderFlags::THEN_PRINTED;
    let printed = OrderFlags::FIRST_PRINTED;
    if is_promotable(cluster, group) {
        tie(cluster, (group, Task::Demote), (member, Task::Demote), down);
        tie(cluster, (member, Task::Demote), (group, Task::Demoted), post_down);
        tie(cluster, (member, Task::Promote), (group, Task::Promoted), up);
        tie(cluster, (group, Task::Promote), (member, Task::Promote), printed);
    }
    tie(cluster, (group, Task::Stop), (member, Task::Stop), down);
    tie(cluster, (member, Task::Stop), (group, Task::Stopped), post_down);
    tie(cluster, (group, Task::Start), (member, Task::Start), printed);
    tie(cluster, (member, Task::Start), (group, Task::Running), up);
}

/// a member relative to the one before it.
fn order_after_previous(cluster: &mut Cluster, group: RscIx, member: RscIx, previous: Previous) {
    let promotable = is_promotable(cluster, group);
    let implied = OrderFlags::THEN_REQ | OrderFlags::FIRST_RUNNABLE;
    if !is_ordered(cluster, group) {
        let flags = implied | OrderFlags::FIRST_PRINTED;
        tie(cluster, (group, Task::Start), (member, Task::Start), flags);
        if promotable {
            tie(cluster, (group, Task::Promote), (member, Task::Promote), flags);
        }
        return;
    }
    let Some(before) = previous.member else { return };
    tie(cluster, (before, Task::Start), (member, Task::Start), implied);
    let restart = OrderFlags::ORDER | OrderFlags::RESTART;
    tie(cluster, (member, Task::Stop), (before, Task::Stop), restart);
    let gap = !cluster[member].active_on.is_empty() && cluster[before].active_on.is_empty();
    if let Some(last) = previous.last_active.filter(|_| gap) {
        tie(cluster, (member, Task::Stop), (last, Task::Stop), OrderFlags::ORDER);
    }
    if promotable {
        tie(cluster, (before, Task::Promote), (member, Task::Promote), implied);
        tie(cluster, (member, Task::Demote), (before, Task::Demote), OrderFlags::ORDER);
    }
}

/// The members' actions and then the group's own.
pub(super) fn create(cluster: &mut Cluster, group: RscIx) {
    for member in cluster[group].children.clone() {
        create_resource(cluster, member);
    }
    for task in [Task::Start, Task::Running, Task::Stop, Task::Stopped] {
        pseudo_op(cluster, group, task, true, true);
    }
    if is_promotable(cluster, group) {
        for task in [Task::Demote, Task::Demoted, Task::Promote, Task::Promoted] {
            pseudo_op(cluster, group, task, true, true);
        }
    }
}

/// An ordering that relates a group and its members.
fn tie(cluster: &mut Cluster, first: (RscIx, Task), then: (RscIx, Task), flags: OrderFlags) {
    order_tasks(cluster, OrderRule::Group, first, then, flags);
}
