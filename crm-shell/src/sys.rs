//! The one place of this crate where the compiler cannot check the contract.
#![allow(unsafe_code)]

/// Lets the heap grow by `bytes` at once, and asks the kernel to back that with large pages.
///
/// A large document becomes tens of thousands of small pages, and the kernel takes about 1 µs for
/// each: a fifth of the time of a run. What is not used is never touched, and costs nothing.
/// Advice only: where it cannot be had, everything works as before.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn expect_allocations(bytes: u64) {
    use nix::libc;

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
