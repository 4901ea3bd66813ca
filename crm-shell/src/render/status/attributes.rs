//! Node attributes (O-127).

use crm_core::cib::Element;
use crm_core::scheduler::model::{Cluster, NodeIx};

use super::{View, display_name};
use crate::render::report::Part;

/// Beginnings of names that are the cluster's own business.
const HIDDEN: [&str; 6] = ["fail-count", "last-failure", "shutdown", "terminate", "standby", "#"];

/// One attribute as shown.
struct Shown<'a> {
    name: &'a str,
    value: &'a str,
    /// What a ping resource would set if all its hosts answered.
    expected: Option<i64>,
}

fn shown(cluster: &Cluster, ix: NodeIx) -> Vec<Shown<'_>> {
    let visible = |name: &str| !HIDDEN.iter().any(|hidden| name.starts_with(hidden));
    cluster[ix]
        .attributes
        .iter()
        .filter(|(name, _)| visible(name))
        .map(|(name, value)| Shown { name, value, expected: expected(cluster, ix, name) })
        .collect()
}

/// Hosts × multiplier of the ping resource on the node that keeps the attribute.
fn expected(cluster: &Cluster, ix: NodeIx, name: &str) -> Option<i64> {
    cluster[ix].running.iter().find_map(|&rsc| {
        let resource = &cluster[rsc];
        if !matches!(&*resource.agent.kind, "ping" | "pingd") {
            return None;
        }
        let params = cluster.params(rsc, Some(ix));
        if params.get("name").unwrap_or("pingd") != name {
            return None;
        }
        let hosts = params.get("host_list")?.split_whitespace().count();
        let multiplier = params.get("multiplier").and_then(|m| m.parse().ok()).unwrap_or(1i64);
        Some(i64::try_from(hosts).unwrap_or(i64::MAX).saturating_mul(multiplier))
    })
}

fn wanted<'a>(
    cluster: &'a Cluster,
    view: &'a View,
) -> impl Iterator<Item = (NodeIx, Vec<Shown<'a>>)> + 'a {
    cluster
        .node_order
        .iter()
        .filter(|ix| cluster[**ix].online && view.wants_node(**ix))
        .map(|&ix| (ix, shown(cluster, ix)))
        .filter(|(_, attributes)| !attributes.is_empty())
}

/// The lists of the nodes that have attributes.
pub fn attribute_items(cluster: &Cluster, view: &View) -> Vec<Part> {
    let text = |a: &Shown<'_>| {
        let value: i64 = a.value.parse().unwrap_or(0);
        let note = match a.expected {
            Some(_) if value <= 0 => "\t: Connectivity is lost".to_string(),
            Some(expected) if value < expected => {
                format!("\t: Connectivity is degraded (Expected={expected})")
            }
            Some(_) | None => String::new(),
        };
        Part::item(format!("{:<32}\t: {:<10}{note}", a.name, a.value))
    };
    wanted(cluster, view)
        .map(|(ix, attributes)| {
            let title = format!("Node: {}", display_name(cluster, view, ix));
            Part::list(title, attributes.iter().map(text).collect())
        })
        .collect()
}

/// The element `node_attributes`; `None` if there are none.
pub fn attributes_element(cluster: &Cluster, view: &View) -> Option<Element> {
    let mut list = Element::new("node_attributes");
    for (ix, attributes) in wanted(cluster, view) {
        let mut node = Element::new("node").with("name", &cluster[ix].name);
        for attribute in attributes {
            let mut element = Element::new("attribute")
                .with("name", attribute.name)
                .with("value", attribute.value);
            if let Some(expected) = attribute.expected {
                element.set_attr("expected", expected.to_string());
            }
            node.push(element);
        }
        list.push(node);
    }
    (!list.nodes().is_empty()).then_some(list)
}
