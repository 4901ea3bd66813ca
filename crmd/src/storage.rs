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

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use crm_core::cib::{Element, Version};

use crate::controller::replica::{Chain, Link, LogEntry};
pub use recover::recover;

/// Records after which a new snapshot is written.
const SNAPSHOT_RECORDS: usize = 512;
/// Bytes of log after which a new snapshot is written.
const SNAPSHOT_BYTES: u64 = 8 << 20;

/// Something for the disk.
#[derive(Debug)]
pub enum Job {
    /// Append a commit; the document is as it is after it.
    Append(Box<LogEntry>, Element),
    /// Replace everything.
    Snapshot {
        /// The document.
        cib: Element,
        /// Digest of its commits.
        chain: Chain,
        /// Newest links first.
        links: VecDeque<Link>,
    },
}

/// Starts the thread that writes. It reports the newest version on disk, or an error, through
/// `report`, and ends when the sender is dropped.
///
/// # Errors
/// The directory or the log cannot be opened, or the thread is refused.
pub fn start(
    directory: &Path,
    links: VecDeque<Link>,
    report: impl Fn(Result<Version, String>) + Send + 'static,
) -> std::io::Result<Sender<Job>> {
    let (sender, jobs) = channel();
    let mut writer = Writer::open(directory.to_path_buf(), links)?;
    std::thread::Builder::new().name("storage".into()).spawn(move || writer.run(&jobs, &report))?;
    Ok(sender)
}

struct Writer {
    directory: PathBuf,
    log: log::Log,
    links: VecDeque<Link>,
}

impl Writer {
    fn open(directory: PathBuf, links: VecDeque<Link>) -> std::io::Result<Writer> {
        let log = log::Log::open(&directory)?;
        Ok(Writer { directory, log, links })
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
        let mut document = None;
        for job in batch {
            match job {
                Job::Append(entry, cib) => {
                    self.log.append(&entry)?;
                    self.links.push_front((entry.version, entry.chain));
                    self.links.truncate(64);
                    newest = Some(entry.version);
                    document = Some((cib, entry.chain));
                }
                Job::Snapshot { cib, chain, links } => {
                    self.links = links;
                    newest = Some(Version::of(&cib).configuration());
                    self.snapshot(&cib, chain)?;
                    document = None;
                }
            }
        }
        self.log.sync()?;
        if let Some((cib, chain)) = document
            && (self.log.records() >= SNAPSHOT_RECORDS || self.log.bytes() >= SNAPSHOT_BYTES)
        {
            self.snapshot(&cib, chain)?;
        }
        Ok(newest)
    }

    fn snapshot(&mut self, cib: &Element, chain: Chain) -> std::io::Result<()> {
        snapshot::write(&self.directory, cib, chain, &self.links)?;
        self.log.clear()
    }
}

#[cfg(test)]
mod tests;
