//! Single values: `set`, meta attributes, parameters, utilization.

use crm_core::cib::Element;

use crate::language::{IdStore, Kind, MASK, assign, is_member, matches_glob};

use super::{Configuration, EditError, Result};

impl Configuration {
    /// Changes a value that exists: `id.name`, `id.op.name` or `id.op.interval.name`.
    ///
    /// # Errors
    /// The path has not this form, or names nothing, or more than one thing.
    pub fn set_path(&mut self, path: &str, value: &str) -> Result<()> {
        let parts: Vec<&str> = path.split('.').collect();
        let other = |text: String| Err(EditError::Other(text));
        if !(2..=4).contains(&parts.len()) {
            return other(format!(
                "Invalid path '{path}'; Valid path: id.[operation.][interval.]name"
            ));
        }
        let id = parts[0];
        let Some(object) = self.find(id) else { return other(format!("Object {id} not found")) };
        let (kind, id) = (object.kind, object.id.to_string());
        let Some(element) = self.element_mut(kind, &id) else {
            return other(format!("Object {id} not found"));
        };
        match parts.as_slice() {
            [_, name] => {
                let hits = element
                    .descendants()
                    .filter(|e| e.name() == "nvpair" && e.attr("name") == Some(name))
                    .count();
                match hits {
                    0 => other(format!("Attribute not found: {path}")),
                    1 => {
                        set_pair(element, name, value);
                        Ok(())
                    }
                    n => other(format!("Expected 1 attribute named {name}, found {n}")),
                }
            }
            [_, op, rest @ ..] => {
                let (interval, name) = match rest {
                    [name] => (None, name),
                    [interval, name] => (Some(*interval), name),
                    _ => return other(format!("Invalid path '{path}'")),
                };
                let wanted = |o: &Element| {
                    o.attr("name") == Some(op)
                        && interval.is_none_or(|i| o.attr("interval") == Some(i))
                };
                let operations = element.child_or_insert("operations");
                match operations.children().filter(|o| wanted(o)).count() {
                    0 => other(format!("Operation '{op}' not found for resource {id}")),
                    1 => {
                        if let Some(op) = operations.find_child_mut(wanted) {
                            op.set_attr(name, value);
                        }
                        Ok(())
                    }
                    _ => other(format!(
                        "{id} has more than one {op}; expected {id}.{op}.<interval>.{name}"
                    )),
                }
            }
            [] | [_] => other(format!("Invalid path '{path}'")),
        }
    }

    /// Sets `name` in the first set `tag` of an object; the set is made where there is none.
    ///
    /// # Errors
    /// There is no such object.
    pub fn set_value(&mut self, id: &str, tag: &str, name: &str, value: &str) -> Result<()> {
        let object = self.require(id)?;
        let (kind, id) = (object.kind, object.id.to_string());
        let mut ids = std::mem::take(&mut self.ids);
        if let Some(element) = self.element_mut(kind, &id) {
            set_in(element, kind, tag, name, value, &mut ids);
        }
        self.ids = ids;
        Ok(())
    }

    /// Deletes `name` from the sets `tag` of an object; true if it was there.
    ///
    /// # Errors
    /// There is no such object.
    pub fn delete_value(&mut self, id: &str, tag: &str, name: &str) -> Result<bool> {
        let object = self.require(id)?;
        let (kind, id) = (object.kind, object.id.to_string());
        let mut found = false;
        if let Some(element) = self.element_mut(kind, &id) {
            for set in element.children_mut().filter(|c| c.name() == tag) {
                if set.children().any(|p| p.attr("name") == Some(name)) {
                    found = true;
                    set.retain(|p| p.attr("name") != Some(name));
                }
            }
        }
        self.ids = IdStore::of(&self.root);
        Ok(found)
    }

    /// The value of `name` in the sets `tag` of an object.
    pub fn value(&self, id: &str, tag: &str, name: &str) -> Option<&str> {
        let object = self.find(id)?;
        let mut pairs =
            object.element.children().filter(|c| c.name() == tag).flat_map(Element::children);
        pairs.find(|p| p.attr("name") == Some(name))?.attr("value")
    }

    /// Puts the values of another configuration in place of masked ones of an object, where a
    /// name fits one of the patterns; the name of a value that the other one does not have.
    pub fn unmask(&mut self, id: &str, old: &Configuration, hidden: &[String]) -> Option<String> {
        let kind = self.find(id)?.kind;
        let mut known = Vec::new();
        if let Some(object) = old.find(id).filter(|o| o.kind == kind) {
            pairs(object.element, &mut known);
        }
        let element = match kind {
            Kind::Node => None,
            kind => self.element_mut(kind, id),
        };
        let mut missing = None;
        put_values(element?, &known, hidden, &mut missing);
        missing
    }

    /// Puts a finished constraint into the document, replacing one of the same id.
    pub fn put_constraint(&mut self, constraint: Element) {
        let id = constraint.id().unwrap_or_default().to_string();
        let section = self.section_mut("constraints");
        section.retain(|c| c.id() != Some(&id));
        section.push(constraint);
        self.ids = IdStore::of(&self.root);
    }

    /// Sets a parameter of an operation (such as `trace_ra`); the operation must exist.
    pub fn set_op_parameter(&mut self, id: &str, op_id: &str, name: &str, value: Option<&str>) {
        let mut ids = std::mem::take(&mut self.ids);
        let op = self
            .element_mut(Kind::Primitive, id)
            .and_then(|e| e.child_mut("operations"))
            .and_then(|o| o.find_child_mut(|c| c.id() == Some(op_id)));
        if let Some(op) = op {
            let set = op.child_or_insert("instance_attributes");
            set.retain(|p| p.attr("name") != Some(name));
            if let Some(value) = value {
                set.push(Element::new("nvpair").with("name", name).with("value", value));
            }
            let empty = set.children().next().is_none();
            if empty {
                op.retain(|c| c.name() != "instance_attributes");
            }
            assign(op, None, &mut ids);
        }
        self.ids = ids;
    }

    /// Sets an attribute of the element of an operation.
    pub fn set_op_attribute(&mut self, id: &str, op_id: &str, name: &str, value: &str) {
        let op = self
            .element_mut(Kind::Primitive, id)
            .and_then(|e| e.child_mut("operations"))
            .and_then(|o| o.find_child_mut(|c| c.id() == Some(op_id)));
        if let Some(op) = op {
            op.set_attr(name, value);
        }
    }
}

fn set_pair(element: &mut Element, name: &str, value: &str) {
    if element.name() == "nvpair" && element.attr("name") == Some(name) {
        element.set_attr("value", value);
        return;
    }
    for child in element.children_mut() {
        set_pair(child, name, value);
    }
}

fn set_in(
    element: &mut Element,
    kind: Kind,
    tag: &str,
    name: &str,
    value: &str,
    ids: &mut IdStore,
) {
    let holds = |s: &Element| s.name() == tag && s.children().any(|p| p.attr("name") == Some(name));
    if let Some(set) = element.find_child_mut(holds) {
        if let Some(pair) = set.find_child_mut(|p| p.attr("name") == Some(name)) {
            pair.set_attr("value", value);
        }
        return;
    }
    let pair = Element::new("nvpair").with("name", name).with("value", value);
    if element.child(tag).is_none() {
        let mut set = Element::new(tag);
        if kind == Kind::Node {
            // The ids of Pacemaker's tools.
            let node = element.id().unwrap_or_default();
            let suffix = if tag == "utilization" { "-utilization" } else { "" };
            set.set_attr("id", format!("nodes-{node}{suffix}"));
        }
        element.push(set);
    }
    if let Some(set) = element.child_mut(tag) {
        set.push(pair);
    }
    assign(element, None, ids);
}

/// Every pair of an element: the kind of set that it is in, its name and its value. Pairs of members
/// are theirs.
fn pairs(element: &Element, out: &mut Vec<(String, String, String)>) {
    for child in element.children().filter(|c| !is_member(c)) {
        if let (Some(name), Some(value)) = (child.attr("name"), child.attr("value"))
            && child.name() == "nvpair"
        {
            out.push((element.name().into(), name.into(), value.into()));
        }
        pairs(child, out);
    }
}

fn put_values(
    element: &mut Element,
    known: &[(String, String, String)],
    hidden: &[String],
    missing: &mut Option<String>,
) {
    let tag = element.name().to_string();
    for child in element.children_mut().filter(|c| !is_member(c)) {
        let name = child.attr("name").unwrap_or_default().to_string();
        let hides = hidden.iter().any(|p| matches_glob(p, &name));
        if child.name() == "nvpair" && child.attr("value") == Some(MASK) && hides {
            match known.iter().find(|(t, n, _)| *t == tag && *n == name) {
                Some((_, _, value)) => child.set_attr("value", value),
                None => *missing = Some(name),
            }
        }
        put_values(child, known, hidden, missing);
    }
}
