//! What a scheduler says about a CIB, and whether two of them say the same.
//!
//! The rules of comparison are those of the conformance data's own README: white space does not
//! count, old words for roles are replaced, scores are a set, graphs are compared as sets of
//! actions and orderings without their numbers.

mod graph;
mod question;
mod random;
mod reference;
mod replay;
mod shrink;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crm_shell::compat::console::Collected;
use crm_shell::compat::simulate;

pub use graph::Shape;
pub use question::{Answer, Question, disagreements};
pub use random::{Sample, sample};
pub use reference::{GAVE_UP, Reference};
pub use replay::replay;
pub use shrink::shrink;

/// What one implementation said about one input.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The output of `-S`, both streams.
    pub summary: String,
    /// The standard output of `-sSQ`.
    pub scores: String,
    /// The transition graph as XML; empty if none was written.
    pub graph: String,
    /// Exit codes of both runs.
    pub exits: [i32; 2],
}

/// Runs our own scheduler in this process; `summary_too` arguments go to both runs.
///
/// # Errors
/// The temporary directory cannot be used.
pub fn ours(cib: &Path, summary_too: &[String], more: &[String]) -> std::io::Result<Verdict> {
    let directory = tempfile::tempdir()?;
    let graph = directory.path().join("graph.xml");
    let words = |list: &[&str]| -> Vec<String> { list.iter().map(ToString::to_string).collect() };
    let cib = cib.to_string_lossy();
    let mut first = Collected::default();
    let mut arguments = words(&["-x", &cib, "-S"]);
    arguments.extend(summary_too.iter().cloned());
    let summary_exit = simulate::run(&arguments, &mut first);
    let mut second = Collected::default();
    let mut arguments = words(&["-x", &cib, "-G", &graph.to_string_lossy(), "-sSQ"]);
    arguments.extend(summary_too.iter().chain(more).cloned());
    let scores_exit = simulate::run(&arguments, &mut second);
    Ok(Verdict {
        summary: first.both,
        scores: second.out,
        graph: std::fs::read_to_string(graph).unwrap_or_default(),
        exits: [summary_exit.0.into(), scores_exit.0.into()],
    })
}

/// The differences between what was wanted and what came, by level; empty if there are none.
pub fn differences(want: &Verdict, got: &Verdict) -> Vec<String> {
    let mut found = Vec::new();
    if want.exits != got.exits {
        found.push(format!("exit codes: {:?}, not {:?}", got.exits, want.exits));
    }
    let (a, b) = (summary_lines(&want.summary), summary_lines(&got.summary));
    let squeezed = |lines: &[String]| lines.iter().map(squeeze).collect::<Vec<_>>();
    if squeezed(&a) != squeezed(&b) {
        found.push(format!("summary\n{}", line_difference(&a, &b)));
    }
    let set = |text: &str| -> BTreeSet<String> {
        text.lines().filter(|l| !l.trim().is_empty()).map(squeeze).collect()
    };
    set_difference("scores", &set(&want.scores), &set(&got.scores), &mut found);
    match (Shape::read(&want.graph), Shape::read(&got.graph)) {
        (Ok(a), Ok(b)) => {
            set_difference("actions", &a.actions, &b.actions, &mut found);
            set_difference("orderings", &a.orderings, &b.orderings, &mut found);
        }
        (Err(error), _) => found.push(format!("the wanted graph cannot be read: {error}")),
        (_, Err(error)) => found.push(format!("our graph cannot be read: {error}")),
    }
    found
}

/// Lines of a summary after the replacements of the original suite, without empty ones.
pub fn summary_lines(text: &str) -> Vec<String> {
    text.lines().filter(|l| !l.trim().is_empty()).map(modern).collect()
}

/// One line with today's words for roles.
fn modern(line: &str) -> String {
    let mut line = line.replace("ocf::", "ocf:");
    for (old, new) in [("Masters:", "Promoted:"), ("Slaves:", "Unpromoted:")] {
        line = line.replacen(old, new, 1);
    }
    if let Some(at) = line.find(" Master") {
        let rest = &line[at + " Master".len()..];
        if rest.is_empty() || rest.starts_with(' ') || rest.starts_with('[') {
            line = format!("{} Promoted{rest}", &line[..at]);
        }
    }
    line.replacen(" Slave ", " Unpromoted ", 1)
}

/// A line without white space, and without the time at which a failure was pretended.
fn squeeze(line: impl AsRef<str>) -> String {
    let line: String = line.as_ref().split_whitespace().collect();
    match line.split_once("Injectingattributelast-failure-") {
        Some((before, rest)) => {
            let name = rest.split('=').next().unwrap_or(rest);
            format!("{before}Injectingattributelast-failure-{name}=TIME")
        }
        None => line,
    }
}

fn set_difference(
    what: &str,
    want: &BTreeSet<String>,
    got: &BTreeSet<String>,
    found: &mut Vec<String>,
) {
    let missing = want.difference(got).map(|x| format!("  - {x}\n"));
    let extra = got.difference(want).map(|x| format!("  + {x}\n"));
    let text: String = missing.chain(extra).take(60).collect();
    if !text.is_empty() {
        found.push(format!("{what}\n{text}"));
    }
}

/// Lines of `want` that are not in `got` and the other way round, in order, with multiplicity.
pub fn line_difference(want: &[String], got: &[String]) -> String {
    let (a, b): (Vec<String>, Vec<String>) =
        (want.iter().map(squeeze).collect(), got.iter().map(squeeze).collect());
    let mut table = vec![vec![0u32; got.len() + 1]; want.len() + 1];
    for i in (0..want.len()).rev() {
        for j in (0..got.len()).rev() {
            table[i][j] = if a[i] == b[j] {
                table[i + 1][j + 1] + 1
            } else {
                table[i + 1][j].max(table[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < want.len() || j < got.len() {
        if i < want.len() && j < got.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == got.len() || (i < want.len() && table[i + 1][j] >= table[i][j + 1]) {
            lines.push(format!("  - {}", want[i]));
            i += 1;
        } else {
            lines.push(format!("  + {}", got[j]));
            j += 1;
        }
    }
    lines.truncate(80);
    lines.join("\n")
}

/// One case of the suite.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// More arguments for the second run.
    pub arguments: Vec<String>,
}

/// The suite, where it is present.
#[derive(Clone, Debug)]
pub struct Suite {
    root: PathBuf,
    /// All cases, in order.
    pub cases: Vec<Case>,
}

impl Suite {
    /// Looks for the data beside the repository.
    ///
    /// # Errors
    /// Why there is none.
    pub fn find() -> Result<Suite, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/scheduler");
        let table = std::fs::read_to_string(root.join("tests.tsv"))
            .map_err(|error| format!("no conformance data at {}: {error}", root.display()))?;
        let case = |line: &str| {
            let mut fields = line.split('\t');
            let name = fields.next()?.to_string();
            let group = fields.next().unwrap_or_default().to_string();
            let words = fields.next().unwrap_or_default();
            let arguments = words.split_whitespace().map(String::from).collect();
            (!name.is_empty()).then_some(Case { name, group, arguments })
        };
        Ok(Suite { cases: table.lines().skip(1).filter_map(case).collect(), root })
    }

    /// The input of a case.
    pub fn input(&self, case: &Case) -> PathBuf {
        self.root.join("xml").join(format!("{}.xml", case.name))
    }

    /// What the reference said about a case.
    pub fn expected(&self, case: &Case) -> Verdict {
        let read = |folder: &str, suffix: &str| {
            let path = self.root.join(folder).join(format!("{}.{suffix}", case.name));
            std::fs::read_to_string(path).unwrap_or_default()
        };
        Verdict {
            summary: read("summary", "summary"),
            scores: read("scores", "scores"),
            graph: read("exp", "exp"),
            exits: [0, 0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, differences, line_difference, modern};

    #[test]
    fn old_words_are_replaced_once() {
        assert_eq!(modern("  * Masters: [ a ]"), "  * Promoted: [ a ]");
        assert_eq!(modern("x Master Master"), "x Promoted Master");
        assert_eq!(modern("rsc_Master-1 x"), "rsc_Master-1 x");
    }

    #[test]
    fn every_level_is_compared() {
        let graph = "<transition_graph><synapse><action_set><rsc_op id='1' operation='start' \
            operation_key='a_start_0' on_node='n'/></action_set><inputs/></synapse>\
            </transition_graph>";
        let want = Verdict {
            summary: "a\n".into(),
            scores: "s: 1\n".into(),
            graph: graph.into(),
            exits: [0, 0],
        };
        assert!(differences(&want, &want).is_empty());
        let empty = "<transition_graph/>".to_string();
        let got =
            Verdict { summary: "b\n".into(), scores: String::new(), graph: empty, exits: [0, 1] };
        assert_eq!(differences(&want, &got).len(), 4);
    }

    #[test]
    fn differences_are_minimal() {
        let lines = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
        assert_eq!(line_difference(&lines("a b c"), &lines("a x c")), "  - b\n  + x");
    }
}
