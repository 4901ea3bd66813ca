//! The shape of a transition graph: which actions, in which order, without numbers.

use std::collections::{BTreeMap, BTreeSet};

use crm_core::cib::{Element, parse};

/// Actions by kind, key and node, and the orderings between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The actions; the second of the same name gets ` #2`, and so on.
    pub actions: BTreeSet<String>,
    /// `BEFORE -> AFTER`.
    pub orderings: BTreeSet<String>,
}

impl Shape {
    /// Reads a graph.
    ///
    /// # Errors
    /// The text is no graph.
    pub fn read(text: &str) -> Result<Shape, String> {
        let root = parse(text).map_err(|error| error.to_string())?;
        if root.name() != "transition_graph" {
            return Err(format!("the document is a <{}>", root.name()));
        }
        let actions = |synapse: &Element, list: &str| -> Vec<Element> {
            let lists = synapse.children_named(list);
            match list {
                "inputs" => lists
                    .flat_map(|l| l.children_named("trigger"))
                    .flat_map(Element::children)
                    .cloned()
                    .collect(),
                _ => lists.flat_map(Element::children).cloned().collect(),
            }
        };
        let synapses: Vec<(Vec<Element>, Vec<Element>)> = root
            .children_named("synapse")
            .map(|s| (actions(s, "action_set"), actions(s, "inputs")))
            .collect();
        let mut by_id: BTreeMap<String, String> = BTreeMap::new();
        let mut shape = Shape::default();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for action in synapses.iter().flat_map(|(actions, _)| actions) {
            let name = identity(action);
            by_id.insert(action.id().unwrap_or_default().to_string(), name.clone());
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            let again = if *count > 1 { format!(" #{count}") } else { String::new() };
            shape.actions.insert(format!("{name}{again}"));
        }
        for (actions, inputs) in &synapses {
            for (action, input) in actions.iter().flat_map(|a| inputs.iter().map(move |i| (a, i))) {
                let id = input.id().unwrap_or_default();
                let before = by_id.get(id).cloned().unwrap_or_else(|| identity(input));
                shape.orderings.insert(format!("{before} -> {}", identity(action)));
            }
        }
        Ok(shape)
    }
}

fn identity(action: &Element) -> String {
    let operation = action.attr("operation").unwrap_or("?");
    let key = action.attr("operation_key").unwrap_or(operation);
    let mut name = format!("{} {key}", action.name());
    if !key.contains(operation) || operation == "cancel" {
        name.push_str(&format!(" ({operation})"));
    }
    if let Some(node) = action.attr("on_node") {
        name.push_str(&format!(" @{node}"));
    }
    name
}
