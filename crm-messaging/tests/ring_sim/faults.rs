//! Random faults, then peace: in the end everybody is together and has everything.

use std::time::Duration;

use crm_messaging::group::NodeId;

use super::world::{World, ms};

fn random_fault(world: &mut World) {
    let ids = world.ids();
    let node = ids[world.rng.below(ids.len() as u64) as usize];
    match world.rng.below(14) {
        0..=1 => {
            let side: Vec<NodeId> = ids.iter().copied().filter(|_| world.rng.percent(50)).collect();
            let other = ids.iter().copied().filter(|id| !side.contains(id)).collect();
            world.partition(&[side, other]);
        }
        2..=3 => world.heal(),
        4 => world.crash(node),
        5..=6 => {
            for id in ids {
                world.start(id);
            }
        }
        7 => {
            let time = ms(world.rng.below(2000));
            world.pause(node, time);
        }
        8 => world.leave(node),
        9 => {
            let other = ids[world.rng.below(ids.len() as u64) as usize];
            world.network.cut.insert((node, other));
        }
        10 => world.network.loss = world.rng.below(25),
        11 => world.network.duplicates = world.rng.below(30),
        12 => {
            // Wide enough that packets overtake each other.
            world.network.delay = (50, 100 + world.rng.below(20_000));
        }
        _ => {
            world.crash(node);
            world.start(node);
        }
    }
}

fn traffic(world: &mut World) {
    for _ in 0..world.rng.below(12) {
        let ids = world.ids();
        let node = ids[world.rng.below(ids.len() as u64) as usize];
        let size = match world.rng.below(20) {
            0 => 20_000,
            1..=5 => 700,
            _ => world.rng.below(60),
        };
        world.submit(node, size as usize);
    }
}

fn run_seed(seed: u64) {
    let mut world = World::new(seed, [5, 3, 5, 7, 2][seed as usize % 5]);
    for id in world.ids() {
        if world.rng.percent(40) {
            world.refuse.insert(id);
        }
    }
    world.quorum.wait_for_all = world.rng.percent(30);
    let calm = world.rng.below(1000);
    for _ in 0..25 {
        let wait = world.rng.below(300 + calm);
        world.run(ms(wait));
        traffic(&mut world);
        random_fault(&mut world);
    }
    peace(&mut world);
}

/// Everything is repaired: one ring of all, and every message of those who run is everywhere
/// it belongs.
fn peace(world: &mut World) {
    world.heal();
    world.network.loss = 0;
    world.network.duplicates = 0;
    world.network.delay = (50, 150);
    // Whoever was told to leave shall have gone before it is started again.
    world.run(Duration::from_secs(3));
    let ids = world.ids();
    for id in &ids {
        world.start(*id);
    }
    world.until_together(&ids, Duration::from_secs(40));
    for id in &ids {
        world.submit(*id, 100);
        world.submit(*id, 10_000);
    }
    world.run(Duration::from_secs(2));
    for from in &ids {
        let incarnation = world.nodes[from].as_ref().expect("all run").incarnation;
        assert!(
            world.record.has_all_of(*from, *from, incarnation),
            "{from:?} misses messages of its own: {}",
            world.picture()
        );
    }
}

#[test]
fn rings_survive_random_faults() {
    if let Ok(seed) = std::env::var("RING_SEED") {
        run_seed(seed.parse().expect("RING_SEED is a number"));
        return;
    }
    let count = std::env::var("RING_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let workers = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || {
                for seed in (worker..count).step_by(workers as usize) {
                    let run = std::panic::AssertUnwindSafe(|| run_seed(seed));
                    if std::panic::catch_unwind(run).is_err() {
                        panic!("seed {seed}: replay it with RING_SEED={seed}");
                    }
                }
            });
        }
    });
}

/// Members are trusted with the order, but not with this process's life.
#[test]
fn nonsense_from_a_member_is_survived() {
    for seed in 0..15 {
        let mut world = World::new(seed, 3);
        world.record.off = true;
        world.run(ms(300));
        world.network.nonsense = 5;
        for _ in 0..20 {
            traffic(&mut world);
            world.run(ms(100));
        }
    }
}
