//! Attributes of the node that agents set, for rules and for the health strategy.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::declare::Context;

/// The health of a node as the cluster knows it: values of `#health-...` attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Colour {
    /// Well.
    Green,
    /// To be watched.
    Yellow,
    /// Resources should leave.
    Red,
}

impl Colour {
    /// The attribute's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

/// Sets an attribute of this node; the parameter `dampen` says after which time it is passed on.
pub fn set(context: &Context, name: &str, value: &str) {
    tell(context, name, &["-U", value]);
}

/// Deletes it.
pub fn delete(context: &Context, name: &str) {
    tell(context, name, &["-D"]);
}

/// Without a cluster there is nobody to tell: that is said, and no failure.
fn tell(context: &Context, name: &str, arguments: &[&str]) {
    let directory = context.variable("HA_SBIN_DIR").unwrap_or("/usr/sbin");
    let dampen = context.text("dampen").unwrap_or("0");
    let status = Command::new(Path::new(directory).join("attrd_updater"))
        .args(["-n", name, "-d", dampen])
        .args(arguments)
        .env_clear()
        .envs(context.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        let _ = writeln!(io::stderr(), "WARNING: the attribute {name} could not be set");
    }
}
