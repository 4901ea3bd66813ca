//! What a node remembers: events, and the documents that its transitions were planned from.
//!
//! Both are for people and for nothing else: no decision reads them, so they are written without
//! waiting for the disk, and a disk that is full or broken costs the record, never the service.
//! One thread writes; what it cannot take in time is counted and said. Everything is bounded:
//! events by the size of their files, inputs by `pe-input-series-max` and the like (as Pacemaker
//! 2.1 does) and by bytes. `/var/lib/crm/history` has both in forms that people can read:
//! `events.jsonl` (older: `events-1.jsonl`, ...) and `pe-input-N.xml`, `pe-warn-N.xml`,
//! `pe-error-N.xml`.

mod events;
mod inputs;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crm_core::cib::Element;
use crm_messaging::proto::{Event, EventQuery, InputInfo};

use crate::controller::Series;

/// Jobs that may wait for the disk.
const QUEUE: usize = 4096;
/// Events that are kept in memory.
const RECENT: usize = 1000;
/// Events that one answer has at most.
const MAX_ANSWER: usize = 100_000;
/// Bytes of a text of an event; what is longer is cut.
const MAX_TEXT: usize = 4096;

/// Something to be written.
enum Job {
    Event(Box<Event>),
    Input { series: Series, number: u64, now_s: u64, cib: Element },
}

/// Writes; the driver has it.
#[derive(Debug)]
pub struct Journal {
    /// None once it is being closed.
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    archive: Archive,
    next: u64,
    last_input: u64,
    /// What the thread could not take since that was said last.
    dropped: u64,
}

/// Reads; for the server, which answers from other threads.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    directory: PathBuf,
    recent: Arc<Mutex<VecDeque<Event>>>,
}

impl Journal {
    /// Opens what is in `directory` and starts the thread that writes.
    ///
    /// # Errors
    /// The directory cannot be made, or the thread is refused. A file that cannot be read is no
    /// error.
    pub fn start(directory: &Path) -> std::io::Result<Journal> {
        // The documents in it have passwords of fencing devices.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let query = EventQuery { limit: RECENT as u32, ..EventQuery::default() };
        let recent: VecDeque<Event> = events::read(directory, &query, RECENT).into();
        let next = recent.back().map_or(0, |e| e.seq) + 1;
        let last_input = inputs::list(directory).last().map_or(0, |i| i.number);
        let (jobs, waiting) = sync_channel(QUEUE);
        let place = directory.to_path_buf();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || Writer::new(place).run(&waiting))?;
        let archive =
            Archive { directory: directory.to_path_buf(), recent: Arc::new(Mutex::new(recent)) };
        let (jobs, thread) = (Some(jobs), Some(thread));
        Ok(Journal { jobs, thread, archive, next, last_input, dropped: 0 })
    }

    /// What reads.
    pub fn archive(&self) -> Archive {
        self.archive.clone()
    }

    /// Number of the newest input that is kept.
    pub fn last_input(&self) -> u64 {
        self.last_input
    }

    /// Records an event, and returns it with its number.
    pub fn event(&mut self, mut event: Event) -> Event {
        event.seq = self.next;
        self.next += 1;
        cut(&mut event.text, MAX_TEXT);
        cut(&mut event.detail, 2 * MAX_TEXT);
        self.archive.remember(event.clone());
        self.push(Job::Event(Box::new(event.clone())));
        event
    }

    /// Keeps the document that transition `number` was planned from, at `now_s`.
    pub fn input(&mut self, series: Series, number: u64, now_s: u64, cib: Element) {
        self.last_input = self.last_input.max(number);
        self.push(Job::Input { series, number, now_s, cib });
    }

    fn push(&mut self, job: Job) {
        let Some(jobs) = &self.jobs else { return };
        match jobs.try_send(job) {
            Ok(()) => {
                if self.dropped > 0 {
                    tracing::warn!("{} entries of the history were not written", self.dropped);
                    self.dropped = 0;
                }
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped += 1,
        }
    }
}

/// What has been recorded is written before the daemon ends.
impl Drop for Journal {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It panics only where it would have failed to write.
            let _ = thread.join();
        }
    }
}

impl Archive {
    fn remember(&self, event: Event) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= RECENT {
            recent.pop_front();
        }
        recent.push_back(event);
    }

    /// The newest events, as many as are in memory, oldest first.
    pub fn recent(&self) -> Vec<Event> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().cloned().collect()
    }

    /// The events that fit, oldest first: the newest of them, if there are too many. Answered
    /// from memory if that has them all; else reads files, so not for an async task.
    pub fn events(&self, query: &EventQuery) -> Vec<Event> {
        let limit = match query.limit {
            0 => MAX_ANSWER,
            n => MAX_ANSWER.min(usize::try_from(n).unwrap_or(MAX_ANSWER)),
        };
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let complete = recent.len() < RECENT
            || recent.front().is_some_and(|first| query.since_ms > first.time_ms);
        let mut fitting: VecDeque<Event> =
            recent.iter().filter(|e| events::fits(query, e)).cloned().collect();
        drop(recent);
        if !complete && fitting.len() < limit {
            return events::read(&self.directory, query, limit);
        }
        fitting.drain(..fitting.len().saturating_sub(limit));
        fitting.into()
    }

    /// The kept inputs, by number. Reads the directory.
    pub fn inputs(&self) -> Vec<InputInfo> {
        inputs::list(&self.directory)
    }

    /// One of them.
    ///
    /// # Errors
    /// In words: there is no such input, or it cannot be read.
    pub fn input(&self, name: &str) -> Result<String, String> {
        inputs::read(&self.directory, name)
    }
}

/// Cuts a text to at most `limit` bytes, at a character.
fn cut(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit - '…'.len_utf8()));
        text.push('…');
    }
}

struct Writer {
    directory: PathBuf,
    log: Option<events::Log>,
    /// The last write failed; said once, until one succeeds.
    failing: bool,
}

impl Writer {
    fn new(directory: PathBuf) -> Writer {
        Writer { directory, log: None, failing: false }
    }

    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            let written = match job {
                Job::Event(event) => self.append(&event),
                Job::Input { series, number, now_s, cib } => {
                    inputs::write(&self.directory, series, number, now_s, cib)
                }
            };
            match written {
                Ok(()) => self.failing = false,
                Err(error) if !self.failing => {
                    self.failing = true;
                    tracing::warn!("the history in {}: {error}", self.directory.display());
                }
                Err(_) => {}
            }
        }
    }

    fn append(&mut self, event: &Event) -> std::io::Result<()> {
        let log = match &mut self.log {
            Some(log) => log,
            None => self.log.insert(events::Log::open(&self.directory)?),
        };
        let result = log.append(event);
        if result.is_err() {
            // Opened anew the next time: what is in the file then is known again.
            self.log = None;
        }
        result
    }
}
