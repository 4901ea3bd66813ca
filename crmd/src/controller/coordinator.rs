//! The coordinator's duty: plan when something has changed, carry the plan out, give orders.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crm_core::cib::{Element, Patch};
use crm_core::scheduler::digest::recorded;
use crm_core::scheduler::model::Table;
use crm_core::transition::{
    ABORT_ALL, Action, ActionId, ActionIx, ActionKind, Ending, Executor, Graph, Limits, Presence,
};
use crm_messaging::group::NodeId;
use crm_messaging::proto::peer::envelope::Body;
use crm_messaging::proto::peer::{Agent, Forget, LeaseOver, Order, Result as OpResult, Step};

use super::effects::{Planned, Series};
use super::fencing::Jobs;
use super::history::{self, TransitionKey};
use super::status::{self, Standing, milliseconds, property, property_is_on};
use super::wire::ring_to_wire;
use super::{Controller, Effect, Settings};

/// Added to the time-out of an action before the coordinator gives it up (`cluster-delay`).
const CLUSTER_DELAY: Duration = Duration::from_secs(60);
/// Actions in flight at a time unless `batch-limit` says otherwise.
const BATCH_LIMIT: usize = 256;
/// Time-out of an action that names none.
const DEFAULT_TIMEOUT_MS: u64 = 20_000;
/// Without fencing: a lost node has stopped everything this long after the view without it. The
/// lease of its side, and a margin for what its detection and ours may differ.
const LEASE_MARGIN: Duration = Duration::from_millis(800);
/// How long an action on a node that is not there is waited for.
const ABSENT_DELAY: Duration = Duration::from_secs(1);
/// As many transitions in this time are more than a cluster needs to come to rest (D7).
const FLAP_COUNT: usize = 100;
const FLAP_TIME: Duration = Duration::from_secs(5);
/// The pause that follows.
const FLAP_PAUSE: Duration = Duration::from_secs(2);
/// Actions of a transition that its event names.
const DESCRIBED: usize = 100;
/// `cluster-recheck-interval` unless configured.
const RECHECK_MS: u64 = 900_000;

/// A transition under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) executor: Executor,
    number: u64,
    deadlines: BTreeMap<ActionIx, Duration>,
}

impl Running {
    /// The fencing actions under way that concern `target` and switch it on, as `action` does or
    /// does not.
    pub(super) fn fencing<'a>(
        &'a self,
        target: &'a str,
        action: &'a str,
    ) -> impl Iterator<Item = (ActionIx, &'a Action)> {
        let graph = self.executor.graph();
        self.executor.in_flight().filter_map(|ix| Some((ix, graph.get(ix)?))).filter(
            move |(_, a)| {
                let wanted = a.meta("stonith_action").unwrap_or("reboot");
                a.operation == "stonith"
                    && a.node.as_ref().is_some_and(|n| n.name == target)
                    && (wanted == "on") == (action == "on")
            },
        )
    }
}

/// What only the coordinator keeps. A new one starts with nothing: what is pending is in the
/// status, and what has to be done follows from it (D4).
#[derive(Debug)]
pub(super) struct Duty {
    /// The commit that writes the node list and the facts of the cluster has been sent.
    introduced: bool,
    /// Why a plan is due; none: nothing has changed since the last one.
    due: Option<String>,
    /// The plan that the scheduler is working on.
    planning: Option<u64>,
    pub(super) running: Option<Running>,
    /// When the status changes by time alone, in seconds of the epoch.
    recheck_at_s: Option<u64>,
    /// When to look again in any case.
    recheck: Option<Duration>,
    now_s: (Duration, u64),
    /// When the last transitions began, to notice plans that lead nowhere.
    begun: VecDeque<Duration>,
    leases: BTreeMap<NodeId, Duration>,
    pub(super) jobs: Jobs,
    /// Members' clients that wait for idleness.
    pub(super) idlers: Vec<(NodeId, u64)>,
    /// The scheduler's last complaint.
    pub(super) trouble: Option<String>,
}

impl Duty {
    pub(super) fn new(reason: &str) -> Duty {
        Duty {
            introduced: false,
            due: Some(reason.to_string()),
            planning: None,
            running: None,
            recheck_at_s: None,
            recheck: None,
            now_s: (Duration::ZERO, 0),
            begun: VecDeque::new(),
            leases: BTreeMap::new(),
            jobs: Jobs::default(),
            idlers: Vec::new(),
            trouble: None,
        }
    }

    /// When time alone makes something due.
    pub(super) fn wake_at(&self, hold: Option<Duration>) -> Option<Duration> {
        let deadlines = self.running.iter().flat_map(|r| r.deadlines.values().copied());
        let (mono, wall) = self.now_s;
        let by_clock =
            self.recheck_at_s.map(|at| mono + Duration::from_secs(at.saturating_sub(wall) + 1));
        deadlines
            .chain(self.leases.values().copied())
            .chain(hold)
            .chain(self.recheck)
            .chain(by_clock)
            .chain(self.jobs.wake_at())
            .min()
    }

    /// The state in Pacemaker's words.
    pub(super) fn state(&self, held: bool, pending: bool) -> &'static str {
        if self.running.is_some() {
            "S_TRANSITION_ENGINE"
        } else if held {
            "S_INTEGRATION"
        } else if self.planning.is_some() || self.due.is_some() || pending {
            "S_POLICY_ENGINE"
        } else {
            "S_IDLE"
        }
    }
}

impl Controller {
    /// Something has changed: what runs is ended early, and a new plan is due.
    pub(super) fn replan(&mut self, reason: &str) {
        let Some(duty) = &mut self.duty else { return };
        duty.due.get_or_insert_with(|| reason.to_string());
        if let Some(running) = &mut duty.running {
            running.executor.abort(ABORT_ALL, reason);
            // Fencing goes on by itself; the next plan finds it under way.
            running.executor.abandon(|a| a.operation == "stonith");
            let in_flight: Vec<_> = running.executor.in_flight().collect();
            running.deadlines.retain(|ix, _| in_flight.contains(ix));
        }
    }

    /// Whether nothing runs, nothing is due and no result is unread.
    pub(super) fn is_idle(&self) -> bool {
        self.duty.as_ref().is_some_and(|d| {
            d.state(self.is_held(), self.has_pending()) == "S_IDLE" && !d.jobs.is_busy()
        })
    }

    pub(super) fn is_held(&self) -> bool {
        self.hold_until.is_some_and(|until| self.now.mono < until)
    }

    /// Whether a member has yet to report the end of an operation that runs once.
    pub(super) fn has_pending(&self) -> bool {
        let Some(view) = &self.view else { return false };
        view.members.iter().any(|&m| {
            history::pending(self.replica.cib(), m).any(|op| op.attr("interval") == Some("0"))
        })
    }

    /// Whether a node waits to be fenced: that is planned without waiting for slow operations
    /// elsewhere. The scheduler knows them as pending, and executors queue what follows on the same
    /// resource. Half a migration is waited for.
    fn is_urgent(&self) -> bool {
        let Some(view) = self.view.as_ref().filter(|v| v.quorate) else { return false };
        let cib = self.replica.cib();
        let lost = |n: &NodeId| {
            status::standing(cib, *n) == Some(Standing::Lost) && status::is_expected(cib, *n)
        };
        let migrates =
            |op: &Element| op.attr("operation").is_some_and(|o| o.starts_with("migrate"));
        property_is_on(cib, "stonith-enabled", true)
            && self.settings.nodes.keys().filter(|n| !view.members.contains(n)).any(lost)
            && !view.members.iter().any(|&m| history::pending(cib, m).any(migrates))
    }

    /// Does what can be done now. Called after every input.
    pub(super) fn coordinate(&mut self) {
        if !self.is_in_step() || self.duty.is_none() {
            return;
        }
        if self.hold_until.is_some_and(|until| self.now.mono >= until) {
            self.hold_until = None;
        }
        self.introduce();
        self.watch_leases();
        self.watch_clock();
        self.expire_actions();
        self.run_fencing();
        // Each turn ends a transition or starts one; an empty plan ends the loop.
        loop {
            if self.duty.as_ref().is_some_and(|d| d.running.is_some()) {
                self.start_actions();
                if !self.end_transition() {
                    break;
                }
            } else {
                self.start_planning();
                break;
            }
        }
        self.answer_idlers();
    }

    /// Writes into the configuration what the cluster knows by itself: its nodes, and a few facts
    /// in the place where Pacemaker keeps them.
    fn introduce(&mut self) {
        let missing = |d: &Duty| !d.introduced;
        if !self.quorate || !self.duty.as_ref().is_some_and(missing) {
            return;
        }
        if let Some(duty) = &mut self.duty {
            duty.introduced = true;
        }
        let mut new = self.replica.cib().clone();
        introduction(&mut new, &self.settings);
        if self.cold {
            // The status starts anew and its count with it: only a new epoch keeps the version
            // from going back over a restart (C2). The commit puts the time in.
            new.set_attr("cib-last-written", "");
        }
        let patch = Patch::between(self.replica.cib(), &new);
        if !patch.is_empty() {
            let version = self.replica.version();
            let patch = patch.to_xml(version, version.next_epoch()).to_string();
            self.send_patch(0, patch, "hacluster", "crmd");
        }
    }

    fn watch_leases(&mut self) {
        let members = self.view.as_ref().map(|v| v.members.clone()).unwrap_or_default();
        let cib = self.replica.cib();
        let leased: BTreeMap<NodeId, Duration> =
            self.settings
                .nodes
                .keys()
                .copied()
                .filter(|n| !members.contains(n))
                .filter(|&n| status::standing(cib, n) == Some(Standing::Leased))
                .map(|n| (n, LEASE_MARGIN))
                .chain(
                    self.settings.nodes.keys().filter_map(|&n| {
                        Some((n, Duration::from_secs(status::away_seconds(cib, n)?)))
                    }),
                )
                .collect();
        let ring = ring_to_wire(self.ring());
        let now = self.now.mono;
        let Some(duty) = &mut self.duty else { return };
        duty.leases.retain(|n, _| leased.contains_key(n));
        let mut over = Vec::new();
        for (node, time) in leased {
            let end = duty.leases.entry(node).or_insert(now + time);
            if now >= *end {
                // Again in a second, should the message be lost with a view.
                *end = now + LEASE_MARGIN;
                over.push(node);
            }
        }
        for node in over {
            self.send(Body::LeaseOver(LeaseOver { ring: Some(ring), node: node.0 }));
        }
    }

    fn watch_clock(&mut self) {
        let now = self.now;
        let Some(duty) = &mut self.duty else { return };
        duty.now_s = (now.mono, now.wall_ms / 1000);
        let by_wall = duty.recheck_at_s.is_some_and(|at| now.wall_ms / 1000 >= at);
        let by_interval = duty.recheck.is_some_and(|at| now.mono >= at);
        if by_wall || by_interval {
            duty.recheck_at_s = None;
            duty.recheck = None;
            self.replan("time has passed");
        }
    }

    fn expire_actions(&mut self) {
        let now = self.now.mono;
        let Some(running) = self.duty.as_mut().and_then(|d| d.running.as_mut()) else { return };
        let late: Vec<ActionIx> =
            running.deadlines.iter().filter(|(_, at)| now >= **at).map(|(&ix, _)| ix).collect();
        if late.is_empty() {
            return;
        }
        let mut keys = Vec::new();
        for ix in late {
            running.deadlines.remove(&ix);
            keys.extend(running.executor.graph().get(ix).map(|a| a.key.clone()));
            running.executor.finish(ix, Ending::Failed);
        }
        self.out.push(Effect::Warn(format!("no result in time of {}", keys.join(", "))));
        self.replan("an action has not ended in time");
    }

    fn start_planning(&mut self) {
        let wanted = self.duty.as_ref().is_some_and(|d| d.planning.is_none() && d.due.is_some());
        if !wanted || self.is_held() || (self.has_pending() && !self.is_urgent()) {
            return;
        }
        let Some(duty) = &mut self.duty else { return };
        duty.due = None;
        self.plans += 1;
        duty.planning = Some(self.plans);
        self.out.push(Effect::Plan {
            generation: self.plans,
            cib: planning_view(self.replica.cib(), self.quorate, &self.settings.nodes),
            now_s: self.now.wall_ms / 1000,
        });
    }

    pub(super) fn on_planned(&mut self, planned: Planned) {
        let recheck = property(self.replica.cib(), "cluster-recheck-interval")
            .and_then(milliseconds)
            .unwrap_or(RECHECK_MS);
        let limits = limits(self.replica.cib());
        let now = self.now.mono;
        let Some(duty) = &mut self.duty else { return };
        if duty.planning != Some(planned.generation) {
            return;
        }
        duty.planning = None;
        let graph = match planned.graph {
            Ok(graph) => graph,
            Err(error) => {
                duty.trouble = Some(format!("no plan could be made: {error}"));
                self.transitions += 1;
                let number = self.transitions;
                let text = format!("transition {number}: no plan could be made: {error}");
                self.keep_input(planned.generation, Series::Error, number, text, String::new());
                return self.out.push(Effect::Warn(error));
            }
        };
        duty.trouble = None;
        if duty.due.is_some() {
            // The document has changed meanwhile: plan again rather than act on an old one.
            return;
        }
        duty.recheck = (recheck > 0).then(|| now + Duration::from_millis(recheck));
        duty.recheck_at_s = graph.settings.recheck_by.and_then(|t| u64::try_from(t).ok());
        duty.jobs.keep_wanted(|target| {
            graph.included().any(|(_, a)| {
                a.operation == "stonith" && a.node.as_ref().is_some_and(|n| n.name == target)
            })
        });
        if graph.is_empty() {
            return;
        }
        duty.begun.push_back(now);
        if duty.begun.len() > FLAP_COUNT {
            let first = duty.begun.pop_front();
            if first.is_some_and(|f| now.saturating_sub(f) < FLAP_TIME) {
                duty.begun.clear();
                self.hold_until = Some(now + FLAP_PAUSE);
                let text = "one plan follows the other without an end in sight: pausing";
                self.out.push(Effect::Warn(text.into()));
            }
        }
        self.transitions += 1;
        let number = self.transitions;
        let text = format!("transition {number}: {} actions", graph.len());
        let fences = graph.included().any(|(_, a)| a.operation == "stonith");
        let series = if fences { Series::Warn } else { Series::Input };
        let detail = describe(&graph);
        let executor = Executor::new(probe_before_leaving(graph), limits);
        duty.running = Some(Running { executor, number, deadlines: BTreeMap::new() });
        self.keep_input(planned.generation, series, number, text, detail);
    }

    /// Has the plan's input kept on this node, and tells every member of the transition.
    fn keep_input(
        &mut self,
        generation: u64,
        series: Series,
        number: u64,
        text: String,
        detail: String,
    ) {
        self.out.push(Effect::KeepInput { generation, series, number });
        let failed = series == Series::Error;
        self.tell_step(Step {
            number,
            text,
            input: series.name(number),
            detail,
            failed,
            ring: None,
        });
    }

    fn tell_step(&mut self, step: Step) {
        let ring = Some(ring_to_wire(self.ring()));
        self.send(Body::Step(Step { ring, ..step }));
    }

    fn start_actions(&mut self) {
        let Some(running) = self.duty.as_mut().and_then(|d| d.running.as_mut()) else { return };
        let started = running.executor.start_ready();
        let actions: Vec<(ActionIx, Action)> = started
            .into_iter()
            .filter_map(|ix| Some((ix, running.executor.graph().get(ix)?.clone())))
            .collect();
        let number = running.number;
        let mut at_once = false;
        for (ix, action) in actions {
            at_once |= self.initiate(number, ix, &action);
        }
        if at_once {
            self.start_actions();
        }
    }

    /// Starts one action. True if it is complete already.
    fn initiate(&mut self, number: u64, ix: ActionIx, action: &Action) -> bool {
        let key = TransitionKey {
            action: action.id.0,
            transition: number,
            target_rc: action.expected_rc(),
            coordinator: self.settings.incarnation.clone(),
        };
        let absent = action.node.as_ref().is_some_and(|n| {
            let members = self.view.as_ref().map(|v| &v.members);
            !self.node_named(&n.name).is_some_and(|id| members.is_some_and(|m| m.contains(&id)))
        });
        if absent && action.kind == ActionKind::RscOp {
            // The status is behind the membership; after a moment the plan is made anew.
            let at = self.now.mono + ABSENT_DELAY;
            if let Some(running) = self.duty.as_mut().and_then(|d| d.running.as_mut()) {
                running.deadlines.insert(ix, at);
            }
            return false;
        }
        let sent = match (action.kind, action.operation.as_str()) {
            (ActionKind::CrmEvent, "stonith") => {
                self.request_fencing(action);
                return false;
            }
            (ActionKind::CrmEvent, "clear_failcount") => self.order_forget(action, &key, true),
            (ActionKind::CibEvent, _) => self.order_forget(action, &key, false),
            (ActionKind::Pseudo, _) => true,
            (ActionKind::CrmEvent | ActionKind::RscOp, _) => self.give_order(action, &key),
        };
        let now = self.now.mono;
        let Some(running) = self.duty.as_mut().and_then(|d| d.running.as_mut()) else {
            return false;
        };
        if !sent {
            running.executor.finish(ix, Ending::Failed);
            return true;
        }
        if action.is_confirmed_at_once() {
            running.executor.finish(ix, Ending::Done);
            return true;
        }
        let timeout = action.timeout_ms().unwrap_or(DEFAULT_TIMEOUT_MS) + action.start_delay_ms();
        running.deadlines.insert(ix, now + Duration::from_millis(timeout) + CLUSTER_DELAY);
        false
    }

    fn order_forget(&mut self, action: &Action, key: &TransitionKey, counts: bool) -> bool {
        let Some(resource) = &action.resource else { return false };
        self.send(Body::Forget(Forget {
            resource: resource.id.clone(),
            node: action.node.as_ref().map(|n| n.name.clone()).unwrap_or_default(),
            counts_only: counts,
            history_only: !counts,
            key: key.to_string(),
            ..Forget::default()
        }));
        true
    }

    /// Sends an order; false if there is nobody to send it to.
    fn give_order(&mut self, action: &Action, key: &TransitionKey) -> bool {
        let Some(node) = action.node.as_ref().and_then(|n| self.node_named(&n.name)) else {
            let text = format!("{} cannot be executed: no such node", action.key);
            self.out.push(Effect::Warn(text));
            return false;
        };
        let settings = self.duty.as_ref().and_then(|d| d.running.as_ref());
        let offsets = settings.map(|r| r.executor.graph().settings.clone()).unwrap_or_default();
        let interval_ms = action.interval_ms();
        let mut sent = Table::default();
        action.attributes.iter().for_each(|(n, v)| sent.set(n.as_str(), v.as_str()));
        let interval = u32::try_from(interval_ms).unwrap_or(u32::MAX);
        let count = match (action.operation.as_str(), interval_ms) {
            ("start", _) => offsets.failed_start_offset,
            ("stop", _) => offsets.failed_stop_offset,
            ("promote" | "demote", _) => "++".into(),
            ("monitor", 0) | ("notify" | "cancel" | "delete", _) => String::new(),
            (_, ms) if ms > 0 => "++".into(),
            _ => String::new(),
        };
        let count = if count == "1" { "++".into() } else { count };
        let timeout_ms = match self.lease_left() {
            Some(left) if interval_ms == 0 => {
                action.timeout_ms().unwrap_or(DEFAULT_TIMEOUT_MS).min(left)
            }
            _ => action.timeout_ms().unwrap_or(DEFAULT_TIMEOUT_MS),
        };
        let resource = action.resource.as_ref();
        let order = Order {
            ring: Some(ring_to_wire(self.ring())),
            node: node.0,
            key: key.to_string(),
            resource: resource.map(|r| r.id.clone()).unwrap_or_default(),
            long_id: resource.and_then(|r| r.long_id.clone()).unwrap_or_default(),
            agent: resource.map(|r| Agent {
                class: r.agent.class.clone(),
                provider: r.agent.provider.clone().unwrap_or_default(),
                kind: r.agent.kind.clone(),
            }),
            operation: action.operation.clone(),
            operation_key: action.key.clone(),
            interval_ms: if action.operation == "cancel" { 0 } else { interval_ms },
            timeout_ms,
            start_delay_ms: action.start_delay_ms(),
            params: action.attributes.clone(),
            digest: recorded(&sent, interval, None, &[]).digest,
            count,
            time_ms: self.now.wall_ms,
        };
        self.send(Body::Order(order));
        true
    }

    /// What is left of the lease of this node, in milliseconds.
    fn lease_left(&self) -> Option<u64> {
        let left = self.lease_end?.saturating_sub(self.now.mono);
        Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1))
    }

    /// Ends the transition if it is over. True if it was.
    fn end_transition(&mut self) -> bool {
        let Some(duty) = &mut self.duty else { return false };
        if !duty.running.as_ref().is_some_and(|r| r.executor.is_over()) {
            return false;
        }
        let Some(done) = duty.running.take() else { return false };
        let (complete, all) = done.executor.progress();
        let text = match done.executor.aborted() {
            None => format!("transition {} is complete", done.number),
            Some(abort) => {
                duty.due.get_or_insert_with(|| abort.reason.clone());
                format!(
                    "transition {} ended early ({complete} of {all}): {}",
                    done.number, abort.reason
                )
            }
        };
        if done.executor.aborted().is_none() && complete < all {
            self.out.push(Effect::Warn(format!(
                "transition {} could not be finished: {complete} of {all} actions",
                done.number
            )));
        }
        let failed = done.executor.aborted().is_none() && complete < all;
        self.tell_step(Step { number: done.number, text, failed, ..Step::default() });
        true
    }

    /// A result has been recorded: it completes an action of the transition under way, or it is
    /// news.
    pub(super) fn on_result(&mut self, result: &OpResult, failed: bool) {
        if self.duty.is_none() {
            return;
        }
        let key = TransitionKey::parse(&result.key);
        let place = key.filter(|k| k.coordinator == self.settings.incarnation).and_then(|k| {
            let running = self.duty.as_ref()?.running.as_ref()?;
            (running.number == k.transition).then_some(())?;
            let ix = running.executor.graph().find(ActionId(k.action))?;
            running.deadlines.contains_key(&ix).then_some(ix)
        });
        match place {
            Some(ix) => {
                let outcome = if failed { Ending::Failed } else { Ending::Done };
                if let Some(running) = self.duty.as_mut().and_then(|d| d.running.as_mut()) {
                    running.deadlines.remove(&ix);
                    running.executor.finish(ix, outcome);
                }
                if failed {
                    self.replan(&format!("{} failed", result.operation_key));
                }
            }
            None => self.replan(&format!("{} has a new result", result.operation_key)),
        }
    }

    /// An order was not taken: the plan behind it is out of date.
    pub(super) fn order_refused(&mut self, key: &str) {
        let Some(key) = TransitionKey::parse(key) else { return };
        if let Some(running) = self.duty.as_mut().and_then(|d| d.running.as_mut())
            && key.coordinator == self.settings.incarnation
            && running.number == key.transition
            && let Some(ix) = running.executor.graph().find(ActionId(key.action))
        {
            running.deadlines.remove(&ix);
            running.executor.finish(ix, Ending::Failed);
        }
        self.replan("a node takes no orders");
    }

    /// The recurring operations of a resource on a node have ended without a result: its history was
    /// forgotten, or an operation that changes its state was ordered. What the transition waits for
    /// of them will not come.
    pub(super) fn recurring_ended(&mut self, node: NodeId, resource: &str, reason: &str) {
        let name = self.name_of(node);
        let Some(running) = self.duty.as_mut().and_then(|d| d.running.as_mut()) else { return };
        let concerned = |a: &Action| {
            a.kind == ActionKind::RscOp
                && a.operation != "cancel"
                && a.interval_ms() > 0
                && a.resource.as_ref().is_some_and(|r| r.id == resource)
                && a.node.as_ref().is_some_and(|n| n.name == name)
        };
        let graph = running.executor.graph();
        let ended: Vec<ActionIx> = running
            .executor
            .in_flight()
            .filter(|ix| graph.get(*ix).is_some_and(concerned))
            .collect();
        if ended.is_empty() {
            return;
        }
        for ix in ended {
            running.deadlines.remove(&ix);
            running.executor.finish(ix, Ending::Failed);
        }
        self.replan(reason);
    }

    /// An action that only changes the document has been executed.
    pub(super) fn finish_by_key(&mut self, key: &str) {
        let Some(key) = TransitionKey::parse(key) else { return };
        let incarnation = &self.settings.incarnation;
        let Some(duty) = &mut self.duty else { return };
        if key.coordinator == *incarnation
            && let Some(running) = &mut duty.running
            && running.number == key.transition
            && let Some(ix) = running.executor.graph().find(ActionId(key.action))
        {
            running.deadlines.remove(&ix);
            running.executor.finish(ix, Ending::Done);
        }
        // What was forgotten had a part in the plan that made us forget it.
        duty.due.get_or_insert_with(|| "the history has changed".into());
    }

    /// How far the transition under way has come.
    pub(super) fn transition_progress(&self) -> Option<(u64, usize, usize)> {
        let running = self.duty.as_ref()?.running.as_ref()?;
        let (done, _) = running.executor.progress();
        Some((running.number, done, running.executor.in_flight().count()))
    }

    /// Ends the fencing actions of the transition under way that concern `target`.
    pub(super) fn finish_fencing(&mut self, target: &str, action: &str, outcome: Ending) {
        let Some(running) = self.duty.as_mut().and_then(|d| d.running.as_mut()) else { return };
        let concerned: Vec<ActionIx> = running.fencing(target, action).map(|(ix, _)| ix).collect();
        for ix in concerned {
            running.executor.finish(ix, outcome);
        }
    }
}

/// What may be in flight at a time, from the cluster's options. Without `node-action-limit` the
/// executors of the nodes keep their own bounds.
fn limits(cib: &Element) -> Limits {
    let number = |name: &str, without: usize| {
        let value = property(cib, name).and_then(|v| v.trim().parse().ok());
        value.filter(|n: &usize| *n > 0).unwrap_or(without)
    };
    Limits {
        all: number("batch-limit", BATCH_LIMIT),
        node: number("node-action-limit", usize::MAX),
        migrations: number("migration-limit", usize::MAX),
    }
}

/// A node leaves only when its probes are done (D6): a daemon that was restarted and is stopped at
/// once may have services that nobody knows of yet. If a probe finds one, the next plan stops it.
fn probe_before_leaving(mut graph: Graph) -> Graph {
    let on = |a: &Action| a.node.as_ref().map(|n| n.name.clone());
    let leaving: Vec<_> = graph
        .included()
        .filter(|(_, a)| a.operation == "do_shutdown")
        .map(|(ix, a)| (ix, on(a)))
        .collect();
    for (shutdown, node) in leaving {
        let probes: Vec<_> = graph
            .included()
            .filter(|(_, a)| a.operation == "monitor" && a.interval_ms() == 0 && on(a) == node)
            .map(|(ix, _)| ix)
            .collect();
        probes.into_iter().for_each(|p| graph.order(p, shutdown, Presence::Trigger));
    }
    graph
}

/// Adds what [`Controller::introduce`] writes.
fn introduction(cib: &mut Element, settings: &Settings) {
    let configuration = cib.child_or_insert("configuration");
    let nodes = configuration.child_or_insert("nodes");
    for (id, name) in &settings.nodes {
        let id = id.to_string();
        match nodes.find_child_mut(|n| n.id() == Some(&id)) {
            Some(node) => node.set_attr("uname", name),
            None => nodes.push(Element::new("node").with("id", &id).with("uname", name)),
        }
    }
    let config = configuration.child_or_insert("crm_config");
    let is_set = |c: &Element| c.name() == "cluster_property_set";
    if config.position(is_set).is_none() {
        config.push(Element::new("cluster_property_set").with("id", "cib-bootstrap-options"));
    }
    let Some(set) = config.find_child_mut(is_set) else { return };
    let set_id = set.id().unwrap_or("cib-bootstrap-options").to_string();
    let facts = [
        ("have-watchdog", "false"),
        ("dc-version", &settings.version),
        ("cluster-infrastructure", "corosync"),
        ("cluster-name", &settings.cluster_name),
    ];
    for (name, value) in facts {
        match set.find_child_mut(|p| p.attr("name") == Some(name)) {
            // The administrator may have named the cluster otherwise.
            Some(_) if name == "cluster-name" => {}
            Some(pair) => pair.set_attr("value", value),
            None => set.push(
                Element::new("nvpair")
                    .with("id", format!("{set_id}-{name}"))
                    .with("name", name)
                    .with("value", value),
            ),
        }
    }
}

/// The document as the scheduler is to see it.
///
/// With fencing switched off, a partition without quorum stops its resources whatever the policy
/// but `ignore` says, and on the other side nothing of a lost node is touched before its lease is
/// over (design decision 4): until then it looks like a node in maintenance. So does a node whose
/// daemon restarts; its monitors need not be cancelled, for they ended with the daemon.
fn planning_view(cib: &Element, quorate: bool, nodes: &BTreeMap<NodeId, String>) -> Element {
    let mut view = cib.clone();
    for (&node, name) in nodes {
        let standing = status::standing(cib, node);
        if standing == Some(Standing::Away) {
            history::forget_all_recurring(&mut view, node);
        }
        if matches!(standing, Some(Standing::Leased | Standing::Away)) {
            status::set_standing(&mut view, node, name, Standing::Member);
            status::set_transient(&mut view, name, "maintenance", Some("true"));
        }
    }
    let fencing = property_is_on(cib, "stonith-enabled", true);
    let policy = property(cib, "no-quorum-policy").unwrap_or("stop");
    if quorate || fencing || matches!(policy, "ignore" | "stop") {
        return view;
    }
    if let Some(config) = view.at_mut(&["configuration", "crm_config"]) {
        for set in config.children_mut() {
            if let Some(p) = set.find_child_mut(|p| p.attr("name") == Some("no-quorum-policy")) {
                p.set_attr("value", "stop");
            }
        }
    }
    view
}

/// What a transition does, one action a line; what only puts others in order is left out.
fn describe(graph: &Graph) -> String {
    let work = |a: &&Action| a.kind != ActionKind::Pseudo;
    let actions: Vec<&Action> =
        in_order(graph).into_iter().filter_map(|ix| graph.get(ix)).filter(work).collect();
    let mut lines: Vec<String> =
        actions.iter().take(DESCRIBED).map(|a| describe_action(a)).collect();
    if actions.len() > DESCRIBED {
        lines.push(format!("and {} more", actions.len() - DESCRIBED));
    }
    lines.join("\n")
}

fn describe_action(action: &Action) -> String {
    let what = match action.operation.as_str() {
        "stonith" => "fence",
        other => other,
    };
    let interval = match action.interval_ms() {
        0 => String::new(),
        ms => format!(" every {ms} ms"),
    };
    let resource = action.resource.as_ref().map(|r| r.long_id.as_ref().unwrap_or(&r.id));
    let resource = resource.map(|r| format!(" {r}")).unwrap_or_default();
    let node = action.node.as_ref().map(|n| format!(" on {}", n.name)).unwrap_or_default();
    let node = if what == "fence" { node.replacen(" on", "", 1) } else { node };
    format!("{what}{resource}{interval}{node}")
}

/// The actions as they come one after the other; a large transition is left as it is, for the
/// coordinator has more to do than to list it nicely.
fn in_order(graph: &Graph) -> Vec<ActionIx> {
    let mut rest: Vec<ActionIx> = graph.included().map(|(ix, _)| ix).collect();
    if rest.len() > 2 * DESCRIBED {
        return rest;
    }
    rest.sort_by_key(|ix| graph.get(*ix).map(|a| a.id));
    let mut ordered: Vec<ActionIx> = Vec::new();
    while !rest.is_empty() {
        let waits = |ix: &ActionIx| graph.inputs(*ix).iter().any(|i| rest.contains(i));
        // A circle cannot be put in order.
        let next = rest.iter().position(|ix| !waits(ix)).unwrap_or(0);
        ordered.push(rest.remove(next));
    }
    ordered
}
