//! Alert agents: in order, one at a time per recipient, within their time.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use common::{Bench, until};
use crm_lrm::alerts::{AlertEvent, AlertTarget, Alerts};

fn target(id: &str, path: &Path, timeout: Duration) -> AlertTarget {
    AlertTarget {
        id: id.to_owned(),
        path: path.to_path_buf(),
        recipient: Some(format!("to-{id}")),
        timeout,
        params: BTreeMap::from([("trace".to_owned(), "on".to_owned())]),
    }
}

fn event(number: u32) -> AlertEvent {
    let kind = ("kind", "resource".to_owned());
    BTreeMap::from([kind, ("task", "start".to_owned()), ("desc", format!("event {number}"))])
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn events_arrive_in_order_and_one_at_a_time() {
    let bench = Bench::new();
    let (log, lock) = (bench.path("log"), bench.path("lock"));
    let script = format!(
        "#!/bin/sh\nmkdir {0} || echo overlap >> {1}\n\
         echo $CRM_alert_node_sequence $CRM_alert_kind $CRM_alert_recipient $CRM_alert_desc \
         $CRM_alert_version $trace >> {1}\nrmdir {0}\n",
        lock.display(),
        log.display()
    );
    let path = bench.program("sbin/alert", script.as_bytes());
    let alerts = Alerts::new(&bench.lrm);
    for number in 1..=5 {
        assert!(alerts.send(&target("mail", &path, LONG), event(number)));
    }
    let wanted: String =
        (1..=5).map(|n| format!("{n} resource to-mail event {n} 2.1.5 on\n")).collect();
    until(|| std::fs::read_to_string(&log).is_ok_and(|text| text.len() >= wanted.len())).await;
    assert_eq!(std::fs::read_to_string(&log).expect("it is there"), wanted);
}

#[tokio::test]
async fn a_program_that_hangs_holds_up_nobody_else_and_not_for_ever() {
    let bench = Bench::new();
    let log = bench.path("log");
    let hang = "#!/bin/sh\n[ \"$CRM_alert_desc\" = 'event 1' ] && sleep 1000\n";
    let script = format!("{hang}echo $CRM_alert_recipient >> {}\n", log.display());
    let path = bench.program("sbin/alert", script.as_bytes());
    let good = bench.program(
        "sbin/good",
        format!("#!/bin/sh\necho $CRM_alert_recipient >> {}\n", log.display()).as_bytes(),
    );
    let alerts = Alerts::new(&bench.lrm);
    let slow = target("slow", &path, Duration::from_millis(1500));
    alerts.send(&slow, event(1));
    alerts.send(&slow, event(2));
    alerts.send(&target("good", &good, LONG), event(1));
    until(|| std::fs::read_to_string(&log).is_ok_and(|text| text.lines().count() == 2)).await;
    assert_eq!(std::fs::read_to_string(&log).expect("it is there"), "to-good\nto-slow\n");
}

#[tokio::test]
async fn a_full_queue_loses_events_and_says_how_many() {
    let bench = Bench::new();
    let (log, gate) = (bench.path("log"), bench.path("gate"));
    let script = format!(
        "#!/bin/sh\nwhile [ ! -e {} ]; do sleep 0.01; done\n\
         [ -n \"$CRM_alert_lost\" ] && echo lost $CRM_alert_lost >> {}\nexit 0\n",
        gate.display(),
        log.display()
    );
    let path = bench.program("sbin/alert", script.as_bytes());
    let alerts = Alerts::new(&bench.lrm);
    let to = target("mail", &path, LONG);
    let mut dropped = 0;
    while dropped < 3 {
        dropped += u32::from(!alerts.send(&to, event(0)));
    }
    std::fs::write(&gate, "").expect("it can be written");
    until(|| alerts.send(&to, event(0))).await;
    until(|| std::fs::read(&log).is_ok_and(|text| text.ends_with(b"\n"))).await;
    let text = std::fs::read_to_string(&log).expect("it is there");
    let lost: u32 = text.trim().trim_start_matches("lost ").parse().expect("a number");
    assert!(lost >= 3, "{text}");
}
