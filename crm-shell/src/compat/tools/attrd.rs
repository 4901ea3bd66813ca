//! `attrd_updater` (O-188).

use std::process::ExitCode;

use crm_core::cib::Element;
use crm_lrm::BuiltIn;
use crm_messaging::proto::AttributeUpdate;

use super::super::exit::Exit;
use super::super::options::{COMMON, Group, Value, opt};
use super::attribute::{Target, arithmetic};
use super::{Done, Failure, Run, Tool, milliseconds, usage};
use crate::render::report::Style;

const ATTRD_UPDATER: Tool = Tool {
    name: "attrd_updater",
    purpose: "Query or change transient node attributes",
    groups: &[
        Group {
            title: "Commands and Options",
            options: &[
                opt('n', "name", Value::Required("NAME"), "The attribute"),
                opt('U', "update", Value::Required("VALUE"), "Set the value"),
                opt('B', "update-both", Value::Required("VALUE"), "Set value and delay"),
                opt('Y', "update-delay", Value::None, "Set the delay only (with -d)"),
                opt('D', "delete", Value::None, "Delete the attribute"),
                opt('Q', "query", Value::None, "Show the value"),
                opt('A', "all", Value::None, "On all nodes"),
                opt('N', "node", Value::Required("NODE"), "The node (default: this one)"),
                opt('R', "refresh", Value::None, "Does nothing: what is set is in the status"),
                opt('d', "delay", Value::Required("TIME"), "Time for others to change with it"),
                opt('l', "lifetime", Value::Required("reboot|forever"), "Read and not used"),
                opt('s', "set", Value::Required("SET"), "The attribute set"),
                opt('p', "private", Value::None, "Accepted: the value is kept as any other"),
                opt('q', "quiet", Value::None, "Say nothing"),
                opt('v', "value", Value::Required("VALUE"), ""),
                opt('S', "section", Value::Required("SECTION"), ""),
            ],
        },
        COMMON,
    ],
    style: Style::Plain,
    body: attrd,
};

/// Runs `attrd_updater` (O-188).
pub(super) fn attrd_updater(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    ATTRD_UPDATER.main(arguments, carried)
}

fn attrd(run: &mut Run<'_>) -> Done {
    if let Some(other) = run
        .options
        .values("lifetime")
        .find(|l| !matches!(*l, "reboot" | "status" | "forever" | "nodes"))
    {
        return Err(usage("attrd_updater", &format!("Unknown value for --lifetime: {other}")));
    }
    if run.options.has("refresh") {
        return Ok(Exit::OK);
    }
    let name = run.options.last("name").map(str::to_string);
    let name = name.ok_or_else(|| usage("attrd_updater", "Command requires --name argument"))?;
    let value = ["update", "update-both", "value"]
        .iter()
        .find_map(|o| run.options.last(o))
        .map(str::to_string);
    let asked_for = |option: &str| run.options.has(option);
    if value.is_none() && !asked_for("delete") && !asked_for("update-delay") {
        return attrd_query(run, &name);
    }
    attrd_update(run, name, value)
}

fn attrd_update(run: &mut Run<'_>, name: String, value: Option<String>) -> Done {
    let node = run.node()?;
    let cib = run.access.cib()?;
    let target = Target::node(node.clone(), name.clone(), true);
    target.check_node(&cib)?;
    let old = target.pairs(&cib).find_map(|p| p.attr("value"));
    let delay_ms =
        match run.options.last("delay") {
            None => None,
            Some(text) => Some(milliseconds(text).ok_or_else(|| {
                usage("attrd_updater", &format!("'{text}' is no time for --delay"))
            })?),
        };
    let (both, only) = (run.options.has("update-both"), run.options.has("update-delay"));
    if (both || only) && delay_ms.is_none() {
        return Err(usage("attrd_updater", "-B and -Y need --delay"));
    }
    run.access.update_attribute(&AttributeUpdate {
        node,
        name,
        value: value.map(|v| arithmetic(&v, old)),
        transient: true,
        set: run.options.last("set").unwrap_or_default().to_string(),
        delta: None,
        delay_ms,
        change_delay: both,
        delay_only: only,
    })?;
    Ok(Exit::OK)
}

fn attrd_query(run: &mut Run<'_>, name: &str) -> Done {
    let cib = run.access.cib()?;
    let nodes: Vec<String> = if run.options.has("all") {
        let nodes = cib.at(&["configuration", "nodes"]);
        nodes
            .into_iter()
            .flat_map(Element::children)
            .filter_map(|n| n.attr("uname"))
            .map(str::to_string)
            .collect()
    } else {
        vec![run.node()?]
    };
    let mut found = false;
    for node in nodes {
        let target = Target::node(node.clone(), name.into(), true);
        for pair in target.pairs(&cib) {
            found = true;
            let value = pair.attr("value").unwrap_or_default();
            run.say(&format!("name=\"{name}\" host=\"{node}\" value=\"{value}\""));
        }
    }
    if found {
        Ok(Exit::OK)
    } else {
        let text =
            format!("attrd_updater: Could not query value of {name}: attribute does not exist");
        Err(Failure::new(Exit::NO_SUCH, text))
    }
}
