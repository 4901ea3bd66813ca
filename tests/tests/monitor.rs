//! `crm_mon` beside Pacemaker's, on the same files: every option that shows something, in text, XML
//! and HTML. Both must print the same (but for the time and their own name) and end with the same
//! code.
//!
//! Started with `--as-monitor` as its first argument, this program is `crm_mon`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

/// Where Debian has the original.
const REFERENCE: &str = "/usr/sbin/crm_mon";
const AS_MONITOR: &str = "--as-monitor";

/// Documents of the scheduler's suite: bundles, promotable clones, fail counts, remote nodes,
/// failures, health, maintenance.
const DOCUMENTS: &[&str] = &[
    "bundle-order-partial-stop",
    "promoted-failed-demote",
    "date-1",
    "failcount",
    "remote-move",
    "guest-node-cleanup",
    "unfence-startup",
    "clone-anon-failcount",
];

/// Command lines. Bans are left out: their order is that of a hash table there.
const LINES: &[&str] = &[
    "-1",
    "-1 -n",
    "-1 -r",
    "-1 -o",
    "-1 -t",
    "-1 -f",
    "-1 -A",
    "-1 -R",
    "-1 -b",
    "-1 -c",
    "-1 -D",
    "-1 -s",
    "-1 -n -r",
    "-1 -n -b",
    "-1 -r -b",
    "-1 -R -r -n",
    "-1 -rnotfARc",
    "-1 --output-as=xml --exclude=bans",
    "-1 --output-as=html",
    "-X --exclude=bans",
    "-1 -m3",
    "-1 -m0",
    "-w",
    "-1 --include=all --exclude=bans",
    "-1 --exclude=all --include=nodes",
    "-1 --include=none,resources",
    "-1 -Q",
    "-1 -N",
    "-1 --bogus",
    "-1 --include=nonsense",
    "-1 --output-as=nonsense",
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|w| w == AS_MONITOR) {
        return crm_shell::compat::mon::main(&words[1..]);
    }
    let trials = match documents() {
        Ok(directory) => trials(&directory),
        Err(reason) => vec![Trial::test(reason, || Ok(())).with_ignored_flag(true)],
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn documents() -> Result<PathBuf, String> {
    let real = Path::new(REFERENCE).canonicalize().map_err(|e| format!("no {REFERENCE}: {e}"))?;
    if real.file_name().is_some_and(|name| name == "crm") {
        return Err(format!("{REFERENCE} is our own executable"));
    }
    let version = Command::new(real).arg("--version").output().map_err(|e| e.to_string())?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if !version.starts_with("Pacemaker 2.1.5") {
        return Err(format!("the reference is no 2.1.5: {version}"));
    }
    let directory =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/scheduler/xml");
    if directory.is_dir() {
        Ok(directory)
    } else {
        Err("the suite is not beside the repository".into())
    }
}

fn trials(directory: &Path) -> Vec<Trial> {
    let mut trials = Vec::new();
    for document in DOCUMENTS {
        for line in LINES {
            let file = directory.join(format!("{document}.xml"));
            let name = format!("{document} {line}");
            trials.push(Trial::test(name, move || compare(&file, line)));
        }
    }
    trials
}

fn compare(file: &Path, line: &str) -> Result<(), Failed> {
    let executable = std::env::current_exe().map_err(|e| Failed::from(e.to_string()))?;
    let theirs = run(Command::new(REFERENCE), file, line)?;
    let mut own = Command::new(executable);
    own.arg(AS_MONITOR);
    let ours = run(own, file, line)?;
    if theirs == ours {
        return Ok(());
    }
    let differs = theirs.1.lines().zip(ours.1.lines()).find(|(t, o)| t != o);
    let text = format!("theirs, ours: {} {}, first: {differs:#?}", theirs.0, ours.0);
    Err(text.into())
}

/// The exit code, and what was printed without times and the program's own name.
fn run(mut command: Command, file: &Path, line: &str) -> Result<(i32, String), Failed> {
    let output = command
        .args(line.split(' '))
        .env("CIB_file", file)
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .map_err(|e| Failed::from(e.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let told = text.lines().map(|l| {
        let own = ["Last updated", "<last_update", "request=", "api-version="];
        if own.iter().any(|o| l.contains(o)) { "" } else { l.trim_end() }
    });
    let text = told.collect::<Vec<_>>().join("\n");
    Ok((output.status.code().unwrap_or(-1), text))
}
