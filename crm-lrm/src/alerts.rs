//! Alert agents: programs that are told about events, with Pacemaker's interface.
//!
//! Each recipient of each alert has a queue of its own: events reach it in order and one at a
//! time, and a program that hangs holds up nobody else. Queues are bounded; what does not fit is
//! dropped and counted, and the next event that gets through says how many were lost.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::Lrm;
use crate::process::{self, Command, Ending, Limits};

/// Events that wait for one recipient, at most.
const QUEUE: usize = 256;

/// `CRM_alert_version`: the Pacemaker whose interface this is. Agents check that it is there.
const VERSION: &str = "2.1.5";

/// One recipient of one alert, as the CIB's `alerts` section has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertTarget {
    /// Id of the alert and of the recipient; an alert without recipients is one itself.
    pub id: String,
    /// The program.
    pub path: PathBuf,
    /// `CRM_alert_recipient`, which an alert without recipients does not set.
    pub recipient: Option<String>,
    /// How long the program may take (30 s if the CIB does not say).
    pub timeout: Duration,
    /// Instance attributes, passed by their plain names.
    pub params: BTreeMap<String, String>,
}

/// An event: its `CRM_alert_*` variables without the prefix, `kind` among them.
pub type AlertEvent = BTreeMap<&'static str, String>;

/// The queues of all recipients.
#[derive(Clone, Debug)]
pub struct Alerts {
    lrm: Lrm,
    queues: Arc<Mutex<BTreeMap<String, Queue>>>,
    /// Calls of this executor so far: `CRM_alert_node_sequence`.
    calls: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<(AlertTarget, AlertEvent)>,
    lost: u64,
}

impl Alerts {
    /// Alerts run with the surroundings of an executor.
    pub fn new(lrm: &Lrm) -> Self {
        Self { lrm: lrm.clone(), queues: Arc::default(), calls: Arc::default() }
    }

    /// Tells a recipient about an event; never waits. `false` if its queue is full.
    pub fn send(&self, target: &AlertTarget, mut event: AlertEvent) -> bool {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(target.id.clone()).or_insert_with(|| {
            let (sender, events) = mpsc::channel(QUEUE);
            tokio::spawn(deliver(self.lrm.clone(), events));
            Queue { sender, lost: 0 }
        });
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        event.insert("node_sequence", call.to_string());
        if queue.lost > 0 {
            event.insert("lost", queue.lost.to_string());
        }
        let taken = queue.sender.try_send((target.clone(), event)).is_ok();
        queue.lost = if taken { 0 } else { queue.lost + 1 };
        taken
    }

    /// Forgets recipients that the configuration no longer has; what is queued is delivered.
    pub fn retain(&self, known: impl Fn(&str) -> bool) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|id, _| known(id));
    }
}

async fn deliver(lrm: Lrm, mut events: mpsc::Receiver<(AlertTarget, AlertEvent)>) {
    while let Some((target, event)) = events.recv().await {
        let shared = lrm.shared();
        let env = environment(shared.around().environment(), &target, &event);
        let command = Command { program: target.path.clone(), env, ..Command::default() };
        let limits = Limits { cgroup: None, ..shared.limits(target.timeout) };
        let finished = process::run_unattended(&command, &limits).await;
        let trouble = match finished.ending {
            Ending::Exited(0) => continue,
            Ending::Exited(code) => format!("it ended with exit code {code}"),
            Ending::TimedOut => format!("it did not end within {:?}", target.timeout),
            Ending::NotStarted(error) => error.to_string(),
            Ending::Signalled(_) | Ending::Aborted => "it was killed".to_owned(),
        };
        tracing::warn!(alert = target.id, path = %target.path.display(), "alert agent: {trouble}");
    }
}

fn environment(
    base: BTreeMap<OsString, OsString>,
    target: &AlertTarget,
    event: &AlertEvent,
) -> BTreeMap<OsString, OsString> {
    let mut env = base;
    let usable = |name: &str| !name.is_empty() && !name.contains(['=', '\0']) && name != "PATH";
    for (name, value) in target.params.iter().filter(|(name, _)| usable(name)) {
        env.insert(name.into(), value.into());
    }
    let mut set = |name: &str, value: &str| {
        env.insert(format!("CRM_alert_{name}").into(), value.into());
    };
    set("version", VERSION);
    if let Some(recipient) = &target.recipient {
        set("recipient", recipient);
    }
    for (name, value) in event {
        set(name, value);
    }
    env
}
