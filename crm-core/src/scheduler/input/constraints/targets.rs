//! What constraints refer to: resources, sets of them, tags and templates (P-44, P-76, I-86,
//! I-87).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Score;
use crate::cib::Element;
use crate::scalar::is_true;
use crate::scheduler::model::{Cluster, RscIx};

use super::super::doc::Document;

/// Finds resources by the names that constraints use.
#[derive(Debug, Default)]
pub struct Finder {
    /// Names that histories use for instances, by the top of the instance.
    renamed: BTreeMap<Arc<str>, RscIx>,
}

/// What an id in a constraint stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// One resource.
    One(RscIx),
    /// What a tag or template lists; `None` for an id that is not a resource.
    Many(Vec<Option<RscIx>>),
    /// Nothing known.
    Unknown,
}

/// A resource set.
#[derive(Clone, Debug)]
pub struct Set {
    /// `id`
    pub id: Arc<str>,
    /// The resources, tags and templates expanded in place, up to the first unknown one.
    pub members: Vec<RscIx>,
    /// The first unknown id.
    pub unknown: Option<Arc<str>>,
    /// `sequential` is not false.
    pub sequential: bool,
    /// `sequential` is written and true.
    pub explicitly_sequential: bool,
    /// `symmetrical`
    pub symmetrical: Option<bool>,
    /// `require-all` is not false.
    pub require_all: bool,
    /// `role`
    pub role: Option<Arc<str>>,
    /// `action`
    pub action: Option<Arc<str>>,
    /// `ordering`
    pub ordering: Option<Arc<str>>,
    /// `score`
    pub score: Option<Arc<str>>,
    /// `kind`
    pub kind: Option<Arc<str>>,
}

impl Set {
    /// A set as tags stand for: without order between its members, with a role.
    pub fn of(id: &str, members: Vec<Option<RscIx>>, role: Option<&str>) -> Set {
        let known = members.iter().map_while(|m| *m).collect::<Vec<_>>();
        let unknown = (known.len() < members.len()).then(|| id.into());
        Set {
            id: id.into(),
            members: known,
            unknown,
            sequential: false,
            explicitly_sequential: false,
            symmetrical: None,
            require_all: true,
            role: role.map(Into::into),
            action: None,
            ordering: None,
            score: None,
            kind: None,
        }
    }
}

impl Finder {
    /// Knows the resources of a cluster whose histories were read.
    pub fn new(cluster: &Cluster) -> Finder {
        let mut renamed = BTreeMap::new();
        for rsc in cluster.all_resources() {
            if let Some(name) = &cluster[rsc].history_name {
                renamed.entry(name.clone()).or_insert_with(|| cluster.top_of(rsc));
            }
        }
        Finder { renamed }
    }

    /// The resource with an id; for the history name of an instance its top (P-44).
    pub fn resource(&self, cluster: &Cluster, id: &str) -> Option<RscIx> {
        cluster.resource(id).or_else(|| self.renamed.get(id).copied())
    }

    /// The resource, tag or template with an id.
    pub fn target(&self, cluster: &Cluster, id: &str) -> Target {
        if let Some(rsc) = self.resource(cluster, id) {
            return Target::One(rsc);
        }
        if let Some((_, users)) = cluster.templates.iter().find(|(t, _)| &**t == id) {
            let mut ids: Vec<Arc<str>> = Vec::new();
            for &user in users {
                let user = &cluster[user].xml_id;
                if !ids.contains(user) {
                    ids.push(user.clone());
                }
            }
            return Target::Many(ids.iter().map(|id| self.resource(cluster, id)).collect());
        }
        match cluster.tags.iter().find(|(t, _)| &**t == id) {
            Some((_, ids)) => {
                Target::Many(ids.iter().map(|id| self.resource(cluster, id)).collect())
            }
            None => Target::Unknown,
        }
    }

    /// The resource sets of a constraint, references followed.
    pub fn sets<'a>(
        &self,
        cluster: &Cluster,
        doc: &Document<'a>,
        constraint: &'a Element,
    ) -> Vec<Set> {
        let sets = constraint.children_named("resource_set");
        sets.filter_map(|set| doc.resolve(set)).map(|set| self.set(cluster, set)).collect()
    }

    fn set(&self, cluster: &Cluster, element: &Element) -> Set {
        let mut set = Set::of(element.id().unwrap_or_default(), Vec::new(), element.attr("role"));
        for reference in element.children_named("resource_ref") {
            let id = reference.id().unwrap_or_default();
            let found = match self.target(cluster, id) {
                Target::One(rsc) => vec![Some(rsc)],
                Target::Many(members) => members,
                Target::Unknown => vec![None],
            };
            for member in found {
                match member {
                    Some(rsc) if set.unknown.is_none() => set.members.push(rsc),
                    Some(_) => {}
                    None => set.unknown = set.unknown.or_else(|| Some(id.into())),
                }
            }
        }
        let attr = |name: &str| element.attr(name).map(Arc::from);
        let not_false = |name: &str| element.attr(name).is_none_or(|v| is_true(Some(v)));
        set.sequential = not_false("sequential");
        set.explicitly_sequential = is_true(element.attr("sequential"));
        set.symmetrical = element.attr("symmetrical").map(|v| is_true(Some(v)));
        set.require_all = not_false("require-all");
        set.action = attr("action");
        set.ordering = attr("ordering");
        set.score = attr("score");
        set.kind = attr("kind");
        set
    }
}

impl Set {
    /// The set's own score, else the constraint's.
    pub fn score_or(&self, cluster: &Cluster, default: Score) -> Score {
        self.score.as_deref().map_or(default, |text| cluster.options.score(text))
    }
}
