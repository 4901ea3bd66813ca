//! Questions of a client that members answer from their own machines: what a configuration file
//! says there, and reading cluster.conf again.
//!
//! The question is an ordered message; each member that is named looks at its own machine (outside
//! of the controller) and answers with a message of its own. Who has left, or says nothing in
//! time, is named in the reply: an answer of some is worth more than none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crm_messaging::group::NodeId;
use crm_messaging::proto::peer::envelope::Body;
use crm_messaging::proto::peer::{FileWanted, Finding, Inquiry, ReloadWanted, inquiry};
use crm_messaging::proto::{self, FileCopy, NodeReload};

use super::clients::{RequestId, Waiting};
use super::{Controller, Effect, Refusal, Reply};
use crate::files;

/// How long members are waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Questions of this node's clients under way: each answer may carry a whole file.
const MAX_OPEN: usize = 4;

/// A question that is not answered by everybody yet.
#[derive(Debug)]
pub(super) struct Open {
    id: RequestId,
    about_file: bool,
    missing: BTreeSet<NodeId>,
    found: BTreeMap<NodeId, Finding>,
    until: Duration,
}

impl Controller {
    /// A client wants to see a file of some members.
    pub(super) fn read_file(&mut self, id: RequestId, query: proto::FileQuery) {
        if !query.path.is_empty()
            && let Err(why) = files::may_be_shown(&query.path)
        {
            return self.refuse(id, Refusal::Invalid, why);
        }
        let mut nodes = BTreeSet::new();
        for name in &query.nodes {
            match self.node_named(name) {
                Some(node) => nodes.insert(node),
                None => {
                    let text = format!("node '{name}' is not known");
                    return self.refuse(id, Refusal::NotFound, text);
                }
            };
        }
        let wanted = FileWanted { path: query.path, digest_only: query.digest_only };
        self.inquire(id, nodes, inquiry::What::File(wanted));
    }

    /// A client wants cluster.conf to be read again everywhere.
    pub(super) fn reload(&mut self, id: RequestId, request: proto::ReloadRequest) {
        let wanted = ReloadWanted { sha1: request.sha1 };
        self.inquire(id, BTreeSet::new(), inquiry::What::Reload(wanted));
    }

    /// Without nodes every one of the node list is asked.
    fn inquire(&mut self, id: RequestId, mut nodes: BTreeSet<NodeId>, what: inquiry::What) {
        if !self.is_in_step() {
            let text = "this node has not joined the cluster yet".into();
            return self.refuse(id, Refusal::NotNow, text);
        }
        let open = self.waiting.values().filter(|w| matches!(w, Waiting::Inquiry(_))).count();
        if open >= MAX_OPEN {
            let text = "too many such questions are under way: try again".into();
            return self.refuse(id, Refusal::NotNow, text);
        }
        if nodes.is_empty() {
            nodes = self.settings.nodes.keys().copied().collect();
        }
        let asked = nodes.iter().map(|n| n.0).collect();
        let open = Open {
            id,
            about_file: matches!(what, inquiry::What::File(_)),
            missing: nodes,
            found: BTreeMap::new(),
            until: self.now.mono + PATIENCE,
        };
        let request = self.wait(Waiting::Inquiry(open));
        self.send(Body::Inquiry(Inquiry { request, nodes: asked, what: Some(what) }));
        self.settle_inquiries();
    }

    /// A member's client asks; this node answers if it is meant.
    pub(super) fn on_inquiry(&mut self, from: NodeId, inquiry: Inquiry) {
        if inquiry.nodes.contains(&self.settings.local.0) {
            self.out.push(Effect::LookUp { to: from, inquiry });
        }
    }

    /// This node has looked.
    pub(super) fn on_found(&mut self, finding: Finding) {
        self.send(Body::Finding(finding));
    }

    pub(super) fn on_finding(&mut self, from: NodeId, finding: Finding) {
        if finding.to != self.settings.local.0 {
            return;
        }
        if let Some(Waiting::Inquiry(open)) = self.waiting.get_mut(&finding.request)
            && open.missing.remove(&from)
        {
            open.found.insert(from, finding);
        }
        self.settle_inquiries();
    }

    /// When the patience with somebody ends.
    pub(super) fn inquiries_wake_at(&self) -> Option<Duration> {
        let until = |w: &Waiting| match w {
            Waiting::Inquiry(open) => Some(open.until),
            _ => None,
        };
        self.waiting.values().filter_map(until).min()
    }

    /// Answers the clients whose questions nobody answers any more.
    pub(super) fn settle_inquiries(&mut self) {
        let members = self.view.as_ref().map(|v| v.members.clone()).unwrap_or_default();
        let now = self.now.mono;
        let mut over = Vec::new();
        for (&request, waiting) in &mut self.waiting {
            let Waiting::Inquiry(open) = waiting else { continue };
            let trouble = |node: &NodeId| match members.contains(node) {
                false => Some("it is not in the cluster now"),
                true if now >= open.until => Some("it has not answered in time"),
                true => None,
            };
            let silent: Vec<(NodeId, &str)> =
                open.missing.iter().filter_map(|n| Some((*n, trouble(n)?))).collect();
            for (node, why) in silent {
                open.missing.remove(&node);
                open.found.insert(node, Finding { trouble: why.into(), ..Finding::default() });
            }
            if open.missing.is_empty() {
                over.push(request);
            }
        }
        for request in over {
            if let Some(Waiting::Inquiry(open)) = self.waiting.remove(&request) {
                let reply = self.told(open.about_file, open.found);
                self.reply(open.id, reply);
            }
        }
    }

    fn told(&self, about_file: bool, found: BTreeMap<NodeId, Finding>) -> Reply {
        let named = found.into_iter().map(|(node, finding)| (self.name_of(node), finding));
        if about_file {
            let copy = |(node, f): (String, Finding)| FileCopy {
                node,
                path: f.path,
                content: f.content,
                sha1: f.sha1,
                trouble: f.trouble,
            };
            Reply::Files(named.map(copy).collect())
        } else {
            let reload = |(node, f): (String, Finding)| NodeReload {
                node,
                taken: f.taken,
                later: f.later,
                trouble: f.trouble,
            };
            Reply::Reloaded(named.map(reload).collect())
        }
    }
}
