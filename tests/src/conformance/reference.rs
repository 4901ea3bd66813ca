//! The reference's own program, where it is installed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Verdict;

/// Seconds after which a run of the reference is given up: on some documents it never ends.
const PATIENCE: &str = "20";
/// The exit code of a run that was given up.
pub const GAVE_UP: i32 = 124;

/// A `crm_simulate` that is not ours.
#[derive(Clone, Debug)]
pub struct Reference {
    program: PathBuf,
}

impl Reference {
    /// Looks for it: `CRM_REFERENCE` names it, else the usual place.
    ///
    /// # Errors
    /// Why there is none.
    pub fn find() -> Result<Reference, String> {
        let named = std::env::var_os("CRM_REFERENCE").map(PathBuf::from);
        let program = named.unwrap_or_else(|| PathBuf::from("/usr/sbin/crm_simulate"));
        let real = program
            .canonicalize()
            .map_err(|error| format!("no reference at {}: {error}", program.display()))?;
        if real.file_name().is_some_and(|name| name == "crm") {
            return Err(format!("{} is our own executable", program.display()));
        }
        Ok(Reference { program: real })
    }

    /// Runs it as the suite does.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn run(&self, cib: &Path, more: &[String]) -> std::io::Result<Verdict> {
        let directory = tempfile::tempdir()?;
        let graph = directory.path().join("graph.xml");
        let command = || {
            let mut command = Command::new("timeout");
            command.arg(PATIENCE).arg(&self.program);
            command
                .env("LC_ALL", "C")
                .env_remove("CIB_file")
                .env_remove("CIB_shadow")
                .env("TZ", "UTC");
            command.env("CIB_shadow_dir", directory.path()).stdin(Stdio::null());
            command.arg("-x").arg(cib);
            command
        };
        let (mut reader, writer) = std::io::pipe()?;
        let errors = writer.try_clone()?;
        // The command keeps the writing ends of the pipe open: it must be gone before reading.
        let mut first = {
            let mut run = command();
            run.arg("-S").args(more).stdout(writer).stderr(errors).spawn()?
        };
        let mut summary = Vec::new();
        reader.read_to_end(&mut summary)?;
        let first = first.wait()?;
        let second = command().arg("-G").arg(&graph).arg("-sSQ").args(more).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Verdict {
            summary: text(&summary),
            scores: text(&second.stdout),
            graph: std::fs::read_to_string(graph).unwrap_or_default(),
            exits: [first.code().unwrap_or(-1), second.status.code().unwrap_or(-1)],
        })
    }
}
