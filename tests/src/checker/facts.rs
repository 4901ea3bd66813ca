//! What the CIB says for certain.

use std::collections::{BTreeMap, BTreeSet};

use crm_core::cib::Element;

/// Whether something holds, as far as the document tells without interpretation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// That depends on rules, failures or unfinished work.
    Open,
}

/// What a resource is recorded to do on a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// Not running.
    Stopped,
    /// Running.
    Started,
    /// Running, promoted.
    Promoted,
    /// Failed, pending or contradictory.
    Open,
}

/// A primitive.
#[derive(Clone, Debug)]
pub struct Primitive {
    /// What it is in, from the inside out.
    pub within: Vec<String>,
    /// Exists once: not in a clone or bundle.
    pub single: bool,
    /// Managed by the cluster.
    pub managed: Known,
    /// Other actions on its behalf wait for fencing.
    pub needs_fencing: Known,
}

/// A group outside clones.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its primitives, in order.
    pub members: Vec<String>,
    /// What it is in, if anything.
    pub clone: Option<String>,
    /// Members run one after the other.
    pub ordered: Known,
    /// Members run together.
    pub colocated: Known,
}

/// A clone.
#[derive(Clone, Debug)]
pub struct Clone {
    /// The primitives of each instance.
    pub members: Vec<String>,
    /// Instances in all, if configured as a number.
    pub max: Option<usize>,
    /// Instances a node.
    pub node_max: Option<usize>,
    /// Promoted instances in all.
    pub promoted_max: Option<usize>,
}

/// An order of two resources.
#[derive(Clone, Debug)]
pub struct Order {
    /// The constraint.
    pub id: String,
    /// First.
    pub first: String,
    /// What first does.
    pub first_action: String,
    /// Then.
    pub then: String,
    /// What then does.
    pub then_action: String,
    /// The other way round when they stop.
    pub symmetrical: bool,
}

/// A mandatory colocation of two resources.
#[derive(Clone, Debug)]
pub struct Colocation {
    /// The constraint.
    pub id: String,
    /// `rsc`
    pub dependent: String,
    /// `with-rsc`
    pub primary: String,
    /// Together, or apart.
    pub together: bool,
}

/// Everything that is certain.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By id.
    pub primitives: BTreeMap<String, Primitive>,
    /// By id.
    pub groups: BTreeMap<String, Group>,
    /// By id.
    pub clones: BTreeMap<String, Clone>,
    /// Orders.
    pub orders: Vec<Order>,
    /// Colocations.
    pub colocations: Vec<Colocation>,
    /// Groups in clones, by id.
    pub cloned_groups: BTreeMap<String, Group>,
    /// Who wants to be with whom, or apart, whatever the score; a set's members all with each
    /// other. True for what is mandatory, together, and regardless of roles and attributes.
    pub attractions: BTreeMap<(String, String), bool>,
    /// What constraints are about, by the ids they use.
    pub constrained: BTreeSet<String>,
    /// A constraint names resources by a pattern.
    pub patterns: bool,
    /// Resources that a failure is counted for.
    pub failures: BTreeSet<String>,
    /// Guest nodes, with what they run in.
    pub guests: BTreeMap<String, String>,
    /// Nodes in maintenance that are up: what runs there stays as it is.
    pub maintained: BTreeSet<String>,
    /// By resource as recorded, then node name.
    pub history: BTreeMap<String, BTreeMap<String, State>>,
    /// Names of full members of the cluster.
    pub members: BTreeSet<String>,
    /// Names of nodes whose recorded state is current and that take part: members, and remote and
    /// guest nodes whose connection is up.
    pub online: BTreeSet<String>,
}

/// Meta attributes that decide, and whether rules may decide otherwise.
#[derive(Clone, Default)]
struct Meta {
    values: BTreeMap<String, String>,
    open: bool,
}

impl Meta {
    fn read(element: &Element, inherited: &Meta) -> Meta {
        let mut own = Meta { values: BTreeMap::new(), open: inherited.open };
        let blocks: Vec<_> = element.children_named("meta_attributes").collect();
        let plain = |b: &&Element| b.child("rule").is_none() && b.attr("id-ref").is_none();
        own.open |= blocks.len() > 1 || !blocks.iter().all(plain);
        own.open |= element.attr("template").is_some();
        for pair in blocks.iter().flat_map(|b| b.children_named("nvpair")) {
            own.open |= pair.attr("id-ref").is_some();
            if let (Some(name), Some(value)) = (pair.attr("name"), pair.attr("value")) {
                own.values.insert(name.into(), value.into());
            }
        }
        for (name, value) in &inherited.values {
            own.values.entry(name.clone()).or_insert_with(|| value.clone());
        }
        own
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn number(&self, name: &str, legacy: &str) -> Option<Option<usize>> {
        let text = self.get(name).or_else(|| self.get(legacy));
        text.map(|t| t.parse().ok())
    }
}

fn truth(text: Option<&str>) -> Option<bool> {
    match text?.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "y" | "1" => Some(true),
        "false" | "off" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

impl Facts {
    /// Reads a CIB of the current schema.
    pub fn read(cib: &Element) -> Facts {
        let mut facts = Facts::default();
        let Some(configuration) = cib.child("configuration") else { return facts };
        let none = Meta::default();
        let defaults =
            configuration.child("rsc_defaults").map_or(none.clone(), |d| Meta::read(d, &none));
        let property = |name: &str| {
            let sets = configuration.child("crm_config")?.children();
            let mut pairs = sets.flat_map(|s| s.children_named("nvpair"));
            pairs.find(|p| p.attr("name") == Some(name))?.attr("value")
        };
        let frozen = truth(property("maintenance-mode")) == Some(true);
        let fencing = truth(property("stonith-enabled")) != Some(false);
        if let Some(resources) = configuration.child("resources") {
            for element in resources.children() {
                facts.resource(element, &defaults, &[], (frozen, fencing));
            }
        }
        if let Some(constraints) = configuration.child("constraints") {
            constraints.children().for_each(|c| facts.constraint(c));
        }
        let nodes = configuration.child("nodes").into_iter().flat_map(Element::children);
        let maintained: BTreeMap<&str, Known> =
            nodes.filter_map(|n| Some((n.attr("uname")?, maintenance(n)))).collect();
        if let Some(status) = cib.child("status") {
            // What runs on remote nodes is known once their connections are.
            for remote in [false, true] {
                let states = status.children_named("node_state");
                states.filter(|n| is_remote(n) == remote).for_each(|n| facts.node(n, &maintained));
            }
        }
        facts.leave_maintained();
        facts
    }

    fn resource(
        &mut self,
        element: &Element,
        inherited: &Meta,
        within: &[String],
        (frozen, fencing): (bool, bool),
    ) {
        let Some(id) = element.id() else { return };
        let meta = Meta::read(element, inherited);
        if let Some(guest) = meta.get("remote-node").filter(|_| element.name() == "primitive") {
            self.guests.insert(guest.into(), id.into());
        }
        let mut inside = vec![id.to_string()];
        inside.extend_from_slice(within);
        match element.name() {
            "primitive" => {
                let mut primitive = primitive(element, &meta, within, (frozen, fencing));
                primitive.single = within.iter().all(|w| !self.clones.contains_key(w));
                self.primitives.insert(id.into(), primitive);
                return;
            }
            "group" => {
                let members = element.children_named("primitive").filter_map(Element::id);
                let by_default = |name: &str| match truth(meta.get(name)) {
                    _ if meta.open => Known::Open,
                    Some(false) => Known::No,
                    _ => Known::Yes,
                };
                let group = Group {
                    members: members.map(str::to_string).collect(),
                    clone: within.first().cloned(),
                    ordered: by_default("ordered"),
                    colocated: by_default("collocated"),
                };
                let place =
                    if within.is_empty() { &mut self.groups } else { &mut self.cloned_groups };
                place.insert(id.into(), group);
            }
            "clone" | "master" => {
                let inner = element.descendants().filter(|e| e.name() == "primitive");
                let members = inner.filter_map(|e| Some(e.id()?.to_string())).collect();
                let limit = |name: &str, legacy: &str, default: Option<usize>| {
                    if meta.open { None } else { meta.number(name, legacy).unwrap_or(default) }
                };
                let unique = truth(meta.get("globally-unique")) == Some(true);
                let node_max = if unique { limit("clone-node-max", "", Some(1)) } else { Some(1) };
                let clone = Clone {
                    members,
                    max: limit("clone-max", "", None),
                    node_max,
                    promoted_max: limit("promoted-max", "master-max", Some(1)),
                };
                self.clones.insert(id.into(), clone);
            }
            // What runs inside containers is placed by rules of its own.
            "bundle" => return,
            _ => {}
        }
        for child in element.children() {
            if matches!(child.name(), "primitive" | "group") {
                self.resource(child, &meta, &inside, (frozen, fencing));
            }
        }
    }

    fn constraint(&mut self, element: &Element) {
        if element.name() == "rsc_colocation" {
            self.attraction(element);
        }
        self.patterns |= element.attr("rsc-pattern").is_some();
        let ids = ["rsc", "with-rsc"].iter().filter_map(|a| element.attr(a));
        let listed = element.descendants().filter(|e| e.name() == "resource_ref");
        let ids = ids.chain(listed.filter_map(Element::id));
        self.constrained.extend(ids.map(str::to_string));
        if element.children().next().is_some() {
            return;
        }
        let text = |name: &str| element.attr(name).map(str::to_string);
        let id = text("id").unwrap_or_default();
        if element.name() == "rsc_order" {
            let (Some(first), Some(then)) = (text("first"), text("then")) else { return };
            let first_action = text("first-action").unwrap_or_else(|| "start".into());
            let then_action = text("then-action").unwrap_or_else(|| first_action.clone());
            let serialize = text("kind").is_some_and(|k| k.eq_ignore_ascii_case("serialize"));
            let symmetrical = truth(element.attr("symmetrical")) != Some(false) && !serialize;
            self.orders.push(Order { id, first, first_action, then, then_action, symmetrical });
            return;
        }
        let plain = is_plain(element);
        let together = match element.attr("score") {
            Some("INFINITY" | "+INFINITY") => true,
            Some("-INFINITY") => false,
            _ => return,
        };
        if element.name() == "rsc_colocation" && plain {
            let (Some(dependent), Some(primary)) = (text("rsc"), text("with-rsc")) else { return };
            self.colocations.push(Colocation { id, dependent, primary, together });
        }
    }

    fn attraction(&mut self, element: &Element) {
        let infinite = matches!(element.attr("score"), Some("INFINITY" | "+INFINITY"));
        let mandatory = infinite && is_plain(element);
        if let (Some(a), Some(b)) = (element.attr("rsc"), element.attr("with-rsc")) {
            let known = self.attractions.entry((a.into(), b.into())).or_insert(mandatory);
            *known &= mandatory;
        }
        let listed = || element.descendants().filter(|e| e.name() == "resource_ref");
        for a in listed().filter_map(Element::id) {
            for b in listed().filter_map(Element::id) {
                self.attractions.insert((a.into(), b.into()), false);
            }
        }
    }

    /// The outermost of what a resource is in.
    pub fn top<'a>(&'a self, id: &'a str) -> &'a str {
        self.primitives.get(id).and_then(|p| p.within.last()).map_or(id, String::as_str)
    }

    /// Whose wishes lead back to a resource: with these its place depends on itself.
    pub fn circle<'a>(&'a self, id: &'a str) -> BTreeSet<&'a str> {
        let goal = self.top(id);
        let from = self.reached(goal, false);
        if !from.contains(goal) {
            return BTreeSet::new();
        }
        let to = self.reached(goal, true);
        from.intersection(&to).copied().collect()
    }

    /// What a resource's wishes lead to, or (`back`) whose wishes lead to it.
    fn reached<'a>(&'a self, goal: &'a str, back: bool) -> BTreeSet<&'a str> {
        let mut seen = BTreeSet::new();
        let mut stack = vec![goal];
        while let Some(next) = stack.pop() {
            for (a, b) in self.attractions.keys() {
                let (a, b) = (self.top(a), self.top(b));
                let (from, to) = if back { (b, a) } else { (a, b) };
                if from == next && seen.insert(to) {
                    stack.push(to);
                }
            }
        }
        seen
    }

    /// True if everybody in a circle of wishes wants the same: to be together, always. Then it
    /// does not matter whose wish is not heard.
    pub fn is_harmonious(&self, circle: &BTreeSet<&str>) -> bool {
        let inside = |id: &str| circle.contains(self.top(id));
        self.attractions.iter().filter(|((a, b), _)| inside(a) && inside(b)).all(|(_, same)| *same)
    }

    /// What runs on a node in maintenance is not managed as long as it does.
    fn leave_maintained(&mut self) {
        for (id, places) in &self.history {
            let held = places.iter().any(|(node, state)| {
                matches!(state, State::Started | State::Promoted) && self.maintained.contains(node)
            });
            let unsure = places.iter().any(|(_, state)| *state == State::Open);
            if let Some(primitive) = self.primitives.get_mut(id).filter(|_| held) {
                let alone = primitive.single && !unsure;
                primitive.managed = if alone { Known::No } else { Known::Open };
            }
        }
    }

    fn node(&mut self, element: &Element, configured: &BTreeMap<&str, Known>) {
        let Some(name) = element.attr("uname") else { return };
        let remote = is_remote(element);
        let by_attribute = configured.get(name).copied().unwrap_or(Known::No);
        // A transient attribute wins; either may be open.
        let maintenance = match maintenance(element) {
            Known::No => by_attribute,
            transient => transient,
        };
        if !remote {
            self.members.insert(name.into());
        }
        let up = if remote {
            // A remote node is there if its connection, which has its name, is up on a member.
            let places = self.history.get(name).into_iter().flatten();
            let mut running = places.filter(|(_, s)| **s != State::Stopped);
            let first = running.next();
            first.is_some_and(|(n, s)| *s == State::Started && self.online.contains(n))
                && running.next().is_none()
        } else {
            truth(element.attr("in_ccm")) == Some(true)
                && element.attr("crmd") == Some("online")
                && element.attr("join") == Some("member")
        };
        if up && maintenance == Known::No {
            self.online.insert(name.into());
        }
        if up && maintenance == Known::Yes {
            self.maintained.insert(name.into());
        }
        let open = maintenance == Known::Open || (!up && (remote || maintenance == Known::Yes));
        for pair in element.descendants().filter(|e| e.name() == "nvpair") {
            let counted = pair.attr("name").and_then(|n| n.strip_prefix("fail-count-"));
            if let Some(id) = counted.and_then(|n| n.split(['#', ':']).next()) {
                self.failures.insert(id.into());
            }
        }
        let Some(resources) = element.at(&["lrm", "lrm_resources"]) else { return };
        for resource in resources.children_named("lrm_resource") {
            let Some(id) = resource.id() else { continue };
            let base = id.rsplit_once(':').map_or(id, |(base, number)| {
                if number.bytes().all(|b| b.is_ascii_digit()) { base } else { id }
            });
            let known = self.history.entry(base.into()).or_default();
            let state = match state(resource) {
                State::Stopped => State::Stopped,
                _ if open => State::Open,
                state => state,
            };
            // Two numbered instances of one resource on a node are more than this can tell.
            known.entry(name.into()).and_modify(|s| *s = State::Open).or_insert(state);
        }
    }

    /// What a resource is recorded to do, by node; nothing if that is not certain everywhere.
    pub fn recorded(&self, id: &str) -> Option<BTreeMap<&str, State>> {
        let Some(history) = self.history.get(id) else { return Some(BTreeMap::new()) };
        let certain = history.values().all(|s| *s != State::Open);
        certain.then(|| history.iter().map(|(n, s)| (n.as_str(), *s)).collect())
    }

    /// The nodes where a resource is certainly running.
    pub fn active(&self, id: &str) -> BTreeSet<&str> {
        let history = self.history.get(id).into_iter().flatten();
        let running = history.filter(|(_, s)| matches!(s, State::Started | State::Promoted));
        running.map(|(n, _)| n.as_str()).collect()
    }
}

/// Whether the attributes of a node say maintenance, as far as that needs no rules.
fn maintenance(node: &Element) -> Known {
    let mut said = Known::No;
    for set in node.descendants().filter(|e| e.name() == "instance_attributes") {
        for pair in set.children_named("nvpair").filter(|p| p.attr("name") == Some("maintenance")) {
            let sure = set.child("rule").is_none() && said == Known::No;
            said = match truth(pair.attr("value")) {
                Some(true) if sure => Known::Yes,
                Some(false) if sure => Known::No,
                _ => Known::Open,
            };
        }
    }
    said
}

fn is_remote(state: &Element) -> bool {
    truth(state.attr("remote_node")) == Some(true)
}

/// True for a colocation of whole resources that share a node.
fn is_plain(element: &Element) -> bool {
    let others = ["rsc-role", "with-rsc-role", "node-attribute", "influence"];
    others.iter().all(|a| element.attr(a).is_none())
}

fn primitive(
    element: &Element,
    meta: &Meta,
    within: &[String],
    (frozen, fencing): (bool, bool),
) -> Primitive {
    let explicit = truth(meta.get("is-managed"));
    let maintenance = truth(meta.get("maintenance"));
    let managed = if frozen {
        Known::No
    } else if meta.open {
        Known::Open
    } else if explicit == Some(false) || maintenance == Some(true) {
        Known::No
    } else {
        Known::Yes
    };
    let device = element.attr("class") == Some("stonith");
    let remote = element.attr("type") == Some("remote");
    let needs_fencing = match meta.get("requires") {
        _ if meta.open || device || remote => Known::Open,
        None if fencing => Known::Yes,
        Some("fencing") => Known::Yes,
        _ => Known::No,
    };
    Primitive { within: within.to_vec(), single: true, managed, needs_fencing }
}

/// What the last completed operation left, if every operation is beyond doubt.
fn state(resource: &Element) -> State {
    let mut operations: Vec<(i64, &Element)> = Vec::new();
    for operation in resource.children_named("lrm_rsc_op") {
        let call = operation.attr("call-id").and_then(|c| c.parse().ok()).unwrap_or(-1);
        let status = operation.attr("op-status");
        if call < 0 || status != Some("0") {
            return State::Open;
        }
        operations.push((call, operation));
    }
    operations.sort_by_key(|(call, _)| *call);
    if operations.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return State::Open;
    }
    let mut state = State::Stopped;
    for (_, operation) in operations {
        let rc = operation.attr("rc-code");
        let key = operation.attr("transition-key").unwrap_or_default();
        let wanted = key.split(':').nth(2);
        let once = matches!(operation.attr("interval"), None | Some("0"));
        let next = match (operation.attr("operation"), rc) {
            (Some("start"), Some("0")) => State::Started,
            (Some("stop"), Some("0")) => State::Stopped,
            (Some("promote"), Some("0")) => State::Promoted,
            (Some("demote"), Some("0")) => State::Started,
            (Some("monitor"), Some("7")) if once => State::Stopped,
            (Some("monitor"), Some("0")) if once && state == State::Stopped => State::Started,
            (Some("monitor"), Some(rc)) if wanted == Some(rc) && !once => state,
            (Some("notify"), _) => state,
            _ => return State::Open,
        };
        state = next;
    }
    state
}
