//! `status --watch`: the overview as a live screen with keys to act. The model takes overviews and
//! keys and asks for commands; drawing is a function of it; the driver owns terminal and session.

mod draw;
mod driver;

use std::collections::BTreeMap;

pub use draw::draw;
pub use driver::run;

use super::Overview;

/// For how many looks a change stays marked.
const MARKED: u8 = 6;

/// A key, as far as it means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// The other list.
    Tab,
    /// Agree, or choose.
    Enter,
    /// Close what is open.
    Escape,
}

/// What the driver is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// End.
    Quit,
    /// Carry out a command of the shell and give back what it says.
    Run(Vec<String>),
}

/// The list that the keys are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// Nodes.
    Nodes,
    /// Resources.
    Resources,
}

/// What lies over the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialog {
    /// Something to read.
    Text {
        /// What it is.
        title: String,
        /// Its lines.
        text: String,
        /// How many lines are above the window.
        above: u16,
    },
    /// A command that changes something; nothing is done before it is confirmed.
    Confirm {
        /// The words of the command.
        words: Vec<String>,
    },
    /// A node to choose as the last word of a command.
    Choose {
        /// The words so far.
        words: Vec<String>,
        /// The nodes.
        nodes: Vec<String>,
        /// The one that is marked.
        at: usize,
    },
}

/// Everything on the screen.
pub struct Model {
    /// The last look.
    pub overview: Overview,
    /// Which list has the keys.
    pub pane: Pane,
    /// The marked line of each list.
    pub at: (usize, usize),
    /// What is open.
    pub dialog: Option<Dialog>,
    /// The line at the bottom; true if it tells of a failure.
    pub said: Option<(String, bool)>,
    /// Why the last look failed, if it did.
    pub missed: Option<String>,
    /// Lines that changed, and for how many looks they stay marked.
    changed: BTreeMap<String, u8>,
}

/// An action that a key stands for.
struct Binding {
    key: char,
    about: &'static str,
    pane: Pane,
    /// The command; the name of the marked line goes where `{}` stands.
    words: &'static [&'static str],
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shows,
    Changes,
    WantsNode,
}

const fn binding(
    key: char,
    about: &'static str,
    pane: Pane,
    words: &'static [&'static str],
    kind: Kind,
) -> Binding {
    Binding { key, about, pane, words, kind }
}

const BINDINGS: &[Binding] = &[
    binding('s', "standby", Pane::Nodes, &["node", "standby", "{}"], Kind::Changes),
    binding('o', "online", Pane::Nodes, &["node", "online", "{}"], Kind::Changes),
    binding('m', "maintenance", Pane::Nodes, &["node", "maintenance", "{}"], Kind::Changes),
    binding('r', "ready", Pane::Nodes, &["node", "ready", "{}"], Kind::Changes),
    binding('f', "fence", Pane::Nodes, &["node", "fence", "{}"], Kind::Changes),
    binding('w', "why", Pane::Nodes, &["why", "{}"], Kind::Shows),
    binding('c', "clean up", Pane::Resources, &["resource", "cleanup", "{}"], Kind::Changes),
    binding('m', "move", Pane::Resources, &["resource", "move", "{}"], Kind::WantsNode),
    binding('u', "undo moves", Pane::Resources, &["resource", "clear", "{}"], Kind::Changes),
    binding('s', "start", Pane::Resources, &["resource", "start", "{}"], Kind::Changes),
    binding('x', "stop", Pane::Resources, &["resource", "stop", "{}"], Kind::Changes),
    binding('r', "restart", Pane::Resources, &["resource", "restart", "{}"], Kind::Changes),
    binding('w', "why", Pane::Resources, &["why", "{}"], Kind::Shows),
];

impl Model {
    /// The screen at the beginning.
    pub fn new(overview: Overview) -> Model {
        Model {
            overview,
            pane: Pane::Resources,
            at: (0, 0),
            dialog: None,
            said: None,
            missed: None,
            changed: BTreeMap::new(),
        }
    }

    /// Takes a new look; what differs from the last one is marked for a while.
    pub fn look(&mut self, overview: Overview) {
        self.changed.retain(|_, left| {
            *left -= 1;
            *left > 0
        });
        for node in &overview.nodes {
            let was = self.overview.nodes.iter().find(|n| n.name == node.name);
            if was.is_none_or(|w| w.state != node.state) {
                self.changed.insert(node.name.clone(), MARKED);
            }
        }
        for row in &overview.resources {
            let was = self.overview.resources.iter().find(|r| r.name == row.name);
            let place = |r: &super::ResourceRow| (r.state.clone(), super::text::places(r));
            if was.is_none_or(|w| place(w) != place(row)) {
                self.changed.insert(row.name.clone(), MARKED);
            }
        }
        self.overview = overview;
        self.missed = None;
        self.at.0 = self.at.0.min(self.overview.nodes.len().saturating_sub(1));
        self.at.1 = self.at.1.min(self.overview.resources.len().saturating_sub(1));
    }

    /// A look failed; what is on the screen stays and is marked as old.
    pub fn missed(&mut self, why: String) {
        self.missed = Some(why);
    }

    /// What a command said.
    pub fn answered(&mut self, words: &[String], said: &str, failed: bool) {
        let shows = BINDINGS.iter().any(|b| b.kind == Kind::Shows && words.starts_with(&first(b)));
        if shows || said.trim().lines().count() > 1 {
            let title = words.join(" ");
            self.dialog = Some(Dialog::Text { title, text: said.trim_end().to_string(), above: 0 });
        } else {
            let text = if said.trim().is_empty() { "done" } else { said.trim() };
            self.said = Some((format!("{}: {text}", words.join(" ")), failed));
        }
    }

    /// Whether the line of this name changed a moment ago.
    pub fn is_changed(&self, name: &str) -> bool {
        self.changed.contains_key(name)
    }

    /// The keys of the list that has them, for the line at the bottom.
    pub fn keys(&self) -> String {
        let mut out = String::new();
        for b in BINDINGS.iter().filter(|b| b.pane == self.pane) {
            out.push_str(&format!("{} {}  ", b.key, b.about));
        }
        out.push_str("Tab other list  q quit");
        out
    }

    /// A key was pressed.
    pub fn key(&mut self, key: Key) -> Option<Request> {
        if let Some(dialog) = self.dialog.take() {
            return self.key_in(dialog, key);
        }
        self.said = None;
        match key {
            Key::Char('q') => return Some(Request::Quit),
            Key::Tab => {
                self.pane = match self.pane {
                    Pane::Nodes => Pane::Resources,
                    Pane::Resources => Pane::Nodes,
                };
            }
            Key::Up | Key::Char('k') => self.step(false),
            Key::Down | Key::Char('j') => self.step(true),
            Key::Char(letter) => return self.letter(letter),
            Key::Enter => return self.letter('w'),
            Key::Escape => {}
        }
        None
    }

    fn step(&mut self, down: bool) {
        let (at, count) = match self.pane {
            Pane::Nodes => (&mut self.at.0, self.overview.nodes.len()),
            Pane::Resources => (&mut self.at.1, self.overview.resources.len()),
        };
        *at = if down { (*at + 1).min(count.saturating_sub(1)) } else { at.saturating_sub(1) };
    }

    fn marked(&self) -> Option<&str> {
        match self.pane {
            Pane::Nodes => self.overview.nodes.get(self.at.0).map(|n| n.name.as_str()),
            Pane::Resources => self.overview.resources.get(self.at.1).map(|r| r.name.as_str()),
        }
    }

    fn letter(&mut self, letter: char) -> Option<Request> {
        let binding = BINDINGS.iter().find(|b| b.pane == self.pane && b.key == letter)?;
        let name = self.marked()?.to_string();
        let words: Vec<String> = binding.words.iter().map(|w| w.replace("{}", &name)).collect();
        match binding.kind {
            Kind::Shows => return Some(Request::Run(words)),
            Kind::Changes => self.dialog = Some(Dialog::Confirm { words }),
            Kind::WantsNode => {
                let nodes: Vec<String> = self
                    .overview
                    .nodes
                    .iter()
                    .filter(|n| n.available && !self.runs_on(&name, &n.name))
                    .map(|n| n.name.clone())
                    .collect();
                if nodes.is_empty() {
                    self.said = Some((format!("there is no other node for {name}"), true));
                } else {
                    self.dialog = Some(Dialog::Choose { words, nodes, at: 0 });
                }
            }
        }
        None
    }

    fn runs_on(&self, resource: &str, node: &str) -> bool {
        let row = self.overview.resources.iter().find(|r| r.name == resource);
        row.is_some_and(|r| r.places.len() == 1 && r.places[0].node == node)
    }

    fn key_in(&mut self, dialog: Dialog, key: Key) -> Option<Request> {
        match (dialog, key) {
            (_, Key::Escape | Key::Char('q')) => {}
            (Dialog::Text { title, text, above }, Key::Up | Key::Char('k')) => {
                self.dialog = Some(Dialog::Text { title, text, above: above.saturating_sub(1) });
            }
            (Dialog::Text { title, text, above }, Key::Down | Key::Char('j')) => {
                let last = u16::try_from(text.lines().count()).unwrap_or(u16::MAX);
                let above = above.saturating_add(1).min(last.saturating_sub(1));
                self.dialog = Some(Dialog::Text { title, text, above });
            }
            (Dialog::Text { .. }, _) => {}
            (Dialog::Confirm { words }, Key::Char('y')) => return Some(Request::Run(words)),
            // Anything but a clear yes is a no.
            (Dialog::Confirm { .. }, _) => self.said = Some(("nothing was done".into(), false)),
            (Dialog::Choose { words, nodes, at }, Key::Up | Key::Char('k')) => {
                self.dialog = Some(Dialog::Choose { words, nodes, at: at.saturating_sub(1) });
            }
            (Dialog::Choose { words, nodes, at }, Key::Down | Key::Char('j')) => {
                let at = (at + 1).min(nodes.len().saturating_sub(1));
                self.dialog = Some(Dialog::Choose { words, nodes, at });
            }
            (Dialog::Choose { mut words, nodes, at }, Key::Enter) => {
                words.extend(nodes.get(at).cloned());
                self.dialog = Some(Dialog::Confirm { words });
            }
            (Dialog::Choose { words, nodes, at }, _) => {
                self.dialog = Some(Dialog::Choose { words, nodes, at });
            }
        }
        None
    }
}

/// The words of a binding before the name.
fn first(binding: &Binding) -> Vec<String> {
    binding.words.iter().take_while(|w| **w != "{}").map(|w| w.to_string()).collect()
}

#[cfg(test)]
mod tests;
