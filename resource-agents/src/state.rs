//! State files of agents that manage nothing else: they are gone after a boot, as the service
//! would be.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::declare::{Code, Context, Failure};

/// Where agents keep run-time files (`HA_RSCTMP` of the resource-agents package).
const DIRECTORY: &str = "/run/resource-agents";

/// A file whose presence, or content, is the state.
pub struct StateFile(PathBuf);

impl StateFile {
    /// The file that the parameter `state` names, or one for this agent and instance.
    pub fn new(context: &Context, agent: &str) -> Self {
        Self::named(context, agent, "state")
    }

    /// The same for agents that call this parameter something else.
    pub fn named(context: &Context, agent: &str, parameter: &str) -> Self {
        Self(match context.text(parameter) {
            Some(path) => PathBuf::from(path),
            None => {
                let directory = context.variable("HA_RSCTMP").unwrap_or(DIRECTORY);
                let instance = context.instance().replace('/', "_");
                Path::new(directory).join(format!("{agent}-{instance}.state"))
            }
        })
    }

    /// A file of this name among the run-time files of agents.
    pub fn in_place(context: &Context, name: &str) -> Self {
        let directory = context.variable("HA_RSCTMP").unwrap_or(DIRECTORY);
        Self(Path::new(directory).join(name.replace('/', "_")))
    }

    /// What it says; `None` if it is not there.
    pub fn read(&self) -> Result<Option<String>, Failure> {
        match fs::read_to_string(&self.0) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failure("read", &error)),
        }
    }

    /// Writes it; the directory is made if need be.
    pub fn write(&self, text: &str) -> Result<(), Failure> {
        if let Some(directory) = self.0.parent() {
            fs::create_dir_all(directory)
                .map_err(|error| self.failure("make a place for", &error))?;
        }
        fs::write(&self.0, text).map_err(|error| self.failure("write", &error))
    }

    /// Removes it; that it was not there is no error.
    pub fn remove(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failure("remove", &error))
            }
            _ => Ok(()),
        }
    }

    fn failure(&self, what: &str, error: &io::Error) -> Failure {
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied => Code::Permission,
            _ => Code::Error,
        };
        Failure::new(code, format!("cannot {what} the state file {}: {error}", self.0.display()))
    }
}

/// Adds the environment of this call to the file that the parameter `envfile` names, for tests of
/// what the manager passes.
pub fn note_environment(context: &Context, action: &str) -> Result<(), Failure> {
    let Some(path) = context.text("envfile") else { return Ok(()) };
    let mut text = format!("### {action}\n");
    for (name, value) in context.environment() {
        text += &format!("{name}={value}\n");
    }
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    let written = file.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| Failure::new(Code::Error, format!("{path}: {error}")))
}

/// Everything that agents of this kind do: presence is "running".
pub fn simple(file: &StateFile, action: &str) -> Result<Code, Failure> {
    match action {
        "start" => file.write("").map(|()| Code::Ok),
        "stop" => file.remove().map(|()| Code::Ok),
        "monitor" => Ok(if file.read()?.is_some() { Code::Ok } else { Code::NotRunning }),
        _ => Ok(Code::Ok),
    }
}
