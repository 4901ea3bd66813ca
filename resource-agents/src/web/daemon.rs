//! A server's main process, its children, and the ports it wants.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::declare::{Code, Failure};

const LOOK: Duration = Duration::from_millis(20);

/// Whether a file can be run.
pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// The number that a pid file holds.
pub fn number_in(pid_file: &Path) -> Option<i32> {
    let text = fs::read_to_string(pid_file).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 1)
}

/// The main process, if it runs. A number that belongs to another program by now does not count.
pub fn main_process(pid_file: &Path, program: &Path) -> Option<i32> {
    number_in(pid_file).filter(|pid| runs(*pid) && is(*pid, program))
}

fn is(pid: i32, program: &Path) -> bool {
    // Not to be read by everybody; then the number has to do.
    let Ok(file) = fs::read_link(format!("/proc/{pid}/exe")) else { return true };
    let real = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let text = file.to_string_lossy();
    // An upgrade has replaced the file.
    Path::new(text.strip_suffix(" (deleted)").unwrap_or(&text)) == real
}

/// Whether there is a process of this number that has not ended.
pub fn runs(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

/// State and session of a process.
fn stat(pid: i32) -> Option<(String, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, parentheses too.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    let state = words.next()?.to_owned();
    Some((state, words.nth(2)?.parse().ok()?))
}

/// Processes that belong to a server: those of its main process's session, which its children
/// share also after its death, and those that were called with its configuration.
pub fn family(main: Option<i32>, program: &Path, config: &Path) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let (program, config) = (program.to_string_lossy(), config.to_string_lossy());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let belongs = |pid: &i32| {
        let Some((state, session)) = stat(*pid) else { return false };
        if state == "Z" || *pid == own {
            return false;
        }
        if main == Some(session) {
            return true;
        }
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.contains(&*program) && line.split([' ', '\0']).any(|word| word == config)
    };
    pids.filter(belongs).collect()
}

/// Sends a signal to processes; one that has gone meanwhile is no error.
pub fn signal(pids: &[i32], signal: Signal) {
    for pid in pids {
        let _ = kill(Pid::from_raw(*pid), signal);
    }
}

/// Waits until none of them runs; whether that came true.
pub fn gone(pids: &[i32], limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        if !pids.iter().any(|pid| runs(*pid)) {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        sleep(LOOK);
    }
}

/// Ends a server: its main process in the ways given, each with its time, and then whatever is
/// left of the family by force.
pub fn end(
    pid_file: &Path,
    program: &Path,
    config: &Path,
    ways: &[(Signal, Duration)],
) -> Result<(), Failure> {
    if let Some(main) = main_process(pid_file, program) {
        for (way, limit) in ways {
            signal(&[main], *way);
            if gone(&[main], *limit) {
                break;
            }
        }
    }
    for (way, limit) in [(Signal::SIGTERM, 1000), (Signal::SIGKILL, 2000), (Signal::SIGKILL, 2000)]
    {
        let left = family(session_of(pid_file, program), program, config);
        signal(&left, way);
        if gone(&left, Duration::from_millis(limit)) && left.is_empty() {
            return Ok(());
        }
    }
    let left = family(session_of(pid_file, program), program, config);
    if left.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = left.iter().map(i32::to_string).collect();
    let reason = format!("processes {} do not end, not even by SIGKILL", list.join(", "));
    Err(Failure::new(Code::Error, reason))
}

/// The session that the number in a pid file stands for: a server's main process leads one. A
/// number that belongs to another program by now says nothing.
pub fn session_of(pid_file: &Path, program: &Path) -> Option<i32> {
    number_in(pid_file).filter(|pid| !runs(*pid) || is(*pid, program))
}

/// Runs a program that puts itself into the background.
pub fn launch(command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    // What it says goes where we say things; a pipe of ours it would keep open for ever.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(Code::Error, format!("{program} did not start: {status}"))),
        Err(error) => {
            let reason = format!("{program} cannot be started: {error}");
            Err(Failure::new(Code::NotInstalled, reason))
        }
    }
}

/// Runs a program to its end; what it says if it fails.
pub fn check(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(lines.join("; "))
}

/// The first of these addresses that somebody else listens on. Addresses that this host does not
/// have are not looked at: they may come with the cluster.
pub fn taken(wanted: &BTreeSet<SocketAddr>) -> Option<(SocketAddr, String)> {
    wanted.iter().find_map(|address| match TcpListener::bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Some((*address, listener(address.port())))
        }
        _ => None,
    })
}

/// Who listens on a port, for people.
fn listener(port: u16) -> String {
    let unknown = "another process".to_owned();
    let inodes: BTreeSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| {
            let line = |line: &str| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let local = words.get(1)?.rsplit_once(':')?.1;
                let here = u16::from_str_radix(local, 16).ok()? == port && words.get(3)? == &"0A";
                here.then(|| format!("socket:[{}]", words.get(9).unwrap_or(&"")))
            };
            table.lines().filter_map(line).collect::<Vec<_>>()
        })
        .collect();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        if targets.into_iter().any(|target| inodes.contains(&*target.to_string_lossy())) {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            return format!("process {pid} ({})", name.trim());
        }
    }
    unknown
}
