//! Carrying a graph out: what may start now, given what is complete.
//!
//! Input: a [`Graph`], results, aborts. Output: the actions to initiate, in order. No clock and no
//! I/O; the caller watches time-outs. The rules are Pacemaker 2.1's: an action starts when all its
//! triggers are complete; a failure or an abort stops everything that has not started, except
//! pseudo actions and actions whose priority reaches that of the abort (the notifications that
//! tell others what has already happened).

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Action, ActionIx, ActionKind, Graph, Mark};

/// The priority of an abort that only actions of the highest priority survive.
pub const ABORT_ALL: i32 = 1_000_000;

/// How an action ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// As the scheduler expected.
    Done,
    /// Otherwise: nothing that waits for it will start.
    Failed,
}

/// Why a transition ended before all of it was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Abort {
    /// What has at least this priority goes on.
    pub priority: i32,
    /// In words.
    pub reason: String,
}

/// A graph under execution.
#[derive(Debug)]
pub struct Executor {
    graph: Graph,
    /// Triggers not yet complete, for every action that has not started.
    waiting: BTreeMap<ActionIx, usize>,
    /// Ready to start, best first: higher priority, then order of emission.
    ready: BTreeSet<(std::cmp::Reverse<i32>, usize, ActionIx)>,
    rank: BTreeMap<ActionIx, usize>,
    in_flight: BTreeSet<ActionIx>,
    done: usize,
    failed: usize,
    limits: Limits,
    abort: Option<Abort>,
}

/// How much may be in flight at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Actions of any kind (`batch-limit`).
    pub all: usize,
    /// Operations of resources on one node (`node-action-limit`).
    pub node: usize,
    /// Live migrations from or to one node (`migration-limit`).
    pub migrations: usize,
}

impl Limits {
    /// Only the whole is limited.
    pub fn of_all(all: usize) -> Limits {
        Limits { all: all.max(1), node: usize::MAX, migrations: usize::MAX }
    }
}

impl Executor {
    /// Nothing is started yet.
    pub fn new(graph: Graph, limits: Limits) -> Executor {
        let rank: BTreeMap<_, _> =
            graph.included().enumerate().map(|(rank, (ix, _))| (ix, rank)).collect();
        let mut executor = Executor {
            waiting: rank.keys().map(|&ix| (ix, graph.inputs(ix).len())).collect(),
            ready: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            done: 0,
            failed: 0,
            limits,
            abort: None,
            graph,
            rank,
        };
        let free: Vec<_> =
            executor.waiting.iter().filter(|(_, n)| **n == 0).map(|(&ix, _)| ix).collect();
        free.into_iter().for_each(|ix| executor.make_ready(ix));
        executor
    }

    /// What is executed.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The actions to initiate now. They count as in flight from here on; pseudo actions are
    /// completed on the way and not returned.
    pub fn start_ready(&mut self) -> Vec<ActionIx> {
        let mut started = Vec::new();
        let mut held = Vec::new();
        while let Some(entry) = self.ready.pop_first() {
            let ix = entry.2;
            let Some(action) = self.graph.get(ix) else { continue };
            let pseudo = action.kind == ActionKind::Pseudo;
            let stopped = self.abort.as_ref().is_some_and(|a| action.priority < a.priority);
            if stopped && !pseudo {
                continue;
            }
            if pseudo {
                self.complete(ix);
            } else if self.in_flight.len() >= self.limits.all || !self.has_room(ix) {
                held.push(entry);
            } else {
                self.in_flight.insert(ix);
                started.push(ix);
            }
        }
        self.ready.extend(held);
        started
    }

    /// Whether the nodes of an operation have room for it (as Pacemaker's controller counts: an
    /// operation counts where it runs, both halves of a migration on both its nodes).
    fn has_room(&self, ix: ActionIx) -> bool {
        if self.limits.node == usize::MAX && self.limits.migrations == usize::MAX {
            return true;
        }
        let nodes_of = |ix: ActionIx| self.graph.get(ix).map(loads).unwrap_or_default();
        let migrates =
            |ix: ActionIx| self.graph.get(ix).is_some_and(|a| a.operation.starts_with("migrate_"));
        nodes_of(ix).into_iter().all(|node| {
            let there = self.in_flight.iter().filter(|&&other| nodes_of(other).contains(&node));
            let (mut all, mut migrations) = (0, 0);
            for &other in there {
                all += 1;
                migrations += usize::from(migrates(other));
            }
            all < self.limits.node && (!migrates(ix) || migrations < self.limits.migrations)
        })
    }

    /// Takes the end of an action. Returns false, and changes nothing, if it is not in flight.
    pub fn finish(&mut self, ix: ActionIx, outcome: Ending) -> bool {
        if !self.in_flight.remove(&ix) {
            return false;
        }
        match outcome {
            Ending::Done => self.complete(ix),
            Ending::Failed => {
                self.failed += 1;
                let key = self.graph.get(ix).map_or("", |a| &a.key).to_string();
                self.abort(ABORT_ALL, &format!("{key} failed"));
            }
        }
        true
    }

    /// Starts nothing more below `priority`. The first reason of the highest priority is kept.
    pub fn abort(&mut self, priority: i32, reason: &str) {
        if self.abort.as_ref().is_none_or(|a| a.priority < priority) {
            self.abort = Some(Abort { priority, reason: reason.to_string() });
        }
    }

    /// Forgets actions in flight that nobody waits for any more.
    pub fn abandon(&mut self, unwanted: impl Fn(&Action) -> bool) {
        let graph = &self.graph;
        self.in_flight.retain(|&ix| !graph.get(ix).is_some_and(&unwanted));
    }

    /// What has been initiated and not finished.
    pub fn in_flight(&self) -> impl Iterator<Item = ActionIx> + '_ {
        self.in_flight.iter().copied()
    }

    /// Why it ends early, if it does.
    pub fn aborted(&self) -> Option<&Abort> {
        self.abort.as_ref()
    }

    /// Nothing is in flight, and nothing can start.
    pub fn is_over(&self) -> bool {
        self.in_flight.is_empty()
            && self.ready.iter().all(|&(priority, _, ix)| {
                let pseudo = self.graph.get(ix).is_some_and(|a| a.kind == ActionKind::Pseudo);
                !pseudo && self.abort.as_ref().is_some_and(|a| priority.0 < a.priority)
            })
    }

    /// How many actions are complete, and how many there are.
    pub fn progress(&self) -> (usize, usize) {
        (self.done, self.graph.len())
    }

    fn complete(&mut self, ix: ActionIx) {
        self.done += 1;
        for next in self.graph.dependents(ix) {
            let Some(left) = self.waiting.get_mut(&next) else { continue };
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.make_ready(next);
            }
        }
    }

    fn make_ready(&mut self, ix: ActionIx) {
        self.waiting.remove(&ix);
        let included = self.graph.get(ix).filter(|a| a.mark == Mark::Included);
        if let (Some(action), Some(&rank)) = (included, self.rank.get(&ix)) {
            self.ready.insert((std::cmp::Reverse(action.priority), rank, ix));
        }
    }
}

/// The nodes that an action is work for.
fn loads(action: &Action) -> Vec<&str> {
    if action.kind != ActionKind::RscOp {
        return Vec::new();
    }
    let at = action.router.as_deref().or(action.node.as_ref().map(|n| &*n.name));
    let other = match &*action.operation {
        "migrate_to" => action.meta("migrate_target"),
        "migrate_from" => action.meta("migrate_source"),
        _ => None,
    };
    at.into_iter().chain(other.filter(|o| at != Some(o))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::action;
    use super::super::{NodeRef, Presence};
    use super::*;

    /// Edges as "1>2"; ids from 1, priorities by id.
    fn executor(count: u32, edges: &[(u32, u32)], change: impl Fn(&mut Action)) -> Executor {
        let mut graph = Graph::default();
        let mut places = Vec::new();
        for id in 1..=count {
            let mut a = action(id, &format!("r{id}_start_0"), Mark::Included);
            change(&mut a);
            places.push(graph.add(a));
        }
        for &(first, then) in edges {
            graph.order(places[first as usize - 1], places[then as usize - 1], Presence::Trigger);
        }
        Executor::new(graph, Limits::of_all(8))
    }

    fn ids(e: &Executor, started: &[ActionIx]) -> Vec<u32> {
        started.iter().map(|&ix| e.graph().get(ix).unwrap().id.0).collect()
    }

    #[test]
    fn actions_start_when_their_triggers_are_complete() {
        let mut e = executor(4, &[(1, 3), (2, 3), (3, 4)], |_| {});
        let first = e.start_ready();
        assert_eq!(ids(&e, &first), [1, 2]);
        assert!(e.finish(first[0], Ending::Done) && !e.finish(first[0], Ending::Done));
        assert_eq!(e.start_ready(), []);
        e.finish(first[1], Ending::Done);
        let third = e.start_ready();
        assert_eq!(ids(&e, &third), [3]);
        e.finish(third[0], Ending::Done);
        let last = e.start_ready();
        assert!(!e.is_over());
        e.finish(last[0], Ending::Done);
        assert!(e.is_over() && e.aborted().is_none());
        assert_eq!(e.progress(), (4, 4));
    }

    #[test]
    fn a_failure_stops_what_has_not_started_and_waits_for_what_has() {
        let mut e = executor(3, &[(1, 3)], |_| {});
        let first = e.start_ready();
        e.finish(first[0], Ending::Failed);
        assert_eq!(e.start_ready(), []);
        assert!(!e.is_over(), "2 is still in flight");
        e.finish(first[1], Ending::Done);
        assert!(e.is_over());
        assert_eq!(e.aborted().unwrap().reason, "r1_start_0 failed");
    }

    #[test]
    fn pseudo_actions_and_the_highest_priority_outlive_an_abort() {
        let mut e = executor(4, &[(1, 2), (2, 3), (2, 4)], |a| match a.id.0 {
            2 => a.kind = ActionKind::Pseudo,
            3 => a.priority = ABORT_ALL,
            _ => {}
        });
        let first = e.start_ready();
        e.abort(ABORT_ALL, "something changed");
        e.finish(first[0], Ending::Done);
        let more = e.start_ready();
        assert_eq!(ids(&e, &more), [3]);
        e.finish(more[0], Ending::Done);
        assert!(e.is_over());
    }

    #[test]
    fn the_batch_limit_holds_and_blocked_actions_never_start() {
        let mut graph = Graph::default();
        for id in 1..=3 {
            graph.add(action(id, &format!("r{id}_start_0"), Mark::Included));
        }
        let held = graph.add(action(4, "b_stop_0", Mark::Blocked));
        let then = graph.add(action(5, "b_start_0", Mark::Included));
        graph.order(held, then, Presence::Trigger);
        let mut e = Executor::new(graph, Limits::of_all(2));
        let first = e.start_ready();
        assert_eq!(ids(&e, &first), [1, 2]);
        assert_eq!(e.start_ready(), []);
        e.finish(first[0], Ending::Done);
        let second = e.start_ready();
        assert_eq!(ids(&e, &second), [3]);
        e.finish(first[1], Ending::Done);
        e.finish(second[0], Ending::Done);
        assert_eq!(e.start_ready(), []);
        assert!(e.is_over());
    }

    #[test]
    fn a_node_has_room_for_so_many_operations_and_migrations() {
        let on = |a: &mut Action, name: &str| {
            a.node = Some(NodeRef { id: name.into(), name: name.into() });
        };
        let change = |a: &mut Action| match a.id.0 {
            1..=3 => on(a, "x"),
            4 | 5 => {
                a.operation = "migrate_to".into();
                a.attributes.insert("CRM_meta_migrate_target".into(), "z".into());
                on(a, if a.id.0 == 4 { "y" } else { "w" });
            }
            _ => on(a, "z"),
        };
        let mut e = executor(6, &[], change);
        e.limits = Limits { node: 2, migrations: 1, ..Limits::of_all(8) };
        let first = e.start_ready();
        assert_eq!(ids(&e, &first), [1, 2, 4, 6], "3 is too much for x, 5 a second one for z");
        e.finish(first[2], Ending::Done);
        let next = e.start_ready();
        assert_eq!(ids(&e, &next), [5]);
        e.finish(first[0], Ending::Done);
        assert_eq!(e.start_ready().len(), 1);
    }
}
