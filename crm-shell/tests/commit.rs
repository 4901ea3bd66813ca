//! What a commit does when somebody else committed meanwhile.

use std::path::Path;
use std::rc::Rc;

use crm_core::cib::Element;
use crm_shell::access::{Access, FileAccess};
use crm_shell::agents::Installed;
use crm_shell::language::words;
use crm_shell::message::Source;
use crm_shell::session::{Options, Session};

const CIB: &str = "<cib validate-with='pacemaker-3.9' epoch='1' num_updates='0' admin_epoch='0'>\
    <configuration><crm_config/><nodes/><resources>\
    <primitive id='p' class='ocf' provider='heartbeat' type='Dummy'/></resources><constraints/>\
    </configuration><status/></cib>";

fn session(path: &Path) -> Session {
    let access = Box::new(FileAccess::new(path.to_owned()));
    let mut session = Session::new(access, Box::new(Installed::new(&[])), Options::default());
    session.printer.captured = Some(String::new());
    session.options.force = true;
    session.interactive = true;
    session
}

fn run(session: &mut Session, text: &str) {
    let source = Rc::new(Source { name: None, text: text.into() });
    let all = words(text, 0).unwrap_or_default();
    if let Err(failure) = session.execute(&all, &source) {
        session.report(failure, None);
    }
}

fn said(session: &mut Session) -> String {
    session.printer.captured.replace(String::new()).unwrap_or_default()
}

fn has(cib: &Element, id: &str) -> bool {
    cib.descendants().any(|e| e.id() == Some(id))
}

#[test]
fn anothers_commit_is_said_and_both_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cib.xml");
    std::fs::write(&path, CIB).unwrap();
    let mut one = session(&path);
    run(&mut one, "configure");
    run(&mut one, "primitive mine ocf:heartbeat:Dummy");
    let mut other = session(&path);
    run(&mut other, "configure");
    run(&mut other, "primitive theirs ocf:heartbeat:Dummy");
    run(&mut other, "commit");
    said(&mut one);
    run(&mut one, "commit");
    let text = said(&mut one);
    assert!(
        text.contains("somebody else committed meanwhile") && text.contains("theirs"),
        "{text}"
    );
    let cib = FileAccess::new(path).cib().unwrap();
    assert!(has(&cib, "mine") && has(&cib, "theirs") && has(&cib, "p"));
}

#[test]
fn a_no_and_a_clash_change_nothing_and_keep_what_was_typed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cib.xml");
    std::fs::write(&path, CIB).unwrap();
    let mut one = session(&path);
    run(&mut one, "configure");
    run(&mut one, "primitive mine ocf:heartbeat:Dummy");
    let mut other = session(&path);
    run(&mut other, "configure");
    run(&mut other, "primitive theirs ocf:heartbeat:Dummy");
    run(&mut other, "commit");
    one.options.answer = Some(false);
    run(&mut one, "commit");
    assert!(said(&mut one).contains("your changes are still here"));
    assert!(!has(&FileAccess::new(path.clone()).cib().unwrap(), "mine"));
    assert_eq!(one.editor.as_ref().map(|e| e.changes()), Some(1));
    // Both define the same object.
    run(&mut one, "primitive theirs ocf:heartbeat:Dummy op monitor interval=7s");
    one.options.answer = None;
    run(&mut one, "commit");
    let text = said(&mut one);
    assert!(text.contains("somebody else changed") && text.contains("theirs"), "{text}");
    assert!(!has(&FileAccess::new(path).cib().unwrap(), "mine"));
    assert_eq!(one.editor.as_ref().map(|e| e.changes()), Some(2));
}
