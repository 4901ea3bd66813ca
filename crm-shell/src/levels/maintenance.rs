//! Maintenance mode.

use crate::editor::open;
use crate::levels::resource::change;
use crate::message::Message;
use crate::session::{Call, Outcome, Session};
use crate::table::{Action, Argument, Command};

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new(
        "on",
        "on [<rsc>]",
        "leave everything, or one resource, alone",
        (0, Some(1)),
        &[Argument::Resource],
        Action::Run(on),
    ),
    Command::new(
        "off",
        "off [<rsc>]",
        "end the maintenance",
        (0, Some(1)),
        &[Argument::Resource],
        Action::Run(off),
    ),
    Command::new(
        "action",
        "action <rsc> <operation>",
        "run an operation of a resource by hand",
        (2, Some(3)),
        &[Argument::Resource],
        Action::Absent(
            "the daemon runs every agent itself; use 'resource refresh' to look, 'ra validate' to check parameters",
        ),
    ),
];

fn set(session: &mut Session, call: &Call<'_>, value: &str) -> Outcome {
    change(session, |session| {
        let editor = open(session)?;
        match call.get(0) {
            Some(id) => {
                if editor.now.find_resource(id).is_none() {
                    return Err(Message::error(format!("resource {id} does not exist"))
                        .at(call.place(0))
                        .into());
                }
                editor.now.set_value(id, "meta_attributes", "maintenance", value)?;
            }
            None => {
                let set = crate::language::Statement::new(
                    crate::language::Kind::Property,
                    crm_core::cib::Element::new("cluster_property_set").with_child(
                        crm_core::cib::Element::new("nvpair")
                            .with("name", "maintenance-mode")
                            .with("value", value),
                    ),
                );
                editor.now.add(set)?;
            }
        }
        Ok(())
    })
}

fn on(session: &mut Session, call: &Call<'_>) -> Outcome {
    set(session, call, "true")
}

fn off(session: &mut Session, call: &Call<'_>) -> Outcome {
    set(session, call, "false")
}
