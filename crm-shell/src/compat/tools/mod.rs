//! The small commands that agents and scripts call: they read or change one thing and end.

mod admin;
mod attrd;
mod attribute;
mod cibadmin;
mod error;
mod failcount;
mod logger;
mod resource;
mod ticket;
mod verify;
mod xpath;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crm_core::cib::Element;
use crm_core::rules::Moment;
use crm_core::scheduler::model::Cluster;
use crm_core::scheduler::{self, Input};
use crm_lrm::BuiltIn;

use super::VERSION;
use super::console::{Console, Process, Sink};
use super::exit::Exit;
use super::options::{Group, Parsed, Value, help, long, parse};
use super::output::{Format, Output, ToFile, request};
use crate::access::{self, Access, AccessError};
use crate::render::report::{Part, Style};

use admin::{crm_node, crmadmin, stonith_admin};
use attrd::attrd_updater;
use attribute::{crm_attribute, crm_master, crm_standby};
use cibadmin::cibadmin;
use error::crm_error;
use failcount::crm_failcount;
use logger::ha_logger;
use resource::crm_resource;
use ticket::crm_ticket;
use verify::crm_verify;

/// Everything that asks for help. The originals have an option for each part of theirs; ours is short
/// enough to be shown whole.
const PARTS: Group = Group {
    title: "",
    options: &[
        long("help-additional", Value::None, ""),
        long("help-advanced", Value::None, ""),
        long("help-command", Value::None, ""),
        long("help-commands", Value::None, ""),
        long("help-data", Value::None, ""),
        long("help-definition", Value::None, ""),
        long("help-deprecated", Value::None, ""),
        long("help-fence", Value::None, ""),
        long("help-locations", Value::None, ""),
        long("help-output", Value::None, ""),
        long("help-queries", Value::None, ""),
        long("help-required", Value::None, ""),
        long("help-selections", Value::None, ""),
    ],
};

/// What runs a command with its arguments; some look at the agents that the executable carries.
pub type Main = fn(&[String], &[BuiltIn]) -> ExitCode;

/// Every command here, by name.
pub const TOOLS: &[(&str, Main)] = &[
    ("attrd_updater", attrd_updater),
    ("cibadmin", cibadmin),
    ("crm_attribute", crm_attribute),
    ("crm_error", crm_error),
    ("crm_failcount", crm_failcount),
    ("crm_master", crm_master),
    ("crm_node", crm_node),
    ("crm_resource", crm_resource),
    ("crm_standby", crm_standby),
    ("crm_ticket", crm_ticket),
    ("crm_verify", crm_verify),
    ("crmadmin", crmadmin),
    ("ha_logger", ha_logger),
    ("stonith_admin", stonith_admin),
];

/// The code for a change of what somebody else has changed meanwhile.
const STALE: Exit = Exit(103);
/// How often a change is tried that others' changes overtake.
const ATTEMPTS: u64 = 40;

/// One run of a command: what was asked, where it reads and changes, where it writes.
struct Run<'a> {
    name: &'static str,
    options: Parsed,
    access: Box<dyn Access>,
    carried: &'a [BuiltIn],
    out: Output<'a>,
}

/// What a command works on.
struct Surroundings<'a> {
    access: Box<dyn Access>,
    /// Agents that the executable carries.
    carried: &'a [BuiltIn],
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
            AccessError::Stale(_) => STALE,
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
    /// How lists look in the text form.
    style: Style,
    body: fn(&mut Run<'_>) -> Done,
}

impl Tool {
    fn main(&self, arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
        let from = Surroundings { access: access::open(), carried };
        self.run(arguments, &mut Process, from).into()
    }

    fn run(&self, arguments: &[String], sink: &mut dyn Sink, from: Surroundings<'_>) -> Exit {
        let groups: Vec<Group> = self.groups.iter().copied().chain([PARTS]).collect();
        let options = match parse(&groups, arguments) {
            Ok(options) => options,
            Err(text) => {
                Console::new(sink).error(&format!("{}: {text}", self.name));
                return Exit::USAGE;
            }
        };
        let shown = match (
            options.options.iter().any(|(name, _)| name.starts_with("help")),
            options.has("version"),
        ) {
            (true, _) => Some(help(self.name, self.purpose, self.groups)),
            (_, true) => Some(VERSION.to_string()),
            (false, false) => None,
        };
        if let Some(text) = shown {
            let mut console = Console::new(sink);
            console.buffered(&text);
            console.finish();
            return Exit::OK;
        }
        let asked = request(self.name, arguments);
        let destination = options.last("output-to").filter(|d| *d != "-").map(str::to_string);
        match destination {
            None => self.perform(options, sink, from, &asked),
            Some(path) => match ToFile::create(&path, sink) {
                Ok(mut file) => self.perform(options, &mut file, from, &asked),
                Err(error) => {
                    Console::new(sink).error(&format!("{}: {path}: {error}", self.name));
                    Exit::CANNOT_CREATE
                }
            },
        }
    }

    fn perform(
        &self,
        options: Parsed,
        sink: &mut dyn Sink,
        from: Surroundings<'_>,
        asked: &str,
    ) -> Exit {
        let style = if options.has("text-fancy") { Style::Fancy } else { self.style };
        let format = match options.last("output-as") {
            None | Some("text") => Format::Text(style),
            Some("xml") => Format::Xml,
            Some("none") => Format::None,
            Some(other) => {
                let text = format!("{}: Error creating output format {other}", self.name);
                Console::new(sink).error(&text);
                return Exit::ERROR;
            }
        };
        let out = Output::new(sink, format, options.has("quiet"));
        let Surroundings { access, carried } = from;
        let mut run = Run { name: self.name, options, access, carried, out };
        let exit = (self.body)(&mut run).unwrap_or_else(|failure| {
            if !failure.text.is_empty() {
                run.out.error(&failure.text);
            }
            failure.exit
        });
        run.out.finish(asked, exit)
    }

    /// What is said to a command line that asks for nothing.
    fn usage(&self, run: &mut Run<'_>) -> Exit {
        run.out.error(help(self.name, self.purpose, self.groups).trim_end());
        Exit::USAGE
    }
}

impl Run<'_> {
    /// A line of the text form; programs get elements instead.
    fn say(&mut self, line: &str) {
        self.out.text(&Part::Line(line.to_string()));
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

impl Run<'_> {
    /// The refusal of an invalid configuration: in the original's words, then what is wrong.
    fn invalid(&self, why: &str) -> Failure {
        let head = match self.name {
            "cibadmin" => {
                "Call failed: Update does not conform to the configured schema".to_string()
            }
            name => format!("{name}: Error performing operation: {}", Exit::CONFIG.text()),
        };
        let details = why.lines().filter(|line| line.starts_with('<'));
        let lines: Vec<&str> = std::iter::once(&*head).chain(details).collect();
        Failure::new(Exit::CONFIG, lines.join("\n"))
    }

    /// Does a change again as long as somebody else's commit came between its look and its own:
    /// agents of several resources call these tools at the same moment, and none of them expects
    /// to be refused for that. An attempt says nothing before it has succeeded.
    fn until_current<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        for tries in 1..ATTEMPTS {
            match attempt(self) {
                Err(failure) if failure.exit == STALE && self.access.is_live() => {
                    std::thread::sleep(Duration::from_millis(5 * tries));
                }
                outcome => return outcome,
            }
        }
        attempt(self)
    }

    /// Makes the configuration that of `changed`, if it is still that of `base`.
    fn commit(&mut self, base: &Element, changed: &Element, command: &str) -> Result<(), Failure> {
        let configuration = changed
            .child("configuration")
            .cloned()
            .unwrap_or_else(|| Element::new("configuration"));
        let mut base = base.clone();
        if let Some(schema) = changed.attr("validate-with") {
            base.set_attr("validate-with", schema);
        }
        self.access.commit(&base, &configuration, command).map_err(|error| match error {
            AccessError::Invalid(why) => self.invalid(&why),
            other => other.into(),
        })
    }
}

/// An ISO 8601 or Pacemaker time such as `5s`, `100ms`, `2min`, in milliseconds.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].trim() {
        "ms" | "msec" => 1,
        "" | "s" | "sec" => 1000,
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// What is configured and what runs where, as of now.
fn cluster(cib: &Element) -> Cluster {
    scheduler::status(&Input::new(cib, now()))
}

fn now() -> Moment {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Moment { epoch: i64::try_from(now).unwrap_or(i64::MAX), offset: 0 }
}

/// A usage error with a text of its own.
fn usage(name: &str, text: &str) -> Failure {
    Failure::new(Exit::USAGE, format!("{name}: {text}"))
}

/// Options that are accepted because scripts pass them, and that change nothing here.
const IGNORED: Value = Value::None;
