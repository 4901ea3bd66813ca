//! From settled actions to the graph: what enters it, in which order, and what each element says
//! (scheduler reference 3, sections 17 and 18).

use std::collections::{BTreeMap, BTreeSet};

use crate::scheduler::model::{
    ActionIx, Cluster, Ground, Key, Marks, NodeFact, NodeIx, OrderFlags, RscIx, Task, Variant,
};
use crate::transition::{ActionId, Graph, GraphSettings, Mark, NodeRef, Presence};

use super::describe::describe;
use super::request::node_action;
use super::{notify, seen};

/// The state of the emission.
struct Emission<'a> {
    cluster: &'a mut Cluster,
    /// Whether each action is in the graph; grows with the actions that are made on the way.
    included: Vec<bool>,
    /// In order of emission, with the actions that trigger each.
    synapses: Vec<(ActionIx, Vec<ActionIx>)>,
}

/// The graph of all that is to be done.
pub(super) fn graph(cluster: &mut Cluster) -> Graph {
    let mut emission = Emission { cluster, included: Vec::new(), synapses: Vec::new() };
    for top in emission.cluster.top.clone() {
        emission.resource(top);
    }
    emission.maintenance();
    for ix in (0..emission.cluster.actions.len()).rev().map(ActionIx::next) {
        emission.add(ix);
    }
    emission.build()
}

impl Emission<'_> {
    fn resource(&mut self, rsc: RscIx) {
        let children = self.cluster[rsc].children.clone();
        match self.cluster[rsc].variant.clone() {
            Variant::Primitive => self.own(rsc),
            Variant::Group(_) => {
                self.own(rsc);
                children.into_iter().for_each(|member| self.resource(member));
            }
            Variant::Clone(_) => {
                self.refresh(rsc);
                notify::create(self.cluster, rsc);
                children.into_iter().for_each(|instance| self.resource(instance));
                self.own(rsc);
            }
            Variant::Bundle(bundle) => {
                bundle.clone.into_iter().for_each(|inner| self.resource(inner));
                for replica in &bundle.replicas {
                    let parts = [replica.ip, Some(replica.container), replica.connection];
                    parts.into_iter().flatten().for_each(|part| self.resource(part));
                }
            }
        }
    }

    /// The marks of a clone's own actions, from its instances.
    fn refresh(&mut self, clone: RscIx) {
        for i in (0..self.cluster[clone].actions.len()).rev() {
            let mut back = Vec::new();
            let ix = self.cluster[clone].actions[i];
            seen::marks(self.cluster, ix, None, &mut back);
            seen::write_back(self.cluster, back, |_| {});
        }
    }

    /// A resource's own actions, newest first.
    fn own(&mut self, rsc: RscIx) {
        for i in (0..self.cluster[rsc].actions.len()).rev() {
            let ix = self.cluster[rsc].actions[i];
            self.add(ix);
        }
    }

    /// remote nodes are told when they enter or leave maintenance.
    fn maintenance(&mut self) {
        let changed = |n: &&NodeIx| {
            let n = &self.cluster[**n];
            n.is_remote() && n.maintenance != n.remote_maintenance
        };
        let changed = self.cluster.node_order.iter().copied().find(|n| changed(&n));
        if changed.is_none() {
            return;
        }
        let name = "maintenance_nodes";
        let task = Task::Other(name.into());
        let ix = node_action(self.cluster, Key::Named(name.into()), task, None, true);
        let marks = Marks::PSEUDO | Marks::RUNNABLE | Marks::PRINT_ALWAYS;
        self.cluster[ix].marks.set(marks);
        if let Some(node) = changed {
            self.cluster.journal.shown(ix, Ground::Node(node, NodeFact::Maintenance));
        }
        self.add(ix);
    }

    fn is_in(&self, ix: ActionIx) -> bool {
        self.included.get(ix.ix()).copied().unwrap_or(false)
    }

    /// Adds an action and finds its triggers, unless it is in or does not enter.
    fn add(&mut self, ix: ActionIx) {
        if self.is_in(ix) || !enters(self.cluster, ix) {
            return;
        }
        if self.included.len() <= ix.ix() {
            self.included.resize(self.cluster.actions.len(), false);
        }
        self.included[ix.ix()] = true;
        self.cluster.journal.entered(ix);
        let inputs = inputs(self.cluster, ix);
        let triggers = inputs.into_iter().filter(|&(first, flags)| {
            is_trigger(self.cluster, first, ix, flags)
                || (self.is_in(first) && is_kept(self.cluster, first, ix, flags))
        });
        let triggers = triggers.map(|(first, _)| first).collect();
        self.synapses.push((ix, triggers));
    }

    fn build(self) -> Graph {
        let cluster = self.cluster;
        let mut graph = Graph::new(settings(cluster));
        for (ix, _) in &self.synapses {
            graph.add(describe(cluster, *ix, Mark::Included));
        }
        let mut triggers: BTreeMap<ActionIx, Vec<ActionIx>> = self.synapses.into_iter().collect();
        let included: BTreeSet<ActionIx> = triggers.keys().copied().collect();
        for ix in (0..cluster.actions.len()).map(ActionIx::next) {
            if triggers.contains_key(&ix) {
                continue;
            }
            let mark = left_out(cluster, ix);
            if mark == Mark::Blocked || cluster.all_actions {
                graph.add(describe(cluster, ix, mark));
            }
        }
        let shown: Vec<ActionIx> = graph.actions().map(|(_, a)| ActionIx(a.id.0 - 1)).collect();
        for then in shown {
            let by = triggers.remove(&then).unwrap_or_default();
            for (first, flags) in inputs(cluster, then) {
                let presence = if by.contains(&first) {
                    Presence::Trigger
                } else if is_hidden(flags, included.contains(&then), cluster.all_actions) {
                    continue;
                } else {
                    Presence::Ignored
                };
                if graph.find(id(first)).is_none() && presence == Presence::Trigger {
                    graph.add(describe(cluster, first, left_out(cluster, first)));
                }
                if let (Some(first), Some(then)) = (graph.find(id(first)), graph.find(id(then))) {
                    graph.order(first, then, presence);
                }
            }
        }
        graph
    }
}

/// Why an action is not in the graph.
fn left_out(cluster: &Cluster, ix: ActionIx) -> Mark {
    let action = &cluster[ix];
    if !action.rsc.is_none_or(|r| cluster[r].managed) {
        Mark::Unmanaged
    } else if action.marks.optional() {
        Mark::Optional
    } else {
        Mark::Blocked
    }
}

/// True for relations that are not even shown: those that hold on one node only, once it is clear
/// that they do not; and what waits for room is shown only with everything else.
fn is_hidden(flags: OrderFlags, then_included: bool, all: bool) -> bool {
    match flags {
        OrderFlags::NONE => true,
        OrderFlags::LOAD => then_included || !all,
        OrderFlags::ANTI_COLOC => then_included,
        _ => false,
    }
}

///
fn settings(cluster: &Cluster) -> GraphSettings {
    let options = &cluster.options;
    let start_offset = if options.start_failure_fatal { "INFINITY" } else { "1" };
    let limit = options.migration_limit.as_deref();
    GraphSettings {
        cluster_delay: options.cluster_delay.to_string(),
        stonith_timeout: options.fence_timeout_text.to_string(),
        failed_start_offset: start_offset.into(),
        batch_limit: options.batch_limit.to_string(),
        migration_limit: limit.filter(|l| l.parse::<i64>().is_ok_and(|n| n > 0)).map(Into::into),
        recheck_by: cluster.recheck_at,
        ..GraphSettings::default()
    }
}

/// What comes before an action, one entry each with all modifiers, by ascending id.
fn inputs(cluster: &Cluster, ix: ActionIx) -> Vec<(ActionIx, OrderFlags)> {
    let mut merged: BTreeMap<ActionIx, OrderFlags> = BTreeMap::new();
    for &link in &cluster[ix].before {
        let link = cluster[link];
        *merged.entry(link.first).or_default() |= link.flags;
    }
    merged.into_iter().collect()
}

///
fn enters(cluster: &Cluster, ix: ActionIx) -> bool {
    let action = &cluster[ix];
    let marks = action.marks;
    if !marks.runnable() || (marks.optional() && !marks.has(Marks::PRINT_ALWAYS)) {
        return false;
    }
    let managed = action.rsc.is_none_or(|r| cluster[r].managed);
    if !managed && action.task != Task::Monitor && action.interval() == 0 {
        return false;
    }
    if marks.pseudo() || matches!(action.task, Task::Fence | Task::Shutdown) {
        return true;
    }
    let Some(node) = action.node else { return false };
    let state = &cluster[node];
    marks.has(Marks::ON_DC)
        || (cluster.is_guest(node) && !state.remote_requires_reset)
        || (state.online && !state.unclean)
}

/// A-236, all rows.
pub(super) fn is_trigger(
    cluster: &Cluster,
    first: ActionIx,
    then: ActionIx,
    flags: OrderFlags,
) -> bool {
    if !is_kept(cluster, first, then, flags) {
        return false;
    }
    let marks = cluster[first].marks;
    let decided = flags == OrderFlags::LOAD || flags == OrderFlags::ANTI_COLOC;
    decided || marks.required() || marks.has(Marks::PRINT_ALWAYS) || enters(cluster, first)
}

/// A-236, rows 1 to 9.
fn is_kept(cluster: &Cluster, first: ActionIx, then: ActionIx, flags: OrderFlags) -> bool {
    let (a, b) = (&cluster[first], &cluster[then]);
    let migrating = a.marks.has(Marks::MIGRATE_RUNNABLE);
    let shown = OrderFlags::ORDER | OrderFlags::FIRST_PRINTED | OrderFlags::THEN_PRINTED;
    if flags == OrderFlags::NONE {
        return false;
    }
    if !a.marks.runnable() {
        let weak = flags.without(shown) == OrderFlags::NONE;
        let any = OrderFlags::ONE_OR_MORE | OrderFlags::MIGRATE_FIRST;
        if weak || flags.intersects(any) {
            return false;
        }
    }
    if flags.contains(OrderFlags::ONLY_FIRST_NOT_MIGRATING) && migrating {
        return false;
    }
    if flags == OrderFlags::ORDER && migrating && a.key == Key::once(Task::Stop) {
        return false;
    }
    if flags == OrderFlags::LOAD {
        let place = match b.rsc {
            Some(rsc) if b.task == Task::MigrateTo => cluster[rsc].assigned,
            _ => b.node,
        };
        return a.node.is_some() && a.node == place && a.marks.required();
    }
    if flags == OrderFlags::ANTI_COLOC {
        let apart = a.node.is_some() && b.node.is_some() && a.node != b.node;
        return !apart && a.marks.required();
    }
    !is_failed_unmanaged_stop(cluster, first, then)
}

/// A-236, row 9.
fn is_failed_unmanaged_stop(cluster: &Cluster, first: ActionIx, then: ActionIx) -> bool {
    let (Some(a), Some(b)) = (cluster[first].rsc, cluster[then].rsc) else { return false };
    let failed = &cluster[a];
    a != b
        && cluster[first].task == Task::Stop
        && failed.failed
        && !failed.managed
        && cluster[b].clone_data().is_some()
}

/// The node that runs a guest node's container, for guests only.
pub(super) fn host_of(cluster: &Cluster, node: NodeIx) -> Option<NodeIx> {
    cluster.current_node(cluster.guest_container(node)?)
}

/// The id that an action has in the graph.
pub(super) fn id(ix: ActionIx) -> ActionId {
    ActionId(ix.0 + 1)
}

/// Nodes as the graph names them.
pub(super) fn node_ref(cluster: &Cluster, node: NodeIx) -> NodeRef {
    let node = &cluster[node];
    NodeRef { name: node.name.to_string(), id: node.id.to_string() }
}
