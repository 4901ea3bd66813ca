//! The display as a page: the text's lists as lists of HTML.

use super::{Scene, text};
use crate::render::report::Part;

const STYLE: &str = ".bold { font-weight: bold }\n\
    .online { color: green }\n\
    .offline { color: red }\n\
    .maint { color: blue }\n\
    .standby { color: blue }\n\
    .rsc-failed { color: red }\n\
    .rsc-ok { color: green }";

/// A complete page.
pub fn page(scene: &Scene<'_>) -> String {
    let options = scene.options;
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
    out.push_str("</head>\n<body>\n");
    for part in text::parts(scene) {
        write(&mut out, &part, 0);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn write(out: &mut String, part: &Part, depth: usize) {
    match part {
        Part::Space => {}
        Part::Line(text) => out.push_str(&format!("<p class=\"bold\">{}</p>\n", escape(text))),
        Part::Item { id, text } => {
            let class = class(id.as_deref(), text);
            let text = escape(text);
            let span = match class {
                Some(class) => format!("<span class=\"{class}\">{text}</span>"),
                None => format!("<span>{text}</span>"),
            };
            let id = id.as_ref().map_or(String::new(), |id| {
                format!("<span class=\"bold\">{}: </span>", escape(id))
            });
            out.push_str(&format!("<li>{id}{span}</li>\n"));
        }
        Part::List { title, parts } => {
            let level = if depth == 0 { 2 } else { 3 };
            if depth > 0 {
                out.push_str("<li>\n");
            }
            if let Some(title) = title {
                out.push_str(&format!("<h{level}>{}</h{level}>\n", escape(title)));
            }
            out.push_str("<ul>\n");
            for part in parts {
                write(out, part, depth + 1);
            }
            out.push_str("</ul>\n");
            if depth > 0 {
                out.push_str("</li>\n");
            }
        }
    }
}

/// The colour of a line: nodes by their title, resources by the word after the agent.
fn class(id: Option<&str>, text: &str) -> Option<&'static str> {
    match id {
        Some("Online" | "RemoteOnline" | "GuestOnline") => return Some("online"),
        Some("OFFLINE" | "RemoteOFFLINE") => return Some("offline"),
        Some(_) | None => {}
    }
    let state = text.split('\t').nth(2)?.trim_start();
    if state.contains("FAILED") {
        Some("rsc-failed")
    } else if state.starts_with("Stopped") {
        None
    } else {
        Some("rsc-ok")
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
