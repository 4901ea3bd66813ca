//! Times and durations in words.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time as the C library's `ctime` writes it, in the zone of this process.
pub fn ctime(epoch: i64) -> String {
    zoned(epoch, "%a %b %e %H:%M:%S %Y")
}

/// A time with its offset (`Z` for none), as XML output has it.
pub fn offset_time(epoch: i64) -> String {
    let text = zoned(epoch, "%Y-%m-%d %H:%M:%S %:z");
    text.strip_suffix(" +00:00").map_or(text.clone(), |time| format!("{time}Z"))
}

fn zoned(epoch: i64, format: &str) -> String {
    match Timestamp::from_second(epoch) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime(format).to_string(),
        Err(_) => epoch.to_string(),
    }
}

/// A duration in the largest units that fit; exactly one unit stays in the smaller one (O-220).
pub fn duration(ms: i64) -> String {
    let (seconds, rest) = (ms / 1000, ms % 1000);
    if ms <= 1000 {
        return format!("{ms}ms");
    }
    if seconds <= 60 && rest > 0 {
        return format!("{seconds}.{rest:03}s");
    }
    if ms <= 60_000 {
        return format!("{seconds}s");
    }
    let parts = if ms > 86_400_000 {
        vec![(ms / 86_400_000, 'd'), (ms / 3_600_000 % 24, 'h'), (ms / 60_000 % 60, 'm')]
    } else if ms > 3_600_000 {
        vec![(ms / 3_600_000, 'h'), (ms / 60_000 % 60, 'm')]
    } else {
        vec![(ms / 60_000, 'm')]
    };
    let mut text: String =
        parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if seconds % 60 > 0 || rest > 0 {
        let fraction = if rest > 0 { format!(".{rest:03}") } else { String::new() };
        text.push_str(&format!("{}{fraction}s", seconds % 60));
    }
    text
}

/// How long ago `then` is, in its two largest units.
pub fn ago(then: i64, now: i64) -> String {
    let seconds = now.saturating_sub(then).max(0);
    let (d, h, m, s) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, _) => format!("{m}m{s:02}s"),
        (0, _, _) => format!("{h}h{m:02}m"),
        (_, _, _) => format!("{d}d{h:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::{ago, duration};

    #[test]
    fn a_span_has_two_units() {
        let cases = [(5, "5s"), (65, "1m05s"), (7_260, "2h01m"), (90_000, "1d01h"), (-3, "0s")];
        for (seconds, text) in cases {
            assert_eq!(ago(1_000_000 - seconds, 1_000_000), text);
        }
    }

    #[test]
    fn one_whole_unit_stays_in_the_smaller_one() {
        let cases = [
            (33, "33ms"),
            (1000, "1000ms"),
            (1500, "1.500s"),
            (10_000, "10s"),
            (60_000, "60s"),
            (65_000, "1m5s"),
            (3_600_000, "60m"),
            (5_400_000, "1h30m"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
    }
}
