//! Packets on the network: sealed, authenticated, each accepted once.

mod replay;
mod session;

pub use session::{Opened, Reject, Sessions};

/// What a sealed packet is longer than its content.
pub const OVERHEAD: usize = session::HEADER + session::TAG;
