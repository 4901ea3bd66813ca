//! The ring protocol without input and output: Totem's single ring with a faster detector.
//!
//! [`Ring`] is one node's part. States as in the papers (Amir, Moser, Melliar-Smith, Agarwal and
//! Ciarfella, 1995): operational, gather, commit, recovery. What differs is said in
//! `docs/design/messaging.md`.
//!
//! Invariants, checked by the simulation in `tests/ring_sim.rs`: members of a ring deliver the
//! same messages in the same order; those who go together from one view to the next have
//! delivered the same before it; nobody is in two rings; at most one partition is quorate.

mod circle;
mod detect;
mod gather;
mod pack;
mod recovery;
mod ring;
mod timing;
mod token;
mod types;
mod window;
pub mod wire;

pub use ring::{CHANGE, Counters, RESERVE, Ring};
pub use timing::Timing;
pub use types::{Effect, Incarnation, RingConfig, Seq, Target, Time};
