//! The same calls to our agents and to those of the resource-agents package: same exit codes, same
//! state of the host after each.

use crate::network::{addresses, cable};
use crate::{Call, Case};

/// Where the package keeps its agents.
pub const THEIRS: &str = "/usr/lib/ocf/resource.d/heartbeat";

pub const CASES: &[Case] = &[
    ("side_by_side_ipaddr2", ipaddr2),
    ("side_by_side_ipaddr2_by_nic", ipaddr2_by_nic),
    ("side_by_side_ipaddr2_ipv6", ipaddr2_ipv6),
    ("side_by_side_dummy", dummy),
    ("side_by_side_delay", delay),
    ("side_by_side_filesystem", filesystem),
];

/// Makes the same calls to both and compares after each step.
fn compare(kind: &str, params: &[(&str, &str)], actions: &[&str], state: impl Fn() -> Vec<String>) {
    let with = |mut call: Call| {
        for (name, value) in params {
            call = call.param(name, value);
        }
        actions
            .iter()
            .map(|action| {
                let answer = call.run(action);
                (format!("{action}: exit {}, then {:?}", answer.code, state()), answer.stderr)
            })
            .unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let (ours, our_words) = with(Call::ours(kind));
    let tools = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/true", tools.path().join("modprobe")).unwrap();
    let path = format!("/usr/sbin:/usr/bin:/sbin:/bin:{}", tools.path().display());
    let (theirs, their_words) = with(Call::theirs(kind).set("PATH", &path));
    assert_eq!(ours, theirs, "{params:?}\nours: {our_words:#?}\ntheirs: {their_words:#?}");
}

const LIFE: &[&str] =
    &["monitor", "start", "start", "monitor", "stop", "stop", "monitor", "validate-all"];

fn base() {
    cable("v0", "v1");
    let base = Call::ours("IPaddr2").param("nic", "v0").param("arp_count", "0");
    let base = base.param("broadcast", "+").param("ip", "10.91.0.11");
    base.param("cidr_netmask", "24").must("start", 0);
    let base = Call::ours("IPaddr2").param("nic", "v0").param("nodad", "true");
    base.param("ip", "fd00:91::11").param("cidr_netmask", "64").must("start", 0);
}

fn ipaddr2() {
    base();
    let quiet = ("arp_count", "1");
    compare("IPaddr2", &[("ip", "10.91.0.100"), quiet], LIFE, addresses);
    compare("IPaddr2", &[("ip", "10.91.0.100"), ("cidr_netmask", "24"), quiet], LIFE, addresses);
    compare("IPaddr2", &[("ip", "10.91.0.100"), ("iflabel", "web"), quiet], LIFE, addresses);
    compare(
        "IPaddr2",
        &[("ip", "10.91.0.300"), quiet],
        &["validate-all", "start", "stop"],
        addresses,
    );
    compare("IPaddr2", &[quiet], &["validate-all", "start", "monitor", "stop"], addresses);
}

fn ipaddr2_by_nic() {
    base();
    let params = [("ip", "10.7.0.1"), ("nic", "v1"), ("cidr_netmask", "16"), ("arp_count", "1")];
    compare("IPaddr2", &params, LIFE, addresses);
}

fn ipaddr2_ipv6() {
    base();
    let params =
        [("ip", "fd00:91::100"), ("cidr_netmask", "64"), ("nic", "v0"), ("arp_count", "1")];
    compare("IPaddr2", &params, LIFE, addresses);
}

fn dummy() {
    let none = Vec::new;
    compare("Dummy", &[], LIFE, none);
    compare("Dummy", &[], &["dance", "migrate_to", "monitor"], none);
}

fn delay() {
    let params = [("startdelay", "0"), ("stopdelay", "0"), ("mondelay", "0")];
    compare("Delay", &params, LIFE, Vec::new);
}

fn filesystem() {
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::create_dir(root.path().join("place")).unwrap();
    let place = root.path().join("place").display().to_string();
    let mounts = || {
        let table = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let ours = table.lines().filter(|line| line.contains(&place));
        ours.map(str::to_owned).collect()
    };
    let source = source.display().to_string();
    let params = [
        ("device", source.as_str()),
        ("directory", &place),
        ("fstype", "none"),
        ("options", "bind"),
    ];
    compare("Filesystem", &params, LIFE, mounts);
    let params = [("device", "tmpfs"), ("directory", &place), ("fstype", "tmpfs")];
    compare("Filesystem", &params, LIFE, mounts);
    let params = [("device", "/dev/none"), ("directory", &place), ("fstype", "ext4")];
    compare("Filesystem", &params, &["start", "monitor", "stop"], mounts);
}
