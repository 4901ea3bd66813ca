//! `IPaddr2`: an IPv4 or IPv6 address that moves with its service.
//!
//! All by netlink; no program is called. After a start neighbours are told at once (gratuitous
//! ARP, unsolicited neighbour advertisement), and again a few times by a process of its own that
//! ends when the address has gone.

use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::declare::{Action, Agent, Code, Context, Failure, Kind, Outcome, Parameter};

mod announce;
mod netlink;
mod network;

use netlink::{Address, Netlink};
use network::{Plan, Wanted};

use crate::state::StateFile;

/// The number of the loopback interface in every network.
const LOOPBACK: u32 = 1;
/// How long another host has to say that it has the address.
const DUPLICATE: Duration = Duration::from_secs(2);

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "IPaddr2",
    stands_in_for: &["heartbeat"],
    short: "An IPv4 or IPv6 address of a service",
    long: "Adds an address to a network interface, tells the neighbours where it is now, and \
           watches that it is there. Without \"nic\", the interface whose network holds the \
           address is taken.",
    parameters: &[
        Parameter {
            name: "ip",
            required: true,
            unique: true,
            short: "The address",
            long: "IPv4 in dotted quads or IPv6, without a prefix length.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "nic",
            short: "Network interface",
            long: "The interface that gets the address. Default: the one whose network holds it.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "cidr_netmask",
            short: "Prefix length or netmask",
            long: "As 24 or 255.255.255.0. Default: that of the network on the interface.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "broadcast",
            short: "Broadcast address",
            long: "For IPv4. Default: the last address of the network; \"-\" for none.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "iflabel",
            short: "Label",
            long: "Shown as NIC:LABEL by older programs; 15 bytes in all at most. IPv4 only.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "arp_interval",
            kind: Kind::Integer(0, 60_000),
            default: Some("200"),
            short: "Milliseconds between announcements",
            long: "Between two gratuitous ARP packets or neighbour advertisements.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "arp_count",
            kind: Kind::Integer(0, 100),
            default: Some("5"),
            short: "Announcements after a start",
            long: "How often the neighbours are told where the address is now.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "arp_count_refresh",
            kind: Kind::Integer(0, 100),
            default: Some("0"),
            short: "Announcements with each monitor",
            long: "How often the neighbours are told again whenever the address is checked.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "nodad",
            kind: Kind::Boolean,
            default: Some("false"),
            short: "No duplicate detection",
            long: "IPv6: use the address at once, without asking whether somebody has it.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "noprefixroute",
            kind: Kind::Boolean,
            default: Some("false"),
            short: "No route",
            long: "Do not let the kernel add a route to the address's network.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "preferred_lft",
            default: Some("forever"),
            short: "Preferred lifetime",
            long: "IPv6. Seconds, or \"forever\". 0: not used for outgoing connections.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "lvs_support",
            kind: Kind::Boolean,
            default: Some("false"),
            short: "Direct routing of LVS",
            long: "IPv4: where the address waits on the loopback interface as /32 it is taken from there at the start, and put back at the stop.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "lvs_ipv6_addrlabel",
            kind: Kind::Boolean,
            default: Some("false"),
            short: "Not for outgoing connections of LVS",
            long: "IPv6: gives the address a label of its own, so that it is not chosen as a source address.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "lvs_ipv6_addrlabel_value",
            kind: Kind::Integer(0, u32::MAX as i64),
            default: Some("99"),
            short: "That label",
            long: "One that \"ip addrlabel list\" does not show.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "mac",
            short: "Hardware address of a cluster IP",
            long: "Only of a clone with one address on several nodes, which is refused (see clusterip_hash).",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "clusterip_hash",
            short: "Hash of a cluster IP",
            long: "Only of a clone with one address on several nodes, which is refused: kernels have no CLUSTERIP any more.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "unique_clone_address",
            kind: Kind::Boolean,
            default: Some("false"),
            short: "An address for each instance",
            long: "As a globally unique clone: the instance's number is added to the last octet (IPv4).",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "arp_bg",
            kind: Kind::Boolean,
            short: "Announce in the background",
            long: "Default: true. If false, the start ends with the last announcement.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "arp_sender",
            kind: Kind::Select(&["send_arp", "iputils_arping", "libnet_arping", "ipoibarping"]),
            short: "Who announces",
            long: "The agent announces itself, as this program would: with \"send_arp\" (the default) by requests and replies, with one of \"arping\" by requests only. \"ipoibarping\" is refused.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "send_arp_opts",
            short: "Options for the announcement",
            long: "IPv4: -A (replies only) or -U (requests only); anything else is refused.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "flush_routes",
            kind: Kind::Boolean,
            default: Some("false"),
            short: "Forget cached routes at the stop",
            long: "For connections that still take a short cut to the address.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "run_arping",
            kind: Kind::Boolean,
            default: Some("false"),
            short: "IPv4: look for duplicates",
            long: "Ask for the address before it is added, and fail if another host answers. Takes two seconds.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "network_namespace",
            short: "Network namespace",
            long: "The name of one (\"ip netns\") that is there; the address lives in it.",
            ..Parameter::OPTIONAL
        },
    ],
    actions: &[Action::once("start", 20), Action::once("stop", 20), Action::monitor(20, 10)],
    run,
};

fn run(context: &Context, action: &str) -> Outcome {
    let wanted = Wanted::read(context)?;
    if let Some(name) = context.text("network_namespace")
        && let Err(failure) = enter(name)
    {
        return match action {
            // Where the namespace is not, neither is the address.
            "stop" => Ok(Code::Ok),
            "monitor" => Ok(Code::NotRunning),
            _ => Err(failure),
        };
    }
    match action {
        "start" => start(context, &wanted),
        "stop" => stop(context, &wanted),
        "monitor" => monitor(context, &wanted),
        "announce" => announce_repeatedly(context, &wanted),
        // The parameters were read above; what is left is whether they fit this host.
        _ => wanted.plan(&mut open()?).map(|_| Code::Ok),
    }
}

/// Goes on in a network namespace that has a name.
fn enter(name: &str) -> Result<(), Failure> {
    let wrong =
        |why: String| Failure::new(Code::Args, format!("the network namespace \"{name}\": {why}"));
    if name.contains('/') {
        return Err(wrong("this is no name".to_owned()));
    }
    let file = std::fs::File::open(Path::new("/run/netns").join(name))
        .map_err(|error| wrong(error.to_string()))?;
    nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET)
        .map_err(|error| wrong(error.to_string()))
}

fn open() -> Result<Netlink, Failure> {
    let failed = |error| Failure::new(Code::Error, format!("no access to netlink: {error}"));
    Netlink::open().map_err(failed)
}

/// Turns an error of the kernel into one that says what was being done.
fn doing<T>(result: std::io::Result<T>, what: impl FnOnce() -> String) -> Result<T, Failure> {
    result.map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Code::Permission,
            _ => Code::Error,
        };
        Failure::new(code, format!("{}: {error}", what()))
    })
}

/// The entries for the wanted address that are there now.
fn present(netlink: &mut Netlink, wanted: &Wanted) -> Result<Vec<Address>, Failure> {
    let nic = match &wanted.nic {
        Some(name) => match doing(netlink.link(name), || format!("looking up {name}"))? {
            Some(link) => Some(link.index),
            // An interface that is not there has no addresses.
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    let all = doing(netlink.addresses(wanted.ip), || "listing addresses".to_owned())?;
    let fits = |address: &Address| {
        address.ip == wanted.ip
            && nic.is_none_or(|index| index == address.index)
            && wanted.prefix.is_none_or(|prefix| prefix == address.prefix)
            && !(wanted.lvs && address.index == LOOPBACK)
    };
    Ok(all.into_iter().filter(fits).collect())
}

fn start(context: &Context, wanted: &Wanted) -> Outcome {
    let mut netlink = open()?;
    if let Some(address) = present(&mut netlink, wanted)?.first() {
        if !address.dad_failed {
            return Ok(Code::Ok);
        }
        let what = || format!("removing the duplicate {}", wanted.ip);
        doing(netlink.delete_address(address), what)?;
    }
    let plan = wanted.plan(&mut netlink)?;
    let nic = &plan.nic;
    if wanted.lvs {
        leave_loopback(context, &mut netlink, wanted)?;
    }
    if context.is_true("run_arping") {
        let asked = announce::collision(&plan, DUPLICATE);
        if doing(asked, || format!("asking for {}", plan.ip))? {
            let reason = format!("another host has {} already; stop it there first", plan.ip);
            return Err(Failure::new(Code::Error, reason));
        }
    }
    doing(netlink.set_up(plan.index), || format!("switching {nic} on"))?;
    let flags = (context.is_true("nodad"), context.is_true("noprefixroute"));
    let added = netlink.add_address(&plan, flags);
    doing(added, || format!("adding {}/{} to {nic}", plan.ip, plan.prefix))?;
    if let IpAddr::V6(_) = plan.ip
        && !context.is_true("nodad")
    {
        wait_for_dad(&mut netlink, wanted, &plan, context.timeout())?;
    }
    label(context, &mut netlink, wanted, true);
    if context.text("arp_bg").is_some() && !context.is_true("arp_bg") {
        return announce_repeatedly(context, wanted);
    }
    announce(context, wanted, &plan);
    Ok(Code::Ok)
}

/// Takes the address from the loopback interface, where LVS has it answer without being known,
/// and remembers that it was there.
fn leave_loopback(
    context: &Context,
    netlink: &mut Netlink,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let all = doing(netlink.addresses(wanted.ip), || "listing addresses".to_owned())?;
    let waits = |a: &&Address| a.ip == wanted.ip && a.index == LOOPBACK && a.prefix == 32;
    if let Some(address) = all.iter().find(waits) {
        StateFile::in_place(context, &wanted.ip.to_string())
            .write(&format!("{} 32 255.255.255.255 lo\n", wanted.ip))?;
        let removed = netlink.delete_address(address);
        doing(removed, || format!("taking {} from lo", wanted.ip))?;
    }
    Ok(())
}

/// Puts it back.
fn return_to_loopback(
    context: &Context,
    netlink: &mut Netlink,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let note = StateFile::in_place(context, &wanted.ip.to_string());
    if note.read()?.is_none() {
        return Ok(());
    }
    let link = doing(netlink.link_by_index(LOOPBACK), || "looking up lo".to_owned())?;
    if let Some(link) = link {
        let plan = Plan::on_loopback(wanted.ip, link);
        let added = netlink.add_address(&plan, (false, false));
        doing(added, || format!("putting {} back on lo", wanted.ip))?;
    }
    note.remove()
}

/// Adds or removes the label that keeps the address from being chosen as a source. Without it the
/// address works, so it is only said if it fails.
fn label(context: &Context, netlink: &mut Netlink, wanted: &Wanted, add: bool) {
    let IpAddr::V6(ip) = wanted.ip else { return };
    if !context.is_true("lvs_ipv6_addrlabel") {
        return;
    }
    let value = u32::try_from(context.integer("lvs_ipv6_addrlabel_value")).unwrap_or(99);
    if let Err(error) = netlink.address_label(ip, value, add) {
        warn(&format!("the label {value} of {ip}: {error}"));
    }
}

/// Waits until the kernel has made sure that nobody else has the address.
fn wait_for_dad(
    netlink: &mut Netlink,
    wanted: &Wanted,
    plan: &Plan,
    limit: Duration,
) -> Result<(), Failure> {
    let started = Instant::now();
    loop {
        let entries = present(netlink, wanted)?;
        let Some(address) = entries.iter().find(|address| address.index == plan.index) else {
            let reason = format!("{} vanished from {} while it was added", plan.ip, plan.nic);
            return Err(Failure::new(Code::Error, reason));
        };
        if address.dad_failed {
            let _ = netlink.delete_address(address);
            let reason = format!("another host has {} already; stop it there first", plan.ip);
            return Err(Failure::new(Code::Error, reason));
        }
        if !address.tentative {
            return Ok(());
        }
        if started.elapsed() >= limit {
            let _ = netlink.delete_address(address);
            let reason = format!(
                "duplicate detection for {} does not end: has {} a link?",
                plan.ip, plan.nic
            );
            return Err(Failure::new(Code::Error, reason));
        }
        sleep(Duration::from_millis(20));
    }
}

/// Tells the neighbours, by a process of its own, so that the start is not held up: closing a
/// packet socket waits for the kernel's whole network stack, on a busy machine for seconds.
fn announce(context: &Context, wanted: &Wanted, plan: &Plan) {
    if context.integer("arp_count") == 0 {
        return;
    }
    let started = Command::new("/proc/self/exe")
        .args(["agent", crate::PROVIDER, AGENT.name, "announce"])
        .env_clear()
        .envs(context.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    if let Err(error) = started {
        warn(&format!("the address is announced only once: {error}"));
        if let Err(error) = announce::once(plan, wanted.packets) {
            warn(&format!("announcing {} on {} failed: {error}", plan.ip, plan.nic));
        }
    }
}

/// All announcements. Before each, the address must still be ours: another node may have it by
/// now, and must not lose its traffic to us.
fn announce_repeatedly(context: &Context, wanted: &Wanted) -> Outcome {
    let interval = context.integer("arp_interval").unsigned_abs();
    let mut netlink = open()?;
    for round in 0..context.integer("arp_count") {
        if round > 0 {
            sleep(Duration::from_millis(interval));
        }
        let Some(address) = present(&mut netlink, wanted)?.first().cloned() else { break };
        let link = doing(netlink.link_by_index(address.index), || "looking up".to_owned())?;
        let Some(link) = link else { break };
        let _ = announce::once(&Plan::of(&address, &link), wanted.packets);
    }
    Ok(Code::Ok)
}

fn stop(context: &Context, wanted: &Wanted) -> Outcome {
    let mut netlink = open()?;
    for address in present(&mut netlink, wanted)? {
        keep_secondaries(&mut netlink, &address);
        match netlink.delete_address(&address) {
            Err(error) if error.raw_os_error() != Some(nix::libc::EADDRNOTAVAIL) => {
                return doing(Err(error), || format!("removing {}", wanted.ip));
            }
            _ => {}
        }
        label(context, &mut netlink, wanted, false);
        if context.is_true("flush_routes") {
            // Newer kernels cache none; then there is nothing to be done.
            let _ = std::fs::write("/proc/sys/net/ipv4/route/flush", "1");
        }
    }
    if wanted.lvs {
        return_to_loopback(context, &mut netlink, wanted)?;
    }
    Ok(Code::Ok)
}

/// Taking away the first address of a network takes the others of that network along, unless the
/// kernel is told otherwise.
fn keep_secondaries(netlink: &mut Netlink, address: &Address) {
    if address.secondary || address.ip.is_ipv6() {
        return;
    }
    if let Ok(Some(link)) = netlink.link_by_index(address.index) {
        let switch = format!("/proc/sys/net/ipv4/conf/{}/promote_secondaries", link.name);
        // Not to be had in some containers; then there is nothing to be done.
        let _ = std::fs::write(switch, "1");
    }
}

fn monitor(context: &Context, wanted: &Wanted) -> Outcome {
    let mut netlink = open()?;
    let entries = present(&mut netlink, wanted)?;
    let Some(address) = entries.first() else { return Ok(Code::NotRunning) };
    if address.dad_failed {
        let reason = format!("another host has {} as well", wanted.ip);
        return Err(Failure::new(Code::Error, reason));
    }
    if !context.is_probe() {
        for _ in 0..context.integer("arp_count_refresh") {
            let link = doing(netlink.link_by_index(address.index), || "looking up".to_owned())?;
            if let Some(link) = link {
                let _ = announce::once(&Plan::of(address, &link), wanted.packets);
            }
        }
    }
    Ok(Code::Ok)
}

fn warn(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "WARNING: {text}");
}
