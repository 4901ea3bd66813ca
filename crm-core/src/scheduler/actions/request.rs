//! Asking for actions. Input, placement and actions all come here, so that ids follow the order
//! of requests, and an action that exists is found again.

use std::sync::Arc;

use crate::scheduler::input::ops;
use crate::scheduler::model::{
    Action, ActionIx, Cluster, Fact, Ground, Key, Marks, Needs, NodeFact, NodeIx, QuorumPolicy,
    Requires, Role, RscIx, Severity, Task,
};

use super::fencing::{can_fence, mark_for_fencing, order_before_clearing};

/// What a partition without quorum is told.
pub(crate) const NO_QUORUM: Ground = Ground::Setting("no-quorum-policy", "there is no quorum");

/// Finds or makes the action that `task` every `interval` milliseconds (0: once) is for `rsc`
/// . An existing action becomes required if `optional` is false, never the reverse.
pub fn op(
    cluster: &mut Cluster,
    rsc: RscIx,
    task: Task,
    interval: u32,
    node: Option<NodeIx>,
    optional: bool,
) -> ActionIx {
    let key = Key::Op(task.clone(), interval);
    request(cluster, rsc, key, task, node, optional)
}

/// As [`op`], for keys and tasks that differ from each other (notifications, `cancel`).
pub(super) fn request(
    cluster: &mut Cluster,
    rsc: RscIx,
    key: Key,
    task: Task,
    node: Option<NodeIx>,
    optional: bool,
) -> ActionIx {
    let found = match_existing(cluster, rsc, &key, node);
    let ix = found.unwrap_or_else(|| create(cluster, Some(rsc), key, task, node, optional));
    update_optional(cluster, ix, rsc, optional);
    if cluster[ix].node.is_some() {
        update_runnable(cluster, ix, rsc);
    } else if !cluster[ix].marks.pseudo() {
        cluster[ix].marks.clear(Marks::RUNNABLE);
        cluster.journal.held(ix, Ground::Resource(rsc, Fact::Course));
    }
    ix
}

/// Finds or makes a collective's synchronisation point: no node, and runnable from the start
/// only if `runnable`.
pub(super) fn pseudo_op(
    cluster: &mut Cluster,
    rsc: RscIx,
    task: Task,
    optional: bool,
    runnable: bool,
) -> ActionIx {
    let key = Key::once(task.clone());
    pseudo_with_key(cluster, rsc, key, task, optional, runnable)
}

/// As [`pseudo_op`], for notifications.
pub(super) fn pseudo_with_key(
    cluster: &mut Cluster,
    rsc: RscIx,
    key: Key,
    task: Task,
    optional: bool,
    runnable: bool,
) -> ActionIx {
    let ix = request(cluster, rsc, key, task, None, optional);
    cluster[ix].marks.set(Marks::PSEUDO);
    if runnable {
        cluster[ix].marks.set(Marks::RUNNABLE);
    }
    ix
}

/// Finds or makes an action that belongs to no resource.
pub(super) fn node_action(
    cluster: &mut Cluster,
    key: Key,
    task: Task,
    node: Option<NodeIx>,
    optional: bool,
) -> ActionIx {
    let found = cluster.other_actions.iter().copied().find(|&a| cluster[a].key == key);
    let ix = found.unwrap_or_else(|| create(cluster, None, key, task, node, optional));
    if !optional {
        cluster[ix].marks.clear(Marks::OPTIONAL);
    }
    ix
}

/// A synchronisation point without a resource, reached when `firsts` of the actions that are
/// ordered before it with [`OrderFlags::ONE_OR_MORE`](crate::scheduler::model::OrderFlags) are
/// runnable.
pub fn one_or_more(cluster: &mut Cluster, name: &str, firsts: u32) -> ActionIx {
    let task = Task::Other(name.into());
    let ix = node_action(cluster, Key::Named(name.into()), task, None, true);
    cluster[ix].marks.set(Marks::PSEUDO | Marks::RUNNABLE | Marks::REQUIRES_ANY);
    cluster[ix].required_firsts = firsts;
    ix
}

/// The oldest action of `rsc` with this key that fits `node`; one without a node fits every node
/// and is given it.
fn match_existing(
    cluster: &mut Cluster,
    rsc: RscIx,
    key: &Key,
    node: Option<NodeIx>,
) -> Option<ActionIx> {
    let found = cluster[rsc].actions.iter().copied().find(|&a| {
        let action = &cluster[a];
        action.key == *key && (node.is_none() || action.node.is_none() || action.node == node)
    })?;
    if cluster[found].node.is_none() {
        cluster[found].node = node;
    }
    Some(found)
}

fn create(
    cluster: &mut Cluster,
    rsc: Option<RscIx>,
    key: Key,
    task: Task,
    node: Option<NodeIx>,
    optional: bool,
) -> ActionIx {
    let ix = ActionIx::next(cluster.actions.len());
    let mut marks = Marks::RUNNABLE;
    if optional {
        marks.set(Marks::OPTIONAL);
    }
    if task == Task::LrmDelete {
        marks.set(Marks::ON_DC);
    }
    if let (Some(rsc), Key::Op(_, interval)) = (rsc, &key) {
        for text in ops::complaints(cluster, rsc, &task, *interval) {
            cluster.say_once(Severity::ConfigError, &text);
        }
    }
    let needs = rsc.map_or(Needs::Nothing, |rsc| needs_of(cluster, rsc, &task));
    match rsc {
        Some(rsc) => cluster[rsc].actions.push(ix),
        None => cluster.other_actions.push(ix),
    }
    cluster.actions.push(Action {
        rsc,
        task,
        key,
        node,
        marks,
        needs,
        reason: None,
        extra: Vec::new(),
        priority: 0,
        required_firsts: 0,
        runnable_firsts: 0,
        before: Vec::new(),
        after: Vec::new(),
    });
    ix
}

/// What must be there before the action may run (A-7, I-114).
fn needs_of(cluster: &Cluster, rsc: RscIx, task: &Task) -> Needs {
    if !matches!(task, Task::Start | Task::Promote) {
        return Needs::Nothing;
    }
    match cluster[rsc].requires {
        Requires::Nothing => Needs::Nothing,
        Requires::Quorum => Needs::Quorum,
        Requires::Fencing | Requires::Unfencing => Needs::Fencing,
    }
}

/// nothing that changes an unmanaged resource is required.
fn update_optional(cluster: &mut Cluster, ix: ActionIx, rsc: RscIx, optional: bool) {
    let managed = cluster[rsc].managed;
    let action = &mut cluster[ix];
    let one_shot = action.interval() == 0;
    if !managed && action.node.is_some() && !action.marks.pseudo() && one_shot {
        action.marks.set(Marks::OPTIONAL);
        cluster.journal.not_needed(ix);
    } else if !optional {
        action.marks.clear(Marks::OPTIONAL);
    }
}

/// whether the node and the quorum allow the action.
fn update_runnable(cluster: &mut Cluster, ix: ActionIx, rsc: RscIx) {
    let Some(node) = cluster[ix].node else { return };
    let marks = cluster[ix].marks;
    if marks.pseudo() {
        return;
    }
    let on_dc = marks.has(Marks::ON_DC);
    let guest = cluster.is_guest(node);
    let state = &cluster[node];
    if !on_dc && !state.online && (!guest || state.remote_requires_reset) {
        let unclean = state.unclean;
        cluster[ix].marks.clear(Marks::RUNNABLE);
        cluster.journal.held(ix, Ground::Node(node, NodeFact::Unavailable));
        if cluster[ix].task == Task::Stop && cluster[rsc].managed && !unclean {
            let ground = Ground::Membership(node, "it is offline and something has to stop there");
            mark_for_fencing(cluster, node, ground, "stop is unrunnable", false);
        }
    } else if !on_dc && state.pending {
        cluster[ix].marks.clear(Marks::RUNNABLE);
        cluster.journal.held(ix, Ground::Node(node, NodeFact::Unavailable));
    } else if cluster[ix].needs == Needs::Nothing {
        cluster[ix].reason = None;
        let runnable = !guest || can_fence(cluster, node);
        set_runnable(cluster, ix, runnable);
        if !runnable {
            cluster.journal.held(ix, Ground::Node(node, NodeFact::Unavailable));
        }
    } else {
        check_quorum(cluster, ix, rsc);
    }
}

fn set_runnable(cluster: &mut Cluster, ix: ActionIx, runnable: bool) {
    let marks = &mut cluster[ix].marks;
    if runnable {
        marks.set(Marks::RUNNABLE);
    } else {
        marks.clear(Marks::RUNNABLE);
    }
}

/// A-10, I-31: what a partition without quorum may do.
fn check_quorum(cluster: &mut Cluster, ix: ActionIx, rsc: RscIx) {
    let refusal = match effective_policy(cluster, rsc) {
        QuorumPolicy::Stop => Some("no quorum"),
        QuorumPolicy::Freeze => {
            let r = &cluster[rsc];
            let rises = r.next_role > r.role;
            (rises || !is_active(cluster, rsc, true)).then_some("quorum freeze")
        }
        QuorumPolicy::Ignore | QuorumPolicy::Demote | QuorumPolicy::Suicide => {
            set_runnable(cluster, ix, true);
            None
        }
    };
    if let Some(reason) = refusal {
        cluster[ix].marks.clear(Marks::RUNNABLE);
        cluster[ix].set_reason(reason, true);
        cluster.journal.held(ix, NO_QUORUM);
    }
}

fn effective_policy(cluster: &mut Cluster, rsc: RscIx) -> QuorumPolicy {
    if cluster.options.have_quorum {
        return QuorumPolicy::Ignore;
    }
    if cluster.options.quorum_policy != QuorumPolicy::Demote {
        return cluster.options.quorum_policy;
    }
    match cluster[rsc].role {
        Role::Promoted | Role::Unpromoted => {
            if cluster[rsc].next_role > Role::Unpromoted {
                cluster[rsc].next_role = Role::Unpromoted;
                cluster.journal.resource(rsc, Fact::NextRole, NO_QUORUM);
            }
            QuorumPolicy::Ignore
        }
        Role::Unknown | Role::Stopped | Role::Started => QuorumPolicy::Stop,
    }
}

/// True if the resource runs on an online node; for collectives with `all`, every part does.
pub(super) fn is_active(cluster: &Cluster, rsc: RscIx, all: bool) -> bool {
    let r = &cluster[rsc];
    if r.is_primitive() {
        // On an unclean node it is assumed to run; an unmanaged one runs where it was seen.
        let runs = |n: NodeIx| cluster[n].unclean || cluster[n].online || !r.managed;
        return r.active_on.iter().any(|&n| runs(n));
    }
    let mut children = r.children.iter().map(|&c| is_active(cluster, c, all));
    if all { !r.children.is_empty() && children.all(|c| c) } else { children.any(|c| c) }
}

/// A running recurring operation found in the history.
pub fn recurring_found(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    task: Task,
    interval: u32,
) -> ActionIx {
    op(cluster, rsc, task, interval, Some(node), true)
}

/// Clears the fail count of a resource on a node; with `after_fencing`, a remote node that
/// is reconnected at intervals is fenced first (I-179).
pub fn clear_failcount(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    ground: Ground,
    after_fencing: bool,
) -> ActionIx {
    let ix = op(cluster, rsc, Task::ClearFailcount, 0, Some(node), false);
    cluster[ix].add_meta("op_no_wait", "true");
    cluster.journal.needed(ix, ground);
    if after_fencing {
        order_before_clearing(cluster, rsc, ix);
    }
    ix
}

/// Stops that were requested for `rsc` on `node` need not be done after all (I-162).
pub fn make_stops_optional(cluster: &mut Cluster, rsc: RscIx, node: NodeIx) {
    let stops: Vec<_> = with_key(cluster, rsc, &Key::once(Task::Stop))
        .filter(|&a| cluster[a].node == Some(node))
        .collect();
    for stop in stops {
        cluster[stop].marks.set(Marks::OPTIONAL);
        cluster.journal.not_needed(stop);
    }
}

/// The actions of `rsc` with this key, newest first, on any node.
pub(super) fn with_key<'a>(
    cluster: &'a Cluster,
    rsc: RscIx,
    key: &'a Key,
) -> impl DoubleEndedIterator<Item = ActionIx> + 'a {
    cluster[rsc].actions.iter().rev().copied().filter(move |&a| cluster[a].key == *key)
}

/// The newest action of `rsc` with this task, exactly on `node` if one is given.
pub(super) fn first_of_task(
    cluster: &Cluster,
    rsc: RscIx,
    task: &Task,
    node: Option<NodeIx>,
) -> Option<ActionIx> {
    cluster[rsc].actions.iter().rev().copied().find(|&a| {
        cluster[a].task == *task && node.is_none_or(|node| cluster[a].node == Some(node))
    })
}

/// The newest action of `rsc` with this key exactly on `node`.
pub(super) fn on_node(cluster: &Cluster, rsc: RscIx, key: &Key, node: NodeIx) -> Option<ActionIx> {
    with_key(cluster, rsc, key).find(|&a| cluster[a].node == Some(node))
}

/// The actions of `rsc` with this key on `node`, newest first. Those without a node are given it
///
pub(super) fn adopt_on_node(
    cluster: &mut Cluster,
    rsc: RscIx,
    key: &Key,
    node: NodeIx,
) -> Vec<ActionIx> {
    let found: Vec<_> = with_key(cluster, rsc, key)
        .filter(|&a| cluster[a].node.is_none_or(|n| n == node))
        .collect();
    for &ix in &found {
        cluster[ix].node = Some(node);
    }
    found
}

/// True if the resource may start only after all fencing (I-81).
pub(super) fn requires_fencing(cluster: &Cluster, rsc: RscIx) -> bool {
    matches!(cluster[rsc].requires, Requires::Fencing | Requires::Unfencing)
}

/// The text of a key with the resource's internal id (section 2.1).
pub(super) fn key_text(cluster: &Cluster, ix: ActionIx) -> String {
    let action = &cluster[ix];
    let rsc = action.rsc.map_or(Arc::from(""), |r| cluster[r].id.clone());
    match &action.key {
        Key::Op(task, interval) => format!("{rsc}_{task}_{interval}"),
        Key::Notify(kind, task) => format!("{rsc}_{}_notify_{task}_0", kind.as_str()),
        Key::Fence(node, op) => format!("stonith-{}-{op}", cluster[*node].name),
        Key::Shutdown(node) => format!("do_shutdown-{}", cluster[*node].name),
        Key::LoadStopped(node) => format!("load_stopped_{}", cluster[*node].name),
        Key::Named(name) => name.to_string(),
    }
}
