//! The configuration that is being edited: objects of the language over one `configuration`
//! element, and the changes that statements and commands make to it.
//!
//! Pure. Nothing is written anywhere; a change that fails leaves the configuration as it was.

mod add;
mod merge;
mod remove;
mod select;
mod values;

#[cfg(test)]
mod tests;

use crm_core::cib::{Element, UpgradeError, upgrade_fully};

use crate::language::{IdStore, Kind, SchemaVersion, Style, World, is_member, text, text_noting};

pub use add::{Added, milliseconds};
pub use merge::merge;
pub use remove::{Removed, references, refers};
pub use select::Selection;

/// An object of the configuration.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub id: &'a str,
    /// Its element.
    pub element: &'a Element,
    /// The container it is a member of.
    pub parent: Option<&'a Element>,
}

/// Why a change was refused. Nothing was changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is no such object.
    #[error("object {id} does not exist{}", hint(.near))]
    NoObject {
        /// The name that was asked for.
        id: String,
        /// A name that is nearly the same.
        near: Option<String>,
    },
    /// Something else has this name.
    #[error("Cannot create {kind} with ID '{id}': there is already a {existing} of that name")]
    Exists {
        /// The kind that was to be made.
        kind: &'static str,
        /// Its name.
        id: String,
        /// What has the name.
        existing: String,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

fn hint(near: &Option<String>) -> String {
    near.as_ref().map(|n| format!("; did you mean '{n}'?")).unwrap_or_default()
}

/// The result of a change.
pub type Result<T> = std::result::Result<T, EditError>;

/// The order of the sections in the `configuration` element.
const SECTIONS: &[&str] = &[
    "crm_config",
    "nodes",
    "resources",
    "constraints",
    "fencing-topology",
    "rsc_defaults",
    "op_defaults",
    "acls",
    "tags",
    "alerts",
];

/// The configuration that is being edited.
#[derive(Clone, Debug)]
pub struct Configuration {
    root: Element,
    ids: IdStore,
    /// `validate-with` of the document.
    schema: String,
}

impl Configuration {
    /// The configuration of a `cib` element.
    pub fn new(cib: &Element) -> Configuration {
        let root = cib.child("configuration").cloned();
        let root = root.unwrap_or_else(|| Element::new("configuration"));
        let schema = cib.attr("validate-with").unwrap_or("pacemaker-3.9").to_string();
        Configuration { ids: IdStore::of(&root), root, schema }
    }

    /// The `configuration` element as it is now.
    pub fn root(&self) -> &Element {
        &self.root
    }

    /// The name of the schema.
    pub fn schema_name(&self) -> &str {
        &self.schema
    }

    /// Changes the schema.
    pub fn set_schema(&mut self, name: &str) {
        self.schema = name.to_string();
    }

    /// The whole document, as far as the schema is concerned: no status, any version.
    pub fn document(&self) -> Element {
        let mut root = self.root.clone();
        // A section that is not written yet is empty.
        for section in ["crm_config", "nodes", "resources", "constraints"] {
            root.child_or_insert(section);
        }
        let numbers = ["admin_epoch", "epoch", "num_updates"];
        let cib = numbers.iter().fold(Element::new("cib"), |cib, name| cib.with(name, "0"));
        cib.with("validate-with", &self.schema).with_child(root)
    }

    /// Brings everything to the newest schema that it can be brought to.
    ///
    /// # Errors
    /// What stands in the way; nothing has changed.
    pub fn upgrade(&mut self) -> std::result::Result<(), UpgradeError> {
        let new = upgrade_fully(&self.document())?;
        *self = Configuration::new(&new);
        Ok(())
    }

    /// All objects in document order, members behind their container.
    pub fn objects(&self) -> Vec<Object<'_>> {
        let mut out = Vec::new();
        for section in self.root.children() {
            if section.name() == "fencing-topology" {
                out.push(Object {
                    kind: Kind::Fencing,
                    id: "fencing_topology",
                    element: section,
                    parent: None,
                });
                continue;
            }
            for element in section.children() {
                push_objects(element, section.name(), None, &mut out);
            }
        }
        out
    }

    /// The object of this name; a resource or constraint before a node.
    pub fn find(&self, id: &str) -> Option<Object<'_>> {
        let all = self.objects();
        let other = all.iter().find(|o| o.kind != Kind::Node && o.id == id).cloned();
        other.or_else(|| self.find_node(id))
    }

    /// The node with this name or id.
    pub fn find_node(&self, name: &str) -> Option<Object<'_>> {
        let nodes = self.root.child("nodes")?;
        let mut nodes = nodes.children();
        let element = nodes.find(|n| n.id() == Some(name) || n.attr("uname") == Some(name))?;
        Some(Object { kind: Kind::Node, id: element.id()?, element, parent: None })
    }

    /// The resource (template included) with this name.
    pub fn find_resource(&self, id: &str) -> Option<Object<'_>> {
        self.find(id).filter(|o| o.kind.is_resource())
    }

    /// [`find`](Configuration::find), or the error that says what the name should perhaps be.
    pub fn require(&self, id: &str) -> Result<Object<'_>> {
        self.find(id).ok_or_else(|| {
            let all = self.objects();
            let near = crate::language::vocabulary::nearest(id, all.iter().map(|o| o.id));
            EditError::NoObject { id: id.to_string(), near: near.map(str::to_string) }
        })
    }

    /// Names of the nodes, in document order.
    pub fn node_names(&self) -> Vec<String> {
        let nodes = self.root.child("nodes").into_iter().flat_map(Element::children);
        nodes.filter_map(|n| n.attr("uname").or(n.id())).map(str::to_string).collect()
    }

    /// The value of a cluster property.
    pub fn property(&self, name: &str) -> Option<&str> {
        let sets = self.root.child("crm_config").into_iter().flat_map(Element::children);
        let mut pairs = sets.flat_map(Element::children);
        pairs.find(|p| p.name() == "nvpair" && p.attr("name") == Some(name))?.attr("value")
    }

    /// The primitive with what its template adds to it; `None` if the template is missing.
    pub fn resolved(&self, primitive: &Element) -> Option<Element> {
        let Some(template) = primitive.attr("template") else { return Some(primitive.clone()) };
        let base = self.find(template).filter(|o| o.kind == Kind::Template)?.element;
        let mut out = primitive.clone();
        for name in ["class", "provider", "type"] {
            if let Some(value) = base.attr(name) {
                out.set_attr(name, value);
            }
        }
        for inherited in base.children() {
            merge_inherited(&mut out, inherited);
        }
        Some(out)
    }

    /// An object as text.
    pub fn show(&self, object: &Object<'_>, style: &Style) -> String {
        text(object.kind, object.element, style, self)
    }

    /// [`show`](Configuration::show), with the reasons where the language refuses the object.
    pub fn show_noting(
        &self,
        object: &Object<'_>,
        style: &Style,
        faults: &mut Vec<String>,
    ) -> String {
        text_noting(object.kind, object.element, style, self, faults)
    }

    /// Objects as values: `kind`, `id`, `text`.
    pub fn listed(&self, objects: &[Object<'_>], style: &Style) -> Vec<serde_json::Value> {
        let listed = |o: &Object<'_>| {
            let text = self.show(o, style);
            serde_json::json!({ "kind": o.kind.keyword(), "id": o.id, "text": text })
        };
        objects.iter().map(listed).collect()
    }

    /// A style that knows which rules are referred to.
    pub fn style(&self) -> Style {
        let rules = self.root.descendants().filter(|e| e.name() == "rule");
        let referenced = rules.filter_map(|r| r.attr("id-ref")).map(str::to_string).collect();
        Style { referenced, nodes: self.node_names().len(), ..Style::default() }
    }

    /// The section that holds objects of a kind, made where it is missing.
    fn section_mut(&mut self, name: &str) -> &mut Element {
        if self.root.position(|c| c.name() == name).is_none() {
            let rank = |n: &str| SECTIONS.iter().position(|s| *s == n).unwrap_or(usize::MAX);
            let mine = rank(name);
            let before = self.root.children().filter(|c| rank(c.name()) < mine).count();
            let at = self.root.nodes().len().min(before);
            let child = crm_core::cib::Child::Element(Element::new(name).into());
            self.root.nodes_mut().insert(at, child);
        }
        self.root.child_or_insert(name)
    }

    /// The element of an object, to change.
    fn element_mut(&mut self, kind: Kind, id: &str) -> Option<&mut Element> {
        match kind {
            Kind::Fencing => self.root.child_mut("fencing-topology"),
            kind if kind.is_resource() => resource_mut(self.root.child_mut("resources")?, id),
            kind => self
                .root
                .child_mut(kind.section())?
                .find_child_mut(|c| c.id() == Some(id) && c.name() == kind.tag()),
        }
    }
}

impl World for Configuration {
    fn nodes(&self) -> Vec<String> {
        self.node_names()
    }

    fn schema(&self) -> SchemaVersion {
        SchemaVersion::parse(&self.schema)
    }
}

fn push_objects<'a>(
    element: &'a Element,
    section: &str,
    parent: Option<&'a Element>,
    out: &mut Vec<Object<'a>>,
) {
    let Some(kind) = Kind::from_element(element.name(), section) else { return };
    let Some(id) = element.id() else { return };
    out.push(Object { kind, id, element, parent });
    if kind.is_container() {
        for member in element.children().filter(|c| is_member(c)) {
            push_objects(member, section, Some(element), out);
        }
    }
}

fn resource_mut<'a>(holder: &'a mut Element, id: &str) -> Option<&'a mut Element> {
    let holds = |e: &Element| is_member(e) || e.name() == "template";
    let inside = |e: &Element| contains_resource(e, id);
    let child = holder.find_child_mut(|c| holds(c) && inside(c))?;
    if child.id() == Some(id) { Some(child) } else { resource_mut(child, id) }
}

fn contains_resource(e: &Element, id: &str) -> bool {
    e.id() == Some(id) || e.children().any(|c| is_member(c) && contains_resource(c, id))
}

/// Adds what a template says and the primitive does not.
fn merge_inherited(out: &mut Element, inherited: &Element) {
    let tag = inherited.name().to_string();
    let key =
        |e: &Element| (e.attr("name").map(str::to_string), e.attr("interval").map(str::to_string));
    match out.child_mut(&tag) {
        None => out.push(inherited.clone()),
        Some(own) => {
            let known: Vec<_> = own.children().map(key).collect();
            for item in inherited.children().filter(|i| !known.contains(&key(i))) {
                own.push(item.clone());
            }
        }
    }
}
