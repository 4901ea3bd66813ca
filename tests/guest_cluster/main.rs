//! Clusters on real kernels: what agents and stacks need that the machine's kernel may lack.
//!
//! Two guests of the guest lab (`../shared/lab/vm`) with daemons. Rows of the table of agents that
//! name a file system of the kernel go through the same phases as in `tests/real_agents`; then the
//! stacks that the shell's wizards make, through the loss of the active node's power.
//!
//! Needs root, and the lab's image in the directory that `LABVM_CACHE` names (`docs/design/lrm.md`
//! says how it is built). Everything else is made here and is gone at the end. `CRM_BIN` names another
//! executable than the one just built: one with optimisation is several times faster in a guest.
//! `CRM_LOGS=DIR` keeps the daemons' logs.

#[path = "../real_agents/cluster.rs"]
mod cluster;
mod hosts;
#[path = "../real_agents/phases.rs"]
mod phases;
mod power;
mod stacks;
#[path = "../real_agents/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Failed, Trial};

use cluster::{Cluster, NODES};
use hosts::Hosts;
use stacks::SCENES;
use table::{ROWS, Row};

/// What was found about each row; a row that is not named did all it must.
type Findings = BTreeMap<&'static str, Vec<String>>;

static CLUSTER: OnceLock<Result<Cluster, String>> = OnceLock::new();
static CHOSEN: OnceLock<Vec<&'static Row>> = OnceLock::new();

fn main() -> ExitCode {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let obstacle = if arguments.list {
        Some("only listed".to_owned())
    } else if !nix::unistd::geteuid().is_root() {
        Some("needs root".to_owned())
    } else {
        hosts::unavailable()
    };
    let rows = || ROWS.iter().filter(|row| row.filesystem.is_some());
    let names = rows().map(|row| row.name).chain(SCENES.iter().map(|scene| scene.name));
    if obstacle.is_none() && names.into_iter().any(|name| asked_for(&arguments, name)) {
        let _ = CLUSTER.set(Hosts::boot().and_then(Cluster::new));
    }
    let ignored = |name: &str, needs: &[&str]| {
        let reason = obstacle.clone().or_else(|| missing(needs));
        if let (Some(reason), false) = (&reason, arguments.list) {
            let _ = writeln!(std::io::stderr(), "{name}: ignored: {reason}");
        }
        reason.is_some()
    };
    let mut trials = Vec::new();
    let mut chosen = Vec::new();
    for row in rows() {
        let ignored = ignored(row.name, row.needs);
        if !ignored && asked_for(&arguments, row.name) {
            chosen.push(row);
        }
        trials.push(Trial::test(row.name, || verdict(row.name)).with_ignored_flag(ignored));
    }
    for scene in SCENES {
        let ignored = ignored(scene.name, scene.needs);
        trials.push(Trial::test(scene.name, || play(scene)).with_ignored_flag(ignored));
    }
    let _ = CHOSEN.set(chosen);
    let outcome = libtest_mimic::run(&arguments, trials).exit_code();
    if let Some(Ok(cluster)) = CLUSTER.get() {
        // Nobody drops what is static.
        cluster.hosts.end();
    }
    outcome
}

fn asked_for(arguments: &Arguments, name: &str) -> bool {
    let matches = |filter: &String| {
        if arguments.exact { name == filter } else { name.contains(filter.as_str()) }
    };
    arguments.filter.as_ref().is_none_or(matches) && !arguments.skip.iter().any(matches)
}

/// What the guests do not have of these files.
fn missing(needs: &[&str]) -> Option<String> {
    let cluster = CLUSTER.get()?.as_ref().ok()?;
    let absent = |path: &&&str| cluster.must(NODES[0], &format!("test -e {path}")).is_err();
    needs.iter().find(absent).map(|path| format!("the guests have no {path}"))
}

fn cluster() -> Result<&'static Cluster, Failed> {
    match CLUSTER.get() {
        Some(Ok(cluster)) => Ok(cluster),
        Some(Err(e)) => Err(e.as_str().into()),
        None => Err("the guests were not started".into()),
    }
}

/// What came of one row. The first to ask has all of them played.
fn verdict(name: &str) -> Result<(), Failed> {
    static PLAYED: OnceLock<Result<Findings, String>> = OnceLock::new();
    let cluster = cluster()?;
    let rows = CHOSEN.get().map(Vec::as_slice).unwrap_or_default();
    match PLAYED.get_or_init(|| phases::play(cluster, rows)) {
        Err(all) => Err(all.as_str().into()),
        Ok(findings) => match findings.get(name) {
            None => Ok(()),
            Some(lines) => Err(lines.join("\n").into()),
        },
    }
}

/// A scene begins with an empty configuration.
fn play(scene: &stacks::Scene) -> Result<(), Failed> {
    let cluster = cluster()?;
    let outcome = stacks::clear(cluster).and_then(|()| (scene.play)(cluster));
    cluster.keep_logs();
    outcome.map_err(|e| format!("{e}\n{}", stacks::state(cluster)).into())
}
