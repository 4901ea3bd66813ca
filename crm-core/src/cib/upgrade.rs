//! Old documents are brought to schema 3.x when they are loaded (scheduler reference, I-18 to
//! I-23). The table of names is ours, made from what each old name means today.

use super::Element;

/// The schema that upgraded documents claim.
pub const CURRENT: &str = "pacemaker-3.9";

/// Why a document cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// `validate-with` names no schema that ever was.
    #[error("'{0}' is not a schema of the CIB; use validate-with=\"{CURRENT}\"")]
    UnknownSchema(String),
}

/// Where a schema name stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Generation {
    /// 0.6 to 1.3: permissions were written differently.
    One,
    /// 2.0 to 2.10.
    Two,
    /// 3.x, none at all, or not checked.
    Current,
}

fn generation(name: Option<&str>) -> Result<Generation, UpgradeError> {
    let Some(name) = name else { return Ok(Generation::Current) };
    let number = |prefix: &str, most: u32| {
        let minor = name.strip_prefix(prefix).and_then(|n| n.parse::<u32>().ok());
        minor.is_some_and(|n| n <= most)
    };
    if matches!(name, "none" | "pacemaker-next") || number("pacemaker-3.", 9) {
        Ok(Generation::Current)
    } else if number("pacemaker-2.", 10) {
        Ok(Generation::Two)
    } else if matches!(name, "pacemaker-0.6" | "transitional-0.6") || number("pacemaker-1.", 3) {
        Ok(Generation::One)
    } else {
        Err(UpgradeError::UnknownSchema(name.to_string()))
    }
}

/// The document in a 3.x schema: itself, unchanged, if it is in one, else an upgraded copy.
///
/// # Errors
/// A schema name that is not known.
pub fn upgrade(cib: &Element) -> Result<Element, UpgradeError> {
    let generation = generation(cib.attr("validate-with"))?;
    let mut new = cib.clone();
    if generation == Generation::Current {
        return Ok(new);
    }
    if let Some(configuration) = new.child_mut("configuration") {
        if generation == Generation::One {
            permissions(configuration);
        }
        properties(configuration);
        nodes(configuration);
        if let Some(resources) = configuration.child_mut("resources") {
            resource_level(resources);
        }
        if let Some(constraints) = configuration.child_mut("constraints") {
            for constraint in constraints.children_mut() {
                if constraint.name() == "rsc_colocation" {
                    constraint.remove_attr("score-attribute");
                    constraint.remove_attr("score-attribute-mangle");
                }
            }
        }
    }
    new.set_attr("validate-with", CURRENT);
    Ok(new)
}

/// True if a document's schema is one that [`upgrade`] changes.
pub fn needs_upgrade(cib: &Element) -> bool {
    generation(cib.attr("validate-with")).is_ok_and(|g| g < Generation::Current)
}

/// 1.3 → 2.0: roles are referred to by `role`, and `read`, `write`, `deny` are one element.
fn permissions(configuration: &mut Element) {
    let Some(acls) = configuration.child_mut("acls") else { return };
    for entry in acls.children_mut() {
        match entry.name() {
            "acl_user" => {
                entry.rename("acl_target");
                for role in entry.children_mut().filter(|r| r.name() == "role_ref") {
                    role.rename("role");
                }
            }
            "acl_role" => {
                for permission in entry.children_mut() {
                    permission_element(permission);
                }
            }
            _ => {}
        }
    }
}

fn permission_element(permission: &mut Element) {
    let kind = permission.name().to_string();
    if !matches!(kind.as_str(), "read" | "write" | "deny") {
        return;
    }
    let old = std::mem::replace(permission, Element::new("acl_permission"));
    permission.set_attr("id", old.id().unwrap_or_default());
    permission.set_attr("kind", kind);
    for (from, to) in [
        ("ref", "reference"),
        ("xpath", "xpath"),
        ("tag", "object-type"),
        ("attribute", "attribute"),
    ] {
        if let Some(value) = old.attr(from) {
            permission.set_attr(to, value);
        }
    }
}

/// What becomes of a pair.
enum Fate {
    Keep,
    Rename(String),
    Drop,
    /// To `op_defaults`, under this name.
    ToOperations(&'static str),
    /// To `rsc_defaults`, under this name, with this value.
    ToResources(&'static str, String),
}

fn property_fate(name: &str, value: &str) -> Fate {
    const DASHED: [&str; 12] = [
        "cluster_recheck_interval",
        "dc_deadtime",
        "election_timeout",
        "no_quorum_policy",
        "remove_after_stop",
        "shutdown_escalation",
        "startup_fencing",
        "stonith_action",
        "stonith_enabled",
        "stop_orphan_actions",
        "stop_orphan_resources",
        "symmetric_cluster",
    ];
    const OLD_STACKS: [&str; 5] =
        ["heartbeat", "openais", "classic openais", "classic openais (with plugin)", "cman"];
    if DASHED.contains(&name) {
        return Fate::Rename(name.replace('_', "-"));
    }
    match name.replace('_', "-").as_str() {
        "transition-idle-timeout" if name.contains('_') => Fate::Rename("cluster-delay".into()),
        "default-action-timeout" => Fate::ToOperations("timeout"),
        "default-resource-stickiness" => {
            Fate::ToResources("resource-stickiness", value.to_string())
        }
        "is-managed-default" => Fate::ToResources("is-managed", value.to_string()),
        "default-resource-failure-stickiness" if value == "-INFINITY" => {
            Fate::ToResources("migration-threshold", "1".to_string())
        }
        "default-resource-failure-stickiness"
        | "default-migration-threshold"
        | "expected-quorum-votes"
        | "notification-agent"
        | "notification-recipient" => Fate::Drop,
        "cluster-infrastructure" if OLD_STACKS.contains(&value) => Fate::Drop,
        _ => Fate::Keep,
    }
}

/// I-21
fn properties(configuration: &mut Element) {
    let mut operations: Vec<(String, &'static str, String)> = Vec::new();
    let mut resources: Vec<(String, &'static str, String)> = Vec::new();
    let Some(config) = configuration.child_mut("crm_config") else { return };
    for set in config.children_mut() {
        let mut dropped: Vec<String> = Vec::new();
        for pair in set.children_mut().filter(|p| p.name() == "nvpair") {
            let text = |n: &str| pair.attr(n).unwrap_or_default().to_string();
            let (id, name, value) = (text("id"), text("name"), text("value"));
            match property_fate(&name, &value) {
                Fate::Keep => {}
                Fate::Rename(new) => pair.set_attr("name", new),
                Fate::Drop => dropped.push(id),
                Fate::ToOperations(new) => {
                    operations.push((id.clone(), new, value));
                    dropped.push(id);
                }
                Fate::ToResources(new, value) => {
                    resources.push((id.clone(), new, value));
                    dropped.push(id);
                }
            }
        }
        drop_pairs(set, &dropped);
    }
    defaults(configuration, "op_defaults", operations);
    defaults(configuration, "rsc_defaults", resources);
}

fn drop_pairs(block: &mut Element, ids: &[String]) {
    block.retain(|pair| {
        pair.name() != "nvpair" || !ids.iter().any(|id| pair.id() == Some(id.as_str()))
    });
}

/// Adds what is not defined there yet.
fn defaults(configuration: &mut Element, section: &str, pairs: Vec<(String, &str, String)>) {
    for (id, name, value) in pairs {
        let section = configuration.child_or_insert(section);
        let defined = section.descendants().any(|e| e.attr("name") == Some(name));
        if defined {
            continue;
        }
        if section.child("meta_attributes").is_none() {
            let set = format!("{}-upgraded", section.name());
            section.push(Element::new("meta_attributes").with("id", set));
        }
        let pair = Element::new("nvpair").with("id", id).with("name", name).with("value", value);
        section.child_or_insert("meta_attributes").push(pair);
    }
}

fn nodes(configuration: &mut Element) {
    let Some(nodes) = configuration.child_mut("nodes") else { return };
    for node in nodes.children_mut() {
        if node.attr("type") == Some("normal") {
            node.set_attr("type", "member");
        }
    }
}

/// I-22, for everything below `resources`.
fn resource_level(parent: &mut Element) {
    for element in parent.children_mut() {
        match element.name() {
            "primitive" | "template" => primitive(element),
            "group" | "clone" | "master" | "bundle" => resource_level(element),
            _ => {}
        }
    }
}

fn primitive(element: &mut Element) {
    let mut requires: Option<String> = None;
    for child in element.children_mut() {
        match child.name() {
            "instance_attributes" => parameters(child),
            "meta_attributes" => meta_attributes(child),
            "operations" => {
                for op in child.children_mut().filter(|c| c.name() == "op") {
                    if let Some(value) = operation(op) {
                        requires = requires.or(Some(value));
                    }
                }
            }
            _ => {}
        }
    }
    let Some(value) = requires else { return };
    let id = element.id().unwrap_or_default().to_string();
    if element.child("meta_attributes").is_none() {
        let set = format!("{id}-meta_attributes");
        element.push(Element::new("meta_attributes").with("id", set));
    }
    let meta = element.child_or_insert("meta_attributes");
    if !meta.children().any(|p| p.attr("name") == Some("requires")) {
        let id = format!("{id}-requires");
        meta.push(
            Element::new("nvpair").with("id", id).with("name", "requires").with("value", value),
        );
    }
}

fn parameters(block: &mut Element) {
    let mut dropped = Vec::new();
    for pair in block.children_mut().filter(|p| p.name() == "nvpair") {
        let name = pair.attr("name").unwrap_or_default().to_string();
        let task = name.strip_prefix("pcmk_").and_then(|n| n.strip_suffix("_cmd"));
        if let Some(task) =
            task.filter(|t| matches!(*t, "list" | "monitor" | "off" | "on" | "reboot" | "status"))
        {
            pair.set_attr("name", format!("pcmk_{task}_action"));
        } else if name == "pcmk_arg_map" {
            let port = pair.attr("value").and_then(|v| v.strip_prefix("port:"));
            match port.map(str::to_string) {
                Some(argument) => {
                    pair.set_attr("name", "pcmk_host_argument");
                    pair.set_attr("value", argument);
                }
                None => dropped.push(pair.id().unwrap_or_default().to_string()),
            }
        }
    }
    drop_pairs(block, &dropped);
}

fn meta_attributes(block: &mut Element) {
    let mut dropped = Vec::new();
    for pair in block.children_mut().filter(|p| p.name() == "nvpair") {
        let name = pair.attr("name").unwrap_or_default().replace('_', "-");
        match name.as_str() {
            "isolation" | "isolation-host" | "isolation-instance" | "isolation-wrapper" => {
                pair.set_attr("name", "target-role");
                pair.set_attr("value", "Stopped");
            }
            "resource-failure-stickiness" => {
                if pair.attr("value") == Some("-INFINITY") {
                    pair.set_attr("name", "migration-threshold");
                    pair.set_attr("value", "1");
                } else {
                    dropped.push(pair.id().unwrap_or_default().to_string());
                }
            }
            _ => {}
        }
    }
    drop_pairs(block, &dropped);
}

/// Upgrades one `op`; a `requires` that belongs to the resource is returned.
fn operation(op: &mut Element) -> Option<String> {
    const META: [&str; 7] = [
        "interval-origin",
        "start-delay",
        "enabled",
        "on-fail",
        "record-pending",
        "role",
        "timeout",
    ];
    let starts = matches!(op.attr("name"), Some("start" | "promote"));
    let mut requires = op.remove_attr("requires").map(String::from);
    let mut moved: Vec<Element> = Vec::new();
    for block in op.children_mut() {
        let parameters = block.name() == "instance_attributes";
        if !parameters && block.name() != "meta_attributes" {
            continue;
        }
        let mut dropped = Vec::new();
        for pair in block.children().filter(|p| p.name() == "nvpair") {
            let name = pair.attr("name").unwrap_or_default();
            let id = pair.id().unwrap_or_default().to_string();
            if name == "requires" {
                requires = requires.or_else(|| pair.attr("value").map(str::to_string));
                dropped.push(id);
            } else if parameters && META.contains(&name) {
                moved.push(pair.clone());
                dropped.push(id);
            }
        }
        drop_pairs(block, &dropped);
    }
    if !moved.is_empty() {
        if op.child("meta_attributes").is_none() {
            let set = format!("{}-meta_attributes", op.id().unwrap_or_default());
            op.push(Element::new("meta_attributes").with("id", set));
        }
        let meta = op.child_or_insert("meta_attributes");
        for pair in moved {
            meta.push(pair);
        }
    }
    op.retain(|c| c.name() != "instance_attributes" || c.children().next().is_some());
    requires.filter(|_| starts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::parse;

    fn upgraded(configuration: &str) -> Element {
        let text = format!(
            "<cib validate-with='pacemaker-2.5'><configuration>{configuration}</configuration></cib>"
        );
        upgrade(&parse(&text).unwrap()).unwrap()
    }

    fn pair(cib: &Element, id: &str) -> Option<(String, String)> {
        let found = cib.find_id(id)?;
        Some((found.attr("name")?.to_string(), found.attr("value")?.to_string()))
    }

    #[test]
    fn current_documents_are_left_alone() {
        // I-18
        for schema in ["pacemaker-3.0", "pacemaker-3.9", "pacemaker-next", "none"] {
            let cib = Element::new("cib").with("validate-with", schema);
            assert_eq!(upgrade(&cib), Ok(cib));
        }
        assert_eq!(upgrade(&Element::new("cib")), Ok(Element::new("cib")));
        for unknown in ["pacemaker-4.0", "pacemaker-3.10", "x", "pacemaker-2.11"] {
            let cib = Element::new("cib").with("validate-with", unknown);
            assert!(upgrade(&cib).is_err(), "{unknown}");
        }
    }

    #[test]
    fn properties_get_their_names_and_places_of_today() {
        // I-21
        let cib = upgraded(
            "<crm_config><cluster_property_set id='s'>\
             <nvpair id='a' name='no_quorum_policy' value='ignore'/>\
             <nvpair id='b' name='default-resource-stickiness' value='100'/>\
             <nvpair id='c' name='default_action_timeout' value='20s'/>\
             <nvpair id='d' name='cluster-infrastructure' value='cman'/>\
             <nvpair id='e' name='cluster-infrastructure' value='corosync'/>\
             <nvpair id='f' name='expected-quorum-votes' value='2'/>\
             <nvpair id='g' name='default-resource-failure-stickiness' value='-INFINITY'/>\
             </cluster_property_set></crm_config>\
             <op_defaults><meta_attributes id='o'>\
             <nvpair id='t' name='timeout' value='9s'/></meta_attributes></op_defaults>",
        );
        let text = |n: &str, v: &str| Some((n.to_string(), v.to_string()));
        assert_eq!(cib.attr("validate-with"), Some(CURRENT));
        assert_eq!(pair(&cib, "a"), text("no-quorum-policy", "ignore"));
        assert_eq!(pair(&cib, "b"), text("resource-stickiness", "100"));
        assert_eq!(pair(&cib, "c"), None, "op_defaults has a timeout");
        assert_eq!(pair(&cib, "d"), None);
        assert!(pair(&cib, "e").is_some());
        assert_eq!(pair(&cib, "f"), None);
        assert_eq!(pair(&cib, "g"), text("migration-threshold", "1"));
        let defaults = cib.at(&["configuration", "rsc_defaults"]).unwrap();
        assert!(defaults.find_id("b").is_some());
    }

    #[test]
    fn operations_and_devices() {
        // I-22
        let cib = upgraded(
            "<nodes><node id='1' uname='n' type='normal'/></nodes><resources><group id='g'>\
             <primitive id='p'><instance_attributes id='i'>\
             <nvpair id='m' name='pcmk_reboot_cmd' value='off'/>\
             <nvpair id='x' name='pcmk_arg_map' value='port:plug'/></instance_attributes>\
             <operations><op id='s' name='start' interval='0' requires='quorum'>\
             <instance_attributes id='oi'><nvpair id='q' name='timeout' value='7s'/>\
             </instance_attributes></op></operations></primitive></group></resources>\
             <constraints><rsc_colocation id='c' score-attribute='a' rsc='p' with-rsc='g'/>\
             </constraints>",
        );
        let text = |n: &str, v: &str| Some((n.to_string(), v.to_string()));
        assert_eq!(cib.find_id("1").unwrap().attr("type"), Some("member"));
        assert_eq!(pair(&cib, "m"), text("pcmk_reboot_action", "off"));
        assert_eq!(pair(&cib, "x"), text("pcmk_host_argument", "plug"));
        assert_eq!(pair(&cib, "p-requires"), text("requires", "quorum"));
        let start = cib.find_id("s").unwrap();
        assert_eq!(start.attr("requires"), None);
        assert!(start.child("meta_attributes").unwrap().find_id("q").is_some());
        assert!(start.child("instance_attributes").is_none());
        assert_eq!(cib.find_id("c").unwrap().attr("score-attribute"), None);
    }

    #[test]
    fn permissions_of_the_first_generation() {
        let text = "<cib validate-with='pacemaker-1.2'><configuration><acls>\
                    <acl_role id='r'><read id='a' xpath='/cib'/><deny id='b' tag='nvpair'/></acl_role>\
                    <acl_user id='u'><role_ref id='r'/></acl_user></acls></configuration></cib>";
        let cib = upgrade(&parse(text).unwrap()).unwrap();
        let a = cib.find_id("a").unwrap();
        assert_eq!((a.name(), a.attr("kind")), ("acl_permission", Some("read")));
        assert_eq!(cib.find_id("b").unwrap().attr("object-type"), Some("nvpair"));
        assert_eq!(cib.find_id("u").unwrap().name(), "acl_target");
        assert_eq!(cib.find_id("u").unwrap().child("role").unwrap().id(), Some("r"));
    }
}
