//! The commands that agents and scripts call, beside those of Pacemaker, on the same file.
//!
//! `tools/commands` has the command lines. Each is run by both, each time on a fresh copy of
//! `tools/cluster.xml` named by `CIB_file`. Both must print the same, end with the same code and
//! leave the same configuration. Where we differ on purpose the line begins with `~` and the
//! reason stands above it; such a line fails when both have come to agree. Every option that the
//! help of an original names occurs in a line, or is named in `APART` with a reason.
//!
//! Started under the name of a tool, this program is that tool.

use std::fs;
use std::io::Error;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crm_core::cib::{Child, Element, Version, parse};
use crm_shell::compat::tools::TOOLS;
use crm_tests::conformance::Suite;
use libtest_mimic::{Arguments, Failed, Trial};

/// Where Debian has the originals.
const REFERENCE: &str = "/usr/sbin";
const COMMANDS: &str = include_str!("../tools/commands");
const CLUSTER: &str = include_str!("../tools/cluster.xml");

/// The commands that agents call (`crm_mon` has a test of its own).
const CALLED_BY_AGENTS: [&str; 12] = [
    "attrd_updater",
    "cibadmin",
    "crm_attribute",
    "crm_error",
    "crm_failcount",
    "crm_master",
    "crm_node",
    "crm_resource",
    "crm_standby",
    "crm_ticket",
    "crm_verify",
    "ha_logger",
];

/// Options that no line has, by tool and beginning, and why.
const APART: &[(&str, &str, &str)] = &[
    ("", "--help", "what the helps say is our own; that there is one is looked at"),
    ("attrd_updater", "-", "the original does nothing without its daemon; ours knows the option"),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let called = words.first().and_then(|w| Path::new(w).file_name()).and_then(|n| n.to_str());
    if let Some((_, run)) = TOOLS.iter().find(|(name, _)| Some(*name) == called) {
        return run(&words[1..], &[]);
    }
    let lines = COMMANDS.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    let trials = match reference_is_here() {
        Ok(()) => {
            let tools = CALLED_BY_AGENTS.iter().map(|tool| coverage(tool));
            tools.chain(lines.map(trial)).chain([verdicts()]).collect()
        }
        Err(reason) => vec![Trial::test(reason, || Ok(())).with_ignored_flag(true)],
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Every option of a tool is compared by some line, or there is a reason why not; then ours knows
/// it at least.
fn coverage(tool: &'static str) -> Trial {
    let name = format!("every option of {tool} is compared");
    let original = Path::new(REFERENCE).join(tool);
    if !original.exists() {
        return Trial::test(format!("{name} (no {tool})"), || Ok(())).with_ignored_flag(true);
    }
    Trial::test(name, move || {
        let wrong = |e: Error| Failed::from(e.to_string());
        let own = tempfile::tempdir().map_err(wrong)?;
        symlink(std::env::current_exe().map_err(wrong)?, own.path().join(tool)).map_err(wrong)?;
        let own = own.path().join(tool);
        let known: Vec<String> = options(&own, 6).map_err(wrong)?.into_iter().flatten().collect();
        let used = used_options(tool);
        let helps = |name: &String| {
            let output = Command::new(&own).arg(name).stdin(Stdio::null()).output();
            output.is_ok_and(|o| o.status.success() && !o.stdout.is_empty())
        };
        let excused = |names: &[String]| {
            let mut of = APART.iter().filter(|(of, _, _)| of.is_empty() || *of == tool);
            of.any(|(_, begin, _)| match names.iter().find(|n| n.starts_with(begin)) {
                Some(name) if *begin == "--help" => helps(name),
                Some(_) => names.iter().all(|n| known.contains(n)),
                None => false,
            })
        };
        let missing: Vec<String> = options(&original, 2)
            .map_err(wrong)?
            .into_iter()
            .filter(|names| !names.iter().any(|n| used.contains(n)) && !excused(names))
            .map(|names| names.join(", "))
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("not compared: {missing:?}").into()) }
    })
}

/// The options that a tool's help names, each with all its forms. Lines that are indented further
/// than `indent` go on with what stands above them.
fn options(tool: &Path, indent: usize) -> Result<Vec<Vec<String>>, Error> {
    let help = |word: &str| {
        let output = Command::new(tool).arg(word).stdin(Stdio::null()).output()?;
        Ok::<_, Error>(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // Older tools take the longer word for an unknown option.
    let mut text = help("--help-all")?;
    if text.lines().filter(|l| l.trim_start().starts_with('-')).count() < 3 {
        text = help("--help")?;
    }
    let option = |line: &str| {
        let begins = line.len() - line.trim_start().len() <= indent;
        let words = if begins { line.trim_start() } else { "" }.split(['=', ' ', '\t', '[']);
        let forms = words.take_while(|w| w.starts_with('-')).map(|w| w.trim_end_matches(','));
        let forms = forms.filter(|w| w.trim_matches('-').starts_with(|c: char| c != '>'));
        forms.map(str::to_owned).collect::<Vec<String>>()
    };
    Ok(text.lines().map(option).filter(|forms| !forms.is_empty()).collect())
}

/// The options that lines give a tool.
fn used_options(tool: &str) -> Vec<String> {
    let lines = COMMANDS.lines().filter(|l| !l.starts_with('#'));
    let calls = lines.flat_map(|l| l.split([';', '|', '&']));
    let mut used = Vec::new();
    for call in calls {
        let words = call.split_whitespace().skip_while(|w| *w != tool).skip(1);
        for word in words.filter(|w| w.starts_with('-')) {
            let long = word.starts_with("--");
            let form = if long { word.split('=').next() } else { word.get(..2) };
            used.extend(form.map(str::to_owned));
        }
    }
    used
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

/// `crm_verify` on every input of the scheduler's suite, and on some without what the cluster was
/// like: then only the configuration is judged.
fn verdicts() -> Trial {
    let name = "crm_verify of the scheduler's suite";
    let ignored =
        |why: &str| Trial::test(format!("{name} ({why})"), || Ok(())).with_ignored_flag(true);
    if !Path::new(REFERENCE).join("crm_verify").exists() {
        return ignored("no crm_verify");
    }
    match Suite::find() {
        Ok(suite) => Trial::test(name, move || same_verdicts(&suite)),
        Err(reason) => ignored(&reason),
    }
}

fn same_verdicts(suite: &Suite) -> Result<(), Failed> {
    let own = tempfile::tempdir()?;
    let ours = own.path().join("crm_verify");
    symlink(std::env::current_exe()?, &ours)?;
    let bare = own.path().join("bare.xml");
    let judge = |program: &Path, file: &Path| -> Result<(Option<i32>, String, String), Error> {
        let mut command = Command::new(program);
        let output = command.arg("-x").arg(file).env("LC_ALL", "C").env("TZ", "UTC").output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    };
    let theirs = Path::new(REFERENCE).join("crm_verify");
    let mut failed = Vec::new();
    for (at, case) in suite.cases.iter().enumerate() {
        let whole = suite.input(case);
        let mut files = vec![whole.clone()];
        if at % 8 == 0 {
            let mut cib = parse(&fs::read_to_string(&whole)?)?;
            cib.nodes_mut()
                .retain(|node| !matches!(node, Child::Element(e) if e.name() == "status"));
            fs::write(&bare, cib.to_pretty())?;
            files.push(bare.clone());
        }
        for file in files {
            let (theirs, ours) = (judge(&theirs, &file)?, judge(&ours, &file)?);
            if theirs != ours {
                let part = if file == bare { " without a status" } else { "" };
                failed.push(format!("{}{part}\ntheirs: {theirs:?}\nours: {ours:?}", case.name));
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("{} verdicts differ\n{}", failed.len(), failed.join("\n")).into())
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
        document: document(&fs::read_to_string(&file)?).replace(&place, "DIR"),
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
