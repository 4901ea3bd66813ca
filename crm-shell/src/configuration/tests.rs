//! Changes and what follows from them.

use crm_core::cib::parse;

use super::*;
use crate::language::{Content, NoWorld, Notes, lines};

fn configuration(text: &str) -> Configuration {
    let cib = parse("<cib><configuration><crm_config/><nodes><node id='1' uname='n1'/></nodes><resources/><constraints/></configuration></cib>").unwrap();
    let mut c = Configuration::new(&cib);
    run(&mut c, text).unwrap();
    c
}

fn run(c: &mut Configuration, text: &str) -> Result<()> {
    for line in lines(text) {
        if let Content::Words(words) = line.content {
            c.add(crate::language::parse(&words, &NoWorld, &Notes::default()).unwrap())?;
        }
    }
    Ok(())
}

fn listing(c: &Configuration) -> String {
    let style = c.style();
    let all = c.select(&[], c).unwrap();
    let texts: Vec<String> = all.objects.iter().skip(1).map(|o| c.show(o, &style)).collect();
    texts.join("\n")
}

const BASE: &str = "primitive a Dummy\nprimitive b Dummy\nprimitive d Dummy\n";

#[test]
fn members_move_and_come_back() {
    let mut c = configuration(&format!("{BASE}group g a b\nlocation l g 1: n1\n"));
    assert_eq!(c.find("a").unwrap().parent.unwrap().id(), Some("g"));
    c.delete(&["g".into()]).unwrap();
    assert!(c.find("a").unwrap().parent.is_none());
    assert!(listing(&c).contains("location l a 1: n1"), "{}", listing(&c));
}

#[test]
fn the_last_member_takes_its_container_along() {
    let mut c = configuration(&format!("{BASE}clone k a\n"));
    c.delete(&["a".into()]).unwrap();
    assert!(c.find("k").is_none() && c.find("a").is_none());
}

#[test]
fn a_set_of_two_becomes_a_plain_constraint() {
    let mut c = configuration(&format!("{BASE}colocation s inf: a b d\norder o a b d\n"));
    c.delete(&["a".into()]).unwrap();
    let text = listing(&c);
    assert!(text.contains("colocation s inf: d b"), "{text}");
    assert!(text.contains("order o b d"), "{text}");
    c.delete(&["b".into()]).unwrap();
    assert_eq!(listing(&c), "primitive d Dummy");
}

#[test]
fn a_refused_change_leaves_nothing_behind() {
    let mut c = configuration(&format!("{BASE}group g a b\n"));
    let before = c.root().clone();
    assert!(run(&mut c, "group h d a").is_err());
    assert!(run(&mut c, "primitive a Dummy").is_err());
    assert!(c.rename("a", "b").is_err());
    assert!(c.delete(&["d".into(), "nope".into()]).is_err());
    assert_eq!(c.root(), &before);
}

#[test]
fn constraints_follow_into_a_new_group() {
    let c = configuration(&format!("{BASE}colocation x inf: a d\ngroup g a b\n"));
    assert!(listing(&c).contains("colocation x inf: g d"));
}

#[test]
fn sets_are_merged() {
    let c = configuration("property a=1 b=2\nproperty a=3\nrsc_defaults x=1\n");
    assert_eq!(
        listing(&c),
        "property cib-bootstrap-options: \\\n\ta=3 \\\n\tb=2\nrsc_defaults rsc-options: \\\n\tx=1"
    );
}

#[test]
fn one_monitor_for_each_interval() {
    let mut c = configuration(&format!("{BASE}monitor a 10s:5s\n"));
    assert!(run(&mut c, "monitor a 10000ms").is_err());
    assert!(listing(&c).contains("op monitor interval=10s timeout=5s"));
}

#[test]
fn erase_names_what_went_along_with_something_else() {
    let mut c = configuration(&format!(
        "{BASE}group g a b\nrsc_template t Dummy\nprimitive u @t\nlocation l g 1: n1\ntag x a d\n\
         property stonith-enabled=false\n"
    ));
    let went = |id: &str, with: &str| (id.to_string(), with.to_string());
    assert_eq!(c.erase(), [went("u", "t"), went("x", "a")]);
    assert_eq!(c.objects().len(), 1, "{}", listing(&c));
    assert!(c.erase().is_empty());
}
