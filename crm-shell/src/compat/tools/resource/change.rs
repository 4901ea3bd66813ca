//! Parameters, and the end of resources.

use crm_core::cib::Element;
use crm_core::cib::attributes::{PairName, set_pair};
use crm_core::scheduler::model::{Cluster, RscIx};
use crm_core::scheduler::{Input, input};

use super::super::super::exit::Exit;
use super::super::{Done, Failure, Run, cluster, now, usage};
use super::{KINDS, NAME, configured, edit, named, not_found, resource, set_tag};

/// `--set-parameter` and `--delete-parameter`.
pub(super) fn parameter(run: &mut Run<'_>) -> Done {
    let asked = resource(run)?;
    let set = run.options.last("set-parameter").map(str::to_string);
    let value = run.options.last("parameter-value").map(str::to_string);
    if set.is_some() && value.is_none() {
        return Err(usage(NAME, "You need to supply a value with the -v option"));
    }
    let deleted = run.options.last("delete-parameter").map(str::to_string);
    let parameter = set.clone().or(deleted).unwrap_or_default();
    let value = value.filter(|_| set.is_some());
    let cib = run.access.cib()?;
    configured(&cib, &asked).ok_or_else(|| not_found("Resource", &asked))?;
    let name = holder(run, &cib, &asked, &parameter, value.is_some());
    let mut names = vec![name];
    if run.options.has("recursive") && value.is_some() && run.options.has("meta") {
        followers(&cib, &mut names);
    }
    for name in names {
        change(run, &name, &parameter, value.as_deref())?;
    }
    Ok(Exit::OK)
}

/// Meta attributes of what a clone is made of belong to the clone (unless forced).
fn holder(run: &mut Run<'_>, cib: &Element, name: &str, parameter: &str, sets: bool) -> String {
    let base = name.split(':').next().unwrap_or(name).to_string();
    if !run.options.has("meta") || run.options.has("force") {
        return base;
    }
    let resources = cib.at(&["configuration", "resources"]);
    let mut all = resources.into_iter().flat_map(Element::descendants);
    let clone = all.find(|e| {
        matches!(e.name(), "clone" | "master")
            && e.children().any(|c| KINDS.contains(&c.name()) && c.id() == Some(&base))
    });
    let Some(clone) = clone.and_then(Element::id) else { return base };
    let verb = if sets { "update" } else { "delete" };
    run.say(&format!("Performing {verb} of '{parameter}' on '{clone}', the parent of '{name}'"));
    clone.to_string()
}

/// Adds what is placed with the first name by a positive score, and so on.
fn followers(cib: &Element, names: &mut Vec<String>) {
    let status_input = Input::new(cib, now());
    let mut cluster = cluster(cib);
    input::constraints(&mut cluster, &status_input);
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        at += 1;
        let Some(rsc) = named(&cluster, &name).first().copied() else { continue };
        for dependent in dependents(&cluster, rsc) {
            let id = cluster[cluster.top_of(dependent)].xml_id.to_string();
            if !names.contains(&id) {
                names.push(id);
            }
        }
    }
}

fn dependents(cluster: &Cluster, rsc: RscIx) -> Vec<RscIx> {
    let with = cluster.colocations.iter().filter(|c| c.primary == rsc && c.internal.is_none());
    with.filter(|c| c.score.value() > 0).map(|c| c.dependent).collect()
}

fn change(
    run: &mut Run<'_>,
    name: &str,
    parameter: &str,
    value: Option<&str>,
) -> Result<(), Failure> {
    let tag = set_tag(run);
    let default_set = format!("{name}-{tag}");
    let (set, id) = (run.options.last("set-name"), run.options.last("nvpair"));
    let (set, id) = (set.map(str::to_string), id.map(str::to_string));
    let pair = PairName {
        tag,
        set: set.as_deref(),
        default_set: &default_set,
        id: id.as_deref(),
        name: parameter,
    };
    let cib = run.access.cib()?;
    let element = configured(&cib, name).ok_or_else(|| not_found("Resource", name))?;
    let sets = element.children().filter(|set| pair.is_in(set));
    let old = sets.flat_map(Element::children).find(|p| pair.is(p));
    let old = old.and_then(Element::id).map(str::to_string);
    if value.is_none() && old.is_none() {
        return Ok(());
    }
    let put = |configuration: &mut Element| {
        let found = configuration.child_mut("resources").and_then(|r| r.find_id_mut(name));
        set_pair(found.ok_or_else(|| not_found("Resource", name))?, &pair, value);
        Ok(())
    };
    edit(run, put, &format!("crm_resource -r {name} -p {parameter}"))?;
    let (set, id) = pair.new_ids();
    let line = match (value, &old) {
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
    Ok(())
}

/// `--delete`.
pub(super) fn delete(run: &mut Run<'_>) -> Done {
    let name = resource(run)?;
    let cib = run.access.cib()?;
    configured(&cib, &name).ok_or_else(|| not_found("Resource", &name))?;
    let kind = run.options.last("resource-type").map(str::to_string).ok_or_else(|| {
        let text = format!("{NAME}: You need to specify a resource type with -t\nError performing operation: No such object");
        Failure::new(Exit::NO_SUCH, text)
    })?;
    let remove = |configuration: &mut Element| {
        let resources = configuration.child_or_insert("resources");
        let is = |r: &Element| r.name() == kind && r.id() == Some(&name);
        resources.retain(|r| !is(r));
        resources.children_mut().for_each(|holder| holder.retain(|r| !is(r)));
        Ok(())
    };
    edit(run, remove, &format!("crm_resource --delete -r {name}"))?;
    Ok(Exit::OK)
}
