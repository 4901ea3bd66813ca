//! How the CIB writes numbers, truth values and times (scheduler reference, part 1, section 1).

use std::cmp::Ordering;

/// A truth value; `None` if the text is none (I-1).
pub fn parse_bool(text: &str) -> Option<bool> {
    const TRUE: [&str; 5] = ["true", "on", "yes", "y", "1"];
    const FALSE: [&str; 5] = ["false", "off", "no", "n", "0"];
    if TRUE.iter().any(|w| w.eq_ignore_ascii_case(text)) {
        Some(true)
    } else if FALSE.iter().any(|w| w.eq_ignore_ascii_case(text)) {
        Some(false)
    } else {
        None
    }
}

/// True for a true truth value; absent and anything else are false (I-1).
pub fn is_true(text: Option<&str>) -> bool {
    text.and_then(parse_bool) == Some(true)
}

/// A decimal integer with leading white space and sign allowed and anything after it ignored;
/// `None` without digits or out of range (I-2).
pub fn parse_int(text: &str) -> Option<i64> {
    // Nearly all are nothing but digits, and there are millions of them.
    if (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.bytes().fold(0, |number, b| 10 * number + i64::from(b - b'0')));
    }
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let len = digits.bytes().take_while(u8::is_ascii_digit).count();
    if len == 0 {
        return None;
    }
    let sign = usize::from(digits.len() != text.len());
    let number = &text[..sign + len];
    number.strip_prefix('+').unwrap_or(number).parse().ok()
}

/// A count with a minimum (I-3).
pub fn parse_count(text: Option<&str>, minimum: i64) -> u32 {
    let value = text.and_then(parse_int).unwrap_or(minimum);
    u32::try_from(value.clamp(minimum, i64::from(i32::MAX))).unwrap_or(0)
}

/// A time amount in milliseconds; `None` if it is not one (I-6).
pub fn parse_msec(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let len = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    if len == 0 {
        return None;
    }
    let (number, unit) = text.split_at(len);
    let unit = unit.trim_start_matches([' ', '\t']).to_ascii_lowercase();
    let (multiplier, divisor) = match unit.as_str() {
        u if u.starts_with("ms") => (1, 1),
        u if u.starts_with("us") => (1, 1000),
        u if u.starts_with('s') => (1000, 1),
        u if u.starts_with('m') => (60_000, 1),
        u if u.starts_with('h') => (3_600_000, 1),
        u if u.is_empty() || u.starts_with('\n') => (1000, 1),
        _ => return None,
    };
    let value = parse_int(number).or_else(|| number.starts_with('.').then_some(0))?;
    Some(value.saturating_mul(multiplier) / divisor)
}

/// An interval in milliseconds, and whether the text was valid (I-7). Absent = 0.
pub fn parse_interval_checked(text: Option<&str>) -> (u32, bool) {
    let Some(text) = text else { return (0, true) };
    let value = if text.starts_with('P') {
        crate::rules::parse_duration(text).map(|seconds| seconds.saturating_mul(1000))
    } else {
        parse_msec(text)
    };
    match value {
        Some(ms) if ms >= 0 => (u32::try_from(ms).unwrap_or(u32::MAX), true),
        Some(_) | None => (0, false),
    }
}

/// An interval in milliseconds; 0 if absent or invalid (I-7).
pub fn parse_interval(text: Option<&str>) -> u32 {
    parse_interval_checked(text).0
}

/// Compares dot-separated versions; absent is lower than present (I-10).
pub fn compare_versions(a: Option<&str>, b: Option<&str>) -> Ordering {
    let (a, b) = match (a, b) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Less,
        (Some(_), None) => return Ordering::Greater,
        (Some(a), Some(b)) => (a, b),
    };
    let mut left = a.split('.');
    let mut right = b.split('.');
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (x, y) => {
                let field = |text: Option<&str>| text.and_then(parse_int).unwrap_or(0);
                match field(x).cmp(&field(y)) {
                    Ordering::Equal => {}
                    decided => return decided,
                }
            }
        }
    }
}

/// Compares node names: digit runs as numbers, letters without case (I-11).
pub fn compare_names(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let run = |s: &[u8]| s.iter().take_while(|c| c.is_ascii_digit()).count();
                let (la, lb) = (run(a), run(b));
                let value = |s: &[u8]| {
                    let zeros = s.iter().take_while(|c| **c == b'0').count();
                    s[zeros..].to_vec()
                };
                let (va, vb) = (value(&a[..la]), value(&b[..lb]));
                let by_value = va.len().cmp(&vb.len()).then_with(|| va.cmp(&vb));
                match by_value.then(la.cmp(&lb)) {
                    Ordering::Equal => {}
                    decided => return decided,
                }
                a = &a[la..];
                b = &b[lb..];
            }
            (Some(x), Some(y)) => match x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase()) {
                Ordering::Equal => {
                    a = &a[1..];
                    b = &b[1..];
                }
                decided => return decided,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_values_are_words_in_any_case() {
        assert_eq!(parse_bool("YES"), Some(true));
        assert_eq!(parse_bool("oFF"), Some(false));
        assert_eq!(parse_bool("maybe"), None);
        assert!(!is_true(None));
    }

    #[test]
    fn integers_as_c_reads_them() {
        assert_eq!(parse_int(" +12abc"), Some(12));
        assert_eq!(parse_int("-0x1"), Some(0));
        assert_eq!(parse_int("x"), None);
        assert_eq!(parse_int("99999999999999999999"), None);
        assert_eq!(parse_count(Some("99999999999"), 0), 2_147_483_647);
        assert_eq!(parse_count(Some("-3"), 1), 1);
        assert_eq!(parse_count(None, 0), 0);
    }

    #[test]
    fn time_amounts_and_their_units() {
        // I-6
        for (text, ms) in [
            ("10", Some(10_000)),
            ("0.5s", Some(0)),
            ("3min", Some(180_000)),
            ("2 h", Some(7_200_000)),
            ("1500us", Some(1)),
            ("20ms", Some(20)),
            ("1d", None),
            ("", None),
            ("-5", None),
        ] {
            assert_eq!(parse_msec(text), ms, "{text}");
        }
        assert_eq!(parse_interval_checked(Some("P2D")), (86_400_000, true));
        assert_eq!(parse_interval_checked(Some("bad")), (0, false));
        assert_eq!(parse_interval(Some("999999999h")), u32::MAX);
    }

    #[test]
    fn versions_and_names() {
        assert_eq!(compare_versions(Some("3.0.9"), Some("3.0.13")), Ordering::Less);
        assert_eq!(compare_versions(Some("3.1"), Some("3.1.0")), Ordering::Equal);
        assert_eq!(compare_versions(None, Some("0")), Ordering::Less);
        let mut names = ["n10", "N9", "n2", "n07", "n7", "n"];
        names.sort_by(|a, b| compare_names(a, b));
        assert_eq!(names, ["n", "n2", "n7", "n07", "N9", "n10"]);
    }
}
