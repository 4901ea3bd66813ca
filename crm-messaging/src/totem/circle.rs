//! One ring as its members see it: the packets, the token's traces, and who comes next.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::types::{Seq, Time};
use super::window::Window;
use super::wire::Token;
use crate::group::{NodeId, RingId};

/// Something that is sent again until its effect is seen.
#[derive(Clone, Debug)]
pub(super) struct Resend {
    pub(super) to: NodeId,
    pub(super) body: Bytes,
    pub(super) at: Time,
    every: Duration,
}

impl Resend {
    pub(super) fn new(to: NodeId, body: Bytes, now: Time, every: Duration) -> Resend {
        Resend { to, body, at: now + every, every }
    }

    /// Sent once more: next time after a longer wait, up to eight times the first.
    pub(super) fn again(&mut self, now: Time, first: Duration) {
        self.every = (self.every * 2).min(first * 8);
        self.at = now + self.every;
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Circle {
    pub(super) id: RingId,
    pub(super) members: BTreeSet<NodeId>,
    /// The members but this node.
    pub(super) others: Arc<[NodeId]>,
    pub(super) window: Window,
    /// Packets in one rotation, by all members together.
    pub(super) size: u32,
    /// The newest token seen or sent here.
    pub(super) hop: u64,
    /// When a token came in last.
    pub(super) token_at: Time,
    /// The token sent last, until it is seen to have arrived.
    pub(super) resend: Option<Resend>,
    /// The token's `seq` and `aru` when it was here last.
    pub(super) last_seq: Seq,
    pub(super) last_aru: Seq,
    /// What this node added to the token's counts last time.
    pub(super) my_sent: u32,
    pub(super) my_backlog: u32,
    /// Visits since somebody sent something.
    pub(super) idle: u32,
    /// The token, resting here until that time.
    pub(super) held: Option<(Token, Time)>,
    /// Somebody asked for the token: do not let it rest next time.
    pub(super) woken: bool,
    /// Since when this node holds the ring back because it misses the same packet.
    pub(super) stuck: Option<(Seq, Time)>,
}

impl Circle {
    pub(super) fn new(
        id: RingId,
        me: NodeId,
        members: BTreeSet<NodeId>,
        size: u32,
        now: Time,
    ) -> Circle {
        Circle {
            id,
            others: members.iter().copied().filter(|node| *node != me).collect(),
            members,
            window: Window::default(),
            size,
            hop: 0,
            token_at: now,
            resend: None,
            last_seq: Seq(0),
            last_aru: Seq(0),
            my_sent: 0,
            my_backlog: 0,
            idle: 0,
            held: None,
            woken: false,
            stuck: None,
        }
    }

    /// The member that lets the token rest.
    pub(super) fn representative(&self) -> Option<NodeId> {
        self.members.first().copied()
    }

    /// Who gets the token from `me`.
    pub(super) fn after(&self, me: NodeId) -> NodeId {
        next(&self.members, me)
    }

    /// Who gives the token to `me`.
    pub(super) fn before(&self, me: NodeId) -> NodeId {
        let below = self.members.range(..me).next_back();
        below.or_else(|| self.members.last()).copied().unwrap_or(me)
    }
}

/// The member after `me`, going round.
pub(super) fn next(members: &BTreeSet<NodeId>, me: NodeId) -> NodeId {
    let above = members.iter().find(|node| **node > me);
    above.or_else(|| members.first()).copied().unwrap_or(me)
}
