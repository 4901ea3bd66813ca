//! What is tried on the loader and on the scheduler.

use crm_core::cib::schema::Schema;
use crm_core::cib::{self, Child, Element};
use crm_core::rules::Moment;
use crm_core::scheduler::{self, Input};
use crm_core::{explain, transition};

use super::mutate::{Dice, mutated};

/// The time of every run.
const NOW: Moment = Moment { epoch: 1_700_000_000, offset: 0 };

/// Any bytes as a document: read, written, read again, brought to today's schema, compared.
pub fn loader(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(document) = cib::parse(text) else { return };
    let written = document.to_string();
    let again = cib::parse(&written);
    assert_eq!(again.as_ref(), Ok(&document), "what was written is not what was read: {written}");
    let _ = cib::schema::validate(&document);
    let _ = Schema::CURRENT.check(&document);
    if let Ok(today) = cib::upgrade(&document) {
        let twice = cib::upgrade(&today);
        assert_eq!(twice.as_ref(), Ok(&today), "an upgraded document was upgraded again");
        let patch = cib::Patch::between(&document, &today);
        let patched = patch.apply(&document);
        assert!(patched.is_ok(), "{patched:?}: {written}");
        // Comments and text in the root have no address and no parent to replace.
        if document.nodes().iter().all(|n| matches!(n, Child::Element(_))) {
            assert_eq!(patched.as_ref(), Ok(&today), "{written}");
        }
    }
}

/// A document, valid or not, through everything that decides: schedule, graph, explanations,
/// and a simulated execution whose outcome is scheduled again.
pub fn scheduler(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(document) = cib::parse(text) else { return };
    let Ok(mut document) = cib::upgrade(&document) else { return };
    document.child_or_insert("status");
    decide(&document);
}

/// [`scheduler`] from a tree.
pub fn decide(document: &Element) {
    let input = Input { record: true, show_scores: true, ..Input::new(document, NOW) };
    let schedule = scheduler::schedule(&input);
    for &top in &schedule.cluster.top {
        let _ = explain::resource(&schedule.cluster, top);
    }
    let _ = schedule.graph.to_element().to_string();
    let _ = schedule.graph.to_dot(true, true);
    let mut after = document.clone();
    let missing = transition::Missing::default();
    let known = |name: &str| schedule.cluster.named(name).is_some();
    if transition::simulate(&schedule.graph, &mut after, &known, &[], missing, NOW.epoch).is_ok() {
        let _ = scheduler::schedule(&Input::new(&after, NOW));
    }
}

/// A document out of another one by random changes of its tree; none if it cannot be read.
pub fn changed(bytes: &[u8], seed: u64) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let document = cib::parse(text).ok()?;
    Some(mutated(&document, &mut Dice::new(seed)).to_string())
}
