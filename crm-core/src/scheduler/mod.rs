//! The scheduler: from a CIB and a time to the actions that make it true.
//!
//! Steps, each reading what the ones before left in the [`Cluster`](model::Cluster):
//! `input` (what is configured and what is), `placement` (which node, which role), `actions`
//! (what to do, in which order).

pub mod actions;
pub mod input;
pub mod model;
pub mod placement;

pub use input::Input;
use model::Cluster;
pub use placement::ScoreLine;

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Everything known and decided.
    pub cluster: Cluster,
    /// Scores in the order in which they were fixed.
    pub scores: Vec<ScoreLine>,
}

/// Decides what to do.
pub fn schedule(input: &Input<'_>) -> Schedule {
    let mut cluster = input::load(input);
    placement::prepare(&mut cluster);
    actions::prepare(&mut cluster);
    let scores = placement::assign(&mut cluster);
    actions::plan(&mut cluster);
    Schedule { cluster, scores }
}
