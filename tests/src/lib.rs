//! Tests that cross crates.

pub mod conformance;
pub mod shell_suite;
