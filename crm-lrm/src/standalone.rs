//! Agents without a daemon: one operation, or a whole trial of an agent, for the shell.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::agents::{AgentError, Catalog, Interface};
use crate::calls::{self, Surroundings};
use crate::metadata::{self, Metadata};
use crate::operation::{AgentName, ExecutionStatus, ExitCode, Operation};
use crate::process::{self, Limits};
use crate::schedule::RunEnd;
use crate::secrets;

/// Who runs agents here, and with which agents.
#[derive(Clone, Debug)]
pub struct Standalone {
    /// The agents.
    pub catalog: Catalog,
    /// What their environment has.
    pub around: Surroundings,
}

/// One step of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was tried.
    pub what: String,
    /// What should have come of it.
    pub wanted: String,
    /// What came.
    pub got: String,
    /// Whether that is right.
    pub good: bool,
    /// What the agent said, if it is not.
    pub said: String,
}

impl Standalone {
    /// Runs an operation once, with the rules of the executor. Units of systemd are refused: the
    /// daemon alone speaks to systemd.
    pub async fn run(&self, operation: &Operation, secrets_dir: &Path) -> RunEnd {
        let agent = match self.catalog.resolve(&operation.agent) {
            Ok(agent) => agent,
            Err(error) => return calls::no_agent(&error),
        };
        if agent.interface == Interface::Systemd {
            let reason = "units of systemd are run by the daemon only".to_owned();
            let (status, exit) = (ExecutionStatus::NotSupported, ExitCode::UNIMPLEMENTED);
            return calls::immediate(status, exit, reason);
        }
        let params = secrets::resolve(secrets_dir, &operation.resource, &operation.params);
        let params = match params {
            Ok(params) => params,
            Err(error) => {
                let (status, exit) = (ExecutionStatus::Error, ExitCode::NOT_CONFIGURED);
                return calls::immediate(status, exit, error.to_string());
            }
        };
        let operation = Operation { params, ..operation.clone() };
        let command = calls::command(&agent, &operation, &self.around);
        let limits = Limits {
            timeout: calls::effective_timeout(&operation),
            kill_grace: Duration::from_millis(500),
            cgroup: None,
            note: None,
        };
        let finished = process::run_unattended(&command, &limits).await;
        calls::outcome(agent.interface, &operation, finished)
    }

    /// Puts an OCF agent through everything that the manager relies on.
    ///
    /// Starts and stops the resource for real; it must not run when this begins, and does not
    /// when it ends, unless the agent cannot stop.
    ///
    /// # Errors
    /// There is no such agent, or it is not of the OCF class.
    pub async fn trial(
        &self,
        name: &AgentName,
        params: &BTreeMap<String, String>,
        timeout: Duration,
    ) -> Result<Vec<Finding>, AgentError> {
        let agent = self.catalog.resolve(name)?;
        if agent.interface != Interface::Ocf {
            return Err(AgentError::UnknownClass(format!("{} (a trial needs ocf)", name.class)));
        }
        let described = metadata::fetch(&agent, &self.around, name).await;
        let mut trial = Trial { standalone: self, name, params, timeout, findings: Vec::new() };
        match described {
            Ok(metadata) => {
                trial.describe(&metadata);
                trial.life(&metadata).await;
            }
            Err(error) => trial.note("meta-data", "a document", error.to_string(), false),
        }
        Ok(trial.findings)
    }
}

struct Trial<'a> {
    standalone: &'a Standalone,
    name: &'a AgentName,
    params: &'a BTreeMap<String, String>,
    timeout: Duration,
    findings: Vec<Finding>,
}

impl Trial<'_> {
    fn note(&mut self, what: &str, wanted: &str, got: String, good: bool) {
        let (what, wanted) = (what.to_owned(), wanted.to_owned());
        self.findings.push(Finding { what, wanted, got, good, said: String::new() });
    }

    /// What can be seen in the meta-data alone.
    fn describe(&mut self, metadata: &Metadata) {
        let problems = metadata.problems.join("; ");
        let clean = problems.is_empty();
        let got = if clean { "a document".to_owned() } else { problems };
        self.note("meta-data", "a document", got, clean);
        for action in ["start", "stop", "monitor", "meta-data"] {
            if !has(metadata, action) {
                let what = format!("meta-data names {action}");
                self.note(&what, "yes", "no".to_owned(), false);
            }
        }
        for parameter in metadata.parameters.iter().filter(|parameter| parameter.required) {
            if !self.params.contains_key(&parameter.name) {
                let what = format!("parameter {}", parameter.name);
                self.note(&what, "given: it is required", "missing".to_owned(), false);
            }
        }
        for name in self.params.keys() {
            if !metadata.parameters.iter().any(|known| known.name == *name) {
                let what = format!("parameter {name}");
                self.note(&what, "known to the agent", "unknown".to_owned(), false);
            }
        }
    }

    /// The life of a resource, each action twice where the second must change nothing.
    async fn life(&mut self, metadata: &Metadata) {
        if has(metadata, "validate-all") {
            self.step("validate-all", "validate-all", &[0]).await;
        }
        self.step("an action that there is not", "no-such-action", &[3]).await;
        if !self.step("monitor of what does not run", "monitor", &[7]).await {
            // Going on would stop somebody's service.
            return;
        }
        self.step("stop of what does not run", "stop", &[0]).await;
        if self.step("start", "start", &[0]).await {
            self.step("monitor of what runs", "monitor", &[0]).await;
            self.step("start of what runs", "start", &[0]).await;
            self.step("monitor after the second start", "monitor", &[0]).await;
            for action in ["reload", "reload-agent"].into_iter().filter(|a| has(metadata, a)) {
                self.step(action, action, &[0]).await;
            }
            if has(metadata, "promote") && has(metadata, "demote") {
                self.roles().await;
            }
            if has(metadata, "notify") {
                self.step("notify", "notify", &[0]).await;
            }
        }
        self.step("stop", "stop", &[0]).await;
        self.step("monitor after the stop", "monitor", &[7]).await;
        self.step("stop once more", "stop", &[0]).await;
    }

    async fn roles(&mut self) {
        self.step("promote", "promote", &[0]).await;
        self.step("monitor of what is promoted", "monitor", &[8]).await;
        self.step("promote of what is promoted", "promote", &[0]).await;
        self.step("demote", "demote", &[0]).await;
        self.step("monitor of what is demoted", "monitor", &[0]).await;
        self.step("demote of what is demoted", "demote", &[0]).await;
    }

    async fn step(&mut self, what: &str, action: &str, wanted: &[i32]) -> bool {
        let operation = Operation {
            resource: "trial".to_owned(),
            agent: self.name.clone(),
            action: action.to_owned(),
            interval: Duration::ZERO,
            timeout: self.timeout,
            start_delay: Duration::ZERO,
            params: self.params.clone(),
            key: String::new(),
        };
        // A trial takes plain values only; references stay what they are.
        let end = self.standalone.run(&operation, Path::new("/nonexistent")).await;
        let good = end.status == ExecutionStatus::Done && wanted.contains(&end.exit.0);
        let got = match end.status {
            ExecutionStatus::Done => format!("exit code {}", end.exit),
            _ => end.exit_reason.clone(),
        };
        let numbers: Vec<String> = wanted.iter().map(i32::to_string).collect();
        let said = if good { String::new() } else { words(&end) };
        self.findings.push(Finding {
            what: what.to_owned(),
            wanted: format!("exit code {}", numbers.join(" or ")),
            got,
            good,
            said,
        });
        good
    }
}

fn has(metadata: &Metadata, action: &str) -> bool {
    metadata.actions.iter().any(|known| known.name == action)
}

/// The reason, or else the last lines on standard error.
fn words(end: &RunEnd) -> String {
    if end.status == ExecutionStatus::Done && !end.exit_reason.is_empty() {
        return end.exit_reason.clone();
    }
    let text = String::from_utf8_lossy(&end.stderr).into_owned();
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
