//! The shell's conformance cases: reading them, running a shell on one, comparing.
//!
//! The comparison is that of the suite's own runner: the configuration after the run with its
//! automatic ids, the listing, standard output where a case has it, the kind of the first error,
//! and a round trip through text that gives what the reference gave or loses nothing.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crm_core::cib::{Element, parse};

/// One case: its sections by name.
#[derive(Clone, Debug)]
pub struct ShellCase {
    /// `category/name`.
    pub name: String,
    sections: BTreeMap<String, String>,
    meta: BTreeMap<String, String>,
}

/// All cases, and where their inputs are.
pub struct ShellSuite {
    directory: PathBuf,
    /// The cases, sorted by name.
    pub cases: Vec<ShellCase>,
}

impl ShellSuite {
    /// Finds the cases beside the repository.
    ///
    /// # Errors
    /// Why there are none.
    pub fn find() -> Result<ShellSuite, String> {
        let directory =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/shell");
        if !directory.is_dir() {
            return Err("the conformance cases are not beside the repository".into());
        }
        let mut cases = Vec::new();
        let categories = std::fs::read_dir(&directory).map_err(|e| e.to_string())?;
        for category in categories.flatten().filter(|e| e.path().is_dir()) {
            let group = category.file_name().to_string_lossy().into_owned();
            if group.starts_with('_') {
                continue;
            }
            for file in std::fs::read_dir(category.path()).map_err(|e| e.to_string())?.flatten() {
                let name = file.file_name().to_string_lossy().into_owned();
                if let Some(name) = name.strip_suffix(".case") {
                    let text = std::fs::read_to_string(file.path()).map_err(|e| e.to_string())?;
                    cases.push(ShellCase::read(format!("{group}/{name}"), &text));
                }
            }
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(ShellSuite { directory, cases })
    }

    fn initial(&self, case: &ShellCase) -> Result<String, String> {
        let text = case.section("init").unwrap_or("empty").trim().to_string();
        if text.starts_with('<') {
            return Ok(text);
        }
        std::fs::read_to_string(self.directory.join("_init").join(format!("{text}.xml")))
            .map_err(|e| format!("{text}: {e}"))
    }
}

impl ShellCase {
    fn read(name: String, text: &str) -> ShellCase {
        let mut sections: BTreeMap<String, String> = BTreeMap::new();
        let mut current: Option<String> = None;
        for line in text.lines() {
            let header = line
                .strip_prefix("--- ")
                .filter(|h| !h.is_empty() && h.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
            if let Some(header) = header {
                current = Some(header.to_string());
                sections.insert(header.to_string(), String::new());
            } else if let Some(section) = current.as_ref().and_then(|c| sections.get_mut(c)) {
                section.push_str(
                    line.strip_prefix('\\').filter(|l| l.starts_with("--- ")).unwrap_or(line),
                );
                section.push('\n');
            }
        }
        let meta = sections.get("meta").map(String::as_str).unwrap_or_default();
        let meta = meta
            .lines()
            .filter_map(|l| l.split_once(':'))
            .map(|(k, v)| (k.trim().to_string(), v.trim().to_string()))
            .collect();
        ShellCase { name, sections, meta }
    }

    fn section(&self, name: &str) -> Option<&str> {
        self.sections.get(name).map(String::as_str)
    }

    fn meta(&self, name: &str) -> Option<&str> {
        self.meta.get(name).map(String::as_str)
    }

    fn expects_failure(&self) -> bool {
        self.section("rc").is_some_and(|rc| rc.trim() != "0")
    }
}

// === running ===

/// What a run of the shell left.
struct Ran {
    status: i32,
    out: String,
    err: String,
}

struct Stage<'a> {
    shell: &'a [String],
    directory: tempfile::TempDir,
}

impl Stage<'_> {
    fn run(&self, arguments: &[String], input: &str) -> Result<Ran, String> {
        let (program, first) = self.shell.split_first().ok_or("no shell to run")?;
        let home = self.directory.path().join("home");
        std::fs::create_dir_all(&home).map_err(|e| e.to_string())?;
        let mut child = Command::new(program)
            .args(first)
            .args(arguments)
            .current_dir(self.directory.path())
            .env("CIB_file", self.cib())
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("TMPDIR", self.directory.path())
            .env("TERM", "dumb")
            .env("LC_ALL", "C.UTF-8")
            .env("COLUMNS", "80")
            .env("TZ", "UTC")
            .env("EDITOR", "true")
            .env_remove("CIB_shadow")
            .env_remove("CIB_shadow_dir")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            // A shell that fails on its arguments does not read this.
            let _ = stdin.write_all(input.as_bytes());
        }
        let out = child.wait_with_output().map_err(|e| e.to_string())?;
        Ok(Ran {
            status: out.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&out.stdout).into_owned(),
            err: String::from_utf8_lossy(&out.stderr).into_owned(),
        })
    }

    fn cib(&self) -> PathBuf {
        self.directory.path().join("cib.xml")
    }

    fn write_cib(&self, text: &str, schema: Option<&str>) -> Result<(), String> {
        let whole = if text.trim_start().starts_with("<cib") {
            text.to_string()
        } else {
            let schema = schema.unwrap_or("pacemaker-3.9");
            format!(
                "<cib validate-with=\"{schema}\" epoch=\"1\" num_updates=\"0\" admin_epoch=\"0\" \
                 have-quorum=\"1\">{text}<status/></cib>\n"
            )
        };
        std::fs::write(self.cib(), whole).map_err(|e| e.to_string())
    }

    fn read_cib(&self, ids: bool) -> Result<String, String> {
        let text = std::fs::read_to_string(self.cib()).map_err(|e| e.to_string())?;
        canonical_text(&text, ids)
    }
}

/// Runs one case with a shell; what differs from what is expected, empty if nothing does.
///
/// # Errors
/// The case cannot be run at all.
pub fn differences(
    suite: &ShellSuite,
    case: &ShellCase,
    shell: &[String],
) -> Result<Vec<String>, String> {
    let initial = suite.initial(case)?;
    let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
    let stage = Stage { shell, directory };
    stage.write_cib(&initial, case.meta("schema"))?;
    let mut input = case.section("input").unwrap_or_default().to_string();
    if let Some(file) = case.meta("input-file") {
        let path = stage.directory.path().join(file);
        std::fs::write(path, std::mem::take(&mut input)).map_err(|e| e.to_string())?;
    }
    let arguments = split(case.meta("args").unwrap_or("configure"));
    let ran = stage.run(&arguments, &input)?;
    let xml = stage.read_cib(true)?;
    let before = canonical_text(&initial, true)?;
    let mut wrong = Vec::new();

    if case.section("rc").is_some() && case.expects_failure() != (ran.status != 0) {
        wrong.push(format!("exit status {}", ran.status));
    }
    let wanted_xml = match case.section("xml").map(str::trim) {
        Some("unchanged") => Some(before.clone()),
        Some(text) => Some(canonical_text(text, true)?),
        None => None,
    };
    // A batch that changes nothing because of an error is as good as one that goes on.
    let atomic = case.expects_failure()
        && ran.status != 0
        && case.section("xml").is_some_and(|x| x.trim() != "unchanged")
        && xml == before;
    if !atomic {
        if wanted_xml.as_ref().is_some_and(|w| *w != xml) {
            wrong.push("configuration".into());
        }
        if case.section("stdout").is_some_and(|s| tidy(s) != tidy(&ran.out)) {
            wrong.push("standard output".into());
        }
    }
    let shown = if case.meta("kind") == Some("xml-show") {
        tidy(&ran.out)
    } else if case.meta("show") == Some("no") {
        String::new()
    } else {
        tidy(&stage.run(&["configure".into(), "show".into()], "")?.out)
    };
    if !atomic && case.section("show").is_some_and(|s| tidy(s) != shown) {
        wrong.push("listing".into());
    }
    wrong.extend(errors_differ(case, &ran));
    if case.section("replay").is_some() && !atomic {
        let text = case.section("show").map(tidy).filter(|t| !t.is_empty()).unwrap_or(shown);
        wrong.extend(replay_differs(case, &stage, &initial, &text)?);
    }
    Ok(wrong)
}

fn errors_differ(case: &ShellCase, ran: &Ran) -> Option<String> {
    let wanted = case.section("errors")?;
    let said: Vec<&str> =
        ran.out.lines().chain(ran.err.lines()).filter_map(|l| l.strip_prefix("ERROR: ")).collect();
    match wanted.lines().next() {
        Some(first) => {
            let class = classify(first);
            let heard = said.iter().any(|s| classify(s) == class);
            (!heard).then(|| format!("no error of kind {class}"))
        }
        None => (!said.is_empty() && !case.expects_failure())
            .then(|| format!("unexpected error: {}", said[0])),
    }
}

const EMPTY: &str =
    "<configuration><crm_config/><nodes/><resources/><constraints/></configuration>";

fn replay_differs(
    case: &ShellCase,
    stage: &Stage<'_>,
    initial: &str,
    text: &str,
) -> Result<Option<String>, String> {
    let mut accepted = Vec::new();
    accepted.extend(case.section("replay-xml").map(str::to_string));
    match case.section("xml") {
        Some(xml) if xml.trim() != "unchanged" => accepted.push(xml.to_string()),
        Some(_) => accepted.push(canonical_text(initial, true)?),
        None if initial.trim_start().starts_with('<') => {
            accepted.push(canonical_text(initial, true)?);
        }
        None => {}
    }
    if accepted.is_empty() {
        return Ok(None);
    }
    stage.write_cib(EMPTY, case.meta("schema"))?;
    stage.run(&["-F".into(), "configure".into()], text)?;
    let (strict, loose) = (stage.read_cib(true)?, stage.read_cib(false)?);
    let mut last = String::new();
    for (at, one) in accepted.iter().enumerate() {
        let complete = canonical_text(one, false)?;
        if canonical_text(one, true)? == strict || at > 0 && complete == loose {
            return Ok(None);
        }
        last = complete;
    }
    let same = last.bytes().zip(loose.bytes()).take_while(|(a, b)| a == b).count();
    let around = |t: &str| t.chars().skip(same.saturating_sub(30)).take(90).collect::<String>();
    Ok(Some(format!("round trip: {:?} is not {:?}", around(&loose), around(&last))))
}

// === comparing ===

fn tidy(text: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '\x1b' => inside = true,
            c if inside => inside = !c.is_ascii_alphabetic(),
            c => plain.push(c),
        }
    }
    let lines: Vec<&str> = plain.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_string()
}

/// Words as a shell splits them.
fn split(text: &str) -> Vec<String> {
    crm_shell::language::words(text, 0)
        .map(|words| words.into_iter().map(|w| w.text).collect())
        .unwrap_or_default()
}

const SECTIONS: &[&str] = &[
    "crm_config",
    "nodes",
    "resources",
    "constraints",
    "tags",
    "acls",
    "alerts",
    "operations",
    "rsc_defaults",
    "op_defaults",
    "configuration",
];
const SETS: &[&str] =
    &["instance_attributes", "meta_attributes", "utilization", "cluster_property_set"];
const AUTOMATIC: &[&str] = &[
    "nvpair",
    "op",
    "operations",
    "rule",
    "expression",
    "date_expression",
    "duration",
    "date_spec",
    "resource_set",
    "fencing-level",
    "port-mapping",
    "storage-mapping",
    "acl_permission",
    "recipient",
    "rsc_expression",
    "op_expression",
    "attribute",
];

fn canonical_text(text: &str, ids: bool) -> Result<String, String> {
    let root = parse(text).map_err(|e| e.to_string())?;
    let configuration = if root.name() == "configuration" {
        root
    } else {
        root.child("configuration").cloned().unwrap_or_else(|| Element::new("configuration"))
    };
    Ok(canonical(&configuration, ids).to_string())
}

fn canonical(e: &Element, ids: bool) -> Element {
    let mut out = Element::new(e.name());
    let mut attributes: Vec<(&str, &str)> = e.attrs().collect();
    attributes.sort_unstable();
    let automatic = AUTOMATIC.contains(&e.name()) || SETS.contains(&e.name());
    for (name, value) in attributes {
        if ids || name != "id" || !automatic {
            out.set_attr(name, value);
        }
    }
    let mut children: Vec<Element> = e.children().map(|c| canonical(c, ids)).collect();
    if !ids {
        children.retain(|c| {
            let set = SETS.contains(&c.name()) || c.name() == "operations";
            !set || !c.nodes().is_empty() || c.attr("id-ref").is_some()
        });
    }
    let text = |e: &Element, names: &[&str]| {
        names.iter().find_map(|n| e.attr(n)).unwrap_or_default().to_string()
    };
    if SECTIONS.contains(&e.name()) {
        children.sort_by_cached_key(|c| {
            (
                c.name().to_string(),
                text(c, &["id", "id-ref"]),
                text(c, &["name"]),
                text(c, &["uname"]),
            )
        });
    } else if SETS.contains(&e.name()) {
        children
            .sort_by_cached_key(|c| (c.name() != "rule", text(c, &["name"]), text(c, &["id-ref"])));
    }
    if e.name() == "configuration" {
        let always = ["crm_config", "nodes", "resources", "constraints"];
        children.retain(|c| !c.nodes().is_empty() || always.contains(&c.name()));
    }
    children.into_iter().for_each(|c| out.push(c));
    out
}

/// Kinds of errors, by words that their texts have; the first that fits counts.
const CLASSES: &[(&str, &[&str])] = &[
    (
        "duplicate-id",
        &[
            "Found existing",
            "already exist",
            "already in",
            "is already",
            "listed more than once",
            "duplicate",
            "already contained",
            "already defined",
            "already has",
        ],
    ),
    (
        "no-such-command",
        &[
            "No such command",
            "Unknown command",
            "Multiple matches",
            "Unknown method",
            "subcommand foo unknown",
            "not valid command",
        ],
    ),
    ("dangling-ref", &["references an unknown ID", "refers to missing", "unknown ID"]),
    (
        "unknown-agent",
        &[
            "no such resource agent",
            "got no meta-data",
            "Unknown resource type",
            "bad resource type",
            "provider could not",
        ],
    ),
    ("missing-param", &["required parameter", "Missing required"]),
    (
        "unknown-param",
        &["is not known", "unknown attribute", "unknown parameter", "no such option"],
    ),
    (
        "wrong-type",
        &["ot a primitive", "ot a promotable", "ot a group", "is not a ", "may contain"],
    ),
    (
        "not-found",
        &[
            "does not exist",
            "ot found",
            "No such file",
            "not member of",
            "missing child",
            "No object",
            "No help found",
            "No target node",
            "not in this cluster",
            "Property not set",
            "could not open",
            "Cannot read",
        ],
    ),
    ("bad-op", &["Attribute order error"]),
    (
        "in-use",
        &[
            "is running",
            "still running",
            "in use",
            "annot delete",
            "annot rename",
            "can't rename",
            "can't delete",
        ],
    ),
    (
        "usage",
        &[
            "Expected 1",
            "Expected at least",
            "sage",
            "takes ",
            "Expected xml",
            "Expected force",
            "Expected add",
            "Expected after",
            "Expected (",
            "should be one of",
            "Valid path",
        ],
    ),
    ("schema", &["schema", "validity error", "did not pass", "not supported"]),
    (
        "syntax",
        &[
            "syntax",
            "pars",
            "xpected",
            "Unmatched",
            "Mismatched",
            "Empty resource set",
            "Mixing bool",
            "Invalid",
            "Not a boolean",
            "No closing quotation",
            "Empty value",
            "Cannot nest",
            "not recognized",
        ],
    ),
];

fn classify(text: &str) -> &'static str {
    let fits = |words: &[&str]| words.iter().any(|w| text.contains(w));
    CLASSES.iter().find(|(_, words)| fits(words)).map_or("other", |(name, _)| name)
}
