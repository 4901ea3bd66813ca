//! Messages for people: to the logfile of the configuration, or to standard error.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crm_messaging::config::LoggingConf;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// Where our own messages come from.
const OURS: [&str; 4] = ["crmd", "crm_core", "crm_messaging", "crm_lrm"];

/// Where messages go now.
#[derive(Clone, Debug)]
struct Sink(Arc<Mutex<Option<File>>>);

impl Sink {
    fn lock(&self) -> MutexGuard<'_, Option<File>> {
        // Whoever panicked left a file or none, and both are good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        match &mut *self.lock() {
            Some(file) => file.write(data),
            None => std::io::stderr().write(data),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut *self.lock() {
            Some(file) => file.flush(),
            None => std::io::stderr().flush(),
        }
    }
}

/// Changes what is logged, and where, while the daemon runs.
#[derive(Clone, Debug)]
pub struct Log {
    sink: Sink,
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Logs as `conf` says from now on; the logfile is opened anew.
    ///
    /// # Errors
    /// The logfile cannot be opened; everything stays as it was.
    pub fn change(&self, conf: &LoggingConf) -> Result<(), String> {
        let file = open(conf.logfile.as_ref())?;
        *self.sink.lock() = file;
        self.filter
            .reload(EnvFilter::new(directives(conf)))
            .map_err(|e| format!("what is logged cannot be changed: {e}"))
    }
}

/// Whether the environment says what is logged, whatever cluster.conf says.
pub fn is_overridden() -> bool {
    wanted().is_some()
}

fn wanted() -> Option<String> {
    std::env::var("CRM_LOG").ok().filter(|w| !w.is_empty())
}

fn directives(conf: &LoggingConf) -> String {
    let default = match (conf.debug, &conf.logfile) {
        (true, _) => "debug",
        (false, Some(_)) => "info",
        (false, None) => "warn",
    };
    let wanted = wanted().unwrap_or_else(|| default.to_string());
    // A bare level is meant for the cluster, not for the libraries under it.
    match wanted.parse::<tracing::Level>() {
        Ok(level) => OURS.map(|name| format!("{name}={level}")).join(",") + ",warn",
        Err(_) => wanted,
    }
}

fn open(path: Option<&PathBuf>) -> Result<Option<File>, String> {
    let Some(path) = path else { return Ok(None) };
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map(Some)
        .map_err(|e| format!("cannot write the log {}: {e}", path.display()))
}

/// Starts logging. `CRM_LOG` overrides what is logged (`info`, `crmd=debug`, ...).
///
/// # Errors
/// The logfile cannot be opened.
pub fn start(conf: &LoggingConf) -> Result<Log, String> {
    let sink = Sink(Arc::new(Mutex::new(open(conf.logfile.as_ref())?)));
    let (layer, filter) = reload::Layer::new(EnvFilter::new(directives(conf)));
    let writer = sink.clone();
    let text = tracing_subscriber::fmt::layer()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .with_target(false);
    // Only a second start in one process could fail here, and then logging works already.
    let _ = tracing_subscriber::registry().with(layer).with(text).try_init();
    Ok(Log { sink, filter })
}
