//! The lab itself: hosts, cables, power, and looking at them from outside.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::netlink::Netlink;
use crate::power::{Plugs, PowerEvent, PowerMode, Switchboard};
use crate::root::{self, Files};
use crate::{Doing, LabError, Result, STAGE};

/// A switch that hosts are plugged into: hosts get `prefix.(10 + number)`, the switch `.254`.
#[derive(Clone, Debug)]
pub struct Network {
    /// Interface name in the hosts.
    pub interface: String,
    /// The first three octets of a /24.
    pub prefix: [u8; 3],
}

impl Network {
    /// The address with this last octet.
    pub fn address(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, last)
    }

    fn bridge(&self) -> String {
        format!("br-{}", self.interface)
    }
}

/// What a host is made of.
#[derive(Clone, Debug, Default)]
pub struct HostSpec {
    /// Its name.
    pub name: String,
    /// Last octet of its address on every network, and its number.
    pub octet: u8,
    /// Files on its disk: path, mode, content.
    pub files: Vec<(PathBuf, u32, Vec<u8>)>,
    /// The program that it starts when it boots.
    pub service: Vec<String>,
}

/// A host, as the lab sees it.
struct Host {
    spec: HostSpec,
    root: PathBuf,
    running: Option<Running>,
    cut: bool,
    boots: u32,
}

struct Running {
    holder: Child,
    init: Pid,
}

/// Hosts, networks and the power switch. Everything is gone when the process ends.
pub struct Lab {
    base: PathBuf,
    networks: Vec<Network>,
    hosts: Arc<Mutex<Machines>>,
    power: Switchboard,
}

/// The port of the power switch on the second network.
const POWER_PORT: u16 = 7000;
/// The last octet of the switch's own address.
const SWITCH_OCTET: u8 = 254;
/// How long a host may take to boot.
const BOOT_LIMIT: Duration = Duration::from_secs(30);

struct Machines {
    hosts: BTreeMap<String, Host>,
    networks: Vec<Network>,
    program: PathBuf,
}

impl Lab {
    /// An empty lab whose hosts have the calling program as their `crm`. The first network joins
    /// the hosts, the second one carries the power switch.
    ///
    /// Call it inside [`isolate`](crate::isolate) only, before other threads exist.
    ///
    /// # Errors
    /// What the system refused. Everything made so far goes with the process.
    pub fn new(service: Network, management: Network) -> Result<Lab> {
        Self::carrying(Path::new("/proc/self/exe"), service, management)
    }

    /// The same with another program as the hosts' `crm`.
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn carrying(executable: &Path, service: Network, management: Network) -> Result<Lab> {
        let base = base_directory()?;
        mount(Some("crm-lab"), &base, Some("tmpfs"), MsFlags::empty(), None::<&str>)
            .doing(format!("mounting memory on {}", base.display()))?;
        let program = base.join("crm");
        fs::copy(executable, &program).doing("copying the program")?;
        let mut netlink = Netlink::open()?;
        netlink.set_up("lo", true)?;
        let networks = vec![service, management];
        for network in &networks {
            let [a, b, c] = network.prefix;
            netlink.add_bridge(&network.bridge(), [0x02, 0, a, b, c, SWITCH_OCTET])?;
        }
        let power = Switchboard::new();
        let machines = Machines { hosts: BTreeMap::new(), networks: networks.clone(), program };
        let lab = Lab { base, networks, hosts: Arc::new(Mutex::new(machines)), power };
        netlink.add_address(
            &lab.networks[1].bridge(),
            lab.networks[1].address(SWITCH_OCTET),
            24,
        )?;
        lab.start_power_switch()?;
        Ok(lab)
    }

    /// Where the power switch listens, as seen from the hosts.
    pub fn power_switch(&self) -> SocketAddr {
        (self.networks[1].address(SWITCH_OCTET), POWER_PORT).into()
    }

    fn start_power_switch(&self) -> Result<()> {
        let listener = TcpListener::bind(self.power_switch()).doing("starting the power switch")?;
        let (power, hosts) = (self.power.clone(), self.hosts.clone());
        std::thread::Builder::new()
            .name("power".into())
            .spawn(move || power.serve(&listener, &hosts))
            .doing("starting the power switch")?;
        Ok(())
    }

    /// Changes how the power switch behaves.
    pub fn set_power_mode(&self, mode: PowerMode) {
        self.power.set_mode(mode);
    }

    /// Every request to switch a host off or on, oldest first.
    pub fn power_log(&self) -> Vec<PowerEvent> {
        self.power.log()
    }

    /// Adds a host with an empty disk, switched off.
    ///
    /// # Errors
    /// What the system refused while its disk was laid out.
    pub fn add(&self, spec: HostSpec) -> Result<()> {
        let root = self.base.join(&spec.name);
        fs::create_dir(&root).doing(format!("making a disk for {}", spec.name))?;
        let files: Files = spec
            .files
            .iter()
            .map(|(p, mode, content)| (p.clone(), (*mode, content.clone())))
            .collect();
        root::prepare(&root, &spec.name, &files)?;
        let name = spec.name.clone();
        let host = Host { spec, root, running: None, cut: false, boots: 0 };
        self.locked().hosts.insert(name, host);
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, Machines> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names of all hosts.
    pub fn names(&self) -> Vec<String> {
        self.locked().names()
    }

    /// Switches a host on; its disk is as it was. Nothing happens if it is on.
    ///
    /// # Errors
    /// An unknown host, or what the system refused.
    pub fn power_on(&self, name: &str) -> Result<()> {
        self.locked().power_on(name)
    }

    /// Kills everything on a host at once, and returns when all of it is gone.
    ///
    /// # Errors
    /// An unknown host, or what the system refused.
    pub fn power_off(&self, name: &str) -> Result<()> {
        self.locked().power_off(name)
    }

    /// True while a host is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.locked().is_on(name) == Some(true)
    }

    /// Pulls the host's cable out of the service network, or plugs it in again.
    ///
    /// # Errors
    /// An unknown host, or what the kernel refused.
    pub fn set_cut(&self, name: &str, cut: bool) -> Result<()> {
        let mut machines = self.locked();
        let port = machines.networks[0].port(name);
        let host = machines.host(name)?;
        host.cut = cut;
        if host.running.is_some() { Netlink::open()?.set_up(&port, !cut) } else { Ok(()) }
    }

    /// A command that runs on a host that is on.
    ///
    /// # Errors
    /// The host is unknown or off.
    pub fn command(&self, name: &str, program: &[&str]) -> Result<Command> {
        let init = self.locked().init(name)?;
        let mut command = Command::new("/proc/self/exe");
        command.args([STAGE, "enter", &init.to_string(), "--"]).args(program);
        Ok(command)
    }

    /// Addresses of a host, asked of the kernel; none if it is off.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn addresses(&self, name: &str) -> Result<Vec<IpAddr>> {
        let Ok(init) = self.locked().init(name) else { return Ok(Vec::new()) };
        let Ok(space) = File::open(format!("/proc/{init}/ns/net")) else { return Ok(Vec::new()) };
        let look = move || {
            setns(space, CloneFlags::CLONE_NEWNET).doing("entering a host's network")?;
            Netlink::open()?.addresses()
        };
        match std::thread::spawn(look).join() {
            Ok(found) => found,
            Err(_) => Err(LabError::Host("looking at addresses failed".into())),
        }
    }

    /// Command lines of a host's processes, by the numbers they have in the host.
    ///
    /// Read from the host's process table through its root, not by asking anything that runs on
    /// it: a process that has changed its user hides its namespaces even from its maker.
    pub fn processes(&self, name: &str) -> Vec<(i32, String)> {
        let Ok(init) = self.locked().init(name) else { return Vec::new() };
        let table = PathBuf::from(format!("/proc/{init}/root/proc"));
        let entries = fs::read_dir(&table).into_iter().flatten().flatten();
        let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
        pids.filter_map(|pid| {
            let line = fs::read(table.join(pid.to_string()).join("cmdline")).ok()?;
            let words = line.split(|b| *b == 0).filter(|w| !w.is_empty());
            let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
            (!words.is_empty()).then(|| (pid, words.join(" ")))
        })
        .collect()
    }

    /// The content of a file on a host's disk (not of its memory: `/run` and `/tmp` are empty).
    pub fn disk(&self, name: &str, path: &str) -> Option<Vec<u8>> {
        let root = self.locked().hosts.get(name)?.root.clone();
        fs::read(root.join(path.trim_start_matches('/'))).ok()
    }

    /// A client on the service network at `prefix.octet` that polls `http://target/`.
    ///
    /// # Errors
    /// What the system refused.
    pub fn client(&self, octet: u8, target: SocketAddr, interval: Duration) -> Result<Client> {
        let network = self.networks[0].clone();
        let client = Client::new();
        let poller = client.clone();
        let (to_lab, from_client) = mpsc::channel();
        let (to_client, from_lab) = mpsc::channel::<()>();
        let address = network.address(octet);
        let interface = network.interface.clone();
        let life = move || -> Result<()> {
            unshare(CloneFlags::CLONE_NEWNET).doing("making the client's network")?;
            let space =
                File::open("/proc/thread-self/ns/net").doing("opening the client's network")?;
            let _ = to_lab.send(Ok(space));
            if from_lab.recv().is_err() {
                return Ok(());
            }
            let mut netlink = Netlink::open()?;
            netlink.add_address(&interface, address, 24)?;
            netlink.set_up(&interface, true)?;
            let _ = to_lab.send(File::open("/dev/null").doing("opening /dev/null"));
            poller.poll(target, interval);
            Ok(())
        };
        std::thread::Builder::new()
            .name("client".into())
            .spawn(life)
            .doing("starting the client")?;
        let gone = |_| LabError::Host("the client did not start".into());
        let space = from_client.recv().map_err(gone)??;
        Netlink::open()?.add_cable(
            &network.bridge(),
            "client",
            &network.interface,
            space.as_fd(),
        )?;
        to_client.send(()).map_err(|_| LabError::Host("the client did not start".into()))?;
        from_client.recv().map_err(gone)??;
        Ok(client)
    }
}

/// An existing directory to mount the lab on, so that no file of the machine is made or removed.
fn base_directory() -> Result<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let usable = |p: &Path| p.is_dir() && !here.starts_with(p);
    ["/mnt", "/media", "/opt", "/srv", "/home"]
        .into_iter()
        .map(PathBuf::from)
        .find(|p| usable(p))
        .ok_or_else(|| {
            LabError::Host("none of /mnt, /media, /opt and /srv exists to mount the lab on".into())
        })
}

impl Network {
    fn port(&self, host: &str) -> String {
        let mut port = format!("{}-{host}", self.interface);
        port.truncate(15);
        port
    }
}

impl Machines {
    fn host(&mut self, name: &str) -> Result<&mut Host> {
        self.hosts.get_mut(name).ok_or_else(|| LabError::Host(format!("there is no host {name}")))
    }

    fn init(&mut self, name: &str) -> Result<Pid> {
        let running = self.host(name)?.running.as_ref();
        running.map(|r| r.init).ok_or_else(|| LabError::Host(format!("{name} is off")))
    }

    fn power_on(&mut self, name: &str) -> Result<()> {
        let (networks, program) = (self.networks.clone(), self.program.clone());
        let host = self.host(name)?;
        if host.running.is_some() {
            return Ok(());
        }
        host.boots += 1;
        let boot_id = format!("{:08x}-0000-4000-8000-{:012x}", host.boots, host.spec.octet);
        let mut holder = Command::new("/proc/self/exe")
            .args([STAGE, "hold", name])
            .args([&host.root, &program])
            .arg(boot_id)
            .args(
                networks
                    .iter()
                    .map(|n| format!("{}={}/24", n.interface, n.address(host.spec.octet))),
            )
            .args((!host.spec.service.is_empty()).then_some("--"))
            .args(&host.spec.service)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .doing(format!("starting {name}"))?;
        let init = match bring_up(&mut holder, name, &networks, host.cut) {
            Ok(init) => init,
            Err(e) => {
                let _ = holder.kill();
                let _ = holder.wait();
                return Err(e);
            }
        };
        host.running = Some(Running { holder, init });
        Ok(())
    }

    fn power_off(&mut self, name: &str) -> Result<()> {
        let Some(mut running) = self.host(name)?.running.take() else { return Ok(()) };
        kill(running.init, Signal::SIGKILL).doing(format!("killing {name}"))?;
        running.holder.wait().doing(format!("waiting for the end of {name}"))?;
        // The kernel would take the cables away too, but at its leisure.
        let mut netlink = Netlink::open()?;
        self.networks.iter().try_for_each(|network| netlink.remove(&network.port(name)))
    }
}

fn bring_up(holder: &mut Child, name: &str, networks: &[Network], cut: bool) -> Result<Pid> {
    let broken = |line: &str| LabError::Host(format!("{name} did not start ({})", line.trim()));
    let (Some(mut orders), Some(answers)) = (holder.stdin.take(), holder.stdout.take()) else {
        return Err(broken("no pipes"));
    };
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(answers.take(65536)).lines();
        lines.map_while(std::result::Result::ok).for_each(|line| drop(send.send(line)));
    });
    let next = || receive.recv_timeout(BOOT_LIMIT).map_err(|_| broken("no answer"));
    if next()? != "namespaces" {
        return Err(broken("no namespaces"));
    }
    let path = format!("/proc/{}/ns/net", holder.id());
    let space = File::open(&path).doing(format!("opening {path}"))?;
    let mut netlink = Netlink::open()?;
    for (at, network) in networks.iter().enumerate() {
        let port = network.port(name);
        netlink.add_cable(&network.bridge(), &port, &network.interface, space.as_fd())?;
        if at == 0 && cut {
            netlink.set_up(&port, false)?;
        }
    }
    orders.write_all(b"go\n").doing(format!("starting {name}"))?;
    let line = next()?;
    let init =
        line.strip_prefix("init ").and_then(|p| p.parse().ok()).ok_or_else(|| broken(&line))?;
    match next()?.as_str() {
        "up" => Ok(Pid::from_raw(init)),
        other => Err(broken(other)),
    }
}

impl Plugs for Machines {
    fn names(&self) -> Vec<String> {
        self.hosts.keys().cloned().collect()
    }

    fn is_on(&self, name: &str) -> Option<bool> {
        self.hosts.get(name).map(|h| h.running.is_some())
    }

    fn switch(&mut self, name: &str, on: bool) -> std::result::Result<(), String> {
        let done = if on { self.power_on(name) } else { self.power_off(name) };
        done.map_err(|e| e.to_string())
    }
}
