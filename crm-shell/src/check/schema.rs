//! The shape of the document: known elements and attributes, their values, unique ids,
//! references that lead somewhere. What is allowed is said by the schema that the document names
//! ([`crm_core::cib::schema`]); here it gets the words of the configuration.

use std::collections::BTreeSet;

use crm_core::cib::Element;
use crm_core::cib::schema::{Schema, Violation};

use crate::configuration::Configuration;
use crate::language::is_reference;

use super::Finding;

/// Everything that does not fit the schema.
pub fn check(configuration: &Configuration) -> Vec<Finding> {
    let root = configuration.root();
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
            references(object.id, element, &ids, &mut out);
        }
    }
    match Schema::named(configuration.schema_name()) {
        Some(schema) => {
            // What was said above in better words is not said again.
            let said = |v: &Violation| {
                let about = v.about.as_deref().unwrap_or_default();
                v.is_identity() && out.iter().any(|f| f.text.contains(&format!("'{about}'")))
            };
            let fresh: Vec<Violation> =
                schema.check(&configuration.document()).into_iter().filter(|v| !said(v)).collect();
            out.extend(fresh.iter().map(|v| finding(v, configuration)));
        }
        None => out
            .push(Finding::error(format!("there is no schema '{}'", configuration.schema_name()))),
    }
    out.dedup();
    out
}

fn finding(violation: &Violation, configuration: &Configuration) -> Finding {
    let owner = violation.id.as_deref().and_then(|id| owner_of(configuration, id));
    let text = match owner {
        Some(owner) if violation.id.as_deref() == Some(&*owner) => {
            format!("{owner}: schema: {}", violation.text)
        }
        Some(owner) => format!("{owner}: schema: {violation}"),
        None => format!("schema: {violation}"),
    };
    match &violation.about {
        Some(about) => Finding::error(text).about(about),
        None => Finding::error(text),
    }
}

/// The innermost object that contains the element of this id.
fn owner_of(configuration: &Configuration, id: &str) -> Option<String> {
    let objects = configuration.objects();
    let holds = |e: &Element| e.find_id(id).is_some();
    let found = objects.iter().rev().find(|o| holds(o.element));
    found.map(|o| o.id.to_string())
}

fn references(owner: &str, e: &Element, ids: &BTreeSet<&str>, out: &mut Vec<Finding>) {
    for name in ["rsc", "with-rsc", "first", "then"] {
        if e.name().starts_with("rsc_")
            && let Some(value) = e.attr(name).filter(|v| !ids.contains(v))
        {
            let text = format!("{owner}: {name} references an unknown ID '{value}'");
            out.push(Finding::error(text).about(value));
        }
    }
    if let Some(reference) = e.attr("id-ref").filter(|r| !ids.contains(r)) {
        let text = format!("{owner}: $id-ref={reference}: '{reference}' not found");
        out.push(Finding::error(text).about(reference));
    }
    if let Some(template) = e.attr("template").filter(|t| !ids.contains(t)) {
        let text = format!("{owner}: @{template} references an unknown ID '{template}'");
        out.push(Finding::error(text).about(template));
    }
    if e.name() == "resource_ref"
        && let Some(id) = e.id().filter(|id| !ids.contains(id))
    {
        let text = format!("{owner}: the set references an unknown ID '{id}'");
        out.push(Finding::error(text).about(id));
    }
}
