//! Resources of every kind.

use crm_core::cib::{Child, Element};

use super::{Draft, Host, Leaf, Target};

pub(super) fn generate(draft: &mut Draft) {
    if draft.feature(60, "fence device") {
        fence_device(draft);
    }
    let count = 1 + draft.below(6);
    for _ in 0..count {
        match draft.below(100) {
            0..=44 => {
                let (element, leaf) = primitive(draft, true);
                draft.targets.push(Target { id: leaf.id.clone(), promotable: false });
                draft.leaves.push(leaf);
                draft.resources.push(element);
            }
            45..=62 => group(draft),
            63..=90 => clone(draft),
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
    }
    if draft.feature(15, "fencing topology") {
        let level = draft.element("fencing-level");
        let target = draft.host();
        draft.topology.push(level.with("target", target).with("index", "1").with("devices", &id));
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
        draft.hosts.push(Host { name: guest.clone(), id: guest, remote: true });
    }
    if !meta.is_empty() {
        element.push(draft.pairs("meta_attributes", &meta));
    }
    if draft.feature(15, "parameters") {
        element.push(draft.pairs("instance_attributes", &[("fake", "1".to_string())]));
    }
    if draft.features.contains("utilization") && draft.chance(60) {
        let cpu = (1 + draft.below(3)).to_string();
        element.push(draft.pairs("utilization", &[("cpu", cpu)]));
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
            op.set_attr("interval-origin", "2023-11-14T00:00:00Z");
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
    if draft.chance(70) {
        let (primitive, mut leaf) = primitive(draft, false);
        element.push(primitive);
        leaf.promotable = promotable;
        leaf.cloned = true;
        let history = leaf.history.clone();
        for number in 0..replicas {
            let name = format!("{id}-{number}");
            draft.hosts.push(Host { name: name.clone(), id: name, remote: true });
        }
        leaf.history = history;
        draft.leaves.push(leaf);
    }
    for number in 0..replicas {
        let name = format!("{id}-{launcher}-{number}");
        draft.leaves.push(Leaf {
            history: vec![name.clone()],
            id: name,
            class: "ocf",
            provider: Some("heartbeat"),
            kind: launcher,
            promotable: false,
            cloned: false,
            monitor_ms: Some(60_000),
            migrates: false,
        });
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
    draft.states.push(node);
    draft.hosts.push(Host { name: id.clone(), id: id.clone(), remote: true });
    draft.leaves.push(Leaf {
        history: vec![id.clone()],
        id: id.clone(),
        class: "ocf",
        provider: Some("pacemaker"),
        kind: "remote",
        promotable: false,
        cloned: false,
        monitor_ms,
        migrates: false,
    });
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
