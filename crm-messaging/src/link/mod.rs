//! Packets on the network: sealed, authenticated, each accepted once.

mod paths;
mod replay;
mod session;

pub use paths::Paths;
pub use session::{Content, Opened, Reject, Sessions};

/// What a sealed packet is longer than its content.
pub const OVERHEAD: usize = session::HEADER + session::TAG;
