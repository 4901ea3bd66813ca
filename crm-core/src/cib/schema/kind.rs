//! What attributes hold.

/// The type of an attribute's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Anything.
    Text,
    /// A name that no other such attribute of the document has.
    NewId,
    /// A name that a [`NewId`](Kind::NewId) attribute of the document has.
    IdRef,
    /// `true`, `false`, `1` or `0`.
    Boolean,
    /// A whole number.
    Integer,
    /// A whole number, not below 0.
    Natural,
    /// A whole number above 0.
    Positive,
    /// A whole number or an infinity.
    Score,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Exactly this.
    Exactly(&'static str),
    /// Anything but these words.
    NoneOf(&'static [&'static str]),
    /// Names with commas between them.
    Devices,
    /// Digits and hyphens.
    Range,
    /// The name of a schema.
    SchemaName,
}

/// Digits of a number behind its leading zeros.
const MOST_DIGITS: usize = 24;

const INFINITIES: &[&str] = &["INFINITY", "+INFINITY", "-INFINITY"];

impl Kind {
    /// Whether a value is of this type, apart from other attributes.
    pub fn admits(self, value: &str) -> bool {
        match self {
            Kind::Text => true,
            Kind::NewId | Kind::IdRef => is_name(stripped(value)),
            Kind::Boolean => matches!(stripped(value), "true" | "false" | "1" | "0"),
            Kind::Integer => integer(value).is_some(),
            Kind::Natural => integer(value).is_some_and(|n| !n.negative || n.zero),
            Kind::Positive => integer(value).is_some_and(|n| !n.negative && !n.zero),
            Kind::Score => integer(value).is_some() || is_word(value, INFINITIES),
            Kind::OneOf(words) => is_word(value, words),
            Kind::Exactly(word) => value == word,
            Kind::NoneOf(words) => !is_word(value, words),
            Kind::Devices => value.split(',').all(|name| {
                let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
                !name.is_empty() && name.chars().all(allowed)
            }),
            Kind::Range => {
                !value.is_empty() && value.chars().all(|c| c.is_ascii_digit() || c == '-')
            }
            Kind::SchemaName => {
                let name = collapsed(value);
                let known = |name: &str| super::Schema::named(name).map(|s| s.to_string());
                super::FORMER.contains(&&*name) || known(&name) == Some(name)
            }
        }
    }

    /// What is wanted, to follow "must be".
    pub fn wanted(self) -> String {
        match self {
            Kind::Text => "a text".into(),
            Kind::NewId | Kind::IdRef => {
                "a name that begins with a letter or '_' and goes on with letters, digits, '.', \
                 '-' and '_'"
                    .into()
            }
            Kind::Boolean => "true or false".into(),
            Kind::Integer => "a whole number".into(),
            Kind::Natural => "a whole number, 0 or more".into(),
            Kind::Positive => "a whole number, 1 or more".into(),
            Kind::Score => "a whole number or INFINITY".into(),
            Kind::Exactly(word) => format!("'{word}'"),
            Kind::OneOf(words) => format!("one of {}", words.join(", ")),
            Kind::NoneOf(_) => "something that this schema still has".into(),
            Kind::Devices => "names of devices with commas between them".into(),
            Kind::Range => "two numbers with '-' between them".into(),
            Kind::SchemaName => "the name of a schema, as pacemaker-3.9".into(),
        }
    }
}

struct Number {
    negative: bool,
    zero: bool,
}

fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Without white space around it.
pub fn stripped(value: &str) -> &str {
    value.trim_matches(blank)
}

fn collapsed(value: &str) -> String {
    value.split(blank).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

fn is_word(value: &str, words: &[&str]) -> bool {
    words.contains(&value) || (value.contains(blank) && words.contains(&&*collapsed(value)))
}

fn integer(value: &str) -> Option<Number> {
    let text = stripped(value);
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let zero = significant.is_empty();
    (significant.len() <= MOST_DIGITS).then_some(Number { negative, zero })
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    first && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_words() {
        for (kind, good, bad) in [
            (Kind::Integer, " +007 ", "1.5"),
            (Kind::Natural, "-0", "-1"),
            (Kind::Positive, "1", "0"),
            (Kind::Score, "-INFINITY", "infinity"),
            (Kind::Boolean, " true", "TRUE"),
            (Kind::NewId, "_a.b-c", "1a"),
            (Kind::OneOf(&["ocf"]), " ocf ", "OCF"),
            (Kind::NoneOf(&["requires"]), "require", "requires"),
            (Kind::Devices, "a,b.c", "a,,b"),
            (Kind::SchemaName, "pacemaker-0.6", "pacemaker-3.10"),
        ] {
            assert!(kind.admits(good), "{kind:?} {good}");
            assert!(!kind.admits(bad), "{kind:?} {bad}");
        }
        assert!(Kind::Integer.admits(&format!("000{}", "9".repeat(24))));
        assert!(!Kind::Integer.admits(&"9".repeat(25)));
    }
}
