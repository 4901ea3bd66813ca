//! Which sections `crm_mon` shows (O-122).

use std::collections::BTreeSet;

/// One section, or one part of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Node attributes.
    Attributes,
    /// Location constraints that forbid something.
    Bans,
    /// How many nodes and resources.
    Counts,
    /// The coordinator.
    Dc,
    /// Fail counts.
    Failcounts,
    /// Failed operations.
    Failures,
    /// Failed fencing.
    FencingFailed,
    /// Fencing under way.
    FencingPending,
    /// Fencing that succeeded.
    FencingSucceeded,
    /// The maintenance notice.
    MaintMode,
    /// The nodes.
    Nodes,
    /// Operations.
    Operations,
    /// Cluster options.
    Options,
    /// The resources.
    Resources,
    /// The cluster stack.
    Stack,
    /// The tickets.
    Tickets,
    /// When.
    Times,
}

use Section::{
    Attributes, Bans, Counts, Dc, Failcounts, Failures, FencingFailed, FencingPending,
    FencingSucceeded, MaintMode, Nodes, Operations, Options, Resources, Stack, Tickets, Times,
};

const NAMES: &[(&str, &[Section])] = &[
    ("attributes", &[Attributes]),
    ("bans", &[Bans]),
    ("counts", &[Counts]),
    ("dc", &[Dc]),
    ("failcounts", &[Failcounts]),
    ("failures", &[Failures]),
    ("fencing", &[FencingFailed, FencingPending, FencingSucceeded]),
    ("fencing-failed", &[FencingFailed]),
    ("fencing-pending", &[FencingPending]),
    ("fencing-succeeded", &[FencingSucceeded]),
    ("maint-mode", &[MaintMode]),
    ("nodes", &[Nodes]),
    ("operations", &[Operations]),
    ("options", &[Options]),
    ("resources", &[Resources]),
    ("stack", &[Stack]),
    ("summary", &[Stack, Dc, Times, Counts, MaintMode]),
    ("tickets", &[Tickets]),
    ("times", &[Times]),
];

const ALL: &[Section] = &[
    Attributes,
    Bans,
    Counts,
    Dc,
    Failcounts,
    Failures,
    FencingFailed,
    FencingPending,
    FencingSucceeded,
    MaintMode,
    Nodes,
    Operations,
    Resources,
    Stack,
    Tickets,
    Times,
];
const DEFAULT: &[Section] = &[
    Stack,
    Dc,
    Times,
    Counts,
    MaintMode,
    Nodes,
    Resources,
    Failures,
    FencingFailed,
    FencingPending,
];

/// A choice of sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sections {
    shown: BTreeSet<Section>,
    default: BTreeSet<Section>,
    all: BTreeSet<Section>,
    /// Only bans whose id begins so.
    pub ban_prefix: String,
}

impl Sections {
    /// What is shown if nothing is asked for.
    pub fn new(xml: bool) -> Sections {
        let mut all: BTreeSet<Section> = ALL.iter().copied().collect();
        if xml {
            all.insert(Options);
        }
        let default: BTreeSet<Section> =
            if xml { all.clone() } else { DEFAULT.iter().copied().collect() };
        Sections { shown: default.clone(), default, all, ban_prefix: String::new() }
    }

    /// Whether the section is shown.
    pub fn has(&self, section: Section) -> bool {
        self.shown.contains(&section)
    }

    /// Takes a section out.
    pub fn drop(&mut self, section: Section) {
        self.shown.remove(&section);
    }

    /// Applies `--include=LIST`.
    ///
    /// # Errors
    /// A name that is no section: the line for standard error. Names before it were applied.
    pub fn include(&mut self, list: &str) -> Result<(), String> {
        for name in list.split(',').map(str::trim) {
            match name {
                "all" => self.shown = self.all.clone(),
                "none" => self.shown.clear(),
                "default" | "defaults" => self.shown.extend(&self.default),
                _ if name.strip_prefix("bans").is_some_and(|p| p.starts_with(':')) => {
                    self.shown.insert(Bans);
                    self.ban_prefix = name["bans:".len()..].to_string();
                }
                _ => self.shown.extend(named(name, "include", "default, none, ")?),
            }
        }
        Ok(())
    }

    /// Applies `--exclude=LIST`.
    ///
    /// # Errors
    /// As [`include`](Sections::include).
    pub fn exclude(&mut self, list: &str) -> Result<(), String> {
        for name in list.split(',').map(str::trim) {
            match name {
                "all" => self.shown.clear(),
                "none" => self.shown = self.all.clone(),
                _ => {
                    for section in named(name, "exclude", "none, ")? {
                        self.shown.remove(section);
                    }
                }
            }
        }
        Ok(())
    }
}

fn named(name: &str, option: &str, more: &str) -> Result<&'static [Section], String> {
    if let Some((_, sections)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(sections);
    }
    let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    let (first, rest) = names.split_first().map_or(("", &[][..]), |(f, r)| (*f, r));
    Err(format!("--{option} options: all, {first}, {more}{}", rest.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{Section, Sections};

    #[test]
    fn lists_are_applied_from_left_to_right() {
        let mut sections = Sections::new(false);
        sections.include("none,bans:cli-").unwrap();
        assert!(sections.has(Section::Bans) && !sections.has(Section::Nodes));
        assert_eq!(sections.ban_prefix, "cli-");
        sections.exclude("bans").unwrap();
        assert!(!sections.has(Section::Bans));
        assert!(sections.include("bogus").unwrap_err().contains("attributes"));
    }

    #[test]
    fn text_shows_options_only_by_name() {
        let mut sections = Sections::new(false);
        sections.include("all").unwrap();
        assert!(!sections.has(Section::Options));
        assert!(Sections::new(true).has(Section::Options));
    }
}
