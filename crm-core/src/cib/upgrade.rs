//! Old documents are brought to the newest schema that they fit (scheduler reference, I-18 to
//! I-23). From one schema to the next a document is taken over as it is if it is valid there;
//! between the generations (1.3 to 2.0, 2.10 to 3.0) what is old is replaced, by a table of ours
//! that says what each old name means today.

use super::schema::{Schema, Violation};
use super::{Child, Element};

/// The schema that new documents claim.
pub const CURRENT: &str = "pacemaker-3.9";

/// Why a document cannot be brought to a schema of today. It is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// It is valid in no schema from the one that it claims on.
    #[error(
        "the document claims schema {claimed} and fits neither that nor a later one: {}",
        first(violations)
    )]
    Invalid {
        /// What `validate-with` says.
        claimed: String,
        /// What is wrong, seen from the claimed schema (or today's, if there is none such).
        violations: Vec<Violation>,
    },
    /// It is valid, but not so after the change to a newer generation.
    #[error(
        "the document claims schema {claimed} and cannot be upgraded past {reached}: {}",
        first(violations)
    )]
    Stuck {
        /// What `validate-with` says.
        claimed: String,
        /// The newest schema that it fits.
        reached: Schema,
        /// What is wrong in the next one.
        violations: Vec<Violation>,
    },
}

fn first(violations: &[Violation]) -> String {
    violations.first().map_or_else(|| "no reason is known".to_string(), ToString::to_string)
}

/// The document as the scheduler reads it: unchanged if its schema is of today's generation or
/// it is not to be checked, else upgraded as far as possible.
///
/// An upgraded document is valid; whether another one is, [`schema::validate`] says.
///
/// [`schema::validate`]: super::schema::validate
///
/// # Errors
/// An old document that is invalid, or whose upgrade would be.
pub fn upgrade(cib: &Element) -> Result<Element, UpgradeError> {
    if needs_upgrade(cib) { upgrade_fully(cib) } else { Ok(cib.clone()) }
}

/// True if a document's schema is one that [`upgrade`] leaves: one of an older generation, or a
/// name that no schema has.
pub fn needs_upgrade(cib: &Element) -> bool {
    let claimed = cib.attr("validate-with").map(Schema::named);
    claimed.is_some_and(|schema| schema.is_none_or(|s| s < Schema::OLDEST_USABLE))
}

/// The document in the newest schema that it can be brought to; what `cibadmin --upgrade` and
/// `configure upgrade` make last. A document that is not checked stays as it is.
///
/// # Errors
/// As [`upgrade`].
pub fn upgrade_fully(cib: &Element) -> Result<Element, UpgradeError> {
    let Some(name) = cib.attr("validate-with") else { return Ok(cib.clone()) };
    let claimed = Schema::named(name);
    if claimed.is_some_and(|schema| schema >= Schema::CURRENT) {
        return Ok(cib.clone());
    }
    let mut document = cib.clone();
    let mut reached: Option<Schema> = None;
    let mut violations = Vec::new();
    for schema in Schema::releases().filter(|s| claimed.is_none_or(|c| *s >= c)) {
        let mut wrong = schema.check(&document);
        if !wrong.is_empty()
            && reached == Some(before(schema))
            && let Some(new) = transformed(&document, schema)
        {
            wrong = schema.check(&new);
            if wrong.is_empty() {
                document = new;
            }
        }
        if wrong.is_empty() {
            reached = Some(schema);
        } else {
            if violations.is_empty() || reached.is_some() {
                violations = wrong;
            }
            // The oldest schema of all does not count: the search goes on.
            if reached.is_some_and(|r| r > Schema::OLDEST) {
                break;
            }
        }
    }
    let claimed = name.to_string();
    match reached {
        Some(reached) if reached >= Schema::OLDEST_USABLE => {
            document.set_attr("validate-with", reached.to_string());
            Ok(document)
        }
        Some(reached) => Err(UpgradeError::Stuck { claimed, reached, violations }),
        None => Err(UpgradeError::Invalid { claimed, violations }),
    }
}

/// The schema before this one; the oldest has none before it.
fn before(schema: Schema) -> Schema {
    Schema::releases().take_while(|s| *s < schema).last().unwrap_or(schema)
}

/// The document in the words of a new generation; none if `schema` does not begin one.
fn transformed(document: &Element, schema: Schema) -> Option<Element> {
    let mut new = document.clone();
    new.set_attr("validate-with", schema.to_string());
    let configuration = new.child_mut("configuration")?;
    match schema {
        Schema::Release(2, 0) => permissions(configuration),
        Schema::Release(3, 0) => third_generation(configuration),
        _ => return None,
    }
    Some(new)
}

fn third_generation(configuration: &mut Element) {
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

/// 1.3 → 2.0: roles are referred to by `role`, `read`, `write` and `deny` are one element, and
/// users' own permissions become roles.
fn permissions(configuration: &mut Element) {
    let Some(acls) = configuration.child_mut("acls") else { return };
    let mut out: Vec<Child> = Vec::new();
    for node in std::mem::take(acls.nodes_mut()) {
        let Child::Element(entry) = node else {
            out.push(node);
            continue;
        };
        let mut entry = std::sync::Arc::unwrap_or_clone(entry);
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
            out.push(Child::Element(std::sync::Arc::new(element)));
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
        // Defaults that hold only at times have no place to go to.
        let ruled = set.child("rule").is_some();
        for pair in set.children_mut().filter(|p| p.name() == "nvpair") {
            let text = |n: &str| pair.attr(n).unwrap_or_default().to_string();
            let (id, name, value) = (text("id"), text("name"), text("value"));
            match property_fate(&name, &value) {
                Fate::Keep => {}
                Fate::Rename(new) => pair.set_attr("name", new),
                Fate::Drop => dropped.push(id),
                Fate::ToOperations(new) => {
                    if !ruled {
                        operations.push((id.clone(), new, value));
                    }
                    dropped.push(id);
                }
                Fate::ToResources(new, value) => {
                    if !ruled {
                        resources.push((id.clone(), new, value));
                    }
                    dropped.push(id);
                }
            }
        }
        drop_pairs(set, &dropped);
    }
    drop_empty(config);
    defaults(configuration, "op_defaults", operations);
    defaults(configuration, "rsc_defaults", resources);
}

fn drop_pairs(block: &mut Element, ids: &[String]) {
    block.retain(|pair| {
        pair.name() != "nvpair" || !ids.iter().any(|id| pair.id() == Some(id.as_str()))
    });
}

/// Sets of which nothing is left, or that never held anything, go.
fn drop_empty(parent: &mut Element) {
    let is_set = |name: &str| {
        matches!(name, "cluster_property_set" | "meta_attributes" | "instance_attributes")
    };
    parent
        .retain(|c| !is_set(c.name()) || c.attr("id-ref").is_some() || c.child("nvpair").is_some());
}

/// Adds what is not defined there yet. Where there is a section but no set in it that holds
/// always, nothing is added, as in Pacemaker.
fn defaults(configuration: &mut Element, section: &str, pairs: Vec<(String, &str, String)>) {
    let defined: Vec<String> = configuration
        .child(section)
        .into_iter()
        .flat_map(Element::descendants)
        .filter_map(|e| e.attr("name").map(String::from))
        .collect();
    let mut added = Vec::new();
    for (id, name, value) in pairs {
        if !defined.iter().any(|d| d == name) {
            let pair = Element::new("nvpair").with("id", id).with("name", name);
            added.push(pair.with("value", value));
        }
    }
    if added.is_empty() {
        return;
    }
    let set = match configuration.child_mut(section) {
        Some(section) => {
            section.find_child_mut(|c| c.name() == "meta_attributes" && c.child("rule").is_none())
        }
        None => {
            let id = format!("{NEW_ID}-{}", section.replace('_', "-"));
            let section = configuration.child_or_insert(section);
            section.push(Element::new("meta_attributes").with("id", id));
            section.child_mut("meta_attributes")
        }
    };
    if let Some(set) = set {
        added.into_iter().for_each(|pair| set.push(pair));
    }
}

/// How the ids of what an upgrade adds begin, as in Pacemaker.
const NEW_ID: &str = "_2TO3_";

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
    let mut requires: Option<Element> = None;
    let mut seen = Vec::new();
    for child in element.children_mut() {
        match child.name() {
            "instance_attributes" => parameters(child),
            "meta_attributes" => meta_attributes(child, &mut seen),
            "operations" => {
                for op in child.children_mut().filter(|c| c.name() == "op") {
                    if let Some(pair) = operation(op) {
                        requires = Some(pair);
                    }
                }
            }
            _ => {}
        }
    }
    drop_empty(element);
    let Some(pair) = requires else { return };
    let is_meta = |c: &Element| c.name() == "meta_attributes" && c.child("rule").is_none();
    let named = |p: &Element| p.attr("name") == Some("requires");
    if element.children().filter(|c| is_meta(c)).flat_map(Element::children).any(named) {
        return;
    }
    let set = format!("{NEW_ID}{}-meta", element.id().unwrap_or_default());
    element.push(Element::new("meta_attributes").with("id", set).with_child(pair));
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

/// `seen` are the new names that a set before this one gave; the first one wins.
fn meta_attributes(block: &mut Element, seen: &mut Vec<&'static str>) {
    let mut dropped = Vec::new();
    for pair in block.children_mut().filter(|p| p.name() == "nvpair") {
        let name = pair.attr("name").unwrap_or_default();
        let (name, value) = match name {
            "isolation" | "isolation-host" | "isolation-instance" | "isolation-wrapper" => {
                ("target-role", Some("Stopped"))
            }
            "resource-failure-stickiness" | "resource_failure_stickiness" => {
                let always = pair.attr("value") == Some("-INFINITY");
                ("migration-threshold", Some("1").filter(|_| always))
            }
            _ => continue,
        };
        match value.filter(|_| !seen.contains(&name)) {
            Some(value) => {
                seen.push(name);
                pair.set_attr("name", name);
                pair.set_attr("value", value);
            }
            None => dropped.push(pair.id().unwrap_or_default().to_string()),
        }
    }
    let own = ["target-role", "migration-threshold"];
    let has = |name: &str| block.children().any(|p| p.attr("name") == Some(name));
    seen.extend(own.into_iter().filter(|name| has(name)));
    drop_pairs(block, &dropped);
}

/// Upgrades one `op`; a `requires` that belongs to the resource is returned.
fn operation(op: &mut Element) -> Option<Element> {
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
    let id = op.id().unwrap_or_default().to_string();
    let mut requires = op.remove_attr("requires").map(|value| {
        let pair = Element::new("nvpair").with("id", format!("{NEW_ID}{id}-meta-requires"));
        pair.with("name", "requires").with("value", value)
    });
    let mut moved: Vec<Element> = Vec::new();
    let mut conditional: Vec<Element> = Vec::new();
    for block in op.children_mut() {
        let parameters = block.name() == "instance_attributes";
        if !parameters && block.name() != "meta_attributes" {
            continue;
        }
        let ruled = block.child("rule").is_some();
        let mut now_and_then: Vec<Element> = Vec::new();
        let mut dropped = Vec::new();
        for pair in block.children().filter(|p| p.name() == "nvpair") {
            let name = pair.attr("name").unwrap_or_default();
            let id = pair.id().unwrap_or_default().to_string();
            if name == "requires" {
                requires = requires.or_else(|| Some(pair.clone()).filter(|_| !ruled));
                dropped.push(id);
            } else if parameters && META.contains(&name) {
                if ruled { &mut now_and_then } else { &mut moved }.push(pair.clone());
                dropped.push(id);
            }
        }
        drop_pairs(block, &dropped);
        if let (Some(rule), false) = (block.child("rule"), now_and_then.is_empty()) {
            let id = format!("{NEW_ID}{}", block.id().unwrap_or_default());
            let set = Element::new("meta_attributes").with("id", id).with_child(rule.clone());
            conditional.push(now_and_then.into_iter().fold(set, Element::with_child));
        }
    }
    if !moved.is_empty() {
        let is_open = |c: &Element| c.name() == "meta_attributes" && c.child("rule").is_none();
        if op.position(is_open).is_none() {
            let id = format!("{NEW_ID}{id}-meta");
            op.push(Element::new("meta_attributes").with("id", id));
        }
        if let Some(set) = op.find_child_mut(is_open) {
            moved.into_iter().for_each(|pair| set.push(pair));
        }
    }
    drop_empty(op);
    conditional.into_iter().for_each(|set| op.push(set));
    requires.filter(|_| starts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::parse;

    fn document(schema: &str, configuration: &str) -> Element {
        let text = format!(
            "<cib validate-with='{schema}' admin_epoch='0' epoch='1' num_updates='0'>\
             <configuration>{configuration}</configuration></cib>"
        );
        let mut cib = parse(&text).unwrap();
        let configuration = cib.child_or_insert("configuration");
        for section in ["crm_config", "nodes", "resources", "constraints"] {
            configuration.child_or_insert(section);
        }
        cib
    }

    fn upgraded(configuration: &str) -> Element {
        upgrade(&document("pacemaker-2.5", configuration)).unwrap()
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
             <primitive id='p' class='stonith' type='t'><instance_attributes id='i'>\
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
        assert_eq!(pair(&cib, "_2TO3_s-meta-requires"), text("requires", "quorum"));
        let start = cib.find_id("s").unwrap();
        assert_eq!(start.attr("requires"), None);
        assert!(start.child("meta_attributes").unwrap().find_id("q").is_some());
        assert!(start.child("instance_attributes").is_none());
        assert_eq!(cib.find_id("c").unwrap().attr("score-attribute"), None);
    }

    #[test]
    fn permissions_of_the_first_generation() {
        let old = document(
            "pacemaker-1.2",
            "<acls><acl_role id='r'><read id='a' xpath='/cib' attribute='x'/>\
             <deny id='b' tag='nvpair'/></acl_role><acl_user id='u'><role_ref id='r'/></acl_user>\
             <acl_user id='v'><write id='w' ref='r'/></acl_user></acls>",
        );
        let cib = upgrade(&old).unwrap();
        let a = cib.find_id("a").unwrap();
        assert_eq!((a.name(), a.attr("kind")), ("acl_permission", Some("read")));
        assert_eq!(cib.find_id("b").unwrap().attr("object-type"), Some("nvpair"));
        assert_eq!(cib.find_id("u").unwrap().name(), "acl_target");
        assert_eq!(cib.find_id("u").unwrap().child("role").unwrap().id(), Some("r"));
        assert_eq!(a.attr("xpath"), Some("/cib[@x]"));
        let own = cib.find_id("auto-v").unwrap();
        assert_eq!((own.name(), own.id()), ("role", Some("auto-v")));
        assert_eq!(cib.find_id("w").unwrap().attr("reference"), Some("r"));
    }

    #[test]
    fn what_fits_no_schema_is_refused_and_what_fits_a_later_one_is_taken_for_that() {
        // I-18, I-20
        let early = document("pacemaker-1.2", "<tags/>");
        assert_eq!(upgrade(&early).unwrap().attr("validate-with"), Some(CURRENT));
        let wrong = document("pacemaker-1.3", "<tags><nonsense/></tags>");
        assert!(matches!(upgrade(&wrong), Err(UpgradeError::Invalid { .. })));
        assert!(!Schema::CURRENT.accepts(&document("pacemaker-3.9", "<tags><nonsense/></tags>")));
        let minor = document("pacemaker-3.0", "");
        assert_eq!(upgrade(&minor), Ok(minor.clone()));
        let newest = upgrade_fully(&minor).unwrap();
        assert_eq!(newest.attr("validate-with"), Some(CURRENT));
    }
}
