//! The document, its sections, nodes, tags.

use super::super::kind::Kind::{IdRef, Natural, NewId, OneOf, SchemaName, Score, Text};
use super::access::{ACLS, ALERTS, TOPOLOGY};
use super::constraints::CONSTRAINTS;
use super::resources::RESOURCES;
use super::sets::RESOURCE_DEFAULTS;
use super::sets::{NODE_ATTRIBUTES, NODE_UTILIZATION, OPERATION_DEFAULTS, PROPERTIES};
use super::*;

/// The document.
pub static CIB: Shape = shape(
    "cib",
    &[
        may("validate-with", SchemaName),
        must("admin_epoch", Natural),
        must("epoch", Natural),
        must("num_updates", Natural),
        may("crm_feature_set", Text),
        may("remote-tls-port", Natural),
        may("remote-clear-port", Natural),
        may("have-quorum", Kind::Boolean),
        may("dc-uuid", Text),
        may("cib-last-written", Text),
        may("no-quorum-panic", Kind::Boolean),
        may("update-origin", Text).when(since(1, 2)),
        may("update-client", Text).when(since(1, 2)),
        may("update-user", Text).when(since(1, 2)),
        may("execution-date", Text).when(since(1, 2)),
    ],
    &[form(&[], &[one(&[&CONFIGURATION]), maybe(&[&STATUS])])],
)
.in_order();

static STATUS: Shape = Shape { open: true, ..shape("status", &[], &[]) };

static CONFIGURATION: Shape = shape(
    "configuration",
    &[],
    &[form(
        &[],
        &[
            one(&[&CRM_CONFIG]),
            maybe(&[&RSC_DEFAULTS]),
            maybe(&[&OP_DEFAULTS]),
            one(&[&NODES]),
            one(&[&RESOURCES]),
            one(&[&CONSTRAINTS]),
            maybe(&[&TOPOLOGY]).when(since(1, 2)),
            maybe(&[&ACLS]).when(since(1, 2)),
            maybe(&[&TAGS]).when(since(1, 3)),
            maybe(&[&ALERTS]).when(since(2, 5)),
        ],
    )],
);

static CRM_CONFIG: Shape = shape("crm_config", &[], &[form(&[], &[any(&[&PROPERTIES])])]);
static RSC_DEFAULTS: Shape =
    shape("rsc_defaults", &[], &[form(&[], &[any(&[&RESOURCE_DEFAULTS])])]);
static OP_DEFAULTS: Shape = shape("op_defaults", &[], &[form(&[], &[any(&[&OPERATION_DEFAULTS])])]);

static NODES: Shape = shape("nodes", &[], &[form(&[], &[any(&[&NODE])])]);

static NODE: Shape = shape(
    "node",
    &[
        must("id", Text),
        must("uname", Text),
        must("type", OneOf(&["normal", "member", "ping"])).when(until(1, 0)),
        may("type", OneOf(&["normal", "member", "ping"])).when(between((1, 2), (1, 2))),
        may("type", OneOf(&["normal", "member", "ping", "remote"])).when(between((1, 3), (2, 10))),
        may("type", OneOf(&["member", "ping", "remote"])).when(since(3, 0)),
        may("description", Text),
        may("score", Score).when(since(1, 2)),
    ],
    &[form(&[], &[any(&[&NODE_ATTRIBUTES]), any(&[&NODE_UTILIZATION]).when(since(1, 2))])],
);

static TAGS: Shape = shape("tags", &[], &[form(&[], &[any(&[&TAG])])]);
static TAG: Shape = shape("tag", &[must("id", NewId)], &[form(&[], &[some(&[&OBJ_REF])])]);
static OBJ_REF: Shape = shape(
    "obj_ref",
    &[must("id", IdRef).when(until(3, 2)), must("id", Text).when(since(3, 3))],
    PLAIN,
);
