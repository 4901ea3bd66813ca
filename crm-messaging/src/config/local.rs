//! Which node of the list this machine is.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{ClusterConf, NodeConf};

/// This machine is in the node list not exactly once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// Neither an address nor the host name matches.
    #[error(
        "this machine is not in the node list: none of its addresses and not its host name \
         `{hostname}` is there\nadd a node for it, or correct ring0_addr or name"
    )]
    Unlisted {
        /// The machine's name.
        hostname: String,
    },
    /// Two nodes have addresses of this machine.
    #[error("the node list has two nodes with addresses of this machine: `{0}` and `{1}`")]
    Ambiguous(String, String),
}

/// The node whose `name` or address names this machine; the host name decides between several.
///
/// # Errors
/// No node, or more than one.
pub fn find_local<'a>(
    conf: &'a ClusterConf,
    hostname: &str,
    addresses: &BTreeSet<IpAddr>,
) -> Result<&'a NodeConf, LocalError> {
    let short = hostname.split('.').next().unwrap_or(hostname);
    let named = |node: &&NodeConf| {
        [hostname, short]
            .iter()
            .any(|name| node.name == *name || node.addresses.iter().any(|a| a == name))
    };
    let here = |node: &&NodeConf| {
        let parsed = node.addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok());
        parsed.into_iter().any(|address| addresses.contains(&address))
    };
    let mut at_address = conf.nodes.iter().filter(here);
    match (at_address.next(), at_address.next()) {
        (Some(node), None) => Ok(node),
        (None, _) => conf
            .nodes
            .iter()
            .find(named)
            .ok_or_else(|| LocalError::Unlisted { hostname: hostname.to_owned() }),
        (Some(first), Some(second)) => conf
            .nodes
            .iter()
            .filter(here)
            .find(named)
            .ok_or_else(|| LocalError::Ambiguous(first.name.clone(), second.name.clone())),
    }
}

/// The addresses of this machine's interfaces.
///
/// # Errors
/// The kernel does not tell.
pub fn local_addresses() -> std::io::Result<BTreeSet<IpAddr>> {
    let interfaces = nix::ifaddrs::getifaddrs()?;
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    Ok(addresses.collect())
}
