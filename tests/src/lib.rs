//! Tests that cross crates.

pub mod conformance;
