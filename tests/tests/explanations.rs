//! Explanations on every case of the regression suite: contributions add up to the score that
//! decided, and each names an id of the document or a documented rule.

use std::collections::BTreeSet;

use crm_core::cib::{self, Element};
use crm_core::explain::{self, Contribution, Origin, ResourceReport, Verdict};
use crm_core::rules::Moment;
use crm_core::scheduler::{self, Input};
use crm_core::{Score, cib::Child};
use crm_tests::conformance::Suite;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let trials = match Suite::find() {
        Ok(suite) => vec![Trial::test("contributions_add_up", move || all(&suite))],
        Err(reason) => vec![Trial::test(reason, || Ok(())).with_ignored_flag(true)],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn all(suite: &Suite) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    let mut scores = 0;
    for case in &suite.cases {
        let text = std::fs::read_to_string(suite.input(case)).map_err(|e| e.to_string())?;
        let cib = cib::parse(&text).map_err(|e| format!("{}: {e}", case.name))?;
        let now = Moment { epoch: 1_700_000_000, offset: 0 };
        let input = Input { record: true, ..Input::new(&cib, now) };
        let schedule = scheduler::schedule(&input);
        let mut ids = BTreeSet::new();
        collect_ids(&cib, &mut ids);
        for &top in &schedule.cluster.top {
            let report = explain::resource(&schedule.cluster, top);
            scores += check(&report, &ids, &mut |what| {
                wrong.push(format!("{}: {what}", case.name));
            });
        }
    }
    if scores < 10_000 {
        return Err(format!("only {scores} scores were looked at").into());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let count = wrong.len();
    wrong.truncate(40);
    Err(format!("{count} of {scores} are wrong\n{}", wrong.join("\n")).into())
}

fn collect_ids(element: &Element, ids: &mut BTreeSet<String>) {
    if let Some(id) = element.id() {
        ids.insert(id.to_owned());
    }
    for child in element.nodes() {
        if let Child::Element(child) = child {
            collect_ids(child, ids);
        }
    }
}

/// Checks a report and those inside; returns how many scores it has.
fn check(
    report: &ResourceReport,
    ids: &BTreeSet<String>,
    complain: &mut dyn FnMut(String),
) -> usize {
    let name = &report.resource;
    let sources = |steps: &[Contribution], complain: &mut dyn FnMut(String)| {
        for step in steps {
            match &step.source.origin {
                Origin::Cib { id } if ids.contains(&**id) => {}
                Origin::Cib { id } => complain(format!("{name}: '{id}' is not in the document")),
                Origin::Rule { rule } if rule.starts_with(['P', 'I']) => {}
                Origin::Rule { rule } => complain(format!("{name}: '{rule}' is no rule")),
            }
        }
    };
    for score in &report.scores {
        let sum = score.contributions.last().map(|c| c.sum);
        if sum != Some(score.score) {
            let (node, score) = (&score.node, score.score);
            complain(format!("{name} on {node}: {score}, but contributions give {sum:?}"));
        }
        sources(&score.contributions, complain);
    }
    if report.verdict == Verdict::NoUsableNode && report.obstacles.is_empty() {
        complain(format!("{name} does not run, and nothing is said to keep it from running"));
    }
    if let Some(promotion) = &report.promotion {
        let own = promotion.own.last().map_or(Score::ZERO, |c| c.sum);
        let sum = promotion.shared.last().map_or(own, |c| c.sum);
        if sum != promotion.score {
            complain(format!("{name} promotion: {}, but the steps give {sum}", promotion.score));
        }
        sources(&promotion.own, complain);
        sources(&promotion.shared, complain);
    }
    let inside: usize = report.parts.iter().map(|part| check(part, ids, complain)).sum();
    report.scores.len() + inside
}
