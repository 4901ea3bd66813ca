//! Reading a CIB: configuration, state and history (scheduler reference, part 1).

mod blocks;
mod constraints;
mod doc;
pub mod failcount;
mod health;
mod history;
pub mod locks;
mod nodes;
pub mod ops;
mod options;
mod params;
mod resources;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::cib::{Element, UpgradeError, needs_upgrade, upgrade};
use crate::rules::{Context, Moment};

use super::model::{Attributes, Cluster, Journal, Options, Severity};
use doc::Document;
pub use history::{Recorded, Recorder};
pub use ops::{DEFAULT_TIMEOUT, OpConfig, find_op, op_config, op_params, op_timeout};

/// What a run starts from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The document. One of an older schema is upgraded for the run.
    pub cib: &'a Element,
    /// Histories that were taken out of the document when it was read ([`Recorder`]); without
    /// that, they are read from it.
    pub recorded: Option<&'a Recorded>,
    /// The one "now".
    pub now: Moment,
    /// The document was sanitized: compare secure digests (I-188).
    pub sanitized: bool,
    /// Keep the contributions of scores.
    pub record: bool,
    /// Note every score that is printed with `-s`.
    pub show_scores: bool,
    /// Note capacities and demands, as printed with `-U`.
    pub show_utilization: bool,
    /// Keep what need not be done in the graph, for drawings.
    pub all_actions: bool,
}

impl<'a> Input<'a> {
    /// A document and a time, with nothing recorded but the decisions.
    pub fn new(cib: &'a Element, now: Moment) -> Input<'a> {
        Input {
            cib,
            recorded: None,
            now,
            sanitized: false,
            record: false,
            show_scores: false,
            show_utilization: false,
            all_actions: false,
        }
    }
}

/// Reads nodes, resources and history: what status output shows (stages S1 to S6), in the fixed
/// order of I-15.
pub fn status(input: &Input<'_>) -> Cluster {
    let today = today(input.cib);
    let mut cluster = Cluster {
        now: input.now,
        sanitized: input.sanitized,
        record: input.record,
        journal: Journal::new(input.record),
        show_scores: input.show_scores,
        show_utilization: input.show_utilization,
        all_actions: input.all_actions,
        ..Cluster::default()
    };
    let cib = match &today {
        Some(Ok(upgraded)) => upgraded,
        None => input.cib,
        Some(Err(error)) => {
            cluster.say(Severity::ConfigError, error.to_string());
            input.cib
        }
    };
    let doc = Document::new(cib, input.recorded);
    options::load(&mut cluster, &doc);
    nodes::load(&mut cluster, &doc);
    resources::load(&mut cluster, &doc);
    tags(&mut cluster, &doc);
    state::load(&mut cluster, &doc);
    cluster
}

/// Reads the constraints, and what they do to the state (stage S7).
pub fn constraints(cluster: &mut Cluster, input: &Input<'_>) {
    health::load(cluster);
    let today = today(input.cib).and_then(Result::ok);
    let cib = today.as_ref().unwrap_or(input.cib);
    constraints::load(cluster, &Document::new(cib, input.recorded));
    locks::settle(cluster);
}

/// What the blocks named `tag` of one element give, by their scores and rules (I-64 to I-68).
pub(crate) fn values(
    root: &Element,
    parent: &Element,
    tag: &str,
    context: &Context<'_>,
) -> Attributes {
    let doc = Document::new(root, None);
    let mut found = Attributes::default();
    let blocks = doc.blocks(std::iter::once(parent), tag, &Options::default());
    blocks::combine(&blocks, context, false, &mut found);
    found
}

/// An old document in the words of today (I-18); none if it is of today's generation. Whoever
/// schedules often upgrades once, beforehand.
fn today(cib: &Element) -> Option<Result<Element, UpgradeError>> {
    needs_upgrade(cib).then(|| upgrade(cib))
}

/// I-87
fn tags(cluster: &mut Cluster, doc: &Document<'_>) {
    let section = doc.section("tags");
    for tag in section.into_iter().flat_map(|s| s.children_named("tag")) {
        let Some(id) = tag.id() else { continue };
        let mut ids: Vec<Arc<str>> = Vec::new();
        for reference in tag.children_named("obj_ref").filter_map(Element::id) {
            if !ids.iter().any(|known| &**known == reference) {
                ids.push(reference.into());
            }
        }
        cluster.tags.push((id.into(), ids));
    }
}
