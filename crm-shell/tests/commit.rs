//! What a commit does when somebody else committed meanwhile.

use std::path::Path;
use std::rc::Rc;

use crm_core::cib::Element;
use crm_messaging::proto;
use crm_shell::access::{Access, AccessError, FileAccess};
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
fn what_was_shown_with_masked_secrets_can_be_loaded_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cib.xml");
    std::fs::write(&path, CIB).unwrap();
    let mut one = session(&path);
    run(&mut one, "configure");
    run(&mut one, "primitive s ocf:heartbeat:Dummy params passwd=hush state=/a");
    run(&mut one, "commit");
    said(&mut one);
    run(&mut one, "show s");
    let listing = said(&mut one);
    assert!(listing.contains("******") && !listing.contains("hush"), "{listing}");
    let file = directory.path().join("listing");
    std::fs::write(&file, listing.replace("/a", "/b")).unwrap();
    run(&mut one, &format!("load update {}", file.display()));
    run(&mut one, "commit");
    let difference = said(&mut one);
    assert!(!difference.contains("hush"), "{difference}");
    run(&mut one, "erase");
    run(&mut one, &format!("load replace {}", file.display()));
    run(&mut one, "commit");
    let text = FileAccess::new(path.clone()).cib().unwrap().to_string();
    assert!(text.contains("\"hush\"") && text.contains("\"/b\""), "{text}");
    // There is nothing that it could stand for.
    said(&mut one);
    run(&mut one, "primitive t ocf:heartbeat:Dummy params passwd=\"******\"");
    assert!(said(&mut one).contains("t: the value of passwd is masked"));
}

/// A daemon that goes away in the middle of a commit, which it has carried out or not.
struct Going {
    file: FileAccess,
    does_it: bool,
    commits: usize,
}

impl Access for Going {
    fn is_live(&self) -> bool {
        true
    }

    fn cib(&mut self) -> Result<Element, AccessError> {
        self.file.cib()
    }

    fn commit(&mut self, base: &Element, new: &Element, command: &str) -> Result<(), AccessError> {
        self.commits += 1;
        if self.commits > 1 {
            return self.file.commit(base, new, command);
        }
        if self.does_it {
            self.file.commit(base, new, command)?;
        }
        Err(AccessError::Lost("gone".into()))
    }

    fn bump(&mut self) -> Result<(), AccessError> {
        self.file.bump()
    }

    fn update_attribute(&mut self, update: &proto::AttributeUpdate) -> Result<(), AccessError> {
        self.file.update_attribute(update)
    }

    fn update_ticket(&mut self, update: &proto::TicketUpdate) -> Result<(), AccessError> {
        self.file.update_ticket(update)
    }

    fn update_secret(&mut self, update: &proto::SecretUpdate) -> Result<(), AccessError> {
        self.file.update_secret(update)
    }

    fn cleanup(&mut self, request: &proto::CleanupRequest) -> Result<Vec<String>, AccessError> {
        self.file.cleanup(request)
    }

    fn fail(&mut self, request: &proto::FailRequest) -> Result<(), AccessError> {
        self.file.fail(request)
    }

    fn fence(&mut self, request: &proto::FenceRequest) -> Result<String, AccessError> {
        self.file.fence(request)
    }

    fn state(
        &mut self,
        wait: Option<std::time::Duration>,
    ) -> Result<proto::StateReply, AccessError> {
        self.file.state(wait)
    }

    fn events(&mut self, query: &proto::EventQuery) -> Result<Vec<proto::Event>, AccessError> {
        self.file.events(query)
    }

    fn inputs(&mut self) -> Result<proto::InputList, AccessError> {
        self.file.inputs()
    }

    fn input(&mut self, name: &str) -> Result<Element, AccessError> {
        self.file.input(name)
    }

    fn read_file(&mut self, query: &proto::FileQuery) -> Result<Vec<proto::FileCopy>, AccessError> {
        self.file.read_file(query)
    }

    fn reload(
        &mut self,
        request: &proto::ReloadRequest,
    ) -> Result<Vec<proto::NodeReload>, AccessError> {
        self.file.reload(request)
    }

    fn shutdown(&mut self, back_within: Option<std::time::Duration>) -> Result<(), AccessError> {
        self.file.shutdown(back_within)
    }
}

#[test]
fn a_commit_that_was_lost_is_said_again_and_done_once() {
    for does_it in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cib.xml");
        std::fs::write(&path, CIB).unwrap();
        let mut one = session(&path);
        one.access = Box::new(Going { file: FileAccess::new(path.clone()), does_it, commits: 0 });
        run(&mut one, "configure");
        run(&mut one, "primitive mine ocf:heartbeat:Dummy");
        run(&mut one, "commit");
        let text = said(&mut one);
        assert!(text.contains("was not answered") && text.contains("still here"), "{text}");
        assert_eq!(one.editor.as_ref().map(|e| e.changes()), Some(1));
        assert_eq!(has(&FileAccess::new(path.clone()).cib().unwrap(), "mine"), does_it);
        run(&mut one, "commit");
        let text = said(&mut one);
        assert_eq!(text.contains("an earlier commit of this"), does_it, "{text}");
        let cib = FileAccess::new(path).cib().unwrap();
        assert_eq!(cib.descendants().filter(|e| e.id() == Some("mine")).count(), 1);
        assert_eq!(one.editor.as_ref().map_or(0, |e| e.changes()), 0);
    }
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

#[test]
fn a_schema_that_is_chosen_is_in_force_after_the_commit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cib.xml");
    std::fs::write(&path, CIB).unwrap();
    let schema = || {
        let cib = crm_core::cib::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        cib.attr("validate-with").map(str::to_string)
    };
    let mut one = session(&path);
    run(&mut one, "configure schema pacemaker-3.2");
    run(&mut one, "configure commit");
    assert_eq!(schema().as_deref(), Some("pacemaker-3.2"));
    run(&mut one, "configure upgrade force");
    run(&mut one, "configure commit");
    assert_eq!(schema().as_deref(), Some("pacemaker-3.9"));
}
