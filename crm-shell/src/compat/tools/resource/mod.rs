//! `crm_resource` (O-170 to O-173).

mod agents;
mod change;
mod constraints;
mod history;
mod places;
mod restart;
mod show;
mod why;

use std::process::ExitCode;

use crm_core::cib::Element;
use crm_core::scheduler::model::{Cluster, RscIx};
use crm_lrm::BuiltIn;

use super::super::exit::Exit;
use super::super::options::{COMMON, Group, Value, long, opt};
use super::{Done, Failure, Run, Tool, cluster, usage};
use crate::render::report::Style;

const CRM_RESOURCE: Tool = Tool {
    name: NAME,
    purpose: "Query and change resources",
    groups: &[
        Group {
            title: "Queries",
            options: &[
                opt('L', "list", Value::None, "List all resources with their state"),
                opt('l', "list-raw", Value::None, "List the ids of all instances"),
                opt('O', "list-operations", Value::None, "List the operations in force"),
                opt('o', "list-all-operations", Value::None, "List all recorded operations"),
                long("list-standards", Value::None, "List the classes of agents"),
                long("list-ocf-providers", Value::None, "List the providers of OCF agents"),
                long("list-agents", Value::Required("CLASS[:PROVIDER]"), "List agents"),
                long("list-ocf-alternatives", Value::Required("AGENT"), "List who provides it"),
                long(
                    "show-metadata",
                    Value::Required("AGENT"),
                    "Show what an agent says of itself",
                ),
                opt('q', "query-xml", Value::None, "Show the definition of a resource"),
                opt('w', "query-xml-raw", Value::None, "The same, templates not applied"),
                opt('g', "get-parameter", Value::Required("NAME"), "Show a parameter"),
                opt(
                    'G',
                    "get-property",
                    Value::Required("NAME"),
                    "Show an attribute of the definition",
                ),
                opt('W', "locate", Value::None, "Show where a resource runs"),
                opt('a', "constraints", Value::None, "Show the constraints on a resource"),
                opt('A', "stack", Value::None, "The same with those it is placed with"),
                opt('Y', "why", Value::None, "Show why resources do not run"),
                long("digests", Value::None, "Show the digests of the parameters"),
            ],
        },
        Group {
            title: "Commands",
            options: &[
                opt('p', "set-parameter", Value::Required("NAME"), "Set a parameter (with -v)"),
                opt('d', "delete-parameter", Value::Required("NAME"), "Delete a parameter"),
                opt('M', "move", Value::None, "Move a resource, leaving a constraint"),
                opt('B', "ban", Value::None, "Keep a resource from a node, leaving a constraint"),
                opt('U', "clear", Value::None, "Remove what --move and --ban left"),
                opt('C', "cleanup", Value::None, "Forget failures"),
                opt('R', "refresh", Value::None, "Forget history, so that all is probed again"),
                opt('F', "fail", Value::None, "Report a failure of a resource"),
                opt('D', "delete", Value::None, "Remove a resource from the configuration"),
                long("restart", Value::None, "Stop a resource and start it again"),
                long("wait", Value::None, "Wait until the cluster has nothing to do"),
                long("validate", Value::Optional("LEVEL"), "Have the agent check parameters"),
                long("force-start", Value::None, "Start it here, past the cluster"),
                long("force-stop", Value::None, "Stop it here, past the cluster"),
                long("force-promote", Value::None, "Promote it here, past the cluster"),
                long("force-demote", Value::None, "Demote it here, past the cluster"),
                long("force-check", Value::Optional("LEVEL"), "Look at it here, past the cluster"),
            ],
        },
        Group {
            title: "Options",
            options: &[
                opt('r', "resource", Value::Required("RSC"), "The resource"),
                opt('N', "node", Value::Required("NODE"), "The node"),
                opt('H', "host-uname", Value::Required("NODE"), ""),
                opt('v', "parameter-value", Value::Required("VALUE"), "The value"),
                opt('m', "meta", Value::None, "A meta attribute"),
                opt('z', "utilization", Value::None, "A utilization attribute"),
                opt('s', "set-name", Value::Required("ID"), "The attribute set"),
                opt('i', "nvpair", Value::Required("ID"), "The id of the attribute"),
                opt('n', "operation", Value::Required("OP"), "Only this operation"),
                opt('I', "interval", Value::Required("TIME"), "With this interval"),
                opt('t', "resource-type", Value::Required("TYPE"), "The kind of object to delete"),
                opt('u', "lifetime", Value::Required("PERIOD"), "How long a constraint holds"),
                opt('T', "timeout", Value::Required("TIME"), "How long to wait"),
                opt('f', "force", Value::None, "Do it although it is unusual"),
                opt('e', "expired", Value::None, "With --clear: only what is over"),
                long("promoted", Value::None, "Only the promoted role"),
                long("master", Value::None, ""),
                long("recursive", Value::None, "Follow colocations (with -p, -a)"),
                long("class", Value::Required("CLASS"), "For --validate without a resource"),
                long("provider", Value::Required("PROVIDER"), "For --validate without a resource"),
                long("agent", Value::Required("AGENT"), "For --validate without a resource"),
                long("option", Value::Required("NAME=VALUE"), "A parameter for --validate"),
            ],
        },
        COMMON,
    ],
    style: Style::Fancy,
    body: work,
};

/// Runs `crm_resource`.
pub(super) fn crm_resource(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CRM_RESOURCE.main(arguments, carried)
}

const NAME: &str = "crm_resource";

/// What one command of the table does.
type Command = fn(&mut Run<'_>) -> Done;

/// Every command by the option that asks for it.
const COMMANDS: [(&str, Command); 35] = [
    ("list", show::list),
    ("list-raw", show::list_raw),
    ("list-operations", show::operations),
    ("list-all-operations", show::operations),
    ("locate", show::locate),
    ("query-xml", show::definition),
    ("query-xml-raw", show::definition),
    ("get-parameter", show::parameter),
    ("get-property", show::property),
    ("constraints", constraints::show),
    ("stack", constraints::show),
    ("why", why::show),
    ("list-standards", agents::standards),
    ("list-ocf-providers", agents::providers),
    ("list-ocf-alternatives", agents::providers),
    ("list-agents", agents::list),
    ("show-metadata", agents::metadata),
    ("validate", agents::validate),
    ("force-start", agents::force),
    ("force-stop", agents::force),
    ("force-promote", agents::force),
    ("force-demote", agents::force),
    ("force-check", agents::force),
    ("set-parameter", change::parameter),
    ("delete-parameter", change::parameter),
    ("delete", change::delete),
    ("move", places::go),
    ("ban", places::ban),
    ("clear", places::clear),
    ("digests", history::digests),
    ("cleanup", history::cleanup),
    ("refresh", history::cleanup),
    ("fail", history::fail),
    ("wait", restart::wait),
    ("restart", restart::restart),
];

/// Only `--digests` and `--force-*` take words that are no options.
const WITH_OPERANDS: [&str; 2] = ["digests", "validate"];

fn work(run: &mut Run<'_>) -> Done {
    let takes_words = WITH_OPERANDS.iter().any(|o| run.options.has(o));
    if !run.options.operands.is_empty() && !takes_words {
        let words = &run.options.operands;
        let count = words.len();
        let numbered =
            words.iter().enumerate().map(|(at, w)| format!("[{} of {count}] {w}\n", at + 1));
        let list: String = numbered.collect();
        return Err(usage(NAME, &format!("non-option ARGV-elements:\n{list}")));
    }
    // As with the original, the last of several commands is the one.
    let asked = run.options.options.iter().rev();
    let command = asked.filter_map(|(o, _)| COMMANDS.iter().find(|(name, _)| name == o)).next();
    command.map_or(show::list as Command, |(_, command)| *command)(run)
}

fn resource(run: &Run<'_>) -> Result<String, Failure> {
    let given = run.options.last("resource").map(str::to_string);
    given.ok_or_else(|| usage(NAME, "Must supply a resource id with -r"))
}

pub(super) fn not_found(what: &str, name: &str) -> Failure {
    let text =
        format!("{NAME}: {what} '{name}' not found\nError performing operation: No such object");
    Failure::new(Exit::NO_SUCH, text)
}

/// The resources that go by a name: an anonymous clone's instances share that of their definition.
fn named(cluster: &Cluster, name: &str) -> Vec<RscIx> {
    let all = || cluster.top.iter().flat_map(|top| cluster.descendants(*top));
    let exact: Vec<RscIx> = all().filter(|r| *cluster[*r].id == *name).collect();
    if !exact.is_empty() {
        return exact;
    }
    all().filter(|r| cluster[*r].id.split(':').next() == Some(name)).collect()
}

/// The primitives that a name stands for: the resource itself, or the leaves below it.
fn instances(cluster: &Cluster, name: &str) -> Vec<RscIx> {
    let mut leaves: Vec<RscIx> =
        named(cluster, name).iter().flat_map(|r| cluster.leaves(*r)).collect();
    leaves.sort();
    leaves.dedup();
    leaves
}

/// What is meant by `-r`, in a cluster that has it.
fn asked<'a>(
    run: &mut Run<'_>,
    cib: &'a Element,
) -> Result<(Cluster, RscIx, &'a Element), Failure> {
    let name = resource(run)?;
    let cluster = cluster(cib);
    let found = named(&cluster, &name).first().copied();
    match (found, configured(cib, &name)) {
        (Some(rsc), Some(element)) => Ok((cluster, rsc, element)),
        (_, _) => Err(not_found("Resource", &name)),
    }
}

const KINDS: [&str; 5] = ["primitive", "group", "clone", "master", "bundle"];

/// The definition of a resource; instance numbers are not part of its name.
pub(super) fn configured<'a>(cib: &'a Element, name: &str) -> Option<&'a Element> {
    let base = name.split(':').next().unwrap_or(name);
    let mut all = cib.at(&["configuration", "resources"])?.descendants();
    all.find(|e| KINDS.contains(&e.name()) && e.id() == Some(base))
}

/// The node that `-N` names, if it is one.
fn node(run: &Run<'_>, cib: &Element) -> Result<Option<String>, Failure> {
    let Some(node) = run.options.last("node").or(run.options.last("host-uname")) else {
        return Ok(None);
    };
    match crm_core::cib::attributes::node_id(cib, node) {
        Some(_) => Ok(Some(node.to_string())),
        None => Err(not_found("Node", node)),
    }
}

/// The kind of sets that `-m` and `-z` choose.
fn set_tag(run: &Run<'_>) -> &'static str {
    match (run.options.has("meta"), run.options.has("utilization")) {
        (true, _) => "meta_attributes",
        (_, true) => "utilization",
        (false, false) => "instance_attributes",
    }
}

/// Changes the configuration and commits it.
fn edit(
    run: &mut Run<'_>,
    change: impl Fn(&mut Element) -> Result<(), Failure>,
    command: &str,
) -> Result<(), Failure> {
    run.until_current(|run| {
        let cib = run.access.cib()?;
        let mut changed = cib.clone();
        change(changed.child_or_insert("configuration"))?;
        run.commit(&cib, &changed, command)
    })
}
