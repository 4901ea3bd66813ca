//! `crm_mon --daemonize`: the same command again, without a terminal, that nobody waits for.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::compat::console::{Console, Sink};
use crate::compat::exit::Exit;

/// Says to the process in the background that it is the one.
const MARK: &str = "CRM_MON_IN_BACKGROUND";

/// Whether this process runs in the background.
pub fn is_this() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Starts it and writes its number, which is there when this returns: whoever looks for it next
/// (the agent ClusterMon) finds it. If the process of an older file still runs, nothing is done.
pub fn start(arguments: &[String], pid_file: Option<&str>, sink: &mut dyn Sink) -> Exit {
    if let Some(file) = pid_file
        && runs(file)
    {
        return Exit::OK;
    }
    let child = Command::new("/proc/self/exe")
        .arg0("crm_mon")
        .args(without_daemonize(arguments))
        .env(MARK, "1")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let started = child.and_then(|child| match pid_file {
        Some(file) => {
            std::fs::File::create(file).and_then(|mut f| writeln!(f, "{:>10}", child.id()))
        }
        None => Ok(()),
    });
    match started {
        Ok(()) => Exit::OK,
        Err(error) => {
            let file = pid_file.unwrap_or_default();
            Console::new(sink)
                .error(&format!("crm_mon: cannot go on in the background: {file}: {error}"));
            Exit::CANNOT_CREATE
        }
    }
}

/// Whether the file has the number of a process that shows the status.
fn runs(file: &str) -> bool {
    let pid = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u32>().ok());
    pid.filter(|pid| *pid != std::process::id()).is_some_and(|pid| {
        let line = std::fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline"));
        line.is_ok_and(|line| line.starts_with(b"crm_mon\0"))
    })
}

/// The arguments for the process in the background; `-d` may stand among other letters.
fn without_daemonize(arguments: &[String]) -> Vec<String> {
    let plain = |text: &String| text.starts_with('-') && !text.starts_with("--");
    let valued = |letter: char| "UIpihxmLE e".contains(letter);
    let mut kept = Vec::new();
    for argument in arguments {
        if argument == "--daemonize" {
            continue;
        }
        if !plain(argument) {
            kept.push(argument.clone());
            continue;
        }
        // After a letter that takes a value the rest is that value.
        let letters: Vec<char> = argument.chars().collect();
        let end = letters.iter().position(|c| valued(*c)).unwrap_or(letters.len());
        let (flags, value) = letters.split_at(end);
        let flags = flags.iter().filter(|c| **c != 'd');
        let text: String = flags.chain(value).collect();
        if text != "-" {
            kept.push(text);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_goes_and_values_stay() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (given, kept) in [
            ("-d -p /a -i 2 -h /b", "-p /a -i 2 -h /b"),
            ("-rd --daemonize -hd", "-r -hd"),
            ("--output-to=d -dp/d", "--output-to=d -p/d"),
        ] {
            assert_eq!(without_daemonize(&words(given)), words(kept), "{given}");
        }
    }
}
