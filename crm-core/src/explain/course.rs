//! Facts about resources and nodes in words, and what they follow from.

use crate::Score;
use crate::scheduler::model::{
    Cause, Cluster, Contribution, Fact, Ground, HistoryIx, NodeFact, NodeIx, Remark, Role, RscIx,
};

use super::chain::{Reason, attribute, of_node};
use super::resource::is_to_stop;
use super::source::{Origin, Source, meta};

/// A reason, and what it follows from.
type Step = (Option<Reason>, Option<Ground>);

/// What names a resource: its element, the bundle or container that implies it, or, for an
/// orphan, its history.
pub(super) fn named(cluster: &Cluster, rsc: RscIx) -> Origin {
    let r = &cluster[rsc];
    if let Some(bundle) = cluster.bundle_of(rsc) {
        return Origin::Cib { id: cluster[bundle].xml_id.clone() };
    }
    if r.orphan
        && let Some(&history) = r.histories.first()
    {
        let history = &cluster[history];
        let node = cluster[history.node].name.clone();
        return Origin::Operation { id: history.id.clone(), node };
    }
    match r.container {
        Some(container) if r.internal => Origin::Cib { id: cluster[container].xml_id.clone() },
        _ => Origin::Cib { id: r.xml_id.clone() },
    }
}

/// A fact about a resource.
pub(super) fn resource(cluster: &Cluster, rsc: RscIx, fact: Fact) -> Step {
    let name = &cluster[rsc].id;
    let ground = cluster.journal.of_resource(rsc, fact);
    let end = |text: String| (Some(Reason::new(text, named(cluster, rsc))), None);
    match fact {
        Fact::Course => course(cluster, rsc),
        Fact::Blocked if ground.is_none() => (Some(unmanaged(cluster, rsc)), None),
        Fact::Blocked => {
            (Some(Reason::said(format!("{name} is left alone until someone has looked"))), ground)
        }
        Fact::NextRole if ground.is_none() => match meta(cluster, rsc, "target-role") {
            Some(id) => {
                let role = cluster[rsc].goal.unwrap_or(Role::Stopped).as_str();
                let text = format!("target-role of {name} is {role}");
                (Some(Reason::new(text, Origin::Cib { id })), None)
            }
            None if cluster[rsc].orphan => end(format!("{name} is not configured any more")),
            None => end(format!("{name} is to be {}", cluster[rsc].next_role.as_str())),
        },
        Fact::MultiplyActive => {
            let nodes: Vec<&str> =
                cluster[rsc].active_on.iter().map(|&n| &*cluster[n].name).collect();
            end(format!("{name} is active on more than one node ({})", nodes.join(", ")))
        }
        Fact::Locked => end(format!("{name} is active although it was locked elsewhere")),
        Fact::Unassigned => {
            (Some(Reason::said(format!("{name} has nothing to go with there"))), ground)
        }
        Fact::Failed if ground.is_none() => end(format!("{name} has failed")),
        Fact::Failed
        | Fact::NextRole
        | Fact::FailedOn(_)
        | Fact::StartPending
        | Fact::Dangling(_)
        | Fact::PartialMigration => (None, ground),
    }
}

/// Why a resource is not managed.
fn unmanaged(cluster: &Cluster, rsc: RscIx) -> Reason {
    let r = &cluster[rsc];
    let name = &r.id;
    for option in ["maintenance", "is-managed"] {
        if meta(cluster, rsc, option).is_some() || r.meta.get(option).is_some() {
            let text = format!("{name} is not managed ({option})");
            let id = meta(cluster, rsc, option).map(|id| Origin::Cib { id });
            return Reason::new(text, id.unwrap_or_else(|| named(cluster, rsc)));
        }
    }
    if let Some(&node) = r.active_on.iter().find(|&&n| cluster[n].maintenance) {
        return attribute(cluster, node, "maintenance");
    }
    let options = &cluster.options;
    if options.fencing && !options.have_fence_device {
        let text = "nothing is done without a fence device (stonith-enabled)";
        return Reason::new(text, Origin::Option { name: "stonith-enabled" });
    }
    let text = format!("{name} is not managed (maintenance-mode or stop-orphan-resources)");
    Reason::new(text, Origin::Option { name: "maintenance-mode" })
}

/// A fact about a node.
pub(super) fn node(cluster: &Cluster, node: NodeIx, fact: NodeFact) -> Step {
    let n = &cluster[node];
    let name = &n.name;
    let ground = cluster.journal.of_node(node, fact);
    let end = |text: String| (Some(Reason::new(text, of_node(name))), None);
    match fact {
        NodeFact::Unclean => match ground {
            Some(Ground::Membership(_, text)) => end(format!("{name} has to be fenced: {text}")),
            Some(ground) => {
                (Some(Reason::said(format!("{name} has to be fenced first"))), Some(ground))
            }
            None => end(format!("{name} has to be fenced: it was never seen (startup-fencing)")),
        },
        NodeFact::Reset => {
            let text = format!("guest {name} is recovered by restarting its container");
            let container = cluster.guest_container(node);
            let host = container.and_then(|k| {
                let active = &cluster[k].active_on;
                active.iter().copied().find(|&h| cluster[h].unclean)
            });
            let host = host.map(|h| Ground::Node(h, NodeFact::Unclean));
            let failed = container.map(|k| Ground::Resource(k, Fact::Failed));
            let further = host.or(ground).or(failed);
            (Some(Reason::new(text, of_node(name))), further)
        }
        NodeFact::Unavailable => unavailable(cluster, node),
        NodeFact::Shutdown => match (n.attr("shutdown").filter(|v| *v != "0"), n.connection) {
            (None, Some(connection)) => {
                let text = format!("{name} goes down with its connection");
                (Some(Reason::said(text)), Some(Ground::Resource(connection, Fact::Course)))
            }
            _ => end(format!("{name} was told to shut down")),
        },
        NodeFact::Standby => {
            (Some(Reason::said(format!("{name} is in standby after a failure"))), ground)
        }
        NodeFact::Maintenance if n.maintenance => end(format!("{name} enters maintenance")),
        NodeFact::Maintenance => end(format!("{name} leaves maintenance")),
    }
}

/// Why a node can take nothing now.
fn unavailable(cluster: &Cluster, node: NodeIx) -> Step {
    let n = &cluster[node];
    let name = &n.name;
    let on = |fact: NodeFact| (None, Some(Ground::Node(node, fact)));
    if n.unclean {
        return on(NodeFact::Unclean);
    }
    if n.remote_requires_reset {
        return on(NodeFact::Reset);
    }
    if n.shutdown {
        return on(NodeFact::Shutdown);
    }
    if !n.online {
        let text = format!("{name} is offline");
        return match n.connection {
            Some(connection) => {
                (Some(Reason::said(text)), Some(Ground::Resource(connection, Fact::Course)))
            }
            None => (Some(Reason::new(text, of_node(name))), None),
        };
    }
    if n.standby_on_fail {
        return on(NodeFact::Standby);
    }
    let text = if n.pending {
        format!("{name} has not joined completely yet")
    } else if n.standby {
        format!("{name} is in standby")
    } else if n.maintenance {
        format!("{name} is in maintenance")
    } else {
        format!("{name} cannot be fenced now")
    };
    (Some(Reason::new(text, of_node(name))), None)
}

/// The first leaf below a resource that something happens to, else the first.
fn moving_leaf(cluster: &Cluster, rsc: RscIx) -> Option<RscIx> {
    let leaves = cluster.leaves(rsc);
    let changes = |&&l: &&RscIx| {
        let r = &cluster[l];
        let place: Vec<NodeIx> = r.assigned.into_iter().collect();
        r.role != r.next_role || r.active_on != place
    };
    leaves.iter().find(changes).or_else(|| leaves.first()).copied()
}

/// Why a resource goes from where and what it is to where and what it will be.
fn course(cluster: &Cluster, rsc: RscIx) -> Step {
    let r = &cluster[rsc];
    let name = &r.id;
    if !r.is_primitive() {
        let leaf = moving_leaf(cluster, rsc).map(|l| Ground::Resource(l, Fact::Course));
        let reason = Reason::new(format!("{name} changes"), named(cluster, rsc));
        return if leaf.is_some() { (None, leaf) } else { (Some(reason), None) };
    }
    if !r.managed {
        return (None, Some(Ground::Resource(rsc, Fact::Blocked)));
    }
    if let Some(ground) = cluster.journal.of_resource(rsc, Fact::Unassigned) {
        return (Some(Reason::said(format!("{name} has nothing to go with there"))), Some(ground));
    }
    let Some(assigned) = r.assigned else { return stopped(cluster, rsc) };
    let place = &cluster[assigned].name;
    let failed = r.failed.then_some(Ground::Resource(rsc, Fact::Failed));
    if r.active_on.is_empty() {
        let text = format!("{name} runs nowhere and is to run on {place}");
        return (Some(Reason::new(text, named(cluster, rsc))), failed);
    }
    if !r.active_on.contains(&assigned) {
        return moves(cluster, rsc, assigned);
    }
    match (r.role, r.next_role) {
        (Role::Promoted, next) if next != Role::Promoted => demoted(cluster, rsc),
        (role, Role::Promoted) if role != Role::Promoted => promoted(cluster, rsc),
        _ if failed.is_some() => (None, failed),
        _ if r.start_pending => (None, Some(Ground::Resource(rsc, Fact::StartPending))),
        _ if r.active_on.len() > 1 => (None, Some(Ground::Resource(rsc, Fact::MultiplyActive))),
        _ => {
            let text = format!("{name} goes on running on {place}");
            (Some(Reason::new(text, named(cluster, rsc))), None)
        }
    }
}

fn moves(cluster: &Cluster, rsc: RscIx, to: NodeIx) -> Step {
    let r = &cluster[rsc];
    let Some(&from) = r.active_on.first() else { return (None, None) };
    let (here, there) = (&cluster[from].name, &cluster[to].name);
    let text = format!("{} moves from {here} to {there}", r.id);
    let origin = named(cluster, rsc);
    let table = &r.allowed;
    if !cluster[from].available() {
        return (Some(Reason::said(text)), Some(Ground::Node(from, NodeFact::Unavailable)));
    }
    if let Some(step) = ban(cluster, rsc, from) {
        let (reason, further) = banned(cluster, rsc, from, step.cause);
        let text = format!("{text}: not on {here}: {}", reason.text);
        return (Some(Reason { text, origin: reason.origin }), further);
    }
    // The step that made the greatest difference between the two.
    let steps = table.contributions().iter().filter(|c| c.node == to || c.node == from);
    let weight = |c: &&Contribution| {
        let value = i64::from(c.score.value());
        if c.node == to { value } else { -value }
    };
    match steps.max_by_key(weight).filter(|c| weight(c) > 0) {
        Some(step) => {
            let source = Source::of(cluster, rsc, step.node, step.cause);
            let (a, b) = (table.score(to), table.score(from));
            let score = |s: Option<Score>| s.map_or("none".into(), |s| s.to_string());
            let text = format!("{text} ({} against {}): {source}", score(a), score(b));
            (Some(Reason::new(text, source.origin)), None)
        }
        None => (Some(Reason::new(format!("{text}, which has more room"), origin)), None),
    }
}

fn promoted(cluster: &Cluster, rsc: RscIx) -> Step {
    let name = &cluster[rsc].id;
    let text = format!("{name} is to be promoted");
    let promotion = instance_promotion(cluster, rsc);
    let best = promotion.and_then(|p| p.own.iter().chain(&p.shared).max_by_key(|c| c.score));
    match best {
        Some(step) => {
            let source = Source::of(cluster, rsc, step.node, step.cause);
            (Some(Reason::new(format!("{text}: {source}"), source.origin)), None)
        }
        None => (Some(Reason::new(text, named(cluster, rsc))), None),
    }
}

/// The record of the instance that a resource is, or is in.
fn instance_promotion(
    cluster: &Cluster,
    rsc: RscIx,
) -> Option<&crate::scheduler::model::Promotion> {
    let own = cluster.promotions.get(&rsc);
    own.or_else(|| cluster[rsc].parent.and_then(|p| cluster.promotions.get(&p)))
}

fn demoted(cluster: &Cluster, rsc: RscIx) -> Step {
    let r = &cluster[rsc];
    let name = &r.id;
    if cluster.journal.of_resource(rsc, Fact::NextRole).is_some() || r.goal.is_some() {
        return (None, Some(Ground::Resource(rsc, Fact::NextRole)));
    }
    let whole = cluster.outermost(rsc);
    let others = cluster.leaves(whole).into_iter();
    let instead = others
        .filter(|&l| l != rsc && cluster[l].next_role == Role::Promoted)
        .find(|&l| cluster[l].role != Role::Promoted && cluster[l].assigned.is_some());
    if let Some(other) = instead {
        let text = format!("{} is promoted instead of {name}", cluster[other].id);
        return (Some(Reason::said(text)), Some(Ground::Resource(other, Fact::Course)));
    }
    let promotion = instance_promotion(cluster, rsc);
    let worst = promotion.and_then(|p| p.own.iter().chain(&p.shared).min_by_key(|c| c.score));
    let text = format!("{name} is to be promoted no more");
    match worst {
        Some(step) => {
            let source = Source::of(cluster, rsc, step.node, step.cause);
            (Some(Reason::new(format!("{text}: {source}"), source.origin)), None)
        }
        None => (Some(Reason::new(text, named(cluster, rsc))), None),
    }
}

/// Why a managed leaf gets no node.
fn stopped(cluster: &Cluster, rsc: RscIx) -> Step {
    let r = &cluster[rsc];
    let name = &r.id;
    if cluster.options.stop_all {
        let text = "everything is to be stopped (stop-all-resources)";
        return (Some(Reason::new(text, Origin::Option { name: "stop-all-resources" })), None);
    }
    if is_to_stop(cluster, rsc) {
        return (None, Some(Ground::Resource(rsc, Fact::NextRole)));
    }
    let outside = |n: &&NodeIx| !is_inside(cluster, rsc, **n);
    let at = r.active_on.iter().find(outside).or_else(|| main_obstacle(cluster, rsc));
    let Some(&node) = at.or_else(|| cluster.node_order.first()) else {
        return (Some(Reason::new(format!("{name} has no node"), named(cluster, rsc))), None);
    };
    let not = format!("{name} cannot run on {}", cluster[node].name);
    match obstacle(cluster, rsc, node) {
        (Some(reason), further) => {
            let text = format!("{not}: {}", reason.text);
            (Some(Reason { text, origin: reason.origin }), further)
        }
        (None, further) => (Some(Reason::said(not)), further),
    }
}

/// True for the node that a resource is the connection to, or the container of.
fn is_inside(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> bool {
    let connection = cluster[node].connection;
    connection == Some(rsc) || connection.is_some_and(|c| cluster[c].container == Some(rsc))
}

/// The node whose obstacle tells most: one that is available.
fn main_obstacle(cluster: &Cluster, rsc: RscIx) -> Option<&NodeIx> {
    let known =
        |n: &&NodeIx| cluster[rsc].allowed.get(**n).is_some() && !is_inside(cluster, rsc, **n);
    let usable = |n: &&NodeIx| known(n) && cluster[**n].available();
    cluster.node_order.iter().find(usable).or_else(|| cluster.node_order.iter().find(known))
}

/// What keeps a leaf that gets no node from this one.
pub(super) fn obstacle(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> Step {
    if is_inside(cluster, rsc, node) {
        let text = "it cannot run inside itself (P-68)";
        return (Some(Reason::new(text, Origin::Rule { rule: "P-68" })), None);
    }
    let own = ban(cluster, rsc, node).map(|step| (rsc, step));
    if own.is_none() && !cluster[node].available() {
        return (None, Some(Ground::Node(node, NodeFact::Unavailable)));
    }
    if own.is_none() && cluster[rsc].allowed.get(node).is_none() {
        let text = "nothing allows it there, and symmetric-cluster is false";
        return (Some(Reason::new(text, Origin::Option { name: "symmetric-cluster" })), None);
    }
    let parent = cluster[rsc].parent;
    let banned_by = own.or_else(|| parent.and_then(|p| Some((p, ban(cluster, p, node)?))));
    match banned_by {
        Some((of, step)) => {
            let (reason, further) = banned(cluster, of, node, step.cause);
            (Some(reason), further)
        }
        None => {
            let text = "what it belongs to has no more room for it";
            (Some(Reason::new(text, named(cluster, rsc))), None)
        }
    }
}

/// The step that ruled a node out: the first ban, else the worst of the steps to a negative score.
pub(super) fn ban(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> Option<Contribution> {
    let table = &cluster[rsc].allowed;
    if table.score(node).is_some_and(|score| score >= Score::ZERO) {
        return None;
    }
    let about = table.contributions().iter().filter(|step| step.node == node);
    let ban = about.clone().find(|step| step.score.is_forbidden());
    ban.or_else(|| about.min_by_key(|step| step.score)).copied()
}

/// A cause that rules a node out, and what it follows from.
fn banned(cluster: &Cluster, rsc: RscIx, node: NodeIx, cause: Cause) -> (Reason, Option<Ground>) {
    let source = Source::of(cluster, rsc, node, cause);
    let reason = Reason::new(source.to_string(), source.origin);
    let further = match cause {
        Cause::Failure => failure(cluster, rsc, node),
        Cause::FailureThreshold => Some(
            failed_operation(cluster, rsc, node)
                .unwrap_or(Ground::Membership(node, "failures are recorded there (fail-count)")),
        ),
        Cause::Colocation(_, other) => {
            let leaf = cluster.leaves(other).into_iter().find(|&l| cluster[l].assigned.is_none());
            leaf.map(|l| Ground::Resource(l, Fact::Course))
        }
        Cause::NodeUnavailable => Some(Ground::Node(node, NodeFact::Unavailable)),
        Cause::NextRoleStopped => Some(Ground::Resource(rsc, Fact::NextRole)),
        Cause::ShutdownLock => {
            let lock = cluster[rsc].lock.map(|(node, _)| node);
            lock.map(|n| Ground::Membership(n, "it was shut down with a lock"))
        }
        Cause::MultiplyActive => Some(Ground::Resource(rsc, Fact::MultiplyActive)),
        Cause::NodeScore if !cluster[node].available() => {
            Some(Ground::Node(node, NodeFact::Unavailable))
        }
        Cause::Ticket(ticket) => Some(Ground::Ticket(ticket)),
        _ => None,
    };
    (reason, further)
}

/// The operation whose failure bans a resource, or what it is in, from a node or from all.
fn failure(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> Option<Ground> {
    let mut holder = Some(rsc);
    while let Some(r) = holder {
        let on = |n: NodeIx| cluster.journal.of_resource(r, Fact::FailedOn(n));
        let elsewhere = || cluster.node_order.iter().copied().find_map(on);
        if let Some(ground) = on(node).or_else(elsewhere) {
            return Some(ground);
        }
        holder = cluster[r].parent;
    }
    None
}

/// The last failed operation of a resource on a node.
fn failed_operation(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> Option<Ground> {
    let mine = |h: HistoryIx| {
        let owner = cluster[h].rsc;
        let same = owner.is_some_and(|o| o == rsc || cluster[o].xml_id == cluster[rsc].xml_id);
        cluster[h].node == node && same
    };
    let found = cluster.failed_ops.iter().rev().find(|f| mine(f.history))?;
    let at = u32::try_from(found.op).unwrap_or(u32::MAX);
    Some(Ground::Operation(found.history, at, Remark::Failed))
}

/// What a person can do about the end of a chain that keeps something from running.
pub(super) fn remedy(chain: &[Reason]) -> Option<String> {
    let end = chain.iter().rev().find_map(|r| r.origin.as_ref())?;
    Some(match end {
        Origin::Operation { id, node } => {
            format!("find out why '{id}' failed on {node}, then clean it up")
        }
        Origin::Node { node } => format!("make {node} available"),
        Origin::Option { name: "no-quorum-policy" } => "bring back enough nodes".into(),
        Origin::Option { name: "stonith-enabled" } => "configure a fence device".into(),
        Origin::Option { name: "stop-all-resources" } => "unset stop-all-resources".into(),
        Origin::Option { name: "symmetric-cluster" } => {
            "add a location constraint that allows a node".into()
        }
        Origin::Option { name } => format!("look at the option {name}"),
        Origin::Cib { id } => format!("look at '{id}'"),
        Origin::Rule { .. } => return None,
    })
}
