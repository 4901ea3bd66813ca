//! The CIB: an ordered XML document, its typed access and its changes.
//!
//! [`Element`] is a persistent tree: a clone shares every subtree, a change copies only the path
//! to what changed. A snapshot for the scheduler or for the disk therefore costs one pointer.

pub mod attributes;
mod element;
mod lines;
mod parse;
mod patch;
pub mod schema;
mod tag;
pub mod tickets;
mod upgrade;
mod version;
mod write;

pub use element::{Child, Element};
pub use parse::{Aside, ParseError, ParseLimits, ReadError, parse, parse_with_limits, read};
pub use patch::{Change, Patch, PatchError, Path};
pub use tag::TagAttributes;
pub use upgrade::{CURRENT as CURRENT_SCHEMA, UpgradeError, needs_upgrade, upgrade, upgrade_fully};
pub use version::Version;
