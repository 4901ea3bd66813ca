//! The independent checker accepts every graph of the suite and of random clusters, and rejects
//! every mutant that breaks a rule.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use crm_core::cib::{Element, parse, upgrade};
use crm_core::rules::Moment;
use crm_core::scheduler::{Input, schedule};
use crm_tests::checker::{Action, Duty, Facts, Known, Plan, Report, Rule, Shape, check};

use crm_tests::conformance::{Case, Suite, sample};
use libtest_mimic::{Arguments, Failed, Trial};

/// Random clusters that are judged.
const SEEDS: u64 = 1_500;
/// Random clusters more, with two resources that each want to be with the other.
const CIRCLES: u64 = 300;
/// How often something must have been said about each shape, so that no rule is silent on it.
const JUDGED: usize = 20;
/// Mutants of each kind that must be found.
const MUTANTS: usize = 200;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match Suite::find() {
        Ok(suite) => {
            let suite = Arc::new(suite);
            vec![Trial::test("suite_and_random_clusters", move || judge_all(&suite))]
        }
        Err(reason) => vec![Trial::test(reason, || Ok(())).with_ignored_flag(true)],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Graphs of the suite that break a rule, and why the reference is right.
const EXCEPTIONS: [(&str, Rule, &str); 1] = [(
    "bug-rh-1097457",
    Rule::Ordered,
    "what runs inside a guest cannot be ordered relative to that guest",
)];

/// How often each rule had something to say, and how many mutants it rejected and missed.
#[derive(Default)]
struct Tally {
    duties: BTreeMap<Rule, usize>,
    shapes: BTreeMap<(Shape, Rule), (usize, usize)>,
    rejected: BTreeMap<Rule, usize>,
    missed: Vec<String>,
    complaints: Vec<String>,
}

fn judge_all(suite: &Suite) -> Result<(), Failed> {
    let mut tally = Tally::default();
    for case in &suite.cases {
        if let Some((cib, graph)) = read(suite, case) {
            tally.judge(&case.name, &cib, &graph);
        }
    }
    // A circle of configured orders gives a graph that does not come to its end, as the peers' does:
    // for random clusters only the other rules are judged.
    for seed in 0..SEEDS + CIRCLES {
        let mut cib = sample(seed).cib;
        if seed >= SEEDS {
            close_circle(&mut cib);
        }
        let Ok(cib) = upgrade(&cib) else { continue };
        let now = Moment { epoch: 1_700_000_000, offset: 0 };
        let graph = schedule(&Input::new(&cib, now)).graph.to_element();
        tally.judge(&format!("seed {seed}"), &cib, &graph);
        tally.complaints.retain(|c| !c.contains(": Executable: "));
    }
    tally.verdict()
}

/// Makes each of the first two resources want to be with the other.
fn close_circle(cib: &mut Element) {
    let Some(configuration) = cib.child_mut("configuration") else { return };
    let resources = configuration.child("resources").into_iter().flat_map(Element::children);
    let plain = resources.filter(|e| e.name() == "primitive" && e.attr("class") != Some("stonith"));
    let ids: Vec<String> = plain.filter_map(|e| Some(e.id()?.to_string())).take(2).collect();
    let ([a, b], Some(constraints)) = (&ids[..], configuration.child_mut("constraints")) else {
        return;
    };
    for (id, rsc, with) in [("circle-1", a, b), ("circle-2", b, a)] {
        let colocation = Element::new("rsc_colocation").with("id", id).with("score", "INFINITY");
        constraints.push(colocation.with("rsc", rsc).with("with-rsc", with));
    }
}

/// The input of a case and the graph that the reference made of it.
fn read(suite: &Suite, case: &Case) -> Option<(Element, Element)> {
    let text = std::fs::read_to_string(suite.input(case)).ok()?;
    let cib = upgrade(&parse(&text).ok()?).ok()?;
    Some((cib, parse(&suite.expected(case).graph).ok()?))
}

impl Tally {
    fn judge(&mut self, name: &str, cib: &Element, graph: &Element) {
        let facts = Facts::read(cib);
        let plan = match Plan::read(graph) {
            Ok(plan) => plan,
            Err(why) => return self.complaints.push(format!("{name}: {why}")),
        };
        let report = check(&facts, &plan);
        for duty in &report.duties {
            *self.duties.entry(duty.rule).or_default() += 1;
            self.shapes.entry((duty.shape, duty.rule)).or_default().0 += 1;
        }
        for duty in report.complaints() {
            if EXCEPTIONS.iter().any(|(case, rule, _)| *case == name && *rule == duty.rule) {
                continue;
            }
            self.complaints.push(format!("{name}: {}: {}", duty.rule, duty.text));
        }
        self.mutate(name, &facts, &plan, &report);
    }

    /// Breaks each duty once.
    fn mutate(&mut self, name: &str, facts: &Facts, plan: &Plan, report: &Report) {
        for duty in report.duties.iter().filter(|d| d.kept) {
            let of_shape = self.shapes.get(&(duty.shape, duty.rule)).map_or(0, |s| s.1);
            if of_shape >= 2 * MUTANTS {
                continue;
            }
            for (facts, plan) in broken(facts, plan, duty) {
                if check(&facts, &plan).breaks(duty.rule) {
                    *self.rejected.entry(duty.rule).or_default() += 1;
                    self.shapes.entry((duty.shape, duty.rule)).or_default().1 += 1;
                } else {
                    self.missed.push(format!("{name}: {}: not {}", duty.rule, duty.text));
                }
            }
        }
    }

    fn verdict(self) -> Result<(), Failed> {
        let mut lines = Vec::new();
        let mut poor = Vec::new();
        for rule in Rule::ALL {
            let duties = self.duties.get(&rule).copied().unwrap_or(0);
            let rejected = self.rejected.get(&rule).copied().unwrap_or(0);
            lines.push(format!("{rule}: {duties} judged, {rejected} mutants rejected"));
            if rejected < MUTANTS {
                poor.push(format!("{rule} has rejected only {rejected} mutants"));
            }
        }
        for ((shape, rule), (judged, rejected)) in &self.shapes {
            lines.push(format!("  {shape:?} {rule}: {judged} judged, {rejected} rejected"));
        }
        for shape in Shape::ALL {
            let of_shape = self.shapes.iter().filter(|((s, _), _)| *s == shape);
            let judged: usize = of_shape.map(|(_, (judged, _))| judged).sum();
            if judged < JUDGED {
                poor.push(format!("{shape:?} was judged only {judged} times"));
            }
        }
        let mut stderr = std::io::stderr().lock();
        // The result is also in the exit code; a closed stream loses only the list.
        let _ = std::io::Write::write_all(&mut stderr, (lines.join("\n") + "\n").as_bytes());
        let wrong: Vec<String> =
            [self.complaints, self.missed, poor].into_iter().flatten().take(60).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
    }
}

/// Variants in which something is done to what is to be left alone.
fn disturbed(facts: &Facts, plan: &Plan, duty: &Duty) -> Vec<(Facts, Plan)> {
    let Some(rsc) = duty.text.strip_prefix("nothing is done to ") else { return Vec::new() };
    let with = |operation: &str| {
        let mut plan = plan.clone();
        let action = Action {
            kind: "rsc_op".into(),
            operation: operation.into(),
            key: format!("{rsc}_{operation}_0"),
            node: None,
            primitive: Some(rsc.into()),
            fencing: None,
            inputs: [].into(),
        };
        plan.actions.insert(u32::MAX, action);
        (facts.clone(), plan)
    };
    vec![with("stop"), with("start")]
}

/// Variants in which a kept duty is broken.
fn broken(facts: &Facts, plan: &Plan, duty: &Duty) -> Vec<(Facts, Plan)> {
    let (rule, action) = (duty.rule, duty.action);
    if duty.shape == Shape::Maintenance {
        return disturbed(facts, plan, duty);
    }
    let Some(original) = plan.actions.get(&action) else { return Vec::new() };
    let with = |change: &dyn Fn(&mut Facts, &mut Plan)| {
        let (mut facts, mut plan) = (facts.clone(), plan.clone());
        change(&mut facts, &mut plan);
        (facts, plan)
    };
    let changed = |change: &dyn Fn(&mut Action)| {
        with(&|_, plan| {
            if let Some(action) = plan.actions.get_mut(&action) {
                change(action);
            }
        })
    };
    match rule {
        Rule::Executable => vec![
            changed(&|a| {
                a.inputs.insert(action);
            }),
            changed(&|a| {
                a.inputs.insert(u32::MAX);
            }),
        ],
        Rule::ActiveOnce | Rule::Ordered | Rule::FencedFirst => {
            vec![changed(&|a| a.inputs.clear())]
        }
        Rule::Colocated => {
            // Alone on another node, whatever it was to be with; and with what it was to avoid.
            let elsewhere = |name: &str| changed(&|a| a.node = Some(name.to_string()));
            let apart = with(&|facts, _| {
                facts.colocations.iter_mut().for_each(|c| c.together = !c.together);
            });
            let grouped = facts
                .groups
                .values()
                .any(|g| g.members.iter().any(|m| Some(m) == original.primitive.as_ref()));
            if grouped || duty.shape == Shape::ClonedGroup {
                vec![elsewhere("moved-1"), elsewhere("moved-2")]
            } else {
                vec![apart]
            }
        }
        Rule::ManagedOnly => vec![with(&|facts, _| {
            facts.primitives.values_mut().for_each(|p| p.managed = Known::No);
        })],
        Rule::WithinLimits => vec![with(&|_, plan| {
            for copy in 0..100 {
                plan.actions.insert(1_000_000 + copy, original.clone());
            }
        })],
    }
}
