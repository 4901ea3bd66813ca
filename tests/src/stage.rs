//! A test program that is the executable, too: in the lab's hosts it answers to the names of shell,
//! daemon and commands, so that tests need no release build to drive real daemons.

use std::io::Write as _;
use std::path::Path;
use std::process::{ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use crm_lab::{HostSpec, Isolation, Lab, LabError, Network, STAGE, isolate, run_stage};
use crm_shell::compat::{mon, tools};
use libtest_mimic::{Arguments, Failed, Trial};

type Program = (&'static str, fn(&[String]) -> ExitCode);

/// What is no tool; the shell takes whatever is left.
const PROGRAMS: &[Program] = &[("crm_mon", mon::main), ("crmd", daemon), (STAGE, run_stage)];

/// Runs the program of that name, if there is one.
fn run_named(name: &str, arguments: &[String]) -> Option<ExitCode> {
    if let Some((_, run)) = PROGRAMS.iter().find(|(n, _)| *n == name) {
        return Some(run(arguments));
    }
    let (_, run) = tools::TOOLS.iter().find(|(n, _)| *n == name)?;
    Some(run(arguments, &[]))
}

/// Far beyond what anything takes on a busy machine; only what hangs reaches it.
const LIMIT: Duration = Duration::from_secs(300);

fn daemon(arguments: &[String]) -> ExitCode {
    crmd::run(arguments, crmd::Carried { agents: Vec::new(), make_links })
}

fn make_links(directory: &Path) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let names = PROGRAMS.iter().map(|(name, _)| *name);
    let names = names.chain(tools::TOOLS.iter().map(|(name, _)| *name));
    for name in names.chain(["crm"]) {
        let link = directory.join(name);
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&own, &link).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Runs the program that this process was called as, if it is not the test itself.
fn as_program(words: &[String]) -> Option<ExitCode> {
    let (called, arguments) = words.split_first()?;
    let called = Path::new(called).file_name()?.to_str()?;
    let second = || arguments.split_first().and_then(|(first, rest)| run_named(first, rest));
    let shell = || (called == "crm").then(|| crm_shell::run(arguments, &[]));
    run_named(called, arguments).or_else(second).or_else(shell)
}

/// A test on a stage, and what must be on the machine for it (files; the first missing one is
/// named).
pub struct Scene {
    /// Its name.
    pub name: &'static str,
    /// Files without which it is ignored.
    pub needs: &'static [&'static str],
    /// What it runs changes to users of its own, which only root can.
    pub users: bool,
    /// The test.
    pub play: fn(&Stage) -> Result<(), Failed>,
}

/// `main` of a test of scenes. `make` lays out the hosts, switched off.
pub fn main(scenes: &'static [Scene], make: fn() -> Result<Stage, LabError>) -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let Some(code) = as_program(&words) {
        return code;
    }
    let arguments = Arguments::from_args();
    if arguments.list {
        return finish(&arguments, scenes, make, true);
    }
    match isolate() {
        Ok(Isolation::Ended(code)) => code,
        Ok(Isolation::Inside) => finish(&arguments, scenes, make, false),
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "ignored: {e}");
            finish(&arguments, scenes, make, true)
        }
    }
}

fn finish(
    arguments: &Arguments,
    scenes: &'static [Scene],
    make: fn() -> Result<Stage, LabError>,
    ignored: bool,
) -> ExitCode {
    let trial = |scene: &'static Scene| {
        let missing = scene.needs.iter().find(|f| !Path::new(f).exists());
        let alone = scene.users && !other_users();
        if alone && !arguments.list {
            let _ = writeln!(std::io::stderr(), "ignored: {}: needs root", scene.name);
        }
        if let (Some(file), false) = (missing, arguments.list) {
            let _ = writeln!(std::io::stderr(), "ignored: {}: there is no {file}", scene.name);
        }
        Trial::test(scene.name, move || with_stage(make, scene.play))
            .with_ignored_flag(ignored || missing.is_some() || alone)
    };
    // One lab a process: its first user makes it, so the scenes are played one after the other.
    let single = Arguments { test_threads: Some(1), ..arguments.clone() };
    libtest_mimic::run(&single, scenes.iter().map(trial).collect()).exit_code()
}

/// Whether there is any user here but our own.
fn other_users() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(2).is_some_and(|count| count != "1")
}

fn with_stage(
    make: fn() -> Result<Stage, LabError>,
    play: fn(&Stage) -> Result<(), Failed>,
) -> Result<(), Failed> {
    static STAGE: std::sync::OnceLock<Result<Stage, String>> = std::sync::OnceLock::new();
    let stage = STAGE.get_or_init(|| make().map_err(|e| e.to_string())).as_ref()?;
    let outcome = play(stage);
    for name in stage.lab.names() {
        if outcome.is_err() {
            let log = stage.lab.disk(&name, "/var/log/crm.log").unwrap_or_default();
            let text = String::from_utf8_lossy(&log).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(60)..].join("\n");
            let _ = writeln!(std::io::stderr(), "--- the end of the log of {name}:\n{last}");
        }
        stage.lab.power_off(&name)?;
    }
    outcome
}

/// Hosts with daemons.
pub struct Stage {
    /// The machines.
    pub lab: Lab,
}

/// Every host begins with this: the machine's agents, and a supervisor for the daemon.
const BOOT: &str = "#!/bin/sh\n\
    ln -sfn /.machine/usr/lib/ocf /usr/lib/ocf\n\
    while :; do crm crmd; [ -e /run/halt ] && break; done\n";

impl Stage {
    /// Hosts with these names, one cluster for each list, with some files on each.
    pub fn new(clusters: &[&[&str]], files: &[(&str, u32, &str)]) -> Result<Stage, LabError> {
        let network =
            |name: &str, third| Network { interface: name.into(), prefix: [10, 94, third] };
        let lab = Lab::new(network("eth0", 0), network("mgmt0", 1))?;
        let key: Vec<u8> = (0..64).collect();
        let mut octet = 10;
        for names in clusters {
            let first = octet + 1;
            for name in *names {
                octet += 1;
                let plug_in = PLUG_IN.replace("@SWITCH@", &lab.power_switch().to_string());
                let own = [
                    ("/srv/boot", 0o755, BOOT),
                    ("/etc/hosts", 0o644, "127.0.0.1 localhost\n"),
                    ("/var/lib/crm/.keep", 0o644, ""),
                    ("/usr/lib/stonith/plugins/external/switch", 0o755, &*plug_in),
                ];
                let text = |(path, mode, text): &(&str, u32, &str)| {
                    ((*path).into(), *mode, text.as_bytes().to_vec())
                };
                let mut all: Vec<_> = own.iter().chain(files).map(text).collect();
                all.push(("/etc/crm/cluster.conf".into(), 0o644, conf(names, first).into_bytes()));
                all.push(("/etc/crm/authkey".into(), 0o400, key.clone()));
                lab.add(HostSpec {
                    name: (*name).into(),
                    octet,
                    files: all,
                    service: vec!["sh".into(), "/srv/boot".into()],
                })?;
            }
        }
        Ok(Stage { lab })
    }

    /// Runs a script on a host; what it printed, or a failure.
    pub fn sh(&self, host: &str, script: &str) -> Result<String, Failed> {
        let output = self.run(host, &["sh", "-c", script])?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
        } else {
            let said = [output.stdout, output.stderr].concat();
            Err(format!("{host}: {script}: {}", String::from_utf8_lossy(&said)).into())
        }
    }

    /// Runs a program on a host.
    pub fn run(&self, host: &str, words: &[&str]) -> Result<Output, Failed> {
        Ok(self.lab.command(host, words)?.stdin(Stdio::null()).output()?)
    }

    /// Switches hosts on and waits until their daemons have formed their cluster and are idle.
    pub fn up(&self, hosts: &[&str]) -> Result<(), Failed> {
        hosts.iter().try_for_each(|host| self.lab.power_on(host))?;
        self.rest(hosts)
    }

    /// Waits until exactly these hosts are members and nothing is to be done.
    pub fn rest(&self, hosts: &[&str]) -> Result<(), Failed> {
        self.until(&format!("{hosts:?} are members and idle"), || {
            hosts.iter().all(|host| {
                let ask = "crm crm_mon -1 --output-as=xml";
                let Ok(text) = self.sh(host, ask) else { return false };
                let Ok(document) = crm_core::cib::parse(&text) else { return false };
                let nodes = document.child("nodes").into_iter().flat_map(|n| n.children());
                let online: Vec<&str> = nodes
                    .filter(|n| {
                        n.attr("online") == Some("true") && n.attr("pending") == Some("false")
                    })
                    .filter_map(|n| n.attr("name"))
                    .collect();
                let Some(dc) = document.at(&["summary", "current_dc"]).and_then(|d| d.attr("name"))
                else {
                    return false;
                };
                online == hosts
                    && self
                        .sh(host, &format!("crm crmadmin -S {dc}"))
                        .is_ok_and(|said| said.contains("S_IDLE"))
            })
        })
    }

    /// Waits until something is so.
    pub fn until(&self, what: &str, so: impl Fn() -> bool) -> Result<(), Failed> {
        let start = Instant::now();
        while !so() {
            if start.elapsed() > LIMIT {
                return Err(format!("not seen within {} s: {what}", LIMIT.as_secs()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Feeds lines to `crm configure` on a host.
    pub fn configure(&self, host: &str, text: &str) -> Result<(), Failed> {
        let script = format!("crm configure <<'END'\n{text}\nEND");
        self.sh(host, &script).map(drop)
    }

    /// The processes of a host whose command line contains `text`, by number.
    pub fn processes(&self, host: &str, text: &str) -> Vec<i32> {
        let mut found: Vec<i32> = self
            .lab
            .processes(host)
            .into_iter()
            .filter(|(_, line)| line.contains(text))
            .map(|(pid, _)| pid)
            .collect();
        found.sort_unstable();
        found
    }
}

/// The cluster configuration. The token is long, so that nothing depends on the machine's speed.
fn conf(names: &[&str], first: u8) -> String {
    let mut text = format!(
        "totem {{\n version: 2\n cluster_name: {}\n token: 20000\n}}\n\
         quorum {{\n provider: corosync_votequorum\n}}\n\
         logging {{\n to_logfile: yes\n logfile: /var/log/crm.log\n to_syslog: no\n}}\nnodelist {{\n",
        names[0]
    );
    for (number, name) in (1..).zip(names) {
        let octet = first + number - 1;
        text += &format!(
            " node {{\n  name: {name}\n  nodeid: {number}\n  ring0_addr: 10.94.0.{octet}\n }}\n"
        );
    }
    text + "}\n"
}

/// A STONITH plug-in for the lab's power switch.
const PLUG_IN: &str = "#!/bin/sh\n\
    switch=@SWITCH@\n\
    case \"$1\" in\n\
    gethosts) for host in $hostlist; do echo $host; done ;;\n\
    status) crm lab-stage power $switch list > /dev/null ;;\n\
    off | on) crm lab-stage power $switch $1 $2 ;;\n\
    reset) crm lab-stage power $switch off $2 && crm lab-stage power $switch on $2 ;;\n\
    getconfignames) echo hostlist ;;\n\
    getinfo-xml) echo '<parameters><parameter name=\"hostlist\"><content type=\"string\"/>\
    </parameter></parameters>' ;;\n\
    getinfo-*) echo switch ;;\n\
    *) exit 1 ;;\n\
    esac\n";
