//! Deleting and renaming, with everything that follows from it.

use std::collections::BTreeMap;

use crm_core::cib::Element;

use crate::language::{Kind, is_member};

use super::{Configuration, EditError, Result};

/// What a deletion or a regrouping did beside what was asked, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Deleted because nothing was left for it to refer to.
    Hanging(String),
    /// A reference was taken out of it.
    Updated(String),
}

const SIMPLE_REFERENCES: &[&str] = &["rsc", "with-rsc", "first", "then"];

impl Configuration {
    /// Deletes objects: members of deleted containers stay, the container of a last member goes,
    /// users of a template go with it, constraints and tags lose the reference or go too.
    ///
    /// # Errors
    /// One of them does not exist; then none is deleted.
    pub fn delete(&mut self, ids: &[String]) -> Result<Vec<Removed>> {
        let mut targets: Vec<(u8, String)> = Vec::new();
        let mut report = Vec::new();
        for id in ids {
            let object = self.require(id)?;
            let (kind, id) = (object.kind, object.id.to_string());
            if kind == Kind::Template {
                let users = self.objects().into_iter().filter(|o| {
                    o.kind == Kind::Primitive && o.element.attr("template") == Some(&id)
                });
                let users: Vec<(u8, String)> =
                    users.map(|o| (o.kind.rank(), o.id.to_string())).collect();
                report
                    .extend(users.iter().map(|(_, u)| Removed::Hanging(format!("primitive:{u}"))));
                targets.extend(users);
            }
            targets.push((kind.rank(), id));
        }
        targets.sort();
        targets.dedup();
        for (rank, id) in targets.into_iter().rev() {
            if rank == Kind::Node.rank() {
                self.remove_node(&id);
            } else {
                self.delete_one(&id, &mut report);
            }
        }
        Ok(report)
    }

    fn remove_node(&mut self, id: &str) {
        if let Some(node) = self.find_node(id).map(|o| o.element.clone()) {
            self.ids.remove(&node);
            self.section_mut("nodes").retain(|n| n.id() != node.id());
        }
    }

    fn delete_one(&mut self, id: &str, report: &mut Vec<Removed>) {
        let parent = self.find(id).and_then(|o| {
            let parent = o.parent?;
            let alone = parent.children().filter(|c| is_member(c)).count() == 1;
            alone.then(|| parent.id().unwrap_or_default().to_string())
        });
        if let Some(parent) = parent {
            self.delete_one(&parent, report);
        }
        self.remove_object(id, report);
    }

    fn remove_object(&mut self, id: &str, report: &mut Vec<Removed>) {
        let Some(object) = self.find(id).filter(|o| o.kind != Kind::Node) else { return };
        let kind = object.kind;
        let element = object.element.clone();
        let members: Vec<Element> = element.children().filter(|c| is_member(c)).cloned().collect();
        let mut frame = element.clone();
        frame.retain(|c| !is_member(c));
        self.ids.remove(&frame);
        match kind {
            Kind::Fencing => self.root.retain(|c| c.name() != "fencing-topology"),
            kind if kind.is_resource() => {
                remove_resource(self.section_mut("resources"), id);
                for member in &members {
                    self.section_mut("resources").push(member.clone());
                }
            }
            kind => self.section_mut(kind.section()).retain(|c| c.id() != Some(id)),
        }
        self.drop_from_tags(id, report);
        if kind.is_resource() {
            let heir = members.first().and_then(Element::id).map(str::to_string);
            self.drop_from_constraints(id, heir.as_deref(), report);
        }
    }

    fn drop_from_tags(&mut self, id: &str, report: &mut Vec<Removed>) {
        let Some(tags) = self.root.child_mut("tags") else { return };
        let mut empty = Vec::new();
        for tag in tags.children_mut() {
            let had = tag.children().any(|c| c.id() == Some(id));
            if had {
                tag.retain(|c| c.id() != Some(id));
                if tag.children().next().is_none() {
                    empty.extend(tag.id().map(str::to_string));
                }
            }
        }
        for tag in empty {
            report.push(Removed::Hanging(format!("tag:{tag}")));
            self.remove_object(&tag, report);
        }
    }

    fn drop_from_constraints(&mut self, id: &str, heir: Option<&str>, report: &mut Vec<Removed>) {
        for name in self.constraints_of(id) {
            let Some(object) = self.find(&name) else { continue };
            let kind = object.kind;
            let mut new = object.element.clone();
            if let (Some(heir), true) = (heir, new.child("resource_set").is_none()) {
                rename_references(&mut new, id, heir);
            }
            let dropped = drop_references(&mut new, id);
            if is_pointless(kind, &new, id) {
                report.push(Removed::Hanging(format!("{}:{name}", kind.keyword())));
                self.remove_object(&name, report);
                continue;
            }
            if dropped {
                report.push(Removed::Updated(format!("{}:{name}", kind.keyword())));
            }
            if let Some(target) = self.element_mut(kind, &name) {
                *target = new;
            }
        }
    }

    /// The names of the constraints that refer to a resource.
    pub fn constraints_of(&self, id: &str) -> Vec<String> {
        let all = self.root.child("constraints").into_iter().flat_map(Element::children);
        all.filter(|c| refers(c, id)).filter_map(Element::id).map(str::to_string).collect()
    }

    /// Constraints of a new member become constraints of its container.
    pub(super) fn redirect(&mut self, member: &str, container: &str) {
        for name in self.constraints_of(member) {
            let Some(object) = self.find(&name) else { continue };
            let kind = object.kind;
            let mut new = object.element.clone();
            rename_references(&mut new, member, container);
            if is_pointless(kind, &new, container) {
                self.remove_object(&name, &mut Vec::new());
            } else if let Some(target) = self.element_mut(kind, &name) {
                *target = new;
            }
        }
    }

    /// Renames an object and the references that constraints make to it.
    ///
    /// # Errors
    /// There is no such object, it is a node, or the new name is in use.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<()> {
        if self.ids.contains(new) || self.find(new).is_some() {
            return Err(EditError::Other(format!("{new}: id is already in use")));
        }
        let object = self.require(old)?;
        let kind = object.kind;
        match kind {
            Kind::Node => return Err(EditError::Other("cannot rename nodes".into())),
            Kind::Fencing => {
                return Err(EditError::Other("cannot rename the fencing topology".into()));
            }
            _ => {}
        }
        if !crate::language::is_identifier(new) {
            return Err(EditError::Other(format!("Invalid id '{new}': expected a name")));
        }
        for name in self.constraints_of(old) {
            let Some(object) = self.find(&name) else { continue };
            let kind = object.kind;
            let mut changed = object.element.clone();
            rename_references(&mut changed, old, new);
            if let Some(target) = self.element_mut(kind, &name) {
                *target = changed;
            }
        }
        if let Some(element) = self.element_mut(kind, old) {
            element.set_attr("id", new);
        }
        self.ids = crate::language::IdStore::of(&self.root);
        Ok(())
    }

    /// Deletes everything but the nodes.
    ///
    /// As crmsh does, it deletes the objects that have no members one by one, what others are
    /// made from first; the rest follows from that. An object that went along with an earlier one
    /// is no longer there when its turn comes: these come back, each with the one it went with.
    pub fn erase(&mut self) -> Vec<(String, String)> {
        let mut leaves: Vec<(u8, String)> = self
            .objects()
            .into_iter()
            .filter(|o| o.kind != Kind::Node && !o.kind.is_constraint())
            .filter(|o| !(o.kind.is_container() && o.element.children().any(is_member)))
            .map(|o| (o.kind.rank(), o.id.to_string()))
            .collect();
        leaves.sort_by_key(|(rank, _)| *rank);
        let mut went_with: BTreeMap<String, String> = BTreeMap::new();
        let mut absent = Vec::new();
        for (_, id) in leaves {
            let Ok(report) = self.delete(std::slice::from_ref(&id)) else {
                let with = went_with.remove(&id).unwrap_or_default();
                absent.push((id, with));
                continue;
            };
            for item in report {
                if let Removed::Hanging(what) = item
                    && let Some((_, other)) = what.split_once(':')
                {
                    went_with.insert(other.to_string(), id.clone());
                }
            }
        }
        self.clear();
        absent
    }

    /// Drops whatever is left beside the nodes: constraints on patterns, empty containers.
    fn clear(&mut self) {
        for section in self.root.children_mut() {
            if section.name() != "nodes" {
                section.nodes_mut().clear();
            }
        }
        self.root.retain(|c| c.name() != "fencing-topology");
        self.ids = crate::language::IdStore::of(&self.root);
    }

    /// Deletes the nodes only.
    pub fn erase_nodes(&mut self) {
        self.section_mut("nodes").nodes_mut().clear();
        self.ids = crate::language::IdStore::of(&self.root);
    }
}

fn remove_resource(holder: &mut Element, id: &str) {
    if holder.children().any(|c| c.id() == Some(id)) {
        holder.retain(|c| c.id() != Some(id));
        return;
    }
    for child in holder.children_mut().filter(|c| is_member(c)) {
        remove_resource(child, id);
    }
}

/// True if a constraint refers to a resource.
pub fn refers(constraint: &Element, id: &str) -> bool {
    let simple = SIMPLE_REFERENCES.iter().any(|a| constraint.attr(a) == Some(id));
    simple
        || constraint
            .children_named("resource_set")
            .flat_map(Element::children)
            .any(|r| r.id() == Some(id))
}

/// Every resource that a constraint refers to.
pub fn references(constraint: &Element) -> Vec<&str> {
    let mut out: Vec<&str> = SIMPLE_REFERENCES.iter().filter_map(|a| constraint.attr(a)).collect();
    let members = constraint.children_named("resource_set").flat_map(Element::children);
    out.extend(members.filter_map(Element::id));
    out
}

fn rename_references(constraint: &mut Element, old: &str, new: &str) {
    let mut simple = false;
    for name in SIMPLE_REFERENCES {
        if constraint.attr(name) == Some(old) {
            constraint.set_attr(name, new);
            simple = true;
        }
    }
    if simple {
        return;
    }
    for set in constraint.children_mut().filter(|c| c.name() == "resource_set") {
        for member in set.children_mut().filter(|m| m.id() == Some(old)) {
            member.set_attr("id", new);
        }
    }
    drop_repeated(constraint);
    simplify(constraint);
}

/// A resource is named once; the last mention counts.
fn drop_repeated(constraint: &mut Element) {
    let mut counts = BTreeMap::<String, usize>::new();
    for id in references(constraint) {
        *counts.entry(id.to_string()).or_default() += 1;
    }
    for set in constraint.children_mut().filter(|c| c.name() == "resource_set") {
        let mut kept = Vec::new();
        for member in set.children() {
            let count = counts.entry(member.id().unwrap_or_default().to_string()).or_default();
            if *count > 1 {
                *count -= 1;
            } else {
                kept.push(member.clone());
            }
        }
        set.retain(|_| false);
        kept.into_iter().for_each(|m| set.push(m));
    }
    constraint.retain(|c| c.name() != "resource_set" || c.children().next().is_some());
}

fn drop_references(constraint: &mut Element, id: &str) -> bool {
    let mut dropped = false;
    for name in SIMPLE_REFERENCES {
        if constraint.attr(name) == Some(id) {
            constraint.remove_attr(name);
            dropped = true;
        }
    }
    if dropped {
        return true;
    }
    for set in constraint.children_mut().filter(|c| c.name() == "resource_set") {
        if set.children().any(|m| m.id() == Some(id)) {
            set.retain(|m| m.id() != Some(id));
            dropped = true;
        }
    }
    constraint.retain(|c| c.name() != "resource_set" || c.children().next().is_some());
    simplify(constraint);
    dropped
}

/// Two members in plain sets are said without sets.
fn simplify(constraint: &mut Element) {
    let (names, suffix): ([&str; 2], &str) = match constraint.name() {
        "rsc_colocation" => (["rsc", "with-rsc"], "role"),
        "rsc_order" => (["first", "then"], "action"),
        _ => return,
    };
    let off =
        |e: &Element, a| e.attr(a).and_then(crate::language::vocabulary::boolean) == Some(false);
    let sets: Vec<Element> = constraint.children_named("resource_set").cloned().collect();
    let parallel = |s: &Element| off(s, "sequential") && s.children().count() > 1;
    if sets.iter().any(|s| parallel(s) || off(s, "require-all")) {
        return;
    }
    let mut members: Vec<(String, Option<String>)> = Vec::new();
    for set in &sets {
        let qualifier = set.attr(suffix).map(str::to_string);
        members
            .extend(set.children().filter_map(|m| Some((m.id()?.to_string(), qualifier.clone()))));
    }
    let [a, b] = members.as_slice() else { return };
    // One sequential set says the opposite order of what a plain colocation says.
    let swap = sets.len() == 1 && constraint.name() == "rsc_colocation";
    let pair = if swap { [b, a] } else { [a, b] };
    constraint.retain(|c| c.name() != "resource_set");
    for (name, (id, qualifier)) in names.iter().zip(pair) {
        constraint.set_attr(name, id);
        if let Some(q) = qualifier {
            constraint.set_attr(&format!("{name}-{suffix}"), q);
        }
    }
}

/// True for a constraint that says nothing any more.
fn is_pointless(kind: Kind, constraint: &Element, id: &str) -> bool {
    let all = references(constraint);
    if matches!(kind, Kind::Location | Kind::Ticket) {
        return all.is_empty() && constraint.attr("rsc-pattern").is_none();
    }
    if constraint.child("resource_set").is_some() {
        return all.len() <= 1;
    }
    all.len() < 2 || all.iter().all(|r| *r == id)
}
