//! Elements to text, as crmsh lays it out.
//!
//! An object that its text form would not give back exactly is shown as an `xml` statement.

use std::collections::BTreeSet;

use crm_core::cib::{Child, Element};

use super::acl;
use super::ids::automatic;
use super::token::{is_bare, quote};
use super::vocabulary::{Kind, boolean};

/// What stands for a value that is not shown. Read again, it stands for the value in force.
pub const MASK: &str = "******";

/// How to print.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// Names of parameters whose value is hidden; `*` stands for anything.
    pub hidden: Vec<String>,
    /// Keep ids that are not the automatic ones, with `$id=`.
    pub ids: bool,
    /// Rules (and operation lists) that something refers to; their ids are shown always.
    pub referenced: BTreeSet<String>,
    /// How many nodes there are; a topology that treats all alike is shown without targets.
    pub nodes: usize,
}

impl Style {
    fn hides(&self, name: &str) -> bool {
        self.hidden.iter().any(|p| matches_glob(p, name))
    }

    fn shows_id(&self, element: &Element, owner: &str) -> bool {
        match element.id() {
            Some(id) => {
                (element.name() == "rule" && self.referenced.contains(id))
                    || self.ids && automatic(element, owner) != id
            }
            None => false,
        }
    }
}

/// A pattern with `*` and `?`.
pub fn matches_glob(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while j < t.len() {
        if i < p.len() && p[i] == '*' {
            star = Some((i, j));
            i += 1;
        } else if i < p.len() && (p[i] == '?' || p[i] == t[j]) {
            i += 1;
            j += 1;
        } else if let Some((si, sj)) = star {
            i = si + 1;
            j = sj + 1;
            star = Some((si, sj + 1));
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

/// Everything that belongs to an object: a head, and parts that go to a line each.
struct Page {
    parts: Vec<String>,
    comments: Vec<String>,
}

/// An object as text; `None` where the text form has no way to say it.
pub fn object(kind: Kind, element: &Element, style: &Style) -> Option<String> {
    let mut page = Page { parts: vec![head(kind, element, style)?], comments: Vec::new() };
    if let Some(text) = element.attr("description").filter(|t| !t.is_empty()) {
        page.parts.push(format!("description={}", quote(text)));
    }
    for child in element.nodes() {
        match child {
            Child::Comment(c) => page.comments.push(c.trim().to_string()),
            Child::Element(e) => page.parts.extend(part(kind, e, element, style)),
            Child::Text(_) => {}
        }
    }
    let body = page.parts.join(" \\\n\t");
    page.comments.push(body);
    Some(page.comments.join("\n"))
}

fn head(kind: Kind, e: &Element, style: &Style) -> Option<String> {
    let id = e.id().unwrap_or_default();
    let keyword = kind.keyword();
    Some(match kind {
        Kind::Node => node_head(e),
        Kind::Primitive | Kind::Template => {
            let agent = match e.attr("template") {
                Some(template) if kind == Kind::Primitive => format!("@{template}"),
                _ => agent(e),
            };
            format!("{keyword} {id} {agent}")
        }
        Kind::Group | Kind::Clone | Kind::Master => {
            let members: Vec<&str> =
                e.children().filter(|c| is_member(c)).filter_map(Element::id).collect();
            format!("{keyword} {id} {}", members.join(" ")).trim_end().to_string()
        }
        Kind::Bundle | Kind::Role | Kind::AclTarget | Kind::AclGroup | Kind::User => {
            format!("{keyword} {id}")
        }
        Kind::Location => location_head(e)?,
        Kind::Colocation | Kind::Order => pair_head(kind, e)?,
        Kind::Ticket => {
            let mut members = constraint_members(kind, e)?;
            members.extend(e.attr("loss-policy").map(|p| format!("loss-policy={p}")));
            format!("{keyword} {id} {}: {}", e.attr("ticket")?, members.join(" "))
        }
        Kind::Fencing => fencing(e, style),
        Kind::Tag => {
            let members: Vec<&str> = e.children().filter_map(Element::id).collect();
            format!("{keyword} {id} {}", members.join(" "))
        }
        Kind::Property | Kind::RscDefaults | Kind::OpDefaults => {
            if is_bare(id) {
                format!("{keyword} {id}:")
            } else {
                format!("{keyword} $id=\"{id}\"")
            }
        }
        Kind::Alert => format!("{keyword} {id} {}", quote(e.attr("path")?)),
        Kind::Monitor => return None,
    })
}

fn node_head(e: &Element) -> String {
    let id = e.id().unwrap_or_default();
    let name = e.attr("uname").unwrap_or(id);
    let mut out = "node".to_string();
    if id != name {
        out.push_str(&if is_bare(id) { format!(" {id}:") } else { format!(" $id=\"{id}\"") });
    }
    out.push_str(&format!(" {name}"));
    if let Some(kind) = e.attr("type").filter(|t| *t != "normal") {
        out.push_str(&format!(":{kind}"));
    }
    out
}

/// `[class:[provider:]]type`; the prefix `ocf:heartbeat` goes without saying.
pub fn agent(e: &Element) -> String {
    let kind = e.attr("type").unwrap_or_default();
    match (e.attr("class"), e.attr("provider")) {
        (_, Some("heartbeat")) | (None, None) | (Some("ocf"), None) => kind.to_string(),
        (Some(class), Some(provider)) => format!("{class}:{provider}:{kind}"),
        (Some(class), None) => format!("{class}:{kind}"),
        (None, Some(provider)) => format!("{provider}:{kind}"),
    }
}

/// True for a resource inside a container.
pub fn is_member(e: &Element) -> bool {
    matches!(e.name(), "primitive" | "group" | "clone" | "master" | "bundle")
}

fn score(e: &Element) -> String {
    match e.attr("score").filter(|s| !s.is_empty()) {
        Some(score) => score.replace("INFINITY", "inf"),
        None => e.attr("score-attribute").unwrap_or_default().to_string(),
    }
}

fn location_head(e: &Element) -> Option<String> {
    let what = match (e.attr("rsc"), e.attr("rsc-pattern")) {
        (Some(rsc), _) => rsc.to_string(),
        (None, Some(pattern)) => format!("/{pattern}/"),
        (None, None) => {
            e.child("resource_set")?;
            format!("{{ {} }}", set_members(Kind::Location, e).join(" "))
        }
    };
    let mut out = format!("location {} {what}", e.id().unwrap_or_default());
    for key in ["role", "resource-discovery"] {
        if let Some(value) = e.attr(key) {
            out.push_str(&format!(" {key}={value}"));
        }
    }
    if let Some(node) = e.attr("node") {
        out.push_str(&format!(" {}: {node}", score(e)));
    }
    Some(out)
}

fn pair_head(kind: Kind, e: &Element) -> Option<String> {
    let mut members = constraint_members(kind, e)?;
    let tail = if kind == Kind::Order { "symmetrical" } else { "node-attribute" };
    members.extend(e.attr(tail).filter(|v| !v.is_empty()).map(|v| format!("{tail}={v}")));
    let mut out = format!("{} {} ", kind.keyword(), e.id().unwrap_or_default());
    let mut score = score(e);
    if score.is_empty() {
        score = e.attr("kind").unwrap_or_default().to_string();
    }
    if !score.is_empty() {
        out.push_str(&format!("{score}: "));
    }
    Some(out + &members.join(" "))
}

fn constraint_members(kind: Kind, e: &Element) -> Option<Vec<String>> {
    if e.child("resource_set").is_some() {
        return Some(set_members(kind, e));
    }
    let (names, suffix): (&[&str], &str) = match kind {
        Kind::Colocation => (&["rsc", "with-rsc"], "role"),
        Kind::Order => (&["first", "then"], "action"),
        _ => (&["rsc"], "role"),
    };
    names
        .iter()
        .map(|name| {
            let rsc = e.attr(name)?;
            let qualifier = e
                .attr(&format!("{name}-{suffix}"))
                .or(e.attr(&format!("{name}-instance")))
                .filter(|q| !q.is_empty());
            Some(qualifier.map_or(rsc.to_string(), |q| format!("{rsc}:{q}")))
        })
        .collect()
}

fn set_members(kind: Kind, e: &Element) -> Vec<String> {
    let mut out = Vec::new();
    let mut count = 0;
    let mut plain = true;
    for set in e.children().filter(|c| c.name() == "resource_set") {
        let sequential = set.attr("sequential").and_then(boolean).unwrap_or(true);
        let require_all = set.attr("require-all").and_then(boolean).unwrap_or(true);
        let brackets = match (sequential, require_all) {
            (_, false) => Some(("[", "]")),
            (false, true) => Some(("(", ")")),
            (true, true) => None,
        };
        out.extend(brackets.map(|b| b.0.to_string()));
        let action = if kind == Kind::Order { set.attr("action") } else { None };
        let qualifier = action.or(set.attr("role")).filter(|q| !q.is_empty());
        for member in set.children().filter(|c| c.name() == "resource_ref") {
            let id = member.id().unwrap_or_default();
            out.push(qualifier.map_or(id.to_string(), |q| format!("{id}:{q}")));
            count += 1;
        }
        if !require_all && sequential {
            out.push("sequential=true".into());
        }
        out.extend(brackets.map(|b| b.1.to_string()));
        plain = sequential && require_all;
    }
    let degenerate = match kind {
        Kind::Location => false,
        Kind::Ticket => count <= 1,
        _ => plain && count <= 2,
    };
    if degenerate {
        out.insert(0, "_rsc_set_".into());
    }
    out
}

fn fencing(e: &Element, style: &Style) -> String {
    let mut targets: Vec<(String, Vec<(u64, String)>)> = Vec::new();
    for level in e.children().filter(|c| c.name() == "fencing-level") {
        let target = match (level.attr("target-pattern"), level.attr("target-attribute")) {
            (Some(pattern), _) => format!("pattern:{pattern}"),
            (None, Some(name)) => {
                format!("attr:{name}={}", level.attr("target-value").unwrap_or_default())
            }
            (None, None) => format!("{}:", level.attr("target").unwrap_or_default()),
        };
        let index = level.attr("index").and_then(|i| i.parse().ok()).unwrap_or(0);
        let devices = level.attr("devices").unwrap_or_default().to_string();
        match targets.iter_mut().find(|(t, _)| *t == target) {
            Some((_, levels)) => levels.push((index, devices)),
            None => targets.push((target, vec![(index, devices)])),
        }
    }
    let lists: Vec<(String, String)> = targets
        .into_iter()
        .map(|(target, mut levels)| {
            levels.sort_by_key(|(index, _)| *index);
            let devices: Vec<String> = levels.into_iter().map(|(_, d)| d).collect();
            (target, devices.join(" "))
        })
        .collect();
    let alike = lists.windows(2).all(|w| w[0].1 == w[1].1);
    match lists.first() {
        Some((_, devices)) if alike && lists.len() == style.nodes => {
            format!("fencing_topology {devices}")
        }
        _ => {
            let mut parts = vec!["fencing_topology".to_string()];
            parts.extend(lists.into_iter().map(|(t, d)| format!("{t} {d}")));
            parts.join(" \\\n\t")
        }
    }
}

/// What a child of an object contributes.
fn part(kind: Kind, e: &Element, owner: &Element, style: &Style) -> Vec<String> {
    let owner_id = owner.id().unwrap_or_default();
    match (kind, e.name()) {
        (Kind::Primitive | Kind::Template, "operations") => operations(e, owner_id, style),
        (Kind::Location, "rule") => vec![format!("rule {}", rule(e, owner_id, style))],
        (Kind::Property | Kind::RscDefaults | Kind::OpDefaults, "rule") => {
            vec![format!("rule {}", rule(e, owner_id, style))]
        }
        (Kind::Property | Kind::RscDefaults | Kind::OpDefaults, "nvpair") => {
            vec![pair(e, owner_id, style)]
        }
        (Kind::Role, "acl_permission") => vec![permission(e, owner_id, style)],
        (Kind::Role | Kind::User, "read" | "write" | "deny") => vec![old_rule(e)],
        (Kind::User, "role_ref") => vec![format!("role:{}", e.id().unwrap_or_default())],
        (Kind::AclTarget | Kind::AclGroup, "role") => {
            vec![e.id().unwrap_or_default().to_string()]
        }
        (Kind::Alert, "select") => vec![select(e)],
        (Kind::Alert, "recipient") => vec![recipient(e, owner, style)],
        (Kind::Bundle, "docker" | "rkt" | "network" | "storage") => vec![bundle_part(e)],
        (Kind::Bundle, "primitive") => vec![format!("primitive {}", e.id().unwrap_or_default())],
        _ => section_word(kind, e.name())
            .map(|word| set(word, e, owner_id, style))
            .into_iter()
            .collect(),
    }
}

fn section_word(kind: Kind, tag: &str) -> Option<&'static str> {
    Some(match (kind, tag) {
        (Kind::Node | Kind::Alert, "instance_attributes") => "attributes",
        (Kind::Alert, "meta_attributes") => "meta",
        (Kind::Node | Kind::Primitive | Kind::Template, "utilization") => "utilization",
        (
            Kind::Primitive
            | Kind::Template
            | Kind::Group
            | Kind::Clone
            | Kind::Master
            | Kind::Bundle,
            "instance_attributes",
        ) => "params",
        (
            Kind::Primitive
            | Kind::Template
            | Kind::Group
            | Kind::Clone
            | Kind::Master
            | Kind::Bundle,
            "meta_attributes",
        ) => "meta",
        _ => return None,
    })
}

fn set(word: &str, e: &Element, owner: &str, style: &Style) -> String {
    let mut out = vec![word.to_string()];
    let id = e.id().unwrap_or(owner);
    if style.shows_id(e, owner) {
        out.push(format!("$id={}", quote(id)));
    } else if let Some(reference) = e.attr("id-ref") {
        out.push(format!("$id-ref={}", quote(reference)));
    }
    if let Some(score) = e.attr("score").filter(|s| !s.is_empty()) {
        out.push(format!("{score}:"));
    }
    let children = || e.children();
    out.extend(
        children().filter(|c| c.name() == "rule").map(|r| format!("rule {}", rule(r, id, style))),
    );
    out.extend(children().filter(|c| c.name() == "nvpair").map(|p| pair(p, id, style)));
    out.join(" ")
}

/// `name=value` of an `nvpair`.
pub fn pair(e: &Element, owner: &str, style: &Style) -> String {
    let name = e.attr("name");
    if let Some(reference) = e.attr("id-ref") {
        return name.map_or(format!("@{reference}"), |n| format!("@{reference}:{n}"));
    }
    let name = name.unwrap_or_default();
    let value = e.attr("value").map(|v| if style.hides(name) { MASK } else { v });
    let text = value.map_or(name.to_string(), |v| format!("{name}={}", quote(v)));
    match e.id() {
        Some(id) if style.ids && value.is_some() && automatic(e, owner) != id => {
            format!("${id}:{text}")
        }
        _ => text,
    }
}

fn operations(e: &Element, owner: &str, style: &Style) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(id) = e.id() {
        out.push(format!("operations $id={}", quote(id)));
    } else if let Some(reference) = e.attr("id-ref") {
        // Two blanks, so that dumps compare equal with those of crmsh.
        out.push(format!("operations  $id-ref={}", quote(reference)));
    }
    for op in e.children().filter(|c| c.name() == "op") {
        out.push(op_head(op, owner, style));
        for child in op.children() {
            let word = match child.name() {
                "instance_attributes" => "op_params",
                "meta_attributes" => "op_meta",
                _ => continue,
            };
            out.push(set(word, child, op.id().unwrap_or_default(), style));
        }
    }
    out
}

fn op_head(op: &Element, owner: &str, style: &Style) -> String {
    let mut out = format!("op {}", op.attr("name").unwrap_or_default());
    if style.ids && op.id().is_some_and(|id| automatic(op, owner) != id) {
        out.push_str(&format!(" id={}", quote(op.id().unwrap_or_default())));
    }
    for (key, value) in op.attrs().filter(|(k, _)| !matches!(*k, "name" | "id")) {
        out.push_str(&format!(" {key}={}", quote(value)));
    }
    out
}

fn rule(e: &Element, owner: &str, style: &Style) -> String {
    let mut out = Vec::new();
    if let Some(reference) = e.attr("id-ref") {
        return format!("$id-ref={}", quote(reference));
    }
    if style.shows_id(e, owner) {
        out.push(format!("$id={}", quote(e.id().unwrap_or_default())));
    }
    if let Some(role) = e.attr("role") {
        out.push(format!("$role={}", quote(role)));
    }
    if e.attr("score") != Some("INFINITY") {
        let score = score(e);
        if !score.is_empty() {
            out.push(format!("{score}:"));
        }
    }
    let joined = e.attr("boolean-op").unwrap_or("and");
    let expressions: Vec<String> = e
        .children()
        .filter_map(|c| match c.name() {
            "expression" => Some(expression(c)),
            "date_expression" => Some(date(c)),
            _ => None,
        })
        .collect();
    out.push(expressions.join(&format!(" {joined} ")));
    out.join(" ")
}

fn expression(e: &Element) -> String {
    let attribute = e.attr("attribute").unwrap_or_default();
    let mut operation = e.attr("operation").unwrap_or_default().to_string();
    if let Some(kind) = e.attr("type") {
        operation = format!("{kind}:{operation}");
    }
    match e.attr("value").filter(|v| !v.is_empty()) {
        None => format!("{operation} {attribute}"),
        Some(value) => {
            let value = super::token::quote_word(value);
            match e.attr("value-source").filter(|s| *s != "literal") {
                Some(source) => format!("{attribute} {operation} {source}{{{value}}}"),
                None => format!("{attribute} {operation} {value}"),
            }
        }
    }
}

fn date(e: &Element) -> String {
    let operation = e.attr("operation").unwrap_or_default();
    let shown = match operation {
        "in_range" => "in",
        "date_spec" => "spec",
        other => other,
    };
    let mut out = vec!["date".to_string(), shown.to_string()];
    match operation {
        "lt" | "gt" => {
            let side = if operation == "lt" { "end" } else { "start" };
            out.push(quote(e.attr(side).unwrap_or_default()));
        }
        _ => {
            if operation == "in_range" {
                let ends = ["start", "end"].into_iter();
                out.extend(ends.filter_map(|n| Some(format!("{n}={}", quote(e.attr(n)?)))));
            }
            for parts in e.children() {
                let named = parts.attrs().filter(|(k, _)| *k != "id");
                out.extend(named.map(|(k, v)| format!("{k}={}", quote(v))));
            }
        }
    }
    out.join(" ")
}

fn permission(e: &Element, owner: &str, style: &Style) -> String {
    let mut out = vec![e.attr("kind").unwrap_or_default().to_string()];
    if style.ids
        && let Some(id) = e.id()
        && id
            .strip_prefix(owner)
            .and_then(|r| r.strip_prefix('-'))
            .is_none_or(|n| n.parse::<u32>().is_err())
    {
        out.push(format!("{id}:"));
    }
    if let Some(text) = e.attr("description").filter(|t| !t.is_empty()) {
        out.push(format!("description={}", quote(text)));
    }
    let shown =
        [("xpath", "xpath"), ("reference", "ref"), ("attribute", "attr"), ("object-type", "type")];
    for (attribute, word) in shown {
        if let Some(value) = e.attr(attribute) {
            out.push(acl_object(word, value));
        }
    }
    out.join(" ")
}

fn acl_object(word: &str, value: &str) -> String {
    match word {
        "xpath" => acl::shorten(value).unwrap_or_else(|| format!("xpath:{}", quote(value))),
        _ => format!("{word}:{value}"),
    }
}

fn old_rule(e: &Element) -> String {
    let mut out = vec![e.name().to_string()];
    for word in ["xpath", "ref", "tag", "attribute"] {
        if let Some(value) = e.attr(word).filter(|v| !v.is_empty()) {
            out.push(acl_object(word, value));
        }
    }
    out.join(" ")
}

fn select(e: &Element) -> String {
    let mut out = vec!["select".to_string()];
    for what in e.children() {
        let Some(name) = what.name().strip_prefix("select_") else { continue };
        out.push(name.to_string());
        if name == "attributes" {
            out.push("{".into());
            out.extend(what.children().filter_map(|a| a.attr("name")).map(str::to_string));
            out.push("}".into());
        }
    }
    out.join(" ")
}

fn recipient(e: &Element, alert: &Element, style: &Style) -> String {
    let after = alert.children().skip_while(|c| c.name() != "recipient");
    let braces =
        after.into_iter().any(|c| matches!(c.name(), "instance_attributes" | "meta_attributes"));
    let mut out = vec!["to".to_string()];
    if braces {
        out.push("{".into());
    }
    out.push(quote(e.attr("value").unwrap_or_default()));
    for child in e.children() {
        if let Some(word) = section_word(Kind::Alert, child.name()) {
            out.push(set(word, child, e.id().unwrap_or_default(), style));
        }
    }
    if braces {
        out.push("}".into());
    }
    out.join(" ")
}

fn bundle_part(e: &Element) -> String {
    let mut out = vec![e.name().to_string()];
    if matches!(e.name(), "docker" | "network" | "rkt") {
        out.extend(e.attrs().map(|(k, v)| format!("{k}={}", quote(v))));
    }
    for mapping in e.children() {
        out.push(mapping.name().to_string());
        out.extend(mapping.attrs().map(|(k, v)| format!("{k}={}", quote(v))));
    }
    out.join(" ")
}

/// An object as an `xml` statement. Where ids are kept the XML is quoted, so that a batch reads it
/// back; listings show it bare, as crmsh's do.
pub fn as_xml(element: &Element, style: &Style) -> String {
    let mut out = String::new();
    xml_lines(element, 0, &mut out);
    let lines = out.lines().collect::<Vec<_>>().join(" \\\n");
    if style.ids {
        format!("xml '{}'", lines.replace('\'', "&apos;"))
    } else {
        format!("xml {lines}")
    }
}

/// XML with two blanks a level and characters outside ASCII as references.
pub fn xml_lines(e: &Element, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    out.push_str(&format!("{pad}<{}", e.name()));
    for (name, value) in e.attrs() {
        out.push_str(&format!(" {name}=\"{}\"", escape(value)));
    }
    if e.nodes().is_empty() {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for child in e.nodes() {
        match child {
            Child::Element(e) => xml_lines(e, depth + 1, out),
            Child::Comment(c) => out.push_str(&format!("{pad}  <!--{c}-->\n")),
            Child::Text(t) => out.push_str(&format!("{pad}  {}\n", escape(t.trim()))),
        }
    }
    out.push_str(&format!("{pad}</{}>\n", e.name()));
}

fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push_str(&format!("&#{};", u32::from(c))),
            c if c.is_ascii() => out.push(c),
            c => out.push_str(&format!("&#{};", u32::from(c))),
        }
    }
    out
}
