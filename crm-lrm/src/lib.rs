//! Runs agents: OCF, LSB, heartbeat v1 and STONITH, with time-outs and recurring operations.
//!
//! [`Lrm`] is the handle. Behind it, [`schedule`] decides what may run when (a state machine
//! without clock and processes), [`agents`] which file answers to a name, [`calls`] how it is
//! called and what its end means, [`process`] runs it.

pub mod agents;
pub mod calls;
mod lrm;
pub mod operation;
pub mod output;
pub mod process;
pub mod schedule;
pub mod stonith;
mod sys;

pub use agents::{AgentPaths, BuiltIn, Catalog};
pub use lrm::{Lrm, LrmConfig};
pub use schedule::{CallInfo, CallState};
