//! Recording where a resource is active (I-163 to I-165, I-168).

use crate::Score;
use crate::scheduler::model::{
    Cause, Cluster, Fact, Ground, MultipleActive, NodeIx, Requires, Role, RscIx, ScoreTable,
    Variant,
};

/// I-163. `failed`: a failure there was not ignored.
pub(super) fn add_running(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, failed: bool) {
    if cluster[rsc].active_on.contains(&node) {
        return;
    }
    cluster[rsc].active_on.push(node);
    if cluster[rsc].is_primitive() {
        cluster[node].running.push(rsc);
        add_priority(cluster, rsc, node, failed);
        if cluster[node].maintenance {
            cluster[rsc].managed = false;
        }
    }
    if !cluster[rsc].managed {
        cluster.add_score(rsc, node, Score::INFINITY, Cause::Unmanaged);
        let mut parent = cluster[rsc].parent;
        while let Some(p) = parent.filter(|_| cluster[node].online) {
            // Also where it is listed already: instances are sorted by the length of this list
            // (P-108), and the reference does not look.
            cluster[p].active_on.push(node);
            parent = cluster[p].parent;
        }
        return;
    }
    if multiply_active(cluster, rsc) {
        match cluster[rsc].multiple_active {
            MultipleActive::StopOnly => {
                set_everywhere(cluster, rsc, Score::MINUS_INFINITY, Cause::MultiplyActive);
            }
            MultipleActive::Block => block(cluster, rsc),
            MultipleActive::StopStart | MultipleActive::StopUnexpected => {}
        }
    }
    if let Some(parent) = cluster[rsc].parent {
        add_running(cluster, parent, node, false);
    }
}

/// I-164
fn add_priority(cluster: &mut Cluster, rsc: RscIx, node: NodeIx, failed: bool) {
    let own = cluster[rsc].priority.value();
    if own == 0 || failed {
        return;
    }
    let priority = own + i32::from(cluster[rsc].role == Role::Promoted);
    let add = |cluster: &mut Cluster, n: NodeIx| {
        cluster[n].priority = cluster[n].priority.saturating_add(priority);
    };
    add(cluster, node);
    let container = cluster.guest_container(node);
    for host in container.map_or_else(Vec::new, |k| cluster[k].active_on.clone()) {
        add(cluster, host);
    }
}

/// I-165
fn multiply_active(cluster: &Cluster, rsc: RscIx) -> bool {
    let r = &cluster[rsc];
    if !r.is_primitive() {
        return false;
    }
    let everywhere = matches!(r.requires, Requires::Fencing | Requires::Unfencing);
    let counts = |n: &&NodeIx| everywhere || (cluster[**n].online && !cluster[**n].unclean);
    r.active_on.iter().filter(counts).count() > 1
}

/// Replaces the table by one with this score for every node.
pub(super) fn set_everywhere(cluster: &mut Cluster, rsc: RscIx, score: Score, cause: Cause) {
    let mut table = ScoreTable::new(cluster.record);
    for i in 0..cluster.nodes.len() {
        let node = NodeIx::next(i);
        table.insert(node, score, cluster.initial_discovery(node), cause);
    }
    cluster[rsc].allowed = table;
}

fn block(cluster: &mut Cluster, rsc: RscIx) {
    let mut blocked = vec![rsc];
    if let Some(parent) = cluster[rsc].parent {
        let p = &cluster[parent];
        let whole = matches!(p.variant, Variant::Group(_) | Variant::Bundle(_));
        if whole && p.multiple_active == MultipleActive::Block {
            blocked.extend(p.children.iter());
        }
    }
    for each in blocked {
        cluster[each].managed = false;
        cluster[each].blocked = true;
        let ground = Ground::Resource(rsc, Fact::MultiplyActive);
        cluster.journal.resource_first(each, Fact::Blocked, ground);
    }
}
