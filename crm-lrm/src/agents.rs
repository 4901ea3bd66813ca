//! Where agents are, and which file answers to a name.
//!
//! The rules, class by class:
//! - `ocf:PROVIDER:TYPE`: the file in the first of the OCF directories that has it. Where none
//!   has, an agent of ours that stands in for this name. Provider `crm` is always ours first.
//! - `lsb:NAME`: the script in the init directory.
//! - `heartbeat:NAME`: the script in `resource.d`, then in the init directory.
//! - `systemd:UNIT`: nothing here; systemd answers.
//! - `service:NAME`: as `lsb` if there is such a script, else as `systemd`.
//! - `stonith:external/NAME`: the plug-in, if nobody but its owner may write to it.
//! - `stonith:fence_NAME`: the program in the fence directories.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::operation::AgentName;

/// An agent that this executable carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// `ocf` or `stonith`.
    pub class: String,
    /// Its own provider, `crm`, for `ocf`.
    pub provider: Option<String>,
    /// Its type.
    pub kind: String,
    /// Providers for which it answers where the machine has no agent of that name.
    pub stands_in_for: Vec<String>,
    /// How the executable is called to be this agent; the action follows.
    pub args: Vec<String>,
}

/// Where to look.
#[derive(Clone, Debug)]
pub struct AgentPaths {
    /// Directories of providers, best first.
    pub ocf: Vec<PathBuf>,
    /// Init scripts.
    pub lsb: PathBuf,
    /// Heartbeat v1 resource scripts.
    pub heartbeat: PathBuf,
    /// External STONITH plug-ins.
    pub stonith_external: PathBuf,
    /// Where `fence_*` programs are, best first.
    pub fence: Vec<PathBuf>,
    /// The executable that carries the built-in agents.
    pub own_executable: PathBuf,
}

impl Default for AgentPaths {
    /// The places of the field. `OCF_ROOT` is where the caller's environment may differ.
    fn default() -> Self {
        Self {
            ocf: vec![PathBuf::from("/usr/lib/ocf/resource.d")],
            lsb: PathBuf::from("/etc/init.d"),
            heartbeat: PathBuf::from("/etc/ha.d/resource.d"),
            stonith_external: PathBuf::from("/usr/lib/stonith/plugins/external"),
            fence: vec![PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")],
            own_executable: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// How an agent wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// Open Cluster Framework: action as argument, parameters in `OCF_RESKEY_*`.
    Ocf,
    /// Init script: action as argument, `status` instead of `monitor`.
    Lsb,
    /// Heartbeat v1: arguments first, action last, status by output.
    Heartbeat,
    /// A unit of systemd.
    Systemd,
    /// External STONITH plug-in of cluster-glue.
    StonithExternal,
    /// Fence agent: parameters on standard input.
    Fence,
}

/// An agent that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// How to call it.
    pub interface: Interface,
    /// The program; for systemd the unit's name.
    pub program: PathBuf,
    /// Arguments before the action.
    pub args: Vec<OsString>,
    /// Whether this executable carries it.
    pub built_in: bool,
}

/// Why no agent answers to a name.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No file and no built-in agent.
    #[error("there is no agent `{name}` on this node; looked in {looked}")]
    NotInstalled {
        /// Who was asked for.
        name: AgentName,
        /// Where.
        looked: String,
    },
    /// The name cannot be one.
    #[error(
        "`{0}` cannot be the name of an agent: no part may begin with a dot or leave its directory"
    )]
    BadName(AgentName),
    /// The class is none that is known.
    #[error(
        "`{0}` is no class of agents; there are ocf, lsb, systemd, service, heartbeat, stonith"
    )]
    UnknownClass(String),
    /// Somebody else could have put anything into the file.
    #[error("{} can be changed by others than its owner; do `chmod go-w {}`", .0.display(), .0.display())]
    Writable(PathBuf),
}

/// All agents of this node.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Where files are looked for.
    pub paths: AgentPaths,
    /// What this executable carries.
    pub built_in: Vec<BuiltIn>,
}

impl Catalog {
    /// The agent that answers to this name. Nothing is run.
    pub fn resolve(&self, name: &AgentName) -> Result<Agent, AgentError> {
        if !is_plain(name) {
            return Err(AgentError::BadName(name.clone()));
        }
        let paths = &self.paths;
        match name.class.as_str() {
            "ocf" => self.resolve_ocf(name),
            "lsb" => find(name, Interface::Lsb, [&paths.lsb]),
            "heartbeat" => find(name, Interface::Heartbeat, [&paths.heartbeat, &paths.lsb]),
            "systemd" => Ok(unit(&name.kind)),
            "service" => find(name, Interface::Lsb, [&paths.lsb]).or_else(|_| Ok(unit(&name.kind))),
            "stonith" => self.resolve_stonith(name),
            class => Err(AgentError::UnknownClass(class.to_owned())),
        }
    }

    /// The classes that can be named.
    pub fn classes() -> [&'static str; 6] {
        ["heartbeat", "lsb", "ocf", "service", "stonith", "systemd"]
    }

    /// The providers of OCF agents; with a type, only those that have it. Our own agents count
    /// where no file of that type is on the machine.
    pub fn providers(&self, kind: Option<&str>) -> BTreeSet<String> {
        let mut providers = BTreeSet::new();
        for root in &self.paths.ocf {
            for provider in entries(root).into_iter().filter(|name| root.join(name).is_dir()) {
                let has = |kind| is_executable(&root.join(&provider).join(kind));
                if kind.is_none_or(has) {
                    providers.insert(provider);
                }
            }
        }
        // Who asks for a type wants to know who has brought it; ours stand back where somebody has.
        let ours_answer = kind.is_none() || providers.is_empty();
        for agent in self.built_in.iter().filter(|agent| agent.class == "ocf") {
            if ours_answer && kind.is_none_or(|kind| agent.kind == kind) {
                providers.extend(agent.provider.clone());
                providers.extend(agent.stands_in_for.iter().cloned());
            }
        }
        providers
    }

    /// The types of a class, and of a provider if one is named. Units of systemd are not listed.
    pub fn types(&self, class: &str, provider: Option<&str>) -> BTreeSet<String> {
        let paths = &self.paths;
        match class {
            "ocf" => {
                let mut types = BTreeSet::new();
                for wanted in self.providers(None) {
                    if provider.is_none_or(|provider| provider == wanted) {
                        types.extend(self.ocf_types(&wanted));
                    }
                }
                types
            }
            "lsb" | "service" => programs(&paths.lsb),
            "heartbeat" => {
                let mut types = programs(&paths.heartbeat);
                types.extend(programs(&paths.lsb));
                types
            }
            "stonith" => {
                let plugins = programs(&paths.stonith_external);
                let mut types: BTreeSet<String> =
                    plugins.into_iter().map(|name| format!("external/{name}")).collect();
                for directory in &paths.fence {
                    let fence = programs(directory).into_iter();
                    types.extend(fence.filter(|name| name.starts_with("fence_")));
                }
                types.extend(self.carried("stonith").map(|agent| agent.kind.clone()));
                types
            }
            _ => BTreeSet::new(),
        }
    }

    fn ocf_types(&self, provider: &str) -> BTreeSet<String> {
        let mut types = BTreeSet::new();
        for root in &self.paths.ocf {
            types.extend(programs(&root.join(provider)));
        }
        let ours = self.carried("ocf").filter(|agent| answers(agent, provider));
        types.extend(ours.map(|agent| agent.kind.clone()));
        types
    }

    fn carried<'a>(&'a self, class: &'a str) -> impl Iterator<Item = &'a BuiltIn> {
        self.built_in.iter().filter(move |agent| agent.class == class)
    }

    fn resolve_ocf(&self, name: &AgentName) -> Result<Agent, AgentError> {
        let provider = name.provider.as_deref().unwrap_or("heartbeat");
        let mut carried = self.carried("ocf").filter(|agent| agent.kind == name.kind);
        let ours = carried.find(|agent| answers(agent, provider)).map(|agent| Agent {
            interface: Interface::Ocf,
            program: self.paths.own_executable.clone(),
            args: agent.args.iter().map(OsString::from).collect(),
            built_in: true,
        });
        let directories: Vec<PathBuf> =
            self.paths.ocf.iter().map(|root| root.join(provider)).collect();
        match ours {
            Some(agent) if provider == "crm" => Ok(agent),
            Some(agent) => find(name, Interface::Ocf, &directories).or(Ok(agent)),
            None => find(name, Interface::Ocf, &directories),
        }
    }

    fn resolve_stonith(&self, name: &AgentName) -> Result<Agent, AgentError> {
        if let Some(kind) = name.kind.strip_prefix("external/") {
            let plugin = AgentName { kind: kind.to_owned(), ..name.clone() };
            let found = find(&plugin, Interface::StonithExternal, [&self.paths.stonith_external]);
            return match found {
                Ok(agent) => not_writable(agent),
                Err(_) => Err(not_installed(name, [&self.paths.stonith_external])),
            };
        }
        let found = find(name, Interface::Fence, &self.paths.fence);
        let mut carried = self.carried("stonith").filter(|agent| agent.kind == name.kind);
        match (found, carried.next()) {
            (Err(_), Some(agent)) => Ok(Agent {
                interface: Interface::Fence,
                program: self.paths.own_executable.clone(),
                args: agent.args.iter().map(OsString::from).collect(),
                built_in: true,
            }),
            (found, _) => found.and_then(not_writable),
        }
    }
}

fn answers(agent: &BuiltIn, provider: &str) -> bool {
    agent.provider.as_deref() == Some(provider)
        || agent.stands_in_for.iter().any(|name| name == provider)
}

fn is_plain(name: &AgentName) -> bool {
    let plain =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\0']);
    let kind = match (name.class.as_str(), name.kind.strip_prefix("external/")) {
        ("stonith", Some(kind)) => kind,
        _ => &name.kind,
    };
    plain(kind) && name.provider.as_deref().is_none_or(plain)
}

/// The first directory that has the name. What is there but cannot be executed is found as well:
/// the attempt to run it says best what is wrong.
fn find<P: AsRef<Path>>(
    name: &AgentName,
    interface: Interface,
    directories: impl IntoIterator<Item = P> + Clone,
) -> Result<Agent, AgentError> {
    let mut candidates =
        directories.clone().into_iter().map(|directory| directory.as_ref().join(&name.kind));
    match candidates.find(|path| path.is_file() || path.is_symlink()) {
        Some(program) => Ok(Agent { interface, program, args: Vec::new(), built_in: false }),
        None => Err(not_installed(name, directories)),
    }
}

fn not_installed<P: AsRef<Path>>(
    name: &AgentName,
    directories: impl IntoIterator<Item = P>,
) -> AgentError {
    let looked: Vec<String> =
        directories.into_iter().map(|path| path.as_ref().display().to_string()).collect();
    AgentError::NotInstalled { name: name.clone(), looked: looked.join(", ") }
}

/// STONITH plug-ins run as root with the power over other machines (as cluster-glue).
fn not_writable(agent: Agent) -> Result<Agent, AgentError> {
    match std::fs::metadata(&agent.program) {
        Ok(metadata) if metadata.permissions().mode() & 0o022 != 0 => {
            Err(AgentError::Writable(agent.program))
        }
        _ => Ok(agent),
    }
}

fn unit(kind: &str) -> Agent {
    let known = ["service", "socket", "target", "timer", "path", "mount", "device", "slice"];
    let suffix = kind.rsplit_once('.').map(|(_, suffix)| suffix);
    let unit = match suffix {
        Some(suffix) if known.contains(&suffix) => kind.to_owned(),
        _ => format!("{kind}.service"),
    };
    Agent {
        interface: Interface::Systemd,
        program: PathBuf::from(unit),
        args: Vec::new(),
        built_in: false,
    }
}

fn entries(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let names = entries.filter_map(Result::ok).filter_map(|e| e.file_name().into_string().ok());
    names.filter(|name| !name.starts_with('.')).collect()
}

fn programs(directory: &Path) -> BTreeSet<String> {
    let names = entries(directory).into_iter();
    names.filter(|name| is_executable(&directory.join(name))).collect()
}

fn is_executable(path: &Path) -> bool {
    let metadata: io::Result<std::fs::Metadata> = std::fs::metadata(path);
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
#[path = "agents_test.rs"]
mod tests;
