//! Making a cluster smaller while something about it stays true.

use crm_core::cib::{Child, Element};

/// Removes elements, and then attributes, as long as `interesting` holds. Large parts are tried
/// first. The number of questions is bounded by `budget`.
pub fn shrink(
    start: &Element,
    budget: usize,
    interesting: &mut dyn FnMut(&Element) -> bool,
) -> Element {
    let mut best = start.clone();
    let mut left = budget;
    loop {
        let before = best.to_string().len();
        without_elements(&mut best, &mut left, interesting);
        without_attributes(&mut best, &mut left, interesting);
        if left == 0 || best.to_string().len() == before {
            return best;
        }
    }
}

/// Every path to a nested element, parents before children.
fn paths(root: &Element) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    let mut stack = vec![(Vec::new(), root)];
    while let Some((path, element)) = stack.pop() {
        for (at, child) in element.nodes().iter().enumerate() {
            if let Child::Element(child) = child {
                let mut path: Vec<usize> = path.clone();
                path.push(at);
                found.push(path.clone());
                stack.push((path, child));
            }
        }
    }
    found.sort_by_key(Vec::len);
    found
}

fn at<'a>(root: &'a mut Element, path: &[usize]) -> Option<&'a mut Element> {
    path.iter().try_fold(root, |element, &at| match element.nodes_mut().get_mut(at)? {
        Child::Element(child) => Some(std::sync::Arc::make_mut(child)),
        Child::Comment(_) | Child::Text(_) => None,
    })
}

fn without_elements(
    best: &mut Element,
    left: &mut usize,
    interesting: &mut dyn FnMut(&Element) -> bool,
) {
    let mut from = 0;
    loop {
        let paths = paths(best);
        let Some(path) = paths.get(from) else { return };
        let Some((&last, parents)) = path.split_last() else { return };
        let mut smaller = best.clone();
        if let Some(parent) = at(&mut smaller, parents) {
            parent.nodes_mut().remove(last);
        }
        if *left == 0 {
            return;
        }
        *left -= 1;
        if interesting(&smaller) {
            *best = smaller;
        } else {
            from += 1;
        }
    }
}

fn without_attributes(
    best: &mut Element,
    left: &mut usize,
    interesting: &mut dyn FnMut(&Element) -> bool,
) {
    for path in std::iter::once(Vec::new()).chain(paths(best)) {
        let Some(element) = at(best, &path) else { continue };
        // A history without its numbers is another history.
        if matches!(element.name(), "lrm_rsc_op" | "lrm_resource") {
            continue;
        }
        let names: Vec<String> = element.attrs().map(|(n, _)| n.to_string()).collect();
        for name in names.iter().filter(|n| *n != "id") {
            if *left == 0 {
                return;
            }
            *left -= 1;
            let mut smaller = best.clone();
            if let Some(element) = at(&mut smaller, &path) {
                element.remove_attr(name);
            }
            if interesting(&smaller) {
                *best = smaller;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shrink;
    use crm_core::cib::parse;

    #[test]
    fn only_what_matters_is_left() {
        let start = parse("<a x='1'><b/><c y='2'><d id='keep' z='3'/><e/></c></a>").unwrap();
        let small = shrink(&start, 1000, &mut |e| e.find_id("keep").is_some());
        assert_eq!(small.to_string(), "<a><c><d id=\"keep\"/></c></a>");
    }

    #[test]
    fn the_budget_ends_the_search() {
        let start = parse("<a><b/><c/><d/></a>").unwrap();
        assert_eq!(shrink(&start, 2, &mut |_| true).nodes().len(), 1);
    }
}
