//! `HealthMemory`: how much memory is left.

use super::{Bad, STATE, act, dampen, judge, limit, read};
use crate::declare::{Action, Agent, Code, Context, Failure, Outcome};

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "HealthMemory",
    stands_in_for: &[],
    short: "Health by available memory",
    long: "Sets #health-memory to yellow or red while less of the memory is available, by the \
           kernel's own estimate, than it should be.",
    parameters: &[
        STATE,
        limit("yellow_limit", "10", "Yellow if less is available"),
        limit("red_limit", "5", "Red if less is available"),
        dampen("5s"),
    ],
    actions: &[
        Action::once("start", 10),
        Action::once("stop", 10),
        Action::monitor(10, 10),
        Action::once("reload-agent", 20),
    ],
    run,
};

fn run(context: &Context, action: &str) -> Outcome {
    act(context, action, AGENT.name, "#health-memory", Bad::Below, |_| {
        let share = available(&read("/proc/meminfo")?).ok_or_else(|| {
            Failure::new(Code::Error, "/proc/meminfo does not say what is available")
        })?;
        Ok((judge(context, share, Bad::Below), String::new()))
    })
}

/// In per cent of all.
fn available(text: &str) -> Option<f64> {
    let number = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(100.0 * number("MemAvailable:")? / number("MemTotal:").filter(|all| *all > 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_all() {
        let share = available("MemTotal:  4000 kB\nMemFree: 1 kB\nMemAvailable:  300 kB\n");
        assert!((share.unwrap() - 7.5).abs() < 1e-9);
        assert_eq!(available("MemTotal: 0 kB\nMemAvailable: 0 kB"), None);
    }
}
