//! Constraints: XML to entries that name exactly the resources they are about (stage S7).
//!
//! Sets, tags, templates and patterns are expanded here; a constraint that names something that
//! does not exist is reported and left out, the others count.

mod colocation;
mod location;
mod order;
mod targets;
mod tickets;

use crate::cib::Element;
use crate::rules::{Context, Rule, any_passes};
use crate::scheduler::model::{Cluster, Severity};

use super::doc::Document;
pub use targets::Finder;

/// Reads all constraints in document order.
pub fn load(cluster: &mut Cluster, doc: &Document<'_>) {
    let Some(section) = doc.section("constraints") else { return };
    let finder = Finder::new(cluster);
    for element in section.children() {
        let Some(id) = element.id() else {
            let kind = element.name();
            complain(cluster, format!("Ignoring <{kind}> constraint without an id"));
            continue;
        };
        if !is_active(cluster, doc, element) {
            continue;
        }
        let reader = Reader { doc, finder: &finder, element, id };
        match element.name() {
            "rsc_location" => reader.location(cluster),
            "rsc_colocation" => reader.colocation(cluster),
            "rsc_order" => reader.ordering(cluster),
            "rsc_ticket" => reader.ticket(cluster),
            _ => {}
        }
    }
}

/// One constraint being read.
struct Reader<'r, 'a> {
    doc: &'r Document<'a>,
    finder: &'r Finder,
    element: &'a Element,
    id: &'a str,
}

/// A `lifetime` with rules of which none passes switches a constraint off.
fn is_active<'a>(cluster: &mut Cluster, doc: &Document<'a>, element: &'a Element) -> bool {
    let Some(lifetime) = element.child("lifetime") else { return true };
    let rules: Vec<Rule> =
        lifetime.children_named("rule").map(|r| Rule::parse(r, &|e| doc.resolve(e))).collect();
    let outcome = any_passes(&rules, &Context { now: cluster.now, ..Context::default() });
    if let Some(at) = outcome.next_change {
        cluster.recheck(at);
    }
    outcome.holds
}

/// Reports an error in the configuration.
fn complain(cluster: &mut Cluster, text: String) {
    cluster.say(Severity::ConfigError, text);
}
