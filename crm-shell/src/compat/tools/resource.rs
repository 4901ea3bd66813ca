//! `crm_resource` (O-170 to O-173).

use std::process::ExitCode;
use std::time::Duration;

use crm_core::cib::Element;
use crm_core::cib::attributes::{PairName, set_pair};
use crm_core::scheduler::model::{Cluster, Role, RscIx};
use crm_messaging::proto;

use super::super::exit::Exit;
use super::super::options::{COMMON, Group, Value, long, opt};
use super::{Done, Failure, Run, Tool, cluster, milliseconds, usage};
use crate::render::report::Style;

const CRM_RESOURCE: Tool = Tool {
    name: "crm_resource",
    purpose: "Query and change resources",
    groups: &[
        Group {
            title: "Queries",
            options: &[
                opt('l', "list-raw", Value::None, "List the ids of all instances"),
                opt('W', "locate", Value::None, "Show where a resource runs"),
                opt('q', "query-xml", Value::None, "Show the definition of a resource"),
                opt('w', "query-xml-raw", Value::None, "The same, templates not applied"),
                opt('g', "get-parameter", Value::Required("NAME"), "Show a parameter"),
                opt(
                    'G',
                    "get-property",
                    Value::Required("NAME"),
                    "Show an attribute of the definition",
                ),
            ],
        },
        Group {
            title: "Commands",
            options: &[
                opt('p', "set-parameter", Value::Required("NAME"), "Set a parameter (with -v)"),
                opt('d', "delete-parameter", Value::Required("NAME"), "Delete a parameter"),
                opt('M', "move", Value::None, "Move a resource, leaving a constraint"),
                opt('B', "ban", Value::None, "Keep a resource from a node, leaving a constraint"),
                opt('U', "clear", Value::None, "Remove what --move and --ban left"),
                opt('C', "cleanup", Value::None, "Forget failures"),
                opt('R', "refresh", Value::None, "Forget history, so that all is probed again"),
                opt('F', "fail", Value::None, "Report a failure of a resource"),
                opt('D', "delete", Value::None, "Remove a resource from the configuration"),
                long("wait", Value::None, "Wait until the cluster has nothing to do"),
            ],
        },
        Group {
            title: "Options",
            options: &[
                opt('r', "resource", Value::Required("RSC"), "The resource"),
                opt('N', "node", Value::Required("NODE"), "The node"),
                opt('H', "host-uname", Value::Required("NODE"), ""),
                opt('v', "parameter-value", Value::Required("VALUE"), "The value"),
                opt('m', "meta", Value::None, "A meta attribute"),
                opt('z', "utilization", Value::None, "A utilization attribute"),
                opt('s', "set-name", Value::Required("ID"), "The attribute set"),
                opt('i', "nvpair", Value::Required("ID"), "The id of the attribute"),
                opt('n', "operation", Value::Required("OP"), "Only this operation"),
                opt('I', "interval", Value::Required("TIME"), "With this interval"),
                opt('t', "resource-type", Value::Required("TYPE"), "The kind of object to delete"),
                opt('u', "lifetime", Value::Required("PERIOD"), "How long a constraint holds"),
                opt('T', "timeout", Value::Required("TIME"), "How long to wait"),
                opt('f', "force", Value::None, "Do it although it is unusual"),
                long("promoted", Value::None, "Only the promoted role"),
                long("master", Value::None, ""),
                long("expired", Value::None, "With --clear: only constraints whose time is over"),
            ],
        },
        COMMON,
    ],
    style: Style::Plain,
    body: work,
};

/// Runs `crm_resource`.
pub(super) fn crm_resource(arguments: &[String]) -> ExitCode {
    CRM_RESOURCE.main(arguments)
}

const NAME: &str = "crm_resource";

/// What one command of the table does.
type Command = fn(&mut Run<'_>) -> Done;

fn work(run: &mut Run<'_>) -> Done {
    let commands: [(&str, Command); 16] = [
        ("list-raw", list_raw),
        ("locate", locate),
        ("query-xml", definition),
        ("query-xml-raw", definition),
        ("get-parameter", get_parameter),
        ("get-property", get_property),
        ("set-parameter", set_parameter),
        ("delete-parameter", set_parameter),
        ("move", move_resource),
        ("ban", ban),
        ("clear", clear),
        ("cleanup", cleanup),
        ("refresh", cleanup),
        ("fail", fail),
        ("wait", wait),
        ("delete", delete),
    ];
    let asked = commands.iter().filter(|(name, _)| run.options.has(name)).map(|(_, f)| *f);
    match asked.collect::<Vec<_>>().as_slice() {
        [] => Ok(CRM_RESOURCE.usage(run)),
        [command] => command(run),
        [_, _, ..] => Err(usage(NAME, "Only one command option may be specified")),
    }
}

fn resource(run: &Run<'_>) -> Result<String, Failure> {
    let given = run.options.last("resource").map(str::to_string);
    given.ok_or_else(|| usage(NAME, "Must supply a resource id with -r"))
}

fn not_found(what: &str, name: &str) -> Failure {
    let text =
        format!("{NAME}: {what} '{name}' not found\nError performing operation: No such object");
    Failure::new(Exit::NO_SUCH, text)
}

/// The instances that a name stands for: the resource itself, or the leaves below it.
fn instances(cluster: &Cluster, name: &str) -> Vec<RscIx> {
    let all = cluster.top.iter().flat_map(|top| cluster.descendants(*top));
    let named: Vec<RscIx> = all
        .filter(|r| *cluster[*r].id == *name || cluster[*r].id.split(':').next() == Some(name))
        .collect();
    let mut leaves: Vec<RscIx> = named.iter().flat_map(|r| cluster.leaves(*r)).collect();
    leaves.sort();
    leaves.dedup();
    leaves
}

/// Nodes where a resource is active, and whether it is promoted there.
fn active(cluster: &Cluster, name: &str) -> Vec<(String, bool)> {
    let mut nodes: Vec<(String, bool)> = Vec::new();
    for leaf in instances(cluster, name) {
        for node in &cluster[leaf].active_on {
            let entry = (cluster[*node].name.to_string(), cluster[leaf].role == Role::Promoted);
            if !nodes.contains(&entry) {
                nodes.push(entry);
            }
        }
    }
    nodes
}

fn list_raw(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let cluster = cluster(&cib);
    let leaves: Vec<RscIx> = cluster.top.iter().flat_map(|top| cluster.leaves(*top)).collect();
    if leaves.is_empty() {
        run.out.error("NO resources configured");
        return Ok(Exit::NO_SUCH);
    }
    leaves.iter().for_each(|leaf| run.say(&cluster[*leaf].id));
    Ok(Exit::OK)
}

fn locate(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let cib = run.access.cib()?;
    let cluster = cluster(&cib);
    if instances(&cluster, &name).is_empty() {
        return Err(not_found("Resource", &name));
    }
    let nodes = active(&cluster, &name);
    if nodes.is_empty() {
        run.out.error(&format!("resource {name} is NOT running"));
    }
    for (node, promoted) in nodes {
        let suffix = if promoted { " Promoted" } else { "" };
        let line = format!("resource {name} is running on: {node}{suffix}");
        let quiet = run.quiet();
        run.say(if quiet { &node } else { &line });
    }
    Ok(Exit::OK)
}

const KINDS: [&str; 5] = ["primitive", "group", "clone", "master", "bundle"];

/// The definition of a resource; instance numbers are not part of its name.
fn configured<'a>(cib: &'a Element, name: &str) -> Option<&'a Element> {
    let base = name.split(':').next().unwrap_or(name);
    let mut all = cib.at(&["configuration", "resources"])?.descendants();
    all.find(|e| KINDS.contains(&e.name()) && e.id() == Some(base))
}

fn definition(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let cib = run.access.cib()?;
    let element = configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    let text = element.to_pretty();
    let nodes: Vec<String> = active(&cluster(&cib), &name).into_iter().map(|(n, _)| n).collect();
    let place = if nodes.is_empty() {
        "Stopped".to_string()
    } else {
        format!("Started {}", nodes.join(" "))
    };
    run.say(&format!("{name}\t{place}"));
    run.say("Resource XML:");
    run.say(text.trim_end());
    Ok(Exit::OK)
}

fn set_tag(run: &Run<'_>) -> &'static str {
    match (run.options.has("meta"), run.options.has("utilization")) {
        (true, _) => "meta_attributes",
        (_, true) => "utilization",
        (false, false) => "instance_attributes",
    }
}

fn get_parameter(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let parameter = run.options.last("get-parameter").unwrap_or_default().to_string();
    let cib = run.access.cib()?;
    let element = configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    let value = element
        .children_named(set_tag(run))
        .flat_map(Element::children)
        .find(|p| p.attr("name") == Some(&parameter))
        .and_then(|p| p.attr("value"));
    match value {
        Some(value) => run.say(value),
        None => run.out.error(&format!("Attribute '{parameter}' not found for '{name}'")),
    }
    Ok(Exit::OK)
}

fn get_property(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let property = run.options.last("get-property").unwrap_or_default().to_string();
    let cib = run.access.cib()?;
    let element = configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    let value = element.attr(&property).ok_or_else(|| Failure::performing(NAME, Exit::NO_SUCH))?;
    run.say(value);
    Ok(Exit::OK)
}

/// Changes the configuration and commits it.
fn edit(
    run: &mut Run<'_>,
    change: impl FnOnce(&mut Element) -> Result<(), Failure>,
    command: &str,
) -> Result<(), Failure> {
    let cib = run.access.cib()?;
    let mut changed = cib.clone();
    let configuration = changed.child_or_insert("configuration");
    change(configuration)?;
    let configuration = configuration.clone();
    Ok(run.access.commit(&cib, &configuration, command)?)
}

fn set_parameter(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let parameter = run
        .options
        .last("set-parameter")
        .or(run.options.last("delete-parameter"))
        .unwrap_or_default()
        .to_string();
    let value = run.options.last("parameter-value").map(str::to_string);
    if run.options.has("set-parameter") && value.is_none() {
        return Err(usage(NAME, "You need to supply a value with the -v option"));
    }
    let value = value.filter(|_| run.options.has("set-parameter"));
    let default_set = format!("{name}-{}", set_tag(run));
    let (set, id) = (run.options.last("set-name"), run.options.last("nvpair"));
    let (set, id) = (set.map(str::to_string), id.map(str::to_string));
    let pair = PairName {
        tag: set_tag(run),
        set: set.as_deref(),
        default_set: &default_set,
        id: id.as_deref(),
        name: &parameter,
    };
    let cib = run.access.cib()?;
    let element = configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    let sets = element.children().filter(|set| pair.is_in(set));
    let old = sets.flat_map(Element::children).find(|p| pair.is(p));
    let old = old.and_then(Element::id).map(str::to_string);
    if value.is_none() && old.is_none() {
        return Ok(Exit::OK);
    }
    let change = |configuration: &mut Element| {
        let found = configuration.child_mut("resources").and_then(|r| r.find_id_mut(&name));
        let owner = found.ok_or_else(|| not_found("Resource", &name))?;
        set_pair(owner, &pair, value.as_deref());
        Ok(())
    };
    edit(run, change, &format!("crm_resource -r {name} -p {parameter}"))?;
    let (set, id) = pair.new_ids();
    let line = match (&value, &old) {
        (Some(value), Some(old)) => {
            format!("Set '{name}' option: id={old} name={parameter} value={value}")
        }
        (Some(value), None) => {
            format!("Set '{name}' option: id={id} set={set} name={parameter} value={value}")
        }
        (None, old) => {
            let old = old.as_deref().unwrap_or(&id);
            format!("Deleted '{name}' option: id={old} name={parameter}")
        }
    };
    run.say(&line);
    Ok(Exit::OK)
}

fn target_node(run: &Run<'_>, cib: &Element) -> Result<Option<String>, Failure> {
    let Some(node) = run.options.last("node").or(run.options.last("host-uname")) else {
        return Ok(None);
    };
    match crm_core::cib::attributes::node_id(cib, node) {
        Some(_) => Ok(Some(node.to_string())),
        None => Err(not_found("Node", node)),
    }
}

/// When a constraint ends, as `--lifetime` says.
fn lifetime(run: &mut Run<'_>) -> Result<Option<String>, Failure> {
    let Some(text) = run.options.last("lifetime") else { return Ok(None) };
    let span: jiff::Span =
        text.parse().map_err(|_| usage(NAME, &format!("'{text}' is no ISO 8601 duration")))?;
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let end = now.checked_add(span).map_err(|e| usage(NAME, &e.to_string()))?;
    let end = end.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    run.say(&format!("Migration will take effect until: {end}"));
    Ok(Some(end))
}

/// The constraint that `--move` (score INFINITY) and `--ban` leave.
fn cli_constraint(name: &str, node: &str, ban: bool, role: &str, end: Option<&str>) -> Element {
    let (id, score) = if ban {
        (format!("cli-ban-{name}-on-{node}"), "-INFINITY")
    } else {
        (format!("cli-prefer-{name}"), "INFINITY")
    };
    let location =
        Element::new("rsc_location").with("id", &id).with("rsc", name).with("role", role);
    let Some(end) = end else { return location.with("node", node).with("score", score) };
    let (rule, expression, date) = if ban {
        (format!("{id}-rule"), format!("{id}-expr"), format!("{id}-lifetime"))
    } else {
        (
            format!("cli-prefer-rule-{name}"),
            format!("cli-prefer-expr-{name}"),
            format!("cli-prefer-lifetime-end-{name}"),
        )
    };
    let expression = Element::new("expression")
        .with("id", expression)
        .with("attribute", "#uname")
        .with("operation", "eq")
        .with("value", node)
        .with("type", "string");
    let date =
        Element::new("date_expression").with("id", date).with("operation", "lt").with("end", end);
    location.with_child(
        Element::new("rule")
            .with("id", rule)
            .with("score", score)
            .with("boolean-op", "and")
            .with_child(expression)
            .with_child(date),
    )
}

fn wanted_role(run: &Run<'_>) -> &'static str {
    if run.options.has("promoted") || run.options.has("master") { "Promoted" } else { "Started" }
}

/// The one node where the resource is active, for `--move` and `--ban` without a node.
fn only_node(cib: &Element, name: &str) -> Result<String, Failure> {
    let nodes = active(&cluster(cib), name);
    match nodes.as_slice() {
        [(node, _)] => Ok(node.clone()),
        several => {
            let text = format!(
                "{NAME}: Resource '{name}' not moved: active in {} locations.\n\
                 To prevent '{name}' from running on a specific location, specify a node.",
                several.len()
            );
            Err(Failure::new(Exit::USAGE, text))
        }
    }
}

fn place(run: &mut Run<'_>, name: &str, node: &str, ban: bool) -> Done {
    let end = lifetime(run)?;
    if ban && end.is_none() && !run.quiet() {
        run.out.error(&format!(
            "WARNING: Creating rsc_location constraint 'cli-ban-{name}-on-{node}' with a score of -INFINITY for resource {name} on {node}.\n\
             \tThis will prevent {name} from running on {node} until the constraint is removed using the clear option or by editing the CIB with an appropriate tool\n\
             \tThis will be the case even if {node} is the last node in the cluster"
        ));
    }
    let constraint = cli_constraint(name, node, ban, wanted_role(run), end.as_deref());
    let change = |configuration: &mut Element| {
        let constraints = configuration.child_or_insert("constraints");
        let old = constraint.id().map(str::to_string);
        constraints.retain(|c| {
            c.id().map(str::to_string) != old && (ban || !is_left_by_cli(c, name, None))
        });
        constraints.push(constraint.clone());
        Ok(())
    };
    let verb = if ban { "ban" } else { "move" };
    edit(run, change, &format!("crm_resource --{verb} -r {name} -N {node}"))?;
    Ok(Exit::OK)
}

fn move_resource(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let cib = run.access.cib()?;
    configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    match target_node(run, &cib)? {
        None => {
            let node = only_node(&cib, &name)?;
            place(run, &name, &node, true)
        }
        Some(node) => {
            let there = active(&cluster(&cib), &name);
            if there.iter().any(|(n, _)| *n == node)
                && there.len() == 1
                && !run.options.has("force")
            {
                let text = format!(
                    "{NAME}: {name} is already active on {node}\n{NAME}: Error performing operation: Requested item already exists"
                );
                return Err(Failure::new(Exit(108), text));
            }
            place(run, &name, &node, false)
        }
    }
}

fn ban(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let cib = run.access.cib()?;
    configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    let node = match target_node(run, &cib)? {
        Some(node) => node,
        None => only_node(&cib, &name)?,
    };
    place(run, &name, &node, true)
}

fn is_left_by_cli(constraint: &Element, name: &str, node: Option<&str>) -> bool {
    let Some(id) = constraint.id() else { return false };
    let bans = match node {
        Some(node) => id == format!("cli-ban-{name}-on-{node}"),
        None => id.starts_with(&format!("cli-ban-{name}-on-")),
    };
    let prefers = id == format!("cli-prefer-{name}")
        && node.is_none_or(|n| constraint.attr("node").is_none_or(|on| on == n));
    bans || prefers
}

fn clear(run: &mut Run<'_>) -> Done {
    let name = run.options.last("resource").map(str::to_string);
    let cib = run.access.cib()?;
    let node = target_node(run, &cib)?;
    let now = jiff::Timestamp::now();
    let expired_only = run.options.has("expired");
    let over = |c: &Element| {
        let end = c.descendants().find_map(|e| e.attr("end"));
        end.and_then(|e| e.replace(' ', "T").parse::<jiff::Timestamp>().ok())
            .is_some_and(|e| e < now)
    };
    let wanted = |c: &Element| {
        let ours = match &name {
            Some(name) => is_left_by_cli(c, name, node.as_deref()),
            None => {
                c.id().is_some_and(|i| i.starts_with("cli-ban-") || i.starts_with("cli-prefer-"))
            }
        };
        ours && (!expired_only || over(c))
    };
    let constraints = cib.at(&["configuration", "constraints"]);
    let removed: Vec<String> = constraints
        .into_iter()
        .flat_map(Element::children)
        .filter(|c| wanted(c))
        .filter_map(Element::id)
        .map(str::to_string)
        .collect();
    if removed.is_empty() {
        return Ok(Exit::OK);
    }
    let change = |configuration: &mut Element| {
        configuration.child_or_insert("constraints").retain(|c| !wanted(c));
        Ok(())
    };
    edit(run, change, "crm_resource --clear")?;
    removed.iter().for_each(|id| run.say(&format!("Removing constraint: {id}")));
    Ok(Exit::OK)
}

fn cleanup(run: &mut Run<'_>) -> Done {
    let name = run.options.last("resource").map(str::to_string);
    let cib = run.access.cib()?;
    if let Some(name) = &name {
        configured(&cib, name).ok_or_else(|| not_found("Resource", name))?;
    }
    let node = target_node(run, &cib)?;
    let interval = run.options.last("interval").and_then(milliseconds);
    let request = proto::CleanupRequest {
        resource: name.clone().unwrap_or_default(),
        node: node.clone().unwrap_or_default(),
        failed_only: run.options.has("cleanup"),
        operation: run.options.last("operation").unwrap_or_default().to_string(),
        interval_ms: interval,
    };
    let cleaned = run.access.cleanup(&request)?;
    match (&name, cleaned.is_empty()) {
        (None, _) => run.say(&format!(
            "Cleaned up all resources on {}",
            node.as_deref().unwrap_or("all nodes")
        )),
        (Some(name), true) => {
            run.say(&format!("Cleaned up {name} on {}", node.as_deref().unwrap_or("all nodes")))
        }
        (Some(_), false) => cleaned.iter().for_each(|c| run.say(&format!("Cleaned up {c}"))),
    }
    Ok(Exit::OK)
}

fn fail(run: &mut Run<'_>) -> Done {
    let resource = resource(run)?;
    let cib = run.access.cib()?;
    let node = match target_node(run, &cib)? {
        Some(node) => node,
        None => only_node(&cib, &resource)?,
    };
    let reason = "asked for by crm_resource --fail".into();
    run.access.fail(&proto::FailRequest { resource, node, reason })?;
    Ok(Exit::OK)
}

fn wait(run: &mut Run<'_>) -> Done {
    let limit = run.options.last("timeout").and_then(milliseconds).unwrap_or(3_600_000);
    run.access.state(Some(Duration::from_millis(limit)))?;
    Ok(Exit::OK)
}

fn delete(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    if !run.options.has("resource-type") {
        return Err(usage(NAME, "You need to specify a resource type with -t"));
    }
    let change = |configuration: &mut Element| {
        let resources = configuration.child_or_insert("resources");
        resources.retain(|r| r.id() != Some(&name));
        for holder in resources.children_mut() {
            holder.retain(|r| !(KINDS.contains(&r.name()) && r.id() == Some(&name)));
        }
        Ok(())
    };
    edit(run, change, &format!("crm_resource --delete -r {name}"))?;
    Ok(Exit::OK)
}
