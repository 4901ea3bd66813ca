//! The trial of an agent finds what is wrong with it.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use common::Bench;
use crm_lrm::calls::Surroundings;
use crm_lrm::operation::AgentName;
use crm_lrm::standalone::{Finding, Standalone};

const METADATA: &str = "cat <<END\n<?xml version='1.0'?><resource-agent name='A'><parameters>\
    <parameter name='state' required='1'><content type='string'/></parameter></parameters><actions>\
    <action name='start'/><action name='stop'/><action name='monitor'/><action name='meta-data'/>\
    <action name='promote'/><action name='demote'/></actions></resource-agent>\nEND";

/// An agent with a role in a file, and one line to spoil it.
fn agent(bench: &Bench, spoil: &str) {
    let script = format!(
        "s=$OCF_RESKEY_state\n{spoil}\ncase $1 in\nmeta-data) {METADATA}\n;;\n\
         start) [ -e $s ] || echo 0 > $s;;\nstop) rm -f $s;;\n\
         monitor) [ -e $s ] || exit 7; exit $(cat $s);;\n\
         promote) echo 8 > $s;;\ndemote) echo 0 > $s;;\n*) exit 3;;\nesac"
    );
    bench.agent("A", &script);
}

async fn trial(bench: &Bench, params: &[(&str, &str)]) -> Vec<Finding> {
    let standalone = Standalone {
        catalog: bench.lrm.catalog().clone(),
        around: Surroundings {
            node_name: "node1".to_owned(),
            bin_dir: "/run/crm/bin".into(),
            ocf_root: bench.path("ocf"),
            extra: BTreeMap::new(),
        },
    };
    let params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let name = AgentName::parse("ocf:test:A").expect("a well-formed name");
    let asked = standalone.trial(&name, &params, Duration::from_secs(60)).await;
    asked.expect("the agent is there")
}

fn bad(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|finding| !finding.good).map(|finding| finding.what.as_str()).collect()
}

#[tokio::test]
async fn a_good_agent_passes_and_leaves_nothing_behind() {
    let bench = Bench::new();
    agent(&bench, "");
    let state = bench.path("state").display().to_string();
    let findings = trial(&bench, &[("state", &state)]).await;
    assert_eq!(bad(&findings), Vec::<&str>::new());
    assert!(findings.len() >= 16, "{} steps", findings.len());
    assert!(!Path::new(&state).exists());
}

#[tokio::test]
async fn each_mistake_is_found() {
    let bench = Bench::new();
    let state = bench.path("state").display().to_string();
    for (spoil, wanted) in [
        ("[ $1 = stop ] && [ ! -e $s ] && exit 1", "stop of what does not run"),
        ("[ $1 = start ] && [ -e $s ] && exit 1", "start of what runs"),
        ("[ $1 = no-such-action ] && exit 0", "an action that there is not"),
        (
            "[ $1 = monitor ] && [ $(cat $s 2>/dev/null)0 = 80 ] && exit 0",
            "monitor of what is promoted",
        ),
        ("[ $1 = stop ] && exit 0", "monitor after the stop"),
        ("[ $1 = meta-data ] && echo text before", "meta-data"),
    ] {
        let _ = std::fs::remove_file(&state);
        agent(&bench, spoil);
        let findings = trial(&bench, &[("state", &state)]).await;
        assert!(bad(&findings).contains(&wanted), "{spoil}: {:?}", bad(&findings));
    }
}

#[tokio::test]
async fn what_runs_already_is_left_alone() {
    let bench = Bench::new();
    agent(&bench, "");
    bench.program("state", b"0\n");
    let state = bench.path("state").display().to_string();
    let findings = trial(&bench, &[("state", &state), ("sate", "x")]).await;
    assert_eq!(bad(&findings), ["parameter sate", "monitor of what does not run"]);
    assert!(Path::new(&state).exists());
}
