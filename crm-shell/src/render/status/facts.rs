//! Questions that several forms of status output ask of a resource.

use crm_core::scheduler::model::{
    Agent, Cluster, HistoryOp, NodeIx, Resource, Role, RscIx, Task, Variant,
};

/// The id without the instance number, unless the number tells instances apart.
pub fn printable_id(rsc: &Resource) -> &str {
    if rsc.unique { &rsc.id } else { &rsc.xml_id }
}

/// `CLASS[:PROVIDER]:TYPE`.
pub fn agent_name(agent: &Agent) -> String {
    match &agent.provider {
        Some(provider) if &*agent.class == "ocf" => {
            format!("{}:{provider}:{}", agent.class, agent.kind)
        }
        Some(_) | None => format!("{}:{}", agent.class, agent.kind),
    }
}

/// Whether the resource runs; of a collective, whether `all` of it does, or any of it.
pub fn is_active(cluster: &Cluster, rsc: RscIx, all: bool) -> bool {
    let resource = &cluster[rsc];
    if resource.is_primitive() {
        return resource.active_on.iter().any(|&node| {
            let node = &cluster[node];
            node.unclean || node.online || !resource.managed
        });
    }
    let mut parts = resource.children.iter();
    if all {
        parts.all(|&child| is_active(cluster, child, true))
    } else {
        parts.any(|&child| is_active(cluster, child, false))
    }
}

/// Whether the resource is the cluster's own and shown only with details (O-80).
pub fn is_implicit(cluster: &Cluster, rsc: RscIx) -> bool {
    cluster[rsc].internal && cluster[rsc].parent.is_none()
}

/// Nodes that count as taken by a collective: what is not managed counts only where it can be talked
/// to.
pub fn taken_nodes(cluster: &Cluster, whole: RscIx) -> Vec<NodeIx> {
    let mut nodes = Vec::new();
    for leaf in cluster.leaves(whole) {
        let managed = cluster[leaf].managed;
        let counts = |n: &&NodeIx| managed || cluster[**n].online;
        nodes.extend(cluster[leaf].active_on.iter().filter(counts));
    }
    nodes
}

/// Where the resource, or anything in it, is active; in the order found, each node once.
pub fn active_nodes(cluster: &Cluster, rsc: RscIx) -> Vec<NodeIx> {
    let mut nodes = Vec::new();
    for leaf in cluster.leaves(rsc) {
        for &node in &cluster[leaf].active_on {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
    }
    nodes
}

/// The highest current role of anything in the resource.
pub fn role(cluster: &Cluster, rsc: RscIx) -> Role {
    let leaves = cluster.leaves(rsc);
    leaves.into_iter().map(|leaf| cluster[leaf].role).max().unwrap_or(Role::Unknown)
}

/// Whether the resource is, or is in, something promotable.
pub fn in_promotable(cluster: &Cluster, rsc: RscIx) -> bool {
    cluster[cluster.top_of(rsc)].promotable
}

/// The role as shown: instances of promotable clones do not merely run.
pub fn shown_role(cluster: &Cluster, rsc: RscIx) -> Role {
    match cluster[rsc].role {
        Role::Started if in_promotable(cluster, rsc) => Role::Unpromoted,
        role => role,
    }
}

/// The target role as configured.
pub fn configured_role(resource: &Resource) -> Option<Role> {
    resource.meta.get("target-role").and_then(Role::parse)
}

/// The target role of a clone: its own, or that of what it makes instances of.
pub fn clone_role(cluster: &Cluster, clone: RscIx) -> Option<Role> {
    let own = cluster[clone].meta.get("target-role");
    let child = || cluster[*cluster[clone].children.first()?].meta.get("target-role");
    own.or_else(child).and_then(Role::parse)
}

/// Whether a top-level resource belongs in the list (O-77). What runs only where nothing counts
/// as taken has no place in it.
pub fn is_listed(cluster: &Cluster, rsc: RscIx, inactive: bool) -> bool {
    if cluster[rsc].orphan && !is_active(cluster, rsc, true) {
        return false;
    }
    if !is_active(cluster, rsc, false) {
        return inactive;
    }
    cluster[rsc].is_primitive() || !taken_nodes(cluster, rsc).is_empty()
}

/// Whether the configuration keeps the resource stopped, or unpromoted where it could be promoted
/// (O-43).
pub fn is_disabled(cluster: &Cluster, rsc: RscIx) -> bool {
    match configured_role(&cluster[rsc]) {
        Some(Role::Stopped) => true,
        Some(Role::Unpromoted) => in_promotable(cluster, rsc),
        Some(_) | None => false,
    }
}

/// Whether `test` holds for the resource or anything in it.
pub fn any_in(cluster: &Cluster, rsc: RscIx, test: impl Fn(&Resource) -> bool) -> bool {
    cluster.descendants(rsc).into_iter().any(|r| test(&cluster[r]))
}

/// The word for a pending operation (O-79); probes and monitors have none.
pub fn pending_state(resource: &Resource) -> Option<&'static str> {
    match resource.pending.as_ref()?.0 {
        Task::Start => Some("Starting"),
        Task::Stop => Some("Stopping"),
        Task::MigrateTo | Task::MigrateFrom => Some("Migrating"),
        Task::Promote => Some("Promoting"),
        Task::Demote => Some("Demoting"),
        _ => None,
    }
}

/// The flag for a pending operation that leaves the state word alone.
pub fn pending_flag(resource: &Resource) -> Option<&'static str> {
    matches!(resource.pending, Some((Task::Monitor, _))).then_some("Monitoring")
}

/// The failed probe of the resource (of the child of a clone) on `node`, or on any node. Only an
/// entry that says where it was made counts, which one that a simulation pretends does not.
pub fn failed_probe(cluster: &Cluster, rsc: RscIx, node: Option<NodeIx>) -> Option<&HistoryOp> {
    // What is in a clone is looked for under the name of what the clone makes instances of.
    let top = cluster.top_of(rsc);
    let wanted = match (&cluster[top].variant, cluster[top].children.first()) {
        (Variant::Clone(_), Some(first)) => &cluster[*first].xml_id,
        _ => &cluster[rsc].id,
    };
    cluster.failed_ops.iter().find_map(|failed| {
        let history = &cluster[failed.history];
        let op = history.ops.get(failed.op)?;
        let about = history.id == *wanted;
        let made_on = op.on_node.as_deref()?;
        let there = node.is_none_or(|n| made_on.eq_ignore_ascii_case(&cluster[n].name));
        (op.has_key && is_masked(op) && about && there).then_some(op)
    })
}

/// A probe that found that the resource cannot be here at all: not installed, or not usable as
/// configured. It shows with the resource and not as a failure.
pub fn is_masked(op: &HistoryOp) -> bool {
    op.is_probe() && (matches!(op.rc, 2 | 5) || op.status == 7)
}

/// Words for an exit code (O-131).
pub fn result_text(rc: i32) -> &'static str {
    match rc {
        0 => "ok",
        1 => "error",
        2 => "invalid parameter",
        3 => "unimplemented feature",
        4 => "insufficient privileges",
        5 => "not installed",
        6 => "not configured",
        7 => "not running",
        8 => "promoted",
        9 => "promoted (failed)",
        189 => "not supported (DEPRECATED STATUS)",
        190 => "OCF_DEGRADED",
        191 => "promoted (degraded)",
        192 => "cancelled (DEPRECATED STATUS)",
        193 => "unknown",
        194 => "not supported (DEPRECATED STATUS)",
        195 => "interrupted by signal (DEPRECATED STATUS)",
        196 => "pending (DEPRECATED STATUS)",
        197 => "cancelled (DEPRECATED STATUS)",
        198 => "timeout (DEPRECATED STATUS)",
        199 => "other error (DEPRECATED STATUS)",
        _ => "unknown",
    }
}

/// Resource instances in all (O-43).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many there are; orphans only if they run.
    pub instances: usize,
    /// How many of them the configuration keeps down.
    pub disabled: usize,
    /// How many of them a failure has blocked.
    pub blocked: usize,
}

/// Counts resource instances.
pub fn counts(cluster: &Cluster) -> Counts {
    let mut counts = Counts::default();
    for rsc in cluster.all_resources() {
        let resource = &cluster[rsc];
        if !resource.is_primitive() || (resource.orphan && resource.role == Role::Stopped) {
            continue;
        }
        counts.instances += 1;
        counts.disabled += usize::from(is_disabled(cluster, rsc));
        counts.blocked += usize::from(resource.blocked);
    }
    counts
}
