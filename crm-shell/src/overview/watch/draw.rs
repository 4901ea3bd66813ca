//! The screen of a model.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Block, Cell, Clear, List, ListItem, ListState, Paragraph, Row, Table, TableState, Wrap,
};

use super::{Dialog, Model, Pane};
use crate::overview::text::{places, since};
use crate::overview::{Overview, StepState};
use crate::render::status::{ago, ctime};

/// Draws everything.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let overview = &model.overview;
    let wrapped: usize = overview
        .troubles
        .iter()
        .map(|t| 1 + t.text.len() / usize::from(frame.area().width.max(20)))
        .sum();
    let troubles = if wrapped == 0 { 0 } else { u16::try_from(wrapped + 2).unwrap_or(8).min(8) };
    let nodes = u16::try_from(overview.nodes.len() + 3).unwrap_or(12).min(12);
    let [head, trouble, nodes, resources, bottom, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(troubles),
        Constraint::Length(nodes),
        Constraint::Min(5),
        Constraint::Length(9),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let [plan, recent] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(bottom);
    headline(model, frame, head);
    if troubles > 0 {
        let lines: Vec<Line<'_>> =
            overview.troubles.iter().map(|t| Line::styled(t.text.clone(), red())).collect();
        let block = Block::bordered().title("Trouble").border_style(red());
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), trouble);
    }
    node_table(model, frame, nodes);
    resource_table(model, frame, resources);
    steps(overview, frame, plan);
    happenings(overview, frame, recent);
    footer(model, frame, foot);
    match &model.dialog {
        None => {}
        Some(Dialog::Text { title, text, above }) => {
            let area = window(frame.area(), 90, 80);
            let block = Block::bordered().title(title.clone()).title_bottom("any key closes");
            let text = Paragraph::new(text.clone()).wrap(Wrap { trim: false }).scroll((*above, 0));
            frame.render_widget(Clear, area);
            frame.render_widget(text.block(block), area);
        }
        Some(Dialog::Confirm { words }) => {
            let area = fixed(frame.area(), 60, 4);
            let text = format!("crm {}\ny: do it   any other key: leave it", words.join(" "));
            let block =
                Block::bordered().title("Sure?").border_style(Style::new().fg(Color::Yellow));
            frame.render_widget(Clear, area);
            frame.render_widget(Paragraph::new(text).block(block), area);
        }
        Some(Dialog::Choose { words, nodes, at }) => {
            let height = u16::try_from(nodes.len() + 2).unwrap_or(12).min(12);
            let area = fixed(frame.area(), 60, height);
            let items = nodes.iter().map(|n| ListItem::new(n.clone()));
            let block = Block::bordered().title(format!("crm {} where?", words.join(" ")));
            let list = List::new(items).highlight_style(reversed()).block(block);
            let mut state = ListState::default().with_selected(Some(*at));
            frame.render_widget(Clear, area);
            frame.render_stateful_widget(list, area, &mut state);
        }
    }
}

fn red() -> Style {
    Style::new().fg(Color::Red)
}

fn reversed() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// A part of the screen in its middle, in percent.
fn window(area: Rect, width: u16, height: u16) -> Rect {
    let part = |whole: u16, percent: u16| {
        u16::try_from(u32::from(whole) * u32::from(percent) / 100).unwrap_or(whole)
    };
    fixed(area, part(area.width, width), part(area.height, height))
}

fn fixed(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    Rect { x, y, width, height }
}

fn headline(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let overview = &model.overview;
    let name = if overview.cluster.is_empty() { "cluster" } else { &overview.cluster };
    let quorum = match overview.quorate {
        Some(false) => Span::styled("NO QUORUM", red()),
        Some(true) => Span::raw("quorum"),
        None => Span::raw(""),
    };
    let dc = overview.coordinator.as_deref().unwrap_or("none");
    let mut spans = vec![
        Span::styled(format!("{name}  "), Style::new().add_modifier(Modifier::BOLD)),
        quorum,
        Span::raw(format!("  coordinator {dc}  {}", ctime(overview.time))),
    ];
    if let Some(why) = &model.missed {
        spans.push(Span::styled(format!("  OLD: {why}"), red()));
    }
    frame.render_widget(Line::from(spans), area);
}

fn pane_block(title: &'static str, active: bool) -> Block<'static> {
    let style = if active { Style::new().fg(Color::Cyan) } else { Style::new() };
    Block::bordered().title(title).border_style(style)
}

fn name_style(model: &Model, name: &str) -> Style {
    if model.is_changed(name) {
        Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    } else {
        Style::new()
    }
}

fn node_table(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let rows = model.overview.nodes.iter().map(|node| {
        let why = node.why.as_ref().map_or(String::new(), |w| format!(": {w}"));
        let dc = if node.coordinator { " *" } else { "" };
        let colour = match () {
            () if node.state.contains("UNCLEAN") => Color::Red,
            () if node.available => Color::Green,
            () => Color::Yellow,
        };
        Row::new(vec![
            Cell::new(format!("{}{dc}", node.name)).style(name_style(model, &node.name)),
            Cell::new(format!("{}{why}", node.state)).style(Style::new().fg(colour)),
            Cell::new(node.since.map_or(String::new(), |t| ago(t, model.overview.time))),
            Cell::new(node.runs.join(" ")),
        ])
    });
    let widths =
        [Constraint::Max(16), Constraint::Fill(2), Constraint::Length(7), Constraint::Fill(1)];
    let active = model.pane == Pane::Nodes;
    let mut table = Table::new(rows, widths)
        .header(Row::new(["node", "state", "since", "runs"]).style(dim()))
        .block(pane_block("Nodes", active));
    if active {
        table = table.row_highlight_style(reversed());
    }
    let mut state = TableState::default().with_selected(Some(model.at.0));
    frame.render_stateful_widget(table, area, &mut state);
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn resource_table(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let now = model.overview.time;
    let rows = model.overview.resources.iter().map(|row| {
        let colour = match () {
            () if row.trouble => Color::Red,
            () if row.places.is_empty() || !row.notes.is_empty() => Color::Yellow,
            () => Color::Green,
        };
        let name = format!("{}{}", "  ".repeat(row.depth), row.name);
        let notes = if row.notes.is_empty() { row.kind.clone() } else { row.notes.join(", ") };
        Row::new(vec![
            Cell::new(name).style(name_style(model, &row.name)),
            Cell::new(row.state.clone()).style(Style::new().fg(colour)),
            Cell::new(places(row)),
            Cell::new(since(row, now)),
            Cell::new(notes),
        ])
    });
    let widths = [
        Constraint::Fill(2),
        Constraint::Length(11),
        Constraint::Fill(2),
        Constraint::Length(8),
        Constraint::Fill(2),
    ];
    let active = model.pane == Pane::Resources;
    let mut table = Table::new(rows, widths)
        .header(Row::new(["resource", "state", "where", "since", ""]).style(dim()))
        .block(pane_block("Resources", active));
    if active {
        table = table.row_highlight_style(reversed());
    }
    let mut state = TableState::default().with_selected(Some(model.at.1));
    frame.render_stateful_widget(table, area, &mut state);
}

fn steps(overview: &Overview, frame: &mut Frame<'_>, area: Rect) {
    let title = match (overview.busy, overview.plan.steps.is_empty()) {
        (Some(true), _) => "Transition",
        (_, false) => "Due",
        (_, true) => "Idle",
    };
    let line = |step: &crate::overview::Step| {
        let (mark, style) = match step.state {
            StepState::Running => ("▶", Style::new().fg(Color::Cyan)),
            StepState::Waiting => ("·", Style::new()),
            StepState::Blocked => ("!", red()),
        };
        Line::styled(format!("{}{mark} {}", "  ".repeat(step.depth), step.text), style)
    };
    let lines: Vec<Line<'_>> = overview.plan.steps.iter().map(line).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), area);
}

fn happenings(overview: &Overview, frame: &mut Frame<'_>, area: Rect) {
    let line = |h: &crate::overview::Happening| {
        let style = if h.failed { red() } else { Style::new() };
        let node = if h.node.is_empty() { String::new() } else { format!(" [{}]", h.node) };
        Line::styled(format!("{:>8}  {}{node}", ago(h.time, overview.time), h.text), style)
    };
    let lines: Vec<Line<'_>> = overview.recent.iter().map(line).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title("Last")), area);
}

fn footer(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let line = match &model.said {
        Some((text, failed)) => {
            let style = if *failed { red() } else { Style::new().fg(Color::Green) };
            Line::styled(text.lines().next().unwrap_or_default().to_string(), style)
        }
        None => Line::styled(model.keys(), dim()),
    };
    frame.render_widget(line, area);
}
