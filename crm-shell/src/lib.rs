//! The `crm` command: language, levels, rendering and the compatible commands.

pub mod access;
