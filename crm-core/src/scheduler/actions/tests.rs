//! What the drawing of a whole plan shows, as the reference draws it.

use crate::cib::parse;
use crate::rules::Moment;
use crate::scheduler::{Input, schedule};

/// Some resources, each of which was started on the one node that is up.
fn document(options: &str, resources: &[(&str, &str)], constraints: &str) -> String {
    let text = |per: &dyn Fn(&str, &str) -> String| -> String {
        resources.iter().map(|(id, inside)| per(id, inside)).collect()
    };
    let configured = text(&|id, inside| {
        format!(
            "<primitive id='{id}' class='ocf' provider='heartbeat' type='Dummy'>{inside}</primitive>"
        )
    });
    let recorded = text(&|id, _| {
        let key = "1:1:0:00000000-0000-0000-0000-000000000000";
        format!(
            "<lrm_resource id='{id}' class='ocf' provider='heartbeat' type='Dummy'>\
             <lrm_rsc_op id='{id}_last_0' operation_key='{id}_start_0' operation='start' \
             interval='0' call-id='1' rc-code='0' op-status='0' transition-key='{key}' \
             transition-magic='0:0;{key}'/></lrm_resource>"
        )
    });
    format!(
        "<cib have-quorum='1' crm_feature_set='3.16.1'><configuration><crm_config>\
         <cluster_property_set id='cib-bootstrap-options'>\
         <nvpair id='f' name='stonith-enabled' value='false'/>{options}</cluster_property_set>\
         </crm_config><nodes><node id='1' uname='n1'/><node id='2' uname='n2'/></nodes>\
         <resources>{configured}</resources><constraints>{constraints}</constraints>\
         </configuration><status><node_state id='1' uname='n1' in_ccm='true' crmd='online' \
         join='member' expected='member'><lrm id='1'><lrm_resources>{recorded}</lrm_resources>\
         </lrm></node_state></status></cib>"
    )
}

/// The lines of the drawing that hold some words.
fn drawn(document: &str, all: bool, words: &str) -> Vec<String> {
    let cib = parse(document).unwrap();
    let mut input = Input::new(&cib, Moment { epoch: 10_000, offset: 0 });
    input.all_actions = all;
    let dot = schedule(&input).graph.to_dot(false, all);
    dot.lines().filter(|line| line.contains(words)).map(String::from).collect()
}

#[test]
fn what_waits_for_room_is_drawn_with_everything_only() {
    let demand = "<utilization id='u'><nvpair id='u1' name='cpu' value='1'/></utilization>";
    let balanced = "<nvpair id='p' name='placement-strategy' value='balanced'/>";
    let document = document(balanced, &[("A", demand)], "");
    let mut all = drawn(&document, true, "-> \"A_start_0");
    all.sort();
    assert_eq!(
        all,
        [
            "\"A_stop_0 n1\" -> \"A_start_0 <none>\" [ style = dashed]",
            "\"load_stopped_n1 n1\" -> \"A_start_0 <none>\" [ style = dashed]",
            "\"load_stopped_n2 n2\" -> \"A_start_0 <none>\" [ style = dashed]",
        ]
    );
    assert_eq!(drawn(&document, false, "-> \"A_start_0"), [all[0].clone()]);
}

#[test]
fn what_is_nowhere_is_drawn_where_the_summary_looks_for_it() {
    let moves = |id: &str| {
        format!(
            "<meta_attributes id='{id}-m'><nvpair id='{id}-n' name='allow-migrate' value='true'/></meta_attributes>"
        )
    };
    let order = "<rsc_order id='o' first='A' then='B'/>";
    let document = document("", &[("A", &moves("A")), ("B", &moves("B"))], order);
    assert_eq!(
        drawn(&document, true, "migrate"),
        ["\"A_migrate_from_0 n1\" [ style=dashed color=\"blue\" fontcolor=\"black\"]"]
    );
    assert!(drawn(&document, false, "migrate").is_empty());
}

#[test]
fn both_fencings_come_before_the_word_of_what_they_stopped() {
    //
    let state = |number: u32| {
        let key = "1:1:0:00000000-0000-0000-0000-000000000000";
        format!(
            "<node_state id='{number}' uname='n{number}'><lrm id='{number}'><lrm_resources>\
             <lrm_resource id='A' class='ocf' provider='heartbeat' type='Dummy'><lrm_rsc_op \
             id='A_last_0' operation_key='A_start_0' operation='start' interval='0' call-id='1' \
             rc-code='0' op-status='0' transition-key='{key}' transition-magic='0:0;{key}'/>\
             </lrm_resource></lrm_resources></lrm></node_state>"
        )
    };
    let document = format!(
        "<cib have-quorum='1' crm_feature_set='3.16.1'><configuration><crm_config/><nodes>\
         <node id='1' uname='n1'/><node id='2' uname='n2'/><node id='3' uname='n3'/></nodes>\
         <resources><primitive id='F' class='stonith' type='x'/>\
         <primitive id='A' class='ocf' provider='heartbeat' type='Dummy'><meta_attributes \
         id='m'><nvpair id='m1' name='notify' value='true'/></meta_attributes></primitive>\
         </resources><constraints/></configuration><status>{}{}<node_state id='3' uname='n3' \
         in_ccm='true' crmd='online' join='member' expected='member'/></status></cib>",
        state(1),
        state(2)
    );
    let mut told = drawn(&document, false, "-> \"A_post_notify_stonith_0\"");
    told.sort();
    assert_eq!(
        told,
        [
            "\"stonith 'reboot' n1\" -> \"A_post_notify_stonith_0\" [ style = bold]",
            "\"stonith 'reboot' n2\" -> \"A_post_notify_stonith_0\" [ style = bold]",
        ]
    );
}

#[test]
fn a_probe_comes_before_the_restarts_that_it_may_lead_to() {
    // also over an order of two clones, of which only the part that is seen from the second
    // one is replaced by one of the first clone's completion.
    let key = "7:1:0:00000000-0000-0000-0000-000000000001";
    let document = format!(
        "<cib crm_feature_set='3.16.1'><configuration><crm_config>\
         <cluster_property_set id='o'><nvpair id='o1' name='stonith-enabled' value='false'/>\
         </cluster_property_set></crm_config><nodes><node id='1' uname='n1'/></nodes><resources>\
         <clone id='a'><primitive id='A' class='ocf' provider='heartbeat' type='Dummy'/></clone>\
         <clone id='b'><primitive id='B' class='ocf' provider='heartbeat' type='Dummy'/></clone>\
         </resources><constraints>\
         <rsc_colocation id='c' score='INFINITY' rsc='b' with-rsc='a'/>\
         <rsc_order id='d' first='a' then='b'/></constraints></configuration><status>\
         <node_state id='1' uname='n1' in_ccm='true' crmd='online' join='member'><lrm id='1'>\
         <lrm_resources><lrm_resource id='B' class='ocf' provider='heartbeat' type='Dummy'>\
         <lrm_rsc_op id='B_last_0' operation_key='B_start_0' operation='start' interval='0' \
         call-id='1' rc-code='0' op-status='0' transition-key='{key}' \
         transition-magic='0:0;{key}'/></lrm_resource></lrm_resources></lrm></node_state>\
         </status></cib>"
    );
    assert_eq!(
        drawn(&document, false, "-> \"B_stop_0 n1\""),
        [
            "\"A:0_monitor_0 n1\" -> \"B_stop_0 n1\" [ style = bold]",
            "\"b_stop_0\" -> \"B_stop_0 n1\" [ style = bold]",
        ]
    );
}
