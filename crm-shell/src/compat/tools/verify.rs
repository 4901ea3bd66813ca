//! `crm_verify` (O-195, O-196).

use std::io::Read;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use crm_core::cib::schema::validate;
use crm_core::cib::{Element, needs_upgrade, parse, upgrade};
use crm_core::rules::{Moment, flaws};
use crm_core::scheduler::model::Severity;
use crm_core::scheduler::{self, Input};
use crm_lrm::BuiltIn;

use super::super::exit::Exit;
use super::super::options::{COMMON, Group, Value, opt};
use super::super::{NOT_VALIDATED, is_unchecked};
use super::{Done, Failure, Run, Tool};
use crate::render::report::Style;
use crate::render::transition::note_lines;

const CRM_VERIFY: Tool = Tool {
    name: "crm_verify",
    purpose: "Check a configuration for errors and for what probably is one",
    groups: &[
        COMMON,
        Group {
            title: "Sources",
            options: &[
                opt('L', "live-check", Value::None, "The running cluster's"),
                opt('x', "xml-file", Value::Required("FILE"), "A file"),
                opt('X', "xml-text", Value::Required("XML"), "A text"),
                opt('p', "xml-pipe", Value::None, "Standard input"),
                opt('S', "save-xml", Value::Required("FILE"), "Save what was checked"),
                opt('h', "help", Value::None, ""),
            ],
        },
    ],
    style: Style::Plain,
    body: verify,
};

/// The verdict on a configuration that is wrong somewhere.
const INVALID: &str = "Errors found during check: config not valid";

/// Runs `crm_verify`.
pub(super) fn crm_verify(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CRM_VERIFY.main(arguments, carried)
}

fn source(run: &mut Run<'_>) -> Result<Element, Failure> {
    let unreadable = |what: String| {
        Failure::new(Exit::ERROR, format!("crm_verify: Couldn't parse input {what}"))
    };
    if let Some(path) = run.options.last("xml-file") {
        let text =
            std::fs::read_to_string(path).map_err(|_| unreadable(format!("file: {path}")))?;
        parse(&text).map_err(|e| unreadable(format!("file: {path} ({e})")))
    } else if let Some(text) = run.options.last("xml-text") {
        parse(text).map_err(|_| unreadable(format!("string: {text}")))
    } else if run.options.has("xml-pipe") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|_| unreadable("from STDIN.".into()))?;
        parse(&text).map_err(|_| unreadable("from STDIN.".into()))
    } else if run.options.has("live-check") {
        run.access.cib().map_err(|e| {
            let Failure { text, exit } = e.into();
            Failure::new(exit, format!("crm_verify: CIB query failed: {text}"))
        })
    } else {
        let text =
            "crm_verify: No configuration source specified.  Use --help for usage information.";
        Err(Failure::new(Exit::ERROR, text))
    }
}

fn verify(run: &mut Run<'_>) -> Done {
    let mut cib = source(run)?;
    if cib.name() != "cib" {
        let text = "crm_verify: This tool can only check complete configurations (i.e. those starting with <cib>).";
        return Err(Failure::new(Exit::PROTOCOL, text));
    }
    // Who does not say how the cluster is wants to know about the configuration alone.
    let configured_only = cib.child("status").is_none() && !run.options.has("live-check");
    cib.child_or_insert("status");
    if let Some(path) = run.options.last("save-xml") {
        std::fs::write(path, cib.to_pretty())
            .map_err(|e| Failure::new(Exit::CANNOT_CREATE, format!("crm_verify: {path}: {e}")))?;
    }
    let wrong = misfits(&cib);
    if !wrong.is_empty() {
        wrong.iter().for_each(|line| run.out.error(&format!("crm_verify: {line}")));
        return Ok(refuse(run, INVALID));
    }
    if is_unchecked(&cib) {
        run.out.error(NOT_VALIDATED);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = Moment { epoch: i64::try_from(now).unwrap_or(i64::MAX), offset: 0 };
    let input = Input::new(&cib, now);
    let cluster = if configured_only {
        scheduler::check(&input)
    } else {
        scheduler::schedule(&input).cluster
    };
    for line in cluster.notes.iter().flat_map(|note| note_lines(&cluster, note)) {
        run.out.info(&line);
    }
    let messages = &cluster.messages;
    if run.options.has("verbose") {
        for flaw in cib.child("configuration").into_iter().flat_map(flaws) {
            run.out.error(&format!("'{}': {}", flaw.id, flaw.text));
        }
        for message in messages.iter().filter(|m| m.severity != Severity::Notice) {
            run.out.error(&message.text);
        }
    }
    let any = |bad: [Severity; 2]| messages.iter().any(|m| bad.contains(&m.severity));
    let verdict = if any([Severity::ConfigError, Severity::Error]) {
        INVALID
    } else if any([Severity::ConfigWarning, Severity::Warning]) {
        "Warnings found during check: config may not be valid"
    } else {
        return Ok(Exit::OK);
    };
    Ok(refuse(run, verdict))
}

/// What does not fit the schema that the document claims, or stands in the way of its upgrade.
fn misfits(cib: &Element) -> Vec<String> {
    if let Err(error) = upgrade(cib) {
        return vec![error.to_string()];
    }
    let violations = if needs_upgrade(cib) { Ok(Vec::new()) } else { validate(cib) };
    match violations {
        Ok(violations) => violations.iter().map(ToString::to_string).collect(),
        Err(name) => vec![format!("there is no schema '{name}'")],
    }
}

fn refuse(run: &mut Run<'_>, verdict: &str) -> Exit {
    run.out.error(&format!("crm_verify: {verdict}"));
    if !run.options.has("verbose") {
        run.out.error("-V may provide more details");
    }
    Exit::CONFIG
}
