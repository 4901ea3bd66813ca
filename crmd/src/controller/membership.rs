//! Views: coming into step, and what a new membership means for the status.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crm_core::cib::{Element, parse};
use crm_messaging::group::{Departure, NodeId, View};
use crm_messaging::proto::peer::envelope::Body;
use crm_messaging::proto::peer::{Hello, Position, Rejoin, Secret, State};

use super::coordinator::Duty;
use super::join::{Resolution, resolve};
use super::replica::links_from_wire;
use super::status::{self, Standing, milliseconds, property, property_is_on};
use super::wire::{ring_from_wire, ring_to_wire};
use super::{Controller, Effect};

/// How long a cold start without fencing waits for nodes that are missing.
const COLD_START: Duration = Duration::from_millis(1500);
/// The same with fencing, where who is missing gets fenced; `dc-deadtime` overrides it.
const COLD_START_FENCING: Duration = Duration::from_secs(20);
/// How long a partition that gets its quorum back waits for nodes that are still missing before it
/// plans, and before it fences them (design decision 5: damping).
const HEALING: Duration = Duration::from_millis(700);
const FENCE_GRACE: Duration = Duration::from_secs(2);
/// Without fencing, a node without quorum has stopped everything this long after its view.
const LEASE: Duration = Duration::from_millis(500);
/// Messages held while coming into step; more than this and the peers are not sane.
const MAX_HELD: usize = 100_000;

/// Where this member is on the way into step.
#[derive(Debug)]
pub(super) enum Phase {
    /// No view yet.
    Waiting,
    /// Collecting where everyone stands.
    Hellos(BTreeMap<NodeId, Hello>),
    /// The replicas differ; waiting for the holder's, and for what the takers know.
    Exchange(Box<Exchange>),
    /// In step.
    InStep,
    /// Refused: this member's history is forked.
    Refused,
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {
    hellos: BTreeMap<NodeId, Hello>,
    resolution: Resolution,
    state: Option<State>,
    rejoined: BTreeMap<NodeId, Element>,
    /// What the takers told.
    secrets: Vec<Secret>,
}

impl Controller {
    pub(super) fn on_view(&mut self, view: View) {
        self.announce(&view);
        for (node, how) in &view.departed {
            match how {
                Departure::Left => self.left.insert(*node),
                Departure::Lost => self.left.remove(node),
            };
            self.stored.remove(node);
            let name = self.name_of(*node);
            self.damping.forget(&name);
        }
        let came_alone = view.joined.iter().all(|n| *n == self.settings.local);
        let step = matches!(self.phase, Phase::InStep) && came_alone;
        if !matches!(self.phase, Phase::InStep | Phase::Refused) && self.position.is_some() {
            // The exchange was interrupted; what was delivered in it counts for those who share it.
            let held = std::mem::take(&mut self.held);
            held.into_iter().for_each(|(from, body)| self.deliver(from, body));
        }
        self.held.clear();
        self.note_back(&view.joined);
        self.note_grace(&view);
        self.view = Some(view);
        if step {
            let left = std::mem::take(&mut self.left);
            let coordinator = self.next_coordinator();
            // Nobody has started afresh: who was away is on its way.
            let going = self.settings.nodes.keys().copied().collect();
            self.settle(&left, &going, coordinator, false);
        } else {
            self.phase = Phase::Hellos(BTreeMap::new());
            self.lay_down_duty();
            self.send_hello();
        }
    }

    fn announce(&mut self, view: &View) {
        for (node, how) in &view.departed {
            let name = self.name_of(*node);
            let text = match how {
                Departure::Left => format!("{name} has left"),
                Departure::Lost => format!("contact with {name} is lost"),
            };
            self.tell("membership", &name, "", text, *how == Departure::Lost);
            self.alert_node(*node, "lost");
        }
        for node in &view.joined {
            let name = self.name_of(*node);
            self.event("membership", &name, "", format!("{name} is in the ring"));
            self.alert_node(*node, "member");
        }
        if self.view.as_ref().map(|v| v.quorate) != Some(view.quorate) {
            let word = if view.quorate { "this partition has quorum" } else { "no quorum" };
            let text = format!("{word} ({} of {} votes)", view.votes, view.expected_votes);
            // A node that starts has had none to lose.
            let lost = !view.quorate && self.view.is_some();
            self.tell("quorum", "", "", text, lost);
        }
    }

    fn send_hello(&mut self) {
        let hello = Hello {
            ring: Some(ring_to_wire(self.ring())),
            name: self.name_of(self.settings.local),
            incarnation: self.settings.incarnation.clone(),
            boot: self.settings.boot.clone(),
            position: self
                .position
                .map(|(ring, applied)| Position { ring: Some(ring_to_wire(ring)), applied }),
            last_quorate: self.last_quorate,
            links: self.replica.links_to_wire(),
            coordinator: self.coordinator.map_or(0, |n| n.0),
            left: self.left.iter().map(|n| n.0).collect(),
            storage_ok: self.storage_error.is_none(),
            daemon_version: self.settings.version.clone(),
            leaving: self.stopping || self.comes_back.is_some(),
        };
        self.send(Body::Hello(hello));
    }

    /// Handles the messages by which members come into step; false if `body` is none.
    pub(super) fn on_join_message(&mut self, from: NodeId, body: &Body) -> bool {
        let ring = match body {
            Body::Hello(h) => h.ring.as_ref(),
            Body::State(s) => s.ring.as_ref(),
            Body::Rejoin(r) => r.ring.as_ref(),
            _ => return false,
        };
        if ring_from_wire(ring) != self.ring() {
            return true;
        }
        match (body, &mut self.phase) {
            (Body::Hello(hello), Phase::Hellos(hellos)) => {
                hellos.insert(from, hello.clone());
                self.check_hellos();
            }
            (Body::State(state), Phase::Exchange(e))
                if e.resolution.holders.first() == Some(&from) =>
            {
                e.state = Some(state.clone());
                self.check_exchange();
            }
            (Body::Rejoin(rejoin), Phase::Exchange(e)) if e.resolution.takers.contains(&from) => {
                let state =
                    parse(&rejoin.node_state).unwrap_or_else(|_| Element::new("node_state"));
                e.rejoined.insert(from, state);
                e.secrets.extend(rejoin.secrets.iter().cloned());
                self.check_exchange();
            }
            _ => {}
        }
        true
    }

    fn check_hellos(&mut self) {
        let Phase::Hellos(hellos) = &mut self.phase else { return };
        let members = self.view.as_ref().map(|v| v.members.clone()).unwrap_or_default();
        if !members.iter().all(|m| hellos.contains_key(m)) {
            return;
        }
        let hellos = std::mem::take(hellos);
        let resolution = resolve(&hellos);
        let local = self.settings.local;
        self.refused = resolution.refused.clone();
        self.diskless = hellos.iter().filter(|(_, h)| !h.storage_ok).map(|(&n, _)| n).collect();
        if resolution.refused.contains(&local) {
            self.phase = Phase::Refused;
            self.coordinator = resolution.coordinator;
            return;
        }
        if resolution.holders.first() == Some(&local) && !resolution.takers.is_empty() {
            let state = State {
                ring: Some(ring_to_wire(self.ring())),
                cib: self.replica.cib().to_string(),
                chain: self.replica.chain().0.to_vec().into(),
                links: self.replica.links_to_wire(),
                secrets: self.vault.to_wire(),
            };
            self.send(Body::State(state));
        }
        if resolution.takers.contains(&local) {
            let own = status::node_state(self.replica.cib(), local);
            let node_state = match (own, self.position) {
                (Some(state), Some(_)) => state.to_string(),
                _ => String::new(),
            };
            let ring = Some(ring_to_wire(self.ring()));
            let secrets = self.vault.to_wire();
            self.send(Body::Rejoin(Rejoin { ring, node_state, secrets }));
        }
        self.phase = Phase::Exchange(Box::new(Exchange {
            hellos,
            resolution,
            state: None,
            rejoined: BTreeMap::new(),
            secrets: Vec::new(),
        }));
        self.check_exchange();
    }

    fn check_exchange(&mut self) {
        let Phase::Exchange(e) = &self.phase else { return };
        let complete = e.resolution.takers.is_empty()
            || (e.state.is_some()
                && e.resolution.takers.iter().all(|t| e.rejoined.contains_key(t)));
        if !complete {
            return;
        }
        let Phase::Exchange(e) = std::mem::replace(&mut self.phase, Phase::Waiting) else { return };
        let taker = e.resolution.takers.contains(&self.settings.local);
        let before = (self.replica.version().configuration(), self.replica.chain());
        if let (Some(state), true) = (&e.state, taker) {
            if let Err(error) = self.replica.adopt(state) {
                // The holder wrote it, so this is damage on the way that the ring did not see.
                self.out.push(Effect::Warn(format!("the cluster's CIB cannot be read: {error}")));
                self.phase = Phase::Refused;
                return;
            }
            let now = (self.replica.version().configuration(), self.replica.chain());
            if now == before && self.storage_error.is_none() {
                // What was on this disk was the cluster's already.
                self.on_stored(Ok(now.0));
            } else {
                self.out.push(Effect::Snapshot);
            }
        }
        for hello in e.resolution.holders.iter().filter_map(|h| e.hellos.get(h)) {
            self.last_quorate = self.last_quorate.max(hello.last_quorate);
        }
        for (&node, hello) in &e.hellos {
            if let Some((version, _)) = links_from_wire(&hello.links).next()
                && !e.resolution.takers.contains(&node)
            {
                self.stored.insert(node, version);
            }
        }
        self.take_own_knowledge(&e.rejoined, &e.hellos);
        e.state.iter().for_each(|state| self.take_secrets(&state.secrets));
        self.take_secrets(&e.secrets);
        let left = e
            .resolution
            .holders
            .iter()
            .filter_map(|h| e.hellos.get(h))
            .flat_map(|h| h.left.iter().map(|&n| NodeId(n)))
            .collect();
        self.left.clear();
        let going = e.hellos.iter().filter(|(_, h)| h.leaving).map(|(&n, _)| n).collect();
        self.settle(&left, &going, e.resolution.coordinator, e.resolution.cold);
    }

    /// A node is the authority on its own operation history and transient attributes: those of a
    /// member that comes from elsewhere replace what was known of it. A daemon that has just
    /// started knows nothing, so that its node is probed.
    fn take_own_knowledge(
        &mut self,
        rejoined: &BTreeMap<NodeId, Element>,
        hellos: &BTreeMap<NodeId, Hello>,
    ) {
        let names: BTreeMap<NodeId, String> =
            hellos.keys().map(|&n| (n, self.name_of(n))).collect();
        let fresh = |n: &NodeId| hellos.get(n).is_some_and(|h| h.position.is_none());
        self.replica.update_status(|cib| {
            for (node, hello) in hellos {
                if fresh(node) {
                    status::start_afresh(cib, *node, &names[node], &hello.boot);
                }
                status::set_boot(cib, *node, &names[node], &hello.boot);
            }
            for (&node, known) in rejoined.iter().filter(|(n, _)| !fresh(n)) {
                let own = |c: &Element| matches!(c.name(), "lrm" | "transient_attributes");
                let state = status::node_state_mut(cib, node, &names[&node]);
                state.retain(|c| !own(c));
                known.children().filter(|c| own(c)).for_each(|c| state.push(c.clone()));
            }
        });
    }

    /// The coordinator of a view that nobody joined: the old one, or the lowest that can.
    fn next_coordinator(&self) -> Option<NodeId> {
        let members = &self.view.as_ref()?.members;
        if let Some(old) = self.coordinator.filter(|c| members.contains(c)) {
            return Some(old);
        }
        let mut able = members.iter().filter(|m| !self.refused.contains(m));
        let fit = |m: &&NodeId| {
            let cib = self.replica.cib();
            !self.diskless.contains(m)
                && !status::is_shutting_down(cib, **m)
                && status::standing(cib, **m) != Some(Standing::Away)
        };
        able.clone().find(fit).or_else(|| able.next()).copied()
    }

    /// In step from here on: the status follows the view, and the coordinator starts afresh.
    /// `going`: whose daemon is the one that said that it ends, if it did.
    fn settle(
        &mut self,
        left: &BTreeSet<NodeId>,
        going: &BTreeSet<NodeId>,
        coordinator: Option<NodeId>,
        cold: bool,
    ) {
        let Some(view) = self.view.clone() else { return };
        let was_quorate = std::mem::replace(&mut self.quorate, view.quorate);
        self.write_membership(&view, left, going, coordinator);
        if self.coordinator != coordinator
            && let Some(dc) = coordinator
        {
            let name = self.name_of(dc);
            self.event("dc", &name, "", format!("{name} coordinates"));
        }
        self.coordinator = coordinator;
        self.position = Some((view.ring, 0));
        if view.quorate {
            self.last_quorate = view.ring.seq;
        }
        self.note_holds(&view, was_quorate, cold);
        self.note_lease(was_quorate, view.quorate);
        self.phase = Phase::InStep;
        self.cold = cold;
        self.lay_down_duty();
        self.duty = self.is_coordinator().then(|| Duty::new("the membership has changed"));
        self.take_up_jobs();
        let held = std::mem::take(&mut self.held);
        held.into_iter().for_each(|(from, body)| self.deliver(from, body));
        self.ask_again();
        self.testify();
        if self.stopping && !status::is_shutting_down(self.replica.cib(), self.settings.local) {
            self.ask_for_shutdown();
        }
        self.announce_restart();
    }

    fn write_membership(
        &mut self,
        view: &View,
        left: &BTreeSet<NodeId>,
        going: &BTreeSet<NodeId>,
        coordinator: Option<NodeId>,
    ) {
        let nodes = self.settings.nodes.clone();
        let refused = &self.refused;
        let fencing = property_is_on(self.replica.cib(), "stonith-enabled", true);
        let gone = if view.quorate && !fencing { Standing::Leased } else { Standing::Lost };
        self.replica.update_status(|cib| {
            cib.set_attr("have-quorum", if view.quorate { "1" } else { "0" });
            match coordinator {
                Some(dc) => cib.set_attr("dc-uuid", dc.to_string()),
                None => {
                    cib.remove_attr("dc-uuid");
                }
            }
            for (&node, name) in &nodes {
                let now = match status::standing(cib, node) {
                    _ if refused.contains(&node) => Standing::Pending,
                    Some(Standing::Away) if going.contains(&node) => continue,
                    _ if view.members.contains(&node) => Standing::Member,
                    Some(Standing::Member | Standing::Pending) if left.contains(&node) => {
                        Standing::Left
                    }
                    Some(Standing::Member) => gone,
                    Some(Standing::Pending) => Standing::Lost,
                    Some(Standing::Leased) if !view.quorate => Standing::Lost,
                    _ => continue,
                };
                status::set_standing(cib, node, name, now);
            }
        });
    }

    fn note_grace(&mut self, view: &View) {
        let before = self.view.as_ref();
        if view.quorate && !before.is_some_and(|v| v.quorate) {
            let was_here = |n: &NodeId| before.is_some_and(|v| v.members.contains(n));
            let is_away = |n: &&NodeId| !was_here(n) && !view.members.contains(n);
            let away = self.settings.nodes.keys().filter(is_away).copied().collect();
            self.grace = Some((self.now.mono + FENCE_GRACE, away));
        } else if let Some((_, away)) = &mut self.grace {
            // Who has come back and goes again is lost like anybody else.
            away.retain(|n| !view.members.contains(n));
        }
    }

    fn note_holds(&mut self, view: &View, was_quorate: bool, cold: bool) {
        if cold {
            let cib = self.replica.cib();
            let configured = property(cib, "dc-deadtime").and_then(milliseconds);
            let wait = match configured {
                Some(ms) => Duration::from_millis(ms),
                None if property_is_on(cib, "stonith-enabled", true)
                    && property_is_on(cib, "startup-fencing", true)
                    && has_resources(cib) =>
                {
                    COLD_START_FENCING
                }
                None => COLD_START,
            };
            self.hold_until = Some(self.now.mono + wait);
        }
        if view.quorate && !was_quorate && !cold {
            // Cables come back one after the other: who is missing may be a moment behind.
            self.hold_until = Some(self.now.mono + HEALING);
        }
        if self.settings.nodes.keys().all(|n| view.members.contains(n)) {
            self.hold_until = None;
        }
    }

    /// Without fencing, losing quorum starts the lease; having it again ends it.
    fn note_lease(&mut self, was_quorate: bool, quorate: bool) {
        let cib = self.replica.cib();
        let fencing = property_is_on(cib, "stonith-enabled", true);
        let ignore = property(cib, "no-quorum-policy") == Some("ignore");
        if quorate {
            self.lease_end = None;
            self.lease_overrun = false;
        } else if was_quorate && !fencing && !ignore {
            self.lease_end = Some(self.now.mono + LEASE);
        }
    }

    /// The lease is over and agents still run: they are killed, and that is shown.
    pub(super) fn check_lease(&mut self) {
        let over = self.lease_end.is_some_and(|end| self.now.mono >= end);
        if over && !self.lease_overrun && self.is_busy() {
            self.lease_overrun = true;
            self.out.push(Effect::KillAll);
            let node = self.name_of(self.settings.local);
            let text = "resources were not stopped within the lease; their agents were killed";
            self.tell("quorum", &node, "", text.into(), true);
        }
    }

    /// Takes a message: at once, or later if not in step.
    pub(super) fn on_message(&mut self, from: NodeId, body: Body) {
        if self.on_join_message(from, &body) {
            return;
        }
        match self.phase {
            Phase::InStep => self.deliver(from, body),
            Phase::Refused => {}
            Phase::Waiting | Phase::Hellos(_) | Phase::Exchange(_) => {
                if self.held.len() < MAX_HELD {
                    self.held.push((from, body));
                }
            }
        }
    }
}

fn has_resources(cib: &Element) -> bool {
    cib.at(&["configuration", "resources"]).is_some_and(|r| r.children().next().is_some())
}
