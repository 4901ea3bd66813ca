//! Rules. They gained words at different times in different places.

use super::super::kind::Kind::{IdRef, NewId, OneOf, Score, Text};
use super::*;

/// A rule of the cluster's options and of defaults.
pub static IN_OPTIONS: Shape = shape(
    "rule",
    &[],
    &[
        REFERENCE,
        form(
            FULL,
            &[
                some(&[&EXPRESSION_OF_OPTIONS, &DATE, &IN_OPTIONS]).when(until(3, 3)),
                some(&[&EXPRESSION_OF_OPTIONS, &DATE, &IN_OPTIONS, &OF_RESOURCE, &OF_OPERATION])
                    .when(since(3, 4)),
            ],
        )
        .limited(LIMITS),
    ],
);

/// A rule of attributes of nodes and resources.
pub static IN_SETS: Shape = shape(
    "rule",
    &[],
    &[
        REFERENCE,
        form(
            FULL,
            &[
                some(&[&EXPRESSION, &DATE, &IN_SETS]).when(until(3, 3)),
                some(&[&EXPRESSION, &DATE, &IN_SETS, &OF_RESOURCE, &OF_OPERATION])
                    .when(since(3, 4)),
            ],
        )
        .limited(LIMITS),
    ],
);

/// A rule of a constraint or an alert.
pub static ELSEWHERE: Shape = shape(
    "rule",
    &[],
    &[
        REFERENCE,
        form(
            FULL,
            &[
                some(&[&EXPRESSION, &DATE, &ELSEWHERE]).when(until(3, 4)),
                some(&[&EXPRESSION, &DATE, &ELSEWHERE, &OF_RESOURCE, &OF_OPERATION])
                    .when(since(3, 5)),
            ],
        )
        .limited(LIMITS),
    ],
);

const FULL: &[Attribute] = &[
    must("id", NewId),
    may("score", Score),
    may("score-attribute", Text),
    may("boolean-op", OneOf(&["or", "and"])),
    may("role", Text),
];

const SCORES: &[&str] = &["score", "score-attribute"];

const LIMITS: &[(Limit, Span)] =
    &[(exactly_one(SCORES), until(3, 8)), (at_most_one(SCORES), since(3, 9))];

const REFERENCE: Form = form(&[must("id-ref", IdRef)], &[]);

static EXPRESSION: Shape = shape(
    "expression",
    COMPARISON,
    &[form(&[may("value-source", OneOf(SOURCES)).when(since(2, 9))], &[])],
);

static EXPRESSION_OF_OPTIONS: Shape = shape(
    "expression",
    COMPARISON,
    &[form(&[may("value-source", OneOf(SOURCES)).when(since(3, 0))], &[])],
);

const SOURCES: &[&str] = &["literal", "param", "meta"];

const COMPARISON: &[Attribute] = &[
    must("id", NewId),
    must("attribute", Text),
    must("operation", OneOf(&["lt", "gt", "lte", "gte", "eq", "ne", "defined", "not_defined"])),
    may("value", Text),
    may("type", OneOf(&["string", "number", "version"])).when(until(3, 4)),
    may("type", OneOf(&["string", "integer", "number", "version"])).when(since(3, 5)),
];

static DATE: Shape = shape(
    "date_expression",
    &[must("id", NewId)],
    &[
        form(&[must("operation", OneOf(&["gt"])), must("start", Text)], &[]),
        form(&[must("operation", OneOf(&["lt"])), must("end", Text)], &[]),
        form(&[must("operation", OneOf(&["date_spec"]))], &[one(&[&DATE_SPEC])]),
        form(
            &[must("operation", OneOf(&["in_range"])), may("start", Text), must("end", Text)],
            &[maybe(&[&DURATION]).when(since(3, 9))],
        ),
        form(
            &[must("operation", OneOf(&["in_range"])), must("start", Text)],
            &[one(&[&DURATION]).when(until(3, 8)), maybe(&[&DURATION]).when(since(3, 9))],
        ),
    ],
);

static DURATION: Shape = shape(
    "duration",
    UNITS,
    &[form(
        &[
            may("days", Text).when(since(3, 9)),
            may("minutes", Text).when(since(3, 9)),
            may("seconds", Text).when(since(3, 9)),
        ],
        &[],
    )],
);

static DATE_SPEC: Shape = shape(
    "date_spec",
    UNITS,
    &[form(
        &[
            may("yeardays", Text).when(since(3, 9)),
            may("minutes", Text).when(since(3, 9)),
            may("seconds", Text).when(since(3, 9)),
        ],
        &[],
    )],
);

const UNITS: &[Attribute] = &[
    must("id", NewId),
    may("hours", Text),
    may("monthdays", Text),
    may("weekdays", Text),
    may("yearsdays", Text),
    may("months", Text),
    may("weeks", Text),
    may("years", Text),
    may("weekyears", Text),
    may("moon", Text),
];

static OF_RESOURCE: Shape = shape(
    "rsc_expression",
    &[must("id", NewId), may("class", Text), may("provider", Text), may("type", Text)],
    PLAIN,
);

static OF_OPERATION: Shape =
    shape("op_expression", &[must("id", NewId), must("name", Text), may("interval", Text)], PLAIN);
