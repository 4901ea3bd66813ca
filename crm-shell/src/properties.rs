//! The cluster properties: names, types, defaults and what they mean.

use crate::language::vocabulary::boolean;

/// The type of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// true or false.
    Boolean,
    /// A number.
    Integer,
    /// A number or INFINITY.
    Score,
    /// A duration.
    Time,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Any text.
    Text,
    /// Written by the cluster itself.
    Internal,
}

/// A cluster property.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What holds if it is not set.
    pub default: &'static str,
    /// One line about it.
    pub about: &'static str,
}

impl Property {
    /// Why a value does not fit; `None` if it does.
    pub fn wrong_value(&self, value: &str) -> Option<String> {
        let number = || value.parse::<i64>().is_err();
        match self.kind {
            Kind::Boolean => boolean(value).is_none().then(|| "expected true or false".into()),
            Kind::Integer => number().then(|| "expected a number".into()),
            Kind::Score => crate::language::numeric_score(value)
                .is_none()
                .then(|| "expected a number or INFINITY".into()),
            Kind::Time => {
                let known = crate::configuration::milliseconds(value.trim_start_matches('-'));
                known.is_none().then(|| "expected a duration such as 60s".into())
            }
            Kind::OneOf(words) => {
                (!words.contains(&value)).then(|| format!("expected one of {}", words.join(", ")))
            }
            Kind::Text | Kind::Internal => None,
        }
    }
}

/// A property by name.
pub fn find(name: &str) -> Option<&'static Property> {
    PROPERTIES.iter().find(|p| p.name == name)
}

/// The names of all properties that are for people to set.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROPERTIES.iter().filter(|p| p.kind != Kind::Internal).map(|p| p.name)
}

const fn p(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Property {
    Property { name, kind, default, about }
}

const HEALTH: &[&str] = &["none", "migrate-on-red", "only-green", "progressive", "custom"];
const PLACEMENT: &[&str] = &["default", "utilization", "minimal", "balanced"];

/// All properties.
pub const PROPERTIES: &[Property] = &[
    p(
        "batch-limit",
        Kind::Integer,
        "0",
        "how many actions run at once in the whole cluster; 0: as the load allows",
    ),
    p(
        "cluster-delay",
        Kind::Time,
        "60s",
        "how long an action may take beyond its own time-out, for the way there and back",
    ),
    p(
        "cluster-infrastructure",
        Kind::Internal,
        "",
        "what carries the messages (set by the cluster)",
    ),
    p("cluster-ipc-limit", Kind::Integer, "500", "messages that may wait for one client"),
    p("cluster-name", Kind::Text, "", "a name for the cluster, for people"),
    p(
        "cluster-recheck-interval",
        Kind::Time,
        "15min",
        "how often time-based rules are looked at again",
    ),
    p("concurrent-fencing", Kind::Boolean, "true", "fence several nodes at once"),
    p("crmd-finalization-timeout", Kind::Time, "30min", "obsolete; join-finalization-timeout"),
    p("crmd-integration-timeout", Kind::Time, "3min", "obsolete; join-integration-timeout"),
    p("crmd-transition-delay", Kind::Time, "0s", "obsolete; transition-delay"),
    p("dc-deadtime", Kind::Time, "20s", "how long a starting node waits for others"),
    p("dc-version", Kind::Internal, "", "version of the coordinator (set by the cluster)"),
    p("election-timeout", Kind::Time, "2min", "how long an election may take"),
    p("enable-acl", Kind::Boolean, "false", "check the access rules"),
    p(
        "enable-startup-probes",
        Kind::Boolean,
        "true",
        "look for running resources when a node joins",
    ),
    p("expected-quorum-votes", Kind::Internal, "", "obsolete"),
    p(
        "fence-reaction",
        Kind::OneOf(&["stop", "panic"]),
        "stop",
        "what a node does that learns of its own fencing",
    ),
    p(
        "have-watchdog",
        Kind::Internal,
        "false",
        "whether a watchdog is in use (set by the cluster)",
    ),
    p("join-finalization-timeout", Kind::Time, "30min", "how long the end of a join may take"),
    p("join-integration-timeout", Kind::Time, "3min", "how long a join may take"),
    p("last-lrm-refresh", Kind::Internal, "", "time of the last refresh"),
    p(
        "load-threshold",
        Kind::Text,
        "80%",
        "how much of a node may be in use before fewer actions run at once",
    ),
    p("maintenance-mode", Kind::Boolean, "false", "leave all resources alone"),
    p("migration-limit", Kind::Integer, "-1", "live migrations at once on a node; -1: no limit"),
    p(
        "no-quorum-policy",
        Kind::OneOf(&["stop", "freeze", "ignore", "demote", "suicide"]),
        "stop",
        "what a partition without quorum does with its resources",
    ),
    p("node-action-limit", Kind::Integer, "0", "actions at once on a node; 0: twice its cores"),
    p(
        "node-health-base",
        Kind::Integer,
        "0",
        "score that every node starts from with node-health-strategy=progressive",
    ),
    p("node-health-green", Kind::Score, "0", "score of the health green"),
    p("node-health-red", Kind::Score, "-INFINITY", "score of the health red"),
    p("node-health-strategy", Kind::OneOf(HEALTH), "none", "how node health moves resources"),
    p("node-health-yellow", Kind::Score, "0", "score of the health yellow"),
    p(
        "node-pending-timeout",
        Kind::Time,
        "0",
        "how long a node may hang while joining before it is fenced; 0: for ever",
    ),
    p("pe-error-series-max", Kind::Integer, "-1", "scheduler inputs to keep that led to errors"),
    p("pe-input-series-max", Kind::Integer, "4000", "scheduler inputs to keep"),
    p("pe-warn-series-max", Kind::Integer, "5000", "scheduler inputs to keep that led to warnings"),
    p("placement-strategy", Kind::OneOf(PLACEMENT), "default", "how utilization decides placement"),
    p(
        "priority-fencing-delay",
        Kind::Time,
        "0",
        "delay in favour of the node with the more important resources",
    ),
    p(
        "remove-after-stop",
        Kind::Boolean,
        "false",
        "remove a stopped resource from the local manager",
    ),
    p("shutdown-escalation", Kind::Time, "20min", "how long a node may take to leave cleanly"),
    p(
        "shutdown-lock",
        Kind::Boolean,
        "false",
        "keep resources for a node that was stopped cleanly",
    ),
    p("shutdown-lock-limit", Kind::Time, "0", "how long shutdown-lock holds; 0: for ever"),
    p(
        "start-failure-is-fatal",
        Kind::Boolean,
        "true",
        "a failed start keeps the resource from that node",
    ),
    p("startup-fencing", Kind::Boolean, "true", "fence nodes that are not seen at start"),
    p(
        "stonith-action",
        Kind::OneOf(&["reboot", "off", "poweroff"]),
        "reboot",
        "what fencing does to a node",
    ),
    p("stonith-enabled", Kind::Boolean, "true", "fence nodes whose state is not known"),
    p(
        "stonith-max-attempts",
        Kind::Integer,
        "10",
        "attempts to fence a node before giving up for a while",
    ),
    p("stonith-timeout", Kind::Time, "60s", "how long a fencing action may take"),
    p(
        "stonith-watchdog-timeout",
        Kind::Time,
        "0",
        "how long to wait for a node to fence itself by its watchdog",
    ),
    p("stop-all-resources", Kind::Boolean, "false", "stop everything"),
    p(
        "stop-orphan-actions",
        Kind::Boolean,
        "true",
        "cancel operations that are not configured any more",
    ),
    p(
        "stop-orphan-resources",
        Kind::Boolean,
        "true",
        "stop resources that are not configured any more",
    ),
    p("symmetric-cluster", Kind::Boolean, "true", "resources may run anywhere unless forbidden"),
    p("transition-delay", Kind::Time, "0s", "wait this long for more events before acting"),
];
