//! Tickets.

use crm_core::cib::Element;
use crm_messaging::proto::TicketUpdate;

use crate::editor::{self, open};
use crate::message::Message;
use crate::session::{Call, Outcome, Session};
use crate::table::{Action, Argument, Command};

/// Its commands.
pub const COMMANDS: &[Command] = &[Command::new(
    "ticket",
    "ticket {show|time|grant|revoke|standby|activate|delete} [<ticket>]",
    "look at the tickets of this site and change them",
    (1, Some(2)),
    &[Argument::OneOf(&["show", "time", "grant", "revoke", "standby", "activate", "delete"])],
    Action::Run(ticket),
)];

fn ticket(session: &mut Session, call: &Call<'_>) -> Outcome {
    editor::settle(session)?;
    session.editor = None;
    let (action, name) = (call.arguments[0].text.clone(), call.get(1).map(str::to_string));
    let editor = open(session)?;
    let tickets = editor.base.at(&["status", "tickets"]);
    let all: Vec<Element> = tickets.into_iter().flat_map(Element::children).cloned().collect();
    session.editor = None;
    match action.as_str() {
        "show" | "time" => {
            let mut out = String::new();
            for t in &all {
                let id = t.id().unwrap_or_default();
                if name.as_deref().is_some_and(|n| n != id) {
                    continue;
                }
                let granted = if t.attr("granted") == Some("true") { "granted" } else { "revoked" };
                let last = t
                    .attr("last-granted")
                    .map(|l| format!(" last-granted={l}"))
                    .unwrap_or_default();
                let standby = if t.attr("standby") == Some("true") { " [standby]" } else { "" };
                out.push_str(&format!("{id}\t{granted}{standby}{last}\n"));
            }
            if let (true, Some(name)) = (out.is_empty(), name) {
                return Err(Message::error(format!("ticket {name} does not exist"))
                    .at(call.place(1))
                    .into());
            }
            session.printer.print(&out);
            Ok(())
        }
        "grant" | "revoke" | "standby" | "activate" | "delete" => {
            let Some(name) = name else {
                return Err(Message::error(format!("site: {action}: which ticket?"))
                    .at(call.place(0))
                    .into());
            };
            change(session, &action, name, &all)
        }
        other => Err(Message::error(format!("site: Unknown command 'ticket {other}'"))
            .at(call.place(0))
            .into()),
    }
}

/// What can be dangerous is asked for: no site knows what another one has been granted, and a
/// ticket that is taken away does to resources what its constraints say.
fn change(session: &mut Session, action: &str, name: String, all: &[Element]) -> Outcome {
    let granted = all.iter().any(|t| t.id() == Some(&name) && t.attr("granted") == Some("true"));
    let danger = match action {
        "grant" if !granted => {
            Some(format!("{name} may be granted elsewhere. Grant it to this site"))
        }
        "revoke" | "delete" if granted => {
            Some(format!("Resources that need {name} follow its loss-policy. Take it away"))
        }
        _ => None,
    };
    if danger.is_some_and(|question| !session.ask(&question)) {
        return Err(Message::error(format!("site: {action}: not done without a confirmation"))
            .help("say so with -F or -y")
            .into());
    }
    let set = |attribute: &str, value: &str| TicketUpdate {
        ticket: name.clone(),
        set: [(attribute.to_string(), value.to_string())].into(),
        ..TicketUpdate::default()
    };
    let update = match action {
        "grant" => set("granted", "true"),
        "revoke" => set("granted", "false"),
        "standby" => set("standby", "true"),
        "activate" => set("standby", "false"),
        _ => TicketUpdate {
            ticket: name.clone(),
            unset: vec!["granted".into()],
            ..TicketUpdate::default()
        },
    };
    Ok(session.access.update_ticket(&update)?)
}
