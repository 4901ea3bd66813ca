//! What is wrong with a configuration before it is committed: its shape ([`schema`]), what its
//! agents say ([`semantic`]), and what the cluster would refuse ([`cluster`]).

mod cluster;
mod schema;
mod semantic;

pub use cluster::check as cluster;
pub use schema::check as schema;
pub use semantic::{Context, check as semantic, unique, unknown_properties};

use crate::message::Severity;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, beginning with the name of the object.
    pub text: String,
    /// The parameter it is about, to find its place in a statement.
    pub about: Option<String>,
    /// What to do.
    pub help: Option<String>,
    /// It stops a commit that is not forced.
    pub blocks: bool,
}

impl Finding {
    /// An error.
    pub fn error(text: impl Into<String>) -> Finding {
        let text = text.into();
        Finding { severity: Severity::Error, text, about: None, help: None, blocks: true }
    }

    /// A warning.
    pub fn warning(text: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, blocks: false, ..Finding::error(text) }
    }

    /// The same finding, stopping a commit that is not forced.
    #[must_use]
    pub fn blocking(mut self) -> Finding {
        self.blocks = true;
        self
    }

    /// The same finding about a parameter or word.
    #[must_use]
    pub fn about(mut self, word: &str) -> Finding {
        self.about = Some(word.to_string());
        self
    }

    /// The same finding with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Finding {
        self.help = Some(help.into());
        self
    }
}
