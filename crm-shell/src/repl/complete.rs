//! What could stand at a place of a line: from the table of commands and from the grammar.

use crate::language::vocabulary::{
    ACL_OBJECTS, ACL_RIGHTS, ACL_SHORTCUTS, ACTIONS, CLONE_META, COMPARISONS, OP_ATTRIBUTES,
    OPERATIONS, ORDER_KINDS, RESOURCE_META, ROLES,
};
use crate::language::{Expect, Kind, NoWorld, Notes, Word, parse, words};
use crate::levels::ra::CLASSES;
use crate::properties;
use crate::table::{Action, Argument, Found, Level, available, find};

use super::facts::Facts;

/// Something that could stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What is put in.
    pub text: String,
    /// What is shown beside it.
    pub note: String,
}

fn plain(text: impl Into<String>) -> Candidate {
    Candidate { text: text.into(), note: String::new() }
}

fn noted(text: impl Into<String>, note: impl Into<String>) -> Candidate {
    Candidate { text: text.into(), note: note.into() }
}

/// Candidates for the end of `line`, and the byte where the word begins that they replace.
pub fn candidates(level: Level, line: &str, facts: &Facts) -> (usize, Vec<Candidate>) {
    let Ok(mut all) = words(line, 0) else { return (line.len(), Vec::new()) };
    let open = !line.is_empty() && !line.ends_with([' ', '\t', '\n']);
    let current = if open { all.pop() } else { None };
    let (start, prefix) = match &current {
        Some(w) => (w.span.start, w.text.clone()),
        None => (line.len(), String::new()),
    };
    let mut found = at_place(level, &all, &prefix, facts);
    found.retain(|c| c.text.starts_with(&prefix) && c.text != prefix);
    found.sort_by(|a, b| a.text.cmp(&b.text));
    found.dedup_by(|a, b| a.text == b.text);
    (start, found)
}

fn at_place(level: Level, before: &[Word], prefix: &str, facts: &Facts) -> Vec<Candidate> {
    let mut here = level;
    for (at, word) in before.iter().enumerate() {
        let (Found::Exact(command) | Found::Old(command) | Found::Guess(command)) =
            find(here, &word.text, true)
        else {
            return Vec::new();
        };
        match command.action {
            Action::Level(next) => here = next,
            _ => return argument(command, &before[at..], prefix, facts),
        }
    }
    available(here)
        .map(|c| {
            let text = c.name.to_string();
            noted(text, c.about)
        })
        .collect()
}

fn argument(
    command: &'static crate::table::Command,
    line: &[Word],
    prefix: &str,
    facts: &Facts,
) -> Vec<Candidate> {
    let index = line.len() - 1;
    let Some(kind) = command.complete.get(index).or(command.complete.last()) else {
        return Vec::new();
    };
    let ids = |f: &dyn Fn(Kind) -> bool| {
        facts.objects.iter().filter(|(k, _)| f(*k)).map(|(_, i)| plain(i)).collect::<Vec<_>>()
    };
    match kind {
        Argument::Statement(_) => {
            let mut words = line.to_vec();
            words[0].text = command.name.to_string();
            statement(&words, prefix, facts)
        }
        Argument::Object => {
            ids(&|_| true).into_iter().chain(facts.nodes.iter().map(plain)).collect()
        }
        Argument::Resource => {
            let own = facts.resources().map(plain);
            own.chain(facts.nodes.iter().filter(|_| index > 0).map(plain)).collect()
        }
        Argument::Node => facts.nodes.iter().map(plain).collect(),
        Argument::OneOf(words) => words.iter().map(|w| plain(*w)).collect(),
        Argument::File => files(prefix),
        Argument::Agent => agents(prefix, facts),
        Argument::Class => CLASSES.iter().map(|c| plain(*c)).collect(),
        Argument::Property => property_names(""),
        Argument::Topic => {
            let levels = Level::ALL
                .iter()
                .filter(|l| **l != Level::Root)
                .map(|l| noted(l.name(), l.about()));
            levels.chain([noted("topics", "everything there is help for")]).collect()
        }
        Argument::Shadow => facts.shadows.iter().map(plain).collect(),
        Argument::Wizard => {
            let (all, _) = crate::wizard::all(None);
            all.into_values().map(|w| noted(w.name, w.about)).collect()
        }
        Argument::Any => Vec::new(),
    }
}

fn files(prefix: &str) -> Vec<Candidate> {
    let (dir, _) = prefix.rsplit_once('/').map_or(("", prefix), |(d, f)| (d, f));
    let shown = if dir.is_empty() && !prefix.starts_with('/') {
        ".".to_string()
    } else {
        format!("{dir}/")
    };
    let lead = if prefix.contains('/') { format!("{dir}/") } else { String::new() };
    let entries = std::fs::read_dir(shown).into_iter().flatten().flatten().take(2000);
    entries
        .filter_map(|e| {
            let slash = if e.path().is_dir() { "/" } else { "" };
            Some(plain(format!("{lead}{}{slash}", e.file_name().into_string().ok()?)))
        })
        .collect()
}

fn agents(prefix: &str, facts: &Facts) -> Vec<Candidate> {
    let mut agents = facts.agents.borrow_mut();
    let parts: Vec<&str> = prefix.split(':').collect();
    match *parts {
        [_] => {
            let mut out: Vec<Candidate> = CLASSES.iter().map(|c| plain(format!("{c}:"))).collect();
            out.extend(agents.list("ocf", Some("heartbeat")).into_iter().map(plain));
            out
        }
        ["ocf", _] => {
            agents.all_providers().into_iter().map(|p| plain(format!("ocf:{p}:"))).collect()
        }
        ["ocf", provider, _] => agents
            .list("ocf", Some(provider))
            .into_iter()
            .map(|a| plain(format!("ocf:{provider}:{a}")))
            .collect(),
        [class, ..] => {
            agents.list(class, None).into_iter().map(|a| plain(format!("{class}:{a}"))).collect()
        }
        [] => Vec::new(),
    }
}

fn property_names(end: &str) -> Vec<Candidate> {
    properties::names()
        .filter_map(properties::find)
        .map(|p| noted(format!("{}{end}", p.name), format!("[{}] {}", p.default, p.about)))
        .collect()
}

/// Candidates inside a statement: what the grammar wanted at the place.
fn statement(before: &[Word], prefix: &str, facts: &Facts) -> Vec<Candidate> {
    let notes = Notes::default();
    // The fault is of no interest here: only what was wanted at the end.
    let _ = parse(before, &NoWorld, &notes);
    let mut out = Vec::new();
    for expect in notes.expected_at(before.len()) {
        out.extend(expected(&expect, before, prefix, facts));
    }
    out
}

fn expected(expect: &Expect, before: &[Word], prefix: &str, facts: &Facts) -> Vec<Candidate> {
    let list = |words: &[&str]| words.iter().map(|w| plain(*w)).collect::<Vec<_>>();
    match expect {
        Expect::Keyword(k) => vec![plain(*k)],
        Expect::Resource => members(before, prefix, facts),
        Expect::Object => facts.objects.iter().map(|(_, i)| plain(i)).collect(),
        Expect::Node => facts.nodes.iter().map(plain).collect(),
        Expect::Agent => agents(prefix, facts),
        Expect::Template => facts.templates.iter().map(|(t, _)| plain(format!("@{t}"))).collect(),
        Expect::Attribute(section) => attributes(section, before, prefix, facts),
        Expect::Operation => operations(before, facts),
        Expect::Score => list(&["inf:", "-inf:", "0:", "100:"]),
        Expect::Kind => ORDER_KINDS.iter().map(|k| plain(format!("{k}:"))).collect(),
        Expect::Role => list(ROLES),
        Expect::Action => list(ACTIONS),
        Expect::NodeAttribute => {
            list(&["#uname", "#id", "#kind", "standby", "maintenance", "pingd"])
        }
        Expect::Comparison => list(COMPARISONS),
        Expect::AclRole => {
            facts.objects.iter().filter(|(k, _)| *k == Kind::Role).map(|(_, i)| plain(i)).collect()
        }
        Expect::AclObject => ACL_OBJECTS
            .iter()
            .map(|(w, _)| plain(format!("{w}:")))
            .chain(ACL_SHORTCUTS.iter().map(|(w, _)| plain(*w)))
            .chain(ACL_RIGHTS.iter().map(|w| plain(*w)))
            .collect(),
        Expect::Value(_) | Expect::NewId | Expect::End => Vec::new(),
    }
}

/// Resources, and after a colon their roles or actions.
fn members(before: &[Word], prefix: &str, facts: &Facts) -> Vec<Candidate> {
    if let Some((name, _)) = prefix.split_once(':') {
        let order = before.first().is_some_and(|w| w.text == "order");
        let list = if order { ACTIONS } else { ROLES };
        return list.iter().map(|w| plain(format!("{name}:{w}"))).collect();
    }
    let used: Vec<&str> = before.iter().map(|w| w.text.as_str()).collect();
    facts.resources().filter(|r| !used.contains(r)).map(plain).collect()
}

fn metadata(before: &[Word], facts: &Facts) -> Option<std::rc::Rc<crate::agents::Metadata>> {
    let (class, provider, kind) = facts.agent_of(&before.get(2)?.text)?;
    facts.agents.borrow_mut().metadata(&class, provider.as_deref(), &kind)
}

fn operations(before: &[Word], facts: &Facts) -> Vec<Candidate> {
    match metadata(before, facts) {
        Some(m) => m
            .operations
            .iter()
            .filter(|o| !matches!(o.name.as_str(), "meta-data" | "validate-all"))
            .map(|o| {
                noted(
                    &o.name,
                    o.timeout.as_ref().map(|t| format!("timeout={t}")).unwrap_or_default(),
                )
            })
            .collect(),
        None => OPERATIONS.iter().map(|o| plain(*o)).collect(),
    }
}

/// Names of a section, or values of a name that is there already.
fn attributes(section: &str, before: &[Word], prefix: &str, facts: &Facts) -> Vec<Candidate> {
    if let Some((name, _)) = prefix.split_once('=') {
        return values(section, name, before, facts);
    }
    let given: Vec<&str> =
        before.iter().filter_map(|w| w.text.split_once('=')).map(|(n, _)| n).collect();
    let fresh = |n: &&&str| !given.contains(*n);
    let names = |lists: &[&[&'static str]]| -> Vec<Candidate> {
        let all = lists.iter().flat_map(|l| l.iter());
        all.filter(fresh).map(|n| plain(format!("{n}="))).collect()
    };
    match section {
        "params" => metadata(before, facts)
            .map(|m| {
                m.parameters
                    .iter()
                    .filter(|p| !given.contains(&p.name.as_str()))
                    .map(|p| {
                        let required = if p.required { "required " } else { "" };
                        let default =
                            p.default.as_ref().map(|d| format!(" [{d}]")).unwrap_or_default();
                        noted(
                            format!("{}=", p.name),
                            format!("{required}{}{default} {}", p.kind, p.short),
                        )
                    })
                    .collect()
            })
            .unwrap_or_default(),
        "meta" => names(&[RESOURCE_META, CLONE_META]),
        "rsc_defaults" => names(&[RESOURCE_META]),
        "op" | "op_defaults" => names(&[&OP_ATTRIBUTES[2..]]),
        "property" => property_names("="),
        "attributes" => names(&[&["standby", "maintenance"]]),
        _ => Vec::new(),
    }
}

fn values(section: &str, name: &str, before: &[Word], facts: &Facts) -> Vec<Candidate> {
    let list =
        |words: &[&str]| words.iter().map(|w| plain(format!("{name}={w}"))).collect::<Vec<_>>();
    let truth = &["true", "false"];
    match (section, name) {
        ("property", _) => match properties::find(name) {
            Some(p) => match p.kind {
                properties::Kind::Boolean => list(truth),
                properties::Kind::OneOf(words) => list(words),
                _ => vec![noted(format!("{name}={}", p.default), p.about)],
            },
            None => Vec::new(),
        },
        (_, "target-role" | "role") => list(ROLES),
        (
            _,
            "is-managed" | "maintenance" | "promotable" | "notify" | "interleave"
            | "globally-unique" | "allow-migrate" | "ordered",
        ) => list(truth),
        (_, "on-fail") => {
            list(&["ignore", "block", "stop", "restart", "standby", "fence", "demote"])
        }
        (_, "standby") => list(&["on", "off"]),
        ("op", "timeout" | "interval") => {
            let op = before.iter().rposition(|w| w.text.eq_ignore_ascii_case("op"));
            let op = op.and_then(|at| before.get(at + 1));
            let found = metadata(before, facts).zip(op).and_then(|(m, op)| {
                let advice = m.operation(&op.text, None, None)?;
                if name == "timeout" { advice.timeout.clone() } else { advice.interval.clone() }
            });
            found
                .map(|v| vec![noted(format!("{name}={v}"), "the agent's advice")])
                .unwrap_or_default()
        }
        ("params", _) => metadata(before, facts)
            .and_then(|m| {
                let p = m.parameter(name)?.clone();
                let default = p.default.map(|d| noted(format!("{name}={d}"), p.short.clone()));
                Some(if p.kind == "boolean" { list(truth) } else { default.into_iter().collect() })
            })
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Configuration;
    use crm_core::cib::parse as parse_xml;

    fn facts() -> Facts {
        let cib = parse_xml("<cib><configuration><nodes><node id='1' uname='n1'/></nodes><resources><primitive id='vip' class='ocf' provider='heartbeat' type='IPaddr2'/><primitive id='web' class='ocf' provider='heartbeat' type='apache'/></resources></configuration></cib>").unwrap();
        let mut facts = Facts::new(Box::new(crate::agents::Installed::new(&[])));
        facts.take(&Configuration::new(&cib));
        facts
    }

    fn at(level: Level, line: &str) -> Vec<String> {
        candidates(level, line, &facts()).1.into_iter().map(|c| c.text).collect()
    }

    #[test]
    fn commands_and_levels() {
        assert!(at(Level::Root, "conf").contains(&"configure".to_string()));
        assert!(at(Level::Root, "configure prim").contains(&"primitive".to_string()));
        assert_eq!(at(Level::Resource, "stop v"), ["vip"]);
        assert_eq!(at(Level::Root, "node standby "), ["n1"]);
    }

    #[test]
    fn places_of_statements() {
        assert_eq!(at(Level::Configure, "group g vip w"), ["web"]);
        assert_eq!(at(Level::Configure, "order o Man"), ["Mandatory:"]);
        assert_eq!(at(Level::Configure, "order o Mandatory: vip:pr"), ["vip:promote"]);
        assert!(at(Level::Configure, "colocation c inf: vip ").contains(&"web".to_string()));
        assert_eq!(
            at(Level::Configure, "property no-quorum-policy=fr"),
            ["no-quorum-policy=freeze"]
        );
        assert!(
            at(Level::Configure, "property stonith-e").contains(&"stonith-enabled=".to_string())
        );
        assert_eq!(at(Level::Configure, "location l vip inf: "), ["n1"]);
        assert!(
            at(Level::Configure, "primitive p Dummy meta target-ro")
                .contains(&"target-role=".to_string())
        );
    }

    #[test]
    fn the_replaced_word_is_the_one_at_the_cursor() {
        let (start, _) = candidates(Level::Resource, "stop vi", &facts());
        assert_eq!(start, 5);
    }
}
