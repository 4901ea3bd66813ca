//! Why things were decided: noted where the decision is taken, and only with `Input::record`.
//!
//! Everything noted is a [`Ground`]: either something named in the document, or another subject
//! (an action, a fact about a resource or a node) that has a ground of its own. Following grounds
//! gives the chain of reasons back to an event; `explain` puts it into words. Nothing is built
//! while recording is off.

use std::collections::{BTreeMap, BTreeSet};

use super::{ActionIx, ColocationIx, HistoryIx, LinkIx, NodeIx, OrderingIx, RscIx, TicketIx};

/// What something follows from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    /// Another action, over a relation.
    Action(ActionIx, Relation),
    /// A fact about a resource.
    Resource(RscIx, Fact),
    /// A fact about a node.
    Node(NodeIx, NodeFact),
    /// Something recorded in a history, and what is to be said of it.
    Operation(HistoryIx, u32, Remark),
    /// A history as a whole.
    History(HistoryIx, Remark),
    /// A recurring operation of the configuration: its position among those of the resource.
    Recurs(RscIx, u32),
    /// Nothing is known about the resource on the node.
    Unknown(RscIx, NodeIx),
    /// A node attribute.
    Attribute(NodeIx, &'static str),
    /// What the cluster says about the membership of the node, in words.
    Membership(NodeIx, &'static str),
    /// A cluster option, and what it means here.
    Setting(&'static str, &'static str),
    /// The ticket is not granted.
    Ticket(TicketIx),
    /// The digests of fence devices changed since the node was unfenced.
    Devices(NodeIx),
}

/// What is to be said of something recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remark {
    /// It failed.
    Failed,
    /// It has not ended.
    Pending,
    /// Its failure is over.
    Expired,
    /// Its parameters changed since.
    Changed,
    /// It is not configured any more.
    NotConfigured,
    /// It is not to be done during maintenance.
    Maintenance,
    /// A migration that left something behind.
    Migration,
    /// It says that the resource is active there.
    Active,
    /// Another agent was recorded.
    OtherAgent,
    /// The resource is not configured any more.
    Orphan,
    /// The shutdown lock is over.
    Unlocked,
}

/// A fact about a resource.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fact {
    /// Its way from its role and place to the next ones. Not noted: placement tells.
    Course,
    /// A failure is in force.
    Failed,
    /// It is not managed because of a failure.
    Blocked,
    /// Its next role is limited.
    NextRole,
    /// A failure counts on this node.
    FailedOn(NodeIx),
    /// A start has begun.
    StartPending,
    /// A migration left it half on this node.
    Dangling(NodeIx),
    /// A migration has begun.
    PartialMigration,
    /// It runs in too many places.
    MultiplyActive,
    /// It got its place taken away after placement.
    Unassigned,
    /// It is active although it is locked elsewhere.
    Locked,
}

/// A fact about a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NodeFact {
    /// It has to be fenced.
    Unclean,
    /// It is a guest that is recovered by restarting its container.
    Reset,
    /// It can take nothing now. Not noted: its state tells.
    Unavailable,
    /// It is to leave.
    Shutdown,
    /// An operation with on-fail=standby failed.
    Standby,
    /// It enters or leaves maintenance.
    Maintenance,
}

/// Why one action concerns another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// An ordering.
    Ordering(OrderingIx),
    /// A rule.
    Rule(OrderRule),
    /// A colocation.
    Colocation(ColocationIx),
}

/// Rules that order actions without a constraint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "`text` says what each is")]
pub enum OrderRule {
    Restart,
    Cleanup,
    Group,
    Clone,
    Bundle,
    Container,
    Unfencing,
    Load,
    Remote,
    Migration,
    Probe,
    Recurring,
    Reload,
    Shutdown,
    Fencing,
    Notification,
    FailCount,
    MultiplyActive,
}

impl OrderRule {
    /// Its number in `docs/design/scheduler.md`.
    pub fn number(self) -> &'static str {
        match self {
            OrderRule::Restart => "A-140",
            OrderRule::Cleanup => "A-66",
            OrderRule::Group => "A-150",
            OrderRule::Clone => "A-156",
            OrderRule::Bundle => "A-161",
            OrderRule::Container => "A-146",
            OrderRule::Unfencing => "A-118",
            OrderRule::Load => "A-183",
            OrderRule::Remote => "A-131",
            OrderRule::Migration => "A-42",
            OrderRule::Probe => "A-76",
            OrderRule::Recurring => "A-82",
            OrderRule::Reload => "A-56",
            OrderRule::Shutdown => "A-120",
            OrderRule::Fencing => "A-112",
            OrderRule::Notification => "A-200",
            OrderRule::FailCount => "A-68",
            OrderRule::MultiplyActive => "A-31",
        }
    }

    /// What it says.
    pub fn text(self) -> &'static str {
        match self {
            OrderRule::Restart => "a resource goes down before it comes up",
            OrderRule::Cleanup => "its history is deleted between stop and start",
            OrderRule::Group => "members of a group follow each other",
            OrderRule::Clone => "a clone and its instances",
            OrderRule::Bundle => "a bundle and its replicas",
            OrderRule::Container => "what is inside a container follows it",
            OrderRule::Unfencing => "a node is unfenced before anything needs it",
            OrderRule::Load => "what leaves a node makes room before something comes",
            OrderRule::Remote => "a remote node needs its connection",
            OrderRule::Migration => "the steps of a live migration",
            OrderRule::Probe => "what is unknown is checked first",
            OrderRule::Recurring => "monitors run while the resource is in their role",
            OrderRule::Reload => "a reload comes before a stop",
            OrderRule::Shutdown => "a node leaves when everything on it has stopped",
            OrderRule::Fencing => "fencing comes before recovery",
            OrderRule::Notification => "instances are told before and after",
            OrderRule::FailCount => "fail counts are cleared on the way",
            OrderRule::MultiplyActive => "surplus copies are stopped",
        }
    }
}

/// What an action is because of.
#[derive(Clone, Copy, Default, Debug)]
struct Entry {
    needed: Option<Ground>,
    shown: Option<Ground>,
    held: Option<Ground>,
}

/// Everything noted.
#[derive(Clone, Default, Debug)]
pub struct Journal {
    /// Off: nothing is kept.
    on: bool,
    actions: Vec<Entry>,
    links: Vec<Relation>,
    resources: BTreeMap<(RscIx, Fact), Ground>,
    nodes: BTreeMap<(NodeIx, NodeFact), Ground>,
    in_graph: BTreeSet<ActionIx>,
}

impl Journal {
    /// A journal that keeps what it is told, or nothing.
    pub fn new(on: bool) -> Journal {
        Journal { on, ..Journal::default() }
    }

    fn entry(&mut self, ix: ActionIx) -> &mut Entry {
        if self.actions.len() <= ix.ix() {
            self.actions.resize(ix.ix() + 1, Entry::default());
        }
        &mut self.actions[ix.ix()]
    }

    /// What made the action necessary; the first ground stays until [`Journal::not_needed`].
    #[inline]
    pub fn needed(&mut self, ix: ActionIx, ground: Ground) {
        if self.on {
            self.entry(ix).needed.get_or_insert(ground);
        }
    }

    /// The action need not be done after all.
    #[inline]
    pub fn not_needed(&mut self, ix: ActionIx) {
        if self.on {
            self.entry(ix).needed = None;
        }
    }

    /// What made the action enter the graph although it need not be done.
    #[inline]
    pub fn shown(&mut self, ix: ActionIx, ground: Ground) {
        if self.on {
            self.entry(ix).shown.get_or_insert(ground);
        }
    }

    /// What made the action impossible; the last ground stays.
    #[inline]
    pub fn held(&mut self, ix: ActionIx, ground: Ground) {
        if self.on {
            self.entry(ix).held = Some(ground);
        }
    }

    /// Where a link comes from; called for every link in order.
    #[inline]
    pub fn linked(&mut self, relation: Relation) {
        if self.on {
            self.links.push(relation);
        }
    }

    /// A fact about a resource; the last ground stays.
    #[inline]
    pub fn resource(&mut self, rsc: RscIx, fact: Fact, ground: Ground) {
        if self.on {
            self.resources.insert((rsc, fact), ground);
        }
    }

    /// A fact about a resource, unless it is known already.
    #[inline]
    pub fn resource_first(&mut self, rsc: RscIx, fact: Fact, ground: Ground) {
        if self.on {
            self.resources.entry((rsc, fact)).or_insert(ground);
        }
    }

    /// A fact about a node; the first ground stays.
    #[inline]
    pub fn node(&mut self, node: NodeIx, fact: NodeFact, ground: Ground) {
        if self.on {
            self.nodes.entry((node, fact)).or_insert(ground);
        }
    }

    /// The action enters the graph.
    #[inline]
    pub fn entered(&mut self, ix: ActionIx) {
        if self.on {
            self.in_graph.insert(ix);
        }
    }

    /// True if the action entered the graph.
    pub fn is_in_graph(&self, ix: ActionIx) -> bool {
        self.in_graph.contains(&ix)
    }

    /// What made the action necessary, or else visible.
    pub fn of_action(&self, ix: ActionIx) -> Option<Ground> {
        let entry = self.actions.get(ix.ix())?;
        entry.needed.or(entry.shown)
    }

    /// What keeps the action from being done.
    pub fn of_held(&self, ix: ActionIx) -> Option<Ground> {
        self.actions.get(ix.ix())?.held
    }

    /// Where a link comes from.
    pub fn of_link(&self, ix: LinkIx) -> Relation {
        self.links.get(ix.ix()).copied().unwrap_or(Relation::Rule(OrderRule::Restart))
    }

    /// What a fact about a resource follows from.
    pub fn of_resource(&self, rsc: RscIx, fact: Fact) -> Option<Ground> {
        self.resources.get(&(rsc, fact)).copied()
    }

    /// What a fact about a node follows from.
    pub fn of_node(&self, node: NodeIx, fact: NodeFact) -> Option<Ground> {
        self.nodes.get(&(node, fact)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::model::OrderOrigin;

    fn told(on: bool) -> Journal {
        let mut journal = Journal::new(on);
        let (action, rsc, node) = (ActionIx(7), RscIx(1), NodeIx(2));
        let (first, second) = (Ground::Unknown(rsc, node), Ground::Devices(node));
        journal.needed(action, first);
        journal.needed(action, second);
        journal.held(action, first);
        journal.held(action, second);
        journal.linked(Relation::Rule(OrderRule::Group));
        journal.resource(rsc, Fact::Failed, first);
        journal.node(node, NodeFact::Unclean, first);
        journal.entered(action);
        journal
    }

    #[test]
    fn the_first_need_and_the_last_hold_stay() {
        let mut journal = told(true);
        let (rsc, node) = (RscIx(1), NodeIx(2));
        assert_eq!(journal.of_action(ActionIx(7)), Some(Ground::Unknown(rsc, node)));
        assert_eq!(journal.of_held(ActionIx(7)), Some(Ground::Devices(node)));
        assert_eq!(journal.of_link(LinkIx(0)), Relation::Rule(OrderRule::Group));
        journal.not_needed(ActionIx(7));
        assert_eq!(journal.of_action(ActionIx(7)), None, "what is not needed needs no reason");
    }

    #[test]
    fn a_journal_that_is_off_holds_nothing() {
        let journal = told(false);
        assert_eq!(journal.actions.capacity() + journal.links.capacity(), 0);
        assert!(journal.resources.is_empty() && journal.nodes.is_empty());
        assert!(!journal.is_in_graph(ActionIx(7)));
    }

    #[test]
    fn an_origin_is_as_small_as_an_id() {
        assert_eq!(size_of::<OrderOrigin>(), 16);
    }
}
