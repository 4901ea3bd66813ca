//! What the agents of web servers have in common: reading configurations, asking for pages,
//! main processes and what they leave behind.

pub mod check;
pub mod config;
pub mod daemon;
pub mod http;
