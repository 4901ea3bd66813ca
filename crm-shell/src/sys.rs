//! The one place of this crate where the compiler cannot check the contract.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// True if Ctrl-C was pressed since [`Interrupts::noted`] was called last.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// While it lives, Ctrl-C is noted and does not end the process. Programs that are started
/// meanwhile end by it as ever.
pub struct Interrupts {
    before: SigAction,
}

impl Interrupts {
    /// Begins; with `always` every Ctrl-C is noted, else only the first one, so that a second one
    /// ends what hangs. `None` if the system refuses.
    pub fn noted(always: bool) -> Option<Interrupts> {
        INTERRUPTED.store(false, Ordering::SeqCst);
        let flags = if always { SaFlags::empty() } else { SaFlags::SA_RESETHAND };
        let action = SigAction::new(SigHandler::Handler(note), flags, SigSet::empty());
        // SAFETY: the handler only stores into an atomic, which it may do at any moment.
        let before = unsafe { sigaction(Signal::SIGINT, &action) };
        before.ok().map(|before| Interrupts { before })
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // SAFETY: puts back what was there. There is nothing to be done if that is refused.
        let _ = unsafe { sigaction(Signal::SIGINT, &self.before) };
    }
}

/// Lets the heap grow by `bytes` at once, and asks the kernel to back that with large pages.
///
/// A large document becomes tens of thousands of small pages, and the kernel takes about 1 µs for
/// each: a fifth of the time of a run. What is not used is never touched, and costs nothing.
/// Advice only: where it cannot be had, everything works as before.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn expect_allocations(bytes: u64) {
    /// The most that is asked for at once; the allocator takes an `int`.
    const MOST: u64 = 1 << 30;
    /// Large pages of x86-64 and of most others; only the advice depends on it.
    const LARGE_PAGE: usize = 2 << 20;
    /// From here on an allocation is a mapping of its own.
    const MAPPED: libc::c_int = 16 << 20;
    /// More than is free in a heap that has just begun, so that it has to grow.
    const PROBE: usize = 4 << 20;
    /// How much the heap grows by later.
    const STEP: libc::c_int = 1 << 20;

    let Ok(bytes) = libc::c_int::try_from(bytes.min(MOST)) else { return };
    // SAFETY: sets numbers of the allocator: how much more than needed it takes from the kernel,
    // that it gives nothing back before the process ends, and what it maps apart.
    let set = unsafe {
        libc::mallopt(libc::M_TOP_PAD, bytes)
            & libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX)
            & libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED)
    };
    // SAFETY: only asks where the heap ends.
    let end = || unsafe { libc::sbrk(0) } as usize;
    let before = end();
    drop(std::hint::black_box(Vec::<u8>::with_capacity(PROBE)));
    let (from, to) = (before.next_multiple_of(LARGE_PAGE), end() / LARGE_PAGE * LARGE_PAGE);
    // SAFETY: as above.
    unsafe { libc::mallopt(libc::M_TOP_PAD, STEP) };
    if set == 1 && from < to {
        // SAFETY: the range lies between two ends of the heap, so it is the heap's; this advice
        // changes no content.
        unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_HUGEPAGE) };
    }
}

/// Elsewhere the allocator knows best.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn expect_allocations(_bytes: u64) {}
