//! Transitions, put together from the events that tell of them and the inputs that were kept.

use std::collections::BTreeSet;

use crm_messaging::proto::Event;

use super::Kept;

/// One transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Its number.
    pub number: u64,
    /// The name of its input.
    pub input: String,
    /// The node that coordinated.
    pub node: String,
    /// In milliseconds of the epoch.
    pub begun_ms: u64,
    /// None: not known, or it still runs.
    pub ended_ms: Option<u64>,
    /// How it ended, in words; empty while that is not known.
    pub end: String,
    /// It did not come to its end, or something in it failed.
    pub failed: bool,
    /// What it did, one action a line; empty if only its input is known.
    pub actions: Vec<String>,
}

impl Transition {
    /// Resources, nodes and failures that it was about.
    pub fn tags(&self, events: &[Event]) -> BTreeSet<String> {
        let inside = |e: &&Event| {
            e.time_ms >= self.begun_ms && self.ended_ms.is_none_or(|end| e.time_ms <= end)
        };
        let mut tags = BTreeSet::new();
        for event in events.iter().filter(inside).filter(|e| e.kind == "operation") {
            tags.insert(event.resource.clone());
            tags.insert(event.node.clone());
            if event.failed {
                tags.insert("failed".into());
            }
        }
        for fenced in self.actions.iter().filter_map(|a| a.strip_prefix("fence ")) {
            tags.extend(["fencing".to_string(), fenced.to_string()]);
        }
        tags.remove("");
        tags
    }
}

/// All transitions, oldest first.
pub(super) fn gather(events: &[Event], inputs: &[Kept]) -> Vec<Transition> {
    let mut all: Vec<Transition> = Vec::new();
    for event in events.iter().filter(|e| e.kind == "transition" && e.transition > 0) {
        if !event.input.is_empty() {
            all.push(Transition {
                number: event.transition,
                input: event.input.clone(),
                node: event.node.clone(),
                begun_ms: event.time_ms,
                ended_ms: event.failed.then_some(event.time_ms),
                end: if event.failed { event.text.clone() } else { String::new() },
                failed: event.failed,
                actions: event.detail.lines().map(str::to_string).collect(),
            });
        } else if let Some(begun) = all
            .iter_mut()
            .rev()
            .find(|t| t.number == event.transition && t.node == event.node && t.end.is_empty())
        {
            begun.ended_ms = Some(event.time_ms);
            begun.end.clone_from(&event.text);
            begun.failed |= event.failed;
        }
    }
    for kept in inputs {
        if !all.iter().any(|t| t.input == kept.name && t.node == kept.node) {
            all.push(Transition {
                number: kept.number,
                input: kept.name.clone(),
                node: kept.node.clone(),
                begun_ms: kept.time_ms,
                ended_ms: None,
                end: "its events are no longer known".into(),
                failed: false,
                actions: Vec::new(),
            });
        }
    }
    all.sort_by_key(|t| (t.begun_ms, t.number));
    all
}
