//! The part of XPath that scripts use with `cibadmin`: steps of tags with attribute tests.

use crm_core::cib::Element;

/// One step: `/tag[@a='v'][@b]` or `//tag[...]`.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    anywhere_below: bool,
    /// None: any tag (`*`).
    tag: Option<String>,
    tests: Vec<(String, Option<String>)>,
}

/// A parsed expression.
#[derive(Debug)]
pub(super) struct Selector {
    steps: Vec<Step>,
}

impl Selector {
    /// Parses an expression.
    ///
    /// # Errors
    /// Says which part is not understood.
    pub(super) fn parse(text: &str) -> Result<Selector, String> {
        let mut rest = text.trim();
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let anywhere_below =
                rest.starts_with("//") || (steps.is_empty() && !rest.starts_with('/'));
            rest = rest.trim_start_matches('/');
            let end = rest.find(['/', '[']).unwrap_or(rest.len());
            let (tag, after) = rest.split_at(end);
            rest = after;
            if tag.is_empty()
                || tag.contains(|c: char| !(c.is_alphanumeric() || "_-*.".contains(c)))
            {
                return Err(format!("'{tag}' is no step of a path in '{text}'"));
            }
            let mut tests = Vec::new();
            while let Some(inside) = rest.strip_prefix('[') {
                let close =
                    closing(inside).ok_or_else(|| format!("'[' is not closed in '{text}'"))?;
                for part in inside[..close].split(" and ") {
                    tests.push(
                        test(part.trim()).ok_or_else(|| format!("'[{part}]' is not understood"))?,
                    );
                }
                rest = &inside[close + 1..];
            }
            steps.push(Step { anywhere_below, tag: (tag != "*").then(|| tag.into()), tests });
        }
        if steps.is_empty() { Err("the path is empty".into()) } else { Ok(Selector { steps }) }
    }

    /// The paths (child positions from the root) of everything that matches, in document order.
    pub(super) fn find(&self, root: &Element) -> Vec<Vec<usize>> {
        let mut found = Vec::new();
        walk(root, &self.steps, true, &mut Vec::new(), &mut found);
        found.sort();
        found.dedup();
        found
    }
}

fn walk(
    element: &Element,
    steps: &[Step],
    is_root: bool,
    path: &mut Vec<usize>,
    found: &mut Vec<Vec<usize>>,
) {
    let Some((step, rest)) = steps.split_first() else { return };
    if step.matches(element) {
        if rest.is_empty() {
            found.push(path.clone());
        } else {
            below(element, rest, path, found);
        }
    }
    if step.anywhere_below && is_root {
        below(element, steps, path, found);
    }
}

fn below(element: &Element, steps: &[Step], path: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
    let deep = steps.first().is_some_and(|s| s.anywhere_below);
    for (at, child) in element.children().enumerate() {
        path.push(at);
        walk(child, steps, deep, path, found);
        path.pop();
    }
}

impl Step {
    fn matches(&self, element: &Element) -> bool {
        self.tag.as_deref().is_none_or(|t| t == element.name())
            && self.tests.iter().all(|(name, value)| match (element.attr(name), value) {
                (Some(is), Some(wanted)) => is == wanted,
                (is, None) => is.is_some(),
                (None, Some(_)) => false,
            })
    }
}

/// Where the bracket closes, quotes respected.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            (None, ']') => return Some(at),
            (None | Some(_), _) => {}
        }
        None
    })
}

fn test(text: &str) -> Option<(String, Option<String>)> {
    let text = text.strip_prefix('@')?;
    match text.split_once('=') {
        None => Some((text.trim().into(), None)),
        Some((name, value)) => {
            let value = value.trim();
            let inner = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\''));
            let inner =
                inner.or_else(|| value.strip_prefix('"').and_then(|v| v.strip_suffix('"')))?;
            Some((name.trim().into(), Some(inner.into())))
        }
    }
}

/// The element at a path of child positions.
pub(super) fn at<'a>(root: &'a Element, path: &[usize]) -> Option<&'a Element> {
    path.iter().try_fold(root, |e, at| e.children().nth(*at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::cib::parse;

    #[test]
    fn steps_and_tests_select() {
        let cib = parse(
            "<cib><a id='1'><b id='2' x='y z'/><b id='3'/></a><c><a id='4'><b id='5'/></a></c></cib>",
        )
        .unwrap();
        let ids = |text: &str| -> Vec<String> {
            let found = Selector::parse(text).unwrap().find(&cib);
            found.iter().map(|p| at(&cib, p).unwrap().id().unwrap_or("-").to_string()).collect()
        };
        assert_eq!(ids("//b"), ["2", "3", "5"]);
        assert_eq!(ids("/cib/a/b"), ["2", "3"]);
        assert_eq!(ids("//a[@id='4']/b"), ["5"]);
        assert_eq!(ids("//b[@id=\"2\" and @x='y z']"), ["2"]);
        assert_eq!(ids("//b[@x]"), ["2"]);
        assert_eq!(ids("/cib"), ["-"]);
        assert_eq!(ids("//c//b"), ["5"]);
        for bad in ["", "//", "//a[", "//a[x]", "//a[@x=y]", "a b"] {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
    }
}
