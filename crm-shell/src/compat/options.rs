//! Command lines as the peers' tools read them: one table gives the parser and the help.
//!
//! Scripts depend on details that general parsers decide otherwise: the texts of refusals, values
//! that may be left out, operands that are ignored (O-8).

use std::fmt::Write as _;

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// It has none.
    None,
    /// It must have one; the word for the help.
    Required(&'static str),
    /// It may have one, attached to the option (`-m3`, `--fence-history=3`).
    Optional(&'static str),
    /// It may have one, attached or as the next word that does not begin with a dash.
    OptionalWord(&'static str),
}

/// One option of a command.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// The letter after one dash.
    pub short: Option<char>,
    /// The word after two dashes. Empty if there is none.
    pub long: &'static str,
    /// The name that the parser reports: that word, unless this is an old spelling of another one.
    pub name: &'static str,
    /// Whether it has a value.
    pub value: Value,
    /// What it does; empty for an option that the help does not list.
    pub help: &'static str,
}

/// Makes a table entry.
pub const fn opt(short: char, long: &'static str, value: Value, help: &'static str) -> Opt {
    Opt { short: Some(short), long, name: long, value, help }
}

/// Makes a table entry for an option without a letter.
pub const fn long(long: &'static str, value: Value, help: &'static str) -> Opt {
    Opt { short: None, long, name: long, value, help }
}

/// Makes a table entry for a spelling that scripts still have: it is read as the option `name`, and the
/// help does not list it.
pub const fn old(short: Option<char>, long: &'static str, name: &'static str, value: Value) -> Opt {
    Opt { short, long, name, value, help: "" }
}

/// A group of options under one title of the help.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The title.
    pub title: &'static str,
    /// The options.
    pub options: &'static [Opt],
}

/// The options of every command that prints in several forms.
pub const COMMON: Group = Group {
    title: "Output Options",
    options: &[
        long("output-as", Value::Required("FORMAT"), "Format of the output: text or xml"),
        long(
            "output-to",
            Value::Required("DEST"),
            "File for the output (\"-\" for standard output)",
        ),
        long("text-fancy", Value::None, "Use more highly formatted text"),
        opt('$', "version", Value::None, "Show the version and exit"),
        opt('?', "help", Value::None, "Show this help and exit"),
        long("help-all", Value::None, ""),
        opt('V', "verbose", Value::None, "Say more (may be given several times)"),
        opt('Q', "quiet", Value::None, "Say only what is essential"),
    ],
};

/// The options of a command that prints plain text only.
pub const PLAIN: Group = Group {
    title: "Application Options",
    options: &[
        opt('$', "version", Value::None, "Show the version and exit"),
        opt('?', "help", Value::None, "Show this help and exit"),
        long("help-all", Value::None, ""),
        opt('V', "verbose", Value::None, "Say more (may be given several times)"),
    ],
};

/// What was found on a command line, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Name and value of each option.
    pub options: Vec<(&'static str, Option<String>)>,
    /// Everything else.
    pub operands: Vec<String>,
}

impl Parsed {
    /// Whether the option was given.
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(n, _)| *n == name)
    }

    /// The last value of the option.
    pub fn last<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).last()
    }

    /// All values of the option.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.options.iter().filter(move |(n, _)| *n == name).filter_map(|(_, v)| v.as_deref())
    }
}

/// Reads `arguments` (without the program's name) by the tables in `groups`.
///
/// # Errors
/// A text in the words of the peers' tools, without the program's name: an unknown option or a
/// missing value.
pub fn parse(groups: &[Group], arguments: &[String]) -> Result<Parsed, String> {
    let all = || groups.iter().flat_map(|g| g.options);
    let mut parsed = Parsed::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            parsed.operands.extend(rest.cloned());
            break;
        }
        if let Some(word) = argument.strip_prefix("--") {
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_string())),
                None => (word, None),
            };
            let Some(known) = all().find(|o| o.long == name) else {
                return Err(format!("Unknown option --{name}"));
            };
            let value = match known.value {
                Value::None => None,
                Value::Optional(_) => attached,
                Value::OptionalWord(_) => attached.or_else(|| next_word(&mut rest)),
                Value::Required(_) => Some(
                    attached
                        .or_else(|| rest.next().cloned())
                        .ok_or_else(|| format!("Missing argument for --{name}"))?,
                ),
            };
            parsed.options.push((known.name, value));
        } else if let Some(letters) = argument.strip_prefix('-').filter(|l| !l.is_empty()) {
            let mut letters = letters.chars();
            while let Some(letter) = letters.next() {
                let Some(known) = all().find(|o| o.short == Some(letter)) else {
                    return Err(format!("Unknown option -{letter}"));
                };
                let attached = |l: &str| (!l.is_empty()).then(|| l.to_string());
                let value = match known.value {
                    Value::None => {
                        parsed.options.push((known.name, None));
                        continue;
                    }
                    Value::Optional(_) => attached(letters.as_str()),
                    Value::OptionalWord(_) => {
                        attached(letters.as_str()).or_else(|| next_word(&mut rest))
                    }
                    Value::Required(_) => Some(
                        attached(letters.as_str())
                            .or_else(|| rest.next().cloned())
                            .ok_or_else(|| format!("Missing argument for -{letter}"))?,
                    ),
                };
                parsed.options.push((known.name, value));
                break;
            }
        } else {
            parsed.operands.push(argument.clone());
        }
    }
    Ok(parsed)
}

/// Takes the next word if it is no option.
fn next_word(rest: &mut std::slice::Iter<'_, String>) -> Option<String> {
    rest.as_slice().first().filter(|word| !word.starts_with('-'))?;
    rest.next().cloned()
}

/// The text of `--help`.
pub fn help(program: &str, purpose: &str, groups: &[Group]) -> String {
    let mut out = format!("Usage:\n  {program} [OPTION…]\n\n{purpose}\n");
    let listed = |o: &&Opt| !o.help.is_empty();
    for group in groups.iter().filter(|group| group.options.iter().any(|o| listed(&o))) {
        let _ = write!(out, "\n{}:\n", group.title);
        for option in group.options.iter().filter(listed) {
            let short = option.short.map_or(String::from("    "), |s| format!("-{s}, "));
            let value = match option.value {
                Value::None => String::new(),
                Value::Required(word) => format!("={word}"),
                Value::Optional(word) | Value::OptionalWord(word) => format!("[={word}]"),
            };
            let name = format!("{short}--{}{value}", option.long);
            let _ = writeln!(out, "  {name:<32} {}", option.help);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{COMMON, Group, Value, old, opt, parse};

    const GROUPS: &[Group] = &[
        COMMON,
        Group {
            title: "Test",
            options: &[
                opt('x', "xml-file", Value::Required("FILE"), "a file"),
                opt('S', "simulate", Value::None, "simulate"),
                opt('m', "fence-history", Value::Optional("LEVEL"), "history"),
                old(Some('f'), "file", "xml-file", Value::Required("FILE")),
            ],
        },
    ];

    fn read(line: &str) -> Result<Vec<(&'static str, Option<String>)>, String> {
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        parse(GROUPS, &words).map(|p| p.options)
    }

    #[test]
    fn values_may_be_attached_or_follow() {
        for line in [
            "-Sx f",
            "-S -xf",
            "-S --xml-file f",
            "--simulate=1 --xml-file=f",
            "-Sff",
            "-S --file f",
        ] {
            let expected = vec![("simulate", None), ("xml-file", Some("f".to_string()))];
            assert_eq!(read(line), Ok(expected), "{line}");
        }
        assert_eq!(read("-m 3"), Ok(vec![("fence-history", None)]));
        assert_eq!(read("-m3"), Ok(vec![("fence-history", Some("3".into()))]));
    }

    #[test]
    fn refusals_name_the_option_as_it_was_typed() {
        assert_eq!(read("--bogus=1"), Err("Unknown option --bogus".into()));
        assert_eq!(read("-SZ"), Err("Unknown option -Z".into()));
        assert_eq!(read("-x"), Err("Missing argument for -x".into()));
        assert_eq!(read("--xml-file"), Err("Missing argument for --xml-file".into()));
    }
}
