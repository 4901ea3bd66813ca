//! Carrying out orders on this node, and reporting how operations ended.

use std::collections::BTreeMap;
use std::time::Duration;

use crm_core::scheduler::digest::recorded;
use crm_core::scheduler::model::Table;
use crm_lrm::Metadata;
use crm_lrm::operation::{AgentName, ExecutionStatus, Operation, OperationResult};
use crm_messaging::proto::peer::envelope::Body;
use crm_messaging::proto::peer::{Order, Result as OpResult};

use super::history;
use super::{Controller, Effect};

/// Orders under way on this node, by transition key.
#[derive(Debug, Default)]
pub(super) struct Local {
    orders: BTreeMap<String, Order>,
    /// What each resource that was looked at here runs with: the parameters of its last start,
    /// reload, arrival or probe. It is stopped with these and not with what is configured by then,
    /// which may be something else, or nothing.
    runs_with: BTreeMap<String, BTreeMap<String, String>>,
}

/// Operations after which a resource runs with their parameters, if it runs.
const SETTLING: &[&str] = &["start", "reload", "reload-agent", "migrate_from", "monitor"];

/// Whether a field of an order is for the cluster, and no parameter of the agent.
fn is_meta(name: &str) -> bool {
    name.starts_with("CRM_meta_")
}

impl Local {
    /// Recurring operations of a resource are not waited for any more.
    pub(super) fn forget_recurring(&mut self, resource: &str) {
        self.orders.retain(|_, o| o.interval_ms == 0 || o.resource != resource);
    }
}

impl Controller {
    /// Whether operations that run once are under way here.
    pub(super) fn is_busy(&self) -> bool {
        self.local.orders.values().any(|o| o.interval_ms == 0)
    }

    /// Whether this node may have resources running.
    pub(super) fn is_active(&self) -> bool {
        self.is_busy()
            || history::resources(self.replica.cib(), self.settings.local).next().is_some()
    }

    pub(super) fn carry_out(&mut self, order: Order) {
        match order.operation.as_str() {
            "do_shutdown" => self.leave(),
            "cancel" => {
                let action = order.params.get("CRM_meta_operation").cloned().unwrap_or_default();
                let interval_ms = match order.interval_ms {
                    0 => meta_number(&order, "CRM_meta_interval"),
                    ms => ms,
                };
                self.out.push(Effect::Cancel {
                    resource: order.resource.clone(),
                    action: action.clone(),
                    interval: Duration::from_millis(interval_ms),
                });
                let operation_key = format!("{}_{action}_{interval_ms}", order.resource);
                self.local.orders.retain(|_, o| o.operation_key != operation_key);
                self.report_done(&order, operation_key);
            }
            "delete" => {
                self.out.push(Effect::CancelAll { resource: order.resource.clone() });
                self.local.forget_recurring(&order.resource);
                self.local.runs_with.remove(&order.resource);
                let key = order.operation_key.clone();
                self.report_done(&order, key);
            }
            _ => {
                let mut order = order;
                if order.operation == "stop"
                    && let Some(known) = self.local.runs_with.get(&order.resource)
                {
                    order.params.retain(|name, _| is_meta(name));
                    order.params.extend(known.iter().map(|(n, v)| (n.clone(), v.clone())));
                }
                if history::ends_recurring(&order) {
                    self.local.forget_recurring(&order.resource);
                }
                self.out.push(Effect::Execute(Box::new(operation_of(&order))));
                self.local.orders.insert(order.key.clone(), order);
            }
        }
    }

    fn report_done(&mut self, order: &Order, operation_key: String) {
        let result = OpResult {
            key: order.key.clone(),
            resource: order.resource.clone(),
            agent: order.agent.clone(),
            operation: order.operation.clone(),
            operation_key,
            last_change: self.now.wall_ms / 1000,
            ..OpResult::default()
        };
        self.send(Body::Result(result));
    }

    pub(super) fn on_operation(&mut self, result: &OperationResult) {
        let key = &result.operation.key;
        let Some(order) = self.local.orders.get(key).cloned() else { return };
        let cancelled = result.status == ExecutionStatus::Cancelled;
        if order.interval_ms == 0 || cancelled {
            self.local.orders.remove(key);
        }
        if order.interval_ms > 0 && cancelled {
            return;
        }
        if order.interval_ms == 0 && SETTLING.contains(&order.operation.as_str()) {
            let own = order.params.iter().filter(|(name, _)| !is_meta(name));
            let own = own.map(|(n, v)| (n.clone(), v.clone())).collect();
            self.local.runs_with.insert(order.resource.clone(), own);
        }
        let (restart, secure) = recorded_parameters(&order, result.metadata.as_deref());
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let meta = |name: &str| order.params.get(name).cloned().unwrap_or_default();
        let message = OpResult {
            key: order.key.clone(),
            resource: order.resource.clone(),
            agent: order.agent.clone(),
            operation: order.operation.clone(),
            operation_key: order.operation_key.clone(),
            interval_ms: order.interval_ms,
            call_id: result.call_id.0,
            rc: result.exit.0,
            status: result.status as i32,
            exit_reason: result.exit_reason.clone(),
            last_change: self.now.wall_ms.saturating_sub(ms(result.exec_time)) / 1000,
            exec_ms: ms(result.exec_time),
            queue_ms: ms(result.queue_time),
            digest: order.digest.clone(),
            count: order.count.clone(),
            migrate_source: meta("CRM_meta_migrate_source"),
            migrate_target: meta("CRM_meta_migrate_target"),
            force_restart: restart.0,
            restart_digest: restart.1,
            secure_params: secure.0,
            secure_digest: secure.1,
        };
        self.send(Body::Result(message));
    }
}

/// Names and digest of the parameters whose change needs a restart, and of those that are private
/// (the digest is of all others): from them the scheduler sees later what a change means.
fn recorded_parameters(
    order: &Order,
    metadata: Option<&Metadata>,
) -> ((String, String), (String, String)) {
    let Some(metadata) = metadata else { return Default::default() };
    let mut sent = Table::default();
    order.params.iter().for_each(|(name, value)| sent.set(name.as_str(), value.as_str()));
    let interval = u32::try_from(order.interval_ms).unwrap_or(u32::MAX);
    // A monitor is not reloaded.
    let unreloadable = if interval == 0 { metadata.unreloadable() } else { None };
    let recorded = recorded(&sent, interval, unreloadable.as_deref(), &metadata.private());
    (recorded.restart.unwrap_or_default(), recorded.secure.unwrap_or_default())
}

fn meta_number(order: &Order, name: &str) -> u64 {
    order.params.get(name).and_then(|v| v.parse().ok()).unwrap_or(0)
}

fn operation_of(order: &Order) -> Operation {
    let agent = order.agent.clone().unwrap_or_default();
    Operation {
        resource: order.resource.clone(),
        agent: AgentName {
            class: agent.class,
            provider: Some(agent.provider).filter(|p| !p.is_empty()),
            kind: agent.kind,
        },
        action: order.operation.clone(),
        interval: Duration::from_millis(order.interval_ms),
        timeout: Duration::from_millis(order.timeout_ms),
        start_delay: Duration::from_millis(order.start_delay_ms),
        params: order.params.clone().into_iter().collect(),
        key: order.key.clone(),
    }
}
