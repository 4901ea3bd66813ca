//! `MailTo`: writes a mail when the group it is in comes or goes.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::declare::{Action, Agent, Code, Context, Failure, Outcome, Parameter};
use crate::state::{self, StateFile};

const SENDMAIL: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "MailTo",
    stands_in_for: &["heartbeat"],
    short: "Tells people by mail about takeovers",
    long: "Sends a mail when it is started and when it is stopped. Put it into a group.",
    parameters: &[
        Parameter {
            name: "email",
            required: true,
            short: "Addresses",
            long: "One or more, separated by spaces or commas.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "subject",
            default: Some("Resource Group"),
            short: "Subject",
            long: "The beginning of the subject line.",
            ..Parameter::OPTIONAL
        },
    ],
    actions: &[Action::once("start", 10), Action::once("stop", 10), Action::monitor(10, 10)],
    run,
};

fn run(context: &Context, action: &str) -> Outcome {
    let recipients = recipients(context.text("email").unwrap_or_default())?;
    let file = StateFile::new(context, AGENT.name);
    let running = file.read()?.is_some();
    match (action, running) {
        ("start", false) => send(context, &recipients, "Takeover in progress"),
        ("stop", true) => send(context, &recipients, "Migrating resource away"),
        ("validate-all", _) => {
            sendmail()?;
        }
        _ => {}
    }
    state::simple(&file, action)
}

fn recipients(text: &str) -> Result<Vec<String>, Failure> {
    let words = text.split([' ', ',', ';', '\t']).filter(|word| !word.is_empty());
    let list: Vec<String> = words.map(str::to_owned).collect();
    // An address that looks like an option or a header must not become one.
    match list.iter().find(|word| word.starts_with('-') || word.contains(['\n', '\r', '<'])) {
        Some(odd) => {
            let reason = format!("\"email\" holds \"{odd}\", which is no mail address");
            Err(Failure::new(Code::NotConfigured, reason))
        }
        None => Ok(list),
    }
}

fn sendmail() -> Result<&'static str, Failure> {
    let found = SENDMAIL.into_iter().find(|path| std::path::Path::new(path).exists());
    found.ok_or_else(|| Failure::new(Code::NotInstalled, "no sendmail program is installed"))
}

/// A mail that cannot be sent must not keep a service down: it is only said.
fn send(context: &Context, recipients: &[String], what: &str) {
    let sent = sendmail().and_then(|program| {
        let failed = |error: std::io::Error| Failure::new(Code::Error, error);
        let mut child = Command::new(program)
            .arg("-i")
            .args(recipients)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(message(context, recipients, what).as_bytes()).map_err(failed)?;
        }
        child.wait().map_err(failed)
    });
    if let Err(failure) = sent {
        let _ = writeln!(std::io::stderr(), "WARNING: no mail was sent: {}", failure.reason);
    }
}

fn message(context: &Context, recipients: &[String], what: &str) -> String {
    let subject = context.text("subject").unwrap_or_default().replace(['\n', '\r'], " ");
    let node = context.meta("on_node").unwrap_or("this node");
    let to = recipients.join(", ");
    format!(
        "To: {to}\nSubject: {subject} {what} on {node}\n\n{what} on {node} ({}).\n",
        context.instance()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_addresses_and_nothing_else() {
        assert_eq!(recipients("a@x, b@y;c").unwrap(), ["a@x", "b@y", "c"]);
        assert_eq!(recipients("a@x -bs").unwrap_err().code, Code::NotConfigured);
    }
}
