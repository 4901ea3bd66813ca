//! Times as people type and read them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A time of the epoch in this process's zone.
pub(super) fn local(time_ms: u64) -> String {
    let stamp = i64::try_from(time_ms).ok().and_then(|t| Timestamp::from_millisecond(t).ok());
    match stamp {
        Some(t) => t.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S.%3f").to_string(),
        None => time_ms.to_string(),
    }
}

/// A time in milliseconds of the epoch: `2026-11-20 14:30`, `14:30`, `2026-11-20`, `now`, `today`,
/// `yesterday`, or so long ago: `2h`, `-90m`, `3d`.
///
/// # Errors
/// It is none of these.
pub fn instant(text: &str, now: &Zoned) -> Result<u64, String> {
    let word = text.trim().to_ascii_lowercase();
    let word = word.strip_suffix(" ago").unwrap_or(&word).trim();
    let midnight = |date: Date| date.to_datetime(Time::midnight());
    let civil = match word {
        "now" => Some(now.datetime()),
        "today" => Some(midnight(now.date())),
        "yesterday" => now.date().yesterday().ok().map(midnight),
        other => past(other, now).or_else(|| date_and_time(other, now.date())),
    };
    civil
        .and_then(|c| c.to_zoned(now.time_zone().clone()).ok())
        .and_then(|z| u64::try_from(z.timestamp().as_millisecond()).ok())
        .ok_or_else(|| {
            format!(
                "'{text}' is not a time; expected '2026-11-20 14:30', '14:30', 'yesterday' or how \
                 long ago ('2h', '30m', '3d')"
            )
        })
}

/// So long before now.
fn past(text: &str, now: &Zoned) -> Option<DateTime> {
    let text = text.trim_start_matches('-');
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let number: i64 = text[..end].parse().ok()?;
    let seconds = match text[end..].trim() {
        "s" | "sec" | "seconds" => 1,
        "m" | "min" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return None,
    };
    let span = jiff::SignedDuration::from_secs(number.checked_mul(seconds)?);
    now.checked_sub(span).ok().map(|z| z.datetime())
}

fn date_and_time(text: &str, today: Date) -> Option<DateTime> {
    let text = text.replace('/', "-").replace('t', " ");
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (Some(date), Some(time.trim())),
        None if text.contains(':') => (None, Some(text.as_str())),
        None => (Some(text.as_str()), None),
    };
    let date: Date = match date {
        Some(d) => d.parse().ok()?,
        None => today,
    };
    let time = match time {
        None => Time::midnight(),
        Some(t) => {
            let full = if t.matches(':').count() == 1 { format!("{t}:00") } else { t.to_string() };
            let full = if full.find(':') == Some(1) { format!("0{full}") } else { full };
            full.parse().ok()?
        }
    };
    Some(date.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn times_are_read_as_people_type_them() {
        let now: jiff::Zoned = "2026-11-21T03:00:00+00:00[UTC]".parse().unwrap();
        let cases = [
            ("2026-11-20 14:30", "2026-11-20T14:30:00Z"),
            ("2026-11-20T14:30:05", "2026-11-20T14:30:05Z"),
            ("2026/11/20", "2026-11-20T00:00:00Z"),
            ("2:15", "2026-11-21T02:15:00Z"),
            ("-2h", "2026-11-21T01:00:00Z"),
            ("30m ago", "2026-11-21T02:30:00Z"),
            ("yesterday", "2026-11-20T00:00:00Z"),
            ("now", "2026-11-21T03:00:00Z"),
        ];
        for (text, wanted) in cases {
            let wanted: jiff::Timestamp = wanted.parse().unwrap();
            let found = instant(text, &now).unwrap();
            assert_eq!(i64::try_from(found), Ok(wanted.as_millisecond()), "{text}");
        }
        for text in ["", "soon", "25:00", "2026-13-01", "5", "h", "99999999999999999999d"] {
            assert!(instant(text, &now).is_err(), "{text}");
        }
    }
}
