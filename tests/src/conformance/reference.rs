//! The reference's own program, where it is installed.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Seconds of processor time after which a run of the reference is given up, and after how many it
/// is killed: on some documents it never ends. Time on the clock would blame it for a busy machine.
const PATIENCE: &str = "--cpu=4:8";
/// Seconds on the clock after which it is given up whatever it does.
const DEADLINE: &str = "120";
/// The signal that says that the processor time is used up.
const SIGXCPU: i32 = 24;
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

    /// Where it is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A call of it without arguments, with nothing of the caller's environment that it listens to.
    pub fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new("timeout");
        command.args([DEADLINE, "prlimit", PATIENCE]).arg(&self.program).stdin(Stdio::null());
        command.env("LC_ALL", "C").env("TZ", "UTC").env("CIB_shadow_dir", directory);
        for name in ["CIB_file", "CIB_shadow", "PCMK_logfile", "PCMK_debug", "PCMK_stderr"] {
            command.env_remove(name);
        }
        command
    }

    /// The exit code of a call, [`GAVE_UP`] if it took too long, -1 if it died of anything else.
    pub fn exit_code(status: ExitStatus) -> i32 {
        match status.signal() {
            Some(SIGXCPU) => GAVE_UP,
            _ => status.code().unwrap_or(-1),
        }
    }
}
