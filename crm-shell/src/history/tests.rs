use crm_core::cib::Element;
use crm_messaging::proto::{self, AttributeUpdate, CleanupRequest, EventQuery, FailRequest};

use super::*;
use crate::access::{AccessError, Result as Answer};

/// A daemon with a past.
#[derive(Default)]
struct Daemon {
    events: Vec<Event>,
    inputs: Vec<(proto::InputInfo, Element)>,
}

impl Access for Daemon {
    fn is_live(&self) -> bool {
        true
    }
    fn cib(&mut self) -> Answer<Element> {
        Ok(cib("now"))
    }
    fn commit(&mut self, _: &Element, _: &Element, _: &str) -> Answer<()> {
        Err(AccessError::NeedsCluster("a commit"))
    }
    fn bump(&mut self) -> Answer<()> {
        Err(AccessError::NeedsCluster("a new epoch"))
    }
    fn update_ticket(&mut self, _: &proto::TicketUpdate) -> Answer<()> {
        Err(AccessError::NeedsCluster("tickets"))
    }
    fn update_secret(&mut self, _: &proto::SecretUpdate) -> Answer<()> {
        Err(AccessError::NeedsCluster("secrets"))
    }
    fn update_attribute(&mut self, _: &AttributeUpdate) -> Answer<()> {
        Err(AccessError::NeedsCluster("attributes"))
    }
    fn cleanup(&mut self, _: &CleanupRequest) -> Answer<Vec<String>> {
        Err(AccessError::NeedsCluster("cleanup"))
    }
    fn fail(&mut self, _: &FailRequest) -> Answer<()> {
        Err(AccessError::NeedsCluster("failures"))
    }
    fn fence(&mut self, _: &proto::FenceRequest) -> Answer<String> {
        Err(AccessError::NeedsCluster("fencing"))
    }
    fn state(&mut self, _: Option<std::time::Duration>) -> Answer<proto::StateReply> {
        Ok(proto::StateReply { local_node: "n1".into(), ..proto::StateReply::default() })
    }
    fn events(&mut self, query: &EventQuery) -> Answer<Vec<Event>> {
        let all = self.events.iter().filter(|e| e.time_ms >= query.since_ms);
        Ok(all.cloned().collect())
    }
    fn inputs(&mut self) -> Answer<proto::InputList> {
        let inputs = self.inputs.iter().map(|(i, _)| i.clone()).collect();
        Ok(proto::InputList { inputs, node: "n1".into() })
    }
    fn input(&mut self, name: &str) -> Answer<Element> {
        let found = self.inputs.iter().find(|(i, _)| i.name == name);
        found.map(|(_, c)| c.clone()).ok_or_else(|| AccessError::NotFound(name.into()))
    }
    fn read_file(&mut self, _: &proto::FileQuery) -> Answer<Vec<proto::FileCopy>> {
        Err(AccessError::NeedsCluster("comparing"))
    }
    fn reload(&mut self, _: &proto::ReloadRequest) -> Answer<Vec<proto::NodeReload>> {
        Err(AccessError::NeedsCluster("reloading"))
    }
    fn shutdown(&mut self, _: Option<std::time::Duration>) -> Answer<()> {
        Err(AccessError::NeedsCluster("stopping"))
    }
}

/// A small configuration with a secret in it.
fn cib(value: &str) -> Element {
    let text = format!(
        "<cib validate-with='pacemaker-3.9' epoch='1' num_updates='0' admin_epoch='0'>\
         <configuration><crm_config/><nodes/><resources>\
         <primitive id='db' class='ocf' provider='heartbeat' type='Dummy'>\
         <instance_attributes id='db-p'><nvpair id='db-s' name='state' value='{value}'/>\
         <nvpair id='db-w' name='password' value='geheim'/></instance_attributes></primitive>\
         </resources><constraints/></configuration><status/></cib>"
    );
    parse(&text).unwrap()
}

fn event(time_ms: u64, kind: &str, node: &str, resource: &str, text: &str) -> Event {
    Event {
        time_ms,
        kind: kind.into(),
        node: node.into(),
        resource: resource.into(),
        text: text.into(),
        ..Event::default()
    }
}

fn daemon() -> Daemon {
    let begin = |time, number: u64, actions: &str| Event {
        transition: number,
        input: format!("pe-input-{number}"),
        detail: actions.into(),
        ..event(time, "transition", "n1", "", &format!("transition {number}: 1 actions"))
    };
    let end = |time, number: u64| Event {
        transition: number,
        ..event(time, "transition", "n1", "", &format!("transition {number} is complete"))
    };
    let input = |number: u64, value: &str| {
        let name = format!("pe-input-{number}");
        let time_ms = 1000 * number;
        (proto::InputInfo { name, number, time_ms, bytes: 10 }, cib(value))
    };
    Daemon {
        events: vec![
            begin(7000, 7, "start db on n1"),
            event(7100, "operation", "n1", "db", "start db on n1: ok (10 ms)"),
            end(7200, 7),
            event(8000, "commit", "n1", "", "configuration by root: set db.password=geheim"),
            begin(9000, 9, "stop db on n1\nfence n2"),
            Event {
                failed: true,
                ..event(9100, "operation", "n1", "db", "stop db on n1: error (10 ms)")
            },
        ],
        inputs: vec![input(3, "old"), input(7, "a"), input(9, "b")],
    }
}

#[test]
fn transitions_are_found_by_number_place_and_name() {
    let (mut past, mut daemon) = (History::default(), daemon());
    let all = past.transitions(&mut daemon).unwrap();
    let seen: Vec<_> = all.iter().map(|t| (t.number, t.ended_ms, t.actions.len())).collect();
    assert_eq!(seen, [(3, None, 0), (7, Some(7200), 1), (9, None, 2)]);
    let number = |name: Option<&str>| past.transition(&mut daemon, name).map(|t| t.number).ok();
    assert_eq!(
        [None, Some("0"), Some("-1"), Some("7"), Some("pe-input-3.xml"), Some("8"), Some("-3")]
            .map(number),
        [Some(9), Some(9), Some(7), Some(7), Some(3), None, None]
    );
    let document = past.document(&mut daemon, Some("7")).unwrap();
    assert!(document.to_string().contains("value=\"a\""));
    let events = past.events(&mut daemon).unwrap();
    let tags: Vec<String> = all[2].tags(&events).into_iter().collect();
    assert_eq!(tags, ["db", "failed", "fencing", "n1", "n2"]);
}

#[test]
fn the_period_nodes_and_patterns_choose() {
    let (mut past, mut daemon) = (History::default(), daemon());
    past.from_ms = Some(7050);
    past.to_ms = Some(8500);
    let count = |past: &mut History, daemon: &mut Daemon| past.events(daemon).unwrap().len();
    assert_eq!(count(&mut past, &mut daemon), 3);
    past.exclude.push(Regex::new("is complete$").unwrap());
    assert_eq!(count(&mut past, &mut daemon), 2);
    past.nodes.insert("n2".into());
    assert_eq!(count(&mut past, &mut daemon), 0);
}

fn session(daemon: Daemon) -> crate::session::Session {
    let agents = Box::new(crate::agents::Installed::new(&[]));
    let options = crate::session::Options::default();
    let mut session = crate::session::Session::new(Box::new(daemon), agents, options);
    session.printer.captured = Some(String::new());
    session
}

#[test]
fn a_report_can_be_read_again_and_has_no_secrets() {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("cluster.conf");
    std::fs::write(&config, "totem {\n  version: 2\n  key: topsecret\n}\n").unwrap();
    let wanted =
        report::Wanted { hidden: vec!["passw*".into()], config, ..report::Wanted::default() };
    let directory = place.path().join("r");
    let mut live = session(daemon());
    report::collect(&mut live, &directory, &wanted).unwrap();
    let mut files = vec![directory.clone()];
    let mut seen = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("geheim") && !text.contains("topsecret"), "{}", path.display());
    }
    assert!(seen >= 9, "{seen} files");
    // Two nodes have recorded the same things, one of them a moment later.
    let twin = directory.join("n2");
    std::fs::create_dir(&twin).unwrap();
    let late: String = daemon()
        .events
        .into_iter()
        .map(|e| serde_json::to_string(&Event { time_ms: e.time_ms + 3, ..e }).unwrap() + "\n")
        .collect();
    let late = late.replace("geheim", "******") + "not json\n";
    std::fs::write(twin.join("events.jsonl"), late).unwrap();

    let mut past = History::default();
    past.set_source(directory.to_str().unwrap()).unwrap();
    let mut nobody = Daemon::default();
    assert_eq!(past.events(&mut nobody).unwrap().len(), 6);
    let numbers: Vec<u64> =
        past.transitions(&mut nobody).unwrap().iter().map(|t| t.number).collect();
    assert_eq!(numbers, [3, 7, 9]);
    let document = past.document(&mut nobody, Some("pe-input-9")).unwrap().to_string();
    assert!(document.contains("value=\"b\"") && document.contains("******"), "{document}");
    assert!(past.set_source(place.path().join("none").to_str().unwrap()).is_err());
    assert!(past.set_source("live").is_ok());
}

/// What the level prints for a line.
fn say(session: &mut crate::session::Session, line: &str) -> String {
    session.printer.captured = Some(String::new());
    session.run_text(crate::message::Source { name: None, text: line.to_string() });
    session.printer.captured.take().unwrap()
}

#[test]
fn every_command_of_the_level_answers() {
    let mut session = session(daemon());
    let cases = [
        ("history events", "stop db on n1: error"),
        ("history list", "transition 7 is complete"),
        ("history log n1", "start db on n1: ok"),
        ("history node n1", "! operation"),
        ("history resource db", "stop db on n1"),
        ("history transitions", "pe-input-7    n1         1 actions, is complete"),
        ("history transition log 7", "start db on n1: ok"),
        ("history transition tags 9", "db failed fencing n1 n2"),
        ("history transition 7", "Transition Summary"),
        ("history transition showdot 7", "digraph"),
        ("history graph 7 svg", "<svg"),
        ("configure graph svg", "<svg"),
        ("history show 7", "state=a"),
        ("history show 7 status", "Cluster Summary"),
        ("history diff 7 9", "+ \tparams state=b"),
        ("history wdiff 7 9", "[-state=a-] {+state=b+}"),
        ("history diff 7 live", "+ \tparams state=now"),
        ("history peinputs 3:7 v", "pe-input-3"),
        ("history info", "Transitions: 3"),
        ("history source", "live"),
        ("history latest", "stop db on n1"),
        ("history detail 1", ""),
        ("history transitions", "fence n2"),
        ("history exclude commit", ""),
        ("history exclude", "commit"),
        ("configure history info", "Events:      5"),
        ("history limit 1970-01-01 1971-01-01", ""),
        ("history setnodes n1", ""),
        ("history refresh", ""),
    ];
    for (line, wanted) in cases {
        let said = say(&mut session, line);
        assert!(said.contains(wanted) && !said.contains("geheim"), "{line}: {said}");
        assert_eq!(session.failed, 0, "{line}");
    }
    let wrong = [
        "history transition 99",
        "history log nowhere",
        "history exclude (",
        "history limit soon",
        "history limit now yesterday",
        "history source /nowhere",
        "history graph 7 png",
        "history peinputs x",
        "history diff 7 9 html",
        "history session what",
        "history session save ../x",
    ];
    for (n, line) in wrong.into_iter().enumerate() {
        say(&mut session, line);
        assert_eq!(session.failed, n + 1, "{line}");
    }
}
