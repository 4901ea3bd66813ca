//! Two guests of the guest lab with daemons.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::cluster::{NODES, conf};
use crate::power::PowerSwitch;

/// Networks of this lab, so that another lab may be up beside it.
pub const NET: &str = "10.79";
/// Far beyond what any phase takes; only what hangs reaches it.
pub const LIMIT: Duration = Duration::from_secs(900);
/// How often something is looked for. A process costs a guest much: 90 ms of processor time.
pub const LOOK: Duration = Duration::from_secs(1);
/// What a guest needs before its daemon starts.
const SETUP: &str = include_str!("setup.sh");
const FENCE: &str = include_str!("fence_guest.sh");

/// The guests, switched on. When this goes, or the test dies, they are gone.
pub struct Hosts {
    lab: Lab,
    power: PowerSwitch,
    /// Ends the lab and removes its files when the pipe to it closes.
    guardian: Mutex<Child>,
}

/// The scripts of the guest lab, and where this lab keeps its state.
#[derive(Clone)]
pub struct Lab {
    run: PathBuf,
    share: PathBuf,
}

impl Lab {
    /// One of the scripts with its arguments.
    pub fn script(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(scripts().join(name));
        command
            .args(words)
            .env("LABVM_RUN", &self.run)
            .env("LABVM_SHARE", &self.share)
            .env("LABVM_NET", NET)
            .env("LABVM_INIT", "plain");
        command
    }

    /// Runs a script that must succeed.
    pub fn run(&self, name: &str, words: &[&str]) -> Result<String, String> {
        let mut command = self.script(name, words);
        let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{name}: {e}"))?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Ok(said) } else { Err(format!("{name} {words:?}: {said}")) }
    }

    /// The process that holds the lab's network namespace.
    pub fn holder(&self) -> Result<u32, String> {
        let text = fs::read_to_string(self.run.join("holder.pid")).map_err(|e| e.to_string())?;
        let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok());
        pid.ok_or_else(|| "the guest lab has no network".to_owned())
    }
}

/// Where the guest lab's scripts are.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/lab/vm")
}

/// Why there can be no guests, if so.
pub fn unavailable() -> Option<String> {
    if !scripts().join("up").exists() {
        return Some("there is no guest lab (../shared/lab/vm)".into());
    }
    let Some(cache) = std::env::var_os("LABVM_CACHE") else {
        return Some("LABVM_CACHE does not say where the guest lab's image is".into());
    };
    let built = Path::new(&cache).join("image/version").exists();
    (!built).then(|| "the guest lab's image is not built (docs/design/lrm.md says how)".into())
}

/// The number of a host, as the lab counts.
fn number(host: &str) -> &str {
    host.trim_start_matches("node")
}

impl Hosts {
    /// Starts the guests and their daemons.
    pub fn boot() -> Result<Hosts, String> {
        let text = |e: std::io::Error| e.to_string();
        // Not in memory: the guests' disks are there.
        let files = TempDir::with_prefix_in("crm-guests-", "/var/tmp").map_err(text)?.keep();
        let lab = Lab { run: files.join("run"), share: files.join("share") };
        fs::create_dir(&lab.share).map_err(text)?;
        let executable = std::env::var_os("CRM_BIN");
        let executable = executable.unwrap_or_else(|| env!("CARGO_BIN_EXE_crm").into());
        fs::copy(executable, lab.share.join("crm")).map_err(text)?;
        let guardian = Mutex::new(guardian(&lab, &files)?);
        lab.run("up", &[&NODES.len().to_string()])?;
        let power = PowerSwitch::start(&lab, &format!("{NET}.0.1"))?;
        let hosts = Hosts { lab, power, guardian };
        for name in NODES {
            hosts.install(name)?;
            hosts.begin(name)?;
        }
        Ok(hosts)
    }

    fn install(&self, host: &str) -> Result<(), String> {
        let addresses = [11, 12].map(|last| format!("{NET}.1.{last}"));
        let fence = FENCE.replace("@SWITCH@", &self.power.address().replace(':', "/"));
        let files = [
            ("/etc/crm/cluster.conf", "644", conf(&addresses)),
            ("/etc/crm/authkey", "400", "two hosts in a lab".repeat(16)),
            ("/etc/crm/setup.sh", "755", SETUP.to_owned()),
            ("/usr/sbin/fence_guest", "755", fence),
        ];
        self.must(host, "mkdir -p /etc/crm && cp /share/crm /usr/local/sbin/crm")?;
        for (path, mode, content) in files {
            let script = format!("cat > {path} && chmod {mode} {path}");
            let mut command = self.command(host, &["sh", "-c", &script])?;
            feed(&mut command, content.as_bytes())?;
        }
        Ok(())
    }

    /// Starts the daemon of a guest that is up.
    pub fn begin(&self, host: &str) -> Result<(), String> {
        self.must(host, "sh /etc/crm/setup.sh").map(drop)
    }

    /// Pulls a guest's plug, or switches it on again and starts its daemon.
    pub fn power(&self, host: &str, on: bool) -> Result<(), String> {
        self.lab.run("ctl", &[if on { "on" } else { "off" }, number(host)])?;
        if on { self.begin(host) } else { Ok(()) }
    }

    /// Requests of fence agents so far: verb and node.
    pub fn fenced(&self) -> Vec<(String, String)> {
        self.power.requests()
    }

    /// Runs a script in the lab's network, where clients are.
    pub fn client(&self, script: &str) -> Result<String, String> {
        self.lab.run("ctl", &["net", "sh", "-c", script])
    }

    /// A command on a host. What it says of errors comes with the rest.
    pub fn command(&self, host: &str, words: &[&str]) -> Result<Command, String> {
        let mut arguments = vec!["-i", number(host)];
        arguments.extend(words);
        Ok(self.lab.script("exec", &arguments))
    }

    /// A file on a host's disk.
    pub fn file(&self, host: &str, path: &str) -> Option<Vec<u8>> {
        let mut command = self.command(host, &["cat", path]).ok()?;
        let output = command.stdin(Stdio::null()).output().ok()?;
        output.status.success().then_some(output.stdout)
    }

    fn must(&self, host: &str, script: &str) -> Result<String, String> {
        self.lab.run("exec", &[number(host), script])
    }
}

impl Hosts {
    /// Switches everything off and removes it. The same happens when the test dies.
    pub fn end(&self) {
        let mut guardian = self.guardian.lock().unwrap_or_else(PoisonError::into_inner);
        drop(guardian.stdin.take());
        let _ = guardian.wait();
    }
}

fn guardian(lab: &Lab, files: &Path) -> Result<Child, String> {
    let mut command = Command::new("setsid");
    let down = lab.script("down", &[]);
    command
        .args(["sh", "-c", "read line; \"$0\"; rm -rf \"$1\""])
        .arg(down.get_program())
        .arg(files);
    for (name, value) in down.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.stdin(Stdio::piped()).spawn().map_err(|e| format!("setsid: {e}"))
}

fn feed(command: &mut Command, content: &[u8]) -> Result<(), String> {
    let mut input = tempfile::tempfile().map_err(|e| e.to_string())?;
    std::io::Write::write_all(&mut input, content).map_err(|e| e.to_string())?;
    std::io::Seek::rewind(&mut input).map_err(|e| e.to_string())?;
    let output = command.stdin(input).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stdout).into_owned())
}
