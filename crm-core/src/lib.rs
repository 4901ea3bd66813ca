//! Pure decisions: what the cluster should do, given what it knows.
//!
//! Nothing here performs I/O, reads a clock or uses randomness. Every function is a function of
//! its arguments, with ordered collections only, so that every node computes the same bytes.

pub mod alerts;
pub mod cib;
pub mod explain;
pub mod rules;
pub mod scalar;
pub mod scheduler;
pub mod score;
mod texts;
pub mod transition;

pub use score::Score;
