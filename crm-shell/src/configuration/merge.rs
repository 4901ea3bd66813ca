//! Two people changed the configuration: bringing both changes together, object by object.

use crm_core::cib::{Child, Element};

/// Applies to `theirs` what `ours` changed since `base`. Objects are the unit: a section's
/// children by id.
///
/// # Errors
/// The names of the objects that both changed, differently.
pub fn merge(base: &Element, theirs: &Element, ours: &Element) -> Result<Element, Vec<String>> {
    let mut out = theirs.clone();
    let mut conflicts = Vec::new();
    let mut sections: Vec<&str> = Vec::new();
    for section in base.children().chain(theirs.children()).chain(ours.children()) {
        if !sections.contains(&section.name()) {
            sections.push(section.name());
        }
    }
    for name in sections {
        let (b, t, o) = (base.child(name), theirs.child(name), ours.child(name));
        if same(b, o) || same(t, o) {
            continue;
        }
        if same(b, t) || name == "fencing-topology" {
            if !same(b, t) {
                conflicts.push(name.to_string());
                continue;
            }
            replace(&mut out, name, o);
            continue;
        }
        let empty = Element::new(name);
        let (b, o) = (b.unwrap_or(&empty), o.unwrap_or(&empty));
        merge_section(b, out.child_or_insert(name), o, &mut conflicts);
    }
    if conflicts.is_empty() { Ok(out) } else { Err(conflicts) }
}

fn same(a: Option<&Element>, b: Option<&Element>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b,
        (None, None) => true,
        (Some(e), None) | (None, Some(e)) => e.nodes().is_empty(),
    }
}

fn replace(root: &mut Element, name: &str, section: Option<&Element>) {
    let at = root.position(|c| c.name() == name);
    match (at, section) {
        (Some(at), Some(section)) => {
            root.nodes_mut()[at] = Child::Element(section.clone().into());
        }
        (None, Some(section)) => root.push(section.clone()),
        (Some(_), None) => root.retain(|c| c.name() != name),
        (None, None) => {}
    }
}

fn by_id<'a>(section: &'a Element, id: &str) -> Option<&'a Element> {
    section.children().find(|c| c.id() == Some(id))
}

fn merge_section(
    base: &Element,
    theirs: &mut Element,
    ours: &Element,
    conflicts: &mut Vec<String>,
) {
    let mut ids: Vec<String> = Vec::new();
    for e in base.children().chain(ours.children()) {
        if let Some(id) = e.id().filter(|id| !ids.iter().any(|i| i == id)) {
            ids.push(id.to_string());
        }
    }
    for id in ids {
        let (b, t, o) = (by_id(base, &id), by_id(theirs, &id).cloned(), by_id(ours, &id));
        if b == o || t.as_ref() == o {
            continue;
        }
        if b != t.as_ref() {
            conflicts.push(id);
            continue;
        }
        match (t, o) {
            (Some(_), Some(new)) => {
                if let Some(old) = theirs.find_child_mut(|c| c.id() == Some(&id)) {
                    *old = new.clone();
                }
            }
            (None, Some(new)) => theirs.push(new.clone()),
            (_, None) => theirs.retain(|c| c.id() != Some(&id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::cib::parse;

    fn tree(resources: &str, constraints: &str) -> Element {
        parse(&format!("<configuration><resources>{resources}</resources><constraints>{constraints}</constraints></configuration>")).unwrap()
    }

    #[test]
    fn changes_of_different_objects_meet() {
        let base = tree("<primitive id='a'/><primitive id='b'/>", "");
        let theirs = tree(
            "<primitive id='a' x='1'/><primitive id='b'/><primitive id='t'/>",
            "<rsc_location id='l'/>",
        );
        let ours = tree("<primitive id='a'/><primitive id='o'/>", "");
        let both = merge(&base, &theirs, &ours).unwrap();
        let ids: Vec<_> =
            both.child("resources").unwrap().children().filter_map(Element::id).collect();
        assert_eq!(ids, ["a", "t", "o"]);
        assert_eq!(both.find_id("a").unwrap().attr("x"), Some("1"));
        assert!(both.find_id("l").is_some());
    }

    #[test]
    fn the_same_object_is_a_conflict_unless_both_agree() {
        let base = tree("<primitive id='a'/>", "");
        let theirs = tree("<primitive id='a' x='1'/>", "");
        let ours = tree("<primitive id='a' x='2'/>", "");
        assert_eq!(merge(&base, &theirs, &ours), Err(vec!["a".to_string()]));
        assert_eq!(merge(&base, &theirs, &theirs).unwrap(), theirs);
        let gone = tree("", "");
        assert_eq!(merge(&base, &theirs, &gone), Err(vec!["a".to_string()]));
    }
}
