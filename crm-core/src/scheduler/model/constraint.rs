//! Constraints as placement and actions use them: sets, templates, tags and patterns are
//! already expanded, every entry names exactly the resources it is about.

use std::sync::Arc;

use crate::Score;

use super::{ActionIx, Discovery, Key, NodeIx, OrderRule, Role, RscIx, Task, TicketIx};

/// One location preference (P-45 to P-50, P-43). Kept in order of creation;
/// placement applies them in reverse (P-52).
#[derive(Clone, Debug)]
pub struct Location {
    /// Id of the constraint or of the rule; the strategy's name for health.
    pub id: Arc<str>,
    /// The resource.
    pub rsc: RscIx,
    /// Applies only to this role (P-46, P-47): `Promoted`, `Stopped`, or an ineffective `Started`.
    pub role: Option<Role>,
    /// `resource-discovery`
    pub discovery: Discovery,
    /// The nodes with the score of each, in node order by name.
    pub nodes: Vec<(NodeIx, Score)>,
    /// Made from node health, not from a constraint.
    pub health: bool,
}

/// One colocation of two resources (P-72 to P-79).
#[derive(Clone, Debug)]
pub struct Colocation {
    /// Id of the constraint or of the set.
    pub id: Arc<str>,
    /// `rsc`
    pub dependent: RscIx,
    /// `with-rsc`
    pub primary: RscIx,
    /// Score; never 0.
    pub score: Score,
    /// Role of the dependent; `None` = any (also for Started).
    pub dependent_role: Option<Role>,
    /// Role of the primary; `None` = any (also for Started).
    pub primary_role: Option<Role>,
    /// `node-attribute`
    pub node_attribute: Option<Arc<str>>,
    /// See P-73, P-79.
    pub influence: bool,
    /// The documented rule it follows from, if it is not configured.
    pub internal: Option<&'static str>,
}

/// Modifiers of an ordering (scheduler reference, part 3, section 12).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OrderFlags(pub u32);

#[allow(missing_docs)] // Names are those of the reference's section 12, explained there.
impl OrderFlags {
    pub const NONE: OrderFlags = OrderFlags(0);
    pub const ORDER: OrderFlags = OrderFlags(1);
    pub const THEN_REQ: OrderFlags = OrderFlags(1 << 1);
    pub const THEN_REQ_ON_NODE: OrderFlags = OrderFlags(1 << 2);
    pub const FIRST_REQ: OrderFlags = OrderFlags(1 << 3);
    pub const PROMOTED_FIRST_REQ: OrderFlags = OrderFlags(1 << 4);
    pub const FIRST_RUNNABLE: OrderFlags = OrderFlags(1 << 5);
    pub const RESTART: OrderFlags = OrderFlags(1 << 6);
    pub const MIGRATE_FIRST: OrderFlags = OrderFlags(1 << 7);
    pub const PSEUDO_LEFT: OrderFlags = OrderFlags(1 << 8);
    pub const ONLY_FIRST_NOT_MIGRATING: OrderFlags = OrderFlags(1 << 9);
    pub const ONE_OR_MORE: OrderFlags = OrderFlags(1 << 10);
    pub const PROBE_RUN: OrderFlags = OrderFlags(1 << 11);
    pub const ASYMMETRIC: OrderFlags = OrderFlags(1 << 12);
    pub const SERIALIZE: OrderFlags = OrderFlags(1 << 13);
    pub const SAME_NODE: OrderFlags = OrderFlags(1 << 14);
    pub const LOAD: OrderFlags = OrderFlags(1 << 15);
    pub const ANTI_COLOC: OrderFlags = OrderFlags(1 << 16);
    pub const FIRST_PRINTED: OrderFlags = OrderFlags(1 << 17);
    pub const THEN_PRINTED: OrderFlags = OrderFlags(1 << 18);
    pub const THEN_CANCELS: OrderFlags = OrderFlags(1 << 19);
    pub const INTERNAL: OrderFlags = OrderFlags(1 << 20);

    pub fn contains(self, other: OrderFlags) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn intersects(self, other: OrderFlags) -> bool {
        self.0 & other.0 != 0
    }

    #[must_use]
    pub fn without(self, other: OrderFlags) -> OrderFlags {
        OrderFlags(self.0 & !other.0)
    }
}

impl std::ops::BitOr for OrderFlags {
    type Output = OrderFlags;

    fn bitor(self, other: OrderFlags) -> OrderFlags {
        OrderFlags(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for OrderFlags {
    fn bitor_assign(&mut self, other: OrderFlags) {
        self.0 |= other.0;
    }
}

impl std::fmt::Debug for OrderFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// One side of an ordering that is not yet resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrderSide {
    /// This action.
    Action(ActionIx),
    /// Whatever the resource has with this key when orderings are resolved.
    Key(RscIx, Key),
}

impl OrderSide {
    /// What a resource does once.
    pub fn task(rsc: RscIx, task: Task) -> OrderSide {
        OrderSide::Key(rsc, Key::Op(task, 0))
    }
}

/// An ordering of two sides ("constraint" in part 3). Kept and resolved in order of creation.
#[derive(Clone, Debug)]
pub struct Ordering {
    /// First side.
    pub first: OrderSide,
    /// Then side.
    pub then: OrderSide,
    /// Modifiers.
    pub flags: OrderFlags,
    /// Where it comes from.
    pub origin: OrderOrigin,
}

/// Where an ordering comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrderOrigin {
    /// The element with this id.
    Cib(Arc<str>),
    /// A rule.
    Rule(OrderRule),
}

/// A ticket (I-63).
#[derive(Clone, Debug)]
pub struct Ticket {
    /// `id`
    pub id: Arc<str>,
    /// `granted`
    pub granted: bool,
    /// `standby`
    pub standby: bool,
    /// `last-granted`, epoch seconds; −1 = never.
    pub last_granted: i64,
    /// All attributes of its state.
    pub state: super::Attributes,
}

/// `loss-policy` in effect (P-58).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LossPolicy {
    /// Stop.
    Stop,
    /// Demote.
    Demote,
    /// Fence the nodes.
    Fence,
    /// Leave alone.
    Freeze,
}

/// A resource that depends on a ticket, in document order.
#[derive(Clone, Debug)]
pub struct TicketDependency {
    /// Id of the constraint or set.
    pub id: Arc<str>,
    /// The ticket.
    pub ticket: TicketIx,
    /// The resource.
    pub rsc: RscIx,
    /// The role that needs it; `None` = any.
    pub role: Option<Role>,
    /// What losing it means.
    pub policy: LossPolicy,
}
