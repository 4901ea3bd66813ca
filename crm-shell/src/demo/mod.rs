//! `crm demo`: a cluster of three nodes on this machine that loses one and keeps serving.
//!
//! Everything the demo claims is observed from outside: the client's pages, addresses asked of
//! the kernel, the machine's process table, the power switch's record.

mod files;
mod narrator;
mod scenes;
mod stage;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use crm_lab::{Isolation, LabError};

use narrator::Narrator;
use scenes::SCENES;
use stage::Stage;

/// Exit code where the machine forbids what the demo is made of, as test harnesses use it.
const CANNOT_RUN: u8 = 77;

/// Three nodes on this machine keep a web service alive while they are cut off and killed.
#[derive(Parser)]
#[command(name = "crm demo")]
struct Arguments {
    /// Ask nothing, end without a shell; exit 0 only if everything claimed was observed.
    #[arg(long)]
    batch: bool,
    /// Play only scenes whose title contains this (the start is always played).
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Play the chosen scenes this many times.
    #[arg(long, default_value_t = 1, value_name = "N")]
    repeat: u32,
    /// Save the nodes' logs to this directory at the end.
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
}

/// An inner step of the lab.
pub fn stage(arguments: &[String]) -> ExitCode {
    crm_lab::run_stage(arguments)
}

/// Runs the demo.
pub fn run(arguments: &[String]) -> ExitCode {
    let words = std::iter::once("crm demo").chain(arguments.iter().map(String::as_str));
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    match crm_lab::isolate() {
        Ok(Isolation::Ended(code)) => code,
        Ok(Isolation::Inside) => inside(&arguments).unwrap_or_else(|e| complain(&e)),
        Err(e) => complain(&e),
    }
}

fn complain(error: &LabError) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "crm demo: {error}");
    match error {
        LabError::Forbidden(_) => ExitCode::from(CANNOT_RUN),
        LabError::System { .. } | LabError::Netlink { .. } | LabError::Host(_) => ExitCode::FAILURE,
    }
}

fn inside(arguments: &Arguments) -> Result<ExitCode, LabError> {
    let mut tell = Narrator::new(!arguments.batch);
    let stage = Stage::set_up()?;
    let wanted = |title: &str| {
        let chosen = |text: &String| title.to_lowercase().contains(&text.to_lowercase());
        title == SCENES[0].title || arguments.only.as_ref().is_none_or(chosen)
    };
    let chosen: Vec<_> = SCENES.iter().filter(|s| wanted(s.title)).collect();
    let (first, rest) = chosen.split_at(1);
    let repeated = (0..arguments.repeat).flat_map(|_| rest);
    let mut failures = 0;
    let mut played = 0;
    for scene in first.iter().chain(repeated) {
        if !tell.scene(scene.title, scene.about) {
            return Ok(ExitCode::SUCCESS);
        }
        played += 1;
        if let Err(e) = (scene.play)(&stage, &mut tell).and_then(|()| stage.never_twice()) {
            tell.failed(&e);
            failures += 1;
            // What follows would build on a state that nobody has seen.
            break;
        }
    }
    tell.summary();
    if let Some(directory) = &arguments.logs {
        save_logs(&stage, directory)?;
    }
    if arguments.batch || !std::io::stdin().is_terminal() {
        tell.say(&format!("{} passed, {failures} failed", played - failures));
    } else if failures == 0 {
        shell(&stage, &mut tell)?;
    }
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Copies what the nodes wrote to their disks before those vanish.
fn save_logs(stage: &Stage, directory: &Path) -> Result<(), LabError> {
    let failed = |source| LabError::System {
        what: format!("saving logs to {}", directory.display()),
        source,
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    for (node, log) in stage::NODES.iter().flat_map(|n| [(n, "crm.log"), (n, "boot.log")]) {
        if let Some(content) = stage.lab.disk(node, &format!("/var/log/{log}")) {
            std::fs::write(directory.join(format!("{node}-{log}")), content).map_err(failed)?;
        }
    }
    Ok(())
}

/// The shell on the live cluster, until the audience has seen enough.
fn shell(stage: &Stage, tell: &mut Narrator) -> Result<(), LabError> {
    tell.scene(
        "Now you",
        "The shell of node2, on the live cluster: try 'status', 'configure show', 'resource move webservice node3', 'help'.",
    );
    let failed = |source| LabError::System { what: "starting the shell".into(), source };
    stage.lab.command("node2", &["crm"])?.status().map_err(failed)?;
    Ok(())
}
