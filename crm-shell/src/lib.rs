//! The `crm` command: language, levels, rendering and the compatible commands.

pub mod access;
pub mod compat;
pub mod demo;
pub mod language;
pub mod render;

use std::process::ExitCode;

/// Runs the shell with the arguments after its name.
pub fn run(arguments: &[String]) -> ExitCode {
    let _ = arguments;
    ExitCode::FAILURE
}
