//! Closed sets of words that CIBs and histories use.

use std::fmt;
use std::sync::Arc;

/// A role. The order is part of many rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Role {
    /// Not determined.
    #[default]
    Unknown,
    /// Not running.
    Stopped,
    /// Running (not promotable).
    Started,
    /// Running, not promoted.
    Unpromoted,
    /// Promoted.
    Promoted,
}

impl Role {
    /// Reads a role word in any letter case, the legacy `Slave` and `Master` included (I-79).
    pub fn parse(text: &str) -> Option<Role> {
        Some(match text.to_ascii_lowercase().as_str() {
            "unknown" => Role::Unknown,
            "stopped" => Role::Stopped,
            "started" => Role::Started,
            "unpromoted" | "slave" => Role::Unpromoted,
            "promoted" | "master" => Role::Promoted,
            _ => return None,
        })
    }

    /// The word as status output and the CIB write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Unknown => "Unknown",
            Role::Stopped => "Stopped",
            Role::Started => "Started",
            Role::Unpromoted => "Unpromoted",
            Role::Promoted => "Promoted",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an action does: the `operation` of histories and graphs.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Task {
    /// `start`
    Start,
    /// `running`: a collective is started.
    Running,
    /// `stop`
    Stop,
    /// `stopped`: a collective is stopped.
    Stopped,
    /// `promote`
    Promote,
    /// `promoted`: a collective is promoted.
    Promoted,
    /// `demote`
    Demote,
    /// `demoted`: a collective is demoted.
    Demoted,
    /// `monitor`, recurring or a probe.
    Monitor,
    /// `cancel`
    Cancel,
    /// `migrate_to`
    MigrateTo,
    /// `migrate_from`
    MigrateFrom,
    /// `reload-agent`
    Reload,
    /// `delete`
    Delete,
    /// `lrm_delete`
    LrmDelete,
    /// `clear_failcount`
    ClearFailcount,
    /// `notify`
    Notify,
    /// `notified`
    Notified,
    /// `stonith`
    Fence,
    /// `do_shutdown`
    Shutdown,
    /// Any other word, as written.
    Other(Arc<str>),
}

impl Task {
    /// The task of a word; every word is a task.
    pub fn parse(text: &str) -> Task {
        match text {
            "start" => Task::Start,
            "running" => Task::Running,
            "stop" => Task::Stop,
            "stopped" => Task::Stopped,
            "promote" => Task::Promote,
            "promoted" => Task::Promoted,
            "demote" => Task::Demote,
            "demoted" => Task::Demoted,
            "monitor" => Task::Monitor,
            "cancel" => Task::Cancel,
            "migrate_to" => Task::MigrateTo,
            "migrate_from" => Task::MigrateFrom,
            "reload-agent" => Task::Reload,
            "delete" => Task::Delete,
            "lrm_delete" => Task::LrmDelete,
            "clear_failcount" => Task::ClearFailcount,
            "notify" => Task::Notify,
            "notified" => Task::Notified,
            "stonith" => Task::Fence,
            "do_shutdown" => Task::Shutdown,
            other => Task::Other(other.into()),
        }
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        match self {
            Task::Start => "start",
            Task::Running => "running",
            Task::Stop => "stop",
            Task::Stopped => "stopped",
            Task::Promote => "promote",
            Task::Promoted => "promoted",
            Task::Demote => "demote",
            Task::Demoted => "demoted",
            Task::Monitor => "monitor",
            Task::Cancel => "cancel",
            Task::MigrateTo => "migrate_to",
            Task::MigrateFrom => "migrate_from",
            Task::Reload => "reload-agent",
            Task::Delete => "delete",
            Task::LrmDelete => "lrm_delete",
            Task::ClearFailcount => "clear_failcount",
            Task::Notify => "notify",
            Task::Notified => "notified",
            Task::Fence => "stonith",
            Task::Shutdown => "do_shutdown",
            Task::Other(word) => word,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a failed operation leads to. The order is the severity (I-150).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum OnFail {
    /// Pretend it succeeded.
    #[default]
    Ignore,
    /// Demote and promote again.
    Demote,
    /// Stop and start again.
    Recover,
    /// Reconnect a remote node, fencing it first.
    ResetRemote,
    /// Restart the container.
    RestartContainer,
    /// Ban from the node.
    Ban,
    /// Leave it alone.
    Block,
    /// Stop and stay stopped.
    Stop,
    /// Put the node in standby.
    Standby,
    /// Fence the node.
    Fence,
}

/// What must be there before an action may run (I-114).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Needs {
    /// Nothing.
    #[default]
    Nothing,
    /// A quorate partition.
    Quorum,
    /// Quorum, and all fencing done.
    Fencing,
}

/// The `requires` of a resource (I-81).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Requires {
    /// Nothing.
    #[default]
    Nothing,
    /// A quorate partition.
    Quorum,
    /// Quorum and fencing.
    Fencing,
    /// Fencing, and the node's own unfencing.
    Unfencing,
}

/// `multiple-active` (I-165).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MultipleActive {
    /// Stop all, start one.
    #[default]
    StopStart,
    /// Stop all.
    StopOnly,
    /// Leave alone.
    Block,
    /// Stop the unexpected ones.
    StopUnexpected,
}
