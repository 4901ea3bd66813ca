//! Permissions, fencing levels, alerts.

use super::super::kind::Kind::{Devices, IdRef, NewId, OneOf, Positive, Text};
use super::sets::{ALERT_META, ALERT_PARAMETERS};
use super::*;

/// Permissions.
pub static ACLS: Shape = shape(
    "acls",
    &[],
    &[
        form(&[], &[any(&[&USER, &OLD_ROLE])]).when(until(1, 3)),
        form(&[], &[any(&[&TARGET, &GROUP, &ROLE])]).when(since(2, 0)),
    ],
);

static USER: Shape = shape(
    "acl_user",
    &[must("id", NewId)],
    &[form(&[], &[any(&[&ROLE_REF])]), form(&[], &[any(&[&READ, &WRITE, &DENY])])],
);

static ROLE_REF: Shape = shape("role_ref", &[must("id", IdRef)], PLAIN);

static OLD_ROLE: Shape =
    shape("acl_role", &[must("id", NewId)], &[form(&[], &[any(&[&READ, &WRITE, &DENY])])]);

const OLD_RIGHT: &[Attribute] = &[must("id", NewId), may("attribute", Text)];
const OLD_PLACES: &[Form] = &[
    form(&[must("xpath", Text)], &[]),
    form(&[must("tag", Text), may("ref", IdRef)], &[]),
    form(&[must("ref", IdRef)], &[]),
];

static READ: Shape = shape("read", OLD_RIGHT, OLD_PLACES);
static WRITE: Shape = shape("write", OLD_RIGHT, OLD_PLACES);
static DENY: Shape = shape("deny", OLD_RIGHT, OLD_PLACES);

static TARGET: Shape = shape(
    "acl_target",
    &[must("id", Text), may("name", Text).when(since(3, 8))],
    &[form(&[], &[any(&[&TARGETS_ROLE])])],
);

static GROUP: Shape = shape(
    "acl_group",
    &[must("id", NewId), may("name", Text).when(since(3, 8))],
    &[form(&[], &[any(&[&TARGETS_ROLE])])],
);

static TARGETS_ROLE: Shape = shape("role", &[must("id", IdRef)], PLAIN);

static ROLE: Shape = shape(
    "acl_role",
    &[must("id", NewId), may("description", Text)],
    &[form(&[], &[any(&[&PERMISSION])])],
);

static PERMISSION: Shape = shape(
    "acl_permission",
    &[must("id", NewId), must("kind", OneOf(&["read", "write", "deny"])), may("description", Text)],
    &[
        form(&[must("xpath", Text)], &[]),
        form(&[must("reference", IdRef)], &[]),
        form(&[must("object-type", Text), may("attribute", Text)], &[]),
    ],
);

/// Which devices fence which node.
pub static TOPOLOGY: Shape = shape("fencing-topology", &[], &[form(&[], &[any(&[&LEVEL])])]);

static LEVEL: Shape = shape(
    "fencing-level",
    &[must("id", NewId), must("index", Positive), must("devices", Devices)],
    &[
        form(&[must("target", Text)], &[]),
        form(&[must("target-pattern", Text)], &[]),
        form(&[must("target-attribute", Text), must("target-value", Text)], &[]).when(since(2, 4)),
    ],
);

/// Who is told of events.
pub static ALERTS: Shape = shape(
    "alerts",
    &[],
    &[
        form(&[], &[any(&[&LISTED_ALERT])]).when(until(2, 9)),
        form(&[], &[any(&[&ALERT])]).when(since(2, 10)),
    ],
);

const ALERTED: &[Attribute] = &[must("id", NewId), may("description", Text), must("path", Text)];

static LISTED_ALERT: Shape = shape(
    "alert",
    ALERTED,
    &[form(&[], &[any(&[&ALERT_META, &ALERT_PARAMETERS]), any(&[&RECIPIENT])])],
)
.in_order();

static ALERT: Shape = shape(
    "alert",
    ALERTED,
    &[form(&[], &[any(&[&ALERT_META, &ALERT_PARAMETERS]), maybe(&[&SELECT]), any(&[&RECIPIENT])])],
);

static RECIPIENT: Shape = shape(
    "recipient",
    &[must("id", NewId), may("description", Text), must("value", Text)],
    &[form(&[], &[any(&[&ALERT_META, &ALERT_PARAMETERS])])],
);

static SELECT: Shape = shape(
    "select",
    &[],
    &[form(
        &[],
        &[
            maybe(&[&SELECT_ATTRIBUTES]),
            maybe(&[&SELECT_FENCING]),
            maybe(&[&SELECT_NODES]),
            maybe(&[&SELECT_RESOURCES]),
        ],
    )],
);

static SELECT_ATTRIBUTES: Shape =
    shape("select_attributes", &[], &[form(&[], &[any(&[&ATTRIBUTE])])]);
static SELECT_FENCING: Shape = shape("select_fencing", &[], PLAIN);
static SELECT_NODES: Shape = shape("select_nodes", &[], PLAIN);
static SELECT_RESOURCES: Shape = shape("select_resources", &[], PLAIN);

static ATTRIBUTE: Shape = shape("attribute", &[must("id", NewId), must("name", Text)], PLAIN);
