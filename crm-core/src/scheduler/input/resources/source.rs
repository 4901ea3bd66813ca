//! One resource element, read once; instances are made from it.

use std::sync::Arc;

use crate::cib::Element;
use crate::scalar::{parse_bool, parse_interval};
use crate::scheduler::model::{Agent, Block, Blocks, OpDef, Role, Table, Task};

use super::{Reader, Refused};

/// What an element says about a resource, its template merged in (I-84, I-85).
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    pub id: Arc<str>,
    /// XML attributes: the first source of meta-attributes (I-74).
    pub attributes: Vec<(Arc<str>, Arc<str>)>,
    pub agent: Agent,
    pub template: Option<Arc<str>>,
    pub meta: Blocks,
    pub params: Blocks,
    pub utilization: Blocks,
    pub ops: Arc<Vec<OpDef>>,
}

impl Source {
    /// A resource made by the cluster itself.
    pub fn implicit(id: &str, agent: [&str; 3]) -> Source {
        let [class, provider, kind] = agent;
        let pair = |n: &str, v: &str| (n.into(), v.into());
        Source {
            id: id.into(),
            attributes: vec![
                pair("id", id),
                pair("class", class),
                pair("provider", provider),
                pair("type", kind),
            ],
            agent: Agent {
                class: class.into(),
                provider: Some(provider.into()),
                kind: kind.into(),
            },
            ..Source::default()
        }
    }

    /// Adds one block of pairs as its meta-attributes or parameters.
    pub fn block(pairs: Table) -> Blocks {
        let pairs = pairs.iter().map(|(n, v)| (n.into(), v.into())).collect();
        let score = crate::Score::ZERO;
        Arc::new(vec![Block { id: "".into(), score, rules: Vec::new(), pairs }])
    }

    /// An operation of a resource made by the cluster itself.
    pub fn op(id: &str, name: &str, interval: &str, timeout: Option<&str>) -> OpDef {
        let mut attributes: Vec<(Arc<str>, Arc<str>)> =
            vec![("interval".into(), interval.into()), ("name".into(), name.into())];
        if let Some(timeout) = timeout {
            attributes.push(("timeout".into(), timeout.into()));
        }
        OpDef {
            id: format!("{id}-{name}-{interval}").into(),
            name: Task::parse(name),
            interval: parse_interval(Some(interval)),
            enabled: true,
            role: None,
            attributes,
            meta: Blocks::default(),
            params: Blocks::default(),
        }
    }
}

impl Agent {
    /// I-42
    pub(crate) fn is_remote_connection(&self) -> bool {
        self.class.eq_ignore_ascii_case("ocf")
            && self.provider.as_deref().is_some_and(|p| p.eq_ignore_ascii_case("pacemaker"))
            && self.kind.eq_ignore_ascii_case("remote")
    }

    /// I-83
    pub(crate) fn can_be_promoted(&self) -> bool {
        self.class.eq_ignore_ascii_case("ocf")
    }

    /// I-83
    pub(crate) fn can_be_unique(&self) -> bool {
        self.class.eq_ignore_ascii_case("ocf") || self.class.eq_ignore_ascii_case("stonith")
    }
}

impl<'a> Reader<'_, 'a> {
    /// Reads an element and its template.
    pub(super) fn source(&mut self, element: &'a Element) -> Result<Source, Refused> {
        let Some(id) = element.id() else {
            self.complain(format!("Ignoring <{}> without id", element.name()));
            return Err(Refused);
        };
        let template = match element.attr("template") {
            None => None,
            Some(name) if name == id => {
                self.complain(format!("The resource object '{id}' should not reference itself"));
                return Err(Refused);
            }
            Some(name) => match self.templates.get(name) {
                Some(found) => Some(*found),
                None => {
                    self.complain(format!("No template named '{name}'"));
                    return Err(Refused);
                }
            },
        };
        let described = template.unwrap_or(element);
        let mut attributes: Vec<(Arc<str>, Arc<str>)> =
            described.attrs().map(|(n, v)| (n.into(), v.into())).collect();
        if let Some(own) = attributes.iter_mut().find(|(n, _)| &**n == "id") {
            own.1 = id.into();
        }
        let text = |name: &str| described.attr(name).map(Arc::from);
        let options = &self.cluster.options;
        let parts = || template.into_iter().chain(std::iter::once(element));
        Ok(Source {
            id: id.into(),
            attributes,
            agent: Agent {
                class: text("class").unwrap_or_default(),
                provider: text("provider"),
                kind: text("type").unwrap_or_default(),
            },
            template: element.attr("template").map(Arc::from),
            meta: self.doc.blocks(parts(), "meta_attributes", options),
            params: self.doc.blocks(parts(), "instance_attributes", options),
            utilization: self.doc.blocks(parts(), "utilization", options),
            ops: Arc::new(self.operations(element, template)),
        })
    }

    fn operations(&self, element: &'a Element, template: Option<&'a Element>) -> Vec<OpDef> {
        let list = |e: &'a Element| e.child("operations").and_then(|o| self.doc.resolve(o));
        let own = list(element);
        let mut elements: Vec<&Element> =
            own.into_iter().flat_map(|o| o.children_named("op")).collect();
        let inherited = template.and_then(list);
        let same = |a: &Element, b: &Element| {
            a.attr("name") == b.attr("name") && role_class(a) == role_class(b)
        };
        let own_count = elements.len();
        for op in inherited.into_iter().flat_map(|o| o.children_named("op")) {
            if !elements[..own_count].iter().any(|e| same(e, op)) {
                elements.push(op);
            }
        }
        elements.into_iter().map(|op| self.operation(op)).collect()
    }

    fn operation(&self, op: &'a Element) -> OpDef {
        let options = &self.cluster.options;
        let blocks = |tag| self.doc.blocks(std::iter::once(op), tag, options);
        OpDef {
            id: op.id().unwrap_or_default().into(),
            name: Task::parse(op.attr("name").unwrap_or_default()),
            interval: parse_interval(op.attr("interval")),
            enabled: op.attr("enabled").and_then(parse_bool) != Some(false),
            role: op.attr("role").and_then(Role::parse),
            attributes: op
                .attrs()
                .filter(|(n, _)| *n != "id")
                .map(|(n, v)| (n.into(), v.into()))
                .collect(),
            meta: blocks("meta_attributes"),
            params: blocks("instance_attributes"),
        }
    }
}

/// Operations of one class replace each other (I-85).
fn role_class(op: &Element) -> &str {
    match op.attr("role") {
        None | Some("Started" | "Unpromoted" | "Slave") => "",
        Some(other) => other,
    }
}
