//! Cluster options as the scheduler uses them (scheduler reference, part 1, section 3).

use std::sync::Arc;

use crate::Score;

/// What a partition without quorum does (I-29, I-30).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QuorumPolicy {
    /// Stop everything.
    #[default]
    Stop,
    /// Keep what runs, start nothing.
    Freeze,
    /// Go on.
    Ignore,
    /// Demote promoted resources, else as stop.
    Demote,
    /// Fence the members of this partition.
    Suicide,
}

/// `node-health-strategy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HealthStrategy {
    /// Ignore health attributes.
    #[default]
    None,
    /// Leave red nodes.
    MigrateOnRed,
    /// Use green nodes only.
    OnlyGreen,
    /// Add configured scores, starting from `node-health-base`.
    Progressive,
    /// Add configured scores.
    Custom,
}

impl HealthStrategy {
    /// The configured word.
    pub fn as_str(self) -> &'static str {
        match self {
            HealthStrategy::None => "none",
            HealthStrategy::MigrateOnRed => "migrate-on-red",
            HealthStrategy::OnlyGreen => "only-green",
            HealthStrategy::Progressive => "progressive",
            HealthStrategy::Custom => "custom",
        }
    }
}

/// `placement-strategy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PlacementStrategy {
    /// Utilization is ignored.
    #[default]
    Default,
    /// Capacities limit.
    Utilization,
    /// Capacities limit; as few nodes as possible.
    Minimal,
    /// Capacities limit; free nodes first.
    Balanced,
}

/// The values in force. Owner: input.
#[derive(Clone, Debug)]
pub struct Options {
    /// Root attribute `have-quorum`.
    pub have_quorum: bool,
    /// `no-quorum-policy` in effect.
    pub quorum_policy: QuorumPolicy,
    /// `symmetric-cluster`
    pub symmetric: bool,
    /// `maintenance-mode`
    pub maintenance: bool,
    /// `start-failure-is-fatal` (exported only)
    pub start_failure_fatal: bool,
    /// `enable-startup-probes`
    pub startup_probes: bool,
    /// `shutdown-lock`
    pub shutdown_lock: bool,
    /// `shutdown-lock-limit`, seconds; 0 = none.
    pub shutdown_lock_limit: i64,
    /// `stonith-enabled`
    pub fencing: bool,
    /// `stonith-action`: `reboot` or `off` (`poweroff` is read as `off`).
    pub fence_action: Arc<str>,
    /// `stonith-timeout`, ms (exported only).
    pub fence_timeout: u64,
    /// `have-watchdog`
    pub have_watchdog: bool,
    /// A fence device is configured, or a watchdog is there (I-26).
    pub have_fence_device: bool,
    /// Some resource provides or requires unfencing (I-27).
    pub unfencing_in_use: bool,
    /// `concurrent-fencing`
    pub concurrent_fencing: bool,
    /// `startup-fencing` (only with fencing).
    pub startup_fencing: bool,
    /// `priority-fencing-delay`, seconds.
    pub priority_fencing_delay: i64,
    /// `cluster-delay` as text, for the graph.
    pub cluster_delay: Arc<str>,
    /// `batch-limit` as text, for the graph.
    pub batch_limit: Arc<str>,
    /// `migration-limit` as text, for the graph; `None` unless above -1.
    pub migration_limit: Option<Arc<str>>,
    /// `stonith-timeout` as text, for the graph.
    pub fence_timeout_text: Arc<str>,
    /// `stop-all-resources`
    pub stop_all: bool,
    /// `stop-orphan-resources`
    pub stop_orphans: bool,
    /// `stop-orphan-actions`
    pub stop_orphan_actions: bool,
    /// `remove-after-stop`
    pub remove_after_stop: bool,
    /// `node-health-strategy`
    pub health: HealthStrategy,
    /// Score of the word `red` under the strategy (I-218).
    pub health_red: Score,
    /// Score of the word `yellow`.
    pub health_yellow: Score,
    /// Score of the word `green`.
    pub health_green: Score,
    /// `node-health-base` (only `progressive`).
    pub health_base: Score,
    /// `placement-strategy`
    pub placement: PlacementStrategy,
    /// `cluster-name`
    pub cluster_name: Option<Arc<str>>,
    /// `validate-with` of the document.
    pub validate_with: Option<Arc<str>>,
    /// `dc-uuid` of the document.
    pub dc_uuid: Option<Arc<str>>,
    /// `crm_feature_set` of the document.
    pub feature_set: Option<Arc<str>>,
}

impl Options {
    /// Reads a score (I-4): the health words count as the strategy in force says; anything
    /// that is no score is 0.
    pub fn score(&self, text: &str) -> Score {
        match text {
            "INFINITY" | "+INFINITY" => Score::INFINITY,
            "-INFINITY" => Score::MINUS_INFINITY,
            _ if text.eq_ignore_ascii_case("red") => self.health_red,
            _ if text.eq_ignore_ascii_case("yellow") => self.health_yellow,
            _ if text.eq_ignore_ascii_case("green") => self.health_green,
            _ => Score::new(crate::scalar::parse_int(text).unwrap_or(0)),
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            have_quorum: false,
            quorum_policy: QuorumPolicy::Stop,
            symmetric: true,
            maintenance: false,
            start_failure_fatal: true,
            startup_probes: true,
            shutdown_lock: false,
            shutdown_lock_limit: 0,
            fencing: true,
            fence_action: "reboot".into(),
            fence_timeout: 60_000,
            have_watchdog: false,
            have_fence_device: false,
            unfencing_in_use: false,
            concurrent_fencing: false,
            startup_fencing: true,
            priority_fencing_delay: 0,
            cluster_delay: "60s".into(),
            batch_limit: "0".into(),
            migration_limit: None,
            fence_timeout_text: "60s".into(),
            stop_all: false,
            stop_orphans: true,
            stop_orphan_actions: true,
            remove_after_stop: false,
            health: HealthStrategy::None,
            health_red: Score::ZERO,
            health_yellow: Score::ZERO,
            health_green: Score::ZERO,
            health_base: Score::ZERO,
            placement: PlacementStrategy::Default,
            cluster_name: None,
            validate_with: None,
            dc_uuid: None,
            feature_set: None,
        }
    }
}
