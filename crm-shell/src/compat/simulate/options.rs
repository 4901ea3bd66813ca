//! The command line of `crm_simulate` (O-13 to O-18).

use crm_core::transition::Injections;

use crate::compat::exit::Exit;
use crate::compat::options::{COMMON, Group, Parsed, Value, long, opt, parse};
use crate::compat::output::Format;
use crate::render::report::Style;

const NODE: Value = Value::Required("NODE");
const FILE: Value = Value::Required("FILE");
const TICKET: Value = Value::Required("TICKET");
const OPSPEC: Value = Value::Required("OPSPEC");

/// All options, as the help shows them.
pub const GROUPS: &[Group] = &[
    COMMON,
    Group {
        title: "Operations",
        options: &[
            opt('R', "run", Value::None, "Show what the cluster would do"),
            opt('S', "simulate", Value::None, "Also pretend to do it and show what comes of it"),
            opt('X', "in-place", Value::None, "Also write what comes of it to the input file"),
            opt('A', "show-attrs", Value::None, "Show node attributes"),
            opt('c', "show-failcounts", Value::None, "Show fail counts and failed operations"),
            opt('s', "show-scores", Value::None, "Show the scores of every resource"),
            opt('U', "show-utilization", Value::None, "Show capacities and loads"),
            long(
                "why",
                Value::None,
                "Show where every score comes from (with --output-as=json, too)",
            ),
            opt('P', "profile", Value::Required("DIR"), "Time every XML file of a directory"),
            opt('N', "repeat", Value::Required("N"), "With --profile, how often each file is run"),
            opt('j', "pending", Value::None, ""),
        ],
    },
    Group {
        title: "Synthetic Cluster Events",
        options: &[
            opt('u', "node-up", NODE, "Pretend that a node comes up"),
            opt('d', "node-down", NODE, "Pretend that a node leaves"),
            opt('f', "node-fail", NODE, "Pretend that a node fails"),
            opt('i', "op-inject", OPSPEC, "Pretend that an operation had this result"),
            opt('F', "op-fail", OPSPEC, "Let an operation fail if it occurs in the simulation"),
            opt('t', "set-datetime", Value::Required("DATETIME"), "The time (ISO 8601)"),
            opt('q', "quorum", Value::Required("QUORUM"), "Whether there is quorum"),
            opt('w', "watchdog", Value::Required("DEVICE"), "Whether there is a watchdog"),
            opt('g', "ticket-grant", TICKET, "Pretend that a ticket is granted"),
            opt('r', "ticket-revoke", TICKET, "Pretend that a ticket is revoked"),
            opt('b', "ticket-standby", TICKET, "Pretend that a ticket is in standby"),
            opt('e', "ticket-activate", TICKET, "Pretend that a ticket is active"),
        ],
    },
    Group {
        title: "Artifact Options",
        options: &[
            opt('I', "save-input", FILE, "Write the input, with the events above, to a file"),
            opt('O', "save-output", FILE, "Write what comes of the simulation to a file"),
            opt('G', "save-graph", FILE, "Write the transition graph (XML) to a file"),
            opt('D', "save-dotfile", FILE, "Write the transition graph (DOT) to a file"),
            opt('a', "all-actions", Value::None, "Show actions in DOT that need not be done"),
        ],
    },
    Group {
        title: "Data Source",
        options: &[
            opt('L', "live-check", Value::None, "Ask the running cluster"),
            opt('x', "xml-file", FILE, "Read a file"),
            opt('p', "xml-pipe", Value::None, "Read standard input"),
        ],
    },
    Group {
        title: "Operation Specification",
        options: &[
            long(
                "help-operations",
                Value::None,
                "OPSPEC is RESOURCE_TASK_INTERVALMS@NODE=RC, e.g. memcached_monitor_20000@bart=7",
            ),
            opt('h', "help", Value::None, ""),
            long("help-artifact", Value::None, ""),
            long("help-output", Value::None, ""),
            long("help-source", Value::None, ""),
            long("help-synthetic", Value::None, ""),
        ],
    },
];

/// Where the CIB comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Pipe,
    /// The running cluster, or `CIB_file`.
    Live,
    /// A file.
    File(String),
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The input.
    pub source: Source,
    /// Show what would be done.
    pub run: bool,
    /// Pretend to do it.
    pub simulate: bool,
    /// Write the outcome to the input file.
    pub in_place: bool,
    /// Sections to add to the status.
    pub attributes: bool,
    /// Sections to add to the status.
    pub failcounts: bool,
    /// Print scores.
    pub scores: bool,
    /// Print utilization.
    pub utilization: bool,
    /// Print where scores come from.
    pub why: bool,
    /// Only what is essential.
    pub quiet: bool,
    /// More on standard error; ids in DOT.
    pub verbose: bool,
    /// Optional actions in DOT.
    pub all_actions: bool,
    /// Directory to time.
    pub profile: Option<String>,
    /// How often.
    pub repeat: u32,
    /// The time, as typed.
    pub time: Option<String>,
    /// Events.
    pub injections: Injections,
    /// Operations that fail.
    pub failures: Vec<String>,
    /// Output files.
    pub save_input: Option<String>,
    /// See `save_input`.
    pub save_output: Option<String>,
    /// See `save_input`.
    pub save_graph: Option<String>,
    /// See `save_input`.
    pub save_dot: Option<String>,
    /// Where standard output goes, if not there.
    pub output_to: Option<String>,
    /// The form of the output.
    pub format: Format,
}

impl Options {
    /// Whether the whole document is needed, not only what the scheduler makes of it: to write it
    /// somewhere, or to add to its histories.
    pub fn whole(&self) -> bool {
        self.simulate
            || self.save_input.is_some()
            || self.save_output.is_some()
            || !self.injections.operations.is_empty()
    }
}

/// What to do after reading the command line.
pub enum Request {
    /// Print this and end well.
    Print(String),
    /// Go on.
    Go(Box<Options>),
}

/// Reads the command line.
///
/// # Errors
/// The line for standard error and the exit code.
pub fn read(arguments: &[String]) -> Result<Request, (String, Exit)> {
    let usage = |text: String| (format!("crm_simulate: {text}"), Exit::USAGE);
    let parsed = parse(GROUPS, arguments).map_err(usage)?;
    // The help is short enough to be one piece, whichever part of it is asked for.
    const HELP: [&str; 7] = [
        "help",
        "help-all",
        "help-artifact",
        "help-operations",
        "help-output",
        "help-source",
        "help-synthetic",
    ];
    if HELP.iter().any(|name| parsed.has(name)) {
        let purpose = "Shows how the cluster would respond to events, without doing anything.";
        let text = crate::compat::options::help("crm_simulate", purpose, GROUPS);
        return Ok(Request::Print(text));
    }
    if parsed.has("version") {
        return Ok(Request::Print(crate::compat::VERSION.to_string()));
    }
    let plain = parsed.has("show-scores") || parsed.has("show-utilization");
    let style = if plain && !parsed.has("text-fancy") { Style::Plain } else { Style::Fancy };
    let format = match parsed.last("output-as") {
        None | Some("text") => Format::Text(style),
        Some("xml") => Format::Xml,
        Some("json") if parsed.has("why") => Format::Json,
        Some("none") => Format::None,
        Some(other) => {
            let text = format!("Error creating output format {other}: Unknown output format");
            return Err((text, Exit::NO_SUCH));
        }
    };
    let repeat = match parsed.last("repeat").map(|n| (n, n.parse::<u32>())) {
        None => 1,
        Some((_, Ok(n))) => n.max(1),
        Some((text, Err(_))) => {
            return Err(usage(format!("Cannot parse integer value “{text}” for --repeat")));
        }
    };
    Ok(Request::Go(Box::new(options(&parsed, format, repeat))))
}

fn options(parsed: &Parsed, format: Format, repeat: u32) -> Options {
    let list = |name: &'static str| parsed.values(name).map(String::from).collect::<Vec<_>>();
    let text = |name: &'static str| parsed.last(name).map(String::from);
    let source = parsed.options.iter().rev().find_map(|(name, value)| match *name {
        "xml-file" => Some(match value.as_deref() {
            Some("-") | None => Source::Pipe,
            Some(file) => Source::File(file.to_string()),
        }),
        "xml-pipe" => Some(Source::Pipe),
        "live-check" => Some(Source::Live),
        _ => None,
    });
    let failures = list("op-fail");
    let simulate = parsed.has("simulate") || parsed.has("in-place") || !failures.is_empty();
    let wants_run = ["run", "show-scores", "show-utilization", "save-graph", "save-dotfile", "why"];
    Options {
        source: source.unwrap_or(Source::Pipe),
        run: simulate || wants_run.iter().any(|name| parsed.has(name)),
        simulate,
        in_place: parsed.has("in-place"),
        attributes: parsed.has("show-attrs"),
        failcounts: parsed.has("show-failcounts"),
        scores: parsed.has("show-scores"),
        utilization: parsed.has("show-utilization"),
        why: parsed.has("why"),
        quiet: parsed.has("quiet"),
        verbose: parsed.has("verbose"),
        all_actions: parsed.has("all-actions"),
        profile: text("profile"),
        repeat,
        time: text("set-datetime"),
        injections: Injections {
            quorum: text("quorum"),
            watchdog: text("watchdog"),
            nodes_up: list("node-up"),
            nodes_down: list("node-down"),
            nodes_fail: list("node-fail"),
            tickets_grant: list("ticket-grant"),
            tickets_revoke: list("ticket-revoke"),
            tickets_standby: list("ticket-standby"),
            tickets_activate: list("ticket-activate"),
            operations: list("op-inject"),
        },
        failures,
        save_input: text("save-input"),
        save_output: text("save-output"),
        save_graph: text("save-graph"),
        save_dot: text("save-dotfile"),
        output_to: text("output-to").filter(|file| file != "-"),
        format,
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Format, Request, Source, read};

    fn options(line: &str) -> Box<super::Options> {
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        match read(&words) {
            Ok(Request::Go(options)) => options,
            Ok(Request::Print(_)) | Err(_) => panic!("refused: {line}"),
        }
    }

    #[test]
    fn the_last_source_wins() {
        assert_eq!(options("-x a -L -x b").source, Source::File("b".into()));
        assert_eq!(options("-x a -L").source, Source::Live);
        assert_eq!(options("-x -").source, Source::Pipe);
        assert_eq!(options("-Q").source, Source::Pipe);
    }

    #[test]
    fn options_imply_others() {
        let implied = |line| (options(line).run, options(line).simulate);
        assert_eq!(implied("-x a"), (false, false));
        assert_eq!(implied("-x a -s"), (true, false));
        assert_eq!(implied("-x a -G g"), (true, false));
        assert_eq!(implied("-x a -F a_start_0@n=1"), (true, true));
    }

    #[test]
    fn only_reasons_have_a_form_in_json() {
        assert_eq!(options("-x a --why --output-as=json").format, Format::Json);
        let words = ["-x", "a", "-s", "--output-as=json"].map(String::from);
        assert!(matches!(read(&words), Err((_, Exit::NO_SUCH))));
    }
}
