//! Resources of every kind, in one table linked by indices.

use std::sync::Arc;

use crate::Score;

use super::{
    ActionIx, Blocks, ColocationIx, HistoryIx, LocationIx, MultipleActive, NodeIx, Requires, Role,
    RscIx, ScoreTable, Table, Task,
};

/// Class, provider and type.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Agent {
    /// `class`; empty for collectives.
    pub class: Arc<str>,
    /// `provider`
    pub provider: Option<Arc<str>>,
    /// `type`
    pub kind: Arc<str>,
}

/// A configured `op`, references followed.
#[derive(Clone, Debug)]
pub struct OpDef {
    /// `id`
    pub id: Arc<str>,
    /// `name`
    pub name: Task,
    /// Parsed `interval`, ms.
    pub interval: u32,
    /// `enabled` is not an explicit false.
    pub enabled: bool,
    /// `role`, if it is a role word.
    pub role: Option<Role>,
    /// All XML attributes but `id`, in document order.
    pub attributes: Vec<(Arc<str>, Arc<str>)>,
    /// Its meta-attribute blocks.
    pub meta: Blocks,
    /// Its instance-attribute blocks.
    pub params: Blocks,
}

impl OpDef {
    /// An XML attribute.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| &**n == name).map(|(_, v)| &**v)
    }
}

/// What only clones have (I-89 to I-93). Owner: input; counters of instances are in the tables.
#[derive(Clone, Debug)]
pub struct CloneData {
    /// `clone-max` in effect.
    pub max: u32,
    /// `clone-node-max` in effect.
    pub node_max: u32,
    /// `clone-node-max` as configured, also where only one is possible; decides who interleaves.
    pub configured_node_max: u32,
    /// `promoted-max` (0 unless promotable).
    pub promoted_max: u32,
    /// `promoted-node-max` (0 unless promotable).
    pub promoted_node_max: u32,
    /// `ordered`
    pub ordered: bool,
    /// Promotable.
    pub promotable: bool,
    /// Promotion scores were added (P-120). Owner: placement.
    pub promotion_added: bool,
}

/// What only groups have.
#[derive(Clone, Debug)]
pub struct GroupData {
    /// `ordered`
    pub ordered: bool,
    /// `collocated`
    pub colocated: bool,
}

/// One replica of a bundle, by number.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Number.
    pub number: u32,
    /// The container.
    pub container: RscIx,
    /// The address resource.
    pub ip: Option<RscIx>,
    /// The text of the address.
    pub address: Option<Arc<str>>,
    /// The connection to the bundle node.
    pub connection: Option<RscIx>,
    /// The inner primitive's instance.
    pub child: Option<RscIx>,
    /// The bundle node.
    pub node: Option<NodeIx>,
}

/// What only bundles have.
#[derive(Clone, Debug)]
pub struct BundleData {
    /// Replicas, by number.
    pub replicas: Vec<Replica>,
    /// Replicas per host.
    pub per_host: u32,
    /// `promoted-max`
    pub promoted_max: u32,
    /// The implicit clone.
    pub clone: Option<RscIx>,
    /// `image` (shown).
    pub image: Arc<str>,
    /// `docker`, `podman` or `rkt`.
    pub launcher: Arc<str>,
    /// `control-port`, default 3121.
    pub control_port: Arc<str>,
}

/// The kind of a resource. The order is that of comparisons (part 2, conventions).
#[derive(Clone, Debug)]
pub enum Variant {
    /// Has an agent.
    Primitive,
    /// An ordered list of primitives.
    Group(GroupData),
    /// Instances of a primitive or of a group.
    Clone(CloneData),
    /// Containers, addresses, connections and an inner clone.
    Bundle(Box<BundleData>),
}

impl Variant {
    /// primitive < group < clone < bundle.
    pub fn rank(&self) -> u8 {
        match self {
            Variant::Primitive => 0,
            Variant::Group(_) => 1,
            Variant::Clone(_) => 2,
            Variant::Bundle(_) => 3,
        }
    }

    /// True for what has instances: clones and bundles.
    pub fn is_many(&self) -> bool {
        matches!(self, Variant::Clone(_) | Variant::Bundle(_))
    }
}

/// A migration that was begun and not finished (I-153).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartialMigration {
    /// Where it runs.
    pub source: NodeIx,
    /// Where it goes.
    pub target: NodeIx,
}

/// A resource. Owner of all fields: input, except where another is named.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Internal id: the XML id, with `:N` for instances and their members.
    pub id: Arc<str>,
    /// The XML id.
    pub xml_id: Arc<str>,
    /// The name its history is recorded under, if that is not `id` (I-130).
    pub history_name: Option<Arc<str>>,
    /// Number of the clone instance it is or is in.
    pub instance: Option<u32>,
    /// Parent.
    pub parent: Option<RscIx>,
    /// Children. Clone instances are re-sorted by placement.
    pub children: Vec<RscIx>,
    /// Kind.
    pub variant: Variant,
    /// Agent of a primitive.
    pub agent: Agent,
    /// The template it was made from.
    pub template: Option<Arc<str>>,
    /// Meta-attributes after inheritance (I-74).
    pub meta: Arc<Table>,
    /// Own instance-attribute blocks; see [`Cluster::params`](super::Cluster::params).
    pub param_blocks: Blocks,
    /// Own meta-attribute blocks.
    pub meta_blocks: Blocks,
    /// Own utilization (P-134). Moved to the container for a bundle's inner primitive.
    pub utilization: Vec<(Arc<str>, i64)>,
    /// Configured operations.
    pub ops: Arc<Vec<OpDef>>,

    /// Managed. Cleared by failures, tickets, placement too.
    pub managed: bool,
    /// Failures with on-fail=block etc.
    pub blocked: bool,
    /// In maintenance (resource or cluster).
    pub maintenance: bool,
    /// Not an anonymous instance (P-26).
    pub unique: bool,
    /// Found in the status only, or an instance beyond the limit.
    pub orphan: bool,
    /// An orphaned connection to a guest node whose container is gone too (I-56).
    pub container_gone: bool,
    /// `notify`
    pub notify: bool,
    /// `critical`
    pub critical: bool,
    /// Live migration is allowed.
    pub allow_migrate: bool,
    /// `allow-unhealthy-nodes`
    pub allow_unhealthy: bool,
    /// Is `ocf:pacemaker:remote` (I-42).
    pub is_remote_connection: bool,
    /// Is of class `stonith`.
    pub is_fence_device: bool,
    /// Made by the cluster (`internal_rsc`).
    pub internal: bool,
    /// `restart-type=restart`
    pub restart_type_restart: bool,
    /// Fence device that unfences (meta `provides`, or requires unfencing).
    pub provides_unfencing: bool,
    /// In or being a promotable clone.
    pub promotable: bool,
    /// Nodes are restricted by exclusive discovery (P-19, P-54).
    pub exclusive_discovery: bool,

    /// `priority`. Promotable instances: changed by placement (P-120 to P-127).
    pub priority: Score,
    /// `resource-stickiness`
    pub stickiness: Score,
    /// `migration-threshold`
    pub migration_threshold: Score,
    /// `failure-timeout`, seconds; 0 = none.
    pub failure_timeout: i64,
    /// `reconnect_interval` of a remote connection, ms; 0 = none.
    pub reconnect_interval: u64,
    /// `requires` in effect.
    pub requires: Requires,
    /// `multiple-active`
    pub multiple_active: MultipleActive,
    /// Goal role (I-79): `Stopped`, or `Unpromoted`; `None` = no limit.
    pub goal: Option<Role>,

    /// Current role: the highest seen on any node (I-167).
    pub role: Role,
    /// Next role. Changed by placement and actions.
    pub next_role: Role,
    /// Active nodes, in the order found (I-163).
    pub active_on: Vec<NodeIx>,
    /// Nodes where its state is known (I-157), in the order found.
    pub known_on: Vec<NodeIx>,
    /// Histories that belong to it.
    pub histories: Vec<HistoryIx>,
    /// A failure is in force.
    pub failed: bool,
    /// The failure needs a stop to recover.
    pub must_stop: bool,
    /// A failure is ignored (on-fail=ignore).
    pub failure_ignored: bool,
    /// A start is pending (I-145), or is treated so.
    pub start_pending: bool,
    /// First pending action that is not a probe, and its node.
    pub pending: Option<(Task, NodeIx)>,
    /// Unfinished migration.
    pub partial_migration: Option<PartialMigration>,
    /// Sources of dangling migrations (I-153).
    pub dangling: Vec<NodeIx>,
    /// Locked to a node since (epoch seconds) by a shutdown lock.
    pub lock: Option<(NodeIx, i64)>,

    /// Container (meta `container`, resolved).
    pub container: Option<RscIx>,
    /// Resources inside this container.
    pub fillers: Vec<RscIx>,
    /// The remote or guest node this connection serves.
    pub remote_node: Option<NodeIx>,

    /// Allowed nodes and scores. Owner: input until constraints, then placement.
    pub allowed: ScoreTable,
    /// Location entries about this resource, in order of creation.
    pub locations: Vec<LocationIx>,
    /// "This with": sorted by placement order (P-78). Owner: placement.
    pub this_with: Vec<ColocationIx>,
    /// "With this": sorted by placement order (P-78). Owner: placement.
    pub with_this: Vec<ColocationIx>,
    /// The assigned node. Owner: placement.
    pub assigned: Option<NodeIx>,
    /// Assignment is decided (also to none). Owner: placement.
    pub decided: bool,
    /// Assignment is in progress (loop guard). Owner: placement.
    pub in_progress: bool,
    /// Merging guard. Owner: placement.
    pub merging: bool,
    /// Sort index of promotion. Owner: placement.
    pub promotion_index: Score,

    /// A reload is scheduled and not cancelled. Owner: actions.
    pub reload: bool,
    /// Runs in too many places and is only stopped where it should not be. Owner: actions.
    pub stop_unexpected: bool,
    /// Its actions, oldest first. Owner: actions.
    pub actions: Vec<ActionIx>,
}

impl Resource {
    /// Is a primitive.
    pub fn is_primitive(&self) -> bool {
        matches!(self.variant, Variant::Primitive)
    }

    /// Clone data, if it is a clone.
    pub fn clone_data(&self) -> Option<&CloneData> {
        match &self.variant {
            Variant::Clone(data) => Some(data),
            Variant::Primitive | Variant::Group(_) | Variant::Bundle(_) => None,
        }
    }

    /// Group data, if it is a group.
    pub fn group_data(&self) -> Option<&GroupData> {
        match &self.variant {
            Variant::Group(data) => Some(data),
            Variant::Primitive | Variant::Clone(_) | Variant::Bundle(_) => None,
        }
    }

    /// Bundle data, if it is a bundle.
    pub fn bundle_data(&self) -> Option<&BundleData> {
        match &self.variant {
            Variant::Bundle(data) => Some(data),
            Variant::Primitive | Variant::Clone(_) | Variant::Group(_) => None,
        }
    }

    /// The id used in history, fail counts and operation keys of its history.
    pub fn history_id(&self) -> &str {
        self.history_name.as_deref().unwrap_or(&self.id)
    }
}
