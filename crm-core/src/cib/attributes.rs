//! Node attributes in the document: where they live and how they are changed.

use super::Element;

/// One change of one attribute of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeChange<'a> {
    /// The node's name or id.
    pub node: &'a str,
    /// The attribute.
    pub name: &'a str,
    /// The new value; none (and no `delta`): delete.
    pub value: Option<&'a str>,
    /// Add this to an integer instead.
    pub delta: Option<i64>,
    /// Transient attributes end with the node's membership.
    pub transient: bool,
    /// Which set; empty for the default one.
    pub set: &'a str,
}

/// Makes a change in a `cib` element.
///
/// Permanent attributes are `configuration/nodes/node/instance_attributes`, transient ones
/// `status/node_state/transient_attributes/instance_attributes`, with the ids that Pacemaker's
/// tools give them. Returns false, and changes nothing, if the node is not known.
pub fn set_attribute(cib: &mut Element, change: &AttributeChange<'_>) -> bool {
    let Some(node_id) = node_id(cib, change.node) else { return false };
    let owner = if change.transient {
        cib.child_or_insert("status")
            .find_child_mut(|s| s.name() == "node_state" && s.id() == Some(&node_id))
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
    let kind = if change.transient { "status" } else { "nodes" };
    let default_set = format!("{kind}-{node_id}");
    let value = match change.delta {
        None => change.value.map(str::to_string),
        Some(delta) => Some(increased(value_of(owner, change.name), delta)),
    };
    let pair = PairName {
        tag: "instance_attributes",
        set: Some(change.set).filter(|s| !s.is_empty()),
        default_set: &default_set,
        id: None,
        name: change.name,
    };
    set_pair(owner, &pair, value.as_deref());
    true
}

/// Which name-value pair of an owner is meant, and what it is called where it has to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairName<'a> {
    /// The element of its sets: `instance_attributes`, `meta_attributes`, ...
    pub tag: &'a str,
    /// Only in this set.
    pub set: Option<&'a str>,
    /// The set that is made if none is asked for and none has the pair.
    pub default_set: &'a str,
    /// Only the pair with this id.
    pub id: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
}

impl PairName<'_> {
    /// Whether a set is one where the pair is looked for.
    pub fn is_in(&self, set: &Element) -> bool {
        set.name() == self.tag && self.set.is_none_or(|id| set.id() == Some(id))
    }

    /// Whether this is the pair.
    pub fn is(&self, pair: &Element) -> bool {
        pair.attr("name") == Some(self.name) && self.id.is_none_or(|id| pair.id() == Some(id))
    }

    /// The set and the id that a new pair gets.
    pub fn new_ids(&self) -> (&str, String) {
        let set = self.set.unwrap_or(self.default_set);
        let id = self.id.map_or_else(|| xml_id(&format!("{set}-{}", self.name)), str::to_string);
        (set, id)
    }
}

/// Sets, or without a value deletes, a pair in the sets of `owner`; a pair that exists keeps its id.
pub fn set_pair(owner: &mut Element, which: &PairName<'_>, value: Option<&str>) {
    let holds = |set: &Element| which.is_in(set) && set.children().any(|p| which.is(p));
    match (owner.find_child_mut(holds), value) {
        (Some(set), None) => set.retain(|p| !which.is(p)),
        (Some(set), Some(value)) => {
            if let Some(pair) = set.find_child_mut(|p| which.is(p)) {
                pair.set_attr("value", value);
            }
        }
        (None, None) => {}
        (None, Some(value)) => {
            let (set, id) = which.new_ids();
            let pair = Element::new("nvpair").with("id", id).with("name", which.name);
            let pair = pair.with("value", value);
            match owner.find_child_mut(|s| s.name() == which.tag && s.id() == Some(set)) {
                Some(known) => known.push(pair),
                None => owner.push(Element::new(which.tag).with("id", set).with_child(pair)),
            }
        }
    }
}

/// The id of a node by its name (an id is accepted too).
pub fn node_id(cib: &Element, name: &str) -> Option<String> {
    let nodes = cib.at(&["configuration", "nodes"])?;
    let found = nodes.children().find(|n| n.attr("uname") == Some(name) || n.id() == Some(name));
    found.and_then(Element::id).map(str::to_string)
}

/// The value of the attribute `name` in the sets below `owner`.
pub fn value_of<'a>(owner: &'a Element, name: &str) -> Option<&'a str> {
    owner
        .children_named("instance_attributes")
        .flat_map(Element::children)
        .find(|p| p.attr("name") == Some(name))
        .and_then(|p| p.attr("value"))
}

/// `old` plus `delta`; INFINITY stays, what is no number counts as 0, as in attrd.
fn increased(old: Option<&str>, delta: i64) -> String {
    match old {
        Some(infinite @ ("INFINITY" | "+INFINITY")) => infinite.to_string(),
        old => {
            let old = old.and_then(|v| v.parse::<i64>().ok()).unwrap_or(0);
            old.saturating_add(delta).to_string()
        }
    }
}

/// `text` with every character that an XML id may not have turned into a dot.
pub fn xml_id(text: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.chars().map(|c| if allowed(c) { c } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::parse;

    fn cib() -> Element {
        parse(
            "<cib><configuration><nodes><node id='1' uname='n1'/></nodes></configuration>\
             <status><node_state id='1' uname='n1'/></status></cib>",
        )
        .unwrap()
    }

    fn value<'a>(cib: &'a Element, id: &str) -> Option<&'a str> {
        cib.find_id(id)?.attr("value")
    }

    #[test]
    fn permanent_and_transient_attributes_get_pacemakers_ids() {
        let mut c = cib();
        let standby = AttributeChange {
            node: "n1",
            name: "standby",
            value: Some("on"),
            ..AttributeChange::default()
        };
        assert!(set_attribute(&mut c, &standby));
        let count =
            AttributeChange { name: "fail-count-a#monitor_10", transient: true, ..standby.clone() };
        assert!(set_attribute(&mut c, &count));
        assert_eq!(value(&c, "nodes-1-standby"), Some("on"));
        assert_eq!(value(&c, "status-1-fail-count-a.monitor_10"), Some("on"));
        assert!(set_attribute(&mut c, &AttributeChange { value: None, ..standby }));
        assert!(c.find_id("nodes-1-standby").is_none());
    }

    #[test]
    fn a_delta_counts_from_zero_and_infinity_stays() {
        let mut c = cib();
        let plus = AttributeChange {
            node: "1",
            name: "f",
            delta: Some(2),
            transient: true,
            ..AttributeChange::default()
        };
        assert!(set_attribute(&mut c, &plus) && set_attribute(&mut c, &plus));
        assert_eq!(value(&c, "status-1-f"), Some("4"));
        let infinite = AttributeChange { value: Some("INFINITY"), delta: None, ..plus.clone() };
        assert!(set_attribute(&mut c, &infinite) && set_attribute(&mut c, &plus));
        assert_eq!(value(&c, "status-1-f"), Some("INFINITY"));
    }

    #[test]
    fn an_unknown_node_changes_nothing() {
        let mut c = cib();
        let before = c.clone();
        let change = AttributeChange { node: "n9", name: "a", ..AttributeChange::default() };
        assert!(!set_attribute(&mut c, &change));
        assert_eq!(c, before);
    }
}
