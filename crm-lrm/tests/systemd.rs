//! Units, against a systemd that is played by the test: over a real D-Bus connection, but with
//! whatever moods are wanted.

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Bench, operation};
use crm_lrm::operation::{ExecutionStatus, ExitCode};
use crm_lrm::systemd::SystemdPlaces;
use tokio::net::UnixListener;
use zbus::object_server::SignalEmitter;
use zbus::{ObjectPath, OwnedObjectPath, fdo, interface};

const LONG: Duration = Duration::from_secs(60);
const ONCE: Duration = Duration::ZERO;

/// How the played systemd behaves.
#[derive(Default)]
struct Moods {
    /// ActiveState of each unit that exists.
    units: BTreeMap<String, &'static str>,
    /// The result that jobs end with instead of `done`.
    result: Option<&'static str>,
    /// Jobs end without a signal.
    silent: bool,
    /// Connections to close when a job is asked for, as `daemon-reexec` does.
    reexecs: u32,
    /// What was called, in order.
    log: Vec<String>,
}

type Shared = Arc<Mutex<Moods>>;

struct Manager(Shared);
struct Unit(Shared, &'static str);

fn path(name: &str) -> OwnedObjectPath {
    let plain = name.replace(['.', '-'], "_");
    ObjectPath::try_from(format!("/org/freedesktop/systemd1/unit/{plain}")).expect("a path").into()
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn load_unit(&self, name: String) -> OwnedObjectPath {
        path(&name)
    }

    async fn start_unit(
        &self,
        name: String,
        mode: String,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> fdo::Result<OwnedObjectPath> {
        self.job("start", "active", &name, &mode, &emitter).await
    }

    async fn stop_unit(
        &self,
        name: String,
        mode: String,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> fdo::Result<OwnedObjectPath> {
        self.job("stop", "inactive", &name, &mode, &emitter).await
    }

    fn subscribe(&self) {}

    fn reload(&self) {
        self.0.lock().expect("no panic").log.push("reload".to_owned());
    }

    #[zbus(signal)]
    async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        job: OwnedObjectPath,
        unit: &str,
        result: &str,
    ) -> zbus::Result<()>;
}

impl Manager {
    async fn job(
        &self,
        verb: &str,
        state: &'static str,
        name: &str,
        mode: &str,
        emitter: &SignalEmitter<'_>,
    ) -> fdo::Result<OwnedObjectPath> {
        let (result, silent, away) = {
            let mut moods = self.0.lock().expect("no panic");
            moods.log.push(format!("{verb} {name} {mode}"));
            let away = moods.reexecs > 0;
            moods.reexecs = moods.reexecs.saturating_sub(1);
            if !away && moods.result.is_none() {
                moods.units.insert(name.to_owned(), state);
            }
            (moods.result.unwrap_or("done"), moods.silent, away)
        };
        if away {
            let _ = emitter.connection().clone().close().await;
            return Err(fdo::Error::NoReply("systemd begins again".to_owned()));
        }
        let job: OwnedObjectPath =
            ObjectPath::try_from("/org/freedesktop/systemd1/job/7").expect("a path").into();
        // The end of another job, and of this one before its answer: neither may confuse.
        let other = path("other");
        Self::job_removed(emitter, 6, other, name, "failed").await.expect("it is sent");
        if !silent {
            Self::job_removed(emitter, 7, job.clone(), name, result).await.expect("it is sent");
        }
        Ok(job)
    }
}

#[interface(name = "org.freedesktop.systemd1.Unit")]
impl Unit {
    #[zbus(property)]
    fn active_state(&self) -> String {
        let mut moods = self.0.lock().expect("no panic");
        let state = moods.units.get(self.1).copied().unwrap_or("inactive");
        if state == "activating" {
            // The next look finds it active.
            moods.units.insert(self.1.to_owned(), "active");
        }
        state.to_owned()
    }

    #[zbus(property)]
    fn load_state(&self) -> &'static str {
        let known = self.0.lock().expect("no panic").units.contains_key(self.1);
        if known { "loaded" } else { "not-found" }
    }

    #[zbus(property)]
    fn job(&self) -> (u32, OwnedObjectPath) {
        (0, ObjectPath::try_from("/").expect("a path").into())
    }
}

/// An executor whose systemd is played.
fn stage(moods: Moods) -> (Bench, Shared) {
    let moods: Shared = Arc::new(Mutex::new(moods));
    let bench = Bench::with(|config| {
        let socket = config.run_dir.with_file_name("systemd");
        let listener = UnixListener::bind(&socket).expect("a socket");
        config.systemd = SystemdPlaces {
            peer: Some(format!("unix:path={}", socket.display())),
            units: config.run_dir.with_file_name("units"),
        };
        tokio::spawn(serve(listener, Arc::clone(&moods)));
    });
    (bench, moods)
}

async fn serve(listener: UnixListener, moods: Shared) {
    let mut connections = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        let stream = stream.into_std().expect("a stream");
        let mut builder = zbus::connection::Builder::unix_stream(stream)
            .server(zbus::Guid::generate())
            .p2p()
            .serve_at("/org/freedesktop/systemd1", Manager(Arc::clone(&moods)));
        for name in ["web.service", "none.service"] {
            builder = builder.serve_at(path(name), Unit(Arc::clone(&moods), name));
        }
        connections.push(builder.build().await.expect("a connection"));
    }
}

fn web(state: &'static str) -> Moods {
    Moods { units: BTreeMap::from([("web.service".to_owned(), state)]), ..Moods::default() }
}

async fn once(bench: &mut Bench, unit: &str, action: &str) -> (ExecutionStatus, i32, String) {
    bench.lrm.execute(operation("web", unit, action, ONCE, LONG, &[]));
    let result = bench.result().await;
    (result.status, result.exit.0, result.exit_reason)
}

#[tokio::test]
async fn a_unit_is_started_watched_and_stopped() {
    let (mut bench, moods) = stage(web("inactive"));
    let drop_in = bench.path("units/web.service.d/50-crm.conf");
    for (action, exit) in [("monitor", 7), ("start", 0), ("monitor", 0)] {
        assert_eq!(once(&mut bench, "systemd:web", action).await.1, exit, "{action}");
    }
    let text = std::fs::read_to_string(&drop_in).expect("it is there while the unit is ours");
    assert!(text.contains("Restart=no") && text.contains("Before=crm.service"));
    for (action, exit) in [("stop", 0), ("monitor", 7)] {
        assert_eq!(once(&mut bench, "systemd:web", action).await.1, exit, "{action}");
    }
    assert!(!drop_in.exists());
    let log = std::mem::take(&mut moods.lock().expect("no panic").log);
    assert_eq!(log, ["reload", "start web.service replace", "stop web.service replace", "reload"]);
    assert_eq!(once(&mut bench, "systemd:web", "promote").await.1, 3);
}

#[tokio::test]
async fn a_job_that_fails_is_explained() {
    let (mut bench, _) = stage(Moods { result: Some("dependency"), ..web("inactive") });
    let (status, exit, reason) = once(&mut bench, "systemd:web", "start").await;
    assert_eq!((status, exit), (ExecutionStatus::Done, 1));
    assert!(reason.contains("dependency") && reason.contains("journalctl -u web"), "{reason}");
}

#[tokio::test]
async fn the_end_of_a_job_is_seen_without_its_signal() {
    let (mut bench, _) = stage(Moods { silent: true, ..web("inactive") });
    assert_eq!(once(&mut bench, "systemd:web", "start").await.1, 0);
}

#[tokio::test]
async fn a_systemd_that_begins_again_is_waited_for() {
    let (mut bench, moods) = stage(Moods { reexecs: 2, ..web("inactive") });
    assert_eq!(once(&mut bench, "systemd:web", "start").await.1, 0);
    let starts =
        moods.lock().expect("no panic").log.iter().filter(|l| l.starts_with("start")).count();
    assert_eq!(starts, 3);
}

#[tokio::test]
async fn states_on_their_way_are_waited_for_and_failed_is_stopped() {
    let (mut bench, moods) = stage(web("activating"));
    assert_eq!(once(&mut bench, "systemd:web", "monitor").await.1, 0);
    for (state, exit) in [("failed", 7), ("reloading", 0), ("inactive", 7)] {
        moods.lock().expect("no panic").units.insert("web.service".to_owned(), state);
        assert_eq!(once(&mut bench, "systemd:web", "monitor").await.1, exit, "{state}");
    }
}

/// `systemd_stress` of Pacemaker's suite: many resources of one unit at a time, over one bus.
#[tokio::test]
async fn many_operations_share_the_bus() {
    let (mut bench, _) = stage(web("active"));
    for number in 0..100 {
        let resource = format!("web{number}");
        bench.lrm.execute(operation(&resource, "systemd:web", "monitor", ONCE, LONG, &[]));
    }
    for _ in 0..100 {
        assert_eq!(bench.result().await.exit, ExitCode::OK);
    }
}

#[tokio::test]
async fn a_unit_that_is_not_there() {
    let (mut bench, _) = stage(web("inactive"));
    for action in ["monitor", "start"] {
        let (status, exit, reason) = once(&mut bench, "service:none", action).await;
        assert_eq!((status, exit), (ExecutionStatus::NotInstalled, 5), "{action}");
        assert!(reason.contains("none.service"), "{reason}");
    }
    assert_eq!(once(&mut bench, "service:none", "stop").await.1, 0);
}

#[tokio::test]
async fn a_host_without_systemd_says_so() {
    let mut bench = Bench::with(|config| {
        let nowhere = config.run_dir.with_file_name("nowhere");
        config.systemd.peer = Some(format!("unix:path={}", nowhere.display()));
    });
    let (status, exit, reason) = once(&mut bench, "systemd:web", "start").await;
    assert_eq!((status, ExitCode(exit)), (ExecutionStatus::NotInstalled, ExitCode::NOT_INSTALLED));
    assert!(reason.contains("not run by systemd"), "{reason}");
}

#[tokio::test]
async fn a_unit_that_takes_too_long_times_out_and_can_be_taken_back() {
    let moods = Moods { silent: true, ..web("deactivating") };
    let (mut bench, _) = stage(moods);
    let short = Duration::from_millis(300);
    bench.lrm.execute(operation("web", "systemd:web", "monitor", ONCE, short, &[]));
    assert_eq!(bench.result().await.status, ExecutionStatus::Timeout);
    bench.lrm.execute(operation("web", "systemd:web", "monitor", LONG, LONG, &[]));
    common::until(|| !bench.lrm.running().is_empty()).await;
    assert!(bench.lrm.cancel("web", "monitor", LONG));
    assert_eq!(bench.result().await.status, ExecutionStatus::Cancelled);
}
