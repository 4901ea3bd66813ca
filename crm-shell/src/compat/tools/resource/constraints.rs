//! `--constraints` and `--stack`: what decides where a resource runs.

use crm_core::Score;
use crm_core::cib::Element;
use crm_core::scheduler::model::{Cluster, Colocation, Role, RscIx};
use crm_core::scheduler::{Input, input};

use super::super::super::exit::Exit;
use super::super::{Done, Run, now};
use super::{asked, resource};
use crate::render::report::Part;

/// What is gathered while colocations are followed.
struct Report<'a> {
    cluster: &'a Cluster,
    recursive: bool,
    /// Resources that were already described; a chain may come back.
    seen: Vec<RscIx>,
    elements: Vec<Element>,
}

/// Runs the command.
pub(super) fn show(run: &mut Run<'_>) -> Done {
    let cib = run.access.cib()?;
    let (mut cluster, mut rsc, _) = asked(run, &cib)?;
    input::constraints(&mut cluster, &Input::new(&cib, now()));
    if !run.options.has("force") {
        rsc = cluster.outermost(rsc);
    }
    let recursive = run.options.has("recursive") || run.options.has("stack");
    let mut report = Report { cluster: &cluster, recursive, seen: vec![rsc], elements: Vec::new() };
    let mut parts = report.locations(rsc);
    parts.extend(report.colocations(rsc, true, true));
    parts.extend(report.colocations(rsc, false, true));
    let list = report.elements.into_iter().fold(Element::new("constraints"), Element::with_child);
    parts.iter().for_each(|part| run.out.text(part));
    run.out.element(list);
    resource(run).map(|_| Exit::OK)
}

fn score_text(score: Score) -> String {
    score.to_string()
}

impl Report<'_> {
    /// A list of the places that locations name, or nothing.
    fn locations(&mut self, rsc: RscIx) -> Vec<Part> {
        let cluster = self.cluster;
        let mut items = Vec::new();
        for location in cluster.locations.iter().filter(|l| l.rsc == rsc && !l.health) {
            for (node, score) in &location.nodes {
                let (node, score) = (&cluster[*node].name, score_text(*score));
                let (id, name) = (&location.id, &cluster[rsc].id);
                items.push(Part::item(format!("Node {node} (score={score}, id={id}, rsc={name})")));
                self.elements.push(
                    Element::new("rsc_location")
                        .with("node", &**node)
                        .with("rsc", &**name)
                        .with("id", &**id)
                        .with("score", score),
                );
            }
        }
        if items.is_empty() { items } else { vec![Part::list("Locations", items)] }
    }

    /// What `rsc` is placed with, or what is placed with it, each with its own places.
    fn colocations(&mut self, rsc: RscIx, as_dependent: bool, first: bool) -> Vec<Part> {
        let cluster = self.cluster;
        let mine = |c: &&Colocation| {
            let side = if as_dependent { c.dependent } else { c.primary };
            side == rsc && c.internal.is_none()
        };
        let mut items = Vec::new();
        for colocation in cluster.colocations.iter().filter(mine) {
            let other = if as_dependent { colocation.primary } else { colocation.dependent };
            let element = colocation_element(cluster, colocation);
            if !self.elements.contains(&element) {
                self.elements.push(element);
            }
            let mut parts = vec![Part::item(described(cluster, colocation, other, as_dependent))];
            if !self.seen.contains(&other) {
                self.seen.push(other);
                let mut below = self.locations(other);
                if self.recursive {
                    below.extend(self.colocations(other, as_dependent, false));
                }
                if !below.is_empty() {
                    parts.push(Part::List { title: None, parts: below });
                }
            }
            items.extend(parts);
        }
        if items.is_empty() || !first {
            return items;
        }
        let name = &cluster[rsc].id;
        let title = match as_dependent {
            true => format!("Resources {name} is colocated with"),
            false => format!("Resources colocated with {name}"),
        };
        vec![Part::list(title, items)]
    }
}

fn described(
    cluster: &Cluster,
    colocation: &Colocation,
    other: RscIx,
    as_dependent: bool,
) -> String {
    let role = colocation.primary_role.map(Role::as_str);
    let word = if as_dependent { "with" } else { "needs" };
    let role = role.map(|role| format!("{word} role={role}, ")).unwrap_or_default();
    let (name, score) = (&cluster[other].id, score_text(colocation.score));
    format!("{name} (score={score}, {role}id={})", colocation.id)
}

fn colocation_element(cluster: &Cluster, colocation: &Colocation) -> Element {
    let mut element = Element::new("rsc_colocation")
        .with("id", &*colocation.id)
        .with("rsc", &*cluster[colocation.dependent].id)
        .with("with-rsc", &*cluster[colocation.primary].id)
        .with("score", score_text(colocation.score));
    if let Some(attribute) = &colocation.node_attribute {
        element.set_attr("node-attribute", &**attribute);
    }
    if let Some(role) = colocation.dependent_role {
        element.set_attr("rsc-role", role.as_str());
    }
    if let Some(role) = colocation.primary_role {
        element.set_attr("with-rsc-role", role.as_str());
    }
    element
}
