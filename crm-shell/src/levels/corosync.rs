//! `cluster.conf`, in the syntax of corosync.conf.

use std::path::PathBuf;
use std::process::Command as Process;

use crm_messaging::proto::Member;
use serde_json::{Value, json};

use crate::levels::compare;
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};
use crate::table::{Action, Argument, Command};

/// Its commands.
pub const COMMANDS: &[Command] = &[
    Command::new("show", "show", "print cluster.conf", (0, Some(0)), &[], Action::Run(show)),
    Command::new(
        "get",
        "get <path>",
        "print a value, such as totem.token or nodelist.node.name",
        (1, Some(1)),
        &[Argument::Any],
        Action::Run(get),
    ),
    Command::new(
        "set",
        "set <path> <value>",
        "change a value",
        (2, Some(2)),
        &[Argument::Any],
        Action::Run(set),
    ),
    Command::new(
        "edit",
        "edit",
        "edit cluster.conf in $EDITOR",
        (0, Some(0)),
        &[],
        Action::Run(edit),
    ),
    Command::new(
        "status",
        "status",
        "members and quorum of the ring",
        (0, Some(1)),
        &[],
        Action::Run(status),
    ),
    Command::new(
        "add-node",
        "add-node <address> [<name>]",
        "add a node to cluster.conf",
        (1, Some(2)),
        &[],
        Action::Run(add_node),
    )
    .aliases(&["add_node"]),
    Command::new(
        "del-node",
        "del-node <name>",
        "remove a node from cluster.conf",
        (1, Some(1)),
        &[Argument::Node],
        Action::Run(del_node),
    )
    .aliases(&["del_node"]),
    Command::new(
        "reload",
        "reload",
        "let the daemons of all nodes read cluster.conf again: the log and the ring's times change at once",
        (0, Some(0)),
        &[],
        Action::Run(compare::reload),
    ),
    Command::new(
        "diff",
        "diff [--checksum] [<node> ...]",
        "compare cluster.conf of other nodes with that of this one",
        (0, None),
        &[Argument::Node],
        Action::Run(compare::corosync_diff),
    ),
    Command::new(
        "pull",
        "pull <node>",
        "fetch cluster.conf from a node",
        (0, None),
        &[],
        Action::Absent("the cluster gives no remote shell; use scp"),
    ),
    Command::new(
        "push",
        "push <node> ...",
        "copy cluster.conf to nodes",
        (0, None),
        &[],
        Action::Absent("the cluster gives no remote shell; use scp"),
    ),
    Command::new(
        "log",
        "log",
        "print the log",
        (0, Some(0)),
        &[],
        Action::Absent("the daemon writes to the journal: journalctl -u crm"),
    ),
];

fn file() -> PathBuf {
    std::env::var_os("CRM_CONFIG").map_or_else(|| "/etc/crm/cluster.conf".into(), PathBuf::from)
}

/// The text of cluster.conf.
///
/// # Errors
/// It cannot be read.
pub fn read_config() -> Result<String, Failure> {
    let path = file();
    std::fs::read_to_string(&path)
        .map_err(|e| format!("could not open {}: {e}", path.display()).into())
}

/// A line of the file and the section it stands in.
struct Entry {
    line: usize,
    path: String,
    value: String,
    /// Which `node { }` block, counted.
    block: usize,
}

fn entries(text: &str) -> Vec<Entry> {
    let mut sections: Vec<String> = Vec::new();
    let mut out = Vec::new();
    let mut block = 0;
    for (line, content) in text.lines().enumerate() {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if let Some(name) = content.strip_suffix('{') {
            sections.push(name.trim().to_string());
            block += 1;
        } else if content == "}" {
            sections.pop();
        } else if let Some((key, value)) = content.split_once(':') {
            let mut path = sections.clone();
            path.push(key.trim().to_string());
            out.push(Entry { line, path: path.join("."), value: value.trim().to_string(), block });
        }
    }
    out
}

/// The first address of a node by its name.
pub fn address_of(text: &str, name: &str) -> Option<String> {
    let all = entries(text);
    let named = all.iter().find(|e| e.path == "nodelist.node.name" && e.value == name)?;
    let address =
        all.iter().find(|e| e.block == named.block && e.path == "nodelist.node.ring0_addr")?;
    Some(address.value.clone())
}

/// The names of all nodes in the file.
pub fn node_names(text: &str) -> Vec<String> {
    let all = entries(text).into_iter().filter(|e| e.path == "nodelist.node.name");
    all.map(|e| e.value).collect()
}

fn show(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let text = read_config()?;
    if session.printer.json {
        let value = |e: Entry| json!({ "path": e.path, "value": e.value, "block": e.block });
        let all: Vec<Value> = entries(&text).into_iter().map(value).collect();
        return session.printer.print_json(&all);
    }
    session.printer.print(&text);
    Ok(())
}

fn get(session: &mut Session, call: &Call<'_>) -> Outcome {
    let path = &call.arguments[0].text;
    let all = entries(&read_config()?);
    let values: Vec<String> =
        all.into_iter().filter(|e| e.path == *path).map(|e| e.value).collect();
    if values.is_empty() {
        return Err(Message::error(format!("{path} not found in cluster.conf"))
            .at(call.place(0))
            .into());
    }
    if session.printer.json {
        return session.printer.print_json(&values);
    }
    session.printer.print(&values.join("\n"));
    Ok(())
}

fn write(text: &str) -> Outcome {
    let path = file();
    std::fs::write(&path, text)
        .map_err(|e| format!("could not open {}: {e}", path.display()).into())
}

fn set(session: &mut Session, call: &Call<'_>) -> Outcome {
    let (path, value) = (&call.arguments[0].text, &call.arguments[1].text);
    let text = read_config()?;
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let hits: Vec<Entry> = entries(&text).into_iter().filter(|e| e.path == *path).collect();
    match hits.as_slice() {
        [one] => {
            let key = path.rsplit('.').next().unwrap_or(path);
            let old = &lines[one.line];
            let indent: String = old.chars().take_while(|c| c.is_whitespace()).collect();
            lines[one.line] = format!("{indent}{key}: {value}");
        }
        [] => {
            let (section, key) = path.rsplit_once('.').ok_or_else(|| {
                Failure::from(format!("expected <section>.<key>, found '{path}'"))
            })?;
            let opening = format!("{section} {{");
            match lines
                .iter()
                .position(|l| l.trim().replace("{", " {").replace("  ", " ") == opening)
            {
                Some(at) => lines.insert(at + 1, format!("    {key}: {value}")),
                None => lines.push(format!("{section} {{\n    {key}: {value}\n}}")),
            }
        }
        _ => return Err(format!("{path} is there more than once; use 'corosync edit'").into()),
    }
    write(&(lines.join("\n") + "\n"))?;
    session.note(
        "copy cluster.conf to all nodes; 'corosync reload' then says what changes at once and what \
         needs a restart",
    );
    Ok(())
}

fn edit(session: &mut Session, call: &Call<'_>) -> Outcome {
    if !session.interactive {
        return Err(Message::error("edit: there is no terminal to edit on")
            .at(call.place(0))
            .into());
    }
    let editor = std::env::var("EDITOR").unwrap_or_else(|_| "vi".into());
    let status = Process::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$1\""), "edit"])
        .arg(file())
        .status();
    match status {
        Ok(s) if s.success() => Ok(()),
        Ok(s) => Err(format!("'{editor}' failed ({s})").into()),
        Err(e) => Err(format!("'{editor}': {e}").into()),
    }
}

fn status(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let state = session.access.state(None)?;
    if session.printer.json {
        let member = |m: &Member| json!({ "name": m.name, "id": m.id, "online": m.online });
        let members: Vec<Value> = state.members.iter().map(member).collect();
        let value = json!({ "ring": state.ring_seq, "quorate": state.quorate, "members": members });
        return session.printer.print_json(&value);
    }
    let mut out =
        format!("ring {}, quorum: {}\n", state.ring_seq, if state.quorate { "yes" } else { "no" });
    for member in &state.members {
        out.push_str(&format!("  {}\n", member.name));
    }
    session.printer.print(&out);
    Ok(())
}

fn add_node(session: &mut Session, call: &Call<'_>) -> Outcome {
    let address = &call.arguments[0].text;
    let text = read_config()?;
    let all = entries(&text);
    let taken =
        |what: &str| all.iter().any(|e| e.path.starts_with("nodelist.node.") && e.value == what);
    let name = call.get(1).map_or(address.clone(), str::to_string);
    if taken(address) || taken(&name) {
        return Err(Message::error(format!("{address} is already in cluster.conf"))
            .at(call.place(0))
            .into());
    }
    let ids = all.iter().filter(|e| e.path == "nodelist.node.nodeid");
    let next = ids.filter_map(|e| e.value.parse::<u32>().ok()).max().unwrap_or(0) + 1;
    let entry = format!(
        "    node {{\n        ring0_addr: {address}\n        name: {name}\n        nodeid: {next}\n    }}\n"
    );
    let Some(start) = text.find("nodelist") else {
        return write(&format!("{text}nodelist {{\n{entry}}}\n"));
    };
    let open = text[start..].find('{').map_or(text.len(), |o| start + o + 1);
    let mut depth = 1;
    let close = text[open..].char_indices().find(|(_, c)| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth == 0
    });
    let at = close.map_or(text.len(), |(i, _)| open + i);
    write(&format!("{}{entry}{}", &text[..at], &text[at..]))?;
    session.note("copy cluster.conf to all nodes and restart the cluster on each");
    Ok(())
}

fn del_node(session: &mut Session, call: &Call<'_>) -> Outcome {
    let name = &call.arguments[0].text;
    let text = read_config()?;
    let all = entries(&text);
    let hit = all.iter().find(|e| e.path.starts_with("nodelist.node.") && e.value == *name);
    let Some(hit) = hit else {
        return Err(Message::error(format!("node {name} not found in cluster.conf"))
            .at(call.place(0))
            .into());
    };
    let lines: Vec<&str> = text.lines().collect();
    let start = (0..=hit.line).rev().find(|i| lines[*i].trim().ends_with('{')).unwrap_or(hit.line);
    let end = (hit.line..lines.len()).find(|i| lines[*i].trim() == "}").unwrap_or(hit.line);
    let kept: Vec<&str> =
        lines.iter().enumerate().filter(|(i, _)| *i < start || *i > end).map(|(_, l)| *l).collect();
    write(&(kept.join("\n") + "\n"))?;
    session.note("copy cluster.conf to all nodes and restart the cluster on each");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "totem {\n  token: 1000\n}\nnodelist {\n  node {\n    ring0_addr: 10.0.0.1\n    name: n1\n  }\n  node {\n    ring0_addr: 10.0.0.2\n    name: n2\n  }\n}\n";

    #[test]
    fn values_are_found_by_path() {
        let all = entries(TEXT);
        assert!(all.iter().any(|e| e.path == "totem.token" && e.value == "1000"));
        assert_eq!(address_of(TEXT, "n2").as_deref(), Some("10.0.0.2"));
    }
}
