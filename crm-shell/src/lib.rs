//! The `crm` command: language, levels, rendering and the compatible commands.

pub mod access;
pub mod agents;
pub mod check;
pub mod compat;
pub mod configuration;
pub mod demo;
pub mod diff;
pub mod editor;
pub mod foresee;
pub mod graph;
pub mod help;
pub mod history;
pub mod language;
pub mod levels;
pub mod lint;
pub mod message;
pub mod overview;
pub mod places;
pub mod progress;
pub mod properties;
pub mod render;
pub mod repl;
mod run;
pub mod session;
pub mod since;
pub mod status;
mod sys;
pub mod table;
pub mod wizard;

pub use run::run;
