//! What is tried on the language of the shell.

use crm_core::cib::Element;
use crm_shell::configuration::Configuration;
use crm_shell::language::{Content, NoWorld, Notes, Style, lines, parse, same, text};

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
    let mut missing = again.objects();
    for object in configuration.objects() {
        let at = missing.iter().position(|o| o.kind == object.kind && o.id == object.id);
        let Some(at) = at else { continue };
        let other = missing.swap_remove(at);
        assert_eq!(other.element.name(), object.element.name());
        let _ = same(other.element, object.element);
    }
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
