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
    let bare = |l: &str| l.trim_end_matches(" \\").to_string();
    let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            table[i][j] = if bare(a[i]) == bare(b[j]) {
                table[i + 1][j + 1] + 1
            } else {
                table[i + 1][j].max(table[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && bare(a[i]) == bare(b[j]) {
            out.push_str(&format!("  {}\n", b[j]));
            i += 1;
            j += 1;
        } else if j >= b.len() || i < a.len() && table[i + 1][j] >= table[i][j + 1] {
            out.push_str(&format!("- {}\n", a[i]));
            i += 1;
        } else {
            out.push_str(&format!("+ {}\n", b[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
