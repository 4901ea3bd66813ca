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
        let part = match draft.below(10) {
            0..=6 => expression(draft),
            _ => date(draft),
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
    }
    draft.features.insert("attribute rule");
    element
}

/// An expression about the time.
pub(super) fn date(draft: &mut Draft) -> Element {
    draft.features.insert("date rule");
    let mut element = draft.element("date_expression");
    let (before, after) = ("2023-11-01T00:00:00Z", "2023-12-01T00:00:00Z");
    match draft.below(4) {
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
        _ => {
            element.set_attr("operation", "date_spec");
            let mut spec = draft.element("date_spec");
            let (name, value) = draft.pick(&[
                ("hours", "9-23"),
                ("weekdays", "1-5"),
                ("months", "11"),
                ("years", "2024-"),
                ("monthdays", "1-10"),
            ]);
            spec.set_attr(name, value);
            element.push(spec);
        }
    }
    element
}

/// A rule for `rsc_defaults`.
pub(super) fn rsc_rule(draft: &mut Draft) -> Element {
    let rule = draft.element("rule").with("score", "INFINITY");
    let part = draft
        .element("rsc_expression")
        .with("class", "ocf")
        .with("provider", draft.pick(&["heartbeat", "pacemaker"]));
    rule.with_child(part)
}

/// A rule for `op_defaults`.
pub(super) fn op_rule(draft: &mut Draft) -> Element {
    let rule = draft.element("rule").with("score", "INFINITY");
    let part = draft.element("op_expression").with("name", draft.pick(&["monitor", "start"]));
    rule.with_child(part)
}
