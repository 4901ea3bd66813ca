//! Secrets by reference: the CIB says `lrm://`, the value lies on the nodes that may have it.
//!
//! A secret is a file `DIRECTORY/RESOURCE/PARAMETER`, readable by its owner only. It is read when
//! the agent is called, goes into that agent's environment or input and nowhere else: results,
//! logs and listings carry the reference.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What stands in the CIB instead of a secret (as Pacemaker).
pub const REFERENCE: &str = "lrm://";

/// The longest secret, in bytes.
const LENGTH_MAX: u64 = 64 * 1024;

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
    if metadata.len() > LENGTH_MAX {
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
