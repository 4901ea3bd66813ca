//! The grammar as a whole.

use crm_core::cib::{Element, parse as parse_xml};
use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Statement, Fault> {
    let all = lines(text);
    let Some(Content::Words(words)) = all.first().map(|l| l.content.clone()) else {
        panic!("no words in {text:?}")
    };
    let notes = Notes::default();
    parse(&words, &NoWorld, &notes)
}

fn element(text: &str) -> Element {
    let mut statement = read(text).unwrap_or_else(|f| panic!("{text}: {}", f.message));
    let mut store = IdStore::default();
    if let (None, Some(id)) = (statement.element.id(), &statement.id) {
        statement.element.set_attr("id", &id.id);
    }
    assign(&mut statement.element, None, &mut store);
    statement.element
}

fn fault(text: &str) -> (String, String) {
    let f = read(text).expect_err(text);
    (f.message, text.get(f.span).unwrap_or_default().to_string())
}

#[test]
fn text_and_element_agree() {
    for (text, xml) in [
        (
            "primitive p Dummy params a=1 op monitor interval=10s OCF_CHECK_LEVEL=1",
            "<primitive id='p' class='ocf' provider='heartbeat' type='Dummy'><instance_attributes id='p-instance_attributes'><nvpair name='a' value='1' id='p-instance_attributes-a'/></instance_attributes><operations><op name='monitor' interval='10s' id='p-monitor-10s'><instance_attributes id='p-monitor-10s-instance_attributes'><nvpair name='OCF_CHECK_LEVEL' value='1' id='p-monitor-10s-instance_attributes-OCF_CHECK_LEVEL'/></instance_attributes></op></operations></primitive>",
        ),
        (
            "colocation c inf: ( a b ) d:Master",
            "<rsc_colocation id='c' score='INFINITY'><resource_set sequential='false' id='c-0'><resource_ref id='a'/><resource_ref id='b'/></resource_set><resource_set role='Master' id='c-1'><resource_ref id='d'/></resource_set></rsc_colocation>",
        ),
        (
            "location l r rule 50: #uname eq n1 or defined ping",
            "<rsc_location id='l' rsc='r'><rule score='50' boolean-op='or' id='l-rule'><expression operation='eq' attribute='#uname' value='n1' id='l-rule-expression'/><expression operation='defined' attribute='ping' id='l-rule-expression-0'/></rule></rsc_location>",
        ),
        (
            "order o 0: a:start b",
            "<rsc_order id='o' kind='Optional' first='a' first-action='start' then='b'/>",
        ),
        (
            "rsc_defaults x=1",
            "<meta_attributes id='rsc-options'><nvpair name='x' value='1' id='rsc-options-x'/></meta_attributes>",
        ),
    ] {
        let mut store = element(text);
        // `c` itself is in use once it is in a document.
        if text.starts_with("colocation") {
            let mut statement = read(text).unwrap();
            let mut ids = IdStore::of(&statement.element);
            assign(&mut statement.element, None, &mut ids);
            store = statement.element;
        }
        assert!(same(&store, &parse_xml(xml).unwrap()), "{text}\n{store}\n{xml}");
    }
}

#[test]
fn faults_say_where_and_what() {
    for (text, place, said) in [
        ("location l1 p1 node1", "node1", "expected <score>: <node> or rule"),
        ("colocation c1 inf: p1 p2:Foo", "Foo", "Invalid role 'Foo'"),
        ("colocation c inf: ( a ( b ) )", "(", "nested"),
        ("colocation c inf: ( a b", "(", "never closed"),
        ("order o Mandatoy: a b", "Mandatoy:", "did you mean 'Mandatory:'"),
        ("primitive p", "", "takes at least 2 arguments"),
        ("primitive p a:b:c:d", "a:b:c:d", "Unknown resource type"),
        ("primitve p Dummy", "primitve", "did you mean 'primitive'"),
        ("primitive p Dummy params a=1 = b", "=", "unexpected '='"),
        ("property no-quorum-policy=", "no-quorum-policy=", "expected a value"),
        ("location l r rule 1: a eq 1 and", "", "expected an attribute"),
        ("xml '<nonsense/>'", "'<nonsense/>'", "not recognized"),
    ] {
        let (message, at) = fault(text);
        assert!(message.contains(said), "{text}: {message}");
        if !place.is_empty() {
            assert_eq!(at, place, "{text}: {message}");
        }
    }
}

#[test]
fn what_is_wanted_is_known_at_every_place() {
    let wanted = |text: &str| {
        let words = words(text, 0).unwrap();
        let notes = Notes::default();
        let _ = parse(&words, &NoWorld, &notes);
        notes.expected_at(words.len())
    };
    assert!(wanted("primitive p Dummy").contains(&Expect::Keyword("op")));
    assert!(wanted("primitive p Dummy params").contains(&Expect::Attribute("params")));
    assert!(wanted("order o Mandatory: a b").contains(&Expect::Resource));
    assert!(wanted("group g a").contains(&Expect::Keyword("meta")));
}

#[test]
fn what_text_cannot_say_is_shown_as_xml() {
    let nested = parse_xml("<rsc_location id='l' rsc='a'><rule id='r' score='1'><rule id='q' score='0'><expression id='e' attribute='a' operation='defined'/></rule></rule></rsc_location>").unwrap();
    let shown = text(Kind::Location, &nested, &Style::default(), &NoWorld);
    assert!(shown.starts_with("xml <rsc_location"), "{shown}");
    let back = read(&shown).unwrap();
    assert!(same(&back.element, &nested));
    let kept = Style { ids: true, ..Style::default() };
    let shown = text(Kind::Location, &nested, &kept, &NoWorld);
    assert!(shown.starts_with("xml '<rsc_location"), "{shown}");
    assert!(same(&read(&shown).unwrap().element, &nested));
}

fn value() -> impl Strategy<Value = String> {
    "[ -~]{0,12}"
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        for line in lines(&text) {
            if let Content::Words(words) = line.content {
                let _ = parse(&words, &NoWorld, &Notes::default());
            }
        }
    }

    #[test]
    fn no_statement_panics(words in prop::collection::vec(
        prop::sample::select(vec![
            "primitive", "group", "location", "colocation", "order", "clone", "bundle", "docker", "role", "read",
            "xpath:/cib", "property", "$id=x", "$id-ref=y", "rule", "date", "spec", "in", "hours=1", "inf:", "a", "b:c",
            "(", ")", "[", "]", "{", "}", "params", "meta", "op", "monitor", "a=b", "@t", "/x/", "to", "select",
            "attributes", "alert", "tag", "node", "xml", "<a/>", "fencing_topology", "and", "eq", "defined", "meta:", "x:y:z",
        ]), 0..12))
    {
        let text = words.join(" ");
        for line in lines(&text) {
            if let Content::Words(words) = line.content {
                let notes = Notes::default();
                if let Ok(statement) = parse(&words, &NoWorld, &notes) {
                    let mut element = statement.element;
                    assign(&mut element, None, &mut IdStore::default());
                    let _ = super::text(statement.kind, &element, &Style::default(), &NoWorld);
                }
            }
        }
    }

    #[test]
    fn every_value_survives(value in value()) {
        let mut e = Element::new("primitive").with("id", "p").with("class", "ocf").with("provider", "heartbeat").with("type", "Dummy");
        e.push(Element::new("instance_attributes").with("id", "x").with_child(
            Element::new("nvpair").with("id", "y").with("name", "n").with("value", &value)));
        for ids in [false, true] {
            let style = Style { ids, ..Style::default() };
            let shown = text(Kind::Primitive, &e, &style, &NoWorld);
            let mut back = read(&shown).unwrap().element;
            assign(&mut back, Some(&e), &mut IdStore::of(&e));
            prop_assert!(same(&back, &e), "{}", shown);
            if ids {
                let mut alone = read(&shown).unwrap().element;
                assign(&mut alone, None, &mut IdStore::default());
                prop_assert!(same(&alone, &e), "{}", shown);
            }
        }
    }
}
