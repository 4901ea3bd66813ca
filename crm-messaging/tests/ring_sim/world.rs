//! A network, disks and clocks for several rings, all from one seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use crm_messaging::group::NodeId;
use crm_messaging::quorum::QuorumConfig;
use crm_messaging::totem::{Effect, Incarnation, RESERVE, Ring, RingConfig, Target, Time, Timing};

use super::invariants::Record;

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A small generator: the simulation must not depend on a library's choice of numbers.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

struct Packet {
    to: NodeId,
    from: NodeId,
    incarnation: Incarnation,
    body: Bytes,
}

pub struct Node {
    pub ring: Ring,
    pub incarnation: Incarnation,
    /// Time in which this node did not run.
    lost: Duration,
    paused_until: Option<(Duration, Duration)>,
    waiting: VecDeque<Packet>,
    stores: Vec<(Duration, u64)>,
    /// When it must be looked at next.
    next: Duration,
}

impl Node {
    fn plan(&mut self) {
        let deadline = self.ring.deadline().since(Time::since_start(Duration::ZERO)) + self.lost;
        let store = self.stores.iter().map(|(at, _)| *at).min().unwrap_or(Duration::MAX);
        self.next = match self.paused_until {
            Some((until, _)) => until,
            None => deadline.min(store),
        };
    }
}

pub struct Network {
    pub loss: u64,
    pub duplicates: u64,
    pub delay: (u64, u64),
    /// Directed pairs that carry nothing.
    pub cut: BTreeSet<(NodeId, NodeId)>,
    /// Percent of packets of which one byte is another: what a member with errors might send.
    pub nonsense: u64,
    /// Larger packets from that node get lost.
    pub largest: (NodeId, usize),
    /// To and from that node everything takes so much longer.
    pub slow: (NodeId, Duration),
}

pub struct World {
    pub now: Duration,
    pub rng: Rng,
    pub nodes: BTreeMap<NodeId, Option<Node>>,
    pub network: Network,
    pub record: Record,
    wire: BTreeMap<(Duration, u64), Packet>,
    sent: u64,
    disks: BTreeMap<NodeId, u64>,
    starts: u64,
    pub quorum: QuorumConfig,
    /// Who is told by the hosts of nodes without a process that there is none.
    pub refuse: BTreeSet<NodeId>,
}

impl World {
    pub fn new(seed: u64, nodes: u32) -> World {
        let mut world = World {
            now: Duration::ZERO,
            rng: Rng::new(seed),
            nodes: (1..=nodes).map(|id| (NodeId(id), None)).collect(),
            network: Network {
                loss: 0,
                duplicates: 0,
                delay: (50, 150),
                cut: BTreeSet::new(),
                nonsense: 0,
                largest: (NodeId(0), 0),
                slow: (NodeId(0), Duration::ZERO),
            },
            record: Record::default(),
            wire: BTreeMap::new(),
            sent: 0,
            disks: BTreeMap::new(),
            starts: 0,
            quorum: QuorumConfig { expected_votes: nodes, two_node: false, wait_for_all: false },
            refuse: BTreeSet::new(),
        };
        for id in 1..=nodes {
            world.start(NodeId(id));
        }
        world
    }

    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    pub fn start(&mut self, id: NodeId) {
        if self.nodes[&id].is_some() {
            return;
        }
        self.starts += 1;
        let incarnation = Incarnation(self.starts);
        let first = self.disks.get(&id).copied().unwrap_or(1);
        self.disks.insert(id, first + RESERVE);
        let config = RingConfig {
            me: id,
            incarnation,
            nodes: self.nodes.keys().copied().collect(),
            votes: 1,
            quorum: self.quorum,
            timing: Timing::default(),
            max_packet: 600,
            window: 40,
            first_ring: first,
            reserved: first + RESERVE,
        };
        // Every node's clock counts from its own start.
        let ring = Ring::new(config, Time::since_start(Duration::ZERO));
        let node = Node {
            ring,
            incarnation,
            lost: self.now,
            paused_until: None,
            waiting: VecDeque::new(),
            stores: Vec::new(),
            next: self.now,
        };
        self.nodes.insert(id, Some(node));
        self.record.started(id);
        self.effects(id);
    }

    pub fn crash(&mut self, id: NodeId) {
        self.nodes.insert(id, None);
        self.record.stopped(id);
    }

    pub fn pause(&mut self, id: NodeId, time: Duration) {
        let now = self.now;
        if let Some(Some(node)) = self.nodes.get_mut(&id)
            && node.paused_until.is_none()
        {
            node.paused_until = Some((now + time, time));
            node.plan();
        }
    }

    pub fn leave(&mut self, id: NodeId) {
        self.with(id, |ring, now| ring.leave(now));
    }

    pub fn submit(&mut self, id: NodeId, size: usize) {
        let Some(Some(node)) = self.nodes.get(&id) else { return };
        if node.paused_until.is_some() {
            return;
        }
        let data = self.record.message(id, node.incarnation, size);
        self.with(id, |ring, now| {
            ring.submit(data);
            ring.flush(now);
        });
    }

    /// Runs a node's ring and does what it asks for.
    pub fn with(&mut self, id: NodeId, act: impl FnOnce(&mut Ring, Time)) {
        let now = self.now;
        let Some(Some(node)) = self.nodes.get_mut(&id) else { return };
        if node.paused_until.is_some() {
            return;
        }
        act(&mut node.ring, Time::since_start(now - node.lost));
        self.effects(id);
    }

    fn effects(&mut self, id: NodeId) {
        let Some(Some(node)) = self.nodes.get_mut(&id) else { return };
        let effects = node.ring.take_effects();
        let incarnation = node.incarnation;
        self.record.effects(id, &effects, self.now);
        for effect in effects {
            match effect {
                Effect::Send { to, body } => {
                    let targets: Vec<NodeId> = match to {
                        Target::All => self.ids(),
                        Target::Each(nodes) => nodes.to_vec(),
                        Target::One(node) => vec![node],
                    };
                    for to in targets.into_iter().filter(|to| *to != id) {
                        self.transmit(Packet { to, from: id, incarnation, body: body.clone() });
                    }
                }
                Effect::Reserve(upto) => {
                    let at = self.now + ms(1 + self.rng.below(20));
                    if let Some(Some(node)) = self.nodes.get_mut(&id) {
                        node.stores.push((at, upto));
                    }
                }
                Effect::Stopped => self.crash(id),
                Effect::Deliver { .. } | Effect::View(_) | Effect::Ordered { .. } => {}
            }
        }
        if let Some(Some(node)) = self.nodes.get_mut(&id) {
            node.plan();
        }
    }

    fn transmit(&mut self, packet: Packet) {
        if self.refuse.contains(&packet.from) && self.nodes[&packet.to].is_none() {
            let (from, to) = (packet.from, packet.to);
            // The host answers that there is nobody.
            if !self.network.cut.contains(&(from, to))
                && let Some(Some(node)) = self.nodes.get_mut(&from)
            {
                node.ring.refused(to);
            }
        }
        if packet.from == self.network.largest.0 && packet.body.len() > self.network.largest.1 {
            return;
        }
        let copies = 1 + u64::from(self.rng.percent(self.network.duplicates));
        for _ in 0..copies {
            if self.rng.percent(self.network.loss) {
                continue;
            }
            let (low, high) = self.network.delay;
            let mut delay = Duration::from_micros(low + self.rng.below(high - low + 1));
            if [packet.from, packet.to].contains(&self.network.slow.0) {
                delay += self.network.slow.1;
            }
            self.sent += 1;
            let mut body = packet.body.clone();
            if !body.is_empty() && self.rng.percent(self.network.nonsense) {
                let mut bytes = body.to_vec();
                let place = self.rng.below(bytes.len() as u64) as usize;
                let values = [0, 1, 0x7f, 0xff, self.rng.next() as u8];
                bytes[place] = values[self.rng.below(5) as usize];
                body = Bytes::from(bytes);
            }
            let copy = Packet { body, ..packet };
            self.wire.insert((self.now + delay, self.sent), copy);
        }
    }

    /// When the next thing happens.
    fn next_event(&self) -> Duration {
        let mut at = self.wire.first_key_value().map_or(Duration::MAX, |((time, _), _)| *time);
        for node in self.nodes.values().flatten() {
            at = at.min(node.next);
        }
        at.max(self.now)
    }

    /// Runs until that time; invariants are checked after every step.
    pub fn run_until(&mut self, end: Duration) {
        while self.next_event() <= end {
            self.now = self.next_event();
            self.step();
            self.record.check();
        }
        self.now = end;
    }

    pub fn run(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    fn step(&mut self) {
        while let Some(entry) = self.wire.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let packet = entry.remove();
            self.arrive(packet);
        }
        let now = self.now;
        let due = |(id, node): (&NodeId, &Option<Node>)| {
            node.as_ref().filter(|node| node.next <= now).map(|_| *id)
        };
        let due: Vec<NodeId> = self.nodes.iter().filter_map(due).collect();
        for id in due {
            self.wake_up(id);
            let Some(Some(node)) = self.nodes.get_mut(&id) else { continue };
            if node.paused_until.is_some() {
                continue;
            }
            let stored: Vec<u64> =
                node.stores.iter().filter(|(at, _)| *at <= now).map(|(_, upto)| *upto).collect();
            node.stores.retain(|(at, _)| *at > now);
            for upto in stored {
                let disk = self.disks.entry(id).or_default();
                *disk = upto.max(*disk);
                self.with(id, |ring, now| ring.reserved(upto, now));
            }
            self.with(id, |ring, now| {
                if ring.deadline() <= now {
                    ring.tick(now);
                }
            });
        }
    }

    fn wake_up(&mut self, id: NodeId) {
        let now = self.now;
        let Some(Some(node)) = self.nodes.get_mut(&id) else { return };
        let Some((_, time)) = node.paused_until.filter(|(until, _)| *until <= now) else { return };
        node.paused_until = None;
        node.lost += time;
        for packet in std::mem::take(&mut node.waiting) {
            self.arrive(packet);
        }
    }

    fn arrive(&mut self, packet: Packet) {
        if self.network.cut.contains(&(packet.from, packet.to)) {
            return;
        }
        let Some(Some(node)) = self.nodes.get_mut(&packet.to) else { return };
        if node.paused_until.is_some() {
            // The socket's buffer has an end.
            if node.waiting.len() < 500 {
                node.waiting.push_back(packet);
            }
            return;
        }
        let nonsense = self.network.nonsense > 0;
        self.with(packet.to, |ring, now| {
            let read = ring.packet(packet.from, packet.incarnation, packet.body, now);
            assert!(nonsense || read.is_ok(), "rings send only packets that can be read");
        });
    }

    /// Cuts the network between these groups; nodes of no group are alone.
    pub fn partition(&mut self, groups: &[Vec<NodeId>]) {
        let group = |id: NodeId| groups.iter().position(|g| g.contains(&id));
        let ids = self.ids();
        self.network.cut.clear();
        for a in &ids {
            for b in &ids {
                if a != b && (group(*a).is_none() || group(*a) != group(*b)) {
                    self.network.cut.insert((*a, *b));
                }
            }
        }
    }

    pub fn heal(&mut self) {
        self.network.cut.clear();
    }

    /// The view of a node that runs.
    pub fn members(&self, id: NodeId) -> BTreeSet<NodeId> {
        self.record.view(id).map(|view| view.members.clone()).unwrap_or_default()
    }

    /// Runs until the given nodes are one ring; how long that took.
    pub fn until_together(&mut self, ids: &[NodeId], limit: Duration) -> Duration {
        let start = self.now;
        let wanted: BTreeSet<NodeId> = ids.iter().copied().collect();
        while !ids.iter().all(|id| self.members(*id) == wanted) {
            assert!(self.now - start < limit, "no ring of {wanted:?}: {}", self.picture());
            self.run(ms(1));
        }
        self.now - start
    }

    pub fn picture(&self) -> String {
        let one = |(id, node): (&NodeId, &Option<Node>)| match node {
            Some(node) => format!(
                "{id:?}: {} {:?} {:?}",
                node.ring.state_name(),
                node.ring.id(),
                self.members(*id)
            ),
            None => format!("{id:?}: down"),
        };
        self.nodes.iter().map(one).collect::<Vec<_>>().join("\n")
    }
}
