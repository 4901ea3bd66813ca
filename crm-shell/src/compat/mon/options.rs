//! The command line of `crm_mon` (O-120, O-121).

use super::sections::{Section, Sections};
use crate::compat::exit::Exit;
use crate::compat::options::{COMMON, Group, Parsed, Value, long, opt, parse};
use crate::render::status::Detail;

const NONE: Value = Value::None;

/// All options, as the help shows them.
pub const GROUPS: &[Group] = &[
    COMMON,
    Group {
        title: "Output in HTML",
        options: &[
            long("html-cgi", NONE, "Begin with CGI headers"),
            long("html-stylesheet", Value::Required("URI"), "Link to a style sheet"),
            long("html-title", Value::Required("TITLE"), "The title of the page"),
        ],
    },
    Group {
        title: "Display Options",
        options: &[
            opt('I', "include", Value::Required("SECTIONS"), "Show these sections too"),
            opt('U', "exclude", Value::Required("SECTIONS"), "Do not show these sections"),
            long("node", Value::Required("NODE"), "Only this node, or the nodes with this tag"),
            long("resource", Value::Required("RSC"), "Only this resource, or those with this tag"),
            opt('n', "group-by-node", NONE, "Group resources by node"),
            opt('r', "inactive", NONE, "Show inactive resources"),
            opt('f', "failcounts", NONE, "Show fail counts"),
            opt('o', "operations", NONE, "Show the history of operations"),
            opt('t', "timing-details", NONE, "Show the history of operations with times"),
            opt('c', "tickets", NONE, "Show tickets"),
            opt('m', "fence-history", Value::Optional("LEVEL"), "Show fencing: 0 to 3"),
            opt('L', "neg-locations", Value::Optional("PREFIX"), "Show what is forbidden"),
            opt('A', "show-node-attributes", NONE, "Show node attributes"),
            opt('D', "hide-headers", NONE, "Hide the summary"),
            opt('R', "show-detail", NONE, "Show more details"),
            opt('b', "brief", NONE, "Sum resources up"),
            opt('s', "simple-status", NONE, "Show one line, once"),
            opt('j', "pending", NONE, ""),
        ],
    },
    Group {
        title: "Additional Options",
        options: &[
            opt('i', "interval", Value::Required("TIMESPEC"), "How often to look (default 5 s)"),
            opt('1', "one-shot", NONE, "Show the status once"),
            opt('X', "as-xml", NONE, "Show the status once, in an old XML form"),
            opt('h', "as-html", Value::Required("FILE"), "Write the status to an HTML file"),
            opt('w', "web-cgi", NONE, "Show the status once, as a web server wants it"),
            opt('N', "disable-ncurses", NONE, "Do not use the whole screen"),
            opt('d', "daemonize", NONE, "Go on in the background; needs --output-to"),
            opt('p', "pid-file", Value::Required("FILE"), "Where the number of that process goes"),
            opt('E', "external-agent", Value::Required("FILE"), "Run this when operations end"),
            opt('e', "external-recipient", Value::Required("RCPT"), "Whom that program is to tell"),
            opt('W', "watch-fencing", NONE, "Run it when fencing ends, too"),
            opt('x', "xml-file", Value::Required("FILE"), ""),
        ],
    },
];

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text that replaces what was there before.
    Console,
    /// Text.
    Text,
    /// XML.
    Xml,
    /// XML with the root element of old releases.
    OldXml,
    /// A page.
    Html,
    /// Nothing.
    None,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The form.
    pub form: Form,
    /// The sections.
    pub sections: Sections,
    /// A CIB to show instead of the cluster's.
    pub file: Option<String>,
    /// Only this node or tag.
    pub node: Option<String>,
    /// Only this resource or tag.
    pub resource: Option<String>,
    /// Resources below their nodes.
    pub by_node: bool,
    /// Inactive resources too.
    pub inactive: bool,
    /// Ids, instances, implicit resources.
    pub detail: bool,
    /// One line an agent.
    pub brief: bool,
    /// How much of the history.
    pub history: Detail,
    /// One line in all.
    pub simple: bool,
    /// Only once.
    pub once: bool,
    /// Milliseconds between two looks.
    pub interval_ms: u64,
    /// Where the output goes.
    pub output_to: Option<String>,
    /// Run by a web server: for the cluster only.
    pub web: bool,
    /// In the background.
    pub daemonize: bool,
    /// Where the number of the process in the background goes.
    pub pid_file: Option<String>,
    /// A program that is run when operations end.
    pub agent: Option<String>,
    /// Whom it is to tell.
    pub recipient: Option<String>,
    /// It is run when fencing ends, too.
    pub watch_fencing: bool,
    /// Every attempt at fencing, not only the newest of those that are alike.
    pub whole_fencing: bool,
    /// Headers for a web server.
    pub cgi: bool,
    /// For the page.
    pub stylesheet: Option<String>,
    /// For the page.
    pub title: Option<String>,
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
    let usage = |text: String| (format!("crm_mon: {text}"), Exit::USAGE);
    let parsed = parse(GROUPS, arguments).map_err(usage)?;
    if parsed.has("help") || parsed.has("help-all") {
        let purpose = "Shows the state of the cluster.";
        return Ok(Request::Print(crate::compat::options::help("crm_mon", purpose, GROUPS)));
    }
    if parsed.has("version") {
        return Ok(Request::Print(crate::compat::VERSION.to_string()));
    }
    let form = form(&parsed);
    let mut sections = sections(&parsed, form).map_err(usage)?;
    let interval_ms = match parsed.last("interval") {
        None => 5_000,
        Some(text) => u64::try_from(crm_core::scalar::parse_msec(text).unwrap_or(-1))
            .map_err(|_| usage(format!("Cannot parse interval '{text}'")))?,
    };
    let text = |name: &'static str| parsed.last(name).map(String::from);
    let live = text("xml-file").is_none() && std::env::var_os("CIB_file").is_none();
    if !live || parsed.has("watch-fencing") && parsed.last("fence-history").is_none() {
        // What a file says of fencing need not be so, and who is told of it needs no list.
        sections.exclude("fencing").map_err(usage)?;
    }
    let simple = parsed.has("simple-status");
    let history = match (parsed.has("timing-details") || form == Form::Xml, form) {
        (true, _) | (_, Form::OldXml) => Detail::Timing,
        (false, _) if sections.has(Section::Operations) => Detail::Operations,
        (false, _) => Detail::Failures,
    };
    let asked_once = ["one-shot", "as-xml", "web-cgi"].iter().any(|name| parsed.has(name));
    let output_to = text("output-to").filter(|file| file != "-").or(text("as-html"));
    let to_stdout = output_to.is_none();
    let daemonize = parsed.has("daemonize");
    let agent = text("external-agent");
    if daemonize && to_stdout && agent.is_none() {
        let text = "--daemonize requires at least one of --output-to and --external-agent";
        return Err(usage(text.to_owned()));
    }
    Ok(Request::Go(Box::new(Options {
        form,
        sections,
        file: text("xml-file"),
        node: text("node"),
        resource: text("resource"),
        by_node: parsed.has("group-by-node"),
        inactive: parsed.has("inactive") || matches!(form, Form::Xml | Form::OldXml),
        detail: parsed.has("show-detail"),
        brief: parsed.has("brief"),
        history,
        simple,
        once: !live
            || simple
            || asked_once
            || matches!(form, Form::Xml | Form::OldXml | Form::None)
            || (form == Form::Html && to_stdout),
        interval_ms,
        output_to,
        web: parsed.has("web-cgi"),
        daemonize,
        pid_file: text("pid-file"),
        agent,
        recipient: text("external-recipient"),
        watch_fencing: parsed.has("watch-fencing"),
        whole_fencing: parsed.last("fence-history") == Some("3"),
        cgi: parsed.has("html-cgi") || parsed.has("web-cgi"),
        stylesheet: text("html-stylesheet"),
        title: text("html-title"),
    })))
}

fn form(parsed: &Parsed) -> Form {
    match parsed.last("output-as") {
        Some("console") => Form::Console,
        Some("text") => Form::Text,
        Some("xml") => Form::Xml,
        Some("html") => Form::Html,
        Some("none") => Form::None,
        // Anything else is text, as with Pacemaker 2.1.
        Some(_) => Form::Text,
        None if parsed.has("as-xml") => Form::OldXml,
        None if parsed.has("as-html") || parsed.has("web-cgi") => Form::Html,
        None if parsed.has("one-shot") || parsed.has("disable-ncurses") => Form::Text,
        None => Form::Console,
    }
}

/// The sections that the options ask for, in their order.
fn sections(parsed: &Parsed, form: Form) -> Result<Sections, String> {
    let mut sections = Sections::new(matches!(form, Form::Xml | Form::OldXml));
    if parsed.has("quiet") {
        sections.drop(Section::Times);
    }
    for (name, value) in &parsed.options {
        let value = value.as_deref();
        match *name {
            "include" => sections.include(value.unwrap_or_default())?,
            "exclude" => sections.exclude(value.unwrap_or_default())?,
            "failcounts" => sections.include("failcounts")?,
            "operations" => sections.include("failcounts,operations")?,
            "timing-details" => sections.include("operations")?,
            "tickets" => sections.include("tickets")?,
            "show-node-attributes" => sections.include("attributes")?,
            "neg-locations" => {
                sections.include("bans")?;
                sections.ban_prefix = value.unwrap_or_default().to_string();
            }
            "hide-headers" => sections.exclude("summary")?,
            "fence-history" => match value {
                None | Some("2") | Some("3") => sections.include("fencing")?,
                Some("1") => sections.include("fencing-failed,fencing-pending")?,
                Some("0") => sections.exclude("fencing")?,
                Some(_) => return Err("Fence history must be 0-3".into()),
            },
            _ => {}
        }
    }
    Ok(sections)
}
