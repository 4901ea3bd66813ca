//! Random valid clusters, from a seed, with the names of the features that each one has.

mod constraints;
mod history;
mod nodes;
mod options;
mod question;
mod resources;
mod rules;
mod theme;

use std::collections::BTreeSet;

use crm_core::cib::Element;

use super::question::Question;

/// The time of every generated cluster, in seconds of the epoch.
pub const NOW: i64 = 1_700_000_000;

/// A generated cluster.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The document.
    pub cib: Element,
    /// What to ask about it.
    pub question: Question,
    /// What it contains, by the names of the scheduler's features.
    pub features: BTreeSet<&'static str>,
}

/// Makes the cluster of a seed; the same one every time.
pub fn sample(seed: u64) -> Sample {
    let mut draft = Draft::new(seed);
    options::generate(&mut draft);
    nodes::generate(&mut draft);
    resources::generate(&mut draft);
    constraints::generate(&mut draft);
    let (hosts, leaves) = history::generate(&mut draft);
    question::generate(&mut draft, &hosts, &leaves);
    draft.finish()
}

/// A node as the later steps need it.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub name: String,
    pub id: String,
    pub remote: bool,
}

/// A primitive as the later steps need it.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub id: String,
    /// The names of its history: one, or one an instance.
    pub history: Vec<String>,
    pub class: &'static str,
    pub provider: Option<&'static str>,
    pub kind: &'static str,
    pub promotable: bool,
    /// Several copies of it may run.
    pub cloned: bool,
    pub monitor_ms: Option<u64>,
    pub migrates: bool,
    /// It runs where the resource of this name runs.
    pub pinned: Option<String>,
    /// It runs on these nodes only.
    pub places: Option<Vec<String>>,
}

impl Leaf {
    /// One that the cluster makes itself.
    pub fn agent(id: &str) -> Leaf {
        Leaf {
            history: vec![id.to_string()],
            id: id.to_string(),
            class: "ocf",
            provider: Some("heartbeat"),
            kind: "Dummy",
            promotable: false,
            cloned: false,
            monitor_ms: None,
            migrates: false,
            pinned: None,
            places: None,
        }
    }

    /// The connection to a node.
    pub fn connection(id: &str) -> Leaf {
        Leaf { provider: Some("pacemaker"), kind: "remote", ..Leaf::agent(id) }
    }
}

/// What constraints may name.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub id: String,
    pub promotable: bool,
}

/// How many themes there are, as a divisor of seeds.
const CHOICES: u64 = theme::CHOICES as u64;

/// A cluster in the making.
pub(crate) struct Draft {
    state: u64,
    next_id: usize,
    pub features: BTreeSet<&'static str>,
    pub options: Vec<(&'static str, String)>,
    pub nodes: Vec<Element>,
    pub states: Vec<Element>,
    pub resources: Vec<Element>,
    pub constraints: Vec<Element>,
    pub tags: Vec<Element>,
    pub topology: Vec<Element>,
    pub defaults: Vec<Element>,
    pub tickets: Vec<Element>,
    pub hosts: Vec<Host>,
    pub leaves: Vec<Leaf>,
    pub targets: Vec<Target>,
    pub question: Vec<String>,
    pub theme: &'static theme::Theme,
    pub quorum: bool,
    pub dated: bool,
    pub schema: &'static str,
}

impl Draft {
    fn new(seed: u64) -> Draft {
        Draft {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03,
            next_id: 0,
            features: BTreeSet::new(),
            options: Vec::new(),
            nodes: Vec::new(),
            states: Vec::new(),
            resources: Vec::new(),
            constraints: Vec::new(),
            tags: Vec::new(),
            topology: Vec::new(),
            defaults: Vec::new(),
            tickets: Vec::new(),
            hosts: Vec::new(),
            leaves: Vec::new(),
            targets: Vec::new(),
            question: Vec::new(),
            theme: theme::choose(usize::try_from(seed % CHOICES).unwrap_or(0)),
            quorum: true,
            dated: true,
            schema: "pacemaker-3.9",
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// True in `percent` of all cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// As [`chance`](Draft::chance), noting the feature if so.
    pub fn feature(&mut self, percent: usize, name: &'static str) -> bool {
        let yes = self.chance(self.theme.percent(name, percent));
        if yes {
            self.features.insert(name);
        }
        yes
    }

    /// One of `list`.
    pub fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        let at = self.below(list.len());
        list[at].clone()
    }

    /// A new id.
    pub fn id(&mut self, prefix: &str) -> String {
        self.next_id += 1;
        format!("{prefix}-{}", self.next_id)
    }

    /// An element with an id of its own.
    pub fn element(&mut self, tag: &str) -> Element {
        let id = self.id(tag);
        Element::new(tag).with("id", id)
    }

    /// A set of pairs.
    pub fn pairs(&mut self, tag: &str, pairs: &[(&str, String)]) -> Element {
        let mut set = self.element(tag);
        for (name, value) in pairs {
            let pair = self.element("nvpair").with("name", name).with("value", value);
            set.push(pair);
        }
        set
    }

    /// A score as constraints have it.
    pub fn score(&mut self) -> String {
        self.pick(&["INFINITY", "-INFINITY", "100", "10", "1", "-1", "-10", "-100", "500", "50"])
            .to_string()
    }

    /// A node name.
    pub fn host(&mut self) -> String {
        let at = self.below(self.hosts.len());
        self.hosts[at].name.clone()
    }

    fn finish(self) -> Sample {
        let list = |tag: &str, children: Vec<Element>| {
            children.into_iter().fold(Element::new(tag), Element::with_child)
        };
        let mut options = Element::new("cluster_property_set").with("id", "cib-bootstrap-options");
        for (name, value) in &self.options {
            let id = format!("cib-bootstrap-options-{name}");
            options.push(
                Element::new("nvpair").with("id", id).with("name", name).with("value", value),
            );
        }
        let mut configuration = Element::new("configuration")
            .with_child(list("crm_config", vec![options]))
            .with_child(list("nodes", self.nodes))
            .with_child(list("resources", self.resources))
            .with_child(list("constraints", self.constraints));
        if !self.topology.is_empty() {
            configuration.push(list("fencing-topology", self.topology));
        }
        for defaults in self.defaults {
            configuration.push(defaults);
        }
        if !self.tags.is_empty() {
            configuration.push(list("tags", self.tags));
        }
        let mut status = list("status", self.states);
        if !self.tickets.is_empty() {
            status.push(list("tickets", self.tickets));
        }
        let mut cib = Element::new("cib")
            .with("validate-with", self.schema)
            .with("admin_epoch", "0")
            .with("epoch", "10")
            .with("num_updates", "5")
            .with("crm_feature_set", "3.16.1")
            .with("have-quorum", if self.quorum { "1" } else { "0" })
            .with("dc-uuid", "1");
        if self.dated {
            cib.set_attr("execution-date", NOW.to_string());
        }
        let cib = cib.with_child(configuration).with_child(status);
        Sample { cib, question: Question { words: self.question }, features: self.features }
    }
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn a_seed_gives_the_same_cluster_every_time() {
        for seed in 0..50 {
            assert_eq!(sample(seed).cib, sample(seed).cib);
        }
        assert_ne!(sample(1).cib, sample(2).cib);
    }

    #[test]
    fn ids_are_unique() {
        for seed in 0..200 {
            let cib = sample(seed).cib;
            let configuration = cib.child("configuration").unwrap();
            let mut ids: Vec<&str> = configuration
                .descendants()
                // A node's id is a text of its own kind: a remote node has that of its connection.
                .filter(|e| !matches!(e.name(), "obj_ref" | "resource_ref" | "node"))
                .filter_map(|e| e.id())
                .collect();
            ids.sort_unstable();
            let twice: Vec<_> = ids.windows(2).filter(|two| two[0] == two[1]).collect();
            assert!(twice.is_empty(), "seed {seed}: {twice:?}");
        }
    }
}
