//! Nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Score;

use super::RscIx;

/// Name → value, ordered.
pub type Attributes = BTreeMap<Arc<str>, Arc<str>>;

/// What kind of node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// Runs the cluster stack.
    Member,
    /// Managed through a connection resource. A guest node is a remote node whose connection
    /// has a container: ask [`Cluster::is_guest`](super::Cluster::is_guest).
    Remote,
    /// Legacy; never runs anything.
    Ping,
}

/// A node and its state. Owner of all fields: input, except where another is named.
#[derive(Clone, Debug)]
pub struct Node {
    /// `id`
    pub id: Arc<str>,
    /// `uname`
    pub name: Arc<str>,
    /// Kind.
    pub kind: NodeKind,
    /// The `score` of the node element; −INFINITY once found offline or shutting down (P-15).
    pub score: Score,
    /// Can be talked to. Changed by placement for remote nodes (P-141).
    pub online: bool,
    /// In standby.
    pub standby: bool,
    /// In standby because of a failed operation (`on-fail=standby`).
    pub standby_on_fail: bool,
    /// Joining.
    pub pending: bool,
    /// Must be fenced before anything of it is recovered. Changed by actions.
    pub unclean: bool,
    /// No state was seen yet.
    pub unseen: bool,
    /// Is being shut down. Changed by placement for remote nodes (P-141).
    pub shutdown: bool,
    /// Should be a member.
    pub expected_up: bool,
    /// In maintenance.
    pub maintenance: bool,
    /// Is the designated coordinator.
    pub is_dc: bool,
    /// Runs nothing but what is exclusively meant for it (bundle nodes): initial discovery mode.
    pub discover_never: bool,
    /// `resource-discovery-enabled` is not false.
    pub discovery_enabled: bool,
    /// Remote node: its state says it was fenced.
    pub remote_was_fenced: bool,
    /// Remote or guest node: must be reset.
    pub remote_requires_reset: bool,
    /// Remote node: `node_in_maintenance` of its state.
    pub remote_maintenance: bool,
    /// The node was fenced with unfencing pending etc.: the history was read.
    pub history_read: bool,
    /// Has a `node_state` element.
    pub has_state: bool,
    /// The connection resource of a remote or guest node.
    pub connection: Option<RscIx>,
    /// Permanent and transient attributes, and the built-in `#…` ones (I-37).
    pub attributes: Attributes,
    /// Capacities. Reduced by placement.
    pub capacity: BTreeMap<Arc<str>, i64>,
    /// `utilization` as configured.
    pub utilization: Attributes,
    /// Leaves active here, in the order found; no duplicates (I-163).
    pub running: Vec<RscIx>,
    /// Sum of the priorities of what is active here (I-164).
    pub priority: i32,
    /// Leaves assigned here so far. Owner: placement.
    pub assigned: Vec<RscIx>,
    /// Reason of the fencing request, first one kept (I-57).
    pub fence_reason: Option<Arc<str>>,
}

impl Node {
    /// A node in the state before anything is known of it.
    pub fn new(id: Arc<str>, name: Arc<str>, kind: NodeKind, score: Score) -> Node {
        Node {
            id,
            name,
            kind,
            score,
            online: false,
            standby: false,
            standby_on_fail: false,
            pending: false,
            unclean: false,
            unseen: false,
            shutdown: false,
            expected_up: false,
            maintenance: false,
            is_dc: false,
            discover_never: false,
            discovery_enabled: true,
            remote_was_fenced: false,
            remote_requires_reset: false,
            remote_maintenance: false,
            history_read: false,
            has_state: false,
            connection: None,
            attributes: Attributes::new(),
            capacity: BTreeMap::new(),
            utilization: Attributes::new(),
            running: Vec::new(),
            priority: 0,
            assigned: Vec::new(),
            fence_reason: None,
        }
    }

    /// The value of an attribute.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(|v| &**v)
    }

    /// Online, not shutting down, clean, not in standby and not in maintenance (P-13, A-18).
    pub fn available(&self) -> bool {
        self.online && !self.shutdown && !self.unclean && !self.standby && !self.maintenance
    }

    /// True for remote and guest nodes.
    pub fn is_remote(&self) -> bool {
        self.kind == NodeKind::Remote
    }
}
