//! Agents' meta-data: what they can do and which parameters they take.
//!
//! Real agents print much that is not quite the schema: text before the document, attributes
//! missing, entities that are not declared, a document that breaks off. All that can be understood
//! is kept, and [`Metadata::problems`] says what could not.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::agents::{Agent, Catalog, Interface};
use crate::calls::Surroundings;
use crate::operation::AgentName;
use crate::process::{self, Command, Ending, Limits};

/// How long an agent may think about who it is.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Meta-data that is kept of one agent, at most (longer documents are cut, and say so).
const PARAMETERS_MAX: usize = 2000;

/// One parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Must be given.
    pub required: bool,
    /// Must differ between resources (OCF 1.0), or the name of the group that must (OCF 1.1).
    pub unique: Option<String>,
    /// A change needs no restart.
    pub reloadable: bool,
    /// Its value is nobody else's business.
    pub private: bool,
    /// Should not be used any longer.
    pub deprecated: bool,
    /// `string`, `integer`, `boolean`, `time`, `select`, ...
    pub kind: String,
    /// What holds if it is not given.
    pub default: Option<String>,
    /// The values of a `select`.
    pub options: Vec<String>,
    /// In a line.
    pub short: String,
    /// In full.
    pub long: String,
}

/// One action with its suggested times, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// `start`, `monitor`, ...
    pub name: String,
    /// The other attributes: `timeout`, `interval`, `depth`, `role`, ...
    pub attributes: BTreeMap<String, String>,
}

/// What an agent says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Its own name.
    pub name: String,
    /// The version of OCF that it follows, as text; empty means 1.0.
    pub version: String,
    /// In a line.
    pub short: String,
    /// In full.
    pub long: String,
    /// In the agent's order.
    pub parameters: Vec<Parameter>,
    /// In the agent's order.
    pub actions: Vec<Action>,
    /// What could not be understood.
    pub problems: Vec<String>,
    /// What the agent printed.
    pub raw: String,
}

impl Metadata {
    /// Whether the agent lists an action.
    pub fn has(&self, action: &str) -> bool {
        self.actions.iter().any(|known| known.name == action)
    }

    /// The action that takes over changed parameters without a restart, if the agent has one.
    /// `reload` meant that before OCF 1.1; since then it is the service's own, and ours is
    /// `reload-agent` (as Pacemaker 2.1).
    pub fn reload_action(&self) -> Option<&'static str> {
        match self.is_ocf_1_1() {
            true => self.has("reload-agent").then_some("reload-agent"),
            false => self.has("reload").then_some("reload"),
        }
    }

    /// Parameters whose change needs a restart; `None` if every change does.
    pub fn unreloadable(&self) -> Option<Vec<&str>> {
        let reload = self.reload_action()?;
        let restarts = |p: &&Parameter| match reload {
            "reload-agent" => !p.reloadable,
            _ => p.unique.is_some(),
        };
        Some(self.parameters.iter().filter(restarts).map(|p| &*p.name).collect())
    }

    /// Parameters that are nobody else's business: those that say so, or, where none does, those
    /// with the usual names (as Pacemaker 2.1).
    pub fn private(&self) -> Vec<&str> {
        let said = self.parameters.iter().any(|p| p.private);
        let usual = |p: &Parameter| matches!(&*p.name, "password" | "passwd" | "user");
        let is = |p: &&Parameter| if said { p.private } else { usual(p) };
        self.parameters.iter().filter(is).map(|p| &*p.name).collect()
    }

    fn is_ocf_1_1(&self) -> bool {
        let mut parts = self.version.trim().split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (1, 1)
    }
}

/// Why there is no meta-data.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// No agent answers.
    #[error(transparent)]
    Agent(#[from] crate::agents::AgentError),
    /// The agent ran and failed.
    #[error("`{name}` does not say what it is: {reason}")]
    Failed {
        /// Who.
        name: AgentName,
        /// Why.
        reason: String,
    },
}

/// Meta-data of agents, asked for once per version of the agent's file.
#[derive(Debug, Default)]
pub struct Cache {
    known: Mutex<BTreeMap<AgentName, (Stamp, Arc<Metadata>)>>,
}

type Stamp = (PathBuf, Option<SystemTime>, u64);

impl Cache {
    /// The meta-data of an agent. It is run where the cache has nothing of this file.
    pub async fn get(
        &self,
        catalog: &Catalog,
        around: &Surroundings,
        name: &AgentName,
    ) -> Result<Arc<Metadata>, MetadataError> {
        let agent = catalog.resolve(name)?;
        let stamp = stamp(&agent);
        let known = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(name).filter(|(seen, _)| *seen == stamp).map(|(_, meta)| Arc::clone(meta))
        };
        if let Some(metadata) = known {
            return Ok(metadata);
        }
        let metadata = Arc::new(fetch(&agent, around, name).await?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.clone(), (stamp, Arc::clone(&metadata)));
        Ok(metadata)
    }
}

fn stamp(agent: &Agent) -> Stamp {
    let metadata = std::fs::metadata(&agent.program).ok();
    let changed = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    (agent.program.clone(), changed, metadata.map_or(0, |metadata| metadata.len()))
}

/// Asks an agent for its meta-data.
pub async fn fetch(
    agent: &Agent,
    around: &Surroundings,
    name: &AgentName,
) -> Result<Metadata, MetadataError> {
    let ask = |args: &[&str], stdin: &[u8]| {
        let mut env = around.environment();
        let root = around.ocf_root.clone().into_os_string();
        env.insert("OCF_ROOT".into(), root);
        env.insert("OCF_RESOURCE_TYPE".into(), name.kind.clone().into());
        let mut command = Command {
            program: agent.program.clone(),
            arg0: agent.built_in.then(|| "crm".into()),
            args: agent.args.clone(),
            env,
            stdin: stdin.to_vec(),
        };
        command.args.extend(args.iter().map(std::ffi::OsString::from));
        let limits =
            Limits { timeout: TIMEOUT, kill_grace: TIMEOUT / 20, cgroup: None, note: None };
        async move {
            let finished = process::run_unattended(&command, &limits).await;
            let text = String::from_utf8_lossy(&finished.stdout).into_owned();
            let failed = |reason| MetadataError::Failed { name: name.clone(), reason };
            match finished.ending {
                Ending::Exited(0) => Ok(text),
                // Some print it and fail all the same.
                Ending::Exited(_) if text.contains("<resource-agent") => Ok(text),
                Ending::Exited(code) => Err(failed(format!("it ends with exit code {code}"))),
                Ending::NotStarted(error) => Err(failed(error.to_string())),
                Ending::Signalled(_) | Ending::Aborted => Err(failed("it was killed".to_owned())),
                Ending::TimedOut => Err(failed(format!("it says nothing for {TIMEOUT:?}"))),
            }
        }
    };
    match agent.interface {
        Interface::Ocf => Ok(parse(&ask(&["meta-data"], b"").await?)),
        Interface::Fence => Ok(parse(&ask(&[], b"action=metadata\n").await?)),
        Interface::StonithExternal => {
            let mut metadata = parse(&ask(&["getinfo-xml"], b"").await?);
            metadata.name.clone_from(&name.kind);
            metadata.short = ask(&["getinfo-devname"], b"").await.unwrap_or_default();
            metadata.short.truncate(metadata.short.trim_end().len());
            metadata.long = ask(&["getinfo-devdescr"], b"").await.unwrap_or_default();
            metadata.long.truncate(metadata.long.trim_end().len());
            metadata.actions = actions(&[("start", "20s"), ("monitor", "20s"), ("stop", "15s")]);
            Ok(metadata)
        }
        Interface::Lsb | Interface::Heartbeat => Ok(of_init_script(agent, name)),
        Interface::Systemd => Ok(Metadata {
            name: name.kind.clone(),
            short: format!("systemd unit {}", agent.program.display()),
            actions: actions(&[("start", "100s"), ("stop", "100s"), ("monitor", "100s")]),
            ..Metadata::default()
        }),
    }
}

/// An init script says nothing but its LSB header.
fn of_init_script(agent: &Agent, name: &AgentName) -> Metadata {
    let text = std::fs::read(&agent.program).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let header = |key: &str| {
        let prefix = format!("# {key}:");
        let line = text.lines().take(200).find(|line| line.starts_with(&prefix));
        line.map(|line| line[prefix.len()..].trim().to_owned()).unwrap_or_default()
    };
    Metadata {
        name: name.kind.clone(),
        short: header("Short-Description"),
        long: header("Description"),
        actions: actions(&[
            ("start", "15s"),
            ("stop", "15s"),
            ("status", "15s"),
            ("restart", "15s"),
            ("force-reload", "15s"),
            ("monitor", "15s"),
        ]),
        ..Metadata::default()
    }
}

fn actions(list: &[(&str, &str)]) -> Vec<Action> {
    let action = |(name, timeout): &(&str, &str)| Action {
        name: (*name).to_owned(),
        attributes: BTreeMap::from([("timeout".to_owned(), (*timeout).to_owned())]),
    };
    list.iter().map(action).collect()
}

/// Reads a document; whatever an agent prints gives some meta-data.
pub fn parse(raw: &str) -> Metadata {
    let mut metadata = Metadata { raw: raw.to_owned(), ..Metadata::default() };
    let start = ["<?xml", "<resource-agent", "<parameters", "<!DOCTYPE"]
        .into_iter()
        .filter_map(|mark| raw.find(mark))
        .min();
    let Some(start) = start else {
        metadata.problems.push("it printed no XML document".to_owned());
        return metadata;
    };
    if !raw[..start].trim().is_empty() {
        metadata.problems.push("there is text before the document".to_owned());
    }
    let mut reader = Reader::from_str(&raw[start..]);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    let mut parser = Parser::default();
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                parser.open(&tag, &mut metadata);
                parser.path.push(name_of(&tag));
            }
            Ok(Event::Empty(tag)) => {
                parser.open(&tag, &mut metadata);
                let name = name_of(&tag);
                parser.close(&name, &mut metadata);
            }
            Ok(Event::End(tag)) => {
                let name = tag.name().as_ref().to_owned();
                parser.close(&name, &mut metadata);
                if let Some(at) = parser.path.iter().rposition(|open| *open == name) {
                    parser.path.truncate(at);
                }
            }
            Ok(Event::Text(text)) => parser.text.push_str(&text),
            Ok(Event::CData(text)) => parser.text.push_str(&text),
            Ok(Event::GeneralRef(reference)) => {
                let name = reference.to_string();
                parser.text.push_str(&resolve(&name));
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => {
                metadata.problems.push(format!("the document breaks off: {error}"));
                break;
            }
        }
    }
    if !parser.path.is_empty() {
        metadata.problems.push(format!("`{}` is not closed", parser.path.join("/")));
    }
    metadata
}

#[derive(Default)]
struct Parser {
    path: Vec<String>,
    text: String,
    parameter: Option<Parameter>,
    skipped: usize,
}

impl Parser {
    fn open(&mut self, tag: &BytesStart<'_>, metadata: &mut Metadata) {
        self.text.clear();
        let get = |wanted: &str| attribute(tag, wanted);
        let yes = |wanted: &str| get(wanted).is_some_and(|value| is_yes(&value));
        match name_of(tag).as_str() {
            "resource-agent" => {
                metadata.name = get("name").unwrap_or_default();
                metadata.short = get("shortdesc").unwrap_or_default();
            }
            "parameter" => {
                let group = get("unique-group");
                let unique = group.or_else(|| yes("unique").then(|| get("name")).flatten());
                self.parameter = Some(Parameter {
                    name: get("name").unwrap_or_default(),
                    required: yes("required"),
                    unique,
                    reloadable: yes("reloadable"),
                    private: yes("private"),
                    deprecated: yes("deprecated"),
                    kind: "string".to_owned(),
                    ..Parameter::default()
                });
            }
            "content" => {
                if let Some(parameter) = &mut self.parameter {
                    parameter.kind = get("type").unwrap_or_else(|| "string".to_owned());
                    parameter.default = get("default");
                }
            }
            "option" => {
                if let (Some(parameter), Some(value)) = (&mut self.parameter, get("value")) {
                    parameter.options.push(value);
                }
            }
            "deprecated" => {
                if let Some(parameter) = &mut self.parameter {
                    parameter.deprecated = true;
                }
            }
            "action" => {
                let mut attributes = all_attributes(tag);
                let name = attributes.remove("name").unwrap_or_default();
                metadata.actions.push(Action { name, attributes });
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str, metadata: &mut Metadata) {
        match name {
            "shortdesc" | "longdesc" => {
                let text = std::mem::take(&mut self.text).trim().to_owned();
                let place = match (&mut self.parameter, name) {
                    (Some(parameter), "shortdesc") => &mut parameter.short,
                    (Some(parameter), _) => &mut parameter.long,
                    (None, "shortdesc") => &mut metadata.short,
                    (None, _) => &mut metadata.long,
                };
                // Several languages: the first is kept.
                if place.is_empty() {
                    *place = text;
                }
            }
            "version" if self.parameter.is_none() => {
                metadata.version = std::mem::take(&mut self.text).trim().to_owned();
            }
            "parameter" => {
                if let Some(parameter) = self.parameter.take() {
                    self.keep(parameter, metadata);
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, parameter: Parameter, metadata: &mut Metadata) {
        if parameter.name.is_empty() {
            metadata.problems.push("a parameter has no name".to_owned());
        } else if metadata.parameters.iter().any(|known| known.name == parameter.name) {
            metadata.problems.push(format!("parameter `{}` is there twice", parameter.name));
        } else if metadata.parameters.len() == PARAMETERS_MAX {
            self.skipped += 1;
            if self.skipped == 1 {
                metadata.problems.push(format!("more than {PARAMETERS_MAX} parameters"));
            }
        } else {
            metadata.parameters.push(parameter);
        }
    }
}

fn name_of(tag: &BytesStart<'_>) -> String {
    tag.name().as_ref().to_owned()
}

fn attribute(tag: &BytesStart<'_>, wanted: &str) -> Option<String> {
    all_attributes(tag).remove(wanted)
}

fn all_attributes(tag: &BytesStart<'_>) -> BTreeMap<String, String> {
    let mut attributes = tag.html_attributes();
    let readable = attributes.with_checks(false).filter_map(Result::ok);
    readable
        .map(|attribute| {
            let name = attribute.key.as_ref().to_owned();
            (name, unescape(&attribute.value))
        })
        .collect()
}

/// Replaces what can be replaced and leaves the rest as it stands.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.split_once(';') {
            Some((name, after)) if name.len() < 10 => {
                plain.push_str(&resolve(name));
                rest = after;
            }
            _ => plain.push('&'),
        }
    }
    plain.push_str(rest);
    plain
}

fn resolve(name: &str) -> String {
    let code = name.strip_prefix('#').and_then(|code| match code.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => code.parse().ok(),
    });
    match (name, code.and_then(char::from_u32)) {
        (_, Some(c)) => c.to_string(),
        ("lt", _) => "<".to_owned(),
        ("gt", _) => ">".to_owned(),
        ("amp", _) => "&".to_owned(),
        ("quot", _) => "\"".to_owned(),
        ("apos", _) => "'".to_owned(),
        _ => format!("&{name};"),
    }
}

fn is_yes(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on" | "y")
}

#[cfg(test)]
#[path = "metadata_test.rs"]
mod tests;
