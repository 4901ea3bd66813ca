//! `crm_error`: the words of a code.

use std::process::ExitCode;

use crm_core::cib::Element;
use crm_lrm::BuiltIn;
use nix::errno::Errno;

use super::super::exit::Exit;
use super::super::options::{COMMON, Group, Value, opt};
use super::{Done, Run, Tool};
use crate::render::report::Style;

const CRM_ERROR: Tool = Tool {
    name: "crm_error",
    purpose: "Show the name or the description of an error code",
    groups: &[
        COMMON,
        Group {
            title: "Options",
            options: &[
                opt('n', "name", Value::None, "Show the name, too"),
                opt('l', "list", Value::None, "Show all known codes (the default without a code)"),
                opt('X', "exit", Value::None, "The code is an exit code"),
                opt('r', "rc", Value::None, "The code is a return code of the library"),
            ],
        },
    ],
    style: Style::Plain,
    body: work,
};

/// Runs `crm_error`.
pub(super) fn crm_error(arguments: &[String], carried: &[BuiltIn]) -> ExitCode {
    CRM_ERROR.main(arguments, carried)
}

/// What a number is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What functions of the library return: an errno, or one of their own above 200.
    Legacy,
    /// What newer functions return: an errno, or one of their own below -1000.
    Return,
    /// What commands exit with.
    Exit,
}

/// The newer return codes from -1001 downwards, and the old code of each where it had one.
const RETURN_CODES: [(&str, &str, Option<i64>); 33] = [
    ("error", "Error", Some(201)),
    ("unknown_format", "Unknown output format", Some(217)),
    ("bad_nvpair", "Bad name/value pair given", Some(216)),
    ("already", "Already in requested state", Some(215)),
    ("node_unknown", "Node not found", Some(214)),
    ("multiple", "Resource active on multiple nodes", Some(213)),
    ("cib_corrupt", "Could not parse on-disk configuration", Some(212)),
    ("cib_save", "Could not save new configuration to disk", Some(210)),
    ("cib_backup", "Could not archive previous configuration", Some(209)),
    ("cib_modified", "On-disk configuration was manually modified", Some(208)),
    ("diff_resync", "Application of update diff failed, requesting full refresh", Some(207)),
    ("diff_failed", "Application of update diff failed", Some(206)),
    ("old_data", "Update was older than existing configuration", Some(205)),
    ("transform_failed", "Schema transform failed", Some(204)),
    ("schema_unchanged", "Schema is already the latest available", Some(211)),
    ("schema_validation", "Update does not conform to the configured schema", Some(203)),
    ("no_quorum", "Operation requires quorum", Some(202)),
    ("ipc_unauthorized", "IPC server is blocked by unauthorized process", None),
    ("ipc_unresponsive", "IPC server is unresponsive", None),
    ("ipc_pid_only", "IPC server process is active but not accepting connections", None),
    ("op_unsatisfied", "Not applicable under current conditions", None),
    ("undetermined", "Result undetermined", None),
    ("before_range", "Result occurs before given range", None),
    ("within_range", "Result occurs within given range", None),
    ("after_range", "Result occurs after given range", None),
    ("no_output", "Output message produced no output", None),
    ("no_input", "Input file not available", None),
    ("underflow", "Value too small to be stored in data type", None),
    ("dot_error", "Error writing dot(1) file", None),
    ("graph_error", "Error writing graph file", None),
    ("invalid_transition", "Cluster simulation produced invalid transition", None),
    ("unpack_error", "Unable to parse CIB XML", None),
    ("duplicate_id", "Two or more XML elements have the same ID", None),
];

const EXIT_NAMES: [(u8, &str); 43] = [
    (0, "OK"),
    (1, "ERROR"),
    (2, "INVALID_PARAM"),
    (3, "UNIMPLEMENT_FEATURE"),
    (4, "INSUFFICIENT_PRIV"),
    (5, "NOT_INSTALLED"),
    (6, "NOT_CONFIGURED"),
    (7, "NOT_RUNNING"),
    (8, "PROMOTED"),
    (9, "FAILED_PROMOTED"),
    (64, "USAGE"),
    (65, "DATAERR"),
    (66, "NOINPUT"),
    (67, "NOUSER"),
    (68, "NOHOST"),
    (69, "UNAVAILABLE"),
    (70, "SOFTWARE"),
    (71, "OSERR"),
    (72, "OSFILE"),
    (73, "CANTCREAT"),
    (74, "IOERR"),
    (75, "TEMPFAIL"),
    (76, "PROTOCOL"),
    (77, "NOPERM"),
    (78, "CONFIG"),
    (100, "FATAL"),
    (101, "PANIC"),
    (102, "DISCONNECT"),
    (103, "OLD"),
    (104, "DIGEST"),
    (105, "NOSUCH"),
    (106, "QUORUM"),
    (107, "UNSAFE"),
    (108, "EXISTS"),
    (109, "MULTIPLE"),
    (110, "EXPIRED"),
    (111, "NOT_YET_IN_EFFECT"),
    (112, "INDETERMINATE"),
    (113, "UNSATISFIED"),
    (124, "TIMEOUT"),
    (190, "DEGRADED"),
    (191, "DEGRADED_PROMOTED"),
    (193, "NONE"),
];

/// Name and description.
type Words = (String, String);

fn known(name: String, text: &str) -> Option<Words> {
    Some((name, text.to_string()))
}

/// The system's own words for an errno.
fn errno(code: i64) -> Option<Words> {
    if code == 0 {
        return known("pcmk_rc_ok".into(), "OK");
    }
    let number = i32::try_from(code).ok().filter(|c| *c > 0)?;
    let errno = Errno::from_raw(number);
    let name = format!("{errno:?}");
    let text = std::io::Error::from_raw_os_error(number).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    (errno != Errno::UnknownErrno).then(|| (name, text.to_string()))
}

/// What a code means; nothing for a code that a list leaves out.
fn words(kind: Kind, code: i64) -> Option<Words> {
    match kind {
        Kind::Legacy => {
            let own = RETURN_CODES.iter().find(|(_, _, old)| *old == Some(code.abs()));
            match own {
                Some(("schema_unchanged", text, _)) => known("Unknown".into(), text),
                Some(("error", text, _)) => known("pcmk_err_generic".into(), text),
                Some((name, text, _)) => known(format!("pcmk_err_{name}"), text),
                None => errno(code.abs()),
            }
        }
        Kind::Return => {
            let at = (code < -1000).then(|| usize::try_from(-1001 - code).ok()).flatten();
            match at.and_then(|at| RETURN_CODES.get(at)) {
                Some((name, text, _)) => known(format!("pcmk_rc_{name}"), text),
                None => errno(code),
            }
        }
        Kind::Exit => {
            let code = u8::try_from(code).ok()?;
            let (_, name) = EXIT_NAMES.iter().find(|(c, _)| *c == code)?;
            known(format!("CRM_EX_{name}"), Exit(code).text())
        }
    }
}

/// The words for a code that no list has.
fn unknown(kind: Kind, code: Option<i64>) -> Words {
    let text = match (kind, code) {
        (Kind::Exit, Some(129..)) => "Interrupted by signal".to_string(),
        (Kind::Exit, _) => {
            return ("CRM_EX_UNKNOWN".into(), "Unknown exit status".into());
        }
        (Kind::Legacy, Some(code)) => format!("Unknown error {}", code.abs()),
        (Kind::Return, Some(code)) if code > 0 => format!("Unknown error {code}"),
        (Kind::Return | Kind::Legacy, _) => "Error".to_string(),
    };
    ("Unknown".into(), text)
}

fn show(run: &mut Run<'_>, code: i64, (name, text): &Words, listed: bool) {
    let named = run.options.has("name");
    let numbered = listed || run.options.has("verbose");
    let line = match (numbered, named) {
        (true, true) => format!("{code:5}: {name:<26}  {text}"),
        (true, false) => format!("{code:5}: {text}"),
        (false, true) => format!("{name} - {text}"),
        (false, false) => text.clone(),
    };
    run.say(&line);
    let mut element = Element::new("result-code").with("code", code.to_string());
    if named {
        element.set_attr("name", name);
    }
    element.set_attr("description", text);
    run.out.element(element);
}

fn work(run: &mut Run<'_>) -> Done {
    let kind = match (run.options.has("exit"), run.options.has("rc")) {
        (true, _) => Kind::Exit,
        (_, true) => Kind::Return,
        (false, false) => Kind::Legacy,
    };
    let operands = run.options.operands.clone();
    if operands.is_empty() || run.options.has("list") {
        let range = match kind {
            Kind::Legacy => 0..=255,
            Kind::Return => -1033..=133,
            Kind::Exit => 0..=255,
        };
        for code in range {
            // A newer code has no old one that a list would show.
            let hidden = kind == Kind::Legacy && code == 211;
            if let Some(words) = words(kind, code).filter(|_| !hidden) {
                show(run, code, &words, true);
            }
        }
        return Ok(Exit::OK);
    }
    for text in operands {
        let code: Option<i64> = text.parse().ok();
        let words = code.and_then(|code| words(kind, code)).unwrap_or_else(|| unknown(kind, code));
        show(run, code.unwrap_or(i64::from(i32::MIN)), &words, false);
    }
    Ok(Exit::OK)
}
