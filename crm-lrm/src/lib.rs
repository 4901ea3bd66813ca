//! Runs agents: OCF, LSB, heartbeat v1, systemd and STONITH, with time-outs and recurring operations.
//!
//! [`Lrm`] is the handle. Behind it, [`schedule`] decides what may run when (a state machine
//! without clock and processes), [`agents`] which file answers to a name, [`calls`] how it is
//! called and what its end means, [`process`] runs it.

pub mod agents;
pub mod alerts;
pub mod calls;
pub mod fencing;
mod leftover;
mod lrm;
pub mod metadata;
pub mod operation;
pub mod output;
pub mod process;
pub mod schedule;
pub mod secrets;
pub mod standalone;
pub mod stonith;
mod sys;
pub mod systemd;

pub use agents::{AgentPaths, BuiltIn, Catalog};
pub use fencing::{FenceDevice, FenceResult};
pub use lrm::{Lrm, LrmConfig};
pub use metadata::Metadata;
pub use schedule::{CallInfo, CallState};
pub use stonith::FenceAction;
