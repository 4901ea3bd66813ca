//! Constraints of every kind.

use crm_core::cib::Element;

use super::{Draft, NOW, Target};

pub(super) fn generate(draft: &mut Draft) {
    let targets = draft.targets.clone();
    if targets.is_empty() {
        return;
    }
    let more = draft.theme.constraints;
    for _ in 0..draft.below(4 + more) {
        let constraint = location(draft, &targets);
        draft.constraints.push(constraint);
    }
    if targets.len() > 1 {
        for _ in 0..draft.below(3 + more) {
            let constraint = colocation(draft, &targets);
            draft.constraints.extend(constraint);
        }
        for _ in 0..draft.below(4 + more) {
            let constraint = order(draft, &targets);
            draft.constraints.extend(constraint);
        }
    }
    if draft.feature(12, "ticket") {
        ticket(draft, &targets, "ticketA");
        if draft.feature(20, "more tickets") {
            ticket(draft, &targets, "ticketB");
            ticket(draft, &targets, "ticketA");
        }
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
        for _ in 0..1 + draft.below(2) {
            let chosen = several(draft, targets);
            let roles: &[(&str, &str)] =
                draft.pick(&[&[][..], &[][..], &[("role", "Promoted")], &[("role", "Started")]]);
            let mut set = set(draft, &chosen, roles);
            if draft.chance(20) {
                set.set_attr("score", draft.score());
            }
            if !chosen.is_empty() {
                element.push(set);
            }
        }
        if element.children().next().is_none() {
            element.set_attr("rsc", &targets[0].id);
        }
    } else {
        let target = draft.pick(targets);
        element.set_attr("rsc", &target.id);
        if target.promotable && draft.feature(25, "location with role") {
            element.set_attr(
                "role",
                draft.pick(&["Promoted", "Master", "Started", "Stopped", "Unpromoted", "Slave"]),
            );
        }
    }
    if draft.feature(10, "resource discovery") {
        element.set_attr("resource-discovery", draft.pick(&["always", "never", "exclusive"]));
    }
    if draft.feature(35, "location rule") {
        let mut rule = super::rules::node_rule(draft);
        if draft.feature(6, "rule with role") {
            rule.set_attr("role", draft.pick(&["Promoted", "Started", "Unpromoted"]));
        }
        if draft.feature(8, "score attribute") {
            rule.set_attr("score-attribute", draft.pick(&["pingd", "rack"]));
        } else {
            rule.set_attr("score", draft.score());
        }
        element.push(rule);
        if draft.chance(15) {
            let score = draft.score();
            let second = super::rules::node_rule(draft).with("score", score);
            element.push(second);
        }
    } else {
        element.set_attr("node", draft.host());
        element.set_attr("score", draft.score());
        draft.features.insert("location");
    }
    if draft.feature(4, "lifetime") {
        let rule = super::rules::node_rule(draft);
        element.push(Element::new("lifetime").with_child(rule));
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
    if draft.feature(10, "colocation influence") {
        element.set_attr("influence", draft.pick(&["true", "false"]));
    }
    if draft.feature(25, "colocation set") {
        let left = chosen.len() - draft.below(chosen.len());
        for members in [&chosen[..left], &chosen[left..]] {
            if members.is_empty() {
                continue;
            }
            let sequential = draft.pick(&["true", "false"]);
            let mut set = set(draft, members, &[("sequential", sequential)]);
            if draft.chance(30) {
                set.set_attr("role", draft.pick(&["Promoted", "Started", "Unpromoted"]));
            }
            if draft.chance(12) {
                set.set_attr("score", draft.score());
            }
            if draft.chance(12) {
                set.set_attr("ordering", draft.pick(&["group", "listed"]));
            }
            element.push(set);
        }
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
        let mut at = 0;
        while at < chosen.len() {
            let end = at + 1 + draft.below(chosen.len() - at);
            let which = if at == 0 { &attributes[..] } else { &attributes[..draft.below(2)] };
            let mut set = set(draft, &chosen[at..end], which);
            if draft.chance(25) {
                set.set_attr("action", draft.pick(&["start", "stop", "promote", "demote"]));
            }
            if draft.chance(10) {
                set.set_attr("kind", draft.pick(&["Mandatory", "Optional", "Serialize"]));
            }
            element.push(set);
            at = end;
        }
        return Some(element);
    }
    if draft.feature(10, "order with require-all") {
        element.set_attr("require-all", "false");
    }
    element.set_attr("first", &first.id);
    element.set_attr("then", &second.id);
    if first.promotable && draft.feature(40, "order after promote") {
        element.set_attr("first-action", draft.pick(&["promote", "demote", "start"]));
        if draft.chance(70) {
            element.set_attr("then-action", draft.pick(&["start", "start", "stop"]));
        }
    } else if draft.feature(10, "order after stop") {
        element.set_attr("first-action", "stop");
        element.set_attr("then-action", draft.pick(&["start", "stop"]));
    }
    if second.promotable && element.attr("then-action").is_none() && draft.chance(15) {
        element.set_attr("then-action", draft.pick(&["promote", "demote"]));
    }
    draft.features.insert("order");
    Some(element)
}

fn ticket(draft: &mut Draft, targets: &[Target], name: &str) {
    let mut element = draft.element("rsc_ticket").with("ticket", name);
    if draft.feature(70, "loss policy") {
        element.set_attr("loss-policy", draft.pick(&["stop", "demote", "fence", "freeze"]));
    }
    let chosen = several(draft, targets);
    if draft.feature(20, "ticket set") && !chosen.is_empty() {
        let roles: &[(&str, &str)] = draft.pick(&[&[][..], &[("role", "Promoted")]]);
        let set = set(draft, &chosen, roles);
        element.push(set);
    } else {
        let target = draft.pick(targets);
        element.set_attr("rsc", &target.id);
        if target.promotable && draft.chance(50) {
            element.set_attr("rsc-role", draft.pick(&["Promoted", "Promoted", "Started"]));
        }
    }
    draft.constraints.push(element);
    if draft.chance(75) && draft.tickets.iter().all(|t| t.id() != Some(name)) {
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
