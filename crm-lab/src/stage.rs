//! The program's own inner steps: it calls itself to hold, start and enter hosts.

use std::fs::File;
use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::kill;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, chdir, sethostname, setsid};

use crate::netlink::Netlink;
use crate::{Doing, LabError, Result, power, root, web};

/// The first argument that asks for one of these steps.
pub const STAGE: &str = "lab-stage";

/// Runs the step that `arguments` (without [`STAGE`]) ask for.
pub fn run_stage(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["hold", rest @ ..] => hold(rest),
        ["init", name, root, program, boot_id, rest @ ..] => {
            init(name, Path::new(root), Path::new(program), boot_id, rest)
        }
        ["enter", pid, "--", program @ ..] => enter(pid, program),
        ["web", directory, port] => match port.parse() {
            Ok(port) => web::serve(Path::new(directory), port).map(|()| ExitCode::SUCCESS),
            Err(_) => Err(LabError::Host(format!("'{port}' is no port"))),
        },
        ["wait", pid] => wait_for_end(pid),
        ["power", switch, verb, node @ ..] => ask_power(switch, verb, node),
        _ => Err(LabError::Host(format!("unknown step: {}", arguments.join(" ")))),
    };
    outcome.unwrap_or_else(|e| {
        // The reader of a pipe that is gone does not want to know.
        let _ = writeln!(std::io::stderr(), "crm lab: {e}");
        ExitCode::FAILURE
    })
}

/// Returns when the process is gone, for scripts that have no other way to wait.
fn wait_for_end(pid: &str) -> Result<ExitCode> {
    let pid = pid.parse().map_err(|_| LabError::Host(format!("'{pid}' is no process")))?;
    while kill(Pid::from_raw(pid), None).is_ok() {
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(ExitCode::SUCCESS)
}

fn ask_power(switch: &str, verb: &str, node: &[&str]) -> Result<ExitCode> {
    let switch: SocketAddr =
        switch.parse().map_err(|_| LabError::Host(format!("'{switch}' is no address and port")))?;
    let line = [&[verb], node].concat().join(" ");
    let answer = power::request(switch, &line, Duration::from_secs(600)).map_err(LabError::Host)?;
    let _ = writeln!(std::io::stdout(), "{answer}");
    Ok(ExitCode::SUCCESS)
}

/// Makes a host's namespaces, waits for its cables, then starts its first process and waits.
fn hold(rest: &[&str]) -> Result<ExitCode> {
    setsid().doing("leaving the terminal")?;
    unshare(
        CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS,
    )
    .doing("making a host's namespaces")?;
    say("namespaces")?;
    let mut go = String::new();
    std::io::stdin().lock().read_line(&mut go).doing("waiting for the cables")?;
    let mut first = Command::new("/proc/self/exe")
        .args([STAGE, "init"])
        .args(rest)
        .stdin(Stdio::null())
        .spawn()
        .doing("starting the first process of a host")?;
    say(&format!("init {}", first.id()))?;
    first.wait().doing("waiting for a host").map(code)
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).doing("reporting")
}

/// A host's first process: network, root, the program of the host, then reaping for ever.
///
/// `rest` is `IF=ADDRESS/PREFIX...`, then optionally `--` and the program.
fn init(name: &str, root: &Path, program: &Path, boot_id: &str, rest: &[&str]) -> Result<ExitCode> {
    let split = rest.iter().position(|w| *w == "--").unwrap_or(rest.len());
    sethostname(name).doing("naming the host")?;
    let mut network = Netlink::open()?;
    network.set_up("lo", true)?;
    for interface in &rest[..split] {
        let (interface, address, prefix) = parse_interface(interface)
            .ok_or_else(|| LabError::Host(format!("'{interface}' is no interface")))?;
        network.add_address(interface, address, prefix)?;
        network.set_up(interface, true)?;
    }
    root::enter(root, program, boot_id)?;
    if let Some(service) = rest.get(split + 1..).filter(|s| !s.is_empty()) {
        let log = |n: &str| {
            File::options()
                .create(true)
                .append(true)
                .open(n)
                .doing("opening the log of the host's program")
        };
        host_command(service)
            .stdin(Stdio::null())
            .stdout(log("/var/log/boot.log")?)
            .stderr(log("/var/log/boot.log")?)
            .spawn()
            .doing(format!("starting {}", service[0]))?;
    }
    say("up")?;
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::StillAlive) | Err(nix::Error::ECHILD) => nix::unistd::pause(),
            Ok(_) | Err(_) => {}
        }
    }
}

fn parse_interface(text: &str) -> Option<(&str, Ipv4Addr, u8)> {
    let (name, rest) = text.split_once('=')?;
    let (address, prefix) = rest.split_once('/')?;
    Some((name, address.parse().ok()?, prefix.parse().ok()?))
}

/// Runs a program in a running host and ends as it ends.
fn enter(pid: &str, program: &[&str]) -> Result<ExitCode> {
    let spaces = [
        ("ipc", CloneFlags::CLONE_NEWIPC),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("net", CloneFlags::CLONE_NEWNET),
        ("pid", CloneFlags::CLONE_NEWPID),
        ("mnt", CloneFlags::CLONE_NEWNS),
    ];
    let open = |(name, flag): (&str, CloneFlags)| {
        let path = format!("/proc/{pid}/ns/{name}");
        File::open(&path).doing(format!("opening {path}")).map(|file| (file, flag))
    };
    let files = spaces.into_iter().map(open).collect::<Result<Vec<_>>>()?;
    for (file, flag) in files {
        setns(file, flag).doing("entering a host")?;
    }
    chdir("/root").doing("changing to /root")?;
    let mut child =
        host_command(program).spawn().doing(format!("starting {}", program.join(" ")))?;
    child.wait().doing("waiting for a program").map(code)
}

/// A program with the environment that a service of the host would get.
fn host_command(program: &[&str]) -> Command {
    let (name, arguments) = program.split_first().unwrap_or((&"true", &[]));
    let mut command = Command::new(name);
    command.args(arguments).env_clear();
    for kept in ["TERM", "COLORTERM", "NO_COLOR", "RUST_LOG", "CRM_LOG"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("USER", "root")
        .env("LC_ALL", "C.UTF-8");
    command
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
