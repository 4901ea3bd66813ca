//! The stage: three nodes, a client, and a watcher that sees everything from outside.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crm_core::cib::parse;
use crm_lab::{Client, HostSpec, Lab, LabError, Network};

use super::files;

/// The names of the nodes.
pub(super) const NODES: [&str; 3] = ["node1", "node2", "node3"];
/// The address that the cluster provides.
pub(super) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 100);
const SERVICE_PREFIX: [u8; 3] = [10, 91, 0];
const MANAGEMENT_PREFIX: [u8; 3] = [10, 92, 0];
/// How often the watcher looks at every node.
const LOOK: Duration = Duration::from_millis(10);
/// How often the daemons are asked whether they have come to rest.
const SETTLE_LOOK: Duration = Duration::from_millis(100);
/// How often the client asks for the page.
const POLL: Duration = Duration::from_millis(10);

/// Something a scene could not do or did not see; the text says what.
pub(super) type Outcome<T = ()> = Result<T, String>;

/// What the watcher has seen of the service address.
#[derive(Default)]
struct Sightings {
    /// Who has it now, and since when.
    holders: BTreeMap<&'static str, Instant>,
    /// Every change: when, which node, whether it has the address now.
    changes: Vec<(Instant, &'static str, bool)>,
    /// The first time that two nodes had it at once.
    twice: Option<Vec<&'static str>>,
    trouble: Option<String>,
}

/// The running demo.
pub(super) struct Stage {
    pub(super) lab: Arc<Lab>,
    pub(super) client: Client,
    seen: Arc<Mutex<Sightings>>,
}

impl Stage {
    /// Lays out the nodes (switched off), the client and the watcher.
    pub(super) fn set_up() -> Result<Stage, LabError> {
        let network = |interface: &str, prefix| Network { interface: interface.into(), prefix };
        let lab = Lab::new(network("eth0", SERVICE_PREFIX), network("mgmt0", MANAGEMENT_PREFIX))?;
        let conf = files::cluster_conf(&NODES, SERVICE_PREFIX);
        let key = random_key()
            .map_err(|source| LabError::System { what: "making a key".into(), source })?;
        for (number, name) in (1..).zip(NODES) {
            lab.add(HostSpec {
                name: name.into(),
                octet: 10 + number,
                files: files::of_node(name, &conf, &key, lab.power_switch()),
                service: vec!["crm".into(), "crmd".into()],
            })?;
        }
        let client = lab.client(250, (SERVICE, 80).into(), POLL)?;
        let lab = Arc::new(lab);
        let seen = Arc::new(Mutex::new(Sightings::default()));
        let (watched, notes) = (lab.clone(), seen.clone());
        std::thread::Builder::new()
            .name("watcher".into())
            .spawn(move || watch(&watched, &notes))
            .map_err(|source| LabError::System { what: "starting the watcher".into(), source })?;
        Ok(Stage { lab, client, seen })
    }

    fn seen(&self) -> MutexGuard<'_, Sightings> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node that has the service address, if exactly one has it.
    pub(super) fn holder(&self) -> Option<&'static str> {
        let seen = self.seen();
        let mut holders = seen.holders.keys();
        holders.next().copied().filter(|_| holders.next().is_none())
    }

    /// When `node` got the service address for the first time after `start`.
    pub(super) fn gained(&self, node: &str, start: Instant) -> Option<Instant> {
        let seen = self.seen();
        seen.changes.iter().find(|(at, who, has)| *at >= start && *who == node && *has).map(|c| c.0)
    }

    /// Nodes that got the service address after `start`, and when, oldest first.
    pub(super) fn gains(&self, start: Instant) -> Vec<(&'static str, Instant)> {
        let seen = self.seen();
        seen.changes
            .iter()
            .filter(|(at, _, has)| *at >= start && *has)
            .map(|c| (c.1, c.0))
            .collect()
    }

    /// Fails if two nodes were ever seen with the address, or if watching failed.
    pub(super) fn never_twice(&self) -> Outcome {
        let seen = self.seen();
        match (&seen.twice, &seen.trouble) {
            (Some(nodes), _) => Err(format!("{SERVICE} was on {} at once", nodes.join(" and "))),
            (None, Some(trouble)) => Err(format!("the watcher failed: {trouble}")),
            (None, None) => Ok(()),
        }
    }

    /// True if a process of `node` has `text` in its command line.
    pub(super) fn runs(&self, node: &str, text: &str) -> bool {
        self.lab.processes(node).iter().any(|(_, line)| line.contains(text))
    }

    /// True if the web server's process is there, whichever kind it is.
    pub(super) fn serves(&self, node: &str) -> bool {
        let server = if files::has_nginx() { "nginx: " } else { "lab-stage web" };
        self.runs(node, server)
    }

    /// Runs a program on a node and returns what it printed.
    pub(super) fn run(&self, node: &str, program: &[&str]) -> Outcome<Output> {
        let mut command = self.lab.command(node, program).map_err(|e| e.to_string())?;
        command.stdin(Stdio::null()).output().map_err(|e| format!("{}: {e}", program.join(" ")))
    }

    /// Runs a `crm` command on a node; an exit code other than 0 is a failure.
    pub(super) fn crm(&self, node: &str, words: &[&str]) -> Outcome<String> {
        let program = [&["crm"], words].concat();
        let output = self.run(node, &program)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(format!(
                "'{}' failed: {}{}",
                program.join(" "),
                text(&output.stderr),
                text(&output.stdout)
            ))
        }
    }

    /// True if the daemon of `node` counts exactly these nodes as members and has nothing to do.
    ///
    /// Used to know when to go on, never as evidence.
    pub(super) fn settled(&self, node: &str, members: &[&str]) -> bool {
        let Ok(output) = self.run(node, &["crm", "crm_mon", "-1", "--output-as=xml"]) else {
            return false;
        };
        let Ok(document) = parse(&String::from_utf8_lossy(&output.stdout)) else { return false };
        let online: Vec<&str> = document
            .child("nodes")
            .into_iter()
            .flat_map(|n| n.children_named("node"))
            .filter(|n| n.attr("online") == Some("true") && n.attr("pending") == Some("false"))
            .filter_map(|n| n.attr("name"))
            .collect();
        let dc = document.at(&["summary", "current_dc"]).and_then(|dc| dc.attr("name"));
        let (Some(dc), true) = (dc, online == members) else { return false };
        self.run(node, &["crm", "crmadmin", "-S", dc])
            .is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("S_IDLE"))
    }

    /// Plugs every cable in, switches every node on, and waits until all are members.
    pub(super) fn all_together(&self) -> Outcome {
        for node in NODES {
            self.lab
                .set_cut(node, false)
                .and_then(|()| self.lab.power_on(node))
                .map_err(|e| e.to_string())?;
        }
        self.until_settled()
    }

    /// Waits until all three daemons agree that all three are members and nothing is to be done.
    pub(super) fn until_settled(&self) -> Outcome {
        let looked = std::cell::Cell::new(Instant::now() - SETTLE_LOOK);
        until(Duration::from_secs(60), "three members and nothing to do", || {
            // Asking starts programs, and those would disturb what is being measured.
            if looked.get().elapsed() < SETTLE_LOOK {
                return false;
            }
            looked.set(Instant::now());
            NODES.iter().all(|node| self.settled(node, &NODES))
        })
    }
}

/// Waits until `seen` is true; a failure says what was not seen.
pub(super) fn until(limit: Duration, what: &str, seen: impl Fn() -> bool) -> Outcome {
    let start = Instant::now();
    while !seen() {
        if start.elapsed() > limit {
            return Err(format!("not seen within {} s: {what}", limit.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn watch(lab: &Lab, seen: &Mutex<Sightings>) {
    let locked = || seen.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let round = Instant::now();
        NODES.iter().for_each(|node| look(lab, node, &mut locked()));
        if locked().holders.len() > 1 {
            // The address may have moved between two looks: only what a second look confirms counts.
            NODES.iter().for_each(|node| look(lab, node, &mut locked()));
            let mut seen = locked();
            if seen.holders.len() > 1 && seen.twice.is_none() {
                seen.twice = Some(seen.holders.keys().copied().collect());
            }
        }
        std::thread::sleep(LOOK.saturating_sub(round.elapsed()));
    }
}

fn look(lab: &Lab, node: &'static str, seen: &mut Sightings) {
    match lab.addresses(node).map(|all| all.contains(&IpAddr::V4(SERVICE))) {
        Ok(has) if has != seen.holders.contains_key(node) => {
            let now = Instant::now();
            seen.changes.push((now, node, has));
            if has {
                seen.holders.insert(node, now);
            } else {
                seen.holders.remove(node);
            }
        }
        Ok(_) => {}
        // A node that dies while it is looked at has no addresses; the next look says so.
        Err(_) if !lab.is_on(node) => {}
        Err(e) => seen.trouble = Some(e.to_string()),
    }
}

fn random_key() -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut key = vec![0; 256];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(key)
}
