//! Engines on real sockets of this machine.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crm_messaging::config::AuthKey;
use crm_messaging::engine::{EngineConfig, Events, Handle, MAX_MESSAGE, Peer, start};
use crm_messaging::group::{Departure, Event, NodeId, SendError, View};
use crm_messaging::quorum::QuorumConfig;
use crm_messaging::totem::Timing;

/// For everything that must happen; far beyond what even a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Addresses of this machine on which nobody listens.
fn addresses(count: u32) -> Vec<SocketAddr> {
    let sockets: Vec<UdpSocket> =
        (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    sockets.iter().map(|socket| socket.local_addr().unwrap()).collect()
}

fn config(local: u32, addresses: &[SocketAddr], dir: &Path) -> EngineConfig {
    let node = |(index, address): (usize, &SocketAddr)| Peer {
        id: NodeId(index as u32 + 1),
        name: format!("node{}", index + 1),
        votes: 1,
        addresses: vec![*address],
    };
    EngineConfig {
        local: NodeId(local),
        nodes: addresses.iter().enumerate().map(node).collect(),
        cluster_name: "test".to_owned(),
        key: AuthKey::new(vec![1; 32]).unwrap(),
        quorum: QuorumConfig {
            expected_votes: addresses.len() as u32,
            two_node: false,
            wait_for_all: false,
        },
        // Slow machines must not fail a test: times here are not the defaults.
        timing: Timing::scaled(Duration::from_secs(8)),
        mtu: 1500,
        state_dir: dir.join(format!("state{local}")),
        realtime: false,
    }
}

struct Node {
    handle: Handle,
    events: Events,
}

impl Node {
    fn start(config: EngineConfig) -> Node {
        let (handle, events) = start(config).unwrap();
        Node { handle, events }
    }

    fn event(&mut self) -> Event {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.events.try_recv() {
                return event;
            }
            assert!(Instant::now() < end, "nothing happens: {:?}", self.handle.stats());
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn until_members(&mut self, members: &[u32]) -> View {
        let wanted: BTreeSet<NodeId> = members.iter().copied().map(NodeId).collect();
        loop {
            if let Event::View(view) = self.event()
                && view.members == wanted
            {
                return view;
            }
        }
    }

    fn messages(&mut self, count: usize) -> Vec<(NodeId, Bytes)> {
        let mut out = Vec::with_capacity(count);
        while out.len() < count {
            match self.event() {
                Event::Message { from, data } => out.push((from, data)),
                Event::View(view) => panic!("the ring changed: {view:?}"),
                Event::Failed(why) => panic!("{why}"),
            }
        }
        out
    }

    fn send(&self, data: Bytes) {
        while self.handle.multicast(data.clone()) == Err(SendError::Full) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn three(dir: &Path) -> Vec<Node> {
    let addresses = addresses(3);
    let mut nodes: Vec<Node> = (1..=3).map(|id| Node::start(config(id, &addresses, dir))).collect();
    for node in &mut nodes {
        assert!(node.until_members(&[1, 2, 3]).quorate);
    }
    nodes
}

#[test]
fn three_engines_deliver_ten_thousand_messages_in_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut nodes = three(dir.path());
    let senders: Vec<_> = nodes.iter().map(|node| node.handle.clone()).collect();
    std::thread::scope(|scope| {
        for (sender, handle) in senders.into_iter().enumerate() {
            scope.spawn(move || {
                for number in 0..3334u32 {
                    let mut data = vec![sender as u8; (number % 97) as usize];
                    data.extend(number.to_le_bytes());
                    while handle.multicast(data.clone().into()) == Err(SendError::Full) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            });
        }
        let orders: Vec<_> =
            nodes.iter_mut().map(|node| scope.spawn(|| node.messages(3 * 3334))).collect();
        let orders: Vec<_> = orders.into_iter().map(|order| order.join().unwrap()).collect();
        assert_eq!(orders[0].len(), 10_002);
        assert!(orders[0] == orders[1] && orders[1] == orders[2]);
    });
}

#[test]
fn a_message_of_the_largest_size_passes_and_a_larger_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut nodes = three(dir.path());
    let too_large = Bytes::from(vec![0; MAX_MESSAGE + 1]);
    assert_eq!(nodes[0].handle.multicast(too_large), Err(SendError::TooLarge));
    let large: Bytes = (0..24 << 20).map(|i: u32| (i % 251) as u8).collect::<Vec<_>>().into();
    nodes[1].send(large.clone());
    nodes[1].send(Bytes::from_static(b"after"));
    for node in &mut nodes {
        let messages = node.messages(2);
        assert!(messages[0].1 == large);
        assert_eq!(messages[1], (NodeId(2), Bytes::from_static(b"after")));
    }
}

#[test]
fn leaving_is_seen_as_such_and_coming_back_works() {
    let dir = tempfile::tempdir().unwrap();
    let addresses = addresses(3);
    let start = |id| Node::start(config(id, &addresses, dir.path()));
    let mut nodes: Vec<Node> = (1..=3).map(start).collect();
    for node in &mut nodes {
        node.until_members(&[1, 2, 3]);
    }
    let mut third = nodes.pop().unwrap();
    third.send(Bytes::from_static(b"last words"));
    third.handle.leave();
    assert_eq!(third.handle.multicast(Bytes::new()), Err(SendError::Stopped));
    assert_eq!(third.messages(1)[0].1, "last words");
    assert!(third.events.blocking_recv().is_none());
    for node in &mut nodes {
        assert_eq!(node.messages(1)[0].1, "last words");
        let view = node.until_members(&[1, 2]);
        assert_eq!(view.departed, [(NodeId(3), Departure::Left)]);
    }
    drop(third);
    let mut third = start(3);
    third.until_members(&[1, 2, 3]);
    for node in &mut nodes {
        let view = node.until_members(&[1, 2, 3]);
        assert_eq!(view.joined, BTreeSet::from([NodeId(3)]));
    }
}

#[test]
fn noise_on_the_port_is_counted_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let addresses = addresses(1);
    let mut node = Node::start(config(1, &addresses, dir.path()));
    node.until_members(&[1]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in 0..1000 {
        let noise: Vec<u8> = (0..length).map(|i| (i * 31 + length) as u8).collect();
        socket.send_to(&noise, addresses[0]).unwrap();
    }
    let end = Instant::now() + PATIENCE;
    while node.handle.stats().foreign < 500 {
        assert!(Instant::now() < end, "{:?}", node.handle.stats());
        std::thread::sleep(Duration::from_millis(10));
    }
    node.send(Bytes::from_static(b"alive"));
    assert_eq!(node.messages(1)[0].1, "alive");
}

#[test]
fn a_wrong_key_and_a_wrong_name_are_said_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let addresses = addresses(3);
    let first = Node::start(config(1, &addresses, dir.path()));
    let mut other_key = config(2, &addresses, dir.path());
    other_key.key = AuthKey::new(vec![2; 32]).unwrap();
    let mut other_name = config(3, &addresses, dir.path());
    other_name.cluster_name = "else".to_owned();
    let _second = Node::start(other_key);
    let _third = Node::start(other_name);
    let end = Instant::now() + PATIENCE;
    loop {
        let troubles = first.handle.stats().troubles;
        let said = |words: &str| troubles.iter().any(|trouble| trouble.contains(words));
        if said("node2 uses another key") && said("node3 belongs to a cluster of another name") {
            break;
        }
        assert!(Instant::now() < end, "{troubles:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_link_that_fails_in_one_direction_is_replaced_by_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (addresses(3), addresses(3));
    let nowhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let with_links = |id| {
        let mut config = config(id, &first, dir.path());
        for (peer, address) in config.nodes.iter_mut().zip(&second) {
            peer.addresses.push(*address);
        }
        if id == 1 {
            // What node 1 sends to node 2 on link 0 never arrives.
            config.nodes[1].addresses[0] = nowhere.local_addr().unwrap();
        }
        Node::start(config)
    };
    let mut nodes: Vec<Node> = (1..=3).map(with_links).collect();
    for node in &mut nodes {
        node.until_members(&[1, 2, 3]);
    }
    for _ in 0..500 {
        nodes[0].send(Bytes::from(vec![3; 1000]));
    }
    for node in &mut nodes {
        assert_eq!(node.messages(500).len(), 500);
    }
    let end = Instant::now() + PATIENCE;
    while nodes[1].handle.stats().peers[&NodeId(1)].links_up != [false, true] {
        assert!(Instant::now() < end, "{:?}", nodes[1].handle.stats());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Not a test of its own: the third node of the test below, in a process that can be stopped.
#[test]
fn child() {
    let Ok(spec) = std::env::var("RING_CHILD") else { return };
    let (dir, list) = spec.split_once(' ').unwrap();
    let addresses: Vec<SocketAddr> = list.split(' ').map(|a| a.parse().unwrap()).collect();
    let mut node = Node::start(config(3, &addresses, Path::new(dir)));
    node.until_members(&[1, 2, 3]);
    println!("READY");
    while node.events.blocking_recv().is_some() {}
}

#[test]
fn a_process_stopped_for_less_than_the_bound_stays_and_a_killed_one_goes() {
    use nix::sys::signal::{Signal, kill};
    let dir = tempfile::tempdir().unwrap();
    let addresses = addresses(3);
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("RING_CHILD", format!("{} {}", dir.path().display(), list.join(" ")))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut nodes: Vec<Node> =
        (1..=2).map(|id| Node::start(config(id, &addresses, dir.path()))).collect();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("READY")));
    for node in &mut nodes {
        node.until_members(&[1, 2, 3]);
    }
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    kill(pid, Signal::SIGSTOP).unwrap();
    nodes[0].send(Bytes::from_static(b"meanwhile"));
    // The stop itself is what is tested: a tenth of the bound.
    std::thread::sleep(Duration::from_millis(480));
    kill(pid, Signal::SIGCONT).unwrap();
    for node in &mut nodes {
        assert_eq!(node.messages(1)[0].1, "meanwhile");
    }
    kill(pid, Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    for node in &mut nodes {
        let view = node.until_members(&[1, 2]);
        assert_eq!(view.departed, [(NodeId(3), Departure::Lost)]);
    }
}
