//! From a monitor's exit to the decision of the coordinator, on clusters of real daemons.
//!
//! The agent notes the time as the last thing of a failed monitor and as the first thing of a
//! stop. Between the two are the report to the coordinator, its decision, the order to the node and
//! the start of the agent: what is printed is more than the decision took.
//!
//! The daemons run in namespaces of their own, whose first process is this program once more.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Set where this program runs inside the namespaces.
const INSIDE: &str = "CRM_BENCH_INSIDE";
const AGENTS: &str = "/usr/lib/ocf/resource.d";
const FAILURES: usize = 30;
/// Far beyond what anything takes.
const LIMIT: Duration = Duration::from_secs(60);

/// The service is a file of the node's name. bash knows the time without calling a program.
const AGENT: &str = r#"#!/bin/bash
up=@DIR@/$OCF_RESKEY_CRM_meta_on_node
case $1 in
start) : > $up ;;
stop) echo "stop $EPOCHREALTIME" >> @DIR@/log; rm -f $up ;;
monitor) [ -e $up ] || { echo "monitor $EPOCHREALTIME" >> @DIR@/log; exit 7; } ;;
meta-data) echo '<resource-agent name="Timed"><version>1.1</version><parameters/><actions>
<action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s"/></actions></resource-agent>' ;;
*) exit 3 ;;
esac
"#;

/// Whether this process is the one inside.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs [`measure`] in namespaces of its own, or says why not.
pub fn run() {
    if !Path::new(AGENTS).exists() {
        return println!("decisions not measured: there is no {AGENTS}");
    }
    let own = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["-m", "-n", "-p", "-f", "--kill-child", "--mount-proc"])
        .arg(own)
        .env(INSIDE, "1")
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => println!("decisions not measured: {status}"),
        Err(error) => println!("decisions not measured: unshare: {error}"),
    }
}

/// The measurement, inside.
pub fn measure() {
    let executable = std::env::var("CRM_BIN").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let agents = scratch.path().join("agents/bench");
    std::fs::create_dir_all(&agents).unwrap();
    let text = AGENT.replace("@DIR@", &scratch.path().display().to_string());
    std::fs::write(agents.join("Timed"), text).unwrap();
    let runnable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(agents.join("Timed"), runnable).unwrap();
    succeed(Command::new("mount").arg("--bind").arg(scratch.path().join("agents")).arg(AGENTS));
    succeed(Command::new("ip").args(["link", "set", "lo", "up"]));
    for nodes in [1, 3] {
        let cluster = Cluster::start(&executable, nodes);
        for node in 1..=nodes {
            let times = cluster.failures(scratch.path(), node);
            let dc =
                if cluster.coordinator() == format!("n{node}") { " (coordinator)" } else { "" };
            println!(
                "{nodes} nodes, monitor's exit on n{node}{dc} to the stop decided on: median {:.1} ms, \
                 worst {:.1} ms of {} (wanted: 10 ms)",
                times[times.len() / 2],
                times[times.len() - 1],
                times.len()
            );
        }
    }
}

fn succeed(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// Daemons on addresses of the loopback interface; they end with the value.
struct Cluster {
    executable: String,
    root: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Cluster {
    fn start(executable: &str, nodes: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut conf = String::from(
            "totem {\n version: 2\n cluster_name: bench\n}\nquorum {\n provider: corosync_votequorum\n}\n\
             nodelist {\n",
        );
        for n in 1..=nodes {
            let _ = writeln!(
                conf,
                " node {{\n  name: n{n}\n  nodeid: {n}\n  ring0_addr: 127.0.0.{n}\n }}"
            );
        }
        conf += "}\n";
        std::fs::write(root.path().join("cluster.conf"), conf).unwrap();
        let key = root.path().join("authkey");
        std::fs::write(&key, [7u8; 64]).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o400)).unwrap();
        let mut cluster = Self { executable: executable.to_owned(), root, daemons: Vec::new() };
        for n in 1..=nodes {
            // A daemon takes the name whose address it has; here it has all of them.
            let mut command = Command::new("unshare");
            command.args(["--uts", "sh", "-c", "hostname \"$1\" && exec \"$2\" crmd", "sh"]);
            command.arg(format!("n{n}")).arg(executable);
            cluster.at(&mut command, n);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            cluster.daemons.push(command.spawn().unwrap());
        }
        let names: Vec<String> = (1..=nodes).map(|n| format!("n{n}")).collect();
        let online = format!("Online: [ {} ]", names.join(" "));
        cluster.until("all nodes are online", |c| {
            c.shell(1, &["crm_mon", "-1"], "").0.contains(&online)
        });
        cluster
    }

    fn place(&self, node: usize, what: &str) -> PathBuf {
        self.root.path().join(format!("{what}{node}"))
    }

    fn at(&self, command: &mut Command, node: usize) {
        command
            .env("CRM_CONFIG", self.root.path().join("cluster.conf"))
            .env("CRM_AUTHKEY", self.root.path().join("authkey"))
            .env("CRM_STATE_DIR", self.place(node, "state"))
            .env("CRM_RUN_DIR", self.place(node, "run"))
            .env_remove("CIB_file")
            .env_remove(INSIDE);
    }

    fn shell(&self, node: usize, words: &[&str], input: &str) -> (String, bool) {
        let mut command = Command::new(&self.executable);
        self.at(&mut command, node);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&text).into_owned(), output.status.success())
    }

    fn coordinator(&self) -> String {
        let (text, _) = self.shell(1, &["crmadmin", "-D", "-q"], "");
        text.split_whitespace().last().unwrap_or_default().to_owned()
    }

    fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !so(self) {
            assert!(
                begin.elapsed() < LIMIT,
                "not seen: {what}: {}",
                self.shell(1, &["status"], "").0
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Takes the service of a node away again and again; milliseconds from exits to stops, sorted.
    fn failures(&self, scratch: &Path, node: usize) -> Vec<f64> {
        let name = format!("n{node}");
        let text = format!(
            "property stonith-enabled=false\nrsc_defaults migration-threshold=0\n\
             primitive t ocf:bench:Timed op monitor interval=100ms timeout=10s\n\
             location only t resource-discovery=exclusive 100: {name}\n"
        );
        self.shell(1, &["-F", "configure", "erase"], "");
        let (said, well) = self.shell(1, &["-F", "configure"], &text);
        assert!(well, "{said}");
        let up = scratch.join(&name);
        self.until("the resource runs", |_| up.exists());
        let _ = std::fs::remove_file(scratch.join("log"));
        for _ in 0..FAILURES {
            // The recovery's own monitor has begun its grid before the next failure.
            std::thread::sleep(Duration::from_millis(300));
            std::fs::remove_file(&up).unwrap();
            self.until("the resource is back", |_| up.exists());
        }
        let log = std::fs::read_to_string(scratch.join("log")).unwrap();
        let (_, well) = self.shell(1, &["-F", "resource", "stop", "t"], "");
        assert!(well);
        self.until("the resource is stopped", |_| !up.exists());
        intervals(&log)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Milliseconds from the first failed monitor to the stop after it.
fn intervals(log: &str) -> Vec<f64> {
    let mut exit = None;
    let mut found = Vec::new();
    for line in log.lines() {
        let Some((what, at)) = line.split_once(' ') else { continue };
        let Ok(at) = at.parse::<f64>() else { continue };
        if what == "monitor" {
            exit.get_or_insert(at);
        } else if let Some(exit) = exit.take() {
            found.push((at - exit) * 1000.0);
        }
    }
    found.sort_by(f64::total_cmp);
    found
}
