//! Rings driven through faults from seeds, with invariants checked after every step.
//!
//! A failure prints its seed; `RING_SEED=n cargo test -p crm-messaging --test ring_sim` replays it.
#![allow(clippy::unwrap_used)]

mod faults;
mod figures;
mod invariants;
mod world;
