//! What the engine needs to know, from cluster.conf and this machine.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use crate::config::{AuthKey, ClusterConf, IpVersion};
use crate::group::NodeId;
use crate::quorum::QuorumConfig;
use crate::totem::Timing;

/// A node of the list, as the ring sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number.
    pub id: NodeId,
    /// Its name, for messages.
    pub name: String,
    /// Its weight in the quorum.
    pub votes: u32,
    /// Its address on each link.
    pub addresses: Vec<SocketAddr>,
}

/// Everything [`super::start`] needs.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// This node; one of `nodes`.
    pub local: NodeId,
    /// The whole node list.
    pub nodes: Vec<Peer>,
    /// Goes into the keys, with `key`.
    pub cluster_name: String,
    /// The secret that members share.
    pub key: AuthKey,
    /// How votes count.
    pub quorum: QuorumConfig,
    /// The protocol's times.
    pub timing: Timing,
    /// Largest IP packet to send.
    pub mtu: u16,
    /// Where the ring's number is kept.
    pub state_dir: PathBuf,
    /// Ask for real-time priority and locked memory; refusal is no error.
    pub realtime: bool,
}

/// The node list cannot be used on this machine.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A name has no address.
    #[error(
        "cannot find the address of `{address}` (node {node}): {reason}\ncorrect the ring address in cluster.conf, or make the name known on this node"
    )]
    Unresolved {
        /// The node.
        node: String,
        /// Its ring address.
        address: String,
        /// Why.
        reason: String,
    },
    /// Nodes have different numbers of links.
    #[error(
        "node {node} has {found} ring addresses where node {other} has {expected}: every node needs an address on every link"
    )]
    Links {
        /// The node.
        node: String,
        /// How many it has.
        found: usize,
        /// The first node of the list.
        other: String,
        /// How many that has.
        expected: usize,
    },
    /// Local node is not in the list.
    #[error("node number {0} is not in the node list")]
    NotListed(NodeId),
}

impl EngineConfig {
    /// Settings as the file has them. Resolves host names, so this may wait for DNS.
    ///
    /// # Errors
    /// A name without address, or links that do not match.
    pub fn new(
        conf: &ClusterConf,
        local: NodeId,
        key: AuthKey,
        state_dir: PathBuf,
    ) -> Result<EngineConfig, SettingsError> {
        let mut nodes: Vec<Peer> = Vec::new();
        for node in &conf.nodes {
            let mut addresses = Vec::new();
            for (link, address) in node.addresses.iter().enumerate() {
                let found = resolve(address, conf.totem.ports[link], conf.totem.ip_version);
                addresses.push(found.map_err(|reason| SettingsError::Unresolved {
                    node: node.name.clone(),
                    address: address.clone(),
                    reason,
                })?);
            }
            if let Some(first) = nodes.first().filter(|n| n.addresses.len() != addresses.len()) {
                return Err(SettingsError::Links {
                    node: node.name.clone(),
                    found: addresses.len(),
                    other: first.name.clone(),
                    expected: first.addresses.len(),
                });
            }
            nodes.push(Peer { id: node.id, name: node.name.clone(), votes: node.votes, addresses });
        }
        if !nodes.iter().any(|node| node.id == local) {
            return Err(SettingsError::NotListed(local));
        }
        Ok(EngineConfig {
            local,
            cluster_name: conf.totem.cluster_name.clone(),
            key,
            quorum: conf.quorum,
            timing: Timing::from_conf(&conf.totem, nodes.len()),
            nodes,
            mtu: conf.totem.netmtu.unwrap_or(1500),
            state_dir,
            realtime: true,
        })
    }

    /// The numbers of all listed nodes.
    pub fn node_ids(&self) -> BTreeSet<NodeId> {
        self.nodes.iter().map(|node| node.id).collect()
    }
}

fn resolve(address: &str, port: u16, version: IpVersion) -> Result<SocketAddr, String> {
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let found: Vec<SocketAddr> =
        (address, port).to_socket_addrs().map_err(|error| error.to_string())?.collect();
    let v4 = || found.iter().find(|a| a.is_ipv4()).copied();
    let v6 = || found.iter().find(|a| a.is_ipv6()).copied();
    match version {
        IpVersion::V4 => v4(),
        IpVersion::V6 => v6(),
        IpVersion::V6ThenV4 => v6().or_else(v4),
        IpVersion::V4ThenV6 => v4().or_else(v6),
    }
    .ok_or_else(|| "it has none of the wanted IP version".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(nodes: &str) -> Result<EngineConfig, SettingsError> {
        let text = format!("totem {{\ntoken: 2000\n}}\nnodelist {{\n{nodes}\n}}\n");
        let conf = ClusterConf::parse("f", &text).unwrap();
        let key = AuthKey::new(vec![1; 32]).unwrap();
        EngineConfig::new(&conf, NodeId(1), key, PathBuf::from("/none"))
    }

    fn node(id: u32, addresses: &str) -> String {
        format!("node {{\nnodeid: {id}\nname: n{id}\n{addresses}\n}}\n")
    }

    #[test]
    fn addresses_get_the_port_of_their_link_and_times_scale() {
        let config = settings(&node(1, "ring0_addr: ::1\nring1_addr: 10.0.0.1")).unwrap();
        let shown: Vec<String> = config.nodes[0].addresses.iter().map(|a| a.to_string()).collect();
        assert_eq!(shown, ["[::1]:5405", "10.0.0.1:5406"]);
        assert_eq!(config.timing.dead_after.as_millis(), 1200);
    }

    #[test]
    fn every_node_needs_an_address_on_every_link() {
        let nodes = node(1, "ring0_addr: 10.0.0.1\nring1_addr: 10.1.0.1")
            + &node(2, "ring0_addr: 10.0.0.2");
        assert!(matches!(
            settings(&nodes),
            Err(SettingsError::Links { found: 1, expected: 2, .. })
        ));
    }

    #[test]
    fn a_node_that_is_not_listed_is_refused() {
        let refused = settings(&node(2, "ring0_addr: 10.0.0.2"));
        assert!(matches!(refused, Err(SettingsError::NotListed(NodeId(1)))));
    }
}
