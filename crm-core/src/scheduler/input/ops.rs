//! Configuration of one operation (part 1, section 9).

use std::sync::Arc;

use crate::rules::{Context, Moment};
use crate::scalar::{parse_interval, parse_msec};
use crate::scheduler::model::{
    Blocks, Cluster, Needs, NodeIx, OnFail, OpDef, Requires, Role, RscIx, Table, Task,
};

use super::blocks::combine;

/// Timeout of operations that have none, in ms (I-112).
pub const DEFAULT_TIMEOUT: i64 = 20_000;

/// What the configuration says about an operation of a resource.
#[derive(Clone, Debug)]
pub struct OpConfig {
    /// Final meta values: `interval`, `timeout` and `start-delay` in ms.
    pub meta: Table,
    /// `timeout`, ms.
    pub timeout: i64,
    /// Response to failure (I-115, I-116).
    pub on_fail: OnFail,
    /// Role after failure (I-117).
    pub fail_role: Role,
    /// What it needs (I-114).
    pub needs: Needs,
    /// What of the configuration was not valid, as sentences.
    pub complaints: Vec<String>,
}

/// The configured `op` of a key, disabled ones included if asked for (I-108).
pub fn find_op<'a>(
    cluster: &'a Cluster,
    rsc: RscIx,
    task: &Task,
    interval: u32,
    disabled_too: bool,
) -> Option<&'a OpDef> {
    let find = |name: &str, ms: u32| {
        cluster[rsc].ops.iter().find(|op| {
            op.interval == ms
                && op.name.as_str().eq_ignore_ascii_case(name)
                && (disabled_too || op.enabled)
        })
    };
    find(task.as_str(), interval).or_else(|| match task {
        Task::MigrateTo | Task::MigrateFrom => find("migrate", 0),
        Task::Notify => find("notify", 0),
        _ => None,
    })
}

/// Everything about an operation (I-111 to I-118). `interval` in ms.
pub fn op_config(cluster: &Cluster, rsc: RscIx, task: &Task, interval: u32) -> OpConfig {
    let op = find_op(cluster, rsc, task, interval, true);
    let (mut meta, timeout) = timed_meta(cluster, rsc, task, interval, op);
    meta.remove("id");
    if interval > 0 {
        meta.set("interval", interval.to_string());
    } else {
        meta.remove("interval");
    }
    meta.set("timeout", timeout.to_string());
    let mut complaints = Vec::new();
    let (on_fail, mut fail_role) =
        on_fail(cluster, rsc, task, interval, &meta, op, &mut complaints);
    if meta.get("on-fail").is_some_and(|word| word.eq_ignore_ascii_case("block")) {
        meta.set("on-fail", "block");
    }
    if fail_role == Role::Unknown {
        let deprecated = meta.get("role_after_failure").and_then(Role::parse);
        fail_role = deprecated.filter(|r| *r != Role::Unknown).unwrap_or(match task {
            Task::Promote => Role::Unpromoted,
            _ => Role::Started,
        });
    }
    start_delay(cluster.now, interval, &mut meta);
    let needs = needs(cluster, rsc, task);
    OpConfig { meta, timeout, on_fail, fail_role, needs, complaints }
}

/// What is wrong with the configuration of an operation that is going to be an action, as
/// sentences.
pub fn complaints(cluster: &Cluster, rsc: RscIx, task: &Task, interval: u32) -> Vec<String> {
    // Only what to do on failure can be wrong, and hardly anybody says that.
    let said = |blocks: &Blocks| {
        blocks.iter().any(|block| block.pairs.iter().any(|(name, _)| &**name == "on-fail"))
    };
    let own = |op: &OpDef| op.name == *task && (op.attr("on-fail").is_some() || said(&op.meta));
    if !said(&cluster.op_defaults) && !cluster[rsc].ops.iter().any(own) {
        return Vec::new();
    }
    op_config(cluster, rsc, task, interval).complaints
}

/// The timeout of an operation in ms, as [`op_config`] has it.
pub fn op_timeout(cluster: &Cluster, rsc: RscIx, task: &Task, interval: u32) -> i64 {
    let op = find_op(cluster, rsc, task, interval, true);
    timed_meta(cluster, rsc, task, interval, op).1
}

/// The combined meta values, and the timeout that they give (I-112).
fn timed_meta(
    cluster: &Cluster,
    rsc: RscIx,
    task: &Task,
    interval: u32,
    op: Option<&OpDef>,
) -> (Table, i64) {
    let mut meta = merged_meta(cluster, rsc, task, interval, op);
    if cluster[rsc].is_fence_device
        && (*task == Task::Start || is_probe(task, interval))
        && let Some(timeout) = cluster.params(rsc, None).get("pcmk_monitor_timeout")
    {
        meta.set("timeout", timeout);
    }
    let timeout = meta.get("timeout").and_then(parse_msec).unwrap_or(DEFAULT_TIMEOUT);
    (meta, timeout)
}

/// Extra parameters of an operation on a node (I-113).
pub fn op_params(
    cluster: &Cluster,
    rsc: RscIx,
    task: &Task,
    interval: u32,
    node: Option<NodeIx>,
) -> Table {
    let mut table = Table::default();
    let Some(op) = find_op(cluster, rsc, task, interval, true) else { return table };
    let attribute = |name: &str| -> Option<Arc<str>> {
        node.and_then(|n| cluster[n].attributes.get(name).cloned())
    };
    let context = Context {
        now: cluster.now,
        node: node.is_some().then_some(&attribute),
        ..Context::default()
    };
    combine(&op.params, &context, false, &mut table);
    table
}

/// I-114
pub fn needs(cluster: &Cluster, rsc: RscIx, task: &Task) -> Needs {
    match (task, cluster[rsc].requires) {
        (Task::Start | Task::Promote, Requires::Fencing | Requires::Unfencing) => Needs::Fencing,
        (Task::Start | Task::Promote, Requires::Quorum) => Needs::Quorum,
        _ => Needs::Nothing,
    }
}

fn is_probe(task: &Task, interval: u32) -> bool {
    *task == Task::Monitor && interval == 0
}

/// I-111, steps 1 to 4
fn merged_meta(
    cluster: &Cluster,
    rsc: RscIx,
    task: &Task,
    interval: u32,
    op: Option<&OpDef>,
) -> Table {
    let resource = &cluster[rsc];
    let context = Context {
        now: cluster.now,
        agent: Some(resource.agent.name()),
        operation: Some((task.as_str(), interval)),
        ..Context::default()
    };
    let mut meta = Table::default();
    combine(&cluster.op_defaults, &context, false, &mut meta);
    if is_probe(task, interval) {
        let monitors = resource
            .ops
            .iter()
            .filter(|op| op.enabled && op.interval > 0 && op.name == Task::Monitor);
        // The first one of the smallest interval.
        let shortest = monitors.min_by_key(|op| op.interval);
        if let Some(timeout) = shortest.and_then(|op| op.attr("timeout")) {
            meta.set("timeout", timeout);
        }
    }
    if let Some(op) = op {
        combine(&op.meta, &context, true, &mut meta);
        for (name, value) in &op.attributes {
            meta.set(name.clone(), value.clone());
        }
    }
    meta
}

fn names_promoted(role: Option<&str>) -> bool {
    role.is_some_and(|r| r.eq_ignore_ascii_case("promoted") || r.eq_ignore_ascii_case("master"))
}

/// I-115, I-116: the response, and the role after failure as far as the response decides it.
fn on_fail(
    cluster: &Cluster,
    rsc: RscIx,
    task: &Task,
    interval: u32,
    meta: &Table,
    op: Option<&OpDef>,
    complaints: &mut Vec<String>,
) -> (OnFail, Role) {
    let r = &cluster[rsc];
    let mut value = meta.get("on-fail").map(str::to_ascii_lowercase);
    if *task == Task::Demote && value.is_none() {
        value = monitor_on_fail(&r.ops);
    }
    if *task == Task::LrmDelete {
        value = Some("ignore".to_string());
    }
    let allowed = |word: &str| match (word, task) {
        ("stop" | "standby" | "demote", Task::Stop) => false,
        ("demote", Task::Promote) => true,
        ("demote", Task::Demote) => op.is_none(),
        ("demote", _) => {
            let role = op.and_then(|op| op.attr("role"));
            *task == Task::Monitor && interval > 0 && names_promoted(role)
        }
        _ => true,
    };
    if let Some(word) = value.take_if(|w| !allowed(w)) {
        complaints.push(format!(
            "Resetting 'on-fail' for {task} of {} to default value because '{word}' is not \
             allowed for {task}",
            r.id
        ));
    }
    let chosen = match value.as_deref() {
        None => None,
        Some("ignore" | "nothing") => Some((OnFail::Ignore, Role::Unknown)),
        Some("block") => Some((OnFail::Block, Role::Unknown)),
        Some("stop") => Some((OnFail::Stop, Role::Stopped)),
        Some("restart") => Some((OnFail::Recover, Role::Unknown)),
        Some("restart-container") => {
            r.container.is_some().then_some((OnFail::RestartContainer, Role::Unknown))
        }
        Some("standby") => Some((OnFail::Standby, Role::Unknown)),
        Some("fence") if cluster.options.fencing => Some((OnFail::Fence, Role::Unknown)),
        Some("fence") => {
            complaints.push(format!(
                "Resetting 'on-fail' for {task} of {} to 'stop' because 'fence' is not valid \
                 when fencing is disabled",
                r.id
            ));
            Some((OnFail::Stop, Role::Stopped))
        }
        Some("demote") => Some((OnFail::Demote, Role::Unknown)),
        Some("migrate") => Some((OnFail::Ban, Role::Unknown)),
        Some(other) => {
            complaints
                .push(format!("Ignoring invalid 'on-fail' value '{other}' for {task} of {}", r.id));
            None
        }
    };
    let remote = r.is_remote_connection && r.container.is_none();
    let touches_remote = remote && !is_probe(task, interval) && *task != Task::Start;
    match chosen {
        None if r.container.is_some() => (OnFail::RestartContainer, Role::Unknown),
        _ if touches_remote && !r.managed => (OnFail::Stop, Role::Stopped),
        None if touches_remote => {
            let role = if r.reconnect_interval > 0 { Role::Stopped } else { Role::Unknown };
            (OnFail::ResetRemote, role)
        }
        None if *task == Task::Stop && cluster.options.fencing => (OnFail::Fence, Role::Unknown),
        None if *task == Task::Stop => (OnFail::Block, Role::Unknown),
        None => (OnFail::Recover, Role::Unknown),
        Some(chosen) => chosen,
    }
}

/// I-116.1
fn monitor_on_fail(ops: &[OpDef]) -> Option<String> {
    ops.iter()
        .filter(|op| {
            op.enabled
                && op.name == Task::Monitor
                && op.interval > 0
                && names_promoted(op.attr("role"))
        })
        .filter_map(|op| op.attr("on-fail"))
        .map(str::to_ascii_lowercase)
        .find(|word| word != "demote")
}

/// I-118
fn start_delay(now: Moment, interval: u32, meta: &mut Table) {
    if let Some(text) = meta.get("start-delay") {
        let delay = parse_msec(text).unwrap_or(0).max(0);
        meta.set("start-delay", delay.to_string());
        return;
    }
    let seconds = i64::from(parse_interval(Some(&format!("{interval}ms"))) / 1000);
    if seconds == 0 {
        return;
    }
    let origin = meta.get("interval-origin").and_then(|text| Moment::parse(text, now));
    if let Some(origin) = origin {
        let since = (now.epoch - origin.epoch) % seconds;
        let delay = if since <= 0 { -since } else { seconds - since };
        meta.set("start-delay", (delay * 1000).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_reach_the_next_multiple_of_the_interval() {
        // I-118, its checked example
        let mut meta = Table::default();
        meta.set("interval-origin", "1970-01-01 00:00:30Z");
        start_delay(Moment { epoch: 10_000, offset: 0 }, 100_000, &mut meta);
        assert_eq!(meta.get("start-delay"), Some("30000"));
    }
}
