//! What the agents that watch the node tell the cluster.

use std::net::UdpSocket;
use std::path::Path;

use crate::network::up;
use crate::side_by_side::{LIFE, PACEMAKERS, compare_with};
use crate::{Call, Case};

pub const CASES: &[Case] = &[
    ("side_by_side_health_cpu", cpu_beside_the_original),
    ("health_colours_follow_the_limits", colours),
    ("clock_skew_is_seen_by_ntp", skew_by_ntp),
    ("clock_skew_is_measured_by_icmp", skew_by_icmp),
];

/// Why a case cannot run here.
pub fn obstacle(name: &str) -> Option<String> {
    let writable = nix::unistd::access("/run", nix::unistd::AccessFlags::W_OK).is_ok();
    if name == "side_by_side_health_cpu" && !writable {
        return Some("the original writes below /run".into());
    }
    let needed = format!("{PACEMAKERS}/HealthCPU");
    let missing =
        [needed.as_str(), "/usr/bin/top"].into_iter().find(|path| !Path::new(path).exists());
    missing.filter(|_| name == "side_by_side_health_cpu").map(|path| format!("there is no {path}"))
}

/// A directory with an `attrd_updater` that notes what it is told.
fn cluster() -> (tempfile::TempDir, impl Fn() -> Vec<String>) {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let (tool, log) = (place.path().join("attrd_updater"), place.path().join("log"));
    std::fs::write(&tool, format!("#!/bin/sh\necho \"$*\" >> '{}'\n", log.display())).unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let told = move || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let _ = std::fs::remove_file(&log);
        text.lines().map(str::to_owned).collect()
    };
    (place, told)
}

fn cpu_beside_the_original() {
    let (tools, _) = cluster();
    // No processor is idle for less than no time. What is told at a stop differs: ours takes its
    // colour back.
    let limits = [("yellow_limit", "0"), ("red_limit", "0")];
    compare_with(tools.path(), "HealthCPU", &limits, LIFE, Vec::new);
    let wrong = [("yellow_limit", "much"), ("red_limit", "0")];
    compare_with(tools.path(), "HealthCPU", &wrong, &["validate-all"], Vec::new);
}

/// Both orders of words are taken by `attrd_updater`.
fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn colours() {
    let (tools, told) = cluster();
    let agent = |kind: &str, red: &str, yellow: &str| {
        let call = Call::ours(kind).set("HA_SBIN_DIR", &tools.path().display().to_string());
        call.param("red_limit", red).param("yellow_limit", yellow).param("dampen", "1s")
    };
    let name = ["#health-cpu", "#health-iowait", "#health-memory", "#health-disk"];
    let kinds = ["HealthCPU", "HealthIOWait", "HealthMemory", "HealthDisk"];
    for (kind, name) in kinds.into_iter().zip(name) {
        // No share is above 100 per cent, none below 0.
        let (red, yellow) = if kind == "HealthIOWait" { ("100", "100") } else { ("0", "0") };
        let call = agent(kind, red, yellow);
        call.must("monitor", 7);
        call.must("start", 0);
        assert_eq!(told(), Vec::<String>::new());
        call.must("monitor", 0);
        call.must("monitor", 0);
        for line in told() {
            assert_eq!(words(&line), ["-n", name, "-d", "1s", "-U", "green"], "{kind}");
        }
        call.must("reload-agent", 0);
        call.must("stop", 0);
        assert_eq!(told(), [format!("-n {name} -d 1s -D")]);
        call.must("monitor", 7);
        call.must("stop", 0);
        assert_eq!(told(), Vec::<String>::new());
        agent(kind, "101", "1").must("validate-all", 6);
    }
    for (red, yellow, colour) in [("100", "100", "red"), ("0", "100", "yellow")] {
        let call = agent("HealthMemory", red, yellow);
        call.must("start", 0);
        call.must("monitor", 0);
        assert_eq!(told(), [format!("-n #health-memory -d 1s -U {colour}")]);
        call.must("stop", 0);
        let _ = told();
    }
    let gone = agent("HealthDisk", "5", "10").param("paths", "/ /nowhere");
    gone.must("validate-all", 2);
    gone.must("start", 0);
    gone.must("monitor", 0);
    assert_eq!(told(), ["-n #health-disk -d 1s -U red"]);
}

/// A time server that is far ahead.
fn server(ahead: u32) {
    let socket = UdpSocket::bind("127.0.0.1:123").unwrap();
    std::thread::spawn(move || {
        let mut packet = [0; 128];
        while let Ok((48, from)) = socket.recv_from(&mut packet) {
            let mut reply = packet[..48].to_vec();
            (reply[0], reply[1]) = (0x24, 1);
            reply.copy_within(40..48, 24);
            let seconds = u32::from_be_bytes(*packet[40..].first_chunk().unwrap());
            for at in [32, 40] {
                reply[at..at + 4].copy_from_slice(&(seconds + ahead).to_be_bytes());
            }
            socket.send_to(&reply, from).unwrap();
        }
    });
}

/// Calls the agent and gives the difference in milliseconds and the colour.
fn measure(call: &Call, told: &impl Fn() -> Vec<String>) -> (Option<i64>, String) {
    call.must("start", 0);
    let _ = told();
    call.must("monitor", 0);
    let lines = told();
    let value = |name: &str| {
        let line = lines.iter().find(|line| words(line)[1] == name)?;
        line.split_once("-U ").map(|(_, value)| value.to_owned())
    };
    let skew = value("clock-skew").map(|text| text.parse().unwrap());
    let colour = value("#health-clock").unwrap();
    call.must("stop", 0);
    assert_eq!(told().len(), 2, "both attributes are taken back");
    (skew, colour)
}

fn skew_by_ntp() {
    up("lo");
    server(3600);
    let (tools, told) = cluster();
    let base = || {
        let call = Call::ours("ClockSkew").set("HA_SBIN_DIR", &tools.path().display().to_string());
        call.param("unsynchronized", "ignore").param("timeout", "20s").param("dampen", "1s")
    };
    let (skew, colour) = measure(&base().param("ntp_servers", "127.0.0.1"), &told);
    assert!((3_500_000..3_700_000).contains(&skew.unwrap()), "{skew:?}");
    assert_eq!(colour, "red");
    let wide = base().param("ntp_servers", "127.0.0.1").param("red_limit", "2h");
    assert_eq!(measure(&wide.param("yellow_limit", "30min"), &told).1, "yellow");
    // Nobody to compare with, and the kernel's opinion is not asked for.
    assert_eq!(measure(&base(), &told), (None, "green".to_owned()));
    base().param("red_limit", "soon").must("validate-all", 6);
}

fn skew_by_icmp() {
    up("lo");
    let (tools, told) = cluster();
    let call = Call::ours("ClockSkew").set("HA_SBIN_DIR", &tools.path().display().to_string());
    let call = call.param("host_list", "127.0.0.1").param("unsynchronized", "ignore");
    let call = call.param("timeout", "20s").param("yellow_limit", "1h").param("red_limit", "2h");
    let (skew, colour) = measure(&call, &told);
    assert!(skew.unwrap().abs() < 60_000, "{skew:?}");
    assert_eq!(colour, "green");
}
