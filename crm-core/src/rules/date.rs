//! Points in time and spans of it, as ISO 8601 writes them and as the peers read it
//! (scheduler reference, part 1, sections 17 and 18).

use jiff::Span;
use jiff::civil::Date;

use crate::scalar::parse_int;

const DAY: i64 = 86_400;

/// A point in time and the zone in which its calendar fields are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub epoch: i64,
    /// Seconds east of UTC.
    pub offset: i32,
}

impl Moment {
    /// Reads a date, a time or both (I-208, I-209). `now` gives today and the local zone.
    pub fn parse(text: &str, now: Moment) -> Option<Moment> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("epoch") {
            return Some(Moment { epoch: 0, offset: 0 });
        }
        if text.starts_with('T') || text.as_bytes().get(2) == Some(&b':') {
            let today = now.civil()?.0;
            return at(today, text.strip_prefix('T').unwrap_or(text), text, now);
        }
        let split = text.find(['T', ' ']).unwrap_or(text.len());
        let date = parse_date(&text[..split])?;
        match text.get(split + 1..) {
            None => Some(Moment { epoch: days(date) * DAY, offset: 0 }),
            Some(time) => at(date, time, text, now),
        }
    }

    /// The date and the second of the day, in this moment's zone.
    pub fn civil(self) -> Option<(Date, i64)> {
        let local = self.epoch.checked_add(i64::from(self.offset))?;
        let date = from_days(local.div_euclid(DAY))?;
        Some((date, local.rem_euclid(DAY)))
    }
}

fn at(date: Date, time: &str, whole: &str, now: Moment) -> Option<Moment> {
    let mut words = time.split(' ').filter(|w| !w.is_empty());
    let seconds = parse_time(words.next()?)?;
    let offset = if whole.contains(['Z', 'z']) {
        0
    } else {
        match words.next() {
            Some(zone) => parse_zone(zone)?,
            None => now.offset,
        }
    };
    Some(Moment { epoch: days(date) * DAY + seconds - i64::from(offset), offset })
}

/// `HH:MM[:SS]` or `HHMM[SS]`, anything after it ignored; seconds of the day.
fn parse_time(text: &str) -> Option<i64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(text.len());
    let text = &text[..end];
    let fields: Vec<i64> = if text.contains(':') {
        text.split(':').map(parse_int).collect::<Option<_>>()?
    } else {
        let pair = |from: usize| text.get(from..from + 2).and_then(parse_int);
        match text.len() {
            4 => vec![pair(0)?, pair(2)?],
            6 => vec![pair(0)?, pair(2)?, pair(4)?],
            _ => return None,
        }
    };
    let (hour, minute, second) = match fields[..] {
        [h, m] => (h, m, 0),
        [h, m, s] => (h, m, s),
        _ => return None,
    };
    let valid = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    let past_midnight = hour == 24 && (minute, second) != (0, 0);
    (valid && !past_midnight).then_some(hour * 3600 + minute * 60 + second)
}

fn parse_zone(text: &str) -> Option<i32> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut fields = text[1..].split(':');
    let first = fields.next()?;
    let (hours, minutes) = match (fields.next(), first.len()) {
        (Some(minutes), _) => (parse_int(first)?, parse_int(minutes)?),
        (None, 4) => (parse_int(first.get(..2)?)?, parse_int(first.get(2..)?)?),
        (None, _) => (parse_int(first)?, 0),
    };
    let valid = (0..=24).contains(&hours) && (0..60).contains(&minutes);
    valid.then(|| i32::try_from(hours * 3600 + minutes * 60).ok().map(|s| s * sign)).flatten()
}

fn parse_date(text: &str) -> Option<Date> {
    let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()).then(|| parse_int(s)).flatten();
    let fields: Vec<&str> = text.split('-').collect();
    match fields[..] {
        [all] if all.len() == 8 => {
            ymd(number(all.get(..4)?)?, number(all.get(4..6)?)?, number(all.get(6..)?)?)
        }
        [year, day] if day.len() == 3 => {
            let first = ymd(number(year)?, 1, 1)?;
            let day = number(day)?;
            let fits = (1..=i64::from(first.days_in_year())).contains(&day);
            fits.then(|| from_days(days(first) + day - 1)).flatten()
        }
        [year, week, day] if week.starts_with('W') => {
            let (year, week, day) = (number(year)?, number(&week[1..])?, number(day)?);
            let iso = jiff::civil::ISOWeekDate::new(
                i16::try_from(year).ok()?,
                i8::try_from(week).ok()?,
                jiff::civil::Weekday::from_monday_one_offset(i8::try_from(day).ok()?).ok()?,
            );
            iso.ok().map(jiff::civil::ISOWeekDate::date)
        }
        [year, month, day] => ymd(number(year)?, number(month)?, number(day)?),
        _ => None,
    }
}

fn ymd(year: i64, month: i64, day: i64) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Days since 1970-01-01.
fn days(date: Date) -> i64 {
    date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| i64::from(span.get_days()))
}

fn from_days(days: i64) -> Option<Date> {
    let span = Span::new().try_days(days).ok()?;
    jiff::civil::date(1970, 1, 1).checked_add(span).ok()
}

/// An ISO 8601 duration as an interval in seconds; `None` if it is none (I-211). The reduction
/// of years, months and days is the peers', odd as it is.
pub fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix('P')?;
    if rest.is_empty() {
        return None;
    }
    let (mut years, mut months, mut day_count, mut time) = (0i64, 0i64, 0i64, 0i64);
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            in_time = true;
            rest = after;
            continue;
        }
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 {
            return None;
        }
        let number: i64 = rest[..len].parse().ok()?;
        let unit = rest[len..].chars().next()?;
        let slot = match (unit, in_time) {
            ('Y', _) => &mut years,
            ('M', false) => &mut months,
            ('W', _) => {
                day_count = day_count.checked_add(number.checked_mul(7)?)?;
                rest = &rest[len + 1..];
                continue;
            }
            ('D', _) => &mut day_count,
            ('H' | 'M' | 'S', _) => {
                let factor = match unit {
                    'H' => 3600,
                    'M' => 60,
                    _ => 1,
                };
                time = time.checked_add(number.checked_mul(factor)?)?;
                rest = &rest[len + 1..];
                continue;
            }
            _ => return None,
        };
        *slot = slot.checked_add(number)?;
        rest = &rest[len + 1..];
    }
    let year_days = (1..years.clamp(1, 9999))
        .fold(0, |sum, year| sum + ymd(year, 1, 1).map_or(365, |d| i64::from(d.days_in_year())));
    let whole = year_days + months.checked_mul(30)? + (day_count - 1).max(0);
    whole.checked_mul(DAY)?.checked_add(time)
}

/// Calendar and clock amounts of a `duration` element (I-204).
#[derive(Clone, Debug, Default)]
pub struct Amounts {
    /// Years, months, weeks, days, hours, minutes, seconds, in the order they are added.
    pub fields: [i64; 7],
}

impl Amounts {
    /// Names of the fields in XML.
    pub const NAMES: [&str; 7] =
        ["years", "months", "weeks", "days", "hours", "minutes", "seconds"];

    /// Adds the amounts; `None` if that leaves the calendar.
    pub fn add_to(&self, start: Moment) -> Option<Moment> {
        let [years, months, weeks, day_count, hours, minutes, seconds] = self.fields;
        let (mut date, second) = start.civil()?;
        if years != 0 {
            // The day of the year stays, so later days move by one around a leap day.
            let year = i64::from(date.year()).checked_add(years)?;
            let first = ymd(year, 1, 1)?;
            date = from_days(days(first) + i64::from(date.day_of_year()) - 1)?;
        }
        if months != 0 {
            date = date.checked_add(Span::new().try_months(months).ok()?).ok()?;
        }
        let more = weeks.checked_mul(7)?.checked_add(day_count)?;
        date = date.checked_add(Span::new().try_days(more).ok()?).ok()?;
        let clock =
            hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?;
        let local = (days(date) * DAY).checked_add(second)?.checked_add(clock)?;
        Some(Moment { epoch: local - i64::from(start.offset), offset: start.offset })
    }
}

/// A `date_spec` element: each field that is given must match (I-205).
#[derive(Clone, Debug, Default)]
pub struct DateSpec {
    /// Field number (as in [`DateSpec::NAMES`]) and the inclusive range it must be in.
    pub ranges: Vec<(usize, i64, i64)>,
}

impl DateSpec {
    /// Names of the fields in XML.
    pub const NAMES: [&str; 11] = [
        "years",
        "months",
        "monthdays",
        "hours",
        "minutes",
        "seconds",
        "yeardays",
        "weekyears",
        "weeks",
        "weekdays",
        "moon",
    ];

    /// Adds the range of a field; one that cannot be read is left out.
    pub fn add(&mut self, field: usize, text: &str) {
        if let Some((low, high)) = parse_range(text) {
            self.ranges.push((field, low, high));
        }
    }

    /// True if every field matches.
    pub fn matches(&self, now: Moment) -> bool {
        let Some((date, second)) = now.civil() else { return false };
        let iso = date.iso_week_date();
        self.ranges.iter().all(|&(field, low, high)| {
            let value = match Self::NAMES[field] {
                "years" => i64::from(date.year()),
                "months" => i64::from(date.month()),
                "monthdays" => i64::from(date.day()),
                "hours" => second / 3600,
                "minutes" => second / 60 % 60,
                "seconds" => second % 60,
                "yeardays" => i64::from(date.day_of_year()),
                "weekyears" => i64::from(iso.year()),
                "weeks" => i64::from(iso.week()),
                "weekdays" => i64::from(date.weekday().to_monday_one_offset()),
                _ => moon_phase(i64::from(date.year()), i64::from(date.day_of_year())),
            };
            (low..=high).contains(&value)
        })
    }
}

/// I-206
fn moon_phase(year: i64, year_day: i64) -> i64 {
    let golden = year.rem_euclid(19) + 1;
    let mut epact = (11 * golden + 18) % 30;
    if (epact == 25 && golden > 11) || epact == 24 {
        epact += 1;
    }
    ((((year_day + epact) * 6 + 11) % 177) / 22) & 7
}

pub(super) fn parse_range(text: &str) -> Option<(i64, i64)> {
    match text.split_once('-') {
        None => parse_int(text).map(|n| (n, n)),
        Some(("", high)) => Some((i64::MIN, parse_int(high)?)),
        Some((low, "")) => Some((parse_int(low)?, i64::MAX)),
        Some((low, high)) => Some((parse_int(low)?, parse_int(high)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTC: Moment = Moment { epoch: 1_000_000, offset: 0 };

    fn epoch(text: &str) -> Option<i64> {
        Moment::parse(text, UTC).map(|m| m.epoch)
    }

    #[test]
    fn dates_of_every_form() {
        // I-208
        let day = Some(1_456_704_000);
        assert_eq!(epoch("2016-02-29"), day);
        assert_eq!(epoch("20160229"), day);
        assert_eq!(epoch("2016-060"), day);
        assert_eq!(epoch("2016-W09-1"), day);
        assert_eq!(epoch("Epoch"), Some(0));
        for bad in ["2015-02-29", "2016-13-01", "2016-367", "2016-W54-1", "2016-W01-8", "x", ""] {
            assert_eq!(epoch(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_and_zones() {
        // I-209
        assert_eq!(epoch("1970-01-01 01:00:01"), Some(3601));
        assert_eq!(epoch("1970-01-01T0100"), Some(3600));
        assert_eq!(epoch("1970-01-01T24:00:00"), Some(86_400));
        assert_eq!(epoch("1970-01-01 10:00:00 +02:00"), Some(8 * 3600));
        let east = Moment { epoch: 0, offset: 3600 };
        let read = |text| Moment::parse(text, east).map(|m| m.epoch);
        assert_eq!(read("1970-01-01T10:00:00Z"), Some(36_000));
        assert_eq!(read("1970-01-01T10:00:00"), Some(32_400));
        assert_eq!(read("1970-01-01T10:00:00+05:00"), Some(32_400), "attached: not recognised");
        assert_eq!(read("1970-01-02"), Some(86_400), "no time: UTC");
        assert_eq!(read("12:00"), Some(11 * 3600));
        assert_eq!(read("1970-01-01T25:00:00"), None);
    }

    #[test]
    fn durations_reduce_as_the_peers_do() {
        // I-211
        for (text, seconds) in [
            ("P1D", Some(0)),
            ("P2D", Some(86_400)),
            ("P1W", Some(6 * 86_400)),
            ("P1M", Some(30 * 86_400)),
            ("P1Y", Some(0)),
            ("P2Y", Some(365 * 86_400)),
            ("PT1H30M", Some(5400)),
            ("P", None),
            ("P5", None),
            ("P1.5D", None),
            ("PT5X", None),
        ] {
            assert_eq!(parse_duration(text), seconds, "{text}");
        }
    }

    #[test]
    fn amounts_keep_the_day_where_they_can() {
        // I-204
        let start = Moment::parse("2004-12-31 00:00:00Z", UTC).unwrap();
        let add = |fields| Amounts { fields }.add_to(start).unwrap().civil().unwrap().0;
        assert_eq!(add([0, 2, 0, 0, 0, 0, 0]), jiff::civil::date(2005, 2, 28));
        assert_eq!(add([1, 0, 0, 0, 0, 0, 0]), jiff::civil::date(2006, 1, 1));
        assert_eq!(add([0, 0, 1, 1, 0, 0, 0]), jiff::civil::date(2005, 1, 8));
    }

    #[test]
    fn specs_match_inclusively() {
        // I-205; 2005-10-21 was a Friday in ISO week 42, day 294.
        let now = Moment::parse("2005-10-21 16:30:15Z", UTC).unwrap();
        let holds = |field: &str, text: &str| {
            let mut spec = DateSpec::default();
            spec.add(DateSpec::NAMES.iter().position(|n| *n == field).unwrap(), text);
            spec.matches(now)
        };
        assert!(holds("years", "2005") && holds("hours", "9-16") && holds("weekdays", "5"));
        assert!(holds("weeks", "42-") && holds("yeardays", "-294") && holds("monthdays", "x"));
        assert!(!holds("hours", "9-15") && !holds("months", "11-") && !holds("seconds", "16"));
        assert!(DateSpec::default().matches(now));
    }
}
