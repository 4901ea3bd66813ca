//! `/etc/crm/cluster.conf`: who is in the cluster, how they are reached, and how votes count.
//!
//! The syntax and the keys are those of corosync.conf(5), so that an existing file works. What
//! means nothing here (knet's transports and ciphers, multicast addresses) is accepted in
//! silence; a key nobody knows is a warning with its line, never a refusal.

mod authkey;
mod diagnostic;
mod keys;
mod local;
mod model;
pub mod syntax;

pub use authkey::{AuthKey, AuthKeyError};
pub use diagnostic::{ConfigError, Diagnostic};
pub use local::{LocalError, find_local, local_addresses};
pub use model::{ClusterConf, IpVersion, LoggingConf, NodeConf, TotemConf};

/// The port of a ring where the file names none, as corosync's.
pub const DEFAULT_PORT: u16 = 5405;
/// As many links as corosync allows.
pub const MAX_LINKS: usize = 8;
