use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::overview::{Happening, NodeRow, Place, Plan, ResourceRow, Step, StepState, Trouble};

fn node(name: &str, state: &str, why: Option<&str>) -> NodeRow {
    NodeRow {
        name: name.into(),
        state: state.into(),
        why: why.map(str::to_string),
        coordinator: name == "n1",
        available: state == "online",
        since: Some(940),
        runs: Vec::new(),
    }
}

fn resource(name: &str, state: &str, node: &str) -> ResourceRow {
    let place = Place { node: node.into(), role: "Started", since: Some(880) };
    ResourceRow {
        name: name.into(),
        depth: 0,
        kind: "ocf:heartbeat:IPaddr2".into(),
        state: state.into(),
        places: if node.is_empty() { Vec::new() } else { vec![place] },
        trouble: state == "FAILED",
        notes: Vec::new(),
    }
}

fn overview() -> Overview {
    let step = |depth, text: &str, state| Step { depth, text: text.into(), reason: None, state };
    Overview {
        time: 1000,
        cluster: "shop".into(),
        coordinator: Some("n1".into()),
        quorate: Some(true),
        busy: Some(true),
        troubles: vec![Trouble { text: "n3 is lost and not yet fenced".into(), help: None }],
        nodes: vec![
            node("n1", "online", None),
            node("n2", "online", None),
            node("n3", "UNCLEAN (offline)", Some("peer is gone")),
        ],
        resources: vec![resource("vip", "Started", "n1"), resource("db", "FAILED", "n2")],
        tickets: Vec::new(),
        leftovers: Vec::new(),
        plan: Plan {
            steps: vec![
                step(0, "fence n3 (reboot)", StepState::Running),
                step(1, "start db on n2", StepState::Waiting),
            ],
            more: 0,
        },
        recent: vec![Happening {
            time: 995,
            node: "n2".into(),
            text: "monitor db: error".into(),
            failed: true,
        }],
    }
}

fn screen(model: &Model) -> String {
    let mut terminal = Terminal::new(TestBackend::new(80, 28)).unwrap();
    terminal.draw(|frame| draw(model, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let width = usize::from(buffer.area.width);
    let cells: Vec<&str> = buffer.content().iter().map(|c| c.symbol()).collect();
    cells.chunks(width).map(|row| row.concat().trim_end().to_string() + "\n").collect()
}

#[test]
fn the_screen_has_trouble_nodes_resources_transition_and_events() {
    let screen = screen(&Model::new(overview()));
    let line = |what: &str| {
        screen.lines().position(|l| l.contains(what)).unwrap_or_else(|| panic!("{what}:\n{screen}"))
    };
    assert_eq!(line("shop  quorum  coordinator n1"), 0);
    assert!(line("n3 is lost and not yet fenced") < line("┌Nodes"), "{screen}");
    assert!(line("UNCLEAN (offline): peer is gone") < line("┌Resources"), "{screen}");
    let vip = screen.lines().nth(line("│vip")).unwrap();
    assert!(vip.contains("Started") && vip.contains("n1") && vip.contains("2m00s"), "{vip}");
    assert_eq!(line("▶ fence n3 (reboot)") + 1, line("  · start db on n2"));
    assert!(screen.contains("5s  monitor db: error [n2]"), "{screen}");
    assert!(screen.lines().last().unwrap().contains("c clean up"), "{screen}");
}

#[test]
fn nothing_is_changed_without_a_clear_yes() {
    let mut model = Model::new(overview());
    assert_eq!(model.key(Key::Char('c')), None);
    assert!(screen(&model).contains("crm resource cleanup vip"));
    assert_eq!(model.key(Key::Enter), None);
    assert_eq!(model.said, Some(("nothing was done".into(), false)));
    assert_eq!(model.key(Key::Char('c')), None);
    let cleanup = ["resource", "cleanup", "vip"].map(String::from).to_vec();
    assert_eq!(model.key(Key::Char('y')), Some(Request::Run(cleanup)));
    assert_eq!(model.dialog, None);
    // What only shows needs no yes.
    assert_eq!(model.key(Key::Char('w')), Some(Request::Run(vec!["why".into(), "vip".into()])));
}

#[test]
fn a_move_asks_where_and_offers_only_nodes_that_can_take_it() {
    let mut model = Model::new(overview());
    model.key(Key::Char('m'));
    let Some(Dialog::Choose { nodes, .. }) = &model.dialog else { panic!("{:?}", model.dialog) };
    assert_eq!(*nodes, ["n2"]);
    model.key(Key::Enter);
    let words = ["resource", "move", "vip", "n2"].map(String::from).to_vec();
    assert_eq!(model.dialog, Some(Dialog::Confirm { words: words.clone() }));
    assert_eq!(model.key(Key::Char('y')), Some(Request::Run(words)));
}

#[test]
fn keys_are_for_the_list_that_is_marked() {
    let mut model = Model::new(overview());
    model.key(Key::Tab);
    model.key(Key::Down);
    model.key(Key::Char('s'));
    let words = ["node", "standby", "n2"].map(String::from).to_vec();
    assert_eq!(model.dialog, Some(Dialog::Confirm { words }));
    model.key(Key::Escape);
    assert_eq!(model.key(Key::Char('q')), Some(Request::Quit));
}

#[test]
fn changes_are_marked_for_a_while_and_a_lost_daemon_is_said() {
    let mut model = Model::new(overview());
    let mut next = overview();
    next.resources[0] = resource("vip", "Started", "n2");
    model.look(next.clone());
    assert!(model.is_changed("vip") && !model.is_changed("db"));
    for _ in 0..MARKED {
        model.look(next.clone());
    }
    assert!(!model.is_changed("vip"));
    model.missed("the daemon is gone".into());
    assert!(screen(&model).lines().next().unwrap().contains("OLD: the daemon is gone"));
    model.at = (9, 9);
    next.resources.truncate(1);
    model.look(next);
    assert_eq!(model.at, (2, 0));
}
