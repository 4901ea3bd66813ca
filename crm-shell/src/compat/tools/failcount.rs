//! `crm_failcount` (O-187).

use std::process::ExitCode;

use crm_lrm::BuiltIn;

use regex::Regex;

use super::super::exit::Exit;
use super::super::options::{Group, PLAIN, Value, old, opt};
use super::attribute::{OLD, Target};
use super::resource::{configured, not_found};
use super::{Done, Failure, Run, Tool, usage};
use crate::render::report::Style;

const CRM_FAILCOUNT: Tool = Tool {
    name: "crm_failcount",
    purpose: "Query or forget the failures of a resource",
    groups: &[
        PLAIN,
        Group {
            title: "Commands and Options",
            options: &[
                opt('G', "query", Value::None, "Show the number of failures"),
                opt('D', "delete", Value::None, "Forget them"),
                opt('v', "attr-value", Value::Required("0"), "Only 0: forget them"),
                opt('r', "resource", Value::Required("RSC"), "The resource"),
                opt('n', "operation", Value::Required("OP"), "Only failures of this operation"),
                opt('I', "interval", Value::Required("TIME"), "With this interval"),
                opt('N', "node", Value::Required("NODE"), "The node (default: this one)"),
                opt('q', "quiet", Value::None, "Show only the number"),
                old(None, "resource-id", "resource", Value::Required("RSC")),
                // There is one life-time, and no id.
                old(Some('l'), "lifetime", "lifetime", Value::Required("LIFETIME")),
                old(Some('i'), "attr-id", "attr-id", Value::Required("ID")),
            ],
        },
        OLD,
    ],
    style: Style::Plain,
    body: failcount,
};

/// Runs `crm_failcount` (O-187).
pub(super) fn crm_failcount(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CRM_FAILCOUNT.main(arguments, carried)
}

fn failcount(run: &mut Run<'_>) -> Done {
    let forget = run.options.has("delete") || run.options.last("attr-value") == Some("0");
    if !forget && !run.options.has("query") {
        return Err(Failure::new(Exit::USAGE, "error: must specify a command"));
    }
    let resource = run.options.last("resource").map(str::to_string);
    let resource =
        resource.ok_or_else(|| Failure::new(Exit::USAGE, "error: resource name required"))?;
    let node = run.node()?;
    let operation = run.options.last("operation").map(str::to_string);
    let interval = run.options.last("interval").map_or(Ok(0), |t| {
        super::milliseconds(t).ok_or_else(|| usage("crm_failcount", "Invalid interval"))
    })?;
    let interval_ms = operation.as_ref().map(|_| interval);
    if forget {
        let cib = run.access.cib()?;
        configured(&cib, &resource).ok_or_else(|| not_found("Resource", &resource))?;
        Target::node(node.clone(), String::new(), true)
            .check_node(&cib)
            .map_err(|_| not_found("Node", &node))?;
        let request = crm_messaging::proto::CleanupRequest {
            resource: resource.clone(),
            node: node.clone(),
            failed_only: true,
            operation: operation.unwrap_or_default(),
            interval_ms,
        };
        run.access.cleanup(&request)?;
        run.say(&format!("Cleaned up {resource} on {node}"));
        return Ok(Exit::OK);
    }
    let suffix = operation.map(|op| format!("#{op}_{interval}")).unwrap_or_default();
    let name = format!("fail-count-{resource}{suffix}");
    let end = if suffix.is_empty() { "(#|$)" } else { "$" };
    let pattern = Regex::new(&format!("^{}{end}", regex::escape(&name)))
        .map_err(|e| usage("crm_failcount", &e.to_string()))?;
    let cib = run.access.cib()?;
    let target = Target::matching(node, pattern);
    target.check_node(&cib)?;
    let total: i64 = target
        .pairs(&cib)
        .map(|p| match p.attr("value") {
            Some("INFINITY") => 1_000_000,
            value => value.and_then(|v| v.parse().ok()).unwrap_or(0),
        })
        .sum();
    let shown = if total >= 1_000_000 { "INFINITY".to_string() } else { total.to_string() };
    let line = format!("scope=status  name={name} value={shown}");
    let quiet = run.quiet();
    run.say(if quiet { &shown } else { &line });
    Ok(Exit::OK)
}
