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
    /// The name under which it is recorded, unless a record exists.
    pub id: &'a str,
    /// The name by which it is shown; a record of this name is continued before one of `id`.
    pub shown: &'a str,
    /// The name that its operations bear; that of the record if there is none.
    pub operations: Option<&'a str>,
    /// Its agent.
    pub agent: &'a AgentRef,
}

/// What happens to a node that is not there yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing<'a> {
    /// Whether a node that is not in the section `nodes` is added there, with its name as id: also
    /// a remote node, a guest or the node of a bundle, which is a member from then on.
    pub configure: bool,
    /// The id for a state that has to be made; otherwise it is looked up.
    pub id: Option<&'a str>,
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
        let is_node = |e: &Element| e.name() == "node" && e.attr("uname") == Some(name);
        if missing.configure && !self.cib.descendants().any(is_node) {
            let node = Element::new("node").with("id", name).with("uname", name);
            self.cib.child_or_insert("configuration").child_or_insert("nodes").push(node);
            self.configuration_changed();
        }
        let is_it = |e: &Element| e.name() == "node_state" && e.attr("uname") == Some(name);
        if self.status().position(is_it).is_none() {
            let id = missing.id.map(String::from).or_else(|| self.known_id(name));
            let id = id.ok_or_else(|| UnknownNode(name.to_string()))?;
            self.status().push(Element::new("node_state").with("id", id).with("uname", name));
            self.status_changed();
        }
        self.status().find_child_mut(is_it).ok_or_else(|| UnknownNode(name.to_string()))
    }

    /// The id that goes with a name: of a configured node, of a remote node or a guest that a
    /// resource outside all collectives makes, or of one whose state is all that is left of it.
    fn known_id(&self, name: &str) -> Option<String> {
        let is_it = |value: Option<&str>| value.is_some_and(|v| v.eq_ignore_ascii_case(name));
        let section = |path: [&str; 2], tag| {
            let found = self.cib.at(&path).into_iter();
            found.flat_map(move |section| section.children_named(tag))
        };
        if let Some(node) =
            section(["configuration", "nodes"], "node").find(|node| is_it(node.attr("uname")))
        {
            let is_remote = node.attr("type").is_some_and(|t| t.eq_ignore_ascii_case("remote"));
            return node.attr(if is_remote { "uname" } else { "id" }).map(String::from);
        }
        let guest_of = |primitive: &'_ Element| {
            let sets = primitive.children_named("meta_attributes");
            let mut pairs = sets.flat_map(|set| set.children_named("nvpair"));
            let pair = pairs
                .find(|pair| pair.attr("name") == Some("remote-node") && is_it(pair.attr("value")));
            pair.and_then(|pair| pair.attr("value")).map(String::from)
        };
        for primitive in section(["configuration", "resources"], "primitive") {
            let agent = ["class", "provider", "type"].map(|part| primitive.attr(part));
            if agent == [Some("ocf"), Some("pacemaker"), Some("remote")] && is_it(primitive.id()) {
                return primitive.id().map(String::from);
            }
            if let Some(guest) = guest_of(primitive) {
                return Some(guest);
            }
        }
        let states = self.cib.child("status").into_iter();
        let mut states = states.flat_map(|status| status.children_named("node_state"));
        let state = states.find(|e| e.attr("remote_node") == Some("true") && is_it(e.id()))?;
        state.attr("uname").map(String::from)
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
        // The pair is known by its id: one of the same name under another id stays as it is.
        let id = xml_id(&format!("{}-{name}", set.id().unwrap_or(&node_id)));
        let known = |e: &Element| e.name() == "nvpair" && e.id() == Some(&id);
        let old = set.children().find(|e| known(e)).and_then(|e| e.attr("value"));
        let value = if value == "value++" {
            let count = old.and_then(|v| v.parse::<i64>().ok()).unwrap_or(0);
            count.saturating_add(1).to_string()
        } else {
            value.to_string()
        };
        if set.position(known).is_none() {
            set.push(Element::new("nvpair").with("id", &id));
        }
        if let Some(pair) = set.find_child_mut(known) {
            pair.set_attr("name", name);
            pair.set_attr("value", value);
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
        let (record, ambiguous) = self.record_of(node, missing, subject)?;
        let name = record.id().unwrap_or(subject.id).to_string();
        record_in(record, subject.operations.unwrap_or(&name), ambiguous, outcome);
        self.status_changed();
        Ok(())
    }

    /// The record of a resource on a node, made if there is none; and whether its name stands
    /// there more than once: such a name is not found by those who look it up, so that they count
    /// its calls anew, but what they write goes to the first one all the same.
    ///
    /// # Errors
    /// As [`node_state`](StatusEditor::node_state).
    pub fn record_of(
        &mut self,
        node: &str,
        missing: Missing<'_>,
        subject: Subject<'_>,
    ) -> Result<(&mut Element, bool), UnknownNode> {
        let state = self.node_state(node, missing)?;
        let node_id = state.id().unwrap_or(node).to_string();
        if state.child("lrm").is_none() {
            state.push(Element::new("lrm").with("id", node_id));
        }
        let resources = state.child_or_insert("lrm").child_or_insert("lrm_resources");
        let is_of = |e: &Element, id: &str| e.name() == "lrm_resource" && e.id() == Some(id);
        let count = |id: &str| resources.children().filter(|e| is_of(e, id)).count();
        let name = if count(subject.shown) == 1 { subject.shown } else { subject.id };
        let copies = count(name);
        if copies == 0 {
            resources.push(entry(name, subject.agent));
        }
        let record = resources.find_child_mut(|e| is_of(e, name));
        let record = record.ok_or_else(|| UnknownNode(node.to_string()))?;
        Ok((record, copies > 1))
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
        let subject = Subject { id: "a", shown: "a:0", operations: None, agent: &agent };
        let mut editor = StatusEditor::new(&mut cib);
        for step in [outcome("monitor", 0, 0), outcome("start", 0, 0), outcome("monitor", 10, 7)] {
            editor.record("n1", Missing::default(), subject, &step).unwrap();
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
    fn a_record_of_the_name_that_is_shown_is_continued() {
        let mut cib = parse(CIB).unwrap();
        let agent = AgentRef { class: "ocf".into(), provider: None, kind: "Dummy".into() };
        let mut editor = StatusEditor::new(&mut cib);
        let injected = Subject { id: "a:0", shown: "a:0", operations: None, agent: &agent };
        let done = Subject { id: "a", shown: "a:0", operations: Some("a"), agent: &agent };
        for subject in [injected, done] {
            editor.record("n1", Missing::default(), subject, &outcome("start", 0, 0)).unwrap();
        }
        let history = cib.find_id("a:0").unwrap();
        let ids: Vec<_> = history.children().filter_map(|op| op.id()).collect();
        assert_eq!(ids, ["a:0_last_0", "a_last_0"]);
    }

    #[test]
    fn fail_counts_add_up_and_ids_stay_valid() {
        let mut cib = parse(CIB).unwrap();
        let mut editor = StatusEditor::new(&mut cib);
        let missing = Missing::default();
        for _ in 0..2 {
            editor.set_transient("n1", missing, "fail-count-a#monitor_0", "value++").unwrap();
        }
        let pair = cib.find_id("1-fail-count-a.monitor_0").unwrap();
        assert_eq!(pair.attr("value"), Some("2"));
        let mut cib = parse(
            "<cib><configuration/><status><node_state id='1' uname='n1'><transient_attributes \
             id='1'><instance_attributes id='t'><nvpair id='x' name='fail-count-a' value='4'/>\
             </instance_attributes></transient_attributes></node_state></status></cib>",
        )
        .unwrap();
        let mut editor = StatusEditor::new(&mut cib);
        editor.set_transient("n1", missing, "fail-count-a", "value++").unwrap();
        assert_eq!(cib.find_id("x").unwrap().attr("value"), Some("4"), "known by another id");
        assert_eq!(cib.find_id("t-fail-count-a").unwrap().attr("value"), Some("1"));
    }

    #[test]
    fn unknown_nodes_are_refused_or_configured() {
        let mut cib = parse(CIB).unwrap();
        let mut editor = StatusEditor::new(&mut cib);
        let refused = editor.node_up("n2", Missing::default(), false);
        assert_eq!(refused, Err(UnknownNode("n2".into())));
        editor.node_up("n2", Missing { configure: true, id: None }, false).unwrap();
        assert_eq!((cib.attr("epoch"), cib.attr("num_updates")), (Some("2"), Some("2")));
        assert!(cib.at(&["configuration", "nodes"]).unwrap().find_id("n2").is_some());
    }

    #[test]
    fn remote_nodes_are_known_by_what_makes_them_but_not_configured() {
        let text = "<cib><configuration><nodes/><resources>\
            <primitive id='vm'><meta_attributes id='m'><nvpair id='p' name='remote-node' \
            value='g1'/></meta_attributes></primitive></resources></configuration><status>\
            <node_state id='b-0' uname='b-0' remote_node='true'/></status></cib>";
        for (configure, added) in [(false, false), (true, true)] {
            let mut cib = parse(text).unwrap();
            let mut editor = StatusEditor::new(&mut cib);
            let missing = Missing { configure, id: None };
            for name in ["G1", "b-0"].iter().skip(usize::from(configure)) {
                editor.node_down(name, missing).unwrap();
            }
            assert_eq!(cib.at(&["configuration", "nodes"]).unwrap().children().count() == 1, added);
        }
    }
}
