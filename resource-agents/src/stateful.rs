//! `Stateful`: a resource with two roles that does nothing else. For tests and examples.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::declare::{Action, Agent, Code, Context, Failure, Kind, Outcome, Parameter};
use crate::state::{self, StateFile};

/// How much an instance that only runs wants to be promoted.
const SCORE_UNPROMOTED: &str = "5";
/// How much a promoted instance wants to stay so.
const SCORE_PROMOTED: &str = "10";

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "Stateful",
    stands_in_for: &["pacemaker"],
    short: "A resource with roles that does nothing",
    long: "Keeps a file with its role while it runs, and asks to be promoted. For trying out \
           promotable clones.",
    parameters: &[
        Parameter {
            name: "state",
            unique: true,
            short: "State file",
            long: "Holds the role while the resource runs. Default: a file for each instance.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "envfile",
            reloadable: true,
            short: "File for the environment",
            long: "Every call adds its environment to this file.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "notify_delay",
            kind: Kind::Time,
            reloadable: true,
            default: Some("0"),
            short: "Time that a notification takes",
            long: "Seconds, or a time with a unit.",
            ..Parameter::OPTIONAL
        },
    ],
    actions: &[
        Action::once("start", 20),
        Action::once("stop", 20),
        Action::monitor_role(20, 10, "Promoted"),
        Action::monitor_role(20, 11, "Unpromoted"),
        Action::once("promote", 10),
        Action::once("demote", 10),
        Action::once("notify", 5),
        Action::once("reload-agent", 10),
    ],
    run,
};

fn run(context: &Context, action: &str) -> Outcome {
    state::note_environment(context, action)?;
    if action == "notify" {
        std::thread::sleep(context.time("notify_delay"));
    }
    let file = StateFile::new(context, AGENT.name);
    let role = role(&file)?;
    match (action, role) {
        ("start", Code::RunningPromoted) => {
            Err(Failure::new(Code::Error, "it runs already, and is promoted"))
        }
        ("start", _) | ("demote", Code::RunningPromoted | Code::Ok) => {
            become_role(context, &file, "unpromoted", SCORE_UNPROMOTED)
        }
        ("promote", Code::RunningPromoted | Code::Ok) => {
            become_role(context, &file, "promoted", SCORE_PROMOTED)
        }
        ("promote" | "demote", _) => Err(Failure::new(Code::NotRunning, "it is not running")),
        ("stop", _) => {
            file.remove()?;
            promotion_score(context, &["-D"]);
            Ok(Code::Ok)
        }
        ("monitor", role) => {
            // Asked again each time: the attribute may have been cleaned up.
            match role {
                Code::RunningPromoted => promotion_score(context, &["-v", SCORE_PROMOTED]),
                Code::Ok => promotion_score(context, &["-v", SCORE_UNPROMOTED]),
                _ => {}
            }
            Ok(role)
        }
        _ => Ok(Code::Ok),
    }
}

fn role(file: &StateFile) -> Result<Code, Failure> {
    match file.read()?.as_deref().map(str::trim) {
        None => Ok(Code::NotRunning),
        Some("promoted") => Ok(Code::RunningPromoted),
        Some("unpromoted") => Ok(Code::Ok),
        Some(other) => {
            let reason = format!("the state file says \"{other}\", which is no role");
            Err(Failure::new(Code::Error, reason))
        }
    }
}

fn become_role(context: &Context, file: &StateFile, role: &str, score: &str) -> Outcome {
    file.write(role)?;
    promotion_score(context, &["-v", score]);
    Ok(Code::Ok)
}

/// Sets or deletes the promotion score of this instance. Without a cluster there is nobody to
/// tell, and the action is as good as without.
fn promotion_score(context: &Context, arguments: &[&str]) {
    let directory = context.variable("HA_SBIN_DIR").unwrap_or("/usr/sbin");
    let status = Command::new(Path::new(directory).join("crm_master"))
        .args(["-Q", "-l", "reboot"])
        .args(arguments)
        .env_clear()
        .envs(context.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "WARNING: the promotion score could not be set");
    }
}
