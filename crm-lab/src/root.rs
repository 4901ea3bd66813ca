//! A host's private root: its own `/etc`, `/var`, `/srv` and `/usr/local`, and the programs of
//! the machine behind read-only mounts.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{chdir, pivot_root};

use crate::{Doing, Result};

/// Where the machine's own trees appear in a host.
const MACHINE: &str = ".machine";
/// Top directories that hold programs and libraries on one distribution or another.
const PROGRAMS: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix"];
/// Parts of `/etc` that every host has for itself.
const OWN_ETC: [&str; 8] =
    ["crm", "init.d", "ha.d", "hostname", "hosts", "mtab", "resolv.conf", "machine-id"];
/// Parts of `/usr/lib` that a host does not take from the machine: it brings its own agents.
const OWN_LIB: [&str; 2] = ["ocf", "stonith"];
/// Where the program is found in every host.
pub(crate) const PROGRAM: &str = "usr/local/sbin/crm";

/// A file that a host has from the start.
pub(crate) type Files = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// Lays out a host's disk. Called once a host; the disk outlives a power cycle.
pub(crate) fn prepare(root: &Path, name: &str, files: &Files) -> Result<()> {
    let make =
        |path: &str| fs::create_dir_all(root.join(path)).doing(format!("making {path} for {name}"));
    let own = [
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "root",
        "srv",
        "mnt",
        "opt",
        "usr/lib",
        "usr/local/sbin",
        "etc/init.d",
        "var/log",
        "var/lib",
        "var/tmp",
        "var/cache",
        "var/www",
        ".machine/usr",
        ".machine/etc",
        ".old",
    ];
    own.iter().try_for_each(|path| make(path))?;
    for top in PROGRAMS {
        match fs::read_link(Path::new("/").join(top)) {
            Ok(target) => link(&target, &root.join(top))?,
            Err(_) if Path::new("/").join(top).is_dir() => make(top)?,
            Err(_) => {}
        }
    }
    link(Path::new("/run"), &root.join("var/run"))?;
    link(Path::new("/proc/self/mounts"), &root.join("etc/mtab"))?;
    farm("usr", root, |n| n == "lib" || n == "local")?;
    farm("usr/lib", root, |n| OWN_LIB.contains(&n))?;
    farm("etc", root, |n| OWN_ETC.contains(&n))?;
    fs::write(root.join("etc/hostname"), format!("{name}\n")).doing("writing the host name")?;
    fs::write(root.join(PROGRAM), "").doing("making room for the program")?;
    for (path, (mode, content)) in files {
        let target = root.join(path.strip_prefix("/").unwrap_or(path));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).doing(format!("making {}", parent.display()))?;
        }
        fs::write(&target, content).doing(format!("writing {}", target.display()))?;
        fs::set_permissions(&target, fs::Permissions::from_mode(*mode))
            .doing(format!("setting the mode of {}", target.display()))?;
    }
    Ok(())
}

/// Links every entry of the machine's `/tree` into the host's, but for the host's own.
fn farm(tree: &str, root: &Path, own: impl Fn(&str) -> bool) -> Result<()> {
    let machine = Path::new("/").join(tree);
    for entry in fs::read_dir(&machine).doing(format!("reading {}", machine.display()))?.flatten() {
        let name = entry.file_name();
        if !name.to_str().is_some_and(&own) {
            link(
                &Path::new("/").join(MACHINE).join(tree).join(&name),
                &root.join(tree).join(&name),
            )?;
        }
    }
    Ok(())
}

fn link(target: &Path, at: &Path) -> Result<()> {
    symlink(target, at).doing(format!("linking {}", at.display()))
}

/// Makes `root` the root of the calling process's mount namespace.
///
/// The caller is the first process of the host, so that `/proc` shows the host's processes only.
/// `program` is the file that appears as the host's `crm`; `boot_id` is what the kernel seems to
/// say about this boot.
pub(crate) fn enter(root: &Path, program: &Path, boot_id: &str) -> Result<()> {
    bind(root, root)?;
    for tree in ["usr", "etc"] {
        let at = root.join(MACHINE).join(tree);
        bind(&Path::new("/").join(tree), &at)?;
        read_only(&at)?;
    }
    for top in PROGRAMS {
        let at = root.join(top);
        if at.is_dir() && !at.is_symlink() {
            bind(&Path::new("/").join(top), &at)?;
            read_only(&at)?;
        }
    }
    bind(program, &root.join(PROGRAM))?;
    private_memory(&root.join("run"))?;
    fresh("tmpfs", &root.join("tmp"))?;
    fresh("proc", &root.join("proc"))?;
    if fresh("sysfs", &root.join("sys")).is_err() {
        bind(Path::new("/sys"), &root.join("sys"))?;
    }
    devices(&root.join("dev"))?;
    let own_boot_id = root.join("run/boot_id");
    fs::write(&own_boot_id, format!("{boot_id}\n")).doing("writing the boot id")?;
    bind(&own_boot_id, &root.join("proc/sys/kernel/random/boot_id"))?;
    pivot_root(root, &root.join(".old")).doing("changing the root")?;
    chdir("/").doing("changing to the root")?;
    umount2("/.old", MntFlags::MNT_DETACH).doing("leaving the machine's root")
}

fn devices(dev: &Path) -> Result<()> {
    private_memory(dev)?;
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        let at = dev.join(device);
        fs::write(&at, "").doing(format!("making {}", at.display()))?;
        bind(&Path::new("/dev").join(device), &at)?;
    }
    for (target, name) in
        [("/proc/self/fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr")]
    {
        link(Path::new(target), &dev.join(name))?;
    }
    fs::create_dir(dev.join("shm")).doing("making /dev/shm")?;
    fresh("tmpfs", &dev.join("shm"))
}

/// Memory that only root may write to. Where everybody may, the kernel refuses to open a file of
/// another owner for writing (`fs.protected_regular`), `/dev/null` of the machine among them.
fn private_memory(at: &Path) -> Result<()> {
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=755"))
        .doing(format!("mounting memory on {}", at.display()))
}

fn fresh(kind: &str, at: &Path) -> Result<()> {
    mount(Some(kind), at, Some(kind), MsFlags::MS_NOSUID, None::<&str>)
        .doing(format!("mounting {kind} on {}", at.display()))
}

fn bind(from: &Path, at: &Path) -> Result<()> {
    mount(Some(from), at, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .doing(format!("mounting {} on {}", from.display(), at.display()))
}

/// Flags that a user namespace may not take away must be repeated when a mount is changed.
fn read_only(at: &Path) -> Result<()> {
    let now = statvfs(at).doing(format!("looking at {}", at.display()))?.flags();
    let kept = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let flags = kept
        .into_iter()
        .filter(|(has, _)| now.contains(*has))
        .fold(MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, |all, (_, f)| all | f);
    mount(None::<&str>, at, None::<&str>, flags, None::<&str>)
        .doing(format!("making {} read-only", at.display()))
}
