//! Single situations, with the times that the design promises.

use std::collections::BTreeSet;
use std::time::Duration;

use crm_messaging::group::{Departure, NodeId};
use crm_messaging::totem::{CHANGE, Timing};

use super::world::{World, ms};

const ALL: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

fn three() -> World {
    let mut world = World::new(1, 3);
    world.until_together(&ALL, Duration::from_secs(1));
    world.run(Duration::from_secs(1));
    world
}

#[test]
fn a_cold_start_forms_one_ring_at_once() {
    let mut world = World::new(1, 3);
    let time = world.until_together(&ALL, Duration::from_secs(1));
    assert!(time < ms(300), "{time:?}");
    world.run(Duration::from_secs(1));
    assert_eq!(world.record.views_installed, 6, "each alone, then all together");
    let mut many = World::new(1, 16);
    let ids = many.ids();
    let time = many.until_together(&ids, Duration::from_secs(2));
    assert!(time < ms(600), "{time:?}");
}

#[test]
fn those_who_are_there_wait_only_a_moment_for_the_rest() {
    let mut world = World::new(1, 3);
    world.crash(NodeId(2));
    let time = world.until_together(&[NodeId(1), NodeId(3)], Duration::from_secs(2));
    assert!(time < ms(600), "{time:?}");
}

/// The survivors of a node's death go together from their view to the next, in that time.
fn dies(world: &mut World, victim: NodeId, limit: Duration) {
    let views = world.record.views_installed;
    world.crash(victim);
    let rest: Vec<NodeId> = world.ids().into_iter().filter(|id| *id != victim).collect();
    let time = world.until_together(&rest, Duration::from_secs(2));
    assert!(time < limit, "{victim:?}: {time:?}");
    assert_eq!(world.record.views_installed - views, rest.len() as u64, "{}", world.picture());
    for id in rest {
        let view = world.record.view(id).unwrap();
        assert!(view.quorate);
        assert_eq!(view.departed, [(victim, Departure::Lost)]);
    }
}

#[test]
fn a_dead_node_is_out_of_the_view_in_time() {
    for victim in ALL {
        dies(&mut three(), victim, ms(750));
    }
}

#[test]
fn a_survivor_that_was_paused_meanwhile_does_not_split_the_others() {
    for seed in 0..60 {
        let mut world = World::new(seed, 3);
        world.until_together(&ALL, Duration::from_secs(1));
        world.run(Duration::from_secs(1));
        let victim = ALL[seed as usize % 3];
        let paused = ALL[(seed as usize + 1) % 3];
        let views = world.record.views_installed;
        world.crash(victim);
        let first = ms(world.rng.below(500));
        world.run(first);
        let pause = ms(world.rng.below(400));
        world.pause(paused, pause);
        let rest: Vec<NodeId> = ALL.into_iter().filter(|id| *id != victim).collect();
        world.until_together(&rest, Duration::from_secs(2));
        assert_eq!(world.record.views_installed - views, 2, "seed {seed}: {}", world.picture());
    }
}

#[test]
fn a_dead_process_on_a_living_host_is_found_faster() {
    // Hosts do not answer everyone: they send such answers seldom.
    for told in [vec![1, 2, 3], vec![1], vec![2], vec![3], vec![1, 2], vec![2, 3]] {
        for victim in ALL {
            let mut world = three();
            world.refuse = told.iter().copied().map(NodeId).collect();
            world.refuse.remove(&victim);
            let limit = if world.refuse.is_empty() { ms(750) } else { ms(400) };
            dies(&mut world, victim, limit);
        }
    }
}

#[test]
fn two_dead_nodes_of_five_cost_no_more_than_one() {
    let mut world = World::new(7, 5);
    let ids = world.ids();
    world.until_together(&ids, Duration::from_secs(2));
    world.run(Duration::from_secs(1));
    world.crash(NodeId(1));
    world.run(ms(20));
    world.crash(NodeId(3));
    let rest = [NodeId(2), NodeId(4), NodeId(5)];
    let time = world.until_together(&rest, Duration::from_secs(2));
    assert!(time < ms(800), "{time:?}");
}

#[test]
fn detection_does_not_grow_with_the_number_of_nodes() {
    let mut world = World::new(5, 16);
    let mut ids = world.ids();
    world.until_together(&ids, Duration::from_secs(2));
    world.run(Duration::from_secs(1));
    world.crash(ids.remove(4));
    let time = world.until_together(&ids, Duration::from_secs(2));
    assert!(time < ms(750), "{time:?}");
}

#[test]
fn a_pause_of_400_ms_changes_nothing() {
    for seed in 0..20 {
        let mut world = World::new(seed, 3);
        world.until_together(&ALL, Duration::from_secs(1));
        world.run(Duration::from_secs(1));
        let views = world.record.views_installed;
        for round in 0..10 {
            let wait = world.rng.below(300);
            world.run(ms(wait));
            world.submit(ALL[round % 3], 5000);
            let victim = ALL[world.rng.below(3) as usize];
            world.pause(victim, ms(400));
            world.run(ms(700));
        }
        assert_eq!(world.record.views_installed, views, "seed {seed}");
    }
}

#[test]
fn a_machine_without_free_processors_changes_nothing() {
    let mut world = three();
    let views = world.record.views_installed;
    for _ in 0..600 {
        let node = ALL[world.rng.below(3) as usize];
        let time = ms(world.rng.below(250));
        world.pause(node, time);
        let sender = ALL[world.rng.below(3) as usize];
        world.submit(sender, 3000);
        let wait = ms(world.rng.below(100));
        world.run(wait);
    }
    assert_eq!(world.record.views_installed, views);
}

#[test]
fn a_lossy_network_changes_nothing() {
    let mut world = three();
    world.network.loss = 20;
    let views = world.record.views_installed;
    for _ in 0..50 {
        world.submit(NodeId(1), 3000);
        world.submit(NodeId(3), 30);
        world.run(ms(200));
    }
    assert_eq!(world.record.views_installed, views);
}

#[test]
fn a_node_that_leaves_is_gone_at_once_and_known_to_have_left() {
    for seed in 0..20 {
        leaves(seed, 50);
        leaves(seed, 0);
    }
}

fn leaves(seed: u64, messages: usize) {
    let mut world = World::new(seed, 3);
    world.until_together(&ALL, Duration::from_secs(1));
    world.run(Duration::from_secs(1));
    for _ in 0..messages {
        world.submit(NodeId(3), 2000);
    }
    world.leave(NodeId(3));
    let rest = [NodeId(1), NodeId(2)];
    let time = world.until_together(&rest, Duration::from_secs(1));
    assert!(time < ms(30), "seed {seed}: {time:?}");
    let view = world.record.view(NodeId(1)).unwrap();
    assert_eq!(view.departed, [(NodeId(3), Departure::Left)]);
    world.run(Duration::from_secs(3));
    assert_eq!(world.members(NodeId(1)), BTreeSet::from(rest));
}

#[test]
fn a_restart_faster_than_detection_is_one_view() {
    let mut world = three();
    // A ring may be old: what its members heard of each other long ago must not count.
    world.run(Duration::from_secs(20));
    for victim in ALL {
        world.crash(victim);
        world.run(ms(50));
        world.start(victim);
        world.run(ms(1500));
        for other in ALL.into_iter().filter(|n| *n != victim) {
            let view = world.record.view(other).unwrap().clone();
            assert_eq!(view.members, BTreeSet::from(ALL));
            assert!(view.joined.contains(&victim), "{view:?}");
            assert_eq!(view.departed, [(victim, Departure::Lost)], "not two views, {view:?}");
        }
        world.run(Duration::from_secs(5));
    }
}

#[test]
fn a_partition_heals_soon() {
    let mut world = three();
    world.partition(&[vec![NodeId(1)], vec![NodeId(2), NodeId(3)]]);
    world.until_together(&[NodeId(2), NodeId(3)], Duration::from_secs(1));
    world.until_together(&[NodeId(1)], Duration::from_secs(1));
    assert!(!world.record.view(NodeId(1)).unwrap().quorate);
    world.run(Duration::from_secs(1));
    world.heal();
    let time = world.until_together(&ALL, Duration::from_secs(2));
    assert!(time < ms(500), "{time:?}");
}

#[test]
fn a_pair_that_cannot_hear_each_other_ends_in_one_stable_view() {
    let mut world = three();
    world.network.cut = BTreeSet::from([(NodeId(1), NodeId(3)), (NodeId(3), NodeId(1))]);
    let pair = [NodeId(1), NodeId(2)];
    let time = world.until_together(&pair, Duration::from_secs(3));
    assert!(time < Duration::from_secs(2), "{time:?}");
    world.run(Duration::from_secs(2));
    let views = world.record.views_installed;
    world.run(Duration::from_secs(30));
    assert_eq!(world.record.views_installed, views, "{}", world.picture());
    assert_eq!(world.members(NodeId(1)), BTreeSet::from(pair));
}

#[test]
fn a_link_that_works_one_way_ends_in_one_stable_view() {
    let mut world = three();
    // The others hear node 2, but it hears nobody.
    world.network.cut = BTreeSet::from([(NodeId(1), NodeId(2)), (NodeId(3), NodeId(2))]);
    world.until_together(&[NodeId(1), NodeId(3)], Duration::from_secs(3));
    world.run(Duration::from_secs(3));
    let views = world.record.views_installed;
    world.run(Duration::from_secs(30));
    assert_eq!(world.record.views_installed, views, "{}", world.picture());
}

#[test]
fn a_node_that_is_certainly_off_is_not_waited_for() {
    let mut world = three();
    world.crash(NodeId(3));
    world.with(NodeId(1), |ring, _| ring.declare_dead(NodeId(3)));
    let time = world.until_together(&[NodeId(1), NodeId(2)], Duration::from_secs(1));
    assert!(time < ms(300), "{time:?}");
}

#[test]
fn a_node_that_is_said_to_be_off_but_speaks_stays() {
    let mut world = three();
    let views = world.record.views_installed;
    world.with(NodeId(1), |ring, _| ring.declare_dead(NodeId(3)));
    world.run(Duration::from_secs(2));
    assert_eq!(world.record.views_installed, views);
}

#[test]
fn a_congested_member_holds_all_back_and_nothing_is_lost() {
    let mut world = three();
    world.with(NodeId(2), |ring, now| ring.set_congested(true, now));
    world.run(ms(300));
    let before = world.record.delivered;
    for _ in 0..20 {
        world.submit(NodeId(1), 500);
    }
    world.run(Duration::from_secs(3));
    assert_eq!(world.record.delivered, before);
    world.with(NodeId(2), |ring, now| ring.set_congested(false, now));
    world.run(Duration::from_secs(1));
    assert_eq!(world.record.delivered, before + 60);
}

#[test]
fn a_bridge_between_two_halves_ends_in_stable_views() {
    let mut world = World::new(3, 5);
    let ids = world.ids();
    world.until_together(&ids, Duration::from_secs(1));
    world.run(Duration::from_secs(1));
    for left in [NodeId(1), NodeId(2)] {
        for right in [NodeId(4), NodeId(5)] {
            world.network.cut.insert((left, right));
            world.network.cut.insert((right, left));
        }
    }
    world.run(Duration::from_secs(4));
    // The bridge goes with one of the halves, which so has a majority.
    let bridge = world.record.view(NodeId(3)).unwrap();
    assert!(bridge.quorate && bridge.members.len() == 3, "{}", world.picture());
    let views = world.record.views_installed;
    world.run(Duration::from_secs(30));
    assert_eq!(world.record.views_installed, views, "{}", world.picture());
}

#[test]
fn a_path_for_small_packets_only_is_none() {
    let mut world = three();
    world.network.largest = (NodeId(2), 400);
    world.until_together(&[NodeId(1), NodeId(3)], Duration::from_secs(5));
    world.run(Duration::from_secs(3));
    let views = world.record.views_installed;
    world.run(Duration::from_secs(30));
    assert_eq!(world.record.views_installed, views, "{}", world.picture());
    world.network.largest = (NodeId(0), 0);
    world.until_together(&ALL, Duration::from_secs(3));
}

#[test]
fn a_congested_node_alone_waits_too() {
    let mut world = World::new(1, 1);
    world.with(NodeId(1), |ring, now| ring.set_congested(true, now));
    world.submit(NodeId(1), 500);
    world.run(Duration::from_secs(1));
    assert_eq!(world.record.delivered, 0);
    world.with(NodeId(1), |ring, now| ring.set_congested(false, now));
    assert_eq!(world.record.delivered, 1);
}

#[test]
fn one_of_two_nodes_acts_alone_only_after_both_were_together() {
    let mut world = World::new(1, 2);
    let [first, second] = [NodeId(1), NodeId(2)];
    world.crash(first);
    world.crash(second);
    world.quorum.two_node = true;
    world.quorum.wait_for_all = true;
    world.start(first);
    world.run(Duration::from_secs(2));
    assert!(!world.record.view(first).unwrap().quorate);
    world.start(second);
    world.until_together(&[first, second], Duration::from_secs(1));
    assert!(world.record.view(first).unwrap().quorate);
    world.crash(second);
    world.until_together(&[first], Duration::from_secs(1));
    assert!(world.record.view(first).unwrap().quorate);
    world.crash(first);
    world.start(first);
    world.run(Duration::from_secs(2));
    assert!(!world.record.view(first).unwrap().quorate, "a restart forgets");
}

#[test]
fn a_node_half_a_second_away_with_loss_stays_and_can_come_back() {
    let mut world = three();
    let views = world.record.views_installed;
    world.network.slow = (NodeId(2), ms(250));
    world.network.loss = 10;
    for _ in 0..60 {
        world.submit(NodeId(2), 100);
        world.submit(NodeId(3), 2000);
        world.run(ms(500));
    }
    assert_eq!(world.record.views_installed, views, "{}", world.picture());
    world.network.loss = 0;
    world.crash(NodeId(2));
    world.until_together(&[NodeId(1), NodeId(3)], Duration::from_secs(2));
    world.start(NodeId(2));
    world.until_together(&ALL, Duration::from_secs(10));
}

#[test]
fn times_change_while_the_ring_goes_on() {
    for (seed, old, new) in [(1, 1000, 100), (2, 100, 1000), (3, 1000, 20_000), (4, 20_000, 150)] {
        let mut world = World::new(seed, 4);
        world.run(ms(3000));
        let change = |world: &mut World, id, token| {
            world.with(id, |ring, now| ring.set_timing(Timing::scaled(ms(token)), now));
        };
        world.ids().into_iter().for_each(|id| change(&mut world, id, old));
        world.run(CHANGE * 2);
        let before = world.record.views_installed;
        // One after the other, within five seconds.
        for id in world.ids() {
            let pause = world.rng.below(1600);
            world.run(ms(pause));
            change(&mut world, id, new);
        }
        world.run(CHANGE * 3);
        assert_eq!(world.record.views_installed, before, "{old} to {new} ms");
        if new < 2000 {
            dies(&mut world, NodeId(4), ms(new * 4 / 5));
        }
    }
}
