//! `rsc_location` (section 8 of part 2).

use std::sync::Arc;

use regex::Regex;

use crate::Score;
use crate::cib::Element;
use crate::rules::{Context, Lookup, Rule, expand};
use crate::scheduler::model::{
    Cluster, Discovery, Location, NodeIx, Role, RscIx, Severity, attribute_source,
};

use super::targets::{Set, Target};
use super::{Reader, complain};

/// The texts that groups of a pattern matched, the whole match first.
type Submatches = Vec<Option<String>>;

impl<'a> Reader<'_, 'a> {
    /// Reads the constraint into one entry for each resource, or for each of its rules.
    pub(super) fn location(&self, cluster: &mut Cluster) {
        let sets = self.finder.sets(cluster, self.doc, self.element);
        if !sets.is_empty() {
            self.location_sets(cluster, &sets);
            return;
        }
        if let Some(id) = self.element.attr("rsc") {
            match self.finder.target(cluster, id) {
                Target::One(rsc) => self.locate(cluster, rsc, None, None, &Vec::new()),
                Target::Many(members) => {
                    let set = Set::of(id, members, self.element.attr("role"));
                    self.location_sets(cluster, &[set]);
                }
                Target::Unknown => {
                    let text = format!(
                        "Ignoring constraint '{}' because resource '{id}' does not exist",
                        self.id
                    );
                    cluster.say(Severity::ConfigWarning, text);
                }
            }
        }
        if let Some(pattern) = self.element.attr("rsc-pattern") {
            self.location_pattern(cluster, pattern);
        }
    }

    fn location_sets(&self, cluster: &mut Cluster, sets: &[Set]) {
        for set in sets {
            for &rsc in &set.members {
                self.locate(cluster, rsc, set.role.as_deref(), set.score.as_deref(), &Vec::new());
            }
            if let Some(unknown) = &set.unknown {
                let text = format!(
                    "Ignoring the rest of constraint '{}' because '{unknown}' does not exist",
                    self.id
                );
                complain(cluster, text);
                return;
            }
        }
    }

    /// All top-level resources whose id the pattern is found in; with `!` all others (P-44).
    fn location_pattern(&self, cluster: &mut Cluster, pattern: &str) {
        let (invert, text) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let regex = match Regex::new(text) {
            Ok(regex) => regex,
            Err(error) => {
                let id = self.id;
                complain(cluster, format!("Ignoring constraint '{id}': bad rsc-pattern: {error}"));
                return;
            }
        };
        for rsc in cluster.top.clone() {
            let id = cluster[rsc].id.clone();
            match regex.captures(&id) {
                Some(found) if !invert => {
                    let groups = found.iter().map(|g| g.map(|g| g.as_str().to_owned()));
                    self.locate(cluster, rsc, None, None, &groups.collect());
                }
                None if invert => self.locate(cluster, rsc, None, None, &Vec::new()),
                _ => {}
            }
        }
    }

    /// Entries for one resource (P-45 to P-47); a set's role and score win.
    fn locate(
        &self,
        cluster: &mut Cluster,
        rsc: RscIx,
        role: Option<&str>,
        score: Option<&str>,
        matches: &Submatches,
    ) {
        let discovery = self.discovery(cluster);
        let score = score.or(self.element.attr("score"));
        let (Some(node), Some(score)) = (self.element.attr("node"), score) else {
            self.locate_by_rules(cluster, rsc, discovery, matches);
            return;
        };
        let Some(node) = cluster.node_named(node) else { return };
        let score = cluster.options.score(score);
        let role = role.or(self.element.attr("role"));
        let role = role.and_then(|word| {
            let role = Role::parse(word).filter(|r| *r != Role::Unknown);
            if role.is_none() {
                complain(
                    cluster,
                    format!("Ignoring bad role '{word}' in constraint '{}'", self.id),
                );
            }
            // Whatever starts passes through these roles (P-46).
            role.filter(|r| !matches!(r, Role::Started | Role::Unpromoted))
        });
        let id = self.id.into();
        let nodes = vec![(node, score)];
        cluster.locations.push(Location { id, rsc, role, discovery, nodes, health: false });
    }

    fn discovery(&self, cluster: &mut Cluster) -> Discovery {
        match self.element.attr("resource-discovery") {
            None => Discovery::Always,
            Some(word) if word.eq_ignore_ascii_case("always") => Discovery::Always,
            Some(word) if word.eq_ignore_ascii_case("never") => Discovery::Never,
            Some(word) if word.eq_ignore_ascii_case("exclusive") => Discovery::Exclusive,
            Some(word) => {
                let text = format!(
                    "Invalid resource-discovery value '{word}' in constraint '{}'",
                    self.id
                );
                complain(cluster, text);
                Discovery::Always
            }
        }
    }

    fn locate_by_rules(
        &self,
        cluster: &mut Cluster,
        rsc: RscIx,
        discovery: Discovery,
        matches: &Submatches,
    ) {
        let mut any = false;
        for element in self.element.children_named("rule") {
            any = true;
            if let Some(element) = self.doc.resolve(element) {
                self.locate_by_rule(cluster, rsc, discovery, matches, element);
            }
        }
        if !any {
            let id = self.id;
            complain(cluster, format!("Ignoring constraint '{id}' because it contains no rules"));
        }
    }

    /// One entry for the nodes that a rule is true for (P-47 to P-50).
    fn locate_by_rule(
        &self,
        cluster: &mut Cluster,
        rsc: RscIx,
        discovery: Discovery,
        matches: &Submatches,
        element: &'a Element,
    ) {
        let id: Arc<str> = element.id().unwrap_or_default().into();
        let role = match element.attr("role").map(Role::parse) {
            None => None,
            // An instance is unpromoted before it is promoted.
            Some(Some(Role::Unpromoted)) => None,
            Some(role @ Some(Role::Stopped | Role::Started | Role::Promoted)) => role,
            Some(_) => {
                complain(cluster, format!("Ignoring rule '{id}' because its role is not valid"));
                return;
            }
        };
        let matches: Vec<Option<&str>> = matches.iter().map(Option::as_deref).collect();
        let rule = Rule::parse(element, &|e| self.doc.resolve(e));
        let mut nodes = Vec::new();
        for node in cluster.node_order.clone() {
            cluster.recheck_params(rsc, Some(node));
            if rule_holds(cluster, &rule, rsc, node, &matches) {
                let score = rule_score(cluster, element, rsc, node, &matches);
                let base = if rule.any { cluster[node].score } else { Score::ZERO };
                nodes.push((node, base + score));
            }
        }
        cluster.locations.push(Location { id, rsc, role, discovery, nodes, health: false });
    }
}

/// Whether a rule is true for a node, remembering when that may change.
fn rule_holds(
    cluster: &mut Cluster,
    rule: &Rule,
    rsc: RscIx,
    node: NodeIx,
    matches: &[Option<&str>],
) -> bool {
    let outcome = {
        let attribute = |name: &str| cluster[node].attributes.get(name).cloned();
        let params = |name: &str| cluster.params(rsc, Some(node)).get(name).map(Arc::from);
        let meta = |name: &str| cluster[rsc].meta.get(name).map(Arc::from);
        rule.evaluate(&Context {
            now: cluster.now,
            node: Some(&attribute as Lookup<'_>),
            location: true,
            params: Some(&params),
            meta: Some(&meta),
            submatches: matches,
            ..Context::default()
        })
    };
    if let Some(at) = outcome.next_change {
        cluster.recheck(at);
    }
    outcome.holds
}

/// The score of a rule on a node (P-48).
fn rule_score(
    cluster: &Cluster,
    element: &Element,
    rsc: RscIx,
    node: NodeIx,
    matches: &[Option<&str>],
) -> Score {
    if let Some(score) = element.attr("score") {
        return cluster.options.score(score);
    }
    let Some(attribute) = element.attr("score-attribute") else { return Score::ZERO };
    let attribute = expand(attribute, matches);
    let source = attribute_source(cluster, rsc, node);
    let value = source.and_then(|n| cluster[n].attr(&attribute));
    value.map_or(Score::MINUS_INFINITY, |text| cluster.options.score(text))
}
