//! Node attributes in the document: where they live and how they are changed.

use crm_core::cib::Element;
use crm_messaging::proto::AttributeUpdate;

/// Applies `update` to a `cib` element.
///
/// Permanent attributes are `configuration/nodes/node/instance_attributes`, transient ones
/// `status/node_state/transient_attributes/instance_attributes`, with the ids that Pacemaker's
/// tools give them. Returns false, and changes nothing, if the node is not known.
pub fn apply(cib: &mut Element, update: &AttributeUpdate) -> bool {
    let Some(node_id) = node_id(cib, &update.node) else { return false };
    let owner = if update.transient {
        cib.child_or_insert("status")
            .find_child_mut(|s| s.attr("uname") == Some(&update.node) || s.id() == Some(&node_id))
            .map(|state| {
                let transient = state.child_or_insert("transient_attributes");
                transient.set_attr("id", &node_id);
                transient
            })
    } else {
        cib.at_mut(&["configuration", "nodes"])
            .and_then(|n| n.find_child_mut(|c| c.id() == Some(&node_id)))
    };
    let Some(owner) = owner else { return false };
    let default_set =
        if update.transient { format!("status-{node_id}") } else { format!("nodes-{node_id}") };
    let set_id = if update.set.is_empty() { default_set } else { update.set.clone() };
    set_value(owner, &set_id, &update.name, new_value(owner, update));
    true
}

/// The id of a node by its name (a name that is an id is accepted too).
pub fn node_id(cib: &Element, name: &str) -> Option<String> {
    let nodes = cib.at(&["configuration", "nodes"])?;
    let found = nodes.children().find(|n| n.attr("uname") == Some(name) || n.id() == Some(name));
    found.and_then(Element::id).map(str::to_string)
}

fn new_value(owner: &Element, update: &AttributeUpdate) -> Option<String> {
    let Some(delta) = update.delta else { return update.value.clone() };
    let old = owner
        .children_named("instance_attributes")
        .flat_map(Element::children)
        .find(|p| p.attr("name") == Some(&update.name))
        .and_then(|p| p.attr("value")?.parse::<i64>().ok());
    Some(old.unwrap_or(0).saturating_add(delta).to_string())
}

fn set_value(owner: &mut Element, set_id: &str, name: &str, value: Option<String>) {
    let holds = |s: &Element| {
        s.name() == "instance_attributes" && s.children().any(|p| p.attr("name") == Some(name))
    };
    let in_use = owner.children().find(|s| holds(s)).and_then(Element::id).map(str::to_string);
    let set_id = in_use.as_deref().unwrap_or(set_id);
    match value {
        None => {
            if let Some(set) = owner.find_child_mut(holds) {
                set.retain(|p| p.attr("name") != Some(name));
            }
        }
        Some(value) => {
            if owner.position(|s| s.id() == Some(set_id)).is_none() {
                owner.push(Element::new("instance_attributes").with("id", set_id));
            }
            let Some(set) = owner.find_child_mut(|s| s.id() == Some(set_id)) else { return };
            match set.find_child_mut(|p| p.attr("name") == Some(name)) {
                Some(pair) => pair.set_attr("value", value),
                None => set.push(
                    Element::new("nvpair")
                        .with("id", format!("{set_id}-{name}"))
                        .with("name", name)
                        .with("value", value),
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::cib::parse;

    fn cib() -> Element {
        parse(
            "<cib><configuration><nodes><node id='1' uname='n1'/></nodes></configuration>\
             <status><node_state id='1' uname='n1'/></status></cib>",
        )
        .unwrap()
    }

    fn update(name: &str, value: Option<&str>, transient: bool) -> AttributeUpdate {
        AttributeUpdate {
            node: "n1".into(),
            name: name.into(),
            value: value.map(Into::into),
            transient,
            ..AttributeUpdate::default()
        }
    }

    #[test]
    fn permanent_and_transient_attributes_get_pacemakers_ids() {
        let mut c = cib();
        assert!(apply(&mut c, &update("standby", Some("on"), false)));
        assert!(apply(&mut c, &update("ping", Some("3"), true)));
        assert_eq!(c.find_id("nodes-1-standby").unwrap().attr("value"), Some("on"));
        assert_eq!(c.find_id("status-1-ping").unwrap().attr("value"), Some("3"));
        assert!(apply(&mut c, &update("standby", None, false)));
        assert!(c.find_id("nodes-1-standby").is_none());
    }

    #[test]
    fn a_delta_counts_from_zero() {
        let mut c = cib();
        let plus = AttributeUpdate { delta: Some(2), ..update("fail-count-a", None, true) };
        assert!(apply(&mut c, &plus) && apply(&mut c, &plus));
        assert_eq!(c.find_id("status-1-fail-count-a").unwrap().attr("value"), Some("4"));
    }

    #[test]
    fn an_unknown_node_changes_nothing() {
        let mut c = cib();
        let before = c.clone();
        assert!(!apply(
            &mut c,
            &AttributeUpdate { node: "n9".into(), ..update("a", Some("b"), false) }
        ));
        assert_eq!(c, before);
    }
}
