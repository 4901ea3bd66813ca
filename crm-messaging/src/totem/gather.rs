//! Finding an agreement: everybody says whom it considers and whom it will not have, until all
//! that are left say the same.

use std::collections::{BTreeMap, BTreeSet};

use super::recovery::Forming;
use super::ring::{Ring, State};
use super::token::same;
use super::types::{Incarnation, Target, Time};
use super::wire::{Commit, CommitEntry, Filled, Join, Packet};
use crate::group::{NodeId, RingId};

/// The state of a node that looks for an agreement.
#[derive(Debug)]
pub(super) struct Gather {
    /// Everybody under consideration, this node included.
    pub(super) procs: BTreeSet<NodeId>,
    /// Of `procs`, whom this node will not have.
    pub(super) failed: BTreeSet<NodeId>,
    /// The newest opinion of each other.
    joins: BTreeMap<NodeId, Join>,
    pub(super) since: Time,
    pub(super) resend_at: Time,
    /// When those who have not come to agree are left out; once all agree, when the agreement
    /// must have come round.
    pub(super) deadline: Time,
    agreed: bool,
}

impl Gather {
    fn active(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.procs.difference(&self.failed).copied()
    }

    fn agrees(&self, node: NodeId) -> bool {
        let same = |join: &Join| join.procs == self.procs && join.failed == self.failed;
        self.joins.get(&node).is_some_and(same)
    }
}

impl Ring {
    /// Begins to look for a new agreement, from the installed ring's members and `more`.
    pub(super) fn gather(
        &mut self,
        more: BTreeSet<NodeId>,
        mut failed: BTreeSet<NodeId>,
        now: Time,
    ) {
        self.counters.gathers += 1;
        let mut procs = more;
        procs.extend(&self.circle.members);
        procs.insert(self.config.me);
        procs.retain(|node| self.config.nodes.contains(node));
        // Who left or is known to be off takes no part, whoever still names it.
        failed.extend(procs.iter().filter(|node| self.detector.is_gone(**node)));
        failed.remove(&self.config.me);
        failed.retain(|node| procs.contains(node));
        self.circle.held = None;
        self.circle.resend = None;
        self.state = State::Gather(Gather {
            procs,
            failed,
            joins: BTreeMap::new(),
            since: now,
            resend_at: now,
            deadline: now + self.config.timing.consensus,
            agreed: false,
        });
        self.state_opinion(now);
    }

    /// Tells everybody this node's opinion after it has changed.
    pub(super) fn state_opinion(&mut self, now: Time) {
        self.attempt += 1;
        if let State::Gather(gather) = &mut self.state {
            gather.agreed = false;
            gather.failed.remove(&self.config.me);
        }
        self.send_opinion(now);
        self.check_agreement(now);
    }

    fn send_opinion(&mut self, now: Time) {
        let State::Gather(gather) = &mut self.state else { return };
        gather.resend_at = now + self.config.timing.join;
        let join = Join {
            attempt: self.attempt,
            ring_seq: self.max_ring,
            leaving: false,
            procs: gather.procs.clone(),
            failed: gather.failed.clone(),
        };
        self.send(Target::All, &Packet::Join(join));
    }

    /// The last opinion of a node that goes: without itself.
    pub(super) fn farewell(&self) -> Packet {
        let me = self.config.me;
        Packet::Join(Join {
            attempt: self.attempt + 1,
            ring_seq: self.max_ring,
            leaving: true,
            procs: self.circle.members.clone(),
            failed: BTreeSet::from([me]),
        })
    }

    pub(super) fn on_join(
        &mut self,
        from: NodeId,
        incarnation: Incarnation,
        join: Join,
        now: Time,
    ) {
        let me = self.config.me;
        let seen = self.attempts.get(&from).filter(|(start, _)| *start == incarnation);
        let seen = seen.map_or(0, |(_, attempt)| *attempt);
        // In an agreement an opinion that was seen before is only a late copy.
        let gathering = matches!(self.state, State::Gather(_));
        if join.attempt < seen || (join.attempt == seen && !gathering) {
            return;
        }
        let operational = matches!(self.state, State::Operational);
        let stranger = operational && !self.circle.members.contains(&from);
        if stranger && !join.leaving && !self.detector.acceptable(from, now) {
            // Not noted as seen: a copy of it counts as soon as the sender is heard well enough.
            return;
        }
        self.attempts.insert(from, (incarnation, join.attempt));
        if join.leaving {
            self.on_farewell(from, now);
            return;
        }
        let excluded = join.failed.contains(&me);
        match &self.state {
            State::Gather(_) => self.merge_opinion(from, join, now),
            State::Operational => {
                let member = self.circle.members.contains(&from);
                let same_start = self.incarnations.get(&from) == Some(&incarnation);
                if member && same_start {
                    // Said before the sender came into this ring.
                    if join.ring_seq < self.circle.id.seq {
                        return;
                    }
                    let failed = if excluded { BTreeSet::from([from]) } else { BTreeSet::new() };
                    self.gather(BTreeSet::new(), failed, now);
                    self.merge_opinion(from, join, now);
                } else if !excluded {
                    self.gather(BTreeSet::from([from]), BTreeSet::new(), now);
                    self.merge_opinion(from, join, now);
                }
            }
            State::Commit(forming) if forming.members().contains(&from) => {
                let members = forming.members();
                self.rethink(from, members, excluded, join, now);
            }
            State::Recovery(recovery) if recovery.circle.members.contains(&from) => {
                if join.ring_seq >= recovery.circle.id.seq {
                    let members = recovery.circle.members.clone();
                    self.rethink(from, members, excluded, join, now);
                }
            }
            State::Commit(_) | State::Recovery(_) => {}
        }
    }

    /// A partner of the agreement has begun anew.
    fn rethink(
        &mut self,
        from: NodeId,
        members: BTreeSet<NodeId>,
        excluded: bool,
        join: Join,
        now: Time,
    ) {
        let failed = if excluded { BTreeSet::from([from]) } else { BTreeSet::new() };
        self.gather(members, failed, now);
        self.merge_opinion(from, join, now);
    }

    fn on_farewell(&mut self, from: NodeId, now: Time) {
        self.detector.gone(from);
        self.left.insert(from);
        let failed = BTreeSet::from([from]);
        match &mut self.state {
            State::Gather(gather) => {
                if gather.procs.contains(&from) && gather.failed.insert(from) {
                    self.state_opinion(now);
                }
            }
            State::Operational if !self.circle.members.contains(&from) => {}
            State::Operational => self.gather(BTreeSet::new(), failed, now),
            State::Commit(forming) => {
                let members = forming.members();
                self.gather(members, failed, now);
            }
            State::Recovery(recovery) => {
                let members = recovery.circle.members.clone();
                self.gather(members, failed, now);
            }
        }
    }

    /// Takes another's opinion into account.
    fn merge_opinion(&mut self, from: NodeId, join: Join, now: Time) {
        let me = self.config.me;
        let nodes = &self.config.nodes;
        let State::Gather(gather) = &mut self.state else { return };
        if gather.failed.contains(&from) {
            return;
        }
        let before = (gather.procs.len(), gather.failed.len());
        gather.procs.insert(from);
        if join.failed.contains(&me) {
            // It will not have this node, so this node cannot have it.
            gather.failed.insert(from);
        } else {
            let listed = |node: &&NodeId| nodes.contains(node);
            gather.procs.extend(join.procs.iter().filter(listed));
            gather.failed.extend(join.failed.iter().filter(listed));
            gather.joins.insert(from, join);
        }
        if (gather.procs.len(), gather.failed.len()) == before {
            self.check_agreement(now);
        } else {
            self.state_opinion(now);
        }
    }

    pub(super) fn tick_gather(&mut self, now: Time) {
        let State::Gather(gather) = &mut self.state else { return };
        if now >= gather.deadline {
            if gather.agreed {
                // Agreed, but the agreement did not come round: once more, with everybody.
                let procs = gather.procs.clone();
                let failed = gather.failed.clone();
                self.gather(procs, failed, now);
                return;
            }
            let me = self.config.me;
            let silent: Vec<NodeId> =
                gather.active().filter(|node| *node != me && !gather.agrees(*node)).collect();
            gather.failed.extend(silent);
            gather.deadline = now + self.config.timing.consensus;
            self.state_opinion(now);
        } else if now >= gather.resend_at {
            self.send_opinion(now);
        }
    }

    /// If all agree, forms the ring, or waits for the lowest member to do so.
    pub(super) fn check_agreement(&mut self, now: Time) {
        let me = self.config.me;
        let State::Gather(gather) = &mut self.state else { return };
        if !gather.active().all(|node| node == me || gather.agrees(node)) {
            return;
        }
        let members: BTreeSet<NodeId> = gather.active().collect();
        if !gather.agreed {
            gather.agreed = true;
            gather.deadline = now + self.config.timing.token;
        }
        if members.first() != Some(&me) {
            return;
        }
        let joined = gather.joins.values().map(|join| join.ring_seq).max().unwrap_or(0);
        let seq = joined.max(self.max_ring) + 1;
        if !self.may_use(seq) {
            return;
        }
        self.max_ring = seq;
        let ring = RingId { seq, representative: me };
        let entries = members.iter().map(|node| CommitEntry { node: *node, filled: None });
        let mut commit = Commit { ring, hop: 0, entries: entries.collect() };
        self.fill(&mut commit);
        if members.len() == 1 {
            self.recover(commit, now);
        } else {
            self.state = State::Commit(Forming::new(now));
            self.pass_commit(commit, now);
        }
    }

    /// The agreement has come to this node while it gathers.
    pub(super) fn accept_commit(&mut self, mut commit: Commit, now: Time) {
        let me = self.config.me;
        let State::Gather(gather) = &self.state else { return };
        let members: BTreeSet<NodeId> = gather.active().collect();
        let mine = commit.entries.iter().find(|entry| entry.node == me);
        let open = mine.is_some_and(|entry| entry.filled.is_none());
        let lowest =
            commit.entries.first().is_some_and(|entry| entry.node == commit.ring.representative);
        if !open || !lowest || !same(&members, commit.entries.iter().map(|entry| entry.node)) {
            return;
        }
        // The sender repeats it, should this be only a matter of the disk.
        if commit.ring.seq <= self.max_ring || !self.may_use(commit.ring.seq) {
            return;
        }
        self.max_ring = commit.ring.seq;
        self.fill(&mut commit);
        self.state = State::Commit(Forming::new(now));
        self.pass_commit(commit, now);
    }

    /// Writes down what this node has, which must not change from here on.
    fn fill(&self, commit: &mut Commit) {
        let filled = Filled {
            incarnation: self.config.incarnation,
            old_ring: self.circle.id,
            aru: self.circle.window.aru(),
            high: self.circle.window.high(),
            window: self.config.window,
            ballot: self.ballot(),
        };
        let mine = commit.entries.iter_mut().find(|entry| entry.node == self.config.me);
        if let Some(entry) = mine {
            entry.filled = Some(filled);
        }
    }
}
