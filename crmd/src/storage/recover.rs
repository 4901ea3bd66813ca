//! From what is on disk to the replica that a daemon starts with.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::controller::replica::{Chain, Replica, empty_cib};

use super::{log, snapshot};

/// The disk has a configuration that cannot be used. Nothing was changed on it.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The system refuses.
    #[error("cannot use the state directory {path}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Every copy is damaged.
    #[error(
        "the configuration in {path} is damaged ({reason}), and no older copy there is whole.\n\
         If other nodes of the cluster have it, move {path} away and start again: it is fetched \
         from them. If not, restore a backup"
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What is wrong with the newest copy.
        reason: String,
    },
}

/// Reads the configuration from `directory`, which is made if missing. Also returns remarks for
/// the log about what had to be repaired.
///
/// # Errors
/// See [`RecoverError`].
pub fn recover(directory: &Path) -> Result<(Replica, Vec<String>), RecoverError> {
    let io = |source| RecoverError::Io { path: directory.to_path_buf(), source };
    std::fs::create_dir_all(directory).map_err(io)?;
    let (entries, good) = log::read(directory).map_err(io)?;
    let files = snapshot::files(directory);
    let mut remarks = Vec::new();
    let mut first_error = None;
    let mut found = None;
    for file in &files {
        match snapshot::read(file) {
            Ok(snapshot) => {
                found = Some(snapshot);
                break;
            }
            Err(error) => {
                remarks.push(format!("{} cannot be used: {error}", file.display()));
                first_error.get_or_insert(error);
            }
        }
    }
    let (mut replica, repaired) = match (found, first_error) {
        (Some(s), error) => (Replica::from_disk(s.cib, s.chain, s.links), error.is_some()),
        (None, Some(reason)) => {
            return Err(RecoverError::Damaged { path: directory.to_path_buf(), reason });
        }
        (None, None) => (Replica::from_disk(empty_cib(), Chain::default(), VecDeque::new()), false),
    };
    let mut applied = 0;
    for entry in
        entries.iter().filter(|e| e.version > replica.version().configuration()).collect::<Vec<_>>()
    {
        if let Err(error) = replica.replay(entry) {
            let reason =
                format!("commit {} of the log does not continue it: {error}", entry.version);
            if repaired {
                remarks.push(reason);
                break;
            }
            return Err(RecoverError::Damaged { path: directory.to_path_buf(), reason });
        }
        applied += 1;
    }
    let length = std::fs::metadata(directory.join(log::FILE)).map_or(0, |m| m.len());
    if length > good {
        remarks.push(format!("a torn record of {} bytes was cut off the log", length - good));
        log::cut(directory, good).map_err(io)?;
    }
    if applied > 0 {
        remarks.push(format!("{applied} commits were taken from the log"));
    }
    Ok((replica, remarks))
}
