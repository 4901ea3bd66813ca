//! Reading a CIB: configuration, state and history (scheduler reference, part 1).

use crate::cib::Element;
use crate::rules::Moment;

use super::model::Cluster;

/// What a run starts from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The document, of a 3.x schema.
    pub cib: &'a Element,
    /// The one "now".
    pub now: Moment,
    /// The document was sanitized: compare secure digests (I-188).
    pub sanitized: bool,
    /// Keep the contributions of scores.
    pub record: bool,
}

/// Reads everything up to the constraints (stages S1 to S7).
pub fn load(input: &Input<'_>) -> Cluster {
    Cluster { now: input.now, record: input.record, ..Cluster::default() }
}
