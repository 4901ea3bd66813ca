//! The agents that users have, as Debian ships them, through a whole life in a cluster of two.
//!
//! One table ([`table::ROWS`]) says for each agent how it is configured, how it is broken and how
//! to see that it serves. All rows live in one cluster of real daemons and go through the same
//! phases together: start, failure and recovery, move, stop. What is claimed is seen from outside,
//! by the row's own script on the hosts; the daemons are asked only when they have come to rest.
//!
//! A row whose package is not installed, or whose part of the kernel is missing, is ignored with a
//! line that says so. `CRM_LOGS=DIR` keeps the daemons' logs.

mod cluster;
mod hosts;
mod phases;
mod table;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

use crm_lab::{Isolation, STAGE, isolate, run_stage};
use libtest_mimic::{Arguments, Failed, Trial};

use cluster::Cluster;
use hosts::Hosts;
use table::{ROWS, Row};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|w| w == STAGE) {
        return run_stage(&words[2..]);
    }
    let arguments = Arguments::from_args();
    if arguments.list {
        return suite(&arguments, Some("only listed"));
    }
    if !nix::unistd::geteuid().is_root() {
        return suite(&arguments, Some("these agents work for root only"));
    }
    match isolate() {
        Ok(Isolation::Ended(code)) => code,
        Ok(Isolation::Inside) => suite(&arguments, None),
        Err(e) => suite(&arguments, Some(&e.to_string())),
    }
}

/// Every row is a test of its own, though all of them are played together.
fn suite(arguments: &Arguments, obstacle: Option<&str>) -> ExitCode {
    let mut chosen = Vec::new();
    let mut trials = Vec::new();
    for row in ROWS {
        let missing = row.needs.iter().find(|path| !Path::new(path).exists());
        let reason = match (obstacle, missing) {
            (Some(obstacle), _) => Some(obstacle.to_owned()),
            (None, Some(path)) => Some(format!("there is no {path}")),
            (None, None) => kernel_lacks(row),
        };
        if let Some(reason) = &reason {
            let _ = writeln!(std::io::stderr(), "{}: ignored: {reason}", row.name);
        } else if asked_for(arguments, row.name) {
            chosen.push(row);
        }
        let name = row.name;
        trials.push(Trial::test(name, move || verdict(name)).with_ignored_flag(reason.is_some()));
    }
    let _ = CHOSEN.set(chosen);
    let single = Arguments { test_threads: Some(1), ..arguments.clone() };
    libtest_mimic::run(&single, trials).exit_code()
}

/// What this row's agent needs of the kernel and does not find.
fn kernel_lacks(row: &Row) -> Option<String> {
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let there = |name: &str| filesystems.split_whitespace().any(|word| word == name);
    row.filesystem
        .filter(|name| !there(name))
        .map(|name| format!("this kernel has no {name} (see docs/design/lrm.md for the guest lab)"))
}

fn asked_for(arguments: &Arguments, name: &str) -> bool {
    let matches = |filter: &String| {
        if arguments.exact { name == filter } else { name.contains(filter.as_str()) }
    };
    arguments.filter.as_ref().is_none_or(matches) && !arguments.skip.iter().any(matches)
}

static CHOSEN: OnceLock<Vec<&'static Row>> = OnceLock::new();

/// What was found about each row; a row that is not named did all it must.
type Findings = BTreeMap<&'static str, Vec<String>>;

/// What came of one row. The first to ask has all of them played.
fn verdict(name: &str) -> Result<(), Failed> {
    static PLAYED: OnceLock<Result<Findings, String>> = OnceLock::new();
    let rows = CHOSEN.get().map(Vec::as_slice).unwrap_or_default();
    let play = || Hosts::boot().and_then(Cluster::new).and_then(|c| phases::play(&c, rows));
    let findings = PLAYED.get_or_init(play);
    match findings {
        Err(all) => Err(all.as_str().into()),
        Ok(findings) => match findings.get(name) {
            None => Ok(()),
            Some(lines) => Err(lines.join("\n").into()),
        },
    }
}
