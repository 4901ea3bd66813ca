//! What agents exist and what they say about themselves.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use crm_lrm::agents::{Agent, Interface};
use crm_lrm::calls::Surroundings;
use crm_lrm::operation::AgentName;
use crm_lrm::standalone::Standalone;
use crm_lrm::{AgentPaths, BuiltIn, Catalog};
use serde::Serialize;

/// A parameter of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// The resource cannot run without it.
    pub required: bool,
    /// No two resources may have the same value.
    pub unique: bool,
    /// `string`, `integer`, `boolean`, `time`, ...
    pub kind: String,
    /// What the agent takes if nothing is said.
    pub default: Option<String>,
    /// One line about it.
    pub short: String,
    /// More about it.
    pub long: String,
}

/// An operation that an agent supports, with the advice it gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// The time-out the agent advises.
    pub timeout: Option<String>,
    /// The interval the agent advises.
    pub interval: Option<String>,
    /// The role it is for.
    pub role: Option<String>,
    /// How deep it looks.
    pub depth: Option<String>,
}

/// What an agent says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// One line about it.
    pub short: String,
    /// More about it.
    pub long: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Its operations.
    pub operations: Vec<Operation>,
    /// What could not be understood.
    pub problems: Vec<String>,
}

impl Metadata {
    /// Reads the XML that agents print, as far as it can be understood (the executor's reader).
    ///
    /// # Errors
    /// It is no description of an agent at all.
    pub fn parse(text: &str) -> Result<Metadata, String> {
        let read = crm_lrm::metadata::parse(text);
        if !text.contains("<resource-agent") {
            return Err(read.problems.join("; "));
        }
        let parameters = read.parameters.into_iter().map(|p| Parameter {
            name: p.name,
            required: p.required,
            unique: p.unique.is_some(),
            kind: p.kind,
            default: p.default,
            short: p.short,
            long: p.long,
        });
        let operations = read.actions.into_iter().map(|a| {
            let get = |name: &str| a.attributes.get(name).cloned();
            Operation {
                timeout: get("timeout"),
                interval: get("interval"),
                role: get("role"),
                depth: get("depth"),
                name: a.name,
            }
        });
        let (parameters, operations) = (parameters.collect(), operations.collect());
        let problems = read.problems;
        Ok(Metadata { short: read.short, long: read.long, parameters, operations, problems })
    }

    /// A parameter by name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == name)
    }

    /// The advice for an operation; for monitors by role and depth where the agent has them.
    pub fn operation(
        &self,
        name: &str,
        role: Option<&str>,
        depth: Option<&str>,
    ) -> Option<&Operation> {
        let modern = |r: &str| match r {
            "Master" => "Promoted".to_string(),
            "Slave" => "Unpromoted".to_string(),
            other => other.to_string(),
        };
        let all = || self.operations.iter().filter(|o| o.name == name);
        let by_role =
            role.and_then(|r| all().find(|o| o.role.as_deref().map(modern) == Some(modern(r))));
        let by_depth = depth.and_then(|d| all().find(|o| o.depth.as_deref() == Some(d)));
        by_role.or(by_depth).or_else(|| all().next())
    }
}

fn without_doctype(text: &str) -> String {
    let Some(start) = text.find("<!DOCTYPE") else { return text.to_string() };
    let end = text[start..].find('>').map_or(text.len(), |e| start + e + 1);
    format!("{}{}", &text[..start], &text[end..])
}

/// The agents of a machine.
pub trait Agents {
    /// What an agent says about itself; `None` if there is no such agent.
    fn metadata(&mut self, class: &str, provider: Option<&str>, kind: &str)
    -> Option<Rc<Metadata>>;
    /// The providers of an OCF agent of this type, sorted.
    fn providers(&mut self, kind: &str) -> Vec<String>;
    /// The agents of a class, and of one provider.
    fn list(&mut self, class: &str, provider: Option<&str>) -> Vec<String>;
    /// All providers of OCF agents.
    fn all_providers(&mut self) -> Vec<String>;
    /// What runs agents as the executor would.
    fn standalone(&self) -> Standalone;
    /// The same agents for another user, such as completion.
    fn duplicate(&self) -> Box<dyn Agents>;
}

/// The agents of this node: those in files, and those that this executable carries.
///
/// Which file answers to a name is the executor's rule ([`crm_lrm::Catalog`]), so that what is
/// checked here is what will run.
pub struct Installed {
    catalog: Catalog,
    ocf_root: PathBuf,
    known: BTreeMap<String, Option<Rc<Metadata>>>,
}

const UNITS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
];

impl Installed {
    /// Agents where the field keeps them (`OCF_ROOT` moves those of OCF), and `carried` ones.
    pub fn new(carried: &[BuiltIn]) -> Installed {
        let root = std::env::var_os("OCF_ROOT").filter(|r| !r.is_empty());
        let ocf_root = root.map_or_else(|| PathBuf::from("/usr/lib/ocf"), PathBuf::from);
        let paths = AgentPaths { ocf: vec![ocf_root.join("resource.d")], ..AgentPaths::default() };
        let catalog = Catalog { paths, built_in: carried.to_vec() };
        Installed { catalog, ocf_root, known: BTreeMap::new() }
    }

    fn load(&self, class: &str, provider: Option<&str>, kind: &str) -> Option<Metadata> {
        let name = AgentName {
            class: class.into(),
            provider: provider.map(str::to_string),
            kind: kind.into(),
        };
        if class == "ocf" && provider.is_none() {
            return None;
        }
        let agent = self.catalog.resolve(&name).ok()?;
        match agent.interface {
            Interface::Ocf => Metadata::parse(&self.ask(&agent, &["meta-data"])?).ok(),
            Interface::Fence => Metadata::parse(&self.ask_fence(&agent)?).ok(),
            Interface::StonithExternal => {
                let names = self.ask(&agent, &["getconfignames"])?;
                let described = self.ask(&agent, &["getinfo-xml"]).unwrap_or_default();
                Some(plug_in_metadata(&names, &described))
            }
            Interface::Lsb | Interface::Heartbeat => Some(service_metadata(kind)),
            Interface::Systemd => is_unit(kind).then(|| service_metadata(kind)),
        }
    }

    /// The document in which an OCF agent describes itself.
    pub fn description(&self, name: &AgentName) -> Option<String> {
        let agent = self.catalog.resolve(name).ok()?;
        match agent.interface {
            Interface::Ocf => self.ask(&agent, &["meta-data"]),
            Interface::Fence => self.ask_fence(&agent),
            Interface::StonithExternal
            | Interface::Lsb
            | Interface::Heartbeat
            | Interface::Systemd => None,
        }
    }

    fn ask(&self, agent: &Agent, arguments: &[&str]) -> Option<String> {
        self.run(agent, arguments, "")
    }

    /// As the executor asks: the action is in the input, where an agent that reads nothing else finds
    /// it. One that does not find it takes its default, and that is a reboot.
    fn ask_fence(&self, agent: &Agent) -> Option<String> {
        self.run(agent, &[], "action=metadata\n")
    }

    /// Runs an agent for its description; never through a shell.
    fn run(&self, agent: &Agent, arguments: &[&str], input: &str) -> Option<String> {
        let mut command = Command::new(&agent.program);
        if agent.built_in {
            command.arg0("crm");
        }
        let mut child = command
            .args(&agent.args)
            .args(arguments)
            .env("OCF_ROOT", &self.ocf_root)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        if let Some(mut stdin) = child.stdin.take() {
            // It fits into the pipe; an agent that is gone already does not want it.
            let _ = stdin.write_all(input.as_bytes());
        }
        let out = child.wait_with_output().ok()?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        (!text.trim().is_empty()).then_some(text)
    }
}

impl Agents for Installed {
    fn metadata(
        &mut self,
        class: &str,
        provider: Option<&str>,
        kind: &str,
    ) -> Option<Rc<Metadata>> {
        let key = format!("{class}:{}:{kind}", provider.unwrap_or_default());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = self.load(class, provider, kind).map(Rc::new);
        self.known.insert(key, found.clone());
        found
    }

    fn providers(&mut self, kind: &str) -> Vec<String> {
        self.catalog.providers(Some(kind)).into_iter().collect()
    }

    fn list(&mut self, class: &str, provider: Option<&str>) -> Vec<String> {
        let mut all = self.catalog.types(class, provider);
        if matches!(class, "systemd" | "service") {
            let entries = UNITS.iter().flat_map(|d| std::fs::read_dir(d).into_iter().flatten());
            let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
            all.extend(names.filter_map(|n| n.strip_suffix(".service").map(str::to_string)));
        }
        all.into_iter().collect()
    }

    fn all_providers(&mut self) -> Vec<String> {
        self.catalog.providers(None).into_iter().collect()
    }

    fn standalone(&self) -> Standalone {
        let run = std::env::var_os("CRM_RUN_DIR").unwrap_or_else(|| "/run/crm".into());
        let host = nix::unistd::gethostname().unwrap_or_default();
        // Only a daemon that runs has links to the commands; without, agents call what is installed.
        let links = PathBuf::from(run).join("bin");
        let bin_dir = if links.is_dir() { links } else { PathBuf::from("/usr/sbin") };
        Standalone {
            catalog: self.catalog.clone(),
            around: Surroundings {
                node_name: host.to_string_lossy().into_owned(),
                bin_dir,
                ocf_root: self.ocf_root.clone(),
                extra: BTreeMap::new(),
            },
        }
    }

    fn duplicate(&self) -> Box<dyn Agents> {
        Box::new(Installed {
            catalog: Catalog {
                paths: self.catalog.paths.clone(),
                built_in: self.catalog.built_in.clone(),
            },
            ocf_root: self.ocf_root.clone(),
            known: self.known.clone(),
        })
    }
}

fn is_unit(kind: &str) -> bool {
    UNITS.iter().any(|d| {
        let name = if kind.contains('.') { kind.to_string() } else { format!("{kind}.service") };
        Path::new(d).join(name).is_file()
    })
}

/// Services describe themselves in no useful way; these are Pacemaker's assumptions.
fn service_metadata(kind: &str) -> Metadata {
    let op = |name: &str, interval: Option<&str>| Operation {
        name: name.into(),
        timeout: Some("15".into()),
        interval: interval.map(str::to_string),
        ..Operation::default()
    };
    Metadata {
        short: kind.to_string(),
        operations: vec![op("start", None), op("stop", None), op("monitor", Some("15"))],
        ..Metadata::default()
    }
}

/// A plug-in names its parameters in a list, and describes them in XML if it likes.
fn plug_in_metadata(names: &str, described: &str) -> Metadata {
    let wrapped = format!("<resource-agent>{}</resource-agent>", without_doctype(described));
    let mut metadata = Metadata::parse(&wrapped).unwrap_or_default();
    for name in names.split_whitespace() {
        if metadata.parameter(name).is_none() {
            let parameter = Parameter { name: name.into(), ..Parameter::default() };
            metadata.parameters.push(parameter);
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_read() {
        let text = "<?xml version='1.0'?>\n<!DOCTYPE resource-agent SYSTEM 'ra-api-1.dtd'>\n\
            <resource-agent name='x'><shortdesc>S</shortdesc><parameters><parameter name='ip' required='1' unique='1'>\
            <shortdesc>An address</shortdesc><content type='string' default='d'/></parameter></parameters>\
            <actions><action name='start' timeout='20s'/><action name='monitor' role='Master' interval='9s'/></actions></resource-agent>";
        let m = Metadata::parse(text).unwrap();
        assert!(m.parameters[0].required && m.parameters[0].unique);
        assert_eq!(m.parameters[0].default.as_deref(), Some("d"));
        assert_eq!(
            m.operation("monitor", Some("Promoted"), None).unwrap().interval.as_deref(),
            Some("9s")
        );
        assert!(Metadata::parse("<x/>").is_err());
    }

    #[test]
    fn a_fence_agent_that_reads_only_its_input_describes_itself_and_reboots_nobody() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("fence_input");
        let script = "#!/bin/sh\nread -r line\n\
            [ \"$line\" = action=metadata ] || { echo rebooted >&2; exit 1; }\n\
            echo \"<resource-agent name='fence_input'><shortdesc>S</shortdesc></resource-agent>\"\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut installed = Installed::new(&[]);
        installed.catalog.paths.fence = vec![directory.path().to_owned()];
        let described = installed.metadata("stonith", None, "fence_input").unwrap();
        assert_eq!(described.short, "S");
    }
}
