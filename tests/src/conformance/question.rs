//! One call of `crm_simulate` on one document, asked of the reference and of ours, and everything
//! that came of it: both streams, the exit code and every file that was written.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crm_core::cib::{Element, parse};
use crm_shell::compat::console::Collected;
use crm_shell::compat::simulate;

use super::{Reference, Shape, line_difference};

/// Stands for the time of a run in what is compared.
const RUN_TIME: &str = "RUN-TIME";

/// A command line. Words that begin with `@` are files of the run's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The words after the name of the command and the document.
    pub words: Vec<String>,
}

/// What came of one call.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Exit code; -1 if a signal ended it.
    pub exit: i32,
    /// Standard output.
    pub out: String,
    /// Standard error; empty where logs are asked for, since those are everybody's own.
    pub err: String,
    /// The files that were written, by the words that named them.
    pub files: BTreeMap<String, String>,
}

impl Question {
    /// The command line for a shell, for a report.
    pub fn line(&self) -> String {
        self.words.join(" ")
    }

    fn is_verbose(&self) -> bool {
        self.words.iter().any(|word| word == "-V")
    }

    fn words_in(&self, directory: &Path) -> Vec<String> {
        let whole = |word: &String| match word.strip_prefix('@') {
            Some(file) => directory.join(file).display().to_string(),
            None => word.clone(),
        };
        self.words.iter().map(whole).collect()
    }

    /// Asks the reference in `directory`.
    ///
    /// # Errors
    /// A file or the program cannot be used.
    pub fn ask(&self, reference: &Reference, cib: &str, directory: &Path) -> io::Result<Answer> {
        let (document, started) = prepare(cib, directory)?;
        let mut words = vec!["-x".to_string(), document.display().to_string()];
        words.extend(self.words_in(directory));
        let output = reference.command(directory).args(&words).output()?;
        // The result names the program as it was called.
        let text = |bytes: &[u8]| {
            let request = format!("request=\"{}", reference.program().display());
            String::from_utf8_lossy(bytes).replacen(&request, "request=\"crm_simulate", 1)
        };
        let exit = Reference::exit_code(output.status);
        self.collect(exit, text(&output.stdout), text(&output.stderr), directory, started)
    }

    /// Asks ours, in this process.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn ask_ours(&self, cib: &str, directory: &Path) -> io::Result<Answer> {
        let (document, started) = prepare(cib, directory)?;
        let mut words = vec!["-x".to_string(), document.display().to_string()];
        words.extend(self.words_in(directory));
        let mut said = Collected::default();
        let exit = simulate::run(&words, &mut said);
        self.collect(exit.0.into(), said.out, said.err, directory, started)
    }

    fn collect(
        &self,
        exit: i32,
        out: String,
        err: String,
        directory: &Path,
        started: i64,
    ) -> io::Result<Answer> {
        let times = Times::since(started);
        let mut files = BTreeMap::new();
        let mut named: Vec<&str> = self.words.iter().filter_map(|w| w.strip_prefix('@')).collect();
        if self.words.iter().any(|word| word == "-X") {
            named.push("cib.xml");
        }
        for name in named {
            let path = directory.join(name);
            if path.exists() {
                files.insert(name.to_string(), times.hide(&std::fs::read_to_string(&path)?));
                std::fs::remove_file(&path)?;
            }
        }
        let err = if self.is_verbose() { String::new() } else { times.hide(&err) };
        Ok(Answer { exit, out: times.hide(&out), err, files })
    }
}

fn prepare(cib: &str, directory: &Path) -> io::Result<(PathBuf, i64)> {
    let document = directory.join("cib.xml");
    std::fs::write(&document, cib)?;
    Ok((document, seconds()))
}

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The forms in which the time of a run shows in its output.
struct Times {
    started: i64,
    forms: Vec<String>,
}

impl Times {
    fn since(started: i64) -> Times {
        let forms = (started - 1..=seconds() + 1).flat_map(|second| {
            let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            let formats = ["%a %b %e %H:%M:%S %Y", "%Y-%m-%d %H:%M:%S", "%b %e %H:%M:%S"];
            let dates = formats.map(|format| time.strftime(format).to_string());
            [second.to_string()].into_iter().chain(dates)
        });
        Times { started, forms: forms.collect() }
    }

    fn hide(&self, text: &str) -> String {
        let text = self.without_recheck(&without_stale_interval(text));
        self.forms.iter().fold(text, |text, form| {
            if text.contains(form) { text.replace(form, RUN_TIME) } else { text }
        })
    }
}

impl Times {
    /// A time for looking again that counts from the run, in minutes: one of the two may have
    /// started a second later.
    fn without_recheck(&self, text: &str) -> String {
        const BEFORE: &str = "recheck-by=\"";
        let Some((head, rest)) = text.split_once(BEFORE) else { return text.to_string() };
        let Some((time, rest)) = rest.split_once('"') else { return text.to_string() };
        match time.parse::<i64>().ok().filter(|time| *time >= self.started) {
            Some(time) => {
                let minutes = (time - self.started) / 60;
                format!("{head}{BEFORE}{RUN_TIME}+{minutes}min\"{rest}")
            }
            None => text.to_string(),
        }
    }
}

/// The reference writes the interval of an operation that has none as it wrote another one before.
fn without_stale_interval(text: &str) -> String {
    const BEFORE: &str = "Only 'private' parameters to ";
    let line = |line: &str| match line.strip_prefix(BEFORE).and_then(|l| l.split_once("-interval"))
    {
        Some((_, rest)) => format!("{BEFORE}N-interval{rest}"),
        None => line.to_string(),
    };
    if !text.contains(BEFORE) {
        return text.to_string();
    }
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The differences between two answers, by level; empty if there are none.
pub fn disagreements(want: &Answer, got: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    if want.exit != got.exit {
        found.push(format!("exit code {}, not {}", got.exit, want.exit));
    }
    lines("stdout", &want.out, &got.out, &mut found);
    lines("stderr", &want.err, &got.err, &mut found);
    let names: Vec<&String> = want.files.keys().chain(got.files.keys()).collect();
    let mut names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        match (want.files.get(name), got.files.get(name)) {
            (Some(want), Some(got)) => file(name, want, got, &mut found),
            (Some(_), None) => found.push(format!("{name} is missing")),
            (None, _) => found.push(format!("{name} is written")),
        }
    }
    found
}

fn lines(what: &str, want: &str, got: &str, found: &mut Vec<String>) {
    let list = |text: &str| text.lines().map(String::from).collect::<Vec<_>>();
    if want != got {
        let text = line_difference(&list(want), &list(got));
        let how = if text.is_empty() { "  white space" } else { &text };
        found.push(format!("{what}\n{how}"));
    }
}

fn file(name: &str, want: &str, got: &str, found: &mut Vec<String>) {
    match name {
        "graph.xml" => graph(want, got, found),
        "graph.dot" => {
            let sorted = |text: &str| {
                let mut lines: Vec<&str> = text.lines().collect();
                lines.sort_unstable();
                lines.dedup();
                lines.join("\n")
            };
            lines(name, &sorted(want), &sorted(got), found);
        }
        _ => lines(name, &written(want), &written(got), found),
    }
}

/// A document, one line an element, in a form that does not depend on the writer.
fn written(text: &str) -> String {
    match parse(text) {
        Ok(root) => canonical(&root).join("\n"),
        Err(error) => format!("{error}: {text}"),
    }
}

/// Without what the reference's reading leaves in the document: the resources that it makes up
/// for guest nodes and bundles, and marks in the history.
fn canonical(element: &Element) -> Vec<String> {
    let of_reading =
        |name: &str| element.name() == "lrm_rsc_op" && matches!(name, "rsc-id" | "uname");
    let attributes = element.attrs().filter(|(name, _)| !of_reading(name));
    let mut attributes: Vec<String> =
        attributes.map(|(name, value)| format!("{name}={value:?}")).collect();
    attributes.sort_unstable();
    let mut lines = vec![format!("<{} {}", element.name(), attributes.join(" "))];
    let children = element.children().filter(|child| !is_made_up(child));
    lines.extend(children.flat_map(canonical).map(|line| format!(" {line}")));
    lines
}

fn is_made_up(element: &Element) -> bool {
    let internal = |pair: &Element| pair.attr("name") == Some("internal_rsc");
    let mut sets = element.children_named("meta_attributes");
    element.name() == "primitive" && sets.any(|set| set.children().any(internal))
}

fn graph(want: &str, got: &str, found: &mut Vec<String>) {
    let before = found.len();
    match (Shape::read(want), Shape::read(got)) {
        (Ok(a), Ok(b)) => {
            super::set_difference("actions", &a.actions, &b.actions, found);
            super::set_difference("orderings", &a.orderings, &b.orderings, found);
        }
        (Err(error), _) => found.push(format!("the wanted graph cannot be read: {error}")),
        (_, Err(error)) => found.push(format!("our graph cannot be read: {error}")),
    }
    if found.len() == before {
        lines("graph.xml", &written(want), &written(got), found);
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Times, disagreements};

    #[test]
    fn the_time_of_the_run_does_not_count() {
        let forms = vec!["1700000000".into(), "Tue Nov 14".into()];
        let times = Times { started: 1_700_000_000, forms };
        assert_eq!(times.hide("a=1700000000 (Tue Nov 14)"), "a=RUN-TIME (RUN-TIME)");
        let recheck = |time: i64| times.hide(&format!("<g recheck-by=\"{time}\" x=\"1\">"));
        assert_eq!(recheck(1_700_003_601), "<g recheck-by=\"RUN-TIME+60min\" x=\"1\">");
        assert_eq!(recheck(1_700_003_602), recheck(1_700_003_601));
        assert_eq!(recheck(1_699_999_999), "<g recheck-by=\"1699999999\" x=\"1\">");
    }

    #[test]
    fn every_part_of_an_answer_counts() {
        let want = Answer { out: "a\n".into(), err: "b\n".into(), ..Answer::default() };
        assert!(disagreements(&want, &want).is_empty());
        let mut got = Answer { exit: 1, out: "a \n".into(), err: String::new(), ..want.clone() };
        got.files.insert("x.xml".into(), "<x/>".into());
        assert_eq!(disagreements(&want, &got).len(), 4);
    }

    #[test]
    fn documents_count_and_not_how_they_are_written() {
        let with = |text: &str| {
            let mut answer = Answer::default();
            answer.files.insert("output.xml".into(), text.into());
            answer
        };
        let want = with("<a x='1' y='2'><b/></a>");
        assert!(disagreements(&want, &with("<a y=\"2\" x=\"1\">\n  <b/>\n</a>\n")).is_empty());
        assert_eq!(disagreements(&want, &with("<a x='1' y='2'/>")).len(), 1);
    }
}
