use super::*;
use std::collections::BTreeMap;

use crate::operation::AgentName;

fn operation(resource: &str, action: &str, interval_ms: u64) -> Operation {
    Operation {
        resource: resource.to_owned(),
        agent: AgentName::parse("ocf:test:Nice").expect("a well-formed name"),
        action: action.to_owned(),
        interval: Duration::from_millis(interval_ms),
        timeout: Duration::from_secs(20),
        start_delay: Duration::ZERO,
        params: BTreeMap::new(),
        key: format!("{resource}-{action}"),
    }
}

fn ms(ms: u64) -> Moment {
    Moment(Duration::from_millis(ms))
}

fn end(exit: i32) -> RunEnd {
    RunEnd {
        status: ExecutionStatus::Done,
        exit: ExitCode(exit),
        exit_reason: String::new(),
        stdout: Vec::new(),
        stderr: Vec::new(),
        metadata: None,
        exec_time: Duration::from_millis(1),
    }
}

/// The effects since the last look, in short words.
fn effects(schedule: &mut Schedule) -> Vec<String> {
    invariants(schedule);
    let mut words = Vec::new();
    while let Some(effect) = schedule.next_effect() {
        words.push(match effect {
            Effect::Start { call, operation } => {
                format!("start {call} {} {}", operation.resource, operation.action)
            }
            Effect::Abort { call, at_once } => format!("abort {call} {at_once}"),
            Effect::Report(result) => {
                format!("report {} {:?} {}", result.call_id, result.status, result.exit)
            }
        });
    }
    words
}

fn invariants(schedule: &Schedule) {
    let running: Vec<_> =
        schedule.calls().into_iter().filter(|c| c.state == CallState::Running).collect();
    assert!(running.len() <= schedule.limit);
    let resources: BTreeSet<_> = running.iter().map(|c| c.resource.clone()).collect();
    assert_eq!(resources.len(), running.len(), "two runs of one resource");
    assert_eq!(schedule.busy.len(), running.len());
    assert_eq!(
        schedule.calls.len(),
        schedule.timers.len() + schedule.queue.len() + schedule.busy.len(),
        "a call is in exactly one place"
    );
}

#[test]
fn one_operation_at_a_time_of_a_resource_in_order() {
    let mut schedule = Schedule::new(8);
    schedule.execute(operation("a", "start", 0), ms(0));
    schedule.execute(operation("a", "notify", 0), ms(0));
    schedule.execute(operation("b", "start", 0), ms(0));
    assert_eq!(effects(&mut schedule), ["start 1 a start", "start 3 b start"]);
    schedule.finished(CallId(1), end(0), ms(5));
    assert_eq!(effects(&mut schedule), ["report 1 Done 0", "start 2 a notify"]);
    assert!(!schedule.is_idle());
    schedule.finished(CallId(3), end(1), ms(6));
    schedule.finished(CallId(2), end(0), ms(7));
    assert_eq!(effects(&mut schedule), ["report 3 Done 1", "report 2 Done 0"]);
    assert!(schedule.is_idle());
}

#[test]
fn the_limit_holds_and_one_shots_pass_monitors() {
    let mut schedule = Schedule::new(1);
    schedule.execute(operation("a", "start", 0), ms(0));
    schedule.execute(operation("b", "monitor", 1000), ms(0));
    schedule.execute(operation("c", "stop", 0), ms(1));
    assert_eq!(effects(&mut schedule), ["start 1 a start"]);
    schedule.finished(CallId(1), end(0), ms(5));
    assert_eq!(effects(&mut schedule), ["report 1 Done 0", "start 3 c stop"]);
    schedule.finished(CallId(3), end(0), ms(6));
    assert_eq!(effects(&mut schedule), ["report 3 Done 0", "start 2 b monitor"]);
}

#[test]
fn a_recurring_call_reports_first_changes_and_failures() {
    let mut schedule = Schedule::new(4);
    schedule.execute(operation("a", "monitor", 100), ms(0));
    assert_eq!(effects(&mut schedule), ["start 1 a monitor"]);
    let mut reports = Vec::new();
    for exit in [0, 0, 0, 190, 190, 1, 1, 7, 0, 0] {
        let now = schedule.next_wakeup().unwrap_or(ms(0));
        schedule.advance(now);
        schedule.finished(CallId(1), end(exit), now);
        reports.extend(effects(&mut schedule).into_iter().filter(|e| e.starts_with("report")));
    }
    let exits: Vec<_> = reports.iter().map(|r| r.rsplit(' ').next().unwrap_or("")).collect();
    assert_eq!(exits, ["0", "190", "1", "1", "7", "0"]);
}

#[test]
fn the_expected_exit_of_a_monitor_for_the_stopped_role_is_no_failure() {
    let mut schedule = Schedule::new(4);
    let mut monitor = operation("a", "monitor", 100);
    monitor.params.insert("CRM_meta_op_target_rc".to_owned(), "7".to_owned());
    schedule.execute(monitor, ms(0));
    schedule.finished(CallId(1), end(7), ms(1));
    let now = schedule.next_wakeup().expect("it runs again");
    schedule.advance(now);
    schedule.finished(CallId(1), end(7), now);
    assert_eq!(
        effects(&mut schedule),
        ["start 1 a monitor", "report 1 Done 7", "start 1 a monitor"]
    );
}

#[test]
fn runs_keep_to_a_grid_and_never_overlap() {
    let mut schedule = Schedule::new(4);
    schedule.execute(operation("a", "monitor", 100), ms(0));
    schedule.finished(CallId(1), end(0), ms(2));
    let second = schedule.next_wakeup().expect("it runs again");
    assert!(second >= ms(50) && second <= ms(100), "the first gap is at most shorter: {second:?}");
    schedule.advance(second);
    schedule.finished(CallId(1), end(0), second.after(Duration::from_millis(30)));
    let third = schedule.next_wakeup().expect("it runs again");
    assert_eq!(third, second.after(Duration::from_millis(100)), "the run's time is not added");
    schedule.advance(third);
    effects(&mut schedule);
    schedule.advance(third.after(Duration::from_millis(250)));
    assert_eq!(effects(&mut schedule), Vec::<String>::new(), "no second run beside the first");
    schedule.finished(CallId(1), end(0), third.after(Duration::from_millis(250)));
    assert_eq!(
        schedule.next_wakeup(),
        Some(third.after(Duration::from_millis(300))),
        "missed points of the grid are skipped"
    );
}

#[test]
fn resources_started_together_are_not_watched_together() {
    let mut schedule = Schedule::new(100);
    for i in 0..50 {
        schedule.execute(operation(&format!("r{i}"), "monitor", 10_000), ms(0));
    }
    for i in 1..=50 {
        schedule.finished(CallId(i), end(0), ms(1));
    }
    let times: BTreeSet<_> = schedule.timers.iter().map(|(due, _)| *due).collect();
    assert!(times.len() > 30, "only {} different times", times.len());
}

#[test]
fn cancel_of_a_waiting_a_queued_and_a_running_call() {
    let interval = Duration::from_millis(100);
    let mut schedule = Schedule::new(1);
    schedule.execute(operation("a", "monitor", 100), ms(0));
    schedule.execute(operation("b", "monitor", 100), ms(0));
    assert!(schedule.cancel("b", "monitor", interval, ms(1)), "queued");
    assert_eq!(effects(&mut schedule), ["start 1 a monitor", "report 2 Cancelled 0"]);
    assert!(schedule.cancel("a", "monitor", interval, ms(2)), "running");
    assert!(!schedule.cancel("a", "monitor", interval, ms(2)), "already taken back");
    assert_eq!(effects(&mut schedule), ["abort 1 false"]);
    schedule.finished(CallId(1), end(1), ms(3));
    assert_eq!(effects(&mut schedule), ["report 1 Cancelled 0"]);
    schedule.execute(operation("c", "monitor", 100), ms(4));
    schedule.finished(CallId(3), end(7), ms(5));
    assert!(schedule.cancel("c", "monitor", interval, ms(6)), "waiting");
    assert_eq!(
        effects(&mut schedule),
        ["start 3 c monitor", "report 3 Done 7", "report 3 Cancelled 7"]
    );
    assert!(schedule.calls().is_empty());
}

#[test]
fn a_change_of_state_ends_the_recurring_calls_and_waits_for_the_run() {
    let mut schedule = Schedule::new(4);
    schedule.execute(operation("a", "monitor", 100), ms(0));
    schedule.execute(operation("a", "monitor", 200), ms(0));
    schedule.execute(operation("a", "stop", 0), ms(1));
    assert_eq!(
        effects(&mut schedule),
        ["start 1 a monitor", "abort 1 false", "report 2 Cancelled 0"]
    );
    schedule.finished(CallId(1), end(0), ms(2));
    assert_eq!(effects(&mut schedule), ["report 1 Cancelled 0", "start 3 a stop"]);
}

#[test]
fn the_same_recurring_operation_again_replaces_the_first() {
    let mut schedule = Schedule::new(4);
    schedule.execute(operation("a", "monitor", 100), ms(0));
    schedule.finished(CallId(1), end(0), ms(1));
    schedule.execute(operation("a", "monitor", 100), ms(2));
    assert_eq!(
        effects(&mut schedule),
        ["start 1 a monitor", "report 1 Done 0", "report 1 Cancelled 0", "start 2 a monitor"]
    );
}

#[test]
fn a_start_delay_delays_the_first_run_only() {
    let mut schedule = Schedule::new(4);
    let mut delayed = operation("a", "monitor", 100);
    delayed.start_delay = Duration::from_millis(70);
    schedule.execute(delayed, ms(0));
    assert_eq!(effects(&mut schedule), Vec::<String>::new());
    assert_eq!(schedule.next_wakeup(), Some(ms(70)));
    schedule.advance(ms(70));
    assert_eq!(effects(&mut schedule), ["start 1 a monitor"]);
}

#[test]
fn stop_all_spares_a_one_shot_in_flight_and_kill_all_spares_nothing() {
    let mut schedule = Schedule::new(4);
    schedule.execute(operation("a", "stop", 0), ms(0));
    schedule.execute(operation("a", "start", 0), ms(0));
    schedule.execute(operation("b", "monitor", 100), ms(0));
    effects(&mut schedule);
    schedule.stop_all(ms(1));
    assert_eq!(effects(&mut schedule), ["report 2 Cancelled 0", "abort 3 false"]);
    schedule.kill_all(ms(2));
    assert_eq!(effects(&mut schedule), ["abort 1 true", "abort 3 true"]);
    schedule.finished(CallId(1), end(0), ms(3));
    schedule.finished(CallId(3), end(0), ms(3));
    assert_eq!(effects(&mut schedule), ["report 1 Cancelled 0", "report 3 Cancelled 0"]);
    assert!(schedule.calls().is_empty() && schedule.is_idle());
}

#[test]
fn ends_of_unknown_or_idle_calls_are_ignored() {
    let mut schedule = Schedule::new(4);
    schedule.finished(CallId(9), end(0), ms(0));
    schedule.execute(operation("a", "monitor", 100), ms(0));
    schedule.finished(CallId(1), end(0), ms(1));
    schedule.finished(CallId(1), end(1), ms(1));
    assert_eq!(effects(&mut schedule), ["start 1 a monitor", "report 1 Done 0"]);
}
