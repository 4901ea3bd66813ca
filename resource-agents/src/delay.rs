//! `Delay`: takes its time. For waiting between the members of a group, and for tests.

use std::thread::sleep;

use crate::declare::{Action, Agent, Context, Kind, Outcome, Parameter};
use crate::state::{self, StateFile};

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "Delay",
    stands_in_for: &["heartbeat"],
    short: "Waits before it says that it is done",
    long: "Start, stop and monitor take as long as they are told to.",
    parameters: &[
        Parameter {
            name: "startdelay",
            kind: Kind::Time,
            default: Some("20"),
            short: "Time that a start takes",
            long: "Seconds, or a time with a unit.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "stopdelay",
            kind: Kind::Time,
            short: "Time that a stop takes",
            long: "Default: that of a start.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "mondelay",
            kind: Kind::Time,
            short: "Time that a monitor takes",
            long: "Default: that of a start.",
            ..Parameter::OPTIONAL
        },
    ],
    actions: &[Action::once("start", 30), Action::once("stop", 30), Action::monitor(30, 10)],
    run,
};

fn run(context: &Context, action: &str) -> Outcome {
    let file = StateFile::new(context, AGENT.name);
    let own = match action {
        "start" => Some("startdelay"),
        "stop" => Some("stopdelay"),
        "monitor" => Some("mondelay"),
        _ => None,
    };
    // What is stopped already has nothing to wait for.
    let idle = action != "start" && file.read()?.is_none();
    if let Some(own) = own.filter(|_| !idle) {
        let given = if context.text(own).is_some() { own } else { "startdelay" };
        sleep(context.time(given));
    }
    state::simple(&file, action)
}
