//! The same calls to our agents and to those of the resource-agents package: same exit codes, same
//! state of the host after each.

use crate::network::{addresses, cable};
use crate::{Call, Case};

/// Where the package keeps its agents.
pub const THEIRS: &str = "/usr/lib/ocf/resource.d/heartbeat";

/// Where Pacemaker keeps its agents.
pub const PACEMAKERS: &str = "/usr/lib/ocf/resource.d/pacemaker";

pub const CASES: &[Case] = &[
    ("side_by_side_ipaddr2", ipaddr2),
    ("side_by_side_ipaddr2_for_lvs", ipaddr2_for_lvs),
    ("side_by_side_ipaddr2_by_nic", ipaddr2_by_nic),
    ("side_by_side_ipaddr2_ipv6", ipaddr2_ipv6),
    ("side_by_side_dummy", dummy),
    ("side_by_side_delay", delay),
    ("side_by_side_filesystem", filesystem),
    ("side_by_side_parameters", parameters),
];

/// Whatever parameter the original takes, ours knows: it has its effect, or it is refused.
fn parameters() {
    for agent in resource_agents::AGENTS {
        for place in [THEIRS, PACEMAKERS] {
            let path = format!("{place}/{}", agent.name);
            if !std::path::Path::new(&path).exists() {
                continue;
            }
            let mut command = std::process::Command::new(&path);
            let output = command.arg("meta-data").env("OCF_ROOT", "/usr/lib/ocf").output().unwrap();
            let document = String::from_utf8_lossy(&output.stdout).into_owned();
            let names = document.split("<parameter name=\"").skip(1);
            let unknown: Vec<&str> = names
                .filter_map(|rest| rest.split('"').next())
                .filter(|name| !agent.parameters.iter().any(|known| known.name == *name))
                .collect();
            assert_eq!(unknown, Vec::<&str>::new(), "{path}");
        }
    }
}

/// Makes the same calls to both and compares after each step.
///
/// Names in capitals are variables of the environment, others are parameters. `tools` are found
/// before the machine's programs.
pub fn compare_with(
    tools: &std::path::Path,
    kind: &str,
    params: &[(&str, &str)],
    actions: &[&str],
    state: impl Fn() -> Vec<String>,
) {
    let with = |mut call: Call| {
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", tools.display());
        call = call.set("PATH", &path).set("HA_SBIN_DIR", &tools.display().to_string());
        for (name, value) in params {
            call = if name.starts_with("OCF_") {
                call.set(name, value)
            } else {
                call.param(name, value)
            };
        }
        let steps = actions.iter().map(|action| {
            let answer = call.run(action);
            (format!("{action}: exit {}, then {:?}", answer.code, state()), answer.stderr)
        });
        steps.unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let (ours, our_words) = with(Call::ours(kind));
    let (theirs, their_words) = with(Call::theirs(kind));
    assert_eq!(ours, theirs, "{params:?}\nours: {our_words:#?}\ntheirs: {their_words:#?}");
}

/// The same with no tools but a `modprobe`: what runs in a container has no modules to load.
fn compare(kind: &str, params: &[(&str, &str)], actions: &[&str], state: impl Fn() -> Vec<String>) {
    let tools = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/true", tools.path().join("modprobe")).unwrap();
    compare_with(tools.path(), kind, params, actions, state);
}

/// Every action in each state.
pub const LIFE: &[&str] =
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

fn ipaddr2_for_lvs() {
    base();
    crate::network::up("lo");
    let waiting = Call::ours("IPaddr2").param("nic", "lo").param("ip", "10.91.0.100");
    waiting.param("cidr_netmask", "32").param("arp_count", "0").must("start", 0);
    let lvs = [("ip", "10.91.0.100"), ("nic", "v0"), ("cidr_netmask", "24"), ("arp_count", "1")];
    let lvs: Vec<_> = lvs.into_iter().chain([("lvs_support", "true")]).collect();
    let visible = || {
        // Broadcast addresses of a single host differ, and say nothing.
        let cut = |line: String| line.rsplit_once(' ').map(|(left, _)| left.to_owned());
        addresses().into_iter().filter_map(cut).collect()
    };
    compare("IPaddr2", &lvs, LIFE, visible);
    let steps = ["start", "stop", "start", "monitor", "stop"];
    compare("IPaddr2", &lvs, &steps, visible);
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
