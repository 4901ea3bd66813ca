//! Which processes use a mount.
//!
//! Open files are told apart by the number of the mount, so that a bind mount never drags down
//! processes that use the same files by another way. Programs, working and root directories and
//! memory maps have no such number; for them the path decides, and only in our mount namespace.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::mounts::Mount;

/// How closely processes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Open files, programs and directories.
    OpenFiles,
    /// Memory maps as well.
    Everything,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub pid: i32,
    /// Its short name.
    pub name: String,
}

/// Every process that uses a mount, but this one and the first.
pub fn of(mount: &Mount, depth: Depth) -> Vec<User> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id();
    let mut users = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = pid.filter(|pid| *pid > 1 && u32::try_from(*pid) != Ok(own)) else {
            continue;
        };
        let process = entry.path();
        if uses(&process, mount, depth) {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            users.push(User { pid, name: name.trim().to_owned() });
        }
    }
    users
}

fn uses(process: &Path, mount: &Mount, depth: Depth) -> bool {
    if has_open_file(process, mount) {
        return true;
    }
    let namespace = |path: &Path| fs::read_link(path.join("ns/mnt")).ok();
    if namespace(process) != namespace(Path::new("/proc/self")) {
        return false;
    }
    let links = ["cwd", "root", "exe"].map(|name| fs::read_link(process.join(name)));
    links.into_iter().flatten().any(|path| path.starts_with(&mount.point))
        || (depth == Depth::Everything && has_mapped_file(process, &mount.point))
}

fn has_open_file(process: &Path, mount: &Mount) -> bool {
    let Ok(entries) = fs::read_dir(process.join("fdinfo")) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let info = fs::read_to_string(entry.path()).unwrap_or_default();
        let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
        id.and_then(|id| id.trim().parse().ok()) == Some(mount.id)
    })
}

fn has_mapped_file(process: &Path, point: &Path) -> bool {
    let maps = fs::read_to_string(process.join("maps")).unwrap_or_default();
    // Addresses, rights, offset, device, inode; then the path.
    maps.lines()
        .any(|line| line.find('/').is_some_and(|at| PathBuf::from(&line[at..]).starts_with(point)))
}

/// Sends a signal to all of them; those that are gone need none.
pub fn signal(users: &[User], signal: Signal) {
    for user in users {
        let _ = kill(Pid::from_raw(user.pid), signal);
    }
}
