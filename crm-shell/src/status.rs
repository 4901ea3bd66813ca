//! `status`: the cluster at a glance, and with options the forms of `crm_mon`.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use crm_core::cib::Element;
use crm_messaging::proto::{Event, EventQuery};

use crate::access::Access;
use crate::compat::console::Collected;
use crate::compat::{mon, simulate};
use crate::overview::{self, Happening, Look, Overview, Seen};
use crate::session::{Failure, Outcome, Session};

/// `crm status`: without options the overview; with crmsh's words for options, what `crm_mon`
/// shows.
///
/// # Errors
/// An option is not known, or the CIB cannot be read.
pub fn print(session: &mut Session, words: &[String]) -> Outcome {
    if let [word] = words
        && matches!(word.as_str(), "--watch" | "watch" | "-w")
    {
        if !session.printer.fancy {
            let text = "status --watch needs a terminal; 'crm status' prints once";
            return Err(text.into());
        }
        return overview::watch::run(session);
    }
    if words.is_empty() {
        let overview = look_at(session)?;
        if session.printer.json {
            return session.printer.print_json(&overview);
        }
        let fancy = session.printer.fancy;
        let width = ratatui::crossterm::terminal::size().ok().map(|(columns, _)| columns);
        // Less than this is no terminal that anybody reads on.
        let look = Look { fancy, width: width.filter(|w| fancy && *w >= 40) };
        session.printer.print(&overview::text(&overview, look));
        return Ok(());
    }
    let mut arguments = vec!["-1".to_string(), "-r".into()];
    let text = !words.iter().any(|w| matches!(w.as_str(), "html" | "xml" | "simple"));
    if text && session.shadow.is_none() && session.access.is_live() {
        troubles(session);
    }
    for word in words {
        let option = match word.as_str() {
            "bynode" | "bynodes" => "-n",
            "inactive" => "-r",
            "ops" => "-o",
            "timing" => "-t",
            "failcounts" => "-f",
            "verbose" | "full" => "-A",
            "detail" => "-R",
            "brief" => "-b",
            "tickets" => "-c",
            "simple" => "-s",
            "noheaders" => "-D",
            "html" => "--output-as=html",
            "xml" => "--output-as=xml",
            "quiet" => continue,
            other => return Err(format!("status: no such option: '{other}'").into()),
        };
        arguments.push(option.into());
    }
    run_mon(session, arguments)?;
    if text { leftovers(session) } else { Ok(()) }
}

/// The overview of the cluster, or of the document in use.
///
/// # Errors
/// The CIB cannot be read, or its schema is not known.
pub fn look_at(session: &mut Session) -> Result<Overview, Failure> {
    let cib = session.access.cib()?;
    let cib = crm_core::cib::upgrade(&cib).map_err(|e| Failure::from(e.to_string()))?;
    let live = session.shadow.is_none() && session.access.is_live();
    let seen = if live { ask(session.access.as_mut()) } else { Seen::default() };
    Ok(overview::overview(&cib, &seen, now()))
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// What the daemon adds. Without an answer the CIB has to do: it came from the same daemon.
fn ask(access: &mut dyn Access) -> Seen {
    let mut events = |kinds: &[&str], limit: u32| -> Vec<Happening> {
        let kinds = kinds.iter().map(|k| k.to_string()).collect();
        let query = EventQuery { kinds, limit, ..EventQuery::default() };
        let all = access.events(&query).unwrap_or_default();
        all.into_iter().map(happening).collect()
    };
    let kinds = ["membership", "quorum", "dc", "transition", "operation", "fencing", "commit"];
    Seen {
        events: events(&kinds, overview::RECENT),
        joined: events(&["membership"], 100),
        state: access.state(None).ok(),
    }
}

fn happening(event: Event) -> Happening {
    Happening {
        time: i64::try_from(event.time_ms / 1000).unwrap_or(i64::MAX),
        node: event.node,
        text: event.text,
        failed: event.failed,
    }
}

/// Constraints that moves and bans left; they are easily forgotten.
fn leftovers(session: &mut Session) -> Outcome {
    let left = overview::leftovers(&session.access.cib()?, now());
    if !left.is_empty() {
        session.printer.print("\nLeft by 'resource move' and 'ban':\n");
        for line in left {
            session.printer.print(&format!("  * {line}\n"));
        }
    }
    Ok(())
}

/// What is wrong, before anything else; the daemon knows, and says why.
fn troubles(session: &mut Session) {
    // Without an answer there is nothing to add: the status itself will say so.
    let Ok(state) = session.access.state(None) else { return };
    if state.troubles.is_empty() {
        return;
    }
    session.printer.print("Trouble:\n");
    for trouble in &state.troubles {
        session.printer.print(&format!("  * {trouble}\n"));
    }
    session.printer.print("\n");
}

/// The part about resources.
///
/// # Errors
/// The CIB cannot be read.
pub fn resources(session: &mut Session) -> Outcome {
    run_mon(session, vec!["-1".into(), "-r".into(), "--include=none,resources".into()])
}

fn run_mon(session: &mut Session, mut arguments: Vec<String>) -> Outcome {
    let shadow = shadow_file(session)?;
    if let Some(file) = &shadow {
        arguments.push("--xml-file".into());
        arguments.push(file.path().to_string_lossy().into_owned());
    }
    let mut sink = Collected::default();
    let exit = mon::run(&arguments, &mut sink);
    finish(session, &sink, exit.0)
}

fn finish(session: &mut Session, sink: &Collected, code: u8) -> Outcome {
    session.printer.print(&sink.out);
    if code == 0 {
        return Ok(());
    }
    let said = sink.err.trim().to_string();
    Err(if said.is_empty() {
        Failure::from(format!("failed with code {code}"))
    } else {
        said.into()
    })
}

/// The shadow CIB in use as a file of its own, which goes with the value.
fn shadow_file(session: &mut Session) -> Result<Option<tempfile::NamedTempFile>, Failure> {
    if session.shadow.is_none() {
        return Ok(None);
    }
    let cib: Element = session.access.cib()?;
    Ok(Some(document_file(&cib)?))
}

/// A document as a file of its own, which goes with the value.
fn document_file(cib: &Element) -> Result<tempfile::NamedTempFile, Failure> {
    let failed = |e: std::io::Error| Failure::from(format!("a temporary file: {e}"));
    let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
    file.write_all(cib.to_pretty().as_bytes()).map_err(failed)?;
    Ok(file)
}

/// The status in a document that is not in force.
///
/// # Errors
/// The document cannot be read.
pub fn of_document(session: &mut Session, cib: &Element) -> Outcome {
    let file = document_file(cib)?;
    let path = file.path().to_string_lossy().into_owned();
    let arguments = ["-1", "-r", "--xml-file", &path].map(str::to_string);
    let mut sink = Collected::default();
    let exit = mon::run(&arguments, &mut sink);
    finish(session, &sink, exit.0)
}

/// The scores of the configuration in force.
///
/// # Errors
/// The CIB cannot be read.
pub fn scores(session: &mut Session) -> Outcome {
    let cib = session.access.cib()?;
    run_simulate(session, &cib, vec!["-s".to_string()])
}

/// `crm_simulate` on a document.
///
/// # Errors
/// The scheduler cannot read it.
pub fn run_simulate(session: &mut Session, cib: &Element, mut arguments: Vec<String>) -> Outcome {
    let file = document_file(cib)?;
    arguments.extend(["-x".to_string(), file.path().to_string_lossy().into_owned()]);
    let mut sink = Collected::default();
    let exit = simulate::run(&arguments, &mut sink);
    finish(session, &sink, exit.0)
}
