//! Fencing: the coordinator's jobs, and running devices on this node.
//!
//! A job tries the attempts that [`devices`](super::devices) gives until one succeeds. Success is a
//! device's word and nothing else (R3). A job whose attempts have all failed waits, longer each
//! time, and tries again as long as the plan wants the node fenced. Jobs run beside transitions:
//! an abort does not wait for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crm_core::transition::{Action, Ending};
use crm_messaging::group::NodeId;
use crm_messaging::proto::peer::envelope::Body;
use crm_messaging::proto::peer::{
    Agent, Answer, AskFence, AttributeChange, FenceOrder, FenceOutcome, Fenced,
};

use super::devices::{Device, attempts};
use super::effects::{FenceTask, FenceVerdict};
use super::status::{milliseconds, property};
use super::wire::{ring_from_wire, ring_to_wire};
use super::{Controller, Effect};

/// Time a device gets unless `stonith-timeout` says otherwise.
const STONITH_TIMEOUT_MS: u64 = 60_000;
/// Between the end of a device's time and giving up on its answer.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);
/// First wait after a failed job; doubled each time up to the last.
const BACK_OFF: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// What a record names when a human has confirmed.
const HUMAN: &str = "manual confirmation";

/// All jobs of a coordinator.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    jobs: Vec<Job>,
}

#[derive(Debug)]
pub(super) struct Job {
    id: u64,
    target: String,
    action: String,
    client: String,
    askers: Vec<(NodeId, u64)>,
    /// The plan wants it (not only a client).
    planned: bool,
    /// For this one by the plan.
    delay: Duration,
    attempts: Vec<Vec<Device>>,
    /// Attempt, device within it, executor of the device.
    at: (usize, usize, usize),
    /// A device of this attempt has succeeded.
    helped: bool,
    state: State,
    failures: u32,
    errors: Vec<String>,
}

/// An order to a device that this member has seen, and its outcome.
#[derive(Clone, Debug)]
pub(super) struct Witnessed {
    target: String,
    action: String,
    device: String,
    executor: String,
    last: bool,
    success: bool,
    /// The target has been in the ring since: what the device did is over.
    back: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The next device is to be asked.
    Due,
    /// All attempts have failed; again at this time.
    Waiting(Duration),
    /// A device is at work until this time.
    Running(Duration),
    /// Its end has been sent to all and not come back yet.
    Ended,
}

impl Jobs {
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.jobs
            .iter()
            .filter_map(|j| match j.state {
                State::Waiting(at) | State::Running(at) => Some(at),
                State::Due | State::Ended => None,
            })
            .min()
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// What is wrong, in words, for each node whose fencing has failed.
    pub(super) fn under_way(&self) -> impl Iterator<Item = String> + '_ {
        self.jobs
            .iter()
            .filter(|j| matches!(j.state, State::Running(_)))
            .map(|j| format!("{} is being fenced ({})", j.target, j.action))
    }

    /// Drops jobs that nobody wants any more, unless a device is at work.
    pub(super) fn keep_wanted(&mut self, wanted: impl Fn(&str) -> bool) {
        self.jobs.retain_mut(|j| {
            j.planned = wanted(&j.target);
            j.planned || !j.askers.is_empty() || matches!(j.state, State::Running(_) | State::Ended)
        });
    }
}

impl Controller {
    /// The plan wants a node fenced.
    pub(super) fn request_fencing(&mut self, action: &Action) {
        let Some(target) = action.node.as_ref().map(|n| n.name.clone()) else { return };
        let what = action.meta("stonith_action").unwrap_or("reboot").to_string();
        let delay = action.meta("priority_fencing_delay").and_then(milliseconds).unwrap_or(0);
        let text = match &action.reason {
            Some(reason) => format!("{target} must be fenced ({what}): {reason}"),
            None => format!("{target} must be fenced ({what})"),
        };
        self.event("fencing", &target, "", text);
        self.add_job(&target, &what, "scheduler", Duration::from_millis(delay), None);
        self.grant_grace(&target);
        self.run_fencing();
    }

    /// A node that may be about to come back gets a moment for it.
    fn grant_grace(&mut self, target: &str) {
        let (Some((until, away)), Some(node)) = (&self.grace, self.node_named(target)) else {
            return;
        };
        if !away.contains(&node) || self.now.mono >= *until {
            return;
        }
        let until = *until;
        let Some(duty) = &mut self.duty else { return };
        let jobs = duty.jobs.jobs.iter_mut().filter(|j| j.target == target);
        for job in jobs.filter(|j| j.state == State::Due && j.askers.is_empty()) {
            job.state = State::Waiting(until);
        }
    }

    /// A client wants a node fenced, or says that it is off.
    pub(super) fn ask_fencing(&mut self, asker: NodeId, request: u64, ask: &AskFence) {
        let refuse = |message: String| Answer {
            to: asker.0,
            request,
            success: false,
            message,
            ..Answer::default()
        };
        let Some(target) = self.node_named(&ask.node) else {
            let text = format!("there is no node '{}'", ask.node);
            return self.send(Body::Answer(refuse(text)));
        };
        let name = self.name_of(target);
        let here = self.view.as_ref().is_some_and(|v| v.members.contains(&target));
        if ask.confirm {
            if here {
                let text = format!("{name} is in the cluster: it is not off");
                return self.send(Body::Answer(refuse(text)));
            }
            let message = "a human says that it is off".to_string();
            self.send(Body::Fenced(self.record(&name, "off", HUMAN, "", true, message, 0)));
            return self.send(Body::Answer(Answer { success: true, ..refuse(String::new()) }));
        }
        if !self.quorate {
            let text = "this partition has no quorum and may not fence".to_string();
            return self.send(Body::Answer(refuse(text)));
        }
        let action = if ask.action.is_empty() { "reboot" } else { &ask.action };
        let client = self.name_of(asker);
        self.add_job(&name, action, &client, Duration::ZERO, Some((asker, request)));
        self.run_fencing();
    }

    fn add_job(
        &mut self,
        target: &str,
        action: &str,
        client: &str,
        delay: Duration,
        asker: Option<(NodeId, u64)>,
    ) {
        self.fence_jobs += 1;
        let id = self.fence_jobs;
        let Some(duty) = &mut self.duty else { return };
        let same = |j: &&mut Job| j.target == target && (j.action == "on") == (action == "on");
        let job = match duty.jobs.jobs.iter_mut().find(same) {
            Some(job) => job,
            None => {
                duty.jobs.jobs.push(Job {
                    id,
                    target: target.to_string(),
                    action: action.to_string(),
                    client: client.to_string(),
                    askers: Vec::new(),
                    planned: false,
                    delay,
                    attempts: Vec::new(),
                    at: (0, 0, 0),
                    helped: false,
                    state: State::Due,
                    failures: 0,
                    errors: Vec::new(),
                });
                let last = duty.jobs.jobs.len() - 1;
                &mut duty.jobs.jobs[last]
            }
        };
        match asker {
            // A client does not wait for the back-off. It asks again after a change of membership.
            Some(asker) => {
                if !job.askers.contains(&asker) {
                    job.askers.push(asker);
                }
                if matches!(job.state, State::Waiting(_)) {
                    job.state = State::Due;
                }
            }
            None => job.planned = true,
        }
    }

    /// Moves every job on as far as it goes.
    pub(super) fn run_fencing(&mut self) {
        let now = self.now.mono;
        let Some(duty) = &mut self.duty else { return };
        let mut late = Vec::new();
        for job in &mut duty.jobs.jobs {
            match job.state {
                State::Waiting(at) if now >= at => job.state = State::Due,
                State::Running(at) if now >= at => late.push(job.id),
                _ => {}
            }
        }
        for id in late {
            self.fence_step_failed(id, "no answer in time".into(), false);
        }
        let due: Vec<u64> = self
            .duty
            .iter()
            .flat_map(|d| &d.jobs.jobs)
            .filter(|j| j.state == State::Due)
            .map(|j| j.id)
            .collect();
        for id in due {
            self.ask_device(id);
        }
    }

    fn job_mut(&mut self, id: u64) -> Option<&mut Job> {
        self.duty.as_mut()?.jobs.jobs.iter_mut().find(|j| j.id == id)
    }

    /// Sends the order for the next device of a job, or ends the attempt.
    fn ask_device(&mut self, id: u64) {
        let cib = self.replica.cib().clone();
        let timeout =
            property(&cib, "stonith-timeout").and_then(milliseconds).unwrap_or(STONITH_TIMEOUT_MS);
        let members: BTreeMap<NodeId, String> = self
            .view
            .iter()
            .flat_map(|v| v.members.iter())
            .filter(|m| !self.refused.contains(m))
            .map(|&m| (m, self.name_of(m)))
            .collect();
        let (local, ring, now) = (self.settings.local, ring_to_wire(self.ring()), self.now.mono);
        let Some(job) = self.job_mut(id) else { return };
        if job.at == (0, 0, 0) {
            job.attempts = attempts(&cib, &job.target, &job.action, &members, local);
            job.helped = false;
            job.errors.clear();
        }
        let Some(device) = job.attempts.get(job.at.0).and_then(|a| a.get(job.at.1)) else {
            return self.fence_job_failed(id);
        };
        let Some(&executor) = device.executors.get(job.at.2) else {
            let text = format!("{} cannot be run on any member", device.id);
            return self.fence_step_failed(id, text, true);
        };
        let delay = device.delay + job.delay;
        let order = FenceOrder {
            ring: Some(ring),
            job: id,
            executor: executor.0,
            target: job.target.clone(),
            action: job.action.clone(),
            device: device.id.clone(),
            agent: Some(Agent {
                class: "stonith".into(),
                provider: String::new(),
                kind: device.kind.clone(),
            }),
            params: device.params.clone(),
            timeout_ms: timeout,
            delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            check: true,
            last: job.attempts.get(job.at.0).is_none_or(|a| job.at.1 + 1 >= a.len()),
        };
        let configured = |suffix: &str| {
            device
                .params
                .get(&format!("pcmk_{}_{suffix}", job.action))
                .and_then(|t| milliseconds(t))
        };
        let span = Duration::from_millis(configured("timeout").unwrap_or(timeout).max(timeout));
        job.state = State::Running(now + delay + span + ANSWER_MARGIN);
        self.send(Body::FenceOrder(order));
    }

    /// An order to run a device: carried out by the member it names.
    pub(super) fn on_fence_order(&mut self, from: NodeId, order: FenceOrder) {
        let stale = ring_from_wire(order.ring.as_ref()) != self.ring();
        if stale || self.coordinator != Some(from) {
            return;
        }
        let executor = self.name_of(NodeId(order.executor));
        self.witnessed.insert(
            (from, order.job),
            Witnessed {
                target: order.target.clone(),
                action: order.action.clone(),
                device: order.device.clone(),
                executor: executor.clone(),
                last: order.last,
                success: false,
                back: false,
            },
        );
        let text = format!("{executor} asks {} to {} {}", order.device, order.action, order.target);
        self.event("fencing", &order.target, &order.device, text);
        if order.executor != self.settings.local.0 {
            return;
        }
        self.out.push(Effect::Fence(FenceTask {
            job: order.job,
            device: order.device,
            kind: order.agent.map(|a| a.kind).unwrap_or_default(),
            params: order.params,
            own: self.node_named(&order.target) == Some(self.settings.local),
            target: order.target,
            action: order.action,
            check: order.check,
            delay: Duration::from_millis(order.delay_ms),
            timeout: Duration::from_millis(order.timeout_ms),
        }));
    }

    /// A device of this node has answered.
    pub(super) fn on_fence_done(&mut self, job: u64, device: String, verdict: FenceVerdict) {
        let message = match &verdict {
            FenceVerdict::Failed(reason) => reason.clone(),
            FenceVerdict::Done | FenceVerdict::NotMine => String::new(),
        };
        self.send(Body::FenceOutcome(FenceOutcome {
            job,
            device,
            success: verdict == FenceVerdict::Done,
            not_mine: verdict == FenceVerdict::NotMine,
            message,
        }));
    }

    /// A device has answered somewhere.
    pub(super) fn on_fence_outcome(&mut self, from: NodeId, outcome: &FenceOutcome) {
        let executor = self.name_of(from);
        for ((_, job), seen) in &mut self.witnessed {
            if *job == outcome.job && seen.device == outcome.device && seen.executor == executor {
                seen.success |= outcome.success;
            }
        }
        self.testify();
        let is_old = outcome.success && self.was_before_a_return(outcome.job);
        let Some(job) = self.job_mut(outcome.job) else { return };
        let device = job.attempts.get(job.at.0).and_then(|a| a.get(job.at.1));
        let expected = matches!(job.state, State::Running(_))
            && device.is_some_and(|d| {
                d.id == outcome.device && d.executors.get(job.at.2) == Some(&from)
            });
        if !expected {
            return;
        }
        if is_old {
            job.at = (0, 0, 0);
            job.state = State::Due;
            return self.ask_device(outcome.job);
        }
        // Of the devices that unfence, those that do not know the target have nothing to do.
        let spared = outcome.not_mine && job.action == "on" && device.is_some_and(|d| d.unfences);
        let last = job.attempts.get(job.at.0).is_none_or(|a| job.at.1 + 1 >= a.len());
        job.helped |= outcome.success;
        if !outcome.success && !(spared && (job.helped || !last)) {
            let text = match outcome.not_mine {
                true => format!("{} does not know {}", outcome.device, job.target),
                false => format!("{} on {executor}: {}", outcome.device, outcome.message),
            };
            return self.fence_step_failed(outcome.job, text, outcome.not_mine);
        }
        if !last {
            job.at = (job.at.0, job.at.1 + 1, 0);
            job.state = State::Due;
            return self.ask_device(outcome.job);
        }
        job.state = State::Ended;
        let (target, action, id) = (job.target.clone(), job.action.clone(), job.id);
        let mut done =
            self.record(&target, &action, &outcome.device, &executor, true, String::new(), id);
        if action == "on" {
            done.attributes = self.unfenced(&target);
        }
        self.send(Body::Fenced(done));
    }

    /// What a node's attributes say after the unfencing that the plan wanted: when it was, and what
    /// the devices were like, so that the scheduler can see that they have changed.
    fn unfenced(&self, target: &str) -> Vec<AttributeChange> {
        let running = self.duty.as_ref().and_then(|d| d.running.as_ref());
        let Some((_, action)) = running.and_then(|r| r.fencing(target, "on").next()) else {
            return Vec::new();
        };
        let change = |name: &str, value: &str| AttributeChange {
            node: target.to_string(),
            name: name.to_string(),
            value: Some(value.to_string()),
            ..AttributeChange::default()
        };
        let now = (self.now.wall_ms / 1000).to_string();
        let digests = [("#digests-all", "digests_all"), ("#digests-secure", "digests_secure")];
        let digests =
            digests.iter().filter_map(|(name, meta)| Some(change(name, action.meta(meta)?)));
        [change("#node-unfenced", &now)].into_iter().chain(digests).collect()
    }

    /// The coordinator's duty ends, or begins anew: devices that it has at work go on.
    pub(super) fn lay_down_duty(&mut self) {
        if let Some(duty) = self.duty.take() {
            let at_work = |job: &Job| matches!(job.state, State::Running(_));
            self.at_work = duty.jobs.jobs.into_iter().filter(at_work).collect();
        }
    }

    /// Jobs whose order has reached everybody and whose device's member has been there all the
    /// time are waited for: asking a device once more would reboot a node that is back already.
    pub(super) fn take_up_jobs(&mut self) {
        let mut at_work = std::mem::take(&mut self.at_work);
        let (Some(view), Some(duty)) = (&self.view, &mut self.duty) else { return };
        at_work.retain(|job| {
            let device = job.attempts.get(job.at.0).and_then(|a| a.get(job.at.1));
            let executor = device.and_then(|d| d.executors.get(job.at.2));
            self.witnessed.contains_key(&(self.settings.local, job.id))
                && executor.is_some_and(|e| view.members.contains(e) && !view.joined.contains(e))
        });
        duty.jobs.jobs = at_work;
    }

    /// Whoever joins has its fencing behind it.
    pub(super) fn note_back(&mut self, joined: &BTreeSet<NodeId>) {
        let names: Vec<String> = joined.iter().map(|&node| self.name_of(node)).collect();
        for seen in self.witnessed.values_mut() {
            seen.back |= names.contains(&seen.target);
        }
    }

    /// Whether a fencing that is now confirmed has ended a node that is still in the view: not if
    /// the node has come back since, nor if nothing is known of the order.
    pub(super) fn still_in_view(&self, target: &str) -> bool {
        self.witnessed.values().any(|w| w.target == target && !w.back)
    }

    /// Whether the target of a job of ours has come back after the order and is gone again: what
    /// the device did says nothing about the life that it has lost now (R3).
    fn was_before_a_return(&self, job: u64) -> bool {
        let Some(seen) = self.witnessed.get(&(self.settings.local, job)) else { return false };
        let members = self.view.iter().flat_map(|view| &view.members);
        let target = self.node_named(&seen.target);
        seen.back && members.copied().all(|member| Some(member) != target)
    }

    /// A coordinator that was itself the target cannot record its own fencing, nor can one that
    /// was lost meanwhile or has begun anew: who coordinates now does it for them.
    pub(super) fn testify(&mut self) {
        let Some(duty) = &self.duty else { return };
        let is_under_way = |id: u64| duty.jobs.jobs.iter().any(|job| job.id == id);
        let members = self.view.as_ref().map(|v| v.members.clone()).unwrap_or_default();
        let done: Vec<Witnessed> = self
            .witnessed
            .iter()
            .filter(|((coordinator, job), w)| {
                let gone = self.node_named(&w.target).is_some_and(|t| !members.contains(&t));
                let mine = *coordinator == self.settings.local && is_under_way(*job);
                !mine && w.success && w.last && gone && !w.back
            })
            .map(|(_, w)| w.clone())
            .collect();
        for w in done {
            let fenced =
                self.record(&w.target, &w.action, &w.device, &w.executor, true, String::new(), 0);
            self.send(Body::Fenced(fenced));
        }
    }

    /// A device has not done it: the next executor, or the next attempt.
    fn fence_step_failed(&mut self, id: u64, error: String, hopeless: bool) {
        let Some(job) = self.job_mut(id) else { return };
        job.errors.push(error);
        let executors = job
            .attempts
            .get(job.at.0)
            .and_then(|a| a.get(job.at.1))
            .map_or(0, |d| d.executors.len());
        job.at = if !hopeless && job.at.2 + 1 < executors {
            (job.at.0, job.at.1, job.at.2 + 1)
        } else {
            (job.at.0 + 1, 0, 0)
        };
        job.helped &= job.at.1 > 0;
        job.state = State::Due;
        self.ask_device(id);
    }

    fn fence_job_failed(&mut self, id: u64) {
        let now = self.now.mono;
        let Some(job) = self.job_mut(id) else { return };
        let message = if job.errors.is_empty() {
            format!("no fencing device is configured that could fence {}", job.target)
        } else {
            job.errors.join("; ")
        };
        job.at = (0, 0, 0);
        let wait = BACK_OFF.saturating_mul(1 << job.failures.min(6)).min(BACK_OFF_MAX);
        job.failures += 1;
        job.state = State::Waiting(now + wait);
        let (target, action) = (job.target.clone(), job.action.clone());
        let failed = self.record(&target, &action, "", "", false, message, id);
        self.send(Body::Fenced(failed));
    }

    #[allow(clippy::too_many_arguments)]
    fn record(
        &self,
        target: &str,
        action: &str,
        device: &str,
        executor: &str,
        success: bool,
        message: String,
        job: u64,
    ) -> Fenced {
        let client = self
            .duty
            .iter()
            .flat_map(|d| &d.jobs.jobs)
            .find(|j| j.id == job)
            .map_or_else(|| "human".to_string(), |j| j.client.clone());
        Fenced {
            target: target.to_string(),
            action: action.to_string(),
            device: device.to_string(),
            executor: executor.to_string(),
            client,
            success,
            message,
            time_ms: self.now.wall_ms,
            job,
            attributes: Vec::new(),
        }
    }

    /// The end of a job is in every member's status.
    pub(super) fn fencing_recorded(&mut self, fenced: &Fenced) {
        self.witnessed.retain(|_, w| w.target != fenced.target);
        let Some(duty) = &mut self.duty else { return };
        let mut askers = Vec::new();
        for job in duty.jobs.jobs.iter_mut().filter(|j| j.target == fenced.target) {
            askers.append(&mut job.askers);
        }
        duty.jobs.jobs.retain(|j| j.target != fenced.target || (!fenced.success && j.planned));
        for (to, request) in askers {
            self.send(Body::Answer(Answer {
                to: to.0,
                request,
                success: fenced.success,
                message: fenced.message.clone(),
                ..Answer::default()
            }));
        }
        let outcome = if fenced.success { Ending::Done } else { Ending::Failed };
        let before = self.transition_progress();
        self.finish_fencing(&fenced.target, &fenced.action, outcome);
        if !fenced.success || before == self.transition_progress() {
            self.replan("a node has been fenced, or could not be");
        }
    }
}
