//! Constraints of every kind.

use crm_core::cib::Element;

use super::{Draft, NOW, Target};

pub(super) fn generate(draft: &mut Draft) {
    let targets = draft.targets.clone();
    if targets.is_empty() {
        return;
    }
    for _ in 0..draft.below(4) {
        let constraint = location(draft, &targets);
        draft.constraints.push(constraint);
    }
    if targets.len() > 1 {
        for _ in 0..draft.below(3) {
            let constraint = colocation(draft, &targets);
            draft.constraints.extend(constraint);
        }
        for _ in 0..draft.below(4) {
            let constraint = order(draft, &targets);
            draft.constraints.extend(constraint);
        }
    }
    if draft.feature(12, "ticket") {
        ticket(draft, &targets);
    }
}

fn is_tag(target: &Target) -> bool {
    target.id.starts_with("tag")
}

fn location(draft: &mut Draft, targets: &[Target]) -> Element {
    let mut element = draft.element("rsc_location");
    if draft.feature(8, "resource pattern") {
        element.set_attr("rsc-pattern", draft.pick(&["^rsc-.*", "rsc-[0-9]", "(clone|group).*"]));
    } else if draft.feature(6, "location set") {
        let first = draft.pick(targets);
        let set = set(draft, &[first], &[]);
        element.push(set);
    } else {
        let target = draft.pick(targets);
        element.set_attr("rsc", &target.id);
        if target.promotable && draft.feature(25, "location with role") {
            element.set_attr("role", draft.pick(&["Promoted", "Started", "Stopped", "Unpromoted"]));
        }
    }
    if draft.feature(10, "resource discovery") {
        element.set_attr("resource-discovery", draft.pick(&["always", "never", "exclusive"]));
    }
    if draft.feature(35, "location rule") {
        let mut rule = super::rules::node_rule(draft);
        if draft.feature(8, "score attribute") {
            rule.set_attr("score-attribute", draft.pick(&["pingd", "rack"]));
        } else {
            rule.set_attr("score", draft.score());
        }
        element.push(rule);
    } else {
        element.set_attr("node", draft.host());
        element.set_attr("score", draft.score());
        draft.features.insert("location");
    }
    element
}

/// A resource set; attributes are the caller's.
fn set(draft: &mut Draft, members: &[Target], attributes: &[(&str, &str)]) -> Element {
    let mut set = draft.element("resource_set");
    for (name, value) in attributes {
        set.set_attr(name, value);
    }
    for member in members {
        set.push(Element::new("resource_ref").with("id", &member.id));
    }
    set
}

/// Two or three different targets that are no tags.
fn several(draft: &mut Draft, targets: &[Target]) -> Vec<Target> {
    let mut chosen: Vec<Target> = Vec::new();
    for _ in 0..4 {
        let target = draft.pick(targets);
        if !is_tag(&target) && chosen.iter().all(|c| c.id != target.id) {
            chosen.push(target);
        }
    }
    chosen.truncate(3);
    chosen
}

fn colocation(draft: &mut Draft, targets: &[Target]) -> Option<Element> {
    let chosen = several(draft, targets);
    let [first, second, ..] = &chosen[..] else { return None };
    let mut element = draft.element("rsc_colocation");
    element.set_attr("score", draft.score());
    if draft.feature(25, "colocation set") {
        let sequential = draft.pick(&["true", "false"]);
        let whole = set(draft, &chosen, &[("sequential", sequential)]);
        element.push(whole);
        return Some(element);
    }
    element.set_attr("rsc", &first.id);
    element.set_attr("with-rsc", &second.id);
    if second.promotable && draft.feature(50, "colocation with role") {
        element.set_attr("with-rsc-role", draft.pick(&["Promoted", "Started", "Unpromoted"]));
    }
    if first.promotable && draft.feature(30, "colocation of role") {
        element.set_attr("rsc-role", draft.pick(&["Promoted", "Started"]));
    }
    if draft.feature(8, "colocation by attribute") {
        element.set_attr("node-attribute", draft.pick(&["color", "rack"]));
    }
    if draft.feature(10, "colocation influence") {
        element.set_attr("influence", draft.pick(&["true", "false"]));
    }
    draft.features.insert("colocation");
    Some(element)
}

fn order(draft: &mut Draft, targets: &[Target]) -> Option<Element> {
    let chosen = several(draft, targets);
    let [first, second, ..] = &chosen[..] else { return None };
    let mut element = draft.element("rsc_order");
    if draft.feature(50, "order kind") {
        element.set_attr("kind", draft.pick(&["Mandatory", "Optional", "Serialize"]));
    }
    let symmetrical =
        element.attr("kind") != Some("Serialize") && draft.feature(15, "asymmetrical order");
    if symmetrical {
        element.set_attr("symmetrical", "false");
    }
    if draft.feature(20, "order set") {
        let sequential = draft.pick(&["true", "false"]);
        let all = if sequential == "false" && draft.feature(40, "require-all=false") {
            "false"
        } else {
            "true"
        };
        let attributes = [("sequential", sequential), ("require-all", all)];
        let left = set(draft, &chosen[..chosen.len() - 1], &attributes);
        let right = set(draft, &chosen[chosen.len() - 1..], &[]);
        element.push(left);
        element.push(right);
        return Some(element);
    }
    element.set_attr("first", &first.id);
    element.set_attr("then", &second.id);
    if first.promotable && draft.feature(40, "order after promote") {
        element.set_attr("first-action", draft.pick(&["promote", "demote", "start"]));
        element.set_attr("then-action", "start");
    } else if draft.feature(10, "order after stop") {
        element.set_attr("first-action", "stop");
        element.set_attr("then-action", draft.pick(&["start", "stop"]));
    }
    if second.promotable && element.attr("then-action").is_none() && draft.chance(15) {
        element.set_attr("then-action", "promote");
    }
    draft.features.insert("order");
    Some(element)
}

fn ticket(draft: &mut Draft, targets: &[Target]) {
    let name = draft.pick(&["ticketA", "ticketB"]);
    let mut element = draft.element("rsc_ticket").with("ticket", name);
    if draft.feature(70, "loss policy") {
        element.set_attr("loss-policy", draft.pick(&["stop", "demote", "fence", "freeze"]));
    }
    let chosen = several(draft, targets);
    if draft.feature(20, "ticket set") && !chosen.is_empty() {
        let set = set(draft, &chosen, &[]);
        element.push(set);
    } else {
        let target = draft.pick(targets);
        element.set_attr("rsc", &target.id);
        if target.promotable && draft.chance(50) {
            element.set_attr("rsc-role", "Promoted");
        }
    }
    draft.constraints.push(element);
    if draft.chance(75) {
        let mut state = Element::new("ticket_state")
            .with("id", name)
            .with("granted", draft.pick(&["true", "false"]));
        if draft.chance(30) {
            state.set_attr("last-granted", (NOW - 5000).to_string());
        }
        if draft.feature(20, "ticket standby") {
            state.set_attr("standby", "true");
        }
        draft.tickets.push(state);
    }
}
