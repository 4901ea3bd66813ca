//! The difference between two configurations, object by object, in the language.

use serde::Serialize;

use crate::configuration::Configuration;
use crate::language::Style;

/// What has become of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It went.
    Removed,
    /// It came.
    Added,
    /// It is another one.
    Changed,
}

/// An object that is not the same in two configurations. Values that are to be hidden are masked.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// What has become of it.
    pub change: Fate,
    /// `primitive`, `location`, ...
    pub kind: &'static str,
    /// Its name.
    pub id: String,
    /// Its statement as it was.
    pub before: Option<String>,
    /// Its statement as it is.
    pub after: Option<String>,
    /// The difference, line by line.
    #[serde(skip)]
    text: String,
}

/// Lines with `-` and `+` for what went and what came; the values of parameters that fit one of
/// the patterns are masked, and a change of them is seen all the same.
pub fn configurations(old: &Configuration, new: &Configuration, hidden: &[String]) -> String {
    changes(old, new, hidden).into_iter().map(|c| c.text).collect()
}

/// The same, object by object: what went first.
pub fn changes(old: &Configuration, new: &Configuration, hidden: &[String]) -> Vec<Change> {
    let (before, after) = (listing(old, hidden), listing(new, hidden));
    let same = |a: &Listed, b: &Listed| a.kind == b.kind && a.id == b.id;
    let mut out = Vec::new();
    for was in before.iter().filter(|b| !after.iter().any(|a| same(a, b))) {
        let mut text = String::new();
        mark('-', &was.masked, &mut text);
        out.push(was.change(Fate::Removed, Some(was.masked.clone()), None, text));
    }
    for is in &after {
        let mut text = String::new();
        match before.iter().find(|b| same(b, is)) {
            None => {
                mark('+', &is.masked, &mut text);
                out.push(is.change(Fate::Added, None, Some(is.masked.clone()), text));
            }
            Some(was) if was.plain != is.plain => {
                lines(was, is, &mut text);
                let (a, b) = (Some(was.masked.clone()), Some(is.masked.clone()));
                out.push(is.change(Fate::Changed, a, b, text));
            }
            Some(_) => {}
        }
    }
    out
}

/// A statement as it is, to be compared, and as it may be shown.
struct Listed {
    kind: &'static str,
    id: String,
    plain: String,
    masked: String,
}

impl Listed {
    /// A text with nothing to hide.
    fn of(text: &str) -> Listed {
        Listed { kind: "", id: String::new(), plain: text.into(), masked: text.into() }
    }

    fn change(
        &self,
        change: Fate,
        before: Option<String>,
        after: Option<String>,
        text: String,
    ) -> Change {
        Change { change, kind: self.kind, id: self.id.clone(), before, after, text }
    }
}

fn listing(configuration: &Configuration, hidden: &[String]) -> Vec<Listed> {
    let style = configuration.style();
    let masking = Style { hidden: hidden.to_vec(), ..configuration.style() };
    let all = configuration.select(&[], configuration);
    let objects = all.map(|s| s.objects).unwrap_or_default();
    objects
        .iter()
        .map(|o| Listed {
            kind: o.kind.keyword(),
            id: o.id.to_string(),
            plain: configuration.show(o, &style),
            masked: configuration.show(o, &masking),
        })
        .collect()
}

fn mark(sign: char, text: &str, out: &mut String) {
    for line in text.lines() {
        out.push_str(&format!("{sign} {line}\n"));
    }
}

/// The lines of one object: what is common stays, the rest is marked.
fn lines(old: &Listed, new: &Listed, out: &mut String) {
    let split = |l: &Listed| -> Vec<String> { l.masked.lines().map(str::to_string).collect() };
    let bare = |l: &Listed| -> Vec<String> {
        l.plain.lines().map(|l| l.trim_end_matches(" \\").to_string()).collect()
    };
    let (a, b, mut x, mut y) = (split(old), split(new), bare(old), bare(new));
    if a.len() != x.len() || b.len() != y.len() {
        // A hidden value of several lines: what is shown has to do.
        (x, y) = (a.clone(), b.clone());
    }
    for edit in edits(&x, &y) {
        out.push_str(&match edit {
            Edit::Same(j) => format!("  {}\n", b[j]),
            Edit::Gone(i) => format!("- {}\n", a[i]),
            Edit::New(j) => format!("+ {}\n", b[j]),
        });
    }
}

/// Two texts, line by line; what is common is left out.
pub fn texts(old: &str, new: &str) -> String {
    let mut out = String::new();
    lines(&Listed::of(old), &Listed::of(new), &mut out);
    let changed = out.lines().filter(|l| !l.starts_with("  "));
    changed.map(|l| format!("{l}\n")).collect()
}

/// Two texts in the unified form without context, and without a head.
pub fn unified(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let (mut gone, mut came): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    // How many lines of each were passed.
    let (mut i, mut j) = (0, 0);
    let mut out = String::new();
    let hunk = |gone: &mut Vec<usize>, came: &mut Vec<usize>, i: usize, j: usize| {
        if gone.is_empty() && came.is_empty() {
            return String::new();
        }
        // Of nothing the line before it is named.
        let range = |passed: usize, count: usize| match count {
            0 => format!("{passed},0"),
            1 => passed.to_string(),
            _ => format!("{},{count}", passed + 1 - count),
        };
        let mut text = format!("@@ -{} +{} @@\n", range(i, gone.len()), range(j, came.len()));
        gone.drain(..).for_each(|at| text.push_str(&format!("-{}\n", a[at])));
        came.drain(..).for_each(|at| text.push_str(&format!("+{}\n", b[at])));
        text
    };
    for edit in edits(&a, &b) {
        match edit {
            Edit::Gone(at) => {
                gone.push(at);
                i += 1;
            }
            Edit::New(at) => {
                came.push(at);
                j += 1;
            }
            Edit::Same(_) => {
                out.push_str(&hunk(&mut gone, &mut came, i, j));
                i += 1;
                j += 1;
            }
        }
    }
    out + &hunk(&mut gone, &mut came, i, j)
}

/// Two texts, word by word: lines in which something changed, with `[-gone-]` and `{+new+}`.
pub fn words(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let (mut gone, mut came) = (Vec::new(), Vec::new());
    let mut out = String::new();
    for edit in edits(&a, &b) {
        match edit {
            Edit::Gone(i) => gone.push(a[i]),
            Edit::New(j) => came.push(b[j]),
            Edit::Same(_) => flush(&mut gone, &mut came, &mut out),
        }
    }
    flush(&mut gone, &mut came, &mut out);
    out
}

/// Lines that went and lines that came in their place.
fn flush(gone: &mut Vec<&str>, came: &mut Vec<&str>, out: &mut String) {
    if gone.is_empty() && came.is_empty() {
        return;
    }
    let (old, new) = (gone.join("\n"), came.join("\n"));
    let (a, b): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive([' ', '\n']).collect(), new.split_inclusive([' ', '\n']).collect());
    for edit in edits(&a, &b) {
        let marked = |open: &str, word: &str, close: &str| {
            let bare = word.trim_end();
            format!("{open}{bare}{close}{}", &word[bare.len()..])
        };
        out.push_str(&match edit {
            Edit::Same(j) => b[j].to_string(),
            Edit::Gone(i) => marked("[-", a[i], "-]"),
            Edit::New(j) => marked("{+", b[j], "+}"),
        });
    }
    out.push('\n');
    gone.clear();
    came.clear();
}

enum Edit {
    /// In both, at this place of the new one.
    Same(usize),
    /// In the old one only.
    Gone(usize),
    /// In the new one only.
    New(usize),
}

/// Entries of the table from which the shortest way is read: 32 MiB.
const LARGEST_TABLE: usize = 1 << 22;

/// The shortest way from one sequence to the other.
fn edits<T: PartialEq>(a: &[T], b: &[T]) -> Vec<Edit> {
    // What is equal at both ends needs no table.
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let rest = a[head..].iter().rev().zip(b[head..].iter().rev());
    let tail = rest.take_while(|(x, y)| x == y).count();
    let (old, new) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    if old.len().saturating_mul(new.len()) > LARGEST_TABLE {
        // Not the shortest way, but one that is found at once.
        let gone = (head..a.len() - tail).map(Edit::Gone);
        let came = (head..b.len() - tail).map(Edit::New);
        let same = (0..tail).map(|n| Edit::Same(b.len() - tail + n));
        return (0..head).map(Edit::Same).chain(gone).chain(came).chain(same).collect();
    }
    let mut table = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            table[i][j] = if old[i] == new[j] {
                table[i + 1][j + 1] + 1
            } else {
                table[i + 1][j].max(table[i][j + 1])
            };
        }
    }
    let mut out: Vec<Edit> = (0..head).map(Edit::Same).collect();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            out.push(Edit::Same(head + j));
            i += 1;
            j += 1;
        } else if j >= new.len() || i < old.len() && table[i + 1][j] >= table[i][j + 1] {
            out.push(Edit::Gone(head + i));
            i += 1;
        } else {
            out.push(Edit::New(head + j));
            j += 1;
        }
    }
    out.extend((0..tail).map(|n| Edit::Same(b.len() - tail + n)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_password_is_seen_and_not_shown() {
        let of = |value: &str| {
            let text = format!(
                "<cib><configuration><resources><primitive id='p' class='ocf' provider='x' \
                 type='T'><instance_attributes id='s'><nvpair id='n' name='passwd' \
                 value='{value}'/></instance_attributes></primitive></resources></configuration></cib>"
            );
            Configuration::new(&crm_core::cib::parse(&text).unwrap())
        };
        let hidden = ["passw*".to_string()];
        let text = configurations(&of("one"), &of("two"), &hidden);
        assert!(text.contains("- \tparams passwd=\"******\"\n+ \tparams"), "{text}");
        assert!(!text.contains("one") && !text.contains("two"), "{text}");
        assert!(configurations(&of("one"), &of("one"), &hidden).is_empty());
    }

    #[test]
    fn words_are_marked_in_changed_lines_only() {
        let (old, new) = ("a b c\nsame\nx", "a q c\nsame\nx y");
        assert_eq!(words(old, new), "a [-b-] {+q+} c\n[-x-]{+x+} {+y+}\n");
        assert_eq!(texts(old, new), "- a b c\n+ a q c\n- x\n+ x y\n");
        assert_eq!(words(old, old), "");
    }

    #[test]
    fn changed_lines_are_marked() {
        let mut out = String::new();
        lines(
            &Listed::of("primitive a Dummy \\\n\tparams x=1"),
            &Listed::of("primitive a Dummy \\\n\tparams x=2 \\\n\tmeta y=1"),
            &mut out,
        );
        assert_eq!(
            out,
            "  primitive a Dummy \\\n- \tparams x=1\n+ \tparams x=2 \\\n+ \tmeta y=1\n"
        );
    }
}
