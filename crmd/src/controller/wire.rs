//! Envelopes to ring messages and back.

use bytes::Bytes;
use crm_messaging::group::{NodeId, RingId};
use crm_messaging::proto::peer::{Envelope, Ring, envelope::Body};
use prost::Message as _;

/// The ring message that carries `body`.
pub fn encode(body: Body) -> Bytes {
    Envelope { body: Some(body) }.encode_to_vec().into()
}

/// What a ring message carries; `None` if it cannot be read (a newer or a broken peer).
pub fn decode(data: Bytes) -> Option<Body> {
    Envelope::decode(data).ok()?.body
}

/// The form in which a ring travels.
pub fn ring_to_wire(ring: RingId) -> Ring {
    Ring { seq: ring.seq, representative: ring.representative.0 }
}

/// The ring that a message names; absent is a ring that never exists.
pub fn ring_from_wire(ring: Option<&Ring>) -> RingId {
    ring.map_or(RingId { seq: 0, representative: NodeId(0) }, |r| RingId {
        seq: r.seq,
        representative: NodeId(r.representative),
    })
}
