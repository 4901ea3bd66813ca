//! `crm_attribute` and its wrappers `crm_standby` and `crm_master` (O-180 to O-186).

use std::process::ExitCode;

use crm_core::cib::Element;
use crm_core::cib::attributes::{PairName, node_id, set_pair};
use crm_lrm::BuiltIn;
use crm_messaging::proto::AttributeUpdate;
use regex::Regex;

use super::super::exit::Exit;
use super::super::options::{COMMON, Group, Opt, PLAIN, Value, old, opt};
use super::{Done, Failure, IGNORED, Run, Tool, usage};
use crate::render::report::Style;

const QUERY: Opt = opt('G', "query", Value::None, "Show the value");
const UPDATE: Opt = opt('v', "update", Value::Required("VALUE"), "Set the value");
const DELETE: Opt = opt('D', "delete", Value::None, "Delete the attribute");
const NODE: Opt = opt('N', "node", Value::Required("NODE"), "The node (default: this one)");
const LIFETIME: Opt =
    opt('l', "lifetime", Value::Required("forever|reboot"), "Until when the value holds");
const ID: Opt = opt('i', "id", Value::Required("ID"), "Only the attribute with this id");
const QUIET: Opt = opt('q', "quiet", Value::None, "Show only the value");

/// Spellings that the peers call deprecated and agents use: DRBD's and Galera's say `crm_master -Q`.
pub(super) const OLD: Group = Group {
    title: "",
    options: &[
        old(Some('U'), "uname", "node", Value::Required("NODE")),
        old(Some('Q'), "quiet", "quiet", Value::None),
        old(None, "get-value", "query", Value::None),
        old(None, "delete-attr", "delete", Value::None),
        old(None, "attr-value", "update", Value::Required("VALUE")),
        old(None, "attr-id", "id", Value::Required("ID")),
    ],
};

const COMMANDS: Group = Group {
    title: "Commands and Options",
    options: &[
        QUERY,
        UPDATE,
        DELETE,
        opt('n', "name", Value::Required("NAME"), "The attribute"),
        opt('P', "pattern", Value::Required("PATTERN"), "All attributes that match"),
        opt('d', "default", Value::Required("VALUE"), "What to show where there is none"),
        NODE,
        LIFETIME,
        opt('t', "type", Value::Required("SECTION"), "Part of the CIB"),
        opt('s', "set-name", Value::Required("ID"), "Only in this attribute set"),
        ID,
        opt('z', "utilization", Value::None, "A utilization attribute"),
        opt('p', "promotion", Value::OptionalWord("RSC"), "The promotion score of a resource"),
        opt('!', "inhibit-policy-engine", IGNORED, ""),
        QUIET,
        old(None, "attr-name", "name", Value::Required("NAME")),
        old(None, "node-uname", "node", Value::Required("NODE")),
    ],
};

const CRM_ATTRIBUTE: Tool = Tool {
    name: NAME,
    purpose: "Query or change node attributes and cluster options",
    groups: &[COMMANDS, COMMON, OLD],
    style: Style::Plain,
    body: |run| {
        let target = Target::of(run)?;
        let default = run.options.last("default").map(str::to_string);
        target.work(run, default.as_deref())
    },
};

const NAME: &str = "crm_attribute";

/// Runs `crm_attribute`.
pub(super) fn crm_attribute(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CRM_ATTRIBUTE.main(arguments, carried)
}

const CRM_STANDBY: Tool = Tool {
    name: "crm_standby",
    purpose: "Query or change whether a node may run resources",
    groups: &[
        Group {
            title: "Commands and Options",
            options: &[QUERY, UPDATE, DELETE, NODE, LIFETIME, ID, QUIET],
        },
        PLAIN,
        OLD,
    ],
    style: Style::Plain,
    body: standby,
};

/// Runs `crm_standby`.
pub(super) fn crm_standby(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CRM_STANDBY.main(arguments, carried)
}

fn standby(run: &mut Run<'_>) -> Done {
    let node = run.node()?;
    let id = run.options.last("id").map(str::to_string);
    let of = |transient| Target {
        id: id.clone(),
        ..Target::node(node.clone(), "standby".into(), transient)
    };
    if let Some(lifetime) = lifetime(run)? {
        return of(lifetime == Lifetime::Reboot).work(run, None);
    }
    if run.options.has("update") {
        return of(false).work(run, None);
    }
    if run.options.has("delete") {
        of(false).change(run, None)?;
        return of(true).change(run, None);
    }
    let cib = run.access.cib()?;
    let permanent = of(false);
    permanent.check_node(&cib)?;
    if permanent.pairs(&cib).next().is_some() {
        return permanent.query(run, None);
    }
    of(true).query(run, Some("off"))
}

const CRM_MASTER: Tool = Tool {
    name: "crm_master",
    purpose: "Query or change the promotion score of a resource",
    groups: &[
        Group {
            title: "Commands and Options",
            options: &[
                QUERY,
                UPDATE,
                DELETE,
                NODE,
                LIFETIME,
                ID,
                QUIET,
                opt('r', "resource", Value::Required("RSC"), "The resource"),
            ],
        },
        PLAIN,
        OLD,
    ],
    style: Style::Plain,
    body: |run| {
        let name = promotion_name(run.options.last("resource"))
            .ok_or_else(|| Failure::new(Exit::ERROR, "error: No resource specified"))?;
        let transient = lifetime(run)? == Some(Lifetime::Reboot);
        let node = run.node()?;
        Target::node(node, name, transient).work(run, None)
    },
};

/// Runs `crm_master`.
pub(super) fn crm_master(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CRM_MASTER.main(arguments, carried)
}

/// The attribute of a promotion score.
fn promotion_name(given: Option<&str>) -> Option<String> {
    let from_agent = || std::env::var("OCF_RESOURCE_INSTANCE").ok().filter(|r| !r.is_empty());
    Some(format!("master-{}", given.map(str::to_string).or_else(from_agent)?))
}

/// Until when a node attribute holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    Forever,
    Reboot,
}

fn lifetime(run: &Run<'_>) -> Result<Option<Lifetime>, Failure> {
    match run.options.last("lifetime") {
        None => Ok(None),
        Some("forever") => Ok(Some(Lifetime::Forever)),
        Some("reboot") => Ok(Some(Lifetime::Reboot)),
        Some(_) => Err(unknown_section()),
    }
}

fn unknown_section() -> Failure {
    let text = format!("{NAME}: Error performing operation: No message of desired type");
    Failure::new(Exit::PROTOCOL, text)
}

fn no_such() -> Failure {
    let text = format!("{NAME}: Error performing operation: No such device or address");
    Failure::new(Exit::NO_SUCH, text)
}

/// Which attributes are meant.
enum Which {
    Any,
    Named(String),
    Matching(Regex),
}

/// Where an attribute lives.
pub(super) struct Target {
    which: Which,
    place: Place,
    set: Option<String>,
    id: Option<String>,
}

enum Place {
    /// `crm_config`, `rsc_defaults`, `op_defaults`.
    Section {
        name: &'static str,
        tag: &'static str,
        default_set: &'static str,
    },
    Node {
        node: String,
        transient: bool,
        utilization: bool,
    },
}

const SECTIONS: [Place; 3] = [
    Place::Section {
        name: "crm_config",
        tag: "cluster_property_set",
        default_set: "cib-bootstrap-options",
    },
    Place::Section {
        name: "rsc_defaults",
        tag: "meta_attributes",
        default_set: "rsc_defaults-options",
    },
    Place::Section {
        name: "op_defaults",
        tag: "meta_attributes",
        default_set: "op_defaults-options",
    },
];

impl Place {
    fn scope(&self) -> &'static str {
        match self {
            Place::Section { name, .. } => name,
            Place::Node { transient: true, .. } => "status",
            Place::Node { transient: false, .. } => "nodes",
        }
    }

    fn tag(&self) -> &'static str {
        match self {
            Place::Section { tag, .. } => tag,
            Place::Node { utilization: true, .. } => "utilization",
            Place::Node { utilization: false, .. } => "instance_attributes",
        }
    }

    /// The element that holds the sets.
    fn owner<'a>(&self, cib: &'a Element) -> Option<&'a Element> {
        match self {
            Place::Section { name, .. } => cib.at(&["configuration", name]),
            Place::Node { node, transient, .. } => {
                let id = node_id(cib, node)?;
                let is = |e: &&Element| e.id() == Some(&id);
                if *transient {
                    cib.child("status")?.children().find(is)?.child("transient_attributes")
                } else {
                    cib.at(&["configuration", "nodes"])?.children().find(is)
                }
            }
        }
    }

    fn owner_mut<'a>(&self, cib: &'a mut Element) -> Option<&'a mut Element> {
        match self {
            Place::Section { name, .. } => {
                Some(cib.child_or_insert("configuration").child_or_insert(name))
            }
            Place::Node { node, .. } => {
                let id = node_id(cib, node)?;
                cib.at_mut(&["configuration", "nodes"])?.find_child_mut(|n| n.id() == Some(&id))
            }
        }
    }
}

impl Target {
    /// An attribute of a node, by name.
    pub(super) fn node(node: String, name: String, transient: bool) -> Target {
        let place = Place::Node { node, transient, utilization: false };
        Target { which: Which::Named(name), place, set: None, id: None }
    }

    /// The transient attributes of a node whose names match.
    pub(super) fn matching(node: String, pattern: Regex) -> Target {
        let place = Place::Node { node, transient: true, utilization: false };
        Target { which: Which::Matching(pattern), place, set: None, id: None }
    }

    fn of(run: &mut Run<'_>) -> Result<Target, Failure> {
        let text = |name: &str| run.options.last(name).map(str::to_string);
        let which = if run.options.has("promotion") {
            Which::Named(promotion_name(run.options.last("promotion")).ok_or_else(|| {
                usage(NAME, "-p/--promotion must be called from an OCF resource agent or with a resource ID specified")
            })?)
        } else if let Some(pattern) = run.options.last("pattern") {
            let pattern = Regex::new(pattern)
                .map_err(|e| usage(NAME, &format!("'{pattern}' is no pattern: {e}")))?;
            Which::Matching(pattern)
        } else {
            text("name").map_or(Which::Any, Which::Named)
        };
        let (set, id) = (text("set-name"), text("id"));
        let place = Target::place(run)?;
        Ok(Target { which, place, set, id })
    }

    /// What `--type`, `--node` and `--lifetime` say, as the reference combines them.
    fn place(run: &mut Run<'_>) -> Result<Place, Failure> {
        let kind = run.options.last("type").map(str::to_string);
        let lifetime = lifetime(run)?;
        let promotion = run.options.has("promotion");
        let of_node = lifetime.is_some()
            || promotion
            || ["node", "utilization"].iter().any(|o| run.options.has(o));
        let known = |name: &str| {
            SECTIONS.into_iter().find(|p| matches!(p, Place::Section { name: n, .. } if *n == name))
        };
        let section = match kind.as_deref() {
            None if !of_node => known("crm_config"),
            None | Some("nodes" | "status") => None,
            Some("tickets") => return Err(no_such()),
            Some(name) => Some(known(name).ok_or_else(unknown_section)?),
        };
        if let Some(section) = section {
            return Ok(section);
        }
        let node = run.node()?;
        let transient = match lifetime {
            Some(lifetime) => lifetime == Lifetime::Reboot,
            None => promotion || kind.as_deref() == Some("status"),
        };
        Ok(Place::Node { node, transient, utilization: run.options.has("utilization") })
    }

    fn work(&self, run: &mut Run<'_>, default: Option<&str>) -> Done {
        let update = run.options.last("update").map(str::to_string);
        match (update, run.options.has("delete")) {
            (Some(value), _) => self.change(run, Some(&value)),
            (None, true) => self.change(run, None),
            (None, false) => self.query(run, default),
        }
    }

    /// Refuses a node that is not in the configuration.
    pub(super) fn check_node(&self, cib: &Element) -> Result<(), Failure> {
        match &self.place {
            Place::Node { node, .. } if node_id(cib, node).is_none() => Err(Failure::new(
                Exit::NO_SUCH,
                format!("{NAME}: Could not map name={node} to a UUID"),
            )),
            Place::Node { .. } | Place::Section { .. } => Ok(()),
        }
    }

    /// The pairs that are meant.
    pub(super) fn pairs<'a>(&'a self, cib: &'a Element) -> impl Iterator<Item = &'a Element> {
        let sets = self.place.owner(cib).into_iter().flat_map(Element::children);
        sets.filter(|s| s.name() == self.place.tag())
            .filter(|s| self.set.is_none() || s.id() == self.set.as_deref())
            .flat_map(Element::children)
            .filter(|p| self.id.is_none() || p.id() == self.id.as_deref())
            .filter(|p| match (&self.which, p.attr("name")) {
                (Which::Any, name) => name.is_some(),
                (Which::Named(wanted), name) => name == Some(wanted),
                (Which::Matching(pattern), name) => name.is_some_and(|n| pattern.is_match(n)),
            })
    }

    fn query(&self, run: &mut Run<'_>, default: Option<&str>) -> Done {
        let cib = run.access.cib()?;
        self.check_node(&cib)?;
        let text = |p: &Element, name: &str| p.attr(name).unwrap_or_default().to_string();
        let mut found: Vec<(String, String)> =
            self.pairs(&cib).map(|p| (text(p, "name"), text(p, "value"))).collect();
        if let (true, Which::Named(name), Some(value)) = (found.is_empty(), &self.which, default) {
            found.push((name.clone(), value.to_string()));
        }
        if found.is_empty() {
            return Err(no_such());
        }
        let (quiet, scope) = (run.quiet(), self.place.scope());
        let id = self.id.as_ref().map(|id| format!("id={id}")).unwrap_or_default();
        for (name, value) in found {
            let line = format!("scope={scope} {id} name={name} value={value}");
            run.say(if quiet { &value } else { &line });
            let mut element = Element::new("attribute").with("name", name).with("value", value);
            element.set_attr("scope", scope);
            if let Some(id) = &self.id {
                element.set_attr("id", id);
            }
            run.out.element(element);
        }
        Ok(Exit::OK)
    }

    /// Sets, or without a value deletes, the attribute.
    pub(super) fn change(&self, run: &mut Run<'_>, value: Option<&str>) -> Done {
        let cib = run.access.cib()?;
        self.check_node(&cib)?;
        let names: Vec<String> = match &self.which {
            Which::Named(name) => vec![name.clone()],
            Which::Matching(_) => {
                self.pairs(&cib).filter_map(|p| p.attr("name")).map(str::to_string).collect()
            }
            Which::Any => {
                let verb = if value.is_some() { "update" } else { "delete" };
                let text = format!("Error: must specify attribute name or pattern to {verb}");
                return Err(usage(NAME, &text));
            }
        };
        for name in names {
            run.until_current(|run| self.change_one(run, &name, value))?;
        }
        Ok(Exit::OK)
    }

    fn change_one(
        &self,
        run: &mut Run<'_>,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), Failure> {
        let cib = run.access.cib()?;
        let text = |p: &Element, name: &str| p.attr(name).unwrap_or_default().to_string();
        let is = |p: &&Element| p.attr("name") == Some(name);
        let old = self.pairs(&cib).find(is).map(|p| (text(p, "id"), text(p, "value")));
        let value = value.map(|v| arithmetic(v, old.as_ref().map(|(_, o)| o.as_str())));
        if value.is_none() && old.is_none() {
            return Ok(());
        }
        match &self.place {
            Place::Node { node, transient, utilization: false } if self.id.is_none() => {
                run.access.update_attribute(&AttributeUpdate {
                    node: node.clone(),
                    name: name.to_string(),
                    value: value.clone(),
                    transient: *transient,
                    set: self.set.clone().unwrap_or_default(),
                    delta: None,
                    ..AttributeUpdate::default()
                })?;
            }
            Place::Node { transient: true, .. } => {
                return Err(usage(NAME, "--id is for permanent attributes"));
            }
            Place::Node { .. } | Place::Section { .. } => {
                self.commit(run, &cib, name, value.as_deref())?;
            }
        }
        if let (None, Some((id, _))) = (&value, &old)
            && !run.quiet()
        {
            let scope = self.place.scope();
            let what = if scope == "crm_config" { "option" } else { "attribute" };
            run.say(&format!("Deleted {scope} {what}: id={id} name={name}"));
        }
        Ok(())
    }

    fn commit(
        &self,
        run: &mut Run<'_>,
        cib: &Element,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), Failure> {
        let default_set = match &self.place {
            Place::Section { default_set, .. } => (*default_set).to_string(),
            Place::Node { node, utilization, .. } => {
                let id = node_id(cib, node).unwrap_or_default();
                format!("nodes-{id}{}", if *utilization { "-utilization" } else { "" })
            }
        };
        let pair = PairName {
            tag: self.place.tag(),
            set: self.set.as_deref(),
            default_set: &default_set,
            id: self.id.as_deref(),
            name,
        };
        let mut changed = cib.clone();
        let owner = self.place.owner_mut(&mut changed).ok_or_else(no_such)?;
        set_pair(owner, &pair, value);
        let command = format!("{} -n {name} -v {}", run.name, value.unwrap_or("(deleted)"));
        run.commit(cib, &changed, &command)
    }
}

/// `value++` and `value+=N` count from the old number (O-183).
pub(super) fn arithmetic(text: &str, old: Option<&str>) -> String {
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
