//! Node health (part 1, section 20; stage S6).

use crate::Score;
use crate::scheduler::model::{Cluster, Discovery, HealthStrategy, Location, NodeIx};

/// Turns the health of each node into a preference of every top-level resource (I-219, I-220).
pub fn load(cluster: &mut Cluster) {
    let strategy = cluster.options.health;
    if strategy == HealthStrategy::None {
        return;
    }
    for node in cluster.node_order.clone() {
        let health = health_of(cluster, node);
        if health == Score::ZERO {
            continue;
        }
        for rsc in cluster.top.clone() {
            if health < Score::ZERO && cluster[rsc].allow_unhealthy {
                continue;
            }
            cluster.locations.push(Location {
                id: strategy.as_str().into(),
                rsc,
                role: None,
                discovery: Discovery::Always,
                nodes: vec![(node, health)],
                health: true,
            });
        }
    }
}

/// The base and the scores of all `#health…` attributes.
fn health_of(cluster: &Cluster, node: NodeIx) -> Score {
    let attributes = cluster[node].attributes.iter();
    let scores = attributes.filter(|(name, _)| name.starts_with("#health"));
    scores.fold(cluster.options.health_base, |sum, (_, value)| sum + cluster.options.score(value))
}
