//! How fast the shell answers: `CRM_BIN=target/release/crm cargo bench -p crm-shell --bench shell`.
//!
//! Against a cluster of one node that it starts and stops itself: `configure show`, `status`, and a
//! batch of 50 lines with its commit. On a file: `configure show` of 1000 resources. Each beside
//! crmsh on a file with the same content, in turn, where crmsh is installed.

// A program for people to read; what fails here ends it.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crm_shell::agents::Installed;
use crm_shell::configuration::Configuration;
use crm_shell::repl::{Facts, candidates};
use crm_shell::table::Level;

/// Debian's crmsh.
const PEER: &str = "/usr/sbin/crm";
const TIMES: usize = 20;
const PEER_TIMES: usize = 5;

/// A daemon that ends with the value.
struct Daemon {
    child: Child,
    root: tempfile::TempDir,
}

impl Daemon {
    fn start(executable: &str) -> Daemon {
        let root = tempfile::tempdir().unwrap();
        let conf = "totem {\n version: 2\n cluster_name: bench\n}\nnodelist {\n node {\n  \
                    ring0_addr: 127.0.0.1\n  name: n1\n  nodeid: 1\n }\n}\nquorum {\n provider: \
                    corosync_votequorum\n expected_votes: 1\n}\n";
        std::fs::write(root.path().join("cluster.conf"), conf).unwrap();
        let key = root.path().join("authkey");
        std::fs::write(&key, [7u8; 64]).unwrap();
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o400);
        std::fs::set_permissions(&key, closed).unwrap();
        let mut command = Command::new(executable);
        command.arg("crmd").stdout(Stdio::null()).stderr(Stdio::null());
        at(&mut command, root.path());
        let child = command.spawn().unwrap();
        let daemon = Daemon { child, root };
        let begin = Instant::now();
        while !shell(executable, &daemon.place(), &["status"], "").1 {
            assert!(begin.elapsed() < Duration::from_secs(20), "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        daemon
    }

    fn place(&self) -> Place {
        Place::Cluster(self.root.path().to_owned())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn at(command: &mut Command, root: &Path) {
    command
        .env("CRM_CONFIG", root.join("cluster.conf"))
        .env("CRM_AUTHKEY", root.join("authkey"))
        .env("CRM_STATE_DIR", root.join("state"))
        .env("CRM_RUN_DIR", root.join("run"))
        .env_remove("CIB_file");
}

/// Where a shell works.
enum Place {
    Cluster(PathBuf),
    File(PathBuf),
}

/// How long one run took, and whether it went well.
fn shell(program: &str, place: &Place, words: &[&str], input: &str) -> (Duration, bool) {
    let mut command = Command::new(program);
    match place {
        Place::Cluster(root) => at(&mut command, root),
        Place::File(path) => {
            command.env("CIB_file", path);
        }
    }
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let status = child.wait().unwrap();
    (begin.elapsed(), status.success())
}

fn median(times: usize, mut run: impl FnMut() -> (Duration, bool)) -> Duration {
    let mut all: Vec<Duration> = Vec::new();
    for _ in 0..times {
        let (took, well) = run();
        assert!(well, "a command failed");
        all.push(took);
    }
    all.sort_unstable();
    all[all.len() / 2]
}

/// A document with nothing in it.
fn empty(path: &Path) {
    let text = "<cib validate-with=\"pacemaker-3.9\" epoch=\"1\" num_updates=\"0\" admin_epoch=\"0\">\
                <configuration><crm_config/><nodes><node id=\"1\" uname=\"n1\"/></nodes><resources/>\
                <constraints/></configuration><status/></cib>";
    std::fs::write(path, text).unwrap();
}

/// `count` statements; agents are not asked for, since not every machine has them.
fn batch(count: usize) -> String {
    let mut text = String::from("property stonith-enabled=false\n");
    for n in 1..count {
        let _ = writeln!(
            text,
            "primitive p{n} ocf:heartbeat:Dummy params state=/run/p{n} op monitor interval=10s timeout=20s"
        );
    }
    text
}

fn main() {
    let Some(ours) = std::env::var("CRM_BIN").ok().filter(|path| !path.is_empty()) else {
        println!("CRM_BIN names no executable: nothing measured");
        return;
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine: {}", load.trim());
    let peer = Path::new(PEER).exists().then_some(PEER);
    let daemon = Daemon::start(&ours);
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("cib.xml");
    let small = batch(50);
    let live = daemon.place();
    let commit = |program: &str, place: &Place, fresh: Option<&Path>| {
        if let Some(path) = fresh {
            empty(path);
        } else {
            assert!(shell(program, place, &["-F", "configure"], "erase\n").1, "erase failed");
        }
        shell(program, place, &["-F", "configure"], &small)
    };
    let on_file = Place::File(file.clone());
    let took = median(5, || commit(&ours, &live, None));
    let theirs = peer.map(|p| median(2, || commit(p, &on_file, Some(&file))));
    report("50 lines with commit", took, theirs, 50);
    for words in [&["configure", "show"][..], &["status"]] {
        let took = median(TIMES, || shell(&ours, &live, words, ""));
        let theirs = peer.map(|p| median(PEER_TIMES, || shell(p, &on_file, words, "")));
        report(&words.join(" "), took, theirs, 10);
    }
    empty(&file);
    assert!(shell(&ours, &on_file, &["-F", "configure"], &batch(1000)).1, "1000 lines failed");
    let words = ["configure", "show"];
    let took = median(TIMES, || shell(&ours, &on_file, &words, ""));
    let theirs = peer.map(|p| median(2, || shell(p, &on_file, &words, "")));
    report("configure show of 1000 resources", took, theirs, 50);
    completion(&file);
}

/// Candidates for a line, among 1000 resources.
fn completion(file: &Path) {
    let cib = crm_core::cib::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut facts = Facts::new(Box::new(Installed::new(&[])));
    facts.take(&Configuration::new(&cib));
    for line in ["group g p1", "primitive x ocf:heartbeat:", "order o Mandatory: p5"] {
        let took = median(TIMES, || {
            let begin = Instant::now();
            let found = candidates(Level::Configure, line, &facts).1.len();
            (begin.elapsed(), found > 0)
        });
        report(&format!("completion of '{line}'"), took, None, 5);
    }
}

fn report(what: &str, ours: Duration, theirs: Option<Duration>, wanted_ms: u32) {
    let ms = |d: Duration| d.as_secs_f64() * 1000.0;
    print!("{what:34} {:8.1} ms (wanted: {wanted_ms} ms)", ms(ours));
    match theirs {
        Some(theirs) => {
            let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
            println!("   crmsh {:8.1} ms: {ratio:.0} times", ms(theirs));
        }
        None => println!(),
    }
}
