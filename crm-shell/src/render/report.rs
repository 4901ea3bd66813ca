//! A report of nested lists, and its text forms.

use std::fmt::Write as _;

/// One part of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A list; without a title only its depth shows.
    List {
        /// What stands above the items, without the colon.
        title: Option<String>,
        /// What is in it.
        parts: Vec<Part>,
    },
    /// A line of a list.
    Item {
        /// What stands before the colon; left out in plain style.
        id: Option<String>,
        /// The line.
        text: String,
    },
    /// A line that is never indented.
    Line(String),
    /// An empty line.
    Space,
}

impl Part {
    /// A list with a title.
    pub fn list(title: impl Into<String>, parts: Vec<Part>) -> Part {
        Part::List { title: Some(title.into()), parts }
    }

    /// A line.
    pub fn item(text: impl Into<String>) -> Part {
        Part::Item { id: None, text: text.into() }
    }

    /// A line with something before the colon.
    pub fn named(id: impl Into<String>, text: impl Into<String>) -> Part {
        Part::Item { id: Some(id.into()), text: text.into() }
    }
}

/// How lists look (O-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Titles, indentation and bullets.
    Fancy,
    /// The lines alone.
    Plain,
}

/// Appends `part` to `out` in `style`, as inside of `depth` lists (O-2 to O-5).
pub fn write_text(out: &mut String, part: &Part, style: Style, depth: usize) {
    match part {
        Part::Space => out.push('\n'),
        Part::Line(text) => {
            out.push_str(text);
            out.push('\n');
        }
        Part::Item { id, text } => {
            bullet(out, style, depth);
            match id {
                Some(id) if style == Style::Fancy => {
                    let _ = writeln!(out, "{id}: {text}");
                }
                Some(_) | None => {
                    out.push_str(text);
                    out.push('\n');
                }
            }
        }
        Part::List { title, parts } => {
            if let Some(title) = title.as_ref().filter(|_| style == Style::Fancy) {
                bullet(out, style, depth);
                out.push_str(title);
                out.push_str(":\n");
            }
            for part in parts {
                write_text(out, part, style, depth + 1);
            }
        }
    }
}

fn bullet(out: &mut String, style: Style, depth: usize) {
    if style == Style::Fancy && depth > 0 {
        let _ = write!(out, "{:1$}* ", "", depth * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Style, write_text};

    fn text(style: Style) -> String {
        let nodes = Part::list("Node List", vec![Part::named("Online", "[ node1 node2 ]")]);
        let mut out = String::new();
        write_text(&mut out, &Part::list("Current cluster status", vec![nodes]), style, 0);
        out
    }

    #[test]
    fn depth_shows_as_indentation_and_bullet() {
        let expected = "Current cluster status:\n  * Node List:\n    * Online: [ node1 node2 ]\n";
        assert_eq!(text(Style::Fancy), expected);
    }

    #[test]
    fn plain_style_drops_titles_and_ids() {
        assert_eq!(text(Style::Plain), "[ node1 node2 ]\n");
    }
}
