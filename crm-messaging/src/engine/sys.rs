//! Real-time priority, for which no safe binding exists.
#![allow(unsafe_code)]

use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{Resource, setrlimit};

/// Above everything that does not ask for more, below watchdogs and kernel threads.
const PRIORITY: libc::c_int = 50;

/// Gives this thread real-time priority, if that is allowed.
pub(super) fn realtime() -> bool {
    let parameter = libc::sched_param { sched_priority: PRIORITY };
    // What this thread starts later shall not inherit it.
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 names the calling thread, and the parameter lives during the call.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) == 0 }
}

/// Keeps this process in memory, if it may have as much as it likes of it.
///
/// With a limit, locked memory would make later allocations fail, and that would be worse than
/// waiting for a disk.
pub(super) fn lock_memory() -> bool {
    let unlimited = libc::RLIM_INFINITY;
    let allowed = setrlimit(Resource::RLIMIT_MEMLOCK, unlimited, unlimited).is_ok();
    // Only what is used gets locked, not the whole of every stack.
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    let flags = MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault;
    allowed && mlockall(flags).is_ok()
}
