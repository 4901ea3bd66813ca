//! Node states and tickets (part 1, sections 5 and 6).

use crate::Score;
use crate::cib::Element;
use crate::scalar::{is_true, parse_bool, parse_count, parse_int};
use crate::scheduler::actions;
use crate::scheduler::model::{
    Cluster, Fact, Ground, NodeFact, NodeIx, NodeKind, QuorumPolicy, Role, RscIx, Severity, Ticket,
    TicketIx,
};

use super::doc::Document;
use super::{history, nodes};

/// Reads the `status` section: tickets, node states, histories, in that order of passes.
pub fn load<'a>(cluster: &mut Cluster, doc: &Document<'a>) {
    let Some(status) = doc.root.child("status") else { return };
    let mut states: Vec<&'a Element> = Vec::new();
    for element in status.children() {
        match element.name() {
            "tickets" => tickets(cluster, element),
            "node_state" => {
                states.push(element);
                match find_node(cluster, element) {
                    Some(node) => first_pass(cluster, doc, node, element),
                    None => unknown_node(cluster, element),
                }
            }
            _ => {}
        }
    }
    history::load(cluster, doc, &states);
    after_histories(cluster);
}

/// The node a state is about: by id, then by name (I-47).
pub fn find_node(cluster: &Cluster, state: &Element) -> Option<NodeIx> {
    let (id, name) = (state.id()?, state.attr("uname")?);
    let by_id = cluster.nodes.iter().position(|n| n.id.eq_ignore_ascii_case(id));
    by_id.map(NodeIx::next).or_else(|| cluster.node_named(name))
}

fn unknown_node(cluster: &mut Cluster, state: &Element) {
    let name = state.attr("uname").or_else(|| state.id()).unwrap_or("?");
    let text = format!(
        "Ignoring recorded node state for '{name}' because it is no longer in the configuration"
    );
    cluster.say(Severity::ConfigWarning, text);
}

/// I-48
fn first_pass<'a>(cluster: &mut Cluster, doc: &Document<'a>, node: NodeIx, state: &'a Element) {
    cluster[node].has_state = true;
    if cluster[node].is_remote() {
        cluster[node].remote_was_fenced = parse_count(state.attr("node_fenced"), 0) > 0;
        return;
    }
    cluster[node].unclean = false;
    cluster[node].unseen = false;
    nodes::transient_attributes(cluster, doc, node, state);
    nodes::derive_flags(cluster, node);
    member_state(cluster, node, state);
    let options = &cluster.options;
    let suicide = options.quorum_policy == QuorumPolicy::Suicide && !options.have_quorum;
    if suicide && cluster[node].online {
        let ground = actions::NO_QUORUM;
        let reason = "cluster does not have quorum";
        actions::mark_for_fencing(cluster, node, ground, reason, false);
    }
}

/// What a member's state says, as far as it matters (I-49).
struct Peer {
    in_ccm: Option<bool>,
    crmd: bool,
    join: String,
    expected: Option<String>,
}

fn member_state(cluster: &mut Cluster, node: NodeIx, state: &Element) {
    let word = |name: &str| state.attr(name).map(str::to_ascii_lowercase);
    let peer = Peer {
        in_ccm: state.attr("in_ccm").map(|v| parse_bool(v) == Some(true)),
        crmd: word("crmd").as_deref() == Some("online"),
        join: word("join").unwrap_or_default(),
        expected: word("expected"),
    };
    let shutdown = nodes::shutdown_requested(&cluster[node]);
    cluster[node].shutdown = shutdown;
    cluster[node].expected_up = !shutdown && peer.expected.as_deref() == Some("member");
    if cluster[node].kind == NodeKind::Ping {
        cluster[node].online = false;
    } else if cluster.options.fencing {
        with_fencing(cluster, node, &peer);
    } else {
        without_fencing(cluster, node, &peer);
    }
    if !cluster[node].online || cluster[node].shutdown {
        cluster[node].score = Score::MINUS_INFINITY;
    }
}

/// I-53: the first row that matches decides.
fn with_fencing(cluster: &mut Cluster, node: NodeIx, peer: &Peer) {
    let in_ccm = peer.in_ccm == Some(true);
    let terminate = nodes::termination_requested(&cluster[node]);
    let expects_down = matches!(peer.expected.as_deref(), None | Some("down"));
    cluster[node].online = in_ccm;
    let (reason, delay) = if cluster[node].shutdown {
        cluster[node].online = peer.crmd;
        return;
    } else if peer.in_ccm.is_none() {
        ("peer has not been seen by the cluster", false)
    } else if peer.join == "banned" {
        ("peer failed Pacemaker membership criteria", false)
    } else if !terminate && expects_down {
        if in_ccm || peer.crmd {
            set_pending(cluster, node);
        }
        return;
    } else if terminate && peer.join == "down" && !in_ccm && !peer.crmd {
        return;
    } else if !in_ccm {
        ("peer is no longer part of the cluster", true)
    } else if !peer.crmd {
        ("peer process is no longer available", false)
    } else if terminate {
        ("termination was requested", false)
    } else if peer.join == "member" {
        return;
    } else if peer.join == "pending" || peer.join == "down" {
        set_pending(cluster, node);
        return;
    } else {
        ("peer was in an unknown state", false)
    };
    let ground = Ground::Membership(node, reason);
    actions::mark_for_fencing(cluster, node, ground, reason, delay);
}

/// I-52
fn set_pending(cluster: &mut Cluster, node: NodeIx) {
    cluster[node].standby = true;
    cluster[node].pending = true;
}

/// I-55
fn without_fencing(cluster: &mut Cluster, node: NodeIx, peer: &Peer) {
    if peer.in_ccm != Some(true) {
        cluster[node].online = false;
    } else if peer.crmd {
        cluster[node].online = peer.join == "member";
    } else {
        cluster[node].online = false;
        if cluster[node].expected_up {
            let reason = "peer is unexpectedly down";
            let ground = Ground::Membership(node, reason);
            actions::mark_for_fencing(cluster, node, ground, reason, false);
        }
    }
}

/// The state of a remote or guest node follows from its connection (I-58). Other than a member's
/// (I-51) its own score stays when it is not available, as the regression suite shows.
pub fn remote_online(cluster: &mut Cluster, node: NodeIx) {
    let Some(connection) = cluster[node].connection else {
        cluster[node].online = false;
        return;
    };
    let container = cluster[connection].container;
    let c = &cluster[connection];
    let active_on = c.active_on.clone();
    let (role, next_role, failed) = (c.role, c.next_role, c.failed);
    if role == Role::Started {
        cluster[node].online = true;
        if next_role == Role::Stopped {
            cluster[node].shutdown = true;
        }
    }
    if container.is_some_and(|k| cluster[k].failed) {
        cluster[node].online = false;
        cluster[node].remote_requires_reset = true;
    } else if failed {
        cluster[node].online = false;
    } else if role == Role::Stopped || container.is_some_and(|k| cluster[k].role == Role::Stopped) {
        cluster[node].online = false;
        cluster[node].remote_requires_reset = false;
    } else if container.is_some() && active_on.len() == 1 {
        let host = &cluster[active_on[0]];
        if !host.online && host.unclean {
            cluster[node].online = false;
            cluster[node].remote_requires_reset = true;
        }
    }
}

/// What its own state element adds (I-59).
pub fn remote_attributes<'a>(
    cluster: &mut Cluster,
    doc: &Document<'a>,
    node: NodeIx,
    state: &'a Element,
) {
    let maintenance = state.attr("node_in_maintenance").and_then(parse_int).unwrap_or(0);
    cluster[node].remote_maintenance = maintenance > 0;
    let connection = cluster[node].connection;
    if !cluster[node].remote_requires_reset {
        cluster[node].unclean = false;
        cluster[node].unseen = false;
    }
    nodes::transient_attributes(cluster, doc, node, state);
    if nodes::shutdown_requested(&cluster[node]) {
        cluster[node].shutdown = true;
    }
    nodes::derive_flags(cluster, node);
    if connection.is_some_and(|c| !cluster[c].managed) {
        cluster[node].maintenance = true;
    }
}

/// I-60
fn after_histories(cluster: &mut Cluster) {
    for node in cluster.node_order.clone() {
        if !cluster[node].is_remote() {
            continue;
        }
        if let Some(connection) = cluster[node].connection
            && cluster[node].shutdown
        {
            cluster[connection].next_role = Role::Stopped;
            if nodes::shutdown_requested(&cluster[node]) {
                let ground = Ground::Node(node, NodeFact::Shutdown);
                cluster.journal.resource(connection, Fact::NextRole, ground);
            }
        }
        if !cluster[node].history_read {
            remote_online(cluster, node);
        }
    }
}

/// I-63
fn tickets(cluster: &mut Cluster, section: &Element) {
    for element in section.children_named("ticket_state") {
        let Some(id) = element.id().filter(|id| !id.is_empty()) else { continue };
        let ticket = ticket(cluster, id);
        let t = &mut cluster[ticket];
        t.granted = is_true(element.attr("granted"));
        t.standby = is_true(element.attr("standby"));
        t.last_granted = element.attr("last-granted").and_then(parse_int).unwrap_or(0);
        for (name, value) in element.attrs().filter(|(n, _)| *n != "id") {
            t.state.insert(name.into(), value.into());
        }
    }
}

/// The ticket of this id, made not granted if it is new (I-63).
pub fn ticket(cluster: &mut Cluster, id: &str) -> TicketIx {
    if let Some(at) = cluster.tickets.iter().position(|t| &*t.id == id) {
        return TicketIx::next(at);
    }
    let ix = TicketIx::next(cluster.tickets.len());
    cluster.tickets.push(Ticket {
        id: id.into(),
        granted: false,
        standby: false,
        last_granted: -1,
        state: crate::scheduler::model::Attributes::new(),
    });
    ix
}

/// True if a connection and its container are known to be started (I-122).
pub fn guest_is_up(cluster: &Cluster, connection: RscIx) -> bool {
    cluster[connection].role == Role::Started
        && cluster[connection].container.is_none_or(|k| cluster[k].role == Role::Started)
}
