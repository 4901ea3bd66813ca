//! Runs agents: OCF, LSB and STONITH plug-ins, with time-outs and recurring operations.

pub mod operation;
