//! Who is to be told about an event: the `alerts` section of the CIB.
//!
//! The rules are those of Pacemaker 2.1: without a `select` an alert hears of nodes, fencing and
//! resources, not of attributes; a recipient inherits the meta-attributes and parameters of its
//! alert and may override them; an alert without recipients is called once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cib::Element;
use crate::rules::{Context, Moment};
use crate::scalar::{parse_bool, parse_interval_checked};
use crate::scheduler::input::values;

/// How long an agent may take unless `timeout` says otherwise, in milliseconds.
const TIMEOUT_MS: u32 = 30_000;

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A node came or went.
    Node,
    /// A node was fenced, or could not be.
    Fencing,
    /// An operation of a resource ended.
    Resource,
    /// The node attribute of this name changed.
    Attribute(&'a str),
}

/// One call of one alert agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Id of the `recipient`, or of the `alert` if it has none.
    pub id: String,
    /// The program.
    pub path: String,
    /// The recipient's value; none: the alert has no recipients.
    pub value: Option<String>,
    /// How long the program may take, in milliseconds.
    pub timeout_ms: u32,
    /// `timestamp-format`, if configured.
    pub timestamp_format: Option<String>,
    /// Instance attributes.
    pub params: BTreeMap<String, String>,
}

/// Everybody who wants to hear of an event, in the order of the document.
pub fn recipients(cib: &Element, subject: &Subject<'_>, now: Moment) -> Vec<Recipient> {
    alerts(cib)
        .filter(|alert| selects(alert, subject))
        .flat_map(|alert| of_alert(cib, alert, now))
        .collect()
}

/// Whether an alert is configured at all.
pub fn any(cib: &Element) -> bool {
    alerts(cib).next().is_some()
}

/// Whether a recipient (or an alert) of this id is configured.
pub fn knows(cib: &Element, id: &str) -> bool {
    alerts(cib).any(|alert| {
        alert.id() == Some(id) || alert.children_named("recipient").any(|r| r.id() == Some(id))
    })
}

fn alerts(cib: &Element) -> impl Iterator<Item = &Element> {
    cib.at(&["configuration", "alerts"]).into_iter().flat_map(|a| a.children_named("alert"))
}

fn selects(alert: &Element, subject: &Subject<'_>) -> bool {
    let Some(select) = alert.child("select") else {
        return !matches!(subject, Subject::Attribute(_));
    };
    match subject {
        Subject::Node => select.child("select_nodes").is_some(),
        Subject::Fencing => select.child("select_fencing").is_some(),
        Subject::Resource => select.child("select_resources").is_some(),
        Subject::Attribute(name) => select.child("select_attributes").is_some_and(|names| {
            let mut names = names.children_named("attribute").peekable();
            names.peek().is_none() || names.any(|a| a.attr("name") == Some(name))
        }),
    }
}

fn of_alert(cib: &Element, alert: &Element, now: Moment) -> Vec<Recipient> {
    let Some(path) = alert.attr("path") else { return Vec::new() };
    let context = Context { now, ..Context::default() };
    let mut named = alert.children_named("recipient").peekable();
    let parts: Vec<Option<&Element>> =
        if named.peek().is_none() { vec![None] } else { named.map(Some).collect() };
    let call = |recipient: Option<&Element>| {
        let get = |tag: &str| {
            let mut found = values(cib, alert, tag, &context);
            if let Some(recipient) = recipient {
                found.extend(values(cib, recipient, tag, &context));
            }
            found
        };
        let meta = get("meta_attributes");
        let word = |name: &str| meta.get(name).map(|v: &Arc<str>| &**v);
        if word("enabled").is_some_and(|v| parse_bool(v) == Some(false)) {
            return None;
        }
        let timeout = parse_interval_checked(word("timeout"));
        Some(Recipient {
            id: recipient.unwrap_or(alert).id().unwrap_or_default().to_owned(),
            path: path.to_owned(),
            value: recipient.map(|r| r.attr("value").unwrap_or_default().to_owned()),
            timeout_ms: if timeout.1 && timeout.0 > 0 { timeout.0 } else { TIMEOUT_MS },
            timestamp_format: word("timestamp-format").filter(|f| !f.is_empty()).map(str::to_owned),
            params: get("instance_attributes")
                .into_iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        })
    };
    parts.into_iter().filter_map(call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::parse;

    fn cib(alerts: &str) -> Element {
        parse(&format!("<cib><configuration><alerts>{alerts}</alerts></configuration></cib>"))
            .unwrap()
    }

    fn ids(cib: &Element, subject: Subject<'_>, epoch: i64) -> Vec<String> {
        let now = Moment { epoch, offset: 0 };
        recipients(cib, &subject, now).into_iter().map(|r| r.id).collect()
    }

    #[test]
    fn without_a_selection_everything_but_attributes_is_told() {
        let c = cib("<alert id='a' path='/p'/>");
        for subject in [Subject::Node, Subject::Fencing, Subject::Resource] {
            assert_eq!(ids(&c, subject, 0), ["a"]);
        }
        assert!(ids(&c, Subject::Attribute("x"), 0).is_empty());
        assert!(any(&c) && knows(&c, "a") && !knows(&c, "b") && !any(&cib("")));
    }

    #[test]
    fn a_selection_names_kinds_and_attributes() {
        let c = cib("<alert id='a' path='/p'><select><select_nodes/><select_attributes>\
                     <attribute id='x' name='ping'/></select_attributes></select></alert>\
                     <alert id='b' path='/p'><select><select_attributes/></select></alert>");
        assert_eq!(ids(&c, Subject::Node, 0), ["a"]);
        assert!(
            ids(&c, Subject::Fencing, 0).is_empty() && ids(&c, Subject::Resource, 0).is_empty()
        );
        assert_eq!(ids(&c, Subject::Attribute("ping"), 0), ["a", "b"]);
        assert_eq!(ids(&c, Subject::Attribute("other"), 0), ["b"]);
    }

    #[test]
    fn recipients_inherit_and_override() {
        let c = cib("<alert id='a' path='/p'>\
            <meta_attributes id='m'><nvpair id='m1' name='timeout' value='5s'/>\
            <nvpair id='m2' name='timestamp-format' value='%H:%M'/></meta_attributes>\
            <instance_attributes id='i'><nvpair id='i1' name='x' value='1'/>\
            <nvpair id='i2' name='y' value='1'/></instance_attributes>\
            <recipient id='r1' value='/log'/>\
            <recipient id='r2' value='/other'>\
            <meta_attributes id='n'><nvpair id='n1' name='timeout' value='1500ms'/></meta_attributes>\
            <instance_attributes id='j'><nvpair id='j1' name='y' value='2'/></instance_attributes>\
            </recipient>\
            <recipient id='r3' value='off'><meta_attributes id='o'>\
            <nvpair id='o1' name='enabled' value='false'/></meta_attributes></recipient></alert>");
        let all = recipients(&c, &Subject::Node, Moment::default());
        let short: Vec<_> = all
            .iter()
            .map(|r| {
                let params: Vec<_> = r.params.iter().map(|(n, v)| format!("{n}={v}")).collect();
                let value = r.value.as_deref().unwrap_or("-");
                format!("{} {value} {} {}", r.id, r.timeout_ms, params.join(","))
            })
            .collect();
        assert_eq!(short, ["r1 /log 5000 x=1,y=1", "r2 /other 1500 x=1,y=2"]);
        assert!(all.iter().all(|r| r.timestamp_format.as_deref() == Some("%H:%M")));
    }

    #[test]
    fn rules_decide_by_the_time() {
        let c = cib("<alert id='a' path='/p'><meta_attributes id='m'>\
            <rule id='r' score='0'><date_expression id='d' operation='lt' end='2026-01-01'/></rule>\
            <nvpair id='m1' name='enabled' value='false'/></meta_attributes></alert>");
        assert!(ids(&c, Subject::Node, 1_700_000_000).is_empty());
        assert_eq!(ids(&c, Subject::Node, 1_795_000_000), ["a"]);
    }
}
