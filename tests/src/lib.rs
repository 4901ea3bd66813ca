//! Tests that cross crates.

pub mod checker;
pub mod conformance;
pub mod fuzz;
pub mod recorded;
pub mod shell_suite;
pub mod stage;
pub mod terminal;
