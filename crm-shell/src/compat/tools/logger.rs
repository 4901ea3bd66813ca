//! `ha_logger` of cluster-glue: a line for the system's log.
//!
//! The agents' shell library writes by itself where this fails, so without a log it fails, as the
//! original does without its daemon.

use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;

use crm_lrm::BuiltIn;

use super::super::exit::Exit;
use super::super::options::{Group, PLAIN, Value, opt};
use super::{Done, Failure, Run, Tool};
use crate::render::report::Style;

const HA_LOGGER: Tool = Tool {
    name: "ha_logger",
    purpose: "Write a line to the system's log",
    groups: &[
        Group {
            title: "Options",
            options: &[
                opt('t', "tag", Value::Required("TAG"), "What stands before the line"),
                opt('D', "log", Value::Required("ha-log|ha-debug"), "How important it is"),
                opt('h', "usage", Value::None, ""),
            ],
        },
        PLAIN,
    ],
    style: Style::Plain,
    body: log,
};

/// Runs `ha_logger`.
pub(super) fn ha_logger(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    HA_LOGGER.main(arguments, carried)
}

/// The facility `daemon` of syslog (RFC 5424, table 1), times eight.
const DAEMON: u8 = 3 << 3;

fn log(run: &mut Run<'_>) -> Done {
    if run.options.has("usage") {
        return Ok(HA_LOGGER.usage(run));
    }
    let severity = match run.options.last("log") {
        None | Some("ha-log") => 6,
        Some("ha-debug") => 7,
        Some(_) => return Err(Failure::new(Exit::ERROR, "ha_logger: -D takes ha-log or ha-debug")),
    };
    let tag = run.options.last("tag").unwrap_or("ha_logger");
    let line = format!("<{}>{tag}: {}", DAEMON + severity, run.options.operands.join(" "));
    let sent = UnixDatagram::unbound().and_then(|s| s.send_to(line.as_bytes(), "/dev/log"));
    match sent {
        Ok(_) => Ok(Exit::OK),
        Err(error) => {
            Err(Failure::new(Exit::ERROR, format!("ha_logger: /dev/log: {error}; nothing logged")))
        }
    }
}
