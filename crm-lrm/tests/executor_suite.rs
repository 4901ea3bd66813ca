//! What Pacemaker's executor suite (cts-exec) checks, asked of our executor.
//!
//! Agents are small scripts with the behaviour of its dummies. `docs/design/lrm.md` lists the
//! cases that have no meaning here, and why.

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Bench, operation, until, wait_for_file};
use crm_lrm::operation::{AgentName, ExecutionStatus, ExitCode, Operation, OperationResult};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

/// A resource that runs while a file is there; `op_sleep` slows every action down.
fn dummy(bench: &Bench, name: &str) {
    let state = bench.path("state");
    bench.agent(name, &format!(
        "s={}-$OCF_RESOURCE_INSTANCE\n[ -n \"$OCF_RESKEY_op_sleep\" ] && sleep $OCF_RESKEY_op_sleep\n\
         case $1 in start) : > $s;; stop) rm -f $s;; monitor) [ -e $s ] || exit 7;; \
         meta-data) echo '<resource-agent name=\"Dummy\"/>';; *) exit 3;; esac",
        state.display()
    ));
}

fn state(bench: &Bench, resource: &str) -> std::path::PathBuf {
    bench.path(&format!("state-{resource}"))
}

fn ended(result: &OperationResult) -> (&str, ExecutionStatus, i32) {
    (&result.operation.action, result.status, result.exit.0)
}

const OK: (ExecutionStatus, i32) = (ExecutionStatus::Done, 0);

/// `ocf_start_stop`, `ocf_monitor_cancel`: each step ends as asked, and a cancelled monitor
/// comes no more.
#[tokio::test]
async fn a_resource_is_started_watched_cancelled_and_stopped() {
    let mut bench = Bench::new();
    dummy(&bench, "d");
    let start = bench.once("d", "start", LONG).await;
    assert_eq!(ended(&start), ("start", OK.0, OK.1));
    bench.execute("d", "monitor", SHORT, LONG);
    assert_eq!(ended(&bench.result().await), ("monitor", OK.0, OK.1));
    assert!(bench.lrm.cancel("d", "monitor", SHORT));
    let end = bench.result().await;
    assert_eq!(ended(&end), ("monitor", ExecutionStatus::Cancelled, 0), "with its last result");
    assert!(bench.lrm.recurring().is_empty());
    assert_eq!(bench.once("d", "stop", LONG).await.exit, ExitCode::OK);
    assert_eq!(bench.once("d", "monitor", LONG).await.exit, ExitCode::NOT_RUNNING);
}

/// `ocf_start_timeout`: the time is the operation's, and the resource can be stopped after it.
#[tokio::test]
async fn a_start_that_takes_too_long_times_out_and_is_stopped() {
    let mut bench = Bench::new();
    dummy(&bench, "d");
    let limit = Duration::from_millis(300);
    let slow = [("op_sleep", "600")];
    bench.lrm.execute(operation("d", "ocf:test:d", "start", Duration::ZERO, limit, &slow));
    let start = bench.result().await;
    assert_eq!(ended(&start), ("start", ExecutionStatus::Timeout, 1));
    assert!(!start.exit_reason.is_empty());
    assert_eq!(bench.once("d", "stop", LONG).await.exit, ExitCode::OK);
}

/// `monitor_fail_ocf`, `monitor_changes_only`: good results are told once, the change at once, and
/// the end of the call has the last result.
#[tokio::test]
async fn a_monitor_tells_the_first_result_and_the_change() {
    let mut bench = Bench::new();
    dummy(&bench, "d");
    bench.once("d", "start", LONG).await;
    let long = Duration::from_millis(30);
    bench.execute("d", "monitor", long, LONG);
    assert_eq!(bench.result().await.exit, ExitCode::OK);
    // It runs on in silence.
    let runs = bench.path("runs");
    std::fs::write(&runs, "").expect("it can be written");
    std::fs::remove_file(state(&bench, "d")).expect("it was started");
    let failed = bench.result().await;
    assert_eq!(ended(&failed), ("monitor", ExecutionStatus::Done, 7));
    assert!(bench.lrm.cancel("d", "monitor", long));
    let last = loop {
        let next = bench.result().await;
        if next.status == ExecutionStatus::Cancelled {
            break next;
        }
        assert_eq!(next.exit, ExitCode::NOT_RUNNING, "a failure is told each time, success not");
    };
    assert_eq!(last.exit, ExitCode::NOT_RUNNING);
}

/// `ocf_monitor_duplicate`: the same monitor asked for again and again is one monitor, and one
/// cancellation ends it.
#[tokio::test]
async fn the_same_monitor_asked_for_again_is_one_monitor() {
    let mut bench = Bench::new();
    bench.agent("d", "exit 0");
    bench.execute("d", "monitor", SHORT, LONG);
    assert_eq!(bench.result().await.exit, ExitCode::OK);
    for _ in 0..3 {
        bench.execute("d", "monitor", SHORT, LONG);
        // The earlier one ends, the new one has its own first result.
        assert_eq!(bench.result().await.status, ExecutionStatus::Cancelled);
        assert_eq!(bench.result().await.status, ExecutionStatus::Done);
    }
    assert_eq!(bench.lrm.recurring().len(), 1);
    assert!(bench.lrm.cancel("d", "monitor", SHORT));
    assert_eq!(bench.result().await.status, ExecutionStatus::Cancelled);
    assert!(bench.lrm.recurring().is_empty() && !bench.lrm.cancel("d", "monitor", SHORT));
}

/// `ocf_stop_implies_cancel`: a stop ends the monitors of its resource and of no other.
#[tokio::test]
async fn a_stop_ends_the_monitors_of_its_resource() {
    let mut bench = Bench::new();
    for name in ["d", "other"] {
        dummy(&bench, name);
        bench.once(name, "start", LONG).await;
        bench.execute(name, "monitor", LONG, LONG);
        bench.result().await;
    }
    bench.execute("d", "stop", Duration::ZERO, LONG);
    let ends = [bench.result().await, bench.result().await];
    let statuses: Vec<_> = ends.iter().map(ended).collect();
    assert!(statuses.contains(&("monitor", ExecutionStatus::Cancelled, 0)), "{statuses:?}");
    assert!(statuses.contains(&("stop", ExecutionStatus::Done, 0)), "{statuses:?}");
    let left: Vec<_> = bench.lrm.recurring().into_iter().map(|c| c.resource).collect();
    assert_eq!(left, ["other"]);
}

/// `multi_rsc_start_stop_all`: resources of several classes, all at the same time.
#[tokio::test]
async fn resources_of_several_classes_live_side_by_side() {
    let mut bench = Bench::new();
    dummy(&bench, "d");
    let script = |what: &str, up: &str, down: &str| {
        let state = bench.path(&format!("state-{what}"));
        format!(
            "#!/bin/sh\nfor a; do :; done\ncase $a in start) : > {0};; stop) rm -f {0};;\n\
             status) if [ -e {0} ]; then {up}; else {down}; fi;; esac\n",
            state.display()
        )
    };
    bench.program("init.d/l", script("l", ":", "exit 3").as_bytes());
    bench.program("ha.d/h", script("h", "echo running", "echo stopped").as_bytes());
    bench.program("external/x", b"#!/bin/sh\nexit 0\n");
    let all = ["ocf:test:d", "lsb:l", "heartbeat:h", "stonith:external/x"];
    for (action, exit) in
        [("monitor", 7), ("start", 0), ("monitor", 0), ("stop", 0), ("monitor", 7)]
    {
        for agent in all {
            bench.lrm.execute(operation(agent, agent, action, Duration::ZERO, LONG, &[]));
        }
        for _ in all {
            let result = bench.result().await;
            let of = &result.operation.resource;
            assert_eq!(ended(&result), (action, ExecutionStatus::Done, exit), "{of}");
        }
    }
}

/// `stonith_start_timeout`: a device that does not answer has not started, and can be stopped.
#[tokio::test]
async fn a_device_that_does_not_answer_does_not_start() {
    let mut bench = Bench::new();
    bench.program("sbin/fence_slow", b"#!/bin/sh\nsleep 600\n");
    let limit = Duration::from_millis(300);
    let agent = "stonith:fence_slow";
    bench.lrm.execute(operation("f", agent, "start", Duration::ZERO, limit, &[]));
    assert_eq!(ended(&bench.result().await), ("start", ExecutionStatus::Timeout, 1));
    for (action, exit) in [("stop", 0), ("monitor", 7)] {
        bench.lrm.execute(operation("f", agent, action, Duration::ZERO, LONG, &[]));
        assert_eq!(ended(&bench.result().await), (action, ExecutionStatus::Done, exit));
    }
}

/// `cancel_non_existent_op`: another interval or action is another operation.
#[tokio::test]
async fn what_is_not_there_cannot_be_cancelled() {
    let mut bench = Bench::new();
    dummy(&bench, "d");
    bench.once("d", "start", LONG).await;
    bench.execute("d", "monitor", LONG, LONG);
    bench.result().await;
    assert!(!bench.lrm.cancel("d", "monitor", Duration::from_secs(61)));
    assert!(!bench.lrm.cancel("d", "stop", LONG));
    assert!(!bench.lrm.cancel("other", "monitor", LONG));
    assert_eq!(bench.lrm.recurring().len(), 1);
}

/// `start_uninstalled_ocf`, `start_ocf_bad_provider`, `start_ocf_no_provider`.
#[tokio::test]
async fn agents_that_are_not_installed_are_named() {
    let mut bench = Bench::new();
    dummy(&bench, "d");
    for name in ["ocf:test:this_is_fake", "ocf:pancakes:d", "ocf:d", "lsb:fake", "heartbeat:fake"] {
        bench.lrm.execute(operation("r", name, "start", Duration::ZERO, LONG, &[]));
        let result = bench.result().await;
        assert_eq!(result.status, ExecutionStatus::NotInstalled, "{name}");
        assert_eq!(result.exit, ExitCode::NOT_INSTALLED, "{name}");
        assert!(result.exit_reason.contains("fake") || result.exit_reason.contains('d'), "{name}");
    }
    assert!(AgentName::parse("ocf::d").is_none(), "an empty provider is no name");
}

/// `ocf_stress`: many resources at a time, each in its own order.
#[tokio::test]
async fn many_resources_are_handled_at_a_time() {
    let mut bench = Bench::new();
    dummy(&bench, "d");
    let names: Vec<String> = (0..25).map(|n| format!("r{n}")).collect();
    let ask = |bench: &Bench, name: &str, action: &str, interval: Duration| {
        bench.lrm.execute(operation(name, "ocf:test:d", action, interval, LONG, &[]));
    };
    for name in &names {
        ask(&bench, name, "start", Duration::ZERO);
        ask(&bench, name, "monitor", Duration::from_secs(1000));
    }
    for _ in 0..2 * names.len() {
        let result = bench.result().await;
        assert_eq!((result.status, result.exit.0), OK, "{:?}", result.operation);
    }
    assert_eq!(bench.lrm.recurring().len(), names.len());
    for name in &names {
        ask(&bench, name, "stop", Duration::ZERO);
    }
    let (mut stopped, mut cancelled) = (0, 0);
    while stopped < names.len() || cancelled < names.len() {
        let result = bench.result().await;
        match result.status {
            ExecutionStatus::Cancelled => cancelled += 1,
            _ => {
                assert_eq!(ended(&result), ("stop", OK.0, OK.1));
                stopped += 1;
            }
        }
    }
    assert!(names.iter().all(|n| !state(&bench, n).exists()) && bench.lrm.calls().is_empty());
}

/// `rsc_inflight_collision`: recurring operations of one resource wait for each other.
#[tokio::test]
async fn operations_of_one_resource_do_not_collide() {
    let mut bench = Bench::new();
    let (lock, log) = (bench.path("lock"), bench.path("collided"));
    bench.agent(
        "one",
        // A monitor that the stop overtakes on a busy machine is told to end.
        &format!(
            "trap 'rmdir {0}; exit 1' TERM; mkdir {0} || : > {1}; sleep 0.02; rmdir {0}; exit 0",
            lock.display(),
            log.display()
        ),
    );
    bench.once("one", "start", LONG).await;
    for n in 0..9 {
        bench.execute("one", "monitor", Duration::from_millis(100 + n), LONG);
    }
    for _ in 0..9 {
        assert_eq!(bench.result().await.exit, ExitCode::OK);
    }
    bench.execute("one", "stop", Duration::ZERO, LONG);
    while bench.result().await.operation.action != "stop" {}
    assert!(!log.exists(), "two ran at a time");
}

fn delayed(resource: &str, delay: Duration) -> Operation {
    let plain = operation(resource, "ocf:test:d", "start", Duration::ZERO, LONG, &[]);
    Operation { start_delay: delay, ..plain }
}

/// `start_delay`, `start_delay_cancel`.
#[tokio::test]
async fn a_start_can_be_delayed_and_taken_back_before_it_begins() {
    let mut bench = Bench::new();
    dummy(&bench, "d");
    let asked = tokio::time::Instant::now();
    bench.lrm.execute(delayed("a", Duration::from_millis(400)));
    assert!(bench.lrm.running().is_empty() && bench.lrm.calls().len() == 1);
    assert_eq!(bench.result().await.exit, ExitCode::OK);
    assert!(asked.elapsed() >= Duration::from_millis(400));
    bench.lrm.execute(delayed("b", LONG));
    assert!(bench.lrm.cancel("b", "start", Duration::ZERO));
    assert_eq!(bench.result().await.status, ExecutionStatus::Cancelled);
    assert!(!state(&bench, "b").exists());
}

/// `get_ocf_metadata`, `get_lsb_metadata`, `get_stonith_metadata`, `get_systemd_metadata`: what there is, and nothing for what there is not.
#[tokio::test]
async fn agents_say_what_they_are() {
    let bench = Bench::new();
    dummy(&bench, "d");
    bench.program("init.d/lsbd", b"#!/bin/sh\n# Short-Description: a dummy\nexit 0\n");
    let name = |text: &str| AgentName::parse(text).expect("a name");
    let metadata = bench.lrm.metadata(&name("ocf:test:d")).await.expect("it answers");
    assert_eq!(metadata.name, "Dummy");
    assert_eq!(bench.lrm.metadata(&name("lsb:lsbd")).await.expect("a header").short, "a dummy");
    let device =
        "read action; [ $action = action=metadata ] && echo '<resource-agent name=\"fence\"/>'";
    bench.program("sbin/fence_d", format!("#!/bin/sh\n{device}\n").as_bytes());
    assert_eq!(
        bench.lrm.metadata(&name("stonith:fence_d")).await.expect("it answers").name,
        "fence"
    );
    let unit = bench.lrm.metadata(&name("systemd:web")).await.expect("made here");
    assert!(unit.has("start") && unit.has("monitor"));
    for fake in ["ocf:test:fake_agent", "stonith:fence_fake", "lsb:fake"] {
        assert!(bench.lrm.metadata(&name(fake)).await.is_err(), "{fake}");
    }
}

/// A daemon that follows a killed one waits for the agent that is still at work.
#[tokio::test]
async fn what_an_earlier_executor_left_at_work_is_waited_for() {
    let at_work = |root: &Path| root.join("agents");
    let shared = tempfile::tempdir().expect("a directory");
    let directory = at_work(shared.path());
    let first = Bench::with(|config| config.in_flight = Some(directory.clone()));
    let (gate, begun) = (first.path("gate"), first.path("begun"));
    first.agent(
        "slow",
        &format!(": > {}; while [ ! -e {} ]; do sleep 0.02; done", begun.display(), gate.display()),
    );
    first.execute("slow", "start", Duration::ZERO, LONG);
    wait_for_file(&begun).await;
    until(|| directory.join("slow").exists()).await;

    let mut second = Bench::with(|config| config.in_flight = Some(directory.clone()));
    second.agent("slow", "exit 7");
    second.agent("other", "exit 7");
    second.execute("slow", "monitor", Duration::ZERO, LONG);
    second.execute("other", "monitor", Duration::ZERO, LONG);
    assert_eq!(second.result().await.operation.resource, "other", "nothing holds it up");
    assert_eq!(second.lrm.calls().len(), 1);
    std::fs::write(&gate, "").expect("it can be written");
    assert_eq!(second.result().await.operation.resource, "slow");
    until(|| !directory.join("slow").exists()).await;
}

/// An agent from before OCF 1.1 is reloaded by its own word, and results carry its meta-data.
#[tokio::test]
async fn reload_is_called_as_the_agent_knows_it() {
    let mut bench = Bench::with(|config| config.describe = true);
    let log = bench.path("log");
    for (name, version, word) in [("old", "1.0", "reload"), ("new", "1.1", "reload-agent")] {
        bench.agent(name, &format!(
            "case $1 in meta-data) echo '<resource-agent name=\"x\"><version>{version}</version>\
             <parameters><parameter name=\"a\" unique=\"1\"/>\
             <parameter name=\"b\" reloadable=\"1\"/></parameters>\
             <actions><action name=\"{word}\"/></actions></resource-agent>';; \
             *) echo $1 >> {};; esac",
            log.display()
        ));
        let start = bench.once(name, "start", LONG).await;
        let metadata = start.metadata.expect("it was asked");
        assert_eq!(metadata.unreloadable(), Some(vec!["a"]), "{name}");
        assert_eq!(bench.once(name, "reload-agent", LONG).await.exit, ExitCode::OK);
        assert!(bench.once(name, "stop", LONG).await.metadata.is_none());
    }
    let called = std::fs::read_to_string(&log).expect("both were called");
    let words: Vec<&str> = called.split_whitespace().collect();
    assert_eq!(words, ["start", "reload", "stop", "start", "reload-agent", "stop"]);
}
