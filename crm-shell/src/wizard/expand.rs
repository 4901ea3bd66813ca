//! Filling the blanks in.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Kind, Parameter, Wizard};
use crate::language::quote_word;
use crate::language::vocabulary::{boolean, nearest};

/// What comes of a wizard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// Statements of the configuration language.
    pub configuration: String,
    /// What is said when it is done.
    pub after: String,
}

/// Values by name, and whether they are put in as they are.
type Values<'a> = BTreeMap<&'a str, (&'a str, bool)>;

/// Fills the blanks of a wizard in.
///
/// # Errors
/// Every fault: missing values, values of another type, names that nobody knows.
pub fn expand(wizard: &Wizard, given: &BTreeMap<String, String>) -> Result<Expanded, Vec<String>> {
    let mut faults = Vec::new();
    for name in given.keys() {
        if !wizard.parameters.iter().any(|p| p.name == *name) {
            let names = wizard.parameters.iter().map(|p| p.name.as_str());
            let hint = nearest(name, names).map(|n| format!("; did you mean {n}?"));
            faults.push(format!(
                "{} has no parameter '{name}'{}",
                wizard.name,
                hint.unwrap_or_default()
            ));
        }
    }
    let mut values = Values::new();
    for parameter in &wizard.parameters {
        let value = given.get(&parameter.name).or(parameter.default.as_ref());
        match value.filter(|v| !v.is_empty()) {
            Some(value) => {
                faults.extend(check(parameter, value).err());
                values.insert(&parameter.name, (value, parameter.kind == Kind::Words));
            }
            None if parameter.required => faults.push(format!(
                "{} needs {}={}: {}",
                wizard.name,
                parameter.name,
                word(&parameter.kind),
                parameter.about
            )),
            None => {}
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let fill = |lines: &[String], quoted: bool| {
        let filled = lines.iter().filter_map(|l| line(l, &values, quoted));
        filled.map(|l| l + "\n").collect::<String>()
    };
    Ok(Expanded { configuration: fill(&wizard.configure, true), after: fill(&wizard.after, false) })
}

/// A type in one word.
pub(crate) fn word(kind: &Kind) -> String {
    match kind {
        Kind::Resource => "<id>".into(),
        Kind::Address => "<address>".into(),
        Kind::Integer => "<number>".into(),
        Kind::Boolean => "{true|false}".into(),
        Kind::Duration => "<time>".into(),
        Kind::Path => "<path>".into(),
        Kind::Text => "<text>".into(),
        Kind::Words => "<words>".into(),
        Kind::OneOf(words) => format!("{{{}}}", words.join("|")),
    }
}

fn check(parameter: &Parameter, value: &str) -> Result<(), String> {
    let id = |v: &str| {
        v.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && v.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c))
    };
    let time = |v: &str| {
        let digits = v.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        digits.parse::<u64>().is_ok()
            && matches!(&v[digits.len()..], "" | "s" | "ms" | "m" | "min" | "h" | "sec" | "hr")
    };
    let good = match &parameter.kind {
        Kind::Resource => id(value),
        Kind::Address => value.parse::<IpAddr>().is_ok(),
        Kind::Integer => value.parse::<i64>().is_ok(),
        Kind::Boolean => boolean(value).is_some(),
        Kind::Duration => time(value),
        Kind::Path => value.starts_with('/'),
        Kind::Text | Kind::Words => !value.contains(['\n', '\r']),
        Kind::OneOf(words) => words.iter().any(|w| w == value),
    };
    if good {
        return Ok(());
    }
    let kind = word(&parameter.kind);
    Err(format!("{}: '{value}' is no {kind} ({})", parameter.name, parameter.about))
}

/// A line with its blanks filled in; none if it is left out.
fn line(text: &str, values: &Values<'_>, quoted: bool) -> Option<String> {
    let text = match text.strip_prefix("%if ") {
        None => text,
        Some(rest) => {
            let (name, text) = rest.split_once(" : ")?;
            let (value, _) = values.get(name)?;
            if boolean(value) == Some(false) {
                return None;
            }
            text
        }
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("%[") {
        // Reading has made sure that it is closed.
        let (inner, behind) = behind.split_once("%]").unwrap_or((behind, ""));
        out.push_str(&blanks(before, values, quoted)?);
        if let Some(filled) = blanks(inner, values, quoted) {
            out.push_str(&filled);
        }
        rest = behind;
    }
    out.push_str(&blanks(rest, values, quoted).unwrap_or_default());
    Some(out.trim_end().to_string())
}

/// None if a blank has no value.
fn blanks(text: &str, values: &Values<'_>, quoted: bool) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("%{") {
        let (name, behind) = behind.split_once('}')?;
        let (value, words) = values.get(name)?;
        out.push_str(before);
        out.push_str(&if quoted && !words { quote_word(value) } else { value.to_string() });
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}
