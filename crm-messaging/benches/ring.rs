//! Ordered, encrypted messages between three rings on this machine: throughput and latency.
//!
//! `cargo bench -p crm-messaging [-- SECONDS]`. Everything goes over real sockets on the loopback
//! interface, in packets of Ethernet's size. Compare only figures of one machine and one run.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crm_messaging::config::AuthKey;
use crm_messaging::engine::{EngineConfig, Events, Handle, Peer, start};
use crm_messaging::group::{Event, NodeId};
use crm_messaging::quorum::QuorumConfig;
use crm_messaging::totem::Timing;

const NODES: u32 = 3;

fn rings(dir: &std::path::Path) -> Vec<(Handle, Events)> {
    let sockets: Vec<UdpSocket> =
        (0..NODES).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let addresses: Vec<SocketAddr> = sockets.iter().map(|s| s.local_addr().unwrap()).collect();
    drop(sockets);
    let peer = |(index, address): (usize, &SocketAddr)| Peer {
        id: NodeId(index as u32 + 1),
        name: format!("node{}", index + 1),
        votes: 1,
        addresses: vec![*address],
    };
    let nodes: Vec<Peer> = addresses.iter().enumerate().map(peer).collect();
    let begun = Instant::now();
    let mut rings: Vec<(Handle, Events)> = (1..=NODES)
        .map(|id| {
            start(EngineConfig {
                local: NodeId(id),
                nodes: nodes.clone(),
                cluster_name: "bench".to_owned(),
                key: AuthKey::new(vec![1; 32]).unwrap(),
                quorum: QuorumConfig {
                    expected_votes: NODES,
                    two_node: false,
                    wait_for_all: false,
                },
                timing: Timing::default(),
                mtu: 1500,
                state_dir: dir.join(id.to_string()),
                realtime: true,
            })
            .unwrap()
        })
        .collect();
    for (_, events) in &mut rings {
        while !matches!(events.blocking_recv().unwrap(),
                        Event::View(view) if view.members.len() == NODES as usize)
        {}
    }
    println!("{NODES} nodes are one ring after {:?}", begun.elapsed());
    rings
}

/// Sends from the first `senders` rings for a while; messages a second at one receiver.
fn throughput(rings: &mut [(Handle, Events)], size: usize, senders: usize, time: Duration) -> f64 {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let handles: Vec<Handle> = rings.iter().map(|(handle, _)| handle.clone()).collect();
        for handle in handles.into_iter().take(senders) {
            let stop = &stop;
            scope.spawn(move || {
                let data = Bytes::from(vec![7; size]);
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    while !stop.load(Ordering::Relaxed) {
                        handle.send(data.clone()).await.unwrap();
                    }
                    // The last word tells the receivers that this sender is done.
                    handle.send(Bytes::new()).await.unwrap();
                });
            });
        }
        let receivers: Vec<_> = rings
            .iter_mut()
            .map(|(_, events)| {
                scope.spawn(move || {
                    let (begun, mut count, mut done) = (Instant::now(), 0u64, 0);
                    let mut within = 0;
                    while done < senders {
                        match events.blocking_recv().unwrap() {
                            Event::Message { data, .. } if data.is_empty() => done += 1,
                            Event::Message { .. } => count += 1,
                            Event::View(view) => panic!("the ring changed: {view:?}"),
                            Event::Failed(why) => panic!("{why}"),
                        }
                        if begun.elapsed() < time {
                            within = count;
                        }
                    }
                    within as f64 / time.as_secs_f64()
                })
            })
            .collect();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let rates: Vec<f64> = receivers.into_iter().map(|r| r.join().unwrap()).collect();
        rates.into_iter().fold(f64::INFINITY, f64::min)
    })
}

/// Time from sending to the own delivery, one message at a time.
fn latency(ring: &mut (Handle, Events)) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..3000)
        .map(|_| {
            let begun = Instant::now();
            ring.0.multicast(Bytes::from_static(&[1; 64])).unwrap();
            while !matches!(ring.1.blocking_recv().unwrap(), Event::Message { .. }) {}
            begun.elapsed()
        })
        .collect();
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn drain(rings: &mut [(Handle, Events)]) {
    std::thread::sleep(Duration::from_millis(200));
    for (_, events) in rings {
        while events.try_recv().is_some() {}
    }
}

fn main() {
    let seconds = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(2.0);
    let time = Duration::from_secs_f64(seconds);
    let dir = std::env::temp_dir().join(format!("ring-bench-{}", std::process::id()));
    let mut rings = rings(&dir);
    for index in 0..NODES as usize {
        let (p50, p99) = latency(&mut rings[index]);
        println!("self-delivery at node {}: p50 {p50:?}, p99 {p99:?}", index + 1);
        drain(&mut rings);
    }
    for size in [64, 1024, 8192, 65_536] {
        for senders in [1, NODES as usize] {
            let rate = throughput(&mut rings, size, senders, time);
            let bytes = rate * size as f64 / 1e6;
            println!("{size:>6} B, {senders} sending: {rate:>9.0} messages/s {bytes:>7.1} MB/s");
            drain(&mut rings);
        }
    }
    let stats = rings[0].0.stats();
    println!(
        "views {}, sent again {}, tokens {}, packets out {}, pauses {} (longest {:?})",
        stats.views,
        stats.retransmitted,
        stats.tokens,
        stats.packets_out,
        stats.pauses,
        stats.longest_pause
    );
    drop(rings);
    let _ = std::fs::remove_dir_all(&dir);
}
