//! Units of systemd, over D-Bus: jobs are started and waited for, states are asked for.
//!
//! While a unit is ours, a drop-in keeps systemd from restarting it behind the cluster's back and
//! makes it wait with stopping the unit, at shutdown, until the daemon has done it in its order.
//!
//! systemd may go away for a moment (`daemon-reexec`) and its bus as well: what says "no reply" or
//! "not there" is tried again until the operation's time is over. Nothing of that is a failure of
//! the service.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;
use tokio_stream::StreamExt as _;

use zbus::{Connection, OwnedObjectPath, OwnedVariant, Proxy};

use crate::calls::immediate;
use crate::operation::{ExecutionStatus, ExitCode};
use crate::schedule::RunEnd;

const NAME: &str = "org.freedesktop.systemd1";
const ROOT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// Between two tries while systemd is away, and between two looks at a state that passes.
const RETRY: Duration = Duration::from_millis(200);

/// A lost signal must not lose a job: its end is looked for as often as this.
const JOB_CHECK: Duration = Duration::from_millis(500);

/// Name of our drop-in, in the directory of each unit.
const DROP_IN: &str = "50-crm.conf";

/// Where systemd is.
#[derive(Clone, Debug)]
pub struct SystemdPlaces {
    /// The address of a peer that is systemd itself; `None` is the system bus.
    pub peer: Option<String>,
    /// The run-time directory of units.
    pub units: PathBuf,
}

impl Default for SystemdPlaces {
    fn default() -> Self {
        Self { peer: None, units: PathBuf::from("/run/systemd/system") }
    }
}

/// A conversation with systemd, opened when it is first needed.
#[derive(Debug)]
pub struct Systemd {
    places: SystemdPlaces,
    connection: Mutex<Option<Connection>>,
}

/// Why a step failed.
enum Trouble {
    /// It may work in a moment.
    Passing(String),
    /// It will not.
    Lasting(ExecutionStatus, ExitCode, String),
}

type Step<T> = Result<T, Trouble>;

impl Systemd {
    /// Nothing is opened yet.
    pub fn new(places: SystemdPlaces) -> Self {
        Self { places, connection: Mutex::new(None) }
    }

    /// Performs `start`, `stop` or `monitor` on a unit, as long as it takes. The caller bounds
    /// the time; what was asked of systemd goes on without us.
    pub async fn perform(&self, unit: &str, action: &str) -> RunEnd {
        loop {
            let step = match action {
                "start" => self.start(unit).await,
                "stop" => self.stop(unit).await,
                "monitor" | "status" => self.state(unit).await,
                _ => Ok(ExitCode::UNIMPLEMENTED),
            };
            match step {
                Ok(exit) => return immediate(ExecutionStatus::Done, exit, String::new()),
                Err(Trouble::Lasting(status, exit, reason)) => {
                    return immediate(status, exit, reason);
                }
                Err(Trouble::Passing(reason)) => {
                    tracing::debug!(unit, action, reason, "systemd is away");
                    *self.connection.lock().await = None;
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn start(&self, unit: &str) -> Step<ExitCode> {
        let connection = self.connect().await?;
        let path = load(&connection, unit).await?;
        if property(&connection, &path, "LoadState").await? == "not-found" {
            return Err(not_installed(unit));
        }
        self.set_drop_in(&connection, unit).await?;
        self.job(&connection, "StartUnit", unit, &path).await
    }

    async fn stop(&self, unit: &str) -> Step<ExitCode> {
        let connection = self.connect().await?;
        let path = load(&connection, unit).await?;
        if property(&connection, &path, "LoadState").await? == "not-found" {
            return Ok(ExitCode::OK);
        }
        let exit = self.job(&connection, "StopUnit", unit, &path).await?;
        if std::fs::remove_file(self.drop_in(unit)).is_ok() {
            call(&connection, "Reload", &()).await?;
        }
        Ok(exit)
    }

    /// `active` and `reloading` run; what is on its way is waited for (as Pacemaker 2.1).
    async fn state(&self, unit: &str) -> Step<ExitCode> {
        let connection = self.connect().await?;
        loop {
            let path = load(&connection, unit).await?;
            match property(&connection, &path, "ActiveState").await?.as_str() {
                "active" | "reloading" | "refreshing" => return Ok(ExitCode::OK),
                "activating" | "deactivating" | "maintenance" => sleep(RETRY).await,
                _ if property(&connection, &path, "LoadState").await? == "not-found" => {
                    return Err(not_installed(unit));
                }
                _ => return Ok(ExitCode::NOT_RUNNING),
            }
        }
    }

    /// Starts a job and waits for its end.
    async fn job(
        &self,
        connection: &Connection,
        method: &str,
        unit: &str,
        path: &OwnedObjectPath,
    ) -> Step<ExitCode> {
        let manager = Proxy::new(connection, NAME, ROOT, MANAGER).await.map_err(trouble)?;
        // Before the job exists: its end may come before the answer.
        let mut removed = manager.receive_signal("JobRemoved").await.map_err(trouble)?;
        match call(connection, "Subscribe", &()).await {
            // By an earlier job on this connection.
            Err(Trouble::Lasting(_, _, why)) if why.contains("AlreadySubscribed") => {}
            subscribed => drop(subscribed?),
        }
        let answer = call(connection, method, &(unit, "replace")).await?;
        let job: OwnedObjectPath = answer.body().deserialize().map_err(trouble)?;
        let result = loop {
            tokio::select! {
                signal = removed.next() => {
                    let Some(signal) = signal else {
                        return Err(Trouble::Passing("the bus closed".to_owned()));
                    };
                    let body = signal.body();
                    let parts = body.deserialize::<(u32, OwnedObjectPath, String, String)>();
                    if let Ok((_, ended, _, result)) = parts && ended == job {
                        break result;
                    }
                }
                () = sleep(JOB_CHECK) => {
                    if !has_job(connection, path).await? {
                        break "done".to_owned();
                    }
                }
            }
        };
        let wanted = if method == "StartUnit" { "inactive" } else { "active" };
        let state = property(connection, path, "ActiveState").await?;
        // A oneshot unit is inactive when it is done; systemd's word counts there.
        let failed = result != "done" || state == "failed" && wanted == "inactive";
        if !failed {
            return Ok(ExitCode::OK);
        }
        let reason =
            format!("systemd says \"{result}\" and the unit is {state}; see: journalctl -u {unit}");
        Err(Trouble::Lasting(ExecutionStatus::Done, ExitCode::ERROR, reason))
    }

    async fn connect(&self) -> Step<Connection> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        // How programs ask whether systemd runs this host; its bus may be away for a moment.
        let sign = match self.places.peer.as_deref().and_then(|a| a.strip_prefix("unix:path=")) {
            Some(socket) => Path::new(socket),
            None => Path::new("/run/systemd/system"),
        };
        if !sign.exists() {
            let reason = "this node is not run by systemd".to_owned();
            let (status, exit) = (ExecutionStatus::NotInstalled, ExitCode::NOT_INSTALLED);
            return Err(Trouble::Lasting(status, exit, reason));
        }
        let builder = match &self.places.peer {
            Some(address) => zbus::connection::Builder::address(address.as_str()).p2p(),
            None => zbus::connection::Builder::system(),
        };
        let connection =
            builder.build().await.map_err(|error| Trouble::Passing(error.to_string()))?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    fn drop_in(&self, unit: &str) -> PathBuf {
        self.places.units.join(format!("{unit}.d")).join(DROP_IN)
    }

    async fn set_drop_in(&self, connection: &Connection, unit: &str) -> Step<()> {
        let text = "# Written by crm while this unit belongs to the cluster.\n\
                    [Unit]\nBefore=crm.service\n\n[Service]\nRestart=no\n";
        let path = self.drop_in(unit);
        if std::fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        write(&path, text).map_err(|error| {
            let reason = format!("cannot write {}: {error}", path.display());
            Trouble::Lasting(ExecutionStatus::Error, ExitCode::PERMISSION, reason)
        })?;
        call(connection, "Reload", &()).await.map(|_| ())
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(path, text)
}

fn not_installed(unit: &str) -> Trouble {
    let reason = format!("systemd knows no unit {unit}");
    Trouble::Lasting(ExecutionStatus::NotInstalled, ExitCode::NOT_INSTALLED, reason)
}

async fn call<B>(connection: &Connection, method: &str, body: &B) -> Step<zbus::Message>
where
    B: serde::Serialize + zbus::DynamicType + Sync,
{
    connection.call_method(Some(NAME), ROOT, Some(MANAGER), method, body).await.map_err(trouble)
}

async fn load(connection: &Connection, unit: &str) -> Step<OwnedObjectPath> {
    call(connection, "LoadUnit", &(unit,)).await?.body().deserialize().map_err(trouble)
}

async fn get(connection: &Connection, path: &OwnedObjectPath, name: &str) -> Step<OwnedVariant> {
    let properties = "org.freedesktop.DBus.Properties";
    let asked = connection
        .call_method(Some(NAME), path.as_str(), Some(properties), "Get", &(UNIT, name))
        .await
        .map_err(trouble)?;
    asked.body().deserialize().map_err(trouble)
}

async fn property(connection: &Connection, path: &OwnedObjectPath, name: &str) -> Step<String> {
    let value = get(connection, path, name).await?;
    String::try_from(value).map_err(trouble)
}

/// Whether a unit has a job that has not ended: the property is (0, "/") without one.
async fn has_job(connection: &Connection, path: &OwnedObjectPath) -> Step<bool> {
    let value = get(connection, path, "Job").await?;
    let job = <(u32, OwnedObjectPath)>::try_from(value).map_err(trouble)?;
    Ok(job.0 != 0)
}

/// Sorts errors: what can come from systemd or its bus being away for a moment, and the rest.
fn trouble(error: impl Into<zbus::Error>) -> Trouble {
    let error = error.into();
    let passing = match &error {
        zbus::Error::InputOutput(_) | zbus::Error::Handshake(_) => true,
        zbus::Error::MethodError(name, ..) => {
            let away = ["NoReply", "Disconnected", "ServiceUnknown", "NameHasNoOwner", "TimedOut"];
            let last = name.as_str().rsplit('.').next().unwrap_or_default();
            away.contains(&last)
        }
        // The same from the bus itself.
        zbus::Error::FDO(error) => {
            use zbus::fdo::Error;
            matches!(
                **error,
                Error::NoReply(_)
                    | Error::Disconnected(_)
                    | Error::ServiceUnknown(_)
                    | Error::NameHasNoOwner(_)
                    | Error::TimedOut(_)
            )
        }
        _ => false,
    };
    if passing {
        return Trouble::Passing(error.to_string());
    }
    let (status, exit) = match &error {
        zbus::Error::MethodError(name, ..) if name.as_str().ends_with("NoSuchUnit") => {
            (ExecutionStatus::NotInstalled, ExitCode::NOT_INSTALLED)
        }
        zbus::Error::MethodError(name, ..)
            if name.as_str().ends_with("AccessDenied")
                || name.as_str().ends_with("AuthorizationRequired") =>
        {
            (ExecutionStatus::Error, ExitCode::PERMISSION)
        }
        _ => (ExecutionStatus::Error, ExitCode::ERROR),
    };
    Trouble::Lasting(status, exit, format!("systemd: {error}"))
}
