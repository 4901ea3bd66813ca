//! Reports: what a node knows about itself and the past, in a directory that another can read.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::UNIX_EPOCH;

use crm_core::cib::Element;
use crm_messaging::config::ClusterConf;
use crm_messaging::proto::{Event, EventQuery, InputInfo};
use regex::Regex;

use super::Kept;
use crate::agents::Agents;
use crate::configuration::Configuration;
use crate::language::{Kind, MASK, agent, matches_glob};
use crate::session::{Failure, Session};

/// The events of a node, as the daemon keeps them.
pub const EVENTS: &str = "events.jsonl";
/// The directory of its transition inputs.
pub const INPUTS: &str = "inputs";
/// The end of a log that is taken along.
const MAX_LOG: u64 = 8 << 20;
/// The newest transition inputs that are taken along.
const MAX_INPUTS: usize = 500;

/// What is to be in a report.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Events and inputs since then, in milliseconds of the epoch.
    pub from_ms: u64,
    /// Until then; 0: until now.
    pub to_ms: u64,
    /// Names of parameters whose values are masked (`passw*`).
    pub hidden: Vec<String>,
    /// `cluster.conf`.
    pub config: PathBuf,
}

/// Writes a report of this node into `directory`, which must be new or empty. What could not be
/// had is listed in `report.txt` instead of failing the rest.
///
/// # Errors
/// The directory cannot be written.
pub fn collect(
    session: &mut Session,
    directory: &Path,
    wanted: &Wanted,
) -> Result<Vec<String>, Failure> {
    let mut remarks = Vec::new();
    let state = session.access.state(None);
    let host = || nix::unistd::gethostname().ok().and_then(|h| h.into_string().ok());
    let node = match &state {
        Ok(state) => state.local_node.clone(),
        Err(_) => host().unwrap_or_else(|| "node".into()),
    };
    let place = directory.join(&node);
    let writer = Writer { place: place.clone(), secrets: secrets(&wanted.hidden)? };
    // It has logs and configurations: for its owner only.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(place.join(INPUTS))
        .map_err(|e| Failure::from(format!("cannot make {}: {e}", place.display())))?;
    match state {
        Ok(state) => writer.write("state.txt", &format!("{state:#?}\n"))?,
        Err(e) => remarks.push(format!("no state of the daemon: {e}")),
    }
    match session.access.cib() {
        Ok(cib) => documents(session, &writer, &cib, wanted)?,
        Err(e) => remarks.push(format!("no configuration: {e}")),
    }
    past(session, &writer, wanted, &mut remarks)?;
    match std::fs::read_to_string(&wanted.config) {
        Ok(text) => {
            writer.write("cluster.conf", &without_key(&text))?;
            log(&writer, &text, &mut remarks)?;
        }
        Err(e) => remarks.push(format!("no {}: {e}", wanted.config.display())),
    }
    writer.write("versions.txt", &versions())?;
    let mut text = format!(
        "Report of {node}, made by crm {}\nat {}\n\n",
        env!("CARGO_PKG_VERSION"),
        jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %:z")
    );
    text.push_str(
        "Each directory is one node's; put those of several nodes side by side, and\n'crm history \
         source DIRECTORY' reads them together. Values of parameters whose\nnames fit ",
    );
    text.push_str(&format!(
        "{} are masked; the key of the cluster is never in it.\n",
        wanted.hidden.join(", ")
    ));
    for remark in &remarks {
        text.push_str(&format!("\nMissing: {remark}\n"));
    }
    Writer { place: directory.to_path_buf(), ..writer }.write("report.txt", &text)?;
    Ok(remarks)
}

struct Writer {
    place: PathBuf,
    secrets: Option<Regex>,
}

impl Writer {
    /// Writes a file without the secrets that stand in its text.
    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.place.join(name);
        let text = match &self.secrets {
            Some(secrets) => conceal(secrets, text),
            None => text.into(),
        };
        std::fs::write(&path, text.as_bytes())
            .map_err(|e| format!("cannot write {}: {e}", path.display()).into())
    }
}

/// A text with masks for what `secrets` finds.
pub(super) fn conceal<'a>(secrets: &Regex, text: &'a str) -> std::borrow::Cow<'a, str> {
    secrets.replace_all(text, format!("${{1}}{MASK}"))
}

/// `name=value` in texts such as recorded commands and logs.
///
/// # Errors
/// The patterns are too long for an expression.
pub fn secrets(hidden: &[String]) -> Result<Option<Regex>, Failure> {
    if hidden.is_empty() {
        return Ok(None);
    }
    let name = |p: &String| regex::escape(p).replace("\\*", "[\\w-]*").replace("\\?", "[\\w-]");
    let names: Vec<String> = hidden.iter().map(name).collect();
    let pattern = format!("(\\b(?:{})=)(?:\"[^\"]*\"|'[^']*'|[^\\s\"']+)", names.join("|"));
    Regex::new(&pattern).map(Some).map_err(|e| format!("the patterns of secrets: {e}").into())
}

/// A document in which the values of hidden parameters are masked.
pub fn masked(element: &Element, hidden: &[String]) -> Element {
    let mut copy = element.clone();
    mask(&mut copy, hidden);
    copy
}

fn mask(element: &mut Element, hidden: &[String]) {
    let secret = element.name() == "nvpair"
        && element.attr("name").is_some_and(|n| hidden.iter().any(|p| matches_glob(p, n)));
    if secret && element.attr("value").is_some() {
        element.set_attr("value", MASK);
    }
    element.children_mut().for_each(|c| mask(c, hidden));
}

fn documents(
    session: &mut Session,
    writer: &Writer,
    cib: &Element,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let shown = masked(cib, &wanted.hidden);
    writer.write("cib.xml", &shown.to_pretty())?;
    let configuration = Configuration::new(&shown);
    let style = configuration.style();
    let mut text = String::new();
    for object in configuration.select(&[], &configuration)?.objects {
        text.push_str(&configuration.show(&object, &style));
        text.push('\n');
    }
    writer.write("configuration.txt", &text)?;
    // A status that cannot be printed is missing from the report, no more.
    let status = session.text_of(|s| crate::status::print(s, &["ops".to_string()]));
    writer.write("status.txt", &status.unwrap_or_default())?;
    writer.write("agents.txt", &agents(session.agents.as_mut(), &configuration))
}

fn agents(agents: &mut dyn Agents, configuration: &Configuration) -> String {
    let mut names: Vec<(String, String)> = Vec::new();
    for object in configuration.objects() {
        if object.kind != Kind::Primitive {
            continue;
        }
        let Some(e) = configuration.resolved(object.element) else { continue };
        let name = agent(&e);
        if names.iter().any(|(n, _)| *n == name) {
            continue;
        }
        let get = |a: &str| e.attr(a).unwrap_or_default();
        let known = agents.metadata(get("class"), e.attr("provider"), get("type"));
        let about = known.map_or("not on this node".to_string(), |m| m.short.clone());
        names.push((name, about));
    }
    names.iter().map(|(name, about)| format!("{name}: {}\n", about.trim())).collect()
}

fn past(
    session: &mut Session,
    writer: &Writer,
    wanted: &Wanted,
    remarks: &mut Vec<String>,
) -> Result<(), Failure> {
    let query =
        EventQuery { since_ms: wanted.from_ms, until_ms: wanted.to_ms, ..EventQuery::default() };
    match session.access.events(&query) {
        Ok(events) => writer.write(EVENTS, &lines(&events))?,
        Err(e) => {
            // The file marks the directory as a node's.
            writer.write(EVENTS, "")?;
            remarks.push(format!("no events: {e}"));
        }
    }
    let inputs = match session.access.inputs() {
        Ok(list) => list.inputs,
        Err(e) => {
            remarks.push(format!("no transition inputs: {e}"));
            return Ok(());
        }
    };
    let inside = |i: &&InputInfo| {
        i.time_ms >= wanted.from_ms && (wanted.to_ms == 0 || i.time_ms <= wanted.to_ms)
    };
    let inputs: Vec<InputInfo> = inputs.iter().filter(inside).cloned().collect();
    if inputs.len() > MAX_INPUTS {
        remarks.push(format!("transition inputs but the newest {MAX_INPUTS} of {}", inputs.len()));
    }
    for info in &inputs[inputs.len().saturating_sub(MAX_INPUTS)..] {
        match session.access.input(&info.name) {
            Ok(cib) => {
                let file = format!("{INPUTS}/{}.xml", info.name);
                writer.write(&file, &masked(&cib, &wanted.hidden).to_pretty())?;
                let time = UNIX_EPOCH + std::time::Duration::from_millis(info.time_ms);
                let file = std::fs::File::options().append(true).open(writer.place.join(file));
                // Its age is told by its time; without it the order by number remains.
                let _ = file.and_then(|f| f.set_modified(time));
            }
            // Dropped meanwhile for a newer one, perhaps.
            Err(e) => remarks.push(format!("{}: {e}", info.name)),
        }
    }
    Ok(())
}

fn lines(events: &[Event]) -> String {
    let line = |e: &Event| serde_json::to_string(e).map(|l| l + "\n").unwrap_or_default();
    events.iter().map(line).collect()
}

/// `cluster.conf` says where its key is, and may not say what it is.
fn without_key(text: &str) -> String {
    let line = |l: &str| match l.split_once(':') {
        Some((name, _)) if name.trim() == "key" => format!("{name}: {MASK}\n"),
        _ => format!("{l}\n"),
    };
    text.lines().map(line).collect()
}

fn log(writer: &Writer, config: &str, remarks: &mut Vec<String>) -> Result<(), Failure> {
    let file = ClusterConf::parse("cluster.conf", config).ok().and_then(|c| c.logging.logfile);
    let Some(file) = file else {
        let journal =
            output("journalctl", &["-t", "crmd", "-t", "crm", "--no-pager", "-n", "20000"]);
        match journal {
            Some(text) => writer.write("log.txt", &text)?,
            None => {
                remarks.push("no log: cluster.conf names no file and there is no journal".into())
            }
        }
        return Ok(());
    };
    match end_of(&file) {
        Ok(text) => writer.write("log.txt", &text)?,
        Err(e) => remarks.push(format!("no log {}: {e}", file.display())),
    }
    Ok(())
}

fn end_of(file: &Path) -> std::io::Result<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_LOG)))?;
    let mut bytes = Vec::new();
    file.take(MAX_LOG).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let run = Process::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    (run.status.success() && !text.is_empty()).then_some(text)
}

fn versions() -> String {
    let mut out = format!("crm {}\n", env!("CARGO_PKG_VERSION"));
    if let Ok(system) = nix::sys::utsname::uname() {
        let words = [system.sysname(), system.release(), system.machine()];
        let words: Vec<_> = words.iter().map(|w| w.to_string_lossy()).collect();
        out.push_str(&format!("{}\n", words.join(" ")));
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if let Some(name) = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")) {
        out.push_str(&format!("{}\n", name.trim_matches('"')));
    }
    let packages = ["resource-agents", "fence-agents", "drbd-utils", "ipvsadm", "ldirectord"];
    for package in packages {
        let version = output("dpkg-query", &["-W", "-f", "${Version}", package])
            .or_else(|| output("rpm", &["-q", "--qf", "%{VERSION}-%{RELEASE}", package]));
        if let Some(version) = version {
            out.push_str(&format!("{package} {version}\n"));
        }
    }
    out
}

/// Makes an archive of a directory; its name says how it is packed (`.tar`, `.tar.gz`, ...).
///
/// # Errors
/// There is no `tar`, or it failed.
pub fn pack(directory: &Path, archive: &Path) -> Result<(), Failure> {
    let (parent, name) = match (directory.parent(), directory.file_name()) {
        (Some(parent), Some(name)) => (parent, name),
        _ => return Err(format!("{} cannot be packed", directory.display()).into()),
    };
    let mut tar = Process::new("tar");
    tar.arg("--auto-compress").arg("-cf").arg(archive).arg("-C").arg(parent).arg("--").arg(name);
    let own = |e: std::io::Error| Failure::from(format!("{}: {e}", archive.display()));
    std::fs::File::create(archive)
        .and_then(|f| f.set_permissions(std::fs::Permissions::from_mode(0o600)))
        .map_err(own)?;
    run_tar(tar)
}

/// Unpacks an archive into a directory that goes with the value.
///
/// # Errors
/// There is no `tar`, or the file is no archive.
pub fn unpack(archive: &Path) -> Result<tempfile::TempDir, Failure> {
    let place = tempfile::tempdir().map_err(|e| Failure::from(format!("temporary files: {e}")))?;
    let mut tar = Process::new("tar");
    tar.arg("-xf").arg(archive).arg("-C").arg(place.path()).arg("--no-same-owner");
    run_tar(tar)?;
    Ok(place)
}

fn run_tar(mut tar: Process) -> Result<(), Failure> {
    let run = tar.stdin(Stdio::null()).output();
    let run = run.map_err(|e| Failure::from(format!("tar: {e}")))?;
    if run.status.success() {
        return Ok(());
    }
    Err(format!("tar: {}", String::from_utf8_lossy(&run.stderr).trim()).into())
}

/// The nodes of which there is a report in a directory, and where.
pub(super) fn node_directories(directory: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    gather(directory, 3, &mut found);
    found.sort();
    found
}

fn gather(directory: &Path, depth: usize, found: &mut Vec<(String, PathBuf)>) {
    if directory.join(EVENTS).is_file() {
        let path = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("node").to_string();
        found.push((name, path));
        return;
    }
    if depth == 0 {
        return;
    }
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            gather(&entry.path(), depth - 1, found);
        }
    }
}

/// The inputs in a directory.
pub(super) fn kept_inputs(directory: &Path, node: &str) -> Vec<Kept> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let name = file.strip_suffix(".xml")?;
            let number = name.strip_prefix("pe-")?.split_once('-')?.1.parse().ok()?;
            let meta = entry.metadata().ok()?;
            let time = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some(Kept {
                name: name.to_string(),
                number,
                time_ms: u64::try_from(time.as_millis()).ok()?,
                node: node.to_string(),
                bytes: meta.len(),
                file: Some(entry.path()),
            })
        })
        .collect()
}
