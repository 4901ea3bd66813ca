//! Everything on the wire: ring membership, total order, quorum, and the definitions of what
//! clients and daemon say to each other.

pub mod group;
pub mod proto;
