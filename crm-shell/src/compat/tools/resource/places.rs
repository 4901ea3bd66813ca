//! `--move`, `--ban` and `--clear`: constraints that stay until somebody takes them away.

use crm_core::cib::Element;

use super::super::super::exit::Exit;
use super::super::{Done, Failure, Run, cluster, usage};
use super::show::{active, performing};
use super::{NAME, configured, edit, node, not_found, resource};

/// When a constraint ends, as `--lifetime` says.
fn lifetime(run: &mut Run<'_>) -> Result<Option<String>, Failure> {
    let Some(text) = run.options.last("lifetime") else { return Ok(None) };
    let span: jiff::Span = text.parse().map_err(|_| {
        let text = format!(
            "Invalid duration specified: {text}\nPlease refer to \
             https://en.wikipedia.org/wiki/ISO_8601#Durations for examples of valid durations"
        );
        Failure::new(Exit::USAGE, text)
    })?;
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

/// The one node where the resource is active (or promoted), for commands without a node.
fn only_node(run: &Run<'_>, cib: &Element, name: &str) -> Result<String, Failure> {
    let nodes = active(&cluster(cib), name);
    let promoted: Vec<&String> = nodes.iter().filter(|(_, p)| *p).map(|(n, _)| n).collect();
    if let [(node, _)] = nodes.as_slice() {
        return Ok(node.clone());
    }
    let promotable = configured(cib, name).is_some_and(|e| {
        let metas = e.children_named("meta_attributes").flat_map(Element::children);
        let is =
            |p: &Element| p.attr("name") == Some("promotable") && p.attr("value") == Some("true");
        e.name() == "master" || metas.into_iter().any(is)
    });
    if let ([node], true) = (promoted.as_slice(), wanted_role(run) == "Promoted") {
        return Ok((*node).clone());
    }
    let count = nodes.len();
    let text = match promotable {
        true => format!(
            "{NAME}: Resource '{name}' not moved: active in {count} locations (promoted in {}).\n\
             To prevent '{name}' from running on a specific location, specify a node.\
             To prevent '{name}' from being promoted at a specific location, specify a node and \
             the --promoted option.",
            promoted.len()
        ),
        false => format!(
            "{NAME}: Resource '{name}' not moved: active in {count} locations.\n\
             To prevent '{name}' from running on a specific location, specify a node."
        ),
    };
    Err(Failure::new(Exit::USAGE, text))
}

fn place(run: &mut Run<'_>, name: &str, node: &str, ban: bool) -> Done {
    let end = lifetime(run)?;
    if ban && !run.quiet() {
        let verb = if wanted_role(run) == "Promoted" { "being promoted" } else { "running" };
        run.say(&format!(
            "WARNING: Creating rsc_location constraint 'cli-ban-{name}-on-{node}' with a score of -INFINITY for resource {name} on {node}.\n\
             \tThis will prevent {name} from {verb} on {node} until the constraint is removed using the clear option or by editing the CIB with an appropriate tool\n\
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

/// `--move`.
pub(super) fn go(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let cib = run.access.cib()?;
    configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    let Some(node) = node(run, &cib)? else {
        let node = only_node(run, &cib, &name)?;
        return place(run, &name, &node, true);
    };
    let there = active(&cluster(&cib), &name);
    let force = run.options.has("force");
    let alone = there.len() == 1 && there.iter().all(|(n, _)| *n == node);
    if alone && !force {
        return Err(performing(Exit(108)));
    }
    place(run, &name, &node, false)?;
    // Forced, it may not come back either.
    if let ([(old, _)], true, false) = (there.as_slice(), force, alone) {
        place(run, &name, old, true)?;
    }
    Ok(Exit::OK)
}

/// `--ban`.
pub(super) fn ban(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let cib = run.access.cib()?;
    configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    let node = match node(run, &cib)? {
        Some(node) => node,
        None => only_node(run, &cib, &name)?,
    };
    place(run, &name, &node, true)
}

/// Whether one of these commands has left it.
fn is_by_cli(constraint: &Element) -> bool {
    constraint.id().is_some_and(|i| i.starts_with("cli-ban-") || i.starts_with("cli-prefer-"))
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

/// `--clear`.
pub(super) fn clear(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let cib = run.access.cib()?;
    configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    let node = node(run, &cib)?;
    let now = jiff::Timestamp::now();
    let expired_only = run.options.has("expired");
    let over = |c: &Element| {
        let end = c.descendants().find_map(|e| e.attr("end"));
        end.and_then(|e| e.replace(' ', "T").parse::<jiff::Timestamp>().ok())
            .is_some_and(|e| e < now)
    };
    let wanted = |c: &Element| match expired_only {
        true => is_by_cli(c) && c.attr("rsc") == Some(&name) && over(c),
        false => is_left_by_cli(c, &name, node.as_deref()),
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
