//! What a simulation did (O-48, O-54) and what was injected before it (O-29).

use crm_core::cib::Element;
use crm_core::transition::{AttributeChange, Change, NodeChange, Step, TicketChange};

use crate::render::report::Part;

/// A step as a part of the list; `None` for what goes to standard error.
pub fn step_part(step: &Step) -> Option<Part> {
    Some(match step {
        Step::Pseudo { key, node: None } => Part::item(format!("Pseudo action:   {key}")),
        Step::Pseudo { key, node: Some(node) } => {
            Part::item(format!("Pseudo action:   {key} on {node}"))
        }
        Step::Resource { resource, task, interval_ms: 0, node } => {
            Part::item(format!("Resource action: {resource:<15} {task} on {node}"))
        }
        Step::Resource { resource, task, interval_ms, node } => {
            Part::item(format!("Resource action: {resource:<15} {task}={interval_ms} on {node}"))
        }
        Step::Cluster { task, resource: None, node } => {
            Part::item(format!("Cluster action:  {task} on {node}"))
        }
        Step::Cluster { task, resource: Some(resource), node } => {
            Part::item(format!("Cluster action:  {task} for {resource} on {node}"))
        }
        Step::Fencing { node, operation } => Part::item(format!("Fencing {node} ({operation})")),
        Step::Pretended { id, rc } => {
            Part::Line(format!("Pretending action {id} failed with rc={rc}"))
        }
        Step::Attribute(attribute) => Part::item(attribute_text(attribute)),
        Step::Refused(_) => return None,
    })
}

/// A step as a child of `transition`; `None` for what XML leaves out.
pub fn step_element(step: &Step) -> Option<Element> {
    Some(match step {
        Step::Pseudo { key, node } => {
            let mut element = Element::new("pseudo_action").with("task", key);
            if let Some(node) = node {
                element.set_attr("node", node);
            }
            element
        }
        Step::Resource { resource, task, interval_ms, node } => {
            let mut element = Element::new("rsc_action")
                .with("resource", resource)
                .with("op", task)
                .with("node", node);
            if *interval_ms > 0 {
                element.set_attr("interval", interval_ms.to_string());
            }
            element
        }
        Step::Cluster { task, resource, node } => {
            let mut element = Element::new("cluster_action").with("task", task).with("node", node);
            if let Some(resource) = resource {
                element.set_attr("id", resource);
            }
            element
        }
        Step::Fencing { node, operation } => {
            Element::new("fencing_action").with("target", node).with("op", operation)
        }
        Step::Attribute(attribute) => attribute_element(attribute),
        Step::Pretended { .. } | Step::Refused(_) => return None,
    })
}

/// The items of the list of modifications.
pub fn change_items(changes: &[Change]) -> Vec<Part> {
    let text = |change: &Change| {
        Some(match change {
            Change::Quorum(value) => format!("Setting quorum: {value}"),
            Change::Watchdog(value) => format!("Setting watchdog: {value}"),
            Change::Node(NodeChange::Online, node) => format!("Bringing node {node} online"),
            Change::Node(NodeChange::Offline, node) => format!("Taking node {node} offline"),
            Change::Node(NodeChange::Failing, node) => format!("Failing node {node}"),
            Change::Ticket(TicketChange::Granting, id) => format!("Granting ticket {id}"),
            Change::Ticket(TicketChange::Revoking, id) => format!("Revoking ticket {id}"),
            Change::Ticket(TicketChange::Standby, id) => format!("Making ticket {id} standby"),
            Change::Ticket(TicketChange::Activating, id) => format!("Activating ticket {id}"),
            Change::Operation(spec) => format!("Injecting {spec} into the configuration"),
            Change::Attribute(attribute) => attribute_text(attribute),
            Change::Refused(_) => return None,
        })
    };
    changes.iter().filter_map(text).map(Part::item).collect()
}

/// A change as a child of `modifications`; `None` for what are attributes of that element.
pub fn change_element(change: &Change) -> Option<Element> {
    Some(match change {
        Change::Node(how, node) => {
            let action = match how {
                NodeChange::Online => "Online",
                NodeChange::Offline => "Offline",
                NodeChange::Failing => "Failing",
            };
            Element::new("modify_node").with("action", action).with("node", node)
        }
        Change::Ticket(how, ticket) => {
            let action = match how {
                TicketChange::Granting => "Granting",
                TicketChange::Revoking => "Revoking",
                TicketChange::Standby => "Standby",
                TicketChange::Activating => "Activating",
            };
            Element::new("modify_ticket").with("action", action).with("ticket", ticket)
        }
        Change::Operation(spec) => Element::new("inject_spec").with("spec", spec),
        Change::Attribute(attribute) => attribute_element(attribute),
        Change::Quorum(_) | Change::Watchdog(_) | Change::Refused(_) => return None,
    })
}

fn attribute_text(attribute: &AttributeChange) -> String {
    let AttributeChange { name, value, node_id } = attribute;
    format!("Injecting attribute {name}={value} into /node_state '{node_id}'")
}

fn attribute_element(attribute: &AttributeChange) -> Element {
    Element::new("inject_attr")
        .with("name", &attribute.name)
        .with("value", &attribute.value)
        .with("node_path", "/node_state")
        .with("cib_node", &attribute.node_id)
}
