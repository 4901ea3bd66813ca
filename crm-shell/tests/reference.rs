//! The reference page is what the table of commands says.

use crm_shell::help;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/commands.md");

/// Write the page anew with `CRM_UPDATE_REFERENCE=1 cargo test -p crm-shell --test reference`.
#[test]
fn the_reference_page_is_up_to_date() {
    let wanted = help::reference();
    if std::env::var_os("CRM_UPDATE_REFERENCE").is_some() {
        std::fs::write(PAGE, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(found == wanted, "docs/reference/commands.md is not what the table of commands says");
}
