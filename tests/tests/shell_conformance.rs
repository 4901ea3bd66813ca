//! The shell on the recorded cases of crmsh, each run in a process of its own.
//!
//! Started with `--as-shell` as its first argument, this program is the shell.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crm_tests::recorded::{self, Recorded};
use crm_tests::shell_suite::{ShellCase, ShellSuite, differences};

const AS_SHELL: &str = "--as-shell";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|w| w == AS_SHELL) {
        return crm_shell::run(&words[1..], &[]);
    }
    recorded::main(cases(), include_str!("../conformance/shell.score"))
}

fn cases() -> Result<Vec<Recorded>, String> {
    let suite = Arc::new(ShellSuite::find()?);
    // The cases were recorded with these agents installed.
    if !Path::new("/usr/lib/ocf/resource.d/heartbeat/IPaddr2").is_file() {
        return Err("the package resource-agents is not installed".into());
    }
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let shell = [own.to_string_lossy().into_owned(), AS_SHELL.to_string()];
    let recorded = |case: &ShellCase| {
        let (suite, case, shell) = (Arc::clone(&suite), case.clone(), shell.clone());
        let name = case.name.clone();
        let judge = move || differences(&suite, &case, &shell).unwrap_or_else(|error| vec![error]);
        Recorded { name, differences: Box::new(judge) }
    };
    Ok(suite.cases.iter().map(recorded).collect())
}
