//! The log file: records of length, digest and content.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crm_core::cib::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::controller::replica::{Chain, LogEntry};

/// The file's name.
pub(super) const FILE: &str = "cib.log";
/// Before the content: its length (4 bytes, little endian) and SHA-256.
const HEAD: usize = 4 + 32;
/// A record is no larger than a message of the ring.
const MAX_RECORD: usize = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Record {
    version: (u64, u64),
    chain: String,
    time_ms: u64,
    author: String,
    command: String,
    patch: String,
}

/// The open log.
pub(super) struct Log {
    file: File,
    records: usize,
    /// Length of what is known to be good; a failed append is cut back to it.
    good: u64,
}

impl Log {
    pub(super) fn open(directory: &Path) -> std::io::Result<Log> {
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(directory.join(FILE))?;
        let good = file.seek(SeekFrom::End(0))?;
        Ok(Log { file, records: 0, good })
    }

    pub(super) fn records(&self) -> usize {
        self.records
    }

    pub(super) fn bytes(&self) -> u64 {
        self.good
    }

    /// Writes a record; it is on disk after [`Log::sync`]. After an error the log is as before.
    pub(super) fn append(&mut self, entry: &LogEntry) -> std::io::Result<()> {
        let record = Record {
            version: (entry.version.admin_epoch, entry.version.epoch),
            chain: entry.chain.to_string(),
            time_ms: entry.time_ms,
            author: entry.author.clone(),
            command: entry.command.clone(),
            patch: entry.patch.clone(),
        };
        let content = serde_json::to_vec(&record)?;
        let length = u32::try_from(content.len()).map_err(std::io::Error::other)?;
        let mut bytes = Vec::with_capacity(HEAD + content.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(&content));
        bytes.extend_from_slice(&content);
        self.file.seek(SeekFrom::Start(self.good))?;
        if let Err(error) = self.file.write_all(&bytes) {
            // Best effort: recovery cuts a torn tail off as well.
            let _ = self.file.set_len(self.good);
            return Err(error);
        }
        self.good += bytes.len() as u64;
        self.records += 1;
        Ok(())
    }

    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }

    /// Forgets all records: a snapshot has them.
    pub(super) fn clear(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.good = 0;
        self.records = 0;
        self.file.sync_data()
    }
}

/// All whole records, and the length of the file up to where they end.
pub(super) fn read(directory: &Path) -> std::io::Result<(Vec<LogEntry>, u64)> {
    let mut bytes = Vec::new();
    match File::open(directory.join(FILE)) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(e) => return Err(e),
    };
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some((entry, next)) = record_at(&bytes, at) {
        entries.push(entry);
        at = next;
    }
    Ok((entries, at as u64))
}

fn record_at(bytes: &[u8], at: usize) -> Option<(LogEntry, usize)> {
    let head = bytes.get(at..at + HEAD)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?);
    let length = usize::try_from(length).ok().filter(|l| *l <= MAX_RECORD)?;
    let content = bytes.get(at + HEAD..at + HEAD + length)?;
    if Sha256::digest(content)[..] != head[4..] {
        return None;
    }
    let record: Record = serde_json::from_slice(content).ok()?;
    let version =
        Version { admin_epoch: record.version.0, epoch: record.version.1, num_updates: 0 };
    let entry = LogEntry {
        version,
        chain: Chain::parse(&record.chain)?,
        patch: record.patch,
        author: record.author,
        command: record.command,
        time_ms: record.time_ms,
    };
    Some((entry, at + HEAD + length))
}

/// Cuts the file to `length`.
pub(super) fn cut(directory: &Path, length: u64) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).open(directory.join(FILE))?;
    file.set_len(length)?;
    file.sync_data()
}
