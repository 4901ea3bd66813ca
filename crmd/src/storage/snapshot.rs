//! Snapshots: the document as XML, with a digest of itself at its end.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crm_core::cib::{Element, Version, parse};
use sha2::{Digest as _, Sha256};

use crate::controller::replica::{Chain, Link, Replica};

/// The newest one.
pub(super) const FILE: &str = "cib.xml";
/// How many older ones are kept (`cib-1.xml` is the newest of them).
const KEPT: usize = 8;
const MARK: &str = "<!-- crm snapshot";

/// A snapshot that has been read and found whole.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) cib: Element,
    pub(super) chain: Chain,
    pub(super) links: VecDeque<Link>,
}

pub(super) fn write(directory: &Path, replica: &Replica) -> std::io::Result<()> {
    let mut document = replica.cib().clone();
    document.retain(|c| c.name() != "status");
    let mut text = document.to_pretty();
    text.push_str(&format!("{MARK} chain={} links=", replica.chain()));
    let link = |(v, c): &Link| format!("{}.{}:{c}", v.admin_epoch, v.epoch);
    text.push_str(&replica.links().iter().map(link).collect::<Vec<_>>().join(","));
    let digest = Sha256::digest(text.as_bytes());
    text.push_str(" sha256=");
    digest.iter().for_each(|b| text.push_str(&format!("{b:02x}")));
    text.push_str(" -->\n");
    let new = directory.join("cib.xml.new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    rotate(directory)?;
    std::fs::rename(&new, directory.join(FILE))?;
    File::open(directory)?.sync_all()
}

/// Moves the old ones on by one. The newest is linked, not moved: at every moment there is one.
fn rotate(directory: &Path) -> std::io::Result<()> {
    let old = |n: usize| directory.join(format!("cib-{n}.xml"));
    for n in (1..KEPT).rev() {
        ignore_missing(std::fs::rename(old(n), old(n + 1)))?;
    }
    ignore_missing(std::fs::hard_link(directory.join(FILE), old(1)))
}

fn ignore_missing(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The snapshots that exist, newest first.
pub(super) fn files(directory: &Path) -> Vec<PathBuf> {
    std::iter::once(directory.join(FILE))
        .chain((1..=KEPT).map(|n| directory.join(format!("cib-{n}.xml"))))
        .filter(|p| p.exists())
        .collect()
}

/// Reads one.
///
/// # Errors
/// In words, what is wrong with it.
pub(super) fn read(path: &Path) -> Result<Snapshot, String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let mark = text.rfind(MARK).ok_or("it has no digest")?;
    let end = text.rfind(" sha256=").filter(|e| *e > mark).ok_or("it has no digest")?;
    let stated = text[end + 8..].strip_suffix(" -->\n").ok_or("it is cut off")?;
    let digest: String =
        Sha256::digest(&text.as_bytes()[..end]).iter().map(|b| format!("{b:02x}")).collect();
    if stated != digest {
        return Err("its digest does not match".into());
    }
    let field = |name: &str| text[mark..end].split(' ').find_map(|w| w.strip_prefix(name));
    let chain = field("chain=").and_then(Chain::parse).ok_or("it has no chain")?;
    let links = field("links=").unwrap_or("").split(',').filter_map(link).collect();
    let cib = parse(&text).map_err(|e| e.to_string())?;
    Ok(Snapshot { cib, chain, links })
}

fn link(text: &str) -> Option<Link> {
    let (version, chain) = text.split_once(':')?;
    let (admin_epoch, epoch) = version.split_once('.')?;
    let version = Version {
        admin_epoch: admin_epoch.parse().ok()?,
        epoch: epoch.parse().ok()?,
        num_updates: 0,
    };
    Some((version, Chain::parse(chain)?))
}
