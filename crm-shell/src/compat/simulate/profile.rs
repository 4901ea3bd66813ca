//! `crm_simulate --profile`: how long the scheduler takes for the files of a directory (O-28).

use std::path::PathBuf;
use std::time::Instant;

use crm_core::cib::{Element, parse};
use crm_core::rules::Moment;
use crm_core::scheduler::{self, Input};

use super::wall_clock;
use crate::compat::exit::Exit;
use crate::compat::output::Output;
use crate::render::report::Part;

/// Times every `*.xml` file, `repeat` runs each.
pub fn profile(directory: &str, repeat: u32, output: &mut Output<'_>) -> Exit {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|e| e == "xml"))
        .filter(|path| {
            path.file_name().and_then(|n| n.to_str()).is_some_and(|n| !n.starts_with('.'))
        })
        .collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    let (mut items, mut timings) = (Vec::new(), Element::new("timings"));
    for file in files {
        let Some(seconds) = time(&file, repeat) else { continue };
        let name = file.display().to_string();
        items.push(Part::item(format!("Testing {name} ... {seconds:.2} secs")));
        timings.push(
            Element::new("timing").with("file", name).with("duration", format!("{seconds:.6}")),
        );
    }
    if !items.is_empty() {
        output.text(&Part::list("Timings", items));
        output.element(timings);
    }
    Exit::OK
}

fn time(file: &PathBuf, repeat: u32) -> Option<f64> {
    let cib = parse(&std::fs::read_to_string(file).ok()?).ok()?;
    let now = Moment { epoch: wall_clock(), offset: 0 };
    let begin = Instant::now();
    for _ in 0..repeat {
        let input = Input::new(&cib, now);
        std::hint::black_box(scheduler::schedule(&input));
    }
    Some(begin.elapsed().as_secs_f64())
}
