//! What an agent declares once: its parameters and actions. Parsing, validation and the meta-data
//! document all come from the declaration.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// Exit codes of OCF 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It worked; for a monitor: running.
    Ok = 0,
    /// It failed.
    Error = 1,
    /// The parameters do not fit this host.
    Args = 2,
    /// There is no such action.
    Unimplemented = 3,
    /// Not allowed.
    Permission = 4,
    /// Something it needs is not installed.
    NotInstalled = 5,
    /// The parameters are wrong on every host.
    NotConfigured = 6,
    /// Cleanly stopped.
    NotRunning = 7,
    /// Running and promoted.
    RunningPromoted = 8,
}

/// A failure, with what is wrong and what to do, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// A full sentence without a stop.
    pub reason: String,
}

impl Failure {
    /// A failure with this code.
    pub fn new(code: Code, reason: impl fmt::Display) -> Self {
        Self { code, reason: reason.to_string() }
    }
}

/// What an action gives.
pub type Outcome = Result<Code, Failure>;

/// What the text of a parameter has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Text,
    /// A whole number in these bounds.
    Integer(i64, i64),
    /// `true`, `yes`, `on`, `1`, `y` or the opposite of one.
    Boolean,
    /// A time: `20`, `20s`, `500ms`, `2min`; plain numbers are seconds.
    Time,
    /// One of these words.
    Select(&'static [&'static str]),
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it has to be.
    pub kind: Kind,
    /// What holds if it is not given.
    pub default: Option<&'static str>,
    /// Must be given.
    pub required: bool,
    /// No two resources may have the same value.
    pub unique: bool,
    /// A change needs no restart.
    pub reloadable: bool,
    /// In a line.
    pub short: &'static str,
    /// In full.
    pub long: &'static str,
}

impl Parameter {
    /// An optional text; other properties are set by struct update.
    pub const OPTIONAL: Self = Self {
        name: "",
        kind: Kind::Text,
        default: None,
        required: false,
        unique: false,
        reloadable: false,
        short: "",
        long: "",
    };
}

/// An action that the manager may call, with suggested times in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// Its name.
    pub name: &'static str,
    /// Suggested time-out in seconds.
    pub timeout: u32,
    /// Suggested interval in seconds.
    pub interval: Option<u32>,
    /// For which role.
    pub role: Option<&'static str>,
    /// How thorough a monitor is (`OCF_CHECK_LEVEL`).
    pub depth: u32,
}

impl Action {
    /// An action that runs once.
    pub const fn once(name: &'static str, timeout: u32) -> Self {
        Self { name, timeout, interval: None, role: None, depth: 0 }
    }

    /// The recurring monitor.
    pub const fn monitor(timeout: u32, interval: u32) -> Self {
        Self { name: "monitor", timeout, interval: Some(interval), role: None, depth: 0 }
    }

    /// A recurring monitor of this depth.
    pub const fn monitor_depth(timeout: u32, interval: u32, depth: u32) -> Self {
        Self { name: "monitor", timeout, interval: Some(interval), role: None, depth }
    }

    /// The recurring monitor of a role.
    pub const fn monitor_role(timeout: u32, interval: u32, role: &'static str) -> Self {
        Self { name: "monitor", timeout, interval: Some(interval), role: Some(role), depth: 0 }
    }
}

/// An agent.
#[derive(Debug)]
pub struct Agent {
    /// Its type.
    pub name: &'static str,
    /// Providers for which it answers where the machine has no agent of that name.
    pub stands_in_for: &'static [&'static str],
    /// In a line.
    pub short: &'static str,
    /// In full.
    pub long: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// What it can do, besides `meta-data` and `validate-all`.
    pub actions: &'static [Action],
    /// Does it: the action's name is one of `actions` or `validate-all`.
    pub run: fn(&Context, &str) -> Outcome,
}

/// The environment of one call.
#[derive(Clone, Debug, Default)]
pub struct Context {
    values: BTreeMap<&'static str, String>,
    environment: BTreeMap<String, String>,
}

impl Context {
    /// Reads and checks the parameters that an agent declares.
    pub fn new(agent: &Agent, environment: BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut values = BTreeMap::new();
        for parameter in agent.parameters {
            let given = environment.get(&format!("OCF_RESKEY_{}", parameter.name));
            let given = given.map(|text| text.trim()).filter(|text| !text.is_empty());
            let value = match given.or(parameter.default) {
                Some(text) => text,
                None if parameter.required => {
                    let reason = format!("parameter \"{}\" is required", parameter.name);
                    return Err(Failure::new(Code::NotConfigured, reason));
                }
                None => continue,
            };
            parameter.kind.check(value).map_err(|wanted| {
                let name = parameter.name;
                let reason = format!("\"{name}\" is \"{value}\", but must be {wanted}");
                Failure::new(Code::NotConfigured, reason)
            })?;
            values.insert(parameter.name, value.to_owned());
        }
        Ok(Self { values, environment })
    }

    /// The value of a parameter, its default if it has one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A number; only for declared integers, 0 if not given and without default.
    pub fn integer(&self, name: &str) -> i64 {
        self.text(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// A boolean; false if not given and without default.
    pub fn is_true(&self, name: &str) -> bool {
        self.text(name).and_then(boolean).unwrap_or(false)
    }

    /// A time; zero if not given and without default.
    pub fn time(&self, name: &str) -> Duration {
        self.text(name).and_then(time).unwrap_or(Duration::ZERO)
    }

    /// A variable of the environment as it is.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// What the manager says about the operation or resource, for example `timeout`.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.variable(&format!("OCF_RESKEY_CRM_meta_{name}"))
    }

    /// The resource instance.
    pub fn instance(&self) -> &str {
        self.variable("OCF_RESOURCE_INSTANCE").unwrap_or("default")
    }

    /// Whether this call is a probe: asks if something runs that was not started here.
    pub fn is_probe(&self) -> bool {
        self.meta("interval").is_none_or(|interval| interval == "0")
    }

    /// What is left of the operation's time is not known; this is all of it (20 s if not said).
    pub fn timeout(&self) -> Duration {
        let milliseconds = self.meta("timeout").and_then(|text| text.parse().ok());
        Duration::from_millis(milliseconds.unwrap_or(20_000))
    }

    /// The whole environment, to be passed on.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }
}

impl Kind {
    /// Checks a value; the error says what it must be.
    pub fn check(self, text: &str) -> Result<(), String> {
        let fits = match self {
            Self::Text => true,
            Self::Integer(low, high) => {
                text.parse::<i64>().is_ok_and(|number| (low..=high).contains(&number))
            }
            Self::Boolean => boolean(text).is_some(),
            Self::Time => time(text).is_some(),
            Self::Select(words) => words.contains(&text),
        };
        if fits { Ok(()) } else { Err(self.wanted()) }
    }

    fn wanted(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Integer(low, i64::MAX) => format!("a whole number from {low}"),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::Boolean => "true or false".to_owned(),
            Self::Time => "a time like 20s or 500ms".to_owned(),
            Self::Select(words) => format!("one of: {}", words.join(", ")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Integer(..) => "integer",
            Self::Boolean => "boolean",
            Self::Time => "time",
            Self::Select(_) => "select",
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "ja" => Some(true),
        "false" | "no" | "off" | "0" | "n" => Some(false),
        _ => None,
    }
}

fn time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "" | "s" | "sec" => number,
        "ms" | "msec" => number / 1e3,
        "m" | "min" => number * 60.0,
        "h" | "hr" => number * 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// The meta-data document of an agent, in the schema of OCF 1.1.
pub fn metadata(agent: &Agent) -> String {
    let mut xml = String::new();
    // Writing to a string cannot fail.
    let _ = write_metadata(&mut xml, agent);
    xml
}

/// A page about these agents, in Markdown.
pub fn reference(agents: &[&Agent]) -> String {
    let mut page = String::from(
        "# Our agents\n\nMade from the agents' own declarations; `crm ra info ocf:crm:NAME` shows the \
         same. Provider `crm`; an agent also answers for the providers named with it where the \
         machine has no agent of that name.\n",
    );
    for agent in agents {
        // Writing to a string cannot fail.
        let _ = write_reference(&mut page, agent);
    }
    page
}

fn write_reference(page: &mut String, agent: &Agent) -> fmt::Result {
    write!(page, "\n## {}\n\n{}. {}", agent.name, agent.short, agent.long)?;
    if !agent.stands_in_for.is_empty() {
        write!(page, " Answers for: {}.", agent.stands_in_for.join(", "))?;
    }
    page.push_str("\n\n");
    for parameter in agent.parameters {
        write!(page, "- `{}` ({}", parameter.name, parameter.kind.name())?;
        if parameter.required {
            page.push_str(", required");
        }
        if let Some(default) = parameter.default.filter(|text| !text.is_empty()) {
            write!(page, ", default `{default}`")?;
        }
        writeln!(page, "): {}. {}", parameter.short, parameter.long)?;
    }
    page.push_str("\nActions:");
    for (at, action) in agent.actions.iter().enumerate() {
        write!(page, "{} {}", if at == 0 { "" } else { "," }, action.name)?;
        if action.depth > 0 {
            write!(page, " (level {})", action.depth)?;
        }
        write!(page, " {} s", action.timeout)?;
        if let Some(interval) = action.interval {
            write!(page, " every {interval} s")?;
        }
        if let Some(role) = action.role {
            write!(page, " for {role}")?;
        }
    }
    page.push_str(".\n");
    Ok(())
}

fn write_metadata(xml: &mut String, agent: &Agent) -> fmt::Result {
    writeln!(xml, "<?xml version=\"1.0\"?>")?;
    writeln!(xml, "<!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\">")?;
    let version = env!("CARGO_PKG_VERSION");
    writeln!(xml, "<resource-agent name=\"{}\" version=\"{version}\">", agent.name)?;
    writeln!(xml, "<version>1.1</version>")?;
    write_descriptions(xml, "", agent.long, agent.short)?;
    writeln!(xml, "<parameters>")?;
    for parameter in agent.parameters {
        write_parameter(xml, parameter)?;
    }
    writeln!(xml, "</parameters>")?;
    writeln!(xml, "<actions>")?;
    for action in agent.actions {
        write!(xml, "  <action name=\"{}\" timeout=\"{}s\"", action.name, action.timeout)?;
        if let Some(interval) = action.interval {
            write!(xml, " interval=\"{interval}s\" depth=\"{}\"", action.depth)?;
        }
        if let Some(role) = action.role {
            write!(xml, " role=\"{role}\"")?;
        }
        writeln!(xml, "/>")?;
    }
    writeln!(xml, "  <action name=\"meta-data\" timeout=\"5s\"/>")?;
    writeln!(xml, "  <action name=\"validate-all\" timeout=\"20s\"/>")?;
    writeln!(xml, "</actions>")?;
    writeln!(xml, "</resource-agent>")
}

fn write_parameter(xml: &mut String, parameter: &Parameter) -> fmt::Result {
    write!(xml, "  <parameter name=\"{}\"", parameter.name)?;
    let flags = [
        ("unique", parameter.unique),
        ("required", parameter.required),
        ("reloadable", parameter.reloadable),
    ];
    for (name, value) in flags {
        write!(xml, " {name}=\"{}\"", u8::from(value))?;
    }
    writeln!(xml, ">")?;
    write_descriptions(xml, "    ", parameter.long, parameter.short)?;
    write!(xml, "    <content type=\"{}\"", parameter.kind.name())?;
    if let Some(default) = parameter.default {
        write!(xml, " default=\"{}\"", escape(default))?;
    }
    if let Kind::Select(words) = parameter.kind {
        writeln!(xml, ">")?;
        for word in words {
            writeln!(xml, "      <option value=\"{}\"/>", escape(word))?;
        }
        writeln!(xml, "    </content>")?;
    } else {
        writeln!(xml, "/>")?;
    }
    writeln!(xml, "  </parameter>")
}

fn write_descriptions(xml: &mut String, indent: &str, long: &str, short: &str) -> fmt::Result {
    writeln!(xml, "{indent}<longdesc lang=\"en\">{}</longdesc>", escape(long))?;
    writeln!(xml, "{indent}<shortdesc lang=\"en\">{}</shortdesc>", escape(short))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
#[path = "declare_test.rs"]
mod tests;
