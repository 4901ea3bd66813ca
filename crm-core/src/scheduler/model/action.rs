//! Actions, and the orderings between them (part 3, sections 2 and 12). Owner: actions.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};
use std::sync::Arc;

use super::{ActionIx, LinkIx, Needs, NodeIx, OrderFlags, RscIx, Task};

/// A set of marks.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u16);

impl Marks {
    /// No mark.
    pub const NONE: Marks = Marks(0);
    /// Needs not be done.
    pub const OPTIONAL: Marks = Marks(1);
    /// Could be done.
    pub const RUNNABLE: Marks = Marks(1 << 1);
    /// Nothing is sent to a node.
    pub const PSEUDO: Marks = Marks(1 << 2);
    /// Goes into the graph although optional.
    pub const PRINT_ALWAYS: Marks = Marks(1 << 3);
    /// Part of a live migration that is still possible.
    pub const MIGRATE_RUNNABLE: Marks = Marks(1 << 4);
    /// Recurring, with changed parameters: must be scheduled again.
    pub const RESCHEDULE: Marks = Marks(1 << 5);
    /// Runnable only if enough of its one-or-more firsts are.
    pub const REQUIRES_ANY: Marks = Marks(1 << 6);
    /// A stop that cleans up after a dangling migration.
    pub const DANGLE: Marks = Marks(1 << 7);
    /// A stop that fencing does.
    pub const IMPLIED_BY_FENCING: Marks = Marks(1 << 8);
    /// May run on the coordinator.
    pub const ON_DC: Marks = Marks(1 << 9);

    /// True if all marks of `other` are set.
    pub fn has(self, other: Marks) -> bool {
        self.0 & other.0 == other.0
    }

    /// Adds marks.
    pub fn set(&mut self, other: Marks) {
        self.0 |= other.0;
    }

    /// Removes marks.
    pub fn clear(&mut self, other: Marks) {
        self.0 &= !other.0;
    }

    /// Needs to be done.
    pub fn required(self) -> bool {
        !self.has(Marks::OPTIONAL)
    }

    /// Need not be done.
    pub fn optional(self) -> bool {
        self.has(Marks::OPTIONAL)
    }

    /// Can be done.
    pub fn runnable(self) -> bool {
        self.has(Marks::RUNNABLE)
    }

    /// Only a point of synchronisation.
    pub fn pseudo(self) -> bool {
        self.has(Marks::PSEUDO)
    }
}

impl BitOr for Marks {
    type Output = Marks;

    fn bitor(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }
}

impl BitOrAssign for Marks {
    fn bitor_assign(&mut self, other: Marks) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["optional", "runnable", "pseudo", "printed", "migrating", "reschedule", "any"];
        let set = names.iter().enumerate().filter(|(bit, _)| self.0 & (1 << bit) != 0);
        f.debug_set().entries(set.map(|(_, name)| name)).finish()
    }
}

/// Which notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotifyKind {
    /// Announces what will be done.
    Pre,
    /// Everyone heard the announcement.
    ConfirmedPre,
    /// Announces what was done.
    Post,
    /// Everyone heard of it.
    ConfirmedPost,
}

impl NotifyKind {
    /// The word in keys and in `notify_key_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            NotifyKind::Pre => "pre",
            NotifyKind::ConfirmedPre => "confirmed-pre",
            NotifyKind::Post => "post",
            NotifyKind::ConfirmedPost => "confirmed-post",
        }
    }
}

/// What names an action, together with its resource (section 2.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// `RSC_TASK_MS`
    Op(Task, u32),
    /// `RSC_TYPE_notify_TASK_0`; the task may be `stonith`.
    Notify(NotifyKind, Task),
    /// `stonith-NODE-OP`
    Fence(NodeIx, Arc<str>),
    /// `do_shutdown-NODE`
    Shutdown(NodeIx),
    /// `load_stopped_NODE`
    LoadStopped(NodeIx),
    /// A synchronisation point with a name of its own.
    Named(Arc<str>),
}

impl Key {
    /// The key of something that does not recur.
    pub fn once(task: Task) -> Key {
        Key::Op(task, 0)
    }
}

/// A meta attribute that the planner adds to what the configuration says.
#[derive(Clone, Debug)]
pub struct Extra {
    /// Name as in the CIB (`op_target_rc`, `notify_type`, ...).
    pub name: Arc<str>,
    /// Value.
    pub value: Arc<str>,
    /// Wins over a configured one.
    pub overwrites: bool,
}

/// One action.
#[derive(Clone, Debug)]
pub struct Action {
    /// The resource, if any.
    pub rsc: Option<RscIx>,
    /// What is done. Differs from the task in the key for `cancel`.
    pub task: Task,
    /// Name within the resource.
    pub key: Key,
    /// Where.
    pub node: Option<NodeIx>,
    /// State.
    pub marks: Marks,
    /// What must be there before it may run.
    pub needs: Needs,
    /// Why it is as it is.
    pub reason: Option<Arc<str>>,
    /// Meta attributes beyond the configured ones.
    pub extra: Vec<Extra>,
    /// Synapse priority.
    pub priority: i32,
    /// Runnable firsts needed, and seen in the current pass (`REQUIRES_ANY`).
    pub required_firsts: u32,
    /// See `required_firsts`.
    pub runnable_firsts: u32,
    /// Orderings in which this one comes second, oldest first.
    pub before: Vec<LinkIx>,
    /// Orderings in which this one comes first, oldest first.
    pub after: Vec<LinkIx>,
}

impl Action {
    /// The interval in milliseconds: of a recurring operation or of the one it cancels.
    pub fn interval(&self) -> u32 {
        match self.key {
            Key::Op(_, interval) => interval,
            _ => 0,
        }
    }

    /// Adds a meta attribute unless one of this name was added before.
    pub fn add_meta(&mut self, name: &str, value: impl AsRef<str>) {
        if self.meta(name).is_none() {
            let (name, value) = (name.into(), value.as_ref().into());
            self.extra.push(Extra { name, value, overwrites: false });
        }
    }

    /// Sets a meta attribute, over whatever is there.
    pub fn set_meta(&mut self, name: &str, value: impl AsRef<str>) {
        let value: Arc<str> = value.as_ref().into();
        match self.extra.iter_mut().find(|e| &*e.name == name) {
            Some(old) => *old = Extra { name: name.into(), value, overwrites: true },
            None => self.extra.push(Extra { name: name.into(), value, overwrites: true }),
        }
    }

    /// The value of an added meta attribute.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.extra.iter().find(|e| &*e.name == name).map(|e| &*e.value)
    }

    /// Stores a reason if there is none, or over an earlier one if asked to.
    pub fn set_reason(&mut self, reason: &str, overwrite: bool) {
        if overwrite || self.reason.is_none() {
            self.reason = Some(reason.into());
        }
    }
}

/// An ordering of two actions.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// First.
    pub first: ActionIx,
    /// Then.
    pub then: ActionIx,
    /// Modifiers; empty if disabled.
    pub flags: OrderFlags,
    /// Modifiers as the link was made with. The reference keeps a link twice, with either action,
    /// and changes only the one of what comes then: who goes on from the first one sees these.
    pub made: OrderFlags,
}
