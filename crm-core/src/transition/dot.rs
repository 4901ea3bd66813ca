//! The graph as a DOT drawing.

use std::fmt::Write;

use super::graph::{Action, ActionKind, Graph, Mark, Presence};

impl Graph {
    /// The drawing `crm_simulate --save-dotfile` writes. With `ids`, every name
    /// carries the action's number. What is optional or not managed is drawn only with `all`,
    /// though what waits for it shows that.
    pub fn to_dot(&self, ids: bool, all: bool) -> String {
        let hidden =
            |action: &Action| matches!(action.mark, Mark::Unmanaged | Mark::Optional) && !all;
        let mut out = String::from(" digraph \"g\" {\n");
        for (_, action) in self.actions().rev() {
            if hidden(action) {
                continue;
            }
            let (style, color) = match action.mark {
                Mark::Included => ("bold", "green"),
                Mark::Unmanaged | Mark::Blocked => ("dashed", "red"),
                Mark::Optional => ("dashed", "blue"),
            };
            let font = match (action.mark, action.kind) {
                (Mark::Unmanaged, _) => "purple",
                (_, ActionKind::Pseudo) => "orange",
                _ => "black",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "\"{}\" [ style={style} color=\"{color}\" fontcolor=\"{font}\"]",
                name(action, ids)
            );
        }
        for (ix, then) in self.actions().rev() {
            for (first, presence) in self.predecessors(ix) {
                let Some(first) = self.get(first) else { continue };
                if presence != Presence::Trigger && (hidden(first) || hidden(then)) {
                    continue;
                }
                let style = if presence == Presence::Trigger { "bold" } else { "dashed" };
                let (first, then) = (name(first, ids), name(then, ids));
                let _ = writeln!(out, "\"{first}\" -> \"{then}\" [ style = {style}]");
            }
        }
        out.push_str("}\n");
        out
    }
}

/// What the drawing calls an action.
fn name(action: &Action, ids: bool) -> String {
    let node = match (&action.node, action.kind) {
        (Some(node), _) => Some(node.name.as_str()),
        (None, ActionKind::Pseudo) => None,
        (None, _) => Some("<none>"),
    };
    let key =
        action.internal_key.as_ref().map_or_else(|| action.key.clone(), |_| drawn_key(action));
    let mut name = match (node, action.operation.as_str()) {
        (Some(node), "stonith") => {
            format!("stonith '{}' {node}", action.meta("stonith_action").unwrap_or_default())
        }
        (Some(node), _) if action.owner.is_some() => {
            let prefix = if action.operation == "cancel" { "Cancel " } else { "" };
            format!("{prefix}{key} {node}")
        }
        (Some(node), operation) => format!("{operation} {node}"),
        (None, _) => key,
    };
    if ids {
        // Writing to a String cannot fail.
        let _ = write!(name, " ({})", action.id);
    }
    name
}

/// The key with the name under which the history is recorded; notifications name what they
/// announce rather than what they are.
fn drawn_key(action: &Action) -> String {
    let (Some(kind), Some(about)) =
        (action.meta("notify_key_type"), action.meta("notify_key_operation"))
    else {
        return action.key.clone();
    };
    let when = action.meta("notify_type").unwrap_or_default();
    let what = action.meta("notify_operation").unwrap_or_default();
    let suffix = match action.operation.as_str() {
        "notify" => format!("_{when}_notify_{what}_0"),
        operation => format!("_{operation}_0"),
    };
    let name = action.key.strip_suffix(&suffix).unwrap_or(&action.key);
    format!("{name}_{kind}_notify_{about}_0")
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::action;
    use super::super::{Graph, Mark, NodeRef, Presence};

    #[test]
    fn blocked_actions_are_dashed_and_nowhere() {
        let mut graph = Graph::default();
        let mut held = action(1, "a_start_0", Mark::Blocked);
        held.owner = Some("a".into());
        let held = graph.add(held);
        let mut next = action(2, "b_start_0", Mark::Included);
        next.owner = Some("b".into());
        next.node = Some(NodeRef { name: "n1".into(), id: "1".into() });
        let next = graph.add(next);
        graph.order(held, next, Presence::Ignored);
        assert_eq!(
            graph.to_dot(false, true),
            " digraph \"g\" {\n\
             \"b_start_0 n1\" [ style=bold color=\"green\" fontcolor=\"black\"]\n\
             \"a_start_0 <none>\" [ style=dashed color=\"red\" fontcolor=\"black\"]\n\
             \"a_start_0 <none>\" -> \"b_start_0 n1\" [ style = dashed]\n}\n"
        );
    }
}
