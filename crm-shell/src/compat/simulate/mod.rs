//! `crm_simulate`: what the cluster would do about a CIB, and what would come of it.

mod input;
mod options;
mod profile;
mod run;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use super::console::{Console, Process, Sink};
use super::exit::Exit;
use super::output::{Output, ToFile, request};
use options::Request;
use run::Remains;

/// The program's name in messages.
const NAME: &str = "crm_simulate";

/// Runs the command on the process's own streams.
pub fn main(arguments: &[String]) -> ExitCode {
    let (exit, remains) = start(arguments, &mut Process);
    std::mem::forget(remains);
    exit.into()
}

/// Runs the command; everything it says goes to `sink`.
pub fn run(arguments: &[String], sink: &mut dyn Sink) -> Exit {
    start(arguments, sink).0
}

fn start(arguments: &[String], sink: &mut dyn Sink) -> (Exit, Remains) {
    let options = match options::read(arguments) {
        Ok(Request::Go(options)) => options,
        Ok(Request::Print(text)) => {
            let mut console = Console::new(sink);
            console.buffered(&text);
            console.finish();
            return (Exit::OK, Remains::default());
        }
        Err((text, exit)) => {
            Console::new(sink).error(&text);
            return (exit, Remains::default());
        }
    };
    let mut file;
    let sink: &mut dyn Sink = match &options.output_to {
        None => sink,
        Some(path) => match ToFile::create(path, sink) {
            Ok(to_file) => {
                file = to_file;
                &mut file
            }
            Err(error) => {
                Console::new(&mut Process).error(&format!("{NAME}: {path}: {error}"));
                return (Exit::CANNOT_CREATE, Remains::default());
            }
        },
    };
    let mut output = Output::new(sink, options.format, options.quiet);
    let (exit, remains) = match &options.profile {
        Some(directory) => {
            (profile::profile(directory, options.repeat, &mut output), Remains::default())
        }
        None => run::run(&options, &mut output),
    };
    (output.finish(&request(NAME, arguments), exit), remains)
}

/// The wall clock, in seconds of the epoch.
fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
