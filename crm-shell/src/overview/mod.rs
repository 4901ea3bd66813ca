//! The cluster at a glance: trouble, nodes, resources and since when, what moves left behind, and
//! what happened last. Pure: made of a CIB, what the daemon said, and the time.
//!
//! `crm status` prints it, `crm status --watch` keeps it on the screen, `--json` writes it out.

mod plan;
mod text;
mod trouble;
pub mod watch;

use std::fmt;

use crm_core::cib::Element;
use crm_core::rules::Moment;
use crm_core::scheduler::model::{Cluster, History, NodeIx, Role, RscIx, Task, Variant};
use crm_core::scheduler::{self, Input};
use crm_core::transition::Graph;
use crm_messaging::proto::StateReply;
use serde::Serialize;

pub use plan::{Plan, Step, StepState};
pub use text::{Look, text};

use crate::render::status::{
    agent_name, configured_role, is_active, node_state_words, printable_id, result_text,
};
use crate::since::{self, Cause};

/// How many happenings are shown.
pub const RECENT: u32 = 6;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// What, and why.
    pub text: String,
    /// What to do about it, as a command where there is one.
    pub help: Option<String>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeRow {
    /// Its name.
    pub name: String,
    /// Its state in Pacemaker's words.
    pub state: String,
    /// Why it is in that state, where that is not plain.
    pub why: Option<String>,
    /// It is the coordinator.
    pub coordinator: bool,
    /// It can run resources.
    pub available: bool,
    /// When it last joined or left, in seconds of the epoch.
    pub since: Option<i64>,
    /// What runs there.
    pub runs: Vec<String>,
}

/// Where a resource runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The node.
    pub node: String,
    /// The role there.
    pub role: &'static str,
    /// Since when, in seconds of the epoch.
    pub since: Option<i64>,
}

/// A resource, or something that resources are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceRow {
    /// Its id.
    pub name: String,
    /// How deep it is in groups and clones.
    pub depth: usize,
    /// Its agent, or `group`, `clone`, `bundle`.
    pub kind: String,
    /// What it does, in one word or two.
    pub state: String,
    /// Where it runs.
    pub places: Vec<Place>,
    /// It should run and does not, or it failed.
    pub trouble: bool,
    /// `disabled`, `unmanaged`, `blocked`, ...
    pub notes: Vec<String>,
}

/// A constraint that a move or a ban left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// The constraint.
    pub id: String,
    /// The resource.
    pub resource: String,
    /// The node; empty if the constraint has a rule.
    pub node: String,
    /// It forbids the node; otherwise it prefers it.
    pub forbids: bool,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Leftover { id, resource, .. } = self;
        let verb = if self.forbids { "may not run on" } else { "prefers" };
        let node = if self.node.is_empty() { "nodes by rule" } else { &self.node };
        write!(f, "{resource} {verb} {node} ({id}); 'crm resource clear {resource}' ends that")
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happening {
    /// When, in seconds of the epoch.
    pub time: i64,
    /// Where; may be empty.
    pub node: String,
    /// What, one line.
    pub text: String,
    /// It went wrong.
    pub failed: bool,
}

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketRow {
    /// Its name.
    pub name: String,
    /// `granted`, `revoked`, or `standby`.
    pub state: &'static str,
}

/// The cluster at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// When it was taken, in seconds of the epoch.
    pub time: i64,
    /// The name of the cluster, if it has one.
    pub cluster: String,
    /// The coordinator.
    pub coordinator: Option<String>,
    /// Whether this partition may act; unknown where the document does not say.
    pub quorate: Option<bool>,
    /// A transition runs or is due; unknown without a daemon.
    pub busy: Option<bool>,
    /// What is wrong, worst first.
    pub troubles: Vec<Trouble>,
    /// The nodes.
    pub nodes: Vec<NodeRow>,
    /// The resources.
    pub resources: Vec<ResourceRow>,
    /// The tickets.
    pub tickets: Vec<TicketRow>,
    /// What moves and bans left.
    pub leftovers: Vec<Leftover>,
    /// What the cluster is doing or about to do.
    pub plan: Plan,
    /// What happened last, newest first.
    pub recent: Vec<Happening>,
}

/// What the daemon has to add to the CIB; nothing for a file.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its state.
    pub state: Option<StateReply>,
    /// What happened, oldest first; without any, the operations of the status section stand in.
    pub events: Vec<Happening>,
    /// Nodes that joined or left, oldest first.
    pub joined: Vec<Happening>,
}

/// Looks at a cluster.
pub fn overview(cib: &Element, seen: &Seen, now: i64) -> Overview {
    let state = seen.state.as_ref();
    let events = &seen.events;
    let moment = Moment { epoch: now, offset: 0 };
    let input = Input { record: true, show_scores: false, ..Input::new(cib, moment) };
    let cluster = scheduler::status(&input);
    // The document as it is, and beside it what the scheduler makes of it.
    let schedule = scheduler::decide(cluster.clone(), &input);
    let mut decided = schedule.cluster;
    give_reasons(&mut decided, &schedule.graph);
    let decided = &decided;
    let property = |name: &str| {
        let sets = cib.at(&["configuration", "crm_config"])?;
        let pairs = sets.children().flat_map(Element::children);
        pairs.filter(|p| p.attr("name") == Some(name)).find_map(|p| p.attr("value"))
    };
    let named = state.map(|s| s.cluster_name.clone()).filter(|n| !n.is_empty());
    let coordinator = match state {
        Some(state) => Some(state.dc.clone()).filter(|dc| !dc.is_empty()),
        None => cluster.nodes.iter().find(|n| n.is_dc).map(|n| n.name.to_string()),
    };
    let quorate = match state {
        Some(state) => Some(state.quorate),
        None => cib.attr("have-quorum").map(|q| matches!(q, "1" | "true")),
    };
    let leftovers = leftovers(cib, now);
    let mut resources = resources(cib, &cluster, decided);
    for left in &leftovers {
        let verb = if left.forbids { "banned from" } else { "moved to" };
        if let Some(row) = resources.iter_mut().find(|r| r.name == left.resource) {
            let node = if left.node.is_empty() { "nodes by rule" } else { &left.node };
            row.notes.push(format!("{verb} {node}"));
        }
    }
    Overview {
        time: now,
        cluster: named.or_else(|| property("cluster-name").map(str::to_string)).unwrap_or_default(),
        troubles: trouble::troubles(&cluster, decided, state, quorate),
        nodes: nodes(&cluster, decided, coordinator.as_deref(), &seen.joined),
        resources,
        tickets: tickets(&cluster),
        leftovers,
        plan: plan::plan(&cluster, &schedule.graph),
        recent: if events.is_empty() {
            recent_operations(&cluster)
        } else {
            events.iter().rev().take(RECENT as usize).cloned().collect()
        },
        busy: state.map(|s| !s.idle && !s.dc_controller.is_empty() && s.dc_controller != "S_IDLE"),
        coordinator,
        quorate,
    }
}

/// Nodes that are to be fenced without a request of their own have the reason of the action.
fn give_reasons(decided: &mut Cluster, graph: &Graph) {
    for (_, action) in graph.actions().filter(|(_, a)| a.operation == "stonith") {
        let named = action.node.as_ref().and_then(|n| decided.node_named(&n.name));
        if let (Some(ix), Some(reason)) = (named, &action.reason) {
            decided[ix].fence_reason.get_or_insert_with(|| reason.as_str().into());
        }
    }
}

fn nodes(
    cluster: &Cluster,
    decided: &Cluster,
    coordinator: Option<&str>,
    joined: &[Happening],
) -> Vec<NodeRow> {
    let since = |name: &str| joined.iter().rev().find(|h| h.node == name).map(|h| h.time);
    let row = |&ix: &NodeIx| {
        let node = &cluster[ix];
        let mut runs: Vec<String> =
            node.running.iter().map(|r| printable_id(&cluster[*r]).to_string()).collect();
        runs.sort();
        NodeRow {
            name: node.name.to_string(),
            state: node_state_words(cluster, ix).to_string(),
            why: trouble::why_unclean(cluster, decided, ix),
            coordinator: coordinator == Some(&*node.name),
            since: since(&node.name),
            available: node.online && !node.standby && !node.pending && !node.unclean,
            runs,
        }
    };
    cluster.node_order.iter().map(row).collect()
}

fn resources(cib: &Element, cluster: &Cluster, decided: &Cluster) -> Vec<ResourceRow> {
    let mut rows = Vec::new();
    for &rsc in &cluster.top {
        let shown = !cluster[rsc].orphan || is_active(cluster, rsc, false);
        if shown && !cluster[rsc].internal {
            add_row(cib, cluster, decided, rsc, 0, &mut rows);
        }
    }
    rows
}

fn add_row(
    cib: &Element,
    cluster: &Cluster,
    decided: &Cluster,
    rsc: RscIx,
    depth: usize,
    rows: &mut Vec<ResourceRow>,
) {
    let resource = &cluster[rsc];
    let kind = match &resource.variant {
        Variant::Primitive => agent_name(&resource.agent),
        Variant::Group(_) => "group".to_string(),
        Variant::Clone(_) if resource.promotable => "promotable clone".to_string(),
        Variant::Clone(_) => "clone".to_string(),
        Variant::Bundle(_) => "bundle".to_string(),
    };
    let leaves = cluster.leaves(rsc);
    let active = leaves.iter().filter(|l| is_active(cluster, **l, true)).count();
    let state = if resource.is_primitive() {
        primitive_state(cluster, rsc)
    } else {
        let expected = leaves.iter().filter(|l| !cluster[**l].orphan).count();
        match active {
            0 => "Stopped".to_string(),
            n if n >= expected => "Started".to_string(),
            n => format!("{n} of {expected}"),
        }
    };
    rows.push(ResourceRow {
        name: printable_id(resource).to_string(),
        depth,
        kind,
        state,
        places: places(cib, cluster, rsc),
        trouble: leaves.iter().any(|l| {
            cluster[*l].failed || cluster[*l].blocked || trouble::wanted(cluster, decided, *l)
        }),
        notes: notes(cluster, rsc),
    });
    if matches!(resource.variant, Variant::Group(_)) {
        for &member in &resource.children {
            add_row(cib, cluster, decided, member, depth + 1, rows);
        }
    }
}

fn primitive_state(cluster: &Cluster, rsc: RscIx) -> String {
    let resource = &cluster[rsc];
    if let Some((task, _)) = &resource.pending {
        let doing = match task {
            Task::Start => "starting",
            Task::Stop => "stopping",
            Task::Promote => "promoting",
            Task::Demote => "demoting",
            Task::MigrateTo | Task::MigrateFrom => "migrating",
            _ => "",
        };
        if !doing.is_empty() {
            return doing.to_string();
        }
    }
    if resource.failed { "FAILED".to_string() } else { resource.role.as_str().to_string() }
}

fn places(cib: &Element, cluster: &Cluster, rsc: RscIx) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for leaf in cluster.leaves(rsc) {
        for &node in &cluster[leaf].active_on {
            let name = cluster[node].name.to_string();
            let since = since_of(cib, cluster, leaf, node);
            let role = cluster[leaf].role.as_str();
            match places.iter_mut().find(|p| p.node == name) {
                // A whole runs since its last part does.
                Some(place) => place.since = place.since.max(since),
                None => places.push(Place { node: name, role, since }),
            }
        }
    }
    places.sort_by_key(|p| (p.role != Role::Promoted.as_str(), p.node.clone()));
    places
}

fn history_of(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> Option<&History> {
    cluster.histories.iter().find(|h| h.node == node && h.rsc == Some(rsc))
}

/// Since when a resource is in its role on a node.
fn since_of(cib: &Element, cluster: &Cluster, rsc: RscIx, node: NodeIx) -> Option<i64> {
    let history = history_of(cluster, rsc, node)?;
    let since = since::on_node(cib, &history.id, &cluster[node].name)?;
    // What runs although its last stop went well was not stopped by us.
    (since.cause != Cause::Stopped).then_some(since.at_s)
}

fn notes(cluster: &Cluster, rsc: RscIx) -> Vec<String> {
    let resource = &cluster[rsc];
    let mut notes = Vec::new();
    if resource.orphan {
        notes.push("orphaned".to_string());
    }
    if configured_role(resource) == Some(Role::Stopped) {
        notes.push("disabled".to_string());
    }
    if resource.blocked {
        notes.push("blocked".to_string());
    }
    if resource.maintenance {
        notes.push("maintenance".to_string());
    } else if !resource.managed && !resource.blocked {
        notes.push("unmanaged".to_string());
    }
    if resource.is_primitive() && resource.active_on.len() > 1 {
        notes.push("active more than once".to_string());
    }
    notes
}

fn tickets(cluster: &Cluster) -> Vec<TicketRow> {
    let state = |granted, standby| match (granted, standby) {
        (_, true) => "standby",
        (true, false) => "granted",
        (false, false) => "revoked",
    };
    let row = |t: &scheduler::model::Ticket| TicketRow {
        name: t.id.to_string(),
        state: state(t.granted, t.standby),
    };
    cluster.tickets.iter().map(row).collect()
}

/// Constraints that moves and bans left, without those that have expired; they are easily
/// forgotten.
pub fn leftovers(cib: &Element, now: i64) -> Vec<Leftover> {
    let constraints = cib.at(&["configuration", "constraints"]);
    let all = constraints.into_iter().flat_map(Element::children);
    all.filter_map(|c| {
        let id = c.id().filter(|id| id.starts_with("cli-"))?;
        let parts = || c.descendants();
        let ends = parts().filter(|e| e.name() == "date_expression").find_map(|e| {
            Some(Moment::parse(e.attr("end")?, Moment { epoch: now, offset: 0 })?.epoch)
        });
        let named = || {
            let of_name = |e: &&Element| e.attr("attribute") == Some("#uname");
            parts().find(of_name).and_then(|e| e.attr("value"))
        };
        ends.is_none_or(|end| end > now).then_some(Leftover {
            id: id.to_string(),
            resource: c.attr("rsc")?.to_string(),
            node: c.attr("node").or_else(named).unwrap_or_default().to_string(),
            forbids: id.starts_with("cli-ban-"),
        })
    })
    .collect()
}

/// What the status section remembers, newest first: results that changed something, and failures.
fn recent_operations(cluster: &Cluster) -> Vec<Happening> {
    let mut all = Vec::new();
    for history in &cluster.histories {
        let node = cluster[history.node].name.to_string();
        for op in &history.ops {
            let Some(time) = op.last_change.filter(|t| *t > 0) else { continue };
            let Some(task) = &op.task else { continue };
            let failed = cluster.failed_ops.iter().any(|f| {
                std::ptr::eq(&cluster[f.history], history)
                    && history.ops.get(f.op).is_some_and(|o| std::ptr::eq(o, op))
            });
            if matches!(task, Task::Monitor) && !failed || op.status == -1 {
                continue;
            }
            let took = op.exec_time.filter(|ms| *ms > 0);
            let took = took
                .map_or(String::new(), |ms| format!(" ({})", crate::render::status::duration(ms)));
            let result = if failed { result_text(op.rc) } else { "ok" };
            let id = history.rsc.map_or(&*history.id, |r| printable_id(&cluster[r]));
            all.push(Happening {
                time,
                node: node.clone(),
                text: format!("{} {id}: {result}{took}", task.as_str()),
                failed,
            });
        }
    }
    all.sort_by_key(|h| std::cmp::Reverse(h.time));
    all.truncate(RECENT as usize);
    all
}

#[cfg(test)]
mod tests;
