//! Reading and preparing the CIB (O-19 to O-26).

use std::fmt::Display;
use std::fs::File;
use std::io::Read;

use crm_core::cib::schema::validate;
use crm_core::cib::{self, CURRENT_SCHEMA, Element, ParseLimits, upgrade};
use crm_core::rules::Moment;
use crm_core::scheduler::{Recorded, Recorder};

use super::options::Source;
use crate::access;
use crate::compat::exit::Exit;
use crate::sys;

/// Why there is no input: the line for standard error and the exit code.
pub type Refusal = (String, Exit);

/// What was read.
pub struct Snapshot {
    /// The document.
    pub cib: Element,
    /// Its histories, if they were taken out of it.
    pub recorded: Option<Recorded>,
}

/// From this size on, in bytes, a file is worth preparing the heap for.
const LARGE: u64 = 2 << 20;
/// What a run allocates for each byte of a large file, at the most and rounded up.
const GROWTH: u64 = 4;

/// Reads the document and makes it fit for the scheduler. Unless the `whole` document is needed
/// later, histories, the bulk of a large one, become records at once.
///
/// # Errors
/// What is wrong with the source or the document.
pub fn read(source: &Source, whole: bool) -> Result<Snapshot, Refusal> {
    let mut snapshot = match source {
        Source::Live => {
            let cib = access::open().cib();
            let cib = cib.map_err(|error| (error.to_string(), Exit::DISCONNECTED))?;
            Snapshot { cib, recorded: None }
        }
        Source::File(path) => {
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            let size = file.metadata().map_or(0, |m| m.len());
            if size >= LARGE {
                sys::expect_allocations(size.saturating_mul(GROWTH));
            }
            document(path, file, whole)?
        }
        Source::Pipe => document("standard input", std::io::stdin().lock(), whole)?,
    };
    snapshot.cib.child_or_insert("status");
    Ok(snapshot)
}

fn unreadable(name: &str, error: &dyn Display) -> Refusal {
    (format!("{name}: {error}"), Exit::SOFTWARE)
}

fn document(name: &str, source: impl Read, whole: bool) -> Result<Snapshot, Refusal> {
    let limits = ParseLimits::default();
    let (cib, recorded) = if whole {
        (cib::read(source, limits, &mut ()), None)
    } else {
        let mut recorder = Recorder::default();
        let cib = cib::read(source, limits, &mut recorder);
        (cib, Some(recorder.finish()))
    };
    let cib = cib.map_err(|error| unreadable(name, &error))?;
    if cib.name() != "cib" {
        let text = format!("{name}: the document is a <{}>, not a <cib>", cib.name());
        return Err((text, Exit::NO_INPUT));
    }
    let refused = |error: &dyn Display| (format!("{name}: {error}"), Exit::CONFIG);
    let cib = upgrade(&cib).map_err(|error| refused(&error))?;
    // I-19
    let violations = validate(&cib).map_err(|schema| refused(&unknown(&schema)))?;
    if !violations.is_empty() {
        let lines: Vec<String> = violations.iter().map(|v| format!("{name}: {v}")).collect();
        return Err((lines.join("\n"), Exit::CONFIG));
    }
    Ok(Snapshot { cib, recorded })
}

fn unknown(schema: &str) -> String {
    format!("there is no schema '{schema}'; use validate-with=\"{CURRENT_SCHEMA}\"")
}

/// The scheduler's "now", and the line that says so (O-25, O-26).
pub struct Clock {
    /// The time.
    pub now: Moment,
    /// The information line; none if the wall clock is used.
    pub line: Option<String>,
}

/// Picks the clock: what the user set, what the document says, what the wall says.
///
/// # Errors
/// The time that the user set cannot be read.
pub fn clock(cib: &Element, set: Option<&str>, wall: i64) -> Result<Clock, Refusal> {
    let wall = Moment { epoch: wall, offset: 0 };
    if let Some(text) = set {
        let now = Moment::parse(text, wall)
            .ok_or_else(|| (format!("'{text}' is no time of ISO 8601"), Exit::USAGE))?;
        let line = Some(format!("Setting effective cluster time: {text}"));
        return Ok(Clock { now, line });
    }
    match cib.attr("execution-date").and_then(|t| t.parse::<i64>().ok()) {
        Some(epoch) => {
            let date = date_text(epoch);
            let line = Some(format!("Using the original execution date of: {date}"));
            Ok(Clock { now: Moment { epoch, offset: 0 }, line })
        }
        None => Ok(Clock { now: wall, line: None }),
    }
}

fn date_text(epoch: i64) -> String {
    jiff::Timestamp::from_second(epoch)
        .map_or_else(|_| epoch.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::{clock, document};
    use crm_core::cib::parse;

    #[test]
    fn the_documents_own_clock_yields_to_the_users() {
        let cib = parse("<cib execution-date='1623419665'/>").unwrap();
        let own = clock(&cib, None, 0).unwrap();
        let line = "Using the original execution date of: 2021-06-11 13:54:25Z";
        assert_eq!((own.now.epoch, own.line.as_deref()), (1_623_419_665, Some(line)));
        let set = clock(&cib, Some("2020-01-01 00:00:00Z"), 0).unwrap();
        assert_eq!(set.now.epoch, 1_577_836_800);
    }

    #[test]
    fn another_document_is_refused() {
        for whole in [true, false] {
            assert!(document("x", &b"<pacemaker-result/>"[..], whole).is_err());
            assert!(document("x", &b"<cib"[..], whole).is_err());
            assert!(document("x", &b"<cib/>"[..], whole).is_ok());
        }
    }
}
