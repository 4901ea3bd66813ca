//! Tests that cross crates.

pub mod checker;
pub mod conformance;
pub mod shell_suite;
