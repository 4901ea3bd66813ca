//! What to do, in which order (scheduler reference, part 3).

mod request;

pub use request::{ActionRequest, order, request};

use super::model::Cluster;

/// Internal orderings and the comparison of history with configuration (phases 4 and 5).
pub fn prepare(_cluster: &mut Cluster) {}

/// Actions and their orderings (phases 7 to 11).
pub fn plan(_cluster: &mut Cluster) {}
