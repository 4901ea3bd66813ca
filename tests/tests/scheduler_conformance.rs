//! Pacemaker's scheduler regression suite, through our library in one process.
//!
//! `all` runs every case and fails if fewer agree than `conformance/scheduler.score` records.
//! Each case is a test of its own too, for `cargo test ... -- --ignored NAME`: it prints what
//! differs.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crm_tests::conformance::{Case, Suite, differences, ours};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match Suite::find() {
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

fn disagreements(suite: &Suite, case: &Case) -> Vec<String> {
    match ours(&suite.input(case), &[], &case.arguments) {
        Ok(verdict) => differences(&suite.expected(case), &verdict),
        Err(error) => vec![error.to_string()],
    }
}

fn one(suite: &Suite, case: &Case) -> Result<(), Failed> {
    let found = disagreements(suite, case);
    if found.is_empty() { Ok(()) } else { Err(found.join("\n").into()) }
}

/// Runs every case, on as many threads as there are processors.
fn all(suite: &Suite) -> Result<(), Failed> {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut failed = Vec::new();
        while let Some(case) = suite.cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !disagreements(suite, case).is_empty() {
                failed.push(case);
            }
        }
        failed
    };
    let failed: Vec<&Case> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap_or_default()).collect()
    });
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in &failed {
        groups.entry(&case.group).or_default().push(&case.name);
    }
    let agreed = suite.cases.len() - failed.len();
    let record = include_str!("../conformance/scheduler.score").trim();
    let record: usize = record.parse().map_err(|_| Failed::from("the score is no number"))?;
    let list: String =
        groups.iter().map(|(group, names)| format!("{group}: {}\n", names.join(" "))).collect();
    let result = format!("{agreed} of {} cases agree\n{list}", suite.cases.len());
    if agreed < record {
        return Err(format!("{result}that is less than the recorded {record}").into());
    }
    let mut stderr = std::io::stderr().lock();
    // The result is also in the exit code; a closed stream loses only the list.
    let _ = std::io::Write::write_all(&mut stderr, result.as_bytes());
    Ok(())
}
