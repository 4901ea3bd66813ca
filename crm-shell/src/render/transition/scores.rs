//! Scores and utilization as they were found while scheduling (O-100, O-101).

use crm_core::cib::Element;
use crm_core::scheduler::ScoreLine;
use crm_core::scheduler::model::Cluster;

/// One line of text.
pub fn score_text(cluster: &Cluster, line: &ScoreLine) -> String {
    match line {
        ScoreLine::Allocation { step, rsc, node, score } => {
            let (rsc, node) = (&cluster[*rsc].id, &cluster[*node].name);
            format!("{step}: {rsc} allocation score on {node}: {score}")
        }
        ScoreLine::Promotion { rsc, node, score } => {
            let node = node.map_or("none", |n| &cluster[n].name);
            format!("{} promotion score on {node}: {score}", cluster[*rsc].id)
        }
        ScoreLine::Text(text) => text.to_string(),
    }
}

/// The same as an element; `None` for what has no XML form.
pub fn score_element(cluster: &Cluster, line: &ScoreLine) -> Option<Element> {
    match line {
        ScoreLine::Allocation { step, rsc, node, score } => Some(
            Element::new("node_weight")
                .with("function", step)
                .with("node", &cluster[*node].name)
                .with("score", score.to_string())
                .with("id", &cluster[*rsc].id),
        ),
        ScoreLine::Promotion { rsc, node, score } => Some(
            Element::new("promotion_score")
                .with("id", &cluster[*rsc].id)
                .with("score", score.to_string())
                .with("node", node.map_or("none", |n| &cluster[n].name)),
        ),
        ScoreLine::Text(_) => None,
    }
}
