//! The words of the protocol, and what goes in and out of it.

use std::collections::BTreeSet;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Timing;
use crate::group::{NodeId, View};
use crate::quorum::QuorumConfig;

/// A point of the driver's clock: time since its start in which this process could run.
///
/// The driver leaves out the time in which it was stopped or starved: a node that did not listen
/// cannot judge who was silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(Duration);

impl Time {
    /// This long after the start.
    pub fn since_start(elapsed: Duration) -> Time {
        Time(elapsed)
    }

    /// How long ago `earlier` was; zero if it is later.
    pub fn since(self, earlier: Time) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This much before, but not before the start.
    #[must_use]
    pub fn before(self, time: Duration) -> Time {
        Time(self.0.saturating_sub(time))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, time: Duration) -> Time {
        Time(self.0 + time)
    }
}

/// A packet's place in its ring's order, from 1. 64 bits never wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The next place.
    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

/// One start of a node's daemon; two starts never have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// Who gets a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every other node of the list.
    All,
    /// These nodes.
    Each(Arc<[NodeId]>),
    /// One node.
    One(NodeId),
}

/// What the driver must do, in this order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a packet.
    Send {
        /// To whom.
        to: Target,
        /// The encoded packet.
        body: Bytes,
    },
    /// Hand a message to the layer above.
    Deliver {
        /// Its sender.
        from: NodeId,
        /// Its content.
        data: Bytes,
    },
    /// Hand a membership to the layer above.
    View(View),
    /// Store durably that ring numbers below this may be used, then call
    /// [`Ring::reserved`](super::Ring::reserved). Nothing that uses such a number is sent before.
    Reserve(u64),
    /// That many queued messages with that many bytes were ordered and left the queue.
    Ordered {
        /// Messages.
        messages: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// This node has left the ring; nothing follows.
    Stopped,
}

/// What the protocol is told at its start.
#[derive(Clone, Debug)]
pub struct RingConfig {
    /// This node.
    pub me: NodeId,
    /// This start of it.
    pub incarnation: Incarnation,
    /// The whole node list, this node included.
    pub nodes: BTreeSet<NodeId>,
    /// This node's votes.
    pub votes: u32,
    /// How votes count.
    pub quorum: QuorumConfig,
    /// The protocol's times.
    pub timing: Timing,
    /// The largest encoded packet, in bytes.
    pub max_packet: usize,
    /// Packets that may be sent in one rotation of the token, by all members together.
    pub window: u32,
    /// Every ring number that was ever used is below this.
    pub first_ring: u64,
    /// Ring numbers below this may be used: it is stored.
    pub reserved: u64,
}
