//! The scenes: each does something to the cluster and tells what was observed from outside.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crm_lab::PowerMode;

use super::files;
use super::narrator::Narrator;
use super::stage::{NODES, Outcome, SERVICE, Stage, until};

/// How long anything may take before a scene gives up.
const LONG: Duration = Duration::from_secs(60);
/// How long a service that must stay down is watched.
const WATCH_DOWN: Duration = Duration::from_secs(5);

/// A scene: its title, what it is about, and what plays it.
pub(super) struct Scene {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) play: fn(&Stage, &mut Narrator) -> Outcome,
}

/// All scenes, in order.
pub(super) const SCENES: &[Scene] = &[
    Scene {
        title: "Start",
        about: "Three nodes boot. A configuration of nine lines goes in through the shell.",
        play: start,
    },
    Scene {
        title: "By hand",
        about: "'crm node standby' sends the service away, 'crm node online' makes the node eligible again.",
        play: by_hand,
    },
    Scene {
        title: "Cut off, but alive",
        about: "The active node's cable is pulled. It goes on serving on its side, and nobody may take over \
                before it is switched off.",
        play: cut_but_alive,
    },
    Scene {
        title: "Cut off, and the power switch refuses",
        about: "The same with a STONITH device that fails: the service must stay down until it works.",
        play: |stage, tell| cut_with_bad_switch(stage, tell, PowerMode::Refuses),
    },
    Scene {
        title: "Cut off, and the power switch says nothing",
        about: "The same with a STONITH device that never answers.",
        play: |stage, tell| cut_with_bad_switch(stage, tell, PowerMode::Silent),
    },
    Scene {
        title: "Crash",
        about: "Cable cut and everything on the active node killed, at once.",
        play: crash,
    },
    Scene {
        title: "Minority",
        about: "Two cables are pulled: every node is alone. Without quorum the service is stopped.",
        play: minority,
    },
    Scene {
        title: "Power cut",
        about: "All nodes are killed at once and switched on again: nothing that was committed is lost.",
        play: power_cut,
    },
];

fn text(e: impl ToString) -> String {
    e.to_string()
}

/// The node that serves, by the page that the client gets and by its addresses.
fn active(stage: &Stage) -> Outcome<&'static str> {
    until(LONG, "one node with the address, and its page at the client", || {
        let page = stage.client.last();
        stage.holder().is_some_and(|h| page.as_deref().is_some_and(|p| p.contains(h)))
    })?;
    stage.holder().ok_or_else(|| "the service moved while it was looked at".into())
}

fn others(node: &str) -> Vec<&'static str> {
    NODES.into_iter().filter(|n| *n != node).collect()
}

fn start(stage: &Stage, tell: &mut Narrator) -> Outcome {
    for node in NODES {
        stage.lab.power_on(node).map_err(text)?;
    }
    let begin = Instant::now();
    stage.until_settled()?;
    tell.seen(&format!("three daemons, one membership, a coordinator: {}", tell.since(begin)));
    let begin = Instant::now();
    feed(stage, "node1", files::WEB_CRM)?;
    tell.did("crm configure < docs/examples/web.crm");
    let node = active(stage)?;
    tell.seen(&format!(
        "http://{SERVICE}/ answers from {node}: {} after the batch began",
        tell.since(begin)
    ));
    if node != "node1" {
        return Err(format!("the service is on {node}, and the configuration prefers node1"));
    }
    until(LONG, "the web server's process", || stage.serves(node))?;
    stage.until_settled()
}

fn feed(stage: &Stage, node: &str, batch: &str) -> Outcome {
    use std::io::Write;
    let mut command = stage.lab.command(node, &["crm", "configure"]).map_err(text)?;
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(text)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(batch.as_bytes()).map_err(text)?;
    }
    let status = child.wait().map_err(text)?;
    if status.success() { Ok(()) } else { Err(format!("crm configure ended with {status}")) }
}

fn by_hand(stage: &Stage, tell: &mut Narrator) -> Outcome {
    let old = active(stage)?;
    let begin = Instant::now();
    stage.crm(old, &["node", "standby"])?;
    tell.did(&format!("crm node standby    (on {old})"));
    until(LONG, "the service on another node", || stage.holder().is_some_and(|h| h != old))?;
    let new = active(stage)?;
    tell.outage(
        "standby",
        &format!("the service went from {old} to {new}"),
        &stage.client.since(begin),
    );
    stage.crm(old, &["node", "online"])?;
    tell.did(&format!("crm node online     (on {old})"));
    stage.until_settled()?;
    stays(stage, new)?;
    tell.seen(&format!("it stays on {new}: stickiness 100 beats the preference of 50 for node1"));
    Ok(())
}

fn stays(stage: &Stage, node: &str) -> Outcome {
    match stage.holder() {
        Some(holder) if holder == node => Ok(()),
        other => {
            Err(format!("the service did not stay on {node}: now {}", other.unwrap_or("nowhere")))
        }
    }
}

/// Checks that `old` was confirmed off before anybody else got the address.
fn fenced_before_takeover(stage: &Stage, old: &str, begin: Instant) -> Outcome<Instant> {
    let log = stage.lab.power_log();
    let off = log
        .iter()
        .find(|e| e.asked >= begin && e.host == old && e.verb == "off" && e.done)
        .and_then(|e| e.answered)
        .ok_or_else(|| format!("the power switch never confirmed that {old} is off"))?;
    match stage.gains(begin).into_iter().find(|(node, at)| *node != old && *at < off) {
        Some((node, _)) => Err(format!("{node} took the address before {old} was off")),
        None => Ok(off),
    }
}

fn cut_but_alive(stage: &Stage, tell: &mut Narrator) -> Outcome {
    let old = active(stage)?;
    let begin = Instant::now();
    stage.lab.set_cut(old, true).map_err(text)?;
    tell.did(&format!("pulled the cable of {old}"));
    if !(stage.lab.is_on(old) && stage.serves(old)) {
        return Err(format!("{old} does not go on serving on its side"));
    }
    tell.seen(&format!("{old} is alive: its web server and its address are still there"));
    until(LONG, "the node switched off", || !stage.lab.is_on(old))?;
    tell.seen(&format!("the power switch has switched {old} off: {}", tell.since(begin)));
    let new = active(stage)?;
    fenced_before_takeover(stage, old, begin)?;
    tell.outage(
        "cut off",
        &format!("only then {new} took the service"),
        &stage.client.since(begin),
    );
    rejoin(stage, tell, old, new)
}

fn rejoin(stage: &Stage, tell: &mut Narrator, back: &str, active: &str) -> Outcome {
    stage.lab.set_cut(back, false).map_err(text)?;
    stage.lab.power_on(back).map_err(text)?;
    tell.did(&format!("power on again for {back}"));
    stage.until_settled()?;
    stays(stage, active)?;
    tell.seen(&format!("{back} is back, and the service stays on {active}"));
    Ok(())
}

fn cut_with_bad_switch(stage: &Stage, tell: &mut Narrator, mode: PowerMode) -> Outcome {
    let old = active(stage)?;
    let witness = others(old)[0];
    if mode == PowerMode::Silent {
        stage.crm(witness, &["configure", "property", "stonith-timeout=3s"])?;
        tell.did("crm configure property stonith-timeout=3s");
    }
    stage.lab.set_power_mode(mode);
    let begin = Instant::now();
    stage.lab.set_cut(old, true).map_err(text)?;
    tell.did(&format!("pulled the cable of {old}; the power switch {}", words(mode)));
    until(LONG, "a request to the power switch", || {
        stage.lab.power_log().iter().any(|e| e.asked >= begin && e.host == old)
    })?;
    let asked = Instant::now();
    while asked.elapsed() < WATCH_DOWN {
        if let Some((node, _)) = stage.gains(begin).first() {
            return Err(format!("{node} took the address although {old} was not switched off"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    if stage.client.since(asked).probes.iter().any(|p| p.at >= asked && p.page.is_some()) {
        return Err("the client got a page although nobody may serve".into());
    }
    tell.seen(&format!(
        "{} s later the service is still down: {old} may be alive",
        WATCH_DOWN.as_secs()
    ));
    until(LONG, "the reason in 'crm status'", || {
        stage.crm(witness, &["status"]).is_ok_and(|s| reason(&s, old).is_some())
    })?;
    let status = stage.crm(witness, &["status"])?;
    if let Some(line) = reason(&status, old) {
        tell.quote("crm status", line);
    }
    stage.lab.set_power_mode(PowerMode::Works);
    tell.did("repaired the power switch");
    until(LONG, "the node switched off", || !stage.lab.is_on(old))?;
    let new = active(stage)?;
    fenced_before_takeover(stage, old, begin)?;
    tell.seen(&format!("{old} was switched off, only then {new} took the service"));
    rejoin(stage, tell, old, new)?;
    if mode == PowerMode::Silent {
        stage.crm(witness, &["configure", "property", "stonith-timeout=60s"])?;
    }
    Ok(())
}

fn words(mode: PowerMode) -> &'static str {
    match mode {
        PowerMode::Works => "works",
        PowerMode::Refuses => "answers with an error",
        PowerMode::Silent => "never answers",
    }
}

/// The line of a status that says why `node` is not fenced.
fn reason<'a>(status: &'a str, node: &str) -> Option<&'a str> {
    let wanted = format!("{node} cannot be fenced: ");
    status.lines().map(str::trim).find(|line| line.contains(&wanted))
}

fn crash(stage: &Stage, tell: &mut Narrator) -> Outcome {
    let old = active(stage)?;
    let begin = Instant::now();
    stage.lab.set_cut(old, true).map_err(text)?;
    stage.lab.power_off(old).map_err(text)?;
    tell.did(&format!("killed everything on {old} and pulled its cable"));
    until(LONG, "the request to switch the node off, confirmed", || {
        stage.lab.power_log().iter().any(|e| e.asked >= begin && e.host == old && e.done)
    })?;
    let off = fenced_before_takeover(stage, old, begin)?;
    tell.seen(&format!("{old} is confirmed off by the power switch: {}", tell.between(begin, off)));
    let new = active(stage)?;
    fenced_before_takeover(stage, old, begin)?;
    if let Some(at) = stage.gained(new, begin) {
        tell.seen(&format!("{new} has the address: {}", tell.between(begin, at)));
    }
    tell.outage("crash", &format!("the page comes from {new}"), &stage.client.since(begin));
    rejoin(stage, tell, old, new)
}

fn minority(stage: &Stage, tell: &mut Narrator) -> Outcome {
    let old = active(stage)?;
    let begin = Instant::now();
    for node in others(old) {
        stage.lab.set_cut(node, true).map_err(text)?;
    }
    tell.did(&format!("pulled the cables of {}", others(old).join(" and ")));
    until(LONG, "the address gone from every node", || stage.holder().is_none())?;
    until(LONG, "the web server stopped", || !stage.serves(old))?;
    if !stage.lab.is_on(old) {
        return Err(format!("{old} was switched off by a node without quorum"));
    }
    tell.seen(&format!(
        "{old} is alone, without quorum, and has stopped the service: {}",
        tell.since(begin)
    ));
    stage.all_together()?;
    tell.did("plugged the cables in again");
    let new = active(stage)?;
    tell.seen(&format!("quorum is back, and {new} serves: {}", tell.since(begin)));
    Ok(())
}

fn power_cut(stage: &Stage, tell: &mut Narrator) -> Outcome {
    active(stage)?;
    for node in NODES {
        stage.lab.power_off(node).map_err(text)?;
    }
    tell.did("killed everything on every node");
    let begin = Instant::now();
    for node in NODES {
        stage.lab.power_on(node).map_err(text)?;
    }
    let node = active(stage)?;
    let report = stage.client.since(begin);
    let first = report.probes.iter().find(|p| p.at >= begin && p.page.is_some());
    let took = first.map(|p| tell.between(begin, p.at)).unwrap_or_default();
    tell.figure(
        "cold start",
        &format!("three nodes from nothing to the first page, from {node}: {took}"),
    );
    stage.until_settled()?;
    let shown = stage.crm(node, &["configure", "show"])?;
    if shown.contains("group webservice webip webstore webserver") {
        tell.seen("the configuration survived");
        Ok(())
    } else {
        Err(format!("the configuration is not what was committed:\n{shown}"))
    }
}
