//! Tree to text.

use std::fmt::{self, Write};

use quick_xml::escape::partial_escape as escape;

use super::element::{Child, Element};

impl Element {
    /// The document as Pacemaker's tools print it: two blanks a level, one element a line.
    pub fn to_pretty(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out, Some(0));
        out
    }

    fn write(&self, out: &mut impl Write, indent: Option<usize>) -> fmt::Result {
        let pad = |out: &mut dyn Write, by| match indent {
            Some(depth) => write!(out, "{:1$}", "", (depth + by) * 2),
            None => Ok(()),
        };
        let newline = if indent.is_some() { "\n" } else { "" };
        pad(out, 0)?;
        write!(out, "<{}", self.name())?;
        for (name, value) in self.attrs() {
            write!(out, " {name}=\"{}\"", attribute_value(value))?;
        }
        if self.nodes().is_empty() {
            return write!(out, "/>{newline}");
        }
        write!(out, ">")?;
        if self.nodes().iter().all(|c| matches!(c, Child::Text(_))) {
            return write!(out, "{}</{}>{newline}", escape(self.text()), self.name());
        }
        write!(out, "{newline}")?;
        for child in self.nodes() {
            match child {
                Child::Element(e) => e.write(out, indent.map(|d| d + 1))?,
                Child::Comment(c) => {
                    pad(out, 1)?;
                    write!(out, "<!--{c}-->{newline}")?;
                }
                Child::Text(t) => {
                    pad(out, 1)?;
                    write!(out, "{}{newline}", escape(&**t))?;
                }
            }
        }
        pad(out, 0)?;
        write!(out, "</{}>{newline}", self.name())
    }
}

/// Escapes a value so that reading it back gives the same characters, line ends included.
fn attribute_value(value: &str) -> String {
    let escaped = escape(value);
    if escaped.contains(['"', '\n', '\t', '\r']) {
        let escaped = escaped.replace('"', "&quot;").replace('\n', "&#10;");
        escaped.replace('\t', "&#9;").replace('\r', "&#13;")
    } else {
        escaped.into_owned()
    }
}

impl fmt::Display for Element {
    /// The document on one line, without white space between elements.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, None)
    }
}

#[cfg(test)]
mod tests {
    use crate::cib::{Child, Element, ParseLimits, parse, parse_with_limits};

    #[test]
    fn a_document_survives_a_round_trip() {
        let text = "<a z=\"1\" b=\"&lt;&#10;&amp;&quot;\"><!-- note --><b/><c>x &gt; y</c></a>";
        let tree = parse(text).unwrap();
        assert_eq!(parse(&tree.to_string()).unwrap(), tree);
        assert_eq!(parse(&tree.to_pretty()).unwrap(), tree);
        assert_eq!(tree.attr("b"), Some("<\n&\""));
        assert_eq!(tree.child("c").unwrap().text(), "x > y");
        // Found by the fuzzer: a line end of another system before text.
        let tree = parse("<a>\rx&#13;y<b/></a>").unwrap();
        assert_eq!(tree.text(), "\nx\ry");
        assert_eq!(parse(&tree.to_string()).unwrap(), tree);
    }

    #[test]
    fn clones_share_until_changed() {
        let a = parse("<a><b id='1'/><c id='2'/></a>").unwrap();
        let mut b = a.clone();
        b.find_id_mut("1").unwrap().set_attr("x", "y");
        assert_eq!(a.find_id("1").unwrap().attr("x"), None);
        let shared = |e: &Element| match &e.nodes()[1] {
            Child::Element(c) => std::sync::Arc::as_ptr(c),
            _ => unreachable!(),
        };
        assert_eq!(shared(&a), shared(&b));
    }

    #[test]
    fn refusals_say_where() {
        let e = parse("<a>\n  <b x='1' x='2'/>\n</a>").unwrap_err();
        assert_eq!((e.line, e.column), (2, 3));
        for bad in [
            "",
            "<a>",
            "<a/><b/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<a>&x;</a>",
            "x<a/>",
            "</a>",
            "<a>\0</a>",
            "<a>&#27;</a>",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let deep = "<a>".repeat(1_000_000);
        assert!(parse(&deep).unwrap_err().message.contains("deeper"));
        let limits = ParseLimits { elements: 2, ..ParseLimits::default() };
        assert!(parse_with_limits("<a><b/><b/></a>", limits).is_err());
    }
}
