//! The bodies of the targets are those of the random tests in `tests/`, without what those need
//! beside the crates that are tried here.

#[path = "../../tests/src/fuzz/core.rs"]
pub mod core;
#[cfg(feature = "shell")]
#[path = "../../tests/src/fuzz/grammar.rs"]
pub mod grammar;
#[path = "../../tests/src/fuzz/mutate.rs"]
pub mod mutate;

/// Puts a random change of the tree in the place of `data`; false if it does not fit or is no
/// document.
pub fn change_tree(data: &mut [u8], size: usize, max: usize, seed: u32) -> Option<usize> {
    let changed = core::changed(data.get(..size)?, u64::from(seed))?;
    let end = changed.len();
    data.get_mut(..end.min(max)).filter(|_| end <= max)?.copy_from_slice(changed.as_bytes());
    Some(end)
}
