//! What the agents' descriptions say about an object.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crm_core::cib::Element;
use crm_core::rules::flaws;

use crate::agents::{Agents, Metadata};
use crate::configuration::{Configuration, Object, milliseconds};
use crate::language::Kind;
use crate::language::vocabulary::{
    CLONE_META, GROUP_META, RESOURCE_META, boolean, distance, nearest,
};
use crate::properties;

use super::Finding;

/// What a check needs.
pub struct Context<'a> {
    /// The whole configuration.
    pub configuration: &'a Configuration,
    /// The agents of this machine.
    pub agents: &'a mut dyn Agents,
}

/// Everything that is wrong with one object.
pub fn check(context: &mut Context<'_>, object: &Object<'_>) -> Vec<Finding> {
    let mut out = match object.kind {
        Kind::Primitive | Kind::Template => primitive(context, object),
        Kind::Group => unknown_meta(object, &[RESOURCE_META, GROUP_META]),
        Kind::Clone | Kind::Master => unknown_meta(object, &[RESOURCE_META, CLONE_META]),
        Kind::Bundle => unknown_meta(object, &[RESOURCE_META]),
        Kind::Location | Kind::Colocation | Kind::Order | Kind::Ticket => {
            constraint(context.configuration, object)
        }
        Kind::Property => unknown_properties(object.id, object.element),
        Kind::RscDefaults => {
            unknown_names(object.id, object.element, &[RESOURCE_META], "resource default")
        }
        Kind::Fencing => fencing(context.configuration, object),
        _ => Vec::new(),
    };
    out.extend(
        flaws(object.element).into_iter().map(|flaw| {
            Finding::warning(format!("{}: {}", object.id, flaw.text)).about(flaw.value)
        }),
    );
    out
}

fn unknown_meta(object: &Object<'_>, known: &[&[&str]]) -> Vec<Finding> {
    let sets = object.element.children().filter(|c| c.name() == "meta_attributes");
    sets.flat_map(|s| unknown_names(object.id, s, known, "meta attribute")).collect()
}

fn unknown_names(id: &str, set: &Element, known: &[&[&str]], what: &str) -> Vec<Finding> {
    let names = set.children().filter(|c| c.name() == "nvpair").filter_map(|p| p.attr("name"));
    names
        .filter(|n| !known.iter().any(|k| k.contains(n)))
        .map(|n| {
            let near = nearest(n, known.iter().flat_map(|k| k.iter().copied()));
            let near = near.map(|c| format!("; did you mean '{c}'?")).unwrap_or_default();
            Finding::warning(format!("{id}: '{n}' is no {what} that anything reads{near}")).about(n)
        })
        .collect()
}

/// Properties nobody knows: one slip away from a known one is an error, else a warning.
pub fn unknown_properties(id: &str, set: &Element) -> Vec<Finding> {
    if id != "cib-bootstrap-options" {
        return Vec::new();
    }
    let mut out = Vec::new();
    for pair in set.children().filter(|c| c.name() == "nvpair") {
        let name = pair.attr("name").unwrap_or_default();
        match properties::find(name) {
            Some(property) => {
                let value = pair.attr("value").unwrap_or_default();
                if let Some(wrong) = property.wrong_value(value) {
                    out.push(
                        Finding::warning(format!("{id}: {name}='{value}': {wrong}")).about(name),
                    );
                }
            }
            None => {
                let near = properties::names().find(|k| distance(k, name) == 1);
                out.push(match near {
                    Some(near) => Finding::error(format!(
                        "{id}: property '{name}' is no such option; did you mean '{near}'?"
                    ))
                    .about(name),
                    None => {
                        Finding::warning(format!("{id}: nothing here reads a property '{name}'"))
                            .about(name)
                    }
                });
            }
        }
    }
    out
}

fn primitive(context: &mut Context<'_>, object: &Object<'_>) -> Vec<Finding> {
    let mut out = unknown_meta(object, &[RESOURCE_META]);
    let Some(resolved) = context.configuration.resolved(object.element) else {
        let template = object.element.attr("template").unwrap_or_default();
        out.push(
            Finding::error(format!(
                "{}: @{template} references an unknown ID '{template}'; there is no such template",
                object.id
            ))
            .about(template),
        );
        return out;
    };
    let class = resolved.attr("class").unwrap_or("ocf").to_string();
    let kind = resolved.attr("type").unwrap_or_default().to_string();
    let provider = resolved.attr("provider").map(str::to_string);
    let Some(metadata) = context.agents.metadata(&class, provider.as_deref(), &kind) else {
        out.push(no_agent(context, object.id, &class, provider.as_deref(), &kind));
        return out;
    };
    parameters(object, &resolved, &class, &metadata, &mut out);
    values(object.id, &resolved, &kind, &metadata, &mut out);
    operations(object.id, &resolved, &metadata, &mut out);
    out
}

fn no_agent(
    context: &mut Context<'_>,
    id: &str,
    class: &str,
    provider: Option<&str>,
    kind: &str,
) -> Finding {
    let name = match provider {
        Some(p) => format!("{class}:{p}:{kind}"),
        None => format!("{class}:{kind}"),
    };
    let all = context.agents.list(class, None);
    let near = nearest(kind, all.iter().map(String::as_str));
    let text = format!("{id}: no such resource agent: {name}");
    let finding = Finding::error(text).about(kind);
    match near {
        Some(near) => {
            finding.help(format!("did you mean '{near}'? 'ra list {class}' has them all"))
        }
        None => finding.help(format!("'ra list {class}' has all that are installed on this node")),
    }
}

/// Parameters that every fencing device has, and those of tracing.
fn is_common(class: &str, name: &str) -> bool {
    let fencing = class == "stonith"
        && (name.starts_with("pcmk_")
            || matches!(
                name,
                "priority" | "stonith-timeout" | "provides" | "action" | "port" | "plug"
            ));
    fencing || name.starts_with('$') || matches!(name, "trace_ra" | "trace_dir" | "trace_file")
}

fn parameters(
    object: &Object<'_>,
    resolved: &Element,
    class: &str,
    metadata: &Metadata,
    out: &mut Vec<Finding>,
) {
    let sets = || resolved.children().filter(|c| c.name() == "instance_attributes");
    let names: Vec<&str> = sets()
        .flat_map(Element::children)
        .filter(|c| c.name() == "nvpair")
        .filter_map(|p| p.attr("name"))
        .collect();
    let refers = sets().any(|s| s.attr("id-ref").is_some());
    if object.kind == Kind::Primitive && !refers {
        for p in metadata.parameters.iter().filter(|p| p.required) {
            let supplied =
                class == "stonith" && matches!(p.name.as_str(), "action" | "port" | "plug");
            if !supplied && !names.contains(&p.name.as_str()) {
                let text = format!("{}: required parameter \"{}\" not defined", object.id, p.name);
                let help = if p.short.is_empty() {
                    format!("add {}=<{}>", p.name, p.kind)
                } else {
                    format!("add {}=<{}>: {}", p.name, p.kind, p.short)
                };
                out.push(Finding::error(text).help(help));
            }
        }
    }
    for name in names {
        if metadata.parameter(name).is_some() || is_common(class, name) {
            continue;
        }
        let near = nearest(name, metadata.parameters.iter().map(|p| p.name.as_str()));
        let near = near.map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default();
        let text = format!("{}: parameter \"{name}\" is not known{near}", object.id);
        out.push(Finding::error(text).about(name));
    }
}

/// Values by the type that the agent gives them.
fn values(id: &str, resolved: &Element, agent: &str, metadata: &Metadata, out: &mut Vec<Finding>) {
    let sets = resolved.children().filter(|c| c.name() == "instance_attributes");
    for pair in sets.flat_map(Element::children) {
        let (Some(name), Some(value)) = (pair.attr("name"), pair.attr("value")) else { continue };
        let address = name == "ip" && matches!(agent, "IPaddr" | "IPaddr2" | "IPsrcaddr");
        if address && value.parse::<IpAddr>().is_err() {
            let text = format!("{id}: {name}: '{value}' is no IP address");
            out.push(
                Finding::error(text)
                    .about(name)
                    .help("an address looks like 192.0.2.10 or 2001:db8::10"),
            );
            continue;
        }
        let kind = metadata.parameter(name).map_or("string", |p| p.kind.as_str());
        let wrong = match kind {
            "boolean" => boolean(value).is_none().then_some("true or false"),
            "integer" => value.trim().parse::<i64>().is_err().then_some("a number"),
            _ => None,
        };
        if let Some(wanted) = wrong.filter(|_| !value.is_empty()) {
            out.push(
                Finding::warning(format!("{id}: {name}='{value}': the agent wants {wanted}"))
                    .about(name),
            );
        }
    }
}

fn operations(id: &str, resolved: &Element, metadata: &Metadata, out: &mut Vec<Finding>) {
    let all = resolved.children().filter(|c| c.name() == "operations").flat_map(Element::children);
    let mut monitors: Vec<u64> = Vec::new();
    for op in all.filter(|o| o.name() == "op") {
        let name = op.attr("name").unwrap_or_default();
        let interval = op.attr("interval").unwrap_or("0");
        let advice = metadata.operation(name, op.attr("role"), op.attr("depth"));
        for key in ["interval", "timeout", "start-delay"] {
            if let Some(value) = op.attr(key)
                && milliseconds(value).is_none()
                && !value.starts_with('P')
                && value != "INFINITY"
            {
                out.push(
                    Finding::warning(format!("{id}: {key} '{value}' of {name} is no duration"))
                        .about(value),
                );
            }
        }
        if let Some(wrong) = interval_finding(
            id,
            name,
            interval,
            advice.and_then(|a| a.interval.as_deref()),
            &mut monitors,
        ) {
            out.push(wrong);
        }
        let advised = advice.and_then(|a| a.timeout.as_deref());
        if let (Some(own), Some(advised)) = (op.attr("timeout"), advised)
            && milliseconds(own).zip(milliseconds(advised)).is_some_and(|(o, a)| o < a)
        {
            out.push(
                Finding::warning(format!(
                    "{id}: timeout {own} of {name} is smaller than the advised {advised}"
                ))
                .about(own),
            );
        }
    }
}

fn interval_finding(
    id: &str,
    name: &str,
    interval: &str,
    advised: Option<&str>,
    monitors: &mut Vec<u64>,
) -> Option<Finding> {
    let ms = milliseconds(interval)?;
    let advice = advised.map(|a| format!(" (advised: {a})")).unwrap_or_default();
    if name != "monitor" {
        let plain = matches!(name, "start" | "stop" | "promote" | "demote");
        return (plain && ms != 0).then(|| {
            Finding::warning(format!("{id}: {name} does not recur; its interval must be 0"))
                .about(interval)
        });
    }
    if ms == 0 {
        return Some(Finding::warning(format!(
            "{id}: a monitor with interval 0 never runs{advice}"
        )));
    }
    if monitors.contains(&ms) {
        return Some(Finding::warning(format!(
            "{id}: two monitors with the interval {interval}; intervals must differ{advice}"
        )));
    }
    monitors.push(ms);
    None
}

fn constraint(configuration: &Configuration, object: &Object<'_>) -> Vec<Finding> {
    let mut out = Vec::new();
    let nodes = configuration.node_names();
    let known = |n: &str| nodes.iter().any(|k| k.eq_ignore_ascii_case(n));
    let named = object.element.attr("node").into_iter().chain(
        object
            .element
            .descendants()
            .filter(|e| e.name() == "expression" && e.attr("attribute") == Some("#uname"))
            .filter_map(|e| e.attr("value")),
    );
    for node in named.filter(|n| !known(n)) {
        let near = nearest(node, nodes.iter().map(String::as_str));
        let near = near.map(|n| format!("; did you mean '{n}'?")).unwrap_or_default();
        out.push(
            Finding::warning(format!("{}: there is no node {node}{near}", object.id)).about(node),
        );
    }
    for id in crate::configuration::references(object.element) {
        let Some(target) = configuration.find(id) else {
            let all = configuration.objects();
            let near = nearest(id, all.iter().filter(|o| o.kind.is_resource()).map(|o| o.id));
            let near = near.map(|n| format!("; did you mean '{n}'?")).unwrap_or_default();
            out.push(
                Finding::error(format!(
                    "{}: the constraint references an unknown ID '{id}'{near}",
                    object.id
                ))
                .about(id),
            );
            continue;
        };
        let Some(parent) = target.parent else { continue };
        let parent_id = parent.id().unwrap_or_default();
        if parent.name() == "group" && object.kind == Kind::Colocation {
            out.push(
                Finding::warning(format!(
                    "{}: {id} is a member of the group {parent_id}; the constraint should name the group",
                    object.id
                ))
                .about(id),
            );
        } else if parent.name() != "group" {
            out.push(
                Finding::warning(format!(
                    "{}: {id} is inside {parent_id}; the constraint should name {parent_id}",
                    object.id
                ))
                .about(id),
            );
        }
    }
    out
}

fn fencing(configuration: &Configuration, object: &Object<'_>) -> Vec<Finding> {
    let mut out = Vec::new();
    for level in object.element.children() {
        if let Some(target) = level.attr("target")
            && configuration.find_node(target).is_none()
        {
            out.push(
                Finding::warning(format!("fencing_topology: there is no node {target}"))
                    .about(target),
            );
        }
        for device in level.attr("devices").unwrap_or_default().split(',') {
            match configuration.find_resource(device) {
                None => out.push(
                    Finding::warning(format!("fencing_topology: there is no device {device}"))
                        .about(device),
                ),
                Some(o) if o.element.attr("class").is_some_and(|c| c != "stonith") => out.push(
                    Finding::warning(format!("fencing_topology: {device} is no fencing device"))
                        .about(device),
                ),
                Some(_) => {}
            }
        }
    }
    out
}

/// Parameters that must differ between resources, where a changed resource has one of another.
pub fn unique(context: &mut Context<'_>, old: &Configuration) -> Vec<Finding> {
    let mut seen: BTreeMap<[String; 5], Vec<(String, bool)>> = BTreeMap::new();
    let all = context.configuration.objects();
    let is_new = |o: &Object<'_>| old.find(o.id).is_none_or(|p| p.element != o.element);
    let kinds: Vec<Element> = all
        .iter()
        .filter(|o| o.kind == Kind::Primitive && is_new(o))
        .filter_map(|o| context.configuration.resolved(o.element))
        .collect();
    // Only agents that a changed resource uses are asked.
    let same_agent = |a: &Element, b: &Element| {
        ["class", "provider", "type"].iter().all(|n| a.attr(n) == b.attr(n))
    };
    for object in all.iter().filter(|o| o.kind == Kind::Primitive) {
        let Some(e) = context.configuration.resolved(object.element) else { continue };
        if !kinds.iter().any(|k| same_agent(k, &e)) {
            continue;
        }
        let attr = |name: &str| e.attr(name).unwrap_or_default().to_string();
        let (class, provider, kind) = (attr("class"), e.attr("provider"), attr("type"));
        let Some(metadata) = context.agents.metadata(&class, provider, &kind) else { continue };
        let changed = is_new(object);
        let sets = e.children().filter(|c| c.name() == "instance_attributes");
        for pair in sets.flat_map(Element::children) {
            let (Some(name), Some(value)) = (pair.attr("name"), pair.attr("value")) else {
                continue;
            };
            if metadata.parameter(name).is_some_and(|p| p.unique) {
                let key = [class.as_str(), provider.unwrap_or_default(), &kind, name, value]
                    .map(String::from);
                seen.entry(key).or_default().push((object.id.to_string(), changed));
            }
        }
    }
    let clash = |users: &Vec<(String, bool)>| users.len() > 1 && users.iter().any(|(_, c)| *c);
    seen.into_iter()
        .filter(|(_, users)| clash(users))
        .map(|([_, _, _, name, value], users)| {
            let ids: Vec<String> = users.into_iter().map(|(id, _)| id).collect();
            Finding::warning(format!("{} have the same {name} \"{value}\", which must differ", ids.join(" and ")))
                .blocking()
                .help("the agent says that two resources with the same value disturb each other; -F commits it anyway")
        })
        .collect()
}
