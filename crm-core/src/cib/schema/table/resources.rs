//! Resources and their operations.

use super::super::kind::Kind::{Boolean, IdRef, Integer, NewId, OneOf, Range, Text};
use super::sets::{
    META, OP_META, OP_PARAMETERS, PARAMETERS, PRIMITIVE_META, PRIMITIVE_PARAMETERS, UTILIZATION,
};
use super::*;

/// All resources.
pub static RESOURCES: Shape = shape(
    "resources",
    &[],
    &[form(
        &[],
        &[
            any(&[&PRIMITIVE, &GROUP, &CLONE, &MASTER]),
            any(&[&TEMPLATE]).when(since(1, 2)),
            any(&[&BUNDLE]).when(since(2, 8)),
        ],
    )],
);

const EARLY_CLASSES: &[&str] = &["lsb", "heartbeat", "stonith", "upstart"];
const CLASSES: &[&str] =
    &["lsb", "heartbeat", "stonith", "upstart", "service", "systemd", "nagios"];

static PRIMITIVE_PARTS: [Particle; 3] = [
    any(&[&PRIMITIVE_META, &PRIMITIVE_PARAMETERS]),
    maybe(&[&OPERATIONS]),
    any(&[&UTILIZATION]).when(since(1, 2)),
];

const NAMED: &[Attribute] = &[must("id", NewId), may("description", Text)];

const OF_PROVIDER: Form = form(
    &[must("class", OneOf(&["ocf"])), must("provider", Text), must("type", Text)],
    &PRIMITIVE_PARTS,
);

const OF_EARLY_CLASS: Form =
    form(&[must("class", OneOf(EARLY_CLASSES)), must("type", Text)], &PRIMITIVE_PARTS);

const OF_CLASS: Form = form(&[must("class", OneOf(CLASSES)), must("type", Text)], &PRIMITIVE_PARTS);

static PRIMITIVE: Shape = shape(
    "primitive",
    NAMED,
    &[
        OF_PROVIDER,
        OF_EARLY_CLASS.when(until(1, 0)),
        OF_CLASS.when(since(1, 2)),
        form(&[must("template", IdRef)], &PRIMITIVE_PARTS).when(since(1, 2)),
    ],
);

static TEMPLATE: Shape = shape(
    "template",
    NAMED,
    &[OF_PROVIDER, OF_EARLY_CLASS.when(until(2, 6)), OF_CLASS.when(since(2, 7))],
);

static GROUP: Shape =
    shape("group", NAMED, &[form(&[], &[any(&[&META, &PARAMETERS]), some(&[&PRIMITIVE])])]);

static COPIED: [Form; 1] = [form(&[], &[any(&[&META, &PARAMETERS]), one(&[&PRIMITIVE, &GROUP])])];

static CLONE: Shape = shape("clone", NAMED, &COPIED);
static MASTER: Shape = shape("master", NAMED, &COPIED);

static BUNDLE: Shape = shape(
    "bundle",
    NAMED,
    &[form(
        &[],
        &[
            any(&[&META, &PARAMETERS]),
            one(&[&DOCKER, &RKT, &PODMAN]),
            maybe(&[&NETWORK]),
            maybe(&[&STORAGE]),
            maybe(&[&PRIMITIVE]),
        ],
    )],
);

const CONTAINER: &[Attribute] = &[
    must("image", Text),
    may("replicas", Integer),
    may("replicas-per-host", Integer),
    may("masters", Integer),
    may("promoted-max", Integer).when(since(3, 0)),
    may("run-command", Text),
    may("network", Text),
    may("options", Text),
];

const PROMOTED: &[(Limit, Span)] = &[(at_most_one(&["masters", "promoted-max"]), ALWAYS)];

static DOCKER: Shape = shape("docker", CONTAINER, PLAIN).limited(PROMOTED);
static RKT: Shape = shape("rkt", CONTAINER, PLAIN).limited(PROMOTED).when(since(2, 10));
static PODMAN: Shape = shape("podman", CONTAINER, PLAIN).limited(PROMOTED).when(since(3, 2));

static NETWORK: Shape = shape(
    "network",
    &[
        may("ip-range-start", Text),
        may("control-port", Integer),
        may("host-interface", Text),
        may("host-netmask", Integer),
        may("add-host", Boolean).when(since(3, 0)),
    ],
    &[form(&[], &[any(&[&PORT_MAPPING])])],
);

static PORT_MAPPING: Shape = shape(
    "port-mapping",
    &[must("id", NewId)],
    &[
        form(&[must("port", Integer), may("internal-port", Integer)], &[]),
        form(&[must("range", Range)], &[]),
    ],
);

static STORAGE: Shape = shape("storage", &[], &[form(&[], &[any(&[&STORAGE_MAPPING])])]);

static STORAGE_MAPPING: Shape = shape(
    "storage-mapping",
    &[
        must("id", NewId),
        may("source-dir", Text),
        may("source-dir-root", Text),
        must("target-dir", Text),
        may("options", Text),
    ],
    PLAIN,
)
.limited(&[(exactly_one(&["source-dir", "source-dir-root"]), ALWAYS)]);

static OPERATIONS: Shape =
    shape("operations", &[may("id", NewId), may("id-ref", IdRef)], &[form(&[], &[any(&[&OP])])]);

static OP: Shape = shape(
    "op",
    &[
        must("id", NewId),
        must("name", Text),
        must("interval", Text),
        may("description", Text),
        may("start-delay", Text),
        may("interval-origin", Text),
        may("timeout", Text),
        may("enabled", Boolean),
        may("record-pending", Boolean),
        may("role", OneOf(&["Stopped", "Started", "Slave", "Master"])).when(until(3, 6)),
        may("role", OneOf(&["Stopped", "Started", "Promoted", "Unpromoted", "Slave", "Master"]))
            .when(since(3, 7)),
        may("requires", OneOf(&["nothing", "quorum", "fencing"])).when(until(1, 2)),
        may("requires", OneOf(&["nothing", "quorum", "fencing", "unfencing"]))
            .when(between((1, 3), (2, 10))),
        may("on-fail", OneOf(&["ignore", "block", "stop", "restart", "standby", "fence"]))
            .when(until(1, 0)),
        may(
            "on-fail",
            OneOf(&["ignore", "block", "stop", "restart", "standby", "fence", "restart-container"]),
        )
        .when(between((1, 2), (3, 3))),
        may(
            "on-fail",
            OneOf(&[
                "ignore",
                "block",
                "demote",
                "stop",
                "restart",
                "standby",
                "fence",
                "restart-container",
            ]),
        )
        .when(since(3, 4)),
    ],
    &[form(&[], &[any(&[&OP_META, &OP_PARAMETERS])])],
)
.limited(&[(at_most_one(&["start-delay", "interval-origin"]), ALWAYS)]);
