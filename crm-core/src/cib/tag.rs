//! The attributes of one tag, as they are read.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;
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
    most: usize,
    names: Names<'a>,
}

impl<'a> TagAttributes<'a> {
    pub(super) fn new(tag: &'a BytesStart<'_>, most: usize) -> TagAttributes<'a> {
        TagAttributes {
            tag: tag.name().into_inner(),
            rest: tag.attributes_raw(),
            most,
            names: Names::default(),
        }
    }

    /// Takes one `NAME="VALUE"`; the value as written, and whether it has to be unescaped.
    fn split(&mut self) -> Result<(&'a str, &'a str, bool), &'static str> {
        let text = self.rest;
        let bytes = text.as_bytes();
        let begin = usize::from(bytes.first().is_some_and(|b| is_space(*b)));
        if begin == 0 {
            return Err("a space is missing before an attribute");
        }
        let name_end = bytes[begin..].iter().position(|b| kind(*b) & ENDS_NAME != 0);
        let name_end = name_end.map_or(bytes.len(), |n| begin + n);
        let equals = name_end + spaces(&bytes[name_end..]);
        if name_end == begin || bytes.get(equals) != Some(&b'=') {
            return Err("an attribute is not NAME=\"VALUE\"");
        }
        let open = equals + 1 + spaces(&bytes[equals + 1..]);
        let Some(quote @ (b'"' | b'\'')) = bytes.get(open).copied() else {
            return Err("the value of an attribute is not in quotes");
        };
        let mut seen = 0;
        let length = bytes[open + 1..].iter().position(|&b| {
            seen |= kind(b);
            kind(b) & QUOTE != 0 && b == quote
        });
        let Some(length) = length else { return Err("the value of an attribute does not end") };
        // All of these places are at ASCII characters.
        let close = open + 1 + length;
        self.rest = &text[close + 1..];
        Ok((&text[begin..name_end], &text[open + 1..close], seen & ESCAPED != 0))
    }
}

/// No part of a name.
const ENDS_NAME: u8 = 1;
/// Begins and ends a value.
const QUOTE: u8 = 2;
/// Means something else where it stands in a value.
const ESCAPED: u8 = 4;
const SPACE: u8 = 8;

/// What bytes can be, so that looking at one is one step.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    kinds[b' ' as usize] = SPACE | ENDS_NAME;
    kinds[b'\t' as usize] = SPACE | ENDS_NAME | ESCAPED;
    kinds[b'\n' as usize] = SPACE | ENDS_NAME | ESCAPED;
    kinds[b'\r' as usize] = SPACE | ENDS_NAME | ESCAPED;
    kinds[b'=' as usize] = ENDS_NAME;
    kinds[b'<' as usize] = ENDS_NAME;
    kinds[b'"' as usize] = QUOTE | ENDS_NAME;
    kinds[b'\'' as usize] = QUOTE | ENDS_NAME;
    kinds[b'&' as usize] = ESCAPED;
    kinds
};

fn kind(byte: u8) -> u8 {
    KINDS[usize::from(byte)]
}

fn is_space(byte: u8) -> bool {
    kind(byte) & SPACE != 0
}

/// How many spaces a text begins with.
fn spaces(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| is_space(**b)).count()
}

impl<'a> Iterator for TagAttributes<'a> {
    /// Name and value, or what is wrong.
    type Item = Result<(&'a str, Cow<'a, str>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.rest.as_bytes();
        let spaces = spaces(bytes);
        if spaces == bytes.len() {
            return None;
        }
        // One space stays, so that it can be seen to be there.
        self.rest = &self.rest[spaces.saturating_sub(1)..];
        let (name, value, escaped) = match self.split() {
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
        if !escaped {
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
    kinds: u64,
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
        let kind = 1 << ((letters + 7 * bytes.len()) % 64);
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
