//! The ring's number on disk, written by a thread of its own: the ring never waits for a disk.
//!
//! The file says below which number all that was ever used lies. Numbers are taken from a
//! range that was stored before, so a slow disk delays nothing but the thousandth ring.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::StartError;
use super::handle::Shared;
use crate::totem::RESERVE;

/// A full disk may be emptied.
pub(super) const RETRY: Duration = Duration::from_secs(5);

const NAME: &str = "ring-number";

/// Where the number is kept.
#[derive(Debug)]
pub(super) struct Disk {
    orders: Sender<u64>,
}

/// The numbers this start may use: from the first, below the second.
pub(super) fn load(state_dir: &Path) -> Result<(u64, u64), StartError> {
    let path = state_dir.join(NAME);
    let failed = |source| StartError::State { path: path.clone(), source };
    fs::create_dir_all(state_dir).map_err(failed)?;
    let first = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse::<u64>().map_err(|_| {
            failed(std::io::Error::other(
                "it holds no number; if the disk was damaged, remove the file while the whole \
                 cluster is stopped",
            ))
        })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 1,
        Err(error) => return Err(failed(error)),
    };
    let upto = first + RESERVE;
    store(state_dir, upto).map_err(failed)?;
    Ok((first, upto))
}

/// Write anew, sync, rename, sync the directory: after a crash the file holds one number or the
/// other.
fn store(state_dir: &Path, upto: u64) -> std::io::Result<()> {
    let temporary = state_dir.join(".ring-number.new");
    let mut file = File::create(&temporary)?;
    writeln!(file, "{upto}")?;
    file.sync_all()?;
    fs::rename(&temporary, state_dir.join(NAME))?;
    File::open(state_dir)?.sync_all()
}

impl Disk {
    /// Starts the thread; what cannot be stored is tried again after `retry`.
    pub(super) fn start(
        state_dir: PathBuf,
        shared: Arc<Shared>,
        retry: Duration,
    ) -> std::io::Result<Disk> {
        let (orders, queue) = channel();
        std::thread::Builder::new().name("ring-disk".to_owned()).spawn(move || {
            while let Ok(upto) = queue.recv() {
                while let Err(error) = store(&state_dir, upto) {
                    shared.failed(format!(
                        "cannot store the ring's number in {}: {error}; make room there, or \
                         this node can enter only a few hundred more rings",
                        state_dir.display()
                    ));
                    std::thread::sleep(retry);
                }
                shared.stored(upto);
            }
        })?;
        Ok(Disk { orders })
    }

    /// Stores that numbers below `upto` may be used; the answer comes through the inbox.
    pub(super) fn reserve(&self, upto: u64) {
        // The thread ends only with this sender.
        let _ = self.orders.send(upto);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let (first, upto) = load(dir.path()).unwrap();
        assert_eq!((first, upto), (1, 1 + RESERVE));
        assert_eq!(load(dir.path()).unwrap().0, upto);
    }

    #[test]
    fn a_disk_that_fails_is_tried_again_and_reported() {
        let dir = tempfile::tempdir().unwrap();
        // In place of the directory's file there is a directory: it cannot be renamed to.
        let name = dir.path().join(NAME);
        fs::create_dir(&name).unwrap();
        fs::write(name.join("x"), "").unwrap();
        let shared = Arc::new(Shared::new().unwrap());
        let disk =
            Disk::start(dir.path().to_path_buf(), Arc::clone(&shared), Duration::from_millis(20))
                .unwrap();
        disk.reserve(5000);
        let failure = loop {
            if let Some(failure) = shared.take().failure {
                break failure;
            }
            std::thread::yield_now();
        };
        assert!(failure.contains("cannot store"), "{failure}");
        fs::remove_dir_all(&name).unwrap();
        while shared.take().stored != Some(5000) {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(fs::read_to_string(&name).unwrap().trim(), "5000");
    }

    #[test]
    fn a_damaged_file_is_no_zero() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "").unwrap();
        assert!(load(dir.path()).is_err());
    }
}
