//! Nodes and what is known of them.

use crm_core::cib::Element;

use super::{Draft, Host, NOW};

pub(super) fn generate(draft: &mut Draft) {
    let count = 1 + draft.below(5);
    for number in 1..=count {
        let (id, name) = (number.to_string(), format!("node{number}"));
        draft.hosts.push(Host { name: name.clone(), id: id.clone(), remote: false });
        let mut node = Element::new("node").with("id", &id).with("uname", &name);
        let attributes = attributes(draft);
        if !attributes.is_empty() {
            node.push(draft.pairs("instance_attributes", &attributes));
        }
        if draft.options.iter().any(|(n, _)| *n == "placement-strategy") && draft.chance(70) {
            let cpu = (1 + draft.below(6)).to_string();
            let mut capacity = vec![("cpu", cpu)];
            if draft.chance(40) {
                capacity.push(("memory", (256 * (1 + draft.below(5))).to_string()));
            }
            node.push(draft.pairs("utilization", &capacity));
            draft.features.insert("utilization");
        }
        draft.nodes.push(node);
        let state = state(draft, &id, &name, number == 1);
        draft.states.extend(state);
    }
}

fn attributes(draft: &mut Draft) -> Vec<(&'static str, String)> {
    let mut pairs = Vec::new();
    if draft.feature(30, "node attributes") {
        pairs.push(("color", draft.pick(&["red", "blue", "green"]).to_string()));
    }
    if draft.chance(20) {
        pairs.push(("rack", draft.pick(&["1", "2", "2.5", "ten"]).to_string()));
    }
    if draft.feature(6, "standby") {
        pairs.push(("standby", "on".to_string()));
    }
    if draft.feature(3, "node maintenance") {
        pairs.push(("maintenance", "true".to_string()));
    }
    if draft.options.iter().any(|(n, _)| *n == "node-health-strategy") && draft.chance(50) {
        let value = draft.pick(&["red", "yellow", "green", "5", "-7"]);
        pairs.push(("#health-disk", value.to_string()));
    }
    if draft.feature(2, "terminate") {
        pairs.push(("terminate", "true".to_string()));
    }
    pairs
}

fn state(draft: &mut Draft, id: &str, name: &str, is_dc: bool) -> Option<Element> {
    if !is_dc && draft.feature(3, "node never seen") {
        return None;
    }
    let mut state = Element::new("node_state").with("id", id).with("uname", name);
    let (in_ccm, crmd, join, expected) = if is_dc {
        ("true", "online", "member", "member")
    } else if draft.feature(8, "node down") {
        ("false", "offline", "down", "down")
    } else if draft.feature(7, "unclean node") {
        ("false", "offline", "down", "member")
    } else if draft.feature(3, "pending node") {
        ("true", "online", "pending", "member")
    } else if draft.feature(2, "half dead node") {
        draft.pick(&[
            ("true", "offline", "member", "member"),
            ("false", "online", "member", "member"),
            ("true", "online", "down", "down"),
            ("true", "online", "banned", "member"),
            ("true", "offline", "down", "down"),
        ])
    } else {
        ("true", "online", "member", "member")
    };
    for (attribute, value) in
        [("in_ccm", in_ccm), ("crmd", crmd), ("join", join), ("expected", expected)]
    {
        state.set_attr(attribute, value);
    }
    let mut pairs: Vec<(&str, String)> = Vec::new();
    if draft.feature(3, "shutdown") {
        pairs.push(("shutdown", (NOW - 20).to_string()));
    }
    if draft.chance(20) {
        pairs.push(("pingd", draft.pick(&["0", "100", "1000"]).to_string()));
    }
    if draft.feature(3, "feature set") {
        let set = draft.pick(&["3.16.1", "3.15.0", "3.7.2"]);
        pairs.push(("#feature-set", set.to_string()));
    }
    if draft.feature(1, "transient terminate") {
        pairs.push(("terminate", draft.pick(&["true", "1699999990"]).to_string()));
    }
    if draft.options.iter().any(|(n, _)| *n == "node-health-strategy") && draft.chance(30) {
        let value = draft.pick(&["red", "yellow", "green", "-3"]);
        pairs.push(("#health-cpu", value.to_string()));
    }
    if draft.feature(2, "transient standby") {
        pairs.push(("standby", "true".to_string()));
    }
    if !pairs.is_empty() {
        let set = draft.pairs("instance_attributes", &pairs);
        state.push(Element::new("transient_attributes").with("id", id).with_child(set));
    }
    Some(state)
}
