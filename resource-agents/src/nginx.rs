//! `nginx`: the web and proxy server.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::declare::{Action, Agent, Code, Context, Failure, Kind, Outcome, Parameter};
use crate::web::check::{self, Test};
use crate::web::config::{self, Config};
use crate::web::daemon;

const PROGRAMS: [&str; 2] = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"];
const LOOK: Duration = Duration::from_millis(50);
/// Every request must be done in this time, whatever the operation's own limit is.
const REQUEST: Duration = Duration::from_secs(20);

const fn text(name: &'static str, short: &'static str, long: &'static str) -> Parameter {
    Parameter { name, short, long, ..Parameter::OPTIONAL }
}

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "nginx",
    stands_in_for: &["heartbeat"],
    short: "The web and proxy server nginx",
    long: "Starts nginx with a configuration, checks that its main process runs and, with check \
           levels 10, 20 and 30, that it serves what it should.",
    parameters: &[
        Parameter {
            name: "configfile",
            unique: true,
            short: "Configuration",
            long: "Its main configuration file. Default: the one nginx was built with.",
            ..Parameter::OPTIONAL
        },
        text("httpd", "Program", "Where nginx is, if it is not in the usual places."),
        Parameter {
            name: "port",
            kind: Kind::Integer(1, 65535),
            short: "Port of the status page",
            long: "Default: the first one in the configuration.",
            ..Parameter::OPTIONAL
        },
        text(
            "status10url",
            "Page for check level 10",
            "Default: the location with stub_status in the configuration.",
        ),
        Parameter {
            name: "status10regex",
            default: Some("Reading: [0-9]+ Writing: [0-9]+ Waiting: [0-9]+"),
            short: "What must be in it",
            long: "A POSIX extended regular expression, case ignored.",
            ..Parameter::OPTIONAL
        },
        text(
            "testclient",
            "Program that fetches pages",
            "curl, wget or another one. Default: none is needed, but for https.",
        ),
        text("client", "The same", "The name by which scripts know testclient."),
        text("test20url", "Page for check level 20", "If it is no full URL, of this server."),
        text("test20regex", "What must be in it", "As status10regex."),
        text(
            "test20conffile",
            "File with tests for check level 20",
            "Lines \"test NAME\", url, match, user, password, client, client_opts, end.",
        ),
        text("test20name", "Which test of the file", "Default: the first."),
        text(
            "external_monitor30_cmd",
            "Command for check level 30",
            "A program and its arguments; 0 is well.",
        ),
        text("options", "More options", "Passed to nginx when it is started."),
    ],
    actions: &[
        Action::once("start", 40),
        Action::once("stop", 60),
        Action::once("reload", 40),
        Action::monitor(30, 10),
        Action::monitor_depth(30, 30, 10),
        Action::monitor_depth(45, 60, 20),
        Action::monitor_depth(60, 120, 30),
    ],
    run,
};

/// The server that the parameters describe.
struct Server<'a> {
    context: &'a Context,
    program: PathBuf,
    file: PathBuf,
    config: Config,
    pid_file: PathBuf,
}

fn run(context: &Context, action: &str) -> Outcome {
    let server = match Server::find(context) {
        Ok(server) => server,
        // What has no program or no configuration cannot run.
        Err(_) if action == "stop" => return Ok(Code::Ok),
        Err(_) if action == "monitor" => return Ok(Code::NotRunning),
        Err(failure) => return Err(failure),
    };
    match action {
        "start" => server.start(),
        "stop" => server.stop(),
        "reload" => server.reload(),
        "monitor" => server.monitor(),
        _ => server.validate(),
    }
}

impl<'a> Server<'a> {
    fn find(context: &'a Context) -> Result<Self, Failure> {
        let given = context.text("httpd").map(PathBuf::from);
        let usual = PROGRAMS.into_iter().map(PathBuf::from);
        let program = given.into_iter().chain(usual).find(|path| daemon::is_program(path));
        let program = program.ok_or_else(|| {
            Failure::new(Code::NotInstalled, "the program nginx is not installed")
        })?;
        let file = match context.text("configfile") {
            Some(file) => PathBuf::from(file),
            None => built_in(&program, "--conf-path=")
                .unwrap_or_else(|| PathBuf::from("/etc/nginx/nginx.conf")),
        };
        let wrong = |why: String| Failure::new(Code::NotConfigured, why);
        let config = config::nginx(&file).map_err(wrong)?;
        let pid_file = match config.first("pid").and_then(|words| words.first()) {
            Some(path) => PathBuf::from(path),
            None => {
                built_in(&program, "--pid-path=").unwrap_or_else(|| PathBuf::from("/run/nginx.pid"))
            }
        };
        Ok(Self { context, program, file, config, pid_file })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.context.text("options").unwrap_or_default().split_whitespace());
        command
    }

    fn main(&self) -> Option<i32> {
        daemon::main_process(&self.pid_file, &self.program)
    }

    /// nginx's own opinion of its configuration.
    fn check_config(&self) -> Result<(), String> {
        daemon::check(self.command().arg("-t").arg("-c").arg(&self.file))
    }

    fn addresses(&self) -> BTreeSet<SocketAddr> {
        let words = self.config.all("listen").filter_map(|words| words.first());
        words.filter_map(|word| config::listens_on(word)).collect()
    }

    fn start(&self) -> Outcome {
        if self.main().is_some() {
            return Ok(Code::Ok);
        }
        // The original's code, though 6 would fit better.
        self.check_config().map_err(|why| Failure::new(Code::NotInstalled, why))?;
        // Workers that outlived their main process would hold the ports.
        daemon::end(&self.pid_file, &self.program, &self.file, &[])?;
        self.ports_are_free(Code::Error)?;
        daemon::launch(self.command().arg("-c").arg(&self.file))?;
        let end = Instant::now() + self.context.timeout();
        loop {
            match self.monitor() {
                Ok(Code::NotRunning) if Instant::now() < end => sleep(LOOK),
                outcome => return outcome,
            }
        }
    }

    fn ports_are_free(&self, code: Code) -> Result<(), Failure> {
        match daemon::taken(&self.addresses()) {
            None => Ok(()),
            Some((address, holder)) => {
                Err(Failure::new(code, format!("{holder} listens on {address} already")))
            }
        }
    }

    fn stop(&self) -> Outcome {
        let half = self.context.timeout() / 2;
        daemon::end(&self.pid_file, &self.program, &self.file, &[(Signal::SIGTERM, half)])?;
        Ok(Code::Ok)
    }

    fn reload(&self) -> Outcome {
        match self.main() {
            Some(main) => {
                daemon::signal(&[main], Signal::SIGHUP);
                Ok(Code::Ok)
            }
            None => self.start(),
        }
    }

    fn monitor(&self) -> Outcome {
        if self.main().is_none() {
            let session = daemon::session_of(&self.pid_file, &self.program);
            let left = daemon::family(session, &self.program, &self.file);
            if session.is_none() || left.is_empty() {
                return Ok(Code::NotRunning);
            }
            let reason = format!("the main process has ended, but {} workers run", left.len());
            return Err(Failure::new(Code::Error, reason));
        }
        let level = self.context.variable("OCF_CHECK_LEVEL").and_then(|text| text.parse().ok());
        match level.unwrap_or(0) {
            ..10 => {}
            10..20 => self.status_test().perform(&self.base(), REQUEST)?,
            20..30 => self.extended_test()?.perform(&self.base(), REQUEST)?,
            _ => self.external()?,
        }
        Ok(Code::Ok)
    }

    fn client(&self) -> Option<&str> {
        self.context.text("testclient").or(self.context.text("client"))
    }

    /// Where the server is asked: the given port, or the first that it listens on.
    fn base(&self) -> String {
        if let Some(port) = self.context.text("port") {
            return format!("http://localhost:{port}");
        }
        let words = self.config.all("listen").filter_map(|words| words.first());
        let first = words.filter_map(|word| config::listens_on(word)).next();
        first.map_or("http://localhost:80".to_owned(), config::base_url)
    }

    fn status_test(&self) -> Test {
        let location = || self.config.location_of(&["stub_status"]).unwrap_or("/nginx_status");
        Test {
            url: self.context.text("status10url").unwrap_or_else(location).to_owned(),
            regex: self.context.text("status10regex").unwrap_or_default().to_owned(),
            client: self.client().map(str::to_owned),
            ..Test::default()
        }
    }

    fn extended_test(&self) -> Result<Test, Failure> {
        let names = ["test20conffile", "test20name", "test20url", "test20regex"];
        check::extended(self.context, names, self.client(), Code::NotConfigured)
    }

    fn external(&self) -> Result<(), Failure> {
        let wrong = |reason: String| Failure::new(Code::NotConfigured, reason);
        let mut words =
            self.context.text("external_monitor30_cmd").unwrap_or_default().split_whitespace();
        let program = words.next().ok_or_else(|| {
            wrong("check level 30 needs the parameter \"external_monitor30_cmd\"".to_owned())
        })?;
        if !check::installed(program) {
            return Err(wrong(format!("the command \"{program}\" is not installed")));
        }
        // The original's code for a check that fails.
        let failed = |why: String| Failure::new(Code::NotRunning, format!("{program}: {why}"));
        daemon::check(Command::new(program).args(words)).map_err(failed)
    }

    fn validate(&self) -> Outcome {
        for words in self.config.all("root") {
            let path = words.first().map_or("", String::as_str);
            if path.starts_with('/') && !path.contains('$') && !Path::new(path).is_dir() {
                let reason = format!("the document root {path} is not there");
                return Err(Failure::new(Code::Args, reason));
            }
        }
        let wrong = |why: String| Failure::new(Code::NotConfigured, why);
        self.check_config().map_err(wrong)?;
        if self.context.text("status10url").is_some() {
            self.status_test().sane()?;
        }
        if ["test20conffile", "test20url", "test20regex"]
            .iter()
            .any(|name| self.context.text(name).is_some())
        {
            self.extended_test()?.sane()?;
        }
        if self.main().is_none() {
            self.ports_are_free(Code::Args)?;
        }
        Ok(Code::Ok)
    }
}

/// A path that the program was built with.
fn built_in(program: &Path, option: &str) -> Option<PathBuf> {
    let output = Command::new(program).arg("-V").output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.split_whitespace().find_map(|word| word.strip_prefix(option)).map(PathBuf::from)
}
