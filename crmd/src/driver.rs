//! Drives the controller: one task owns it, feeds it what happens, and does what it says.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use crm_core::cib::{Element, Version};
use crm_core::rules::Moment;
use crm_core::scheduler::{Input as SchedulerInput, schedule};
use crm_lrm::alerts::Alerts;
use crm_lrm::operation::{AgentName, OperationResult};
use crm_lrm::{FenceAction, FenceDevice, Lrm};
use crm_messaging::engine::{Events, Handle};
use crm_messaging::group::{Event as RingEvent, NodeId, SendError};
use crm_messaging::proto;
use crm_messaging::proto::peer::{Finding, Inquiry, inquiry};
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};

use crate::alerts;
use crate::controller::{
    AlertNews, Controller, Effect, FenceTask, FenceVerdict, Input, Now, Planned, Reply, RequestId,
};
use crate::files;
use crate::journal::Journal;
use crate::reload::{InForce, Read};
use crate::server::{ToController, Watchers};
use crate::storage::Job;

/// Messages that wait for room in the ring; beyond this something is very wrong.
const MAX_OUTBOX: usize = 1_000_000;

/// Everything the controller is connected to.
pub struct Surroundings {
    /// Into the ring.
    pub ring: Handle,
    /// Out of the ring.
    pub events: Events,
    /// The executor.
    pub lrm: Lrm,
    /// Its results.
    pub results: mpsc::Receiver<OperationResult>,
    /// To the disk.
    pub storage: std::sync::mpsc::Sender<Job>,
    /// From the disk.
    pub stored: mpsc::UnboundedReceiver<Result<Version, String>>,
    /// From local clients.
    pub requests: mpsc::Receiver<ToController>,
    /// Where secrets are kept.
    pub secrets: std::path::PathBuf,
    /// What of cluster.conf is in force.
    pub in_force: InForce,
    /// To those who watch.
    pub watchers: Watchers,
    /// What is remembered.
    pub journal: Journal,
    /// SIGTERM and SIGINT.
    pub signals: [Signal; 2],
}

/// How the daemon ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was handed over.
    Clean,
    /// In words.
    Failed(String),
}

/// What plans and devices come back with.
enum Background {
    Planned(Box<Planned>),
    Fenced(u64, String, FenceVerdict),
    Found(Finding),
    /// cluster.conf, for the answer that this begins.
    Config(Finding, Box<Result<Read, String>>),
}

struct Driver {
    controller: Controller,
    around: Surroundings,
    alerts: Alerts,
    started: Instant,
    outbox: VecDeque<Bytes>,
    replies: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    next_request: u64,
    background: mpsc::UnboundedSender<Background>,
    leaving: bool,
    offset_s: i32,
    /// The newest plan's number, document and time, until it is known whether they are kept.
    planned_from: Option<(u64, Element, u64)>,
}

/// Runs until the daemon has left the ring, or cannot go on.
pub async fn run(controller: Controller, around: Surroundings) -> End {
    let (background, mut finished) = mpsc::unbounded_channel();
    let mut driver = Driver {
        controller,
        alerts: Alerts::new(&around.lrm),
        around,
        started: Instant::now(),
        outbox: VecDeque::new(),
        replies: BTreeMap::new(),
        next_request: 0,
        background,
        leaving: false,
        offset_s: crate::clock::utc_offset_s(),
        planned_from: None,
    };
    loop {
        let wake = driver.controller.wake_at();
        let timer = sleep_until(wake.map(|at| driver.started + at));
        let around = &mut driver.around;
        let [terminate, interrupt] = &mut around.signals;
        let input = tokio::select! {
            biased;
            event = around.events.recv() => match event {
                Some(RingEvent::View(view)) => Input::View(view),
                Some(RingEvent::Message { from, data }) => Input::Message { from, data },
                Some(RingEvent::Failed(reason)) => return End::Failed(reason),
                None if driver.leaving => return End::Clean,
                None => return End::Failed("the ring has stopped".into()),
            },
            sent = send_next(&around.ring, driver.outbox.front()) => {
                driver.outbox.pop_front();
                if sent == Err(SendError::TooLarge) {
                    tracing::error!("a message was too large for the ring and was dropped");
                }
                continue;
            }
            Some(result) = around.results.recv() => Input::Operation(Box::new(result)),
            Some(stored) = around.stored.recv() => Input::Stored(stored),
            Some(done) = finished.recv() => match done {
                Background::Planned(planned) => Input::Planned(*planned),
                Background::Fenced(job, device, verdict) => {
                    Input::FenceDone { job, device, verdict }
                }
                Background::Found(finding) => Input::Found(Box::new(finding)),
                Background::Config(finding, read) => {
                    let finding = driver.take_config(finding, *read);
                    Input::Found(Box::new(finding))
                }
            },
            Some(request) = around.requests.recv() => driver.accept(request),
            _ = terminate.recv() => Input::Stop,
            _ = interrupt.recv() => Input::Stop,
            () = timer => Input::Tick,
        };
        let now = driver.now();
        for effect in driver.controller.handle(now, input) {
            driver.perform(effect);
        }
        if driver.outbox.len() > MAX_OUTBOX {
            return End::Failed("the ring takes no messages".into());
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

async fn send_next(ring: &Handle, message: Option<&Bytes>) -> Result<(), SendError> {
    match message {
        Some(message) => ring.send(message.clone()).await,
        None => pending().await,
    }
}

impl Driver {
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            mono: self.started.elapsed(),
            wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn accept(&mut self, request: ToController) -> Input {
        match request {
            ToController::Stop => Input::Stop,
            ToController::Restart(within) => Input::Restart { within },
            ToController::Request(request, reply) => {
                // Clients that have gone away are forgotten from time to time.
                if self.next_request.is_multiple_of(256) {
                    self.replies.retain(|_, r| !r.is_closed());
                }
                self.next_request += 1;
                let id = RequestId(self.next_request);
                self.replies.insert(id, reply);
                Input::Client { id, request }
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(message) => self.send(message),
            Effect::Execute(operation) => {
                self.around.lrm.execute(*operation);
            }
            Effect::Cancel { resource, action, interval } => {
                self.around.lrm.cancel(&resource, &action, interval);
            }
            Effect::CancelAll { resource } => {
                for call in self.around.lrm.recurring() {
                    if call.resource == resource {
                        self.around.lrm.cancel(&call.resource, &call.action, call.interval);
                    }
                }
            }
            Effect::KillAll => self.around.lrm.kill_all(),
            Effect::Fence(task) => self.fence(task),
            Effect::LookUp { to, inquiry } => self.look_up(to, inquiry),
            Effect::DeclareDead(node) => self.around.ring.declare_dead(node),
            Effect::Store(entry) => {
                let replica = Box::new(self.controller.replica().clone());
                self.store(Job::Append(entry, replica));
            }
            Effect::Snapshot => {
                self.store(Job::Snapshot(Box::new(self.controller.replica().clone())));
            }
            Effect::KeepSecret(secret) => {
                // Rare and small: not worth a thread.
                if let Err(error) = crm_lrm::secrets::keep(&self.around.secrets, &secret) {
                    let (resource, parameter) = (&secret.resource, &secret.parameter);
                    tracing::error!("the secret {parameter} of {resource} is not kept: {error}");
                }
            }
            Effect::Plan { generation, cib, now_s } => {
                self.planned_from = Some((generation, cib.clone(), now_s));
                self.plan(generation, cib, now_s);
            }
            Effect::KeepInput { generation, series, number } => {
                if let Some((_, cib, now_s)) = self.planned_from.take_if(|p| p.0 == generation) {
                    self.around.journal.input(series, number, now_s, cib);
                }
            }
            Effect::Reply(id, reply) => {
                if let Some(sender) = self.replies.remove(&id) {
                    // A client that has gone away needs no answer.
                    let _ = sender.send(reply);
                }
            }
            Effect::Event { kind, node, resource, text, failed, step } => {
                tracing::info!("{kind}: {text}");
                let step = step.map(|s| *s).unwrap_or_default();
                let event = self.around.journal.event(proto::Event {
                    time_ms: self.now().wall_ms,
                    kind: kind.to_string(),
                    node,
                    resource,
                    text,
                    seq: 0,
                    transition: step.number,
                    input: step.input,
                    detail: step.detail,
                    failed,
                });
                self.around.watchers.tell(event);
            }
            Effect::Alert(news) => self.alert(&news),
            Effect::Warn(text) => tracing::warn!("{text}"),
            Effect::Leave => {
                self.leaving = true;
                self.around.lrm.stop_all();
                self.around.ring.leave();
            }
        }
    }

    fn alert(&self, news: &AlertNews) {
        let cib = self.controller.replica().cib();
        self.alerts.retain(|id| crm_core::alerts::knows(cib, id));
        for (target, event) in alerts::calls(cib, news, &jiff::Zoned::now()) {
            if !self.alerts.send(&target, event) {
                tracing::warn!(alert = target.id, "too many events wait for this recipient");
            }
        }
    }

    fn send(&mut self, message: Bytes) {
        if self.outbox.is_empty() {
            match self.around.ring.multicast(message.clone()) {
                Ok(()) | Err(SendError::Stopped) => return,
                Err(SendError::TooLarge) => {
                    return tracing::error!("a message was too large for the ring");
                }
                Err(SendError::Full) => {}
            }
        }
        self.outbox.push_back(message);
    }

    fn store(&self, job: Job) {
        if self.around.storage.send(job).is_err() {
            tracing::error!("the storage thread has ended");
        }
    }

    fn plan(&self, generation: u64, cib: Element, now_s: u64) {
        let sender = self.background.clone();
        let now = Moment { epoch: i64::try_from(now_s).unwrap_or(0), offset: self.offset_s };
        tokio::spawn(async move {
            let work = move || schedule(&SchedulerInput::new(&cib, now)).graph;
            let graph = tokio::task::spawn_blocking(work)
                .await
                .map_err(|e| format!("the scheduler failed: {e}"));
            // The daemon may be ending.
            let _ = sender.send(Background::Planned(Box::new(Planned { generation, graph })));
        });
    }

    /// Looks at this machine for a member, where it holds up nobody.
    fn look_up(&self, to: NodeId, inquiry: Inquiry) {
        let mut finding = Finding { to: to.0, request: inquiry.request, ..Finding::default() };
        let (sender, config) = (self.background.clone(), self.around.in_force.path().to_owned());
        tokio::task::spawn_blocking(move || {
            let done = match inquiry.what {
                Some(inquiry::What::File(wanted)) => {
                    let (path, shown) = match wanted.path.as_str() {
                        "" => (config.display().to_string(), files::read_own(&config)),
                        path => (path.into(), files::read(path)),
                    };
                    finding.path = path;
                    match shown {
                        Ok(shown) => {
                            finding.sha1 = shown.sha1;
                            if !wanted.digest_only {
                                finding.content = shown.content.into();
                            }
                        }
                        Err(why) => finding.trouble = why,
                    }
                    Background::Found(finding)
                }
                Some(inquiry::What::Reload(wanted)) => {
                    let read = Read::from_file(&config, &wanted.sha1);
                    Background::Config(finding, Box::new(read))
                }
                None => {
                    finding.trouble =
                        "this version of the daemon does not know the question".into();
                    Background::Found(finding)
                }
            };
            // The daemon may be ending.
            let _ = sender.send(done);
        });
    }

    fn take_config(&mut self, mut finding: Finding, read: Result<Read, String>) -> Finding {
        let outcome = read.and_then(|read| {
            let ring = self.around.ring.clone();
            self.around.in_force.take(&read, |timing| ring.set_timing(timing))
        });
        match outcome {
            Ok(change) => {
                change.taken.iter().for_each(|t| tracing::info!("cluster.conf: {t}"));
                change.later.iter().for_each(|l| tracing::warn!("cluster.conf: {l}"));
                finding.taken = change.taken;
                finding.later = change.later;
            }
            Err(why) => finding.trouble = why,
        }
        finding
    }

    fn fence(&self, task: FenceTask) {
        let (lrm, sender) = (self.around.lrm.clone(), self.background.clone());
        tokio::spawn(async move {
            let (job, device) = (task.job, task.device.clone());
            let verdict = run_device(&lrm, task).await;
            // The daemon may be ending.
            let _ = sender.send(Background::Fenced(job, device, verdict));
        });
    }
}

async fn run_device(lrm: &Lrm, task: FenceTask) -> FenceVerdict {
    let device = FenceDevice {
        id: task.device,
        agent: AgentName { class: "stonith".into(), provider: None, kind: task.kind },
        params: task.params,
    };
    let action = match task.action.as_str() {
        "on" => FenceAction::On,
        "off" => FenceAction::Off,
        _ => FenceAction::Reboot,
    };
    tokio::time::sleep(task.delay).await;
    if !task.own && lrm.acts_only_on_target(&device, action).await {
        let text = format!("{} acts only on the node that it is about", device.agent);
        return FenceVerdict::Failed(text);
    }
    if task.check {
        match lrm.can_fence(&device, &task.target, task.timeout).await {
            Ok(true) => {}
            Ok(false) => return FenceVerdict::NotMine,
            Err(reason) => {
                return FenceVerdict::Failed(format!("it does not list its hosts: {reason}"));
            }
        }
    }
    let result = lrm.fence(&device, action, &task.target, task.timeout).await;
    if result.confirmed() {
        FenceVerdict::Done
    } else if result.reason.is_empty() {
        FenceVerdict::Failed(format!("it failed with {}", result.exit.0))
    } else {
        FenceVerdict::Failed(result.reason)
    }
}
