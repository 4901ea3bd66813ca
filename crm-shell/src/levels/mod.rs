//! One module a level of the shell.

pub mod cib;
pub mod cluster;
pub mod configure;
pub mod corosync;
pub mod foresight;
pub mod init;
pub mod load;
pub mod maintenance;
pub mod navigate;
pub mod node;
pub mod options;
pub mod ra;
pub mod resource;
pub mod root;
pub mod secret;
pub mod site;
