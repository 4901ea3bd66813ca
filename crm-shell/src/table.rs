//! The one table of levels and commands: what dispatch, help, completion and the manual are made of.

use crate::language::Kind;
use crate::language::vocabulary::nearest;
use crate::levels::{
    assist, cib, cibstatus, cluster, configure, corosync, history, maintenance, navigate, node,
    options, ra, resource, root, script, site, template,
};
use crate::session::{Call, Outcome, Session};

/// A level of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The outermost.
    Root,
    /// Editing the configuration.
    Configure,
    /// Resources.
    Resource,
    /// Nodes.
    Node,
    /// The cluster as a whole.
    Cluster,
    /// Shadow CIBs.
    Cib,
    /// Agents.
    Ra,
    /// Settings of the shell.
    Options,
    /// Maintenance mode.
    Maintenance,
    /// Tickets of sites.
    Site,
    /// The configuration of the cluster's own communication.
    Corosync,
    /// The past.
    History,
    /// Wizards.
    Script,
    /// Wizards in steps.
    Template,
    /// A status to try things with.
    CibStatus,
    /// Help with larger changes.
    Assist,
}

impl Level {
    /// Every level.
    pub const ALL: &[Level] = &[
        Level::Root,
        Level::Configure,
        Level::Resource,
        Level::Node,
        Level::Cluster,
        Level::Cib,
        Level::Ra,
        Level::Options,
        Level::Maintenance,
        Level::Site,
        Level::Corosync,
        Level::History,
        Level::Script,
        Level::Template,
        Level::CibStatus,
        Level::Assist,
    ];

    /// Its name, as in the prompt.
    pub fn name(self) -> &'static str {
        match self {
            Level::Root => "",
            Level::Configure => "configure",
            Level::Resource => "resource",
            Level::Node => "node",
            Level::Cluster => "cluster",
            Level::Cib => "cib",
            Level::Ra => "ra",
            Level::Options => "options",
            Level::Maintenance => "maintenance",
            Level::Site => "site",
            Level::Corosync => "corosync",
            Level::History => "history",
            Level::Script => "script",
            Level::Template => "template",
            Level::CibStatus => "cibstatus",
            Level::Assist => "assist",
        }
    }

    /// The level of this name.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.iter().copied().find(|l| l.name() == name && !name.is_empty())
    }

    /// One line about it.
    pub fn about(self) -> &'static str {
        match self {
            Level::Root => "the crm shell",
            Level::Configure => "edit the configuration of the cluster",
            Level::Resource => "start, stop, move and look at resources",
            Level::Node => "standby, maintenance, fencing and attributes of nodes",
            Level::Cluster => "start, stop and check the cluster on this node",
            Level::Cib => "copies of the configuration to try things on",
            Level::Ra => "the agents of this machine and their parameters",
            Level::Options => "settings of this shell",
            Level::Maintenance => "leave resources alone while you work on them",
            Level::Site => "tickets that allow a site to run resources",
            Level::Corosync => "cluster.conf: nodes, ring and quorum",
            Level::History => "what has happened, and what the cluster thought then",
            Level::Script => "wizards: common configurations from a few values",
            Level::Template => "configurations from wizards, in steps",
            Level::CibStatus => "a status to try the configuration with",
            Level::Assist => "help with larger changes",
        }
    }

    /// Its own commands.
    pub fn commands(self) -> &'static [Command] {
        match self {
            Level::Root => root::COMMANDS,
            Level::Configure => configure::COMMANDS,
            Level::Resource => resource::COMMANDS,
            Level::Node => node::COMMANDS,
            Level::Cluster => cluster::COMMANDS,
            Level::Cib => cib::COMMANDS,
            Level::Ra => ra::COMMANDS,
            Level::Options => options::COMMANDS,
            Level::Maintenance => maintenance::COMMANDS,
            Level::Site => site::COMMANDS,
            Level::Corosync => corosync::COMMANDS,
            Level::History => history::COMMANDS,
            Level::Script => script::COMMANDS,
            Level::Template => template::COMMANDS,
            Level::CibStatus => cibstatus::COMMANDS,
            Level::Assist => assist::COMMANDS,
        }
    }
}

/// What a command does.
#[derive(Clone, Copy)]
pub enum Action {
    /// Runs.
    Run(fn(&mut Session, &Call<'_>) -> Outcome),
    /// Runs, and changes the level that the prompt is in.
    Navigate(fn(&mut Session, &Call<'_>) -> Outcome),
    /// Leads to another level.
    Level(Level),
    /// Cannot exist here; why.
    Absent(&'static str),
}

/// What an argument of a command is, for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Any object of the configuration.
    Object,
    /// A resource.
    Resource,
    /// A node.
    Node,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A file.
    File,
    /// An agent.
    Agent,
    /// A class of agents.
    Class,
    /// A cluster property.
    Property,
    /// A topic of the help.
    Topic,
    /// A shadow CIB.
    Shadow,
    /// A wizard.
    Wizard,
    /// A statement of the configuration language of this kind.
    Statement(Kind),
    /// Anything.
    Any,
}

/// An entry of the table.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Other names that are as good.
    pub aliases: &'static [&'static str],
    /// Names of old that still work, with a warning.
    pub old: &'static [&'static str],
    /// How it is called.
    pub usage: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// More about it.
    pub help: &'static str,
    /// The least and the greatest number of arguments.
    pub arguments: (usize, Option<usize>),
    /// What each argument is; the last one repeats.
    pub complete: &'static [Argument],
    /// What it does.
    pub action: Action,
}

impl Command {
    /// An entry with the defaults.
    pub const fn new(
        name: &'static str,
        usage: &'static str,
        about: &'static str,
        arguments: (usize, Option<usize>),
        complete: &'static [Argument],
        action: Action,
    ) -> Command {
        Command {
            name,
            aliases: &[],
            old: &[],
            usage,
            about,
            help: "",
            arguments,
            complete,
            action,
        }
    }

    /// The same entry with other names.
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Command {
        self.aliases = aliases;
        self
    }

    /// The same entry with names of old.
    pub const fn old(mut self, old: &'static [&'static str]) -> Command {
        self.old = old;
        self
    }

    /// The same entry with more help.
    pub const fn help(mut self, help: &'static str) -> Command {
        self.help = help;
        self
    }
}

/// Commands that every level has.
pub const EVERYWHERE: &[Command] = &[
    Command::new("help", "help [<topic>] [<command>]", "what a level or command does", (0, None), &[Argument::Topic], Action::Run(navigate::help))
        .aliases(&["?"])
        .help("Without arguments: the commands of this level. 'help topics' lists everything there is help for."),
    Command::new("ls", "ls", "list the levels and commands that can be used here", (0, Some(0)), &[], Action::Run(navigate::list)),
    Command::new("cd", "cd [<level>]", "go to another level: 'cd ..', 'cd ../resource', 'cd /node'", (0, Some(1)), &[Argument::Topic], Action::Navigate(navigate::change)),
    Command::new("up", "up", "go back to the level above", (0, Some(0)), &[], Action::Navigate(navigate::up))
        .aliases(&["back", ".."])
        .old(&["end"]),
    Command::new("quit", "quit", "leave the shell", (0, Some(0)), &[], Action::Navigate(navigate::quit))
        .aliases(&["exit", "bye"]),
];

/// The result of a look-up.
pub enum Found {
    /// It has this name, or a unique beginning of it.
    Exact(&'static Command),
    /// It had this name once.
    Old(&'static Command),
    /// Its letters are in this order in one name only; for people, never for batches.
    Guess(&'static Command),
    /// There is none, or there are several; names that come near.
    None(Vec<&'static str>),
}

/// Everything that can be used at a level.
pub fn available(level: Level) -> impl Iterator<Item = &'static Command> {
    level.commands().iter().chain(EVERYWHERE)
}

/// Looks a word up: exact, then a unique beginning, then (for people) letters in order.
pub fn find(level: Level, word: &str, guess: bool) -> Found {
    let lower = word.to_lowercase();
    for c in available(level) {
        if c.name == lower || c.aliases.contains(&lower.as_str()) {
            return Found::Exact(c);
        }
        if c.old.contains(&lower.as_str()) {
            return Found::Old(c);
        }
    }
    let beginning: Vec<&Command> =
        available(level).filter(|c| !lower.is_empty() && c.name.starts_with(&lower)).collect();
    match beginning.as_slice() {
        [one] => return Found::Exact(one),
        [] => {}
        several => return Found::None(several.iter().map(|c| c.name).collect()),
    }
    if guess {
        let fits: Vec<&Command> =
            available(level).filter(|c| is_subsequence(&lower, c.name)).collect();
        if let [one] = fits.as_slice() {
            return Found::Guess(one);
        }
    }
    Found::None(nearest(&lower, available(level).map(|c| c.name)).into_iter().collect())
}

fn is_subsequence(letters: &str, name: &str) -> bool {
    let mut rest = name.chars();
    !letters.is_empty() && letters.chars().all(|l| rest.any(|c| c == l))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_command_has_help() {
        for level in Level::ALL {
            let mut names: Vec<&str> = Vec::new();
            for c in available(*level) {
                assert!(!c.about.is_empty() && !c.usage.is_empty(), "{} {}", level.name(), c.name);
                assert!(c.usage.starts_with(c.name), "{} {}", level.name(), c.name);
                for name in std::iter::once(c.name)
                    .chain(c.aliases.iter().copied())
                    .chain(c.old.iter().copied())
                {
                    assert!(!names.contains(&name), "{} {name} is there twice", level.name());
                    names.push(name);
                }
            }
        }
    }

    #[test]
    fn beginnings_are_accepted_and_guesses_only_for_people() {
        assert!(
            matches!(find(Level::Configure, "prim", false), Found::Exact(c) if c.name == "primitive")
        );
        assert!(
            matches!(find(Level::Configure, "primitve", false), Found::None(n) if n == ["primitive"])
        );
        assert!(matches!(find(Level::Configure, "primitve", true), Found::Guess(_)));
        assert!(matches!(find(Level::Configure, "e", false), Found::None(n) if n.len() > 1));
        assert!(
            matches!(find(Level::Root, "cfg", false), Found::Exact(c) if c.name == "configure")
        );
    }
}
