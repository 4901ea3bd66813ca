//! Old documents are brought to the newest schema that they fit (scheduler reference, I-18 to
//! I-23). From one schema to the next a document is taken over as it is if it is valid there;
//! between the generations (1.3 to 2.0, 2.10 to 3.0) what is old is replaced, by a table of ours
//! that says what each old name means today.

use std::collections::{HashMap, VecDeque};

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
    match schema {
        Schema::Release(2, 0) => permissions(new.child_mut("configuration")?),
        Schema::Release(3, 0) => {
            // Where a reference leads nowhere, references stay as they are.
            let complete = unfolded(document);
            let is_complete = complete.is_some();
            new = complete.unwrap_or(new);
            third_generation(new.child_mut("configuration")?);
            if is_complete {
                new = folded(&new);
            }
        }
        _ => return None,
    }
    new.set_attr("validate-with", schema.to_string());
    Some(new)
}

/// How the id of a set begins that stands, during an upgrade, for a reference to another one.
const COPY: &str = "_cibtr-2_";

fn is_set(name: &str) -> bool {
    matches!(name, "cluster_property_set" | "meta_attributes" | "instance_attributes")
}

/// The sets of a document by kind and id; none where several have the same.
struct Sets<'a>(HashMap<(&'a str, &'a str), Option<&'a Element>>);

impl<'a> Sets<'a> {
    fn of(document: &'a Element) -> Sets<'a> {
        let mut sets = HashMap::new();
        for set in document.descendants().filter(|e| is_set(e.name())) {
            if let Some(id) = set.id() {
                let entry = sets.entry((set.name(), id));
                entry.and_modify(|known| *known = None).or_insert(Some(set));
            }
        }
        Sets(sets)
    }

    fn get(&self, kind: &str, id: &str) -> Option<&'a Element> {
        self.0.get(&(kind, id)).copied().flatten()
    }
}

/// The document with copies in place of sets that only refer to others, since what is obsolete in
/// a set may depend on where it stands; none if a reference leads nowhere.
fn unfolded(document: &Element) -> Option<Element> {
    fn copy(element: &Element, sets: &Sets<'_>, prefix: &str) -> Option<Element> {
        let reference = element.attr("id-ref").filter(|_| is_set(element.name()));
        let (source, prefix) = match reference {
            Some(id) => (sets.get(element.name(), id)?, format!("_{COPY}{id}__")),
            None => (element, prefix.to_string()),
        };
        let mut out = Element::new(source.name());
        for (name, value) in source.attrs() {
            match (name, reference) {
                ("id", Some(_)) => out.set_attr("id", format!("{COPY}{value}")),
                ("id", None) if source.name() != "resource_ref" => {
                    out.set_attr("id", format!("{prefix}{value}"));
                }
                _ => out.set_attr(name, value),
            }
        }
        for node in source.nodes() {
            out.nodes_mut().push(match node {
                Child::Element(child) => {
                    Child::Element(std::sync::Arc::new(copy(child, sets, &prefix)?))
                }
                other => other.clone(),
            });
        }
        Some(out)
    }
    if !document.descendants().any(|e| is_set(e.name()) && e.attr("id-ref").is_some()) {
        return Some(document.clone());
    }
    copy(document, &Sets::of(document), "")
}

/// The document with references in place of copies that still say the same as their originals.
fn folded(document: &Element) -> Element {
    fn alike(one: &Element, other: &Element) -> bool {
        let attributes = |e: &Element| -> Vec<(String, String)> {
            let own = e.attrs().filter(|(name, _)| *name != "id");
            own.map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        attributes(one) == attributes(other)
            && one.children().count() == other.children().count()
            && one
                .children()
                .zip(other.children())
                .all(|(a, b)| a.name() == b.name() && alike(a, b))
    }
    fn fold(element: &Element, sets: &Sets<'_>) -> Element {
        let copied = element.id().and_then(|id| id.strip_prefix(COPY));
        if let Some(id) = copied.filter(|_| is_set(element.name()))
            && sets.get(element.name(), id).is_some_and(|o| alike(o, element))
        {
            return Element::new(element.name()).with("id-ref", id);
        }
        let mut out = element.clone();
        for child in out.children_mut() {
            *child = fold(child, sets);
        }
        out
    }
    if !document.descendants().any(|e| e.id().is_some_and(|id| id.starts_with(COPY))) {
        return document.clone();
    }
    fold(document, &Sets::of(document))
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
    match name {
        "transition_idle_timeout" => Fate::Rename("cluster-delay".into()),
        "default-action-timeout" | "default_action_timeout" => Fate::ToOperations("timeout"),
        "default-resource-stickiness" | "default_resource_stickiness" => {
            Fate::ToResources("resource-stickiness", value.to_string())
        }
        "is-managed-default" | "is_managed_default" => {
            Fate::ToResources("is-managed", value.to_string())
        }
        "default-resource-failure-stickiness" | "default_resource_failure_stickiness"
            if value == "-INFINITY" =>
        {
            Fate::ToResources("migration-threshold", "1".to_string())
        }
        "default-resource-failure-stickiness"
        | "default_resource_failure_stickiness"
        | "default-migration-threshold"
        | "default_migration_threshold"
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
    parent.retain(|c| !is_set(c.name()) || c.child("nvpair").is_some());
}

/// Adds what no set that holds always defines there yet. Where there is a section but no set in it that holds
/// always, nothing is added, as in Pacemaker.
fn defaults(configuration: &mut Element, section: &str, pairs: Vec<(String, &str, String)>) {
    let defined = configuration.child(section).map(always_defined).unwrap_or_default();
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

/// The names that meta attributes of this element have at all times.
fn always_defined(parent: &Element) -> Vec<String> {
    let sets = parent.children_named("meta_attributes").filter(|set| !has_rule(set));
    let pairs = sets.flat_map(|set| set.children_named("nvpair"));
    pairs.filter_map(|pair| pair.attr("name").map(String::from)).collect()
}

fn has_rule(set: &Element) -> bool {
    set.child("rule").is_some()
}

fn pair_names(set: &Element) -> impl Iterator<Item = &str> {
    set.children_named("nvpair").filter_map(|pair| pair.attr("name"))
}

/// What `change` makes of each child, in place.
fn replace_children(parent: &mut Element, mut change: impl FnMut(Element) -> Option<Element>) {
    for node in std::mem::take(parent.nodes_mut()) {
        let node = match node {
            Child::Element(child) => change(std::sync::Arc::unwrap_or_clone(child))
                .map(|child| Child::Element(std::sync::Arc::new(child))),
            other => Some(other),
        };
        parent.nodes_mut().extend(node);
    }
}

fn primitive(element: &mut Element) {
    let defined = always_defined(element);
    let requirements = requirements(element, &defined);
    // New names that the sets that hold always want to give, in order of these sets.
    let mut wanted: VecDeque<Vec<&'static str>> =
        element.children_named("meta_attributes").map(new_names).collect();
    replace_children(element, |mut child| {
        match child.name() {
            "instance_attributes" => return parameters(child),
            "meta_attributes" => {
                wanted.pop_front();
                let later: Vec<&str> = wanted.iter().flatten().copied().collect();
                return meta_attributes(child, &later);
            }
            "operations" => {
                for op in child.children_mut().filter(|c| c.name() == "op") {
                    operation(op, &defined);
                }
            }
            _ => {}
        }
        Some(child)
    });
    requirements.into_iter().for_each(|set| element.push(set));
}

fn parameters(mut block: Element) -> Option<Element> {
    replace_children(&mut block, |mut pair| {
        let name = pair.attr("name").unwrap_or_default().to_string();
        let task = name.strip_prefix("pcmk_").and_then(|n| n.strip_suffix("_cmd"));
        if let Some(task) =
            task.filter(|t| matches!(*t, "list" | "monitor" | "off" | "on" | "reboot" | "status"))
        {
            pair.set_attr("name", format!("pcmk_{task}_action"));
        } else if name == "pcmk_arg_map" {
            // A map of several would need as many parameters; it goes.
            let value = pair.attr("value").filter(|value| !value.contains(','));
            let argument = value.and_then(|value| value.strip_prefix("port:"))?.to_string();
            pair.set_attr("name", "pcmk_host_argument");
            pair.set_attr("value", argument);
        }
        Some(pair)
    });
    block.child("nvpair").is_some().then_some(block)
}

/// What becomes of a meta attribute.
enum MetaFate {
    Keep,
    Rename(&'static str, &'static str),
    Drop,
}

fn meta_fate(pair: &Element) -> MetaFate {
    match pair.attr("name").unwrap_or_default() {
        "isolation" | "isolation-host" | "isolation-instance" | "isolation-wrapper" => {
            MetaFate::Rename("target-role", "Stopped")
        }
        "resource-failure-stickiness" | "resource_failure_stickiness" => match pair.attr("value") {
            Some("-INFINITY") => MetaFate::Rename("migration-threshold", "1"),
            _ => MetaFate::Drop,
        },
        _ => MetaFate::Keep,
    }
}

/// The new names in a set, if it holds always.
fn new_names(set: &Element) -> Vec<&'static str> {
    let pairs = set.children_named("nvpair").filter(|_| !has_rule(set));
    let name = |pair: &Element| match meta_fate(pair) {
        MetaFate::Rename(name, _) => Some(name),
        MetaFate::Keep | MetaFate::Drop => None,
    };
    pairs.filter_map(name).collect()
}

/// In a set that holds always, a new name is given only to what comes first there; in one with a
/// rule unless a later set that holds always wants to give it. So do Pacemaker's stylesheets.
fn meta_attributes(mut block: Element, later: &[&str]) -> Option<Element> {
    let ruled = has_rule(&block);
    let mut first = true;
    replace_children(&mut block, |mut pair| {
        if pair.name() != "nvpair" {
            return Some(pair);
        }
        match meta_fate(&pair) {
            MetaFate::Drop => return None,
            MetaFate::Keep => first = false,
            MetaFate::Rename(name, value) => {
                let is_given = if ruled { !later.contains(&name) } else { first };
                first = false;
                if !is_given {
                    return None;
                }
                pair.set_attr("name", name);
                pair.set_attr("value", value);
            }
        }
        Some(pair)
    });
    // Also where a name that was not given was all there was.
    (!first).then_some(block)
}

/// Options of operations that were once taken from their parameters.
const OPERATION_OPTIONS: [&str; 7] =
    ["interval-origin", "start-delay", "enabled", "on-fail", "record-pending", "role", "timeout"];

/// Upgrades one `op`: options among its parameters become meta attributes, `requires` goes.
fn operation(op: &mut Element, defined: &[String]) {
    let id = op.id().unwrap_or_default().to_string();
    op.remove_attr("requires");
    let blocks: Vec<Element> = op.children_named("instance_attributes").cloned().collect();
    let mut always = Vec::new();
    let mut conditional = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        // What the resource has or a later set says again is not taken over.
        let later: Vec<&str> =
            blocks[at + 1..].iter().filter(|b| !has_rule(b)).flat_map(pair_names).collect();
        let is_moved = |pair: &&Element| {
            let name = pair.attr("name").unwrap_or_default();
            OPERATION_OPTIONS.contains(&name)
                && !defined.iter().any(|d| d == name)
                && !later.contains(&name)
        };
        let moved: Vec<Element> =
            block.children_named("nvpair").filter(is_moved).cloned().collect();
        if !has_rule(block) {
            always.extend(moved);
        } else if !moved.is_empty() {
            let mut set = block.clone();
            set.set_attr("id", format!("{NEW_ID}{}", block.id().unwrap_or_default()));
            set.rename("meta_attributes");
            set.retain(|pair| pair.name() != "nvpair");
            conditional.push(moved.into_iter().fold(set, Element::with_child));
        }
    }
    replace_children(op, |mut child| {
        let is_parameters = child.name() == "instance_attributes";
        if !is_parameters && child.name() != "meta_attributes" {
            return Some(child);
        }
        child.retain(|pair| {
            let name = pair.attr("name").unwrap_or_default();
            pair.name() != "nvpair"
                || !(name == "requires" || is_parameters && OPERATION_OPTIONS.contains(&name))
        });
        if !is_parameters && !has_rule(&child) {
            always.drain(..).for_each(|pair| child.push(pair));
        }
        child.child("nvpair").is_some().then_some(child)
    });
    if !always.is_empty() {
        let set = Element::new("meta_attributes").with("id", format!("{NEW_ID}{id}-meta"));
        op.push(always.into_iter().fold(set, Element::with_child));
    }
    conditional.into_iter().for_each(|set| op.push(set));
}

/// What operations require belongs to their resource: the sets to be added to it. Only starts and
/// promotions count. An attribute of the operation wins over its meta attributes, these over its
/// parameters, and of several the last one.
fn requirements(resource: &Element, defined: &[String]) -> Vec<Element> {
    if defined.iter().any(|name| name == "requires") {
        return Vec::new();
    }
    let operations = resource.children_named("operations").flat_map(|o| o.children_named("op"));
    let ops: Vec<&Element> =
        operations.filter(|op| matches!(op.attr("name"), Some("start" | "promote"))).collect();
    let stated = ops.iter().rev().find_map(|op| Some((op.id()?, op.attr("requires")?)));
    if let Some((op, value)) = stated {
        let pair = Element::new("nvpair").with("id", format!("{NEW_ID}{op}-meta-requires"));
        let pair = pair.with("name", "requires").with("value", value);
        let set = format!("{NEW_ID}{}-meta", resource.id().unwrap_or_default());
        return vec![Element::new("meta_attributes").with("id", set).with_child(pair)];
    }
    let blocks: Vec<&Element> = ops.iter().flat_map(|op| op.children()).collect();
    let stating = |at: &usize| pair_names(blocks[*at]).any(|name| name == "requires");
    let of = |kind: &'static str| -> Vec<usize> {
        (0..blocks.len()).filter(|at| blocks[*at].name() == kind).filter(stating).collect()
    };
    let (meta, parameters) = (of("meta_attributes"), of("instance_attributes"));
    let holds_always = |at: &&usize| !has_rule(blocks[**at]);
    let last_of = |list: &[usize]| list.iter().rev().find(holds_always).copied();
    let wins = |list: &[usize], at: usize| last_of(list).is_none_or(|last| at >= last);
    let mut winners: Vec<usize> = meta.iter().copied().filter(|at| wins(&meta, *at)).collect();
    if last_of(&meta).is_none() {
        winners.extend(parameters.iter().copied().filter(|at| wins(&parameters, *at)));
        winners.sort_unstable();
    }
    let set = |at: usize| {
        let mut set = blocks[at].clone();
        set.set_attr("id", format!("{NEW_ID}{}", blocks[at].id().unwrap_or_default()));
        set.rename("meta_attributes");
        set.retain(|p| p.name() != "nvpair" || p.attr("name") == Some("requires"));
        set
    };
    winners.into_iter().map(set).collect()
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
    fn of_several_obsolete_names_one_is_given_the_new_one() {
        // A set that holds always gives the new name to what comes first in it, one with a rule
        // to each unless a later set wants to; a map of several arguments has no new name.
        let rule = "<rule id='ru' score='1'><expression id='ex' attribute='a' operation='eq' \
                    value='b'/></rule>";
        let cib = upgraded(&format!(
            "<resources><primitive id='p' class='stonith' type='t'>\
             <meta_attributes id='ruled'>{rule}<nvpair id='a' name='isolation' value='x'/>\
             <nvpair id='b' name='is-managed' value='true'/></meta_attributes>\
             <meta_attributes id='kept-first'><nvpair id='c' name='is-managed' value='true'/>\
             <nvpair id='d' name='isolation-host' value='x'/></meta_attributes>\
             <meta_attributes id='own-first'>\
             <nvpair id='e' name='resource-failure-stickiness' value='5'/>\
             <nvpair id='f' name='isolation-wrapper' value='x'/>\
             <nvpair id='g' name='isolation' value='x'/></meta_attributes>\
             <instance_attributes id='i'><nvpair id='m' name='pcmk_arg_map' value='port:a,b:c'/>\
             <nvpair id='n' name='ip' value='x'/></instance_attributes></primitive></resources>"
        ));
        let stopped = Some(("target-role".to_string(), "Stopped".to_string()));
        assert_eq!(pair(&cib, "f"), stopped);
        for gone in ["a", "d", "e", "g", "m"] {
            assert!(cib.find_id(gone).is_none(), "{gone}");
        }
        assert!(cib.find_id("b").is_some() && cib.find_id("n").is_some());
    }

    #[test]
    fn what_operations_require_is_said_once() {
        let op = |id: &str, name: &str, rest: &str| {
            format!("<op id='{id}' name='{name}' interval='0' {rest}</op>")
        };
        let set = |tag: &str, id: &str| {
            format!(
                "<{tag} id='{id}'><nvpair id='{id}-r' name='requires' value='nothing'/></{tag}>"
            )
        };
        let resource = |ops: &[String]| {
            format!(
                "<resources><primitive id='p' class='lsb' type='t'><operations>{}</operations>\
                 </primitive></resources>",
                ops.concat()
            )
        };
        // The last attribute of a start or promotion wins over everything.
        let cib = upgraded(&resource(&[
            op("a", "start", "requires='quorum'>"),
            op("b", "promote", "requires='fencing'>"),
            op("c", "monitor", "requires='nothing'>"),
            op("d", "start", &format!(">{}", set("meta_attributes", "dm"))),
        ]));
        let all: Vec<&str> = cib.descendants().filter_map(|e| e.attr("name")).collect();
        assert_eq!(all.iter().filter(|name| **name == "requires").count(), 1);
        let value = pair(&cib, "_2TO3_b-meta-requires").map(|(_, value)| value);
        assert_eq!(value.as_deref(), Some("fencing"));
        // Meta attributes win over parameters; their set keeps its id, marked.
        let cib = upgraded(&resource(&[
            op("a", "start", &format!(">{}", set("meta_attributes", "am"))),
            op("b", "start", &format!(">{}", set("instance_attributes", "bi"))),
        ]));
        let moved = cib.find_id("_2TO3_am").unwrap();
        assert_eq!(
            (moved.name(), moved.child("nvpair").unwrap().id()),
            ("meta_attributes", Some("am-r"))
        );
        assert!(cib.find_id("bi-r").is_none() && cib.find_id("_2TO3_bi").is_none());
    }

    #[test]
    fn a_reference_stays_one_while_both_say_the_same() {
        let cib = upgraded(
            "<resources><primitive id='p' class='lsb' type='t'>\
             <instance_attributes id='same'><nvpair id='a' name='ip' value='x'/>\
             </instance_attributes><instance_attributes id='other'>\
             <nvpair id='b' name='timeout' value='x'/><nvpair id='c' name='ip' value='x'/>\
             </instance_attributes><operations><op id='o' name='start' interval='0' requires='quorum'>\
             <instance_attributes id-ref='same'/><instance_attributes id-ref='other'/></op>\
             </operations></primitive></resources>",
        );
        let op = cib.find_id("o").unwrap();
        assert_eq!(op.children().next().unwrap().attr("id-ref"), Some("same"));
        // A timeout among the parameters of an operation is none of the resource.
        let own = op.find_id("_cibtr-2_other").unwrap();
        assert_eq!(own.children().filter_map(|p| p.attr("name")).collect::<Vec<_>>(), ["ip"]);
        assert!(op.child("meta_attributes").unwrap().find_id("__cibtr-2_other__b").is_some());
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
