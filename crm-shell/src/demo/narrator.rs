//! What the audience reads.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use crm_lab::Report;

/// Prints what is done and what is seen, with the time since the start.
pub(super) struct Narrator {
    start: Instant,
    out: anstream::AutoStream<std::io::Stdout>,
    figures: Vec<(String, String)>,
    questions: bool,
}

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const DID: Style = AnsiColor::Yellow.on_default();
const SEEN: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

impl Narrator {
    /// With `questions`, every scene waits for Enter, if somebody is there to press it.
    pub(super) fn new(questions: bool) -> Narrator {
        Narrator {
            start: Instant::now(),
            out: anstream::AutoStream::auto(std::io::stdout()),
            figures: Vec::new(),
            questions: questions && std::io::stdin().is_terminal(),
        }
    }

    fn line(&mut self, style: Style, mark: &str, text: &str) {
        let at = self.start.elapsed().as_secs_f64();
        // An audience that has gone away hears nothing.
        let _ = writeln!(self.out, "{at:7.2} s  {style}{mark} {text}{style:#}");
    }

    /// Announces a scene. Returns false if the audience wants to leave.
    pub(super) fn scene(&mut self, title: &str, about: &str) -> bool {
        let _ = writeln!(self.out, "\n{TITLE}{title}{TITLE:#}\n  {about}");
        if self.questions {
            let _ = write!(self.out, "  [Enter to go on, q to leave] ");
            let _ = self.out.flush();
            let mut answer = String::new();
            return std::io::stdin().read_line(&mut answer).is_ok_and(|n| n > 0)
                && answer.trim() != "q";
        }
        true
    }

    /// Says what was done to the cluster.
    pub(super) fn did(&mut self, text: &str) {
        self.line(DID, "→", text);
    }

    /// Says what was observed.
    pub(super) fn seen(&mut self, text: &str) {
        self.line(SEEN, "✓", text);
    }

    /// Says what was not observed.
    pub(super) fn failed(&mut self, text: &str) {
        self.line(BAD, "✗", text);
    }

    /// Repeats a line that the cluster itself printed.
    pub(super) fn quote(&mut self, source: &str, text: &str) {
        self.line(Style::new(), "|", &format!("{source}: {text}"));
    }

    /// Something measured, said now and repeated at the end.
    pub(super) fn figure(&mut self, name: &str, text: &str) {
        self.seen(text);
        self.figures.push((name.into(), text.into()));
    }

    /// The outage that the client saw.
    pub(super) fn outage(&mut self, name: &str, text: &str, report: &Report) {
        let outage = milliseconds(report.outage());
        self.figure(name, &format!("{text}; the client missed the page for {outage}"));
    }

    /// The time since `begin`, for a sentence.
    pub(super) fn since(&self, begin: Instant) -> String {
        self.between(begin, Instant::now())
    }

    /// The time between two moments, for a sentence.
    pub(super) fn between(&self, begin: Instant, end: Instant) -> String {
        milliseconds(end.saturating_duration_since(begin))
    }

    /// Repeats the figures.
    pub(super) fn summary(&mut self) {
        let _ = writeln!(self.out, "\n{TITLE}Measured from outside{TITLE:#}");
        for (name, text) in &self.figures {
            let _ = writeln!(self.out, "  {name:<12}{text}");
        }
    }

    /// A plain line.
    pub(super) fn say(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
    }
}

fn milliseconds(d: Duration) -> String {
    if d < Duration::from_secs(10) {
        format!("{} ms", d.as_millis())
    } else {
        format!("{:.1} s", d.as_secs_f64())
    }
}
