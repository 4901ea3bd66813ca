//! Meta-attributes and what follows from them (I-74 to I-82).

use std::sync::Arc;

use crate::Score;
use crate::rules::{AgentName, Context};
use crate::scalar::{is_true, parse_bool, parse_int, parse_interval};
use crate::scheduler::input::blocks::combine;
use crate::scheduler::model::{
    Agent, Blocks, Cluster, MultipleActive, QuorumPolicy, Requires, Role, RscIx, Severity, Table,
    Variant,
};

impl Agent {
    /// For rules.
    pub(crate) fn name(&self) -> AgentName<'_> {
        AgentName { class: &self.class, provider: self.provider.as_deref(), kind: &self.kind }
    }
}

/// Combines the table of a resource and derives its fields.
pub(super) fn unpack(cluster: &mut Cluster, rsc: RscIx, attributes: &[(Arc<str>, Arc<str>)]) {
    let (table, next_change) = table(cluster, rsc, attributes);
    if let Some(at) = next_change {
        cluster.recheck(at);
    }
    let promotable = is_true(table.get("promotable"));
    if let Variant::Clone(data) = &mut cluster[rsc].variant {
        data.promotable = promotable;
    }
    cluster[rsc].meta = Arc::new(table);
    // Parameters are looked up later and often, but for no node in particular already here.
    cluster.recheck_params(rsc, None);
    derive(cluster, rsc);
}

fn table(
    cluster: &Cluster,
    rsc: RscIx,
    attributes: &[(Arc<str>, Arc<str>)],
) -> (Table, Option<i64>) {
    let resource = &cluster[rsc];
    let mut table = Table::default();
    for (name, value) in attributes {
        if !value.eq_ignore_ascii_case("#default") {
            table.set_default(name, value);
        }
    }
    if let Some(instance) = resource.instance {
        table.set_default(&"clone".into(), &instance.to_string().into());
    }
    let agent = resource.is_primitive().then(|| resource.agent.name());
    let context = Context { now: cluster.now, agent, ..Context::default() };
    let mut next_change: Option<i64> = None;
    let mut add = |table: &mut Table, blocks: &Blocks| {
        if let Some(at) = combine(blocks, &context, false, table) {
            next_change = Some(next_change.map_or(at, |n| n.min(at)));
        }
    };
    add(&mut table, &resource.meta_blocks);
    let mut parent = resource.parent;
    while let Some(p) = parent {
        add(&mut table, &cluster[p].meta_blocks);
        parent = cluster[p].parent;
    }
    add(&mut table, &cluster.rsc_defaults);
    if let Some(p) = resource.parent {
        for (name, value) in cluster[p].meta.pairs() {
            if !value.eq_ignore_ascii_case("#default") {
                table.set_default(name, value);
            }
        }
    }
    (table, next_change)
}

/// The fields that follow from the table.
pub(super) fn derive(cluster: &mut Cluster, rsc: RscIx) {
    let meta = cluster[rsc].meta.clone();
    let set = |name: &str| meta.get(name).filter(|v| !v.eq_ignore_ascii_case("default"));
    let flag = |name: &str| is_true(meta.get(name));
    let score = |name: &str| meta.get(name).map(|v| cluster.options.score(v));
    let wanted = |name: &str| set(name).map(|v| cluster.options.score(v));
    let priority = score("priority").unwrap_or_default();
    let stickiness = wanted("resource-stickiness").unwrap_or_default();
    let threshold = wanted("migration-threshold");
    let maintenance = cluster.options.maintenance;
    let top = cluster.top_of(rsc);
    let in_clone = matches!(cluster[top].variant, Variant::Clone(_));
    let promotable = cluster[top].clone_data().is_some_and(|c| c.promotable);
    let requires = requires(cluster, rsc, &meta);
    let restart_type = meta.get("restart-type").is_some_and(|v| v.eq_ignore_ascii_case("restart"));
    if restart_type {
        let text = "The meta-attribute 'restart-type' is deprecated";
        cluster.say_once(Severity::ConfigWarning, text);
    }
    if threshold.is_some_and(|score| score < Score::ZERO) {
        let text = "A 'migration-threshold' below 0 is taken as 1";
        cluster.say_once(Severity::ConfigWarning, text);
    }
    let multiple_active = multiple_active(cluster, rsc, &meta);
    let r = &mut cluster[rsc];
    r.priority = priority;
    r.critical = meta.get("critical").is_none_or(|v| parse_bool(v) != Some(false));
    r.notify = flag("notify");
    r.allow_unhealthy = flag("allow-unhealthy-nodes");
    r.internal = flag("internal_rsc");
    r.restart_type_restart = restart_type;
    r.unique = !in_clone || flag("globally-unique");
    r.promotable = promotable;
    let guest = meta.get("container").is_some();
    r.allow_migrate = match meta.get("allow-migrate") {
        Some(value) => is_true(Some(value)),
        None => r.is_remote_connection && !guest,
    };
    r.managed = !maintenance;
    if let Some(value) = set("is-managed") {
        match parse_bool(value) {
            Some(managed) => r.managed = managed,
            None => r.managed = false,
        }
    }
    if flag("maintenance") {
        r.managed = false;
        r.maintenance = true;
    }
    if maintenance {
        r.managed = false;
        r.maintenance = true;
    }
    r.stickiness = stickiness;
    r.migration_threshold = match threshold {
        None => Score::INFINITY,
        Some(score) if score < Score::ZERO => Score::new(1),
        Some(score) => score,
    };
    r.failure_timeout = i64::from(parse_interval(meta.get("failure-timeout")) / 1000);
    r.requires = requires;
    r.multiple_active = multiple_active;
    r.provides_unfencing = r.is_fence_device
        && meta.get("provides").is_some_and(|v| v.eq_ignore_ascii_case("unfencing"));
    r.goal = None;
    if r.is_remote_connection && !guest {
        reconnect(cluster, rsc);
    }
    goal(cluster, rsc, &meta);
}

/// I-82
fn reconnect(cluster: &mut Cluster, rsc: RscIx) {
    let params = cluster.params(rsc, None);
    if let Some(text) = params.get("reconnect_interval") {
        let ms = parse_interval(Some(text));
        cluster[rsc].reconnect_interval = u64::from(ms);
        cluster[rsc].failure_timeout = i64::from(ms / 1000);
    }
}

/// I-79; also the initial next role (P-28).
fn goal(cluster: &mut Cluster, rsc: RscIx, meta: &Table) {
    let Some(text) = meta.get("target-role") else { return };
    if text.eq_ignore_ascii_case("started") || text.eq_ignore_ascii_case("default") {
        return;
    }
    let id = cluster[rsc].id.clone();
    let goal = match Role::parse(text) {
        None | Some(Role::Unknown) => {
            let text = format!("Ignoring 'target-role' for {id} because '{text}' is not valid");
            cluster.say(Severity::ConfigError, text);
            return;
        }
        Some(role @ (Role::Unpromoted | Role::Promoted)) => {
            if !cluster[rsc].promotable {
                let text = format!(
                    "Ignoring 'target-role' for {id} because '{text}' only makes sense for \
                     promotable clones"
                );
                cluster.say(Severity::ConfigError, text);
                return;
            }
            if role == Role::Promoted {
                return;
            }
            role
        }
        Some(role) => role,
    };
    cluster[rsc].goal = Some(goal);
    cluster[rsc].next_role = goal;
}

/// I-81
fn requires(cluster: &mut Cluster, rsc: RscIx, meta: &Table) -> Requires {
    let options = &cluster.options;
    let fence_device = cluster[rsc].is_fence_device;
    let default = if fence_device || cluster[rsc].is_remote_connection {
        Requires::Quorum
    } else if options.unfencing_in_use {
        Requires::Unfencing
    } else if options.fencing {
        Requires::Fencing
    } else if options.quorum_policy == QuorumPolicy::Ignore {
        Requires::Nothing
    } else {
        Requires::Quorum
    };
    let fencing = options.fencing;
    let id = cluster[rsc].id.clone();
    let chosen = match meta.get("requires").map(str::to_ascii_lowercase).as_deref() {
        None => default,
        Some("nothing") => Requires::Nothing,
        Some("quorum") => Requires::Quorum,
        Some("fencing") => {
            if !fencing {
                let text = format!("{id} requires fencing but fencing is disabled");
                cluster.say(Severity::ConfigWarning, text);
            }
            Requires::Fencing
        }
        Some("unfencing") => Requires::Unfencing,
        Some(other) => {
            let text = format!("Ignoring 'requires' for {id} because '{other}' is not valid");
            cluster.say(Severity::ConfigError, text);
            default
        }
    };
    if chosen != Requires::Unfencing {
        return chosen;
    }
    if fence_device {
        let text = format!("{id} is a fencing device but requires unfencing");
        cluster.say(Severity::ConfigWarning, text);
        Requires::Quorum
    } else if !fencing {
        let text = format!("{id} requires unfencing but fencing is disabled");
        cluster.say(Severity::ConfigWarning, text);
        Requires::Quorum
    } else {
        Requires::Unfencing
    }
}

fn multiple_active(cluster: &mut Cluster, rsc: RscIx, meta: &Table) -> MultipleActive {
    match meta.get("multiple-active").map(str::to_ascii_lowercase).as_deref() {
        None | Some("stop_start") => MultipleActive::StopStart,
        Some("stop_only") => MultipleActive::StopOnly,
        Some("block") => MultipleActive::Block,
        Some("stop_unexpected") => MultipleActive::StopUnexpected,
        Some(other) => {
            let id = cluster[rsc].id.clone();
            let text = format!(
                "{other} is not a valid value for multiple-active of {id}, using default of \
                 \"stop_start\""
            );
            cluster.say(Severity::ConfigWarning, text);
            MultipleActive::StopStart
        }
    }
}

/// Demands by name (P-134).
pub(super) fn utilization(cluster: &Cluster, blocks: &Blocks) -> Vec<(Arc<str>, i64)> {
    let mut table = Table::default();
    let context = Context { now: cluster.now, ..Context::default() };
    combine(blocks, &context, false, &mut table);
    let number = |v: &Arc<str>| parse_int(v).unwrap_or(0);
    table.pairs().iter().map(|(n, v)| (n.clone(), number(v))).collect()
}
