//! A cluster of two hosts, and what can be seen of it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Instant;

use crm_core::cib::{Element, parse};

use crate::hosts::{Hosts, LIMIT, LOOK};

/// The hosts. Everything prefers the first.
pub const NODES: [&str; 2] = ["node1", "node2"];

/// The running cluster.
pub struct Cluster {
    /// What it runs on.
    pub hosts: Hosts,
}

/// An operation that failed, as the cluster reports it.
pub struct FailedOperation {
    /// The resource instance.
    pub resource: String,
    /// The action.
    pub action: String,
    /// Everything else, for people.
    pub text: String,
}

impl Cluster {
    /// Waits for the daemons of the hosts.
    pub fn new(hosts: Hosts) -> Result<Cluster, String> {
        let cluster = Cluster { hosts };
        cluster.until("two members and nothing to do", |c| c.settled())?;
        Ok(cluster)
    }

    /// Runs a script on a host.
    pub fn sh(&self, host: &str, script: &str) -> Result<Output, String> {
        // Our commands before a peer's that the machine may have.
        let script = format!("PATH=/run/crm/bin:$PATH; {script}");
        let mut command = self.hosts.command(host, &["sh", "-c", &script])?;
        command.stdin(Stdio::null()).output().map_err(|e| format!("{host}: {e}"))
    }

    /// Runs a script on a host that must succeed.
    pub fn must(&self, host: &str, script: &str) -> Result<String, String> {
        let output = self.sh(host, script)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(format!("{host}: {script}\n{}{}", text(&output.stdout), text(&output.stderr)))
    }

    /// Feeds lines to `crm` on the first host.
    pub fn crm(&self, lines: &str) -> Result<(), String> {
        let failed = |e: std::io::Error| format!("crm: {e}");
        let mut child = self
            .hosts
            .command(NODES[0], &["/usr/local/sbin/crm"])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(lines.as_bytes()).map_err(failed)?;
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(format!("crm:\n{lines}\n{}", String::from_utf8_lossy(&said)))
    }

    /// What `crm_mon` says.
    pub fn status(&self) -> Result<Element, String> {
        let output = self.must(NODES[0], "crm_mon -1 --output-as=xml")?;
        parse(&output).map_err(|e| format!("crm_mon: {e}"))
    }

    /// Whether both are members and nothing is to be done.
    pub fn settled(&self) -> bool {
        let Ok(status) = self.status() else { return false };
        let nodes = status.child("nodes").into_iter().flat_map(|n| n.children_named("node"));
        let online = nodes
            .filter(|n| n.attr("online") == Some("true") && n.attr("pending") == Some("false"))
            .count();
        let dc = status.at(&["summary", "current_dc"]).and_then(|dc| dc.attr("name"));
        let (Some(dc), true) = (dc, online == NODES.len()) else { return false };
        self.must(NODES[0], &format!("crmadmin -S {dc}")).is_ok_and(|s| s.contains("S_IDLE"))
    }

    /// Waits until something is seen.
    pub fn until(&self, what: &str, seen: impl Fn(&Self) -> bool) -> Result<(), String> {
        let start = Instant::now();
        while !seen(self) {
            if start.elapsed() > LIMIT {
                let status = self.must(NODES[0], "crm_mon -1rf").unwrap_or_else(|e| e);
                return Err(format!("not seen in {} s: {what}\n{status}", LIMIT.as_secs()));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Where the instances of every resource are, as the cluster believes: node and role.
    pub fn places(&self) -> Result<BTreeMap<String, Vec<(String, String)>>, String> {
        let status = self.status()?;
        let mut places: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let mut open = vec![&status];
        while let Some(element) = open.pop() {
            open.extend(element.children());
            if element.name() != "resource" {
                continue;
            }
            let id = element.attr("id").unwrap_or_default();
            let id = id.split(':').next().unwrap_or(id).to_owned();
            let role = element.attr("role").unwrap_or_default();
            for node in element.children_named("node") {
                let node = node.attr("name").unwrap_or_default().to_owned();
                places.entry(id.clone()).or_default().push((node, role.to_owned()));
            }
        }
        Ok(places)
    }

    /// Operations that the cluster reports as failed.
    pub fn failures(&self) -> Result<Vec<FailedOperation>, String> {
        let status = self.status()?;
        let failures =
            status.child("failures").into_iter().flat_map(|f| f.children_named("failure"));
        let read = |failure: &Element| {
            let said = |name: &str| failure.attr(name).unwrap_or_default().to_owned();
            let key = said("op_key");
            let mut parts = key.rsplitn(3, '_');
            let (_, action, resource) = (parts.next(), parts.next(), parts.next());
            let resource = resource.unwrap_or_default();
            FailedOperation {
                resource: resource.split(':').next().unwrap_or(resource).to_owned(),
                action: action.unwrap_or_default().to_owned(),
                text: format!(
                    "{key} on {}: {} {} {}",
                    said("node"),
                    said("status"),
                    said("exitstatus"),
                    said("exitreason")
                ),
            }
        };
        Ok(failures.map(read).collect())
    }

    /// Saves the hosts' logs where somebody wants them.
    pub fn keep_logs(&self) {
        let Some(directory) = std::env::var_os("CRM_LOGS").map(PathBuf::from) else { return };
        let _ = std::fs::create_dir_all(&directory);
        for (node, log) in NODES.iter().flat_map(|n| [(n, "crm.log"), (n, "boot.log")]) {
            if let Some(content) = self.hosts.file(node, &format!("/var/log/{log}")) {
                let _ = std::fs::write(directory.join(format!("{node}-{log}")), content);
            }
        }
        for node in NODES {
            let said = self.must(node, "tail -n 50 /srv/*log /srv/*/*log /run/lab-*/log || true");
            let said = said.unwrap_or_else(|e| e);
            let _ = std::fs::write(directory.join(format!("{node}-services.log")), said);
        }
        let cib = self.must(NODES[0], "cibadmin -Q").unwrap_or_else(|e| e);
        let _ = std::fs::write(directory.join("cib.xml"), cib);
    }
}

/// The cluster's configuration: what goes into `cluster.conf`.
///
/// The addresses are those of [`NODES`].
pub fn conf(addresses: &[String; 2]) -> String {
    let mut conf = String::from(
        "totem {\n version: 2\n cluster_name: agents\n}\n\
         quorum {\n provider: corosync_votequorum\n two_node: 1\n wait_for_all: 0\n}\n\
         logging {\n to_logfile: yes\n logfile: /var/log/crm.log\n to_syslog: no\n}\nnodelist {\n",
    );
    for ((number, name), address) in (1..).zip(NODES).zip(addresses) {
        conf +=
            &format!(" node {{\n name: {name}\n nodeid: {number}\n ring0_addr: {address}\n }}\n");
    }
    conf + "}\n"
}
