//! Where resources run, by the operation history in the status section.

use crm_core::cib::Element;

use crate::language::is_member;

/// An instance of a resource on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The node.
    pub node: String,
    /// True for a promoted instance.
    pub promoted: bool,
}

/// Where a primitive, group, clone or bundle runs; the union over its members.
pub fn running(cib: &Element, resource: &Element) -> Vec<Running> {
    let mut out: Vec<Running> = Vec::new();
    let members: Vec<&Element> = resource.children().filter(|c| is_member(c)).collect();
    if members.is_empty() {
        return primitive(cib, resource.id().unwrap_or_default());
    }
    for member in members {
        for place in running(cib, member) {
            match out.iter_mut().find(|o| o.node == place.node) {
                Some(known) => known.promoted |= place.promoted,
                None => out.push(place),
            }
        }
    }
    out
}

fn primitive(cib: &Element, id: &str) -> Vec<Running> {
    let mut out = Vec::new();
    let states = cib.child("status").into_iter().flat_map(Element::children);
    for state in states.filter(|s| s.name() == "node_state") {
        let node = state.attr("uname").or(state.id()).unwrap_or_default();
        let histories = state.descendants().filter(|e| e.name() == "lrm_resource");
        for history in histories {
            let name = history.id().unwrap_or_default();
            let base = name.split_once(':').map_or(name, |(b, _)| b);
            if base == id
                && let Some(promoted) = active(history)
            {
                out.push(Running { node: node.to_string(), promoted });
            }
        }
    }
    out
}

/// Whether a history ends with the resource running, and promoted.
fn active(history: &Element) -> Option<bool> {
    let call = |o: &Element| o.attr("call-id").and_then(|c| c.parse::<i64>().ok()).unwrap_or(-1);
    let mut ops: Vec<&Element> = history.children().filter(|o| o.name() == "lrm_rsc_op").collect();
    ops.sort_by_key(|o| call(o));
    let mut state = None;
    for op in ops {
        let code = op.attr("rc-code").unwrap_or_default();
        let pending = op.attr("op-status") == Some("-1");
        if pending {
            continue;
        }
        match (op.attr("operation").unwrap_or_default(), code) {
            ("start" | "migrate_from", "0") | ("demote", "0") => state = Some(false),
            ("promote", "0") => state = Some(true),
            ("stop" | "migrate_to", "0") => state = None,
            ("monitor", "0") => state = state.or(Some(false)),
            ("monitor", "8" | "9") => state = Some(true),
            ("monitor", "7" | "5") => state = None,
            _ => {}
        }
    }
    state
}
