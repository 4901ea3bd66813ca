//! The table of mounts, and mount options.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

/// One line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The kernel's number of it.
    pub id: u32,
    /// Major and minor number of the device.
    pub device: (u64, u64),
    /// Where it is.
    pub point: PathBuf,
    /// What it is.
    pub source: String,
}

/// All mounts of this namespace, oldest first.
pub fn list() -> io::Result<Vec<Mount>> {
    let table = fs::read("/proc/self/mountinfo")?;
    Ok(table.split(|byte| *byte == b'\n').filter_map(parse_line).collect())
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let id = text(fields.next()?).parse().ok()?;
    let device = text(fields.nth(1)?);
    let (major, minor) = device.split_once(':')?;
    let point = unescape(fields.nth(1)?);
    // Optional fields end with a dash; type and source follow.
    fields.find(|field| field == b"-")?;
    let source = unescape(fields.nth(1)?);
    Some(Mount {
        id,
        device: (major.parse().ok()?, minor.parse().ok()?),
        point: PathBuf::from(OsString::from_vec(point)),
        source: text(&source),
    })
}

/// Blanks, tabs, line ends and backslashes are written as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = after.first_chunk::<3>().filter(|_| *first == b'\\').and_then(|digits| {
            digits.iter().try_fold(0_u8, |code, digit| {
                let value = digit.checked_sub(b'0').filter(|value| *value < 8)?;
                code.checked_mul(8)?.checked_add(value)
            })
        });
        match code {
            Some(code) => {
                plain.push(code);
                rest = &after[3..];
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

/// What tells a file or directory from all others.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether a mount shows this block device, whatever name it was given.
pub fn same_device(device: &Path, mount: &Mount) -> bool {
    let Ok(metadata) = fs::metadata(device) else { return false };
    if !metadata.file_type().is_block_device() {
        return false;
    }
    let number = metadata.rdev();
    let device = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
    // btrfs has numbers of its own; there the source says it.
    let source = fs::metadata(&mount.source).is_ok_and(|source| source.rdev() == number);
    device == mount.device || source
}

/// Mount options, sorted into what the system call takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Flags of the call.
    pub flags: MsFlags,
    /// A change of propagation, made by a call of its own.
    pub propagation: Option<MsFlags>,
    /// What the file system itself reads.
    pub data: String,
    /// An option that only the `mount` program understands is there.
    pub needs_program: bool,
    /// As given.
    pub text: String,
}

impl Options {
    /// Reads a list with commas.
    pub fn parse(text: &str) -> Self {
        let mut options = Self {
            flags: MsFlags::empty(),
            propagation: None,
            data: String::new(),
            needs_program: false,
            text: text.to_owned(),
        };
        let mut data = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            if let Some((flag, set)) = flag(word) {
                options.flags.set(flag, set);
            } else if let Some(kind) = propagation(word) {
                options.propagation = Some(kind);
            } else if word == "loop" || word.starts_with("loop=") || word.starts_with("x-") {
                options.needs_program = true;
            } else if !matches!(word, "defaults" | "auto" | "noauto" | "_netdev" | "nofail") {
                data.push(word);
            }
        }
        options.data = data.join(",");
        options
    }
}

fn flag(word: &str) -> Option<(MsFlags, bool)> {
    Some(match word {
        "ro" => (MsFlags::MS_RDONLY, true),
        "rw" => (MsFlags::MS_RDONLY, false),
        "nosuid" => (MsFlags::MS_NOSUID, true),
        "suid" => (MsFlags::MS_NOSUID, false),
        "nodev" => (MsFlags::MS_NODEV, true),
        "dev" => (MsFlags::MS_NODEV, false),
        "noexec" => (MsFlags::MS_NOEXEC, true),
        "exec" => (MsFlags::MS_NOEXEC, false),
        "sync" => (MsFlags::MS_SYNCHRONOUS, true),
        "async" => (MsFlags::MS_SYNCHRONOUS, false),
        "dirsync" => (MsFlags::MS_DIRSYNC, true),
        "noatime" => (MsFlags::MS_NOATIME, true),
        "atime" => (MsFlags::MS_NOATIME, false),
        "nodiratime" => (MsFlags::MS_NODIRATIME, true),
        "relatime" => (MsFlags::MS_RELATIME, true),
        "strictatime" => (MsFlags::MS_STRICTATIME, true),
        "mand" => (MsFlags::MS_MANDLOCK, true),
        "bind" => (MsFlags::MS_BIND, true),
        "rbind" => (MsFlags::MS_BIND.union(MsFlags::MS_REC), true),
        _ => return None,
    })
}

fn propagation(word: &str) -> Option<MsFlags> {
    let (word, deep) = match word.strip_prefix('r') {
        Some(rest) if rest != "o" && rest != "w" => (rest, MsFlags::MS_REC),
        _ => (word, MsFlags::empty()),
    };
    let kind = match word {
        "private" => MsFlags::MS_PRIVATE,
        "shared" => MsFlags::MS_SHARED,
        "slave" => MsFlags::MS_SLAVE,
        "unbindable" => MsFlags::MS_UNBINDABLE,
        _ => return None,
    };
    Some(kind | deep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table() {
        let line =
            b"36 35 98:0 /mnt1 /mnt\\040two rw,noatime master:1 shared:2 - ext3 /dev/root rw";
        let mount = parse_line(line).unwrap();
        assert_eq!((mount.id, mount.device), (36, (98, 0)));
        assert_eq!(mount.point, Path::new("/mnt two"));
        assert_eq!(mount.source, "/dev/root");
        assert_eq!(parse_line(b""), None);
        assert_eq!(parse_line(b"36 35 98:0 / /mnt rw"), None);
        assert_eq!(unescape(b"a\\134b\\999\\7"), b"a\\b\\999\\7");
    }

    #[test]
    fn the_table_of_this_host_can_be_read() {
        assert!(list().unwrap().iter().any(|mount| mount.point == Path::new("/")));
    }

    #[test]
    fn options_are_sorted() {
        let options =
            Options::parse("defaults,ro,noatime,data=journal,rw,errors=remount-ro,rslave");
        assert_eq!(options.flags, MsFlags::MS_NOATIME);
        assert_eq!(options.data, "data=journal,errors=remount-ro");
        assert_eq!(options.propagation, Some(MsFlags::MS_SLAVE | MsFlags::MS_REC));
        assert!(!options.needs_program);
        assert!(Options::parse("bind").flags.contains(MsFlags::MS_BIND));
        assert!(Options::parse("rbind").flags.contains(MsFlags::MS_BIND | MsFlags::MS_REC));
        assert!(Options::parse("loop,ro").needs_program);
    }
}
