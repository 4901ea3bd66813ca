//! Coming into step after a view change: whose replica holds, and who coordinates.
//!
//! In every view that somebody joined, each member says where its replica stands. From the same
//! set of these [`Hello`]s every member computes the same [`Resolution`]. If all stand at the same
//! place nothing more is needed; otherwise one holder sends its replica, and those who take it
//! send what only they know: their own operation history and transient attributes.

use std::collections::{BTreeMap, BTreeSet};

use crm_core::cib::Version;
use crm_messaging::group::NodeId;
use crm_messaging::proto::peer::{Hello, Position};

use super::replica::{Chain, links_from_wire};

/// What the members of a view make of each other's [`Hello`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Members whose replica holds.
    pub holders: BTreeSet<NodeId>,
    /// Members that take the holders' replica.
    pub takers: BTreeSet<NodeId>,
    /// Members whose configuration has a history of its own; they take no part.
    pub refused: BTreeSet<NodeId>,
    /// The coordinator of this view; none if nobody can be.
    pub coordinator: Option<NodeId>,
    /// No member has been in step with others before: the cluster starts.
    pub cold: bool,
}

/// How good a claim to the truth is: quorum seen latest, then the newest configuration.
type Claim = (u64, Version);

fn claim(hello: &Hello) -> Claim {
    let newest = links_from_wire(&hello.links).next().map_or(Version::default(), |(v, _)| v);
    (hello.last_quorate, newest)
}

/// Decides whose replica holds.
///
/// The best claim wins; among equal ones the position of the lowest node. Nothing is merged: a
/// member whose configuration is not a beginning of the winner's is refused.
pub fn resolve(hellos: &BTreeMap<NodeId, Hello>) -> Resolution {
    let best = hellos.values().map(claim).max();
    let Some((&first, winner)) = hellos.iter().find(|(_, h)| Some(claim(h)) == best) else {
        return Resolution {
            holders: BTreeSet::new(),
            takers: BTreeSet::new(),
            refused: BTreeSet::new(),
            coordinator: None,
            cold: true,
        };
    };
    let mut resolution = Resolution {
        holders: BTreeSet::from([first]),
        takers: BTreeSet::new(),
        refused: BTreeSet::new(),
        coordinator: None,
        cold: hellos.values().all(|h| h.last_quorate == 0),
    };
    for (&node, hello) in hellos.iter().filter(|(n, _)| **n != first) {
        if same_position(winner.position.as_ref(), hello.position.as_ref()) {
            resolution.holders.insert(node);
        } else if forked(winner, hello) {
            resolution.refused.insert(node);
        } else {
            resolution.takers.insert(node);
        }
    }
    let able = |n: &NodeId| hellos.get(n).is_some_and(|h| h.storage_ok && !h.leaving);
    let kept = NodeId(winner.coordinator);
    resolution.coordinator = if resolution.holders.contains(&kept) && able(&kept) {
        Some(kept)
    } else {
        let mut by_rank = resolution.holders.iter().chain(&resolution.takers);
        by_rank
            .clone()
            .find(|n| able(n))
            .or_else(|| by_rank.find(|n| hellos.contains_key(n)))
            .copied()
    };
    resolution
}

fn same_position(a: Option<&Position>, b: Option<&Position>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a == b)
}

/// Whether `other` has commits that the winner's history excludes.
///
/// A tail that only `other` has was never acknowledged, if the winner has been with the quorum: an
/// acknowledged commit would be there too. It may then be dropped: any length if the winner simply
/// lacks it, one commit if the winner has something else in its place. More than that is a fork.
/// What the winner cannot know any more (older than its links) is believed.
fn forked(winner: &Hello, other: &Hello) -> bool {
    let ours: BTreeMap<Version, Chain> = links_from_wire(&winner.links).collect();
    let theirs: Vec<_> = links_from_wire(&other.links).collect();
    let Some(&(newest, chain)) = theirs.first() else { return false };
    if newest == Version::default() && chain == Chain::default() {
        return false;
    }
    match theirs.iter().position(|(v, c)| ours.get(v) == Some(c)) {
        Some(0) => false,
        Some(tail) => {
            let lacks = ours.last_key_value().map(|(v, _)| *v) == Some(theirs[tail].0);
            winner.last_quorate == 0 || !(lacks || tail == 1)
        }
        None => ours.first_key_value().is_none_or(|(oldest, _)| newest >= *oldest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_messaging::proto::peer::{Link, Ring};

    fn hello(last_quorate: u64, position: Option<(u64, u64)>, chain: &[(u64, u8)]) -> Hello {
        Hello {
            last_quorate,
            position: position.map(|(seq, applied)| Position {
                ring: Some(Ring { seq, representative: 1 }),
                applied,
            }),
            links: chain
                .iter()
                .rev()
                .map(|&(epoch, c)| Link { admin_epoch: 0, epoch, chain: vec![c; 32].into() })
                .collect(),
            storage_ok: true,
            ..Hello::default()
        }
    }

    fn decide(hellos: Vec<Hello>) -> Resolution {
        let hellos = (1..).map(NodeId).zip(hellos).collect();
        resolve(&hellos)
    }

    fn ids(set: &BTreeSet<NodeId>) -> Vec<u32> {
        set.iter().map(|n| n.0).collect()
    }

    #[test]
    fn the_partition_that_had_quorum_wins_over_a_newer_looking_copy() {
        let r = decide(vec![
            hello(4, Some((9, 2)), &[(5, 5), (6, 6)]),
            hello(8, Some((8, 3)), &[(5, 5), (6, 6)]),
            Hello { coordinator: 3, ..hello(8, Some((8, 3)), &[(5, 5), (6, 6)]) },
        ]);
        assert_eq!((ids(&r.holders), ids(&r.takers)), (vec![2, 3], vec![1]));
        assert_eq!(r.coordinator, Some(NodeId(2)), "the coordinator that the winner names");
        assert!(!r.cold);
    }

    #[test]
    fn at_a_cold_start_the_newest_configuration_wins() {
        let r = decide(vec![
            hello(0, None, &[(1, 1)]),
            hello(0, None, &[(1, 1), (2, 2)]),
            hello(0, None, &[]),
        ]);
        assert_eq!((ids(&r.holders), ids(&r.takers)), (vec![2], vec![1, 3]));
        assert!(r.cold && r.refused.is_empty());
        assert_eq!(r.coordinator, Some(NodeId(2)));
    }

    #[test]
    fn a_forked_history_is_refused() {
        let ours = [(1, 1), (2, 2), (3, 3)];
        let r = decide(vec![
            hello(3, Some((3, 0)), &ours),
            hello(0, None, &[(1, 1), (2, 8), (3, 9)]),
            hello(0, None, &[(1, 1), (2, 2)]),
            hello(0, None, &[(7, 7)]),
        ]);
        assert_eq!((ids(&r.refused), ids(&r.takers)), (vec![2, 4], vec![3]));
    }

    #[test]
    fn a_tail_that_was_never_acknowledged_is_dropped() {
        let r = decide(vec![
            hello(3, Some((3, 0)), &[(1, 1), (2, 2)]),
            hello(0, None, &[(1, 1), (2, 2), (3, 3), (4, 4)]),
            hello(0, None, &[(1, 1), (2, 9)]),
        ]);
        assert_eq!((ids(&r.holders), ids(&r.takers)), (vec![1], vec![2, 3]));
        // Without quorum in memory nobody can say what was acknowledged.
        let r = decide(vec![hello(0, None, &[(1, 1), (2, 2)]), hello(0, None, &[(1, 1), (2, 9)])]);
        assert_eq!(ids(&r.refused), [2]);
    }

    #[test]
    fn who_leaves_or_has_a_broken_disk_does_not_coordinate() {
        let mut hellos: BTreeMap<_, _> =
            (1..4).map(|n| (NodeId(n), hello(2, Some((2, 7)), &[(1, 1)]))).collect();
        hellos.get_mut(&NodeId(1)).unwrap().coordinator = 1;
        assert_eq!(resolve(&hellos).coordinator, Some(NodeId(1)));
        hellos.get_mut(&NodeId(1)).unwrap().leaving = true;
        assert_eq!(resolve(&hellos).coordinator, Some(NodeId(2)));
        hellos.get_mut(&NodeId(2)).unwrap().storage_ok = false;
        assert_eq!(resolve(&hellos).coordinator, Some(NodeId(3)));
        hellos.get_mut(&NodeId(3)).unwrap().leaving = true;
        assert_eq!(resolve(&hellos).coordinator, Some(NodeId(1)), "better than none");
    }
}
