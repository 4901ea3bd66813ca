//! The ring protocol, without input and output.

mod timing;

pub use timing::Timing;
