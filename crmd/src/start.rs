//! From configuration, key and state on disk to a running daemon.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crm_lrm::{BuiltIn, Lrm, LrmConfig};
use crm_messaging::config::{AuthKey, ClusterConf, find_local, local_addresses};
use crm_messaging::engine::{self, EngineConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::controller::{Controller, Settings};
use crate::driver::{self, End, Surroundings};
use crate::journal::Journal;
use crate::reload::InForce;
use crate::{logging, server, storage};

/// Results and requests that may wait for the controller.
const QUEUE: usize = 1024;

/// What the executable brings along.
#[derive(Clone, Debug)]
pub struct Carried {
    /// Its agents.
    pub agents: Vec<BuiltIn>,
    /// Makes links to the executable, under every name it answers to, in a directory.
    pub make_links: fn(&Path) -> Result<(), String>,
}

/// Where things are; each has an environment override.
struct Places {
    config: PathBuf,
    authkey: PathBuf,
    state: PathBuf,
    run: PathBuf,
}

impl Places {
    fn from_environment() -> Places {
        let place = |name: &str, default: &str| {
            std::env::var_os(name).filter(|v| !v.is_empty()).map_or(default.into(), PathBuf::from)
        };
        Places {
            config: place("CRM_CONFIG", "/etc/crm/cluster.conf"),
            authkey: place("CRM_AUTHKEY", "/etc/crm/authkey"),
            state: place("CRM_STATE_DIR", "/var/lib/crm"),
            run: place("CRM_RUN_DIR", "/run/crm"),
        }
    }
}

/// Runs the daemon in the foreground until it has stopped.
pub fn run(arguments: &[String], carried: Carried) -> ExitCode {
    match arguments {
        [] => {}
        [option] if matches!(option.as_str(), "--help" | "-h") => {
            say_out(
                "Usage: crmd\n\nRuns the cluster daemon in the foreground. SIGTERM stops it \
                 cleanly: resources are moved away first.\n\nCRM_CONFIG (/etc/crm/cluster.conf), \
                 CRM_AUTHKEY (/etc/crm/authkey), CRM_STATE_DIR (/var/lib/crm) and CRM_RUN_DIR\n\
                 (/run/crm) name other places; CRM_LOG sets what is logged.",
            );
            return ExitCode::SUCCESS;
        }
        [option] if matches!(option.as_str(), "--version" | "-V") => {
            say_out(concat!("crmd ", env!("CARGO_PKG_VERSION")));
            return ExitCode::SUCCESS;
        }
        [other, ..] => {
            say(&format!("crmd: unexpected argument '{other}' (try --help)"));
            return ExitCode::from(64);
        }
    }
    match start(carried) {
        Ok(End::Clean) => ExitCode::SUCCESS,
        Ok(End::Failed(reason)) => {
            tracing::error!("{reason}");
            say(&format!("crmd: {reason}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("crmd: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn start(carried: Carried) -> Result<End, String> {
    let places = Places::from_environment();
    let conf = ClusterConf::load(&places.config)?;
    let key = AuthKey::load(&places.authkey).map_err(|e| e.to_string())?;
    let hostname = nix::unistd::gethostname().map_err(|e| e.to_string())?;
    let addresses = local_addresses().map_err(|e| format!("no network interfaces: {e}"))?;
    let local = find_local(&conf, &hostname.to_string_lossy(), &addresses)
        .map_err(|e| e.to_string())?
        .clone();
    let log = logging::start(&conf.logging)?;
    let text = std::fs::read_to_string(&places.config).unwrap_or_default();
    for warning in &conf.warnings {
        tracing::warn!("{}", warning.render(&places.config.display().to_string(), &text));
    }
    let _lock = prepare_directories(&places, &carried)?;
    let cib_dir = places.state.join("cib");
    let (replica, remarks) = storage::recover(&cib_dir).map_err(|e| e.to_string())?;
    remarks.iter().for_each(|r| tracing::warn!("{r}"));
    let history = places.state.join("history");
    let journal = Journal::start(&history)
        .map_err(|e| format!("cannot keep a history in {}: {e}", history.display()))?;
    let settings = Settings {
        cluster_name: conf.totem.cluster_name.clone(),
        local: local.id,
        nodes: conf.nodes.iter().map(|n| (n.id, n.name.clone())).collect(),
        incarnation: kernel_text("/proc/sys/kernel/random/uuid")?,
        boot: kernel_text("/proc/sys/kernel/random/boot_id")?,
        version: env!("CARGO_PKG_VERSION").to_string(),
        last_input: journal.last_input(),
    };
    let ring =
        EngineConfig::new(&conf, local.id, key, places.state.clone()).map_err(|e| e.to_string())?;
    let in_force = InForce::new(places.config.clone(), conf, log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let end = runtime.block_on(async {
        let secrets = crm_lrm::secrets::all(&places.state.join("secrets"));
        let controller = Controller::new(settings, replica).with_secrets(secrets);
        serve(&places, &local.name, controller, ring, journal, in_force, carried.agents).await
    });
    // Threads that still work for somebody (a plan, a device) are not waited for.
    runtime.shutdown_background();
    end
}

async fn serve(
    places: &Places,
    node: &str,
    controller: Controller,
    ring: EngineConfig,
    journal: Journal,
    in_force: InForce,
    agents: Vec<BuiltIn>,
) -> Result<End, String> {
    let catch = |kind| signal(kind).map_err(|e| e.to_string());
    let signals = [catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?];
    let (reported, stored) = mpsc::unbounded_channel();
    let report = move |result| {
        // The daemon may be ending.
        let _ = reported.send(result);
    };
    let cib_dir = places.state.join("cib");
    let storage = storage::start(&cib_dir, report)
        .map_err(|e| format!("cannot write to {}: {e}", cib_dir.display()))?;
    let (ring, events) = engine::start(ring).map_err(|e| e.to_string())?;
    let (done, results) = mpsc::channel(QUEUE);
    let config = LrmConfig {
        node_name: node.to_string(),
        run_dir: places.run.clone(),
        built_in: agents,
        secrets: places.state.join("secrets"),
        in_flight: Some(places.run.join("agents")),
        describe: true,
        // Our commands, called by agents, are to find this daemon.
        environment: [("CRM_RUN_DIR".to_string(), places.run.display().to_string())].into(),
        ..LrmConfig::default()
    };
    let lrm = Lrm::new(config, done);
    let (ask, requests) = mpsc::channel(QUEUE);
    let watchers = server::Watchers::default();
    let socket = places.run.join("crm.sock");
    server::start(&socket, ask, watchers.clone(), journal.archive(), node)
        .map_err(|e| format!("cannot serve on {}: {e}", socket.display()))?;
    say(&format!("crmd: {node} is ready"));
    let secrets = places.state.join("secrets");
    let around = Surroundings {
        secrets,
        in_force,
        ring,
        events,
        lrm,
        results,
        storage,
        stored,
        requests,
        watchers,
        journal,
        signals,
    };
    let end = driver::run(controller, around).await;
    // A client that comes later sees at once that nobody is there.
    let _ = std::fs::remove_file(&socket);
    Ok(end)
}

/// Makes the directories, takes the lock that only one daemon has, and the links agents call.
fn prepare_directories(
    places: &Places,
    carried: &Carried,
) -> Result<nix::fcntl::Flock<std::fs::File>, String> {
    let bin = places.run.join("bin");
    for directory in [&places.state, &places.run, &bin] {
        std::fs::create_dir_all(directory)
            .map_err(|e| format!("cannot make {}: {e}", directory.display()))?;
    }
    let path = places.run.join("crmd.lock");
    let file =
        std::fs::File::create(&path).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
    let lock = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock)
        .map_err(|_| format!("another crmd is running with {}", places.run.display()))?;
    if let Err(error) = (carried.make_links)(&bin) {
        tracing::warn!("agents will not find our commands: {error}");
    }
    // Agents of the field expect it; without the right to make it they say so themselves.
    if let Err(error) = std::fs::create_dir_all("/run/resource-agents") {
        tracing::debug!("cannot make /run/resource-agents: {error}");
    }
    Ok(lock)
}

fn kernel_text(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {path}: {e}"))?;
    Ok(text.trim().to_string())
}

fn say(line: &str) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn say_out(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
