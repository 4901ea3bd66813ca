//! The shape of the document: known attributes, their values, unique ids, references that lead
//! somewhere. The rules are those of Pacemaker's schema in the version that the document names.

use std::collections::BTreeSet;

use crm_core::cib::Element;

use crate::configuration::Configuration;
use crate::language::{SchemaVersion, is_reference, numeric_score, vocabulary::ROLES};

use super::Finding;

const ON_FAIL: &[&str] =
    &["ignore", "block", "demote", "stop", "restart", "standby", "fence", "restart-container"];
const ACTIONS: &[&str] = &["start", "promote", "demote", "stop"];
const BOOLEANS: &[&str] = &["true", "false", "1", "0"];

/// What an attribute may hold.
enum Value {
    Text,
    Score,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// The id of something else.
    Reference,
    Boolean,
}

/// (element, its attributes beside `id`); other elements are not looked at.
const SHAPES: &[(&str, &[(&str, Value)])] = &[
    (
        "rsc_location",
        &[
            ("rsc", Value::Reference),
            ("rsc-pattern", Value::Text),
            ("role", Value::OneOf(ROLES)),
            ("node", Value::Text),
            ("score", Value::Score),
            ("resource-discovery", Value::OneOf(&["always", "never", "exclusive"])),
        ],
    ),
    (
        "rsc_colocation",
        &[
            ("rsc", Value::Reference),
            ("with-rsc", Value::Reference),
            ("rsc-role", Value::OneOf(ROLES)),
            ("with-rsc-role", Value::OneOf(ROLES)),
            ("score", Value::Score),
            ("score-attribute", Value::Text),
            ("score-attribute-mangle", Value::Text),
            ("node-attribute", Value::Text),
            ("influence", Value::Boolean),
        ],
    ),
    (
        "rsc_order",
        &[
            ("first", Value::Reference),
            ("then", Value::Reference),
            ("first-action", Value::OneOf(ACTIONS)),
            ("then-action", Value::OneOf(ACTIONS)),
            ("kind", Value::OneOf(&["Optional", "Mandatory", "Serialize"])),
            ("score", Value::Score),
            ("symmetrical", Value::Boolean),
            ("require-all", Value::Boolean),
        ],
    ),
    (
        "rsc_ticket",
        &[
            ("rsc", Value::Reference),
            ("rsc-role", Value::OneOf(ROLES)),
            ("ticket", Value::Text),
            ("loss-policy", Value::OneOf(&["stop", "demote", "fence", "freeze"])),
        ],
    ),
    (
        "resource_set",
        &[
            ("id-ref", Value::Reference),
            ("sequential", Value::Boolean),
            ("require-all", Value::Boolean),
            ("action", Value::OneOf(ACTIONS)),
            ("role", Value::OneOf(ROLES)),
            ("score", Value::Score),
            ("kind", Value::Text),
            ("ordering", Value::Text),
        ],
    ),
    (
        "op",
        &[
            ("name", Value::Text),
            ("description", Value::Text),
            ("interval", Value::Text),
            ("timeout", Value::Text),
            ("start-delay", Value::Text),
            ("interval-origin", Value::Text),
            ("enabled", Value::Boolean),
            ("record-pending", Value::Boolean),
            ("role", Value::OneOf(ROLES)),
            ("on-fail", Value::OneOf(ON_FAIL)),
            ("requires", Value::Text),
            ("id-ref", Value::Reference),
        ],
    ),
];

/// Properties that schema 3.0 and later refuse.
const DROPPED_PROPERTIES: &[&str] = &[
    "cluster_recheck_interval",
    "dc_deadtime",
    "default-action-timeout",
    "default_action_timeout",
    "default-migration-threshold",
    "default_migration_threshold",
    "default-resource-failure-stickiness",
    "default_resource_failure_stickiness",
    "default-resource-stickiness",
    "default_resource_stickiness",
    "election_timeout",
    "expected-quorum-votes",
    "is-managed-default",
    "is_managed_default",
    "no_quorum_policy",
    "notification-agent",
    "notification-recipient",
    "remove_after_stop",
    "shutdown_escalation",
    "startup_fencing",
    "stonith_action",
    "stonith_enabled",
    "stop_orphan_actions",
    "stop_orphan_resources",
    "symmetric_cluster",
    "transition_idle_timeout",
];
const OLD_STACKS: &[&str] =
    &["heartbeat", "openais", "classic openais", "classic openais (with plugin)", "cman"];

/// Everything that does not fit the schema.
pub fn check(configuration: &Configuration) -> Vec<Finding> {
    let root = configuration.root();
    let version = SchemaVersion::parse(configuration.schema_name());
    let mut out = Vec::new();
    let mut ids = BTreeSet::new();
    for element in root.descendants().filter(|e| !is_reference(e.name())) {
        // A remote node may have the name of its connection.
        if let Some(id) = element.id()
            && !ids.insert(id)
            && element.name() != "node"
            && root.child("nodes").is_none_or(|n| n.children().all(|n| n.id() != Some(id)))
        {
            out.push(Finding::error(format!(
                "schema: the id '{id}' is there more than once; <{}> cannot have it",
                element.name()
            )));
        }
    }
    for object in configuration.objects() {
        for element in object.element.descendants() {
            shape(object.id, element, version, &ids, &mut out);
        }
    }
    if version >= SchemaVersion(3, 0) {
        properties(root, &mut out);
    }
    out.dedup();
    out
}

fn shape(
    owner: &str,
    e: &Element,
    version: SchemaVersion,
    ids: &BTreeSet<&str>,
    out: &mut Vec<Finding>,
) {
    if let Some((_, attributes)) = SHAPES.iter().find(|(tag, _)| *tag == e.name()) {
        let modern = version >= SchemaVersion(3, 0);
        for (name, value) in e.attrs().filter(|(n, _)| *n != "id") {
            match attributes.iter().find(|(n, _)| *n == name) {
                Some((_, kind)) => {
                    if let Some(wrong) = wrong_value(kind, name, value, ids) {
                        out.push(Finding::error(format!("{owner}: {wrong}")).about(value));
                    }
                }
                None if modern => out.push(
                    Finding::error(format!(
                        "{owner}: the schema has no '{name}' for <{}>",
                        e.name()
                    ))
                    .about(name),
                ),
                None => {}
            }
        }
    }
    if let Some(reference) = e.attr("id-ref").filter(|r| !ids.contains(r)) {
        out.push(
            Finding::error(format!("{owner}: $id-ref={reference}: not found")).about(reference),
        );
    }
    if let Some(template) = e.attr("template").filter(|t| !ids.contains(t)) {
        out.push(
            Finding::error(format!("{owner}: @{template} references an unknown ID '{template}'"))
                .about(template),
        );
    }
    match e.name() {
        "resource_ref" => {
            if let Some(id) = e.id().filter(|id| !ids.contains(id)) {
                out.push(
                    Finding::error(format!("{owner}: the set references an unknown ID '{id}'"))
                        .about(id),
                );
            }
        }
        "docker" | "podman" | "rkt" if e.attr("image").is_none() => {
            out.push(Finding::error(format!("{owner}: schema: a container needs image=...")));
        }
        "rkt" if version >= SchemaVersion(3, 8) => {
            out.push(Finding::error(format!("{owner}: schema: containers of type rkt are gone")));
        }
        "acl_user" if version >= SchemaVersion(2, 0) => {
            out.push(Finding::error(format!(
                "{owner}: user is not supported by this schema; use acl_target"
            )));
        }
        _ => {}
    }
}

fn wrong_value(kind: &Value, name: &str, value: &str, ids: &BTreeSet<&str>) -> Option<String> {
    match kind {
        Value::Text => None,
        Value::Score => numeric_score(value)
            .is_none()
            .then(|| format!("schema: score '{value}' is neither a number nor INFINITY")),
        Value::OneOf(words) => (!words.contains(&value))
            .then(|| format!("schema: {name} '{value}' is none of {}", words.join(", "))),
        Value::Boolean => (!BOOLEANS.contains(&value))
            .then(|| format!("schema: {name} '{value}' is neither true nor false")),
        Value::Reference => {
            (!ids.contains(value)).then(|| format!("{name} references an unknown ID '{value}'"))
        }
    }
}

fn properties(root: &Element, out: &mut Vec<Finding>) {
    let sets = root.child("crm_config").into_iter().flat_map(Element::children);
    for pair in sets.flat_map(Element::children).filter(|c| c.name() == "nvpair") {
        let (name, value) = (pair.attr("name").unwrap_or_default(), pair.attr("value"));
        let old_stack =
            name == "cluster-infrastructure" && value.is_some_and(|v| OLD_STACKS.contains(&v));
        if DROPPED_PROPERTIES.contains(&name) || old_stack {
            out.push(
                Finding::error(format!(
                    "property {name}: this schema does not have {} any more",
                    if old_stack { "such a stack" } else { "it" }
                ))
                .about(name)
                .help("leave it out; nothing uses it"),
            );
        }
    }
}
