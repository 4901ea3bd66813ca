//! Actions (part 3, section 2). Owner: actions.

use std::sync::Arc;

use super::{ActionIx, Needs, NodeIx, OnFail, OrderFlags, Role, RscIx, Table, Task};

/// A relation between two actions, seen from one of them.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The other action.
    pub action: ActionIx,
    /// Modifiers; empty = disabled.
    pub flags: OrderFlags,
}

/// An action. Its index plus one is its id.
#[derive(Clone, Debug)]
pub struct Action {
    /// What is done.
    pub task: Task,
    /// `RSC_TASK_MS`, or the fixed text of other kinds.
    pub key: Arc<str>,
    /// The resource.
    pub rsc: Option<RscIx>,
    /// The node.
    pub node: Option<NodeIx>,
    /// Interval, ms.
    pub interval: u32,
    /// Need not be done.
    pub optional: bool,
    /// Could be done.
    pub runnable: bool,
    /// A synchronisation point.
    pub pseudo: bool,
    /// In the graph although optional.
    pub print_always: bool,
    /// Part of a live migration still possible.
    pub migrate_runnable: bool,
    /// A recurring action that must be scheduled again.
    pub reschedule: bool,
    /// Runnable only with enough runnable firsts.
    pub requires_any: bool,
    /// Stop of a dangling migration.
    pub dangle: bool,
    /// Stop that fencing implies.
    pub implied_by_fencing: bool,
    /// May run on the DC.
    pub on_dc: bool,
    /// Runnable firsts needed with `requires_any`.
    pub required_firsts: u32,
    /// Runnable firsts seen with `requires_any`.
    pub runnable_firsts: u32,
    /// What it needs.
    pub needs: Needs,
    /// Response to its failure.
    pub on_fail: OnFail,
    /// Role after its failure (I-117).
    pub fail_role: Role,
    /// Synapse priority.
    pub priority: i32,
    /// The task a `cancel` cancels.
    pub cancelled: Option<Task>,
    /// Why, in words of the summary.
    pub reason: Option<Arc<str>>,
    /// Meta values (written `CRM_meta_NAME`).
    pub meta: Table,
    /// Extra parameters from the `op` (I-113); `None` = not evaluated yet.
    pub params: Option<Table>,
    /// What comes before it.
    pub before: Vec<Link>,
    /// What comes after it.
    pub after: Vec<Link>,
}
