//! `crm_mon --external-agent`: a program that is run whenever an operation or fencing has ended.
//!
//! It gets what Pacemaker's gives it, in variables of its environment: `CRM_notify_node`, `_rsc`,
//! `_task`, `_rc`, `_target_rc`, `_status`, `_desc` and `_recipient`.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use crm_core::cib::Element;
use crm_core::transition::OpKey;

use super::fencing::attempts;
use super::options::Options;
use crate::render::status::{result_text, status_text};

/// How many programs may be at work at once; then the next ones wait.
const MOST: usize = 32;

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    node: String,
    resource: Option<String>,
    task: String,
    target_rc: i32,
    rc: i32,
    status: i32,
    text: String,
}

/// What has been told, and whom to tell.
pub struct Teller {
    program: String,
    recipient: Option<String>,
    fencing: bool,
    /// Operations by node and id, with what was recorded of them, and the last fencing; none
    /// before the first look.
    known: Option<Known>,
    children: Vec<Child>,
}

type Known = (BTreeMap<(String, String), String>, i64);

impl Teller {
    /// For the options, if they name a program.
    pub fn new(options: &Options) -> Option<Teller> {
        Some(Teller {
            program: options.agent.clone()?,
            recipient: options.recipient.clone(),
            fencing: options.watch_fencing,
            known: None,
            children: Vec::new(),
        })
    }

    /// Looks at the cluster; what is new since the last look is told. What was there at the first
    /// one is not news.
    pub fn look(&mut self, cib: &Element) {
        let (now, notices) = news(self.known.as_ref(), cib, self.fencing);
        self.known = Some(now);
        for notice in notices {
            self.tell(&notice);
        }
        self.children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    fn tell(&mut self, notice: &Notice) {
        if self.children.len() >= MOST {
            // Whatever came of it: it has ended.
            let _ = self.children.remove(0).wait();
        }
        let mut command = Command::new(&self.program);
        command
            .env("CRM_notify_node", &notice.node)
            .env("CRM_notify_task", &notice.task)
            .env("CRM_notify_desc", &notice.text)
            .env("CRM_notify_rc", notice.rc.to_string())
            .env("CRM_notify_target_rc", notice.target_rc.to_string())
            .env("CRM_notify_status", notice.status.to_string())
            .stdin(Stdio::null());
        if let Some(resource) = &notice.resource {
            command.env("CRM_notify_rsc", resource);
        }
        if let Some(recipient) = &self.recipient {
            command.env("CRM_notify_recipient", recipient);
        }
        // A program that cannot be started is as good as one that fails: nobody waits for either.
        self.children.extend(command.spawn().ok());
    }
}

/// What a document has that was not known, in the order of the document.
fn news(known: Option<&Known>, cib: &Element, fencing: bool) -> (Known, Vec<Notice>) {
    let mut notices = Vec::new();
    let mut operations = BTreeMap::new();
    let states = cib.child("status").into_iter().flat_map(|s| s.children_named("node_state"));
    for state in states {
        let node = state.attr("uname").or(state.id()).unwrap_or_default();
        for op in state.descendants().filter(|e| e.name() == "lrm_rsc_op") {
            let (Some(id), Some(magic)) = (op.id(), op.attr("transition-magic")) else { continue };
            let call = op.attr("call-id").unwrap_or_default();
            let owner = op
                .attr("operation_key")
                .and_then(OpKey::parse)
                .map_or_else(String::new, |k| k.resource.to_string());
            let key = (node.to_string(), format!("{owner} {id}"));
            let recorded = format!("{magic} {call}");
            let new = known.is_some_and(|(old, _)| old.get(&key) != Some(&recorded));
            // A last failure is told by the entry of the operation itself, if it is the same one.
            let told = id.contains("_last_failure_")
                && operations.values().any(|r: &String| *r == recorded);
            operations.insert(key, recorded);
            notices.extend(operation(node, op, magic).filter(|_| new && !told));
        }
    }
    let all = attempts(cib);
    let last = all.first().map_or(0, |a| a.completed);
    let before = known.map_or(last, |(_, last)| *last);
    let fresh = all.iter().rev().filter(|a| fencing && a.completed > before);
    notices.extend(fresh.map(|a| {
        let by = a.delegate.unwrap_or("the cluster");
        let outcome = match (a.success, a.reason) {
            (true, _) => "OK".to_string(),
            (false, Some(reason)) => format!("Error ({reason})"),
            (false, None) => "Error".to_string(),
        };
        Notice {
            node: a.target.to_string(),
            resource: None,
            task: "st_notify_fence".into(),
            target_rc: 0,
            rc: i32::from(!a.success),
            status: 0,
            text: format!(
                "Operation {} of {} by {by} for {}@{by}: {outcome}",
                a.action, a.target, a.client
            ),
        }
    }));
    ((operations, last), notices)
}

/// A recorded operation as news: what is under way is none, and neither is that nothing runs where
/// nothing should.
fn operation(node: &str, op: &Element, magic: &str) -> Option<Notice> {
    let (ended, key) = magic.split_once(';')?;
    let (status, rc) = ended.split_once(':')?;
    let (status, rc): (i32, i32) = (status.parse().ok()?, rc.parse().ok()?);
    let target_rc: i32 = key.split(':').nth(2)?.parse().ok()?;
    let name = OpKey::parse(op.attr("operation_key").or(op.id())?)?;
    let text = match status {
        -1 => return None,
        0 if rc == target_rc && rc == 7 => return None,
        0 if rc == target_rc => "OK".to_string(),
        0 => result_text(rc).to_string(),
        other => status_text(other).to_string(),
    };
    Some(Notice {
        node: op.attr("on_node").unwrap_or(node).to_string(),
        resource: Some(name.resource.to_string()),
        task: name.task.to_string(),
        target_rc,
        rc,
        status,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cib(ops: &str, fenced: &str) -> Element {
        crm_core::cib::parse(&format!(
            "<cib><status><node_state uname='n1'><lrm><lrm_resources><lrm_resource id='a'>{ops}\
             </lrm_resource></lrm_resources></lrm></node_state>\
             <fence_history>{fenced}</fence_history></status></cib>"
        ))
        .unwrap()
    }

    fn op(id: &str, key: &str, call: u32, magic: &str) -> String {
        format!(
            "<lrm_rsc_op id='{id}' operation_key='{key}' call-id='{call}' \
             transition-magic='{magic}'/>"
        )
    }

    #[test]
    fn only_what_is_new_and_worth_it_is_told() {
        let probe = op("a_last_0", "a_monitor_0", 1, "0:7;1:1:7:u");
        let (known, first) = news(None, &cib(&probe, ""), true);
        assert!(first.is_empty());
        let start = op("a_last_0", "a_start_0", 2, "0:0;2:1:0:u");
        let failed = op("a_monitor_10000", "a_monitor_10000", 3, "0:7;3:1:0:u");
        let again = op("a_last_failure_0", "a_monitor_10000", 3, "0:7;3:1:0:u");
        let fence = "<fence_event target='n2' action='reboot' delegate='n1' client='c' \
                     status='success' completed='9'/>";
        let (known, told) = news(Some(&known), &cib(&(start + &failed + &again), fence), true);
        let short: Vec<_> =
            told.iter().map(|n| (&*n.node, &*n.task, n.target_rc, n.rc, &*n.text)).collect();
        assert_eq!(
            short,
            [
                ("n1", "start", 0, 0, "OK"),
                ("n1", "monitor", 0, 7, "not running"),
                ("n2", "st_notify_fence", 0, 0, "Operation reboot of n2 by n1 for c@n1: OK"),
            ]
        );
        let pending = op("a_last_0", "a_stop_0", 4, "-1:193;4:2:0:u");
        let (_, told) = news(Some(&known), &cib(&pending, fence), true);
        assert!(told.is_empty(), "{told:?}");
    }
}
