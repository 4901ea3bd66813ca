//! Promotion scores, as agents set them in node attributes (section 19, P-117 to P-119).

use crate::Score;
use crate::scheduler::input::failcount::without_number;
use crate::scheduler::model::{Cluster, NodeIx, RscIx, attribute_source};

/// The promotion score of an instance on a node, `None` if none is set or counts; of a cloned
/// group the sum of its members' (P-117, P-119).
pub(super) fn promotion_score(cluster: &Cluster, rsc: RscIx, node: NodeIx) -> Option<Score> {
    let children = &cluster[rsc].children;
    if children.is_empty() {
        return leaf_promotion_score(cluster, rsc, node);
    }
    let scores = children.iter().filter_map(|&c| promotion_score(cluster, c, node));
    scores.map(|s| i64::from(s.value())).reduce(|a, b| a + b).map(Score::new)
}

fn leaf_promotion_score(cluster: &Cluster, leaf: RscIx, node: NodeIx) -> Option<Score> {
    let r = &cluster[leaf];
    let source = attribute_source(cluster, leaf, node)?;
    let value = |name: &str| cluster[source].attr(&format!("master-{name}"));
    let text = value(r.history_id()).or_else(|| {
        let base = without_number(&r.id);
        (!r.unique).then(|| value(base)).flatten()
    })?;
    score_applies(cluster, leaf, node).then(|| cluster.options.score(text))
}

/// Whether the score of an instance on a node counts (P-118).
fn score_applies(cluster: &Cluster, leaf: RscIx, node: NodeIx) -> bool {
    let r = &cluster[leaf];
    let allowed = r.allowed.score(node).is_some_and(|score| score >= Score::ZERO);
    if !allowed {
        return false;
    }
    if !r.unique {
        let twins = twins_of(cluster, leaf);
        let active = twins.iter().copied().find(|&t| cluster[t].active_on.contains(&node));
        match active {
            Some(active) if active == leaf => return true,
            None if twins.iter().any(|&t| cluster[t].known_on.contains(&node)) => return true,
            _ => {}
        }
    }
    let unknown = r.active_on.is_empty() && r.known_on.is_empty();
    unknown || r.known_on.contains(&node) || r.active_on.contains(&node)
}

/// The leaves with the same base id in all instances of the clone.
fn twins_of(cluster: &Cluster, leaf: RscIx) -> Vec<RscIx> {
    let base = without_number(&cluster[leaf].id);
    let leaves = cluster.leaves(cluster.top_of(leaf));
    leaves.into_iter().filter(|&l| without_number(&cluster[l].id) == base).collect()
}
