//! Pacemaker's executor, running beside ours: it gets namespaces of its own, because it keeps its
//! sockets and files in places that cannot be chosen.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Debian's.
const EXECUTOR: &str = "/usr/lib/pacemaker/pacemaker-execd";
const CLIENT: &str = include_str!("peer_executor.py");
/// Everything that it writes to is a mount of its own; `$1` are the agents.
const ROOM: &str = "mount -t tmpfs none /run && mount -t tmpfs none /dev/shm && \
    mount -t tmpfs none /var/log && mount -t tmpfs none /var/lib/pacemaker && \
    mkdir -p /var/lib/pacemaker/cores /var/log/pacemaker && \
    mount --bind \"$1\" /usr/lib/ocf/resource.d || exit 1\n\
    export PCMK_logfacility=none PCMK_logfile=none\n\
    /usr/lib/pacemaker/pacemaker-execd > /dev/null 2>&1 &\n\
    echo $!\n\
    exec python3 -c \"$2\"\n";

/// A running executor with a client.
pub struct PeerExecutor {
    room: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// Its `/proc/PID/stat`.
    stat: String,
}

/// Processor time.
#[derive(Clone, Copy)]
pub struct Used {
    /// Of the executor.
    pub own: Duration,
    /// Of agents that have ended.
    pub agents: Duration,
    at: Instant,
}

/// Processor time between two looks, and how long it was.
pub struct Span {
    /// Of the executor.
    pub own: Duration,
    /// Of its agents.
    pub agents: Duration,
    /// Between the looks.
    pub wall: Duration,
}

impl PeerExecutor {
    /// Starts it with the agents in `agents` (a directory of providers), or says why not.
    pub fn start(agents: &Path) -> Result<Self, String> {
        if !Path::new(EXECUTOR).exists() {
            return Err(format!("there is no {EXECUTOR} (Debian's package pacemaker)"));
        }
        let mut room = Command::new("unshare")
            .args(["-m", "-n", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c", ROOM, "sh"])
            .arg(agents)
            .arg(CLIENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("unshare: {e}"))?;
        let to = room.stdin.take().ok_or("no input")?;
        let from = BufReader::new(room.stdout.take().ok_or("no output")?);
        let mut peer = Self { room, to, from, stat: String::new() };
        let number = peer.line()?;
        // The number is that of its own namespace: seen from here it is a child of the first process
        // there, which has the name that unshare's child has.
        peer.stat = format!("/proc/{}/root/proc/{number}/stat", peer.inside()?);
        match peer.line()?.as_str() {
            "ready" => Ok(peer),
            other => Err(format!("its client does not get ready: '{other}'")),
        }
    }

    /// The process that `unshare` forked.
    fn inside(&self) -> Result<String, String> {
        let path = format!("/proc/{0}/task/{0}/children", self.room.id());
        let children = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        children.split_whitespace().next().map(str::to_owned).ok_or("it has ended".to_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(|e| e.to_string())?;
        Ok(line.trim().to_owned())
    }

    /// Lets the client do something, and waits until it has.
    pub fn ask(&mut self, command: &str) -> Result<(), String> {
        writeln!(self.to, "{command}").map_err(|e| e.to_string())?;
        match self.line()?.as_str() {
            "done" => Ok(()),
            other => Err(format!("{command}: '{other}'")),
        }
    }

    /// What it has used so far.
    pub fn used(&self) -> Result<Used, String> {
        let text =
            std::fs::read_to_string(&self.stat).map_err(|e| format!("{}: {e}", self.stat))?;
        // The name, in brackets, may have blanks; the state and ten numbers follow it.
        let numbers = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: Vec<u64> =
            numbers.split_whitespace().skip(11).take(4).filter_map(|n| n.parse().ok()).collect();
        let [user, system, agents_user, agents_system] = ticks[..] else {
            return Err(format!("{} cannot be read", self.stat));
        };
        // A tick is 10 ms to every program of this system.
        let time = |ticks: u64| Duration::from_millis(ticks * 10);
        Ok(Used {
            own: time(user + system),
            agents: time(agents_user + agents_system),
            at: Instant::now(),
        })
    }

    /// What it has used since `before`.
    pub fn since(&self, before: Used) -> Result<Span, String> {
        let now = self.used()?;
        Ok(Span {
            own: now.own - before.own,
            agents: now.agents - before.agents,
            wall: now.at - before.at,
        })
    }
}

impl Drop for PeerExecutor {
    fn drop(&mut self) {
        // The first process of its namespace ends with unshare, and all others with that.
        let _ = self.room.kill();
        let _ = self.room.wait();
    }
}
