#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| crm_fuzz::core::loader(data));

// Mostly the tree changes: text that is no document ends in the parser.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed.is_multiple_of(8) {
        return fuzzer_mutate(data, size, max_size);
    }
    match crm_fuzz::change_tree(data, size, max_size, seed) {
        Some(size) => size,
        None => fuzzer_mutate(data, size, max_size),
    }
});
