//! With a cgroup of its own, not even a process that left the group outlives the time-out.
//!
//! Mounts a cgroup v2 hierarchy itself; where that is not allowed it says so and is ignored.

// A program of tests is no test module to the linter.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use common::{Bench, gone, kill, pid_in, until};
use crm_lrm::operation::{ExecutionStatus, ExitCode as Exit};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const LONG: Duration = Duration::from_secs(60);

/// A case: its name, and what it does with a delegated directory.
type Case = (&'static str, fn(PathBuf));

/// A delegated directory in a hierarchy of our own mount namespace.
struct Delegated {
    mount: tempfile::TempDir,
    directory: PathBuf,
}

impl Delegated {
    fn new() -> Result<Self, String> {
        let text = |error: nix::Error| error.to_string();
        unshare(CloneFlags::CLONE_NEWNS).map_err(text)?;
        let none = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none).map_err(text)?;
        let place = tempfile::tempdir().map_err(|error| error.to_string())?;
        mount(Some("none"), place.path(), Some("cgroup2"), MsFlags::empty(), none).map_err(text)?;
        let directory = place.path().join(format!("crm-test-{}", std::process::id()));
        std::fs::create_dir(&directory).map_err(|error| error.to_string())?;
        Ok(Self { mount: place, directory })
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        remove(&self.directory);
        let _ = umount2(self.mount.path(), MntFlags::MNT_DETACH);
    }
}

/// Removes a cgroup and what is below it; only empty ones can be removed.
fn remove(cgroup: &Path) {
    for entry in std::fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(cgroup);
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let delegated = Delegated::new();
    let directory = match &delegated {
        Ok(delegated) => Some(delegated.directory.clone()),
        Err(reason) => {
            let _ = writeln!(std::io::stderr(), "ignored: no cgroup can be had here: {reason}");
            None
        }
    };
    let cases: [Case; 2] =
        [("a_time_out_reaches_every_session", time_out), ("a_service_outlives_its_start", service)];
    let trials = cases.map(|(name, case)| {
        let directory = directory.clone();
        let ignored = directory.is_none();
        let run = move || {
            let directory = directory.ok_or_else(|| Failed::from("there is no cgroup"))?;
            let caught = std::panic::catch_unwind(|| case(directory));
            caught.map_err(|_| Failed::from("see the panic above"))
        };
        Trial::test(name, run).with_ignored_flag(ignored)
    });
    let exit = libtest_mimic::run(&arguments, trials.into()).exit_code();
    drop(delegated);
    exit
}

/// Each case counts in a directory of its own.
fn with_bench(directory: &Path, case: impl AsyncFnOnce(&mut Bench)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        case(&mut Bench::with(|config| config.cgroup = Some(directory.to_path_buf()))).await;
    });
}

fn own(directory: &Path, name: &str) -> PathBuf {
    let own = directory.join(name);
    std::fs::create_dir(&own).unwrap();
    own
}

fn runs(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    entries.filter(|entry| entry.path().is_dir()).count()
}

fn time_out(directory: PathBuf) {
    let directory = own(&directory, "time-out");
    with_bench(&directory, async |bench| {
        let pid = bench.path("pid");
        let script = format!(
            "setsid sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1000; done' &\n\
             sleep 1000",
            pid.display()
        );
        bench.agent("Escapes", &script);
        let result = bench.once("Escapes", "start", Duration::from_millis(1500)).await;
        assert_eq!(result.status, ExecutionStatus::Timeout);
        let escaped = pid_in(&pid);
        until(|| gone(escaped)).await;
    });
}

fn service(directory: PathBuf) {
    let directory = own(&directory, "service");
    with_bench(&directory, async |bench| {
        let pid = bench.path("pid");
        let script =
            format!("[ $1 = start ] || exit 0\nsetsid sleep 1000 & echo $! > {}", pid.display());
        bench.agent("Serves", &script);
        let before = runs(&directory);
        assert_eq!(bench.once("Serves", "start", LONG).await.exit, Exit::OK);
        let service = pid_in(&pid);
        assert!(!gone(service));
        assert_eq!(runs(&directory), before + 1, "the service lives in the cgroup of its start");
        assert_eq!(bench.once("Serves", "monitor", LONG).await.exit, Exit::OK);
        assert_eq!(runs(&directory), before + 1, "a monitor leaves nothing behind");
        kill(service);
        until(|| gone(service)).await;
    });
    with_bench(&directory, async |_| assert_eq!(runs(&directory), 0, "an executor tidies up"));
}
