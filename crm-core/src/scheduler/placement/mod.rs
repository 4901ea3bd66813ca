//! Which node and which role for every resource (scheduler reference, part 2).

use std::sync::Arc;

use crate::Score;

use super::model::{Cluster, NodeIx, RscIx};

/// One printed score (P-147).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoreLine {
    /// `PREFIX: RESOURCE allocation score on NODE: SCORE`
    Allocation {
        /// The step that printed it, as the reference names it.
        step: &'static str,
        /// The resource.
        rsc: RscIx,
        /// The node.
        node: NodeIx,
        /// The score.
        score: Score,
    },
    /// `INSTANCE promotion score on NODE: SCORE`
    Promotion {
        /// The instance.
        rsc: RscIx,
        /// The node; `None` is printed `none`.
        node: Option<NodeIx>,
        /// The score.
        score: Score,
    },
    /// Remaining capacity or load, as printed with utilization.
    Text(Arc<str>),
}

/// Node criteria and implicit colocations (stages S8 and S9).
pub fn prepare(_cluster: &mut Cluster) {}

/// Assigns every resource (stage S11); the printed scores in order.
pub fn assign(_cluster: &mut Cluster) -> Vec<ScoreLine> {
    Vec::new()
}
