//! Everything on the wire: ring membership, total order, quorum, and the definitions of what
//! clients and daemon say to each other.

pub mod config;
pub mod engine;
pub mod group;
pub mod link;
pub mod proto;
pub mod quorum;
pub mod totem;
