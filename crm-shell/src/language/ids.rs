//! Automatic ids, with the names and the suffixes that crmsh gives, so that dumps stay comparable.
//!
//! An element that replaces another one keeps the ids of whatever it still has in common.

use std::collections::BTreeSet;

use crm_core::cib::Element;

/// Every id of a document, and the making of new ones.
#[derive(Clone, Debug, Default)]
pub struct IdStore {
    used: BTreeSet<String>,
}

impl IdStore {
    /// All ids below (and of) an element.
    pub fn of(root: &Element) -> IdStore {
        let mut store = IdStore::default();
        store.add(root);
        store
    }

    /// Adds all ids of an element.
    pub fn add(&mut self, root: &Element) {
        let ids = root.descendants().filter(|e| !is_reference(e.name())).filter_map(Element::id);
        self.used.extend(ids.map(str::to_string));
    }

    /// Removes all ids of an element.
    pub fn remove(&mut self, root: &Element) {
        for id in root.descendants().filter(|e| !is_reference(e.name())).filter_map(Element::id) {
            self.used.remove(id);
        }
    }

    /// True if something has this id.
    pub fn contains(&self, id: &str) -> bool {
        self.used.contains(id)
    }

    /// Takes `wanted`, or `wanted-0`, `wanted-1`, ... if it is in use.
    fn take(&mut self, wanted: String) -> String {
        if self.used.insert(wanted.clone()) {
            return wanted;
        }
        let free = (0..).map(|n: u32| format!("{wanted}-{n}")).find(|id| !self.used.contains(id));
        let id = free.unwrap_or(wanted);
        self.used.insert(id.clone());
        id
    }
}

/// Elements whose `id` names another object.
pub fn is_reference(tag: &str) -> bool {
    matches!(tag, "resource_ref" | "obj_ref" | "role" | "role_ref")
}

/// Elements that have no id.
fn is_without_id(tag: &str) -> bool {
    is_reference(tag)
        || matches!(
            tag,
            "operations"
                | "fencing-topology"
                | "network"
                | "docker"
                | "podman"
                | "rkt"
                | "storage"
                | "select"
                | "select_attributes"
                | "select_fencing"
                | "select_nodes"
                | "select_resources"
        )
}

/// The attributes that make two elements "the same" when ids are carried over.
fn identity(tag: &str) -> &'static [&'static str] {
    match tag {
        "node" => &["uname"],
        "nvpair" => &["name"],
        "op" => &["name", "interval"],
        "rule" => &["score", "score-attribute", "role"],
        "expression" => &["attribute", "operation", "value"],
        "fencing-level" => &["target", "devices"],
        "alert" => &["path"],
        "recipient" => &["value"],
        _ => &[],
    }
}

/// Gives ids to everything inside `element` that has none, carrying over those of `old`.
///
/// The id of `element` itself must be set (or not needed) already.
pub fn assign(element: &mut Element, old: Option<&Element>, store: &mut IdStore) {
    let prefix = prefix_of(element).unwrap_or_else(|| "fencing".to_string());
    let mut taken = BTreeSet::new();
    for child in element.children_mut() {
        walk(child, old, &prefix, store, &mut taken);
    }
}

fn prefix_of(element: &Element) -> Option<String> {
    if element.name() == "node" {
        return element.attr("uname").map(str::to_string);
    }
    element.id().map(str::to_string)
}

fn walk(
    element: &mut Element,
    old: Option<&Element>,
    prefix: &str,
    store: &mut IdStore,
    taken: &mut BTreeSet<String>,
) {
    let same = old.and_then(|o| counterpart(element, o, taken));
    let wants_id = !is_without_id(element.name()) && element.attr("id-ref").is_none();
    if wants_id {
        if let Some(id) = element.id() {
            store.used.insert(id.to_string());
        } else if let Some(id) = same.and_then(Element::id) {
            element.set_attr("id", id);
        } else {
            let id = automatic(element, prefix);
            let id = store.take(id);
            element.set_attr("id", id);
        }
        if let (Some(id), Some(kept)) = (element.id(), same.and_then(Element::id))
            && id == kept
        {
            taken.insert(id.to_string());
        }
    }
    let prefix = prefix_of(element).unwrap_or_else(|| prefix.to_string());
    for child in element.children_mut() {
        walk(child, same.or(old), &prefix, store, taken);
    }
}

fn counterpart<'o>(
    element: &Element,
    old: &'o Element,
    taken: &BTreeSet<String>,
) -> Option<&'o Element> {
    old.children_named_static(element.name()).find(|candidate| {
        let free = candidate.id().is_none_or(|id| !taken.contains(id));
        let same_id = element.id().is_none_or(|id| candidate.id() == Some(id));
        let same = identity(element.name()).iter().all(|a| element.attr(a) == candidate.attr(a));
        free && same_id && same
    })
}

/// Children by a tag that need not live as long as the element.
trait ChildrenNamed {
    fn children_named_static<'o>(&'o self, name: &str) -> impl Iterator<Item = &'o Element>;
}

impl ChildrenNamed for Element {
    fn children_named_static<'o>(&'o self, name: &str) -> impl Iterator<Item = &'o Element> {
        let name = name.to_string();
        self.children().filter(move |c| c.name() == name)
    }
}

/// The id that an element gets inside something called `prefix`.
pub fn automatic(element: &Element, prefix: &str) -> String {
    let numeric = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    let prefix = if numeric { format!("num-{prefix}") } else { prefix.to_string() };
    let name = element.attr("name").unwrap_or("None");
    match element.name() {
        "nvpair" => format!("{prefix}-{name}"),
        "op" => match element.attr("interval").filter(|i| !i.is_empty()) {
            Some(interval) => format!("{prefix}-{name}-{interval}"),
            None => format!("{prefix}-{name}"),
        },
        tag => match suffix(tag) {
            Some(suffix) => format!("{prefix}-{suffix}"),
            None => prefix,
        },
    }
}

fn suffix(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "instance_attributes" => "instance_attributes",
        "meta_attributes" => "meta_attributes",
        "utilization" => "utilization",
        "rule" => "rule",
        "expression" | "date_expression" => "expression",
        "duration" => "duration",
        "date_spec" => "date_spec",
        "read" => "read",
        "write" => "write",
        "deny" => "deny",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::cib::parse;

    #[test]
    fn ids_are_made_and_repeated_ones_numbered() {
        let mut e =
            parse("<primitive id='p'><meta_attributes/><meta_attributes/></primitive>").unwrap();
        let mut store = IdStore::default();
        assign(&mut e, None, &mut store);
        let ids: Vec<_> = e.children().filter_map(Element::id).collect();
        assert_eq!(ids, ["p-meta_attributes", "p-meta_attributes-0"]);
    }

    #[test]
    fn old_ids_are_carried_over() {
        let old = parse("<primitive id='p'><operations><op id='x' name='monitor' interval='1s'/></operations></primitive>").unwrap();
        let mut new = parse("<primitive id='p'><operations><op name='monitor' interval='1s'/><op name='start' interval='0'/></operations></primitive>").unwrap();
        assign(&mut new, Some(&old), &mut IdStore::of(&old));
        let ids: Vec<_> = new.descendants().filter_map(Element::id).collect();
        assert_eq!(ids, ["p", "x", "p-start-0"]);
    }
}
