//! The transition graph: what has to be done now, in which order, and where.
//!
//! The scheduler builds a [`Graph`]; the coordinator executes it, the simulator pretends to, and
//! the writers show it. All of them read this one structure.

mod dot;
mod executor;
mod graph;
mod history;
mod inject;
mod opspec;
mod simulate;
mod xml;

pub use executor::{ABORT_ALL, Abort, Ending, Executor, Limits};
pub use graph::{
    Action, ActionId, ActionIx, ActionKind, AgentRef, Graph, GraphSettings, Mark, NodeRef,
    Presence, ResourceRef,
};
pub use history::{Missing, Outcome, StatusEditor, Subject, UnknownNode};
pub use inject::{AttributeChange, Change, Injections, NodeChange, TicketChange, inject};
pub use opspec::{OpKey, OpSpec};
pub use simulate::{Simulation, Step, simulate};
