//! Scores and utilization as they were found while scheduling (O-100, O-101).

use std::sync::Arc;

use crm_core::cib::{Child, Element};
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
        ScoreLine::Capacity { remaining, node, amounts } => {
            let when = if *remaining { "Remaining" } else { "Original" };
            format!("{when}: {} capacity:{}", cluster[*node].name, amounts_text(amounts))
        }
        ScoreLine::Utilization { rsc, node } => {
            let (rsc, node) = (&cluster[*rsc], &cluster[*node].name);
            let amounts = amounts_text(&rsc.utilization);
            format!("{FINALIZE}: {} utilization on {node}:{amounts}", rsc.id)
        }
    }
}

/// The step that takes capacity, as the reference names it.
const FINALIZE: &str = "pcmk__finalize_assignment";

/// Amounts, each after one blank.
fn amounts_text(amounts: &[(Arc<str>, i64)]) -> String {
    amounts.iter().map(|(name, amount)| format!(" {name}={amount}")).collect()
}

/// One child element for each amount.
fn with_amounts(element: Element, amounts: &[(Arc<str>, i64)]) -> Element {
    amounts.iter().fold(element, |element, (name, amount)| {
        let mut child = Element::new(name.clone());
        child.nodes_mut().push(Child::Text(amount.to_string().into()));
        element.with_child(child)
    })
}

/// The same as an element.
pub fn score_element(cluster: &Cluster, line: &ScoreLine) -> Element {
    match line {
        ScoreLine::Allocation { step, rsc, node, score } => Element::new("node_weight")
            .with("function", step)
            .with("node", &cluster[*node].name)
            .with("score", score.to_string())
            .with("id", &cluster[*rsc].id),
        ScoreLine::Promotion { rsc, node, score } => Element::new("promotion_score")
            .with("id", &cluster[*rsc].id)
            .with("score", score.to_string())
            .with("node", node.map_or("none", |n| &cluster[n].name)),
        ScoreLine::Capacity { remaining, node, amounts } => {
            let when = if *remaining { "Remaining" } else { "Original" };
            let capacity = Element::new("capacity").with("node", &cluster[*node].name);
            with_amounts(capacity.with("comment", when), amounts)
        }
        ScoreLine::Utilization { rsc, node } => {
            let rsc = &cluster[*rsc];
            let element = Element::new("utilization").with("resource", &rsc.id);
            let element = element.with("node", &cluster[*node].name).with("function", FINALIZE);
            with_amounts(element, &rsc.utilization)
        }
    }
}
