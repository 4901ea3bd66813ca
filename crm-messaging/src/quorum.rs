//! When a partition may act for the cluster: majority of votes, `two_node`, `wait_for_all`.
//!
//! Pure arithmetic over what the members of one ring told each other while they formed it, so that
//! every member of a view comes to the same answer. Facts as votequorum(5) has them; the one
//! deviation: whether all nodes were once seen together travels with the members, so that a
//! restarted node believes the ones it joins.

use std::collections::BTreeMap;

use crate::group::NodeId;

/// The part of the configuration that every node announces when it joins a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumConfig {
    /// Sum of the votes of the whole cluster.
    pub expected_votes: u32,
    /// Two nodes of which each is quorate alone.
    pub two_node: bool,
    /// Not quorate for the first time until all votes were seen together.
    pub wait_for_all: bool,
}

/// What one member says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// Its own votes.
    pub votes: u32,
    /// Its own idea of the whole cluster.
    pub config: QuorumConfig,
    /// It has been in a view with all votes since it started.
    pub seen_all: bool,
}

/// The outcome for a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The view may act.
    pub quorate: bool,
    /// Votes of the members.
    pub votes: u32,
    /// The highest that any member expects: a node with an old, smaller list cannot lower it.
    pub expected_votes: u32,
    /// What members remember as [`Ballot::seen_all`] from now on.
    pub seen_all: bool,
}

/// Counts the ballots of a view's members.
pub fn count(ballots: &BTreeMap<NodeId, Ballot>) -> Verdict {
    let votes = ballots.values().map(|b| b.votes).fold(0, u32::saturating_add);
    let expected_votes =
        ballots.values().map(|b| b.config.expected_votes).max().unwrap_or(0).max(votes);
    // More than half of what is expected. With two nodes and `two_node` one is enough, and the
    // loser is found by fencing.
    let two_node = expected_votes <= 2 && ballots.values().all(|b| b.config.two_node);
    let needed = if two_node { 1 } else { expected_votes / 2 + 1 };
    let seen_all = votes >= expected_votes || ballots.values().any(|b| b.seen_all);
    let waiting = !seen_all && ballots.values().any(|b| b.config.wait_for_all);
    Verdict { quorate: votes >= needed && !waiting, votes, expected_votes, seen_all }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(expected: u32, two_node: bool, wait: bool, members: &[(u32, bool)]) -> Verdict {
        let config = QuorumConfig { expected_votes: expected, two_node, wait_for_all: wait };
        let ballots = members.iter().enumerate().map(|(i, (votes, seen_all))| {
            (NodeId(i as u32 + 1), Ballot { votes: *votes, config, seen_all: *seen_all })
        });
        count(&ballots.collect())
    }

    #[test]
    fn a_majority_is_more_than_half() {
        for (expected, members, quorate) in
            [(1, 1, true), (2, 1, false), (3, 2, true), (4, 2, false), (4, 3, true), (5, 2, false)]
        {
            let ballots = vec![(1, false); members];
            assert_eq!(verdict(expected, false, false, &ballots).quorate, quorate, "{expected}");
        }
    }

    #[test]
    fn votes_weigh() {
        assert!(verdict(5, false, false, &[(3, false)]).quorate);
        assert!(!verdict(5, false, false, &[(1, false), (1, false)]).quorate);
    }

    #[test]
    fn one_of_two_nodes_suffices_once_both_were_seen() {
        assert!(!verdict(2, true, true, &[(1, false)]).quorate);
        let both = verdict(2, true, true, &[(1, false), (1, false)]);
        assert!(both.quorate && both.seen_all);
        assert!(verdict(2, true, true, &[(1, true)]).quorate);
        assert!(verdict(2, true, false, &[(1, false)]).quorate);
    }

    #[test]
    fn a_restarted_node_believes_a_member_that_saw_all() {
        assert!(verdict(3, false, true, &[(1, true), (1, false)]).quorate);
        assert!(!verdict(3, false, true, &[(1, false), (1, false)]).quorate);
    }

    #[test]
    fn a_smaller_expectation_does_not_lower_the_bar() {
        let small = QuorumConfig { expected_votes: 1, two_node: false, wait_for_all: false };
        let large = QuorumConfig { expected_votes: 5, ..small };
        let ballot = |config| Ballot { votes: 1, config, seen_all: false };
        let both = [(NodeId(1), ballot(small)), (NodeId(2), ballot(large))];
        assert!(!count(&both.into()).quorate);
    }
}
