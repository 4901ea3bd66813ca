//! How things look: text, XML and HTML of what other modules found out.

pub mod report;
pub mod status;
pub mod transition;
