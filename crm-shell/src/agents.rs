//! What agents exist and what they say about themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use crm_core::cib::{self, Element};

/// A parameter of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
}

impl Metadata {
    /// Reads the XML that agents print.
    ///
    /// # Errors
    /// It is no XML, or not that of an agent.
    pub fn parse(text: &str) -> Result<Metadata, String> {
        let root = cib::parse(&without_doctype(text)).map_err(|e| e.to_string())?;
        if root.name() != "resource-agent" {
            return Err(format!("expected <resource-agent>, found <{}>", root.name()));
        }
        let items = |section: &'static str, tag: &'static str| {
            root.child(section)
                .into_iter()
                .flat_map(Element::children)
                .filter(move |c| c.name() == tag)
        };
        let yes = |e: &Element, a| matches!(e.attr(a), Some("1" | "true" | "yes"));
        let parameters = items("parameters", "parameter").map(|p| Parameter {
            name: p.attr("name").unwrap_or_default().to_string(),
            required: yes(p, "required"),
            unique: yes(p, "unique") || p.attr("unique-group").is_some(),
            kind: p.child("content").and_then(|c| c.attr("type")).unwrap_or("string").to_string(),
            default: p.child("content").and_then(|c| c.attr("default")).map(str::to_string),
            short: prose(p, "shortdesc"),
            long: prose(p, "longdesc"),
        });
        let operations = items("actions", "action").map(|a| Operation {
            name: a.attr("name").unwrap_or_default().to_string(),
            timeout: a.attr("timeout").map(str::to_string),
            interval: a.attr("interval").map(str::to_string),
            role: a.attr("role").map(str::to_string),
            depth: a.attr("depth").map(str::to_string),
        });
        Ok(Metadata {
            short: prose(&root, "shortdesc"),
            long: prose(&root, "longdesc"),
            parameters: parameters.collect(),
            operations: operations.collect(),
        })
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

fn prose(e: &Element, tag: &str) -> String {
    let text = e.child(tag).map(Element::text).unwrap_or_default();
    text.trim().to_string()
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
}

/// Agents where the field keeps them.
pub struct Installed {
    ocf_root: PathBuf,
    known: BTreeMap<String, Option<Rc<Metadata>>>,
}

impl Default for Installed {
    fn default() -> Installed {
        let root = std::env::var_os("OCF_ROOT").filter(|r| !r.is_empty());
        let ocf_root = root.map_or_else(|| PathBuf::from("/usr/lib/ocf"), PathBuf::from);
        Installed { ocf_root, known: BTreeMap::new() }
    }
}

const STONITH_PLUGINS: &str = "/usr/lib/stonith/plugins/external";
const SBIN: &[&str] = &["/usr/sbin", "/sbin", "/usr/bin"];
const UNITS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
];

impl Installed {
    fn load(&self, class: &str, provider: Option<&str>, kind: &str) -> Option<Metadata> {
        let good = |w: &str| !w.is_empty() && !w.contains("..") && !w.starts_with('/');
        if !good(kind) || !provider.is_none_or(good) {
            return None;
        }
        match class {
            "ocf" => {
                let path = self.ocf_root.join("resource.d").join(provider?).join(kind);
                let text = run(&path, &["meta-data"], &self.ocf_root)?;
                Metadata::parse(&text).ok()
            }
            "lsb" | "service" if Path::new("/etc/init.d").join(kind).is_file() => {
                Some(service_metadata(kind))
            }
            "systemd" | "service" if is_unit(kind) => Some(service_metadata(kind)),
            "heartbeat" if Path::new("/etc/ha.d/resource.d").join(kind).is_file() => {
                Some(service_metadata(kind))
            }
            "stonith" => stonith(kind, &self.ocf_root),
            _ => None,
        }
    }

    fn list_dir(path: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter(|e| e.path().is_file())
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| !n.starts_with('.') && !n.ends_with(".sh"))
            .collect();
        names.sort();
        names
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
        let has = |p: &String| self.ocf_root.join("resource.d").join(p).join(kind).is_file();
        self.all_providers_inner().into_iter().filter(has).collect()
    }

    fn list(&mut self, class: &str, provider: Option<&str>) -> Vec<String> {
        match class {
            "ocf" => {
                let providers = match provider {
                    Some(p) => vec![p.to_string()],
                    None => self.all_providers(),
                };
                let dir = self.ocf_root.join("resource.d");
                let mut all: Vec<String> =
                    providers.iter().flat_map(|p| Installed::list_dir(&dir.join(p))).collect();
                all.sort();
                all.dedup();
                all
            }
            "lsb" => Installed::list_dir(Path::new("/etc/init.d")),
            "heartbeat" => Installed::list_dir(Path::new("/etc/ha.d/resource.d")),
            "systemd" | "service" => {
                let mut all: Vec<String> = UNITS
                    .iter()
                    .flat_map(|d| Installed::list_dir(Path::new(d)))
                    .filter_map(|n| n.strip_suffix(".service").map(str::to_string))
                    .collect();
                all.sort();
                all.dedup();
                all
            }
            "stonith" => {
                let fence = SBIN.iter().flat_map(|d| Installed::list_dir(Path::new(d)));
                let mut all: Vec<String> = fence.filter(|n| n.starts_with("fence_")).collect();
                let external = Installed::list_dir(Path::new(STONITH_PLUGINS));
                all.extend(external.into_iter().map(|n| format!("external/{n}")));
                all.sort();
                all.dedup();
                all
            }
            _ => Vec::new(),
        }
    }

    fn all_providers(&mut self) -> Vec<String> {
        self.all_providers_inner()
    }
}

impl Installed {
    fn all_providers_inner(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.ocf_root.join("resource.d")).into_iter().flatten();
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|e| e.path().is_dir())
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| !n.starts_with('.'))
            .collect();
        names.sort();
        names
    }
}

/// Runs an agent for its description; never through a shell.
fn run(program: &Path, arguments: &[&str], ocf_root: &Path) -> Option<String> {
    if !program.is_file() {
        return None;
    }
    let out = Command::new(program)
        .args(arguments)
        .env("OCF_ROOT", ocf_root)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    (!text.trim().is_empty()).then_some(text)
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

fn stonith(kind: &str, ocf_root: &Path) -> Option<Metadata> {
    if let Some(plugin) = kind.strip_prefix("external/") {
        let path = Path::new(STONITH_PLUGINS).join(plugin);
        let names = run(&path, &["getconfignames"], ocf_root)?;
        let described = run(&path, &["getinfo-xml"], ocf_root).unwrap_or_default();
        let wrapped = format!("<resource-agent>{}</resource-agent>", without_doctype(&described));
        let mut metadata = Metadata::parse(&wrapped).unwrap_or_default();
        for name in names.split_whitespace() {
            if metadata.parameter(name).is_none() {
                let parameter = Parameter { name: name.into(), ..Parameter::default() };
                metadata.parameters.push(parameter);
            }
        }
        return Some(metadata);
    }
    let name = if kind.starts_with("fence_") { kind } else { return None };
    let path = SBIN.iter().map(|d| Path::new(d).join(name)).find(|p| p.is_file())?;
    Metadata::parse(&run(&path, &["-o", "metadata"], ocf_root)?).ok()
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
}
