//! Truth of rules.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::scalar::{compare_versions, parse_int};

use super::{AttributeTest, Comparison, DateTest, Moment, Rule, RulePart, ValueSource, ValueType};

/// Looks a name up.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<Arc<str>>;

/// Class, provider and type of the resource a rule is evaluated for.
#[derive(Clone, Copy, Debug)]
pub struct AgentName<'a> {
    /// `class`
    pub class: &'a str,
    /// `provider`
    pub provider: Option<&'a str>,
    /// `type`
    pub kind: &'a str,
}

/// What a rule can see (I-194). Absent parts make expressions on them false.
#[derive(Clone, Copy, Default)]
pub struct Context<'a> {
    /// The one "now".
    pub now: Moment,
    /// Attributes of the node.
    pub node: Option<Lookup<'a>>,
    /// The resource's agent.
    pub agent: Option<AgentName<'a>>,
    /// Operation name and interval in ms.
    pub operation: Option<(&'a str, u32)>,
    /// In a location constraint: `value-source` is honoured.
    pub location: bool,
    /// Resource parameters, for `value-source="param"`.
    pub params: Option<Lookup<'a>>,
    /// Meta-attributes, for `value-source="meta"`.
    pub meta: Option<Lookup<'a>>,
    /// Matches of `rsc-pattern`, whole match first.
    pub submatches: &'a [Option<&'a str>],
}

/// Result of an evaluation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// The rule passes.
    pub holds: bool,
    /// Earliest time (epoch seconds) at which that may change by itself (I-207).
    pub next_change: Option<i64>,
}

impl Rule {
    /// Evaluates the rule; stops at the first decisive part (I-193).
    pub fn evaluate(&self, context: &Context<'_>) -> Outcome {
        let mut outcome = Outcome { holds: !self.any, next_change: None };
        for part in &self.parts {
            let one = part.evaluate(context);
            outcome.next_change = earliest(outcome.next_change, one.next_change);
            if one.holds == self.any {
                outcome.holds = self.any;
                break;
            }
        }
        outcome
    }
}

/// True if one of the rules passes, or if there is none (I-66).
pub fn any_passes(rules: &[Rule], context: &Context<'_>) -> Outcome {
    let mut outcome = Outcome { holds: rules.is_empty(), next_change: None };
    for rule in rules {
        let one = rule.evaluate(context);
        outcome.next_change = earliest(outcome.next_change, one.next_change);
        if one.holds {
            outcome.holds = true;
            break;
        }
    }
    outcome
}

fn earliest(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl RulePart {
    fn evaluate(&self, context: &Context<'_>) -> Outcome {
        let holds = match self {
            RulePart::Rule(rule) => return rule.evaluate(context),
            RulePart::Date(test) => return test.evaluate(context.now),
            RulePart::Attribute(test) => test.holds(context),
            RulePart::Agent { class, provider, kind } => context.agent.is_some_and(|agent| {
                class.as_deref().is_none_or(|c| c == agent.class)
                    && provider.as_deref() == agent.provider.filter(|p| !p.is_empty())
                    && kind.as_deref().is_none_or(|k| k == agent.kind)
            }),
            RulePart::Operation { name, interval } => context.operation.is_some_and(|(op, ms)| {
                name.as_deref() == Some(op) && interval.is_none_or(|wanted| wanted == Some(ms))
            }),
            RulePart::Role | RulePart::False => false,
        };
        Outcome { holds, next_change: None }
    }
}

impl AttributeTest {
    fn holds(&self, context: &Context<'_>) -> bool {
        let Some(node) = context.node else { return false };
        let actual = node(&expand(&self.attribute, context.submatches));
        let expected = self.expected(context);
        let present = actual.is_some();
        match self.comparison {
            Comparison::Defined => present,
            Comparison::NotDefined => !present,
            Comparison::Unknown => false,
            Comparison::Equal | Comparison::NotEqual => {
                let equal = match (&actual, &expected) {
                    (None, None) => true,
                    (Some(a), Some(b)) => self.compare(a, b) == Ordering::Equal,
                    (None, Some(_)) | (Some(_), None) => false,
                };
                equal == (self.comparison == Comparison::Equal)
            }
            Comparison::Less
            | Comparison::LessEqual
            | Comparison::Greater
            | Comparison::GreaterEqual => {
                let (Some(a), Some(b)) = (&actual, &expected) else { return false };
                let order = self.compare(a, b);
                match self.comparison {
                    Comparison::Less => order.is_lt(),
                    Comparison::LessEqual => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }
            }
        }
    }

    fn expected(&self, context: &Context<'_>) -> Option<Arc<str>> {
        if !context.location {
            return self.value.clone();
        }
        let value = self.value.as_ref().filter(|v| !v.is_empty());
        match self.source {
            ValueSource::Literal => value.cloned(),
            ValueSource::Param => context.params.and_then(|get| get(value?)),
            ValueSource::Meta => context.meta.and_then(|get| get(value?)),
        }
    }

    /// I-199
    fn compare(&self, a: &str, b: &str) -> Ordering {
        let as_text = || {
            let fold = |s: &str| s.to_ascii_lowercase();
            fold(a).cmp(&fold(b))
        };
        let ordered = !matches!(self.comparison, Comparison::Equal | Comparison::NotEqual);
        let value_type = match self.value_type {
            ValueType::Default if !ordered => ValueType::String,
            ValueType::Default if a.contains('.') || b.contains('.') => ValueType::Number,
            ValueType::Default => ValueType::Integer,
            given => given,
        };
        match value_type {
            ValueType::Integer => match (parse_int(a), parse_int(b)) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => as_text(),
            },
            ValueType::Number => match (parse_float(a), parse_float(b)) {
                (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
                _ => as_text(),
            },
            ValueType::Version => compare_versions(Some(a), Some(b)),
            ValueType::Unknown => Ordering::Equal,
            ValueType::String | ValueType::Default => as_text(),
        }
    }
}

/// The longest leading part that is a decimal number.
fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let len = text
        .bytes()
        .take_while(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
        .count();
    (1..=len).rev().find_map(|end| text[..end].parse().ok())
}

/// Replaces `%0` to `%9` by the submatches, without the ones that are unset (I-196).
pub(crate) fn expand<'a>(text: &'a str, submatches: &[Option<&str>]) -> Cow<'a, str> {
    if submatches.is_empty() || !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let digit = rest.as_bytes().get(at + 1).filter(|b| b.is_ascii_digit());
        match digit {
            Some(digit) => {
                let group = usize::from(digit - b'0');
                out.push_str(submatches.get(group).copied().flatten().unwrap_or_default());
                rest = &rest[at + 2..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

impl DateTest {
    fn evaluate(&self, now: Moment) -> Outcome {
        let read = |text: &Option<Arc<str>>| {
            text.as_deref().and_then(|t| Moment::parse(t, now)).map(|m| (m.epoch, m))
        };
        let current = now.epoch;
        let yes = |next_change| Outcome { holds: true, next_change };
        let no = |next_change| Outcome { holds: false, next_change };
        match self {
            DateTest::InRange { start, end, duration } => {
                let begin = read(start);
                let finish = match (read(end), begin, duration) {
                    (Some((end, _)), _, _) => Some(end),
                    (None, Some((_, begin)), Some(amounts)) => {
                        amounts.add_to(begin).map(|m| m.epoch)
                    }
                    _ => None,
                };
                match (begin, finish) {
                    (None, None) => no(None),
                    (Some((begin, _)), _) if current < begin => no(Some(begin)),
                    (_, Some(finish)) if current > finish => no(None),
                    (_, finish) => yes(finish.map(|f| f + 1)),
                }
            }
            DateTest::After(start) => match read(start) {
                Some((start, _)) if current > start => yes(None),
                Some((start, _)) => no(Some(start + 1)),
                None => no(None),
            },
            DateTest::Before(end) => match read(end) {
                Some((end, _)) if current < end => yes(Some(end)),
                Some(_) | None => no(None),
            },
            DateTest::Spec(spec) => Outcome { holds: spec.matches(now), next_change: None },
            DateTest::False => no(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::parse;

    fn holds(rule: &str, attributes: &[(&str, &str)]) -> bool {
        let get = |name: &str| {
            let found = attributes.iter().find(|(n, _)| *n == name);
            found.map(|(_, v)| Arc::from(*v))
        };
        let agent = AgentName { class: "ocf", provider: Some("heartbeat"), kind: "Dummy" };
        let context = Context {
            node: Some(&get),
            agent: Some(agent),
            operation: Some(("monitor", 10_000)),
            ..Context::default()
        };
        let element = parse(rule).unwrap();
        Rule::parse(&element, &|e| Some(e)).evaluate(&context).holds
    }

    fn expression(rest: &str, attributes: &[(&str, &str)]) -> bool {
        holds(&format!("<rule id='r'><expression id='e' {rest}/></rule>"), attributes)
    }

    #[test]
    fn attribute_comparisons() {
        // I-198, I-199
        let a = [("x", "10"), ("v", "1.10"), ("w", "Blue")];
        assert!(expression("attribute='x' operation='gt' value='9'", &a), "as integers");
        assert!(!expression("attribute='x' operation='gt' value='9' type='string'", &a));
        assert!(expression("attribute='x' operation='lt' value='10.5'", &a), "as numbers");
        assert!(expression("attribute='v' operation='gt' value='1.9' type='version'", &a));
        assert!(expression("attribute='w' operation='eq' value='bLUE'", &a));
        assert!(expression("attribute='z' operation='eq'", &a), "both absent");
        assert!(expression("attribute='z' operation='ne' value='1'", &a));
        assert!(!expression("attribute='z' operation='lt' value='1'", &a));
        assert!(expression("attribute='z' operation='not_defined'", &a));
        assert!(expression("attribute='w' operation='eq' value='x' type='odd'", &a));
        assert!(!expression("attribute='w' operation='odd' value='blue'", &a));
        assert!(!expression("attribute='#role' operation='ne' value='Promoted'", &a));
    }

    #[test]
    fn combination() {
        // I-193, I-195
        let t = "<expression id='t' attribute='x' operation='defined'/>";
        let f = "<expression id='f' attribute='y' operation='defined'/>";
        let a = [("x", "1")];
        assert!(!holds(&format!("<rule id='r'>{t}{f}</rule>"), &a));
        assert!(holds(&format!("<rule id='r' boolean-op='OR'>{f}{t}</rule>"), &a));
        assert!(holds("<rule id='r'/>", &a));
        assert!(!holds("<rule id='r' boolean-op='or'/>", &a));
        assert!(!holds("<rule id='r'><lifetime/></rule>", &a));
    }

    #[test]
    fn agent_and_operation() {
        // I-201, I-202
        assert!(holds("<rule id='r'><rsc_expression id='e' provider='heartbeat'/></rule>", &[]));
        assert!(!holds("<rule id='r'><rsc_expression id='e' class='ocf'/></rule>", &[]));
        assert!(holds(
            "<rule id='r'><op_expression id='e' name='monitor' interval='10s'/></rule>",
            &[]
        ));
        assert!(!holds("<rule id='r'><op_expression id='e' interval='10s'/></rule>", &[]));
        assert!(!holds(
            "<rule id='r'><op_expression id='e' name='monitor' interval='x'/></rule>",
            &[]
        ));
    }

    #[test]
    fn dates_tell_when_they_change() {
        // I-203, I-207
        let now = Moment { epoch: 1000, offset: 0 };
        let at = |s: i64| Moment { epoch: s, offset: 0 };
        let check = |attributes: &str, now: Moment| {
            let text = format!("<rule id='r'><date_expression id='d' {attributes}/></rule>");
            let element = parse(&text).unwrap();
            Rule::parse(&element, &|e| Some(e)).evaluate(&Context { now, ..Context::default() })
        };
        let range = "operation='in_range' start='1970-01-01 00:16:40Z' end='1970-01-01 00:16:50Z'";
        assert_eq!(check(range, now), Outcome { holds: true, next_change: Some(1011) });
        assert_eq!(check(range, at(999)), Outcome { holds: false, next_change: Some(1000) });
        assert_eq!(check(range, at(1011)), Outcome { holds: false, next_change: None });
        let after = "operation='gt' start='1970-01-01 00:16:40Z'";
        assert_eq!(check(after, now), Outcome { holds: false, next_change: Some(1001) });
        assert!(!check("operation='in_range'", now).holds);
    }

    #[test]
    fn submatches_replace_placeholders() {
        assert_eq!(expand("a-%1-%2%", &[Some("x"), Some("y"), None]), "a-y-%");
        assert_eq!(expand("a-%1", &[]), "a-%1");
    }
}
