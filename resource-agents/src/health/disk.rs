//! `HealthDisk`: how much room is left in file systems.

use nix::sys::statvfs::statvfs;

use super::{Bad, STATE, act, dampen, judge, limit};
use crate::declare::{Action, Agent, Code, Context, Failure, Outcome, Parameter};

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "HealthDisk",
    stands_in_for: &[],
    short: "Health by free disk space",
    long: "Sets #health-disk to yellow or red while one of some file systems has less free space \
           or fewer free inodes than it should have.",
    parameters: &[
        Parameter {
            name: "paths",
            default: Some("/"),
            reloadable: true,
            short: "Where to look",
            long: "A path in each file system, separated by spaces.",
            ..Parameter::OPTIONAL
        },
        STATE,
        limit("yellow_limit", "10", "Yellow if less is free"),
        limit("red_limit", "5", "Red if less is free"),
        dampen("5s"),
    ],
    actions: &[
        Action::once("start", 10),
        Action::once("stop", 10),
        Action::monitor(10, 60),
        Action::once("reload-agent", 20),
    ],
    run,
};

fn run(context: &Context, action: &str) -> Outcome {
    let paths = || context.text("paths").unwrap_or_default().split_whitespace();
    if action == "validate-all" {
        for path in paths() {
            free(path).map_err(|why| Failure::new(Code::Args, why))?;
        }
    }
    act(context, action, AGENT.name, "#health-disk", Bad::Below, |_| {
        let mut least = 100.0_f64;
        for path in paths() {
            // A file system that cannot be asked is as bad as a full one.
            least = least.min(free(path).unwrap_or(-1.0));
        }
        Ok((judge(context, least, Bad::Below), String::new()))
    })
}

/// What is free for everybody, in per cent: space or inodes, whichever is less.
fn free(path: &str) -> Result<f64, String> {
    let room = statvfs(path).map_err(|error| format!("{path}: {error}"))?;
    // Numbers of blocks fit a float well enough for per cents.
    #[allow(clippy::cast_precision_loss)]
    let share =
        |free: u64, all: u64| if all == 0 { 100.0 } else { 100.0 * free as f64 / all as f64 };
    let used = room.blocks() - room.blocks_free();
    let space = share(room.blocks_available(), used + room.blocks_available());
    Ok(space.min(share(room.files_available(), room.files())))
}
