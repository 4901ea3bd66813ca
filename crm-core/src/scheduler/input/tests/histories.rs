//! Sections 10 to 15, and the checked outcomes of section 22.

use super::{Case, history, meta, node, primitive, rsc};
use crate::Score;
use crate::scheduler::input::failcount;
use crate::scheduler::model::{Cluster, Role, Task};

const FENCE: &str = "<primitive id='F' class='stonith' type='x'/>";

fn with_entries(entries: &[(&str, u32, i32, i32, i32)]) -> Cluster {
    Case::new()
        .resources(&primitive("A", ""))
        .resources(FENCE)
        .up("1", &history("A", entries))
        .up("2", &history("A", &[("monitor", 0, 7, 7, 0)]))
        .load()
}

/// Role, failed, and whether n1 is banned.
fn outcome(cluster: &Cluster) -> (Role, bool, bool) {
    let a = &cluster[rsc(cluster, "A")];
    let score = a.allowed.score(node(cluster, "n1"));
    (a.role, a.failed, score == Some(Score::MINUS_INFINITY))
}

#[test]
fn results_of_a_start() {
    // 22.2
    for (rc, status, wanted) in [
        (0, 0, (Role::Started, false, false)),
        (1, 4, (Role::Started, true, false)),
        (5, 4, (Role::Started, true, true)),
        (9, 4, (Role::Promoted, true, false)),
        (1, 2, (Role::Started, true, false)),
        (1, 7, (Role::Started, true, true)),
        (1, 10, (Role::Started, true, true)),
    ] {
        assert_eq!(outcome(&with_entries(&[("start", 0, rc, 0, status)])), wanted, "{rc} {status}");
    }
    let fatal = with_entries(&[("start", 0, 6, 0, 4)]);
    let n2 = node(&fatal, "n2");
    assert_eq!(fatal[rsc(&fatal, "A")].allowed.score(n2), Some(Score::MINUS_INFINITY));
}

#[test]
fn results_of_a_probe() {
    // 22.2, I-143
    for (rc, wanted) in [
        (0, (Role::Started, false, false)),
        (190, (Role::Started, false, false)),
        (1, (Role::Started, true, false)),
        (2, (Role::Stopped, false, true)),
        (5, (Role::Stopped, false, true)),
        (7, (Role::Stopped, false, false)),
        (8, (Role::Promoted, false, false)),
        (9, (Role::Promoted, true, false)),
    ] {
        let status = if rc == 7 { 0 } else { 4 };
        let cluster = with_entries(&[("monitor", 0, rc, 7, status)]);
        assert_eq!(outcome(&cluster), wanted, "{rc}");
    }
}

#[test]
fn a_failed_stop_is_fenced() {
    // 22.1
    let cluster = with_entries(&[("start", 0, 0, 0, 0), ("stop", 0, 1, 0, 4)]);
    assert_eq!(outcome(&cluster), (Role::Started, true, true));
    assert!(cluster[node(&cluster, "n1")].unclean);
    assert_eq!(cluster.failed_ops.len(), 1);
}

#[test]
fn pending_operations() {
    // I-145
    let start = with_entries(&[("start", 0, 193, 0, -1)]);
    let a = &start[rsc(&start, "A")];
    assert!(a.start_pending);
    assert_eq!(a.role, Role::Started);
    assert_eq!(a.pending, Some((Task::Start, node(&start, "n1"))));
    let probe = with_entries(&[("monitor", 0, 193, 7, -1)]);
    assert_eq!(probe[rsc(&probe, "A")].pending, None);
    assert_eq!(probe[rsc(&probe, "A")].role, Role::Stopped);
}

#[test]
fn recurring_operations_that_run_are_remembered() {
    // I-129
    let recurring = |entries| {
        let cluster = with_entries(entries);

        cluster.actions.iter().filter(|a| a.interval() == 10_000).count()
    };
    assert_eq!(recurring(&[("start", 0, 0, 0, 0), ("monitor", 10_000, 0, 0, 0)]), 1);
    assert_eq!(
        recurring(&[("start", 0, 0, 0, 0), ("monitor", 10_000, 0, 0, 0), ("stop", 0, 0, 0, 0)]),
        0
    );
}

#[test]
fn anonymous_instances_follow_their_nodes() {
    // I-130, I-132
    let clone = format!("<clone id='c'>{}</clone>", primitive("p", ""));
    let cluster = Case::new()
        .resources(&clone)
        .resources(FENCE)
        .up("1", &history("p", &[("start", 0, 0, 0, 0)]))
        .up("2", &history("p:7", &[("start", 0, 0, 0, 0)]))
        .load();
    let first = &cluster[rsc(&cluster, "p:0")];
    let second = &cluster[rsc(&cluster, "p:1")];
    assert_eq!(first.active_on, [node(&cluster, "n1")]);
    assert_eq!(first.history_name.as_deref(), Some("p"));
    assert_eq!(second.active_on, [node(&cluster, "n2")]);
    assert_eq!(second.history_name.as_deref(), Some("p:7"));
    assert_eq!(cluster[rsc(&cluster, "c")].children.len(), 2);
}

#[test]
fn history_beyond_the_instances_makes_orphans() {
    // I-93, I-132
    let clone =
        format!("<clone id='c'>{}{}</clone>", meta("m", &[("clone-max", "1")]), primitive("p", ""));
    let active = history("p", &[("start", 0, 0, 0, 0)]);
    let cluster =
        Case::new().resources(&clone).resources(FENCE).up("1", &active).up("2", &active).load();
    let extra = &cluster[rsc(&cluster, "p:1")];
    assert!(extra.orphan);
    assert_eq!(extra.active_on, [node(&cluster, "n2")]);
}

#[test]
fn what_only_the_history_knows_is_an_orphan() {
    // I-133
    let case = || Case::new().resources(FENCE).up("1", &history("x", &[("start", 0, 0, 0, 0)]));
    let cluster = case().load();
    let x = &cluster[rsc(&cluster, "x")];
    assert!(x.orphan && x.managed);
    assert_eq!(x.allowed.score(node(&cluster, "n2")), Some(Score::MINUS_INFINITY));
    assert_eq!(cluster.top.last(), Some(&rsc(&cluster, "x")));
    let kept = case().option("stop-orphan-resources", "false").load();
    assert!(!kept[rsc(&kept, "x")].managed);
}

fn migration(n1: &str, n2: Option<&str>) -> Cluster {
    let ends = "migrate_source='n1' migrate_target='n2' operation=";
    let name = |text: &str| text.replace("operation=", ends);
    let resource = primitive("A", &meta("m", &[("allow-migrate", "true")]));
    let case = Case::new().resources(&resource).resources(FENCE).up("1", &name(n1));
    case.up("2", &name(n2.unwrap_or(""))).load()
}

#[test]
fn migrations() {
    // I-153, I-154, 22.3
    let probed = history("A", &[("monitor", 0, 7, 7, 0)]);
    let began = history("A", &[("start", 0, 0, 0, 0), ("migrate_to", 0, 0, 0, 0)]);
    let cluster = migration(&began, Some(&probed));
    let a = &cluster[rsc(&cluster, "A")];
    let (n1, n2) = (node(&cluster, "n1"), node(&cluster, "n2"));
    assert_eq!(a.active_on, [n2, n1]);
    assert_eq!(a.partial_migration.map(|p| (p.source, p.target)), Some((n1, n2)));

    // Nothing is known of the target: it was cleaned up.
    let cluster = migration(&began, None);
    let a = &cluster[rsc(&cluster, "A")];
    assert_eq!((a.active_on.clone(), a.partial_migration.is_none()), (vec![n1], true));

    let arrived = history("A", &[("migrate_from", 0, 0, 0, 0)]);
    let cluster = migration(&began, Some(&arrived));
    let a = &cluster[rsc(&cluster, "A")];
    assert_eq!((a.active_on.clone(), a.dangling.clone()), (vec![n2], vec![n1]));

    let failed = history("A", &[("start", 0, 0, 0, 0), ("migrate_to", 0, 1, 0, 4)]);
    let cluster = migration(&failed, None);
    let a = &cluster[rsc(&cluster, "A")];
    assert!(a.failed);
    assert_eq!((a.active_on.clone(), a.dangling.clone()), (vec![n1], vec![n1]));
}

#[test]
fn what_the_target_says_of_a_failed_departure() {
    // I-154: only an arrival that succeeded is the other half; any other is newer state.
    let departed = |entries: &[(&str, u32, i32, i32, i32)]| {
        let n1 = history("A", &[("migrate_to", 0, 1, 0, 4)])
            .replace("<lrm_rsc_op", "<lrm_rsc_op last-rc-change='100'");
        let n2 = history("A", entries).replace("<lrm_rsc_op", "<lrm_rsc_op last-rc-change='200'");
        let cluster = migration(&n1, Some(&n2));
        let a = &cluster[rsc(&cluster, "A")];
        a.active_on.iter().map(|n| cluster[*n].name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(departed(&[("monitor", 0, 7, 7, 0), ("migrate_from", 0, 1, 0, 4)]), ["n1", "n2"]);
    assert_eq!(departed(&[("monitor", 0, 7, 7, 0), ("migrate_from", 0, 193, 0, -1)]), ["n1"]);
    // One monitor that found nothing is newer state, of two neither counts.
    assert_eq!(departed(&[("monitor", 0, 7, 7, 0)]), ["n1"]);
    assert_eq!(departed(&[("monitor", 0, 7, 7, 0), ("monitor", 10, 7, 7, 0)]), ["n2", "n1"]);
}

#[test]
fn several_active_nodes() {
    // I-165
    let both = |value: &str| {
        let resource = primitive("A", &meta("m", &[("multiple-active", value)]));
        let active = history("A", &[("start", 0, 0, 0, 0)]);
        Case::new().resources(&resource).resources(FENCE).up("1", &active).up("2", &active).load()
    };
    let only = both("stop_only");
    let a = &only[rsc(&only, "A")];
    assert!(a.allowed.iter().all(|(_, e)| e.score == Score::MINUS_INFINITY));
    let blocked = both("block");
    let a = &blocked[rsc(&blocked, "A")];
    assert!(a.blocked && !a.managed);
    assert!(!both("stop_start").resources[0].blocked);
}

#[test]
fn counts_add_up_until_they_expire() {
    // I-172, I-174
    let counted = |timeout: &str| {
        let transient = "<transient_attributes id='1'><instance_attributes id='t'>\
            <nvpair id='t1' name='fail-count-A#monitor_10000' value='1'/>\
            <nvpair id='t2' name='fail-count-A#start_0' value='2'/>\
            <nvpair id='t3' name='last-failure-A#start_0' value='9900'/>\
            </instance_attributes></transient_attributes>";
        let resource = primitive("A", &meta("m", &[("failure-timeout", timeout)]));
        let mut cluster = Case::new().resources(&resource).up("1", transient).load();
        let (a, n1) = (rsc(&cluster, "A"), node(&cluster, "n1"));
        failcount::effective(&mut cluster, a, n1, None).count
    };
    assert_eq!(counted("0"), Score::new(3));
    assert_eq!(counted("100"), Score::new(3), "strictly later than the timeout");
    assert_eq!(counted("99"), Score::ZERO);
}
