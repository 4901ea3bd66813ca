//! Agents that tell how well the node is: what they have in common.

use std::io::Write as _;

use crate::attribute::{self, Colour};
use crate::declare::{Code, Context, Failure, Kind, Outcome, Parameter};
use crate::state::{self, StateFile};

pub mod cpu;
pub mod disk;
pub mod memory;

/// The state file.
const STATE: Parameter = Parameter {
    name: "state",
    unique: true,
    short: "State file",
    long: "Is there while it runs. Default: a file for each instance.",
    ..Parameter::OPTIONAL
};

/// A limit in per cent.
const fn limit(name: &'static str, default: &'static str, short: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Integer(0, 100),
        reloadable: true,
        default: Some(default),
        short,
        long: "In per cent.",
        ..Parameter::OPTIONAL
    }
}

/// After which time a change is passed on.
const fn dampen(default: &'static str) -> Parameter {
    Parameter {
        name: "dampen",
        kind: Kind::Time,
        reloadable: true,
        default: Some(default),
        short: "Dampening",
        long: "Changes are passed on after this time.",
        ..Parameter::OPTIONAL
    }
}

/// On which side of a limit it is bad.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bad {
    Below,
    Above,
}

/// The colour of a value in per cent.
fn judge(context: &Context, value: f64, bad: Bad) -> Colour {
    // Limits are small numbers.
    #[allow(clippy::cast_precision_loss)]
    let over = |name: &str| match bad {
        Bad::Below => value < context.integer(name) as f64,
        Bad::Above => value > context.integer(name) as f64,
    };
    match (over("red_limit"), over("yellow_limit")) {
        (true, _) => Colour::Red,
        (false, true) => Colour::Yellow,
        (false, false) => Colour::Green,
    }
}

/// Everything but the measurement, which gets what it left in the state file last time and gives
/// what it wants to find there next time.
fn act(
    context: &Context,
    action: &str,
    agent: &str,
    name: &str,
    bad: Bad,
    measure: impl FnOnce(&str) -> Result<(Colour, String), Failure>,
) -> Outcome {
    let (yellow, red) = (context.integer("yellow_limit"), context.integer("red_limit"));
    if (bad == Bad::Below && red > yellow) || (bad == Bad::Above && red < yellow) {
        let reason = format!("it would be red ({red}) before it is yellow ({yellow})");
        // Odd, and the original takes it.
        let _ = writeln!(std::io::stderr(), "WARNING: {reason}");
    }
    let file = StateFile::new(context, agent);
    match action {
        "start" => match file.read()? {
            Some(_) => Ok(Code::Ok),
            None => state::simple(&file, action),
        },
        "monitor" => {
            let Some(last) = file.read()? else { return Ok(Code::NotRunning) };
            let (colour, note) = measure(&last)?;
            file.write(&note)?;
            attribute::set(context, name, colour.name());
            Ok(Code::Ok)
        }
        "stop" => {
            if file.read()?.is_some() {
                // Nobody looks any more: an old colour would stay for ever.
                attribute::delete(context, name);
            }
            state::simple(&file, action)
        }
        _ => Ok(Code::Ok),
    }
}

/// A file of the kernel.
fn read(path: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Code::Error, format!("{path}: {error}")))
}
