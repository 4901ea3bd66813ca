//! Reading cluster.conf again while the daemon runs: what changes at once, and what waits for a
//! restart.
//!
//! What is logged and the ring's times can change on a running node. What the members must agree on
//! before they can meet (names, addresses, keys, votes) cannot: a ring whose members count votes
//! differently could have two quorums.

use std::path::{Path, PathBuf};

use crm_messaging::config::{ClusterConf, LoggingConf, TotemConf};
use crm_messaging::totem::Timing;

use crate::files;
use crate::logging::{self, Log};

/// A cluster.conf that was read again.
#[derive(Debug)]
pub struct Read(ClusterConf);

impl Read {
    /// Reads the file, if it is the one that is meant; an empty digest means any.
    ///
    /// # Errors
    /// In words, why it is not taken.
    pub fn from_file(path: &Path, sha1: &str) -> Result<Read, String> {
        let shown = files::read_own(path)?;
        if !sha1.is_empty() && sha1 != shown.sha1 {
            return Err(format!(
                "{} is another one here (see 'corosync diff'); nothing was changed",
                path.display()
            ));
        }
        let text = String::from_utf8(shown.content)
            .map_err(|_| format!("{} is not UTF-8 text", path.display()))?;
        let conf = ClusterConf::parse(&path.display().to_string(), &text);
        conf.map(Read).map_err(|e| e.to_string())
    }
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What is other than before.
    pub taken: Vec<String>,
    /// What the file says and needs a restart, with the reason.
    pub later: Vec<String>,
}

/// What of cluster.conf is in force.
#[derive(Debug)]
pub struct InForce {
    path: PathBuf,
    conf: ClusterConf,
    log: Log,
}

impl InForce {
    /// What the daemon was started with.
    pub fn new(path: PathBuf, conf: ClusterConf, log: Log) -> InForce {
        InForce { path, conf, log }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes what can be taken now; `set_timing` tells the ring its times.
    ///
    /// # Errors
    /// The log cannot be written; nothing was changed.
    pub fn take(&mut self, read: &Read, set_timing: impl FnOnce(Timing)) -> Result<Change, String> {
        let new = &read.0;
        // Also without a change: the file may have been moved away.
        self.log.change(&new.logging)?;
        let mut change = Change {
            taken: log_changes(&self.conf.logging, &new.logging),
            later: needing_restart(&self.conf, new),
        };
        if logging::is_overridden() && self.conf.logging.debug != new.logging.debug {
            change.later.push(
                "logging.debug has no effect: CRM_LOG in the daemon's environment says what is \
                 logged"
                    .into(),
            );
        }
        self.conf.logging = new.logging.clone();
        let nodes = self.conf.nodes.len();
        let before = Timing::from_conf(&self.conf.totem, nodes);
        let now = Timing::from_conf(&new.totem, nodes);
        if before != now {
            change.taken.extend(time_changes(&before, &now));
            set_timing(now);
        }
        let TotemConf { token, token_coefficient, consensus, .. } = new.totem;
        let old = self.conf.totem.clone();
        self.conf.totem = TotemConf { token, token_coefficient, consensus, ..old };
        Ok(change)
    }
}

fn log_changes(old: &LoggingConf, new: &LoggingConf) -> Vec<String> {
    let mut all = Vec::new();
    if old.debug != new.debug {
        all.push(format!("logging.debug is {}", if new.debug { "on" } else { "off" }));
    }
    if old.logfile != new.logfile {
        let shown = |p: &PathBuf| p.display().to_string();
        let file = new.logfile.as_ref().map_or("standard error".into(), shown);
        all.push(format!("the log goes to {file}"));
    }
    all
}

fn time_changes(old: &Timing, new: &Timing) -> Vec<String> {
    let named =
        [("totem.token", old.token, new.token), ("totem.consensus", old.consensus, new.consensus)];
    let changed = named.into_iter().filter(|(_, old, new)| old != new);
    changed.map(|(name, _, new)| format!("{name} is {} ms", new.as_millis())).collect()
}

/// What is other in the file and cannot change while the node is in a ring.
fn needing_restart(old: &ClusterConf, new: &ClusterConf) -> Vec<String> {
    let mut all = Vec::new();
    let mut differs = |what: &str, so: bool, why: &str| {
        if so {
            all.push(format!("{what} needs a restart of the cluster: {why}"));
        }
    };
    let identity = "the members prove by it who they are";
    let name = old.totem.cluster_name != new.totem.cluster_name;
    differs("totem.cluster_name", name, identity);
    let sockets = "the node's sockets are made for it";
    let ports = old.totem.ports != new.totem.ports;
    differs("the port of a link (mcastport)", ports, sockets);
    differs("totem.ip_version", old.totem.ip_version != new.totem.ip_version, sockets);
    differs("totem.netmtu", old.totem.netmtu != new.totem.netmtu, sockets);
    let votes = "members that count votes differently could have two quorums";
    for node in &new.nodes {
        let what = format!("the node list ({} is another one there)", node.name);
        match old.node(node.id) {
            None => differs(&format!("the node list ({} is new)", node.name), true, votes),
            Some(known) => differs(&what, known != node, votes),
        }
    }
    for node in old.nodes.iter().filter(|n| new.node(n.id).is_none()) {
        differs(&format!("the node list ({} is gone)", node.name), true, votes);
    }
    let (was, is) = (old.quorum, new.quorum);
    // The sum of the votes follows from the node list, and was said there.
    let same_list = old.nodes == new.nodes;
    differs("quorum.expected_votes", was.expected_votes != is.expected_votes && same_list, votes);
    differs("quorum.two_node", was.two_node != is.two_node && same_list, votes);
    differs("quorum.wait_for_all", was.wait_for_all != is.wait_for_all && same_list, votes);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(totem: &str, logging: &str, nodes: &[u32]) -> ClusterConf {
        let node =
            |n: &u32| format!("node {{\nnodeid: {n}\nname: n{n}\nring0_addr: 10.0.0.{n}\n}}\n");
        let list: String = nodes.iter().map(node).collect();
        let text = format!(
            "totem {{\ncluster_name: c\n{totem}\n}}\nlogging {{\n{logging}\n}}\nnodelist {{\n{list}}}\n"
        );
        ClusterConf::parse("f", &text).unwrap()
    }

    #[test]
    fn times_and_log_change_and_who_is_in_the_cluster_does_not() {
        let old = conf("token: 1000", "debug: off", &[1, 2]);
        let log = logging::start(&LoggingConf::default()).unwrap();
        let mut in_force = InForce::new("/none".into(), old.clone(), log);
        let mut told = None;
        let new = conf("token: 3000", "debug: on", &[1, 2, 3]);
        let change = in_force.take(&Read(new.clone()), |t| told = Some(t)).unwrap();
        assert_eq!(told.map(|t| t.token.as_millis()), Some(3000));
        let taken = ["logging.debug is on", "totem.token is 3000 ms", "totem.consensus is 3600 ms"];
        assert_eq!(change.taken, taken);
        assert_eq!(change.later.len(), 1, "{:?}", change.later);
        assert!(change.later[0].starts_with("the node list (n3 is new) needs a restart"));
        // What was taken is no news any more; what was not still is.
        let again = in_force.take(&Read(new), |_| panic!("no other times")).unwrap();
        assert_eq!(again, Change { taken: Vec::new(), later: change.later });
        assert_eq!(in_force.conf.nodes, old.nodes);
    }

    #[test]
    fn a_name_or_a_vote_waits_for_a_restart() {
        let old = conf("", "", &[1, 2]);
        let mut new = conf("netmtu: 1400", "", &[1, 2]);
        new.totem.cluster_name = "other".into();
        new.quorum.two_node = true;
        let later = needing_restart(&old, &new).join("\n");
        for what in ["totem.cluster_name", "totem.netmtu", "quorum.two_node"] {
            assert!(later.contains(&format!("{what} needs a restart")), "{later}");
        }
        assert_eq!(later.lines().count(), 3);
    }

    #[test]
    fn only_the_file_that_is_meant_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cluster.conf");
        let text = "nodelist {\nnode {\nnodeid: 1\nname: n1\nring0_addr: 10.0.0.1\n}\n}\n";
        std::fs::write(&path, text).unwrap();
        let sha1 = files::read_own(&path).unwrap().sha1;
        assert!(Read::from_file(&path, "").is_ok());
        assert!(Read::from_file(&path, &sha1).is_ok());
        assert!(Read::from_file(&path, "0123").unwrap_err().contains("another one"));
        std::fs::write(&path, "nodelist {").unwrap();
        assert!(Read::from_file(&path, "").is_err());
    }
}
