//! `crm demo`: a cluster of three nodes on this machine that loses one and keeps serving.

use std::process::ExitCode;

/// An inner step of the lab.
pub fn stage(arguments: &[String]) -> ExitCode {
    crm_lab::run_stage(arguments)
}

/// Runs the demo.
pub fn run(arguments: &[String]) -> ExitCode {
    let _ = arguments;
    ExitCode::FAILURE
}
