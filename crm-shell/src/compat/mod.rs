//! Commands by the names that Pacemaker's users and scripts know.

pub mod console;
pub mod exit;
pub mod mon;
pub mod options;
pub mod output;
pub mod simulate;
pub mod tools;

use std::process::ExitCode;

use crm_core::cib::Element;
use exit::Exit;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.0)
    }
}

/// The notice about a document that nobody checks (O-31).
const NOT_VALIDATED: &str = "Schema validation of configuration is disabled (enabling is \
     encouraged and prevents common misconfigurations)";

/// Whether a document says that nobody has to check it.
fn is_unchecked(cib: &Element) -> bool {
    matches!(cib.attr("validate-with"), None | Some("none"))
}

/// What `--version` prints: scripts compare the first line with the releases they know.
pub const VERSION: &str =
    "Pacemaker 2.1.5\nWritten by Andrew Beekhof and the Pacemaker project contributors\n";
