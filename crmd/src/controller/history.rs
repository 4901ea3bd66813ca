//! `lrm_rsc_op`: the operation history of a node, in the form that Pacemaker 2.1 writes.

use crm_core::cib::Element;
use crm_core::cib::attributes::{AttributeChange, set_attribute};
use crm_messaging::group::NodeId;
use crm_messaging::proto::peer::{Forget, Order, Result as OpResult};

use super::replica::FEATURE_SET;
use super::status::{node_state, node_state_mut};

/// The exit code of an operation that has not ended.
const RC_UNKNOWN: i32 = 193;

/// A parsed `action:transition:target-rc:coordinator`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionKey {
    /// The action's number in its graph.
    pub action: u32,
    /// The transition's number at its coordinator.
    pub transition: u64,
    /// The exit code that counts as success.
    pub target_rc: i32,
    /// The coordinator, as a UUID.
    pub coordinator: String,
}

impl TransitionKey {
    /// Reads a key; `None` if it is none.
    pub fn parse(text: &str) -> Option<TransitionKey> {
        let mut parts = text.splitn(4, ':');
        Some(TransitionKey {
            action: parts.next()?.parse().ok()?,
            transition: parts.next()?.parse().ok()?,
            target_rc: parts.next()?.parse().ok()?,
            coordinator: parts.next()?.to_string(),
        })
    }
}

impl std::fmt::Display for TransitionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TransitionKey { action, transition, target_rc, coordinator } = self;
        write!(f, "{action}:{transition}:{target_rc}:{coordinator}")
    }
}

/// Whether operations with this name leave a trace in the history.
pub fn is_recorded(operation: &str) -> bool {
    !matches!(operation, "cancel" | "delete" | "notify" | "meta-data" | "do_shutdown")
}

/// Whether an operation changes the resource's state, and so ends the recurring ones: the executor
/// cancels them, their entries go, and their late results are nobody's.
pub fn ends_recurring(order: &Order) -> bool {
    order.interval_ms == 0 && is_recorded(&order.operation) && order.operation != "monitor"
}

/// Whether a result is a failure: the executor could not run it, or it ended other than expected.
pub fn is_failure(result: &OpResult) -> bool {
    let target = TransitionKey::parse(&result.key).map_or(0, |k| k.target_rc);
    result.status != 0 || result.rc != target
}

/// The list of a node's resources in its history; made if missing.
fn resources_mut<'a>(cib: &'a mut Element, node: NodeId, name: &str) -> &'a mut Element {
    let lrm = node_state_mut(cib, node, name).child_or_insert("lrm");
    lrm.set_attr("id", node.to_string());
    lrm.child_or_insert("lrm_resources")
}

/// All `lrm_resource` of a node.
pub fn resources(cib: &Element, node: NodeId) -> impl Iterator<Item = &Element> {
    node_state(cib, node)
        .and_then(|s| s.at(&["lrm", "lrm_resources"]))
        .into_iter()
        .flat_map(|r| r.children_named("lrm_resource"))
}

/// Operations that have been ordered from a node and have not ended: entries with status −1.
pub fn pending(cib: &Element, node: NodeId) -> impl Iterator<Item = &Element> {
    resources(cib, node)
        .flat_map(|r| r.children_named("lrm_rsc_op"))
        .filter(|op| op.attr("op-status") == Some("-1"))
}

/// Notes that an operation has been ordered (`record-pending`, which is on by default).
pub fn record_order(cib: &mut Element, node: NodeId, name: &str, order: &Order) {
    if !is_recorded(&order.operation) {
        return;
    }
    let Some(agent) = &order.agent else { return };
    let resource = resource_mut(cib, node, name, &order.resource, agent);
    if ends_recurring(order) {
        resource.retain(|op| op.attr("interval").is_none_or(|i| i == "0") || is_last_failure(op));
    }
    let id = match order.interval_ms {
        0 if matches!(order.operation.as_str(), "migrate_to" | "migrate_from") => {
            order.operation_key.clone()
        }
        0 => format!("{}_last_0", order.resource),
        _ => order.operation_key.clone(),
    };
    let entry = Entry {
        id,
        key: &order.key,
        operation: &order.operation,
        operation_key: &order.operation_key,
        interval_ms: order.interval_ms,
        call_id: None,
        rc: RC_UNKNOWN,
        status: -1,
        exit_reason: "",
        on_node: name,
        last_change: order.time_ms / 1000,
        exec_ms: 0,
        queue_ms: 0,
        migration: (
            order.params.get("CRM_meta_migrate_source").map_or("", String::as_str),
            order.params.get("CRM_meta_migrate_target").map_or("", String::as_str),
        ),
        digest: &order.digest,
        restart: ("", ""),
        secure: ("", ""),
    };
    put(resource, &entry);
}

/// Notes how an operation ended. Returns false if nobody asked for it (any more): a result of a
/// recurring operation that has been superseded.
pub fn record_result(cib: &mut Element, node: NodeId, name: &str, result: &OpResult) -> bool {
    if !is_recorded(&result.operation) {
        return true;
    }
    let Some(agent) = &result.agent else { return false };
    if result.interval_ms > 0 && !is_current(cib, node, result) {
        return false;
    }
    let resource = resource_mut(cib, node, name, &result.resource, agent);
    let failed = is_failure(result);
    let operation = match result.operation.as_str() {
        "reload" | "reload-agent" => "start",
        other => other,
    };
    let key = format!("{}_{operation}_{}", result.resource, result.interval_ms);
    let mut ids = Vec::new();
    if matches!(operation, "migrate_to" | "migrate_from") {
        ids.push(key.clone());
    } else if failed {
        ids.push(format!("{}_last_failure_0", result.resource));
        if result.interval_ms == 0 {
            ids.push(format!("{}_last_0", result.resource));
        } else if is_pending(resource, &key) {
            // Otherwise it would be ordered again with every plan.
            ids.push(key.clone());
        }
    } else if result.interval_ms > 0 {
        ids.push(key.clone());
    } else {
        ids.push(format!("{}_last_0", result.resource));
    }
    for id in ids {
        let entry = Entry {
            id,
            key: &result.key,
            operation,
            operation_key: &key,
            interval_ms: result.interval_ms,
            call_id: Some(result.call_id),
            rc: result.rc,
            status: result.status,
            exit_reason: &result.exit_reason,
            on_node: name,
            last_change: result.last_change,
            exec_ms: result.exec_ms,
            queue_ms: result.queue_ms,
            migration: (&result.migrate_source, &result.migrate_target),
            digest: &result.digest,
            restart: (&result.restart_digest, &result.force_restart),
            secure: (&result.secure_digest, &result.secure_params),
        };
        put(resource, &entry);
    }
    true
}

/// Whether the history has an entry that the order behind `result` made.
fn is_current(cib: &Element, node: NodeId, result: &OpResult) -> bool {
    resources(cib, node)
        .filter(|r| r.id() == Some(&result.resource))
        .flat_map(|r| r.children_named("lrm_rsc_op"))
        .any(|op| !is_last_failure(op) && op.attr("transition-key") == Some(&result.key))
}

fn is_pending(resource: &Element, id: &str) -> bool {
    resource.children().any(|op| op.id() == Some(id) && op.attr("op-status") == Some("-1"))
}

fn is_last_failure(op: &Element) -> bool {
    op.id().is_some_and(|id| id.ends_with("_last_failure_0"))
}

/// The entry of a recurring operation goes: it has been cancelled.
pub fn forget_recurring(cib: &mut Element, node: NodeId, resource: &str, key: &str) {
    let Some(resources) = resources_if_any(cib, node) else { return };
    if let Some(r) = resources.find_child_mut(|r| r.id() == Some(resource)) {
        r.retain(|op| is_last_failure(op) || op.attr("operation_key") != Some(key));
    }
}

/// The entries of all recurring operations of a node go.
pub fn forget_all_recurring(cib: &mut Element, node: NodeId) {
    let Some(resources) = resources_if_any(cib, node) else { return };
    for r in resources.children_mut() {
        r.retain(|op| op.attr("interval").is_none_or(|i| i == "0") || is_last_failure(op));
    }
}

/// The whole history of a resource on a node goes. Returns whether there was one.
pub fn forget_resource(cib: &mut Element, node: NodeId, resource: &str) -> bool {
    let Some(resources) = resources_if_any(cib, node) else { return false };
    let had = resources.children().any(|r| r.id() == Some(resource));
    resources.retain(|r| r.id() != Some(resource));
    had
}

fn resources_if_any(cib: &mut Element, node: NodeId) -> Option<&mut Element> {
    let id = node.to_string();
    let state = cib
        .child_mut("status")?
        .find_child_mut(|s| s.name() == "node_state" && s.id() == Some(&id))?;
    state.child_mut("lrm")?.child_mut("lrm_resources")
}

/// The last failure of a resource goes, for one operation or all.
pub fn forget_last_failure(
    cib: &mut Element,
    node: NodeId,
    resource: &str,
    operation: &str,
    interval: Option<u64>,
) {
    let Some(resources) = resources_if_any(cib, node) else { return };
    let Some(r) = resources.find_child_mut(|r| r.id() == Some(resource)) else { return };
    r.retain(|op| {
        let asked = (operation.is_empty() || op.attr("operation") == Some(operation))
            && interval.is_none_or(|i| op.attr("interval") == Some(&i.to_string()));
        !(is_last_failure(op) && asked)
    });
}

/// Counts a failure: `fail-count-RSC#OP_INTERVAL` and `last-failure-...` (I-170).
pub fn count_failure(cib: &mut Element, node: NodeId, result: &OpResult) {
    if result.count.is_empty() {
        return;
    }
    let node = node.to_string();
    let what =
        format!("{}#{}_{}", history_name(&result.resource), result.operation, result.interval_ms);
    let (value, delta) = match result.count.as_str() {
        "++" => (None, Some(1)),
        fixed => (Some(fixed), None),
    };
    let count = format!("fail-count-{what}");
    let change =
        AttributeChange { node: &node, name: &count, value, delta, transient: true, set: "" };
    set_attribute(cib, &change);
    let time = result.last_change.to_string();
    let last = format!("last-failure-{what}");
    let change = AttributeChange { name: &last, value: Some(&time), delta: None, ..change };
    set_attribute(cib, &change);
}

/// The name under which failures are counted: without the number of an anonymous instance.
fn history_name(resource: &str) -> &str {
    match resource.rsplit_once(':') {
        Some((base, number)) if number.bytes().all(|b| b.is_ascii_digit()) => base,
        _ => resource,
    }
}

/// Fail counts of a resource on a node go. Returns whether there were any.
pub fn forget_counts(cib: &mut Element, node: NodeId, forget: &Forget, resource: &str) -> bool {
    let id = node.to_string();
    let Some(state) = cib
        .child_mut("status")
        .and_then(|s| s.find_child_mut(|s| s.name() == "node_state" && s.id() == Some(&id)))
    else {
        return false;
    };
    let operation = match (forget.operation.as_str(), forget.interval_ms) {
        ("", _) => None,
        (op, interval) => Some(format!("{op}_{}", interval.unwrap_or(0))),
    };
    let name = history_name(resource);
    let counted = |attribute: &str| {
        let rest = attribute
            .strip_prefix("fail-count-")
            .or_else(|| attribute.strip_prefix("last-failure-"));
        rest.and_then(|r| r.rsplit_once('#')).is_some_and(|(rsc, op)| {
            history_name(rsc) == name && operation.as_deref().is_none_or(|o| o == op)
        })
    };
    let mut removed = false;
    let Some(transient) = state.child_mut("transient_attributes") else { return false };
    for set in transient.children_mut() {
        let before = set.nodes().len();
        set.retain(|p| !p.attr("name").is_some_and(counted));
        removed |= set.nodes().len() != before;
    }
    removed
}

/// Whether something of the resource has failed on the node.
pub fn has_failure(cib: &Element, node: NodeId, resource: &Element) -> bool {
    let name = resource.id().map_or("", history_name);
    let counted = node_state(cib, node)
        .and_then(|s| s.child("transient_attributes"))
        .into_iter()
        .flat_map(Element::descendants)
        .filter_map(|p| p.attr("name")?.strip_prefix("fail-count-"))
        .filter_map(|rest| rest.rsplit_once('#'))
        .any(|(rsc, _)| history_name(rsc) == name);
    counted || resource.children().any(is_last_failure)
}

fn resource_mut<'a>(
    cib: &'a mut Element,
    node: NodeId,
    name: &str,
    resource: &str,
    agent: &crm_messaging::proto::peer::Agent,
) -> &'a mut Element {
    let resources = resources_mut(cib, node, name);
    if resources.position(|r| r.id() == Some(resource)).is_none() {
        resources.push(Element::new("lrm_resource").with("id", resource));
    }
    let found = resources.position(|r| r.id() == Some(resource));
    let r = match found.and_then(|at| resources.nodes_mut().get_mut(at)) {
        Some(crm_core::cib::Child::Element(e)) => std::sync::Arc::make_mut(e),
        _ => unreachable!("position() finds elements only"),
    };
    r.set_attr("class", &agent.class);
    if !agent.provider.is_empty() {
        r.set_attr("provider", &agent.provider);
    }
    r.set_attr("type", &agent.kind);
    r
}

struct Entry<'a> {
    id: String,
    key: &'a str,
    operation: &'a str,
    operation_key: &'a str,
    interval_ms: u64,
    call_id: Option<u64>,
    rc: i32,
    status: i32,
    exit_reason: &'a str,
    on_node: &'a str,
    last_change: u64,
    exec_ms: u64,
    queue_ms: u64,
    migration: (&'a str, &'a str),
    digest: &'a str,
    restart: (&'a str, &'a str),
    secure: (&'a str, &'a str),
}

fn put(resource: &mut Element, e: &Entry<'_>) {
    let call = e.call_id.map_or_else(|| "-1".to_string(), |c| c.to_string());
    let mut op = Element::new("lrm_rsc_op")
        .with("id", &e.id)
        .with("operation_key", e.operation_key)
        .with("operation", e.operation)
        .with("crm-debug-origin", "crmd")
        .with("crm_feature_set", FEATURE_SET)
        .with("transition-key", e.key)
        .with("transition-magic", format!("{}:{};{}", e.status, e.rc, e.key))
        .with("exit-reason", e.exit_reason)
        .with("on_node", e.on_node)
        .with("call-id", call)
        .with("rc-code", e.rc.to_string())
        .with("op-status", e.status.to_string())
        .with("interval", e.interval_ms.to_string())
        .with("last-rc-change", e.last_change.to_string())
        .with("exec-time", e.exec_ms.to_string())
        .with("queue-time", e.queue_ms.to_string());
    if !e.migration.0.is_empty() && !e.migration.1.is_empty() {
        op.set_attr("migrate_source", e.migration.0);
        op.set_attr("migrate_target", e.migration.1);
    }
    op.set_attr("op-digest", e.digest);
    if !e.restart.0.is_empty() {
        op.set_attr("op-force-restart", e.restart.1);
        op.set_attr("op-restart-digest", e.restart.0);
    }
    if !e.secure.0.is_empty() {
        op.set_attr("op-secure-params", e.secure.1);
        op.set_attr("op-secure-digest", e.secure.0);
    }
    match resource.position(|o| o.id() == Some(&e.id)) {
        Some(at) => resource.nodes_mut()[at] = crm_core::cib::Child::Element(op.into()),
        None => resource.push(op),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::cib::parse;
    use crm_messaging::proto::peer::Agent;

    const N: NodeId = NodeId(1);

    fn cib() -> Element {
        parse("<cib><configuration><nodes><node id='1' uname='n1'/></nodes></configuration></cib>")
            .unwrap()
    }

    fn order(operation: &str, interval_ms: u64, key: &str) -> Order {
        Order {
            key: key.into(),
            resource: "ip".into(),
            agent: Some(Agent {
                class: "ocf".into(),
                provider: "heartbeat".into(),
                kind: "IPaddr2".into(),
            }),
            operation: operation.into(),
            operation_key: format!("ip_{operation}_{interval_ms}"),
            interval_ms,
            digest: "d".into(),
            time_ms: 5000,
            ..Order::default()
        }
    }

    fn result(order: &Order, call_id: u64, rc: i32) -> OpResult {
        OpResult {
            key: order.key.clone(),
            resource: order.resource.clone(),
            agent: order.agent.clone(),
            operation: order.operation.clone(),
            interval_ms: order.interval_ms,
            call_id,
            rc,
            last_change: 6,
            digest: "d".into(),
            ..OpResult::default()
        }
    }

    fn ops(cib: &Element) -> Vec<String> {
        resources(cib, N)
            .flat_map(Element::children)
            .map(|o| {
                let a = |n| o.attr(n).unwrap_or("");
                format!("{} {}", a("id"), a("transition-magic"))
            })
            .collect()
    }

    #[test]
    fn an_operation_is_pending_and_then_done() {
        let mut c = cib();
        let start = order("start", 0, "5:1:0:dc");
        record_order(&mut c, N, "n1", &start);
        assert_eq!(ops(&c), ["ip_last_0 -1:193;5:1:0:dc"]);
        assert_eq!(pending(&c, N).count(), 1);
        assert!(record_result(&mut c, N, "n1", &result(&start, 3, 0)));
        assert_eq!(ops(&c), ["ip_last_0 0:0;5:1:0:dc"]);
        let r = resources(&c, N).next().unwrap().to_string();
        assert_eq!(
            r,
            "<lrm_resource id=\"ip\" class=\"ocf\" provider=\"heartbeat\" type=\"IPaddr2\">\
             <lrm_rsc_op id=\"ip_last_0\" operation_key=\"ip_start_0\" operation=\"start\" \
             crm-debug-origin=\"crmd\" crm_feature_set=\"3.16.1\" \
             transition-key=\"5:1:0:dc\" transition-magic=\"0:0;5:1:0:dc\" exit-reason=\"\" \
             on_node=\"n1\" call-id=\"3\" rc-code=\"0\" op-status=\"0\" interval=\"0\" \
             last-rc-change=\"6\" exec-time=\"0\" queue-time=\"0\" op-digest=\"d\"/>\
             </lrm_resource>"
        );
    }

    #[test]
    fn a_failed_monitor_is_kept_beside_the_good_one_and_a_stop_ends_it() {
        let mut c = cib();
        let monitor = order("monitor", 10, "6:1:0:dc");
        record_order(&mut c, N, "n1", &monitor);
        record_result(&mut c, N, "n1", &result(&monitor, 4, 0));
        let failed = OpResult { count: "++".into(), ..result(&monitor, 4, 7) };
        assert!(record_result(&mut c, N, "n1", &failed));
        count_failure(&mut c, N, &failed);
        count_failure(&mut c, N, &failed);
        let both = ["ip_monitor_10 0:0;6:1:0:dc", "ip_last_failure_0 0:7;6:1:0:dc"];
        assert_eq!(ops(&c), both);
        let count = c.find_id("status-1-fail-count-ip.monitor_10").unwrap();
        assert_eq!(count.attr("value"), Some("2"));
        assert!(has_failure(&c, N, &resources(&c, N).next().unwrap().clone()));
        let stop = order("stop", 0, "7:2:0:dc");
        record_order(&mut c, N, "n1", &stop);
        assert_eq!(ops(&c), ["ip_last_failure_0 0:7;6:1:0:dc", "ip_last_0 -1:193;7:2:0:dc"]);
        assert!(!record_result(&mut c, N, "n1", &failed), "the monitor has been superseded");
        assert!(forget_counts(&mut c, N, &Forget::default(), "ip"));
        forget_last_failure(&mut c, N, "ip", "", None);
        assert!(!has_failure(&c, N, &resources(&c, N).next().unwrap().clone()));
    }

    #[test]
    fn keys_are_read_back() {
        let text = "12:34:7:0a1b-2c";
        assert_eq!(TransitionKey::parse(text).unwrap().to_string(), text);
        for bad in ["", "1:2:3", "a:2:3:x"] {
            assert_eq!(TransitionKey::parse(bad), None, "{bad}");
        }
    }
}
