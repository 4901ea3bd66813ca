//! Agents that behave badly: each is handled, nothing is left running, nothing hangs.
//!
//! No test here depends on how fast the machine is: bounds are generous, and waiting is for an
//! event (a result, a file, the end of a process).

mod common;

use std::time::Duration;

use common::{Bench, gone, pid_in, wait_for_file};
use crm_lrm::operation::{ExecutionStatus, ExitCode};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn exit_codes_signals_and_reasons() {
    let mut bench = Bench::new();
    for code in [0, 7, 126, 127, 190] {
        bench.agent("Code", &format!("exit {code}"));
        let result = bench.once("Code", "monitor", LONG).await;
        assert_eq!((result.status, result.exit), (ExecutionStatus::Done, ExitCode(code)));
    }
    bench.agent("Says", "echo noise >&2; echo 'ocf-exit-reason:the disk is on fire' >&2; exit 1");
    let result = bench.once("Says", "start", LONG).await;
    assert_eq!(result.exit_reason, "the disk is on fire");
    assert!(result.stderr.starts_with(b"noise\n"));
    bench.agent("Shot", "kill -SEGV $$");
    let result = bench.once("Shot", "monitor", LONG).await;
    assert_eq!((result.status, result.exit), (ExecutionStatus::Error, ExitCode::ERROR));
    assert!(result.exit_reason.contains("SIGSEGV"), "{}", result.exit_reason);
}

#[tokio::test]
async fn agents_that_cannot_be_run() {
    let mut bench = Bench::new();
    let missing = bench.once("Missing", "monitor", LONG).await;
    assert_eq!(missing.status, ExecutionStatus::NotInstalled);
    assert_eq!(missing.exit, ExitCode::NOT_INSTALLED);
    assert!(missing.exit_reason.contains("ocf:test:Missing"), "{}", missing.exit_reason);

    let path = bench.agent("Closed", "exit 0");
    common::chmod(&path, 0o644);
    let closed = bench.once("Closed", "monitor", LONG).await;
    assert_eq!((closed.status, closed.exit), (ExecutionStatus::Error, ExitCode::PERMISSION));

    bench.file("Broken", b"#!/nowhere/interpreter\nexit 0\n");
    let broken = bench.once("Broken", "monitor", LONG).await;
    assert_eq!(broken.status, ExecutionStatus::NotInstalled);
    assert!(broken.exit_reason.contains("interpreter"), "{}", broken.exit_reason);

    bench.file("Garbage", b"\x01\x02 no program at all\n");
    let garbage = bench.once("Garbage", "monitor", LONG).await;
    assert_eq!((garbage.status, garbage.exit), (ExecutionStatus::Error, ExitCode::ERROR));
}

#[tokio::test]
async fn an_agent_that_deletes_its_own_file_runs_once() {
    let mut bench = Bench::new();
    bench.agent("Vanish", "rm -f \"$0\"; exit 0");
    assert_eq!(bench.once("Vanish", "start", LONG).await.exit, ExitCode::OK);
    assert_eq!(bench.once("Vanish", "stop", LONG).await.exit, ExitCode::NOT_INSTALLED);
}

#[tokio::test]
async fn a_daemon_that_holds_the_pipe_does_not_hold_the_operation() {
    let mut bench = Bench::new();
    let pid = bench.path("pid");
    bench.agent("Daemon", &format!("echo started; sleep 1000 & echo $! > {}", pid.display()));
    let result = bench.once("Daemon", "start", LONG).await;
    assert_eq!((result.status, result.exit), (ExecutionStatus::Done, ExitCode::OK));
    assert_eq!(result.stdout, b"started\n");
    let daemon = pid_in(&pid);
    assert!(!gone(daemon), "what an agent starts lives on");
    common::kill(daemon);
}

#[tokio::test]
async fn an_agent_that_ignores_term_dies_with_its_children_at_the_time_out() {
    let mut bench = Bench::new();
    let pid = bench.path("pid");
    let script = format!(
        "trap '' TERM\nsh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1000; done' &\n\
         while :; do sleep 1000; done",
        pid.display()
    );
    bench.agent("Stubborn", &script);
    let call = bench.execute("Stubborn", "start", Duration::ZERO, Duration::from_millis(1500));
    let result = bench.result().await;
    assert_eq!(result.call_id, call);
    assert_eq!((result.status, result.exit), (ExecutionStatus::Timeout, ExitCode::ERROR));
    assert!(result.exit_reason.contains("1.5s"), "{}", result.exit_reason);
    assert!(result.exec_time >= Duration::from_millis(1500));
    let child = pid_in(&pid);
    common::until(|| gone(child)).await;
}

#[tokio::test]
async fn an_agent_may_tidy_up_when_told_to_end() {
    let mut bench = Bench::new();
    let tidy = bench.path("tidy");
    bench.agent(
        "Tidy",
        &format!("trap 'echo > {}; exit 3' TERM\nsleep 1000 & wait", tidy.display()),
    );
    let result = bench.once("Tidy", "start", Duration::from_millis(1500)).await;
    assert_eq!(result.status, ExecutionStatus::Timeout);
    assert!(tidy.exists(), "SIGTERM comes first");
}

#[tokio::test]
async fn a_gigabyte_of_output_is_bounded() {
    let mut bench = Bench::new();
    bench.agent("Loud", "echo first; head -c 1073741824 /dev/zero | tr '\\0' x; echo; echo last");
    let result = bench.once("Loud", "monitor", LONG).await;
    assert_eq!(result.exit, ExitCode::OK);
    assert!(result.stdout.len() < 140 * 1024, "{} bytes kept", result.stdout.len());
    assert!(result.stdout.starts_with(b"first\n") && result.stdout.ends_with(b"last\n"));
}

#[tokio::test]
async fn a_daemon_that_writes_for_ever_is_left_alone_at_the_agents_end() {
    let mut bench = Bench::new();
    let pid = bench.path("pid");
    bench.agent("Spill", &format!("yes & echo $! > {}", pid.display()));
    let result = bench.once("Spill", "start", LONG).await;
    assert_eq!(result.exit, ExitCode::OK);
    let writer = pid_in(&pid);
    // Nobody reads any longer: its next write ends it.
    common::until(|| gone(writer)).await;
}

#[tokio::test]
async fn a_recurring_operation_below_a_second_never_overlaps() {
    let mut bench = Bench::new();
    let lock = bench.path("lock");
    let count = bench.path("count");
    bench.agent(
        "Quick",
        &format!(
            "mkdir {0} || exit 9\necho >> {1}\nsleep 0.02\nrmdir {0}\nexit 0",
            lock.display(),
            count.display()
        ),
    );
    bench.execute("Quick", "monitor", Duration::from_millis(10), Duration::from_millis(5000));
    assert_eq!(bench.result().await.exit, ExitCode::OK);
    common::until(|| std::fs::read(&count).is_ok_and(|runs| runs.len() >= 12)).await;
    assert!(bench.lrm.cancel("Quick", "monitor", Duration::from_millis(10)));
    let last = bench.result().await;
    assert_eq!(last.status, ExecutionStatus::Cancelled, "no run failed, so there was no news");
    bench.lrm.idle().await;
    let runs = std::fs::read(&count).expect("it is there").len();
    assert!(bench.lrm.calls().is_empty());
    assert_eq!(std::fs::read(&count).expect("it is there").len(), runs);
}

#[tokio::test]
async fn cancel_during_a_run_ends_the_run() {
    let mut bench = Bench::new();
    let pid = bench.path("pid");
    bench.agent("Slow", &format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 1000", pid.display()));
    bench.execute("Slow", "monitor", LONG, LONG);
    wait_for_file(&pid).await;
    assert!(bench.lrm.cancel("Slow", "monitor", LONG));
    let result = bench.result().await;
    assert_eq!(result.status, ExecutionStatus::Cancelled);
    common::until(|| gone(pid_in(&pid))).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_monitor_that_hangs() {
    let mut bench = Bench::new();
    let pid = bench.path("pid");
    bench.agent(
        "Hangs",
        &format!(
            "[ $1 = stop ] && exit 0\necho $$ > {0}.new; mv {0}.new {0}; trap '' TERM; sleep 1000",
            pid.display()
        ),
    );
    bench.execute("Hangs", "monitor", LONG, LONG);
    wait_for_file(&pid).await;
    bench.execute("Hangs", "stop", Duration::ZERO, LONG);
    assert_eq!(bench.result().await.status, ExecutionStatus::Cancelled);
    let stop = bench.result().await;
    assert_eq!((stop.operation.action.as_str(), stop.exit), ("stop", ExitCode::OK));
    common::until(|| gone(pid_in(&pid))).await;
}

#[tokio::test]
async fn kill_all_leaves_nothing_in_flight() {
    let mut bench = Bench::new();
    let pid = bench.path("pid");
    bench.agent(
        "Start",
        &format!("trap '' TERM; echo $$ > {0}.new; mv {0}.new {0}; sleep 1000", pid.display()),
    );
    bench.execute("Start", "start", Duration::ZERO, LONG);
    bench.execute("Start", "monitor", LONG, LONG);
    wait_for_file(&pid).await;
    bench.lrm.kill_all();
    let ends = [bench.result().await.status, bench.result().await.status];
    assert_eq!(ends, [ExecutionStatus::Cancelled; 2]);
    bench.lrm.idle().await;
    assert!(bench.lrm.calls().is_empty());
    common::until(|| gone(pid_in(&pid))).await;
}
