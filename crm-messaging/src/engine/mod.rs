//! The ring at work: a thread of its own that drives the protocol with sockets, clock and disk.
//!
//! [`start`] returns a [`Handle`] for what goes into the ring and [`Events`] for what comes out,
//! in order. The thread never waits for the layer above: what that has not taken yet is counted,
//! and beyond a bound the whole ring is slowed down.

mod clock;
mod disk;
mod events;
mod handle;
mod net;
mod settings;
mod stats;
mod sys;
mod thread;

pub use events::Events;
pub use handle::Handle;
pub use settings::{EngineConfig, Peer, SettingsError};
pub use stats::{PeerStats, Stats};

use std::sync::Arc;

/// The largest message.
pub const MAX_MESSAGE: usize = 64 << 20;

/// The engine cannot be started. Nothing runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket cannot be opened.
    #[error(
        "cannot receive on {address}: {source}\nis another cluster daemon running here, or is the address not (yet) on an interface?"
    )]
    Socket {
        /// The local address of the link.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The ring's number cannot be read or stored.
    #[error("cannot keep the ring's number in {path}: {source}")]
    State {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A thread, an event descriptor or random bytes were refused.
    #[error("the system refuses what the ring needs: {0}")]
    System(#[from] std::io::Error),
}

/// Starts the ring's thread. The first event is the view of this node alone.
///
/// # Errors
/// A socket, the state directory or the thread was refused; nothing runs then.
pub fn start(config: EngineConfig) -> Result<(Handle, Events), StartError> {
    let shared = Arc::new(handle::Shared::new()?);
    let (sender, events) = events::channel(Arc::clone(&shared));
    let driver = thread::Driver::new(config, Arc::clone(&shared), sender)?;
    std::thread::Builder::new().name("ring".to_owned()).spawn(move || driver.run())?;
    Ok((Handle::new(shared), events))
}
