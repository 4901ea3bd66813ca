//! From the second generation to the third: properties, nodes, colocations.

use super::references::is_set;
use super::resources::{self, always_defined, has_rule};
use crate::cib::Element;
use crate::cib::schema::{GONE_PROPERTIES, GONE_STACKS};

/// 2.10 → 3.0 (I-21, I-22).
pub(super) fn third_generation(configuration: &mut Element) {
    properties(configuration);
    nodes(configuration);
    if let Some(resources) = configuration.child_mut("resources") {
        resources::resource_level(resources);
    }
    if let Some(constraints) = configuration.child_mut("constraints") {
        for constraint in constraints.children_mut() {
            if constraint.name() == "rsc_colocation" {
                constraint.remove_attr("score-attribute");
                constraint.remove_attr("score-attribute-mangle");
            }
        }
    }
}

/// What becomes of a pair.
enum Fate {
    Keep,
    Rename(String),
    Drop,
    /// To `op_defaults`, under this name.
    ToOperations(&'static str),
    /// To `rsc_defaults`, under this name, with this value.
    ToResources(&'static str, String),
}

fn property_fate(name: &str, value: &str) -> Fate {
    match name {
        "transition_idle_timeout" => Fate::Rename("cluster-delay".into()),
        "default-action-timeout" | "default_action_timeout" => Fate::ToOperations("timeout"),
        "default-resource-stickiness" | "default_resource_stickiness" => {
            Fate::ToResources("resource-stickiness", value.to_string())
        }
        "is-managed-default" | "is_managed_default" => {
            Fate::ToResources("is-managed", value.to_string())
        }
        "default-resource-failure-stickiness" | "default_resource_failure_stickiness"
            if value == "-INFINITY" =>
        {
            Fate::ToResources("migration-threshold", "1".to_string())
        }
        "default-resource-failure-stickiness"
        | "default_resource_failure_stickiness"
        | "default-migration-threshold"
        | "default_migration_threshold"
        | "expected-quorum-votes"
        | "notification-agent"
        | "notification-recipient" => Fate::Drop,
        "cluster-infrastructure" if GONE_STACKS.contains(&value) => Fate::Drop,
        "cluster-infrastructure" => Fate::Keep,
        // The others only changed their spelling.
        _ if GONE_PROPERTIES.contains(&name) => Fate::Rename(name.replace('_', "-")),
        _ => Fate::Keep,
    }
}

/// I-21
fn properties(configuration: &mut Element) {
    let mut operations: Vec<(String, &'static str, String)> = Vec::new();
    let mut resources: Vec<(String, &'static str, String)> = Vec::new();
    let Some(config) = configuration.child_mut("crm_config") else { return };
    for set in config.children_mut() {
        let mut dropped: Vec<String> = Vec::new();
        // Defaults that hold only at times have no place to go to.
        let ruled = has_rule(set);
        for pair in set.children_mut().filter(|p| p.name() == "nvpair") {
            let text = |n: &str| pair.attr(n).unwrap_or_default().to_string();
            let (id, name, value) = (text("id"), text("name"), text("value"));
            match property_fate(&name, &value) {
                Fate::Keep => {}
                Fate::Rename(new) => pair.set_attr("name", new),
                Fate::Drop => dropped.push(id),
                Fate::ToOperations(new) => {
                    if !ruled {
                        operations.push((id.clone(), new, value));
                    }
                    dropped.push(id);
                }
                Fate::ToResources(new, value) => {
                    if !ruled {
                        resources.push((id.clone(), new, value));
                    }
                    dropped.push(id);
                }
            }
        }
        drop_pairs(set, &dropped);
    }
    drop_empty(config);
    defaults(configuration, "op_defaults", operations);
    defaults(configuration, "rsc_defaults", resources);
}

fn drop_pairs(block: &mut Element, ids: &[String]) {
    block.retain(|pair| {
        pair.name() != "nvpair" || !ids.iter().any(|id| pair.id() == Some(id.as_str()))
    });
}

/// Sets of which nothing is left, or that never held anything, go.
fn drop_empty(parent: &mut Element) {
    parent.retain(|c| !is_set(c.name()) || c.child("nvpair").is_some());
}

/// Adds what no set that holds always defines there yet. Where there is a section but no set in it
/// that holds always, nothing is added, as in Pacemaker.
fn defaults(configuration: &mut Element, section: &str, pairs: Vec<(String, &str, String)>) {
    let defined = configuration.child(section).map(always_defined).unwrap_or_default();
    let mut added = Vec::new();
    for (id, name, value) in pairs {
        if !defined.iter().any(|d| d == name) {
            let pair = Element::new("nvpair").with("id", id).with("name", name);
            added.push(pair.with("value", value));
        }
    }
    if added.is_empty() {
        return;
    }
    let set = match configuration.child_mut(section) {
        Some(section) => section.find_child_mut(|c| c.name() == "meta_attributes" && !has_rule(c)),
        None => {
            let id = format!("{NEW_ID}-{}", section.replace('_', "-"));
            let section = configuration.child_or_insert(section);
            section.push(Element::new("meta_attributes").with("id", id));
            section.child_mut("meta_attributes")
        }
    };
    if let Some(set) = set {
        added.into_iter().for_each(|pair| set.push(pair));
    }
}

/// How the ids of what an upgrade adds begin, as in Pacemaker.
pub(super) const NEW_ID: &str = "_2TO3_";

fn nodes(configuration: &mut Element) {
    let Some(nodes) = configuration.child_mut("nodes") else { return };
    for node in nodes.children_mut() {
        if node.attr("type") == Some("normal") {
            node.set_attr("type", "member");
        }
    }
}
