//! Events that a user asks to pretend before scheduling: nodes coming and going, tickets, results.

use crate::cib::Element;

use super::graph::AgentRef;
use super::history::{Missing, Outcome, StatusEditor, Subject, UnknownNode};
use super::opspec::OpSpec;

/// What to pretend (O-29).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injections {
    /// Value of `have-quorum`.
    pub quorum: Option<String>,
    /// Value of the cluster option `have-watchdog`.
    pub watchdog: Option<String>,
    /// Nodes that come up.
    pub nodes_up: Vec<String>,
    /// Nodes that leave cleanly.
    pub nodes_down: Vec<String>,
    /// Nodes that fail.
    pub nodes_fail: Vec<String>,
    /// Tickets that are granted.
    pub tickets_grant: Vec<String>,
    /// Tickets that are revoked.
    pub tickets_revoke: Vec<String>,
    /// Tickets that go to standby.
    pub tickets_standby: Vec<String>,
    /// Tickets that become active.
    pub tickets_activate: Vec<String>,
    /// Results of operations, as `RSC_TASK_MS@NODE=RC`.
    pub operations: Vec<String>,
}

impl Injections {
    /// Whether anything is to be done. The quorum alone does not count (O-38).
    pub fn any(&self) -> bool {
        self.watchdog.is_some()
            || [
                &self.nodes_up,
                &self.nodes_down,
                &self.nodes_fail,
                &self.tickets_grant,
                &self.tickets_revoke,
                &self.tickets_standby,
                &self.tickets_activate,
                &self.operations,
            ]
            .iter()
            .any(|list| !list.is_empty())
    }

    /// Where states of unknown nodes come from: `--node-up` makes them welcome (O-32).
    pub fn missing(&self) -> Missing<'static> {
        Missing { configure: !self.nodes_up.is_empty(), id: None }
    }
}

/// What was done, for the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The quorum was set.
    Quorum(String),
    /// The watchdog was set.
    Watchdog(String),
    /// A node changed.
    Node(NodeChange, String),
    /// A ticket changed.
    Ticket(TicketChange, String),
    /// The result of an operation is being injected.
    Operation(String),
    /// A transient attribute was set.
    Attribute(AttributeChange),
    /// A specification was skipped, and why.
    Refused(String),
}

/// How a node changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeChange {
    /// It came up.
    Online,
    /// It left.
    Offline,
    /// It failed.
    Failing,
}

/// How a ticket changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketChange {
    /// `granted="true"`.
    Granting,
    /// `granted="false"`.
    Revoking,
    /// `standby="true"`.
    Standby,
    /// `standby="false"`.
    Activating,
}

/// A transient attribute that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeChange {
    /// Its name.
    pub name: String,
    /// Its value as it was asked for.
    pub value: String,
    /// The id of the node.
    pub node_id: String,
}

/// Applies `injections` to the document `cib`, in the order of O-29. `agent_of` knows the agents
/// of the configured resources; `time` is the wall clock in seconds of the epoch.
///
/// # Errors
/// A node that nobody knows. What came before it has been applied.
pub fn inject(
    cib: &mut Element,
    injections: &Injections,
    agent_of: &dyn Fn(&str) -> Option<AgentRef>,
    time: i64,
) -> Result<Vec<Change>, UnknownNode> {
    let mut changes = Vec::new();
    let missing = injections.missing();
    let mut editor = StatusEditor::new(cib);
    if let Some(value) = &injections.quorum {
        changes.push(Change::Quorum(value.clone()));
        if editor.cib().attr("have-quorum") != Some(value) {
            editor.cib().set_attr("have-quorum", value);
            editor.status_changed();
        }
    }
    if let Some(value) = &injections.watchdog {
        changes.push(Change::Watchdog(value.clone()));
        set_watchdog(&mut editor, value);
    }
    for name in &injections.nodes_up {
        changes.push(Change::Node(NodeChange::Online, name.clone()));
        editor.node_up(name, missing, false)?;
    }
    for name in &injections.nodes_down {
        changes.push(Change::Node(NodeChange::Offline, name.clone()));
        editor.node_down(name, missing)?;
    }
    for name in &injections.nodes_fail {
        changes.push(Change::Node(NodeChange::Failing, name.clone()));
        editor.node_up(name, missing, true)?;
    }
    let tickets = [
        (TicketChange::Granting, &injections.tickets_grant),
        (TicketChange::Revoking, &injections.tickets_revoke),
        (TicketChange::Standby, &injections.tickets_standby),
        (TicketChange::Activating, &injections.tickets_activate),
    ];
    for (change, names) in tickets {
        for name in names {
            changes.push(Change::Ticket(change, name.clone()));
            set_ticket(&mut editor, change, name);
        }
    }
    for spec in &injections.operations {
        changes.push(Change::Operation(spec.clone()));
        inject_operation(&mut editor, spec, missing, agent_of, time, &mut changes)?;
    }
    Ok(changes)
}

fn set_watchdog(editor: &mut StatusEditor<'_>, value: &str) {
    let options = editor.cib().child_or_insert("configuration").child_or_insert("crm_config");
    let is_it = |e: &Element| e.name() == "nvpair" && e.attr("name") == Some("have-watchdog");
    let found = options.children_mut().find_map(|set| set.find_child_mut(is_it));
    if let Some(pair) = found {
        if pair.attr("value") == Some(value) {
            return;
        }
        pair.set_attr("value", value);
    } else {
        if options.child("cluster_property_set").is_none() {
            options.push(Element::new("cluster_property_set").with("id", "cib-bootstrap-options"));
        }
        let set = options.child_or_insert("cluster_property_set");
        let id = format!("{}-have-watchdog", set.id().unwrap_or("cib-bootstrap-options"));
        set.push(
            Element::new("nvpair")
                .with("id", id)
                .with("name", "have-watchdog")
                .with("value", value),
        );
    }
    editor.configuration_changed();
}

fn set_ticket(editor: &mut StatusEditor<'_>, change: TicketChange, name: &str) {
    let tickets = editor.status().child_or_insert("tickets");
    let is_it = |e: &Element| e.name() == "ticket_state" && e.id() == Some(name);
    if tickets.position(is_it).is_none() {
        tickets.push(Element::new("ticket_state").with("id", name));
    }
    if let Some(state) = tickets.find_child_mut(is_it) {
        let (attribute, value) = match change {
            TicketChange::Granting => ("granted", "true"),
            TicketChange::Revoking => ("granted", "false"),
            TicketChange::Standby => ("standby", "true"),
            TicketChange::Activating => ("standby", "false"),
        };
        if state.attr(attribute) == Some(value) {
            return;
        }
        state.set_attr(attribute, value);
    }
    editor.status_changed();
}

fn inject_operation(
    editor: &mut StatusEditor<'_>,
    text: &str,
    missing: Missing<'_>,
    agent_of: &dyn Fn(&str) -> Option<AgentRef>,
    time: i64,
    changes: &mut Vec<Change>,
) -> Result<(), UnknownNode> {
    let spec = match OpSpec::parse(text) {
        Ok(spec) => spec,
        Err(fields) => {
            let message = format!("Invalid operation spec: {text}.  Only found {fields} fields");
            changes.push(Change::Refused(message));
            return Ok(());
        }
    };
    let key = spec.key;
    let Some(agent) = agent_of(key.resource) else {
        changes.push(Change::Refused(format!("Invalid resource name: {}", key.resource)));
        return Ok(());
    };
    count_failure(editor, spec, key.resource, missing, time, changes)?;
    let outcome = Outcome {
        task: key.task,
        interval_ms: key.interval_ms,
        rc: spec.rc,
        expected_rc: 0,
        exit_reason: "Simulated action result",
        notify: key.notify.map(|kind| (kind, key.task)),
        migration: None,
        digest: None,
        time,
    };
    let subject =
        Subject { id: key.resource, shown: key.resource, operations: None, agent: &agent };
    editor.record(spec.node, missing, subject, &outcome)
}

/// Counts a failure of `resource` as the attribute manager would, unless the result is no failure
/// (O-36).
///
/// # Errors
/// The node is unknown; nothing was changed.
pub(super) fn count_failure(
    editor: &mut StatusEditor<'_>,
    spec: OpSpec<'_>,
    resource: &str,
    missing: Missing<'_>,
    time: i64,
    changes: &mut Vec<Change>,
) -> Result<(), UnknownNode> {
    let key = spec.key;
    if spec.rc == 0 || (spec.rc == 7 && key.interval_ms == 0) {
        return Ok(());
    }
    let state = editor.node_state(spec.node, missing)?;
    let node_id = state.id().unwrap_or(spec.node).to_string();
    let suffix = format!("{resource}#{}_{}", key.task, key.interval_ms);
    let attributes = [
        (format!("fail-count-{suffix}"), "value++".to_string()),
        (format!("last-failure-{suffix}"), time.to_string()),
    ];
    for (name, value) in attributes {
        editor.set_transient(spec.node, missing, &name, &value)?;
        changes.push(Change::Attribute(AttributeChange { name, value, node_id: node_id.clone() }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{AgentRef, Change, Injections, inject};
    use crate::cib::parse;

    const CIB: &str = "<cib><configuration><crm_config/><nodes><node id='1' uname='n1'/></nodes>\
        </configuration><status/></cib>";

    fn agent_of(id: &str) -> Option<AgentRef> {
        (id == "a").then(|| AgentRef { class: "ocf".into(), provider: None, kind: "x".into() })
    }

    #[test]
    fn quorum_alone_is_nothing_to_inject() {
        let mut injections = Injections { quorum: Some("0".into()), ..Injections::default() };
        assert!(!injections.any());
        injections.tickets_grant.push("t".into());
        assert!(injections.any());
    }

    #[test]
    fn failures_leave_a_count_a_time_and_an_entry() {
        let mut cib = parse(CIB).unwrap();
        let injections = Injections {
            operations: vec!["a_monitor_10@n1=1".into(), "b_start_0@n1=1".into()],
            ..Injections::default()
        };
        let changes = inject(&mut cib, &injections, &agent_of, 77).unwrap();
        assert_eq!(changes.len(), 5);
        assert_eq!(changes[4], Change::Refused("Invalid resource name: b".into()));
        assert_eq!(cib.find_id("1-last-failure-a.monitor_10").unwrap().attr("value"), Some("77"));
        assert_eq!(cib.find_id("a_last_failure_0").unwrap().attr("rc-code"), Some("1"));
    }

    #[test]
    fn watchdog_and_tickets_make_what_is_missing() {
        let mut cib = parse(CIB).unwrap();
        let injections = Injections {
            watchdog: Some("true".into()),
            tickets_revoke: vec!["t".into()],
            ..Injections::default()
        };
        inject(&mut cib, &injections, &agent_of, 0).unwrap();
        let option = cib.find_id("cib-bootstrap-options-have-watchdog").unwrap();
        assert_eq!(option.attr("value"), Some("true"));
        assert_eq!(cib.find_id("t").unwrap().attr("granted"), Some("false"));
    }
}
