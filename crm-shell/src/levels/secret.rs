//! `resource secret`: parameters whose value is kept out of the configuration.
//!
//! The values lie in files of the nodes; the configuration, and with it every backup, log and
//! picture of the status, has only the reference. The daemon keeps the files of all nodes alike;
//! with `CIB_file`, which has no daemon, the file of this node is all there is.

use std::path::PathBuf;

use crm_lrm::secrets::{self, REFERENCE};
use crm_messaging::proto::SecretUpdate;

use crate::editor::open;
use crate::levels::resource::{change, not_found};
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};

/// What can be done with a secret.
pub const ACTIONS: &[&str] = &["set", "stash", "unstash", "delete", "show", "check", "sync"];

const SET: &str = "instance_attributes";

/// Where this node keeps its secrets: `secrets` in `CRM_STATE_DIR`.
pub fn directory() -> PathBuf {
    let state = std::env::var_os("CRM_STATE_DIR").filter(|d| !d.is_empty());
    state.map_or_else(|| PathBuf::from("/var/lib/crm"), PathBuf::from).join("secrets")
}

/// `secret <rsc> <action> <param> [<value>]`.
pub fn secret(session: &mut Session, call: &Call<'_>) -> Outcome {
    let words = call.texts();
    let (id, action, name) = (words[0].as_str(), words[1].as_str(), words[2].as_str());
    let given = configured(session, call, id, name)?;
    match (action, words.get(3)) {
        ("set", Some(value)) => {
            keep(session, id, name, Some(value))?;
            refer(session, id, name, REFERENCE)
        }
        ("stash", None) => {
            let value = given.ok_or_else(|| missing(call, id, name))?;
            if value == REFERENCE {
                return Err(format!("{id}: {name} is a secret already").into());
            }
            keep(session, id, name, Some(&value))?;
            refer(session, id, name, REFERENCE)
        }
        ("unstash", None) => {
            let value = value(id, name)?;
            refer(session, id, name, &value)?;
            keep(session, id, name, None)
        }
        ("delete", None) => {
            if given.as_deref() == Some(REFERENCE) {
                change(session, |session| {
                    open(session)?.now.delete_value(id, SET, name)?;
                    Ok(())
                })?;
            }
            let known = value(id, name).is_ok();
            keep(session, id, name, None)?;
            if known || given.as_deref() == Some(REFERENCE) {
                return Ok(());
            }
            Err(missing(call, id, name))
        }
        ("sync", None) => {
            let value = value(id, name)?;
            keep(session, id, name, Some(&value))?;
            session.note(format!("{id}: every node has this node's {name} now"));
            Ok(())
        }
        ("show", None) => {
            let value = value(id, name)?;
            session.printer.print(&value);
            Ok(())
        }
        ("check", None) => {
            value(id, name)?;
            if given.as_deref() != Some(REFERENCE) {
                return Err(format!(
                    "{id}: this node has the secret {name}, but the configuration does not refer \
                     to it; say: resource param {id} set {name} {REFERENCE}"
                )
                .into());
            }
            session.note(format!("{id}: this node has the secret {name}"));
            Ok(())
        }
        _ => Err(call.usage()),
    }
}

/// What the configuration says; an error if there is no such resource.
fn configured(
    session: &mut Session,
    call: &Call<'_>,
    id: &str,
    name: &str,
) -> Result<Option<String>, Failure> {
    let editor = open(session)?;
    if editor.now.find_resource(id).is_none() {
        return Err(not_found(id, call, 0));
    }
    Ok(editor.now.value(id, SET, name).map(str::to_string))
}

fn refer(session: &mut Session, id: &str, name: &str, value: &str) -> Outcome {
    change(session, |session| Ok(open(session)?.now.set_value(id, SET, name, value)?))
}

fn value(id: &str, name: &str) -> Result<String, Failure> {
    secrets::read(&directory(), id, name).map_err(|error| Failure::from(error.to_string()))
}

fn missing(call: &Call<'_>, id: &str, name: &str) -> Failure {
    Message::error(format!("{id}: {name} not found")).at(call.place(2)).into()
}

/// Sets or deletes a secret: on every node, nodes that are down when they join.
fn keep(session: &mut Session, id: &str, name: &str, value: Option<&str>) -> Outcome {
    if session.access.is_live() {
        return Ok(session.access.update_secret(&SecretUpdate {
            resource: id.to_string(),
            parameter: name.to_string(),
            value: value.map(str::to_string),
        })?);
    }
    let kept = match value {
        Some(value) => secrets::store(&directory(), id, name, value),
        None => secrets::remove(&directory(), id, name).map(drop),
    };
    kept.map_err(|error| Failure::from(format!("{id}: {name}: {error}")))
}
