//! A graph as the checker sees it: actions, and what must be complete before each.

use std::collections::{BTreeMap, BTreeSet};

use crm_core::cib::Element;

/// One action.
#[derive(Clone, Debug)]
pub struct Action {
    /// Element name.
    pub kind: String,
    /// `operation`
    pub operation: String,
    /// The key with the instance number.
    pub key: String,
    /// `on_node`
    pub node: Option<String>,
    /// The id of the resource that the agent is called for.
    pub primitive: Option<String>,
    /// `CRM_meta_stonith_action`
    pub fencing: Option<String>,
    /// Ids of the actions before it.
    pub inputs: BTreeSet<u32>,
}

impl Action {
    /// Sent to an agent.
    pub fn is_real(&self) -> bool {
        self.kind == "rsc_op"
    }
}

/// All actions by id.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The actions.
    pub actions: BTreeMap<u32, Action>,
}

impl Plan {
    /// Reads a `transition_graph`.
    ///
    /// # Errors
    /// What makes it no graph that can be executed.
    pub fn read(graph: &Element) -> Result<Plan, String> {
        let mut plan = Plan::default();
        for synapse in graph.children_named("synapse") {
            let set = synapse.child("action_set").ok_or("a synapse without actions")?;
            let inputs = synapse.child("inputs").map_or_else(BTreeSet::new, |inputs| {
                let triggers = inputs.children_named("trigger").flat_map(Element::children);
                triggers.filter_map(|t| t.id()?.parse().ok()).collect()
            });
            for element in set.children() {
                let id: u32 = element.id().and_then(|i| i.parse().ok()).ok_or("no action id")?;
                if plan.actions.insert(id, action(element, inputs.clone())).is_some() {
                    return Err(format!("action {id} occurs twice"));
                }
            }
        }
        Ok(plan)
    }

    /// The actions with this key.
    pub fn with_key<'a>(&'a self, key: &'a str) -> impl Iterator<Item = (u32, &'a Action)> {
        self.actions.iter().filter(move |(_, a)| a.key == key).map(|(i, a)| (*i, a))
    }

    /// True if `first` is complete before `then` starts in every legal execution.
    pub fn precedes(&self, first: u32, then: u32) -> bool {
        let mut seen = BTreeSet::new();
        let mut stack = vec![then];
        while let Some(next) = stack.pop() {
            let Some(action) = self.actions.get(&next) else { continue };
            for &input in &action.inputs {
                if input == first {
                    return true;
                }
                if seen.insert(input) {
                    stack.push(input);
                }
            }
        }
        false
    }

    /// Names of nodes that are fenced, with the actions that do it.
    pub fn fenced(&self) -> BTreeMap<&str, u32> {
        let off = |a: &Action| matches!(a.fencing.as_deref(), Some("off" | "reboot" | "poweroff"));
        let fencings = self.actions.iter().filter(|(_, a)| a.operation == "stonith" && off(a));
        fencings.filter_map(|(i, a)| Some((a.node.as_deref()?, *i))).collect()
    }

    /// Actions that wait for each other in a circle, or for something that does not exist.
    pub fn stuck(&self) -> BTreeSet<u32> {
        let mut left: BTreeSet<u32> = self.actions.keys().copied().collect();
        loop {
            let ready: Vec<u32> = left
                .iter()
                .copied()
                .filter(|id| {
                    let inputs = &self.actions[id].inputs;
                    inputs.iter().all(|i| self.actions.contains_key(i) && !left.contains(i))
                })
                .collect();
            if ready.is_empty() {
                return left;
            }
            for id in ready {
                left.remove(&id);
            }
        }
    }
}

fn action(element: &Element, inputs: BTreeSet<u32>) -> Action {
    let text = |name: &str| element.attr(name).map(str::to_string);
    let key = text("internal_operation_key").or_else(|| text("operation_key"));
    let meta = |name: &str| Some(element.child("attributes")?.attr(name)?.to_string());
    Action {
        kind: element.name().to_string(),
        operation: text("operation").unwrap_or_default(),
        key: key.unwrap_or_default(),
        node: text("on_node"),
        primitive: element.child("primitive").and_then(|p| Some(p.id()?.to_string())),
        fencing: meta("CRM_meta_stonith_action"),
        inputs,
    }
}
