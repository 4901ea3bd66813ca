//! Cluster options.

use super::Draft;

pub(super) fn generate(draft: &mut Draft) {
    let fencing = !draft.feature(40, "fencing disabled");
    let mut set = |name: &'static str, value: &str| draft.options.push((name, value.to_string()));
    if !fencing {
        set("stonith-enabled", "false");
    }
    if draft.feature(8, "no quorum") {
        draft.quorum = false;
    }
    words(
        draft,
        15,
        "no-quorum-policy",
        "quorum policy",
        &["stop", "ignore", "freeze", "demote", "suicide"],
    );
    words(draft, 6, "symmetric-cluster", "asymmetric cluster", &["false"]);
    words(draft, 3, "maintenance-mode", "cluster maintenance", &["true"]);
    words(draft, 3, "stop-all-resources", "stop-all-resources", &["true"]);
    words(draft, 4, "stop-orphan-resources", "orphans kept", &["false"]);
    words(draft, 3, "stop-orphan-actions", "orphan actions kept", &["false"]);
    words(draft, 8, "start-failure-is-fatal", "start failures not fatal", &["false"]);
    words(draft, 4, "enable-startup-probes", "no startup probes", &["false"]);
    words(draft, 6, "concurrent-fencing", "concurrent fencing", &["true", "false"]);
    words(draft, 5, "startup-fencing", "no startup fencing", &["false"]);
    words(draft, 5, "stonith-action", "fence action", &["off", "reboot"]);
    words(draft, 5, "priority-fencing-delay", "priority-fencing-delay", &["15s", "60"]);
    words(
        draft,
        8,
        "placement-strategy",
        "placement strategy",
        &["utilization", "minimal", "balanced"],
    );
    words(
        draft,
        8,
        "node-health-strategy",
        "node health",
        &["migrate-on-red", "only-green", "progressive", "custom"],
    );
    words(draft, 6, "shutdown-lock", "shutdown lock", &["true"]);
    words(draft, 2, "shutdown-lock-limit", "shutdown lock limit", &["10s", "1h", "0"]);
    words(draft, 3, "batch-limit", "batch limit", &["1", "5"]);
    words(draft, 3, "migration-limit", "migration limit", &["0", "2"]);
    words(draft, 3, "cluster-delay", "cluster delay", &["30s"]);
    words(draft, 3, "have-watchdog", "watchdog", &["true"]);
    words(draft, 3, "node-health-base", "node health base", &["10", "-10"]);
    if draft.feature(2, "node health scores") {
        for name in ["node-health-red", "node-health-yellow", "node-health-green"] {
            let score = draft.score();
            draft.options.push((name, score));
        }
    }
    words(draft, 4, "cluster-infrastructure", "cluster infrastructure", &["corosync"]);
    words(draft, 3, "stonith-timeout", "fencing timeout", &["30s", "2min"]);
    words(draft, 2, "stonith-watchdog-timeout", "watchdog timeout", &["10s", "0", "-1"]);
    words(draft, 2, "remove-after-stop", "remove after stop", &["true", "false"]);
    words(draft, 2, "node-pending-timeout", "pending timeout", &["10s", "2h"]);
    defaults(draft);
}

fn words(
    draft: &mut Draft,
    percent: usize,
    name: &'static str,
    feature: &'static str,
    values: &[&str],
) {
    if draft.feature(percent, feature) {
        let value = draft.pick(values).to_string();
        draft.options.push((name, value));
    }
}

fn defaults(draft: &mut Draft) {
    use crm_core::cib::Element;
    if draft.feature(12, "resource defaults") {
        let pairs = match draft.below(8) {
            0 => vec![("resource-stickiness", draft.pick(&["1", "100", "INFINITY"]).to_string())],
            1 => vec![("migration-threshold", draft.pick(&["1", "3"]).to_string())],
            2 => vec![("priority", "5".to_string())],
            3 => vec![("target-role", draft.pick(&["Stopped", "Started"]).to_string())],
            4 => vec![("is-managed", "false".to_string())],
            5 => vec![("allow-migrate", "true".to_string())],
            6 => vec![("interleave", "true".to_string()), ("notify", "true".to_string())],
            _ => vec![("failure-timeout", "60s".to_string())],
        };
        let mut set = draft.pairs("meta_attributes", &pairs);
        if draft.feature(30, "resource defaults with rules") {
            let rule = super::rules::rsc_rule(draft);
            set.nodes_mut().insert(0, crm_core::cib::Child::Element(rule.into()));
        }
        draft.defaults.push(Element::new("rsc_defaults").with_child(set));
    }
    if draft.feature(10, "operation defaults") {
        let pairs = match draft.below(3) {
            0 => vec![("timeout", "33s".to_string())],
            1 => vec![("on-fail", draft.pick(&["restart", "ignore", "block"]).to_string())],
            _ => vec![("timeout", "7".to_string()), ("record-pending", "false".to_string())],
        };
        let mut set = draft.pairs("meta_attributes", &pairs);
        if draft.feature(30, "operation defaults with rules") {
            let rule = super::rules::op_rule(draft);
            set.nodes_mut().insert(0, crm_core::cib::Child::Element(rule.into()));
        }
        draft.defaults.push(Element::new("op_defaults").with_child(set));
    }
}
