//! What happened so far: operations, failures, promotion scores; and what shall be pretended.

use std::collections::BTreeMap;

use crm_core::cib::Element;

use super::{Draft, Host, Leaf, NOW};

pub(super) fn generate(draft: &mut Draft) -> (Vec<Host>, Vec<Leaf>) {
    let hosts = draft.hosts.clone();
    let mut leaves = draft.leaves.clone();
    if draft.feature(10, "orphan") {
        let monitor_ms = Some(10_000);
        let kind = draft.pick(&["Dummy", "Dummy", "Stateful"]);
        let mut orphan = Leaf { monitor_ms, kind, ..Leaf::agent("orphan") };
        if draft.feature(20, "orphaned clone") {
            orphan.history = vec!["orphan:0".into(), "orphan:1".into()];
            orphan.cloned = true;
        }
        leaves.push(orphan);
        if draft.chance(15) {
            leaves.push(Leaf::connection("stranger"));
        }
    }
    let fresh = draft.feature(12, "first start");
    let mut homes = BTreeMap::new();
    for leaf in &leaves {
        if !fresh {
            of_leaf(draft, &hosts, leaf, &mut homes);
        }
    }
    promotion_scores(draft, &hosts, &leaves);
    unfencing(draft, &hosts, &leaves);
    (hosts, leaves)
}

/// Spreads the state of one primitive over the nodes.
fn of_leaf(draft: &mut Draft, hosts: &[Host], leaf: &Leaf, homes: &mut BTreeMap<String, usize>) {
    let members = hosts.iter().filter(|host| !host.remote).count();
    let together = leaf.pinned.clone().filter(|_| draft.chance(96));
    let on_members = leaf.kind == "remote" || leaf.pinned.is_some() || leaf.kind.len() == 6;
    for (number, name) in leaf.history.iter().enumerate() {
        let anywhere = draft.below(if on_members { members } else { hosts.len() });
        let home = together.as_ref().and_then(|id| homes.get(id).copied()).unwrap_or(anywhere);
        homes.insert(leaf.id.clone(), home);
        if leaf.migrates && draft.feature(4, "partial or failed migration") {
            migration(draft, hosts, leaf);
            continue;
        }
        let second = if draft.feature(4, "active twice") { draft.below(hosts.len()) } else { home };
        for (at, host) in hosts.iter().enumerate() {
            if host.remote && (leaf.class == "stonith" || on_members) {
                continue;
            }
            if leaf.places.as_ref().is_some_and(|places| !places.contains(&host.name)) {
                continue;
            }
            let everywhere = leaf.cloned && leaf.history.len() == 1 && draft.chance(75);
            let here = everywhere || at == home || at == second;
            let ops = if here {
                running(draft, leaf, host)
            } else if draft.chance(80) && number == 0 {
                vec![Op::new("monitor", 0, 7, 7)]
            } else {
                Vec::new()
            };
            if here && draft.chance(15) && draft.theme.percent("locked resource", 0) > 0 {
                draft.features.insert("locked resource");
                record(draft, host, leaf, name, &[Op::new("stop", 0, 0, 0)]);
                lock(draft, host, name);
                continue;
            }
            record(draft, host, leaf, name, &ops);
        }
    }
}

/// Marks a stopped resource as locked to the node that it was stopped on.
fn lock(draft: &mut Draft, host: &Host, name: &str) {
    let since = draft.pick(&[NOW - 5, NOW - 1000, NOW - 7200]).to_string();
    let is_it = |s: &&mut Element| s.attr("uname") == Some(&host.name);
    let entry =
        draft.states.iter_mut().find(is_it).and_then(|state| {
            state.child_mut("lrm")?.child_mut("lrm_resources")?.find_id_mut(name)
        });
    if let Some(entry) = entry {
        entry.set_attr("shutdown-lock", since);
    }
}

/// A move that is under way, failed, or was not completed.
fn migration(draft: &mut Draft, hosts: &[Host], leaf: &Leaf) {
    let (source, target) = (draft.pick(hosts), draft.pick(hosts));
    let ends = Some((source.name.clone(), target.name.clone()));
    let op = |task, rc, status, age| {
        let pending = status == -1;
        let rc = if pending { 193 } else { rc };
        Op { status, age, migration: ends.clone(), ..Op::new(task, 0, rc, 0) }
    };
    let start = Op { age: 3000, ..Op::new("start", 0, 0, 0) };
    let (to_rc, to_status) = draft.pick(&[(0, 0), (0, 0), (0, 0), (1, 0), (1, 2), (0, -1)]);
    let mut at_source = vec![start, op("migrate_to", to_rc, to_status, 900)];
    let mut at_target = Vec::new();
    match draft.below(8) {
        0 => {}
        1 => at_target.push(Op::new("monitor", 0, 7, 7)),
        2 => at_target.push(op("migrate_from", 0, -1, 800)),
        3 => at_target.push(op("migrate_from", 0, 0, 800)),
        4 => at_target.push(op("migrate_from", draft.pick(&[1, 5, 7]), 0, 800)),
        5 => {
            at_target.push(op("migrate_from", 0, 0, 800));
            at_source.push(Op { age: 700, ..Op::new("stop", 0, 0, 0) });
        }
        6 => {
            at_target.push(op("migrate_from", 1, 0, 800));
            at_target.push(Op { age: 600, ..Op::new("stop", 0, 0, 0) });
        }
        _ => at_source.push(Op { age: 700, ..Op::new("start", 0, 0, 0) }),
    }
    if let Some(interval) = leaf.monitor_ms.filter(|_| draft.chance(30)) {
        at_target.push(Op { age: 500, ..Op::new("monitor", interval, 0, 0) });
    }
    let name = leaf.history[0].clone();
    record(draft, &source, leaf, &name, &at_source);
    if target.name != source.name {
        record(draft, &target, leaf, &name, &at_target);
    }
    if draft.chance(60) {
        for host in hosts {
            if host.name != source.name && host.name != target.name {
                record(draft, host, leaf, &name, &[Op::new("monitor", 0, 7, 7)]);
            }
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

fn running(draft: &mut Draft, leaf: &Leaf, host: &Host) -> Vec<Op> {
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
    trouble(draft, leaf, host, promoted, &mut ops);
    for op in &mut ops {
        if leaf.class == "ocf" && draft.feature(6, "changed parameters") {
            op.digest = Some("0123456789abcdef0123456789abcdef");
        } else if draft.chance(25) {
            // The digests of no parameters at all, and of the one that is generated.
            let digests = ["f2317cad3d54cec5d7d7aa7d0bf35cf8", "8e5d8d5e4a5ab0bbcd5dc1bd2e1ac4be"];
            op.digest = Some(draft.pick(&digests));
        }
    }
    ops
}

/// What may have gone wrong with a resource that runs.
fn trouble(draft: &mut Draft, leaf: &Leaf, host: &Host, promoted: bool, ops: &mut Vec<Op>) {
    let status = |draft: &mut Draft| draft.pick(&[0, 0, 0, 0, 2, 4, 3, 1, 6, 9]);
    if draft.feature(4, "failed start") {
        let start = Op::new("start", 0, draft.pick(&[1, 5, 6, 7, 2]), 0);
        *ops = vec![Op { status: status(draft), ..start }];
        fail_count(draft, host, leaf, "start_0");
    } else if draft.feature(3, "failed stop") {
        let stop = Op::new("stop", 0, draft.pick(&[1, 1, 5, 6]), 0);
        *ops = vec![Op { status: status(draft), ..stop }];
        fail_count(draft, host, leaf, "stop_0");
    } else if leaf.promotable && draft.feature(3, "failed demote or promote") {
        let task = draft.pick(&["promote", "demote"]);
        let failed = Op::new(task, 0, draft.pick(&[1, 7, 8, 9, 5]), 0);
        *ops = vec![Op { status: status(draft), ..failed }];
        fail_count(draft, host, leaf, &format!("{task}_0"));
    } else if draft.feature(3, "pending operation") {
        let tasks: &[&str] = match (leaf.promotable, promoted) {
            (true, true) => &["demote", "stop", "monitor"],
            (true, false) => &["promote", "start", "stop", "monitor", "notify"],
            (false, _) => &["start", "stop", "monitor"],
        };
        let task = draft.pick(tasks);
        let mut pending = Op::new(task, 0, 193, if task == "monitor" { 7 } else { 0 });
        if let Some(interval) = leaf.monitor_ms.filter(|_| task == "monitor" && draft.chance(40)) {
            (pending.interval, pending.expected) = (interval, 0);
        }
        pending.status = -1;
        pending.age = draft.pick(&[1, 1000, 8000]);
        ops.push(pending);
    } else if draft.feature(2, "failed probe") {
        let probe = Op::new("monitor", 0, draft.pick(&[5, 1, 6, 2, 3, 8, 9]), 7);
        *ops = vec![Op { status: draft.pick(&[0, 0, 4, 7, 8]), ..probe }];
    } else {
        match draft.below(100) {
            10..=14 => *ops = vec![Op::new("monitor", 0, 0, 7)],
            15..=18 => *ops = vec![Op::new("stop", 0, 0, 0)],
            19..=20 if leaf.promotable => *ops = vec![Op::new("monitor", 0, 8, 7)],
            21..=22 if promoted => *ops = vec![Op::new("demote", 0, 0, 0)],
            _ => {}
        }
    }
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
            if draft.chance(20) {
                element.set_attr("op-secure-params", " passwd ");
                element.set_attr("op-secure-digest", "f2317cad3d54cec5d7d7aa7d0bf35cf8");
            }
            if draft.feature(50, "reload possible") {
                element.set_attr("op-force-restart", draft.pick(&[" state ", " fake ", " "]));
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
            if leaf.history.len() > 1 && draft.feature(30, "promotion score of an instance") {
                let name = format!("master-{}", draft.pick(&leaf.history));
                let value = draft.pick(&["7", "-INFINITY", "INFINITY"]);
                transient(draft, host, &name, value);
            }
        }
    }
}

/// What unfenced nodes remember of their devices.
fn unfencing(draft: &mut Draft, hosts: &[Host], leaves: &[Leaf]) {
    if !draft.features.contains("unfencing") {
        return;
    }
    let devices: Vec<&Leaf> = leaves.iter().filter(|leaf| leaf.class == "stonith").collect();
    for host in hosts.iter().filter(|host| !host.remote) {
        if draft.chance(60) {
            let when = draft.pick(&["0", "1", "1699999000"]);
            transient(draft, host, "#node-unfenced", when);
        }
        let Some(device) = devices.first().filter(|_| draft.chance(40)) else { continue };
        let digest =
            draft.pick(&["f2317cad3d54cec5d7d7aa7d0bf35cf8", "00000000000000000000000000"]);
        for name in ["#digests-all", "#digests-secure"] {
            let value = format!("{}:{}:{digest},", device.id, device.kind);
            transient(draft, host, name, &value);
        }
    }
}
