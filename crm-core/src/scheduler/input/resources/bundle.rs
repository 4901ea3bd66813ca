//! Bundles: containers, addresses, connections and the implicit clone (I-94 to I-107).

use std::fmt::Write;
use std::sync::Arc;

use crate::Score;
use crate::cib::Element;
use crate::scalar::{parse_bool, parse_count};
use crate::scheduler::input::nodes;
use crate::scheduler::model::{
    BundleData, Cause, Discovery, Node, NodeIx, NodeKind, OpDef, Replica, RscIx, Table, Variant,
};

use super::collective::Cloned;
use super::remote::Connection;
use super::source::Source;
use super::{Reader, Refused};

// Where the peers' images expect things; part of the containers' digests (I-100 to I-102).
const REMOTE_DAEMON: &str = "/usr/sbin/pacemaker-remoted";
const REMOTE_KEY: &str = "/etc/pacemaker/authkey";
const BUNDLE_LOGS: &str = "/var/log/pacemaker/bundles";
const DEFAULT_PORT: &str = "3121";

struct Mount<'a> {
    source: &'a str,
    target: &'a str,
    options: Option<&'a str>,
    per_replica: bool,
}

/// What the bundle's elements say.
struct Plan<'a> {
    id: &'a str,
    launcher: &'a Element,
    network: Option<&'a Element>,
    primitive: Option<&'a Element>,
    count: u32,
    per_host: u32,
    /// More than one per host was asked for, even if it is not possible.
    unique: bool,
    promoted_max: u32,
    add_host: bool,
    mounts: Vec<Mount<'a>>,
    ports: Vec<(&'a str, &'a str)>,
}

impl<'a> Plan<'a> {
    fn network_attr(&self, name: &str) -> Option<&'a str> {
        self.network.and_then(|n| n.attr(name))
    }

    fn control_port(&self) -> &'a str {
        self.network_attr("control-port").unwrap_or(DEFAULT_PORT)
    }

    /// One address per replica, as far as they reach (I-99).
    fn addresses(&self) -> Vec<Option<Arc<str>>> {
        let mut next = self.network_attr("ip-range-start").map(str::to_owned);
        (0..self.count)
            .map(|_| {
                let current = next.take();
                next = current.as_deref().and_then(next_address);
                current.map(Arc::from)
            })
            .collect()
    }
}

/// I-99
fn next_address(address: &str) -> Option<String> {
    let octets: Vec<u32> =
        address.split('.').map(|o| o.parse().ok()).collect::<Option<Vec<u32>>>()?;
    let [a, b, c, d] = octets[..] else { return None };
    if d <= 253 {
        Some(format!("{a}.{b}.{c}.{}", d + 1))
    } else if c <= 253 {
        Some(format!("{a}.{b}.{}.1", c + 1))
    } else {
        None
    }
}

impl<'a> Reader<'_, 'a> {
    pub(super) fn bundle(
        &mut self,
        source: &Source,
        element: &'a Element,
    ) -> Result<RscIx, Refused> {
        let plan = self.plan(element)?;
        let data = BundleData {
            replicas: Vec::new(),
            per_host: plan.per_host,
            promoted_max: plan.promoted_max,
            clone: None,
            image: plan.launcher.attr("image").unwrap_or_default().into(),
            launcher: plan.launcher.name().into(),
            control_port: plan.control_port().into(),
        };
        let bundle = self.generic(source, Variant::Bundle(Box::new(data)), None, None)?;
        self.cluster[bundle].unique = plan.unique;
        let inner = match plan.primitive {
            Some(primitive) => Some(self.inner_clone(&plan, primitive, bundle)?),
            None => None,
        };
        let addresses = plan.addresses();
        let instances = inner.map_or_else(Vec::new, |c| self.cluster[c].children.clone());
        let mut replicas = Vec::new();
        for number in 0..plan.count {
            let child = instances.get(number as usize).copied();
            let address = addresses[number as usize].clone();
            let mut replica = Replica {
                number,
                container: bundle,
                ip: None,
                address,
                connection: None,
                child,
                node: None,
            };
            replica.container = self.container(&plan, bundle, &replica, &addresses)?;
            replica.ip = self.address(&plan, bundle, &replica)?;
            if child.is_some() {
                self.connection(&plan, bundle, &mut replica)?;
            }
            replicas.push(replica);
        }
        self.cluster[bundle].children.extend(inner);
        if let Variant::Bundle(data) = &mut self.cluster[bundle].variant {
            data.replicas = replicas;
            data.clone = inner;
        }
        self.default_nodes(bundle);
        Ok(bundle)
    }

    fn plan(&mut self, element: &'a Element) -> Result<Plan<'a>, Refused> {
        let id = element.id().unwrap_or_default();
        let launcher = ["docker", "rkt", "podman"].iter().find_map(|name| element.child(name));
        let Some(launcher) = launcher else {
            self.complain(format!("Bundle {id} has no container technology that is supported"));
            return Err(Refused);
        };
        let attr = |name: &str| launcher.attr(name);
        let promoted = attr("promoted-max").or_else(|| attr("masters"));
        let promoted_max = parse_count(promoted, 0);
        let count = match attr("replicas") {
            None if promoted_max > 0 => promoted_max,
            text => parse_count(text, 1),
        };
        let per_host = parse_count(attr("replicas-per-host"), 1);
        let mut plan = Plan {
            id,
            launcher,
            network: element.child("network"),
            primitive: element.child("primitive"),
            count,
            per_host,
            unique: per_host > 1,
            promoted_max,
            add_host: true,
            mounts: Vec::new(),
            ports: Vec::new(),
        };
        plan.add_host = plan.network_attr("add-host").and_then(parse_bool).unwrap_or(true);
        self.storage(&mut plan, element);
        self.network(&mut plan)?;
        Ok(plan)
    }

    /// I-96
    fn network(&mut self, plan: &mut Plan<'a>) -> Result<(), Refused> {
        for mapping in plan.network.into_iter().flat_map(Element::children) {
            if let Some(port) = mapping.attr("port") {
                plan.ports.push((port, mapping.attr("internal-port").unwrap_or(port)));
            } else if let Some(range) = mapping.attr("range") {
                plan.ports.push((range, range));
            }
        }
        if plan.primitive.is_none() {
            return Ok(());
        }
        let has_range = plan.network_attr("ip-range-start").is_some();
        if !has_range && plan.network_attr("control-port").is_none() {
            self.complain(format!(
                "Cannot control resource inside bundle {} without ip-range-start or control-port",
                plan.id
            ));
            return Err(Refused);
        }
        if !has_range && plan.per_host > 1 {
            self.complain(format!(
                "Specifying the control-port for {} requires 'replicas-per-host=1'",
                plan.id
            ));
            plan.per_host = 1;
        }
        plan.ports.push((plan.control_port(), plan.control_port()));
        Ok(())
    }

    fn storage(&mut self, plan: &mut Plan<'a>, element: &'a Element) {
        let storage = element.child("storage");
        for mapping in storage.into_iter().flat_map(Element::children) {
            let whole = mapping.attr("source-dir");
            let root = mapping.attr("source-dir-root");
            match (whole.or(root), mapping.attr("target-dir")) {
                (Some(source), Some(target)) => plan.mounts.push(Mount {
                    source,
                    target,
                    options: mapping.attr("options"),
                    per_replica: whole.is_none(),
                }),
                _ => self.complain(format!("Invalid mount in bundle {}", plan.id)),
            }
        }
        if plan.primitive.is_some() {
            let logged = plan.mounts.iter().any(|m| m.target == "/var/log");
            let key = (REMOTE_KEY, REMOTE_KEY, false);
            let log = (!logged).then_some((BUNDLE_LOGS, "/var/log", true));
            for (source, target, per_replica) in std::iter::once(key).chain(log) {
                plan.mounts.push(Mount { source, target, options: None, per_replica });
            }
        }
    }

    /// I-97
    fn inner_clone(
        &mut self,
        plan: &Plan<'a>,
        primitive: &'a Element,
        bundle: RscIx,
    ) -> Result<RscIx, Refused> {
        let suffix = if plan.promoted_max > 0 { "master" } else { "clone" };
        let id: Arc<str> = format!("{}-{suffix}", plan.id).into();
        let mut meta = Table::default();
        meta.set("ordered", "true");
        meta.set("clone-max", plan.count.to_string());
        meta.set("clone-node-max", plan.per_host.to_string());
        meta.set("globally-unique", if plan.per_host > 1 { "true" } else { "false" });
        if plan.promoted_max > 0 {
            meta.set("promotable", "true");
            meta.set("promoted-max", plan.promoted_max.to_string());
        }
        let source = Source {
            id: id.clone(),
            attributes: vec![("id".into(), id)],
            meta: Source::block(meta),
            ..Source::default()
        };
        let inner = self.source(primitive)?;
        let clone = self.clone_of(&source, &Cloned::Primitive(inner), Some(bundle))?;
        self.inherit_from_inner(clone, bundle);
        Ok(clone)
    }

    /// I-105
    fn inherit_from_inner(&mut self, clone: RscIx, bundle: RscIx) {
        let Some(&first) = self.cluster[clone].children.first() else { return };
        if self.cluster[first].notify {
            self.cluster[clone].notify = true;
        }
        let target = self.cluster[first].meta.get("container-attribute-target");
        if let Some(target) = target.map(str::to_owned) {
            for rsc in [clone, bundle] {
                let table = Arc::make_mut(&mut self.cluster[rsc].meta);
                table.set("container-attribute-target", target.as_str());
            }
        }
    }

    fn implicit(
        &mut self,
        id: &str,
        kind: &str,
        params: Table,
        bundle: RscIx,
    ) -> Result<RscIx, Refused> {
        let mut source = Source::implicit(id, ["ocf", "heartbeat", kind]);
        source.params = Source::block(params);
        let monitor: OpDef = Source::op(id, "monitor", "60s", None);
        source.ops = vec![monitor].into();
        let rsc = self.primitive(&source, Some(bundle), None)?;
        self.cluster[bundle].children.push(rsc);
        Ok(rsc)
    }

    /// I-98, I-100
    fn container(
        &mut self,
        plan: &Plan<'a>,
        bundle: RscIx,
        replica: &Replica,
        addresses: &[Option<Arc<str>>],
    ) -> Result<RscIx, Refused> {
        let kind = plan.launcher.name();
        let number = replica.number;
        let mut params = Table::default();
        params.set("image", plan.launcher.attr("image").unwrap_or_default());
        params.set("allow_pull", "true");
        params.set("force_kill", "false");
        params.set("reuse", "false");
        params.set("monitor_cmd", "/bin/true");
        params.set("run_opts", run_options(plan, replica, addresses));
        let own = plan.mounts.iter().filter(|m| m.per_replica);
        let directories: Vec<String> =
            own.map(|m| format!("{}/{}-{number}", m.source, plan.id)).collect();
        params.set("mount_points", directories.join(","));
        let command = plan.launcher.attr("run-command");
        let daemon = plan.primitive.map(|_| REMOTE_DAEMON);
        if let Some(command) = command.or(daemon) {
            params.set("run_cmd", command);
        }
        let id = format!("{}-{kind}-{number}", plan.id);
        let container = self.implicit(&id, kind, params, bundle)?;
        if let Some(child) = replica.child {
            // I-104
            self.cluster[container].utilization =
                std::mem::take(&mut self.cluster[child].utilization);
        }
        Ok(container)
    }

    fn address(
        &mut self,
        plan: &Plan<'a>,
        bundle: RscIx,
        replica: &Replica,
    ) -> Result<Option<RscIx>, Refused> {
        let Some(address) = &replica.address else { return Ok(None) };
        let mut params = Table::default();
        params.set("ip", address.clone());
        if let Some(interface) = plan.network_attr("host-interface") {
            params.set("nic", interface);
        }
        params.set("cidr_netmask", plan.network_attr("host-netmask").unwrap_or("32"));
        let id = format!("{}-ip-{address}", plan.id);
        self.implicit(&id, "IPaddr2", params, bundle).map(Some)
    }

    /// The connection and the bundle node (I-98, I-103).
    fn connection(
        &mut self,
        plan: &Plan<'a>,
        bundle: RscIx,
        replica: &mut Replica,
    ) -> Result<(), Refused> {
        let Some(child) = replica.child else { return Ok(()) };
        let number = replica.number;
        let mut id = format!("{}-{number}", plan.id);
        if self.cluster.resource(&id).is_some() {
            id = format!("pcmk-internal-{}-remote-{number}", self.cluster[child].id);
        }
        let container_id = self.cluster[replica.container].id.clone();
        let connection = Connection {
            id: &id,
            container: &container_id,
            addr: Some(replica.address.as_deref().unwrap_or("#uname")),
            port: Some(plan.control_port()),
            ..Connection::default()
        };
        let node = self.bundle_node(&id);
        let rsc = self.primitive(&connection.source(), Some(bundle), None)?;
        self.cluster[bundle].children.push(rsc);
        for i in 0..self.cluster.nodes.len() {
            let other = NodeIx::next(i);
            if self.cluster[other].is_remote() {
                let table = &mut self.cluster[rsc].allowed;
                table.set(other, Score::MINUS_INFINITY, Cause::NotOnRemote);
            }
        }
        self.cluster[rsc].container = Some(replica.container);
        self.cluster[rsc].remote_node = Some(node);
        self.cluster[node].connection = Some(rsc);
        self.cluster[node].attributes.insert("#kind".into(), "container".into());
        self.own_node_only(child, node);
        if let Some(address) = &replica.address {
            let table = Arc::make_mut(&mut self.cluster[child].meta);
            table.set("external-ip", address.clone());
        }
        replica.connection = Some(rsc);
        replica.node = Some(node);
        Ok(())
    }

    fn bundle_node(&mut self, name: &str) -> NodeIx {
        let node = match self.cluster.node_named(name) {
            Some(node) => {
                self.cluster[node].score = Score::MINUS_INFINITY;
                node
            }
            None => nodes::add(
                self.cluster,
                Node::new(name.into(), name.into(), NodeKind::Remote, Score::MINUS_INFINITY),
            ),
        };
        self.cluster[node].discover_never = true;
        for top in self.cluster.top.clone() {
            for each in self.cluster.descendants(top) {
                let table = &mut self.cluster[each].allowed;
                if table.set(node, Score::MINUS_INFINITY, Cause::Container)
                    && let Some(entry) = table.get_mut(node)
                {
                    entry.discovery = Discovery::Never;
                }
            }
        }
        node
    }

    /// P-129
    fn own_node_only(&mut self, child: RscIx, node: NodeIx) {
        let record = self.cluster.record;
        let mut table = crate::scheduler::model::ScoreTable::new(record);
        table.insert(node, Score::new(500), Discovery::Exclusive, Cause::Container);
        self.cluster[child].allowed = table;
        self.cluster[child].exclusive_discovery = true;
        if let Some(clone) = self.cluster[child].parent {
            let score = Score::MINUS_INFINITY;
            self.cluster[clone].allowed.insert(node, score, Discovery::Exclusive, Cause::Container);
        }
    }
}

/// I-101
fn run_options(plan: &Plan<'_>, replica: &Replica, addresses: &[Option<Arc<str>>]) -> String {
    let mut out = String::new();
    let docker = plan.launcher.name() == "docker";
    let number = replica.number;
    let id = plan.id;
    if docker {
        out.push_str(" --restart=no");
    }
    // Writing to a String cannot fail.
    if plan.network_attr("ip-range-start").is_some() {
        let _ = write!(out, " -h {id}-{number}");
    }
    out.push_str(" -e PCMK_stderr=1");
    if let Some(network) = plan.launcher.attr("network") {
        let _ = write!(out, " --net={network}");
    }
    let _ = write!(out, " -e PCMK_remote_port={}", plan.control_port());
    for mount in &plan.mounts {
        let own = if mount.per_replica { format!("/{id}-{number}") } else { String::new() };
        let _ = write!(out, " -v {}{own}:{}", mount.source, mount.target);
        if let Some(options) = mount.options {
            let _ = write!(out, ":{options}");
        }
    }
    for (port, internal) in &plan.ports {
        match &replica.address {
            Some(address) => {
                let _ = write!(out, " -p {address}:{port}:{internal}");
            }
            None if plan.launcher.attr("network") == Some("host") => {}
            None => {
                let _ = write!(out, " -p {port}:{internal}");
            }
        }
    }
    if let Some(options) = plan.launcher.attr("options") {
        let _ = write!(out, " {options}");
    }
    out.push(' ');
    for (other, address) in addresses.iter().enumerate() {
        let Some(address) = address else { continue };
        let _ = if plan.add_host {
            write!(out, " --add-host={id}-{other}:{address}")
        } else {
            write!(out, " --hosts-entry={address}={id}-{other}")
        };
    }
    out
}
