//! What the ring counts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::group::{NodeId, RingId};

/// A picture of the ring, refreshed several times a second.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// The protocol's state: `operational`, `gather`, `commit` or `recovery`.
    pub state: &'static str,
    /// The current ring.
    pub ring: Option<RingId>,
    /// Messages handed to the layer above.
    pub delivered: u64,
    /// Messages of this node that were ordered.
    pub sent: u64,
    /// Packets that were sent again because somebody missed them.
    pub retransmitted: u64,
    /// Tokens received.
    pub tokens: u64,
    /// Views installed.
    pub views: u64,
    /// Packets sent and received, after and before encryption.
    pub packets_out: u64,
    /// See `packets_out`.
    pub packets_in: u64,
    /// Packets that are none of this protocol (random bytes, too short).
    pub foreign: u64,
    /// Packets that do not authenticate, by whom they claim to be from.
    pub unauthentic: u64,
    /// Packets of another cluster's name.
    pub other_cluster: u64,
    /// Packets of another version of the protocol.
    pub other_version: u64,
    /// Packets of nodes that are not in the node list.
    pub unlisted: u64,
    /// Packets seen before, or of an earlier start of their sender.
    pub replayed: u64,
    /// Authentic packets that make no sense: an error in a peer's program.
    pub malformed: u64,
    /// Times in which this thread did not run when it should have, and the longest.
    pub pauses: u64,
    /// See `pauses`.
    pub longest_pause: Duration,
    /// Each other node of the list.
    pub peers: BTreeMap<NodeId, PeerStats>,
    /// What a human should know, each once: wrong key, other cluster name, other version.
    pub troubles: Vec<String>,
}

/// How a peer is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerStats {
    /// Time since the last authentic packet; `None`: none since the start.
    pub silent_for: Option<Duration>,
    /// Which links carry packets from it.
    pub links_up: Vec<bool>,
}
