//! The display as text (O-123 to O-133, O-140).

use crm_core::scheduler::model::{NodeKind, RscIx};

use super::Scene;
use super::sections::Section;
use crate::render::report::Part;
use crate::render::status::{
    Detail, Headline, attribute_items, ban_items, brief_node_items, counts, display_name,
    failure_items, headline_items, is_active, maintenance_notice, node_items, node_line,
    operation_items, resource_items, resource_line, ticket_items,
};

/// All sections, with an empty line between two.
pub fn parts(scene: &Scene<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    for part in sections(scene) {
        if !parts.is_empty() {
            parts.push(Part::Space);
        }
        parts.push(part);
        if parts.len() == 1 && shows_headline(scene) {
            parts.extend(notice(scene));
        }
    }
    parts
}

/// The lines of the summary that are wanted.
pub fn headline(scene: &Scene<'_>) -> Headline {
    let has = |section| scene.options.sections.has(section);
    Headline {
        stack: has(Section::Stack),
        dc: has(Section::Dc),
        times: has(Section::Times),
        counts: has(Section::Counts),
        options: has(Section::Options),
    }
}

fn shows_headline(scene: &Scene<'_>) -> bool {
    let no_dc = !scene.cluster.nodes.iter().any(|n| n.is_dc);
    let wanted = [Section::Stack, Section::Dc, Section::Times, Section::Counts, Section::Options];
    no_dc || wanted.into_iter().any(|section| scene.options.sections.has(section))
}

fn notice(scene: &Scene<'_>) -> Vec<Part> {
    let wanted = scene.options.sections.has(Section::MaintMode);
    match maintenance_notice(scene.cluster).filter(|_| wanted) {
        Some(lines) => {
            let lines = lines.into_iter().map(|line| Part::Line(line.to_string()));
            std::iter::once(Part::Space).chain(lines).collect()
        }
        None => Vec::new(),
    }
}

fn sections(scene: &Scene<'_>) -> Vec<Part> {
    let Scene { cib, cluster, view, options, now } = scene;
    let has = |section| options.sections.has(section);
    let mut parts = Vec::new();
    let nodes = cluster.node_order.iter().any(|n| view.wants_node(*n));
    // The title of the nodes stands there even if none of them has a line.
    let mut list = |title: &str, items: Vec<Part>, always: bool| {
        if always || !items.is_empty() {
            parts.push(Part::list(title, items));
        }
    };
    if shows_headline(scene) {
        let items = headline_items(cib, cluster, view, &headline(scene), *now);
        list("Cluster Summary", items, false);
    }
    if has(Section::Nodes) {
        let items = if options.by_node { grouped(scene) } else { node_items(cluster, view) };
        list("Node List", items, nodes);
    }
    if has(Section::Resources) && (!options.by_node || options.inactive) {
        let (title, items) = resources(scene);
        list(title, items, false);
    }
    if has(Section::Attributes) {
        list("Node Attributes", attribute_items(cluster, view), false);
    }
    if has(Section::Operations) {
        let known = cluster.nodes.iter().any(|n| n.has_state);
        list("Operations", operation_items(cluster, view, options.history), known);
    } else if has(Section::Failcounts) {
        // The title stands there even if nothing ever failed.
        let items = operation_items(cluster, view, Detail::Failures);
        parts.push(Part::list("Migration Summary", items));
    }
    let mut list = |title: &str, items: Vec<Part>| {
        if !items.is_empty() {
            parts.push(Part::list(title, items));
        }
    };
    if has(Section::Failures) {
        list("Failed Resource Actions", failure_items(cluster, view, options.detail));
    }
    if has(Section::FencingFailed) {
        list("Failed Fencing Actions", super::fencing::items(scene, false));
    }
    if has(Section::Tickets) {
        list("Tickets", ticket_items(cluster));
    }
    if has(Section::Bans) {
        let items = ban_items(cluster, view, &options.sections.ban_prefix);
        list("Negative Location Constraints", items);
    }
    if has(Section::FencingSucceeded) {
        list("Fencing History", super::fencing::items(scene, true));
    }
    parts
}

fn resources(scene: &Scene<'_>) -> (&'static str, Vec<Part>) {
    let Scene { cluster, view, options, .. } = scene;
    let (title, none, items) = if options.by_node {
        let idle = cluster.top.iter().filter(|r| !is_active(cluster, **r, true));
        let only = idle.copied().filter(|r| view.wants_resource(cluster, *r)).collect();
        let view = crate::render::status::View { only_resources: Some(only), ..view.clone() };
        ("Inactive Resources", "No inactive resources", resource_items(cluster, &view))
    } else if view.inactive {
        ("Full List of Resources", "No resources", resource_items(cluster, view))
    } else {
        ("Active Resources", "No active resources", resource_items(cluster, view))
    };
    (title, if items.is_empty() { vec![Part::item(none)] } else { items })
}

/// Nodes with what runs on each (O-126).
fn grouped(scene: &Scene<'_>) -> Vec<Part> {
    let Scene { cluster, view, .. } = scene;
    let mut parts = Vec::new();
    for &ix in cluster.node_order.iter().filter(|ix| view.wants_node(**ix)) {
        let wanted = cluster[ix].running.iter().copied();
        let wanted: Vec<_> = wanted.filter(|rsc| view.wants_resource(cluster, *rsc)).collect();
        let idle = wanted.is_empty();
        // Connections to bundles' nodes go without saying.
        let shown = |rsc: &RscIx| {
            let resource = &cluster[*rsc];
            view.detail || !(resource.internal && resource.is_remote_connection)
        };
        let lines: Vec<Part> = if view.brief {
            let counts = |rsc: &RscIx| cluster[ix].online || !cluster[*rsc].managed;
            let wanted: Vec<RscIx> = wanted.into_iter().filter(counts).collect();
            brief_node_items(cluster, &wanted)
        } else {
            let shown = wanted.into_iter().filter(shown);
            shown.map(|rsc| Part::item(resource_line(cluster, view, rsc, false))).collect()
        };
        if view.brief && idle {
            continue;
        }
        let title = node_line(cluster, view, ix);
        let resources = Part::list("Resources", lines);
        parts.push(Part::list(title, vec![resources]));
    }
    parts
}

/// One line for monitoring systems (O-140).
pub fn simple(scene: &Scene<'_>) -> String {
    let Scene { cluster, view, .. } = scene;
    let mut trouble = Vec::new();
    let (mut online, mut standby, mut maintenance) = (0usize, 0usize, 0usize);
    if !cluster.nodes.iter().any(|n| n.is_dc) {
        trouble.push("No DC".to_string());
    }
    let mut offline = Vec::new();
    for &ix in &cluster.node_order {
        let node = &cluster[ix];
        match (node.online, node.standby, node.maintenance) {
            (true, true, _) => standby += 1,
            (true, false, true) => maintenance += 1,
            (true, false, false) => online += 1,
            (false, ..) if node.kind != NodeKind::Ping => {
                offline.push(format!("offline node: {}", display_name(cluster, view, ix)));
            }
            (false, ..) => {}
        }
    }
    if !offline.is_empty() {
        trouble.push(offline.join(" "));
    }
    if !trouble.is_empty() {
        return format!("CLUSTER WARN: {}\n", trouble.join(", "));
    }
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let mut line = format!("CLUSTER OK: {online} node{} online", plural(online));
    for (count, word) in [(standby, "standby"), (maintenance, "maintenance")] {
        if count > 0 {
            line.push_str(&format!(", {count} {word} node{}", plural(count)));
        }
    }
    let instances = counts(cluster).instances;
    format!("{line}, {instances} resource instance{} configured\n", plural(instances))
}

#[cfg(test)]
mod tests {
    use crate::compat::mon::cluster_of;
    use crate::render::status::{View, node_items};

    #[test]
    fn a_cluster_without_nodes_has_no_node_list() {
        let (_, cluster) = cluster_of("<cib><configuration/><status/></cib>");
        assert!(node_items(&cluster, &View::default()).is_empty());
    }
}
