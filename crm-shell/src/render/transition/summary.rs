//! The Transition Summary: one line for each thing that changes (O-90 to O-97).

use crm_core::cib::Element;
use crm_core::scheduler::model::{
    Action, ActionIx, Cluster, Key, MultipleActive, NodeIx, Role, RscIx, Task, Variant,
};

use crate::render::report::Part;

/// A line about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLine {
    /// `Fence (reboot)`, `Shutdown`.
    pub task: String,
    /// The node; of a guest also its container.
    pub node: String,
    /// Why.
    pub reason: String,
    /// What is done to it.
    pub action: ActionIx,
}

/// A line about a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RscLine {
    /// `Start`, `Stop`, `Move`, ...
    pub verb: &'static str,
    /// The full id.
    pub resource: String,
    /// What stands in the parentheses.
    pub details: String,
    /// What follows them.
    pub suffix: Option<String>,
    /// The action that the line is about, if there is one.
    pub action: Option<ActionIx>,
    /// It is needed and cannot be done now.
    pub blocked: bool,
    /// The same as attributes of an XML element.
    attributes: Vec<(&'static str, String)>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// About a node.
    Node(NodeLine),
    /// About a resource.
    Resource(RscLine),
}

/// All lines, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The lines.
    pub lines: Vec<Line>,
}

/// Sums up what a scheduled cluster will do.
pub fn summary(cluster: &Cluster) -> Summary {
    let mut lines = node_lines(cluster);
    for &rsc in &cluster.top {
        collect(cluster, rsc, &mut lines);
    }
    Summary { lines }
}

impl Summary {
    /// The lines as list items, aligned as O-93 has it.
    pub fn items(&self) -> Vec<Part> {
        let (mut wide, mut deep) = (5, 5);
        for line in &self.lines {
            if let Line::Resource(line) = line {
                if line.resource.len() > wide {
                    wide = line.resource.len() + 2;
                }
                deep = deep.max(line.details.len());
            }
        }
        let text = |line: &Line| match line {
            Line::Node(line) => format!("{} {} '{}'", line.task, line.node, line.reason),
            Line::Resource(line) => {
                let suffix = line.suffix.as_ref().map_or(String::new(), |s| format!("  {s}"));
                let (verb, rsc, details) = (line.verb, &line.resource, &line.details);
                format!("{verb:<8}   {rsc:<wide$}   ( {details:>deep$} ){suffix}")
            }
        };
        self.lines.iter().map(|line| Part::item(text(line))).collect()
    }

    /// The element `actions`.
    pub fn element(&self) -> Element {
        let mut list = Element::new("actions");
        for line in &self.lines {
            list.push(match line {
                Line::Node(line) => Element::new("node_action")
                    .with("task", &line.task)
                    .with("node", &line.node)
                    .with("reason", &line.reason),
                Line::Resource(line) => {
                    let mut element = Element::new("rsc_action")
                        .with("action", line.verb.to_lowercase())
                        .with("resource", &line.resource);
                    for (name, value) in &line.attributes {
                        element.set_attr(name, value);
                    }
                    element
                }
            });
        }
        list
    }
}

fn node_lines(cluster: &Cluster) -> Vec<Line> {
    let line = |ix: ActionIx| {
        let action = &cluster[ix];
        let node = action.node?;
        let task = match &action.key {
            Key::Fence(_, operation) => format!("Fence ({operation})"),
            Key::Shutdown(_) => "Shutdown".to_string(),
            _ => return None,
        };
        let reason = action.reason.as_ref().filter(|_| action.marks.required())?.to_string();
        let node = match cluster.guest_container(node) {
            Some(container) => {
                format!("{} (resource: {})", cluster[node].name, cluster[container].id)
            }
            None => cluster[node].name.to_string(),
        };
        Some(Line::Node(NodeLine { task, node, reason, action: ix }))
    };
    (0..cluster.actions.len()).rev().map(ActionIx::next).filter_map(line).collect()
}

fn collect(cluster: &Cluster, rsc: RscIx, lines: &mut Vec<Line>) {
    match &cluster[rsc].variant {
        Variant::Primitive => {
            let found = Facts::new(cluster, rsc).map(|facts| facts.lines()).unwrap_or_default();
            lines.extend(found.into_iter().map(Line::Resource));
        }
        Variant::Group(_) | Variant::Clone(_) => {
            for &child in &cluster[rsc].children {
                collect(cluster, child, lines);
            }
        }
        Variant::Bundle(bundle) => {
            for replica in &bundle.replicas {
                let parts =
                    [replica.ip, Some(replica.container), replica.connection, replica.child];
                for part in parts.into_iter().flatten() {
                    collect(cluster, part, lines);
                }
            }
        }
    }
}

/// What decides the verb for one primitive (O-96).
struct Facts<'a> {
    cluster: &'a Cluster,
    rsc: RscIx,
    current: Option<NodeIx>,
    next: Option<NodeIx>,
    role: Role,
    next_role: Role,
    start: Option<&'a Action>,
    stop: Option<&'a Action>,
    promote: Option<&'a Action>,
    demote: Option<&'a Action>,
    migrate: Option<&'a Action>,
}

impl<'a> Facts<'a> {
    /// `None` for a resource that has no line whatever happens.
    fn new(cluster: &'a Cluster, rsc: RscIx) -> Option<Facts<'a>> {
        let resource = &cluster[rsc];
        let (current, next) = (cluster.current_node(rsc), resource.assigned);
        if !resource.managed || (current.is_none() && (next.is_none() || resource.orphan)) {
            return None;
        }
        let role = match resource.role {
            Role::Stopped if current.is_some() => Role::Started,
            role => role,
        };
        let on_next = |task: Task| find(cluster, rsc, &task, next);
        let start = on_next(Task::Start);
        let any_stop = || find(cluster, rsc, &Task::Stop, None);
        // What may stay where it is expected is stopped elsewhere.
        let elsewhere = resource.multiple_active == MultipleActive::StopUnexpected
            && resource.active_on.len() > 1;
        let stop = match start {
            Some(start) if start.marks.runnable() => {
                let here = find(cluster, rsc, &Task::Stop, current);
                here.or_else(|| any_stop().filter(|_| elsewhere))
            }
            _ => any_stop(),
        };
        Some(Facts {
            cluster,
            rsc,
            current,
            next,
            role,
            next_role: resource.next_role,
            start,
            stop,
            promote: on_next(Task::Promote),
            demote: on_next(Task::Demote),
            migrate: on_next(Task::MigrateFrom),
        })
    }

    fn lines(&self) -> Vec<RscLine> {
        if self.role == self.next_role {
            self.same_role().into_iter().collect()
        } else {
            self.other_role()
        }
    }

    fn is_moving(&self) -> bool {
        self.current.is_some() && self.next.is_some() && self.current != self.next
    }

    /// A reload is scheduled and was not given up for something stronger.
    fn is_reloading(&self) -> bool {
        find(self.cluster, self.rsc, &Task::Reload, None).is_some_and(|a| a.marks.required())
    }

    fn start_blocked(&self) -> bool {
        self.start.is_some_and(|a| !a.marks.runnable())
    }

    fn same_role(&self) -> Option<RscLine> {
        let (cur, next) = (self.current, self.next);
        let failed = self.cluster[self.rsc].failed;
        if cur.is_some() && self.migrate.is_some_and(|a| a.marks.runnable()) {
            return Some(self.line("Migrate", cur, next, self.start, None));
        }
        if self.is_reloading() {
            return Some(self.line("Reload", cur, next, self.start, None));
        }
        if self.start.is_none_or(|a| a.marks.optional()) {
            let required = |a: Option<&Action>| a.is_some_and(|a| a.marks.required());
            let again = required(self.demote) && required(self.promote);
            return again.then(|| self.line("Re-promote", cur, next, self.promote, self.demote));
        }
        if self.start_blocked() {
            let source = self.stop.filter(|a| a.reason.is_some()).or(self.start);
            return Some(self.line("Stop", cur, None, self.stop, source));
        }
        Some(match (self.is_moving(), failed) {
            (true, true) => self.line("Recover", cur, next, self.stop, None),
            (true, false) => self.line("Move", cur, next, self.stop, None),
            (false, true) => self.line("Recover", cur, None, self.stop, None),
            (false, false) => self.line("Restart", cur, next, self.start, None),
        })
    }

    fn other_role(&self) -> Vec<RscLine> {
        let (cur, next) = (self.current, self.next);
        let resource = &self.cluster[self.rsc];
        if self.stop.is_some() && (self.next_role == Role::Stopped || self.start_blocked()) {
            let line = |node: &NodeIx| {
                let stop = find(self.cluster, self.rsc, &Task::Stop, Some(*node));
                let source = stop.filter(|a| a.reason.is_some()).or(self.start);
                self.line("Stop", Some(*node), None, stop, source)
            };
            return resource.active_on.iter().map(line).collect();
        }
        let line = if self.stop.is_some() && resource.failed && resource.must_stop {
            self.line("Recover", cur, next, self.stop, self.start)
        } else if self.is_moving() {
            self.line("Move", cur, next, self.stop, None)
        } else if self.is_reloading() {
            self.line("Reload", cur, next, self.start, None)
        } else if self.stop.is_some_and(|a| a.marks.required()) {
            self.line("Restart", cur, next, self.start, None)
        } else if self.role == Role::Promoted {
            self.line("Demote", cur, next, self.demote, None)
        } else if self.next_role == Role::Promoted {
            self.line("Promote", cur, next, self.promote, None)
        } else if self.role == Role::Stopped && self.next_role > Role::Stopped {
            self.line("Start", cur, next, self.start, None)
        } else {
            return Vec::new();
        };
        vec![line]
    }

    /// A line; the reason is that of `source`, or else of `action` (O-94, O-95).
    fn line(
        &self,
        verb: &'static str,
        from: Option<NodeIx>,
        to: Option<NodeIx>,
        action: Option<&Action>,
        source: Option<&Action>,
    ) -> RscLine {
        let name = |n: NodeIx| self.cluster[n].name.to_string();
        let (role, next_role) = (self.role.as_str(), self.next_role.as_str());
        let with_role = self.role > Role::Started || self.next_role > Role::Unpromoted;
        let same_role = self.role == self.next_role;
        let owned = str::to_string;
        let (details, mut attributes) = match (from, to) {
            (None, Some(to)) if with_role => (
                format!("{role} -> {next_role} {}", name(to)),
                vec![("role", owned(role)), ("next-role", owned(next_role)), ("dest", name(to))],
            ),
            (None, Some(node)) => (name(node), vec![("node", name(node))]),
            (Some(node), None) if with_role => (
                format!("{role} {}", name(node)),
                vec![("role", owned(role)), ("node", name(node))],
            ),
            (Some(node), None) => (name(node), vec![("node", name(node))]),
            (None, None) => (String::new(), Vec::new()),
            (Some(a), Some(b)) if a == b && same_role && with_role => {
                (format!("{role} {}", name(a)), vec![("role", owned(role)), ("source", name(a))])
            }
            (Some(a), Some(b)) if a == b && same_role => (name(a), vec![("source", name(a))]),
            (Some(a), Some(b)) if same_role && with_role => (
                format!("{} -> {} {role}", name(a), name(b)),
                vec![("source", name(a)), ("dest", name(b)), ("role", owned(role))],
            ),
            (Some(a), Some(b)) if same_role => (
                format!("{} -> {}", name(a), name(b)),
                vec![("source", name(a)), ("dest", name(b))],
            ),
            (Some(a), Some(b)) if a == b => (
                format!("{role} -> {next_role} {}", name(a)),
                vec![("role", owned(role)), ("next-role", owned(next_role)), ("source", name(a))],
            ),
            (Some(a), Some(b)) => (
                format!("{role} {} -> {next_role} {}", name(a), name(b)),
                vec![
                    ("role", owned(role)),
                    ("source", name(a)),
                    ("next-role", owned(next_role)),
                    ("dest", name(b)),
                ],
            ),
        };
        let reason = source.or(action).and_then(|a| a.reason.as_deref());
        let blocked = action.is_some_and(|a| !a.marks.runnable());
        let suffix = match (reason, blocked) {
            (Some(reason), true) => Some(format!("due to {reason} (blocked)")),
            (Some(reason), false) => Some(format!("due to {reason}")),
            (None, true) => Some("blocked".to_string()),
            (None, false) => None,
        };
        attributes.extend(reason.map(|reason| ("reason", reason.to_string())));
        if blocked {
            attributes.push(("blocked", "true".to_string()));
        }
        let resource = self.cluster[self.rsc].id.to_string();
        // What stops because it cannot start again is explained by what holds the start.
        let start = self.start.filter(|_| verb == "Stop" && self.start_blocked());
        let action = start.or(action).or(source).and_then(|a| self.index(a));
        RscLine { verb, resource, details, suffix, action, blocked, attributes }
    }

    fn index(&self, action: &Action) -> Option<ActionIx> {
        let mut all = self.cluster[self.rsc].actions.iter().copied();
        all.find(|&ix| std::ptr::eq(&self.cluster[ix], action))
    }
}

/// The oldest action of the resource with this task, on this node if one is given. Tasks that
/// recur are not asked for.
fn find<'a>(
    cluster: &'a Cluster,
    rsc: RscIx,
    task: &Task,
    node: Option<NodeIx>,
) -> Option<&'a Action> {
    let key = Key::once(task.clone());
    cluster[rsc]
        .actions
        .iter()
        .map(|&ix| &cluster[ix])
        // One without a node is taken for wherever it is looked for.
        .find(|a| a.key == key && (node.is_none() || a.node.is_none() || a.node == node))
}
