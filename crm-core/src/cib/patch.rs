//! Differences between two documents, in the form of Pacemaker's `<diff format="2">`.
//!
//! A patch is a list of changes, each with the path of what it changes. [`Patch::between`] finds
//! one, [`Patch::apply`] executes it, and the XML form is what is sent, stored and shown. Elements
//! are addressed by tag and `id`. Where that is ambiguous (two children with the same tag and no
//! id), or where comments or text differ, the whole parent is replaced.

use std::fmt;

use super::{Child, Element};

/// One step of a path: a tag, and the `id` if the element has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    tag: String,
    id: Option<String>,
}

impl Step {
    fn of(element: &Element) -> Step {
        Step { tag: element.name().to_string(), id: element.id().map(str::to_string) }
    }

    fn matches(&self, element: &Element) -> bool {
        element.name() == self.tag && (self.id.is_none() || element.id() == self.id.as_deref())
    }
}

/// Where in the document a change happens, from the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Step>);

impl Path {
    fn child(&self, element: &Element) -> Path {
        let mut steps = self.0.clone();
        steps.push(Step::of(element));
        Path(steps)
    }

    /// Reads `/cib/configuration/resources/primitive[@id='x']`.
    fn parse(text: &str) -> Option<Path> {
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('/')?;
        loop {
            let end = rest.find(['/', '[']).unwrap_or(rest.len());
            let tag = rest[..end].to_string();
            if tag.is_empty() {
                return None;
            }
            rest = &rest[end..];
            let mut id = None;
            if let Some(predicate) = rest.strip_prefix("[@id='") {
                let close = predicate.find("']")?;
                id = Some(predicate[..close].to_string());
                rest = &predicate[close + 2..];
            }
            steps.push(Step { tag, id });
            match rest.strip_prefix('/') {
                Some(more) => rest = more,
                None if rest.is_empty() => return Some(Path(steps)),
                None => return None,
            }
        }
    }

    fn find<'a>(&self, root: &'a mut Element) -> Option<&'a mut Element> {
        let (first, rest) = self.0.split_first()?;
        if !first.matches(root) {
            return None;
        }
        rest.iter().try_fold(root, |e, step| e.find_child_mut(|c| step.matches(c)))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            write!(f, "/{}", step.tag)?;
            if let Some(id) = &step.id {
                write!(f, "[@id='{id}']")?;
            }
        }
        Ok(())
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Inserts an element below `path`, at `position` among its elements.
    Create {
        /// The parent.
        path: Path,
        /// Index among the parent's elements, after the insertion.
        position: usize,
        /// What is inserted.
        element: Element,
    },
    /// Moves the element at `path` to `position` among its siblings.
    Move {
        /// The element.
        path: Path,
        /// Index among the siblings, after the move.
        position: usize,
    },
    /// Sets and removes attributes of the element at `path`.
    Modify {
        /// The element.
        path: Path,
        /// Name and new value; none: removed.
        attributes: Vec<(String, Option<String>)>,
    },
    /// Removes the element at `path` with everything in it.
    Delete {
        /// The element.
        path: Path,
    },
}

/// Why a patch was refused. The document is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// Not a `<diff format="2">` that can be read.
    #[error("the patch cannot be read: {0}")]
    Malformed(String),
    /// The document has no such element: the patch was made from another version.
    #[error("the patch does not fit: there is no {0}")]
    Missing(String),
}

/// Changes that lead from one document to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    changes: Vec<Change>,
}

impl Patch {
    /// What turns `old` into `new`. Both must have the same root tag.
    pub fn between(old: &Element, new: &Element) -> Patch {
        let mut patch = Patch::default();
        let root = Path(vec![Step { tag: old.name().to_string(), id: None }]);
        patch.compare(&root, 0, old, new);
        patch
    }

    /// The changes, in the order in which they are applied.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// True if nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Makes the changes.
    ///
    /// # Errors
    /// [`PatchError::Missing`] if `document` is not what the patch was made from.
    pub fn apply(&self, document: &Element) -> Result<Element, PatchError> {
        let mut out = document.clone();
        for change in &self.changes {
            apply_one(&mut out, change)?;
        }
        Ok(out)
    }

    /// The paths that are touched, for people and for access checks.
    pub fn paths(&self) -> impl Iterator<Item = String> + '_ {
        self.changes.iter().map(|c| match c {
            Change::Create { path, element, .. } => path.child(element).to_string(),
            Change::Move { path, .. } | Change::Modify { path, .. } | Change::Delete { path } => {
                path.to_string()
            }
        })
    }

    fn compare(&mut self, path: &Path, position: usize, old: &Element, new: &Element) {
        let same = same_children(old, new);
        let wholesale = !same && !in_parts(old, new);
        if let ([parent @ .., _], true) = (&path.0[..], wholesale)
            && !parent.is_empty()
        {
            self.changes.push(Change::Delete { path: path.clone() });
            let (path, element) = (Path(parent.to_vec()), new.clone());
            self.changes.push(Change::Create { path, position, element });
            return;
        }
        let mut attributes: Vec<(String, Option<String>)> = Vec::new();
        for (name, _) in old.attrs().filter(|(n, _)| new.attr(n).is_none()) {
            attributes.push((name.to_string(), None));
        }
        for (name, value) in new.attrs().filter(|(n, v)| old.attr(n) != Some(v)) {
            attributes.push((name.to_string(), Some(value.to_string())));
        }
        if !attributes.is_empty() {
            self.changes.push(Change::Modify { path: path.clone(), attributes });
        }
        if same {
            return;
        }
        if wholesale {
            return self.replace_all(path, old, new);
        }
        let mut current: Vec<Step> = Vec::new();
        for child in old.children() {
            let step = Step::of(child);
            if new.children().any(|c| Step::of(c) == step) {
                current.push(step);
            } else {
                self.changes.push(Change::Delete { path: path.child(child) });
            }
        }
        for (position, child) in new.children().enumerate() {
            let step = Step::of(child);
            let before = old.children().find(|c| Step::of(c) == step);
            let Some(before) = before else {
                let (path, element) = (path.clone(), child.clone());
                self.changes.push(Change::Create { path, position, element });
                current.insert(position, step);
                continue;
            };
            if current.get(position) != Some(&step) {
                self.changes.push(Change::Move { path: path.child(child), position });
                current.retain(|s| *s != step);
                current.insert(position, step);
            }
            self.compare(&path.child(child), position, before, child);
        }
    }

    /// Everything in the root anew.
    fn replace_all(&mut self, path: &Path, old: &Element, new: &Element) {
        for child in old.children() {
            self.changes.push(Change::Delete { path: path.child(child) });
        }
        for (position, child) in new.children().enumerate() {
            let (path, element) = (path.clone(), child.clone());
            self.changes.push(Change::Create { path, position, element });
        }
    }

    /// The XML form. `source` and `target` are the versions before and after.
    pub fn to_xml(&self, source: super::Version, target: super::Version) -> Element {
        let version = |name: &'static str, v: super::Version| {
            let mut e = Element::new(name);
            v.write(&mut e);
            e
        };
        let mut diff = Element::new("diff").with("format", "2").with_child(
            Element::new("version")
                .with_child(version("source", source))
                .with_child(version("target", target)),
        );
        for change in &self.changes {
            diff.push(change_to_xml(change));
        }
        diff
    }

    /// Reads the XML form.
    ///
    /// # Errors
    /// [`PatchError::Malformed`] with what is wrong.
    pub fn from_xml(diff: &Element) -> Result<Patch, PatchError> {
        let bad = |m: String| PatchError::Malformed(m);
        if diff.name() != "diff" || diff.attr("format") != Some("2") {
            return Err(bad("it is no <diff format=\"2\">".into()));
        }
        let changes = diff.children_named("change").map(change_from_xml).collect::<Result<_, _>>();
        Ok(Patch { changes: changes.map_err(bad)? })
    }
}

fn change_to_xml(change: &Change) -> Element {
    let head = |operation: &str, path: &Path| {
        Element::new("change").with("operation", operation).with("path", path.to_string())
    };
    let place = |e: Element, position: usize| match position {
        usize::MAX => e,
        at => e.with("position", at.to_string()),
    };
    match change {
        Change::Create { path, position, element } => {
            place(head("create", path), *position).with_child(element.clone())
        }
        Change::Move { path, position } => place(head("move", path), *position),
        Change::Delete { path } => head("delete", path),
        Change::Modify { path, attributes } => {
            let mut list = Element::new("change-list");
            for (name, value) in attributes {
                let e = Element::new("change-attr").with("name", name);
                list.push(match value {
                    Some(v) => e.with("operation", "set").with("value", v),
                    None => e.with("operation", "unset"),
                });
            }
            head("modify", path).with_child(list)
        }
    }
}

fn change_from_xml(e: &Element) -> Result<Change, String> {
    let text = e.attr("path").ok_or("a change without path")?;
    let path = Path::parse(text).ok_or_else(|| format!("the path '{text}' cannot be read"))?;
    let position = match e.attr("position") {
        None => usize::MAX,
        Some(p) => p.parse().map_err(|_| format!("the position '{p}' is no number"))?,
    };
    Ok(match e.attr("operation").unwrap_or("") {
        "create" => {
            let element = e.children().next().ok_or("a create without element")?.clone();
            Change::Create { path, position, element }
        }
        "move" => Change::Move { path, position },
        "delete" => Change::Delete { path },
        "modify" => {
            let list = e.child("change-list").ok_or("a modify without change-list")?;
            let attributes = list
                .children_named("change-attr")
                .map(|a| {
                    let name = a.attr("name").ok_or("a change-attr without name")?.to_string();
                    let value = match a.attr("operation") {
                        Some("unset") => None,
                        _ => Some(a.attr("value").unwrap_or("").to_string()),
                    };
                    Ok::<_, String>((name, value))
                })
                .collect::<Result<_, _>>()?;
            Change::Modify { path, attributes }
        }
        other => return Err(format!("unknown operation '{other}'")),
    })
}

fn apply_one(document: &mut Element, change: &Change) -> Result<(), PatchError> {
    let missing = |path: &Path| PatchError::Missing(path.to_string());
    match change {
        Change::Create { path, position, element } => {
            let parent = path.find(document).ok_or_else(|| missing(path))?;
            insert_at(parent, *position, element.clone());
        }
        Change::Modify { path, attributes } => {
            let target = path.find(document).ok_or_else(|| missing(path))?;
            for (name, value) in attributes {
                match value {
                    Some(v) => target.set_attr(name, v),
                    None => {
                        target.remove_attr(name);
                    }
                }
            }
        }
        Change::Move { path, position } => {
            let (parent, element) = take(document, path)?;
            insert_at(parent, *position, element);
        }
        Change::Delete { path } => {
            take(document, path)?;
        }
    }
    Ok(())
}

fn take<'a>(
    document: &'a mut Element,
    path: &Path,
) -> Result<(&'a mut Element, Element), PatchError> {
    let missing = || PatchError::Missing(path.to_string());
    let (last, parent) = path.0.split_last().ok_or_else(missing)?;
    let parent = Path(parent.to_vec()).find(document).ok_or_else(missing)?;
    let at = parent.position(|c| last.matches(c)).ok_or_else(missing)?;
    match parent.nodes_mut().remove(at) {
        Child::Element(e) => Ok((parent, std::sync::Arc::unwrap_or_clone(e))),
        Child::Comment(_) | Child::Text(_) => Err(missing()),
    }
}

fn insert_at(parent: &mut Element, position: usize, element: Element) {
    let at = parent
        .nodes()
        .iter()
        .enumerate()
        .filter(|(_, c)| matches!(c, Child::Element(_)))
        .nth(position)
        .map_or(parent.nodes().len(), |(i, _)| i);
    parent.nodes_mut().insert(at, Child::Element(std::sync::Arc::new(element)));
}

/// Pointer equality first: unchanged subtrees of a snapshot are shared.
fn same_children(old: &Element, new: &Element) -> bool {
    old.nodes().len() == new.nodes().len()
        && old.nodes().iter().zip(new.nodes()).all(|(a, b)| match (a, b) {
            (Child::Element(a), Child::Element(b)) => std::sync::Arc::ptr_eq(a, b) || a == b,
            (a, b) => a == b,
        })
}

/// Whether tag and id tell the children apart, and the ids fit into a path.
fn addressable(parent: &Element) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    let mut tags_without_id = std::collections::BTreeSet::new();
    let mut tags = std::collections::BTreeMap::<&str, usize>::new();
    for child in parent.children() {
        *tags.entry(child.name()).or_default() += 1;
        match child.id() {
            Some(id) if id.contains('\'') => return false,
            Some(id) => {
                if !seen.insert((child.name(), id)) {
                    return false;
                }
            }
            None => {
                tags_without_id.insert(child.name());
            }
        }
    }
    // A step without id means "the first with this tag": fine only if there is just one.
    tags_without_id.iter().all(|t| tags.get(t) == Some(&1))
}

/// Whether the children of one can become those of the other one by one. What stands between
/// comments or text keeps its place only if none of the elements is inserted, moved or replaced.
fn in_parts(old: &Element, new: &Element) -> bool {
    if !addressable(old) || !addressable(new) || odds(old) != odds(new) {
        return false;
    }
    let steps = |e: &Element| e.children().map(Step::of).collect::<Vec<_>>();
    odds(old).is_empty()
        || steps(old) == steps(new)
            && old
                .children()
                .zip(new.children())
                .all(|(a, b)| same_children(a, b) || in_parts(a, b))
}

/// Comments and text, which have no address.
fn odds(parent: &Element) -> Vec<(usize, &Child)> {
    let mut elements = 0;
    let mut out = Vec::new();
    for node in parent.nodes() {
        match node {
            Child::Element(_) => elements += 1,
            Child::Comment(_) | Child::Text(_) => out.push((elements, node)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::{Version, parse};
    use proptest::prelude::*;

    fn through_xml(old: &str, new: &str) -> Element {
        let (old, new) = (parse(old).unwrap(), parse(new).unwrap());
        let patch = Patch::between(&old, &new);
        let v = Version::default();
        let text = patch.to_xml(v, v.next_epoch()).to_string();
        let again = Patch::from_xml(&parse(&text).unwrap()).unwrap();
        assert_eq!(again, patch);
        again.apply(&old).unwrap()
    }

    #[test]
    fn a_patch_leads_from_old_to_new() {
        let old = "<cib><r><p id='a' x='1'/><p id='b'/><p id='c'/></r></cib>";
        for new in [
            "<cib><r><p id='a' x='2' y='3'/><p id='b'/><p id='c'/></r></cib>",
            "<cib><r><p id='c'/><p id='a'/><p id='b'/></r></cib>",
            "<cib><r><q id='a'/></r></cib>",
            "<cib><r><n id='n'/><p id='b'><s/></p></r><z/></cib>",
            "<cib/>",
            "<cib><r><!-- note --><p id='b'/></r></cib>",
            "<cib><r><p id-ref='x'/><p id-ref='y'/></r></cib>",
            "<cib><r><p id='b'><s/><s/></p><p id='a'/></r></cib>",
        ] {
            assert_eq!(through_xml(old, new), parse(new).unwrap(), "{new}");
        }
    }

    #[test]
    fn only_what_changed_is_named() {
        let old = parse("<cib><r><p id='a' x='1'/><p id='b'/></r></cib>").unwrap();
        let mut new = old.clone();
        new.find_id_mut("a").unwrap().set_attr("x", "2");
        let patch = Patch::between(&old, &new);
        assert_eq!(patch.paths().collect::<Vec<_>>(), ["/cib/r/p[@id='a']"]);
    }

    #[test]
    fn a_patch_from_another_version_is_refused() {
        let patch = Patch::from_xml(
            &parse("<diff format='2'><change operation='delete' path=\"/cib/p[@id='x']\"/></diff>")
                .unwrap(),
        )
        .unwrap();
        let cib = parse("<cib/>").unwrap();
        assert_eq!(patch.apply(&cib), Err(PatchError::Missing("/cib/p[@id='x']".into())));
        for bad in [
            "<diff/>",
            "<diff format='2'><change operation='delete'/></diff>",
            "<diff format='2'><change operation='delete' path='cib'/></diff>",
            "<diff format='2'><change operation='delete' path='/a[1]'/></diff>",
            "<diff format='2'><change operation='fly' path='/a'/></diff>",
            "<diff format='2'><change operation='create' path='/a' position='-1'><b/></change></diff>",
        ] {
            assert!(Patch::from_xml(&parse(bad).unwrap()).is_err(), "{bad}");
        }
    }

    fn tree() -> impl Strategy<Value = Element> {
        let leaf = (0u8..3, prop::option::of(0u8..6), prop::option::of(0u8..3)).prop_map(
            |(tag, id, value)| {
                let mut e = Element::new(["a", "b", "c"][usize::from(tag)]);
                if let Some(id) = id {
                    e.set_attr("id", format!("i{id}"));
                }
                if let Some(v) = value {
                    e.set_attr("v", v.to_string());
                }
                e
            },
        );
        let node = leaf.prop_recursive(3, 24, 5, |inner| {
            (inner.clone(), prop::collection::vec(inner, 0..5)).prop_map(|(mut e, children)| {
                children.into_iter().for_each(|c| e.push(c));
                e
            })
        });
        prop::collection::vec(node, 0..6).prop_map(|children| {
            let mut root = Element::new("cib");
            children.into_iter().for_each(|c| root.push(c));
            root
        })
    }

    proptest! {
        #[test]
        fn any_two_trees_are_bridged(old in tree(), new in tree()) {
            let patch = Patch::between(&old, &new);
            let xml = patch.to_xml(Version::default(), Version::default());
            let patch = Patch::from_xml(&parse(&xml.to_string()).unwrap()).unwrap();
            let got = patch.apply(&old).unwrap();
            prop_assert_eq!(normal(&got), normal(&new));
        }
    }

    /// The order of attributes has no meaning in XML.
    fn normal(e: &Element) -> (String, Vec<(String, String)>, Vec<String>) {
        let mut attributes: Vec<_> =
            e.attrs().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        attributes.sort();
        let children = e.children().map(|c| format!("{:?}", normal(c))).collect();
        (e.name().to_string(), attributes, children)
    }
}
