//! What must hold in every legal execution of a graph.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::facts::{Clone, Facts, Known, Order, State};
use super::plan::{Action, Plan};

/// What is judged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rule {
    /// The graph can be executed to its end.
    Executable,
    /// A resource that exists once is never active twice.
    ActiveOnce,
    /// What is ordered happens in that order.
    Ordered,
    /// What belongs together ends up together, what does not, apart.
    Colocated,
    /// Nothing starts on a node before that is fenced, and nothing that ran there starts elsewhere.
    FencedFirst,
    /// Nothing is done to what is not managed.
    ManagedOnly,
    /// No more instances than configured.
    WithinLimits,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 7] = [
        Rule::Executable,
        Rule::ActiveOnce,
        Rule::Ordered,
        Rule::Colocated,
        Rule::FencedFirst,
        Rule::ManagedOnly,
        Rule::WithinLimits,
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a duty is about, beyond single resources on members.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Shape {
    /// Nothing special.
    Plain,
    /// A remote or guest node.
    Remote,
    /// A node in maintenance, or a resource that is not managed.
    Maintenance,
    /// Colocations in a circle.
    Circle,
    /// Instances of a cloned group.
    ClonedGroup,
    /// Promoted instances.
    Promoted,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 6] = [
        Shape::Plain,
        Shape::Remote,
        Shape::Maintenance,
        Shape::Circle,
        Shape::ClonedGroup,
        Shape::Promoted,
    ];
}

/// One thing that was judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Duty {
    /// By which rule.
    pub rule: Rule,
    /// What it is about.
    pub shape: Shape,
    /// The action that it is about; 0 for what must not be done.
    pub action: u32,
    /// What must be, in words.
    pub text: String,
    /// Whether it is.
    pub kept: bool,
}

/// The verdict.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Everything that was judged.
    pub duties: Vec<Duty>,
}

impl Report {
    /// What does not hold.
    pub fn complaints(&self) -> impl Iterator<Item = &Duty> {
        self.duties.iter().filter(|d| !d.kept)
    }

    /// True if this rule is broken.
    pub fn breaks(&self, rule: Rule) -> bool {
        self.complaints().any(|d| d.rule == rule)
    }

    fn judge(&mut self, rule: Rule, action: u32, kept: bool, text: String) {
        self.judge_shape((rule, Shape::Plain), action, kept, text);
    }

    fn judge_shape(&mut self, (rule, shape): (Rule, Shape), action: u32, kept: bool, text: String) {
        self.duties.push(Duty { rule, shape, action, text, kept });
    }
}

/// Judges a graph by a CIB.
pub fn check(facts: &Facts, plan: &Plan) -> Report {
    let mut report = Report::default();
    let stuck = plan.stuck();
    for &id in plan.actions.keys() {
        let text = format!("action {id} can be reached");
        report.judge(Rule::Executable, id, !stuck.contains(&id), text);
    }
    active_once(facts, plan, &mut report);
    ordered(facts, plan, &mut report);
    cloned_groups(facts, plan, &mut report);
    colocated(facts, plan, &mut report);
    fenced_first(facts, plan, &mut report);
    managed_only(facts, plan, &mut report);
    within_limits(facts, plan, &mut report);
    report
}

/// Whether remote or guest nodes are among these.
fn shape_of(facts: &Facts, nodes: &[&str]) -> Shape {
    let member = |n: &&str| facts.members.contains(*n);
    if nodes.iter().all(member) { Shape::Plain } else { Shape::Remote }
}

/// Stops of a guest or remote node's connection, or of the container it is in: with them ends what
/// ran there.
fn ends<'a>(facts: &'a Facts, plan: &'a Plan, node: &'a str) -> impl Iterator<Item = u32> + 'a {
    let names = [Some(node), facts.guests.get(node).map(String::as_str)];
    let keys = names.into_iter().flatten().map(|name| format!("{name}_stop_0"));
    let outside = !facts.members.contains(node);
    keys.filter(move |_| outside).flat_map(|key| {
        let found: Vec<u32> = plan.with_key(&key).map(|(ix, _)| ix).collect();
        found
    })
}

/// Whether a remote or guest node's connection runs, and the container if it is one of a bundle.
fn is_up(facts: &Facts, node: &str) -> bool {
    let containers = node.rsplit_once('-').into_iter().flat_map(|(bundle, number)| {
        ["docker", "podman", "rkt"].map(|kind| format!("{bundle}-{kind}-{number}"))
    });
    let mut known = containers.filter(|name| facts.history.contains_key(name));
    !facts.active(node).is_empty() && known.all(|name| !facts.active(&name).is_empty())
}

/// Starts that an agent carries out, with the resource and the node.
fn starts(plan: &Plan) -> impl Iterator<Item = (u32, &str, &str)> {
    plan.actions.iter().filter_map(|(id, a)| {
        let real = a.is_real() && a.operation == "start";
        let (rsc, node) = (a.primitive.as_deref()?, a.node.as_deref()?);
        real.then_some((*id, rsc, node))
    })
}

fn active_once(facts: &Facts, plan: &Plan, report: &mut Report) {
    for (start, rsc, node) in starts(plan) {
        let Some(primitive) = facts.primitives.get(rsc).filter(|p| p.single) else { continue };
        if primitive.managed != Known::Yes {
            continue;
        }
        for other in facts.active(rsc).into_iter().filter(|n| *n != node) {
            if facts.members.contains(other)
                && !facts.online.contains(other)
                && !plan.fenced().contains_key(other)
            {
                // What a clean offline node is recorded to run does not run.
                continue;
            }
            let own = facts.guests.get(other).is_some_and(|container| container == rsc);
            if !facts.members.contains(other) && (own || !is_up(facts, other)) {
                // Nothing runs on a guest that is not up, and a container that is recorded in its
                // own guest cannot be ordered relative to it.
                continue;
            }
            let key = format!("{rsc}_stop_0");
            let there = |a: &Action| a.node.as_deref().is_none_or(|n| n == other);
            let stopped = plan.with_key(&key).any(|(s, a)| there(a) && plan.precedes(s, start))
                || ends(facts, plan, other).any(|end| plan.precedes(end, start));
            let text = format!("{rsc} has stopped on {other} before it starts on {node}");
            let shape = shape_of(facts, &[node, other]);
            report.judge_shape((Rule::ActiveOnce, shape), start, stopped, text);
        }
        for (second, _, elsewhere) in starts(plan).filter(|s| s.1 == rsc && s.0 != start) {
            let text = format!("{rsc} starts on {node} only, not on {elsewhere}");
            report.judge(Rule::ActiveOnce, second, false, text);
        }
    }
}

/// The action that begins, or that completes, what a plain resource does.
fn moment(facts: &Facts, plan: &Plan, rsc: &str, action: &str, done: bool) -> Option<u32> {
    let operation = match (facts.groups.contains_key(rsc), done, action) {
        (true, true, "start") => "running",
        (true, true, "stop") => "stopped",
        _ => action,
    };
    let single = facts.primitives.get(rsc).is_some_and(|p| p.single && p.managed == Known::Yes);
    if !single && !facts.groups.contains_key(rsc) {
        return None;
    }
    let key = format!("{rsc}_{operation}_0");
    let mut found = plan.with_key(&key);
    let (id, _) = found.next()?;
    // Several stops of a multiply active resource are no one moment.
    found.next().is_none().then_some(id)
}

fn moves(plan: &Plan, rsc: &str) -> bool {
    let key = |task: &str| format!("{rsc}_{task}_0");
    plan.with_key(&key("migrate_from")).next().is_some()
        || plan.with_key(&key("migrate_to")).next().is_some()
}

fn ordered(facts: &Facts, plan: &Plan, report: &mut Report) {
    for (id, group) in facts.groups.iter().filter(|(_, g)| g.ordered == Known::Yes) {
        for pair in group.members.windows(2) {
            let order = |first: &str, then: &str, action: &str| Order {
                id: id.clone(),
                first: first.into(),
                first_action: action.into(),
                then: then.into(),
                then_action: action.into(),
                symmetrical: false,
            };
            if !moves(plan, &pair[0]) && !moves(plan, &pair[1]) {
                in_order(facts, plan, report, &order(&pair[0], &pair[1], "start"));
                in_order(facts, plan, report, &order(&pair[1], &pair[0], "stop"));
            }
        }
    }
    for order in &facts.orders {
        let inside = |group: &str, member: &str| {
            facts.primitives.get(member).is_some_and(|p| p.within.iter().any(|w| w == group))
        };
        let (first, then) = (order.first.as_str(), order.then.as_str());
        if first == then
            || inside(first, then)
            || inside(then, first)
            || moves(plan, &order.first)
            || moves(plan, &order.then)
        {
            continue;
        }
        in_order(facts, plan, report, order);
        let inverse = |a: &str| match a {
            "start" => Some("stop".to_string()),
            "stop" => Some("start".to_string()),
            _ => None,
        };
        let back = inverse(&order.first_action).zip(inverse(&order.then_action));
        if let Some((first_action, then_action)) = back.filter(|_| order.symmetrical) {
            let inverse = Order {
                first: order.then.clone(),
                first_action: then_action,
                then: order.first.clone(),
                then_action: first_action,
                ..order.clone()
            };
            in_order(facts, plan, report, &inverse);
        }
    }
}

/// Members of one instance of a cloned group come and go one after the other, on one node.
fn cloned_groups(facts: &Facts, plan: &Plan, report: &mut Report) {
    for (id, group) in &facts.cloned_groups {
        let clone = group.clone.as_ref().and_then(|c| facts.clones.get(c));
        let max = clone.and_then(|c| c.max).unwrap_or(facts.members.len());
        for pair in group.members.windows(2) {
            for (ix, action) in plan.actions.iter().filter(|(_, a)| a.is_real()) {
                let start = action.operation == "start";
                let (first, then) = if start { (&pair[0], &pair[1]) } else { (&pair[1], &pair[0]) };
                let Some(number) = instance(&action.key, then, &action.operation) else { continue };
                // Instances beyond the limit are orphans of their own, each member for itself.
                let counts = number.parse::<usize>().is_ok_and(|n| n < max);
                if !(counts && (start || action.operation == "stop")) {
                    continue;
                }
                let key = format!("{first}:{number}_{}_0", action.operation);
                let mut firsts = plan.with_key(&key);
                let (Some((before, other)), None) = (firsts.next(), firsts.next()) else {
                    continue;
                };
                let shape = Shape::ClonedGroup;
                if group.ordered == Known::Yes {
                    let kept = plan.precedes(before, *ix);
                    let text = format!("{key} comes before {} ({id})", action.key);
                    report.judge_shape((Rule::Ordered, shape), *ix, kept, text);
                }
                if start && other.is_real() && group.colocated == Known::Yes {
                    let text = format!("{key} is where {} is ({id})", action.key);
                    let kept = other.node == action.node;
                    report.judge_shape((Rule::Colocated, shape), *ix, kept, text);
                }
            }
        }
    }
}

/// The number of the instance that a key is about: `NAME:NUMBER_OPERATION_0`.
fn instance<'a>(key: &'a str, name: &str, operation: &str) -> Option<&'a str> {
    let rest = key.strip_prefix(name)?.strip_prefix(':')?;
    rest.strip_suffix("_0")?.strip_suffix(operation)?.strip_suffix('_')
}

fn in_order(facts: &Facts, plan: &Plan, report: &mut Report, order: &Order) {
    let first = moment(facts, plan, &order.first, &order.first_action, true);
    let then = moment(facts, plan, &order.then, &order.then_action, false);
    let Some((first, then)) = first.zip(then) else { return };
    let place = |id: u32| plan.actions.get(&id).and_then(|a| a.node.as_deref());
    // What runs inside a guest cannot be ordered relative to that guest.
    let inside = |id: u32, other: &str| {
        let container = place(id).and_then(|n| facts.guests.get(n));
        container.is_some_and(|c| facts.top(c) == facts.top(other))
    };
    if !inside(first, &order.then) && !inside(then, &order.first) {
        let text = format!(
            "{} of {} comes before {} of {} ({})",
            order.first_action, order.first, order.then_action, order.then, order.id
        );
        let places: Vec<&str> = [first, then].into_iter().filter_map(place).collect();
        let shape = shape_of(facts, &places);
        report.judge_shape((Rule::Ordered, shape), then, plan.precedes(first, then), text);
    }
}

/// Where a single resource will run when all is done, if that is certain.
fn finally(facts: &Facts, plan: &Plan, rsc: &str) -> Option<BTreeSet<String>> {
    let mut nodes: BTreeSet<String> = facts
        .recorded(rsc)?
        .into_iter()
        .filter(|(n, s)| *s != State::Stopped && facts.online.contains(*n))
        .map(|(n, _)| n.to_string())
        .collect();
    let fenced = plan.fenced();
    nodes.retain(|n| !fenced.contains_key(n.as_str()));
    let of_rsc = plan.actions.values().filter(|a| a.primitive.as_deref() == Some(rsc));
    let (gone, come): (Vec<_>, Vec<_>) = of_rsc
        .filter(|a| matches!(a.operation.as_str(), "stop" | "start" | "migrate_from"))
        .partition(|a| a.operation == "stop");
    for action in gone {
        nodes.remove(action.node.as_deref()?);
    }
    for action in come {
        nodes.insert(action.node.clone()?);
    }
    Some(nodes)
}

fn colocated(facts: &Facts, plan: &Plan, report: &mut Report) {
    for (id, group) in facts.groups.iter().filter(|(_, g)| g.colocated == Known::Yes) {
        for pair in group.members.windows(2) {
            end_up(facts, plan, report, (&pair[1], &pair[0], true, id));
        }
    }
    for c in &facts.colocations {
        let alone = |id: &str| facts.primitives.get(id).is_some_and(|p| p.within.is_empty());
        if alone(&c.dependent) && alone(&c.primary) {
            end_up(facts, plan, report, (&c.dependent, &c.primary, c.together, &c.id));
        }
    }
}

/// Two resources end up on one node, or not.
fn end_up(
    facts: &Facts,
    plan: &Plan,
    report: &mut Report,
    (dependent, primary, together, id): (&str, &str, bool, &str),
) {
    let plain =
        |id: &str| facts.primitives.get(id).is_some_and(|p| p.single && p.managed == Known::Yes);
    if !plain(dependent) || !plain(primary) || dependent == primary {
        return;
    }
    let circles = [facts.circle(dependent), facts.circle(primary)];
    if !circles.iter().all(|c| facts.is_harmonious(c)) {
        return;
    }
    let circular = circles.iter().any(|c| !c.is_empty());
    let places = finally(facts, plan, dependent).zip(finally(facts, plan, primary));
    let Some((here, there)) = places else { return };
    let started = starts(plan).find(|(_, rsc, _)| *rsc == dependent);
    let (Some((start, ..)), 1, 1) = (started, here.len(), there.len()) else { return };
    let how = if together { "with" } else { "apart from" };
    let text = format!("{dependent} ends up {how} {primary} ({id})");
    let places: Vec<&str> = here.iter().map(String::as_str).collect();
    let shape = if circular { Shape::Circle } else { shape_of(facts, &places) };
    report.judge_shape((Rule::Colocated, shape), start, (here == there) == together, text);
}

fn fenced_first(facts: &Facts, plan: &Plan, report: &mut Report) {
    let fenced = plan.fenced();
    for (start, rsc, node) in starts(plan) {
        if let Some(&fence) = fenced.get(node) {
            let text = format!("{node} is fenced before {rsc} starts there");
            let shape = shape_of(facts, &[node]);
            let kept = plan.precedes(fence, start)
                || ends(facts, plan, node).any(|end| plan.precedes(end, start));
            report.judge_shape((Rule::FencedFirst, shape), start, kept, text);
        }
        let Some(primitive) = facts.primitives.get(rsc) else { continue };
        if !primitive.single || primitive.needs_fencing != Known::Yes {
            continue;
        }
        for other in facts.active(rsc).into_iter().filter(|n| *n != node) {
            if let Some(&fence) = fenced.get(other) {
                let text = format!("{other} is fenced before {rsc} starts on {node}");
                let shape = shape_of(facts, &[node, other]);
                let kept = plan.precedes(fence, start);
                report.judge_shape((Rule::FencedFirst, shape), start, kept, text);
            }
        }
    }
}

fn managed_only(facts: &Facts, plan: &Plan, report: &mut Report) {
    const CHANGES: [&str; 6] = ["start", "stop", "promote", "demote", "migrate_to", "migrate_from"];
    for (id, primitive) in &facts.primitives {
        if primitive.managed == Known::No && primitive.single {
            let mut changes = plan.actions.values().filter(|a| {
                let own = a.primitive.as_deref() == Some(id);
                own && a.is_real() && CHANGES.contains(&a.operation.as_str())
            });
            let text = format!("nothing is done to {id}");
            let kept = changes.next().is_none();
            report.judge_shape((Rule::ManagedOnly, Shape::Maintenance), 0, kept, text);
        }
    }
    for (&id, action) in &plan.actions {
        if !action.is_real() || !CHANGES.contains(&action.operation.as_str()) {
            continue;
        }
        let Some(rsc) = action.primitive.as_deref() else { continue };
        let base = rsc.split(':').next().unwrap_or(rsc);
        if is_surplus(facts, rsc) {
            continue;
        }
        let known = facts.primitives.get(rsc).or_else(|| facts.primitives.get(base));
        if let Some(primitive) = known.filter(|p| p.managed != Known::Open) {
            let text = format!("{} of {rsc} is done to a managed resource", action.operation);
            report.judge(Rule::ManagedOnly, id, primitive.managed == Known::Yes, text);
        }
    }
}

/// An instance beyond its clone's limit is an orphan of its own: managed, whatever is configured.
fn is_surplus(facts: &Facts, rsc: &str) -> bool {
    let Some((base, number)) = rsc.rsplit_once(':') else { return false };
    let Some(primitive) = facts.primitives.get(base) else { return false };
    let max = primitive.within.iter().find_map(|w| facts.clones.get(w)).map(|clone| clone.max);
    let Some(max) = max else { return false };
    number.parse::<usize>().is_ok_and(|n| n >= max.unwrap_or(facts.members.len()))
}

fn within_limits(facts: &Facts, plan: &Plan, report: &mut Report) {
    // The peers place two instances of a cloned group on one node when its members disagree about
    // where they want to be, when they need not be together, or when an instance did not get the
    // node that it has; we do as they do. So places are judged where none of this can be.
    for (id, clone) in &facts.clones {
        let alike = |m: &String| {
            let own = facts.constrained.contains(m) || facts.failures.contains(m);
            !own && facts.recorded(m).is_some() && facts.active(m).is_empty()
        };
        let mut groups = facts.cloned_groups.values();
        let one_place = groups.all(|g| g.clone.as_ref() != Some(id) || g.colocated == Known::Yes);
        let alike = one_place && !facts.patterns && clone.members.iter().all(alike);
        for member in &clone.members {
            let direct = facts.primitives.get(member).is_some_and(|p| p.within.len() == 1);
            let each = Each { id, clone, member, direct, by_node: direct || alike };
            instances_within_limits(facts, plan, report, &each);
        }
    }
}

/// One member of a clone.
struct Each<'a> {
    id: &'a str,
    clone: &'a Clone,
    member: &'a str,
    /// It is what is cloned.
    direct: bool,
    /// How many there are on one node is certain.
    by_node: bool,
}

/// Instances of one member of a clone, by node, when all is done; and what comes.
fn instances_within_limits(facts: &Facts, plan: &Plan, report: &mut Report, each: &Each<'_>) {
    let Each { id, clone, member, direct, by_node } = *each;
    let shape = if direct { Shape::Plain } else { Shape::ClonedGroup };
    let Some(recorded) = facts.recorded(member) else { return };
    let fenced = plan.fenced();
    let mut running: BTreeMap<&str, usize> = BTreeMap::new();
    let mut promoted: BTreeSet<&str> = BTreeSet::new();
    for (node, state) in recorded {
        // What is left alone on a node in maintenance is not counted by the peers either.
        let up = facts.online.contains(node);
        let ended = ends(facts, plan, node).next().is_some();
        if state != State::Stopped && up && !ended && !fenced.contains_key(node) {
            running.insert(node, 1);
            if state == State::Promoted {
                promoted.insert(node);
            }
        }
    }
    let (mut comes, mut rises, mut rise) = (None, 0, None);
    for (&ix, action) in plan.actions.iter().filter(|(_, a)| a.is_real()) {
        let rsc = action.primitive.as_deref().unwrap_or_default();
        let (Some(node), true) = (action.node.as_deref(), base(rsc) == member) else { continue };
        match action.operation.as_str() {
            "start" => {
                comes = Some(ix);
                *running.entry(node).or_default() += 1;
            }
            "stop" => {
                let there = running.entry(node).or_default();
                *there = there.saturating_sub(1);
            }
            "demote" => {
                promoted.remove(node);
            }
            "promote" => {
                rise = Some(ix);
                rises += usize::from(!promoted.contains(node));
            }
            _ => {}
        }
    }
    if let (Some(rise), Some(max)) = (rise, clone.promoted_max) {
        let total = promoted.len() + rises;
        let text = format!("{id} has at most {max} promoted instances, not {total}");
        report.judge_shape((Rule::WithinLimits, Shape::Promoted), rise, total <= max, text);
    }
    let Some(comes) = comes else { return };
    if let Some(max) = clone.max {
        let total: usize = running.values().sum();
        let text = format!("{id} has at most {max} instances, not {total}");
        report.judge_shape((Rule::WithinLimits, shape), comes, total <= max, text);
    }
    if let Some(max) = clone.node_max.filter(|_| by_node) {
        let most = running.values().copied().max().unwrap_or(0);
        let text = format!("{id} has at most {max} instances on a node, not {most}");
        report.judge_shape((Rule::WithinLimits, shape), comes, most <= max, text);
    }
}

fn base(rsc: &str) -> &str {
    match rsc.rsplit_once(':') {
        Some((base, number)) if number.bytes().all(|b| b.is_ascii_digit()) => base,
        _ => rsc,
    }
}
