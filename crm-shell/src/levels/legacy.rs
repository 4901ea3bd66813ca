//! Dumps of older clusters, brought to today's words.

use crm_core::cib::Element;

use crate::language::{Kind, Statement};

/// Properties that the cluster itself writes, or that are gone.
const DROPPED: &[(&str, &str)] = &[
    ("expected-quorum-votes", "votes stand in cluster.conf now"),
    ("dc-version", "the cluster writes it"),
    ("cluster-infrastructure", "the cluster writes it"),
    ("cluster-name", "it stands in cluster.conf"),
    ("last-lrm-refresh", "the cluster writes it"),
    ("have-watchdog", "the cluster writes it"),
    ("stop-all-resources-on-quorum-loss", "no-quorum-policy says it"),
    ("startup-fencing-default", "it is gone"),
    ("remove-after-stop", "it is gone"),
    ("short-resource-names", "it is gone"),
    ("transition-idle-timeout", "it is gone"),
    ("default-action-timeout", "op_defaults timeout says it"),
];

/// Properties that have another name.
const RENAMED: &[(&str, &str)] = &[
    ("no_quorum_policy", "no-quorum-policy"),
    ("stonith_enabled", "stonith-enabled"),
    ("symmetric_cluster", "symmetric-cluster"),
    ("stonith_action", "stonith-action"),
    ("transition_idle_timeout", "cluster-delay"),
];

/// Properties that are defaults of resources now.
const MOVED: &[(&str, &str)] = &[
    ("default-resource-stickiness", "resource-stickiness"),
    ("default_resource_stickiness", "resource-stickiness"),
    ("default-migration-threshold", "migration-threshold"),
    ("default-resource-failure-stickiness", ""),
    ("default_resource_failure_stickiness", ""),
    ("is-managed-default", "is-managed"),
    ("is_managed_default", "is-managed"),
];

const META: &[(&str, &str)] = &[
    ("master-max", "promoted-max"),
    ("master-node-max", "promoted-node-max"),
    ("master_max", "promoted-max"),
    ("master_node_max", "promoted-node-max"),
];

/// Translates statements in place; what was done, a line each.
pub fn translate<'a>(statements: impl Iterator<Item = &'a mut Statement>) -> Vec<String> {
    let mut said = Vec::new();
    for statement in statements {
        let id = statement.id.as_ref().map(|i| i.id.clone()).unwrap_or_default();
        if statement.kind == Kind::Property {
            properties(statement, &mut said);
        }
        if statement.kind == Kind::Master {
            statement.kind = Kind::Clone;
            statement.element.rename("clone");
            promotable(&mut statement.element, &id);
            said.push(format!("{id}: ms is a clone with promotable=true now"));
        }
        let mut changes = Vec::new();
        words(&mut statement.element, &mut changes);
        for inner in &mut statement.embedded {
            words(inner, &mut changes);
        }
        changes.sort();
        changes.dedup();
        said.extend(changes.into_iter().map(|c| format!("{id}: {c}")));
    }
    said
}

fn promotable(element: &mut Element, id: &str) {
    let set = format!("{id}-meta_attributes");
    let pair = Element::new("nvpair")
        .with("id", format!("{set}-promotable"))
        .with("name", "promotable")
        .with("value", "true");
    if let Some(meta) = element.find_child_mut(|c| c.name() == "meta_attributes") {
        meta.push(pair);
        return;
    }
    let meta = Element::new("meta_attributes").with("id", set).with_child(pair);
    element.push(meta);
}

fn properties(statement: &mut Statement, said: &mut Vec<String>) {
    let gone: Vec<(String, String)> = statement
        .element
        .children()
        .filter_map(|p| {
            let name = p.attr("name")?;
            let dropped = DROPPED.iter().find(|(n, _)| *n == name).map(|(_, why)| why.to_string());
            let moved = MOVED.iter().find(|(n, _)| *n == name).map(|(_, to)| match *to {
                "" => "it is gone; migration-threshold says it".to_string(),
                to => format!(
                    "set it with 'rsc_defaults {to}={}'",
                    p.attr("value").unwrap_or_default()
                ),
            });
            Some((name.to_string(), dropped.or(moved)?))
        })
        .collect();
    statement.element.retain(|p| {
        let name = p.attr("name").unwrap_or_default();
        !gone.iter().any(|(g, _)| g == name)
    });
    said.extend(gone.into_iter().map(|(name, why)| format!("property {name} is left out: {why}")));
    for pair in statement.element.children_mut() {
        let name = pair.attr("name").unwrap_or_default().to_string();
        if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == name) {
            pair.set_attr("name", new);
            said.push(format!("property {name} is {new} now"));
        }
    }
}

/// Roles and meta attributes in an element and everything in it.
fn words(element: &mut Element, said: &mut Vec<String>) {
    for attribute in ["role", "rsc-role", "with-rsc-role"] {
        let new = match element.attr(attribute) {
            Some("Master") => "Promoted",
            Some("Slave") => "Unpromoted",
            _ => continue,
        };
        let old = element.attr(attribute).unwrap_or_default().to_string();
        element.set_attr(attribute, new);
        said.push(format!("role {old} is {new} now"));
    }
    if element.name() == "nvpair" {
        let name = element.attr("name").unwrap_or_default().to_string();
        if let Some((_, new)) = META.iter().find(|(old, _)| *old == name) {
            element.set_attr("name", new);
            said.push(format!("{name} is {new} now"));
        }
        if name == "target-role" {
            let new = match element.attr("value") {
                Some("Master") => Some("Promoted"),
                Some("Slave") => Some("Unpromoted"),
                _ => None,
            };
            if let Some(new) = new {
                element.set_attr("value", new);
                said.push(format!("target-role is {new} now"));
            }
        }
    }
    element.children_mut().for_each(|c| words(c, said));
}
