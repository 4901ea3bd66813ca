//! `crm report`.

use std::path::{Path, PathBuf};

use crate::history::{self, report};
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};

/// `report [<name>]`
pub fn report(session: &mut Session, call: &Call<'_>) -> Outcome {
    if session.shadow.is_some() {
        return Err(
            "a shadow CIB is in use; a report is about the cluster ('cib use' first)".into()
        );
    }
    crate::editor::settle(session)?;
    let now = jiff::Zoned::now();
    let mut wanted = Vec::new();
    let mut name = None;
    let mut words = call.arguments.iter().enumerate();
    while let Some((at, word)) = words.next() {
        let wrong = |text: String| Failure::from(Message::error(text).at(call.place(at)));
        match word.text.as_str() {
            "-d" => wanted.push(Choice::Directory),
            // A report is always of one node, and says little.
            "-S" | "-Q" | "-v" => {}
            option @ ("-f" | "-t") => {
                let Some((_, time)) = words.next() else {
                    return Err(wrong(format!("report: {option} wants a time")));
                };
                let time = history::instant(&time.text, &now).map_err(wrong)?;
                wanted.push(if option == "-f" { Choice::From(time) } else { Choice::To(time) });
            }
            "-n" | "-u" | "-X" => {
                return Err(wrong(
                    "report: the cluster gives no remote shell; run 'crm report' on each node and \
                     put the directories side by side"
                        .into(),
                ));
            }
            option if option.starts_with('-') => {
                return Err(wrong(format!("report: no such option: {option}")));
            }
            _ if name.is_some() => return Err(call.usage()),
            other => name = Some(other.to_string()),
        }
    }
    let stamp = now.strftime("%Y%m%d-%H%M%S");
    write(session, &name.unwrap_or_else(|| format!("crm-report-{stamp}")), &wanted)
}

/// A choice of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A directory, not an archive.
    Directory,
    /// Events since, in milliseconds of the epoch.
    From(u64),
    /// Events until.
    To(u64),
}

/// Writes a report of this name and prints where it is.
///
/// # Errors
/// Something of this name is there already, or it cannot be written.
pub fn write(session: &mut Session, name: &str, choices: &[Choice]) -> Outcome {
    let config = std::env::var_os("CRM_CONFIG").filter(|c| !c.is_empty());
    let mut wanted = report::Wanted {
        hidden: crate::levels::configure::hidden(session),
        config: config.map_or_else(|| "/etc/crm/cluster.conf".into(), PathBuf::from),
        ..report::Wanted::default()
    };
    for choice in choices {
        match choice {
            Choice::From(time) => wanted.from_ms = *time,
            Choice::To(time) => wanted.to_ms = *time,
            Choice::Directory => {}
        }
    }
    let packed = [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"];
    let suffix = packed.iter().find(|s| name.ends_with(*s));
    let base = suffix.and_then(|s| name.strip_suffix(s)).unwrap_or(name);
    let place = Path::new(base);
    let remarks = if choices.contains(&Choice::Directory) {
        vacant(place)?;
        let remarks = report::collect(session, place, &wanted)?;
        session.printer.print(base);
        remarks
    } else {
        let archive = PathBuf::from(format!("{base}{}", suffix.unwrap_or(&".tar.gz")));
        vacant(&archive)?;
        let failed = |e: std::io::Error| Failure::from(format!("temporary files: {e}"));
        let temporary = tempfile::tempdir().map_err(failed)?;
        let last = place.file_name().ok_or_else(|| Failure::from("a report needs a name"))?;
        let directory = temporary.path().join(last);
        let remarks = report::collect(session, &directory, &wanted)?;
        report::pack(&directory, &archive)?;
        session.printer.print(&archive.display().to_string());
        remarks
    };
    for remark in remarks {
        session.warn(format!("the report lacks something: {remark}"));
    }
    Ok(())
}

fn vacant(path: &Path) -> Outcome {
    if path.exists() {
        return Err(format!("{} is there already; choose another name", path.display()).into());
    }
    Ok(())
}
