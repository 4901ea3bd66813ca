//! Sets that only refer to others, while a document is upgraded.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cib::{Child, Element};

/// How the id of a set begins that stands, during an upgrade, for a reference to another one.
const COPY: &str = "_cibtr-2_";

pub(super) fn is_set(name: &str) -> bool {
    matches!(name, "cluster_property_set" | "meta_attributes" | "instance_attributes")
}

/// The sets of a document by kind and id; none where several have the same.
struct Sets<'a>(HashMap<(&'a str, &'a str), Option<&'a Element>>);

impl<'a> Sets<'a> {
    fn of(document: &'a Element) -> Sets<'a> {
        let mut sets = HashMap::new();
        for set in document.descendants().filter(|e| is_set(e.name())) {
            if let Some(id) = set.id() {
                let entry = sets.entry((set.name(), id));
                entry.and_modify(|known| *known = None).or_insert(Some(set));
            }
        }
        Sets(sets)
    }

    fn get(&self, kind: &str, id: &str) -> Option<&'a Element> {
        self.0.get(&(kind, id)).copied().flatten()
    }
}

/// The document with copies in place of sets that only refer to others, since what is obsolete in
/// a set may depend on where it stands; none if a reference leads nowhere.
pub(super) fn unfolded(document: &Element) -> Option<Element> {
    fn copy(element: &Element, sets: &Sets<'_>, prefix: &str) -> Option<Element> {
        let reference = element.attr("id-ref").filter(|_| is_set(element.name()));
        let (source, prefix) = match reference {
            Some(id) => (sets.get(element.name(), id)?, format!("_{COPY}{id}__")),
            None => (element, prefix.to_string()),
        };
        let mut out = Element::new(source.name());
        for (name, value) in source.attrs() {
            match (name, reference) {
                ("id", Some(_)) => out.set_attr("id", format!("{COPY}{value}")),
                ("id", None) if source.name() != "resource_ref" => {
                    out.set_attr("id", format!("{prefix}{value}"));
                }
                _ => out.set_attr(name, value),
            }
        }
        for node in source.nodes() {
            out.nodes_mut().push(match node {
                Child::Element(child) => Child::Element(Arc::new(copy(child, sets, &prefix)?)),
                other => other.clone(),
            });
        }
        Some(out)
    }
    if !document.descendants().any(|e| is_set(e.name()) && e.attr("id-ref").is_some()) {
        return Some(document.clone());
    }
    copy(document, &Sets::of(document), "")
}

/// The document with references in place of copies that still say the same as their originals.
pub(super) fn folded(document: &Element) -> Element {
    fn alike(one: &Element, other: &Element) -> bool {
        let attributes = |e: &Element| -> Vec<(String, String)> {
            let own = e.attrs().filter(|(name, _)| *name != "id");
            own.map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        attributes(one) == attributes(other)
            && one.children().count() == other.children().count()
            && one
                .children()
                .zip(other.children())
                .all(|(a, b)| a.name() == b.name() && alike(a, b))
    }
    fn fold(element: &Element, sets: &Sets<'_>) -> Element {
        let copied = element.id().and_then(|id| id.strip_prefix(COPY));
        if let Some(id) = copied.filter(|_| is_set(element.name()))
            && sets.get(element.name(), id).is_some_and(|o| alike(o, element))
        {
            return Element::new(element.name()).with("id-ref", id);
        }
        let mut out = element.clone();
        for child in out.children_mut() {
            *child = fold(child, sets);
        }
        out
    }
    if !document.descendants().any(|e| e.id().is_some_and(|id| id.starts_with(COPY))) {
        return document.clone();
    }
    fold(document, &Sets::of(document))
}
