//! Sections 4 and 5.

use super::{Case, history, node, primitive, rsc};
use crate::Score;
use crate::scheduler::input::locks;
use crate::scheduler::model::{Cluster, NodeKind, Role};

fn fence_reason(cluster: &Cluster) -> Option<String> {
    let n1 = node(cluster, "n1");
    let fencing = cluster.actions.iter().find(|a| a.node == Some(n1) && a.rsc.is_none());
    fencing.and_then(|a| a.reason.as_deref()).map(str::to_string)
}

#[test]
fn states_with_fencing() {
    // I-53: attributes; online, unclean, pending, reason.
    let gone = "peer is no longer part of the cluster";
    let silent = "peer process is no longer available";
    let rows: [(&str, bool, bool, bool, Option<&str>); 9] = [
        ("crmd='online'", false, true, false, Some("peer has not been seen by the cluster")),
        (
            "in_ccm='true' crmd='online' join='banned' expected='member'",
            true,
            true,
            false,
            Some("peer failed Pacemaker membership criteria"),
        ),
        ("in_ccm='true' crmd='online' join='member' expected='down'", true, false, true, None),
        ("in_ccm='false' crmd='offline' join='down' expected='down'", false, false, false, None),
        ("in_ccm='false' crmd='online' expected='member'", false, true, false, Some(gone)),
        ("in_ccm='true' crmd='offline' expected='member'", true, true, false, Some(silent)),
        ("in_ccm='true' crmd='online' join='member' expected='member'", true, false, false, None),
        ("in_ccm='true' crmd='online' join='pending' expected='member'", true, false, true, None),
        (
            "in_ccm='true' crmd='online' join='odd' expected='member'",
            true,
            true,
            false,
            Some("peer was in an unknown state"),
        ),
    ];
    for (attributes, online, unclean, pending, reason) in rows {
        let cluster = Case::new().state("1", attributes, "").load();
        let n = &cluster[node(&cluster, "n1")];
        assert_eq!((n.online, n.unclean, n.pending), (online, unclean, pending), "{attributes}");
        assert_eq!(fence_reason(&cluster).as_deref(), reason, "{attributes}");
        assert_eq!(n.standby, pending, "I-52: a pending node is in standby");
    }
}

#[test]
fn states_without_fencing() {
    // I-55
    for (attributes, online, unclean) in [
        ("in_ccm='false' crmd='online' join='member' expected='member'", false, false),
        ("in_ccm='true' crmd='online' join='member' expected='member'", true, false),
        ("in_ccm='true' crmd='online' join='pending' expected='member'", false, false),
        ("in_ccm='true' crmd='offline' join='member' expected='down'", false, false),
        ("in_ccm='true' crmd='offline' join='member' expected='member'", false, true),
    ] {
        let case = Case::new().option("stonith-enabled", "false").state("1", attributes, "");
        let cluster = case.load();
        let n = &cluster[node(&cluster, "n1")];
        assert_eq!((n.online, n.unclean), (online, unclean), "{attributes}");
    }
}

#[test]
fn unseen_nodes_are_unclean_with_startup_fencing() {
    // I-36
    let cluster = Case::new().load();
    let n = &cluster[node(&cluster, "n1")];
    assert!(n.unseen && n.unclean && !n.online);
    let cluster = Case::new().option("startup-fencing", "false").load();
    assert!(!cluster[node(&cluster, "n1")].unclean);
}

#[test]
fn attributes_and_what_they_mean() {
    // I-37, I-39, I-51
    let transient = "<transient_attributes id='1'><instance_attributes id='t'>\
                     <nvpair id='t1' name='shutdown' value='77'/>\
                     <nvpair id='t2' name='color' value='blue'/>\
                     </instance_attributes></transient_attributes>";
    let mut case = Case::new().up("1", transient).up("2", "");
    case.nodes = "<node id='1' uname='n1'><instance_attributes id='a'>\
                  <nvpair id='a1' name='color' value='red'/>\
                  <nvpair id='a2' name='standby' value='on'/></instance_attributes></node>\
                  <node id='2' uname='n2'/>"
        .to_string();
    let cluster = case.option("cluster-name", "c").load();
    let n = &cluster[node(&cluster, "n1")];
    assert!(n.standby && n.shutdown && n.online);
    assert_eq!(n.score, Score::MINUS_INFINITY);
    let read = |name| n.attr(name);
    assert_eq!(read("color"), Some("blue"), "transient ones win");
    assert_eq!(read("#kind"), Some("cluster"));
    assert_eq!(read("#uname"), Some("n1"));
    assert_eq!(read("#site-name"), Some("c"));
}

#[test]
fn guest_nodes_come_with_their_connection() {
    // I-43, I-44, I-46
    let vm = primitive(
        "vm",
        &super::meta("m", &[("remote-node", "g1"), ("remote-connect-timeout", "90s")]),
    );
    let clone = format!("<clone id='c'>{}</clone>", primitive("p", ""));
    let cluster = Case::new().resources(&vm).resources(&clone).load();
    let g1 = node(&cluster, "g1");
    assert_eq!(cluster[g1].kind, NodeKind::Remote);
    assert!(cluster.is_guest(g1));
    assert_eq!(cluster[g1].attr("#kind"), Some("container"));
    let connection = rsc(&cluster, "g1");
    assert_eq!(cluster[connection].container, Some(rsc(&cluster, "vm")));
    assert_eq!(cluster[rsc(&cluster, "vm")].fillers, [connection]);
    assert!(!cluster[connection].allow_migrate, "guest connections do not by default");
    let start = crate::scheduler::input::op_config(
        &cluster,
        connection,
        &crate::scheduler::model::Task::Start,
        0,
    );
    assert_eq!(start.timeout, 90_000);
    assert_eq!(cluster[rsc(&cluster, "c")].clone_data().unwrap().max, 3, "counts the guest");
}

#[test]
fn a_guest_that_is_configured_as_a_member_is_one() {
    let vm = primitive("vm", &super::meta("m", &[("remote-node", "g1")]));
    let mut case = Case::new().resources(&vm);
    case.nodes += "<node id='g1' uname='g1'/>";
    let cluster = case.load();
    let g1 = node(&cluster, "g1");
    assert_eq!(cluster[g1].connection, Some(rsc(&cluster, "g1")));
    assert_eq!(cluster.container_behind(g1), Some(rsc(&cluster, "vm")));
    assert!(!cluster.is_guest(g1) && !cluster.has_remote_nodes());
}

#[test]
fn an_offline_member_where_something_runs_is_fenced() {
    // I-158, I-227
    let down = "in_ccm='false' crmd='offline' join='down' expected='down'";
    let cluster = Case::new()
        .resources(&primitive("A", ""))
        .state("1", down, &history("A", &[("start", 0, 0, 0, 0)]))
        .up("2", "")
        .load();
    assert!(cluster[node(&cluster, "n1")].unclean);
    assert_eq!(fence_reason(&cluster).as_deref(), Some("A is thought to be active there"));
    let without = Case::new()
        .option("stonith-enabled", "false")
        .resources(&primitive("A", ""))
        .state("1", down, &history("A", &[("start", 0, 0, 0, 0)]))
        .up("2", "")
        .load();
    // I-122: without fencing the history of an offline member is not read.
    assert_eq!(without[rsc(&without, "A")].role, Role::Stopped);
    assert!(without[rsc(&without, "A")].active_on.is_empty());
}

#[test]
fn a_shutdown_lock_binds_guests_but_no_fence_devices_remotes_or_instances() {
    let remote = "<primitive id='r1' class='ocf' provider='pacemaker' type='remote'/>";
    let fence = "<primitive id='f' class='stonith' type='fence_x'/>";
    let guest = primitive("vm", &super::meta("m", &[("remote-node", "g1")]));
    let cluster = Case::new()
        .option("shutdown-lock", "true")
        .resources(&format!("{remote}{fence}{guest}"))
        .resources(&format!("<group id='g'>{}</group>", primitive("member", "")))
        .resources(&format!("<clone id='c'>{}</clone>", primitive("cloned", "")))
        .load();
    let mut bound: Vec<String> =
        locks::lockable(&cluster).into_iter().map(|r| cluster[r].id.to_string()).collect();
    bound.sort_unstable();
    assert_eq!(bound, ["g1", "member", "vm"]);
}
