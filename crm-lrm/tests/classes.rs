//! The classes beside OCF, with scripts written for the purpose.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Bench, operation};
use crm_lrm::operation::{AgentName, ExecutionStatus, ExitCode};
use crm_lrm::{FenceAction, FenceDevice};

const LONG: Duration = Duration::from_secs(60);
const ONCE: Duration = Duration::ZERO;

fn device(agent: &str, params: &[(&str, &str)]) -> FenceDevice {
    FenceDevice {
        id: "fence".to_owned(),
        agent: AgentName::parse(agent).expect("a well-formed name"),
        params: params
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<BTreeMap<_, _>>(),
    }
}

/// A plug-in that writes down how it was called.
fn plugin(bench: &Bench, body: &str) {
    let log = bench.path("log");
    let script = format!("#!/bin/sh\necho \"$* $hostlist\" >> {}\n{body}\n", log.display());
    bench.program("external/demo", script.as_bytes());
}

fn log(bench: &Bench) -> String {
    std::fs::read_to_string(bench.path("log")).unwrap_or_default()
}

#[tokio::test]
async fn an_external_plugin_fences_and_lists() {
    let bench = Bench::new();
    plugin(&bench, "case $1 in gethosts) echo $hostlist;; reset|off) exit 0;; *) exit 1;; esac");
    let fence = device("stonith:external/demo", &[("hostlist", "n1 n2"), ("pcmk_delay_max", "3")]);
    let result = bench.lrm.fence(&fence, FenceAction::Reboot, "n1", LONG).await;
    assert!(result.confirmed(), "{result:?}");
    assert!(bench.lrm.fence(&fence, FenceAction::Off, "n2", LONG).await.confirmed());
    assert_eq!(log(&bench), "reset n1 n1 n2\noff n2 n1 n2\n");
    assert_eq!(bench.lrm.can_fence(&fence, "n2", LONG).await, Ok(true));
    assert_eq!(bench.lrm.can_fence(&fence, "n3", LONG).await, Ok(false));
}

#[tokio::test]
async fn a_plugin_that_fails_is_asked_again_and_then_named() {
    let bench = Bench::new();
    plugin(&bench, "echo 'power switch does not answer' >&2; exit 1");
    let fence = device("stonith:external/demo", &[("hostlist", "n1")]);
    let result = bench.lrm.fence(&fence, FenceAction::Off, "n1", LONG).await;
    assert!(!result.confirmed());
    assert!(result.reason.contains("power switch does not answer"), "{}", result.reason);
    assert_eq!(log(&bench).lines().count(), 2, "two tries");
}

#[tokio::test]
async fn silence_and_absence_are_no_confirmation() {
    let bench = Bench::new();
    plugin(&bench, "sleep 1000");
    let fence = device("stonith:external/demo", &[("hostlist", "n1")]);
    let result = bench.lrm.fence(&fence, FenceAction::Off, "n1", Duration::from_millis(300)).await;
    assert_eq!((result.status, result.confirmed()), (ExecutionStatus::Timeout, false));
    let missing = device("stonith:external/none", &[]);
    let result = bench.lrm.fence(&missing, FenceAction::Off, "n1", LONG).await;
    assert_eq!((result.status, result.confirmed()), (ExecutionStatus::NotInstalled, false));
    common::chmod(&bench.path("external/demo"), 0o777);
    let result = bench.lrm.fence(&fence, FenceAction::Off, "n1", LONG).await;
    assert!(!result.confirmed() && result.reason.contains("chmod go-w"), "{}", result.reason);
}

#[tokio::test]
async fn a_fence_agent_gets_its_orders_on_standard_input() {
    let bench = Bench::new();
    let log = bench.path("log");
    let script = format!(
        "#!/bin/sh\ninput=$(cat)\ncase $input in\n*action=list*) printf '1,alpha\\n2,beta\\n';;\n\
         *action=monitor*) ;;\n*) echo \"$input\" > {};;\nesac\n",
        log.display()
    );
    bench.program("sbin/fence_test", script.as_bytes());
    let params =
        [("ip", "10.0.0.1"), ("pcmk_host_map", "n1:1;n2:9"), ("pcmk_host_check", "dynamic-list")];
    let fence = device("stonith:fence_test", &params);
    assert!(bench.lrm.fence(&fence, FenceAction::Off, "n2", LONG).await.confirmed());
    let text = std::fs::read_to_string(&log).expect("the agent wrote it");
    assert_eq!(text, "action=off\nip=10.0.0.1\nnodename=n2\nplug=9\nport=9\n");
    assert_eq!(bench.lrm.can_fence(&fence, "n1", LONG).await, Ok(true));
    assert_eq!(bench.lrm.can_fence(&fence, "n2", LONG).await, Ok(false), "the device has no 9");
}

#[tokio::test]
async fn a_device_runs_where_it_was_started() {
    let mut bench = Bench::new();
    plugin(&bench, "[ $1 = status ] && [ \"$hostlist\" = n1 ]");
    let mut expect = Vec::new();
    for (action, exit) in
        [("monitor", 7), ("start", 0), ("monitor", 0), ("stop", 0), ("monitor", 7)]
    {
        let agent = "stonith:external/demo";
        bench.lrm.execute(operation("fence", agent, action, ONCE, LONG, &[("hostlist", "n1")]));
        let result = bench.result().await;
        assert_eq!(result.exit, ExitCode(exit), "{action}");
        expect.push(result);
    }
    assert_eq!(log(&bench), "status n1\nstatus n1\n", "start and the second monitor asked it");
    let agent = "stonith:external/demo";
    bench.lrm.execute(operation("fence", agent, "start", ONCE, LONG, &[("hostlist", "other")]));
    assert_eq!(bench.result().await.exit, ExitCode::ERROR);
}

#[tokio::test]
async fn an_init_script_and_a_heartbeat_script() {
    let mut bench = Bench::new();
    let script = "#!/bin/sh\ncase $1 in start) exit 0;; status) exit 3;; *) exit 42;; esac\n";
    bench.program("init.d/web", script.as_bytes());
    for (action, exit) in [("start", 0), ("monitor", 7), ("stop", 1)] {
        bench.lrm.execute(operation("web", "lsb:web", action, ONCE, LONG, &[]));
        assert_eq!(bench.result().await.exit, ExitCode(exit), "{action}");
    }
    let script = "#!/bin/sh\n[ $# = 3 ] || exit 9\n[ $3 = status ] && echo $1 is $2\nexit 0\n";
    bench.program("ha.d/addr", script.as_bytes());
    for (second, exit) in [("running", 0), ("stopped", 7)] {
        let params = [("1", "x"), ("2", second)];
        bench.lrm.execute(operation("addr", "heartbeat:addr", "monitor", ONCE, LONG, &params));
        assert_eq!(bench.result().await.exit, ExitCode(exit), "{second}");
    }
}

#[tokio::test]
async fn metadata_is_asked_for_once_per_version_of_the_file() {
    let bench = Bench::new();
    let count = bench.path("count");
    let body = format!("echo >> {}; echo '<resource-agent name=\"A\"/>'", count.display());
    bench.agent("A", &body);
    let name = AgentName::parse("ocf:test:A").expect("a well-formed name");
    for _ in 0..3 {
        assert_eq!(bench.lrm.metadata(&name).await.expect("it answers").name, "A");
    }
    assert_eq!(std::fs::read(&count).expect("it ran").len(), 1);
    bench.agent("A", &format!("{body}; # another version"));
    bench.lrm.metadata(&name).await.expect("it answers");
    assert_eq!(std::fs::read(&count).expect("it ran").len(), 2);
    bench.agent("B", "exit 1");
    let name = AgentName::parse("ocf:test:B").expect("a well-formed name");
    let error = bench.lrm.metadata(&name).await.expect_err("it fails");
    assert!(error.to_string().contains("exit code 1"), "{error}");
}

#[tokio::test]
async fn a_secret_reaches_its_agent_and_nothing_else() {
    let mut bench = Bench::with(|config| config.secrets = config.run_dir.with_file_name("secrets"));
    bench.agent("Db", "[ \"$OCF_RESKEY_password\" = s3cret ] && exit 0; exit 1");
    let ask =
        |action| operation("db", "ocf:test:Db", action, ONCE, LONG, &[("password", "lrm://")]);
    bench.lrm.execute(ask("start"));
    let without = bench.result().await;
    assert_eq!((without.status, without.exit), (ExecutionStatus::Error, ExitCode::NOT_CONFIGURED));
    assert!(without.exit_reason.contains("crm resource secret"), "{}", without.exit_reason);
    bench.lrm.execute(ask("stop"));
    assert_eq!(bench.result().await.exit, ExitCode::ERROR, "a stop is tried all the same");
    std::fs::create_dir_all(bench.path("secrets/db")).expect("a directory");
    bench.program("secrets/db/password", b"s3cret\n");
    common::chmod(&bench.path("secrets/db/password"), 0o600);
    bench.lrm.execute(ask("start"));
    let with = bench.result().await;
    assert_eq!(with.exit, ExitCode::OK);
    assert!(!format!("{with:?}").contains("s3cret"));
}
