//! The prompt, through a real pseudo-terminal.
//!
//! Started with `--as-shell` as its first argument, this program is the shell.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitCode};

use crm_tests::terminal::{READING, Terminal};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const AS_SHELL: &str = "--as-shell";

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
        Trial::test("completion_lists_what_can_stand_there", completion_list),
        Trial::test("an_edit_that_is_wrong_is_opened_again_with_the_faults", edit_again),
        Trial::test("an_edit_can_be_given_up", edit_given_up),
        Trial::test(
            "an_interrupt_while_a_line_runs_keeps_what_is_not_committed",
            interrupt_at_work,
        ),
        Trial::test("an_interrupt_answers_a_question_with_no", interrupt_at_a_question),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A shell on a file of its own.
struct Session {
    t: Terminal,
    directory: tempfile::TempDir,
}

impl Session {
    fn open() -> Result<Session, Failed> {
        let directory = tempfile::tempdir()?;
        let home = directory.path();
        std::fs::write(home.join("cib.xml"), CIB)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg(AS_SHELL)
            .env("CIB_file", home.join("cib.xml"))
            .env("EDITOR", home.join("editor"))
            .env("HOME", home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_CONFIG_HOME", home.join("config"));
        Ok(Session { t: Terminal::start(command)?, directory })
    }

    /// A shell that is in `configure` already.
    fn configure() -> Result<Session, Failed> {
        let mut session = Session::open()?;
        session.t.prompt("# ")?;
        session.t.line("configure")?;
        session.t.prompt("configure# ")?;
        Ok(session)
    }

    fn cib(&self) -> Result<String, Failed> {
        Ok(std::fs::read_to_string(self.directory.path().join("cib.xml"))?)
    }

    fn file(&self, name: &str) -> Result<String, Failed> {
        Ok(std::fs::read_to_string(self.directory.path().join(name))?)
    }

    /// What $EDITOR is: a script that gets the file as its argument and its place as `$home`.
    fn editor(&self, script: &str) -> Result<(), Failed> {
        let path = self.directory.path().join("editor");
        let home = self.directory.path().display();
        std::fs::write(&path, format!("#!/bin/sh\nhome={home}\n{script}\n"))?;
        Ok(std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?)
    }
}

fn session() -> Result<(), Failed> {
    let mut s = Session::configure()?;
    let t = &mut s.t;
    t.line("property cluster-name=one")?;
    t.prompt("configure*1# ")?;
    t.line("commit")?;
    t.expect("cluster-name=one")?;
    t.prompt("configure# ")?;
    if !s.cib()?.contains("cluster-name") {
        return Err("nothing was written".into());
    }
    let t = &mut s.t;
    t.line("property no-quorum-polic=stop")?;
    t.expect("did you mean 'no-quorum-policy'")?;
    t.prompt("configure*1# ")?;
    t.line("quit")?;
    t.expect("Commit them")?;
    t.press("n\r")?;
    t.leave()
}

fn completion() -> Result<(), Failed> {
    let mut s = Session::open()?;
    let t = &mut s.t;
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
    let mut s = Session::configure()?;
    let t = &mut s.t;
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
    let mut s = Session::configure()?;
    let t = &mut s.t;
    t.press("property \\\r")?;
    t.line("cluster-name=three")?;
    t.prompt("configure*1# ")?;
    t.line("commit")?;
    t.prompt("configure# ")?;
    t.line("quit")?;
    t.leave()
}

fn completion_list() -> Result<(), Failed> {
    let mut s = Session::configure()?;
    let t = &mut s.t;
    t.press("location l1 nothing \x15order o Man\t")?;
    t.expect("Mandatory:")?;
    t.press("\x15property no-\t\t")?;
    t.expect("no-quorum-policy=")?;
    t.press("\x15s\t\t")?;
    for name in ["schema", "simulate"] {
        t.expect(name)?;
    }
    t.press("\x15quit\r")?;
    t.leave()
}

/// The editor breaks the text, then looks at what it gets back, and mends it.
fn edit_again() -> Result<(), Failed> {
    let mut s = Session::configure()?;
    s.editor(
        "cp \"$1\" \"$home/seen\"\n\
         if grep -q '^#!' \"$1\"; then sed -i s/no-quorum-polic=/no-quorum-policy=/ \"$1\"\n\
         else echo 'property no-quorum-polic=stop' >> \"$1\"; echo 'locatin x' >> \"$1\"; fi\n\
         [ -e \"$home/mended\" ] && sed -i '/^locatin/d' \"$1\"; touch \"$home/mended\"",
    )?;
    let t = &mut s.t;
    t.line("edit")?;
    t.expect("locatin")?;
    t.expect("Edit again (y/n)?")?;
    t.press("y\r")?;
    t.prompt("configure*1# ")?;
    let seen = s.file("seen")?;
    let faults: Vec<&str> = seen.lines().take_while(|l| l.starts_with("#! ")).collect();
    let said = |what: &str| faults.iter().any(|l| l.contains(what));
    if !said("locatin") || !said("location") || !seen.contains("\nlocatin x\n") {
        return Err(format!("the editor was shown: {seen}").into());
    }
    let t = &mut s.t;
    t.line("commit")?;
    t.prompt("configure# ")?;
    let cib = s.cib()?;
    if !cib.contains("no-quorum-policy") || cib.contains("locatin") {
        return Err(cib.into());
    }
    s.t.line("quit")?;
    s.t.leave()
}

fn edit_given_up() -> Result<(), Failed> {
    let mut s = Session::configure()?;
    s.editor("echo 'locatin x' >> \"$1\"")?;
    let t = &mut s.t;
    t.line("edit")?;
    t.expect("Edit again (y/n)?")?;
    t.press("n\r")?;
    t.prompt("configure# ")?;
    s.editor("exit 3")?;
    let t = &mut s.t;
    t.line("edit")?;
    t.expect("nothing was changed")?;
    t.prompt("configure# ")?;
    t.line("quit")?;
    t.leave()
}

/// Sends what Ctrl-C sends to the program at the front of a terminal.
fn press_interrupt(t: &Terminal) -> Result<(), Failed> {
    Ok(kill(Pid::from_raw(t.pid()), Signal::SIGINT)?)
}

fn interrupt_at_work() -> Result<(), Failed> {
    let mut s = Session::configure()?;
    s.editor("echo > \"$home/open\"; while [ ! -e \"$home/close\" ]; do sleep 0.1; done")?;
    let t = &mut s.t;
    t.line("property cluster-name=four")?;
    t.prompt("configure*1# ")?;
    t.line("edit")?;
    let (open, close) = (s.directory.path().join("open"), s.directory.path().join("close"));
    while !open.exists() {
        std::thread::yield_now();
    }
    press_interrupt(&s.t)?;
    press_interrupt(&s.t)?;
    std::fs::write(close, "")?;
    let t = &mut s.t;
    t.expect("1 change is not committed")?;
    t.prompt("configure*1# ")?;
    t.line("commit")?;
    t.prompt("configure# ")?;
    t.line("quit")?;
    t.leave()
}

fn interrupt_at_a_question() -> Result<(), Failed> {
    let mut s = Session::configure()?;
    let t = &mut s.t;
    t.line("property cluster-name=five")?;
    t.prompt("configure*1# ")?;
    t.line("refresh")?;
    t.expect("All changes will be dropped. Go on (y/n)? ")?;
    press_interrupt(t)?;
    t.expect("1 change is not committed")?;
    t.expect(READING)?;
    t.press("\x04")?;
    t.expect("Commit them (y/n)? ")?;
    t.press("y\r")?;
    t.leave()?;
    if s.cib()?.contains("five") { Ok(()) } else { Err("it was not committed".into()) }
}
