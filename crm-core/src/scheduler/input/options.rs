//! Cluster options (part 1, section 3).

use crate::Score;
use crate::cib::Element;
use crate::rules::Context;
use crate::scalar::{is_true, parse_bool, parse_int, parse_interval, parse_interval_checked};
use crate::scheduler::model::{
    Cluster, HealthStrategy, Options, PlacementStrategy, QuorumPolicy, Severity, Table,
};

use super::blocks::combine;
use super::doc::Document;

/// Reads `crm_config` and the root's attributes into `cluster.options`.
pub fn load(cluster: &mut Cluster, doc: &Document<'_>) {
    let mut table = Table::default();
    if let Some(config) = doc.section("crm_config") {
        let blocks = doc.blocks(std::iter::once(config), "cluster_property_set", &cluster.options);
        let mut blocks = blocks.to_vec();
        blocks.sort_by_key(|b| &*b.id != "cib-bootstrap-options");
        let context = Context { now: cluster.now, ..Context::default() };
        if let Some(at) = combine(&blocks, &context, false, &mut table) {
            cluster.recheck(at);
        }
    }
    let mut reader = Reader { table, complaints: Vec::new() };
    cluster.options = reader.options(doc.root);
    cluster.options.unfencing_in_use = unfencing_in_use(doc);
    let off = reader.table.get("stonith-action") == Some("poweroff");
    for text in reader.complaints {
        cluster.say(Severity::ConfigError, text);
    }
    if off {
        let text = "'poweroff' for 'stonith-action' is deprecated; it is called 'off'";
        cluster.say(Severity::ConfigWarning, text);
    }
}

struct Reader {
    table: Table,
    complaints: Vec<String>,
}

impl Reader {
    /// The value if it passes `valid`, else none and a complaint (I-25).
    fn checked<T>(
        &mut self,
        name: &str,
        default: &str,
        valid: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.table.get(name)?;
        let value = valid(text);
        if value.is_none() {
            self.complaints.push(format!(
                "Using default value '{default}' for cluster option '{name}' because \
                 '{text}' is not valid"
            ));
        }
        value
    }

    fn bool(&mut self, name: &str, default: bool) -> bool {
        let text = if default { "true" } else { "false" };
        self.checked(name, text, parse_bool).unwrap_or(default)
    }

    fn interval_text(&mut self, name: &str, default: &str) -> std::sync::Arc<str> {
        let valid = |text: &str| parse_interval_checked(Some(text)).1.then(|| text.into());
        self.checked(name, default, valid).unwrap_or_else(|| default.into())
    }

    fn seconds(&mut self, name: &str) -> i64 {
        i64::from(parse_interval(Some(&self.interval_text(name, "0"))) / 1000)
    }

    fn integer_text(&mut self, name: &str, default: &str) -> std::sync::Arc<str> {
        let valid = |text: &str| parse_int(text).map(|_| text.into());
        self.checked(name, default, valid).unwrap_or_else(|| default.into())
    }

    fn options(&mut self, root: &Element) -> Options {
        let attribute = |name: &str| root.attr(name).map(Into::into);
        let mut o = Options {
            have_quorum: is_true(root.attr("have-quorum")),
            validate_with: attribute("validate-with"),
            dc_uuid: attribute("dc-uuid"),
            feature_set: attribute("crm_feature_set"),
            ..Options::default()
        };
        o.symmetric = self.bool("symmetric-cluster", true);
        o.maintenance = self.bool("maintenance-mode", false);
        o.start_failure_fatal = self.bool("start-failure-is-fatal", true);
        o.startup_probes = self.bool("enable-startup-probes", true);
        o.shutdown_lock = self.bool("shutdown-lock", false);
        o.shutdown_lock_limit = self.seconds("shutdown-lock-limit");
        o.fencing = self.bool("stonith-enabled", true);
        o.fence_action = self.fence_action();
        o.fence_timeout_text = self.interval_text("stonith-timeout", "60s");
        o.fence_timeout = u64::from(parse_interval(Some(&o.fence_timeout_text)));
        o.have_watchdog = self.bool("have-watchdog", false);
        o.have_fence_device = o.have_watchdog;
        o.concurrent_fencing = self.bool("concurrent-fencing", false);
        o.startup_fencing = o.fencing && self.bool("startup-fencing", true);
        o.priority_fencing_delay = self.seconds("priority-fencing-delay");
        o.cluster_delay = self.interval_text("cluster-delay", "60s");
        o.batch_limit = self.integer_text("batch-limit", "0");
        let limit = self.integer_text("migration-limit", "-1");
        o.migration_limit = parse_int(&limit).is_some_and(|n| n > -1).then_some(limit);
        o.stop_all = self.bool("stop-all-resources", false);
        o.stop_orphans = self.bool("stop-orphan-resources", true);
        o.stop_orphan_actions = self.bool("stop-orphan-actions", true);
        o.remove_after_stop = self.bool("remove-after-stop", false);
        o.cluster_name = self.table.get("cluster-name").map(Into::into);
        o.placement = self.placement();
        self.health(&mut o);
        o.quorum_policy = self.quorum_policy(&o, root);
        o
    }

    fn fence_action(&mut self) -> std::sync::Arc<str> {
        let known = |text: &str| match text {
            "reboot" => Some("reboot"),
            "off" | "poweroff" => Some("off"),
            _ => None,
        };
        self.checked("stonith-action", "reboot", known).unwrap_or("reboot").into()
    }

    fn placement(&mut self) -> PlacementStrategy {
        let known = |text: &str| match text.to_ascii_lowercase().as_str() {
            "default" => Some(PlacementStrategy::Default),
            "utilization" => Some(PlacementStrategy::Utilization),
            "minimal" => Some(PlacementStrategy::Minimal),
            "balanced" => Some(PlacementStrategy::Balanced),
            _ => None,
        };
        self.checked("placement-strategy", "default", known).unwrap_or_default()
    }

    /// I-218
    fn health(&mut self, o: &mut Options) {
        let known = |text: &str| match text {
            "none" => Some(HealthStrategy::None),
            "migrate-on-red" => Some(HealthStrategy::MigrateOnRed),
            "only-green" => Some(HealthStrategy::OnlyGreen),
            "progressive" => Some(HealthStrategy::Progressive),
            "custom" => Some(HealthStrategy::Custom),
            _ => None,
        };
        o.health = self.checked("node-health-strategy", "none", known).unwrap_or_default();
        let scoreless = Options::default();
        let mut score = |name: &str, default: &str| {
            let valid = |text: &str| {
                let word = matches!(text, "INFINITY" | "+INFINITY" | "-INFINITY");
                (word || parse_int(text).is_some()).then(|| scoreless.score(text))
            };
            self.checked(name, default, valid).unwrap_or_else(|| scoreless.score(default))
        };
        match o.health {
            HealthStrategy::None => {}
            HealthStrategy::MigrateOnRed => o.health_red = Score::MINUS_INFINITY,
            HealthStrategy::OnlyGreen => {
                o.health_red = Score::MINUS_INFINITY;
                o.health_yellow = Score::MINUS_INFINITY;
            }
            HealthStrategy::Progressive | HealthStrategy::Custom => {
                o.health_red = score("node-health-red", "-INFINITY");
                o.health_yellow = score("node-health-yellow", "0");
                o.health_green = score("node-health-green", "0");
            }
        }
        if o.health == HealthStrategy::Progressive {
            o.health_base = score("node-health-base", "0");
        }
    }

    /// I-29, I-30
    fn quorum_policy(&mut self, o: &Options, root: &Element) -> QuorumPolicy {
        let known = |text: &str| match text.to_ascii_lowercase().as_str() {
            "stop" => Some(QuorumPolicy::Stop),
            "freeze" => Some(QuorumPolicy::Freeze),
            "ignore" => Some(QuorumPolicy::Ignore),
            "demote" => Some(QuorumPolicy::Demote),
            "suicide" => Some(QuorumPolicy::Suicide),
            _ => None,
        };
        let policy = self.checked("no-quorum-policy", "stop", known).unwrap_or_default();
        if policy != QuorumPolicy::Suicide {
            return policy;
        }
        if !o.fencing {
            self.complaints.push(
                "Resetting no-quorum-policy to 'stop' because fencing is disabled".to_string(),
            );
            return QuorumPolicy::Stop;
        }
        let panic = root.attr("no-quorum-panic").and_then(parse_int).unwrap_or(0) != 0;
        if o.have_quorum || panic { QuorumPolicy::Suicide } else { QuorumPolicy::Stop }
    }
}

/// I-27: looks at the raw document, not at rules or references.
fn unfencing_in_use(doc: &Document<'_>) -> bool {
    let asks = |block: &Element| {
        block.name() == "meta_attributes"
            && block.descendants().any(|pair| {
                pair.name() == "nvpair"
                    && matches!(pair.attr("name"), Some("provides" | "requires"))
                    && pair.attr("value") == Some("unfencing")
            })
    };
    let resources = doc.section("resources").is_some_and(|r| r.descendants().any(asks));
    resources || doc.section("rsc_defaults").is_some_and(|d| d.children().any(asks))
}
