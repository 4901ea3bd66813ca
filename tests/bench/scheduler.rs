//! What a run of the scheduler costs: `CRM_BIN=target/release/crm cargo bench -p crm-core`.
//!
//! Runs our `crm_simulate` and Pacemaker's on the same inputs and prints processor time and peak
//! memory of both, the ratio, and what was aimed at. Inputs come from the lab's generator and the
//! regression suite beside the repository; what is not there is left out, and that is said.
//! `CRM_BENCH_INPUTS` is a directory to keep generated inputs in. With `--long`, Pacemaker also
//! runs what takes it minutes.

// A program for people to read; what fails here ends it.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// The crm_simulate of the installed Pacemaker.
const PEER: &str = "/usr/sbin/crm_simulate";
/// How this program is called to measure one command.
const MEASURE: &str = "--measure-one";

/// What a command cost.
#[derive(Clone, Copy)]
struct Cost {
    time: Duration,
    peak_kib: i64,
}

fn time(usage: &Usage) -> Duration {
    let used = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(used.try_into().unwrap())
}

/// Runs one command and prints its cost: memory is only known as the peak of all children, so
/// each is the only child of a process of its own.
fn measure_one(words: &[String]) {
    let status = Command::new(&words[0]).args(&words[1..]).stdout(Stdio::null()).status().unwrap();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let code = status.code().unwrap_or(-1);
    println!("{} {} {code}", time(&usage).as_micros(), usage.max_rss());
}

/// The cheapest of some runs: the others were disturbed.
fn cost(times: u32, command: &[&str], arguments: &[&str]) -> Cost {
    let runs = (0..times).map(|_| {
        let mut measure = Command::new(std::env::current_exe().unwrap());
        measure.arg(MEASURE).args(command).args(arguments).stderr(Stdio::null());
        let text = String::from_utf8(measure.output().unwrap().stdout).unwrap();
        let numbers: Vec<i64> = text.split_whitespace().map(|n| n.parse().unwrap()).collect();
        assert_eq!(numbers[2], 0, "{command:?} {arguments:?} failed");
        Cost { time: Duration::from_micros(numbers[0].try_into().unwrap()), peak_kib: numbers[1] }
    });
    runs.min_by_key(|cost| cost.time).unwrap()
}

/// What is compared.
struct Bench {
    ours: Vec<String>,
    peer: Option<&'static str>,
    inputs: PathBuf,
    shared: PathBuf,
    long: bool,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|w| w == MEASURE) {
        return measure_one(&words[1..]);
    }
    let Some(executable) = std::env::var("CRM_BIN").ok().filter(|path| !path.is_empty()) else {
        println!("nothing measured: CRM_BIN does not name the built executable");
        return;
    };
    let load = || std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine: {}", load().trim());
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var("CRM_BENCH_INPUTS").ok().map(PathBuf::from);
    let peer = Path::new(PEER).exists().then_some(PEER);
    if peer.is_none() {
        println!("{PEER} is not installed: no ratios");
    }
    let bench = Bench {
        ours: vec![executable, "crm_simulate".into()],
        peer,
        inputs: kept.unwrap_or_else(|| temporary.path().to_owned()),
        shared: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        long: words.iter().any(|w| w == "--long"),
    };
    bench.suite();
    bench.scale();
    println!("load of the machine: {}", load().trim());
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

impl Bench {
    fn ours(&self, times: u32, arguments: &[&str]) -> Cost {
        let command: Vec<&str> = self.ours.iter().map(String::as_str).collect();
        cost(times, &command, arguments)
    }

    /// Measures both and prints a line; `aim` says what the ratio of times should be.
    fn beside(&self, name: &str, times: u32, arguments: &[&str], aim: &str, slow: bool) -> Cost {
        let ours = self.ours(times, arguments);
        let mib = |cost: Cost| cost.peak_kib / 1024;
        print!("{name}: {} and {} MiB", milliseconds(ours.time), mib(ours));
        match self.peer.filter(|_| !slow || self.long) {
            Some(peer) => {
                let times = if slow { 1 } else { times.min(3) };
                let theirs = cost(times, &[peer], arguments);
                let faster = theirs.time.as_secs_f64() / ours.time.as_secs_f64();
                let memory = theirs.peak_kib as f64 / ours.peak_kib as f64;
                println!(
                    "; theirs {} and {} MiB: {faster:.0} times faster, 1/{memory:.1} of the \
                     memory (aim: {aim})",
                    milliseconds(theirs.time),
                    mib(theirs)
                );
            }
            None => println!(" (aim: {aim}; theirs not measured)"),
        }
        ours
    }

    /// The regression suite: one file as a command, and all of them in one process.
    fn suite(&self) {
        let directory = self.shared.join("conformance/scheduler/xml");
        let Ok(entries) = std::fs::read_dir(&directory) else {
            println!("no regression suite at {}: left out", directory.display());
            return;
        };
        let mut files: Vec<(u64, PathBuf)> = entries
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.metadata().unwrap().len(), entry.path()))
            .collect();
        files.sort_unstable();
        let typical = files[files.len() / 2].1.to_string_lossy().into_owned();
        let arguments = ["-x", &typical, "-S"];
        self.beside("one file of the suite", 20, &arguments, "10 times", false);
        let all = directory.to_string_lossy().into_owned();
        self.beside("the suite in one process", 3, &["--profile", &all], "5 times", false);
    }

    /// A generated cluster.
    fn input(&self, nodes: u32, resources: u32, history: bool) -> Option<String> {
        let cold = if history { "" } else { "-cold" };
        let path = self.inputs.join(format!("s{nodes}x{resources}{cold}.xml"));
        let path = path.to_string_lossy().into_owned();
        if Path::new(&path).exists() {
            return Some(path);
        }
        let script = self.shared.join("lab/scale_cib.py");
        let mut make = Command::new("python3");
        make.arg(&script).args([nodes.to_string(), resources.to_string()]).arg(&path);
        if !history {
            make.arg("--no-history");
        }
        let made = script.exists() && make.status().is_ok_and(|status| status.success());
        made.then_some(path)
    }

    /// Clusters of growing size: nothing to do, and a node that fails.
    fn scale(&self) {
        let sizes = [
            (5, 100, "-", false),
            (16, 500, "30 times", false),
            (32, 1000, "100 times, 1/10 of the memory", false),
            (64, 4000, "4 s, 450 MiB", true),
        ];
        let mut growth = [Vec::new(), Vec::new()];
        for (nodes, resources, aim, slow) in sizes {
            let Some(input) = self.input(nodes, resources, true) else {
                println!("no generated clusters (scale_cib.py or python3 is missing): left out");
                return;
            };
            let times = if slow { 2 } else { 5 };
            let still = ["-x", &input, "-R"];
            let lost = ["-x", &input, "-R", "-f", "node2"];
            let states = [("nothing to do", &still[..]), ("a node lost", &lost[..])];
            for (state, (what, arguments)) in states.into_iter().enumerate() {
                let name = format!("{nodes} nodes, {resources} resources, {what}");
                let cost = self.beside(&name, times, arguments, aim, slow);
                growth[state].push((f64::from(nodes * resources), cost.time.as_secs_f64()));
            }
            limits(&input);
        }
        for (what, points) in ["nothing to do", "a node lost"].iter().zip(&growth) {
            println!("growth, {what}: exponent {:.2} (aim: at most 1.15)", exponent(points));
        }
        if let Some(cold) = self.input(5, 100, false) {
            let arguments = ["-x", &cold, "-S"];
            self.beside("cold start of 5 nodes, 100 resources, -S", 5, &arguments, "0.1 s", true);
        }
    }
}

/// What nothing can be faster than that reads the text: getting it from the kernel, and taking
/// its XML apart without keeping anything.
fn limits(input: &str) {
    let used = || time(&getrusage(UsageWho::RUSAGE_SELF).unwrap());
    let begin = used();
    let text = std::fs::read_to_string(input).unwrap();
    let read = used();
    let mut reader = quick_xml::Reader::from_str(&text);
    let mut found = 0;
    loop {
        use quick_xml::events::Event;
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => {
                found += tag.attributes().with_checks(false).count();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    println!(
        "  its text: {} MiB, {} to read, {} to find its {found} attributes",
        text.len() >> 20,
        milliseconds(read - begin),
        milliseconds(used() - read)
    );
}

/// The slope of a line through the logarithms, by least squares.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let rise: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    rise / logs.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}
