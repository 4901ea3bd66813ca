//! A shell on a pseudo-terminal, and somebody who types.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use nix::pty::{Winsize, openpty};

/// Far beyond what any step takes; only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(120);

/// What the line editor sends when it begins and ends to read.
pub const READING: &str = "\x1b[?2004h";
/// See [`READING`].
pub const TAKEN: &str = "\x1b[?2004l";

/// A program on a terminal of 40 lines.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

fn wrong(e: impl ToString) -> Failed {
    Failed::from(e.to_string())
}

impl Terminal {
    /// Starts a program on a new terminal.
    ///
    /// # Errors
    /// There is no terminal to be had, or the program does not start.
    pub fn start(mut command: Command) -> Result<Terminal, Failed> {
        let size = Winsize { ws_row: 40, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).map_err(wrong)?;
        let (master, slave) = (File::from(pair.master), File::from(pair.slave));
        let end = |f: &File| f.try_clone().map(Stdio::from).map_err(wrong);
        let child = command
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .stdin(end(&slave)?)
            .stdout(end(&slave)?)
            .stderr(end(&slave)?)
            .spawn()
            .map_err(wrong)?;
        // The command holds the terminal's end, too: it must go, for the end to be seen.
        drop((slave, command));
        let mut output = master.try_clone().map_err(wrong)?;
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n) = output.read(&mut buffer) {
                if n == 0 || sender.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Terminal { child, keyboard: master, screen, seen: String::new() })
    }

    /// The number of its process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(-1)
    }

    /// What was printed before `text` since the last thing that was waited for.
    ///
    /// # Errors
    /// It does not come.
    pub fn before(&mut self, text: &str) -> Result<String, Failed> {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.seen.find(text) {
                let before = self.seen[..at].to_string();
                self.seen.drain(..at + text.len());
                return Ok(before);
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => {
                    return Err(Failed::from(format!("no {text:?} in {:?}", self.seen)));
                }
            }
        }
    }

    /// Types.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn press(&mut self, keys: &str) -> Result<(), Failed> {
        self.keyboard.write_all(keys.as_bytes()).map_err(wrong)
    }

    /// Waits until a text appears behind everything that was waited for before.
    ///
    /// # Errors
    /// It does not come.
    pub fn expect(&mut self, text: &str) -> Result<(), Failed> {
        self.before(text).map(drop)
    }

    /// Types a line, and waits until the shell has taken it.
    ///
    /// # Errors
    /// It does not take it.
    pub fn line(&mut self, text: &str) -> Result<(), Failed> {
        self.press(text)?;
        self.press("\r")?;
        self.expect(TAKEN)
    }

    /// Waits until the shell reads again, with this prompt; what it printed meanwhile.
    ///
    /// # Errors
    /// It does not.
    pub fn prompt(&mut self, text: &str) -> Result<String, Failed> {
        let said = self.before(READING)?;
        self.expect(text)?;
        Ok(said)
    }

    /// The shell has ended, and well.
    ///
    /// # Errors
    /// It has not.
    pub fn leave(&mut self) -> Result<(), Failed> {
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Failed::from(format!("it does not end: {:?}", self.seen)));
                }
            }
        }
        let status = self.child.wait().map_err(wrong)?;
        if status.success() { Ok(()) } else { Err(Failed::from(format!("exit: {status}"))) }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only a failed test leaves the shell running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
