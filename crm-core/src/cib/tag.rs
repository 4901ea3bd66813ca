//! The attributes of one tag, as they are read.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memchr3};
use quick_xml::XmlVersion;
use quick_xml::events::attributes::Attribute;
use quick_xml::name::QName;

/// The attributes of a tag in document order, their values unescaped. Each is checked as it is
/// reached: well-formed, not there twice, not more than the limit.
///
/// Attributes are most of a document, and taking them apart is most of reading it. Hence not the
/// library's iterator, which keeps count of all it has seen and takes four times as long.
pub struct TagAttributes<'a> {
    tag: &'a str,
    rest: &'a str,
    /// Whether any value may have to be unescaped.
    escaped: bool,
    most: usize,
    names: Names<'a>,
}

impl<'a> TagAttributes<'a> {
    /// Of what stands behind the name of a tag.
    pub(super) fn new(tag: &'a str, rest: &'a str, most: usize) -> TagAttributes<'a> {
        TagAttributes { tag, rest, escaped: is_escaped(rest), most, names: Names::default() }
    }

    /// Takes one `NAME="VALUE"`; the value as written.
    fn split(&mut self) -> Result<(&'a str, &'a str), &'static str> {
        let text = self.rest;
        let bytes = text.as_bytes();
        if !bytes.first().is_some_and(|b| is_blank(*b)) {
            return Err("a space is missing before an attribute");
        }
        // One space and no more: so is nearly every attribute written.
        let name = bytes[1..].iter().position(|b| ends_name(*b) || is_quote(*b));
        if let Some(end) = name.filter(|n| *n > 0).map(|n| n + 1)
            && bytes[end] == b'='
            && let Some(quote) = bytes.get(end + 1).copied().filter(|b| is_quote(*b))
        {
            let value = &text[end + 2..];
            let length = memchr(quote, value.as_bytes());
            let length = length.ok_or("the value of an attribute does not end")?;
            self.rest = &value[length + 1..];
            return Ok((&text[1..end], &value[..length]));
        }
        let open = memchr2(b'"', b'\'', bytes).ok_or("an attribute has no value in quotes")?;
        let value = &text[open + 1..];
        let length = memchr(bytes[open], value.as_bytes());
        let length = length.ok_or("the value of an attribute does not end")?;
        self.rest = &value[length + 1..];
        let name = trim(&text[..open]).strip_suffix('=').map(trim);
        let name = name.filter(|name| !name.is_empty() && !name.bytes().any(ends_name));
        Ok((name.ok_or("an attribute is not NAME=\"VALUE\"")?, &value[..length]))
    }
}

/// What is no part of a name.
fn ends_name(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'=' | b'<')
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'')
}

/// What XML takes for a blank.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// True if some of a text may mean something else where it stands in a value.
fn is_escaped(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr3(b'&', b'\t', b'\n', bytes).or_else(|| memchr(b'\r', bytes)).is_some()
}

impl<'a> Iterator for TagAttributes<'a> {
    /// Name and value, or what is wrong.
    type Item = Result<(&'a str, Cow<'a, str>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.bytes().all(is_blank) {
            return None;
        }
        let (name, value) = match self.split() {
            Ok(parts) => parts,
            Err(error) => return Some(Err(format!("in <{}>: {error}", self.tag))),
        };
        if self.names.count >= self.most {
            let text = format!("<{}> has more than {} attributes", self.tag, self.most);
            return Some(Err(text));
        }
        if !self.names.add(name) {
            return Some(Err(format!("<{}> has the attribute '{name}' twice", self.tag)));
        }
        if !self.escaped || !is_escaped(value) {
            return Some(Ok((name, Cow::Borrowed(value))));
        }
        let attribute = Attribute { key: QName(name), value: Cow::Borrowed(value) };
        Some(match attribute.normalized_value(XmlVersion::Implicit1_0) {
            Ok(value) => Ok((name, value)),
            Err(error) => Err(format!("in <{} {name}=...>: {error}", self.tag)),
        })
    }
}

/// The names seen in a tag.
#[derive(Default)]
struct Names<'a> {
    /// One bit for each kind of name, so that most names need not be compared.
    kinds: u128,
    count: usize,
    first: [&'a str; Names::FEW],
    more: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// As many as a tag has that is not out of the ordinary.
    const FEW: usize = 24;

    /// False if the name is known.
    fn add(&mut self, name: &'a str) -> bool {
        let bytes = name.as_bytes();
        let (first, last) = (bytes.first().copied(), bytes.last().copied());
        let letters = usize::from(first.unwrap_or(0)) + 3 * usize::from(last.unwrap_or(0));
        let kind = 1 << ((letters + 7 * bytes.len()) % 128);
        let few = self.count.min(Names::FEW);
        if self.kinds & kind != 0
            && (self.first[..few].contains(&name) || self.more.contains(&name))
        {
            return false;
        }
        self.kinds |= kind;
        match self.first.get_mut(self.count) {
            Some(slot) => *slot = name,
            None => self.more.push(name),
        }
        self.count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::cib::parse;

    #[test]
    fn attributes_are_taken_apart() {
        let read = parse("<a one='1'\n two = \"it's\"\tthree='a&amp;b\nc' vier='ä'/>").unwrap();
        let pairs: Vec<_> = read.attrs().collect();
        assert_eq!(pairs, [("one", "1"), ("two", "it's"), ("three", "a&b c"), ("vier", "ä")]);
        let many: String = (0..40).map(|n| format!(" a{n}='{n}'")).collect();
        assert_eq!(parse(&format!("<a{many}/>")).unwrap().attr("a39"), Some("39"));
        assert!(parse(&format!("<a{many} a39=''/>")).unwrap_err().message.contains("twice"));
    }

    #[test]
    fn what_is_no_attribute_is_refused() {
        for bad in ["<a b/>", "<a b=/>", "<a b=c/>", "<a ='c'/>", "<a b='c'd='e'/>", "<a b 'c'/>"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
