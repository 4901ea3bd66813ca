//! Suites of recorded cases, as a test program.
//!
//! `all` runs every case, on as many threads as there are processors, and fails if fewer agree
//! than the suite's score says. Each case is a test of its own too, for
//! `cargo test ... -- --ignored NAME`: it prints what differs.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::{Arguments, Failed, Trial};

/// One case: its name, and what finds how we differ from the recorded.
pub struct Recorded {
    /// For the command line and the list of failures.
    pub name: String,
    /// Runs the case; nothing is agreement.
    pub differences: Box<dyn Fn() -> Vec<String> + Send + Sync>,
}

/// Runs the test program of a suite. The first line of `score` is the number of cases that agree
/// at least. A suite that is not there is one ignored test with the reason as its name.
pub fn main(cases: Result<Vec<Recorded>, String>, score: &'static str) -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match cases {
        Ok(cases) => {
            let cases = Arc::new(cases);
            let whole = Arc::clone(&cases);
            let one = |at: usize| {
                let (name, cases) = (cases[at].name.clone(), Arc::clone(&cases));
                Trial::test(name, move || verdict(&(cases[at].differences)()))
                    .with_ignored_flag(true)
            };
            let each = (0..cases.len()).map(one);
            std::iter::once(Trial::test("all", move || all(&whole, score))).chain(each).collect()
        }
        Err(reason) => vec![Trial::test(reason, || Ok(())).with_ignored_flag(true)],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn verdict(found: &[String]) -> Result<(), Failed> {
    if found.is_empty() { Ok(()) } else { Err(found.join("\n").into()) }
}

fn all(cases: &[Recorded], score: &str) -> Result<(), Failed> {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut failed = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = (case.differences)();
            if !found.is_empty() {
                // The first line tells the kind; one case alone shows everything.
                let first = found[0].lines().next().unwrap_or_default();
                failed.push(format!("{}: {first}", case.name));
            }
        }
        failed
    };
    let mut failed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap_or_default()).collect()
    });
    failed.sort();
    let passed = cases.len() - failed.len();
    let score = score.lines().next().unwrap_or_default().trim();
    let score: usize = score.parse().map_err(|_| Failed::from("the score is no number"))?;
    let result = format!("{}\n{passed} passed, {} failed\n", failed.join("\n"), failed.len());
    if passed < score {
        return Err(format!("{result}that is less than the recorded {score}").into());
    }
    // The result is also in the exit code; a closed stream loses only the list.
    let _ = std::io::stderr().lock().write_all(result.as_bytes());
    Ok(())
}
