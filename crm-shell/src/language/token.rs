//! Text to words: the quoting rules of the POSIX shell, with the place of every word.
//!
//! A statement is one logical line: a `\` at the end of a line continues it. Lines that begin with
//! `#` are comments. A statement that begins with `xml <` is not split: its XML is one raw word,
//! so that a dump with `xml` blocks loads as it was printed. Batches split it all the same
//! ([`Line::split`]), as crmsh does: a word is a word there.

use std::ops::Range;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{anychar, char as symbol, none_of};
use nom::combinator::{map, recognize};
use nom::multi::fold_many0;
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// One word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word without its quotes.
    pub text: String,
    /// Where it stands in the source, in bytes, quotes included.
    pub span: Range<usize>,
    /// True if some part of it was quoted or escaped.
    pub quoted: bool,
}

/// One logical line of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it stands in the source, without the line end.
    pub span: Range<usize>,
    /// What it holds.
    pub content: Content,
}

/// What a logical line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing but white space.
    Blank,
    /// A comment, `#` included.
    Comment(String),
    /// A statement.
    Words(Vec<Word>),
    /// An opened quote that is never closed; the byte where it was opened.
    OpenQuote(usize),
}

impl Line {
    /// The same line with XML that stands without quotes split into words like everything else.
    #[must_use]
    pub fn split(self, source: &str) -> Line {
        let text = source.get(self.span.clone()).unwrap_or_default();
        if raw_xml(text, self.span.start).is_none() {
            return self;
        }
        let content = match words(text, self.span.start) {
            Ok(words) => Content::Words(words),
            Err(at) => Content::OpenQuote(at),
        };
        Line { content, ..self }
    }
}

/// Splits a whole text into logical lines.
pub fn lines(source: &str) -> Vec<Line> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let end = logical_end(source, at);
        out.push(Line { span: at..end, content: content(source, at..end) });
        at = end + 1;
    }
    out
}

/// True if `text` ends in the middle of a statement: a `\` at its very end.
pub fn continues(text: &str) -> bool {
    let line = text.rsplit('\n').next().unwrap_or(text);
    let starts_here = !text[..text.len() - line.len()].trim_end().ends_with('\\');
    line.trim_end().ends_with('\\') && !(starts_here && line.trim_start().starts_with('#'))
}

fn logical_end(source: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let Some(newline) = source[at..].find('\n').map(|n| at + n) else {
            return source.len();
        };
        let comment = source[from..newline].trim_start().starts_with('#');
        if comment || !source[at..newline].trim_end().ends_with('\\') {
            return newline;
        }
        at = newline + 1;
    }
}

fn content(source: &str, span: Range<usize>) -> Content {
    let text = &source[span.clone()];
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed == "\\" {
        return Content::Blank;
    }
    if trimmed.starts_with('#') {
        return Content::Comment(trimmed.to_string());
    }
    if let Some(words) = raw_xml(text, span.start) {
        return Content::Words(words);
    }
    match words(text, span.start) {
        Ok(words) if words.is_empty() => Content::Blank,
        Ok(words) => Content::Words(words),
        Err(at) => Content::OpenQuote(at),
    }
}

/// `xml <element .../>` without quotes around the XML: the keyword and one raw word.
fn raw_xml(text: &str, base: usize) -> Option<Vec<Word>> {
    let lead = text.len() - text.trim_start().len();
    let keyword = text.get(lead..lead + 3)?;
    let rest = text.get(lead + 3..)?;
    let xml = rest.trim_start();
    if !keyword.eq_ignore_ascii_case("xml") || !xml.starts_with('<') || xml.len() == rest.len() {
        return None;
    }
    let start = text.len() - xml.len();
    let joined: Vec<&str> =
        xml.lines().map(|l| l.trim_end().strip_suffix('\\').unwrap_or(l)).collect();
    Some(vec![
        Word { text: keyword.into(), span: base + lead..base + lead + 3, quoted: false },
        Word {
            text: joined.join("\n").trim_end().to_string(),
            span: base + start..base + text.trim_end().len(),
            quoted: true,
        },
    ])
}

/// Splits one logical line into words.
///
/// # Errors
/// The byte offset (plus `base`) of a quote that is never closed.
pub fn words(text: &str, base: usize) -> Result<Vec<Word>, usize> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = skip_blank(rest);
        if rest.is_empty() {
            return Ok(out);
        }
        let start = text.len() - rest.len();
        match word(rest) {
            Ok((after, (value, quoted))) if after.len() < rest.len() => {
                let end = text.len() - after.len();
                out.push(Word { text: value, span: base + start..base + end, quoted });
                rest = after;
            }
            Ok(_) | Err(_) => return Err(base + start),
        }
        if rest.starts_with(['"', '\'']) {
            return Err(base + text.len() - rest.len());
        }
    }
}

type Lexed<'a, T> = IResult<&'a str, T>;

fn skip_blank(text: &str) -> &str {
    let blank = recognize(fold_many0(
        alt((take_while1(char::is_whitespace), line_join)),
        || (),
        |(), _| (),
    ))
    .parse(text);
    blank.map_or(text, |(rest, _)| rest)
}

/// A backslash at the end of a physical line, or of the whole text.
fn line_join(text: &str) -> Lexed<'_, &str> {
    let (rest, joined) = recognize(preceded(symbol('\\'), take_while(is_blank))).parse(text)?;
    if rest.is_empty() || rest.starts_with('\n') {
        Ok((rest, joined))
    } else {
        Err(nom::Err::Error(nom::error::Error::new(text, nom::error::ErrorKind::Tag)))
    }
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t' || c == '\r'
}

fn word(text: &str) -> Lexed<'_, (String, bool)> {
    fold_many0(piece, <(String, bool)>::default, |(mut all, quoted), (piece, q)| {
        all.push_str(&piece);
        (all, quoted || q)
    })
    .parse(text)
}

fn piece(text: &str) -> Lexed<'_, (String, bool)> {
    if line_join(text).is_ok() {
        return Err(nom::Err::Error(nom::error::Error::new(text, nom::error::ErrorKind::Eof)));
    }
    alt((
        map(take_while1(is_plain), |s: &str| (s.to_string(), false)),
        map(single_quoted, |s| (s.to_string(), true)),
        map(double_quoted, |s| (s, true)),
        map(preceded(symbol('\\'), anychar), |c| (c.to_string(), true)),
    ))
    .parse(text)
}

fn is_plain(c: char) -> bool {
    !c.is_whitespace() && c != '"' && c != '\'' && c != '\\'
}

fn single_quoted(text: &str) -> Lexed<'_, &str> {
    let (rest, _) = symbol('\'').parse(text)?;
    let (rest, inside) = take_while(|c| c != '\'').parse(rest)?;
    let (rest, _) = symbol('\'').parse(rest)?;
    Ok((rest, inside))
}

fn double_quoted(text: &str) -> Lexed<'_, String> {
    let inside = fold_many0(
        alt((map(tag("\\\""), |_| '"'), map(tag("\\\\"), |_| '\\'), none_of("\""))),
        String::new,
        |mut all, c| {
            all.push(c);
            all
        },
    );
    let (rest, _) = symbol('"').parse(text)?;
    let (rest, value) = { inside }.parse(rest)?;
    let (rest, _) = symbol('"').parse(rest)?;
    Ok((rest, value))
}

/// Quotes a word so that [`words`] gives it back unchanged; bare where that is possible.
pub fn quote(value: &str) -> String {
    if is_bare(value) {
        return value.to_string();
    }
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for (at, c) in value.char_indices() {
        let next = value[at + c.len_utf8()..].chars().next();
        if c == '"' || c == '\\' && matches!(next, None | Some('"' | '\\')) {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// Quotes a word of a command line only where splitting it again would change it.
pub fn quote_word(word: &str) -> String {
    let splits =
        word.is_empty() || word.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c));
    if splits { quote(word) } else { word.to_string() }
}

/// True if the value needs no quotes: letters, digits, `_`, `.` and `-` only.
pub fn is_bare(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(source: &str) -> Vec<String> {
        words(source, 0).unwrap().into_iter().map(|w| w.text).collect()
    }

    #[test]
    fn words_are_split_as_the_shell_does() {
        assert_eq!(texts("a  b\tc"), ["a", "b", "c"]);
        assert_eq!(texts("a=\"b c\" d='e \"f\"'"), ["a=b c", "d=e \"f\""]);
        assert_eq!(texts(r#"a="x \"y\" \z \\""#), [r#"a=x "y" \z \"#]);
        assert_eq!(texts("a\\ b \\\n\t c"), ["a b", "c"]);
        assert_eq!(texts("a \"\""), ["a", ""]);
    }

    #[test]
    fn spans_point_into_the_source() {
        let source = "one\n  two \"th ree\" \\\n four";
        let all = lines(source);
        assert_eq!(all.len(), 2);
        let Content::Words(words) = &all[1].content else { panic!("words") };
        let spans: Vec<&str> = words.iter().map(|w| &source[w.span.clone()]).collect();
        assert_eq!(spans, ["two", "\"th ree\"", "four"]);
    }

    #[test]
    fn an_open_quote_is_found() {
        assert_eq!(words("a b=\"c", 10), Err(14));
        assert!(matches!(lines("a 'b")[0].content, Content::OpenQuote(2)));
    }

    #[test]
    fn comments_and_xml_are_kept_whole() {
        let source = "# one \\\nxml <a b=\"c\"> \\\n  <d/> \\\n</a>\n\n";
        let all = lines(source);
        assert_eq!(all[0].content, Content::Comment("# one \\".into()));
        let Content::Words(words) = &all[1].content else { panic!("words") };
        assert_eq!(words[1].text, "<a b=\"c\"> \n  <d/> \n</a>");
        assert_eq!(all[2].content, Content::Blank);
        let Content::Words(words) = all[1].clone().split(source).content else { panic!("words") };
        assert_eq!(words[2].text, "b=c>");
        assert_eq!(all[2].clone().split(source), all[2]);
    }

    proptest! {
        #[test]
        fn quoting_survives(value in "[^\n\r]{0,40}") {
            let quoted = quote(&value);
            prop_assume!(!quoted.ends_with("\\") );
            prop_assert_eq!(texts(&quoted), vec![value]);
        }

        #[test]
        fn no_text_panics(text in "\\PC*|[ \\\\\"'\n#x<a=]*") {
            for line in lines(&text) {
                prop_assert!(text.get(line.span.clone()).is_some());
                if let Content::Words(words) = line.content {
                    for w in words {
                        prop_assert!(text.get(w.span).is_some());
                    }
                }
            }
            let _ = continues(&text);
        }
    }
}
