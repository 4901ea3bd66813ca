//! The simulator executes the reference's graphs in the reference's order.

use std::process::ExitCode;

use crm_tests::conformance::{Suite, line_difference, replay};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let trial = match Suite::find() {
        Ok(suite) => Trial::test("execution_order", move || check(&suite)),
        Err(reason) => Trial::test(reason, || Ok(())).with_ignored_flag(true),
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn lines(section: &str) -> Vec<String> {
    let is_clock = |line: &str| line.starts_with("Using the original execution date");
    section.lines().filter(|l| !l.trim().is_empty() && !is_clock(l)).map(String::from).collect()
}

fn check(suite: &Suite) -> Result<(), Failed> {
    let (mut failed, mut compared) = (Vec::new(), 0usize);
    for case in &suite.cases {
        let expected = suite.expected(case);
        let from = expected.summary.find("Executing Cluster Transition:");
        let to = expected.summary.find("Revised Cluster Status:");
        let (Some(from), Some(to)) = (from, to) else { continue };
        compared += 1;
        let cib = std::fs::read_to_string(suite.input(case))?;
        match replay(&expected.graph, &cib) {
            Ok(text) => {
                let difference =
                    line_difference(&lines(&expected.summary[from..to]), &lines(&text));
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
