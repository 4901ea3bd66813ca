//! Requests of local clients.

use std::time::Duration;

use crm_core::cib::attributes::{AttributeChange, set_attribute, value_of};
use crm_core::cib::schema::Schema;
use crm_core::cib::{Element, Patch, Version, parse};
use crm_messaging::group::NodeId;
use crm_messaging::proto;
use crm_messaging::proto::peer::envelope::Body;
use crm_messaging::proto::peer::{
    Answer, Ask, AskFence, AskState, AttributeChange as AttributeMessage, Commit, Failure, Forget,
    TicketChange, ask,
};

use super::replica::CommitError;
use super::status;
use super::{Controller, Effect, Refusal, Reply};

/// How often a change without a base is made again because somebody else was faster.
const MAX_TRIES: u32 = 16;
/// Requests under way for local clients.
const MAX_WAITING: usize = 4096;

/// Names a request between the server and the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What a local client wants.
#[derive(Clone, Debug)]
pub enum Request {
    /// The document or a section of it.
    QueryCib {
        /// Empty: all.
        section: String,
    },
    /// Change the configuration.
    Commit(Box<proto::CommitRequest>),
    /// Change a node attribute.
    UpdateAttribute(proto::AttributeUpdate),
    /// Change a ticket.
    UpdateTicket(proto::TicketUpdate),
    /// Set or delete a parameter that is kept out of the configuration.
    UpdateSecret(proto::SecretUpdate),
    /// Read node attributes.
    QueryAttributes(proto::AttributeQuery),
    /// Forget history and failures.
    Cleanup(proto::CleanupRequest),
    /// Record a failure.
    Fail(proto::FailRequest),
    /// Fence a node, or confirm that it is off.
    Fence(proto::FenceRequest),
    /// Show a file of some members.
    ReadFile(proto::FileQuery),
    /// Read cluster.conf again, everywhere.
    Reload(proto::ReloadRequest),
    /// The state now.
    State,
    /// The state when idle.
    WaitIdle,
}

/// What a client of this node waits for.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A commit on its way through the ring.
    Commit {
        id: RequestId,
        remake: Remake,
        tries: u32,
    },
    /// A commit that has been made and is not yet on enough disks.
    Durable {
        id: RequestId,
        version: Version,
        attribute: bool,
    },
    Attribute(RequestId),
    Secret(RequestId),
    Ticket(RequestId),
    Cleanup(RequestId),
    Fail(RequestId),
    /// A question to members about their machines.
    Inquiry(super::inquiry::Open),
    /// A question to the coordinator.
    Ask {
        id: RequestId,
        what: ask::What,
    },
}

/// How to make a commit again from a newer base.
#[derive(Clone, Debug)]
pub(super) enum Remake {
    /// Never: the client named the base.
    No,
    /// The whole new configuration.
    Configuration(Box<proto::CommitRequest>),
    /// A permanent attribute.
    Attribute(proto::AttributeUpdate),
}

impl Controller {
    pub(super) fn on_request(&mut self, id: RequestId, request: Request) {
        if self.waiting.len() >= MAX_WAITING {
            return self.refuse(id, Refusal::NotNow, "too many requests are waiting".into());
        }
        match request {
            Request::QueryCib { section } => self.query_cib(id, &section),
            Request::State if self.is_coordinator() && self.is_in_step() => {
                let state = self.state_reply();
                self.reply(id, Reply::State(Box::new(state)));
            }
            Request::State => {
                if self.coordinator.is_none() || !self.is_in_step() {
                    let state = self.state_reply();
                    return self.reply(id, Reply::State(Box::new(state)));
                }
                self.ask(id, ask::What::State(AskState { when_idle: false }));
            }
            Request::WaitIdle => self.ask(id, ask::What::State(AskState { when_idle: true })),
            Request::Fence(f) => self.ask(
                id,
                ask::What::Fence(AskFence {
                    node: f.node,
                    action: f.action,
                    confirm: f.confirm,
                    timeout_ms: f.timeout_ms,
                }),
            ),
            Request::QueryAttributes(query) => self.query_attributes(id, &query),
            Request::Commit(request) => match self.commit_allowed() {
                Err(why) => self.refuse(id, Refusal::NotNow, why),
                Ok(()) => {
                    let remake = match request.base {
                        Some(_) => Remake::No,
                        None => Remake::Configuration(request.clone()),
                    };
                    self.send_commit(id, &request, remake, 0);
                }
            },
            Request::UpdateAttribute(update) if !update.transient => match self.commit_allowed() {
                Err(why) => self.refuse(id, Refusal::NotNow, why),
                Ok(()) => self.commit_attribute(id, update, 0),
            },
            Request::UpdateAttribute(update) => {
                let said = update.delay_ms.map(Duration::from_millis);
                let change = update.change_delay || update.delay_only;
                let delay = self.damping.delay(&update.name, said, change);
                if update.delay_only {
                    return self.reply(id, Reply::Done);
                }
                let damped = !delay.is_zero() && !self.damping.is_full();
                let request = self.wait(Waiting::Attribute(id));
                self.send(Body::Attribute(AttributeMessage {
                    request,
                    node: update.node,
                    name: update.name,
                    value: update.value,
                    delta: update.delta,
                    set: update.set,
                    damped,
                    delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                }));
            }
            Request::UpdateTicket(update) => {
                let request = self.wait(Waiting::Ticket(id));
                self.send(Body::Ticket(TicketChange {
                    request,
                    ticket: update.ticket,
                    set: update.set,
                    unset: update.unset,
                    forget: update.forget,
                    time_s: i64::try_from(self.now.wall_ms / 1000).unwrap_or(i64::MAX),
                }));
            }
            Request::ReadFile(query) => self.read_file(id, query),
            Request::Reload(request) => self.reload(id, request),
            Request::UpdateSecret(update) => self.update_secret(id, update),
            Request::Cleanup(c) => self.cleanup(id, c),
            Request::Fail(f) => {
                let request = self.wait(Waiting::Fail(id));
                self.send(Body::Failure(Failure {
                    request,
                    resource: f.resource,
                    node: f.node,
                    reason: f.reason,
                    time_s: self.now.wall_ms / 1000,
                }));
            }
        }
    }

    pub(super) fn wait(&mut self, waiting: Waiting) -> u64 {
        self.requests += 1;
        self.waiting.insert(self.requests, waiting);
        self.requests
    }

    pub(super) fn reply(&mut self, id: RequestId, reply: Reply) {
        self.out.push(Effect::Reply(id, reply));
    }

    pub(super) fn refuse(&mut self, id: RequestId, why: Refusal, text: String) {
        self.reply(id, Reply::Refused(why, text));
    }

    fn query_cib(&mut self, id: RequestId, section: &str) {
        let cib = self.replica.cib();
        let found = match section {
            "" | "all" | "cib" => Some(cib),
            "status" | "configuration" => cib.child(section),
            other => cib.at(&["configuration", other]),
        };
        let reply = match found {
            Some(e) => Reply::Cib {
                cib: e.clone(),
                version: self.replica.version(),
                quorate: self.quorate,
            },
            None => {
                Reply::Refused(Refusal::NotFound, format!("the CIB has no section '{section}'"))
            }
        };
        self.reply(id, reply);
    }

    pub(super) fn commit_allowed(&self) -> Result<(), String> {
        if let Some(error) = &self.storage_error {
            return Err(format!("the disk of this node does not take commits: {error}"));
        }
        if !self.is_in_step() {
            return Err("this node has not joined the cluster yet".into());
        }
        if !self.quorate {
            return Err(Controller::refusal_text(None));
        }
        Ok(())
    }

    fn send_commit(
        &mut self,
        id: RequestId,
        request: &proto::CommitRequest,
        remake: Remake,
        tries: u32,
    ) {
        let current = self.replica.version().configuration();
        if let Some(base) = &request.base {
            let base = Version { admin_epoch: base.admin_epoch, epoch: base.epoch, num_updates: 0 };
            if base != current {
                let stale = CommitError::Stale { base, current };
                return self.refuse(id, Refusal::Stale, stale.to_string());
            }
        }
        let new = match self.changed_document(request) {
            Ok(new) => new,
            Err(text) => return self.refuse(id, Refusal::Invalid, text),
        };
        self.propose(id, &new, &request.author, &request.command, remake, tries);
    }

    fn changed_document(&self, request: &proto::CommitRequest) -> Result<Element, String> {
        use proto::commit_request::Change;
        match &request.change {
            None => Err("the request has no change".into()),
            Some(Change::Patch(text)) => {
                let diff = parse(text).map_err(|e| format!("the patch is not XML: {e}"))?;
                let patch = Patch::from_xml(&diff).map_err(|e| e.to_string())?;
                patch.apply(self.replica.cib()).map_err(|e| e.to_string())
            }
            Some(Change::Configuration(text)) => {
                let new = parse(text).map_err(|e| format!("the configuration is not XML: {e}"))?;
                if new.name() != "configuration" {
                    return Err(format!("expected <configuration>, found <{}>", new.name()));
                }
                let mut cib = self.replica.cib().clone();
                *cib.child_or_insert("configuration") = new;
                if !request.schema.is_empty() {
                    if Schema::named(&request.schema).is_none() {
                        return Err(format!("there is no schema '{}'", request.schema));
                    }
                    cib.set_attr("validate-with", &request.schema);
                }
                Ok(cib)
            }
        }
    }

    /// Sends what turns the document into `new`; nothing if it is that already.
    fn propose(
        &mut self,
        id: RequestId,
        new: &Element,
        author: &str,
        command: &str,
        remake: Remake,
        tries: u32,
    ) {
        let attribute = matches!(remake, Remake::Attribute(_));
        let patch = Patch::between(self.replica.cib(), new);
        let version = self.replica.version();
        if patch.is_empty() {
            let reply = if attribute { Reply::Done } else { Reply::Committed(version) };
            return self.reply(id, reply);
        }
        let request = self.wait(Waiting::Commit { id, remake, tries });
        let patch = patch.to_xml(version, version.next_epoch()).to_string();
        self.send_patch(request, patch, author, command);
    }

    pub(super) fn send_patch(&mut self, request: u64, patch: String, author: &str, command: &str) {
        let version = self.replica.version();
        self.send(Body::Commit(Commit {
            request,
            admin_epoch: version.admin_epoch,
            epoch: version.epoch,
            patch,
            author: author.to_string(),
            command: command.to_string(),
            time_ms: self.now.wall_ms,
        }));
    }

    fn commit_attribute(&mut self, id: RequestId, update: proto::AttributeUpdate, tries: u32) {
        let mut new = self.replica.cib().clone();
        let change = AttributeChange {
            node: &update.node,
            name: &update.name,
            value: update.value.as_deref(),
            delta: update.delta,
            transient: false,
            set: &update.set,
        };
        if !set_attribute(&mut new, &change) {
            let text = format!("node '{}' is not known", update.node);
            return self.refuse(id, Refusal::NotFound, text);
        }
        let command = format!("attribute {} of {}", update.name, update.node);
        self.propose(id, &new, "root", &command, Remake::Attribute(update), tries);
    }

    /// A commit of a local client has been made.
    pub(super) fn committed(&mut self, from: NodeId, request: u64, version: Version) {
        if from != self.settings.local {
            return;
        }
        if let Some(Waiting::Commit { id, remake, .. }) = self.waiting.remove(&request) {
            let attribute = matches!(remake, Remake::Attribute(_));
            self.waiting.insert(request, Waiting::Durable { id, version, attribute });
            self.check_durable();
        }
    }

    pub(super) fn commit_refused(&mut self, request: u64, refusal: Option<CommitError>) {
        let Some(Waiting::Commit { id, remake, tries }) = self.waiting.remove(&request) else {
            return;
        };
        let stale = matches!(refusal, Some(CommitError::Stale { .. }));
        match (remake, stale && tries < MAX_TRIES) {
            (Remake::Configuration(r), true) => {
                self.send_commit(id, &r, Remake::Configuration(r.clone()), tries + 1);
            }
            (Remake::Attribute(update), true) => self.commit_attribute(id, update, tries + 1),
            _ => {
                let why = match &refusal {
                    None => Refusal::NotNow,
                    Some(CommitError::Stale { .. }) => Refusal::Stale,
                    Some(CommitError::Invalid(_)) => Refusal::Invalid,
                };
                self.refuse(id, why, Controller::refusal_text(refusal));
            }
        }
    }

    /// Answers the clients whose commits are on disk on members that hold the quorum in force:
    /// a majority of the node list, or every member of a smaller view (design decision 2).
    pub(super) fn check_durable(&mut self) {
        let Some(view) = &self.view else { return };
        let majority = self.settings.nodes.len() / 2 + 1;
        let uniform = usize::try_from(view.expected_votes) == Ok(self.settings.nodes.len());
        let needed = if uniform { majority.min(view.members.len()) } else { view.members.len() };
        let have = |version: &Version| {
            view.members.iter().filter(|m| self.stored.get(m) >= Some(version)).count()
        };
        let done: Vec<u64> = self
            .waiting
            .iter()
            .filter(
                |(_, w)| matches!(w, Waiting::Durable { version, .. } if have(version) >= needed),
            )
            .map(|(&request, _)| request)
            .collect();
        for request in done {
            if let Some(Waiting::Durable { id, version, attribute }) = self.waiting.remove(&request)
            {
                let reply = if attribute { Reply::Done } else { Reply::Committed(version) };
                self.reply(id, reply);
            }
        }
    }

    /// The disk is broken: clients that wait for it are told so.
    pub(super) fn refuse_commits(&mut self) {
        let text = match &self.storage_error {
            Some(error) => {
                format!("the change was made, but the disk of this node does not take it: {error}")
            }
            None => return,
        };
        let waiting: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, w)| matches!(w, Waiting::Durable { .. }))
            .map(|(&request, _)| request)
            .collect();
        for request in waiting {
            if let Some(Waiting::Durable { id, .. }) = self.waiting.remove(&request) {
                self.refuse(id, Refusal::NotNow, text.clone());
            }
        }
    }

    pub(super) fn ticket_done(&mut self, request: u64) {
        if let Some(Waiting::Ticket(id)) = self.waiting.remove(&request) {
            self.reply(id, Reply::Done);
        }
    }

    pub(super) fn attribute_done(&mut self, request: u64, known: bool, node: &str) {
        if let Some(Waiting::Attribute(id)) = self.waiting.remove(&request) {
            let text = format!("node '{node}' is not known");
            let reply = if known { Reply::Done } else { Reply::Refused(Refusal::NotFound, text) };
            self.reply(id, reply);
        }
    }

    fn query_attributes(&mut self, id: RequestId, query: &proto::AttributeQuery) {
        let cib = self.replica.cib();
        let mut found = Vec::new();
        for (&node, name) in &self.settings.nodes {
            if !(query.node.is_empty() || query.node == *name || query.node == node.to_string()) {
                continue;
            }
            let owner = if query.transient {
                status::node_state(cib, node).and_then(|s| s.child("transient_attributes"))
            } else {
                let nodes = cib.at(&["configuration", "nodes"]);
                nodes.and_then(|n| n.children().find(|c| c.id() == Some(&node.to_string())))
            };
            let Some(owner) = owner else { continue };
            let names = owner
                .children_named("instance_attributes")
                .flat_map(Element::children)
                .filter_map(|p| p.attr("name"));
            for attribute in names.filter(|n| query.name.is_empty() || query.name == *n) {
                found.push(proto::Attribute {
                    node: name.clone(),
                    name: attribute.to_string(),
                    value: value_of(owner, attribute).unwrap_or_default().to_string(),
                });
            }
        }
        self.reply(id, Reply::Attributes(found));
    }

    fn cleanup(&mut self, id: RequestId, c: proto::CleanupRequest) {
        if !c.node.is_empty() && self.node_named(&c.node).is_none() {
            let text = format!("node '{}' is not known", c.node);
            return self.refuse(id, Refusal::NotFound, text);
        }
        let request = self.wait(Waiting::Cleanup(id));
        self.send(Body::Forget(Forget {
            request,
            resource: c.resource,
            node: c.node,
            failed_only: c.failed_only,
            operation: c.operation,
            interval_ms: c.interval_ms,
            ..Forget::default()
        }));
    }

    pub(super) fn forgotten(&mut self, request: u64, cleaned: Vec<String>) {
        if let Some(Waiting::Cleanup(id)) = self.waiting.remove(&request) {
            self.reply(id, Reply::Cleaned(cleaned));
        }
    }

    pub(super) fn failure_recorded(&mut self, request: u64, known: bool, failure: &Failure) {
        if let Some(Waiting::Fail(id)) = self.waiting.remove(&request) {
            let text =
                format!("'{}' has no operation history on '{}'", failure.resource, failure.node);
            let reply = if known { Reply::Done } else { Reply::Refused(Refusal::NotFound, text) };
            self.reply(id, reply);
        }
    }

    fn ask(&mut self, id: RequestId, what: ask::What) {
        let request = self.wait(Waiting::Ask { id, what: what.clone() });
        self.send(Body::Ask(Ask { request, what: Some(what) }));
    }

    /// A new coordinator knows nothing of the questions put to the old one.
    pub(super) fn ask_again(&mut self) {
        let open: Vec<Ask> = self
            .waiting
            .iter()
            .filter_map(|(&request, w)| match w {
                Waiting::Ask { what, .. } => Some(Ask { request, what: Some(what.clone()) }),
                _ => None,
            })
            .collect();
        open.into_iter().for_each(|ask| self.send(Body::Ask(ask)));
        self.check_durable();
    }

    /// A question of some member's client; only the coordinator answers.
    pub(super) fn on_ask(&mut self, from: NodeId, ask: Ask) {
        if self.duty.is_none() {
            return;
        }
        match ask.what {
            Some(ask::What::Fence(fence)) => self.ask_fencing(from, ask.request, &fence),
            Some(ask::What::State(AskState { when_idle: true })) => {
                if let Some(duty) = &mut self.duty {
                    duty.idlers.push((from, ask.request));
                }
            }
            Some(ask::What::State(_)) => self.answer_state(from, ask.request),
            None => {}
        }
    }

    pub(super) fn answer_idlers(&mut self) {
        if self.duty.as_ref().is_none_or(|d| d.idlers.is_empty()) || !self.is_idle() {
            return;
        }
        let idlers = self.duty.as_mut().map(|d| std::mem::take(&mut d.idlers)).unwrap_or_default();
        idlers.into_iter().for_each(|(to, request)| self.answer_state(to, request));
    }

    fn answer_state(&mut self, to: NodeId, request: u64) {
        let state = self.state_reply();
        self.send(Body::Answer(Answer {
            to: to.0,
            request,
            success: true,
            message: String::new(),
            controller: state.controller,
            idle: state.idle,
            troubles: state.troubles,
        }));
    }

    pub(super) fn on_answer(&mut self, answer: &Answer) {
        if answer.to != self.settings.local.0 {
            return;
        }
        let Some(Waiting::Ask { id, what }) = self.waiting.remove(&answer.request) else { return };
        match what {
            ask::What::Fence(_) => self.reply(
                id,
                Reply::Fence(proto::FenceReply {
                    success: answer.success,
                    message: answer.message.clone(),
                }),
            ),
            ask::What::State(_) => {
                let mut state = self.state_reply();
                state.idle = answer.idle;
                state.dc_controller = answer.controller.clone();
                for trouble in &answer.troubles {
                    if !state.troubles.contains(trouble) {
                        state.troubles.push(trouble.clone());
                    }
                }
                self.reply(id, Reply::State(Box::new(state)));
            }
        }
    }
}
