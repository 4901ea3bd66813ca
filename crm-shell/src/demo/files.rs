//! What the nodes of the demo have on their disks.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The configuration that the demo feeds to `crm configure`.
pub(super) const WEB_CRM: &str = include_str!("../../../docs/examples/web.crm");

const WEBSERVER: &str = include_str!("files/webserver");
const NGINX: &str = include_str!("files/nginx.conf");
const PLUG_IN: &str = include_str!("files/external-demo");

/// Path, mode and content of every file that the demo adds to a node.
pub(super) fn of_node(
    name: &str,
    cluster_conf: &str,
    key: &[u8],
    switch: SocketAddr,
) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let file = |path: &str, mode, text: &[u8]| (PathBuf::from(path), mode, text.to_vec());
    let plug_in = PLUG_IN.replace("@SWITCH@", &switch.to_string());
    vec![
        file("/etc/crm/cluster.conf", 0o644, cluster_conf.as_bytes()),
        file("/etc/crm/authkey", 0o400, key),
        file("/etc/hosts", 0o644, b"127.0.0.1 localhost\n"),
        file("/etc/init.d/webserver", 0o755, WEBSERVER.as_bytes()),
        file("/etc/webserver.conf", 0o644, NGINX.as_bytes()),
        file("/usr/lib/stonith/plugins/external/demo", 0o755, plug_in.as_bytes()),
        file("/srv/web/index.html", 0o644, format!("served by {name}\n").as_bytes()),
        file("/var/log/nginx/.keep", 0o644, b""),
        file("/var/lib/crm/.keep", 0o644, b""),
    ]
}

/// `cluster.conf` for nodes with these names, numbered from 1, at `prefix.(10 + number)`.
pub(super) fn cluster_conf(names: &[&str], prefix: [u8; 3]) -> String {
    let [a, b, c] = prefix;
    let mut text = String::from(
        "totem {\n    version: 2\n    cluster_name: demo\n}\n\
         quorum {\n    provider: corosync_votequorum\n}\n\
         logging {\n    to_logfile: yes\n    logfile: /var/log/crm.log\n    to_syslog: no\n}\nnodelist {\n",
    );
    for (number, name) in (1..).zip(names) {
        text += &format!(
            "    node {{\n        name: {name}\n        nodeid: {number}\n        ring0_addr: {a}.{b}.{c}.{}\n    }}\n",
            10 + number
        );
    }
    text + "}\n"
}

/// True where the machine has an nginx for the nodes to use.
pub(super) fn has_nginx() -> bool {
    ["/usr/sbin/nginx", "/usr/bin/nginx"].iter().any(|p| Path::new(p).exists())
}
