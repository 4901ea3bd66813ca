//! What running agents costs: `cargo bench -p crm-lrm`.
//!
//! Prints our own processor time for an operation beyond that of the agent and for 500 monitors a
//! second, beside that of Pacemaker's executor where it is installed (as root). With `CRM_BIN` set
//! to the executable, also a monitor of our IPaddr2 beside the shell agent of resource-agents where
//! that is installed, and the time from a monitor's exit to what the coordinator decides (as root).

// A program for people to read; what fails here ends it.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crm_lrm::operation::{AgentName, Operation, OperationResult};
use crm_lrm::{AgentPaths, Lrm, LrmConfig};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tokio::sync::mpsc;

mod decision;
mod peer_executor;

use peer_executor::PeerExecutor;

const SPAWNS: u32 = 2000;
const RESOURCES: u32 = 500;
const SECONDS: u32 = 10;
/// The phases of the first interval pass.
const SETTLE: Duration = Duration::from_secs(2);

/// Processor time of us, or of our children that have ended.
fn used(who: UsageWho) -> Duration {
    let usage = getrusage(who).unwrap();
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(microseconds.try_into().unwrap())
}

/// Runs something and says what it cost us, what it cost the children, and how long it took.
fn cost<T>(work: impl FnOnce() -> T) -> (Duration, Duration, Duration, T) {
    let before = (used(UsageWho::RUSAGE_SELF), used(UsageWho::RUSAGE_CHILDREN), Instant::now());
    let outcome = work();
    let own = used(UsageWho::RUSAGE_SELF) - before.0;
    let children = used(UsageWho::RUSAGE_CHILDREN) - before.1;
    (own, children, before.2.elapsed(), outcome)
}

fn main() {
    if decision::is_inside() {
        return decision::measure();
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine: {}", load.trim());
    spawn_alone();
    let root = tempfile::tempdir().unwrap();
    let agents = root.path().join("ocf/resource.d");
    std::fs::create_dir_all(agents.join("bench")).unwrap();
    std::os::unix::fs::symlink("/bin/true", agents.join("bench/True")).unwrap();
    let peer = PeerExecutor::start(&agents);
    let mut peer = match peer {
        Ok(peer) => Some(peer),
        Err(reason) => {
            println!("not beside Pacemaker's executor: {reason}");
            None
        }
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let own = runtime.block_on(async {
        let (lrm, results) = executor(root.path());
        operations(&lrm, results).await
    });
    if let Some(peer) = &mut peer {
        let before = peer.used().unwrap();
        peer.ask(&format!("operations {SPAWNS}")).unwrap();
        let span = peer.since(before).unwrap();
        report("  the same with Pacemaker's", SPAWNS, span.own, span.agents, span.wall);
        ratio(own, span.own);
    }
    let own = runtime.block_on(async {
        let (lrm, results) = executor(root.path());
        monitors(&lrm, results).await
    });
    if let Some(peer) = &mut peer {
        peer.ask(&format!("monitors {RESOURCES}")).unwrap();
        std::thread::sleep(SETTLE);
        let before = peer.used().unwrap();
        std::thread::sleep(Duration::from_secs(SECONDS.into()));
        let span = peer.since(before).unwrap();
        shares("  the same with Pacemaker's", span.own, span.agents, span.wall);
        ratio(own, span.own);
    }
    drop(peer);
    let Some(executable) = std::env::var("CRM_BIN").ok().filter(|path| !path.is_empty()) else {
        println!("CRM_BIN names no executable: no agents and no decisions measured");
        return;
    };
    agent("IPaddr2 of ours", &[&executable, "agent", "crm", "IPaddr2", "monitor"]);
    let shell = "/usr/lib/ocf/resource.d/heartbeat/IPaddr2";
    if Path::new(shell).exists() {
        agent("IPaddr2 of the shell", &[shell, "monitor"]);
    }
    decision::run();
}

fn executor(root: &Path) -> (Lrm, mpsc::Receiver<OperationResult>) {
    let (sender, results) = mpsc::channel(1024);
    let paths = AgentPaths { ocf: vec![root.join("ocf/resource.d")], ..AgentPaths::default() };
    (Lrm::new(LrmConfig { paths, ..LrmConfig::default() }, sender), results)
}

fn operation(resource: u32, action: &str, interval: Duration) -> Operation {
    Operation {
        resource: format!("r{resource}"),
        agent: AgentName::parse("ocf:bench:True").unwrap(),
        action: action.to_owned(),
        interval,
        timeout: Duration::from_secs(20),
        start_delay: Duration::ZERO,
        params: (0..10).map(|n| (format!("param{n}"), "some value".to_owned())).collect(),
        key: String::new(),
    }
}

/// The floor: starting and reaping a program, nothing else.
fn spawn_alone() {
    let (own, children, wall, ()) = cost(|| {
        for _ in 0..SPAWNS {
            let status = Command::new("/bin/true").env_clear().stdin(Stdio::null()).status();
            assert!(status.unwrap().success());
        }
    });
    report("spawn and wait alone", SPAWNS, own, children, wall);
}

async fn operations(lrm: &Lrm, mut results: mpsc::Receiver<OperationResult>) -> Duration {
    let before = (used(UsageWho::RUSAGE_SELF), used(UsageWho::RUSAGE_CHILDREN), Instant::now());
    for _ in 0..SPAWNS {
        lrm.execute(operation(0, "monitor", Duration::ZERO));
        assert_eq!(results.recv().await.unwrap().exit.0, 0);
    }
    let own = used(UsageWho::RUSAGE_SELF) - before.0;
    let children = used(UsageWho::RUSAGE_CHILDREN) - before.1;
    report("an operation of the executor", SPAWNS, own, children, before.2.elapsed());
    own
}

async fn monitors(lrm: &Lrm, mut results: mpsc::Receiver<OperationResult>) -> Duration {
    for resource in 0..RESOURCES {
        lrm.execute(operation(resource, "monitor", Duration::from_secs(1)));
    }
    for _ in 0..RESOURCES {
        results.recv().await.unwrap();
    }
    tokio::time::sleep(SETTLE).await;
    let before = (used(UsageWho::RUSAGE_SELF), used(UsageWho::RUSAGE_CHILDREN), Instant::now());
    tokio::time::sleep(Duration::from_secs(SECONDS.into())).await;
    let own = used(UsageWho::RUSAGE_SELF) - before.0;
    let agents = used(UsageWho::RUSAGE_CHILDREN) - before.1;
    shares(&format!("{RESOURCES} monitors a second"), own, agents, before.2.elapsed());
    lrm.kill_all();
    lrm.idle().await;
    own
}

/// Shares of a processor.
fn shares(what: &str, own: Duration, agents: Duration, wall: Duration) {
    let share = |used: Duration| 100.0 * used.as_secs_f64() / wall.as_secs_f64();
    let (own, agents) = (share(own), share(agents));
    println!("{what}: {own:.1} % of a core, {agents:.1} % of the agents");
}

/// How many times ours Pacemaker's is.
fn ratio(ours: Duration, theirs: Duration) {
    println!("  {:.1} times ours", theirs.as_secs_f64() / ours.as_secs_f64());
}

fn agent(name: &str, words: &[&str]) {
    let environment = BTreeMap::from([
        ("OCF_ROOT", "/usr/lib/ocf"),
        ("OCF_RESKEY_ip", "127.0.0.1"),
        ("OCF_RESKEY_nic", "lo"),
        ("OCF_RESKEY_CRM_meta_interval", "1000"),
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ]);
    let times = 100;
    let (own, children, wall, ()) = cost(|| {
        for _ in 0..times {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).env_clear().envs(&environment).stdin(Stdio::null());
            let output = command.output().unwrap();
            assert!(output.status.code().is_some());
        }
    });
    report(name, times, own, children, wall);
}

fn report(name: &str, times: u32, own: Duration, children: Duration, wall: Duration) {
    let (own, children, wall) = (own / times, children / times, wall / times);
    println!("{name}: {own:?} of ours, {children:?} of the agent, {wall:?} in all");
}
