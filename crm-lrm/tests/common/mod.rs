//! A place with agents, and an executor that finds them there.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crm_lrm::operation::{AgentName, CallId, Operation, OperationResult};
use crm_lrm::{AgentPaths, Lrm, LrmConfig};
use tokio::sync::mpsc;

/// An executor whose agents lie in a temporary directory.
pub struct Bench {
    root: tempfile::TempDir,
    /// The executor.
    pub lrm: Lrm,
    results: mpsc::Receiver<OperationResult>,
}

impl Bench {
    /// With no agents yet.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// With a configuration changed by the caller.
    pub fn with(change: impl FnOnce(&mut LrmConfig)) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let mut config = LrmConfig {
            node_name: "node1".to_owned(),
            run_dir: root.path().join("run"),
            paths: AgentPaths {
                ocf: vec![root.path().join("ocf/resource.d")],
                lsb: root.path().join("init.d"),
                heartbeat: root.path().join("ha.d"),
                stonith_external: root.path().join("external"),
                fence: vec![root.path().join("sbin")],
                own_executable: PathBuf::from("/proc/self/exe"),
            },
            kill_grace: Duration::from_millis(200),
            ..LrmConfig::default()
        };
        for directory in ["ocf/resource.d/test", "init.d", "ha.d", "external", "sbin"] {
            std::fs::create_dir_all(root.path().join(directory)).expect("a directory");
        }
        change(&mut config);
        let (sender, results) = mpsc::channel(16);
        Self { root, lrm: Lrm::new(config, sender), results }
    }

    /// A path in the bench's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a shell script as the agent `ocf:test:NAME`.
    pub fn agent(&self, name: &str, script: &str) -> PathBuf {
        self.file(name, format!("#!/bin/sh\n{script}\n").as_bytes())
    }

    /// Writes any bytes as the agent `ocf:test:NAME`.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        self.program(&format!("ocf/resource.d/test/{name}"), bytes)
    }

    /// Writes an executable file.
    pub fn program(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("the file can be written");
        chmod(&path, 0o755);
        path
    }

    /// Asks for an operation; the resource is named as the agent.
    pub fn execute(
        &self,
        kind: &str,
        action: &str,
        interval: Duration,
        timeout: Duration,
    ) -> CallId {
        let agent = format!("ocf:test:{kind}");
        self.lrm.execute(operation(kind, &agent, action, interval, timeout, &[]))
    }

    /// The next result.
    pub async fn result(&mut self) -> OperationResult {
        let next = tokio::time::timeout(Duration::from_secs(120), self.results.recv());
        next.await.expect("a result comes").expect("the executor lives")
    }

    /// Runs an operation once.
    pub async fn once(&mut self, kind: &str, action: &str, timeout: Duration) -> OperationResult {
        self.execute(kind, action, Duration::ZERO, timeout);
        self.result().await
    }
}

/// An operation of any class.
pub fn operation(
    resource: &str,
    agent: &str,
    action: &str,
    interval: Duration,
    timeout: Duration,
    params: &[(&str, &str)],
) -> Operation {
    let params: BTreeMap<String, String> =
        params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Operation {
        resource: resource.to_owned(),
        agent: AgentName::parse(agent).expect("a well-formed name"),
        action: action.to_owned(),
        interval,
        timeout,
        start_delay: Duration::ZERO,
        params,
        key: format!("{resource}:{action}"),
    }
}

/// Sets the mode of a file.
pub fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

/// The process number that an agent wrote.
pub fn pid_in(path: &Path) -> u32 {
    let text = std::fs::read_to_string(path).expect("the agent wrote it");
    text.trim().parse().expect("a number")
}

/// Whether a process is dead (a zombie is).
pub fn gone(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')),
        Err(_) => true,
    }
}

/// Ends a process.
pub fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(pid.try_into().expect("a process number"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it is ours");
}

/// Waits for a condition that must come true.
pub async fn until(condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), poll).await.expect("it comes true");
}

/// Waits until an agent has written a file.
pub async fn wait_for_file(path: &Path) {
    until(|| path.exists()).await;
}
