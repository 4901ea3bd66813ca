//! What will be done, and what was done in a simulation, as `crm_simulate` shows it.

mod scores;
mod steps;
mod summary;

pub use scores::{note_lines, score_element, score_text};
pub use steps::{change_element, change_items, step_element, step_part};
pub use summary::{Line, NodeLine, RscLine, Summary, summary};
