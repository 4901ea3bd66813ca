//! The Cluster Summary (O-124), tickets (O-132) and bans (O-133).

use crm_core::cib::Element;
use crm_core::scheduler::model::{Cluster, NodeIx, NodeKind, QuorumPolicy, Role};

use super::when::ctime;
use super::{View, counts, display_name};
use crate::render::report::Part;

/// Which lines of the Cluster Summary are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headline {
    /// The cluster stack.
    pub stack: bool,
    /// The coordinator; shown anyway if there is none.
    pub dc: bool,
    /// When the status was shown and the configuration changed.
    pub times: bool,
    /// Nodes and resources.
    pub counts: bool,
    /// Some cluster options.
    pub options: bool,
}

/// A cluster option as configured.
fn option<'a>(cib: &'a Element, name: &str) -> Option<&'a str> {
    let sets = cib.at(&["configuration", "crm_config"])?;
    sets.children()
        .flat_map(Element::children)
        .find(|pair| pair.name() == "nvpair" && pair.attr("name") == Some(name))?
        .attr("value")
}

fn coordinator(cluster: &Cluster) -> Option<NodeIx> {
    cluster.node_order.iter().copied().find(|n| cluster[*n].is_dc)
}

fn mixed_versions(cluster: &Cluster) -> bool {
    let mut seen: Option<&str> = None;
    cluster.nodes.iter().filter(|n| n.online && n.kind == NodeKind::Member).any(|node| {
        let version = node.attr("#feature-set").unwrap_or("<3.15.1");
        *seen.get_or_insert(version) != version
    })
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// The items; `now` is the wall clock in seconds of the epoch.
pub fn headline_items(
    cib: &Element,
    cluster: &Cluster,
    view: &View,
    headline: &Headline,
    now: i64,
) -> Vec<Part> {
    let mut items = Vec::new();
    if headline.stack {
        let stack = option(cib, "cluster-infrastructure").unwrap_or("unknown");
        items.push(Part::named("Stack", stack));
    }
    match coordinator(cluster) {
        None => items.push(Part::named("Current DC", "NONE")),
        Some(dc) if headline.dc => {
            let name = display_name(cluster, view, dc);
            let version = option(cib, "dc-version").unwrap_or("unknown");
            let mixed = if mixed_versions(cluster) { "MIXED-VERSION " } else { "" };
            let with = if cluster.options.have_quorum { "with" } else { "WITHOUT" };
            let text = format!("{name} (version {version}) - {mixed}partition {with} quorum");
            items.push(Part::named("Current DC", text));
        }
        Some(_) => {}
    }
    if headline.times {
        items.push(Part::named("Last updated", ctime(now)));
        let mut change = String::new();
        let facts = [
            ("", "cib-last-written"),
            (" by ", "update-user"),
            (" via ", "update-client"),
            (" on ", "update-origin"),
        ];
        for (before, name) in facts {
            if let Some(value) = cib.attr(name) {
                change.push_str(&format!("{before}{value}"));
            }
        }
        items.push(Part::named("Last change", format!(" {change}")));
    }
    if headline.counts {
        items.push(Part::item(format!("{} configured", plural(cluster.nodes.len(), "node"))));
        let counts = counts(cluster);
        let blocked = format!("{} BLOCKED from further action due to failure", counts.blocked);
        let notes = match (counts.disabled, counts.blocked) {
            (0, 0) => String::new(),
            (disabled, 0) => format!(" ({disabled} DISABLED)"),
            (0, _) => format!(" ({blocked})"),
            (disabled, _) => format!(" ({disabled} DISABLED, {blocked})"),
        };
        let instances = plural(counts.instances, "resource instance");
        items.push(Part::item(format!("{instances} configured{notes}")));
    }
    if headline.options {
        items.extend(option_lines(cluster).into_iter().map(Part::item));
    }
    items
}

fn option_lines(cluster: &Cluster) -> Vec<String> {
    let options = &cluster.options;
    let fencing = if options.fencing { "enabled" } else { "disabled" };
    let symmetric = if options.symmetric { "symmetric" } else { "asymmetric" };
    let policy = match options.quorum_policy {
        QuorumPolicy::Freeze => "Freeze resources",
        QuorumPolicy::Stop => "Stop ALL resources",
        QuorumPolicy::Demote => "Demote promotable resources and stop all other resources",
        QuorumPolicy::Ignore => "Ignore",
        QuorumPolicy::Suicide => "Suicide",
    };
    vec![
        format!("STONITH of failed nodes {fencing}"),
        format!("Cluster is {symmetric}"),
        format!("No quorum policy: {policy}"),
    ]
}

/// What is said below the summary when the cluster does nothing (O-125).
pub fn maintenance_notice(cluster: &Cluster) -> Option<[&'static str; 2]> {
    if cluster.options.maintenance {
        Some([
            "              *** Resource management is DISABLED ***",
            "  The cluster will not attempt to start, stop or recover services",
        ])
    } else if cluster.options.stop_all {
        Some([
            "    *** Resource management is DISABLED ***",
            "  The cluster will keep all resources stopped",
        ])
    } else {
        None
    }
}

/// The element `summary`.
pub fn summary_element(cib: &Element, cluster: &Cluster, headline: &Headline, now: i64) -> Element {
    let mut list = Element::new("summary");
    let flag = |value: bool| if value { "true" } else { "false" };
    if headline.stack {
        let stack = option(cib, "cluster-infrastructure").unwrap_or("unknown");
        list.push(Element::new("stack").with("type", stack));
    }
    match coordinator(cluster) {
        None => list.push(Element::new("current_dc").with("present", "false")),
        Some(dc) if headline.dc => {
            let dc = &cluster[dc];
            list.push(
                Element::new("current_dc")
                    .with("present", "true")
                    .with("version", option(cib, "dc-version").unwrap_or(""))
                    .with("name", &dc.name)
                    .with("id", &dc.id)
                    .with("with_quorum", flag(cluster.options.have_quorum))
                    .with("mixed_version", flag(mixed_versions(cluster))),
            );
        }
        Some(_) => {}
    }
    if headline.times {
        list.push(Element::new("last_update").with("time", ctime(now)));
        let fact = |name: &str| cib.attr(name).unwrap_or_default().to_string();
        list.push(
            Element::new("last_change")
                .with("time", fact("cib-last-written"))
                .with("user", fact("update-user"))
                .with("client", fact("update-client"))
                .with("origin", fact("update-origin")),
        );
    }
    if headline.counts {
        let counts = counts(cluster);
        let nodes = cluster.nodes.len().to_string();
        list.push(Element::new("nodes_configured").with("number", nodes));
        list.push(
            Element::new("resources_configured")
                .with("number", counts.instances.to_string())
                .with("disabled", counts.disabled.to_string())
                .with("blocked", counts.blocked.to_string()),
        );
    }
    if headline.options {
        let options = &cluster.options;
        let policy = match options.quorum_policy {
            QuorumPolicy::Freeze => "freeze",
            QuorumPolicy::Stop => "stop",
            QuorumPolicy::Demote => "demote",
            QuorumPolicy::Ignore => "ignore",
            QuorumPolicy::Suicide => "suicide",
        };
        list.push(
            Element::new("cluster_options")
                .with("stonith-enabled", flag(options.fencing))
                .with("symmetric-cluster", flag(options.symmetric))
                .with("no-quorum-policy", policy)
                .with("maintenance-mode", flag(options.maintenance))
                .with("stop-all-resources", flag(options.stop_all))
                .with("stonith-timeout-ms", options.fence_timeout.to_string())
                .with(
                    "priority-fencing-delay-ms",
                    options.priority_fencing_delay.saturating_mul(1000).to_string(),
                ),
        );
    }
    list
}

/// The lines of the tickets.
pub fn ticket_items(cluster: &Cluster) -> Vec<Part> {
    cluster
        .tickets
        .iter()
        .map(|ticket| {
            let state = if ticket.granted { "granted" } else { "revoked" };
            let standby = if ticket.standby { " [standby]" } else { "" };
            let last = match ticket.last_granted {
                time if time >= 0 => format!(" last-granted=\"{}\"", ctime(time)),
                _ => String::new(),
            };
            Part::named(&*ticket.id, format!("{state}{standby}{last}"))
        })
        .collect()
}

/// The element `tickets`; `None` if there are none.
pub fn tickets_element(cluster: &Cluster) -> Option<Element> {
    let mut list = Element::new("tickets");
    for ticket in &cluster.tickets {
        let mut element = Element::new("ticket")
            .with("id", &ticket.id)
            .with("status", if ticket.granted { "granted" } else { "revoked" })
            .with("standby", if ticket.standby { "true" } else { "false" });
        if ticket.last_granted >= 0 {
            element.set_attr("last-granted", ctime(ticket.last_granted));
        }
        list.push(element);
    }
    (!list.nodes().is_empty()).then_some(list)
}

/// One forbidden pair.
struct Ban<'a> {
    id: &'a str,
    resource: &'a str,
    node: NodeIx,
    weight: i32,
    promoted: bool,
}

fn bans<'a>(cluster: &'a Cluster, view: &View, prefix: &str) -> Vec<Ban<'a>> {
    let mut found = Vec::new();
    for location in cluster.locations.iter().filter(|l| !l.health && l.id.starts_with(prefix)) {
        if !view.wants_resource(cluster, location.rsc) {
            continue;
        }
        for &(node, score) in &location.nodes {
            if score.value() < 0 && view.wants_node(node) {
                found.push(Ban {
                    id: &location.id,
                    resource: &cluster[location.rsc].id,
                    node,
                    weight: score.value(),
                    promoted: location.role == Some(Role::Promoted),
                });
            }
        }
    }
    found
}

/// The lines of the location constraints that forbid something. The constraints must be loaded.
pub fn ban_items(cluster: &Cluster, view: &View, prefix: &str) -> Vec<Part> {
    bans(cluster, view, prefix)
        .iter()
        .map(|ban| {
            let role = if ban.promoted { "in Promoted role " } else { "" };
            let (id, rsc, node) = (ban.id, ban.resource, display_name(cluster, view, ban.node));
            Part::item(format!("{id}\tprevents {rsc} from running {role}on {node}"))
        })
        .collect()
}

/// The element `bans`; `None` if there are none.
pub fn bans_element(cluster: &Cluster, view: &View, prefix: &str) -> Option<Element> {
    let mut list = Element::new("bans");
    for ban in bans(cluster, view, prefix) {
        let promoted = if ban.promoted { "true" } else { "false" };
        list.push(
            Element::new("ban")
                .with("id", ban.id)
                .with("resource", ban.resource)
                .with("node", &cluster[ban.node].name)
                .with("weight", ban.weight.to_string())
                .with("promoted-only", promoted)
                .with("master_only", promoted),
        );
    }
    (!list.nodes().is_empty()).then_some(list)
}
