//! Per-resource tables of node scores, and where each score came from.

use crate::Score;

use super::{ColocationIx, LocationIx, NodeIx, RscIx, TicketIx};

/// How probes treat a node for a resource. The order matters: the higher one wins (P-54).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Discovery {
    /// Probe there.
    #[default]
    Always,
    /// Never probe there.
    Never,
    /// Probe there, and run nowhere but on nodes marked so.
    Exclusive,
}

/// What changed a score: a part of the CIB or a documented rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The node's own score, copied when it entered the table (I-77, P-15).
    NodeScore,
    /// A location constraint (health preferences included).
    Location(LocationIx),
    /// A colocation; the resource is where the preference came from.
    Colocation(ColocationIx, RscIx),
    /// `resource-stickiness` (P-62).
    Stickiness,
    /// The fail count reached `migration-threshold` (P-63).
    FailureThreshold,
    /// An operation failed on this node: hard error, failed stop, on-fail (I-143 to I-159).
    Failure,
    /// A promotion score from a node attribute (P-120).
    PromotionScore,
    /// A ticket is missing or in standby (P-59).
    Ticket(TicketIx),
    /// Running and not managed: stays where it is (P-29).
    Unmanaged,
    /// An orphan that is to be stopped (P-30).
    Orphan,
    /// More than one active node with `multiple-active=stop_only` (P-31).
    MultiplyActive,
    /// `target-role` or another reason for the next role Stopped (P-94).
    NextRoleStopped,
    /// Locked to a node that was shut down (P-61).
    ShutdownLock,
    /// `resource-discovery=exclusive` elsewhere (P-65).
    ExclusiveDiscovery,
    /// Must not run on remote or guest nodes (P-68).
    NotOnRemote,
    /// Pinned to a container or a bundle's own node (P-69, P-129, P-132).
    Container,
    /// The node can take no instances now (P-113).
    NodeUnavailable,
    /// The clone or bundle it belongs to is not allowed there, or banned there (P-113).
    ParentBanned,
    /// The node has as many instances as it may have (P-113).
    NodeFull,
    /// There are as many instances as there may be (P-110 step 3).
    EnoughInstances,
    /// A preference that turned out to be impossible for another counts as one (P-80 step 5).
    ImpossiblePreference,
    /// No promotion score is set, which counts as −1 (P-121 step 3).
    NoPromotionScore,
    /// The promotion score of the instance there, for the clone's own table (P-122 step 2).
    PromotionIndex,
    /// Not enough capacity (P-139).
    Capacity,
}

/// One change of a score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contribution {
    /// Whose score.
    pub node: NodeIx,
    /// What was added, or what it was set to.
    pub score: Score,
    /// True if the former score was discarded.
    pub set: bool,
    /// Why.
    pub cause: Cause,
}

/// How the promotion score of an instance came about, kept only when recording.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Promotion {
    /// Where it is; without a node the score stays 0.
    pub node: Option<NodeIx>,
    /// Its own score, step by step (P-121).
    pub own: Vec<Contribution>,
    /// What the clone's table said about the node afterwards, step by step, if it counts
    /// (P-122).
    pub shared: Vec<Contribution>,
    /// The score that decided.
    pub score: Score,
}

/// One node of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScoreEntry {
    /// The preference.
    pub score: Score,
    /// Probes.
    pub discovery: Discovery,
    /// Instances placed there (clones; reset by each distribution).
    pub count: u16,
    /// In a table being merged: it was wanted, but is impossible for another (P-81, P-189).
    pub(crate) unusable: bool,
}

/// Node → score of one resource. A node that is not in the table is not allowed.
#[derive(Clone, Debug, Default)]
pub struct ScoreTable {
    entries: Vec<Option<ScoreEntry>>,
    /// Contributions in order, kept only when explanations were asked for. A clone of the table
    /// carries them, so that undoing a step by restoring a table undoes its record too.
    record: Option<Vec<Contribution>>,
}

impl ScoreTable {
    /// An empty table; `record` keeps the contributions.
    pub fn new(record: bool) -> ScoreTable {
        ScoreTable { entries: Vec::new(), record: record.then(Vec::new) }
    }

    /// The entry of a node, if it is in the table.
    pub fn get(&self, node: NodeIx) -> Option<&ScoreEntry> {
        self.entries.get(node.ix()).and_then(Option::as_ref)
    }

    /// The entry, to change discovery or count. Scores change through `add`, `set`, `insert`.
    pub fn get_mut(&mut self, node: NodeIx) -> Option<&mut ScoreEntry> {
        self.entries.get_mut(node.ix()).and_then(Option::as_mut)
    }

    /// The score of a node, if it is in the table.
    pub fn score(&self, node: NodeIx) -> Option<Score> {
        self.get(node).map(|e| e.score)
    }

    /// True if no node is in the table.
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(Option::is_none)
    }

    /// The nodes in order of creation, with their entries.
    pub fn iter(&self) -> impl Iterator<Item = (NodeIx, &ScoreEntry)> {
        self.entries.iter().enumerate().filter_map(|(i, e)| Some((NodeIx::next(i), e.as_ref()?)))
    }

    /// Adds a node with a score, replacing an entry that is there.
    pub fn insert(&mut self, node: NodeIx, score: Score, discovery: Discovery, cause: Cause) {
        if self.entries.len() <= node.ix() {
            self.entries.resize(node.ix() + 1, None);
        }
        self.entries[node.ix()] = Some(ScoreEntry { score, discovery, count: 0, unusable: false });
        self.note(node, score, true, cause);
    }

    /// Adds to the score of a node that is in the table (P-3); false if it is not.
    pub fn add(&mut self, node: NodeIx, score: Score, cause: Cause) -> bool {
        let Some(entry) = self.entries.get_mut(node.ix()).and_then(Option::as_mut) else {
            return false;
        };
        entry.score = entry.score + score;
        self.note(node, score, false, cause);
        true
    }

    /// Sets the score of a node that is in the table (P-4); false if it is not.
    pub fn set(&mut self, node: NodeIx, score: Score, cause: Cause) -> bool {
        let Some(entry) = self.entries.get_mut(node.ix()).and_then(Option::as_mut) else {
            return false;
        };
        entry.score = score;
        self.note(node, score, true, cause);
        true
    }

    /// Forgets the counts of instances.
    pub fn reset_counts(&mut self) {
        for entry in self.entries.iter_mut().flatten() {
            entry.count = 0;
        }
    }

    /// Takes a node out.
    pub fn remove(&mut self, node: NodeIx) {
        if let Some(entry) = self.entries.get_mut(node.ix()) {
            *entry = None;
        }
    }

    /// The recorded contributions, in order; empty unless recording.
    pub fn contributions(&self) -> &[Contribution] {
        self.record.as_deref().unwrap_or(&[])
    }

    fn note(&mut self, node: NodeIx, score: Score, set: bool, cause: Cause) {
        let changes = set || score != Score::ZERO;
        if let Some(record) = self.record.as_mut().filter(|_| changes) {
            record.push(Contribution { node, score, set, cause });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaying_the_contributions_gives_the_score() {
        let node = NodeIx(3);
        let mut table = ScoreTable::new(true);
        assert!(!table.add(node, Score::new(5), Cause::Stickiness), "adding does not insert");
        table.insert(node, Score::new(7), Discovery::Always, Cause::NodeScore);
        table.add(node, Score::new(600_000), Cause::Stickiness);
        table.add(node, Score::new(600_000), Cause::Stickiness);
        table.add(node, Score::new(-5), Cause::Stickiness);
        let replayed = table
            .contributions()
            .iter()
            .fold(Score::ZERO, |sum, c| if c.set { c.score } else { sum + c.score });
        assert_eq!(Some(replayed), table.score(node));
        assert_eq!(replayed, Score::INFINITY);
    }

    #[test]
    fn an_entry_takes_eight_bytes() {
        assert_eq!(size_of::<Option<ScoreEntry>>(), 8);
    }
}
