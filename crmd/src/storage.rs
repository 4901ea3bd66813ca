//! The configuration on disk: a log of commits, a snapshot now and then, and old snapshots.
//!
//! `cib.xml` is a readable document that ends in a comment with the digest of everything before
//! it; `cib.log` has the commits since. A commit is stored when its record is on disk
//! (`fdatasync`); commits that come while the disk works share the next one. Recovery takes the
//! newest snapshot that is whole, then the records that continue it; a torn tail is cut off, and
//! damage before it is an error, never an empty configuration in silence (C6). The status is not
//! stored.

mod log;
mod recover;
mod snapshot;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use crm_core::cib::Version;

use crate::controller::replica::{LogEntry, Replica};
pub use recover::recover;

/// Records after which a new snapshot is written.
const SNAPSHOT_RECORDS: usize = 512;
/// Bytes of log after which a new snapshot is written.
const SNAPSHOT_BYTES: u64 = 8 << 20;

/// Something for the disk.
#[derive(Debug)]
pub enum Job {
    /// Append a commit; the replica is as it is after it, or later.
    Append(Box<LogEntry>, Box<Replica>),
    /// Replace everything.
    Snapshot(Box<Replica>),
}

/// Starts the thread that writes. It reports the newest version on disk, or an error, through
/// `report`, and ends when the sender is dropped.
///
/// # Errors
/// The directory or the log cannot be opened, or the thread is refused.
pub fn start(
    directory: &Path,
    report: impl Fn(Result<Version, String>) + Send + 'static,
) -> std::io::Result<Sender<Job>> {
    let (sender, jobs) = channel();
    let mut writer = Writer::open(directory.to_path_buf())?;
    std::thread::Builder::new().name("storage".into()).spawn(move || writer.run(&jobs, &report))?;
    Ok(sender)
}

struct Writer {
    directory: PathBuf,
    log: log::Log,
    /// The log lacks a commit, so only a snapshot can bring the disk up to date.
    gap: bool,
}

impl Writer {
    fn open(directory: PathBuf) -> std::io::Result<Writer> {
        let log = log::Log::open(&directory)?;
        Ok(Writer { directory, log, gap: false })
    }

    fn run(&mut self, jobs: &Receiver<Job>, report: &impl Fn(Result<Version, String>)) {
        while let Ok(first) = jobs.recv() {
            let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter()).collect();
            match self.write(batch) {
                Ok(Some(version)) => report(Ok(version)),
                Ok(None) => {}
                Err(error) => report(Err(error.to_string())),
            }
        }
    }

    /// Writes a batch with one `fdatasync`, and returns the newest version that is on disk.
    fn write(&mut self, batch: Vec<Job>) -> std::io::Result<Option<Version>> {
        let mut newest = None;
        let mut latest = None;
        for job in batch {
            match job {
                Job::Append(entry, replica) if !self.gap => {
                    self.gap = true;
                    self.log.append(&entry)?;
                    self.gap = false;
                    newest = Some(entry.version);
                    latest = Some(replica);
                }
                Job::Append(_, replica) | Job::Snapshot(replica) => {
                    newest = Some(replica.version().configuration());
                    self.snapshot(&replica)?;
                    latest = None;
                }
            }
        }
        // What a failed sync has written cannot be known.
        let whole = !std::mem::replace(&mut self.gap, true);
        self.log.sync()?;
        self.gap = !whole;
        if let Some(replica) = latest
            && (self.log.records() >= SNAPSHOT_RECORDS || self.log.bytes() >= SNAPSHOT_BYTES)
        {
            self.snapshot(&replica)?;
        }
        Ok(newest)
    }

    fn snapshot(&mut self, replica: &Replica) -> std::io::Result<()> {
        self.gap = true;
        snapshot::write(&self.directory, replica)?;
        self.log.clear()?;
        self.gap = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
