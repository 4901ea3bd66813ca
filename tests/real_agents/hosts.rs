//! Two hosts of the namespace lab with daemons.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crm_lab::{HostSpec, Lab, Network};

use crate::cluster::{NODES, conf};

const PREFIX: [u8; 3] = [10, 94, 0];
/// Far beyond what any phase takes; only what hangs reaches it.
pub const LIMIT: Duration = Duration::from_secs(300);
/// How often something is looked for.
pub const LOOK: Duration = Duration::from_millis(300);
/// The machine's agents, where a host sees them.
const SETUP: &str = include_str!("setup.sh");

/// The hosts, switched on.
pub struct Hosts(Lab);

impl Hosts {
    /// Boots both.
    pub fn boot() -> Result<Hosts, String> {
        let network = |name: &str, third| Network {
            interface: name.into(),
            prefix: [PREFIX[0], PREFIX[1], third],
        };
        let executable = Path::new(env!("CARGO_BIN_EXE_crm"));
        let lab = Lab::carrying(executable, network("eth0", 0), network("mgmt0", 1))
            .map_err(|e| e.to_string())?;
        for (number, name) in (1..).zip(NODES) {
            let host = HostSpec {
                name: name.into(),
                octet: 10 + number,
                files: files(),
                service: ["sh", "/etc/crm/setup.sh"].map(str::to_owned).to_vec(),
            };
            lab.add(host).and_then(|()| lab.power_on(name)).map_err(|e| e.to_string())?;
        }
        Ok(Hosts(lab))
    }

    /// A command on a host.
    pub fn command(&self, host: &str, words: &[&str]) -> Result<Command, String> {
        self.0.command(host, words).map_err(|e| e.to_string())
    }

    /// A file on a host's disk.
    pub fn file(&self, host: &str, path: &str) -> Option<Vec<u8>> {
        self.0.disk(host, path)
    }
}

fn files() -> Vec<(PathBuf, u32, Vec<u8>)> {
    let [a, b, c] = PREFIX;
    let addresses = [11, 12].map(|octet| format!("{a}.{b}.{c}.{octet}"));
    let mut hosts = String::from("127.0.0.1 localhost\n");
    for (name, address) in NODES.iter().zip(&addresses) {
        hosts += &format!("{address} {name}\n");
    }
    let file = |path: &str, mode, text: &str| (path.into(), mode, text.as_bytes().to_vec());
    vec![
        file("/etc/crm/cluster.conf", 0o644, &conf(&addresses)),
        file("/etc/crm/authkey", 0o400, &"two hosts in a lab".repeat(16)),
        file("/etc/crm/setup.sh", 0o755, SETUP),
        file("/etc/hosts", 0o644, &hosts),
        file("/var/lib/crm/.keep", 0o644, ""),
    ]
}
