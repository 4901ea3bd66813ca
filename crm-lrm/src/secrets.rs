//! Secrets by reference: the CIB says `lrm://`, the value lies on the nodes that may have it.
//!
//! A secret is a file `DIRECTORY/RESOURCE/PARAMETER`, readable by its owner only. It is read when
//! the agent is called, goes into that agent's environment or input and nowhere else: results,
//! logs and listings carry the reference.
//!
//! The daemons keep the files of all nodes alike: every change goes through the ring as a
//! [`Secret`] with a stamp, and of two the later one holds. The stamp of a file is its time of
//! modification, so that a file that was put there by hand counts, too; a secret that was deleted
//! leaves an empty mark for a while, or a node that was away would bring it back.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// What stands in the CIB instead of a secret (as Pacemaker).
pub const REFERENCE: &str = "lrm://";

/// The longest secret, in bytes.
pub const LENGTH_MAX: usize = 64 * 1024;
/// How many there may be, deleted ones that are remembered included.
pub const COUNT_MAX: usize = 1000;
/// How long a deleted secret is remembered.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

/// A value that is not to be shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A secret as the daemons exchange it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Whose; without an instance number.
    pub resource: String,
    /// Which parameter.
    pub parameter: String,
    /// When it was set, in milliseconds of the epoch; the latest one holds.
    pub stamp_ms: u64,
    /// What; none: deleted.
    pub value: Option<Hidden>,
}

impl Secret {
    /// Why it cannot be kept, if it cannot.
    ///
    /// # Errors
    /// In words, without any part of the value.
    pub fn check(&self) -> Result<(), String> {
        place(Path::new(""), &self.resource, &self.parameter).map_err(|e| e.to_string())?;
        match &self.value {
            Some(value) if value.0.len() > LENGTH_MAX => {
                Err(format!("a secret has at most {LENGTH_MAX} bytes"))
            }
            Some(value) if value.0.contains('\0') => Err("a secret has no null byte".into()),
            _ => Ok(()),
        }
    }

    /// Whether this one replaces `other`. Of two with one stamp all nodes choose the same.
    pub fn replaces(&self, other: &Secret) -> bool {
        (self.stamp_ms, &self.value) > (other.stamp_ms, &other.value)
    }
}

/// Why a secret cannot be had. No variant carries any part of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no file, or it cannot be read.
    #[error(
        "the secret {parameter} of {resource} cannot be read on this node ({cause}); \
         set it with: crm resource secret {resource} set {parameter} VALUE"
    )]
    Unreadable {
        /// Whose.
        resource: String,
        /// Which.
        parameter: String,
        /// Why.
        cause: io::ErrorKind,
    },
    /// Others can read it.
    #[error("the secret {parameter} of {resource} can be read by others; do: chmod 600 {path}")]
    Open {
        /// Whose.
        resource: String,
        /// Which.
        parameter: String,
        /// The file.
        path: String,
    },
}

/// Puts the values in the place of the references.
///
/// The instance number of a clone is no part of the name: all instances share their secrets.
pub fn resolve(
    directory: &Path,
    resource: &str,
    params: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, SecretError> {
    let mut resolved = params.clone();
    let base = resource.split_once(':').map_or(resource, |(base, _)| base);
    for (parameter, value) in &mut resolved {
        if value == REFERENCE {
            *value = read(directory, base, parameter)?;
        }
    }
    Ok(resolved)
}

/// Keeps a secret on this node.
///
/// # Errors
/// The name cannot be one, or the file cannot be written; an older value then stays.
pub fn store(directory: &Path, resource: &str, parameter: &str, value: &str) -> io::Result<()> {
    let path = place(directory, resource, parameter)?;
    let mut private = fs::DirBuilder::new();
    private.recursive(true).mode(0o700);
    private.create(directory.join(resource))?;
    // Written beside and put in its place: nobody ever reads half a secret.
    let new = path.with_file_name(format!(".{parameter}.new"));
    let _ = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(value.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &path)
}

/// Forgets a secret on this node; `false` if there was none.
///
/// # Errors
/// The name cannot be one, or the file cannot be removed.
pub fn remove(directory: &Path, resource: &str, parameter: &str) -> io::Result<bool> {
    match fs::remove_file(place(directory, resource, parameter)?) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Keeps what another node has set, or forgets what it has deleted.
///
/// # Errors
/// The file cannot be written; an older value then stays.
pub fn keep(directory: &Path, secret: &Secret) -> io::Result<()> {
    let Secret { resource, parameter, stamp_ms, value } = secret;
    let mark = mark(directory, resource, parameter)?;
    let file = match value {
        Some(value) => {
            store(directory, resource, parameter, &value.0)?;
            let _ = fs::remove_file(&mark);
            place(directory, resource, parameter)?
        }
        None => {
            remove(directory, resource, parameter)?;
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory.join(resource))?;
            fs::File::create(&mark)?;
            mark
        }
    };
    let stamp = UNIX_EPOCH + Duration::from_millis(*stamp_ms);
    fs::File::options().write(true).open(file)?.set_modified(stamp)
}

/// All secrets of this node, deleted ones that are remembered included. What cannot be read, or
/// others can read, is left out.
pub fn all(directory: &Path) -> Vec<Secret> {
    let entries = |at: &Path| fs::read_dir(at).into_iter().flatten().flatten();
    let name = |entry: &fs::DirEntry| entry.file_name().to_str().map(str::to_owned);
    let mut found = Vec::new();
    for resource in entries(directory) {
        for file in entries(&resource.path()) {
            let (Some(resource), Some(file_name)) = (name(&resource), name(&file)) else {
                continue;
            };
            let modified = file.metadata().and_then(|m| m.modified());
            let Ok(modified) = modified else { continue };
            let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            let stamp_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            let gone = file_name.strip_prefix('.').and_then(|n| n.strip_suffix(MARK));
            let (parameter, value) = match gone {
                Some(_) if modified.elapsed().is_ok_and(|age| age > REMEMBERED) => {
                    let _ = fs::remove_file(file.path());
                    continue;
                }
                Some(parameter) => (parameter.to_owned(), None),
                None => match read(directory, &resource, &file_name) {
                    Ok(value) => (file_name, Some(Hidden(value))),
                    Err(_) => continue,
                },
            };
            found.push(Secret { resource, parameter, stamp_ms, value });
        }
    }
    found.sort_by(|a, b| (&a.resource, &a.parameter).cmp(&(&b.resource, &b.parameter)));
    found.truncate(COUNT_MAX);
    found
}

/// What the name of the mark of a deleted secret ends with.
const MARK: &str = ".deleted";

fn mark(directory: &Path, resource: &str, parameter: &str) -> io::Result<PathBuf> {
    let path = place(directory, resource, parameter)?;
    Ok(path.with_file_name(format!(".{parameter}{MARK}")))
}

fn place(directory: &Path, resource: &str, parameter: &str) -> io::Result<PathBuf> {
    let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    if plain(resource) && plain(parameter) {
        return Ok(directory.join(resource).join(parameter));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "no resource or parameter has such a name"))
}

/// The value that this node has.
///
/// # Errors
/// There is none, or others could read it.
pub fn read(directory: &Path, resource: &str, parameter: &str) -> Result<String, SecretError> {
    let unreadable = |cause: io::ErrorKind| SecretError::Unreadable {
        resource: resource.to_owned(),
        parameter: parameter.to_owned(),
        cause,
    };
    let path = place(directory, resource, parameter).map_err(|e| unreadable(e.kind()))?;
    let metadata = fs::metadata(&path).map_err(|error| unreadable(error.kind()))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(SecretError::Open {
            resource: resource.to_owned(),
            parameter: parameter.to_owned(),
            path: path.display().to_string(),
        });
    }
    if metadata.len() > LENGTH_MAX as u64 {
        return Err(unreadable(io::ErrorKind::FileTooLarge));
    }
    let text = fs::read_to_string(&path).map_err(|error| unreadable(error.kind()))?;
    // An editor adds a line end; it is no part of a password.
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(directory: &Path, name: &str, text: &str, mode: u32) {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("it has one")).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn params(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn references_become_values_and_nothing_else_changes() {
        let directory = tempfile::tempdir().unwrap();
        set(directory.path(), "db/password", "s3 cret\n", 0o600);
        let given = params(&[("password", "lrm://"), ("user", "me"), ("url", "lrm://x")]);
        let resolved = resolve(directory.path(), "db:1", &given).unwrap();
        assert_eq!(
            resolved,
            params(&[("password", "s3 cret"), ("user", "me"), ("url", "lrm://x")])
        );
    }

    #[test]
    fn a_stored_secret_is_closed_to_others_and_can_be_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        for value in ["first", "second value"] {
            store(directory.path(), "db", "password", value).unwrap();
            assert_eq!(read(directory.path(), "db", "password").unwrap(), value);
        }
        let mode = fs::metadata(directory.path().join("db/password")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(remove(directory.path(), "db", "password").unwrap());
        assert!(!remove(directory.path(), "db", "password").unwrap());
        assert!(store(directory.path(), "..", "x", "y").is_err());
    }

    #[test]
    fn what_is_kept_for_others_has_their_stamp_and_shows_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let secret = |parameter: &str, stamp_ms, value: Option<&str>| Secret {
            resource: "db".into(),
            parameter: parameter.into(),
            stamp_ms,
            value: value.map(|v| Hidden(v.into())),
        };
        let now = UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        let (set, gone) = (secret("a", now, Some("s3cret")), secret("b", now + 5, None));
        for known in [secret("b", now, Some("x")), set.clone(), gone.clone()] {
            keep(directory.path(), &known).unwrap();
        }
        assert_eq!(all(directory.path()), [set.clone(), gone.clone()]);
        assert!(!format!("{set:?}").contains("s3cret"), "{set:?}");
        assert!(gone.replaces(&secret("b", now, Some("x"))) && !set.replaces(&set));
        keep(directory.path(), &secret("b", 1, None)).unwrap();
        assert_eq!(all(directory.path()), [set], "after a long time it is forgotten");
        assert!(secret("../x", 1, None).check().is_err());
        assert!(secret("a", 1, Some(&"x".repeat(LENGTH_MAX + 1))).check().is_err());
    }

    #[test]
    fn what_is_missing_or_open_is_refused_without_a_hint_at_the_value() {
        let directory = tempfile::tempdir().unwrap();
        let given = params(&[("password", "lrm://")]);
        let error = resolve(directory.path(), "db", &given).unwrap_err().to_string();
        assert!(error.contains("crm resource secret db set password"), "{error}");
        set(directory.path(), "db/password", "s3cret", 0o640);
        let error = resolve(directory.path(), "db", &given).unwrap_err().to_string();
        assert!(error.contains("chmod 600") && !error.contains("s3cret"), "{error}");
        let outside = params(&[("../x", "lrm://")]);
        assert!(resolve(directory.path(), "db", &outside).is_err());
    }
}
