//! The state of nodes and resources, as `crm_simulate` and `crm_mon` show it.
//!
//! Everything is read from a loaded [`Cluster`]; nothing is decided here. The numbers (O-70 ...)
//! are those of the scheduler reference, part 4.

mod attributes;
mod facts;
mod failures;
mod headline;
mod nodes;
mod operations;
mod resources;
mod when;
mod xml;

pub use attributes::{attribute_items, attributes_element};

pub use facts::{
    Counts, agent_name, configured_role, counts, is_active, printable_id, result_text,
};
pub use failures::{failure_items, failures_element, status_text};
pub use headline::{
    Headline, ban_items, bans_element, headline_items, maintenance_notice, summary_element,
    ticket_items, tickets_element,
};
pub use nodes::{display_name, node_items, node_line, status as node_state_words};
pub use operations::{Detail, fail_count, history_element, operation_items};
pub use resources::{brief_node_items, resource_items, resource_line};
pub use when::{ago, ctime, duration, offset_time};
pub use xml::{nodes_element, resources_element};

use crm_core::scheduler::model::{Cluster, NodeIx, RscIx};

use crate::render::report::Part;

/// What to show, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Show what does not run.
    pub inactive: bool,
    /// Show what is under way instead of the state it starts from.
    pub pending: bool,
    /// Show ids, instances and implicit resources.
    pub detail: bool,
    /// Sum primitives up by agent.
    pub brief: bool,
    /// Leave out where a resource runs.
    pub without_nodes: bool,
    /// Every node gets its own line.
    pub individual_nodes: bool,
    /// Only these nodes, if given.
    pub only_nodes: Option<Vec<NodeIx>>,
    /// Only these resources and what is in them, if given.
    pub only_resources: Option<Vec<RscIx>>,
}

impl View {
    /// What `crm_simulate` shows; pending operations only before the simulation (O-79).
    pub fn simulate(pending: bool) -> View {
        View { inactive: true, pending, ..View::default() }
    }

    /// Whether the node is to be shown.
    pub fn wants_node(&self, node: NodeIx) -> bool {
        self.only_nodes.as_ref().is_none_or(|nodes| nodes.contains(&node))
    }

    /// Whether the resource is to be shown: it is asked for, or something above or below it is.
    pub fn wants_resource(&self, cluster: &Cluster, rsc: RscIx) -> bool {
        self.only_resources.as_ref().is_none_or(|wanted| {
            wanted
                .iter()
                .any(|&w| w == rsc || cluster.is_ancestor(w, rsc) || cluster.is_ancestor(rsc, w))
        })
    }
}

/// The status of a cluster as a list: nodes, then resources.
pub fn status_part(
    title: &str,
    cluster: &Cluster,
    view: &View,
    more: Vec<(&str, Vec<Part>)>,
) -> Part {
    let mut parts = Vec::new();
    let nodes = node_items(cluster, view);
    // The title stands there even if none of the nodes has a line.
    if !cluster.nodes.is_empty() {
        parts.push(Part::list("Node List", nodes));
        parts.push(Part::Space);
    }
    let mut resources = resource_items(cluster, view);
    if resources.is_empty() {
        resources.push(Part::item("No resources"));
    }
    parts.push(Part::list("Full List of Resources", resources));
    for (title, items) in more {
        parts.push(Part::Space);
        parts.push(Part::list(title, items));
    }
    Part::list(title, parts)
}
