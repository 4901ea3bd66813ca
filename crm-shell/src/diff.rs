//! The difference between two configurations, object by object, in the language.

use crate::configuration::Configuration;

/// Lines with `-` and `+` for what went and what came.
pub fn configurations(old: &Configuration, new: &Configuration) -> String {
    let mut out = String::new();
    let (before, after) = (listing(old), listing(new));
    for (id, text) in &before {
        if !after.iter().any(|(i, _)| i == id) {
            mark('-', text, &mut out);
        }
    }
    for (id, text) in &after {
        match before.iter().find(|(i, _)| i == id) {
            None => mark('+', text, &mut out),
            Some((_, was)) if was != text => lines(was, text, &mut out),
            Some(_) => {}
        }
    }
    out
}

fn listing(configuration: &Configuration) -> Vec<(String, String)> {
    let style = configuration.style();
    let all = configuration.select(&[], configuration);
    let objects = all.map(|s| s.objects).unwrap_or_default();
    objects
        .iter()
        .map(|o| (format!("{} {}", o.kind.keyword(), o.id), configuration.show(o, &style)))
        .collect()
}

fn mark(sign: char, text: &str, out: &mut String) {
    for line in text.lines() {
        out.push_str(&format!("{sign} {line}\n"));
    }
}

/// The lines of one object: what is common stays, the rest is marked.
fn lines(old: &str, new: &str, out: &mut String) {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let bare = |l: &&str| l.trim_end_matches(" \\").to_string();
    let (x, y): (Vec<String>, Vec<String>) =
        (a.iter().map(bare).collect(), b.iter().map(bare).collect());
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
    lines(old, new, &mut out);
    let changed = out.lines().filter(|l| !l.starts_with("  "));
    changed.map(|l| format!("{l}\n")).collect()
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

/// The shortest way from one sequence to the other.
fn edits<T: PartialEq>(a: &[T], b: &[T]) -> Vec<Edit> {
    // What is equal at both ends needs no table.
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let rest = a[head..].iter().rev().zip(b[head..].iter().rev());
    let tail = rest.take_while(|(x, y)| x == y).count();
    let (old, new) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
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
            "primitive a Dummy \\\n\tparams x=1",
            "primitive a Dummy \\\n\tparams x=2 \\\n\tmeta y=1",
            &mut out,
        );
        assert_eq!(
            out,
            "  primitive a Dummy \\\n- \tparams x=1\n+ \tparams x=2 \\\n+ \tmeta y=1\n"
        );
    }
}
