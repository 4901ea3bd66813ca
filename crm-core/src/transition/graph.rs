//! The graph itself: actions as nodes, "must be done before" as edges.

use std::collections::BTreeMap;
use std::fmt;

use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;

/// The number that names an action within one transition, from 1 in order of creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ActionId(pub u32);

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The place of an action in a [`Graph`]. It stays valid while the graph lives.
pub type ActionIx = NodeIndex<u32>;

/// Who carries an action out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActionKind {
    /// An agent, through the executor of the action's node: `rsc_op`.
    RscOp,
    /// Nobody; the action is a point of synchronisation: `pseudo_event`.
    Pseudo,
    /// The cluster itself (fencing, shutdown, fail counts): `crm_event`.
    CrmEvent,
    /// The cluster itself, in the CIB only (`lrm_delete`): `crm_event` with `mode="cib"`.
    CibEvent,
}

impl ActionKind {
    /// The element name in the graph's XML.
    pub fn tag(self) -> &'static str {
        match self {
            ActionKind::RscOp => "rsc_op",
            ActionKind::Pseudo => "pseudo_event",
            ActionKind::CrmEvent | ActionKind::CibEvent => "crm_event",
        }
    }
}

/// Whether, and if not why not, an action is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// It belongs to the transition.
    Included,
    /// It is needed but cannot be done now. Shown, never executed, never complete.
    Blocked,
    /// It needs not be done. Only in graphs that were asked to hold everything, or if something
    /// waits for it.
    Optional,
    /// Its resource is not ours to manage. Where it is in a graph is as for the optional ones.
    Unmanaged,
}

/// Whether an edge makes its target wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// The target starts only after the source is complete.
    Trigger,
    /// A relation that has no effect this time; shown dashed.
    Ignored,
}

/// A node as actions name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NodeRef {
    /// Its name (`uname`).
    pub name: String,
    /// Its identity in `node_state` (a number for cluster nodes, the name for remote ones).
    pub id: String,
}

/// The agent of a resource.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AgentRef {
    /// The standard: `ocf`, `systemd`, `stonith`, ...
    pub class: String,
    /// The OCF provider; absent for other standards.
    pub provider: Option<String>,
    /// The agent's name.
    pub kind: String,
}

/// The resource an action works on, as the executor and the history know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceRef {
    /// The id under which the history is recorded.
    pub id: String,
    /// The numbered name of an instance, where it differs from `id`.
    pub long_id: Option<String>,
    /// What runs it.
    pub agent: AgentRef,
}

/// One action of a transition.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its number in this transition.
    pub id: ActionId,
    /// Who carries it out.
    pub kind: ActionKind,
    /// Whether it is carried out at all.
    pub mark: Mark,
    /// What to do: `start`, `monitor`, `stonith`, ... (`operation` in XML).
    pub operation: String,
    /// Name of resource, operation and interval: the key of the history entry that results.
    pub key: String,
    /// The same with the instance number, for instances of anonymous clones recorded under
    /// another name.
    pub internal_key: Option<String>,
    /// Where. Absent for most pseudo actions.
    pub node: Option<NodeRef>,
    /// The cluster node through which a remote or guest node is reached.
    pub router: Option<String>,
    /// Since when the resource is locked to its node, in seconds of the epoch.
    pub shutdown_lock: Option<i64>,
    /// The resource as the agent sees it; absent for pseudo actions and node actions.
    pub resource: Option<ResourceRef>,
    /// The scheduler's own name of the resource (instances numbered), pseudo actions included;
    /// absent for actions on nodes.
    pub owner: Option<String>,
    /// Parameters (plain names) and meta attributes (`CRM_meta_...`), in byte order of names.
    pub attributes: BTreeMap<String, String>,
    /// Ids of the nodes that this action takes down.
    pub downed: Vec<String>,
    /// Remote nodes whose maintenance state changes, by id.
    pub maintenance: Vec<(String, bool)>,
    /// Higher ones are initiated first; 0 is not written.
    pub priority: i32,
    /// Why it is needed or cannot be done, in words.
    pub reason: Option<String>,
}

impl Action {
    /// The value of the meta attribute `name` (with underscores, without the `CRM_meta_` prefix).
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.attributes.get(&format!("CRM_meta_{name}")).map(String::as_str)
    }

    /// The interval in milliseconds; 0 for everything that does not recur.
    pub fn interval_ms(&self) -> u64 {
        self.meta("interval").and_then(|v| v.parse().ok()).unwrap_or(0)
    }

    /// How long the agent may take, in milliseconds.
    pub fn timeout_ms(&self) -> Option<u64> {
        self.meta("timeout").and_then(|v| v.parse().ok())
    }

    /// How long to wait before the first run of a recurring action, in milliseconds.
    pub fn start_delay_ms(&self) -> u64 {
        self.meta("start_delay").and_then(|v| v.parse().ok()).unwrap_or(0)
    }

    /// The exit code that counts as success; 0 unless the scheduler expects another.
    pub fn expected_rc(&self) -> i32 {
        self.meta("op_target_rc").and_then(|v| v.parse().ok()).unwrap_or(0)
    }

    /// True if the transition goes on without waiting for the result (`op_no_wait`).
    pub fn is_confirmed_at_once(&self) -> bool {
        self.meta("op_no_wait").is_some_and(|v| v == "true")
    }

    /// True for an action that the executor repeats (a `cancel` has an interval too but does not).
    pub fn is_recurring(&self) -> bool {
        self.interval_ms() > 0 && self.operation != "cancel"
    }
}

/// Settings that travel with a graph: the texts of cluster properties, unconverted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GraphSettings {
    /// `cluster-delay`.
    pub cluster_delay: String,
    /// `stonith-timeout`.
    pub stonith_timeout: String,
    /// Fail count a failed stop sets.
    pub failed_stop_offset: String,
    /// Fail count a failed start sets.
    pub failed_start_offset: String,
    /// `batch-limit`; 0 leaves it to the coordinator.
    pub batch_limit: String,
    /// Number of this graph in the process, from 0.
    pub transition_id: u32,
    /// `migration-limit`, if it is a positive number.
    pub migration_limit: Option<String>,
    /// When something in the CIB changes by time alone, in seconds of the epoch.
    pub recheck_by: Option<i64>,
}

impl Default for GraphSettings {
    fn default() -> GraphSettings {
        GraphSettings {
            cluster_delay: "60s".into(),
            stonith_timeout: "60s".into(),
            failed_stop_offset: "INFINITY".into(),
            failed_start_offset: "INFINITY".into(),
            batch_limit: "0".into(),
            transition_id: 0,
            migration_limit: None,
            recheck_by: None,
        }
    }
}

/// A transition: actions, their order, and the settings of its execution.
///
/// The synapses of the XML form are the [`included`](Graph::included) actions in that order, one
/// action each. Actions that are [`Mark::Blocked`] are present too (they explain what does not
/// happen): an executor never starts them, and what waits for them never starts either.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Settings of the execution.
    pub settings: GraphSettings,
    actions: StableDiGraph<Action, Presence, u32>,
    by_id: BTreeMap<ActionId, ActionIx>,
    emission: Vec<ActionIx>,
}

impl Graph {
    /// A graph without actions.
    pub fn new(settings: GraphSettings) -> Graph {
        Graph { settings, ..Graph::default() }
    }

    /// Adds an action. An included one becomes the next synapse. An id that is already present
    /// is refused: the graph is unchanged and its place is returned.
    pub fn add(&mut self, action: Action) -> ActionIx {
        if let Some(&present) = self.by_id.get(&action.id) {
            return present;
        }
        let (id, included) = (action.id, action.mark == Mark::Included);
        let ix = self.actions.add_node(action);
        self.by_id.insert(id, ix);
        if included {
            self.emission.push(ix);
        }
        ix
    }

    /// Makes `then` depend on `first`. At most one edge joins a pair; a trigger wins.
    pub fn order(&mut self, first: ActionIx, then: ActionIx, presence: Presence) {
        match self.actions.find_edge(first, then) {
            Some(edge) if presence == Presence::Trigger => self.actions[edge] = presence,
            Some(_) => {}
            None => {
                self.actions.add_edge(first, then, presence);
            }
        }
    }

    /// The action at `ix`; `None` if `ix` is not of this graph.
    pub fn get(&self, ix: ActionIx) -> Option<&Action> {
        self.actions.node_weight(ix)
    }

    /// The place of the action with this id.
    pub fn find(&self, id: ActionId) -> Option<ActionIx> {
        self.by_id.get(&id).copied()
    }

    /// The actions that are carried out, in the order of their synapses.
    pub fn included(&self) -> impl DoubleEndedIterator<Item = (ActionIx, &Action)> {
        self.emission.iter().map(|&ix| (ix, &self.actions[ix]))
    }

    /// How many actions are carried out.
    pub fn len(&self) -> usize {
        self.emission.len()
    }

    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.emission.is_empty()
    }

    /// Every action, blocked ones included, by ascending id.
    pub fn actions(&self) -> impl DoubleEndedIterator<Item = (ActionIx, &Action)> {
        self.by_id.values().map(|&ix| (ix, &self.actions[ix]))
    }

    /// What has to be complete before the action at `ix` starts, by ascending id.
    pub fn inputs(&self, ix: ActionIx) -> Vec<ActionIx> {
        self.neighbours(ix, Direction::Incoming, |p| p == Presence::Trigger)
    }

    /// What waits for the action at `ix`, by ascending id.
    pub fn dependents(&self, ix: ActionIx) -> Vec<ActionIx> {
        self.neighbours(ix, Direction::Outgoing, |p| p == Presence::Trigger)
    }

    /// Everything ordered before the action at `ix`, effective or not, by ascending id.
    pub fn predecessors(&self, ix: ActionIx) -> Vec<(ActionIx, Presence)> {
        let mut found: Vec<_> = self
            .actions
            .edges_directed(ix, Direction::Incoming)
            .map(|e| (e.source(), *e.weight()))
            .collect();
        found.sort_unstable_by_key(|&(ix, _)| self.actions[ix].id);
        found
    }

    fn neighbours(
        &self,
        ix: ActionIx,
        direction: Direction,
        wanted: impl Fn(Presence) -> bool,
    ) -> Vec<ActionIx> {
        let mut found: Vec<_> = self
            .actions
            .edges_directed(ix, direction)
            .filter(|e| wanted(*e.weight()))
            .map(|e| if direction == Direction::Incoming { e.source() } else { e.target() })
            .collect();
        found.sort_unstable_by_key(|&ix| self.actions[ix].id);
        found
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An action without resource and node.
    pub(crate) fn action(id: u32, key: &str, mark: Mark) -> Action {
        Action {
            id: ActionId(id),
            kind: ActionKind::RscOp,
            mark,
            operation: "start".into(),
            key: key.into(),
            internal_key: None,
            node: None,
            router: None,
            shutdown_lock: None,
            resource: None,
            owner: None,
            attributes: BTreeMap::new(),
            downed: Vec::new(),
            maintenance: Vec::new(),
            priority: 0,
            reason: None,
        }
    }

    #[test]
    fn synapses_keep_the_order_of_emission_and_inputs_that_of_ids() {
        let mut graph = Graph::new(GraphSettings::default());
        let c = graph.add(action(3, "c_start_0", Mark::Included));
        let b = graph.add(action(2, "b_start_0", Mark::Included));
        let a = graph.add(action(1, "a_start_0", Mark::Blocked));
        graph.order(b, c, Presence::Ignored);
        graph.order(b, c, Presence::Trigger);
        graph.order(b, c, Presence::Ignored);
        graph.order(a, c, Presence::Trigger);
        assert_eq!(graph.included().map(|(_, a)| a.id.0).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(graph.actions().map(|(_, a)| a.id.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(graph.inputs(c), [a, b]);
        assert_eq!(graph.dependents(b), [c]);
        assert_eq!(graph.predecessors(c), [(a, Presence::Trigger), (b, Presence::Trigger)]);
    }

    #[test]
    fn an_id_is_used_once() {
        let mut graph = Graph::default();
        let first = graph.add(action(1, "a_start_0", Mark::Included));
        assert_eq!(graph.add(action(1, "b_start_0", Mark::Included)), first);
        assert_eq!((graph.len(), graph.get(first).map(|a| &*a.key)), (1, Some("a_start_0")));
    }

    #[test]
    fn meta_attributes_have_typed_readers() {
        let mut op = action(1, "a_monitor_1000", Mark::Included);
        op.attributes.insert("CRM_meta_interval".into(), "1000".into());
        op.attributes.insert("CRM_meta_op_target_rc".into(), "8".into());
        op.attributes.insert("CRM_meta_timeout".into(), "x".into());
        assert!(op.is_recurring());
        assert_eq!((op.interval_ms(), op.expected_rc(), op.timeout_ms()), (1000, 8, None));
        op.operation = "cancel".into();
        assert!(!op.is_recurring());
    }
}
