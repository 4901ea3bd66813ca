//! Resources of every kind (part 1, section 8).

mod bundle;
mod collective;
mod link;
mod meta;
mod remote;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Score;
use crate::cib::Element;
use crate::scheduler::model::{
    Agent, Blocks, Cause, Cluster, MultipleActive, NodeIx, Requires, Resource, Role, RscIx,
    ScoreTable, Severity, Table, Variant,
};

use super::doc::Document;
pub use collective::extra_instance;
pub use link::orphan_connection;
use source::Source;

/// Why an element became no resource; already reported.
#[derive(Debug)]
struct Refused;

/// What unpacking needs at hand.
struct Reader<'d, 'a> {
    cluster: &'d mut Cluster,
    doc: &'d Document<'a>,
    templates: BTreeMap<&'a str, &'a Element>,
}

/// Reads the `resources` section, with the nodes that resources imply.
pub fn load(cluster: &mut Cluster, doc: &Document<'_>) {
    let Some(section) = doc.section("resources") else { return };
    for block in ["rsc_defaults", "op_defaults"] {
        let defaults = doc.section(block);
        let blocks = |c: &Cluster, tag| doc.blocks(defaults.into_iter(), tag, &c.options);
        if block == "rsc_defaults" {
            cluster.rsc_defaults = blocks(cluster, "meta_attributes");
            cluster.rsc_default_params = blocks(cluster, "instance_attributes");
        } else {
            cluster.op_defaults = blocks(cluster, "meta_attributes");
        }
    }
    let implicit = remote::create_nodes(cluster, section);
    let templates = section.children_named("template").filter_map(|t| Some((t.id()?, t))).collect();
    let mut reader = Reader { cluster, doc, templates };
    for element in section.children().filter(|e| e.name() != "template") {
        if let Ok(rsc) = reader.element(element, None, None) {
            reader.cluster.top.push(rsc);
        }
    }
    for source in implicit {
        if let Ok(rsc) = reader.primitive(&source, None, None) {
            reader.cluster.top.push(rsc);
        }
    }
    link::load(cluster);
    let mut top = std::mem::take(&mut cluster.top);
    top.sort_by_key(|r| std::cmp::Reverse(cluster[*r].priority));
    cluster.top = top;
    if cluster.resources.iter().any(|r| r.is_fence_device) {
        cluster.options.have_fence_device = true;
    }
    if cluster.options.fencing && !cluster.options.have_fence_device {
        cluster.say(
            Severity::ConfigError,
            "Resource start-up disabled since no STONITH resources have been defined",
        );
        cluster.say(
            Severity::ConfigError,
            "Either configure some or disable STONITH with the stonith-enabled option",
        );
        cluster.say(
            Severity::ConfigError,
            "NOTE: Clusters with shared data need STONITH to ensure data integrity",
        );
    }
}

impl<'d, 'a> Reader<'d, 'a> {
    /// Unpacks an element of any kind. On refusal nothing of it is left in the tables.
    fn element(
        &mut self,
        element: &'a Element,
        parent: Option<RscIx>,
        instance: Option<u32>,
    ) -> Result<RscIx, Refused> {
        let source = self.source(element)?;
        let mark = self.cluster.resources.len();
        let kind = element.name().to_ascii_lowercase();
        let unpacked = match kind.as_str() {
            "primitive" => self.primitive(&source, parent, instance),
            "group" => self.group(&source, element, parent, instance),
            "clone" | "master" => self.clone(&source, element, parent),
            "bundle" => self.bundle(&source, element),
            other => {
                self.complain(format!(
                    "Ignoring resource '{}' of unknown type '{other}'",
                    source.id
                ));
                Err(Refused)
            }
        };
        if unpacked.is_err() {
            self.undo(mark);
        }
        unpacked
    }

    /// Takes back every resource from `mark` on.
    fn undo(&mut self, mark: usize) {
        let gone: Vec<Arc<str>> = self.cluster.resources.drain(mark..).map(|r| r.id).collect();
        for id in gone {
            if self.cluster.by_id.get(&id).is_some_and(|r| r.ix() >= mark) {
                self.cluster.by_id.remove(&id);
            }
        }
        for (_, users) in &mut self.cluster.templates {
            users.retain(|r| r.ix() < mark);
        }
        for node in &mut self.cluster.nodes {
            if node.connection.is_some_and(|r| r.ix() >= mark) {
                node.connection = None;
            }
        }
    }

    fn complain(&mut self, text: impl Into<String>) {
        self.cluster.say(Severity::ConfigError, text);
    }

    fn primitive(
        &mut self,
        source: &Source,
        parent: Option<RscIx>,
        instance: Option<u32>,
    ) -> Result<RscIx, Refused> {
        let rsc = self.generic(source, Variant::Primitive, parent, instance)?;
        if self.cluster[rsc].promotable && !source.agent.can_be_promoted() {
            let text = format!(
                "Resource {} is of class {} and therefore cannot be used as a promotable clone \
                 resource",
                source.id, source.agent.class
            );
            self.complain(text);
            return Err(Refused);
        }
        self.default_nodes(rsc);
        Ok(rsc)
    }

    fn generic(
        &mut self,
        source: &Source,
        variant: Variant,
        parent: Option<RscIx>,
        instance: Option<u32>,
    ) -> Result<RscIx, Refused> {
        Ok(generic(self.cluster, source, variant, parent, instance))
    }

    /// Every node known now is allowed, with its own score (I-77).
    fn default_nodes(&mut self, rsc: RscIx) {
        default_nodes(self.cluster, rsc);
    }
}

/// The part that is the same for every kind (I-72 to I-82).
fn generic(
    cluster: &mut Cluster,
    source: &Source,
    variant: Variant,
    parent: Option<RscIx>,
    instance: Option<u32>,
) -> RscIx {
    let id: Arc<str> = match instance {
        Some(n) => format!("{}:{n}", source.id).into(),
        None => source.id.clone(),
    };
    let ix = RscIx::next(cluster.resources.len());
    let resource = Resource {
        instance,
        parent,
        agent: source.agent.clone(),
        template: source.template.clone(),
        param_blocks: source.params.clone(),
        meta_blocks: source.meta.clone(),
        ops: source.ops.clone(),
        is_fence_device: source.agent.class.eq_ignore_ascii_case("stonith"),
        is_remote_connection: source.agent.is_remote_connection(),
        allowed: ScoreTable::new(cluster.record),
        ..blank(id.clone(), source.id.clone(), variant)
    };
    cluster.resources.push(resource);
    cluster.by_id.entry(id).or_insert(ix);
    meta::unpack(cluster, ix, &source.attributes);
    cluster[ix].utilization = meta::utilization(cluster, &source.utilization);
    if let Some(template) = &source.template {
        let known = cluster.templates.iter_mut().find(|(id, _)| id == template);
        match known {
            Some((_, users)) => users.push(ix),
            None => cluster.templates.push((template.clone(), vec![ix])),
        }
    }
    ix
}

/// A primitive that only the history knows (I-133).
pub fn invent(
    cluster: &mut Cluster,
    id: Arc<str>,
    class: Arc<str>,
    provider: Option<Arc<str>>,
    kind: Arc<str>,
) -> RscIx {
    let mut attributes: Vec<(Arc<str>, Arc<str>)> = vec![
        ("id".into(), id.clone()),
        ("class".into(), class.clone()),
        ("type".into(), kind.clone()),
    ];
    if let Some(provider) = &provider {
        attributes.push(("provider".into(), provider.clone()));
    }
    let agent = Agent { class, provider, kind };
    let source = Source { id, attributes, agent, ..Source::default() };
    let rsc = generic(cluster, &source, Variant::Primitive, None, None);
    default_nodes(cluster, rsc);
    rsc
}

/// I-77, P-18 to P-20.
pub fn default_nodes(cluster: &mut Cluster, rsc: RscIx) {
    let guest = cluster[rsc].is_remote_connection && cluster[rsc].meta.get("container").is_some();
    let symmetric = cluster.options.symmetric;
    if !symmetric && !guest {
        return;
    }
    for each in cluster.descendants(rsc) {
        if symmetric && cluster[each].exclusive_discovery {
            continue;
        }
        for i in 0..cluster.nodes.len() {
            let node = NodeIx::next(i);
            let never = symmetric && cluster[node].discover_never;
            if never || cluster[each].allowed.get(node).is_some() {
                continue;
            }
            let (score, discovery) = (cluster[node].score, cluster.initial_discovery(node));
            cluster[each].allowed.insert(node, score, discovery, Cause::NodeScore);
        }
    }
}

/// A resource with nothing known about it.
pub fn blank(id: Arc<str>, xml_id: Arc<str>, variant: Variant) -> Resource {
    Resource {
        id,
        xml_id,
        history_name: None,
        instance: None,
        parent: None,
        children: Vec::new(),
        variant,
        agent: Agent::default(),
        template: None,
        meta: Arc::new(Table::default()),
        param_blocks: Blocks::default(),
        meta_blocks: Blocks::default(),
        utilization: Vec::new(),
        ops: Arc::default(),
        managed: true,
        blocked: false,
        maintenance: false,
        unique: true,
        orphan: false,
        notify: false,
        critical: true,
        allow_migrate: false,
        allow_unhealthy: false,
        is_remote_connection: false,
        is_fence_device: false,
        internal: false,
        restart_type_restart: false,
        provides_unfencing: false,
        promotable: false,
        exclusive_discovery: false,
        priority: Score::ZERO,
        stickiness: Score::ZERO,
        migration_threshold: Score::INFINITY,
        failure_timeout: 0,
        reconnect_interval: 0,
        requires: Requires::Nothing,
        multiple_active: MultipleActive::StopStart,
        goal: None,
        role: Role::Stopped,
        next_role: Role::Unknown,
        active_on: Vec::new(),
        known_on: Vec::new(),
        histories: Vec::new(),
        failed: false,
        must_stop: false,
        failure_ignored: false,
        start_pending: false,
        pending: None,
        partial_migration: None,
        dangling: Vec::new(),
        lock: None,
        container: None,
        container_gone: false,
        reload: false,
        stop_unexpected: false,
        fillers: Vec::new(),
        remote_node: None,
        allowed: ScoreTable::default(),
        locations: Vec::new(),
        this_with: Vec::new(),
        with_this: Vec::new(),
        assigned: None,
        decided: false,
        in_progress: false,
        merging: false,
        promotion_index: Score::ZERO,
        actions: Vec::new(),
    }
}
