//! Where a contribution comes from, in words.

use std::sync::Arc;

use serde::Serialize;

use crate::scheduler::model::{Block, Cause, Cluster, ColocationIx, NodeIx, RscIx};

/// What is named as the end of an explanation: something in the CIB, or a documented rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Origin {
    /// An element of the CIB.
    Cib {
        /// Its `id`.
        id: Arc<str>,
    },
    /// A rule of the scheduler, as `docs/design/scheduler.md` numbers them.
    Rule {
        /// Its number.
        rule: &'static str,
    },
    /// A recorded operation, or the history of a resource.
    Operation {
        /// Its `id`.
        id: Arc<str>,
        /// The node that it was recorded on.
        node: Arc<str>,
    },
    /// The state of a node.
    Node {
        /// Its name.
        node: Arc<str>,
    },
    /// A cluster option.
    Option {
        /// Its name.
        name: &'static str,
    },
}

/// A cause that can be shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Source {
    /// The id or rule.
    pub origin: Origin,
    /// One clause that says what it is.
    pub text: String,
    /// The other resource, if it is about one.
    pub resource: Option<Arc<str>>,
}

impl Source {
    /// Describes what changed the score of `rsc` on `node`.
    pub(super) fn of(cluster: &Cluster, rsc: RscIx, node: NodeIx, cause: Cause) -> Source {
        match cause {
            Cause::Location(ix) => {
                let location = &cluster[ix];
                if location.health {
                    let text = format!("health of the node under strategy '{}'", location.id);
                    return Source::rule("I-220", text);
                }
                let text = format!("location '{}'", location.id);
                Source::cib(location.id.clone(), text)
            }
            Cause::Colocation(ix, other) => colocation(cluster, ix, other),
            Cause::Ticket(ix) => {
                let ticket = &cluster[ix];
                let state = if ticket.granted { "in standby" } else { "not granted" };
                let text = format!("ticket '{}' is {state}", ticket.id);
                let mut dependencies = cluster.ticket_dependencies.iter().filter(|d| {
                    d.ticket == ix && (d.rsc == rsc || cluster.is_ancestor(d.rsc, rsc))
                });
                match dependencies.next() {
                    Some(dependency) => Source::cib(dependency.id.clone(), text),
                    None => Source::rule("P-59", text),
                }
            }
            Cause::Stickiness => stickiness(cluster, rsc),
            Cause::FailureThreshold => {
                let threshold = cluster[rsc].migration_threshold;
                let text = format!("failures there reached migration-threshold ({threshold})");
                Source::rule("P-63", text)
            }
            Cause::NodeScore => node_score(cluster, node),
            other => by_rule(other),
        }
    }

    fn rule(rule: &'static str, text: impl Into<String>) -> Source {
        Source { origin: Origin::Rule { rule }, text: text.into(), resource: None }
    }

    fn cib(id: Arc<str>, text: String) -> Source {
        Source { origin: Origin::Cib { id }, text, resource: None }
    }
}

/// The score that entries for a node start with. Guest and bundle nodes have no element.
fn node_score(cluster: &Cluster, node: NodeIx) -> Source {
    let text = format!("score of node {} itself", cluster[node].name);
    let connection = cluster[node].connection;
    if connection.is_some_and(|c| cluster.bundle_of(c).is_some()) {
        Source::rule("P-129", text)
    } else if connection.is_some_and(|c| cluster[c].internal) {
        Source::rule("I-43", text)
    } else {
        Source::cib(cluster[node].id.clone(), text)
    }
}

/// What a person can do about a cause that rules a node out.
pub(super) fn remedy(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::Location(_) => "change or remove the location constraint",
        Cause::Colocation(..) => "let the other resource run there, or change the colocation",
        Cause::FailureThreshold | Cause::Failure => {
            "find out why it failed there, then clean up its failures"
        }
        Cause::Ticket(_) => "grant the ticket to this site",
        Cause::MultiplyActive => "stop the surplus copies by hand, then clean up",
        Cause::NextRoleStopped => "set target-role to Started, or clean up the failure",
        Cause::ShutdownLock => "start the node again that it is locked to, or clear the lock",
        Cause::ExclusiveDiscovery => "allow discovery on this node",
        Cause::NodeFull | Cause::EnoughInstances => "raise clone-node-max or clone-max",
        Cause::ParentBanned => "see its clone or bundle",
        Cause::Capacity => "give the node more capacity, or move something away",
        Cause::NodeUnavailable => "make the node available",
        Cause::Orphan => "configure it again",
        _ => return None,
    })
}

/// The causes that a fixed sentence describes.
fn by_rule(cause: Cause) -> Source {
    let (rule, text) = match cause {
        Cause::Failure => ("P-38", "an operation failed there in a way that rules the node out"),
        Cause::PromotionScore => ("P-120", "promotion score that the agent set there"),
        Cause::NoPromotionScore => ("P-121", "no promotion score is set there"),
        Cause::PromotionIndex => ("P-122", "promotion score of the instance there"),
        Cause::Unmanaged => ("P-29", "it runs there and is not managed"),
        Cause::Orphan => ("P-30", "it is not configured any more"),
        Cause::MultiplyActive => ("P-31", "it is active on several nodes, which it may not be"),
        Cause::NextRoleStopped => ("P-94", "it is to be stopped (target-role or on-fail)"),
        Cause::ShutdownLock => ("P-61", "it is locked to a node that was shut down"),
        Cause::ExclusiveDiscovery => ("P-65", "it is only discovered on other nodes"),
        Cause::NotOnRemote => ("P-68", "it may not run on remote or guest nodes"),
        Cause::Container => ("P-69", "it belongs to the node of its container"),
        Cause::NodeUnavailable => ("P-113", "the node can take no instances now"),
        Cause::ParentBanned => ("P-113", "its clone or bundle may not run there"),
        Cause::NodeFull => ("P-113", "the node has as many instances as it may have"),
        Cause::EnoughInstances => ("P-110", "as many instances as allowed are placed elsewhere"),
        Cause::ImpossiblePreference => ("P-80", "wanted by one, but impossible for another"),
        Cause::Capacity => ("P-139", "the node has not enough capacity left"),
        Cause::NodeScore
        | Cause::Location(_)
        | Cause::Colocation(..)
        | Cause::Ticket(_)
        | Cause::Stickiness
        | Cause::FailureThreshold => ("P-3", "score arithmetic"),
    };
    Source::rule(rule, text)
}

/// The id of the block that sets a meta attribute of a resource.
pub(super) fn meta(cluster: &Cluster, rsc: RscIx, name: &str) -> Option<Arc<str>> {
    // What the cluster adds itself has no block in the document, and so no id.
    let has = |b: &Block| !b.id.is_empty() && b.pairs.iter().any(|(n, _)| &**n == name);
    let mut holder = Some(rsc);
    while let Some(r) = holder {
        if let Some(block) = cluster[r].meta_blocks.iter().find(|b| has(b)) {
            return Some(block.id.clone());
        }
        holder = cluster[r].parent;
    }
    cluster.rsc_defaults.iter().find(|b| has(b)).map(|b| b.id.clone())
}

fn stickiness(cluster: &Cluster, rsc: RscIx) -> Source {
    let name = "resource-stickiness";
    match meta(cluster, rsc, name) {
        Some(id) => Source::cib(id, format!("{name}, as it is active there")),
        None => Source::rule("P-62", format!("{name} (default for clones), as it is active there")),
    }
}

/// A colocation, and the resource whose place or preference counts.
fn colocation(cluster: &Cluster, ix: ColocationIx, other: RscIx) -> Source {
    let colocation = &cluster[ix];
    let name = cluster[other].id.clone();
    let primary_side =
        colocation.primary == other || cluster.is_ancestor(colocation.primary, other);
    let relation =
        if primary_side { format!("where {name} is") } else { format!("what {name} would like") };
    let mut source = match colocation.internal {
        Some(rule) => Source::rule(rule, format!("{}, {relation}", colocation.id)),
        None => Source::cib(
            colocation.id.clone(),
            format!("colocation '{}', {relation}", colocation.id),
        ),
    };
    source.resource = Some(name);
    source
}
