//! The one executable: the name it is called by picks the program.

use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crm_shell::compat::tools;

/// A program that this executable carries: its name, and what runs it with its arguments.
type Program = (&'static str, fn(&[String]) -> ExitCode);

/// Every program but the tools and the shell, which takes whatever is left.
const PROGRAMS: &[Program] = &[
    ("agent", resource_agents::main),
    ("crm_mon", crm_shell::compat::mon::main),
    ("crm_simulate", crm_shell::compat::simulate::main),
    ("crmd", crmd),
    ("demo", crm_shell::demo::run),
    ("lab-stage", crm_shell::demo::stage),
    ("links", links),
    ("man", crm_shell::help::write_manual),
];

/// Names that only make sense after `crm`; `crm links` leaves them out.
const SUBCOMMANDS: &[&str] = &["agent", "demo", "lab-stage", "links", "man"];

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().map(|w| w.to_string_lossy().into_owned()).collect();
    let (called, arguments) = words.split_first().map_or(("crm", &[][..]), |(c, a)| (&**c, a));
    let called = Path::new(called).file_name().and_then(|n| n.to_str()).unwrap_or("crm");
    let named = run_named(called, arguments);
    let second = || arguments.split_first().and_then(|(first, rest)| run_named(first, rest));
    named.or_else(second).unwrap_or_else(|| crm_shell::run(arguments, &built_in()))
}

/// Runs the program of that name, if there is one.
fn run_named(name: &str, arguments: &[String]) -> Option<ExitCode> {
    if let Some((_, run)) = PROGRAMS.iter().find(|(n, _)| *n == name) {
        return Some(run(arguments));
    }
    let (_, run) = tools::TOOLS.iter().find(|(n, _)| *n == name)?;
    Some(run(arguments, &built_in()))
}

/// The daemon.
fn crmd(arguments: &[String]) -> ExitCode {
    let carried = crmd::Carried {
        agents: built_in(),
        make_links: |directory| {
            make_links(directory).map_err(|(path, error)| format!("{}: {error}", path.display()))
        },
    };
    crmd::run(arguments, carried)
}

/// The agents that this executable carries, for the LRM.
fn built_in() -> Vec<crm_lrm::BuiltIn> {
    let own = |agent: &&resource_agents::declare::Agent| crm_lrm::BuiltIn {
        class: "ocf".to_owned(),
        provider: Some(resource_agents::PROVIDER.to_owned()),
        kind: agent.name.to_owned(),
        stands_in_for: agent.stands_in_for.iter().map(|p| (*p).to_owned()).collect(),
        args: ["agent", resource_agents::PROVIDER, agent.name].map(str::to_owned).to_vec(),
    };
    resource_agents::AGENTS.iter().map(own).collect()
}

/// `crm links DIR`: makes a symbolic link to this executable for every name it answers to.
fn links(arguments: &[String]) -> ExitCode {
    let [directory] = arguments else {
        report("Usage: crm links DIR");
        return ExitCode::from(64);
    };
    match make_links(Path::new(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((path, error)) => {
            report(&format!("crm links: {}: {error}", path.display()));
            ExitCode::FAILURE
        }
    }
}

/// Replaces links that are there, and nothing else: a name that is taken does not keep the others from
/// being linked, and is what is told of.
fn make_links(directory: &Path) -> Result<(), (PathBuf, Error)> {
    let executable = std::env::current_exe().map_err(|e| (PathBuf::from("/proc/self/exe"), e))?;
    let own = PROGRAMS.iter().map(|(name, _)| *name);
    let names = own
        .chain(tools::TOOLS.iter().map(|(name, _)| *name))
        .filter(|name| !SUBCOMMANDS.contains(name));
    let mut outcome = Ok(());
    for name in names.chain(["crm"]) {
        let link = directory.join(name);
        if link.symlink_metadata().is_ok_and(|m| m.file_type().is_symlink()) {
            std::fs::remove_file(&link).map_err(|e| (link.clone(), e))?;
        }
        if let Err(e) = symlink(&executable, &link) {
            if e.kind() != ErrorKind::AlreadyExists {
                return Err((link, e));
            }
            outcome = outcome.and(Err((link, e)));
        }
    }
    outcome
}

fn report(line: &str) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}
