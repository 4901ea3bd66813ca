use super::*;

fn event(time_ms: u64, kind: &str, resource: &str) -> Event {
    let (kind, resource) = (kind.into(), resource.into());
    Event { time_ms, kind, resource, text: format!("at {time_ms}"), ..Event::default() }
}

fn times(events: &[Event]) -> Vec<u64> {
    events.iter().map(|e| e.time_ms).collect()
}

#[test]
fn events_survive_a_restart_a_torn_line_and_are_numbered_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::start(directory.path()).unwrap();
    for n in 1..=3 {
        journal.event(event(n, "operation", "vip"));
    }
    drop(journal);
    let path = directory.path().join("events.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"seq\":4,\"time");
    std::fs::write(&path, text).unwrap();

    let mut journal = Journal::start(directory.path()).unwrap();
    assert_eq!(journal.event(event(4, "quorum", "")).seq, 4);
    drop(journal);
    let journal = Journal::start(directory.path()).unwrap();
    let all = journal.archive().events(&EventQuery::default());
    assert_eq!(times(&all), [1, 2, 3, 4]);
    assert_eq!(all[3].kind, "quorum");
}

#[test]
fn only_what_is_asked_for_is_answered_the_newest_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::start(directory.path()).unwrap();
    for n in 1..=10 {
        journal.event(event(n, "operation", if n % 2 == 0 { "even" } else { "odd" }));
    }
    let ask = |query: EventQuery| times(&journal.archive().events(&query));
    let even = vec!["even".to_string()];
    assert_eq!(ask(EventQuery { resources: even.clone(), ..Default::default() }), [2, 4, 6, 8, 10]);
    assert_eq!(ask(EventQuery { resources: even, limit: 2, ..Default::default() }), [8, 10]);
    assert_eq!(ask(EventQuery { since_ms: 3, until_ms: 5, ..Default::default() }), [3, 4, 5]);
    assert_eq!(
        ask(EventQuery { kinds: vec!["fencing".into()], ..Default::default() }),
        Vec::<u64>::new()
    );
}

#[test]
fn what_memory_has_forgotten_is_read_from_the_files_which_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = events::Log::open(directory.path()).unwrap();
    let mut large = event(0, "operation", "");
    large.detail = "d".repeat(64 << 10 >> 1);
    for n in 1..=1000 {
        log.append(&Event { seq: n, time_ms: n, ..large.clone() }).unwrap();
    }
    let bytes: u64 = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|f| f.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 21 << 20, "{bytes} bytes");
    let journal = Journal::start(directory.path()).unwrap();
    let kept = times(&journal.archive().events(&EventQuery::default()));
    assert_eq!(kept.last(), Some(&1000));
    assert!(kept.len() < 1000 && kept.windows(2).all(|w| w[0] + 1 == w[1]), "{}", kept.len());
}

fn cib(number: usize) -> Element {
    let text = format!(
        "<cib epoch='{number}'><configuration><crm_config><cluster_property_set id='s'>\
         <nvpair id='m' name='pe-input-series-max' value='3'/></cluster_property_set>\
         </crm_config></configuration></cib>"
    );
    crm_core::cib::parse(&text).unwrap()
}

#[test]
fn inputs_are_kept_up_to_the_bound_of_their_series() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::start(directory.path()).unwrap();
    for number in 1..=5 {
        let series = if number == 2 { Series::Warn } else { Series::Input };
        journal.input(series, number, 1_700_000_000, cib(5));
    }
    drop(journal);
    let journal = Journal::start(directory.path()).unwrap();
    assert_eq!(journal.last_input(), 5);
    let archive = journal.archive();
    let names: Vec<String> = archive.inputs().into_iter().map(|i| i.name).collect();
    assert_eq!(names, ["pe-warn-2", "pe-input-3", "pe-input-4", "pe-input-5"]);
    assert!(archive.input("pe-input-5").unwrap().contains("execution-date=\"1700000000\""));
    assert!(archive.input("pe-input-1").unwrap_err().contains("not (or no longer)"));
    for name in ["../cib/cib", "pe-input-../x", "pe-input-", "events", "pe-input-+5"] {
        assert!(archive.input(name).unwrap_err().contains("not the name"), "{name}");
    }
}

#[test]
fn a_disk_that_takes_nothing_costs_the_files_only() {
    let directory = tempfile::tempdir().unwrap();
    // A directory in the place of the file: nothing can be written there, not even by root.
    std::fs::create_dir(directory.path().join("events.jsonl")).unwrap();
    let mut journal = Journal::start(directory.path()).unwrap();
    journal.event(event(1, "operation", "vip"));
    let archive = journal.archive();
    drop(journal);
    assert_eq!(times(&archive.events(&EventQuery::default())), [1]);
}
