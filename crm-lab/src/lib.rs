//! Hosts on one machine, for the demo and for the tests.
//!
//! Every host has its own network, mount, pid, ipc and uts namespaces and a private root; hosts
//! are joined by a virtual switch, are powered by a switch on a separate management network, and
//! are watched from outside. The whole lab lives in namespaces of its own whose first process
//! dies with the program that made it: whatever ends that program, nothing is left behind.
//!
//! No program of the machine is called: links and addresses go through netlink, mounts and
//! namespaces through system calls.

mod client;
mod host;
mod isolate;
mod netlink;
mod power;
mod root;
mod stage;
mod web;

pub use client::{Client, Probe, Report};
pub use host::{HostSpec, Lab, Network};
pub use isolate::{Isolation, isolate};
pub use power::{PowerEvent, PowerMode};
pub use stage::{STAGE, run_stage};

/// Why something in the lab could not be done.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The machine forbids what the lab is made of; the text says what to change.
    #[error("{0}")]
    Forbidden(String),
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was being done.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kernel refused a network change.
    #[error("{what}: {reason}")]
    Netlink {
        /// What was being done.
        what: String,
        /// What the kernel said.
        reason: String,
    },
    /// A process of the lab did not do what it must.
    #[error("{0}")]
    Host(String),
}

/// The result of a lab operation.
pub type Result<T> = std::result::Result<T, LabError>;

/// Adds what was being done to an error of the system.
trait Doing<T> {
    fn doing(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|e| LabError::System { what: what.into(), source: e.into() })
    }
}
