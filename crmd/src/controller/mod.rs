//! The controller: one state machine that holds the replica, comes into step with others, carries
//! out the coordinator's orders and, on one member, is the coordinator.
//!
//! Inputs: views and messages of the ring in their order, results of agents and of the disk,
//! requests of local clients, plans of the scheduler, and the time. Outputs: a list of
//! [`Effect`]s. No I/O, no clock, no randomness.
//!
//! Invariants: members in step that have applied the same messages have equal documents (C3); only
//! the coordinator of the current ring gives orders, and orders of another ring are refused (D1);
//! a start is ordered only by a plan made after the fencing it needed was confirmed (R2).

mod alerts;
mod clients;
mod coordinator;
mod damping;
mod deliver;
mod devices;
mod effects;
mod fencing;
pub mod history;
mod inquiry;
pub mod join;
mod local;
mod membership;
pub mod replica;
mod report;
mod secrets;
#[cfg(test)]
mod simulation;
pub mod status;
#[cfg(test)]
mod tests;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crm_core::cib::Version;
use crm_messaging::group::{NodeId, RingId, View};
use crm_messaging::proto::peer::envelope::Body;

pub use alerts::AlertNews;
use clients::Waiting;
pub use clients::{Request, RequestId};
use coordinator::Duty;
use damping::Damping;
pub use effects::{Effect, FenceTask, FenceVerdict, Input, Now, Planned, Refusal, Reply, Series};
use fencing::Witnessed;
use local::Local;
use membership::Phase;
use replica::Replica;
use secrets::Vault;

/// Who this member is, and whom it may meet.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster's name.
    pub cluster_name: String,
    /// This node.
    pub local: NodeId,
    /// Every node of the node list.
    pub nodes: BTreeMap<NodeId, String>,
    /// Identifies this start of the daemon, as a UUID of 36 characters.
    pub incarnation: String,
    /// The kernel's boot id.
    pub boot: String,
    /// Version of the daemon.
    pub version: String,
    /// Number of the newest transition input that this node has kept.
    pub last_input: u64,
}

/// The state machine.
#[derive(Debug)]
pub struct Controller {
    settings: Settings,
    replica: Replica,
    view: Option<View>,
    phase: Phase,
    /// Messages delivered while not in step; executed when in step again.
    held: Vec<(NodeId, Body)>,
    /// Ring of the last time in step, and messages applied since. None: never in step.
    position: Option<(RingId, u64)>,
    /// Whether the ring of `position` had quorum.
    quorate: bool,
    /// Sequence number of the last ring in step with quorum.
    last_quorate: u64,
    coordinator: Option<NodeId>,
    /// Members that take no part because their history is forked.
    refused: BTreeSet<NodeId>,
    /// Members whose disk does not take commits.
    diskless: BTreeSet<NodeId>,
    /// Members that left cleanly since this one was last in step.
    left: BTreeSet<NodeId>,
    /// The newest configuration each member has on disk.
    stored: BTreeMap<NodeId, Version>,
    storage_error: Option<String>,
    /// When a disk that refused is tried again.
    storage_retry: Option<Duration>,
    local: Local,
    damping: Damping,
    vault: Vault,
    duty: Option<Duty>,
    /// Fencing orders that were given and not yet recorded as done or failed.
    witnessed: BTreeMap<(NodeId, u64), Witnessed>,
    /// Jobs of this coordinator that go on while it agrees with new members.
    at_work: Vec<fencing::Job>,
    /// No member had been in step with others before this time: the cluster has just started.
    cold: bool,
    /// Number of the newest transition: none is used twice while anybody remembers it.
    transitions: u64,
    /// Number of the newest plan of this process.
    plans: u64,
    fence_jobs: u64,
    waiting: BTreeMap<u64, Waiting>,
    requests: u64,
    /// Not before this time is anything planned: a cold start waits for stragglers.
    hold_until: Option<Duration>,
    /// Nodes that were away already when this partition got its quorum: they may be about to come
    /// back, and are not fenced before this time.
    grace: Option<(Duration, BTreeSet<NodeId>)>,
    /// A clean stop has been asked for.
    stopping: bool,
    /// A restart has been asked for: the daemon ends, and comes back within this time.
    comes_back: Option<Duration>,
    /// The others know it.
    away: bool,
    left_ring: bool,
    /// Without fencing: when this node, without quorum, must have stopped everything.
    lease_end: Option<Duration>,
    lease_overrun: bool,
    now: Now,
    out: Vec<Effect>,
}

impl Controller {
    /// A controller that has what was on disk, and is alone.
    pub fn new(settings: Settings, replica: Replica) -> Controller {
        Controller {
            transitions: settings.last_input,
            settings,
            replica,
            view: None,
            phase: Phase::Waiting,
            held: Vec::new(),
            position: None,
            quorate: false,
            last_quorate: 0,
            coordinator: None,
            refused: BTreeSet::new(),
            diskless: BTreeSet::new(),
            left: BTreeSet::new(),
            stored: BTreeMap::new(),
            storage_error: None,
            storage_retry: None,
            local: Local::default(),
            vault: Vault::default(),
            damping: Damping::default(),
            duty: None,
            witnessed: BTreeMap::new(),
            at_work: Vec::new(),
            cold: false,
            plans: 0,
            fence_jobs: 0,
            waiting: BTreeMap::new(),
            requests: 0,
            hold_until: None,
            grace: None,
            stopping: false,
            comes_back: None,
            away: false,
            left_ring: false,
            lease_end: None,
            lease_overrun: false,
            now: Now::default(),
            out: Vec::new(),
        }
    }

    /// Takes one input and returns what is to be done, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Effect> {
        self.now = now;
        match input {
            Input::View(view) => self.on_view(view),
            Input::Message { from, data } => {
                if let Some(body) = wire::decode(data) {
                    self.on_message(from, body);
                }
            }
            Input::Operation(result) => self.on_operation(&result),
            Input::Client { id, request } => self.on_request(id, request),
            Input::Stored(result) => self.on_stored(result),
            Input::Planned(planned) => self.on_planned(planned),
            Input::FenceDone { job, device, verdict } => self.on_fence_done(job, device, verdict),
            Input::Found(finding) => self.on_found(*finding),
            Input::Stop => self.on_stop(),
            Input::Restart { within } => self.on_restart(within),
            Input::Tick => {}
        }
        self.check_lease();
        self.retry_disk();
        self.settle_attributes();
        self.settle_inquiries();
        self.coordinate();
        if self.away && !self.is_busy() {
            self.leave();
        }
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Tick`] is wanted, if nothing else comes before.
    pub fn wake_at(&self) -> Option<Duration> {
        let lease = self.lease_end.filter(|_| !self.lease_overrun && self.is_busy());
        let duty = self.duty.as_ref().and_then(|d| d.wake_at(self.hold_until));
        let damping = self.damping.wake_at().filter(|_| self.is_in_step());
        let inquiries = self.inquiries_wake_at();
        [duty, lease, self.storage_retry, damping, inquiries].into_iter().flatten().min()
    }

    /// The replicated document.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Whether this member is in step with the others of its view.
    pub fn is_in_step(&self) -> bool {
        matches!(self.phase, Phase::InStep)
    }

    /// The coordinator, as far as this member knows.
    pub fn coordinator(&self) -> Option<NodeId> {
        self.coordinator
    }

    fn ring(&self) -> RingId {
        self.view.as_ref().map_or(RingId { seq: 0, representative: NodeId(0) }, |v| v.ring)
    }

    fn name_of(&self, node: NodeId) -> String {
        self.settings.nodes.get(&node).cloned().unwrap_or_else(|| format!("node{node}"))
    }

    fn node_named(&self, name: &str) -> Option<NodeId> {
        let by_name = self.settings.nodes.iter().find(|(_, n)| *n == name).map(|(&id, _)| id);
        by_name.or_else(|| {
            let id = NodeId(name.parse().ok()?);
            self.settings.nodes.contains_key(&id).then_some(id)
        })
    }

    fn is_coordinator(&self) -> bool {
        self.coordinator == Some(self.settings.local)
    }

    fn send(&mut self, body: Body) {
        self.out.push(Effect::Send(wire::encode(body)));
    }

    fn event(&mut self, kind: &'static str, node: &str, resource: &str, text: String) {
        self.tell(kind, node, resource, text, false);
    }

    /// As [`Controller::event`], for what may have failed.
    fn tell(&mut self, kind: &'static str, node: &str, resource: &str, text: String, bad: bool) {
        let (node, resource) = (node.to_string(), resource.to_string());
        self.out.push(Effect::Event { kind, node, resource, text, failed: bad, step: None });
    }

    fn on_stop(&mut self) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        self.event("membership", "", "", "clean stop requested".into());
        match self.phase {
            Phase::InStep => self.ask_for_shutdown(),
            // Nothing has been ordered from this node, so there is nothing to move.
            _ if !self.is_active() => self.leave(),
            _ => {}
        }
    }

    /// The daemon is to end and to come back, for example in a newer version: nothing is moved
    /// away, and nothing is fenced as long as it comes back in time.
    fn on_restart(&mut self, within: Duration) {
        if self.stopping || self.comes_back.is_some() {
            return;
        }
        self.comes_back = Some(within);
        self.event("membership", "", "", "restart requested".into());
        match self.phase {
            Phase::InStep => self.announce_restart(),
            Phase::Refused => self.leave(),
            // Announced when in step.
            _ => {}
        }
    }

    fn announce_restart(&mut self) {
        let Some(within) = self.comes_back else { return };
        self.send(Body::Away(crm_messaging::proto::peer::Away { seconds: within.as_secs() }));
    }

    /// Tells the cluster that this node wants to stop; the plan moves its resources away and ends
    /// with an order to leave.
    fn ask_for_shutdown(&mut self) {
        let change = crm_messaging::proto::peer::AttributeChange {
            request: 0,
            node: self.name_of(self.settings.local),
            name: "shutdown".into(),
            value: Some((self.now.wall_ms / 1000).to_string()),
            ..Default::default()
        };
        self.send(Body::Attribute(change));
    }

    /// Everything has been handed over.
    fn leave(&mut self) {
        if !std::mem::replace(&mut self.left_ring, true) {
            self.out.push(Effect::Leave);
        }
    }
}
