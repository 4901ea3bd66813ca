//! Configurations of nginx and Apache, as far as the agents need them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// A configuration is read to these bounds, and no further.
const LARGEST: u64 = 8 << 20;
const DEEPEST: usize = 10;
const MOST: usize = 100_000;

/// A line or statement: its words, and in which place of the site it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Name and arguments, without quotes.
    pub words: Vec<String>,
    /// The argument of the innermost `location` around it.
    pub location: Option<String>,
}

/// A configuration with everything it includes.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// In their order.
    pub directives: Vec<Directive>,
}

impl Config {
    /// The arguments of the first directive of this name.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [String]> {
        self.all(name).next()
    }

    /// The arguments of all directives of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [String]> {
        let same = move |d: &&Directive| d.words[0].eq_ignore_ascii_case(name);
        self.directives.iter().filter(same).map(|d| &d.words[1..])
    }

    /// The last location in which a directive begins with these words.
    pub fn location_of(&self, words: &[&str]) -> Option<&str> {
        let fits = |d: &&Directive| {
            d.words.len() >= words.len()
                && d.words.iter().zip(words).all(|(is, wanted)| is.eq_ignore_ascii_case(wanted))
        };
        let mut found = self.directives.iter().filter(fits).filter_map(|d| d.location.as_deref());
        found.next_back()
    }
}

/// Reads a configuration of nginx.
pub fn nginx(file: &Path) -> Result<Config, String> {
    let mut config = Config::default();
    let home = file.parent().unwrap_or(Path::new("/")).to_owned();
    read_nginx(file, &home, &mut Vec::new(), 0, &mut config)?;
    Ok(config)
}

fn read_nginx(
    file: &Path,
    home: &Path,
    open: &mut Vec<Vec<String>>,
    depth: usize,
    config: &mut Config,
) -> Result<(), String> {
    let text = read(file)?;
    let mut words: Vec<String> = Vec::new();
    for token in nginx_tokens(&text) {
        match token {
            Token::Word(word) => words.push(word),
            Token::Open => open.push(std::mem::take(&mut words)),
            Token::Close => drop(open.pop()),
            Token::End if words.is_empty() => {}
            Token::End if words[0] == "include" && depth < DEEPEST => {
                for file in expand(&home.join(words.get(1).map_or("", String::as_str))) {
                    read_nginx(&file, home, open, depth + 1, config)?;
                }
                words.clear();
            }
            Token::End => {
                let around = open.iter().rev().find(|block| {
                    block.first().is_some_and(|word| word == "location") && block.len() > 1
                });
                let location = around.and_then(|block| block.last().cloned());
                config.add(Directive { words: std::mem::take(&mut words), location })?;
            }
        }
    }
    Ok(())
}

impl Config {
    fn add(&mut self, directive: Directive) -> Result<(), String> {
        if self.directives.len() >= MOST {
            return Err(format!("the configuration has more than {MOST} directives"));
        }
        self.directives.push(directive);
        Ok(())
    }
}

enum Token {
    Word(String),
    Open,
    Close,
    End,
}

fn nginx_tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '#' => while letters.next_if(|c| *c != '\n').is_some() {},
            ';' => tokens.push(Token::End),
            '{' => tokens.push(Token::Open),
            '}' => tokens.push(Token::Close),
            quote @ ('"' | '\'') => {
                let mut word = String::new();
                while let Some(letter) = letters.next_if(|c| *c != quote) {
                    let escaped = (letter == '\\').then(|| letters.next()).flatten();
                    word.push(escaped.unwrap_or(letter));
                }
                letters.next();
                tokens.push(Token::Word(word));
            }
            space if space.is_whitespace() => {}
            letter => {
                let mut word = String::from(letter);
                let part = |c: &char| !c.is_whitespace() && !";{}".contains(*c);
                // A variable like ${name} keeps its braces.
                while let Some(letter) =
                    letters.next_if(|c| part(c) || (*c == '{' && word.ends_with('$')))
                {
                    word.push(letter);
                    if word.ends_with("${") {
                        while let Some(letter) = letters.next_if(|c| *c != '}') {
                            word.push(letter);
                        }
                        word.extend(letters.next());
                    }
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens
}

/// Reads a configuration of Apache; `variables` are those of its environment.
pub fn apache(file: &Path, variables: &BTreeMap<String, String>) -> Result<Config, String> {
    let mut reader = Apache {
        config: Config::default(),
        variables: variables.clone(),
        root: None,
        open: vec![],
    };
    reader.read(file, 0)?;
    Ok(reader.config)
}

struct Apache {
    config: Config,
    variables: BTreeMap<String, String>,
    root: Option<PathBuf>,
    /// Arguments of the sections around.
    open: Vec<(String, Option<String>)>,
}

impl Apache {
    fn read(&mut self, file: &Path, depth: usize) -> Result<(), String> {
        let text = read(file)?.replace("\\\n", " ");
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let words = apache_words(&self.expand_variables(line));
            let Some(name) = words.first().map(|word| word.to_ascii_lowercase()) else { continue };
            let argument = words.get(1).cloned();
            if let Some(section) = name.strip_prefix("</") {
                let section = section.trim_end_matches('>').to_owned();
                if let Some(at) = self.open.iter().rposition(|(open, _)| *open == section) {
                    self.open.truncate(at);
                }
                continue;
            }
            if let Some(section) = name.strip_prefix('<') {
                let place = argument.map(|text| text.trim_end_matches('>').to_owned());
                self.open.push((section.trim_end_matches('>').to_owned(), place));
                continue;
            }
            match (name.as_str(), argument) {
                ("serverroot", Some(path)) => self.root = Some(PathBuf::from(path)),
                ("define", Some(name)) => {
                    let value = words.get(2).cloned().unwrap_or_default();
                    self.variables.insert(name, value);
                }
                ("include" | "includeoptional", Some(path)) if depth < DEEPEST => {
                    let path = self.root.as_deref().unwrap_or(Path::new("/")).join(path);
                    for file in expand(&path) {
                        self.read(&file, depth + 1)?;
                    }
                    continue;
                }
                _ => {}
            }
            let around = self.open.iter().rev().find(|(section, _)| section == "location");
            let location = around.and_then(|(_, place)| place.clone());
            self.config.add(Directive { words, location })?;
        }
        Ok(())
    }

    /// Replaces `${NAME}` where the name is known.
    fn expand_variables(&self, line: &str) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("${") {
            text += before;
            match after.split_once('}') {
                Some((name, after)) => {
                    match self.variables.get(name) {
                        Some(value) => text += value,
                        None => text += &format!("${{{name}}}"),
                    }
                    rest = after;
                }
                None => {
                    text += "${";
                    rest = after;
                }
            }
        }
        text + rest
    }
}

fn apache_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_whitespace() {
            continue;
        }
        let mut word = String::new();
        if letter == '"' || letter == '\'' {
            while let Some(next) = letters.next_if(|c| *c != letter) {
                word.push(next);
            }
            letters.next();
        } else {
            word.push(letter);
            while let Some(next) = letters.next_if(|c| !c.is_whitespace()) {
                word.push(next);
            }
        }
        words.push(word);
    }
    words
}

fn read(file: &Path) -> Result<String, String> {
    let failed = |error| format!("{}: {error}", file.display());
    if fs::metadata(file).map_err(failed)?.len() > LARGEST {
        return Err(format!("{} is too large for a configuration", file.display()));
    }
    Ok(String::from_utf8_lossy(&fs::read(file).map_err(failed)?).into_owned())
}

/// The files that a path with `*` and `?` stands for; every file of a directory.
fn expand(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in path.components().skip(1) {
        let part = part.as_os_str().to_string_lossy().into_owned();
        found = found
            .into_iter()
            .flat_map(|directory| match part.contains(['*', '?']) {
                true => entries(&directory, &part),
                false => vec![directory.join(&part)],
            })
            .take(MOST)
            .collect();
    }
    let files = found.into_iter().flat_map(|path| match path.is_dir() {
        true => entries(&path, "*"),
        false => vec![path],
    });
    files.filter(|path| path.is_file()).collect()
}

fn entries(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let fits = |name: &str| !name.starts_with('.') && wildcard(pattern, name);
    let mut paths: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(fits))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

fn wildcard(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let mut letters = name.chars();
    match first {
        '*' => name.char_indices().any(|(at, _)| wildcard(rest, &name[at..])) || wildcard(rest, ""),
        '?' => letters.next().is_some() && wildcard(rest, letters.as_str()),
        letter => letters.next() == Some(letter) && wildcard(rest, letters.as_str()),
    }
}

/// What `80`, `*:80`, `10.0.0.1:80` or `[::]:80` listens on; nothing for a path or a name.
pub fn listens_on(text: &str) -> Option<SocketAddr> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if let Ok(port) = text.parse() {
        return Some(SocketAddr::new(any, port));
    }
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Some(SocketAddr::new(ip.into(), 80));
    }
    if let Some(v6) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return Some(SocketAddr::new(v6.parse::<Ipv6Addr>().ok()?.into(), 80));
    }
    Some(SocketAddr::new(any, text.strip_prefix("*:")?.parse().ok()?))
}

/// The beginning of URLs of a server that listens there, asked from its own host.
pub fn base_url(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() => format!("http://localhost:{}", address.port()),
        _ => format!("http://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_configurations_are_read_with_what_they_include() {
        let place = tempfile::tempdir().unwrap();
        let main = place.path().join("nginx.conf");
        fs::create_dir(place.path().join("sites")).unwrap();
        let site = "server { listen 127.0.0.1:81 default; root \"/srv/a b\";\n\
                    location = /state { stub_status; } }";
        fs::write(place.path().join("sites/one.conf"), site).unwrap();
        fs::write(place.path().join("sites/.hidden.conf"), "pid /wrong;").unwrap();
        let text = "# pid /none;\npid /run/n.pid;\nhttp { log_format x '$a ; ${b}'; \
                    include sites/*.conf; }";
        fs::write(&main, text).unwrap();
        let config = nginx(&main).unwrap();
        assert_eq!(config.first("pid").unwrap(), ["/run/n.pid"]);
        assert_eq!(config.first("listen").unwrap(), ["127.0.0.1:81", "default"]);
        assert_eq!(config.first("root").unwrap(), ["/srv/a b"]);
        assert_eq!(config.location_of(&["stub_status"]), Some("/state"));
        assert_eq!(config.all("pid").count(), 1);
        assert!(nginx(&place.path().join("none")).is_err());
    }

    #[test]
    fn apache_configurations_are_read_with_variables_and_sections() {
        let place = tempfile::tempdir().unwrap();
        let main = place.path().join("httpd.conf");
        fs::write(place.path().join("ports.conf"), "Listen 8080\n").unwrap();
        let text = format!(
            "ServerRoot \"{}\"\nPidFile ${{RUN}}/a.pid\nDefine docs /srv/x\n\
             DocumentRoot \\\n ${{docs}}/www\nInclude ports.conf\n\
             <IfModule status_module>\n<Location \"/server-status\">\nSetHandler server-status\n\
             </Location>\n</IfModule>\nErrorLog ${{UNKNOWN}}/log\n",
            place.path().display()
        );
        fs::write(&main, text).unwrap();
        let variables = BTreeMap::from([("RUN".to_owned(), "/run/a".to_owned())]);
        let config = apache(&main, &variables).unwrap();
        assert_eq!(config.first("pidfile").unwrap(), ["/run/a/a.pid"]);
        assert_eq!(config.first("DocumentRoot").unwrap(), ["/srv/x/www"]);
        assert_eq!(config.first("Listen").unwrap(), ["8080"]);
        assert_eq!(config.location_of(&["SetHandler", "server-status"]), Some("/server-status"));
        assert_eq!(config.first("ErrorLog").unwrap(), ["${UNKNOWN}/log"]);
    }

    #[test]
    fn listening_is_understood() {
        let port = |text: &str| listens_on(text).map(|a| a.to_string());
        assert_eq!(port("80").as_deref(), Some("0.0.0.0:80"));
        assert_eq!(port("*:81").as_deref(), Some("0.0.0.0:81"));
        assert_eq!(port("[::]:82").as_deref(), Some("[::]:82"));
        assert_eq!(port("10.0.0.1").as_deref(), Some("10.0.0.1:80"));
        assert_eq!(port("unix:/run/x"), None);
        assert_eq!(base_url(listens_on("8080").unwrap()), "http://localhost:8080");
    }
}
