//! Which resource a recorded history belongs to (I-130 to I-134).

use crate::Score;
use crate::scheduler::input::failcount::without_number;
use crate::scheduler::input::resources;
use crate::scheduler::model::{
    Cause, Cluster, HistoryIx, NodeIx, Requires, RscIx, Severity, Variant,
};

use super::Reader;

/// Outcome of a search.
pub(super) enum Found {
    /// This one.
    Resource(RscIx),
    /// None, or a collective by that name: an orphan.
    Nothing,
}

impl Reader<'_> {
    pub(super) fn find_resource(
        &mut self,
        cluster: &mut Cluster,
        node: NodeIx,
        history: HistoryIx,
    ) -> Found {
        let id = cluster[history].id.clone();
        let mut found = cluster.resource(&id).or_else(|| self.names.get(&id).copied());
        match found {
            Some(rsc) if !cluster[rsc].is_primitive() => return Found::Nothing,
            Some(_) => {}
            None => {
                let zero = format!("{}:0", without_number(&id));
                found = cluster.resource(&zero).filter(|r| !cluster[*r].unique);
            }
        }
        let Some(first) = found else { return Found::Nothing };
        let top = cluster.top_of(first);
        let anonymous = matches!(cluster[top].variant, Variant::Clone(_)) && !cluster[top].unique;
        let rsc = if !anonymous {
            Some(first)
        } else if let Some(bundle) = cluster.bundle_of(top) {
            replica_child(cluster, bundle, node)
        } else {
            anonymous_instance(cluster, node, top, without_number(&id))
        };
        let Some(rsc) = rsc else { return Found::Nothing };
        if !id.eq_ignore_ascii_case(&cluster[rsc].id) {
            cluster[rsc].history_name = Some(id.clone());
            self.names.insert(id, rsc);
        }
        Found::Resource(rsc)
    }

    /// I-130, last sentence
    pub(super) fn forget_numbered_name(&mut self, cluster: &mut Cluster, rsc: RscIx) -> bool {
        let Some(name) = cluster[rsc].history_name.take_if(|name| name.contains(':')) else {
            return false;
        };
        if self.names.get(&name) == Some(&rsc) {
            self.names.remove(&name);
        }
        true
    }
}

/// I-106
fn replica_child(cluster: &Cluster, bundle: RscIx, node: NodeIx) -> Option<RscIx> {
    let data = cluster[bundle].bundle_data()?;
    data.replicas.iter().find(|r| r.node == Some(node)).and_then(|r| r.child)
}

/// The member of an instance for a base id.
fn member(cluster: &Cluster, instance: RscIx, base: &str) -> Option<RscIx> {
    if cluster[instance].is_primitive() {
        return (*cluster[instance].xml_id == *base).then_some(instance);
    }
    cluster.descendants(instance).into_iter().find(|r| &*cluster[*r].xml_id == base)
}

/// Where an instance is or is about to be.
fn locations(cluster: &Cluster, instance: RscIx) -> Option<NodeIx> {
    let location = |leaf: RscIx| {
        let r = &cluster[leaf];
        r.active_on.first().copied().or(r.pending.as_ref().map(|p| p.1))
    };
    if cluster[instance].is_primitive() {
        return location(instance);
    }
    cluster.leaves(instance).into_iter().find_map(location)
}

/// I-132
fn anonymous_instance(
    cluster: &mut Cluster,
    node: NodeIx,
    clone: RscIx,
    base: &str,
) -> Option<RscIx> {
    let mut found = None;
    let mut inactive = None;
    let mut skip_inactive = false;
    for instance in cluster[clone].children.clone() {
        match locations(cluster, instance) {
            Some(location) => {
                if location == node {
                    let rsc = member(cluster, instance, base);
                    match rsc {
                        Some(rsc) if !cluster[rsc].active_on.is_empty() => {
                            let text = format!(
                                "Active (now-)anonymous clone {} has multiple (orphan) instance \
                                 histories on {}",
                                cluster[clone].id, cluster[node].name
                            );
                            cluster.say(Severity::Notice, text);
                            skip_inactive = true;
                        }
                        other => found = other,
                    }
                }
            }
            None if skip_inactive || inactive.is_some() || cluster[instance].blocked => {}
            None => {
                inactive = member(cluster, instance, base).filter(|r| {
                    cluster[*r].pending.as_ref().is_none_or(|(_, other)| *other == node)
                });
            }
        }
        if found.is_some() {
            break;
        }
    }
    if found.is_none() && !skip_inactive {
        found = inactive;
    }
    if let Some(rsc) = found {
        let fenced = matches!(cluster[rsc].requires, Requires::Fencing | Requires::Unfencing);
        let down = !cluster[node].online || cluster[node].unclean;
        let universal =
            cluster[clone].clone_data().is_some_and(|c| c.max as usize == cluster.nodes.len());
        if !fenced && down && !cluster.is_guest(node) && !universal {
            found = None;
        }
    }
    found.or_else(|| {
        let instance = resources::extra_instance(cluster, clone)?;
        member(cluster, instance, base)
    })
}

/// I-133
pub(super) fn orphan(cluster: &mut Cluster, history: HistoryIx) -> Option<RscIx> {
    let recorded = &cluster[history];
    let (id, class) = (recorded.id.clone(), recorded.class.clone().unwrap_or_default());
    let (provider, kind) = (recorded.provider.clone(), recorded.kind.clone());
    let in_container = recorded.container.is_some();
    let rsc = resources::invent(cluster, id, class, provider, kind.unwrap_or_default());
    cluster[rsc].orphan = true;
    cluster[rsc].container_gone = in_container;
    cluster.top.push(rsc);
    if cluster[rsc].is_remote_connection {
        resources::orphan_connection(cluster, rsc);
    }
    if cluster.options.stop_orphans {
        cluster.add_score_everywhere(rsc, Score::MINUS_INFINITY, Cause::Orphan);
    } else {
        cluster[rsc].managed = false;
    }
    Some(rsc)
}
