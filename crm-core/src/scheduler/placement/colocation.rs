//! Colocations: the lists of each resource, and what an assigned primary does to the table or
//! the priority of a dependent (sections 12 and 14).

use std::cmp::Ordering;
use std::sync::Arc;

use crate::Score;
use crate::scheduler::model::{
    Cause, Cluster, Colocation, ColocationIx, NodeIx, Role, RscIx, Variant,
};

use super::Placement;

/// Which of a resource's two lists of colocations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// "This with": the resource is the dependent.
    Dependent,
    /// "With this": the resource is the primary.
    Primary,
}

/// What makes two nodes the same for a colocation that names no attribute (P-179).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The node's id.
    Id,
    /// The node's name.
    Name,
}

/// What a colocation changes about its dependent (P-86).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Affects {
    Nothing,
    Location,
    Role,
}

/// Puts every configured colocation into the lists of both sides, in order of creation.
pub(super) fn attach_all(cluster: &mut Cluster) {
    for ix in (0..cluster.colocations.len()).map(ColocationIx::next) {
        let (dependent, primary) = (cluster[ix].dependent, cluster[ix].primary);
        insert(cluster, dependent, Side::Dependent, ix);
        insert(cluster, primary, Side::Primary, ix);
    }
}

/// Adds a colocation and puts it into the lists of both sides.
pub(super) fn attach(cluster: &mut Cluster, colocation: Colocation) {
    let ix = ColocationIx::next(cluster.colocations.len());
    let (dependent, primary) = (colocation.dependent, colocation.primary);
    cluster.colocations.push(colocation);
    insert(cluster, dependent, Side::Dependent, ix);
    insert(cluster, primary, Side::Primary, ix);
}

/// Inserts a colocation into a list of `rsc`, before those of equal rank (P-78).
pub(super) fn insert(cluster: &mut Cluster, rsc: RscIx, side: Side, ix: ColocationIx) {
    let list = match side {
        Side::Dependent => &cluster[rsc].this_with,
        Side::Primary => &cluster[rsc].with_this,
    };
    let other = |ix: ColocationIx| match side {
        Side::Dependent => cluster[ix].primary,
        Side::Primary => cluster[ix].dependent,
    };
    let new = other(ix);
    let before_new = |&old: &ColocationIx| compare_rank(cluster, other(old), new).is_lt();
    let at = list.iter().position(|old| !before_new(old)).unwrap_or(list.len());
    match side {
        Side::Dependent => cluster[rsc].this_with.insert(at, ix),
        Side::Primary => cluster[rsc].with_this.insert(at, ix),
    }
}

/// Rank of the other side: priority, kind, promotable first, id (P-78).
fn compare_rank(cluster: &Cluster, a: RscIx, b: RscIx) -> Ordering {
    let (ra, rb) = (&cluster[a], &cluster[b]);
    let promotable = |rsc: RscIx| cluster[rsc].clone_data().is_some_and(|c| c.promotable);
    rb.priority
        .cmp(&ra.priority)
        .then_with(|| rb.variant.rank().cmp(&ra.variant.rank()))
        .then_with(|| promotable(b).cmp(&promotable(a)))
        .then_with(|| ra.id.as_bytes().cmp(rb.id.as_bytes()))
}

/// True if the dependent may pull its primary, of which `instance` is the part looked at (P-79).
pub(super) fn has_influence(cluster: &Cluster, ix: ColocationIx, instance: RscIx) -> bool {
    let colocation = &cluster[ix];
    let primary = &cluster[instance];
    let dependent = &cluster[colocation.dependent];
    let bundle_connection =
        dependent.is_remote_connection && cluster.bundle_of(colocation.dependent).is_some();
    if bundle_connection && !primary.failed && primary.active_on.len() == 1 {
        return false;
    }
    colocation.influence || primary.active_on.is_empty()
}

impl Placement<'_> {
    /// Applies a colocation to `dependent`, which may be an instance of the constraint's own
    /// dependent (P-89).
    pub(super) fn apply_this_with(&mut self, dependent: RscIx, ix: ColocationIx) {
        if let Variant::Group(group) = &self.c[dependent].variant {
            if !group.colocated && self.c[ix].score.is_infinite() {
                return;
            }
            let members = if group.colocated { 1 } else { usize::MAX };
            for member in self.c[dependent].children.clone().into_iter().take(members) {
                self.apply_with(member, self.c[ix].primary, ix);
            }
        } else {
            self.apply_with(dependent, self.c[ix].primary, ix);
        }
    }

    /// Applies a colocation to a dependent leaf, with `primary` of any kind.
    fn apply_with(&mut self, dependent: RscIx, primary: RscIx, ix: ColocationIx) {
        match &self.c[primary].variant {
            Variant::Primitive => self.apply_with_leaf(dependent, primary, ix),
            Variant::Group(group) => {
                let colocated = group.colocated;
                self.apply_with_group(dependent, primary, ix, colocated);
            }
            Variant::Clone(_) => self.apply_with_clone(dependent, primary, ix),
            Variant::Bundle(_) => self.apply_with_bundle(dependent, primary, ix),
        }
    }

    fn apply_with_group(&mut self, dep: RscIx, group: RscIx, ix: ColocationIx, colocated: bool) {
        if !self.c[group].decided {
            return;
        }
        let mandatory = self.c[ix].score >= Score::INFINITY;
        let members = self.c[group].children.clone();
        if colocated {
            let member = if mandatory { members.last() } else { members.first() };
            if let Some(&member) = member {
                self.apply_with(dep, member, ix);
            }
        } else if !mandatory {
            for member in members {
                self.apply_with(dep, member, ix);
            }
        }
    }

    fn apply_with_leaf(&mut self, dependent: RscIx, primary: RscIx, ix: ColocationIx) {
        match self.affects(dependent, primary, ix) {
            Affects::Nothing => {}
            Affects::Role => self.apply_to_priority(dependent, primary, ix),
            Affects::Location => self.apply_to_location(dependent, primary, ix),
        }
    }

    /// What the colocation changes (P-86).
    fn affects(&self, dependent: RscIx, primary: RscIx, ix: ColocationIx) -> Affects {
        if !self.c[primary].decided {
            return Affects::Nothing;
        }
        let colocation = &self.c[ix];
        let in_promotable = self.c[dependent]
            .parent
            .is_some_and(|p| self.c[p].clone_data().is_some_and(|c| c.promotable));
        let about_promotion =
            colocation.dependent_role.is_some_and(|role| role >= Role::Unpromoted);
        if about_promotion && in_promotable && self.c[dependent].decided {
            return Affects::Role;
        }
        if self.c[dependent].decided || !self.roles_allow(dependent, primary, ix) {
            return Affects::Nothing;
        }
        Affects::Location
    }

    /// Whether the roles that the colocation names let it decide a location (P-86, 4 to 7).
    pub(super) fn roles_allow(&self, dep: RscIx, primary: RscIx, ix: ColocationIx) -> bool {
        let colocation = &self.c[ix];
        let allowed = |role: Option<Role>, rsc: RscIx| match role {
            None => true,
            Some(role) if colocation.score > Score::ZERO => role == self.c[rsc].next_role,
            Some(role) => role != self.c[rsc].next_role,
        };
        allowed(colocation.dependent_role, dep) && allowed(colocation.primary_role, primary)
    }

    /// Adds to the priority of a promotable instance (P-88).
    fn apply_to_priority(&mut self, dependent: RscIx, primary: RscIx, ix: ColocationIx) {
        let (Some(mine), Some(theirs)) = (self.c[dependent].assigned, self.c[primary].assigned)
        else {
            return;
        };
        let colocation = &self.c[ix];
        let (score, dependent_role) = (colocation.score, colocation.dependent_role);
        let primary_role = colocation.primary_role;
        let classes = self.places_of(ix, Place::Id);
        if !same_place(classes.as_deref(), mine, theirs) {
            if score.is_infinite() && dependent_role == Some(Role::Promoted) {
                let cause = Cause::Colocation(ix, primary);
                self.set_priority(dependent, Score::MINUS_INFINITY, cause);
            }
        } else if primary_role.is_none_or(|role| role == self.c[primary].next_role) {
            let score = if dependent_role == Some(Role::Unpromoted) { -score } else { score };
            self.add_priority(dependent, score, Cause::Colocation(ix, primary));
        }
    }

    /// Changes the dependent's table (P-87).
    fn apply_to_location(&mut self, dependent: RscIx, primary: RscIx, ix: ColocationIx) {
        let score = self.c[ix].score;
        let classes = self.places_of(ix, Place::Id);
        let theirs = self.c[primary].assigned;
        if theirs.is_none() && score < Score::ZERO {
            return;
        }
        let mut table = self.c[dependent].allowed.clone();
        let nodes: Vec<NodeIx> = table.iter().map(|(n, _)| n).collect();
        for node in nodes {
            let matches = theirs.map(|there| same_place(classes.as_deref(), node, there));
            let change = match matches {
                None => Some(-score),
                Some(true) if !score.is_infinite() => Some(score),
                Some(false) if score.is_infinite() => Some(Score::MINUS_INFINITY),
                Some(_) => None,
            };
            if let Some(change) = change {
                table.add(node, change, Cause::Colocation(ix, primary));
            }
        }
        let mandatory = score.is_infinite() || score.is_forbidden();
        if mandatory || self.any_usable(&table) {
            self.c[dependent].allowed = table;
        }
    }

    /// With a clone as primary (P-90).
    fn apply_with_clone(&mut self, dependent: RscIx, clone: RscIx, ix: ColocationIx) {
        let promotable = self.c[clone].clone_data().is_some_and(|c| c.promotable);
        if promotable {
            if !self.c[clone].decided {
                return;
            }
            if self.c[ix].primary_role.is_some() {
                if !self.c[dependent].decided {
                    self.follow_roles(dependent, clone, ix);
                    return;
                }
                if self.c[ix].dependent_role == Some(Role::Promoted) {
                    self.promote_with_roles(dependent, clone, ix);
                    return;
                }
            }
        }
        let interleave = self.interleaves(clone, ix);
        if !self.c[clone].decided {
            return;
        }
        if interleave {
            self.apply_with_pair(dependent, clone, ix);
        } else if self.c[ix].score >= Score::INFINITY {
            let instances = self.c[clone].children.clone();
            let nodes = self.nodes_of_unblocked(&instances);
            self.restrict_to(dependent, &nodes, Cause::Colocation(ix, clone));
        } else {
            for instance in self.c[clone].children.clone() {
                self.apply_with(dependent, instance, ix);
            }
        }
    }

    /// Whether instances are paired one to one (P-90 step 2). That a clone that is not unique can
    /// only have one instance a node does not count here, only what is configured.
    fn interleaves(&mut self, clone: RscIx, ix: ColocationIx) -> bool {
        let dependent = self.c[ix].dependent;
        self.c.interleaves(dependent) && self.per_node_max(dependent) == self.per_node_max(clone)
    }

    fn per_node_max(&self, rsc: RscIx) -> u32 {
        match &self.c[rsc].variant {
            Variant::Clone(data) => data.configured_node_max,
            Variant::Bundle(data) => data.per_host,
            Variant::Primitive | Variant::Group(_) => 1,
        }
    }

    /// Applies the colocation with the one instance the dependent is paired with; without one
    /// and with a mandatory score the dependent runs nowhere (P-90 step 4).
    fn apply_with_pair(&mut self, dependent: RscIx, primary: RscIx, ix: ColocationIx) {
        let instances = self.instances_of(primary);
        match self.paired_instance(dependent, &instances, None) {
            Some(instance) => self.apply_with(dependent, instance, ix),
            None if self.c[ix].score >= Score::INFINITY => self.finish_everywhere(dependent, None),
            None => {}
        }
    }

    /// The instances of a clone, or the containers of a bundle.
    fn instances_of(&self, rsc: RscIx) -> Vec<RscIx> {
        match self.c[rsc].bundle_data() {
            Some(bundle) => bundle.replicas.iter().map(|r| r.container).collect(),
            None => self.c[rsc].children.clone(),
        }
    }

    /// The instance on the dependent's node, or on the first of its nodes that has one (P-91).
    fn paired_instance(
        &self,
        dependent: RscIx,
        instances: &[RscIx],
        role: Option<Role>,
    ) -> Option<RscIx> {
        let at = |node: NodeIx| {
            instances.iter().copied().find(|&i| {
                !self.c.any_blocked(i)
                    && self.location_of(i) == Some(node)
                    && role.is_none_or(|role| role == self.next_role_of(i))
            })
        };
        if let Some(node) = self.location_of(dependent) {
            return at(node);
        }
        let nodes = self.sorted_nodes(&self.c[dependent].allowed, None);
        nodes.into_iter().find_map(|(node, _)| at(node))
    }

    fn nodes_of_unblocked(&self, instances: &[RscIx]) -> Vec<NodeIx> {
        let unblocked = instances.iter().filter(|&&i| !self.c.any_blocked(i));
        unblocked.filter_map(|&i| self.location_of(i)).collect()
    }

    /// Bans the dependent from all nodes but these; those it does not know are banned too
    /// (P-90 step 5).
    fn restrict_to(&mut self, dependent: RscIx, nodes: &[NodeIx], cause: Cause) {
        let table = self.c[dependent].allowed.iter();
        let others: Vec<NodeIx> = table.map(|(n, _)| n).filter(|n| !nodes.contains(n)).collect();
        for node in others {
            self.c[dependent].allowed.set(node, Score::MINUS_INFINITY, cause);
        }
        self.insert_banned(dependent, nodes, cause);
    }

    fn insert_banned(&mut self, dependent: RscIx, nodes: &[NodeIx], cause: Cause) {
        for &node in nodes {
            if self.c[dependent].allowed.get(node).is_none() {
                let discovery = self.c.initial_discovery(node);
                let table = &mut self.c[dependent].allowed;
                table.insert(node, Score::MINUS_INFINITY, discovery, cause);
            }
        }
    }

    /// An unassigned dependent of the promoted (or unpromoted) instances of a clone (P-92).
    fn follow_roles(&mut self, dependent: RscIx, clone: RscIx, ix: ColocationIx) {
        let role = self.c[ix].primary_role;
        let cause = Cause::Colocation(ix, clone);
        let instances = self.c[clone].children.iter().copied();
        let chosen: Vec<(NodeIx, Score)> = instances
            .filter(|&i| Some(self.next_role_of(i)) == role)
            .filter_map(|i| Some((self.location_of(i)?, self.assigned_score_of(i))))
            .collect();
        let score = self.c[ix].score;
        if score < Score::INFINITY {
            let classes = self.places_of(ix, Place::Name);
            for &(there, _) in &chosen {
                let table: Vec<NodeIx> = self.c[dependent].allowed.iter().map(|(n, _)| n).collect();
                for node in table {
                    if same_place(classes.as_deref(), node, there) {
                        self.c[dependent].allowed.add(node, score, cause);
                    }
                }
            }
            return;
        }
        if self.c[ix].dependent_role == Some(Role::Promoted) && role == Some(Role::Promoted) {
            return;
        }
        let table: Vec<NodeIx> = self.c[dependent].allowed.iter().map(|(n, _)| n).collect();
        for node in table {
            match chosen.iter().find(|(n, _)| *n == node) {
                Some(&(_, there)) => self.c[dependent].allowed.add(node, there, cause),
                None => self.c[dependent].allowed.set(node, Score::MINUS_INFINITY, cause),
            };
        }
        let nodes: Vec<NodeIx> = chosen.iter().map(|&(n, _)| n).collect();
        self.insert_banned(dependent, &nodes, cause);
    }

    /// The score of the entry that the resource, or the first of its leaves, was assigned with.
    fn assigned_score_of(&self, rsc: RscIx) -> Score {
        let leaves = self.c.leaves(rsc);
        let assigned = leaves.into_iter().find(|&l| self.c[l].assigned.is_some());
        assigned.map_or(Score::ZERO, |leaf| self.assigned_score[leaf.ix()])
    }

    /// An assigned dependent whose promotion depends on roles of a clone (P-90 step 1).
    fn promote_with_roles(&mut self, dependent: RscIx, clone: RscIx, ix: ColocationIx) {
        let instances = self.c[clone].children.clone();
        let role = self.c[ix].primary_role;
        let score = self.c[ix].score;
        if self.paired_instance(dependent, &instances, role).is_some() {
            self.add_priority(dependent, score, Cause::Colocation(ix, clone));
        } else if score.is_infinite() {
            self.set_priority(dependent, Score::MINUS_INFINITY, Cause::Colocation(ix, clone));
        }
    }

    /// With a bundle as primary (P-93).
    fn apply_with_bundle(&mut self, dependent: RscIx, bundle: RscIx, ix: ColocationIx) {
        if !self.c[bundle].decided {
            return;
        }
        if self.c[self.c[ix].dependent].variant.rank() >= 2 {
            self.apply_with_pair(dependent, bundle, ix);
            return;
        }
        let containers = self.instances_of(bundle);
        if self.c[ix].score < Score::INFINITY {
            for container in containers {
                self.apply_with(dependent, container, ix);
            }
            return;
        }
        let promoted_only = self.c[ix].primary_role == Some(Role::Promoted);
        let replicas = self.c[bundle].bundle_data().map(|b| b.replicas.clone());
        let allowed: Vec<RscIx> = replicas
            .unwrap_or_default()
            .iter()
            .filter(|r| {
                !promoted_only || r.child.is_some_and(|c| self.next_role_of(c) >= Role::Promoted)
            })
            .map(|r| r.container)
            .collect();
        let nodes = self.nodes_of_unblocked(&allowed);
        self.restrict_to(dependent, &nodes, Cause::Colocation(ix, bundle));
    }

    /// Which nodes are the same place for a colocation: those with equal values of its node
    /// attribute, by default of the id or name. `None` if every node is a place of its own.
    /// Guest nodes that were never up have neither, and so are one place (P-179).
    pub(super) fn places_of(&mut self, ix: ColocationIx, default: Place) -> Option<Arc<[u32]>> {
        match self.c[ix].node_attribute.clone() {
            Some(attribute) => Some(self.classes_of(&attribute)),
            None if self.all_named => None,
            None => Some(self.classes_of(&match default {
                Place::Id => "#id".into(),
                Place::Name => "#uname".into(),
            })),
        }
    }

    /// Which nodes have equal values of an attribute: equal numbers mean equal values, letter
    /// case ignored, and nodes without a value are equal (P-179).
    pub(super) fn classes_of(&mut self, attribute: &Arc<str>) -> Arc<[u32]> {
        if let Some(classes) = self.classes.get(attribute) {
            return classes.clone();
        }
        let mut values: Vec<Option<String>> = Vec::new();
        let mut classes = Vec::with_capacity(self.c.nodes.len());
        for node in &self.c.nodes {
            let value = node.attr(attribute).map(str::to_ascii_lowercase);
            let class = values.iter().position(|v| *v == value).unwrap_or_else(|| {
                values.push(value);
                values.len() - 1
            });
            classes.push(u32::try_from(class).unwrap_or(u32::MAX));
        }
        let classes: Arc<[u32]> = classes.into();
        self.classes.insert(attribute.clone(), classes.clone());
        classes
    }
}

/// True if two nodes are the same, or have equal values of the attribute if one is named.
fn same_place(classes: Option<&[u32]>, a: NodeIx, b: NodeIx) -> bool {
    classes.map_or(a == b, |classes| classes[a.ix()] == classes[b.ix()])
}

#[cfg(test)]
mod tests {
    use crate::cib::parse;
    use crate::rules::Moment;
    use crate::scheduler::{Input, schedule};

    /// Where the only instance of clone A gets, which avoids clone B; both nodes are worth the
    /// same to it, and B is on both.
    fn place(node_max: &str) -> String {
        let state = |number: u32| {
            format!(
                "<node_state id='{number}' uname='n{number}' in_ccm='true' crmd='online' \
                 join='member' expected='member'/>"
            )
        };
        let text = format!(
            "<cib have-quorum='1'><configuration><crm_config><cluster_property_set id='o'>\
             <nvpair id='o1' name='stonith-enabled' value='false'/></cluster_property_set>\
             </crm_config><nodes><node id='1' uname='n1'/><node id='2' uname='n2'/></nodes>\
             <resources><clone id='a'><meta_attributes id='m'><nvpair id='m1' \
             name='interleave' value='true'/><nvpair id='m2' name='clone-max' value='1'/>\
             <nvpair id='m3' name='clone-node-max' value='{node_max}'/></meta_attributes>\
             <primitive id='A' class='ocf' provider='heartbeat' type='Dummy'/></clone>\
             <clone id='b'><primitive id='B' class='ocf' provider='heartbeat' type='Dummy'/>\
             </clone></resources><constraints><rsc_colocation id='c' rsc='a' with-rsc='b' \
             score='-1'/><rsc_location id='l1' rsc='a' node='n1' score='1'/>\
             <rsc_location id='l2' rsc='a' node='n2' score='1'/></constraints></configuration>\
             <status>{}{}</status></cib>",
            state(1),
            state(2)
        );
        let cib = parse(&text).unwrap();
        let done = schedule(&Input::new(&cib, Moment { epoch: 10_000, offset: 0 }));
        let instance = done.cluster.resource("A:0").unwrap();
        done.cluster[done.cluster[instance].assigned.unwrap()].name.to_string()
    }

    #[test]
    fn only_clones_with_the_same_number_configured_for_a_node_interleave() {
        // Paired with the instance on n1, that node is worse. Unpaired, both are.
        assert_eq!(place("1"), "n2");
        assert_eq!(place("2"), "n1");
    }
}
