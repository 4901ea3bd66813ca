//! What is asked about a cluster: operation, events, artifacts and the form of the output.

use super::{Draft, Host, Leaf};

pub(super) fn generate(draft: &mut Draft, hosts: &[Host], leaves: &[Leaf]) {
    form(draft);
    artifacts(draft);
    events(draft, hosts);
    for _ in 0..2 {
        operations(draft, hosts, leaves);
    }
}

fn word(draft: &mut Draft, word: &str) {
    draft.question.push(word.to_string());
}

/// Options of the output.
fn form(draft: &mut Draft) {
    match draft.below(100) {
        0..=87 => word(draft, "-S"),
        88..=91 => word(draft, "-X"),
        92..=95 => word(draft, "-R"),
        _ => {}
    }
    if draft.feature(55, "scores shown") {
        word(draft, "-s");
    }
    if draft.feature(10, "utilization shown") || draft.features.contains("utilization") {
        word(draft, "-U");
    }
    if draft.feature(15, "attributes shown") {
        word(draft, "-A");
    }
    if draft.feature(20, "fail counts shown") {
        word(draft, "-c");
    }
    if draft.feature(6, "quiet") {
        word(draft, "-Q");
    }
    if draft.feature(4, "verbose") {
        word(draft, "-V");
    }
    if draft.feature(12, "output as XML") {
        word(draft, "--output-as=xml");
    } else if draft.feature(30, "fancy text") {
        word(draft, "--text-fancy");
    }
}

fn artifacts(draft: &mut Draft) {
    for (option, file, percent, feature) in [
        ("-G", "@graph.xml", 92, "graph saved"),
        ("-D", "@graph.dot", 70, "DOT saved"),
        ("-I", "@input.xml", 12, "input saved"),
        ("-O", "@output.xml", 25, "output saved"),
    ] {
        if draft.feature(percent, feature) {
            word(draft, option);
            word(draft, file);
        }
    }
    if draft.feature(15, "all actions") {
        word(draft, "-a");
    }
}

fn events(draft: &mut Draft, hosts: &[Host]) {
    let mut pair = |percent, feature: &'static str, option: &str, values: &[&str]| {
        if draft.feature(percent, feature) {
            let value = draft.pick(values).to_string();
            draft.question.extend([option.to_string(), value]);
        }
    };
    let times = [
        "2023-11-14 22:13:20Z",
        "2023-11-15T06:00:00+02:00",
        "2023-11-30",
        "20231220T101010Z",
        "2024-W05-3",
        "2023-318 12:00:00",
        "2022-01-01 00:00:00Z",
    ];
    pair(4, "time set", "-t", &times);
    pair(3, "quorum given", "-q", &["0", "1", "true", "false"]);
    pair(2, "watchdog given", "-w", &["0", "1", "true", "false"]);
    let tickets = ["ticketA", "ticketB", "ticketC"];
    pair(3, "ticket granted", "-g", &tickets);
    pair(3, "ticket revoked", "-r", &tickets);
    pair(2, "ticket put into standby", "-b", &tickets);
    pair(2, "ticket activated", "-e", &tickets);
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    let members: Vec<&str> =
        hosts.iter().filter(|host| !host.remote).map(|host| host.name.as_str()).collect();
    pair(4, "node up injected", "-u", &members);
    pair(5, "node down injected", "-d", &members);
    pair(5, "node failure injected", "-f", &members);
    pair(2, "event of any node injected", "-d", &names);
    pair(1, "event of any node injected", "-f", &names);
    pair(1, "event of a new node injected", "-u", &["extra1"]);
    pair(1, "event of a new node injected", "-d", &["extra2"]);
}

/// Results of operations, before and during the simulation.
fn operations(draft: &mut Draft, hosts: &[Host], leaves: &[Leaf]) {
    let known: Vec<&Leaf> = leaves.iter().filter(|leaf| !leaf.history.is_empty()).collect();
    if known.is_empty() {
        return;
    }
    let mut result = |percent, feature: &'static str, option: &str| {
        if !draft.feature(percent, feature) {
            return;
        }
        let leaf = draft.pick(&known);
        let mut name = draft.pick(&leaf.history);
        if leaf.cloned && !name.contains(':') && draft.chance(30) {
            name.push_str(":0");
        }
        let node = draft.pick(hosts).name;
        let interval = match leaf.monitor_ms {
            Some(ms) if draft.chance(60) => ms,
            _ => 0,
        };
        let tasks: &[&str] = match (interval, leaf.promotable, leaf.migrates) {
            (0, true, _) => &["start", "stop", "monitor", "promote", "demote", "notify"],
            (0, _, true) => &["start", "stop", "monitor", "migrate_to", "migrate_from"],
            (0, _, _) => &["start", "stop", "monitor"],
            _ => &["monitor"],
        };
        let task = draft.pick(tasks);
        let rc = draft.pick(&[0, 1, 1, 1, 5, 6, 7, 8, 9, 193]);
        let operation = format!("{name}_{task}_{interval}@{node}={rc}");
        draft.question.extend([option.to_string(), operation]);
    };
    result(5, "failure injected", "-i");
    result(9, "action failed", "-F");
}
