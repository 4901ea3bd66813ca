//! The prompt beside real daemons: one that is killed or stops answering in the middle of a commit,
//! and waits that show what they wait for.

use std::process::ExitCode;

use crm_tests::stage::{self, Scene, Stage};
use crm_tests::terminal::Terminal;
use libtest_mimic::Failed;
use nix::sys::signal::Signal;

const DUMMY: &str = "/usr/lib/ocf/resource.d/pacemaker/Dummy";

const SCENES: &[Scene] = &[
    Scene {
        name: "a_daemon_that_dies_in_mid_commit_takes_nothing_that_was_typed_along",
        needs: &[DUMMY],
        users: false,
        play: dies,
    },
    Scene {
        name: "a_daemon_that_does_not_answer_a_commit_is_not_waited_for_for_ever",
        needs: &[DUMMY],
        users: false,
        play: hangs,
    },
    Scene {
        name: "a_batch_that_the_cluster_did_not_take_is_kept",
        needs: &[DUMMY],
        users: false,
        play: batch,
    },
    Scene {
        name: "a_move_that_is_waited_for_shows_its_way_and_leaves_nothing",
        needs: &[DUMMY],
        users: false,
        play: moves,
    },
    Scene {
        name: "what_runs_is_stopped_with_what_it_was_started_with",
        needs: &[DUMMY],
        users: false,
        play: parameters,
    },
];

fn main() -> ExitCode {
    stage::main(SCENES, || Stage::new(&[&["solo"], &["p1", "p2"]], &[]))
}

/// The host of one node, with a resource. Its disk has what earlier scenes left.
fn solo(stage: &Stage) -> Result<(), Failed> {
    stage.up(&["solo"])?;
    if stage.sh("solo", "crm configure show old").is_ok() {
        return Ok(());
    }
    stage.configure(
        "solo",
        "property stonith-enabled=false\n\
         primitive old ocf:pacemaker:Dummy op monitor interval=10s",
    )
}

/// A shell in `configure` that has this resource to commit.
fn editing(stage: &Stage, name: &str) -> Result<Terminal, Failed> {
    let mut t = Terminal::start(stage.lab.command("solo", &["crm"])?)?;
    t.prompt("# ")?;
    t.line("configure")?;
    t.prompt("configure# ")?;
    t.line(&format!("primitive {name} ocf:pacemaker:Dummy op monitor interval=10s"))?;
    t.prompt("configure*1# ")?;
    Ok(t)
}

/// The daemon of a host, as this process may signal it.
fn daemon(stage: &Stage, host: &str, signal: Signal) -> Result<(), Failed> {
    let found = stage.processes(host, "crmd");
    let [.., pid] = found[..] else { return Err(format!("{host} has no daemon").into()) };
    stage.sh(host, &format!("kill -{} {pid}", signal as i32)).map(drop)
}

fn dies(stage: &Stage) -> Result<(), Failed> {
    solo(stage)?;
    let mut t = editing(stage, "typed")?;
    daemon(stage, "solo", Signal::SIGSTOP)?;
    t.line("commit")?;
    // The commit is on its way to a daemon that will not read it any more.
    t.expect("This will cause:")?;
    daemon(stage, "solo", Signal::SIGKILL)?;
    let said = t.prompt("configure*1# ")?;
    for words in ["the commit was not answered", "what you typed is still here", "'commit'"] {
        if !said.contains(words) {
            return Err(format!("no {words:?} in {said:?}").into());
        }
    }
    // Its supervisor starts it again, and nothing half done is there.
    stage.rest(&["solo"])?;
    let now = stage.sh("solo", "crm configure show")?;
    if now.contains("typed") || !now.contains("primitive old") {
        return Err(format!("half done: {now}").into());
    }
    t.line("commit")?;
    t.prompt("configure# ")?;
    stage.sh("solo", "crm configure show typed")?;
    t.line("quit")?;
    t.leave()
}

fn hangs(stage: &Stage) -> Result<(), Failed> {
    solo(stage)?;
    let mut t = editing(stage, "unheard")?;
    daemon(stage, "solo", Signal::SIGSTOP)?;
    t.line("commit")?;
    t.expect("This will cause:")?;
    let said = t.prompt("configure*1# ")?;
    if !said.contains("no answer within 30 s") || !said.contains("still here") {
        return Err(said.into());
    }
    daemon(stage, "solo", Signal::SIGCONT)?;
    // It reads the commit now; whether or not, once more puts it in force exactly once.
    stage.rest(&["solo"])?;
    t.line("commit")?;
    t.prompt("configure# ")?;
    let now = stage.sh("solo", "crm configure show")?;
    if now.matches("primitive unheard").count() != 1 {
        return Err(now.into());
    }
    t.line("quit")?;
    t.leave()
}

fn batch(stage: &Stage) -> Result<(), Failed> {
    solo(stage)?;
    let lines = "primitive one ocf:pacemaker:Dummy params fake=x op monitor interval=10s";
    let script = format!(
        "export HOME=/root; mkdir -p /root; CRM_RUN_DIR=/run/nowhere crm configure 2>&1 <<'END'\n\
         {lines}\nprimitive two ocf:pacemaker:Dummy\nEND\ntrue"
    );
    let said = stage.sh("solo", &script)?;
    if said.matches("is not running on this node").count() != 1 {
        return Err(format!("said: {said}").into());
    }
    let Some((_, file)) = said.split_once("the batch is kept in ") else {
        return Err(format!("not kept: {said}").into());
    };
    // What was kept is what was said, for its owner alone, and runs.
    let kept = stage.sh(
        "solo",
        &format!("stat -c %a {file} && crm configure < {file} && crm configure show one two"),
    )?;
    if kept.starts_with("600\n") && kept.contains("primitive two") && kept.contains("fake=x") {
        Ok(())
    } else {
        Err(kept.into())
    }
}

fn moves(stage: &Stage) -> Result<(), Failed> {
    stage.up(&["p1", "p2"])?;
    stage.configure(
        "p1",
        "property stonith-enabled=false\n\
         primitive slow ocf:pacemaker:Dummy params op_sleep=2 op monitor interval=10s\n\
         location home slow 0: p1",
    )?;
    stage.rest(&["p1", "p2"])?;
    let mut t = Terminal::start(stage.lab.command("p1", &["crm"])?)?;
    t.prompt("# ")?;
    let place = |t: &mut Terminal| -> Result<String, Failed> {
        t.line("resource locate slow")?;
        let said = t.prompt("# ")?;
        Ok(if said.contains("running on: p2") { "p2".into() } else { "p1".into() })
    };
    let from = place(&mut t)?;
    let to = if from == "p1" { "p2" } else { "p1" };
    t.line(&format!("resource move slow {to} --wait"))?;
    t.expect("waiting for the cluster")?;
    t.expect("slow")?;
    t.expect("no constraint is left behind")?;
    t.prompt("# ")?;
    if place(&mut t)? != to {
        return Err("it did not move".into());
    }
    let left = stage.sh("p1", "crm configure show")?;
    if left.contains("cli-prefer") {
        return Err(left.into());
    }
    // Without --wait it says what it leaves, and so does the status.
    t.line(&format!("resource ban slow {to}"))?;
    let said = t.prompt("# ")?;
    if !said.contains("cli-ban-slow-on-") || !said.contains("resource clear slow") {
        return Err(said.into());
    }
    t.line("status")?;
    t.expect("cli-ban-slow-on-")?;
    t.prompt("# ")?;
    t.line("quit")?;
    t.leave()
}

fn parameters(stage: &Stage) -> Result<(), Failed> {
    solo(stage)?;
    stage.configure(
        "solo",
        "primitive p ocf:pacemaker:Dummy params state=/run/first op monitor interval=1h",
    )?;
    stage.rest(&["solo"])?;
    stage.sh("solo", "test -e /run/first && crm -w resource param p set state /run/second")?;
    stage.sh("solo", "test ! -e /run/first && test -e /run/second")?;
    stage.sh("solo", "crm -F -w configure delete p && crm cluster wait")?;
    stage.sh("solo", "test ! -e /run/second").map(drop)
}
