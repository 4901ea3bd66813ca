//! What to do, in which order (scheduler reference, part 3).

mod fencing;
mod orderings;
mod request;
mod shutdown;
mod unfencing;

pub use fencing::{can_fence, mark_for_fencing};
pub use orderings::order;
pub use request::{clear_failcount, make_stops_optional, named_pseudo, op, recurring_found};

use super::model::Cluster;
use crate::transition::Graph;

/// Internal orderings and the comparison of history with configuration (phases 4 and 5).
pub fn prepare(_cluster: &mut Cluster) {}

/// Actions and their orderings (phases 7 to 11).
pub fn plan(_cluster: &mut Cluster) -> Graph {
    Graph::default()
}
