//! Groups and clones (I-88 to I-93).

use std::sync::Arc;

use crate::cib::Element;
use crate::scalar::{is_true, parse_bool, parse_count};
use crate::scheduler::model::{
    CloneData, Cluster, GroupData, Resource, RscIx, ScoreTable, Severity, Variant,
};

use super::meta;
use super::source::Source;
use super::{Reader, Refused, blank, default_nodes};

/// The cloned element: read once, made many times.
pub(super) enum Cloned {
    Primitive(Source),
    Group(Source, Vec<Source>),
}

impl Cloned {
    fn primitives(&self) -> &[Source] {
        match self {
            Cloned::Primitive(source) => std::slice::from_ref(source),
            Cloned::Group(_, members) => members,
        }
    }
}

impl<'a> Reader<'_, 'a> {
    /// I-88
    pub(super) fn group(
        &mut self,
        source: &Source,
        element: &'a Element,
        parent: Option<RscIx>,
        instance: Option<u32>,
    ) -> Result<RscIx, Refused> {
        let members = self.members(element);
        self.group_of(source, &members, parent, instance)
    }

    fn members(&mut self, element: &'a Element) -> Vec<Source> {
        element
            .children()
            .filter(|c| c.name().eq_ignore_ascii_case("primitive"))
            .filter_map(|member| self.source(member).ok())
            .collect()
    }

    fn group_of(
        &mut self,
        source: &Source,
        members: &[Source],
        parent: Option<RscIx>,
        instance: Option<u32>,
    ) -> Result<RscIx, Refused> {
        let data = GroupData { ordered: true, colocated: true };
        let group = self.generic(source, Variant::Group(data), parent, instance)?;
        let set =
            |name: &str, c: &Cluster| c[group].meta.get(name).and_then(parse_bool) != Some(false);
        let data = GroupData {
            ordered: set("ordered", self.cluster),
            colocated: set("collocated", self.cluster),
        };
        for (name, kept) in [("ordered", data.ordered), ("collocated", data.colocated)] {
            if !kept {
                let text = format!(
                    "The meta-attribute '{name}' of groups is deprecated; resource sets can do that"
                );
                self.cluster.say_once(Severity::ConfigWarning, &text);
            }
        }
        self.cluster[group].variant = Variant::Group(data);
        for member in members {
            let mark = self.cluster.resources.len();
            match self.primitive(member, Some(group), instance) {
                Ok(rsc) => self.cluster[group].children.push(rsc),
                Err(Refused) => self.undo(mark),
            }
        }
        if self.cluster[group].children.is_empty() {
            let text = format!("Group {} does not have any children", source.id);
            self.cluster.say(Severity::ConfigWarning, text);
        }
        self.default_nodes(group);
        Ok(group)
    }

    /// I-89 to I-92
    pub(super) fn clone(
        &mut self,
        source: &Source,
        element: &'a Element,
        parent: Option<RscIx>,
    ) -> Result<RscIx, Refused> {
        let is_child = |e: &&Element| {
            e.name().eq_ignore_ascii_case("primitive") || e.name().eq_ignore_ascii_case("group")
        };
        let Some(child) = element.children().find(is_child) else {
            self.complain(format!("Clone {} has nothing to clone", source.id));
            return Err(Refused);
        };
        let child_source = self.source(child)?;
        let cloned = if child.name().eq_ignore_ascii_case("group") {
            let members = self.members(child);
            Cloned::Group(child_source, members)
        } else {
            Cloned::Primitive(child_source)
        };
        if !element.name().eq_ignore_ascii_case("master") {
            return self.clone_of(source, &cloned, parent);
        }
        let mut source = source.clone();
        source.attributes.push(("promotable".into(), "true".into()));
        self.clone_of(&source, &cloned, parent)
    }

    /// Makes the clone and its instances.
    pub(super) fn clone_of(
        &mut self,
        source: &Source,
        cloned: &Cloned,
        parent: Option<RscIx>,
    ) -> Result<RscIx, Refused> {
        let blank = CloneData {
            max: 0,
            node_max: 1,
            configured_node_max: 1,
            promoted_max: 0,
            promoted_node_max: 0,
            ordered: false,
            promotable: false,
            promotion_added: false,
        };
        let clone = self.generic(source, Variant::Clone(blank), parent, None)?;
        let data = self.clone_options(clone, cloned);
        let max = data.max;
        self.cluster[clone].variant = Variant::Clone(data);
        self.inherited(clone);
        let remarks = self.cluster.messages.len();
        let first = self.instance(cloned, clone, 0)?;
        // The others are like the first, and so would be what there is to say about them.
        let alike = self.cluster.messages.len() == remarks;
        for number in 1..max {
            if alike {
                self.another(first, number);
            } else {
                self.instance(cloned, clone, number)?;
            }
        }
        if max == 0 {
            mark_orphan(self.cluster, first);
        }
        self.default_nodes(clone);
        Ok(clone)
    }

    fn clone_options(&mut self, clone: RscIx, cloned: &Cloned) -> CloneData {
        let meta = self.cluster[clone].meta.clone();
        let id = self.cluster[clone].id.clone();
        let nodes = u32::try_from(self.cluster.nodes.len().max(1)).unwrap_or(u32::MAX);
        let promotable = self.cluster[clone].promotable;
        let either = |new: &str, old: &str| meta.get(new).or_else(|| meta.get(old));
        let node_max = meta.get("clone-node-max").map_or(1, |v| parse_count(Some(v), 0));
        let mut data = CloneData {
            max: meta.get("clone-max").map_or(nodes, |v| parse_count(Some(v), 0)),
            node_max,
            configured_node_max: node_max,
            promoted_max: 0,
            promoted_node_max: 0,
            ordered: is_true(meta.get("ordered")),
            promotable,
            promotion_added: false,
        };
        if promotable {
            let count = |text: Option<&str>| text.map_or(1, |v| parse_count(Some(v), 0));
            data.promoted_max = count(either("promoted-max", "master-max"));
            data.promoted_node_max = count(either("promoted-node-max", "master-node-max"));
        }
        let unique_possible = cloned.primitives().iter().all(|p| p.agent.can_be_unique());
        if self.cluster[clone].unique && !unique_possible {
            let text =
                format!("Ignoring globally-unique for {id} because its resources cannot be unique");
            self.cluster.say(Severity::ConfigWarning, text);
            self.cluster[clone].unique = false;
            data.node_max = 1;
            data.max = data.max.min(nodes);
        }
        if !self.cluster[clone].unique && data.node_max > 1 {
            let text = format!(
                "Ignoring clone-node-max value of {} for {id} because anonymous clones support \
                 only one instance per node",
                data.node_max
            );
            self.complain(text);
            data.node_max = 1;
        }
        data
    }

    /// I-91
    fn inherited(&mut self, clone: RscIx) {
        let unique = if self.cluster[clone].unique { "true" } else { "false" };
        let table = Arc::make_mut(&mut self.cluster[clone].meta);
        table.set_default(&"resource-stickiness".into(), &"1".into());
        table.set_default(&"globally-unique".into(), &unique.into());
    }

    /// One more instance.
    fn instance(&mut self, cloned: &Cloned, clone: RscIx, number: u32) -> Result<RscIx, Refused> {
        let instance = match cloned {
            Cloned::Primitive(source) => self.primitive(source, Some(clone), Some(number))?,
            Cloned::Group(source, members) => {
                self.group_of(source, members, Some(clone), Some(number))?
            }
        };
        let max = self.cluster[clone].clone_data().map_or(0, |d| d.max);
        let table = Arc::make_mut(&mut self.cluster[instance].meta);
        table.set_default(&"clone-max".into(), &max.to_string().into());
        self.cluster[clone].children.push(instance);
        if !self.cluster[clone].unique {
            for each in self.cluster.descendants(instance) {
                self.cluster[each].unique = false;
            }
        }
        Ok(instance)
    }
}

impl Reader<'_, '_> {
    /// One more instance, made from the first one, which is the latest of all resources or is
    /// followed by copies of itself. Nothing is read again: instances are most of all resources.
    fn another(&mut self, first: RscIx, number: u32) {
        let size = self.cluster.descendants(first).len();
        let begin = self.cluster.resources.len();
        let moved = |rsc: RscIx| RscIx::next(begin + rsc.ix() - first.ix());
        for at in first.ix()..first.ix() + size {
            let pattern = &self.cluster.resources[at];
            let id: Arc<str> = format!("{}:{number}", pattern.xml_id).into();
            let mut meta = (*pattern.meta).clone();
            meta.set("clone", number.to_string());
            let copy = Resource {
                id: id.clone(),
                instance: Some(number),
                parent: pattern.parent.map(|p| if p.ix() < first.ix() { p } else { moved(p) }),
                children: pattern.children.iter().map(|c| moved(*c)).collect(),
                meta: Arc::new(meta),
                ..pattern.clone()
            };
            let ix = RscIx::next(self.cluster.resources.len());
            if let Some(template) = &copy.template {
                let known = self.cluster.templates.iter_mut().find(|(id, _)| id == template);
                known.into_iter().for_each(|(_, users)| users.push(ix));
            }
            if at == first.ix()
                && let Some(clone) = copy.parent
            {
                self.cluster[clone].children.push(ix);
            }
            self.cluster.resources.push(copy);
            self.cluster.by_id.entry(id).or_insert(ix);
        }
    }
}

/// One more instance, made because of history beyond the configured ones (I-93). It is an orphan,
/// with everything in it.
pub fn extra_instance(cluster: &mut Cluster, clone: RscIx) -> Option<RscIx> {
    let pattern = *cluster[clone].children.first()?;
    let number = cluster[clone].children.iter().filter_map(|c| cluster[*c].instance).max()? + 1;
    let instance = copy_instance(cluster, pattern, clone, number);
    cluster[clone].children.push(instance);
    mark_orphan(cluster, instance);
    default_nodes(cluster, instance);
    Some(instance)
}

fn copy_instance(cluster: &mut Cluster, pattern: RscIx, parent: RscIx, number: u32) -> RscIx {
    let from = &cluster[pattern];
    let id: Arc<str> = format!("{}:{number}", from.xml_id).into();
    let mut table = (*from.meta).clone();
    table.set("clone", number.to_string());
    let copy = Resource {
        instance: Some(number),
        parent: Some(parent),
        agent: from.agent.clone(),
        template: from.template.clone(),
        param_blocks: from.param_blocks.clone(),
        meta_blocks: from.meta_blocks.clone(),
        utilization: from.utilization.clone(),
        ops: from.ops.clone(),
        is_fence_device: from.is_fence_device,
        is_remote_connection: from.is_remote_connection,
        exclusive_discovery: from.exclusive_discovery,
        allowed: ScoreTable::new(cluster.record),
        meta: Arc::new(table),
        ..blank(id.clone(), from.xml_id.clone(), from.variant.clone())
    };
    let children = from.children.clone();
    let ix = RscIx::next(cluster.resources.len());
    cluster.resources.push(copy);
    cluster.by_id.entry(id).or_insert(ix);
    let remarks = cluster.messages.len();
    meta::derive(cluster, ix);
    // The pattern's remarks were made when it was read.
    cluster.messages.truncate(remarks);
    cluster[ix].unique = cluster[pattern].unique;
    for child in children {
        let copied = copy_instance(cluster, child, ix, number);
        cluster[ix].children.push(copied);
    }
    ix
}

fn mark_orphan(cluster: &mut Cluster, rsc: RscIx) {
    for each in cluster.descendants(rsc) {
        cluster[each].orphan = true;
    }
}
