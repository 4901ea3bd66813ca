//! The state machine: what comes in, and the parts that every state shares.
//!
//! [`Ring`] is told packets, messages to send and the time; it answers with [`Effect`]s. It reads
//! no clock and keeps nothing between calls but its fields, so a test can drive many of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::circle::{Circle, Resend};
use super::detect::Detector;
use super::gather::Gather;
use super::pack::{Outbox, Reassembly, Unpacked};
use super::recovery::{Forming, Recovery};
use super::timing::Timing;
use super::types::{Effect, Incarnation, RingConfig, Seq, Target, Time};
use super::wire::{Data, Packet, Probe, WireError};
use crate::engine::MAX_MESSAGE;
use crate::group::{NodeId, RingId, View};
use crate::quorum::{self, Ballot};

/// Ring numbers that are stored ahead, so that the disk is seldom waited for.
pub const RESERVE: u64 = 1000;
/// How long after new times were taken everybody is sure to have them.
pub const CHANGE: Duration = Duration::from_secs(10);
/// Between two probes of full size.
const SMALL_PROBES: u32 = 3;

/// Where the protocol is.
#[derive(Debug)]
pub(super) enum State {
    /// The ring works.
    Operational,
    /// Looking for an agreement on members.
    Gather(Gather),
    /// The agreement goes round.
    Commit(Forming),
    /// Members of the new ring bring each other up to date.
    Recovery(Box<Recovery>),
}

/// What the protocol counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages handed up.
    pub delivered: u64,
    /// Own messages ordered.
    pub sent: u64,
    /// Packets sent again.
    pub retransmitted: u64,
    /// Tokens received.
    pub tokens: u64,
    /// Views installed.
    pub views: u64,
    /// Times this node began to gather.
    pub gathers: u64,
}

/// One node's part of the ring.
#[derive(Debug)]
pub struct Ring {
    pub(super) config: RingConfig,
    pub(super) state: State,
    /// The installed ring.
    pub(super) circle: Circle,
    pub(super) incarnations: BTreeMap<NodeId, Incarnation>,
    /// When the installed ring came together.
    pub(super) since: Time,
    pub(super) delivered: Seq,
    pub(super) outbox: Outbox,
    pub(super) reassembly: Reassembly,
    /// Members whose word of leaving was delivered.
    pub(super) left: BTreeSet<NodeId>,
    pub(super) detector: Detector,
    /// Number of this node's latest opinion, and of each other node's that was seen.
    pub(super) attempt: u64,
    pub(super) attempts: BTreeMap<NodeId, (Incarnation, u64)>,
    /// The highest ring number this node has taken part in.
    pub(super) max_ring: u64,
    pub(super) reserved: u64,
    reserving: u64,
    pub(super) seen_all: bool,
    pub(super) congested: bool,
    /// Other times were taken: when they alone hold.
    changing: Option<(Time, Timing)>,
    next_probe: Time,
    /// Probes until the next one of full size.
    small_probes: u32,
    next_judgement: Time,
    /// Since when there is somebody to merge with.
    merge_since: Option<Time>,
    pub(super) wake_at: Option<Time>,
    /// This node leaves: when it goes without waiting for the others any longer, and the place of
    /// its word in the order.
    leaving: Option<Time>,
    pub(super) leave_at: Option<Seq>,
    stopped: bool,
    pub(super) effects: Vec<Effect>,
    /// See [`Counters`].
    pub counters: Counters,
}

impl Ring {
    /// A ring of this node alone; its view is the first effect.
    pub fn new(config: RingConfig, now: Time) -> Ring {
        let me = config.me;
        let id = RingId { seq: config.first_ring, representative: me };
        let circle = Circle::new(id, me, BTreeSet::from([me]), config.window, now);
        let mut ring = Ring {
            detector: Detector::new(me, config.timing, &config.nodes),
            state: State::Operational,
            circle,
            incarnations: BTreeMap::from([(me, config.incarnation)]),
            since: now,
            delivered: Seq(0),
            outbox: Outbox::default(),
            reassembly: Reassembly::new(MAX_MESSAGE),
            left: BTreeSet::new(),
            attempt: 0,
            attempts: BTreeMap::new(),
            max_ring: config.first_ring,
            reserved: config.reserved,
            reserving: config.reserved,
            seen_all: false,
            congested: false,
            changing: None,
            next_probe: now,
            small_probes: 0,
            next_judgement: now,
            merge_since: None,
            wake_at: None,
            leaving: None,
            leave_at: None,
            stopped: false,
            effects: Vec::new(),
            counters: Counters::default(),
            config,
        };
        let verdict = quorum::count(&BTreeMap::from([(me, ring.ballot())]));
        ring.seen_all = verdict.seen_all;
        ring.counters.views += 1;
        let members = BTreeSet::from([me]);
        ring.effects.push(Effect::View(View {
            ring: id,
            joined: members.clone(),
            members,
            departed: Vec::new(),
            quorate: verdict.quorate,
            votes: verdict.votes,
            expected_votes: verdict.expected_votes,
        }));
        ring
    }

    /// What is to be done, in order; empties the list.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// A packet came in from that start of a node of the list.
    ///
    /// # Errors
    /// It is no packet; nothing changed but that the node was heard.
    pub fn packet(
        &mut self,
        from: NodeId,
        incarnation: Incarnation,
        body: Bytes,
        now: Time,
    ) -> Result<(), WireError> {
        if self.stopped || from == self.config.me || !self.config.nodes.contains(&from) {
            return Ok(());
        }
        if self.detector.heard(from, incarnation, now) {
            // It should know at once that it is heard: that is what it waits for.
            self.hurry(now);
        }
        match Packet::decode(body)? {
            Packet::Probe(probe) => self.on_probe(from, incarnation, &probe, now),
            Packet::Token(token) => self.on_token(token, now),
            Packet::Data(data) => self.on_data(data, now),
            Packet::Join(join) => self.on_join(from, incarnation, join, now),
            Packet::Commit(commit) => self.on_commit(commit, now),
            Packet::Wake(id) => self.on_wake(id, now),
            Packet::Held(id, hop) => {
                if id == self.circle.id && hop >= self.circle.hop {
                    self.circle.resend = None;
                }
            }
        }
        Ok(())
    }

    /// Somebody new is there: says at once what it must know to come together with this node.
    pub fn hurry(&mut self, now: Time) {
        self.next_probe = now;
        self.small_probes = 0;
    }

    /// Queues a message. Call [`Ring::flush`] after the last of several.
    pub fn submit(&mut self, data: Bytes) {
        self.outbox.push(data);
    }

    /// Sends what is queued, if that is possible now.
    pub fn flush(&mut self, now: Time) {
        if self.stopped || self.outbox.is_empty() || !matches!(self.state, State::Operational) {
            return;
        }
        if self.circle.members.len() == 1 {
            self.order_alone();
        } else if let Some((token, _)) = self.circle.held.take() {
            self.circle.idle = 0;
            self.visit_circle(token, now);
        } else if self.wake_at.is_none() {
            self.wake_at = Some(now + self.config.timing.retransmit);
            if self.circle.idle > 0 {
                self.wake();
            }
        }
        self.finish_leave();
    }

    /// Ring numbers below `upto` are stored.
    pub fn reserved(&mut self, upto: u64, now: Time) {
        self.reserved = self.reserved.max(upto);
        if matches!(self.state, State::Gather(_)) {
            self.check_agreement(now);
        }
    }

    /// The host of a node says that nothing listens there.
    pub fn refused(&mut self, node: NodeId) {
        self.detector.refused(node);
    }

    /// A node is certainly off: it is given up as soon as it has missed a few probes. If it is
    /// heard after this (it was switched on again meanwhile), nothing happens.
    pub fn declare_dead(&mut self, node: NodeId) {
        self.detector.declared_dead(node);
    }

    /// Takes other times while the ring goes on. The other nodes are to take the same within
    /// [`CHANGE`]: for so long both the old and the new times are kept to.
    pub fn set_timing(&mut self, timing: Timing, now: Time) {
        let old = &self.config.timing;
        let probe = old.probe.max(timing.probe);
        let between = old.until_all_have(&timing);
        // The others may go on probing as seldom as before.
        self.detector.set_timing(Timing { probe, ..between });
        self.config.timing = between;
        self.changing = Some((now + CHANGE, timing));
    }

    /// The times in force.
    pub fn timing(&self) -> &Timing {
        &self.config.timing
    }

    /// Leaves after everything queued was ordered, or at the latest after two token times.
    pub fn leave(&mut self, now: Time) {
        if self.leaving.is_none() {
            self.leaving = Some(now + self.config.timing.token * 2);
            self.outbox.leave();
            self.flush(now);
        }
    }

    /// The layer above does not keep up (or does again): while so, nobody orders new messages.
    pub fn set_congested(&mut self, congested: bool, now: Time) {
        let relieved = self.congested && !congested;
        self.congested = congested;
        if relieved {
            self.flush(now);
        }
    }

    /// When [`Ring::tick`] must be called at the latest.
    pub fn deadline(&self) -> Time {
        let timing = &self.config.timing;
        let mut at = self.next_probe;
        let mut earlier = |time: Time| at = at.min(time);
        if let Some(time) = self.leaving {
            earlier(time);
        }
        match &self.state {
            State::Operational if self.circle.members.len() > 1 => {
                let circle = &self.circle;
                match &circle.held {
                    Some((_, until)) => earlier(*until),
                    None => earlier(circle.token_at + timing.token),
                }
                circle.resend.iter().for_each(|resend| earlier(resend.at));
                self.wake_at.into_iter().for_each(&mut earlier);
            }
            State::Operational => {}
            State::Gather(gather) => {
                earlier(gather.resend_at);
                earlier(gather.deadline);
            }
            State::Commit(forming) => {
                earlier(forming.deadline);
                forming.resend.iter().for_each(|resend| earlier(resend.at));
            }
            State::Recovery(recovery) => {
                earlier(recovery.circle.token_at + timing.token);
                recovery.resend.iter().for_each(|resend| earlier(resend.at));
                recovery.circle.resend.iter().for_each(|resend| earlier(resend.at));
            }
        }
        at
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Time) {
        if self.stopped {
            return;
        }
        if let Some((_, timing)) = self.changing.take_if(|(at, _)| now >= *at) {
            self.detector.set_timing(timing);
            self.config.timing = timing;
        }
        if now >= self.next_probe {
            self.next_probe = now + self.config.timing.probe;
            self.probe(now);
            self.judge(now);
        }
        if self.leaving.is_some_and(|at| now >= at) {
            self.go();
            return;
        }
        match &mut self.state {
            State::Operational => self.tick_operational(now),
            State::Gather(_) => self.tick_gather(now),
            State::Commit(_) | State::Recovery(_) => self.tick_forming(now),
        }
    }

    /// The protocol's state, for people.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Operational => "operational",
            State::Gather(_) => "gather",
            State::Commit(_) => "commit",
            State::Recovery(_) => "recovery",
        }
    }

    /// Rings that can be formed before the disk must have stored more numbers.
    pub fn numbers_left(&self) -> u64 {
        self.reserved.saturating_sub(self.max_ring + 1)
    }

    /// The installed ring.
    pub fn id(&self) -> RingId {
        self.circle.id
    }

    /// Time since each other node was heard.
    pub fn silence(&self, node: NodeId, now: Time) -> Option<Duration> {
        self.detector.silence(node, now)
    }

    /// Messages waiting in the outbox keep the driver from taking more than a window's worth.
    pub fn backlog(&self) -> u32 {
        self.outbox.packets(self.payload())
    }

    // --- shared by the states ---

    pub(super) fn ballot(&self) -> Ballot {
        Ballot { votes: self.config.votes, config: self.config.quorum, seen_all: self.seen_all }
    }

    /// The largest payload of a data packet.
    pub(super) fn payload(&self) -> usize {
        self.config.max_packet.saturating_sub(super::wire::DATA_OVERHEAD).max(64)
    }

    pub(super) fn send(&mut self, to: Target, packet: &Packet) {
        self.effects.push(Effect::Send { to, body: packet.encode() });
    }

    pub(super) fn resend(&mut self, resend: &Resend) {
        self.effects.push(Effect::Send { to: Target::One(resend.to), body: resend.body.clone() });
    }

    /// The members of the ring that works or is being formed.
    fn concerned(&self) -> BTreeSet<NodeId> {
        match &self.state {
            State::Operational => self.circle.members.clone(),
            State::Gather(gather) => gather.procs.difference(&gather.failed).copied().collect(),
            State::Commit(forming) => forming.members(),
            State::Recovery(recovery) => recovery.circle.members.clone(),
        }
    }

    /// Makes sure that a ring number may be used; `false`: not yet, the disk was asked.
    pub(super) fn may_use(&mut self, seq: u64) -> bool {
        if seq + RESERVE / 2 >= self.reserved && self.reserving <= seq + RESERVE / 2 {
            self.reserving = seq + RESERVE;
            self.effects.push(Effect::Reserve(self.reserving));
        }
        seq < self.reserved
    }

    fn probe(&mut self, now: Time) {
        let mut probe = Probe {
            ring: self.circle.id,
            operational: matches!(self.state, State::Operational),
            members: self.circle.members.clone(),
            heard: self.detector.hearsay(&self.circle.members, now),
            padding: 0,
        };
        if self.small_probes == 0 {
            self.small_probes = SMALL_PROBES;
            let size = Packet::Probe(probe.clone()).encode().len();
            probe.padding = self.config.max_packet.saturating_sub(size).max(1);
        } else {
            self.small_probes -= 1;
        }
        self.send(Target::All, &Packet::Probe(probe));
    }

    fn on_probe(&mut self, from: NodeId, incarnation: Incarnation, probe: &Probe, now: Time) {
        self.detector.report(from, probe, now);
        if let State::Operational = self.state {
            // One that has restarted begins with a later ring of its own; that says nothing.
            let member = self.circle.members.contains(&from)
                && self.incarnations.get(&from) == Some(&incarnation);
            let later = probe.operational && probe.ring.seq > self.circle.id.seq;
            if member && later && !probe.members.contains(&self.config.me) {
                // The others went on without this node: what it believes is out of date.
                let failed = probe.members.intersection(&self.circle.members).copied().collect();
                self.gather(BTreeSet::new(), failed, now);
                return;
            }
        }
        if now >= self.next_judgement {
            self.judge(now);
        }
    }

    /// Looks whether somebody must go or can be taken in.
    fn judge(&mut self, now: Time) {
        self.next_judgement = now + self.config.timing.probe / 5;
        let concerned = self.concerned();
        let since = |node: NodeId| match &self.state {
            State::Operational => self.since,
            _ if self.circle.members.contains(&node) => self.since,
            State::Gather(gather) => gather.since,
            State::Commit(forming) => forming.since,
            State::Recovery(recovery) => recovery.since,
        };
        let gone = self.detector.unreachable(&concerned, since, now);
        if !gone.is_empty() {
            if let State::Gather(gather) = &mut self.state {
                gather.failed.extend(gone);
                self.state_opinion(now);
            } else {
                self.gather(concerned, gone, now);
            }
            return;
        }
        let restarted = |(node, incarnation): (&NodeId, &Incarnation)| {
            *node != self.config.me
                && self.detector.incarnation(*node) > Incarnation(0)
                && self.detector.incarnation(*node) != *incarnation
        };
        match &self.state {
            State::Operational => {
                if self.incarnations.iter().any(restarted) {
                    self.gather(BTreeSet::new(), BTreeSet::new(), now);
                } else if self.leaving.is_none() {
                    self.consider_merging(now);
                }
            }
            State::Recovery(recovery) if recovery.incarnations().iter().any(restarted) => {
                self.gather(concerned, BTreeSet::new(), now);
            }
            State::Gather(_) | State::Commit(_) | State::Recovery(_) => {}
        }
    }

    /// Merges with who can be merged: at once if then nobody is missing, else after a moment, so
    /// that nodes that start (or are heard again) together come together in one view.
    fn consider_merging(&mut self, now: Time) {
        let (more, all) = self.detector.candidates(&self.circle.members, now);
        if more.is_empty() {
            self.merge_since = None;
            return;
        }
        let since = *self.merge_since.get_or_insert(now);
        if all || now.since(since) >= self.config.timing.settle * 2 {
            self.merge_since = None;
            self.gather(more, BTreeSet::new(), now);
        }
    }

    fn on_data(&mut self, data: Data, now: Time) {
        let Data { ring, seq, sender, recovered, payload } = data;
        let slot = super::window::Slot { sender, recovered, payload };
        match &mut self.state {
            State::Operational if ring == self.circle.id => {
                if seq > self.circle.last_seq {
                    self.circle.resend = None;
                }
                if self.circle.window.insert(seq, slot) {
                    self.deliver();
                }
            }
            State::Gather(_) if ring == self.circle.id => {
                self.circle.window.insert(seq, slot);
            }
            State::Recovery(recovery) if ring == recovery.circle.id => {
                recovery.resend = None;
                if seq > recovery.circle.last_seq {
                    recovery.circle.resend = None;
                }
                if let Some((old, place)) = recovered
                    && old == self.circle.id
                {
                    let old = super::window::Slot { recovered: None, ..slot.clone() };
                    self.circle.window.insert(place, old);
                }
                recovery.circle.window.insert(seq, slot);
                let _ = now;
            }
            // Once this node has said what it has of its old ring, that must not change.
            State::Operational | State::Gather(_) | State::Commit(_) | State::Recovery(_) => {}
        }
    }

    /// Hands up everything that is in order.
    pub(super) fn deliver(&mut self) {
        while let Some(slot) = self.circle.window.get(self.delivered.next()) {
            let (sender, payload) = (slot.sender, slot.payload.clone());
            let recovered = slot.recovered.is_some();
            self.delivered = self.delivered.next();
            if !recovered {
                self.deliver_payload(sender, payload);
            }
        }
    }

    /// Hands up the messages that end in a payload.
    pub(super) fn deliver_payload(&mut self, from: NodeId, payload: Bytes) {
        let mut out = Vec::new();
        self.reassembly.unpack(from, payload, &mut out);
        for item in out {
            match item {
                Unpacked::Message(data) => {
                    self.counters.delivered += 1;
                    self.effects.push(Effect::Deliver { from, data });
                }
                Unpacked::Leave => {
                    self.left.insert(from);
                    if from == self.config.me {
                        self.leave_at = Some(self.delivered);
                    }
                }
            }
        }
    }

    /// Orders everything at once: there is nobody to agree with.
    pub(super) fn order_alone(&mut self) {
        while !self.congested
            && let Some(packed) = self.outbox.pack(self.payload())
        {
            self.delivered = self.delivered.next();
            self.count_ordered(packed.messages, packed.bytes);
            self.deliver_payload(self.config.me, packed.payload);
        }
    }

    pub(super) fn count_ordered(&mut self, messages: usize, bytes: usize) {
        if messages > 0 {
            self.counters.sent += messages as u64;
            self.effects.push(Effect::Ordered { messages, bytes });
        }
    }

    /// Alone, the word of leaving needs no answer.
    fn finish_leave(&mut self) {
        if self.leave_at.is_some() && self.circle.members.len() == 1 {
            self.go();
        }
    }

    /// Says goodbye (three times, as packets get lost) and stops.
    pub(super) fn go(&mut self) {
        if self.stopped {
            return;
        }
        self.stopped = true;
        let leave = self.farewell();
        for _ in 0..3 {
            self.send(Target::All, &leave);
        }
        self.effects.push(Effect::Stopped);
    }
}
