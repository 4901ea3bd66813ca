//! The pretended world of a simulation.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use crm_core::cib::{Element, parse};
use crm_core::rules::Moment;
use crm_core::scheduler::{Input as SchedulerInput, schedule};
use crm_lrm::operation::{CallId, ExecutionStatus, ExitCode, Operation, OperationResult};
use crm_lrm::secrets::Secret;
use crm_messaging::group::{Departure, NodeId, RingId, View};
use crm_messaging::proto;

use super::super::replica::{Chain, LogEntry, Replica, empty_cib};
use super::super::status;
use super::super::{
    Controller, Effect, FenceTask, FenceVerdict, Input, Now, Planned, Reply, Request, RequestId,
    Settings,
};
use crm_messaging::proto::peer::Finding;

/// Milliseconds of simulated time.
type Ms = u64;

#[derive(Debug)]
enum Later {
    Ended(Box<Operation>, u64),
    Recur(Box<Operation>, u64),
    Plan(u64, Box<Element>, u64),
    Fenced(FenceTask),
    Found(Box<Finding>),
    Confirmed(u64, String),
    Stored(crm_core::cib::Version),
}

struct Node {
    controller: Controller,
    /// Messages it has sent and the ring has not ordered.
    unsent: VecDeque<Bytes>,
    /// How much of its ring's order it has taken.
    taken: usize,
    ring: RingId,
    /// Pending work, by time and a number that keeps the order.
    later: BTreeMap<(Ms, u64), Later>,
    /// Recurring operations that have not been cancelled, and their last exit code.
    recurring: BTreeMap<(String, String, Duration), (u64, Option<i32>)>,
    calls: u64,
    /// Executors run one operation at a time per resource.
    busy: BTreeMap<String, Ms>,
}

struct Ring {
    members: BTreeSet<NodeId>,
    order: Vec<(NodeId, Bytes)>,
}

/// Everything.
pub struct World {
    count: u32,
    random: u64,
    now: Ms,
    number: u64,
    nodes: BTreeMap<NodeId, Node>,
    disks: BTreeMap<NodeId, (Element, Chain, VecDeque<super::super::replica::Link>)>,
    rings: BTreeMap<RingId, Ring>,
    last_ring: u64,
    /// Which resources run on which machine, whoever knows it.
    active: BTreeSet<(NodeId, String)>,
    starts: BTreeMap<String, u64>,
    pub fenced: BTreeSet<NodeId>,
    pub fencings: u64,
    /// Which device has switched on whom, and where it ran.
    pub unfenced: Vec<(String, NodeId, NodeId)>,
    pub fencing_works: bool,
    /// A fenced node is back in the ring before its device has answered.
    pub reboots_at_once: bool,
    /// How often somebody who was in the ring has been called dead.
    pub called_dead: u64,
    /// The secrets on each disk.
    pub secrets: BTreeMap<NodeId, BTreeMap<String, Secret>>,
    /// How often each machine has lost its power.
    boots: BTreeMap<NodeId, u64>,
    /// The start of this one takes a minute.
    pub slow: Option<&'static str>,
    /// It never finds what it is to look up.
    pub mute: Option<NodeId>,
    replies: Vec<Reply>,
    steps: u64,
}

impl World {
    pub fn new(count: u32, seed: u64) -> World {
        World {
            count,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            now: 1_000,
            number: 0,
            nodes: BTreeMap::new(),
            disks: BTreeMap::new(),
            rings: BTreeMap::new(),
            last_ring: 0,
            active: BTreeSet::new(),
            starts: BTreeMap::new(),
            fenced: BTreeSet::new(),
            fencings: 0,
            unfenced: Vec::new(),
            fencing_works: true,
            reboots_at_once: false,
            called_dead: 0,
            secrets: BTreeMap::new(),
            boots: BTreeMap::new(),
            slow: None,
            mute: None,
            replies: Vec::new(),
            steps: 0,
        }
    }

    /// A number below `bound`.
    pub fn random(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound.max(1)
    }

    fn name(node: NodeId) -> String {
        format!("n{node}")
    }

    // --- machines -------------------------------------------------------------------------

    /// Starts the daemon of a node, alone in a ring.
    pub fn boot(&mut self, node: NodeId) {
        self.fenced.remove(&node);
        let replica = match self.disks.get(&node).cloned() {
            Some((cib, chain, links)) => Replica::from_disk(cib, chain, links),
            None => Replica::from_disk(empty_cib(), Chain::default(), VecDeque::new()),
        };
        self.number += 1;
        let settings = Settings {
            cluster_name: "sim".into(),
            local: node,
            nodes: (1..=self.count).map(NodeId).map(|n| (n, World::name(n))).collect(),
            incarnation: format!("{:08}-0000-0000-0000-{:012}", node.0, self.number),
            boot: format!("boot-{}", self.boots.get(&node).copied().unwrap_or_default()),
            version: "sim".into(),
            last_input: 0,
        };
        let entry = Node {
            controller: Controller::new(settings, replica).with_secrets(
                self.secrets.get(&node).into_iter().flat_map(|s| s.values().cloned()).collect(),
            ),
            unsent: VecDeque::new(),
            taken: 0,
            ring: RingId { seq: 0, representative: node },
            later: BTreeMap::new(),
            recurring: BTreeMap::new(),
            calls: 0,
            busy: BTreeMap::new(),
        };
        self.nodes.insert(node, entry);
        self.form(&[node], &BTreeSet::new());
    }

    /// Power off, without warning.
    pub fn crash(&mut self, node: NodeId) {
        *self.boots.entry(node).or_default() += 1;
        self.active.retain(|(n, _)| *n != node);
        self.kill_daemon(node);
    }

    fn kill_daemon(&mut self, node: NodeId) {
        let Some(dead) = self.nodes.remove(&node) else { return };
        self.reform(dead.ring, |n| n != node, &BTreeSet::new());
    }

    /// The daemon dies and comes back before anybody has noticed; services run on.
    pub fn restart_daemon(&mut self, node: NodeId) {
        let Some(dead) = self.nodes.remove(&node) else { return };
        let members = self.rings.get(&dead.ring).map(|r| r.members.clone()).unwrap_or_default();
        self.boot(node);
        let members: Vec<NodeId> = members.into_iter().collect();
        self.form(&members, &BTreeSet::new());
    }

    /// A client of a node sets or deletes a secret.
    pub fn set_secret(&mut self, node: NodeId, parameter: &str, value: Option<&str>) {
        let update = proto::SecretUpdate {
            resource: "db".into(),
            parameter: parameter.into(),
            value: value.map(str::to_string),
        };
        self.number += 1;
        let id = RequestId(self.number);
        self.feed(node, Input::Client { id, request: Request::UpdateSecret(update) });
    }

    /// What a node's disk has of a secret.
    pub fn secret(&self, node: NodeId, parameter: &str) -> Option<&str> {
        Some(&self.secrets.get(&node)?.get(parameter)?.value.as_ref()?.0)
    }

    /// The daemon is asked to end and to be back within a minute.
    pub fn announce_restart(&mut self, node: NodeId) {
        if self.is_up(node) {
            self.feed(node, Input::Restart { within: Duration::from_secs(60) });
        }
    }

    pub fn stop(&mut self, node: NodeId) {
        if self.is_up(node) {
            self.feed(node, Input::Stop);
        }
    }

    pub fn is_up(&self, node: NodeId) -> bool {
        self.nodes.contains_key(&node)
    }

    // --- rings ----------------------------------------------------------------------------

    /// All live nodes come into one ring.
    pub fn merge_all(&mut self) {
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        self.form(&all, &BTreeSet::new());
    }

    /// `some` are cut off from the rest.
    pub fn split(&mut self, some: &[NodeId]) {
        let cut: Vec<NodeId> = some.iter().copied().filter(|n| self.is_up(*n)).collect();
        let rest: Vec<NodeId> = self.nodes.keys().copied().filter(|n| !cut.contains(n)).collect();
        self.form(&cut, &BTreeSet::new());
        self.form(&rest, &BTreeSet::new());
    }

    /// Everybody is cut off from everybody, at the same moment.
    pub fn scatter(&mut self) {
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        all.iter().for_each(|n| self.form(&[*n], &BTreeSet::new()));
    }

    /// `some` come into one ring, without the rest.
    pub fn meet(&mut self, some: &[NodeId]) {
        let rings: BTreeSet<RingId> =
            some.iter().filter_map(|n| Some(self.nodes.get(n)?.ring)).collect();
        for ring in rings {
            self.reform(ring, |n| !some.contains(&n), &BTreeSet::new());
        }
        self.form(some, &BTreeSet::new());
    }

    fn reform(&mut self, ring: RingId, keep: impl Fn(NodeId) -> bool, left: &BTreeSet<NodeId>) {
        let members = self.rings.get(&ring).map(|r| r.members.clone()).unwrap_or_default();
        let rest: Vec<NodeId> =
            members.into_iter().filter(|n| keep(*n) && self.is_up(*n)).collect();
        self.form(&rest, left);
    }

    /// A new ring of `members`. Those that come from the same ring first take what that ring has
    /// ordered, all of them the same.
    fn form(&mut self, members: &[NodeId], left: &BTreeSet<NodeId>) {
        if members.is_empty() {
            return;
        }
        for &node in members {
            while self.take_one(node) {}
        }
        let members: BTreeSet<NodeId> =
            members.iter().copied().filter(|n| self.is_up(*n)).collect();
        let Some(&lowest) = members.first() else { return };
        self.last_ring += 1;
        let id = RingId { seq: self.last_ring, representative: lowest };
        let before: BTreeMap<NodeId, RingId> =
            members.iter().map(|n| (*n, self.nodes[n].ring)).collect();
        self.rings.insert(id, Ring { members: members.clone(), order: Vec::new() });
        for &node in &members {
            let old = before[&node];
            let came: BTreeSet<NodeId> =
                before.iter().filter(|(_, r)| **r == old).map(|(n, _)| *n).collect();
            let was = self.rings.get(&old).map(|r| r.members.clone()).unwrap_or_default();
            let view = View {
                ring: id,
                joined: members.difference(&came).copied().collect(),
                departed: was
                    .difference(&came)
                    .map(|n| match left.contains(n) {
                        true => (*n, Departure::Left),
                        false => (*n, Departure::Lost),
                    })
                    .collect(),
                quorate: members.len() * 2 > self.count as usize,
                votes: u32::try_from(members.len()).unwrap(),
                expected_votes: self.count,
                members: members.clone(),
            };
            let n = self.nodes.get_mut(&node).unwrap();
            n.ring = id;
            n.taken = 0;
            self.feed(node, Input::View(view));
        }
    }

    /// The ring orders the next message of one of its members.
    fn order_one(&mut self, node: NodeId) -> bool {
        let Some(n) = self.nodes.get_mut(&node) else { return false };
        let (Some(message), ring) = (n.unsent.pop_front(), n.ring) else { return false };
        self.rings.get_mut(&ring).unwrap().order.push((node, message));
        true
    }

    fn take_one(&mut self, node: NodeId) -> bool {
        let Some(n) = self.nodes.get_mut(&node) else { return false };
        let Some(ring) = self.rings.get(&n.ring) else { return false };
        let Some((from, data)) = ring.order.get(n.taken).cloned() else { return false };
        n.taken += 1;
        self.feed(node, Input::Message { from, data });
        true
    }

    // --- driving --------------------------------------------------------------------------

    fn clock(&self) -> Now {
        Now { mono: Duration::from_millis(self.now), wall_ms: 1_795_000_000_000 + self.now }
    }

    fn feed(&mut self, node: NodeId, input: Input) {
        let now = self.clock();
        let Some(n) = self.nodes.get_mut(&node) else { return };
        let effects = n.controller.handle(now, input);
        effects.into_iter().for_each(|e| self.perform(node, e));
    }

    fn schedule_at(&mut self, node: NodeId, delay: Ms, what: Later) {
        self.number += 1;
        let key = (self.now + delay, self.number);
        if let Some(n) = self.nodes.get_mut(&node) {
            n.later.insert(key, what);
        }
    }

    fn perform(&mut self, node: NodeId, effect: Effect) {
        match effect {
            Effect::Send(m) => {
                if let Some(n) = self.nodes.get_mut(&node) {
                    n.unsent.push_back(m);
                }
            }
            Effect::Execute(op) => self.execute(node, op),
            Effect::Cancel { resource, action, interval } => {
                if let Some(n) = self.nodes.get_mut(&node) {
                    n.recurring.remove(&(resource, action, interval));
                }
            }
            Effect::CancelAll { resource } => {
                if let Some(n) = self.nodes.get_mut(&node) {
                    n.recurring.retain(|(r, _, _), _| *r != resource);
                }
            }
            Effect::Fence(task) => {
                let delay = 50 + self.random(300);
                self.schedule_at(node, delay, Later::Fenced(task));
            }
            Effect::LookUp { to, inquiry } => {
                if self.mute == Some(node) {
                    return;
                }
                let finding = Finding {
                    to: to.0,
                    request: inquiry.request,
                    content: World::name(node).into_bytes().into(),
                    ..Finding::default()
                };
                let delay = 1 + self.random(50);
                self.schedule_at(node, delay, Later::Found(Box::new(finding)));
            }
            Effect::Store(entry) => self.store(node, &entry),
            Effect::Snapshot => {
                let version = self.nodes[&node].controller.replica().version().configuration();
                self.write_disk(node);
                self.schedule_at(node, 1, Later::Stored(version));
            }
            Effect::Plan { generation, cib, now_s } => {
                let delay = 1 + self.random(5);
                self.schedule_at(node, delay, Later::Plan(generation, Box::new(cib), now_s));
            }
            Effect::Reply(_, reply) => self.replies.push(reply),
            Effect::Leave => {
                // D6: nothing runs on a node that leaves, unless it has said that it comes back.
                let mine: Vec<_> = self.active.iter().filter(|(n, _)| *n == node).collect();
                let away = self.nodes.get(&node).is_some_and(|n| n.controller.away);
                assert!(away || mine.is_empty(), "{node} leaves with {mine:?}");
                while self.order_one(node) {}
                if let Some(gone) = self.nodes.remove(&node) {
                    self.reform(gone.ring, |n| n != node, &BTreeSet::from([node]));
                }
            }
            Effect::Event { kind, node: about, text, .. } => {
                if std::env::var_os("SIM_TRACE").is_some() {
                    println!("{:>7} {node} {kind} {about}: {text}", self.now);
                }
            }
            Effect::Warn(text) => {
                if std::env::var_os("SIM_TRACE").is_some() {
                    println!("{:>7} {node} WARN {text}", self.now);
                }
            }
            Effect::KeepSecret(secret) => {
                self.secrets.entry(node).or_default().insert(secret.parameter.clone(), secret);
            }
            Effect::DeclareDead(other) => {
                let together =
                    self.nodes.get(&other).map(|n| n.ring) == Some(self.nodes[&node].ring);
                self.called_dead += u64::from(together);
            }
            Effect::KillAll | Effect::KeepInput { .. } | Effect::Alert(_) => {}
        }
    }

    fn write_disk(&mut self, node: NodeId) {
        let replica = self.nodes[&node].controller.replica();
        let copy = (replica.cib().clone(), replica.chain(), replica.links().clone());
        self.disks.insert(node, copy);
    }

    fn store(&mut self, node: NodeId, entry: &LogEntry) {
        self.write_disk(node);
        let delay = 1 + self.random(10);
        self.schedule_at(node, delay, Later::Stored(entry.version));
    }

    fn execute(&mut self, node: NodeId, op: Box<Operation>) {
        let Some(n) = self.nodes.get_mut(&node) else { return };
        n.calls += 1;
        let call = n.calls;
        if op.interval.is_zero() {
            if !matches!(op.action.as_str(), "monitor" | "notify") {
                n.recurring.retain(|(r, _, _), _| *r != op.resource);
            }
            let slow = op.action == "start" && self.slow == Some(&op.resource);
            let delay = if slow { 60_000 } else { 1 + self.random(40) };
            let now = self.now;
            let Some(n) = self.nodes.get_mut(&node) else { return };
            let end = n.busy.get(&op.resource).copied().unwrap_or(0).max(now) + delay;
            n.busy.insert(op.resource.clone(), end);
            return self.schedule_at(node, end - now, Later::Ended(op, call));
        }
        n.recurring.insert((op.resource.clone(), op.action.clone(), op.interval), (call, None));
        self.schedule_at(node, 1, Later::Recur(op, call));
    }

    fn ended(&mut self, node: NodeId, op: Box<Operation>, call: u64) {
        let place = (node, op.resource.clone());
        let rc = match op.action.as_str() {
            "start" => {
                // A stonith device runs on no machine in particular.
                if op.agent.class != "stonith" {
                    let twice = self.active.iter().find(|(n, r)| *r == place.1 && *n != node);
                    assert!(
                        twice.is_none(),
                        "R1/R2: {} starts on {node} and runs {twice:?}",
                        place.1
                    );
                }
                *self.starts.entry(place.1.clone()).or_default() += 1;
                self.active.insert(place);
                0
            }
            "stop" => {
                self.active.remove(&place);
                0
            }
            "monitor" if self.active.contains(&place) => 0,
            "monitor" => 7,
            _ => 0,
        };
        self.report(node, op, call, rc);
    }

    fn recur(&mut self, node: NodeId, op: Box<Operation>, call: u64) {
        let rc = if self.active.contains(&(node, op.resource.clone())) { 0 } else { 7 };
        let Some(n) = self.nodes.get_mut(&node) else { return };
        let key = (op.resource.clone(), op.action.clone(), op.interval);
        let Some((current, last)) = n.recurring.get_mut(&key) else { return };
        if *current != call {
            return;
        }
        let news = *last != Some(rc) || rc != 0;
        *last = Some(rc);
        let interval = u64::try_from(op.interval.as_millis()).unwrap();
        self.schedule_at(node, interval, Later::Recur(op.clone(), call));
        if news {
            self.report(node, op, call, rc);
        }
    }

    fn report(&mut self, node: NodeId, op: Box<Operation>, call: u64, rc: i32) {
        let result = OperationResult {
            operation: *op,
            call_id: CallId(call),
            status: ExecutionStatus::Done,
            exit: ExitCode(rc),
            exit_reason: String::new(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            queue_time: Duration::ZERO,
            metadata: None,
            exec_time: Duration::from_millis(3),
        };
        self.feed(node, Input::Operation(Box::new(result)));
    }

    fn fence(&mut self, node: NodeId, task: &FenceTask) {
        let verdict = if self.fencing_works {
            let target = (1..=self.count).map(NodeId).find(|n| World::name(*n) == task.target);
            let target = target.expect("a target is a node");
            if task.action == "on" {
                self.unfenced.push((task.device.clone(), node, target));
                let (job, device) = (task.job, task.device.clone());
                let verdict = FenceVerdict::Done;
                return self.feed(node, Input::FenceDone { job, device, verdict });
            }
            self.fenced.insert(target);
            self.fencings += 1;
            self.crash(target);
            if self.reboots_at_once {
                self.boot(target);
                self.merge_all();
                self.schedule_at(node, 400, Later::Confirmed(task.job, task.device.clone()));
                return;
            }
            FenceVerdict::Done
        } else {
            FenceVerdict::Failed("the device is broken".into())
        };
        let (job, device) = (task.job, task.device.clone());
        self.feed(node, Input::FenceDone { job, device, verdict });
    }

    fn do_later(&mut self, node: NodeId, what: Later) {
        match what {
            Later::Ended(op, call) => self.ended(node, op, call),
            Later::Recur(op, call) => self.recur(node, op, call),
            Later::Plan(generation, cib, now_s) => {
                let now = Moment { epoch: i64::try_from(now_s).unwrap(), offset: 0 };
                let graph = schedule(&SchedulerInput::new(&cib, now)).graph;
                if std::env::var_os("SIM_TRACE").is_some() {
                    for (_, a) in graph.included() {
                        let on = a.node.as_ref().map_or("", |n| &n.name);
                        println!("{:>7} {node}   plan: {} {on}", self.now, a.key);
                    }
                }
                self.feed(node, Input::Planned(Planned { generation, graph: Ok(graph) }));
            }
            Later::Fenced(task) => self.fence(node, &task),
            Later::Found(finding) => self.feed(node, Input::Found(finding)),
            Later::Confirmed(job, device) => {
                let verdict = FenceVerdict::Done;
                self.feed(node, Input::FenceDone { job, device, verdict });
            }
            Later::Stored(version) => self.feed(node, Input::Stored(Ok(version))),
        }
    }

    /// One step of something; false if nothing is to be done before `until`.
    fn step(&mut self, until: Ms) -> bool {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        if ids.is_empty() {
            self.now = until;
            return false;
        }
        let first = usize::try_from(self.random(ids.len() as u64)).unwrap();
        for i in 0..ids.len() {
            let node = ids[(first + i) % ids.len()];
            let order_first = self.random(2) == 0 && self.order_one(node);
            let moved = order_first || self.take_one(node) || self.order_one(node);
            if moved {
                self.check();
                return true;
            }
        }
        let next = ids
            .iter()
            .filter_map(|n| {
                let n_ = &self.nodes[n];
                let tick = n_
                    .controller
                    .wake_at()
                    .map(|w| (u64::try_from(w.as_millis()).unwrap() + 1).max(self.now));
                let work = n_.later.first_key_value().map(|(k, _)| k.0);
                Some((tick.into_iter().chain(work).min()?, *n))
            })
            .min();
        let Some((at, node)) = next.filter(|(at, _)| *at <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(at);
        let n = self.nodes.get_mut(&node).unwrap();
        let due = n.later.first_key_value().map(|(k, _)| *k).filter(|k| k.0 <= self.now);
        match due.and_then(|k| n.later.remove(&k)) {
            Some(what) => self.do_later(node, what),
            None => self.feed(node, Input::Tick),
        }
        self.check();
        true
    }

    pub fn run_for(&mut self, ms: Ms) {
        let until = self.now + ms;
        let mut steps = 0;
        while self.step(until) {
            steps += 1;
            assert!(steps < 2_000_000, "no rest within {ms} ms: the cluster is busy with itself");
        }
    }

    /// Runs until every coordinator is idle and nothing is on its way.
    pub fn rest(&mut self) {
        for _ in 0..600 {
            self.run_for(500);
            let quiet = self.nodes.values().all(|n| {
                let state = n.controller.state_reply();
                n.unsent.is_empty()
                    && n.controller.is_in_step()
                    && state.controller != "S_STARTING"
                    && (!n.controller.is_coordinator() || state.idle)
            });
            if quiet {
                return;
            }
        }
        let states: Vec<_> = self.nodes.values().map(|n| n.controller.state_reply()).collect();
        panic!("the cluster does not come to rest: {states:#?}");
    }

    // --- requests -------------------------------------------------------------------------

    pub fn configure(&mut self, resources: &str, fencing: bool) {
        let node = *self.nodes.keys().next().unwrap();
        let mut cib = self.nodes[&node].controller.replica().cib().clone();
        let configuration = cib.child_mut("configuration").unwrap();
        let text = format!("<resources>{resources}</resources>");
        *configuration.child_or_insert("resources") = parse(&text).unwrap();
        let set = configuration
            .child_or_insert("crm_config")
            .find_child_mut(|c| c.name() == "cluster_property_set")
            .expect("the coordinator has introduced the cluster");
        set.retain(|pair| pair.id() != Some("stonith"));
        set.push(
            Element::new("nvpair")
                .with("id", "stonith")
                .with("name", "stonith-enabled")
                .with("value", fencing.to_string()),
        );
        let configuration = configuration.to_string();
        let request = proto::CommitRequest {
            change: Some(proto::commit_request::Change::Configuration(configuration)),
            author: "root".into(),
            command: "test".into(),
            ..proto::CommitRequest::default()
        };
        self.replies.clear();
        let request = Request::Commit(Box::new(request));
        self.feed(node, Input::Client { id: RequestId(1), request });
        self.run_for(100);
        assert!(matches!(self.replies[..], [Reply::Committed(_)]), "{:?}", self.replies);
    }

    /// A client of the first node wants `target` fenced.
    pub fn ask_fencing(&mut self, target: NodeId) {
        let request = proto::FenceRequest {
            node: World::name(target),
            action: "off".into(),
            ..proto::FenceRequest::default()
        };
        let node = *self.nodes.keys().next().unwrap();
        self.feed(node, Input::Client { id: RequestId(2), request: Request::Fence(request) });
    }

    /// A client of a node has history forgotten; an empty `resource` means every one.
    pub fn clean_up(&mut self, node: NodeId, resource: &str, failed_only: bool) {
        let request = proto::CleanupRequest {
            resource: resource.into(),
            failed_only,
            ..proto::CleanupRequest::default()
        };
        self.number += 1;
        let id = RequestId(self.number);
        self.feed(node, Input::Client { id, request: Request::Cleanup(request) });
    }

    /// What a client of `asked` is told of a file of all nodes, within so much time: what each node
    /// has, or its trouble.
    pub fn read_file(&mut self, asked: NodeId, ms: Ms) -> Vec<(String, String)> {
        let query = proto::FileQuery { path: "/etc/hosts".into(), ..Default::default() };
        self.replies.clear();
        self.feed(asked, Input::Client { id: RequestId(3), request: Request::ReadFile(query) });
        self.run_for(ms);
        let said = |copy: &proto::FileCopy| match copy.trouble.as_str() {
            "" => String::from_utf8(copy.content.to_vec()).unwrap(),
            trouble => trouble.to_string(),
        };
        let files = self.replies.iter().find_map(|r| match r {
            Reply::Files(copies) => Some(copies),
            _ => None,
        });
        files.into_iter().flatten().map(|c| (c.node.clone(), said(c))).collect()
    }

    // --- what is ---------------------------------------------------------------------------

    pub fn running(&self, resource: &str) -> usize {
        self.active.iter().filter(|(_, r)| r == resource).count()
    }

    pub fn all_run_once(&self, resources: &[&str]) {
        for r in resources {
            assert_eq!(self.running(r), 1, "{r} in {:?}", self.active);
        }
    }

    pub fn location(&self, resource: &str) -> NodeId {
        self.active.iter().find(|(_, r)| r == resource).expect("it runs").0
    }

    pub fn starts(&self, resource: &str) -> u64 {
        self.starts.get(resource).copied().unwrap_or(0)
    }

    pub fn break_resource(&mut self, resource: &str) {
        self.active.retain(|(_, r)| r != resource);
    }

    pub fn coordinator(&self) -> &Controller {
        let quorate = |c: &&Controller| c.is_coordinator() && c.quorate;
        self.nodes.values().map(|n| &n.controller).find(quorate).expect("there is a coordinator")
    }

    pub fn troubles(&self) -> Vec<String> {
        self.coordinator().state_reply().troubles
    }

    pub fn attribute(&self, node: NodeId, name: &str) -> Option<String> {
        status::transient(self.coordinator().replica().cib(), node, name).map(str::to_string)
    }

    pub fn configuration(&self) -> String {
        let cib = self.coordinator().replica().cib();
        cib.at(&["configuration", "resources"]).unwrap().to_string()
    }

    // --- trouble ---------------------------------------------------------------------------

    pub fn trouble(&mut self) {
        let node = NodeId(1 + u32::try_from(self.random(u64::from(self.count))).unwrap());
        match (self.random(11), self.is_up(node)) {
            (0, true) => self.crash(node),
            (1, true) => self.split(&[node]),
            (2, true) => self.restart_daemon(node),
            (3, _) => self.merge_all(),
            (4, true) => self.stop(node),
            (5, true) => self.break_resource("a"),
            (6, _) => self.scatter(),
            (7, _) => self.fencing_works = !self.fencing_works,
            (8, _) => self.slow = if self.slow.is_some() { None } else { Some("c") },
            (9, _) => {
                let other = NodeId(1 + node.0 % self.count);
                let some: Vec<NodeId> =
                    [node, other].into_iter().filter(|n| self.is_up(*n)).collect();
                self.meet(&some);
            }
            (10, true) => self.announce_restart(node),
            (_, false) => {
                self.boot(node);
                self.merge_all();
            }
            _ => {}
        }
    }

    /// Everything is switched on and connected.
    pub fn repair(&mut self) {
        self.fencing_works = true;
        self.slow = None;
        // Clean stops that are under way come to their end, slow starts included.
        self.run_for(130_000);
        for n in (1..=self.count).map(NodeId) {
            if !self.is_up(n) {
                self.boot(n);
            }
        }
        self.merge_all();
    }

    // --- invariants --------------------------------------------------------------------------

    fn check(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(7) {
            self.replicas_are_equal();
        }
        self.one_coordinator_a_ring();
    }

    /// C3: members that have applied the same messages have the same document.
    fn replicas_are_equal(&self) {
        let mut seen: BTreeMap<(RingId, u64), (NodeId, &Element)> = BTreeMap::new();
        for (&id, n) in self.nodes.iter().filter(|(_, n)| n.controller.is_in_step()) {
            let Some(position) = n.controller.position else { continue };
            let cib = n.controller.replica().cib();
            if let Some((other, theirs)) = seen.insert(position, (id, cib)) {
                assert!(cib == theirs, "C3: {id} and {other} at {position:?}:\n{cib}\n{theirs}");
            }
        }
    }

    /// D1: one member of a ring has the duty, and it is the one that the others name.
    fn one_coordinator_a_ring(&self) {
        let mut named: BTreeMap<RingId, NodeId> = BTreeMap::new();
        for (id, n) in self.nodes.iter().filter(|(_, n)| n.controller.is_in_step()) {
            assert_eq!(n.controller.duty.is_some(), n.controller.coordinator() == Some(*id));
            if let Some(dc) = n.controller.coordinator() {
                assert_eq!(*named.entry(n.ring).or_insert(dc), dc, "D1: {id} of {:?}", n.ring);
            }
        }
    }
}
