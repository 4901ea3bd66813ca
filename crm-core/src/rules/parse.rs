//! XML to rules.

use std::sync::Arc;

use crate::cib::Element;
use crate::scalar::{parse_int, parse_interval_checked};

use super::{
    Amounts, AttributeTest, Comparison, DateSpec, DateTest, Rule, RulePart, ValueSource, ValueType,
};

impl Rule {
    /// Reads a `rule` element. `resolve` follows an `id-ref` to the element of the same tag
    /// (I-17); `None` if there is none.
    pub fn parse<'a>(
        element: &'a Element,
        resolve: &dyn Fn(&'a Element) -> Option<&'a Element>,
    ) -> Rule {
        Rule::parse_nested(element, resolve, 0)
    }

    fn parse_nested<'a>(
        element: &'a Element,
        resolve: &dyn Fn(&'a Element) -> Option<&'a Element>,
        depth: usize,
    ) -> Rule {
        // References can nest in a circle; documents cannot nest this deep.
        const DEEPEST: usize = 128;
        let element = resolve(element).unwrap_or(element);
        let parts = element
            .children()
            .map(|part| match part.name() {
                "rule" if depth < DEEPEST => {
                    RulePart::Rule(Rule::parse_nested(part, resolve, depth + 1))
                }
                "expression" => expression(part),
                "date_expression" => RulePart::Date(date_expression(part)),
                "rsc_expression" => RulePart::Agent {
                    class: owned(part, "class"),
                    provider: owned(part, "provider"),
                    kind: owned(part, "type"),
                },
                "op_expression" => RulePart::Operation {
                    name: owned(part, "name"),
                    interval: part.attr("interval").map(|text| {
                        let (ms, valid) = parse_interval_checked(Some(text));
                        valid.then_some(ms)
                    }),
                },
                _ => RulePart::False,
            })
            .collect();
        Rule {
            id: element.id().unwrap_or_default().into(),
            any: element.attr("boolean-op").is_some_and(|op| op.eq_ignore_ascii_case("or")),
            parts,
        }
    }

    /// True if some `#…` or date part can make the outcome depend on the time.
    pub fn has_dates(&self) -> bool {
        self.parts.iter().any(|part| match part {
            RulePart::Rule(rule) => rule.has_dates(),
            RulePart::Date(_) => true,
            _ => false,
        })
    }
}

fn owned(element: &Element, name: &str) -> Option<Arc<str>> {
    element.attr(name).map(Into::into)
}

fn expression(element: &Element) -> RulePart {
    let Some(attribute) = element.attr("attribute") else { return RulePart::False };
    if attribute.eq_ignore_ascii_case("#role") {
        return RulePart::Role;
    }
    let word = |name| element.attr(name).map(str::to_ascii_lowercase);
    let comparison = match word("operation").as_deref() {
        Some("defined") => Comparison::Defined,
        Some("not_defined") => Comparison::NotDefined,
        Some("eq") => Comparison::Equal,
        Some("ne") => Comparison::NotEqual,
        Some("lt") => Comparison::Less,
        Some("lte") => Comparison::LessEqual,
        Some("gt") => Comparison::Greater,
        Some("gte") => Comparison::GreaterEqual,
        Some(_) | None => Comparison::Unknown,
    };
    let value_type = match word("type").as_deref() {
        None => ValueType::Default,
        Some("string") => ValueType::String,
        Some("integer") => ValueType::Integer,
        Some("number") => ValueType::Number,
        Some("version") => ValueType::Version,
        Some(_) => ValueType::Unknown,
    };
    let source = match word("value-source").as_deref() {
        Some("param") => ValueSource::Param,
        Some("meta") => ValueSource::Meta,
        Some(_) | None => ValueSource::Literal,
    };
    RulePart::Attribute(AttributeTest {
        attribute: attribute.into(),
        comparison,
        value: owned(element, "value"),
        value_type,
        source,
    })
}

fn date_expression(element: &Element) -> DateTest {
    let operation = element.attr("operation").map(str::to_ascii_lowercase);
    match operation.as_deref() {
        None | Some("in_range") => DateTest::InRange {
            start: owned(element, "start"),
            end: owned(element, "end"),
            duration: element.child("duration").map(amounts),
        },
        Some("gt") => DateTest::After(owned(element, "start")),
        Some("lt") => DateTest::Before(owned(element, "end")),
        Some("date_spec") => element.child("date_spec").map_or(DateTest::False, |e| {
            let mut spec = DateSpec::default();
            for (field, name) in DateSpec::NAMES.iter().enumerate() {
                if let Some(text) = e.attr(name) {
                    spec.add(field, text);
                }
            }
            DateTest::Spec(spec)
        }),
        Some(_) => DateTest::False,
    }
}

fn amounts(element: &Element) -> Amounts {
    let mut amounts = Amounts::default();
    for (field, name) in amounts.fields.iter_mut().zip(Amounts::NAMES) {
        *field = element.attr(name).and_then(parse_int).unwrap_or(0);
    }
    amounts
}
