//! Configuration files that nodes show each other, so that people can see whether they are the same
//! everywhere (`crm cluster diff`). There is no remote shell behind it: what is shown is decided on
//! the node that has the file, by a fixed list.

use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};

use sha1::{Digest as _, Sha1};

/// The largest file that is shown.
pub const LARGEST: u64 = 1 << 20;

/// Directories whose files are shown: of the cluster itself, and of what clusters usually manage.
const DIRECTORIES: &[&str] = &[
    "/etc/booth",
    "/etc/corosync",
    "/etc/crm",
    "/etc/drbd.d",
    "/etc/ha.d",
    "/etc/lvm",
    "/etc/pacemaker",
];

/// Single files that are shown.
const FILES: &[&str] = &[
    "/etc/chrony.conf",
    "/etc/chrony/chrony.conf",
    "/etc/default/corosync",
    "/etc/default/crm",
    "/etc/default/pacemaker",
    "/etc/default/sbd",
    "/etc/drbd.conf",
    "/etc/exports",
    "/etc/hosts",
    "/etc/multipath.conf",
    "/etc/nsswitch.conf",
    "/etc/sysconfig/corosync",
    "/etc/sysconfig/crm",
    "/etc/sysconfig/pacemaker",
    "/etc/sysconfig/sbd",
];

/// A file as it is on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What it says.
    pub content: Vec<u8>,
    /// Its digest, in hexadecimal.
    pub sha1: String,
}

/// Whether the rules allow to show a file of this name.
///
/// # Errors
/// In words, why not.
pub fn may_be_shown(path: &str) -> Result<(), String> {
    let path = Path::new(path);
    let plain = |c: Component<'_>| matches!(c, Component::RootDir | Component::Normal(_));
    if !path.is_absolute() || !path.components().all(plain) {
        return Err(format!("{}: the whole path is wanted, without '..'", path.display()));
    }
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if name.contains("authkey") || name.ends_with(".key") || name.ends_with(".pem") {
        return Err(format!("{}: keys are not shown to other nodes", path.display()));
    }
    let listed = FILES.iter().any(|f| path == Path::new(f))
        || DIRECTORIES.iter().any(|d| path.starts_with(d) && path != Path::new(d));
    if listed {
        return Ok(());
    }
    Err(format!(
        "{}: nodes show each other only configuration files of the cluster: {}, and files below {}",
        path.display(),
        FILES.join(", "),
        DIRECTORIES.join(", ")
    ))
}

/// Reads a file, if the rules allow to show it, and to show what a symbolic link there leads to.
///
/// # Errors
/// In words, why there is nothing to show.
pub fn read(path: &str) -> Result<Shown, String> {
    may_be_shown(path)?;
    let real = std::fs::canonicalize(path).map_err(|e| format!("{path}: {e}"))?;
    if real != Path::new(path) {
        may_be_shown(&real.to_string_lossy())?;
    }
    read_any(&real)
}

/// Reads the daemon's own configuration file, wherever it is.
///
/// # Errors
/// In words, why there is nothing to show.
pub fn read_own(path: &Path) -> Result<Shown, String> {
    let real = path.canonicalize().map_err(|e| format!("{}: {e}", path.display()))?;
    read_any(&real)
}

/// Reads a regular file that is not too large.
///
/// # Errors
/// In words, why there is nothing to show.
fn read_any(path: &Path) -> Result<Shown, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    // A pipe or a device would hold the reader up.
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW;
    let file =
        std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(format!("{}: it is not a file", path.display()));
    }
    let mut content = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > LARGEST {
        return Err(format!("{}: it is larger than {LARGEST} bytes", path.display()));
    }
    let sha1 = Sha1::digest(&content).iter().map(|b| format!("{b:02x}")).collect();
    Ok(Shown { content, sha1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_configuration_files_are_shown_and_never_keys() {
        for good in ["/etc/hosts", "/etc/crm/cluster.conf", "/etc/drbd.d/r0.res"] {
            assert_eq!(may_be_shown(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "hosts",
            "/etc/shadow",
            "/etc/crm",
            "/etc/crm/authkey",
            "/etc/booth/booth.key",
            "/etc/crm/../shadow",
            "/etc/crmx/file",
            "/etc/hosts/x",
        ] {
            assert!(may_be_shown(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        std::fs::write(&file, "abc").unwrap();
        let shown = read_any(&file).unwrap();
        // The digest of "abc" in FIPS 180-4's examples.
        assert_eq!(shown.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(read_any(directory.path()).unwrap_err().contains("not a file"));
        std::fs::write(&file, vec![b'x'; LARGEST as usize + 1]).unwrap();
        assert!(read_any(&file).unwrap_err().contains("larger than"));
        let link = directory.path().join("l");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(read_any(&link).is_err());
    }
}
