//! The one place of this crate where the compiler cannot check the contract.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor whose readability can be awaited; it is owned, and closed with the result.
pub fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the `AsyncFd` owns the descriptor and nobody else can close it; an `OwnedFd` always
    // answers with the same descriptor.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }
        .map_err(|error| error.into_parts().1)
}

/// Makes a program enter a cgroup before its first instruction.
///
/// Doing it from outside after the start would be too late for what the program forks at once.
pub fn enter_before_exec(command: &mut std::process::Command, procs: std::fs::File) {
    use std::io::Write as _;
    use std::os::unix::process::CommandExt as _;
    // SAFETY: between fork and exec only a single write to an open descriptor is made, without
    // memory or locks; "0" is the writing process itself.
    unsafe { command.pre_exec(move || (&procs).write_all(b"0")) };
}
