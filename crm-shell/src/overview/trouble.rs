//! What is wrong, and why.

use crm_core::explain;
use crm_core::scheduler::model::{Cluster, NodeIx, Role, RscIx};
use crm_messaging::proto::StateReply;

use super::Trouble;
use crate::render::report::{Part, Style, write_text};
use crate::render::status::{View, configured_role, failure_items, printable_id};

/// Everything that is wrong: what the daemon says, then nodes, resources, failures, and settings
/// that keep the cluster from acting.
pub fn troubles(
    cluster: &Cluster,
    decided: &Cluster,
    state: Option<&StateReply>,
    quorate: Option<bool>,
) -> Vec<Trouble> {
    let mut all: Vec<Trouble> = Vec::new();
    let mut add = |text: String, help: Option<String>| all.push(Trouble { text, help });
    let said: Vec<String> = state.map(|s| s.troubles.clone()).unwrap_or_default();
    for text in &said {
        add(text.clone(), None);
    }
    if quorate == Some(false) && !said.iter().any(|s| s.contains("quorum")) {
        add("this partition has no quorum".into(), None);
    }
    for &ix in &cluster.node_order {
        let name = &*cluster[ix].name;
        let known = said.iter().any(|s| s.starts_with(&format!("{name} ")));
        if let Some(why) = why_unclean(cluster, decided, ix).filter(|_| !known) {
            let held = if decided.options.fencing {
                "it is to be fenced"
            } else {
                "fencing is switched off, so it stays so until it is back"
            };
            let help = format!("'crm why {name}' has the whole story");
            add(format!("{name} is UNCLEAN: {why}; {held}"), Some(help));
        }
    }
    let devices = cluster.resources.iter().any(|r| r.is_fence_device);
    if cluster.options.fencing && !devices && !cluster.resources.is_empty() {
        let help = "define one, or know what you do and set stonith-enabled=false";
        let text = "fencing is on and there is no fencing device: nothing may start";
        add(text.into(), Some(help.into()));
    }
    for rsc in cluster.all_resources() {
        let id = printable_id(&cluster[rsc]);
        if cluster[rsc].is_primitive() && cluster[rsc].blocked {
            let text = format!("{id} is blocked: a failure stands in the way of everything else");
            add(text, Some(format!("mend it, then 'crm resource cleanup {id}'")));
        } else if wanted(cluster, decided, rsc) {
            add(format!("{id} does not run: {}", why_stopped(decided, rsc)), None);
        }
    }
    for part in failure_items(cluster, &View::default(), false) {
        add(line(&part), None);
    }
    if cluster.options.maintenance {
        let help = "'crm maintenance off' ends that";
        let text = "maintenance mode is on: the cluster leaves resources alone";
        add(text.into(), Some(help.into()));
    }
    if cluster.options.stop_all {
        let help = "'crm configure property stop-all-resources=false' ends that";
        add("stop-all-resources is on: nothing may run".into(), Some(help.into()));
    }
    all
}

fn line(part: &Part) -> String {
    let mut text = String::new();
    write_text(&mut text, part, Style::Plain, 0);
    text.trim().trim_start_matches("* ").to_string()
}

/// Why a node is unclean; nothing if it is not.
pub fn why_unclean(cluster: &Cluster, decided: &Cluster, ix: NodeIx) -> Option<String> {
    let node = &cluster[ix];
    if !node.unclean {
        return None;
    }
    let reason = node.fence_reason.as_ref().or(decided[ix].fence_reason.as_ref());
    Some(reason.map_or("it was lost, and what it runs is not known", |r| r).to_string())
}

/// Whether a primitive should run, does not, and is not going to.
pub fn wanted(cluster: &Cluster, decided: &Cluster, rsc: RscIx) -> bool {
    let resource = &cluster[rsc];
    resource.is_primitive()
        && !resource.orphan
        && resource.managed
        && decided[rsc].managed
        && resource.role == Role::Stopped
        && resource.pending.is_none()
        && configured_role(resource) != Some(Role::Stopped)
        // An instance that has no node left over for it is not missed.
        && resource.instance.is_none()
        && decided[rsc].assigned.is_none()
        && !cluster.options.stop_all
}

fn why_stopped(decided: &Cluster, rsc: RscIx) -> String {
    let report = explain::resource(decided, rsc);
    let mut text = report.verdict.to_string();
    for (at, obstacle) in report.obstacles.iter().take(3).enumerate() {
        let lead = if at == 0 { ": " } else { "; " };
        text.push_str(&format!("{lead}not on {}, {}", obstacle.node, obstacle.reason()));
    }
    if report.obstacles.len() > 3 {
        text.push_str("; ...");
    }
    text
}
