//! Agents that outlive the daemon that started them.
//!
//! While an agent changes a resource, a note with its process lies in the run-time directory. A
//! daemon that was killed leaves agents at work; the one that follows finds the notes and runs
//! nothing of these resources before the agents have ended, or their time is over: a probe in the
//! middle of a start would find half a service.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

/// How often an agent that is not our child is looked for.
const LOOK: Duration = Duration::from_millis(20);
/// Notes that are read, at most.
const NOTES_MAX: usize = 10_000;

/// An agent at work for a daemon that has gone.
#[derive(Debug)]
pub(crate) struct Leftover {
    /// The resource instance it works on.
    pub(crate) resource: String,
    note: PathBuf,
    pid: i32,
    /// Since when, in ticks of the kernel: a later process of the same number is another one.
    started: u64,
    timeout: Duration,
}

/// Where the note about a resource is; `None` for names that no file can have.
pub(crate) fn place(directory: &Path, resource: &str) -> Option<PathBuf> {
    let plain = !resource.is_empty() && !resource.starts_with('.') && !resource.contains('/');
    plain.then(|| directory.join(resource))
}

/// Notes that a process works on a resource and may take this long. Without the note everything
/// goes on; only a daemon that is killed would be missed by its successor.
pub(crate) fn write(note: &Path, pid: u32, timeout: Duration) {
    let Some(started) = i32::try_from(pid).ok().and_then(start_of) else { return };
    let text = format!("{pid} {started} {}\n", timeout.as_millis());
    if let Err(error) = fs::write(note, text) {
        tracing::debug!(%error, note = %note.display(), "no note of an agent");
    }
}

/// What an earlier daemon has left at work. Notes of what has ended are removed.
pub(crate) fn find(directory: &Path) -> Vec<Leftover> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(NOTES_MAX);
    let mut found = Vec::new();
    for note in entries.map(|entry| entry.path()) {
        match read(&note) {
            Some(leftover) if leftover.is_alive() => found.push(leftover),
            _ => drop(fs::remove_file(&note)),
        }
    }
    found
}

fn read(note: &Path) -> Option<Leftover> {
    let resource = note.file_name()?.to_str()?.to_owned();
    let text = fs::read_to_string(note).ok()?;
    let mut words = text.split_whitespace();
    let pid = words.next()?.parse().ok().filter(|pid| *pid > 1)?;
    let started = words.next()?.parse().ok()?;
    let timeout = Duration::from_millis(words.next()?.parse().ok()?);
    Some(Leftover { resource, note: note.to_path_buf(), pid, started, timeout })
}

impl Leftover {
    fn is_alive(&self) -> bool {
        start_of(self.pid) == Some(self.started)
    }

    /// Waits for its end; when its time is over, its group is killed.
    pub(crate) async fn end(self) {
        let deadline = Instant::now() + self.timeout;
        while self.is_alive() {
            if Instant::now() >= deadline {
                tracing::warn!(resource = self.resource, "an earlier daemon's agent is killed");
                // Only its own group: the number was checked just now.
                let _ = killpg(Pid::from_raw(self.pid), Signal::SIGKILL);
            }
            sleep(LOOK).await;
        }
        let _ = fs::remove_file(&self.note);
    }
}

/// When a process was started; `None` if it has ended (a zombie has).
fn start_of(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything.
    let mut after_name = stat.rsplit_once(')')?.1.split_whitespace();
    let state = after_name.next()?;
    (!matches!(state, "Z" | "X")).then_some(())?;
    after_name.nth(18)?.parse().ok()
}
