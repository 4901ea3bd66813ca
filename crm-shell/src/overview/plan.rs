//! What the cluster is doing and what is still to be done, as a tree: every step below the one it
//! waits for longest.

use std::collections::BTreeMap;

use crm_core::scheduler::model::Cluster;
use crm_core::transition::{Action, ActionIx, ActionKind, Graph};
use serde::Serialize;

/// The most steps that are kept; what is more is only counted.
const MOST: usize = 200;

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Ordered, and not answered yet.
    Running,
    /// To be done when what is above it is done.
    Waiting,
    /// Needed, and cannot be done now.
    Blocked,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// How deep it is in the tree.
    pub depth: usize,
    /// `start vip on node1`
    pub text: String,
    /// Why, where the scheduler says so.
    pub reason: Option<String>,
    /// How far it is.
    pub state: StepState,
}

/// All steps, each followed by those that wait for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// How many more there are.
    pub more: usize,
}

/// The plan of a cluster: what runs now by its status, and what the graph still wants.
pub fn plan(cluster: &Cluster, graph: &Graph) -> Plan {
    let running = running(cluster);
    let mut steps = Vec::new();
    let shown: BTreeMap<ActionIx, &Action> =
        graph.actions().filter(|(_, action)| is_step(action)).collect();
    let mut parents: BTreeMap<ActionIx, Option<ActionIx>> = BTreeMap::new();
    let mut depths: BTreeMap<ActionIx, usize> = BTreeMap::new();
    for &ix in shown.keys() {
        parent(graph, &shown, ix, &mut parents, &mut depths, 0);
    }
    let mut below: BTreeMap<Option<ActionIx>, Vec<ActionIx>> = BTreeMap::new();
    for (ix, parent) in &parents {
        if shown.contains_key(ix) {
            below.entry(*parent).or_default().push(*ix);
        }
    }
    let mut stack: Vec<(ActionIx, usize)> =
        below.get(&None).into_iter().flatten().rev().map(|ix| (*ix, 0)).collect();
    while let Some((ix, depth)) = stack.pop() {
        let Some(action) = shown.get(&ix) else { continue };
        let text = words(action);
        let state = match () {
            () if running.contains(&text) => StepState::Running,
            () if action.mark == crm_core::transition::Mark::Blocked => StepState::Blocked,
            () => StepState::Waiting,
        };
        steps.push(Step { depth, text, reason: action.reason.clone(), state });
        for child in below.get(&Some(ix)).into_iter().flatten().rev() {
            stack.push((*child, depth + 1));
        }
    }
    let missing: Vec<&String> =
        running.iter().filter(|r| !steps.iter().any(|s| s.text == **r)).collect();
    let first = missing.into_iter().map(|text| Step {
        depth: 0,
        text: text.clone(),
        reason: None,
        state: StepState::Running,
    });
    let mut steps: Vec<Step> = first.chain(steps).collect();
    let more = steps.len().saturating_sub(MOST);
    steps.truncate(MOST);
    Plan { steps, more }
}

/// Points of synchronisation and recurring monitors are not worth a line; what is not included is
/// shown only if it is blocked.
fn is_step(action: &Action) -> bool {
    use crm_core::transition::Mark;
    let wanted = matches!(action.mark, Mark::Included | Mark::Blocked);
    let fencing = matches!(action.operation.as_str(), "stonith");
    let quiet = action.is_recurring()
        || matches!(action.operation.as_str(), "cancel" | "notify" | "lrm_delete");
    wanted && (fencing || action.kind == ActionKind::RscOp && !quiet)
}

/// The deepest step that `ix` waits for, through points of synchronisation, and how deep `ix` is.
fn parent(
    graph: &Graph,
    shown: &BTreeMap<ActionIx, &Action>,
    ix: ActionIx,
    parents: &mut BTreeMap<ActionIx, Option<ActionIx>>,
    depths: &mut BTreeMap<ActionIx, usize>,
    hops: usize,
) -> (Option<ActionIx>, usize) {
    if let (Some(parent), Some(depth)) = (parents.get(&ix), depths.get(&ix)) {
        return (*parent, *depth);
    }
    // Graphs have no loops; the bound is for those that are not ours.
    if hops > 1_000 {
        return (None, 0);
    }
    parents.insert(ix, None);
    depths.insert(ix, 0);
    let mut best: (Option<ActionIx>, usize) = (None, 0);
    for before in graph.inputs(ix) {
        let (up, depth) = parent(graph, shown, before, parents, depths, hops + 1);
        let candidate =
            if shown.contains_key(&before) { (Some(before), depth + 1) } else { (up, depth) };
        if candidate.0.is_some() && (best.0.is_none() || candidate.1 > best.1) {
            best = candidate;
        }
    }
    parents.insert(ix, best.0);
    depths.insert(ix, best.1);
    best
}

fn words(action: &Action) -> String {
    let node = action.node.as_ref().map_or(String::new(), |n| format!(" on {}", n.name));
    if action.operation == "stonith" {
        let name = action.node.as_ref().map_or("", |n| &*n.name);
        return format!("fence {name} ({})", action.meta("stonith_action").unwrap_or("reboot"));
    }
    let operation = if action.operation == "monitor" { "probe" } else { &*action.operation };
    let resource = action.resource.as_ref().map_or("", |r| &*r.id);
    format!("{operation} {resource}{node}")
}

/// Operations that were ordered and are not answered, as [`words`] says them.
fn running(cluster: &Cluster) -> Vec<String> {
    let mut all = Vec::new();
    for history in &cluster.histories {
        for op in history.ops.iter().filter(|op| op.status == -1 && op.interval == 0) {
            let Some(task) = &op.task else { continue };
            let node = op.on_node.as_deref().unwrap_or(&cluster[history.node].name);
            let task = task.as_str();
            let task = if task == "monitor" { "probe" } else { task };
            all.push(format!("{task} {} on {node}", history.id));
        }
    }
    all
}
