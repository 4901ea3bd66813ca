//! Moving the calling program into namespaces of its own.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, getegid, geteuid};

use crate::{Doing, LabError, Result};

const INSIDE: &str = "CRM_LAB_INSIDE";

/// On which side of the border the caller is after [`isolate`].
pub enum Isolation {
    /// Inside: the first process of the lab, root in its own namespaces.
    Inside,
    /// Outside: the inside has ended with this code, and everything it made is gone.
    Ended(ExitCode),
}

/// Runs this program again, with the same arguments, in fresh namespaces.
///
/// Call it first thing in `main`, before any thread exists. Unprivileged callers get a user
/// namespace. The inside dies with the outside, whatever kills that, and everything in the
/// namespaces dies with the inside.
///
/// # Errors
/// [`LabError::Forbidden`] where the machine does not allow it; nothing was made then.
pub fn isolate() -> Result<Isolation> {
    if std::env::var_os(INSIDE).is_some() {
        return enter();
    }
    let blocked = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD];
    let signals: SigSet = blocked.into_iter().collect();
    signals.thread_block().doing("blocking signals")?;
    let (uid, gid) = (geteuid(), getegid());
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if !uid.is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).map_err(|e| forbidden(e, uid.is_root()))?;
    if !uid.is_root() {
        let map = |file: &str, text: String| {
            std::fs::write(format!("/proc/self/{file}"), text).doing(format!("writing {file}"))
        };
        map("setgroups", "deny".into())?;
        map("uid_map", format!("0 {uid} 1"))?;
        map("gid_map", format!("0 {gid} 1"))?;
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| OsStr::new("crm").into());
    let mut child = Command::new("/proc/self/exe")
        .arg0(name)
        .args(arguments)
        .env(INSIDE, "1")
        .spawn()
        .doing("starting the lab")?;
    let first = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
    let mut interrupted = false;
    loop {
        if let Some(status) = child.try_wait().doing("waiting for the lab")? {
            // The kernel ends every process of the namespace before its first one is reaped.
            let code = status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1);
            return Ok(Isolation::Ended(ExitCode::from(if interrupted { 130 } else { code })));
        }
        match signals.wait() {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            Ok(_) => {
                interrupted = true;
                let _ = kill(first, Signal::SIGKILL);
            }
        }
    }
}

fn enter() -> Result<Isolation> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).doing("binding the lab to its maker")?;
    SigSet::all().thread_unblock().doing("unblocking signals")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .doing("making mounts private")?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>).map_err(|e| {
        LabError::Forbidden(format!(
            "this machine does not let a namespace have its own /proc ({e}); \
             in a container, run it with an unmasked /proc (docker: --security-opt systempaths=unconfined)"
        ))
    })?;
    Ok(Isolation::Inside)
}

fn forbidden(error: Errno, root: bool) -> LabError {
    let remedy = if root {
        "run it where CAP_SYS_ADMIN is allowed (in a container: --privileged)"
    } else {
        "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
         user.max_user_namespaces=10000, kernel.apparmor_restrict_unprivileged_userns=0) or run it as root"
    };
    LabError::Forbidden(format!(
        "this machine forbids the namespaces the lab is made of ({error}); {remedy}"
    ))
}
