//! Tickets.

use crm_core::cib::Element;

use crate::editor::{self, open};
use crate::message::Message;
use crate::session::{Call, Outcome, Session};
use crate::table::{Action, Argument, Command};

/// Its commands.
pub const COMMANDS: &[Command] = &[Command::new(
    "ticket",
    "ticket {show|time|grant|revoke|standby|activate|delete} [<ticket>]",
    "look at tickets; granting needs the daemon",
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
            Err(Message::error(format!("site: {action}: the daemon does not change tickets yet"))
                .at(call.place(0))
                .into())
        }
        other => Err(Message::error(format!("site: Unknown command 'ticket {other}'"))
            .at(call.place(0))
            .into()),
    }
}
