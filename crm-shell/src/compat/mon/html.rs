//! The display as a page: the text's lists as lists of HTML.

use super::options::Options;
use super::{Scene, text};
use crate::render::report::Part;
use crate::render::status::node_line;

const STYLE: &str = ".bold { font-weight: bold }\n\
    .online { color: green }\n\
    .offline { color: red }\n\
    .maint { color: blue }\n\
    .standby { color: blue }\n\
    .health_red { color: red }\n\
    .health_yellow { color: GoldenRod }\n\
    .rsc-failed { color: red }\n\
    .rsc-failure-ignored { color: DarkGreen }\n\
    .rsc-managed { color: blue }\n\
    .rsc-multiple { color: orange }\n\
    .rsc-ok { color: green }\n\
    .warning { color: red; font-weight: bold }";

/// A node of the page: text, or a tag with what is in it.
enum Tag {
    Text(String),
    Tag { name: &'static str, class: Option<&'static str>, inside: Vec<Tag> },
}

fn tag(name: &'static str, inside: Vec<Tag>) -> Tag {
    Tag::Tag { name, class: None, inside }
}

fn of_text(name: &'static str, text: &str) -> Tag {
    tag(name, vec![Tag::Text(text.to_string())])
}

fn span(class: Option<&'static str>, text: &str) -> Tag {
    Tag::Tag { name: "span", class, inside: vec![Tag::Text(text.to_string())] }
}

/// A complete page.
pub fn page(scene: &Scene<'_>) -> String {
    let mut body = Vec::new();
    for part in text::parts(scene) {
        match part {
            Part::Space => {}
            Part::List { title, parts } => {
                let title = title.unwrap_or_default();
                let items = section(scene, &title, &parts);
                body.push(of_text("h2", &title));
                body.push(tag("ul", items));
            }
            Part::Line(line) => body.push(of_text("p", &line)),
            Part::Item { .. } => body.push(item(&part)),
        }
    }
    document(scene.options, body)
}

/// A page that only says why there is none.
pub fn refusal(options: &Options, text: &str) -> String {
    document(options, vec![tag("ul", vec![of_text("li", text)])])
}

fn document(options: &Options, body: Vec<Tag>) -> String {
    let mut out = String::new();
    if options.cgi {
        out.push_str("Content-Type: text/html\n\n");
    }
    let title = escape(options.title.as_deref().unwrap_or("Cluster Status"));
    out.push_str(&format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<title>{title}</title>\n\
         <meta charset=\"utf-8\">\n"
    ));
    if !options.once {
        let seconds = (options.interval_ms / 1000).max(1);
        out.push_str(&format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">\n"));
    }
    out.push_str(&format!("<style>{STYLE}</style>\n"));
    if let Some(uri) = &options.stylesheet {
        out.push_str(&format!("<link rel=\"stylesheet\" href=\"{}\">\n", escape(uri)));
    }
    out.push_str("</head>\n");
    write(&mut out, &tag("body", body), false);
    out.push_str("\n</html>\n");
    out
}

/// Writes a tag. Only what has several children spreads over lines, and nothing inside of a line
/// does, as libxml2 writes HTML.
fn write(out: &mut String, node: &Tag, more: bool) {
    let (name, class, inside) = match node {
        Tag::Text(text) => {
            out.push_str(&escape(text));
            return;
        }
        Tag::Tag { name, class, inside } => (name, class, inside),
    };
    let class = class.map_or(String::new(), |c| format!(" class=\"{c}\""));
    out.push_str(&format!("<{name}{class}>"));
    let spread = *name != "span" && inside.len() > 1;
    if spread {
        out.push('\n');
    }
    for (at, child) in inside.iter().enumerate() {
        write(out, child, at + 1 < inside.len());
    }
    if spread && !out.ends_with('\n') {
        out.push('\n');
    }
    out.push_str(&format!("</{name}>"));
    if more && *name != "span" {
        out.push('\n');
    }
}

fn section(scene: &Scene<'_>, title: &str, parts: &[Part]) -> Vec<Tag> {
    match title {
        "Cluster Summary" => parts.iter().map(fact).collect(),
        "Node List" if scene.options.by_node => parts.iter().map(grouped).collect(),
        "Node List" => nodes(scene),
        _ => parts.iter().map(item).collect(),
    }
}

/// A line of the summary.
fn fact(part: &Part) -> Tag {
    let Part::Item { id, text } = part else { return item(part) };
    let Some(id) = id else { return tag("li", vec![span(None, text)]) };
    let mut inside = vec![span(Some("bold"), &format!("{id}: "))];
    let text = text.trim_start();
    match text.split_once(" - partition ") {
        Some((dc, quorum)) => {
            let word = quorum.split(' ').next().unwrap_or_default();
            let class = (word != "with").then_some("warning");
            inside.push(span(None, &format!("{dc} -")));
            inside.push(span(None, " partition"));
            inside.push(span(class, &format!(" {word}")));
            inside.push(span(None, " quorum"));
        }
        None if text == "NONE" => inside.push(span(Some("warning"), text)),
        None => inside.push(span(None, text)),
    }
    tag("li", inside)
}

/// Every node with a line of its own.
fn nodes(scene: &Scene<'_>) -> Vec<Tag> {
    let shown = scene.cluster.node_order.iter().filter(|ix| scene.view.wants_node(**ix));
    let line = |ix| {
        let line = node_line(scene.cluster, &scene.view, ix);
        let (name, state) = named_state(&line);
        let mut inside = vec![span(Some("bold"), &format!("{name}:"))];
        inside.extend(state_spans(state));
        tag("li", inside)
    };
    shown.map(|ix| line(*ix)).collect()
}

/// `Node NAME: STATE` without the kind.
fn named_state(line: &str) -> (&str, &str) {
    let (head, state) = line.split_once(": ").unwrap_or((line, ""));
    (head.split_once(' ').map_or(head, |(_, name)| name), state)
}

fn state_spans(state: &str) -> Vec<Tag> {
    let (state, version) = match state.split_once(", feature set") {
        Some((state, version)) => (state, Some(format!(", feature set{version}"))),
        None => (state, None),
    };
    let (state, health) = match state.split_once(" (health is ") {
        Some((state, health)) => (state, Some(format!(" (health is {health}"))),
        None => (state, None),
    };
    // Pacemaker's page does not tell unclean nodes from others.
    let state = match state {
        "UNCLEAN (online)" => "online",
        "UNCLEAN (pending)" => "pending",
        "UNCLEAN (offline)" => "OFFLINE",
        state => state,
    };
    let class = match state {
        "online" => "online",
        s if s.starts_with("OFFLINE") => "offline",
        s if s.starts_with("maintenance") => "maint",
        _ => "standby",
    };
    let mut spans = vec![span(Some(class), &format!(" {state}"))];
    if let Some(health) = health {
        let class = if health.contains("RED") { "health_red" } else { "health_yellow" };
        spans.push(span(Some(class), &health));
    }
    spans.extend(version.map(|v| span(None, &v)));
    spans
}

/// A node and what runs on it.
fn grouped(part: &Part) -> Tag {
    let Part::List { title: Some(title), parts } = part else { return item(part) };
    let (name, state) = named_state(title);
    let mut inside = vec![span(None, "Status:")];
    inside.extend(state_spans(state));
    for part in parts {
        match part {
            Part::List { parts, .. } if parts.is_empty() => {}
            _ => inside.push(item(part)),
        }
    }
    tag("li", vec![of_text("h3", &format!("{name}:")), tag("ul", vec![tag("li", inside)])])
}

fn item(part: &Part) -> Tag {
    match part {
        Part::Space => Tag::Text(String::new()),
        Part::Line(text) => of_text("li", text),
        Part::Item { id: Some(id), text } => of_text("li", &format!("{id}: {text}")),
        Part::Item { id: None, text } => match class(text) {
            Some(class) => tag("li", vec![span(Some(class), text)]),
            None => of_text("li", text),
        },
        Part::List { title, parts } => {
            let list = tag("ul", parts.iter().map(item).collect());
            let heading = title.as_deref().map(|title| match title.strip_prefix("Node: ") {
                Some(node) => of_text("h3", &format!("{node}:")),
                None => of_text("h3", title),
            });
            tag("li", heading.into_iter().chain([list]).collect())
        }
    }
}

/// The colour of a line about a resource, by the words after the agent; other lines have none.
fn class(text: &str) -> Option<&'static str> {
    let mut columns = text.split('\t');
    let agent = columns.nth(1)?;
    let state = columns.next()?.trim_start();
    if !agent.starts_with('(') || state.starts_with("Active") {
        return None;
    }
    Some(match () {
        () if state.contains("unmanaged") || state.contains("blocked") => "rsc-managed",
        () if state.contains("FAILED") || state.starts_with("Stopped") => "rsc-failed",
        () if state.ends_with(" ]") => "rsc-multiple",
        () if state.contains("failure ignored") => "rsc-failure-ignored",
        () => "rsc-ok",
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
