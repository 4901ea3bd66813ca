use super::*;
use crm_core::cib::parse;

const CIB: &str = r#"<cib validate-with="pacemaker-3.9" have-quorum="1" dc-uuid="1" epoch="1" num_updates="0" admin_epoch="0">
<configuration>
 <crm_config><cluster_property_set id="o">
  <nvpair id="o1" name="cluster-name" value="shop"/>
  <nvpair id="o2" name="stonith-enabled" value="true"/>
 </cluster_property_set></crm_config>
 <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
 <resources>
  <group id="web">
   <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/>
   <primitive id="page" class="ocf" provider="heartbeat" type="nginx"/>
  </group>
  <primitive id="db" class="ocf" provider="heartbeat" type="Dummy"/>
  <primitive id="power" class="stonith" type="fence_lab"/>
  <primitive id="off" class="ocf" provider="heartbeat" type="Dummy">
   <meta_attributes id="m"><nvpair id="m1" name="target-role" value="Stopped"/></meta_attributes>
  </primitive>
 </resources>
 <constraints>
  <rsc_location id="cli-ban-web-on-n2" rsc="web" node="n2" score="-INFINITY"/>
  <rsc_location id="no1" rsc="db" node="n1" score="-INFINITY"/>
 </constraints>
</configuration>
<status>
 <node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member">
  <lrm id="1"><lrm_resources>
   <lrm_resource id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
    <lrm_rsc_op id="vip_last_0" operation_key="vip_start_0" operation="start" interval="0" call-id="5" rc-code="0" op-status="0" last-rc-change="1000" exec-time="34" transition-magic="0:0;4:1:0:x" transition-key="4:1:0:x"/>
   </lrm_resource>
   <lrm_resource id="page" class="ocf" provider="heartbeat" type="nginx">
    <lrm_rsc_op id="page_last_0" operation_key="page_start_0" operation="start" interval="0" call-id="6" rc-code="-1" op-status="-1" last-rc-change="1010" transition-magic="-1:193;5:1:0:x" transition-key="5:1:0:x"/>
   </lrm_resource>
  </lrm_resources></lrm>
 </node_state>
 <node_state id="2" uname="n2" in_ccm="false" crmd="offline" join="down" expected="member"/>
</status></cib>"#;

fn of(text: &str) -> Overview {
    overview(&parse(text).unwrap(), &Seen::default(), 1060)
}

#[test]
fn trouble_stands_first_and_unclean_has_its_reason() {
    let overview = of(CIB);
    let plain = text(&overview, Look { fancy: false, width: None });
    let at = |what: &str| plain.find(what).unwrap_or_else(|| panic!("{what} not in\n{plain}"));
    assert!(at("Trouble:") < at("Nodes:") && at("Nodes:") < at("Resources:"), "{plain}");
    assert!(at("db does not run: ") < at("Nodes:"));
    for line in plain.lines().filter(|l| l.contains("UNCLEAN")) {
        assert!(line.contains(": peer is no longer part"), "no reason: {line}");
    }
    assert!(plain.contains("n2 is UNCLEAN: "), "{plain}");
    // What is meant to be down is no trouble.
    assert!(!overview.troubles.iter().any(|t| t.text.starts_with("off ")), "{overview:?}");
    assert!(plain.contains("web may not run on n2 (cli-ban-web-on-n2)"), "{plain}");
    assert!(plain.lines().any(|l| l.contains(" web ") && l.contains("banned from n2")), "{plain}");
    assert!(!plain.contains('\x1b'));
}

#[test]
fn resources_say_where_and_since_when() {
    let overview = of(CIB);
    let vip = overview.resources.iter().find(|r| r.name == "vip").unwrap();
    let place = Place { node: "n1".into(), role: "Started", since: Some(1000) };
    assert_eq!((vip.depth, &vip.places), (1, &vec![place]));
    let page = overview.resources.iter().find(|r| r.name == "page").unwrap();
    assert_eq!(page.state, "starting", "{overview:?}");
    assert_eq!(overview.recent[0].text, "start vip: ok (34ms)");
    let running: Vec<&Step> =
        overview.plan.steps.iter().filter(|s| s.state == StepState::Running).collect();
    assert_eq!(running.len(), 1, "{:?}", overview.plan);
    assert_eq!(running[0].text, "start page on n1");
    assert!(overview.plan.steps.iter().any(|s| s.text.starts_with("fence n2")));
}

#[test]
fn a_ban_by_rule_names_the_node_until_it_has_expired() {
    let text = r##"<cib><configuration><constraints>
      <rsc_location id="cli-ban-db-on-n1" rsc="db"><rule id="r" score="-INFINITY" boolean-op="and">
       <expression id="e" attribute="#uname" operation="eq" value="n1" type="string"/>
       <date_expression id="d" operation="lt" end="1970-01-01 00:20:00Z"/>
      </rule></rsc_location></constraints></configuration></cib>"##;
    let cib = parse(text).unwrap();
    let left = leftovers(&cib, 1060);
    assert_eq!((left.len(), left[0].node.as_str(), left[0].forbids), (1, "n1", true));
    assert_eq!(leftovers(&cib, 1300), []);
}

#[test]
fn a_cluster_without_trouble_says_so() {
    let calm = CIB
        .replace(
            "in_ccm=\"false\" crmd=\"offline\" join=\"down\"",
            "in_ccm=\"true\" crmd=\"online\" join=\"member\"",
        )
        .replace("stonith-enabled\" value=\"true\"", "stonith-enabled\" value=\"false\"");
    let overview = of(&calm);
    assert_eq!(overview.troubles, []);
    let plain = text(&overview, Look { fancy: false, width: None });
    assert!(plain.lines().nth(1) == Some("No trouble."), "{plain}");
}

#[test]
fn on_a_terminal_no_line_is_wider_than_it() {
    let fancy = text(&of(CIB), Look { fancy: true, width: Some(60) });
    assert!(fancy.contains('\x1b'));
    let tables = fancy.lines().filter(|l| l.contains('─'));
    assert!(tables.clone().count() > 0);
    for line in tables {
        assert!(line.chars().count() <= 60, "{line}");
    }
}
