//! Why a resource is where it is, or why it does not run.

use std::sync::Arc;

use serde::Serialize;

use crate::Score;
use crate::scheduler::model::{Cause, Cluster, Fact, Ground, NodeIx, Role, RscIx};

use super::chain::{self, ActionReport, Reason};
use super::{Contribution, NodeScore, course, score_as_text, scores, steps};

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
    /// For a primitive that changes or does not run: why, back to the event.
    pub because: Vec<Reason>,
    /// For a primitive that has a node and cannot start there now: what holds it.
    pub held: Vec<Reason>,
    /// For one that does not run and should: what a person can do about it.
    pub remedy: Option<String>,
    /// For a resource that gets no node: what keeps it from each one.
    pub obstacles: Vec<Obstacle>,
    /// What is to be done to it, and why.
    pub actions: Vec<ActionReport>,
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
    /// What is in the way, back to the event.
    pub because: Vec<Reason>,
    /// What a person can do about it.
    pub remedy: Option<String>,
}

impl Obstacle {
    /// The nearest reason, in one clause.
    pub fn reason(&self) -> &str {
        self.because.first().map_or("", |reason| reason.text.as_str())
    }
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

impl ResourceReport {
    /// Only what is about one node, here and inside.
    #[must_use]
    pub fn on_node(mut self, node: &str) -> ResourceReport {
        self.obstacles.retain(|o| &*o.node == node);
        self.scores.retain(|s| &*s.node == node);
        self.actions.retain(|a| a.node.as_deref() == Some(node));
        self.parts = self.parts.into_iter().map(|part| part.on_node(node)).collect();
        self
    }
}

/// Reports about a resource and everything inside.
pub fn resource(cluster: &Cluster, rsc: RscIx) -> ResourceReport {
    let r = &cluster[rsc];
    let scores = scores(cluster, rsc);
    let runs = r.assigned.is_some_and(|n| r.active_on.contains(&n)) || !r.managed;
    let held = if runs || r.assigned.is_none() { Vec::new() } else { chain::held(cluster, rsc) };
    let stays = r.active_on[..] == *r.assigned.as_slice();
    let changes = !(stays && r.role == r.next_role && r.assigned.is_some());
    let because = if r.is_primitive() && (changes || r.failed) {
        chain::chain(cluster, Some(Ground::Resource(rsc, Fact::Course)), false)
    } else {
        Vec::new()
    };
    let stopped = r.is_primitive() && r.managed && r.assigned.is_none();
    let remedy = if !held.is_empty() {
        course::remedy(&held)
    } else {
        course::remedy(&because).filter(|_| stopped)
    };
    ResourceReport {
        resource: r.id.clone(),
        role: r.role.as_str(),
        next_role: r.next_role.as_str(),
        active: r.active_on.iter().map(|&n| cluster[n].name.clone()).collect(),
        assigned: r.assigned.map(|n| cluster[n].name.clone()),
        verdict: verdict(cluster, rsc, &scores),
        because,
        held,
        remedy,
        obstacles: obstacles(cluster, rsc),
        actions: chain::of(cluster, &r.actions),
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
        } else if r.goal == Some(Role::Stopped) || is_to_stop(cluster, rsc) {
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

/// True if placement was told that it is to stop.
pub(super) fn is_to_stop(cluster: &Cluster, rsc: RscIx) -> bool {
    let steps = cluster[rsc].allowed.contributions();
    steps.iter().any(|step| step.cause == Cause::NextRoleStopped)
}

/// For a managed leaf without a node that may run: what keeps it from each one.
fn obstacles(cluster: &Cluster, rsc: RscIx) -> Vec<Obstacle> {
    let r = &cluster[rsc];
    if !r.is_primitive()
        || !r.managed
        || r.assigned.is_some()
        || cluster.options.stop_all
        || is_to_stop(cluster, rsc)
    {
        return Vec::new();
    }
    let obstacle = |&node: &NodeIx| {
        let because = chain::of_obstacle(cluster, rsc, node);
        let cause = course::ban(cluster, rsc, node).map(|step| step.cause);
        let by_cause = cause.and_then(super::source::remedy).map(Into::into);
        let remedy = by_cause.or_else(|| course::remedy(&because));
        Obstacle { node: cluster[node].name.clone(), because, remedy }
    };
    cluster.node_order.iter().map(obstacle).collect()
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
