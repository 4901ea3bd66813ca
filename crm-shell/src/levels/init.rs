//! `cluster init`: the two files that make a first node.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::message::Message;
use crate::session::{Call, Failure, Outcome, Session};

/// Bytes in a new key.
const KEY_BYTES: usize = 32;

fn place(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| default.into(), PathBuf::from)
}

struct Wanted {
    cluster: String,
    node: String,
    address: Option<IpAddr>,
}

fn wanted(call: &Call<'_>) -> Result<Wanted, Failure> {
    let host = nix::unistd::gethostname().map_err(|e| Failure::from(format!("host name: {e}")))?;
    let mut out = Wanted {
        cluster: "cluster".into(),
        node: host.to_string_lossy().into_owned(),
        address: None,
    };
    for (at, word) in call.arguments.iter().enumerate() {
        match word.text.split_once('=') {
            Some(("name", value)) if !value.is_empty() => out.cluster = value.into(),
            Some(("node", value)) if !value.is_empty() => out.node = value.into(),
            Some(("address", value)) => {
                out.address = Some(value.parse().map_err(|_| {
                    Failure::from(
                        Message::error(format!("'{value}' is no IP address")).at(call.place(at)),
                    )
                })?);
            }
            _ => return Err(call.usage()),
        }
    }
    let plain = |t: &str| t.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
    if !plain(&out.cluster) || !plain(&out.node) {
        return Err("Invalid name: expected letters, digits, '.', '-' and '_'".into());
    }
    Ok(out)
}

/// The first address of this machine that others can reach.
fn own_address() -> Option<IpAddr> {
    let all = nix::ifaddrs::getifaddrs().ok()?;
    let addresses = all.filter_map(|i| {
        let storage = i.address?;
        let v4 = storage.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    });
    let mut usable: Vec<IpAddr> =
        addresses.filter(|a| !a.is_loopback() && !link_local(a)).collect();
    usable.sort_by_key(IpAddr::is_ipv6);
    usable.first().copied()
}

fn link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

fn make(path: &Path, mode: u32, content: &[u8]) -> Outcome {
    let wrong = |e: std::io::Error| Failure::from(format!("{}: {e}", path.display()));
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(wrong)?;
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(wrong)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(wrong)
}

/// `cluster init [name=NAME] [node=NAME] [address=IP]`
pub fn init(session: &mut Session, call: &Call<'_>) -> Outcome {
    let wanted = wanted(call)?;
    let config = place("CRM_CONFIG", "/etc/crm/cluster.conf");
    let key_file = place("CRM_AUTHKEY", "/etc/crm/authkey");
    for file in [&config, &key_file] {
        if file.exists() {
            return Err(Message::error(format!(
                "{} already exists; nothing was changed",
                file.display()
            ))
            .help("this node belongs to a cluster; move the file away to make a new one")
            .into());
        }
    }
    let address = wanted.address.or_else(own_address).ok_or_else(|| {
        Failure::from("this machine has no address that others can reach; say address=IP")
    })?;
    let text = format!(
        "totem {{\n    version: 2\n    cluster_name: {}\n}}\n\nnodelist {{\n    node {{\n        \
         ring0_addr: {address}\n        name: {}\n        nodeid: 1\n    }}\n}}\n\nquorum {{\n    \
         provider: corosync_votequorum\n}}\n",
        wanted.cluster, wanted.node
    );
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut key))
        .map_err(|e| Failure::from(format!("/dev/urandom: {e}")))?;
    make(&key_file, 0o600, &key)?;
    make(&config, 0o644, text.as_bytes())?;
    session.note(format!(
        "wrote {} and {}; start the cluster with 'crm cluster start'",
        config.display(),
        key_file.display()
    ));
    Ok(())
}
