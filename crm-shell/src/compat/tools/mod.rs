//! The small commands that agents and scripts call: they read or change one thing and end.

mod admin;
mod attribute;
mod cibadmin;
mod resource;
mod select;
mod verify;

use std::process::ExitCode;

use super::console::{Console, Process, Sink};
use super::exit::Exit;
use super::options::{Group, Parsed, help, parse};
use super::{VERSION, options};
use crate::access::{self, Access, AccessError};

pub use admin::{crm_node, crmadmin, stonith_admin};
pub use attribute::{attrd_updater, crm_attribute, crm_failcount, crm_master, crm_standby};
pub use cibadmin::cibadmin;
pub use resource::crm_resource;
pub use verify::crm_verify;

/// One run of a command: what was asked, where it reads and changes, where it writes.
struct Run<'a> {
    name: &'static str,
    options: Parsed,
    access: Box<dyn Access>,
    console: Console<'a>,
}

/// A failure that is not the command line's: an optional text of its own, and the code.
struct Failure {
    text: String,
    exit: Exit,
}

impl Failure {
    fn new(exit: Exit, text: impl Into<String>) -> Failure {
        Failure { text: text.into(), exit }
    }

    /// The form in which most tools report a code (O-181, O-173).
    fn performing(name: &str, exit: Exit) -> Failure {
        Failure::new(exit, format!("{name}: Error performing operation: {}", exit.text()))
    }
}

impl From<AccessError> for Failure {
    fn from(e: AccessError) -> Failure {
        let exit = match &e {
            AccessError::NoDaemon { .. } | AccessError::Lost(_) => Exit::DISCONNECTED,
            AccessError::File { .. } | AccessError::Malformed { .. } => Exit::NO_INPUT,
            AccessError::Stale(_) => Exit(103),
            AccessError::Refused(_) => Exit(106),
            AccessError::Invalid(_) => Exit::CONFIG,
            AccessError::NotFound(_) => Exit::NO_SUCH,
            AccessError::TimedOut(_) => Exit(124),
            AccessError::NeedsCluster(_) => Exit(113),
        };
        Failure::new(exit, e.to_string())
    }
}

type Done = Result<Exit, Failure>;

/// A command: its name, what it is for, its options, and what it does.
struct Tool {
    name: &'static str,
    purpose: &'static str,
    groups: &'static [Group],
    body: fn(&mut Run<'_>) -> Done,
}

impl Tool {
    fn main(&self, arguments: &[String]) -> ExitCode {
        self.run(arguments, &mut Process, access::open()).into()
    }

    fn run(&self, arguments: &[String], sink: &mut dyn Sink, access: Box<dyn Access>) -> Exit {
        let mut console = Console::new(sink);
        let options = match parse(self.groups, arguments) {
            Ok(options) => options,
            Err(text) => {
                console.error(&format!("{}: {text}", self.name));
                return Exit::USAGE;
            }
        };
        let shown = match (options.has("help") || options.has("help-all"), options.has("version")) {
            (true, _) => Some(help(self.name, self.purpose, self.groups)),
            (_, true) => Some(VERSION.to_string()),
            (false, false) => None,
        };
        if let Some(text) = shown {
            console.buffered(&text);
            console.finish();
            return Exit::OK;
        }
        let mut run = Run { name: self.name, options, access, console };
        let exit = (self.body)(&mut run).unwrap_or_else(|failure| {
            if !failure.text.is_empty() {
                run.console.error(&failure.text);
            }
            failure.exit
        });
        run.console.finish();
        exit
    }

    fn usage(&self, console: &mut Console<'_>) -> Exit {
        console.error(help(self.name, self.purpose, self.groups).trim_end());
        Exit::USAGE
    }
}

impl Run<'_> {
    fn say(&mut self, line: &str) {
        self.console.buffered(line);
        self.console.buffered("\n");
    }

    fn quiet(&self) -> bool {
        self.options.has("quiet")
    }

    /// The name of the node this runs on: what the daemon says, else the host's name.
    fn local_node(&mut self) -> Result<String, Failure> {
        if let Some(name) =
            std::env::var("OCF_RESKEY_CRM_meta_on_node").ok().filter(|n| !n.is_empty())
        {
            return Ok(name);
        }
        if self.access.is_live() {
            return Ok(self.access.state(None)?.local_node);
        }
        let name = nix::unistd::gethostname().map_err(|e| Failure::new(Exit(71), e.to_string()))?;
        Ok(name.to_string_lossy().into_owned())
    }

    /// The node that `--node` names, or this one.
    fn node(&mut self) -> Result<String, Failure> {
        match self.options.last("node").map(str::to_string) {
            Some(name) if !matches!(name.as_str(), "localhost" | ".") => Ok(name),
            Some(_) | None => self.local_node(),
        }
    }
}

/// A usage error with a text of its own.
fn usage(name: &str, text: &str) -> Failure {
    Failure::new(Exit::USAGE, format!("{name}: {text}"))
}

/// Options that are accepted because scripts pass them, and that change nothing here.
const IGNORED: options::Value = options::Value::None;
