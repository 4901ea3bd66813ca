//! What the layer above sees of the ring: totally ordered messages and views.
//!
//! Messages and views arrive in one order that all members of a view share: a message is
//! delivered in the view in which it was ordered, a view change comes at the same place in the
//! sequence at every member that moves together from the old view to the new one.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;

/// A node's number from the node list (`nodeid`), never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// Identifies a ring: its sequence number and the member that formed it.
///
/// Ordered by sequence first: of two rings that a node has been in, the later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RingId {
    /// Grows with every ring, never reused, kept on disk.
    pub seq: u64,
    /// The lowest member of the ring.
    pub representative: NodeId,
}

/// Why a node is not in the new view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It said that it leaves (clean stop).
    Left,
    /// Contact was lost: it may be dead, paused or cut off.
    Lost,
}

/// One membership, agreed by its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The ring that carries it.
    pub ring: RingId,
    /// Its members.
    pub members: BTreeSet<NodeId>,
    /// Members that did not come here together with this node from its previous view: new ones,
    /// and ones that were elsewhere or have restarted meanwhile. The latter are in `departed` too,
    /// which happened first.
    pub joined: BTreeSet<NodeId>,
    /// Members of the previous view that did not come here with this node.
    pub departed: Vec<(NodeId, Departure)>,
    /// Whether this view may act for the cluster.
    pub quorate: bool,
    /// Votes of the members.
    pub votes: u32,
    /// Votes of the whole node list.
    pub expected_votes: u32,
}

/// What the ring hands to the layer above, in order.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new membership. The first event after the start is the view of this node alone.
    View(View),
    /// A message, in the same order at every member, the sender included.
    Message {
        /// Who sent it.
        from: NodeId,
        /// Its content.
        data: Bytes,
    },
    /// The ring had to stop, for example because its state could not be stored.
    Failed(String),
}

/// A message was not taken: the send queue is full, or the ring has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Try again when the ring has made progress. Nothing was queued.
    #[error("the send queue is full")]
    Full,
    /// Larger than a message may be. Nothing was queued.
    #[error("the message is too large")]
    TooLarge,
    /// The ring has stopped.
    #[error("the ring has stopped")]
    Stopped,
}
