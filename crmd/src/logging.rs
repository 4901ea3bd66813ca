//! Messages for people: to the logfile of the configuration, or to standard error.

use std::fs::OpenOptions;
use std::sync::Mutex;

use crm_messaging::config::LoggingConf;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

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
    let filter = EnvFilter::try_from_env("CRM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .with_target(false);
    // Only a second start in one process could fail here, and then logging works already.
    let _ = subscriber.try_init();
    Ok(())
}
