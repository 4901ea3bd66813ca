//! The node list (O-70 to O-74).

use crm_core::scheduler::model::{Cluster, HealthStrategy, NodeIx, NodeKind};

use super::View;
use crate::render::report::Part;

/// The items of the node list.
pub fn node_items(cluster: &Cluster, view: &View) -> Vec<Part> {
    let mut items = Vec::new();
    let mut summed: [(&str, Vec<String>); 5] =
        ["Online", "OFFLINE", "RemoteOnline", "RemoteOFFLINE", "GuestOnline"]
            .map(|title| (title, Vec::new()));
    for &ix in cluster.node_order.iter().filter(|ix| view.wants_node(**ix)) {
        let node = &cluster[ix];
        let name = display_name(cluster, view, ix);
        let special = node.unclean
            || node.pending
            || (node.standby_on_fail && node.online)
            || node.standby
            || node.maintenance
            || health(cluster, ix) != Health::Green
            || view.individual_nodes;
        if special {
            items.push(Part::item(node_line(cluster, view, ix)));
            continue;
        }
        let line = match (kind(cluster, ix), node.online) {
            ("GuestNode", true) => 4,
            ("GuestNode", false) => continue,
            ("RemoteNode", true) => 2,
            ("RemoteNode", false) => 3,
            (_, true) => 0,
            (_, false) => 1,
        };
        summed[line].1.push(name);
    }
    for (title, names) in summed {
        if !names.is_empty() {
            items.push(Part::named(title, format!("[ {} ]", names.join(" "))));
        }
    }
    items
}

/// The line of a node that has its own (O-73).
pub fn node_line(cluster: &Cluster, view: &View, ix: NodeIx) -> String {
    let name = display_name(cluster, view, ix);
    let health = match health(cluster, ix) {
        Health::Green => "",
        Health::Yellow => " (health is YELLOW)",
        Health::Red => " (health is RED)",
    };
    let member = cluster[ix].online && cluster[ix].kind == NodeKind::Member;
    let version = cluster[ix].attr("#feature-set").unwrap_or("<3.15.1");
    let version = match view.detail && member {
        true => format!(", feature set {version}"),
        false => String::new(),
    };
    format!("{} {name}: {}{health}{version}", kind(cluster, ix), status(cluster, ix))
}

/// What kind of node, as lines begin.
pub(super) fn kind(cluster: &Cluster, ix: NodeIx) -> &'static str {
    match cluster[ix].kind {
        NodeKind::Remote if cluster.is_guest(ix) => "GuestNode",
        NodeKind::Remote => "RemoteNode",
        NodeKind::Member | NodeKind::Ping => "Node",
    }
}

/// The state of a node in words (O-73).
pub fn status(cluster: &Cluster, ix: NodeIx) -> &'static str {
    let node = &cluster[ix];
    if node.unclean {
        return match (node.online, node.pending) {
            (true, _) => "UNCLEAN (online)",
            (false, true) => "UNCLEAN (pending)",
            (false, false) => "UNCLEAN (offline)",
        };
    }
    if node.pending {
        return "pending";
    }
    if node.standby_on_fail && node.online {
        return "standby (on-fail)";
    }
    match (node.standby, node.maintenance, node.online) {
        (true, _, true) if !node.running.is_empty() => "standby (with active resources)",
        (true, _, true) => "standby",
        (true, _, false) => "OFFLINE (standby)",
        (false, true, true) => "maintenance",
        (false, true, false) => "OFFLINE (maintenance)",
        (false, false, true) => "online",
        (false, false, false) => "OFFLINE",
    }
}

/// Health as the node's attributes tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Green,
    Yellow,
    Red,
}

/// The worst health attribute, by its word; numbers do not show.
pub(super) fn health(cluster: &Cluster, ix: NodeIx) -> Health {
    if cluster.options.health == HealthStrategy::None {
        return Health::Green;
    }
    let options = &cluster.options;
    let (red, yellow) = (options.health_red, options.health_yellow);
    // The words count first, since their scores may be the same.
    let of = |value: &str| match options.score(value) {
        _ if value.eq_ignore_ascii_case("red") => Health::Red,
        _ if value.eq_ignore_ascii_case("yellow") => Health::Yellow,
        score if score <= red => Health::Red,
        score if score <= yellow && yellow != options.health_green => Health::Yellow,
        _ => Health::Green,
    };
    let values = cluster[ix].attributes.iter().filter(|(name, _)| name.starts_with("#health"));
    values.fold(Health::Green, |worst, (_, value)| match (worst, of(value)) {
        (Health::Red, _) | (_, Health::Red) => Health::Red,
        (Health::Yellow, _) | (_, Health::Yellow) => Health::Yellow,
        (Health::Green, Health::Green) => Health::Green,
    })
}

/// The name of a node; with details also its host and its id (O-74).
pub fn display_name(cluster: &Cluster, view: &View, ix: NodeIx) -> String {
    let node = &cluster[ix];
    let mut name = node.name.to_string();
    if !view.detail {
        return name;
    }
    if let Some(container) = cluster.guest_container(ix) {
        let host = cluster[container].active_on.first();
        name.push('@');
        name.push_str(host.map_or("", |h| &cluster[*h].name));
    }
    if !node.id.eq_ignore_ascii_case(&node.name) {
        name.push_str(&format!(" ({})", node.id));
    }
    name
}
