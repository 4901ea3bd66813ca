//! Sections 3, 7, 8 and 9.

use super::{Case, meta, node, primitive, rsc};
use crate::Score;
use crate::scheduler::input::{op_config, op_params};
use crate::scheduler::model::{Discovery, OnFail, QuorumPolicy, Requires, Role, Severity, Task};

#[test]
fn options_fall_back_when_they_are_not_valid() {
    // I-24, I-25
    let cluster = Case::new().option("stop-all-resources", "sure").load();
    assert!(!cluster.options.stop_all);
    assert!(
        cluster
            .messages
            .iter()
            .any(|m| m.severity == Severity::ConfigError && m.text.contains("stop-all-resources"))
    );
    let mut case = Case::new().option("batch-limit", "7");
    case.options += "</cluster_property_set><cluster_property_set id='other' score='100'>\
                     <nvpair id='x' name='batch-limit' value='9'/>";
    assert_eq!(&*case.load().options.batch_limit, "7", "the bootstrap block comes first");
}

#[test]
fn suicide_needs_quorum_once() {
    // I-30
    let policy = |root: &str, fencing: &str| {
        let mut case =
            Case::new().option("no-quorum-policy", "suicide").option("stonith-enabled", fencing);
        case.root = root.to_string();
        case.load().options.quorum_policy
    };
    assert_eq!(policy("have-quorum='1'", "true"), QuorumPolicy::Suicide);
    assert_eq!(policy("have-quorum='0'", "true"), QuorumPolicy::Stop);
    assert_eq!(policy("have-quorum='0' no-quorum-panic='1'", "true"), QuorumPolicy::Suicide);
    assert_eq!(policy("have-quorum='1'", "false"), QuorumPolicy::Stop);
}

#[test]
fn of_two_blocks_the_later_or_the_higher_wins() {
    // I-64, I-68, I-74
    let two = format!(
        "{}{}",
        meta("a", &[("priority", "1"), ("is-managed", "#default")]),
        meta("b", &[("priority", "2")])
    );
    let defaults = "<rsc_defaults><meta_attributes id='d'>\
                    <nvpair id='d1' name='is-managed' value='false'/>\
                    <nvpair id='d2' name='priority' value='9'/></meta_attributes></rsc_defaults>";
    let cluster = Case::new().resources(&primitive("A", &two)).more(defaults).load();
    let a = &cluster[rsc(&cluster, "A")];
    assert_eq!(a.priority, Score::new(2));
    assert!(!a.managed, "#default leaves it to the defaults");
    let scored = two.replacen("<meta_attributes id='a'", "<meta_attributes score='5' id='a'", 1);
    let cluster = Case::new().resources(&primitive("A", &scored)).load();
    assert_eq!(cluster[rsc(&cluster, "A")].priority, Score::new(1));
}

#[test]
fn resource_defaults_can_depend_on_the_agent() {
    // I-74, I-194
    let defaults = "<rsc_defaults><meta_attributes id='d'><rule id='r'>\
                    <rsc_expression id='e' class='ocf' provider='heartbeat' type='Dummy'/></rule>\
                    <nvpair id='d1' name='priority' value='9'/></meta_attributes></rsc_defaults>";
    let other = "<primitive id='B' class='lsb' type='x'/>";
    let case = Case::new().resources(&primitive("A", "")).resources(other).more(defaults);
    let cluster = case.load();
    assert_eq!(cluster[rsc(&cluster, "A")].priority, Score::new(9));
    assert_eq!(cluster[rsc(&cluster, "B")].priority, Score::ZERO);
    assert_eq!(cluster.top, [rsc(&cluster, "A"), rsc(&cluster, "B")]);
}

#[test]
fn templates_lend_blocks_and_operations() {
    // I-84, I-85, I-86
    let template = "<template id='T' class='ocf' provider='heartbeat' type='Dummy'>\
                    <meta_attributes id='tm'><nvpair id='t1' name='priority' value='3'/>\
                    <nvpair id='t2' name='critical' value='false'/></meta_attributes>\
                    <operations><op id='to1' name='monitor' interval='10'/>\
                    <op id='to2' name='start' interval='0'/></operations></template>";
    let user = format!(
        "<primitive id='A' template='T'>{}<operations><op id='o' name='monitor' interval='20'/>\
         </operations></primitive>",
        meta("am", &[("priority", "4")])
    );
    let cluster = Case::new().resources(template).resources(&user).load();
    let a = &cluster[rsc(&cluster, "A")];
    assert_eq!((a.priority, a.critical), (Score::new(4), false));
    assert_eq!(&*a.agent.kind, "Dummy");
    let ops: Vec<&str> = a.ops.iter().map(|op| &*op.id).collect();
    assert_eq!(ops, ["o", "to2"]);
    assert_eq!(cluster.templates, [("T".into(), vec![rsc(&cluster, "A")])]);
    let broken = Case::new().resources("<primitive id='A' template='none'/>").load();
    assert_eq!(broken.resource("A"), None);
}

#[test]
fn clones_count_and_name_their_instances() {
    // I-72, I-88 to I-92
    let clone = |inside: &str, pairs: &[(&str, &str)]| {
        let text = format!("<clone id='c'>{}{inside}</clone>", meta("m", pairs));
        Case::new().resources(&text).load()
    };
    let cluster = clone(&primitive("p", ""), &[]);
    let c = &cluster[rsc(&cluster, "c")];
    assert_eq!(c.clone_data().unwrap().max, 2);
    assert_eq!(cluster[rsc(&cluster, "p:1")].stickiness, Score::new(1));
    assert!(!cluster[rsc(&cluster, "p:0")].unique && !c.unique);
    let cluster = clone(&primitive("p", ""), &[("clone-max", "0")]);
    assert!(cluster[rsc(&cluster, "p:0")].orphan);
    let group = format!("<group id='g'>{}</group>", primitive("p", ""));
    let cluster = clone(&group, &[("promotable", "true"), ("master-max", "2")]);
    assert_eq!(cluster[rsc(&cluster, "g:1")].children, [rsc(&cluster, "p:1")]);
    assert!(cluster[rsc(&cluster, "p:1")].promotable);
    assert_eq!(cluster[rsc(&cluster, "c")].clone_data().unwrap().promoted_max, 2);
    let lsb = "<primitive id='p' class='lsb' type='x'/>";
    let refused = clone(lsb, &[("promotable", "true")]);
    assert_eq!(refused.resource("c"), None, "I-83");
    assert_eq!(refused.resource("p:0"), None);
    let forced = clone(lsb, &[("globally-unique", "true"), ("clone-max", "9")]);
    let c = &forced[rsc(&forced, "c")];
    assert_eq!((c.unique, c.clone_data().unwrap().max), (false, 2), "I-83");
    assert!(!forced[rsc(&forced, "p:1")].unique);
}

#[test]
fn goal_roles() {
    // I-79
    let goal = |word: &str, promotable: &str| {
        let pairs = [("target-role", word), ("promotable", promotable)];
        let text = format!("<clone id='c'>{}{}</clone>", meta("m", &pairs), primitive("p", ""));
        let cluster = Case::new().resources(&text).load();
        cluster[rsc(&cluster, "p:0")].goal
    };
    assert_eq!(goal("sTopped", "false"), Some(Role::Stopped));
    assert_eq!(goal("Started", "false"), None);
    assert_eq!(goal("Slave", "false"), None, "only promotable resources have that role");
    assert_eq!(goal("Slave", "true"), Some(Role::Unpromoted));
    assert_eq!(goal("Master", "true"), None);
    assert_eq!(goal("odd", "true"), None);
}

#[test]
fn requires_and_its_defaults() {
    // I-81
    let requires = |fencing: &str, class: &str, pairs: &[(&str, &str)]| {
        let text = format!(
            "<primitive id='A' class='{class}' provider='heartbeat' type='Dummy'>{}</primitive>",
            meta("m", pairs)
        );
        let cluster = Case::new().option("stonith-enabled", fencing).resources(&text).load();
        cluster[rsc(&cluster, "A")].requires
    };
    assert_eq!(requires("true", "ocf", &[]), Requires::Fencing);
    assert_eq!(requires("true", "stonith", &[]), Requires::Quorum);
    assert_eq!(requires("false", "ocf", &[]), Requires::Quorum);
    assert_eq!(requires("true", "ocf", &[("requires", "unfencing")]), Requires::Unfencing);
    assert_eq!(requires("false", "ocf", &[("requires", "unfencing")]), Requires::Quorum);
    assert_eq!(requires("true", "ocf", &[("requires", "nothing")]), Requires::Nothing);
    assert_eq!(requires("true", "ocf", &[("requires", "odd")]), Requires::Fencing);
}

#[test]
fn a_bundle_makes_its_parts() {
    // I-94 to I-104
    let bundle = format!(
        "<bundle id='B'><podman image='i' replicas='2'/>\
         <network ip-range-start='10.0.0.254' control-port='99'/>{}</bundle>",
        primitive("p", "<utilization id='u'><nvpair id='u1' name='cpu' value='2'/></utilization>")
    );
    let cluster = Case::new().resources(&bundle).load();
    let b = rsc(&cluster, "B");
    let names: Vec<&str> = cluster[b].children.iter().map(|c| &*cluster[*c].id).collect();
    let wanted =
        ["B-podman-0", "B-ip-10.0.0.254", "B-0", "B-podman-1", "B-ip-10.0.1.1", "B-1", "B-clone"];
    assert_eq!(names, wanted, "I-98, I-99");
    let n = node(&cluster, "B-1");
    let child = rsc(&cluster, "p:1");
    let only: Vec<_> = cluster[child].allowed.iter().map(|(n, e)| (n, e.score)).collect();
    assert_eq!(only, [(n, Score::new(500))], "I-103");
    assert_eq!(cluster[child].allowed.get(n).unwrap().discovery, Discovery::Exclusive);
    assert!(cluster.is_guest(n));
    assert_eq!(cluster[rsc(&cluster, "B-podman-1")].utilization, [("cpu".into(), 2)], "I-104");
    let container = cluster.params(rsc(&cluster, "B-podman-0"), None);
    let run_opts = container.get("run_opts").unwrap();
    assert!(run_opts.starts_with(" -h B-0 -e PCMK_stderr=1 -e PCMK_remote_port=99 -v "));
    assert!(run_opts.ends_with("  --add-host=B-0:10.0.0.254 --add-host=B-1:10.0.1.1"));
    assert_eq!(cluster.params(rsc(&cluster, "B-0"), None).get("addr"), Some("10.0.0.254"));
}

#[test]
fn values_of_an_operation_and_their_precedence() {
    // I-111, I-112
    let ops = "<operations><op id='o1' name='monitor' interval='10s' timeout='11s'/>\
               <op id='o2' name='monitor' interval='5s' timeout='12s'/>\
               <op id='o3' name='start' interval='0' timeout='13s'>\
               <meta_attributes id='om'><nvpair id='om1' name='timeout' value='14s'/>\
               <nvpair id='om2' name='x' value='y'/></meta_attributes>\
               <instance_attributes id='oi'><nvpair id='oi1' name='depth' value='2'/>\
               </instance_attributes></op></operations>";
    let defaults = "<op_defaults><meta_attributes id='d'>\
                    <nvpair id='d1' name='timeout' value='15s'/></meta_attributes></op_defaults>";
    let cluster = Case::new().resources(&primitive("A", ops)).more(defaults).load();
    let a = rsc(&cluster, "A");
    let timeout = |task: Task, interval| op_config(&cluster, a, &task, interval).timeout;
    assert_eq!(timeout(Task::Start, 0), 13_000, "attributes beat meta-attributes");
    assert_eq!(timeout(Task::Monitor, 0), 12_000, "probes: the monitor of the smallest interval");
    assert_eq!(timeout(Task::Monitor, 10_000), 11_000);
    assert_eq!(timeout(Task::Stop, 0), 15_000);
    let start = op_config(&cluster, a, &Task::Start, 0).meta;
    assert_eq!((start.get("x"), start.get("interval"), start.get("id")), (Some("y"), None, None));
    assert_eq!(op_params(&cluster, a, &Task::Start, 0, None).get("depth"), Some("2"));
}

#[test]
fn responses_to_failure() {
    // I-115, I-116
    let response = |fencing: &str, name: &str, rest: &str| {
        let interval = if name == "monitor" { 10 } else { 0 };
        let ops = format!(
            "<operations><op id='o' name='{name}' interval='{interval}' {rest}/></operations>"
        );
        let cluster =
            Case::new().option("stonith-enabled", fencing).resources(&primitive("A", &ops)).load();
        let task = Task::parse(name);
        let config = op_config(&cluster, rsc(&cluster, "A"), &task, interval * 1000);
        (config.on_fail, config.fail_role)
    };
    assert_eq!(response("true", "stop", ""), (OnFail::Fence, Role::Started));
    assert_eq!(response("false", "stop", ""), (OnFail::Block, Role::Started));
    assert_eq!(response("true", "stop", "on-fail='standby'").0, OnFail::Fence, "not for stops");
    assert_eq!(response("false", "monitor", "on-fail='fence'"), (OnFail::Stop, Role::Stopped));
    assert_eq!(response("true", "monitor", "on-fail='demote'").0, OnFail::Recover);
    assert_eq!(response("true", "monitor", "on-fail='demote' role='Master'").0, OnFail::Demote);
    assert_eq!(response("true", "promote", ""), (OnFail::Recover, Role::Unpromoted));
    assert_eq!(response("true", "start", "on-fail='restart-container'").0, OnFail::Recover);
    assert_eq!(response("true", "start", "on-fail='IGNORE'").0, OnFail::Ignore);
}

#[test]
fn unfencing_changes_the_default_of_requires() {
    // I-27
    let device = format!(
        "<primitive id='F' class='stonith' type='x'>{}</primitive>",
        meta("m", &[("provides", "unfencing")])
    );
    let cluster = Case::new().resources(&device).resources(&primitive("A", "")).load();
    assert_eq!(cluster[rsc(&cluster, "A")].requires, Requires::Unfencing);
    assert!(cluster[rsc(&cluster, "F")].provides_unfencing);
    assert!(cluster.options.have_fence_device);
}

#[test]
fn dates_in_rules_of_parameters_count_where_a_location_rule_looks() {
    // I-207: the expression on an attribute ends the rule before its date without a node.
    let rule = "<rule id='r' score='0'><expression id='e' attribute='x' operation='not_defined'/>\
                <date_expression id='d' operation='lt' end='1970-01-02T00:00:00Z'/></rule>";
    let params = format!("<instance_attributes id='i'>{rule}</instance_attributes>");
    let case = || Case::new().resources(&primitive("A", &params));
    assert_eq!(case().load().recheck_at, None);
    let mut cluster = case().load();
    let (a, n1) = (rsc(&cluster, "A"), node(&cluster, "n1"));
    cluster.recheck_params(a, Some(n1));
    assert_eq!(cluster.recheck_at, Some(86_400));
}

#[test]
fn a_bundle_interleaves_if_the_defaults_say_so() {
    let bundle = "<bundle id='B'><podman image='x' replicas='1'/></bundle>";
    let defaults = format!("<rsc_defaults>{}</rsc_defaults>", meta("d", &[("interleave", "true")]));
    let case = || Case::new().resources(bundle).resources(&primitive("A", ""));
    let plain = case().load();
    assert!(!plain.interleaves(rsc(&plain, "B")));
    let cluster = case().more(&defaults).load();
    assert!(cluster.interleaves(rsc(&cluster, "B")));
    assert!(!cluster.interleaves(rsc(&cluster, "A")), "it has no instances");
}
