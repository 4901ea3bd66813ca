//! Random changes of a document's tree: what a careless editor, an old tool or an attacker
//! could make of it.

use std::sync::Arc;

use crm_core::cib::{Child, Element};

/// Numbers from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        if end == 0 { 0 } else { usize::try_from(self.next() % end).unwrap_or(0) }
    }

    /// One of these.
    pub fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

const TAGS: &[&str] = &[
    "primitive",
    "template",
    "group",
    "clone",
    "master",
    "bundle",
    "docker",
    "podman",
    "rkt",
    "network",
    "port-mapping",
    "storage",
    "storage-mapping",
    "operations",
    "op",
    "meta_attributes",
    "instance_attributes",
    "utilization",
    "nvpair",
    "rule",
    "expression",
    "date_expression",
    "duration",
    "date_spec",
    "rsc_expression",
    "op_expression",
    "rsc_location",
    "rsc_colocation",
    "rsc_order",
    "rsc_ticket",
    "resource_set",
    "resource_ref",
    "lifetime",
    "node",
    "tags",
    "tag",
    "obj_ref",
    "acls",
    "acl_target",
    "acl_group",
    "acl_role",
    "acl_user",
    "acl_permission",
    "role",
    "role_ref",
    "read",
    "write",
    "deny",
    "fencing-topology",
    "fencing-level",
    "alerts",
    "alert",
    "recipient",
    "select",
    "select_attributes",
    "attribute",
    "select_fencing",
    "select_nodes",
    "select_resources",
    "cluster_property_set",
    "crm_config",
    "rsc_defaults",
    "op_defaults",
    "constraints",
    "resources",
    "nodes",
    "status",
    "node_state",
    "ticket_state",
    "lrm_rsc_op",
    "unknown",
];

const NAMES: &[&str] = &[
    "id",
    "id-ref",
    "name",
    "value",
    "class",
    "provider",
    "type",
    "template",
    "description",
    "score",
    "score-attribute",
    "score-attribute-mangle",
    "boolean-op",
    "role",
    "operation",
    "attribute",
    "value-source",
    "start",
    "end",
    "hours",
    "minutes",
    "seconds",
    "years",
    "yeardays",
    "yearsdays",
    "rsc",
    "rsc-pattern",
    "node",
    "resource-discovery",
    "with-rsc",
    "rsc-role",
    "with-rsc-role",
    "node-attribute",
    "influence",
    "first",
    "then",
    "first-action",
    "then-action",
    "kind",
    "symmetrical",
    "require-all",
    "sequential",
    "ordering",
    "action",
    "ticket",
    "loss-policy",
    "interval",
    "timeout",
    "start-delay",
    "interval-origin",
    "enabled",
    "record-pending",
    "on-fail",
    "requires",
    "uname",
    "index",
    "devices",
    "target",
    "target-pattern",
    "target-attribute",
    "target-value",
    "image",
    "replicas",
    "masters",
    "promoted-max",
    "replicas-per-host",
    "run-command",
    "options",
    "port",
    "range",
    "internal-port",
    "source-dir",
    "source-dir-root",
    "target-dir",
    "ip-range-start",
    "control-port",
    "add-host",
    "path",
    "xpath",
    "reference",
    "object-type",
    "tag",
    "ref",
    "epoch",
    "admin_epoch",
    "num_updates",
    "have-quorum",
    "dc-uuid",
    "remote-tls-port",
    "execution-date",
    "validate-with",
    "rsc-instance",
    "first-instance",
    "unknown",
];

const VALUES: &[&str] = &[
    "",
    " ",
    "0",
    "1",
    "-1",
    "+1",
    "007",
    " 5 ",
    "1.5",
    "1e9",
    "true",
    "false",
    "TRUE",
    "yes",
    "INFINITY",
    "-INFINITY",
    "+INFINITY",
    "infinity",
    "99999999999999999999",
    "1000000000000000000000000",
    "9999999999999999999999999",
    "-9223372036854775808",
    "ocf",
    "lsb",
    "systemd",
    "stonith",
    "nagios",
    "heartbeat",
    "Master",
    "Slave",
    "Started",
    "Stopped",
    "Promoted",
    "Unpromoted",
    "demote",
    "start",
    "stop",
    "promote",
    "ignore",
    "block",
    "fence",
    "standby",
    "restart",
    "restart-container",
    "nothing",
    "quorum",
    "fencing",
    "unfencing",
    "or",
    "and",
    "eq",
    "lt",
    "defined",
    "in_range",
    "gt",
    "date_spec",
    "string",
    "integer",
    "number",
    "version",
    "literal",
    "param",
    "meta",
    "Optional",
    "Mandatory",
    "Serialize",
    "listed",
    "group",
    "always",
    "never",
    "exclusive",
    "freeze",
    "normal",
    "member",
    "ping",
    "remote",
    "write",
    "deny",
    "read",
    "a b",
    "1abc",
    "_x",
    "a:b",
    "é",
    "x.y-z",
    "a,b",
    "a,,b",
    "1-9",
    "cman",
    "heartbeat ",
    "cluster-infrastructure",
    "no_quorum_policy",
    "requires",
    "isolation",
    "pcmk_off_cmd",
    "pcmk_arg_map",
    "default-resource-stickiness",
    "interval-origin",
    "none",
    "pacemaker-1.0",
    "pacemaker-2.0",
    "pacemaker-3.9",
    "pacemaker-next",
    "nosuch",
    "2020-01-01",
    "P1M",
    "clone-max",
    "2147483648",
    "4294967296",
    "18446744073709551616",
];

/// One to four random changes of a copy of `document`.
pub fn mutated(document: &Element, dice: &mut Dice) -> Element {
    let mut out = document.clone();
    for _ in 0..=dice.below(4) {
        change(&mut out, dice);
    }
    out
}

/// One random change.
pub fn change(root: &mut Element, dice: &mut Dice) {
    let count = root.descendants().count();
    let other = root.descendants().nth(dice.below(count)).cloned();
    let borrowed = other.as_ref().and_then(|e| {
        let at = dice.below(e.attrs().len());
        e.attrs().nth(at).map(|(_, value)| value.to_string())
    });
    // Most of a document is history: the configuration gets its share.
    let configured = root.child("configuration").map_or(0, |c| c.descendants().count());
    let at = if dice.below(3) > 0 { dice.below(configured + 1) } else { dice.below(count) };
    let Some(target) = nth(root, at) else { return };
    match dice.below(12) {
        0 | 1 => {
            if let Some(name) = attribute(target, dice) {
                target.remove_attr(&name);
            }
        }
        2 | 3 => {
            let value = value(borrowed, dice);
            target.set_attr(dice.one(NAMES), value);
        }
        4 | 5 => {
            if let Some(name) = attribute(target, dice) {
                target.set_attr(&name, value(borrowed, dice));
            }
        }
        6 => {
            let old = attribute(target, dice).and_then(|n| target.remove_attr(&n));
            if let Some(value) = old {
                target.set_attr(dice.one(NAMES), value);
            }
        }
        7 => target.rename(dice.one(TAGS)),
        8 => {
            let nodes = target.nodes_mut();
            if !nodes.is_empty() {
                let at = dice.below(nodes.len());
                nodes.remove(at);
            }
        }
        9 => {
            let nodes = target.nodes_mut();
            if !nodes.is_empty() {
                let (from, to) = (dice.below(nodes.len()), dice.below(nodes.len()));
                let moved = nodes[from].clone();
                if dice.below(2) == 0 {
                    nodes.remove(from);
                }
                nodes.insert(to.min(nodes.len()), moved);
            }
        }
        10 => insert(target, other, dice),
        _ => foreign(target, dice),
    }
}

fn insert(target: &mut Element, other: Option<Element>, dice: &mut Dice) {
    let at = dice.below(target.nodes().len() + 1);
    let new = match other {
        // A document must not grow without bound.
        Some(e) if dice.below(2) == 0 && e.descendants().nth(200).is_none() => e,
        _ => Element::new(dice.one(TAGS)),
    };
    target.nodes_mut().insert(at, Child::Element(Arc::new(new)));
}

fn foreign(target: &mut Element, dice: &mut Dice) {
    let at = dice.below(target.nodes().len() + 1);
    let node = match dice.below(3) {
        0 => Child::Text("text".into()),
        1 => Child::Comment("comment".into()),
        _ => {
            target.rename(dice.one(TAGS));
            return;
        }
    };
    target.nodes_mut().insert(at, node);
}

fn attribute(of: &Element, dice: &mut Dice) -> Option<String> {
    let at = dice.below(of.attrs().len());
    of.attrs().nth(at).map(|(name, _)| name.to_string())
}

fn value(borrowed: Option<String>, dice: &mut Dice) -> String {
    match borrowed {
        Some(value) if dice.below(3) == 0 => value,
        _ => dice.one(VALUES).to_string(),
    }
}

/// The element at this place of the document order.
fn nth(element: &mut Element, mut at: usize) -> Option<&mut Element> {
    if at == 0 {
        return Some(element);
    }
    at -= 1;
    for child in element.children_mut() {
        let size = child.descendants().count();
        if at < size {
            return nth(child, at);
        }
        at -= size;
    }
    None
}
