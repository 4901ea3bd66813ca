//! The fixed words of the language and of the CIB schema.

/// Kinds of objects, in the order in which a listing shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A cluster node.
    Node,
    /// A resource template.
    Template,
    /// A primitive resource.
    Primitive,
    /// A container bundle.
    Bundle,
    /// A group.
    Group,
    /// A promotable clone in the old notation.
    Master,
    /// A clone.
    Clone,
    /// A tag.
    Tag,
    /// A location constraint.
    Location,
    /// A colocation constraint.
    Colocation,
    /// An order constraint.
    Order,
    /// A ticket constraint.
    Ticket,
    /// The fencing topology.
    Fencing,
    /// A set of cluster properties.
    Property,
    /// A set of resource defaults.
    RscDefaults,
    /// A set of operation defaults.
    OpDefaults,
    /// An access role.
    Role,
    /// What an access role is granted to.
    AclTarget,
    /// A group of such.
    AclGroup,
    /// A user in the notation of schema 1.
    User,
    /// An alert.
    Alert,
    /// A monitor operation for a primitive that exists.
    Monitor,
}

/// What belongs to a kind of object: (kind, keyword, element, section of the configuration).
const KINDS: &[(Kind, &str, &str, &str)] = &[
    (Kind::Node, "node", "node", "nodes"),
    (Kind::Template, "rsc_template", "template", "resources"),
    (Kind::Primitive, "primitive", "primitive", "resources"),
    (Kind::Bundle, "bundle", "bundle", "resources"),
    (Kind::Group, "group", "group", "resources"),
    (Kind::Master, "ms", "master", "resources"),
    (Kind::Clone, "clone", "clone", "resources"),
    (Kind::Tag, "tag", "tag", "tags"),
    (Kind::Location, "location", "rsc_location", "constraints"),
    (Kind::Colocation, "colocation", "rsc_colocation", "constraints"),
    (Kind::Order, "order", "rsc_order", "constraints"),
    (Kind::Ticket, "rsc_ticket", "rsc_ticket", "constraints"),
    (Kind::Fencing, "fencing_topology", "fencing-topology", ""),
    (Kind::Property, "property", "cluster_property_set", "crm_config"),
    (Kind::RscDefaults, "rsc_defaults", "meta_attributes", "rsc_defaults"),
    (Kind::OpDefaults, "op_defaults", "meta_attributes", "op_defaults"),
    (Kind::Role, "role", "acl_role", "acls"),
    (Kind::AclTarget, "acl_target", "acl_target", "acls"),
    (Kind::AclGroup, "acl_group", "acl_group", "acls"),
    (Kind::User, "user", "acl_user", "acls"),
    (Kind::Alert, "alert", "alert", "alerts"),
    (Kind::Monitor, "monitor", "op", "resources"),
];

impl Kind {
    /// Every kind, in listing order.
    pub fn all() -> impl Iterator<Item = Kind> {
        KINDS.iter().map(|k| k.0)
    }

    fn row(self) -> &'static (Kind, &'static str, &'static str, &'static str) {
        KINDS.iter().find(|k| k.0 == self).unwrap_or(&KINDS[0])
    }

    /// The keyword that defines such an object.
    pub fn keyword(self) -> &'static str {
        self.row().1
    }

    /// The tag of its element.
    pub fn tag(self) -> &'static str {
        self.row().2
    }

    /// The section of the configuration it lives in; empty for the configuration itself.
    pub fn section(self) -> &'static str {
        self.row().3
    }

    /// The kind that a keyword (or one of its old spellings) defines.
    pub fn from_keyword(word: &str) -> Option<Kind> {
        let word = word.to_ascii_lowercase();
        let canonical = match word.as_str() {
            "master" => "ms",
            "resource" => "primitive",
            "collocation" => "colocation",
            "fencing-topology" => "fencing_topology",
            other => other,
        };
        KINDS.iter().find(|k| k.1 == canonical).map(|k| k.0)
    }

    /// The kind of an element that stands in `section`.
    pub fn from_element(tag: &str, section: &str) -> Option<Kind> {
        match (tag, section) {
            ("meta_attributes", "op_defaults") => Some(Kind::OpDefaults),
            ("meta_attributes", "rsc_defaults") => Some(Kind::RscDefaults),
            ("meta_attributes" | "op", _) => None,
            _ => KINDS.iter().find(|k| k.2 == tag).map(|k| k.0),
        }
    }

    /// True for what can be started.
    pub fn is_resource(self) -> bool {
        matches!(
            self,
            Kind::Primitive
                | Kind::Bundle
                | Kind::Group
                | Kind::Master
                | Kind::Clone
                | Kind::Template
        )
    }

    /// True for what holds other resources.
    pub fn is_container(self) -> bool {
        matches!(self, Kind::Bundle | Kind::Group | Kind::Master | Kind::Clone)
    }

    /// True for location, colocation, order and ticket.
    pub fn is_constraint(self) -> bool {
        matches!(self, Kind::Location | Kind::Colocation | Kind::Order | Kind::Ticket)
    }

    /// True for sets that a second definition adds to.
    pub fn is_set(self) -> bool {
        matches!(self, Kind::Property | Kind::RscDefaults | Kind::OpDefaults)
    }

    /// The rank in a listing; the plain constraints share one, as do ticket and topology.
    pub fn rank(self) -> u8 {
        match self {
            Kind::Colocation | Kind::Order => Kind::Location as u8,
            Kind::Fencing => Kind::Ticket as u8,
            Kind::AclGroup | Kind::User => Kind::AclTarget as u8,
            other => other as u8,
        }
    }

    /// The id of a set that is defined without one.
    pub fn default_id(self) -> Option<&'static str> {
        match self {
            Kind::Property => Some("cib-bootstrap-options"),
            Kind::RscDefaults => Some("rsc-options"),
            Kind::OpDefaults => Some("op-options"),
            _ => None,
        }
    }
}

/// Roles, as the newest schema has them.
pub const ROLES: &[&str] = &["Stopped", "Started", "Promoted", "Unpromoted", "Master", "Slave"];
/// Actions of orders.
pub const ACTIONS: &[&str] = &["start", "promote", "demote", "stop"];
/// Kinds of orders.
pub const ORDER_KINDS: &[&str] = &["Mandatory", "Optional", "Serialize"];
/// Words that open a section of a resource.
pub const SECTION_WORDS: &[&str] = &[
    "params",
    "meta",
    "utilization",
    "operations",
    "op",
    "op_params",
    "op_meta",
    "rule",
    "attributes",
];
/// Names of operations.
pub const OPERATIONS: &[&str] = &[
    "monitor",
    "start",
    "stop",
    "promote",
    "demote",
    "notify",
    "migrate_to",
    "migrate_from",
    "reload",
];
/// Attributes of an operation itself; others become parameters of it.
pub const OP_ATTRIBUTES: &[&str] = &[
    "name",
    "id",
    "description",
    "interval",
    "interval-origin",
    "start-delay",
    "role",
    "on-fail",
    "timeout",
    "record-pending",
    "enabled",
];
/// Comparisons of rules.
pub const COMPARISONS: &[&str] = &["lt", "gt", "lte", "gte", "eq", "ne"];
/// Types of comparisons.
pub const COMPARISON_TYPES: &[&str] = &["string", "integer", "number", "version"];
/// Parts of a date or duration.
pub const DATE_PARTS: &[&str] = &[
    "hours",
    "monthdays",
    "weekdays",
    "yearsdays",
    "yeardays",
    "months",
    "weeks",
    "years",
    "weekyears",
    "moon",
    "days",
    "minutes",
    "seconds",
];
/// Meta attributes of any resource.
pub const RESOURCE_META: &[&str] = &[
    "allow-migrate",
    "maintenance",
    "is-managed",
    "interval-origin",
    "migration-threshold",
    "priority",
    "multiple-active",
    "failure-timeout",
    "resource-stickiness",
    "target-role",
    "restart-type",
    "description",
    "remote-node",
    "requires",
    "provides",
    "remote-port",
    "remote-addr",
    "remote-connect-timeout",
    "critical",
    "allow-unhealthy-nodes",
    "remote-allow-migrate",
    "container-attribute-target",
];
/// Meta attributes of clones beside those of any resource.
pub const CLONE_META: &[&str] = &[
    "ordered",
    "notify",
    "interleave",
    "globally-unique",
    "clone-max",
    "clone-node-max",
    "clone-state",
    "clone-min",
    "promotable",
    "promoted-max",
    "promoted-node-max",
    "master-max",
    "master-node-max",
];
/// Meta attributes of groups beside those of any resource.
pub const GROUP_META: &[&str] = &["container"];
/// Kinds of access.
pub const ACL_RIGHTS: &[&str] = &["read", "write", "deny"];
/// What an access rule can name: (word, attribute of the permission).
pub const ACL_OBJECTS: &[(&str, &str)] = &[
    ("xpath", "xpath"),
    ("ref", "reference"),
    ("reference", "reference"),
    ("tag", "object-type"),
    ("type", "object-type"),
    ("attr", "attribute"),
    ("attribute", "attribute"),
];

/// Short forms of XPaths in access rules; `@@` stands for an argument, which ends its part.
pub const ACL_SHORTCUTS: &[(&str, &[&str])] = &[
    ("meta", &["//primitive[@id='@@']/meta_attributes", "/nvpair[@name='@@']"]),
    ("params", &["//primitive[@id='@@']/instance_attributes", "/nvpair[@name='@@']"]),
    ("utilization", &["//primitive[@id='@@']/utilization"]),
    ("location", &["//rsc_location[@id='cli-prefer-@@' and @rsc='@@']"]),
    ("property", &["//crm_config/cluster_property_set", "/nvpair[@name='@@']"]),
    ("nodeattr", &["//nodes/node/instance_attributes", "/nvpair[@name='@@']"]),
    ("nodeutil", &["//nodes/node/utilization", "[@uname='@@']"]),
    ("node", &["//nodes/node", "[@uname='@@']"]),
    ("status", &["/cib/status"]),
    ("cib", &["/cib"]),
];

/// Finds a word of a list in any case and gives its right spelling.
pub fn canonical(word: &str, list: &[&'static str]) -> Option<&'static str> {
    list.iter().copied().find(|w| w.eq_ignore_ascii_case(word))
}

/// The truth value of a word, as the CIB reads it.
pub fn boolean(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" => Some(true),
        "false" | "no" | "off" | "0" | "n" => Some(false),
        _ => None,
    }
}

/// The nearest of `candidates`, if it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match word.chars().count() {
        0..=2 => return None,
        3..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .map(|c| (distance(&word.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Slips of the keyboard between two words: insertions, deletions, changes and swaps of neighbours.
pub fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > 8 || a.len() > 200 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let change = last[j] + usize::from(a[i] != b[j]);
            let mut best = change.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        assert_eq!(distance("primitve", "primitive"), 1);
        assert_eq!(distance("clnoe", "clone"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("adress", ["address", "port"]), Some("address"));
        assert_eq!(nearest("zzz", ["address", "port"]), None);
    }

    #[test]
    fn every_kind_has_one_row() {
        for kind in Kind::all() {
            assert_eq!(Kind::from_keyword(kind.keyword()), Some(kind));
        }
    }
}
