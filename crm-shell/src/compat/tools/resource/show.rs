//! What is configured, what runs where, and what has been done.

use crm_core::cib::{Child, Element};
use crm_core::scheduler::model::{Cluster, HistoryOp, NodeIx, Role, RscIx};

use super::super::super::exit::Exit;
use super::super::{Done, Failure, Run, cluster};
use super::{NAME, asked, configured, instances, named, node, not_found, resource, set_tag};
use crate::render::report::Part;
use crate::render::status::{
    View, agent_name, ctime, printable_id, resource_items, resource_line, resources_element,
    status_text,
};

/// `--list`.
pub(super) fn list(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let cluster = cluster(&cib);
    let view = View { inactive: true, without_nodes: true, ..View::default() };
    let items = resource_items(&cluster, &view);
    if items.is_empty() {
        run.say("Full List of Resources:");
        run.say("  * No resources");
    } else {
        run.out.text(&Part::list("Full List of Resources", items));
    }
    if let Some(element) = resources_element(&cluster, &view) {
        run.out.element(element);
    }
    Ok(Exit::OK)
}

/// A list of names, as text and as XML.
pub(super) fn names(run: &mut Run<'_>, list: &str, item: Option<&str>, names: &[String]) {
    let mut element = Element::new("list").with("name", list);
    element.set_attr("count", names.len().to_string());
    for name in names {
        run.say(name);
        let mut child = Element::new("item");
        if let Some(item) = item {
            child.set_attr("name", item);
        }
        child.nodes_mut().push(Child::Text(name.as_str().into()));
        element.push(child);
    }
    run.out.element(element);
}

/// `--list-raw`.
pub(super) fn list_raw(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let cluster = cluster(&cib);
    let leaves: Vec<RscIx> = cluster.top.iter().flat_map(|top| cluster.leaves(*top)).collect();
    if leaves.is_empty() {
        run.out.error("NO resources configured");
        return Ok(Exit::NO_SUCH);
    }
    let ids: Vec<String> = leaves.iter().map(|leaf| cluster[*leaf].id.to_string()).collect();
    names(run, "resource names", Some("resource"), &ids);
    Ok(Exit::OK)
}

/// `--list-operations` and `--list-all-operations`.
pub(super) fn operations(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let cluster = cluster(&cib);
    let node = node(run, &cib)?;
    let wanted = run.options.last("resource").map(str::to_string);
    let active = run.options.has("list-operations");
    let mut list = Element::new("operations");
    let states = cib.child("status").into_iter().flat_map(|s| s.children_named("node_state"));
    for state in states {
        let name = state.attr("uname").unwrap_or_default();
        let Some(at) =
            cluster.node_named(name).filter(|_| node.as_deref().is_none_or(|n| n == name))
        else {
            continue;
        };
        for history in cluster.histories.iter().filter(|h| h.node == at) {
            let Some(rsc) =
                history.rsc.filter(|_| wanted.as_ref().is_none_or(|w| **w == *history.id))
            else {
                continue;
            };
            let begin = match (active, history.last_start, history.last_stop) {
                (true, Some(start), Some(stop)) if start < stop => continue,
                (true, Some(start), _) => start,
                (_, _, _) => 0,
            };
            for op in history.ops.iter().skip(begin) {
                operation(run, &cluster, (rsc, at), op, &mut list);
            }
        }
    }
    run.out.element(list);
    Ok(Exit::OK)
}

fn operation(
    run: &mut Run<'_>,
    cluster: &Cluster,
    (rsc, node): (RscIx, NodeIx),
    op: &HistoryOp,
    list: &mut Element,
) {
    let view = View { inactive: true, without_nodes: true, ..View::default() };
    let changed = op.last_change.map(ctime);
    let mut facts = vec![
        format!("node={}", cluster[node].name),
        format!("call={}", op.call),
        format!("rc={}", op.rc),
    ];
    facts.extend(changed.as_ref().map(|time| format!("last-rc-change='{time}'")));
    facts.extend(op.exec_time.map(|ms| format!("exec={ms}ms")));
    let status = status_text(op.status);
    let line = resource_line(cluster, &view, rsc, false);
    run.say(&format!("{line}: {} ({}): {status}", op.key, facts.join(", ")));
    let mut element = Element::new("operation")
        .with("op", &*op.key)
        .with("node", &*cluster[node].name)
        .with("call", op.call.to_string())
        .with("rc", op.rc.to_string())
        .with("status", status)
        .with("rsc", printable_id(&cluster[rsc]))
        .with("agent", agent_name(&cluster[rsc].agent));
    if let Some(time) = changed {
        element.set_attr("last-rc-change", time);
    }
    if let Some(ms) = op.exec_time {
        element.set_attr("exec-time", ms.to_string());
    }
    list.push(element);
}

/// Nodes where what goes by a name is active, and whether it is promoted there.
pub(super) fn active(cluster: &Cluster, name: &str) -> Vec<(String, bool)> {
    let mut nodes: Vec<(String, bool)> = Vec::new();
    for leaf in instances(cluster, name).into_iter().rev() {
        for node in &cluster[leaf].active_on {
            let entry = (cluster[*node].name.to_string(), cluster[leaf].role == Role::Promoted);
            if !nodes.contains(&entry) {
                nodes.push(entry);
            }
        }
    }
    nodes
}

/// `--locate`.
pub(super) fn locate(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let cib = run.access.cib()?;
    let cluster = cluster(&cib);
    if named(&cluster, &name).is_empty() {
        return Err(not_found("Resource", &name));
    }
    let nodes = active(&cluster, &name);
    let mut list = Element::new("nodes").with("resource", &name);
    if nodes.is_empty() && !run.out.is_xml() {
        run.out.error(&format!("resource {name} is NOT running"));
    }
    for (node, promoted) in nodes {
        let suffix = if promoted { " Promoted" } else { "" };
        let line = format!("resource {name} is running on: {node}{suffix}");
        let quiet = run.quiet();
        run.say(if quiet { &node } else { &line });
        let mut child = Element::new("node");
        if promoted {
            child.set_attr("state", "promoted");
        }
        child.nodes_mut().push(Child::Text(node.as_str().into()));
        list.push(child);
    }
    run.out.element(list);
    Ok(Exit::OK)
}

/// A definition with its template's children before its own, as the scheduler reads it (I-85).
fn expanded(cib: &Element, element: &Element) -> Element {
    let template = element.attr("template").and_then(|name| {
        let mut all = cib.at(&["configuration", "resources"])?.children_named("template");
        all.find(|t| t.id() == Some(name))
    });
    let Some(template) = template else { return element.clone() };
    let mut whole = template.clone();
    whole.rename(element.name());
    for (name, value) in element.attrs().filter(|(name, _)| *name != "template") {
        whole.set_attr(name, value);
    }
    element.children().for_each(|child| whole.push(child.clone()));
    whole
}

/// The lines of a list without its title and bullets.
fn write_lines(out: &mut String, part: &Part) {
    match part {
        Part::List { parts, .. } => parts.iter().for_each(|p| write_lines(out, p)),
        Part::Item { id: Some(id), text } => out.push_str(&format!("{id}: {text}\n")),
        Part::Item { id: None, text } | Part::Line(text) => out.push_str(&format!("{text}\n")),
        Part::Space => {}
    }
}

/// `--query-xml` and `--query-xml-raw`.
pub(super) fn definition(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let (cluster, rsc, element) = asked(run, &cib)?;
    let mut shown = element.clone();
    if run.options.has("query-xml") {
        shown = expanded(&cib, element);
        if let Some(number) = cluster[rsc].instance.filter(|_| cluster[rsc].is_primitive()) {
            shown.set_attr("clone", number.to_string());
        }
    }
    let text = shown.to_pretty();
    let view = View { inactive: true, only_resources: Some(vec![rsc]), ..View::default() };
    let mut place = String::new();
    match cluster[rsc].is_primitive() {
        true => place = format!("{}\n", resource_line(&cluster, &view, rsc, true)),
        false => {
            resource_items(&cluster, &view).iter().for_each(|part| write_lines(&mut place, part))
        }
    }
    run.say(&format!("{place}Resource XML:\n{}", text.trim_end()));
    let mut config = Element::new("resource_config");
    let described = resources_element(&cluster, &view);
    described.iter().flat_map(Element::children).for_each(|r| config.push(r.clone()));
    let mut xml = Element::new("xml");
    xml.nodes_mut().push(Child::Text(text.as_str().into()));
    config.push(xml);
    run.out.element(config);
    Ok(Exit::OK)
}

/// `--get-parameter`: what is in force, defaults and inheritance included.
pub(super) fn parameter(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let (cluster, rsc, _) = asked(run, &cib)?;
    let name = run.options.last("get-parameter").unwrap_or_default().to_string();
    let id = run.options.last("resource").unwrap_or_default().to_string();
    let node = node(run, &cib)?.and_then(|n| cluster.node_named(&n));
    let places = active(&cluster, &cluster[rsc].id);
    let only = || match places.as_slice() {
        [(one, _)] => cluster.node_named(one),
        _ => None,
    };
    let tag = set_tag(run);
    if node.is_none() && places.len() > 1 && tag != "utilization" {
        let text =
            format!("{id} is active on more than one node, returning the default value for {name}");
        run.out.error(&text);
    }
    let value = match tag {
        "meta_attributes" => cluster[rsc].meta.get(&name).map(str::to_string),
        "utilization" => {
            let found = cluster[rsc].utilization.iter().find(|(n, _)| **n == *name);
            found.map(|(_, value)| value.to_string())
        }
        _ => cluster.params(rsc, node.or_else(only)).get(&name).map(str::to_string),
    };
    match value {
        Some(value) => {
            run.say(&value);
            let mut item = Element::new("item").with("name", &name);
            item.nodes_mut().push(Child::Text(value.as_str().into()));
            let list = Element::new("list").with("name", "attributes").with("count", "1");
            run.out.element(list.with_child(item));
        }
        None => run.out.error(&format!("Attribute '{name}' not found for '{id}'")),
    }
    Ok(Exit::OK)
}

/// `--get-property`: an attribute of the definition.
pub(super) fn property(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let property = run.options.last("get-property").unwrap_or_default().to_string();
    let cib = run.access.cib()?;
    let element = configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    if let Some(value) = expanded(&cib, element).attr(&property) {
        run.say(value);
    }
    Ok(Exit::OK)
}

/// A failure in the words of most commands.
pub(super) fn performing(exit: Exit) -> Failure {
    Failure::performing(NAME, exit)
}
