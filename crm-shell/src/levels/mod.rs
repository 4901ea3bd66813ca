//! One module a level of the shell.

pub mod assist;
pub mod cib;
pub mod cibstatus;
pub mod cluster;
pub mod compare;
pub mod configure;
pub mod corosync;
pub mod foresight;
pub mod history;
pub mod init;
pub mod legacy;
pub mod load;
pub mod maintenance;
pub mod navigate;
pub mod node;
pub mod options;
pub mod ra;
pub mod report;
pub mod resource;
pub mod root;
pub mod script;
pub mod secret;
pub mod site;
pub mod template;
#[cfg(test)]
mod tests;
