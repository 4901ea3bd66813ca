//! Statements that add or replace objects.

use crm_core::cib::{Child, Element};

use crate::language::{Kind, Statement, assign, automatic, is_member};

use super::{Configuration, EditError, Result};

/// What adding a statement did beside adding it, for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// The name of the object.
    pub id: String,
    /// Members that do not exist and were left out.
    pub missing: Vec<String>,
}

impl Configuration {
    /// Adds what a statement defines. Sets, nodes and monitors are merged into what is there.
    ///
    /// # Errors
    /// The name is taken, a member is in another container, or nothing is left to contain.
    pub fn add(&mut self, statement: Statement) -> Result<Added> {
        let before = self.clone();
        let result = self.add_inner(statement);
        if result.is_err() {
            *self = before;
        }
        result
    }

    fn add_inner(&mut self, statement: Statement) -> Result<Added> {
        match statement.kind {
            kind if kind.is_set() => self.merge_set(kind, statement),
            Kind::Monitor => self.add_monitor(statement),
            Kind::Node => self.add_node(statement),
            Kind::Fencing => self.add_fencing(statement),
            _ => self.add_object(statement),
        }
    }

    /// Replaces an object by a statement of the same name, keeping ids that still fit.
    ///
    /// # Errors
    /// There is no such object, or a member is in another container.
    pub fn replace(&mut self, statement: Statement, merge_sets: bool) -> Result<Added> {
        let before = self.clone();
        let result = self.replace_inner(statement, merge_sets);
        if result.is_err() {
            *self = before;
        }
        result
    }

    fn replace_inner(&mut self, mut statement: Statement, merge_sets: bool) -> Result<Added> {
        let kind = statement.kind;
        if kind.is_set() && merge_sets {
            return self.merge_set(kind, statement);
        }
        let id = match kind {
            Kind::Fencing => "fencing_topology".to_string(),
            _ => statement.id.as_ref().map(|i| i.id.clone()).unwrap_or_default(),
        };
        let object = match kind {
            Kind::Node => self.find_node(&id),
            _ => self.find(&id).filter(|o| o.kind != Kind::Node),
        };
        let Some(object) = object else {
            return Err(EditError::NoObject { id, near: None });
        };
        if object.kind != kind {
            return Err(EditError::Exists {
                kind: kind.keyword(),
                id,
                existing: object.kind.keyword().into(),
            });
        }
        let old = object.element.clone();
        let id = object.id.to_string();
        let embedded = std::mem::take(&mut statement.embedded);
        self.add_embedded(embedded, &statement)?;
        let mut element = prepared(&statement, &id);
        let mut frame = old.clone();
        frame.retain(|c| !is_member(c));
        self.ids.remove(&frame);
        self.ids.add(&element);
        self.resolve_id_refs(&mut element)?;
        assign(&mut element, Some(&frame), &mut self.ids);
        let kept: Vec<Element> = old.children().filter(|c| is_member(c)).cloned().collect();
        let (members, missing) = self.members_for(&statement, &kept)?;
        for member in &kept {
            if !members.iter().any(|m| m.id() == member.id()) {
                self.section_mut("resources").push(member.clone());
            }
        }
        for m in members {
            element.push(m);
        }
        if let Some(target) = self.element_mut(kind, &id) {
            *target = element;
        }
        Ok(Added { id, missing })
    }

    fn add_object(&mut self, mut statement: Statement) -> Result<Added> {
        let kind = statement.kind;
        let id = statement.id.as_ref().map(|i| i.id.clone()).unwrap_or_default();
        self.check_free(kind, &id)?;
        let embedded = std::mem::take(&mut statement.embedded);
        self.add_embedded(embedded, &statement)?;
        let mut element = prepared(&statement, &id);
        self.ids.add(&element);
        self.resolve_id_refs(&mut element)?;
        assign(&mut element, None, &mut self.ids);
        let (members, missing) = self.members_for(&statement, &[])?;
        let names: Vec<String> =
            members.iter().filter_map(Element::id).map(str::to_string).collect();
        for m in members {
            element.push(m);
        }
        self.section_mut(kind.section()).push(element);
        for name in names {
            self.redirect(&name, &id);
        }
        Ok(Added { id, missing })
    }

    /// Members that came with their definition become objects first.
    fn add_embedded(&mut self, embedded: Vec<Element>, owner: &Statement) -> Result<()> {
        for element in embedded {
            let id = element.id().unwrap_or_default().to_string();
            if self.find_resource(&id).is_some() {
                continue;
            }
            let kind = Kind::from_element(element.name(), "resources").unwrap_or(owner.kind);
            self.check_free(kind, &id)?;
            self.ids.add(&element);
            self.section_mut("resources").push(element);
        }
        Ok(())
    }

    /// Takes the members of a container out of where they are.
    fn members_for(
        &mut self,
        statement: &Statement,
        kept: &[Element],
    ) -> Result<(Vec<Element>, Vec<String>)> {
        let mut members = Vec::new();
        let mut missing = Vec::new();
        let owner = statement.id.as_ref().map(|i| i.id.as_str()).unwrap_or_default();
        let keyword = statement.kind.keyword();
        for wanted in &statement.members {
            if let Some(own) = kept.iter().find(|k| k.id() == Some(&wanted.id)) {
                members.push(own.clone());
                continue;
            }
            let Some(found) = self.find_resource(&wanted.id) else {
                missing.push(wanted.id.clone());
                continue;
            };
            if let Some(parent) = found.parent {
                let (parent_kind, parent_id) = (parent.name(), parent.id().unwrap_or_default());
                return Err(EditError::Other(format!(
                    "Cannot create {keyword} {owner}: {} is already in {parent_kind} {parent_id}",
                    wanted.id
                )));
            }
            check_member(statement.kind, &found)?;
            members.push(found.element.clone());
            self.section_mut("resources").retain(|c| c.id() != Some(&wanted.id));
        }
        if members.is_empty() && !statement.members.is_empty() && statement.kind != Kind::Bundle {
            let names: Vec<String> = missing.iter().map(|m| m.to_string()).collect();
            return Err(EditError::Other(format!(
                "{owner} refers to missing object {}",
                names.join(", ")
            )));
        }
        Ok((members, missing))
    }

    fn check_free(&self, kind: Kind, id: &str) -> Result<()> {
        if let Some(existing) = self.find(id).filter(|o| o.kind != Kind::Node) {
            return Err(EditError::Exists {
                kind: kind.keyword(),
                id: id.to_string(),
                existing: existing.kind.keyword().to_string(),
            });
        }
        Ok(())
    }

    /// `$id-ref=` may name an object; then its first set of that kind is meant.
    fn resolve_id_refs(&self, element: &mut Element) -> Result<()> {
        for child in element.children_mut() {
            self.resolve_id_refs(child)?;
        }
        let Some(reference) = element.attr("id-ref").map(str::to_string) else { return Ok(()) };
        if let Some(object) = self.find(&reference) {
            let mut inside = object.element.descendants();
            if let Some(id) = inside.find(|e| e.name() == element.name()).and_then(Element::id) {
                element.set_attr("id-ref", id);
            }
            return Ok(());
        }
        Ok(())
    }

    fn merge_set(&mut self, kind: Kind, statement: Statement) -> Result<Added> {
        let id = statement.element.id().or(kind.default_id()).unwrap_or_default().to_string();
        if let Some(other) = self.find(&id).filter(|o| o.kind != kind && o.kind != Kind::Node) {
            return Err(EditError::Exists {
                kind: kind.keyword(),
                id,
                existing: other.kind.keyword().to_string(),
            });
        }
        if self.element_mut(kind, &id).is_none() {
            let mut set = Element::new(kind.tag()).with("id", &id);
            for (name, value) in statement.element.attrs().filter(|(n, _)| *n != "id") {
                set.set_attr(name, value);
            }
            self.ids.add(&set);
            self.section_mut(kind.section()).push(set);
        }
        let mut ids = std::mem::take(&mut self.ids);
        if let Some(set) = self.element_mut(kind, &id) {
            merge_pairs(set, &statement.element);
            for comment in statement.comments.iter().rev() {
                set.nodes_mut().insert(0, Child::Comment(comment.as_str().into()));
            }
            assign(set, None, &mut ids);
        }
        self.ids = ids;
        Ok(Added { id, missing: Vec::new() })
    }

    fn add_monitor(&mut self, statement: Statement) -> Result<Added> {
        let target = statement.members.first().map(|m| m.id.clone()).unwrap_or_default();
        let object = self.require(&target)?;
        if object.kind != Kind::Primitive {
            return Err(EditError::Other(format!("{target} is not a primitive")));
        }
        self.add_operation(&target, statement.element)?;
        Ok(Added { id: target, missing: Vec::new() })
    }

    /// Adds an operation to a primitive.
    ///
    /// # Errors
    /// It has one of the same name and interval already.
    pub fn add_operation(&mut self, primitive: &str, mut op: Element) -> Result<()> {
        let mut ids = std::mem::take(&mut self.ids);
        let result = (|| {
            let Some(owner) = self.element_mut(Kind::Primitive, primitive) else {
                return Err(EditError::NoObject { id: primitive.to_string(), near: None });
            };
            let (name, interval) = (op.attr("name"), op.attr("interval").unwrap_or("0"));
            let operations = owner.child_or_insert("operations");
            let same = |o: &Element| {
                o.attr("name") == name
                    && milliseconds(o.attr("interval").unwrap_or("0")) == milliseconds(interval)
            };
            if operations.children().any(same) {
                return Err(EditError::Other(format!(
                    "{primitive} already has a {} op with interval {interval}",
                    name.unwrap_or_default()
                )));
            }
            let wanted = automatic(&op, primitive);
            let mut holder = Element::new("operations").with("id", primitive);
            op.remove_attr("id");
            holder.push(op.clone());
            assign(&mut holder, None, &mut ids);
            let made = holder.children().next().cloned();
            operations.push(made.unwrap_or_else(|| op.clone().with("id", wanted)));
            Ok(())
        })();
        self.ids = ids;
        result
    }

    fn add_node(&mut self, statement: Statement) -> Result<Added> {
        let name = statement.element.attr("uname").unwrap_or_default().to_string();
        let id = statement.element.id().unwrap_or(&name).to_string();
        if self.find_node(&name).is_none() {
            let mut element = prepared(&statement, &id);
            self.ids.add(&element);
            assign(&mut element, None, &mut self.ids);
            self.section_mut("nodes").push(element);
            return Ok(Added { id, missing: Vec::new() });
        }
        let mut ids = std::mem::take(&mut self.ids);
        let nodes = self.section_mut("nodes");
        let node = nodes.find_child_mut(|n| n.attr("uname") == Some(&name));
        if let Some(node) = node {
            for set in statement.element.children() {
                match node.child_mut(set.name()) {
                    Some(own) => merge_pairs(own, set),
                    None => node.push(set.clone()),
                }
            }
            for key in ["type", "description"] {
                if let Some(value) = statement.element.attr(key) {
                    node.set_attr(key, value);
                }
            }
            assign(node, None, &mut ids);
        }
        self.ids = ids;
        Ok(Added { id, missing: Vec::new() })
    }

    fn add_fencing(&mut self, statement: Statement) -> Result<Added> {
        if self.root.child("fencing-topology").is_some() {
            return Err(EditError::Exists {
                kind: "fencing_topology",
                id: "fencing_topology".into(),
                existing: "fencing_topology".into(),
            });
        }
        let mut element = statement.element;
        assign(&mut element, None, &mut self.ids);
        *self.section_mut("fencing-topology") = element;
        Ok(Added { id: "fencing_topology".into(), missing: Vec::new() })
    }
}

/// A container is made of primitives and groups only.
fn check_member(kind: Kind, member: &super::Object<'_>) -> Result<()> {
    let fits = match kind {
        Kind::Group | Kind::Bundle => member.kind == Kind::Primitive,
        _ => matches!(member.kind, Kind::Primitive | Kind::Group),
    };
    if fits {
        return Ok(());
    }
    let takes = if kind == Kind::Group { "primitives" } else { "one primitive or group" };
    Err(EditError::Other(format!(
        "{} takes {takes}, and {} is of kind {}",
        kind.keyword(),
        member.id,
        member.kind.keyword()
    )))
}

/// The element of a statement with its id and comments.
fn prepared(statement: &Statement, id: &str) -> Element {
    let mut element = statement.element.clone();
    if statement.kind != Kind::Fencing && element.id().is_none() {
        element.set_attr("id", id);
    }
    for comment in statement.comments.iter().rev() {
        element.nodes_mut().insert(0, Child::Comment(comment.as_str().into()));
    }
    element
}

/// Pairs by name; rules and pairs that are new go to the end.
fn merge_pairs(own: &mut Element, new: &Element) {
    for child in new.children() {
        let name = child.attr("name");
        let old = own.find_child_mut(|c| {
            c.name() == "nvpair" && child.name() == "nvpair" && c.attr("name") == name
        });
        match (old, child.attr("value")) {
            (Some(old), Some(value)) => old.set_attr("value", value),
            (Some(old), None) => {
                old.remove_attr("value");
            }
            (None, _) => own.push(child.clone()),
        }
    }
}

/// A duration in milliseconds; a bare number counts seconds. `None` if it is none.
pub fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    Some(match unit.as_str() {
        "ms" | "msec" => number,
        "us" | "usec" => number / 1000,
        "" | "s" | "sec" => number.saturating_mul(1000),
        "m" | "min" => number.saturating_mul(60_000),
        "h" | "hr" => number.saturating_mul(3_600_000),
        _ => return None,
    })
}
