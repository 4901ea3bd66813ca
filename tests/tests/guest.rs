//! The systemd class against a real systemd, in the guest lab (`../shared/lab/vm`).
//!
//! Needs a guest that is up with systemd and shows a directory of this machine as `/share`:
//! `LABVM_INIT=systemd LABVM_SHARE=DIR ../shared/lab/vm/up 1`. With the same `LABVM_SHARE` this
//! program copies itself there and runs in the guest with `--in-guest`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use crm_lrm::operation::{AgentName, ExecutionStatus, Operation, OperationResult};
use crm_lrm::{Lrm, LrmConfig};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::sync::mpsc;

const IN_GUEST: &str = "--in-guest";
const UNITS: &str = "/run/systemd/system";
const LONG: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(IN_GUEST) {
        return in_guest();
    }
    let arguments = Arguments::from_args();
    let why = if arguments.list { None } else { unavailable() };
    if let Some(why) = &why {
        let _ = writeln!(std::io::stderr(), "ignored: {why}");
    }
    let trial = Trial::test("units_of_a_real_systemd", in_the_lab).with_ignored_flag(why.is_some());
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}

fn lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/lab/vm/exec")
}

/// Why there is no guest to test on, if there is none.
fn unavailable() -> Option<String> {
    if !lab().exists() {
        return Some("there is no guest lab (../shared/lab/vm)".into());
    }
    if std::env::var_os("LABVM_SHARE").is_none() {
        return Some("LABVM_SHARE does not say which directory the guests see".into());
    }
    let running = guest("systemctl is-active dbus.service");
    running.err().map(|e| format!("no guest with systemd is up (LABVM_INIT=systemd up 1): {e}"))
}

/// Runs a command in the first guest.
fn guest(command: &str) -> Result<String, String> {
    let output = Command::new(lab())
        .args(["1", command])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_string();
    if output.status.success() { Ok(said) } else { Err(said) }
}

fn in_the_lab() -> Result<(), Failed> {
    let share = PathBuf::from(std::env::var_os("LABVM_SHARE").ok_or("no LABVM_SHARE")?);
    let copy = share.join("crm-guest-test");
    fs::copy(std::env::current_exe()?, &copy)?;
    let outcome = guest(&format!("/share/crm-guest-test {IN_GUEST}"));
    fs::remove_file(&copy)?;
    outcome.map(drop).map_err(Failed::from)
}

fn in_guest() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(units()),
        Err(e) => Err(e.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::FAILURE
        }
    }
}

struct Bench {
    lrm: Lrm,
    results: mpsc::Receiver<OperationResult>,
}

impl Bench {
    fn ask(&self, unit: &str, action: &str, interval: Duration, timeout: Duration) {
        self.lrm.execute(Operation {
            resource: unit.to_owned(),
            agent: AgentName { class: "systemd".into(), provider: None, kind: unit.to_owned() },
            action: action.to_owned(),
            interval,
            timeout,
            start_delay: Duration::ZERO,
            params: Default::default(),
            key: String::new(),
        });
    }

    async fn result(&mut self) -> Result<OperationResult, String> {
        let next = tokio::time::timeout(LONG, self.results.recv()).await;
        next.map_err(|_| "no result")?.ok_or_else(|| "the executor has ended".into())
    }

    /// One operation, and what is expected of it.
    async fn step(&mut self, unit: &str, action: &str, wanted: (ExecutionStatus, i32)) -> Step {
        self.ask(unit, action, Duration::ZERO, LONG);
        self.expect(wanted).await
    }

    async fn expect(&mut self, wanted: (ExecutionStatus, i32)) -> Step {
        let result = self.result().await?;
        let is = (result.status, result.exit.0);
        if is == wanted {
            return Ok(result);
        }
        let (unit, action) = (&result.operation.resource, &result.operation.action);
        Err(format!("{action} of {unit}: {is:?} instead of {wanted:?}: {}", result.exit_reason))
    }
}

type Step = Result<OperationResult, String>;

const RUNS: (ExecutionStatus, i32) = (ExecutionStatus::Done, 0);
const STOPPED: (ExecutionStatus, i32) = (ExecutionStatus::Done, 7);

fn systemctl(words: &[&str]) -> Result<(), String> {
    let status = Command::new("systemctl").args(words).status().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("systemctl {}: {status}", words.join(" "))) }
}

fn unit(name: &str, service: &str) -> Result<(), String> {
    let text = format!("[Service]\n{service}\n");
    fs::write(format!("{UNITS}/{name}.service"), text).map_err(|e| e.to_string())
}

async fn units() -> Result<(), String> {
    unit("crmt-plain", "ExecStart=/bin/sleep infinity\nRestart=always")?;
    unit("crmt-broken", "Type=oneshot\nExecStart=/bin/false")?;
    let slow = "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 4\nExecStop=/bin/sleep 4";
    unit("crmt-slow", slow)?;
    systemctl(&["daemon-reload"])?;
    let (sender, results) = mpsc::channel(16);
    let lrm = Lrm::new(LrmConfig::default(), sender);
    let mut bench = Bench { lrm, results };
    a_unit_runs_and_fails(&mut bench).await?;
    what_is_broken_or_absent(&mut bench).await?;
    slow_ones_and_a_systemd_that_begins_again(&mut bench).await
}

async fn a_unit_runs_and_fails(bench: &mut Bench) -> Result<(), String> {
    let drop_in = Path::new(UNITS).join("crmt-plain.service.d/50-crm.conf");
    bench.step("crmt-plain", "monitor", STOPPED).await?;
    bench.step("crmt-plain", "start", RUNS).await?;
    if !drop_in.exists() {
        return Err("systemd would restart the unit behind our back".into());
    }
    bench.ask("crmt-plain", "monitor", Duration::from_secs(1), LONG);
    bench.expect(RUNS).await?;
    systemctl(&["kill", "-s", "KILL", "crmt-plain.service"])?;
    bench.expect(STOPPED).await?;
    bench.lrm.cancel("crmt-plain", "monitor", Duration::from_secs(1));
    while bench.result().await?.status != ExecutionStatus::Cancelled {}
    bench.step("crmt-plain", "start", RUNS).await?;
    bench.step("crmt-plain", "stop", RUNS).await?;
    bench.step("crmt-plain", "monitor", STOPPED).await?;
    if drop_in.exists() { Err("the drop-in is still there".into()) } else { Ok(()) }
}

async fn what_is_broken_or_absent(bench: &mut Bench) -> Result<(), String> {
    bench.ask("crmt-broken", "start", Duration::ZERO, LONG);
    let broken = bench.result().await?;
    if broken.exit.0 == 0 || broken.exit_reason.is_empty() {
        return Err(format!("a unit that fails was started: {broken:?}"));
    }
    bench.step("crmt-broken", "stop", RUNS).await?;
    bench.step("crmt-absent", "start", (ExecutionStatus::NotInstalled, 5)).await.map(drop)
}

async fn slow_ones_and_a_systemd_that_begins_again(bench: &mut Bench) -> Result<(), String> {
    bench.ask("crmt-slow", "start", Duration::ZERO, Duration::from_secs(1));
    bench.expect((ExecutionStatus::Timeout, 1)).await?;
    bench.step("crmt-slow", "stop", RUNS).await?;
    for (action, disturbance) in [("start", "daemon-reexec"), ("stop", "daemon-reload")] {
        bench.ask("crmt-slow", action, Duration::ZERO, LONG);
        // The job has begun; how long it takes does not matter.
        while bench.lrm.running().is_empty() {
            tokio::task::yield_now().await;
        }
        let disturb = tokio::task::spawn_blocking(move || systemctl(&[disturbance]));
        bench.expect(RUNS).await?;
        disturb.await.map_err(|e| e.to_string())??;
    }
    bench.step("crmt-slow", "monitor", STOPPED).await?;
    bench.step("crmt-plain", "monitor", STOPPED).await.map(drop)
}
