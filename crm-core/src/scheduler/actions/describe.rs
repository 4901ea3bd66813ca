//! What the graph says about an action.

use std::collections::BTreeMap;

use crate::scheduler::input::{op_config, op_params};
use crate::scheduler::model::{
    ActionIx, Cluster, Key, NodeIx, NotifyKind, RscIx, Table, Task, Variant,
};
use crate::transition::{Action, ActionKind, AgentRef, Mark, ResourceRef};

use super::emit::{host_of, id, node_ref};
use super::remote;
use super::request::key_text;

/// The feature set whose graphs these are.
const FEATURE_SET: &str = "3.16.1";

/// The complete description of an action.
pub(super) fn describe(cluster: &Cluster, ix: ActionIx, mark: Mark) -> Action {
    let action = &cluster[ix];
    let kind = kind(cluster, ix);
    let own_key = key_text(cluster, ix);
    let recorded = recorded_key(cluster, ix);
    let (key, internal_key) = match recorded {
        Some(recorded) => (recorded, Some(own_key)),
        None => (own_key, None),
    };
    let real = kind != ActionKind::Pseudo || action.task == Task::Fence;
    let place = action.node.filter(|_| real);
    let router = place.and_then(|_| remote::router(cluster, ix));
    let owner = action.rsc;
    let resource = owner.filter(|_| kind != ActionKind::Pseudo);
    let rsc_priority = owner.map_or(0, |r| cluster[r].priority.value());
    Action {
        id: id(ix),
        kind,
        mark,
        operation: action.task.to_string(),
        key,
        internal_key,
        node: action.node.map(|n| node_ref(cluster, n)),
        router: router.map(|n| cluster[n].name.to_string()),
        shutdown_lock: shutdown_lock(cluster, ix).filter(|_| kind != ActionKind::Pseudo),
        resource: resource.map(|r| resource_ref(cluster, r)),
        owner: owner.map(|r| cluster[r].id.to_string()),
        attributes: attributes(cluster, ix, place),
        downed: place.map_or_else(Vec::new, |n| downed(cluster, ix, n)),
        maintenance: maintenance(cluster, ix),
        priority: rsc_priority.max(action.priority),
        reason: action.reason.as_ref().map(|r| r.to_string()),
    }
}

///
fn kind(cluster: &Cluster, ix: ActionIx) -> ActionKind {
    let action = &cluster[ix];
    match action.task {
        _ if action.marks.pseudo() => ActionKind::Pseudo,
        Task::Fence | Task::Shutdown | Task::ClearFailcount => ActionKind::CrmEvent,
        Task::LrmDelete => ActionKind::CibEvent,
        _ => ActionKind::RscOp,
    }
}

/// The key with the name that the history knows, for instances of anonymous clones.
fn recorded_key(cluster: &Cluster, ix: ActionIx) -> Option<String> {
    let action = &cluster[ix];
    let name = cluster[action.rsc?].history_name.as_ref()?;
    Some(match (&action.task, &action.key) {
        (Task::Notify, Key::Notify(kind, _)) => {
            let when = match kind {
                NotifyKind::Pre | NotifyKind::ConfirmedPre => "pre",
                NotifyKind::Post | NotifyKind::ConfirmedPost => "post",
            };
            let about = action.meta("notify_operation").unwrap_or_default();
            format!("{name}_{when}_notify_{about}_0")
        }
        (Task::Cancel, Key::Op(cancelled, interval)) => format!("{name}_{cancelled}_{interval}"),
        (task, _) => format!("{name}_{task}_{}", action.interval()),
    })
}

///
fn shutdown_lock(cluster: &Cluster, ix: ActionIx) -> Option<i64> {
    let action = &cluster[ix];
    let (node, time) = cluster[action.rsc?].lock?;
    let applies =
        action.node == Some(node) && (!cluster[node].shutdown || action.task == Task::Stop);
    applies.then_some(time)
}

///
fn resource_ref(cluster: &Cluster, rsc: RscIx) -> ResourceRef {
    let r = &cluster[rsc];
    let recorded = r.history_name.as_ref();
    let (id, long_id) = match recorded {
        Some(name) if r.orphan => (name, Some(&r.id)),
        _ if !r.unique => {
            let other = recorded.filter(|n| **n != r.xml_id);
            (&r.xml_id, Some(other.unwrap_or(&r.id)))
        }
        _ => (&r.id, None),
    };
    ResourceRef {
        id: id.to_string(),
        long_id: long_id.map(|l| l.to_string()),
        agent: AgentRef {
            class: r.agent.class.to_string(),
            provider: r.agent.provider.as_ref().map(|p| p.to_string()),
            kind: r.agent.kind.to_string(),
        },
    }
}

/// The meta attributes of an action: configured, and those the planner added.
fn meta(cluster: &Cluster, ix: ActionIx, place: Option<NodeIx>) -> Table {
    let action = &cluster[ix];
    let mut meta = match (action.rsc, &action.key) {
        (Some(rsc), Key::Op(task, interval)) => op_config(cluster, rsc, task, *interval).meta,
        (Some(rsc), _) => op_config(cluster, rsc, &Task::Notify, 0).meta,
        (None, _) => Table::default(),
    };
    for extra in &action.extra {
        if extra.overwrites {
            meta.set(extra.name.clone(), extra.value.clone());
        } else {
            meta.set_default(&extra.name, &extra.value);
        }
    }
    if let Some(node) = place {
        meta.set("on_node", cluster[node].name.clone());
        meta.set("on_node_uuid", cluster[node].id.clone());
    }
    meta
}

///
fn attributes(cluster: &Cluster, ix: ActionIx, place: Option<NodeIx>) -> BTreeMap<String, String> {
    let action = &cluster[ix];
    let mut out = Attributes::default();
    out.first("crm_feature_set", FEATURE_SET);
    if let Some(rsc) = action.rsc {
        if let (Key::Op(task, interval), Some(node)) = (&action.key, action.node) {
            for (name, value) in op_params(cluster, rsc, task, *interval, Some(node)).iter() {
                out.first(name, value);
            }
        }
        if action.node.is_some() || cluster[rsc].is_primitive() {
            if let Some(host) = address_host(cluster, rsc) {
                out.first("addr", &host);
            }
            for (name, value) in cluster.params(rsc, action.node).iter() {
                out.first(name, value);
            }
        }
    }
    for (name, value) in meta(cluster, ix, place).iter() {
        out.meta(name, value, false);
    }
    let mut about = action.rsc;
    while let Some(rsc) = about {
        add_resource(cluster, rsc, &mut out);
        about = cluster[rsc].parent;
    }
    add_guest(cluster, ix, &mut out);
    if let (Task::Fence, Some(node)) = (&action.task, action.node) {
        for (name, value) in &cluster[node].attributes {
            out.meta(name, value, false);
        }
    }
    out.0
}

/// Attributes under construction.
#[derive(Default)]
struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// Adds a parameter unless it is there.
    fn first(&mut self, name: &str, value: &str) {
        self.0.entry(name.into()).or_insert_with(|| value.into());
    }

    /// Adds a meta attribute, over what is there if asked to. Some names are for internal use.
    fn meta(&mut self, name: &str, value: &str, overwrite: bool) {
        if name.contains(['#', ':']) {
            return;
        }
        let name = format!("CRM_meta_{}", name.replace('-', "_"));
        if overwrite {
            self.0.insert(name, value.into());
        } else {
            self.0.entry(name).or_insert_with(|| value.into());
        }
    }
}

/// where the container is, for a connection that is reached at its container's node.
fn address_host(cluster: &Cluster, rsc: RscIx) -> Option<String> {
    let r = &cluster[rsc];
    let container = r.container.filter(|_| r.is_remote_connection)?;
    if cluster.params(rsc, None).get("addr") != Some("#uname") {
        return None;
    }
    let host = cluster[container].assigned.or_else(|| cluster.current_node(container))?;
    Some(cluster[host].name.to_string())
}

/// what a resource and each ancestor add.
fn add_resource(cluster: &Cluster, rsc: RscIx, out: &mut Attributes) {
    let r = &cluster[rsc];
    match &r.variant {
        Variant::Primitive => {
            if let Some(number) = r.meta.get("clone") {
                out.meta("clone", number, true);
            }
            if let Some(node) = r.meta.get("remote-node") {
                out.meta("remote-node", node, true);
            }
            let mut about = Some(rsc);
            while let Some(next) = about {
                if let Some(container) = cluster[next].container {
                    out.meta("container", &cluster[container].id, true);
                }
                about = cluster[next].parent;
            }
            if let Some(address) = r.meta.get("external-ip") {
                out.0.insert("pcmk_external_ip".into(), address.into());
            }
        }
        Variant::Clone(data) => {
            let word = |b: bool| if b { "true" } else { "false" };
            out.meta("globally-unique", word(r.unique), true);
            out.meta("notify", word(r.notify), true);
            out.meta("clone-max", &data.max.to_string(), true);
            out.meta("clone-node-max", &data.node_max.to_string(), true);
            if data.promotable {
                for name in ["promoted-max", "master-max"] {
                    out.meta(name, &data.promoted_max.to_string(), true);
                }
                for name in ["promoted-node-max", "master-node-max"] {
                    out.meta(name, &data.promoted_node_max.to_string(), true);
                }
            }
        }
        Variant::Group(_) | Variant::Bundle(_) => {}
    }
}

/// on guest nodes, the host.
fn add_guest(cluster: &Cluster, ix: ActionIx, out: &mut Attributes) {
    let action = &cluster[ix];
    let Some((node, rsc)) = action.node.zip(action.rsc) else { return };
    let Some(container) = cluster.guest_container(node) else { return };
    let task = match action.task {
        Task::Notify | Task::Notified => {
            action.meta("notify_operation").map_or(Task::Notify, Task::parse)
        }
        _ => action.task.clone(),
    };
    let host = match task {
        Task::Stop | Task::Stopped | Task::Demote | Task::Demoted => host_of(cluster, node),
        Task::Start | Task::Running | Task::Monitor | Task::Promote | Task::Promoted => {
            cluster[container].assigned
        }
        _ => None,
    };
    let Some(host) = host else { return };
    if let Some(target) = cluster[rsc].meta.get("container-attribute-target") {
        out.meta("container-attribute-target", target, false);
    }
    out.meta("physical-host", &cluster[host].name, false);
}

/// Guests go down with the node that runs their connection.
fn downed(cluster: &Cluster, ix: ActionIx, node: NodeIx) -> Vec<String> {
    let action = &cluster[ix];
    match &action.task {
        Task::Shutdown => vec![cluster[node].id.to_string()],
        Task::Fence => {
            let operation = action.meta("stonith_action").unwrap_or_default();
            if !matches!(operation, "off" | "reboot" | "poweroff") {
                return Vec::new();
            }
            let mut ids = vec![cluster[node].id.to_string()];
            let guests = cluster[node].running.iter().filter_map(|&r| {
                let connection = &cluster[r];
                connection
                    .container
                    .filter(|_| cluster.has_remote_nodes())
                    .and(connection.remote_node)
            });
            ids.extend(guests.map(|guest| cluster[guest].id.to_string()));
            ids
        }
        Task::Stop => {
            let Some(rsc) = action.rsc.filter(|&r| cluster[r].is_remote_connection) else {
                return Vec::new();
            };
            let migrates = action.before.iter().any(|&l| {
                let first = &cluster[cluster[l].first];
                first.rsc == Some(rsc) && first.task == Task::MigrateFrom
            });
            if migrates { Vec::new() } else { vec![cluster[rsc].id.to_string()] }
        }
        _ => Vec::new(),
    }
}

///
fn maintenance(cluster: &Cluster, ix: ActionIx) -> Vec<(String, bool)> {
    if !matches!(&cluster[ix].key, Key::Named(name) if &**name == "maintenance_nodes") {
        return Vec::new();
    }
    let nodes = cluster.node_order.iter().map(|&n| &cluster[n]);
    nodes
        .filter(|n| n.is_remote() && n.maintenance != n.remote_maintenance)
        .map(|n| (n.id.to_string(), n.maintenance))
        .collect()
}
