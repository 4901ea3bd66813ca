//! The resource list as text (O-75 to O-89).

use std::collections::BTreeMap;

use crm_core::scheduler::model::{Cluster, NodeIx, Role, RscIx, Variant};

use super::facts::{
    active_nodes, agent_name, any_in, clone_role, configured_role, failed_probe, in_promotable,
    is_active, is_disabled, is_implicit, is_listed, pending_flag, pending_state, printable_id,
    result_text, role, shown_role, taken_nodes,
};
use super::{View, display_name};
use crate::render::report::Part;

/// The items of the resource list; empty if there is nothing to show.
pub fn resource_items(cluster: &Cluster, view: &View) -> Vec<Part> {
    let shown = |rsc: RscIx| {
        (view.detail || !is_implicit(cluster, rsc))
            && is_listed(cluster, rsc, view.inactive)
            && view.wants_resource(cluster, rsc)
    };
    let (mut items, mut rest) = (Vec::new(), Vec::new());
    for &rsc in &cluster.top {
        if view.brief && cluster[rsc].is_primitive() {
            rest.push(rsc);
        } else if shown(rsc) {
            items.extend(resource_part(cluster, view, rsc));
        }
    }
    if view.brief {
        let mut lines = brief_items(cluster, view, &rest, view.inactive);
        lines.append(&mut items);
        return lines;
    }
    items
}

/// What one resource of any kind shows.
fn resource_part(cluster: &Cluster, view: &View, rsc: RscIx) -> Option<Part> {
    match cluster[rsc].variant {
        Variant::Primitive => primitive_part(cluster, view, rsc),
        // With everything in its place, a group of which nothing runs is not there either.
        Variant::Group(_) if !view.inactive && !is_active(cluster, rsc, false) => None,
        Variant::Group(_) => Some(group_part(cluster, view, rsc)),
        Variant::Clone(_) => Some(clone_part(cluster, view, rsc)),
        Variant::Bundle(_) => Some(bundle_part(cluster, view, rsc)),
    }
}

fn primitive_part(cluster: &Cluster, view: &View, rsc: RscIx) -> Option<Part> {
    let on_wanted = view.only_nodes.is_none()
        || cluster[rsc].active_on.is_empty()
        || cluster[rsc].active_on.iter().any(|n| view.wants_node(*n));
    let name = printable_id(&cluster[rsc]).to_string();
    on_wanted.then(|| Part::item(primitive_line(cluster, view, rsc, &name, at(cluster, rsc), true)))
}

/// The node a primitive is shown on: where it runs, is on its way to, or is locked to.
fn at(cluster: &Cluster, rsc: RscIx) -> Option<NodeIx> {
    let resource = &cluster[rsc];
    let pending = || resource.pending.as_ref().map(|(_, node)| *node);
    let locked = || resource.lock.map(|(node, _)| node);
    resource.active_on.first().copied().or_else(pending).or_else(locked)
}

/// The line of a primitive, without bullet; with `nodes`, it says where (O-78).
pub fn resource_line(cluster: &Cluster, view: &View, rsc: RscIx, nodes: bool) -> String {
    let name = printable_id(&cluster[rsc]).to_string();
    primitive_line(cluster, view, rsc, &name, at(cluster, rsc).filter(|_| nodes), nodes)
}

fn primitive_line(
    cluster: &Cluster,
    view: &View,
    rsc: RscIx,
    name: &str,
    node: Option<NodeIx>,
    list_nodes: bool,
) -> String {
    let resource = &cluster[rsc];
    let several = resource.active_on.len() > 1;
    let node = node.filter(|_| !several && !view.without_nodes);
    let mut line = format!("{name}\t({}):\t", agent_name(&resource.agent));
    if resource.orphan {
        line.push_str(" ORPHANED");
    }
    let shown = shown_role(cluster, rsc);
    let pending = pending_state(resource).filter(|_| view.pending);
    if resource.failed {
        line.push_str(" FAILED");
        if shown > Role::Unpromoted {
            line.push(' ');
            line.push_str(shown.as_str());
        }
    } else {
        line.push(' ');
        line.push_str(pending.unwrap_or(shown.as_str()));
    }
    if let Some(node) = node {
        line.push(' ');
        line.push_str(&cluster[node].name);
    }
    if shown == Role::Stopped
        && let Some(probe) = failed_probe(cluster, rsc, node)
    {
        line.push_str(&format!(" ({}) ", result_text(probe.rc)));
    }
    let flags = primitive_flags(cluster, view, rsc, node);
    if !flags.is_empty() {
        line.push_str(&format!(" ({})", flags.join(", ")));
    }
    if several && list_nodes && !view.without_nodes {
        if let Some(description) = description(cluster, rsc) {
            line.push_str(&format!(" {description}"));
        }
        let names: Vec<&str> = resource.active_on.iter().map(|n| &*cluster[*n].name).collect();
        line.push_str(&format!(" [ {} ]", names.join(" ")));
    }
    line
}

/// Free text of the configuration; the model does not keep it for anything that decides.
fn description(_cluster: &Cluster, _rsc: RscIx) -> Option<&str> {
    None
}

fn primitive_flags(
    cluster: &Cluster,
    view: &View,
    rsc: RscIx,
    node: Option<NodeIx>,
) -> Vec<String> {
    let resource = &cluster[rsc];
    let mut flags = Vec::new();
    if node.is_some_and(|n| !cluster[n].online && cluster[n].unclean) {
        flags.push("UNCLEAN".to_string());
    }
    if node.is_some_and(|n| resource.lock.is_some_and(|(lock, _)| lock == n)) {
        flags.push("LOCKED".to_string());
    }
    if let Some(flag) = pending_flag(resource).filter(|_| view.pending) {
        flags.push(flag.to_string());
    }
    match (configured_role(resource), resource.meta.get("target-role")) {
        (Some(Role::Stopped), _) => flags.push("disabled".to_string()),
        (Some(Role::Unpromoted), Some(word)) if in_promotable(cluster, rsc) => {
            flags.push(format!("target-role:{word}"));
        }
        _ => {}
    }
    if resource.blocked {
        flags.push("blocked".to_string());
    } else if !resource.managed {
        flags.push("unmanaged".to_string());
    }
    if resource.failure_ignored {
        flags.push("failure ignored".to_string());
    }
    flags
}

fn titled(title: String, notes: &[String], parts: Vec<Part>) -> Part {
    if notes.is_empty() {
        Part::list(title, parts)
    } else {
        Part::list(format!("{title} ({})", notes.join(", ")), parts)
    }
}

fn state_notes(cluster: &Cluster, rsc: RscIx) -> Vec<String> {
    let mut notes = Vec::new();
    if !cluster[rsc].managed {
        notes.push("unmanaged".to_string());
    }
    if is_disabled(cluster, rsc) {
        notes.push("disabled".to_string());
    }
    notes
}

fn group_part(cluster: &Cluster, view: &View, rsc: RscIx) -> Part {
    let members = &cluster[rsc].children;
    let mut notes = Vec::new();
    if !view.inactive {
        let idle = members.iter().filter(|m| !is_active(cluster, **m, true)).count();
        if idle > 0 && idle < members.len() {
            notes.push(format!("{idle} member{} inactive", if idle == 1 { "" } else { "s" }));
        }
    }
    notes.extend(state_notes(cluster, rsc));
    let title = format!("Resource Group: {}", cluster[rsc].id);
    let parts = if view.brief {
        brief_items(cluster, view, members, true)
    } else {
        members
            .iter()
            .filter(|m| view.inactive || is_active(cluster, **m, false))
            .filter(|m| view.wants_resource(cluster, **m))
            .filter_map(|m| resource_part(cluster, view, *m))
            .collect()
    };
    titled(title, &notes, parts)
}

/// Which line of a clone an instance belongs to (O-83).
enum Place {
    Individual,
    Promoted(NodeIx),
    Started(NodeIx),
    Stopped,
}

/// True for an instance that is active, but on none of the nodes to show. Where a whole group is
/// not managed on a node that cannot be talked to, it counts as active, but on no node at all.
pub(super) fn is_elsewhere(cluster: &Cluster, view: &View, instance: RscIx) -> bool {
    is_active(cluster, instance, false)
        && !cluster[instance].active_on.iter().any(|n| view.wants_node(*n))
}

fn place(cluster: &Cluster, view: &View, clone: RscIx, instance: RscIx) -> Place {
    let partly = is_active(cluster, instance, false);
    if is_elsewhere(cluster, view, instance) {
        return Place::Stopped;
    }
    if view.detail {
        return Place::Individual;
    }
    if cluster[clone].unique {
        return if partly || !cluster[clone].orphan { Place::Individual } else { Place::Stopped };
    }
    let pending = |r: RscIx| cluster[r].pending.is_some();
    if view.pending && pending(instance) {
        return Place::Individual;
    }
    if !partly {
        return Place::Stopped;
    }
    let managed = !any_in(cluster, instance, |r| !r.managed);
    if any_in(cluster, instance, |r| r.orphan || r.failed)
        || !managed
        || !is_active(cluster, instance, true)
    {
        return Place::Individual;
    }
    match active_nodes(cluster, instance)[..] {
        [node] if !cluster[node].online && cluster[node].unclean => Place::Individual,
        [node] if role(cluster, instance) > Role::Unpromoted => Place::Promoted(node),
        [node] => Place::Started(node),
        _ => Place::Individual,
    }
}

fn clone_part(cluster: &Cluster, view: &View, rsc: RscIx) -> Part {
    let resource = &cluster[rsc];
    let mut parts = Vec::new();
    let (mut promoted, mut started) = (Vec::new(), Vec::new());
    for &instance in &resource.children {
        if !view.wants_resource(cluster, instance) {
            continue;
        }
        match place(cluster, view, rsc, instance) {
            Place::Individual => parts.extend(resource_part(cluster, view, instance)),
            Place::Promoted(node) => promoted.push(node),
            Place::Started(node) => started.push(node),
            Place::Stopped => {}
        }
    }
    let active = promoted.len() + started.len();
    let configured = clone_role(cluster, rsc);
    let started_title = match (resource.promotable, configured) {
        (false, _) => "Started",
        (true, Some(Role::Unpromoted)) => "Unpromoted (target-role)",
        (true, _) => "Unpromoted",
    };
    for (title, nodes) in [("Promoted", promoted), (started_title, started)] {
        parts.extend(names_item(cluster, view, title, nodes));
    }
    let max = resource.clone_data().map_or(0, |c| c.max as usize);
    if view.inactive && !view.detail && !resource.unique && max > active {
        parts.extend(stopped_items(cluster, view, rsc));
    }
    let mut notes = Vec::new();
    if resource.promotable {
        notes.push("promotable".to_string());
    }
    if resource.unique {
        notes.push("unique".to_string());
    }
    notes.extend(state_notes(cluster, rsc));
    titled(format!("Clone Set: {} [{}]", resource.id, child_id(cluster, rsc)), &notes, parts)
}

/// The id of what a clone makes instances of.
fn child_id(cluster: &Cluster, clone: RscIx) -> String {
    let first = cluster[clone].children.first();
    first.map_or(String::new(), |c| cluster[*c].xml_id.to_string())
}

fn names_item(cluster: &Cluster, view: &View, title: &str, nodes: Vec<NodeIx>) -> Option<Part> {
    let wanted: Vec<NodeIx> = nodes.into_iter().filter(|n| view.wants_node(*n)).collect();
    let names: Vec<String> =
        in_order(cluster, &wanted).map(|n| display_name(cluster, view, n)).collect();
    (!names.is_empty()).then(|| Part::item(format!("{title}: [ {} ]", names.join(" "))))
}

/// `nodes` in the order of the node list; a node that is in it twice stays so.
fn in_order<'a>(cluster: &'a Cluster, nodes: &'a [NodeIx]) -> impl Iterator<Item = NodeIx> + 'a {
    cluster
        .node_order
        .iter()
        .flat_map(|n| std::iter::repeat_n(*n, nodes.iter().filter(|m| *m == n).count()))
}

/// Nodes on which no instance runs, by what is known of it there (O-85).
fn stopped_items(cluster: &Cluster, view: &View, clone: RscIx) -> Vec<Part> {
    let resource = &cluster[clone];
    let mut candidates: Vec<NodeIx> = resource.allowed.iter().map(|(n, _)| n).collect();
    if candidates.is_empty() {
        for leaf in cluster.leaves(clone) {
            for &node in &cluster[leaf].known_on {
                if !candidates.contains(&node) {
                    candidates.push(node);
                }
            }
        }
    }
    let active = taken_nodes(cluster, clone);
    candidates.retain(|n| !active.contains(n));
    let usual = match clone_role(cluster, clone) {
        Some(Role::Stopped) => "Stopped (disabled)",
        Some(_) | None => "Stopped",
    };
    let mut by_state: BTreeMap<String, Vec<NodeIx>> = BTreeMap::new();
    for node in candidates {
        let state = match failed_probe(cluster, clone, Some(node)) {
            Some(probe) => format!("Stopped ({})", result_text(probe.rc)),
            None => usual.to_string(),
        };
        by_state.entry(state).or_default().push(node);
    }
    by_state
        .into_iter()
        .filter_map(|(state, nodes)| names_item(cluster, view, &state, nodes))
        .collect()
}

fn bundle_part(cluster: &Cluster, view: &View, rsc: RscIx) -> Part {
    let resource = &cluster[rsc];
    let Some(bundle) = resource.bundle_data() else {
        return Part::list(resource.id.to_string(), Vec::new());
    };
    let set = if bundle.replicas.len() > 1 { " set" } else { "" };
    let unique = if resource.unique { " (unique)" } else { "" };
    let unmanaged = if resource.managed { "" } else { " (unmanaged)" };
    let title =
        format!("Container bundle{set}: {} [{}]{unique}{unmanaged}", resource.id, bundle.image);
    let mut parts = Vec::new();
    for replica in &bundle.replicas {
        if view.detail {
            let members = [replica.ip, replica.child, Some(replica.container), replica.connection];
            let lines: Vec<Part> = members
                .into_iter()
                .flatten()
                .filter_map(|member| primitive_part(cluster, view, member))
                .collect();
            if bundle.replicas.len() > 1 {
                parts.push(Part::item(format!("Replica[{}]", replica.number)));
            }
            parts.push(Part::List { title: None, parts: lines });
            continue;
        }
        let named_after = replica.connection.unwrap_or(replica.container);
        let mut name = printable_id(&cluster[named_after]).to_string();
        if let Some(address) = &replica.address {
            name.push_str(&format!(" ({address})"));
        }
        let shown = replica.child.unwrap_or(replica.container);
        let locked = || cluster[shown].lock.map(|(node, _)| node);
        let node = cluster.current_node(replica.container).or_else(locked);
        parts.push(Part::item(primitive_line(cluster, view, shown, &name, node, true)));
    }
    Part::list(title, parts)
}

/// What runs on a node, one line an agent.
pub fn brief_node_items(cluster: &Cluster, running: &[RscIx]) -> Vec<Part> {
    let mut agents: BTreeMap<String, usize> = BTreeMap::new();
    for &rsc in running {
        *agents.entry(agent_name(&cluster[rsc].agent)).or_default() += 1;
    }
    let line = |(agent, count)| Part::item(format!("{count}\t({agent}):\tActive "));
    agents.into_iter().map(line).collect()
}

/// One line an agent and node (O-89).
fn brief_items(cluster: &Cluster, view: &View, all: &[RscIx], totals: bool) -> Vec<Part> {
    #[derive(Default)]
    struct Seen {
        total: usize,
        on: BTreeMap<usize, usize>,
    }
    let mut agents: BTreeMap<String, Seen> = BTreeMap::new();
    for &rsc in all {
        let resource = &cluster[rsc];
        let active = is_active(cluster, rsc, false);
        if !resource.is_primitive()
            || (resource.orphan && !active)
            || !view.wants_resource(cluster, rsc)
        {
            continue;
        }
        let seen = agents.entry(agent_name(&resource.agent)).or_default();
        seen.total += 1;
        for node in resource.active_on.iter().filter(|n| view.wants_node(**n)) {
            let rank = cluster.node_order.iter().position(|n| n == node).unwrap_or(usize::MAX);
            *seen.on.entry(rank).or_default() += 1;
        }
    }
    let mut lines = Vec::new();
    for (agent, seen) in agents {
        if seen.on.is_empty() && totals {
            lines.push(Part::item(format!("0/{}\t({agent}):\tActive", seen.total)));
        }
        for (rank, count) in seen.on {
            let node = &cluster[cluster.node_order[rank]].name;
            let total = if totals { format!("/{}", seen.total) } else { String::new() };
            lines.push(Part::item(format!("{count}{total}\t({agent}):\tActive {node}")));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use crm_core::cib::parse;
    use crm_core::rules::Moment;
    use crm_core::scheduler::{Input, status};

    use super::*;

    /// The line of the only replica of a bundle, with what two nodes recorded of its container; the
    /// second one is up.
    fn replica(inside: &str, records: [&str; 2]) -> String {
        let up = "in_ccm='true' crmd='online' join='member' expected='member'";
        let states: String = (1..)
            .zip(records)
            .map(|(number, record)| {
                let up = if number == 2 { up } else { "" };
                format!(
                    "<node_state id='{number}' uname='n{number}' {up}><lrm id='{number}'>\
                     <lrm_resources><lrm_resource id='b-podman-0' class='ocf' type='podman' \
                     provider='heartbeat' {record}</lrm_resource></lrm_resources></lrm></node_state>"
                )
            })
            .collect();
        let text = format!(
            "<cib have-quorum='1' crm_feature_set='3.16.1'><configuration><crm_config>\
             <cluster_property_set id='o'><nvpair id='o1' name='shutdown-lock' value='true'/>\
             <nvpair id='o2' name='stonith-enabled' value='false'/></cluster_property_set>\
             </crm_config><nodes><node id='1' uname='n1'/><node id='2' uname='n2'/></nodes>\
             <resources><bundle id='b'><podman image='i'/>{inside}</bundle></resources><constraints/>\
             </configuration><status>{states}</status></cib>"
        );
        let cib = parse(&text).unwrap();
        let cluster = status(&Input::new(&cib, Moment { epoch: 10_000, offset: 0 }));
        let bundle = cluster.resource("b").unwrap();
        let Part::List { parts, .. } = bundle_part(&cluster, &View::simulate(true), bundle) else {
            panic!("no list");
        };
        let Some(Part::Item { text, .. }) = parts.into_iter().next() else { panic!("no line") };
        text
    }

    #[test]
    fn a_replica_is_where_its_container_is_or_must_wait_to_be() {
        let started = "><lrm_rsc_op id='b-podman-0_last_0' operation='start' interval='0' \
            operation_key='b-podman-0_start_0' call-id='1' rc-code='0' op-status='0' \
            transition-key='1:1:0:00000000-0000-0000-0000-000000000000' \
            transition-magic='0:0;1:1:0:00000000-0000-0000-0000-000000000000'/>";
        let inside = "<network ip-range-start='192.168.122.131'/>\
            <primitive id='A' class='ocf' provider='heartbeat' type='Dummy'/>";
        // Of two the one that is up, which is not the first that was read.
        let wanted = "b-0 (192.168.122.131)\t(ocf:heartbeat:Dummy):\t Stopped n2";
        assert_eq!(replica(inside, [started, started]), wanted);
        let locked = replica("", ["shutdown-lock='9000'>", ">"]);
        assert_eq!(locked, "b-podman-0\t(ocf:heartbeat:podman):\t Stopped n1 (LOCKED)");
    }
}
