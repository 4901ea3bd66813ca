//! The typed content of the file.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::syntax::{self, Section, Setting};
use super::{ConfigError, DEFAULT_PORT, Diagnostic, MAX_LINKS, keys};
use crate::group::NodeId;
use crate::quorum::QuorumConfig;

/// Everything that cluster.conf says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConf {
    /// Section `totem`.
    pub totem: TotemConf,
    /// Section `nodelist`, ordered by node number.
    pub nodes: Vec<NodeConf>,
    /// Section `quorum`.
    pub quorum: QuorumConfig,
    /// Section `logging`.
    pub logging: LoggingConf,
    /// What was ignored or is doubtful.
    pub warnings: Vec<Diagnostic>,
}

/// How the ring works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TotemConf {
    /// Goes into the keys: clusters of different names never hear each other.
    pub cluster_name: String,
    /// Time without the token after which the ring is given up; scales all bounds of detection.
    pub token: Option<Duration>,
    /// Added to `token` for every node beyond the second.
    pub token_coefficient: Option<Duration>,
    /// Time after which a node that does not agree on a membership is left out of it.
    pub consensus: Option<Duration>,
    /// Largest UDP packet including IP and UDP headers.
    pub netmtu: Option<u16>,
    /// Which addresses a name resolves to.
    pub ip_version: IpVersion,
    /// The port of every link.
    pub ports: [u16; MAX_LINKS],
}

/// `totem.ip_version`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// IPv6 if there is one, else IPv4 (corosync's default).
    #[default]
    V6ThenV4,
    /// IPv4 if there is one, else IPv6.
    V4ThenV6,
}

/// One `node` of the node list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConf {
    /// Its number.
    pub id: NodeId,
    /// What people and the CIB call it.
    pub name: String,
    /// `ring0_addr` and so on: addresses or names, in the order of links.
    pub addresses: Vec<String>,
    /// Its weight in the quorum.
    pub votes: u32,
}

/// Where messages for people go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoggingConf {
    /// To standard error.
    pub to_stderr: bool,
    /// To the system log.
    pub to_syslog: bool,
    /// To this file.
    pub logfile: Option<PathBuf>,
    /// With all details.
    pub debug: bool,
}

impl ClusterConf {
    /// Reads and parses the file.
    ///
    /// # Errors
    /// In words: why the file cannot be read, or every error in it with line and caret.
    pub fn load(path: &Path) -> Result<ClusterConf, String> {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| {
            format!(
                "cannot read the cluster configuration {shown}: {error}\n\
                 Write one (the syntax is that of corosync.conf) or name another by CRM_CONFIG."
            )
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| format!("the cluster configuration {shown} is not UTF-8 text"))?;
        ClusterConf::parse(&shown, &text).map_err(|error| error.to_string())
    }

    /// Parses the text of a file; `path` is for messages only.
    ///
    /// # Errors
    /// Every error in the file.
    pub fn parse(path: &str, text: &str) -> Result<ClusterConf, ConfigError> {
        let fail =
            |errors| Err(ConfigError { path: path.to_owned(), text: text.to_owned(), errors });
        let root = match syntax::parse(text) {
            Ok(root) => root,
            Err(error) => return fail(vec![error]),
        };
        let mut reader = Reader::default();
        keys::check(&root, &mut reader.warnings);
        let totem = reader.totem(&root);
        let nodes = reader.nodes(&root);
        let quorum = reader.quorum(&root, &nodes);
        let logging = reader.logging(&root);
        if !reader.errors.is_empty() {
            return fail(reader.errors);
        }
        Ok(ClusterConf { totem, nodes, quorum, logging, warnings: reader.warnings })
    }

    /// The node of that number.
    pub fn node(&self, id: NodeId) -> Option<&NodeConf> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

#[derive(Default)]
struct Reader {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Reader {
    fn error(&mut self, setting: &Setting, message: impl Into<String>) {
        self.errors.push(Diagnostic::error(setting.value_span.clone(), message));
    }

    fn number(
        &mut self,
        section: &Section,
        key: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let setting = section.setting(key)?;
        match setting.value.parse::<u32>() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let (low, high) = range.into_inner();
                let error = format!("`{key}` must be a number from {low} to {high}");
                self.error(setting, error);
                None
            }
        }
    }

    fn millis(
        &mut self,
        section: &Section,
        key: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<Duration> {
        self.number(section, key, range).map(|ms| Duration::from_millis(u64::from(ms)))
    }

    fn flag(&mut self, section: &Section, key: &str, default: bool) -> bool {
        let Some(setting) = section.setting(key) else { return default };
        match setting.value.as_str() {
            "1" | "yes" | "on" | "true" => true,
            "0" | "no" | "off" | "false" => false,
            _ => {
                self.error(setting, format!("`{key}` must be `yes` or `no` (or 1 or 0)"));
                default
            }
        }
    }

    fn totem(&mut self, root: &Section) -> TotemConf {
        let mut totem = TotemConf { ports: [DEFAULT_PORT; MAX_LINKS], ..TotemConf::default() };
        let base = root.named("totem").find_map(|s| self.number(s, "mcastport", 1..=65535));
        let base = base.map_or(DEFAULT_PORT, |port| port as u16);
        for (link, port) in totem.ports.iter_mut().enumerate() {
            *port = base.saturating_add(link as u16);
        }
        for section in root.named("totem") {
            if let Some(name) = section.setting("cluster_name") {
                totem.cluster_name.clone_from(&name.value);
            }
            totem.token = self.millis(section, "token", 100..=600_000).or(totem.token);
            totem.token_coefficient =
                self.millis(section, "token_coefficient", 0..=600_000).or(totem.token_coefficient);
            totem.consensus =
                self.millis(section, "consensus", 100..=1_200_000).or(totem.consensus);
            let mtu = self.number(section, "netmtu", 576..=65_535);
            totem.netmtu = mtu.map(|mtu| mtu as u16).or(totem.netmtu);
            if let Some(setting) = section.setting("ip_version") {
                match setting.value.as_str() {
                    "ipv4" => totem.ip_version = IpVersion::V4,
                    "ipv6" => totem.ip_version = IpVersion::V6,
                    "ipv6-4" => totem.ip_version = IpVersion::V6ThenV4,
                    "ipv4-6" => totem.ip_version = IpVersion::V4ThenV6,
                    _ => self.error(setting, "`ip_version` is one of ipv4, ipv6, ipv4-6, ipv6-4"),
                }
            }
            for interface in section.named("interface") {
                let last = MAX_LINKS as u32 - 1;
                let link = self
                    .number(interface, "linknumber", 0..=last)
                    .or_else(|| self.number(interface, "ringnumber", 0..=last))
                    .unwrap_or(0);
                if let Some(port) = self.number(interface, "mcastport", 1..=65535) {
                    totem.ports[link as usize] = port as u16;
                }
            }
        }
        totem
    }

    fn nodes(&mut self, root: &Section) -> Vec<NodeConf> {
        let mut nodes: Vec<NodeConf> = Vec::new();
        for section in root.named("nodelist").flat_map(|list| list.named("node")) {
            let before = self.errors.len();
            let Some(node) = self.node(section) else { continue };
            if self.errors.len() > before {
                continue;
            }
            self.unlike(&nodes, &node, section);
            nodes.push(node);
        }
        if nodes.is_empty() && self.errors.is_empty() {
            let span = root.named("nodelist").next().map_or(0..0, |list| list.span.clone());
            self.errors.push(
                Diagnostic::error(span, "no node is listed")
                    .help("add `nodelist { node { name: ... nodeid: ... ring0_addr: ... } }`"),
            );
        }
        nodes.sort_by_key(|node| node.id);
        nodes
    }

    /// Two nodes must not share a number, a name or an address.
    fn unlike(&mut self, nodes: &[NodeConf], node: &NodeConf, section: &Section) {
        for other in nodes {
            if other.id == node.id {
                let at = section
                    .setting("nodeid")
                    .map_or(section.span.clone(), |s| s.value_span.clone());
                self.errors.push(Diagnostic::error(
                    at,
                    format!("node number {} is taken by `{}`", node.id, other.name),
                ));
            }
            if other.name == node.name {
                let at =
                    section.setting("name").map_or(section.span.clone(), |s| s.value_span.clone());
                self.errors
                    .push(Diagnostic::error(at, format!("the name `{}` is taken", node.name)));
            }
            let taken: BTreeSet<&String> = other.addresses.iter().collect();
            for (link, address) in node.addresses.iter().enumerate() {
                let key = format!("ring{link}_addr");
                if let (true, Some(setting)) = (taken.contains(address), section.setting(&key)) {
                    self.error(
                        setting,
                        format!("`{}` has the address {address} already", other.name),
                    );
                }
            }
        }
    }

    fn node(&mut self, section: &Section) -> Option<NodeConf> {
        let mut addresses = Vec::new();
        for link in 0..MAX_LINKS {
            let Some(setting) = section.setting(&format!("ring{link}_addr")) else { continue };
            if link != addresses.len() {
                self.error(
                    setting,
                    format!("ring{link}_addr needs ring{}_addr before it", addresses.len()),
                );
            } else if let Err(message) = check_address(&setting.value) {
                self.error(setting, message);
            }
            addresses.push(setting.value.clone());
        }
        let Some(first) = addresses.first() else {
            self.errors.push(
                Diagnostic::error(section.span.clone(), "this node has no ring0_addr")
                    .help("add `ring0_addr:` with the address or name the others reach it by"),
            );
            return None;
        };
        let id = if section.setting("nodeid").is_some() {
            self.number(section, "nodeid", 1..=u32::MAX)?
        } else if let Ok(IpAddr::V4(address)) = first.parse() {
            number_of(address)
        } else {
            self.errors.push(
                Diagnostic::error(section.span.clone(), "this node has no nodeid")
                    .help("add `nodeid:` with a number of its own, the same on every node"),
            );
            return None;
        };
        let name = match section.setting("name") {
            Some(name) if name.value.is_empty() || name.value.contains(char::is_whitespace) => {
                self.error(name, "a node's name is one word");
                return None;
            }
            Some(name) => name.value.clone(),
            None if first.parse::<IpAddr>().is_err() => first.clone(),
            None => format!("node{id}"),
        };
        let votes = self.number(section, "quorum_votes", 0..=1024).unwrap_or(1);
        Some(NodeConf { id: NodeId(id), name, addresses, votes })
    }

    fn quorum(&mut self, root: &Section, nodes: &[NodeConf]) -> QuorumConfig {
        let sum: u32 = nodes.iter().map(|node| node.votes).sum();
        let mut quorum = QuorumConfig { expected_votes: sum, two_node: false, wait_for_all: false };
        for section in root.named("quorum") {
            quorum.two_node = self.flag(section, "two_node", quorum.two_node);
            if let (true, Some(setting)) =
                (quorum.two_node && nodes.len() > 2, section.setting("two_node"))
            {
                quorum.two_node = false;
                let message = format!("`two_node` is ignored: {} nodes are listed", nodes.len());
                self.warnings.push(Diagnostic::warning(setting.key_span.clone(), message));
            }
            quorum.wait_for_all = self.flag(section, "wait_for_all", quorum.two_node);
            let expected = self.number(section, "expected_votes", 1..=100_000);
            match (expected, section.setting("expected_votes")) {
                (Some(votes), Some(setting)) if votes < sum => {
                    let message =
                        format!("`expected_votes` is ignored: the node list has {sum} votes");
                    self.warnings.push(Diagnostic::warning(setting.value_span.clone(), message));
                }
                (Some(votes), _) => quorum.expected_votes = votes,
                (None, _) => {}
            }
        }
        quorum
    }

    fn logging(&mut self, root: &Section) -> LoggingConf {
        let mut logging =
            LoggingConf { to_stderr: true, to_syslog: true, ..LoggingConf::default() };
        for section in root.named("logging") {
            logging.to_stderr = self.flag(section, "to_stderr", logging.to_stderr);
            logging.to_syslog = self.flag(section, "to_syslog", logging.to_syslog);
            logging.debug = section.setting("debug").map_or(logging.debug, |debug| {
                debug.value != "off" && debug.value != "no" && debug.value != "0"
            });
            let wanted = self.flag(section, "to_logfile", section.setting("logfile").is_some());
            let file = section.setting("logfile").filter(|_| wanted);
            logging.logfile = file.map(|file| PathBuf::from(&file.value)).or(logging.logfile);
        }
        logging
    }
}

/// An address, or something that can be a host's name.
fn check_address(value: &str) -> Result<(), String> {
    if value.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    if value.is_empty() || value.len() > 253 {
        return Err("an address or a host name is needed here".to_owned());
    }
    if value.contains(':') || value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(format!("`{value}` is not an address"));
    }
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !value.bytes().all(letters) {
        return Err(format!("`{value}` is neither an address nor a host name"));
    }
    Ok(())
}

/// The number of a node without one, as corosync with `clear_node_high_bit`.
fn number_of(address: Ipv4Addr) -> u32 {
    (u32::from(address) & 0x7fff_ffff).max(1)
}
