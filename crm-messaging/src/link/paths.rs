//! Which of several links carries packets to a peer.
//!
//! What comes in on a link proves only one direction. So every node tells each peer on which links
//! it hears it, and a link is used for what it is known to carry there.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::group::NodeId;
use crate::totem::Time;

#[derive(Clone, Copy, Debug, Default)]
struct Path {
    heard: Option<Time>,
    /// The peer says that it hears this node there.
    arrives: bool,
}

/// The state of every link to every peer.
#[derive(Debug)]
pub struct Paths {
    /// A link is silent after that time.
    silence: Duration,
    peers: BTreeMap<NodeId, Vec<Path>>,
}

impl Paths {
    /// Peers with their number of links; nothing was heard yet.
    pub fn new(peers: impl Iterator<Item = (NodeId, usize)>, silence: Duration) -> Paths {
        let fresh = |(node, links): (NodeId, usize)| (node, vec![Path::default(); links]);
        Paths { silence, peers: peers.map(fresh).collect() }
    }

    /// A link is silent after another time from now on.
    pub fn judge_by(&mut self, silence: Duration) {
        self.silence = silence;
    }

    /// A packet of a peer came in on a link.
    pub fn heard(&mut self, node: NodeId, link: usize, now: Time) {
        if let Some(path) = self.peers.get_mut(&node).and_then(|paths| paths.get_mut(link)) {
            path.heard = Some(now);
        }
    }

    /// A peer says on which links it hears this node: bit 0 for link 0, and so on.
    pub fn report(&mut self, node: NodeId, links: u8) {
        for (link, path) in self.peers.get_mut(&node).into_iter().flatten().enumerate() {
            path.arrives = links.checked_shr(link as u32).is_some_and(|bits| bits & 1 == 1);
        }
    }

    /// The links on which a peer is heard, as for [`Paths::report`].
    pub fn heard_on(&self, node: NodeId, now: Time) -> u8 {
        self.up(node, now)
            .iter()
            .enumerate()
            .fold(0, |bits, (link, up)| bits | u8::from(*up) << link)
    }

    /// Whether each link carries packets from a peer.
    pub fn up(&self, node: NodeId, now: Time) -> Vec<bool> {
        let fresh = |path: &Path| path.heard.is_some_and(|at| now.since(at) <= self.silence);
        self.peers.get(&node).into_iter().flatten().map(fresh).collect()
    }

    /// The first link that carries packets to a peer; `None`: not known, try all of them.
    pub fn best(&self, node: NodeId, now: Time) -> Option<usize> {
        let paths = self.peers.get(&node)?;
        if paths.len() == 1 {
            return Some(0);
        }
        // What the peer says is as old as the last packet from it.
        let latest = paths.iter().filter_map(|path| path.heard).max()?;
        let fresh = now.since(latest) <= self.silence;
        paths.iter().position(|path| path.arrives).filter(|_| fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId(2);

    fn at(millis: u64) -> Time {
        Time::since_start(Duration::from_millis(millis))
    }

    fn two_links() -> Paths {
        Paths::new([(PEER, 2)].into_iter(), Duration::from_millis(200))
    }

    #[test]
    fn a_link_that_works_one_way_only_is_not_used() {
        let mut paths = two_links();
        assert_eq!(paths.best(PEER, at(0)), None);
        paths.heard(PEER, 0, at(1));
        paths.heard(PEER, 1, at(1));
        paths.report(PEER, 0b10);
        assert_eq!(paths.best(PEER, at(2)), Some(1));
        assert_eq!(paths.heard_on(PEER, at(2)), 0b11);
        paths.report(PEER, 0b11);
        assert_eq!(paths.best(PEER, at(2)), Some(0));
    }

    #[test]
    fn old_news_are_no_news() {
        let mut paths = two_links();
        paths.heard(PEER, 1, at(1));
        paths.report(PEER, 0b10);
        assert_eq!(paths.best(PEER, at(300)), None);
        assert_eq!(paths.heard_on(PEER, at(300)), 0);
    }
}
