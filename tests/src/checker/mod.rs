//! An independent judge of transition graphs.
//!
//! It reads the CIB and the graph and knows nothing of how the graph came about: no scheduler
//! code is used, only documents. Where the CIB leaves something open (rules, failures, unfinished
//! operations) it says nothing rather than guess, so a complaint is always a real one; how often
//! it had something to say is counted, so that silence is noticed too.

mod facts;
mod plan;
mod rules;

pub use facts::{Facts, Group, Known};
pub use plan::{Action, Plan};
pub use rules::{Duty, Report, Rule, Shape, check};
