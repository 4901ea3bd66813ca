//! Random clusters through our scheduler and through the reference's.
//!
//! `CRM_SEEDS=FROM..TO` picks the seeds. A seed on which the two differ is made smaller as long as
//! they differ, and printed with the command line, the document and the differences. The test
//! fails on a seed that `conformance/differential.known` does not list.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crm_core::cib::Element;
use crm_tests::conformance::{GAVE_UP, Question, Reference, Sample, disagreements, sample, shrink};
use libtest_mimic::{Arguments, Failed, Trial};

/// Questions that may be asked while making one document smaller.
const SHRINK_BUDGET: usize = 600;
/// Disagreements that are made smaller and shown, unless `CRM_SHOWN` says otherwise; the rest is
/// counted.
const SHOWN: usize = 3;

fn shown() -> usize {
    std::env::var("CRM_SHOWN").ok().and_then(|n| n.parse().ok()).unwrap_or(SHOWN)
}

fn main() -> ExitCode {
    let trial = match (Reference::find(), seeds()) {
        (Ok(reference), Ok(seeds)) => {
            Trial::test("random_clusters", move || check(&reference, seeds))
        }
        (Err(reason), _) | (_, Err(reason)) => {
            Trial::test(reason, || Ok(())).with_ignored_flag(true)
        }
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn seeds() -> Result<Range<u64>, String> {
    let text = std::env::var("CRM_SEEDS").unwrap_or_else(|_| "0..40".into());
    let bounds = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    bounds.map(|(from, to)| from..to).ok_or_else(|| format!("CRM_SEEDS={text} is not FROM..TO"))
}

/// What came of one document.
enum Outcome {
    Agree,
    /// The reference does not accept the document: nothing can be said.
    Refused(String),
    /// The reference never ends on it, or crashes: nothing can be said either. How.
    Broken(&'static str),
    Differ(Vec<String>),
}

fn compare(reference: &Reference, cib: &Element, question: &Question) -> Outcome {
    let run = || -> std::io::Result<Outcome> {
        let directory = tempfile::tempdir()?;
        let document = cib.to_pretty();
        let want = question.ask(reference, &document, directory.path())?;
        if want.exit == GAVE_UP {
            return Ok(Outcome::Broken("never ends"));
        }
        if want.exit == -1 || want.exit >= 128 {
            return Ok(Outcome::Broken("crashes"));
        }
        if want.err.contains("Triggered fatal assertion") {
            return Ok(Outcome::Broken("fails an assertion"));
        }
        let invalid = ["validity error", "Schema validation"];
        if !matches!(want.exit, 0 | 1) || invalid.iter().any(|words| want.err.contains(words)) {
            return Ok(Outcome::Refused(format!("{} {}{}", want.exit, want.out, want.err)));
        }
        let found = disagreements(&want, &question.ask_ours(&document, directory.path())?);
        Ok(if found.is_empty() { Outcome::Agree } else { Outcome::Differ(found) })
    };
    run().unwrap_or_else(|error| Outcome::Refused(error.to_string()))
}

/// What all threads write to.
#[derive(Default)]
struct Tally {
    features: BTreeMap<&'static str, usize>,
    differ: Vec<u64>,
    broken: BTreeMap<&'static str, Vec<u64>>,
    refused: Vec<(u64, String)>,
    shown: Vec<String>,
}

fn check(reference: &Reference, seeds: Range<u64>) -> Result<(), Failed> {
    let (next, count) = (AtomicU64::new(seeds.start), AtomicUsize::new(0));
    let tally = Mutex::new(Tally::default());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            one(reference, seed, &tally);
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    report(&tally, count.into_inner())
}

fn one(reference: &Reference, seed: u64, tally: &Mutex<Tally>) {
    let lock = || tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let sample = sample(seed);
    for feature in &sample.features {
        *lock().features.entry(feature).or_default() += 1;
    }
    match compare(reference, &sample.cib, &sample.question) {
        Outcome::Agree => {}
        Outcome::Broken(how) => {
            keep(seed, "breaks", &sample, &[how.to_string()]);
            lock().broken.entry(how).or_default().push(seed);
        }
        Outcome::Refused(reason) => lock().refused.push((seed, reason)),
        Outcome::Differ(found) => {
            keep(seed, "differs", &sample, &found);
            let number = {
                let mut tally = lock();
                tally.differ.push(seed);
                tally.differ.len()
            };
            if number <= shown() {
                let text = smaller(reference, seed, &sample.cib, &sample.question, found);
                lock().shown.push(text);
            }
        }
    }
}

/// Keeps a cluster in the directory `CRM_KEEP`, for looking into later. The report does not depend
/// on it, so what cannot be written is not.
fn keep(seed: u64, what: &str, sample: &Sample, found: &[String]) {
    let Some(directory) = std::env::var_os("CRM_KEEP") else { return };
    let path = |kind: &str| Path::new(&directory).join(format!("{seed}.{what}.{kind}"));
    let report = format!("{}\n{}\n", sample.question.line(), found.join("\n"));
    let _ = std::fs::write(path("xml"), sample.cib.to_pretty());
    let _ = std::fs::write(path("txt"), report);
}

/// The smallest document found on which the two still differ, as a report.
fn smaller(
    reference: &Reference,
    seed: u64,
    cib: &Element,
    question: &Question,
    mut found: Vec<String>,
) -> String {
    // The levels on which the two differ: shrinking must not wander off to another disagreement.
    let levels = |found: &[String]| -> Vec<String> {
        found.iter().filter_map(|f| f.split_whitespace().next().map(String::from)).collect()
    };
    let wanted = levels(&found);
    let small = shrink(cib, SHRINK_BUDGET, &mut |candidate| match compare(
        reference, candidate, question,
    ) {
        Outcome::Differ(differences) if levels(&differences) == wanted => {
            found = differences;
            true
        }
        Outcome::Differ(_) | Outcome::Agree | Outcome::Refused(_) | Outcome::Broken(_) => false,
    });
    format!(
        "=== seed {seed}: crm_simulate {}\n{}\n{}",
        question.line(),
        small.to_pretty(),
        found.join("\n")
    )
}

fn report(tally: &Tally, count: usize) -> Result<(), Failed> {
    let mut text = format!(
        "{count} clusters, {} differ, {} refused by the reference\n",
        tally.differ.len(),
        tally.refused.len(),
    );
    for (how, seeds) in &tally.broken {
        text.push_str(&format!("the reference {how} on {}: {seeds:?}\n", seeds.len()));
    }
    for (feature, times) in &tally.features {
        text.push_str(&format!("{times:7} {feature}\n"));
    }
    let mut rare = Vec::new();
    if count >= 1000 {
        let is_rare = |times: &usize| *times * 100 < count;
        rare.extend(tally.features.iter().filter(|(_, n)| is_rare(n)).map(|(f, _)| *f));
    }
    for (seed, reason) in tally.refused.iter().take(3) {
        text.push_str(&format!("refused: seed {seed}: {reason}\n"));
    }
    for shown in &tally.shown {
        text.push_str(shown);
        text.push('\n');
    }
    if !rare.is_empty() {
        text.push_str(&format!("in less than one of a hundred: {}\n", rare.join(", ")));
    }
    let known: Vec<u64> = include_str!("../conformance/differential.known")
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect();
    let all_known = tally.differ.iter().all(|seed| known.contains(seed));
    if all_known && tally.refused.is_empty() && rare.is_empty() {
        let mut stderr = std::io::stderr().lock();
        // The result is also in the exit code; a closed stream loses only the list.
        let _ = std::io::Write::write_all(&mut stderr, text.as_bytes());
        return Ok(());
    }
    text.push_str(&format!("seeds that differ: {:?}\n", tally.differ));
    Err(text.into())
}
