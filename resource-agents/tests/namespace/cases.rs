//! What our agents must do.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::network::{addresses, cable};
use crate::{Call, Case};

pub const CASES: &[Case] = &[
    ("ipaddr2_ipv4_comes_and_goes", ipv4_comes_and_goes),
    ("ipaddr2_neighbours_are_told", neighbours_are_told),
    ("ipaddr2_ipv6_comes_and_goes", ipv6_comes_and_goes),
    ("ipaddr2_ipv6_duplicate_is_found", ipv6_duplicate_is_found),
    ("ipaddr2_other_addresses_stay", other_addresses_stay),
    ("ipaddr2_mistakes_are_explained", mistakes_are_explained),
    ("ipaddr2_duplicates_are_asked_for", duplicates_are_asked_for),
    ("ipaddr2_instances_have_their_addresses", instances_have_their_addresses),
    ("ipaddr2_labels_keep_it_from_being_a_source", labels),
    ("filesystem_bind_mount", filesystem_bind_mount),
    ("filesystem_stop_ends_users", filesystem_stop_ends_users),
    ("filesystem_submounts_and_read_only", filesystem_submounts),
];

/// A host with 10.91.0.11/24 on `v0`, cabled to `v1`.
fn host() {
    cable("v0", "v1");
    base("10.91.0.11").must("start", 0);
}

/// An address that belongs to the host.
fn base(ip: &str) -> Call {
    Call::ours("IPaddr2")
        .param("ip", ip)
        .param("nic", "v0")
        .param("cidr_netmask", if ip.contains(':') { "64" } else { "24" })
        .param("nodad", "true")
        .param("broadcast", "+")
        .param("arp_count", "0")
}

/// A service's address, to be placed by the routes.
fn service(ip: &str) -> Call {
    Call::ours("IPaddr2").param("ip", ip)
}

fn ipv4_comes_and_goes() {
    host();
    let vip = service("10.91.0.100").param("iflabel", "web");
    vip.must("monitor", 7);
    vip.must("validate-all", 0);
    for _ in 0..2 {
        vip.must("start", 0);
        vip.must("monitor", 0);
        let wanted = ["v0 10.91.0.11/24 10.91.0.255", "v0:web 10.91.0.100/24 10.91.0.255"];
        assert_eq!(addresses(), wanted);
    }
    vip.must("status", 0);
    service("10.91.0.100").param("cidr_netmask", "16").must("monitor", 7);
    for _ in 0..2 {
        vip.must("stop", 0);
        vip.must("monitor", 7);
    }
    let wide = service("10.91.0.100").param("cidr_netmask", "255.255.0.0").param("broadcast", "-");
    wide.must("start", 0);
    assert!(
        addresses().iter().any(|line| line.starts_with("v0 10.91.0.100/16")),
        "{:?}",
        addresses()
    );
    wide.must("stop", 0);
}

fn neighbours_are_told() {
    host();
    const ETH_P_ARP: u16 = 0x0806;
    let kind = socket2::Type::RAW;
    let protocol = socket2::Protocol::from(i32::from(ETH_P_ARP.to_be()));
    let mut wire = socket2::Socket::new(socket2::Domain::PACKET, kind, Some(protocol)).unwrap();
    wire.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut heard = |last: u8, count: usize| {
        let mut kinds = Vec::new();
        let mut packet = [0; 128];
        while kinds.len() < count {
            let length = wire.read(&mut packet).expect("an announcement within the time");
            // After 14 bytes of Ethernet: kind at 6, sender's address at 14, target's at 24.
            let arp = &packet[14..length];
            if arp[14..18] == [10, 91, 0, last] {
                assert_eq!(arp[24..28], [10, 91, 0, last]);
                assert_eq!(packet[..6], [0xff; 6]);
                kinds.push(arp[7]);
            }
        }
        kinds
    };
    let vip = |last: u8| {
        let ip = format!("10.91.0.{last}");
        service(&ip).param("arp_interval", "10").param("arp_count", "3").param("arp_bg", "false")
    };
    for (last, name, value, wanted) in [
        (100, "arp_sender", "send_arp", &[1, 2, 1, 2, 1, 2][..]),
        (101, "arp_sender", "iputils_arping", &[1, 1, 1]),
        (102, "arp_sender", "libnet_arping", &[1, 1, 1]),
        (103, "send_arp_opts", "-A", &[2, 2, 2]),
        (104, "send_arp_opts", "-U", &[1, 1, 1]),
    ] {
        let vip = vip(last).param(name, value);
        vip.must("start", 0);
        assert_eq!(heard(last, wanted.len()), wanted, "{name}={value}");
        vip.must("stop", 0);
    }
    // By default in the background, which is over when all have been heard.
    let vip = service("10.91.0.105").param("arp_interval", "10").param("arp_count", "3");
    vip.must("start", 0);
    assert_eq!(heard(105, 6), [1, 2, 1, 2, 1, 2]);
    vip.must("stop", 0);
}

fn ipv6_comes_and_goes() {
    cable("v0", "v1");
    base("fd00:91::11").must("start", 0);
    let vip = service("fd00:91::100").param("arp_count", "1");
    vip.must("monitor", 7);
    vip.must("start", 0);
    vip.must("start", 0);
    vip.must("monitor", 0);
    assert_eq!(addresses(), ["v0 fd00:91::100/64 -", "v0 fd00:91::11/64 -"]);
    vip.must("stop", 0);
    vip.must("stop", 0);
    vip.must("monitor", 7);
}

fn ipv6_duplicate_is_found() {
    cable("v0", "v1");
    base("fd00:91::11").must("start", 0);
    base("fd00:91::100").param("nic", "v1").must("start", 0);
    let vip = service("fd00:91::100").param("nic", "v0").param("arp_count", "0");
    let answer = vip.must("start", 1);
    assert!(answer.stderr.contains("another host has fd00:91::100"), "{}", answer.stderr);
    vip.must("monitor", 7);
}

fn other_addresses_stay() {
    cable("v0", "v1");
    let first = base("10.91.0.100");
    first.must("start", 0);
    base("10.91.0.101").must("start", 0);
    first.must("stop", 0);
    assert_eq!(addresses(), ["v0 10.91.0.101/24 10.91.0.255"]);
}

fn duplicates_are_asked_for() {
    host();
    let vip = service("10.91.0.100").param("run_arping", "true").param("arp_bg", "false");
    let vip = vip.param("arp_interval", "1").param("arp_count", "2");
    vip.must("start", 0);
    vip.must("stop", 0);
    base("10.91.0.100").param("nic", "v1").must("start", 0);
    let answer = vip.param("nic", "v0").must("start", 1);
    assert!(answer.stderr.contains("another host has 10.91.0.100"), "{}", answer.stderr);
}

fn instances_have_their_addresses() {
    host();
    let vip = service("10.91.0.100").param("unique_clone_address", "true");
    let vip = vip.set("OCF_RESKEY_CRM_meta_clone_max", "2").param("flush_routes", "true");
    let vip = vip.set("OCF_RESKEY_CRM_meta_globally_unique", "true").param("arp_count", "0");
    let vip = vip.set("OCF_RESKEY_CRM_meta_clone", "1");
    vip.must("start", 0);
    assert!(addresses().contains(&"v0 10.91.0.101/24 10.91.0.255".to_owned()), "{:?}", addresses());
    vip.must("stop", 0);
    assert_eq!(addresses().len(), 1);
}

fn labels() {
    cable("v0", "v1");
    base("fd00:91::11").must("start", 0);
    let vip = service("fd00:91::100").param("lvs_ipv6_addrlabel", "true").param("nodad", "true");
    for _ in 0..2 {
        let answer = vip.must("start", 0);
        assert!(!answer.stderr.contains("label"), "{}", answer.stderr);
        // It is gone after the stop, or it could not be added again.
        let answer = vip.must("stop", 0);
        assert!(!answer.stderr.contains("label"), "{}", answer.stderr);
    }
}

fn mistakes_are_explained() {
    host();
    for (call, code, words) in [
        (service("10.91.0.300"), 6, "neither an IPv4"),
        (service("0.0.0.0"), 6, "no host can have"),
        (service("192.168.7.7"), 2, "name one with \"nic\""),
        (service("10.91.0.9").param("nic", "v7"), 2, "no network interface \"v7\""),
        (service("10.91.0.9").param("cidr_netmask", "33"), 6, "from 0 to 32"),
        (service("10.91.0.9").param("iflabel", "much-too-long-for-this"), 6, "15 bytes"),
        (service("10.91.0.9").set("OCF_RESKEY_CRM_meta_clone_max", "2"), 6, "CLUSTERIP"),
        (service("10.91.0.9").param("unique_clone_address", "true"), 6, "globally-unique"),
        (service("fd00::9").param("lvs_support", "true"), 6, "IPv4 only"),
        (service("10.91.0.9").param("lvs_ipv6_addrlabel", "true"), 6, "IPv6 only"),
        (service("10.91.0.9").param("arp_sender", "pigeon"), 6, "one of"),
        (service("10.91.0.9").param("send_arp_opts", "-q"), 6, "no such option"),
        (service("10.91.0.9").param("arp_sender", "ipoibarping"), 6, "InfiniBand"),
        (service("10.91.0.9").param("network_namespace", "none"), 2, "network namespace"),
        (service("10.91.0.9").param("arp_count", "many"), 6, "from 0 to 100"),
    ] {
        for action in ["validate-all", "start"] {
            let answer = call.must(action, code);
            assert!(answer.stderr.contains(words), "{action}: {}", answer.stderr);
        }
    }
    assert_eq!(addresses(), ["v0 10.91.0.11/24 10.91.0.255"], "nothing was changed");
}

fn filesystem(root: &std::path::Path) -> Call {
    std::fs::create_dir_all(root.join("source")).unwrap();
    std::fs::write(root.join("source/page"), "hello").unwrap();
    Call::ours("Filesystem")
        .param("device", root.join("source").to_str().unwrap())
        .param("directory", root.join("a place").to_str().unwrap())
        .param("fstype", "none")
        .param("options", "bind")
        .param("signal_delay", "300ms")
}

fn filesystem_bind_mount() {
    let root = tempfile::tempdir().unwrap();
    let mount = filesystem(root.path());
    mount.must("monitor", 7);
    mount.must("start", 0);
    mount.must("start", 0);
    mount.must("monitor", 0);
    let place = root.path().join("a place");
    assert_eq!(std::fs::read_to_string(place.join("page")).unwrap(), "hello");
    mount.set_level("10").must("monitor", 0);
    mount.set_level("20").must("monitor", 0);
    mount.set_level("30").must("monitor", 6);
    let other = filesystem(root.path()).param("device", "/usr");
    let answer = other.must("start", 1);
    assert!(answer.stderr.contains("unmount it first"), "{}", answer.stderr);
    mount.must("stop", 0);
    mount.must("stop", 0);
    mount.must("monitor", 7);
}

impl Call {
    fn set_level(&self, level: &str) -> Call {
        let call = Call { program: self.program.clone(), environment: self.environment.clone() };
        call.set("OCF_CHECK_LEVEL", level)
    }
}

/// A process that runs until it is ended, and says when it has begun.
fn process(script: &str, ready: &std::path::Path) -> Child {
    let script = format!("{script}\necho > '{}'\nwhile :; do sleep 100; done", ready.display());
    let mut command = Command::new("/bin/sh");
    // What it leaves behind must not hold the suite's pipes.
    command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.process_group(0).spawn().unwrap();
    until(|| ready.exists());
    std::fs::remove_file(ready).unwrap();
    child
}

/// Ends a process and what it has started.
fn end(child: &mut Child) {
    let group = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    let _ = child.wait();
}

fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(60), "it did not come true");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn filesystem_stop_ends_users() {
    let root = tempfile::tempdir().unwrap();
    let mount = filesystem(root.path());
    mount.must("start", 0);
    let place = root.path().join("a place");
    let ready = root.path().join("ready");
    let file = place.join("page");
    let stays = format!("exec 9<'{}'", root.path().join("source/page").display());
    let mut stays = process(&stays, &ready);
    let mut inside = process(&format!("cd '{}'", place.display()), &ready);
    let mut stubborn = process(&format!("trap '' TERM; exec 9<'{}'", file.display()), &ready);
    let kept = filesystem(root.path()).param("force_unmount", "false").must("stop", 1);
    assert!(kept.stderr.contains("is in use by"), "{}", kept.stderr);
    mount.must("stop", 0);
    mount.must("monitor", 7);
    assert!(!inside.wait().unwrap().success(), "its directory is gone, and so is it");
    assert!(!stubborn.wait().unwrap().success(), "ignoring SIGTERM does not help");
    assert!(stays.try_wait().unwrap().is_none(), "the same file by another way is no reason");
    for child in [&mut stays, &mut inside, &mut stubborn] {
        end(child);
    }
}

fn filesystem_submounts() {
    let root = tempfile::tempdir().unwrap();
    let outer = filesystem(root.path());
    std::fs::create_dir_all(root.path().join("source/below")).unwrap();
    outer.must("start", 0);
    let below = root.path().join("a place/below");
    let inner = Call::ours("Filesystem")
        .param("device", "tmpfs")
        .param("directory", below.to_str().unwrap())
        .param("fstype", "tmpfs")
        .param("options", "size=1m,ro,noexec");
    inner.must("start", 0);
    inner.must("monitor", 0);
    assert!(std::fs::write(below.join("x"), "").is_err(), "it is read-only");
    outer.must("stop", 0);
    inner.must("monitor", 7);
    outer.must("monitor", 7);
}
