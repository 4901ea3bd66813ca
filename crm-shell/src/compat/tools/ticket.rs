//! `crm_ticket`: what this site knows of the tickets that sites pass around.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crm_core::cib::Element;
use crm_core::cib::tickets::ticket_state;
use crm_lrm::BuiltIn;
use crm_messaging::proto::TicketUpdate;

use super::super::exit::Exit;
use super::super::options::{Group, PLAIN, Value, opt};
use super::{Done, Failure, IGNORED, Run, Tool, usage};
use crate::render::report::Style;
use crate::render::status::ctime;

const NAME: &str = "crm_ticket";

const CRM_TICKET: Tool = Tool {
    name: NAME,
    purpose: "Query and change the tickets of this site",
    groups: &[
        Group {
            title: "Queries",
            options: &[
                opt('l', "info", Value::None, "List tickets"),
                opt('L', "details", Value::None, "List tickets with their attributes"),
                opt('w', "raw", Value::None, "List the ids of tickets"),
                opt('q', "query-xml", Value::None, "Show what is known of tickets as XML"),
                opt('c', "constraints", Value::None, "Show the constraints on tickets as XML"),
            ],
        },
        Group {
            title: "Commands",
            options: &[
                opt('g', "grant", Value::None, "Grant a ticket to this site"),
                opt('r', "revoke", Value::None, "Revoke a ticket from this site"),
                opt('s', "standby", Value::None, "Put a ticket in standby"),
                opt('a', "activate", Value::None, "Activate a ticket in standby"),
                opt('G', "get-attr", Value::Required("NAME"), "Show an attribute of a ticket"),
                opt('S', "set-attr", Value::Required("NAME"), "Set an attribute (with -v)"),
                opt('D', "delete-attr", Value::Required("NAME"), "Delete an attribute"),
                opt('C', "cleanup", Value::None, "Forget all about a ticket"),
            ],
        },
        Group {
            title: "Options",
            options: &[
                opt('t', "ticket", Value::Required("ID"), "The ticket"),
                opt('v', "attr-value", Value::Required("VALUE"), "The value for -S"),
                opt('d', "default", Value::Required("VALUE"), "What -G shows where there is none"),
                opt('f', "force", Value::None, "Do it although it is dangerous"),
                opt('n', "set-name", Value::Required("ID"), ""),
                opt('i', "nvpair", Value::Required("ID"), ""),
                opt('Q', "quiet", IGNORED, ""),
            ],
        },
        PLAIN,
    ],
    style: Style::Plain,
    body: work,
};

/// Runs `crm_ticket`.
pub(super) fn crm_ticket(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CRM_TICKET.main(arguments, carried)
}

fn work(run: &mut Run<'_>) -> Done {
    let has = |name: &str| run.options.has(name);
    if has("info") || has("details") || has("raw") {
        return list(run);
    }
    if has("query-xml") {
        return state_xml(run);
    }
    if has("constraints") {
        return constraints(run);
    }
    if has("get-attr") {
        return get(run);
    }
    if has("cleanup") {
        return forget(run);
    }
    change(run)
}

/// The ids of all tickets: those with a state, then those that only constraints name.
fn ids(cib: &Element) -> Vec<String> {
    let states = cib.at(&["status", "tickets"]).into_iter().flat_map(Element::children);
    let mut ids: Vec<String> = states.filter_map(Element::id).map(str::to_string).collect();
    for constraint in ticket_constraints(cib, None) {
        let id = constraint.attr("ticket").unwrap_or_default();
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_string());
        }
    }
    ids
}

fn ticket_constraints<'a>(
    cib: &'a Element,
    ticket: Option<&'a str>,
) -> impl Iterator<Item = &'a Element> {
    let all = cib.at(&["configuration", "constraints"]);
    all.into_iter()
        .flat_map(|c| c.children_named("rsc_ticket"))
        .filter(move |c| ticket.is_none_or(|t| c.attr("ticket") == Some(t)))
}

fn list(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let wanted = run.options.last("ticket").map(str::to_string);
    let ids: Vec<String> =
        ids(&cib).into_iter().filter(|id| wanted.as_ref().is_none_or(|w| w == id)).collect();
    if let (true, Some(wanted)) = (ids.is_empty(), &wanted) {
        return Err(Failure::new(Exit::NO_SUCH, format!("{NAME}: No such ticket '{wanted}'")));
    }
    for id in ids {
        let line = match run.options.has("raw") {
            true => id,
            false => described(&id, ticket_state(&cib, &id), run.options.has("details")),
        };
        run.say(&line);
    }
    Ok(Exit::OK)
}

fn described(id: &str, state: Option<&Element>, details: bool) -> String {
    let value = |name: &str| state.and_then(|s| s.attr(name));
    let granted = if value("granted") == Some("true") { "granted" } else { "revoked" };
    let standby = if value("standby") == Some("true") { " [standby]" } else { "          " };
    let shown = |name: &str, value: &str| match value.parse() {
        Ok(epoch) if name == "last-granted" => format!("{name}='{}'", ctime(epoch)),
        Ok(_) | Err(_) => format!("{name}={value}"),
    };
    let mut line = format!("{id}\t{granted}{standby}");
    if details {
        let attributes = state.into_iter().flat_map(Element::attrs).filter(|(n, _)| *n != "id");
        let attributes: Vec<String> = attributes.map(|(n, v)| shown(n, v)).collect();
        if !attributes.is_empty() {
            line.push_str(&format!(" ({})", attributes.join(", ")));
        }
    } else if let Some(time) = value("last-granted") {
        line.push_str(&format!(" {}", shown("last-granted", time)));
    }
    line
}

fn state_xml(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let found = match run.options.last("ticket") {
        Some(id) => ticket_state(&cib, id),
        None => cib.at(&["status", "tickets"]),
    };
    let found = found.ok_or_else(|| {
        let text = format!("{NAME}: Could not query ticket XML: No such device or address");
        Failure::new(Exit::NO_SUCH, text)
    })?;
    run.say(&format!("State XML:\n\n{}", found.to_pretty().trim_end()));
    Ok(Exit::OK)
}

fn constraints(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let found: Vec<&Element> = ticket_constraints(&cib, run.options.last("ticket")).collect();
    let shown = match found.as_slice() {
        [] => {
            let text =
                format!("{NAME}: Could not show ticket constraints: No such device or address");
            return Err(Failure::new(Exit::NO_SUCH, text));
        }
        [one] => (*one).clone(),
        many => many.iter().fold(Element::new("xpath-query"), |q, c| q.with_child((*c).clone())),
    };
    run.say(&format!("Constraints XML:\n\n{}", shown.to_pretty().trim_end()));
    Ok(Exit::OK)
}

fn ticket(run: &Run<'_>) -> Result<String, Failure> {
    let given = run.options.last("ticket").map(str::to_string);
    given.ok_or_else(|| usage(NAME, "Must supply ticket ID with -t"))
}

fn get(run: &mut Run<'_>) -> Done {
    let id = ticket(run)?;
    let cib = run.access.cib()?;
    let name = run.options.last("get-attr").unwrap_or_default();
    let value = ticket_state(&cib, &id).and_then(|t| t.attr(name));
    let value = value.or(run.options.last("default")).map(str::to_string);
    let value = value.ok_or_else(|| Failure::new(Exit::NO_SUCH, ""))?;
    run.say(&value);
    Ok(Exit::OK)
}

/// What a revocation can do; said instead of doing it.
fn warn_of_revocation(run: &mut Run<'_>, id: &str) {
    run.say(&format!(
        "Revoking '{id}' can trigger the specified 'loss-policy'(s) relating to '{id}'.\n\n\
         You can check that with:\n{NAME} --ticket {id} --constraints\n\n\
         Otherwise before revoking '{id}', you may want to make '{id}' standby with:\n\
         {NAME} --ticket {id} --standby\n\n\
         If you really want to revoke '{id}' from this site now, and you know what you are doing,\n\
         please specify --force."
    ));
}

fn warn_of_grant(run: &mut Run<'_>, id: &str) {
    run.say(&format!(
        "This command cannot help you verify whether '{id}' has been already granted elsewhere.\n\
         If you really want to grant '{id}' to this site now, and you know what you are doing,\n\
         please specify --force."
    ));
}

fn forget(run: &mut Run<'_>) -> Done {
    let id = ticket(run)?;
    let cib = run.access.cib()?;
    let state = ticket_state(&cib, &id)
        .ok_or_else(|| Failure::new(Exit::NO_SUCH, format!("{NAME}: No such ticket '{id}'")))?;
    if state.attr("granted") == Some("true") && !run.options.has("force") {
        warn_of_revocation(run, &id);
        return Ok(Exit(4));
    }
    let update = TicketUpdate { ticket: id.clone(), forget: true, ..TicketUpdate::default() };
    run.access.update_ticket(&update)?;
    run.say(&format!("Cleaned up {id}"));
    Ok(Exit::OK)
}

/// Attributes to set, in the order of the command line.
fn wanted(run: &Run<'_>) -> Result<BTreeMap<String, String>, Failure> {
    let mut set = BTreeMap::new();
    let mut name: Option<&str> = None;
    for (option, value) in &run.options.options {
        let pair = match (*option, value) {
            ("grant", _) => Some(("granted", "true")),
            ("revoke", _) => Some(("granted", "false")),
            ("standby", _) => Some(("standby", "true")),
            ("activate", _) => Some(("standby", "false")),
            ("set-attr", Some(value)) => {
                name = Some(value);
                None
            }
            ("attr-value", Some(value)) => name.take().map(|name| (name, value.as_str())),
            (_, _) => None,
        };
        if let Some((name, value)) = pair {
            set.insert(name.to_string(), value.to_string());
        }
    }
    match name {
        Some(name) => Err(usage(NAME, &format!("Must supply value with -v for -S {name}"))),
        None => Ok(set),
    }
}

fn change(run: &mut Run<'_>) -> Done {
    let set = wanted(run)?;
    let unset: Vec<String> = run.options.values("delete-attr").map(str::to_string).collect();
    if set.is_empty() && unset.is_empty() {
        return Err(usage(NAME, "Must supply a command"));
    }
    let id = ticket(run)?;
    let cib = run.access.cib()?;
    let granted = ticket_state(&cib, &id).is_some_and(|t| t.attr("granted") == Some("true"));
    let grants = set.get("granted").map(|v| v == "true");
    let revokes = granted && (grants == Some(false) || unset.iter().any(|n| n == "granted"));
    if !run.options.has("force") && (revokes || (grants == Some(true) && !granted)) {
        if revokes {
            warn_of_revocation(run, &id);
        } else {
            warn_of_grant(run, &id);
        }
        return Err(Failure::new(Exit(4), format!("{NAME}: Ticket modification not allowed")));
    }
    run.access.update_ticket(&TicketUpdate { ticket: id, set, unset, forget: false })?;
    Ok(Exit::OK)
}
