//! From an event of the controller to calls of alert agents.

use std::path::PathBuf;
use std::time::Duration;

use crm_core::alerts::{Recipient, Subject, recipients};
use crm_core::cib::Element;
use crm_core::rules::Moment;
use crm_lrm::alerts::{AlertEvent, AlertTarget};
use jiff::Zoned;

use crate::controller::AlertNews;

/// `timestamp-format` unless configured (as Pacemaker).
const TIMESTAMP: &str = "%H:%M:%S.%06N";

/// The calls that an event asks for, with the time at which it happened.
pub fn calls(cib: &Element, news: &AlertNews, at: &Zoned) -> Vec<(AlertTarget, AlertEvent)> {
    let subject = match news.get("kind").map(String::as_str) {
        Some("node") => Subject::Node,
        Some("fencing") => Subject::Fencing,
        Some("attribute") => {
            Subject::Attribute(news.get("attribute_name").map_or("", String::as_str))
        }
        _ => Subject::Resource,
    };
    let now = Moment { epoch: at.timestamp().as_second(), offset: at.offset().seconds() };
    recipients(cib, &subject, now).into_iter().map(|r| call(r, news, at)).collect()
}

fn call(recipient: Recipient, news: &AlertNews, at: &Zoned) -> (AlertTarget, AlertEvent) {
    let mut event = news.clone();
    let format = recipient.timestamp_format.as_deref().unwrap_or(TIMESTAMP);
    let time = timestamp(format, at).or_else(|| timestamp(TIMESTAMP, at)).unwrap_or_default();
    event.insert("timestamp", time);
    event.insert("timestamp_epoch", at.timestamp().as_second().to_string());
    event.insert("timestamp_usec", (at.subsec_nanosecond() / 1000).to_string());
    let target = AlertTarget {
        id: recipient.id,
        path: PathBuf::from(recipient.path),
        recipient: recipient.value,
        timeout: Duration::from_millis(recipient.timeout_ms.into()),
        params: recipient.params,
    };
    (target, event)
}

/// A time in the notation of `date`: `%N`, with an optional width of up to nine digits, is the
/// fraction of the second. `None` if the format cannot be understood.
fn timestamp(format: &str, at: &Zoned) -> Option<String> {
    let nanoseconds = format!("{:09}", at.subsec_nanosecond());
    let mut plain = String::with_capacity(format.len());
    let mut rest = format;
    while let Some(start) = rest.find('%') {
        plain.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if let Some(next) = after[digits..].strip_prefix('N') {
            let width = after[..digits].parse().unwrap_or(9).clamp(1, 9);
            plain.push_str(&nanoseconds[..width]);
            rest = next;
        } else {
            // Two characters at a time, so that "%%N" stays what it is.
            let end = after.char_indices().nth(1).map_or(after.len(), |(at, _)| at);
            plain.push('%');
            plain.push_str(&after[..end]);
            rest = &after[end..];
        }
    }
    plain.push_str(rest);
    jiff::fmt::strtime::format(&plain, at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time() -> Zoned {
        "2026-11-21T02:03:04.005006007+00:00[UTC]".parse().unwrap()
    }

    #[test]
    fn times_are_written_as_date_does() {
        for (format, wanted) in [
            (TIMESTAMP, "02:03:04.005006"),
            ("%Y-%m-%d %3N", "2026-11-21 005"),
            ("%N", "005006007"),
            ("%%N %s", "%N 1795226584"),
            ("at noon", "at noon"),
        ] {
            assert_eq!(timestamp(format, &time()).as_deref(), Some(wanted), "{format}");
        }
        assert_eq!(timestamp("%!", &time()), None);
    }

    #[test]
    fn a_call_has_the_time_of_its_event_in_every_form() {
        let cib = crm_core::cib::parse(
            "<cib><configuration><alerts><alert id='a' path='/p'><meta_attributes id='m'>\
             <nvpair id='n' name='timestamp-format' value='%!'/></meta_attributes>\
             </alert></alerts></configuration></cib>",
        )
        .unwrap();
        let news = AlertNews::from([("kind", "node".to_owned())]);
        let (target, event) = calls(&cib, &news, &time()).remove(0);
        assert_eq!((target.recipient, target.timeout), (None, Duration::from_secs(30)));
        let text: Vec<_> = event.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let wanted = "kind=node timestamp=02:03:04.005006 timestamp_epoch=1795226584 \
                      timestamp_usec=5006";
        assert_eq!(text.join(" "), wanted, "a format that is none falls back to the default");
    }
}
