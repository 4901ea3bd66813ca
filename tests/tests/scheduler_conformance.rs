//! Pacemaker's scheduler regression suite, through our library in one process.

use std::process::ExitCode;
use std::sync::Arc;

use crm_tests::conformance::{Case, Suite, differences, ours};
use crm_tests::recorded::{self, Recorded};

fn main() -> ExitCode {
    let cases = Suite::find().map(|suite| {
        let suite = Arc::new(suite);
        let recorded = |case: &Case| {
            let (suite, case) = (Arc::clone(&suite), case.clone());
            let name = format!("{} {}", case.group, case.name);
            Recorded { name, differences: Box::new(move || disagreements(&suite, &case)) }
        };
        suite.cases.iter().map(recorded).collect()
    });
    recorded::main(cases, include_str!("../conformance/scheduler.score"))
}

fn disagreements(suite: &Suite, case: &Case) -> Vec<String> {
    match ours(&suite.input(case), &[], &case.arguments) {
        Ok(verdict) => differences(&suite.expected(case), &verdict),
        Err(error) => vec![error.to_string()],
    }
}
