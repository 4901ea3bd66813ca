//! The display as XML (O-123, O-150, O-151).

use crm_core::cib::Element;

use super::Scene;
use super::sections::Section;
use super::text::headline;
use crate::render::status::{
    attributes_element, bans_element, failures_element, history_element, nodes_element,
    resources_element, summary_element, tickets_element,
};

/// The document of `--output-as=xml`.
pub fn document(scene: &Scene<'_>, request: &str) -> Element {
    let root =
        Element::new("pacemaker-result").with("api-version", "2.25").with("request", request);
    let status = Element::new("status").with("code", "0").with("message", "OK");
    fill(scene, root).with_child(status)
}

/// The document of `--as-xml`.
pub fn old_document(scene: &Scene<'_>) -> Element {
    fill(scene, Element::new("crm_mon").with("version", "2.1.5"))
}

fn fill(scene: &Scene<'_>, mut root: Element) -> Element {
    let Scene { cib, cluster, view, options, now } = scene;
    let has = |section| options.sections.has(section);
    let mut parts = vec![Some(summary_element(cib, cluster, &headline(scene), *now))];
    if has(Section::Nodes) {
        parts.push(Some(nodes_element(cluster, view, options.by_node)));
    }
    if has(Section::Resources) && !options.by_node {
        parts.push(resources_element(cluster, view));
    }
    if has(Section::Attributes) {
        parts.push(attributes_element(cluster, view));
    }
    if has(Section::Operations) || has(Section::Failcounts) {
        parts.push(history_element(cluster, view, options.history));
    }
    if has(Section::Failures) {
        parts.push(failures_element(cluster, view));
    }
    let fencing = [Section::FencingFailed, Section::FencingPending, Section::FencingSucceeded];
    if fencing.into_iter().any(has) {
        parts.push(super::fencing::element(scene));
    }
    if has(Section::Tickets) {
        parts.push(tickets_element(cluster));
    }
    if has(Section::Bans) {
        parts.push(bans_element(cluster, view, &options.sections.ban_prefix));
    }
    for part in parts.into_iter().flatten() {
        root.push(part);
    }
    root
}
