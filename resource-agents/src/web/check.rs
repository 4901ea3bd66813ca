//! Tests of pages: which one, and what must be in it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::http::{self, Url};
use crate::declare::{Code, Context, Failure};
use crate::sys;

/// Options that make curl and wget do what our own client does.
const CURL: &[&str] = &["-o", "-", "-sS", "-L", "--interface", "lo"];
const WGET: &[&str] = &["-O-", "-q", "-L", "--no-proxy", "--bind-address=127.0.0.1"];

/// A page and what must be in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Test {
    /// The page; not beginning with `http` it is relative to the server.
    pub url: String,
    /// A POSIX extended regular expression, case ignored.
    pub regex: String,
    /// Who asks.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<String>,
    /// A program that fetches it.
    pub client: Option<String>,
    /// Its options.
    pub client_options: Option<String>,
}

impl Test {
    /// Reads a test of a file: `test NAME`, lines of keyword and value, `end`. Without a name the
    /// first is taken.
    pub fn read(text: &str, name: Option<&str>) -> Result<Self, String> {
        let mut test = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let value = value.trim();
            let Some(found) = &mut test else {
                if key == "test" && name.is_none_or(|name| name == value) {
                    test = Some(Self::default());
                }
                continue;
            };
            match key {
                "url" => found.url = value.to_owned(),
                "match" => found.regex = value.to_owned(),
                "user" => found.user = Some(value.to_owned()),
                "password" => found.password = Some(value.to_owned()),
                "client" => found.client = Some(value.to_owned()),
                "client_opts" => found.client_options = Some(value.to_owned()),
                "end" => break,
                key if key.is_empty() || key.starts_with('#') => {}
                key => return Err(format!("line {number}: \"{key}\" is no keyword of a test")),
            }
        }
        let which = name.map_or(String::new(), |name| format!(" \"{name}\""));
        test.ok_or_else(|| format!("there is no test{which} in it"))
    }

    /// What is wrong with it, whatever the server.
    pub fn sane(&self) -> Result<(), Failure> {
        let wrong = |reason: String| Err(Failure::new(Code::NotConfigured, reason));
        if self.url.is_empty() || self.regex.is_empty() {
            return wrong("a test needs an URL and a regular expression".to_owned());
        }
        if self.user.is_some() != self.password.is_some() {
            return wrong("a test needs both user and password, or neither".to_owned());
        }
        match sys::matches(&self.regex, b"") {
            Ok(_) => Ok(()),
            Err(error) => wrong(format!("the regular expression \"{}\": {error}", self.regex)),
        }
    }

    /// Performs it; `base` is the server, without a slash at its end.
    pub fn perform(&self, base: &str, limit: Duration) -> Result<(), Failure> {
        self.sane()?;
        let url = if self.url.starts_with("http") {
            self.url.clone()
        } else {
            format!("{base}{}", self.url)
        };
        let body = self.fetch(&url, limit)?;
        match sys::matches(&self.regex, &body) {
            Ok(true) => Ok(()),
            _ => {
                let reason = format!("\"{}\" is not found in {url}", self.regex);
                Err(Failure::new(Code::Error, reason))
            }
        }
    }

    fn fetch(&self, text: &str, limit: Duration) -> Result<Vec<u8>, Failure> {
        let url = Url::parse(text).ok_or_else(|| {
            Failure::new(Code::NotConfigured, format!("\"{text}\" is no URL of a web server"))
        })?;
        if url.tls || self.client.is_some() || self.client_options.is_some() {
            return self.fetch_by_program(text);
        }
        let user = self.user.as_deref().zip(self.password.as_deref());
        let failed = |why: String| Failure::new(Code::Error, format!("getting {text}: {why}"));
        let page = http::get(&url, user, limit).map_err(|error| failed(error.to_string()))?;
        match page.status {
            ..400 => Ok(page.body),
            status => Err(failed(format!("the server answered {status}"))),
        }
    }

    /// For TLS, and where a program is asked for.
    fn fetch_by_program(&self, url: &str) -> Result<Vec<u8>, Failure> {
        let client = match &self.client {
            Some(client) => client.as_str(),
            None => ["curl", "wget"].into_iter().find(|name| installed(name)).ok_or_else(|| {
                let reason = format!("{url} needs curl or wget, and neither is installed");
                Failure::new(Code::NotInstalled, reason)
            })?,
        };
        let mut words = client.split_whitespace();
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null());
        match program {
            "curl" => command.args(CURL),
            "wget" => command.args(WGET),
            _ => &mut command,
        };
        let user = self.user.as_deref().zip(self.password.as_deref());
        match (program, user) {
            ("curl", Some((name, password))) => command.args(["-u", &format!("{name}:{password}")]),
            ("wget", Some((name, password))) => {
                command.args([format!("--http-user={name}"), format!("--http-password={password}")])
            }
            _ => &mut command,
        };
        command.args(self.client_options.as_deref().unwrap_or_default().split_whitespace());
        let output = command.arg(url).output();
        let output = output.map_err(|error| {
            Failure::new(Code::NotInstalled, format!("\"{program}\" cannot be started: {error}"))
        })?;
        Ok(output.stdout)
    }
}

/// Whether a program is in the PATH.
pub fn installed(program: &str) -> bool {
    if program.contains('/') {
        return crate::web::daemon::is_program(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|d| crate::web::daemon::is_program(&d.join(program)))
}

/// The parameters of an extended test: those of a file if one is given, else URL and expression.
/// `missing` is the code for a file that is not there.
pub fn extended(
    context: &Context,
    [file, name, url, regex]: [&str; 4],
    client: Option<&str>,
    missing: Code,
) -> Result<Test, Failure> {
    if let Some(path) = context.text(file) {
        let wrong = |why: String| Failure::new(Code::NotConfigured, format!("{path}: {why}"));
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::new(missing, format!("{path}: {error}")))?;
        return Test::read(&text, context.text(name)).map_err(wrong);
    }
    let text = |name: &str| context.text(name).unwrap_or_default().to_owned();
    let client = client.map(str::to_owned);
    Ok(Test { url: text(url), regex: text(regex), client, ..Test::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read_from_files() {
        let text = "# all\ntest one\nurl /a\nmatch ok\nend\n\ntest two\n url /b\n match x y\n\
                    user me\nend\n";
        assert_eq!(Test::read(text, None).unwrap().url, "/a");
        let two = Test::read(text, Some("two")).unwrap();
        assert_eq!((two.url.as_str(), two.regex.as_str()), ("/b", "x y"));
        assert!(two.sane().unwrap_err().reason.contains("both user and password"));
        assert!(Test::read(text, Some("three")).unwrap_err().contains("no test \"three\""));
        assert!(Test::read("test\ncolour red\n", None).unwrap_err().contains("line 2"));
    }
}
