//! The cluster daemon: the controller, and what connects it to ring, disk, agents and clients.

mod alerts;
mod clock;
pub mod controller;
mod driver;
mod files;
mod journal;
mod logging;
mod reload;
mod server;
mod start;
mod storage;

pub use start::{Carried, run};
