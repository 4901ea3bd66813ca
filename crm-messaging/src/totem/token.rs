//! The token's visit: sending again, asking, sending new, and passing on.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::circle::{Circle, Resend};
use super::recovery::Recovery;
use super::ring::{Ring, State};
use super::types::{Effect, Seq, Target, Time};
use super::window::Slot;
use super::wire::{Data, MAX_MISSING, Packet, Token};
use crate::group::{NodeId, RingId};

/// Idle rounds after which the token rests: by then every member has seen twice that all have all.
const IDLE_ROUNDS: u32 = 3;
/// Packets that may be on the way to the slowest member, in windows.
const OUTSTANDING: u64 = 8;

impl Ring {
    pub(super) fn on_token(&mut self, token: Token, now: Time) {
        match &mut self.state {
            State::Operational if token.ring == self.circle.id => {
                if token.hop > self.circle.hop {
                    self.visit_circle(token, now);
                } else if let Some((held, _)) = &self.circle.held {
                    // The sender does not know that its token rests here.
                    let held = Packet::Held(token.ring, held.hop);
                    let to = self.circle.before(self.config.me);
                    self.send(Target::One(to), &held);
                }
            }
            State::Recovery(recovery)
                if token.ring == recovery.circle.id && token.hop > recovery.circle.hop =>
            {
                recovery.resend = None;
                self.visit_recovery(token, now);
            }
            State::Operational | State::Gather(_) | State::Commit(_) | State::Recovery(_) => {}
        }
    }

    /// A visit in the ring that works.
    pub(super) fn visit_circle(&mut self, token: Token, now: Time) {
        let placeholder = Circle::new(self.circle.id, self.config.me, BTreeSet::new(), 0, now);
        let mut circle = std::mem::replace(&mut self.circle, placeholder);
        let before = circle.last_seq;
        let token = self.visit(&mut circle, None, token, now);
        self.wake_at = None;
        let quiet = token.seq == before
            && token.aru == token.seq
            && token.missing.is_empty()
            && token.backlog == 0;
        circle.idle = if quiet { circle.idle.saturating_add(1) } else { 0 };
        let me = self.config.me;
        let rests = circle.representative() == Some(me) && circle.idle >= IDLE_ROUNDS;
        let safe = token.aru.min(circle.last_aru);
        circle.last_aru = token.aru;
        circle.last_seq = token.seq;
        let stuck = self.stuck(&mut circle, &token, now);
        if rests && !std::mem::take(&mut circle.woken) {
            circle.resend = None;
            let held = Packet::Held(circle.id, token.hop);
            self.send(Target::Each(Arc::clone(&circle.others)), &held);
            circle.held = Some((token, now + self.config.timing.hold));
        } else {
            self.pass(&mut circle, token, now);
        }
        self.circle = circle;
        self.deliver();
        self.circle.window.discard(safe.min(self.delivered));
        if self.leave_at.is_some_and(|at| safe >= at) {
            self.go();
        } else if stuck {
            // Packets do not reach this node, though the token does: it holds the others back.
            let others = self.circle.members.iter().copied().filter(|node| *node != me);
            let others = others.collect();
            self.gather(BTreeSet::new(), others, now);
        }
    }

    /// Whether this node has been missing the same packet for two token times.
    fn stuck(&self, circle: &mut Circle, token: &Token, now: Time) -> bool {
        if token.aru_by != Some(self.config.me) {
            circle.stuck = None;
            return false;
        }
        match circle.stuck {
            Some((seq, since)) if seq == token.aru => {
                now.since(since) > self.config.timing.token * 2
            }
            _ => {
                circle.stuck = Some((token.aru, now));
                false
            }
        }
    }

    /// A visit while the ring is being brought up to date.
    pub(super) fn visit_recovery(&mut self, token: Token, now: Time) {
        let State::Recovery(mut recovery) = std::mem::replace(&mut self.state, State::Operational)
        else {
            return;
        };
        let id = recovery.circle.id;
        let mut circle = std::mem::replace(
            &mut recovery.circle,
            Circle::new(id, self.config.me, BTreeSet::new(), 0, now),
        );
        let mut token = self.visit(&mut circle, Some(&mut recovery), token, now);
        if recovery.pending.is_empty() && !recovery.reported {
            recovery.reported = true;
            token.recovered += 1;
            if token.recovered as usize == circle.members.len() {
                token.install = Some(token.seq);
            }
        }
        let complete = token.install.is_some_and(|all| token.aru >= all);
        // Seen twice in a row: whoever lacked something has had the chance to say so between.
        let installs = complete && recovery.complete;
        recovery.complete = complete;
        circle.last_aru = token.aru;
        circle.last_seq = token.seq;
        self.pass(&mut circle, token, now);
        recovery.circle = circle;
        if installs {
            self.install(*recovery, now);
        } else {
            self.state = State::Recovery(recovery);
        }
    }

    /// What every visit does, up to passing the token on.
    fn visit(
        &mut self,
        circle: &mut Circle,
        recovery: Option<&mut Recovery>,
        mut token: Token,
        now: Time,
    ) -> Token {
        let me = self.config.me;
        self.counters.tokens += 1;
        circle.hop = token.hop;
        circle.token_at = now;
        circle.resend = None;
        circle.held = None;
        let others = token.sent.saturating_sub(circle.my_sent);
        let budget = circle.size.saturating_sub(others);
        let again = self.send_again(circle, &mut token, budget);
        ask(circle, &mut token);
        if self.congested {
            token.congested = Some(me);
        } else if token.congested == Some(me) {
            token.congested = None;
        }
        let fresh = match recovery {
            Some(recovery) => self.send_recovered(circle, recovery, &mut token, budget - again),
            None => self.send_new(circle, &mut token, budget - again),
        };
        token.sent = others + again + fresh;
        circle.my_sent = again + fresh;
        let mine = circle.window.aru();
        if mine < token.aru || token.aru_by.is_none() || token.aru_by == Some(me) {
            token.aru = mine;
            token.aru_by = (mine < token.seq).then_some(me);
        }
        token
    }

    /// Sends what others miss and this node has.
    fn send_again(&mut self, circle: &Circle, token: &mut Token, budget: u32) -> u32 {
        let mut again = 0;
        for seq in std::mem::take(&mut token.missing) {
            match circle.window.get(seq) {
                Some(slot) if again < budget => {
                    again += 1;
                    let slot = slot.clone();
                    self.send_slot(circle, seq, slot);
                }
                _ => token.missing.push(seq),
            }
        }
        self.counters.retransmitted += u64::from(again);
        again
    }

    /// Sends queued messages, as far as the window and the others' share allow.
    fn send_new(&mut self, circle: &mut Circle, token: &mut Token, budget: u32) -> u32 {
        let waiting = self.outbox.packets(self.payload());
        let others = token.backlog.saturating_sub(circle.my_backlog);
        let mut allowed = budget;
        if others > 0 {
            let share = u64::from(circle.size) * u64::from(waiting)
                / (u64::from(others) + u64::from(waiting)).max(1);
            allowed = allowed.min(u32::try_from(share).unwrap_or(u32::MAX).max(1));
        }
        let outstanding = token.seq.0.saturating_sub(token.aru.0);
        if token.congested.is_some() || outstanding >= OUTSTANDING * u64::from(circle.size) {
            allowed = 0;
        }
        let mut sent = 0;
        while sent < allowed
            && let Some(packed) = self.outbox.pack(self.payload())
        {
            sent += 1;
            self.count_ordered(packed.messages, packed.bytes);
            let slot = Slot { sender: self.config.me, recovered: None, payload: packed.payload };
            self.order(circle, token, slot);
        }
        let left = self.outbox.packets(self.payload());
        token.backlog = others.saturating_add(left);
        circle.my_backlog = left;
        sent
    }

    /// Sends packets of the old ring that others may miss.
    fn send_recovered(
        &mut self,
        circle: &mut Circle,
        recovery: &mut Recovery,
        token: &mut Token,
        budget: u32,
    ) -> u32 {
        let mut sent = 0;
        while sent < budget
            && let Some(place) = recovery.pending.pop_front()
        {
            let Some(slot) = self.circle.window.get(place) else { continue };
            sent += 1;
            let slot = Slot { recovered: Some((self.circle.id, place)), ..slot.clone() };
            self.order(circle, token, slot);
        }
        sent
    }

    /// Gives a packet the next place and sends it.
    fn order(&mut self, circle: &mut Circle, token: &mut Token, slot: Slot) {
        token.seq = token.seq.next();
        circle.window.insert(token.seq, slot.clone());
        self.send_slot(circle, token.seq, slot);
    }

    fn send_slot(&mut self, circle: &Circle, seq: Seq, slot: Slot) {
        let Slot { sender, recovered, payload } = slot;
        let data = Data { ring: circle.id, seq, sender, recovered, payload };
        self.send(Target::Each(Arc::clone(&circle.others)), &Packet::Data(data));
    }

    /// Sends the token to the next member.
    pub(super) fn pass(&mut self, circle: &mut Circle, mut token: Token, now: Time) {
        token.hop += 1;
        circle.hop = token.hop;
        let to = circle.after(self.config.me);
        let body = Packet::Token(token).encode();
        self.effects.push(Effect::Send { to: Target::One(to), body: body.clone() });
        circle.resend = Some(Resend::new(to, body, now, self.config.timing.retransmit));
    }

    /// Asks the representative for the token.
    pub(super) fn wake(&mut self) {
        if let Some(to) = self.circle.representative().filter(|to| *to != self.config.me) {
            let wake = Packet::Wake(self.circle.id);
            self.send(Target::One(to), &wake);
        }
    }

    pub(super) fn on_wake(&mut self, id: RingId, now: Time) {
        if id != self.circle.id || !matches!(self.state, State::Operational) {
            return;
        }
        match self.circle.held.take() {
            Some((token, _)) => self.release(token, now),
            None => self.circle.woken = true,
        }
    }

    fn release(&mut self, token: Token, now: Time) {
        let placeholder = Circle::new(self.circle.id, self.config.me, BTreeSet::new(), 0, now);
        let mut circle = std::mem::replace(&mut self.circle, placeholder);
        circle.token_at = now;
        self.pass(&mut circle, token, now);
        self.circle = circle;
    }

    pub(super) fn tick_operational(&mut self, now: Time) {
        if self.circle.members.len() == 1 {
            return;
        }
        if let Some((token, until)) = self.circle.held.take() {
            if now >= until {
                self.release(token, now);
            } else {
                self.circle.held = Some((token, until));
            }
            return;
        }
        if now.since(self.circle.token_at) >= self.config.timing.token {
            self.gather(BTreeSet::new(), BTreeSet::new(), now);
            return;
        }
        if let Some(mut resend) = self.circle.resend.take() {
            if now >= resend.at {
                self.resend(&resend);
                resend.again(now, self.config.timing.retransmit);
            }
            self.circle.resend = Some(resend);
        }
        if self.wake_at.is_some_and(|at| now >= at) {
            self.wake_at = Some(now + self.config.timing.retransmit);
            self.wake();
        }
    }
}

/// Adds to the token what this node misses of the packets that were sent before its last visit:
/// younger ones may still be on their way.
fn ask(circle: &Circle, token: &mut Token) {
    let through = token.seq.min(circle.last_seq);
    let room = MAX_MISSING.saturating_sub(token.missing.len());
    for seq in circle.window.missing(through, room) {
        if !token.missing.contains(&seq) {
            token.missing.push(seq);
        }
    }
}

/// A ring's first token.
pub(super) fn first(ring: RingId) -> Token {
    Token {
        ring,
        hop: 1,
        seq: Seq(0),
        aru: Seq(0),
        aru_by: None,
        sent: 0,
        backlog: 0,
        congested: None,
        recovered: 0,
        install: None,
        missing: Vec::new(),
    }
}

/// Whether two lists of members are one and the same.
pub(super) fn same(a: &BTreeSet<NodeId>, b: impl Iterator<Item = NodeId>) -> bool {
    a.iter().copied().eq(b)
}
