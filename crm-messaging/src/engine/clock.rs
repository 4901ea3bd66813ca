//! The protocol's time, and the driver's pauses.

use std::time::{Duration, Instant};

use crate::totem::Time;

/// A delay of this length is a pause in any case: on a loaded machine shorter ones are usual.
const LONGEST_DELAY: Duration = Duration::from_millis(50);

/// Time since the start in which this thread ran or could have run.
///
/// A stopped process, a machine without a free processor, a paused virtual machine: nothing that
/// was not heard meanwhile says anything about the others.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    /// When the thread was last known to run, and how long it then wished to sleep.
    seen: Instant,
    asleep: Duration,
    lost: Duration,
    /// A longer delay is a pause.
    delay: Duration,
    pub(super) pauses: u64,
    pub(super) longest: Duration,
}

fn longest_delay(dead_after: Duration) -> Duration {
    (dead_after / 12).min(LONGEST_DELAY)
}

impl Clock {
    /// Begins to count. A pause is what would shift the judgement of silence noticeably.
    pub(super) fn start(dead_after: Duration) -> Clock {
        let now = Instant::now();
        Clock {
            start: now,
            seen: now,
            asleep: Duration::ZERO,
            lost: Duration::ZERO,
            delay: longest_delay(dead_after),
            pauses: 0,
            longest: Duration::ZERO,
        }
    }

    /// Silence is judged after another time from now on.
    pub(super) fn judge_by(&mut self, dead_after: Duration) {
        self.delay = longest_delay(dead_after);
    }

    /// The thread runs: what it took longer than it should have is left out.
    pub(super) fn now(&mut self) -> Time {
        let now = Instant::now();
        let late = now.duration_since(self.seen).saturating_sub(self.asleep);
        if late > self.delay {
            self.lost += late;
            self.pauses += 1;
            self.longest = self.longest.max(late);
        }
        self.seen = now;
        self.asleep = Duration::ZERO;
        Time::since_start(now.duration_since(self.start).saturating_sub(self.lost))
    }

    /// The thread goes to sleep for so long.
    pub(super) fn sleep(&mut self, time: Duration) {
        self.asleep = time;
    }
}
