//! Why the scheduler decided as it did.
//!
//! Nothing is guessed afterwards: while scheduling with [`Input::record`] set, every change of a
//! score is kept with its cause, and undone with the table it changed. Here these records become
//! lists of [`Contribution`]s that add up, in score arithmetic, to the score that decided. Each
//! names an id of the CIB or a documented rule; there is no rest.
//!
//! [`Input::record`]: crate::scheduler::Input::record

mod chain;
mod course;
mod node;
mod resource;
mod source;
mod words;

use std::sync::Arc;

use serde::Serialize;

use crate::Score;
use crate::scheduler::model::{self, Cluster, NodeIx, RscIx};

pub use chain::{ActionReport, Reason, action, actions};
pub use node::{FencingReport, NodeReport, node};
pub use resource::{Obstacle, PromotionReport, ResourceReport, Verdict, resource};
pub use source::{Origin, Source};

/// One step towards a score.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Contribution {
    /// What was added, or what it was set to.
    #[serde(serialize_with = "score_as_text")]
    pub score: Score,
    /// True if what was there before was discarded.
    pub replaces: bool,
    /// The score after this step.
    #[serde(serialize_with = "score_as_text")]
    pub sum: Score,
    /// Where the step comes from.
    pub source: Source,
}

/// The score of a resource on a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NodeScore {
    /// The node.
    pub node: Arc<str>,
    /// The score; negative means that the resource may not run there.
    #[serde(serialize_with = "score_as_text")]
    pub score: Score,
    /// What adds up to it, in order.
    pub contributions: Vec<Contribution>,
    /// Why the node can take nothing at all now, if so.
    pub unavailable: Option<&'static str>,
}

/// The scores of a resource on every node it may know, in order of node names. A node that is
/// missing is not allowed.
pub fn scores(cluster: &Cluster, rsc: RscIx) -> Vec<NodeScore> {
    let table = &cluster[rsc].allowed;
    let known = cluster.node_order.iter().filter_map(|&n| Some((n, table.score(n)?)));
    known
        .map(|(node, score)| NodeScore {
            node: cluster[node].name.clone(),
            score,
            contributions: steps(cluster, rsc, table.contributions(), node),
            unavailable: node::unavailable(cluster, node),
        })
        .collect()
}

/// The steps of a record that are about one node, with running sums.
fn steps(
    cluster: &Cluster,
    rsc: RscIx,
    record: &[model::Contribution],
    node: NodeIx,
) -> Vec<Contribution> {
    let mut sum = Score::ZERO;
    let of_node = record.iter().filter(|step| step.node == node);
    let steps = of_node.map(|step| {
        sum = if step.set { step.score } else { sum + step.score };
        Contribution {
            score: step.score,
            replaces: step.set,
            sum,
            source: Source::of(cluster, rsc, node, step.cause),
        }
    });
    steps.collect()
}

fn score_as_text<S: serde::Serializer>(score: &Score, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(score)
}
