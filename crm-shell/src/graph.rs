//! The configuration as a graph in DOT: resources, containers, orders and location preferences.

use crm_core::cib::Element;
use layout::gv::parser::ast::Stmt;

use crate::configuration::Configuration;
use crate::language::{Kind, agent, is_member};

/// DOT text.
pub fn dot(configuration: &Configuration) -> String {
    let mut out = String::from(
        "digraph \"configuration\" {\n  compound=true;\n  node [shape=box, style=\"rounded,filled\", fillcolor=\"#e4e5e6\"];\n",
    );
    for object in configuration.objects() {
        match object.kind {
            Kind::Node => {
                let name = object.element.attr("uname").unwrap_or(object.id);
                out.push_str(&format!(
                    "  {} [shape=box, style=bold, color=\"#7ac142\"];\n",
                    quoted(name)
                ));
            }
            Kind::Primitive if object.parent.is_none_or(|p| p.name() != "group") => {
                out.push_str(&primitive(configuration, object.element, "  "));
            }
            Kind::Group => {
                out.push_str(&format!(
                    "  subgraph {} {{\n    label={};\n",
                    quoted(&format!("cluster_{}", object.id)),
                    quoted(object.id)
                ));
                for member in object.element.children().filter(|c| is_member(c)) {
                    out.push_str(&primitive(configuration, member, "    "));
                }
                out.push_str("  }\n");
            }
            Kind::Order => order(configuration, object.element, &mut out),
            Kind::Location => {
                if let (Some(node), Some(rsc)) =
                    (object.element.attr("node"), object.element.attr("rsc"))
                {
                    let score = object.element.attr("score").unwrap_or_default();
                    out.push_str(&format!(
                        "  {} -> {} [style=dashed, dir=none, label={}];\n",
                        quoted(node),
                        quoted(&first_of(configuration, rsc)),
                        quoted(score)
                    ));
                }
            }
            _ => {}
        }
    }
    out.push_str("}\n");
    out
}

fn primitive(configuration: &Configuration, e: &Element, pad: &str) -> String {
    let resolved = configuration.resolved(e).unwrap_or_else(|| e.clone());
    let id = e.id().unwrap_or_default();
    let style = if resolved.attr("class") == Some("stonith") { ", style=dashed" } else { "" };
    format!(
        "{pad}{} [label={}{style}];\n",
        quoted(id),
        quoted(&format!("{id}\n{}", agent(&resolved)))
    )
}

fn order(configuration: &Configuration, e: &Element, out: &mut String) {
    let mut chain: Vec<Vec<String>> = Vec::new();
    if let (Some(first), Some(then)) = (e.attr("first"), e.attr("then")) {
        chain = vec![vec![last_of(configuration, first)], vec![first_of(configuration, then)]];
    }
    for set in e.children().filter(|c| c.name() == "resource_set") {
        let members: Vec<String> =
            set.children().filter_map(Element::id).map(str::to_string).collect();
        if set.attr("sequential") == Some("false") {
            chain.push(members);
        } else {
            chain.extend(members.into_iter().map(|m| vec![m]));
        }
    }
    let label =
        e.attr("kind").filter(|k| *k != "Mandatory").map(|k| format!(" [label={}]", quoted(k)));
    for pair in chain.windows(2) {
        for a in &pair[0] {
            for b in &pair[1] {
                out.push_str(&format!(
                    "  {} -> {}{};\n",
                    quoted(a),
                    quoted(b),
                    label.as_deref().unwrap_or_default()
                ));
            }
        }
    }
}

fn leaf(configuration: &Configuration, id: &str, last: bool) -> String {
    let Some(object) = configuration.find_resource(id) else { return id.to_string() };
    let mut members = object.element.children().filter(|c| is_member(c));
    let inner = if last { members.next_back() } else { members.next() };
    match inner.and_then(Element::id) {
        Some(inner) => leaf(configuration, inner, last),
        None => id.to_string(),
    }
}

fn first_of(configuration: &Configuration, id: &str) -> String {
    leaf(configuration, id, false)
}

fn last_of(configuration: &Configuration, id: &str) -> String {
    leaf(configuration, id, true)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A graph in DOT as SVG, without Graphviz.
///
/// # Errors
/// The text is no graph, or one that cannot be laid out.
pub fn svg(dot: &str) -> Result<String, String> {
    let mut parser = layout::gv::DotParser::new(dot);
    let graph = parser.process().map_err(|e| format!("the graph cannot be read: {e}"))?;
    let mut writer = layout::backends::svg::SVGWriter::new();
    if !graph.list.list.iter().any(|s| !matches!(s, Stmt::Attribute(_))) {
        return Ok(writer.finalize());
    }
    // The library gives up on graphs that it did not foresee by panicking.
    let draw = move || {
        let mut builder = layout::gv::GraphBuilder::new();
        builder.visit_graph(&graph);
        builder.get().do_it(false, false, false, &mut writer);
        writer.finalize()
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(draw))
        .map_err(|_| "the graph cannot be laid out; take it as dot".to_string())
}
