//! The lab itself: hosts are separate, cables cut, power kills, nothing is left.
//!
//! Needs namespaces; where the machine forbids them every test is reported as ignored.

use std::io::Write;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use crm_lab::{HostSpec, Isolation, Lab, LabError, Network, PowerMode, STAGE, isolate, run_stage};
use libtest_mimic::{Arguments, Failed, Trial};

type Test = fn(&Lab) -> Result<(), Failed>;

const TESTS: &[(&str, Test)] = &[
    ("a_host_sees_its_own_files_processes_and_name_only", private),
    ("a_cut_cable_stops_packets_and_nothing_else", cable),
    ("power_off_ends_every_process_and_keeps_the_disk", power),
    ("a_power_switch_serves_hosts_over_the_management_network", switch),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|w| w == STAGE) {
        return run_stage(&words[2..]);
    }
    let arguments = Arguments::from_args();
    if arguments.list {
        return finish(&arguments, true);
    }
    match isolate() {
        Ok(Isolation::Ended(code)) => code,
        Ok(Isolation::Inside) => finish(&arguments, false),
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "ignored: {e}");
            finish(&arguments, true)
        }
    }
}

fn finish(arguments: &Arguments, ignored: bool) -> ExitCode {
    let trial = |(name, test): &(&str, Test)| {
        let test = *test;
        // One lab a process: its first user takes it, so the tests run one after the other.
        Trial::test(*name, move || with_lab(test)).with_ignored_flag(ignored)
    };
    let single = Arguments { test_threads: Some(1), ..arguments.clone() };
    libtest_mimic::run(&single, TESTS.iter().map(trial).collect()).exit_code()
}

fn with_lab(test: Test) -> Result<(), Failed> {
    static LAB: std::sync::OnceLock<Result<Lab, String>> = std::sync::OnceLock::new();
    let lab = LAB.get_or_init(|| make_lab().map_err(|e| e.to_string())).as_ref()?;
    for name in lab.names() {
        lab.power_off(&name)?;
        lab.set_cut(&name, false)?;
        lab.power_on(&name)?;
    }
    test(lab)
}

fn make_lab() -> Result<Lab, LabError> {
    let network = |name: &str, third| Network { interface: name.into(), prefix: [10, 93, third] };
    let lab = Lab::new(network("eth0", 0), network("mgmt0", 1))?;
    for (octet, name) in (11..).zip(["a", "b"]) {
        let files = vec![("/etc/crm/who".into(), 0o600, format!("{name}\n").into_bytes())];
        lab.add(HostSpec { name: name.into(), octet, files, service: Vec::new() })?;
    }
    Ok(lab)
}

fn sh(lab: &Lab, host: &str, script: &str) -> Result<String, Failed> {
    let output = lab.command(host, &["sh", "-c", script])?.stdin(Stdio::null()).output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
    } else {
        Err(format!("{host}: {script}: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(is: T, should: T) -> Result<(), Failed> {
    if is == should { Ok(()) } else { Err(format!("{is:?} instead of {should:?}").into()) }
}

fn private(lab: &Lab) -> Result<(), Failed> {
    expect(sh(lab, "a", "read who < /etc/crm/who; echo $who")?, "a".into())?;
    expect(sh(lab, "b", "read who < /etc/crm/who; echo $who")?, "b".into())?;
    expect(sh(lab, "a", "read name < /proc/sys/kernel/hostname; echo $name")?, "a".into())?;
    sh(lab, "a", "echo x > /srv/file; echo x > /run/file; test ! -e /.old/etc")?;
    sh(lab, "b", "test ! -e /srv/file && test ! -e /run/file")?;
    let boots = [
        sh(lab, "a", "read id < /proc/sys/kernel/random/boot_id; echo $id")?,
        sh(lab, "b", "read id < /proc/sys/kernel/random/boot_id; echo $id")?,
    ];
    if boots[0] == boots[1] {
        return Err("two hosts have one boot id".into());
    }
    // The first process, the shell itself, and nothing of the machine.
    let seen = sh(lab, "a", "set -- /proc/[0-9]*; echo $#")?;
    expect(seen, "2".into())?;
    expect(sh(lab, "a", "echo x > /usr/bin/crm-lab-test").is_err(), true)
}

/// True if `b` gets an answer from the address of `a` on the service network.
fn reaches(lab: &Lab) -> bool {
    let target = "10.93.0.11:9";
    let words = ["crm", STAGE, "power", target, "list"];
    let Ok(mut command) = lab.command("b", &words) else { return false };
    let output = command.output().map(|o| String::from_utf8_lossy(&o.stderr).into_owned());
    output.is_ok_and(|said| said.contains("refused"))
}

fn cable(lab: &Lab) -> Result<(), Failed> {
    expect(reaches(lab), true)?;
    lab.set_cut("a", true)?;
    expect(sh(lab, "a", "read up < /sys/class/net/eth0/carrier; echo $up")?, "0".into())?;
    expect(lab.addresses("a")?.contains(&"10.93.0.11".parse()?), true)?;
    lab.set_cut("a", false)?;
    let start = Instant::now();
    while !reaches(lab) {
        if start.elapsed() > Duration::from_secs(20) {
            return Err("no answer after the cable was plugged in again".into());
        }
    }
    Ok(())
}

fn power(lab: &Lab) -> Result<(), Failed> {
    sh(
        lab,
        "a",
        "echo kept > /var/lib/file; echo lost > /run/file; (while :; do read x < /proc/version; done) > /dev/null 2>&1 &",
    )?;
    expect(lab.processes("a").len(), 2)?;
    let first = sh(lab, "a", "read id < /proc/sys/kernel/random/boot_id; echo $id")?;
    lab.power_off("a")?;
    expect(lab.is_on("a"), false)?;
    expect(lab.processes("a").len(), 0)?;
    expect(lab.addresses("a")?.len(), 0)?;
    expect(lab.disk("a", "/var/lib/file"), Some(b"kept\n".to_vec()))?;
    lab.power_on("a")?;
    expect(
        sh(lab, "a", "read kept < /var/lib/file; echo $kept; test ! -e /run/file")?,
        "kept".into(),
    )?;
    let second = sh(lab, "a", "read id < /proc/sys/kernel/random/boot_id; echo $id")?;
    expect(first == second, false)
}

fn switch(lab: &Lab) -> Result<(), Failed> {
    let target = lab.power_switch().to_string();
    let ask = |line: &str| -> Result<(bool, String), Failed> {
        let words: Vec<&str> =
            ["crm", STAGE, "power", &target].into_iter().chain(line.split(' ')).collect();
        let output = lab.command("b", &words)?.output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).trim().to_string()))
    };
    expect(ask("list")?, (true, "a b".into()))?;
    lab.set_power_mode(PowerMode::Refuses);
    expect(ask("off a")?.0, false)?;
    expect(lab.is_on("a"), true)?;
    lab.set_power_mode(PowerMode::Works);
    expect(ask("off a")?.0, true)?;
    expect(lab.is_on("a"), false)?;
    expect(ask("status a")?, (true, "off".into()))?;
    expect(ask("on a")?.0, true)?;
    expect(lab.is_on("a"), true)?;
    expect(lab.power_log().iter().map(|e| e.done).collect::<Vec<_>>(), vec![false, true, true])
}
