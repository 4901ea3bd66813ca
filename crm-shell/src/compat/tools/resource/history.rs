//! Recorded operations: forgetting them, adding a failure, and their digests.

use crm_core::cib::Element;
use crm_core::scheduler::digest::digest;
use crm_core::scheduler::input::ops::op_params;
use crm_core::scheduler::model::{Cluster, RscIx, Table, Task};
use crm_messaging::proto;

use super::super::super::exit::Exit;
use super::super::{Done, Failure, Run, milliseconds, usage};
use super::show::{active, performing};
use super::{NAME, asked, configured, node, not_found, resource};

/// `--cleanup` and `--refresh`.
pub(super) fn cleanup(run: &mut Run<'_>) -> Done {
    let name = run.options.last("resource").map(str::to_string);
    let cib = run.access.cib()?;
    if let Some(name) = &name {
        configured(&cib, name).ok_or_else(|| not_found("Resource", name))?;
    }
    let node = node(run, &cib)?;
    let interval_ms = run.options.last("interval").and_then(milliseconds);
    let request = proto::CleanupRequest {
        resource: name.clone().unwrap_or_default(),
        node: node.clone().unwrap_or_default(),
        failed_only: run.options.has("cleanup"),
        operation: run.options.last("operation").unwrap_or_default().to_string(),
        interval_ms,
    };
    let cleaned = run.access.cleanup(&request)?;
    let place = node.as_deref().unwrap_or("all nodes");
    match (&name, cleaned.is_empty()) {
        (None, _) => run.say(&format!("Cleaned up all resources on {place}")),
        (Some(name), true) => run.say(&format!("Cleaned up {name} on {place}")),
        (Some(_), false) => cleaned.iter().for_each(|c| run.say(&format!("Cleaned up {c}"))),
    }
    Ok(Exit::OK)
}

/// `--fail`.
pub(super) fn fail(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let (cluster, rsc, _) = asked(run, &cib)?;
    let resource = resource(run)?;
    let node = match node(run, &cib)? {
        Some(node) => node,
        None => match active(&cluster, &cluster[rsc].id).as_slice() {
            [(only, _)] => only.clone(),
            _ => return Err(usage(NAME, "Must supply a node name with -N")),
        },
    };
    let reason = "asked for by crm_resource --fail".into();
    run.access.fail(&proto::FailRequest { resource, node, reason })?;
    Ok(Exit::OK)
}

/// `--digests`: of the parameters of a start, as the history of the node would have them.
pub(super) fn digests(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let (cluster, rsc, _) = asked(run, &cib)?;
    let node = node(run, &cib)?.ok_or_else(|| usage(NAME, "Must supply a node name with -N"))?;
    if !cluster[rsc].is_primitive() {
        return Err(performing(Exit(3)));
    }
    let at = cluster.node_named(&node);
    let mut table: Table = cluster.params(rsc, at);
    for (name, value) in op_params(&cluster, rsc, &Task::Start, 0, at).iter() {
        table.set(name, value);
    }
    for word in run.options.operands.clone() {
        let (name, value) = word.split_once('=').ok_or_else(|| {
            Failure::new(Exit::USAGE, format!("{NAME}: '{word}' is not NAME=VALUE"))
        })?;
        table.set(name, value);
    }
    let (private, force_restart) = recorded_lists(&cluster, rsc, &node);
    let mut list = Element::new("digests").with("resource", &*cluster[rsc].id).with("node", &node);
    list.set_attr("task", "start");
    list.set_attr("interval", "0ms");
    let mut say = |run: &mut Run<'_>, kind: &str, words: &str, keep: &dyn Fn(&str) -> bool| {
        let mut some = table.clone();
        some.retain(keep);
        let hash = digest(&some);
        run.say(&format!("{hash} ({words} parameters)"));
        let parameters =
            some.iter().fold(Element::new("parameters"), |e, (name, value)| e.with(name, value));
        let element = Element::new("digest").with("type", kind).with("hash", hash);
        list.push(element.with_child(parameters));
    };
    say(run, "all", "all", &|_| true);
    say(run, "nonprivate", "non-private", &|name| !listed(&private, name));
    if let Some(names) = force_restart {
        say(run, "nonreloadable", "non-reloadable", &|name| listed(&names, name));
    }
    run.out.element(list);
    Ok(Exit::OK)
}

fn listed(list: &str, name: &str) -> bool {
    list.split_whitespace().any(|n| n == name)
}

/// What the newest entries say about private parameters, and about those that need a restart.
fn recorded_lists(cluster: &Cluster, rsc: RscIx, node: &str) -> (String, Option<String>) {
    let at = cluster.node_named(node);
    let of_node = cluster.histories.iter().filter(|h| h.rsc == Some(rsc) && Some(h.node) == at);
    let ops: Vec<_> = of_node.flat_map(|h| h.ops.iter().rev()).collect();
    let private = ops.iter().find_map(|op| op.rare().secure_params.as_deref()).unwrap_or_default();
    let restart = ops.iter().find_map(|op| op.rare().force_restart.as_deref()).map(str::to_string);
    (private.to_string(), restart)
}
