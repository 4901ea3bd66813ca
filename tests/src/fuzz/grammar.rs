//! What is tried on the language of the shell.

use crm_core::cib::Element;
use crm_shell::configuration::{Configuration, Object};
use crm_shell::language::{Content, NoWorld, Notes, Style, lines, normalized, parse, same, text};

/// Any text as statements: read into a configuration, shown, and read again from what was shown.
pub fn grammar(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let mut configuration = Configuration::new(&Element::new("cib"));
    take(source, &mut configuration);
    let shown: Vec<String> = configuration
        .objects()
        .iter()
        .map(|o| text(o.kind, o.element, &Style { ids: true, ..configuration.style() }, &NoWorld))
        .collect();
    let mut again = Configuration::new(&Element::new("cib"));
    for statement in &shown {
        take(statement, &mut again);
    }
    let again = again.objects();
    for object in configuration.objects() {
        let objects = configuration.objects();
        let named = |o: &&Object<'_>| o.kind == object.kind && o.id == object.id;
        // Two objects of one name, and bundles with words where pairs belong, are refused by the
        // checks; their text promises nothing.
        if objects.iter().filter(named).count() > 1 || object.element.name() == "bundle" {
            continue;
        }
        for other in again.iter().filter(named) {
            assert!(
                same(&bare(other.element), &bare(object.element)),
                "lost on the way:\n{}{}shown as {shown:#?}",
                object.element.to_pretty(),
                other.element.to_pretty()
            );
        }
    }
}

/// What the text of an object promises to give back: everything but defaults that are spelled out,
/// and the automatic ids of sets, which depend on what else there is.
fn bare(element: &Element) -> Element {
    let mut element = normalized(element);
    for (at, set) in element.children_mut().filter(|c| c.name() == "resource_set").enumerate() {
        set.set_attr("id", at.to_string());
    }
    element
}

fn take(source: &str, configuration: &mut Configuration) {
    for line in lines(source) {
        let Content::Words(words) = line.content else { continue };
        let notes = Notes::default();
        match parse(&words, &NoWorld, &notes) {
            Ok(statement) => {
                let _ = configuration.add(statement);
            }
            Err(fault) => {
                assert!(source.get(fault.span.clone()).is_some(), "a fault at {:?}", fault.span);
            }
        }
        let _ = notes.expected_at(words.len());
    }
}
