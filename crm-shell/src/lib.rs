//! The crm command: language, levels, rendering, compatible commands.
