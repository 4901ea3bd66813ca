//! The reference of the agents is what their declarations say.
//!
//! `CRM_UPDATE_REFERENCE=1 cargo test -p resource-agents --test reference` writes it again.

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/agents.md");

#[test]
fn the_page_is_what_the_declarations_say() {
    let wanted = resource_agents::declare::reference(resource_agents::AGENTS);
    if std::env::var_os("CRM_UPDATE_REFERENCE").is_some() {
        std::fs::write(PAGE, &wanted).expect("the page can be written");
    }
    let found = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(found == wanted, "docs/reference/agents.md is not what the agents declare");
}
