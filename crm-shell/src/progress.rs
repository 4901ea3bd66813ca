//! Long waits say on a terminal what is waited for.

use std::time::Duration;

use indicatif::ProgressBar;

use crate::message::Printer;

/// How often the line moves, so that it is seen that something goes on.
const TICK: Duration = Duration::from_millis(200);

/// A line at the bottom of the terminal. It goes away with this value; without a terminal there is
/// none.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// Begins a wait.
    pub fn begin(printer: &Printer, text: impl Into<String>) -> Progress {
        if !printer.terminal || printer.json || printer.captured.is_some() {
            return Progress(None);
        }
        let line = ProgressBar::new_spinner().with_message(text.into());
        line.enable_steady_tick(TICK);
        Progress(Some(line))
    }

    /// True if there is a line that somebody can read.
    pub fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// Changes what the line says.
    pub fn say(&self, text: impl Into<String>) {
        if let Some(line) = &self.0 {
            line.set_message(text.into());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(line) = &self.0 {
            line.finish_and_clear();
        }
    }
}
