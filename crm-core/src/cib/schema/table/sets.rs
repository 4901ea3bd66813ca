//! Sets of names and values. Which names are gone depends on the place.

use super::super::kind::Kind::{Exactly, IdRef, NewId, NoneOf, Score, Text};
use super::rules::{ELSEWHERE, IN_OPTIONS, IN_SETS};
use super::*;

/// A set: a reference to another one, or pairs with at most one rule.
macro_rules! set {
    ($tag:literal, $pair:expr, $rule:expr) => {
        shape(
            $tag,
            &[],
            &[
                form(&[must("id-ref", IdRef)], &[]),
                form(
                    &[must("id", NewId), may("score", Score)],
                    &[maybe(&[&$rule]), any(&[&$pair])],
                ),
            ],
        )
    };
}

pub static PROPERTIES: Shape = set!("cluster_property_set", PROPERTY, IN_OPTIONS);
pub static RESOURCE_DEFAULTS: Shape = set!("meta_attributes", DEFAULT, IN_OPTIONS);
pub static OPERATION_DEFAULTS: Shape = set!("meta_attributes", DEFAULT, IN_OPTIONS);
pub static NODE_ATTRIBUTES: Shape = set!("instance_attributes", PAIR, IN_SETS);
pub static NODE_UTILIZATION: Shape = set!("utilization", PAIR, IN_SETS);
pub static META: Shape = set!("meta_attributes", PAIR, IN_SETS);
pub static PARAMETERS: Shape = set!("instance_attributes", PAIR, IN_SETS);
pub static UTILIZATION: Shape = set!("utilization", PAIR, IN_SETS);
pub static PRIMITIVE_META: Shape = set!("meta_attributes", PRIMITIVE_OPTION, IN_SETS);
pub static PRIMITIVE_PARAMETERS: Shape = set!("instance_attributes", PARAMETER, IN_SETS);
pub static OP_META: Shape = set!("meta_attributes", OP_OPTION, IN_SETS);
pub static OP_PARAMETERS: Shape = set!("instance_attributes", OP_PARAMETER, IN_SETS);
pub static ALERT_META: Shape = set!("meta_attributes", PAIR, ELSEWHERE);
pub static ALERT_PARAMETERS: Shape = set!("instance_attributes", PAIR, ELSEWHERE);

/// Another pair, under another name perhaps.
const OTHER: Form = form(&[must("id-ref", IdRef), may("name", Text)], &[]);

const ANY: Form = form(&[must("id", NewId), must("name", Text), may("value", Text)], &[]);

static PAIR: Shape = shape("nvpair", &[], &[ANY, OTHER.when(since(1, 3))]);

static DEFAULT: Shape = shape("nvpair", &[], &[ANY, OTHER.when(since(3, 0))]);

static PROPERTY: Shape = shape(
    "nvpair",
    &[],
    &[
        ANY.when(until(2, 10)),
        form(&[must("id", NewId), must("name", NoneOf(GONE_PROPERTIES)), may("value", Text)], &[])
            .when(since(3, 0)),
        form(
            &[
                must("id", NewId),
                must("name", Exactly("cluster-infrastructure")),
                must("value", NoneOf(GONE_STACKS)),
            ],
            &[],
        )
        .when(since(3, 0)),
        OTHER.when(since(3, 0)),
    ],
);

static PRIMITIVE_OPTION: Shape = shape(
    "nvpair",
    &[],
    &[
        ANY.when(until(2, 10)),
        form(
            &[
                must(
                    "name",
                    NoneOf(&[
                        "isolation",
                        "isolation-host",
                        "isolation-instance",
                        "isolation-wrapper",
                    ]),
                ),
                must("id", NewId),
                may("value", Text),
            ],
            &[],
        )
        .when(since(3, 0)),
        OTHER.when(since(1, 3)),
    ],
);

static PARAMETER: Shape = shape(
    "nvpair",
    &[],
    &[
        ANY.when(until(2, 10)),
        form(
            &[
                must("id", NewId),
                must(
                    "name",
                    NoneOf(&[
                        "pcmk_arg_map",
                        "pcmk_list_cmd",
                        "pcmk_monitor_cmd",
                        "pcmk_off_cmd",
                        "pcmk_on_cmd",
                        "pcmk_reboot_cmd",
                        "pcmk_status_cmd",
                    ]),
                ),
                may("value", Text),
            ],
            &[],
        )
        .when(between((3, 0), (3, 0))),
        ANY.when(since(3, 1)),
        OTHER.when(since(1, 3)),
    ],
);

static OP_OPTION: Shape = shape(
    "nvpair",
    &[],
    &[
        ANY.when(until(2, 10)),
        form(&[must("id", NewId), must("name", NoneOf(&["requires"])), may("value", Text)], &[])
            .when(since(3, 0)),
        OTHER.when(since(1, 3)),
    ],
);

static OP_PARAMETER: Shape = shape(
    "nvpair",
    &[],
    &[
        ANY.when(until(2, 10)),
        form(
            &[
                must("id", NewId),
                must(
                    "name",
                    NoneOf(&[
                        "enabled",
                        "interval-origin",
                        "on-fail",
                        "record-pending",
                        "requires",
                        "role",
                        "start-delay",
                        "timeout",
                    ]),
                ),
                may("value", Text),
            ],
            &[],
        )
        .when(between((3, 0), (3, 0))),
        ANY.when(since(3, 1)),
        OTHER.when(since(1, 3)),
    ],
);

/// Properties that have other names or places today, and `cluster-infrastructure`, which has a
/// form of its own.
pub(in crate::cib) const GONE_PROPERTIES: &[&str] = &[
    "cluster-infrastructure",
    "cluster_recheck_interval",
    "dc_deadtime",
    "default-action-timeout",
    "default-migration-threshold",
    "default-resource-failure-stickiness",
    "default-resource-stickiness",
    "default_action_timeout",
    "default_migration_threshold",
    "default_resource_failure_stickiness",
    "default_resource_stickiness",
    "election_timeout",
    "expected-quorum-votes",
    "is-managed-default",
    "is_managed_default",
    "no_quorum_policy",
    "notification-agent",
    "notification-recipient",
    "remove_after_stop",
    "shutdown_escalation",
    "startup_fencing",
    "stonith_action",
    "stonith_enabled",
    "stop_orphan_actions",
    "stop_orphan_resources",
    "symmetric_cluster",
    "transition_idle_timeout",
];

/// What `cluster-infrastructure` may no longer be.
pub(in crate::cib) const GONE_STACKS: &[&str] =
    &["cman", "heartbeat", "openais", "classic openais", "classic openais (with plugin)"];
