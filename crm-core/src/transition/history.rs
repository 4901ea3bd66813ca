//! Changes to the status section as the cluster's own daemons would make them.
//!
//! The simulator and the injections share this: both pretend that something happened and leave
//! behind what would then stand in the CIB (O-30 to O-37, O-56).

use crate::cib::Element;

use super::graph::AgentRef;

/// The feature set under which simulated entries are recorded.
const FEATURE_SET: &str = "3.16.1";
/// Who made a simulated entry.
const ORIGIN: &str = "crm_simulate";
/// Who made the state of a node that was fenced.
const FENCING_ORIGIN: &str = "simulate_fencing_action";
/// The cluster identity in simulated transition keys.
const NOBODY: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

/// A node that neither the status section nor the configuration knows. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Node '{0}' is not known; add it to the configuration, or inject it with --node-up")]
pub struct UnknownNode(pub String);

/// A result to record.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// `start`, `monitor`, ...
    pub task: &'a str,
    /// Milliseconds.
    pub interval_ms: u64,
    /// The exit code.
    pub rc: i32,
    /// The exit code that would be a success.
    pub expected_rc: i32,
    /// What the agent said; recorded if it failed.
    pub exit_reason: &'a str,
    /// Of a notification: `pre` or `post`, and what is announced.
    pub notify: Option<(&'a str, &'a str)>,
    /// Of a migration: source and target.
    pub migration: Option<(&'a str, &'a str)>,
    /// Digest of the parameters, if they are known.
    pub digest: Option<String>,
    /// When, in seconds of the epoch.
    pub time: i64,
}

/// The resource an entry is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The name under which it is recorded.
    pub id: &'a str,
    /// Another name whose record is continued if `id` has none.
    pub other_id: Option<&'a str>,
    /// Its agent.
    pub agent: &'a AgentRef,
}

/// Where the state of a node comes from if it has none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing<'a> {
    /// Look the id up in the configuration.
    FromConfiguration,
    /// Add the node to the configuration, with its name as id, if it is not there.
    Configure,
    /// Use this id.
    Id(&'a str),
}

/// A CIB whose status is being changed.
#[derive(Debug)]
pub struct StatusEditor<'a> {
    cib: &'a mut Element,
}

impl<'a> StatusEditor<'a> {
    /// An editor of `cib`, which is the whole document.
    pub fn new(cib: &'a mut Element) -> StatusEditor<'a> {
        StatusEditor { cib }
    }

    /// The whole document, to change the configuration.
    pub fn cib(&mut self) -> &mut Element {
        self.cib
    }

    /// Notes a change of the configuration in the version numbers (O-33).
    pub fn configuration_changed(&mut self) {
        bump(self.cib, "epoch");
        self.cib.set_attr("num_updates", "0");
    }

    /// Notes a change of the status in the version numbers.
    pub fn status_changed(&mut self) {
        bump(self.cib, "num_updates");
    }

    /// The section `status`.
    pub fn status(&mut self) -> &mut Element {
        self.cib.child_or_insert("status")
    }

    /// The entry of the node `name`, made if it has none (O-32).
    ///
    /// # Errors
    /// The name is unknown; the document is unchanged.
    pub fn node_state(
        &mut self,
        name: &str,
        missing: Missing<'_>,
    ) -> Result<&mut Element, UnknownNode> {
        if missing == Missing::Configure && self.configured_id(name).is_none() {
            let node = Element::new("node").with("id", name).with("uname", name);
            self.cib.child_or_insert("configuration").child_or_insert("nodes").push(node);
            self.configuration_changed();
        }
        let is_it = |e: &Element| e.name() == "node_state" && e.attr("uname") == Some(name);
        if self.status().position(is_it).is_none() {
            let id = match missing {
                Missing::Id(id) => id.to_string(),
                Missing::FromConfiguration | Missing::Configure => {
                    self.configured_id(name).ok_or_else(|| UnknownNode(name.to_string()))?
                }
            };
            self.status().push(Element::new("node_state").with("id", id).with("uname", name));
            self.status_changed();
        }
        self.status().find_child_mut(is_it).ok_or_else(|| UnknownNode(name.to_string()))
    }

    fn configured_id(&self, name: &str) -> Option<String> {
        let nodes = self.cib.at(&["configuration", "nodes"]);
        let mut nodes = nodes.into_iter().flat_map(|nodes| nodes.children_named("node"));
        if let Some(node) = nodes.find(|n| n.attr("uname") == Some(name)) {
            return node.id().map(String::from);
        }
        // Remote nodes and guests are identified by their names.
        let is_remote = |e: &Element| match e.name() {
            "primitive" => e.id() == Some(name) && e.attr("type") == Some("remote"),
            "nvpair" => e.attr("name") == Some("remote-node") && e.attr("value") == Some(name),
            _ => false,
        };
        let resources = self.cib.at(&["configuration", "resources"])?;
        resources.descendants().any(is_remote).then(|| name.to_string())
    }

    /// Marks the node as a member (O-30). With `fail`, its membership is lost all the same.
    ///
    /// # Errors
    /// As [`node_state`](StatusEditor::node_state).
    pub fn node_up(
        &mut self,
        name: &str,
        missing: Missing<'_>,
        fail: bool,
    ) -> Result<(), UnknownNode> {
        let values = [
            ("in_ccm", if fail { "false" } else { "true" }),
            ("crmd", "online"),
            ("join", "member"),
            ("expected", "member"),
            ("crm-debug-origin", ORIGIN),
        ];
        if set_all(self.node_state(name, missing)?, &values) {
            self.status_changed();
        }
        Ok(())
    }

    /// Marks the node as gone and forgets its history and transient attributes (O-30, O-52).
    ///
    /// # Errors
    /// As [`node_state`](StatusEditor::node_state).
    pub fn node_down(&mut self, name: &str, missing: Missing<'_>) -> Result<(), UnknownNode> {
        self.gone(name, missing, ORIGIN, false)
    }

    /// As [`node_down`](StatusEditor::node_down), by fencing.
    ///
    /// # Errors
    /// As [`node_state`](StatusEditor::node_state).
    pub fn node_fenced(&mut self, name: &str, missing: Missing<'_>) -> Result<(), UnknownNode> {
        self.gone(name, missing, FENCING_ORIGIN, true)
    }

    /// `replaced`: the whole entry is written anew, which counts even if nothing is different.
    fn gone(
        &mut self,
        name: &str,
        missing: Missing<'_>,
        origin: &str,
        replaced: bool,
    ) -> Result<(), UnknownNode> {
        let state = self.node_state(name, missing)?;
        let values = [
            ("in_ccm", "false"),
            ("crmd", "offline"),
            ("join", "down"),
            ("expected", "down"),
            ("crm-debug-origin", origin),
        ];
        let mut changes = usize::from(set_all(state, &values) || replaced);
        for section in ["lrm", "transient_attributes"] {
            changes += usize::from(state.child(section).is_some());
            state.retain(|e| e.name() != section);
        }
        for _ in 0..changes {
            self.status_changed();
        }
        Ok(())
    }

    /// Sets a transient attribute; the value `value++` is resolved as on a live cluster (O-36).
    /// It is part of the change that records the result which it belongs to.
    ///
    /// # Errors
    /// As [`node_state`](StatusEditor::node_state).
    pub fn set_transient(
        &mut self,
        node: &str,
        missing: Missing<'_>,
        name: &str,
        value: &str,
    ) -> Result<(), UnknownNode> {
        let state = self.node_state(node, missing)?;
        let node_id = state.id().unwrap_or(node).to_string();
        if state.child("transient_attributes").is_none() {
            state.push(Element::new("transient_attributes").with("id", &node_id));
        }
        let section = state.child_or_insert("transient_attributes");
        if section.child("instance_attributes").is_none() {
            section.push(Element::new("instance_attributes").with("id", &node_id));
        }
        let set = section.child_or_insert("instance_attributes");
        let set_id = set.id().unwrap_or(&node_id).to_string();
        let known = |e: &Element| e.name() == "nvpair" && e.attr("name") == Some(name);
        let old = set.children().find(|e| known(e)).and_then(|e| e.attr("value"));
        let value = if value == "value++" {
            let count = old.and_then(|v| v.parse::<i64>().ok()).unwrap_or(0);
            count.saturating_add(1).to_string()
        } else {
            value.to_string()
        };
        if let Some(pair) = set.find_child_mut(known) {
            pair.set_attr("value", value);
        } else {
            let id = xml_id(&format!("{set_id}-{name}"));
            set.push(Element::new("nvpair").with("id", id).with("name", name).with("value", value));
        }
        Ok(())
    }

    /// Records `outcome` in the history of the node (O-37, O-53, O-56).
    ///
    /// # Errors
    /// As [`node_state`](StatusEditor::node_state).
    pub fn record(
        &mut self,
        node: &str,
        missing: Missing<'_>,
        subject: Subject<'_>,
        outcome: &Outcome<'_>,
    ) -> Result<(), UnknownNode> {
        let state = self.node_state(node, missing)?;
        let node_id = state.id().unwrap_or(node).to_string();
        if state.child("lrm").is_none() {
            state.push(Element::new("lrm").with("id", node_id));
        }
        let resources = state.child_or_insert("lrm").child_or_insert("lrm_resources");
        let has = |resources: &Element, id: &str| {
            resources.position(|e| e.name() == "lrm_resource" && e.id() == Some(id))
        };
        let name = match subject.other_id {
            Some(other) if has(resources, subject.id).is_none() => {
                if has(resources, other).is_some() { other } else { subject.id }
            }
            Some(_) | None => subject.id,
        };
        if has(resources, name).is_none() {
            resources.push(entry(name, subject.agent));
        }
        let is_it = |e: &Element| e.name() == "lrm_resource" && e.id() == Some(name);
        // A name that stands there twice is not found by those who look it up: they count its
        // calls anew. What they write goes to the first one all the same.
        let ambiguous = resources.children().filter(|e| is_it(e)).count() > 1;
        if let Some(record) = resources.find_child_mut(is_it) {
            record_in(record, name, ambiguous, outcome);
        }
        self.status_changed();
        Ok(())
    }
}

fn entry(id: &str, agent: &AgentRef) -> Element {
    let mut entry = Element::new("lrm_resource").with("id", id).with("class", &agent.class);
    if let Some(provider) = &agent.provider {
        entry.set_attr("provider", provider);
    }
    entry.set_attr("type", &agent.kind);
    entry
}

fn record_in(record: &mut Element, name: &str, anew: bool, outcome: &Outcome<'_>) {
    let call_id = 1 + record
        .children_named("lrm_rsc_op")
        .filter(|_| !anew)
        .filter_map(|op| op.attr("call-id")?.parse::<i64>().ok())
        .max()
        .unwrap_or(0)
        .max(0);
    let (rc, expected) =
        if outcome.notify.is_some() { (0, 0) } else { (outcome.rc, outcome.expected_rc) };
    let interval = outcome.interval_ms;
    let task = match outcome.task {
        "reload" | "reload-agent" => "start",
        other => other,
    };
    let last = format!("{name}_last_0");
    let ids = match (outcome.notify, task) {
        (Some((kind, announced)), _) => vec![format!("{name}_{kind}_notify_{announced}_0")],
        (None, "migrate_to" | "migrate_from") => vec![format!("{name}_{task}_0")],
        (None, _) if rc != expected && interval == 0 => {
            vec![format!("{name}_last_failure_0"), last]
        }
        (None, _) if rc != expected => vec![format!("{name}_last_failure_0")],
        (None, _) if interval > 0 => vec![format!("{name}_{task}_{interval}")],
        (None, _) => vec![last],
    };
    let key = format!("{call_id}:-1:{expected}:{NOBODY}");
    let failed = ids[0].ends_with("_last_failure_0");
    let mut values = vec![
        ("operation_key", format!("{name}_{task}_{interval}")),
        ("operation", task.to_string()),
        ("crm-debug-origin", ORIGIN.to_string()),
        ("crm_feature_set", FEATURE_SET.to_string()),
        ("transition-key", key.clone()),
        ("transition-magic", format!("0:{rc};{key}")),
        ("exit-reason", if failed { outcome.exit_reason } else { "" }.to_string()),
        ("call-id", call_id.to_string()),
        ("rc-code", rc.to_string()),
        ("op-status", "0".to_string()),
        ("interval", interval.to_string()),
        ("last-rc-change", outcome.time.to_string()),
        ("exec-time", "0".to_string()),
        ("queue-time", "0".to_string()),
    ];
    if let Some((source, target)) = outcome.migration {
        values.push(("migrate_source", source.to_string()));
        values.push(("migrate_target", target.to_string()));
    }
    if let Some(digest) = &outcome.digest {
        values.push(("op-digest", digest.clone()));
    }
    for id in ids {
        let same = |e: &Element| e.name() == "lrm_rsc_op" && e.id() == Some(&id);
        if record.position(same).is_none() {
            record.push(Element::new("lrm_rsc_op").with("id", &id));
        }
        if let Some(op) = record.find_child_mut(same) {
            for (attribute, value) in &values {
                op.set_attr(attribute, value);
            }
        }
    }
}

/// Sets attributes; whether that changed anything.
fn set_all(element: &mut Element, values: &[(&str, &str)]) -> bool {
    let new = |(name, value): &&(&str, &str)| element.attr(name) != Some(value);
    let changes: Vec<_> = values.iter().filter(new).collect();
    for (name, value) in &changes {
        element.set_attr(name, *value);
    }
    !changes.is_empty()
}

fn bump(cib: &mut Element, counter: &str) {
    let old = cib.attr(counter).and_then(|v| v.parse::<i64>().ok()).unwrap_or(0);
    cib.set_attr(counter, old.saturating_add(1).to_string());
}

/// `text` with everything replaced by dots that an XML id must not have.
fn xml_id(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '.' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{AgentRef, Missing, Outcome, StatusEditor, Subject, UnknownNode};
    use crate::cib::parse;

    const CIB: &str = "<cib epoch='1' num_updates='2'><configuration><nodes>\
        <node id='1' uname='n1'/></nodes></configuration><status/></cib>";

    fn outcome(task: &str, interval_ms: u64, rc: i32) -> Outcome<'_> {
        Outcome {
            task,
            interval_ms,
            rc,
            expected_rc: 0,
            exit_reason: "",
            notify: None,
            migration: None,
            digest: None,
            time: 100,
        }
    }

    #[test]
    fn records_of_one_resource_count_their_calls_and_overwrite_in_place() {
        let mut cib = parse(CIB).unwrap();
        let agent = AgentRef { class: "ocf".into(), provider: None, kind: "Dummy".into() };
        let subject = Subject { id: "a", other_id: Some("a:0"), agent: &agent };
        let mut editor = StatusEditor::new(&mut cib);
        for step in [outcome("monitor", 0, 0), outcome("start", 0, 0), outcome("monitor", 10, 7)] {
            editor.record("n1", Missing::FromConfiguration, subject, &step).unwrap();
        }
        let history = cib.find_id("a").unwrap();
        let ops: Vec<_> = history
            .children()
            .map(|o| (o.id().unwrap(), o.attr("operation").unwrap(), o.attr("call-id").unwrap()))
            .collect();
        assert_eq!(ops, [("a_last_0", "start", "2"), ("a_last_failure_0", "monitor", "3")]);
        assert_eq!(cib.attr("num_updates"), Some("6"));
    }

    #[test]
    fn fail_counts_add_up_and_ids_stay_valid() {
        let mut cib = parse(CIB).unwrap();
        let mut editor = StatusEditor::new(&mut cib);
        let missing = Missing::FromConfiguration;
        for _ in 0..2 {
            editor.set_transient("n1", missing, "fail-count-a#monitor_0", "value++").unwrap();
        }
        let pair = cib.find_id("1-fail-count-a.monitor_0").unwrap();
        assert_eq!(pair.attr("value"), Some("2"));
    }

    #[test]
    fn unknown_nodes_are_refused_or_configured() {
        let mut cib = parse(CIB).unwrap();
        let mut editor = StatusEditor::new(&mut cib);
        let refused = editor.node_up("n2", Missing::FromConfiguration, false);
        assert_eq!(refused, Err(UnknownNode("n2".into())));
        editor.node_up("n2", Missing::Configure, false).unwrap();
        assert_eq!((cib.attr("epoch"), cib.attr("num_updates")), (Some("2"), Some("2")));
        assert!(cib.at(&["configuration", "nodes"]).unwrap().find_id("n2").is_some());
    }
}
