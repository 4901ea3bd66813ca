//! From a role to the next: the steps and the task each one takes.

use crate::scheduler::model::{Role, Task};

/// The next role on the way from `from` to `to`.
pub(super) fn step(from: Role, to: Role) -> Role {
    use Role::{Promoted, Started, Stopped, Unknown, Unpromoted};
    match (from, to) {
        (Unknown, _) => Stopped,
        (Stopped, Promoted) => Unpromoted,
        (Stopped, Unknown) => Stopped,
        (Stopped, role) => role,
        (Started, Unknown) => Stopped,
        (Started, role) => role,
        (Unpromoted, Unpromoted) => Unpromoted,
        (Unpromoted, Promoted) => Promoted,
        (Unpromoted, Unknown | Stopped | Started) => Stopped,
        (Promoted, Promoted) => Promoted,
        (Promoted, _) => Unpromoted,
    }
}

/// The task of one step; none ends a sequence of steps.
pub(super) fn task(from: Role, to: Role) -> Option<Task> {
    use Role::{Promoted, Started, Stopped, Unpromoted};
    match (from, to) {
        (Stopped, Started | Unpromoted) => Some(Task::Start),
        (Started | Unpromoted, Stopped) | (Unpromoted, Started) => Some(Task::Stop),
        (Started | Unpromoted, Promoted) => Some(Task::Promote),
        (Promoted, Stopped | Started | Unpromoted) => Some(Task::Demote),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tasks on the way from one role to another.
    fn way(from: Role, to: Role) -> Vec<Task> {
        let mut role = from;
        let mut tasks = Vec::new();
        while role != to {
            let next = step(role, to);
            let Some(task) = task(role, next) else { break };
            tasks.push(task);
            role = next;
        }
        tasks
    }

    #[test]
    fn every_way_ends_and_passes_through_the_roles_between() {
        assert_eq!(way(Role::Stopped, Role::Promoted), [Task::Start, Task::Promote]);
        assert_eq!(way(Role::Promoted, Role::Stopped), [Task::Demote, Task::Stop]);
        assert_eq!(way(Role::Started, Role::Promoted), [Task::Promote]);
        assert_eq!(way(Role::Started, Role::Unpromoted), []);
        assert_eq!(way(Role::Unknown, Role::Started), []);
        assert_eq!(way(Role::Unpromoted, Role::Started), [Task::Stop, Task::Start]);
    }
}
