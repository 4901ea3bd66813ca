//! The working set of one scheduler run: everything read from the CIB, in tables linked by
//! indices, and what placement and actions add to it.
//!
//! Each field has one owner among the steps of the pipeline (`input`, `placement`, `actions`),
//! named at the field or at its struct; others only read it.

mod action;
mod constraint;
mod history;
mod ids;
mod journal;
mod message;
mod node;
mod options;
mod pairs;
mod resource;
mod scores;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use crate::Score;
use crate::rules::Moment;
use crate::scalar::is_true;
use crate::scheduler::digest::{Configured, ConfiguredKey};

pub use action::{Action, Extra, Key, Link, Marks, NotifyKind};
pub use constraint::{
    Colocation, Location, LossPolicy, OrderFlags, OrderOrigin, OrderSide, Ordering, Ticket,
    TicketDependency,
};
pub use history::{CheckKind, DeferredCheck, FailedOp, History, HistoryOp, Origin, Rare, Record};
pub use ids::{
    ActionIx, ColocationIx, HistoryIx, LinkIx, LocationIx, NodeIx, OrderingIx, RscIx, TicketIx,
};
pub use journal::{Fact, Ground, Journal, NodeFact, OrderRule, Relation, Remark};
pub use message::{Message, Note, Severity};
pub use node::{Attributes, Node, NodeKind};
pub use options::{HealthStrategy, Options, PlacementStrategy, QuorumPolicy};
pub use pairs::{Block, Blocks, Table};
pub use resource::{
    Agent, BundleData, CloneData, GroupData, OpDef, PartialMigration, Replica, Resource, Variant,
};
pub use scores::{Cause, Contribution, Discovery, Promotion, ScoreEntry, ScoreTable};
pub use words::{MultipleActive, Needs, OnFail, Requires, Role, Task};

/// Everything about one run.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The one "now" of the run (I-12).
    pub now: Moment,
    /// Options.
    pub options: Options,
    /// All nodes, by order of creation.
    pub nodes: Vec<Node>,
    /// All nodes, by name in natural order (I-11, P-8).
    pub node_order: Vec<NodeIx>,
    /// All resources, parents before their children.
    pub resources: Vec<Resource>,
    /// Top-level resources by priority (P-10), orphans last. Placement may re-sort (P-11).
    pub top: Vec<RscIx>,
    /// All histories, by node in document order.
    pub histories: Vec<History>,
    /// Failed operations to list, in the order found.
    pub failed_ops: Vec<FailedOp>,
    /// Entries of recurring operations whose result expired and that must look changed (I-142).
    pub expired_recurring: BTreeSet<(HistoryIx, usize)>,
    /// Digests of configured operations that entries were compared with (I-189).
    pub digests: BTreeMap<ConfiguredKey, Configured>,
    /// Comparisons that wait for placement, in order.
    pub deferred_checks: Vec<DeferredCheck>,
    /// Tickets, in the order first mentioned.
    pub tickets: Vec<Ticket>,
    /// Location preferences, in the order of creation.
    pub locations: Vec<Location>,
    /// Colocations, in the order of creation.
    pub colocations: Vec<Colocation>,
    /// Orderings, in the order of creation.
    pub orderings: Vec<Ordering>,
    /// Ticket dependencies, in document order.
    pub ticket_dependencies: Vec<TicketDependency>,
    /// Tags: id → ids, in document order (I-87).
    pub tags: Vec<(Arc<str>, Vec<Arc<str>>)>,
    /// Templates: id → users, in the order unpacked (I-86).
    pub templates: Vec<(Arc<str>, Vec<RscIx>)>,
    /// `op_defaults` meta-attribute blocks.
    pub op_defaults: Blocks,
    /// `rsc_defaults` meta-attribute blocks.
    pub rsc_defaults: Blocks,
    /// `rsc_defaults` instance-attribute blocks.
    pub rsc_default_params: Blocks,
    /// All actions, oldest first. Owner: actions.
    pub actions: Vec<Action>,
    /// Actions without a resource, oldest first. Owner: actions.
    pub other_actions: Vec<ActionIx>,
    /// Orderings of actions, oldest first. Owner: actions.
    pub links: Vec<Link>,
    /// Remarks, in order.
    pub messages: Vec<Message>,
    /// What a simulation says on the way about parameters that seem to have changed, in order.
    pub notes: Vec<Note>,
    /// Earliest time at which the outcome may change by itself (I-207), epoch seconds.
    pub recheck_at: Option<i64>,
    /// The document was sanitized: secure digests count (I-188).
    pub sanitized: bool,
    /// Keep contributions of scores.
    pub record: bool,
    /// Why actions, resources and nodes are as they are; empty unless recording.
    pub journal: Journal,
    /// How the promotion scores of instances came about; empty unless recording.
    pub promotions: BTreeMap<RscIx, Promotion>,
    /// Note every score that is printed with `-s`.
    pub show_scores: bool,
    /// Note capacities and demands, as printed with `-U`.
    pub show_utilization: bool,
    /// The graph holds what need not be done, too.
    pub all_actions: bool,
    /// Resource by internal id; only to look one up. Owner: input.
    pub(crate) by_id: HashMap<Arc<str>, RscIx>,
}

impl Cluster {
    /// The resource with this internal id.
    pub fn resource(&self, id: &str) -> Option<RscIx> {
        self.by_id.get(id).copied()
    }

    /// The first resource in the tree with this id, or with this name in its history (instances of
    /// anonymous clones have the one without a number, once they have a history).
    pub fn named(&self, name: &str) -> Option<RscIx> {
        self.top.iter().flat_map(|&top| self.descendants(top)).find(|&rsc| {
            let resource = &self[rsc];
            *resource.id == *name || resource.history_name.as_deref() == Some(name)
        })
    }

    /// The node with this name, ignoring case.
    pub fn node_named(&self, name: &str) -> Option<NodeIx> {
        let found = self.nodes.iter().position(|n| n.name.eq_ignore_ascii_case(name))?;
        Some(NodeIx::next(found))
    }

    /// Every resource index, by order of creation.
    pub fn all_resources(&self) -> impl Iterator<Item = RscIx> + use<> {
        (0..self.resources.len()).map(RscIx::next)
    }

    /// True if the node is reached through a connection that has a container. One that stands
    /// among the configured nodes as a member is none.
    pub fn is_guest(&self, node: NodeIx) -> bool {
        self.guest_container(node).is_some()
    }

    /// The container of the connection of a guest.
    pub fn guest_container(&self, node: NodeIx) -> Option<RscIx> {
        let connection = self[node].connection.filter(|_| self[node].is_remote())?;
        self[connection].container
    }

    /// The container of the connection to a node, whether or not the node is known as remote.
    pub fn container_behind(&self, node: NodeIx) -> Option<RscIx> {
        self[self[node].connection?].container
    }

    /// True if any node is remote: where the nodes of all connections are configured as members,
    /// none is.
    pub fn has_remote_nodes(&self) -> bool {
        self.nodes.iter().any(Node::is_remote)
    }

    /// True if the node is remote but not a guest.
    pub fn is_plain_remote(&self, node: NodeIx) -> bool {
        self[node].is_remote() && !self.is_guest(node)
    }

    /// The node that counts as the current one of a resource (P-12, A-24.2, I-168): the source of
    /// a migration that is under way, else the first that is online and clean, or, where what is
    /// not clean is fenced first, just the first.
    pub fn current_node(&self, rsc: RscIx) -> Option<NodeIx> {
        let r = &self[rsc];
        let first = r.active_on.first().copied();
        if let Some(migration) = r.partial_migration {
            return r.active_on.iter().copied().find(|&n| n == migration.source).or(first);
        }
        if matches!(r.requires, Requires::Fencing | Requires::Unfencing) {
            return first;
        }
        let clean = |&n: &NodeIx| self[n].online && !self[n].unclean;
        r.active_on.iter().copied().find(clean).or(first)
    }

    /// The outermost ancestor, stopping below a bundle (I-107).
    pub fn top_of(&self, rsc: RscIx) -> RscIx {
        let mut top = rsc;
        while let Some(parent) = self[top].parent {
            if matches!(self[parent].variant, Variant::Bundle(_)) {
                break;
            }
            top = parent;
        }
        top
    }

    /// The outermost ancestor, bundles included.
    pub fn outermost(&self, rsc: RscIx) -> RscIx {
        let mut top = rsc;
        while let Some(parent) = self[top].parent {
            top = parent;
        }
        top
    }

    /// The bundle a resource is in.
    pub fn bundle_of(&self, rsc: RscIx) -> Option<RscIx> {
        let top = self.outermost(rsc);
        (top != rsc && matches!(self[top].variant, Variant::Bundle(_))).then_some(top)
    }

    /// True if `ancestor` is above `rsc`.
    pub fn is_ancestor(&self, ancestor: RscIx, rsc: RscIx) -> bool {
        let mut next = self[rsc].parent;
        while let Some(parent) = next {
            if parent == ancestor {
                return true;
            }
            next = self[parent].parent;
        }
        false
    }

    /// The primitives below a resource (itself if it is one), in child order.
    pub fn leaves(&self, rsc: RscIx) -> Vec<RscIx> {
        let mut leaves = Vec::new();
        let mut stack = vec![rsc];
        while let Some(next) = stack.pop() {
            if self[next].is_primitive() {
                leaves.push(next);
            }
            stack.extend(self[next].children.iter().rev());
        }
        leaves
    }

    /// The resource and everything below it, parents first, in child order.
    pub fn descendants(&self, rsc: RscIx) -> Vec<RscIx> {
        let mut all = Vec::new();
        let mut stack = vec![rsc];
        while let Some(next) = stack.pop() {
            all.push(next);
            stack.extend(self[next].children.iter().rev());
        }
        all
    }

    /// True for a clone or bundle with `interleave`: its instances wait for and follow those on
    /// their node only. A bundle has it by default, if at all (`rsc_defaults`).
    pub fn interleaves(&self, rsc: RscIx) -> bool {
        self[rsc].variant.is_many() && is_true(self[rsc].meta.get("interleave"))
    }

    /// True if the resource or anything below it is blocked.
    pub fn any_blocked(&self, rsc: RscIx) -> bool {
        self[rsc].blocked || self[rsc].children.iter().any(|&c| self.any_blocked(c))
    }

    /// Adds to the scores of a resource and everything below it on one node, making entries from
    /// the node's own score where there are none (P-21).
    pub fn add_score(&mut self, rsc: RscIx, node: NodeIx, score: Score, cause: Cause) {
        let (base, discovery) = (self[node].score, self.initial_discovery(node));
        for each in self.descendants(rsc) {
            let table = &mut self[each].allowed;
            if table.get(node).is_none() {
                table.insert(node, base, discovery, Cause::NodeScore);
            }
            table.add(node, score, cause);
        }
    }

    /// [`add_score`](Cluster::add_score) on every node.
    pub fn add_score_everywhere(&mut self, rsc: RscIx, score: Score, cause: Cause) {
        for node in 0..self.nodes.len() {
            self.add_score(rsc, NodeIx::next(node), score, cause);
        }
    }

    /// The discovery mode that an entry for the node starts with (P-129).
    pub fn initial_discovery(&self, node: NodeIx) -> Discovery {
        if self[node].discover_never { Discovery::Never } else { Discovery::Always }
    }

    /// Adds a remark.
    pub fn say(&mut self, severity: Severity, text: impl Into<String>) {
        self.messages.push(Message { severity, text: text.into() });
    }

    /// [`Cluster::say`], unless that has been said.
    pub fn say_once(&mut self, severity: Severity, text: &str) {
        if !self.messages.iter().any(|said| said.text == text) {
            self.say(severity, text);
        }
    }

    /// Remembers a time at which the outcome may change (I-207); past ones do not count.
    pub fn recheck(&mut self, epoch: i64) {
        if epoch > self.now.epoch && self.recheck_at.is_none_or(|at| epoch < at) {
            self.recheck_at = Some(epoch);
        }
    }
}

/// The node whose attributes count for a resource on `node`: with `container-attribute-target`
/// `host` that of the guest node's container, if it is active (P-51).
pub fn attribute_source(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> Option<NodeIx> {
    let target = cluster[rsc].meta.get("container-attribute-target");
    let of_host = target.is_some_and(|t| t.eq_ignore_ascii_case("host"));
    match cluster.container_behind(node).filter(|_| of_host) {
        Some(container) => cluster[container].active_on.first().copied(),
        None => Some(node),
    }
}

macro_rules! indexed {
    ($ix:ty, $field:ident, $item:ty) => {
        impl Index<$ix> for Cluster {
            type Output = $item;

            fn index(&self, ix: $ix) -> &$item {
                &self.$field[ix.ix()]
            }
        }

        impl IndexMut<$ix> for Cluster {
            fn index_mut(&mut self, ix: $ix) -> &mut $item {
                &mut self.$field[ix.ix()]
            }
        }
    };
}

indexed!(NodeIx, nodes, Node);
indexed!(RscIx, resources, Resource);
indexed!(HistoryIx, histories, History);
indexed!(TicketIx, tickets, Ticket);
indexed!(LocationIx, locations, Location);
indexed!(ColocationIx, colocations, Colocation);
indexed!(OrderingIx, orderings, Ordering);
indexed!(ActionIx, actions, Action);
indexed!(LinkIx, links, Link);
