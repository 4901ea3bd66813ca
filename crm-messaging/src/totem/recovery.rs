//! From the agreement to the installed ring: it goes round twice, then those who come from the
//! same old ring give each other what they miss of it, and then the view changes, at the same
//! place of the order for all of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::circle::{Circle, Resend, next};
use super::ring::{Ring, State};
use super::token;
use super::types::{Effect, Incarnation, Seq, Target, Time};
use super::wire::{Commit, Filled, Packet};
use crate::group::{Departure, NodeId, View};
use crate::quorum;

/// The agreement is on its way.
#[derive(Debug)]
pub(super) struct Forming {
    commit: Option<Commit>,
    pub(super) since: Time,
    pub(super) deadline: Time,
    pub(super) resend: Option<Resend>,
}

impl Forming {
    pub(super) fn new(now: Time) -> Forming {
        Forming { commit: None, since: now, deadline: now, resend: None }
    }

    /// Who will be in the ring.
    pub(super) fn members(&self) -> BTreeSet<NodeId> {
        self.commit.iter().flat_map(|commit| commit.entries.iter().map(|e| e.node)).collect()
    }
}

/// Members bring each other up to date.
#[derive(Debug)]
pub(super) struct Recovery {
    /// The new ring, not installed yet.
    pub(super) circle: Circle,
    members: BTreeMap<NodeId, Filled>,
    hop: u32,
    /// Places of the old ring that this node has to send.
    pub(super) pending: VecDeque<Seq>,
    /// This node has said in the token that it has sent everything.
    pub(super) reported: bool,
    /// At the token's last visit everybody seemed to have everything.
    pub(super) complete: bool,
    pub(super) since: Time,
    /// The agreement, until it is seen to have arrived.
    pub(super) resend: Option<Resend>,
}

impl Recovery {
    /// The starts of the members.
    pub(super) fn incarnations(&self) -> BTreeMap<NodeId, Incarnation> {
        self.members.iter().map(|(node, filled)| (*node, filled.incarnation)).collect()
    }

    /// The members that come from the same ring.
    fn coming_from(&self, ring: crate::group::RingId) -> BTreeSet<NodeId> {
        let here = self.members.iter().filter(|(_, filled)| filled.old_ring == ring);
        here.map(|(node, _)| *node).collect()
    }
}

impl Ring {
    /// Sends the agreement to the next member and notes that it did.
    pub(super) fn pass_commit(&mut self, mut commit: Commit, now: Time) {
        commit.hop += 1;
        let members: BTreeSet<NodeId> = commit.entries.iter().map(|entry| entry.node).collect();
        let to = next(&members, self.config.me);
        let body = Packet::Commit(commit.clone()).encode();
        self.effects.push(Effect::Send { to: Target::One(to), body: body.clone() });
        let resend = Some(Resend::new(to, body, now, self.config.timing.retransmit));
        match &mut self.state {
            State::Commit(forming) => {
                forming.commit = Some(commit);
                forming.resend = resend;
                forming.deadline = now + self.config.timing.token;
            }
            State::Recovery(recovery) => {
                recovery.hop = commit.hop;
                recovery.resend = resend;
            }
            State::Operational | State::Gather(_) => {}
        }
    }

    pub(super) fn on_commit(&mut self, commit: Commit, now: Time) {
        match &mut self.state {
            State::Gather(_) => self.accept_commit(commit, now),
            State::Commit(forming) => {
                let known = forming.commit.as_ref();
                let news = known.is_some_and(|k| k.ring == commit.ring && commit.hop > k.hop);
                if news && commit.entries.iter().all(|entry| entry.filled.is_some()) {
                    self.recover(commit.clone(), now);
                    self.pass_commit(commit, now);
                }
            }
            State::Recovery(recovery) => {
                let me = self.config.me;
                let mine = recovery.circle.id == commit.ring && commit.ring.representative == me;
                if mine && commit.hop > recovery.hop {
                    // Everybody knows everything: the token may start.
                    recovery.hop = commit.hop;
                    recovery.resend = None;
                    self.visit_recovery(token::first(commit.ring), now);
                }
            }
            State::Operational => {}
        }
    }

    /// Everybody's state is known: this node finds out what it has to send.
    pub(super) fn recover(&mut self, commit: Commit, now: Time) {
        let members: BTreeMap<NodeId, Filled> =
            commit.entries.iter().filter_map(|entry| Some((entry.node, entry.filled?))).collect();
        let size = members.values().map(|filled| filled.window).min().unwrap_or(1).max(1);
        let mut recovery = Recovery {
            circle: Circle::new(
                commit.ring,
                self.config.me,
                members.keys().copied().collect(),
                size,
                now,
            ),
            members,
            hop: commit.hop,
            pending: VecDeque::new(),
            reported: false,
            complete: false,
            since: now,
            resend: None,
        };
        if recovery.members.len() == 1 {
            self.install(recovery, now);
            return;
        }
        recovery.pending = self.to_recover(&recovery);
        self.state = State::Recovery(Box::new(recovery));
    }

    /// Places of the old ring that some of its members here miss and that fall to this node.
    fn to_recover(&self, recovery: &Recovery) -> VecDeque<Seq> {
        let together = recovery.coming_from(self.circle.id);
        let states: Vec<(&NodeId, &Filled)> =
            recovery.members.iter().filter(|(node, _)| together.contains(node)).collect();
        let bounds = |pick: fn(&Filled) -> Seq| states.iter().map(move |(_, filled)| pick(filled));
        let low = bounds(|filled| filled.aru).min().unwrap_or_default();
        let complete = bounds(|filled| filled.aru).max().unwrap_or_default();
        let high = bounds(|filled| filled.high).max().unwrap_or_default();
        if states.len() < 2 {
            return VecDeque::new();
        }
        // What one member has without gaps, that one sends; of the rest everyone what it has.
        let source = states.iter().find(|(_, filled)| filled.aru == complete);
        let mine = source.is_some_and(|(node, _)| **node == self.config.me);
        let from = if mine { low } else { complete };
        (from.0 + 1..=high.0.min(self.circle.window.high().0))
            .map(Seq)
            .filter(|seq| self.circle.window.get(*seq).is_some())
            .collect()
    }

    pub(super) fn tick_forming(&mut self, now: Time) {
        let first = self.config.timing.retransmit;
        let (late, members, resends) = match &mut self.state {
            State::Commit(forming) => {
                (now >= forming.deadline, forming.members(), [forming.resend.as_mut(), None])
            }
            State::Recovery(recovery) => {
                let silence = now.since(recovery.circle.token_at);
                (
                    silence >= self.config.timing.token,
                    recovery.circle.members.clone(),
                    [recovery.resend.as_mut(), recovery.circle.resend.as_mut()],
                )
            }
            State::Operational | State::Gather(_) => return,
        };
        if late {
            self.gather(members, BTreeSet::new(), now);
            return;
        }
        let mut due = Vec::new();
        for resend in resends.into_iter().flatten() {
            if now >= resend.at {
                resend.again(now, first);
                due.push(resend.clone());
            }
        }
        for resend in due {
            self.resend(&resend);
        }
    }

    /// Delivers the rest of the old ring, then the view, and goes to work in the new ring.
    pub(super) fn install(&mut self, recovery: Recovery, now: Time) {
        let together = recovery.coming_from(self.circle.id);
        self.deliver_rest(&together);
        let members: BTreeSet<NodeId> = recovery.circle.members.clone();
        let departed: Vec<(NodeId, Departure)> = self
            .circle
            .members
            .difference(&together)
            .map(|node| {
                let left = self.left.contains(node);
                (*node, if left { Departure::Left } else { Departure::Lost })
            })
            .collect();
        for (node, why) in &departed {
            if *why == Departure::Lost && !members.contains(node) {
                self.detector.lost(*node, now);
            }
        }
        let ballots = recovery.members.iter().map(|(node, filled)| (*node, filled.ballot));
        let verdict = quorum::count(&ballots.collect());
        self.seen_all |= verdict.seen_all;
        self.incarnations = recovery.incarnations();
        self.since = now;
        self.left.clear();
        self.leave_at = None;
        self.reassembly.clear();
        self.outbox.rewind();
        self.wake_at = None;
        self.delivered = Seq(0);
        self.circle = recovery.circle;
        self.state = State::Operational;
        self.counters.views += 1;
        self.effects.push(Effect::View(View {
            ring: self.circle.id,
            joined: members.difference(&together).copied().collect(),
            members,
            departed,
            quorate: verdict.quorate,
            votes: verdict.votes,
            expected_votes: verdict.expected_votes,
        }));
        self.deliver();
        self.flush(now);
    }

    /// The end of the old ring, the same for all who come from it: after the first packet that
    /// none of them has, only what they sent themselves, since the rest may build on what is lost.
    fn deliver_rest(&mut self, together: &BTreeSet<NodeId>) {
        self.deliver();
        let rest: Vec<_> = (self.delivered.0 + 1..=self.circle.window.high().0)
            .filter_map(|seq| self.circle.window.get(Seq(seq)).cloned())
            .filter(|slot| together.contains(&slot.sender) && slot.recovered.is_none())
            .collect();
        for slot in rest {
            self.deliver_payload(slot.sender, slot.payload);
        }
    }
}
