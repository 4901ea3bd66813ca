//! The replicated document of one member: configuration, status, and the chain of commits.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crm_core::cib::schema::validate;
use crm_core::cib::{Element, Patch, Version, parse};
use crm_messaging::proto::peer;
use sha2::{Digest, Sha256};

/// Links of the chain that are kept to recognise forked histories.
const KEPT_LINKS: usize = 64;
/// The schema that new documents follow.
const SCHEMA: &str = "pacemaker-3.9";
/// The feature set of Pacemaker 2.1.5, whose decisions are ours.
pub const FEATURE_SET: &str = "3.16.1";

/// Digest of all commits up to one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// The digest after a commit.
    #[must_use]
    pub fn after(&self, version: Version, patch: &str) -> Chain {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(version.admin_epoch.to_le_bytes());
        hash.update(version.epoch.to_le_bytes());
        hash.update(patch.as_bytes());
        Chain(hash.finalize().into())
    }

    /// Reads what [`Display`](std::fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Chain> {
        let mut out = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[i * 2..i * 2 + 2], 16).ok()?;
        }
        Some(Chain(out))
    }

    fn from_bytes(bytes: &[u8]) -> Chain {
        bytes.try_into().map(Chain).unwrap_or_default()
    }
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0[..4].iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// One link: which version had which chain digest.
pub type Link = (Version, Chain);

/// A commit as it is written to disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The configuration version after the commit.
    pub version: Version,
    /// The chain after the commit.
    pub chain: Chain,
    /// The `<diff format="2">` text.
    pub patch: String,
    /// Who.
    pub author: String,
    /// By which command.
    pub command: String,
    /// When, in milliseconds of the epoch.
    pub time_ms: u64,
}

/// Why a commit was refused. The replica is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Made from an older configuration (or from one that never was).
    #[error(
        "the configuration has changed meanwhile: it is at {current}, the change was made from {base}"
    )]
    Stale {
        /// What the change was made from.
        base: Version,
        /// What it is now.
        current: Version,
    },
    /// Not a change that can be made.
    #[error("{0}")]
    Invalid(String),
}

/// The document of this member.
#[derive(Clone, Debug)]
pub struct Replica {
    cib: Element,
    chain: Chain,
    links: VecDeque<Link>,
}

/// The document of a cluster that has never been configured.
pub fn empty_cib() -> Element {
    let mut cib = Element::new("cib")
        .with("crm_feature_set", FEATURE_SET)
        .with("validate-with", SCHEMA)
        .with("epoch", "0")
        .with("num_updates", "0")
        .with("admin_epoch", "0");
    let mut configuration = Element::new("configuration");
    for section in ["crm_config", "nodes", "resources", "constraints"] {
        configuration.push(Element::new(section));
    }
    cib.push(configuration);
    cib.push(Element::new("status"));
    cib
}

impl Replica {
    /// A replica with the configuration that was on disk, and no status.
    pub fn from_disk(mut cib: Element, chain: Chain, links: VecDeque<Link>) -> Replica {
        cib.retain(|c| c.name() != "status");
        cib.push(Element::new("status"));
        let mut replica = Replica { cib, chain, links };
        if replica.links.is_empty() {
            replica.links.push_front((replica.version().configuration(), chain));
        }
        replica
    }

    /// The document.
    pub fn cib(&self) -> &Element {
        &self.cib
    }

    /// Its version.
    pub fn version(&self) -> Version {
        Version::of(&self.cib)
    }

    /// The digest of all commits.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The newest links of the chain, newest first.
    pub fn links_to_wire(&self) -> Vec<peer::Link> {
        self.links
            .iter()
            .map(|(v, c)| peer::Link {
                admin_epoch: v.admin_epoch,
                epoch: v.epoch,
                chain: c.0.to_vec().into(),
            })
            .collect()
    }

    /// The same, for the snapshot on disk.
    pub fn links(&self) -> &VecDeque<Link> {
        &self.links
    }

    /// Changes the status, and the version with it if anything is different afterwards.
    pub fn update_status(&mut self, change: impl FnOnce(&mut Element)) -> bool {
        let before = self.cib.clone();
        change(&mut self.cib);
        if self.cib == before {
            return false;
        }
        Version::of(&before).next_update().write(&mut self.cib);
        true
    }

    /// Makes a configuration change (I-C4: only from the version that is current).
    ///
    /// # Errors
    /// The change does not fit; nothing has changed.
    pub fn commit(&mut self, commit: &peer::Commit, origin: &str) -> Result<LogEntry, CommitError> {
        let current = self.version().configuration();
        let base = Version { admin_epoch: commit.admin_epoch, epoch: commit.epoch, num_updates: 0 };
        if base != current {
            return Err(CommitError::Stale { base, current });
        }
        let diff = parse(&commit.patch)
            .map_err(|e| CommitError::Invalid(format!("the patch cannot be read: {e}")))?;
        let patch = Patch::from_xml(&diff).map_err(|e| CommitError::Invalid(e.to_string()))?;
        check_paths(&patch)?;
        let mut new = patch.apply(&self.cib).map_err(|e| CommitError::Invalid(e.to_string()))?;
        check_document(&self.cib, &new)?;
        let asked = Version::of(&new);
        let version = if asked.admin_epoch > current.admin_epoch {
            Version { num_updates: 0, ..asked }
        } else {
            current.next_epoch()
        };
        version.write(&mut new);
        stamp(&mut new, commit, origin);
        self.chain = self.chain.after(version, &commit.patch);
        self.cib = new;
        self.remember(version);
        Ok(LogEntry {
            version,
            chain: self.chain,
            patch: commit.patch.clone(),
            author: commit.author.clone(),
            command: commit.command.clone(),
            time_ms: commit.time_ms,
        })
    }

    fn remember(&mut self, version: Version) {
        self.links.push_front((version, self.chain));
        self.links.truncate(KEPT_LINKS);
    }

    /// Takes another member's replica instead of this one.
    ///
    /// # Errors
    /// The document cannot be read; this replica is unchanged.
    pub fn adopt(&mut self, state: &peer::State) -> Result<(), String> {
        let cib = parse(&state.cib).map_err(|e| e.to_string())?;
        *self = Replica {
            cib,
            chain: Chain::from_bytes(&state.chain),
            links: links_from_wire(&state.links).take(KEPT_LINKS).collect(),
        };
        Ok(())
    }

    /// Executes again, from the log, a commit that this member had made before it was restarted.
    ///
    /// # Errors
    /// The entry does not continue what is here: the log is damaged from here on.
    pub fn replay(&mut self, entry: &LogEntry) -> Result<(), String> {
        if self.chain.after(entry.version, &entry.patch) != entry.chain {
            return Err("the digest does not continue the chain".into());
        }
        let diff = parse(&entry.patch).map_err(|e| e.to_string())?;
        let patch = Patch::from_xml(&diff).map_err(|e| e.to_string())?;
        let mut new = patch.apply(&self.cib).map_err(|e| e.to_string())?;
        entry.version.write(&mut new);
        self.cib = new;
        self.chain = entry.chain;
        self.remember(entry.version);
        Ok(())
    }
}

/// Reads the links of a message, newest first.
pub fn links_from_wire(links: &[peer::Link]) -> impl Iterator<Item = Link> + '_ {
    links.iter().map(|l| {
        let v = Version { admin_epoch: l.admin_epoch, epoch: l.epoch, num_updates: 0 };
        (v, Chain::from_bytes(&l.chain))
    })
}

/// A commit touches the configuration and nothing else.
fn check_paths(patch: &Patch) -> Result<(), CommitError> {
    let allowed =
        |p: &str| p == "/cib" || p == "/cib/configuration" || p.starts_with("/cib/configuration/");
    match patch.paths().find(|p| !allowed(p)) {
        None => Ok(()),
        Some(p) => Err(CommitError::Invalid(format!(
            "a commit cannot change '{p}': only the configuration is committed"
        ))),
    }
}

/// What every document must fulfil, whoever made it.
///
/// A valid document stays valid (in its schema); one that is not may be mended in steps.
fn check_document(before: &Element, cib: &Element) -> Result<(), CommitError> {
    let wrong = match validate(cib) {
        Ok(violations) => violations.first().map(ToString::to_string),
        Err(name) => Some(format!("there is no schema '{name}'")),
    };
    if let Some(wrong) = wrong
        && validate(before).is_ok_and(|v| v.is_empty())
    {
        return Err(CommitError::Invalid(format!("the schema does not allow this: {wrong}")));
    }
    let configuration = cib
        .child("configuration")
        .ok_or_else(|| CommitError::Invalid("there is no <configuration> left".into()))?;
    let mut seen = std::collections::BTreeMap::new();
    for element in configuration.descendants() {
        let Some(id) = element.id() else { continue };
        // Roles and references name other elements; everything else owns its id.
        if matches!(element.name(), "role" | "resource_ref" | "obj_ref") {
            continue;
        }
        if let Some(other) = seen.insert(id, element.name()) {
            return Err(CommitError::Invalid(format!(
                "the id '{id}' is used twice, by a <{other}> and by a <{}>: \
                 give one of them another name",
                element.name()
            )));
        }
    }
    Ok(())
}

fn stamp(cib: &mut Element, commit: &peer::Commit, origin: &str) {
    cib.set_attr("cib-last-written", wall_clock(commit.time_ms));
    cib.set_attr("update-origin", origin);
    cib.set_attr("update-client", commit.command.split_whitespace().next().unwrap_or("crm"));
    cib.set_attr("update-user", &commit.author);
}

/// `Fri Nov 20 23:14:13 2026`, in UTC so that all members write the same.
fn wall_clock(time_ms: u64) -> String {
    let seconds = i64::try_from(time_ms / 1000).unwrap_or(0);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(out, "{}", time.strftime("%a %b %e %H:%M:%S %Y"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit_of(replica: &Replica, change: impl FnOnce(&mut Element)) -> peer::Commit {
        let mut new = replica.cib().clone();
        change(&mut new);
        let v = replica.version();
        peer::Commit {
            admin_epoch: v.admin_epoch,
            epoch: v.epoch,
            patch: Patch::between(replica.cib(), &new).to_xml(v, v.next_epoch()).to_string(),
            author: "root".into(),
            command: "crm configure".into(),
            time_ms: 1_795_216_453_000,
            ..peer::Commit::default()
        }
    }

    fn fresh() -> Replica {
        Replica::from_disk(empty_cib(), Chain::default(), VecDeque::new())
    }

    fn add_primitive(id: &'static str) -> impl FnOnce(&mut Element) {
        move |cib| {
            cib.at_mut(&["configuration", "resources"]).unwrap().push(
                Element::new("primitive").with("id", id).with("class", "lsb").with("type", "x"),
            );
        }
    }

    #[test]
    fn a_commit_moves_the_epoch_and_the_chain() {
        let mut a = fresh();
        let commit = commit_of(&a, add_primitive("x"));
        let entry = a.commit(&commit, "n1").unwrap();
        assert_eq!(a.version().to_string(), "0.1.0");
        assert_eq!(a.cib().attr("cib-last-written"), Some("Fri Nov 20 23:14:13 2026"));
        assert!(matches!(a.commit(&commit, "n1"), Err(CommitError::Stale { .. })));
        let mut b = fresh();
        b.replay(&entry).unwrap();
        assert_eq!((b.chain(), b.version()), (a.chain(), a.version()));
        assert_eq!(b.cib().child("configuration"), a.cib().child("configuration"));
        assert!(b.replay(&entry).is_err(), "an entry is replayed once");
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let mut a = fresh();
        let twice = commit_of(&a, |cib| {
            add_primitive("x")(cib);
            cib.at_mut(&["configuration", "constraints"])
                .unwrap()
                .push(Element::new("rsc_location").with("id", "x"));
        });
        let status = commit_of(&a, |c| c.child_mut("status").unwrap().set_attr("a", "b"));
        let gone = commit_of(&a, |c| c.retain(|e| e.name() != "configuration"));
        let torn = peer::Commit { patch: "<diff".into(), ..commit_of(&a, |_| {}) };
        for bad in [twice, status, gone, torn] {
            let before = a.clone();
            assert!(matches!(a.commit(&bad, "n1"), Err(CommitError::Invalid(_))), "{}", bad.patch);
            assert_eq!((a.cib(), a.chain()), (before.cib(), before.chain()));
        }
    }

    #[test]
    fn a_status_change_counts_only_if_something_is_different() {
        let mut a = fresh();
        assert!(!a.update_status(|_| {}));
        assert!(a.update_status(|c| c.set_attr("have-quorum", "1")));
        assert_eq!(a.version().num_updates, 1);
    }
}
