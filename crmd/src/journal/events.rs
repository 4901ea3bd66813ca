//! Events as lines of JSON, in a file that is set aside when it is large.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crm_messaging::proto::{Event, EventQuery};

/// The file that is written.
const FILE: &str = "events.jsonl";
/// It is set aside at this size.
const MAX_BYTES: u64 = 4 << 20;
/// How many are set aside; `events-1.jsonl` is the newest of them.
const KEPT: usize = 4;
/// A line that is longer was not written by us.
const MAX_LINE: usize = 64 << 10;

/// The open file.
pub(super) struct Log {
    directory: PathBuf,
    file: File,
    bytes: u64,
}

impl Log {
    /// Opens it, and ends a line that a crash or a full disk has cut off.
    pub(super) fn open(directory: &Path) -> std::io::Result<Log> {
        let path = directory.join(FILE);
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut bytes = file.seek(SeekFrom::End(0))?;
        if bytes > 0 {
            let mut last = [0];
            file.seek(SeekFrom::Start(bytes - 1))?;
            file.read_exact(&mut last)?;
            if last != [b'\n'] {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        Ok(Log { directory: directory.to_path_buf(), file, bytes })
    }

    pub(super) fn append(&mut self, event: &Event) -> std::io::Result<()> {
        if self.bytes >= MAX_BYTES {
            set_aside(&self.directory)?;
            *self = Log::open(&self.directory)?;
        }
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn old(directory: &Path, n: usize) -> PathBuf {
    directory.join(format!("events-{n}.jsonl"))
}

fn set_aside(directory: &Path) -> std::io::Result<()> {
    for n in (1..KEPT).rev() {
        match std::fs::rename(old(directory, n), old(directory, n + 1)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    std::fs::rename(directory.join(FILE), old(directory, 1))
}

/// Whether an event is asked for.
pub(super) fn fits(query: &EventQuery, event: &Event) -> bool {
    let among =
        |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|w| w == value);
    event.time_ms >= query.since_ms
        && (query.until_ms == 0 || event.time_ms <= query.until_ms)
        && among(&query.kinds, &event.kind)
        && among(&query.nodes, &event.node)
        && among(&query.resources, &event.resource)
}

/// The newest `limit` events that fit, oldest first. Lines that cannot be read are left out.
pub(super) fn read(directory: &Path, query: &EventQuery, limit: usize) -> Vec<Event> {
    let newest_first =
        std::iter::once(directory.join(FILE)).chain((1..=KEPT).map(|n| old(directory, n)));
    let mut found: Vec<Event> = Vec::new();
    for path in newest_first {
        let Ok(file) = File::open(path) else { continue };
        let (mut fitting, begins_before) = read_file(file, query, limit - found.len());
        fitting.append(&mut found);
        found = fitting;
        if found.len() >= limit || begins_before {
            break;
        }
    }
    found
}

/// The newest events of a file that fit, and whether it begins before the time that is asked for.
fn read_file(file: File, query: &EventQuery, limit: usize) -> (Vec<Event>, bool) {
    let mut fitting = VecDeque::new();
    let mut begins_before = false;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(MAX_LINE as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let Ok(event) = serde_json::from_slice::<Event>(&line) else { continue };
        begins_before |= event.time_ms < query.since_ms;
        if fits(query, &event) {
            if fitting.len() >= limit {
                fitting.pop_front();
            }
            fitting.push_back(event);
        }
    }
    (fitting.into(), begins_before)
}
