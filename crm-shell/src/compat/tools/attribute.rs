//! `crm_attribute` and its wrappers, and `attrd_updater` (O-180 to O-188).

use std::process::ExitCode;

use crm_core::cib::{Element, attributes};
use crm_messaging::proto::AttributeUpdate;

use super::super::exit::Exit;
use super::super::options::{COMMON, Group, Value, opt};
use super::{Done, Failure, IGNORED, Run, Tool, usage};

const COMMANDS: Group = Group {
    title: "Commands and Options",
    options: &[
        opt('G', "query", Value::None, "Show the value"),
        opt('v', "update", Value::Required("VALUE"), "Set the value"),
        opt('D', "delete", Value::None, "Delete the attribute"),
        opt('n', "name", Value::Required("NAME"), "The attribute"),
        opt('d', "default", Value::Required("VALUE"), "What to show where there is none"),
        opt('N', "node", Value::Required("NODE"), "The node (default: this one)"),
        opt('U', "uname", Value::Required("NODE"), ""),
        opt('l', "lifetime", Value::Required("forever|reboot"), "Until when the value holds"),
        opt('t', "type", Value::Required("SECTION"), "Part of the CIB"),
        opt('s', "set-name", Value::Required("ID"), "The attribute set"),
        opt('i', "id", Value::Required("ID"), "The id of the attribute"),
        opt('z', "utilization", Value::None, "A utilization attribute"),
        opt('p', "promotion", Value::Optional("RSC"), "The promotion score of a resource"),
        opt('r', "resource", Value::Required("RSC"), "The resource"),
        opt('!', "inhibit-policy-engine", IGNORED, ""),
        opt('q', "quiet", Value::None, "Show only the value"),
    ],
};

const CRM_ATTRIBUTE: Tool = Tool {
    name: "crm_attribute",
    purpose: "Query or change node attributes and cluster options",
    groups: &[COMMANDS, COMMON],
    body: |run| {
        let target = Target::of(run)?;
        target.work(run, None)
    },
};

/// Runs `crm_attribute`.
pub fn crm_attribute(arguments: &[String]) -> ExitCode {
    CRM_ATTRIBUTE.main(arguments)
}

const CRM_STANDBY: Tool = Tool {
    name: "crm_standby",
    purpose: "Query or change whether a node may run resources",
    groups: &[COMMANDS, COMMON],
    body: |run| {
        let node = run.node()?;
        let transient = run.options.last("lifetime") == Some("reboot");
        Target::node(node, "standby".into(), transient).work(run, Some("off"))
    },
};

/// Runs `crm_standby`.
pub fn crm_standby(arguments: &[String]) -> ExitCode {
    CRM_STANDBY.main(arguments)
}

const CRM_MASTER: Tool = Tool {
    name: "crm_master",
    purpose: "Query or change the promotion score of a resource",
    groups: &[COMMANDS, COMMON],
    body: |run| {
        let name = promotion_name(run.options.last("resource"))
            .ok_or_else(|| usage("crm_master", "Must supply a resource id with -r"))?;
        let node = run.node()?;
        let transient = run.options.last("lifetime").is_some_and(|l| l == "reboot");
        Target::node(node, name, transient).work(run, None)
    },
};

/// Runs `crm_master`.
pub fn crm_master(arguments: &[String]) -> ExitCode {
    CRM_MASTER.main(arguments)
}

/// The attribute of a promotion score: the instance number does not belong to it.
fn promotion_name(given: Option<&str>) -> Option<String> {
    let from_agent = || std::env::var("OCF_RESOURCE_INSTANCE").ok();
    let resource = given.map(str::to_string).or_else(from_agent)?;
    let base = resource.split(':').next().unwrap_or(&resource);
    Some(format!("master-{base}"))
}

/// Where an attribute lives.
struct Target {
    scope: String,
    name: Option<String>,
    place: Place,
}

enum Place {
    /// `crm_config`, `rsc_defaults`, `op_defaults`.
    Section {
        path: &'static str,
        set_tag: &'static str,
        default_set: &'static str,
    },
    Node {
        node: String,
        transient: bool,
        utilization: bool,
    },
}

impl Target {
    fn node(node: String, name: String, transient: bool) -> Target {
        let scope = if transient { "status" } else { "nodes" }.into();
        Target {
            scope,
            name: Some(name),
            place: Place::Node { node, transient, utilization: false },
        }
    }

    fn of(run: &mut Run<'_>) -> Result<Target, Failure> {
        let name = match run.options.has("promotion") {
            true => promotion_name(run.options.last("promotion")),
            false => run.options.last("name").map(str::to_string),
        };
        let section = |path, set_tag, default_set| Place::Section { path, set_tag, default_set };
        let of_node = run.options.has("node")
            || run.options.has("uname")
            || run.options.has("lifetime")
            || run.options.has("promotion")
            || run.options.has("utilization");
        let kind = run.options.last("type").map(str::to_string);
        let transient = run.options.last("lifetime") == Some("reboot")
            || (run.options.has("promotion") && !run.options.has("lifetime"))
            || kind.as_deref() == Some("status");
        let (scope, place) = match kind.as_deref() {
            Some("rsc_defaults") => {
                ("rsc_defaults", section("rsc_defaults", "meta_attributes", "rsc-options"))
            }
            Some("op_defaults") => {
                ("op_defaults", section("op_defaults", "meta_attributes", "op-options"))
            }
            Some("crm_config") => ("crm_config", CRM_CONFIG),
            None if !of_node => ("crm_config", CRM_CONFIG),
            Some("nodes" | "status") | None => {
                let node = match run.options.last("uname").map(str::to_string) {
                    Some(node) => node,
                    None => run.node()?,
                };
                let utilization = run.options.has("utilization");
                (
                    if transient { "status" } else { "nodes" },
                    Place::Node { node, transient, utilization },
                )
            }
            Some(other) => return Err(usage(run.name, &format!("Invalid section '{other}'"))),
        };
        Ok(Target { scope: scope.into(), name, place })
    }

    fn work(&self, run: &mut Run<'_>, default: Option<&str>) -> Done {
        let update = run.options.last("update").map(str::to_string);
        match (update, run.options.has("delete")) {
            (Some(value), _) => self.change(run, Some(&value)),
            (None, true) => self.change(run, None),
            (None, false) => self.query(run, default),
        }
    }

    fn required_name(&self, run: &Run<'_>) -> Result<&str, Failure> {
        self.name
            .as_deref()
            .ok_or_else(|| usage(run.name, "must specify attribute name or pattern to change"))
    }

    fn check_node(&self, run: &Run<'_>, cib: &Element) -> Result<(), Failure> {
        match &self.place {
            Place::Node { node, .. } if attributes::node_id(cib, node).is_none() => {
                Err(Failure::new(
                    Exit::NO_SUCH,
                    format!("{}: Could not map name={node} to a UUID", run.name),
                ))
            }
            Place::Node { .. } | Place::Section { .. } => Ok(()),
        }
    }

    /// The sets that hold attributes of this kind.
    fn sets<'a>(&'a self, cib: &'a Element) -> Vec<&'a Element> {
        let of = |owner: Option<&'a Element>, tag: &'a str| {
            owner.into_iter().flat_map(move |o| o.children_named(tag)).collect()
        };
        match &self.place {
            Place::Section { path, set_tag, .. } => of(cib.at(&["configuration", path]), set_tag),
            Place::Node { node, transient, utilization } => {
                let named = |n: &&Element| n.attr("uname") == Some(node) || n.id() == Some(node);
                let tag = if *utilization { "utilization" } else { "instance_attributes" };
                let id = attributes::node_id(cib, node);
                if *transient {
                    let state = cib
                        .child("status")
                        .and_then(|s| s.children().find(|n| named(n) || n.id() == id.as_deref()));
                    of(state.and_then(|s| s.child("transient_attributes")), tag)
                } else {
                    let nodes = cib.at(&["configuration", "nodes"]);
                    of(nodes.and_then(|n| n.children().find(named)), tag)
                }
            }
        }
    }

    fn query(&self, run: &mut Run<'_>, default: Option<&str>) -> Done {
        let cib = run.access.cib()?;
        self.check_node(run, &cib)?;
        let pairs = self.sets(&cib).into_iter().flat_map(Element::children);
        let found: Vec<(String, String)> = pairs
            .filter(|p| self.name.as_deref().is_none_or(|n| p.attr("name") == Some(n)))
            .filter_map(|p| Some((p.attr("name")?.to_string(), p.attr("value")?.to_string())))
            .collect();
        let default = run.options.last("default").or(default).map(str::to_string);
        let found = match (found.is_empty(), &self.name, default) {
            (false, _, _) => found,
            (true, Some(name), Some(value)) => vec![(name.clone(), value)],
            (true, _, _) => {
                let text =
                    format!("{}: Error performing operation: No such device or address", run.name);
                return Err(Failure::new(Exit::NO_SUCH, text));
            }
        };
        let quiet = run.quiet();
        for (name, value) in found {
            let line = format!("scope={}  name={name} value={value}", self.scope);
            run.say(if quiet { &value } else { &line });
        }
        Ok(Exit::OK)
    }

    fn change(&self, run: &mut Run<'_>, value: Option<&str>) -> Done {
        let name = self.required_name(run)?.to_string();
        let cib = run.access.cib()?;
        self.check_node(run, &cib)?;
        let pair = self
            .sets(&cib)
            .into_iter()
            .flat_map(Element::children)
            .find(|p| p.attr("name") == Some(&name));
        let old = pair.map(|p| {
            (
                p.id().unwrap_or_default().to_string(),
                p.attr("value").unwrap_or_default().to_string(),
            )
        });
        let value = value.map(|v| arithmetic(v, old.as_ref().map(|(_, o)| o.as_str())));
        if value.is_none() && old.is_none() {
            return Ok(Exit::OK);
        }
        let set = run.options.last("set-name").unwrap_or_default().to_string();
        match &self.place {
            Place::Node { node, transient, utilization: false } => {
                let update = AttributeUpdate {
                    node: node.clone(),
                    name: name.clone(),
                    value: value.clone(),
                    transient: *transient,
                    set,
                    delta: None,
                };
                run.access.update_attribute(&update)?;
            }
            Place::Node { .. } | Place::Section { .. } => {
                self.commit(run, &cib, &name, value.as_deref(), &set)?;
            }
        }
        if let (None, Some((id, _))) = (&value, &old)
            && !run.quiet()
        {
            let scope = if self.scope == "crm_config" {
                "crm_config option"
            } else {
                &format!("{} attribute", self.scope)
            };
            run.say(&format!("Deleted {scope}: id={id} name={name}"));
        }
        Ok(Exit::OK)
    }

    fn commit(
        &self,
        run: &mut Run<'_>,
        cib: &Element,
        name: &str,
        value: Option<&str>,
        set: &str,
    ) -> Result<(), Failure> {
        let mut changed = cib.clone();
        let (owner, tag, default_set) = match &self.place {
            Place::Section { path, set_tag, default_set } => (
                changed.child_or_insert("configuration").child_or_insert(path),
                *set_tag,
                (*default_set).to_string(),
            ),
            Place::Node { node, .. } => {
                let id = attributes::node_id(cib, node).unwrap_or_default();
                let nodes = changed.child_or_insert("configuration").child_or_insert("nodes");
                let owner = nodes.find_child_mut(|n| n.id() == Some(&id));
                let Some(owner) = owner else {
                    return Err(Failure::performing(run.name, Exit::NO_SUCH));
                };
                (owner, "utilization", format!("nodes-{id}-utilization"))
            }
        };
        let set_id = if set.is_empty() { default_set } else { set.to_string() };
        let id = run.options.last("id").map_or_else(|| format!("{set_id}-{name}"), str::to_string);
        set_pair(owner, tag, &set_id, &id, name, value);
        let command = format!("{} -n {name} -v {}", run.name, value.unwrap_or("(deleted)"));
        let configuration = changed
            .child("configuration")
            .cloned()
            .unwrap_or_else(|| Element::new("configuration"));
        Ok(run.access.commit(cib, &configuration, &command)?)
    }
}

const CRM_CONFIG: Place = Place::Section {
    path: "crm_config",
    set_tag: "cluster_property_set",
    default_set: "cib-bootstrap-options",
};

/// Sets or deletes one pair in the sets `tag` of `owner`; where it is already, it is changed.
pub(super) fn set_pair(
    owner: &mut Element,
    tag: &str,
    set_id: &str,
    id: &str,
    name: &str,
    value: Option<&str>,
) {
    let holds = |s: &Element| s.name() == tag && s.children().any(|p| p.attr("name") == Some(name));
    let Some(value) = value else {
        if let Some(set) = owner.find_child_mut(holds) {
            set.retain(|p| p.attr("name") != Some(name));
        }
        return;
    };
    if let Some(pair) =
        owner.find_child_mut(holds).and_then(|s| s.find_child_mut(|p| p.attr("name") == Some(name)))
    {
        pair.set_attr("value", value);
        return;
    }
    if owner.position(|s| s.name() == tag && s.id() == Some(set_id)).is_none() {
        owner.push(Element::new(tag).with("id", set_id));
    }
    if let Some(set) = owner.find_child_mut(|s| s.name() == tag && s.id() == Some(set_id)) {
        set.push(Element::new("nvpair").with("id", id).with("name", name).with("value", value));
    }
}

/// `value++` and `value+=N` count from the old number (O-183).
fn arithmetic(text: &str, old: Option<&str>) -> String {
    let step = match text.strip_prefix("value") {
        Some("++") => Some(1),
        Some(rest) => rest.strip_prefix("+=").and_then(|n| n.parse::<i64>().ok()),
        None => None,
    };
    let Some(step) = step else { return text.to_string() };
    let old: i64 = match old {
        Some("INFINITY") => 1_000_000,
        Some(number) => number.parse().unwrap_or(0),
        None => 0,
    };
    let sum = old.saturating_add(step);
    if sum >= 1_000_000 { "INFINITY".into() } else { sum.to_string() }
}

const CRM_FAILCOUNT: Tool = Tool {
    name: "crm_failcount",
    purpose: "Query or forget the failures of a resource",
    groups: &[
        COMMON,
        Group {
            title: "Commands and Options",
            options: &[
                opt('G', "query", Value::None, "Show the number of failures"),
                opt('D', "delete", Value::None, "Forget them"),
                opt('v', "update", Value::Required("0"), "Only 0: forget them"),
                opt('r', "resource", Value::Required("RSC"), "The resource"),
                opt('n', "operation", Value::Required("OP"), "Only failures of this operation"),
                opt('I', "interval", Value::Required("TIME"), "With this interval"),
                opt('N', "node", Value::Required("NODE"), "The node (default: this one)"),
                opt('q', "quiet", Value::None, "Show only the number"),
            ],
        },
    ],
    body: failcount,
};

/// Runs `crm_failcount` (O-187).
pub fn crm_failcount(arguments: &[String]) -> ExitCode {
    CRM_FAILCOUNT.main(arguments)
}

fn failcount(run: &mut Run<'_>) -> Done {
    let resource = run.options.last("resource").map(str::to_string);
    let resource =
        resource.ok_or_else(|| usage("crm_failcount", "Must supply a resource id with -r"))?;
    let node = run.node()?;
    let operation = run.options.last("operation").map(str::to_string);
    let interval = run.options.last("interval").map_or(Ok(0), |t| {
        super::resource::milliseconds(t).ok_or_else(|| usage("crm_failcount", "Invalid interval"))
    })?;
    if run.options.has("delete") || run.options.last("update") == Some("0") {
        let request = crm_messaging::proto::CleanupRequest {
            resource: resource.clone(),
            node: node.clone(),
            failed_only: true,
            operation: operation.unwrap_or_default(),
            interval_ms: None,
        };
        run.access.cleanup(&request)?;
        run.say(&format!("Cleaned up {resource} on {node}"));
        return Ok(Exit::OK);
    }
    if !run.options.has("query") {
        run.console.error("error: must specify a command");
        return Ok(CRM_FAILCOUNT.usage(&mut run.console));
    }
    let suffix = operation.map(|op| format!("#{op}_{interval}"));
    let name = format!("fail-count-{resource}{}", suffix.as_deref().unwrap_or_default());
    let cib = run.access.cib()?;
    let target = Target::node(node, name.clone(), true);
    target.check_node(run, &cib)?;
    let of_resource =
        |n: &str| n == name || (suffix.is_none() && n.starts_with(&format!("{name}#")));
    let counts = target.sets(&cib).into_iter().flat_map(Element::children);
    let total: i64 = counts
        .filter(|p| p.attr("name").is_some_and(of_resource))
        .map(|p| match p.attr("value") {
            Some("INFINITY") => 1_000_000,
            value => value.and_then(|v| v.parse().ok()).unwrap_or(0),
        })
        .sum();
    let shown = if total >= 1_000_000 { "INFINITY".to_string() } else { total.to_string() };
    let line = format!("scope=status  name={name} value={shown}");
    let quiet = run.quiet();
    run.say(if quiet { &shown } else { &line });
    Ok(Exit::OK)
}

const ATTRD_UPDATER: Tool = Tool {
    name: "attrd_updater",
    purpose: "Query or change transient node attributes",
    groups: &[
        Group {
            title: "Commands and Options",
            options: &[
                opt('n', "name", Value::Required("NAME"), "The attribute"),
                opt('U', "update", Value::Required("VALUE"), "Set the value"),
                opt('B', "update-both", Value::Required("VALUE"), "Set value and delay"),
                opt('Y', "update-delay", Value::None, "Set the delay only"),
                opt('D', "delete", Value::None, "Delete the attribute"),
                opt('Q', "query", Value::None, "Show the value"),
                opt('A', "all", Value::None, "On all nodes"),
                opt('N', "node", Value::Required("NODE"), "The node (default: this one)"),
                opt('R', "refresh", Value::None, "Accepted: every value is always written at once"),
                opt('d', "delay", Value::Required("TIME"), "Accepted: values are written at once"),
                opt('s', "set", Value::Required("SET"), "The attribute set"),
                opt('p', "private", Value::None, "Accepted: the value is kept as any other"),
                opt('q', "quiet", Value::None, "Say nothing"),
                opt('v', "value", Value::Required("VALUE"), ""),
            ],
        },
        COMMON,
    ],
    body: attrd,
};

/// Runs `attrd_updater` (O-188).
pub fn attrd_updater(arguments: &[String]) -> ExitCode {
    ATTRD_UPDATER.main(arguments)
}

fn attrd(run: &mut Run<'_>) -> Done {
    if run.options.has("refresh") {
        return Ok(Exit::OK);
    }
    let name = run.options.last("name").map(str::to_string);
    let name = name.ok_or_else(|| usage("attrd_updater", "Command requires --name argument"))?;
    let value = ["update", "update-both", "value"]
        .iter()
        .find_map(|o| run.options.last(o))
        .map(str::to_string);
    if value.is_none() && !run.options.has("delete") {
        return attrd_query(run, &name);
    }
    let node = run.node()?;
    let target = Target::node(node, name, true);
    target.change(run, value.as_deref())?;
    Ok(Exit::OK)
}

fn attrd_query(run: &mut Run<'_>, name: &str) -> Done {
    let cib = run.access.cib()?;
    let nodes: Vec<String> = if run.options.has("all") {
        let nodes = cib.at(&["configuration", "nodes"]);
        nodes
            .into_iter()
            .flat_map(Element::children)
            .filter_map(|n| n.attr("uname"))
            .map(str::to_string)
            .collect()
    } else {
        vec![run.node()?]
    };
    let mut found = false;
    for node in nodes {
        let target = Target::node(node.clone(), name.into(), true);
        let pairs = target.sets(&cib).into_iter().flat_map(Element::children);
        for pair in pairs.filter(|p| p.attr("name") == Some(name)) {
            found = true;
            let value = pair.attr("value").unwrap_or_default();
            run.say(&format!("name=\"{name}\" host=\"{node}\" value=\"{value}\""));
        }
    }
    if found {
        Ok(Exit::OK)
    } else {
        let text =
            format!("attrd_updater: Could not query value of {name}: attribute does not exist");
        Err(Failure::new(Exit::NO_SUCH, text))
    }
}
