//! Executing ordered messages: the same on every member.

use std::time::Duration;

use crm_core::cib::Version;
use crm_core::cib::attributes::{self, AttributeChange, set_attribute};
use crm_core::cib::tickets::{TicketChange, change_ticket};
use crm_messaging::group::NodeId;
use crm_messaging::proto::peer::envelope::Body;
use crm_messaging::proto::peer::{
    AttributeChange as AttributeMessage, Commit, Failure, Fenced, Forget, LeaseOver, Order,
    Result as OpResult, Settle, Step, Stored, TicketChange as TicketMessage,
};

use super::history;
use super::replica::CommitError;
use super::status::{self, Standing};
use super::wire::ring_from_wire;
use super::{Controller, Effect};

impl Controller {
    /// Executes one message.
    pub(super) fn deliver(&mut self, from: NodeId, body: Body) {
        if let Some((_, applied)) = &mut self.position {
            *applied += 1;
        }
        if self.refused.contains(&from) {
            return;
        }
        match body {
            Body::Commit(commit) => self.deliver_commit(from, &commit),
            Body::Stored(stored) => self.deliver_stored(from, &stored),
            Body::Attribute(change) => self.deliver_attribute(from, &change),
            Body::Settle(settle) => self.deliver_settle(&settle.changes),
            Body::Ticket(change) => self.deliver_ticket(from, &change),
            Body::Order(order) => self.deliver_order(from, order),
            Body::Result(result) => self.deliver_result(from, &result),
            Body::Forget(forget) => self.deliver_forget(from, &forget),
            Body::Failure(failure) => self.deliver_failure(from, &failure),
            Body::FenceOrder(order) => self.on_fence_order(from, order),
            Body::FenceOutcome(outcome) => self.on_fence_outcome(from, &outcome),
            Body::Fenced(fenced) => self.deliver_fenced(&fenced),
            Body::LeaseOver(lease) => self.deliver_lease_over(from, &lease),
            Body::Secret(secret) => self.deliver_secret(from, &secret),
            Body::Away(away) => self.deliver_away(from, away.seconds),
            Body::Ask(ask) => self.on_ask(from, ask),
            Body::Inquiry(inquiry) => self.on_inquiry(from, inquiry),
            Body::Finding(finding) => self.on_finding(from, finding),
            Body::Answer(answer) => self.on_answer(&answer),
            Body::Step(step) => self.deliver_step(from, step),
            Body::Hello(_) | Body::State(_) | Body::Rejoin(_) => {}
        }
    }

    fn deliver_commit(&mut self, from: NodeId, commit: &Commit) {
        let origin = self.name_of(from);
        let outcome = if self.quorate {
            self.replica.commit(commit, &origin).map_err(Some)
        } else {
            Err(None)
        };
        match outcome {
            Ok(entry) => {
                let (version, command) = (entry.version, entry.command.clone());
                self.out.push(Effect::Store(Box::new(entry)));
                let text = format!("configuration {version} by {}: {command}", commit.author);
                self.event("commit", &origin, "", text);
                self.replan("the configuration has changed");
                self.committed(from, commit.request, version);
            }
            Err(refusal) => {
                if from == self.settings.local {
                    self.commit_refused(commit.request, refusal);
                }
            }
        }
    }

    fn deliver_stored(&mut self, from: NodeId, stored: &Stored) {
        let version =
            Version { admin_epoch: stored.admin_epoch, epoch: stored.epoch, num_updates: 0 };
        let known = self.stored.entry(from).or_default();
        *known = version.max(*known);
        self.check_durable();
    }

    fn deliver_ticket(&mut self, from: NodeId, change: &TicketMessage) {
        let changed = self.replica.update_status(|cib| {
            change_ticket(
                cib,
                &TicketChange {
                    ticket: &change.ticket,
                    set: change.set.iter().map(|(n, v)| (&**n, &**v)).collect(),
                    unset: change.unset.iter().map(String::as_str).collect(),
                    forget: change.forget,
                    now: change.time_s,
                },
            );
        });
        if changed {
            let text = format!("the ticket {} has changed", change.ticket);
            self.event("ticket", "", "", text.clone());
            self.replan(&text);
        }
        if from == self.settings.local {
            self.ticket_done(change.request);
        }
    }

    fn deliver_attribute(&mut self, from: NodeId, change: &AttributeMessage) {
        let own = from == self.settings.local;
        let known = if change.damped {
            let due = self.now.mono + Duration::from_millis(change.delay_ms);
            self.damping.announced(change, own.then_some(due));
            attributes::node_id(self.replica.cib(), &change.node).is_some()
        } else {
            self.set_attribute(change)
        };
        if own {
            self.attribute_done(change.request, known, &change.node);
        }
    }

    fn deliver_settle(&mut self, changes: &[AttributeMessage]) {
        for change in changes {
            self.set_attribute(change);
        }
    }

    /// Says whether the node is known.
    fn set_attribute(&mut self, change: &AttributeMessage) -> bool {
        let (known, changed) = self.apply_attribute(change);
        if changed {
            self.replan(&format!("the attribute {} has changed", change.name));
        }
        known
    }

    /// Says whether the node is known, and whether its value was another one.
    fn apply_attribute(&mut self, change: &AttributeMessage) -> (bool, bool) {
        self.damping.settled(change);
        let mut known = false;
        let changed = self.replica.update_status(|cib| {
            known = set_attribute(
                cib,
                &AttributeChange {
                    node: &change.node,
                    name: &change.name,
                    value: change.value.as_deref(),
                    delta: change.delta,
                    transient: true,
                    set: &change.set,
                },
            );
        });
        if changed {
            let value = change.value.as_deref().unwrap_or("(deleted)");
            let text = format!("{} of {} is {value}", change.name, change.node);
            self.event("attribute", &change.node, "", text);
            let value = change.value.as_deref().unwrap_or_default();
            self.alert_attribute(&change.node, &change.name, value);
        }
        (known, changed)
    }

    /// Ends the wait of values whose time is over.
    pub(super) fn settle_attributes(&mut self) {
        if !self.is_in_step() {
            return;
        }
        let changes = self.damping.over(self.now.mono);
        if !changes.is_empty() {
            self.send(Body::Settle(Settle { changes }));
        }
    }

    fn deliver_order(&mut self, from: NodeId, order: Order) {
        let stale = ring_from_wire(order.ring.as_ref()) != self.ring();
        if stale || self.coordinator != Some(from) {
            // D1: the order of an older coordinator. Its sender has seen the same view and has
            // dropped its transition.
            return;
        }
        let node = NodeId(order.node);
        let name = self.name_of(node);
        if status::standing(self.replica.cib(), node) == Some(Standing::Away) {
            // Its daemon ends before it could watch over the agent.
            return self.order_refused(&order.key);
        }
        self.replica.update_status(|cib| history::record_order(cib, node, &name, &order));
        if history::ends_recurring(&order) {
            let reason = format!("{} ends what recurs", order.operation_key);
            self.recurring_ended(node, &order.resource, &reason);
        }
        if node == self.settings.local {
            self.carry_out(order);
        }
    }

    fn deliver_result(&mut self, from: NodeId, result: &OpResult) {
        let name = self.name_of(from);
        let failed = history::is_failure(result) && result.operation != "notify";
        let mut current = true;
        self.replica.update_status(|cib| match result.operation.as_str() {
            "cancel" => {
                history::forget_recurring(cib, from, &result.resource, &result.operation_key)
            }
            "delete" => {
                history::forget_resource(cib, from, &result.resource);
            }
            _ => {
                current = history::record_result(cib, from, &name, result);
                if current && failed && history::is_recorded(&result.operation) {
                    history::count_failure(cib, from, result);
                }
            }
        });
        if !current {
            return;
        }
        self.tell_result(&name, result, failed);
        if from == self.settings.local {
            self.alert_resource(result);
        }
        self.on_result(result, failed);
    }

    fn tell_result(&mut self, name: &str, result: &OpResult, failed: bool) {
        let interval = match result.interval_ms {
            0 => String::new(),
            ms => format!(" every {ms} ms"),
        };
        let mut text = format!(
            "{} {}{interval} on {name}: {} ({} ms)",
            result.operation,
            result.resource,
            super::report::outcome_word(result),
            result.exec_ms
        );
        if failed && !result.exit_reason.is_empty() {
            text.push_str(&format!(": {}", result.exit_reason));
        }
        self.tell("operation", name, &result.resource, text, failed);
    }

    /// The coordinator's transition has begun or ended.
    fn deliver_step(&mut self, from: NodeId, step: Step) {
        let stale = ring_from_wire(step.ring.as_ref()) != self.ring();
        if stale || self.coordinator != Some(from) {
            return;
        }
        // Whoever coordinates next goes on counting.
        self.transitions = self.transitions.max(step.number);
        self.out.push(Effect::Event {
            kind: "transition",
            node: self.name_of(from),
            resource: String::new(),
            text: step.text.clone(),
            failed: step.failed,
            step: Some(Box::new(step)),
        });
    }

    fn deliver_forget(&mut self, from: NodeId, forget: &Forget) {
        let mut cleaned: Vec<(NodeId, String)> = Vec::new();
        let nodes = self.settings.nodes.clone();
        self.replica.update_status(|cib| {
            for (&node, name) in &nodes {
                let asked = forget.node.is_empty() || forget.node == *name;
                if !asked {
                    continue;
                }
                let known: Vec<_> = history::resources(cib, node).cloned().collect();
                for resource in known {
                    let Some(id) = resource.id() else { continue };
                    if !names(&forget.resource, id) {
                        continue;
                    }
                    if forget.failed_only && !history::has_failure(cib, node, &resource) {
                        continue;
                    }
                    if !forget.history_only {
                        history::forget_counts(cib, node, forget, id);
                    }
                    if forget.counts_only {
                        let op = (forget.operation.as_str(), forget.interval_ms);
                        history::forget_last_failure(cib, node, id, op.0, op.1);
                    } else {
                        history::forget_resource(cib, node, id);
                    }
                    cleaned.push((node, id.to_string()));
                }
            }
        });
        for (node, id) in cleaned.iter().filter(|_| !forget.counts_only) {
            if *node == self.settings.local {
                self.out.push(Effect::CancelAll { resource: id.clone() });
                self.local.forget_recurring(id);
            }
            self.recurring_ended(*node, id, "the history has been cleaned up");
        }
        let text = |(node, id): &(NodeId, String)| format!("{id} on {}", self.name_of(*node));
        let cleaned: Vec<String> = cleaned.iter().map(text).collect();
        if from == self.settings.local {
            self.forgotten(forget.request, cleaned);
        }
        if forget.key.is_empty() {
            self.replan("the history has been cleaned up");
        } else {
            self.finish_by_key(&forget.key);
        }
    }

    /// Somebody says that a resource has failed: recorded as Pacemaker does, as the failure of an
    /// operation `asyncmon` that nobody ordered.
    fn deliver_failure(&mut self, from: NodeId, failure: &Failure) {
        let node = self.node_named(&failure.node);
        let agent = node.and_then(|node| {
            let known = history::resources(self.replica.cib(), node)
                .find(|r| r.id() == Some(&failure.resource))?;
            let part = |name| known.attr(name).unwrap_or_default().to_string();
            Some(crm_messaging::proto::peer::Agent {
                class: part("class"),
                provider: part("provider"),
                kind: part("type"),
            })
        });
        let known = agent.is_some();
        if let (Some(node), Some(agent)) = (node, agent) {
            let result = OpResult {
                key: NOBODYS_KEY.into(),
                resource: failure.resource.clone(),
                agent: Some(agent),
                operation: "asyncmon".into(),
                rc: 1,
                exit_reason: failure.reason.clone(),
                last_change: failure.time_s,
                count: "++".into(),
                call_id: self.local_call_after(node, &failure.resource),
                ..OpResult::default()
            };
            let name = self.name_of(node);
            self.replica.update_status(|cib| {
                history::record_result(cib, node, &name, &result);
                history::count_failure(cib, node, &result);
            });
            self.tell_result(&name, &result, true);
            if node == self.settings.local {
                self.alert_resource(&result);
            }
            self.replan(&format!("{} has failed on {name}", failure.resource));
        }
        if from == self.settings.local {
            self.failure_recorded(failure.request, known, failure);
        }
    }

    /// A call id that sorts after everything recorded of the resource.
    fn local_call_after(&self, node: NodeId, resource: &str) -> u64 {
        history::resources(self.replica.cib(), node)
            .filter(|r| r.id() == Some(resource))
            .flat_map(|r| r.children())
            .filter_map(|op| op.attr("call-id")?.parse::<u64>().ok())
            .max()
            .unwrap_or(0)
            + 1
    }

    fn deliver_fenced(&mut self, fenced: &Fenced) {
        let Some(target) = self.node_named(&fenced.target) else { return };
        let name = self.name_of(target);
        let off = fenced.success && fenced.action != "on";
        let here = self.view.as_ref().is_some_and(|v| v.members.contains(&target));
        let ended = off && (!here || self.still_in_view(&name));
        self.replica.update_status(|cib| {
            if off && !here {
                status::set_standing(cib, target, &name, Standing::Fenced);
            }
            let state = status::node_state_mut(cib, target, &name);
            if fenced.success {
                state.remove_attr("fence-trouble");
            } else {
                state.set_attr("fence-trouble", &fenced.message);
            }
            record_fencing(cib, fenced);
        });
        // The plan under way knows that they come.
        for change in &fenced.attributes {
            self.apply_attribute(change);
        }
        let text = match fenced.success {
            true => format!("{} of {} confirmed by {}", fenced.action, name, fenced.device),
            false => format!("{} of {} failed: {}", fenced.action, name, fenced.message),
        };
        self.tell("fencing", &name, "", text, !fenced.success);
        self.alert_fencing(fenced);
        if ended {
            self.out.push(Effect::DeclareDead(target));
        }
        self.fencing_recorded(fenced);
    }

    /// The daemon of a member ends and will be back; its services go on meanwhile.
    fn deliver_away(&mut self, from: NodeId, seconds: u64) {
        let name = self.name_of(from);
        let seconds = seconds.min(AWAY_MAX_S);
        self.replica.update_status(|cib| status::set_away(cib, from, &name, seconds));
        let text = format!("the daemon of {name} restarts; its services go on unwatched");
        self.event("membership", &name, "", text);
        self.away |= from == self.settings.local;
        self.replan(&format!("the daemon of {name} restarts"));
    }

    fn deliver_lease_over(&mut self, from: NodeId, lease: &LeaseOver) {
        let node = NodeId(lease.node);
        let current = ring_from_wire(lease.ring.as_ref()) == self.ring();
        if self.coordinator != Some(from) || !current {
            return;
        }
        let name = self.name_of(node);
        let changed = self.replica.update_status(|cib| {
            let standing = status::standing(cib, node);
            if matches!(standing, Some(Standing::Leased | Standing::Away)) {
                status::set_standing(cib, node, &name, Standing::Lost);
            }
        });
        if changed {
            let text = format!("the time that {name} had to stop everything or come back is over");
            self.event("quorum", &name, "", text);
            self.replan("a lease is over");
        }
    }

    /// The local disk has taken commits, or has failed.
    pub(super) fn on_stored(&mut self, result: Result<Version, String>) {
        match result {
            Ok(version) => {
                self.storage_error = None;
                self.storage_retry = None;
                self.send(Body::Stored(Stored {
                    admin_epoch: version.admin_epoch,
                    epoch: version.epoch,
                }));
            }
            Err(error) => {
                let text = format!("the disk does not take commits: {error}");
                let node = self.name_of(self.settings.local);
                self.tell("commit", &node, "", text, true);
                self.storage_error = Some(error);
                self.storage_retry = Some(self.now.mono + STORAGE_RETRY);
                self.refuse_commits();
            }
        }
    }

    /// A disk that refused is tried again, with everything.
    pub(super) fn retry_disk(&mut self) {
        if self.storage_retry.is_some_and(|at| self.now.mono >= at) {
            self.storage_retry = Some(self.now.mono + STORAGE_RETRY);
            self.out.push(Effect::Snapshot);
        }
    }

    pub(super) fn refusal_text(refusal: Option<CommitError>) -> String {
        match refusal {
            Some(error) => error.to_string(),
            None => "this partition has no quorum, so nothing can be committed here: \
                     bring nodes back, or connect to the other side"
                .into(),
        }
    }
}

/// The longest restart that may be announced.
const AWAY_MAX_S: u64 = 3600;
/// How often a disk that refused is tried again.
const STORAGE_RETRY: Duration = Duration::from_secs(10);
/// The key of a failure that no transition asked about.
const NOBODYS_KEY: &str = "0:0:0:00000000-0000-0000-0000-000000000000";

/// Whether a request for `asked` means the resource recorded as `id`.
fn names(asked: &str, id: &str) -> bool {
    asked.is_empty() || asked == id || id.split_once(':').is_some_and(|(base, _)| base == asked)
}

/// Keeps the last fencing attempts in the status, newest last.
fn record_fencing(cib: &mut crm_core::cib::Element, fenced: &Fenced) {
    const KEPT: usize = 32;
    let history = cib.child_or_insert("status").child_or_insert("fence_history");
    history.push(
        crm_core::cib::Element::new("fence_event")
            .with("target", &fenced.target)
            .with("action", &fenced.action)
            .with("device", &fenced.device)
            .with("delegate", &fenced.executor)
            .with("client", &fenced.client)
            .with("status", if fenced.success { "success" } else { "failed" })
            .with("exit-reason", &fenced.message)
            .with("completed", (fenced.time_ms / 1000).to_string()),
    );
    let surplus = history.nodes().len().saturating_sub(KEPT);
    history.nodes_mut().drain(..surplus);
}
