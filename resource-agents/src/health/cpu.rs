//! `HealthCPU` and `HealthIOWait`: how busy the processors are, and how long they wait for disks.

use std::thread::sleep;
use std::time::Duration;

use super::{Bad, STATE, act, dampen, judge, limit, read};
use crate::declare::{Action, Agent, Context, Failure, Outcome};

/// Where there is no earlier look, the time between two.
const BETWEEN: Duration = Duration::from_millis(500);

const ACTIONS: &[Action] = &[
    Action::once("start", 10),
    Action::once("stop", 10),
    Action::monitor(10, 10),
    Action::once("reload-agent", 20),
];

/// The declaration of `HealthCPU`.
pub const CPU: Agent = Agent {
    name: "HealthCPU",
    stands_in_for: &["pacemaker"],
    short: "Health by idle processor time",
    long: "Sets #health-cpu to yellow or red while the processors are idle for too little of the \
           time since the last look.",
    parameters: &[
        STATE,
        limit("yellow_limit", "50", "Yellow if idle for less"),
        limit("red_limit", "10", "Red if idle for less"),
        dampen("30s"),
    ],
    actions: ACTIONS,
    run: cpu,
};

/// The declaration of `HealthIOWait`.
pub const IO_WAIT: Agent = Agent {
    name: "HealthIOWait",
    stands_in_for: &["pacemaker"],
    short: "Health by waiting for disks",
    long: "Sets #health-iowait to yellow or red while the processors wait for disks for too much \
           of the time since the last look.",
    parameters: &[
        STATE,
        limit("yellow_limit", "10", "Yellow if waiting for more"),
        limit("red_limit", "15", "Red if waiting for more"),
        dampen("5s"),
    ],
    actions: ACTIONS,
    run: io_wait,
};

fn cpu(context: &Context, action: &str) -> Outcome {
    act(context, action, CPU.name, "#health-cpu", Bad::Below, |last| {
        let (share, note) = measure(last)?;
        Ok((judge(context, share.idle, Bad::Below), note))
    })
}

fn io_wait(context: &Context, action: &str) -> Outcome {
    act(context, action, IO_WAIT.name, "#health-iowait", Bad::Above, |last| {
        let (share, note) = measure(last)?;
        Ok((judge(context, share.waiting, Bad::Above), note))
    })
}

/// Ticks since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    all: u64,
    idle: u64,
    waiting: u64,
}

/// Shares in per cent.
struct Share {
    idle: f64,
    waiting: f64,
}

impl Ticks {
    /// The first line of `/proc/stat`, or what [`Ticks::note`] wrote.
    fn read(text: &str) -> Option<Self> {
        let words = text.lines().next()?.split_whitespace().skip(1);
        // Guests' time, from the ninth on, is in the users' already.
        let numbers: Vec<u64> = words.take(8).map_while(|word| word.parse().ok()).collect();
        let (idle, waiting) = (*numbers.get(3)?, *numbers.get(4)?);
        Some(Self { all: numbers.iter().sum(), idle, waiting })
    }

    fn note(self) -> String {
        let busy = self.all.saturating_sub(self.idle + self.waiting);
        format!("cpu {busy} 0 0 {} {}\n", self.idle, self.waiting)
    }

    fn since(self, earlier: Self) -> Option<Share> {
        let all = self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        // Ticks fit a float exactly for millions of years.
        #[allow(clippy::cast_precision_loss)]
        let share = |now: u64, then: u64| 100.0 * now.saturating_sub(then) as f64 / all as f64;
        Some(Share {
            idle: share(self.idle, earlier.idle),
            waiting: share(self.waiting, earlier.waiting),
        })
    }
}

fn measure(last: &str) -> Result<(Share, String), Failure> {
    let look = || read("/proc/stat").map(|text| Ticks::read(&text));
    let earlier = match Ticks::read(last) {
        Some(earlier) => Some(earlier),
        None => {
            let first = look()?;
            sleep(BETWEEN);
            first
        }
    };
    let now = look()?;
    let share = now.zip(earlier).and_then(|(now, earlier)| now.since(earlier));
    // Two looks in the same tick say nothing: as if it were idle.
    let share = share.unwrap_or(Share { idle: 100.0, waiting: 0.0 });
    Ok((share, now.map_or(String::new(), Ticks::note)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_between_two_looks() {
        let then = Ticks::read("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1").unwrap();
        assert_eq!(Ticks::read(&then.note()), Some(then));
        let now = Ticks::read("cpu  150 0 125 710 115 0 0 0 99 0").unwrap();
        let share = now.since(then).unwrap();
        assert!((share.idle - 10.0).abs() < 1e-9 && (share.waiting - 15.0).abs() < 1e-9);
        assert!(then.since(then).is_none() && then.since(now).is_none());
        assert_eq!(Ticks::read(""), None);
    }
}
