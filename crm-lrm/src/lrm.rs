//! The handle through which the daemon runs agents, and the task behind it.
//!
//! All bookkeeping is in [`Schedule`]; here are only the clock, the processes and the channel of
//! results.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::agents::{Agent, AgentPaths, BuiltIn, Catalog, Interface};
use crate::calls::{self, Surroundings};
use crate::leftover;
use crate::metadata::{self, Metadata, MetadataError};
use crate::operation::{AgentName, CallId, ExecutionStatus, ExitCode, Operation, OperationResult};
use crate::process::{self, Abort, Command, Limits};
use crate::schedule::{self, CallInfo, CallState, Effect, Moment, RunEnd, Schedule};
use crate::secrets::{self, SecretError};
use crate::systemd::{Systemd, SystemdPlaces};

/// How an executor is set up.
#[derive(Clone, Debug)]
pub struct LrmConfig {
    /// This node, for the agents.
    pub node_name: String,
    /// The run-time directory; its `bin` has our commands under their peers' names.
    pub run_dir: PathBuf,
    /// Where agents are.
    pub paths: AgentPaths,
    /// The agents that this executable carries.
    pub built_in: Vec<BuiltIn>,
    /// How many agents may run at a time.
    pub max_running: usize,
    /// From SIGTERM to SIGKILL when an agent's time is over.
    pub kill_grace: Duration,
    /// A cgroup v2 directory delegated to this process, if there is one.
    pub cgroup: Option<PathBuf>,
    /// Where systemd is.
    pub systemd: SystemdPlaces,
    /// Where secrets lie that the CIB only refers to.
    pub secrets: PathBuf,
    /// Where it is noted which agents are changing a resource, so that an executor that follows a
    /// killed one waits for them; memory that a reboot clears. None: nothing is noted.
    pub in_flight: Option<PathBuf>,
    /// Ask agents for their meta-data, and hand it out with the results.
    pub describe: bool,
    /// Further variables for every agent.
    pub environment: BTreeMap<String, String>,
}

impl Default for LrmConfig {
    /// The field's places, half a second of grace, and eight agents a processor (at least 32):
    /// agents mostly wait, and a few that hang must not hold up every monitor of the node.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            node_name: String::new(),
            run_dir: PathBuf::from("/run/crm"),
            paths: AgentPaths::default(),
            built_in: Vec::new(),
            max_running: (8 * processors).max(32),
            kill_grace: Duration::from_millis(500),
            cgroup: None,
            systemd: SystemdPlaces::default(),
            secrets: PathBuf::from("/var/lib/crm/secrets"),
            in_flight: None,
            describe: false,
            environment: BTreeMap::new(),
        }
    }
}

/// The executor. Clones are the same executor; the last one dropped ends its task (programs in
/// flight live on).
#[derive(Clone, Debug)]
pub struct Lrm {
    shared: Arc<Shared>,
    /// Dropped with the last handle: the task ends.
    _alive: Arc<watch::Sender<()>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    catalog: Catalog,
    around: Surroundings,
    limits: Limits,
    metadata: metadata::Cache,
    systemd: Systemd,
    secrets: PathBuf,
    in_flight: Option<PathBuf>,
    describe: bool,
    started: Instant,
    state: Mutex<State>,
    /// Something was put into the schedule.
    work: Notify,
    /// Something ended.
    ended: Notify,
}

#[derive(Debug)]
struct State {
    schedule: Schedule,
    aborts: BTreeMap<CallId, watch::Sender<Abort>>,
    /// STONITH resources that were started here and not stopped.
    devices: BTreeSet<String>,
}

impl Lrm {
    /// Starts an executor in the current tokio runtime. Results go to `results` in order; a
    /// receiver that lags delays new runs, never time-outs.
    pub fn new(config: LrmConfig, results: mpsc::Sender<OperationResult>) -> Self {
        let ocf_root = config.paths.ocf.first().map_or_else(PathBuf::new, |p| calls::ocf_root(p));
        if let Some(cgroup) = &config.cgroup {
            process::sweep_cgroups(cgroup);
        }
        let shared = Arc::new(Shared {
            around: Surroundings {
                node_name: config.node_name,
                bin_dir: config.run_dir.join("bin"),
                ocf_root,
                extra: config.environment,
            },
            catalog: Catalog { paths: config.paths, built_in: config.built_in },
            limits: Limits {
                timeout: Duration::ZERO,
                kill_grace: config.kill_grace,
                cgroup: config.cgroup,
                note: None,
            },
            metadata: metadata::Cache::default(),
            systemd: Systemd::new(config.systemd),
            secrets: config.secrets,
            in_flight: config.in_flight,
            describe: config.describe,
            started: Instant::now(),
            state: Mutex::new(State {
                schedule: Schedule::new(config.max_running),
                aborts: BTreeMap::new(),
                devices: BTreeSet::new(),
            }),
            work: Notify::new(),
            ended: Notify::new(),
        });
        let (alive, gone) = watch::channel(());
        await_leftovers(&shared);
        tokio::spawn(drive(Arc::clone(&shared), results, gone));
        Self { shared, _alive: Arc::new(alive) }
    }

    /// Accepts an operation and returns its number; never waits.
    pub fn execute(&self, operation: Operation) -> CallId {
        self.shared.change(|schedule, now| schedule.execute(operation, now))
    }

    /// Takes back an operation; `false` if there is none. Its end is reported in any case.
    pub fn cancel(&self, resource: &str, action: &str, interval: Duration) -> bool {
        self.shared.change(|schedule, now| schedule.cancel(resource, action, interval, now))
    }

    /// Every call that has not ended.
    pub fn calls(&self) -> Vec<CallInfo> {
        self.shared.state().schedule.calls()
    }

    /// The calls whose agent runs now.
    pub fn running(&self) -> Vec<CallInfo> {
        self.calls().into_iter().filter(|call| call.state == CallState::Running).collect()
    }

    /// The recurring calls.
    pub fn recurring(&self) -> Vec<CallInfo> {
        self.calls().into_iter().filter(|call| !call.interval.is_zero()).collect()
    }

    /// Takes back all that has not started and every recurring call; what changes a resource and
    /// is in flight runs to its end.
    pub fn stop_all(&self) {
        self.shared.change(Schedule::stop_all);
    }

    /// Takes back everything and kills what is in flight.
    pub fn kill_all(&self) {
        self.shared.change(Schedule::kill_all);
    }

    /// Waits until nothing runs and nothing is due.
    pub async fn idle(&self) {
        loop {
            let ended = self.shared.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.shared.state().schedule.is_idle() {
                return;
            }
            ended.await;
        }
    }

    /// The agents of this node.
    pub fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    /// What an agent says of itself; it is asked once per version of its file.
    pub async fn metadata(&self, name: &AgentName) -> Result<Arc<Metadata>, MetadataError> {
        let shared = &self.shared;
        shared.metadata.get(&shared.catalog, &shared.around, name).await
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    /// The state is a plain table: a panic elsewhere leaves it usable.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        Moment(self.started.elapsed())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Schedule, Moment) -> T) -> T {
        let outcome = change(&mut self.state().schedule, self.now());
        self.work.notify_one();
        outcome
    }

    /// The command of an operation, with its secrets. A stop is made without those that cannot be
    /// had: it must be possible to stop what runs (as Pacemaker).
    fn command(&self, agent: &Agent, operation: &Operation) -> Result<Command, RunEnd> {
        let resolved = secrets::resolve(&self.secrets, &operation.resource, &operation.params);
        let params = match resolved {
            Ok(params) => params,
            Err(error) if operation.action == "stop" => {
                tracing::warn!(resource = operation.resource, "stopped without a secret: {error}");
                operation.params.clone()
            }
            Err(error) => {
                let exit = ExitCode::NOT_CONFIGURED;
                return Err(calls::immediate(ExecutionStatus::Error, exit, error.to_string()));
            }
        };
        Ok(calls::command(agent, &Operation { params, ..operation.clone() }, &self.around))
    }

    /// The parameters of a device, with its secrets.
    pub(crate) fn secrets_of(
        &self,
        resource: &str,
        params: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, SecretError> {
        secrets::resolve(&self.secrets, resource, params)
    }

    /// The environment of a program that belongs to no resource.
    pub(crate) fn around(&self) -> &Surroundings {
        &self.around
    }

    /// The bounds of a run of this length.
    pub(crate) fn limits(&self, timeout: Duration) -> Limits {
        Limits { timeout, ..self.limits.clone() }
    }
}

/// Performs effects until the daemon has gone.
async fn drive(
    shared: Arc<Shared>,
    results: mpsc::Sender<OperationResult>,
    mut gone: watch::Receiver<()>,
) {
    loop {
        loop {
            let effect = {
                let mut state = shared.state();
                let now = shared.now();
                state.schedule.advance(now);
                state.schedule.next_effect()
            };
            match effect {
                None => break,
                Some(Effect::Start { call, operation }) => start(&shared, call, operation),
                Some(Effect::Abort { call, at_once }) => {
                    let how = if at_once { Abort::AtOnce } else { Abort::Gently };
                    if let Some(abort) = shared.state().aborts.get(&call) {
                        abort.send_replace(how);
                    }
                }
                Some(Effect::Report(result)) => {
                    if results.send(*result).await.is_err() {
                        return;
                    }
                }
            }
        }
        shared.ended.notify_waiters();
        let wakeup = shared.state().schedule.next_wakeup();
        let due = async {
            match wakeup {
                Some(Moment(at)) => sleep_until(shared.started + at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.work.notified() => {}
            () = due => {}
            _ = gone.changed() => return,
        }
    }
}

/// Nothing of a resource is run while an agent of an earlier executor still changes it.
fn await_leftovers(shared: &Arc<Shared>) {
    let Some(directory) = &shared.in_flight else { return };
    if let Err(error) = std::fs::create_dir_all(directory) {
        tracing::warn!(%error, path = %directory.display(), "agents at work cannot be noted");
    }
    for left in leftover::find(directory) {
        tracing::info!(resource = left.resource, "waiting for an agent of an earlier daemon");
        shared.state().schedule.hold(&left.resource);
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let resource = left.resource.clone();
            left.end().await;
            shared.change(|schedule, now| schedule.release(&resource, now));
        });
    }
}

/// How long a result waits for meta-data that takes longer than the operation.
const DESCRIBE_WAIT: Duration = Duration::from_secs(2);

/// A run, and beside it the question what the agent says of itself.
async fn perform_described(
    shared: &Shared,
    operation: &Operation,
    aborted: watch::Receiver<Abort>,
) -> RunEnd {
    let described = !matches!(&*operation.action, "stop" | "notify" | "migrate_to" | "meta-data");
    if !shared.describe || !described {
        return perform(shared, operation, aborted).await;
    }
    let ask =
        async { shared.metadata.get(&shared.catalog, &shared.around, &operation.agent).await.ok() };
    if operation.action == "reload-agent" {
        // Agents from before OCF 1.1 have another word for it.
        let metadata = ask.await;
        let action = metadata.as_ref().and_then(|m| m.reload_action()).unwrap_or("reload-agent");
        let reload = Operation { action: action.to_owned(), ..operation.clone() };
        return RunEnd { metadata, ..perform(shared, &reload, aborted).await };
    }
    tokio::pin!(ask);
    let run = perform(shared, operation, aborted);
    tokio::pin!(run);
    tokio::select! {
        end = &mut run => {
            let metadata = tokio::time::timeout(DESCRIBE_WAIT, ask).await.ok().flatten();
            RunEnd { metadata, ..end }
        }
        metadata = &mut ask => RunEnd { metadata, ..run.await },
    }
}

fn start(shared: &Arc<Shared>, call: CallId, operation: Arc<Operation>) {
    let (abort, aborted) = watch::channel(Abort::No);
    shared.state().aborts.insert(call, abort);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let end = perform_described(&shared, &operation, aborted).await;
        {
            let mut state = shared.state();
            state.aborts.remove(&call);
            let now = shared.now();
            state.schedule.finished(call, end, now);
        }
        shared.work.notify_one();
    });
}

/// One run of one operation.
async fn perform(shared: &Shared, operation: &Operation, abort: watch::Receiver<Abort>) -> RunEnd {
    let agent = match shared.catalog.resolve(&operation.agent) {
        Ok(agent) => agent,
        Err(error) => return calls::no_agent(&error),
    };
    let device = matches!(agent.interface, Interface::StonithExternal | Interface::Fence);
    if device && let Some(end) = shared.device_state(operation) {
        return end;
    }
    let end = if agent.interface == Interface::Systemd {
        let unit = agent.program.to_string_lossy().into_owned();
        ask_systemd(shared, &unit, operation, abort).await
    } else {
        let command = match shared.command(&agent, operation) {
            Ok(command) => command,
            Err(end) => return end,
        };
        run(shared, agent.interface, operation, &command, abort).await
    };
    if device && operation.action == "start" && end.exit == ExitCode::OK {
        shared.state().devices.insert(operation.resource.clone());
    }
    end
}

async fn run(
    shared: &Shared,
    interface: Interface,
    operation: &Operation,
    command: &Command,
    abort: watch::Receiver<Abort>,
) -> RunEnd {
    let changes = schedule::changes_state(&operation.action);
    let note = shared.in_flight.as_deref().filter(|_| changes);
    let note = note.and_then(|directory| leftover::place(directory, &operation.resource));
    let limits = Limits { note, ..shared.limits(calls::effective_timeout(operation)) };
    let finished = process::run(command, &limits, abort).await;
    calls::outcome(interface, operation, finished)
}

/// One operation on a unit, within the time and until it is taken back.
async fn ask_systemd(
    shared: &Shared,
    unit: &str,
    operation: &Operation,
    mut abort: watch::Receiver<Abort>,
) -> RunEnd {
    let started = Instant::now();
    let limit = calls::effective_timeout(operation);
    let mut end = tokio::select! {
        end = shared.systemd.perform(unit, &operation.action) => end,
        _ = process::ordered(&mut abort) => {
            calls::immediate(ExecutionStatus::Cancelled, ExitCode::ERROR, String::new())
        }
        () = sleep_until(started + limit) => {
            let reason = format!("{} of {unit} did not end within {limit:?}", operation.action);
            calls::immediate(ExecutionStatus::Timeout, ExitCode::ERROR, reason)
        }
    };
    end.exec_time = started.elapsed();
    end
}

impl Shared {
    /// A device is "running" where it was started: only start and a monitor of a started one ask
    /// the device itself (as Pacemaker's executor).
    fn device_state(&self, operation: &Operation) -> Option<RunEnd> {
        let mut state = self.state();
        let done = |exit| Some(calls::immediate(ExecutionStatus::Done, exit, String::new()));
        match operation.action.as_str() {
            "start" => None,
            "monitor" if state.devices.contains(&operation.resource) => None,
            "monitor" => done(ExitCode::NOT_RUNNING),
            "stop" => {
                state.devices.remove(&operation.resource);
                done(ExitCode::OK)
            }
            _ => done(ExitCode::UNIMPLEMENTED),
        }
    }
}
