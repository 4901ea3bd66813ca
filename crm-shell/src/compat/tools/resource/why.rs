//! `--why`: whether resources run, and the simplest reasons why not. Ours says more:
//! `crm resource why`.

use crm_core::cib::Element;
use crm_core::scheduler::model::{Cluster, NodeIx, Role, RscIx};

use super::super::super::exit::Exit;
use super::super::{Done, Run, cluster};
use super::{asked, node};

/// Runs the command.
pub(super) fn show(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let of_one = run.options.has("resource");
    let node = node(run, &cib)?;
    let (cluster, rsc) = if of_one {
        let (cluster, rsc, _) = asked(run, &cib)?;
        (cluster, Some(rsc))
    } else {
        (cluster(&cib), None)
    };
    let at = node.and_then(|name| cluster.node_named(&name));
    let mut reason = Element::new("reason");
    match rsc {
        Some(rsc) => {
            let running = say_running(run, &cluster, rsc, at);
            reason.set_attr("running", running.to_string());
            reason.push(check(run, &cluster, rsc));
        }
        None => {
            let mut list = Element::new("resources");
            for rsc in which(&cluster, at) {
                let running = say_running(run, &cluster, rsc, at);
                let mut element = Element::new("resource").with("id", &*cluster[rsc].id);
                element.set_attr("running", running.to_string());
                if let Some(node) = at {
                    element.set_attr("host", &*cluster[node].name);
                }
                list.push(element.with_child(check(run, &cluster, rsc)));
            }
            reason.push(list);
        }
    }
    run.out.element(reason);
    Ok(Exit::OK)
}

/// All collectives; with a node, the primitives that run on it.
fn which(cluster: &Cluster, node: Option<NodeIx>) -> Vec<RscIx> {
    let Some(node) = node else { return cluster.top.clone() };
    let leaves = cluster.top.iter().flat_map(|top| cluster.leaves(*top));
    leaves.filter(|leaf| cluster[*leaf].active_on.contains(&node)).collect()
}

fn runs(cluster: &Cluster, rsc: RscIx, node: Option<NodeIx>) -> bool {
    let active = |leaf: &RscIx| match node {
        Some(node) => cluster[*leaf].active_on.contains(&node),
        None => !cluster[*leaf].active_on.is_empty(),
    };
    cluster.leaves(rsc).iter().any(active)
}

fn say_running(run: &mut Run<'_>, cluster: &Cluster, rsc: RscIx, node: Option<NodeIx>) -> bool {
    let running = runs(cluster, rsc, node);
    let not = if running { "" } else { "not " };
    let on = node.map(|n| format!(" on host {}", cluster[n].name)).unwrap_or_default();
    run.say(&format!("Resource {} is {not}running{on}", cluster[rsc].id));
    running
}

/// What the configuration says against it.
fn check(run: &mut Run<'_>, cluster: &Cluster, rsc: RscIx) -> Element {
    let id = cluster[rsc].id.to_string();
    let mut element = Element::new("check").with("id", &id);
    match cluster[cluster.top_of(rsc)].goal.or(cluster[rsc].goal) {
        Some(Role::Stopped) => {
            run.say(&format!("Configuration specifies '{id}' should remain stopped"));
            element.set_attr("remain_stopped", "true");
        }
        Some(Role::Unpromoted) => {
            run.say(&format!("Configuration specifies '{id}' should not be promoted"));
            element.set_attr("promotable", "false");
        }
        Some(_) | None => {}
    }
    if !cluster[rsc].managed {
        run.say(&format!(
            "Configuration prevents cluster from stopping or starting unmanaged '{id}'"
        ));
        element.set_attr("unmanaged", "true");
    }
    if let Some((node, _)) = cluster[rsc].lock {
        let name = &cluster[node].name;
        run.say(&format!("'{id}' is locked to node {name} due to shutdown"));
        element.set_attr("locked-to", &**name);
    }
    element
}
