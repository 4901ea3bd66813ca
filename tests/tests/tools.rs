//! The commands that agents and scripts call, beside those of Pacemaker, on the same file.
//!
//! `tools/commands` has the command lines. Each is run by both, each time on a fresh copy of
//! `tools/cluster.xml` named by `CIB_file`. Both must print the same, end with the same code and
//! leave the same configuration. Where we differ on purpose the line begins with `~` and the
//! reason stands above it; such a line fails when both have come to agree.
//!
//! Started under the name of a tool, this program is that tool.

use std::fs;
use std::io::Error;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crm_core::cib::{Element, Version, parse};
use crm_shell::compat::tools::TOOLS;
use libtest_mimic::{Arguments, Failed, Trial};

/// Where Debian has the originals.
const REFERENCE: &str = "/usr/sbin";
const COMMANDS: &str = include_str!("../tools/commands");
const CLUSTER: &str = include_str!("../tools/cluster.xml");

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let called = words.first().and_then(|w| Path::new(w).file_name()).and_then(|n| n.to_str());
    if let Some((_, run)) = TOOLS.iter().find(|(name, _)| Some(*name) == called) {
        return run(&words[1..], &[]);
    }
    let lines = COMMANDS.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    let trials = match reference_is_here() {
        Ok(()) => lines.map(trial).collect(),
        Err(reason) => vec![Trial::test(reason, || Ok(())).with_ignored_flag(true)],
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A line that needs something which is not installed is ignored.
fn trial(line: &'static str) -> Trial {
    let words = || line.split(' ');
    let mut tools = words().filter(|word| TOOLS.iter().any(|(name, _)| name == word));
    let missing = tools.find(|tool| !Path::new(REFERENCE).join(tool).exists());
    let agents = words().any(|w| w.contains("ocf:pacemaker") || w.contains("alternatives=Dummy"));
    let agents_here = Path::new("/usr/lib/ocf/resource.d/pacemaker/Dummy").exists();
    match missing {
        Some(tool) => Trial::test(format!("{line} (no {tool})"), || Ok(())).with_ignored_flag(true),
        None if agents && !agents_here => {
            let name = format!("{line} (no pacemaker-resource-agents)");
            Trial::test(name, || Ok(())).with_ignored_flag(true)
        }
        None => Trial::test(line, move || check(line)),
    }
}

fn reference_is_here() -> Result<(), String> {
    let program = Path::new(REFERENCE).join("crm_attribute");
    let real = program.canonicalize().map_err(|e| format!("no {}: {e}", program.display()))?;
    if real.file_name().is_some_and(|name| name == "crm") {
        return Err(format!("{} is our own executable", program.display()));
    }
    let version = Command::new(real).arg("--version").output().map_err(|e| e.to_string())?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let is_2_1_5 = version.starts_with("Pacemaker 2.1.5");
    if is_2_1_5 { Ok(()) } else { Err(format!("the reference is no 2.1.5: {version}")) }
}

/// Everything that a run leaves behind.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    code: Option<i32>,
    out: String,
    errors: String,
    document: String,
}

fn check(line: &'static str) -> Result<(), Failed> {
    let (line, agree) = line.strip_prefix('~').map_or((line, true), |rest| (rest.trim(), false));
    let wrong = |e: Error| Failed::from(e.to_string());
    let own = tempfile::tempdir().map_err(wrong)?;
    let executable = std::env::current_exe().map_err(wrong)?;
    for (name, _) in TOOLS {
        symlink(&executable, own.path().join(name)).map_err(wrong)?;
    }
    let theirs = run(line, Path::new(REFERENCE)).map_err(wrong)?;
    let ours = run(line, own.path()).map_err(wrong)?;
    if (theirs == ours) == agree {
        return Ok(());
    }
    let verdict = if agree { "differ" } else { "agree: take the '~' away" };
    Err(format!("both {verdict}\ntheirs: {theirs:#?}\nours: {ours:#?}").into())
}

fn run(line: &str, tools: &Path) -> Result<Trace, Error> {
    let directory = tempfile::tempdir()?;
    let file: PathBuf = directory.path().join("cluster.xml");
    fs::write(&file, CLUSTER)?;
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", tools.display()))
        .env("CIB_file", &file)
        .env("CIB_shadow_dir", directory.path())
        .env("HOME", directory.path())
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()?;
    let place = directory.path().to_string_lossy().into_owned();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&place, "DIR");
    Ok(Trace {
        code: output.status.code(),
        out: text(&output.stdout),
        errors: text(&output.stderr)
            .lines()
            .filter(|l| !is_debugging(l))
            .collect::<Vec<_>>()
            .join("\n"),
        document: document(&fs::read_to_string(&file)?),
    })
}

/// The reference prints the whole document, with numbers before the lines, and what libxml says
/// about it before it refuses a change.
fn is_debugging(line: &str) -> bool {
    let numbered = line.trim_start().split_once(' ');
    numbered.is_some_and(|(number, _)| number.parse::<u32>().is_ok())
        || line.contains("Relax-NG validity error")
        || line.starts_with("(log_assertion_as)")
}

/// The document without what depends on the time or on the writer; of its version, whether it
/// has been raised.
fn document(text: &str) -> String {
    let (Ok(mut cib), Ok(before)) = (parse(text), parse(CLUSTER)) else { return text.to_string() };
    let raised = Version::of(&cib).configuration() > Version::of(&before).configuration();
    for name in ["cib-last-written", "update-origin", "update-client", "update-user"] {
        cib.remove_attr(name);
    }
    for name in ["admin_epoch", "epoch", "num_updates"] {
        cib.remove_attr(name);
    }
    cib.set_attr("raised", raised.to_string());
    if let Some(tickets) = cib.at_mut(&["status", "tickets"]) {
        tickets.children_mut().for_each(undate);
    }
    cib.to_pretty()
}

/// When a ticket was granted just now.
fn undate(ticket: &mut Element) {
    let granted = ticket.attr("last-granted").and_then(|t| t.parse::<u64>().ok());
    if granted.is_some_and(|time| time > 1_600_000_000) {
        ticket.set_attr("last-granted", "now");
    }
}
