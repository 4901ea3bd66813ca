//! Constraints.

use super::super::kind::Kind::{Boolean, IdRef, Integer, NewId, OneOf, Score, Text};
use super::rules::ELSEWHERE;
use super::*;

/// All constraints.
pub static CONSTRAINTS: Shape = shape(
    "constraints",
    &[],
    &[form(&[], &[any(&[&LOCATION, &COLOCATION, &ORDER]), any(&[&TICKET]).when(since(1, 2))])],
);

const ROLES: Kind = OneOf(&["Stopped", "Started", "Master", "Slave"]);
const MORE_ROLES: Kind =
    OneOf(&["Stopped", "Started", "Promoted", "Unpromoted", "Master", "Slave"]);
const ACTIONS: Kind = OneOf(&["start", "promote", "demote", "stop"]);
const ORDER_KINDS: Kind = OneOf(&["Optional", "Mandatory", "Serialize"]);

/// A role, in the words of the schema.
macro_rules! role {
    ($name:literal) => {
        may($name, ROLES).when(until(3, 6))
    };
    ($name:literal, now) => {
        may($name, MORE_ROLES).when(since(3, 7))
    };
    ($name:literal, from $major:literal $minor:literal) => {
        may($name, ROLES).when(between(($major, $minor), (3, 6)))
    };
}

static LIFETIME: Shape = shape("lifetime", &[], &[form(&[], &[some(&[&ELSEWHERE])])]);

const BY_NAME: [Attribute; 3] = [must("rsc", IdRef), role!("role", from 1 2), role!("role", now)];
const BY_PATTERN: [Attribute; 3] =
    [must("rsc-pattern", Text), role!("role", from 1 2), role!("role", now)];

const ON_NODE: [Attribute; 2] = [must("node", Text), must("score", Score)];

static LOCATION: Shape = shape(
    "rsc_location",
    &[
        must("id", NewId),
        may("resource-discovery", OneOf(&["always", "never", "exclusive"])).when(since(2, 2)),
    ],
    &[
        form(&join(BY_NAME, ON_NODE), &[maybe(&[&LIFETIME])]),
        form(&BY_NAME, &[some(&[&ELSEWHERE]), maybe(&[&LIFETIME])]),
        form(&join(BY_PATTERN, ON_NODE), &[maybe(&[&LIFETIME])]).when(since(2, 6)),
        form(&BY_PATTERN, &[some(&[&ELSEWHERE]), maybe(&[&LIFETIME])]).when(since(2, 6)),
        form(&ON_NODE, &[some(&[&SET]), maybe(&[&LIFETIME])]).when(since(1, 2)),
        form(&[], &[some(&[&SET]), some(&[&ELSEWHERE]), maybe(&[&LIFETIME])]).when(since(1, 2)),
    ],
)
.in_order();

static SET: Shape = shape(
    "resource_set",
    &[],
    &[
        form(&[must("id-ref", IdRef)], &[]),
        form(
            &[
                must("id", NewId),
                may("sequential", Boolean),
                may("require-all", Boolean).when(since(1, 2)),
                may("ordering", OneOf(&["group", "listed"])).when(since(2, 1)),
                may("action", ACTIONS),
                role!("role"),
                role!("role", now),
                may("score", Score),
                may("kind", ORDER_KINDS).when(since(3, 0)),
            ],
            &[some(&[&MEMBER])],
        )
        .limited(&[(at_most_one(&["score", "kind"]), ALWAYS)]),
    ],
);

static MEMBER: Shape = shape("resource_ref", &[must("id", IdRef)], PLAIN);

static COLOCATION: Shape = shape(
    "rsc_colocation",
    &[
        must("id", NewId),
        may("score", Score),
        may("score-attribute", Text).when(until(2, 10)),
        may("score-attribute-mangle", Text).when(until(2, 10)),
        may("influence", Text).when(since(3, 6)),
    ],
    &[
        form(
            &[
                must("rsc", IdRef),
                must("with-rsc", IdRef),
                may("node-attribute", Text),
                role!("rsc-role"),
                role!("rsc-role", now),
                role!("with-rsc-role"),
                role!("with-rsc-role", now),
                may("rsc-instance", Integer).when(NEXT),
                may("with-rsc-instance", Integer).when(NEXT),
            ],
            &[maybe(&[&LIFETIME])],
        ),
        form(&[], &[maybe(&[&LIFETIME]), some(&[&SET])]),
    ],
)
.limited(&[(at_most_one(&["score", "score-attribute", "score-attribute-mangle"]), ALWAYS)])
.in_order();

static ORDER: Shape = shape(
    "rsc_order",
    &[
        must("id", NewId),
        may("symmetrical", Boolean),
        may("require-all", Boolean).when(since(2, 3)),
        may("score", Score),
        may("kind", ORDER_KINDS),
    ],
    &[
        form(
            &[
                must("first", IdRef),
                must("then", IdRef),
                may("first-action", ACTIONS),
                may("then-action", ACTIONS),
                may("first-instance", Integer).when(NEXT),
                may("then-instance", Integer).when(NEXT),
            ],
            &[maybe(&[&LIFETIME])],
        ),
        form(&[], &[maybe(&[&LIFETIME]), some(&[&SET])]),
    ],
)
.limited(&[(at_most_one(&["score", "kind"]), ALWAYS)])
.in_order();

static TICKET: Shape = shape(
    "rsc_ticket",
    &[
        must("id", NewId),
        must("ticket", Text),
        may("loss-policy", OneOf(&["stop", "demote", "fence", "freeze"])),
    ],
    &[
        form(&[must("rsc", IdRef), role!("rsc-role"), role!("rsc-role", now)], &[]),
        form(&[], &[some(&[&SET])]),
    ],
);

/// Two lists of attributes in one.
const fn join(subject: [Attribute; 3], target: [Attribute; 2]) -> [Attribute; 5] {
    let ([a, b, c], [d, e]) = (subject, target);
    [a, b, c, d, e]
}
