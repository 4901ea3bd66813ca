//! Nodes and their permanent attributes (part 1, section 4).

use std::sync::Arc;

use crate::Score;
use crate::cib::Element;
use crate::rules::Context;
use crate::scalar::{compare_names, is_true, parse_bool};
use crate::scheduler::model::{Cluster, Node, NodeIx, NodeKind, Severity};

use super::blocks::combine;
use super::doc::Document;

/// Reads the `nodes` section.
pub fn load(cluster: &mut Cluster, doc: &Document<'_>) {
    let section = doc.section("nodes");
    for element in section.into_iter().flat_map(|s| s.children_named("node")) {
        let Some(id) = element.id() else {
            cluster.say(Severity::ConfigError, "Ignoring <node> entry in configuration without id");
            continue;
        };
        let name = element.attr("uname").unwrap_or(id);
        let kind = match element.attr("type").map(str::to_ascii_lowercase).as_deref() {
            None | Some("member") => NodeKind::Member,
            Some("remote") => NodeKind::Remote,
            Some("ping") => NodeKind::Ping,
            Some(other) => {
                let text = format!("Node {name} has unrecognized type '{other}', assuming 'ping'");
                cluster.say(Severity::ConfigWarning, text);
                NodeKind::Ping
            }
        };
        if cluster.node_named(name).is_some() {
            let text = format!("More than one node entry has name '{name}'");
            cluster.say(Severity::ConfigWarning, text);
        }
        let score = element.attr("score").map_or(Score::ZERO, |s| cluster.options.score(s));
        let node = add(cluster, Node::new(id.into(), name.into(), kind, score));
        startup_fencing(cluster, node);
        permanent_attributes(cluster, doc, node, element);
    }
}

/// Adds a node, with its `#kind`.
pub fn add(cluster: &mut Cluster, mut node: Node) -> NodeIx {
    let kind = if node.kind == NodeKind::Remote { "remote" } else { "cluster" };
    node.attributes.insert("#kind".into(), kind.into());
    let ix = NodeIx::next(cluster.nodes.len());
    let before = |other: &NodeIx| {
        compare_names(&cluster.nodes[other.ix()].name, &node.name) != std::cmp::Ordering::Greater
    };
    let at = cluster.node_order.partition_point(before);
    cluster.node_order.insert(at, ix);
    cluster.nodes.push(node);
    ix
}

/// Before any state is read (I-36).
pub fn startup_fencing(cluster: &mut Cluster, node: NodeIx) {
    let unclean = cluster.options.startup_fencing;
    let node = &mut cluster[node];
    if node.kind == NodeKind::Remote && node.connection.is_none() {
        return;
    }
    node.unclean = unclean;
    node.unseen = true;
}

fn permanent_attributes<'a>(
    cluster: &mut Cluster,
    doc: &Document<'a>,
    node: NodeIx,
    element: &'a Element,
) {
    built_in(cluster, node);
    attributes(cluster, doc, node, element, false);
    site_name(cluster, node);
    let blocks = doc.blocks(std::iter::once(element), "utilization", &cluster.options);
    let context = Context { now: cluster.now, ..Context::default() };
    let mut utilization = std::mem::take(&mut cluster[node].utilization);
    let next = combine(&blocks, &context, false, &mut utilization);
    cluster[node].capacity = utilization
        .iter()
        .map(|(name, value)| (name.clone(), crate::scalar::parse_int(value).unwrap_or(0)))
        .collect();
    cluster[node].utilization = utilization;
    note_change(cluster, next);
}

/// Adds transient attributes from a node state (I-37).
pub fn transient_attributes<'a>(
    cluster: &mut Cluster,
    doc: &Document<'a>,
    node: NodeIx,
    state: &'a Element,
) {
    built_in(cluster, node);
    for part in state.children_named("transient_attributes").take(1) {
        attributes(cluster, doc, node, part, true);
    }
    site_name(cluster, node);
}

fn attributes<'a>(
    cluster: &mut Cluster,
    doc: &Document<'a>,
    node: NodeIx,
    element: &'a Element,
    overwrite: bool,
) {
    let blocks = doc.blocks(std::iter::once(element), "instance_attributes", &cluster.options);
    let context = Context { now: cluster.now, ..Context::default() };
    let mut values = std::mem::take(&mut cluster[node].attributes);
    let next = combine(&blocks, &context, overwrite, &mut values);
    cluster[node].attributes = values;
    note_change(cluster, next);
}

fn note_change(cluster: &mut Cluster, at: Option<i64>) {
    if let Some(at) = at {
        cluster.recheck(at);
    }
}

fn built_in(cluster: &mut Cluster, node: NodeIx) {
    let dc = cluster.options.dc_uuid.clone();
    let cluster_name = cluster.options.cluster_name.clone();
    let node = &mut cluster[node];
    node.is_dc = dc.is_some_and(|id| id.eq_ignore_ascii_case(&node.id));
    node.attributes.insert("#uname".into(), node.name.clone());
    node.attributes.insert("#id".into(), node.id.clone());
    let is_dc: Arc<str> = if node.is_dc { "true" } else { "false" }.into();
    node.attributes.insert("#is_dc".into(), is_dc);
    if let Some(name) = cluster_name {
        node.attributes.insert("#cluster-name".into(), name);
    }
}

fn site_name(cluster: &mut Cluster, node: NodeIx) {
    let fallback = cluster.options.cluster_name.clone();
    let attributes = &mut cluster[node].attributes;
    if !attributes.contains_key("#site-name")
        && let Some(site) = attributes.get("site-name").cloned().or(fallback)
    {
        attributes.insert("#site-name".into(), site);
    }
}

/// `standby`, `maintenance` and discovery from attributes (I-39).
pub fn derive_flags(cluster: &mut Cluster, node: NodeIx) {
    if is_true(cluster[node].attr("standby")) {
        cluster[node].standby = true;
    }
    if is_true(cluster[node].attr("maintenance")) {
        cluster[node].maintenance = true;
    }
    let discovery = cluster[node].attr("resource-discovery-enabled").map(str::to_owned);
    if discovery.as_deref().and_then(parse_bool) == Some(false) {
        let guest = cluster.is_guest(node);
        if guest || (cluster[node].is_remote() && cluster.options.fencing) {
            cluster[node].discovery_enabled = false;
        } else {
            let name = cluster[node].name.clone();
            let text = format!(
                "Ignoring resource-discovery-enabled attribute for node {name} because it is \
                 neither a guest node nor a remote node with fencing enabled"
            );
            cluster.say(Severity::Notice, text);
        }
    }
}

/// True if a shutdown was requested (I-39).
pub fn shutdown_requested(node: &Node) -> bool {
    node.attr("shutdown").is_some_and(|v| v != "0")
}

/// True if termination was requested (I-40).
pub fn termination_requested(node: &Node) -> bool {
    node.attr("terminate").is_some_and(|v| {
        parse_bool(v) == Some(true) || v.starts_with(|c: char| c.is_ascii_digit() && c != '0')
    })
}
