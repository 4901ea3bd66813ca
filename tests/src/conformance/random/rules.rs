//! Rules of every kind.

use crm_core::cib::Element;

use super::Draft;

/// A rule over node attributes and dates.
pub(super) fn node_rule(draft: &mut Draft) -> Element {
    let mut rule = draft.element("rule");
    let parts = 1 + draft.below(2);
    if parts > 1 {
        rule.set_attr("boolean-op", draft.pick(&["and", "or"]));
    }
    for _ in 0..parts {
        let part = match draft.below(20) {
            0..=12 => expression(draft),
            13..=18 => date(draft),
            _ => {
                draft.features.insert("nested rule");
                draft
                    .element("rule")
                    .with("boolean-op", draft.pick(&["and", "or"]))
                    .with_child(expression(draft))
                    .with_child(date(draft))
            }
        };
        rule.push(part);
    }
    rule
}

fn expression(draft: &mut Draft) -> Element {
    let attribute = draft.pick(&["color", "rack", "#uname", "pingd", "#kind", "absent"]);
    let element = draft.element("expression").with("attribute", attribute);
    let operation = draft.pick(&["defined", "not_defined", "eq", "ne", "lt", "gt", "lte", "gte"]);
    let mut element = element.with("operation", operation);
    if !operation.contains("defined") {
        let value = match attribute {
            "#uname" => draft.host(),
            "color" => draft.pick(&["red", "blue"]).to_string(),
            "#kind" => draft.pick(&["cluster", "remote", "container"]).to_string(),
            _ => draft.pick(&["1", "2", "100", "2.5", "x"]).to_string(),
        };
        element.set_attr("value", value);
        if draft.feature(25, "typed expression") {
            let kind = draft.pick(&["string", "integer", "number", "version"]);
            element.set_attr("type", kind);
        }
        if draft.feature(6, "value source") {
            let (source, name) = draft.pick(&[("param", "fake"), ("meta", "priority")]);
            element.set_attr("value-source", source);
            element.set_attr("value", name);
        }
    }
    draft.features.insert("attribute rule");
    element
}

/// An expression about the time.
pub(super) fn date(draft: &mut Draft) -> Element {
    draft.features.insert("date rule");
    let mut element = draft.element("date_expression");
    let (before, after) = ("2023-11-01T00:00:00Z", "2023-12-01T00:00:00Z");
    match draft.below(6) {
        0 => {
            element.set_attr("operation", "gt");
            element.set_attr("start", draft.pick(&[before, after]));
        }
        1 => {
            element.set_attr("operation", "lt");
            element.set_attr("end", draft.pick(&[before, after]));
        }
        2 => {
            element.set_attr("operation", "in_range");
            element.set_attr("start", before);
            element.set_attr("end", draft.pick(&[after, "2023-11-10T00:00:00Z"]));
        }
        3 => {
            draft.features.insert("duration");
            element.set_attr("operation", "in_range");
            element.set_attr("start", draft.pick(&[before, "2023-11-14 20:00:00 +01:00"]));
            let duration = draft.element("duration");
            let (unit, count) = draft.pick(&[
                ("days", "13"),
                ("weeks", "2"),
                ("hours", "4"),
                ("months", "1"),
                ("minutes", "900"),
                ("seconds", "1204000"),
                ("years", "1"),
            ]);
            element.push(duration.with(unit, count));
        }
        _ => {
            element.set_attr("operation", "date_spec");
            draft.features.insert("date specification");
            let mut spec = draft.element("date_spec");
            for _ in 0..1 + draft.below(2) {
                let (name, value) = draft.pick(&[
                    ("hours", "9-23"),
                    ("hours", "0-8"),
                    ("weekdays", "1-5"),
                    ("weekdays", "2"),
                    ("months", "11"),
                    ("years", "2024-"),
                    ("years", "2023"),
                    ("monthdays", "1-10"),
                    ("monthdays", "14"),
                    ("yeardays", "318"),
                    ("weeks", "46"),
                    ("weekyears", "2023"),
                    ("minutes", "0-30"),
                    ("seconds", "20"),
                ]);
                spec.set_attr(name, value);
            }
            element.push(spec);
        }
    }
    element
}

/// A rule for `rsc_defaults`.
pub(super) fn rsc_rule(draft: &mut Draft) -> Element {
    let rule = draft.element("rule").with("score", "INFINITY");
    let part = draft.element("rsc_expression").with("class", "ocf");
    let part = match draft.below(3) {
        0 => part.with("provider", draft.pick(&["heartbeat", "pacemaker"])),
        1 => part.with("type", draft.pick(&["Dummy", "Stateful"])),
        _ => part,
    };
    let rule = rule.with_child(part);
    if draft.chance(30) {
        let date = date(draft);
        return rule.with_child(date).with("boolean-op", draft.pick(&["and", "or"]));
    }
    rule
}

/// A rule for `op_defaults`.
pub(super) fn op_rule(draft: &mut Draft) -> Element {
    let rule = draft.element("rule").with("score", "INFINITY");
    let mut part = draft.element("op_expression").with("name", draft.pick(&["monitor", "start"]));
    if draft.chance(25) {
        part.set_attr("name", "monitor");
        part.set_attr("interval", draft.pick(&["10s", "30s", "10"]));
    }
    let rule = rule.with_child(part);
    if draft.chance(25) {
        let class = draft.element("rsc_expression").with("class", "ocf");
        return rule.with_child(class).with("boolean-op", draft.pick(&["and", "or"]));
    }
    rule
}
