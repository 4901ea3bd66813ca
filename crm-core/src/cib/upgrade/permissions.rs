//! From the first generation to the second: access control.

use std::sync::Arc;

use crate::cib::{Child, Element};

/// 1.3 → 2.0: roles are referred to by `role`, `read`, `write` and `deny` are one element, and
/// users' own permissions become roles.
pub(super) fn second_generation(configuration: &mut Element) {
    let Some(acls) = configuration.child_mut("acls") else { return };
    let mut out: Vec<Child> = Vec::new();
    for node in std::mem::take(acls.nodes_mut()) {
        let Child::Element(entry) = node else {
            out.push(node);
            continue;
        };
        let mut entry = Arc::unwrap_or_clone(entry);
        entry.children_mut().for_each(permission_element);
        let mut own = None;
        if entry.name() == "acl_user" {
            entry.rename("acl_target");
            let is_right = |e: &Element| e.name() == "acl_permission";
            if entry.children().any(is_right) {
                let id = format!("auto-{}", entry.id().unwrap_or_default());
                let mut role = Element::new("acl_role").with("id", &id);
                *role.nodes_mut() = std::mem::take(entry.nodes_mut());
                entry.push(Element::new("role").with("id", id));
                own = Some(role);
            }
        }
        for element in [Some(entry), own].into_iter().flatten() {
            out.push(Child::Element(Arc::new(element)));
        }
    }
    *acls.nodes_mut() = out;
}

fn permission_element(permission: &mut Element) {
    let kind = permission.name().to_string();
    match &*kind {
        "role_ref" => return permission.rename("role"),
        "read" | "write" | "deny" => {}
        _ => return,
    }
    let old = std::mem::replace(permission, Element::new("acl_permission"));
    permission.set_attr("id", old.id().unwrap_or_default());
    permission.set_attr("kind", kind);
    let attribute = old.attr("attribute");
    if let Some(reference) = old.attr("ref") {
        permission.set_attr("reference", reference);
    } else if let Some(tag) = old.attr("tag") {
        permission.set_attr("object-type", tag);
        if let Some(attribute) = attribute {
            permission.set_attr("attribute", attribute);
        }
    } else if let Some(xpath) = old.attr("xpath") {
        let step = attribute.map(|a| format!("[@{a}]")).unwrap_or_default();
        permission.set_attr("xpath", format!("{xpath}{step}"));
    }
}
