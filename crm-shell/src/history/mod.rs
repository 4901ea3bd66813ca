//! The past: events and transition inputs, from the daemon or from reports.

mod period;
pub mod report;
#[cfg(test)]
mod tests;
mod transitions;

use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};

use crm_core::cib::{Element, parse};
use crm_messaging::proto::{Event, EventQuery};
use regex::Regex;

pub use period::instant;
pub use transitions::Transition;

use crate::access::Access;
use crate::session::Failure;

/// Lines of events that one file of a report may have.
const MAX_EVENTS: usize = 200_000;

/// Where the past is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The daemon of this node.
    Live,
    /// A directory with reports, which `crm report` made.
    Reports(PathBuf),
}

/// A kept transition input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// `pe-input-12`.
    pub name: String,
    /// 12.
    pub number: u64,
    /// When it was written, in milliseconds of the epoch.
    pub time_ms: u64,
    /// The node that has it.
    pub node: String,
    /// Its size.
    pub bytes: u64,
    /// Where it is; none: the daemon has it.
    file: Option<PathBuf>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
struct Read {
    events: Vec<Event>,
    inputs: Vec<Kept>,
    nodes: BTreeSet<String>,
}

/// The past, and which part of it is looked at.
#[derive(Debug)]
pub struct History {
    /// Where it comes from.
    pub source: Source,
    /// Not before and not after, in milliseconds of the epoch.
    pub from_ms: Option<u64>,
    /// See `from_ms`.
    pub to_ms: Option<u64>,
    /// Events whose line fits one of these are not shown.
    pub exclude: Vec<Regex>,
    /// What values look like that are not shown (`password=...`).
    pub secrets: Option<Regex>,
    /// Show what transitions do, line by line.
    pub detail: bool,
    /// Only these nodes; empty: all.
    pub nodes: BTreeSet<String>,
    /// Archives are unpacked here; it goes with the value.
    unpacked: Option<tempfile::TempDir>,
    read: Option<Read>,
}

impl Default for History {
    fn default() -> History {
        History {
            source: Source::Live,
            from_ms: None,
            to_ms: None,
            exclude: Vec::new(),
            secrets: None,
            detail: false,
            nodes: BTreeSet::new(),
            unpacked: None,
            read: None,
        }
    }
}

impl History {
    /// Reads from somewhere else from now on: `live`, a directory or an archive.
    ///
    /// # Errors
    /// It is not there or has no events; the source stays what it was.
    pub fn set_source(&mut self, place: &str) -> Result<(), Failure> {
        let (source, unpacked) = match place {
            "live" => (Source::Live, None),
            path => {
                let path = Path::new(path);
                let unpacked = if path.is_file() { Some(report::unpack(path)?) } else { None };
                let directory = unpacked.as_ref().map_or(path, |t| t.path()).to_path_buf();
                if report::node_directories(&directory).is_empty() {
                    return Err(format!(
                        "{}: there is no report in it (a directory with events.jsonl, as 'crm \
                         report' makes it)",
                        path.display()
                    )
                    .into());
                }
                (Source::Reports(directory), unpacked)
            }
        };
        self.source = source;
        self.unpacked = unpacked;
        self.read = None;
        Ok(())
    }

    /// Forgets what was read, so that it is read anew.
    pub fn refresh(&mut self) {
        self.read = None;
    }

    fn read(&mut self, access: &mut dyn Access) -> Result<&Read, Failure> {
        let read = match self.read.take() {
            Some(read) => read,
            None => match &self.source {
                Source::Live => live(access)?,
                Source::Reports(directory) => reports(directory),
            },
        };
        Ok(self.read.insert(read))
    }

    fn in_period(&self, time_ms: u64) -> bool {
        self.from_ms.is_none_or(|f| time_ms >= f) && self.to_ms.is_none_or(|t| time_ms <= t)
    }

    /// The events that are looked at, oldest first.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub fn events(&mut self, access: &mut dyn Access) -> Result<Vec<Event>, Failure> {
        let mut all = self.read(access)?.events.clone();
        if let Some(secrets) = &self.secrets {
            all.iter_mut().for_each(|e| e.text = report::conceal(secrets, &e.text).into_owned());
        }
        let wanted = |e: &Event| {
            self.in_period(e.time_ms)
                && (self.nodes.is_empty() || e.node.is_empty() || self.nodes.contains(&e.node))
                && !self.exclude.iter().any(|x| x.is_match(&line(e)))
        };
        Ok(all.into_iter().filter(wanted).collect())
    }

    /// The nodes that the past knows.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub fn known_nodes(&mut self, access: &mut dyn Access) -> Result<BTreeSet<String>, Failure> {
        Ok(self.read(access)?.nodes.clone())
    }

    /// The kept inputs in the period, by number.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub fn inputs(&mut self, access: &mut dyn Access) -> Result<Vec<Kept>, Failure> {
        let all = self.read(access)?.inputs.clone();
        Ok(all.into_iter().filter(|i| self.in_period(i.time_ms)).collect())
    }

    /// The transitions in the period, oldest first.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub fn transitions(&mut self, access: &mut dyn Access) -> Result<Vec<Transition>, Failure> {
        let read = self.read(access)?.clone();
        let all = transitions::gather(&read.events, &read.inputs);
        Ok(all.into_iter().filter(|t| self.in_period(t.begun_ms)).collect())
    }

    /// A transition by number (`12`), by place from the end (`0` the last, `-1` the one before)
    /// or by the name of its input (`pe-input-12`); without a name the last one.
    ///
    /// # Errors
    /// There is none.
    pub fn transition(
        &mut self,
        access: &mut dyn Access,
        name: Option<&str>,
    ) -> Result<Transition, Failure> {
        let all = self.transitions(access)?;
        let name = name.unwrap_or("0");
        let bare = name.strip_suffix(".xml").unwrap_or(name);
        let found = match bare.parse::<i64>() {
            Ok(n) if n > 0 => all.iter().rev().find(|t| i64::try_from(t.number) == Ok(n)),
            Ok(n) => usize::try_from(n.unsigned_abs()).ok().and_then(|n| all.iter().rev().nth(n)),
            Err(_) => all.iter().rev().find(|t| t.input == bare),
        };
        found.cloned().ok_or_else(|| {
            let text = match all.len() {
                0 => "no transition is known in this period".to_string(),
                n => format!(
                    "transition {name} is not among the {n} that are known in this period \
                     ('history transitions' lists them)"
                ),
            };
            text.into()
        })
    }

    /// The document a transition was planned from; also `live`, and the path of a file.
    ///
    /// # Errors
    /// It is not kept here, or cannot be read.
    pub fn document(
        &mut self,
        access: &mut dyn Access,
        name: Option<&str>,
    ) -> Result<Element, Failure> {
        match name {
            Some("live") => return Ok(access.cib()?),
            Some(path) if path.contains('/') || Path::new(path).is_file() => {
                return read_document(Path::new(path));
            }
            _ => {}
        }
        let transition = self.transition(access, name)?;
        let kept = self.read(access)?.inputs.iter().rev();
        let kept = kept.filter(|k| k.name == transition.input).max_by_key(|k| {
            // Nodes count on from each other, but one that was away may have used a number again.
            (k.node == transition.node, k.time_ms)
        });
        match kept.cloned() {
            Some(Kept { file: Some(file), .. }) => read_document(&file),
            Some(Kept { name, .. }) => Ok(access.input(&name)?),
            None => Err(format!(
                "the input of transition {} is kept on {}; ask there, or read a report of that \
                 node ('history source')",
                transition.number, transition.node
            )
            .into()),
        }
    }
}

fn read_document(path: &Path) -> Result<Element, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::from(format!("could not open {}: {e}", path.display())))?;
    parse(&text).map_err(|e| format!("{}: {e}", path.display()).into())
}

fn live(access: &mut dyn Access) -> Result<Read, Failure> {
    let events = access.events(&EventQuery::default())?;
    let list = access.inputs()?;
    let mut nodes: BTreeSet<String> =
        events.iter().filter(|e| !e.node.is_empty()).map(|e| e.node.clone()).collect();
    nodes.insert(list.node.clone());
    let inputs = list.inputs.into_iter().map(|i| Kept {
        name: i.name,
        number: i.number,
        time_ms: i.time_ms,
        node: list.node.clone(),
        bytes: i.bytes,
        file: None,
    });
    Ok(Read { inputs: inputs.collect(), events, nodes })
}

/// Everything in all reports of a directory. What two nodes have both recorded is there once.
fn reports(directory: &Path) -> Read {
    let mut read = Read::default();
    for (node, place) in report::node_directories(directory) {
        read.events.extend(read_events(&place.join(report::EVENTS)));
        read.inputs.extend(report::kept_inputs(&place.join(report::INPUTS), &node));
        read.nodes.insert(node);
    }
    read.events.sort_by_key(|e| e.time_ms);
    read.events = merged(std::mem::take(&mut read.events));
    read.inputs.sort_by_key(|i| (i.number, i.time_ms));
    read
}

/// Members record an event at the same place of their sequence, so within moments of each other.
fn merged(events: Vec<Event>) -> Vec<Event> {
    const MOMENT_MS: u64 = 2000;
    let mut out: Vec<Event> = Vec::new();
    for event in events {
        let recent = out.iter().rev().take_while(|e| e.time_ms + MOMENT_MS >= event.time_ms);
        let same = |e: &Event| {
            (&e.kind, &e.node, &e.resource, &e.text)
                == (&event.kind, &event.node, &event.resource, &event.text)
        };
        if !recent.into_iter().any(same) {
            out.push(event);
        }
    }
    out
}

fn read_events(path: &Path) -> Vec<Event> {
    let Ok(file) = std::fs::File::open(path) else { return Vec::new() };
    let lines = std::io::BufReader::new(file).lines().map_while(Result::ok).take(MAX_EVENTS);
    lines.filter_map(|l| serde_json::from_str(&l).ok()).collect()
}

/// An event as a line for people.
pub fn line(event: &Event) -> String {
    let mark = if event.failed { '!' } else { ' ' };
    let time = period::local(event.time_ms);
    format!("{time} {mark} {:<11} {}", event.kind, event.text)
}

/// The time of the epoch as people here read it.
pub fn time(time_ms: u64) -> String {
    period::local(time_ms)
}
