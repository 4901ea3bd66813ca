//! The prompt, through a real pseudo-terminal.
//!
//! Started with `--as-shell` as its first argument, this program is the shell.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::pty::{Winsize, openpty};

const AS_SHELL: &str = "--as-shell";
/// Far beyond what any step takes; only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(60);

/// What the line editor sends when it begins and ends to read.
const READING: &str = "\x1b[?2004h";
const TAKEN: &str = "\x1b[?2004l";

const CIB: &str = "<cib validate-with=\"pacemaker-3.9\" epoch=\"1\" num_updates=\"0\" admin_epoch=\"0\">\
<configuration><crm_config><cluster_property_set id=\"cib-bootstrap-options\"><nvpair id=\"x\" \
name=\"stonith-enabled\" value=\"false\"/></cluster_property_set></crm_config><nodes><node id=\"1\" \
uname=\"node1\"/></nodes><resources/><constraints/></configuration><status/></cib>";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|w| w == AS_SHELL) {
        return crm_shell::run(&words[1..], &[]);
    }
    let trials = vec![
        Trial::test("a_session_edits_and_commits", session),
        Trial::test("completion_follows_the_grammar", completion),
        Trial::test("interrupt_keeps_what_is_not_committed", interrupt),
        Trial::test("a_backslash_continues_the_line", continuation),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    directory: tempfile::TempDir,
}

fn wrong(e: impl ToString) -> Failed {
    Failed::from(e.to_string())
}

impl Terminal {
    fn open() -> Result<Terminal, Failed> {
        let directory = tempfile::tempdir().map_err(wrong)?;
        std::fs::write(directory.path().join("cib.xml"), CIB).map_err(wrong)?;
        let size = Winsize { ws_row: 40, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).map_err(wrong)?;
        let (master, slave) = (File::from(pair.master), File::from(pair.slave));
        let end = |f: &File| f.try_clone().map(Stdio::from).map_err(wrong);
        let home = directory.path();
        let child = Command::new(std::env::current_exe().map_err(wrong)?)
            .arg(AS_SHELL)
            .env("CIB_file", home.join("cib.xml"))
            .env("HOME", home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .stdin(end(&slave)?)
            .stdout(end(&slave)?)
            .stderr(end(&slave)?)
            .spawn()
            .map_err(wrong)?;
        drop(slave);
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
        Ok(Terminal { child, keyboard: master, screen, seen: String::new(), directory })
    }

    fn press(&mut self, keys: &str) -> Result<(), Failed> {
        self.keyboard.write_all(keys.as_bytes()).map_err(wrong)
    }

    /// Waits until a text appears behind everything that was waited for before.
    fn expect(&mut self, text: &str) -> Result<(), Failed> {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return Ok(());
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

    /// Types a line, and waits until the shell has taken it.
    fn line(&mut self, text: &str) -> Result<(), Failed> {
        self.press(text)?;
        self.press("\r")?;
        self.expect(TAKEN)
    }

    /// Waits until the shell reads again, with this prompt.
    fn prompt(&mut self, text: &str) -> Result<(), Failed> {
        self.expect(READING)?;
        self.expect(text)
    }

    fn cib(&self) -> Result<String, Failed> {
        std::fs::read_to_string(self.directory.path().join("cib.xml")).map_err(wrong)
    }

    /// The shell has ended, and well.
    fn leave(&mut self) -> Result<(), Failed> {
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

fn session() -> Result<(), Failed> {
    let mut t = Terminal::open()?;
    t.prompt("# ")?;
    t.line("configure")?;
    t.prompt("configure# ")?;
    t.line("property cluster-name=one")?;
    t.prompt("configure*1# ")?;
    t.line("commit")?;
    t.expect("cluster-name=one")?;
    t.prompt("configure# ")?;
    if !t.cib()?.contains("cluster-name") {
        return Err("nothing was written".into());
    }
    t.line("property no-quorum-polic=stop")?;
    t.expect("did you mean 'no-quorum-policy'")?;
    t.prompt("configure*1# ")?;
    t.line("quit")?;
    t.expect("Commit them")?;
    t.press("n\r")?;
    t.leave()
}

fn completion() -> Result<(), Failed> {
    let mut t = Terminal::open()?;
    t.prompt("# ")?;
    t.press("configure prop\t")?;
    t.expect("property")?;
    t.press("no-quorum-policy=fr\t\r")?;
    t.expect("+ \tno-quorum-policy=freeze")?;
    t.prompt("# ")?;
    t.press("\x04")?;
    t.leave()
}

fn interrupt() -> Result<(), Failed> {
    let mut t = Terminal::open()?;
    t.prompt("# ")?;
    t.line("configure")?;
    t.prompt("configure# ")?;
    t.line("property cluster-name=two")?;
    t.prompt("configure*1# ")?;
    t.press("garbage\x03")?;
    t.expect("1 change is not committed")?;
    t.prompt("configure*1# ")?;
    t.line("commit")?;
    t.prompt("configure# ")?;
    t.press("\x04")?;
    t.leave()
}

fn continuation() -> Result<(), Failed> {
    let mut t = Terminal::open()?;
    t.prompt("# ")?;
    t.line("configure")?;
    t.prompt("configure# ")?;
    t.press("property \\\r")?;
    t.line("cluster-name=three")?;
    t.prompt("configure*1# ")?;
    t.line("commit")?;
    t.prompt("configure# ")?;
    t.line("quit")?;
    t.leave()
}
