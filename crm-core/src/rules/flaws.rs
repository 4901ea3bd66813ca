//! What a rule says that cannot be meant.

use crate::cib::Element;
use crate::scalar::{parse_int, parse_interval_checked};

use super::date::parse_range;
use super::{Amounts, DateSpec, Moment};

/// Something in a rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw<'a> {
    /// Where it is: the element's `id`.
    pub id: &'a str,
    /// What was written.
    pub value: &'a str,
    /// What is wrong with it, and what becomes of it.
    pub text: String,
}

/// What cannot be read in the rules that `element` has or is, in document order. As in Pacemaker
/// 2.1 it stops nothing: the rule goes on without it.
pub fn flaws(element: &Element) -> Vec<Flaw<'_>> {
    element.descendants().flat_map(flaws_of).collect()
}

fn flaws_of(part: &Element) -> Vec<Flaw<'_>> {
    let bad = |names: &[&str], is_good: &dyn Fn(&str) -> bool, what: &str, then: &str| {
        let given = names.iter().filter_map(|name| Some((name, part.attr(name)?)));
        let flaw = |(name, value)| Flaw {
            id: part.id().unwrap_or_default(),
            value,
            text: format!("{name}={value:?} is {what}: {then}"),
        };
        given.filter(|(_, value)| !is_good(value)).map(flaw).collect()
    };
    match part.name() {
        "date_expression" => bad(
            &["start", "end"],
            // Any now will do: it only gives what the text leaves open.
            &|text| Moment::parse(text, Moment::default()).is_some(),
            "neither a date nor a time",
            "it counts as not given",
        ),
        "duration" => {
            bad(&Amounts::NAMES, &|text| parse_int(text).is_some(), "no number", "it counts as 0")
        }
        "date_spec" => bad(
            &DateSpec::NAMES,
            &|text| parse_range(text).is_some(),
            "neither a number nor a range",
            "every time fits it",
        ),
        "op_expression" => bad(
            &["interval"],
            &|text| parse_interval_checked(Some(text)).1,
            "no interval",
            "no operation fits it",
        ),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::parse;

    #[test]
    fn what_cannot_be_read_is_named_with_its_consequence() {
        let rule = parse(
            "<rule id='r'><date_expression id='a' start='2020-01-01' end='next week'/>\
             <rule id='n'><date_expression id='b' operation='date_spec'>\
             <date_spec id='s' hours='9-16' weekdays='Monday'/></date_expression></rule>\
             <date_expression id='c' start='2020-01-01'><duration id='d' months='1' days='x'/>\
             </date_expression><op_expression id='o' name='monitor' interval='often'/></rule>",
        )
        .unwrap();
        let found: Vec<String> =
            flaws(&rule).iter().map(|f| format!("{}: {}", f.id, f.text)).collect();
        assert_eq!(
            found,
            [
                "a: end=\"next week\" is neither a date nor a time: it counts as not given",
                "s: weekdays=\"Monday\" is neither a number nor a range: every time fits it",
                "d: days=\"x\" is no number: it counts as 0",
                "o: interval=\"often\" is no interval: no operation fits it",
            ]
        );
    }

    #[test]
    fn what_can_be_read_is_no_flaw() {
        let rule = parse(
            "<rule id='r'><date_expression id='a' operation='gt' start='2020-01-01 12:00'/>\
             <date_expression id='b' operation='date_spec'><date_spec id='s' hours='9-' moon='4'/>\
             </date_expression><expression id='e' attribute='start' operation='eq' value='x'/>\
             <op_expression id='o' name='monitor' interval='10s'/></rule>",
        )
        .unwrap();
        assert_eq!(flaws(&rule), []);
    }
}
