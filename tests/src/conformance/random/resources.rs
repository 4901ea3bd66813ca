//! Resources of every kind.

use crm_core::cib::{Child, Element};

use super::{Draft, Host, Leaf, Target, theme};

pub(super) fn generate(draft: &mut Draft) {
    if draft.feature(60, "fence device") {
        fence_device(draft);
        if draft.feature(12, "second fence device") {
            fence_device(draft);
        }
    }
    let count = 1 + draft.below(6);
    for _ in 0..count {
        match theme::kind(draft) {
            0 => {
                let (element, leaf) = primitive(draft, true);
                draft.targets.push(Target { id: leaf.id.clone(), promotable: false });
                draft.leaves.push(leaf);
                draft.resources.push(element);
            }
            1 => group(draft),
            2 => clone(draft),
            _ => bundle(draft),
        }
    }
    if draft.feature(8, "remote node") {
        remote_node(draft);
    }
    if draft.feature(8, "tag") && !draft.targets.is_empty() {
        tag(draft);
    }
}

fn fence_device(draft: &mut Draft) {
    let id = draft.id("fence");
    let mut element = Element::new("primitive")
        .with("id", &id)
        .with("class", "stonith")
        .with("type", draft.pick(&["fence_xvm", "fence_ipmilan", "external/ssh"]));
    if draft.feature(15, "unfencing") {
        element.push(draft.pairs("meta_attributes", &[("provides", "unfencing".to_string())]));
        if draft.chance(50) {
            let pairs = [("pcmk_host_list", "node1 node2 node3".to_string())];
            element.push(draft.pairs("instance_attributes", &pairs));
        }
    }
    if draft.feature(15, "fencing topology") {
        for index in ["1", "2"] {
            let mut level = draft.element("fencing-level").with("index", index);
            match draft.below(3) {
                0 => level.set_attr("target", draft.host()),
                1 => level.set_attr("target-pattern", "node.*"),
                _ => {
                    level.set_attr("target-attribute", "rack");
                    level.set_attr("target-value", draft.pick(&["1", "2"]));
                }
            }
            draft.topology.push(level.with("devices", &id));
            if draft.chance(60) {
                break;
            }
        }
    }
    let kind =
        if element.attr("type") == Some("fence_xvm") { "fence_xvm" } else { "fence_ipmilan" };
    element.set_attr("type", kind);
    draft.leaves.push(Leaf {
        history: vec![id.clone()],
        id: id.clone(),
        class: "stonith",
        provider: None,
        kind,
        promotable: false,
        cloned: false,
        monitor_ms: None,
        migrates: false,
        pinned: None,
        places: None,
    });
    draft.targets.push(Target { id, promotable: false });
    draft.resources.push(element);
}

/// A primitive; `alone` ones may be guests and migrate.
fn primitive(draft: &mut Draft, alone: bool) -> (Element, Leaf) {
    let id = draft.id("rsc");
    let (provider, kind) = draft.pick(&[
        ("heartbeat", "Dummy"),
        ("pacemaker", "Dummy"),
        ("pacemaker", "Stateful"),
        ("heartbeat", "apache"),
    ]);
    let mut element = Element::new("primitive").with("id", &id);
    if draft.feature(6, "template") {
        let template = draft.id("template");
        let definition = Element::new("template")
            .with("id", &template)
            .with("class", "ocf")
            .with("provider", provider)
            .with("type", kind);
        draft.resources.push(definition);
        element.set_attr("template", template);
    } else {
        element.set_attr("class", "ocf");
        element.set_attr("provider", provider);
        element.set_attr("type", kind);
    }
    let migrates = alone && draft.feature(15, "migration allowed");
    let mut meta = meta(draft);
    if migrates {
        meta.push(("allow-migrate", "true".to_string()));
    }
    if alone && draft.feature(6, "guest node") {
        let guest = draft.id("guest");
        meta.push(("remote-node", guest.clone()));
        draft.hosts.push(Host { name: guest.clone(), id: guest.clone(), remote: true });
        if draft.chance(20) {
            meta.push(("remote-addr", "192.168.122.77".to_string()));
        }
        let connection = Leaf { pinned: Some(id.clone()), ..Leaf::connection(&guest) };
        draft.leaves.push(connection);
    }
    if !meta.is_empty() {
        element.push(draft.pairs("meta_attributes", &meta));
    }
    if draft.feature(15, "parameters") {
        let mut pairs = vec![("fake", "1".to_string())];
        if draft.feature(15, "private parameters") {
            pairs.push(("passwd", "secret".to_string()));
        }
        let set = draft.pairs("instance_attributes", &pairs);
        if draft.feature(8, "parameters by rule") {
            let rule = super::rules::node_rule(draft).with("score", "INFINITY");
            let mut ruled = draft.pairs("instance_attributes", &[("fake", "2".to_string())]);
            ruled.nodes_mut().insert(0, Child::Element(rule.into()));
            element.push(ruled.with("score", "10"));
        }
        element.push(set);
    }
    if draft.features.contains("utilization") && draft.chance(60) {
        let mut load = vec![("cpu", (1 + draft.below(3)).to_string())];
        if draft.chance(25) {
            load.push(("memory", (200 * (1 + draft.below(4))).to_string()));
        }
        element.push(draft.pairs("utilization", &load));
    }
    let monitor_ms = operations(draft, &mut element);
    let leaf = Leaf {
        history: vec![id.clone()],
        id,
        class: "ocf",
        provider: Some(provider),
        kind,
        promotable: false,
        cloned: false,
        monitor_ms,
        migrates,
        pinned: None,
        places: None,
    };
    (element, leaf)
}

fn meta(draft: &mut Draft) -> Vec<(&'static str, String)> {
    let mut meta = Vec::new();
    let mut maybe = |percent, feature: &'static str, name: &'static str, values: &[&str]| {
        if draft.feature(percent, feature) {
            let value = draft.pick(values).to_string();
            meta.push((name, value));
        }
    };
    maybe(12, "stickiness", "resource-stickiness", &["1", "100", "INFINITY", "-5"]);
    maybe(8, "priority", "priority", &["1", "10", "-1"]);
    maybe(10, "target role", "target-role", &["Stopped", "Started", "Unpromoted", "Promoted"]);
    maybe(6, "unmanaged", "is-managed", &["false"]);
    maybe(3, "resource maintenance", "maintenance", &["true"]);
    maybe(10, "migration threshold", "migration-threshold", &["1", "2", "3"]);
    maybe(6, "failure timeout", "failure-timeout", &["10s", "1h"]);
    maybe(
        6,
        "multiple-active",
        "multiple-active",
        &["stop_start", "stop_only", "block", "stop_unexpected"],
    );
    maybe(3, "old resource option", "resource-failure-stickiness", &["-1"]);
    maybe(5, "requires", "requires", &["nothing", "quorum", "fencing", "unfencing"]);
    maybe(3, "not critical", "critical", &["false"]);
    maybe(3, "unhealthy nodes allowed", "allow-unhealthy-nodes", &["true"]);
    maybe(2, "restart type", "restart-type", &["restart"]);
    meta
}

fn operations(draft: &mut Draft, element: &mut Element) -> Option<u64> {
    let mut ops = Element::new("operations");
    let mut monitor = None;
    let on_fail = |draft: &mut Draft, op: &mut Element, values: &[&str]| {
        if draft.feature(18, "on-fail") {
            op.set_attr("on-fail", draft.pick(values));
        }
    };
    if draft.chance(65) {
        let seconds = draft.pick(&[10u64, 30]);
        let mut op =
            draft.element("op").with("name", "monitor").with("interval", format!("{seconds}s"));
        on_fail(
            draft,
            &mut op,
            &[
                "ignore",
                "block",
                "stop",
                "restart",
                "standby",
                "fence",
                "demote",
                "restart-container",
            ],
        );
        if draft.feature(5, "disabled operation") {
            op.set_attr("enabled", "false");
        }
        if draft.feature(4, "interval-origin") {
            let origins = ["2023-11-14T00:00:00Z", "2023-11-14 22:13:00Z", "2024-01-01T00:00:03Z"];
            op.set_attr("interval-origin", draft.pick(&origins));
        }
        if draft.feature(8, "operation timeout") {
            op.set_attr("timeout", draft.pick(&["1min", "7500ms", "12"]));
        }
        if draft.feature(5, "operation parameters") {
            op.push(draft.pairs("instance_attributes", &[("OCF_CHECK_LEVEL", "10".to_string())]));
        }
        if draft.feature(5, "operation options") {
            let (name, value) = draft.pick(&[
                ("failure-timeout", "30s"),
                ("migration-threshold", "2"),
                ("record-pending", "false"),
                ("timeout", "8s"),
                ("on-fail", "ignore"),
            ]);
            op.push(draft.pairs("meta_attributes", &[(name, value.to_string())]));
        }
        if draft.feature(4, "start delay") && op.attr("interval-origin").is_none() {
            op.set_attr("start-delay", "5s");
        }
        ops.push(op);
        monitor = Some(seconds * 1000);
    }
    if draft.feature(5, "stopped-role monitor") {
        let op = draft.element("op").with("name", "monitor").with("interval", "21s");
        ops.push(op.with("role", "Stopped"));
    }
    if draft.feature(4, "operation refreshed") {
        let op = draft.element("op").with("name", "monitor").with("interval", "0");
        ops.push(op.with("timeout", "3min"));
    }
    if draft.feature(3, "started-role monitor") {
        let op = draft.element("op").with("name", "monitor").with("interval", "1h");
        ops.push(op.with("role", draft.pick(&["Started", "Unpromoted", "Slave"])));
    }
    if draft.chance(15) {
        let mut op = draft.element("op").with("name", "start").with("interval", "0");
        op.set_attr("timeout", "25s");
        on_fail(draft, &mut op, &["ignore", "block", "stop", "restart", "standby", "fence"]);
        ops.push(op);
    }
    if draft.chance(12) {
        let mut op = draft.element("op").with("name", "stop").with("interval", "0");
        op.set_attr("timeout", "40s");
        on_fail(draft, &mut op, &["ignore", "block", "fence"]);
        ops.push(op);
    }
    if !ops.nodes().is_empty() {
        element.push(ops);
    }
    monitor
}

fn group(draft: &mut Draft) {
    draft.features.insert("group");
    let (element, leaves, id) = group_of(draft);
    draft.targets.push(Target { id, promotable: false });
    for leaf in &leaves {
        draft.targets.push(Target { id: leaf.id.clone(), promotable: false });
    }
    draft.leaves.extend(leaves);
    draft.resources.push(element);
}

fn group_of(draft: &mut Draft) -> (Element, Vec<Leaf>, String) {
    let id = draft.id("group");
    let mut element = Element::new("group").with("id", &id);
    let mut meta = if draft.chance(40) { meta(draft) } else { Vec::new() };
    if draft.feature(12, "unordered group") {
        meta.push(("ordered", "false".to_string()));
    }
    if draft.feature(8, "scattered group") {
        meta.push(("collocated", "false".to_string()));
    }
    if !meta.is_empty() {
        element.push(draft.pairs("meta_attributes", &meta));
    }
    let mut leaves = Vec::new();
    for _ in 0..1 + draft.below(3) {
        let (member, leaf) = primitive(draft, false);
        element.push(member);
        leaves.push(leaf);
    }
    (element, leaves, id)
}

fn clone(draft: &mut Draft) {
    draft.features.insert("clone");
    let id = draft.id("clone");
    let mut element = Element::new("clone").with("id", &id);
    let mut meta = if draft.chance(30) { meta(draft) } else { Vec::new() };
    let promotable = draft.feature(45, "promotable clone");
    if promotable {
        meta.push(("promotable", "true".to_string()));
        if draft.feature(15, "promoted-max") {
            meta.push(("promoted-max", draft.pick(&["0", "1", "2"]).to_string()));
        }
        if draft.feature(5, "promoted-node-max") {
            meta.push(("promoted-node-max", draft.pick(&["1", "2"]).to_string()));
        }
    }
    let unique = draft.feature(15, "unique clone");
    if unique {
        meta.push(("globally-unique", "true".to_string()));
    }
    let mut maybe = |percent, feature: &'static str, name: &'static str, values: &[&str]| {
        if draft.feature(percent, feature) {
            let value = draft.pick(values).to_string();
            meta.push((name, value));
        }
    };
    maybe(25, "interleave", "interleave", &["true"]);
    maybe(15, "ordered clone", "ordered", &["true"]);
    if promotable {
        maybe(4, "old promoted-max", "master-max", &["1", "2"]);
    }
    maybe(20, "notify", "notify", &["true"]);
    maybe(12, "clone-min", "clone-min", &["1", "2"]);
    maybe(20, "clone-max", "clone-max", &["1", "2", "3", "0"]);
    maybe(if unique { 50 } else { 3 }, "clone-node-max", "clone-node-max", &["1", "2"]);
    if !meta.is_empty() {
        element.push(draft.pairs("meta_attributes", &meta));
    }
    let mut leaves = if draft.feature(25, "cloned group") {
        let (group, leaves, _) = group_of(draft);
        element.push(group);
        leaves
    } else {
        let (primitive, leaf) = primitive(draft, false);
        element.push(primitive);
        vec![leaf]
    };
    for leaf in &mut leaves {
        leaf.cloned = true;
        leaf.promotable = promotable;
        if promotable {
            promote_monitor(draft, &mut element, leaf);
        }
        if unique {
            leaf.history = (0..3).map(|n| format!("{}:{n}", leaf.id)).collect();
        }
    }
    draft.leaves.extend(leaves);
    draft.targets.push(Target { id, promotable });
    draft.resources.push(element);
}

/// A second monitor for the promoted role.
fn promote_monitor(draft: &mut Draft, element: &mut Element, leaf: &Leaf) {
    if leaf.monitor_ms.is_none() || !draft.feature(40, "promoted-role monitor") {
        return;
    }
    let op = draft
        .element("op")
        .with("name", "monitor")
        .with("interval", "11s")
        .with("role", "Promoted");
    let primitive = element.find_id_mut(&leaf.id);
    if let Some(operations) = primitive.and_then(|p| p.child_mut("operations")) {
        operations.push(op);
    }
}

fn bundle(draft: &mut Draft) {
    draft.features.insert("bundle");
    let id = draft.id("bundle");
    let replicas = 1 + draft.below(3);
    let mut element = Element::new("bundle").with("id", &id);
    let launcher = draft.pick(&["docker", "podman"]);
    let mut container =
        Element::new(launcher).with("image", "pcmk:test").with("replicas", replicas.to_string());
    let promotable = draft.feature(40, "promotable bundle");
    if promotable {
        container.set_attr("promoted-max", "1");
    }
    if draft.chance(15) {
        container.set_attr("replicas-per-host", "2");
    }
    element.push(container);
    let with_ip = draft.chance(60);
    let mut network = Element::new("network");
    network.set_attr("control-port", "9999");
    if with_ip {
        network.set_attr("ip-range-start", "192.168.122.131");
        network.set_attr("host-netmask", "24");
    }
    element.push(network);
    let names = |number: usize| format!("{id}-{number}");
    let inside = draft.chance(70);
    if inside {
        let (primitive, mut leaf) = primitive(draft, false);
        element.push(primitive);
        leaf.promotable = promotable;
        leaf.cloned = true;
        if draft.chance(90) {
            leaf.places = Some((0..replicas).map(names).collect());
        }
        for number in 0..replicas {
            draft.hosts.push(Host { name: names(number), id: names(number), remote: true });
        }
        draft.leaves.push(leaf);
    }
    for number in 0..replicas {
        let name = format!("{id}-{launcher}-{number}");
        let container = Leaf { kind: launcher, monitor_ms: Some(60_000), ..Leaf::agent(&name) };
        draft.leaves.push(container);
        if with_ip {
            let address = format!("{id}-ip-192.168.122.{}", 131 + number);
            let address = Leaf { kind: "IPaddr2", ..Leaf::agent(&address) };
            draft.leaves.push(Leaf { pinned: Some(name.clone()), ..address });
        }
        if inside {
            draft.leaves.push(Leaf { pinned: Some(name), ..Leaf::connection(&names(number)) });
        }
    }
    draft.targets.push(Target { id, promotable });
    draft.resources.push(element);
}

fn remote_node(draft: &mut Draft) {
    let id = draft.id("remote");
    let mut element = Element::new("primitive")
        .with("id", &id)
        .with("class", "ocf")
        .with("provider", "pacemaker")
        .with("type", "remote");
    if draft.feature(30, "reconnect interval") {
        let pairs = [("reconnect_interval", "60s".to_string())];
        element.push(draft.pairs("instance_attributes", &pairs));
    }
    let monitor_ms = operations(draft, &mut element);
    let mut node = Element::new("node_state")
        .with("id", &id)
        .with("uname", &id)
        .with("remote_node", "true")
        .with("in_ccm", "true");
    if draft.chance(30) {
        node.set_attr("node_fenced", draft.pick(&["0", "1"]));
    }
    if draft.chance(10) {
        node.set_attr("node_in_maintenance", draft.pick(&["0", "1"]));
    }
    if draft.feature(20, "remote attributes") {
        let (name, value) = draft.pick(&[
            ("standby", "true"),
            ("maintenance", "true"),
            ("color", "red"),
            ("#health-disk", "red"),
            ("terminate", "true"),
            ("shutdown", "1699999980"),
        ]);
        let set = draft.pairs("instance_attributes", &[(name, value.to_string())]);
        node.push(Element::new("transient_attributes").with("id", &id).with_child(set));
    }
    draft.states.push(node);
    if draft.chance(40) {
        let mut listed = Element::new("node").with("id", &id).with("uname", &id);
        listed.set_attr("type", "remote");
        if draft.chance(40) {
            let pairs = [draft.pick(&[("standby", "on"), ("maintenance", "true"), ("rack", "1")])];
            let pairs = pairs.map(|(name, value)| (name, value.to_string()));
            listed.push(draft.pairs("instance_attributes", &pairs));
        }
        draft.nodes.push(listed);
    }
    draft.hosts.push(Host { name: id.clone(), id: id.clone(), remote: true });
    draft.leaves.push(Leaf { monitor_ms, ..Leaf::connection(&id) });
    draft.targets.push(Target { id, promotable: false });
    draft.resources.push(element);
}

fn tag(draft: &mut Draft) {
    let id = draft.id("tag");
    let mut tag = Element::new("tag").with("id", &id);
    let first = draft.pick(&draft.targets.clone()).id;
    tag.push(Element::new("obj_ref").with("id", &first));
    let second = draft.pick(&draft.targets.clone()).id;
    if second != first {
        tag.nodes_mut().push(Child::Element(Element::new("obj_ref").with("id", second).into()));
    }
    draft.tags.push(tag);
    draft.targets.push(Target { id, promotable: false });
}
