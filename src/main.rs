//! The one executable: the name it is called by picks the program.

use std::path::Path;
use std::process::ExitCode;

/// A program that this executable carries: its name, and what runs it with its arguments.
type Program = (&'static str, fn(&[String]) -> ExitCode);

/// Every program but the shell, which takes whatever is left.
const PROGRAMS: &[Program] =
    &[("lab-stage", crm_shell::demo::stage), ("demo", crm_shell::demo::run)];

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().map(|w| w.to_string_lossy().into_owned()).collect();
    let (called, arguments) = words.split_first().map_or(("crm", &[][..]), |(c, a)| (&**c, a));
    let called = Path::new(called).file_name().and_then(|n| n.to_str()).unwrap_or("crm");
    let find = |name: &str| PROGRAMS.iter().find(|(n, _)| *n == name).map(|(_, run)| run);
    if let Some(run) = find(called) {
        return run(arguments);
    }
    match arguments.split_first().and_then(|(first, rest)| Some((find(first)?, rest))) {
        Some((run, rest)) => run(rest),
        None => crm_shell::run(arguments),
    }
}
