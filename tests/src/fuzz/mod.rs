//! What the fuzz targets (`fuzz/`) and the short random tests of every test run try.

pub mod core;
pub mod grammar;
pub mod mutate;
