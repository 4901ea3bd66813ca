//! Nodes and resources as XML (O-150, O-151).

use crm_core::cib::Element;
use crm_core::scheduler::model::{Cluster, NodeIx, NodeKind, RscIx, Variant};

use super::View;
use super::facts::{
    agent_name, any_in, is_active, is_disabled, is_listed, pending_state, printable_id, shown_role,
};
use super::nodes::{Health, health};
use super::resources::is_elsewhere;

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// The element `nodes`; with `grouped`, each node contains what runs on it.
pub fn nodes_element(cluster: &Cluster, view: &View, grouped: bool) -> Element {
    let mut list = Element::new("nodes");
    for &ix in cluster.node_order.iter().filter(|ix| view.wants_node(**ix)) {
        let mut element = node_element(cluster, ix);
        if grouped {
            for &rsc in &cluster[ix].running {
                element.push(primitive(cluster, view, rsc));
            }
        }
        list.push(element);
    }
    list
}

fn node_element(cluster: &Cluster, ix: NodeIx) -> Element {
    let node = &cluster[ix];
    let mut element = Element::new("node").with("name", &node.name).with("id", &node.id);
    let flags = [
        ("online", node.online),
        ("standby", node.standby),
        ("standby_onfail", node.standby_on_fail),
        ("maintenance", node.maintenance),
        ("pending", node.pending),
        ("unclean", node.unclean),
    ];
    for (name, value) in flags {
        element.set_attr(name, flag(value));
    }
    let health = match health(cluster, ix) {
        Health::Red => "red",
        Health::Yellow => "yellow",
        Health::Green => "green",
    };
    element.set_attr("health", health);
    if node.online && node.kind == NodeKind::Member {
        element.set_attr("feature_set", node.attr("#feature-set").unwrap_or("<3.15.1"));
    }
    let flags =
        [("shutdown", node.shutdown), ("expected_up", node.expected_up), ("is_dc", node.is_dc)];
    for (name, value) in flags {
        element.set_attr(name, flag(value));
    }
    element.set_attr("resources_running", node.running.len().to_string());
    let kind = match node.kind {
        NodeKind::Member => "member",
        NodeKind::Remote => "remote",
        NodeKind::Ping => "ping",
    };
    element.set_attr("type", kind);
    if let Some(container) = cluster.guest_container(ix) {
        element.set_attr("id_as_resource", &cluster[container].id);
    }
    element
}

/// The element `resources`; `None` if nothing is to be shown.
pub fn resources_element(cluster: &Cluster, view: &View) -> Option<Element> {
    let mut list = Element::new("resources");
    for &rsc in &cluster.top {
        let shown = is_listed(cluster, rsc, view.inactive);
        if shown && view.wants_resource(cluster, rsc) {
            list.push(resource(cluster, view, rsc));
        }
    }
    (!list.nodes().is_empty()).then_some(list)
}

fn resource(cluster: &Cluster, view: &View, rsc: RscIx) -> Element {
    match cluster[rsc].variant {
        Variant::Primitive => primitive(cluster, view, rsc),
        Variant::Group(_) => group(cluster, view, rsc),
        Variant::Clone(_) => clone(cluster, view, rsc),
        Variant::Bundle(_) => bundle(cluster, view, rsc),
    }
}

fn primitive(cluster: &Cluster, view: &View, rsc: RscIx) -> Element {
    let resource = &cluster[rsc];
    let pending = pending_state(resource).filter(|_| view.pending);
    let mut element = Element::new("resource")
        .with("id", printable_id(resource))
        .with("resource_agent", agent_name(&resource.agent))
        .with("role", pending.unwrap_or(shown_role(cluster, rsc).as_str()));
    if let Some(word) = resource.meta.get("target-role") {
        element.set_attr("target_role", word);
    }
    let flags = [
        ("active", is_active(cluster, rsc, true)),
        ("orphaned", resource.orphan),
        ("blocked", resource.blocked),
        ("managed", resource.managed),
        ("failed", resource.failed),
        ("failure_ignored", resource.failure_ignored),
    ];
    for (name, value) in flags {
        element.set_attr(name, flag(value));
    }
    element.set_attr("nodes_running_on", resource.active_on.len().to_string());
    if let Some(word) = super::facts::pending_flag(resource).filter(|_| view.pending) {
        element.set_attr("pending", word);
    }
    if let Some((node, _)) = resource.lock {
        element.set_attr("locked_to", &cluster[node].name);
    }
    for &node in &resource.active_on {
        let node = &cluster[node];
        element.push(
            Element::new("node")
                .with("name", &node.name)
                .with("id", &node.id)
                .with("cached", flag(node.online)),
        );
    }
    element
}

fn group(cluster: &Cluster, view: &View, rsc: RscIx) -> Element {
    let resource = &cluster[rsc];
    let mut element = Element::new("group")
        .with("id", &resource.id)
        .with("number_resources", resource.children.len().to_string())
        .with("managed", flag(resource.managed))
        .with("disabled", flag(is_disabled(cluster, rsc)));
    push_children(cluster, view, rsc, &mut element);
    element
}

fn clone(cluster: &Cluster, view: &View, rsc: RscIx) -> Element {
    let resource = &cluster[rsc];
    let mut element = Element::new("clone")
        .with("id", &resource.id)
        .with("multi_state", flag(resource.promotable))
        .with("unique", flag(resource.unique))
        .with("managed", flag(resource.managed))
        .with("disabled", flag(is_disabled(cluster, rsc)))
        .with("failed", flag(resource.failed))
        .with("failure_ignored", flag(resource.failure_ignored));
    let child = resource.children.first().and_then(|c| cluster[*c].meta.get("target-role"));
    if let Some(word) = resource.meta.get("target-role").or(child) {
        element.set_attr("target_role", word);
    }
    push_children(cluster, view, rsc, &mut element);
    element
}

fn push_children(cluster: &Cluster, view: &View, rsc: RscIx, element: &mut Element) {
    let is_clone = matches!(cluster[rsc].variant, Variant::Clone(_));
    for &child in &cluster[rsc].children {
        let elsewhere = is_clone && is_elsewhere(cluster, view, child);
        if view.wants_resource(cluster, child) && !elsewhere {
            element.push(resource(cluster, view, child));
        }
    }
}

fn bundle(cluster: &Cluster, view: &View, rsc: RscIx) -> Element {
    let resource = &cluster[rsc];
    let mut element = Element::new("bundle").with("id", &resource.id);
    let Some(bundle) = resource.bundle_data() else { return element };
    element.set_attr("type", &bundle.launcher);
    element.set_attr("image", &bundle.image);
    element.set_attr("unique", flag(resource.unique));
    element.set_attr("managed", flag(resource.managed));
    element.set_attr("failed", flag(any_in(cluster, rsc, |r| !r.is_primitive() && r.failed)));
    for replica in &bundle.replicas {
        let mut list = Element::new("replica").with("id", replica.number.to_string());
        let members = [replica.ip, replica.child, Some(replica.container), replica.connection];
        for member in members.into_iter().flatten() {
            list.push(primitive(cluster, view, member));
        }
        element.push(list);
    }
    element
}
