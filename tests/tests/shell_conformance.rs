//! The shell on the recorded cases of crmsh, each run in a process of its own.
//!
//! `all` runs every case and fails if fewer agree than `conformance/shell.score` records. Each
//! case is a test of its own too, for `cargo test ... -- --ignored NAME`.
//!
//! Started with `--as-shell` as its first argument, this program is the shell.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crm_tests::shell_suite::{ShellCase, ShellSuite, differences};
use libtest_mimic::{Arguments, Failed, Trial};

const AS_SHELL: &str = "--as-shell";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|w| w == AS_SHELL) {
        return crm_shell::run(&words[1..], &[]);
    }
    let arguments = Arguments::from_args();
    let trials = match ShellSuite::find().and_then(|suite| agents_are_here().map(|()| suite)) {
        Ok(suite) => {
            let suite = Arc::new(suite);
            let whole = Arc::clone(&suite);
            let mut trials = vec![Trial::test("all", move || all(&whole))];
            for case in &suite.cases {
                let (suite, case) = (Arc::clone(&suite), case.clone());
                let name = case.name.clone();
                let trial = Trial::test(name, move || one(&suite, &case));
                trials.push(trial.with_ignored_flag(true));
            }
            trials
        }
        Err(reason) => vec![Trial::test(reason, || Ok(())).with_ignored_flag(true)],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The cases were recorded with these agents installed.
fn agents_are_here() -> Result<(), String> {
    if Path::new("/usr/lib/ocf/resource.d/heartbeat/IPaddr2").is_file() {
        Ok(())
    } else {
        Err("the package resource-agents is not installed".into())
    }
}

fn shell() -> Result<Vec<String>, Failed> {
    let own = std::env::current_exe().map_err(|e| Failed::from(e.to_string()))?;
    Ok(vec![own.to_string_lossy().into_owned(), AS_SHELL.into()])
}

fn disagreements(suite: &ShellSuite, case: &ShellCase, shell: &[String]) -> Vec<String> {
    differences(suite, case, shell).unwrap_or_else(|error| vec![error])
}

fn one(suite: &ShellSuite, case: &ShellCase) -> Result<(), Failed> {
    let found = disagreements(suite, case, &shell()?);
    if found.is_empty() { Ok(()) } else { Err(found.join("\n").into()) }
}

fn all(suite: &ShellSuite) -> Result<(), Failed> {
    let shell = shell()?;
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut failed = Vec::new();
        while let Some(case) = suite.cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = disagreements(suite, case, &shell);
            if !found.is_empty() {
                failed.push(format!("{}: {}", case.name, found.join(", ")));
            }
        }
        failed
    };
    let mut failed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap_or_default()).collect()
    });
    failed.sort();
    let passed = suite.cases.len() - failed.len();
    let record = include_str!("../conformance/shell.score");
    let record = record.lines().next().unwrap_or_default().trim();
    let record: usize = record.parse().map_err(|_| Failed::from("the score is no number"))?;
    let result = format!("{}\n{passed} passed, {} failed\n", failed.join("\n"), failed.len());
    if passed < record {
        return Err(format!("{result}that is less than the recorded {record}").into());
    }
    let mut stderr = std::io::stderr().lock();
    // The result is also in the exit code; a closed stream loses only the list.
    let _ = std::io::Write::write_all(&mut stderr, result.as_bytes());
    Ok(())
}
