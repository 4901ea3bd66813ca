//! `Dummy`: does nothing but remember that it was started. For tests and examples.

use std::thread::sleep;

use crate::declare::{Action, Agent, Code, Context, Failure, Kind, Outcome, Parameter};
use crate::state::{self, StateFile};

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "Dummy",
    stands_in_for: &["heartbeat", "pacemaker"],
    short: "A resource that does nothing",
    long: "Keeps a file while it runs. For trying out configurations.",
    parameters: &[
        Parameter {
            name: "state",
            unique: true,
            short: "State file",
            long: "Is there while the resource runs. Default: a file for each instance.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "fake",
            reloadable: true,
            default: Some("dummy"),
            short: "Anything",
            long: "Can be changed to see what a reload does.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "passwd",
            reloadable: true,
            short: "A secret",
            long: "Is not used; shows how secrets are kept out of listings.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "op_sleep",
            kind: Kind::Time,
            reloadable: true,
            default: Some("0"),
            short: "Time that every action takes",
            long: "Every action but meta-data takes at least this long.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "fail_start_on",
            reloadable: true,
            short: "Node on which it fails to start",
            long: "Starts and migrations to this node fail.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "envfile",
            reloadable: true,
            short: "File for the environment",
            long: "Every call adds its environment to this file.",
            ..Parameter::OPTIONAL
        },
    ],
    actions: &[
        Action::once("start", 20),
        Action::once("stop", 20),
        Action::monitor(20, 10),
        Action::once("reload", 20),
        Action::once("reload-agent", 20),
        Action::once("migrate_to", 20),
        Action::once("migrate_from", 20),
    ],
    run,
};

fn run(context: &Context, action: &str) -> Outcome {
    state::note_environment(context, action)?;
    sleep(context.time("op_sleep"));
    let file = StateFile::new(context, AGENT.name);
    match action {
        "start" | "migrate_from" => {
            if let Some(node) = context.text("fail_start_on")
                && context.meta("on_node") == Some(node)
            {
                let reason = format!("it was told to fail on {node} (\"fail_start_on\")");
                return Err(Failure::new(Code::Error, reason));
            }
            state::simple(&file, "start")
        }
        "stop" | "migrate_to" => state::simple(&file, "stop"),
        _ => state::simple(&file, action),
    }
}
