//! Documents that nobody should send: they are refused, or scheduled as far as they make sense,
//! in bounded time and memory; and a short, seeded run of what the fuzz targets try.

use std::io::Write;

use crm_core::cib::{self, Element};
use crm_core::rules::Moment;
use crm_core::scheduler::{self, Input};
use crm_tests::conformance::Suite;
use crm_tests::fuzz::mutate::{Dice, mutated};
use crm_tests::fuzz::{core, grammar};

const NOW: Moment = Moment { epoch: 1_700_000_000, offset: 0 };

fn document(resources: &str, constraints: &str) -> Element {
    let text = format!(
        "<cib validate-with='pacemaker-3.9' admin_epoch='0' epoch='1' num_updates='0' \
         have-quorum='1'><configuration><crm_config><cluster_property_set id='o'>\
         <nvpair id='o1' name='stonith-enabled' value='false'/></cluster_property_set></crm_config>\
         <nodes><node id='1' uname='n1'/></nodes><resources>{resources}</resources>\
         <constraints>{constraints}</constraints></configuration><status>\
         <node_state id='1' uname='n1' in_ccm='true' crmd='online' join='member' expected='member'/>\
         </status></cib>"
    );
    cib::parse(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// The ids of the primitives that are started.
fn started(cib: &Element) -> Vec<String> {
    let schedule = scheduler::schedule(&Input::new(cib, NOW));
    let graph = schedule.graph.to_element();
    let starts = graph
        .descendants()
        .filter(|e| e.name() == "rsc_op" && e.attr("operation") == Some("start"));
    let names = starts.filter_map(|e| e.child("primitive")?.id().map(String::from));
    names.collect()
}

const GOOD: &str = "<primitive id='good' class='ocf' provider='heartbeat' type='Dummy'/>";

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let deep = "<a>".repeat(1_000_000);
    let wide = format!("<cib x='{}'", "y".repeat(10_000_000));
    let many: String = (0..100_000).map(|n| format!(" a{n}='x'")).collect();
    let bomb = "<!DOCTYPE cib [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>\
                <cib>&b;</cib>";
    for text in
        [&*deep, &wide, &format!("<cib{many}/>"), bomb, "<cib>&b;</cib>", "", "<cib a='1' a='2'/>"]
    {
        let error = cib::parse(text).expect_err("refused");
        assert!(error.line >= 1 && !error.message.is_empty());
    }
    let mut latin = b"<cib a='".to_vec();
    latin.extend([0xe9, 0xff, b'\'', b'/', b'>']);
    assert!(cib::read(&*latin, cib::ParseLimits::default(), &mut ()).is_err());
}

#[test]
fn a_poisoned_part_does_not_stop_the_rest() {
    let cases = [
        ("<primitive id='x' class='nosuch' type='y'/>", ""),
        ("<primitive id='x'/><primitive id='x'/>", ""),
        ("<primitive id='x' template='nosuch'/>", ""),
        ("<template id='t' template='t'/><primitive id='x' template='t'/>", ""),
        ("<group id='g'><group id='g'/></group><clone id='c'/><bundle id='b'/>", ""),
        (
            "",
            "<rsc_location id='l' rsc='good'><rule id='r'><expression id='e'/></rule></rsc_location>",
        ),
        ("", "<rsc_location id='l' rsc='good'><rule id-ref='l'/></rsc_location>"),
        ("", "<rsc_location id='l' rsc='nosuch' node='nosuch' score='x'/>"),
        ("", "<rsc_colocation id='c' rsc='nosuch' with-rsc='good' score='INFINITY'/>"),
        ("", "<rsc_order id='o' first='nosuch' then='good'/><rsc_order id='p'/>"),
        ("", "<rsc_location id='l' rsc-pattern='((((' node='n1' score='-INFINITY'/>"),
        ("", "<resource_set id='s'/><rsc_order id='o'><resource_set id-ref='o'/></rsc_order>"),
    ];
    for (resources, constraints) in cases {
        let cib = document(&format!("{resources}{GOOD}"), constraints);
        assert!(started(&cib).contains(&"good".to_string()), "{resources}{constraints}");
    }
}

#[test]
fn cycles_end() {
    let two = "<primitive id='a' class='lsb' type='x'/><primitive id='b' class='lsb' type='x'/>";
    for constraints in [
        "<rsc_order id='o' first='a' then='b'/><rsc_order id='p' first='b' then='a'/>",
        "<rsc_order id='o' first='a' then='a'/>",
        "<rsc_colocation id='o' rsc='a' with-rsc='b' score='INFINITY'/>\
         <rsc_colocation id='p' rsc='b' with-rsc='a' score='INFINITY'/>",
        "<rsc_colocation id='o' rsc='a' with-rsc='a' score='-INFINITY'/>",
        "<rsc_location id='l' rsc='a'><rule id='r' score='1'><rule id-ref='r'/></rule></rsc_location>",
    ] {
        let cib = document(&format!("{two}{GOOD}"), constraints);
        assert!(started(&cib).contains(&"good".to_string()), "{constraints}");
        core::decide(&cib);
    }
}

#[test]
fn absurd_numbers_are_bounded() {
    for number in ["99999999999999999999", "-99999999999999999999", "2147483648", "1e300", "nan"] {
        for name in
            ["clone-max", "clone-node-max", "promoted-max", "priority", "migration-threshold"]
        {
            let clone = format!(
                "<clone id='c'><meta_attributes id='m'><nvpair id='m1' name='{name}' \
                 value='{number}'/><nvpair id='m2' name='globally-unique' value='true'/>\
                 </meta_attributes><primitive id='x' class='lsb' type='x'/></clone>"
            );
            let score = format!("<rsc_location id='l' rsc='c' node='n1' score='{number}'/>");
            let cib = document(&format!("{GOOD}{clone}"), &score);
            assert!(started(&cib).contains(&"good".to_string()), "{name}={number}");
        }
    }
}

#[test]
fn random_changes_of_the_suites_documents_break_nothing() {
    let Ok(suite) = Suite::find() else {
        let text = b"the suite is not here: only the other documents are tried\n";
        return std::io::stderr().write_all(text).unwrap();
    };
    let mut tried = 0;
    for (seed, case) in suite.cases.iter().enumerate().filter(|(n, _)| n % 6 == 0) {
        let text = std::fs::read_to_string(suite.input(case)).unwrap();
        if text.len() > 30_000 {
            continue;
        }
        tried += 1;
        let document = cib::parse(&text).unwrap();
        let changed = mutated(&document, &mut Dice::new(u64::try_from(seed).unwrap()));
        core::loader(changed.to_string().as_bytes());
        core::scheduler(changed.to_string().as_bytes());
    }
    assert!(tried > 40, "only {tried} documents were tried");
}

#[test]
fn random_text_is_no_trouble_for_the_grammar() {
    const WORDS: &[&str] = &[
        "primitive",
        "p",
        "Dummy",
        "ocf:heartbeat:Dummy",
        "params",
        "a=1",
        "op",
        "monitor",
        "interval=10s",
        "group",
        "clone",
        "location",
        "l",
        "rule",
        "inf:",
        "n1",
        "#uname",
        "eq",
        "colocation",
        "order",
        "(",
        ")",
        "[",
        "]",
        "\\\n",
        "'",
        "\"",
        "$id=x",
        "meta",
        "xml",
        "<a/>",
        "property",
        "role",
        "acl_target",
        "fencing_topology",
        "tag",
        "alert",
        "é",
        "-inf:",
    ];
    let mut dice = Dice::new(1);
    for _ in 0..500 {
        let text: Vec<&str> = (0..dice.below(25)).map(|_| dice.one(WORDS)).collect();
        grammar::grammar(text.join(" ").as_bytes());
    }
}
