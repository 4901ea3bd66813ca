//! The cluster's secret.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The shortest key that is accepted.
pub const MIN_BYTES: usize = 32;
const MAX_BYTES: usize = 64 * 1024;

/// The content of the key file, wiped when dropped and never shown.
#[derive(Clone)]
pub struct AuthKey(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthKey(..)")
    }
}

/// The key file is refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthKeyError {
    /// It cannot be opened or read.
    #[error(
        "cannot read the cluster's key {path}: {source}\nmake one and copy it to every node: \
         head -c 256 /dev/urandom > {path} && chmod 400 {path}"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no regular file.
    #[error("the cluster's key {0} is not a regular file")]
    NotAFile(PathBuf),
    /// Others than its owner may read or write it.
    #[error(
        "the cluster's key {path} is open to others (mode {mode:03o}): whoever has read it can \
         join the cluster\nclose it with: chmod 400 {path}; if somebody may have read it, make a \
         new one"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user.
    #[error("the cluster's key {path} belongs to user {owner}\ncorrect it with: chown root {path}")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// It has too few bytes, or too many to be a key.
    #[error("the cluster's key {path} has {bytes} bytes; it must have {MIN_BYTES} to {MAX_BYTES}")]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
}

impl AuthKey {
    /// Reads the key file: a regular file of root (or of the user that runs this), closed to
    /// everyone else, of 32 bytes or more.
    ///
    /// # Errors
    /// Each with what to do about it.
    pub fn load(path: &Path) -> Result<AuthKey, AuthKeyError> {
        let owned = || path.to_path_buf();
        let unreadable = |source| AuthKeyError::Unreadable { path: owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        // The open file is judged, not its name: nobody can exchange it in between.
        let meta = file.metadata().map_err(unreadable)?;
        if !meta.is_file() {
            return Err(AuthKeyError::NotAFile(owned()));
        }
        if meta.uid() != 0 && meta.uid() != nix::unistd::geteuid().as_raw() {
            return Err(AuthKeyError::Owner { path: owned(), owner: meta.uid() });
        }
        if meta.mode() & 0o077 != 0 {
            return Err(AuthKeyError::Open { path: owned(), mode: meta.mode() & 0o777 });
        }
        if meta.len() < MIN_BYTES as u64 || meta.len() > MAX_BYTES as u64 {
            return Err(AuthKeyError::Size { path: owned(), bytes: meta.len() });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(meta.len() as usize));
        file.by_ref().take(MAX_BYTES as u64).read_to_end(&mut bytes).map_err(unreadable)?;
        AuthKey::new(bytes.to_vec())
            .ok_or(AuthKeyError::Size { path: owned(), bytes: bytes.len() as u64 })
    }

    /// A key of these bytes, if there are enough of them.
    pub fn new(bytes: Vec<u8>) -> Option<AuthKey> {
        (bytes.len() >= MIN_BYTES).then(|| AuthKey(Zeroizing::new(bytes)))
    }

    /// The secret itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}
