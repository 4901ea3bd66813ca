//! `cibadmin` (O-190 to O-193).

use std::cmp::Ordering;
use std::io::Read;
use std::process::ExitCode;

use crm_core::cib::{Element, Patch, Version, parse, upgrade_fully};
use crm_lrm::BuiltIn;
use md5::{Digest, Md5};

use super::super::exit::Exit;
use super::super::options::{Group, PLAIN, Value, opt};
use super::xpath::{self, XPath};
use super::{Done, Failure, IGNORED, Run, Tool};
use crate::render::report::Style;

const CIBADMIN: Tool = Tool {
    name: "cibadmin",
    purpose: "Query and change the CIB",
    groups: &[
        Group {
            title: "Commands",
            options: &[
                opt('Q', "query", Value::None, "Print the CIB or a part of it"),
                opt('C', "create", Value::None, "Add an object"),
                opt('M', "modify", Value::None, "Merge into an existing object"),
                opt('R', "replace", Value::None, "Replace an object or everything"),
                opt('D', "delete", Value::None, "Delete the first object that matches"),
                opt('d', "delete-all", Value::None, "Delete everything that --xpath selects"),
                opt('P', "patch", Value::None, "Apply a patch"),
                opt('E', "erase", Value::None, "Empty the configuration"),
                opt('u', "upgrade", Value::None, "Bring the document to the newest schema"),
                opt('B', "bump", Value::None, "Raise the epoch"),
                opt('a', "empty", Value::Optional("SCHEMA"), "Print an empty CIB"),
                opt('5', "md5-sum", Value::None, "Print the digest that is kept on disk"),
                opt('6', "md5-sum-versioned", Value::None, "Print the digest of the input"),
            ],
        },
        Group {
            title: "Options",
            options: &[
                opt('o', "scope", Value::Required("SECTION"), "Only this section"),
                opt('A', "xpath", Value::Required("PATH"), "Only what the path selects"),
                opt('e', "node-path", Value::None, "With --xpath: print paths"),
                opt('X', "xml-text", Value::Required("XML"), "Input from the command line"),
                opt('x', "xml-file", Value::Required("FILE"), "Input from a file"),
                opt('p', "xml-pipe", Value::None, "Input from standard input"),
                opt('n', "no-children", Value::None, "Only the selected element"),
                opt('c', "allow-create", Value::None, "With --modify: create what is missing"),
                opt('f', "force", Value::None, "Do it although it is dangerous"),
                opt('l', "local", IGNORED, ""),
                opt('s', "sync-call", IGNORED, ""),
                opt('b', "no-bcast", IGNORED, ""),
                opt('N', "node", Value::Required("NODE"), ""),
                opt('t', "timeout", Value::Required("SECONDS"), ""),
                opt('S', "show-access", Value::Optional("HOW"), "With --query and --user: rights"),
                opt('U', "user", Value::Required("USER"), ""),
            ],
        },
        PLAIN,
    ],
    style: Style::Plain,
    body: work,
};

/// Sections below `configuration`, by the names that `--scope` takes.
const SECTIONS: [&str; 10] = [
    "crm_config",
    "nodes",
    "resources",
    "constraints",
    "rsc_defaults",
    "op_defaults",
    "acls",
    "fencing-topology",
    "tags",
    "alerts",
];

/// Runs `cibadmin`.
pub(super) fn cibadmin(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CIBADMIN.main(arguments, carried)
}

fn failed(exit: Exit, text: &str) -> Failure {
    Failure::new(exit, format!("Call failed: {text}"))
}

fn no_such() -> Failure {
    failed(Exit::NO_SUCH, "No such device or address")
}

fn work(run: &mut Run<'_>) -> Done {
    let asked = |name: &str| run.options.has(name);
    if !run.options.operands.is_empty() {
        let extra = run.options.operands.join(" ");
        run.say(&format!("non-option ARGV-elements: {extra} "));
        return Ok(CIBADMIN.usage(run));
    }
    if asked("md5-sum") || asked("md5-sum-versioned") {
        let text = input(run)?.to_string();
        // The blank before and the line's end belong to what has always been digested.
        let digest = Md5::digest(format!(" {text}\n"));
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let versioned = asked("md5-sum-versioned");
        run.out.error(if versioned { "Versioned ((null)) digest: " } else { "Digest: " });
        run.say(&digest);
        return Ok(Exit::OK);
    }
    if asked("empty") {
        run.say(empty().to_pretty().trim_end());
        return Ok(Exit::OK);
    }
    let ways = ["auto", "color", "namespace", "text"];
    let other = run.options.values("show-access").find(|way| !ways.contains(way));
    if let Some(text) = other.map(|w| format!("Unrecognized value for --show-access: \"{w}\"")) {
        run.out.error(&text);
        return Ok(CIBADMIN.usage(run));
    }
    if (asked("erase") || asked("delete-all") || asked("upgrade")) && !asked("force") {
        let text = "The supplied command is considered dangerous.  To prevent accidental destruction of \
                    the cluster, the --force flag is required in order to proceed.";
        return Err(Failure::new(Exit(107), text));
    }
    if asked("query") {
        return match asked("show-access") {
            true => Err(access(run)),
            false => query(run),
        };
    }
    let change: fn(&mut Run<'_>, &mut Element) -> Result<(), Failure> = if asked("create") {
        create
    } else if asked("modify") {
        modify
    } else if asked("replace") {
        replace
    } else if asked("delete") || asked("delete-all") {
        delete
    } else if asked("patch") {
        patch
    } else if asked("erase") {
        |_, cib| {
            *cib.child_or_insert("configuration") = empty()
                .child("configuration")
                .cloned()
                .unwrap_or_else(|| Element::new("configuration"));
            Ok(())
        }
    } else if asked("upgrade") {
        |_, cib| {
            *cib = upgrade_fully(cib)
                .map_err(|error| Failure::new(Exit::CONFIG, error.to_string()))?;
            Ok(())
        }
    } else if asked("bump") {
        |_, _| Ok(())
    } else {
        return Ok(CIBADMIN.usage(run));
    };
    if asked("bump") {
        run.access.bump()?;
        return Ok(Exit::OK);
    }
    let attempt = |run: &mut Run<'_>| {
        let base = run.access.cib()?;
        let mut cib = base.clone();
        change(run, &mut cib)?;
        run.commit(&base, &cib, "cibadmin")
    };
    // A replacement or patch names the version it is for; standard input can be read only once.
    if ["replace", "patch", "xml-pipe"].into_iter().any(asked) {
        attempt(run)?;
    } else {
        run.until_current(attempt)?;
    }
    Ok(Exit::OK)
}

fn empty() -> Element {
    let sections = ["crm_config", "nodes", "resources", "constraints"];
    let configuration = sections
        .into_iter()
        .fold(Element::new("configuration"), |c, s| c.with_child(Element::new(s)));
    Element::new("cib")
        .with("crm_feature_set", "3.16.1")
        .with("validate-with", "pacemaker-3.9")
        .with("epoch", "1")
        .with("num_updates", "0")
        .with("admin_epoch", "0")
        .with_child(configuration)
        .with_child(Element::new("status"))
}

fn input(run: &Run<'_>) -> Result<Element, Failure> {
    let unreadable =
        |from: &str| Failure::new(Exit::CONFIG, format!("Couldn't parse input {from}."));
    if let Some(text) = run.options.last("xml-text") {
        parse(text).map_err(|_| unreadable("from input string"))
    } else if let Some(path) = run.options.last("xml-file") {
        let from = format!("from {path}");
        let text = std::fs::read_to_string(path).map_err(|_| unreadable(&from))?;
        parse(&text).map_err(|_| unreadable(&from))
    } else if run.options.has("xml-pipe") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|_| unreadable("from STDIN"))?;
        parse(&text).map_err(|_| unreadable("from STDIN"))
    } else {
        let text = "Invalid argument\ncibadmin: --xml-text, --xml-file or --xml-pipe is needed";
        Err(failed(Exit::SOFTWARE, text))
    }
}

/// Who asks for somebody's rights learns why they are not shown: root has them all, and lists of
/// others' rights are kept but not applied, because nobody but root may speak to the daemon.
fn access(run: &Run<'_>) -> Failure {
    let Some(user) = run.options.last("user") else {
        return Failure::new(Exit::USAGE, "The supplied command requires -U user specified.");
    };
    let why = match user {
        "root" | "hacluster" => "Already in requested state",
        _ => "access control lists are not applied here",
    };
    let text = format!("Could not evaluate access per request ({user}, error: {why})");
    Failure::new(Exit::CONFIG, text)
}

fn query(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let bare = |e: &Element| {
        let mut e = e.clone();
        e.nodes_mut().clear();
        e
    };
    let no_children = run.options.has("no-children");
    let shown = |e: &Element| if no_children { bare(e) } else { e.clone() };
    if let Some(path) = run.options.last("xpath").map(str::to_string) {
        let found = selected(&path, &cib)?;
        if found.is_empty() {
            return Err(no_such());
        }
        if run.options.has("node-path") {
            found.iter().for_each(|p| run.say(&node_path(&cib, p)));
            return Ok(Exit::OK);
        }
        let elements: Vec<Element> =
            found.iter().filter_map(|p| xpath::at(&cib, p)).map(shown).collect();
        let whole = match elements.as_slice() {
            [one] => one.clone(),
            many => many.iter().fold(Element::new("xpath-query"), |q, e| q.with_child(e.clone())),
        };
        run.say(whole.to_pretty().trim_end());
        return Ok(Exit::OK);
    }
    let scope = run.options.last("scope").unwrap_or_default();
    let part = match scope {
        "configuration" | "status" => cib.child(scope),
        section if SECTIONS.contains(&section) => {
            Some(cib.at(&["configuration", section]).ok_or_else(no_such)?)
        }
        _ => Some(&cib),
    };
    let text = part.map(|p| shown(p).to_pretty()).ok_or_else(no_such)?;
    run.say(text.trim_end());
    Ok(Exit::OK)
}

/// What a path selects. One that is no XPath selects nothing, as in the reference; the reason is
/// said.
fn selected(path: &str, cib: &Element) -> Result<Vec<Vec<usize>>, Failure> {
    match XPath::parse(path) {
        Ok(parsed) => Ok(parsed.select(cib)),
        Err(why) => {
            let text = format!("No such device or address\ncibadmin: '{path}' is no path: {why}");
            Err(failed(Exit::NO_SUCH, &text))
        }
    }
}

fn node_path(root: &Element, path: &[usize]) -> String {
    (0..=path.len())
        .filter_map(|n| xpath::at(root, &path[..n]))
        .map(|e| match e.id() {
            Some(id) => format!("/{}[@id='{id}']", e.name()),
            None => format!("/{}", e.name()),
        })
        .collect()
}

/// The part of the document that `--scope` names; without it all of it.
fn scoped<'a>(run: &Run<'_>, cib: &'a mut Element) -> Result<&'a mut Element, Failure> {
    let scope = run.options.last("scope").unwrap_or("all");
    match scope {
        "all" => Ok(cib),
        "configuration" => Ok(cib.child_or_insert("configuration")),
        section => {
            let name = SECTIONS.into_iter().find(|known| *known == section).ok_or_else(no_such)?;
            Ok(cib.child_or_insert("configuration").child_or_insert(name))
        }
    }
}

fn same(a: &Element, b: &Element) -> bool {
    a.name() == b.name() && a.id() == b.id()
}

/// The first element below `root` (or itself) with the tag and the id of `wanted`.
fn find_same<'a>(root: &'a mut Element, wanted: &Element) -> Option<&'a mut Element> {
    if same(root, wanted) {
        return Some(root);
    }
    let inside = root.find_child_mut(|c| c.descendants().any(|e| same(e, wanted)))?;
    find_same(inside, wanted)
}

/// The objects of the input: itself, or what is in the section that it is.
fn objects(input: &Element) -> Vec<Element> {
    if SECTIONS.contains(&input.name()) {
        input.children().cloned().collect()
    } else {
        vec![input.clone()]
    }
}

fn create(run: &mut Run<'_>, cib: &mut Element) -> Result<(), Failure> {
    let input = input(run)?;
    if run.options.last("scope").is_none() {
        return Err(no_such());
    }
    for object in objects(&input) {
        let section = scoped(run, cib)?;
        if find_same(section, &object).is_some() {
            let update = Element::new("failed_update")
                .with("id", object.id().unwrap_or_default())
                .with("object_type", object.name())
                .with("operation", "cib_create")
                .with("reason", "File exists")
                .with_child(object);
            let report = Element::new("failed").with_child(update).to_pretty();
            run.say(report.trim_end());
            return Err(failed(Exit(108), "File exists"));
        }
        section.push(object);
    }
    Ok(())
}

fn modify(run: &mut Run<'_>, cib: &mut Element) -> Result<(), Failure> {
    let input = input(run)?;
    if matches!(input.name(), "cib" | "configuration") {
        let part = if input.name() == "cib" { input.child("configuration") } else { Some(&input) };
        if let Some(part) = part {
            merge(cib.child_or_insert("configuration"), part);
        }
        return Ok(());
    }
    let create = run.options.has("allow-create");
    for object in objects(&input) {
        let part = scoped(run, cib)?;
        match find_same(part, &object) {
            Some(old) => merge(old, &object),
            None if create => part.push(object),
            None => return Err(no_such()),
        }
    }
    Ok(())
}

/// Attributes of `new` win; its children are merged into those of the same tag and id, or added.
fn merge(old: &mut Element, new: &Element) {
    for (name, value) in new.attrs() {
        old.set_attr(name, value);
    }
    for child in new.children() {
        match old.find_child_mut(|c| same(c, child)) {
            Some(known) => merge(known, child),
            None => old.push(child.clone()),
        }
    }
}

fn at_mut<'a>(root: &'a mut Element, path: &[usize]) -> Option<&'a mut Element> {
    path.iter().try_fold(root, |e, at| e.children_mut().nth(*at))
}

/// Refuses a document that says of itself that it is older than the one in force.
fn not_older(input: &Element, cib: &Element) -> Result<(), Failure> {
    if Version::of(input) < Version::of(cib) {
        return Err(failed(Exit(103), "Update was older than existing configuration"));
    }
    Ok(())
}

fn replace(run: &mut Run<'_>, cib: &mut Element) -> Result<(), Failure> {
    let input = input(run)?;
    if let Some(path) = run.options.last("xpath") {
        let found = selected(path, cib)?;
        let first = found.first().ok_or_else(no_such)?;
        *at_mut(cib, first).ok_or_else(no_such)? = input;
        return Ok(());
    }
    match input.name() {
        "cib" => {
            not_older(&input, cib)?;
            let new = input
                .child("configuration")
                .ok_or_else(|| failed(Exit::CONFIG, "no configuration"))?;
            *cib.child_or_insert("configuration") = new.clone();
        }
        "configuration" => *cib.child_or_insert("configuration") = input,
        name if SECTIONS.contains(&name) => {
            *cib.child_or_insert("configuration").child_or_insert(name) = input.clone();
        }
        _ => {
            let old = find_same(scoped(run, cib)?, &input).ok_or_else(no_such)?;
            *old = input;
        }
    }
    Ok(())
}

fn delete(run: &mut Run<'_>, cib: &mut Element) -> Result<(), Failure> {
    if let Some(path) = run.options.last("xpath") {
        let found = selected(path, cib)?;
        let wanted = if run.options.has("delete-all") { found.len() } else { 1 };
        // From the end, so that the positions before stay what they are.
        for path in found.iter().take(wanted).rev() {
            remove_at(cib, path);
        }
        return Ok(());
    }
    let object = input(run)?;
    remove_first(scoped(run, cib)?, &|e| {
        e.name() == object.name() && object.attrs().all(|(n, v)| e.attr(n) == Some(v))
    });
    Ok(())
}

fn remove_at(root: &mut Element, path: &[usize]) {
    let Some((last, parents)) = path.split_last() else { return };
    let Some(parent) = at_mut(root, parents) else { return };
    let elements = parent
        .nodes()
        .iter()
        .enumerate()
        .filter(|(_, n)| matches!(n, crm_core::cib::Child::Element(_)));
    if let Some((at, _)) = elements.clone().nth(*last) {
        parent.nodes_mut().remove(at);
    }
}

fn remove_first(element: &mut Element, wanted: &dyn Fn(&Element) -> bool) -> bool {
    if let Some(at) = element.position(wanted) {
        element.nodes_mut().remove(at);
        return true;
    }
    let Some(inside) = element.find_child_mut(|c| c.descendants().skip(1).any(wanted)) else {
        return false;
    };
    remove_first(inside, wanted)
}

fn patch(run: &mut Run<'_>, cib: &mut Element) -> Result<(), Failure> {
    let input = input(run)?;
    if let Some(source) = input.at(&["version", "source"]) {
        match Version::of(source).cmp(&Version::of(cib)) {
            Ordering::Less => not_older(source, cib)?,
            Ordering::Greater => {
                let text = "Application of update diff failed, requesting full refresh";
                return Err(failed(Exit::ERROR, text));
            }
            Ordering::Equal => {}
        }
    }
    let patch = Patch::from_xml(&input).map_err(|e| failed(Exit::CONFIG, &e.to_string()))?;
    *cib = patch.apply(cib).map_err(|e| failed(Exit(103), &e.to_string()))?;
    Ok(())
}
