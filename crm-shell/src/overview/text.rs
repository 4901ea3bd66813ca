//! The overview as text: aligned columns when piped, tables with colours on a terminal.

use comfy_table::{
    Attribute, Cell, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, Width, presets,
};

use super::{Happening, Overview, ResourceRow, StepState, Trouble};
use crate::render::status::{ago, ctime};

/// How it is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Colours and lines.
    pub fancy: bool,
    /// Columns of the terminal; lines are not broken without one.
    pub width: Option<u16>,
}

/// The whole overview, trouble first.
pub fn text(overview: &Overview, look: Look) -> String {
    let mut out = headline(overview, look);
    troubles(overview, look, &mut out);
    if !overview.plan.steps.is_empty() && overview.busy != Some(false) {
        section("Under way or due", look, &mut out);
        for step in &overview.plan.steps {
            let mark = match step.state {
                StepState::Running => ">",
                StepState::Waiting => "-",
                StepState::Blocked => "!",
            };
            let reason = step.reason.as_ref().map_or(String::new(), |r| format!("  ({r})"));
            out.push_str(&format!("  {}{mark} {}{reason}\n", "  ".repeat(step.depth), step.text));
        }
        if overview.plan.more > 0 {
            out.push_str(&format!("  ... and {} more\n", overview.plan.more));
        }
    }
    nodes(overview, look, &mut out);
    resources(overview, look, &mut out);
    if !overview.tickets.is_empty() {
        section("Tickets", look, &mut out);
        for ticket in &overview.tickets {
            out.push_str(&format!("  {}  {}\n", ticket.name, ticket.state));
        }
    }
    if !overview.leftovers.is_empty() {
        section("Left by 'resource move' and 'ban'", look, &mut out);
        for left in &overview.leftovers {
            out.push_str(&format!("  {left}\n"));
        }
    }
    if !overview.recent.is_empty() {
        section("Last", look, &mut out);
        out.push_str(&recent(&overview.recent, overview.time, look));
    }
    out
}

fn headline(overview: &Overview, look: Look) -> String {
    let name = if overview.cluster.is_empty() {
        "Cluster".to_string()
    } else {
        format!("Cluster {}", overview.cluster)
    };
    let online = overview.nodes.iter().filter(|n| n.available).count();
    let nodes = format!("{online} of {} nodes available", overview.nodes.len());
    let quorum = match overview.quorate {
        Some(true) => ", with quorum",
        Some(false) => ", WITHOUT quorum",
        None => "",
    };
    let dc = overview
        .coordinator
        .as_ref()
        .map_or_else(|| ", no coordinator".to_string(), |dc| format!(", coordinator {dc}"));
    let line = format!("{name}: {nodes}{quorum}{dc}; {}", ctime(overview.time));
    paint(&line, "1", look) + "\n"
}

fn troubles(overview: &Overview, look: Look, out: &mut String) {
    if overview.troubles.is_empty() {
        out.push_str(&format!("{}\n", paint("No trouble.", "32", look)));
        return;
    }
    out.push_str(&format!("\n{}\n", paint("Trouble:", "1;31", look)));
    for Trouble { text, help } in &overview.troubles {
        out.push_str(&format!("  * {}\n", paint(text, "31", look)));
        if let Some(help) = help {
            out.push_str(&format!("      {help}\n"));
        }
    }
}

fn nodes(overview: &Overview, look: Look, out: &mut String) {
    section("Nodes", look, out);
    let mut table = table(look, &["node", "state", "since", "runs"]);
    for node in &overview.nodes {
        let why = node.why.as_ref().map_or(String::new(), |w| format!(": {w}"));
        let dc = if node.coordinator { " (coordinator)" } else { "" };
        let colour = match () {
            () if node.state.contains("UNCLEAN") => Color::Red,
            () if node.available => Color::Green,
            () => Color::Yellow,
        };
        let runs = if node.runs.is_empty() { "-".to_string() } else { node.runs.join(" ") };
        table.add_row(vec![
            Cell::new(&node.name),
            Cell::new(format!("{}{why}{dc}", node.state)).fg(colour),
            Cell::new(node.since.map_or(String::new(), |t| ago(t, overview.time))),
            Cell::new(runs),
        ]);
    }
    out.push_str(&finished(&table));
}

fn resources(overview: &Overview, look: Look, out: &mut String) {
    section("Resources", look, out);
    if overview.resources.is_empty() {
        out.push_str("  none\n");
        return;
    }
    let mut table = table(look, &["resource", "state", "where", "since", ""]);
    for row in &overview.resources {
        table.add_row(vec![
            Cell::new(format!("{}{}", "  ".repeat(row.depth), row.name)),
            Cell::new(&row.state).fg(colour(row)),
            Cell::new(places(row)),
            Cell::new(since(row, overview.time)),
            Cell::new(remark(row)),
        ]);
    }
    out.push_str(&finished(&table));
}

/// What stands in the last column: the agent or kind, and notes.
fn remark(row: &ResourceRow) -> String {
    let mut text = row.kind.clone();
    if !row.notes.is_empty() {
        text.push_str(&format!(" ({})", row.notes.join(", ")));
    }
    text
}

fn colour(row: &ResourceRow) -> Color {
    match () {
        () if row.trouble => Color::Red,
        () if row.places.is_empty() || !row.notes.is_empty() => Color::Yellow,
        () => Color::Green,
    }
}

/// Where a resource runs; the role is said where it is more than running.
pub fn places(row: &ResourceRow) -> String {
    if row.places.is_empty() {
        return "-".into();
    }
    let place = |p: &super::Place| match p.role {
        "Promoted" if row.state != "Promoted" => format!("{} (promoted)", p.node),
        _ => p.node.clone(),
    };
    row.places.iter().map(place).collect::<Vec<_>>().join(" ")
}

/// Since when the whole of it runs.
pub fn since(row: &ResourceRow, now: i64) -> String {
    row.places.iter().filter_map(|p| p.since).max().map_or(String::new(), |t| ago(t, now))
}

fn recent(all: &[Happening], now: i64, look: Look) -> String {
    let mut out = String::new();
    for happening in all {
        let line = format!(
            "  {:>9} ago  {}{}",
            ago(happening.time, now),
            happening.text,
            if happening.node.is_empty() {
                String::new()
            } else {
                format!("  [{}]", happening.node)
            }
        );
        let line = if happening.failed { paint(&line, "31", look) } else { line };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

fn section(title: &str, look: Look, out: &mut String) {
    out.push_str(&format!("\n{}\n", paint(&format!("{title}:"), "1", look)));
}

fn paint(text: &str, code: &str, look: Look) -> String {
    if look.fancy { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
}

fn table(look: Look, titles: &[&str]) -> Table {
    let mut table = Table::new();
    let line = LineStyle::new('─', '─', '─', '─');
    let lined = presets::NOTHING.header_separator(line);
    table.load_style(if look.fancy { lined } else { presets::NOTHING });
    let header: Vec<Cell> =
        titles.iter().map(|t| Cell::new(t).add_attribute(Attribute::Dim)).collect();
    table.set_header(header);
    if look.fancy {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    match look.width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width - 1);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    if let Some(first) = table.column_mut(0) {
        first.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(8)));
    }
    table
}

/// The table, indented.
fn finished(table: &Table) -> String {
    table.lines().map(|line| format!(" {}\n", line.trim_end())).collect()
}
