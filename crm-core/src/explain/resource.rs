//! Why a resource is where it is, or why it does not run.

use std::sync::Arc;

use serde::Serialize;

use crate::Score;
use crate::scheduler::model::{Cluster, NodeIx, Role, RscIx};

use super::source::remedy;
use super::{Contribution, NodeScore, Source, score_as_text, scores, steps};

/// What is to be known about a resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ResourceReport {
    /// Its id.
    pub resource: Arc<str>,
    /// Its role now.
    pub role: &'static str,
    /// Its role after the transition.
    pub next_role: &'static str,
    /// Where it is active now.
    pub active: Vec<Arc<str>>,
    /// Where it will run.
    pub assigned: Option<Arc<str>>,
    /// What decided.
    pub verdict: Verdict,
    /// For a resource that gets no node: what keeps it from each one.
    pub obstacles: Vec<Obstacle>,
    /// The scores on every node.
    pub scores: Vec<NodeScore>,
    /// How its promotion score came about, for instances of promotable clones.
    pub promotion: Option<PromotionReport>,
    /// Reports about what is inside, for groups, clones and bundles.
    pub parts: Vec<ResourceReport>,
}

/// What keeps a resource from a node, and what would help.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Obstacle {
    /// The node.
    pub node: Arc<str>,
    /// What is in the way.
    pub reason: String,
    /// What a person can do about it.
    pub remedy: Option<&'static str>,
}

/// How the promotion score of an instance came about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PromotionReport {
    /// Where the instance will be.
    pub node: Option<Arc<str>>,
    /// The score that decided.
    #[serde(serialize_with = "score_as_text")]
    pub score: Score,
    /// The instance's own score, step by step.
    pub own: Vec<Contribution>,
    /// What the clone's score on the node added, step by step; if it counts, it includes the
    /// instance's own score and ends at the score that decided.
    pub shared: Vec<Contribution>,
}

/// Why a resource gets the node it gets, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No other available node has a higher score.
    BestScore,
    /// Several nodes have the highest score; it is active on this one, or this one has the
    /// fewest resources, or its name comes first.
    AmongEquals,
    /// It stays where it is because it is not managed.
    NotManaged,
    /// It is to be stopped.
    NextRoleStopped,
    /// `stop-all-resources` is set.
    StopAll,
    /// Every node is banned or unavailable.
    NoUsableNode,
    /// Its parts are placed one by one.
    SeeParts,
}

/// Reports about a resource and everything inside.
pub fn resource(cluster: &Cluster, rsc: RscIx) -> ResourceReport {
    let r = &cluster[rsc];
    let scores = scores(cluster, rsc);
    ResourceReport {
        resource: r.id.clone(),
        role: r.role.as_str(),
        next_role: r.next_role.as_str(),
        active: r.active_on.iter().map(|&n| cluster[n].name.clone()).collect(),
        assigned: r.assigned.map(|n| cluster[n].name.clone()),
        verdict: verdict(cluster, rsc, &scores),
        obstacles: obstacles(cluster, rsc),
        scores,
        promotion: promotion(cluster, rsc),
        parts: r.children.iter().map(|&child| resource(cluster, child)).collect(),
    }
}

fn verdict(cluster: &Cluster, rsc: RscIx, scores: &[NodeScore]) -> Verdict {
    let r = &cluster[rsc];
    if !r.is_primitive() {
        return Verdict::SeeParts;
    }
    if !r.managed {
        return Verdict::NotManaged;
    }
    let Some(assigned) = r.assigned else {
        return if cluster.options.stop_all {
            Verdict::StopAll
        } else if r.goal == Some(Role::Stopped) {
            Verdict::NextRoleStopped
        } else {
            Verdict::NoUsableNode
        };
    };
    let mine = r.allowed.score(assigned);
    let usable = scores.iter().filter(|s| s.unavailable.is_none());
    let equals = usable.filter(|s| Some(s.score) == mine).count();
    if equals > 1 { Verdict::AmongEquals } else { Verdict::BestScore }
}

/// For a managed leaf without a node: per node the first step that ruled it out, else what makes
/// the node unavailable.
fn obstacles(cluster: &Cluster, rsc: RscIx) -> Vec<Obstacle> {
    let r = &cluster[rsc];
    if !r.is_primitive() || !r.managed || r.assigned.is_some() || cluster.options.stop_all {
        return Vec::new();
    }
    let obstacle = |node: NodeIx| {
        let about = r.allowed.contributions().iter().filter(|step| step.node == node);
        let ban = about.clone().find(|step| step.score.is_forbidden());
        let ban = ban.or_else(|| about.min_by_key(|step| step.score));
        let name = cluster[node].name.clone();
        let negative = r.allowed.score(node).is_some_and(|score| score < Score::ZERO);
        match (ban, super::node::unavailable(cluster, node)) {
            (Some(step), _) if negative => Obstacle {
                node: name,
                reason: Source::of(cluster, rsc, node, step.cause).to_string(),
                remedy: remedy(step.cause),
            },
            (_, Some(reason)) => Obstacle {
                node: name,
                reason: reason.into(),
                remedy: Some("make the node available"),
            },
            (None, None) => Obstacle {
                node: name,
                reason: "the node is not in its table: symmetric-cluster is false".into(),
                remedy: Some("add a location constraint that allows the node"),
            },
            (Some(_), None) => Obstacle {
                node: name,
                reason: "it was not chosen when it was decided".into(),
                remedy: None,
            },
        }
    };
    cluster.node_order.iter().map(|&node| obstacle(node)).collect()
}

fn promotion(cluster: &Cluster, rsc: RscIx) -> Option<PromotionReport> {
    let promotion = cluster.promotions.get(&rsc)?;
    let table = |record| promotion.node.map_or_else(Vec::new, |n| steps(cluster, rsc, record, n));
    Some(PromotionReport {
        node: promotion.node.map(|n| cluster[n].name.clone()),
        score: promotion.score,
        own: table(&promotion.own),
        shared: table(&promotion.shared),
    })
}
