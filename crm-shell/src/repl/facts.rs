//! What completion knows of the cluster and the machine.

use std::cell::RefCell;

use crm_core::cib::Element;

use crate::agents::Agents;
use crate::configuration::Configuration;
use crate::language::Kind;
use crate::session::Session;

/// Names and agents, as they were when the prompt was shown.
pub struct Facts {
    /// (kind, id) of every object.
    pub objects: Vec<(Kind, String)>,
    /// Names of the nodes.
    pub nodes: Vec<String>,
    /// Shadow CIBs.
    pub shadows: Vec<String>,
    /// (template, agent) of every resource template.
    pub templates: Vec<(String, String)>,
    /// (primitive, agent), for parameters of what exists.
    pub primitives: Vec<(String, String)>,
    /// The agents of this machine.
    pub agents: RefCell<Box<dyn Agents>>,
}

impl Facts {
    /// Nothing is known yet but the agents.
    pub fn new(agents: Box<dyn Agents>) -> Facts {
        Facts {
            objects: Vec::new(),
            nodes: Vec::new(),
            shadows: Vec::new(),
            templates: Vec::new(),
            primitives: Vec::new(),
            agents: RefCell::new(agents),
        }
    }

    /// Takes over what a configuration has.
    pub fn take(&mut self, configuration: &Configuration) {
        let agent = |e: &Element| {
            let part = |n: &str| e.attr(n).map(|v| format!("{v}:")).unwrap_or_default();
            format!("{}{}{}", part("class"), part("provider"), e.attr("type").unwrap_or_default())
        };
        let objects = configuration.objects();
        self.objects = objects
            .iter()
            .filter(|o| o.kind != Kind::Node)
            .map(|o| (o.kind, o.id.to_string()))
            .collect();
        self.nodes = configuration.node_names();
        let of_kind = |kind: Kind| {
            objects
                .iter()
                .filter(move |o| o.kind == kind)
                .map(|o| (o.id.to_string(), agent(o.element)))
                .collect::<Vec<_>>()
        };
        self.templates = of_kind(Kind::Template);
        self.primitives = of_kind(Kind::Primitive);
    }

    /// Looks again, where that costs nothing the user would notice.
    pub fn refresh(&mut self, session: &mut Session) {
        if let Some(editor) = &session.editor {
            self.take(&editor.now);
        } else if let Ok(cib) = session.access.cib() {
            self.take(&Configuration::new(&cib));
        }
        self.shadows = crate::levels::cib::names();
    }

    /// Names of resources, tags included.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.objects
            .iter()
            .filter(|(k, _)| k.is_resource() || *k == Kind::Tag)
            .map(|(_, id)| id.as_str())
    }

    /// The agent that a word of a definition means: `@template` or a name.
    pub fn agent_of(&self, word: &str) -> Option<(String, Option<String>, String)> {
        let name = match word.strip_prefix('@') {
            Some(template) => {
                self.templates.iter().find(|(t, _)| t == template).map(|(_, a)| a.clone())?
            }
            None => word.to_string(),
        };
        let parts: Vec<&str> = name.split(':').collect();
        Some(match *parts {
            [kind] | ["ocf", kind] => {
                let all = self.agents.borrow_mut().providers(kind);
                let usual = ["heartbeat", "pacemaker"].into_iter();
                let known = usual.filter(|p| all.iter().any(|a| a == p)).map(str::to_string);
                let provider = known.chain(all.first().cloned()).next();
                ("ocf".into(), provider.or(Some("heartbeat".into())), kind.into())
            }
            [class, kind] => (class.into(), None, kind.into()),
            [class, provider, kind] => (class.into(), Some(provider.into()), kind.into()),
            _ => return None,
        })
    }
}
