//! Several controllers in one process, with an ordered channel for a ring, pretended agents,
//! devices and disks, and the real scheduler. Everything that happens follows from a seed.
//!
//! After every step the invariants are checked; at the end of a run everything is healed, and the
//! cluster must come to rest with every resource running once.

mod world;

use crm_messaging::group::NodeId;
use world::World;

const PRIMITIVES: &str = "<primitive id='a' class='ocf' provider='heartbeat' type='Dummy'>\
     <operations><op id='am' name='monitor' interval='1s'/></operations></primitive>\
     <primitive id='b' class='ocf' provider='heartbeat' type='Dummy'/>\
     <group id='g'><primitive id='c' class='ocf' provider='heartbeat' type='Dummy'/>\
     <primitive id='d' class='ocf' provider='heartbeat' type='Dummy'/></group>";
const DEVICE: &str = "<primitive id='fence' class='stonith' type='external/demo'/>";

fn world(nodes: u32, seed: u64, fencing: bool) -> World {
    let mut world = World::new(nodes, seed);
    (1..=nodes).for_each(|n| world.boot(NodeId(n)));
    world.merge_all();
    world.rest();
    let device = if fencing { DEVICE } else { "" };
    world.configure(&format!("{PRIMITIVES}{device}"), fencing);
    world.rest();
    world
}

#[test]
fn a_cluster_starts_its_resources_once() {
    for seed in 1..4 {
        let w = world(3, seed, true);
        w.all_run_once(&["a", "b", "c", "d", "fence"]);
        assert_eq!(w.location("c"), w.location("d"), "a group stays together");
    }
}

#[test]
fn a_crashed_node_is_fenced_before_its_resources_start_elsewhere() {
    for seed in 1..6 {
        let mut w = world(3, seed, true);
        let victim = w.location("a");
        w.crash(victim);
        w.rest();
        assert!(w.fenced.contains(&victim));
        w.all_run_once(&["a", "b", "c", "d"]);
        assert_ne!(w.location("a"), victim);
        w.boot(victim);
        w.merge_all();
        w.rest();
        w.all_run_once(&["a", "b", "c", "d"]);
    }
}

#[test]
fn a_slow_start_elsewhere_does_not_delay_fencing() {
    for seed in 11..15 {
        let mut w = world(3, seed, true);
        w.slow = Some("a");
        w.break_resource("a");
        w.run_for(2_000);
        let victim = w.location("c");
        w.crash(victim);
        w.run_for(3_000);
        assert!(w.fenced.contains(&victim), "seed {seed}");
        assert_eq!((w.running("c"), w.running("d")), (1, 1), "seed {seed}");
        w.slow = None;
        w.rest();
        w.all_run_once(&["a", "b", "c", "d"]);
    }
}

#[test]
fn a_coordinator_is_fenced_by_the_others_and_only_once() {
    let mut w = world(3, 6, true);
    let coordinator = w.coordinator().settings.local;
    w.ask_fencing(coordinator);
    w.rest();
    assert!(w.fenced.contains(&coordinator));
    assert_eq!(w.fencings, 1);
    w.all_run_once(&["a", "b", "c", "d"]);
}

#[test]
fn a_version_never_goes_back_over_a_restart() {
    let mut w = world(3, 10, true);
    let before = w.coordinator().replica().version();
    (1..4).for_each(|n| w.crash(NodeId(n)));
    (1..4).for_each(|n| w.boot(NodeId(n)));
    w.merge_all();
    w.rest();
    assert!(w.coordinator().replica().version() > before);
}

#[test]
fn while_fencing_fails_the_service_stays_down_and_the_reason_is_told() {
    let mut w = world(3, 7, true);
    let victim = w.location("a");
    w.fencing_works = false;
    w.crash(victim);
    w.run_for(30_000);
    assert_eq!(w.running("a"), 0);
    assert!(w.troubles().iter().any(|t| t.contains("cannot be fenced")), "{:?}", w.troubles());
    w.fencing_works = true;
    w.rest();
    w.all_run_once(&["a", "b", "c", "d"]);
    assert!(w.troubles().is_empty(), "{:?}", w.troubles());
}

#[test]
fn a_node_that_is_cut_off_is_fenced_although_it_lives() {
    let mut w = world(3, 8, true);
    let victim = w.location("a");
    w.split(&[victim]);
    w.rest();
    assert!(w.fenced.contains(&victim));
    w.all_run_once(&["a", "b", "c", "d"]);
}

#[test]
fn who_is_back_before_its_device_has_answered_is_fenced_once_and_stays() {
    for (nodes, seed) in [(2, 31), (3, 32), (3, 33), (5, 34)] {
        let mut w = world(nodes, seed, true);
        w.reboots_at_once = true;
        w.ask_fencing(NodeId(nodes));
        w.rest();
        assert_eq!((w.fencings, w.called_dead), (1, 0), "{nodes} nodes");
        assert!(w.is_up(NodeId(nodes)));
        w.all_run_once(&["a", "b", "c", "d"]);
    }
}

#[test]
fn who_is_lost_again_before_its_device_has_answered_is_fenced_again() {
    for seed in 41..47 {
        let mut w = world(3, seed, true);
        let victim = NodeId(3);
        w.reboots_at_once = true;
        w.ask_fencing(victim);
        while w.fencings == 0 {
            w.run_for(5);
        }
        // It is back, the device's answer is on its way.
        w.reboots_at_once = false;
        w.run_for(100);
        assert!(w.is_up(victim));
        w.crash(victim);
        w.rest();
        assert_eq!(w.fencings, 2, "seed {seed}");
        w.all_run_once(&["a", "b", "c", "d"]);
    }
}

#[test]
fn who_comes_back_a_moment_later_is_not_fenced() {
    let mut w = world(3, 9, true);
    w.scatter();
    w.run_for(300);
    assert!(w.fenced.is_empty(), "nobody has quorum");
    w.meet(&[NodeId(1), NodeId(2)]);
    w.run_for(1_500);
    assert!(w.fenced.is_empty());
    w.merge_all();
    w.rest();
    assert!(w.fenced.is_empty());
    w.all_run_once(&["a", "b", "c", "d"]);
    // One that does not come back is fenced after all.
    w.scatter();
    w.run_for(300);
    w.meet(&[NodeId(1), NodeId(2)]);
    w.rest();
    assert!(w.fenced.contains(&NodeId(3)));
    w.all_run_once(&["a", "b", "c", "d"]);
}

#[test]
fn without_fencing_the_lease_keeps_a_service_from_running_twice() {
    for seed in 1..6 {
        let mut w = world(3, seed, false);
        let victim = w.location("a");
        w.split(&[victim]);
        w.rest();
        w.all_run_once(&["a", "b", "c", "d"]);
        assert_ne!(w.location("a"), victim);
        w.merge_all();
        w.rest();
        w.all_run_once(&["a", "b", "c", "d"]);
    }
}

#[test]
fn a_clean_stop_hands_over_and_is_never_fenced() {
    for seed in 1..4 {
        let mut w = world(3, seed, true);
        let leaver = w.location("a");
        w.stop(leaver);
        w.rest();
        assert!(!w.is_up(leaver), "it has left");
        assert!(w.fenced.is_empty());
        w.all_run_once(&["a", "b", "c", "d"]);
    }
}

#[test]
fn the_whole_cluster_stops_cleanly() {
    let mut w = world(3, 3, true);
    (1..4).for_each(|n| w.stop(NodeId(n)));
    w.run_for(60_000);
    assert!((1..4).all(|n| !w.is_up(NodeId(n))));
    assert!(w.fenced.is_empty());
    assert_eq!(w.running("a"), 0);
}

#[test]
fn a_daemon_that_is_killed_and_restarted_at_once_adopts_what_runs() {
    for seed in 1..4 {
        let mut w = world(3, seed, true);
        let node = w.location("a");
        let starts = w.starts("a");
        w.restart_daemon(node);
        w.rest();
        w.all_run_once(&["a", "b", "c", "d"]);
        assert_eq!(w.starts("a"), starts, "a healthy service is not restarted");
        assert!(w.fenced.is_empty());
    }
}

#[test]
fn every_node_gets_every_secret_also_one_that_was_down() {
    let mut w = world(3, 12, true);
    let all = [NodeId(1), NodeId(2), NodeId(3)];
    w.set_secret(all[0], "a", Some("first"));
    w.set_secret(all[1], "b", Some("gone"));
    w.rest();
    assert!(all.iter().all(|n| w.secret(*n, "a") == Some("first")));
    w.stop(all[2]);
    w.rest();
    w.set_secret(all[0], "a", Some("second"));
    w.set_secret(all[0], "b", None);
    w.rest();
    assert_eq!(w.secret(all[2], "a"), Some("first"), "it was not there");
    // Even if nobody who was there comes up first.
    w.stop(all[0]);
    w.stop(all[1]);
    w.run_for(60_000);
    w.boot(all[2]);
    w.boot(all[0]);
    w.merge_all();
    w.rest();
    assert!([all[0], all[2]].iter().all(|n| w.secret(*n, "a") == Some("second")));
    assert!([all[0], all[2]].iter().all(|n| w.secret(*n, "b").is_none()));
}

#[test]
fn a_restart_that_was_announced_moves_and_fences_nothing() {
    for seed in 1..6 {
        let mut w = world(3, seed, true);
        // The coordinator, too.
        let nodes = [w.location("a"), w.coordinator().settings.local];
        w.break_resource("a");
        w.rest();
        let starts = ["a", "b", "c", "d"].map(|r| w.starts(r));
        for node in nodes {
            let failures = w.attribute(node, "fail-count-a#monitor_1000");
            w.announce_restart(node);
            w.run_for(20_000);
            assert!(!w.is_up(node), "seed {seed}: it has left");
            assert!(w.troubles().iter().any(|t| t.contains("unwatched")), "{:?}", w.troubles());
            w.boot(node);
            w.merge_all();
            w.rest();
            assert_eq!(w.attribute(node, "fail-count-a#monitor_1000"), failures);
        }
        w.all_run_once(&["a", "b", "c", "d"]);
        assert_eq!(["a", "b", "c", "d"].map(|r| w.starts(r)), starts, "seed {seed}");
        assert!(w.fenced.is_empty());
    }
}

#[test]
fn who_does_not_come_back_from_a_restart_is_fenced() {
    for seed in 1..4 {
        let mut w = world(3, seed, true);
        let victim = w.location("a");
        w.announce_restart(victim);
        w.run_for(50_000);
        assert!(w.fenced.is_empty(), "seed {seed}");
        w.run_for(20_000);
        assert!(w.fenced.contains(&victim), "seed {seed}");
        w.rest();
        w.all_run_once(&["a", "b", "c", "d"]);
        // One that has lost its power meanwhile comes back clean.
        w.boot(victim);
        w.merge_all();
        w.rest();
        let other = w.location("a");
        w.announce_restart(other);
        w.run_for(5_000);
        w.crash(other);
        w.boot(other);
        w.merge_all();
        w.rest();
        w.all_run_once(&["a", "b", "c", "d"]);
        assert!(!w.fenced.contains(&other), "seed {seed}");
    }
}

#[test]
fn a_node_is_unfenced_before_it_runs_anything_and_again_if_a_device_changes() {
    let device = |id: &str, key: &str| {
        format!(
            "<primitive id='{id}' class='stonith' type='fence_fabric'>\
             <instance_attributes id='{id}-i'><nvpair id='{id}-k' name='key' value='{key}'/>\
             </instance_attributes><meta_attributes id='{id}-m'>\
             <nvpair id='{id}-p' name='provides' value='unfencing'/></meta_attributes></primitive>"
        )
    };
    let all = [NodeId(1), NodeId(2), NodeId(3)];
    let mut w = World::new(3, 21);
    all.iter().for_each(|n| w.boot(*n));
    w.merge_all();
    w.rest();
    w.configure(&format!("{PRIMITIVES}{}{}", device("f1", "x"), device("f2", "x")), true);
    w.rest();
    w.all_run_once(&["a", "b", "c", "d", "f1", "f2"]);
    assert!(w.fenced.is_empty());
    // Both devices, on each node, from that node.
    let mut unfenced = std::mem::take(&mut w.unfenced);
    unfenced.sort();
    let wanted = ["f1", "f2"].map(|f| all.map(|n| (f.to_string(), n, n))).concat();
    assert_eq!(unfenced, wanted);
    let known = |w: &World, name: &str| all.map(|n| w.attribute(n, name).unwrap_or_default());
    let digests = known(&w, "#digests-all");
    assert!(
        digests.iter().all(|d| d.contains("f1:fence_fabric:") && d.contains("f2:fence_fabric:"))
    );
    assert!(known(&w, "#digests-secure").iter().all(|d| d.contains("f1:fence_fabric:")));
    assert!(known(&w, "#node-unfenced").iter().all(|at| !at.is_empty() && at != "0"));
    // It does not come again by itself.
    w.run_for(60_000);
    w.rest();
    assert!(w.unfenced.is_empty(), "{:?}", w.unfenced);
    // A changed device unfences everybody anew.
    w.configure(&format!("{PRIMITIVES}{}{}", device("f1", "x"), device("f2", "y")), true);
    w.rest();
    assert!(all.iter().all(|n| w.unfenced.iter().any(|(f, _, to)| f == "f2" && to == n)));
    assert!(all.iter().all(|n| w.attribute(*n, "#digests-all") != Some(digests[0].clone())));
    // A node that was fenced is unfenced when it is back, before it runs anything.
    w.unfenced.clear();
    let victim = w.location("a");
    w.crash(victim);
    w.rest();
    assert!(w.fenced.contains(&victim) && w.unfenced.is_empty());
    w.boot(victim);
    w.merge_all();
    w.rest();
    assert!(w.unfenced.iter().all(|(_, from, to)| (*from, *to) == (victim, victim)));
    assert_eq!(w.unfenced.len(), 2, "{:?}", w.unfenced);
}

#[test]
fn a_failed_service_is_recovered_and_counted() {
    let mut w = world(3, 4, true);
    let node = w.location("a");
    w.break_resource("a");
    w.run_for(3_000);
    w.rest();
    w.all_run_once(&["a", "b", "c", "d"]);
    let counts = w.attribute(node, "fail-count-a#monitor_1000");
    assert_eq!(counts.as_deref(), Some("1"));
}

#[test]
fn who_does_not_answer_a_question_is_named_and_the_others_are_heard() {
    let mut w = world(3, 51, true);
    let said = |all: [&str; 3]| -> Vec<(String, String)> {
        let named = ["n1", "n2", "n3"].into_iter().zip(all);
        named.map(|(node, what)| (node.to_string(), what.to_string())).collect()
    };
    assert_eq!(w.read_file(NodeId(2), 200), said(["n1", "n2", "n3"]));
    w.mute = Some(NodeId(3));
    assert_eq!(w.read_file(NodeId(1), 14_000), []);
    w.run_for(5_000);
    assert_eq!(w.read_file(NodeId(1), 20_000), said(["n1", "n2", "it has not answered in time"]));
    w.stop(NodeId(3));
    w.rest();
    assert_eq!(w.read_file(NodeId(2), 200), said(["n1", "n2", "it is not in the cluster now"]));
}

#[test]
fn a_clean_up_at_any_moment_does_not_keep_the_cluster_from_acting() {
    for seed in 1..9 {
        let mut w = world(3, seed, true);
        for round in 0..40 {
            // Something is under way: a recovery, or probes and monitors after a clean-up.
            if w.random(2) == 0 {
                w.break_resource("a");
            }
            let asked = NodeId(1 + u32::try_from(w.random(3)).unwrap());
            let resource = ["", "a", "b", "c"][usize::try_from(w.random(4)).unwrap()];
            let failed_only = w.random(3) == 0;
            w.clean_up(asked, resource, failed_only);
            let pause = w.random(60);
            w.run_for(pause);
            w.clean_up(asked, resource, false);
            // The monitor of `a` is due within a second; an agent takes at most 40 ms.
            w.run_for(3_000);
            let state = w.coordinator().state_reply();
            assert!(state.idle, "seed {seed}, round {round}: {}", state.controller);
            w.all_run_once(&["a", "b", "c", "d"]);
        }
    }
}

#[test]
fn the_configuration_survives_the_loss_of_all_nodes_at_once() {
    let mut w = world(3, 5, true);
    let before = w.configuration();
    (1..4).for_each(|n| w.crash(NodeId(n)));
    (1..4).for_each(|n| w.boot(NodeId(n)));
    w.merge_all();
    w.rest();
    assert_eq!(w.configuration(), before);
    w.all_run_once(&["a", "b", "c", "d"]);
}

#[test]
fn random_trouble_breaks_no_invariant() {
    let seeds = std::env::var("SIM_SEED").ok().and_then(|s| s.parse().ok());
    for seed in seeds.map_or(100..108, |s: u64| s..s + 1) {
        let mut w = world(3 + u32::try_from(seed % 3).unwrap(), seed, seed % 4 != 0);
        for _ in 0..12 {
            w.trouble();
            let pause = w.random(3_000);
            w.run_for(pause);
        }
        w.repair();
        w.rest();
        w.all_run_once(&["a", "b", "c", "d"]);
    }
}
