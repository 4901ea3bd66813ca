//! The scheduler: from a CIB and a time to the actions that make it true.
//!
//! Steps, each reading what the ones before left in the [`Cluster`](model::Cluster):
//! `input` (what is configured and what is), `placement` (which node, which role), `actions`
//! (what to do, in which order).

pub mod actions;
pub mod digest;
pub mod input;
pub mod model;
pub mod placement;

pub use input::{Input, Recorded, Recorder};
pub use placement::ScoreLine;

use crate::transition::Graph;
use model::Cluster;

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Everything known and decided.
    pub cluster: Cluster,
    /// Scores in the order in which they were fixed, and what was noticed on the way.
    pub scores: Vec<ScoreLine>,
    /// What to do, in which order.
    pub graph: Graph,
}

/// Decides what to do.
pub fn schedule(input: &Input<'_>) -> Schedule {
    decide(status(input), input)
}

/// What is configured and what is, before constraints: what status output shows.
pub fn status(input: &Input<'_>) -> Cluster {
    input::status(input)
}

/// What is configured, constraints included, without deciding anything: enough to complain about a
/// document that does not say how the cluster is.
pub fn check(input: &Input<'_>) -> Cluster {
    let mut cluster = status(input);
    input::constraints(&mut cluster, input);
    cluster
}

/// Decides what to do about a cluster that [`status`] has read from the same input.
pub fn decide(mut cluster: Cluster, input: &Input<'_>) -> Schedule {
    let mut noted = cluster.notes.len();
    let mut notes = |cluster: &Cluster| -> Vec<ScoreLine> {
        let from = std::mem::replace(&mut noted, cluster.notes.len());
        cluster.notes[from..].iter().cloned().map(ScoreLine::Note).collect()
    };
    input::constraints(&mut cluster, input);
    placement::prepare(&mut cluster);
    actions::prepare(&mut cluster);
    let mut scores = notes(&cluster);
    scores.extend(placement::assign(&mut cluster));
    let graph = actions::plan(&mut cluster);
    scores.extend(notes(&cluster));
    Schedule { cluster, scores, graph }
}
