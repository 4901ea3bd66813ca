//! `Filesystem`: mounts a file system where its service needs it.
//!
//! Local file systems and bind mounts are mounted by the system call; types with a helper
//! (`mount.nfs`, `mount.cifs`, ...), labels and loop devices by the `mount` program. A stop ends
//! the processes that keep the file system busy, first kindly, then not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;

use crate::declare::{Action, Agent, Code, Context, Failure, Kind, Outcome, Parameter};

mod mounts;
mod users;

use mounts::{Mount, Options};

/// Between two tries to unmount.
const RETRY: Duration = Duration::from_millis(50);

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "Filesystem",
    stands_in_for: &["heartbeat"],
    short: "A mounted file system",
    long: "Mounts a block device, a directory (bind) or a network file system, watches that it is \
           mounted, and unmounts it; processes that still use it are ended then.",
    parameters: &[
        Parameter {
            name: "device",
            required: true,
            short: "What is mounted",
            long: "A block device, LABEL= or UUID=, a network share, or a directory for bind.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "directory",
            required: true,
            unique: true,
            short: "Where it is mounted",
            long: "The mount point; it is made if it is not there.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "fstype",
            required: true,
            short: "Type of the file system",
            long: "As for mount; \"none\" or \"bind\" for a directory that is shown elsewhere.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "options",
            short: "Mount options",
            long: "Separated by commas, as for mount.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "statusfile_prefix",
            default: Some(".Filesystem_status/"),
            short: "Place of the status file",
            long: "Relative to the mount point; for monitors with OCF_CHECK_LEVEL 20.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "run_fsck",
            kind: Kind::Select(&["auto", "force", "no"]),
            default: Some("auto"),
            short: "Check before mounting",
            long: "\"auto\": where the type is not one that repairs itself.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "fast_stop",
            kind: Kind::Boolean,
            default: Some("no"),
            short: "No patience with processes",
            long: "Processes that use the file system are killed at once at a stop.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "signal_delay",
            kind: Kind::Time,
            default: Some("1"),
            short: "Patience with processes",
            long: "Time between SIGTERM and SIGKILL at a stop.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "force_clones",
            kind: Kind::Boolean,
            default: Some("false"),
            short: "Allow clones of local file systems",
            long: "A local file system that is mounted on two nodes is destroyed; only set this \
                   where the device is not shared.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "force_unmount",
            kind: Kind::Select(&["true", "yes", "1", "safe", "false", "no", "0"]),
            default: Some("true"),
            short: "End processes that use it",
            long: "\"safe\" finds them by their open files only, never by reading their memory \
                   maps; \"false\" leaves them alone and lets the stop fail.",
            ..Parameter::OPTIONAL
        },
    ],
    actions: &[Action::once("start", 60), Action::once("stop", 60), Action::monitor(40, 20)],
    run,
};

/// What the parameters say.
struct Target<'a> {
    device: &'a str,
    directory: PathBuf,
    fstype: &'a str,
    options: Options,
}

fn run(context: &Context, action: &str) -> Outcome {
    let target = Target::read(context)?;
    match action {
        "start" => start(context, &target),
        "stop" => stop(context, &target),
        "monitor" => monitor(context, &target),
        _ => validate(context, &target),
    }
}

impl<'a> Target<'a> {
    fn read(context: &'a Context) -> Result<Self, Failure> {
        let wrong = |reason: String| Failure::new(Code::NotConfigured, reason);
        let directory = context.text("directory").unwrap_or_default();
        if !directory.starts_with('/') {
            return Err(wrong(format!("\"directory\" is \"{directory}\", but must begin with /")));
        }
        let trimmed = directory.trim_end_matches('/');
        if trimmed.is_empty() {
            return Err(wrong("\"directory\" is /, which cannot be mounted over".to_owned()));
        }
        let directory = Path::new(trimmed);
        // The kernel lists mounts by their real paths.
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
        let fstype = context.text("fstype").unwrap_or_default();
        let mut options = Options::parse(context.text("options").unwrap_or_default());
        if fstype == "bind" {
            options.flags |= MsFlags::MS_BIND;
        }
        let device = context.text("device").unwrap_or_default();
        Ok(Self { device, directory, fstype, options })
    }

    fn is_bind(&self) -> bool {
        self.options.flags.contains(MsFlags::MS_BIND)
    }

    /// Whether the device is on this host.
    fn is_local(&self) -> bool {
        self.device.starts_with('/') && !self.device.starts_with("//")
    }

    fn name(&self) -> String {
        format!("{} on {}", self.device, self.directory.display())
    }

    /// The mount that is there now, the topmost if there are several.
    fn mounted(&self) -> Result<Option<Mount>, Failure> {
        let all = mounts::list().map_err(|error| failure("reading the table of mounts", &error))?;
        Ok(all.into_iter().rfind(|mount| mount.point == self.directory))
    }

    /// Whether a mount shows this device.
    fn is_ours(&self, mount: &Mount) -> bool {
        if self.is_bind() {
            let same = mounts::identity(Path::new(self.device));
            return same.is_some() && same == mounts::identity(&self.directory);
        }
        if self.device == mount.source || !self.device.starts_with("/dev/") {
            // Labels and shares are written in too many ways to be compared.
            return self.device == mount.source || !self.is_local();
        }
        mounts::same_device(Path::new(self.device), mount)
    }
}

fn failure(what: &str, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied => Code::Permission,
        _ => Code::Error,
    };
    Failure::new(code, format!("{what}: {error}"))
}

fn validate(context: &Context, target: &Target<'_>) -> Outcome {
    if context.meta("clone").is_some()
        && target.is_local()
        && !target.is_bind()
        && !context.is_true("force_clones")
        && !is_cluster_type(target.fstype)
    {
        let reason = format!(
            "{} would be destroyed when two nodes mount it; use a cluster file system, or set \
             force_clones=true if the device is not shared",
            target.fstype
        );
        return Err(Failure::new(Code::NotConfigured, reason));
    }
    if target.is_local() && !Path::new(target.device).exists() {
        let reason = format!("there is no {} on this node", target.device);
        return Err(Failure::new(Code::NotInstalled, reason));
    }
    if target.directory.exists() && !target.directory.is_dir() {
        let reason = format!("{} is not a directory", target.directory.display());
        return Err(Failure::new(Code::Args, reason));
    }
    Ok(Code::Ok)
}

fn is_cluster_type(fstype: &str) -> bool {
    let types = ["nfs", "nfs4", "smbfs", "cifs", "none", "gfs2", "ocfs2", "ceph", "glusterfs"];
    types.contains(&fstype) || matches!(fstype, "lustre" | "tmpfs" | "overlay" | "cvfs" | "bind")
}

fn start(context: &Context, target: &Target<'_>) -> Outcome {
    if let Some(mount) = target.mounted()? {
        if target.is_ours(&mount) {
            return Ok(Code::Ok);
        }
        let reason = format!(
            "{} is mounted on {} already; unmount it first",
            mount.source,
            target.directory.display()
        );
        return Err(Failure::new(Code::Error, reason));
    }
    validate(context, target)?;
    let made = fs::create_dir_all(&target.directory);
    made.map_err(|error| failure(&format!("making {}", target.directory.display()), &error))?;
    check_before(context, target)?;
    if needs_program(target) { mount_by_program(target) } else { mount_by_call(target) }?;
    Ok(Code::Ok)
}

/// Runs `fsck` where the type wants it.
fn check_before(context: &Context, target: &Target<'_>) -> Result<(), Failure> {
    let forced = match context.text("run_fsck") {
        Some("force") => true,
        Some("no") => return Ok(()),
        _ => false,
    };
    let wanted = matches!(target.fstype, "ext2" | "ext3" | "ext4" | "vfat" | "reiserfs" | "jfs");
    if target.is_bind() || !target.is_local() || !(forced || wanted) {
        return Ok(());
    }
    let Some(program) = find_program(&format!("fsck.{}", target.fstype)) else { return Ok(()) };
    let status = Command::new(program)
        .args(["-a", target.device])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| failure("running fsck", &error))?;
    // 4 and above: errors are left, or fsck itself failed.
    match status.code() {
        Some(0..=3) => Ok(()),
        _ => {
            let reason = format!("fsck could not repair {}; run it by hand", target.device);
            Err(Failure::new(Code::Error, reason))
        }
    }
}

fn find_program(name: &str) -> Option<PathBuf> {
    let directories = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    directories.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.exists())
}

/// Whether the system call is not enough.
fn needs_program(target: &Target<'_>) -> bool {
    let image = target.is_local() && !target.is_bind() && Path::new(target.device).is_file();
    let tagged = ["LABEL=", "UUID=", "PARTLABEL=", "PARTUUID="];
    let tagged = tagged.iter().any(|tag| target.device.starts_with(tag));
    image
        || tagged
        || target.options.needs_program
        || find_program(&format!("mount.{}", target.fstype)).is_some()
}

fn mount_by_program(target: &Target<'_>) -> Result<(), Failure> {
    let Some(program) = find_program("mount") else {
        let reason = format!("mounting {} needs the mount program", target.fstype);
        return Err(Failure::new(Code::NotInstalled, reason));
    };
    let mut command = Command::new(program);
    command.args(["-t", target.fstype]);
    if !target.options.text.is_empty() {
        command.args(["-o", &target.options.text]);
    }
    command.arg("--").arg(target.device).arg(&target.directory).stdin(Stdio::null());
    let output = command.output().map_err(|error| failure("running mount", &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = format!("mounting {} failed: {}", target.name(), said.trim());
    Err(Failure::new(Code::Error, reason))
}

fn mount_by_call(target: &Target<'_>) -> Result<(), Failure> {
    let Options { flags, propagation, data, .. } = &target.options;
    let directory = &target.directory;
    let mounted = if target.is_bind() {
        let place = MsFlags::MS_BIND | (*flags & MsFlags::MS_REC);
        let none = None::<&str>;
        mount(Some(target.device), directory, none, place, none).and_then(|()| {
            let others = *flags - place;
            if others.is_empty() {
                return Ok(());
            }
            // The first call ignores everything else, `ro` above all.
            let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | others;
            mount(none, directory, none, again, none).inspect_err(|_| {
                let _ = umount2(directory, MntFlags::empty());
            })
        })
    } else {
        let data = (!data.is_empty()).then_some(data.as_str());
        mount(Some(target.device), directory, Some(target.fstype), *flags, data)
    };
    let mounted = mounted.and_then(|()| match propagation {
        Some(kind) => mount(None::<&str>, directory, None::<&str>, *kind, None::<&str>),
        None => Ok(()),
    });
    mounted.map_err(|errno| {
        let hint = match errno {
            Errno::ENODEV => format!("; the kernel does not know the type \"{}\"", target.fstype),
            Errno::EINVAL => "; wrong type, bad option or damaged file system".to_owned(),
            Errno::EBUSY => "; the device is mounted elsewhere or in use".to_owned(),
            _ => String::new(),
        };
        let code = if errno == Errno::EPERM { Code::Permission } else { Code::Error };
        Failure::new(code, format!("mounting {} failed: {errno}{hint}", target.name()))
    })
}

fn stop(context: &Context, target: &Target<'_>) -> Outcome {
    let force = context.text("force_unmount").unwrap_or("true");
    let force = match force {
        "false" | "no" | "0" => None,
        "safe" => Some(users::Depth::OpenFiles),
        _ => Some(users::Depth::Everything),
    };
    let patience =
        if context.is_true("fast_stop") { Duration::ZERO } else { context.time("signal_delay") };
    // Half of the time is enough to see that it will not come off; the rest is for saying so.
    let limit = context.timeout() / 2;
    while let Some(mount) = topmost(target)? {
        unmount(&mount, force, patience, limit)?;
    }
    Ok(Code::Ok)
}

/// The next mount to take off: what lies deepest below the directory, the newest first.
fn topmost(target: &Target<'_>) -> Result<Option<Mount>, Failure> {
    let all = mounts::list().map_err(|error| failure("reading the table of mounts", &error))?;
    if !all.iter().any(|mount| mount.point == target.directory) {
        return Ok(None);
    }
    Ok(all.into_iter().rfind(|mount| mount.point.starts_with(&target.directory)))
}

/// Takes one mount off: asks the kernel, then the processes in the way, then the kernel again.
fn unmount(
    mount: &Mount,
    force: Option<users::Depth>,
    patience: Duration,
    limit: Duration,
) -> Result<(), Failure> {
    let started = Instant::now();
    let mut asked = false;
    loop {
        match umount2(&mount.point, MntFlags::UMOUNT_NOFOLLOW) {
            // EINVAL: it is no mount any longer.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => return Ok(()),
            Err(Errno::EBUSY) => {}
            Err(errno) => {
                let reason = format!("unmounting {} failed: {errno}", mount.point.display());
                return Err(Failure::new(Code::Error, reason));
            }
        }
        let depth = force.unwrap_or(users::Depth::OpenFiles);
        let using = users::of(mount, depth);
        if force.is_none() || started.elapsed() >= limit {
            return Err(busy(mount, &using));
        }
        if started.elapsed() >= patience {
            users::signal(&using, Signal::SIGKILL);
        } else if !asked {
            users::signal(&using, Signal::SIGTERM);
            asked = true;
        }
        sleep(RETRY);
    }
}

fn busy(mount: &Mount, using: &[users::User]) -> Failure {
    let names: Vec<String> =
        using.iter().take(5).map(|user| format!("{} ({})", user.name, user.pid)).collect();
    let by = match names.as_slice() {
        [] => "something that is no process of this host: perhaps an NFS export, a loop device or \
               another namespace"
            .to_owned(),
        names => names.join(", "),
    };
    Failure::new(Code::Error, format!("{} is in use by {by}", mount.point.display()))
}

fn monitor(context: &Context, target: &Target<'_>) -> Outcome {
    let Some(mount) = target.mounted()? else { return Ok(Code::NotRunning) };
    if !target.is_ours(&mount) {
        if context.is_probe() {
            return Ok(Code::NotRunning);
        }
        let reason = format!(
            "{} is mounted on {} instead of {}",
            mount.source,
            target.directory.display(),
            target.device
        );
        return Err(Failure::new(Code::Error, reason));
    }
    match context.variable("OCF_CHECK_LEVEL").unwrap_or("0") {
        "0" => Ok(Code::Ok),
        "10" => read_some(target),
        "20" => write_some(context, target),
        other => {
            let reason = format!("there is no check level {other}; use 0, 10 or 20");
            Err(Failure::new(Code::NotConfigured, reason))
        }
    }
}

/// Level 10: the device can be read.
fn read_some(target: &Target<'_>) -> Outcome {
    use std::io::Read as _;
    if target.is_bind() || !target.is_local() {
        let entries = fs::read_dir(&target.directory);
        entries.map_err(|error| failure("reading the directory", &error))?;
        return Ok(Code::Ok);
    }
    let mut first = [0; 512];
    let read = fs::File::open(target.device).and_then(|mut device| device.read_exact(&mut first));
    read.map_err(|error| failure(&format!("reading {}", target.device), &error))?;
    Ok(Code::Ok)
}

/// Level 20: the file system can be written.
fn write_some(context: &Context, target: &Target<'_>) -> Outcome {
    let prefix = context.text("statusfile_prefix").unwrap_or_default();
    let instance = context.instance().replace('/', "_");
    let path = target.directory.join(format!("{}{instance}", prefix.trim_start_matches('/')));
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&path, context.instance()))
        .and_then(|()| fs::File::open(&path)?.sync_all());
    written.map_err(|error| failure(&format!("writing {}", path.display()), &error))?;
    Ok(Code::Ok)
}

#[cfg(test)]
#[path = "filesystem_test.rs"]
mod tests;
