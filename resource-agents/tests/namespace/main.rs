//! Agents at work on real interfaces and mounts, each case in namespaces of its own, and beside
//! the agents of the resource-agents package where it is installed.
//!
//! The program is three things: the suite, one case of it inside new namespaces, and (as
//! `agent ...`) the agents themselves, so that what runs is what ships.

// A program of tests is no test module to the linter.
#![allow(clippy::unwrap_used)]

mod cases;
mod health;
mod network;
mod side_by_side;
mod web;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};

/// Says that namespaces are forbidden here.
const FORBIDDEN: u8 = 77;

/// A case, run inside its namespaces.
type Case = (&'static str, fn());

/// A call of an agent of this program or of another one.
pub struct Call {
    program: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// What it said.
    pub stderr: String,
}

impl Call {
    /// An agent of ours.
    pub fn ours(kind: &str) -> Self {
        let program = ["/proc/self/exe", "agent", "crm", kind].map(str::to_owned);
        Self { program: program.to_vec(), environment: BTreeMap::new() }.common(kind)
    }

    /// The agent of the resource-agents package.
    pub fn theirs(kind: &str) -> Self {
        let places = [side_by_side::THEIRS, side_by_side::PACEMAKERS];
        let paths = places.map(|place| format!("{place}/{kind}"));
        let there = paths.iter().find(|path| std::path::Path::new(path).exists());
        let program = vec![there.unwrap_or(&paths[0]).clone()];
        Self { program, environment: BTreeMap::new() }.common(kind)
    }

    fn common(self, kind: &str) -> Self {
        let rsctmp = std::env::temp_dir().join(format!("crm-agents-{}", std::process::id()));
        self.set("OCF_ROOT", "/usr/lib/ocf")
            .set("OCF_RESOURCE_INSTANCE", "test")
            .set("OCF_RESOURCE_TYPE", kind)
            .set("OCF_RESOURCE_PROVIDER", "heartbeat")
            .set("OCF_RESKEY_CRM_meta_timeout", "20000")
            .set("HA_RSCTMP", &rsctmp.display().to_string())
            .set("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    }

    /// Sets a variable.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a parameter.
    pub fn param(self, name: &str, value: &str) -> Self {
        self.set(&format!("OCF_RESKEY_{name}"), value)
    }

    /// Performs an action.
    pub fn run(&self, action: &str) -> Answer {
        let (program, arguments) = self.program.split_first().expect("a program");
        let output = Command::new(program)
            .args(arguments)
            .arg(action)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .output()
            .expect("the agent can be started");
        Answer {
            code: output.status.code().unwrap_or(-1),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Performs an action that must end with this code.
    pub fn must(&self, action: &str, code: i32) -> Answer {
        let answer = self.run(action);
        assert_eq!(answer.code, code, "{action} of {:?}: {}", self.environment, answer.stderr);
        answer
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some("agent") => resource_agents::main(&words[2..]),
        Some("inside") => inside(words.get(2).map_or("", String::as_str)),
        _ => suite(),
    }
}

fn all() -> Vec<Case> {
    let mut all = cases::CASES.to_vec();
    all.extend(side_by_side::CASES);
    all.extend(health::CASES);
    all.extend(web::CASES);
    all
}

fn suite() -> ExitCode {
    let arguments = Arguments::from_args();
    let forbidden = reason_against_namespaces();
    let theirs = (!std::path::Path::new(side_by_side::THEIRS).is_dir())
        .then(|| "the package resource-agents is not installed".to_owned());
    let mut trials = Vec::new();
    for (name, _) in all() {
        let beside = name.starts_with("side_by_side");
        let program = web::obstacle(name).or_else(|| health::obstacle(name));
        let reason = forbidden.as_ref().or(theirs.as_ref().filter(|_| beside)).or(program.as_ref());
        if let Some(reason) = reason {
            let _ = writeln!(std::io::stderr(), "{name}: ignored: {reason}");
        }
        let ignored = reason.is_some();
        trials.push(Trial::test(name, move || run_case(name)).with_ignored_flag(ignored));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A case in its own process; its temporary files go with it.
fn child(name: &str) -> std::io::Result<std::process::Output> {
    let place = tempfile::tempdir()?;
    let mut command = Command::new("/proc/self/exe");
    command.args(["inside", name]).env("TMPDIR", place.path()).stdin(Stdio::null()).output()
}

fn run_case(name: &str) -> Result<(), Failed> {
    let output = child(name).map_err(|error| Failed::from(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failed::from(String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn reason_against_namespaces() -> Option<String> {
    match child("") {
        Ok(output) if output.status.code() == Some(i32::from(FORBIDDEN)) => {
            Some(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Runs one case; an empty name only makes the namespaces.
fn inside(name: &str) -> ExitCode {
    if let Err(error) = enter() {
        let _ = writeln!(std::io::stderr(), "no namespaces can be made here: {error}");
        return ExitCode::from(FORBIDDEN);
    }
    if let Some((_, case)) = all().iter().find(|(known, _)| *known == name) {
        case();
    }
    ExitCode::SUCCESS
}

fn enter() -> std::io::Result<()> {
    let (user, group) = (getuid(), getgid());
    let mut flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    if !user.is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags)?;
    if !user.is_root() {
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    }
    use nix::mount::{MsFlags, mount};
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    Ok(())
}
