//! `crm_mon`: the state of the cluster, once or again and again.

mod agent;
mod background;
pub(super) mod fencing;
mod html;
mod options;
mod sections;
mod text;
mod xml;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crm_core::cib::Element;
use crm_core::rules::Moment;
use crm_core::scheduler::model::{Cluster, NodeIx, RscIx};
use crm_core::scheduler::{self, Input, input};

use super::console::{Console, Process, Sink};
use super::exit::Exit;
use super::output::{ToFile, request};
use crate::access::{self, Access, FileAccess};
use crate::render::report::{Style, write_text};
use crate::render::status::View;
use options::{Form, Options, Request};
use sections::Section;

/// The program's name in messages.
const NAME: &str = "crm_mon";

/// Everything that one display needs.
pub(super) struct Scene<'a> {
    cib: &'a Element,
    cluster: &'a Cluster,
    view: View,
    options: &'a Options,
    /// The wall clock, in seconds of the epoch.
    now: i64,
}

/// Runs the command on the process's own streams.
pub fn main(arguments: &[String]) -> ExitCode {
    run(arguments, &mut Process).into()
}

/// Runs the command; everything it says goes to `sink`.
pub fn run(arguments: &[String], sink: &mut dyn Sink) -> Exit {
    let options = match options::read(arguments) {
        Ok(Request::Go(options)) => options,
        Ok(Request::Print(text)) => return say(sink, &text),
        Err((text, exit)) => {
            Console::new(sink).error(&text);
            return exit;
        }
    };
    if options.daemonize {
        return background::start(arguments, options.pid_file.as_deref(), sink);
    }
    let mut access: Box<dyn Access> = match &options.file {
        Some(file) => Box::new(FileAccess::new(file.into())),
        None => access::open(),
    };
    if options.web && !access.is_live() {
        say(sink, &html::refusal(&options, &format!("{NAME}: CGI mode used with CIB file")));
        return Exit::USAGE;
    }
    let request = request(NAME, arguments);
    let mut teller = agent::Teller::new(&options);
    loop {
        let exit = show(&options, &mut *access, &request, sink);
        // Nobody starts it again in the background: it waits for the cluster to come back.
        let patient = background::is_this() && exit == Exit::DISCONNECTED;
        if options.once || (exit != Exit::OK && !patient) {
            return exit;
        }
        wait(Duration::from_millis(options.interval_ms.max(100)), &mut *access, teller.as_mut());
    }
}

/// How often the cluster is looked at for news, however seldom it is shown.
const NEWS: Duration = Duration::from_millis(250);

/// Waits until the cluster is to be shown again. If there is somebody to tell, what happens
/// meanwhile is told.
fn wait(time: Duration, access: &mut dyn Access, mut teller: Option<&mut agent::Teller>) {
    let end = Instant::now() + time;
    loop {
        if let Some(teller) = &mut teller
            && let Ok(cib) = access.cib()
        {
            teller.look(&cib);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(if teller.is_some() { left.min(NEWS) } else { left });
    }
}

fn say(sink: &mut dyn Sink, text: &str) -> Exit {
    let mut console = Console::new(sink);
    console.buffered(text);
    console.finish();
    Exit::OK
}

/// One look at the cluster.
fn show(options: &Options, access: &mut dyn Access, request: &str, sink: &mut dyn Sink) -> Exit {
    let cib = match access.cib() {
        Ok(cib) => cib,
        Err(error) if access.is_live() => {
            let reason = error.to_string();
            let mut console = Console::new(sink);
            if options.simple {
                let line = "CLUSTER CRIT: Connection to cluster failed";
                console.error(&format!("{NAME}: {line}: {reason}"));
                return Exit(2);
            }
            console.error(&format!("error: {reason}"));
            console.error(&format!("{NAME}: Connection to cluster failed: Connection refused"));
            return Exit::DISCONNECTED;
        }
        Err(error) => return say(sink, &format!("Could not connect to the CIB: {error}\n")),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let moment = execution_date(&cib).unwrap_or(Moment { epoch: now, offset: 0 });
    let given = Input::new(&cib, moment);
    let mut cluster = scheduler::status(&given);
    if options.sections.has(Section::Bans) {
        // Only constraints forbid; what else they change must not show.
        let mut constrained = cluster.clone();
        input::constraints(&mut constrained, &given);
        cluster.locations = constrained.locations;
    }
    let scene = Scene { cib: &cib, view: view(&cluster, options), cluster: &cluster, options, now };
    let text = page(&scene, request);
    match &options.output_to {
        None => {
            let clear = options.form == Form::Console && !options.once;
            say(sink, &if clear { format!("\x1b[H\x1b[2J{text}") } else { text })
        }
        Some(path) => match ToFile::create(path, sink) {
            Ok(mut file) => say(&mut file, &text),
            Err(error) => {
                Console::new(sink).error(&format!("{NAME}: {path}: {error}"));
                Exit::CANNOT_CREATE
            }
        },
    }
}

fn execution_date(cib: &Element) -> Option<Moment> {
    let epoch = cib.attr("execution-date")?.parse().ok()?;
    Some(Moment { epoch, offset: 0 })
}

/// The display in the form that was asked for.
fn page(scene: &Scene<'_>, request: &str) -> String {
    if scene.options.simple {
        return text::simple(scene);
    }
    match scene.options.form {
        Form::Console | Form::Text => {
            let mut out = String::new();
            for part in text::parts(scene) {
                write_text(&mut out, &part, Style::Fancy, 0);
            }
            out
        }
        Form::Html => html::page(scene),
        Form::Xml => xml::document(scene, request).to_pretty(),
        Form::OldXml => xml::old_document(scene).to_pretty(),
        Form::None => String::new(),
    }
}

fn view(cluster: &Cluster, options: &Options) -> View {
    View {
        inactive: options.inactive,
        pending: true,
        detail: options.detail,
        brief: options.brief,
        without_nodes: false,
        individual_nodes: options.by_node || options.detail,
        only_nodes: options.node.as_deref().map(|name| nodes(cluster, name)),
        only_resources: options.resource.as_deref().map(|name| resources(cluster, name)),
    }
}

fn tagged<'a>(cluster: &'a Cluster, tag: &str) -> impl Iterator<Item = &'a str> {
    let found = cluster.tags.iter().find(|(id, _)| **id == *tag);
    found.into_iter().flat_map(|(_, ids)| ids.iter().map(|id| &**id))
}

fn nodes(cluster: &Cluster, name: &str) -> Vec<NodeIx> {
    match cluster.node_named(name) {
        Some(node) => vec![node],
        None => tagged(cluster, name).filter_map(|n| cluster.node_named(n)).collect(),
    }
}

fn resources(cluster: &Cluster, name: &str) -> Vec<RscIx> {
    let named = |id: &str| -> Vec<RscIx> {
        let is_it = |r: &RscIx| *cluster[*r].id == *id || *cluster[*r].xml_id == *id;
        cluster.all_resources().filter(is_it).collect()
    };
    match &named(name)[..] {
        [] => tagged(cluster, name).flat_map(named).collect(),
        found => found.to_vec(),
    }
}

/// Reads a document for the tests.
#[cfg(test)]
fn cluster_of(text: &str) -> (Element, Cluster) {
    let cib = crm_core::cib::parse(text).unwrap();
    let now = Moment { epoch: 0, offset: 0 };
    let cluster = scheduler::status(&Input::new(&cib, now));
    (cib, cluster)
}
