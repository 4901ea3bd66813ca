//! What happened so far: operations, failures, promotion scores; and what shall be pretended.

use crm_core::cib::Element;

use super::{Draft, Host, Leaf, NOW, Target};

pub(super) fn generate(draft: &mut Draft) {
    let hosts = draft.hosts.clone();
    let mut leaves = draft.leaves.clone();
    if draft.feature(10, "orphan") {
        leaves.push(Leaf {
            id: "orphan".into(),
            history: vec!["orphan".into()],
            class: "ocf",
            provider: Some("heartbeat"),
            kind: "Dummy",
            promotable: false,
            cloned: false,
            monitor_ms: Some(10_000),
            migrates: false,
        });
    }
    let fresh = draft.feature(12, "first start");
    for leaf in &leaves {
        if !fresh {
            of_leaf(draft, &hosts, leaf);
        }
    }
    promotion_scores(draft, &hosts, &leaves);
    injections(draft, &hosts, &leaves);
}

/// Spreads the state of one primitive over the nodes.
fn of_leaf(draft: &mut Draft, hosts: &[Host], leaf: &Leaf) {
    for (number, name) in leaf.history.clone().iter().enumerate() {
        let home = draft.below(hosts.len());
        let second = if draft.feature(4, "active twice") { draft.below(hosts.len()) } else { home };
        for (at, host) in hosts.iter().enumerate() {
            if host.remote && leaf.class == "stonith" {
                continue;
            }
            let everywhere = leaf.cloned && leaf.history.len() == 1 && draft.chance(75);
            let here = everywhere || at == home || at == second;
            let ops = if here {
                running(draft, leaf, name, hosts, host)
            } else if draft.chance(80) && number == 0 {
                vec![Op::new("monitor", 0, 7, 7)]
            } else {
                Vec::new()
            };
            record(draft, host, leaf, name, &ops);
        }
    }
}

/// One operation to record.
struct Op {
    task: &'static str,
    interval: u64,
    rc: i32,
    expected: i32,
    status: i32,
    migration: Option<(String, String)>,
    digest: Option<&'static str>,
    age: i64,
}

impl Op {
    fn new(task: &'static str, interval: u64, rc: i32, expected: i32) -> Op {
        let status = 0;
        Op { task, interval, rc, expected, status, migration: None, digest: None, age: 1000 }
    }
}

fn running(draft: &mut Draft, leaf: &Leaf, name: &str, hosts: &[Host], host: &Host) -> Vec<Op> {
    let _ = name;
    let mut ops = vec![Op::new("start", 0, 0, 0)];
    let promoted = leaf.promotable && draft.chance(35);
    if promoted {
        draft.features.insert("promoted instance");
        ops = vec![Op::new("promote", 0, 0, 0)];
    }
    if let Some(interval) = leaf.monitor_ms.filter(|_| draft.chance(85)) {
        let expected = if promoted { 8 } else { 0 };
        ops.push(Op::new("monitor", interval, expected, expected));
        if draft.feature(10, "failed monitor") {
            let rc = draft.pick(&[7, 1, 5, 9, 8, 0]);
            let mut failed = Op::new("monitor", interval, rc, expected);
            failed.status = if draft.chance(15) { 2 } else { 0 };
            failed.age = draft.pick(&[5, 500, 7200]);
            ops.push(failed);
            fail_count(draft, host, leaf, &format!("monitor_{interval}"));
        }
    }
    match draft.below(100) {
        0..=3 => {
            draft.features.insert("failed start");
            ops = vec![Op::new("start", 0, draft.pick(&[1, 5, 6, 7]), 0)];
            fail_count(draft, host, leaf, "start_0");
        }
        4..=6 => {
            draft.features.insert("failed stop");
            ops = vec![Op::new("stop", 0, 1, 0)];
            fail_count(draft, host, leaf, "stop_0");
        }
        7..=9 => {
            draft.features.insert("pending operation");
            let task = draft.pick(&["start", "stop", "monitor"]);
            let mut pending = Op::new(task, 0, 193, if task == "monitor" { 7 } else { 0 });
            pending.status = -1;
            ops.push(pending);
        }
        10..=14 => ops = vec![Op::new("monitor", 0, 0, 7)],
        15..=18 => ops = vec![Op::new("stop", 0, 0, 0)],
        19..=20 => {
            draft.features.insert("failed probe");
            ops = vec![Op::new("monitor", 0, draft.pick(&[5, 1, 6, 2]), 7)];
        }
        21..=26 if leaf.migrates => {
            draft.features.insert("partial or failed migration");
            let target = draft.pick(hosts).name;
            let source = host.name.clone();
            let mut op = Op::new("migrate_to", 0, draft.pick(&[0, 0, 1]), 0);
            op.migration = Some((source, target));
            ops.push(op);
        }
        27..=30 => {
            draft.features.insert("changed parameters");
            ops[0].digest = Some("0123456789abcdef0123456789abcdef");
        }
        _ => {}
    }
    ops
}

fn fail_count(draft: &mut Draft, host: &Host, leaf: &Leaf, operation: &str) {
    if !draft.chance(80) {
        return;
    }
    draft.features.insert("fail count");
    let count = draft.pick(&["1", "2", "3", "INFINITY"]);
    let pairs = [
        (format!("fail-count-{}#{operation}", leaf.id), count.to_string()),
        (format!("last-failure-{}#{operation}", leaf.id), (NOW - 30).to_string()),
    ];
    for (name, value) in pairs {
        transient(draft, host, &name, &value);
    }
}

/// Sets a transient attribute of a node that has a state.
fn transient(draft: &mut Draft, host: &Host, name: &str, value: &str) {
    let pair = draft.element("nvpair").with("name", name).with("value", value);
    let set_id = draft.id("transient");
    let is_it = |s: &&mut Element| s.attr("uname") == Some(&host.name);
    let Some(state) = draft.states.iter_mut().find(is_it) else { return };
    if state.child("transient_attributes").is_none() {
        state.push(Element::new("transient_attributes").with("id", &host.id));
    }
    let section = state.child_or_insert("transient_attributes");
    if section.child("instance_attributes").is_none() {
        section.push(Element::new("instance_attributes").with("id", set_id));
    }
    section.child_or_insert("instance_attributes").push(pair);
}

fn record(draft: &mut Draft, host: &Host, leaf: &Leaf, name: &str, ops: &[Op]) {
    if ops.is_empty() {
        return;
    }
    let mut entry = Element::new("lrm_resource")
        .with("id", name)
        .with("class", leaf.class)
        .with("type", leaf.kind);
    if let Some(provider) = leaf.provider {
        entry.set_attr("provider", provider);
    }
    for (number, op) in ops.iter().enumerate() {
        let failed = op.rc != op.expected && op.status != -1;
        let id = match (failed, op.interval) {
            (true, _) => format!("{name}_last_failure_0"),
            (false, 0) if op.task.starts_with("migrate") => format!("{name}_{}_0", op.task),
            (false, 0) => format!("{name}_last_0"),
            (false, ms) => format!("{name}_{}_{ms}", op.task),
        };
        let pending = op.status == -1;
        let call = if pending { -1 } else { 10 + i64::try_from(number).unwrap_or(0) };
        let key = format!("{}:1:{}:00000000-0000-0000-0000-000000000001", 5 + number, op.expected);
        let mut element = Element::new("lrm_rsc_op")
            .with("id", id)
            .with("operation_key", format!("{name}_{}_{}", op.task, op.interval))
            .with("operation", op.task)
            .with("crm-debug-origin", "generator")
            .with("crm_feature_set", "3.16.1")
            .with("transition-key", &key)
            .with("transition-magic", format!("{}:{};{key}", op.status, op.rc))
            .with("exit-reason", "")
            .with("on_node", &host.name)
            .with("call-id", call.to_string())
            .with("rc-code", op.rc.to_string())
            .with("op-status", op.status.to_string())
            .with("interval", op.interval.to_string())
            .with("last-rc-change", (NOW - op.age).to_string())
            .with("exec-time", "5")
            .with("queue-time", "0");
        if let Some((source, target)) = &op.migration {
            element.set_attr("migrate_source", source);
            element.set_attr("migrate_target", target);
        }
        if let Some(digest) = op.digest {
            element.set_attr("op-digest", digest);
            if draft.feature(50, "reload possible") {
                element.set_attr("op-force-restart", " state ");
                element.set_attr("op-restart-digest", "f2317cad3d54cec5d7d7aa7d0bf35cf8");
            }
        }
        // A later result takes the place of an earlier one, as on a live cluster.
        let id = element.id().unwrap_or_default().to_string();
        entry.retain(|old| old.id() != Some(&id));
        entry.push(element);
    }
    let is_it = |s: &&mut Element| s.attr("uname") == Some(&host.name);
    if host.remote && !draft.states.iter().any(|s| s.attr("uname") == Some(&host.name)) {
        draft.states.push(
            Element::new("node_state")
                .with("id", &host.id)
                .with("uname", &host.name)
                .with("remote_node", "true")
                .with("in_ccm", "true"),
        );
    }
    let Some(state) = draft.states.iter_mut().find(is_it) else { return };
    if state.child("lrm").is_none() {
        state.push(Element::new("lrm").with("id", &host.id));
    }
    state.child_or_insert("lrm").child_or_insert("lrm_resources").push(entry);
}

fn promotion_scores(draft: &mut Draft, hosts: &[Host], leaves: &[Leaf]) {
    for leaf in leaves.iter().filter(|l| l.promotable) {
        for host in hosts {
            if draft.feature(60, "promotion score") {
                let value = draft.pick(&["5", "10", "100", "-5", "1"]);
                transient(draft, host, &format!("master-{}", leaf.id), value);
            }
        }
    }
}

fn injections(draft: &mut Draft, hosts: &[Host], leaves: &[Leaf]) {
    let members: Vec<&Host> = hosts.iter().filter(|h| !h.remote).collect();
    let word = |draft: &mut Draft, percent, feature: &'static str, option: &str, value: String| {
        if draft.feature(percent, feature) {
            draft.arguments.extend([option.to_string(), value]);
        }
    };
    let host = |draft: &mut Draft| members[draft.below(members.len())].name.clone();
    let (up, down, fail) = (host(draft), host(draft), host(draft));
    word(draft, 4, "node up injected", "-u", up);
    word(draft, 5, "node down injected", "-d", down);
    word(draft, 5, "node failure injected", "-f", fail);
    word(draft, 3, "ticket granted", "-g", "ticketA".to_string());
    word(draft, 3, "ticket revoked", "-r", "ticketA".to_string());
    let known: Vec<Target> = leaves
        .iter()
        .filter(|l| l.class == "ocf" && l.id.starts_with("rsc") && !l.cloned)
        .map(|l| Target { id: l.id.clone(), promotable: l.promotable })
        .collect();
    if known.is_empty() {
        return;
    }
    let (rsc, node) = (draft.pick(&known).id, host(draft));
    word(draft, 5, "failure injected", "-i", format!("{rsc}_monitor_10000@{node}=1"));
    let (rsc, node) = (draft.pick(&known).id, host(draft));
    let task = draft.pick(&["start", "stop", "monitor"]);
    word(draft, 5, "action failed", "-F", format!("{rsc}_{task}_0@{node}=1"));
}
