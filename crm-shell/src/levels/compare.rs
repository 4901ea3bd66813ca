//! Configuration files as the nodes have them: `cluster diff`, `corosync diff`, and
//! `corosync reload`. The daemons show each other what is asked for; there is no remote shell.

use crm_messaging::proto::{FileCopy, FileQuery, NodeReload, ReloadRequest};
use serde_json::{Value, json};

use crate::language::matches_glob;
use crate::levels::configure::hidden;
use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};

/// What is shown in the place of a secret.
const MASK: &str = "******";

/// `cluster diff <file> [--checksum] [<node> ...]`.
pub fn cluster_diff(session: &mut Session, call: &Call<'_>) -> Outcome {
    let (options, words) = options_and_words(call);
    let Some((file, nodes)) = words.split_first() else {
        return Err(Message::error("expected a file").at(call.place(0)).into());
    };
    compare(session, file, &options, nodes)
}

/// `corosync diff [--checksum] [<node> ...]`.
pub fn corosync_diff(session: &mut Session, call: &Call<'_>) -> Outcome {
    let (options, nodes) = options_and_words(call);
    compare(session, "", &options, &nodes)
}

fn options_and_words<'a>(call: &Call<'a>) -> (Vec<&'a str>, Vec<&'a str>) {
    call.arguments.iter().map(|w| w.text.as_str()).partition(|w| w.starts_with("--"))
}

/// Compares a file, by default cluster.conf, of some nodes, by default all, with that of this node,
/// if it is among them or only one other is named; else with that of the first.
fn compare(session: &mut Session, file: &str, options: &[&str], nodes: &[&str]) -> Outcome {
    if let Some(other) = options.iter().find(|o| **o != "--checksum") {
        return Err(Message::error(format!("unknown option '{other}'"))
            .help("the only one is --checksum")
            .into());
    }
    let checksum = !options.is_empty();
    let own = session.access.state(None)?.local_node;
    let mut wanted: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    if (wanted.len() == 1 || checksum) && !wanted.is_empty() && !wanted.contains(&own) {
        wanted.push(own.clone());
    }
    let query = FileQuery { path: file.into(), nodes: wanted, digest_only: checksum };
    let mut copies = session.access.read_file(&query)?;
    // The one that the others are compared with comes first.
    copies.sort_by_key(|c| c.node != own);
    let hidden = hidden(session);
    let (good, bad): (Vec<&FileCopy>, Vec<&FileCopy>) =
        copies.iter().partition(|c| c.trouble.is_empty());
    let differences = match (checksum, good.split_first()) {
        (false, Some((base, rest))) => differences(base, rest, &hidden),
        _ => Vec::new(),
    };
    let name = copies.iter().find(|c| !c.path.is_empty()).map_or(file, |c| &c.path).to_string();
    if session.printer.json {
        let copy = |c: &FileCopy| {
            let trouble = (!c.trouble.is_empty()).then_some(&c.trouble);
            let sha1 = (!c.sha1.is_empty()).then_some(&c.sha1);
            json!({ "node": c.node, "sha1": sha1, "trouble": trouble })
        };
        let difference = |(node, with, text): &(String, String, String)| json!({ "node": node, "with": with, "diff": text });
        session.printer.print_json(&json!({
            "file": name,
            "copies": copies.iter().map(copy).collect::<Vec<Value>>(),
            "differences": differences.iter().map(difference).collect::<Vec<Value>>(),
        }))?;
    } else if checksum {
        session.printer.print(&checksums(&name, &good));
    } else {
        differences.iter().for_each(|(_, _, text)| session.printer.print(text));
        let same = good.windows(2).all(|w| w[0].sha1 == w[1].sha1);
        if same && good.len() > 1 {
            let names: Vec<&str> = good.iter().map(|c| c.node.as_str()).collect();
            session.note(format!("{name} is the same on {}", names.join(", ")));
        }
    }
    for copy in &bad {
        session.warn(format!("{}: {}", copy.node, copy.trouble));
    }
    if bad.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

/// crmsh's form.
fn checksums(file: &str, copies: &[&FileCopy]) -> String {
    let mut out = format!("{:<16}  SHA1 checksum of {file}\n", "Host");
    for copy in copies {
        out.push_str(&format!("{:<16}: {}\n", copy.node, copy.sha1));
    }
    out
}

/// Node, the node it is compared with, and how its file becomes that one's.
fn differences(
    base: &FileCopy,
    rest: &[&FileCopy],
    hidden: &[String],
) -> Vec<(String, String, String)> {
    let text = |copy: &FileCopy| String::from_utf8_lossy(&copy.content).into_owned();
    let other = rest.iter().filter(|copy| copy.sha1 != base.sha1);
    other
        .map(|copy| {
            let mut diff = format!("--- {}\n+++ {}\n", copy.node, base.node);
            for line in crate::diff::unified(&text(copy), &text(base)).lines() {
                diff.push_str(&veiled(line, hidden));
                diff.push('\n');
            }
            (copy.node.clone(), base.node.clone(), diff)
        })
        .collect()
}

/// A line without what stands after the name of a secret.
fn veiled(line: &str, hidden: &[String]) -> String {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let mut start = None;
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        match start {
            None if is_name(c) => start = Some(at),
            Some(from) if !is_name(c) => {
                // A sign of the diff may stand before the first name.
                let word = line[from..at].trim_start_matches('-');
                let rest = line[at..].trim_matches(|c: char| c == ';' || c.is_whitespace());
                if !rest.is_empty() && hidden.iter().any(|p| matches_glob(p, word)) {
                    return format!("{} {MASK}", &line[..at]);
                }
                start = None;
            }
            _ => {}
        }
    }
    line.to_string()
}

/// `corosync reload`: every daemon reads cluster.conf again, provided that all have the same.
pub fn reload(session: &mut Session, _call: &Call<'_>) -> Outcome {
    let query = FileQuery { digest_only: true, ..FileQuery::default() };
    let copies = session.access.read_file(&query)?;
    let own = session.access.state(None)?.local_node;
    let mine = copies.iter().find(|c| c.node == own).cloned().unwrap_or_default();
    if !mine.trouble.is_empty() {
        return Err(format!("{own}: {}", mine.trouble).into());
    }
    let other: Vec<&str> = copies
        .iter()
        .filter(|c| c.trouble.is_empty() && c.sha1 != mine.sha1)
        .map(|c| c.node.as_str())
        .collect();
    if !other.is_empty() {
        let text = format!("cluster.conf of {} is another one than here", other.join(", "));
        return Err(Message::error(text)
            .help("'corosync diff' shows where; copy it to all nodes first")
            .into());
    }
    let nodes = session.access.reload(&ReloadRequest { sha1: mine.sha1 })?;
    if session.printer.json {
        let node = |n: &NodeReload| {
            let trouble = (!n.trouble.is_empty()).then_some(&n.trouble);
            json!({ "node": n.node, "taken": n.taken, "later": n.later, "trouble": trouble })
        };
        session.printer.print_json(&nodes.iter().map(node).collect::<Vec<Value>>())?;
    } else {
        for node in &nodes {
            let nothing = node.taken.is_empty() && node.later.is_empty();
            if nothing && node.trouble.is_empty() {
                session.printer.print(&format!("{}: nothing has changed\n", node.node));
            }
            for taken in &node.taken {
                session.printer.print(&format!("{}: {taken}\n", node.node));
            }
        }
    }
    let mut whole = true;
    for node in &nodes {
        let troubles = Some(&node.trouble).filter(|t| !t.is_empty());
        for what in node.later.iter().chain(troubles) {
            session.warn(format!("{}: {what}", node.node));
            whole = false;
        }
    }
    if whole { Ok(()) } else { Err(Failure::Said) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(node: &str, content: &str, sha1: &str) -> FileCopy {
        FileCopy {
            node: node.into(),
            content: content.as_bytes().to_vec().into(),
            sha1: sha1.into(),
            ..FileCopy::default()
        }
    }

    #[test]
    fn only_what_differs_is_shown_and_no_secret() {
        let base = copy("n1", "a\nb\npasswd = new\nc\n", "1");
        let (same, other) = (copy("n2", "", "1"), copy("n3", "a\npasswd = old\nc\nd\n", "3"));
        let all = differences(&base, &[&same, &other], &["passw*".into()]);
        assert_eq!(all.len(), 1);
        let wanted = "--- n3\n+++ n1\n@@ -2 +2,2 @@\n-passwd ******\n+b\n+passwd ******\n\
                      @@ -4 +4,0 @@\n-d\n";
        assert_eq!(all[0].2, wanted);
    }

    #[test]
    fn checksums_have_the_form_of_crmsh() {
        let text = checksums("/etc/hosts", &[&copy("n1", "", "ab"), &copy("n2", "", "cd")]);
        let wanted = "Host              SHA1 checksum of /etc/hosts\n\
                      n1              : ab\nn2              : cd\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_secret_is_what_follows_its_name() {
        let hidden = ["passw*".to_string()];
        let veil = |line: &str| veiled(line, &hidden);
        assert_eq!(veil("-password: x y"), "-password ******");
        assert_eq!(veil("+  user=a passwd=b"), "+  user=a passwd ******");
        assert_eq!(veil("+passwd {"), "+passwd ******");
        assert_eq!(veil("+no secret in it"), "+no secret in it");
        assert_eq!(veil("+passwd"), "+passwd");
    }
}
