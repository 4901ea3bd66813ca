//! One run of one program: a process group of its own, bounded output, an end in any case.
//!
//! The program never sees a shell. Its group dies with it when its time is over; what it left
//! behind after an orderly end (the service it has started) lives on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::leftover;
use crate::output::Captured;
use crate::sys;

/// What is still read after the program's end, at most: a daemon that it started may hold the
/// pipe and go on writing.
const DRAIN_MAX: usize = 1024 * 1024;

/// How long a killed program may take to vanish before its end is reported without it.
const REAP_WAIT: Duration = Duration::from_secs(5);

/// An agent that is in flight when its operation is taken back may finish in this time: a monitor
/// is nearly always done by then, and need not be interrupted half-way.
const PATIENCE: Duration = Duration::from_millis(100);

/// A script may be open for writing for a moment (a package upgrade): try again that often.
const BUSY_TRIES: u32 = 10;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// The executable, absolute.
    pub program: PathBuf,
    /// The name it is called by, if another one.
    pub arg0: Option<OsString>,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Its standard input; empty means none.
    pub stdin: Vec<u8>,
}

/// Within which bounds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// After this time the process group is told to end.
    pub timeout: Duration,
    /// Between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
    /// A delegated cgroup v2 directory in which each run gets a cgroup of its own.
    pub cgroup: Option<PathBuf>,
    /// Where it is noted that the program runs, for a daemon that has to follow this one.
    pub note: Option<PathBuf>,
}

/// An order to end a run before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// Not yet.
    No,
    /// SIGTERM, and SIGKILL after the grace.
    Gently,
    /// SIGKILL.
    AtOnce,
}

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that was not ours.
    Signalled(i32),
    /// Its time was over.
    TimedOut,
    /// It was aborted.
    Aborted,
    /// It could not be started.
    NotStarted(io::Error),
}

/// What came of a run.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// Standard output, capped.
    pub stdout: Vec<u8>,
    /// Standard error, capped.
    pub stderr: Vec<u8>,
    /// From the start to the end.
    pub elapsed: Duration,
}

/// Runs a program to its end, or to the end of its time.
pub async fn run(command: &Command, limits: &Limits, abort: watch::Receiver<Abort>) -> Finished {
    let started = Instant::now();
    let mut streams = Streams::default();
    let cgroup = limits.cgroup.as_deref().and_then(make_cgroup);
    let ending = match spawn(command, cgroup.as_deref()).await {
        Ok(child) => match Run::new(child, limits, cgroup.clone()) {
            Ok(mut run) => {
                if let Some(note) = &limits.note {
                    leftover::write(note, run.child.id(), limits.timeout + limits.kill_grace);
                }
                let end = run.until_ended(&mut streams, started + limits.timeout, abort).await;
                if let Some(note) = &limits.note {
                    let _ = std::fs::remove_file(note);
                }
                end
            }
            Err(error) => Ending::NotStarted(error),
        },
        Err(error) => {
            if let Some(cgroup) = &cgroup {
                let _ = std::fs::remove_dir(cgroup);
            }
            Ending::NotStarted(error)
        }
    };
    Finished {
        ending,
        stdout: streams.out.into_bytes(),
        stderr: streams.err.into_bytes(),
        elapsed: started.elapsed(),
    }
}

/// Runs a program that nobody will abort.
pub async fn run_unattended(command: &Command, limits: &Limits) -> Finished {
    let (_keep, abort) = watch::channel(Abort::No);
    run(command, limits, abort).await
}

#[derive(Debug, Default)]
struct Streams {
    out: Captured,
    err: Captured,
}

async fn spawn(command: &Command, cgroup: Option<&Path>) -> io::Result<Child> {
    let mut busy = 0;
    loop {
        let mut process = std::process::Command::new(&command.program);
        process.args(&command.args).env_clear().envs(&command.env);
        if let Some(name) = &command.arg0 {
            process.arg0(name);
        }
        process.current_dir("/").process_group(0).stdin(input(&command.stdin)?);
        process.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(cgroup) = cgroup {
            let procs = OpenOptions::new().write(true).open(cgroup.join("cgroup.procs"))?;
            sys::enter_before_exec(&mut process, procs);
        }
        match process.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                busy += 1;
                if busy == BUSY_TRIES {
                    return Err(error);
                }
                sleep(Duration::from_millis(5)).await;
            }
            outcome => return outcome,
        }
    }
}

/// Standard input from memory: a pipe would need somebody who writes it.
fn input(bytes: &[u8]) -> io::Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let memory = rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory);
    io::Write::write_all(&mut file, bytes)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// A started program. Its process stays unreaped until [`Run::reap`], so that the number of its
/// group cannot pass to anybody else while signals are sent to it.
struct Run {
    child: Child,
    exit: AsyncFd<OwnedFd>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
    cgroup: Option<PathBuf>,
    kill_grace: Duration,
}

impl Run {
    fn new(mut child: Child, limits: &Limits, cgroup: Option<PathBuf>) -> io::Result<Self> {
        let parts = (|| {
            let pid = rustix::process::Pid::from_child(&child);
            let exit = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK)?;
            let exit = sys::readable(exit)?;
            Ok((exit, reader(child.stdout.take())?, reader(child.stderr.take())?))
        })();
        match parts {
            Ok((exit, stdout, stderr)) => {
                let kill_grace = limits.kill_grace;
                Ok(Self { child, exit, stdout, stderr, cgroup, kill_grace })
            }
            Err(error) => {
                // Without a way to watch it the program must not go on.
                signal_group(&child, Signal::SIGKILL);
                let _ = child.wait();
                Err(error)
            }
        }
    }

    async fn until_ended(
        &mut self,
        streams: &mut Streams,
        deadline: Instant,
        mut abort: watch::Receiver<Abort>,
    ) -> Ending {
        let aborted = tokio::select! {
            biased;
            () = self.exited(streams) => None,
            order = ordered(&mut abort) => Some((Ending::Aborted, order)),
            () = sleep_until(deadline) => Some((Ending::TimedOut, Abort::Gently)),
        };
        if let Some((ending, how)) = &aborted {
            let past_deadline = matches!(ending, Ending::TimedOut);
            self.kill(*how, past_deadline, streams, &mut abort).await;
        }
        self.drain(streams);
        let status = self.reap();
        match (aborted, status) {
            (Some((ending, _)), _) => ending,
            (None, Some(status)) => match (status.code(), status.signal()) {
                (Some(code), _) => Ending::Exited(code),
                (None, signal) => Ending::Signalled(signal.unwrap_or_default()),
            },
            (None, None) => Ending::Signalled(0),
        }
    }

    /// Reads until the program has ended; children that hold the pipes do not matter.
    async fn exited(&mut self, streams: &mut Streams) {
        loop {
            tokio::select! {
                biased;
                _ = self.exit.readable() => return,
                () = readable(self.stdout.as_ref()) => read(&mut self.stdout, &mut streams.out),
                () = readable(self.stderr.as_ref()) => read(&mut self.stderr, &mut streams.err),
            }
        }
    }

    /// Ends the whole group, and the cgroup.
    async fn kill(
        &mut self,
        how: Abort,
        past_deadline: bool,
        streams: &mut Streams,
        abort: &mut watch::Receiver<Abort>,
    ) {
        if how == Abort::Gently && !past_deadline {
            tokio::select! {
                () = self.exited(streams) => {}
                () = sleep(PATIENCE) => {}
                () = at_once(abort) => {}
            }
        }
        if how == Abort::Gently {
            signal_group(&self.child, Signal::SIGTERM);
            let grace = self.kill_grace;
            tokio::select! {
                () = self.exited(streams) => {}
                () = sleep(grace) => {}
                () = at_once(abort) => {}
            }
        }
        signal_group(&self.child, Signal::SIGKILL);
        if let Some(cgroup) = &self.cgroup {
            let _ = std::fs::write(cgroup.join("cgroup.kill"), "1");
        }
        // A process in an uninterruptible sleep stays; `reap` leaves it behind.
        let _ = timeout(REAP_WAIT, self.exited(streams)).await;
    }

    /// What lies in the pipes already.
    fn drain(&mut self, streams: &mut Streams) {
        let pairs = [(&self.stdout, &mut streams.out), (&self.stderr, &mut streams.err)];
        for (pipe, captured) in pairs {
            let Some(pipe) = pipe else { continue };
            let mut chunk = [0; 16 * 1024];
            let mut total = 0;
            while total < DRAIN_MAX {
                // The descriptor itself is asked: tokio may not know yet that it is readable.
                match nix::unistd::read(pipe, &mut chunk) {
                    Ok(0) | Err(_) => break,
                    Ok(length) => {
                        captured.push(&chunk[..length]);
                        total += length;
                    }
                }
            }
        }
    }

    fn reap(&mut self) -> Option<ExitStatus> {
        if let Some(cgroup) = &self.cgroup {
            // Not empty after a start: the service lives there, and the directory stays.
            let _ = std::fs::remove_dir(cgroup);
        }
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Run {
    /// A program that could not be killed, or whose run was dropped with the runtime, is reaped
    /// when it ends.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let pid = rustix::process::Pid::from_child(&self.child);
            tracing::warn!(pid = self.child.id(), "an agent outlives its run");
            let wait =
                move || rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            // Without a thread it stays a zombie until the daemon ends: harmless.
            let _ = std::thread::Builder::new().name("reaper".to_owned()).spawn(wait);
        }
    }
}

/// Waits for the order to end; for ever if nobody can give it.
pub(crate) async fn ordered(abort: &mut watch::Receiver<Abort>) -> Abort {
    let order = abort.wait_for(|order| *order != Abort::No).await.map(|order| *order);
    match order {
        Ok(order) => order,
        // Nobody is left who could give the order.
        Err(_) => std::future::pending().await,
    }
}

async fn at_once(abort: &mut watch::Receiver<Abort>) {
    if abort.wait_for(|order| *order == Abort::AtOnce).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn reader<T: Into<OwnedFd>>(pipe: Option<T>) -> io::Result<Option<pipe::Receiver>> {
    pipe.map(|pipe| pipe::Receiver::from_owned_fd(pipe.into())).transpose()
}

/// Waits until there is something to read; for ever where the stream has ended.
async fn readable(pipe: Option<&pipe::Receiver>) {
    match pipe {
        // An error is found by the read that follows.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}

/// Reads once; at the end of the stream the pipe is given up. The buffer is on the stack of this
/// call: inside the future of a run it would be copied with it.
fn read(pipe: &mut Option<pipe::Receiver>, captured: &mut Captured) {
    let Some(reader) = pipe else { return };
    let mut chunk = [0; 16 * 1024];
    match reader.try_read(&mut chunk) {
        Ok(0) => *pipe = None,
        Ok(length) => captured.push(&chunk[..length]),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(_) => *pipe = None,
    }
}

fn signal_group(child: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // Fails only if the whole group is gone, which is what is wanted.
        let _ = killpg(Pid::from_raw(pid), signal);
    }
}

/// Removes cgroups of runs whose services have ended. Only where nothing is in flight: a cgroup
/// that is about to be entered is empty as well.
pub fn sweep_cgroups(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("operation-") {
            // The kernel refuses where processes are left.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

/// Makes a cgroup for one run; `None` where that cannot be had.
fn make_cgroup(parent: &Path) -> Option<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // An earlier daemon's services may still live in cgroups that it made.
    let cgroup = parent.join(format!("operation-{}-{number}", std::process::id()));
    match std::fs::create_dir(&cgroup) {
        Ok(()) => Some(cgroup),
        Err(error) => {
            tracing::debug!(%error, path = %cgroup.display(), "no cgroup for this operation");
            None
        }
    }
}
