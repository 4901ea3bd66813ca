//! Nodes that resources imply (I-42 to I-44).

use crate::Score;
use crate::cib::Element;
use crate::scheduler::input::nodes;
use crate::scheduler::model::{Agent, Cluster, Node, NodeKind, Table};

use super::source::Source;

/// What a connection made by the cluster is told.
#[derive(Default)]
pub(super) struct Connection<'a> {
    pub id: &'a str,
    pub container: &'a str,
    pub allow_migrate: Option<&'a str>,
    pub is_managed: Option<&'a str>,
    pub addr: Option<&'a str>,
    pub port: Option<&'a str>,
    pub start_timeout: Option<&'a str>,
}

/// Creates the nodes; returns the implicit guest connections, in the order to be unpacked.
pub(super) fn create_nodes(cluster: &mut Cluster, resources: &Element) -> Vec<Source> {
    let mut implicit = Vec::new();
    for element in resources.children() {
        match element.name().to_ascii_lowercase().as_str() {
            "primitive" => {
                let text = |name| element.attr(name).unwrap_or_default();
                let agent = Agent {
                    class: text("class").into(),
                    provider: element.attr("provider").map(Into::into),
                    kind: text("type").into(),
                };
                if agent.is_remote_connection() {
                    ensure_node(cluster, element.id().unwrap_or_default());
                }
                implicit.extend(guest(cluster, element));
            }
            "group" => {
                for member in element.children() {
                    implicit.extend(guest(cluster, member));
                }
            }
            _ => {}
        }
    }
    implicit
}

fn ensure_node(cluster: &mut Cluster, name: &str) {
    if !name.is_empty() && cluster.node_named(name).is_none() {
        let node = Node::new(name.into(), name.into(), NodeKind::Remote, Score::ZERO);
        nodes::add(cluster, node);
    }
}

/// I-43: reads the blocks raw; the last value wins.
fn guest(cluster: &mut Cluster, element: &Element) -> Option<Source> {
    let id = element.id()?;
    let mut connection = Connection { start_timeout: Some("60s"), ..Connection::default() };
    let mut name = None;
    let blocks = element.children_named("meta_attributes");
    for pair in blocks.flat_map(|b| b.children()) {
        let value = pair.attr("value");
        match pair.attr("name") {
            Some("remote-node") => name = value,
            Some("remote-addr") => connection.addr = value,
            Some("remote-port") => connection.port = value,
            Some("remote-connect-timeout") => connection.start_timeout = value,
            Some("remote-allow-migrate") => connection.allow_migrate = value,
            Some("is-managed") => connection.is_managed = value,
            _ => {}
        }
    }
    connection.id = name?;
    connection.container = id;
    ensure_node(cluster, connection.id);
    Some(connection.source())
}

impl Connection<'_> {
    pub(super) fn source(&self) -> Source {
        let mut source = Source::implicit(self.id, ["ocf", "pacemaker", "remote"]);
        let mut meta = Table::default();
        meta.set("internal_rsc", "true");
        meta.set("container", self.container);
        let mut params = Table::default();
        for (table, name, value) in [
            (0, "allow-migrate", self.allow_migrate),
            (0, "is-managed", self.is_managed),
            (1, "addr", self.addr),
            (1, "port", self.port),
        ] {
            if let Some(value) = value {
                if table == 0 { &mut meta } else { &mut params }.set(name, value);
            }
        }
        source.meta = Source::block(meta);
        source.params = Source::block(params);
        let mut ops = vec![Source::op(self.id, "monitor", "30s", Some("30s"))];
        if let Some(timeout) = self.start_timeout {
            ops.push(Source::op(self.id, "start", "0", Some(timeout)));
        }
        source.ops = ops.into();
        source
    }
}
