//! Messages for people: to the logfile of the configuration, or to standard error.

use std::fs::OpenOptions;
use std::sync::Mutex;

use crm_messaging::config::LoggingConf;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Where our own messages come from.
const OURS: [&str; 4] = ["crmd", "crm_core", "crm_messaging", "crm_lrm"];

/// Starts logging. `CRM_LOG` overrides what is logged (`info`, `crmd=debug`, ...).
///
/// # Errors
/// The logfile cannot be opened.
pub fn start(conf: &LoggingConf) -> Result<(), String> {
    let (writer, default) = match &conf.logfile {
        Some(path) => {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .map_err(|e| format!("cannot write the log {}: {e}", path.display()))?;
            (BoxMakeWriter::new(Mutex::new(file)), "info")
        }
        None => (BoxMakeWriter::new(std::io::stderr), "warn"),
    };
    let default = if conf.debug { "debug" } else { default };
    let wanted = std::env::var("CRM_LOG").ok().filter(|w| !w.is_empty());
    let wanted = wanted.unwrap_or_else(|| default.to_string());
    // A bare level is meant for the cluster, not for the libraries under it.
    let directives = match wanted.parse::<tracing::Level>() {
        Ok(level) => OURS.map(|name| format!("{name}={level}")).join(",") + ",warn",
        Err(_) => wanted,
    };
    let filter = EnvFilter::new(directives);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .with_target(false);
    // Only a second start in one process could fail here, and then logging works already.
    let _ = subscriber.try_init();
    Ok(())
}
