//! The persistent element tree.

use std::sync::Arc;

/// What an element contains, in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Child {
    /// A nested element.
    Element(Arc<Element>),
    /// A comment, without its delimiters.
    Comment(Box<str>),
    /// Character data, unescaped. White space between elements is not kept.
    Text(Box<str>),
}

/// One XML element: a name, attributes in the order they were written, and children.
///
/// Cloning is cheap: nested elements are shared until one side changes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: Arc<str>,
    attributes: Vec<(Arc<str>, Box<str>)>,
    children: Vec<Child>,
}

impl Element {
    /// An element without attributes and children.
    pub fn new(name: impl Into<Arc<str>>) -> Element {
        Element { name: name.into(), attributes: Vec::new(), children: Vec::new() }
    }

    /// The same element with one attribute more (or replaced); for building.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Element {
        self.set_attr(name, value);
        self
    }

    /// The same element with one nested element more; for building.
    #[must_use]
    pub fn with_child(mut self, child: Element) -> Element {
        self.push(child);
        self
    }

    /// The tag.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes the tag, keeping attributes and children.
    pub fn rename(&mut self, name: impl Into<Arc<str>>) {
        self.name = name.into();
    }

    /// The value of an attribute.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| &**n == name).map(|(_, v)| &**v)
    }

    /// The `id` attribute.
    pub fn id(&self) -> Option<&str> {
        self.attr("id")
    }

    /// All attributes, in document order.
    pub fn attrs(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(n, v)| (&**n, &**v))
    }

    /// Sets an attribute: in place if it exists, else at the end.
    pub fn set_attr(&mut self, name: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        match self.attributes.iter_mut().find(|(n, _)| &**n == name) {
            Some((_, old)) => *old = value.into(),
            None => self.attributes.push((name.into(), value.into())),
        }
    }

    /// Removes an attribute and returns its value.
    pub fn remove_attr(&mut self, name: &str) -> Option<Box<str>> {
        let at = self.attributes.iter().position(|(n, _)| &**n == name)?;
        Some(self.attributes.remove(at).1)
    }

    /// Everything inside, in document order.
    pub fn nodes(&self) -> &[Child] {
        &self.children
    }

    /// Everything inside, to rearrange.
    pub fn nodes_mut(&mut self) -> &mut Vec<Child> {
        &mut self.children
    }

    /// The nested elements, in document order.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = &Element> {
        self.children.iter().filter_map(|c| match c {
            Child::Element(e) => Some(&**e),
            Child::Comment(_) | Child::Text(_) => None,
        })
    }

    /// The nested elements with this tag.
    pub fn children_named<'a>(
        &'a self,
        name: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Element> {
        self.children().filter(move |c| c.name() == name)
    }

    /// The nested elements, to change. Each one that is visited is unshared.
    pub fn children_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Element> {
        self.children.iter_mut().filter_map(|c| match c {
            Child::Element(e) => Some(Arc::make_mut(e)),
            Child::Comment(_) | Child::Text(_) => None,
        })
    }

    /// The first nested element with this tag.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children().find(|c| c.name() == name)
    }

    /// The first nested element with this tag, to change. Only that one is unshared.
    pub fn child_mut(&mut self, name: &str) -> Option<&mut Element> {
        self.find_child_mut(|c| c.name() == name)
    }

    /// The first nested element that satisfies `wanted`, to change. Only that one is unshared.
    pub fn find_child_mut(&mut self, wanted: impl Fn(&Element) -> bool) -> Option<&mut Element> {
        self.children.iter_mut().find_map(|c| match c {
            Child::Element(e) if wanted(e) => Some(Arc::make_mut(e)),
            Child::Element(_) | Child::Comment(_) | Child::Text(_) => None,
        })
    }

    /// The first nested element with this tag, made at the end if there is none.
    pub fn child_or_insert(&mut self, name: &str) -> &mut Element {
        let at = self.position(|c| c.name() == name).unwrap_or_else(|| {
            self.push(Element::new(name));
            self.children.len() - 1
        });
        match &mut self.children[at] {
            Child::Element(e) => Arc::make_mut(e),
            Child::Comment(_) | Child::Text(_) => unreachable!("position() finds elements only"),
        }
    }

    /// The index in [`nodes`](Element::nodes) of the first nested element that satisfies `wanted`.
    pub fn position(&self, wanted: impl Fn(&Element) -> bool) -> Option<usize> {
        self.children.iter().position(|c| matches!(c, Child::Element(e) if wanted(e)))
    }

    /// The element at `path`, one tag a step.
    pub fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter().try_fold(self, |e, name| e.child(name))
    }

    /// The element at `path`, to change.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Element> {
        path.iter().try_fold(self, |e, name| e.child_mut(name))
    }

    /// The element with this `id`, this one included, in document order.
    pub fn find_id(&self, id: &str) -> Option<&Element> {
        if self.id() == Some(id) {
            return Some(self);
        }
        self.children().find_map(|c| c.find_id(id))
    }

    /// The element with this `id`, to change. Only the path to it is unshared.
    pub fn find_id_mut(&mut self, id: &str) -> Option<&mut Element> {
        if self.id() == Some(id) {
            return Some(self);
        }
        self.find_child_mut(|c| c.find_id(id).is_some())?.find_id_mut(id)
    }

    /// Appends a nested element.
    pub fn push(&mut self, child: Element) {
        self.children.push(Child::Element(Arc::new(child)));
    }

    /// Keeps only the nested elements that satisfy `keep`; comments and text stay.
    pub fn retain(&mut self, keep: impl Fn(&Element) -> bool) {
        self.children.retain(|c| match c {
            Child::Element(e) => keep(e),
            Child::Comment(_) | Child::Text(_) => true,
        });
    }

    /// The character data directly inside, joined.
    pub fn text(&self) -> String {
        self.children
            .iter()
            .filter_map(|c| match c {
                Child::Text(t) => Some(&**t),
                Child::Element(_) | Child::Comment(_) => None,
            })
            .collect()
    }

    /// This element and everything below it, in document order.
    pub fn descendants(&self) -> Descendants<'_> {
        Descendants { stack: vec![self] }
    }

    pub(super) fn with_parts(name: Arc<str>, attributes: Vec<(Arc<str>, Box<str>)>) -> Element {
        Element { name, attributes, children: Vec::new() }
    }
}

/// Iterator of [`Element::descendants`].
pub struct Descendants<'a> {
    stack: Vec<&'a Element>,
}

impl<'a> Iterator for Descendants<'a> {
    type Item = &'a Element;

    fn next(&mut self) -> Option<&'a Element> {
        let next = self.stack.pop()?;
        self.stack.extend(next.children().rev());
        Some(next)
    }
}
