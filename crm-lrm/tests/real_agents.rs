//! The agents that users have, as Debian ships them, run by the executor.
//!
//! Cases whose agents or programs are not installed say so and are ignored.

// A program of tests is no test module to the linter.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use common::{Bench, kill, operation, pid_in, until};
use crm_lrm::operation::{AgentName, ExecutionStatus};
use crm_lrm::{AgentPaths, Catalog};
use libtest_mimic::{Arguments, Failed, Trial};

const LONG: Duration = Duration::from_secs(60);
const ONCE: Duration = Duration::ZERO;
const OCF: &str = "/usr/lib/ocf/resource.d";

/// A case: its name, what must be there for it, and what it does.
type Case = (&'static str, &'static [&'static str], fn());

const CASES: &[Case] = &[
    ("metadata_of_every_agent", &["/usr/lib/ocf/resource.d/heartbeat/IPaddr2"], metadata),
    ("dummy_of_both_providers", &["/usr/lib/ocf/resource.d/pacemaker/Dummy"], dummies),
    ("stateful_calls_our_commands", &["/usr/lib/ocf/resource.d/pacemaker/Stateful"], stateful),
    (
        "anything_is_started_and_found_dead",
        &["/usr/lib/ocf/resource.d/heartbeat/anything"],
        anything,
    ),
    (
        "nginx_is_started_found_dead_and_recovered",
        &["/usr/lib/ocf/resource.d/heartbeat/nginx", "/usr/sbin/nginx"],
        nginx,
    ),
    ("external_plugins_describe_themselves", &["/usr/lib/stonith/plugins/external/ssh"], plugins),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = CASES.iter().map(|(name, needed, case)| {
        let missing = if nix::unistd::geteuid().is_root() {
            let absent = needed.iter().find(|path| !Path::new(path).exists());
            absent.map(|path| format!("there is no {path}"))
        } else {
            Some("these agents work for root only".to_owned())
        };
        if let Some(reason) = &missing {
            let _ = writeln!(std::io::stderr(), "{name}: ignored: {reason}");
        }
        let run = move || {
            let caught = std::panic::catch_unwind(case);
            caught.map_err(|_| Failed::from("see the panic above"))
        };
        Trial::test(*name, run).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Runs a case with an executor that sees the agents of the machine.
fn with_bench(case: impl AsyncFnOnce(&mut Bench)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut bench = Bench::with(|config| {
            let run = config.run_dir.with_file_name("rsctmp").display().to_string();
            config.environment.insert("HA_RSCTMP".to_owned(), run);
            let ours = config.paths.clone();
            config.paths = AgentPaths { lsb: ours.lsb, ..AgentPaths::default() };
        });
        std::fs::create_dir_all(bench.path("rsctmp")).unwrap();
        std::fs::create_dir_all(bench.path("run/bin")).unwrap();
        case(&mut bench).await;
    });
}

/// Calls actions of an agent in order; each must give its code.
async fn expect(bench: &mut Bench, agent: &str, params: &[(&str, &str)], steps: &[(&str, i32)]) {
    for (action, code) in steps {
        bench.lrm.execute(operation("test", agent, action, ONCE, LONG, params));
        let result = bench.result().await;
        let said = String::from_utf8_lossy(&result.stderr).into_owned();
        assert_eq!(result.status, ExecutionStatus::Done, "{agent} {action}: {said}");
        assert_eq!(result.exit.0, *code, "{agent} {action}: {said}");
    }
}

fn metadata() {
    with_bench(async |bench| {
        let catalog = Catalog { paths: AgentPaths::default(), built_in: Vec::new() };
        let mut seen = 0;
        let mut silent = Vec::new();
        for provider in catalog.providers(None) {
            for kind in catalog.types("ocf", Some(&provider)) {
                let name = AgentName::parse(&format!("ocf:{provider}:{kind}")).unwrap();
                let Ok(metadata) = bench.lrm.metadata(&name).await else {
                    silent.push(name.to_string());
                    continue;
                };
                seen += 1;
                assert!(!metadata.name.is_empty(), "{name}: {:?}", metadata.problems);
                for action in ["start", "stop"] {
                    let has = metadata.actions.iter().any(|known| known.name == action);
                    assert!(has, "{name} has no {action}: {:?}", metadata.problems);
                }
                let declared = metadata.raw.matches("<parameter ").count();
                assert!(metadata.parameters.len() <= declared, "{name}");
                if metadata.parameters.len() < declared {
                    assert!(!metadata.problems.is_empty(), "{name} lost parameters in silence");
                }
            }
        }
        assert!(seen >= 100, "only {seen} agents; silent: {silent:?}");
        assert!(silent.len() * 10 <= seen, "too many without meta-data: {silent:?}");
    });
}

const LIFE: &[(&str, i32)] = &[
    ("monitor", 7),
    ("start", 0),
    ("start", 0),
    ("monitor", 0),
    ("stop", 0),
    ("stop", 0),
    ("monitor", 7),
];

fn dummies() {
    with_bench(async |bench| {
        let state = bench.path("dummy").display().to_string();
        let params = [("state", state.as_str())];
        expect(bench, "ocf:heartbeat:Dummy", &params, LIFE).await;
        expect(bench, "ocf:pacemaker:Dummy", &params, LIFE).await;
        expect(bench, "ocf:pacemaker:Dummy", &params, &[("dance", 3)]).await;
        // The shell agent sleeps longer than it may.
        let slow = [("state", state.as_str()), ("op_sleep", "100")];
        let limit = Duration::from_millis(1500);
        bench.lrm.execute(operation("slow", "ocf:pacemaker:Dummy", "start", ONCE, limit, &slow));
        assert_eq!(bench.result().await.status, ExecutionStatus::Timeout);
    });
}

fn stateful() {
    with_bench(async |bench| {
        let log = bench.path("log");
        let script = format!("#!/bin/sh\necho \"$0 $*\" >> {}\n", log.display());
        for name in ["crm_attribute", "crm_master"] {
            bench.program(&format!("run/bin/{name}"), script.as_bytes());
        }
        let state = bench.path("stateful").display().to_string();
        let steps = [
            ("monitor", 7),
            ("start", 0),
            ("monitor", 0),
            ("promote", 0),
            ("monitor", 8),
            ("demote", 0),
            ("monitor", 0),
            ("stop", 0),
            ("monitor", 7),
        ];
        expect(bench, "ocf:pacemaker:Stateful", &[("state", &state)], &steps).await;
        let calls = std::fs::read_to_string(&log).unwrap();
        assert!(calls.contains("/run/bin/crm_"), "our commands come first: {calls}");
        assert!(calls.contains("-v 10") && calls.contains("-D"), "{calls}");
    });
}

fn anything() {
    with_bench(async |bench| {
        let pid = bench.path("pid");
        let params = [
            ("binfile", "/bin/sleep"),
            ("cmdline_options", "1000"),
            ("pidfile", pid.to_str().unwrap()),
        ];
        let agent = "ocf:heartbeat:anything";
        expect(bench, agent, &params, &[("monitor", 7), ("start", 0), ("monitor", 0)]).await;
        let watch = Duration::from_millis(200);
        bench.lrm.execute(operation("test", agent, "monitor", watch, LONG, &params));
        assert_eq!(bench.result().await.exit.0, 0);
        kill(pid_in(&pid));
        let failed = bench.result().await;
        assert_eq!(failed.operation.interval, watch);
        assert!(matches!(failed.exit.0, 1 | 7), "found dead: {}", failed.exit);
        assert!(bench.lrm.cancel("test", "monitor", watch));
        while bench.result().await.status != ExecutionStatus::Cancelled {}
        expect(bench, agent, &params, &[("start", 0), ("stop", 0), ("monitor", 7)]).await;
    });
}

fn nginx() {
    with_bench(async |bench| {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let root = bench.path("");
        let root = root.display();
        let config = bench.path("nginx.conf");
        let text = format!(
            "user root;\npid {root}/nginx.pid;\nerror_log {root}/error.log;\nevents {{}}\nhttp {{\n\
             access_log off;\nclient_body_temp_path {root}/t1;\nproxy_temp_path {root}/t2;\n\
             fastcgi_temp_path {root}/t3;\nuwsgi_temp_path {root}/t4;\nscgi_temp_path {root}/t5;\n\
             server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"hello\"; }} }}\n}}\n"
        );
        std::fs::write(&config, text).unwrap();
        let params =
            [("configfile", config.to_str().unwrap()), ("status10url", "http://127.0.0.1")];
        let agent = "ocf:heartbeat:nginx";
        expect(bench, agent, &params, &[("monitor", 7), ("start", 0), ("monitor", 0)]).await;
        let served = std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        assert!(served, "it listens where the configuration says");
        let main = pid_in(&bench.path("nginx.pid"));
        // Killed outright it would leave workers behind, which the agent takes for the service.
        let pid = nix::unistd::Pid::from_raw(main.try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        until(|| common::gone(main)).await;
        expect(bench, agent, &params, &[("monitor", 7)]).await;
        expect(bench, agent, &params, &[("stop", 0), ("start", 0), ("monitor", 0)]).await;
        expect(bench, agent, &params, &[("stop", 0), ("monitor", 7)]).await;
    });
}

fn plugins() {
    with_bench(async |bench| {
        let kinds = bench.lrm.catalog().types("stonith", None);
        assert!(kinds.contains("external/ssh"), "{kinds:?}");
        let name = AgentName::parse("stonith:external/ssh").unwrap();
        let metadata = bench.lrm.metadata(&name).await.unwrap();
        assert!(metadata.parameters.iter().any(|p| p.name == "hostlist"), "{metadata:?}");
        assert!(!metadata.short.is_empty() && !metadata.long.is_empty());
        assert!(Path::new(OCF).is_dir());
    });
}
