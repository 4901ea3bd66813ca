//! Explanations on every case of the regression suite: contributions add up to the score that
//! decided, and each names an id of the document or a documented rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crm_core::cib::{self, Element};
use crm_core::explain::{self, Contribution, Origin, Reason, ResourceReport, Verdict};
use crm_core::rules::Moment;
use crm_core::scheduler::model::Cluster;
use crm_core::scheduler::{self, Input};
use crm_core::transition::Mark;
use crm_core::{Score, cib::Child};
use crm_tests::conformance::{Suite, sample};
use libtest_mimic::{Arguments, Failed, Trial};

/// Random clusters whose actions are explained, too.
const SEEDS: u64 = 500;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let trials = match Suite::find() {
        Ok(suite) => {
            let suite = Arc::new(suite);
            let again = suite.clone();
            vec![
                Trial::test("contributions_add_up", move || all(&again)),
                Trial::test("every_action_has_its_reasons", move || actions(&suite)),
            ]
        }
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

/// What a chain ends in, and whether document or manual know it.
fn named(
    cluster: &Cluster,
    ids: &BTreeSet<String>,
    manual: &str,
    chain: &[Reason],
) -> (&'static str, bool) {
    let known_node = |node: &str| cluster.node_named(node).is_some();
    match chain.last().and_then(|r| r.origin.as_ref()) {
        None => ("nothing", false),
        Some(Origin::Cib { id }) => ("an element", ids.contains(&**id)),
        Some(Origin::Rule { rule }) => ("a rule", manual.contains(rule)),
        Some(Origin::Operation { id, node }) => {
            ("a recorded operation", known_node(node) && ids.contains(&**id))
        }
        Some(Origin::Node { node }) => ("the state of a node", known_node(node)),
        Some(Origin::Option { .. }) => ("a cluster option", true),
    }
}

fn words(chain: &[Reason]) -> String {
    let texts: Vec<&str> = chain.iter().map(|r| r.text.as_str()).collect();
    texts.join(" <- ")
}

/// Checks what is said of resources that do not run; returns how many there are.
fn idle(
    report: &ResourceReport,
    named: &dyn Fn(&[Reason]) -> (&'static str, bool),
    complain: &mut dyn FnMut(String),
) -> usize {
    let name = &report.resource;
    let stopped = matches!(
        report.verdict,
        Verdict::NoUsableNode | Verdict::NextRoleStopped | Verdict::StopAll
    );
    if stopped && !named(&report.because).1 {
        complain(format!("{name} does not run because {}", words(&report.because)));
    }
    if !report.held.is_empty() && !named(&report.held).1 {
        complain(format!("{name} cannot start because {}", words(&report.held)));
    }
    for obstacle in report.obstacles.iter().filter(|o| !named(&o.because).1) {
        complain(format!("{name} is not on {}: {}", obstacle.node, words(&obstacle.because)));
    }
    let inside: usize = report.parts.iter().map(|part| idle(part, named, complain)).sum();
    usize::from(stopped || !report.held.is_empty()) + inside
}

/// Every action of every graph has a chain of reasons, which ends in something that the document
/// or the manual names; and so has every action that is needed and cannot be done.
fn actions(suite: &Suite) -> Result<(), Failed> {
    let mut tally = Tally::default();
    for case in &suite.cases {
        let text = std::fs::read_to_string(suite.input(case)).map_err(|e| e.to_string())?;
        let cib = cib::parse(&text).map_err(|e| format!("{}: {e}", case.name))?;
        tally.judge(&case.name, &cib);
    }
    for seed in 0..SEEDS {
        tally.judge(&format!("seed {seed}"), &sample(seed).cib);
    }
    tally.verdict()
}

/// What was explained, and what was not.
#[derive(Default)]
struct Tally {
    actions: usize,
    stopped: usize,
    fenced: usize,
    ends: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Tally {
    fn judge(&mut self, name: &str, cib: &Element) {
        let manual = include_str!("../../docs/design/scheduler.md");
        let now = Moment { epoch: 1_700_000_000, offset: 0 };
        let schedule = scheduler::schedule(&Input { record: true, ..Input::new(cib, now) });
        let cluster = &schedule.cluster;
        let mut ids = BTreeSet::new();
        collect_ids(cib, &mut ids);
        let named = |chain: &[Reason]| named(cluster, &ids, manual, chain);
        let reports = explain::actions(cluster);
        let done = reports.iter().filter(|r| !r.held).count();
        let included = schedule.graph.actions().filter(|(_, a)| a.mark == Mark::Included).count();
        if done != included {
            self.wrong.push(format!("{name}: {included} actions, {done} explained"));
        }
        for report in &reports {
            self.actions += 1;
            let (kind, known) = named(&report.because);
            *self.ends.entry(kind).or_default() += 1;
            if !known {
                let what = format!("{} ({}, held: {})", report.action, report.id, report.held);
                let reasons = words(&report.because);
                self.wrong.push(format!("{name}: {what}: {kind}: {reasons}"));
            }
        }
        for &top in &cluster.top {
            let wrong = &mut self.wrong;
            self.stopped += idle(&explain::resource(cluster, top), &named, &mut |what| {
                wrong.push(format!("{name}: {what}"));
            });
        }
        for &node in &cluster.node_order {
            let report = explain::node(cluster, node);
            let Some(fencing) = &report.fencing else { continue };
            self.fenced += 1;
            if !named(&fencing.because).1 || (!fencing.possible && fencing.waits_for.is_empty()) {
                self.wrong.push(format!("{name}: fencing is not explained: {report}"));
            }
        }
    }

    fn verdict(mut self) -> Result<(), Failed> {
        let Tally { actions, stopped, fenced, ends, .. } = &self;
        let line = format!(
            "{actions} actions, {stopped} idle resources, {fenced} nodes to fence; chains end in \
             {ends:?}\n"
        );
        if *actions < 20_000 || *stopped < 1_000 || *fenced < 200 {
            self.wrong.push(format!("there was too little to explain: {line}"));
        }
        let mut stderr = std::io::stderr().lock();
        // The result is also in the exit code; a closed stream loses only the list.
        let _ = std::io::Write::write_all(&mut stderr, line.as_bytes());
        let bad = self.wrong.len();
        if bad == 0 {
            return Ok(());
        }
        self.wrong.truncate(60);
        Err(format!("{bad} are wrong\n{}", self.wrong.join("\n")).into())
    }
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
                other => complain(format!("{name}: a score cannot come from {other:?}")),
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
