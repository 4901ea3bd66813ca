//! Who is alive, who hears whom, and who therefore can be in one ring.
//!
//! Every node says in its probes when it last heard each other node. So each one knows not only
//! whom it hears itself, but when any survivor last heard the silent one: the time at which a node
//! is given up is the same everywhere, and nobody is given up whom a survivor still hears, unless
//! the pairs that do not hear each other leave no ring with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Timing;
use super::types::{Incarnation, Time};
use super::wire::{Heard, Probe};
use crate::group::NodeId;

/// A node that was lost and comes back is taken in at once the first time, later after growing
/// waits, so that a flapping link does not make the ring re-form all the time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// So many refusals are no accident.
const REFUSALS: u32 = 2;
/// Of so many probes several are of full size; if all of these get lost, it is their size.
const FULL_PROBES: u32 = 40;
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// How long after its last loss a node is not taken in.
fn wait(losses: u32) -> Duration {
    match losses {
        0 | 1 => Duration::ZERO,
        n => (FIRST_WAIT * 2u32.saturating_pow(n.min(8) - 2)).min(LONGEST_WAIT),
    }
}

#[derive(Debug, Default)]
struct Peer {
    incarnation: Incarnation,
    /// When that start was first heard.
    begun: Time,
    /// The last packet from it, and the last probe of full size: a path that lets only small
    /// packets through is none.
    heard: Option<Time>,
    heard_full: Option<Time>,
    /// When it last heard each node, as far as its probes tell.
    hears: BTreeMap<NodeId, Time>,
    /// Whom it would have in its ring.
    wants: BTreeSet<NodeId>,
    /// Whose hosts have refused its packets.
    refused_by: BTreeSet<NodeId>,
    members: BTreeSet<NodeId>,
    /// How often it was lost lately, and when last.
    losses: u32,
    lost_at: Time,
    /// Refusals of its host (there is no such process) since it was last heard.
    refusals: u32,
    /// This start of it has left: late packets do not bring it back.
    gone: bool,
    /// It was said to be off, and has not been heard since.
    declared_dead: bool,
}

/// What this node knows about the reachability of all.
#[derive(Debug)]
pub struct Detector {
    me: NodeId,
    timing: Timing,
    peers: BTreeMap<NodeId, Peer>,
}

impl Peer {
    /// When it was last heard; without probes of full size that was at most [`FULL_PROBES`] ago.
    fn last(&self, timing: &Timing) -> Option<Time> {
        Some(self.heard?.min(self.heard_full? + timing.probe * FULL_PROBES))
    }
}

impl Detector {
    /// Knows nothing about anybody.
    pub fn new(me: NodeId, timing: Timing, nodes: &BTreeSet<NodeId>) -> Detector {
        let others = nodes.iter().filter(|node| **node != me);
        Detector { me, timing, peers: others.map(|node| (*node, Peer::default())).collect() }
    }

    /// Judges by other times from now on.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    /// A packet of that start of a node came in. `true`: it was not heard before, or was silent
    /// so long that others should be told at once that it is back.
    pub fn heard(&mut self, node: NodeId, incarnation: Incarnation, now: Time) -> bool {
        let silence = self.timing.dead_after;
        let Some(peer) = self.peers.get_mut(&node) else { return false };
        let back = peer.heard.is_none_or(|heard| now.since(heard) > silence);
        let restarted = peer.incarnation != incarnation;
        if restarted {
            *peer = Peer { incarnation, begun: now, ..Peer::default() };
        }
        if peer.gone {
            return false;
        }
        peer.heard = Some(now);
        peer.refusals = 0;
        peer.declared_dead = false;
        back || restarted
    }

    fn lists(&self, node: NodeId) -> bool {
        node == self.me || self.peers.contains_key(&node)
    }

    /// Takes over what a probe says.
    pub fn report(&mut self, node: NodeId, probe: &Probe, now: Time) {
        let listed: Vec<Heard> =
            probe.heard.iter().copied().filter(|h| self.lists(h.node)).collect();
        let Some(peer) = self.peers.get_mut(&node) else { return };
        for heard in listed.iter().filter(|heard| heard.age < Heard::NEVER) {
            peer.hears.insert(heard.node, now.before(heard.age));
        }
        if probe.padding > 0 {
            peer.heard_full = Some(now);
        }
        peer.wants = listed.iter().filter(|h| h.wanted).map(|h| h.node).collect();
        peer.refused_by = listed.iter().filter(|h| h.refused).map(|h| h.node).collect();
        peer.members.clone_from(&probe.members);
    }

    /// The host of a node says that nothing listens there. Only a hint, since anybody can forge
    /// it: it shortens the silence that all survivors must agree on.
    pub fn refused(&mut self, node: NodeId) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.refusals = peer.refusals.saturating_add(1);
        }
    }

    /// A member left this node's ring by its silence.
    pub fn lost(&mut self, node: NodeId, now: Time) {
        if let Some(peer) = self.peers.get_mut(&node) {
            let forgiven = now.since(peer.lost_at) > FORGIVEN_AFTER;
            peer.losses = if forgiven { 1 } else { peer.losses.saturating_add(1) };
            peer.lost_at = now;
        }
    }

    /// Somebody has made sure that a node is off.
    pub fn declared_dead(&mut self, node: NodeId) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.declared_dead = true;
        }
    }

    /// Whether a node that was said to be off is as silent as that.
    fn silent_as_said(&self, node: NodeId, now: Time) -> bool {
        let said = self.peers.get(&node).filter(|peer| peer.declared_dead);
        let quiet = |heard: Time| now.since(heard) > self.fresh();
        said.is_some_and(|peer| peer.heard.is_none_or(quiet))
    }

    /// A contact this old is one of now: a few probes may get lost.
    fn fresh(&self) -> Duration {
        self.timing.probe * 4
    }

    /// A node left.
    pub fn gone(&mut self, node: NodeId) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.gone = true;
            peer.heard = None;
            peer.hears.clear();
        }
    }

    /// Whether the last start of a node that was heard is over.
    pub fn is_gone(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.gone)
    }

    /// The start of a node that was heard last.
    pub fn incarnation(&self, node: NodeId) -> Incarnation {
        self.peers.get(&node).map_or(Incarnation(0), |peer| peer.incarnation)
    }

    /// Whether a node's packets come in.
    pub fn alive(&self, node: NodeId, now: Time) -> bool {
        node == self.me
            || self.hearing(self.me, node).is_some_and(|t| now.since(t) <= self.timing.dead_after)
    }

    /// Time since the last packet of a node.
    pub fn silence(&self, node: NodeId, now: Time) -> Option<Duration> {
        self.peers.get(&node)?.heard.map(|heard| now.since(heard))
    }

    /// When `by` last heard `node`, as far as known here.
    fn hearing(&self, by: NodeId, node: NodeId) -> Option<Time> {
        if by == self.me {
            return self.peers.get(&node)?.last(&self.timing);
        }
        self.peers.get(&by)?.hears.get(&node).copied()
    }

    /// When two nodes last heard each other, in the worse direction.
    fn contact(&self, a: NodeId, b: NodeId) -> Option<Time> {
        Some(self.hearing(a, b)?.min(self.hearing(b, a)?))
    }

    /// Nodes of `members` that can be in a ring with the others no longer.
    ///
    /// `since` is when a node came under consideration; contacts count from then at the least, and
    /// from when its present start was first heard, so that new acquaintances and members that have
    /// just restarted have time to speak.
    pub fn unreachable(
        &self,
        members: &BTreeSet<NodeId>,
        since: impl Fn(NodeId) -> Time,
        now: Time,
    ) -> BTreeSet<NodeId> {
        let begun = |node: NodeId| self.peers.get(&node).map(|peer| peer.begun).unwrap_or_default();
        let since = |node: NodeId| since(node).max(begun(node));
        let survivors: BTreeSet<NodeId> =
            members.iter().copied().filter(|node| self.alive(*node, now)).collect();
        let mut out: BTreeSet<NodeId> = BTreeSet::new();
        for node in members.iter().filter(|node| **node != self.me) {
            let last = survivors
                .iter()
                .filter(|survivor| *survivor != node)
                .filter_map(|survivor| self.hearing(*survivor, *node))
                .max();
            let last = last.unwrap_or_default().max(since(*node));
            let limit = if self.is_refused(*node, &survivors) {
                self.timing.dead_after / 3
            } else {
                self.timing.dead_after
            };
            if now.since(last) > limit || self.silent_as_said(*node, now) {
                out.insert(*node);
            }
        }
        let rest: BTreeSet<NodeId> = members.difference(&out).copied().collect();
        out.extend(self.outside_of_the_clique(rest, since, now));
        out
    }

    /// Whether the node's host told this node or a survivor that nothing listens there.
    fn is_refused(&self, node: NodeId, survivors: &BTreeSet<NodeId>) -> bool {
        let here = self.peers.get(&node).is_some_and(|peer| peer.refusals >= REFUSALS);
        let there = |by: &NodeId| {
            *by != node && self.peers.get(by).is_some_and(|peer| peer.refused_by.contains(&node))
        };
        here || survivors.iter().any(there)
    }

    /// Takes away, one by one, the node with the most broken pairs (of equals one that nobody
    /// hears now, else the highest) until all hear all. Every member has the same facts and so finds the same.
    fn outside_of_the_clique(
        &self,
        mut rest: BTreeSet<NodeId>,
        since: impl Fn(NodeId) -> Time,
        now: Time,
    ) -> BTreeSet<NodeId> {
        let limit = self.timing.dead_after + self.timing.settle;
        let broken = |a: NodeId, b: NodeId| {
            let last = self.contact(a, b).unwrap_or_default().max(since(a)).max(since(b));
            now.since(last) > limit
        };
        let mut out = BTreeSet::new();
        loop {
            let count =
                |node: NodeId| rest.iter().filter(|o| **o != node && broken(node, **o)).count();
            let quiet = |node: NodeId| {
                let last = rest.iter().filter_map(|by| self.hearing(*by, node)).max();
                last.is_none_or(|last| now.since(last) > self.fresh())
            };
            let worst = rest.iter().map(|node| (count(*node), quiet(*node), *node)).max();
            match worst {
                Some((1.., _, node)) => {
                    rest.remove(&node);
                    out.insert(node);
                }
                _ => break,
            }
        }
        if out.contains(&self.me) {
            // The others form a ring without this node; it keeps whom nothing keeps from it.
            let gone = |node: &NodeId| broken(self.me, *node);
            out.extend(rest.into_iter().filter(gone));
            out.remove(&self.me);
        }
        out
    }

    /// Whether this node would have that one in its ring: they hear each other now, and it is not
    /// one that was lost again and again just now.
    pub fn wants(&self, node: NodeId, now: Time) -> bool {
        let Some(peer) = self.peers.get(&node) else { return false };
        let fresh = |last: Time| now.since(last) <= self.fresh();
        let in_contact = self.contact(self.me, node).is_some_and(fresh);
        in_contact && now.since(peer.lost_at) >= wait(peer.losses)
    }

    /// Whether an opinion of a node outside of the ring is listened to.
    pub fn acceptable(&self, node: NodeId, now: Time) -> bool {
        let waited = |peer: &Peer| now.since(peer.lost_at) >= wait(peer.losses);
        self.alive(node, now) && self.peers.get(&node).is_some_and(waited)
    }

    /// The nodes outside of `members` whose whole rings could be merged with this one now, and
    /// whether nobody of the list would be missing then.
    pub fn candidates(&self, members: &BTreeSet<NodeId>, now: Time) -> (BTreeSet<NodeId>, bool) {
        let mut together = members.clone();
        for (node, peer) in &self.peers {
            if !together.contains(node) && self.mergeable(*node, &together, now) {
                together.insert(*node);
                together.extend(peer.members.iter().filter(|mate| self.alive(**mate, now)));
            }
        }
        let all = self.peers.keys().all(|node| together.contains(node));
        (together.difference(members).copied().collect(), all)
    }

    fn mergeable(&self, node: NodeId, members: &BTreeSet<NodeId>, now: Time) -> bool {
        let Some(peer) = self.peers.get(&node) else { return false };
        if !self.wants(node, now) || !peer.wants.contains(&self.me) {
            return false;
        }
        let fresh = self.timing.dead_after;
        let union: BTreeSet<NodeId> = members.union(&peer.members).copied().collect();
        let reachable =
            |a: NodeId, b: NodeId| self.contact(a, b).is_some_and(|last| now.since(last) <= fresh);
        // Whom nobody hears is on its way out; whom only some hear keeps the rings apart.
        let fresh_at = |by: NodeId, n: NodeId| {
            self.hearing(by, n).is_some_and(|last| now.since(last) <= fresh)
        };
        let heard = |n: &NodeId| {
            self.alive(*n, now) || union.iter().any(|by| self.alive(*by, now) && fresh_at(*by, *n))
        };
        let union: Vec<NodeId> = union.iter().copied().filter(heard).collect();
        union.iter().enumerate().all(|(i, a)| union[i + 1..].iter().all(|b| reachable(*a, *b)))
    }

    /// The list for this node's probe.
    pub fn hearsay(&self, members: &BTreeSet<NodeId>, now: Time) -> Vec<Heard> {
        let entry = |(node, peer): (&NodeId, &Peer)| Heard {
            node: *node,
            age: peer.last(&self.timing).map_or(Heard::NEVER, |last| now.since(last)),
            wanted: !members.contains(node) && self.wants(*node, now),
            refused: peer.refusals >= REFUSALS,
        };
        self.peers.iter().map(entry).collect()
    }
}
