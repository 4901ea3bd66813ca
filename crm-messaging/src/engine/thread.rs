//! The ring's thread: waits for packets, work or time, tells the protocol, does what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::SockaddrStorage;
use nix::sys::time::TimeSpec;

use super::clock::Clock;
use super::disk::{self, Disk};
use super::events::EventSender;
use super::handle::{Command, Shared, Work};
use super::net::{BATCH, Link};
use super::stats::PeerStats;
use super::{EngineConfig, StartError, sys};
use crate::group::{Event, NodeId};
use crate::link::{Content, OVERHEAD, Paths, Reject, Sessions};
use crate::totem::{Effect, Ring, RingConfig, Target, Time};

/// Reads from one socket before the others and the clock are looked at again.
const READS: usize = 32;
/// Events that the layer above may leave lying before the whole ring waits for it, in bytes.
const MAX_UNTAKEN: usize = 96 << 20;
/// If it takes nothing for so long, it is stuck and this node is of no use to the others.
const STUCK: Duration = Duration::from_secs(20);
/// With so few ring numbers left and a disk that stores no more, this node goes while it can
/// do so without harm to the others.
const LAST_NUMBERS: u64 = 20;
/// A link that was silent for so many probes is taken for broken.
const PROBES_MISSED: u32 = 4;
const STATS_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct Counts {
    packets_out: u64,
    packets_in: u64,
    foreign: u64,
    unauthentic: u64,
    other_cluster: u64,
    other_version: u64,
    unlisted: u64,
    replayed: u64,
    malformed: u64,
}

#[derive(Debug)]
struct Peer {
    name: String,
    addresses: Vec<SockaddrStorage>,
    doubts: u64,
}

/// Sealed packets of one size for the same receivers.
#[derive(Debug, Default)]
struct Batch {
    to: Vec<NodeId>,
    everywhere: bool,
    segment: usize,
    packets: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Driver {
    shared: Arc<Shared>,
    events: EventSender,
    ring: Ring,
    sessions: Sessions,
    links: Vec<Link>,
    peers: BTreeMap<NodeId, Peer>,
    addresses: BTreeMap<SocketAddr, NodeId>,
    disk: Disk,
    clock: Clock,
    /// When the thread woke up last.
    now: Time,
    counts: Counts,
    batch: Batch,
    realtime: bool,
    paths: Paths,
    /// How often and when next peers are told on which links they are heard; not with one link.
    tell_every: Option<Duration>,
    tell_at: Time,
    stats_at: Time,
    troubles: BTreeSet<String>,
    /// Since when the layer above has had too much.
    congested: Option<Time>,
    running: bool,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // However this thread ends, nobody shall go on waiting for it.
        self.shared.stop();
    }
}

impl Driver {
    pub(super) fn new(
        config: EngineConfig,
        shared: Arc<Shared>,
        events: EventSender,
    ) -> Result<Driver, StartError> {
        let ids = config.node_ids();
        let me = config.nodes.iter().find(|node| node.id == config.local);
        let own = me.map(|node| node.addresses.clone()).unwrap_or_default();
        let votes = me.map_or(0, |node| node.votes);
        let mut links = Vec::new();
        for address in &own {
            let link = Link::open(*address)
                .map_err(|source| StartError::Socket { address: *address, source })?;
            links.push(link);
        }
        let sessions =
            Sessions::new(config.local, &config.cluster_name, config.key, ids.iter().copied())?;
        let (first_ring, reserved) = disk::load(&config.state_dir)?;
        let headers = if own.iter().any(SocketAddr::is_ipv6) { 48 } else { 28 };
        let clock = Clock::start(config.timing.dead_after);
        let ring = RingConfig {
            me: config.local,
            incarnation: sessions.incarnation(),
            nodes: ids,
            votes,
            quorum: config.quorum,
            timing: config.timing,
            max_packet: usize::from(config.mtu).saturating_sub(headers + OVERHEAD),
            window: links.iter().map(Link::window).min().unwrap_or(16),
            first_ring,
            reserved,
        };
        let others = config.nodes.iter().filter(|node| node.id != config.local);
        let peers = others.clone().map(|node| {
            let peer = Peer {
                name: node.name.clone(),
                addresses: node.addresses.iter().map(|a| SockaddrStorage::from(*a)).collect(),
                doubts: 0,
            };
            (node.id, peer)
        });
        let paths = others.clone().map(|node| (node.id, node.addresses.len()));
        let paths = Paths::new(paths, config.timing.probe * PROBES_MISSED);
        let tell_every = (links.len() > 1).then_some(config.timing.probe);
        Ok(Driver {
            peers: peers.collect(),
            addresses: others.flat_map(|n| n.addresses.iter().map(|a| (*a, n.id))).collect(),
            disk: Disk::start(config.state_dir, Arc::clone(&shared), disk::RETRY)?,
            ring: Ring::new(ring, Time::default()),
            shared,
            events,
            sessions,
            links,
            clock,
            now: Time::default(),
            counts: Counts::default(),
            batch: Batch::default(),
            realtime: config.realtime,
            paths,
            tell_every,
            tell_at: Time::default(),
            stats_at: Time::default(),
            troubles: BTreeSet::new(),
            congested: None,
            running: true,
        })
    }

    pub(super) fn run(mut self) {
        if self.realtime {
            let priority = sys::realtime();
            let locked = sys::lock_memory();
            tracing::debug!(priority, locked, "real-time priority and locked memory");
        }
        let mut buffer = vec![0; 1 << 16];
        while self.running {
            let now = self.now;
            let hello_at = self.sessions.tick(now);
            self.send_hellos();
            self.perform();
            let tell_at = self.tell_every.map(|_| self.tell_at);
            let others = hello_at.into_iter().chain(tell_at);
            let deadline = others.fold(self.ring.deadline(), Time::min);
            let ready = self.wait(deadline.since(now));
            let now = self.clock.now();
            self.now = now;
            for (link, flags) in ready.into_iter().enumerate() {
                if flags.contains(PollFlags::POLLERR) {
                    self.refusals(link);
                }
                if flags.contains(PollFlags::POLLIN) {
                    self.receive(link, &mut buffer, now);
                }
            }
            self.work(now);
            if self.ring.deadline() <= now {
                self.ring.tick(now);
            }
            self.tell_links(now);
            self.perform();
            self.watch_the_layer_above(now);
            if self.stats_at <= now {
                self.stats_at = now + STATS_EVERY;
                self.follow_timing();
                self.publish(now);
            }
        }
        self.publish(self.now);
    }

    /// Sleeps until there is something to do; what each link's socket has.
    fn wait(&mut self, time: Duration) -> Vec<PollFlags> {
        let wanted = PollFlags::POLLIN;
        let mut fds: Vec<PollFd<'_>> =
            self.links.iter().map(|link| PollFd::new(link.fd(), wanted)).collect();
        fds.push(PollFd::new(self.shared.wake_fd(), wanted));
        self.clock.sleep(time);
        // An interruption is as good as a result: everything is looked at again.
        let _ = ppoll(&mut fds, Some(TimeSpec::from_duration(time)), None);
        fds.iter()
            .take(self.links.len())
            .map(|fd| fd.revents().unwrap_or(PollFlags::empty()))
            .collect()
    }

    fn receive(&mut self, link: usize, buffer: &mut [u8], now: Time) {
        for _ in 0..READS {
            let Some(received) = self.links[link].receive(buffer) else { return };
            for packet in buffer[..received.bytes].chunks_mut(received.segment) {
                self.packet(link, packet, now);
            }
            self.perform();
        }
    }

    fn packet(&mut self, link: usize, packet: &mut [u8], now: Time) {
        self.counts.packets_in += 1;
        match self.sessions.open(packet, now) {
            Ok(Some(opened)) => {
                let (from, incarnation) = (opened.from, opened.incarnation);
                self.paths.heard(from, link, now);
                match opened.content {
                    Content::Links(links) => self.paths.report(from, links),
                    Content::Ring(body) => {
                        let body = Bytes::copy_from_slice(body);
                        if self.ring.packet(from, incarnation, body, now).is_err() {
                            self.counts.malformed += 1;
                        }
                    }
                }
            }
            Ok(None) => {
                self.send_hellos();
                if self.sessions.take_acquainted() {
                    self.ring.hurry(now);
                }
            }
            Err(reject) => {
                self.rejected(reject);
                self.send_hellos();
            }
        }
    }

    /// Counts a dropped packet, and says once what a human can do about its kind.
    fn rejected(&mut self, reject: Reject) {
        let name = |node: NodeId| match self.peers.get(&node) {
            Some(peer) => peer.name.clone(),
            None => format!("an unlisted node {node}"),
        };
        let trouble = match reject {
            Reject::Foreign => {
                self.counts.foreign += 1;
                return;
            }
            Reject::Unlisted => {
                self.counts.unlisted += 1;
                return;
            }
            Reject::Replayed => {
                self.counts.replayed += 1;
                return;
            }
            Reject::Version(node, version) => {
                self.counts.other_version += 1;
                format!(
                    "{} speaks version {version} of the ring's protocol, which this node does not: \
                     install the same version of crm on both",
                    name(node)
                )
            }
            Reject::Cluster(node) => {
                self.counts.other_cluster += 1;
                format!(
                    "{} belongs to a cluster of another name: make `cluster_name` in cluster.conf \
                     the same on both nodes",
                    name(node)
                )
            }
            Reject::Unauthentic(node) => {
                self.counts.unauthentic += 1;
                // Of a peer that has proved itself these are forgeries, not a wrong key.
                let known = self.sessions.knows(node);
                let Some(peer) = self.peers.get_mut(&node) else { return };
                peer.doubts += 1;
                if known || peer.doubts < 3 {
                    return;
                }
                format!(
                    "{} uses another key: copy the same /etc/crm/authkey to both nodes",
                    peer.name
                )
            }
        };
        self.trouble(trouble);
    }

    /// Keeps something that a human should know, once.
    fn trouble(&mut self, trouble: String) {
        // As many lines as there are kinds and nodes; forged names of nodes must not add more.
        if self.troubles.len() < 64 && self.troubles.insert(trouble.clone()) {
            tracing::warn!("{trouble}");
        }
    }

    fn refusals(&mut self, link: usize) {
        while let Some(address) = self.links[link].refusal() {
            if let Some(node) = self.addresses.get(&address) {
                self.ring.refused(*node);
            }
        }
    }

    /// Takes what the layer above wants.
    fn work(&mut self, now: Time) {
        let Work { messages, commands, stopped, stored, failure } = self.shared.take();
        if let Some(why) = failure {
            self.trouble(why.clone());
            if self.ring.numbers_left() < LAST_NUMBERS {
                self.events.send(Event::Failed(why));
                self.running = false;
            }
        }
        if let Some(upto) = stored {
            self.ring.reserved(upto, now);
        }
        let some = !messages.is_empty();
        for message in messages {
            self.ring.submit(message);
        }
        if some {
            self.ring.flush(now);
        }
        for command in commands {
            match command {
                Command::Leave => self.ring.leave(now),
                Command::DeclareDead(node) => self.ring.declare_dead(node),
                Command::SetTiming(timing) => self.ring.set_timing(timing, now),
            }
        }
        if stopped {
            self.running = false;
        }
    }

    /// What depends on the ring's times, which may have changed.
    fn follow_timing(&mut self) {
        let timing = self.ring.timing();
        self.clock.judge_by(timing.dead_after);
        self.paths.judge_by(timing.probe * PROBES_MISSED);
        self.tell_every = (self.links.len() > 1).then_some(timing.probe);
    }

    /// Does what the protocol asks for, in its order.
    fn perform(&mut self) {
        for effect in self.ring.take_effects() {
            match effect {
                Effect::Send { to, body } => self.enqueue(&to, &body),
                Effect::Deliver { from, data } => {
                    self.running &= self.events.send(Event::Message { from, data });
                }
                Effect::View(view) => {
                    tracing::debug!(?view, "new view");
                    self.running &= self.events.send(Event::View(view));
                }
                Effect::Reserve(upto) => self.disk.reserve(upto),
                Effect::Ordered { messages, bytes } => self.shared.ordered(messages, bytes),
                Effect::Stopped => self.running = false,
            }
        }
        self.flush();
    }

    /// Seals a packet into the batch; sends the batch first if it does not fit there.
    fn enqueue(&mut self, to: &Target, body: &[u8]) {
        let everywhere = matches!(to, Target::All);
        let receivers: Vec<NodeId> = match to {
            Target::All => self.peers.keys().copied().collect(),
            Target::Each(nodes) => nodes.to_vec(),
            Target::One(node) => vec![*node],
        };
        let size = body.len() + OVERHEAD;
        let batch = &self.batch;
        let same = batch.to == receivers && batch.everywhere == everywhere;
        let room = batch.packets.len() + size <= BATCH && size <= batch.segment;
        // A shorter packet can only be the last of its batch.
        let whole = batch.segment > 0 && batch.packets.len().is_multiple_of(batch.segment);
        if !(same && room && whole) {
            self.flush();
        }
        let single = if let [one] = receivers[..] { Some(one) } else { None };
        let batch = &mut self.batch;
        if batch.packets.is_empty() {
            batch.segment = size;
            batch.everywhere = everywhere;
            batch.to = receivers;
        }
        self.sessions.seal(single, body, &mut batch.packets);
        self.counts.packets_out += 1;
    }

    fn flush(&mut self) {
        if self.batch.packets.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        for node in &batch.to {
            self.transmit(*node, &batch.packets, batch.segment, batch.everywhere);
        }
        let Batch { mut packets, .. } = batch;
        packets.clear();
        self.batch.packets = packets;
    }

    /// Sends to one node: what all shall hear over every link, the rest over the first that
    /// works, or over all of them while none is known to.
    fn transmit(&mut self, node: NodeId, packets: &[u8], segment: usize, everywhere: bool) {
        let Some(peer) = self.peers.get(&node) else { return };
        let best = if everywhere { None } else { self.paths.best(node, self.now) };
        for (index, link) in self.links.iter_mut().enumerate() {
            if best.is_none_or(|best| best == index)
                && let Some(address) = peer.addresses.get(index)
            {
                link.send(address, packets, segment);
            }
        }
    }

    /// Tells every peer on which links it is heard, on each link by a packet of its own, so that
    /// each proves that it carries something.
    fn tell_links(&mut self, now: Time) {
        let Some(every) = self.tell_every.filter(|_| now >= self.tell_at) else { return };
        self.tell_at = now + every;
        let mut packet = Vec::new();
        for (node, peer) in &self.peers {
            let heard = self.paths.heard_on(*node, now);
            for (link, address) in self.links.iter_mut().zip(&peer.addresses) {
                packet.clear();
                self.sessions.seal_links(*node, heard, &mut packet);
                self.counts.packets_out += 1;
                link.send(address, &packet, packet.len());
            }
        }
    }

    fn send_hellos(&mut self) {
        for (node, packet) in self.sessions.take_hellos() {
            self.counts.packets_out += 1;
            self.transmit(node, &packet, packet.len(), true);
        }
    }

    /// Slows the ring down when the layer above does not keep up, and gives up when it is stuck.
    fn watch_the_layer_above(&mut self, now: Time) {
        let behind = self.shared.events_waiting() > MAX_UNTAKEN;
        self.ring.set_congested(behind, now);
        self.congested = if behind { self.congested.or(Some(now)) } else { None };
        if self.congested.is_some_and(|since| now.since(since) > STUCK) {
            let why = "the daemon has not taken what the ring delivers for 20 seconds";
            self.events.send(Event::Failed(why.to_owned()));
            self.running = false;
        }
    }

    fn publish(&mut self, now: Time) {
        for node in self.sessions.twins().clone() {
            let name = self.peers.get(&node).map_or("", |peer| peer.name.as_str());
            self.trouble(format!(
                "two machines say that they are {name} (node number {node}): stop one of them, or \
                 give it a number and an address of its own"
            ));
        }
        let peers = self.peers.keys().map(|node| {
            let stats = PeerStats {
                silent_for: self.ring.silence(*node, now),
                links_up: self.paths.up(*node, now),
            };
            (*node, stats)
        });
        let peers = peers.collect();
        let (ring, counts) = (&self.ring, &self.counts);
        self.shared.update_stats(|stats| {
            stats.state = ring.state_name();
            stats.ring = Some(ring.id());
            stats.delivered = ring.counters.delivered;
            stats.sent = ring.counters.sent;
            stats.retransmitted = ring.counters.retransmitted;
            stats.tokens = ring.counters.tokens;
            stats.views = ring.counters.views;
            stats.packets_out = counts.packets_out;
            stats.packets_in = counts.packets_in;
            stats.foreign = counts.foreign;
            stats.unauthentic = counts.unauthentic;
            stats.other_cluster = counts.other_cluster;
            stats.other_version = counts.other_version;
            stats.unlisted = counts.unlisted;
            stats.replayed = counts.replayed;
            stats.malformed = counts.malformed;
            stats.pauses = self.clock.pauses;
            stats.longest_pause = self.clock.longest;
            stats.peers = peers;
            stats.troubles = self.troubles.iter().cloned().collect();
        });
    }
}
