//! XPath 1.0 over a document, as far as a document without namespaces, comments and processing
//! instructions needs it (W3C recommendation of 1999).
//!
//! Left out: variables, `id()`, `lang()`, `translate()` and the namespace axis. They are refused
//! by name.

mod eval;
mod parse;

use crm_core::cib::Element;

/// A node: the positions of the children that lead to it from the root element, and the name of
/// an attribute if it is one. `None` for the path is the root above the document's element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    path: Option<Vec<usize>>,
    attribute: Option<usize>,
}

/// A parsed expression.
#[derive(Debug)]
pub(super) struct XPath(Expression);

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    Number(f64),
    Text(String),
    Call(Function, Vec<Expression>),
    Negative(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// What the steps begin with (`None`: the context node, or the root if absolute), filters on
    /// that, and the steps.
    Path {
        start: Start,
        filters: Vec<Expression>,
        steps: Vec<Step>,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Start {
    Context,
    Root,
    Expression(Box<Expression>),
}

#[derive(Clone, Debug, PartialEq)]
struct Step {
    axis: Axis,
    test: Test,
    predicates: Vec<Expression>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Child,
    Descendant,
    DescendantOrSelf,
    Parent,
    Ancestor,
    AncestorOrSelf,
    Itself,
    FollowingSibling,
    PrecedingSibling,
    Attribute,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// `node()`.
    Any,
    /// `text()`: there is no text that a path could select here.
    Text,
    /// `*`.
    AnyName,
    Name(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Div,
    Mod,
    Union,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Last,
    Position,
    Count,
    Name,
    String,
    Concat,
    StartsWith,
    Contains,
    SubstringBefore,
    SubstringAfter,
    Substring,
    StringLength,
    NormalizeSpace,
    Not,
    True,
    False,
    Boolean,
    Number,
    Sum,
    Floor,
    Ceiling,
    Round,
}

impl XPath {
    /// Parses an expression.
    ///
    /// # Errors
    /// Says what is not understood.
    pub(super) fn parse(text: &str) -> Result<XPath, String> {
        parse::expression(text).map(XPath)
    }

    /// The positions that lead to each selected element, in document order. An attribute stands
    /// for its element, as `cibadmin` shows it. A value selects nothing.
    pub(super) fn select(&self, root: &Element) -> Vec<Vec<usize>> {
        eval::select(&self.0, root)
    }
}

/// The element at a path of child positions.
pub(super) fn at<'a>(root: &'a Element, path: &[usize]) -> Option<&'a Element> {
    path.iter().try_fold(root, |e, at| e.children().nth(*at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::cib::parse;

    fn ids(text: &str) -> Vec<String> {
        let document = "<cib><a id='1'><b id='2' x='y z' n='10'/><b id='3' n='9'/></a>\
                        <c><a id='4'><b id='5'/></a></c></cib>";
        let cib = parse(document).unwrap();
        let found = XPath::parse(text).unwrap().select(&cib);
        found.iter().map(|p| at(&cib, p).unwrap().id().unwrap_or("-").to_string()).collect()
    }

    #[test]
    fn paths_and_axes() {
        assert_eq!(ids("//b"), ["2", "3", "5"]);
        assert_eq!(ids("/cib/a/b"), ["2", "3"]);
        assert_eq!(ids("//c//b"), ["5"]);
        assert_eq!(ids("/cib"), ["-"]);
        assert_eq!(ids("//b[@id='3']/.."), ["1"]);
        assert_eq!(ids("//b[@id='3']/preceding-sibling::*"), ["2"]);
        assert_eq!(ids("//b/ancestor::a"), ["1", "4"]);
        assert_eq!(ids("//a/@id"), ["1", "4"]);
        assert_eq!(ids("//a[@id='4'] | //b[@x]"), ["2", "4"]);
        assert_eq!(ids("//*[not(*)]"), ["2", "3", "5"]);
    }

    #[test]
    fn predicates_and_functions() {
        assert_eq!(ids("//b[1]"), ["2", "5"]);
        assert_eq!(ids("(//b)[last()]"), ["5"]);
        assert_eq!(ids("//b[@id=\"2\" and @x='y z']"), ["2"]);
        assert_eq!(ids("//b[@n > 9 or position()=2]"), ["2", "3"]);
        assert_eq!(ids("//a[count(b)=2]"), ["1"]);
        assert_eq!(ids("//b[contains(@x,'z')][starts-with(@x,'y')]"), ["2"]);
        assert_eq!(ids("//b[@id != '2'][@n]"), ["3"]);
        assert_eq!(ids("//b[@n = 5 + 4]"), ["3"]);
        assert_eq!(ids("//a[b/@id = '5']"), ["4"]);
        assert_eq!(ids("//*[name()='c']/a"), ["4"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "//", "//a[", "//a[x", "//a[@x=]", "a b", "$x", "id('a')", "a['"] {
            assert!(XPath::parse(bad).is_err(), "{bad}");
        }
        let deep = "(".repeat(100_000);
        assert!(XPath::parse(&deep).is_err());
    }
}
