//! Secrets by reference: the CIB says `lrm://`, the value lies on the nodes that may have it.
//!
//! A secret is a file `DIRECTORY/RESOURCE/PARAMETER`, readable by its owner only. It is read when
//! the agent is called, goes into that agent's environment or input and nowhere else: results,
//! logs and listings carry the reference.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

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

fn read(directory: &Path, resource: &str, parameter: &str) -> Result<String, SecretError> {
    let unreadable = |cause: io::ErrorKind| SecretError::Unreadable {
        resource: resource.to_owned(),
        parameter: parameter.to_owned(),
        cause,
    };
    let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    if !plain(resource) || !plain(parameter) {
        return Err(unreadable(io::ErrorKind::InvalidInput));
    }
    let path = directory.join(resource).join(parameter);
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
