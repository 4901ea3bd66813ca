//! From the second generation to the third: what resources and their operations say (I-22).

use std::collections::VecDeque;
use std::sync::Arc;

use super::third::NEW_ID;
use crate::cib::{Child, Element};

/// I-22, for everything below `resources`.
pub(super) fn resource_level(parent: &mut Element) {
    for element in parent.children_mut() {
        match element.name() {
            "primitive" | "template" => primitive(element),
            "group" | "clone" | "master" | "bundle" => resource_level(element),
            _ => {}
        }
    }
}

/// The names that meta attributes of this element have at all times.
pub(super) fn always_defined(parent: &Element) -> Vec<String> {
    let sets = parent.children_named("meta_attributes").filter(|set| !has_rule(set));
    let pairs = sets.flat_map(|set| set.children_named("nvpair"));
    pairs.filter_map(|pair| pair.attr("name").map(String::from)).collect()
}

pub(super) fn has_rule(set: &Element) -> bool {
    set.child("rule").is_some()
}

fn pair_names(set: &Element) -> impl Iterator<Item = &str> {
    set.children_named("nvpair").filter_map(|pair| pair.attr("name"))
}

/// What `change` makes of each child, in place.
fn replace_children(parent: &mut Element, mut change: impl FnMut(Element) -> Option<Element>) {
    for node in std::mem::take(parent.nodes_mut()) {
        let node = match node {
            Child::Element(child) => {
                change(Arc::unwrap_or_clone(child)).map(|child| Child::Element(Arc::new(child)))
            }
            other => Some(other),
        };
        parent.nodes_mut().extend(node);
    }
}

fn primitive(element: &mut Element) {
    let defined = always_defined(element);
    let requirements = requirements(element, &defined);
    // New names that the sets that hold always want to give, in order of these sets.
    let mut wanted: VecDeque<Vec<&'static str>> =
        element.children_named("meta_attributes").map(new_names).collect();
    replace_children(element, |mut child| {
        match child.name() {
            "instance_attributes" => return parameters(child),
            "meta_attributes" => {
                wanted.pop_front();
                let later: Vec<&str> = wanted.iter().flatten().copied().collect();
                return meta_attributes(child, &later);
            }
            "operations" => {
                for op in child.children_mut().filter(|c| c.name() == "op") {
                    operation(op, &defined);
                }
            }
            _ => {}
        }
        Some(child)
    });
    requirements.into_iter().for_each(|set| element.push(set));
}

fn parameters(mut block: Element) -> Option<Element> {
    replace_children(&mut block, |mut pair| {
        let name = pair.attr("name").unwrap_or_default().to_string();
        let task = name.strip_prefix("pcmk_").and_then(|n| n.strip_suffix("_cmd"));
        if let Some(task) =
            task.filter(|t| matches!(*t, "list" | "monitor" | "off" | "on" | "reboot" | "status"))
        {
            pair.set_attr("name", format!("pcmk_{task}_action"));
        } else if name == "pcmk_arg_map" {
            // A map of several would need as many parameters; it goes.
            let value = pair.attr("value").filter(|value| !value.contains(','));
            let argument = value.and_then(|value| value.strip_prefix("port:"))?.to_string();
            pair.set_attr("name", "pcmk_host_argument");
            pair.set_attr("value", argument);
        }
        Some(pair)
    });
    block.child("nvpair").is_some().then_some(block)
}

/// What becomes of a meta attribute.
enum MetaFate {
    Keep,
    Rename(&'static str, &'static str),
    Drop,
}

fn meta_fate(pair: &Element) -> MetaFate {
    match pair.attr("name").unwrap_or_default() {
        "isolation" | "isolation-host" | "isolation-instance" | "isolation-wrapper" => {
            MetaFate::Rename("target-role", "Stopped")
        }
        "resource-failure-stickiness" | "resource_failure_stickiness" => match pair.attr("value") {
            Some("-INFINITY") => MetaFate::Rename("migration-threshold", "1"),
            _ => MetaFate::Drop,
        },
        _ => MetaFate::Keep,
    }
}

/// The new names in a set, if it holds always.
fn new_names(set: &Element) -> Vec<&'static str> {
    let pairs = set.children_named("nvpair").filter(|_| !has_rule(set));
    let name = |pair: &Element| match meta_fate(pair) {
        MetaFate::Rename(name, _) => Some(name),
        MetaFate::Keep | MetaFate::Drop => None,
    };
    pairs.filter_map(name).collect()
}

/// In a set that holds always, a new name is given only to what comes first there; in one with a
/// rule unless a later set that holds always wants to give it. So do Pacemaker's stylesheets.
fn meta_attributes(mut block: Element, later: &[&str]) -> Option<Element> {
    let ruled = has_rule(&block);
    let mut first = true;
    replace_children(&mut block, |mut pair| {
        if pair.name() != "nvpair" {
            return Some(pair);
        }
        match meta_fate(&pair) {
            MetaFate::Drop => return None,
            MetaFate::Keep => first = false,
            MetaFate::Rename(name, value) => {
                let is_given = if ruled { !later.contains(&name) } else { first };
                first = false;
                if !is_given {
                    return None;
                }
                pair.set_attr("name", name);
                pair.set_attr("value", value);
            }
        }
        Some(pair)
    });
    // Also where a name that was not given was all there was.
    (!first).then_some(block)
}

/// Options of operations that were once taken from their parameters.
const OPERATION_OPTIONS: [&str; 7] =
    ["interval-origin", "start-delay", "enabled", "on-fail", "record-pending", "role", "timeout"];

/// Upgrades one `op`: options among its parameters become meta attributes, `requires` goes.
fn operation(op: &mut Element, defined: &[String]) {
    let id = op.id().unwrap_or_default().to_string();
    op.remove_attr("requires");
    let blocks: Vec<Element> = op.children_named("instance_attributes").cloned().collect();
    let mut always = Vec::new();
    let mut conditional = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        // What the resource has or a later set says again is not taken over.
        let later: Vec<&str> =
            blocks[at + 1..].iter().filter(|b| !has_rule(b)).flat_map(pair_names).collect();
        let is_moved = |pair: &&Element| {
            let name = pair.attr("name").unwrap_or_default();
            OPERATION_OPTIONS.contains(&name)
                && !defined.iter().any(|d| d == name)
                && !later.contains(&name)
        };
        let moved: Vec<Element> =
            block.children_named("nvpair").filter(is_moved).cloned().collect();
        if !has_rule(block) {
            always.extend(moved);
        } else if !moved.is_empty() {
            let mut set = block.clone();
            set.set_attr("id", format!("{NEW_ID}{}", block.id().unwrap_or_default()));
            set.rename("meta_attributes");
            set.retain(|pair| pair.name() != "nvpair");
            conditional.push(moved.into_iter().fold(set, Element::with_child));
        }
    }
    replace_children(op, |mut child| {
        let is_parameters = child.name() == "instance_attributes";
        if !is_parameters && child.name() != "meta_attributes" {
            return Some(child);
        }
        child.retain(|pair| {
            let name = pair.attr("name").unwrap_or_default();
            pair.name() != "nvpair"
                || !(name == "requires" || is_parameters && OPERATION_OPTIONS.contains(&name))
        });
        if !is_parameters && !has_rule(&child) {
            always.drain(..).for_each(|pair| child.push(pair));
        }
        child.child("nvpair").is_some().then_some(child)
    });
    if !always.is_empty() {
        let set = Element::new("meta_attributes").with("id", format!("{NEW_ID}{id}-meta"));
        op.push(always.into_iter().fold(set, Element::with_child));
    }
    conditional.into_iter().for_each(|set| op.push(set));
}

/// What operations require belongs to their resource: the sets to be added to it. Only starts and
/// promotions count. An attribute of the operation wins over its meta attributes, these over its
/// parameters, and of several the last one.
fn requirements(resource: &Element, defined: &[String]) -> Vec<Element> {
    if defined.iter().any(|name| name == "requires") {
        return Vec::new();
    }
    let operations = resource.children_named("operations").flat_map(|o| o.children_named("op"));
    let ops: Vec<&Element> =
        operations.filter(|op| matches!(op.attr("name"), Some("start" | "promote"))).collect();
    let stated = ops.iter().rev().find_map(|op| Some((op.id()?, op.attr("requires")?)));
    if let Some((op, value)) = stated {
        let pair = Element::new("nvpair").with("id", format!("{NEW_ID}{op}-meta-requires"));
        let pair = pair.with("name", "requires").with("value", value);
        let set = format!("{NEW_ID}{}-meta", resource.id().unwrap_or_default());
        return vec![Element::new("meta_attributes").with("id", set).with_child(pair)];
    }
    let blocks: Vec<&Element> = ops.iter().flat_map(|op| op.children()).collect();
    let stating = |at: &usize| pair_names(blocks[*at]).any(|name| name == "requires");
    let of = |kind: &'static str| -> Vec<usize> {
        (0..blocks.len()).filter(|at| blocks[*at].name() == kind).filter(stating).collect()
    };
    let (meta, parameters) = (of("meta_attributes"), of("instance_attributes"));
    let holds_always = |at: &&usize| !has_rule(blocks[**at]);
    let last_of = |list: &[usize]| list.iter().rev().find(holds_always).copied();
    let wins = |list: &[usize], at: usize| last_of(list).is_none_or(|last| at >= last);
    let mut winners: Vec<usize> = meta.iter().copied().filter(|at| wins(&meta, *at)).collect();
    if last_of(&meta).is_none() {
        winners.extend(parameters.iter().copied().filter(|at| wins(&parameters, *at)));
        winners.sort_unstable();
    }
    let set = |at: usize| {
        let mut set = blocks[at].clone();
        set.set_attr("id", format!("{NEW_ID}{}", blocks[at].id().unwrap_or_default()));
        set.rename("meta_attributes");
        set.retain(|p| p.name() != "nvpair" || p.attr("name") == Some("requires"));
        set
    };
    winners.into_iter().map(set).collect()
}
