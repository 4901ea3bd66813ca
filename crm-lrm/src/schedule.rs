//! The executor's bookkeeping: which operation may run when, and which result is news.
//!
//! A plain state machine. Calls, ends of runs and the time come in; [`Effect`]s go out. It knows
//! no process and no clock; [`crate::Lrm`] drives it.
//!
//! Invariants, checked by the tests after every step:
//! - at most one run at a time of one resource, at most `limit` runs in all;
//! - the runs of a recurring call never overlap;
//! - every call ends in exactly one final result: a one-shot with its outcome, a recurring one
//!   with [`ExecutionStatus::Cancelled`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::metadata::Metadata;
use crate::operation::{CallId, ExecutionStatus, ExitCode, Operation, OperationResult};

/// A point in time, counted from the start of the executor by a clock that never jumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Duration);

impl Moment {
    fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }

    fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// How one run ended, as the driver saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// The executor's part.
    pub status: ExecutionStatus,
    /// The agent's part.
    pub exit: ExitCode,
    /// Why, in one line.
    pub exit_reason: String,
    /// Standard output, capped.
    pub stdout: Vec<u8>,
    /// Standard error, capped.
    pub stderr: Vec<u8>,
    /// What the agent says of itself, if it was asked.
    pub metadata: Option<Arc<Metadata>>,
    /// From the start of the agent to its end.
    pub exec_time: Duration,
}

/// What the driver has to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Run the agent, and say [`Schedule::finished`] when it has ended.
    Start {
        /// For whom.
        call: CallId,
        /// What to run.
        operation: Arc<Operation>,
    },
    /// End the run that is in flight for this call; it still has to be reported as finished.
    Abort {
        /// Whose run.
        call: CallId,
        /// Without asking it to end by itself first.
        at_once: bool,
    },
    /// Tell the daemon.
    Report(Box<OperationResult>),
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Its next run is not due yet.
    Waiting,
    /// Due; another run of the same resource, or the limit, is in the way.
    Queued,
    /// The agent runs.
    Running,
}

/// One call in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallInfo {
    /// Its number.
    pub call: CallId,
    /// The resource instance.
    pub resource: String,
    /// The action.
    pub action: String,
    /// Zero for a one-shot.
    pub interval: Duration,
    /// Where it stands.
    pub state: CallState,
    /// The requester's key.
    pub key: String,
}

/// Urgency of a queued call: one-shots pass recurring ones, then the older due time wins.
type Rank = (bool, Moment, CallId);

#[derive(Debug)]
struct Call {
    operation: Arc<Operation>,
    state: CallState,
    /// When the run it waits or waited for was due.
    due: Moment,
    started: Moment,
    runs: u64,
    reported: Option<(ExecutionStatus, ExitCode)>,
    /// Taken back while in flight: the end of the run is not news, the end of the call is.
    cancelled: bool,
}

impl Call {
    fn rank(&self, id: CallId) -> Rank {
        (self.recurring(), self.due, id)
    }

    fn recurring(&self) -> bool {
        !self.operation.interval.is_zero()
    }
}

/// The state machine.
#[derive(Debug)]
pub struct Schedule {
    limit: usize,
    next_call: u64,
    calls: BTreeMap<CallId, Call>,
    /// Calls that wait for a time.
    timers: BTreeSet<(Moment, CallId)>,
    /// Calls that are due.
    queue: BTreeSet<Rank>,
    /// Resources with a run in flight.
    busy: BTreeMap<String, CallId>,
    /// Resources that an agent of an earlier executor still works on, without instance numbers.
    held: BTreeSet<String>,
    effects: VecDeque<Effect>,
}

impl Schedule {
    /// An empty schedule that runs at most `limit` (at least one) agents at a time.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            next_call: 1,
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            queue: BTreeSet::new(),
            busy: BTreeMap::new(),
            held: BTreeSet::new(),
            effects: VecDeque::new(),
        }
    }

    /// Accepts an operation.
    ///
    /// The same recurring operation asked for again replaces the earlier call. An action that
    /// changes the resource's state ends its recurring calls, as Pacemaker's controller does: what
    /// they watched for is about to become untrue.
    pub fn execute(&mut self, operation: Operation, now: Moment) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        if !operation.interval.is_zero() {
            self.cancel(&operation.resource, &operation.action, operation.interval, now);
        } else if changes_state(&operation.action) {
            self.cancel_recurring(&operation.resource, now);
        }
        let due = now.after(operation.start_delay);
        self.calls.insert(
            id,
            Call {
                operation: Arc::new(operation),
                state: CallState::Waiting,
                due,
                started: now,
                runs: 0,
                reported: None,
                cancelled: false,
            },
        );
        self.timers.insert((due, id));
        self.advance(now);
        id
    }

    /// Takes back every call of this resource, action and interval; `false` if there is none.
    pub fn cancel(
        &mut self,
        resource: &str,
        action: &str,
        interval: Duration,
        now: Moment,
    ) -> bool {
        let found = self.select(|operation| {
            operation.resource == resource
                && operation.action == action
                && operation.interval == interval
        });
        for id in &found {
            self.cancel_call(*id, false, now);
        }
        self.advance(now);
        !found.is_empty()
    }

    /// Takes back everything that has not started, and every recurring call; a one-shot in
    /// flight runs to its end.
    pub fn stop_all(&mut self, now: Moment) {
        for id in self.select(|_| true) {
            let one_shot_in_flight = self
                .calls
                .get(&id)
                .is_some_and(|call| call.state == CallState::Running && !call.recurring());
            if !one_shot_in_flight {
                self.cancel_call(id, false, now);
            }
        }
    }

    /// Takes back everything and ends what is in flight at once.
    pub fn kill_all(&mut self, now: Moment) {
        let all: Vec<CallId> = self.calls.keys().copied().collect();
        for id in all {
            self.cancel_call(id, true, now);
        }
    }

    /// A run has ended. Unknown calls are ignored: they cannot be ours.
    pub fn finished(&mut self, id: CallId, end: RunEnd, now: Moment) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.state != CallState::Running {
            return;
        }
        self.busy.remove(&call.operation.resource);
        call.runs += 1;
        if call.cancelled {
            let exec_time = end.exec_time;
            self.report_cancelled(id, exec_time, now);
        } else if !call.recurring() {
            let queue_time = call.started.since(call.due);
            let operation = Arc::clone(&call.operation);
            self.calls.remove(&id);
            self.report(id, &operation, end, queue_time);
        } else {
            let outcome = (end.status, end.exit);
            let news = call.reported != Some(outcome) || is_failure(&call.operation, &end);
            let queue_time = call.started.since(call.due);
            let operation = Arc::clone(&call.operation);
            if news {
                call.reported = Some(outcome);
            }
            call.due = next_due(call, now);
            call.state = CallState::Waiting;
            self.timers.insert((call.due, id));
            if news {
                self.report(id, &operation, end, queue_time);
            }
        }
        self.advance(now);
    }

    /// Lets time pass: starts what is due and may run.
    pub fn advance(&mut self, now: Moment) {
        while let Some(&(due, id)) = self.timers.first() {
            if due > now {
                break;
            }
            self.timers.pop_first();
            if let Some(call) = self.calls.get_mut(&id) {
                call.state = CallState::Queued;
                self.queue.insert(call.rank(id));
            }
        }
        while self.busy.len() < self.limit {
            let ready = self.queue.iter().find(|(_, _, id)| {
                self.calls.get(id).is_some_and(|call| self.is_free(&call.operation.resource))
            });
            let Some(&rank) = ready else { break };
            self.queue.remove(&rank);
            let id = rank.2;
            if let Some(call) = self.calls.get_mut(&id) {
                call.state = CallState::Running;
                call.started = now;
                let operation = Arc::clone(&call.operation);
                self.busy.insert(operation.resource.clone(), id);
                self.effects.push_back(Effect::Start { call: id, operation });
            }
        }
    }

    fn is_free(&self, resource: &str) -> bool {
        !self.busy.contains_key(resource) && !self.held.contains(base(resource))
    }

    /// Runs nothing of a resource (all its instances) until it is released.
    pub fn hold(&mut self, resource: &str) {
        self.held.insert(base(resource).to_owned());
    }

    /// Ends a hold.
    pub fn release(&mut self, resource: &str, now: Moment) {
        self.held.remove(base(resource));
        self.advance(now);
    }

    /// When [`Schedule::advance`] has to be called next, if nothing else happens.
    pub fn next_wakeup(&self) -> Option<Moment> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// The next thing to do, in order.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Every call, by number.
    pub fn calls(&self) -> Vec<CallInfo> {
        self.calls
            .iter()
            .map(|(id, call)| CallInfo {
                call: *id,
                resource: call.operation.resource.clone(),
                action: call.operation.action.clone(),
                interval: call.operation.interval,
                state: call.state,
                key: call.operation.key.clone(),
            })
            .collect()
    }

    /// Nothing runs and nothing is due.
    pub fn is_idle(&self) -> bool {
        self.busy.is_empty() && self.queue.is_empty()
    }

    fn select(&self, wanted: impl Fn(&Operation) -> bool) -> Vec<CallId> {
        let calls = self.calls.iter().filter(|(_, call)| !call.cancelled);
        calls.filter(|(_, call)| wanted(&call.operation)).map(|(id, _)| *id).collect()
    }

    fn cancel_recurring(&mut self, resource: &str, now: Moment) {
        let found = self
            .select(|operation| operation.resource == resource && !operation.interval.is_zero());
        for id in found {
            self.cancel_call(id, false, now);
        }
    }

    fn cancel_call(&mut self, id: CallId, at_once: bool, now: Moment) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        match call.state {
            CallState::Running => {
                call.cancelled = true;
                self.effects.push_back(Effect::Abort { call: id, at_once });
            }
            CallState::Waiting => {
                self.timers.remove(&(call.due, id));
                self.report_cancelled(id, Duration::ZERO, now);
            }
            CallState::Queued => {
                let rank = call.rank(id);
                self.queue.remove(&rank);
                self.report_cancelled(id, Duration::ZERO, now);
            }
        }
    }

    fn report_cancelled(&mut self, id: CallId, exec_time: Duration, now: Moment) {
        let Some(call) = self.calls.remove(&id) else { return };
        let end = RunEnd {
            status: ExecutionStatus::Cancelled,
            exit: call.reported.map_or(ExitCode::OK, |(_, exit)| exit),
            exit_reason: String::new(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            metadata: None,
            exec_time,
        };
        let started = if call.state == CallState::Running { call.started } else { now };
        self.report(id, &call.operation, end, started.since(call.due));
    }

    fn report(&mut self, id: CallId, operation: &Operation, end: RunEnd, queue_time: Duration) {
        self.effects.push_back(Effect::Report(Box::new(OperationResult {
            operation: operation.clone(),
            call_id: id,
            status: end.status,
            exit: end.exit,
            exit_reason: end.exit_reason,
            stdout: end.stdout,
            stderr: end.stderr,
            metadata: end.metadata,
            queue_time,
            exec_time: end.exec_time,
        })));
    }
}

/// A resource without the number of its instance.
fn base(resource: &str) -> &str {
    resource.split_once(':').map_or(resource, |(base, _)| base)
}

/// Whether an action makes the recurring operations of its resource void.
pub(crate) fn changes_state(action: &str) -> bool {
    matches!(action, "start" | "stop" | "promote" | "demote" | "migrate_to" | "migrate_from")
}

/// Whether a run must be reported even if the last one ended the same way.
fn is_failure(operation: &Operation, end: &RunEnd) -> bool {
    let target = operation.params.get("CRM_meta_op_target_rc").and_then(|rc| rc.parse().ok());
    end.status != ExecutionStatus::Done || (!end.exit.is_running() && Some(end.exit.0) != target)
}

/// When a recurring call runs next.
///
/// Runs keep to a grid of the interval, so that delays do not add up; a run that overran skips
/// the points it missed. The first gap is shortened by up to a half: resources started together
/// must not be watched together for ever, and being watched early harms nobody.
fn next_due(call: &Call, now: Moment) -> Moment {
    let interval = call.operation.interval;
    if call.runs == 1 {
        let share = u32::from(phase(&call.operation.resource));
        let early = interval.checked_mul(share).map_or(Duration::ZERO, |part| part / 512);
        return call.started.after(interval - early).max(now);
    }
    let late = now.since(call.due).as_nanos();
    let points = late / interval.as_nanos() + 1;
    let skipped = u32::try_from(points).unwrap_or(u32::MAX);
    call.due.after(interval.saturating_mul(skipped))
}

/// A number that differs between resources and is the same at every start (FNV-1a, folded).
fn phase(resource: &str) -> u8 {
    let hash = resource
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.to_le_bytes().into_iter().fold(0, |folded, byte| folded ^ byte)
}

#[cfg(test)]
#[path = "schedule_test.rs"]
mod tests;
