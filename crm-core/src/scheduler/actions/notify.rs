//! Notifications: telling the instances of a clone what is about to happen and what has happened
//! (scheduler reference 3, section 14).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::scheduler::model::{
    ActionIx, Cluster, Ground, Key, Marks, NodeIx, NotifyKind, OrderFlags, OrderRule, Relation,
    Role, RscIx, Task,
};

use super::clone::COMPLETED;
use super::orderings::link_by;
use super::request::{first_of_task, pseudo_with_key, request};

/// What relates a notification to what it is about.
const NOTIFIES: Relation = Relation::Rule(OrderRule::Notification);

/// What completes a task of a clone.
pub(super) fn completed(task: &Task) -> Option<Task> {
    Some(match task {
        Task::Start => Task::Running,
        Task::Stop => Task::Stopped,
        Task::Promote => Task::Promoted,
        Task::Demote => Task::Demoted,
        _ => return None,
    })
}

/// The four synchronisation points around one task.
#[derive(Clone, Copy, Default)]
struct Points {
    pre: Option<ActionIx>,
    pre_done: Option<ActionIx>,
    post: Option<ActionIx>,
    post_done: Option<ActionIx>,
}

fn find(cluster: &Cluster, rsc: RscIx, kind: NotifyKind, task: Task) -> Option<ActionIx> {
    let key = Key::Notify(kind, task);
    cluster[rsc].actions.iter().copied().find(|&a| cluster[a].key == key)
}

fn points(cluster: &Cluster, rsc: RscIx, task: &Task) -> Points {
    let Some(done) = completed(task) else { return Points::default() };
    Points {
        pre: find(cluster, rsc, NotifyKind::Pre, task.clone()),
        pre_done: find(cluster, rsc, NotifyKind::ConfirmedPre, task.clone()),
        post: find(cluster, rsc, NotifyKind::Post, done.clone()),
        post_done: find(cluster, rsc, NotifyKind::ConfirmedPost, done),
    }
}

/// the synchronisation points around a task of a clone, once.
pub(super) fn create_pseudo(
    cluster: &mut Cluster,
    clone: RscIx,
    action: ActionIx,
    complete: ActionIx,
    task: &Task,
) {
    let done = cluster[complete].task.clone();
    if find(cluster, clone, NotifyKind::Post, done).is_none() {
        surround(cluster, clone, Some(action), complete, task);
    }
}

/// The synchronisation points around `action` and its completion, if the resource wants
/// notifications. Those that exist already, since the task completes in several ways, wait for
/// this completion, too.
fn surround(
    cluster: &mut Cluster,
    rsc: RscIx,
    action: Option<ActionIx>,
    complete: ActionIx,
    task: &Task,
) {
    if !cluster[rsc].notify {
        return;
    }
    let mut pre_done = None;
    if let Some(action) = action {
        let pre = point(cluster, rsc, NotifyKind::Pre, action, task);
        let confirmed = point(cluster, rsc, NotifyKind::ConfirmedPre, action, task);
        cluster[pre].marks.set(Marks::RUNNABLE);
        cluster[confirmed].marks.set(Marks::RUNNABLE);
        link_by(cluster, OrderRule::Notification, pre, confirmed, OrderFlags::ORDER);
        link_by(cluster, OrderRule::Notification, confirmed, action, OrderFlags::ORDER);
        pre_done = Some(confirmed);
    }
    let post = point(cluster, rsc, NotifyKind::Post, complete, task);
    let post_done = point(cluster, rsc, NotifyKind::ConfirmedPost, complete, task);
    let runnable = cluster[complete].marks.runnable();
    for ix in [post, post_done] {
        cluster[ix].priority = COMPLETED;
        if runnable {
            cluster[ix].marks.set(Marks::RUNNABLE);
        }
    }
    link_by(cluster, OrderRule::Notification, complete, post, OrderFlags::THEN_REQ);
    link_by(cluster, OrderRule::Notification, post, post_done, OrderFlags::THEN_REQ);
    if let Some(pre_done) = pre_done {
        link_by(cluster, OrderRule::Notification, pre_done, post, OrderFlags::ORDER);
    }
}

/// One synchronisation point, as needed as `about`.
fn point(
    cluster: &mut Cluster,
    rsc: RscIx,
    kind: NotifyKind,
    about: ActionIx,
    task: &Task,
) -> ActionIx {
    let subject = cluster[about].task.clone();
    let optional = cluster[about].marks.optional();
    let (does, when) = match kind {
        NotifyKind::Pre => (Task::Notify, "pre"),
        NotifyKind::ConfirmedPre => (Task::Notified, "pre"),
        NotifyKind::Post => (Task::Notify, "post"),
        NotifyKind::ConfirmedPost => (Task::Notified, "post"),
    };
    let key = Key::Notify(kind, subject.clone());
    let ix = pseudo_with_key(cluster, rsc, key, does, optional, false);
    let ground = Ground::Action(about, NOTIFIES);
    if optional {
        cluster.journal.shown(ix, ground);
    } else {
        cluster.journal.needed(ix, ground);
    }
    let action = &mut cluster[ix];
    action.add_meta("notify_key_type", kind.as_str());
    action.add_meta("notify_key_operation", subject.as_str());
    action.add_meta("notify_type", when);
    action.add_meta("notify_operation", task.as_str());
    ix
}

/// everyone has heard of `first` before `then` is announced.
pub(super) fn order_tasks(cluster: &mut Cluster, rsc: RscIx, first: &Task, then: &Task) {
    let (first, then) = (points(cluster, rsc, first), points(cluster, rsc, then));
    if let (Some(first), Some(then)) = (first.post_done, then.pre) {
        link_by(cluster, OrderRule::Notification, first, then, OrderFlags::ORDER);
    }
}

/// A resource and where, as notifications list them.
type Entry = (RscIx, Option<NodeIx>);

/// What is, and what will be done, below a clone.
#[derive(Clone, Default)]
struct Picture {
    inactive: Vec<Entry>,
    active: Vec<Entry>,
    unpromoted: Vec<Entry>,
    promoted: Vec<Entry>,
    start: Vec<Entry>,
    stop: Vec<Entry>,
    promote: Vec<Entry>,
    demote: Vec<Entry>,
}

impl Picture {
    fn of(cluster: &Cluster, rsc: RscIx) -> Picture {
        let mut picture = Picture::default();
        for leaf in cluster.leaves(rsc) {
            let r = &cluster[leaf];
            let entry = (leaf, r.active_on.first().copied());
            match r.role {
                Role::Stopped => picture.inactive.push(entry),
                Role::Started => picture.active.push(entry),
                Role::Unpromoted => {
                    picture.active.push(entry);
                    picture.unpromoted.push(entry);
                }
                Role::Promoted => {
                    picture.active.push(entry);
                    picture.promoted.push(entry);
                }
                Role::Unknown => {}
            }
            for &ix in &r.actions {
                picture.add_action(cluster, leaf, ix);
            }
        }
        picture
    }

    fn add_action(&mut self, cluster: &Cluster, leaf: RscIx, ix: ActionIx) {
        let action = &cluster[ix];
        let Some(node) = action.node else { return };
        let list = match action.task {
            Task::Start => &mut self.start,
            Task::Stop => &mut self.stop,
            Task::Promote => &mut self.promote,
            Task::Demote => &mut self.demote,
            _ => return,
        };
        let dies = action.task == Task::Stop && cluster[node].unclean;
        if action.marks.required() && (action.marks.runnable() || dies) {
            list.push((leaf, Some(node)));
        }
    }

    fn of_task(&self, task: &Task) -> &[Entry] {
        match task {
            Task::Start => &self.start,
            Task::Stop => &self.stop,
            Task::Promote => &self.promote,
            Task::Demote => &self.demote,
            _ => &[],
        }
    }

    /// The variables of.
    fn variables(&self, cluster: &Cluster, rsc: RscIx) -> Vec<Variable> {
        let mut out = Vec::new();
        let lists: [(&[&str], &[Entry]); 8] = [
            (&["stop"], &self.stop),
            (&["start"], &self.start),
            (&["demote"], &self.demote),
            (&["promote"], &self.promote),
            (&["active"], &self.active),
            (&["unpromoted", "slave"], &self.unpromoted),
            (&["promoted", "master"], &self.promoted),
            (&["inactive"], &self.inactive),
        ];
        for (names, entries) in lists {
            let (resources, nodes) = words(cluster, entries);
            for name in names {
                out.push(variable(&format!("notify_{name}_resource"), &resources));
                if *name != "inactive" {
                    out.push(variable(&format!("notify_{name}_uname"), &nodes));
                }
            }
        }
        let by_name = || cluster.node_order.iter().copied();
        let allowed = by_name().filter(|&n| cluster[rsc].allowed.get(n).is_some());
        out.push(variable("notify_available_uname", &names(cluster, allowed)));
        out.push(variable("notify_all_uname", &names(cluster, by_name())));
        if cluster[rsc].meta.get("container-attribute-target") == Some("host") {
            let hosts = by_name().map(|n| super::emit::host_of(cluster, n).unwrap_or(n));
            out.push(variable("notify_all_hosts", &names(cluster, hosts)));
        }
        out
    }
}

type Variable = (Arc<str>, Arc<str>);

fn variable(name: &str, value: &str) -> Variable {
    (name.into(), value.into())
}

fn names(cluster: &Cluster, nodes: impl Iterator<Item = NodeIx>) -> String {
    let names: Vec<&str> = nodes.map(|n| &*cluster[n].name).collect();
    if names.is_empty() { " ".into() } else { names.join(" ") }
}

/// ids and node names, by resource id, each resource once.
fn words(cluster: &Cluster, entries: &[Entry]) -> (String, String) {
    let node_id = |n: Option<NodeIx>| n.map(|n| cluster[n].id.clone());
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|&(r, n)| (cluster[r].id.clone(), node_id(n)));
    sorted.dedup_by_key(|(r, _)| *r);
    if sorted.is_empty() {
        return (" ".into(), " ".into());
    }
    let resources: Vec<&str> = sorted.iter().map(|&(r, _)| &*cluster[r].id).collect();
    let nodes = sorted.iter().filter_map(|&(_, n)| n);
    (resources.join(" "), names(cluster, nodes))
}

/// the notifications of a clone, made when everything else is settled.
pub(super) fn create(cluster: &mut Cluster, clone: RscIx) {
    if !cluster[clone].notify {
        return;
    }
    for task in [Task::Start, Task::Stop, Task::Promote, Task::Demote] {
        let points = points(cluster, clone, &task);
        if points.post.is_none() {
            continue;
        }
        let picture = Picture::of(cluster, clone);
        if let Some(&(part, _)) = picture.of_task(&task).first() {
            let action = first_of_task(cluster, part, &task, None);
            let all = [points.pre, points.pre_done, points.post, points.post_done];
            for ix in all.into_iter().flatten() {
                cluster[ix].marks.clear(Marks::OPTIONAL);
                if let Some(action) = action {
                    cluster.journal.needed(ix, Ground::Action(action, NOTIFIES));
                }
            }
        }
        let variables = picture.variables(cluster, clone);
        let wanted = task == Task::Stop || !picture.of_task(&task).is_empty();
        for leaf in cluster.leaves(clone) {
            notify_instance(cluster, leaf, &task, points, &variables, wanted);
        }
    }
}

/// what one instance is told of a task.
fn notify_instance(
    cluster: &mut Cluster,
    rsc: RscIx,
    task: &Task,
    points: Points,
    variables: &[Variable],
    wanted: bool,
) {
    for ix in cluster[rsc].actions.clone() {
        let action = &cluster[ix];
        let concerned = action.marks.required() && action.node.is_some();
        let told = matches!(action.task, Task::Start | Task::Stop | Task::Promote | Task::Demote);
        if concerned && told {
            add_variables(cluster, ix, variables);
        }
    }
    if !wanted {
        return;
    }
    match task {
        Task::Stop | Task::Demote => notify_leaving(cluster, rsc, task, points, variables),
        _ => notify_coming(cluster, rsc, task, points, variables),
    }
}

fn notify_leaving(
    cluster: &mut Cluster,
    rsc: RscIx,
    task: &Task,
    points: Points,
    variables: &[Variable],
) {
    if cluster[rsc].role == Role::Stopped {
        return;
    }
    let stop = first_of_task(cluster, rsc, &Task::Stop, None);
    for node in cluster[rsc].active_on.clone() {
        let gone = cluster[node].unclean || cluster[node].remote_requires_reset;
        if gone && stop.is_some_and(|s| cluster[s].marks.pseudo()) {
            continue;
        }
        tell(cluster, rsc, node, points.pre, points.pre_done, variables);
        if *task == Task::Demote || stop.is_none_or(|s| cluster[s].marks.optional()) {
            tell_after(cluster, rsc, node, points, variables);
        }
    }
}

fn notify_coming(
    cluster: &mut Cluster,
    rsc: RscIx,
    task: &Task,
    points: Points,
    variables: &[Variable],
) {
    if cluster[rsc].next_role == Role::Stopped {
        return;
    }
    let start = first_of_task(cluster, rsc, &Task::Start, None);
    let connection = start
        .and_then(|s| cluster[s].node)
        .filter(|&n| cluster[n].is_remote())
        .and_then(|n| cluster[n].connection)
        .and_then(|c| first_of_task(cluster, c, &Task::Start, None));
    if connection.is_some_and(|c| !cluster[c].marks.runnable()) {
        return;
    }
    let Some(node) = cluster[rsc].assigned else { return };
    if *task == Task::Promote || start.is_none_or(|s| cluster[s].marks.optional()) {
        tell(cluster, rsc, node, points.pre, points.pre_done, variables);
    }
    tell_after(cluster, rsc, node, points, variables);
}

/// the notification of one instance on one node.
fn tell(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    point: Option<ActionIx>,
    done: Option<ActionIx>,
    variables: &[Variable],
) -> Option<ActionIx> {
    let (point, done) = (point?, done?);
    if !cluster[node].online || !cluster[point].marks.runnable() {
        return None;
    }
    let kind = match cluster[point].meta("notify_type") {
        Some("pre") => NotifyKind::Pre,
        _ => NotifyKind::Post,
    };
    let about = Task::parse(cluster[point].meta("notify_operation")?);
    let optional = cluster[point].marks.optional();
    let key = Key::Notify(kind, about);
    let ix = request(cluster, rsc, key, Task::Notify, Some(node), optional);
    if !optional {
        cluster.journal.needed(ix, Ground::Action(point, NOTIFIES));
    }
    for extra in cluster[point].extra.clone() {
        cluster[ix].add_meta(&extra.name, &extra.value);
    }
    add_variables(cluster, ix, variables);
    link_by(cluster, OrderRule::Notification, point, ix, OrderFlags::ORDER);
    link_by(cluster, OrderRule::Notification, ix, done, OrderFlags::ORDER);
    Some(ix)
}

/// The notification after the fact; recurring operations wait until all have heard.
fn tell_after(
    cluster: &mut Cluster,
    rsc: RscIx,
    node: NodeIx,
    points: Points,
    variables: &[Variable],
) {
    if let Some(ix) = tell(cluster, rsc, node, points.post, points.post_done, variables) {
        cluster[ix].priority = COMPLETED;
    }
    let Some(done) = points.post_done else { return };
    for ix in cluster[rsc].actions.clone() {
        if cluster[ix].interval() > 0 && cluster[ix].task != Task::Cancel {
            link_by(cluster, OrderRule::Notification, done, ix, OrderFlags::ORDER);
        }
    }
}

fn add_variables(cluster: &mut Cluster, ix: ActionIx, variables: &[Variable]) {
    let known: BTreeSet<Arc<str>> = cluster[ix].extra.iter().map(|e| e.name.clone()).collect();
    for (name, value) in variables.iter().filter(|(n, _)| !known.contains(n)) {
        cluster[ix].add_meta(name, value);
    }
}

/// a stop that fencing does is told to the others after the fencing: all of them, if the
/// resource was active on several nodes that are fenced.
pub(super) fn after_fencing(cluster: &mut Cluster, rsc: RscIx, stop: ActionIx, fence: ActionIx) {
    let Some(node) = cluster[stop].node else { return };
    surround(cluster, rsc, None, fence, &Task::Stop);
    let points = Points {
        post: find(cluster, rsc, NotifyKind::Post, Task::Fence),
        post_done: find(cluster, rsc, NotifyKind::ConfirmedPost, Task::Fence),
        ..Points::default()
    };
    let variables = [
        variable("notify_stop_resource", &cluster[rsc].id),
        variable("notify_stop_uname", &cluster[node].name),
    ];
    let top = cluster.top_of(rsc);
    for leaf in cluster.leaves(top) {
        notify_instance(cluster, leaf, &Task::Stop, points, &variables, true);
    }
}
