//! Scores and utilization as they were found while scheduling (O-100, O-101).

use std::sync::Arc;

use crm_core::cib::{Child, Element};
use crm_core::scheduler::ScoreLine;
use crm_core::scheduler::model::{Cluster, Note};

use crate::render::status::duration;

/// One line of text.
pub fn score_text(cluster: &Cluster, line: &ScoreLine) -> String {
    match line {
        ScoreLine::Note(note) => note_lines(cluster, note).join("\n"),
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

/// The lines about parameters that seem to have changed.
pub fn note_lines(cluster: &Cluster, note: &Note) -> Vec<String> {
    match note {
        Note::PrivateOperation { task, interval, rsc, node, magic } => {
            let every = match interval {
                0 => "0s".to_string(),
                ms => duration(i64::from(*ms)),
            };
            vec![format!(
                "Only 'private' parameters to {every}-interval {} for {} on {} changed: {magic}",
                task.as_str(),
                cluster[*rsc].id,
                cluster[*node].name,
            )]
        }
        Note::PrivateDevice { device, node } => vec![format!(
            "Only 'private' parameters to {} for unfencing {} changed",
            cluster[*device].id, cluster[*node].name
        )],
        Note::Device { device, node, secure } => {
            let (id, agent) = (&cluster[*device].id, &cluster[*device].agent.kind);
            let name = &cluster[*node].name;
            let hint = secure.as_ref().map(|secure| {
                format!(
                    "Parameters to {id} for unfencing {name} changed, try '{id}:{agent}:{secure}'"
                )
            });
            hint.into_iter()
                .chain([format!(
                    "notice: Unfencing Pacemaker Remote node {name} because the definition of {id} \
                     changed"
                )])
                .collect()
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

/// The same as an element; there is none for what was noticed on the way.
pub fn score_element(cluster: &Cluster, line: &ScoreLine) -> Option<Element> {
    Some(match line {
        ScoreLine::Note(_) => return None,
        ScoreLine::Allocation { step, rsc, node, score } => Element::new("node_weight")
            .with("function", step)
            .with("node", &cluster[*node].name)
            .with("score", score.to_string())
            .with("id", &cluster[*rsc].id),
        ScoreLine::Promotion { rsc, node, score } => {
            let element = Element::new("promotion_score")
                .with("id", &cluster[*rsc].id)
                .with("score", score.to_string());
            match node {
                Some(node) => element.with("node", &cluster[*node].name),
                None => element,
            }
        }
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
    })
}
