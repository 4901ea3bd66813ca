//! The simulator executes the reference's graphs in the reference's order.

use std::process::ExitCode;

use crm_tests::conformance::{Suite, line_difference, replay, summary_lines};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let trials = match Suite::find() {
        Ok(suite) => {
            let again = suite.clone();
            vec![
                Trial::test("execution_order", move || check(&suite, 0)),
                Trial::test("status_afterwards", move || check(&again, 1)),
            ]
        }
        Err(reason) => vec![Trial::test(reason, || Ok(())).with_ignored_flag(true)],
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn lines(section: &str) -> Vec<String> {
    let is_clock = |line: &str| line.starts_with("Using the original execution date");
    summary_lines(section).into_iter().filter(|l| !is_clock(l)).collect()
}

/// Compares one of the two sections of every case.
fn check(suite: &Suite, section: usize) -> Result<(), Failed> {
    let (mut failed, mut compared) = (Vec::new(), 0usize);
    for case in &suite.cases {
        let expected = suite.expected(case).summary;
        let graph = suite.expected(case).graph;
        let from = expected.find("Executing Cluster Transition:");
        let to = expected.find("Revised Cluster Status:");
        let (Some(from), Some(to)) = (from, to) else { continue };
        compared += 1;
        let cib = std::fs::read_to_string(suite.input(case))?;
        let wanted = [&expected[from..to], &expected[to..]][section];
        match replay(&graph, &cib) {
            Ok(texts) => {
                let difference = line_difference(&lines(wanted), &lines(&texts[section]));
                if !difference.is_empty() {
                    failed.push(format!("{}\n{difference}", case.name));
                }
            }
            Err(error) => failed.push(format!("{}: {error}", case.name)),
        }
    }
    if compared * 10 < suite.cases.len() * 9 {
        return Err(format!("only {compared} cases have the sections to compare").into());
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("{} cases differ\n{}", failed.len(), failed.join("\n")).into())
    }
}
