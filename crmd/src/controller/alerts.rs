//! Events for alert agents, with the variables of Pacemaker's interface.
//!
//! A member tells of what it sees itself: nodes that come and go, fencing, and operations that ran
//! here. Changes of attributes are told by the coordinator alone (as Pacemaker's writer).

use std::collections::BTreeMap;

use crm_core::alerts;
use crm_messaging::group::NodeId;
use crm_messaging::proto::peer::{Fenced, Result as OpResult};

use super::history::TransitionKey;
use super::{Controller, Effect};

/// The `CRM_alert_*` variables of one event, without their prefix.
pub type AlertNews = BTreeMap<&'static str, String>;

impl Controller {
    /// A node came (`member`) or went (`lost`).
    pub(super) fn alert_node(&mut self, node: NodeId, desc: &str) {
        let name = self.name_of(node);
        self.alert("node", &name, &[("nodeid", &node.to_string()), ("desc", desc)]);
    }

    /// Fencing ended.
    pub(super) fn alert_fencing(&mut self, fenced: &Fenced) {
        let outcome = match fenced.success {
            true => "OK".to_owned(),
            false => format!("Error ({})", fenced.message),
        };
        let by = if fenced.executor.is_empty() { "the cluster" } else { &*fenced.executor };
        // A plan is the coordinator's; anything else was asked for on the node that is named.
        let origin = match &*fenced.client {
            "scheduler" => {
                let node = self.coordinator.map(|c| self.name_of(c)).unwrap_or_default();
                format!("crmd@{node}")
            }
            node => format!("client@{node}"),
        };
        let desc = format!(
            "Operation {} of {} by {by} for {origin}: {outcome} (ref={})",
            fenced.action, fenced.target, fenced.job
        );
        let rc = if fenced.success { "0" } else { "1" };
        let facts = [("task", &*fenced.action), ("desc", &*desc), ("rc", rc)];
        self.alert("fencing", &fenced.target, &facts);
    }

    /// An operation of this node ended. Probes that found what was expected are no news.
    pub(super) fn alert_resource(&mut self, result: &OpResult) {
        let target = TransitionKey::parse(&result.key).map_or(0, |k| k.target_rc);
        let probe = result.operation == "monitor" && result.interval_ms == 0;
        if (probe && result.rc == target) || matches!(&*result.operation, "cancel" | "delete") {
            return;
        }
        let node = self.name_of(self.settings.local);
        let facts = [
            ("rsc", result.resource.clone()),
            ("task", result.operation.clone()),
            ("interval", result.interval_ms.to_string()),
            ("desc", describe(result).to_owned()),
            ("status", result.status.to_string()),
            ("rc", result.rc.to_string()),
            ("target_rc", target.to_string()),
            ("exec_time", result.exec_ms.to_string()),
        ];
        let facts: Vec<_> = facts.iter().map(|(name, value)| (*name, &**value)).collect();
        self.alert("resource", &node, &facts);
    }

    /// A transient attribute of a node has this value now.
    pub(super) fn alert_attribute(&mut self, node: &str, name: &str, value: &str) {
        if !self.is_coordinator() {
            return;
        }
        let id = self.node_named(node).map(|n| n.to_string()).unwrap_or_default();
        let facts = [("nodeid", &*id), ("attribute_name", name), ("attribute_value", value)];
        self.alert("attribute", node, &facts);
    }

    fn alert(&mut self, kind: &str, node: &str, facts: &[(&'static str, &str)]) {
        if !alerts::any(self.replica.cib()) {
            return;
        }
        let mut news: AlertNews =
            facts.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        news.insert("kind", kind.to_owned());
        news.insert("node", node.to_owned());
        self.out.push(Effect::Alert(news));
    }
}

/// How an operation ended, in the words that Pacemaker gives alert agents.
fn describe(result: &OpResult) -> &'static str {
    match (result.status, result.rc) {
        (1, _) => "Cancelled",
        (2, _) => "Timed Out",
        (3, _) => "NOT SUPPORTED",
        (4, _) => "Error",
        (7, _) => "Not installed",
        (0, 0) => "ok",
        (0, 1) => "error",
        (0, 2) => "invalid parameter",
        (0, 3) => "unimplemented feature",
        (0, 4) => "insufficient privileges",
        (0, 5) => "not installed",
        (0, 6) => "not configured",
        (0, 7) => "not running",
        (0, 8) => "promoted",
        (0, 9) => "promoted (failed)",
        (0, 190) => "OCF_DEGRADED",
        (0, 191) => "OCF_DEGRADED_PROMOTED",
        _ => "unknown",
    }
}
