//! `apache`: the Apache HTTP server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::declare::{Action, Agent, Code, Context, Failure, Kind, Outcome, Parameter};
use crate::web::check::{self, Test};
use crate::web::config::{self, Config};
use crate::web::daemon;
use crate::web::http::{self, Url};

const PROGRAMS: [&str; 6] = [
    "/usr/sbin/httpd2",
    "/usr/sbin/apache2",
    "/sbin/httpd",
    "/usr/sbin/httpd",
    "/usr/sbin/apache",
    "/opt/IBMHTTPServer/bin/httpd",
];
const CONFIGS: [&str; 3] =
    ["/etc/apache2/httpd.conf", "/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf"];
const LOOK: Duration = Duration::from_millis(50);
/// Every request must be done in this time, whatever the operation's own limit is.
const REQUEST: Duration = Duration::from_secs(15);

const fn text(name: &'static str, short: &'static str, long: &'static str) -> Parameter {
    Parameter { name, short, long, ..Parameter::OPTIONAL }
}

/// The declaration.
pub const AGENT: Agent = Agent {
    name: "apache",
    stands_in_for: &["heartbeat"],
    short: "The Apache HTTP server",
    long: "Starts Apache with a configuration and checks that it answers: by its status page or, \
           where no page is named, by any answer; with check level 10 by a page of your own.",
    parameters: &[
        Parameter {
            name: "configfile",
            unique: true,
            short: "Configuration",
            long: "Its main configuration file. Default: that of the distribution.",
            ..Parameter::OPTIONAL
        },
        text("httpd", "Program", "Where the server is, if it is not in the usual places."),
        Parameter {
            name: "port",
            kind: Kind::Integer(1, 65535),
            short: "Port of the status page",
            long: "Default: the first one in the configuration.",
            ..Parameter::OPTIONAL
        },
        text(
            "statusurl",
            "Status page",
            "Default: the location with the handler server-status in the configuration.",
        ),
        Parameter {
            name: "testregex",
            short: "What must be in it",
            long: "A POSIX extended regular expression, case ignored. Default: the end of a page.",
            ..Parameter::OPTIONAL
        },
        text(
            "client",
            "Program that fetches pages",
            "curl, wget or another one. Default: none is needed, but for https.",
        ),
        text("testurl", "Page for check level 10", "If it is no full URL, of this server."),
        text("testregex10", "What must be in it", "As testregex."),
        text(
            "testconffile",
            "File with tests for check level 10",
            "Lines \"test NAME\", url, match, user, password, client, client_opts, end.",
        ),
        text("testname", "Which test of the file", "Default: the first."),
        text("options", "More options", "Passed to the server when it is started."),
        Parameter {
            name: "envfiles",
            default: Some("/etc/apache2/envvars"),
            short: "Files with variables",
            long: "Shell scripts that export variables for the configuration.",
            ..Parameter::OPTIONAL
        },
        Parameter {
            name: "use_ipv6",
            kind: Kind::Boolean,
            default: Some("false"),
            short: "Ask by IPv6",
            long: "Ask [::1] where the configuration names no address.",
            ..Parameter::OPTIONAL
        },
    ],
    actions: &[
        Action::once("start", 40),
        Action::once("stop", 60),
        Action::once("reload", 40),
        Action::monitor(20, 10),
        Action::monitor_depth(20, 30, 10),
    ],
    run,
};

/// The server that the parameters describe.
struct Server<'a> {
    context: &'a Context,
    program: PathBuf,
    file: PathBuf,
    variables: BTreeMap<String, String>,
    config: Config,
    pid_file: PathBuf,
    /// The configuration does not say where the pid file is: we do.
    pid_by_us: bool,
}

fn run(context: &Context, action: &str) -> Outcome {
    let server = match Server::find(context) {
        Ok(server) => server,
        // What has no program or no configuration cannot run.
        Err(_) if action == "stop" => return Ok(Code::Ok),
        Err(_) if action == "monitor" && context.is_probe() => return Ok(Code::NotRunning),
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
        let missing = |why: String| Failure::new(Code::NotInstalled, why);
        let given = context.text("httpd").map(PathBuf::from);
        let usual = PROGRAMS.into_iter().map(PathBuf::from);
        let program = given.into_iter().chain(usual).find(|path| daemon::is_program(path));
        let program =
            program.ok_or_else(|| missing("no program of Apache is installed".to_owned()))?;
        let usual = || CONFIGS.into_iter().find(|path| Path::new(path).exists());
        let file = context.text("configfile").or_else(usual).map(PathBuf::from);
        let file = file.ok_or_else(|| missing("Apache has no configuration here".to_owned()))?;
        if !file.is_file() {
            return Err(missing(format!("the configuration {} is not there", file.display())));
        }
        let variables = variables(context, &file)?;
        let config = config::apache(&file, &variables).map_err(missing)?;
        let word = |name: &str| config.first(name).and_then(|words| words.first()).cloned();
        let (pid_file, pid_by_us) = match word("PidFile") {
            Some(path) => {
                let root = word("ServerRoot").unwrap_or_else(|| "/".to_owned());
                (Path::new(&root).join(path), false)
            }
            None => {
                let name = program.file_name().map(|name| name.to_string_lossy().into_owned());
                let name = name.unwrap_or_default();
                let name = name.split('-').next().unwrap_or_default();
                (PathBuf::from(format!("/run/{name}-{}.pid", context.instance())), true)
            }
        };
        Ok(Self { context, program, file, variables, config, pid_file, pid_by_us })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.envs(&self.variables).arg("-DSTATUS");
        command.args(self.context.text("options").unwrap_or_default().split_whitespace());
        command.arg("-f").arg(&self.file);
        if self.pid_by_us {
            command.arg("-c").arg(format!("PidFile {}", self.pid_file.display()));
        }
        command
    }

    fn main(&self) -> Option<i32> {
        daemon::main_process(&self.pid_file, &self.program)
    }

    /// Apache's own opinion of its configuration.
    fn check_config(&self) -> Result<(), String> {
        daemon::check(self.command().arg("-t"))
    }

    fn addresses(&self) -> BTreeSet<SocketAddr> {
        let words = self.config.all("Listen").filter_map(|words| words.first());
        words.filter_map(|word| config::listens_on(word)).collect()
    }

    fn start(&self) -> Outcome {
        if self.main().is_some() {
            return Ok(Code::Ok);
        }
        if self.context.text("testconffile").is_some() {
            self.extended_test()?;
        }
        self.make_run_directory()?;
        self.check_config().map_err(|why| Failure::new(Code::Error, why))?;
        // Children that outlived their main process would hold the ports.
        daemon::end(&self.pid_file, &self.program, &self.file, &[])?;
        self.ports_are_free(Code::Error)?;
        daemon::launch(&mut self.command())?;
        let end = Instant::now() + self.context.timeout();
        let outcome = loop {
            match self.monitor() {
                Ok(Code::NotRunning) if Instant::now() < end => sleep(LOOK),
                outcome => break outcome,
            }
        };
        if outcome != Ok(Code::Ok) {
            // What does not answer is not started, and must not be found half-way by the next.
            self.stop()?;
        }
        outcome
    }

    /// Distributions make it at boot; on memory it is gone after one without their service.
    fn make_run_directory(&self) -> Result<(), Failure> {
        let Some(directory) = self.pid_file.parent() else { return Ok(()) };
        let failed = |error| {
            Failure::new(Code::NotInstalled, format!("making {}: {error}", directory.display()))
        };
        std::fs::create_dir_all(directory).map_err(failed)
    }

    fn ports_are_free(&self, code: Code) -> Result<(), Failure> {
        match daemon::taken(&self.addresses()) {
            None => Ok(()),
            Some((address, holder)) => {
                Err(Failure::new(code, format!("{holder} listens on {address} already")))
            }
        }
    }

    /// First as requests in progress would have it, then at once.
    fn stop(&self) -> Outcome {
        let graceful = (Signal::SIGWINCH, self.context.timeout() / 2);
        let at_once = (Signal::SIGTERM, Duration::from_secs(10));
        daemon::end(&self.pid_file, &self.program, &self.file, &[graceful, at_once])?;
        Ok(Code::Ok)
    }

    fn reload(&self) -> Outcome {
        match self.main() {
            Some(main) => {
                // It would end if it did not like what it finds.
                self.check_config().map_err(|why| Failure::new(Code::Error, why))?;
                daemon::signal(&[main], Signal::SIGUSR1);
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
            let reason = format!("the main process has ended, but {} children run", left.len());
            return Err(Failure::new(Code::Error, reason));
        }
        let level = self.context.variable("OCF_CHECK_LEVEL").and_then(|text| text.parse().ok());
        match level.unwrap_or(0) {
            ..10 => self.status(),
            _ => {
                self.extended_test()?.perform(&self.base(), REQUEST)?;
                Ok(Code::Ok)
            }
        }
    }

    /// The status page; where nobody has said what to look for, any answer will do.
    fn status(&self) -> Outcome {
        let location = || self.config.location_of(&["SetHandler", "server-status"]);
        let url = self.context.text("statusurl").or_else(location).unwrap_or("/");
        let test = Test {
            url: url.to_owned(),
            regex: self.context.text("testregex").unwrap_or("</ *html *>").to_owned(),
            client: self.context.text("client").map(str::to_owned),
            ..Test::default()
        };
        let Err(failure) = test.perform(&self.base(), REQUEST) else { return Ok(Code::Ok) };
        let named = ["testregex", "testregex10", "testurl", "statusurl", "testconffile"];
        let unnamed = named.iter().all(|name| self.context.text(name).is_none());
        let any = || Url::parse(&self.base()).is_some_and(|url| http::answers(&url, REQUEST));
        if unnamed && any() { Ok(Code::Ok) } else { Err(failure) }
    }

    fn extended_test(&self) -> Result<Test, Failure> {
        let names = ["testconffile", "testname", "testurl", "testregex10"];
        check::extended(self.context, names, self.context.text("client"), Code::NotInstalled)
    }

    /// Where the server is asked: the given port, or the first that it listens on.
    fn base(&self) -> String {
        let local = if self.context.is_true("use_ipv6") { "[::1]" } else { "localhost" };
        if let Some(port) = self.context.text("port") {
            return format!("http://{local}:{port}");
        }
        let words = self.config.all("Listen").filter_map(|words| words.first());
        match words.filter_map(|word| config::listens_on(word)).next() {
            Some(address) if !address.ip().is_unspecified() => config::base_url(address),
            Some(address) => format!("http://{local}:{}", address.port()),
            None => format!("http://{local}:80"),
        }
    }

    fn validate(&self) -> Outcome {
        self.make_run_directory()?;
        for words in self.config.all("DocumentRoot") {
            let path = words.first().map_or("", String::as_str);
            if path.starts_with('/') && !path.contains('$') && !Path::new(path).is_dir() {
                let reason = format!("the document root {path} is not there");
                return Err(Failure::new(Code::Args, reason));
            }
        }
        self.check_config().map_err(|why| Failure::new(Code::NotConfigured, why))?;
        if ["testconffile", "testurl", "testregex10"]
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

/// The variables that files for the shell export: only a shell can say.
fn variables(context: &Context, config: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let files = context.text("envfiles").unwrap_or_default().split_whitespace();
    let files: Vec<&str> = files.filter(|file| Path::new(file).is_file()).collect();
    if files.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut command = Command::new("/bin/sh");
    // Debian's file looks at the directory of the configuration.
    if let Some(directory) = config.parent() {
        command.env("APACHE_CONFDIR", directory);
    }
    let script = "for file; do . \"$file\" > /dev/null; done; exec env -0";
    let output = command.args(["-c", script, "sh"]).args(files).stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        Failure::new(Code::Error, format!("the files of \"envfiles\" cannot be read: {error}"))
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
