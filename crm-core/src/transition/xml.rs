//! The graph as XML, the form in which Pacemaker stores and passes transitions.

use crate::cib::Element;

use super::graph::{Action, ActionKind, Graph, Presence};

impl Graph {
    /// The `transition_graph` element.
    pub fn to_element(&self) -> Element {
        let settings = &self.settings;
        let mut root = Element::new("transition_graph")
            .with("cluster-delay", &settings.cluster_delay)
            .with("stonith-timeout", &settings.stonith_timeout)
            .with("failed-stop-offset", &settings.failed_stop_offset)
            .with("failed-start-offset", &settings.failed_start_offset)
            .with("batch-limit", &settings.batch_limit)
            .with("transition_id", settings.transition_id.to_string());
        if let Some(limit) = &settings.migration_limit {
            root.set_attr("migration-limit", limit);
        }
        if let Some(time) = settings.recheck_by {
            root.set_attr("recheck-by", time.to_string());
        }
        for (number, (ix, action)) in self.included().enumerate() {
            let mut synapse = Element::new("synapse").with("id", number.to_string());
            if action.priority > 0 {
                synapse.set_attr("priority", action.priority.to_string());
            }
            synapse.push(Element::new("action_set").with_child(full(action)));
            let mut inputs = Element::new("inputs");
            for (first, presence) in self.predecessors(ix) {
                if let (Presence::Trigger, Some(first)) = (presence, self.get(first)) {
                    inputs.push(Element::new("trigger").with_child(short(first)));
                }
            }
            synapse.push(inputs);
            root.push(synapse);
        }
        root
    }
}

/// The element of an action without what only its executor needs.
fn short(action: &Action) -> Element {
    let mut element = Element::new(action.kind.tag());
    if action.kind == ActionKind::CibEvent {
        element.set_attr("mode", "cib");
    }
    element.set_attr("id", action.id.to_string());
    element.set_attr("operation", &action.operation);
    element.set_attr("operation_key", &action.key);
    if let Some(key) = &action.internal_key {
        element.set_attr("internal_operation_key", key);
    }
    let shows_node = action.kind != ActionKind::Pseudo || action.operation == "stonith";
    if let (Some(node), true) = (&action.node, shows_node) {
        element.set_attr("on_node", &node.name);
        element.set_attr("on_node_uuid", &node.id);
        if let Some(router) = &action.router {
            element.set_attr("router_node", router);
        }
    }
    element
}

/// The complete element of an action.
fn full(action: &Action) -> Element {
    let mut element = short(action);
    if let Some(time) = action.shutdown_lock {
        element.set_attr("shutdown-lock", time.to_string());
    }
    if let Some(resource) = &action.resource {
        let mut description = Element::new("primitive").with("id", &resource.id);
        if let Some(long_id) = &resource.long_id {
            description.set_attr("long-id", long_id);
        }
        description.set_attr("class", &resource.agent.class);
        if let Some(provider) = &resource.agent.provider {
            description.set_attr("provider", provider);
        }
        description.set_attr("type", &resource.agent.kind);
        element.push(description);
    }
    element.push(attributes(action));
    if !action.downed.is_empty() {
        let mut downed = Element::new("downed");
        for id in &action.downed {
            downed.push(Element::new("node").with("id", id));
        }
        element.push(downed);
    }
    if !action.maintenance.is_empty() {
        let mut maintenance = Element::new("maintenance");
        for (id, on) in &action.maintenance {
            let value = if *on { "1" } else { "0" };
            maintenance
                .push(Element::new("node").with("id", id).with("node_in_maintenance", value));
        }
        element.push(maintenance);
    }
    element
}

/// The `attributes` element: names that XML does not allow become `param` children.
fn attributes(action: &Action) -> Element {
    let mut element = Element::new("attributes");
    for (name, value) in &action.attributes {
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            element.push(Element::new("param").with("name", name).with("value", value));
        } else {
            element.set_attr(name, value);
        }
    }
    element
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::action;
    use super::super::{Graph, Mark, NodeRef, Presence};

    #[test]
    fn one_synapse_an_action_and_blocked_ones_only_as_triggers() {
        let mut graph = Graph::default();
        let mut probe = action(2, "a_monitor_0", Mark::Included);
        probe.node = Some(NodeRef { name: "n1".into(), id: "1".into() });
        probe.attributes.insert("1st".into(), "x".into());
        probe.priority = 5;
        let probe = graph.add(probe);
        let held = graph.add(action(1, "b_stop_0", Mark::Blocked));
        graph.order(held, probe, Presence::Trigger);
        let xml = graph.to_element().to_string();
        assert_eq!(
            xml,
            "<transition_graph cluster-delay=\"60s\" stonith-timeout=\"60s\" \
             failed-stop-offset=\"INFINITY\" failed-start-offset=\"INFINITY\" batch-limit=\"0\" \
             transition_id=\"0\"><synapse id=\"0\" priority=\"5\"><action_set><rsc_op id=\"2\" \
             operation=\"start\" operation_key=\"a_monitor_0\" on_node=\"n1\" on_node_uuid=\"1\">\
             <attributes><param name=\"1st\" value=\"x\"/></attributes></rsc_op></action_set>\
             <inputs><trigger><rsc_op id=\"1\" operation=\"start\" operation_key=\"b_stop_0\"/>\
             </trigger></inputs></synapse></transition_graph>"
        );
    }
}
